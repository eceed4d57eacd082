/**
 * Random faults and interruptions, in memory under the TestClock. FUZZ_TIMES=n runs n times as many.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Deferred,
  type Duration,
  Effect,
  Exit,
  FastCheck as fc,
  Fiber,
  Layer,
  Option,
  Schedule,
  Schema,
  Stream,
  TestClock,
  TestContext
} from "effect"
import * as Credentials from "effect-panda/Credentials"
import * as PandaClient from "effect-panda/PandaClient"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { isUploadError, type UploadError } from "effect-panda/PandaError"
import * as Upload from "effect-panda/Upload"
import type * as UploadSource from "effect-panda/UploadSource"
import * as UploadState from "effect-panda/UploadState"
import { createHash } from "node:crypto"
import { draws, samples, third, times, trying } from "../fuzz/seed.js"
import { checkEvents, checkExchanges, type Exchange, observed } from "./invariants.js"
import { random } from "./random.js"

const MIB = 1024 * 1024

/** Not a power of two, so that what goes to a wrong place is noticed. */
const pattern = (() => {
  const next = random(7)
  return Uint8Array.from({ length: MIB + 7 }, () => next() * 256)
})()

const fill = (offset: number, buffer: Uint8Array) => {
  for (let at = 0; at < buffer.byteLength;) {
    const from = (offset + at) % pattern.byteLength
    const part = pattern.subarray(from, Math.min(pattern.byteLength, from + buffer.byteLength - at))
    buffer.set(part, at)
    at += part.byteLength
  }
}

const sourceOf = (size: number): UploadSource.UploadSource => ({
  _tag: "Rewindable",
  name: "movie.mp4",
  open: Effect.succeed({
    stat: Effect.succeed({ size, modified: undefined }),
    read: (offset, buffer) =>
      Effect.sync(() => {
        const part = buffer.subarray(0, Math.max(0, size - offset))
        fill(offset, part)
        return part.byteLength
      })
  })
})

const sha256 = (size: number) => {
  const hash = createHash("sha256")
  const buffer = new Uint8Array(Math.min(size, MIB))
  for (let at = 0; at < size; at += buffer.byteLength) {
    const part = buffer.subarray(0, size - at)
    fill(at, part)
    hash.update(part)
  }
  return hash.digest("hex")
}

/** Where an upload is left: at its so-manieth request, before or after that was carried out; or at a time. */
type Stop = { readonly request: number; readonly when: "before" | "after" } | { readonly millis: number }

interface Case {
  readonly size: number
  readonly chunkSize: number | undefined
  readonly body: "bytes" | "stream"
  readonly bandwidth: number | undefined
  readonly onExpired: "fail" | "restart"
  readonly retries: number
  readonly partialChunks: "keep" | "discard"
  readonly rules: ReadonlyArray<PandaEmulator.Rule>
  readonly stops: ReadonlyArray<Stop>
}

const status: fc.Arbitrary<Fault> = fc.record({
  status: fc.constantFrom(400, 401, 403, 404, 408, 409, 410, 413, 416, 422, 429, 500, 502, 503, 504, 302),
  retryAfter: fc.constantFrom(undefined, 0, 3, 40),
  error: fc.constantFrom(undefined, "InternalError", "Unprocessable")
}).map(({ error, retryAfter, status }) =>
  Fault.status(status, {
    ...(retryAfter === undefined ? {} : { retryAfter }),
    ...(error === undefined ? {} : { error, message: "no" })
  })
)

const time = fc.constantFrom<Duration.DurationInput>("20 millis", "1 second", "20 seconds", "5 minutes")

