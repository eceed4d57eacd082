/**
 * Resumable uploads: a Stream of events, driven by a retry Schedule, with a state that another process can go on from.
 *
 * The server's word on how many bytes it has is the only truth. After anything that leaves it in doubt, the server is
 * asked before another byte is sent (contract 7, design 9).
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as mailbox from "./internal/mailbox.js"
import * as readAhead from "./internal/readAhead.js"
import type { Video } from "./internal/video.js"
import * as PandaClient from "./PandaClient.js"
import type { UploadError } from "./PandaError.js"
import {
  PandaInputError,
  PandaSessionExpired,
  PandaSourceError,
  PandaUploadProtocolError,
  PandaUploadRejected,
  PandaUploadStalled
} from "./PandaError.js"
import * as UploadSession from "./UploadSession.js"
import * as UploadSource from "./UploadSource.js"
import type { SessionOptions, UploadState } from "./UploadState.js"
import * as Videos from "./Videos.js"

/**
 * What happens in an upload. `Started` or `Resumed` comes first, `Uploaded` last.
 *
 * @since 0.1.0
 * @category models
 */
export type UploadEvent = Data.TaggedEnum<{
  /** A session is open, and nothing sent yet. */
  Started: { readonly state: UploadState }
  /** An earlier upload goes on from its state; the server has not been asked yet. */
  Resumed: { readonly state: UploadState }
  /** Bytes the server has acknowledged, and those sent. */
  Progress: Progress
  /** A failure; after the delay the server is asked how far it is. */
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
export const UploadEvent = Data.taggedEnum<UploadEvent>()

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends SessionOptions {
  /** Bytes in a chunk, up to 512 MiB. By default chunks adapt to take about four seconds, from 64 KiB to 32 MiB. */
  readonly chunkSize?: number | undefined
  /** After how many failures without progress to give up, and how long to wait between. Default `defaultRetry`. */
  readonly retry?: Schedule.Schedule<unknown, UploadError> | undefined
  /**
   * How long an exchange may take beyond the time that its bytes need at a tenth of the measured speed. Default 30
   * seconds. When it is over, the server is asked.
   */
  readonly stallTimeout?: Duration.DurationInput | undefined
  /** What to do if the session is gone: fail, which is the default, or begin again with a new one. */
  readonly onExpired?: "fail" | "restart" | undefined
  /** What to do if the source is no longer what it was: fail, which is the default, or begin again. */
  readonly onChanged?: "fail" | "restart" | undefined
  /** Runs whenever the state has changed, before the next request is sent: the place to save it. */
  readonly onState?: ((state: UploadState) => Effect.Effect<void>) | undefined
}

/**
 * Gives up after twelve failures without progress; waits for up to half a second at first, for up to 30 at last, of
 * which a random half may fall away.
 *
 * @since 0.1.0
 * @category retrying
 */
export const defaultRetry: Schedule.Schedule<unknown, UploadError> = Schedule.exponential("500 millis").pipe(
  Schedule.union(Schedule.spaced("30 seconds")),
  Schedule.modifyDelayEffect((_, delay) => Effect.map(Random.next, (part) => Duration.times(delay, 0.5 + part / 2))),
  Schedule.intersect(Schedule.recurs(12))
)

const MIB = 1024 * 1024
const CHUNK = { first: MIB, least: MIB / 16, most: 32 * MIB, limit: 512 * MIB, seconds: 4 }

/** Bytes a second that the slowest of connections is taken to have, before there is a measure. */
const SLOWEST = 16 * 1024

/** Seconds over which the speed is smoothed. */
const SMOOTHING = 5

const bytesSent = Metric.counter("panda_upload_bytes_sent", {
  description: "Bytes of uploads that were sent, those sent again included",
  incremental: true
})

const bytesAcknowledged = Metric.counter("panda_upload_bytes_acknowledged", {
  description: "Bytes of uploads that servers acknowledged",
  incremental: true
})

/**
 * Uploads a source. The stream ends with `Uploaded`; interrupting it stops the upload and leaves it resumable.
 *
 * @since 0.1.0
 * @category uploading
 */
export const start = (
  source: UploadSource.UploadSource,
  options: Options = {}
): Stream.Stream<UploadEvent, UploadError, PandaClient.PandaClient> =>
  events("Upload.start", source, options, (upload) =>
    Effect.gen(function*() {
      const state = yield* upload.open(options)
      yield* upload.emit(UploadEvent.Started({ state }))
      return yield* upload.transfer(state, "Send")
    }))

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
  events("Upload.resume", source, { ...state.options, ...options }, (upload) =>
    Effect.gen(function*() {
      yield* upload.emit(UploadEvent.Resumed({ state }))
      return yield* upload.transfer(state, "Probe")
    }))

/**
 * Ends an upload for good: the server throws away what it has. An upload that is over or gone already counts as ended.
 *
 * @since 0.1.0
 * @category uploading
 */
export const abort = (
  state: UploadState,
  options?: Pick<Options, "retry" | "stallTimeout">
): Effect.Effect<void, UploadError, PandaClient.PandaClient> =>
  UploadSession.abort(state.location, { timeout: options?.stallTimeout ?? "30 seconds" }).pipe(
    Effect.retry({
      schedule: PandaClient.honourRetryAfter(options?.retry ?? defaultRetry),
      while: (error) => error.isRetryable
    })
  )

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
  Started: ({ state }) => `Uploading ${state.name}, ${bytes(state.fingerprint.size)}`,
  Resumed: ({ state }) => `Resuming ${state.name} at ${bytes(state.acknowledged)} of ${bytes(state.fingerprint.size)}`,
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
  Uploaded: ({ video }) => `Uploaded as video ${video.id}`
})

