import { assert, describe } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, Stream, TestClock } from "effect"
import { Fault } from "effect-panda/PandaEmulator"
import {
  bytes,
  call,
  chunk,
  error,
  failureCode,
  host,
  inject,
  open,
  panda,
  probe,
  type Reply,
  send,
  session,
  sha256,
  test
} from "./rawClient.js"

describe("faults", () => {
  const file = bytes(1000)
  const get = call("GET", "/videos.json")

  test(
    "status, with what a proxy would say, before any signature is looked at",
    Effect.gen(function*() {
      yield* inject("GET /videos.json", Fault.status(503, { retryAfter: 5, headers: { "x-proxy": "1" } }), { times: 2 })
      const unsigned = yield* send({ method: "GET", url: `https://${host}/v2/videos.json` })
      assert.deepStrictEqual([unsigned.status, unsigned.text, unsigned.headers["retry-after"]], [503, "", "5"])
      assert.strictEqual(unsigned.headers["x-proxy"], "1")
      assert.strictEqual((yield* get).status, 503)
      assert.strictEqual((yield* get).status, 200)
      yield* inject("*", Fault.status(500, { error: "InternalError", message: "oops" }))
      assert.deepStrictEqual(error(yield* get), { error: "InternalError", message: "oops" })
      yield* inject("*", Fault.status(502, { body: "<html>" }))
      assert.strictEqual((yield* get).text, "<html>")
      yield* inject("create", Fault.status(503))
      const params = { file_name: "a", file_size: "9" }
      assert.strictEqual((yield* call("POST", "/videos/upload.json", params)).status, 503)
      const seen = (yield* (yield* panda).requests).at(-1)!
      assert.deepInclude(seen, { route: "create", status: 503, fault: "Status", via: ["form"] })
      assert.deepInclude(seen.parameters, params)
      assert.match(seen.timestamp!, /^1970-01-01T/)
    })
  )

  test(
    "rules: patterns, order, times, skip",
    Effect.gen(function*() {
      yield* inject("GET /videos/:id.json", Fault.status(501))
      yield* inject("GET /videos/*/encodings.json", Fault.status(502))
      yield* inject("* /videos.json", Fault.status(503), { skip: 1, times: 2 })
      yield* inject("GET /videos.json", Fault.status(504), { times: Infinity })
      assert.strictEqual((yield* get).status, 504)
      assert.strictEqual((yield* get).status, 503)
      assert.strictEqual((yield* call("POST", "/videos.json")).status, 503)
      assert.strictEqual((yield* get).status, 504)
      assert.strictEqual((yield* call("GET", "/videos/x/encodings.json")).status, 502)
      assert.strictEqual((yield* call("GET", "/videos/x.json")).status, 501)
      assert.strictEqual((yield* call("GET", "/videos/x.json")).status, 404)
      yield* (yield* panda).reset
      assert.strictEqual((yield* get).status, 200)
      assert.strictEqual((yield* (yield* panda).requests).length, 1)
    })
  )

  test(
    "a rule that no request can meet is refused, and its route is named",
    Effect.gen(function*() {
      const refusal = (route: string) =>
        Effect.map(
          Effect.exit(inject(route, Fault.resetBefore)),
          Exit.match({ onSuccess: () => undefined, onFailure: (cause) => Cause.pretty(cause) })
        )
      const impossible = [
        "GET /video.json",
        "get /videos.json",
        "GET /videos",
        "/videos.json",
        "GET /v2/videos.json",
        "PATCH /videos/:id.json",
        "POST /encodings/:id/stop.json",
        "PUT /upload/sessions",
        "GET /upload/session",
        "chunks",
        "Chunk",
        "",
        "**"
      ]
      for (const route of impossible) {
        const told = (yield* refusal(route)) ?? "nothing"
        assert.include(told, `on "${route}" can never fire`)
        assert.include(told, "GET /videos/:id.json")
      }
      assert.isEmpty(yield* (yield* panda).rules)

      const possible = [
        "*",
        "* /videos.json",
        "GET /*",
        "GET /videos/*",
        "GET /videos/0a1b.json",
        "* /:room/:id/encodings.json",
        "GET /profiles/h264.hi.json",
        "create",
        "unknown",
        "preflight",
        "PUT /upload/session",
        "* /upload/session"
      ]
      for (const route of possible) assert.isUndefined(yield* refusal(route), route)
    })
  )

  test(
    "how often a rule has fired can be seen",
    Effect.gen(function*() {
      const { reset, rules } = yield* panda
      const fired = Effect.map(rules, (rules) => rules.map(({ fault, fired, route }) => [fault._tag, route, fired]))
      yield* inject("GET /videos.json", Fault.status(503), { times: 2 })
      yield* inject("chunk", Fault.resetAfter)
      yield* inject("* /videos.json", Fault.delay(0), { skip: 2, times: 5 })
      yield* Effect.all([get, get, get, get])
      assert.deepStrictEqual(yield* fired, [
        ["Status", "GET /videos.json", 2],
        ["ResetAfter", "chunk", 0],
        ["Delay", "* /videos.json", 0]
      ])
      yield* get
      yield* inject("probe", Fault.empty)
      assert.deepStrictEqual((yield* fired).map(([, , fired]) => fired), [2, 0, 1, 0])
      assert.deepInclude((yield* rules)[2], { skip: 2, times: 5 })
      yield* reset
      assert.isEmpty(yield* rules)
    })
  )

  test(
    "delays pass on the clock, and can precede another fault",
    Effect.gen(function*() {
      yield* inject("*", Fault.delay("5 seconds"))
      yield* inject("*", Fault.status(503))
      yield* inject("*", Fault.delayAnswer("2 seconds"))
      const timed = Effect.zip(Effect.map(get, ({ status }) => status), Clock.currentTimeMillis)
      const fiber = yield* Effect.fork(Effect.all([timed, timed]))
      yield* TestClock.adjust("7 seconds")
      assert.deepStrictEqual(yield* fiber, [[503, 5000], [200, 7000]])
    })
  )

  test(
    "broken connections",
    Effect.gen(function*() {
      const post = Effect.exit(call("POST", "/videos.json", { source_url: "http://a/b.mp4" }))
      const videos = Effect.map((yield* panda).videos, (videos) => videos.length)
      yield* inject("*", Fault.refuse)
      assert.strictEqual(failureCode(yield* post), "ECONNREFUSED")
      for (const fault of [Fault.resetBefore, Fault.resetDuring({ after: 0.5 }), Fault.resetDuring({ after: 3 })]) {
        yield* inject("*", fault)
        assert.strictEqual(failureCode(yield* post), "ECONNRESET")
      }
      assert.strictEqual(yield* videos, 0)
      yield* inject("*", Fault.resetAfter)
      assert.strictEqual(failureCode(yield* post), "ECONNRESET")
      assert.strictEqual(yield* videos, 1)
      yield* inject("*", Fault.truncate({ after: 10 }))
      assert.strictEqual(failureCode(yield* post), "ECONNRESET")
      assert.strictEqual(yield* videos, 2)
      const { requests } = yield* panda
      assert.deepStrictEqual((yield* requests).map(({ status }) => status), [
        undefined,
        undefined,
        undefined,
        undefined,
        undefined,
        200
      ])
      assert.strictEqual((yield* requests)[3]!.bodyLength, 3)
    })
  )

  test(
    "a truncated answer has its status, its length and its first bytes",
    Effect.gen(function*() {
      const { httpClient } = yield* panda
      yield* inject("*", Fault.truncate({ after: 10 }))
      const response = yield* httpClient.get(`https://${host}/v2/videos.json`)
      assert.strictEqual(response.status, 400)
      assert.isAbove(Number(response.headers["content-length"]), 10)
      const seen: Array<number> = []
      const exit = yield* Effect.exit(
        Stream.runForEach(response.stream, (bytes) => Effect.sync(() => seen.push(bytes.length)))
      )
      assert.deepStrictEqual(seen, [10])
      assert.strictEqual(failureCode(exit), "ECONNRESET")
    })
  )

  test(
    "wrong bodies, carried out or not",
    Effect.gen(function*() {
      const post = call("POST", "/videos.json", { source_url: "http://a/b.mp4" })
      const videos = Effect.map((yield* panda).videos, (videos) => videos.length)
      yield* inject("*", Fault.errorBody({ error: "S3Error", message: "no" }))
      const wrong = yield* post
      assert.deepStrictEqual([wrong.status, error(wrong)], [200, { error: "S3Error", message: "no" }])
      yield* inject("*", Fault.malformed())
      assert.deepStrictEqual((yield* post).text, "<html>")
      yield* inject("*", Fault.empty)
      assert.deepStrictEqual((yield* post).text, "")
      assert.strictEqual(yield* videos, 0)
      yield* inject("*", Fault.carriedOut(Fault.status(502)))
      assert.strictEqual((yield* post).status, 502)
      assert.strictEqual(yield* videos, 1)
    })
  )

  test(
    "stalls never answer",
    Effect.gen(function*() {
      const { location } = yield* open(1000)
      const stalled = (fault: Fault, first: number, last: number) =>
        Effect.gen(function*() {
          yield* inject("chunk", fault)
          const fiber = yield* Effect.fork(Effect.timeoutOption(chunk(location, file, first, last), "1 minute"))
          yield* TestClock.adjust("1 minute")
          assert.strictEqual((yield* fiber)._tag, "None")
          return (yield* session).stored
        })
      assert.strictEqual(yield* stalled(Fault.stallReading({ after: 30 }), 0, 99), 30)
      assert.strictEqual(yield* stalled(Fault.stall, 30, 99), 100)
      assert.strictEqual(yield* stalled(Fault.stall, 100, 999), 1000)
      assert.strictEqual((yield* probe(location, 1000)).headers["range"], "0-999")
      assert.strictEqual((yield* chunk(location, file, 999, 999)).status, 200)
    })
  )

  test(
    "a chunk that breaks half-way is kept",
    Effect.gen(function*() {
      const { location } = yield* open(1000)
      yield* inject("chunk", Fault.resetDuring({ after: 0.25 }))
      assert.strictEqual(failureCode(yield* Effect.exit(chunk(location, file, 0, 399))), "ECONNRESET")
      assert.deepInclude(yield* session, { stored: 100, acknowledged: 0, received: 100 })
      yield* inject("chunk", Fault.resetAfter)
      yield* Effect.exit(chunk(location, file, 100, 199))
      assert.deepInclude(yield* session, { stored: 200, acknowledged: 0 })
      yield* chunk(location, file, 0, 999)
      assert.deepInclude(yield* session, { receivedTwice: 0, storedTwice: 200, sha256: sha256(file) })
    })
  )

  test(
    "or discarded, if that is asked for",
    Effect.gen(function*() {
      const { location } = yield* open(1000)
      yield* inject("chunk", Fault.resetDuring({ after: 250 }))
      yield* Effect.exit(chunk(location, file, 0, 399))
      assert.deepInclude(yield* session, { stored: 0, received: 250 })
      assert.strictEqual((yield* chunk(location, file, 0, 399)).headers["range"], "0-399")
      yield* inject("chunk", Fault.accept({ bytes: 100 }))
      assert.strictEqual((yield* chunk(location, file, 400, 799)).headers["range"], "0-499")
      yield* chunk(location, file, 500, 999)
      assert.strictEqual((yield* session).sha256, sha256(file))
    }),
    { partialChunks: "discard" }
  )

  test(
    "partial acceptance, of the last chunk too",
    Effect.gen(function*() {
      const { location } = yield* open(1000)
      yield* inject("chunk", Fault.accept({ bytes: 7 }))
      yield* inject("chunk", Fault.accept({ bytes: 100 }))
      yield* inject("chunk", Fault.accept({ bytes: 0 }))
      assert.strictEqual((yield* chunk(location, file, 0, 399)).headers["range"], "0-6")
      const last = yield* chunk(location, file, 7, 999)
      assert.deepStrictEqual([last.status, last.headers["range"]], [204, "0-106"])
      assert.strictEqual((yield* chunk(location, file, 107, 999)).headers["range"], "0-106")
      assert.strictEqual((yield* chunk(location, file, 107, 999)).status, 200)
      assert.deepInclude(yield* session, { sha256: sha256(file), receivedTwice: 0 })
    })
  )

  test(
    "a swallowed final answer: the probe tells the video",
    Effect.gen(function*() {
      const { location } = yield* open(1000)
      yield* inject("chunk", Fault.resetAfter)
      yield* Effect.exit(chunk(location, file, 0, 999))
      assert.deepInclude(yield* session, { status: "complete", acknowledged: 0 })
      const told = yield* probe(location, 1000)
      assert.strictEqual(error(told).id, (yield* session).videoId)
      assert.strictEqual((yield* session).acknowledged, 1000)
    })
  )

  test(
    "not finalised: full Range until the last byte comes again",
    Effect.gen(function*() {
      const { location } = yield* open(1000)
      yield* inject("chunk", Fault.notFinalized)
      assert.strictEqual((yield* chunk(location, file, 0, 499)).headers["range"], "0-499")
      const full = yield* chunk(location, file, 500, 999)
      assert.deepStrictEqual([full.status, full.headers["range"]], [204, "0-999"])
      assert.strictEqual((yield* probe(location, 1000)).headers["range"], "0-999")
      assert.strictEqual((yield* chunk(location, file, 0, 0)).status, 204)
      assert.strictEqual((yield* (yield* panda).videos).length, 0)
      assert.strictEqual((yield* chunk(location, file, 999, 999)).status, 200)

      const other = yield* open(1000)
      yield* inject("*", Fault.backendDown())
      assert.strictEqual((yield* chunk(other.location, file, 0, 999)).status, 502)
      assert.strictEqual((yield* probe(other.location, 1000)).headers["range"], "0-999")
      assert.strictEqual((yield* chunk(other.location, file, 999, 999)).status, 200)
    })
  )

  test(
    "moved locations",
    Effect.gen(function*() {
      const { location } = yield* open(1000)
      yield* inject("chunk", Fault.move())
      const here = (reply: Reply) => reply.headers["location"]
      assert.strictEqual(here(yield* probe(location, 1000)), location)
      const moved = (yield* chunk(location, file, 0, 99)).headers["location"]!
      assert.notStrictEqual(moved, location)
      assert.strictEqual((yield* chunk(location, file, 100, 199)).status, 404)
      assert.deepInclude((yield* probe(moved, 1000)).headers, { range: "0-99", location: moved })
      yield* inject("probe", Fault.move({ relative: true }))
      const relative = (yield* probe(moved, 1000)).headers["location"]!
      assert.match(relative, /^\/upload\/session\?id=/)
      const resolved = new URL(relative, moved).href
      yield* inject("chunk", Fault.move({ status: 503, origin: "https://elsewhere.test" }))
      const busy = yield* chunk(resolved, file, 100, 199)
      assert.deepStrictEqual([busy.status, busy.headers["range"]], [503, undefined])
      assert.strictEqual((yield* session).stored, 100)
      assert.match(busy.headers["location"]!, /^https:\/\/elsewhere\.test\/upload\/session\?id=/)
      const elsewhere = here(busy)!
      assert.strictEqual(here(yield* chunk(elsewhere, file, 100, 199)), elsewhere)
      assert.strictEqual((yield* chunk(elsewhere, file, 200, 999)).status, 200)
      assert.strictEqual((yield* session).locations, 4)
    })
  )

  test(
    "expired sessions",
    Effect.gen(function*() {
      const { location } = yield* open(1000)
      yield* inject("chunk", Fault.expire(410), { skip: 1 })
      assert.strictEqual((yield* chunk(location, file, 0, 99)).status, 204)
      assert.strictEqual((yield* chunk(location, file, 100, 199)).status, 410)
      assert.strictEqual((yield* probe(location, 1000)).status, 410)
      assert.strictEqual((yield* send({ method: "DELETE", url: location })).status, 410)
      assert.deepInclude(yield* session, { status: "expired", stored: 100 })
      assert.include(String(yield* Effect.exit((yield* panda).expireSession("x"))), "no upload session with that id")
      const other = yield* open(10)
      yield* (yield* panda).expireSession(other.id)
      assert.strictEqual((yield* probe(other.location, 10)).status, 404)
    })
  )

  test(
    "Ranges that lie",
    Effect.gen(function*() {
      const { location } = yield* open(1000)
      yield* chunk(location, file, 0, 199)
      yield* inject("probe", Fault.noRange)
      yield* inject("probe", Fault.lieRange({ to: 900 }))
      yield* inject("probe", Fault.backwardRange)
      const range = Effect.map(probe(location, 1000), ({ headers }) => headers["range"])
      assert.deepStrictEqual(yield* Effect.all([range, range, range, range]), [undefined, "0-899", "0-99", "0-199"])
      yield* inject("probe", Fault.lieRange({ to: 900 }))
      assert.strictEqual((yield* probe(location, 1000)).headers["location"], location)
      assert.strictEqual((yield* session).acknowledged, 200)
      yield* inject("chunk", Fault.lieRange({ to: 5 }))
      assert.strictEqual((yield* chunk(location, file, 200, 999)).status, 200)
    })
  )

  test(
    "bytes that are really lost",
    Effect.gen(function*() {
      const { location } = yield* open(1000)
      yield* chunk(location, file, 0, 199)
      yield* inject("probe", Fault.forget())
      assert.isUndefined((yield* probe(location, 1000)).headers["range"])
      const refused = yield* Effect.exit(inject("probe", Fault.forget({ to: 10 })))
      assert.isTrue(Exit.isFailure(refused))
      assert.strictEqual((yield* chunk(location, file, 0, 999)).status, 200)
      assert.deepInclude(yield* session, { sha256: sha256(file), receivedTwice: 0 })
    })
  )

  test(
    "bytes that are lost in part",
    Effect.gen(function*() {
      const { location } = yield* open(1000)
      yield* chunk(location, file, 0, 199)
      yield* inject("chunk", Fault.forget({ to: 50 }))
      assert.strictEqual((yield* chunk(location, file, 200, 999)).headers["range"], "0-49")
      yield* chunk(location, file, 50, 999)
      assert.deepInclude(yield* session, { sha256: sha256(file), receivedTwice: 0, bytes: file })
    }),
    { keepBytes: true }
  )

  test(
    "an early answer reads nothing",
    Effect.gen(function*() {
      const { location } = yield* open(1000)
      yield* inject("chunk", Fault.status(413, { early: true }))
      yield* inject("chunk", Fault.status(422))
      yield* inject("chunk", Fault.carriedOut(Fault.status(502)))
      assert.strictEqual((yield* chunk(location, file, 0, 199)).status, 413)
      assert.strictEqual((yield* chunk(location, file, 0, 199)).status, 422)
      assert.strictEqual((yield* session).stored, 0)
      assert.strictEqual((yield* chunk(location, file, 0, 199)).status, 502)
      assert.strictEqual((yield* session).stored, 200)
      assert.deepStrictEqual((yield* (yield* panda).requests).map((request) => request.bodyLength).slice(1), [
        0,
        200,
        200
      ])
    })
  )
})
