/**
 * Resumable uploads: a Stream of events, driven by a retry Schedule, with a state that another process can go on from.
 *
 * The server's word on how many bytes it has is the only truth. After anything that leaves it in doubt, the server is
 * asked before another byte is sent.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/upload_api.md
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { BACKOFF, LONGEST, mostOf, TIMEOUT } from "./internal/upload/decision.js"
import * as bandwidth from "./internal/upload/bandwidth.js"
import * as keeping from "./internal/upload/keeping.js"
import * as mailbox from "./internal/upload/mailbox.js"
import * as transfer from "./internal/upload/transfer.js"
import { type Progress, UploadEvent } from "./internal/upload/event.js"
import type { Video } from "./internal/model/video.js"
import { honourRetryAfter } from "./internal/http/retry.js"
import { countRetry, noted } from "./internal/http/telemetry.js"
import { inLine } from "./internal/text/line.js"
import * as PandaClient from "./PandaClient.js"
import { PandaInputError, type UploadError } from "./PandaError.js"
import * as UploadSession from "./UploadSession.js"
import * as UploadSource from "./UploadSource.js"
import type { Fingerprint, SessionOptions, UploadState } from "./UploadState.js"
import * as UploadStore from "./UploadStore.js"

export {
  /**
   * How far an upload is. `acknowledged` reaches `size` only with the video.
   *
   * @since 0.1.0
   * @category models
   */
  type Progress,
  /**
   * What happens in an upload. `Started` or `Resumed` comes first, but for a `Waiting` and for each `Retrying` of a
   * session that cannot be opened, and `Uploaded` last.
   *
   * @since 0.1.0
   * @category models
   */
  UploadEvent
}

/**
 * How to upload: what Panda makes of the file, and how the bytes get there.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends SessionOptions {
  /**
   * Bytes in a chunk, up to 512 MiB; fewer if somebody on the way refuses so many (413). By default chunks are as long as the connection
   * deserves: it is idle between them for 2 % of the time at most, within what `chunkTime` allows.
   */
  readonly chunkSize?: number | undefined
  /**
   * How long sending one chunk may take, 30 seconds by default: that much is lost when it breaks, and the server keeps
   * nothing of it. Of no use with a `chunkSize`.
   */
  readonly chunkTime?: Duration.DurationInput | undefined
  /** After how many failures without progress to give up, and how long to wait between. Default `defaultRetry`. */
  readonly retry?: Schedule.Schedule<unknown, UploadError> | undefined
  /**
   * How the bytes of a chunk go out, if not as the HTTP layer tells. As a `stream`, out of a few buffers, on those that keep
   * the length of a stream (Node's): a chunk may be long, progress within it is seen, and a connection that stands still is
   * told from one that is slow. As `bytes`, the whole chunk in memory, up to 32 MiB unless `chunkSize` says otherwise, on
   * fetch, and for a layer of one's own that takes no stream.
   */
  readonly body?: "bytes" | "stream" | undefined
  /**
   * How long nothing may happen, 30 seconds by default; then the server is asked. As `stream`, from one slice to the
   * next. As `bytes`, for the whole exchange, beyond four times what the chunk needs at the measured speed, and twice as much after each that did not make it.
   */
  readonly stallTimeout?: Duration.DurationInput | undefined
  /**
   * As `stream`, how long the answer may take once the last slice of the file has gone; 5 minutes by default. To other
   * chunks it comes within the `stallTimeout` and four times what they need, or the server is asked.
   */
  readonly responseTimeout?: Duration.DurationInput | undefined
  /** Bytes a second that the upload may take at most; all files of `many` share it. */
  readonly bandwidth?: number | undefined
  /** A change to each request of the upload, such as a header that a proxy wants; see `PandaClient.withTransform`. */
  readonly transformRequest?: PandaClient.TransformRequest | undefined
  /** What to do if the session is gone: fail, which is the default, or begin again with a new one. */
  readonly onExpired?: "fail" | "restart" | undefined
  /** What to do if the source is no longer what it was: fail, which is the default, or begin again. */
  readonly onChanged?: "fail" | "restart" | undefined
  /**
   * Runs when the state has changed: the place to save it. The upload goes on meanwhile, unless the session has moved; what
   * changes until it is done comes as one state, and the last is waited for.
   */
  readonly onState?: ((state: UploadState) => Effect.Effect<void>) | undefined
  /**
   * How long `startOrResume` gives the video of an upload that is finished and taken instead of uploading again: not at
   * all by default. `Duration.infinity` is for ever, or until `prune` of the store.
   */
  readonly keepFinished?: Duration.DurationInput | undefined
}

