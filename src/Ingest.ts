/**
 * Pipelines that outlive a machine: an upload, its encodings and what is to be done with them, as a durable workflow on
 * Effect's own engine (`@effect/workflow`, `@effect/cluster`). It is submitted from anywhere, kept in a database, and
 * carried on by whichever process is alive.
 *
 * - `submit`, `run`, `status` and the other operations need a `WorkflowEngine`, and `Journal` where it is to be known
 *   after a restart, and to other processes, how far everything is.
 * - `layer` runs ingestions in this process. Any number of processes may, each with its `layer`.
 *
 * An upload goes on at the byte that Panda has acknowledged, wherever it runs next. A step is done at least once and its
 * effects once: an upload's state is kept until its video is known, and `deliver` is given a key that is the same each
 * time.
 *
 * What one database carries, by `npm run bench -- ingest` (two cores, files of nothing, the settings of the example):
 *
 * - An ingestion is some 40 statements on PostgreSQL and 60 on SQLite, however many there were before and wait beside it,
 *   and one that waits costs none: an idle process asks 2 to 4 times a second, with 10,000 pending as with none.
 * - So it is the statements a second that a database serves, by 40: with 2,000 of them 50 files a second, 180,000 an
 *   hour. Panda, and the line to it, are the limit long before; SQLite has one process, and writes one thing at a time.
 * - What is pending is in the memory of the process that has its shard, 270 KB each. Beyond some thousands a process the
 *   rest should wait where it comes from: a folder that is watched, a queue of one's own.
 * - A database is split by what does not know of each other: by customer or cloud, each with its deployment. More shards
 *   only spread the work of one over more processes.
 *
 * @since 0.2.0
 */
import { WorkflowEngine, type WorkflowInstance } from "@effect/workflow/WorkflowEngine"
import type * as Workflow from "@effect/workflow/Workflow"
import type * as SqlClient from "@effect/sql/SqlClient"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Cron from "effect/Cron"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import * as journal from "./internal/ingest/journal.js"
import { Journal } from "./internal/ingest/journal.js"
import * as liveness from "./internal/ingest/liveness.js"
import * as model from "./internal/ingest/model.js"
import {
  cancelled,
  isEnd,
  PandaIngestCancelled,
  PandaIngestFailed,
  PandaIngestRefused,
  PandaIngestUnavailable
} from "./internal/ingest/model.js"
import * as presence from "./internal/ingest/presence.js"
import { Sources } from "./internal/ingest/sources.js"
import * as steps from "./internal/ingest/steps.js"
import * as watching from "./internal/ingest/watching.js"
import * as definition from "./internal/ingest/workflow.js"
import * as json from "./internal/model/json.js"
import type { PandaClient } from "./PandaClient.js"
import { excerpt } from "./internal/text/excerpt.js"
import { inLine } from "./internal/text/line.js"
import type { PandaSourceError } from "./PandaError.js"
import type { UploadEvent } from "./Upload.js"
import type * as Webhook from "./Webhook.js"
import type { UploadStore } from "./UploadStore.js"

export {
  /**
   * What is known of all ingestions, for whoever asks. Where none is given there is one in memory for each engine:
   * enough for tests, and where nobody asks another process.
   *
   * @since 0.2.0
   * @category tags
   */
  Journal,
  /**
   * An ingestion was cancelled.
   *
   * @since 0.2.0
   * @category errors
   */
  PandaIngestCancelled,
  /**
   * An ingestion failed, and all that it may try has been tried.
   *
   * @since 0.2.0
   * @category errors
   */
  PandaIngestFailed,
  /**
   * An operation makes no sense.
   *
   * @since 0.2.0
   * @category errors
   */
  PandaIngestRefused,
  /**
   * The journal cannot be read or written.
   *
   * @since 0.2.0
   * @category errors
   */
  PandaIngestUnavailable,
  /**
   * Makes upload sources of the text in payloads.
   *
   * @since 0.2.0
   * @category tags
   */
  Sources
}

/**
 * What to ingest, and what to make of it.
 *
 * @since 0.2.0
 * @category models
 */
export interface Payload extends Schema.Schema.Type<typeof model.Payload> {}

/**
 * `Payload` as JSON, as databases keep it: what an older version of this library wrote is read.
 *
 * @since 0.2.0
 * @category schemas
 */
