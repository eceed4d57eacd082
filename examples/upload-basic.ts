import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Stream } from "effect"
import { PandaClient, Upload, UploadSource } from "effect-panda"

const program = Effect.gen(function*() {
  const source = yield* UploadSource.fromFile("movie.mp4")
  const video = yield* Upload.start(source, { profiles: ["h264"] }).pipe(
    Stream.tap((event) => Console.log(Upload.describe(event))),
    Upload.video
  )
  yield* Console.log(`Video ${video.id} is ${video.status}`)
})

const Panda = PandaClient.layerConfig().pipe(Layer.provide(NodeHttpClient.layerUndici))

program.pipe(Effect.provide([Panda, NodeContext.layer]), NodeRuntime.runMain)
