/** How often the requests of a client are sent again, all together. */
import { assert, describe } from "@effect/vitest"
import {
  Clock,
  Context,
  Effect,
  Either,
  Exit,
  Fiber,
  Layer,
  Logger,
  LogLevel,
  Metric,
  Schedule,
  TestClock
} from "effect"
import * as Credentials from "effect-panda/Credentials"
import * as PandaClient from "effect-panda/PandaClient"
import { Fault } from "effect-panda/PandaEmulator"
import type { PandaError } from "effect-panda/PandaError"
import * as Videos from "effect-panda/Videos"
import { counted, inject, inTime, panda, seen, test } from "../client/panda.js"

const { capacity } = PandaClient.defaultRetryBudget

const fault = Fault.status(503)
const outage = inject(fault, { times: Infinity })
const recovery = Effect.flatMap(panda, ({ reset }) => reset)

const together = <A, E, R>(effect: Effect.Effect<A, E, R>, count: number) =>
  Effect.replicateEffect(effect, count, { concurrency: "unbounded" })

/** How an effect ends, and when. */
const ending = <A, R>(effect: Effect.Effect<A, PandaError, R>) =>
  Effect.zipWith(Effect.either(effect), Clock.currentTimeMillis, (result, at) => ({
    at,
    outcome: Either.match(result, { onLeft: ({ _tag }) => _tag, onRight: () => "success" })
  }))

/** All at the same moment, so that nothing grows back meanwhile. */
const atOnce = Schedule.recurs(100)

/** How many retries are left in an outage, found out by making them. */
const left = Videos.list().pipe(
  PandaClient.withRetry(atOnce),
  Effect.ignore,
  counted,
  Effect.map(([, requests]) => requests - 1)
)

/** Works once it has been sent again so many times. */
const failing = (times: number) => Effect.zipRight(inject(fault, { times }), Videos.list())

describe("many callers in an outage", () => {
  test(
    "make no more requests than the budget allows, and fail fast with the error there is",
    Effect.gen(function*() {
      yield* outage
      const endings = yield* inTime(together(ending(Videos.list()), 100))
      assert.deepStrictEqual([...new Set(endings.map(({ outcome }) => outcome))], ["PandaServerError"])
      assert.lengthOf(yield* seen, 100 + capacity)
      assert.lengthOf(endings.filter(({ at }) => at === 0), 100 - capacity)
      // The others had a retry each, which comes within 200 ms.
      assert.isAtMost(Math.max(...endings.map(({ at }) => at)), 200)
    })
  )

  test(
    "that begin anew each second, with a schedule that knows no end, add one request a second",
    Effect.gen(function*() {
      yield* outage
      const calls = Effect.repeat(
        Effect.ignore(PandaClient.withRetry(Videos.list(), atOnce)),
        Schedule.fixed("1 second")
      )
      const fiber = yield* Effect.fork(together(calls, 50))
      yield* TestClock.adjust("4500 millis")
      yield* Fiber.interrupt(fiber)
      const retries = (yield* seen).length - 5 * 50
      assert.strictEqual(retries, capacity + 4)
    })
  )

  test(
    "leave retries to those who come after it",
    Effect.gen(function*() {
      yield* outage
      yield* together(Effect.ignore(PandaClient.withRetry(Videos.list(), atOnce)), 100)
      yield* recovery
      assert.strictEqual((yield* ending(failing(1))).outcome, "PandaServerError")
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* inTime(ending(failing(1)))).outcome, "success")
      // An hour later all are there.
      yield* outage
      assert.strictEqual(yield* left, capacity)
    })
  )
})

