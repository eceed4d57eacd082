/** Over real sockets: what each HTTP layer makes of a connection that fails, and of one that does not. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Redacted, Schedule, TestClock, TestServices } from "effect"
import * as Credentials from "effect-panda/Credentials"
import * as Encodings from "effect-panda/Encodings"
import * as Notifications from "effect-panda/Notifications"
import * as PandaClient from "effect-panda/PandaClient"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import type { PandaTransportError } from "effect-panda/PandaError"
import * as UploadSession from "effect-panda/UploadSession"
import * as Videos from "effect-panda/Videos"
import { createServer as createHttpServer } from "node:http"
import { createServer, type Socket } from "node:net"
import { inspect } from "node:util"
import { oneLineWithAdvice } from "../client/advice.js"
import { freePort } from "../freePort.js"
import { until } from "./client.js"

const CANARY = "canary-secret"

const layers: ReadonlyArray<{ readonly name: string; readonly http: Layer.Layer<HttpClient.HttpClient> }> = [
  { name: "undici", http: NodeHttpClient.layerUndici },
  { name: "node", http: NodeHttpClient.layer },
  { name: "fetch", http: FetchHttpClient.layer }
]

const client = (http: Layer.Layer<HttpClient.HttpClient>, endpoint: Credentials.Endpoint) =>
  PandaClient.layer.pipe(
    Layer.provide(
      Credentials.layer({
        accessKey: "emulated-access-key",
        secretKey: Redacted.make("emulated-secret-key"),
        cloudId: CANARY,
        ...endpoint
      })
    ),
    Layer.provide(http)
  )

/** A server that does this with a connection once a request's head has come; gives its port. */
const listen = (answer: (socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.async<{
      readonly port: number
      readonly close: () => void
      readonly connections: () => number
      /** Requests whose head has come. */
      readonly asked: () => number
    }>(
      (resume) => {
        const sockets = new Set<Socket>()
        let [connections, asked] = [0, 0]
        const server = createServer((socket) => {
          sockets.add(socket)
          connections++
          let head = ""
          socket.on("error", () => {})
          socket.on("close", () => sockets.delete(socket))
          socket.on("data", (data) => {
            if (head.includes("\r\n\r\n")) return
            head += data.toString("latin1")
            if (!head.includes("\r\n\r\n")) return
            asked++
            answer(socket)
          })
        })
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          resume(Effect.succeed({
            port: typeof address === "object" ? address!.port : 0,
            connections: () => connections,
            asked: () => asked,
            close: () => {
              for (const socket of sockets) socket.destroy()
              server.close()
            }
          }))
        })
      }
    ),
    ({ close }) => Effect.sync(close)
  )

const head = (...lines: ReadonlyArray<string>) => `HTTP/1.1 200 OK\r\n${lines.join("\r\n")}\r\n\r\n`

type Expected = Pick<PandaTransportError, "reason" | "ambiguous">

const broken: Expected = { reason: "Interrupted", ambiguous: true }

