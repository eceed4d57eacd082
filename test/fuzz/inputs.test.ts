/** Whatever comes from elsewhere than an answer: webhooks, ids, names, credentials, saved states. */
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import { assert, describe } from "@effect/vitest"
import {
  ConfigError,
  ConfigProvider,
  Context,
  DateTime,
  Duration,
  Effect,
  Either,
  Exit,
  FastCheck,
  Fiber,
  Layer,
  Logger,
  LogLevel,
  Option,
  ParseResult,
  Redacted,
  Schedule,
  Schema,
  Stream,
  TestClock,
  TestContext
} from "effect"
import {
  Clouds,
  Credentials,
  Encodings,
  PandaClient,
  PandaError,
  Profiles,
  Signature,
  Upload,
  UploadSession,
  UploadSource,
  UploadState,
  UploadStore,
  Videos,
  Webhook
} from "effect-panda"
import { partOf } from "../client/upload.js"
import { fromAnswer } from "effect-panda/internal/http/answer"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import {
  against,
  body,
  bytesOf,
  checkError,
  checkExit,
  headers,
  hostile,
  jsonText,
  partsOf,
  property,
  SECRET,
  status,
  text
} from "./hostile.js"

const { constantFrom, oneof } = FastCheck

describe("webhooks", () => {
  const name = oneof(
    { weight: 5, arbitrary: constantFrom("event", "video_id", "encoding_id", "progress", "encoding_ids[0]") },
    {
      weight: 2,
      arbitrary: constantFrom("encoding_ids[]", "encodings_ids", `encoding_ids[${"9".repeat(400)}]`, "encoding_ids[00]")
    },
    { weight: 1, arbitrary: text }
  )
  const value = oneof(
    {
      weight: 3,
      arbitrary: constantFrom("video-created", "video-encoded", "encoding-progress", "encoding-complete", "50", "1e3")
    },
    { weight: 2, arbitrary: text }
  )
  const event = constantFrom("video-created", "video-encoded", "encoding-progress", "encoding-complete", "other")
  const progress = constantFrom("-1", "0", "99.5", "100", "101", "9".repeat(400), "1e3", "0x10", " 7 ", "")
  const pairs: FastCheck.Arbitrary<Array<[string, string]>> = oneof(
    FastCheck.array(FastCheck.tuple(name, value), { maxLength: 8 }),
    FastCheck.tuple(event, text, text, progress, FastCheck.array(FastCheck.tuple(name, value), { maxLength: 3 })).map((
      [event, video, encoding, progress, others]
    ): Array<[string, string]> => [
      ["event", event],
      ["video_id", video],
      ["encoding_id", encoding],
      ["progress", progress],
      ...others
    ])
  )
  const form = oneof(
    { weight: 3, arbitrary: pairs.map((pairs) => new URLSearchParams(pairs.map(([a, b]) => [a, b])).toString()) },
    { weight: 2, arbitrary: pairs.map((pairs) => pairs.map((pair) => pair.join("=")).join("&")) },
    { weight: 1, arbitrary: text }
  )
  const isWebhookError = Schema.is(Webhook.PandaWebhookError)
  const isEvent = Schema.is(Webhook.Event)

  property(
    "a form is an event or is refused",
    3000,
    oneof(form, pairs),
    (form) =>
      Effect.gen(function*() {
        const event = checkExit(yield* Effect.exit(Webhook.decode(form)), isWebhookError)
        if (Option.isNone(event)) return
        assert.isTrue(isEvent(event.value))
        const json = yield* Schema.encode(Webhook.Event)(event.value)
        assert.deepStrictEqual(yield* Schema.decode(Webhook.Event)(json), event.value)
      })
  )

  property(
    "a request is answered, and its handler sees nothing but events",
    300,
    FastCheck.record({
      method: constantFrom("POST", "POST", "POST", "GET", "PUT"),
      path: oneof(constantFrom("/a/secret", "/a?secret=secret", "/%", "/a/%ff", "/?secret", "//"), FastCheck.webPath()),
      type: oneof(
        { weight: 3, arbitrary: FastCheck.constant("application/x-www-form-urlencoded") },
        {
          weight: 1,
          arbitrary: constantFrom(
            "APPLICATION/X-WWW-FORM-URLENCODED;charset=utf-16",
            "application/x-www-form-urlencoded-not",
            "multipart/form-data",
            ";",
            ""
          )
        }
      ),
      length: FastCheck.option(constantFrom("0", "-1", "nan", "99999999999999999999", "1e400"), { freq: 3 }),
      body: oneof(form, FastCheck.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)))
    }),
    ({ body, length, method, path, type }) =>
      Effect.gen(function*() {
        const events: Array<Webhook.Event> = []
        const app = Webhook.httpApp((event) => Effect.sync(() => events.push(event)), {
          secret: Redacted.make("secret"),
          bodyLimit: 1000
        })
        const request = new Request("http://a", {
          method,
          headers: { "content-type": type, ...(length === null ? {} : { "content-length": length }) },
          ...(method === "GET" ? {} : { body })
        })
        const served = HttpServerRequest.fromWeb(request).modify({ url: path })
        const response = yield* Effect.provideService(app, HttpServerRequest.HttpServerRequest, served)
        assert.include([200, 400, 404, 405, 413, 415], response.status)
        assert.strictEqual(response.body._tag, "Empty")
        assert.lengthOf(events, response.status === 200 ? 1 : 0)
        assert.isTrue(events.every((event) => isEvent(event)))
      }).pipe(Logger.withMinimumLogLevel(LogLevel.None))
  )
})

