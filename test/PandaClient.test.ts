import * as Cookies from "@effect/platform/Cookies"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as UrlParams from "@effect/platform/UrlParams"
import { assert, describe, it } from "@effect/vitest"
import {
  Clock,
  ConfigProvider,
  Context,
  Effect,
  Exit,
  FastCheck,
  Fiber,
  Layer,
  Logger,
  LogLevel,
  Metric,
  Option,
  Redacted,
  Ref,
  Schedule,
  Schema,
  Stream,
  TestClock,
  TestContext,
  Tracer
} from "effect"
import * as Clouds from "effect-panda/Clouds"
import * as Credentials from "effect-panda/Credentials"
import * as Encodings from "effect-panda/Encodings"
import * as PandaClient from "effect-panda/PandaClient"
import { path } from "effect-panda/PandaClient"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import type { PandaError } from "effect-panda/PandaError"
import * as UploadSession from "effect-panda/UploadSession"
import * as Videos from "effect-panda/Videos"
import { inspect } from "node:util"
import { inject, inTime, panda, refused, seen, sent, test } from "./client/panda.js"
import { thorough } from "./fuzz/seed.js"

/** When each attempt arrived. */
const times = Effect.map(seen, (requests) => requests.map(({ at }) => at))

const increasing = (requests: ReadonlyArray<PandaEmulator.SeenRequest>) => {
  const timestamps = requests.map(({ timestamp }) => timestamp)
  assert.deepStrictEqual(timestamps, Array.from(new Set(timestamps)).sort())
}

