/**
 * Trying again and waiting, in the body of a workflow. It is played from the top again after each suspension and each
 * crash, so whatever it decides by has to be in the result of an activity: times too.
 */
import * as Activity from "@effect/workflow/Activity"
import * as DurableClock from "@effect/workflow/DurableClock"
import type { WorkflowEngine, WorkflowInstance } from "@effect/workflow/WorkflowEngine"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import * as Decision from "effect/ScheduleDecision"
import * as Interval from "effect/ScheduleIntervals"
import * as Schema from "effect/Schema"
import { IngestError } from "./model.js"
import type { Signal } from "./signals.js"

/** What it came to, and when (milliseconds): once, however often the body is played: an activity is known by its name. */
export const once = <A, I, R>(
  name: string,
  success: Schema.Schema<A, I>,
  execute: Effect.Effect<A, IngestError, R>
) =>
  Activity.make({
    name,
    success: Schema.Struct({
      at: Schema.Number,
      outcome: Schema.Either({ left: IngestError, right: success })
    }),
    execute: Effect.gen(function*() {
      const outcome = yield* Effect.either(execute)
      return { at: yield* Clock.currentTimeMillis, outcome }
    })
  })

/** Beyond it the engine keeps the wait, and the execution needs no memory. */
const IN_MEMORY = Duration.minutes(1)

/**
 * Until a moment, which a crash does not put off; or until something is asked of the execution, if it is not long.
 * Tells whether it is to end. Never a race of the engine's own deferreds and clocks, which are played wrongly again.
 */
export const wait = (options: {
  readonly name: string
  /** Milliseconds. */
  readonly from: number
  readonly delay: Duration.Duration
  /** Runs first, with the end of the wait. */
  readonly waiting: (until: number) => Effect.Effect<void>
  readonly asked: Effect.Effect<Signal>
}): Effect.Effect<boolean, never, WorkflowEngine | WorkflowInstance> => {
  const { asked, delay, name } = options
  const until = options.from + Duration.toMillis(delay)
  const waiting = options.waiting(until)
  return Duration.greaterThan(delay, IN_MEMORY)
    ? Activity.make({ name: `before/${name}`, execute: waiting }).pipe(
      Effect.zipRight(DurableClock.sleep({ name, duration: delay, inMemoryThreshold: IN_MEMORY })),
      Effect.as(false)
    )
    : Activity.make({
      name: `wait/${name}`,
      success: Schema.Boolean,
      execute: Effect.gen(function*() {
        yield* waiting
        const left = Duration.millis(Math.max(0, until - (yield* Clock.currentTimeMillis)))
        return yield* Effect.raceFirst(
          Effect.as(Effect.sleep(left), false),
          Effect.map(asked, (signal) => signal === "Cancel")
        )
      })
    })
}

/** The delays of a schedule, asked for one by one: none when it has ended. */
export const delays = <In, R>(schedule: Schedule.Schedule<unknown, In, R>) => {
  let state: unknown = schedule.initial
  return (now: number, input: In): Effect.Effect<Option.Option<Duration.Duration>, never, R> =>
    Effect.map(schedule.step(now, input, state), ([next, , decision]) => {
      state = next
      return Decision.isDone(decision)
        ? Option.none()
        : Option.some(Duration.millis(Math.max(0, Interval.start(decision.intervals) - now)))
    })
}

/** How a step is tried again. */
export interface Trying {
  readonly name: string
  readonly retry: Schedule.Schedule<unknown, IngestError>
  readonly waiting: (until: number) => Effect.Effect<void>
  readonly asked: Effect.Effect<Signal>
  /** What it fails with when it is asked to end. */
  readonly cancelled: IngestError
}

/** Tries a step until it succeeds, fails for good, is cancelled, or the schedule ends. */
export const trying = <A, I, R>(
  { asked, cancelled, name, retry, waiting }: Trying,
  success: Schema.Schema<A, I>,
  execute: Effect.Effect<A, IngestError, R>
) =>
  Effect.gen(function*() {
    const next = delays(retry)
    for (let n = 1;; n++) {
      const { at, outcome } = yield* once(`${name}/${n}`, success, execute)
      if (Either.isRight(outcome)) return { at, value: outcome.right }
      const delay = outcome.left.isRetryable ? yield* next(at, outcome.left) : Option.none()
      if (Option.isNone(delay)) return yield* outcome.left
      if (yield* wait({ name: `${name}/${n}`, from: at, delay: delay.value, waiting, asked })) return yield* cancelled
    }
  })