const bytes = (count: number): string => {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"]
  const unit = Math.min(Math.floor(Math.log2(Math.max(count, 1)) / 10), units.length - 1)
  return `${(count / 1024 ** unit).toFixed(unit === 0 ? 0 : 1)} ${units[unit]}`
}

/** What a run works with: its options, where its events go, and the ways to open a session and to fill it. */
interface Run {
  readonly emit: (event: UploadEvent) => Effect.Effect<void>
  readonly open: (options: SessionOptions) => Effect.Effect<UploadState, UploadError, PandaClient.PandaClient>
  readonly transfer: (
    state: UploadState,
    first: "Send" | "Probe"
  ) => Effect.Effect<Video, UploadError, PandaClient.PandaClient | Scope.Scope>
}

const events = (
  operation: string,
  source: UploadSource.UploadSource,
  options: Options,
  run: (upload: Run) => Effect.Effect<Video, UploadError, PandaClient.PandaClient | Scope.Scope>
): Stream.Stream<UploadEvent, UploadError, PandaClient.PandaClient> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    yield* checkOptions(operation, options)
    const box = yield* mailbox.make<UploadEvent, UploadError>((event, last) =>
      event._tag === "Progress" && last._tag === "Progress"
    )
    const upload = Effect.gen(function*() {
      const handle = yield* source.open
      const video = yield* run(makeRun(operation, source.name, handle, options, box.offer))
      yield* box.offer(UploadEvent.Uploaded({ video }))
    }).pipe(
      Effect.scoped,
      Effect.withSpan(`Panda.${operation}`, { captureStackTrace: false, attributes: { "panda.file": source.name } }),
      Effect.onExit(box.end)
    )
    yield* Effect.forkScoped(upload)
    return box.stream
  }))

const checkOptions = (operation: string, { chunkSize }: Options): Effect.Effect<void, PandaInputError> =>
  chunkSize === undefined || (Number.isInteger(chunkSize) && chunkSize >= 1 && chunkSize <= CHUNK.limit)
    ? Effect.void
    : new PandaInputError({
      operation,
      parameter: "chunkSize",
      description: "is not a whole number from 1 to 536870912 (512 MiB): leave it out to let chunks adapt"
    })

