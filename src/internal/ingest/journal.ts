/**
 * What is known of ingestions beyond their engine, which neither lists its executions nor says how far they are. The
 * engine decides; this is what it last told.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import { WorkflowEngine } from "@effect/workflow/WorkflowEngine"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { globalValue } from "effect/GlobalValue"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as tables from "../sql/tables.js"
import type * as model from "./model.js"
import { isEnd, PandaIngestUnavailable, Payload, Status } from "./model.js"
import * as signals from "./signals.js"
import type { Signal } from "./signals.js"

type Execution = typeof model.Execution.Type
type Payload = typeof Payload.Type

/** Which of them, newest first. */
export interface Filter {
  readonly status?: Status["_tag"] | undefined
  /** How many at most, 100 by default. */
  readonly limit?: number | undefined
  /** Only those that follow the one with this id in the list. */
  readonly after?: string | undefined
}

/** An execution that somebody should be working on, and since when (milliseconds). */
export interface Due {
  readonly execution: Execution
  readonly since: number
}

/** What is known of a process of a cluster. */
export interface Process {
  /** A name that no other has, however often it begins again. */
  readonly id: string
  /** The engine's number for the address of its runner. */
  readonly machine: number
  /** The shards of some entities: the same in all processes that have as many of them. */
  readonly shards: string
}

/** One that has shown itself: `beat` changes for as long as it lives. */
export interface Seen extends Process {
  readonly beat: number
}

export class Journal extends Context.Tag("effect-panda/Ingest/Journal")<Journal, Journal.Service>() {}

export declare namespace Journal {
  export interface Service {
    /** Writes down a new one, which is due from now on; tells what is there, and whether it was there before. */
    readonly add: (id: string, payload: Payload) => Write<{ readonly execution: Execution; readonly isNew: boolean }>
    readonly get: (id: string) => Write<Option.Option<Execution>>
    readonly list: (filter: Filter) => Write<ReadonlyArray<Execution>>
    /**
     * How an attempt stands, unless it has ended, and when somebody has to do something next. What it was woken for is
     * done with that.
     */
    readonly set: (id: string, attempt: number, status: Status, due?: number) => Write<void>
    /** Begins the next attempt of one that has failed; tells whether it did. */
    readonly again: (id: string, attempt: number) => Write<boolean>
    /** Asks it to end; tells whether it had not ended. */
    readonly cancel: (id: string) => Write<boolean>
    /** There may be news of this video. */
    readonly wake: (video: string) => Write<void>
    /** Comes back when something is asked of the execution. */
    readonly asked: (id: string) => Effect.Effect<Signal>
    readonly isCancelled: (id: string) => Write<boolean>
    /** What is due, the longest first; some of it, if there is much. */
    readonly due: Write<ReadonlyArray<Due>>
    /** Shows that a process is there, and tells which ones have; those that live show it again and again. */
    readonly meet: (process: Process) => Write<ReadonlyArray<Seen>>
  }

  type Write<A> = Effect.Effect<A, PandaIngestUnavailable>
}

/** How many executions are told to be due. */
const DUE = 100

/** After how long a process is forgotten that has not shown itself any more: milliseconds. */
const FORGOTTEN = 24 * 60 * 60 * 1000

const videoOf = (status: Status): string | undefined => "video" in status ? status.video : undefined

/** The younger first; of those of one moment any, but always the same. */
const byAge = (a: Execution, b: Execution): number =>
  DateTime.toEpochMillis(b.created) - DateTime.toEpochMillis(a.created) || (a.id < b.id ? 1 : -1)

interface Entry {
  execution: Execution
  signal: Signal | undefined
  due: number | undefined
}

