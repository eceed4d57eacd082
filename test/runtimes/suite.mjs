/**
 * What the packed library has to do wherever it runs. It imports packages and a fixture beside it, and uses of the
 * runtime only what the web has too.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { Cause, Effect, Either, Exit, Layer, Logger, LogLevel, Redacted, Schedule, Schema, Stream } from "effect"
import { Credentials, PandaClient, Signature, Upload, UploadSource, UploadState, Videos, Webhook } from "effect-panda"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import fixture from "../fixtures/signature-vectors.json" with { type: "json" }

const { Fault } = PandaEmulator

const check = (what, actual, expected) => {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (is !== should) throw new Error(`${what}: ${is}, and not ${should}`)
}

const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("")

// Cases that need nobody to talk to.

const sign = Effect.forEach(fixture.vectors, (vector) =>
  Effect.gen(function*() {
    const { expected, id, params, path, timestamp, verb } = vector
    const signed = yield* Effect.either(Signature.signedParams(verb, path, params, { timestamp }))
    if (expected.reject === undefined) check(id, Either.getOrThrow(signed).signature, expected.signature)
    else check(id, Either.isLeft(signed) && signed.left._tag, "PandaInputError")
  }).pipe(Effect.provide(Credentials.layer({
    accessKey: vector.access_key,
    secretKey: Redacted.make(vector.secret_key),
    cloudId: vector.cloud_id,
    host: vector.host,
    port: vector.port
  }))))

const webhook = Effect.gen(function*() {
  const form = "event=video-encoded&video_id=a%2Bb&encoding_ids%5B10%5D=k&encoding_ids%5B2%5D=%E2%99%A5"
  check("event", yield* Webhook.decode(form), { _tag: "VideoEncoded", video_id: "a+b", encoding_ids: ["♥", "k"] })
  check("parsed before", yield* Webhook.decode(new URLSearchParams(form)), yield* Webhook.decode(form))
  const refused = yield* Effect.flip(Webhook.decode("event=encoding-progress&encoding_id=e&progress=half"))
  check("refusal", [refused._tag, refused.field], ["PandaWebhookError", "progress"])
})

const alone = { sign, webhook }

// Cases with an emulator at the other end.

const CHUNK = 200_000
const bytes = new Uint8Array(950_000).map((_, i) => (i * 31 + (i >> 8) * 7) % 251)
const source = UploadSource.fromBytes(bytes, { name: "movie.mp4" })
const options = { chunkSize: CHUNK, profiles: ["h264"], retry: Schedule.recurs(8) }

const upload = (stream) =>
  Effect.gen(function*() {
    const events = Array.from(yield* Stream.runCollect(stream))
    return { tags: events.map(({ _tag }) => _tag), video: events.at(-1).video }
  })

/** There was one session, and it became this video, byte for byte. */
const arrived = (video) =>
  Effect.gen(function*() {
    const sessions = yield* (yield* PandaEmulator.PandaEmulator).sessions
    const sha256 = hex(yield* Effect.promise(() => crypto.subtle.digest("SHA-256", bytes)))
    check("sessions", sessions.map(({ sha256, videoId }) => ({ sha256, videoId })), [{ sha256, videoId: video.id }])
    return sessions[0]
  })

const chunks = (requests) => requests.filter(({ route }) => route === "chunk")

const find = Effect.gen(function*() {
  const all = Array.from(yield* Stream.runCollect(Videos.all({ per_page: 2 })))
  check("videos", all.length, 3)
  check("found", yield* Videos.find(all[1].id), all[1])
})

const notFound = Effect.gen(function*() {
  const found = yield* Videos.find("a/b ♥").pipe(
    Effect.catchTag("PandaNotFound", ({ operation, status }) => Effect.succeed({ operation, status }))
  )
  check("error", found, { operation: "Videos.find", status: 404 })
})

