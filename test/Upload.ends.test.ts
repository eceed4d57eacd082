import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Duration, Effect, Exit, FastCheck, Fiber, Layer, Option, Schedule, Stream } from "effect"
import * as mailbox from "effect-panda/internal/upload/mailbox"
import * as PandaClient from "effect-panda/PandaClient"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import * as PandaError from "effect-panda/PandaError"
import * as Upload from "effect-panda/Upload"
import * as UploadSource from "effect-panda/UploadSource"
import { arrived, bytesOf, inject, keeper, options, panda, requests, runFor, sourceOf } from "./client/upload.js"

/** Whatever a server does, an upload ends. */

const RETRIES = 5

/**
 * Setbacks are forgotten when more bytes are acknowledged than ever: at most `size` times. In between there are at most
 * RETRIES + 1 of them, after each of which all may be acknowledged once again, byte by byte, with RETRIES + 1 failures
 * before each; and a failure may cost a chunk, a probe, a lookup of the video and a new session (of five attempts each),
 * and an end of the old one, with its moves. One contradiction is asked about.
 */
const bound = (size: number) => (size + 1) * ((RETRIES + 1) * (size + 1) * (RETRIES + 1) * (1 + 1 + 5 + 5 + 6) + 1)

const range = FastCheck.oneof(
  FastCheck.integer({ min: -1, max: 14 }).map((end) => `0-${end}`),
  FastCheck.constantFrom(
    "lots",
    "",
    "bytes=0-3",
    "bytes 0-2",
    "3-5",
    "0-999999999999999",
    "0--1",
    "5-",
    "0-4/9",
    "0-4\t"
  )
)
const location = FastCheck.constantFrom(
  "?id=other",
  "http://[",
  "https://elsewhere.test/upload/session?id=x",
  "http://user:secret@elsewhere.test/",
  "file:///etc/passwd",
  "//elsewhere.test",
  ""
)
const body = FastCheck.constantFrom(
  "",
  "<html>",
  "null",
  "[]",
  `{"id":"a video"}`,
  `{"id":7,"width":{}}`,
  `{"id":"s","location":"nowhere"}`,
  `{"id":"s","location":"http://vm-1.upload.pandastream.test/upload/session?id=unknown"}`,
  `{"error":"InternalError","message":"down"}`,
  `{"error":"BadRequest","message":"a\\nb"}`,
  `{"error":"RecordNotFound"}`,
  `{"error":400}`
)
const status = FastCheck.oneof(
  FastCheck.constantFrom(200, 200, 201, 202, 204, 204, 206, 226, 299, 300, 301, 302, 304, 307, 308),
  FastCheck.constantFrom(400, 401, 403, 404, 405, 408, 409, 410, 411, 413, 416, 418, 422, 425, 429, 431, 451),
  FastCheck.constantFrom(500, 501, 502, 503, 504, 507, 599)
)

/** What happens to one request. Undefined: it is served. */
const move: FastCheck.Arbitrary<Fault | undefined> = FastCheck.oneof(
  { weight: 6, arbitrary: FastCheck.constant(undefined) },
  {
    weight: 6,
    arbitrary: FastCheck.record({
      status,
      body,
      range: FastCheck.option(range, { nil: undefined }),
      location: FastCheck.option(location, { nil: undefined, freq: 4 }),
      retryAfter: FastCheck.option(FastCheck.constantFrom("0", "3", "soon", "Sun, 22 Nov 2026 21:00:00 GMT"), {
        nil: undefined,
        freq: 5
      })
    }).map(({ body, location, range, retryAfter, status }) =>
      Fault.status(status, {
        body,
        headers: {
          ...(range === undefined ? {} : { range }),
          ...(location === undefined ? {} : { location }),
          ...(retryAfter === undefined ? {} : { "retry-after": retryAfter })
        }
      })
    )
  },
  {
    weight: 6,
    arbitrary: FastCheck.oneof(
      FastCheck.constantFrom(
        Fault.refuse,
        Fault.resetBefore,
        Fault.resetAfter,
        Fault.stall,
        Fault.carriedOut(Fault.stall),
        Fault.notFinalized,
        Fault.backendDown(502),
        Fault.noRange,
        Fault.backwardRange,
        Fault.expire(404),
        Fault.expire(410),
        Fault.empty,
        Fault.malformed(),
        Fault.move(),
        Fault.move({ status: 503 }),
        Fault.move({ status: 307 }),
        Fault.move({ relative: true }),
        Fault.delayAnswer("10 minutes"),
        Fault.carriedOut(Fault.status(500))
      ),
      FastCheck.integer({ min: 0, max: 12 }).map((bytes) => Fault.accept({ bytes })),
      FastCheck.integer({ min: 0, max: 14 }).map((to) => Fault.lieRange({ to })),
      FastCheck.integer({ min: 0, max: 12 }).map((to) => Fault.forget({ to })),
      FastCheck.integer({ min: 0, max: 30 }).map((after) => Fault.truncate({ after })),
      FastCheck.integer({ min: 0, max: 12 }).map((after) => Fault.resetDuring({ after })),
      FastCheck.integer({ min: 0, max: 12 }).map((after) => Fault.stallReading({ after }))
    )
  }
)

