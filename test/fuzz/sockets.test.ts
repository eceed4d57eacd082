/** Hostile servers over real sockets, and what of our own requests is on the wire, with each HTTP layer. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, FastCheck, Layer, Option, Redacted, Stream } from "effect"
import { Credentials, PandaClient, PandaError, Upload, UploadSession, UploadSource, Videos } from "effect-panda"
import type { Socket } from "node:net"
import { patience } from "../patience.js"
import { checkExit, partsOf, SECRET, text } from "./hostile.js"
import { samples, third, trying } from "./seed.js"
import * as Wire from "./wire.js"

const layers: ReadonlyArray<{ readonly name: string; readonly http: Layer.Layer<HttpClient.HttpClient> }> = [
  { name: "undici", http: NodeHttpClient.layerUndici },
  { name: "node", http: NodeHttpClient.layer },
  { name: "fetch", http: FetchHttpClient.layer }
]

const clientOf = (http: Layer.Layer<HttpClient.HttpClient>, port: number) =>
  PandaClient.layer.pipe(
    Layer.provide(
      Credentials.layer({
        accessKey: "access",
        secretKey: Redacted.make(SECRET),
        cloudId: "c",
        host: "127.0.0.1",
        port
      })
    ),
    Layer.provide(http)
  )

const MIB = 1024 * 1024

/** Answers with a body that never ends, as fast as it is taken. Tells how much that was. */
const endless = (head: string, frame: (slice: string) => string) => {
  let written = 0
  const slice = frame(" ".repeat(64 * 1024))
  const respond = (socket: Socket) => {
    const pour = () => {
      while (!socket.destroyed && socket.write(slice)) written += slice.length
      if (!socket.destroyed) written += slice.length
    }
    socket.on("drain", pour)
    socket.write(head)
    pour()
  }
  return { respond, written: () => written }
}

const framings = {
  "until it is closed": ["HTTP/1.1 200 OK\r\n\r\n", (slice: string) => slice],
  "in chunks": [
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    (slice: string) => `${slice.length.toString(16)}\r\n${slice}\r\n`
  ],
  // What the status says holds, whatever the body.
  "of a length that is as good as none": [
    "HTTP/1.1 404 No\r\ncontent-length: 9007199254740991\r\n\r\n",
    (slice: string) => slice
  ]
} as const

describe("a body without end", () => {
  it.live("is read to a limit in memory", () =>
    Effect.gen(function*() {
      let read = 0
      const http = HttpClient.make((request) =>
        Effect.sync(() => {
          const slice = new Uint8Array(64 * 1024).fill(32)
          const stream = Stream.repeatEffect(Effect.sync(() => {
            read += slice.length
            return slice
          }))
          return Object.create(HttpClientResponse.fromWeb(request, new Response()), { stream: { value: stream } })
        })
      )
      const client = clientOf(Layer.succeed(HttpClient.HttpClient, http), 1)
      const error = yield* Effect.flip(Effect.provide(Videos.find("1"), client))
      assert.strictEqual(error._tag, "PandaDecodeError")
      assert.isAtMost(read, 34 * MIB)
    }))

  for (const [at, { http, name }] of layers.entries()) {
    for (const [how, [head, frame]] of third(Object.entries(framings), at)) {
      it.scopedLive(`${how} is read to a limit, and its socket closed (${name})`, () =>
        Effect.gen(function*() {
          const { respond, written } = endless(head, frame)
          const { closed, port, requests } = yield* Wire.listen(respond)
          const exchanges = Effect.gen(function*() {
            const error = yield* Effect.flip(Videos.find("1"))
            if (head.startsWith("HTTP/1.1 404")) {
              assert.strictEqual(error._tag, "PandaNotFound")
            } else {
              assert.strictEqual(error._tag, "PandaDecodeError")
              assert.include(error.message, "is longer than 32 MiB")
            }
            yield* closed
            const at = Redacted.make(`http://127.0.0.1:${port}/upload/session?id=1`)
            const { reply } = yield* UploadSession.probe(at, 1, { timeout: "1 minute" })
            assert.isTrue(Either.isLeft(reply))
            yield* closed
          })
          yield* Effect.provide(exchanges, clientOf(http, port))
          assert.lengthOf(requests, 2)
          // What is under way in buffers on both sides is not read.
          assert.isAbove(written(), 2 * 32 * MIB)
          assert.isBelow(written(), 2 * 48 * MIB)
        }))
    }
  }
})

