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
  it.each(locations)("from $from, Location: $location", ({ from, location, moved, refused = false }) => {
    const after = decision.locationAfter(from, { status: 204, headers: { location }, text: "" })
    assert.deepStrictEqual(after, { moved, refused })
  })
})

describe("what comes next", () => {
  it.each(steps)("$what", ({ asked = "Send", known, outcome, policy = { onExpired: "fail" }, step, after }) => {
    const next = decision.next({ ...START, ...known }, asked, outcome, policy)
    assert.deepInclude(next.step, step)
    assert.deepInclude(next.known, after ?? {})
  })
})

describe("what goes at an offset", () => {
  const pace = decision.paceOf(30)
  it.each([
    [0, 0, 30],
    [90, 90, 10],
    [99, 99, 1],
    [100, 99, 1]
  ])("of 100 bytes with %i acknowledged, from %i on: %i", (acknowledged, offset, length) => {
    const known = { ...START, acknowledged }
    assert.strictEqual(decision.offsetOf(known), offset)
    assert.strictEqual(decision.lengthAt(pace, known, offset, Infinity), length)
    assert.strictEqual(decision.lengthAt(pace, known, offset, 7), Math.min(7, length))
  })
})