const failures: ReadonlyArray<readonly [what: string, answer: (socket: Socket) => void, expected: Expected]> = [
  ["closed before an answer", (socket) => socket.end(), broken],
  ["reset before an answer", (socket) => socket.resetAndDestroy(), broken],
  ["closed within the head", (socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-le"), broken],
  ["closed within the body", (socket) => socket.end(`${head("content-length: 100")}[`), broken],
  [
    "reset within the body",
    (socket) => socket.write(`${head("content-length: 100")}[`, () => socket.resetAndDestroy()),
    broken
  ],
  ["closed within a chunked body", (socket) => socket.end(`${head("transfer-encoding: chunked")}5\r\n[`), broken],
  ["silent", () => {}, { reason: "Timeout", ambiguous: true }],
  ["silent within the head", (socket) => socket.write("HTTP/1.1 200 OK\r\n"), { reason: "Timeout", ambiguous: true }],
  ["silent within the body", (socket) => socket.write(`${head("content-length: 100")}[`), {
    reason: "Timeout",
    ambiguous: true
  }]
]

describe.each(layers)("$name", ({ http }) => {
  const failed = <A, E, R>(run: Effect.Effect<A, E, R>) =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(run.pipe(PandaClient.withRetry("none"), PandaClient.withTimeout("20 seconds")))
      const error = yield* Effect.flip(Exit.isFailure(exit) ? Effect.failCause(exit.cause) : Effect.succeed(exit.value))
      for (const text of [inspect(exit, { depth: 20 }), String(error), JSON.stringify(error)]) {
        assert.notInclude(text, CANARY)
        assert.notInclude(text, "signature")
      }
      return { ...error, text: String(error) }
    })

  for (const [what, answer, expected] of failures) {
    it.scoped(what, () =>
      Effect.gen(function*() {
        const { asked, port } = yield* listen(answer)
        const layer = client(http, { host: "127.0.0.1", port })
        const host = `http://127.0.0.1:${port}`
        const create = Videos.create({ source_url: "http://a.example" })
        const both = yield* Effect.all([failed(Videos.list()), failed(create)], { concurrency: 2 }).pipe(
          Effect.provide(layer),
          Effect.fork
        )
        if (expected.reason === "Timeout") {
          // Time passes once both have been asked.
          yield* TestServices.provideLive(until("both are asked", () => asked() === 2))
          // In so many turns they hear of what is answered.
          yield* Effect.repeatN(Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void))), 50)
          yield* TestClock.adjust("20 seconds")
        }
        const [list, post] = yield* Fiber.join(both)
        assert.deepInclude(list, { _tag: "PandaTransportError", operation: "Videos.list", host, ...expected } as never)
        assert.deepInclude(
          post,
          { _tag: "PandaTransportError", operation: "Videos.create", host, ...expected } as never
        )
      }))
  }

  it.live("refused", () =>
    Effect.gen(function*() {
      const port = yield* freePort
      for (const host of ["127.0.0.1", "localhost"]) {
        const error = yield* Effect.provide(failed(Videos.list()), client(http, { host, port }))
        assert.deepInclude(error, {
          _tag: "PandaTransportError",
          reason: "Connect",
          ambiguous: false,
          host: `http://${host}:${port}`,
          code: "ECONNREFUSED"
        } as never)
      }
    }))

  it.live("a name that is not found", () =>
    Effect.gen(function*() {
      const error = yield* Effect.provide(failed(Videos.list()), client(http, { host: "panda.invalid", port: 80 }))
      assert.deepInclude(error, {
        _tag: "PandaTransportError",
        reason: "Connect",
        ambiguous: false,
        host: "http://panda.invalid"
      } as never)
      assert.match(
        error.text,
        /: Videos\.list: could not connect to http:\/\/panda\.invalid \(E[A-Z_]+\)\. Check the host/
      )
    }))

  it.scopedLive("a redirect is not followed", () =>
    Effect.gen(function*() {
      const elsewhere = yield* listen((socket) => socket.end(`${head("content-length: 2")}[]`))
      const { connections, port } = yield* listen((socket) =>
        socket.end(
          `HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:${elsewhere.port}/v2/videos.json\r\ncontent-length: 0\r\n\r\n`
        )
      )
      const layer = client(http, { host: "127.0.0.1", port })
      for (const call of [Videos.list(), Videos.create({ source_url: "http://a.example" }), Videos.delete("a")]) {
        const before = connections()
        const error = yield* Effect.flip(PandaClient.withRetry(call, Schedule.recurs(3))).pipe(Effect.provide(layer))
        // To send it again would end the same.
        assert.strictEqual(connections() - before, 1)
        assert.match(error.message, /\bredirect\b/)
        assert.isFalse(error.isRetryable)
        assert.strictEqual("status" in error && error.status, 307)
      }
      assert.strictEqual(elsewhere.connections(), 0)
    }))

  it.scopedLive("what is too long to be kept for a redirect says what it came to all the same", () =>
    Effect.gen(function*() {
      const { connections, port } = yield* listen((socket) =>
        socket.end("HTTP/1.1 307 Moved\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n")
      )
      const call = Videos.create({ source_url: `http://a.example/${"x".repeat(100_000)}` })
      const error = yield* Effect.flip(PandaClient.withRetry(call, Schedule.recurs(3))).pipe(
        Effect.provide(client(http, { host: "127.0.0.1", port }))
      )
      assert.strictEqual(connections(), 1)
      assert.match(error.message, /\bredirect\b/)
      oneLineWithAdvice(error.message)
    }))

  describe("a client that takes some answers for failures", () => {
    const seen: Array<string> = []
    const statuses: Record<string, (client: HttpClient.HttpClient) => HttpClient.HttpClient> = {
      filterStatusOk: HttpClient.filterStatusOk,
      filterStatus: HttpClient.filterStatus((status) => status < 300),
      "filterStatusOk, tapped and retried": (client) =>
        client.pipe(
          HttpClient.mapRequest(HttpClientRequest.setHeader("x-a", "b")),
          HttpClient.filterStatusOk,
          HttpClient.tapError((error) => Effect.sync(() => seen.push(error.message))),
          HttpClient.retry({ times: 1 })
        ),
      "an answer refused after its body was read": HttpClient.transformResponse(
        Effect.flatMap((response) => Effect.zipRight(response.text, HttpClientResponse.filterStatusOk(response)))
      )
    }
    for (const [name, change] of Object.entries(statuses)) {
      it.scopedLive(name, () =>
        Effect.gen(function*() {
          let status = 200
          let body = "[]"
          const { connections, port } = yield* listen((socket) =>
            socket.end(
              `HTTP/1.1 ${status} S\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`
            )
          )
          const attempts = name.includes("retried") ? 2 : 1
          yield* Effect.gen(function*() {
            assert.deepStrictEqual(yield* Videos.list(), [])
            const fail = <A, E, R>(call: Effect.Effect<A, E, R>, answered: number, error = "") =>
              Effect.suspend(() => {
                status = answered
                body = error === "" ? "" : JSON.stringify({ error, message: "words" })
                return Effect.flip(PandaClient.withRetry(call, Schedule.recurs(2)))
              })
            const before = connections()
            const missing = yield* fail(Videos.find("a"), 404, "RecordNotFound")
            assert.deepInclude({ ...missing }, {
              _tag: "PandaNotFound",
              error: "RecordNotFound",
              description: "words"
            } as never)
            assert.strictEqual(connections() - before, attempts)
            const busy = yield* fail(Videos.list(), 503)
            assert.strictEqual(busy._tag, "PandaServerError")
            assert.strictEqual(connections() - before, 4 * attempts)
            assert.strictEqual((yield* fail(Videos.create({ source_url: "http://a" }), 401))._tag, "PandaAuthError")

            status = 404
            const raw = yield* PandaClient.execute("GET", "/videos.json")
            assert.strictEqual(raw.status, 404)

            const location = Redacted.make(`http://127.0.0.1:${port}/upload/session?id=1`)
            const { outcome } = yield* UploadSession.probe(location, 9, { timeout: "10 seconds" })
            assert.strictEqual(outcome._tag, "Gone")
          }).pipe(Effect.provide(client(
            Layer.map(http, (context) =>
              Context.make(HttpClient.HttpClient, change(Context.get(context, HttpClient.HttpClient)))),
            { host: "127.0.0.1", port }
          )))
        }))
    }
  })

  it.scopedLive("a request that surely did not arrive is sent again, a POST too", () =>
    Effect.gen(function*() {
      const port = yield* freePort
      let attempts = 0
      const policy = Schedule.recurs(2).pipe(Schedule.tapInput(() => Effect.sync(() => attempts++)))
      const create = Videos.create({ source_url: "http://a.example" })
      yield* Effect.flip(PandaClient.withRetry(create, policy)).pipe(
        Effect.provide(client(http, { host: "127.0.0.1", port }))
      )
      assert.strictEqual(attempts, 3)
    }))

  for (const how of ["a timeout", "an interruption"]) {
    it.scoped(`${how} closes the connection`, () =>
      Effect.gen(function*() {
        const asked = yield* Deferred.make<void>()
        const closed = yield* Deferred.make<void>()
        const { port } = yield* listen((socket) => {
          socket.on("close", () => Deferred.unsafeDone(closed, Effect.void))
          Deferred.unsafeDone(asked, Effect.void)
        })
        const list = Videos.list().pipe(
          PandaClient.withRetry("none"),
          PandaClient.withTimeout("1 minute"),
          Effect.provide(client(http, { host: "127.0.0.1", port }))
        )
        const fiber = yield* Effect.forkScoped(list)
        yield* Deferred.await(asked)
        yield* how === "a timeout" ? TestClock.adjust("1 minute") : Fiber.interrupt(fiber)
        yield* Deferred.await(closed)
      }))
  }

  it.scopedLive("signed requests are what an emulator on a port accepts", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const address = yield* HttpServer.HttpServer.pipe(Effect.map((server) => server.address))
      const port = address._tag === "TcpAddress" ? address.port : 0
      const layer = client(http, { host: "127.0.0.1", port })
      yield* Effect.gen(function*() {
        assert.lengthOf(yield* Videos.list({ status: "success", per_page: 2 }), 2)
        const created = yield* Videos.create({ source_url: "http://a.example/b c.mp4", payload: "ä+/=&%" })
        assert.strictEqual(created.payload, "ä+/=&%")
        assert.strictEqual((yield* Encodings.list({ video_id: created.id })).length, 2)
        yield* Notifications.update({ url: "http://a.example", events: { video_encoded: true } })
        yield* Videos.delete(created.id)
        assert.strictEqual((yield* Effect.flip(Videos.find("a/b é")))._tag, "PandaNotFound")
        const image = yield* PandaClient.execute("GET", "/videos.json")
        assert.match(image.headers["content-type"]!, /json/)
        assert.lengthOf((yield* image.json) as Array<unknown>, 3)
      }).pipe(PandaClient.withCloud(panda.cloudId), Effect.provide(layer))
      const requests = yield* panda.requests
      assert.deepStrictEqual(requests.map(({ method, status, via }) => [method, status, ...via]), [
        ["GET", 200, "query"],
        ["POST", 200, "form"],
        ["GET", 200, "query"],
        ["PUT", 200, "form"],
        ["DELETE", 200, "query"],
        ["GET", 404, "query"],
        ["GET", 200, "query"]
      ])
      for (const { headers } of requests) {
        assert.isEmpty(
          Object.keys(headers).filter((name) => /^(traceparent|tracestate|b3|expect|authorization)$/.test(name))
        )
        assert.isUndefined(headers["transfer-encoding"])
      }
    }).pipe(
      Effect.withSpan("a span that must not travel"),
      Effect.provide(
        PandaEmulator.layerServer({ videos: 3 }).pipe(
          Layer.provideMerge(NodeHttpServer.layer(createHttpServer, { port: 0, host: "127.0.0.1" }))
        )
      )
    ))
})