export const Payload: typeof model.Payload = model.Payload

/**
 * What `submit` takes.
 *
 * @since 0.2.0
 * @category models
 */
export interface Submission extends Omit<Payload, "version"> {}

/**
 * What comes of an ingestion: the video with all its encodings, as Panda had them at the end.
 *
 * @since 0.2.0
 * @category models
 */
export interface Result extends Schema.Schema.Type<typeof model.Result> {}

/**
 * `Result` as JSON.
 *
 * @since 0.2.0
 * @category schemas
 */
export const Result: typeof model.Result = model.Result

/**
 * How an ingestion ends that has no result.
 *
 * @since 0.2.0
 * @category models
 */
export type IngestError = model.IngestError

/**
 * `IngestError` as JSON.
 *
 * @since 0.2.0
 * @category schemas
 */
export const IngestError: typeof model.IngestError = model.IngestError

/**
 * How far an ingestion is: `Queued`, `Uploading` with bytes, `Encoding` with percent, `Delivering`, `Done` or `Failed`.
 *
 * @since 0.2.0
 * @category models
 */
export type Status = model.Status

/**
 * `Status` as JSON.
 *
 * @since 0.2.0
 * @category schemas
 */
export const Status: typeof model.Status = model.Status

/**
 * An ingestion as the journal has it.
 *
 * @since 0.2.0
 * @category models
 */
export interface Execution extends Schema.Schema.Type<typeof model.Execution> {}

/**
 * `Execution` as JSON.
 *
 * @since 0.2.0
 * @category schemas
 */
export const Execution: typeof model.Execution = model.Execution

/**
 * Which ingestions to list.
 *
 * @since 0.2.0
 * @category models
 */
export interface Filter extends journal.Filter {}

/**
 * The workflow itself, to be run by other workflows or by hand. `layer` registers it.
 *
 * @since 0.2.0
 * @category workflow
 */
export const workflow: Workflow.Workflow<
  "Panda.Ingest",
  typeof model.Payload,
  typeof model.Result,
  typeof model.IngestError
> = definition.workflow

/**
 * How to run ingestions.
 *
 * @since 0.2.0
 * @category models
 */
export interface Options<E = never, R = never> {
  /** How many files are uploaded at a time by this process; 3 by default. */
  readonly uploads?: number | undefined
  /** Bytes a second that all uploads of this process may take together. */
  readonly bandwidth?: number | undefined
  /**
   * Is told what happens in the uploads of this process, with the ingestion's id, for somebody to see: nothing is kept
   * of it, and after a restart the upload tells that it was resumed. An upload waits until it has been told.
   */
  readonly onEvent?: ((event: UploadEvent, id: string) => Effect.Effect<unknown>) | undefined
  /**
   * When a step is tried again that failed with what may pass, such as an upload that came to the end of its own
   * retries. The waits survive a restart. By default after ten seconds, then ever less often, at last every ten minutes,
   * for a day.
   */
  readonly retry?: Schedule.Schedule<unknown, IngestError> | undefined
  /** How each file is uploaded; an expired session begins anew, unless this says otherwise. */
  readonly upload?: steps.UploadOptions | undefined
  /** How the encodings are waited for. */
  readonly encoding?: {
    /** When to look again; at first after a second, at last every 30 seconds. */
    readonly schedule?: Schedule.Schedule<unknown> | undefined
    /** How long in all, from the end of the upload; for ever by default. */
    readonly timeout?: Duration.DurationInput | undefined
    /** Whether an encoding that failed fails the ingestion; by default it is a part of the result. */
    readonly failOnError?: boolean | undefined
  } | undefined
  /**
   * What is to be done with the result. It may be called again, after a failure or a crash: always with the same key,
   * which is the ingestion's id.
   */
  readonly deliver?: ((result: Result, idempotencyKey: string) => Effect.Effect<unknown, E, R>) | undefined
  /** When a delivery is tried again that failed; as `retry` by default. */
  readonly deliverRetry?: Schedule.Schedule<unknown, IngestError> | undefined
  /**
   * This process looks `every` 30 seconds whether there is anything that somebody should have gone on with, and has not
   * for longer than 5 minutes (`after`): it says so in the log and in `panda_ingest_overdue`, and begins that again. A
   * chunk that takes longer to upload wants more.
   */
  readonly liveness?: {
    readonly every?: Duration.DurationInput | undefined
    readonly after?: Duration.DurationInput | undefined
  } | undefined
}

