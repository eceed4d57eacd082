/** The words of the commands as people read them: on a terminal, and in the manual. Both are made of the definitions. */
import * as Args from "@effect/cli/Args"
import type * as HelpDoc from "@effect/cli/HelpDoc"
import type * as Span from "@effect/cli/HelpDoc/Span"
import * as Options from "@effect/cli/Options"
import { type Command, common, type Group, type Leaf, paragraphs, spanText } from "./command.js"
import { namesIn } from "./commandLine.js"
import * as json from "./json.js"
import type { Style } from "./output.js"
import { column, width, wrap } from "./text.js"

const PROGRAM = "effect-panda"

/** Fewer columns than that are too few for two texts side by side. */
const NARROW = 60

interface Row {
  readonly name: string
  readonly words: string
}

const definitions = (doc: HelpDoc.HelpDoc): ReadonlyArray<readonly [Span.Span, HelpDoc.HelpDoc]> => {
  switch (doc._tag) {
    case "Sequence":
      return [...definitions(doc.left), ...definitions(doc.right)]
    case "DescriptionList":
      return doc.definitions
    default:
      return []
  }
}

/** The parser's library puts a sentence on the type before ours, and one on what is optional after it. */
const described = (doc: HelpDoc.HelpDoc): string => paragraphs(doc)[1] ?? ""

const optionsOf = (options: Options.Options<unknown>): ReadonlyArray<Row> => {
  const words = definitions(Options.getHelp(options)).map(([, doc]) => described(doc))
  const named = namesIn(Options.getUsage(options))
  const rows = named.map(({ names, value }, i) => ({
    name: [...names].sort((a, b) => a.length - b.length).join(", ") +
      (value === undefined ? "" : ` ${value.replaceAll(" ", "")}`),
    words: words[i]!
  }))
  // Two names of one thing, such as --wait and --no-wait.
  return rows.flatMap((row, i) =>
    rows[i - 1]?.words === row.words
      ? []
      : rows[i + 1]?.words === row.words
      ? [{ ...row, name: `${row.name}, ${rows[i + 1]!.name}` }]
      : [row]
  )
}

const argsOf = (args: Args.Args<unknown>): ReadonlyArray<Row> =>
  definitions(Args.getHelp(args)).map(([span, doc]) => ({
    name: spanText(span).replace(/[<>]/g, "").split(" ")[0]!,
    words: described(doc)
  }))

const commonNames = new Set(optionsOf(common).map(({ name }) => name))

/** `FILE…`, `[ID]`, `METHOD PATH [NAME=VALUE…]`. */
const argsUsage = (args: Args.Args<unknown>): string => {
  const show = (usage: ReturnType<typeof Args.getUsage>): string => {
    switch (usage._tag) {
      case "Named":
        return usage.names[0]!.replace(/[<>]/g, "")
      case "Optional":
        return `[${show(usage.usage)}]`
      case "Repeated":
        return `${show(usage.usage)}…`
      case "Concat":
        return [show(usage.left), show(usage.right)].filter((text) => text !== "").join(" ")
      default:
        return ""
    }
  }
  return show(Args.getUsage(args))
}

const typed = (path: ReadonlyArray<Command>): string => [PROGRAM, ...path.slice(1).map(({ name }) => name)].join(" ")

const usageOf = (path: ReadonlyArray<Command>, leaf: Leaf): string =>
  [typed(path), argsUsage(leaf.args), "[options]"].filter((text) => text !== "").join(" ")

/** All commands under one, with their paths. */
export const leaves = (
  path: ReadonlyArray<Command>
): ReadonlyArray<{ readonly path: ReadonlyArray<Command>; readonly leaf: Leaf }> => {
  const last = path.at(-1)!
  return last._tag === "Leaf" ? [{ path, leaf: last }] : last.commands.flatMap((command) => leaves([...path, command]))
}

