/** Which request is sent again after which failure, when, and how it is signed. */
import * as HttpClient from "@effect/platform/HttpClient"
import { RequestError } from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Either, Layer, Random, Schema, TestContext } from "effect"
import * as Credentials from "effect-panda/Credentials"
import * as Notifications from "effect-panda/Notifications"
import * as PandaClient from "effect-panda/PandaClient"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import type { PandaError } from "effect-panda/PandaError"
import * as UploadSession from "effect-panda/UploadSession"
import * as Videos from "effect-panda/Videos"
import { inject, inTime, seen, test } from "../client/panda.js"

interface Failure {
  readonly what: string
  /** What the server does, or how the connection fails. */
  readonly fault: Fault | Error
  readonly tag: PandaError["_tag"]
  /** What is sent again: all requests, those that may be repeated, none; or all, once, with the server's time. */
  readonly again: "all" | "repeatable" | "none" | "in time"
  /** The `Retry-After` that counts: for so many milliseconds, or until then. */
  readonly wait?: number
  readonly until?: number
  /** Milliseconds until it is known. */
  readonly takes?: number
  /** The server does what it is asked, and the client cannot know. */
  readonly carriedOut?: true
}

const error = { error: "Name", message: "words" }
const expired = { error: "NotAuthorized", message: "Signatures expired" }
const transport = { tag: "PandaTransportError", again: "repeatable" } as const
const server = { tag: "PandaServerError", again: "repeatable" } as const
const asked = { tag: "PandaServerError", again: "all" } as const
const limited = { tag: "PandaRateLimited", again: "all" } as const
const final = { again: "none" } as const

const noName = Object.assign(new Error(), { code: "ENOTFOUND", syscall: "getaddrinfo" })

const failures: ReadonlyArray<Failure> = [
  { what: "refused", fault: Fault.refuse, tag: "PandaTransportError", again: "all" },
  { what: "name not found", fault: noName, tag: "PandaTransportError", again: "all" },
  { what: "reset before", fault: Fault.resetBefore, ...transport },
  { what: "reset during", fault: Fault.resetDuring({ after: 0.5 }), ...transport },
  { what: "reset after", fault: Fault.resetAfter, ...transport, carriedOut: true },
  { what: "truncated", fault: Fault.truncate({ after: 1 }), ...transport, carriedOut: true },
  { what: "timeout", fault: Fault.stall, ...transport, takes: 30_000 },
  { what: "timeout after", fault: Fault.carriedOut(Fault.stall), ...transport, takes: 30_000, carriedOut: true },
  { what: "400", fault: Fault.status(400, error), tag: "PandaRejected", ...final },
  { what: "401", fault: Fault.status(401, error), tag: "PandaAuthError", ...final },
  { what: "401 expired", fault: Fault.status(401, expired), tag: "PandaAuthError", again: "in time" },
  {
    what: "401 expired without a Date",
    fault: Fault.status(401, { ...expired, headers: { date: "" } }),
    tag: "PandaAuthError",
    ...final
  },
  { what: "403", fault: Fault.status(403), tag: "PandaRejected", ...final },
  { what: "404", fault: Fault.status(404, error), tag: "PandaNotFound", ...final },
  { what: "408", fault: Fault.status(408), tag: "PandaRejected", again: "repeatable" },
  { what: "413", fault: Fault.status(413), tag: "PandaFileTooLarge", ...final },
  { what: "429", fault: Fault.status(429), ...limited },
  { what: "429, in 7 s", fault: Fault.status(429, { retryAfter: 7 }), ...limited, wait: 7000 },
  { what: "429, at once", fault: Fault.status(429, { retryAfter: 0 }), ...limited, wait: 0 },
  {
    what: "429, at a time",
    fault: Fault.status(429, { retryAfter: "Thu, 01 Jan 1970 00:00:09 GMT" }),
    ...limited,
    until: 9000
  },
  { what: "429, at no time", fault: Fault.status(429, { retryAfter: "soon" }), ...limited },
  { what: "500", fault: Fault.status(500), ...server },
  { what: "500 after", fault: Fault.carriedOut(Fault.status(500)), ...server, carriedOut: true },
  { what: "500, in 2 s", fault: Fault.status(500, { retryAfter: 2 }), ...server, wait: 2000 },
  { what: "502", fault: Fault.status(502, { body: "<html>" }), ...server },
  { what: "503", fault: Fault.status(503), ...server },
  { what: "503, in 3 s", fault: Fault.status(503, { retryAfter: 3 }), ...asked, wait: 3000 },
  { what: "503, in 10 min", fault: Fault.status(503, { retryAfter: 600 }), ...asked, wait: 30_000 },
  {
    what: "503, at a time in an hour",
    fault: Fault.status(503, { retryAfter: "Thu, 01 Jan 1970 01:00:00 GMT" }),
    ...asked,
    wait: 30_000
  },
  {
    what: "503, at a time that is past",
    fault: Fault.status(503, { retryAfter: "Wed, 31 Dec 1969 23:00:00 GMT" }),
    ...asked,
    wait: 0
  },
  { what: "503, in -1 s", fault: Fault.status(503, { retryAfter: "-1" }), ...server },
  {
    what: "200 BadRequest",
    fault: Fault.errorBody({ error: "BadRequest", message: "words" }),
    tag: "PandaRejected",
    ...final
  },
  { what: "200 InternalError", fault: Fault.errorBody({ error: "InternalError", message: "words" }), ...server },
  { what: "200 that is no JSON", fault: Fault.malformed("{\"id\":"), tag: "PandaDecodeError", ...final }
]