/** All that the emulator can do; the compiler tells when there is more. */
const faults = (size: number, chunk: number): { readonly [Tag in Fault["_tag"]]: fc.Arbitrary<Fault> } => {
  const part = fc.oneof(
    fc.integer({ min: 0, max: chunk + 1 }),
    fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  )
  const offset = fc.integer({ min: 0, max: size + 2 })
  const whole = fc.constantFrom<Fault>(
    Fault.errorBody({ error: "InternalError", message: "no" }),
    Fault.errorBody({ error: "BadRequest", message: "no" }),
    Fault.malformed(),
    Fault.empty,
    Fault.stall
  )
  const either = (fault: fc.Arbitrary<Fault>) =>
    fc.tuple(fault, fc.boolean()).map(([fault, carriedOut]) => carriedOut ? Fault.carriedOut(fault) : fault)
  const of = (tag: Fault["_tag"]) => either(whole.filter(({ _tag }) => _tag === tag))
  return {
    Status: fc.oneof(
      { weight: 6, arbitrary: either(status) },
      { weight: 1, arbitrary: fc.constant(Fault.status(204, { headers: { range: "lots" } })) }
    ),
    ErrorBody: of("ErrorBody"),
    Malformed: of("Malformed"),
    Empty: of("Empty"),
    Stall: of("Stall"),
    StallReading: part.map((after) => Fault.stallReading({ after })),
    Delay: time.map(Fault.delay),
    DelayAnswer: time.map(Fault.delayAnswer),
    Refuse: fc.constant(Fault.refuse),
    ResetBefore: fc.constant(Fault.resetBefore),
    ResetDuring: part.map((after) => Fault.resetDuring({ after })),
    ResetAfter: fc.constant(Fault.resetAfter),
    Truncate: fc.integer({ min: 0, max: 300 }).map((after) => Fault.truncate({ after })),
    Accept: fc.oneof(fc.integer({ min: 0, max: chunk }), fc.constant(Math.max(0, chunk - 1))).map((bytes) =>
      Fault.accept({ bytes })
    ),
    NotFinalized: fc.constantFrom(Fault.notFinalized, Fault.backendDown()),
    Move: fc.constantFrom(
      Fault.move(),
      Fault.move({ relative: true }),
      Fault.move({ status: 307 }),
      Fault.move({ status: 503 }),
      Fault.move({ origin: "http://vm-2.upload.pandastream.test" })
    ),
    Expire: fc.constantFrom(Fault.expire(404), Fault.expire(410)),
    NoRange: fc.constant(Fault.noRange),
    LieRange: offset.map((to) => Fault.lieRange({ to })),
    BackwardRange: fc.constant(Fault.backwardRange),
    Forget: fc.oneof(fc.constant(0), offset).map((to) => Fault.forget({ to }))
  }
}

/** In these the server takes back, in earnest or not, what it had acknowledged, so that it is sent again. */
const takingBack: ReadonlySet<string | undefined> = new Set(["NoRange", "LieRange", "BackwardRange", "Forget"])

const KEPT = MIB

const rule = (size: number, chunk: number): fc.Arbitrary<PandaEmulator.Rule> =>
  fc.record({
    route: fc.constantFrom("*", "chunk", "chunk", "probe", "probe", "create", "GET /videos/:id.json"),
    fault: fc.oneof(...Object.values(faults(size, chunk))),
    skip: fc.integer({ min: 0, max: 6 }),
    times: fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 2 }) }, {
      weight: 1,
      arbitrary: fc.integer({ min: 3, max: 9 })
    })
  }).map((rule) =>
    // What is not kept can only be lost as a whole.
    rule.fault._tag === "Forget" && size > KEPT ? { ...rule, fault: Fault.forget() } : rule
  )

const stop: fc.Arbitrary<Stop> = fc.oneof(
  fc.record({ request: fc.integer({ min: 0, max: 8 }), when: fc.constantFrom("before" as const, "after" as const) }),
  fc.record({ millis: fc.integer({ min: 1, max: 40_000 }) })
)

const caseOf = (sizes: fc.Arbitrary<readonly [size: number, chunkSize: number | undefined]>): fc.Arbitrary<Case> =>
  sizes.chain(([size, chunkSize]) =>
    fc.record({
      size: fc.constant(size),
      chunkSize: fc.constant(chunkSize),
      body: fc.constantFrom("bytes" as const, "bytes" as const, "stream" as const),
      bandwidth: fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, {
        weight: 1,
        arbitrary: fc.constant(size * 2)
      }),
      onExpired: fc.constantFrom("fail" as const, "restart" as const),
      retries: fc.integer({ min: 1, max: 5 }),
      partialChunks: fc.constantFrom("keep" as const, "keep" as const, "discard" as const),
      rules: fc.array(rule(size, Math.min(size, chunkSize ?? MIB)), { maxLength: 6 }),
      stops: fc.array(stop, { maxLength: 4 })
    })
  )

