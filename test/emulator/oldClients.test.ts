/**
 * The requests of the clients that Panda had, as they put them on the wire, with what is odd in them: each of them
 * worked, so a Panda has to take them.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpServer from "@effect/platform/HttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import * as Http from "node:http"
import * as Net from "node:net"
import { bytes, encode, escape, hmac, type Json, session, sha256 } from "./rawClient.js"

const panda = PandaEmulator.PandaEmulator

const secret = "old/secret+key="

const server = (options: PandaEmulator.Options = {}) =>
  PandaEmulator.layerServer({ secretKey: Redacted.make(secret), accessKey: "old", cloudId: "cloud", ...options }).pipe(
    Layer.provideMerge(NodeHttpServer.layer(() => Http.createServer(), { port: 0, host: "127.0.0.1" }))
  )

const test = (
  name: string,
  body: Effect.Effect<void, unknown, PandaEmulator.PandaEmulator | HttpServer.HttpServer>,
  options?: PandaEmulator.Options
) => it.live(name, () => Effect.provide(body, server(options)))

const port = HttpServer.addressWith((address) => Effect.succeed(address._tag === "TcpAddress" ? address.port : 0))

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  /** Whether a 100 came before. */
  readonly continued: boolean
}

const parse = (received: string): Answer | undefined => {
  const continued = received.startsWith("HTTP/1.1 100 ")
  const text = continued ? received.slice(received.indexOf("\r\n\r\n") + 4) : received
  const end = text.indexOf("\r\n\r\n")
  if (end === -1) return undefined
  const [first = "", ...lines] = text.slice(0, end).split("\r\n")
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()])
  )
  const body = text.slice(end + 4)
  return body.length < Number(headers["content-length"] ?? 0)
    ? undefined
    : { status: Number(first.split(" ")[1]), headers, text: body, continued }
}

/** The lines of a head, and a body that is sent at once, or only when a 100 has come. */
const exchange = (
  lines: ReadonlyArray<string>,
  body: Uint8Array | string = "",
  wait = false
): Effect.Effect<Answer, never, HttpServer.HttpServer> =>
  Effect.flatMap(port, (port) =>
    Effect.async((resume) => {
      let received = ""
      let waiting = wait
      const socket = Net.connect({ port, host: "127.0.0.1" }, () => {
        socket.write([...lines, "", ""].join("\r\n"))
        if (!waiting) socket.write(body)
      })
      socket.on("data", (data) => {
        received += data.toString("latin1")
        if (waiting && received.startsWith("HTTP/1.1 100 Continue\r\n\r\n")) {
          waiting = false
          socket.write(body)
        }
        const answer = parse(received)
        if (answer === undefined) return
        socket.destroy()
        resume(Effect.succeed(answer))
      })
      socket.on("error", (error) => resume(Effect.die(error)))
      return Effect.sync(() => socket.destroy())
    }))

const ok = (answer: Answer): Json => {
  assert.include([200, 201], answer.status, answer.text)
  return JSON.parse(Buffer.from(answer.text, "latin1").toString())
}

type Params = Readonly<Record<string, string>>

/** Sorted, names and values escaped, but as `canonical` says; `file` is not signed. */
const sign = (
  method: string,
  path: string,
  params: Params,
  timestamp: string,
  canonical: (params: Params) => string = encode
): Params => {
  const all: Record<string, string> = { ...params, access_key: "old", cloud_id: "cloud", timestamp }
  const { file: _, ...signed } = all
  const sorted = Object.fromEntries(Object.keys(signed).sort().map((name) => [name, signed[name]!]))
  return { ...all, signature: hmac(secret, `${method}\n127.0.0.1\n${path}\n${canonical(sorted)}`) }
}

let tick = 0
const seconds = () => new Date().toISOString().slice(0, 19)
const micros = () => `${seconds()}.${String(tick++).padStart(6, "0")}`

type Part = readonly [head: string, content: Uint8Array | string]

