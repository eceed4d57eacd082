/** The protocol's table, which the functions that decide are tested against, run against the uploader for pages. */
import { afterEach, assert, describe, it } from "@effect/vitest"
import { UploadFailure } from "effect-panda/browser"
import { type Course, run, type Settings, type Ways } from "effect-panda/internal/browser/transfer"
import * as decision from "effect-panda/internal/upload/decision"
import { vi } from "vitest"
import { answerOf, locations, meanings, START, type StepCase, steps } from "../upload/decisionTable.js"
import { type Behaviour, type Seen, xhrTo } from "./fakeXhr.js"

afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

const AT = "http://vm-1.example/upload/session?id=1"
const THERE = "http://vm-1.example/upload/session?id=anew"

interface Observed {
  /** The request that came next, if one did. */
  readonly next: { readonly ask: decision.Ask; readonly url: string } | undefined
  readonly known: decision.Known
  readonly waits: ReadonlyArray<{ readonly code: string; readonly attempt: number }>
  readonly over: boolean
  readonly renewed: boolean
  readonly end: { readonly text: string } | UploadFailure | undefined
}

const askOf = ({ headers }: Seen): decision.Ask =>
  headers["content-range"]?.startsWith("bytes */") === true ? "Probe" : "Send"

/** One exchange that meets this behaviour, and what the uploader does then. */
const turn = async (
  behaviour: Behaviour,
  options: {
    readonly known?: Partial<decision.Known> | undefined
    readonly asked?: decision.Ask | undefined
    readonly policy?: decision.Policy | undefined
    readonly location?: string | undefined
  } = {}
): Promise<Observed> => {
  const controller = new AbortController()
  // Chance leaves nothing of the waits.
  vi.spyOn(Math, "random").mockReturnValue(0)
  const known: decision.Known = { ...START, pace: decision.paceOf(20), ...options.known }
  const size = known.pace.chunk > 100 ? 16 * 1024 * 1024 : known.size
  const course: Course = {
    file: new Blob([new Uint8Array(size)]),
    name: "movie.mp4",
    location: options.location ?? AT,
    known: { ...known, size },
    ask: options.asked ?? "Send",
    began: 0,
    answered: false,
    ranged: false
  }
  let next: Observed["next"]
  let first = true
  vi.stubGlobal(
    "XMLHttpRequest",
    xhrTo((request) => {
      assert.strictEqual(request.method, "PUT")
      if (first) {
        first = false
        assert.strictEqual(askOf(request), options.asked ?? "Send")
        return behaviour
      }
      next = { ask: askOf(request), url: request.url }
      controller.abort("seen")
      return "silent"
    })
  )
  const waits: Array<{ readonly code: string; readonly attempt: number }> = []
  let over = false
  let renewed = false
  const settings: Settings = {
    stall: behaviour === "silent" ? 5 : 60_000,
    response: behaviour === "silent" ? 5 : 60_000,
    onExpired: options.policy?.onExpired ?? "fail"
  }
  const ways: Ways = {
    keep: () => {},
    progress: () => {},
    waits: ({ code }, attempt) => waits.push({ code, attempt }),
    online: () => Promise.resolve(),
    restarted: () => {},
    over: () => {
      over = true
    },
    verify: () => Promise.resolve(),
    renew: () => {
      renewed = true
      return Promise.resolve(THERE)
    }
  }
  const end = await run(course, settings, ways, controller.signal).then(
    (text) => ({ text }),
    (error: unknown) => error === "seen" ? undefined : error instanceof UploadFailure ? error : Promise.reject(error)
  )
  return { next, known: course.known, waits, over, renewed, end }
}

