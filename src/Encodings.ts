/**
 * Encodings: what profiles make of a video.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_encodings.md
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import type * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as entity from "./internal/model/entity.js"
import * as paging from "./internal/model/paging.js"
import { Profile } from "./internal/model/profile.js"
import * as storage from "./internal/model/storage.js"
import { Video } from "./internal/model/video.js"
import * as wire from "./internal/model/wire.js"
import * as PandaClient from "./PandaClient.js"
import { path } from "./PandaClient.js"
import { PandaEncodingFailed, type PandaError, PandaStillProcessing } from "./PandaError.js"

/**
 * An encoding. Attributes that Panda sends beyond these are kept, and encoded again.
 *
 * @since 0.1.0
 * @category models
 */
export interface Encoding extends wire.Media, Schema.Schema.Type<typeof Encoding> {}

/**
 * An encoding as Panda's JSON has it.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_encodings.md
 * @since 0.1.0
 * @category schemas
 */
export const Encoding = wire.entity("Encoding", { id: wire.id }, {
  ...wire.media,
  video_id: wire.text,
  profile_id: wire.text,
  profile_name: wire.text,
  /** `success`, `fail` or `processing`. */
  status: wire.status,
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
 * `Filter` as it is checked before it is sent: pages from 1, at most 100 on a page.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_encodings.md
 * @since 0.1.0
 * @category schemas
 */
export const Filter = Schema.Struct({
  ...paging.page,
  /** `success`, `fail` or `processing`. */
  status: Schema.optional(wire.Status.pipe(Schema.nonEmptyString())),
  profile_id: Schema.optional(Schema.NonEmptyString),
  profile_name: Schema.optional(Schema.NonEmptyString),
  video_id: Schema.optional(Schema.NonEmptyString)
})

/**
 * One page of encodings, newest first.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_encodings.md
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
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_encodings.md
 * @since 0.1.0
 * @category operations
 */
export const all = (filter: Filter = {}): Stream.Stream<Encoding, PandaError, PandaClient.PandaClient> =>
  paging.paginate(list, filter)

/**
 * An encoding by its id. `PandaNotFound` if the cloud has none with that id.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_encodings.md
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
 * `Create` as it is checked before it is sent.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_encodings.md
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
 * Begins to encode a video with a profile. `PandaNotFound` if there is no such video or profile.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_encodings.md
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

const del = (encoding: entity.Ref): Effect.Effect<void, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Encodings.delete",
    method: "DELETE",
    path: path`/encodings/${entity.idOf(encoding)}.json`,
    result: PandaClient.Acknowledged
  })

export {
  /**
   * Deletes an encoding with its files.
   *
   * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_encodings.md
   * @since 0.1.0
   * @category operations
   */
  del as delete
}

/**
 * Stops an encoding that is processing: it fails.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_encodings.md
 * @since 0.1.0
 * @category operations
 */
export const cancel = (encoding: entity.Ref): Effect.Effect<void, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Encodings.cancel",
    method: "POST",
    path: path`/encodings/${entity.idOf(encoding)}/cancel.json`,
    result: PandaClient.Acknowledged
  })

/**
 * Encodes again what has failed. `PandaRejected` if it has not.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_encodings.md
 * @since 0.1.0
 * @category operations
 */
export const retry = (encoding: entity.Ref): Effect.Effect<void, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Encodings.retry",
    method: "POST",
    path: path`/encodings/${entity.idOf(encoding)}/retry.json`,
    result: PandaClient.Acknowledged
  })

/**
 * The newest encoding that the filter lets through, if there is one.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_encodings.md
 * @since 0.1.0
 * @category operations
 */
export const first = (
  filter: Filter = {}
): Effect.Effect<Option.Option<Encoding>, PandaError, PandaClient.PandaClient> => entity.first(list, filter)

/**
 * All encodings for which the predicate holds. Panda does not know it, so all that the filter lets through are fetched.
 *
 * @since 0.1.0
 * @category operations
 */
export const where = (
  predicate: Predicate.Predicate<Encoding>,
  filter: Filter = {}
): Stream.Stream<Encoding, PandaError, PandaClient.PandaClient> => Stream.filter(all(filter), predicate)

/**
 * The newest encoding of a profile, of a video if the filter names one; none if there is none.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_encodings.md
 * @since 0.1.0
 * @category operations
 */
