import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Layer } from "effect"
import * as Encoder from "effect-panda/Encoder"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { createServer } from "node:http"

const Panda = PandaEmulator.layerFolder("panda").pipe(
  Layer.provide(Encoder.layerFfmpeg({ concurrency: 4 })),
  Layer.provide(NodeHttpServer.layer(() => createServer(), { port: 8080, host: "127.0.0.1" })),
  Layer.provide(FetchHttpClient.layer),
  Layer.provide(NodeContext.layer)
)

NodeRuntime.runMain(Layer.launch(Panda))
