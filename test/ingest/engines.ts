/** The engine on a database, as the examples deploy it, with intervals that a test does not wait for. */
import * as ClusterWorkflowEngine from "@effect/cluster/ClusterWorkflowEngine"
import * as RunnerAddress from "@effect/cluster/RunnerAddress"
import * as SingleRunner from "@effect/cluster/SingleRunner"
import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import { Layer, Option, Redacted } from "effect"
import * as Ingest from "effect-panda/Ingest"

const quick = {
  entityMessagePollInterval: "200 millis",
  entityReplyPollInterval: "50 millis",
  refreshAssignmentsInterval: "1 second",
  entityTerminationTimeout: "500 millis"
} as const

/** One process on a file: the engine, and the journal beside it. */
export const embedded = (filename: string) =>
  ClusterWorkflowEngine.layer.pipe(
    Layer.provideMerge(SingleRunner.layer({ runnerStorage: "sql", shardingConfig: quick })),
    Layer.merge(Ingest.layerJournal()),
    Layer.provideMerge(SqliteClient.layer({ filename }))
  )

/** One of many processes on a PostgreSQL database, at a port of its own; each build of the layer is another. */
export const distributed = (
  url: string,
  port: number,
  // Where it listens, if that is not where it says that it is.
  { listen = port, ...options }: { readonly listen?: number; readonly shardsPerGroup?: number } = {}
) =>
  ClusterWorkflowEngine.layer.pipe(
    Layer.provideMerge(NodeClusterSocket.layer({
      storage: "sql",
      shardingConfig: {
        ...quick,
        ...options,
        shardLockExpiration: "6 seconds",
        shardLockRefreshInterval: "1 second",
        runnerAddress: Option.some(RunnerAddress.make("127.0.0.1", port)),
        runnerListenAddress: Option.some(RunnerAddress.make("127.0.0.1", listen))
      }
    })),
    Layer.merge(Ingest.layerJournal()),
    Layer.provideMerge(PgClient.layer({ url: Redacted.make(url) }))
  )
