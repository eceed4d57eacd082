import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpClient from "@effect/platform/HttpClient"
import { RequestError } from "@effect/platform/HttpClientError"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as UrlParams from "@effect/platform/UrlParams"
import { assert, describe, it } from "@effect/vitest"
import { assertNone } from "@effect/vitest/utils"
import { Context, Effect, Exit, Option, Schedule, type Scope, Stream, TestClock, Tracer } from "effect"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { ask, call, panda } from "./rawClient.js"

const url = "https://receiver.example:8443/hooks/canary-secret?a=b"

const all = { video_created: "true", video_encoded: "true", encoding_progress: "true", encoding_completed: "true" }

/** Switches on these events, by default all of them. */
const subscribe = (events: Readonly<Record<string, string>> = all, settings: Readonly<Record<string, string>> = {}) =>
  ask("PUT", "/notifications.json", {
    url,
    ...settings,
    ...Object.fromEntries(Object.entries(events).map(([event, on]) => [`events[${event}]`, on]))
  })

const empty = (status: number) => HttpServerResponse.empty({ status })

/** Answers with these, then with 200. */
const answering = (...statuses: ReadonlyArray<number>): HttpApp.Default => {
  let next = 0
  return Effect.sync(() => empty(statuses[next++] ?? 200))
}

const deliver = <E>(app: HttpApp.Default<E>, options?: PandaEmulator.DeliverOptions) =>
  Effect.flatMap(panda, (panda) => panda.deliver(app, options))

const deliveries = Effect.flatMap(panda, ({ deliveries }) => deliveries)

const create = (params: Readonly<Record<string, string>> = {}) =>
  ask("POST", "/videos.json", { source_url: "http://a/b.mp4", profiles: "h264", ...params })

const told = Effect.map(deliveries, (all) => all.map(({ at, event }) => `${at / 1000} ${event}`))

const test = (
  name: string,
  body: Effect.Effect<void, unknown, PandaEmulator.PandaEmulator | Scope.Scope>,
  options?: PandaEmulator.Options
) => it.scoped(name, () => Effect.provide(body, PandaEmulator.layer(options)))

