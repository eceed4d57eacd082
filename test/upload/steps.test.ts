/**
 * The protocol's table of what comes next, run against whole uploads: each case is led up to by answers after which an
 * upload knows what the case says that it knows. In a page: test/browser/table.test.ts.
 */
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Exit, Fiber, Option, Redacted, Ref, Stream, TestClock } from "effect"
import { Upload, UploadSource } from "effect-panda"
import * as decision from "effect-panda/internal/upload/decision"
import { isOver } from "effect-panda/internal/upload/transfer"
import type { UploadState } from "effect-panda/UploadState"
import { failureOf, watch } from "../client/upload.js"
import { answerOf, START, type StepCase, steps } from "./decisionTable.js"
import { panda, responseOf } from "./scripted.js"

const AT = "http://vm-1.example/upload/session?id=1"

/** One exchange on the session: what the upload is to ask, and what it meets. */
interface Turn {
  readonly ask: decision.Ask
  readonly outcome: decision.Outcome
}

interface Course {
  readonly size: number
  readonly chunkSize: number
  /** Another process has left it at the acknowledged byte. */
  readonly inherited: boolean
  readonly turns: ReadonlyArray<Turn>
}

const progress = (offset: number): decision.Outcome => ({ _tag: "Progress", offset })
const send = (outcome: decision.Outcome): Turn => ({ ask: "Send", outcome })
const probe = (outcome: decision.Outcome): Turn => ({ ask: "Probe", outcome })
const times = (count: number, turns: ReadonlyArray<Turn>) => Array.from({ length: count }, () => turns).flat()

/** How an upload comes to know what is known in a case, and the case itself. */
const courseOf = ({ asked = "Send", known, outcome }: StepCase): Course => {
  const { acknowledged, doubted, failures, inherited, pace, perhaps, record, sent, setbacks, told } = {
    ...START,
    ...known
  }
  // Its chunks are longer than the rest of the table's file.
  if (known?.pace !== undefined) {
    return { size: 4 * pace.chunk, chunkSize: pace.chunk, inherited: false, turns: [send(outcome)] }
  }
  const given = { size: START.size, inherited }
  if (!told) {
    // An upload that is gone on with asks first.
    return { ...given, chunkSize: (perhaps - acknowledged) / 2, turns: [probe(outcome)] }
  }
  const chunkSize = sent === START.size ? START.size - START.acknowledged : sent - START.acknowledged
  const there = probe(progress(acknowledged))
  const up = inherited
    ? [there]
    : Array.from(
      { length: Math.ceil(record / chunkSize) },
      (_, i) => send(progress(Math.min((i + 1) * chunkSize, record)))
    )
  const whole = acknowledged > record ? [send(progress(acknowledged))] : []
  const back = Array.from(
    { length: setbacks },
    (_, i) => send(progress(record - (record - acknowledged) * (i + 1) / setbacks))
  )
  const doubts = doubted ? [send({ _tag: "Doubtful" }), there] : []
  const broken = times(failures, [send({ _tag: "Later" }), there])
  const history = [...up, ...whole, ...back, ...doubts, ...broken]
  if (asked === "Send") return { ...given, chunkSize, turns: [...history, send(outcome)] }
  // The last thing that made it ask is the case's own.
  const before = failures > 0 ? history.slice(0, -1) : [...history, send({ _tag: "Doubtful" })]
  return { ...given, chunkSize, turns: [...before, probe(outcome)] }
}

/** What is asked of Panda, or of an upload server. */
type Asked = decision.Ask | "Create" | "LookUp"

const askedBy = ({ headers, method }: HttpClientRequest.HttpClientRequest): Asked => {
  const range = headers["content-range"]
  if (range !== undefined) return range.startsWith("bytes */") ? "Probe" : "Send"
  return method === "GET" ? "LookUp" : "Create"
}

/** What of the body is taken is what has left. */
const taken = ({ body }: HttpClientRequest.HttpClientRequest) =>
  body._tag === "Stream" ? Effect.orDie(Stream.runDrain(body.stream)) : Effect.void

const meets = (
  request: HttpClientRequest.HttpClientRequest,
  outcome: decision.Outcome
): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> => {
  const fails = (cause: unknown) => new HttpClientError.RequestError({ request, reason: "Transport", cause })
  switch (outcome._tag) {
    case "Broken":
      return outcome.timeout ? Effect.never : Effect.fail(fails({ code: "ECONNRESET" }))
    case "Hidden":
      return Effect.fail(fails(new TypeError("unexpected redirect")))
    default:
      return Effect.succeed(responseOf(request, answerOf(outcome, AT)))
  }
}

/** Where another process has left the upload of a source. */
const leftAt = (source: UploadSource.UploadSource, acknowledged: number) =>
  Effect.map(
    Effect.scoped(Effect.flatMap(source.open, (handle) => UploadSource.fingerprint(source, handle))),
    (fingerprint): UploadState => ({
      version: 1,
      id: Redacted.make("s1"),
      location: Redacted.make(AT),
      name: source.name,
      fingerprint,
      acknowledged,
      created: DateTime.unsafeMake(0),
      options: {}
    })
  )

