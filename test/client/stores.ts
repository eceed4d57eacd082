/** What every store of unfinished uploads does, and what is put into it. */
import { assert, it } from "@effect/vitest"
import { assertNone } from "@effect/vitest/utils"
import { DateTime, Effect, Option, Redacted, type Scope, TestClock } from "effect"
import type * as UploadState from "effect-panda/UploadState"
import type * as UploadStore from "effect-panda/UploadStore"

export const CANARY = "canary"

export const stateOf = (id: string, created = 0): UploadState.UploadState => ({
  version: 1,
  id: Redacted.make(id),
  location: Redacted.make(`https://vm-1.upload.pandastream.com/upload/session?id=${CANARY}`),
  name: "movie.mp4",
  fingerprint: { size: 10, digest: "abcd" },
  acknowledged: 4,
  created: DateTime.unsafeMake(created),
  options: {}
})

/** Tests of a store that is made anew for each of them. */
export const conforms = <E, R = never>(
  make: Effect.Effect<UploadStore.UploadStore.Service, E, R | Scope.Scope>,
  scoped: <A, E2>(effect: Effect.Effect<A, E2, R | Scope.Scope>) => Effect.Effect<A, E2>
) => {
  it.effect("gives back what was set, until it is removed", () =>
    scoped(Effect.gen(function*() {
      const store = yield* make
      assertNone(yield* store.get("a"))
      assert.deepStrictEqual(yield* store.list, [])
      yield* store.remove("a")
      yield* store.set("a", stateOf("1"))
      yield* store.set("b", stateOf("2"))
      yield* store.set("a", stateOf("3"))
      assert.deepStrictEqual(yield* store.get("a"), Option.some(stateOf("3")))
      const listed = (yield* store.list).map(({ key, state }) => [key, Redacted.value(state.id)])
      assert.deepStrictEqual(listed.sort(), [["a", "3"], ["b", "2"]])
      yield* store.remove("a")
      assertNone(yield* store.get("a"))
      assert.deepStrictEqual((yield* store.list).map(({ key }) => key), ["b"])
    })))

  it.effect("forgets what began too long ago", () =>
    scoped(Effect.gen(function*() {
      const store = yield* make
      yield* TestClock.setTime(10_000)
      for (const created of [0, 4999, 5000, 9000]) yield* store.set(`from ${created}`, stateOf("1", created))
      assert.strictEqual(yield* store.prune("5 seconds"), 2)
      assert.deepStrictEqual((yield* store.list).map(({ key }) => key).sort(), ["from 5000", "from 9000"])
      assert.strictEqual(yield* store.prune("5 seconds"), 0)
    })))

  it.effect("locks one key, for one owner, until that leaves", () =>
    scoped(Effect.gen(function*() {
      const store = yield* make
      for (
        const leave of [
          Effect.void,
          Effect.fail("on purpose"),
          Effect.die("on purpose"),
          Effect.interrupt
        ]
      ) {
        yield* Effect.exit(Effect.scoped(Effect.zipRight(store.lock("a", "movie.mp4"), leave)))
        yield* Effect.scoped(Effect.zipRight(store.lock("a", "movie.mp4"), store.lock("b", "movie.mp4")))
      }
      assert.deepStrictEqual(yield* store.list, [])
    })))
}