const small = caseOf(fc.oneof(
  fc.tuple(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 300, max: 6000 })),
  // At the borders of chunks.
  fc.tuple(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: 6 }), fc.integer({ min: -1, max: 1 })).map(
    ([chunk, chunks, beyond]) => [Math.max(1, chunk * chunks + beyond), chunk] as const
  ),
  fc.tuple(fc.integer({ min: 1, max: 3 * MIB }), fc.integer({ min: 100_000, max: 2 * MIB })),
  fc.tuple(fc.integer({ min: 1, max: 4 * MIB }), fc.constant(undefined))
))

/** All bytes are there, but the answer that says so comes in a round-about way. */
const ending = small.chain((chaos) => {
  const chunk = chaos.chunkSize ?? MIB
  const last = Math.ceil(chaos.size / chunk) - 1
  const { Delay: _, ...rest } = faults(chaos.size, chunk)
  const any = fc.oneof(...Object.values(rest))
  return fc.record({
    lost: fc.constantFrom(
      Fault.resetAfter,
      Fault.carriedOut(Fault.stall),
      Fault.carriedOut(Fault.status(503)),
      Fault.carriedOut(Fault.empty),
      Fault.notFinalized,
      Fault.backendDown()
    ),
    meanwhile: any,
    often: fc.integer({ min: 1, max: 2 }),
    found: fc.tuple(any, fc.constantFrom(1, 2, 6)),
    stops: fc.constantFrom<ReadonlyArray<Stop>>([], [{ request: last + 1, when: "after" }])
  }).map(({ found: [found, times], lost, meanwhile, often, stops }): Case => ({
    ...chaos,
    stops,
    rules: [
      { route: "chunk", fault: lost, skip: last },
      { route: "probe", fault: meanwhile, times: often },
      { route: "GET /videos/:id.json", fault: found, times }
    ].map((rule) => rule.fault._tag === "Forget" ? { ...rule, fault: Fault.forget() } : rule)
  }))
})

// Waiting for one's turn takes the TestClock too long.
const large = caseOf(
  fc.tuple(fc.integer({ min: 16 * MIB, max: 64 * MIB }), fc.constantFrom(undefined, 4 * MIB, 16 * MIB, 5_000_011))
).map((chaos) => ({ ...chaos, bandwidth: undefined }))

/** Each fault once, so that none is left out by chance. */
const certain = (): ReadonlyArray<Case> =>
  Object.values(faults(3000, 1000)).map((fault) => ({
    size: 3000,
    chunkSize: 1000,
    body: "bytes",
    bandwidth: undefined,
    onExpired: "restart",
    retries: 3,
    partialChunks: "keep",
    rules: draws(fault, 1 / times).map((fault) => ({ route: "*", fault })),
    stops: []
  }))

const textOf = (state: UploadState.UploadState | undefined) =>
  state === undefined ? "none" : Schema.encodeSync(UploadState.Json)(state)

const isSaved = (state: UploadState.UploadState | undefined, saved: UploadState.UploadState | undefined) =>
  assert.strictEqual(textOf(state), textOf(saved), "the error's state is not the one that was saved")

/** What an upload may end with: those of the session with its state, those of the API where that was asked. */
const ends = (error: UploadError, last: Exchange | undefined, saved: UploadState.UploadState | undefined) => {
  switch (error._tag) {
    case "PandaUploadRejected":
    case "PandaUploadProtocolError":
      // Refused for good: there is nothing to go on from.
      if (error.state !== undefined) isSaved(error.state, saved)
      break
    case "PandaUploadStalled":
    case "PandaSessionExpired":
      isSaved(error.state, saved)
      break
    case "PandaFileTooLarge":
      break
    case "PandaServerError":
    case "PandaTransportError":
    case "PandaRateLimited":
    case "PandaRejected":
    case "PandaDecodeError":
    case "PandaAuthError":
    case "PandaNotFound":
      assert.include(["create", "other"], last?.kind, `${error._tag} without a request of the API`)
      break
    default:
      assert.fail(`${error._tag} is no error for this`)
  }
}

