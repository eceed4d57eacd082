import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Stream } from "effect"
import { PandaClient, Videos } from "effect-panda"

const program = Videos.all({ status: "success" }).pipe(
  Stream.take(10),
  Stream.runForEach((video) => Console.log(video.id, video.original_filename))
)

const Panda = PandaClient.layerConfig().pipe(Layer.provide(NodeHttpClient.layerUndici))

program.pipe(Effect.provide(Panda), NodeRuntime.runMain)