const makeRun = (
  operation: string,
  name: string,
  handle: UploadSource.Handle,
  options: Options,
  emit: Run["emit"]
): Run => {
  /** An interruption waits for a save under way: half a state would be none. */
  const save = (state: UploadState) => Effect.uninterruptible(options.onState?.(state) ?? Effect.void)
  const stallTimeout = Duration.decode(options.stallTimeout ?? "30 seconds")

  const open: Run["open"] = ({ path_format, payload, profiles, use_all_profiles }) =>
    Effect.gen(function*() {
      const fingerprint = yield* UploadSource.fingerprint(name, handle)
      const session: SessionOptions = { path_format, payload, profiles, use_all_profiles }
      const { id, location } = yield* UploadSession.create({
        ...session,
        file_name: name,
        file_size: fingerprint.size
      })
      const created = yield* DateTime.now
      const state: UploadState = {
        version: 1,
        id,
        location,
        name,
        fingerprint,
        acknowledged: 0,
        created,
        options: session
      }
      yield* save(state)
      return state
    })

  const changed = (description: string) => new PandaSourceError({ operation, reason: "Changed", name, description })

  /** Cheap enough to do before each chunk; the digest is compared once, on resuming. */
  const verify = ({ fingerprint }: UploadState): Effect.Effect<void, PandaSourceError> =>
    Effect.flatMap(handle.stat, ({ modified, size }) =>
      size !== fingerprint.size
        ? changed(`it has ${size} bytes, and had ${fingerprint.size}`)
        : modified?.epochMillis !== fingerprint.modified?.epochMillis
        ? changed("it was modified")
        : Effect.void)

  const verifyDigest = (state: UploadState): Effect.Effect<void, PandaSourceError> =>
    Effect.gen(function*() {
      yield* verify(state)
      const { digest } = yield* UploadSource.fingerprint(name, handle)
      if (digest !== state.fingerprint.digest) return yield* changed("its content is another")
    })

  const transfer: Run["transfer"] = (initial, first) => {
    let state = initial
    let action = first
    /** Bytes of this session that have left us. */
    let sent = state.acknowledged
    /** More may have left another process, which this upload goes on from. */
    let inherited = first === "Probe"
    /** The highest offset that was ever acknowledged: only beyond it are failures forgotten, so that all loops end. */
    let best = state.acknowledged
    let failures = 0
    /** The server contradicted itself, and was asked about it once. */
    let doubted = false
    let speed: number | undefined
    let chunkSize = options.chunkSize ?? CHUNK.first

    const update = (changes: Partial<UploadState>) => {
      state = { ...state, ...changes }
      return save(state)
    }

    const progress = () => {
      const { acknowledged, fingerprint: { size } } = state
      const eta = speed === undefined ? undefined : Duration.seconds((size - acknowledged) / speed)
      return emit(UploadEvent.Progress({ acknowledged, sent, size, bytesPerSecond: speed, eta }))
    }

    const measure = (count: number, seconds: number) => {
      if (seconds > 0) {
        const weight = 1 - Math.exp(-seconds / SMOOTHING)
        speed = speed === undefined ? count / seconds : speed + weight * (count / seconds - speed)
      }
      if (options.chunkSize !== undefined) return
      const fitting = seconds > 0 ? (count / seconds) * CHUNK.seconds : Infinity
      chunkSize = Math.round(Math.min(Math.max(fitting, CHUNK.least), CHUNK.most, chunkSize * 4))
    }

    return Effect.gen(function*() {
      let reader = yield* readAhead.make(name, handle)

      const retry = yield* Schedule.driver(
        PandaClient.honourRetryAfter(options.retry ?? defaultRetry).pipe(
          Schedule.modifyDelayEffect((error, delay) =>
            Effect.as(emit(UploadEvent.Retrying({ error, attempt: failures, delay })), delay)
          )
        )
      )

      /** Counts a failure and waits, or gives up. */
      const backoff = (error: UploadError) =>
        Effect.suspend(() => {
          failures++
          return Effect.mapError(retry.next(error), () =>
            error._tag === "PandaUploadStalled"
              ? new PandaUploadStalled({ ...error, cause: error.cause, attempts: failures })
              : new PandaUploadStalled({ operation, reason: "RetriesExhausted", attempts: failures, cause: error }))
        })

      /** The server answers, but has no more bytes than before. */
      const noProgress = () => {
        const reason = state.acknowledged === state.fingerprint.size ? "NotFinalized" : "NoProgress"
        return backoff(new PandaUploadStalled({ operation, reason, attempts: failures }))
      }

      const restart = (reason: "Expired" | "Changed", error: UploadError) =>
        Effect.gen(function*() {
          yield* backoff(error)
          if (reason === "Changed") {
            yield* Effect.ignore(UploadSession.abort(state.location, { timeout: stallTimeout }))
          }
          state = yield* open(state.options)
          reader = yield* readAhead.make(name, handle)
          sent = 0
          inherited = false
          action = "Send"
          yield* emit(UploadEvent.Restarted({ reason, state }))
        })

      const probe = () => UploadSession.probe(state.location, state.fingerprint.size, { timeout: stallTimeout })

      const send = () =>
        Effect.gen(function*() {
          const { acknowledged, fingerprint: { size } } = state
          // Once only the video is missing, the last byte makes the server finish (contract 7.5).
          const offset = Math.min(acknowledged, size - 1)
          const bytes = yield* reader.chunk(offset, Math.min(chunkSize, size - offset))
          const end = offset + bytes.byteLength
          if (end < size) yield* reader.prefetch(end, Math.min(chunkSize, size - end))
          yield* verify(state)
          sent = Math.max(sent, end)
          yield* Metric.incrementBy(bytesSent, bytes.byteLength)
          const needed = Duration.seconds(bytes.byteLength / (speed === undefined ? SLOWEST : speed / 10))
          const began = yield* Clock.currentTimeMillis
          const exchange = yield* UploadSession.send(state.location, { offset, bytes, size }, {
            timeout: Duration.sum(stallTimeout, needed)
          })
          const seconds = ((yield* Clock.currentTimeMillis) - began) / 1000
          if (Either.isRight(exchange.reply)) measure(bytes.byteLength, seconds)
          else yield* reader.retire
          return exchange
        })

      /** Takes over what the server has, and tells whether that is more than before. */
      const accept = (offset: number) =>
        Effect.gen(function*() {
          const { acknowledged, fingerprint: { size } } = state
          if (offset > (inherited ? size : sent)) {
            const description = `the server claims ${offset} bytes, and was sent ${inherited ? size : sent}`
            return yield* new PandaUploadProtocolError({ operation, status: 204, description })
          }
          sent = Math.max(sent, offset)
          if (offset !== acknowledged) yield* update({ acknowledged: offset })
          if (offset < acknowledged) yield* emit(UploadEvent.Restarted({ reason: "Rewound", state }))
          if (offset > best) {
            yield* Metric.incrementBy(bytesAcknowledged, offset - best)
            best = offset
            failures = 0
            doubted = false
            yield* retry.reset
          }
          // Whole is whole only with the video.
          if (offset > acknowledged && offset < size) yield* progress()
          return offset > acknowledged
        })

      const complete = (video: Video) =>
        Effect.gen(function*() {
          const { size } = state.fingerprint
          if (!inherited && sent < size) {
            const description = `the server made a video of ${size} bytes, and was sent ${sent}`
            return yield* new PandaUploadProtocolError({ operation, status: 200, description })
          }
          sent = size
          yield* update({ acknowledged: size })
          yield* progress()
          return video
        })

      /** Gone, but all may have been sent: then the answer that got lost may have been the video (upload-scenarios 6). */
      const finished = (error: UploadError) =>
        error._tag === "PandaSessionExpired" && (inherited || sent === state.fingerprint.size)
          ? Effect.option(Videos.find(state.id))
          : Effect.succeedNone

      const recover = (error: UploadSession.ReplyError) =>
        Effect.gen(function*() {
          const contradiction = error._tag === "PandaUploadProtocolError" ||
            (error._tag === "PandaUploadRejected" && (error.status === 409 || error.status === 416))
          if (contradiction && !doubted) {
            doubted = true
            action = "Probe"
          } else if (error._tag === "PandaSessionExpired" && options.onExpired === "restart") {
            yield* restart("Expired", error)
          } else if (error.isRetryable) {
            const timeout = error._tag === "PandaTransportError" && error.reason === "Timeout"
            if (timeout && options.chunkSize === undefined) {
              chunkSize = Math.max(CHUNK.least, Math.floor(chunkSize / 2))
            }
            yield* backoff(error)
            action = "Probe"
          } else {
            return yield* error
          }
        })

      /** One exchange, and what follows from it (upload-scenarios 3). The video, once there is one. */
      const step = Effect.gen(function*() {
        const asked = action
        const { location, reply } = yield* (asked === "Probe" ? probe() : send())
        if (Option.isSome(location)) {
          yield* update({ location: location.value })
          yield* emit(UploadEvent.Moved({ state }))
        }
        if (Either.isLeft(reply)) {
          const video = yield* finished(reply.left)
          if (Option.isSome(video)) return Option.some(yield* complete(video.value))
          yield* recover(reply.left)
          return Option.none()
        }
        switch (reply.right._tag) {
          case "Complete":
            return Option.some(yield* complete(reply.right.video))
          case "Redirected":
            yield* noProgress()
            action = "Probe"
            return Option.none()
          case "Progress": {
            action = "Send"
            const onward = yield* accept(reply.right.offset)
            // What a probe finds was counted as a failure before it.
            if (!onward && asked === "Send") yield* noProgress()
            return Option.none()
          }
        }
      })

      const restartable = (error: UploadError): error is PandaSourceError =>
        error._tag === "PandaSourceError" && error.reason !== "Unreadable" && options.onChanged === "restart"

      if (inherited) {
        yield* verifyDigest(state).pipe(Effect.catchIf(restartable, (error) => restart("Changed", error)))
      }
      let video = Option.none<Video>()
      while (Option.isNone(video)) {
        video = yield* step.pipe(
          Effect.catchIf(restartable, (error) => Effect.as(restart("Changed", error), Option.none<Video>()))
        )
      }
      return video.value
    }).pipe(Effect.mapError((error) => withState(error, state)))
  }

  return { emit, open, transfer }
}

/** An error from which the upload can go on says where. */
const withState = (error: UploadError, state: UploadState): UploadError => {
  switch (error._tag) {
    case "PandaSourceError":
      return new PandaSourceError({ ...error, state })
    case "PandaSessionExpired":
      return new PandaSessionExpired({ ...error, state })
    case "PandaUploadRejected":
      return new PandaUploadRejected({ ...error, state })
    case "PandaUploadProtocolError":
      return new PandaUploadProtocolError({ ...error, state })
    case "PandaUploadStalled":
      // An error's cause is not among what a spread copies.
      return new PandaUploadStalled({ ...error, cause: error.cause, state })
    default:
      return error
  }
}
