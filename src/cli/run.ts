/** A command line from its words to its exit code. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as commandLine from "./commandLine.js"
import { root } from "./commands.js"
import * as configuration from "./configuration.js"
import { codeOf, codes, Ended, isTagged, UsageError } from "./exit.js"
import * as json from "./json.js"
import * as manual from "./manual.js"
import * as Output from "./output.js"
import { version } from "./version.js"

const platform = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, NodeTerminal.layer)

/** The exit code; it does not fail. `stopped` tells with which code a signal ends it. */
export const run = (words: ReadonlyArray<string>, stopped: () => number): Effect.Effect<number> =>
  Effect.gen(function*() {
    // Whether mistakes are told to a program has to be known before they are found.
    const people = yield* Output.make({ json: false, quiet: false, verbose: false })
    const plain = yield* Output.make({ json: words.includes("--json"), quiet: false, verbose: false })
    const read = commandLine.read(root, words)
    if (Either.isLeft(read)) return yield* report(plain, read.left)
    const line = read.right
    switch (line._tag) {
      case "Version":
        return yield* printed(people, version)
      case "Help":
        return yield* printed(people, manual.help(line.path, Math.min(people.columns.out(), 100), people.style.out))
      case "Run": {
        const ready = yield* Effect.either(Effect.mapError(
          line.leaf.parse(line.flags, line.args),
          ({ message }) => new UsageError({ message, command: commandLine.typed(line.path) })
        ))
        if (Either.isLeft(ready)) return yield* report(plain, ready.left)
        const { connection, output: options, run } = ready.right
        const output = yield* Output.make(options)
        return yield* heard(output, run).pipe(
          Effect.provideService(Output.Output, output),
          Effect.provideService(configuration.Connection, configuration.make(connection)),
          Effect.provide(Output.layerLogger(output)),
          Effect.as(0),
          Effect.catchAll((error) => report(output, error)),
          Effect.onInterrupt(() =>
            output.emit({
              type: "error",
              exit: stopped(),
              error: { tag: "Interrupted", message: "interrupted" }
            })
          )
        )
      }
    }
  }).pipe(
    Effect.provide(platform),
    Effect.catchAllCause((cause) =>
      Cause.isInterruptedOnly(cause) ? Effect.interrupt : Effect.sync(() => {
        process.stderr.write(`effect-panda: this is a mistake of ours, please report it:\n${Cause.pretty(cause)}\n`)
        return codes.failed
      })
    )
  )

/** Ends with who listens, and well only if all was taken that was printed. */
const heard = <E, R>(output: Output.Output.Service, effect: Effect.Effect<void, E, R>) =>
  Effect.gen(function*() {
    yield* effect
    if (output.unread()) yield* Effect.catchTag(output.closed, "PipeClosed", () => Effect.void)
  }).pipe(Effect.raceFirst(output.closed))

const printed = (output: Output.Output.Service, text: string) =>
  heard(output, output.print(text)).pipe(
    Effect.as(0),
    Effect.catchAll((error) => report(output, error))
  )

/** What went wrong, in words on standard error, or as the last object of `--json`; gives the exit code. */
const report = (output: Output.Output.Service, error: unknown): Effect.Effect<number> =>
  Effect.gen(function*() {
    const tag = isTagged(error) ? error._tag : "Defect"
    const exit = tag === "OutputFailed" ? output.unreadCode || codes.failed : codeOf(error)
    if (tag === "PipeClosed") return output.unreadCode
    const reason = error instanceof Ended && error.cause !== undefined ? error.cause : error
    yield* output.emit({ type: "error", exit, error: json.failure(reason) })
    if (tag === "Ended") return exit
    const message = error instanceof Error ? error.message : String(error)
    yield* output.complain(`${output.style.err("red", "effect-panda:")} ${message}`)
    if (error instanceof UsageError && error.command !== undefined) {
      yield* output.complain(`See: effect-panda ${error.command === "" ? "" : `${error.command} `}--help`)
    }
    return exit
  })
