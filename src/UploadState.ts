/**
 * What an unfinished upload needs to go on in another process: its session, its source's fingerprint, and how far the
 * server had got.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as creation from "./internal/model/creation.js"
import * as json from "./internal/model/json.js"
import { Video } from "./internal/model/video.js"
import { isLocation } from "./internal/upload/decision.js"

/**
 * What tells a source from another, and from itself after a change.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fingerprint extends Schema.Schema.Type<typeof Fingerprint> {}

/**
 * The fingerprint in JSON.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Fingerprint = Schema.Struct({
  /** Bytes. */
  size: Schema.NonNegativeInt,
  /** When the source was last modified; absent where sources have no such time. */
  modified: Schema.optional(Schema.DateTimeUtc),
  /** SHA-256 over the head and the tail of the source, in hex. */
  digest: Schema.String
})

/**
 * The parameters a session was created with; an expired session is created anew with the same.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/upload_api.md
 * @since 0.1.0
 * @category models
 */
export interface SessionOptions extends Schema.Schema.Type<typeof SessionOptions> {}

/**
 * The parameters in JSON, as Panda takes them.
 *
 * @since 0.1.0
 * @category schemas
 */
export const SessionOptions = Schema.Struct({
  /** Names or ids of the profiles to encode to. Without it, and without `use_all_profiles`, no encoding is made. */
  profiles: Schema.optional(creation.profiles),
  /** Encode to all profiles of the cloud. */
  use_all_profiles: Schema.optional(Schema.Boolean),
  path_format: Schema.optional(creation.pathFormat),
  payload: Schema.optional(creation.payload)
})

/**
 * Where the bytes go: whoever knows it can write to the session.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/upload_api.md
 * @since 0.1.0
 * @category schemas
 */
export const Location = Schema.Redacted(
  Schema.String.pipe(Schema.filter((text) => isLocation(text) || "is not an http URL"))
)

/**
 * What came of an upload that is done.
 *
 * @since 0.2.0
 * @category models
 */
export interface Finished extends Schema.Schema.Type<typeof Finished> {}

/**
 * The end of an upload in JSON.
 *
 * @since 0.2.0
 * @category schemas
 */
export const Finished = Schema.Struct({
  video: Video,
  at: Schema.DateTimeUtc,
  /** Until when the video is given instead of uploading again; absent until whoever uploaded has taken it. */
  until: Schema.optional(Schema.DateTimeUtc)
})

/**
 * The state of an upload. In memory the location is redacted, and so is the id, which is a part of it: whoever knows one
 * can write to the session. Encoded they are plain, so keep the encoded form where only its owner can read it.
 *
 * @since 0.1.0
 * @category models
 */
export interface UploadState extends Schema.Schema.Type<typeof UploadState> {}

/**
 * The encoded form is JSON and stable: a change to it comes with another `version`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const UploadState = Schema.Struct({
  version: Schema.Literal(1),
  /** The session's id, as Panda gave it: the secret of its location, and what the video is called once there is one. */
  id: Schema.Redacted(Schema.String),
  location: Location,
  /** The file name that Panda was told. */
  name: Schema.String,
  fingerprint: Fingerprint,
  /** Bytes that the server has acknowledged; the next byte to send. */
  acknowledged: Schema.NonNegativeInt,
  created: Schema.DateTimeUtc,
  options: SessionOptions,
  /** Present once there is a video: only an `UploadStore` keeps the state until that was taken. */
  finished: Schema.optional(Finished)
}).pipe(Schema.filter(({ acknowledged, fingerprint }) =>
  acknowledged <= fingerprint.size ||
  { path: ["acknowledged"], message: `is beyond the size, ${fingerprint.size}` }
))

/**
 * The state as JSON text, and back. The text contains the location; the error of one that cannot be read says where it is
 * wrong, and shows nothing of it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Json: Schema.Schema<UploadState, string> = json.parsed(UploadState).annotations({
  message: (issue) => {
    const { path } = json.firstIssue(issue)
    return { message: `is not the state of an upload${path.map((key) => `, ${key}`).join("")}`, override: true }
  }
})
