import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Stream, TestClock, TestContext } from "effect"
import { createHash } from "node:crypto"
import * as PandaEmulator from "../src/PandaEmulator.js"
import { Fault } from "../src/PandaEmulator.js"
import * as Upload from "../src/Upload.js"
import * as UploadSource from "../src/UploadSource.js"
import type { UploadState } from "../src/UploadState.js"

const CHUNK = 10_000
const sizes = [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7]

const sourceOf = (size: number) => Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) % 256)
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

const grammar = /^(Started|Resumed)( (Progress|Retrying|Moved|Restarted))* Uploaded$/

/** Faults by what they may cost: nothing; the bytes that the server said it had lost; a session. */
const faults: Record<string, PandaEmulator.Fault> = {
  "status 500": Fault.status(500),
  "status 503": Fault.status(503, { retryAfter: 2 }),
  "status 503, carried out": Fault.carriedOut(Fault.status(503)),
  "status 408": Fault.status(408),
  "status 429": Fault.status(429, { retryAfter: 5 }),
  "error body": Fault.errorBody({ error: "InternalError", message: "backend down" }),
  "error body, carried out": Fault.carriedOut(Fault.errorBody({ error: "InternalError", message: "backend down" })),
  "reset before": Fault.resetBefore,
  "reset after 0 bytes": Fault.resetDuring({ after: 0 }),
  "reset after half": Fault.resetDuring({ after: 0.5 }),
  "reset after the last byte": Fault.resetDuring({ after: CHUNK - 1 }),
  "swallowed answer": Fault.resetAfter,
  "truncated answer": Fault.truncate({ after: 3 }),
  "refused": Fault.refuse,
  "short delay": Fault.delay("5 seconds"),
  "delay beyond the deadline": Fault.delay("2 minutes"),
  "answer beyond the deadline": Fault.delayAnswer("2 minutes")
}

const onLocation: Record<string, PandaEmulator.Fault> = {
  "malformed": Fault.malformed(),
  "malformed, carried out": Fault.carriedOut(Fault.malformed()),
  "empty": Fault.empty,
  "one byte accepted": Fault.accept({ bytes: 1 }),
  "half accepted": Fault.accept({ bytes: CHUNK / 2 }),
  "nothing accepted": Fault.accept({ bytes: 0 }),
  "moved": Fault.move(),
  "moved, relative": Fault.move({ relative: true }),
  "moved with 503": Fault.move({ status: 503 }),
  "moved with 307": Fault.move({ status: 307 }),
  "not finalized": Fault.notFinalized,
  "backend down": Fault.backendDown(),
  "expired 404": Fault.expire(404),
  "expired 410": Fault.expire(410),
  "stall": Fault.stall,
  "stall while reading": Fault.stallReading({ after: 0.5 })
}

/** These make the server take back what it had acknowledged, so that it has to be sent again. */
const takingBack: Record<string, PandaEmulator.Fault> = {
  "no range": Fault.noRange,
  "backward range": Fault.backwardRange,
  "forgotten": Fault.forget()
}

const options: Upload.Options = { chunkSize: CHUNK, onExpired: "restart", profiles: ["h264"] }

const collect = <E, R>(upload: Stream.Stream<Upload.UploadEvent, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(Stream.runCollect(upload))
    yield* TestClock.adjust("1 hour")
    return Array.from(yield* Fiber.join(fiber))
  })

const checkEvents = (events: ReadonlyArray<Upload.UploadEvent>, size: number) => {
  assert.match(events.map(({ _tag }) => _tag).join(" "), grammar)
  let acknowledged = 0
  for (const event of events) {
    if (event._tag === "Restarted") acknowledged = event.state.acknowledged
    if (event._tag !== "Progress") continue
    assert.isAtLeast(event.acknowledged, acknowledged)
    assert.isAtMost(event.acknowledged, event.sent)
    assert.isAtMost(event.sent, size)
    acknowledged = event.acknowledged
  }
  assert.strictEqual(acknowledged, size)
}