/**
 * Gives up after fourteen failures without progress; waits for up to a tenth of a second at first, or up to 10 milliseconds
 * where the connection broke, since most of those are back at once; then twice as long each time, for up to 30 seconds at
 * last. Of each wait a random half may fall away.
 *
 * @since 0.1.0
 * @category retrying
 */
export const defaultRetry: Schedule.Schedule<unknown, UploadError> = Schedule.recurs(BACKOFF.times).pipe(
  Schedule.intersect(Schedule.identity<UploadError>()),
  Schedule.modifyDelayEffect(([before, { _tag }]) =>
    Effect.map(Random.next, (part) => mostOf(before + 1, _tag !== "PandaTransportError") * (0.5 + part / 2))
  )
)

/** Bytes: more than that in a chunk, and losing one hurts. */
const LARGEST_CHUNK = 512 * 1024 * 1024

const duration = Metric.timer("panda_upload_duration", "Time that uploads took that succeeded")

/**
 * Uploads a source. The stream ends with `Uploaded`; interrupting it stops the upload and leaves it resumable.
 *
 * @example
 * import { Effect, Stream } from "effect"
 * import { Upload, UploadSource } from "effect-panda"
 *
 * const upload = Effect.gen(function*() {
 *   const source = yield* UploadSource.fromFile("movie.mp4")
 *   return yield* Upload.start(source, { profiles: ["h264"] }).pipe(
 *     Stream.tap((event) => Effect.log(Upload.describe(event))),
 *     Upload.video
 *   )
 * })
 *
 * @since 0.1.0
 * @category uploading
 */
export const start = (
  source: UploadSource.Any,
  options: Options = {}
): Stream.Stream<UploadEvent, UploadError, PandaClient.PandaClient> =>
  events("Upload.start", source, options, fromTheStart)

/**
 * Goes on with an upload from its state, at the byte after the last one that the server has. The source is checked
 * against the state first.
 *
 * @since 0.1.0
 * @category uploading
 */
export const resume = (
  state: UploadState,
  source: UploadSource.UploadSource,
  options: Options = {}
): Stream.Stream<UploadEvent, UploadError, PandaClient.PandaClient> =>
  events("Upload.resume", source, options, ({ goOn }) => goOn(state))

/**
 * Goes on with the upload of the source that the `UploadStore` knows, or begins one. What is to be made of the source
 * belongs to what is known: asked for other profiles, another upload begins.
 *
 * Its state is saved after every acknowledgement. It goes once the stream has ended well, the consumer included: one that
 * fails or dies over `Uploaded` gets the same video from the next call, and nothing is sent again. How much longer
 * the video is found is `keepFinished`. It also goes when the session is gone, or refuses for
 * good to be resumed.
 *
 * While another uploads the same, in this process or another one, it waits and says so (`Waiting`): until that one is
 * done, whose video it then gives, or has died, or shows that it is at work. Then, and when another took the upload over
 * from us, it fails with `PandaUploadLocked`.
 *
 * @since 0.1.0
 * @category uploading
 */
export const startOrResume = (
  source: UploadSource.UploadSource,
  options: Options = {}
): Stream.Stream<UploadEvent, UploadError, PandaClient.PandaClient | UploadStore.UploadStore> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const { finish, forget, open, save, taken, whileOurs } = yield* keeping.make(options.keepFinished ?? 0)
    const kept: Options = {
      ...options,
      onState: (state) => Effect.zipRight(save(state), options.onState?.(state) ?? Effect.void)
    }
    const upload = events(
      "Upload.startOrResume",
      source,
      kept,
      ({ begin, emit, fingerprint, goOn }) =>
        Effect.gen(function*() {
          const identity = { name: source.name, fingerprint: yield* fingerprint, options }
          const state = Option.getOrUndefined(yield* open(identity, emit(UploadEvent.Waiting())))
          if (state?.finished !== undefined) {
            yield* emit(UploadEvent.Resumed({ state }))
            return state.finished.video
          }
          const video = yield* whileOurs(state === undefined ? begin : goOn(state)).pipe(
            Effect.tapError((error) => transfer.isOver(error) ? forget : Effect.void)
          )
          yield* finish(video)
          return video
        })
    )
    return Stream.tap(upload, (event) => event._tag === "Uploaded" ? taken : Effect.void)
  }))

