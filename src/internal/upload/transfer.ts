/** The transfer of one file: a loop of exchanges, each followed by what `decision` says of it. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
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
import type { Video } from "../model/video.js"
import * as monotonic from "../time/monotonic.js"
import * as carrier from "./carrier.js"
import * as decision from "./decision.js"
import { UploadEvent } from "./event.js"
import * as saver from "./saver.js"

export interface Settings extends carrier.Settings {
  /** Undefined for chunks that adapt. */
  readonly chunkSize: number | undefined
  /** Seconds of sending that a chunk may take, if it adapts. */
  readonly chunkTime: number
  readonly retry: Schedule.Schedule<unknown, UploadError>
  readonly onExpired: "fail" | "restart"
  readonly onChanged: "fail" | "restart"
  readonly save: (state: UploadState) => Effect.Effect<void>
}

export interface Transfer {
  /** Opens a session for the source as it is now. */
  readonly open: (options: SessionOptions) => Effect.Effect<UploadState, UploadError, PandaClient.PandaClient>
  /** Goes on from a state until there is a video. */
  readonly run: (
    state: UploadState,
    first: decision.Ask
  ) => Effect.Effect<Video, UploadError, PandaClient.PandaClient | Scope.Scope>
}

const bytesAcknowledged = Metric.counter("panda_upload_bytes_acknowledged", {
  description: "Bytes of uploads that servers acknowledged",
  incremental: true
})

/** Whether the session is of no use any more, so that what is known of it can go: another upload begins anew. */
export const isOver = (error: UploadError): boolean => {
  switch (error._tag) {
    case "PandaSessionExpired":
    case "PandaFileTooLarge":
      return true
    case "PandaUploadRejected":
    case "PandaUploadProtocolError":
      return error.state === undefined
    default:
      return false
  }
}

export const make = (source: UploadSource.Any, handle: UploadSource.Handle, settings: Settings): Transfer => {
  const open: Transfer["open"] = (options) => openSession(source, handle, settings, options)
  return {
    open: (options) =>
      Effect.gen(function*() {
        let failures = 0
        const waiting = yield* waits(settings, () => failures)
        return yield* untilOpen(open(options), (error) => attempted(waiting, settings, ++failures, error))
      }),
    run: (state, first) =>
      Effect.gen(function*() {
        const upload: Upload = {
          source,
          handle,
          settings,
          open,
          waits: {
            failure: yield* waits(settings, () => upload.known.failures),
            setback: yield* waits(settings, () => upload.known.setbacks)
          },
          over: false,
          state,
          known: decision.knownAt(
            state.fingerprint.size,
            state.acknowledged,
            first === "Probe",
            decision.paceOf(settings.chunkSize, settings.chunkTime)
          ),
          ask: first,
          reader: yield* carrier.reader(source, handle, state.fingerprint.size),
          saver: yield* saver.make(settings.save)
        }
        return yield* Effect.mapError(
          Effect.zipLeft(untilVideo(upload), upload.saver.settle),
          (error) => upload.over ? error : withState(error, upload.state)
        )
      })
  }
}

const openSession = (
  source: UploadSource.Any,
  handle: UploadSource.Handle,
  settings: Settings,
  { path_format, payload, profiles, use_all_profiles }: SessionOptions
): Effect.Effect<UploadState, UploadError, PandaClient.PandaClient> =>
  Effect.gen(function*() {
    const { name } = source
    const fingerprint = yield* UploadSource.fingerprint(source, handle)
    const options: SessionOptions = { path_format, payload, profiles, use_all_profiles }
    const { id = Redacted.make(""), location } = yield* UploadSession.create({
      ...options,
      file_name: name,
      file_size: fingerprint.size
    })
    const created = yield* DateTime.now
    const state: UploadState = { version: 1, id, location, name, fingerprint, acknowledged: 0, created, options }
    yield* save(settings, state)
    return state
  })

/** An interruption waits for a save under way: half a state would be none. */
const save = (settings: Settings, state: UploadState) => Effect.uninterruptible(settings.save(state))

/** A session that could not be opened is one failure more. */
const untilOpen = <A, R>(
  open: Effect.Effect<A, UploadError, R>,
  wait: (error: UploadError) => Effect.Effect<unknown, UploadError, R>
): Effect.Effect<A, UploadError, R> =>
  Effect.catchIf(
    open,
    ({ isRetryable }) => isRetryable,
    (error) => Effect.zipRight(wait(error), untilOpen(open, wait))
  )

