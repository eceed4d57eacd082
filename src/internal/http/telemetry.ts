/** What can be seen of requests: their spans, metrics and log lines, under the names that the README gives. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import type { PandaInputError } from "../../PandaError.js"

const requests = Metric.counter("panda_requests", {
  description: "Requests that were sent, by operation and outcome",
  incremental: true
})

const retries = Metric.counter("panda_retries", {
  description: "Failures after which an operation or an upload went on, by operation",
  incremental: true
})

const overBudget = Metric.counter("panda_retries_over_budget", {
  description: "API requests not sent again because the retry budget was used up, by operation",
  incremental: true
})

/** The span of an operation, with all its attempts. */
export const traced =
  (operation: string, method: string, host: string, path: Either.Either<string, PandaInputError>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    effect.pipe(
      Effect.annotateLogs("panda.operation", operation),
      Effect.withSpan(`Panda.${operation}`, {
        captureStackTrace: false,
        attributes: {
          "http.request.method": method,
          "server.address": host,
          ...(Either.isRight(path) ? { "url.path": path.right } : {})
        }
      })
    )

/** The span of one attempt, which is counted. */
export const attempted =
  (operation: string) => <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
    effect.pipe(
      Effect.tapBoth({
        onSuccess: () => noteOutcome(operation, "success"),
        onFailure: (error) => noteOutcome(operation, error._tag)
      }),
      Effect.withSpan("Panda.attempt", { kind: "client", captureStackTrace: false })
    )

/** Tells the span which status was answered. */
export const noteStatus = ({ status }: { readonly status: number }): Effect.Effect<void> =>
  Effect.annotateCurrentSpan("http.response.status_code", status)

/** Counts a request by what came of it, and tells its span: `success`, or the tag of its error. */
export const noteOutcome = (operation: string, outcome: string): Effect.Effect<void> =>
  Effect.zipRight(
    outcome === "success" ? Effect.void : Effect.annotateCurrentSpan("error.type", outcome),
    Metric.increment(Metric.tagged(Metric.tagged(requests, "operation", operation), "outcome", outcome))
  )

/** Counts a failure after which it is tried again. */
export const countRetry = (operation: string): Effect.Effect<void> =>
  Metric.increment(Metric.tagged(retries, "operation", operation))

/** Logs and counts each time that a schedule, over an error that it gives back, lets something happen again. */
export const noted =
  (operation: string) =>
  <E extends { readonly message: string }, In, R>(schedule: Schedule.Schedule<E, In, R>): Schedule.Schedule<E, In, R> =>
    Schedule.onDecision(schedule, (error, decision) =>
      ScheduleDecision.isDone(decision)
        ? Effect.void
        : Effect.zipRight(
          Effect.logDebug(`Panda.${operation}: sending again`, error.message),
          countRetry(operation)
        ))

/** Logs and counts a failure after which it is not tried again for want of budget. */
export const noteOverBudget = (operation: string, error: { readonly message: string }): Effect.Effect<void> =>
  Effect.zipRight(
    Effect.logDebug(`Panda.${operation}: not sending again, the retry budget is used up`, error.message),
    Metric.increment(Metric.tagged(overBudget, "operation", operation))
  )
