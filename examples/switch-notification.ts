/** Switches one event of the cloud's notifications on, or off again, and leaves the url and the other events alone. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer } from "effect"
import { Notifications, PandaClient } from "effect-panda"

const program = Effect.gen(function*() {
  const { events } = yield* Notifications.get
  const setting = yield* Notifications.update({ events: { encoding_progress: events?.encoding_progress !== true } })
  yield* Console.log(`Progress is ${setting.events?.encoding_progress === true ? "told" : "not told"}`)
})

const Panda = PandaClient.layerConfig().pipe(Layer.provide(NodeHttpClient.layerUndici))

program.pipe(Effect.provide(Panda), NodeRuntime.runMain)
