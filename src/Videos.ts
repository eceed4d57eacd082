/**
 * Videos: what was uploaded or fetched, before it is encoded (contract 5 and 6).
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import * as Encodings from "./Encodings.js"
import * as creation from "./internal/creation.js"
import * as paging from "./internal/paging.js"
import { Video } from "./internal/video.js"
import * as PandaClient from "./PandaClient.js"
import { path } from "./PandaClient.js"
import type { PandaError } from "./PandaError.js"

export {
  /**
   * A video. Attributes that Panda sends beyond the known ones are kept, and encoded again.
   *
   * @since 0.1.0
   * @category models
   */
  Video
}

/**
 * Which videos to list.
 *
 * @since 0.1.0
 * @category models
 */
export interface Filter extends Schema.Schema.Type<typeof Filter> {}

/**
 * @since 0.1.0
 * @category schemas
 */
export const Filter = Schema.Struct({
  ...paging.page,
  /** `success`, `fail` or `processing`. */
  status: Schema.optional(Schema.NonEmptyString)
})

/**
 * One page of videos, newest first.
 *
 * @since 0.1.0
 * @category operations
 */
export const list = (filter: Filter = {}): Effect.Effect<ReadonlyArray<Video>, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Videos.list",
    method: "GET",
    path: path`/videos.json`,
    params: filter,
    input: Filter,
    result: Schema.Array(Video)
  })

/**
 * All videos, a request for each page as it is pulled.
 *
 * @since 0.1.0
 * @category operations
 */
export const all = (filter: Filter = {}): Stream.Stream<Video, PandaError, PandaClient.PandaClient> =>
  paging.paginate(list, filter)

/**
 * @since 0.1.0
 * @category operations
 */
export const find = (id: string): Effect.Effect<Video, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({ name: "Videos.find", method: "GET", path: path`/videos/${id}.json`, result: Video })

/**
 * Where Panda fetches a video from, and what it makes of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Create extends Schema.Schema.Type<typeof Create> {}

/**
 * @since 0.1.0
 * @category schemas
 */
export const Create = Schema.Struct({
  source_url: Schema.NonEmptyString,
  /** Names or ids; without it Panda encodes to all profiles of the cloud, with `none` to none yet. */
  profiles: Schema.optional(creation.profiles),
  path_format: Schema.optional(creation.pathFormat),
  payload: Schema.optional(creation.payload)
})

/**
 * Makes Panda fetch a video. To send one, see `Upload`.
 *
 * @since 0.1.0
 * @category operations
 */
export const create = (params: Create): Effect.Effect<Video, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Videos.create",
    method: "POST",
    path: path`/videos.json`,
    params,
    input: Create,
    result: Video
  })

/**
 * The encodings of a video, one page.
 *
 * @since 0.1.0
 * @category operations
 */
export const encodings = (
  id: string,
  filter: Omit<Encodings.Filter, "video_id"> = {}
): Effect.Effect<ReadonlyArray<Encodings.Encoding>, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Videos.encodings",
    method: "GET",
    path: path`/videos/${id}/encodings.json`,
    params: filter,
    input: Encodings.Filter.omit("video_id"),
    result: Schema.Array(Encodings.Encoding)
  })

const del = (id: string): Effect.Effect<void, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Videos.delete",
    method: "DELETE",
    path: path`/videos/${id}.json`,
    result: PandaClient.Acknowledged
  })

export {
  /**
   * Deletes a video with its encodings and all their files.
   *
   * @since 0.1.0
   * @category operations
   */
  del as delete
}
