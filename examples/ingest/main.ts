/**
 * Ingests the videos of a folder, for as long as it runs: uploads what is new in it, waits for the encodings, and writes
 * what came of each into FOLDER/.results.
 *
 *     npx tsx examples/ingest/main.ts FOLDER
 *
 * With nothing set it talks to an emulator of its own, and keeps what it knows in FOLDER/.ingest.db; with Panda's
 * variables it talks to Panda. With DATABASE_URL, that of a PostgreSQL database, any number of processes share the work,
 * each at a RUNNER_PORT of its own; the folder has to be within reach of all of them. Killed and started again it goes
 * on where it was.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, type ConfigError, Effect, Layer, Schedule, Schema, Stream } from "effect"
import { PandaClient, type PandaError } from "effect-panda"
import * as Ingest from "effect-panda/Ingest"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { join } from "node:path"
import * as Engine from "./engine.js"

const folder = process.argv[2] ?? "."

// #region readme
/** Called again with the same key after a crash: the same file is written again, and that is no harm. */
const deliver = (result: Ingest.Result, key: string) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const file = join(folder, ".results", `${key}.json`)
    yield* fs.writeFileString(`${file}.new`, yield* Schema.encode(Schema.parseJson(Ingest.Result))(result))
    yield* fs.rename(`${file}.new`, file)
  })

const candidates = Ingest.files(folder).pipe(
  Stream.map((file): Ingest.Candidate => ({ ...file, profiles: ["h264"] }))
)

const Ingestions = Layer.mergeAll(
  Ingest.layer({ uploads: 3, deliver }),
  Ingest.watch({ candidates, schedule: Schedule.spaced("30 seconds") })
).pipe(
  Layer.provide(Ingest.Sources.layerFileSystem(folder)),
  Layer.provide(Engine.layer(join(folder, ".ingest.db")))
)
// #endregion

const configured = Config.all([
  Config.option(Config.string("PANDA_ACCESS_KEY")),
  Config.option(Config.redacted("PANDA_TOKEN")),
  Config.option(Config.redacted("PANDASTREAM_URL")),
  // Each process would have an emulator that the others do not know.
  Config.option(Config.redacted("DATABASE_URL"))
]).pipe(Config.map((options) => options.some(({ _tag }) => _tag === "Some")))

const Panda = Layer.unwrapEffect(
  Effect.map(
    configured,
    (configured): Layer.Layer<PandaClient.PandaClient, PandaError.PandaInputError | ConfigError.ConfigError> =>
      configured
        ? PandaClient.layerConfig().pipe(Layer.provide(NodeHttpClient.layerUndici))
        : PandaEmulator.layerTest({ encodingTime: "5 seconds" }).pipe(
          Layer.tap(() => Effect.log("No credentials in the environment: talking to an emulator"))
        )
  )
)

const results = Layer.effectDiscard(Effect.flatMap(
  FileSystem.FileSystem,
  (fs) => fs.makeDirectory(join(folder, ".results"), { recursive: true })
))

Layer.launch(Ingestions).pipe(
  Effect.provide(Layer.provideMerge(Layer.mergeAll(Panda, results), NodeContext.layer)),
  NodeRuntime.runMain
)
