import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Option, Redacted, TestClock } from "effect"
import { UploadStore } from "effect-panda"
import type { UploadState } from "effect-panda/UploadState"
import * as store from "../../src/cli/store.js"
import { temporary } from "./command.js"

const state: UploadState = {
  version: 1,
  id: Redacted.make("id"),
  location: Redacted.make("http://127.0.0.1/upload/session?id=1"),
  name: "movie.mp4",
  fingerprint: { size: 1000, digest: "0" },
  acknowledged: 0,
  created: DateTime.unsafeMake(0),
  options: {}
}

describe("the store of uploads", () => {
  it.scoped("is not written for every chunk, but for whatever else changes", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      yield* Effect.gen(function*() {
        const { get, lock, remove, set } = yield* UploadStore.UploadStore
        const kept = Effect.map(get("a"), Option.map(({ acknowledged }) => acknowledged))
        yield* set("a", state)
        yield* set("a", { ...state, acknowledged: 1 })
        assert.deepStrictEqual(yield* kept, Option.some(0))
        yield* TestClock.adjust("499 millis")
        yield* set("a", { ...state, acknowledged: 2 })
        assert.deepStrictEqual(yield* kept, Option.some(0))
        yield* TestClock.adjust("1 millis")
        yield* set("a", { ...state, acknowledged: 3 })
        assert.deepStrictEqual(yield* kept, Option.some(3))
        // Another session: what is kept of the earlier one leads nowhere.
        const location = Redacted.make("http://127.0.0.1/upload/session?id=2")
        yield* set("a", { ...state, location, acknowledged: 4 })
        assert.deepStrictEqual(yield* kept, Option.some(4))
        yield* remove("a")
        assert.deepStrictEqual(yield* kept, Option.none())
        yield* set("a", { ...state, location, acknowledged: 5 })
        assert.deepStrictEqual(yield* kept, Option.some(5))
        // Who stops says where.
        yield* Effect.scoped(Effect.gen(function*() {
          const held = yield* lock("a", "movie.mp4")
          yield* set("a", { ...state, location, acknowledged: 7 }, held)
          assert.deepStrictEqual(yield* kept, Option.some(5))
        }))
        assert.deepStrictEqual(yield* kept, Option.some(7))
        yield* set("b", { ...state, acknowledged: 6 })
        assert.deepStrictEqual(Option.map(yield* get("b"), ({ acknowledged }) => acknowledged), Option.some(6))
      }).pipe(Effect.provide(store.layer(folder)))
    }).pipe(Effect.provide(NodeContext.layer)))
})
