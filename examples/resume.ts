import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Schema, Stream } from "effect"
import { PandaClient, Upload, UploadSource, UploadState } from "effect-panda"

// #region readme
const stateFile = "movie.mp4.upload.json"

/** Whole or not at all, and for its owner only: whoever knows the state can write to the upload. */
const save = (state: UploadState.UploadState) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const json = yield* Schema.encode(UploadState.Json)(state)
    yield* fs.writeFileString(`${stateFile}.new`, json, { mode: 0o600 })
    yield* fs.rename(`${stateFile}.new`, stateFile)
  })

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const source = yield* UploadSource.fromFile("movie.mp4")
  const options: Upload.Options = {
    profiles: ["h264"],
    onState: (state) => save(state).pipe(Effect.provideService(FileSystem.FileSystem, fs), Effect.orDie)
  }
  const events = (yield* fs.exists(stateFile))
    ? Upload.resume(yield* Schema.decode(UploadState.Json)(yield* fs.readFileString(stateFile)), source, options)
    : Upload.start(source, options)

  const video = yield* events.pipe(Stream.tap((event) => Console.log(Upload.describe(event))), Upload.video)
  yield* fs.remove(stateFile)
  yield* Console.log(`Video ${video.id} is ${video.status}`)
})
// #endregion

const Panda = PandaClient.layerConfig().pipe(Layer.provide(NodeHttpClient.layerUndici))

program.pipe(Effect.provide([Panda, NodeContext.layer]), NodeRuntime.runMain)
