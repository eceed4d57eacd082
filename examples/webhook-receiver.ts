/**
 * Receives webhooks. With PANDA_WEBHOOK_SECRET and the variables of the client in the environment:
 *
 *     PORT=3000 npx tsx examples/webhook-receiver.ts
 *
 * The url to set with `Notifications.update` then ends in `/webhooks/` and the secret.
 */
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Effect, Layer, Match } from "effect"
import { PandaClient, Webhook } from "effect-panda"
import { createServer } from "node:http"

// #region readme
const onVideo = (event: Webhook.VideoCreated | Webhook.VideoEncoded) =>
  Effect.flatMap(
    Webhook.fetch(event),
    ({ encodings, video }) =>
      Effect.log(`${event._tag}: ${video.original_filename} is ${video.status}, with ${encodings.length} encodings`)
  )

const onEncoding = (event: Webhook.EncodingProgress | Webhook.EncodingComplete) =>
  Effect.flatMap(
    Webhook.fetch(event),
    ({ encoding_progress = 0, profile_name, status }) =>
      Effect.log(`${event._tag}: ${profile_name} ${status}, ${encoding_progress} %`)
  )

const handler = Match.typeTags<Webhook.Event>()({
  VideoCreated: onVideo,
  VideoEncoded: onVideo,
  EncodingProgress: onEncoding,
  EncodingComplete: onEncoding,
  Unknown: ({ event }) => Effect.logWarning(`${event} means nothing to this program`)
})

const router = Effect.map(
  Config.redacted("PANDA_WEBHOOK_SECRET"),
  (secret) => HttpRouter.empty.pipe(HttpRouter.all("/webhooks/:secret", Webhook.httpApp(handler, { secret })))
)
// #endregion

const Server = NodeHttpServer.layerConfig(createServer, { port: Config.withDefault(Config.integer("PORT"), 3000) })

const Panda = PandaClient.layerConfig().pipe(Layer.provide(NodeHttpClient.layerUndici))

Layer.unwrapEffect(Effect.map(router, (router) => HttpServer.serve(router))).pipe(
  HttpServer.withLogAddress,
  Layer.provide([Server, Panda]),
  Layer.launch,
  NodeRuntime.runMain
)
