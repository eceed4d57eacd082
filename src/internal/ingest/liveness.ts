/** Whether somebody works on what is there to be done. */
import type { WorkflowEngine } from "@effect/workflow/WorkflowEngine"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import type { Due, Journal } from "./journal.js"
import type { PandaIngestUnavailable } from "./model.js"
import { executionIdOf, workflow } from "./workflow.js"

const overdueCount = Metric.gauge("panda_ingest_overdue", {
  description: "Ingestions that somebody should have gone on with, 100 at most"
})
const overdueSeconds = Metric.gauge("panda_ingest_overdue_seconds", {
  description: "Since when the longest of them should have gone on"
})

/** What should have gone on longer ago, the longest first. */
export const overdue = (
  journal: Journal.Service,
  after: Duration.DurationInput
): Effect.Effect<ReadonlyArray<Due>, PandaIngestUnavailable> =>
  Effect.zipWith(
    journal.due,
    Clock.currentTimeMillis,
    (due, now) => due.filter(({ since }) => since + Duration.toMillis(after) <= now)
  )

/**
 * Looks again and again. What is not worked on is told in log and metric, and begun again: the engine takes work that it
 * has for what it is, so this does no harm to one that is only slow.
 */
export const checking = (
  journal: Journal.Service,
  engine: WorkflowEngine["Type"],
  { after, every }: { readonly after: Duration.DurationInput; readonly every: Duration.DurationInput }
): Effect.Effect<void> =>
  Effect.gen(function*() {
    const late = yield* overdue(journal, after)
    const now = yield* Clock.currentTimeMillis
    const seconds = Math.round(Math.max(0, ...late.map(({ since }) => now - since)) / 1000)
    yield* Metric.set(overdueCount, late.length)
    yield* Metric.set(overdueSeconds, seconds)
    if (late.length === 0) return
    yield* Effect.logWarning(
      `Panda.Ingest: ${late.length} ingestions wait for a process to go on with them, one for ${seconds} s. ` +
        "Check that enough processes run; restart one that takes no work"
    )
    for (const { execution: { attempt, id, payload } } of late) {
      const executionId = executionIdOf(id, attempt)
      yield* engine.execute(workflow, { executionId, payload, discard: true })
      yield* engine.resume(workflow, executionId)
    }
  }).pipe(
    Effect.catchAllCause((cause) => Effect.logWarning("Panda.Ingest: could not look for what is not worked on", cause)),
    Effect.schedule(Schedule.spaced(every)),
    Effect.asVoid,
    Effect.withTracerEnabled(false)
  )
