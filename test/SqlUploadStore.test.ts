import * as Reactivity from "@effect/experimental/Reactivity"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Statement from "@effect/sql/Statement"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Fiber, Layer, Logger, Option, Redacted, Schedule, Scope } from "effect"
import * as PandaClient from "effect-panda/PandaClient"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import * as SqlUploadStore from "effect-panda/SqlUploadStore"
import * as Upload from "effect-panda/Upload"
import * as UploadStore from "effect-panda/UploadStore"
import { CANARY, conforms, stateOf } from "./client/stores.js"
import { CHUNK, failureOf, logged, options, sourceOf } from "./client/upload.js"
import { type Connect, type Database, postgres, server, sqlite } from "./databases.js"

const HOUR = 60 * 60 * 1000

const on = (connect: Connect, options?: SqlUploadStore.Options) =>
  Effect.map(
    Layer.build(Layer.provideMerge(SqlUploadStore.layer({ lease: "1 second", ...options }), connect)),
    (context) => ({
      ...Context.get(context, UploadStore.UploadStore),
      sql: Context.get(context, SqlClient.SqlClient)
    })
  )

const soon = Schedule.spaced("10 millis")

/** A clock that runs as ours does, and shows another time. */
const off = (hours: number) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.clock, (clock) =>
    Effect.withClock(effect, {
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + hours * HOUR),
      unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() + hours * HOUR,
      currentTimeNanos: clock.currentTimeNanos,
      unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
      sleep: (duration) => clock.sleep(duration)
    }))

/** As if its holder had been silent for so long that another may follow. */
const silence = ({ sql }: { readonly sql: SqlClient.SqlClient }) =>
  sql`UPDATE panda_uploads SET heard = heard - 1000000`

const reasonOf = (exit: Exit.Exit<unknown, unknown>) => (failureOf(exit) as { readonly reason?: unknown }).reason

