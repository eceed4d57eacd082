/** Chunks that are longer than the ring of buffers, over real sockets that take their time. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Stream } from "effect"
import { Upload, UploadSession, UploadSource } from "effect-panda"
import { createHash } from "node:crypto"
import { sourceOf } from "../client/upload.js"
import { clientAt } from "./client.js"
import * as RawServer from "./rawServer.js"

const MIB = 1024 * 1024
const SIZE = 48 * MIB
const CHUNK = 24 * MIB

/** Bytes of which no two in a row are zero, and no mebibyte is like another. */
const PATTERN = Buffer.alloc(SIZE, Uint8Array.from({ length: 251 }, (_, index) => index))
const DIGEST = createHash("sha256").update(PATTERN).digest("hex")

/** The pattern; and how often so much of it was read into memory that had not been used before. */
const patterned = (length: number) => {
  const count = { fresh: 0, reads: 0 }
  const handle: UploadSource.Handle = {
    stat: Effect.succeed({ size: SIZE, modified: undefined }),
    read: (offset, buffer) =>
      Effect.map(Effect.yieldNow(), () => {
        if (buffer.byteLength === length) {
          count.reads++
          if (buffer.subarray(0, 2).every((byte) => byte === 0)) count.fresh++
        }
        return PATTERN.copy(buffer, 0, offset)
      })
  }
  const source: UploadSource.UploadSource = { ...sourceOf(1), open: Effect.succeed(handle) }
  return { count, source }
}

/** A server that reads a little at a time, so that connections are full. */
const slow = RawServer.make({
  instead: ({ request }) => {
    request.on("data", () => {
      request.pause()
      setImmediate(() => request.resume())
    })
    return false
  }
})

const upload = (http: Layer.Layer<HttpClient.HttpClient>) =>
  Effect.gen(function*() {
    const server = yield* slow
    const { count, source } = patterned(MIB)
    yield* Upload.video(Upload.start(source, { chunkSize: CHUNK })).pipe(Effect.provide(clientAt(server.port, http)))
    assert.strictEqual(server.sha256(), DIGEST)
    return count
  })

it.scopedLive.each(Object.entries({
  undici: NodeHttpClient.layerUndici,
  node: Layer.provide(NodeHttpClient.layerWithoutAgent, NodeHttpClient.makeAgentLayer({ keepAlive: true })),
  fetch: FetchHttpClient.layer
}))(
  "chunks go one after another by the same connection of %s",
  ([, http]) =>
    Effect.gen(function*() {
      const ports = new Set<number | undefined>()
      const server = yield* RawServer.make({
        instead: ({ number, request, seen: { kind } }) => {
          // The first comes after a request to the API, which is elsewhere.
          if (kind === "chunk" && number > 0) ports.add(request.socket.remotePort)
          return false
        }
      })
      const upload = Upload.video(Upload.start(patterned(MIB).source, { chunkSize: 4 * MIB }))
      yield* Effect.provide(upload, clientAt(server.port, http))
      assert.strictEqual(server.seen.filter(({ kind }) => kind === "chunk").length, 12)
      assert.strictEqual(ports.size, 1)
    })
)

describe("a chunk of 24 MiB", () => {
  it.scopedLive("goes by undici out of eight buffers", () =>
    Effect.gen(function*() {
      const { fresh, reads } = yield* upload(NodeHttpClient.layerUndici)
      assert.strictEqual(reads, SIZE / MIB)
      assert.isAtMost(fresh, 8)
    }))

  it.scopedLive("goes by Node's http out of eight buffers, once one has gone as it was given", () =>
    Effect.gen(function*() {
      const { fresh, reads } = yield* upload(NodeHttpClient.layer)
      assert.strictEqual(reads, SIZE / MIB)
      assert.isAtMost(fresh, CHUNK / MIB + 8)
    }))

  // What somebody on the way makes of a body may keep all that it was given until the end.
  const changes: Record<string, (body: HttpBody.Stream) => Effect.Effect<HttpBody.HttpBody>> = {
    "collects it": ({ stream }) =>
      Effect.map(Stream.runCollect(Stream.orDie(stream)), (parts) => HttpBody.uint8Array(Buffer.concat([...parts]))),
    "takes it before it can go": ({ contentLength, contentType, stream }) =>
      Effect.succeed(HttpBody.stream(Stream.buffer(stream, { capacity: "unbounded" }), contentType, contentLength))
  }
  const layers = { undici: NodeHttpClient.layerUndici, node: NodeHttpClient.layer }
  for (const [what, change] of Object.entries(changes)) {
    for (const [name, http] of Object.entries(layers)) {
      it.scopedLive(`arrives whole through a layer over ${name} that ${what}`, () =>
        upload(Layer.provide(
          Layer.effect(
            HttpClient.HttpClient,
            Effect.map(
              HttpClient.HttpClient,
              HttpClient.mapRequestEffect((request) =>
                request.body._tag === "Stream"
                  ? Effect.map(change(request.body), (body) => HttpClientRequest.setBody(request, body))
                  : Effect.succeed(request)
              )
            )
          ),
          http
        )))
    }
  }
})

