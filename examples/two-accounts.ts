/** How many videos two accounts have: OUR_PANDA_URL and THEIR_PANDA_URL, each as `PANDASTREAM_URL`. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Console, Effect, Layer, Stream } from "effect"
import { Credentials, PandaClient, Videos } from "effect-panda"

// #region readme
const account = (variable: string) =>
  PandaClient.layer.pipe(
    Layer.provide(Layer.unwrapEffect(Effect.map(Config.redacted(variable), Credentials.layerUrl))),
    Layer.provide(NodeHttpClient.layerUndici)
  )

const count = Stream.runCount(Videos.all())

const program = Effect.gen(function*() {
  const ours = yield* Effect.provide(count, account("OUR_PANDA_URL"))
  const theirs = yield* Effect.provide(count, account("THEIR_PANDA_URL"))
  yield* Console.log(`We have ${ours} videos, they have ${theirs}`)
})
// #endregion

NodeRuntime.runMain(program)
