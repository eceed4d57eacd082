/**
 * A pipeline: uploads every video of a folder, four at a time, waits for the encodings, and writes a report.
 *
 *     npx tsx examples/pipeline.ts FOLDER
 *
 * Killed and started again it goes on where it was: unfinished uploads at the byte that Panda has, finished ones not at
 * all. How stubborn it is, is the schedule that it is given. For one process and a folder that is uploaded once; what
 * several processes share, or what goes on for good, is examples/ingest.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Schedule, Schema, Stream } from "effect"
import { Encodings, PandaClient, type PandaError, Upload, UploadSource, UploadStore } from "effect-panda"
import { join } from "node:path"

const Entry = Schema.Struct({
  file: Schema.String,
  video: Schema.optional(Schema.String),
  encodings: Schema.Array(Schema.Struct({ profile: Schema.String, status: Schema.String })),
  error: Schema.optional(Schema.String)
})

const Report = Schema.parseJson(Schema.Array(Entry), { space: 2 })

export const pipeline = (folder: string, retry: Schedule.Schedule<unknown, PandaError.UploadError>) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const reportFile = join(folder, "report.json")
    const earlier = yield* fs.readFileString(reportFile).pipe(
      Effect.flatMap(Schema.decode(Report)),
      Effect.orElseSucceed(() => [])
    )
    const done = new Map(earlier.filter(({ video }) => video !== undefined).map((entry) => [entry.file, entry]))
    const report = (entry: typeof Entry.Type) =>
      Effect.gen(function*() {
        done.set(entry.file, entry)
        yield* fs.writeFileString(reportFile, yield* Schema.encode(Report)(Array.from(done.values())))
        yield* Console.log(`${entry.file}: ${entry.error ?? entry.encodings.map(({ status }) => status).join(", ")}`)
      })

    const files = (yield* fs.readDirectory(folder)).filter((file) => /\.(mp4|mov|mkv|webm)$/i.test(file))
    const sources = yield* Effect.forEach(
      files.filter((file) => !done.has(file)),
      (file) => UploadSource.fromFile(join(folder, file))
    )
    yield* Upload.many(sources, { concurrency: 4, profiles: ["h264"], retry, upload: Upload.startOrResume }).pipe(
      Stream.mapEffect((told) =>
        Effect.gen(function*() {
          const file = told.source.name
          if (told._tag === "Failed") return yield* report({ file, encodings: [], error: told.error.message })
          if (told._tag !== "Event" || told.event._tag !== "Uploaded") return
          const { id } = told.event.video
          const encodings = yield* Encodings.awaitVideo(id)
          yield* report({
            file,
            video: id,
            encodings: encodings.map(({ profile_name = "?", status = "?" }) => ({ profile: profile_name, status }))
          })
        }), { concurrency: "unbounded" }),
      Stream.runDrain
    )
    yield* Console.log(`${done.size} files, see ${reportFile}`)
  })

const folder = process.argv[2] ?? "."
const patient = Schedule.exponential("1 second").pipe(
  Schedule.union(Schedule.spaced("1 minute")),
  Schedule.intersect(Schedule.recurs(60))
)

const Live = Layer.mergeAll(
  PandaClient.layerConfig().pipe(Layer.provide(NodeHttpClient.layerUndici)),
  UploadStore.layerFileSystem(join(folder, ".uploads"), { lease: "3 seconds" })
).pipe(Layer.provideMerge(NodeContext.layer))

pipeline(folder, patient).pipe(Effect.provide(Live), NodeRuntime.runMain)