export const findByProfileName = (
  profile_name: string,
  filter: Omit<Filter, "profile_name"> = {}
): Effect.Effect<Option.Option<Encoding>, PandaError, PandaClient.PandaClient> => first({ ...filter, profile_name })

/**
 * The encoding as it is now.
 *
 * @since 0.1.0
 * @category operations
 */
export const reload = (encoding: Encoding): Effect.Effect<Encoding, PandaError, PandaClient.PandaClient> =>
  find(encoding.id)

/**
 * The video that an encoding was made from. `PandaInputError` if the encoding does not tell, `PandaNotFound` if the
 * video is gone.
 *
 * @since 0.1.0
 * @category operations
 */
export const video = (encoding: Encoding): Effect.Effect<Video, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Encodings.video",
    method: "GET",
    path: path`/videos/${encoding.video_id ?? ""}.json`,
    result: Video
  })

/**
 * The profile that an encoding was made with, as it is now. `PandaInputError` if the encoding does not tell,
 * `PandaNotFound` if the profile is gone.
 *
 * @since 0.1.0
 * @category operations
 */
export const profile = (encoding: Encoding): Effect.Effect<Profile, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Encodings.profile",
    method: "GET",
    path: path`/profiles/${encoding.profile_id ?? encoding.profile_name ?? ""}.json`,
    result: Profile
  })

/**
 * Whether it is done, and there is something to show for it.
 *
 * @since 0.1.0
 * @category guards
 */
export const isSuccess = (encoding: Encoding): boolean => encoding.status === "success"

/**
 * Whether it failed; `error_class` and `error_message` say why.
 *
 * @since 0.1.0
 * @category guards
 */
export const isFail = (encoding: Encoding): boolean => encoding.status === "fail"

/**
 * Whether Panda still has to work on it.
 *
 * @since 0.1.0
 * @category guards
 */
export const isProcessing = (encoding: Encoding): boolean => encoding.status === "processing"

/**
 * Where the main file of an encoding is, once there is one. The cloud is that of the encoding, see `Clouds.current`.
 * Files of a cloud with `s3_private_access` are there too, but not for everyone.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_encodings.md
 * @since 0.1.0
 * @category urls
 */
export const url = (
  { extname = "", files = [], path }: Encoding,
  cloud: storage.Base,
  options?: storage.UrlOptions
): Option.Option<string> =>
  path !== undefined && files.includes(`${path}${extname}`)
    ? storage.url(cloud, `${path}${extname}`, options)
    : Option.none()

/**
 * Where all files of an encoding are: the segments of a stream, thumbnails.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_encodings.md
 * @since 0.1.0
 * @category urls
 */
export const urls = (
  { files = [] }: Encoding,
  cloud: storage.Base,
  options?: storage.UrlOptions
): ReadonlyArray<string> => Arr.getSomes(files.map((file) => storage.url(cloud, file, options)))

/**
 * Where the screenshots of an encoding are, once it has succeeded: as many as its profile's `frame_count` says, 7 if it
 * says nothing.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_encodings.md
 * @since 0.1.0
 * @category urls
 */
export const screenshots = (
  encoding: Encoding,
  cloud: storage.Base,
  options?: storage.UrlOptions & { readonly profile?: Pick<Profile, "frame_count"> | undefined }
): ReadonlyArray<string> => {
  const { path } = encoding
  if (!isSuccess(encoding) || path === undefined) return []
  const count = Math.min(Math.max(Math.floor(options?.profile?.frame_count ?? SCREENSHOTS), 0), MOST_SCREENSHOTS)
  return Arr.getSomes(
    Array.from({ length: count }, (_, i) => storage.url(cloud, `${path}_${i + 1}.jpg`, options))
  )
}

const SCREENSHOTS = 7

/** What a server says is no reason to fill the memory. */
const MOST_SCREENSHOTS = 10_000

/**
 * Where the log of a failed encoding is; none of one that has not failed.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_encodings.md
 * @since 0.1.0
 * @category urls
 */
export const logUrl = (
  encoding: Encoding,
  cloud: storage.Base,
  options?: storage.UrlOptions
): Option.Option<string> =>
  isFail(encoding) && encoding.path !== undefined ? storage.url(cloud, `${encoding.path}.log`, options) : Option.none()

