/** What `--json` writes: one of these a line, and a `result` or an `error` last. */
import * as Duration from "effect/Duration"
import * as JSONSchema from "effect/JSONSchema"
import * as Schema from "effect/Schema"
import type * as Upload from "../Upload.js"
import * as Videos from "../Videos.js"
import { isTagged } from "./exit.js"

const file = Schema.String.annotations({ description: "The file, as it was named on the command line" })
const bytes = Schema.NonNegativeInt
const optional = Schema.optional
const entity = Schema.Record({ key: Schema.String, value: Schema.Unknown }).annotations({
  description: "With Panda's own attributes"
})

const Failure = Schema.Struct({
  tag: Schema.String.annotations({ description: "Such as PandaNotFound; see the README's table of errors" }),
  message: Schema.String
}, { key: Schema.String, value: Schema.Unknown }).annotations({ description: "With the fields that the error has" })

const event = <Type extends string, Fields extends Schema.Struct.Fields>(
  type: Type,
  description: string,
  fields: Fields
) => Schema.Struct({ type: Schema.Literal(type), ...fields }).annotations({ identifier: type, description })

export type Event = typeof Event.Type
export const Event = Schema.Union(
  event("started", "An upload has begun", { file, size: bytes }),
  event("resumed", "An earlier upload goes on at the byte that the server has", {
    file,
    size: bytes,
    acknowledged: bytes
  }),
  event("progress", "At most ten times a second for each file", {
    file,
    size: bytes,
    acknowledged: bytes.annotations({ description: "Bytes that the server has" }),
    sent: bytes,
    bytesPerSecond: optional(Schema.Number),
    secondsLeft: optional(Schema.Number)
  }),
  event("retrying", "A failure; the server is asked again after so many seconds", {
    file,
    failure: Schema.Int.annotations({ description: "Counted from 1, over the whole upload" }),
    seconds: Schema.Number,
    error: Failure
  }),
  event("restarted", "Bytes have to be sent again", { file, acknowledged: bytes, reason: Schema.String }),
  event("notice", "Something else that is worth knowing", { file, message: Schema.String }),
  event("uploaded", "Panda has the file", { file, video: entity }),
  event("encoding", "The encodings of a video, whenever one of them has changed", {
    file: optional(file),
    encodings: Schema.Array(entity)
  }),
  event("failed", "One of the files failed", { file, error: Failure }),
  event("item", "A row of a list", { item: entity }),
  event("result", "The last line of a command that is done", { value: Schema.Unknown }),
  event("error", "The last line of a command that is not", {
    exit: Schema.Int.annotations({ description: "The exit code" }),
    error: Failure
  })
).annotations({ identifier: "Event" })

export const schema = () => JSONSchema.make(Event)

/** How an error is written: what it tells, and nothing that would let others go on with an upload. */
export const failure = (error: unknown): typeof Failure.Type => {
  const message = error instanceof Error ? error.message : String(error)
  if (!isTagged(error)) return { tag: "Defect", message }
  const fields = Object.entries(error).flatMap(([name, value]): ReadonlyArray<[string, unknown]> =>
    HIDDEN.has(name) || value === undefined
      ? []
      : Duration.isDuration(value)
      ? [[name, Duration.toSeconds(value)]]
      : typeof value === "object" && !Array.isArray(value)
      ? []
      : [[name, value]]
  )
  return { ...Object.fromEntries(fields), tag: error._tag, message }
}

/** Those of JavaScript, and the state of an upload, which says where to write to. */
const HIDDEN = new Set(["_tag", "name", "stack", "cause", "state", "message", "code"])

const finite = (count: number | undefined) => count !== undefined && Number.isFinite(count) ? count : undefined

/** An event of an upload. */
export const ofUpload = (file: string, failures: number, event: Upload.UploadEvent, words: string): Event => {
  switch (event._tag) {
    case "Started":
      return { type: "started", file, size: event.state.fingerprint.size }
    case "Resumed":
      return {
        type: "resumed",
        file,
        size: event.state.fingerprint.size,
        acknowledged: event.state.acknowledged
      }
    case "Progress":
      return {
        type: "progress",
        file,
        size: event.size,
        acknowledged: event.acknowledged,
        sent: event.sent,
        bytesPerSecond: finite(event.bytesPerSecond),
        secondsLeft: finite(event.eta === undefined ? undefined : Duration.toSeconds(event.eta))
      }
    case "Retrying":
      return {
        type: "retrying",
        file,
        failure: failures,
        seconds: Duration.toSeconds(event.delay),
        error: failure(event.error)
      }
    case "Restarted":
      return { type: "restarted", file, acknowledged: event.state.acknowledged, reason: event.reason }
    case "Uploaded":
      return { type: "uploaded", file, video: wire(event.video) }
    default:
      return { type: "notice", file, message: words }
  }
}

/** An entity as Panda writes it. */
const wire = (video: Parameters<typeof Videos.toJson>[0]) => JSON.parse(Videos.toJson(video)) as typeof entity.Type
