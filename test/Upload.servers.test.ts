/** What servers, proxies and networks do to people who upload for a living. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Either, Fiber, Layer, Option, Redacted, Schedule, Stream, TestClock } from "effect"
import * as bandwidth from "effect-panda/internal/upload/bandwidth"
import * as PandaClient from "effect-panda/PandaClient"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import * as Upload from "effect-panda/Upload"
import * as UploadSession from "effect-panda/UploadSession"
import * as UploadSource from "effect-panda/UploadSource"
import * as UploadStore from "effect-panda/UploadStore"
import * as Videos from "effect-panda/Videos"
import {
  arrived,
  bytesOf,
  fail,
  inject,
  keeper,
  options,
  panda,
  ranges,
  requests,
  routes,
  runFor,
  scenario,
  sessions,
  sourceOf,
  succeed,
  theSession
} from "./client/upload.js"

const MIB = 1024 * 1024
const PAGE = "<html><head><title>413 Request Entity Too Large</title></head></html>"

const zeros = (size: number) => UploadSource.fromBytes(new Uint8Array(size), { name: "movie.mp4" })

/** Of the chunks that were sent. */
const lengths = Effect.map(ranges, (ranges) =>
  ranges.flatMap((range) => {
    const [, first, last] = /(\d+)-(\d+)/.exec(range) ?? []
    return last === undefined ? [] : [Number(last) - Number(first) + 1]
  }))

const retriesOf = (events: ReadonlyArray<Upload.UploadEvent>) =>
  events.flatMap((event) => event._tag === "Retrying" ? [event] : [])

/** Does something else with requests whose body is longer. */
const beyond =
  (most: number, instead: (request: Parameters<HttpClient.HttpClient["execute"]>[0]) => Fault | "reset") =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.gen(function*() {
      const { inject } = yield* panda
      return yield* Effect.provide(
        effect,
        PandaClient.layer.pipe(Layer.provide(Layer.effect(
          HttpClient.HttpClient,
          Effect.map(HttpClient.HttpClient, (http) =>
            HttpClient.make((request) => {
              const { body } = request
              const length = body._tag === "Uint8Array" || body._tag === "Stream" ? body.contentLength ?? 0 : 0
              if (length <= most) return http.execute(request)
              const fault = instead(request)
              return fault === "reset"
                ? Effect.fail(
                  new HttpClientError.RequestError({ request, reason: "Transport", cause: { code: "ECONNRESET" } })
                )
                : Effect.zipRight(inject({ route: "chunk", fault }), http.execute(request))
            }))
        )))
      )
    })

/** An upload that was left with so much acknowledged. */
const left = (size: number, chunks = 1) =>
  Effect.gen(function*() {
    const { get, onState } = yield* keeper
    yield* inject({ route: "chunk", fault: Fault.stall, skip: chunks })
    yield* runFor("1 seconds", Upload.start(sourceOf(size), { ...options, onState }))
    return yield* get
  })

