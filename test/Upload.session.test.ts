import { assert, describe, it } from "@effect/vitest"
import { assertNone } from "@effect/vitest/utils"
import { Cause, Effect, Exit, Fiber, Option, Stream, TestClock } from "effect"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { PandaInputError } from "effect-panda/PandaError"
import * as Upload from "effect-panda/Upload"
import type { UploadState } from "effect-panda/UploadState"
import * as UploadStore from "effect-panda/UploadStore"
import {
  arrived,
  bytesOf,
  failureOf,
  inject,
  options,
  requests,
  routes,
  runFor,
  scenario,
  sessions,
  sourceOf,
  theSession
} from "./client/upload.js"

const source = sourceOf(3500)

/** The words that a session has gone through. */
const words = (session: Upload.Session) =>
  Effect.gen(function*() {
    const words: Array<Upload.Status> = []
    yield* Effect.forkScoped(
      Stream.runForEach(session.status.changes, (word) => Effect.sync(() => words.push(word)))
    )
    yield* settle
    return words
  })

/** Lets all fibers come as far as they can while no time passes. */
const settle = TestClock.adjust(0)

const slow = inject({ route: "chunk", fault: Fault.delayAnswer("1 second"), times: Infinity })

describe("Upload.session", () => {
  scenario("initialized, uploading, uploaded", () =>
    Effect.gen(function*() {
      const session = yield* Upload.session(source, options)
      const log = yield* words(session)
      assert.deepStrictEqual(log, ["initialized"])
      assertNone(yield* session.last)
      assertNone(yield* session.state)
      const video = yield* session.start
      yield* settle
      assert.deepStrictEqual(log, ["initialized", "uploading", "uploaded"])
      assert.strictEqual(video.id, (yield* theSession).videoId)
      assert.strictEqual(Option.getOrThrow(yield* session.last)._tag, "Uploaded")
      assert.strictEqual(Option.getOrThrow(yield* session.state).acknowledged, 3500)
      yield* arrived(bytesOf(3500))
    }).pipe(Effect.scoped))

  scenario("interrupted, then resumed at the byte that the server has", () =>
    Effect.gen(function*() {
      yield* slow
      const session = yield* Upload.session(source, options)
      const log = yield* words(session)
      const fiber = yield* Effect.fork(session.start)
      yield* TestClock.adjust("2500 millis")
      assert.strictEqual(Option.getOrThrow(yield* session.last)._tag, "Progress")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(Option.getOrThrow(yield* session.state).acknowledged, 2000)
      const before = (yield* requests).length
      const resumed = yield* Effect.fork(session.resume)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(resumed)
      yield* settle
      assert.deepStrictEqual(log, ["initialized", "uploading", "interrupted", "uploading", "uploaded"])
      assert.deepStrictEqual((yield* routes).slice(before), ["probe", "chunk"])
      assert.strictEqual((yield* requests).filter(({ route }) => route === "create").length, 1)
      yield* arrived(bytesOf(3500))
    }).pipe(Effect.scoped))

  scenario("error, then resumed", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.status(422), skip: 1 })
      const session = yield* Upload.session(source, options)
      const log = yield* words(session)
      const exit = yield* Effect.exit(session.start)
      assert.strictEqual(failureOf(exit)._tag, "PandaUploadRejected")
      yield* session.resume
      yield* settle
      assert.deepStrictEqual(log, ["initialized", "uploading", "error", "uploading", "uploaded"])
      yield* arrived(bytesOf(3500))
    }).pipe(Effect.scoped))

  scenario("resume begins what never was", () =>
    Effect.gen(function*() {
      const session = yield* Upload.session(source, options)
      yield* session.resume
      assert.deepStrictEqual((yield* routes).slice(0, 2), ["create", "chunk"])
      yield* arrived(bytesOf(3500))
    }))

  scenario("start begins from the start, whatever there was", () =>
    Effect.gen(function*() {
      yield* slow
      const session = yield* Upload.session(source, options)
      const fiber = yield* Effect.fork(session.start)
      yield* TestClock.adjust("2500 millis")
      yield* Fiber.interrupt(fiber)
      const again = yield* Effect.fork(session.start)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(again)
      assert.deepStrictEqual((yield* sessions).map(({ status }) => status), ["open", "complete"])
      yield* arrived(bytesOf(3500))
    }))

  scenario("resume of what is uploaded tells its video, and sends nothing", () =>
    Effect.gen(function*() {
      const session = yield* Upload.session(source, options)
      const video = yield* session.start
      const before = (yield* requests).length
      assert.strictEqual((yield* session.resume).id, video.id)
      assert.deepStrictEqual((yield* routes).slice(before), ["probe"])
      yield* arrived(bytesOf(3500))
    }))

  scenario("abort stops the upload first, then ends the session", () =>
    Effect.gen(function*() {
      yield* slow
      const session = yield* Upload.session(source, options)
      const log = yield* words(session)
      const fiber = yield* Effect.fork(Effect.exit(session.start))
      yield* TestClock.adjust("2500 millis")
      yield* session.abort
      assert.isTrue(Exit.isInterrupted(yield* Fiber.join(fiber)))
      yield* TestClock.adjust("1 hour")
      const seen = yield* requests
      assert.deepStrictEqual(seen.map(({ route }) => route), ["create", "chunk", "chunk", "chunk", "abort"])
      assert.deepStrictEqual(seen.map(({ status }) => status), [201, 204, 204, undefined, 200])
      assert.strictEqual((yield* theSession).status, "aborted")
      assert.strictEqual(log.at(-1), "aborted")
      assertNone(yield* session.state)
      yield* session.abort
      assert.strictEqual((yield* requests).length, seen.length)
    }).pipe(Effect.scoped))

  scenario("abort stops one that waits to try again", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.status(503, { retryAfter: 20 }), skip: 1 })
      const session = yield* Upload.session(source, options)
      yield* Effect.fork(session.start)
      yield* TestClock.adjust("5 seconds")
      yield* session.abort
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* routes, ["create", "chunk", "chunk", "abort"])
    }))

  scenario("abort of an interrupted one ends its session", () =>
    Effect.gen(function*() {
      yield* slow
      const session = yield* Upload.session(source, options)
      const fiber = yield* Effect.fork(session.start)
      yield* TestClock.adjust("1500 millis")
      yield* Fiber.interrupt(fiber)
      yield* session.abort
      assert.strictEqual((yield* theSession).status, "aborted")
      assert.strictEqual(yield* session.status, "aborted")
    }))

  scenario("abort of what is uploaded does nothing", () =>
    Effect.gen(function*() {
      const session = yield* Upload.session(source, options)
      yield* session.start
      const before = (yield* requests).length
      yield* session.abort
      assert.strictEqual((yield* requests).length, before)
      assert.strictEqual(yield* session.status, "uploaded")
    }))

  scenario("abort of what was never begun asks nothing, and it can be begun later", () =>
    Effect.gen(function*() {
      const session = yield* Upload.session(source, options)
      yield* session.abort
      assert.deepStrictEqual(yield* requests, [])
      assert.strictEqual(yield* session.status, "aborted")
      yield* session.start
      assert.strictEqual(yield* session.status, "uploaded")
      yield* arrived(bytesOf(3500))
    }))

  scenario("abort that the server refuses leaves it resumable", () =>
    Effect.gen(function*() {
      yield* slow
      yield* inject({ route: "abort", fault: Fault.status(403) })
      const session = yield* Upload.session(source, options)
      const fiber = yield* Effect.fork(session.start)
      yield* TestClock.adjust("1500 millis")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual((yield* Effect.flip(session.abort))._tag, "PandaUploadRejected")
      assert.strictEqual(yield* session.status, "interrupted")
      const resumed = yield* Effect.fork(session.resume)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(resumed)
      yield* arrived(bytesOf(3500))
    }))

  scenario("does not run twice at once", () =>
    Effect.gen(function*() {
      yield* slow
      const session = yield* Upload.session(source, options)
      const fibers = yield* Effect.forEach(
        [session.start, session.resume, session.resume],
        (run) => Effect.zipLeft(Effect.fork(run), settle)
      )
      for (let second = 0; second < 10; second++) {
        const inFlight = (yield* requests).filter(({ status }) => status === undefined)
        assert.isAtMost(inFlight.length, 1)
        yield* TestClock.adjust("1 second")
      }
      yield* TestClock.adjust("1 minute")
      const videos = yield* Effect.forEach(fibers, (fiber) => Fiber.join(fiber))
      assert.strictEqual(new Set(videos.map(({ id }) => id)).size, 1)
      assert.strictEqual((yield* requests).filter(({ route }) => route === "create").length, 1)
      yield* arrived(bytesOf(3500))
    }))

  scenario("abort stops those too that wait for their turn", () =>
    Effect.gen(function*() {
      yield* slow
      const session = yield* Upload.session(source, options)
      const fibers = yield* Effect.forEach(
        [session.start, session.start, session.resume],
        (run) => Effect.zipLeft(Effect.fork(Effect.exit(run)), settle)
      )
      yield* TestClock.adjust("1500 millis")
      const abort = yield* Effect.fork(session.abort)
      yield* TestClock.adjust("1 hour")
      yield* Fiber.join(abort)
      for (const fiber of fibers) assert.isTrue(Exit.isInterrupted(yield* Fiber.join(fiber)))
      assert.deepStrictEqual(yield* routes, ["create", "chunk", "chunk", "abort"])
      assert.strictEqual(yield* session.status, "aborted")
    }))

  scenario("tells its states to onState, and keeps what a store keeps", () =>
    Effect.gen(function*() {
      const states: Array<UploadState> = []
      const store = yield* UploadStore.UploadStore
      yield* inject({ route: "chunk", fault: Fault.stall, skip: 1 })
      yield* runFor("1 seconds", Upload.startOrResume(source, options))
      const state = (yield* store.list)[0]!.state
      const session = yield* Upload.session(source, {
        ...options,
        onState: (state) => Effect.sync(() => void states.push(state))
      })
      yield* session.start
      assert.deepStrictEqual(states.map(({ acknowledged }) => acknowledged), [0, 1000, 2000, 3000, 3500])
      yield* Upload.abort(state)
      assert.deepStrictEqual(yield* store.list, [])
    }).pipe(Effect.provide(UploadStore.layerMemory)))
})

