/** Makes a profile and deletes it. Then there is none of that name, which is an error of its own. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer } from "effect"
import { PandaClient, Profiles } from "effect-panda"

const program = Effect.gen(function*() {
  const profile = yield* Profiles.create({ preset_name: "h264", name: "small", width: 320, height: 180 })
  yield* Console.log(Profiles.toJson(profile, 2))
  yield* Profiles.delete(profile)
  yield* Profiles.find("small").pipe(
    Effect.flatMap(({ id }) => Console.log(`It is still there, as ${id}`)),
    Effect.catchTag("PandaNotFound", ({ message }) => Console.log(message))
  )
})

const Panda = PandaClient.layerConfig().pipe(Layer.provide(NodeHttpClient.layerUndici))

program.pipe(Effect.provide(Panda), NodeRuntime.runMain)
