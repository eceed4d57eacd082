/** What becomes of operations when their database is away. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import * as WorkflowEngine from "@effect/workflow/WorkflowEngine"
import { Effect, Layer, Redacted, Schedule } from "effect"
import * as Ingest from "effect-panda/Ingest"
import * as Postgres from "../postgres.js"

describe.runIf(Postgres.installed)("a database that is away", () => {
  const on = (url: string) =>
    Ingest.layerJournal().pipe(
      Layer.provide(PgClient.layer({ url: Redacted.make(url), connectTimeout: "2 seconds" })),
      // What runs does not matter here.
      Layer.merge(Layer.provideMerge(Ingest.workflow.toLayer(() => Effect.never), WorkflowEngine.layerMemory))
    )

  it.scopedLive("at the start is an error at once, and later one of each operation until it is back", () =>
    Effect.gen(function*() {
      const server = yield* Postgres.make
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
    }))
})