const checkSession = (size: number, lossless: boolean) =>
  Effect.gen(function*() {
    const panda = yield* PandaEmulator.PandaEmulator
    const complete = (yield* panda.sessions).filter(({ videoId }) => videoId !== undefined)
    assert.strictEqual(complete.length, 1)
    const session = complete[0]!
    assert.strictEqual(session.sha256, sha256(sourceOf(size)))
    assert.strictEqual((yield* panda.videos).length, 1)
    if (!lossless) return
    // The last byte may be sent again, to make the server finish.
    assert.isAtMost(session.receivedTwice, 1)
    assert.isAtMost(session.storedTwice, 1)
  })

/** Uploads from the beginning; with `at`, the exchange of that number meets the fault. */
const fresh = (size: number, fault?: PandaEmulator.Fault, at = 0) =>
  Effect.gen(function*() {
    const panda = yield* PandaEmulator.PandaEmulator
    if (fault !== undefined) yield* panda.inject({ route: "*", fault, skip: at })
    const events = yield* collect(Upload.start(UploadSource.fromBytes(sourceOf(size), { name: "a.mp4" }), options))
    checkEvents(events, size)
    return yield* panda.requests
  })

/** Uploads until the first acknowledgement, is interrupted, and resumes; `at` counts from the resumption. */
const resumed = (size: number, fault?: PandaEmulator.Fault, at = 0) =>
  Effect.gen(function*() {
    const panda = yield* PandaEmulator.PandaEmulator
    const source = UploadSource.fromBytes(sourceOf(size), { name: "a.mp4" })
    let state: UploadState | undefined
    // Of a file in one chunk the server must not have all when that happens.
    if (size <= CHUNK) yield* panda.inject({ route: "chunk", fault: Fault.stallReading({ after: 0 }) })
    yield* Upload.start(source, {
      ...options,
      onState: (next) =>
        Effect.sync(() => {
          state = next
        })
    }).pipe(Stream.takeUntil(({ _tag }) => _tag === "Progress" || size <= CHUNK), Stream.runDrain)
    const before = (yield* panda.requests).length
    if (fault !== undefined) yield* panda.inject({ route: "*", fault, skip: at })
    const events = yield* collect(Upload.resume(state!, source, options))
    checkEvents(events, size)
    return (yield* panda.requests).slice(before)
  })

/** Each case on an emulator and on a clock of its own, so that cases can go side by side. */
const run = <A, E>(effect: Effect.Effect<A, E, Layered>) =>
  Effect.provide(effect, Layer.provideMerge(PandaEmulator.layerTest({ keepBytes: true }), TestContext.TestContext))

type Layered = Effect.Effect.Context<ReturnType<typeof checkSession>> | Effect.Effect.Context<ReturnType<typeof fresh>>

describe("Upload, every fault at every exchange", () => {
  for (const [how, upload] of Object.entries({ fresh, resumed })) {
    for (const size of sizes) {
      it.live(`${how}, ${size} bytes`, () =>
        Effect.gen(function*() {
          const exchanges = yield* run(Effect.zipLeft(upload(size), checkSession(size, true)))
          const cases = exchanges.flatMap((request, at) =>
            Object.entries({
              ...faults,
              ...(request.route === "create" ? {} : { ...onLocation, ...takingBack })
            }).map(([name, fault]) => ({ name, fault, at }))
          )
          assert.isAtLeast(cases.length, 30)
          yield* Effect.forEach(cases, ({ at, fault, name }) =>
            Effect.gen(function*() {
              const exit = yield* Effect.exit(
                run(Effect.zipLeft(upload(size, fault, at), checkSession(size, !(name in takingBack))))
              )
              if (Exit.isFailure(exit)) {
                assert.fail(`${name} at exchange ${at} (${exchanges[at]?.route}): ${exit.cause.toString()}`)
              }
            }), { concurrency: 10 })
        }))
    }
  }
})
