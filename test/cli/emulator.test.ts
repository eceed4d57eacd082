/** A Panda of one's own as a process, which may be killed at any time. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { crash, holds } from "../emulator/crash/crash.js"
import { installed } from "../ffmpeg.js"
import { seedOf } from "../fuzz/seed.js"
import { lines, run, temporary } from "./command.js"

describe("emulator --data", { timeout: 200_000 }, () => {
  it.scopedLive.skipIf(!installed)(
    "loses nothing that it answered, however often it is killed",
    () =>
      Effect.gen(function*() {
        const { folder, ...outcome } = yield* crash({ seed: seedOf(), kills: 3 })
        assert.isTrue(holds(outcome), JSON.stringify(outcome))
        assert.isAbove(outcome.webhooks, 3)

        // One folder is one process's.
        const second = yield* run(["emulator", "--data", folder])
        assert.strictEqual(second.code, 2)
        assert.match(lines(second.err)[0]!, /panda is used by process \d+: end it, or take another folder/)
      })
  )

  it.scopedLive("says what to install where there is no ffmpeg", () =>
    Effect.gen(function*() {
      const home = yield* temporary
      const { code, err } = yield* run(["emulator", "--encode"], { env: { PATH: home } })
      assert.strictEqual(code, 1)
      assert.deepStrictEqual(lines(err), [
        "effect-panda: ffmpeg cannot be run: install ffmpeg (Debian and Ubuntu: apt-get install ffmpeg; " +
        "macOS: brew install ffmpeg; Windows: winget install ffmpeg)"
      ])
    }))
})