describe("raw requests", () => {
  test(
    "get, post, put and delete reach any endpoint",
    Effect.gen(function*() {
      const [video] = yield* PandaClient.get(
        "/videos.json",
        { per_page: 1 },
        Schema.Tuple(Schema.Struct({ id: Schema.String }))
      )
      const created = yield* PandaClient.post("/videos.json", {
        source_url: "http://a.example/b c.mp4",
        payload: "é+/"
      })
      assert.propertyVal(created, "payload", "é+/")
      yield* PandaClient.put("/notifications.json", { url: "http://a.example", events: { video_created: true } })
      assert.deepStrictEqual(yield* PandaClient.delete(`/videos/${video.id}.json`), { deleted: "ok" })
      assert.lengthOf((yield* PandaClient.get("/videos.json")) as Array<unknown>, 2)
      const requests = yield* seen
      const cloud_id = "emulated-cloud-id"
      const parameters = { source_url: "http://a.example/b c.mp4", payload: "é+/" }
      const setting = { url: "http://a.example", events: { video_created: "true" } }
      assert.deepStrictEqual(requests.map(sent), [
        { request: "GET /videos.json", parameters: { per_page: "1" }, via: ["query"] },
        { request: "POST /videos.json", parameters, via: ["form"] },
        { request: "PUT /notifications.json", parameters: setting, via: ["form"] },
        { request: `DELETE /videos/${video.id}.json`, parameters: {}, via: ["query"] },
        { request: "GET /videos.json", parameters: {}, via: ["query"] }
      ])
      for (const { parameters, status } of requests) {
        assert.deepStrictEqual([parameters["cloud_id"], status], [cloud_id, 200])
      }
      const [get, post] = requests
      assert.strictEqual(get!.headers["accept"], "application/json")
      assert.isUndefined(get!.headers["content-length"])
      assert.strictEqual(post!.headers["content-type"], "application/x-www-form-urlencoded")
      assert.strictEqual(post!.headers["content-length"], String(post!.bodyLength))
      assert.notProperty(post!.headers, "expect")
      increasing(requests)
    }),
    { videos: 2 }
  )

  test(
    "a schema that does not fit is a decode error with its place",
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        PandaClient.get("/videos.json", {}, Schema.Array(Schema.Struct({ no: Schema.Int })))
      )
      assert.strictEqual(error._tag, "PandaDecodeError")
      assert.include(error.message, "PandaClient.get: the answer at 0.no is missing")
    }),
    { videos: 1 }
  )

  test(
    "nothing is null",
    Effect.gen(function*() {
      yield* inject(Fault.empty)
      assert.isNull(yield* PandaClient.delete("/videos/1.json"))
    })
  )

  const notPaths = [
    "",
    "videos.json",
    "//evil.example/videos.json",
    "https://evil.example/videos.json",
    "/../videos.json",
    "/videos/../clouds.json",
    "/videos/%2e%2e/clouds.json",
    "/videos/./1.json",
    "/a b.json",
    "/a\tb.json",
    "/videos.json\n",
    "/é.json",
    "/\ud800.json",
    "/a\\b.json",
    "/videos.json?page=1",
    "/videos.json#1"
  ]
  it.effect.each(notPaths)("the path %j is refused, since an URL would change it", (path) =>
    Effect.gen(function*() {
      const { delete: del, get, post, put } = PandaClient
      for (const [method, call] of Object.entries({ get, post, put, delete: del })) {
        const error = yield* Effect.flip(call(path))
        assert.strictEqual(error._tag, "PandaInputError")
        assert.include(error.message, `PandaClient.${method}: path: `)
      }
      const error = yield* Effect.flip(PandaClient.execute("GET", path))
      assert.strictEqual(error._tag, "PandaInputError")
      assert.isEmpty(yield* seen)
    }).pipe(Effect.provide(PandaEmulator.layerTest())))

  test(
    "an escaped path is sent as it is",
    Effect.gen(function*() {
      const error = yield* Effect.flip(PandaClient.get("/profiles/a%20b%2Fc.json"))
      assert.strictEqual(error._tag, "PandaNotFound")
      assert.include(error.message, "with ID=a b/c")
    })
  )

  test(
    "parameters that have no form on the wire are refused in the operation's name",
    Effect.gen(function*() {
      const error = yield* Effect.flip(PandaClient.post("/videos.json", { profiles: ["h264"] as never }))
      assert.strictEqual(error._tag, "PandaInputError")
      assert.match(error.message, /^PandaClient\.post: profiles: the value is a list/)
      assert.isEmpty(yield* seen)
    })
  )

  test(
    "execute gives the response whatever its status",
    Effect.gen(function*() {
      const response = yield* PandaClient.execute("GET", "/videos/none.json")
      assert.strictEqual(response.status, 404)
      assert.propertyVal(yield* response.json, "error", "RecordNotFound")
      yield* inject(Fault.status(503), { times: 9 })
      assert.strictEqual((yield* PandaClient.execute("GET", "/videos.json")).status, 503)
      assert.lengthOf(yield* seen, 2)
    })
  )

  /** Answers each request so. */
  const answering = (answer: () => Response) =>
    PandaClient.layer.pipe(
      Layer.provide(Layer.orDie(Credentials.layer({ accessKey: "a", secretKey: Redacted.make("s"), cloudId: "c" }))),
      Layer.provide(Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make((request) => Effect.sync(() => HttpClientResponse.fromWeb(request, answer())))
      ))
    )

  const form = new URLSearchParams({ a: "1" })
  it.effect.each<[keyof HttpClientResponse.HttpClientResponse, BodyInit, (value: never) => unknown, unknown]>([
    ["text", "[1]", (text: string) => text, "[1]"],
    ["json", "[1]", (value: unknown) => value, [1]],
    ["urlParamsBody", form, UrlParams.toRecord, { a: "1" }],
    ["formData", form, (data: FormData) => data.get("a"), "1"],
    ["arrayBuffer", "[1]", (buffer: ArrayBuffer) => buffer.byteLength, 3]
  ])(
    "the %s of a raw answer is read, or fails without what the request was signed with",
    ([how, body, shown, value]) =>
      Effect.gen(function*() {
        const read = Effect.flatMap(
          PandaClient.execute("GET", "/videos.json"),
          (response) => response[how] as Effect.Effect<never, HttpClientError.ResponseError>
        )
        const result = yield* Effect.provide(read, answering(() => new Response(body)))
        assert.deepStrictEqual(shown(result), value)

        const broken = () =>
          new Response(new ReadableStream({ pull: (controller) => controller.error(new Error("broken")) }))
        const error = yield* Effect.flip(Effect.provide(read, answering(broken)))
        if (error._tag !== "ResponseError") return assert.fail(String(error))
        assert.strictEqual(error.request.url, "https://api.pandastream.com/v2/videos.json")
        for (const text of [inspect(error, { depth: 9 }), JSON.stringify(error), String(error)]) {
          assert.notInclude(text, "signature")
        }
      })
  )

  it.effect("of a raw answer there are also the bytes as they come, and the head", () =>
    Effect.gen(function*() {
      const response = yield* PandaClient.execute("GET", "/videos.json")
      const text = yield* Stream.mkString(Stream.decodeText(response.stream))
      assert.strictEqual(text, "[1]")
      assert.propertyVal(response.headers, "content-type", "application/json")
      assert.deepStrictEqual(Cookies.toRecord(response.cookies), { a: "b" })
      assert.isTrue(Option.isNone(response.remoteAddress))
      assert.deepInclude(response.toJSON(), { status: 200 })
    }).pipe(Effect.provide(answering(() =>
      new Response("[1]", { headers: { "content-type": "application/json", "set-cookie": "a=b" } })
    ))))

  test(
    "execute is sent again where no answer came, unless it is a POST that may have arrived",
    Effect.gen(function*() {
      yield* inject(Fault.resetAfter)
      const response = yield* inTime(PandaClient.execute("PUT", "/notifications.json", { url: "http://a.example" }))
      assert.strictEqual(response.status, 200)
      yield* inject(Fault.resetAfter)
      const params = { source_url: "http://a.example/b.mp4" }
      const error = yield* inTime(Effect.flip(PandaClient.execute("POST", "/videos.json", params)))
      assert.deepInclude({ ...error }, { _tag: "PandaTransportError", reason: "Interrupted", ambiguous: true } as never)
      yield* inject(Fault.stall)
      const late = yield* inTime(Effect.flip(PandaClient.execute("POST", "/videos.json", params)))
      assert.deepInclude({ ...late }, { _tag: "PandaTransportError", reason: "Timeout" } as never)
      assert.lengthOf(yield* seen, 4)
    })
  )
})