/**
 * Ends an upload for good: the server throws away what it has, and the `UploadStore`, where there is one, its state. An
 * upload that is over or gone already counts as ended.
 *
 * @since 0.1.0
 * @category uploading
 */
export const abort = (
  state: UploadState,
  options: Pick<Options, "retry" | "stallTimeout" | "transformRequest"> = {}
): Effect.Effect<void, UploadError, PandaClient.PandaClient> =>
  Effect.gen(function*() {
    let { location } = state
    const onMoved = (moved: typeof location) =>
      Effect.sync(() => {
        location = moved
      })
    const timeout = options.stallTimeout ?? TIMEOUT.stall
    yield* Effect.suspend(() => UploadSession.abort(location, { timeout, onMoved })).pipe(
      Effect.retry(
        honourRetryAfter(options.retry ?? defaultRetry).pipe(
          Schedule.whileInput((error) => error.isRetryable),
          noted("Upload.abort")
        )
      )
    )
    const store = yield* Effect.serviceOption(UploadStore.UploadStore)
    if (Option.isSome(store)) yield* store.value.remove(yield* keeping.keyOf(state))
  }).pipe(transforming(options), observed("Upload.abort", state.name))

/**
 * What `many` tells of one of its files, with what all of them have come to.
 *
 * @since 0.1.0
 * @category models
 */
export type ManyEvent<S extends UploadSource.Any = UploadSource.Any> =
  & { readonly source: S; readonly totals: Totals }
  & (
    | { readonly _tag: "Event"; readonly event: UploadEvent }
    | { readonly _tag: "Failed"; readonly error: UploadError }
    | { readonly _tag: "Cancelled" }
  )

/**
 * What all files of `many` have come to so far.
 *
 * @since 0.1.0
 * @category models
 */
export interface Totals {
  /** Bytes that the server has. */
  readonly acknowledged: number
  /** Bytes of the files that were begun. */
  readonly size: number
  readonly begun: number
  readonly uploaded: number
  readonly failed: number
  readonly cancelled: number
}

/**
 * How to upload several files: the options of each, and how they go together.
 *
 * @since 0.1.0
 * @category models
 */
export interface ManyOptions<S, R> extends Options {
  /** How many files at a time; 3 by default, 1,024 at most. */
  readonly concurrency?: number | undefined
  /** Whether the first failure ends all; by default the others go on. */
  readonly failFast?: boolean | undefined
  /** How each file is uploaded: `Upload.start` by default. */
  readonly upload?: (source: S, options: Options) => Stream.Stream<UploadEvent, UploadError, R>
  /** Cancels the upload of a file as soon as it succeeds. */
  readonly cancel?: ((source: S) => Effect.Effect<unknown>) | undefined
}

/**
 * Uploads several sources. A file that fails does not stop the others.
 *
 * @since 0.1.0
 * @category uploading
 */
