import * as SqlClient from "@effect/sql/SqlClient"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Redacted, Scope } from "effect"
import { createServer } from "node:net"
import * as Postgres from "./postgres.js"

const canListen = (port: number) =>
  Effect.async<boolean>((resume) => {
    const server = createServer()
    server.once("error", () => resume(Effect.succeed(false)))
    server.listen(port, "127.0.0.1", () => server.close(() => resume(Effect.succeed(true))))
  })

describe.runIf(Postgres.installed)("a PostgreSQL server of the test's own", () => {
  it.live("keeps what was written when it is stopped and started again, and ends with its scope", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const server = yield* Scope.extend(Postgres.make, scope)
      const [url, other] = yield* Effect.all([server.database, server.database])
      const query = (url: string, statement: string) =>
        Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(statement)).pipe(
          Effect.provide(PgClient.layer({ url: Redacted.make(url) }))
        )
      yield* query(url, "CREATE TABLE kept (value integer)")
      yield* query(url, "INSERT INTO kept VALUES (42)")
      yield* server.stop
      yield* server.stop
      assert.isTrue(Exit.isFailure(yield* Effect.exit(query(url, "SELECT 1"))))
      yield* server.start
      assert.deepStrictEqual(yield* query(url, "SELECT value FROM kept"), [{ value: 42 }])
      const elsewhere = yield* Effect.exit(query(other, "SELECT value FROM kept"))
      assert.isTrue(Exit.isFailure(elsewhere))
      assert.isFalse(yield* canListen(server.port))
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(yield* canListen(server.port))
    }))
})