const retried = Effect.gen(function*() {
  const panda = yield* PandaEmulator.PandaEmulator
  yield* panda.inject({ route: "GET /videos.json", fault: Fault.status(503), times: 2 })
  check("videos", (yield* Videos.list()).length, 3)
  const requests = yield* panda.requests
  check("requests", requests.map(({ status }) => status), [503, 503, 200])
  check("timestamps that differ", new Set(requests.map(({ timestamp }) => timestamp)).size, 3)
})

const timeout = Effect.gen(function*() {
  const panda = yield* PandaEmulator.PandaEmulator
  yield* panda.inject({ route: "GET /videos.json", fault: Fault.stall })
  const error = yield* Videos.list().pipe(
    PandaClient.withTimeout("300 millis"),
    PandaClient.withRetry("none"),
    Effect.flip
  )
  check("error", [error._tag, error.reason], ["PandaTransportError", "Timeout"])
  check("videos", (yield* Videos.list()).length, 3)
})

const createFromFile = Effect.gen(function*() {
  const panda = yield* PandaEmulator.PandaEmulator
  const file = new File([bytes], "movie \"1\".mp4")
  const { id } = yield* Videos.create({ file: UploadSource.fromBlob(file), payload: "a\nb" })
  const { original_filename, payload } = yield* Videos.find(id)
  check("video", { original_filename, payload }, { original_filename: "movie \"1\".mp4", payload: "a\nb" })
  const [{ bodyLength, headers }] = yield* panda.requests
  check("its bytes arrived", bodyLength > bytes.byteLength, true)
  check("length", [headers["content-length"], headers["transfer-encoding"]], [String(bodyLength), undefined])
})

/** A connection that breaks need not be a failure to us: there are runtimes that send again by themselves. */
const uploadThrough = (fault) =>
  Effect.gen(function*() {
    const panda = yield* PandaEmulator.PandaEmulator
    yield* panda.inject({ route: "chunk", fault, skip: 2 })
    const { tags, video } = yield* upload(Upload.start(source, options))
    yield* arrived(video)
    check("first and last", [tags[0], tags.at(-1)], ["Started", "Uploaded"])
    const failures = tags.filter((tag) => tag === "Retrying").length
    check("failures, one at most", Math.max(failures, fault._tag === "Status" ? 0 : 1), 1)
    check("faults", (yield* panda.requests).flatMap(({ fault }) => fault ?? []), [fault._tag])
  })

const uploadBlob = Effect.gen(function*() {
  const file = new File([bytes], "movie.mp4")
  const { video } = yield* upload(Upload.start(UploadSource.fromBlob(file), options))
  yield* arrived(video)
})

const resume = Effect.gen(function*() {
  let saved = ""
  const onState = (state) =>
    Effect.sync(() => {
      saved = Schema.encodeSync(UploadState.Json)(state)
    })
  yield* Upload.start(source, { ...options, onState }).pipe(
    Stream.takeUntil(({ _tag, acknowledged }) => _tag === "Progress" && acknowledged >= 2 * CHUNK),
    Stream.runDrain
  )
  const state = yield* Schema.decode(UploadState.Json)(saved)
  const { tags, video } = yield* upload(Upload.resume(state, source, options))
  check("first and last", [tags[0], tags.at(-1)], ["Resumed", "Uploaded"])
  const { receivedTwice } = yield* arrived(video)
  check("bytes sent again", receivedTwice, 0)
})

