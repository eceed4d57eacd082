/** Over real sockets: answers that come compressed, asked for or not, well or badly, on each HTTP layer. */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Option, Redacted, Schedule, Stream } from "effect"
import * as PandaClient from "effect-panda/PandaClient"
import type { PandaError } from "effect-panda/PandaError"
import * as Upload from "effect-panda/Upload"
import * as UploadSession from "effect-panda/UploadSession"
import * as UploadSource from "effect-panda/UploadSource"
import * as Videos from "effect-panda/Videos"
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib"
import { oneLineWithAdvice } from "../client/advice.js"
import { clientAt, ways } from "./client.js"
import * as RawServer from "./rawServer.js"

const layers = ways.filter(({ body }) => body === "bytes")

interface Body {
  readonly encoding: string
  readonly bytes: Uint8Array
  readonly status?: number
  /** Bytes that are written at a time. */
  readonly slices?: number
}

/** A server that answers everything with this, with or without saying how long it is. */
const answering = (body: Body, length: boolean) =>
  RawServer.make({
    instead: ({ request, response }) => {
      request.resume()
      request.on("end", () => {
        const { bytes, encoding, slices = bytes.length || 1, status = 200 } = body
        response.writeHead(status, {
          "content-type": "application/json",
          "content-encoding": encoding,
          ...(length ? { "content-length": bytes.length } : {})
        })
        for (let at = 0; at < bytes.length; at += slices) response.write(bytes.subarray(at, at + slices))
        response.end()
      })
      return true
    }
  })

const videos = Array.from({ length: 100 }, (_, at) => ({ id: `video-${at}`, title: "ä short one: €" }))
const text = JSON.stringify(videos)

const damaged = (bytes: Uint8Array, at: number) => bytes.map((byte, index) => index === at ? byte ^ 0xff : byte)