describe("ids", () => {
  const places: ReadonlyArray<
    readonly [
      before: string,
      after: string,
      run: (id: string) => Effect.Effect<unknown, PandaError.PandaError, PandaClient.PandaClient>
    ]
  > = [
    ["/videos/", ".json", Videos.find],
    ["/videos/", "/metadata.json", Videos.metadata],
    ["/videos/", "/source.json", Videos.deleteSource],
    ["/encodings/", ".json", Encodings.find],
    ["/encodings/", "/cancel.json", Encodings.cancel],
    ["/profiles/", ".json", Profiles.find],
    ["/profiles/", "/encodings.json", Profiles.encodings],
    ["/clouds/", ".json", (id) => Clouds.update(id, {})]
  ]
  const ids = oneof(
    text,
    FastCheck.webPath(),
    FastCheck.array(constantFrom(".", "/", "%", "\\", "?", "#", ";", "\t")).map((
      parts
    ) => parts.join(""))
  )

  property(
    "one reaches its own endpoint, or is refused before anything is sent",
    300,
    FastCheck.record({ place: FastCheck.nat(places.length - 1), id: ids }),
    ({ id, place }) =>
      Effect.gen(function*() {
        const [before, after, run] = places[place]!
        const answer = { status: 404, headers: {}, body: new Uint8Array(0) }
        const { exit, requests } = yield* against(answer, run(id))
        checkExit(exit, PandaError.isPandaError)
        const error = yield* Effect.flip(exit)
        if (error._tag === "PandaInputError") {
          assert.isTrue(id.trim() === "" || id === "." || id === ".." || !id.isWellFormed())
          return assert.lengthOf(requests, 0)
        }
        assert.lengthOf(requests, 1)
        const { pathname } = new URL(requests[0]!.url)
        assert.isTrue(pathname.startsWith(`/v2${before}`) && pathname.endsWith(after))
        const segment = pathname.slice(3 + before.length, -after.length)
        assert.notInclude(segment, "/")
        assert.strictEqual(decodeURIComponent(segment), id)
      })
  )

  property(
    "parameters arrive as they are, or are refused",
    300,
    FastCheck.dictionary(
      oneof({ weight: 2, arbitrary: constantFrom("a", "b", "file", "signature") }, {
        weight: 1,
        arbitrary: text
      }),
      oneof(text, FastCheck.double(), FastCheck.constant(null), FastCheck.dictionary(text, text, { maxKeys: 2 })),
      {
        maxKeys: 4
      }
    ),
    (params) =>
      Effect.gen(function*() {
        const { exit, requests } = yield* against(
          { status: 404, headers: {}, body: new Uint8Array(0) },
          PandaClient.get("/videos.json", params)
        )
        checkExit(exit, PandaError.isPandaError)
        const sent = requests[0] === undefined ? undefined : new URL(requests[0].url).searchParams
        const error = yield* Effect.flip(exit)
        assert.strictEqual(sent === undefined, error._tag === "PandaInputError")
        if (sent === undefined) return
        for (const [name, value] of Object.entries(params)) {
          if (typeof value === "string" && !["file", "access_key", "timestamp", "cloud_id", "token"].includes(name)) {
            assert.deepStrictEqual(sent.getAll(name), [value])
          }
        }
      })
  )
})

