import { assert, describe, it } from "@effect/vitest"
import { DateTime, Deferred, Effect, Exit, Fiber, Redacted } from "effect"
import type { UploadState } from "effect-panda/UploadState"
import * as saver from "effect-panda/internal/upload/saver"

const stateAt = (acknowledged: number): UploadState => ({
  version: 1,
  id: Redacted.make("1"),
  location: Redacted.make("http://vm-1.example/upload"),
  name: "a.mp4",
  fingerprint: { size: 100, modified: undefined, digest: "" },
  acknowledged,
  created: DateTime.unsafeMake(0),
  options: {}
})

/** Saves that end when they are told to. */
const gated = Effect.sync(() => {
  const saved: Array<number> = []
  const gates: Array<Deferred.Deferred<void>> = []
  const save = ({ acknowledged }: UploadState) =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      gates.push(gate)
      yield* Deferred.await(gate)
      saved.push(acknowledged)
    })
  /** A save waits at its gate. */
  const begun = Effect.repeat(Effect.yieldNow(), { until: () => gates.length > 0, times: 1000 })
  const open = Effect.suspend(() => Deferred.succeed(gates.shift()!, undefined))
  return { saved, save, begun, open }
})

describe("the saver", () => {
  it.scoped("holds nobody up, and saves the newest of those that wait", () =>
    Effect.gen(function*() {
      const { begun, open, save, saved } = yield* gated
      const { put, settle } = yield* saver.make(save)
      yield* put(stateAt(1))
      yield* begun
      for (const at of [2, 3, 4]) yield* put(stateAt(at))
      const settled = yield* Effect.fork(settle)
      yield* Effect.yieldNow()
      yield* open
      yield* begun
      assert.deepStrictEqual(saved, [1])
      assert.isTrue((yield* Fiber.poll(settled))._tag === "None")
      yield* open
      yield* Fiber.join(settled)
      assert.deepStrictEqual(saved, [1, 4])
      yield* put(stateAt(5))
      yield* begun
      yield* open
      yield* settle
      assert.deepStrictEqual(saved, [1, 4, 5])
    }))

  it.effect("is not left before what waits is saved", () =>
    Effect.gen(function*() {
      const { begun, open, save, saved } = yield* gated
      const held = yield* Effect.fork(Effect.scoped(Effect.gen(function*() {
        const { put } = yield* saver.make(save)
        yield* put(stateAt(1))
        yield* begun
        yield* put(stateAt(2))
        return yield* Effect.never
      })))
      yield* begun
      const interrupted = yield* Effect.fork(Fiber.interrupt(held))
      yield* Effect.yieldNow()
      yield* open
      yield* begun
      assert.isTrue((yield* Fiber.poll(interrupted))._tag === "None")
      yield* open
      yield* Fiber.join(interrupted)
      assert.deepStrictEqual(saved, [1, 2])
    }))

  it.scoped("says to who goes on with it what it has died over", () =>
    Effect.gen(function*() {
      const { put, settle } = yield* saver.make(() => Effect.die("disk full"))
      yield* put(stateAt(1))
      yield* Effect.yieldNow()
      for (const next of [put(stateAt(2)), settle]) {
        assert.isTrue(Exit.isFailure(yield* Effect.exit(next)))
      }
    }))
})