const tests = ({ make }: Database) => {
  conforms<never>(Effect.orDie(Effect.flatMap(make, (connect) => on(connect))), Effect.scoped)

  it.scopedLive("makes its table once, by however many processes at once, and again", () =>
    Effect.gen(function*() {
      const connect = yield* make
      const stores = yield* Effect.replicateEffect(on(connect), 6, { concurrency: "unbounded" })
      yield* stores[0]!.set("a", stateOf("1"))
      const later = yield* on(connect)
      for (const store of [...stores, later]) {
        assert.deepStrictEqual(yield* store.get("a"), Option.some(stateOf("1")))
      }
      const other = yield* on(connect, { table: "mine" })
      assert.isTrue(Option.isNone(yield* other.get("a")))
      assert.lengthOf(yield* later.sql`SELECT id FROM panda_uploads`, 1)
      assert.lengthOf(yield* later.sql`SELECT id FROM mine`, 0)
    }))

  it.scopedLive("gives a lock to one of six who want it, in each of ten rounds, and leaves nothing", () =>
    Effect.gen(function*() {
      const connect = yield* make
      // Longer than a loaded machine keeps a holder from showing that it lives.
      const stores = yield* Effect.replicateEffect(on(connect, { lease: "5 seconds" }), 6)
      const round = (key: string) =>
        Effect.gen(function*() {
          const others = yield* Effect.makeSemaphore(stores.length)
          yield* others.take(stores.length - 1)
          const outcomes = yield* Effect.forEach(stores, ({ lock }) =>
            Effect.scoped(Effect.zipRight(lock(key, "movie.mp4"), others.take(stores.length))).pipe(
              Effect.as("had it"),
              Effect.catchTag("PandaUploadLocked", ({ reason }) =>
                Effect.as(others.release(1), reason))
            ), { concurrency: "unbounded" })
          assert.deepStrictEqual(outcomes.sort(), ["Held", "Held", "Held", "Held", "Held", "had it"], key)
        })
      yield* Effect.forEach(Array.from({ length: 10 }, (_, n) => `round-${n}`), round, { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* stores[0]!.sql`SELECT id FROM panda_uploads`, [])
    }))

  it.scopedLive("a lock that is lost between the look and the write writes nothing", () =>
    Effect.gen(function*() {
      const connect = yield* make
      const { lines } = yield* logged(Effect.scoped(Effect.gen(function*() {
        const [first, second] = [yield* on(connect, { lease: "1 minute" }), yield* on(connect)]
        const lost = yield* first.lock("a", "movie.mp4")
        yield* first.set("a", stateOf("first"), lost)
        yield* lost.check
        yield* silence(first)
        const held = yield* second.lock("a", "movie.mp4")
        yield* second.set("a", stateOf("second"), held)
        for (const write of [first.set("a", stateOf("first"), lost), first.remove("a", lost), lost.check, lost.lost]) {
          assert.strictEqual(reasonOf(yield* Effect.exit(write)), "Lost")
        }
        assert.deepStrictEqual(yield* second.get("a"), Option.some(stateOf("second")))
        yield* held.check
        yield* second.remove("a", held)
      })))
      assert.lengthOf(lines.filter((line) => line.includes("another process has it now")), 1)
    }))

  it.scopedLive("a lock is given back by whoever has it, and by nobody else", () =>
    Effect.gen(function*() {
      const store = yield* on(yield* make)
      const owners = store.sql`SELECT owner FROM panda_uploads`
      yield* Effect.scoped(Effect.gen(function*() {
        yield* store.lock("a", "movie.mp4")
        yield* store.sql`UPDATE panda_uploads SET owner = 'another'`
      }))
      assert.deepStrictEqual(yield* owners, [{ owner: "another" }])
      yield* store.sql`UPDATE panda_uploads SET heard = 0`
      yield* Effect.scoped(Effect.zipRight(store.lock("a", "movie.mp4"), store.set("a", stateOf("1"))))
      assert.deepStrictEqual(yield* owners, [{ owner: null }])
    }))

  it.scopedLive("clocks of hosts that are wrong by hours change nothing", () =>
    Effect.gen(function*() {
      const connect = yield* make
      // Of the first as long as a loaded machine may keep it from showing that it lives.
      const [first, second] = [yield* on(connect, { lease: "5 seconds" }), yield* on(connect)]
      for (const [ours, theirs] of [[-5, 5], [5, -5]] as const) {
        const holding = yield* Effect.fork(
          Effect.scoped(Effect.gen(function*() {
            const held = yield* first.lock("a", "movie.mp4")
            return yield* Effect.never.pipe(Effect.onInterrupt(() => Effect.ignore(held.check)))
          })).pipe(off(ours))
        )
        yield* Effect.repeat(first.sql`SELECT id FROM panda_uploads`, {
          schedule: soon,
          until: (rows) => rows.length === 1
        })
        const exit = yield* Effect.exit(Effect.scoped(second.lock("a", "movie.mp4"))).pipe(off(theirs))
        assert.strictEqual(reasonOf(exit), "Held")
        yield* off(theirs)(second.prune("1 second"))
        assert.lengthOf(yield* first.sql`SELECT id FROM panda_uploads WHERE owner IS NOT NULL`, 1)
        yield* Fiber.interrupt(holding)

        // Of one that died, a row; it is followed once the database has not heard of it for a lease.
        yield* first.sql`INSERT INTO panda_uploads (id, owner, lease, heard)
          VALUES ('b', 'dead', 1000, 0)`
        yield* off(theirs)(Effect.scoped(second.lock("b", "movie.mp4")))
        yield* first.sql`INSERT INTO panda_uploads (id, owner, lease, heard)
          VALUES ('c', 'dead', 1000, 0)`
        yield* second.remove("c")
        assert.lengthOf(yield* first.sql`SELECT id FROM panda_uploads`, 0)
      }
    }))

  it.scopedLive("who waits is known to who holds, and prune leaves only the living", () =>
    Effect.gen(function*() {
      const connect = yield* make
      const [first, second] = [yield* on(connect, { lease: "1 minute" }), yield* on(connect)]
      const held = yield* first.lock("a", "movie.mp4")
      assert.isFalse(yield* held.wanted)
      const waiting = yield* Effect.fork(Effect.scoped(second.lock("a", "movie.mp4")))
      yield* Effect.repeat(held.wanted, { schedule: soon, until: (wanted) => wanted })
      yield* Fiber.interrupt(waiting)
      assert.isFalse(yield* held.wanted)

      yield* first.set("a", stateOf("1"), held)
      yield* first.set("old", stateOf("2"))
      yield* first.sql`INSERT INTO panda_uploads (id, state, owner, lease)
        VALUES ('left', NULL, 'dead', 1), ('kept', '{"version":2}', 'dead', 1), ('bad', '{', NULL, 0)`
      assert.strictEqual((yield* logged(first.prune(0))).value, 1)
      assert.deepStrictEqual(yield* first.sql`SELECT id FROM panda_uploads ORDER BY id`, [{ id: "a" }, { id: "kept" }])
      assert.lengthOf(yield* first.sql`SELECT id FROM panda_uploads WHERE owner IS NOT NULL`, 1)
    }))

  it.scopedLive("an upload whose lock is lost ends before its next request", () =>
    Effect.gen(function*() {
      const connect = yield* make
      const [store, other] = [yield* on(connect, { lease: "1 minute" }), yield* on(connect)]
      const panda = yield* PandaEmulator.PandaEmulator
      const scope = yield* Effect.scope
      const takeOver = Effect.gen(function*() {
        yield* silence(store)
        const [entry] = yield* store.list
        yield* Scope.extend(other.lock(entry!.key, "movie.mp4"), scope)
      }).pipe(Effect.orDie)
      let begun = 0
      const upload = Upload.startOrResume(sourceOf(5 * CHUNK), options).pipe(
        Upload.video,
        // While the third chunk is on its way.
        PandaClient.withTransform((request) =>
          request.headers["content-range"]?.startsWith("bytes */") === false && ++begun === 3
            ? Effect.as(takeOver, request)
            : Effect.succeed(request)
        ),
        Effect.provideService(UploadStore.UploadStore, store)
      )
      const { value: exit } = yield* logged(Effect.exit(upload))
      const error = failureOf(exit)
      assert.strictEqual(error._tag === "PandaUploadLocked" && error.reason, "Lost")
      assert.lengthOf((yield* panda.requests).filter(({ route }) => route === "chunk"), 3)
      assert.lengthOf(yield* panda.videos, 0)
    }).pipe(Effect.provide(PandaEmulator.layerTest())))

  it.scopedLive("a table that goes away is a warning without a secret, and the upload goes on", () =>
    Effect.gen(function*() {
      const store = yield* on(yield* make)
      yield* store.sql`DROP TABLE panda_uploads`
      const { lines } = yield* logged(Effect.gen(function*() {
        yield* store.set("a", stateOf("1"))
        yield* store.get("a")
        yield* store.prune(0)
        const lock = yield* store.lock("a", "movie.mp4")
        yield* lock.check
      }))
      assert.isAtLeast(lines.filter((line) => line.startsWith("WARN ")).length, 4)
      assert.match(lines.join("\n"), /panda_uploads/)
      assert.notInclude(lines.join("\n"), CANARY)
    }))
}

describe("SqlUploadStore", () => {
  const shared = server()
  const pg = postgres(shared)
  for (const database of [sqlite, pg]) {
    describe.runIf(database.isThere)(`on ${database.name}`, () => {
      tests(database)
    })
  }

  it.scopedLive.runIf(pg.isThere)(
    "waits for a database that is away, and not when it is told to end",
    () =>
      Effect.gen(function*() {
        const server = shared.current()
        const connect = Layer.orDie(PgClient.layer({ url: Redacted.make(yield* server.database) }))
        const lines: Array<string> = []
        const logger = Logger.make(({ logLevel, message }) => {
          lines.push(`${logLevel.label} ${String(message)}`)
        })
        yield* Effect.scoped(Effect.gen(function*() {
          const store = yield* on(connect)
          const waits: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
          const held = yield* store.lock("a", "movie.mp4")
          yield* server.stop
          for (
            const operation of [
              Effect.scoped(store.lock("b", "movie.mp4")),
              store.set("a", stateOf("1"), held),
              held.check,
              Effect.uninterruptible(store.get("a")),
              held.check
            ]
          ) waits.push(yield* Effect.fork(operation))
          const [locks, , , reads] = waits
          yield* Effect.repeat(Effect.sync(() => lines.length), { schedule: soon, until: (length) => length > 0 })
          for (const wait of waits) assert.isTrue(Option.isNone(yield* Fiber.poll(wait)))
          for (const wait of [locks!, reads!]) assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(wait)))
          yield* server.start
          for (const wait of waits.filter((wait) => wait !== locks && wait !== reads)) yield* Fiber.join(wait)
          assert.deepStrictEqual(yield* store.get("a"), Option.some(stateOf("1")))
        })).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
        assert.deepStrictEqual(lines.map((line) => line.split(/[(;,]/)[0]), [
          "WARN SqlUploadStore: the database is away ",
          "WARN UploadStore: could not unlock an upload",
          "INFO SqlUploadStore: the database is back: uploads go on"
        ])
      })
  )

  it.effect("says which databases it takes", () =>
    Effect.gen(function*() {
      const compiler = Statement.makeCompiler({
        dialect: "mysql",
        placeholder: () => "?",
        onIdentifier: (name) => name,
        onCustom: () => ["", []],
        onRecordUpdate: () => ["", []]
      })
      const away = new SqlError({ cause: new Error("connect ECONNREFUSED 127.0.0.1:1") })
      const sql = yield* SqlClient.make({ acquirer: away, compiler, spanAttributes: [] })
      const error = yield* Effect.flip(
        Effect.provideService(SqlUploadStore.makeRecords(), SqlClient.SqlClient, sql)
      )
      assert.match(error.message, /PostgreSQL and SQLite. Provide/)
    }).pipe(Effect.provide(Reactivity.layer)))

  it.effect("says what is wrong with one that is away", () =>
    Effect.gen(function*() {
      const away = new SqlError({ cause: new Error("connect ECONNREFUSED 127.0.0.1:1") })
      const sql = yield* SqlClient.make({ acquirer: away, compiler: PgClient.makeCompiler(), spanAttributes: [] })
      const error = yield* Effect.flip(
        Effect.provideService(SqlUploadStore.makeRecords({ table: "mine" }), SqlClient.SqlClient, sql)
      )
      assert.match(error.message, /no table mine.*ECONNREFUSED.*Check that the database runs/)
    }).pipe(Effect.provide(Reactivity.layer)))
})