describe("what is told", () => {
  test(
    "everything that happens to a video, when it happens, in the fields of contract 8",
    Effect.gen(function*() {
      const bodies: Array<unknown> = []
      yield* deliver(
        Effect.gen(function*() {
          const request = yield* HttpServerRequest.HttpServerRequest
          const { host, "content-type": type } = request.headers
          bodies.push([request.method, request.url, host, type, yield* request.text])
          return empty(200)
        }),
        { progressInterval: "4 seconds" }
      )
      yield* subscribe()
      const { id } = yield* create({ profiles: "h264,webm" })
      const [second, first] = (yield* (yield* panda).encodings).map((encoding) => encoding["id"])
      yield* TestClock.adjust("1 hour")
      const seen = yield* deliveries
      assert.deepStrictEqual(
        seen.map(({ at, attempt, event, host, status }) => [at, event, attempt, status, host]),
        [
          [1000, "video-created", 1, 200, "receiver.example:8443"],
          ...[4000, 4000, 8000, 8000].map((at) => [at, "encoding-progress", 1, 200, "receiver.example:8443"]),
          ...[10_000, 10_000].map((at) => [at, "encoding-complete", 1, 200, "receiver.example:8443"]),
          [10_000, "video-encoded", 1, 200, "receiver.example:8443"]
        ]
      )
      assert.deepStrictEqual(seen[0]!.fields, {
        event: "video-created",
        video_id: id,
        "encoding_ids[0]": first as string,
        "encoding_ids[1]": second as string
      })
      assert.deepStrictEqual(seen.slice(1, 5).map(({ fields }) => [fields["encoding_id"], fields["progress"]]), [
        [first, "40"],
        [second, "40"],
        [first, "80"],
        [second, "80"]
      ])
      assert.deepStrictEqual(seen[5]!.fields, {
        event: "encoding-complete",
        video_id: id,
        encoding_id: first as string
      })
      assert.deepStrictEqual(bodies[0], [
        "POST",
        "/hooks/canary-secret?a=b",
        "receiver.example:8443",
        "application/x-www-form-urlencoded",
        `event=video-created&video_id=${id}&encoding_ids%5B0%5D=${first}&encoding_ids%5B1%5D=${second}`
      ])
      assert.notInclude(JSON.stringify(seen), "canary")
    })
  )

  test(
    "only what the settings ask for at that time, and nothing without an url",
    Effect.gen(function*() {
      yield* deliver(answering())
      yield* create()
      yield* TestClock.adjust("1 minute")
      yield* subscribe({ encoding_completed: "true" })
      yield* create()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* told, ["70 encoding-complete"])
      yield* subscribe({ video_created: "true", encoding_completed: "false" })
      yield* create()
      yield* TestClock.adjust("1 minute")
      yield* subscribe(all, { url: "" })
      yield* create()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* told, ["70 encoding-complete", "121 video-created"])
    })
  )

  test(
    "nothing of the videos that were there before, nor of what happened before there was a receiver",
    Effect.gen(function*() {
      yield* subscribe()
      yield* create()
      yield* TestClock.adjust("5 seconds")
      yield* deliver(answering())
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* told, ["10 encoding-complete", "10 video-encoded"])
    }),
    { videos: 3 }
  )

  test(
    "a video without encodings is created, and never encoded",
    Effect.gen(function*() {
      yield* deliver(answering())
      yield* subscribe()
      const { id } = yield* create({ profiles: "none" })
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual((yield* deliveries).map(({ fields }) => fields), [{
        event: "video-created",
        video_id: id
      }])
    })
  )

  test(
    "encodings that are added, cancelled, retried or deleted",
    Effect.gen(function*() {
      yield* deliver(answering())
      yield* subscribe({ encoding_completed: "true", video_encoded: "true" })
      const { id } = yield* create()
      yield* TestClock.adjust("20 seconds")
      const added = yield* ask("POST", "/encodings.json", { video_id: id, profile_name: "webm" })
      yield* TestClock.adjust("5 seconds")
      yield* ask("POST", `/encodings/${added.id}/cancel.json`)
      yield* TestClock.adjust("5 seconds")
      yield* ask("POST", `/encodings/${added.id}/retry.json`)
      yield* TestClock.adjust("30 seconds")
      const deleted = yield* ask("POST", "/encodings.json", { video_id: id, profile_name: "webm" })
      yield* TestClock.adjust("5 seconds")
      yield* call("DELETE", `/encodings/${deleted.id}.json`)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* told, [
        "10 encoding-complete",
        "10 video-encoded",
        "25 encoding-complete",
        "25 video-encoded",
        "40 encoding-complete",
        "40 video-encoded"
      ])
    })
  )

  test(
    "a failed source, a video that the test adds, another cloud by its own settings, a clock that is ahead",
    Effect.gen(function*() {
      const { addVideo, failVideo, setSkew } = yield* panda
      yield* deliver(answering())
      yield* subscribe({ video_created: "true" })
      const other = yield* ask("POST", "/clouds.json", { s3_videos_bucket: "other" })
      yield* call("PUT", "/notifications.json", { url, "events[encoding_completed]": "true" }, { cloud: other.id })
      yield* call("POST", "/videos.json", { source_url: "http://a/b.mp4", profiles: "h264" }, { cloud: other.id })
      const failing = yield* create()
      yield* failVideo(failing.id, { error_class: "FormatNotRecognised", error_message: "no" })
      yield* TestClock.adjust("5 seconds")
      yield* addVideo()
      yield* setSkew("1 hour")
      yield* TestClock.adjust("0 seconds")
      assert.deepStrictEqual(yield* told, ["1 video-created", "5 video-created", "5 encoding-complete"])
    })
  )
})