/**
 * The encoding as Panda writes it, with all its attributes.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toJson: (encoding: Encoding, indent?: number) => string = entity.toJson(Encoding)

/**
 * The encoding without its id.
 *
 * @since 0.1.0
 * @category conversions
 */
export const dup: (encoding: Encoding) => Omit<Encoding, "id"> = entity.dup

/**
 * The attributes of an encoding that could not be read as what they should be, by their names: each is `undefined` in the
 * encoding, is here as it was received, and goes back so by `toJson`, unless it was given another value.
 *
 * @since 0.2.0
 * @category conversions
 */
export const unreadable: (encoding: Encoding) => { readonly [attribute: string]: unknown } = wire.unreadable

/**
 * How to watch.
 *
 * @since 0.1.0
 * @category models
 */
export interface WatchOptions {
  /** When to look again; `defaultPolling` by default. */
  readonly schedule?: Schedule.Schedule<unknown> | undefined
}

/**
 * How to watch a video.
 *
 * @since 0.2.0
 * @category models
 */
export interface WatchVideoOptions extends WatchOptions {
  /**
   * How long to wait, once all encodings are done, before it is looked whether there are more: for pipelines, where
   * Panda begins an encoding when the one it is made from is done. By default it is looked at once.
   */
  readonly settle?: Duration.DurationInput | undefined
}

/**
 * How to wait.
 *
 * @since 0.1.0
 * @category models
 */
export interface AwaitOptions extends WatchOptions {
  /** How long to wait in all; for ever by default. */
  readonly timeout?: Duration.DurationInput | undefined
  /**
   * Whether an encoding that failed is an error, `PandaEncodingFailed`, and so a video whose source failed. By default
   * it is a value like others.
   */
  readonly failOnError?: boolean | undefined
}

/**
 * How often to look, by default: after a second, then ever less often, at last every 15 seconds.
 *
 * @since 0.1.0
 * @category waiting
 */
export const defaultPolling: Schedule.Schedule<unknown> = Schedule.exponential("1 second", 1.5).pipe(
  Schedule.union(Schedule.spaced("15 seconds"))
)

/** What was seen at one time. */
interface Look<A extends ReadonlyArray<Encoding>> {
  readonly encodings: A
  readonly done: boolean
  /** Of what there are no encodings. */
  readonly source?: Video | undefined
}

/** Only these two are the end: whatever else Panda says, or does not say, it is not done. */
const isDone = ({ status }: { readonly status?: wire.Status | undefined }): boolean =>
  status === "success" || status === "fail"

/** How many times in a row something may not be found at first: what was just created is not everywhere at once. */
const UNFOUND = 4

/**
 * Looks again and again, and ends with what is done. A failure that may pass is a look that saw nothing; so is that it is
 * not found, as long as it never was.
 */
const poll = <A extends ReadonlyArray<Encoding>, R>(
  operation: string,
  look: Effect.Effect<Look<A>, PandaError, R>,
  options?: WatchOptions
): Stream.Stream<Look<A>, PandaError, R> =>
  Stream.suspend(() => {
    let unfound = 0
    let unseen: PandaError | undefined
    let seen = false
    const tolerant = look.pipe(
      Effect.tap(() =>
        Effect.sync(() => {
          unfound = UNFOUND
          seen = true
        })
      ),
      Effect.asSome,
      Effect.catchIf(
        (error) => error.isRetryable || error._tag === "PandaNotFound" && ++unfound < UNFOUND,
        (error) => {
          unseen = error
          return Effect.as(
            Effect.logDebug(`Panda.${operation}: saw nothing, looks again`, error.message),
            Option.none()
          )
        }
      )
    )
    return Stream.repeatEffectWithSchedule(tolerant, options?.schedule ?? defaultPolling).pipe(
      Stream.filterMap(identity),
      Stream.takeUntil(({ done }) => done),
      // The schedule has ended before anything was seen: that is no end that could be taken for a result.
      Stream.concat(Stream.suspend(() => seen || unseen === undefined ? Stream.empty : Stream.fail(unseen)))
    )
  })

