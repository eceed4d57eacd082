import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Option } from "effect"
import { Clouds, Encodings, PandaClient, Videos } from "effect-panda"

// #region readme
const program = Effect.gen(function*() {
  const video = yield* Videos.create({ source_url: "https://example.com/movie.mp4", profiles: ["h264", "webm"] })
  const encodings = yield* Encodings.awaitVideo(video.id, { timeout: "1 hour" })
  const cloud = yield* Clouds.current
  for (const encoding of encodings) {
    yield* Option.match(Encodings.url(encoding, cloud, { https: true }), {
      onSome: (url) => Console.log(encoding.profile_name, url),
      onNone: () => Console.error(encoding.profile_name, encoding.error_class, encoding.error_message)
    })
  }
})
// #endregion

const Panda = PandaClient.layerConfig().pipe(Layer.provide(NodeHttpClient.layerUndici))

program.pipe(Effect.provide(Panda), NodeRuntime.runMain)
