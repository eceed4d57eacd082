/** The workflow: what it is known by, and how its ids are made. */
import { sha256 } from "@noble/hashes/sha2.js"
import * as Workflow from "@effect/workflow/Workflow"
import * as Encoding from "effect/Encoding"
import * as Schema from "effect/Schema"
import { IngestError, Payload, Result } from "./model.js"

type Payload = typeof Payload.Type

/** As JSON, whose attributes have one order. */
export const attributes = (payload: Payload): ReadonlyArray<readonly [name: string, value: unknown]> =>
  Object.entries(Schema.encodeSync(Payload)(payload)).sort(([a], [b]) => a < b ? -1 : 1)

const keyOf = (payload: Payload): string => payload.key ?? JSON.stringify(attributes(payload))

export const workflow = Workflow.make({
  name: "Panda.Ingest",
  payload: Payload,
  success: Result,
  error: IngestError,
  idempotencyKey: keyOf
})
  // A defect is the engine's, whose database is away: it plays the execution again, which goes on where it was. What is
  // wrong with a step is an error of the step.
  .annotate(Workflow.CaptureDefects, false)

const ID = 32

/** The same that `workflow.executionId` gives, without a promise, which would not wait for a test's clock. */
export const idOf = (payload: Payload): string =>
  Encoding.encodeHex(sha256(new TextEncoder().encode(`${workflow.name}-${keyOf(payload)}`))).slice(0, ID)

/** An execution ends once: each attempt is one of its own. */
export const executionIdOf = (id: string, attempt: number): string => attempt === 1 ? id : `${id}-${attempt}`

/** Back again. */
export const ofExecution = (executionId: string): { readonly id: string; readonly attempt: number } => ({
  id: executionId.slice(0, ID),
  attempt: Number(executionId.slice(ID + 1) || 1)
})