export const many = <S extends UploadSource.Any, R = PandaClient.PandaClient>(
  sources: Iterable<S>,
  options: ManyOptions<S, R> = {}
): Stream.Stream<ManyEvent<S>, UploadError, PandaClient.PandaClient | R> => {
  const { cancel, concurrency = 3, failFast = false, upload, ...each } = options
  return Stream.unwrapScoped(Effect.gen(function*() {
    const shared = each.bandwidth === undefined ? undefined : yield* bandwidth.make(each.bandwidth)
    const box = yield* mailbox.make<Told<S>, UploadError>(
      ({ told }, last) => told._tag === "Event" && last.told._tag === "Event" && isNewer(told.event, last.told.event),
      ({ file }) => file
    )

    const one = (source: S): Effect.Effect<void, UploadError, PandaClient.PandaClient | R> =>
      Effect.suspend(() => {
        const file: File = { acknowledged: 0, size: 0, taken: Deferred.unsafeMake(FiberId.none) }
        let uploaded = false
        const tell = (told: Told<S>["told"]) => box.offer({ file, told })
        const tellEvent = (event: UploadEvent) => {
          uploaded ||= event._tag === "Uploaded"
          return tell({ _tag: "Event", source, event })
        }
        // An upload ends well only if whoever is told of it has no trouble with that.
        const untilTaken = Effect.suspend(() => uploaded ? Deferred.await(file.taken) : Effect.void)
        // Nor does the next begin before that, whatever became of this one: there may be no end of those that fail.
        const tellLast = (told: Told<S>["told"]) => Effect.zipRight(tell(told), Deferred.await(file.taken))
        const whole: Effect.Effect<void, UploadError, PandaClient.PandaClient | R> = upload === undefined
          ? Effect.zipRight(telling("Upload.start", source, each, fromTheStart, tellEvent), untilTaken)
          : Stream.runForEach(upload(source, each), (event) => Effect.zipRight(tellEvent(event), untilTaken))
        // What is uploaded already cannot be cancelled any more.
        const wish = Effect.suspend(() => uploaded ? Effect.never : Effect.succeed(true))
        const cancellable = cancel === undefined ? whole : Effect.flatMap(
          Effect.raceFirst(Effect.as(whole, false), Effect.zipRight(cancel(source), wish)),
          (cancelled) => cancelled && !uploaded ? tellLast({ _tag: "Cancelled", source }) : Effect.void
        )
        return failFast
          ? cancellable
          : Effect.catchAll(cancellable, (error) => tellLast({ _tag: "Failed", source, error }))
      })

    const files = sources[Symbol.iterator]()
    const worker: ReturnType<typeof one> = Effect.suspend(() => {
      const next = files.next()
      return next.done === true ? Effect.void : Effect.flatMap(one(next.value), () => worker)
    })
    const workers = concurrency > 1 ? Math.min(Math.floor(concurrency), MOST_AT_A_TIME) : 1
    yield* Effect.replicateEffect(worker, workers, { concurrency: "unbounded", discard: true }).pipe(
      Effect.provideService(bandwidth.CurrentBandwidth, shared),
      Effect.onExit(box.end),
      Effect.exit,
      Effect.forkScoped
    )

    let totals = none
    let given = Chunk.empty<Told<S>>()
    // Who asks for more has got by with what there was before.
    const acknowledge = Effect.suspend(() =>
      Effect.forEach(given, ({ file, told }) =>
        told._tag !== "Event" || told.event._tag === "Uploaded"
          ? Deferred.succeed(file.taken, undefined)
          : Effect.void, { discard: true })
    )
    const take = Effect.map(box.take, (news) => {
      given = news
      return Chunk.map(news, ({ file, told }): ManyEvent<S> => {
        // Counted in the order in which it is told, which is not the one in which it happened to several files.
        totals = count(totals, file, told)
        return { ...told, totals }
      })
    })
    return Stream.repeatEffectChunkOption(Effect.zipRight(acknowledge, take))
  }))
}

/** More files than that at a time are none the faster for it. */
const MOST_AT_A_TIME = 1024

type WithoutTotals<A> = A extends unknown ? Omit<A, "totals"> : never

/** One file of many: how far it was, as last told. */
interface File {
  acknowledged: number
  size: number
  /** Waits for somebody to have been told how it ended. */
  readonly taken: Deferred.Deferred<void>
}

interface Told<S extends UploadSource.Any> {
  readonly file: File
  readonly told: WithoutTotals<ManyEvent<S>>
}

const none: Totals = { acknowledged: 0, size: 0, begun: 0, uploaded: 0, failed: 0, cancelled: 0 }