describe("path", () => {
  const ids = [
    "a/b",
    "../clouds",
    "..\\clouds",
    "a?b=c",
    "a#b",
    "a b",
    " a",
    "a%2Fb",
    "%2e%2e",
    "a\nb",
    "a\u0000b",
    "a.json",
    "...",
    "é𝄞",
    "!'()*",
    ";,:@&=+$",
    "[]^`{|}~\"<>"
  ]
  it.effect.each(ids)("the id %j is one segment", (id) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Videos.find(id))
      assert.strictEqual(error._tag, "PandaNotFound")
      const [request, ...others] = yield* seen
      assert.isEmpty(others)
      assert.strictEqual(request!.route, "GET /videos/:id.json")
      assert.strictEqual(request!.path, `/videos/${encodeURIComponent(id)}.json`)
    }).pipe(Effect.provide(PandaEmulator.layerTest())))

  const none = ["", " ", "\t\n", ".", "..", "\ud800", undefined as never, null as never, 7 as never, ["a"] as never]
  it.effect.each(none.map((id) => ({ id })))("the id $id is none", ({ id }) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Videos.find(id))
      assert.deepInclude({ ...error }, { _tag: "PandaInputError", operation: "Videos.find", parameter: "id" } as never)
      assert.isEmpty(yield* seen)
    }).pipe(Effect.provide(PandaEmulator.layerTest())))

  it.effect.prop(
    "no id reaches another endpoint",
    [FastCheck.oneof(FastCheck.fullUnicodeString(), FastCheck.string({ unit: "binary" }))],
    ([id]) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Videos.find(id))
        const [request] = yield* seen
        if (request === undefined) {
          assert.strictEqual(error._tag, "PandaInputError")
        } else {
          assert.strictEqual(error._tag, "PandaNotFound")
          assert.strictEqual(request.route, "GET /videos/:id.json")
          const [, root, segment, ...others] = request.path.split("/")
          assert.deepStrictEqual([root, decodeURIComponent(segment!), others], ["videos", `${id}.json`, []])
        }
      }).pipe(Effect.provide(PandaEmulator.layerTest())),
    { fastCheck: { numRuns: 40 } }
  )
})

describe("withRetry", () => {
  test(
    "changes the policy for a region of code",
    Effect.gen(function*() {
      const attempts = (effect: Effect.Effect<unknown, PandaError, PandaClient.PandaClient>) =>
        Effect.gen(function*() {
          const before = (yield* seen).length
          yield* inTime(Effect.flip(effect))
          return (yield* seen).length - before
        })
      yield* inject(Fault.status(500), { times: Infinity })
      assert.strictEqual(yield* attempts(PandaClient.withRetry(Videos.list(), "none")), 1)
      assert.strictEqual(yield* attempts(Videos.list().pipe(PandaClient.withRetry(Schedule.recurs(2)))), 3)
      assert.strictEqual(
        yield* attempts(Videos.create({ source_url: "x" }).pipe(PandaClient.withRetry(Schedule.recurs(2)))),
        1
      )
      const inner = Videos.list().pipe(PandaClient.withRetry("none"), PandaClient.withRetry(Schedule.recurs(2)))
      assert.strictEqual(yield* attempts(inner), 1)
      assert.strictEqual(yield* attempts(Videos.list()), 5)
    })
  )

  test(
    "takes a schedule, which sees the errors, and whose longer delay a Retry-After does not shorten",
    Effect.gen(function*() {
      const errors = yield* Ref.make<ReadonlyArray<PandaError>>([])
      const policy: PandaClient.RetryPolicy = Schedule.spaced("1 minute").pipe(
        Schedule.intersect(Schedule.recurs(3)),
        Schedule.tapInput((error: PandaError) => Ref.update(errors, (all) => [...all, error]))
      )
      yield* inject(Fault.status(500))
      yield* inject(Fault.status(429, { retryAfter: 5 }))
      yield* inTime(Videos.list().pipe(PandaClient.withRetry(policy)))
      assert.deepStrictEqual((yield* Ref.get(errors)).map(({ _tag }) => _tag), ["PandaServerError", "PandaRateLimited"])
      assert.deepStrictEqual(yield* times, [0, 60_000, 120_000])
    })
  )
})

