/** A limit on sending again, shared by all requests of a client, which each by itself would try to the end. */
import * as Effect from "effect/Effect"
import * as monotonic from "../time/monotonic.js"

export interface RetryBudget {
  /** Retries that may be made at once, after a time without any. */
  readonly capacity: number
  /** Retries that each second adds, up to the capacity. */
  readonly perSecond: number
  /** Retries that each request which succeeds adds, up to the capacity. */
  readonly perSuccess: number
}

/** Ten tenths do not add up to one. */
const TOLERANCE = 1e-6

interface Account {
  /** Takes a retry out of the budget; false if there is none left. */
  readonly take: (budget: RetryBudget | "unlimited") => Effect.Effect<boolean>
  /** For a request that has succeeded. */
  readonly earn: (budget: RetryBudget | "unlimited") => Effect.Effect<void>
}

export const make: Effect.Effect<Account> = Effect.sync(() => {
  /** Retries made and not earned back. Not those left, because a region of code may have a capacity of its own. */
  let spent = 0
  let asOf = 0

  const settle = (budget: RetryBudget, now: number, earned: number) => {
    const seconds = Math.max(0, now - asOf) / 1000
    spent = Math.max(0, spent - seconds * budget.perSecond - earned)
    asOf = now
  }

  return {
    take: (budget) =>
      budget === "unlimited" ? Effect.succeed(true) : Effect.map(monotonic.now, (now) => {
        settle(budget, now, 0)
        const enough = spent + 1 <= budget.capacity + TOLERANCE
        if (enough) spent++
        return enough
      }),
    earn: (budget) =>
      budget === "unlimited"
        ? Effect.void
        : Effect.map(monotonic.now, (now) => settle(budget, now, budget.perSuccess))
  }
})