/** Takes each form that is sent. */
const taking = (forms: Array<{ readonly bytes: Buffer; readonly type: string }>) =>
  PandaClient.layer.pipe(
    Layer.provide(Credentials.layer({ accessKey: "access", secretKey: Redacted.make(SECRET), cloudId: "cloud" })),
    Layer.provide(Layer.succeed(
      HttpClient.HttpClient,
      HttpClient.make((request) =>
        Effect.gen(function*() {
          const { body } = request
          if (body._tag !== "Stream") return assert.fail("it is no form")
          const slices = yield* Effect.orDie(Stream.runCollect(body.stream))
          const bytes = Buffer.concat(Array.from(slices))
          assert.strictEqual(bytes.length, body.contentLength)
          forms.push({ bytes, type: body.contentType })
          return HttpClientResponse.fromWeb(request, new Response(`{"id":"1"}`))
        })
      )
    ))
  )

describe("names of files", () => {
  const content = oneof(
    FastCheck.uint8Array({ minLength: 1, maxLength: 40 }),
    constantFrom("\r\n--panda-", "--", "\r\n\r\n").map((text) => new TextEncoder().encode(text))
  )

  property(
    "a form has the parts that it should have and no others, or is not sent",
    300,
    FastCheck.record({ name: text, payload: text, content }),
    ({ content, name, payload }) =>
      Effect.gen(function*() {
        const forms: Array<{ readonly bytes: Buffer; readonly type: string }> = []
        const file = UploadSource.fromBytes(content, { name })
        const exit = yield* Effect.exit(Effect.provide(Videos.create({ file, payload }), taking(forms)))
        const video = checkExit(exit, PandaError.isUploadError)
        const good = name !== "" && name.isWellFormed() && payload.isWellFormed() && [...payload].length <= 256
        assert.strictEqual(Option.isSome(video), good)
        assert.lengthOf(forms, good ? 1 : 0)
        for (const { bytes, type } of forms) {
          const boundary = /^multipart\/form-data; boundary=([\w-]+)$/.exec(type)![1]!
          const parts = partsOf(bytes, boundary)
          const found = Object.fromEntries(parts.map((part) => [part.name, part]))
          assert.deepStrictEqual(
            parts.map(({ name }) => name).sort(),
            ["access_key", "cloud_id", "file", "payload", "signature", "timestamp"]
          )
          assert.strictEqual(found["payload"]!.content, payload)
          assert.deepStrictEqual(parts.flatMap(({ others }) => others), ["content-type: application/octet-stream"])
          const escaped = name.replaceAll("\"", "%22").replaceAll("\r", "%0D").replaceAll("\n", "%0A")
          assert.strictEqual(found["file"]!.filename, escaped)
          assert.strictEqual(found["file"]!.content, Buffer.from(content).toString())
        }
      })
  )

  property(
    "an upload tells the name as it is, or is refused",
    80,
    text,
    (name) =>
      Effect.gen(function*() {
        const lines: Array<string> = []
        const exit = yield* Upload.start(UploadSource.fromBytes(new Uint8Array(1), { name })).pipe(
          Stream.tap((event) => Effect.sync(() => lines.push(Upload.describe(event)))),
          Upload.video,
          Effect.exit
        )
        const video = checkExit(exit, PandaError.isUploadError)
        assert.strictEqual(Option.isSome(video), name !== "" && name.isWellFormed())
        if (Option.isSome(video)) assert.strictEqual(video.value.original_filename, name)
        for (const line of lines) assert.notMatch(line, /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u)
        const empty = Upload.video(Upload.start(UploadSource.fromBytes(new Uint8Array(0), { name })))
        assert.isTrue(Option.isNone(checkExit(yield* Effect.exit(empty), PandaError.isUploadError)))
      }).pipe(Effect.provide(PandaEmulator.layerTest()))
  )
})

