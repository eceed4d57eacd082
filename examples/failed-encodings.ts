/** Which encodings of a video failed, and why: `npx tsx examples/failed-encodings.ts VIDEO_ID`. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Option, Stream } from "effect"
import { Clouds, Encodings, PandaClient } from "effect-panda"

const program = (video_id: string) =>
  Effect.gen(function*() {
    const cloud = yield* Clouds.current
    yield* Encodings.all({ video_id, status: "fail" }).pipe(
      Stream.runForEach((encoding) =>
        Console.log(
          `${encoding.profile_name}: ${encoding.error_class}, ${encoding.error_message}`,
          Option.getOrElse(Encodings.logUrl(encoding, cloud), () => "")
        )
      )
    )
  })

const Panda = PandaClient.layerConfig().pipe(Layer.provide(NodeHttpClient.layerUndici))

program(process.argv[2] ?? "").pipe(Effect.provide(Panda), NodeRuntime.runMain)