/** An HTTP layer whose requests meet these faults in turn, again and again. */
const adversary = (moves: ReadonlyArray<Fault | undefined>, honestCreate: boolean, most: number) => {
  let turn = 0
  return PandaClient.layer.pipe(Layer.provide(Layer.effect(
    HttpClient.HttpClient,
    Effect.gen(function*() {
      const { inject } = yield* panda
      return HttpClient.mapRequestEffect(yield* HttpClient.HttpClient, (request) => {
        if (turn === most) return Effect.dieMessage(`there are more than ${most} requests`)
        const fault = moves[turn++ % moves.length]
        return fault === undefined || (honestCreate && request.url.includes("/v2/videos/upload.json"))
          ? Effect.succeed(request)
          : Effect.as(inject({ route: "*", fault }), request)
      })
    })
  )))
}

/** Time that passes as soon as nobody can do anything before it has: quicker than a TestClock, where there is much of it. */
const makeTime = () => {
  let now = 0
  let sleepers: Array<{ readonly until: number; readonly wake: () => void }> = []
  const clock: Clock.Clock = {
    ...Clock.make(),
    unsafeCurrentTimeMillis: () => now,
    unsafeCurrentTimeNanos: () => BigInt(Math.round(now * 1e6)),
    currentTimeMillis: Effect.sync(() => now),
    currentTimeNanos: Effect.sync(() => BigInt(Math.round(now * 1e6))),
    sleep: (duration) =>
      Effect.async<void>((resume) => {
        const sleeper = { until: now + Duration.toMillis(duration), wake: () => resume(Effect.void) }
        sleepers.push(sleeper)
        return Effect.sync(() => {
          sleepers = sleepers.filter((other) => other !== sleeper)
        })
      })
  }
  const pass = Effect.gen(function*() {
    yield* Effect.repeatN(Effect.yieldNow(), 60)
    const next = sleepers.reduce((next, { until }) => Math.min(next, until), Infinity)
    if (next === Infinity) return
    now = next
    const awake = sleepers.filter(({ until }) => until <= now)
    sleepers = sleepers.filter(({ until }) => until > now)
    for (const { wake } of awake) wake()
  })
  return { clock, pass }
}

/** Runs an upload until it ends, however long it takes. */
const ending = <E, R>(upload: Stream.Stream<Upload.UploadEvent, E, R>, ops = 2048) =>
  Effect.gen(function*() {
    const events: Array<Upload.UploadEvent> = []
    const { clock, pass } = makeTime()
    const fiber = yield* Upload.video(Stream.tap(upload, (event) => Effect.sync(() => events.push(event)))).pipe(
      Effect.exit,
      Effect.withMaxOpsBeforeYield(ops),
      Effect.withClock(clock),
      Effect.fork
    )
    for (let waits = 0; waits < 10_000; waits++) {
      const exit = yield* Fiber.poll(fiber)
      if (Option.isSome(exit)) return { events, exit: yield* exit.value }
      yield* pass
    }
    return assert.fail("it does not end")
  })

const checkEnd = (
  exit: Exit.Exit<unknown, PandaError.UploadError>,
  events: ReadonlyArray<Upload.UploadEvent>,
  size: number
) => {
  if (Exit.isFailure(exit)) {
    const error = Option.getOrElse(Cause.failureOption(exit.cause), () => assert.fail(Cause.pretty(exit.cause)))
    assert.isTrue(PandaError.isUploadError(error), String(error))
    assert.notInclude(error.message, "\n")
    assert.notInclude(`${error.message}${JSON.stringify(error)}`, "session?id")
  }
  const words = events.map(({ _tag }) => _tag).join(" ")
  assert.match(
    words,
    Exit.isSuccess(exit)
      ? /^(Retrying )*(Started|Resumed)( (Progress|Retrying|Moved|Restarted))* Uploaded$/
      : /^((Retrying )*(Started|Resumed)( (Progress|Retrying|Moved|Restarted))*|(Retrying ?)*)$/
  )
  let acknowledged = 0
  for (const event of events) {
    if (event._tag === "Restarted" || event._tag === "Resumed") acknowledged = event.state.acknowledged
    if (event._tag !== "Progress") continue
    assert.isAtLeast(event.acknowledged, acknowledged)
    assert.isAtMost(event.acknowledged, event.sent)
    assert.isAtMost(event.sent, event.size)
    assert.isTrue(event.acknowledged < size || events.at(-1)?._tag === "Uploaded")
    acknowledged = event.acknowledged
  }
}

