import { assert, describe, it } from "@effect/vitest"
import * as decision from "effect-panda/internal/upload/decision"
import { locations, meanings, START, steps } from "./decisionTable.js"

describe("what an answer means", () => {
  it.each(meanings)("$what: $means", ({ answer, means, offset }) => {
    const meaning = decision.meaningOf({ status: 200, headers: {}, text: "", ...answer })
    assert.strictEqual(meaning._tag, means)
    if (meaning._tag === "Progress") assert.strictEqual(meaning.offset, offset)
  })
})

describe("where a session is from then on", () => {
  it.each(locations)(
    "from $from, Location: $location",
    ({ from, location, moved, refused = false, status = 204, text = "" }) => {
      const answer = { status, headers: { location }, text }
      assert.deepStrictEqual(decision.locationAfter(from, answer, decision.meaningOf(answer)), { moved, refused })
    }
  )
})

describe("what comes next", () => {
  it.each(steps)("$what", ({ asked = "Send", known, outcome, policy = { onExpired: "fail" }, step, after }) => {
    const next = decision.next({ ...START, ...known }, asked, outcome, policy)
    assert.deepInclude(next.step, step)
    assert.deepInclude(next.known, after ?? {})
  })
})

describe("what goes at an offset", () => {
  it.each([
    [0, 0, 30],
    [90, 90, 10],
    [99, 99, 1],
    [100, 99, 1]
  ])("of 100 bytes with %i acknowledged, from %i on: %i", (acknowledged, offset, length) => {
    const known = { ...START, acknowledged }
    assert.strictEqual(decision.offsetOf(known), offset)
    assert.strictEqual(decision.lengthAt(known, offset, Infinity), length)
    assert.strictEqual(decision.lengthAt(known, offset, 7), Math.min(7, length))
  })
})

describe("how long to wait", () => {
  const at = Date.parse("Sun, 22 Nov 2026 12:00:00 GMT")
  it.each([
    [{ "retry-after": "0" }, 0],
    [{ "retry-after": " 7 " }, 7000],
    [{ "retry-after": "Sun, 22 Nov 2026 12:00:12 GMT" }, 12_000],
    [{ "retry-after": "Sun, 22 Nov 2026 11:00:00 GMT" }, 0],
    // Its own clock is an hour ahead of ours, or behind.
    [{ "retry-after": "Sun, 22 Nov 2026 13:00:12 GMT", date: "Sun, 22 Nov 2026 13:00:00 GMT" }, 12_000],
    [{ "retry-after": "Sun, 22 Nov 2026 11:00:12 GMT", date: "Sun, 22 Nov 2026 11:00:00 GMT" }, 12_000],
    [{ "retry-after": "Sun, 22 Nov 2026 12:00:12 GMT", date: "today" }, 12_000],
    [{ "retry-after": "soon" }, undefined],
    [{}, undefined]
  ])("%j is %s ms", (headers, millis) => {
    assert.strictEqual(decision.retryAfterOf(headers, at), millis)
  })

  it.each([
    [1000, 0, 1000],
    [1000, 500, 1000],
    [1000, 1000, 1500],
    [1000, 5000, 5500],
    [0, 5000, 5000]
  ])("of %i ms of our own and %i asked for: %i", (own, asked, waits) => {
    assert.strictEqual(decision.waitOf(own, asked), waits)
  })
})

describe("how long a chunk is", () => {
  const KIB = 1024
  const known = { ...START, size: Infinity }

  /** After a chunk that broke off, of which the server kept so much. */
  const brokenOff = (known: decision.Known, kept: number): decision.Known => {
    const policy = { onExpired: "fail" } as const
    const broken = decision.next(known, "Send", { _tag: "Broken", timeout: false }, policy).known
    return { ...decision.next(broken, "Probe", { _tag: "Progress", offset: kept }, policy).known, acknowledged: 0 }
  }

  /** Chunks of an upload over a connection that breaks off all that are longer. */
  const over = (most: number, chunks: number) => {
    let now: decision.Known = { ...known, pace: decision.paceOf(undefined) }
    const lengths: Array<number> = []
    for (let turn = 0; turn < chunks; turn++) {
      const length = decision.lengthAt(now, 0, Infinity)
      lengths.push(length / KIB)
      now = decision.sentTo(decision.sending(now, length, true), length)
      now = length > most
        ? brokenOff(now, 0)
        : { ...now, failures: 0, pace: decision.measured(now.pace, length, 0) }
    }
    return lengths
  }

  it("is half of what broke, and for ever longer no more than that", () => {
    const lengths = over(2048 * KIB, 400)
    assert.deepStrictEqual(lengths.slice(0, 4), [8192, 4096, 2048, 2048])
    const broken = lengths.filter((length) => length > 2048).length
    assert.isAtLeast(broken, 3)
    assert.isAtMost(broken, 12)
    assert.isTrue(lengths.slice(2).every((length) => length >= 1024))
  })

  it("grows again after one that broke by chance", () => {
    const pace = decision.paceOf(undefined)
    let now: decision.Known = { ...known, pace: { ...pace, chunk: 8192 * KIB, under: 8192 * KIB, taken: 8192 * KIB } }
    now = brokenOff(now, 0)
    for (let chunks = 0; chunks < 40; chunks++) {
      const length = decision.lengthAt(now, 0, Infinity)
      now = { ...now, pace: decision.measured(now.pace, length, length / (8192 * KIB)) }
    }
    assert.strictEqual(now.pace.chunk, 32 * 1024 * KIB)
  })

  it("is what was asked for, but for what nobody on the way takes", () => {
    let now: decision.Known = { ...known, pace: decision.paceOf(4096 * KIB) }
    for (const timeout of [false, true, true]) {
      now = decision.next(now, "Send", { _tag: "Broken", timeout }, { onExpired: "fail" }).known
      assert.strictEqual(decision.lengthAt(now, 0, Infinity), 4096 * KIB)
    }
    now = decision.sending(now, 4096 * KIB, false)
    now = decision.next(now, "Send", { _tag: "TooLong" }, { onExpired: "fail" }).known
    assert.strictEqual(decision.lengthAt(now, 0, Infinity), 2048 * KIB)
  })

  it("has a time that follows the speed, and doubles where it was not enough", () => {
    const bytes = 64 * 1024 * KIB
    const unmeasured: decision.Known = { ...known, pace: decision.paceOf(bytes) }
    const first = decision.unseenLengthAt(unmeasured, 0, Infinity)
    assert.isAtMost(decision.secondsFor(unmeasured.pace, first), 5 * 60)
    let now = { ...unmeasured, pace: decision.measured(unmeasured.pace, first, 8) }
    assert.strictEqual(decision.unseenLengthAt(now, 0, Infinity), bytes)
    assert.strictEqual(decision.secondsFor(now.pace, bytes), 4 * 64)
    now = decision.next(now, "Send", { _tag: "Broken", timeout: true }, { onExpired: "fail" }).known
    assert.strictEqual(decision.secondsFor(now.pace, bytes), 8 * 64)
    assert.strictEqual(decision.secondsFor(decision.measured(now.pace, bytes, 64), bytes), 4 * 64)
  })
})