const multipart = (boundary: string, parts: ReadonlyArray<Part>) =>
  Buffer.concat([
    ...parts.flatMap(([head, content]) => [
      Buffer.from(`--${boundary}\r\n${head}\r\n\r\n`),
      Buffer.from(content),
      Buffer.from("\r\n")
    ]),
    Buffer.from(`--${boundary}--\r\n`)
  ])

const fields = (params: Params): ReadonlyArray<Part> =>
  Object.entries(params).map(([name, value]) => [`Content-Disposition: form-data; name="${name}"`, value])

const filePart = (name: string, content: Uint8Array, ...more: ReadonlyArray<string>): Part => [
  [`Content-Disposition: form-data; name="file"; filename="${name}"`, ...more].join("\r\n"),
  content
]

const file = bytes(300_000)

const host = "Host: 127.0.0.1"
const pathOf = (location: string) => location.replace(/^http:\/\/[^/]+/, "")
const octets = "Content-Type: application/octet-stream"
const lengthOf = (content: { readonly length: number }) => `Content-Length: ${content.length}`
const formOf = (boundary: string) => `Content-Type: multipart/form-data; boundary=${boundary}`

describe("the Python client", () => {
  const python = ["Accept-Encoding: identity", host, "Connection: close", "User-Agent: Python-urllib/2.7"]
  const query = (method: string, path: string, params: Params = {}, signedPath = path) =>
    `${path}?${encode(sign(method, signedPath, params, `${micros()}+00:00`))}`
  const post = (path: string, params: Params) =>
    exchange([`POST /v2${query("POST", path, params)} HTTP/1.1`, ...python, "Content-Length: 0"])
  const get = (path: string, params: Params = {}, signedPath = path) =>
    exchange([`GET /v2${query("GET", path, params, signedPath)} HTTP/1.1`, ...python])
  const open = Effect.map(
    post("/videos/upload.json", { file_name: "/home/me/panda.mp4", file_size: "300000", profiles: "h264" }),
    (opened) => {
      assert.strictEqual(opened.status, 201)
      return pathOf(ok(opened).location)
    }
  )
  const chunk = (to: string, range: string, content: Uint8Array) =>
    exchange([
      `POST ${to} HTTP/1.1`,
      ...python,
      lengthOf(content),
      octets,
      `Content-Range: bytes ${range}/300000`
    ], content)

  test(
    "has its parameters in the query, and reckons its last chunk's range from the size of its chunks",
    Effect.gen(function*() {
      const video = ok(yield* chunk(yield* open, "0-5242879", file))
      assert.strictEqual(video.original_filename, "/home/me/panda.mp4")
      assert.deepInclude(yield* session, { sha256: sha256(file), inexactRanges: 1, status: "complete" })
      const list = yield* get("/videos.json")
      assert.strictEqual(list.headers["content-type"], "application/json; charset=utf-8")
      assert.strictEqual(ok(list)[0].id, video.id)
    })
  )

  test(
    "resumes one byte before where it should",
    Effect.gen(function*() {
      const to = yield* open
      assert.strictEqual((yield* chunk(to, "0-99999", file.subarray(0, 100_000))).headers["range"], "0-99999")
      ok(yield* chunk(to, "99999-5342878", file.subarray(99_999)))
      assert.deepInclude(yield* session, { sha256: sha256(file), storedTwice: 1 })
    })
  )

  test(
    "sends a file alone in its body, and signs a path before it is escaped",
    Effect.gen(function*() {
      const boundary = "----------ThIs_Is_tHe_bouNdaRY_$"
      const body = multipart(boundary, [filePart("a.mp4", file, "Content-Type: video/mp4")])
      const target = query("POST", "/videos.json", { profiles: "h264,webm" })
      const head = [`POST /v2${target} HTTP/1.1`, ...python, lengthOf(body), formOf(boundary)]
      assert.strictEqual(ok(yield* exchange(head, body)).original_filename, "a.mp4")
      ok(yield* post("/profiles.json", { preset_name: "ogg", name: "my profile" }))
      const profile = ok(yield* get("/profiles/my%20profile.json", {}, "/profiles/my profile.json"))
      assert.strictEqual(profile.name, "my profile")
    })
  )
})

