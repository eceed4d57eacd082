/** The emulator is a server too: whatever comes over its port, it answers or hangs up, and goes on. */
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, it } from "@effect/vitest"
import { Effect, FastCheck, Layer, Logger, Redacted } from "effect"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { createServer } from "node:http"
import { random } from "../chaos/random.js"
import { encode, open, signed } from "../emulator/rawClient.js"
import { body, bytesOf, jsonText, text } from "./hostile.js"
import { draws, samples, seedOf, trying } from "./seed.js"
import * as Wire from "./wire.js"

const { constantFrom, oneof } = FastCheck

const latin1 = text.map((text) => Buffer.from(text).toString("latin1"))

const path = oneof(
  {
    weight: 4,
    arbitrary: constantFrom(
      "/v2/videos.json",
      "/v2/videos/1.json",
      "/v2/videos/%ff.json",
      "/v2/videos/%00/encodings.json",
      "/v2/videos/__proto__.json",
      "/v2/profiles/constructor.json",
      "/v2/encodings/1/cancel.json",
      "/v2/clouds.json",
      "/v2/notifications.json",
      "/v2/videos/upload.json",
      "/v2//../../x.json",
      "/v2/",
      "/",
      "*",
      "http://[",
      "http://elsewhere.example/v2/videos.json",
      "//",
      "/upload/session",
      "/upload/session?id=__proto__"
    )
  },
  { weight: 1, arbitrary: latin1.map((text) => `/${text}`) }
)

const header = oneof(
  {
    weight: 2,
    arbitrary: constantFrom("content-length: 0", "content-length: 5", "content-length: 99999999999999999999")
  },
  {
    weight: 4,
    arbitrary: constantFrom(
      "content-length: -1",
      "content-length: 5\r\ncontent-length: 6",
      "transfer-encoding: chunked",
      "transfer-encoding: nonsense",
      "content-type: application/x-www-form-urlencoded",
      "content-type: multipart/form-data",
      "content-type: multipart/form-data; boundary=",
      "content-type: multipart/form-data; boundary=\"\"",
      "content-type: multipart/form-data; boundary=((((",
      "content-type: application/octet-stream",
      "content-range: bytes */10",
      "content-range: bytes 0-4/10",
      "content-range: bytes 9-0/10",
      "content-range: bytes 0-99999999999999999999/1",
      "content-range: bytes x",
      "expect: 100-continue",
      "host:",
      "host: [",
      "host: a\r\nhost: b",
      "connection: upgrade\r\nupgrade: websocket",
      "__proto__: x",
      `x: ${"y".repeat(20_000)}`
    )
  },
  { weight: 1, arbitrary: latin1.map((text) => `x: ${text}`) }
)

const query = FastCheck.array(
  FastCheck.tuple(
    oneof(
      constantFrom(
        "access_key",
        "signature",
        "timestamp",
        "cloud_id",
        "token",
        "id",
        "__proto__",
        "a[__proto__]",
        "a[b]",
        "a["
      ),
      latin1
    ),
    latin1
  ).map((pair) => pair.join("=")),
  { maxLength: 4 }
).map((pairs) => pairs.join("&"))

const content = oneof(
  query,
  jsonText,
  constantFrom(
    "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"\\\"\r\n\r\n",
    "--x\r\n\r\n\r\n--x--\r\n",
    "5\r\nhello\r\nzz\r\n",
    ""
  ),
  body.map((body) => Buffer.from(bytesOf(body, "")).toString("latin1"))
)

const raw = oneof(
  {
    weight: 8,
    arbitrary: FastCheck.record({
      method: constantFrom(
        "GET",
        "POST",
        "PUT",
        "DELETE",
        "HEAD",
        "OPTIONS",
        "PATCH",
        "CONNECT",
        "TRACE",
        "get",
        "\u0000"
      ),
      path,
      query,
      version: constantFrom("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", ""),
      headers: FastCheck.array(header, { maxLength: 4 }),
      content
    }).map(({ content, headers, method, path, query, version }) =>
      `${method} ${path}?${query} ${version}\r\n${["host: a", ...headers].join("\r\n")}\r\n\r\n${content}`
    )
  },
  {
    weight: 1,
    arbitrary: FastCheck.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString("latin1"))
  }
)

