import { assert, it } from "@effect/vitest"
import { Effect, Stream, TestClock } from "effect"
import { Videos } from "effect-panda"
import * as PandaEmulator from "effect-panda/PandaEmulator"

const countVideos = Stream.runCount(Videos.all({ status: "success" })) // your program

it.effect("counts the videos through an outage", () =>
  Effect.gen(function*() {
    const panda = yield* PandaEmulator.PandaEmulator
    yield* panda.inject({ route: "GET /videos.json", fault: PandaEmulator.Fault.status(503), times: 2 })
    const fiber = yield* Effect.fork(countVideos)
    yield* TestClock.adjust("5 seconds")
    assert.strictEqual(yield* fiber, 3)
    assert.deepStrictEqual((yield* panda.requests).map(({ status }) => status), [503, 503, 200, 200])
  }).pipe(Effect.provide(PandaEmulator.layerTest({ videos: 3 }))))
