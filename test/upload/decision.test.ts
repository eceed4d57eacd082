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

  it("is short at first where nobody answered, and never longer for it", () => {
    const waits = (headers?: {}) => [1, 2, 3, 20].map((failures) => decision.delayOf(failures, headers, 1, 0))
    assert.deepStrictEqual(waits(), [10, 200, 400, 30_000])
    assert.deepStrictEqual(waits({}), [100, 200, 400, 30_000])
    assert.strictEqual(decision.delayOf(1, undefined, 0.5, 0), 5)
    assert.strictEqual(decision.delayOf(1, { "retry-after": "7" }, 0.5, 0), 7025)
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

  it.each(
    [0.5, 2.5, 12.5, 125, 1250].flatMap((speed) =>
      [0.001, 0.02, 0.1, 0.2, 0.6, 2].map((trip) => [speed, trip] as const)
    )
  )("leaves a link of %d MB/s idle for 2 % of the time, a round trip being %d s, within 30 seconds", (mb, trip) => {
    const speed = mb * 1e6
    let pace = decision.answered(decision.paceOf(undefined), trip)
    const seconds: Array<number> = []
    for (let chunks = 0; chunks < 12; chunks++) {
      const length = decision.lengthAt({ ...known, pace }, 0, Infinity)
      seconds.push(length / speed)
      // To the answer, as it is measured.
      pace = decision.measured(decision.answered(pace, trip), length, length / speed + trip)
    }
    const last = seconds.at(-1)!
    assert.isAtMost(last, 30)
    if (last < 0.9 * 30 * (1 - trip / 30)) assert.isAtMost(trip / (last + trip), 0.0205)
    // What is measured of a chunk has the wait for its answer in it, so it gets there by a few.
    assert.isAtMost(seconds.findIndex((time) => time > 0.9 * last), 4)
  })

  it("takes no more time than is asked for", () => {
    const pace = decision.measured(decision.answered(decision.paceOf(undefined, 6), 1), 8192 * KIB, 2)
    assert.strictEqual(pace.chunk, 6 * 4096 * KIB)
  })

  it("is not so that a tiny one is left", () => {
    const pace = { ...decision.paceOf(undefined), chunk: 1000 * KIB }
    const lengths = (size: number, most = Infinity) => {
      const all: Array<number> = []
      for (let at = 0; at < size; at += all.at(-1)!) {
        all.push(decision.lengthAt({ ...START, size, pace }, at, most))
      }
      assert.strictEqual(all.reduce((sum, length) => sum + length, 0), size)
      return all
    }
    for (let size = 1; size < 5000 * KIB; size += 77_777) {
      const all = lengths(size)
      if (size > 1000 * KIB) assert.isAtLeast(Math.min(...all), 500 * KIB)
      assert.isAtMost(Math.max(...all), 1250 * KIB)
      assert.isAtMost(Math.max(...lengths(size, 700 * KIB)), 700 * KIB)
    }
    assert.deepStrictEqual(lengths(1001 * KIB), [1001 * KIB])
  })

  it("stays where the server keeps what came of a chunk that broke, unless it always breaks", () => {
    const pace = { ...decision.paceOf(undefined), chunk: 8192 * KIB, under: 8192 * KIB, seen: true }
    const lengths = (kept: number, sent: number) => {
      let now: decision.Known = { ...known, pace }
      return Array.from({ length: 5 }, () => {
        now = brokenOff(decision.sentTo(now, sent), kept)
        return now.pace.chunk / KIB
      })
    }
    // What arrived is there: a chunk of that length is one that comes through.
    assert.deepStrictEqual(lengths(3000 * KIB, 5000 * KIB), [8192, 8192, 8192, 3000, 3000])
    // Most of a chunk is lost; or little, but always.
    assert.deepStrictEqual(lengths(0, 5000 * KIB).slice(0, 2), [4096, 2048])
    assert.deepStrictEqual(lengths(0, 100 * KIB).slice(0, 3), [8192, 4096, 2048])
    const once = brokenOff({ ...known, sent: 5000 * KIB, pace }, 3000 * KIB)
    const whole = { ...once, pace: decision.measured(once.pace, 8192 * KIB, 2) }
    assert.strictEqual(whole.pace.breaks, 0)
  })

  const distances = {
    // From half to one and a half of it, spread evenly.
    "evenly": (part: number) => 0.5 + part,
    // As where a break is as likely at each byte.
    "by chance": (part: number) => -Math.log(1 - part)
  }

  it.each(
    [[2.5, 0.2], [12.5, 0.05], [12.5, 0.15], [125, 0.02], [125, 0.1]].flatMap(([mb, trip]) =>
      Object.entries(distances).map(([name, distance]) => [mb!, trip!, name, distance] as const)
    )
  )(
    "loses little over a link of %d MB/s and %d s that breaks every 40 MB or so, %s, where what came of a chunk is thrown away",
    (mb, trip, _, distance) => {
      const speed = mb * 1e6
      const every = 40e6
      const size = 100 * every
      let breaks = 0
      const next = () => every * distance((++breaks * 0.618034) % 1)
      let left = next()
      let now: decision.Known = { ...START, size, pace: decision.paceOf(undefined) }
      let [gone, idle] = [0, 0]
      while (now.acknowledged < size) {
        const length = decision.lengthAt(now, now.acknowledged, Infinity)
        const offset = now.acknowledged
        const sent = Math.min(length, left)
        gone += sent
        idle += trip * speed
        now = decision.sentTo(decision.sending(now, length, true), offset + sent)
        now = { ...now, pace: decision.moving(now.pace, speed, sent / speed) }
        left -= sent
        if (left > 0) {
          const pace = decision.measured(decision.answered(now.pace, trip), length, length / speed + trip)
          now = { ...now, pace, acknowledged: offset + length, sent: offset + length }
        } else {
          left = next()
          now = { ...brokenOff(now, offset), acknowledged: offset, sent: offset }
        }
      }
      // With chunks of the best length for it, known from the beginning, there would be this much left of the speed.
      const best = 1 / (1 + Math.sqrt(2 * trip * speed / every))
      assert.isAbove(size / (gone + idle), best - 0.15)
    }
  )

  it("follows what came of chunks, not what left into buffers on the way", () => {
    const sending = decision.sending({ ...known, pace: decision.paceOf(undefined) }, 8192 * KIB, true)
    // Half of it in no time, as it seems.
    const burst = decision.moving(sending.pace, 4096 * KIB / 0.1, 0.1)
    const first = decision.measured(burst, 8192 * KIB, 8)
    assert.strictEqual(first.speed, 1024 * KIB)
    const next = decision.sending({ ...known, pace: first }, 8192 * KIB, true)
    const again = decision.measured(decision.moving(next.pace, 4096 * KIB / 0.1, 0.1), 8192 * KIB, 8)
    assert.approximately(again.speed!, 1024 * KIB, 1)
  })

  it("stays where nothing came of a chunk, and the server kept what came of one before", () => {
    const pace = { ...decision.paceOf(undefined), chunk: 8192 * KIB, under: 8192 * KIB, seen: true }
    const once = brokenOff({ ...known, sent: 5000 * KIB, pace }, 3000 * KIB)
    const whole = { ...once, pace: decision.measured(once.pace, 8192 * KIB, 2) }
    assert.strictEqual(brokenOff(decision.sentTo(whole, 5000 * KIB), 0).pace.chunk, whole.pace.chunk)
    // But not where that is always so.
    let lost = whole
    for (let breaks = 0; breaks < 2; breaks++) lost = brokenOff(decision.sentTo(lost, 5000 * KIB), 0)
    assert.isBelow(lost.pace.chunk, whole.pace.chunk)
  })

  it("is not short for long where the server keeps what comes, and short ones break as well", () => {
    const pace = { ...decision.paceOf(undefined), chunk: 8192 * KIB, taken: 8192 * KIB }
    let now: decision.Known = { ...known, pace }
    const broken = (length: number, kept: number) =>
      brokenOff(decision.sentTo(decision.sending(now, length, true), length), kept)
    for (let breaks = 0; breaks < 4; breaks++) now = broken(8192 * KIB, 3000 * KIB)
    assert.strictEqual(now.pace.chunk, 3000 * KIB)
    now = { ...now, pace: decision.measured(now.pace, 3000 * KIB, 1) }
    assert.strictEqual(now.pace.chunk, 3000 * KIB)
    now = broken(3000 * KIB, 1000 * KIB)
    now = { ...now, pace: decision.measured(now.pace, 3000 * KIB, 1) }
    assert.strictEqual(now.pace.chunk, 12_000 * KIB)
  })

  it.each([408, 504, 524])("is shorter after a %d, if that cost what was sent", (status) => {
    const pace = { ...decision.paceOf(undefined), chunk: 8192 * KIB, under: 8192 * KIB, seen: true }
    const meaning = decision.meaningOf({ status, headers: {}, text: "" })
    const policy = { onExpired: "fail" } as const
    const cut = decision.next({ ...known, sent: 5000 * KIB, pace }, "Send", meaning, policy).known
    const after = (offset: number) => decision.next(cut, "Probe", { _tag: "Progress", offset }, policy).known.pace.chunk
    assert.strictEqual(after(0), 4096 * KIB)
    assert.strictEqual(after(KIB), 8192 * KIB)
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
