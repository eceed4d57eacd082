/** A process that ingests the files of a folder, on a database and against an emulator that are not its own. */
import * as ClusterWorkflowEngine from "@effect/cluster/ClusterWorkflowEngine"
import * as RunnerAddress from "@effect/cluster/RunnerAddress"
import * as SingleRunner from "@effect/cluster/SingleRunner"
import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import { Effect, Layer, Option, Redacted, Schedule } from "effect"
import { Credentials, PandaClient } from "effect-panda"
import * as Ingest from "effect-panda/Ingest"
import * as SqlUploadStore from "effect-panda/SqlUploadStore"
import { appendFileSync, readdirSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { shardingConfig } from "../../../examples/ingest/engine.js"

export interface Task {
  readonly port: number
  readonly folder: string
  readonly chunkSize: number
  readonly database: { readonly filename: string } | { readonly url: string; readonly runnerPort: number }
}

const { chunkSize, database, folder, port } = JSON.parse(process.argv[2]!) as Task

const Tables = Layer.merge(Ingest.layerJournal(), SqlUploadStore.layer({ lease: "5 seconds" }))

const Engine = "filename" in database
  ? ClusterWorkflowEngine.layer.pipe(
    Layer.provideMerge(SingleRunner.layer({ runnerStorage: "sql", shardingConfig })),
    Layer.merge(Tables),
    Layer.provide(SqliteClient.layer({ filename: database.filename }))
  )
  : ClusterWorkflowEngine.layer.pipe(
    Layer.provideMerge(NodeClusterSocket.layer({
      storage: "sql",
      shardingConfig: {
        ...shardingConfig,
        runnerAddress: Option.some(RunnerAddress.make("127.0.0.1", database.runnerPort))
      }
    })),
    Layer.merge(Tables),
    Layer.provide(PgClient.layer({ url: Redacted.make(database.url) }))
  )

const Panda = PandaClient.layer.pipe(
  Layer.provide(Credentials.layer({
    accessKey: "emulated-access-key",
    secretKey: Redacted.make("emulated-secret-key"),
    cloudId: "emulated-cloud-id",
    host: "127.0.0.1",
    port
  })),
  Layer.provide(NodeHttpClient.layerUndici)
)

/** Once in its effect, whoever is killed in it: a file by the name of the key. */
const deliver = (result: Ingest.Result, key: string) =>
  Effect.sync(() => {
    appendFileSync(join(folder, ".calls"), `${key}\n`)
    const file = join(folder, ".results", key)
    writeFileSync(`${file}.new`, JSON.stringify({ video: result.video.id, by: process.pid }))
    renameSync(`${file}.new`, file)
  })

const often = Schedule.exponential("500 millis").pipe(Schedule.union(Schedule.spaced("2 seconds")))

const Ingestions = Ingest.layer({
  uploads: 3,
  deliver,
  retry: often,
  upload: { chunkSize },
  encoding: { schedule: Schedule.spaced("1 second") },
  liveness: { every: "10 seconds", after: "1 minute" }
})

Effect.forEach(
  readdirSync(folder).filter((name) => name.endsWith(".mp4")),
  (source) => Effect.retry(Ingest.submit({ source, profiles: ["h264"] }), Schedule.spaced("1 second")),
  { concurrency: 4, discard: true }
).pipe(
  Effect.zipRight(Effect.never),
  Effect.provide(Ingestions.pipe(
    Layer.provideMerge(Layer.mergeAll(Engine, Ingest.Sources.layerFileSystem(folder))),
    Layer.provideMerge(Layer.merge(Panda, NodeContext.layer))
  )),
  NodeRuntime.runMain
)