const count = (totals: Totals, file: File, told: Told<UploadSource.Any>["told"]): Totals => {
  const reach = (acknowledged: number, size: number): Totals => {
    const reached = {
      ...totals,
      acknowledged: totals.acknowledged + acknowledged - file.acknowledged,
      size: totals.size + size - file.size
    }
    file.acknowledged = acknowledged
    file.size = size
    return reached
  }
  if (told._tag === "Failed") return { ...totals, failed: totals.failed + 1 }
  if (told._tag === "Cancelled") return { ...totals, cancelled: totals.cancelled + 1 }
  const { event } = told
  switch (event._tag) {
    case "Started":
    case "Resumed":
      return { ...reach(event.state.acknowledged, event.state.fingerprint.size), begun: totals.begun + 1 }
    case "Restarted":
      return reach(event.state.acknowledged, event.state.fingerprint.size)
    case "Progress":
      return reach(event.acknowledged, event.size)
    case "Uploaded":
      return { ...totals, uploaded: totals.uploaded + 1 }
    default:
      return totals
  }
}

/**
 * The words for how an upload stands, as Panda's older clients have them.
 *
 * @since 0.1.0
 * @category models
 */
export type Status = "initialized" | "uploading" | "error" | "uploaded" | "aborted" | "interrupted"

/**
 * How an upload stands, from its last event and from how it ended. That it was aborted only who did it can know.
 *
 * @since 0.1.0
 * @category destructors
 */
export const status = (
  last: Option.Option<UploadEvent>,
  exit: Option.Option<Exit.Exit<unknown, unknown>>
): Exclude<Status, "aborted"> =>
  Option.match(exit, {
    onNone: () => Option.isNone(last) ? "initialized" : last.value._tag === "Uploaded" ? "uploaded" : "uploading",
    onSome: (exit) => Exit.isSuccess(exit) ? "uploaded" : Exit.isInterrupted(exit) ? "interrupted" : "error"
  })

/**
 * An upload that is held on to: begun, left, resumed and aborted from different places.
 *
 * @since 0.1.0
 * @category models
 */
export interface Session {
  /** Begins the upload, from the start of the source. Of one that is uploaded it gives the video. */
  readonly start: Effect.Effect<Video, UploadError, PandaClient.PandaClient>
  /** Goes on where the upload stopped; begins it, if it never was. */
  readonly resume: Effect.Effect<Video, UploadError, PandaClient.PandaClient>
  /** Stops the upload if it runs, and ends it at the server. Does nothing to one that is done. */
  readonly abort: Effect.Effect<void, UploadError, PandaClient.PandaClient>
  readonly status: SubscriptionRef.SubscriptionRef<Status>
  /** The last event. */
  readonly last: SubscriptionRef.SubscriptionRef<Option.Option<UploadEvent>>
  readonly state: Effect.Effect<Option.Option<UploadState>>
}

/**
 * A handle on an upload of the source.
 *
 * @since 0.1.0
 * @category uploading
 */
export const session = (source: UploadSource.UploadSource, options: Options = {}): Effect.Effect<Session> =>
  Effect.gen(function*() {
    const current = yield* SubscriptionRef.make<Status>("initialized")
    const last = yield* SubscriptionRef.make(Option.none<UploadEvent>())
    const one = yield* Effect.makeSemaphore(1)
    let state = Option.none<UploadState>()
    let uploaded = Option.none<Video>()
    let stop = yield* Deferred.make<void>()

    const held: Options = {
      ...options,
      onState: (next) => {
        state = Option.some(next)
        return options.onState?.(next) ?? Effect.void
      }
    }
    const run = (
      upload: () => Stream.Stream<UploadEvent, UploadError, PandaClient.PandaClient>,
      done: () => Option.Option<Video> = Option.none
    ) =>
      Effect.suspend(() => {
        // Who waits for a turn is aborted too.
        const aborted = Deferred.await(stop)
        return one.withPermits(1)(Effect.gen(function*() {
          const before = done()
          if (Option.isSome(before)) return before.value
          yield* SubscriptionRef.set(current, "uploading")
          return yield* video(Stream.tap(upload(), (event) => SubscriptionRef.set(last, Option.some(event)))).pipe(
            Effect.onExit((exit) => {
              uploaded = Exit.isSuccess(exit) ? Option.some(exit.value) : uploaded
              return SubscriptionRef.set(current, status(Option.none(), Option.some(exit)))
            })
          )
        })).pipe(Effect.raceFirst(Effect.zipRight(aborted, Effect.interrupt)))
      })

    return {
      status: current,
      last,
      state: Effect.sync(() => state),
      // A second one would make a second video.
      start: run(() => start(source, held), () => uploaded),
      resume: run(() =>
        Option.match(state, {
          onNone: () => start(source, held),
          onSome: (state) => resume(state, source, held)
        })
      ),
      abort: Effect.gen(function*() {
        yield* Deferred.succeed(stop, undefined)
        stop = yield* Deferred.make<void>()
        yield* one.withPermits(1)(Effect.gen(function*() {
          if ((yield* SubscriptionRef.get(current)) === "uploaded") return
          if (Option.isSome(state)) yield* abort(state.value, options)
          state = Option.none()
          yield* SubscriptionRef.set(current, "aborted")
        }))
      })
    }
  })