const kinds = FastCheck.record({
  size: FastCheck.integer({ min: 1, max: 12 }),
  chunkSize: FastCheck.integer({ min: 1, max: 7 }),
  body: FastCheck.constantFrom("bytes" as const, "stream" as const),
  onExpired: FastCheck.constantFrom("fail" as const, "restart" as const),
  onChanged: FastCheck.constantFrom("fail" as const, "restart" as const),
  source: FastCheck.constantFrom("bytes" as const, "stream" as const),
  honestCreate: FastCheck.boolean(),
  resumed: FastCheck.boolean()
})

describe("every upload ends", () => {
  let most = 0
  it.effect.prop(
    "whatever servers do, in a bounded number of requests, with a video or an error",
    { kind: kinds, moves: FastCheck.array(move, { minLength: 1, maxLength: 10 }) },
    ({ kind: { honestCreate, resumed, size, source: how, ...settings }, moves }) =>
      Effect.gen(function*() {
        const bytes = bytesOf(size)
        const source = UploadSource.fromBytes(bytes, { name: "a.mp4" })
        const retry = Schedule.recurs(RETRIES)
        const { get, onState } = yield* keeper
        if (resumed) {
          yield* inject({ route: "chunk", fault: Fault.stall, skip: 1 })
          yield* runFor("1 millis", Upload.start(source, { ...options, chunkSize: 3, onState }))
        }
        const before = (yield* requests).length
        const upload = resumed
          ? Upload.resume(yield* get, source, { ...settings, retry })
          : Upload.start(
            how === "bytes"
              ? source
              : UploadSource.fromStream(Stream.make(bytes), { name: "a.mp4", size, window: 5 }),
            { ...settings, retry }
          )
        const { events, exit } = yield* Effect.provide(ending(upload), adversary(moves, honestCreate, bound(size)))
        checkEnd(exit, events, size)
        most = Math.max(most, (yield* requests).length - before)
      }).pipe(Effect.provide(PandaEmulator.layerTest({ keepBytes: true }))),
    { fastCheck: { numRuns: 300 } }
  )

  it("does so after trying", () => {
    assert.isAbove(most, 10)
  })

  it.effect("wherever its fibers are switched", () =>
    Effect.gen(function*() {
      for (let ops = 10; ops <= 40; ops++) {
        yield* Effect.gen(function*() {
          yield* inject({ route: "chunk", fault: Fault.status(503), skip: 1 })
          yield* inject({ route: "chunk", fault: Fault.accept({ bytes: 10 }), skip: 2 })
          const { events, exit } = yield* Effect.withMaxOpsBeforeYield(
            ending(Upload.start(sourceOf(3500), options)),
            ops
          )
          checkEnd(exit, events, 3500)
          assert.isTrue(Exit.isSuccess(exit))
          yield* arrived(bytesOf(3500))
        }).pipe(Effect.provide(PandaEmulator.layerTest()))
      }
    }))

  it.effect("and so do its events, wherever who looks on is set aside", () =>
    Effect.gen(function*() {
      for (let ops = 10; ops < 16; ops++) {
        for (let ahead = 0; ahead < 4; ahead++) {
          for (let pace = 1; pace < 4; pace++) {
            const box = yield* mailbox.make<number, never>(() => false)
            const fiber = yield* Effect.fork(
              Effect.withMaxOpsBeforeYield(Stream.runCollect(Stream.repeatEffectChunkOption(box.take)), ops)
            )
            yield* Effect.repeatN(Effect.yieldNow(), ahead)
            for (let news = 0; news < 5; news++) {
              yield* box.offer(news)
              yield* Effect.repeatN(Effect.yieldNow(), pace)
            }
            yield* box.end(Exit.void)
            yield* Effect.repeatN(Effect.yieldNow(), 400)
            const exit = Option.getOrElse(yield* Fiber.poll(fiber), () => assert.fail(`${[ops, ahead, pace]}`))
            assert.deepStrictEqual(Array.from(yield* exit), [0, 1, 2, 3, 4])
          }
        }
      }
    }))
})
