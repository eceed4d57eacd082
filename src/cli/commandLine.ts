/**
 * From words to a command with its flags and its arguments. The parser of `@effect/cli` takes an unknown flag for an
 * argument, and a flag after an argument for one too, so they are told apart before it sees them.
 */
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import type { Usage } from "@effect/cli/Usage"
import * as Either from "effect/Either"
import { type Command, common, type Group, type Leaf } from "./command.js"
import { UsageError } from "./exit.js"
import { nearest } from "./text.js"

export type CommandLine =
  | { readonly _tag: "Help"; readonly path: ReadonlyArray<Command> }
  | { readonly _tag: "Version" }
  | {
    readonly _tag: "Run"
    readonly path: ReadonlyArray<Command>
    readonly leaf: Leaf
    readonly flags: ReadonlyArray<string>
    readonly args: ReadonlyArray<string>
  }

export interface Named {
  readonly names: ReadonlyArray<string>
  /** What it takes, if it takes something. */
  readonly value: string | undefined
}

/** The flags, or the arguments, of an usage. */
export const namesIn = (usage: Usage): ReadonlyArray<Named> => {
  switch (usage._tag) {
    case "Named":
      return [{
        names: usage.names,
        value: usage.acceptedValues._tag === "Some" ? usage.acceptedValues.value : undefined
      }]
    case "Optional":
    case "Repeated":
      return namesIn(usage.usage)
    case "Alternation":
    case "Concat":
      return [...namesIn(usage.left), ...namesIn(usage.right)]
    default:
      return []
  }
}

const flagsOf = (options: Options.Options<unknown>) => namesIn(Options.getUsage(options))

/** How a path of commands is typed. */
export const typed = (path: ReadonlyArray<Command>) => path.slice(1).map(({ name }) => name).join(" ")

const usageError = (message: string, path: ReadonlyArray<Command>) =>
  Either.left(new UsageError({ message, command: typed(path) }))

export const read = (
  root: Group,
  words: ReadonlyArray<string>
): Either.Either<CommandLine, UsageError> => {
  const path: Array<Command> = [root]
  const given: Array<readonly [name: string, value?: string]> = []
  const args: Array<string> = []
  let help = false

  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    const at = path.at(-1)!
    if (word === "--") {
      if (at._tag === "Group") return usageError(`-- comes before a command`, path)
      args.push(...words.slice(i + 1))
      break
    }
    if (word === "--help" || word === "-h") {
      help = true
    } else if (word === "--version" && path.length === 1) {
      return Either.right({ _tag: "Version" })
    } else if (word.startsWith("-") && word !== "-") {
      const [, name, value] = /^(-[^=]*)(?:=(.*))?$/s.exec(word)!
      const known = flagsOf(at._tag === "Leaf" ? at.options : common)
      const flag = known.find(({ names }) => names.includes(name!))
      if (flag === undefined) {
        const meant = nearest(name!, known.flatMap(({ names }) => names))
        const where = path.length === 1 ? "" : ` of ${typed(path)}`
        return usageError(
          `${name} is not a flag${where}${meant === undefined ? "" : `: did you mean ${meant}?`}`,
          path
        )
      }
      if (given.some(([earlier]) => flag.names.includes(earlier))) return usageError(`${name} is given twice`, path)
      if (flag.value === undefined) {
        if (value !== undefined) return usageError(`${name} takes no value`, path)
        given.push([name!])
        continue
      }
      const next = value ?? words[++i]
      // A flag in the place of a value is a value that was forgotten, and so is nothing: a variable was not set.
      const isFlag = known.some(({ names }) => names.includes(next?.split("=")[0] ?? ""))
      if (isFlag && value !== undefined) return usageError(`${name} cannot take ${value}, which is a flag`, path)
      if (next === undefined || next === "" || isFlag) {
        return usageError(`${name} needs a value: ${name} ${flag.value}`, path)
      }
      const choices = flag.value.split(" | ")
      if (choices.length > 1 && !choices.includes(next)) {
        return usageError(`${name} takes ${choices.slice(0, -1).join(", ")} or ${choices.at(-1)}, not ${next}`, path)
      }
      given.push([name!, next])
    } else if (at._tag === "Group") {
      const next = at.commands.find(({ name }) => name === word)
      if (next === undefined) {
        const meant = nearest(word, at.commands.map(({ name }) => name))
        const words = path.slice(1).map(({ name }) => `${name} `).join("")
        return usageError(
          `${words}${word} is not a command${meant === undefined ? "" : `: did you mean ${words}${meant}?`}`,
          path
        )
      }
      path.push(next)
    } else {
      args.push(word)
    }
  }

  const leaf = path.at(-1)!
  if (help || (path.length === 1 && words.length === 0)) return Either.right({ _tag: "Help", path })
  if (leaf._tag === "Group") {
    return usageError(`which of ${leaf.commands.map(({ name }) => name).join(", ")}?`, path)
  }
  // Those before the command had not met its options yet.
  const known = flagsOf(leaf.options)
  const foreign = given.find(([name]) => !known.some(({ names }) => names.includes(name)))
  if (foreign !== undefined) return usageError(`${foreign[0]} is not a flag of ${leaf.name}`, path)
  const needed = namesIn(Args.getUsage(leaf.args))
  if (args.length === 0 && Args.getMinSize(leaf.args) > 0) {
    return usageError(`which ${needed.map(({ names }) => names[0]!.replace(/[<>]/g, "")).join(", ")}?`, path)
  }
  return Either.right({
    _tag: "Run",
    path,
    leaf,
    flags: given.flatMap(([name, value]) => value === undefined ? [name] : [name, value]),
    args
  })
}
