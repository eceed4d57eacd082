/** A process that ingests the files of a folder, deployed as the example is, against an emulator that is not its own. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer, Redacted, Schedule, Stream } from "effect"
import { Credentials, PandaClient } from "effect-panda"
import * as Ingest from "effect-panda/Ingest"
import { appendFileSync, readdirSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Engine from "../../../examples/ingest/engine.js"

export interface Task {
  /** The emulator's. */
  readonly port: number
  readonly folder: string
  readonly chunkSize: number
  readonly uploads: number
  /** Of SQLite; where DATABASE_URL is set that is taken. */
  readonly filename: string
}

const { chunkSize, filename, folder, port, uploads } = JSON.parse(process.argv[2]!) as Task

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
  uploads,
  deliver,
  onEvent: ({ _tag }, id) =>
    Effect.sync(() => appendFileSync(join(folder, ".events"), `${Date.now()} ${process.pid} ${id} ${_tag}\n`)),
  retry: often,
  upload: { chunkSize },
  encoding: { schedule: Schedule.spaced("1 second") },
  liveness: { every: "10 seconds", after: "1 minute" }
})

const sources = readdirSync(folder).filter((name) => name.endsWith(".mp4"))

Effect.forEach(
  sources,
  (source) => Effect.retry(Ingest.submit({ source, profiles: ["h264"] }), Schedule.spaced("1 second")),
  { concurrency: 4, discard: true }
).pipe(
  Effect.zipRight(
    Stream.runCount(Ingest.all({ status: "Done" })).pipe(
      Effect.orElseSucceed(() => 0),
      Effect.repeat({ schedule: Schedule.spaced("1 second"), until: (done) => done === sources.length })
    )
  ),
  Effect.tap(() => Effect.sync(() => writeFileSync(join(folder, ".settled"), ""))),
  Effect.zipRight(Effect.never),
  Effect.provide(Ingestions.pipe(
    Layer.provideMerge(Layer.mergeAll(Engine.layer(filename), Ingest.Sources.layerFileSystem(folder))),
    Layer.provideMerge(Layer.merge(Panda, NodeContext.layer))
  )),
  NodeRuntime.runMain
)
