/** A nightly report may wait long for Panda, a health check must not wait at all. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Schedule, Stream } from "effect"
import { Clouds, PandaClient, Videos } from "effect-panda"

const isHealthy = Clouds.current.pipe(
  Effect.as(true),
  Effect.catchAll(({ message }) => Effect.as(Console.log(message), false)),
  PandaClient.withRetry("none"),
  PandaClient.withTimeout("2 seconds")
)

const patient = Schedule.exponential("50 millis").pipe(
  Schedule.union(Schedule.spaced("1 minute")),
  Schedule.intersect(Schedule.recurs(10))
)

const failures = Stream.runCount(Videos.all({ status: "fail" })).pipe(PandaClient.withRetry(patient))

const program = Effect.gen(function*() {
  yield* Console.log((yield* isHealthy) ? "Panda is up" : "Panda is down")
  yield* Console.log(`${yield* failures} videos failed`)
})

const Panda = PandaClient.layerConfig().pipe(Layer.provide(NodeHttpClient.layerUndici))

program.pipe(Effect.provide(Panda), NodeRuntime.runMain)