describe("what is sent again", () => {
  /** When it was sent, in seconds after the event. */
  const times = Effect.map(deliveries, (all) => all.map(({ at }) => (at - 1000) / 1000))

  test(
    "whatever is not answered with 200, at growing intervals, for less than 24 hours",
    Effect.gen(function*() {
      yield* deliver(Effect.succeed(empty(204)))
      yield* subscribe({ video_created: "true" })
      yield* create()
      yield* TestClock.adjust("90 days")
      const attempts = yield* deliveries
      assert.deepStrictEqual(attempts.map(({ attempt }) => attempt), Array.from({ length: 14 }, (_, i) => i + 1))
      assert.deepStrictEqual(yield* times, Array.from({ length: 14 }, (_, i) => 10 * (2 ** i - 1)))
      assert.isBelow((yield* times).at(-1)!, 24 * 60 * 60)
      assert.isTrue(attempts.every(({ status }) => status === 204))
      assert.strictEqual(new Set(attempts.map(({ fields }) => JSON.stringify(fields))).size, 1)
    })
  )

  test(
    "until it is answered with 200; an app that fails or dies answers as a server lets it",
    Effect.gen(function*() {
      const answers: ReadonlyArray<HttpApp.Default<unknown>> = [
        HttpRouter.empty,
        Effect.fail("no"),
        Effect.dieMessage("no"),
        Effect.succeed(empty(301)),
        Effect.never,
        Effect.succeed(empty(200))
      ]
      let next = 0
      yield* deliver(Effect.suspend(() => answers[next++]!), { retry: Schedule.spaced("1 second") })
      yield* subscribe({ video_created: "true" })
      yield* create()
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual((yield* deliveries).map(({ status }) => status), [404, 500, 500, 301, undefined, 200])
      // The fifth was waited for, half a minute.
      assert.deepStrictEqual(yield* times, [0, 1, 2, 3, 4, 35])
    })
  )

  test(
    "through a client, as long as nobody answers",
    Effect.gen(function*() {
      const requests: Array<string> = []
      const spans: Array<string> = []
      const client = HttpClient.make((request, { href }) => {
        requests.push(`${request.method} ${href} ${request.headers["content-type"]}`)
        return requests.length < 3
          ? Effect.fail(new RequestError({ request, reason: "Transport" }))
          : Effect.succeed(HttpClientResponse.fromWeb(request, new Response("thanks", { status: 200 })))
      })
      const tracer = Tracer.make({
        span: (name, parent, context, links, startTime, kind) => {
          spans.push(name)
          const status: Tracer.SpanStatus = { _tag: "Started", startTime }
          return {
            _tag: "Span" as const,
            name,
            parent,
            context,
            links,
            kind,
            status,
            spanId: "",
            traceId: "",
            attributes: new Map(),
            sampled: true,
            end: () => {},
            attribute: () => {},
            event: () => {},
            addLinks: () => {}
          }
        },
        context: (f) => f()
      })
      yield* Effect.withTracer((yield* panda).deliver(client), tracer)
      yield* subscribe({ video_created: "true" })
      yield* create()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(
        requests,
        Array.from({ length: 3 }, () => `POST ${url} application/x-www-form-urlencoded`)
      )
      assert.deepStrictEqual((yield* deliveries).slice(0, 2).map(({ status }) => status), [undefined, undefined])
      // The url has a secret.
      assert.isEmpty(spans.filter((name) => name.startsWith("http")))
    })
  )

  test(
    "to an url that is none, in vain",
    Effect.gen(function*() {
      yield* deliver(answering(), { retry: Schedule.recurs(1) })
      yield* subscribe({ video_created: "true" }, { url: "no url" })
      yield* create()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual((yield* deliveries).map(({ host, status }) => [host, status]), [
        ["", undefined],
        ["", undefined]
      ])
    })
  )
})

