/** Any endpoint with any parameters, where this library has no function for it: signed, retried and traced alike. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Schema } from "effect"
import { PandaClient } from "effect-panda"

const Page = Schema.Struct({ total: Schema.Number, videos: Schema.Array(Schema.Struct({ id: Schema.String })) })

const program = Effect.gen(function*() {
  const { total, videos } = yield* PandaClient.get("/videos.json", { include_root: true, per_page: 2 }, Page)
  yield* Console.log(`${videos.length} of ${total} videos`)

  // Without a schema the result is the parsed JSON.
  const settings = yield* PandaClient.put("/notifications.json", { events: { video_encoded: true } })
  yield* Console.log(JSON.stringify(settings))

  // The answer as it is, whatever its status.
  const response = yield* PandaClient.execute("GET", "/videos/no-such-id.json")
  yield* Console.log(response.status, response.headers["content-type"])
})

const Panda = PandaClient.layerConfig().pipe(Layer.provide(NodeHttpClient.layerUndici))

program.pipe(Effect.provide(Panda), NodeRuntime.runMain)
