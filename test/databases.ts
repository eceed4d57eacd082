/** The databases that tests run on: a SQLite file, and a database on a PostgreSQL server where one can be started. */
import * as PgClient from "@effect/sql-pg/PgClient"
import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import { Effect, Exit, Layer, Redacted, Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import * as Postgres from "./postgres.js"

/** Connections to one database: each build of the layer is one more, as of another process. */
export type Connect = Layer.Layer<SqlClient.SqlClient>

export interface Database {
  readonly name: string
  readonly isThere: boolean
  /** A new one, empty, gone with the scope. */
  readonly make: Effect.Effect<Connect, never, Scope.Scope>
}

export const sqlite: Database = {
  name: "SQLite",
  isThere: true,
  make: Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-panda-sqlite-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
    ),
    (folder) => Layer.fresh(Layer.orDie(SqliteClient.layer({ filename: join(folder, "test.db") })))
  )
}

/** One server for the tests of a file, which calls this outside of them. */
export const server = (): { readonly current: () => Postgres.Postgres } => {
  let scope: Scope.CloseableScope | undefined
  let server: Postgres.Postgres | undefined
  beforeAll(async () => {
    if (!Postgres.installed) return
    scope = await Effect.runPromise(Scope.make())
    server = await Effect.runPromise(Scope.extend(Postgres.make, scope))
  })
  afterAll(() => scope === undefined ? undefined : Effect.runPromise(Scope.close(scope, Exit.void)))
  return { current: () => server! }
}

export const postgres = (server: { readonly current: () => Postgres.Postgres }): Database => ({
  name: "PostgreSQL",
  isThere: Postgres.installed,
  make: Effect.suspend(() =>
    Effect.map(
      server.current().database,
      (url) => Layer.fresh(Layer.orDie(PgClient.layer({ url: Redacted.make(url), maxConnections: 3 })))
    )
  )
})
