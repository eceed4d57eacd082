/**
 * Random cuts of real connections, on the clock of the wall. The same seed plans the same mishaps; what the network makes
 * of them is its own.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schedule, Stream } from "effect"
import * as Credentials from "effect-panda/Credentials"
import * as PandaClient from "effect-panda/PandaClient"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import type { UploadError } from "effect-panda/PandaError"
import * as Upload from "effect-panda/Upload"
import * as UploadSource from "effect-panda/UploadSource"
import type { UploadState } from "effect-panda/UploadState"
import type { Video } from "effect-panda/Videos"
import { createHash } from "node:crypto"
import { createServer } from "node:http"
import { seedOf } from "../fuzz/seed.js"
import { checkEvents, checkExchanges, type Exchange, observed } from "./invariants.js"
import { random } from "./random.js"
import * as Proxy from "./proxy.js"

const KIB = 1024
const UPLOADS = 24
const MISHAPS = 8

const layers = [
  { name: "undici", http: NodeHttpClient.layerUndici, streams: true, reach: 3 },
  // It opens a connection for each request.
  { name: "node", http: NodeHttpClient.layer, streams: true, reach: 1 },
  { name: "fetch", http: FetchHttpClient.layer, streams: false, reach: 3 }
]

const hows: ReadonlyArray<Proxy.Mishap["how"]> = [
  "reset",
  "reset",
  "reset",
  "close",
  "close",
  "half-close down",
  "half-close up",
  "stall",
  "throttle"
]

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

/** Beyond the mishaps, a busy machine may be late with an answer. */
const fast = Schedule.intersect(Schedule.spaced("10 millis"), Schedule.recurs(4 * MISHAPS))

const server = PandaEmulator.layerServer().pipe(
  Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }))
)

describe.each(layers)("chaos by a proxy, $name", ({ http, reach, streams }) => {
  it.scopedLive("what arrives is what was sent", () =>
    Effect.gen(function*() {
      const next = random(seedOf())
      const below = (limit: number) => Math.floor(next() * limit)
      const panda = yield* PandaEmulator.PandaEmulator
      const { address } = yield* HttpServer.HttpServer
      const target = address._tag === "TcpAddress" ? address.port : 0
      const httpClient = yield* HttpClient.HttpClient

      const upload = (number: number, chunkSize: number, mishaps: ReadonlyArray<Proxy.Mishap>, bytes: Uint8Array) =>
        Effect.gen(function*() {
          const proxy = yield* Proxy.make(target, mishaps)
          const source = UploadSource.fromBytes(bytes, { name: `${number}.mp4` })
          let state: UploadState | undefined
          const run: Effect.Effect<Video, UploadError> = Effect.suspend(() => {
            const exchanges: Array<Exchange> = []
            const events: Array<Upload.UploadEvent> = []
            const resumed = state !== undefined
            const options: Upload.Options = {
              chunkSize,
              body: streams && number % 2 === 1 ? "stream" : "bytes",
              stallTimeout: "300 millis",
              responseTimeout: "500 millis",
              retry: fast,
              onState: (next) =>
                Effect.sync(() => {
                  state = next
                })
            }
            const client = PandaClient.layer.pipe(
              Layer.provide(Credentials.layer({ token: panda.token, host: "127.0.0.1", port: proxy.port })),
              Layer.provide(Layer.succeed(HttpClient.HttpClient, observed(httpClient, (_) => exchanges.push(_))))
            )
            const refusals = () => proxy.happened().filter(({ how }) => how === "half-close up").length
            const before = refusals()
            return (state === undefined ? Upload.start(source, options) : Upload.resume(state, source, options)).pipe(
              Stream.tap((event) => Effect.sync(() => events.push(event))),
              Upload.video,
              PandaClient.withRetry(fast),
              PandaClient.withTimeout("600 millis"),
              Effect.provide(client),
              Effect.ensuring(Effect.sync(() => {
                checkEvents(events, bytes.byteLength, true)
                checkExchanges(exchanges, bytes.byteLength, resumed)
              })),
              // A server that is told of half a request that there is no more finds it a bad one, and that is final.
              Effect.catchIf(
                (error) => "status" in error && error.status === 400 && refusals() > before,
                () => run
              )
            )
          })
          const video = yield* run
          const sessions = (yield* panda.sessions).filter((session) => session.name === `${number}.mp4`)
          const complete = sessions.filter(({ videoId }) => videoId !== undefined)
          assert.deepStrictEqual(complete.map(({ videoId }) => videoId), [video.id])
          assert.strictEqual(complete[0]!.sha256, sha256(bytes))
          return proxy.happened()
        })

      const plans = Array.from({ length: UPLOADS }, (_, number) => {
        const chunkSize = (8 + below(24)) * KIB
        const size = (100 + below(300)) * KIB + below(KIB)
        return {
          number,
          chunkSize,
          bytes: Uint8Array.from({ length: size }, () => below(256)),
          mishaps: Array.from({ length: MISHAPS }, (): Proxy.Mishap => {
            const way = next() < 0.7 ? "up" : "down"
            return { way, after: below(way === "up" ? reach * chunkSize : 400), how: hows[below(hows.length)]! }
          })
        }
      })
      const happened = yield* Effect.forEach(
        plans,
        ({ bytes, chunkSize, mishaps, number }) => Effect.scoped(upload(number, chunkSize, mishaps, bytes)),
        { concurrency: 8 }
      )
      assert.isAtLeast(happened.flat().length, UPLOADS * 3, "hardly anything happened")
      assert.deepStrictEqual(
        Array.from(new Set(happened.flat().map(({ how }) => how))).sort(),
        Array.from(new Set(hows)).sort()
      )
    }).pipe(
      Effect.provide(Layer.merge(http, server))
    ))
})