const lies = {
  "a shorter length": "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
  "no length at all": "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
  "a length and no body": "HTTP/1.1 204 None\r\ncontent-length: 5\r\n\r\n",
  "no body": "HTTP/1.1 304 Same\r\n\r\n"
}

describe("a body without end, of which its head says otherwise", () => {
  for (const { http, name } of layers) {
    for (const [how, head] of Object.entries(lies)) {
      it.scopedLive(`${how}: it is not read to its end, and its socket closed (${name})`, () =>
        Effect.gen(function*() {
          const { respond, written } = endless(head, (slice) => slice)
          const { closed, port } = yield* Wire.listen(respond)
          const exit = yield* Videos.find("1").pipe(
            PandaClient.withRetry("none"),
            Effect.provide(clientOf(http, port)),
            Effect.exit
          )
          assert.isTrue(Option.isNone(checkExit(exit, PandaError.isPandaError)))
          yield* closed
          assert.isBelow(written(), 48 * MIB)
        }))
    }
  }
})

const heads = [
  "",
  "\r\n\r\n",
  "HTTP/1.1\r\n\r\n",
  "HTTP/9.9 200 OK\r\n\r\n{}",
  "HTTP/1.1 200\r\ncontent-length: 10\r\n\r\n{\"id\":\"1\"}",
  "HTTP/1.1 000 Zero\r\ncontent-length: 2\r\n\r\n{}",
  "HTTP/1.1 099 Odd\r\ncontent-length: 2\r\n\r\n{}",
  "HTTP/1.1 600 Odd\r\ncontent-length: 2\r\n\r\n{}",
  "HTTP/1.1 999 Odd\r\ncontent-length: 2\r\n\r\n{}",
  "HTTP/1.1 20000 Odd\r\n\r\n{}",
  "HTTP/1.1 100 Continue\r\n\r\n".repeat(500),
  "HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{\"id\":\"1\"}",
  "HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nbytes",
  "HTTP/1.1 204 None\r\ncontent-length: 10\r\n\r\n{\"id\":\"1\"}",
  "HTTP/1.1 304 Same\r\n\r\n",
  "HTTP/1.1 302 Found\r\nlocation: file:///etc/passwd\r\ncontent-length: 0\r\n\r\n",
  "HTTP/1.1 302 Found\r\nlocation: data:application/json,{\"id\":1}\r\ncontent-length: 0\r\n\r\n",
  "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":\"1\"}",
  "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{\"id\":\"1\"}",
  "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}",
  "HTTP/1.1 200 OK\r\ncontent-length: 1e3\r\n\r\n{}",
  "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
  "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
  "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}",
  "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
  "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
  "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
  "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
  "HTTP/1.1 200 OK\r\ncontent-encoding: br, gzip, deflate\r\ncontent-length: 2\r\n\r\n{}",
  "HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-16\r\ncontent-length: 10\r\n\r\n{\"id\":\"1\"}",
  "HTTP/1.1 200 OK\r\ncontent-type: \u00ff\u00fe\r\ncontent-length: 10\r\n\r\n{\"id\":\"1\"}",
  "HTTP/1.1 200 OK\r\n__proto__: x\r\nconstructor: y\r\ncontent-length: 10\r\n\r\n{\"id\":\"1\"}",
  "HTTP/1.1 200 OK\r\nbad header\r\ncontent-length: 2\r\n\r\n{}",
  "HTTP/1.1 200 OK\r\nx: a\u0000b\r\ncontent-length: 2\r\n\r\n{}",
  "HTTP/1.1 200 OK\r\n folded\r\ncontent-length: 2\r\n\r\n{}",
  `HTTP/1.1 200 OK\r\nx: ${"y".repeat(200_000)}\r\n\r\n{}`,
  `HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(5000)}content-length: 2\r\n\r\n{}`,
  `HTTP/1.1 401 No\r\ndate: Fri, 31 Dec 9999 23:59:59 GMT\r\ncontent-length: 47\r\n\r\n{"error":"NotAuthorized","message":"expired   "}`,
  "HTTP/1.1 503 No\r\nretry-after: 99999999999999999999\r\ncontent-length: 0\r\n\r\n",
  "HTTP/1.1 200 OK\r\nset-cookie: a=b; domain=\r\nset-cookie: \u00ff\r\ncontent-length: 10\r\n\r\n{\"id\":\"1\"}",
  "HTTP/1.0 200 OK\r\n\r\n{\"id\":\"1\"}",
  "HTTP/1.1 200 OK\r\n\r\n\u00ef\u00bb\u00bf{\"id\":\"1\"}",
  "SSH-2.0-OpenSSH_9.2\r\n",
  "\u0016\u0003\u0001\u0002\u0000",
  "+OK\r\n{}"
]

