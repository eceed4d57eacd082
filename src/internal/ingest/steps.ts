/** What an execution does: upload, encode, deliver. */
import * as Workflow from "@effect/workflow/Workflow"
import type { WorkflowEngine, WorkflowInstance } from "@effect/workflow/WorkflowEngine"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Encodings from "../../Encodings.js"
import type { PandaClient } from "../../PandaClient.js"
import {
  PandaEncodingFailed,
  type PandaError,
  PandaStillProcessing,
  type PandaUploadLocked,
  type UploadError
} from "../../PandaError.js"
import * as Upload from "../../Upload.js"
import type * as UploadSource from "../../UploadSource.js"
import type { UploadState } from "../../UploadState.js"
import * as UploadStore from "../../UploadStore.js"
import * as Videos from "../../Videos.js"
import * as bandwidth from "../upload/bandwidth.js"
import { delays, once, trying, wait } from "./durable.js"
import type { Journal } from "./journal.js"
import {
  cancelled,
  type Execution,
  failed,
  type IngestError,
  type PandaIngestFailed,
  type PandaIngestUnavailable,
  type Payload,
  Result,
  type Status
} from "./model.js"
import { Sources } from "./sources.js"
import { ofExecution } from "./workflow.js"

/** Of the upload itself, what is not the same for all or said by the payload. */
export type UploadOptions = Pick<
  Upload.Options,
  "chunkSize" | "retry" | "stallTimeout" | "responseTimeout" | "transformRequest" | "onExpired" | "onChanged"
>

export interface Options<E = never, R = never> {
  readonly uploads?: number | undefined
  readonly bandwidth?: number | undefined
  readonly onEvent?: ((event: Upload.UploadEvent, id: string) => Effect.Effect<unknown>) | undefined
  readonly retry?: Schedule.Schedule<unknown, IngestError> | undefined
  readonly upload?: UploadOptions | undefined
  readonly encoding?: {
    readonly schedule?: Schedule.Schedule<unknown> | undefined
    readonly timeout?: Duration.DurationInput | undefined
    readonly failOnError?: boolean | undefined
  } | undefined
  readonly deliver?: ((result: typeof Result.Type, idempotencyKey: string) => Effect.Effect<unknown, E, R>) | undefined
  readonly deliverRetry?: Schedule.Schedule<unknown, IngestError> | undefined
}

export const defaultRetry: Schedule.Schedule<unknown> = Schedule.exponential("10 seconds").pipe(
  Schedule.union(Schedule.spaced("10 minutes")),
  Schedule.intersect(Schedule.recurs(150))
)

export const defaultPolling: Schedule.Schedule<unknown> = Schedule.exponential("1 second", 1.5).pipe(
  Schedule.union(Schedule.spaced("30 seconds"))
)

const begun = Metric.counter("panda_ingest_begun", {
  description: "Ingestions that were begun, or taken over",
  incremental: true
})
const done = Metric.counter("panda_ingest_done", { description: "Ingestions that were done", incremental: true })
const ended = Metric.counter("panda_ingest_failed", { description: "Ingestions that failed", incremental: true })
const seconds = (step: PandaIngestFailed["step"]) =>
  Metric.tagged(
    Metric.histogram(
      "panda_ingest_seconds",
      MetricBoundaries.exponential({ start: 0.1, factor: 2, count: 20 }),
      "Seconds that a step took which succeeded, without the waiting for its turn"
    ),
    "step",
    step
  )

/** How often the journal is told of an upload's progress. */
const TELL = 2_000

/** By when somebody has told of it again, or it lies idle (milliseconds). */
const TOLD = 60_000

/** For what may not be lost: waits until the database is back. */
const insist = <A>(effect: Effect.Effect<A, PandaIngestUnavailable>): Effect.Effect<A> =>
  effect.pipe(
    Effect.tapError((error) => Effect.logWarning(`Panda.Ingest: waits until the journal is back: ${error.message}`)),
    Effect.retry(Schedule.exponential("500 millis").pipe(Schedule.union(Schedule.spaced("10 seconds")))),
    Effect.orDie
  )

const Look = Schema.Struct({ percent: Schema.Number, result: Schema.optional(Result) })

/** What encodings and their video have come to; no result as long as Panda works on them. */
const look = (video: string) =>
  Effect.gen(function*() {
    const encodings = Array.from(yield* Stream.runCollect(Encodings.all({ video_id: video })))
    const percent = encodings.reduce((sum, { encoding_progress = 0 }) => sum + encoding_progress, 0) /
      Math.max(1, encodings.length)
    if (encodings.some(Encodings.isProcessing)) return { percent }
    const found = yield* Videos.find(video)
    if (encodings.length === 0 && Videos.isProcessing(found)) return { percent }
    return { percent: 100, result: Result.make({ video: found, encodings }) }
  })