describe("the budget", () => {
  test(
    "grows back by one a second, up to its capacity",
    Effect.gen(function*() {
      yield* outage
      assert.strictEqual(yield* left, capacity)
      assert.strictEqual(yield* left, 0)
      yield* TestClock.adjust("999 millis")
      assert.strictEqual(yield* left, 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* left, 1)
      yield* TestClock.adjust("7 seconds")
      assert.strictEqual(yield* left, 7)
      yield* TestClock.adjust("1 day")
      assert.strictEqual(yield* left, capacity)
    })
  )

  test(
    "grows back by one with ten successes, up to its capacity",
    Effect.gen(function*() {
      const after = (successes: number) =>
        Effect.gen(function*() {
          yield* recovery
          yield* Effect.replicateEffect(Videos.list(), successes)
          yield* outage
          return yield* left
        })
      assert.strictEqual(yield* after(50), capacity)
      assert.strictEqual(yield* after(9), 0)
      assert.strictEqual(yield* after(1), 1)
      assert.strictEqual(yield* after(30), 3)
    })
  )

  test(
    "is enough for a busy client of which one request in ten fails, and no less",
    Effect.gen(function*() {
      const small = PandaClient.withRetryBudget({ ...PandaClient.defaultRetryBudget, capacity: 3 })
      const busy = (failures: number) =>
        Effect.gen(function*() {
          yield* inject(fault, { times: failures })
          return yield* Effect.exit(small(together(PandaClient.withRetry(Videos.list(), Schedule.recurs(4)), 10)))
        })
      // All at the same moment.
      assert.isTrue((yield* Effect.replicateEffect(busy(1), 20)).every(Exit.isSuccess))
      assert.isFalse((yield* Effect.replicateEffect(busy(2), 20)).every(Exit.isSuccess))
    })
  )

  test(
    "is enough for one caller with a schedule of a second, however long",
    Effect.gen(function*() {
      const patient = Schedule.intersect(Schedule.spaced("1 second"), Schedule.recurs(100))
      const end = yield* inTime(ending(PandaClient.withRetry(failing(100), patient)))
      assert.deepStrictEqual(end, { at: 100_000, outcome: "success" })
    })
  )

  test(
    "is not for what is signed again with the server's time, nor for what is not to be sent again",
    Effect.gen(function*() {
      const none = PandaClient.withRetryBudget({ capacity: 0, perSecond: 0, perSuccess: 0 })
      yield* inject(Fault.status(401, { error: "NotAuthorized", message: "Signatures expired" }))
      assert.deepStrictEqual(yield* none(Videos.list()), [])
      yield* inject(fault, { times: 99 })
      const create = Videos.create({ source_url: "http://a.example/b.mp4" })
      yield* Effect.replicateEffect(Effect.flip(create), 50)
      assert.strictEqual(yield* left, capacity)
    })
  )

  test(
    "holds for execute too",
    Effect.gen(function*() {
      yield* inject(Fault.refuse, { times: Infinity })
      const call = PandaClient.withRetry(PandaClient.execute("GET", "/videos.json"), atOnce)
      yield* Effect.flip(call)
      assert.lengthOf(yield* seen, 1 + capacity)
    })
  )

  test(
    "is each client's own",
    Effect.gen(function*() {
      const { accessKey, cloudId, secretKey } = yield* panda
      const other = yield* Layer.build(
        Layer.provide(Layer.fresh(PandaClient.layer), Credentials.layer({ accessKey, secretKey, cloudId }))
      )
      yield* outage
      assert.strictEqual(yield* left, capacity)
      assert.strictEqual(yield* Effect.provide(left, Context.pick(PandaClient.PandaClient)(other)), capacity)
      assert.strictEqual(yield* left, 0)
    }).pipe(Effect.scoped)
  )

  test(
    "is told when it is used up, at debug and as a metric",
    Effect.gen(function*() {
      const call = PandaClient.request({
        name: "Test.overBudget",
        method: "GET",
        path: PandaClient.path`/videos.json`,
        result: PandaClient.Acknowledged
      })
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => {
        lines.push([logLevel.label, ...[message].flat()].join(" "))
      })
      yield* inject(fault, { times: 3 })
      yield* call.pipe(
        PandaClient.withRetry(atOnce),
        PandaClient.withRetryBudget({ capacity: 1, perSecond: 0, perSuccess: 0 }),
        Effect.flip,
        Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
        Logger.withMinimumLogLevel(LogLevel.Debug)
      )
      const why = "Test.overBudget: Panda answered 503. Try again in a while"
      assert.deepStrictEqual(lines, [
        `DEBUG Panda.Test.overBudget: sending again ${why}`,
        `DEBUG Panda.Test.overBudget: not sending again, the retry budget is used up ${why}`
      ])
      const counts = (yield* Metric.snapshot).flatMap(({ metricKey, metricState }) =>
        metricKey.tags.some(({ value }) => value === "Test.overBudget") && metricKey.name.startsWith("panda_retries")
          ? [[metricKey.name, "count" in metricState ? metricState.count : undefined]]
          : []
      )
      assert.sameDeepMembers(counts, [["panda_retries", 1], ["panda_retries_over_budget", 1]])
    })
  )
})

describe("withRetryBudget", () => {
  test(
    "sets another, on the same count",
    Effect.gen(function*() {
      yield* outage
      const small = PandaClient.withRetryBudget({ capacity: 5, perSecond: 2, perSuccess: 1 })
      assert.strictEqual(yield* small(left), 5)
      assert.strictEqual(yield* left, capacity - 5)
      assert.strictEqual(yield* small(left), 0)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* small(left), 5)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* small(left), 4)
    })
  )

  test(
    "sets none, which leaves the others theirs",
    Effect.gen(function*() {
      yield* outage
      const requests = yield* PandaClient.withRetryBudget(left, "unlimited")
      assert.strictEqual(requests, 100)
      assert.strictEqual(yield* left, capacity)
      assert.strictEqual(yield* PandaClient.withRetryBudget(left, "unlimited"), 100)
    })
  )
})