/**
 * Runs an upload to its video.
 *
 * @since 0.1.0
 * @category destructors
 */
export const video = <E, R>(upload: Stream.Stream<UploadEvent, E, R>): Effect.Effect<Video, E, R> =>
  Effect.flatMap(Stream.runLast(upload), (last) =>
    Option.isSome(last) && last.value._tag === "Uploaded"
      ? Effect.succeed(last.value.video)
      : Effect.dieMessage("Upload.video: the stream has lost its last event. Do not filter out Uploaded"))

/**
 * An event in a line, for a log or a terminal.
 *
 * @since 0.1.0
 * @category destructors
 */
export const describe: (event: UploadEvent) => string = UploadEvent.$match({
  Waiting: () => "The same upload is under way elsewhere; waiting for it",
  Started: ({ state }) => `Uploading ${inLine(state.name)}, ${bytes(state.fingerprint.size)}`,
  Resumed: ({ state }) =>
    `Resuming ${inLine(state.name)} at ${bytes(state.acknowledged)} of ${bytes(state.fingerprint.size)}`,
  Progress: ({ acknowledged, bytesPerSecond, eta, size }) =>
    [
      `${bytes(acknowledged)} of ${bytes(size)}`,
      `${Math.floor((acknowledged / size) * 100)} %`,
      ...(bytesPerSecond === undefined ? [] : [`${bytes(bytesPerSecond)}/s`]),
      ...(eta === undefined || acknowledged === size ? [] : [`${Math.ceil(Duration.toSeconds(eta))} s left`])
    ].join(", "),
  Retrying: ({ attempt, delay, error }) =>
    `Failure ${attempt}, asking the server in ${Duration.toSeconds(delay).toFixed(1)} s: ${error.message}`,
  Moved: () => "The server moved the session; following",
  Restarted: ({ reason, state }) =>
    ({
      Expired: "The session had expired; starting over",
      Changed: "The source had changed; starting over",
      Rewound: `The server went back; sending again from ${bytes(state.acknowledged)}`
    })[reason],
  Uploaded: ({ video }) => `Uploaded as video ${inLine(video.id)}`
})

const bytes = (count: number): string => {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"]
  const unit = Math.min(Math.floor(Math.log2(Math.max(count, 1)) / 10), units.length - 1)
  return `${(count / 1024 ** unit).toFixed(unit === 0 ? 0 : 1)} ${units[unit]}`
}

/** The ways to run an upload, once its source is open. */
interface Ways {
  readonly emit: (event: UploadEvent) => Effect.Effect<void>
  readonly fingerprint: Effect.Effect<Fingerprint, UploadError>
  readonly begin: Running
  readonly goOn: (state: UploadState) => Running
}

type Running = Effect.Effect<Video, UploadError, PandaClient.PandaClient | Scope.Scope>

const fromTheStart = ({ begin }: Ways): Running => begin

/** Runs an upload in the background of the stream of its events, for as long as someone takes from that. */
const events = (
  operation: string,
  source: UploadSource.Any,
  options: Options,
  choose: (ways: Ways) => Running
): Stream.Stream<UploadEvent, UploadError, PandaClient.PandaClient> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const box = yield* mailbox.make<UploadEvent, UploadError>(isNewer)
    const upload = Effect.onExit(telling(operation, source, options, choose, box.offer), box.end)
    // How it ends the stream tells: the fiber need not say it too.
    yield* Effect.forkScoped(Effect.exit(upload))
    return Stream.repeatEffectChunkOption(box.take)
  }))