/** Runs an upload through its turns, up to the request after them, which is not answered, or to its end. */
const run = (
  { chunkSize, inherited, size, turns }: Course,
  { acknowledged }: decision.Known,
  policy: decision.Policy
) =>
  Effect.gen(function*() {
    const left = yield* Ref.make(turns)
    const next = yield* Ref.make(Option.none<{ readonly asked: Asked; readonly offset: number | undefined }>())
    let created = 0
    const client = panda((request) =>
      Effect.gen(function*() {
        const asked = askedBy(request)
        if (asked === "Create") {
          created++
          const location = created === 1 ? AT : `${AT}&again`
          return responseOf(request, { text: JSON.stringify({ id: `s${created}`, location }) })
        }
        const [turn, ...others] = yield* Ref.get(left)
        if (turn === undefined) {
          const [, offset] = /^bytes (\d+)-/.exec(request.headers["content-range"] ?? "") ?? []
          yield* Ref.set(next, Option.some({ asked, offset: offset === undefined ? undefined : Number(offset) }))
          return yield* Effect.never
        }
        assert.strictEqual(asked, turn.ask, `${turns.length - others.length} of ${turns.length}`)
        yield* Ref.set(left, others)
        yield* taken(request)
        return yield* meets(request, turn.outcome)
      })
    )
    const source = UploadSource.fromBytes(new Uint8Array(size), { name: "movie.mp4" })
    const options: Upload.Options = { chunkSize, onExpired: policy.onExpired }
    const upload = inherited
      ? Stream.unwrap(Effect.map(leftAt(source, acknowledged), (state) => Upload.resume(state, source, options)))
      : Upload.start(source, options)
    const { events, fiber } = yield* watch(upload).pipe(Effect.provide(client))
    // Until it has ended, or waits for what does not come: not as long as a request may take.
    yield* Effect.zipRight(TestClock.adjust("1 second"), Ref.get(next)).pipe(
      Effect.zip(Fiber.poll(fiber)),
      Effect.repeat({ until: ([next, exit]) => Option.isSome(next) || Option.isSome(exit) })
    )
    assert.lengthOf(yield* Ref.get(left), 0)
    const exit = Option.map(yield* Fiber.poll(fiber), Exit.flatten)
    yield* Fiber.interrupt(fiber)
    return { events, exit: Option.getOrUndefined(exit), next: Option.getOrUndefined(yield* Ref.get(next)), created }
  })

type Seen = Effect.Effect.Success<ReturnType<typeof run>>

/** What an upload fails with after such an outcome. */
const failures: { readonly [tag: string]: string } = {
  Gone: "PandaSessionExpired",
  TooLarge: "PandaFileTooLarge",
  TooLong: "PandaFileTooLarge",
  Doubtful: "PandaUploadRejected",
  Refused: "PandaUploadRejected",
  Denied: "PandaUploadRejected",
  Hidden: "PandaTransportError"
}

const holds = ({ asked = "Send", known, outcome, policy = { onExpired: "fail" }, step }: StepCase, seen: Seen) => {
  const before = { ...START, ...known }
  const { known: after } = decision.next(before, asked, outcome, policy)
  const retries = seen.events.flatMap((event) => event._tag === "Retrying" ? [event] : [])
  const waits = step._tag === "Wait" || step._tag === "Restart" ? 1 : 0
  assert.lengthOf(retries, before.failures + before.setbacks + waits)
  switch (step._tag) {
    case "Ask":
    case "Wait": {
      const offset = step.ask === "Send" ? decision.offsetOf(after) : undefined
      assert.deepStrictEqual(seen.next, { asked: step.ask!, offset })
      if (step._tag === "Ask") break
      const { attempt, error } = retries.at(-1)!
      assert.strictEqual(attempt, step.counts === "setback" ? after.setbacks : after.failures)
      const why = error._tag === "PandaUploadStalled" ? error.reason : "Failed"
      if (step.why !== undefined) assert.strictEqual(why, step.why)
      break
    }
    case "Restart":
      assert.deepStrictEqual(seen.next, { asked: "Send", offset: 0 })
      assert.strictEqual(seen.created, 2)
      break
    case "LookUp":
      assert.strictEqual(seen.next?.asked, "LookUp")
      break
    case "Done":
      assert.strictEqual(Exit.getOrElse(seen.exit ?? assert.fail("it goes on"), () => assert.fail("it failed")).id, "v")
      break
    case "Fail": {
      const error = failureOf(seen.exit ?? assert.fail("it goes on"))
      assert.strictEqual(error._tag, failures[outcome._tag] ?? "PandaUploadProtocolError")
      if (step.over === undefined) break
      // Of what has expired or is too large nothing is kept, whatever else was said.
      assert.strictEqual(isOver(error), step.over || ["Gone", "TooLarge"].includes(outcome._tag))
    }
  }
}

/** What is acknowledged goes below the best of a session by a setback alone, which makes it the best. */
const comesAbout = ({ known }: StepCase) => {
  const { acknowledged, best } = { ...START, ...known }
  return acknowledged >= best
}

describe("what comes next", () => {
  it("is of cases that come about, all but one", () => {
    assert.deepStrictEqual(steps.filter((one) => !comesAbout(one)).map(({ what }) => what), [
      "more, but not more than ever: failures still count"
    ])
  })

  it.effect.each(steps.filter(comesAbout).map((one) => [one.what, one] as const))(
    "%s",
    ([, one]) =>
      Effect.gen(function*() {
        const { known, policy = { onExpired: "fail" } } = one
        holds(one, yield* run(courseOf(one), { ...START, ...known }, policy))
      })
  )
})
