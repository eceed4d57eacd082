/** What an upload tells: apart from its room, because the transfer tells it and the room shows it. */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type { UploadError } from "../../PandaError.js"
import type { UploadState } from "../../UploadState.js"
import type { Video } from "../model/video.js"

/**
 * What happens in an upload. `Started` or `Resumed` comes first, but for a `Waiting` and for each `Retrying` of a session
 * that cannot be opened, and `Uploaded` last.
 *
 * @since 0.1.0
 * @category models
 */
export type UploadEvent = Data.TaggedEnum<{
  /** Another has the same upload under way, or died over it: it is waited for. Only `startOrResume` does. */
  Waiting: {}
  /** A session is open, and nothing sent yet. */
  Started: { readonly state: UploadState }
  /** An earlier upload goes on from its state; the server has not been asked yet. */
  Resumed: { readonly state: UploadState }
  /** Bytes the server has acknowledged, and those sent. */
  Progress: Progress
  /** A failure; after the delay the server is asked how far it is, or for a session if there is none. */
  Retrying: { readonly error: UploadError; readonly attempt: number; readonly delay: Duration.Duration }
  /** The session has another location now. */
  Moved: { readonly state: UploadState }
  /**
   * Bytes that were acknowledged have to be sent again: the session had expired, the source had changed, or the server
   * went back.
   */
  Restarted: { readonly reason: "Expired" | "Changed" | "Rewound"; readonly state: UploadState }
  /** Panda has the file and made a video of it. */
  Uploaded: { readonly video: Video }
}>

/**
 * How far an upload is. `acknowledged` reaches `size` only with the video.
 *
 * @since 0.1.0
 * @category models
 */
export interface Progress {
  /** Bytes that the server has. */
  readonly acknowledged: number
  /** Bytes that have left us at least once. */
  readonly sent: number
  readonly size: number
  /** Over the last seconds of sending, without the waiting; undefined before there is a measure. */
  readonly bytesPerSecond: number | undefined
  /** What is left at this speed. */
  readonly eta: Duration.Duration | undefined
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const UploadEvent: Data.TaggedEnum.Constructor<UploadEvent> = Data.taggedEnum<UploadEvent>()
