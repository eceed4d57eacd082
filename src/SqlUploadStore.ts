/**
 * An `UploadStore` in a table of your database, over `@effect/sql`: PostgreSQL or SQLite. For processes on many hosts.
 *
 * A lock is in the row of its upload. It is taken, renewed and given back by one statement each, and whether its holder
 * is dead is for the database's clock to say: no clock of a process is looked at. A write names who holds the lock in
 * the statement that writes, so whoever has lost it writes nothing more, however long it slept and wherever.
 *
 * A database that is away at the start is an error. One that goes away later, for longer than the few seconds that it
 * takes to be started anew, is waited for: the log says so, no upload sends anything that it has no lock for, and all go
 * on where they were when it is back.
 *
 * A state has the location of its upload in it, which is all that it takes to write to that: whoever can read the table
 * can.
 *
 * @since 0.2.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as tables from "./internal/sql/tables.js"
import * as UploadStore from "./UploadStore.js"

/**
 * Where a store is, and how it keeps processes apart.
 *
 * @since 0.2.0
 * @category models
 */
export interface Options extends UploadStore.Options {
  /** The table; `panda_uploads` by default. With a schema before it, `app.uploads`, it is that one's. */
  readonly table?: string | undefined
}

/** What can be told of a failure in a log. */
const told = (error: SqlError): SqlError => new SqlError({ cause: error.cause, message: tables.said(error) })

/**
 * The records alone, to make a store of: `UploadStore.fromRecords`. Fails if the table is not there and cannot be made.
 *
 * @since 0.2.0
 * @category constructors
 */
