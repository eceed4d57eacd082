/** The engine on a database, as the examples deploy it, with intervals that a test does not wait for. */
import * as ClusterWorkflowEngine from "@effect/cluster/ClusterWorkflowEngine"
import * as SingleRunner from "@effect/cluster/SingleRunner"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import { Layer } from "effect"
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
