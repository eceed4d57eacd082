/** The model of a video: apart from its room, because encodings lead back to their video. */
import type * as Schema from "effect/Schema"
import * as wire from "./wire.js"

/**
 * A video. Attributes that Panda sends beyond these are kept, and encoded again.
 *
 * @since 0.1.0
 * @category models
 */
export interface Video extends wire.Media, Schema.Schema.Type<typeof Video> {}

/**
 * @since 0.1.0
 * @category schemas
 */
export const Video = wire.entity("Video", { id: wire.id }, {
  ...wire.media,
  /** `success`, `fail` or `processing`: about getting hold of the source, not about its encodings. */
  status: wire.status,
  original_filename: wire.text,
  /** Where Panda fetched it from. */
  source_url: wire.url,
  /** What was passed when it was created. */
  payload: wire.text
})