export const makeRecords = (
  { table: name = "panda_uploads" }: Options = {}
): Effect.Effect<UploadStore.Records<SqlError>, SqlError, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const sql = (yield* SqlClient.SqlClient).withoutTransforms()
    const now = yield* tables.now(sql, "SqlUploadStore")
    const table = sql(name)
    const quietly = <A>(statement: Effect.Effect<A, SqlError>) =>
      Effect.mapError(Effect.withTracerEnabled(statement, false), told)
    /** An upload that went on without its lock would be another's too. */
    const patiently = tables.patiently("SqlUploadStore")
    const run = <A>(statement: Effect.Effect<A, SqlError>) => quietly(patiently(statement))
    const did = (statement: Effect.Effect<ReadonlyArray<object>, SqlError>) =>
      Effect.map(run(statement), Arr.isNonEmptyReadonlyArray)
    /** What is not an upload's, or what its end has to wait for. */
    const soon = <A>(statement: Effect.Effect<A, SqlError>) => quietly(tables.throughRestart(statement))

    yield* quietly(tables.make(
      sql,
      sql`${table}`,
      ["id", "state", "note", "owner", "beat", "lease", "heard", "wish", "wished"],
      // What is `heard` and `wished` are times, in milliseconds, `lease` is a length of it.
      [sql`CREATE TABLE IF NOT EXISTS ${table} (
        id TEXT PRIMARY KEY,
        state TEXT,
        note TEXT,
        owner TEXT,
        beat INTEGER NOT NULL DEFAULT 0,
        lease INTEGER NOT NULL DEFAULT 0,
        heard BIGINT NOT NULL DEFAULT 0,
        wish TEXT,
        wished BIGINT NOT NULL DEFAULT 0
      )`]
    )).pipe(Effect.mapError(({ cause, message }) =>
      new SqlError({
        cause,
        message: `SqlUploadStore: there is no table ${name}, and it cannot be made: ${message}. ` +
          "Check that the database runs, and what its role may do"
      })
    ))

    const held = (key: string, owner: string) => sql`id = ${key} AND owner = ${owner}`
    /** A moment that lies ahead is one of before the clock was set back. */
    const dead = sql`owner IS NULL OR ABS(${now} - heard) >= lease`

    return {
      read: (key) =>
        Effect.map(
          run(sql<{ state: string }>`SELECT state FROM ${table} WHERE id = ${key} AND state IS NOT NULL`),
          (rows) => Option.map(Arr.head(rows), ({ state }) => state)
        ),
      write: (key, text, owner) =>
        did(
          owner === undefined
            ? sql`INSERT INTO ${table} (id, state) VALUES (${key}, ${text})
              ON CONFLICT (id) DO UPDATE SET state = excluded.state RETURNING id`
            : sql`UPDATE ${table} SET state = ${text} WHERE ${held(key, owner)} RETURNING id`
        ),
      remove: (key, owner) =>
        owner === undefined
          ? Effect.as(
            Effect.zipRight(
              run(sql`UPDATE ${table} SET state = NULL WHERE id = ${key}`),
              // With the lock of one that died after its upload was done.
              run(sql`DELETE FROM ${table} WHERE id = ${key} AND state IS NULL AND note IS NULL AND (${dead})`)
            ),
            true
          )
          : did(sql`UPDATE ${table} SET state = NULL WHERE ${held(key, owner)} RETURNING id`),
      setAside: (key, note) =>
        Effect.asVoid(run(sql`UPDATE ${table} SET state = NULL, note = ${note} WHERE id = ${key}`)),
      forget: (key) =>
        Effect.map(
          soon(sql`DELETE FROM ${table} WHERE id = ${key} AND (${dead}) RETURNING id`),
          Arr.isNonEmptyReadonlyArray
        ),
      // A time by the clock of some process is no reason: the database knows who is dead.
      sweep: () =>
        Effect.asVoid(Effect.zipRight(
          soon(sql`DELETE FROM ${table} WHERE state IS NULL AND (${dead})`),
          soon(sql`UPDATE ${table} SET owner = NULL, note = NULL WHERE owner IS NOT NULL AND (${dead})`)
        )),
      keys: Effect.map(
        soon(sql<{ id: string }>`SELECT id FROM ${table} WHERE state IS NOT NULL`),
        Arr.map(({ id }) => id)
      ),
      contend: (key, owner, lease) => {
        const millis = Math.ceil(Duration.toMillis(lease))
        const at = (column: string) => sql`${table}.${sql(column)}`
        // Who waits takes the longer lease of the two. The time is that of the row to insert: asked for once.
        const free = sql`(${at("owner")} IS NULL OR ${at("owner")} = excluded.owner OR
          ABS(excluded.heard - ${at("heard")}) >=
            CASE WHEN ${at("lease")} > excluded.lease THEN ${at("lease")} ELSE excluded.lease END)`
        const ours = (column: string) =>
          sql`${sql(column)} = CASE WHEN ${free} THEN excluded.${sql(column)} ELSE ${at(column)} END`
        return {
          attempt: Effect.flatMap(
            run(
              sql<{ owner: string; beat: number; lease: number }>`INSERT INTO ${table} (id, owner, lease, heard)
                VALUES (${key}, ${owner}, ${millis}, ${now})
                ON CONFLICT (id) DO UPDATE SET ${sql.csv(["owner", "beat", "lease", "heard"].map(ours))},
                  wish = CASE WHEN ${free} THEN NULL ELSE excluded.owner END, wished = excluded.heard
                RETURNING owner, beat, lease`
            ),
            ([row]) =>
              row === undefined
                ? new SqlError({ cause: undefined, message: "the database did not return the row that it wrote" })
                : Effect.succeed(
                  row.owner === owner
                    ? Option.none()
                    : Option.some({ owner: row.owner, sign: String(row.beat), lease: Duration.millis(row.lease) })
                )
          ),
          renew: did(
            sql`UPDATE ${table} SET beat = beat + 1, heard = ${now} WHERE ${held(key, owner)} RETURNING id`
          ),
          holds: did(sql`SELECT id FROM ${table} WHERE ${held(key, owner)}`),
          // Who waits says so again each tenth of its lease; of one that died nothing is heard any more.
          wanted: did(
            sql`SELECT id FROM ${table} WHERE ${held(key, owner)} AND wish IS NOT NULL AND ABS(${now} - wished) < lease`
          ),
          // Nobody but its holder makes a row empty or not, so of the two one gives the lock back.
          leave: Effect.asVoid(Effect.zipRight(
            soon(sql`DELETE FROM ${table} WHERE ${held(key, owner)} AND state IS NULL AND note IS NULL`),
            soon(sql`UPDATE ${table} SET
              owner = CASE WHEN owner = ${owner} THEN NULL ELSE owner END,
              wish = CASE WHEN wish = ${owner} THEN NULL ELSE wish END
              WHERE id = ${key} AND (owner = ${owner} OR wish = ${owner})`)
          ))
        }
      }
    }
  })

/**
 * The store, and its table, which is made if it is not there: by however many processes at once.
 *
 * @since 0.2.0
 * @category layers
 */
export const layer = (
  options: Options = {}
): Layer.Layer<UploadStore.UploadStore, SqlError, SqlClient.SqlClient> =>
  Layer.effect(
    UploadStore.UploadStore,
    Effect.map(makeRecords(options), (records) => UploadStore.fromRecords(records, options))
  )