/** The help of a command, or of a group of them. */
export const help = (path: ReadonlyArray<Command>, columns: number, style: Style): string => {
  const last = path.at(-1)!
  const section = (title: string, rows: ReadonlyArray<Row>) => {
    if (rows.length === 0) return []
    const names = Math.min(Math.max(...rows.map(({ name }) => width(name))), 26)
    const lines = rows.map(({ name, words }) => {
      const text = wrap(words, columns, columns < NARROW ? 6 : names + 4)
      return columns < NARROW || width(name) > names
        ? `  ${name}\n${text}`
        : `  ${column(name, names)}  ${text.trimStart()}`
    })
    return [`${style("bold", title)}\n${lines.join("\n")}`]
  }
  if (last._tag === "Group") {
    return [
      wrap(`${last.summary}.`, columns),
      `${style("bold", "Usage")}\n  ${typed(path)} COMMAND [options]`,
      ...section("Commands", last.commands.map(({ name, summary }) => ({ name, words: summary }))),
      ...path.length > 1 ? [] : section("Exit codes", exitCodes),
      `What a command takes, and examples of it: ${typed(path)} COMMAND --help`
    ].join("\n\n")
  }
  const options = optionsOf(last.options)
  return [
    wrap(`${last.summary}.`, columns),
    `${style("bold", "Usage")}\n  ${usageOf(path, last)}`,
    ...last.details.map((text) => wrap(text, columns)),
    ...section("Arguments", argsOf(last.args)),
    ...section("Options", options.filter(({ name }) => !commonNames.has(name))),
    ...section("Common options", options.filter(({ name }) => commonNames.has(name))),
    `${style("bold", "Examples")}\n${
      last.examples.map(({ does, line }) => `  ${style("dim", `# ${does}`)}\n  ${PROGRAM} ${line}`).join("\n")
    }`
  ].join("\n\n")
}

const exitCodes: ReadonlyArray<Row> = [
  { name: "0", words: "done" },
  { name: "1", words: "failed for good" },
  { name: "2", words: "the command line, or a file it names, is not what the command takes; nothing was sent" },
  { name: "3", words: "some of several failed" },
  { name: "4", words: "credentials or configuration" },
  { name: "5", words: "gave up, but the same command goes on from there" },
  { name: "130, 143", words: "interrupted by SIGINT (Ctrl-C) or SIGTERM; what was begun is kept" }
]

const cell = (text: string) => text.replaceAll("|", "\\|")

const rows = (head: string, rows: ReadonlyArray<Row>) =>
  rows.length === 0
    ? []
    : [
      `| ${head} | |\n| --- | --- |\n${
        rows.map(({ name, words }) => `| \`${cell(name)}\` | ${cell(words)} |`).join("\n")
      }`
    ]

/** The manual, in Markdown. */
export const markdown = (root: Group): string =>
  [
    "# effect-panda, the command",
    `<!-- Made of the definitions in src/cli by \`npm run manual\`. -->`,
    `${root.summary}.`,
    ...leaves([root]).flatMap(({ leaf, path }) => [
      `## ${path.slice(1).map(({ name }) => name).join(" ")}`,
      `${leaf.summary}.`,
      `\`\`\`sh\n${usageOf(path, leaf)}\n\`\`\``,
      ...leaf.details,
      ...rows("argument", argsOf(leaf.args)),
      ...rows("option", optionsOf(leaf.options).filter(({ name }) => !commonNames.has(name))),
      `\`\`\`sh\n${leaf.examples.map(({ does, line }) => `# ${does}\n${PROGRAM} ${line}`).join("\n")}\n\`\`\``
    ]),
    "## Options of many commands",
    "Those that talk to Panda have all of them, the others `--json`, `--quiet` and `--verbose`.",
    ...rows("option", optionsOf(common)),
    "## Exit codes",
    ...rows("code", exitCodes),
    "## JSON",
    "With `--json` each line of standard output is one of these, the last one a `result` or an `error`. As a JSON Schema:",
    `\`\`\`json\n${JSON.stringify(json.schema(), undefined, 2)}\n\`\`\``
  ].join("\n\n") + "\n"