describe("the clock", () => {
  const expired = { error: "NotAuthorized", message: "Signatures expired" }

  test(
    "is corrected once, and stays corrected",
    Effect.gen(function*() {
      const { setSkew } = yield* panda
      yield* TestClock.setTime(Date.UTC(2026, 10, 22, 12))
      yield* setSkew("10 minutes")
      yield* Videos.list()
      yield* Videos.create({ source_url: "http://a.example/b.mp4" })
      yield* setSkew(-1000 * 60)
      yield* Videos.list()
      const requests = yield* seen
      assert.deepStrictEqual(requests.map(({ status }) => status), [401, 200, 200, 200])
      assert.deepStrictEqual(requests.map(({ timestamp }) => timestamp?.slice(11, 19)), [
        "12:00:00",
        "12:10:00",
        "12:10:00",
        "12:10:00"
      ])
      increasing(requests)
    })
  )

  test(
    "is corrected for requests that are under way together",
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2026, 10, 22, 12))
      yield* (yield* panda).setSkew("10 minutes")
      const lists = Array.from({ length: 20 }, () => Videos.list())
      // They are all answered late, so that all are signed before the first correction.
      yield* inject(Fault.delay("1 second"), { times: 20 })
      assert.lengthOf(yield* inTime(Effect.all(lists, { concurrency: "unbounded" })), 20)
      assert.lengthOf((yield* seen).filter(({ status }) => status === 401), 20)
    })
  )

  test(
    "goes back too, when the server is behind",
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2026, 10, 22, 12))
      const { setSkew } = yield* panda
      yield* setSkew("10 minutes")
      yield* Videos.list()
      yield* inject(Fault.status(401, { ...expired, headers: { date: "Sun, 22 Nov 2026 11:00:00 GMT" } }))
      yield* setSkew(-1000 * 60 * 60)
      yield* Videos.list()
      assert.strictEqual((yield* seen).at(-1)!.timestamp!.slice(11, 19), "11:00:00")
    })
  )

  test(
    "is what a second refusal is about",
    Effect.gen(function*() {
      yield* inject(Fault.status(401, expired), { times: 9 })
      const error = yield* Effect.flip(Videos.list())
      assert.deepInclude({ ...error }, { _tag: "PandaAuthError", reason: "SignatureExpired" } as never)
      assert.include(error.message, "Set this machine's clock")
    })
  )

  test(
    "another refusal has nothing to do with it",
    Effect.gen(function*() {
      const { accessKey, cloudId } = yield* panda
      const wrong = Credentials.layer({ accessKey, secretKey: Redacted.make("wrong"), cloudId })
      const error = yield* Effect.flip(Videos.list().pipe(Effect.provide(Layer.provide(PandaClient.layer, wrong))))
      assert.deepInclude({ ...error }, { _tag: "PandaAuthError", reason: "SignatureMismatch", status: 401 } as never)
      assert.lengthOf(yield* seen, 1)
    })
  )

  /** Shows these milliseconds, each for ten looks, and stays at the last. */
  const clockShowing = (shown: ReadonlyArray<number>): Clock.Clock => {
    let looks = 0
    const unsafeCurrentTimeMillis = () => shown[Math.min(Math.floor(looks++ / 10), shown.length - 1)]!
    const own = { unsafeCurrentTimeMillis, currentTimeMillis: Effect.sync(unsafeCurrentTimeMillis) }
    return Object.assign(Object.create(Clock.make()) as Clock.Clock, own)
  }

  const clocks = [
    { what: "stands still", clock: clockShowing([1_000_000]), count: 1000 },
    { what: "goes back", clock: clockShowing(Array.from({ length: 100 }, (_, i) => 1_000_000 - i)), count: 200 }
  ]
  it.effect.each(clocks)(
    "while it $what, $count concurrent requests have timestamps that increase",
    ({ clock, count }) =>
      Effect.gen(function*() {
        const requests = Array.from({ length: count }, (_, i) => i % 2 === 0 ? Videos.list() : Videos.delete("1"))
        yield* Effect.all(requests.map(Effect.ignore), { concurrency: "unbounded" })
        const all = yield* seen
        assert.lengthOf(all, count)
        assert.isEmpty(all.filter(({ status }) => status === 401))
        increasing(all)
      }).pipe(Effect.provide(PandaEmulator.layerTest()), Effect.withClock(clock))
  )
})

describe("a time limit", () => {
  test(
    "of 30 seconds for each attempt",
    Effect.gen(function*() {
      yield* inject(Fault.stall)
      const fiber = yield* Effect.fork(Effect.flip(PandaClient.withRetry(Videos.list(), "none")))
      yield* TestClock.adjust("29999 millis")
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(fiber)
      assert.deepInclude({ ...error }, {
        _tag: "PandaTransportError",
        reason: "Timeout",
        ambiguous: true,
        host: "https://api.pandastream.com"
      } as never)
      assert.include(error.message, "Videos.list: no answer from https://api.pandastream.com in time")
    })
  )

  test(
    "which withTimeout changes for a region of code",
    Effect.gen(function*() {
      yield* inject(Fault.delay("20 seconds"), { times: 2 })
      const impatient = Videos.list().pipe(PandaClient.withTimeout("5 seconds"), PandaClient.withRetry("none"))
      assert.strictEqual((yield* inTime(Effect.flip(impatient)))._tag, "PandaTransportError")
      assert.deepStrictEqual(yield* inTime(Videos.list()), [])
      yield* inject(Fault.delay("5 minutes"))
      assert.deepStrictEqual(yield* inTime(PandaClient.withTimeout(Videos.list(), "10 minutes")), [])
    })
  )

  test(
    "holds for an answer that begins and does not end too",
    Effect.gen(function*() {
      yield* inject(Fault.stall, { times: 2 })
      yield* inTime(Videos.list())
      const at = yield* times
      assert.lengthOf(at, 3)
      assert.isTrue(at[1]! >= 30_000 && at[1]! <= 30_200)
    })
  )
})

