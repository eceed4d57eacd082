/** What tables in a user's database have in common. */
import type * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import type { Fragment } from "@effect/sql/Statement"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { excerpt } from "../text/excerpt.js"

/** What the database's client says: neither statements nor values. */
export const said = ({ cause, message }: SqlError): string => {
  // Node tells of all addresses that it has tried, and leaves the message empty.
  const tried = cause instanceof AggregateError ? cause.errors.find((error) => error instanceof Error) : undefined
  const text = cause instanceof Error ? cause.message || tried?.message : undefined
  return excerpt(text || message || "it does not say why")
}

/** Whether the connection is what failed, and not the statement: by PostgreSQL's classes of errors, or Node's. */
const isAway = ({ cause }: SqlError): boolean =>
  cause instanceof Error &&
  (("code" in cause &&
    /^(08|57P|53300|ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_AGAIN)/.test(String(cause.code))) ||
    /connection (terminated|ended|error)|exceeded when trying to connect/i.test(cause.message))

/**
 * A database that is started anew takes its connections with it, and is back in a moment: the statement is made again
 * for some seconds, which has to do no harm to one that has been made already.
 */
export const throughRestart = <A>(statement: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> =>
  Effect.retry(statement, {
    schedule: Schedule.intersect(Schedule.spaced("200 millis"), Schedule.recurs(15)),
    while: isAway
  })

/**
 * What may not be done without the database waits for one that is away, for as long as that is. The log says so once for
 * all that wait, and once that it is back. The waiting ends when it is interrupted, in a region too that is not to be.
 */
export const patiently = (who: string) => {
  let away = false
  const waits = (error: SqlError) =>
    Effect.suspend(() => {
      if (away) return Effect.void
      away = true
      return Effect.logWarning(`${who}: the database is away (${said(error)}): uploads wait until it is back`)
    })
  const back = Effect.suspend(() => {
    if (!away) return Effect.void
    away = false
    return Effect.logInfo(`${who}: the database is back: uploads go on`)
  })
  return <A>(statement: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> => {
    const again: Effect.Effect<A, SqlError> = Effect.catchIf(statement, isAway, (error) =>
      waits(error).pipe(
        Effect.zipRight(Effect.interruptible(Effect.sleep("500 millis"))),
        Effect.zipRight(Effect.suspend(() => again))
      ))
    return Effect.zipLeft(
      Effect.catchIf(throughRestart(statement), isAway, (error) => Effect.zipRight(waits(error), again)),
      back
    )
  }
}

/** The database's own clock, as an expression: whole milliseconds. It also moves within a transaction. */
export const now = (sql: SqlClient.SqlClient, who: string): Effect.Effect<Fragment, SqlError> =>
  sql.onDialectOrElse({
    pg: () => Effect.succeed(sql.literal("CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)")),
    sqlite: () => Effect.succeed(sql.literal("CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)")),
    orElse: () =>
      Effect.fail(
        new SqlError({
          cause: undefined,
          message: `${who} works on PostgreSQL and SQLite. Provide the SqlClient of one of them`
        })
      )
  })

/**
 * Makes what is not there yet. Looks first, since a role that may use a table often may not make one. Processes that
 * begin together may all find nothing there; one of them makes it, the others fail, look again, and find it.
 */
export const make = (
  sql: SqlClient.SqlClient,
  table: Fragment,
  columns: ReadonlyArray<string>,
  statements: ReadonlyArray<Effect.Effect<unknown, SqlError>>
): Effect.Effect<void, SqlError> => {
  let looks = 0
  // Clients keep the statements that they have prepared, and those that they could not: each has another text.
  const look = Effect.suspend(() => {
    const never = sql.literal(`${++looks} = 0`)
    return sql`SELECT ${sql.csv(columns.map((column) => sql`${sql(column)}`))} FROM ${table} WHERE ${never}`
  })
  return Effect.catchAll(look, () =>
    Effect.zipRight(Effect.all(statements, { discard: true }), look).pipe(
      Effect.catchAll((error) => Effect.mapError(look, () => error))
    )).pipe(
      Effect.retry({ times: 3 }),
      Effect.asVoid
    )
}