const form = "content-type: application/x-www-form-urlencoded"

/** The platform's server does not read what follows a wish for an upgrade, nor then the end of such a connection. */
const readingOn = () => createServer().on("upgrade", (_, socket) => socket.resume())

const server = PandaEmulator.layerServer({ videos: 1 }).pipe(
  Layer.provideMerge(NodeHttpServer.layer(readingOn, { port: 0, host: "127.0.0.1" })),
  Layer.merge(Logger.remove(Logger.defaultLogger))
)

/** The statuses of the answers that came, whatever else came with them. */
const statusesIn = (answer: Buffer) =>
  Array.from(answer.toString("latin1").matchAll(/^HTTP\/1\.1 (\d{3})/gm), ([, status]) => Number(status))

it.scopedLive("hostile requests over its port", () =>
  Effect.gen(function*() {
    const next = random(seedOf())
    const { address } = yield* HttpServer.HttpServer
    const port = address._tag === "TcpAddress" ? address.port : 0
    const panda = yield* PandaEmulator.PandaEmulator
    const { location } = yield* open(10)
    const session = new URL(location)

    const others = samples(raw, 300)
    // Some that are let in, with parameters that are not as they should be; and some on a session that is open.
    const parameters = draws(
      FastCheck.dictionary(
        oneof(
          constantFrom("source_url", "profiles", "path_format", "payload", "pipeline", "page", "per_page", "file_size"),
          constantFrom("file_name", "preset_name", "name", "command", "events[video_created]", "url", "width")
        ),
        oneof(text, jsonText).filter((value) => value.isWellFormed()),
        { maxKeys: 4 }
      ),
      80
    )
    const places = [
      ["POST", "/videos.json"],
      ["POST", "/videos/upload.json"],
      ["POST", "/profiles.json"],
      ["PUT", "/notifications.json"],
      ["POST", "/encodings.json"],
      ["PUT", "/clouds/emulated-cloud-id.json"],
      ["GET", "/videos.json"]
    ] as const
    const known = yield* Effect.forEach(parameters, (parameters, at) =>
      Effect.gen(function*() {
        const [method, path] = places[at % places.length]!
        const given = Object.fromEntries(Object.entries(parameters).filter(([, { length }]) => length < 3000))
        const params = encode(yield* signed(method, path, given))
        return method === "GET"
          ? `GET /v2${path}?${params} HTTP/1.1\r\nhost: api.pandastream.com\r\n\r\n`
          : `${method} /v2${path} HTTP/1.1\r\nhost: api.pandastream.com\r\n${form}\r\ncontent-length: ${params.length}\r\n\r\n${params}`
      }))
    const sessions = draws(
      FastCheck.tuple(constantFrom("PUT", "POST", "DELETE", "GET"), header, header, content),
      60
    ).map(([method, a, b, content]) =>
      `${method} ${session.pathname}${session.search} HTTP/1.1\r\nhost: a\r\n${a}\r\n${b}\r\n\r\n${content}`
    )

    const requests = [...others, ...known, ...sessions]
    const seen: Array<number> = []
    yield* Effect.forEach(requests, (request) =>
      trying(
        request,
        Effect.gen(function*() {
          const bytes = Buffer.from(request, "latin1")
          const cut = Math.floor(next() * bytes.length)
          const answer = yield* Wire.exchange(port, [bytes.subarray(0, cut), bytes.subarray(cut)], 150)
          for (const status of statusesIn(answer)) {
            seen.push(status)
            // Node's own 501 and the like are not the emulator's; that it has failed would be a 500.
            assert.notStrictEqual(status, 500)
          }
        })
      ), { concurrency: 20 })
    assert.includeMembers(seen, [200, 400, 404])

    const params = encode(yield* signed("GET", "/videos.json"))
    const healthy = yield* Wire.exchange(
      port,
      [`GET /v2/videos.json?${params} HTTP/1.1\r\nhost: api.pandastream.com\r\nconnection: close\r\n\r\n`],
      60_000
    )
    assert.deepStrictEqual(statusesIn(healthy), [200])
    assert.notInclude(healthy.toString(), Redacted.value(panda.secretKey))
  }).pipe(Effect.provide(server)))