describe.each(layers)("$name", ({ http }) => {
  const ask = <A>(
    body: Body,
    run: Effect.Effect<A, PandaError, PandaClient.PandaClient>,
    length = true
  ): Effect.Effect<Either.Either<A, PandaError>> =>
    Effect.scoped(
      Effect.flatMap(answering(body, length), ({ port }) =>
        Effect.either(PandaClient.withRetry(run, "none")).pipe(Effect.provide(clientAt(port, http)), Effect.orDie))
    )

  const readable: ReadonlyArray<readonly [what: string, body: Body]> = [
    ["gzip", { encoding: "gzip", bytes: gzipSync(text) }],
    ["gzip, byte by byte", { encoding: "gzip", bytes: gzipSync(text), slices: 1 }],
    ["gzip by its old name", { encoding: "x-gzip", bytes: gzipSync(text) }],
    ["gzip in capitals", { encoding: "GZip", bytes: gzipSync(text) }],
    ["gzip in two members", {
      encoding: "gzip",
      bytes: Buffer.concat([gzipSync(text.slice(0, 99)), gzipSync(text.slice(99))])
    }],
    ["gzip without compression", { encoding: "gzip", bytes: gzipSync(text, { level: 0 }) }],
    ["deflate", { encoding: "deflate", bytes: deflateSync(text) }],
    ["deflate without compression", { encoding: "deflate", bytes: deflateSync(text, { level: 0 }) }],
    ["deflate without the head of zlib", { encoding: "Deflate", bytes: deflateRawSync(text) }],
    ["both, one after the other", { encoding: "deflate, gzip", bytes: gzipSync(deflateSync(text)) }],
    ["the same twice", { encoding: "gzip,GZIP", bytes: gzipSync(gzipSync(text)) }],
    ["one, and one that is none", { encoding: "identity, gzip,", bytes: gzipSync(text) }],
    ["none", { encoding: "identity", bytes: Buffer.from(text) }],
    // What knows no coding takes the body as it is, or so do proxies that decode it and leave the header.
    ["one that is only said", { encoding: "gzip", bytes: Buffer.from(text) }]
  ]

  for (const [what, body] of readable) {
    // Fetch takes its word for it.
    if (what === "one that is only said" && http === layers.find(({ layer }) => layer === "fetch")?.http) continue
    it.live(`reads ${what}`, () =>
      Effect.gen(function*() {
        for (const length of [true, false]) {
          const listed = yield* Effect.flatten(ask(body, Videos.list(), length))
          assert.deepStrictEqual(listed.map((video) => JSON.parse(Videos.toJson(video)) as unknown), videos)
        }
      }))
  }

  it.live("reads nothing at all, whatever it is said to be", () =>
    Effect.gen(function*() {
      for (const encoding of ["gzip", "deflate", "br", "zstd"]) {
        const deleted = yield* ask({ encoding, bytes: new Uint8Array() }, Videos.delete("a"))
        assert.isTrue(Either.isRight(deleted), `${encoding} ${String(deleted)}`)
      }
    }))

  it.live("asks for what is not compressed, unless its caller does, and then reads that", () =>
    Effect.scoped(Effect.gen(function*() {
      const server = yield* answering({ encoding: "gzip", bytes: gzipSync(text) }, true)
      const location = Redacted.make(`http://127.0.0.1:${server.port}/upload/session?id=1`)
      yield* Effect.gen(function*() {
        yield* Videos.list()
        yield* PandaClient.execute("GET", "/videos.json")
        yield* UploadSession.probe(location, 10, { timeout: "10 seconds" })
        const listed = yield* PandaClient.withTransform(
          Videos.list(),
          (request) => Effect.succeed(HttpClientRequest.setHeader(request, "Accept-Encoding", "gzip, deflate"))
        )
        assert.lengthOf(listed, videos.length)
      }).pipe(Effect.provide(clientAt(server.port, http)))
      assert.deepStrictEqual(server.seen.map((seen) => RawServer.valuesOf(seen, "accept-encoding")), [
        ["identity"],
        ["identity"],
        ["identity"],
        ["gzip, deflate"]
      ])
    })))

  it.live("reads a raw answer by its text, its JSON and its stream", () =>
    Effect.gen(function*() {
      const body = { encoding: "gzip", bytes: gzipSync(text) }
      const raw = PandaClient.execute("GET", "/videos.json")
      const part = Effect.gen(function*() {
        const decoded = yield* Stream.mkString(Stream.decodeText((yield* raw).stream))
        const response = yield* raw
        assert.isUndefined(response.headers["content-encoding"])
        assert.strictEqual((yield* (yield* raw).arrayBuffer).byteLength, Buffer.byteLength(text))
        return [yield* (yield* raw).text, yield* response.json, decoded]
      }).pipe(Effect.orDie)
      assert.deepStrictEqual(Either.getOrThrow(yield* ask(body, part)), [text, videos, text])
    }))

  it.live("names a coding that it cannot read", () =>
    Effect.gen(function*() {
      for (
        const [encoding, bytes] of [
          ["zstd", Buffer.from("28b52ffd2406210000626c61c5b1b8d6", "hex")],
          ["compress", Buffer.from([0x1f, 0x9d, 0x90, 0x5b, 0xba, 0, 0])],
          ["dcb", Buffer.from([0xff, 0x44, 0x43, 0x42, 1, 2])],
          ["gzip, zstd", Buffer.from("28b52ffd2406210000626c61c5b1b8d6", "hex")],
          [Array.from({ length: 99 }, () => "gzip").join(", "), gzipSync(text)]
        ] as const
      ) {
        const error = yield* Effect.flip(Effect.flatten(ask({ encoding, bytes }, Videos.list())))
        const named = encoding.slice(0, 20)
        // What fetch itself refuses breaks off before there is anything to name.
        if (error._tag === "PandaTransportError") {
          assert.strictEqual(encoding.length > 100 && error.reason, "Other", error.message)
          continue
        }
        assert.strictEqual(error._tag, "PandaDecodeError", encoding)
        assert.include(error.message, named)
        assert.include((error._tag === "PandaDecodeError" && error.encoding) || "", named)
        oneLineWithAdvice(error.message)
      }
    }))

  it.live("reads or names br", () =>
    Effect.gen(function*() {
      const got = yield* ask({ encoding: "br", bytes: brotliCompressSync(text) }, Videos.list())
      if (Either.isRight(got)) return assert.lengthOf(got.right, videos.length)
      assert.strictEqual(got.left._tag, "PandaDecodeError")
      assert.match(got.left.message, /: the answer is compressed as br, which cannot be read here\. Let no proxy/)
    }))

  it.live("names what a damaged body was compressed with", () =>
    Effect.gen(function*() {
      const whole = gzipSync(text)
      for (
        const [what, bytes] of [
          ["its head", damaged(whole, 0)],
          ["its middle", damaged(whole, 60)],
          ["its checksum", damaged(whole, whole.length - 6)],
          ["its end", whole.subarray(0, -20)]
        ] as const
      ) {
        const error = yield* Effect.flip(Effect.flatten(ask({ encoding: "gzip", bytes }, Videos.list())))
        assert.strictEqual(error._tag, "PandaDecodeError", `${what} ${error.message}`)
        // Fetch in this runtime takes the end of a body for the end of what was compressed.
        if (error._tag !== "PandaDecodeError" || error.encoding === undefined) {
          assert.deepStrictEqual([what, http === layers.at(-1)!.http], ["its end", true])
          continue
        }
        assert.match(error.message, /the answer is compressed as gzip, and damaged\. Let no proxy/)
      }
    }))

  it.live("an error is what it is, compressed too, and by its status alone where that cannot be read", () =>
    Effect.gen(function*() {
      const body = JSON.stringify({ error: "RecordNotFound", message: "Couldn't find Video with ID=a" })
      for (const status of [404, 200]) {
        const error = yield* Effect.flip(Effect.flatten(
          ask({ encoding: "gzip", bytes: gzipSync(body), status }, Videos.find("a"))
        ))
        assert.strictEqual(error._tag, "PandaNotFound")
        assert.include(error.message, "Couldn't find Video with ID=a")
      }
      for (
        const [status, tag] of [[404, "PandaNotFound"], [401, "PandaAuthError"], [503, "PandaServerError"]] as const
      ) {
        for (const bytes of [Buffer.from("28b52ffd2406210000626c61c5b1b8d6", "hex"), gzipSync(body).subarray(0, -9)]) {
          const error = yield* Effect.flip(Effect.flatten(ask({ encoding: "zstd", bytes, status }, Videos.find("a"))))
          assert.strictEqual(error._tag, tag)
        }
      }
    }))

  it.live("what becomes longer than a body may be is not read to its end", () =>
    Effect.gen(function*() {
      const zeros = Buffer.alloc(64 * 1024 * 1024, " ")
      for (
        const [encoding, bytes] of [
          ["gzip", gzipSync(zeros)],
          ["deflate", deflateSync(zeros)],
          ["gzip, gzip", gzipSync(gzipSync(zeros))]
        ] as const
      ) {
        const before = process.memoryUsage().arrayBuffers
        const error = yield* Effect.flip(Effect.flatten(ask({ encoding, bytes }, Videos.list())))
        assert.match(error.message, /the answer is longer than 32 MiB/)
        assert.isBelow(process.memoryUsage().arrayBuffers - before, 128 * 1024 * 1024)
      }
    }), 30_000)

  it.live("the exchanges of an upload are read too", () =>
    Effect.gen(function*() {
      const video = { id: "a-video" }
      let chunks = 0
      yield* Effect.scoped(Effect.gen(function*() {
        const server = yield* RawServer.make({
          instead: ({ request, response, seen }) => {
            request.resume()
            request.on("end", () => {
              const compressed = (status: number, body: unknown) => {
                response.writeHead(status, { "content-encoding": "gzip", "content-type": "application/json" })
                response.end(gzipSync(JSON.stringify(body)))
              }
              if (seen.kind === "create") {
                compressed(201, { id: "s", location: `http://127.0.0.1:${server.port}/upload/session?id=s` })
              } else if (seen.kind === "probe") {
                response.writeHead(204, { range: "0-999", "content-encoding": "gzip" })
                response.end()
              } else if (++chunks === 1) {
                response.writeHead(204, { range: "0-999", "content-encoding": "gzip" })
                response.end()
              } else if (chunks === 2) {
                compressed(503, { error: "InternalError", message: "busy" })
              } else {
                compressed(200, video)
              }
            })
            return true
          }
        })
        const events = yield* Upload.start(UploadSource.fromBytes(new Uint8Array(2000), { name: "a.mp4" }), {
          chunkSize: 1000,
          retry: Schedule.recurs(3)
        }).pipe(Stream.runCollect, Effect.provide(clientAt(server.port, http)))
        const said = Array.from(events, (event) => event._tag === "Retrying" ? event.error.message : event._tag)
        assert.include(said.join(), "UploadSession.chunk: Panda answered 503 InternalError, busy")
        assert.strictEqual(said.at(-1), "Uploaded")
      }))
    }))

  it.live("an exchange says what it could not read", () =>
    Effect.scoped(Effect.gen(function*() {
      const server = yield* answering({ encoding: "zstd", bytes: Buffer.from("28b52ffd2406", "hex") }, true)
      const location = Redacted.make(`http://127.0.0.1:${server.port}/upload/session?id=1`)
      const { reply } = yield* UploadSession.probe(location, 10, { timeout: "10 seconds" }).pipe(
        Effect.provide(clientAt(server.port, http))
      )
      assert.include(
        Option.getOrThrow(Either.getLeft(reply)).message,
        "the answer is neither progress nor a video: it is compressed as zstd, which cannot be read here"
      )
    })))
})
