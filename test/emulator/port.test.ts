import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServer from "@effect/platform/HttpServer"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted, Schedule } from "effect"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { createHash } from "node:crypto"
import * as Http from "node:http"
import * as Net from "node:net"
import { bytes, encode, hmac, type Json, session, sha256 } from "./rawClient.js"

const server = (options?: PandaEmulator.Options) =>
  PandaEmulator.layerServer(options).pipe(
    Layer.provideMerge(NodeHttpServer.layer(() => Http.createServer(), { port: 0, host: "127.0.0.1" }))
  )

type Env = PandaEmulator.PandaEmulator | HttpServer.HttpServer

/** Real sockets: the live clock. */
const test = (
  name: string,
  body: Effect.Effect<void, unknown, Env>,
  options?: PandaEmulator.Options
) => it.live(name, () => Effect.provide(body, server(options)))

const panda = PandaEmulator.PandaEmulator

const port = HttpServer.addressWith((address) => Effect.succeed(address._tag === "TcpAddress" ? address.port : 0))

interface Reply {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly text: string
}

/** Fails with the socket's own error. `write` sends the body bit by bit. */
const request = (
  options: Http.RequestOptions,
  body?: Uint8Array | string | ((request: Http.ClientRequest) => void)
): Effect.Effect<Reply, NodeJS.ErrnoException, HttpServer.HttpServer> =>
  Effect.flatMap(port, (port) =>
    Effect.async((resume) => {
      const fail = (error: NodeJS.ErrnoException) => resume(Effect.fail(error))
      const request = Http.request({ host: "127.0.0.1", port, agent: false, ...options }, (response) => {
        const parts: Array<Buffer> = []
        response.on("data", (part) => parts.push(part))
        response.on("error", fail)
        response.on("end", () =>
          resume(Effect.succeed({
            status: response.statusCode!,
            headers: response.headers,
            text: Buffer.concat(parts).toString()
          })))
      })
      request.on("error", fail)
      if (typeof body === "function") body(request)
      else request.end(body)
      return Effect.sync(() => request.destroy())
    }))

let tick = 0

const sign = (method: string, path: string, params: Record<string, string>) =>
  Effect.gen(function*() {
    const { accessKey, cloudId } = yield* panda
    const timestamp = new Date().toISOString().replace("Z", `${String(tick++ % 1000).padStart(3, "0")}Z`)
    const all: Record<string, string> = { ...params, access_key: accessKey, cloud_id: cloudId, timestamp }
    const sorted = Object.fromEntries(Object.keys(all).sort().map((name) => [name, all[name]!]))
    return { ...sorted, signature: hmac("s", `${method}\n127.0.0.1\n${path}\n${encode(sorted)}`) }
  })

const options = { secretKey: Redacted.make("s") }

const open = (size: number) =>
  Effect.gen(function*() {
    const params = yield* sign("POST", "/videos/upload.json", { file_name: "a.mp4", file_size: String(size) })
    const reply = yield* request({ method: "POST", path: `/v2/videos/upload.json?${encode(params)}` })
    assert.strictEqual(reply.status, 201)
    return JSON.parse(reply.text) as { id: string; location: string }
  })

const put = (
  location: string,
  headers: Http.OutgoingHttpHeaders,
  body?: Parameters<typeof request>[1],
  method = "PUT"
) => {
  const url = new URL(location)
  return request({
    method,
    path: url.pathname + url.search,
    headers: { "content-type": "application/octet-stream", ...headers }
  }, body)
}

const range = (first: number, last: number, size: number) => ({
  "content-range": `bytes ${first}-${last}/${size}`,
  "content-length": last - first + 1
})

const list = Effect.flatMap(
  sign("GET", "/videos.json", {}),
  (params) => request({ path: `/v2/videos.json?${encode(params)}` })
)

const file = bytes(1_000_000)

const inject = (route: string, fault: Fault) => Effect.flatMap(panda, ({ inject }) => inject({ route, fault }))

const code = <A>(effect: Effect.Effect<A, NodeJS.ErrnoException, Env>) =>
  Effect.match(effect, { onFailure: ({ code }) => code, onSuccess: () => "no error" })