interface Request {
  readonly what: string
  readonly repeatable: boolean
  readonly call: (id: string) => Effect.Effect<unknown, PandaError, PandaClient.PandaClient>
}

const requests: ReadonlyArray<Request> = [
  { what: "GET", repeatable: true, call: (id) => Videos.find(id) },
  { what: "PUT", repeatable: true, call: () => Notifications.update({ delay: 3 }) },
  { what: "DELETE", repeatable: true, call: (id) => Videos.delete(id) },
  { what: "POST", repeatable: false, call: () => Videos.create({ source_url: "http://a.example/b.mp4" }) },
  {
    what: "POST /videos/upload.json",
    repeatable: true,
    call: () => UploadSession.create({ file_name: "a.mp4", file_size: 10 })
  },
  {
    what: "GET that is said not to be repeatable",
    repeatable: false,
    call: (id) =>
      PandaClient.request({
        name: "Test.find",
        method: "GET",
        path: PandaClient.path`/videos/${id}.json`,
        result: Schema.Struct({ id: Schema.String }),
        repeatable: false
      })
  }
]

const SEED = "a seed"
/** Parts of 200, 400, 800 and 1600 ms: those that the seed gives. */
const DELAYS = [89.646912, 85.221796, 395.545159, 1074.101861]
/** Five attempts of 30 seconds, with 30 seconds between, and half of 200, 400, 800 and 1600 ms. */
const MOST = 5 * 30_000 + 4 * 30_000 + 1500

interface Sent {
  readonly at: number
  readonly timestamp: string | null
  readonly signature: string | null
}

/** A client whose requests are taken down on their way to an emulator, and meet these failures one after the other. */
const meeting = (failures: ReadonlyArray<Failure>) =>
  Effect.gen(function*() {
    const panda = yield* PandaEmulator.make({ videos: 1 })
    const sent: Array<Sent> = []
    for (const { fault } of failures) {
      if (!(fault instanceof Error)) yield* panda.inject({ route: "*", fault })
    }
    const note = ({ body, url }: HttpClientRequest.HttpClientRequest) =>
      Effect.map(Clock.currentTimeMillis, (at) => {
        const form = body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : new URL(url).search
        const parameters = new URLSearchParams(form)
        sent.push({ at, timestamp: parameters.get("timestamp"), signature: parameters.get("signature") })
      })
    const httpClient = HttpClient.transform(panda.httpClient, (exchange, request) =>
      Effect.flatMap(note(request), () => {
        const fault = failures[sent.length - 1]?.fault
        return fault instanceof Error
          ? Effect.fail(new RequestError({ request, reason: "Transport", cause: fault }))
          : exchange
      }))
    const client = PandaClient.layer.pipe(
      Layer.provide(
        Credentials.layer({ accessKey: panda.accessKey, secretKey: panda.secretKey, cloudId: panda.cloudId })
      ),
      Layer.provide(Layer.succeed(HttpClient.HttpClient, httpClient))
    )
    return { client, panda, sent }
  })

const exactly = (millis: number) => Math.round(millis * 1000) / 1000

interface Outcome {
  readonly outcome: string
  readonly at: ReadonlyArray<number>
  readonly end: number
}

const run = ({ call, what }: Request, failures: ReadonlyArray<Failure>) =>
  Effect.gen(function*() {
    const { client, panda, sent } = yield* meeting(failures)
    const id = String((yield* panda.videos)[0]!["id"])
    const { end, outcome } = yield* inTime(
      Effect.zipWith(Effect.either(call(id)), Clock.currentTimeMillis, (outcome, end) => ({ outcome, end }))
    ).pipe(Effect.provide(client), Effect.withRandom(Random.make(SEED)))

    const of = `${what}: ${failures.map(({ what }) => what).join(", ")}`
    const timestamps = sent.map(({ timestamp }) => String(timestamp))
    assert.deepStrictEqual(timestamps, [...new Set(timestamps)].sort(), of)
    assert.strictEqual(new Set(sent.map(({ signature }) => String(signature))).size, sent.length, of)
    assert.notInclude(timestamps, "null", of)
    assert.isAtMost(end, MOST, of)
    const result: Outcome = {
      outcome: Either.match(outcome, { onLeft: ({ _tag }) => _tag, onRight: () => "success" }),
      at: sent.map(({ at }) => exactly(at)),
      end: exactly(end)
    }
    return { ...result, videos: (yield* panda.videos).length - 1 }
  }).pipe(Effect.provide(TestContext.TestContext), Effect.orDie)

