/** Several processes on one database, each with a runner of its own, on the real engine. */
import { assert, describe, it } from "@effect/vitest"
import { Cron, Effect, Exit, FiberId, Layer, Logger, LogLevel, Schedule, Scope, Stream } from "effect"
import { UploadStore } from "effect-panda"
import * as Ingest from "effect-panda/Ingest"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { server } from "../databases.js"
import { freePort } from "../freePort.js"
import * as Postgres from "../postgres.js"
import { distributed } from "./engines.js"

const soon = Schedule.spaced("50 millis")

/** Waits for what surely comes. */
const until = <E, R>(holds: Effect.Effect<boolean, E, R>) =>
  Effect.asVoid(Effect.repeat(holds, { schedule: soon, until: (holds) => holds }))

const silently = Logger.withMinimumLogLevel(LogLevel.None)

/** What runs does not matter here. */
const idle = Ingest.workflow.toLayer(() => Effect.never)

describe.runIf(Postgres.installed)("processes on one database", () => {
  const { current } = server()
  const database = Effect.suspend(() => current().database)

  interface Look {
    readonly by: number
    /** What is new is looked at twice, by the same fiber. */
    readonly fiber: string
  }

  /** Two that watch; gives what they have looked at so far, once both have begun, and what there is to be done. */
  const watching = (schedule: Schedule.Schedule<unknown> | Cron.Cron) =>
    Effect.gen(function*() {
      const url = yield* database
      const looks: Array<Look> = []
      let [running, together, revision] = [0, 0, 1]
      const candidates = (by: number) =>
        Stream.unwrap(
          Effect.map(Effect.fiberId, (fiber) => {
            together = Math.max(together, ++running)
            looks.push({ by, fiber: FiberId.threadName(fiber) })
            return Stream.make({ source: "a.mp4", revision: `${revision}` })
          }).pipe(
            Effect.zipLeft(Effect.sleep("100 millis")),
            Effect.ensuring(Effect.sync(() => running--))
          )
        )
      const processes = yield* Effect.forEach([0, 1], (by) =>
        Effect.gen(function*() {
          const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
          const watch = Ingest.watch({ candidates: candidates(by), schedule, settle: "10 millis" })
          const context = yield* Layer.merge(watch, idle).pipe(
            Layer.provideMerge(distributed(url, yield* freePort)),
            Layer.buildWithScope(scope)
          )
          return { end: Scope.close(scope, Exit.void), context }
        }))
      const submitted = (by: number) =>
        Effect.map(
          Effect.provide(Ingest.list(), processes[by]!.context),
          (list) => list.map(({ payload: { key = "" } }) => key).sort()
        )
      const has = (keys: Array<string>, by: number) =>
        until(Effect.map(submitted(by), ({ length }) => length >= keys.length)).pipe(
          Effect.zipRight(submitted(by)),
          Effect.map((found) => assert.deepStrictEqual(found, keys))
        )
      yield* has(["a.mp4@1"], 0)
      return {
        looks,
        together: () => together,
        /** One ends, and the file changes. */
        end: (by: number) =>
          Effect.gen(function*() {
            yield* processes[by]!.end
            revision = 2
            yield* has(["a.mp4@1", "a.mp4@2"], 1 - by)
          })
      }
    })

  it.scopedLive("one of them watches, and another when that is gone", () =>
    Effect.gen(function*() {
      const { end, looks, together } = yield* watching(Schedule.spaced("100 millis"))
      yield* until(Effect.sync(() => looks.length >= 10))
      yield* end(looks.at(-1)!.by)
      assert.strictEqual(together(), 1)
    }).pipe(silently))

  it.scopedLive("one of them looks at each time of a cron, and the other when that is gone", () =>
    Effect.gen(function*() {
      const seconds = () => Math.floor(Date.now() / 1000)
      const before = seconds()
      const { end, looks } = yield* watching(Cron.unsafeParse("* * * * * *"))
      // Long enough for what comes twice to come more often than there were times since the beginning.
      const from = seconds()
      yield* until(Effect.sync(() => looks.length >= 5 && seconds() >= from + 5))
      const runs = new Set(looks.map(({ fiber }) => fiber)).size
      // One at either end may be counted to the next second; what looks twice at each time has five more.
      assert.isAtMost(runs, seconds() - before + 2)
      yield* end(looks.at(-1)!.by)
    }).pipe(silently))

  /** What is logged as an error by two processes, the second one deployed otherwise, until `enough`. */
  const errors = (
    second: (first: { readonly port: number }) => Effect.Effect<Parameters<typeof distributed>[1]>,
    options: Parameters<typeof distributed>[2],
    enough: (errors: ReadonlyArray<string>) => boolean
  ) =>
    Effect.gen(function*() {
      const url = yield* database
      const told: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => {
        // The engine's own are those of a loaded machine.
        if (logLevel._tag === "Error" && String(message).startsWith("Panda.Ingest")) told.push(String(message))
      })
      const process = (port: number, options: Parameters<typeof distributed>[2]) =>
        Layer.build(
          Ingest.layer({ liveness: { every: "200 millis" } }).pipe(
            Layer.provide(Layer.mergeAll(
              PandaEmulator.layerTest(),
              UploadStore.layerMemory,
              Ingest.Sources.layer(() => Effect.never)
            )),
            Layer.provide(distributed(url, port, options))
          )
        )
      const port = yield* freePort
      yield* process(port, {}).pipe(
        Effect.zipRight(Effect.flatMap(second({ port }), (port) => process(port, options))),
        Effect.zipRight(until(Effect.sync(() => enough(told)))),
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      return told
    })

  it.scopedLive("say so when they have not the same number of shards", () =>
    Effect.gen(function*() {
      const told = yield* errors(() => freePort, { shardsPerGroup: 100 }, ({ length }) => length === 2)
      for (const line of told) assert.match(line, /another shardsPerGroup: .* Give all processes the same$/)
    }))

  it.scopedLive("say so when they have the same address", () =>
    Effect.gen(function*() {
      const listen = yield* freePort
      const told = yield* errors(({ port }) => Effect.succeed(port), { listen }, ({ length }) => length === 2)
      for (const line of told) {
        assert.match(line, /the runner's address of this one.* Give each process a runnerAddress/)
      }
    }))
})
