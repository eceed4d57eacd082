/** What a command is: its options, its arguments and its words on one side, what it does on the other. */
import * as Args from "@effect/cli/Args"
import * as CliConfig from "@effect/cli/CliConfig"
import * as CommandDescriptor from "@effect/cli/CommandDescriptor"
import type * as HelpDoc from "@effect/cli/HelpDoc"
import type * as Span from "@effect/cli/HelpDoc/Span"
import * as Options from "@effect/cli/Options"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import type * as Terminal from "@effect/platform/Terminal"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Connection, ConnectionOptions } from "./configuration.js"
import { UsageError } from "./exit.js"
import type { Options as OutputOptions, Output } from "./output.js"

export type Platform = FileSystem.FileSystem | Path.Path | Terminal.Terminal

export interface Example {
  /** Without the name of the program. */
  readonly line: string
  readonly does: string
}

export interface Leaf {
  readonly _tag: "Leaf"
  readonly name: string
  readonly summary: string
  readonly details: ReadonlyArray<string>
  readonly examples: ReadonlyArray<Example>
  readonly options: Options.Options<unknown>
  readonly args: Args.Args<unknown>
  /** Reads flags and arguments, which `commandLine.ts` has told apart. */
  readonly parse: (
    flags: ReadonlyArray<string>,
    args: ReadonlyArray<string>
  ) => Effect.Effect<Ready, UsageError, Platform>
}

/** A command line that was read: what to run, and what it runs with. */
export interface Ready {
  readonly output: OutputOptions
  readonly connection: ConnectionOptions
  readonly run: Effect.Effect<void, unknown, Output | Connection | Platform>
}

export interface Group {
  readonly _tag: "Group"
  readonly name: string
  readonly summary: string
  readonly commands: ReadonlyArray<Command>
}

export type Command = Leaf | Group

export const group = (name: string, summary: string, commands: ReadonlyArray<Command>): Group => ({
  _tag: "Group",
  name,
  summary,
  commands
})

/** An option that may be left out. */
export const optional = <A>(option: Options.Options<A>): Options.Options<A | undefined> =>
  Options.map(Options.optional(option), Option.getOrUndefined)

export const flag = (name: string, description: string): Options.Options<boolean> =>
  Options.withDescription(Options.boolean(name), description)

export const text = (name: string, value: string, description: string): Options.Options<string | undefined> =>
  optional(Options.text(name).pipe(Options.withPseudoName(value), Options.withDescription(description)))

/** A whole number, from the least to the most that makes sense. */
export const integer = (
  name: string,
  value: string,
  description: string,
  least: number,
  most = Number.MAX_SAFE_INTEGER
): Options.Options<number | undefined> =>
  optional(
    Options.text(name).pipe(
      Options.withPseudoName(value),
      Options.withDescription(description),
      Options.filterMap(
        (text) => {
          const number = /^[+-]?\d+$/.test(text) ? Number(text) : NaN
          return number >= least && number <= most ? Option.some(number) : Option.none()
        },
        `--${name} takes a number from ${least} ${most === Number.MAX_SAFE_INTEGER ? "on" : `to ${most}`}`
      )
    )
  )

/** Where a command listens. */
export const listenPort = integer("port", "PORT", "The port to listen on; any free one by default", 0, 65_535)

export const argument = (name: string, description: string): Args.Args<string> =>
  Args.withDescription(Args.text({ name }), description)

const output = {
  json: flag("json", "Write one JSON object a line to standard output, and nothing else there"),
  quiet: Options.withAlias(flag("quiet", "Tell nothing of what goes on: results and errors only"), "q"),
  verbose: flag("verbose", "Tell what the library does, too")
}

const connection = {
  as: text("as", "NAME", "The account of the configuration file to work as; it wins over the environment"),
  config: text("config", "FILE", "The configuration file; $XDG_CONFIG_HOME/effect-panda/config.json by default"),
  cloud: text("cloud", "ID", "The cloud to work in"),
  region: optional(
    Options.choice("region", ["us", "eu", "gce"]).pipe(Options.withDescription("Where the account is"))
  ),
  host: text("host", "HOST", "Another address of the API"),
  port: integer("port", "PORT", "Its port; 443 means https, any other http", 1, 65_535)
}

