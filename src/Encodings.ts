/**
 * Encodings: what profiles make of a video (contract 5 and 6).
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as paging from "./internal/paging.js"
import * as storage from "./internal/storage.js"
import type { UrlOptions } from "./internal/storage.js"
import { Video } from "./internal/video.js"
import * as wire from "./internal/wire.js"
import * as PandaClient from "./PandaClient.js"
import { path } from "./PandaClient.js"
import type { PandaError } from "./PandaError.js"

/**
 * An encoding. Attributes that Panda sends beyond these are kept, and encoded again.
 *
 * @since 0.1.0
 * @category models
 */
export interface Encoding extends Schema.Schema.Type<typeof Encoding> {}

/**
 * @since 0.1.0
 * @category schemas
 */
export const Encoding = wire.entity("Encoding", {
  ...wire.media,
  id: wire.id,
  video_id: wire.text,
  profile_id: wire.text,
  profile_name: wire.text,
  /** `success`, `fail` or `processing`. */
  status: wire.text,
  /** Keys in the storage; empty while processing. */
  files: wire.texts,
  /** Percent; an encoding that is done may say 99. */
  encoding_progress: wire.number,
  /** Seconds. */
  encoding_time: wire.number,
  started_encoding_at: wire.timestamp,
  external_id: wire.text,
  parent_encoding_id: wire.text
})

/**
 * Which encodings to list.
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
  status: Schema.optional(Schema.NonEmptyString),
  profile_id: Schema.optional(Schema.NonEmptyString),
  profile_name: Schema.optional(Schema.NonEmptyString),
  video_id: Schema.optional(Schema.NonEmptyString)
})

/**
 * One page of encodings, newest first.
 *
 * @since 0.1.0
 * @category operations
 */
export const list = (
  filter: Filter = {}
): Effect.Effect<ReadonlyArray<Encoding>, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Encodings.list",
    method: "GET",
    path: path`/encodings.json`,
    params: filter,
    input: Filter,
    result: Schema.Array(Encoding)
  })

/**
 * All encodings, a request for each page as it is pulled.
 *
 * @since 0.1.0
 * @category operations
 */
export const all = (filter: Filter = {}): Stream.Stream<Encoding, PandaError, PandaClient.PandaClient> =>
  paging.paginate(list, filter)

/**
 * @since 0.1.0
 * @category operations
 */
export const find = (id: string): Effect.Effect<Encoding, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Encodings.find",
    method: "GET",
    path: path`/encodings/${id}.json`,
    result: Encoding
  })

/**
 * What to encode, and how: the profile by its id or by its name, not both.
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
  video_id: Schema.NonEmptyString,
  profile_id: Schema.optional(Schema.NonEmptyString),
  profile_name: Schema.optional(Schema.NonEmptyString)
}).pipe(
  Schema.filter(({ profile_id, profile_name }) =>
    (profile_id === undefined) !== (profile_name === undefined) || "pass either profile_id or profile_name"
  )
)

/**
 * Begins to encode a video with a profile.
 *
 * @since 0.1.0
 * @category operations
 */
export const create = (params: Create): Effect.Effect<Encoding, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Encodings.create",
    method: "POST",
    path: path`/encodings.json`,
    params,
    input: Create,
    result: Encoding
  })

const del = (id: string): Effect.Effect<void, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Encodings.delete",
    method: "DELETE",
    path: path`/encodings/${id}.json`,
    result: PandaClient.Acknowledged
  })

export {
  /**
   * Deletes an encoding with its files.
   *
   * @since 0.1.0
   * @category operations
   */
  del as delete
}

/**
 * Where the main file of an encoding is, once there is one. The cloud is that of the encoding, see `Clouds.current`.
 * Files of a cloud with `s3_private_access` are there too, but not for everyone.
 *
 * @since 0.1.0
 * @category urls
 */
export const url = (
  { extname = "", files = [], path }: Encoding,
  cloud: { readonly url?: string | undefined },
  options?: UrlOptions
): Option.Option<string> =>
  path !== undefined && files.includes(`${path}${extname}`)
    ? storage.url(cloud, `${path}${extname}`, options)
    : Option.none()

/**
 * Where all files of an encoding are: the segments of a stream, thumbnails.
 *
 * @since 0.1.0
 * @category urls
 */
export const urls = (
  { files = [] }: Encoding,
  cloud: { readonly url?: string | undefined },
  options?: UrlOptions
): ReadonlyArray<string> => Arr.getSomes(files.map((file) => storage.url(cloud, file, options)))

/**
 * Whether Panda still has to work on it.
 *
 * @since 0.1.0
 * @category guards
 */
export const isProcessing = (encoding: Encoding): boolean => encoding.status === "processing"

/**
 * How often to look, by default: after a second, then ever less often, at last every 15 seconds.
 *
 * @since 0.1.0
 * @category waiting
 */
export const defaultPolling: Schedule.Schedule<unknown> = Schedule.exponential("1 second", 1.5).pipe(
  Schedule.union(Schedule.spaced("15 seconds"))
)

/**
 * The encodings of a video, again whenever one of them has changed, until none is processing. Ends early if the
 * schedule does.
 *
 * @since 0.1.0
 * @category waiting
 */
export const watchVideo = (
  videoId: string,
  options?: { readonly schedule?: Schedule.Schedule<unknown> }
): Stream.Stream<ReadonlyArray<Encoding>, PandaError, PandaClient.PandaClient> =>
  Stream.repeatEffectWithSchedule(look(videoId), options?.schedule ?? defaultPolling).pipe(
    Stream.takeUntil(({ done }) => done),
    Stream.map(({ encodings }) => encodings),
    Stream.changesWith(sameProgress)
  )

/** No encodings yet means done only if the video's source is there: they are made from it. */
const look = (videoId: string) =>
  Effect.gen(function*() {
    const encodings = Array.from(yield* Stream.runCollect(all({ video_id: videoId })))
    if (encodings.length > 0) return { encodings, done: !encodings.some(isProcessing) }
    const video = yield* PandaClient.request({
      name: "Encodings.watchVideo",
      method: "GET",
      path: path`/videos/${videoId}.json`,
      result: Video
    })
    return { encodings, done: video.status !== "processing" }
  })

const sameProgress = (before: ReadonlyArray<Encoding>, after: ReadonlyArray<Encoding>): boolean =>
  JSON.stringify(before.map(progressOf)) === JSON.stringify(after.map(progressOf))

const progressOf = ({ encoding_progress, id, status }: Encoding) => [id, status, encoding_progress]

/**
 * Waits until no encoding of a video is processing, and gives them all. A failed encoding is a value, with its
 * `error_class` and `error_message`.
 *
 * @since 0.1.0
 * @category waiting
 */
export const awaitVideo = (
  videoId: string,
  options?: { readonly schedule?: Schedule.Schedule<unknown> }
): Effect.Effect<ReadonlyArray<Encoding>, PandaError, PandaClient.PandaClient> =>
  Effect.map(Stream.runLast(watchVideo(videoId, options)), Option.getOrElse(() => []))