/** Uploads, and goes on after each end, until there is a video. */
const play = (chaos: Case) =>
  Effect.gen(function*() {
    const panda = yield* PandaEmulator.make({
      keepBytes: chaos.size <= KEPT,
      partialChunks: chaos.partialChunks,
      hash: () => {
        const hash = createHash("sha256")
        return { update: (bytes) => hash.update(bytes), digest: () => hash.digest("hex") }
      }
    })
    for (const rule of chaos.rules) yield* panda.inject(rule)

    const { accessKey, cloudId, secretKey } = panda
    const source = sourceOf(chaos.size)
    const runs = chaos.stops.length + chaos.rules.reduce((sum, { times }) => sum + (times ?? 1), 0) + 3
    let saved: UploadState.UploadState | undefined
    let lastBytes = 0
    let succeeded = false

    for (let run = 0; !succeeded; run++) {
      assert.isBelow(run, runs, "it neither ends nor gets anywhere")
      const stop = chaos.stops[run]
      const stopped = yield* Deferred.make<void>()
      const exchanges: Array<Exchange> = []
      let request = 0
      const http = observed(panda.httpClient, (exchange) => exchanges.push(exchange), (execute) =>
        Effect.suspend(() => {
          if (stop === undefined || !("request" in stop) || request++ !== stop.request) return execute
          const leave = Effect.zipRight(Deferred.succeed(stopped, undefined), Effect.never)
          return stop.when === "before" ? leave : Effect.zipRight(Effect.exit(execute), leave)
        }))
      const client = PandaClient.layer.pipe(
        Layer.provide(Layer.orDie(Credentials.layer({ accessKey, cloudId, secretKey }))),
        Layer.provide(Layer.succeed(HttpClient.HttpClient, http))
      )
      const options: Upload.Options = {
        chunkSize: chaos.chunkSize,
        body: chaos.body,
        bandwidth: chaos.bandwidth,
        onExpired: chaos.onExpired,
        retry: Schedule.intersect(Schedule.spaced("1 second"), Schedule.recurs(chaos.retries)),
        onState: (state) =>
          Effect.sync(() => {
            saved = state
          })
      }
      // As in another process, a little later.
      yield* TestClock.adjust("1 second")
      const from = saved === undefined ? undefined : yield* Effect.flatMap(
        Schema.encode(UploadState.Json)(saved),
        Schema.decode(UploadState.Json)
      )
      const firesBefore = (yield* panda.requests).filter(({ fault }) => fault !== undefined).length
      const upload = from === undefined ? Upload.start(source, options) : Upload.resume(from, source, options)
      const events: Array<Upload.UploadEvent> = []
      const fiber = yield* Effect.fork(
        Effect.provide(Stream.runForEach(upload, (event) => Effect.sync(() => events.push(event))), client)
      )
      const clock = yield* Effect.fork(
        stop !== undefined && "millis" in stop
          ? Effect.zipRight(TestClock.adjust(stop.millis), Deferred.succeed(stopped, undefined))
          : TestClock.adjust("1 day")
      )
      yield* Effect.raceFirst(
        Effect.raceFirst(Fiber.await(fiber), Deferred.await(stopped)),
        Effect.zipRight(Fiber.await(clock), Effect.yieldNow())
      )
      yield* Fiber.interrupt(clock)
      const wasStopped = yield* Deferred.isDone(stopped)
      const exit = wasStopped || Option.isSome(yield* Fiber.poll(fiber))
        ? yield* Fiber.interrupt(fiber)
        : assert.fail("it goes on after a day")

      const sessions = yield* panda.sessions
      checkEvents(events, chaos.size, sessions.some(({ videoId }) => videoId !== undefined))
      checkExchanges(exchanges, chaos.size, from !== undefined)
      for (const event of events) {
        if (event._tag === "Retrying") assert.isAtMost(event.attempt, chaos.retries, "it does not give up")
      }
      lastBytes += exchanges.filter(({ from, kind }) => kind === "chunk" && from === chaos.size - 1).length
      for (const { from, kind, to } of exchanges) {
        if (kind === "chunk") {
          assert.isAtMost(to - from + 1, chaos.chunkSize ?? (chaos.body === "bytes" ? 32 * MIB : chaos.size))
        }
      }

      if (Exit.isSuccess(exit)) {
        assert.strictEqual(events.at(-1)?._tag, "Uploaded")
        succeeded = true
        continue
      }
      assert.notStrictEqual(events.at(-1)?._tag, "Uploaded")
      if (wasStopped && Exit.isInterrupted(exit)) {
        continue
      }
      const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
      assert.isTrue(isUploadError(error), `${exit.cause}`)
      if (!isUploadError(error)) continue
      ends(error, exchanges.at(-1), saved)
      const firedNow = (yield* panda.requests).filter(({ fault }) => fault !== undefined).length > firesBefore
      // Without a new fault nothing but a session that was lost before is a reason to fail.
      if (!firedNow) assert.strictEqual(error._tag, "PandaSessionExpired", error.message)
      if (error._tag === "PandaSessionExpired" && chaos.onExpired === "fail") saved = undefined
    }

    const sessions = yield* panda.sessions
    const complete = sessions.filter(({ videoId }) => videoId !== undefined)
    const requests = yield* panda.requests
    // Who is told that the session is gone, and that there is no video either, has to begin again.
    const denials = requests.filter(({ fault, path, status }) =>
      fault === "Status" && status === 404 && complete.some(({ videoId }) => path === `/videos/${videoId}.json`)
    )
    assert.isAtLeast(complete.length, 1)
    assert.isAtMost(complete.length, 1 + denials.length, "one file made several videos")
    assert.lengthOf(yield* panda.videos, complete.length)
    for (const { sha256: received } of complete) assert.strictEqual(received, sha256(chaos.size))
    for (const session of sessions) {
      assert.strictEqual(session.inexactRanges, 0, "a chunk said that it reached beyond the file")
      if (requests.some(({ fault, session: id }) => id === session.id && takingBack.has(fault))) continue
      assert.isAtMost(session.receivedTwice, lastBytes, "bytes that were acknowledged were sent again")
      assert.isAtMost(session.storedTwice, lastBytes, "bytes that the server had were sent again")
    }
    return requests.flatMap(({ fault }) => fault ?? [])
  }).pipe(Effect.scoped, Effect.provide(TestContext.TestContext))

