import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Option, Schedule, TestClock } from "effect"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { ask, call, inject, open, panda } from "./emulator/rawClient.js"

describe("determinism", () => {
  /** Ten failures, a second apart, then an answer: with three delays of a second, 13 seconds in all. */
  const stubborn = Effect.gen(function*() {
    yield* inject("GET /videos/:id.json", Fault.delay("1 second"), { times: 3 })
    yield* inject("GET /videos/:id.json", Fault.status(503), { times: 5 })
    yield* inject("GET /videos/:id.json", Fault.resetAfter, { times: 3 })
    yield* inject("GET /videos/:id.json", Fault.truncate({ after: 9 }), { times: 2 })
    const { id } = yield* ask("POST", "/videos.json", { source_url: "http://a/b.mp4" })
    const reply = yield* call("GET", `/videos/${id}.json`).pipe(
      Effect.filterOrFail(({ status }) => status === 200),
      Effect.retry(Schedule.addDelay(Schedule.recurs(10), () => "1 second"))
    )
    return [reply.status, (yield* (yield* panda).requests).length, yield* Clock.currentTimeMillis]
  })

  it.effect("ten sleeps under one adjustment, 50 clients", () =>
    Effect.gen(function*() {
      for (let round = 0; round < 5; round++) {
        const start = yield* Clock.currentTimeMillis
        const clients = yield* Effect.forEach(
          Array.from({ length: 10 }),
          () => Effect.fork(Effect.provide(stubborn, PandaEmulator.layer()))
        )
        yield* TestClock.adjust("13 seconds")
        for (const client of clients) {
          const exit = Option.getOrThrow(yield* Fiber.poll(client))
          assert.deepStrictEqual(yield* exit, [200, 12, start + 13_000])
        }
      }
    }))

  it.effect("the same requests give the same ids", () => {
    const ids = Effect.gen(function*() {
      yield* ask("POST", "/videos.json", { source_url: "http://a/b.mp4" })
      const { id, location } = yield* open(10)
      return [id, location, (yield* (yield* panda).encodings).map((encoding) => encoding["id"])]
    })
    return Effect.gen(function*() {
      const first = yield* Effect.provide(ids, PandaEmulator.layer())
      assert.deepStrictEqual(first, yield* Effect.provide(ids, PandaEmulator.layer()))
    })
  })
})