type Waits = Schedule.ScheduleDriver<unknown, UploadError>

/** The schedule, which tells of each wait before it. */
const waits = ({ emit, retry }: Settings, failures: () => number): Effect.Effect<Waits> =>
  Schedule.driver(
    honourRetryAfter(retry).pipe(
      Schedule.modifyDelayEffect((error, delay) =>
        Effect.as(emit(UploadEvent.Retrying({ error, attempt: failures(), delay })), delay)
      )
    )
  )

/** An upload under way. */
interface Upload extends carrier.Cargo {
  readonly settings: Settings
  readonly open: Transfer["open"]
  readonly waits: { readonly failure: Waits; readonly setback: Waits }
  /** The session is of no use any more. */
  over: boolean
  ask: decision.Ask
  readonly saver: saver.Saver
}

type Reply = UploadSession.Exchange["reply"]

type Running<A> = Effect.Effect<A, UploadError, PandaClient.PandaClient | Scope.Scope>

/** The source is checked; then there is one exchange after another. */
const untilVideo = (upload: Upload): Running<Video> =>
  Effect.gen(function*() {
    const { onChanged } = upload.settings
    const restartable = (error: UploadError): error is PandaSourceError =>
      error._tag === "PandaSourceError" && error.reason !== "Unreadable" && onChanged === "restart"
    const anew = (error: PandaSourceError) => restart(upload, "Changed", error)

    if (upload.known.inherited) yield* Effect.catchIf(carrier.verifyDigest(upload), restartable, anew)
    let video = Option.none<Video>()
    while (Option.isNone(video)) {
      video = yield* Effect.catchIf(
        exchange(upload),
        restartable,
        (error) => Effect.as(anew(error), Option.none<Video>())
      )
    }
    return video.value
  })

/** One exchange, and what follows from it. The video, once there is one. */
const exchange = (upload: Upload): Running<Option.Option<Video>> =>
  Effect.gen(function*() {
    const { ask, settings } = upload
    const { location, outcome, reply } = yield* (ask === "Probe" ? probe(upload) : carrier.send(upload))
    if (Option.isSome(location)) {
      yield* update(upload, { location: location.value })
      // Known only here, and nothing gives it back.
      yield* upload.saver.settle
      yield* settings.emit(UploadEvent.Moved({ state: upload.state }))
    }
    return yield* follow(upload, decision.next(upload.known, ask, outcome, settings), reply)
  })

/** Does what comes next, up to the next exchange. */
const follow = (upload: Upload, { known, step }: decision.Next, reply: Reply): Running<Option.Option<Video>> =>
  Effect.gen(function*() {
    yield* learn(upload, known)
    switch (step._tag) {
      case "Ask":
        upload.ask = step.ask
        return Option.none()
      case "Wait":
        upload.ask = step.ask
        yield* backoff(upload, step.counts, failureOf(upload, step, reply))
        return Option.none()
      case "LookUp":
        return yield* lookUp(upload, reply)
      case "Restart":
        yield* restart(upload, "Expired", errorOf(upload, reply))
        return Option.none()
      case "Done":
        yield* carrier.progress(upload)
        return Either.isRight(reply) && reply.right._tag === "Complete"
          ? Option.some(reply.right.video)
          : yield* Effect.dieMessage("Upload: the end of an upload is a video")
      case "Fail":
        upload.over = step.over
        return yield* step.broken === undefined
          ? errorOf(upload, reply)
          : new PandaUploadProtocolError({ operation: upload.settings.operation, ...step.broken })
    }
  })

/** Takes over what is known now: the state is saved, and what has changed is told. */
const learn = (upload: Upload, known: decision.Known): Effect.Effect<void> =>
  Effect.gen(function*() {
    const before = upload.known
    const { acknowledged, failures, record, setbacks, size } = known
    upload.known = known
    if (acknowledged !== before.acknowledged) yield* update(upload, { acknowledged })
    if (acknowledged < before.acknowledged) {
      yield* upload.settings.emit(UploadEvent.Restarted({ reason: "Rewound", state: upload.state }))
    }
    if (record > before.record) yield* Metric.incrementBy(bytesAcknowledged, record - before.record)
    if (failures === 0 && before.failures > 0) yield* upload.waits.failure.reset
    if (setbacks === 0 && before.setbacks > 0) yield* upload.waits.setback.reset
    // Whole is whole only with the video.
    if (acknowledged > before.acknowledged && acknowledged < size) yield* carrier.progress(upload)
  })

