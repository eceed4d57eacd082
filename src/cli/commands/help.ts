/** `help`: the words of a command. */
import * as Args from "@effect/cli/Args"
import * as Effect from "effect/Effect"
import { argument, type Command, type Group, leaf } from "../command.js"
import { UsageError } from "../exit.js"
import * as manual from "../manual.js"
import { Output } from "../output.js"
import { nearest } from "../text.js"

export const help = (root: () => Group) =>
  leaf({
    name: "help",
    summary: "Tell what there is, or what a command takes",
    examples: [{ line: "help upload", does: "the same as upload --help" }],
    connects: false,
    options: {},
    args: { words: Args.repeated(argument("COMMAND", "The words of a command")) },
    run: ({ words }) =>
      Effect.gen(function*() {
        const output = yield* Output
        const path: Array<Command> = [root()]
        for (const word of words) {
          const at = path.at(-1)!
          const names = at._tag === "Group" ? at.commands : []
          const next = names.find(({ name }) => name === word)
          if (next === undefined) {
            const meant = nearest(word, names.map(({ name }) => name))
            return yield* new UsageError({
              message: `${word} is not a command${meant === undefined ? "" : `: did you mean ${meant}?`}`,
              command: ""
            })
          }
          path.push(next)
        }
        const text = manual.help(path, Math.min(output.columns.out(), 100), output.style.out)
        yield* output.print(text)
        yield* output.emit({ type: "result", value: text })
      })
  })