/**
 * When steps are tried again, by default: after ten seconds, then ever less often, at last every ten minutes, for a day.
 *
 * @since 0.2.0
 * @category retrying
 */
export const defaultRetry: Schedule.Schedule<unknown> = steps.defaultRetry

/**
 * How often encodings are looked at, by default: after a second, then ever less often, at last every 30 seconds.
 *
 * @since 0.2.0
 * @category retrying
 */
export const defaultPolling: Schedule.Schedule<unknown> = steps.defaultPolling

const OVERDUE: Duration.DurationInput = "5 minutes"

/**
 * Runs ingestions in this process.
 *
 * A payload with a `pipeline` is uploaded in one request, since Panda's upload sessions know none: it begins again after
 * a failure, and a crash in the moment after its end makes a second video.
 *
 * Two runners at one address, and processes with different `shardsPerGroup`, do not go together: some ingestions lie
 * idle. The engine does not notice, unless both are on one host. Where this is provided with the cluster's `Sharding`, it
 * looks as often as for what is overdue, and logs an error; processes that only submit are not seen.
 *
 * @since 0.2.0
 * @category layers
 */
export const layer = <E = never, R = never>(
  options: Options<E, R> = {}
): Layer.Layer<never, never, WorkflowEngine | PandaClient | UploadStore | Sources | R> =>
  Layer.unwrapScoped(Effect.gen(function*() {
    const known = yield* journal.current
    const { after = OVERDUE, every = "30 seconds" } = options.liveness ?? {}
    yield* Effect.forkScoped(liveness.checking(known, yield* WorkflowEngine, { after, every }))
    yield* Effect.forkScoped(presence.checking(known, { every }))
    const own = yield* Effect.context<PandaClient | UploadStore | Sources | R>()
    const body = yield* steps.make(options, known)
    return definition.workflow.toLayer((payload, id) =>
      Effect.mapInputContext(
        body(payload, id),
        // The engine in memory lets who submits have the last word, and would upload by that client.
        (context: Context.Context<WorkflowEngine | WorkflowInstance>) => Context.merge(context, withoutRegion(own))
      )
    )
  }))

/** What lasts no longer than the making of a layer. */
const withoutRegion = <R>(own: Context.Context<R>) =>
  Context.omit(Scope.Scope, Tracer.ParentSpan)(
    own as Context.Context<R | Scope.Scope | Tracer.ParentSpan>
  ) as Context.Context<R>

/**
 * The journal in memory: for tests.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerJournalMemory: Layer.Layer<Journal> = Layer.sync(Journal, journal.makeMemory)

/**
 * The journal in a table of a database, `panda_ingest` by default, which is made if it is not there. PostgreSQL and
 * SQLite.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerJournal: (
  options?: { readonly table?: string | undefined }
) => Layer.Layer<Journal, PandaIngestUnavailable, SqlClient.SqlClient> = journal.layerSql

/** With what is wrong by name, and no value. */
const validated = (operation: string, submission: Submission): Effect.Effect<Payload, PandaIngestRefused> =>
  Schema.validate(Payload)({ version: 1, ...submission }, { onExcessProperty: "error" }).pipe(
    Effect.mapError(({ issue }) => {
      const { issue: first, path } = json.firstIssue(issue)
      const said = "message" in first && first.message !== undefined ? ` ${inLine(first.message)}` : ""
      return new PandaIngestRefused({
        operation: `Ingest.${operation}`,
        reason: "InvalidPayload",
        subject: `${inLine(path.join(".") || "payload")}${said || " is not what it should be"}`
      })
    })
  )