describe("a session that is gone", () => {
  const record = (attributes: object) => Fault.status(200, { body: JSON.stringify({ id: "v", ...attributes }) })

  for (
    const [what, attributes] of Object.entries({
      "that failed": { status: "fail" },
      "in work": { status: "processing" },
      "of its size": { status: "success", file_size: 10_000 }
    })
  ) {
    scenario(`has no video when not all was sent, whatever record there is: one ${what}`, () =>
      Effect.gen(function*() {
        const state = yield* left(10_000)
        yield* inject({ route: "probe", fault: Fault.expire() })
        yield* inject({ route: "GET /videos/:id.json", fault: record(attributes), times: Infinity })
        const { error } = yield* fail(Upload.resume(state, sourceOf(10_000), options))
        assert.strictEqual(error._tag, "PandaSessionExpired")
      }))
  }

  for (
    const [what, attributes, finished] of [
      ["that failed", { status: "fail" }, false],
      ["of another size", { status: "success", file_size: 2499 }, false],
      ["of its size", { status: "success", file_size: "2500" }, true],
      ["in work, whose size is not known", { status: "processing" }, true]
    ] as const
  ) {
    scenario(`when all was sent: a record ${what} is ${finished ? "its video" : "none"}`, () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.resetAfter, skip: 2 })
        yield* inject({ route: "probe", fault: Fault.expire() })
        yield* inject({ route: "GET /videos/:id.json", fault: record(attributes) })
        const upload = Upload.start(sourceOf(2500), options)
        if (finished) assert.strictEqual((yield* succeed(upload)).video.id, "v")
        else assert.strictEqual((yield* fail(upload)).error._tag, "PandaSessionExpired")
      }))
  }

  scenario("is no video when the chunk under way was not the last", () =>
    Effect.gen(function*() {
      const state = yield* left(4500)
      yield* inject({ route: "chunk", fault: Fault.expire() })
      yield* inject({ route: "GET /videos/:id.json", fault: record({ status: "processing" }), times: Infinity })
      const { error } = yield* fail(Upload.resume(state, sourceOf(4500), options))
      assert.strictEqual(error._tag, "PandaSessionExpired")
      assert.notInclude(yield* routes, "GET /videos/:id.json")
    }))

  scenario("may have its video when the chunk under way was the last", () =>
    Effect.gen(function*() {
      const state = yield* left(2000)
      yield* inject({ route: "probe", fault: Fault.expire() })
      yield* inject({ route: "GET /videos/:id.json", fault: record({ status: "success", file_size: 2000 }) })
      const { video } = yield* succeed(Upload.resume(state, sourceOf(2000), options))
      assert.strictEqual(video.id, "v")
    }))
})

describe("a finished upload", () => {
  for (const status of [200, 201]) {
    scenario(`is one on ${status}, with a Location that is the video's`, () =>
      Effect.gen(function*() {
        const fault = Fault.status(status, {
          body: `{"id":"v","status":"processing"}`,
          headers: { location: "http://api.example/videos/v.json" }
        })
        yield* inject({ route: "chunk", fault, skip: 1 })
        const { events, video } = yield* succeed(Upload.start(sourceOf(2000), options))
        assert.strictEqual(video.id, "v")
        assert.notInclude(events.map(({ _tag }) => _tag), "Moved")
        assert.deepStrictEqual(yield* routes, ["create", "chunk", "chunk"])
      }), { uploadOrigin: "https://vm-1.upload.pandastream.test" })
  }
})

describe("a location that must not be followed", () => {
  for (const status of [503, 408, 429, 416]) {
    scenario(`is ignored on ${status}, which counts`, () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.status(status, { headers: { location: "ftp://x/y" } }), skip: 1 })
        yield* succeed(Upload.start(sourceOf(2500), options))
        assert.deepStrictEqual(yield* routes, ["create", "chunk", "chunk", "probe", "chunk", "chunk"])
        yield* arrived(bytesOf(2500))
      }))
  }
})

describe("progress", () => {
  for (const range of ["0-999/2500", "bytes=0-999/2500", "bytes 0-999", "0-999/*", "BYTES  0-999", "bytes  =  0-999"]) {
    scenario(`is ${range}`, () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.carriedOut(Fault.status(204, { headers: { range } })) })
        yield* succeed(Upload.start(sourceOf(2500), options))
        assert.deepStrictEqual(yield* routes, ["create", "chunk", "chunk", "chunk"])
        yield* arrived(bytesOf(2500))
      }))
  }
})

describe("a refusal for good", () => {
  const store = UploadStore.layerMemory

  for (const [status, forgotten] of [[403, true], [400, true], [451, true], [401, false], [423, false]] as const) {
    scenario(
      `${status} at the start of a resumption: the next run ${forgotten ? "begins anew" : "goes on"}`,
      () =>
        Effect.gen(function*() {
          yield* inject({ route: "chunk", fault: Fault.status(status), skip: 1 })
          const first = yield* fail(Upload.startOrResume(sourceOf(3000), options))
          assert(first.error._tag === "PandaUploadRejected")
          assert.isDefined(first.error.state)
          yield* inject({ route: "probe", fault: Fault.status(status) })
          const second = yield* fail(Upload.startOrResume(sourceOf(3000), options))
          assert(second.error._tag === "PandaUploadRejected")
          assert.strictEqual(second.error.state === undefined, forgotten)
          if (!forgotten) assert.match(second.error.message, /, then resume$/)
          yield* succeed(Upload.startOrResume(sourceOf(3000), options))
          assert.lengthOf(yield* sessions, forgotten ? 2 : 1)
          yield* arrived(bytesOf(3000))
        }).pipe(Effect.provide(store))
    )
  }
})