const secrets = Effect.gen(function*() {
  const panda = yield* PandaEmulator.PandaEmulator
  const credentials = yield* Credentials.Credentials
  const shown = []
  const show = (thing) => shown.push(String(thing), JSON.stringify(thing), runtimeInspect(thing))
  const logger = Logger.make(({ annotations, cause, message }) => {
    shown.push(JSON.stringify([message, [...annotations]]), Cause.pretty(cause))
  })
  let saved
  yield* Effect.gen(function*() {
    yield* panda.inject({ route: "GET /videos.json", fault: Fault.status(503) })
    yield* Videos.list()
    yield* panda.inject({ route: "GET /videos.json", fault: Fault.resetBefore, times: 8 })
    const broken = yield* Effect.exit(PandaClient.withRetry(Videos.list(), "none"))
    show(broken)
    shown.push(Cause.pretty(Exit.isFailure(broken) ? broken.cause : Cause.die("it did not fail")))
    yield* panda.inject({ route: "chunk", fault: Fault.status(422) })
    const onState = (state) =>
      Effect.sync(() => {
        saved = state
      })
    show(yield* Effect.flip(Upload.video(Upload.start(source, { ...options, onState }))))
  }).pipe(
    Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
    Logger.withMinimumLogLevel(LogLevel.All)
  )
  show(credentials)
  show(saved)
  const location = new URL(Redacted.value(saved.location))
  const canaries = [Redacted.value(credentials.auth.secretKey), "signature=", location.search, location.href]
  for (const canary of canaries) {
    const leak = shown.find((text) => text?.includes(canary))
    if (leak !== undefined) throw new Error(`${canary} is in ${leak}`)
  }
  check("something was looked at", shown.some((text) => text?.includes("PandaTransportError")), true)
})

/** As the console would show it, where that can be asked without a console. */
const runtimeInspect = (thing) => (globalThis.Bun?.inspect ?? globalThis.Deno?.inspect ?? String)(thing)

const exchanged = {
  find,
  "not found": notFound,
  "retried call": retried,
  timeout,
  "create from a file": createFromFile,
  "upload through a 503": uploadThrough(Fault.status(503)),
  "upload through a reset": uploadThrough(Fault.resetDuring({ after: 0.5 })),
  "upload through a lost answer": uploadThrough(Fault.resetAfter),
  "upload of a File": uploadBlob,
  "resumed upload": resume,
  secrets
}

// Cases of the wire: what is said there, and is not said in memory.

const headers = Effect.gen(function*() {
  const panda = yield* PandaEmulator.PandaEmulator
  yield* upload(Upload.start(source, options)).pipe(Effect.withSpan("not to travel"))
  const requests = yield* panda.requests
  check(
    "lengths",
    chunks(requests).map(({ headers }) => [headers["content-length"], headers["transfer-encoding"] ?? "none"]),
    ["200000", "200000", "200000", "200000", "150000"].map((length) => [length, "none"])
  )
  for (const { headers } of requests) {
    const told = ["authorization", "b3", "cookie", "expect", "traceparent"].filter((name) => name in headers)
    check("headers that are not the server's business", told, [])
  }
})

/** Neither elsewhere, with the signature, nor to where it came from: what follows a redirected chunk is a question. */
const redirect = Effect.gen(function*() {
  const panda = yield* PandaEmulator.PandaEmulator
  const { baseUrl } = yield* Credentials.Credentials
  const to = (location) => Fault.status(307, { headers: { location } })
  yield* panda.inject({ route: "GET /videos.json", fault: to(`${baseUrl}/elsewhere.json`) })
  const exit = yield* Effect.exit(PandaClient.withRetry(Videos.list(), "none"))
  check("it failed", Exit.isFailure(exit) && exit.cause._tag, "Fail")

  let injected = false
  const onState = ({ location }) =>
    Effect.suspend(() => {
      if (injected) return Effect.void
      injected = true
      return panda.inject({ route: "chunk", fault: to(Redacted.value(location)) })
    })
  const { video } = yield* upload(Upload.start(source, { ...options, onState }))
  yield* arrived(video)

  const requests = yield* panda.requests
  check(
    "requests",
    requests.slice(0, 5).map(({ route, status }) => `${route} ${status}`),
    ["GET /videos.json 307", "create 201", "chunk 307", "probe 204", "chunk 204"]
  )
})

