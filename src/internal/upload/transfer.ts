/** The transfer of one file: a loop of exchanges, each followed by what it means (upload-scenarios 3). */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as PandaClient from "../../PandaClient.js"
import type { UploadError } from "../../PandaError.js"
import {
  PandaSessionExpired,
  PandaSourceError,
  PandaUploadProtocolError,
  PandaUploadRejected,
  PandaUploadStalled
} from "../../PandaError.js"
import * as UploadSession from "../../UploadSession.js"
import * as UploadSource from "../../UploadSource.js"
import type { SessionOptions, UploadState } from "../../UploadState.js"
import * as Videos from "../../Videos.js"
import { honourRetryAfter } from "../http/retry.js"
import type { Bandwidth } from "./bandwidth.js"
import * as readAhead from "./readAhead.js"
import { UploadEvent } from "./event.js"
import type { Video } from "../model/video.js"

export interface Settings {
  readonly operation: string
  /** Undefined for chunks that adapt. */
  readonly chunkSize: number | undefined
  readonly body: "bytes" | "stream"
  readonly bandwidth: Bandwidth | undefined
  readonly retry: Schedule.Schedule<unknown, UploadError>
  readonly stallTimeout: Duration.Duration
  readonly responseTimeout: Duration.Duration
  readonly onExpired: "fail" | "restart"
  readonly onChanged: "fail" | "restart"
  readonly save: (state: UploadState) => Effect.Effect<void>
  readonly emit: (event: UploadEvent) => Effect.Effect<void>
}

export interface Transfer {
  /** Opens a session for the source as it is now. */
  readonly open: (options: SessionOptions) => Effect.Effect<UploadState, UploadError, PandaClient.PandaClient>
  /** Goes on from a state until there is a video. */
  readonly run: (
    state: UploadState,
    first: "Send" | "Probe"
  ) => Effect.Effect<Video, UploadError, PandaClient.PandaClient | Scope.Scope>
}

const MIB = 1024 * 1024
const CHUNK = { first: MIB, least: MIB / 16, most: 32 * MIB, seconds: 4 }

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