describe("opening a session", () => {
  for (const fault of [Fault.refuse, Fault.status(503), Fault.resetAfter]) {
    scenario(`is tried for as long as the schedule has it: ${fault._tag}`, () =>
      Effect.gen(function*() {
        yield* inject({ route: "create", fault, times: 11 })
        const { events } = yield* succeed(Upload.start(sourceOf(2000), options))
        // Each of them is five attempts of the API's own.
        assert.deepStrictEqual(
          events.map(({ _tag }) => _tag).slice(0, 3),
          ["Retrying", "Retrying", "Started"]
        )
        yield* arrived(bytesOf(2000))
      }).pipe(PandaClient.withRetryBudget("unlimited")))
  }

  scenario("is tried so too where the session has expired", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.expire(), skip: 1 })
      yield* inject({ route: "create", fault: Fault.refuse, skip: 1, times: 11 })
      const { events } = yield* succeed(Upload.start(sourceOf(2000), { ...options, onExpired: "restart" }))
      assert.include(events.map(({ _tag }) => _tag), "Restarted")
      yield* arrived(bytesOf(2000))
    }).pipe(PandaClient.withRetryBudget("unlimited")))

  scenario("gives up as well", () =>
    Effect.gen(function*() {
      yield* inject({ route: "create", fault: Fault.refuse, times: Infinity })
      const { error } = yield* fail(Upload.start(sourceOf(2000), { ...options, retry: Schedule.recurs(3) }))
      assert(error._tag === "PandaUploadStalled")
      assert.strictEqual(error.attempts, 4)
      assert.isUndefined(error.state)
      assert.match(error.message, /gave up after 4 failures in a row: .*Try again later$/)
    }).pipe(PandaClient.withRetryBudget("unlimited")))
})

describe("somebody on the way who takes so much", () => {
  const size = 12 * MIB
  for (const body of ["bytes", "stream"] as const) {
    for (const chunkSize of [undefined, 4 * MIB]) {
      scenario(
        `413 beyond 2 MiB, chunks of ${chunkSize ?? "any"} bytes, as ${body}: it is remembered`,
        () =>
          Effect.gen(function*() {
            const { events } = yield* succeed(Upload.start(zeros(size), { body, chunkSize })).pipe(
              beyond(2 * MIB, () => Fault.status(413, { body: PAGE, early: true }))
            )
            const sent = yield* lengths
            const refused = sent.filter((length) => length > 2 * MIB)
            assert.deepStrictEqual(
              refused,
              body === "stream" && chunkSize === undefined ? [6 * MIB, 3 * MIB] : [4 * MIB]
            )
            assert.isTrue(sent.slice(-3).every((length) => length >= MIB && length <= 2 * MIB))
            assert.deepStrictEqual(retriesOf(events), [])
            assert.strictEqual((yield* theSession).status, "complete")
          })
      )
    }
  }

  scenario("413 to every length ends it", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.status(413, { body: PAGE, early: true }), times: Infinity })
      const { error } = yield* fail(Upload.start(zeros(size), {}))
      assert.strictEqual(error._tag, "PandaFileTooLarge")
      assert.deepStrictEqual(
        yield* lengths,
        [6, 3, 3 / 2, 3 / 4, 3 / 8, 3 / 16, 3 / 32, 1 / 16].map((length) => length * MIB)
      )
    }))

  scenario("413 of Panda, which is about the file, ends it at once", () =>
    Effect.gen(function*() {
      yield* inject({
        route: "chunk",
        fault: Fault.status(413, { error: "FileSizeLimitExceeded", message: "File size limit is set to 5 bytes" })
      })
      const { error } = yield* fail(Upload.start(zeros(size), {}))
      assert.strictEqual(error._tag === "PandaFileTooLarge" && error.limit, 5)
      assert.deepStrictEqual(yield* routes, ["create", "chunk"])
    }))

  for (const most of [65_536, 500_000, MIB, 2 * MIB, 3 * MIB]) {
    scenario(`a reset of all beyond ${most} bytes is got over`, () =>
      Effect.gen(function*() {
        yield* succeed(Upload.start(zeros(size), {})).pipe(beyond(most, () => "reset"))
        assert.strictEqual((yield* theSession).status, "complete")
      }))
  }
})