/** Whether a refused connection is known as one: only then a POST is sent again. */
const refused = (closed) =>
  Effect.gen(function*() {
    const panda = yield* PandaEmulator.PandaEmulator
    const { accessKey, cloudId, secretKey } = panda
    const nobody = Credentials.layer({ accessKey, secretKey, cloudId, host: "127.0.0.1", port: closed })
    const error = yield* Videos.list().pipe(
      PandaClient.withRetry("none"),
      Effect.provide(PandaClient.layer.pipe(Layer.provide(nobody))),
      Effect.flip
    )
    check("error", [error._tag, error.isRetryable], ["PandaTransportError", true])
    return error.reason === "Connect" ? "yes" : "no"
  })

/**
 * What the runtime sends again by itself when a connection breaks that it had kept: the request has been carried out,
 * and its answer is lost. Of a POST there may be one copy too many on the wire, but not a second video.
 */
const resent = Effect.gen(function*() {
  const panda = yield* PandaEmulator.PandaEmulator
  const calls = [
    ["GET", "/videos.json", Videos.list()],
    ["PUT", "/notifications.json", PandaClient.put("/notifications.json", { url: "http://a.example" })],
    ["POST", "/videos.json", Videos.create({ source_url: "http://a.example/movie.mp4" })]
  ]
  const methods = []
  for (const [method, path, call] of calls) {
    yield* Videos.list()
    yield* panda.inject({ route: `${method} ${path}`, fault: Fault.resetAfter })
    const before = (yield* panda.requests).length
    yield* Effect.exit(PandaClient.withRetry(call, "none"))
    const copies = (yield* panda.requests).length - before
    check(`copies of a ${method}, two at most`, Math.max(copies, 2), 2)
    if (copies > 1) methods.push(method)
  }
  check("videos", (yield* Videos.list()).length, 4)
  return methods.length === 0 ? "nothing" : methods.join(", ")
})

const overSockets = ({ closed }) => ({ headers, redirect, refused: refused(closed), resent })

// The two doors of the emulator.

const memory = PandaEmulator.layerTest({ videos: 3 })

/** The emulator of another process, which keeps a side door for what else a test does with it. */
const onPort = ({ origin }) => {
  const ask = (what, body) =>
    Effect.promise(async () => {
      const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }
      return (await fetch(`${origin}/control/${what}`, init)).json()
    })
  const { hostname, port } = new URL(origin)
  return Layer.unwrapEffect(Effect.gen(function*() {
    yield* ask("reset", {})
    const { accessKey, cloudId, secretKey } = yield* PandaEmulator.make()
    const there = {
      accessKey,
      cloudId,
      secretKey,
      inject: (rule) => ask("inject", rule),
      requests: ask("requests"),
      sessions: ask("sessions")
    }
    return PandaClient.layer.pipe(
      Layer.provideMerge(Credentials.layer({ accessKey, cloudId, secretKey, host: hostname, port: Number(port) })),
      Layer.provideMerge(FetchHttpClient.layer),
      Layer.merge(Layer.succeed(PandaEmulator.PandaEmulator, there))
    )
  }))
}

// Each case is run by itself, and tells how it went.

const result = ([name, door, effect]) =>
  effect.pipe(
    Effect.timeoutFail({ duration: "20 seconds", onTimeout: () => "it takes too long" }),
    Effect.exit,
    Effect.map((exit) => ({
      case: name,
      door,
      ok: Exit.isSuccess(exit),
      detail: Exit.isFailure(exit) ? Cause.pretty(exit.cause) : typeof exit.value === "string" ? exit.value : undefined
    }))
  )

/** One after the other, each with the number of all. Without a server only those that need none. */
export const results = async function*(server) {
  const casesOf = (effects, door, layer) =>
    Object.entries(effects).map(([name, effect]) => [name, door, Effect.provide(effect, layer)])
  const cases = [
    ...casesOf(alone, "none", Layer.empty),
    ...casesOf(exchanged, "memory", memory),
    ...(server === undefined ? [] : casesOf({ ...exchanged, ...overSockets(server) }, "port", onPort(server)))
  ]
  for (const entry of cases) yield { ...await Effect.runPromise(result(entry)), of: cases.length }
}
