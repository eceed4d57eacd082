/**
 * Videos: what was uploaded or fetched, before it is encoded.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_videos.md
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Encodings from "./Encodings.js"
import * as creation from "./internal/model/creation.js"
import * as entity from "./internal/model/entity.js"
import * as multipart from "./internal/http/multipart.js"
import * as paging from "./internal/model/paging.js"
import * as storage from "./internal/model/storage.js"
import { Video } from "./internal/model/video.js"
import * as wire from "./internal/model/wire.js"
import * as PandaClient from "./PandaClient.js"
import { path } from "./PandaClient.js"
import type { PandaError, PandaSourceError } from "./PandaError.js"
import type * as UploadSource from "./UploadSource.js"

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
 * `Filter` as it is checked before it is sent: pages from 1, at most 100 on a page.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_videos.md
 * @since 0.1.0
 * @category schemas
 */
export const Filter = Schema.Struct({
  ...paging.page,
  /** `success`, `fail` or `processing`. */
  status: Schema.optional(wire.Status.pipe(Schema.nonEmptyString()))
})

/**
 * One page of videos, newest first.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_videos.md
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
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_videos.md
 * @example
 * import { Stream } from "effect"
 * import { Videos } from "effect-panda"
 *
 * const bytes = Videos.all({ status: "success" }).pipe(
 *   Stream.runFold(0, (sum, { file_size = 0 }) => sum + file_size)
 * )
 *
 * @since 0.1.0
 * @category operations
 */
export const all = (filter: Filter = {}): Stream.Stream<Video, PandaError, PandaClient.PandaClient> =>
  paging.paginate(list, filter)

/**
 * A video by its id. `PandaNotFound` if the cloud has none with that id.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_videos.md
 * @since 0.1.0
 * @category operations
 */
export const find = (id: string): Effect.Effect<Video, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({ name: "Videos.find", method: "GET", path: path`/videos/${id}.json`, result: Video })

/**
 * One page of videos, and how many there are in all (`include_root`).
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_videos.md
 * @since 0.1.0
 * @category models
 */
export interface Page extends Schema.Schema.Type<typeof Page> {}

/**
 * A page as Panda's JSON has it.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_videos.md
 * @since 0.1.0
 * @category schemas
 */
export const Page = wire.entity("Page", {
  videos: Schema.Array(Video),
  /** How many the filter lets through. */
  total: wire.numeric
}, {
  page: wire.number,
  per_page: wire.number
})

/**
 * One page of videos, newest first, with the number of all that the filter lets through.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_videos.md
 * @since 0.1.0
 * @category operations
 */
export const listWithTotal = (filter: Filter = {}): Effect.Effect<Page, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Videos.listWithTotal",
    method: "GET",
    path: path`/videos.json`,
    params: { ...filter, include_root: true as const },
    input: Schema.Struct({ ...Filter.fields, include_root: Schema.Literal(true) }),
    result: Page
  })

/**
 * The newest video that the filter lets through, if there is one.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_videos.md
 * @since 0.1.0
 * @category operations
 */
export const first = (
  filter: Filter = {}
): Effect.Effect<Option.Option<Video>, PandaError, PandaClient.PandaClient> => entity.first(list, filter)

/**
 * All videos for which the predicate holds. Panda does not know it, so all are fetched.
 *
 * @since 0.1.0
 * @category operations
 */
export const where = (
  predicate: Predicate.Predicate<Video>,
  filter: Filter = {}
): Stream.Stream<Video, PandaError, PandaClient.PandaClient> => Stream.filter(all(filter), predicate)

/**
 * The video as it is now.
 *
 * @since 0.1.0
 * @category operations
 */
export const reload = (video: Video): Effect.Effect<Video, PandaError, PandaClient.PandaClient> => find(video.id)

const settings = {
  /** Names or ids; without it Panda encodes to all profiles of the cloud, with `none` to none yet. */
  profiles: Schema.optional(creation.profiles),
  path_format: Schema.optional(creation.pathFormat),
  payload: Schema.optional(creation.payload),
  /** Which encodings are made from the output of which: names of profiles, nested. */
  pipeline: Schema.optional(creation.pipeline)
}

/**
 * Where Panda fetches a video from, and what it makes of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface CreateFromUrl extends Schema.Schema.Type<typeof CreateFromUrl> {
  readonly file?: undefined
}

/**
 * `CreateFromUrl` as it is checked before it is sent.
 *
 * @since 0.1.0
 * @category schemas
 */
export const CreateFromUrl = Schema.Struct({
  ...settings,
  source_url: Schema.NonEmptyString,
  file: Schema.optional(creation.absent("either source_url or file"))
})

/**
 * The file that is sent, and what Panda makes of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface CreateFromFile extends Schema.Schema.Type<typeof CreateFromFile> {
  readonly file: UploadSource.Any
}

/**
 * `CreateFromFile` as it is checked before it is sent.
 *
 * @since 0.1.0
 * @category schemas
 */
export const CreateFromFile = Schema.Struct({
  ...settings,
  source_url: Schema.optional(creation.absent("either source_url or file"))
})

