/** Servers for tests over real sockets: an emulator, and a site whose pages upload to it. */
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Context, Effect, Layer } from "effect"
import { Credentials, PandaClient } from "effect-panda"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { createHash } from "node:crypto"
import { createServer } from "node:http"

/** A server on a free loopback port, until the scope closes. */
export const server = Effect.map(
  Layer.build(Layer.fresh(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))),
  (context) => {
    const server = Context.get(context, HttpServer.HttpServer)
    const { address } = server
    return { server, port: address._tag === "TcpAddress" ? address.port : 0 }
  }
)

/** An emulator on a port of its own, and a client of it. */
export const panda = (options: PandaEmulator.Options = {}) =>
  Effect.gen(function*() {
    const { port, server: door } = yield* server
    const emulator = Context.get(
      yield* Layer.build(
        PandaEmulator.layerServer({ hash: () => createHash("sha256"), ...options }).pipe(
          Layer.provide(Layer.succeed(HttpServer.HttpServer, door))
        )
      ),
      PandaEmulator.PandaEmulator
    )
    const { accessKey, cloudId, secretKey } = emulator
    const client = yield* Layer.build(
      PandaClient.layer.pipe(
        Layer.provide(Credentials.layer({ accessKey, cloudId, secretKey, host: "127.0.0.1", port })),
        Layer.provide(NodeHttpClient.layerUndici)
      )
    )
    return { emulator, port, client }
  })
