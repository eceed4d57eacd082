import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Redacted, Schema } from "effect"
import * as UploadState from "effect-panda/UploadState"
import { inspect } from "node:util"

const location = "https://vm-1.upload.pandastream.com/upload/session?id=canary"

const state: UploadState.UploadState = {
  version: 1,
  id: Redacted.make("1234"),
  location: Redacted.make(location),
  name: "movie.mp4",
  fingerprint: { size: 10, modified: DateTime.unsafeMake(1_700_000_000_123), digest: "abcd" },
  acknowledged: 4,
  created: DateTime.unsafeMake(1_700_000_000_000),
  options: { profiles: ["h264"], payload: "x" }
}

describe("UploadState", () => {
  it.effect("survives the way through JSON", () =>
    Effect.gen(function*() {
      const json = yield* Schema.encode(UploadState.Json)(state)
      assert.deepStrictEqual(yield* Schema.decode(UploadState.Json)(json), state)
    }))

  it.effect("has an encoded form that does not change", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Schema.encode(UploadState.UploadState)(state), {
        version: 1,
        id: "1234",
        location,
        name: "movie.mp4",
        fingerprint: { size: 10, modified: "2023-11-14T22:13:20.123Z", digest: "abcd" },
        acknowledged: 4,
        created: "2023-11-14T22:13:20.000Z",
        options: { profiles: "h264", payload: "x" }
      })
    }))

  it.effect.each([
    { what: "another version", change: { version: 2 } },
    { what: "a location that is no http URL", change: { location: "file:///etc/passwd" } },
    { what: "an offset below zero", change: { acknowledged: -1 } },
    { what: "an offset beyond the size", change: { acknowledged: 11 } },
    { what: "a size that is not whole", change: { fingerprint: { size: 1.5, digest: "" } } }
  ])("refuses $what", ({ change }) =>
    Effect.gen(function*() {
      const encoded = yield* Schema.encode(UploadState.UploadState)(state)
      const error = yield* Effect.flip(Schema.decodeUnknown(UploadState.UploadState)({ ...encoded, ...change }))
      assert.include(error.message, Object.keys(change)[0]!)
    }))

  const unreadable: ReadonlyArray<readonly [text: string, place: string]> = [
    ["", ""],
    [`{"version":1,"location":"https://canary".}`, ""],
    [`{"version":{"constructor":{"name":{"toString":1,"valueOf":1}}}}`, ", version"],
    [`${"[".repeat(50_000)}canary`, ""],
    [`${"[".repeat(50_000)}${"]".repeat(50_000)}`, ""],
    ["canary", ""]
  ]
  it.effect.each(unreadable)(
    "that is no state is refused without showing it: %#",
    ([text, place]) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Schema.decode(UploadState.Json)(text))
        assert.strictEqual(error.message, `is not the state of an upload${place}`)
      })
  )

  it.effect("says what of it is wrong, and not what it is", () =>
    Effect.gen(function*() {
      const json = yield* Schema.encode(UploadState.Json)(state)
      for (const [from, to, place] of [["https:", "canary:", "location"], [":4,", ":11,", "acknowledged"]] as const) {
        const error = yield* Effect.flip(Schema.decode(UploadState.Json)(json.replace(from, to)))
        assert.strictEqual(error.message, `is not the state of an upload, ${place}`)
      }
    }))

  it("shows no location", () => {
    for (const shown of [String(state.location), JSON.stringify(state), inspect(state, { depth: 9 })]) {
      assert.notInclude(shown, "canary")
    }
  })
})
