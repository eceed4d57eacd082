/**
 * Milliseconds for lengths of time: from a moment that never changes, and never set back or forth as the wall clock is,
 * which `Clock.currentTimeMillis` reads. A TestClock drives it like any other clock.
 */
import * as Effect from "effect/Effect"

/**
 * To look at again and again, by whoever cannot afford an effect each time. Effect's own clock takes its nanoseconds from
 * `process.hrtime` or `performance.now`. Asked for unsafely, because that of tests has no `currentTimeNanos` within a
 * millisecond (seen: effect 3.22).
 */
export const clock: Effect.Effect<() => number> = Effect.map(
  Effect.clock,
  (clock) => () => Number(clock.unsafeCurrentTimeNanos()) / 1e6
)

export const now: Effect.Effect<number> = Effect.map(clock, (read) => read())
