/**
 * Submits ingestions and shows how far they are, as JSON. It runs none: those are for the processes of main.ts, on the
 * same DATABASE_URL.
 *
 *     npx tsx examples/ingest/web.ts
 *     curl -X POST -H content-type:application/json -d '{"source":"movie.mp4"}' http://127.0.0.1:8080/ingestions
 *     curl http://127.0.0.1:8080/ingestions
 */
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Effect, Layer, Schema } from "effect"
import * as Ingest from "effect-panda/Ingest"
import { createServer } from "node:http"
import * as Engine from "./engine.js"

/** Of a payload what a stranger may say. */
const Body = Schema.Struct({ source: Schema.NonEmptyString, key: Schema.optional(Schema.NonEmptyString) })

const router = HttpRouter.empty.pipe(
  HttpRouter.post(
    "/ingestions",
    Effect.gen(function*() {
      const body = yield* HttpServerRequest.schemaBodyJson(Body)
      const id = yield* Ingest.submit({ ...body, profiles: ["h264"] })
      return yield* HttpServerResponse.json({ id }, { status: 202 })
    })
  ),
  HttpRouter.get(
    "/ingestions",
    Effect.flatMap(Ingest.list(), HttpServerResponse.schemaJson(Schema.Array(Ingest.Execution)))
  ),
  HttpRouter.get(
    "/ingestions/:id",
    Effect.gen(function*() {
      const { id } = yield* HttpRouter.schemaPathParams(Schema.Struct({ id: Schema.String }))
      return yield* HttpServerResponse.schemaJson(Ingest.Status)(yield* Ingest.status(id))
    })
  ),
  HttpRouter.catchTags({
    PandaIngestRefused: ({ message, reason }) =>
      HttpServerResponse.json({ error: message }, { status: reason === "Unknown" ? 404 : 400 }),
    PandaIngestUnavailable: ({ message }) => HttpServerResponse.json({ error: message }, { status: 503 }),
    ParseError: () => HttpServerResponse.json({ error: "A JSON object with a source is wanted" }, { status: 400 }),
    RequestError: () => HttpServerResponse.json({ error: "A JSON object with a source is wanted" }, { status: 400 })
  })
)

const Server = Layer.unwrapEffect(Effect.map(
  Config.integer("PORT").pipe(Config.withDefault(8080)),
  (port) => NodeHttpServer.layer(() => createServer(), { port, host: "127.0.0.1" })
))

HttpServer.serve(router).pipe(
  HttpServer.withLogAddress,
  Layer.provide(Server),
  Layer.provide(Engine.layerClient),
  Layer.launch,
  NodeRuntime.runMain
)