describe("a layer that sends requests again by itself", () => {
  const sources = {
    "is read while it goes": () => patterned(MIB).source,
    "is kept until it has arrived": () =>
      UploadSource.fromStream(Stream.make(Uint8Array.from(PATTERN)), { name: "movie.mp4", size: SIZE })
  }
  const layers = { undici: NodeHttpClient.layerUndici, node: NodeHttpClient.layer }
  for (const [name, http] of Object.entries(layers)) {
    for (const [what, sourceOf] of Object.entries(sources)) {
      it.scopedLive(`over ${name} takes no rest of a chunk that ${what} for the whole`, () =>
        Effect.gen(function*() {
          const server = yield* RawServer.make({
            instead: ({ number, request, reset, seen }) => {
              if (seen.kind === "chunk" && number === 1) {
                request.on("data", () => {
                  if (seen.body > 3 * MIB) reset()
                })
              }
              return false
            }
          })
          const again = Layer.provide(
            Layer.effect(
              HttpClient.HttpClient,
              Effect.map(HttpClient.HttpClient, HttpClient.retryTransient({ times: 3 }))
            ),
            http
          )
          yield* Upload.video(Upload.start(sourceOf(), { chunkSize: 8 * MIB })).pipe(
            Effect.provide(clientAt(server.port, again))
          )
          assert.strictEqual(server.sha256(), DIGEST)
        }))
    }
  }
})

describe("whole chunks of 4 MiB", () => {
  const whole = (http: Layer.Layer<HttpClient.HttpClient>) =>
    Effect.gen(function*() {
      const server = yield* slow
      const { count, source } = patterned(4 * MIB)
      yield* Upload.video(Upload.start(source, { chunkSize: 4 * MIB, body: "bytes" })).pipe(
        Effect.provide(clientAt(server.port, http))
      )
      assert.strictEqual(server.sha256(), DIGEST)
      assert.strictEqual(count.reads, SIZE / (4 * MIB))
      return count.fresh
    })

  it.scopedLive("go by fetch out of two buffers", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* whole(FetchHttpClient.layer), 2)
    }))

  it.scopedLive("stay as they are for undici, of which a server may say that it has them before they have gone", () =>
    Effect.gen(function*() {
      const chunk = 8 * MIB
      const file = Buffer.alloc(SIZE)
      const server = yield* RawServer.make({
        instead: ({ number, request, response, seen }) => {
          if (seen.kind !== "chunk") return false
          const end = (number + 1) * chunk
          let at = end - chunk
          request.on("data", (data: Buffer) => {
            at += data.copy(file, at)
            request.pause()
            setTimeout(() => request.resume(), 2)
          })
          const answer = () => response.writeHead(204, { range: `0-${end - 1}` }).end()
          if (end < SIZE) answer()
          else request.on("end", () => response.writeHead(200).end(JSON.stringify({ id: "a-video" })))
          return true
        }
      })
      yield* Upload.video(Upload.start(patterned(chunk).source, { chunkSize: chunk, body: "bytes" })).pipe(
        Effect.provide(clientAt(server.port, NodeHttpClient.layerUndici))
      )
      assert.strictEqual(createHash("sha256").update(file).digest("hex"), DIGEST)
    }))

  it.scopedLive("stay as they are for a fetch of one's own, which may keep what it is given", () =>
    Effect.gen(function*() {
      const kept: Array<Uint8Array> = []
      const keeping: typeof globalThis.fetch = (input, init) => {
        if (init?.body instanceof Uint8Array && init.body.byteLength === 4 * MIB) kept.push(init.body)
        return fetch(input, init)
      }
      yield* Effect.provideService(whole(FetchHttpClient.layer), FetchHttpClient.Fetch, keeping)
      assert.strictEqual(createHash("sha256").update(Buffer.concat(kept)).digest("hex"), DIGEST)
    }))
})

it.scopedLive.each(Object.entries({ undici: NodeHttpClient.layerUndici, node: NodeHttpClient.layer }))(
  "what is wrong in the program that gives the bytes is told as it is, by %s",
  ([, http]) =>
    Effect.gen(function*() {
      const server = yield* RawServer.make()
      const sent = yield* Effect.gen(function*() {
        const { location } = yield* UploadSession.create({ file_name: "movie.mp4", file_size: 10 })
        return yield* UploadSession.sendSlices(
          location,
          { offset: 0, length: 10, size: 10, take: () => Effect.succeed(new Uint8Array(0)) },
          { stallTimeout: "1 minute", responseTimeout: "1 minute", onSlice: () => Effect.void }
        )
      }).pipe(Effect.provide(clientAt(server.port, http)), Effect.exit)
      assert.isTrue(Exit.isFailure(sent) && Cause.isDie(sent.cause), String(sent))
      assert.include(String(sent), "has to give bytes")
    })
)
