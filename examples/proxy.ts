/** Through the proxy that HTTPS_PROXY (for https) or HTTP_PROXY names: counts the videos. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { EnvHttpProxyAgent } from "@effect/platform-node/Undici"
import { Console, Effect, Layer, Stream } from "effect"
import { PandaClient, Videos } from "effect-panda"

// #region readme
const Proxied = NodeHttpClient.layerUndiciWithoutDispatcher.pipe(
  Layer.provide(Layer.sync(NodeHttpClient.Dispatcher, () => new EnvHttpProxyAgent()))
)

const Panda = PandaClient.layerConfig().pipe(Layer.provide(Proxied))
// #endregion

Stream.runCount(Videos.all()).pipe(
  Effect.flatMap((count) => Console.log(`${count} videos`)),
  Effect.provide(Panda),
  NodeRuntime.runMain
)