describe("waiting", () => {
  scenario("Retry-After: 0 leaves our own time as it is", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.status(503, { retryAfter: 0 }) })
      yield* inject({ route: "probe", fault: Fault.status(503, { retryAfter: 0 }), times: 5 })
      const { events } = yield* succeed(Upload.start(sourceOf(2000), options))
      const waits = retriesOf(events).map(({ delay }) => Duration.toMillis(delay))
      assert.isAtLeast(waits.length, 6)
      for (const [index, wait] of waits.slice(0, 6).entries()) assert.isAtLeast(wait, 50 * 2 ** index)
    }))

  scenario("a date is one on the server's clock", () =>
    Effect.gen(function*() {
      const headers = { date: "Sun, 22 Nov 2026 12:00:00 GMT", "retry-after": "Sun, 22 Nov 2026 12:00:07 GMT" }
      yield* inject({ route: "chunk", fault: Fault.status(503, { headers }) })
      const { events } = yield* succeed(Upload.start(sourceOf(2000), options))
      const [wait] = retriesOf(events).map(({ delay }) => Duration.toMillis(delay))
      assert.isAtLeast(wait!, 7000)
      assert.isAtMost(wait!, 7500)
    }))

  scenario("progress in a new session forgets failures", () =>
    Effect.gen(function*() {
      const retry = Schedule.intersect(Schedule.spaced("1 second"), Schedule.recurs(3))
      yield* inject({ route: "chunk", fault: Fault.expire(), skip: 7 })
      for (let chunk = 0; chunk < 7; chunk++) {
        yield* inject({ route: "chunk", fault: Fault.resetBefore, skip: 8 + chunk })
      }
      const { events } = yield* succeed(Upload.start(sourceOf(8000), { ...options, onExpired: "restart", retry }))
      assert.isAtLeast(retriesOf(events).length, 5)
      yield* arrived(bytesOf(8000))
    }))

  scenario("sessions that always end half-way end the upload", () =>
    Effect.gen(function*() {
      const retry = Schedule.intersect(Schedule.spaced("1 second"), Schedule.recurs(3))
      for (let turn = 0; turn < 10; turn++) yield* inject({ route: "chunk", fault: Fault.expire(), skip: 2 })
      const { error } = yield* fail(Upload.start(sourceOf(4000), { ...options, onExpired: "restart", retry }))
      assert(error._tag === "PandaUploadStalled")
      assert.strictEqual(error.attempts, 4)
      assert.lengthOf(yield* sessions, 4)
    }))

  scenario("no failure is in 0 attempts", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.accept({ bytes: 0 }), times: 3 })
      const { events } = yield* succeed(Upload.start(sourceOf(2000), options))
      assert.deepStrictEqual(
        retriesOf(events).map(({ attempt, error }) => [attempt, error._tag === "PandaUploadStalled" && error.attempts]),
        [[1, 1], [2, 2], [3, 3]]
      )
    }))
})

describe("a stall", () => {
  scenario("is noticed in minutes, however long chunks are said to be", () =>
    Effect.gen(function*() {
      for (const skip of [0, 1]) yield* inject({ route: "chunk", fault: Fault.stall, skip })
      const { events } = yield* succeed(Upload.start(zeros(80 * MIB), { chunkSize: 64 * MIB }))
      assert.isAtLeast(retriesOf(events).length, 1)
      const seen = yield* requests
      for (const [index, { at, route }] of seen.entries()) {
        if (route === "probe") assert.isAtMost(at - seen[index - 1]!.at, 10 * 60_000)
      }
    }))

  it.effect("of a file with its video is noticed in minutes, if its bytes are asked for one after another", () =>
    Effect.gen(function*() {
      yield* inject({ route: "POST /videos.json", fault: Fault.stallReading({ after: 5 * MIB }) })
      const fiber = yield* Effect.fork(Effect.either(Videos.create({ file: zeros(64 * MIB) })))
      yield* TestClock.adjust("5 minutes")
      const exit = Option.getOrElse(yield* Fiber.poll(fiber), () => assert.fail("it stands still"))
      const error = yield* Either.flip(yield* exit)
      assert.strictEqual(error._tag === "PandaTransportError" && error.reason, "Timeout")
    }).pipe(Effect.provide(PandaEmulator.layerTest())))
})