/** Of what is seen, what differs from what was seen before. */
const changes = <A extends ReadonlyArray<Encoding>, E, R>(looks: Stream.Stream<Look<A>, E, R>) => {
  const signs = (encodings: A) =>
    JSON.stringify(encodings.map(({ encoding_progress, id, status }) => [id, status, encoding_progress]))
  return Stream.map(looks, ({ encodings }) => encodings).pipe(
    Stream.changesWith((before, after) => signs(before) === signs(after))
  )
}

const lookAt = (encoding: entity.Ref) =>
  Effect.map(
    find(entity.idOf(encoding)),
    (encoding): Look<readonly [Encoding]> => ({ encodings: [encoding], done: isDone(encoding) })
  )

/**
 * An encoding, again whenever its status or its progress has changed, until it has succeeded or failed. Ends early if the
 * schedule does. A failure that may pass is gone past, and so is that it is not found, the first few times; if the
 * schedule ends before anything was seen, the last of them is the error.
 *
 * @since 0.1.0
 * @category waiting
 */
export const watch = (
  encoding: entity.Ref,
  options?: WatchOptions
): Stream.Stream<Encoding, PandaError, PandaClient.PandaClient> =>
  Stream.map(changes(poll("Encodings.watch", lookAt(encoding), options)), ([encoding]) => encoding)

/**
 * The encodings of a video, again whenever one of them has changed, until all have succeeded or failed. Ends early if the
 * schedule does. Failures that may pass are gone past, as by `watch`.
 *
 * @since 0.1.0
 * @category waiting
 */
export const watchVideo = (
  video: entity.Ref,
  options?: WatchVideoOptions
): Stream.Stream<ReadonlyArray<Encoding>, PandaError, PandaClient.PandaClient> =>
  Stream.suspend(() => changes(poll("Encodings.watchVideo", lookAtVideo(video, options), options)))

const sourceOf = (video_id: string) =>
  PandaClient.request({
    name: "Encodings.watchVideo",
    method: "GET",
    path: path`/videos/${video_id}.json`,
    result: Video
  })

/**
 * That all is done shows only a list that was read after it was seen to be: encodings are made from the source, and so
 * none counts once the video is done; in a pipeline they are made from each other, and appear late.
 */
const lookAtVideo = (video: entity.Ref, { settle = Duration.zero }: WatchVideoOptions = {}) => {
  const video_id = entity.idOf(video)
  const filter: Filter = { video_id }
  let known: ReadonlyArray<Encoding> = []
  const read = (from: ReadonlyArray<Encoding>) =>
    Effect.map(Stream.runCollect(paging.paginate(list, filter, from)), (encodings) => {
      known = Arr.fromIterable(encodings)
      return known
    })
  return Effect.gen(function*() {
    const before = yield* read(known)
    if (!before.every(isDone)) return { encodings: before, done: false }
    const source = before.length === 0 ? yield* sourceOf(video_id) : undefined
    if (source !== undefined && !isDone(source)) return { encodings: before, done: false }
    if (source === undefined) yield* Effect.sleep(settle)
    const encodings = yield* read([])
    return { encodings, done: encodings.every(isDone), source: encodings.length === 0 ? source : undefined }
  })
}

/** Why a video's source failed, if it did: the encodings of such a video say no more than that it did. */
const failureOfSource = (
  operation: string,
  video: entity.Ref,
  { encodings, source }: Look<ReadonlyArray<Encoding>>
) =>
  Effect.gen(function*() {
    const isFailedWithIt = encodings.some(({ error_class }) => error_class === "VideoStatusInvalid")
    const failed = source ?? (isFailedWithIt ? yield* sourceOf(entity.idOf(video)) : undefined)
    if (failed?.status !== "fail") return
    const { error_class, error_message, id } = failed
    return yield* new PandaEncodingFailed({ operation, id, ofVideo: true, error_class, error_message })
  })

/** Looks until all is done; the schedule may end before. */
const awaitLast = <A extends ReadonlyArray<Encoding>, R>(
  operation: string,
  ref: entity.Ref,
  look: Effect.Effect<Look<A>, PandaError, R>,
  options: AwaitOptions = {}
): Effect.Effect<Look<A>, PandaError | PandaStillProcessing, R> => {
  const { timeout = Duration.infinity } = options
  return Effect.gen(function*() {
    const last = yield* Stream.runLast(poll(operation, look, options)).pipe(
      Effect.timeoutTo({ duration: timeout, onSuccess: (last) => last, onTimeout: Option.none })
    )
    return Option.isSome(last) && last.value.done
      ? last.value
      : yield* new PandaStillProcessing({ operation, id: entity.idOf(ref) })
  })
}