/** The engine dies when its database is away. */
const reachable = (operation: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.catchSomeDefect(
    effect,
    (defect) =>
      typeof defect === "object" && defect !== null && "_tag" in defect && defect._tag === "PersistenceError"
        ? Option.some(
          new PandaIngestUnavailable({ operation: `Ingest.${operation}`, description: "the engine cannot write" })
        )
        : Option.none()
  )

const observed = (operation: string, id?: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(
    reachable(operation),
    Effect.withSpan(`Panda.Ingest.${operation}`, {
      captureStackTrace: false,
      attributes: id === undefined ? {} : { "panda.ingest.id": id }
    })
  )

const begin = (execution: Execution) =>
  Effect.flatMap(WorkflowEngine, (engine) =>
    engine.execute(definition.workflow, {
      executionId: definition.executionIdOf(execution.id, execution.attempt),
      payload: execution.payload,
      discard: true
    }).pipe(Effect.orDie))

/** Written down first: what is known of it can be listed, and begun again by whoever finds that nobody has. */
const submitted = (operation: string, submission: Submission) =>
  Effect.gen(function*() {
    const payload = yield* validated(operation, submission)
    const id = definition.idOf(payload)
    yield* Effect.annotateCurrentSpan("panda.ingest.id", id)
    const { execution } = yield* Effect.flatMap(journal.current, (journal) => journal.add(id, payload))
    const before = new Map(definition.attributes(execution.payload))
    const differs = [...definition.attributes(payload), ...before].find(([name]) =>
      JSON.stringify(new Map(definition.attributes(payload)).get(name)) !== JSON.stringify(before.get(name))
    )
    if (differs !== undefined) {
      return yield* new PandaIngestRefused({
        operation: `Ingest.${operation}`,
        reason: "KeyReused",
        subject: differs[0]
      })
    }
    if (!isEnd(execution.status)) yield* begin(execution)
    return execution
  })

/**
 * Submits an ingestion, and gives its id at once. What was submitted before, with the same key or without one but with
 * the same source and settings, is not done again: its id is given.
 *
 * `PandaIngestRefused` if the payload is not valid, or its key belongs to an ingestion with other settings;
 * `PandaIngestUnavailable` if the database is away.
 *
 * @since 0.2.0
 * @category operations
 */
export const submit = (
  payload: Submission
): Effect.Effect<string, PandaIngestRefused | PandaIngestUnavailable, WorkflowEngine> =>
  Effect.map(submitted("submit", payload), ({ id }) => id).pipe(observed("submit"))

/** What its execution came to: one that was interrupted was cancelled. */
const exitOf = (payload: Payload, exit: Exit.Exit<Result, IngestError>): Exit.Exit<Result, IngestError> =>
  Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause) ? Exit.fail(cancelled(payload.source)) : exit

/**
 * Submits an ingestion and waits for its result.
 *
 * @since 0.2.0
 * @category operations
 */
export const run = (
  payload: Submission
): Effect.Effect<Result, IngestError | PandaIngestRefused | PandaIngestUnavailable, WorkflowEngine> =>
  Effect.gen(function*() {
    const execution = yield* submitted("run", payload)
    const engine = yield* WorkflowEngine
    const exit = yield* Effect.exit(engine.execute(definition.workflow, {
      executionId: definition.executionIdOf(execution.id, execution.attempt),
      payload: execution.payload
    }))
    return yield* exitOf(execution.payload, exit)
  }).pipe(observed("run"))

const found = (operation: string, id: string) =>
  Effect.flatMap(journal.current, (journal) => journal.get(id)).pipe(
    Effect.flatMap(Option.match({
      onNone: () =>
        new PandaIngestRefused({ operation: `Ingest.${operation}`, reason: "Unknown", subject: inLine(id) }),
      onSome: Effect.succeed
    }))
  )

const ending = (execution: Execution) =>
  Effect.flatMap(WorkflowEngine, (engine) =>
    Effect.map(
      Effect.exit(
        engine.poll(definition.workflow, definition.executionIdOf(execution.id, execution.attempt))
      ),
      (polled): Option.Option<Exit.Exit<Result, IngestError>> => {
        if (Exit.isFailure(polled)) return Option.none()
        const result = polled.value
        return result === undefined || result._tag === "Suspended"
          ? Option.none()
          : Option.some(exitOf(execution.payload, result.exit))
      }
    ))

/**
 * How an ingestion ended, if it has: with its result, or with what it failed with.
 *
 * @since 0.2.0
 * @category operations
 */
export const poll = (
  id: string
): Effect.Effect<
  Option.Option<Exit.Exit<Result, IngestError>>,
  PandaIngestRefused | PandaIngestUnavailable,
  WorkflowEngine
> => Effect.flatMap(found("poll", id), ending).pipe(observed("poll", id))

/**
 * How far an ingestion is.
 *
 * @since 0.2.0
 * @category operations
 */
export const status = (
  id: string
): Effect.Effect<Status, PandaIngestRefused | PandaIngestUnavailable, WorkflowEngine> =>
  Effect.map(describe("status", id), ({ status }) => status).pipe(observed("status", id))

/** The engine has the last word: who wrote the journal may have died before the end. */
const describe = (operation: string, id: string) =>
  Effect.gen(function*() {
    const execution = yield* found(operation, id)
    if (isEnd(execution.status)) return execution
    const exit = Option.getOrUndefined(yield* ending(execution))
    if (exit === undefined) return execution
    if (Exit.isSuccess(exit)) {
      return { ...execution, status: Status.members[4].make({ video: exit.value.video.id }) }
    }
    const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
    return error === undefined ? execution : { ...execution, status: Status.members[5].make({ error }) }
  })

/**
 * Cancels an ingestion: Panda's session is ended, what it has of the file thrown away. A video that is there already
 * stays. Does nothing to one that has ended. Comes back at once; `status` tells when it has been done.
 *
 * @since 0.2.0
 * @category operations
 */
export const cancel = (
  id: string
): Effect.Effect<void, PandaIngestRefused | PandaIngestUnavailable, WorkflowEngine> =>
  Effect.gen(function*() {
    const execution = yield* found("cancel", id)
    if (!(yield* Effect.flatMap(journal.current, (journal) => journal.cancel(id)))) return
    const engine = yield* WorkflowEngine
    // Of no effect on a step that runs, which looks for itself; but one that sleeps for long is woken by it.
    yield* engine.interrupt(definition.workflow, definition.executionIdOf(id, execution.attempt))
  }).pipe(observed("cancel", id))

/**
 * Begins one that has failed, or was cancelled, again under its id. Only what is missing is done: a video that is there
 * is not uploaded again, an encoding that succeeded is not made again.
 *
 * @since 0.2.0
 * @category operations
 */
export const retry = (
  id: string
): Effect.Effect<void, PandaIngestRefused | PandaIngestUnavailable, WorkflowEngine> =>
  Effect.gen(function*() {
    const known = yield* journal.current
    const execution = yield* describe("retry", id)
    if (execution.status._tag !== "Failed") {
      return yield* new PandaIngestRefused({ operation: "Ingest.retry", reason: "NotFailed", subject: inLine(id) })
    }
    yield* known.set(id, execution.attempt, execution.status)
    // Of several who retry one begins the attempt, and each sees to it that it runs.
    yield* known.again(id, execution.attempt)
    yield* begin(yield* found("retry", id))
  }).pipe(observed("retry", id))

/**
 * Some of the ingestions, newest first.
 *
 * @since 0.2.0
 * @category operations
 */
export const list = (
  filter: Filter = {}
): Effect.Effect<ReadonlyArray<Execution>, PandaIngestUnavailable, WorkflowEngine> =>
  Effect.flatMap(journal.current, (journal) => journal.list(filter)).pipe(observed("list"))

/**
 * All ingestions that the filter lets through, newest first, some at a time as they are pulled.
 *
 * @since 0.2.0
 * @category operations
 */
export const all = (
  filter: Omit<Filter, "after"> = {}
): Stream.Stream<Execution, PandaIngestUnavailable, WorkflowEngine> =>
  Stream.paginateChunkEffect(
    undefined as string | undefined,
    (after) =>
      Effect.map(list({ ...filter, after }), (page) => [
        Chunk.fromIterable(page),
        Option.map(Option.fromNullable(page.at(-1)), ({ id }) => id)
      ])
  )

/**
 * What nobody has gone on with for longer than it should take, 100 at most, the longest first: for a health check, of any
 * process. `layer` looks by itself.
 *
 * @since 0.2.0
 * @category operations
 */
export const overdue = (
  after: Duration.DurationInput = OVERDUE
): Effect.Effect<ReadonlyArray<Execution>, PandaIngestUnavailable, WorkflowEngine> =>
  Effect.flatMap(journal.current, (journal) => liveness.overdue(journal, after)).pipe(
    Effect.map((due) => due.map(({ execution }) => execution)),
    observed("overdue")
  )

/**
 * A handler for `Webhook.httpApp`: the ingestion of the event's video looks at once how its encodings are. It asks Panda
 * in any case, so an event that is lost, or false, changes nothing but the time. A wait of more than a minute, which only
 * an `encoding.schedule` of your own has, is not cut short.
 *
 * @since 0.2.0
 * @category webhooks
 */
export const webhook = (event: Webhook.Event): Effect.Effect<void, PandaIngestUnavailable, WorkflowEngine> => {
  switch (event._tag) {
    case "VideoCreated":
    case "VideoEncoded":
    case "EncodingComplete": {
      const { video_id: video } = event
      return video === undefined
        ? Effect.void
        : Effect.flatMap(journal.current, (journal) => journal.wake(video)).pipe(observed("webhook"))
    }
    case "EncodingProgress":
    case "Unknown":
      return Effect.void
  }
}

/**
 * What may be ingested: a submission, and the revision of its source.
 *
 * @since 0.2.0
 * @category watching
 */
export interface Candidate extends watching.Candidate {}

/**
 * The files of a folder and of the folders in it, by their paths from there, as candidates for `watch` and sources for
 * `Sources.layerFileSystem`; their revision is their size and time. By default those whose names end like a video's.
 * Nothing whose name, or whose folder's, begins with a dot, and nothing that is empty.
 *
 * @since 0.2.0
 * @category watching
 */
export const files: (
  folder: string,
  filter?: (path: string) => boolean
) => Stream.Stream<Pick<Candidate, "source" | "revision">, PandaSourceError, FileSystem.FileSystem> = watching.files

/** The same revision is the same ingestion, whatever its other settings are by now. */
const submitOnce = (submission: Submission) =>
  Effect.catchIf(
    submit(submission),
    (error) => error._tag === "PandaIngestRefused" && error.reason === "KeyReused",
    () => Effect.succeed(definition.idOf({ version: 1, ...submission }))
  )

const SETTLE: Duration.DurationInput = "5 seconds"

/**
 * How to look.
 *
 * @since 0.2.0
 * @category models
 */
export interface ScanOptions<E, R> {
  /** All that there is, each time that it is run. */
  readonly candidates: Stream.Stream<Candidate, E, R>
  /** For how long a revision has to stay as it is; 5 seconds by default. */
  readonly settle?: Duration.DurationInput | undefined
}

/**
 * Looks for candidates once, as `watch` does again and again: submits those that are new and have settled, and gives the
 * ids of all that have, those that were submitted before included.
 *
 * @since 0.2.0
 * @category watching
 */
export const scan = <E, R>(
  { candidates, settle = SETTLE }: ScanOptions<E, R>
): Effect.Effect<ReadonlyArray<string>, PandaIngestRefused | PandaIngestUnavailable | E, WorkflowEngine | R> =>
  Effect.suspend(() => watching.scan({ candidates, settle, submit: submitOnce, submitted: new Map() })).pipe(
    observed("scan")
  )

/**
 * How to watch.
 *
 * @since 0.2.0
 * @category models
 */
export interface WatchOptions<E extends { readonly message: string }, R> extends ScanOptions<E, R> {
  /** When to look. */
  readonly schedule: Schedule.Schedule<unknown> | Cron.Cron
  /** Of several that are watched, which; `default` by default. */
  readonly name?: string | undefined
}

/**
 * Looks for candidates, and submits those that are new and have settled: that are the same in two looks. The same
 * revision of a source is not submitted twice, whoever looks, and whatever its other settings are by then; one that has
 * changed is submitted again.
 *
 * Where it is provided with the cluster's `Sharding`, one process of the whole cluster looks, and another as soon as that
 * is gone; by a `Cron` what fell into the time between is made up for. Without, this process looks.
 *
 * @since 0.2.0
 * @category watching
 */
export const watch = <E extends { readonly message: string }, R>(
  { candidates, name = "default", schedule, settle = SETTLE }: WatchOptions<E, R>
): Layer.Layer<never, never, WorkflowEngine | R> =>
  Layer.suspend(() => {
    const submitted = new Map<string, string | undefined>()
    // One that cannot be submitted will not be by the next look either.
    const submit = (submission: Submission) =>
      Effect.catchTag(submitOnce(submission), "PandaIngestRefused", (error) =>
        Effect.as(Effect.logWarning(`Panda.Ingest: ${excerpt(submission.source)}: ${error.message}`), undefined))
    return watching.repeatedly(
      name,
      schedule,
      watching.tolerant(watching.scan({ candidates, settle, submit, submitted }))
    )
  })