export const makeMemory = (): Journal.Service => {
  const entries = new Map<string, Entry>()
  const { next, tell } = signals.make()
  const open = (id: string, attempt?: number): Entry | undefined => {
    const entry = entries.get(id)
    return entry === undefined || isEnd(entry.execution.status) ||
        (attempt !== undefined && entry.execution.attempt !== attempt)
      ? undefined
      : entry
  }
  const now = Effect.map(Clock.currentTimeMillis, (millis) => DateTime.unsafeMake(millis))

  return {
    add: (id, payload) =>
      Effect.map(now, (created) => {
        const before = entries.get(id)
        if (before !== undefined) return { execution: before.execution, isNew: false }
        const execution: Execution = {
          id,
          payload,
          attempt: 1,
          status: { _tag: "Queued" },
          created,
          updated: created
        }
        entries.set(id, { execution, signal: undefined, due: DateTime.toEpochMillis(created) })
        return { execution, isNew: true }
      }),
    get: (id) => Effect.sync(() => Option.map(Option.fromNullable(entries.get(id)), ({ execution }) => execution)),
    list: ({ after, limit = 100, status }) =>
      Effect.sync(() => {
        const all = Array.from(entries.values(), ({ execution }) => execution).sort(byAge)
        const rest = after === undefined ? all : all.slice(all.findIndex(({ id }) => id === after) + 1)
        return rest.filter((execution) => status === undefined || execution.status._tag === status).slice(0, limit)
      }),
    set: (id, attempt, status, due) =>
      Effect.map(now, (updated) => {
        const entry = open(id, attempt)
        if (entry === undefined) return
        const { execution } = entry
        entry.execution = { ...execution, status, updated, video: videoOf(status) ?? execution.video }
        entry.due = due
        if (entry.signal === "Wake" || isEnd(status)) entry.signal = undefined
      }),
    again: (id, attempt) =>
      Effect.map(now, (updated) => {
        const entry = entries.get(id)
        if (entry === undefined || entry.execution.attempt !== attempt) return false
        if (entry.execution.status._tag !== "Failed") return false
        entry.execution = { ...entry.execution, attempt: attempt + 1, status: { _tag: "Queued" }, updated }
        entry.due = DateTime.toEpochMillis(updated)
        return true
      }),
    cancel: (id) =>
      Effect.sync(() => {
        const entry = open(id)
        if (entry === undefined) return false
        entry.signal = "Cancel"
        tell(id, "Cancel")
        return true
      }),
    wake: (video) =>
      Effect.sync(() => {
        for (const [id, entry] of entries) {
          if (entry.execution.video !== video || isEnd(entry.execution.status)) continue
          entry.signal ??= "Wake"
          tell(id, entry.signal)
        }
      }),
    asked: (id) =>
      Effect.suspend(() => {
        const signal = open(id)?.signal
        return signal === undefined ? next(id) : Effect.succeed(signal)
      }),
    isCancelled: (id) => Effect.sync(() => open(id)?.signal === "Cancel"),
    due: Effect.map(Clock.currentTimeMillis, (now) =>
      Array.from(entries.values())
        .flatMap(({ due, execution }): ReadonlyArray<Due> =>
          due !== undefined && due <= now && !isEnd(execution.status) ? [{ execution, since: due }] : []
        )
        .sort((a, b) => a.since - b.since)
        .slice(0, DUE)),
    // It is of one process.
    meet: () => Effect.succeed([])
  }
}

const memories = globalValue("effect-panda/Ingest/memories", () => new WeakMap<object, Journal.Service>())

/** The one that is given; or else one in memory for each engine. */
export const current: Effect.Effect<Journal.Service, never, WorkflowEngine> = Effect.gen(function*() {
  const given = yield* Effect.serviceOption(Journal)
  if (Option.isSome(given)) return given.value
  const engine = yield* WorkflowEngine
  const known = memories.get(engine) ?? makeMemory()
  memories.set(engine, known)
  return known
})

/** A row, with numbers as the drivers give them. */
const Row = Schema.Struct({
  id: Schema.String,
  payload: Schema.parseJson(Payload),
  attempt: Schema.Number,
  detail: Schema.parseJson(Status),
  video: Schema.NullOr(Schema.String),
  created: Schema.Union(Schema.Number, Schema.NumberFromString),
  updated: Schema.Union(Schema.Number, Schema.NumberFromString)
})

const executionOf = ({ created, detail, updated, video, ...row }: typeof Row.Type): Execution => ({
  ...row,
  status: detail,
  video: video ?? undefined,
  created: DateTime.unsafeMake(created),
  updated: DateTime.unsafeMake(updated)
})

