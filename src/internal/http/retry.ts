/** What may be sent again, and after which time (design 7). */
import * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"
import type { PandaError } from "../../PandaError.js"
import { waitOf } from "../upload/decision.js"

/** A request that is not repeatable is sent again only if it surely was not carried out. */
export const mayRepeat = (repeatable: boolean) => (error: PandaError): boolean => {
  if (repeatable) return error.isRetryable
  switch (error._tag) {
    case "PandaTransportError":
      return error.isRetryable && !error.ambiguous
    case "PandaRateLimited":
      return true
    case "PandaServerError":
      return error.status === 503 && error.retryAfter !== undefined
    default:
      return false
  }
}

/** Whether the request may have been carried out all the same. */
export const isDoubtful = (error: PandaError): boolean => error.isRetryable && !mayRepeat(false)(error)

/** Delays by the schedule, and for no less than the error's `Retry-After` where it has one. */
export const honourRetryAfter = <Out, In, R>(schedule: Schedule.Schedule<Out, In, R>): Schedule.Schedule<In, In, R> =>
  Schedule.modifyDelay(Schedule.passthrough(schedule), (error, delay) => {
    const asked = typeof error === "object" && error !== null && "retryAfter" in error ? error.retryAfter : undefined
    return Duration.isDuration(asked)
      ? Duration.millis(waitOf(Duration.toMillis(delay), Duration.toMillis(asked)))
      : delay
  })
