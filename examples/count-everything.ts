/** How much there is in every cloud of the account. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Stream } from "effect"
import { Clouds, Encodings, PandaClient, Profiles, Videos } from "effect-panda"

const counts = Effect.all({
  videos: Stream.runCount(Videos.all()),
  encodings: Stream.runCount(Encodings.all()),
  profiles: Stream.runCount(Profiles.all())
}, { concurrency: "unbounded" })

const program = Clouds.all().pipe(
  Stream.mapEffect(
    (cloud) => Effect.map(PandaClient.withCloud(counts, cloud.id), (counts) => ({ cloud, ...counts })),
    { concurrency: 4 }
  ),
  Stream.runForEach(({ cloud, encodings, profiles, videos }) =>
    Console.log(`${cloud.name}: ${videos} videos, ${encodings} encodings, ${profiles} profiles`)
  )
)

const Panda = PandaClient.layerConfig().pipe(Layer.provide(NodeHttpClient.layerUndici))

program.pipe(Effect.provide(Panda), NodeRuntime.runMain)
