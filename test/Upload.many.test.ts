import { assert, describe } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Option, Stream, TestClock } from "effect"
import { Fault } from "effect-panda/PandaEmulator"
import { PandaSourceError } from "effect-panda/PandaError"
import * as Upload from "effect-panda/Upload"
import * as UploadSource from "effect-panda/UploadSource"
import * as UploadStore from "effect-panda/UploadStore"
import { bytesOf, failureOf, inject, options, requests, scenario, sessions, sha256 } from "./client/upload.js"

const named = (count: number, size: (index: number) => number = () => 2500) =>
  Array.from(
    { length: count },
    (_, index) => UploadSource.fromBytes(bytesOf(size(index), index), { name: `${index}.mp4` })
  )

/** A source that cannot be opened. */
const missing: UploadSource.UploadSource = {
  _tag: "Rewindable",
  name: "missing.mp4",
  open: Effect.suspend(() => new PandaSourceError({ operation: "test", reason: "Unreadable", file: "missing.mp4" }))
}

const none: Upload.Totals = { acknowledged: 0, size: 0, begun: 0, uploaded: 0, failed: 0, cancelled: 0 }

/** Runs uploads to their end, and checks that their totals are true at each event. */
const collect = <S extends UploadSource.Any, E, R>(uploads: Stream.Stream<Upload.ManyEvent<S>, E, R>) =>
  Effect.gen(function*() {
    const events: Array<Upload.ManyEvent<S>> = []
    const fiber = yield* Effect.fork(Effect.exit(Stream.runForEach(uploads, (event) =>
      Effect.sync(() => {
        events.push(event)
      }))))
    yield* TestClock.adjust("2 hours")
    const exit = yield* Option.getOrElse(yield* Fiber.poll(fiber), () => assert.fail("it does not end"))
    checkTotals(events)
    return { events, exit, totals: events.at(-1)?.totals ?? none }
  })

const checkTotals = (events: ReadonlyArray<Upload.ManyEvent>) => {
  const files = new Map<UploadSource.Any, { size: number; acknowledged: number }>()
  const counts = { begun: 0, uploaded: 0, failed: 0, cancelled: 0 }
  for (const told of events) {
    const { source, totals } = told
    if (told._tag === "Failed") counts.failed++
    else if (told._tag === "Cancelled") counts.cancelled++
    else {
      const { event } = told
      if (event._tag === "Uploaded") counts.uploaded++
      if (event._tag === "Started" || event._tag === "Resumed") counts.begun++
      if (event._tag === "Progress") files.set(source, { size: event.size, acknowledged: event.acknowledged })
      if (event._tag === "Started" || event._tag === "Resumed" || event._tag === "Restarted") {
        files.set(source, { size: event.state.fingerprint.size, acknowledged: event.state.acknowledged })
      }
    }
    const sum = { size: 0, acknowledged: 0 }
    for (const { acknowledged, size } of files.values()) {
      sum.size += size
      sum.acknowledged += acknowledged
    }
    assert.deepStrictEqual(totals, { ...sum, ...counts })
  }
}

const inFlight = Effect.map(requests, (requests) => requests.filter(({ status }) => status === undefined).length)

const allArrived = (sources: number, seedOf = (name: string) => parseInt(name)) =>
  Effect.gen(function*() {
    const complete = (yield* sessions).filter(({ status }) => status === "complete")
    assert.strictEqual(complete.length, sources)
    for (const { name, receivedTwice, sha256: hash, size } of complete) {
      assert.strictEqual(hash, sha256(bytesOf(size, seedOf(name))))
      // The last byte may be sent again, to make the server finish.
      assert.isAtMost(receivedTwice, 1)
    }
  })

