/** What becomes of operations when their database is away. */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as WorkflowEngine from "@effect/workflow/WorkflowEngine"
import { Effect, Fiber, Layer, Logger, LogLevel, Redacted, Schedule } from "effect"
import { PandaClient, UploadSource } from "effect-panda"
import * as Ingest from "effect-panda/Ingest"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import * as SqlUploadStore from "effect-panda/SqlUploadStore"
import { server } from "../databases.js"
import * as Postgres from "../postgres.js"

const MIB = 1024 * 1024

describe.runIf(Postgres.installed)("a database that is away", () => {
  const { current } = server()
  const on = (url: string) =>
    Ingest.layerJournal().pipe(
      Layer.provide(PgClient.layer({ url: Redacted.make(url), connectTimeout: "2 seconds" })),
      // What runs does not matter here.
      Layer.merge(Layer.provideMerge(Ingest.workflow.toLayer(() => Effect.never), WorkflowEngine.layerMemory))
    )

  it.scopedLive("at the start is an error at once, and later one of each operation until it is back", () =>
    Effect.gen(function*() {
      const server = current()
      const url = yield* server.database
      yield* server.stop
      const away = yield* Effect.flip(Effect.scoped(Layer.build(on(url))))
      assert.match(String(away.cause ?? away.message), /ECONNREFUSED/)
      assert.notInclude(away.message, url)

      yield* server.start
      yield* Effect.gen(function*() {
        const id = yield* Ingest.submit({ source: "a.mp4" })
        yield* server.stop
        for (
          const operation of [Ingest.submit({ source: "b.mp4" }), Ingest.status(id), Ingest.list(), Ingest.overdue()]
        ) {
          const error = yield* Effect.flip<unknown, unknown, WorkflowEngine.WorkflowEngine>(operation)
          assert.instanceOf(error, Ingest.PandaIngestUnavailable)
          assert.match(error.message, /the database does not answer .*Check that it runs/)
        }
        yield* server.start
        yield* Effect.retry(Ingest.submit({ source: "b.mp4" }), Schedule.spaced("100 millis"))
        assert.lengthOf(yield* Ingest.list(), 2)
      }).pipe(Effect.provide(on(url)))
    }).pipe(Logger.withMinimumLogLevel(LogLevel.None)))

  it.scopedLive("in the middle of an upload is waited for, and nothing is sent without a lock", () =>
    Effect.gen(function*() {
      const server = current()
      const url = yield* server.database
      const panda = yield* PandaEmulator.PandaEmulator
      const chunks = Effect.map(panda.requests, (seen) => seen.filter(({ route }) => route === "chunk").length)
      const soon = Schedule.spaced("20 millis")
      const bytes = UploadSource.fromBytes(new Uint8Array(8 * MIB), { name: "a.mp4" })
      const gone = yield* Effect.makeLatch()
      // After three chunks the upload gets nothing more to send before the database is away, but what is read ahead.
      const source: UploadSource.UploadSource = {
        ...bytes,
        open: Effect.map(bytes.open, (handle) => ({
          ...handle,
          read: (offset, buffer) =>
            Effect.flatMap(
              chunks,
              (sent) => Effect.zipRight(sent < 3 ? Effect.void : gone.await, handle.read(offset, buffer))
            )
        }))
      }
      const lines: Array<string> = []
      const has = (text: string) => lines.some((line) => line.includes(text))
      const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel.label} ${String(message)}`))
      yield* Effect.gen(function*() {
        const ended = yield* Effect.fork(Effect.exit(Ingest.run({ source: "a.mp4" })))
        yield* Effect.repeat(chunks, { schedule: soon, until: (chunks) => chunks >= 3 })
        yield* server.stop
        yield* Effect.repeat(Effect.sync(() => has("uploads wait until it is back") || has("goes on without")), {
          schedule: soon,
          until: (told) => told
        })
        const sent = yield* chunks
        assert.isBelow(sent, 8 * 16)
        yield* gone.open
        // In so many turns it would have sent the rest, if it went on without.
        yield* Effect.repeatN(Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void))), 200)
        // One may have been under way.
        assert.isAtMost(yield* chunks, sent + 1)
        yield* server.start
        yield* Fiber.join(ended)
        assert.deepStrictEqual((yield* panda.sessions).map(({ status }) => status), ["complete"])
        assert.isAbove(yield* chunks, sent)
      }).pipe(
        Effect.provide(
          Ingest.layer({ upload: { chunkSize: MIB / 16 }, encoding: { schedule: soon } }).pipe(
            Layer.provide(Layer.merge(
              SqlUploadStore.layer({ lease: "1 second" }),
              Ingest.Sources.layer(() => Effect.succeed(source))
            )),
            Layer.provideMerge(Layer.merge(Ingest.layerJournal(), WorkflowEngine.layerMemory)),
            Layer.provide(PgClient.layer({ url: Redacted.make(url) })),
            Layer.provideMerge(Logger.replace(Logger.defaultLogger, logger))
          )
        )
      )
      for (const said of ["WARN SqlUploadStore: the database is away", "INFO SqlUploadStore: the database is back"]) {
        assert.lengthOf(lines.filter((line) => line.startsWith(said)), 1, lines.join("\n"))
      }
      assert.isFalse(has("goes on without"), lines.join("\n"))
    }).pipe(Effect.provide(PandaEmulator.layerTest())))

  it.scopedLive("when a session was made does not keep one that is cancelled, nor leave the session open", () =>
    Effect.gen(function*() {
      const server = current()
      const url = yield* server.database
      const panda = yield* PandaEmulator.PandaEmulator
      const [asked, gone] = [yield* Effect.makeLatch(), yield* Effect.makeLatch()]
      /** Who asks for a session gets it once the database is away. */
      const Panda = PandaClient.layer.pipe(
        Layer.provide(Layer.effect(
          HttpClient.HttpClient,
          Effect.map(
            HttpClient.HttpClient,
            HttpClient.transform((answer, { method }) =>
              method === "POST" ? asked.open.pipe(Effect.zipRight(gone.await), Effect.zipRight(answer)) : answer
            )
          )
        ))
      )
      const soon = Schedule.spaced("20 millis")
      let waits = false
      const logger = Logger.make(({ message }) => {
        waits ||= String(message).includes("uploads wait until it is back")
      })
      yield* Effect.gen(function*() {
        const id = yield* Ingest.submit({ source: "a.mp4" })
        yield* asked.await
        yield* server.stop
        yield* gone.open
        yield* Effect.repeat(panda.sessions, { schedule: soon, until: (sessions) => sessions.length === 1 })
        yield* Effect.repeat(Effect.sync(() => waits), { schedule: soon, until: (waits) => waits })
        yield* Ingest.cancel(id)
        yield* server.start
        yield* Effect.repeat(Ingest.status(id), { schedule: soon, until: ({ _tag }) => _tag === "Failed" })
      }).pipe(Effect.provide(
        Ingest.layer().pipe(
          Layer.provide(Layer.merge(
            SqlUploadStore.layer({ lease: "1 second" }),
            Ingest.Sources.layer(() => Effect.succeed(UploadSource.fromBytes(new Uint8Array(100), { name: "a.mp4" })))
          )),
          Layer.provideMerge(Panda),
          Layer.provideMerge(WorkflowEngine.layerMemory),
          Layer.provide(PgClient.layer({ url: Redacted.make(url) })),
          Layer.provideMerge(Logger.replace(Logger.defaultLogger, logger))
        )
      ))
      assert.deepStrictEqual((yield* panda.sessions).map(({ status }) => status), ["aborted"])
    }).pipe(Effect.provide(PandaEmulator.layerTest())))
})
