/** Over TLS: a server's certificate that is not accepted is final, and called by what is wrong with it. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Agent } from "@effect/platform-node/Undici"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Layer, Redacted, Schedule, Stream } from "effect"
import * as Credentials from "effect-panda/Credentials"
import * as PandaClient from "effect-panda/PandaClient"
import type { PandaError } from "effect-panda/PandaError"
import * as Upload from "effect-panda/Upload"
import * as UploadSession from "effect-panda/UploadSession"
import * as UploadSource from "effect-panda/UploadSource"
import * as Videos from "effect-panda/Videos"
import { createServer } from "node:https"
import type { AddressInfo } from "node:net"
import { oneLineWithAdvice } from "../client/advice.js"
import * as Certificate from "./certificate.js"

const DAY = 86_400_000
const at = (days: number) => new Date(Date.now() + days * DAY)
const hosts = ["127.0.0.1", "localhost"]

const trusted = Certificate.make({ hosts: [] })
const stranger = Certificate.make({ hosts: [] })

/** A layer that trusts `trusted` besides. */
const layers: Record<string, Layer.Layer<HttpClient.HttpClient>> = {
  undici: NodeHttpClient.layerUndiciWithoutDispatcher.pipe(
    Layer.provide(Layer.scoped(
      NodeHttpClient.Dispatcher,
      Effect.acquireRelease(
        Effect.sync(() => new Agent({ connect: { ca: trusted.certificate } })),
        (agent) => Effect.promise(() => agent.destroy())
      )
    ))
  ),
  node: NodeHttpClient.layerWithoutAgent.pipe(
    Layer.provide(NodeHttpClient.makeAgentLayer({ ca: trusted.certificate }))
  ),
  fetch: FetchHttpClient.layer.pipe(
    Layer.provide(Layer.scoped(
      FetchHttpClient.RequestInit,
      Effect.map(
        Effect.acquireRelease(
          Effect.sync(() => new Agent({ connect: { ca: trusted.certificate } })),
          (agent) => Effect.promise(() => agent.destroy())
        ),
        // Node's fetch takes one, which its types do not say.
        (dispatcher): RequestInit & { readonly dispatcher: unknown } => ({ dispatcher })
      )
    ))
  )
}

const serve = ({ certificate, pem }: ReturnType<typeof Certificate.make>) =>
  Effect.acquireRelease(
    Effect.async<{ readonly port: number; readonly seen: () => number; readonly close: () => void }>((resume) => {
      let connections = 0
      const server = createServer({ key: pem, cert: certificate }, (request, response) => {
        request.resume()
        response.writeHead(200, { "content-type": "application/json", connection: "close" })
        response.end("[]")
      })
      server.on("connection", () => connections++)
      server.listen(0, "127.0.0.1", () =>
        resume(Effect.succeed({
          port: (server.address() as AddressInfo).port,
          seen: () => connections,
          close: () => {
            server.closeAllConnections()
            server.close()
          }
        })))
    }),
    ({ close }) => Effect.sync(close)
  )

const client = (http: Layer.Layer<HttpClient.HttpClient>, port: number) =>
  PandaClient.layer.pipe(
    Layer.provide(Layer.orDie(Credentials.layer({
      accessKey: "access",
      secretKey: Redacted.make("secret"),
      cloudId: "cloud",
      host: "127.0.0.1",
      port,
      protocol: "https"
    }))),
    Layer.provide(http)
  )

const wrong: ReadonlyArray<readonly [what: string, options: Certificate.Options, code: RegExp, words: RegExp]> = [
  [
    "expired",
    { hosts, by: trusted, from: at(-9), to: at(-1) },
    /^CERT_HAS_EXPIRED$/,
    /has expired .*Let its owner renew it, or set this machine's clock$/
  ],
  [
    "not valid yet",
    { hosts, by: trusted, from: at(1), to: at(9) },
    /^CERT_NOT_YET_VALID$/,
    /is not valid yet .*Set this machine's clock$/
  ],
  [
    "for another host",
    { hosts: ["panda.example"], by: trusted },
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    /is for another host .*Check the host/
  ],
  ["self-signed", { hosts }, /^DEPTH_ZERO_SELF_SIGNED_CERT$/, /is self-signed .*let this machine trust it$/],
  [
    "by an authority that is not trusted",
    { hosts, by: stranger },
    /^UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT_LOCALLY)$/,
    /is by nobody whom this machine trusts .*let this machine trust it$/
  ]
]

describe.each(Object.keys(layers))("%s", (name) => {
  const http = layers[name]!
  const retry = Schedule.recurs(3)

  it.scopedLive("one that is good", () =>
    Effect.gen(function*() {
      const { port } = yield* serve(Certificate.make({ hosts, by: trusted }))
      assert.deepStrictEqual(yield* Videos.list().pipe(Effect.provide(client(http, port))), [])
    }))

  for (const [what, options, code, words] of wrong) {
    it.scopedLive(`one that is ${what}`, () =>
      Effect.gen(function*() {
        const { port, seen } = yield* serve(Certificate.make(options))
        const calls: ReadonlyArray<Effect.Effect<unknown, PandaError, PandaClient.PandaClient>> = [
          Videos.list(),
          Videos.create({ source_url: "http://a.example" })
        ]
        for (const call of calls) {
          const before = seen()
          const error = yield* Effect.flip(PandaClient.withRetry(call, retry)).pipe(Effect.provide(client(http, port)))
          assert.strictEqual(seen() - before, 1)
          if (error._tag !== "PandaTransportError") return assert.fail(String(error))
          assert.strictEqual(error.reason, "Certificate")
          assert.isFalse(error.ambiguous || error.isRetryable)
          assert.match(error.code!, code)
          assert.match(error.message, words)
          assert.include(error.message, `the certificate of https://127.0.0.1:${port} `)
          oneLineWithAdvice(error.message)
        }
      }))
  }

  it.scopedLive("an upload ends at one that is not accepted", () =>
    Effect.gen(function*() {
      const { port, seen } = yield* serve(Certificate.make({ hosts, by: trusted, from: at(-9), to: at(-1) }))
      const { error, exchange } = yield* Effect.gen(function*() {
        const source = UploadSource.fromBytes(new Uint8Array(9), { name: "a.mp4" })
        const error = yield* Effect.flip(Stream.runDrain(Upload.start(source, { retry })))
        const location = Redacted.make(`https://127.0.0.1:${port}/upload/session?id=1`)
        return { error, exchange: yield* UploadSession.probe(location, 9, { timeout: "10 seconds" }) }
      }).pipe(Effect.provide(client(http, port)))
      assert.match(error.message, /^UploadSession\.create: the certificate of .* has expired/)
      assert.strictEqual(seen(), 2)
      // Nothing is said against the session.
      assert.deepStrictEqual([Either.isLeft(exchange.reply), exchange.outcome._tag], [true, "Denied"])
    }))
})