describe("Upload.many", () => {
  for (const [concurrency, most] of [[undefined, 3], [1, 1], [5, 5]] as const) {
    scenario(`sends at most ${most} at a time, with concurrency ${concurrency}`, () =>
      Effect.gen(function*() {
        yield* inject({ route: "*", fault: Fault.delayAnswer("1 second"), times: Infinity })
        const fiber = yield* Effect.fork(Stream.runDrain(Upload.many(named(9), { ...options, concurrency })))
        let reached = 0
        for (let second = 0; second < 50; second++) {
          yield* TestClock.adjust("500 millis")
          const now = yield* inFlight
          assert.isAtMost(now, most)
          reached = Math.max(reached, now)
        }
        yield* TestClock.adjust("1 hour")
        yield* Fiber.join(fiber)
        assert.strictEqual(reached, most)
        yield* allArrived(9)
      }))
  }

  scenario("uploads a hundred small files", () =>
    Effect.gen(function*() {
      const sources = named(100, (index) => 1 + index * 30)
      const { events, exit, totals } = yield* collect(Upload.many(sources, { ...options, concurrency: 8 }))
      assert.isTrue(Exit.isSuccess(exit))
      const size = sources.reduce((sum, _, index) => sum + 1 + index * 30, 0)
      assert.deepStrictEqual(totals, { ...none, begun: 100, uploaded: 100, size, acknowledged: size })
      let acknowledged = 0
      for (const { totals } of events) {
        assert.isAtLeast(totals.acknowledged, acknowledged)
        acknowledged = totals.acknowledged
      }
      yield* allArrived(100)
    }))

  scenario("of nothing ends at once", () =>
    Effect.gen(function*() {
      const { events } = yield* collect(Upload.many([], options))
      assert.deepStrictEqual(events, [])
    }))

  scenario("goes on with the others when one fails", () =>
    Effect.gen(function*() {
      const [a, b, c] = named(3)
      yield* inject({ route: "chunk", fault: Fault.status(422, { error: "Bad", message: "no" }), skip: 1 })
      const { events, exit, totals } = yield* collect(
        Upload.many([a!, missing, b!, c!], { ...options, concurrency: 1 })
      )
      assert.isTrue(Exit.isSuccess(exit))
      const failures = events.flatMap((event) => event._tag === "Failed" ? [[event.source.name, event.error._tag]] : [])
      assert.deepStrictEqual(failures, [["0.mp4", "PandaUploadRejected"], ["missing.mp4", "PandaSourceError"]])
      assert.deepStrictEqual(totals, { ...none, begun: 3, failed: 2, uploaded: 2, size: 7500, acknowledged: 6000 })
      yield* allArrived(2)
    }))

  scenario("ends with the first failure, if wanted", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.delay("1 second"), times: Infinity })
      const [a, b] = named(2, () => 50_000)
      const { exit } = yield* collect(
        Upload.many([a!, b!, missing], { ...options, concurrency: 3, failFast: true })
      )
      assert.strictEqual(failureOf(exit)._tag, "PandaSourceError")
      assert.isAtMost((yield* requests).length, 4)
      assert.isFalse((yield* sessions).some(({ status }) => status === "complete"))
    }))

  scenario("cancels one file, and no other", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.delay("1 second"), times: Infinity })
      const sources = named(3, () => 5000)
      const wish = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(collect(Upload.many(sources, {
        ...options,
        cancel: ({ name }) => name === "1.mp4" ? Deferred.await(wish) : Effect.never
      })))
      yield* TestClock.adjust("2500 millis")
      yield* Deferred.succeed(wish, undefined)
      yield* TestClock.adjust("3 hours")
      const { events, exit, totals } = yield* Fiber.join(fiber)
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(
        events.flatMap((event) => event._tag === "Cancelled" ? [event.source.name] : []),
        ["1.mp4"]
      )
      assert.deepStrictEqual(totals, {
        ...none,
        begun: 3,
        uploaded: 2,
        cancelled: 1,
        size: 15_000,
        acknowledged: 12_000
      })
      assert.deepStrictEqual(
        (yield* sessions).map(({ name, status }) => [name, status]).sort(),
        [["0.mp4", "complete"], ["1.mp4", "open"], ["2.mp4", "complete"]]
      )
    }))

  scenario(
    "what is cancelled before its turn is never begun, and what has ended cannot be cancelled",
    () =>
      Effect.gen(function*() {
        const { events, totals } = yield* collect(Upload.many(named(3), {
          ...options,
          cancel: ({ name }) => name === "1.mp4" ? Effect.void : Effect.delay(Effect.void, "1 hour")
        }))
        assert.strictEqual(totals.cancelled, 1)
        assert.strictEqual(totals.uploaded, 2)
        const ends = events.filter((event) => event._tag !== "Event" || event.event._tag === "Uploaded")
        assert.strictEqual(ends.length, 3)
      })
  )

  scenario("what is cancelled as soon as it is uploaded is uploaded", () =>
    Effect.gen(function*() {
      const wish = yield* Deferred.make<void>()
      const events: Array<Upload.ManyEvent> = []
      yield* Upload.many(named(1), { ...options, cancel: () => Deferred.await(wish) }).pipe(
        Stream.tap((event) => Effect.sync(() => events.push(event))),
        Stream.runForEach((event) =>
          event._tag === "Event" && event.event._tag === "Uploaded"
            ? Effect.zipRight(Deferred.succeed(wish, undefined), Effect.yieldNow())
            : Effect.void
        )
      )
      assert.deepStrictEqual(events.at(-1)?.totals, {
        ...none,
        begun: 1,
        uploaded: 1,
        size: 2500,
        acknowledged: 2500
      })
      assert.strictEqual(events.at(-1)?._tag, "Event")
    }))

  scenario("counts again what has to be sent again", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.expire(), skip: 3 })
      yield* inject({ route: "chunk", fault: Fault.forget(), skip: 5 })
      const { events, totals } = yield* collect(Upload.many(named(3), { ...options, onExpired: "restart" }))
      assert.strictEqual(
        events.filter((event) => event._tag === "Event" && event.event._tag === "Restarted").length,
        2
      )
      assert.deepStrictEqual(totals, { ...none, begun: 3, uploaded: 3, size: 7500, acknowledged: 7500 })
    }), { keepBytes: true })

  scenario("counts a source that grew as large as it is", () =>
    Effect.gen(function*() {
      let bytes = bytesOf(2500)
      const growing: UploadSource.UploadSource = {
        _tag: "Rewindable",
        name: "0.mp4",
        open: Effect.suspend(() => UploadSource.fromBytes(bytes, { name: "0.mp4" }).open).pipe(
          Effect.map(() => ({
            stat: Effect.sync(() => ({ size: bytes.length, modified: undefined })),
            read: (offset, buffer) =>
              Effect.sync(() => {
                const part = bytes.subarray(offset, offset + buffer.length)
                buffer.set(part)
                return part.length
              })
          }))
        )
      }
      const { totals } = yield* collect(
        Upload.many([growing], {
          ...options,
          onChanged: "restart",
          onState: ({ acknowledged }) =>
            Effect.sync(() => {
              if (acknowledged === 1000) bytes = bytesOf(3300)
            })
        })
      )
      assert.deepStrictEqual(totals, { ...none, begun: 1, uploaded: 1, size: 3300, acknowledged: 3300 })
      yield* allArrived(1)
    }))

  scenario("goes on with what a store knows", () =>
    Effect.gen(function*() {
      const sources = named(4)
      yield* inject({ route: "chunk", fault: Fault.stall, skip: 5, times: 3 })
      const many = Upload.many(sources, { ...options, upload: Upload.startOrResume })
      const fiber = yield* Effect.fork(Stream.runDrain(many))
      // Until nothing moves: a session that is being opened is not yet known, and would be opened again.
      yield* Effect.repeat(Effect.zipRight(TestClock.adjust("1 second"), requests), {
        until: (requests) => requests.filter(({ fault }) => fault === "Stall").length === 3
      })
      yield* Fiber.interrupt(fiber)
      const known = (yield* Effect.flatMap(UploadStore.UploadStore, ({ list }) => list)).length
      assert.isAtLeast(known, 3)
      const before = (yield* requests).filter(({ route }) => route === "create").length
      const { events, totals } = yield* collect(many)
      assert.strictEqual(
        events.filter((event) => event._tag === "Event" && event.event._tag === "Resumed").length,
        known
      )
      assert.strictEqual(totals.uploaded, 4)
      // A file that was uploaded before the interruption is nothing that the store knows.
      const creations = before + (4 - known)
      assert.strictEqual((yield* requests).filter(({ route }) => route === "create").length, creations)
      assert.deepStrictEqual(yield* Effect.flatMap(UploadStore.UploadStore, ({ list }) => list), [])
      yield* allArrived(creations)
    }).pipe(Effect.provide(UploadStore.layerMemory)))

  scenario("does not wait for who looks on slowly", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.delay("1 second"), times: Infinity })
      const sources = named(2, () => 20_000)
      const uploads = Upload.many(sources, { ...options, concurrency: 2 })
      let seen = 0
      const fiber = yield* Effect.fork(Stream.runForEach(uploads, () => {
        seen++
        return Effect.sleep("8 seconds")
      }))
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual((yield* sessions).map(({ status }) => status), ["complete", "complete"])
      yield* TestClock.adjust("1 hour")
      yield* Fiber.join(fiber)
      assert.isBelow(seen, 20)
      yield* allArrived(2)
    }))

  scenario("keeps of the news of each file the newest, for who looks on slowly", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.delay("1 second"), times: Infinity })
      const behind = yield* Deferred.make<void>()
      const events: Array<string> = []
      const uploads = Upload.many(named(3, () => 30_000), { ...options, concurrency: 3 })
      const fiber = yield* Effect.fork(Stream.runForEach(uploads, (told) => {
        events.push(told._tag === "Event" ? told.event._tag : told._tag)
        return Deferred.await(behind)
      }))
      yield* TestClock.adjust("1 hour")
      assert.lengthOf(yield* sessions, 3)
      yield* Deferred.succeed(behind, undefined)
      yield* TestClock.adjust("1 hour")
      yield* Fiber.join(fiber)
      // Thirty chunks of each file went meanwhile.
      assert.isAtMost(events.filter((tag) => tag === "Progress").length, 2 * 3)
      assert.lengthOf(events.filter((tag) => tag === "Uploaded"), 3)
    }))

  scenario("takes sources as there is room for them, of which there may be no end", () =>
    Effect.gen(function*() {
      let taken = 0
      const endless = function*() {
        for (;;) yield named(1, () => 2500 + taken++)[0]!
      }
      const uploads = Upload.many({ [Symbol.iterator]: endless }, { ...options, concurrency: 2 }).pipe(
        Stream.filter((told) => told._tag === "Event" && told.event._tag === "Uploaded"),
        Stream.take(3)
      )
      const fiber = yield* Effect.fork(Stream.runCount(uploads))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* Fiber.join(fiber), 3)
      assert.isAtMost(taken, 3 + 2)
    }))

  for (const [what, cancel] of [["fail", undefined], ["are cancelled", () => Effect.void]] as const) {
    scenario(`takes no more of those that ${what} than are looked at`, () =>
      Effect.gen(function*() {
        let taken = 0
        const many = function*() {
          for (; taken < 1000; taken++) yield missing
        }
        const uploads = Upload.many({ [Symbol.iterator]: many }, { ...options, cancel, concurrency: 2 })
        const fiber = yield* Effect.fork(Stream.runForEach(uploads, () => Effect.sleep("1 second")))
        yield* TestClock.adjust("10500 millis")
        assert.isAtMost(taken, 10 + 2 * 2)
        yield* Fiber.interrupt(fiber)
      }))
  }

  scenario("is stopped by an interruption, all of it", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.delay("1 second"), times: Infinity })
      const fiber = yield* Effect.fork(Stream.runDrain(Upload.many(named(6, () => 5000), options)))
      yield* TestClock.adjust("2500 millis")
      const before = (yield* requests).length
      assert.strictEqual(yield* inFlight, 3)
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* requests).length, before)
    }))

  scenario("takes sources that can be read only once", () =>
    Effect.gen(function*() {
      const sources = [0, 1].map((index) =>
        UploadSource.fromStream(Stream.make(bytesOf(2500, index)), { name: `${index}.mp4`, size: 2500 })
      )
      const { totals } = yield* collect(Upload.many(sources, options))
      assert.strictEqual(totals.uploaded, 2)
      yield* allArrived(2)
    }))
})