const nowhere: ConnectionOptions = {
  as: undefined,
  config: undefined,
  cloud: undefined,
  region: undefined,
  host: undefined,
  port: undefined
}

/** Those that many commands have, which the help of a command has last. */
export const common = Options.all({ ...connection, ...output })

interface Definition<O extends object, A extends object> {
  readonly name: string
  readonly summary: string
  readonly details?: ReadonlyArray<string>
  readonly examples: ReadonlyArray<Example>
  /** Whether it talks to Panda. */
  readonly connects: boolean
  readonly options: { readonly [K in keyof O]: Options.Options<O[K]> }
  readonly args: { readonly [K in keyof A]: Args.Args<A[K]> }
  readonly run: (values: O & A) => Effect.Effect<void, unknown, Output | Connection | Platform>
}

export const leaf = <O extends object, A extends object>(definition: Definition<O, A>): Leaf => {
  const { connects, details = [], examples, name, run, summary } = definition
  const args: Args.Args<unknown> = Object.keys(definition.args).length === 0 ? Args.none : Args.all(definition.args)
  const options = Options.all({
    own: Object.keys(definition.options).length === 0
      ? Options.none
      : Options.all(definition.options as Record<string, Options.Options<unknown>>),
    connection: connects ? Options.all(connection) : Options.map(Options.none, () => nowhere),
    output: Options.all(output)
  })
  return {
    _tag: "Leaf",
    name,
    summary,
    details,
    examples,
    options,
    args,
    parse: (flags, words) =>
      Effect.gen(function*() {
        const [wrong, , given] = yield* Options.processCommandLine(options, flags, CliConfig.defaultConfig)
        if (Option.isSome(wrong)) return yield* Effect.fail(wrong.value)
        const [left, taken] = yield* Args.validate(args, words, CliConfig.defaultConfig)
        if (left.length > 0) {
          return yield* new UsageError({ message: `one argument too many: ${left[0]}` })
        }
        // What was parsed is what the definition says, which the parser's types do not tell.
        const values = { ...(given.own as O | undefined), ...(taken as A | undefined) } as O & A
        return { output: given.output, connection: given.connection, run: Effect.suspend(() => run(values)) }
      }).pipe(Effect.catchAll((error) =>
        error instanceof UsageError
          ? Effect.fail(error)
          : new UsageError({ message: textOf(error.error) })
      ))
  }
}

/** The words of a text that the parser made up for a terminal; where an option is missing, in ours. */
const textOf = (doc: HelpDoc.HelpDoc): string =>
  paragraphs(doc)
    .map((words) => words.replace(/^Expected to find option: '(.*)'$/, "$1 is needed").replace(/\.$/, ""))
    .join(", ")

export const spanText = (span: Span.Span): string => {
  switch (span._tag) {
    case "Sequence":
      return spanText(span.left) + spanText(span.right)
    case "Text":
    case "URI":
      return span.value
    default:
      return spanText(span.value)
  }
}

export const paragraphs = (doc: HelpDoc.HelpDoc): ReadonlyArray<string> => {
  switch (doc._tag) {
    case "Sequence":
      return [...paragraphs(doc.left), ...paragraphs(doc.right)]
    case "Header":
    case "Paragraph":
      return [spanText(doc.value)]
    default:
      return []
  }
}

/** For the completions that the parser's library writes: it knows commands in a form of its own. */
export const descriptor = (command: Command): CommandDescriptor.Command<unknown> => {
  if (command._tag === "Leaf") {
    return CommandDescriptor.make(command.name, command.options, command.args).pipe(
      CommandDescriptor.withDescription(command.summary)
    )
  }
  const [first, ...others] = command.commands.map((command) => [command.name, descriptor(command)] as const)
  return CommandDescriptor.make(command.name).pipe(
    CommandDescriptor.withDescription(command.summary),
    CommandDescriptor.withSubcommands([first!, ...others])
  )
}