export const make = (source: UploadSource.Any, handle: UploadSource.Handle, settings: Settings): Transfer => {
  const { name } = source
  const { emit, operation, stallTimeout } = settings
  /** An interruption waits for a save under way: half a state would be none. */
  const save = (state: UploadState) => Effect.uninterruptible(settings.save(state))

  const open: Transfer["open"] = ({ path_format, payload, profiles, use_all_profiles }) =>
    Effect.gen(function*() {
      const fingerprint = yield* UploadSource.fingerprint(source, handle)
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

  const changed = (description: string) =>
    new PandaSourceError({ operation, reason: "Changed", file: name, description })

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
      const { digest } = yield* UploadSource.fingerprint(source, handle)
      if (digest !== state.fingerprint.digest) return yield* changed("its content is another")
    })

  const run: Transfer["run"] = (initial, first) => {
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
    let chunkSize = settings.chunkSize ?? CHUNK.first

    const update = (changes: Partial<UploadState>) => {
      state = { ...state, ...changes }
      return save(state)
    }

    const progress = () => {
      const { acknowledged, fingerprint: { size } } = state
      const pace = speed === undefined ? undefined : Math.min(speed, settings.bandwidth?.bytesPerSecond ?? speed)
      const eta = pace === undefined ? undefined : Duration.seconds((size - acknowledged) / pace)
      return emit(UploadEvent.Progress({ acknowledged, sent, size, bytesPerSecond: pace, eta }))
    }

    const measure = (count: number, seconds: number) => {
      if (seconds > 0) {
        const weight = 1 - Math.exp(-seconds / SMOOTHING)
        speed = speed === undefined ? count / seconds : speed + weight * (count / seconds - speed)
      }
      if (settings.chunkSize !== undefined) return
      const pace = Math.min(seconds > 0 ? count / seconds : Infinity, settings.bandwidth?.bytesPerSecond ?? Infinity)
      const fitting = pace * CHUNK.seconds
      chunkSize = Math.round(Math.min(Math.max(fitting, CHUNK.least), CHUNK.most, chunkSize * 4))
    }

    return Effect.gen(function*() {
      let reader = yield* readAhead.make(name, handle)

      const retry = yield* Schedule.driver(
        honourRetryAfter(settings.retry).pipe(
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
          yield* reader.stop
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

      /** What goes at once, where the bandwidth is limited: only a stream can be held back on its way. */
      const burst = settings.body === "bytes" ? settings.bandwidth?.burst : undefined

      const chunkAt = (offset: number) => Math.min(chunkSize, state.fingerprint.size - offset, burst ?? Infinity)

      const send = () =>
        Effect.gen(function*() {
          const { acknowledged, fingerprint: { size } } = state
          // Once only the video is missing, the last byte makes the server finish (contract 7.5).
          const offset = Math.min(acknowledged, size - 1)
          const bytes = yield* reader.chunk(offset, chunkAt(offset))
          const end = offset + bytes.byteLength
          if (end < size) yield* reader.prefetch(end, chunkAt(end))
          yield* verify(state)
          yield* Metric.incrementBy(bytesSent, bytes.byteLength)
          const chunk = { offset, bytes, size }
          const exchange = yield* (settings.body === "bytes" ? sendWhole(chunk) : sendSlices(chunk))
          if (Either.isLeft(exchange.reply)) yield* reader.retire
          return exchange
        })

      const sendWhole = (chunk: UploadSession.Chunk) =>
        Effect.gen(function*() {
          const { byteLength } = chunk.bytes
          if (settings.bandwidth !== undefined) yield* settings.bandwidth.take(byteLength)
          sent = Math.max(sent, chunk.offset + byteLength)
          // No movement is seen on the socket, so the deadline is what a connection gone slow would need.
          const needed = Duration.seconds(
            byteLength / (speed === undefined ? SLOWEST : Math.max(speed / 10, SLOWEST / 16))
          )
          const began = yield* Clock.currentTimeMillis
          const exchange = yield* UploadSession.send(state.location, chunk, {
            timeout: Duration.sum(stallTimeout, needed)
          })
          if (Either.isRight(exchange.reply)) measure(byteLength, ((yield* Clock.currentTimeMillis) - began) / 1000)
          return exchange
        })

      const sendSlices = (chunk: UploadSession.Chunk) =>
        Effect.gen(function*() {
          let waited = 0
          const began = yield* Clock.currentTimeMillis
          const exchange = yield* UploadSession.sendSlices(state.location, chunk, {
            stallTimeout,
            responseTimeout: settings.responseTimeout,
            sliceSize: settings.bandwidth?.burst,
            onSlice: (count, end) =>
              Effect.gen(function*() {
                const before = yield* Clock.currentTimeMillis
                if (settings.bandwidth !== undefined) yield* settings.bandwidth.take(count)
                waited += (yield* Clock.currentTimeMillis) - before
                sent = Math.max(sent, end)
                if (end > state.acknowledged) yield* progress()
              })
          })
          const seconds = ((yield* Clock.currentTimeMillis) - began - waited) / 1000
          if (Either.isRight(exchange.reply)) measure(chunk.bytes.byteLength, seconds)
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
          ? Effect.asSome(Videos.find(state.id)).pipe(Effect.catchTag("PandaNotFound", () => Effect.succeedNone))
          : Effect.succeedNone

      const recover = (error: UploadError) =>
        Effect.gen(function*() {
          const contradiction = error._tag === "PandaUploadProtocolError" ||
            (error._tag === "PandaUploadRejected" && (error.status === 409 || error.status === 416))
          if (contradiction && !doubted) {
            doubted = true
            action = "Probe"
          } else if (error._tag === "PandaSessionExpired" && settings.onExpired === "restart") {
            yield* restart("Expired", error)
          } else if (error.isRetryable) {
            const timeout = error._tag === "PandaTransportError" && error.reason === "Timeout"
            if (timeout && settings.chunkSize === undefined) {
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
          const found = yield* Effect.either(finished(reply.left))
          if (Either.isRight(found) && Option.isSome(found.right)) {
            return Option.some(yield* complete(found.right.value))
          }
          // Not to know whether there is a video is no reason to make another.
          yield* recover(Either.isLeft(found) ? found.left : reply.left)
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
        error._tag === "PandaSourceError" && error.reason !== "Unreadable" && settings.onChanged === "restart"

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

  return { open, run }
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