describe("the wall clock", () => {
  it.effect("may step: a bandwidth limit goes on", () =>
    Effect.gen(function*() {
      const clock = yield* Effect.clock
      let step = 0
      const stepping: Clock.Clock = {
        ...clock,
        [Clock.ClockTypeId]: Clock.ClockTypeId,
        unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() + step,
        unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
        currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + step),
        currentTimeNanos: clock.currentTimeNanos,
        sleep: (duration) => clock.sleep(duration)
      }
      const limit = yield* bandwidth.make(1000)
      for (const [by, most] of [[0, 1], [-3_600_000, 1], [3_600_000, 1]] as const) {
        const fiber = yield* Effect.fork(Effect.repeatN(Effect.withClock(limit.take(500), stepping), 1))
        step += by
        yield* TestClock.adjust(`${most} seconds`)
        assert.isTrue(Option.isSome(yield* Fiber.poll(fiber)))
      }
    }))
})

describe("a source", () => {
  scenario("that is a stream of known size need not end", () =>
    Effect.gen(function*() {
      const stream = Stream.concat(Stream.make(bytesOf(2500)), Stream.never)
      yield* succeed(Upload.start(UploadSource.fromStream(stream, { name: "movie.mp4", size: 2500 }), options))
      yield* arrived(bytesOf(2500))
    }))

  scenario("that is a stream with more to come a little later is no video", () =>
    Effect.gen(function*() {
      const late = Stream.fromEffect(Effect.delay(Effect.succeed(bytesOf(1)), "500 millis"))
      const stream = Stream.concat(Stream.make(bytesOf(2500)), Stream.concat(late, Stream.never))
      const source = UploadSource.fromStream(stream, { name: "movie.mp4", size: 2500 })
      const { error } = yield* fail(Upload.start(source, options))
      assert.strictEqual(error._tag === "PandaSourceError" && error.reason, "Changed")
    }))
})

describe("a handle", () => {
  scenario("that is started twice gives the first video", () =>
    Effect.gen(function*() {
      const session = yield* Upload.session(sourceOf(2000), options)
      const first = yield* session.start
      const before = (yield* requests).length
      assert.strictEqual((yield* session.start).id, first.id)
      assert.lengthOf(yield* requests, before)
    }))

  scenario("that is started twice at once gives one video", () =>
    Effect.gen(function*() {
      const session = yield* Upload.session(sourceOf(2000), options)
      const [first, second] = yield* Effect.all([session.start, session.start], { concurrency: 2 })
      assert.strictEqual(first.id, second.id)
      assert.lengthOf(yield* sessions, 1)
    }))
})

describe("abort", () => {
  for (const status of [301, 302, 307, 308, 503, 429]) {
    scenario(`follows the session where a ${status} says that it is`, () =>
      Effect.gen(function*() {
        const state = yield* left(3000)
        yield* inject({ route: "abort", fault: Fault.move({ status }) })
        const fiber = yield* Effect.fork(Upload.abort(state))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        assert.strictEqual((yield* theSession).status, "aborted")
        assert.strictEqual((yield* theSession).locations, 2)
      }))
  }

  scenario("does not take a circle for an end", () =>
    Effect.gen(function*() {
      const state = yield* left(3000)
      yield* inject({ route: "abort", fault: Fault.move({ status: 307 }), times: Infinity })
      const error = yield* Effect.flip(Upload.abort(state))
      assert.strictEqual(error._tag, "PandaUploadProtocolError")
      assert.isAtMost((yield* routes).filter((route) => route === "abort").length, 6)
    }))

  for (const location of ["ftp://x/y", undefined]) {
    scenario(`a 307 to ${location ?? "nowhere"} is no end`, () =>
      Effect.gen(function*() {
        const state = yield* left(3000)
        const headers = location === undefined ? {} : { location }
        yield* inject({ route: "abort", fault: Fault.status(307, { headers }) })
        const error = yield* Effect.flip(UploadSession.abort(state.location, { timeout: "1 second" }))
        assert.strictEqual(error._tag, "PandaUploadProtocolError")
        assert.notInclude(error.message, Redacted.value(state.location))
      }))
  }
})
