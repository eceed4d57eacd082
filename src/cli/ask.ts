/** Questions, on a terminal only: what is asked of nobody would wait for ever. */
import * as Effect from "effect/Effect"
import { createInterface } from "node:readline"
import { Writable } from "node:stream"
import { UsageError } from "./exit.js"

const { stderr, stdin } = process

/** Whether there is somebody to ask. */
export const canAsk = (): boolean => stdin.isTTY && stderr.isTTY

/** The answer, a line; with `hidden` it is not shown as it is typed. */
export const ask = (question: string, options: { readonly hidden?: boolean } = {}): Effect.Effect<string, UsageError> =>
  Effect.async<string, UsageError>((resume) => {
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
    stderr.write(question)
    const lines = createInterface({
      input: stdin,
      output: options.hidden === true ? nowhere : stderr,
      terminal: true,
      prompt: ""
    })
    let answer: string | undefined
    lines.once("line", (line) => {
      answer = line
      lines.close()
    })
    // The terminal is in raw mode, so that Ctrl-C is a key. It ends the command, not the input.
    lines.once("SIGINT", () => process.kill(process.pid, "SIGINT"))
    lines.once("close", () => {
      if (options.hidden === true || answer === undefined) stderr.write("\n")
      resume(
        answer === undefined
          ? new UsageError({ message: "the input ended before there was an answer" })
          : Effect.succeed(answer)
      )
    })
    return Effect.sync(() => lines.close())
  })

/** Before something is gone for good: `--yes` answers, or a person does. */
export const confirm = (question: string, yes: boolean): Effect.Effect<boolean, UsageError> =>
  yes
    ? Effect.succeed(true)
    : canAsk()
    ? Effect.map(ask(`${question} [y/N] `), (answer) => /^y(es)?$/i.test(answer.trim()))
    : new UsageError({ message: "there is no terminal to ask on: pass --yes" })

/** All of standard input. */
export const input: Effect.Effect<string> = Effect.async<string>((resume) => {
  let text = ""
  stdin.setEncoding("utf8")
  stdin.on("data", (part: string) => {
    text += part
  })
  stdin.once("end", () => resume(Effect.succeed(text)))
  stdin.once("error", () => resume(Effect.succeed(text)))
})