const SIGNALS = { Wake: 1, Cancel: 2 } as const

const unavailable = (operation: string) => (error: SqlError) =>
  new PandaIngestUnavailable({
    operation: `Ingest.${operation}`,
    description: tables.said(error)
  })

const makeSql = (
  name: string
): Effect.Effect<Journal.Service, PandaIngestUnavailable, SqlClient.SqlClient | Scope.Scope> =>
  Effect.gen(function*() {
    const sql = (yield* SqlClient.SqlClient).withoutTransforms()
    const table = sql(name)
    const untold = Effect.withTracerEnabled(false)
    const run = <A>(operation: string, statement: Effect.Effect<A, SqlError>) =>
      untold(Effect.mapError(statement, unavailable(operation)))

    const index = (of: string, what: string) =>
      sql`CREATE INDEX IF NOT EXISTS ${sql(`${name}_${of}`)} ON ${table} ${sql.literal(what)}`
    const processes = sql(`${name}_processes`)
    yield* run(
      "layerJournal",
      tables.make(
        sql,
        sql`${processes}`,
        ["id", "machine", "shards", "beat", "seen"],
        [sql`CREATE TABLE IF NOT EXISTS ${processes} (
          id VARCHAR(64) PRIMARY KEY,
          machine INTEGER NOT NULL,
          shards TEXT NOT NULL,
          beat INTEGER NOT NULL,
          seen BIGINT NOT NULL
        )`]
      )
    )
    yield* run(
      "layerJournal",
      tables.make(
        sql,
        sql`${table}`,
        ["id", "payload", "attempt", "status", "detail", "video", "signal", "due", "created", "updated"],
        [
          sql`CREATE TABLE IF NOT EXISTS ${table} (
            id VARCHAR(64) PRIMARY KEY,
            payload TEXT NOT NULL,
            attempt INTEGER NOT NULL,
            status VARCHAR(16) NOT NULL,
            detail TEXT NOT NULL,
            video TEXT,
            signal INTEGER NOT NULL,
            due BIGINT,
            created BIGINT NOT NULL,
            updated BIGINT NOT NULL
          )`,
          index("created", "(created, id)"),
          index("video", "(video)"),
          index("signal", "(signal) WHERE signal > 0"),
          index("due", "(due) WHERE due IS NOT NULL")
        ]
      )
    )

    const columns = sql.literal("id, payload, attempt, detail, video, created, updated")
    const open = sql.literal("status NOT IN ('Done', 'Failed')")
    const decode = (rows: ReadonlyArray<object>) =>
      Effect.map(Effect.orDie(Schema.decodeUnknown(Schema.Array(Row))(rows)), Arr.map(executionOf))
    const select = (operation: string, statement: Effect.Effect<ReadonlyArray<object>, SqlError>) =>
      Effect.flatMap(run(operation, statement), decode)
    const did = (operation: string, statement: Effect.Effect<ReadonlyArray<object>, SqlError>) =>
      Effect.map(run(operation, statement), (rows) => rows.length > 0)
    const payloadText = (payload: Payload) => Effect.orDie(Schema.encode(Schema.parseJson(Payload))(payload))
    const statusText = (status: Status) => Effect.orDie(Schema.encode(Schema.parseJson(Status))(status))

    const get = (operation: string, id: string) =>
      Effect.map(select(operation, sql`SELECT ${columns} FROM ${table} WHERE id = ${id}`), Arr.head)

    const { next } = yield* signals.polling(Effect.map(
      run("signals", sql<{ id: string; signal: number }>`SELECT id, signal FROM ${table} WHERE signal > 0`),
      (rows) =>
        new Map(
          rows.map(({ id, signal }): [string, Signal] => [id, Number(signal) === SIGNALS.Cancel ? "Cancel" : "Wake"])
        )
    ))

    return {
      add: (id, payload) =>
        Effect.gen(function*() {
          const now = yield* Clock.currentTimeMillis
          const [text, status] = [yield* payloadText(payload), yield* statusText({ _tag: "Queued" })]
          const isNew = yield* did(
            "submit",
            sql`INSERT INTO ${table} (id, payload, attempt, status, detail, signal, due, created, updated)
              VALUES (${id}, ${text}, 1, 'Queued', ${status}, 0, ${now}, ${now}, ${now})
              ON CONFLICT (id) DO NOTHING RETURNING id`
          )
          const execution = yield* get("submit", id)
          return Option.isSome(execution)
            ? { execution: execution.value, isNew }
            : yield* new PandaIngestUnavailable({ operation: "Ingest.submit", description: "a row is gone" })
        }),
      get: (id) => get("status", id),
      list: ({ after, limit = 100, status }) =>
        select(
          "list",
          sql`SELECT ${columns} FROM ${table} WHERE ${
            sql.and([
              ...(status === undefined ? [] : [sql`status = ${status}`]),
              ...(after === undefined
                ? []
                : [sql`(created, id) < (SELECT created, id FROM ${table} WHERE id = ${after})`])
            ])
          } ORDER BY created DESC, id DESC LIMIT ${limit}`
        ),
      set: (id, attempt, status, due) =>
        Effect.gen(function*() {
          const now = yield* Clock.currentTimeMillis
          const detail = yield* statusText(status)
          const kept = isEnd(status) ? -1 : SIGNALS.Cancel
          yield* run(
            "set",
            sql`UPDATE ${table} SET status = ${status._tag}, detail = ${detail}, due = ${due ?? null}, updated = ${now},
              video = COALESCE(${videoOf(status) ?? null}, video),
              signal = CASE WHEN signal = ${kept} THEN signal ELSE 0 END
              WHERE id = ${id} AND attempt = ${attempt} AND ${open}`
          )
        }),
      again: (id, attempt) =>
        Effect.gen(function*() {
          const now = yield* Clock.currentTimeMillis
          const detail = yield* statusText({ _tag: "Queued" })
          return yield* did(
            "retry",
            sql`UPDATE ${table} SET attempt = attempt + 1, status = 'Queued', detail = ${detail}, signal = 0,
              due = ${now}, updated = ${now}
              WHERE id = ${id} AND attempt = ${attempt} AND status = 'Failed' RETURNING id`
          )
        }),
      cancel: (id) =>
        did(
          "cancel",
          sql`UPDATE ${table} SET signal = ${SIGNALS.Cancel} WHERE id = ${id} AND ${open} RETURNING id`
        ),
      wake: (video) =>
        Effect.asVoid(
          run(
            "webhook",
            sql`UPDATE ${table} SET signal = ${SIGNALS.Wake} WHERE video = ${video} AND signal = 0 AND ${open}`
          )
        ),
      asked: next,
      isCancelled: (id) => did("cancel", sql`SELECT id FROM ${table} WHERE id = ${id} AND signal = ${SIGNALS.Cancel}`),
      due: Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.flatMap(
          run(
            "due",
            sql<{ due: number | string }>`SELECT due, ${columns} FROM ${table} WHERE due <= ${now} AND ${open}
              ORDER BY due LIMIT ${DUE}`
          ),
          (rows) =>
            Effect.map(
              decode(rows),
              (executions) => executions.map((execution, i) => ({ execution, since: Number(rows[i]!.due) }))
            )
        )),
      meet: ({ id, machine, shards }) =>
        Effect.gen(function*() {
          const now = yield* Clock.currentTimeMillis
          yield* run(
            "meet",
            sql`INSERT INTO ${processes} (id, machine, shards, beat, seen) VALUES (${id}, ${machine}, ${shards}, 1, ${now})
              ON CONFLICT (id) DO UPDATE SET machine = ${machine}, beat = ${processes}.beat + 1, seen = ${now}`
          )
          // Of those that died nothing tells but time; clocks may be wrong by much less.
          yield* run("meet", sql`DELETE FROM ${processes} WHERE seen < ${now - FORGOTTEN}`)
          return yield* run("meet", sql<Seen>`SELECT id, machine, shards, beat FROM ${processes}`)
        })
    }
  })

export const layerSql = (
  options: { readonly table?: string | undefined } = {}
): Layer.Layer<Journal, PandaIngestUnavailable, SqlClient.SqlClient> =>
  Layer.scoped(Journal, makeSql(options.table ?? "panda_ingest"))