describe("credentials", () => {
  const escapes = constantFrom("%", "%f", "%ff", "%C3", "%00", "%2B+", "%F0%9F%98%80%80")
  const secret = oneof({ weight: 4, arbitrary: text }, { weight: 1, arbitrary: escapes }).map((text) => SECRET + text)
  const host = oneof(
    { weight: 3, arbitrary: constantFrom("h.example", "127.0.0.1", "[::1]", "h", "1.2.3.4.5", "[::", "-", "xn--a") },
    { weight: 1, arbitrary: text }
  )
  const port = constantFrom("", ":443", ":80", ":0", ":65536", ":99999", ":-1", ":4e3")
  const url = oneof(
    FastCheck.tuple(constantFrom("http", "https", "HTTPS", "file", "javascript"), text, secret, host, port, text).map((
      [scheme, key, secret, host, port, cloud]
    ) => `${scheme}://${key}:${secret}@${host}${port}/${cloud}`),
    secret,
    FastCheck.webUrl().map((url) => url.replace("://", `://k:${SECRET}@`))
  )

  /** They sign a request to a host that is one, or say why not. */
  const checkService = (service: Credentials.Credentials.Service) =>
    Effect.gen(function*() {
      assert.strictEqual(new URL(service.baseUrl).hostname, service.host)
      assert.match(service.baseUrl, /^https?:\/\/[^/?#@\s]+\/v2$/)
      const signed = Signature.signedQuery("GET", "/videos.json").pipe(
        Effect.provideService(Credentials.Credentials, service),
        Effect.exit
      )
      const query = checkExit(yield* signed, PandaError.isPandaError)
      if (Option.isSome(query)) assert.match(query.value, /^[\w.~%=&-]+$/)
    })

  property("an URL is taken apart, or refused without being shown", 1500, url, (url) =>
    Effect.gen(function*() {
      const layer = Credentials.layerUrl(Redacted.make(url))
      const exit = yield* Effect.exit(Effect.provide(Credentials.Credentials, layer))
      const service = checkExit(exit, PandaError.isPandaError)
      if (Option.isSome(service)) yield* checkService(service.value)
    }))

  property(
    "variables are taken, or refused by their names",
    700,
    FastCheck.record({
      PANDASTREAM_URL: url,
      PANDA_ACCESS_KEY: text,
      PANDA_SECRET_KEY: secret,
      PANDA_TOKEN: secret,
      PANDA_CLOUD_ID: text,
      PANDA_REGION: oneof(constantFrom("us", "eu", "constructor", "__proto__"), text),
      PANDA_HOST: host,
      PANDA_PORT: oneof(constantFrom("443", "0", "1e3", "9".repeat(400)), text)
    }, { requiredKeys: [] }),
    (variables) =>
      Effect.gen(function*() {
        const provider = ConfigProvider.fromMap(new Map(Object.entries(variables)))
        const exit = yield* Effect.exit(Effect.provide(Credentials.Credentials, Credentials.layerConfig())).pipe(
          Effect.withConfigProvider(provider)
        )
        if (Exit.isSuccess(exit)) return yield* checkService(exit.value)
        const error = yield* Effect.flip(exit)
        assert.isTrue(ConfigError.isConfigError(error))
        for (const text of [String(error), JSON.stringify(error)]) assert.notInclude(text, SECRET)
      })
  )
})

const LOCATION = "canary-location"

describe("errors of answers", () => {
  property(
    "an answer is none or one that is documented, and waits for no more than half a minute",
    2000,
    FastCheck.record({ status, headers, body }),
    ({ body, headers, status }) =>
      Effect.gen(function*() {
        const text = new TextDecoder().decode(bytesOf(body, "x"))
        const now = DateTime.unsafeMake("2026-11-22T12:00:00Z")
        const error = fromAnswer("Test.find", { status, headers: Headers.fromInput(headers), text }, now)
        if (Option.isNone(error)) return assert.isTrue(status >= 200 && status < 300)
        checkError(error.value, PandaError.isPandaError, [])
        if ("retryAfter" in error.value && error.value.retryAfter !== undefined) {
          assert.isTrue(Duration.between(error.value.retryAfter, { minimum: 0, maximum: "30 seconds" }))
        }
        const json = yield* Schema.encode(PandaError.PandaError)(error.value)
        assert.strictEqual((yield* Schema.decode(PandaError.PandaError)(json)).message, error.value.message)
      })
  )
})

describe("upload sessions", () => {
  const origin = constantFrom("https://vm-1.example", "http://vm-1.example")

  property(
    "an exchange ends in a reply or an error, and leads only to where bytes may go",
    500,
    FastCheck.record({ answer: hostile, origin, kind: constantFrom("probe", "send", "sendSlices") }),
    ({ answer, kind, origin }) =>
      Effect.gen(function*() {
        const at = Redacted.make(`${origin}/upload/session?id=${LOCATION}`)
        const deadline = { timeout: "5 seconds" } as const
        const chunk = { offset: 0, bytes: new Uint8Array(10), size: 10 }
        const exchange = kind === "probe"
          ? UploadSession.probe(at, 10, deadline)
          : kind === "send"
          ? UploadSession.send(at, chunk, deadline)
          : UploadSession.sendSlices(at, partOf(chunk), {
            stallTimeout: "5 seconds",
            responseTimeout: "5 seconds",
            onSlice: () => Effect.void
          })
        const { exit, requests } = yield* against(answer, exchange)
        assert.lengthOf(requests, 1)
        const found = checkExit(exit, PandaError.isUploadError, [LOCATION])
        if (Option.isNone(found)) return
        const { location, reply } = found.value
        if (Either.isLeft(reply)) checkError(reply.left, PandaError.isUploadError, [LOCATION])
        else if (reply.right._tag === "Progress") assert.isTrue(Number.isSafeInteger(reply.right.offset))
        else if (reply.right._tag === "Complete") assert.isTrue(Schema.is(Videos.Video)(reply.right.video))
        if (Option.isNone(location)) return
        const { password, protocol, username } = new URL(Redacted.value(location.value))
        assert.include(origin.startsWith("https") ? ["https:"] : ["https:", "http:"], protocol)
        assert.strictEqual(username + password, "")
      })
  )

  property(
    "a session that is created is at a location to which bytes may go",
    150,
    FastCheck.tuple(
      oneof(headers.map(({ location }) => location ?? ""), text, constantFrom("https://vm-1.example/?id=1")),
      text
    ),
    ([location, name]) =>
      Effect.gen(function*() {
        const body = new TextEncoder().encode(JSON.stringify({ id: "1", location }))
        const { exit } = yield* against(
          { status: 201, headers: {}, body },
          UploadSession.create({ file_name: name, file_size: 1 })
        )
        const session = checkExit(exit, PandaError.isPandaError)
        if (Option.isNone(session)) return
        const { password, protocol, username } = new URL(Redacted.value(session.value.location))
        assert.include(["https:", "http:"], protocol)
        assert.strictEqual(username + password, "")
      })
  )
})

describe("saved states", () => {
  const bytes = new Uint8Array(10)
  const source = UploadSource.fromBytes(bytes, { name: "movie.mp4" })
  const fingerprint = Effect.runSync(
    Effect.scoped(Effect.flatMap(source.open, (handle) => UploadSource.fingerprint(source, handle)))
  )
  const state = {
    version: 1,
    id: "1234",
    location: `https://vm-1.example/upload/session?id=${LOCATION}`,
    name: "movie.mp4",
    fingerprint,
    acknowledged: 4,
    created: "2026-11-22T12:00:00.000Z",
    options: { profiles: "h264", payload: "x" }
  }
  const json = JSON.stringify(state)
  const edited = oneof(
    FastCheck.tuple(constantFrom(...Object.keys(state), "__proto__"), jsonText).map(([name, value]) =>
      json.replace(/\}$/, `,"${name}":${value}}`)
    ),
    FastCheck.tuple(constantFrom("size", "digest", "modified", "profiles", "path_format"), jsonText).map((
      [name, value]
    ) => json.replace(/"(size|profiles)":("h264"|10)/g, `"${name}":${value}`)),
    FastCheck.record({ at: FastCheck.nat(json.length), to: FastCheck.nat(3), text }).map(({ at, text, to }) =>
      json.slice(0, at) + text.slice(0, 5) + json.slice(at + to)
    ),
    FastCheck.nat(json.length).map((at) => json.slice(0, at)),
    jsonText
  )

  property(
    "one that was edited is a state, or is refused without being shown; an upload goes on from it or fails",
    1000,
    FastCheck.record({
      edited,
      answer: constantFrom(
        { status: 404, headers: {}, body: new Uint8Array(0) },
        { status: 204, headers: { range: "0-9" }, body: new Uint8Array(0) },
        { status: 200, headers: {}, body: new TextEncoder().encode(`{"id":"1"}`) }
      )
    }),
    ({ answer, edited }) =>
      Effect.gen(function*() {
        const read = yield* Effect.either(Schema.decode(UploadState.Json)(edited))
        if (Either.isLeft(read)) {
          assert.isTrue(ParseResult.isParseError(read.left))
          assert.match(read.left.message, /^is not the state of an upload(, \w+)*$/)
          return assert.notInclude(JSON.stringify(read.left), LOCATION)
        }
        const again = yield* Schema.decode(UploadState.Json)(yield* Schema.encode(UploadState.Json)(read.right))
        assert.deepStrictEqual(again, read.right)
        const upload = Upload.video(Upload.resume(read.right, source, { retry: Schedule.recurs(1) }))
        const { exit } = yield* against(answer, upload)
        checkExit(exit, PandaError.isUploadError, [LOCATION])
      })
  )

  const entry = oneof(
    edited,
    text,
    FastCheck.tuple(jsonText, jsonText).map(([owner, until]) => `{"owner":${owner},"until":${until}}`),
    constantFrom(`{"owner":"dead","until":0}`, `{"owner":"../../../x","until":0}`, `["a.json","b.json"]`)
  )

  property(
    "a store that somebody wrote into gives what can be read of it, and locks or tells that it cannot",
    40,
    FastCheck.record({ index: entry, a: entry, lock: entry, succession: entry }),
    ({ a, index, lock, succession }) =>
      Effect.gen(function*() {
        const at = (key: string) => `effect-panda/uploads/${key}`
        const map = new Map([
          [at("index"), index],
          [at("a.json"), a],
          [at("a.lock"), lock],
          [at("a.lock.dead"), succession]
        ])
        const backend = KeyValueStore.makeStringOnly({
          get: (key) => Effect.sync(() => Option.fromNullable(map.get(key))),
          set: (key, value) => Effect.sync(() => void map.set(key, value)),
          remove: (key) => Effect.sync(() => void map.delete(key)),
          clear: Effect.sync(() => map.clear()),
          size: Effect.sync(() => map.size)
        })
        const store = yield* Layer.build(UploadStore.layer()).pipe(
          Effect.map(Context.get(UploadStore.UploadStore)),
          Effect.provideService(KeyValueStore.KeyValueStore, backend)
        )
        const isState = Schema.is(UploadState.UploadState)
        assert.isTrue((yield* store.list).every(({ state }) => isState(state)))
        const found = yield* store.get("a")
        assert.strictEqual(Option.isSome(found), map.has(at("a.json")))
        yield* store.prune("1 day")
        const locking = yield* Effect.fork(Effect.exit(Effect.scoped(store.lock("a", "movie.mp4"))))
        yield* TestClock.adjust("1 minute")
        checkExit(yield* Fiber.join(locking), PandaError.isUploadError)
      }).pipe(Effect.scoped, Effect.provide(TestContext.TestContext), Logger.withMinimumLogLevel(LogLevel.None))
  )
})
