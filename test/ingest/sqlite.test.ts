/** Ingestions in a SQLite file, on the real clock. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import { Effect, Exit, Fiber, Layer, Logger, LogLevel, Option, Schedule } from "effect"
import { UploadStore } from "effect-panda"
import * as Ingest from "effect-panda/Ingest"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { patience } from "../patience.js"
import { embedded } from "./engines.js"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-panda-ingest-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)

const films = (folder: string, count: number) => {
  const names = Array.from({ length: count }, (_, i) => `${i}.mp4`)
  for (const [i, name] of names.entries()) writeFileSync(join(folder, name), new Uint8Array(200_000 + i).fill(i))
  return names
}

const quickly = { encoding: { schedule: Schedule.spaced("100 millis") }, upload: { chunkSize: 50_000 } }

/** A process: what it has in memory is gone when its scope closes, but not Panda. */
const process = <E = never, R = never>(folder: string, options?: Ingest.Options<E, R>) =>
  Ingest.layer({ ...quickly, ...options }).pipe(
    Layer.provideMerge(Layer.mergeAll(
      Ingest.Sources.layerFileSystem(folder),
      UploadStore.layerFileSystem(join(folder, ".uploads"), { lease: "1 second" })
    )),
    Layer.provideMerge(embedded(join(folder, "ingest.db"))),
    Layer.provideMerge(NodeContext.layer)
  )

const until = (status: Ingest.Status["_tag"]) => (id: string) =>
  Ingest.status(id).pipe(
    Effect.repeat({ schedule: Schedule.spaced("50 millis"), until: ({ _tag }) => _tag === status }),
    Effect.timeoutFail({ duration: patience, onTimeout: () => `it is not ${status}` })
  )

const emulator = Layer.merge(
  PandaEmulator.layerTest({ encodingTime: "500 millis" }),
  Logger.minimumLogLevel(LogLevel.None)
)

describe("on SQLite", () => {
  it.scopedLive("many files are uploaded, encoded and delivered once each", () =>
    Effect.gen(function*() {
      const home = yield* folder
      const names = films(home, 8)
      const keys: Array<string> = []
      yield* Effect.gen(function*() {
        const ids = yield* Effect.forEach(names, (source) => Ingest.submit({ source, profiles: ["h264"] }))
        const again = yield* Effect.forEach(names, (source) => Ingest.submit({ source, profiles: ["h264"] }))
        assert.deepStrictEqual(again, ids)
        yield* Effect.forEach(ids, until("Done"), { concurrency: "unbounded" })
        assert.sameMembers(keys, ids)
        const result = yield* Option.getOrThrow(yield* Ingest.poll(ids[0]!))
        assert.strictEqual(result.encodings[0]?.status, "success")
        assert.lengthOf(yield* Ingest.list({ status: "Done" }), 8)
        assert.lengthOf(yield* Ingest.list({ limit: 3 }), 3)
        const all = yield* Ingest.list()
        assert.deepStrictEqual(
          (yield* Ingest.list({ after: all[4]!.id })).map(({ id }) => id),
          all.slice(5).map(({ id }) => id)
        )
        assert.strictEqual((yield* Ingest.run({ source: names[0]!, profiles: ["h264"] })).video.id, result.video.id)
      }).pipe(Effect.provide(process(home, { deliver: (_, key) => Effect.sync(() => void keys.push(key)) })))
      const panda = yield* PandaEmulator.PandaEmulator
      assert.lengthOf(yield* panda.videos, 8)
      assert.isTrue(
        (yield* panda.sessions).every(({ receivedTwice, status }) => receivedTwice === 0 && status === "complete")
      )
    }).pipe(Effect.provide(emulator)))

  it.scopedLive("a process that begins again goes on at the acknowledged byte", () =>
    Effect.gen(function*() {
      const home = yield* folder
      const [source] = films(home, 1)
      const panda = yield* PandaEmulator.PandaEmulator
      // The second chunk is under way until the process ends.
      yield* panda.inject({ route: "chunk", fault: Fault.stall, skip: 1 })
      const id = yield* Effect.gen(function*() {
        const id = yield* Ingest.submit({ source: source!, profiles: ["h264"] })
        yield* Effect.repeat(panda.sessions, {
          schedule: Schedule.spaced("20 millis"),
          until: (sessions) => sessions.some(({ acknowledged }) => acknowledged > 0)
        })
        return id
      }).pipe(Effect.provide(process(home)))
      yield* Effect.provide(until("Done")(id), process(home))
      const [session, ...others] = yield* panda.sessions
      assert.lengthOf(others, 0)
      assert.strictEqual(session?.videoId === undefined, false)
      assert.isAtMost(session!.receivedTwice, 50_000)
      assert.lengthOf(yield* panda.videos, 1)
    }).pipe(Effect.provide(emulator)))

  it.scopedLive("an upload is cancelled, and begun again", () =>
    Effect.gen(function*() {
      const home = yield* folder
      const [source] = films(home, 1)
      const panda = yield* PandaEmulator.PandaEmulator
      yield* panda.inject({ route: "chunk", fault: Fault.stall, skip: 1 })
      yield* Effect.gen(function*() {
        const run = yield* Effect.fork(Effect.exit(Ingest.run({ source: source! })))
        yield* Effect.repeat(panda.sessions, {
          schedule: Schedule.spaced("20 millis"),
          until: (sessions) => sessions.some(({ acknowledged }) => acknowledged > 0)
        })
        const [execution] = yield* Ingest.list()
        yield* Ingest.cancel(execution!.id)
        const exit = yield* Fiber.join(run)
        assert.strictEqual(
          Exit.isFailure(exit) && exit.cause._tag === "Fail" && exit.cause.error._tag,
          "PandaIngestCancelled"
        )
        assert.deepStrictEqual((yield* panda.sessions).map(({ status }) => status), ["aborted"])
        yield* Ingest.retry(execution!.id)
        yield* until("Done")(execution!.id)
      }).pipe(Effect.provide(process(home)))
      assert.lengthOf(yield* panda.videos, 1)
    }).pipe(Effect.provide(emulator)))

  it.scopedLive("an engine without a journal does the same, and a journal that is away says so", () =>
    Effect.gen(function*() {
      const home = yield* folder
      const db = yield* Layer.build(SqliteClient.layer({ filename: join(home, "journal.db") }))
      const journal = yield* Effect.provide(Layer.build(Ingest.layerJournal({ table: "mine" })), db)
      yield* Effect.provide(Effect.flatMap(SqlClient.SqlClient, (sql) => sql`DROP TABLE mine`), db)
      const error = yield* Effect.flip(Ingest.submit({ source: "a" })).pipe(
        Effect.provide(journal),
        Effect.provide(process(home))
      )
      assert.strictEqual(error._tag, "PandaIngestUnavailable")
    }).pipe(Effect.provide(emulator)))

  it.scopedLive("tables are made once, by any number of processes", () =>
    Effect.gen(function*() {
      const home = yield* folder
      const make = Ingest.layerJournal().pipe(Layer.provide(SqliteClient.layer({ filename: join(home, "a.db") })))
      yield* Effect.scoped(Layer.build(make))
      yield* Effect.scoped(Layer.build(Layer.fresh(make)))
    }))
})
