/** Gives a profile another name: `npx tsx examples/rename-profile.ts h264 small`. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer } from "effect"
import { PandaClient, Profiles } from "effect-panda"

const program = (from: string, to: string) =>
  Effect.gen(function*() {
    const profile = yield* Profiles.find(from)
    // Only what differs is sent. `Profiles.update(from, { name: to })` does it without looking first.
    const renamed = yield* Profiles.save(profile, { ...profile, name: to })
    yield* Console.log(`${profile.name} is now ${renamed.name}`)
  })

const Panda = PandaClient.layerConfig().pipe(Layer.provide(NodeHttpClient.layerUndici))

const [from = "", to = ""] = process.argv.slice(2)
program(from, to).pipe(Effect.provide(Panda), NodeRuntime.runMain)
