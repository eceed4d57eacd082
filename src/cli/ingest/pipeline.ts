/** The durable pipeline in this process: its engine, and what a person is told of it. */
import * as ClusterWorkflowEngine from "@effect/cluster/ClusterWorkflowEngine"
import * as SingleRunner from "@effect/cluster/SingleRunner"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Cron from "effect/Cron"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { basename, join } from "node:path"
import * as Clouds from "../../Clouds.js"
import * as Ingest from "../../Ingest.js"
import * as SqlUploadStore from "../../SqlUploadStore.js"
import { codes } from "../exit.js"
import { Output } from "../output.js"
import * as Progress from "../progress.js"
import * as Telling from "../telling.js"
import { inLine } from "../text.js"
import * as Database from "./database.js"

export interface Options {
  /** As it was named on the command line. */
  readonly folder: string
  /** What it is really called. */
  readonly path: string
  readonly account: string
  readonly database: Database.Database
  readonly submission: Omit<Ingest.Candidate, "source" | "revision">
  readonly uploads: number
  readonly bandwidth: number | undefined
  readonly chunkSize: number | undefined
  /** When to look for more; once, if there is none. */
  readonly schedule: Schedule.Schedule<unknown> | Cron.Cron | undefined
  /** In words. */
  readonly when: string
  /** The command that goes on. */
  readonly again: string
}

/** How long a file must not have changed to be taken for whole (milliseconds). */
const SETTLE = 5_000

/**
 * Who looks on wants to be told within minutes, and has the same command to go on with; what runs unattended tries for a
 * day. An upload has tried again by itself before.
 */
const attended = Schedule.exponential("1 second").pipe(
  Schedule.intersect(Schedule.recurs(5)),
  Schedule.whileInput((error: Ingest.IngestError) => error._tag === "PandaIngestFailed" && error.step !== "upload")
)

/**
 * What is told in other words; and what a cluster says of runners to each other, of which there is one, that may not run
 * ingestions yet, or any more.
 */
const NOISE = /^Panda\.Ingest: (done, video|Ingest:) |^Could not find entity manager|^No healthy runners/

/** One process has all there is, and is told at once. */
const shardingConfig = {
  shardsPerGroup: 16,
  refreshAssignmentsInterval: "1 second",
  entityMessagePollInterval: "1 second",
  entityTerminationTimeout: "3 seconds"
} as const

const engine = (options: Options, journal: (journal: Ingest.Journal.Service) => Ingest.Journal.Service) =>
  Layer.mergeAll(
    ClusterWorkflowEngine.layer.pipe(Layer.provide(SingleRunner.layer({ runnerStorage: "sql", shardingConfig }))),
    Ingest.layerJournal().pipe(
      Layer.map((context) => Context.make(Ingest.Journal, journal(Context.get(context, Ingest.Journal))))
    ),
    SqlUploadStore.layer()
  ).pipe(Layer.provide(Database.layer(options.database, options.path, options.account)))

/** An error of the library tells its users what to do; who runs the command does something else. */
const wordsOf = (error: Ingest.IngestError) =>
  error._tag === "PandaIngestFailed" ? `${error.step}: ${error.description}` : "it was cancelled"

