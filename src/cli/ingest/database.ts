/**
 * Where `ingest` keeps what it knows: a SQLite file of its own for each folder and account, or the database that it is
 * told. One process uses it at a time, for one folder and one account.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { createRequire } from "node:module"
import { hostname } from "node:os"
import { dirname } from "node:path"
import { ConfigurationError, DatabaseInUse, UsageError } from "../exit.js"
import { inLine } from "../text.js"

export type Database =
  | { readonly _tag: "Sqlite"; readonly file: string }
  | { readonly _tag: "Postgres"; readonly url: Redacted.Redacted }

const inUse = (database: string, by: string | undefined) =>
  new DatabaseInUse({
    message: `${database} is in use by ${by ?? "another process"}: wait for it, or end it`
  })

/** What is said of who has a database, to the next who wants it. */
const myself = () => `effect-panda, process ${process.pid} on ${hostname()}`

/** The words of an error, without what others would see of the database's address. */
const said = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return inLine(
    inner instanceof Error ? inner.message || String((inner as { code?: unknown }).code) : "it is not known"
  )
}

const unusable = (database: string) => (cause: Cause.Cause<unknown>) =>
  new ConfigurationError({ message: `${database} cannot be used: ${said(cause)}` })

/** The driver is native, and so no part of a bundle: whoever wants it installs it. */
const driverMissing = () => {
  try {
    createRequire(import.meta.url)("better-sqlite3")
    return undefined
  } catch (error) {
    const code = (error as { readonly code?: unknown }).code
    return code === "MODULE_NOT_FOUND"
      ? "it is not installed"
      : inLine(String((error as Error).message).split("\n")[0]!)
  }
}

const withoutDriver = (why: string) =>
  new ConfigurationError({
    message: [
      `ingest keeps its state in SQLite, for which the package better-sqlite3 is needed beside this one: ${why}. ` +
      "One of these helps:",
      "  npm install better-sqlite3                                 where effect-panda is installed; -g if that is global",
      "  npx -p effect-panda -p better-sqlite3 effect-panda ingest …  installs nothing for good",
      "  effect-panda ingest … --database postgres://HOST/NAME      needs no driver"
    ].join("\n")
  })

const openFile = (file: string) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const missing = driverMissing()
    if (missing !== undefined) return yield* withoutDriver(missing)
    // Not before: it imports the driver.
    const SqliteClient = yield* Effect.promise(() => import("@effect/sql-sqlite-node/SqliteClient"))
    const owner = `${file}.owner`
    yield* Effect.gen(function*() {
      // It has the locations of uploads in it, which are all that it takes to write to them.
      yield* fs.makeDirectory(dirname(file), { recursive: true, mode: 0o700 })
      if (!(yield* fs.exists(file))) yield* fs.writeFileString(file, "", { mode: 0o600 })
    }).pipe(Effect.catchAllCause(unusable(file)))
    const exclusive = Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`PRAGMA locking_mode = EXCLUSIVE`
      yield* sql`CREATE TABLE IF NOT EXISTS one_process (id INTEGER)`
      yield* sql`DELETE FROM one_process`
    })
    const note = Effect.acquireRelease(
      Effect.ignore(fs.writeFileString(owner, myself(), { mode: 0o600 })),
      () => Effect.ignore(fs.remove(owner))
    )
    const refuse = (
      cause: Cause.Cause<unknown>
    ): Effect.Effect<Layer.Layer<unknown>, DatabaseInUse | ConfigurationError> =>
      /locked|busy/i.test(said(cause))
        ? Effect.flatMap(
          Effect.option(fs.readFileString(owner)),
          (by) => inUse(file, Option.getOrUndefined(Option.map(by, inLine)))
        )
        : unusable(file)(cause)
    return Layer.scopedDiscard(Effect.zipRight(exclusive, note)).pipe(
      Layer.provideMerge(SqliteClient.layer({ filename: file })),
      // The driver dies of a file that is locked.
      Layer.catchAllCause((cause) => Layer.unwrapEffect(refuse(cause)))
    )
  })

/** Of all advisory locks of a database, ours. */
const LOCK = [0x70616e64, 1] as const

/** A database by its address, without what is secret of it. */
const shown = (url: Redacted.Redacted) => {
  const { host, pathname } = new URL(Redacted.value(url))
  return inLine(`postgres://${host}${pathname}`)
}

const openPostgres = (url: Redacted.Redacted) => {
  const exclusive = Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    // A lock belongs to its connection, which is kept for as long as this process has the database.
    const connection = yield* sql.reserve
    const ask = (text: string) =>
      Effect.map(connection.executeUnprepared(text, [], undefined), ([row]) => row as Record<string, unknown>)
    const { got } = yield* ask(`SELECT pg_try_advisory_lock(${LOCK.join(", ")}) AS got`)
    if (got === true) return
    const row = yield* ask(
      `SELECT application_name AS name FROM pg_locks JOIN pg_stat_activity USING (pid)
       WHERE locktype = 'advisory' AND classid = ${LOCK[0]} AND objid = ${LOCK[1]} AND granted LIMIT 1`
    )
    return yield* inUse(shown(url), row === undefined ? undefined : inLine(String(row["name"])))
  })
  return Layer.scopedDiscard(exclusive).pipe(
    Layer.provideMerge(PgClient.layer({ url, applicationName: myself(), maxConnections: 8 })),
    Layer.catchAllCause((cause) => {
      const error = Cause.squash(cause)
      return Layer.fail(error instanceof DatabaseInUse ? error : unusable(shown(url))(cause))
    })
  )
}

/** The first folder and account that a database is used for are its own. */
const claim = (folder: string, account: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE IF NOT EXISTS effect_panda_ingest (folder TEXT NOT NULL, account TEXT NOT NULL)`
    const [known] = yield* sql<{ folder: string; account: string }>`SELECT folder, account FROM effect_panda_ingest`
    if (known === undefined) {
      yield* sql`INSERT INTO effect_panda_ingest (folder, account) VALUES (${folder}, ${account})`
      return
    }
    if (known.folder !== folder || known.account !== account) {
      return yield* new UsageError({
        message: `the database is that of ${
          known.folder === folder ? "another account" : inLine(known.folder)
        }: give each folder and account a database of its own, by --database`
      })
    }
  })

/** A database that is there, ours, and for this folder and account. */
export const layer = (database: Database, folder: string, account: string) => {
  const opened = database._tag === "Sqlite"
    ? Layer.unwrapEffect(openFile(database.file))
    : openPostgres(database.url)
  const name = database._tag === "Sqlite" ? database.file : shown(database.url)
  return Layer.effectDiscard(claim(folder, account)).pipe(
    Layer.catchAll((error: SqlError | UsageError) =>
      Layer.fail(error._tag === "UsageError" ? error : unusable(name)(Cause.fail(error)))
    ),
    Layer.provideMerge(opened)
  )
}