describe("answers", () => {
  const find = PandaClient.request({
    name: "Test.find",
    method: "GET",
    path: path`/videos/${"1"}.json`,
    result: Schema.Struct({ id: Schema.String })
  })

  const rows = [
    {
      what: "JSON that is cut",
      text: "{\"id\": \"1",
      body: "{\"id\": \"1",
      description: "is not what the contract says"
    },
    {
      what: "HTML",
      text: "<html>\nhello</html>",
      body: "<html> hello</html>",
      description: "is not what the contract says"
    },
    { what: "nothing", text: "", body: "", description: "is empty" },
    { what: "white space", text: "\r\n", body: "", description: "is empty" },
    { what: "JSON of another shape", text: "[1]", body: "[1]", description: "is not what the contract says" }
  ]
  it.effect.each(rows)("$what where JSON is due", ({ body, description, text }) =>
    Effect.gen(function*() {
      yield* inject(Fault.malformed(text))
      const error = yield* Effect.flip(find)
      const expected = { _tag: "PandaDecodeError", operation: "Test.find", status: 200, path: [], description, body }
      assert.deepInclude({ ...error }, expected as never)
    }).pipe(Effect.provide(PandaEmulator.layerTest())))

  test(
    "a byte order mark is no obstacle, nor is text beyond ASCII",
    Effect.gen(function*() {
      yield* inject(Fault.malformed("\ufeff{\"id\":\"é𝄞\"}"))
      assert.deepStrictEqual(yield* find, { id: "é𝄞" })
    })
  )

  const deep = `${"[".repeat(50_000)}${"]".repeat(50_000)}`
  const harmful: ReadonlyArray<readonly [where: string, body: string, path: ReadonlyArray<string>]> = [
    ["nested alone", deep, []],
    ["nested where text is due", `{"id":${deep}}`, []],
    ["nested in an attribute of no interest", `{"id":"1","x":${deep}}`, []],
    ["nested in an error's message", `{"error":"E","message":${deep}}`, []],
    ["nested as deep as no schema minds", `{"id":"1","x":${"[".repeat(101)}${"]".repeat(101)}}`, []],
    ["nested where the name comes again", `{"id":"1","x":${deep},"x":9007199254740993}`, []],
    ["with a name that cannot be shown", `{"id":{"constructor":{"name":{"toString":1,"valueOf":1}}}}`, ["id"]]
  ]
  it.effect.each(harmful)(
    "a body that can only mean harm, %s, is a PandaDecodeError",
    ([, body, path]) =>
      Effect.gen(function*() {
        for (const operation of [Videos.find("1"), Effect.asVoid(PandaClient.get("/videos.json", {}, Videos.Video))]) {
          yield* inject(Fault.malformed(body))
          const error = yield* Effect.flip(operation)
          assert.deepInclude({ ...error }, { _tag: "PandaDecodeError", path } as never)
        }
      }).pipe(Effect.provide(PandaEmulator.layerTest()))
  )

  test(
    "a body cannot give an entity a prototype with attributes that no schema has seen",
    Effect.gen(function*() {
      for (const name of ["__proto__", "\\u005f_proto__"]) {
        const spoofed = `{"id":"1","x":{"${name}":{"y":1}},"${name}":{"status":"success","duration":"long"}}`
        yield* inject(Fault.malformed(spoofed))
        const video = yield* Videos.find("1")
        assert.isUndefined(video.status)
        assert.isUndefined(video.duration)
        assert.deepStrictEqual(JSON.parse(Videos.toJson(video)), { id: "1", x: {} })
      }
    })
  )

  test(
    "a body of 32 MiB is read, a longer one is not",
    Effect.gen(function*() {
      const padded = (size: number) => `{"id":"1"}${" ".repeat(size - 10)}`
      yield* inject(Fault.malformed(padded(32 * 1024 * 1024)))
      yield* inject(Fault.malformed(padded(32 * 1024 * 1024 + 1)))
      assert.deepStrictEqual(yield* find, { id: "1" })
      const error = yield* Effect.flip(find)
      assert.strictEqual(error._tag, "PandaDecodeError")
      assert.include(error.message, "the answer is longer than 32 MiB")
    })
  )

  test(
    "Acknowledged takes whatever comes",
    Effect.gen(function*() {
      const acknowledge = PandaClient.request({
        name: "Test.delete",
        method: "DELETE",
        path: path`/videos/${"1"}.json`,
        result: PandaClient.Acknowledged
      })
      for (const text of ["", "{\"deleted\":\"ok\"}", "\"ok\"", "true", "null", "[]"]) {
        yield* inject(Fault.malformed(text))
        assert.isUndefined(yield* acknowledge)
      }
      yield* inject(Fault.errorBody({ error: "RecordNotFound", message: "gone" }))
      assert.strictEqual((yield* Effect.flip(acknowledge))._tag, "PandaNotFound")
      assert.isNull(yield* Schema.encode(PandaClient.Acknowledged)(undefined))
    })
  )

  test(
    "a host that refuses is named, without the query",
    Effect.gen(function*() {
      yield* inject(Fault.refuse, { times: 9 })
      const error = yield* Effect.flip(PandaClient.withRetry(Videos.list(), "none"))
      assert.deepInclude({ ...error }, {
        _tag: "PandaTransportError",
        reason: "Connect",
        ambiguous: false,
        host: "https://api.pandastream.com",
        code: "ECONNREFUSED"
      } as never)
      assert.notInclude(inspect(error), "?")
    })
  )
})