/** What is above, cut or changed in a byte. */
const raws = (count: number) => [
  ...heads.map((head) => Buffer.from(head, "latin1")),
  ...samples(
    FastCheck.record({
      head: FastCheck.constantFrom(...heads),
      at: FastCheck.nat(),
      byte: FastCheck.nat(255),
      cut: FastCheck.boolean()
    }).map(({ at, byte, cut, head }): Uint8Array => {
      const bytes = Buffer.from(head, "latin1")
      if (bytes.length === 0) return bytes
      if (cut) return bytes.subarray(0, at % bytes.length)
      bytes[at % bytes.length] = byte
      return bytes
    }),
    count
  )
]

describe.each(layers)("over $name", ({ http }) => {
  it.scopedLive(
    "an answer that is no HTTP, or almost, is a result or an error, and leaves no socket",
    () =>
      Effect.gen(function*() {
        const answers = raws(60)
        let next = 0
        const { closed, port } = yield* Wire.listen((socket) => void socket.end(answers[next]!))
        const client = clientOf(http, port)
        yield* Effect.forEach(answers, (answer, at) =>
          trying(
            answer,
            Effect.gen(function*() {
              next = at
              const exit = yield* Videos.find("1").pipe(
                PandaClient.withRetry("none"),
                PandaClient.withTimeout(patience),
                Effect.exit
              )
              const video = checkExit(exit, PandaError.isPandaError)
              if (Option.isSome(video) && at < heads.length) assert.strictEqual(video.value.id, "1")
              yield* closed
            })
          )).pipe(Effect.provide(client))
      })
  )

  const answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 10\r\n\r\n{\"id\":\"1\"}"

  /** The requests of an effect, each as its lines, its headers and its body. */
  const sent = <A, E>(effect: (port: number) => Effect.Effect<A, E, PandaClient.PandaClient>) =>
    Effect.gen(function*() {
      const { port, requests } = yield* Wire.listen((socket) => void socket.end(answer))
      const exit = yield* effect(port).pipe(Effect.provide(clientOf(http, port)), Effect.exit)
      checkExit(exit, PandaError.isUploadError)
      return requests.map(({ bytes }) => {
        const end = bytes.indexOf("\r\n\r\n")
        const [line, ...headers] = bytes.subarray(0, end).toString("latin1").split("\r\n")
        const named = headers.map((header) => /^([\w-]+): ([\x20-\x7e]*)$/.exec(header) ?? assert.fail(header))
        const values = (wanted: string) =>
          named.flatMap(([, name, value]) => name!.toLowerCase() === wanted ? [value!] : [])
        return {
          line: line!,
          names: named.map(([, name]) => name!.toLowerCase()),
          values,
          body: bytes.subarray(end + 4)
        }
      })
    }).pipe(Effect.scoped)

  const known = [
    "accept",
    "accept-encoding",
    "accept-language",
    "connection",
    "content-length",
    "content-type",
    "host",
    "sec-fetch-mode",
    "user-agent"
  ]

  const texts = () => [
    "\"é\"\r\n.mp4",
    "a\r\n\r\n--panda-1\r\ncontent-disposition: form-data; name=\"payload\"\r\n\r\nowned",
    "a\"; filename=\"b.exe\"\r\nx-owned: 1\r\n\r\n",
    "a\nb",
    "a\rb",
    "a\u0000b",
    "\u202egpj.4pm",
    "😀".repeat(75),
    "../../etc/passwd",
    "C:\\a\\",
    "a\u0085\u2028b",
    " HTTP/1.1\r\nhost: owned\r\n\r\n",
    "..",
    ...samples(text.filter((text) => text.trim() !== "" && text.isWellFormed()), 12)
  ]

  it.live("a file's name is one part of one form, and nothing else", () =>
    Effect.forEach(texts(), (name) =>
      trying(
        name,
        Effect.gen(function*() {
          const payload = Array.from(name).slice(0, 200).join("")
          const requests = yield* sent(() =>
            Videos.create({ file: UploadSource.fromBytes(Buffer.from("the file"), { name }), payload })
          )
          assert.lengthOf(requests, 1)
          const { body, line, names, values } = requests[0]!
          assert.strictEqual(line, "POST /v2/videos.json HTTP/1.1")
          assert.isEmpty(names.filter((name) => !known.includes(name)))
          assert.strictEqual(new Set(names).size, names.length)
          assert.deepStrictEqual(values("content-length"), [String(body.length)])
          const boundary = /^multipart\/form-data; boundary=([\w-]+)$/.exec(values("content-type")[0]!)![1]!
          const parts = partsOf(body, boundary)
          const fields = ["access_key", "cloud_id", "file", "payload", "signature", "timestamp"]
          assert.deepStrictEqual(parts.map(({ name }) => name).sort(), fields)
          const escaped = name.replaceAll("\"", "%22").replaceAll("\r", "%0D").replaceAll("\n", "%0A")
          assert.deepStrictEqual(parts.flatMap(({ filename }) => filename ?? []), [escaped])
          assert.deepStrictEqual(parts.flatMap(({ others }) => others), ["content-type: application/octet-stream"])
          assert.deepStrictEqual(
            parts.flatMap(({ content, name }) => name === "payload" || name === "file" ? [content] : []).sort(),
            [payload, "the file"].sort()
          )
        })
      )))

  it.live("the name of an upload is one field of one form", () =>
    Effect.forEach(texts(), (name) =>
      trying(
        name,
        Effect.gen(function*() {
          const requests = yield* sent(() =>
            Upload.video(Upload.start(UploadSource.fromBytes(Buffer.from("the file"), { name }), { profiles: "none" }))
          )
          assert.lengthOf(requests, 1)
          const { body, line, names, values } = requests[0]!
          assert.strictEqual(line, "POST /v2/videos/upload.json HTTP/1.1")
          assert.isEmpty(names.filter((name) => !known.includes(name)))
          assert.deepStrictEqual(values("content-length"), [String(body.length)])
          assert.match(body.toString("latin1"), /^[\w.~%=&-]+$/)
          const form = new URLSearchParams(body.toString())
          assert.deepStrictEqual(form.getAll("file_name"), [name])
          assert.deepStrictEqual(
            Array.from(form.keys()).sort(),
            ["access_key", "cloud_id", "file_name", "file_size", "profiles", "signature", "timestamp"]
          )
        })
      )))

  it.live("an id is one segment of one path", () =>
    Effect.forEach(texts(), (id) =>
      trying(
        id,
        Effect.gen(function*() {
          const requests = yield* sent(() => Videos.find(id))
          // A server would take these for steps between directories, even escaped.
          if (/^\.{1,2}$/.test(id)) return assert.isEmpty(requests)
          assert.lengthOf(requests, 1)
          const { body, line, names } = requests[0]!
          assert.strictEqual(body.length, 0)
          assert.isEmpty(names.filter((name) => !known.includes(name)))
          const [, segment] = /^GET \/v2\/videos\/([^/?#\s]+)\.json\?[\w.~%=&-]+ HTTP\/1\.1$/.exec(line) ??
            assert.fail(line)
          assert.strictEqual(decodeURIComponent(segment!), id)
        })
      )))
})
