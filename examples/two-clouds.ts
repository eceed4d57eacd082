/** Which profiles the cloud of the credentials has and another cloud of the account, OTHER_CLOUD_ID, lacks. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Console, Effect, Layer, Stream } from "effect"
import { PandaClient, Profiles } from "effect-panda"

const profileNames = Profiles.all().pipe(
  Stream.map((profile) => profile.name),
  Stream.runCollect,
  Effect.map((names) => new Set(names))
)

const program = Effect.gen(function*() {
  const other = yield* Config.string("OTHER_CLOUD_ID")
  const [here, there] = yield* Effect.all(
    [profileNames, profileNames.pipe(PandaClient.withCloud(other))],
    { concurrency: 2 }
  )
  const missing = [...here].filter((name) => !there.has(name))
  yield* Console.log(missing.length === 0 ? "None is missing" : `Missing: ${missing.join(", ")}`)
})

const Panda = PandaClient.layerConfig().pipe(Layer.provide(NodeHttpClient.layerUndici))

program.pipe(Effect.provide(Panda), NodeRuntime.runMain)