describe("clouds and accounts", () => {
  test(
    "withCloud runs a region of code against another cloud",
    Effect.gen(function*() {
      const created = yield* PandaClient.post(
        "/clouds.json",
        { s3_videos_bucket: "b" },
        Schema.Struct({ id: Schema.String })
      )
      assert.lengthOf(yield* Videos.list(), 3)
      assert.lengthOf(yield* Videos.list().pipe(PandaClient.withCloud(created.id)), 0)
      assert.lengthOf(
        yield* PandaClient.withCloud(Videos.list().pipe(PandaClient.withCloud("emulated-cloud-id")), "other"),
        3
      )
      const error = yield* Effect.flip(PandaClient.withCloud(Videos.list(), "other"))
      assert.strictEqual(error._tag, "PandaNotFound")
      assert.deepStrictEqual((yield* seen).map(({ parameters }) => parameters["cloud_id"]), [
        "emulated-cloud-id",
        "emulated-cloud-id",
        created.id,
        "emulated-cloud-id",
        "other"
      ])
    }),
    { videos: 3 }
  )

  test(
    "a token travels alone, with the cloud if there is one",
    Effect.gen(function*() {
      const { cloudId, token } = yield* panda
      const using = (options: Credentials.TokenOptions) =>
        Effect.provide(Layer.provide(PandaClient.layer, Credentials.layer(options)))
      assert.lengthOf(yield* Videos.list().pipe(using({ token })), 3)
      assert.lengthOf(yield* Videos.list().pipe(using({ token, cloudId })), 3)
      yield* PandaClient.put("/notifications.json", { url: "http://a.example" }).pipe(using({ token }))
      const error = yield* Effect.flip(Videos.list().pipe(using({ token: Redacted.make("clou_wrong") })))
      assert.strictEqual(error._tag, "PandaAuthError")
      const requests = yield* seen
      assert.deepStrictEqual(
        requests.map(({ parameters }) => parameters),
        [
          {},
          { cloud_id: cloudId },
          { url: "http://a.example" },
          {}
        ].map((parameters) => Object.assign(Object.create(null), parameters))
      )
      assert.isTrue(requests.every(({ timestamp }) => timestamp === undefined))
    }),
    { videos: 3 }
  )

  test(
    "two clients live in one program, each with its own clock",
    Effect.gen(function*() {
      const { accessKey, secretKey } = yield* panda
      const mine = Context.get(
        yield* Layer.build(
          Layer.provide(PandaClient.layer, Credentials.layer({ accessKey, secretKey, cloudId: "other" }))
        ),
        PandaClient.PandaClient
      )
      const error = yield* Effect.flip(Videos.list().pipe(Effect.provideService(PandaClient.PandaClient, mine)))
      assert.strictEqual(error._tag, "PandaNotFound")
      assert.deepStrictEqual(yield* Videos.list(), [])
    }).pipe(Effect.scoped)
  )

  it.effect("layerConfig takes the credentials from the environment", () =>
    Effect.gen(function*() {
      assert.lengthOf(yield* Videos.list(), 3)
      assert.strictEqual((yield* seen)[0]!.headers["host"], "panda.example:8080")
    }).pipe(
      Effect.provide(
        Layer.provideMerge(PandaClient.layerConfig({ port: 8080 }), PandaEmulator.layer({ videos: 3 }))
      ),
      Effect.withConfigProvider(
        ConfigProvider.fromMap(
          new Map([
            ["PANDA_ACCESS_KEY", "emulated-access-key"],
            ["PANDA_SECRET_KEY", "emulated-secret-key"],
            ["PANDA_CLOUD_ID", "emulated-cloud-id"],
            ["PANDA_HOST", "panda.example"]
          ])
        )
      )
    ))
})

describe("the cloud", () => {
  const without = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.flatMap(
      panda,
      ({ accessKey, secretKey }) =>
        Effect.provide(
          effect,
          Layer.provide(PandaClient.layer, Credentials.layer({ accessKey, secretKey, cloudId: "" }))
        )
    )
  const calls: Record<string, Effect.Effect<unknown, PandaError, PandaClient.PandaClient>> = {
    "an operation": Videos.list(),
    "an upload session": UploadSession.create({ file_name: "a.mp4", file_size: 1 }),
    "a raw request": PandaClient.get("/videos.json"),
    "a raw answer": PandaClient.execute("POST", "/profiles.json"),
    "the current cloud": Clouds.current
  }
  test(
    "is needed by all but the calls about clouds, and asked for by its name before anything is sent",
    Effect.gen(function*() {
      for (const call of Object.values(calls)) {
        yield* refused(without(call), "cloudId", /PANDA_CLOUD_ID.*withCloud/)
        yield* refused(PandaClient.withCloud(call, ""), "cloudId", /PANDA_CLOUD_ID/)
        yield* refused(PandaClient.withCloud(call, " "), "cloudId", /PANDA_CLOUD_ID/)
      }
      yield* refused(PandaClient.withCloud(Videos.all(), "").pipe(Stream.runDrain), "cloudId", /PANDA_CLOUD_ID/)
      assert.lengthOf(yield* without(Clouds.list()), 1)
      yield* without(PandaClient.get("/clouds.json"))
      const { cloudId } = yield* panda
      assert.lengthOf(yield* without(PandaClient.withCloud(Videos.list(), cloudId)), 3)
      assert.isArray(yield* without(PandaClient.get("/videos.json", { cloud_id: cloudId })))
    }),
    { videos: 3 }
  )

  test(
    "of the caller is another's: refused, not dropped",
    Effect.gen(function*() {
      const { cloudId } = yield* panda
      yield* refused(PandaClient.get("/videos.json", { cloud_id: "other" }), "cloud_id", /withCloud/)
      yield* refused(Videos.list({ cloud_id: "other" } as never), "cloud_id", /is unexpected.*withCloud/)
      yield* refused(
        Encodings.create({ video_id: "v", profile_name: "p", cloud_id: "other" } as never),
        "cloud_id",
        /is unexpected.*withCloud/
      )
      yield* PandaClient.get("/videos.json", { cloud_id: cloudId })
    })
  )
})