/** Leaves away what is not needed for it to fail. */
const shrink = (chaos: Case): Effect.Effect<Case> =>
  Effect.gen(function*() {
    const without = <A>(list: ReadonlyArray<A>) => list.map((_, at) => list.filter((_, other) => other !== at))
    const simpler: ReadonlyArray<Case> = [
      ...without(chaos.rules).map((rules) => ({ ...chaos, rules })),
      ...without(chaos.stops).map((stops) => ({ ...chaos, stops })),
      ...(chaos.body === "stream" ? [{ ...chaos, body: "bytes" as const }] : []),
      ...(chaos.bandwidth === undefined ? [] : [{ ...chaos, bandwidth: undefined }])
    ]
    for (const candidate of simpler) {
      if (Exit.isFailure(yield* Effect.exit(play(candidate)))) return yield* shrink(candidate)
    }
    return chaos
  })

const suite = (name: string, cases: fc.Arbitrary<Case>, usual: number, concurrency: number) =>
  it.live(name, () =>
    Effect.gen(function*() {
      const fired = yield* Effect.forEach(
        [...samples(cases, usual), ...certain()],
        (chaos) =>
          Effect.catchAllCause(
            play(chaos),
            (cause) => Effect.flatMap(shrink(chaos), (chaos) => trying(chaos, Effect.failCause(cause)))
          ),
        { concurrency }
      )
      // The emulator really did all that it can do.
      assert.deepStrictEqual(Array.from(new Set(fired.flat())).sort(), Object.keys(faults(1, 1)).sort())
    }), 300_000 * Math.max(1, times))

describe("chaos in memory", () => {
  it.live("the rest of a broken chunk says nothing about the speed: a later stall is noticed", () =>
    play({
      size: 3 * MIB,
      chunkSize: MIB,
      body: "bytes",
      bandwidth: undefined,
      onExpired: "fail",
      retries: 3,
      partialChunks: "keep",
      rules: [
        { route: "chunk", fault: Fault.resetDuring({ after: MIB - 1 }) },
        { route: "chunk", fault: Fault.delay("1 second") },
        { route: "chunk", fault: Fault.stall, skip: 1 }
      ],
      stops: []
    }))

  it.live("a stall is noticed where the bandwidth is limited: time may go in fractions", () =>
    Effect.forEach(
      third(Array.from({ length: 40 }, (_, number) => 100_000 + 7919 * number), 0),
      (bandwidth) =>
        play({
          size: 130_000,
          chunkSize: 65_000,
          body: "stream",
          bandwidth,
          onExpired: "restart",
          retries: 1,
          partialChunks: "keep",
          rules: [{ route: "chunk", fault: Fault.carriedOut(Fault.stall), times: 2 }],
          stops: []
        }),
      { concurrency: 16 }
    ))

  suite("small files", small, 300, 16)
  suite("the end of a file", ending, 100, 16)
  suite("large files", large, 12, 2)
})