describe("how it is sent", () => {
  test(
    "after the delay of the settings",
    Effect.gen(function*() {
      yield* deliver(answering())
      yield* subscribe({ video_created: "true" }, { delay: "7" })
      yield* create()
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* told, ["8 video-created"])
    })
  )

  test(
    "of a source that fails, when it does",
    Effect.gen(function*() {
      yield* deliver(answering())
      yield* subscribe({ encoding_completed: "true", video_encoded: "true" })
      const { id } = yield* create({ profiles: "h264,webm" })
      yield* TestClock.adjust("4 seconds")
      yield* (yield* panda).failVideo(id, { error_class: "FormatNotRecognised", error_message: "no video" })
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* told, ["4 encoding-complete", "4 encoding-complete", "4 video-encoded"])
    })
  )

  test(
    "to a receiver whose answer never ends: its status counts, and the rest is not waited for",
    Effect.gen(function*() {
      let sent = 0
      const slice = new Uint8Array(1024)
      const client = HttpClient.make((request) =>
        Effect.sync(() => {
          const body = new ReadableStream({
            pull: (controller) => {
              sent += slice.length
              controller.enqueue(slice)
            }
          })
          return HttpClientResponse.fromWeb(request, new Response(body, { status: 200 }))
        })
      )
      yield* (yield* panda).deliver(client)
      yield* subscribe({ video_created: "true" })
      yield* create()
      yield* TestClock.adjust("1 second")
      // The web's stream is read through promises.
      yield* Effect.repeat(Effect.zipRight(Effect.promise(() => new Promise(setImmediate)), deliveries), {
        until: ([delivery]) => delivery?.status !== undefined
      })
      assert.isBelow(sent, 256 * 1024)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual((yield* deliveries).map(({ attempt, status }) => [attempt, status]), [[1, 200]])
    })
  )

  test(
    "twice, late, or not at all, as the test wishes",
    Effect.gen(function*() {
      yield* deliver(answering(500), {
        retry: Schedule.spaced("1 minute"),
        copies: ({ event }) =>
          event === "video-created" ? ["20 seconds"] : event === "encoding-complete" ? [0, "3 seconds"] : []
      })
      yield* subscribe()
      yield* create()
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* told, [
        "10 encoding-complete",
        "13 encoding-complete",
        "21 video-created",
        "70 encoding-complete"
      ])
    })
  )

  test(
    "with progress as often as asked, or never",
    Effect.gen(function*() {
      yield* Effect.scoped(
        Effect.gen(function*() {
          yield* deliver(answering(), { progressInterval: 0 })
          yield* subscribe({ encoding_progress: "true" })
          yield* create()
          yield* TestClock.adjust("1 hour")
          assert.isEmpty(yield* told)
        })
      )
      yield* deliver(answering(), { progressInterval: "15 minutes" })
      yield* create()
      yield* TestClock.adjust("10 hours")
      assert.deepStrictEqual((yield* deliveries).map(({ fields }) => fields["progress"]), ["25", "50", "75"])
    }),
    { encodingTime: "1 hour" }
  )

  test(
    "until the scope closes, or the emulator is reset",
    Effect.gen(function*() {
      const { reset } = yield* panda
      yield* Effect.scoped(Effect.gen(function*() {
        yield* deliver(answering(500))
        yield* subscribe({ video_created: "true" })
        yield* create()
        yield* TestClock.adjust("2 seconds")
      }))
      yield* TestClock.adjust("1 hour")
      assert.lengthOf(yield* deliveries, 1)

      yield* deliver(answering(500))
      yield* create()
      yield* TestClock.adjust("2 seconds")
      assert.lengthOf(yield* deliveries, 2)
      yield* reset
      assert.isEmpty(yield* deliveries)
      yield* subscribe({ video_created: "true" })
      yield* TestClock.adjust("1 hour")
      assert.isEmpty(yield* deliveries)
      yield* create()
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual((yield* deliveries).map(({ attempt, status }) => [attempt, status]), [[1, 200]])
    }),
    { videos: 2 }
  )

  class Name extends Context.Tag("Name")<Name, string>() {}

  test(
    "to an app that gets what it needs, and reads its request in every way",
    Effect.gen(function*() {
      const read: Array<unknown> = []
      const app = Effect.gen(function*() {
        const request = yield* HttpServerRequest.HttpServerRequest
        const text = yield* request.text
        assert.strictEqual(new TextDecoder().decode(yield* request.arrayBuffer), text)
        assert.strictEqual(yield* Stream.mkString(Stream.decodeText(request.stream)), text)
        assert.strictEqual(
          new URLSearchParams(UrlParams.toRecord(yield* request.urlParamsBody) as Record<string, string>).toString(),
          text
        )
        assert.strictEqual((yield* Effect.flip(request.json)).reason, "Decode")
        assert.strictEqual((yield* Effect.flip(request.upgrade)).reason, "Decode")
        assert.isTrue(Exit.isFailure(yield* Effect.exit(Stream.runDrain(request.multipartStream))))
        const moved = request.modify({ url: "/x", remoteAddress: "1.2.3.4", headers: request.headers })
        assert.deepStrictEqual([moved.url, moved.originalUrl], ["/x", "/hooks/canary-secret?a=b"])
        assert.deepStrictEqual(moved.remoteAddress, Option.some("1.2.3.4"))
        assertNone(request.modify({}).remoteAddress)
        assert.deepStrictEqual({ ...request.cookies }, {})
        assert.include(JSON.stringify(request), "video-created")
        yield* Effect.addFinalizer(() => Effect.sync(() => read.push("closed")))
        read.push(yield* Name)
        return empty(200)
      }).pipe(Effect.tapErrorCause((cause) => Effect.sync(() => read.push(cause))))
      yield* Effect.provideService((yield* panda).deliver(app), Name, "name")
      yield* subscribe({ video_created: "true" })
      yield* create()
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(read, ["name", "closed"])
    })
  )

  it.effect("one adjustment drives all deliveries and retries, always", () => {
    const busy = Effect.gen(function*() {
      yield* deliver(answering(500, 500, 503, 500, 204), { progressInterval: "1 second" })
      yield* subscribe()
      yield* create()
      yield* TestClock.adjust("1 hour")
      return yield* told
    }).pipe(Effect.scoped, Effect.provide([PandaEmulator.layer(), TestClock.defaultTestClock]))
    return Effect.gen(function*() {
      const first = yield* busy
      assert.lengthOf(first, 12 + 5)
      for (let round = 0; round < 10; round++) assert.deepStrictEqual(yield* busy, first)
    })
  })
})