/** What has to come of it: all of the policy that is not in the table. */
const predict = ({ repeatable, what }: Request, failures: ReadonlyArray<Failure>): Outcome => {
  const at: Array<number> = []
  let now = 0
  let retries = 0
  let corrected = false
  let doubtful = false
  for (const { again, tag, takes = 0, until, wait } of failures) {
    at.push(exactly(now))
    now += takes
    // What may have been deleted and is not there has been deleted.
    if (doubtful && tag === "PandaNotFound") return { outcome: "success", at, end: exactly(now) }
    if (again === "in time" && !corrected) {
      corrected = true
      continue
    }
    corrected = false
    const repeat = again === "all" || again === "repeatable" && repeatable
    if (!repeat || retries === 4) return { outcome: tag, at, end: exactly(now) }
    doubtful ||= again === "repeatable" && what === "DELETE"
    const own = DELAYS[retries]!
    const asked = wait ?? (until === undefined ? undefined : Math.max(0, until - serverTime(now)))
    // What the server wishes is the least, and what chance has given stays.
    now += asked === undefined ? own : Math.max(own, asked + own / 2)
    retries++
  }
  return { outcome: "success", at: [...at, exactly(now)], end: exactly(now) }
}

/** As the answer's own Date tells it, in whole seconds. */
const serverTime = (now: number) => Math.floor(now / 1000) * 1000

const repeated = (failure: Failure, count: number) => Array.from({ length: count }, () => failure)

describe("what is sent again, after which time", () => {
  it.live.each(requests)("$what", (request) =>
    Effect.gen(function*() {
      const cells = failures.flatMap((failure) =>
        [1, 5]
          .filter((count) => count === 1 || predict(request, [failure]).outcome === "success")
          .map((count) => ({ failure, count }))
      )
      // Each has an emulator and a clock of its own, so that they need not wait for each other.
      const outcomes = yield* Effect.forEach(cells, ({ count, failure }) => {
        const all = repeated(failure, count)
        return Effect.map(run(request, all), ({ videos, ...outcome }) => {
          if (request.what === "POST") {
            const answered = outcome.outcome === "success"
            assert.strictEqual(videos, answered || failure.carriedOut === true ? 1 : 0, failure.what)
          }
          return { what: failure.what, count, ...outcome }
        })
      }, { concurrency: "unbounded" })
      const expected = cells.map(({ count, failure }) => ({
        what: failure.what,
        count,
        ...predict(request, repeated(failure, count))
      }))
      assert.deepStrictEqual(outcomes, expected)
    }))

  it.live.each(requests)("$what, whatever comes after what", (request) =>
    Effect.gen(function*() {
      const some = failures.filter(({ again }) => again !== "none")
      const draw = Effect.flatMap(
        Random.nextIntBetween(1, 5),
        (count) => Effect.all([...Array.from({ length: count }, () => Random.choice(some)), Random.choice(failures)])
      )
      const rows = yield* Effect.withRandom(Effect.replicateEffect(draw, 25), Random.make("mixed"))
      const outcomes = yield* Effect.forEach(rows, (row) =>
        Effect.map(run(request, row), ({ videos, ...outcome }) => {
          if (request.what === "POST") assert.isAtMost(videos, 1)
          return outcome
        }), { concurrency: "unbounded" })
      assert.deepStrictEqual(outcomes, rows.map((row) => predict(request, row)))
      assert.isAbove(new Set(outcomes.map(({ at }) => at.length)).size, 2)
    }))

  test(
    "the longest that it can take is four and a half minutes",
    Effect.gen(function*() {
      yield* inject(Fault.delay(29_999), { times: 5 })
      yield* inject(Fault.status(503, { retryAfter: 600 }), { times: 5 })
      const create = Videos.create({ source_url: "http://a.example/b.mp4" })
      const end = yield* inTime(Effect.zipRight(Effect.flip(create), Clock.currentTimeMillis))
      assert.lengthOf(yield* seen, 5)
      assert.isAtLeast(end, MOST - 1500 - 5)
      assert.isAtMost(end, MOST - 5)
    })
  )
})
