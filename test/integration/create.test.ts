/** A file sent in one request over real sockets, with each HTTP layer: whole, with its length, and signed without it. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schedule, Stream } from "effect"
import * as Credentials from "effect-panda/Credentials"
import * as PandaClient from "effect-panda/PandaClient"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import * as UploadSource from "effect-panda/UploadSource"
import * as Videos from "effect-panda/Videos"
import { createHash } from "node:crypto"
import { openAsBlob } from "node:fs"
import { createServer } from "node:http"

const layers: ReadonlyArray<{ readonly name: string; readonly http: Layer.Layer<HttpClient.HttpClient> }> = [
  { name: "undici", http: NodeHttpClient.layerUndici },
  { name: "node", http: NodeHttpClient.layer },
  { name: "fetch", http: FetchHttpClient.layer }
]

const bytes = new Uint8Array(2_500_000).map((_, i) => i % 251)
const sha256 = createHash("sha256").update(bytes).digest("hex")

const written = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const path = `${yield* fs.makeTempDirectoryScoped()}/movie.mp4`
  yield* fs.writeFile(path, bytes)
  return path
})

const name = "\"é\"\r\n.mp4"

const sources = {
  fromBytes: Effect.succeed(UploadSource.fromBytes(bytes, { name })),
  fromBlob: Effect.succeed(UploadSource.fromBlob(new Blob([bytes]), { name })),
  "fromBlob of a file": Effect.gen(function*() {
    const path = yield* written
    return UploadSource.fromBlob(yield* Effect.promise(() => openAsBlob(path)), { name })
  }),
  fromFile: Effect.flatMap(written, (path) => UploadSource.fromFile(path, { name })),
  fromStream: Effect.succeed(
    UploadSource.fromStream(Stream.make(bytes.subarray(0, 10), bytes.subarray(10)), { name, size: bytes.length })
  )
}

/** The hashes of the files that the emulator gets. */
const hashing = () => {
  const hashes: Array<string> = []
  const hash = (): PandaEmulator.Hash => {
    const hash = createHash("sha256")
    const at = hashes.push("") - 1
    return {
      update: (bytes) => {
        hash.update(bytes)
        hashes[at] = hash.copy().digest("hex")
      },
      digest: () => hashes[at]!
    }
  }
  return { hashes, hash }
}

const client = (http: Layer.Layer<HttpClient.HttpClient>) =>
  Layer.unwrapEffect(Effect.gen(function*() {
    const { accessKey, cloudId, secretKey } = yield* PandaEmulator.PandaEmulator
    const { address } = yield* HttpServer.HttpServer
    const port = address._tag === "TcpAddress" ? address.port : 0
    return PandaClient.layer.pipe(
      Layer.provide(Credentials.layer({ accessKey, secretKey, cloudId, host: "127.0.0.1", port })),
      Layer.provide(http)
    )
  }))

const emulator = (options?: PandaEmulator.Options) =>
  PandaEmulator.layerServer(options).pipe(
    Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
    Layer.provideMerge(NodeContext.layer)
  )

describe.each(layers)("$name", ({ http, name: layer }) => {
  for (const [what, source] of Object.entries(sources)) {
    it.scopedLive(what, () => {
      const { hash, hashes } = hashing()
      return Effect.gen(function*() {
        const panda = yield* PandaEmulator.PandaEmulator
        const payload = "a\nb\r\nc & é"
        const video = yield* Videos.create({ file: yield* source, profiles: "none", payload }).pipe(
          Effect.provide(client(http))
        )
        assert.deepInclude(video, { original_filename: "\"é\"%0D%0A.mp4", payload })
        assert.deepStrictEqual(hashes, [sha256])
        const [request, ...others] = yield* panda.requests
        assert.isEmpty(others)
        assert.deepStrictEqual(request!.via, ["multipart"])
        assert.strictEqual(request!.headers["content-length"], String(request!.bodyLength))
        assert.isUndefined(request!.headers["transfer-encoding"])
        assert.isUndefined(request!.headers["expect"])
      }).pipe(Effect.provide(emulator({ hash })))
    })
  }

  it.scopedLive("a file that fails on the way is the file's failure", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const source = UploadSource.fromStream(Stream.make(bytes), { name: "short.mp4", size: bytes.length + 1 })
      const error = yield* Effect.flip(Videos.create({ file: source }).pipe(Effect.provide(client(http))))
      assert.deepInclude({ ...error }, { _tag: "PandaSourceError", reason: "TooShort", file: "short.mp4" } as never)
      assert.isEmpty(yield* panda.videos)
      // A server must not close before it knows of the request. Over fetch there is none: the file is read beforehand.
      const requests = Effect.map(panda.requests, ({ length }) => length)
      const expected = layer === "fetch" ? 0 : 1
      yield* Effect.repeat(requests, { until: (count) => count === expected, schedule: Schedule.spaced("10 millis") })
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("a file is sent again, whole, after a refusal", () => {
    const { hash, hashes } = hashing()
    return Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      yield* panda.inject({ route: "POST /videos.json", fault: Fault.status(429, { retryAfter: 0 }) })
      const source = yield* sources.fromFile
      yield* Videos.create({ file: source }).pipe(Effect.provide(client(http)))
      assert.strictEqual(hashes.at(-1), sha256)
      assert.deepStrictEqual((yield* panda.requests).map(({ status }) => status), [429, 200])
    }).pipe(Effect.provide(emulator({ hash })))
  })
})