describe("the Ruby client", () => {
  const ruby = [
    "Accept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3",
    "Accept: */*",
    "User-Agent: Faraday v0.9.2",
    "Connection: close",
    host
  ]
  /** What is nested is not escaped outside of its brackets. */
  const canonical = (params: Params) =>
    Object.entries(params)
      .map(([name, value]) => `${name.includes("[") ? name : escape(name)}=${escape(value)}`)
      .join("&")
  const form = (method: string, path: string, params: Params = {}) => {
    const body = encode(sign(method, path, params, `${micros()}Z`, canonical))
    const type = "Content-Type: application/x-www-form-urlencoded"
    return exchange([`${method} /v2${path} HTTP/1.1`, ...ruby, type, lengthOf(body)], body)
  }

  test(
    "has its parameters in forms, nested ones too, and reads what became of a cancellation",
    Effect.gen(function*() {
      ok(yield* form("PUT", "/notifications.json", { url: "http://a/b", "events[video_encoded]": "true" }))
      assert.deepInclude((yield* (yield* panda).notifications)["events"], { video_encoded: true })
      const { id } = ok(yield* form("POST", "/videos.json", { source_url: "http://a/b.mp4", profiles: "none" }))
      const encoding = ok(yield* form("POST", "/encodings.json", { video_id: id, profile_name: "h264" }))
      assert.deepStrictEqual(ok(yield* form("POST", `/encodings/${encoding.id}/cancel.json`)), { canceled: "ok" })
      assert.deepStrictEqual(ok(yield* form("POST", `/encodings/${encoding.id}/retry.json`)), { retried: "ok" })
      // Clouds are asked for without naming one.
      const { cloud_id: _, signature: __, ...params } = sign("GET", "/clouds.json", {}, `${micros()}Z`)
      const signature = hmac(secret, `GET\n127.0.0.1\n/clouds.json\n${encode(params)}`)
      const clouds = yield* exchange([`GET /v2/clouds.json?${encode({ ...params, signature })} HTTP/1.1`, ...ruby])
      assert.strictEqual(ok(clouds)[0].id, "cloud")
    })
  )

  test(
    "sends a file with its parameters in parts, and uploads in chunks of 100 KiB that reach beyond the end",
    Effect.gen(function*() {
      const boundary = "-----------RubyMultipartPost"
      const body = multipart(boundary, [
        ...fields(sign("POST", "/videos.json", { profiles: "h264" }, `${micros()}Z`)),
        filePart(
          "b.mp4",
          file,
          lengthOf(file),
          "Content-Type: multipart/form-data",
          "Content-Transfer-Encoding: binary"
        )
      ])
      const created = yield* exchange(
        ["POST /v2/videos.json HTTP/1.1", ...ruby, formOf(boundary), lengthOf(body)],
        body
      )
      assert.strictEqual(ok(created).original_filename, "b.mp4")

      let answer = yield* form("POST", "/videos/upload.json", { file_name: "c.mp4", file_size: "300000" })
      const to = pathOf(ok(answer).location)
      for (let at = 0; at < file.length; at += 102_400) {
        const content = file.subarray(at, at + 102_400)
        const range = `Content-Range: bytes ${at}-${at + 102_399}/300000`
        answer = yield* exchange([`POST ${to} HTTP/1.1`, ...ruby, octets, range, lengthOf(content)], content)
      }
      assert.strictEqual(ok(answer).original_filename, "c.mp4")
      assert.deepInclude(yield* session, { sha256: sha256(file), inexactRanges: 1, receivedTwice: 0 })
    })
  )
})

test(
  "the Node client posts with its parameters in the query and an empty body",
  Effect.gen(function*() {
    const wanted = { source_url: "http://a/b c.mp4", profiles: "h264" }
    const params = sign("POST", "/videos.json", wanted, new Date().toISOString())
    const target = `/v2/videos.json?${encode(params)}`
    const created = yield* exchange([`POST ${target} HTTP/1.1`, host, "Content-Length: 0", "Connection: keep-alive"])
    assert.strictEqual(ok(created).source_url, "http://a/b c.mp4")
  })
)