describe("Upload.status", () => {
  const error = new PandaInputError({ operation: "test", description: "bad" })
  it.effect("is what the last event and the end say", () =>
    Effect.gen(function*() {
      const events: Array<Upload.UploadEvent> = []
      yield* inject({ route: "chunk", fault: Fault.move(), skip: 1 })
      yield* inject({ route: "chunk", fault: Fault.expire(), skip: 2 })
      const fiber = yield* Effect.fork(Upload.video(
        Stream.tap(
          Upload.start(source, { ...options, onExpired: "restart" }),
          (event) => Effect.sync(() => events.push(event))
        )
      ))
      yield* TestClock.adjust("1 minute")
      const video = yield* Fiber.join(fiber)
      assert.deepStrictEqual(
        Array.from(new Set(events.map(({ _tag }) => _tag))).sort(),
        ["Moved", "Progress", "Restarted", "Retrying", "Started", "Uploaded"]
      )
      assert.strictEqual(Upload.status(Option.none(), Option.none()), "initialized")
      for (const event of events) {
        const last = Option.some(event)
        const expected = event._tag === "Uploaded" ? "uploaded" : "uploading"
        assert.strictEqual(Upload.status(last, Option.none()), expected)
        assert.strictEqual(Upload.status(last, Option.some(Exit.fail(error))), "error")
        assert.strictEqual(Upload.status(last, Option.some(Exit.die("defect"))), "error")
        assert.strictEqual(Upload.status(last, Option.some(Exit.failCause(Cause.interrupt(fiber.id())))), "interrupted")
        assert.strictEqual(Upload.status(last, Option.some(Exit.succeed(video))), "uploaded")
      }
    }).pipe(Effect.provide(PandaEmulator.layerTest())))
})