/** A new session has nothing, and failures of the old one do not count against it. */
const learnAnew = (upload: Upload): Effect.Effect<void> =>
  Effect.suspend(() => {
    upload.known = decision.knownAnew(upload.known, upload.state.fingerprint.size)
    return upload.waits.failure.reset
  })

const errorOf = ({ settings: { operation } }: Upload, reply: Reply): UploadError =>
  Either.match(reply, {
    onLeft: (error): UploadError => error,
    onRight: ({ _tag }) =>
      new PandaUploadProtocolError({ operation, status: 200, description: `the server answers ${_tag}` })
  })

const failureOf = (upload: Upload, { counts, why }: decision.Wait, reply: Reply): UploadError =>
  why === "Failed" ? errorOf(upload, reply) : new PandaUploadStalled({
    operation: upload.settings.operation,
    reason: why,
    attempts: countOf(upload, counts)
  })

const countOf = ({ known }: Upload, counts: decision.Wait["counts"]): number =>
  counts === "failure" ? known.failures : known.setbacks

const update = (upload: Upload, changes: Partial<UploadState>): Effect.Effect<void> => {
  upload.state = { ...upload.state, ...changes }
  return upload.saver.put(upload.state)
}

/** Waits after a failure that was counted, or gives up. */
const backoff = (upload: Upload, counts: decision.Wait["counts"], error: UploadError) =>
  attempted(upload.waits[counts], upload.settings, countOf(upload, counts), error)

const attempted = (waits: Waits, { operation }: Settings, attempts: number, error: UploadError) =>
  Effect.mapError(waits.next(error), () => {
    return error._tag === "PandaUploadStalled"
      ? new PandaUploadStalled({ ...error, cause: error.cause, attempts })
      : new PandaUploadStalled({ operation, reason: "RetriesExhausted", attempts, cause: error })
  })

/** Begins anew, with the source as it is now. */
const restart = (upload: Upload, reason: "Expired" | "Changed", error: UploadError): Running<void> =>
  Effect.gen(function*() {
    const { handle, settings, source } = upload
    yield* upload.reader.stop
    yield* upload.saver.settle
    upload.known = decision.setBack(upload.known)
    yield* backoff(upload, "setback", error)
    if (reason === "Changed") {
      yield* Effect.ignore(UploadSession.abort(upload.state.location, { timeout: settings.stallTimeout }))
    }
    upload.state = yield* untilOpen(upload.open(upload.state.options), (error) => {
      upload.known = decision.failed(upload.known)
      return backoff(upload, "failure", error)
    })
    yield* learnAnew(upload)
    upload.reader = yield* carrier.reader(source, handle, upload.known.size)
    upload.ask = "Send"
    yield* settings.emit(UploadEvent.Restarted({ reason, state: upload.state }))
  })

/** The session is gone, but may have ended in a video: not to know whether there is one is no reason to make another. */
const lookUp = (upload: Upload, reply: Reply): Running<Option.Option<Video>> =>
  Effect.gen(function*() {
    const { known, settings, state } = upload
    const id = Redacted.value(state.id)
    // A session without an id, of which the video cannot be asked for.
    if (id === "") return yield* follow(upload, decision.gone(known, settings), reply)
    const found = yield* Videos.find(id).pipe(
      Effect.asSome,
      Effect.map(Option.filter((record) => decision.isWhole(record, known.size))),
      Effect.catchTag("PandaNotFound", () => Effect.succeedNone),
      Effect.either
    )
    if (Either.isLeft(found)) {
      if (!found.left.isRetryable) return yield* found.left
      upload.known = decision.failed(known)
      upload.ask = "Probe"
      yield* backoff(upload, "failure", found.left)
      return Option.none()
    }
    return yield* Option.match(found.right, {
      onNone: () => follow(upload, decision.gone(known, settings), reply),
      onSome: (video) =>
        follow(upload, decision.completed(known), Either.right(UploadSession.Reply.Complete({ video })))
    })
  })

const probe = (upload: Upload) =>
  Effect.gen(function*() {
    const { settings, state } = upload
    const began = yield* monotonic.now
    const exchange = yield* UploadSession.probe(state.location, state.fingerprint.size, {
      timeout: settings.stallTimeout
    })
    if (Either.isRight(exchange.reply)) {
      const pace = decision.answered(upload.known.pace, ((yield* monotonic.now) - began) / 1000)
      upload.known = { ...upload.known, pace }
    }
    return exchange
  })

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