/** What the table says comes next is what was seen. */
const holds = (step: Partial<decision.Step>, seen: Observed) => {
  switch (step._tag) {
    case "Ask":
      assert.deepStrictEqual(seen.next, { ask: step.ask!, url: AT })
      assert.lengthOf(seen.waits, 0)
      break
    case "Wait": {
      assert.strictEqual(seen.next?.ask, step.ask)
      assert.lengthOf(seen.waits, 1)
      const { attempt, code } = seen.waits[0]!
      assert.strictEqual(attempt, step.counts === "setback" ? seen.known.setbacks : seen.known.failures)
      if (step.why === undefined) break
      if (step.why !== "Failed") assert.strictEqual(code, step.why)
      else assert.include(["ServerFailed", "Unreachable"], code)
      break
    }
    case "Restart":
      assert.isTrue(seen.renewed)
      assert.deepStrictEqual(seen.next, { ask: "Probe", url: THERE })
      break
    case "Done":
      assert.deepStrictEqual(seen.end, { text: `{"id":"v"}` })
      break
    case "LookUp":
      assert.strictEqual((seen.end as UploadFailure).code, "Uncertain")
      break
    default:
      if (!(seen.end instanceof UploadFailure)) return assert.fail("it did not fail")
      if (step._tag === "Fail" && step.over !== undefined) {
        // Of what has expired or is too large nothing is kept, whatever else was said.
        assert.strictEqual(seen.over, step.over || ["Expired", "FileTooLarge"].includes(seen.end.code))
      }
  }
  if (step._tag !== "Done" && step._tag !== "Fail" && step._tag !== "LookUp") assert.isUndefined(seen.end)
}

/** What a page meets. A browser follows redirects by itself, so that none is hidden from the page. */
const behaviourOf = (outcome: StepCase["outcome"]): Behaviour | undefined => {
  if (outcome._tag === "Hidden") return undefined
  if (outcome._tag === "Broken") return outcome.timeout ? "silent" : "broken"
  return answerOf(outcome, AT)
}

const seenByPages = steps.flatMap((step) => {
  const behaviour = behaviourOf(step.outcome)
  return behaviour === undefined ? [] : [{ ...step, behaviour }]
})

describe("what comes next", () => {
  it("is told of every outcome that a page can meet", () => {
    const all = new Set(steps.map(({ outcome }) => outcome._tag))
    all.delete("Hidden")
    assert.deepStrictEqual(new Set(seenByPages.map(({ outcome }) => outcome._tag)), all)
  })

  it.each(seenByPages)("$what", async ({ after, asked, behaviour, known, policy, step }) => {
    const seen = await turn(behaviour, { known, asked, policy })
    holds(step, seen)
    // A page sees its chunks move; the table's cases are of chunks that nobody sees.
    const pace = after?.pace && { ...after.pace, seen: true }
    if (step._tag !== "Restart") assert.deepInclude(seen.known, { ...after, ...(pace && { pace }) })
  })
})

describe("what an answer means", () => {
  it.each(meanings)("$what: $means", async ({ answer }) => {
    const { headers = {}, status = 200, text = "" } = answer
    const known: decision.Known = { ...START, pace: decision.paceOf(20), sent: 60 }
    const { step } = decision.next(known, "Send", decision.meaningOf({ status, headers, text }), { onExpired: "fail" })
    const seen = await turn({ status, headers, text })
    holds(step, seen)
  })
})

describe("where a session is from then on", () => {
  it.each(locations)(
    "from $from, Location: $location",
    async ({ from, location, moved, refused, status = 204, text }) => {
      const seen = await turn({ status, headers: { location, range: status === 204 ? "0-59" : undefined }, text }, {
        location: from,
        known: { sent: 100 }
      })
      if (refused === true) assert.strictEqual((seen.end as UploadFailure).code, "LocationRefused")
      else if (seen.next !== undefined) assert.strictEqual(seen.next.url, moved ?? from)
      else assert.isUndefined(moved)
    }
  )

  it("is where a browser was led to", async () => {
    const seen = await turn({ status: 204, headers: { range: "0-59" }, at: THERE })
    assert.strictEqual(seen.next?.url, THERE)
  })

  it("is reckoned from where a browser was led to", async () => {
    const seen = await turn({
      status: 204,
      headers: { range: "0-59", location: "/u?id=2" },
      at: "http://vm-2.example/u?id=1"
    })
    assert.strictEqual(seen.next?.url, "http://vm-2.example/u?id=2")
  })

  it("is not where a browser was led to by a page that was secure", async () => {
    const seen = await turn({ status: 204, headers: { range: "0-59" }, at: THERE }, {
      location: "https://vm-1.example/u"
    })
    assert.strictEqual((seen.end as UploadFailure).code, "LocationRefused")
  })
})
