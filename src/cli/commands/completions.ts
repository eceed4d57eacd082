/** `completions`: what a shell needs to complete the command's words. */
import * as CommandDescriptor from "@effect/cli/CommandDescriptor"
import * as Effect from "effect/Effect"
import { argument, descriptor, type Group, leaf } from "../command.js"
import { UsageError } from "../exit.js"
import { Output } from "../output.js"

const shells = {
  bash: CommandDescriptor.getBashCompletions,
  zsh: CommandDescriptor.getZshCompletions,
  fish: CommandDescriptor.getFishCompletions
}

/** Flags that the parser's library adds to every command, and that this one does not take. */
const FOREIGN = "completions|log-level|wizard"

/** What is left of a line without them; nothing, where it is about one of them. */
const ours = (line: string): ReadonlyArray<string> =>
  new RegExp(`^ *'--(?:${FOREIGN})\\[| -l (?:${FOREIGN}) `).test(line)
    ? []
    : [line.replaceAll(new RegExp(` --(?:${FOREIGN})\\b`, "g"), "")]

/**
 * A line for bash with one way of writing where in the command it is: the parser's library writes `effect-panda` where it
 * looks for `effect__panda`, and `effect__panda,uploads,list` where it has `effect__panda__uploads`.
 */
const placed = (line: string): string =>
  line
    .replace(/^( *(?:cmd=")?)effect-panda("|\))$/, "$1effect__panda$2")
    .replace(
      /^( *)(effect__panda(?:,[\w-]+)+)(,[\w-]+\))$/,
      (_, space: string, path: string, last: string) => `${space}${path.replaceAll(",", "__")}${last}`
    )

export const completions = (root: () => Group) =>
  leaf({
    name: "completions",
    summary: "Print what a shell needs to complete the words of this command",
    examples: [
      { line: "completions bash > ~/.local/share/bash-completion/completions/effect-panda", does: "for bash" },
      { line: "completions zsh > ~/.zfunc/_effect-panda", does: "for zsh" },
      { line: "completions fish > ~/.config/fish/completions/effect-panda.fish", does: "for fish" }
    ],
    connects: false,
    options: {},
    args: { shell: argument("SHELL", "bash, zsh or fish") },
    run: ({ shell }) =>
      Effect.gen(function*() {
        if (!Object.hasOwn(shells, shell)) {
          return yield* new UsageError({ message: `${shell} is not a shell that is known here: use bash, zsh or fish` })
        }
        const command = root()
        const script = (yield* shells[shell as keyof typeof shells](descriptor(command), command.name)).flatMap(ours)
          .map((line) => shell === "bash" ? placed(line) : line)
        const output = yield* Output
        yield* output.print(script.join("\n"))
        yield* output.emit({ type: "result", value: script.join("\n") })
      })
  })