describe("settings of a region", () => {
  test(
    "hold for streams, in both forms",
    Effect.gen(function*() {
      const created = yield* PandaClient.post(
        "/clouds.json",
        { s3_videos_bucket: "b" },
        Schema.Struct({ id: Schema.String })
      )
      const pages = Videos.all({ per_page: 2 })
      const there: Stream.Stream<Videos.Video, PandaError, PandaClient.PandaClient> = pages.pipe(
        PandaClient.withCloud(created.id)
      )
      assert.strictEqual(yield* Stream.runCount(there), 0)
      assert.strictEqual(yield* Stream.runCount(PandaClient.withCloud(pages, created.id)), 0)
      assert.strictEqual(yield* Stream.runCount(pages), 3)
      yield* inject(Fault.status(503), { times: 2 })
      const error = yield* pages.pipe(PandaClient.withRetry("none"), Stream.runDrain, Effect.flip)
      assert.strictEqual(error._tag, "PandaServerError")
      const changed = pages.pipe(
        PandaClient.withTransform((request) => Effect.succeed(HttpClientRequest.setHeader(request, "x-own", "1"))),
        PandaClient.withTimeout("1 minute"),
        PandaClient.withRetryBudget("unlimited")
      )
      assert.strictEqual(yield* inTime(Stream.runCount(changed)), 3)
      assert.strictEqual((yield* seen).at(-1)!.headers["x-own"], "1")
    }),
    { videos: 3 }
  )
})

describe("raw parameters with brackets in their names", () => {
  test(
    "are signed as the server reads them: nested",
    Effect.gen(function*() {
      yield* PandaClient.put("/notifications.json", { "events[video_created]": true, url: "http://a.example" })
      yield* PandaClient.put("/notifications.json", { "events[video_created]": false, events: { video_encoded: true } })
      const answer = yield* PandaClient.get("/notifications.json")
      assert.deepInclude(answer, { url: "http://a.example" })
      assert.deepInclude((answer as { events: object }).events, { video_created: false, video_encoded: true })
    })
  )

  test(
    "are refused where they are no nesting, or the same twice",
    Effect.gen(function*() {
      for (const name of ["a[]", "a[b][c]", "[a]", "a[b", "a]b", "a b[c]"]) {
        yield* refused(PandaClient.get("/videos.json", { [name]: "x" }), name, /nested/)
      }
      yield* refused(PandaClient.get("/videos.json", { "a[b]": 1, a: { b: 2 } }), "a", /twice/)
      yield* refused(PandaClient.get("/videos.json", { "a[b]": 1, a: 2 }), "a", /twice/)
    })
  )

  test(
    "a slash at the end of a path is neither signed nor sent",
    Effect.gen(function*() {
      assert.isArray(yield* PandaClient.get("/videos.json/"))
      assert.strictEqual((yield* seen)[0]!.path, "/videos.json")
    })
  )
})