export const run = (options: Options) =>
  Effect.gen(function*() {
    const output = yield* Output
    output.unreadCode = codes.resumable
    output.toldOtherwise = NOISE
    const progress = yield* Progress.make(output, 0)
    const telling = Telling.make(output, progress, { alone: false, again: options.again })
    const fs = yield* FileSystem.FileSystem
    const tasks = new Map<string, Telling.Task & { readonly ended: Deferred.Deferred<void> }>()
    const sizes = new Map<string, number>()

    const count = Effect.suspend(() => {
      const all = Array.from(tasks.values())
      const sum = (of: (task: Telling.Task) => number) => all.reduce((sum, task) => sum + of(task), 0)
      return progress.total({
        files: all.length,
        done: all.filter(({ video }) => video !== undefined).length,
        acknowledged: sum(({ row }) => row.acknowledged),
        size: sum(({ row }) => row.size)
      })
    })

    /** An ingestion that this process sees to, whoever began it. */
    const taken = ({ id, payload: { source }, video }: Pick<Ingest.Execution, "id" | "payload" | "video">) =>
      Effect.gen(function*() {
        const known = tasks.get(id)
        if (known !== undefined && known.outcome === undefined) return
        const task = yield* telling.task(join(options.folder, source), basename(source))
        task.row = { ...task.row, size: sizes.get(source) ?? 0 }
        task.video = video
        tasks.set(id, Object.assign(task, { ended: yield* Deferred.make<void>() }))
        yield* count
      })

    /** Of what has ended nothing more is told. */
    const about = <R>(id: string, tell: (task: Telling.Task) => Effect.Effect<unknown, never, R>) =>
      Effect.gen(function*() {
        const task = tasks.get(id)
        if (task === undefined || task.outcome !== undefined) return
        yield* tell(task)
        yield* count
        if (task.outcome !== undefined) yield* Deferred.succeed(task.ended, undefined)
      })

    /** The exit codes of those whose result was told. */
    const codesOf = new Map<string, number>()

    const status = (id: string, status: Ingest.Status) =>
      about(id, (task): Effect.Effect<void> => {
        switch (status._tag) {
          // Of which the upload tells more, and sooner.
          case "Uploading":
            return Effect.void
          case "Encoding":
            task.video = status.video
            return telling.show(task, {
              stage: "encoding",
              acknowledged: task.row.size,
              sent: task.row.size,
              encoded: Math.floor(status.percent)
            })
          case "Done":
            return telling.end(task, codesOf.get(id) ?? 0)
          case "Failed":
            return telling.fail(task, status.error, wordsOf(status.error))
          default:
            return task.row.stage === "starting" ? Effect.void : telling.show(task, { stage: "waiting" })
        }
      })

    /** What this process writes down is what it does: there is no other. */
    const listening = (journal: Ingest.Journal.Service): Ingest.Journal.Service => ({
      ...journal,
      add: (id, payload) =>
        Effect.tap(
          journal.add(id, payload),
          ({ execution, isNew }) => isNew ? taken(execution) : Effect.void
        ),
      again: (id, attempt) =>
        Effect.tap(journal.again(id, attempt), (did) =>
          did
            ? Effect.flatMap(journal.get(id), Option.match({ onNone: () => Effect.void, onSome: taken }))
            : Effect.void),
      set: (id, attempt, next, due) => Effect.zipLeft(journal.set(id, attempt, next, due), status(id, next))
    })

    const deliver = ({ encodings, video }: Ingest.Result, id: string) =>
      about(id, (task) =>
        Effect.gen(function*() {
          yield* telling.encodings(task, encodings)
          codesOf.set(id, yield* telling.result(task, video, encodings, yield* Effect.option(Clouds.current)))
        }))

    const candidates = Stream.map(
      Ingest.files(options.path),
      (file): Ingest.Candidate => ({ ...file, ...options.submission })
    )

    /** How long to wait until all that is there has had the time to change. */
    const settle = Effect.gen(function*() {
      let newest = -Infinity
      yield* Stream.runForEach(Ingest.files(options.path), ({ source }) =>
        Effect.map(Effect.option(fs.stat(join(options.path, source))), (info) => {
          if (Option.isNone(info)) {
            return
          }
          sizes.set(source, Number(info.value.size))
          newest = Math.max(
            newest,
            Option.match(info.value.mtime, {
              onNone: () =>
                0,
              onSome: (at) => at.getTime()
            })
          )
        }))
      const age = (yield* Clock.currentTimeMillis) - newest
      return Math.min(SETTLE, Math.max(0, SETTLE - age))
    })

    /** What is in the folder: what was never seen is begun, what failed begun again, what is done left alone. */
    const look = Effect.gen(function*() {
      const pause = yield* settle
      if (pause > 0 && sizes.size > 0) {
        yield* output.note("Waiting a moment: some files are new, and may be growing yet")
      }
      const before = new Map(
        Array.from(yield* Stream.runCollect(Ingest.all()), ({ id, status }) =>
          [id, status] as const)
      )
      const ids = yield* Ingest.scan({ candidates, settle: pause })
      for (const id of ids) if (before.get(id)?._tag === "Failed") yield* Ingest.retry(id)
      const done = ids.filter((id) => before.get(id)?._tag === "Done").length
      if (done > 0) yield* output.note(`${done} ${done === 1 ? "file was" : "files were"} ingested before`)
      if (ids.length === 0) yield* output.note(`There are no videos in ${inLine(options.folder)}`)
    })

    const unfinished = Effect.forEach(
      ["Queued", "Uploading", "Encoding", "Delivering"] as const,
      (status) => Stream.runForEach(Ingest.all({ status }), taken)
    )

    const running = Ingest.layer({
      uploads: options.uploads,
      bandwidth: options.bandwidth,
      upload: { chunkSize: options.chunkSize },
      onEvent: (event, id) => about(id, (task) => telling.event(task, event)),
      deliver,
      ...options.schedule === undefined ? { retry: attended } : {}
    }).pipe(Layer.provide(Ingest.Sources.layerFileSystem(options.path)))

    yield* Effect.gen(function*() {
      yield* progress.draw
      yield* settle
      yield* unfinished
      yield* Layer.build(running)
      yield* look
      if (options.schedule !== undefined) {
        yield* output.note(`Watching ${inLine(options.folder)} ${options.when}. Ctrl-C ends it`)
        yield* Layer.build(Ingest.watch({ candidates, schedule: options.schedule }))
        return yield* Effect.never
      }
      yield* Effect.forEach(tasks.values(), ({ ended }) => Deferred.await(ended))
    }).pipe(
      Effect.scoped,
      Effect.provide(engine(options, listening)),
      Effect.onInterrupt(() => output.unread() ? Effect.void : telling.lastWords)
    )
    yield* telling.conclude
  })