/**
 * Makes Panda fetch a video from an URL, or sends it one in a single request. For files worth resuming, see `Upload`.
 *
 * The request is sent again only if it surely did not reach Panda. A file is not held in memory, but over fetch it is,
 * unless it is made from a `Blob`; its attempts may take longer by a second for each 16 KiB. One that is empty or cannot
 * be read fails with `PandaSourceError` before anything is sent. One that fails on the way ends the request.
 *
 * @since 0.1.0
 * @category operations
 */
export function create(params: CreateFromUrl): Effect.Effect<Video, PandaError, PandaClient.PandaClient>
export function create(
  params: CreateFromFile
): Effect.Effect<Video, PandaError | PandaSourceError, PandaClient.PandaClient>
export function create(
  params: CreateFromUrl | CreateFromFile
): Effect.Effect<Video, PandaError | PandaSourceError, PandaClient.PandaClient> {
  const operation = { name: "Videos.create", method: "POST", path: path`/videos.json`, result: Video } as const
  if (params.file === undefined) return PandaClient.request({ ...operation, params, input: CreateFromUrl })
  const { file, ...rest } = params
  return multipart.sending(
    file,
    (file) => PandaClient.request({ ...operation, params: rest, input: CreateFromFile, file })
  )
}

/**
 * The encodings of a video, one page, newest first.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_videos.md
 * @since 0.1.0
 * @category operations
 */
export const encodings = (
  video: entity.Ref,
  filter: Omit<Encodings.Filter, "video_id"> = {}
): Effect.Effect<ReadonlyArray<Encodings.Encoding>, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Videos.encodings",
    method: "GET",
    path: path`/videos/${entity.idOf(video)}/encodings.json`,
    params: filter,
    input: Encodings.Filter.omit("video_id"),
    result: Schema.Array(Encodings.Encoding)
  })

/**
 * What Panda found out about the source of a video: an open record, such as `{ image_height: 240, duration: "19.35 s" }`.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_videos.md
 * @since 0.1.0
 * @category operations
 */
export const metadata = (
  video: entity.Ref
): Effect.Effect<{ readonly [name: string]: unknown }, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Videos.metadata",
    method: "GET",
    path: path`/videos/${entity.idOf(video)}/metadata.json`,
    result: Schema.Record({ key: Schema.String, value: Schema.Unknown }),
    open: true
  })

/**
 * Deletes the source of a video from the storage. The video and its encodings stay.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_videos.md
 * @since 0.1.0
 * @category operations
 */
export const deleteSource = (video: entity.Ref): Effect.Effect<void, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Videos.deleteSource",
    method: "DELETE",
    path: path`/videos/${entity.idOf(video)}/source.json`,
    result: PandaClient.Acknowledged
  })

const del = (video: entity.Ref): Effect.Effect<void, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Videos.delete",
    method: "DELETE",
    path: path`/videos/${entity.idOf(video)}.json`,
    result: PandaClient.Acknowledged
  })

export {
  /**
   * Deletes a video with its encodings and all their files.
   *
   * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_videos.md
   * @since 0.1.0
   * @category operations
   */
  del as delete
}

/**
 * Whether Panda has the source.
 *
 * @since 0.1.0
 * @category guards
 */
export const isSuccess = (video: Video): boolean => video.status === "success"

/**
 * Whether Panda could not get or read the source; `error_class` and `error_message` say why.
 *
 * @since 0.1.0
 * @category guards
 */
export const isFail = (video: Video): boolean => video.status === "fail"

/**
 * Whether Panda is still getting the source.
 *
 * @since 0.1.0
 * @category guards
 */
export const isProcessing = (video: Video): boolean => video.status === "processing"

/**
 * Where the source of a video is, once Panda has it. The cloud is that of the video, see `Clouds.current`.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_videos.md
 * @since 0.1.0
 * @category urls
 */
export const url = (video: Video, cloud: storage.Base, options?: storage.UrlOptions): Option.Option<string> =>
  isSuccess(video) && video.path !== undefined
    ? storage.url(cloud, `${video.path}${video.extname ?? ""}`, options)
    : Option.none()

/**
 * Where the first screenshot of a video is, once Panda has the source.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_videos.md
 * @since 0.1.0
 * @category urls
 */
export const previewUrl = (video: Video, cloud: storage.Base, options?: storage.UrlOptions): Option.Option<string> =>
  isSuccess(video) && video.path !== undefined ? storage.url(cloud, `${video.path}_1.jpg`, options) : Option.none()

/**
 * The video as Panda writes it, with all its attributes.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toJson: (video: Video, indent?: number) => string = entity.toJson(Video)

/**
 * The video without its id.
 *
 * @since 0.1.0
 * @category conversions
 */
export const dup: (video: Video) => Omit<Video, "id"> = entity.dup

/**
 * The attributes of a video that could not be read as what they should be, by their names: each is `undefined` in the
 * video, is here as it was received, and goes back so by `toJson`, unless it was given another value.
 *
 * @since 0.2.0
 * @category conversions
 */
export const unreadable: (video: Video) => { readonly [attribute: string]: unknown } = wire.unreadable
