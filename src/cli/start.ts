/** The process: signals interrupt the command once, which then leaves in order, and end it the second time. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { codes } from "./exit.js"
import { run } from "./run.js"

/**
 * Milliseconds within which another signal is still the same wish: a terminal sends one to all of its group, and whoever
 * started the command, such as npm or a shell's script, passes its own on.
 */
const SAME = 500

const signals = { SIGINT: codes.interrupted, SIGTERM: codes.terminated, SIGHUP: 129 } as const

export const start = (words: ReadonlyArray<string>): void => {
  let stopped: number | undefined
  let since = 0
  const fiber = Effect.runFork(run(words, () => stopped ?? codes.failed))
  for (const [signal, code] of Object.entries(signals)) {
    process.on(signal, () => {
      if (stopped !== undefined && performance.now() - since < SAME) return
      if (stopped !== undefined) process.exit(stopped)
      stopped = code
      since = performance.now()
      Effect.runFork(Fiber.interruptFork(fiber))
    })
  }
  fiber.addObserver((exit) => {
    const code = stopped ?? (Exit.isSuccess(exit) ? exit.value : codes.failed)
    // What was written has to be out first, and connections that are kept open do not keep the process.
    process.stdout.write("", () => process.stderr.write("", () => process.exit(code)))
  })
}