it.scopedLive("a fetch that knows no redirect: \"error\", as that of Cloudflare's Workers, follows no redirect", () =>
  Effect.gen(function*() {
    const { Request: Spec } = globalThis
    class Worker extends Spec {
      constructor(input: RequestInfo | URL, init?: RequestInit) {
        if (init?.redirect === "error") throw new TypeError("Invalid redirect value, must be one of follow or manual")
        super(input, init)
      }
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => void (globalThis.Request = Worker)),
      () => Effect.sync(() => void (globalThis.Request = Spec))
    )
    const http = FetchHttpClient.layer.pipe(
      Layer.merge(Layer.succeed(FetchHttpClient.Fetch, (input, init) => fetch(new Worker(input, init))))
    )
    const elsewhere = yield* listen((socket) => socket.end(`${head("content-length: 2")}[]`))
    const here = yield* listen((socket) => socket.end(`${head("content-length: 2")}[]`))
    const moved = yield* listen((socket) =>
      socket.end(
        `HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:${elsewhere.port}/v2/videos.json\r\ncontent-length: 0\r\n\r\n`
      )
    )
    const listFrom = ({ port }: { readonly port: number }) =>
      Videos.list().pipe(PandaClient.withRetry("none"), Effect.provide(client(http, { host: "127.0.0.1", port })))
    assert.deepStrictEqual(yield* listFrom(here), [])
    assert.strictEqual((yield* Effect.flip(listFrom(moved)))._tag, "PandaRejected")
    assert.strictEqual(elsewhere.connections(), 0)
  }))