/** What an execution runs by. */
export type Body<R> = (
  payload: typeof Payload.Type,
  executionId: string
) => Effect.Effect<
  typeof Result.Type,
  IngestError,
  R | PandaClient | UploadStore.UploadStore | Sources | WorkflowEngine | WorkflowInstance
>

/** The body of the workflow, for all executions of this process. */
export const make = <E, R>(
  options: Options<E, R>,
  journal: Journal.Service
): Effect.Effect<Body<R>> =>
  Effect.gen(function*() {
    const permits = yield* Effect.makeSemaphore(options.uploads ?? 3)
    const shared = options.bandwidth === undefined ? undefined : yield* bandwidth.make(options.bandwidth)
    const { failOnError = false, schedule = defaultPolling, timeout = Duration.infinity } = options.encoding ?? {}
    const { deliver, deliverRetry = defaultRetry, onEvent = () => Effect.void, retry = defaultRetry } = options

    return (payload: typeof Payload.Type, executionId: string) => {
      const { attempt, id } = ofExecution(executionId)
      const { source } = payload
      const asked = journal.asked(id)
      // It may have been woken, which is nothing to a step that does not wait.
      const toEnd = Effect.repeat(asked, {
        schedule: Schedule.spaced("1 second"),
        until: (signal) => signal === "Cancel"
      })

      const note = (status: Status, due?: number) =>
        Effect.catchAll(journal.set(id, attempt, status, due), (error) =>
          Effect.logWarning(`Panda.Ingest: the journal was not told: ${error.message}`))

      /**
       * Panda throws away what it has of the file. In a fiber of its own: where nothing is to be interrupted, a request
       * would wait for the end of its own time limits.
       */
      const abort = (state: UploadState) =>
        Upload.abort(state, options.upload).pipe(
          // It would look there for an upload of the file by somebody else.
          Effect.mapInputContext((context: Context.Context<PandaClient>) =>
            Context.omit(UploadStore.UploadStore)(context as Context.Context<PandaClient | UploadStore.UploadStore>)
          ),
          Effect.catchAll((error) =>
            Effect.logWarning("Panda.Ingest: the session is left for Panda to end", error.message)
          ),
          Effect.interruptible,
          Effect.forkDaemon,
          Effect.flatMap(Fiber.join)
        )

      /** And so does the store. */
      const endSession = Effect.gen(function*() {
        const store = yield* UploadStore.UploadStore
        const state = yield* store.get(id)
        if (Option.isNone(state)) {
          return
        }
        yield* abort(state.value)
        yield* store.remove(id)
      }).pipe(
        Effect.catchAll((error) =>
          Effect.logWarning("Panda.Ingest: the upload's state is left", error.message)
        )
      )

      const settingsOf = ({ path_format, payload: text, profiles, use_all_profiles }: typeof Payload.Type) => ({
        profiles,
        use_all_profiles,
        path_format,
        payload: text
      })

      /** The video, if it is there already; of an earlier attempt only if it is one. */
      const uploaded = (execution: Option.Option<typeof Execution.Type>) =>
        Option.match(Option.flatMap(execution, ({ video }) => Option.fromNullable(video)), {
          onNone: () => Effect.succeedNone,
          onSome: (video) =>
            attempt === 1 ? Effect.succeedSome(video) : Videos.find(video).pipe(
              Effect.map((found) => Videos.isFail(found) ? Option.none() : Option.some(video)),
              Effect.catchTag("PandaNotFound", () => Effect.succeedNone)
            )
        })

      const resumable = (file: UploadSource.UploadSource) =>
        Effect.gen(function*() {
          const store = yield* UploadStore.UploadStore
          const lock = yield* store.lock(id, file.name)
          // Another may have come to its end while this process waited, or stood still.
          const there = yield* Effect.flatMap(insist(journal.get(id)), uploaded)
          if (Option.isSome(there)) return there.value
          const state = yield* store.get(id)
          const loss = yield* Deferred.make<never, PandaUploadLocked>()
          const lose = (error: PandaUploadLocked) => Effect.asVoid(Deferred.fail(loss, error))
          let [kept, orphan] = [Option.getOrUndefined(state)?.id, undefined as UploadState | undefined]
          const keep = (state: UploadState) => {
            // Until it is written down nobody else can know of a session that was made here.
            if (!Equal.equals(state.id, kept)) orphan = state
            return store.set(id, state, lock).pipe(
              Effect.tap(() =>
                Effect.sync(() => {
                  kept = state.id
                  orphan = undefined
                })
              ),
              Effect.catchAll(lose)
            )
          }
          // Who was stopped, and wakes up when another has the upload, sends nothing more.
          const ours = Effect.catchAll(lock.check, (error) => Effect.zipRight(lose(error), Effect.never))
          const settings: Upload.Options = {
            onExpired: "restart",
            ...options.upload,
            ...settingsOf(payload),
            transformRequest: (request) =>
              Effect.zipRight(ours, options.upload?.transformRequest?.(request) ?? Effect.succeed(request)),
            onState: keep
          }
          const events = Option.match(state, {
            onNone: () => Upload.start(file, settings),
            onSome: (state) => Upload.resume(state, file, settings)
          })
          let told = -Infinity
          const tell = (acknowledged: number, size: number) =>
            Effect.flatMap(Clock.currentTimeMillis, (now) => {
              if (now < told + TELL) return Effect.void
              told = now
              return note({ _tag: "Uploading", acknowledged, size }, now + TOLD)
            })
          const video = yield* events.pipe(
            Stream.tap((event) => onEvent(event, id)),
            Stream.tap((event) => {
              switch (event._tag) {
                case "Started":
                case "Resumed":
                  return tell(event.state.acknowledged, event.state.fingerprint.size)
                case "Progress":
                  return tell(event.acknowledged, event.size)
                default:
                  return Effect.void
              }
            }),
            Upload.video,
            Effect.raceFirst(lock.lost),
            Effect.raceFirst(Deferred.await(loss)),
            Effect.onError(() => orphan === undefined ? Effect.void : abort(orphan)),
            // What cannot go on from there is over; an unreadable file may be readable again.
            Effect.tapError((error) =>
              error.isRetryable || (error._tag === "PandaSourceError" && error.reason === "Unreadable")
                ? Effect.void
                : endSession
            )
          )
          return video.id
        }).pipe(Effect.provideService(bandwidth.CurrentBandwidth, shared))

      /** Upload sessions know no pipeline. */
      const inOneRequest = (file: UploadSource.UploadSource) =>
        Effect.map(
          Videos.create({
            file,
            pipeline: payload.pipeline,
            path_format: payload.path_format,
            payload: payload.payload
          }),
          ({ id }) => id
        )

      const transfer = Effect.gen(function*() {
        const sources = yield* Sources
        const file = yield* sources.resolve(source, { name: payload.name })
        const video = yield* payload.pipeline === undefined ? resumable(file) : inOneRequest(file)
        // Not before the journal has it is the state of the upload gone: a crash in between finds the one or the other.
        yield* insist(journal.set(id, attempt, { _tag: "Encoding", video, percent: 0 }))
        return video
      })

      const fail = (step: PandaIngestFailed["step"]) =>
      <A, R1>(
        effect: Effect.Effect<A, PandaError | UploadError | IngestError, R1>
      ): Effect.Effect<A, IngestError, R1> =>
        effect.pipe(
          Effect.catchAllDefect((defect) =>
            Effect.zipRight(
              Effect.logError(`Panda.Ingest: ${step} died`, defect),
              failed(step, source, defect instanceof Error ? { message: defect.message } : {}, false)
            )
          ),
          Effect.mapError((error) =>
            error._tag === "PandaIngestFailed" || error._tag === "PandaIngestCancelled"
              ? error
              : failed(step, source, error)
          ),
          Effect.withSpan(`Panda.Ingest.${step}`, {
            captureStackTrace: false,
            attributes: { "panda.ingest.id": id, "panda.ingest.attempt": attempt }
          })
        )

      const timed = (step: PandaIngestFailed["step"]) =>
        Metric.trackDurationWith(seconds(step), (time) => Duration.toSeconds(time))

      const upload = Effect.gen(function*() {
        const store = yield* UploadStore.UploadStore
        // Who runs the workflow without `submit` has not written it down.
        const { execution } = yield* insist(journal.add(id, payload))
        const known = yield* uploaded(Option.some(execution))
        if (Option.isNone(known)) {
          yield* note({ _tag: "Queued" })
          yield* Metric.increment(begun)
          const video = yield* permits.withPermits(1)(timed("upload")(transfer))
          yield* store.remove(id)
          return video
        }
        // Who died after the upload was done has left its lock too.
        yield* Effect.ignore(store.lock(id, source))
        yield* store.remove(id)
        return known.value
      }).pipe(
        Effect.scoped,
        Effect.raceFirst(Effect.zipRight(toEnd, cancelled(source))),
        fail("upload")
      )

      /** What failed in an earlier attempt is made again, what did not is kept. */
      const renew = (video: string) =>
        Encodings.all({ video_id: video, status: "fail" }).pipe(
          Stream.mapEffect(Encodings.retry),
          Stream.runDrain,
          fail("encode")
        )

      const watch = (video: string) =>
        Effect.gen(function*() {
          const { percent, result } = yield* look(video)
          if (result === undefined) return { percent }
          const broken = Videos.isFail(result.video)
            ? result.video
            : failOnError
            ? result.encodings.find(Encodings.isFail)
            : undefined
          if (broken === undefined) return { percent, result }
          return yield* failed(
            "encode",
            source,
            new PandaEncodingFailed({
              operation: "Ingest.encode",
              id: broken.id,
              profile_name: "profile_name" in broken ? broken.profile_name : undefined,
              error_class: broken.error_class,
              error_message: broken.error_message
            })
          )
        }).pipe(fail("encode"))

      const encode = (video: string, from: number) =>
        Effect.gen(function*() {
          const later = delays(schedule)
          let again = delays(retry)
          let percent = 0
          for (let n = 1;; n++) {
            const { at, outcome } = yield* once(`look/${n}`, Look, watch(video))
            if (Either.isRight(outcome) && outcome.right.result !== undefined) {
              yield* Metric.update(seconds("encode"), (at - from) / 1000)
              return outcome.right.result
            }
            const error = Either.isLeft(outcome)
              ? outcome.left
              : failed("encode", source, new PandaStillProcessing({ operation: "Ingest.encode", id: video }))
            if (Either.isRight(outcome)) {
              again = delays(retry)
              percent = outcome.right.percent
            }
            const delay = Either.isRight(outcome)
              ? yield* later(at, undefined)
              : outcome.left.isRetryable
              ? yield* again(at, outcome.left)
              : Option.none()
            if (Option.isNone(delay) || at - from >= Duration.toMillis(timeout)) return yield* error
            const status: Status = { _tag: "Encoding", video, percent }
            const waiting = (until: number) => note(status, until)
            const ends = yield* wait({ name: `look/${n}`, from: at, delay: delay.value, waiting, asked })
            if (ends) return yield* cancelled(source)
          }
        })

      const hand = (result: typeof Result.Type) =>
        deliver === undefined ? Effect.void : Effect.zipRight(
          note({ _tag: "Delivering", video: result.video.id }),
          Effect.suspend(() => deliver(result, id))
        ).pipe(
          timed("deliver"),
          Effect.asVoid,
          Effect.catchAllCause((cause) =>
            Cause.isInterrupted(cause)
              ? Effect.failCause(cause as Cause.Cause<never>)
              : failed("deliver", source, Object(Cause.squash(cause)), true)
          ),
          fail("deliver")
        )

      const end = (status: Status) => insist(journal.set(id, attempt, status))

      /** Only here is an execution that sleeps long told to end. */
      const onInterrupt = Effect.gen(function*() {
        if (!(yield* Effect.orElseSucceed(journal.isCancelled(id), () => false))) return
        yield* endSession
        yield* note({ _tag: "Failed", error: cancelled(source) })
        yield* Metric.increment(ended)
      })

      return Effect.gen(function*() {
        yield* Workflow.addFinalizer((exit) =>
          Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause) ? onInterrupt : Effect.void
        )
        const trial = { asked, cancelled: cancelled(source) }
        const { at, value: video } = yield* trying(
          { ...trial, name: "upload", retry, waiting: (until) => note({ _tag: "Queued" }, until) },
          Schema.String,
          upload
        )
        if (attempt > 1) {
          yield* trying(
            {
              ...trial,
              name: "renew",
              retry,
              waiting: (until) => note({ _tag: "Encoding", video, percent: 0 }, until)
            },
            Schema.Void,
            renew(video)
          )
        }
        const result = yield* encode(video, at)
        if (deliver !== undefined) {
          yield* trying(
            {
              ...trial,
              name: "deliver",
              retry: deliverRetry,
              waiting: (until) => note({ _tag: "Delivering", video }, until)
            },
            Schema.Void,
            hand(result)
          )
        }
        yield* end({ _tag: "Done", video })
        yield* Metric.increment(done)
        yield* Effect.logInfo(`Panda.Ingest: done, video ${video}`)
        return result
      }).pipe(
        Effect.tapError((error) =>
          Effect.gen(function*() {
            if (error._tag === "PandaIngestCancelled") yield* once("cancel", Schema.Void, endSession)
            yield* end({ _tag: "Failed", error })
            yield* Metric.increment(ended)
            yield* Effect.logWarning(`Panda.Ingest: ${error.message}`)
          })
        ),
        Effect.annotateLogs({ "panda.ingest": id })
      )
    }
  })
