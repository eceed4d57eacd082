/** What is said of an ingestion: apart from its room, because the journal and the workflow say it and the room shows it. */
import * as Schema from "effect/Schema"
import { Encoding } from "../../Encodings.js"
import { excerpt } from "../text/excerpt.js"
import { SessionOptions } from "../../UploadState.js"
import * as creation from "../model/creation.js"
import { Video } from "../model/video.js"

export const Payload = Schema.Struct({
  version: Schema.optionalWith(Schema.Literal(1), { default: () => 1 as const }),
  /** What to ingest: text that `Sources` makes an `UploadSource` of, in whatever process. */
  source: Schema.NonEmptyString,
  /** The file name that Panda is told, instead of the source's own. */
  name: Schema.optional(Schema.NonEmptyString),
  /** What makes it the same ingestion; by default the source with all that is said here. */
  key: Schema.optional(Schema.NonEmptyString),
  ...SessionOptions.fields,
  /** Profiles, each with what is made from its output. Goes in one request that cannot be resumed, see `layer`. */
  pipeline: Schema.optional(creation.pipeline)
})

export const Result = Schema.Struct({
  version: Schema.optionalWith(Schema.Literal(1), { default: () => 1 as const }),
  video: Video,
  encodings: Schema.Array(Encoding)
})

/**
 * An ingestion failed, and all that it may try has been tried.
 *
 * @since 0.2.0
 * @category errors
 */
export class PandaIngestFailed extends Schema.TaggedError<PandaIngestFailed>("effect-panda/PandaIngestFailed")(
  "PandaIngestFailed",
  {
    /** As it was submitted; where it is an URL, without it. */
    source: Schema.String,
    step: Schema.Literal("upload", "encode", "deliver"),
    /** The tag of what it failed with, such as `PandaSourceError`. */
    failure: Schema.String,
    /** The message of that. */
    description: Schema.String,
    /** Whether trying again later can help. */
    isRetryable: Schema.Boolean
  }
) {
  override get message(): string {
    return `Ingest: ${this.source} failed to ${this.step}: ${this.description}. Then Ingest.retry`
  }
}

/**
 * An ingestion was cancelled.
 *
 * @since 0.2.0
 * @category errors
 */
export class PandaIngestCancelled
  extends Schema.TaggedError<PandaIngestCancelled>("effect-panda/PandaIngestCancelled")("PandaIngestCancelled", {
    source: Schema.String
  })
{
  /**
   * Whether trying again later can help.
   *
   * @since 0.2.0
   */
  readonly isRetryable: boolean = false
  override get message(): string {
    return `Ingest: ${this.source} was cancelled. Ingest.retry begins it again`
  }
}

/**
 * The journal cannot be read or written: its database is away.
 *
 * @since 0.2.0
 * @category errors
 */
export class PandaIngestUnavailable
  extends Schema.TaggedError<PandaIngestUnavailable>("effect-panda/PandaIngestUnavailable")("PandaIngestUnavailable", {
    operation: Schema.String,
    /** What the database's client says. */
    description: Schema.String
  })
{
  /**
   * Whether trying again later can help.
   *
   * @since 0.2.0
   */
  readonly isRetryable: boolean = true
  override get message(): string {
    return `${this.operation}: the database does not answer (${this.description}). Check that it runs, and where`
  }
}

/**
 * An operation makes no sense: the payload is not one, its key belongs to another, there is no such ingestion, or it has
 * not failed.
 *
 * @since 0.2.0
 * @category errors
 */
export class PandaIngestRefused
  extends Schema.TaggedError<PandaIngestRefused>("effect-panda/PandaIngestRefused")("PandaIngestRefused", {
    operation: Schema.String,
    reason: Schema.Literal("InvalidPayload", "KeyReused", "Unknown", "NotFailed"),
    /** What of the payload is wrong or differs; the id that is not known. */
    subject: Schema.String
  })
{
  /**
   * Whether trying again later can help.
   *
   * @since 0.2.0
   */
  readonly isRetryable: boolean = false
  override get message(): string {
    const words = {
      InvalidPayload: `the payload is not valid: ${this.subject}. Correct it`,
      KeyReused:
        `the key belongs to an ingestion with other settings: ${this.subject} differs. Choose another key, or none`,
      Unknown: `there is no ingestion ${this.subject}. Submit it, or look with Ingest.list`,
      NotFailed: `ingestion ${this.subject} has not failed. Wait for its end, or cancel it`
    }
    return `${this.operation}: ${words[this.reason]}`
  }
}

export const IngestError = Schema.Union(PandaIngestFailed, PandaIngestCancelled)
export type IngestError = typeof IngestError.Type

/** What fails a step, in words that can be kept: errors of uploads have the location of the session in them. */
export const failed = (
  step: PandaIngestFailed["step"],
  source: string,
  cause: { readonly _tag?: unknown; readonly message?: unknown; readonly isRetryable?: unknown },
  isRetryable = cause.isRetryable === true
) =>
  new PandaIngestFailed({
    source: excerpt(source),
    step,
    failure: typeof cause._tag === "string" ? cause._tag : "Error",
    description: typeof cause.message === "string" ? excerpt(cause.message) : "it does not say why. Look at the log",
    isRetryable
  })

export const cancelled = (source: string) => new PandaIngestCancelled({ source: excerpt(source) })

const video = { video: Schema.String }

export const Status = Schema.Union(
  Schema.TaggedStruct("Queued", {}),
  Schema.TaggedStruct("Uploading", { acknowledged: Schema.NonNegativeInt, size: Schema.NonNegativeInt }),
  Schema.TaggedStruct("Encoding", { ...video, percent: Schema.Number }),
  Schema.TaggedStruct("Delivering", video),
  Schema.TaggedStruct("Done", video),
  Schema.TaggedStruct("Failed", { error: IngestError })
)
export type Status = typeof Status.Type

export const isEnd = (status: Status): boolean => status._tag === "Done" || status._tag === "Failed"

export const Execution = Schema.Struct({
  id: Schema.String,
  payload: Payload,
  /** Counts from 1; each `retry` begins another. */
  attempt: Schema.Int,
  status: Status,
  /** The video, once there is one, whatever became of it. */
  video: Schema.optional(Schema.String),
  created: Schema.DateTimeUtc,
  updated: Schema.DateTimeUtc
})