const failureOfEncoding = (operation: string, encodings: ReadonlyArray<Encoding>) => {
  const failed = encodings.find(isFail)
  if (failed === undefined) return Effect.void
  const { error_class, error_message, id, profile_name } = failed
  return Effect.fail(new PandaEncodingFailed({ operation, id, profile_name, error_class, error_message }))
}

/**
 * Waiting in which a failed encoding is an error.
 *
 * @since 0.1.0
 * @category models
 */
export interface FailingAwaitOptions extends AwaitOptions {
  readonly failOnError: true
}

/**
 * Waits until an encoding has succeeded or failed, and gives it. What may pass is waited out: failures that may, and that
 * it is not found, the first few times. If it failed it is a value too, with its `error_class` and
 * `error_message`, unless `failOnError` is set. `PandaStillProcessing` if the timeout or the schedule ends before; if the
 * schedule does and nothing was seen, the last failure.
 *
 * @since 0.1.0
 * @category waiting
 */
export function awaitDone(
  encoding: entity.Ref,
  options: FailingAwaitOptions
): Effect.Effect<Encoding, PandaError | PandaStillProcessing | PandaEncodingFailed, PandaClient.PandaClient>
export function awaitDone(
  encoding: entity.Ref,
  options?: AwaitOptions & { readonly failOnError?: false | undefined }
): Effect.Effect<Encoding, PandaError | PandaStillProcessing, PandaClient.PandaClient>
export function awaitDone(
  encoding: entity.Ref,
  options?: AwaitOptions
): Effect.Effect<Encoding, PandaError | PandaStillProcessing | PandaEncodingFailed, PandaClient.PandaClient> {
  return Effect.gen(function*() {
    const { encodings } = yield* awaitLast("Encodings.awaitDone", encoding, lookAt(encoding), options)
    if (options?.failOnError === true) yield* failureOfEncoding("Encodings.awaitDone", encodings)
    return encodings[0]
  })
}

/**
 * Waits until all encodings of a video have succeeded or failed, and gives them all; where there are none, until its
 * source is there or has failed. What may pass is waited out, as by `awaitDone`. Those that failed are values too, with
 * their `error_class` and `error_message`, unless `failOnError` is set: then the failure of the source is an error as
 * well, with the video's. `PandaStillProcessing` if the timeout or the schedule ends before.
 *
 * @example
 * import { Effect } from "effect"
 * import { Encodings } from "effect-panda"
 *
 * const failures = (videoId: string) =>
 *   Encodings.awaitVideo(videoId, { timeout: "1 hour" }).pipe(
 *     Effect.map((encodings) => encodings.filter(Encodings.isFail))
 *   )
 *
 * @since 0.1.0
 * @category waiting
 */
export function awaitVideo(
  video: entity.Ref,
  options: FailingAwaitOptions & WatchVideoOptions
): Effect.Effect<
  ReadonlyArray<Encoding>,
  PandaError | PandaStillProcessing | PandaEncodingFailed,
  PandaClient.PandaClient
>
export function awaitVideo(
  video: entity.Ref,
  options?: AwaitOptions & WatchVideoOptions & { readonly failOnError?: false | undefined }
): Effect.Effect<ReadonlyArray<Encoding>, PandaError | PandaStillProcessing, PandaClient.PandaClient>
export function awaitVideo(
  video: entity.Ref,
  options?: AwaitOptions & WatchVideoOptions
): Effect.Effect<
  ReadonlyArray<Encoding>,
  PandaError | PandaStillProcessing | PandaEncodingFailed,
  PandaClient.PandaClient
> {
  return Effect.gen(function*() {
    const last = yield* awaitLast("Encodings.awaitVideo", video, lookAtVideo(video, options), options)
    if (options?.failOnError === true) {
      yield* failureOfSource("Encodings.awaitVideo", video, last)
      yield* failureOfEncoding("Encodings.awaitVideo", last.encodings)
    }
    return last.encodings
  })
}