test(
  "the PHP client, which is curl, sends parts even without a file, waits for a 100 first, and writes true as 1",
  Effect.gen(function*() {
    const send = (method: string, path: string, params: Params, ...extra: ReadonlyArray<Part>) => {
      const boundary = "------------------------8a3d8e5d1f0c9b7a"
      const body = multipart(boundary, [...fields(sign(method, path, params, `${seconds()}+00:00`)), ...extra])
      const head = [`${method} /v2${path} HTTP/1.1`, host, "Accept: */*", lengthOf(body), "Expect: 100-continue"]
      return exchange([...head, formOf(boundary)], body, true)
    }
    const updated = yield* send("PUT", "/notifications.json", { url: "http://a/b", send_video_payload: "1" })
    assert.isTrue(updated.continued)
    assert.deepInclude(ok(updated), { url: "http://a/b", send_video_payload: true })
    const large = filePart("d.mp4", bytes(2_000_000), octets)
    const created = yield* send("POST", "/videos.json", { profiles: "h264" }, large)
    assert.isTrue(created.continued)
    assert.strictEqual(ok(created).original_filename, "d.mp4")

    const wanted = { file_name: "e.mp4", file_size: "300000", use_all_profiles: "1" }
    const to = pathOf(ok(yield* send("POST", "/videos/upload.json", wanted)).location)
    const done = yield* exchange(
      [`PUT ${to} HTTP/1.1`, host, lengthOf(file), octets, "Expect: 100-continue"],
      file,
      true
    )
    assert.isTrue(done.continued)
    const { id } = ok(done)
    assert.lengthOf((yield* (yield* panda).encodings).filter(({ video_id }) => video_id === id), 2)
  })
)

test(
  "the xabbuh client has a form with a charset, flat names with brackets, and pages with their total",
  Effect.gen(function*() {
    /** Brackets are taken out of their escapes in the whole text. */
    const canonical = (params: Params) => encode(params).replaceAll("%5B", "[").replaceAll("%5D", "]")
    const signed = (method: string, path: string, params: Params) =>
      new URLSearchParams(sign(method, path, params, `${seconds()}+00:00`, canonical)).toString()
    const events = { "events[video_created]": "true", "events[video_encoded]": "false" }
    const body = signed("PUT", "/notifications.json", events)
    const type = "Content-Type: application/x-www-form-urlencoded; charset=utf-8"
    const updated = yield* exchange(["PUT /v2/notifications.json HTTP/1.1", host, type, lengthOf(body)], body)
    assert.deepInclude(ok(updated).events, { video_created: true, video_encoded: false })
    const query = signed("GET", "/videos.json", { include_root: "1", page: "1", per_page: "2" })
    const page = ok(yield* exchange([`GET /v2/videos.json?${query} HTTP/1.1`, host]))
    assert.deepInclude(page, { page: 1, per_page: 2, total: 3 })
    assert.lengthOf(page.videos, 2)
  }),
  { videos: 3 }
)

describe("the Go client", () => {
  test(
    "has a token and nothing else, a boundary of dashes, and a timestamp without trailing zeros",
    Effect.gen(function*() {
      const { token } = yield* panda
      const go = [host, "User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip"]
      const boundary = "--panda--"
      const body = multipart(boundary, [filePart("/tmp/f.mp4", file, octets)])
      const target = `/v2/videos.json?${encode({ token: Redacted.value(token), profiles: "h264" })}`
      const created = yield* exchange([`POST ${target} HTTP/1.1`, ...go, lengthOf(body), formOf(boundary)], body)
      assert.strictEqual(ok(created).original_filename, "/tmp/f.mp4")
      const query = encode(sign("POST", "/profiles.json", { preset_name: "mp3" }, `${seconds()}.5Z`))
      const profile = ok(yield* exchange([`POST /v2/profiles.json?${query} HTTP/1.1`, ...go, "Content-Length: 0"]))
      // It has no room for a boolean there.
      assert.notProperty(profile, "two_pass")
    })
  )

  test(
    "as the tokens were announced: the name of the file in the query, and the file in a part",
    Effect.gen(function*() {
      const token = Redacted.value((yield* panda).token)
      const body = multipart("X", [filePart("real.mp4", file)])
      const head = [`POST /v2/videos.json?token=${token}&file=panda HTTP/1.1`, host]
      const created = yield* exchange([...head, lengthOf(body), formOf("X")], body)
      assert.strictEqual(ok(created).original_filename, "real.mp4")
      // The name alone is no file.
      assert.strictEqual((yield* exchange([...head, "Content-Length: 0"])).status, 400)
    })
  )
})