/** Runs an upload, and tells what happens in it. */
const telling = (
  operation: string,
  source: UploadSource.Any,
  options: Options,
  choose: (ways: Ways) => Running,
  tell: (event: UploadEvent) => Effect.Effect<void>
): Effect.Effect<void, UploadError, PandaClient.PandaClient> =>
  Effect.gen(function*() {
    yield* checkOptions(operation, options)
    const emit = (event: UploadEvent) => Effect.zipRight(note(operation, event), tell(event))
    const shared = yield* bandwidth.CurrentBandwidth
    const own = options.bandwidth === undefined ? undefined : yield* bandwidth.make(options.bandwidth)

    yield* Effect.gen(function*() {
      const handle = yield* source.open
      const { open, run } = transfer.make(source, handle, {
        operation,
        chunkSize: options.chunkSize,
        chunkTime: Duration.toSeconds(options.chunkTime ?? Duration.seconds(LONGEST)),
        body: options.body,
        bandwidth: shared ?? own,
        retry: options.retry ?? defaultRetry,
        stallTimeout: Duration.decode(options.stallTimeout ?? TIMEOUT.stall),
        responseTimeout: Duration.decode(options.responseTimeout ?? TIMEOUT.response),
        onExpired: options.onExpired ?? "fail",
        onChanged: options.onChanged ?? "fail",
        save: options.onState ?? (() => Effect.void),
        emit
      })
      const video = yield* choose({
        emit,
        fingerprint: UploadSource.fingerprint(source, handle),
        begin: Effect.gen(function*() {
          const state = yield* open(options)
          yield* emit(UploadEvent.Started({ state }))
          return yield* run(state, "Send")
        }),
        goOn: (state) => Effect.zipRight(emit(UploadEvent.Resumed({ state })), run(state, "Probe"))
      })
      yield* emit(UploadEvent.Uploaded({ video }))
    }).pipe(
      Effect.scoped,
      transforming(options),
      Metric.trackDuration(duration),
      observed(operation, source.name)
    )
  })

/** Whether nobody needs the last event any more, now that there is this one. */
const isNewer = (event: UploadEvent, last: UploadEvent): boolean =>
  event._tag === "Progress" && last._tag === "Progress"

/** What logs, the upload's span and the metrics tell of an event. Of progress its chunks tell. */
const note = (operation: string, event: UploadEvent): Effect.Effect<void> => {
  const log = Effect.suspend(() => Effect.logDebug(`Panda.${operation}: ${describe(event)}`))
  switch (event._tag) {
    case "Progress":
      return Effect.void
    case "Started":
    case "Resumed":
      return Effect.zipRight(Effect.annotateCurrentSpan("panda.size", event.state.fingerprint.size), log)
    case "Retrying":
      return Effect.zipRight(countRetry(operation), log)
    case "Uploaded":
      return Effect.zipRight(Effect.annotateCurrentSpan("panda.video.id", event.video.id), log)
    default:
      return log
  }
}

const observed = (operation: string, file: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(
    Effect.annotateLogs({ "panda.operation": operation, "panda.file": file }),
    Effect.withSpan(`Panda.${operation}`, { captureStackTrace: false, attributes: { "panda.file": file } })
  )

const transforming =
  ({ transformRequest }: Pick<Options, "transformRequest">) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    transformRequest === undefined ? effect : PandaClient.withTransform(effect, transformRequest)

const checkOptions = (
  operation: string,
  { bandwidth, chunkSize, chunkTime }: Options
): Effect.Effect<void, PandaInputError> => {
  const refuse = (parameter: string, description: string) => new PandaInputError({ operation, parameter, description })
  if (chunkSize !== undefined && !(Number.isInteger(chunkSize) && chunkSize >= 1 && chunkSize <= LARGEST_CHUNK)) {
    return refuse("chunkSize", "is not a whole number from 1 to 536870912 (512 MiB): leave it out to let chunks adapt")
  }
  if (chunkTime !== undefined && Duration.toMillis(chunkTime) <= 0) {
    return refuse("chunkTime", "is no length of time above 0: leave it out for 30 seconds")
  }
  if (bandwidth !== undefined && !(Number.isFinite(bandwidth) && bandwidth > 0)) {
    return refuse("bandwidth", "is not a number of bytes a second above 0: leave it out for no limit")
  }
  return Effect.void
}
