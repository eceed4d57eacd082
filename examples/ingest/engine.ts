/**
 * Where ingestions are kept, and who runs them: in a file, by one process; or, if DATABASE_URL is set, in PostgreSQL, by
 * as many as there are.
 */
import * as ClusterWorkflowEngine from "@effect/cluster/ClusterWorkflowEngine"
import * as RunnerAddress from "@effect/cluster/RunnerAddress"
import type { Sharding } from "@effect/cluster/Sharding"
import * as SingleRunner from "@effect/cluster/SingleRunner"
import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import type { WorkflowEngine } from "@effect/workflow/WorkflowEngine"
import { Cause, Config, Data, Effect, Layer, Option } from "effect"
import type { UploadStore } from "effect-panda"
import * as Ingest from "effect-panda/Ingest"
import * as SqlUploadStore from "effect-panda/SqlUploadStore"

// #region readme
/** Of all processes the same. The locks of a dead one end after 10 seconds, by default 35; then another goes on. */
export const shardingConfig = {
  shardLockExpiration: "10 seconds",
  shardLockRefreshInterval: "3 seconds",
  refreshAssignmentsInterval: "2 seconds",
  runnerHealthCheckInterval: "5 seconds",
  entityMessagePollInterval: "2 seconds"
} as const

/** Beside the engine: how far all ingestions are, and their uploads, whose locks end 5 seconds after their process. */
const tables = Layer.merge(Ingest.layerJournal(), SqlUploadStore.layer({ lease: "5 seconds" }))

const embedded = (filename: string) =>
  ClusterWorkflowEngine.layer.pipe(
    Layer.provideMerge(SingleRunner.layer({ runnerStorage: "sql", shardingConfig })),
    Layer.merge(tables),
    Layer.provideMerge(file(filename))
  )

/** The engine's tables are made by the first who begins; who begins at the same moment fails, and begins again. */
const together = <A, E, R>(engine: Layer.Layer<A, E, R>, times = 5): Layer.Layer<A, E, R> =>
  Layer.catchAllCause(
    engine,
    (cause) =>
      times > 0 && /already exists|duplicate key/.test(Cause.pretty(cause, { renderErrorCause: true }))
        ? together(Layer.fresh(engine), times - 1)
        : Layer.failCause(cause)
  )

const distributed = (options: { readonly clientOnly: boolean }) =>
  Layer.unwrapEffect(Effect.gen(function*() {
    const host = yield* Config.string("RUNNER_HOST").pipe(Config.withDefault("127.0.0.1"))
    const port = yield* Config.integer("RUNNER_PORT").pipe(Config.withDefault(34431))
    const runnerAddress = options.clientOnly ? Option.none() : Option.some(RunnerAddress.make(host, port))
    const cluster = NodeClusterSocket.layer({
      storage: "sql",
      clientOnly: options.clientOnly,
      shardingConfig: { ...shardingConfig, runnerAddress }
    })
    return ClusterWorkflowEngine.layer.pipe(
      Layer.provideMerge(together(cluster)),
      Layer.merge(tables),
      Layer.provideMerge(PgClient.layerConfig({ url: Config.redacted("DATABASE_URL") }))
    )
  }))
// #endregion

class DatabaseInUse extends Data.TaggedError("DatabaseInUse")<{ readonly filename: string; readonly reason: string }> {
  override get message() {
    return `${this.filename} cannot be opened by this process alone (${this.reason}). End the one that uses it, or set ` +
      "DATABASE_URL to a PostgreSQL database, which any number of processes may use"
  }
}

class AddressInUse extends Data.TaggedError("AddressInUse")<{ readonly reason: string }> {
  override get message() {
    return `No other process can reach this one (${this.reason}). Set RUNNER_PORT, and RUNNER_HOST on several hosts, to ` +
      "what no other process has"
  }
}

/** Where it listens the others call it. */
const runner = distributed({ clientOnly: false }).pipe(
  Layer.catchAll((error) =>
    Layer.fail(
      error._tag === "SocketServerError"
        ? new AddressInUse({ reason: error.cause instanceof Error ? error.cause.message : error.message })
        : error
    )
  )
)

/** A file is one process's: with several the engine is not healthy. */
const file = (filename: string) =>
  Layer.effectDiscard(Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* sql`PRAGMA locking_mode = EXCLUSIVE`
    yield* sql`CREATE TABLE IF NOT EXISTS one_process (id INTEGER)`
    yield* sql`DELETE FROM one_process`
  })).pipe(
    Layer.provideMerge(SqliteClient.layer({ filename })),
    // The driver dies of a file that is locked.
    Layer.catchAllCause((cause) =>
      Layer.fail(new DatabaseInUse({ filename, reason: Cause.prettyErrors(cause)[0]?.message ?? "interrupted" }))
    )
  )

type Deployment = ReturnType<typeof embedded> | typeof runner
type Needed = WorkflowEngine | Sharding | Ingest.Journal | UploadStore.UploadStore

/** The engine of a process that runs ingestions. */
export const layer = (filename: string) =>
  Layer.unwrapEffect(Effect.map(
    Config.option(Config.redacted("DATABASE_URL")),
    (url): Layer.Layer<Needed, Layer.Layer.Error<Deployment>> => Option.isNone(url) ? embedded(filename) : runner
  ))

/** Of one that only submits and asks. */
export const layerClient = distributed({ clientOnly: true })