describe("Panda's uploader in a page", () => {
  const origin = ["Origin: http://page.example", "Referer: http://page.example/upload", host]
  const open = Effect.gen(function*() {
    const params = { token: Redacted.value((yield* panda).token), file_name: "g.mp4", file_size: "300000" }
    const opened = [`POST /v2/videos/upload.json?${encode(params)} HTTP/1.1`, host, "Content-Length: 0"]
    return ok(yield* exchange(opened)).location as string
  })
  const preflight = (location: string, method: string, headers: string) =>
    Effect.map(
      exchange([
        `OPTIONS ${pathOf(location)} HTTP/1.1`,
        ...origin,
        `Access-Control-Request-Method: ${method}`,
        `Access-Control-Request-Headers: ${headers}`
      ]),
      (answer) => {
        assert.strictEqual(answer.status, 200)
        assert.strictEqual(answer.headers["access-control-allow-origin"], "*")
        assert.include(answer.headers["access-control-allow-methods"]!, method)
        const allowed = answer.headers["access-control-allow-headers"]!.toLowerCase().split(", ")
        assert.includeMembers(allowed, headers.split(", "))
      }
    )
  const put = (location: string, range: string, content: Uint8Array | string) =>
    exchange([
      `PUT ${pathOf(location)} HTTP/1.1`,
      ...origin,
      "Cache-Control: no-cache",
      "X-Requested-With: XMLHttpRequest",
      octets,
      `Content-Range: bytes ${range}/300000`,
      lengthOf(content)
    ], content)

  test(
    "asks first, and sends each chunk to the Location of the answer before",
    Effect.gen(function*() {
      const location = yield* open
      yield* preflight(location, "PUT", "cache-control, content-range, content-type, x-requested-with")
      let answer = yield* put(location, "*", "")
      let at = 0
      for (const next of [130_000, 260_000, 300_000]) {
        assert.strictEqual(answer.status, 204)
        assert.strictEqual(answer.headers["access-control-expose-headers"], "Range, Location")
        assert.strictEqual(answer.headers["range"], at === 0 ? undefined : `0-${at - 1}`)
        const to: string = answer.headers["location"]!
        assert.match(to, /^http:\/\/127\.0\.0\.1/)
        answer = yield* put(to, `${at}-${next - 1}`, file.subarray(at, next))
        at = next
      }
      assert.strictEqual(ok(answer).original_filename, "g.mp4")
      assert.deepInclude(yield* session, { sha256: sha256(file), inexactRanges: 0, receivedTwice: 0 })
    })
  )

  test(
    "falls back to a form, and aborts",
    Effect.gen(function*() {
      const location = yield* open
      yield* preflight(location, "POST", "content-type")
      const boundary = "----WebKitFormBoundaryAbc123"
      const body = multipart(boundary, [filePart("g.mp4", file, "Content-Type: video/mp4")])
      const head = [`POST ${pathOf(location)} HTTP/1.1`, ...origin, formOf(boundary), lengthOf(body)]
      assert.strictEqual(ok(yield* exchange(head, body)).original_filename, "g.mp4")

      const other = yield* open
      yield* put(other, "0-9", file.subarray(0, 10))
      yield* preflight(other, "DELETE", "x-requested-with")
      const aborted = yield* exchange([`DELETE ${pathOf(other)} HTTP/1.1`, ...origin])
      assert.deepStrictEqual([aborted.status, aborted.text], [200, ""])
      const gone = yield* put(other, "10-19", file.subarray(10, 20))
      assert.deepStrictEqual([gone.status, gone.headers["access-control-allow-origin"]], [404, "*"])
    })
  )
})