test(
  "parameters in the query, in a form, in a multipart body, over a socket",
  Effect.gen(function*() {
    const inQuery = yield* sign("POST", "/videos.json", { source_url: "http://a/b.mp4" })
    assert.strictEqual((yield* request({ method: "POST", path: `/v2/videos.json?${encode(inQuery)}` })).status, 200)
    const inForm = yield* sign("POST", "/videos.json", { source_url: "http://a/b.mp4" })
    const form = yield* request({
      method: "POST",
      path: "/v2/videos.json",
      headers: { "content-type": "application/x-www-form-urlencoded" }
    }, (request) => {
      const text = encode(inForm)
      request.setHeader("content-length", text.length)
      request.write(text.slice(0, 30))
      setImmediate(() => request.end(text.slice(30)))
    })
    assert.strictEqual(form.status, 200)
    assert.strictEqual(form.headers["content-type"], "application/json; charset=utf-8")
    assert.isTrue(Math.abs(Date.parse(form.headers.date!) - Date.now()) < 60_000)

    const params = yield* sign("POST", "/videos.json", { profiles: "none" })
    const parts = Object.entries(params).map(([name, value]) =>
      `--X\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
    )
    const head = `--X\r\nContent-Disposition: form-data; name="file"; filename="m.mp4"\r\n\r\n`
    const body = Buffer.concat([Buffer.from(parts.join("") + head), file, Buffer.from("\r\n--X--\r\n")])
    const multipart = yield* request({
      method: "POST",
      path: "/v2/videos.json",
      headers: { "content-type": "multipart/form-data; boundary=X", "content-length": body.length }
    }, body)
    assert.deepInclude(JSON.parse(multipart.text), { original_filename: "m.mp4", source_url: null })
    assert.strictEqual(JSON.parse((yield* list).text).length, 3)
  }),
  options
)

test(
  "an upload by PUT and POST; the location is where the server was called",
  Effect.gen(function*() {
    const { location } = yield* open(file.length)
    assert.isTrue(location.startsWith(`http://127.0.0.1:${yield* port}/upload/session?id=`))
    const probe = () => put(location, { "content-range": `bytes */${file.length}`, "content-length": 0 })
    assert.deepInclude(yield* probe(), { status: 204, text: "" })
    const first = yield* put(location, range(0, 599_999, file.length), file.subarray(0, 600_000))
    assert.strictEqual(first.status, 204)
    assert.strictEqual(first.headers["range"], "0-599999")
    assert.strictEqual((yield* probe()).headers["range"], "0-599999")
    const last = yield* put(location, range(600_000, 999_999, file.length), file.subarray(600_000), "POST")
    assert.strictEqual(last.status, 200)
    const { id } = JSON.parse(last.text)
    assert.strictEqual(JSON.parse((yield* probe()).text).id, id)
    assert.deepInclude(yield* session, { sha256: sha256(file), videoId: id, receivedTwice: 0 })
    const gone = yield* put(location.replace("id=", "id=x"), range(0, 0, 1), "a")
    assert.strictEqual(gone.status, 404)
    assert.strictEqual((yield* put(location, { "transfer-encoding": "chunked" }, "abc")).status, 411)
  }),
  options
)

test(
  "resets: before, in the middle of the body, after",
  Effect.gen(function*() {
    for (const fault of [Fault.resetBefore, Fault.refuse, Fault.resetAfter]) {
      yield* inject("GET /videos.json", fault)
      assert.strictEqual(yield* code(list), "ECONNRESET")
    }
    const { location } = yield* open(file.length)
    yield* inject("chunk", Fault.resetDuring({ after: 123_456 }))
    const broken = yield* code(put(location, range(0, 999_999, file.length), file))
    assert.include(["ECONNRESET", "EPIPE"], broken)
    assert.deepInclude(yield* session, { stored: 123_456, received: 123_456, acknowledged: 0 })
    yield* inject("chunk", Fault.resetAfter)
    assert.strictEqual(
      yield* code(put(location, range(123_456, 999_999, file.length), file.subarray(123_456))),
      "ECONNRESET"
    )
    assert.deepInclude(yield* session, { status: "complete", sha256: sha256(file) })
    assert.strictEqual((yield* list).status, 200)
  }),
  options
)

test(
  "a truncated answer: head, part of the body, end",
  Effect.gen(function*() {
    yield* inject("GET /videos.json", Fault.truncate({ after: 1 }))
    assert.strictEqual(yield* code(list), "ECONNRESET")
    yield* inject("GET /videos.json", Fault.truncate({ after: 5 }))
    const raw = yield* Effect.flatMap(port, (port) =>
      Effect.async<string>((resume) => {
        let text = ""
        const socket = Net.connect(port, "127.0.0.1", () =>
          socket.write("GET /v2/videos.json HTTP/1.1\r\nHost: x\r\n\r\n"))
        socket.on("data", (data) =>
          text += data)
        socket.on("close", () =>
          resume(Effect.succeed(text)))
      }))
    assert.match(raw, /^HTTP\/1\.1 400 .*\r\n/)
    assert.match(raw, /\r\ncontent-length: 1\d\d\r\n/)
    assert.match(raw, /\r\n\r\n\{"err$/)
    assert.strictEqual((yield* list).status, 200)
  }),
  options
)

test(
  "stalls: nothing comes, and nothing is left behind",
  Effect.gen(function*() {
    yield* inject("GET /videos.json", Fault.stall)
    assert.strictEqual((yield* Effect.timeoutOption(list, "200 millis"))._tag, "None")
    const { location } = yield* open(file.length)
    yield* inject("chunk", Fault.stallReading({ after: 1000 }))
    const sent = yield* Effect.fork(put(location, range(0, 999_999, file.length), file))
    yield* Effect.repeat(session, { schedule: Schedule.spaced("5 millis"), until: ({ stored }) => stored === 1000 })
    assert.strictEqual((yield* Effect.timeoutOption(Fiber.join(sent), "200 millis"))._tag, "None")
    yield* Fiber.interrupt(sent)
    assert.strictEqual((yield* session).stored, 1000)
    assert.strictEqual((yield* list).status, 200)
  }),
  options
)

test(
  "an early answer arrives while the body is still coming",
  Effect.gen(function*() {
    const { location } = yield* open(50_000_000)
    // The client stops half-way and only goes on when it has the answer.
    const early = yield* put(location, { ...range(0, 49_999_999, 50_000_001) }, (request) => {
      request.write(file)
    })
    assert.strictEqual(early.status, 400)
    const all = yield* put(
      location,
      { "content-type": "video/mp4", ...range(0, 49_999_999, 50_000_000) },
      Buffer.alloc(50_000_000)
    )
    assert.strictEqual(all.status, 415)
    yield* inject("chunk", Fault.status(422, { early: true }))
    const faulty = yield* put(location, range(0, 49_999_999, 50_000_000), (request) => void request.write(file))
    assert.strictEqual(faulty.status, 422)
    assert.strictEqual((yield* session).stored, 0)
  }),
  options
)

test(
  "a refusal reaches a client that sends all before it reads, on a connection that is to be closed",
  Effect.gen(function*() {
    const { location } = yield* open(50_000_000)
    const to = new URL(location)
    const size = 50_000_000
    const answerTo = (head: string) =>
      Effect.flatMap(port, (port) =>
        Effect.async<string>((resume) => {
          let [sent, text] = [0, ""]
          const socket = Net.connect({ port, host: "127.0.0.1" }, () => {
            socket.write(head)
            send()
          })
          // Only when the whole body is out, does it look at what came back.
          socket.pause()
          const slice = Buffer.alloc(65_536)
          const send = (): void => {
            while (sent < size) {
              const next = slice.subarray(0, Math.min(slice.length, size - sent))
              sent += next.length
              if (!socket.write(next)) return void socket.once("drain", send)
            }
            setTimeout(() => socket.resume(), 50)
          }
          socket.on("data", (data) => text += data)
          socket.on("error", ({ message }) => resume(Effect.succeed(message)))
          socket.on("end", () => resume(Effect.succeed(text)))
        }))
    const head = (line: string, ...headers: ReadonlyArray<string>) =>
      [line, "host: 127.0.0.1", `content-length: ${size}`, ...headers].join("\r\n") + "\r\n\r\n"
    const put = `PUT ${to.pathname}${to.search} HTTP/1.1`
    const refusals: ReadonlyArray<readonly [string, RegExp]> = [
      [head(put, "connection: close", "content-type: video/mp4"), /^HTTP\/1\.1 415 [^]*\r\n\r\n\{"error"/],
      [head(put.replace("id=", "id=x"), "connection: close"), /^HTTP\/1\.1 404 [^]*\r\n\r\n\{"error"/],
      [head(put.replace("1.1", "1.0"), "content-range: bytes 0-1/2"), /^HTTP\/1\.1 400 [^]*\r\n\r\n\{"error"/],
      [head("POST /v2/videos.xml HTTP/1.1", "connection: close"), /^HTTP\/1\.1 400 [^]*\r\n\r\n\{"error"/]
    ]
    for (const [head, answer] of refusals) assert.match(yield* answerTo(head), answer)
    yield* inject("chunk", Fault.status(503, { early: true }))
    assert.match(
      yield* answerTo(head(put, "connection: close", "content-range: bytes 0-49999999/50000000")),
      /^HTTP\/1\.1 503 /
    )
    assert.deepInclude(yield* session, { stored: 0, received: 0 })
  }),
  options
)

test(
  "a client that goes away leaves its bytes",
  Effect.gen(function*() {
    const { location } = yield* open(file.length)
    let leave = () => {}
    const gone = yield* Effect.fork(code(put(location, range(0, 999_999, file.length), (request) => {
      request.write(file.subarray(0, 5000))
      leave = () => void request.destroy()
    })))
    yield* Effect.repeat(session, { schedule: Schedule.spaced("5 millis"), until: ({ stored }) => stored === 5000 })
    leave()
    assert.strictEqual(yield* Fiber.join(gone), "ECONNRESET")
    assert.deepInclude(yield* session, { stored: 5000, status: "open" })
    assert.isUndefined((yield* (yield* panda).requests).at(-1)!.status)
  }),
  options
)

test(
  "keep-alive: many requests on one connection, after refusals too",
  Effect.gen(function*() {
    const agent = new Http.Agent({ keepAlive: true, maxSockets: 1 })
    const sockets = new Set<unknown>()
    const { location } = yield* open(file.length)
    const url = new URL(location)
    const send = (headers: Http.OutgoingHttpHeaders) =>
      request({ method: "PUT", path: url.pathname + url.search, agent, headers }, (request) => {
        request.on("socket", (socket) => sockets.add(socket))
        request.end(file.subarray(0, 1000))
      })
    const type = { "content-type": "application/octet-stream", ...range(0, 999, file.length) }
    assert.strictEqual((yield* send({ ...type, "content-type": "text/plain" })).status, 415)
    assert.strictEqual((yield* send(type)).status, 204)
    assert.strictEqual((yield* send(type)).status, 204)
    agent.destroy()
    assert.strictEqual(sockets.size, 1)
  }),
  options
)

it.live("a platform without Node's sockets: bodies stream, a broken connection is a 502", () =>
  Effect.gen(function*() {
    const { httpApp, inject } = yield* panda
    const handle = HttpApp.toWebHandler(httpApp)
    const post = (params: Record<string, string>) =>
      Effect.promise(() =>
        handle(
          new Request("http://127.0.0.1/v2/videos.json", {
            method: "POST",
            headers: {
              "host": "127.0.0.1",
              "content-type": "application/x-www-form-urlencoded",
              "content-length": `${encode(params).length}`
            },
            body: encode(params)
          })
        )
      )
    const created = yield* post(yield* sign("POST", "/videos.json", { source_url: "http://a/b.mp4" }))
    assert.strictEqual(created.status, 200)
    for (const fault of [Fault.resetAfter, Fault.resetDuring({ after: 10 }), Fault.truncate({ after: 3 })]) {
      yield* inject({ route: "*", fault })
      assert.strictEqual((yield* post(yield* sign("POST", "/videos.json", {}))).status, 502)
    }
  }).pipe(Effect.provide(PandaEmulator.layer(options))))

test(
  "256 MiB stream through in little memory",
  Effect.gen(function*() {
    const slice = Buffer.alloc(1 << 20, 7)
    const size = 256 * slice.length
    const { location } = yield* open(size)
    const before = process.memoryUsage().rss
    let peak = 0
    const reply = yield* put(location, { "content-length": size }, (request) => {
      let left = 256
      const write = () => {
        while (left > 0) {
          left--
          peak = Math.max(peak, process.memoryUsage().rss)
          if (!request.write(slice)) return void request.once("drain", write)
        }
        request.end()
      }
      write()
    })
    assert.strictEqual(reply.status, 200)
    assert.deepInclude(yield* session, { stored: size, receivedTwice: 0 } as Json)
    assert.isBelow(peak - before, 128 * slice.length)
  }),
  { ...options, hash: () => createHash("sha256") }
)
