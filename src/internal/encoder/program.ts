/** A program that is run: what it says as it goes, and its end, however that comes. */
import * as Command from "@effect/platform/Command"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import type { PlatformError } from "@effect/platform/Error"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

export interface Ran {
  readonly code: number
  readonly stdout: string
  /** The last of what it complained about. */
  readonly stderr: string
}

/** Characters that are kept of each of its two ways out. */
const KEPT = 256 * 1024

const keepLast = (text: string): string => text.length > 2 * KEPT ? text.slice(-KEPT) : text

/**
 * Runs a program without a shell. It is killed when nobody waits for it any more, and when it takes too long: then the
 * effect ends without a value. Killed, not asked to end: it may be what does not listen any more.
 */
export const run = (
  executor: CommandExecutor.CommandExecutor,
  name: string,
  args: ReadonlyArray<string>,
  options: {
    readonly timeLimit: Duration.DurationInput
    readonly folder?: string | undefined
    readonly onLine?: ((line: string) => Effect.Effect<void>) | undefined
  }
): Effect.Effect<Ran | undefined, PlatformError> =>
  Effect.gen(function*() {
    const command = Command.make(name, ...args).pipe(
      Command.stdin(Stream.empty),
      options.folder === undefined ? (command) => command : Command.workingDirectory(options.folder)
    )
    const process = yield* Effect.acquireRelease(
      executor.start(command),
      (process) =>
        Effect.ignore(Effect.flatMap(process.isRunning, (running) => running ? process.kill("SIGKILL") : Effect.void))
    )
    const decoder = new TextDecoder()
    let stdout = ""
    let stderr = ""
    const { onLine } = options
    yield* Effect.all([
      onLine === undefined
        ? Stream.runForEach(Stream.decodeText(process.stdout), (text) =>
          Effect.sync(() => {
            stdout = keepLast(stdout + text)
          }))
        : process.stdout.pipe(Stream.decodeText(), Stream.splitLines, Stream.runForEach(onLine)),
      Stream.runForEach(process.stderr, (bytes) =>
        Effect.sync(() => {
          stderr = keepLast(stderr + decoder.decode(bytes, { stream: true }))
        }))
    ], { concurrency: "unbounded", discard: true })
    // What ends by a signal has no code.
    const code = yield* Effect.orElseSucceed(process.exitCode, () => -1)
    return { code: Number(code), stdout: stdout.slice(-KEPT), stderr: stderr.slice(-KEPT) }
  }).pipe(
    Effect.scoped,
    Effect.timeoutTo({ duration: options.timeLimit, onTimeout: () => undefined, onSuccess: (ran: Ran) => ran })
  )