describe("what can be observed", () => {
  /** Spans as the tracer of the platform makes them, kept. */
  const recording = Effect.map(Effect.tracer, (tracer) => {
    const spans: Array<Tracer.Span> = []
    return {
      spans,
      tracer: Tracer.make({
        context: tracer.context,
        span: (...args) => {
          const span = tracer.span(...args)
          spans.push(span)
          return span
        }
      })
    }
  })

  test(
    "one span for an operation, and a child for each attempt",
    Effect.gen(function*() {
      const { spans, tracer } = yield* recording
      yield* inject(Fault.status(503))
      yield* inject(Fault.refuse)
      yield* inTime(Videos.list({ status: "fail" })).pipe(Effect.withTracer(tracer))
      yield* Effect.flip(Videos.find("7")).pipe(Effect.withTracer(tracer))
      yield* PandaClient.execute("PUT", "/notifications.json").pipe(Effect.withTracer(tracer))
      yield* Effect.flip(Videos.find("")).pipe(Effect.withTracer(tracer))
      const shown = spans.map(({ attributes, kind, name, parent, status }): unknown => ({
        name,
        kind,
        parent: Option.match(parent, {
          onNone: () => undefined,
          onSome: (parent) => parent._tag === "Span" ? parent.name : parent._tag
        }),
        attributes: Object.fromEntries(attributes),
        ok: status._tag === "Ended" && Exit.isSuccess(status.exit)
      }))
      const attempt = { name: "Panda.attempt", kind: "client" }
      const on = (method: string, path: string, status?: number) => ({
        "http.request.method": method,
        "server.address": "api.pandastream.com",
        "url.path": path,
        ...(status === undefined ? {} : { "http.response.status_code": status })
      })
      const status = (code: number, error?: string) => ({
        "http.response.status_code": code,
        ...(error === undefined ? {} : { "error.type": error })
      })
      const list = { name: "Panda.Videos.list", kind: "internal", parent: undefined }
      const find = { ...list, name: "Panda.Videos.find" }
      const execute = { ...list, name: "Panda.PandaClient.execute" }
      assert.deepStrictEqual(shown, [
        { ...list, attributes: on("GET", "/videos.json", 200), ok: true },
        { ...attempt, parent: "Panda.Videos.list", attributes: status(503, "PandaServerError"), ok: false },
        { ...attempt, parent: "Panda.Videos.list", attributes: { "error.type": "PandaTransportError" }, ok: false },
        { ...attempt, parent: "Panda.Videos.list", attributes: status(200), ok: true },
        { ...find, attributes: on("GET", "/videos/7.json", 404), ok: false },
        { ...attempt, parent: "Panda.Videos.find", attributes: status(404, "PandaNotFound"), ok: false },
        { ...execute, attributes: on("PUT", "/notifications.json", 200), ok: true },
        { ...attempt, parent: "Panda.PandaClient.execute", attributes: status(200), ok: true },
        {
          ...find,
          attributes: { "http.request.method": "GET", "server.address": "api.pandastream.com" },
          ok: false
        }
      ])
      for (const { headers } of yield* seen) {
        assert.isEmpty(Object.keys(headers).filter((name) => /^(traceparent|tracestate|b3|x-b3-)/.test(name)))
      }
    })
  )

  test(
    "requests and retries are counted",
    Effect.gen(function*() {
      const counted = (name: string) => {
        const call = PandaClient.request({ name, method: "GET", path: path`/videos.json`, result: Schema.Unknown })
        return inTime(Effect.exit(call))
      }
      yield* inject(Fault.status(503), { times: 2 })
      yield* counted("Metrics.recovers")
      yield* inject(Fault.status(404))
      yield* counted("Metrics.fails")
      yield* inject(Fault.refuse, { times: 5 })
      yield* counted("Metrics.exhausts")
      const snapshot = yield* Metric.snapshot
      const counts = snapshot.flatMap(({ metricKey, metricState }) => {
        const tags = Object.fromEntries(metricKey.tags.map(({ key, value }) => [key, value]))
        return tags["operation"]?.startsWith("Metrics.") === true
          ? [
            `${metricKey.name} ${tags["operation"]} ${tags["outcome"] ?? ""}: ${
              (metricState as never as { count: number }).count
            }`
          ]
          : []
      })
      assert.sameMembers(counts, [
        "panda_requests Metrics.recovers PandaServerError: 2",
        "panda_requests Metrics.recovers success: 1",
        "panda_retries Metrics.recovers : 2",
        "panda_requests Metrics.fails PandaNotFound: 1",
        "panda_requests Metrics.exhausts PandaTransportError: 5",
        "panda_retries Metrics.exhausts : 4"
      ])
    })
  )

  test(
    "retries are logged at debug, one line each, and nothing else is",
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => {
        lines.push([logLevel.label, ...[message].flat()].join(" "))
      })
      yield* inject(Fault.status(503))
      yield* inject(Fault.status(404), { skip: 1 })
      yield* inTime(Effect.zipRight(Videos.list(), Effect.exit(Videos.list()))).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
        Logger.withMinimumLogLevel(LogLevel.All)
      )
      assert.deepStrictEqual(lines, [
        "DEBUG Panda.Videos.list: sending again Videos.list: Panda answered 503. Try again in a while"
      ])
    })
  )
})

describe("determinism", () => {
  /** Four retries and six polls: ten sleeps, one after the other. */
  const pipeline = Effect.gen(function*() {
    yield* inject(Fault.status(500), { times: 2 })
    yield* inject(Fault.resetAfter, { skip: 1, times: 2 })
    const fiber = yield* Effect.fork(
      Effect.repeat(Videos.list(), Schedule.spaced("1 minute").pipe(Schedule.intersect(Schedule.recurs(6))))
    )
    yield* TestClock.adjust("7 minutes")
    const done = fiber.unsafePoll()
    return done !== null && Exit.isSuccess(done) ? (yield* seen).length : undefined
  }).pipe(Effect.provide(Layer.provideMerge(PandaEmulator.layerTest(), TestContext.TestContext)))

  // ROUNDS=1000 runs that many, one at a time, as they run in a user's tests; it takes minutes.
  const byHand = process.env["ROUNDS"]
  const rounds = Number(byHand ?? (thorough ? 100 : 40))

  it.live(
    `one TestClock.adjust drives retries and polls, ${rounds} times out of ${rounds}`,
    () =>
      Effect.gen(function*() {
        const requests = yield* Effect.replicateEffect(pipeline, rounds, { concurrency: byHand === undefined ? 20 : 1 })
        assert.lengthOf(requests.filter((count) => count === 11), rounds)
      }),
    600_000
  )
})
