/** Looking for what is to be ingested, again and again: in the whole cluster once, where there is one. */
import * as ClusterCron from "@effect/cluster/ClusterCron"
import { Sharding } from "@effect/cluster/Sharding"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Cron from "effect/Cron"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { PandaSourceError } from "../../PandaError.js"
import { excerpt } from "../text/excerpt.js"
import { type PandaIngestRefused, PandaIngestUnavailable, type Payload } from "./model.js"

/** Something that may be ingested. */
export interface Candidate extends Omit<typeof Payload.Type, "version"> {
  /** Another text as soon as the source is another: its size and time, an ETag. */
  readonly revision: string
}

/** It was ingested if its source, or its key, was in this revision: with whatever settings. */
const keyOf = ({ key, revision, source }: Candidate) => `${key ?? source}@${revision}`

/**
 * One look, and another after a while: what both have is submitted; gives the ids of that. Nothing that is needed for
 * the next is kept in memory, since that may be another process's; `submitted` has the ids of what this one knows by
 * their keys, which only spares the database.
 */
export const scan = <E, R, E2, R2>(
  { candidates, settle, submit, submitted }: {
    readonly candidates: Stream.Stream<Candidate, E, R>
    readonly settle: Duration.DurationInput
    /** Gives no id of what is to be left alone. */
    readonly submit: (
      payload: Omit<typeof Payload.Type, "version">
    ) => Effect.Effect<string | undefined, PandaIngestRefused | E2, R2>
    readonly submitted: Map<string, string | undefined>
  }
): Effect.Effect<ReadonlyArray<string>, PandaIngestRefused | E | E2, R | R2> => {
  const look = Effect.map(
    Stream.runCollect(candidates),
    (found) => new Map(Array.from(found, (candidate) => [keyOf(candidate), candidate]))
  )
  const known = () => Array.from(submitted.values()).filter((id) => id !== undefined)
  return Effect.gen(function*() {
    const before = yield* look
    // What is gone may come back, and memory is not for ever.
    for (const key of submitted.keys()) if (!before.has(key)) submitted.delete(key)
    if (Array.from(before.keys()).every((key) => submitted.has(key))) return known()
    yield* Effect.sleep(settle)
    for (const [key, { revision: _, ...payload }] of yield* look) {
      if (!before.has(key) || submitted.has(key)) continue
      submitted.set(key, yield* submit({ ...payload, key }))
      yield* Effect.logDebug(`Panda.Ingest: ${excerpt(payload.source)} was found`)
    }
    return known()
  })
}

/** A look that is followed by others: what goes wrong is said, and ends none of them. */
export const tolerant = <E extends { readonly message: string }, R>(
  scan: Effect.Effect<unknown, E | PandaIngestUnavailable, R>
): Effect.Effect<void, never, R> =>
  Effect.asVoid(scan).pipe(
    Effect.catchAll((error) =>
      Effect.logWarning(
        `Panda.Ingest: ${
          error instanceof PandaIngestUnavailable ? "looks again later" : "could not look for files"
        }: ${error.message}`
      )
    ),
    Effect.catchAllDefect((defect) => Effect.logError("Panda.Ingest: could not look for files", defect)),
    Effect.withSpan("Panda.Ingest.watch", { captureStackTrace: false, root: true })
  )

/** By the schedule, by whoever has been given it among all processes of a cluster; without one, in this process. */
export const repeatedly = <R>(
  name: string,
  schedule: Schedule.Schedule<unknown> | Cron.Cron,
  run: Effect.Effect<void, never, R>
): Layer.Layer<never, never, R> =>
  Layer.unwrapScoped(Effect.gen(function*() {
    const sharding = Option.getOrUndefined(yield* Effect.serviceOption(Sharding))
    // A time that nobody was there at is made up for. What is needed besides the cluster is R, here and below: the
    // compiler cannot take a service away from a type that it does not know.
    if (sharding !== undefined && Cron.isCron(schedule)) {
      return ClusterCron.make({ name: `Panda.Ingest/${name}`, cron: schedule, execute: run }).pipe(
        Layer.provide(Layer.succeed(Sharding, sharding))
      ) as Layer.Layer<never, never, R>
    }
    const repeated: Effect.Effect<void, never, R> = Cron.isCron(schedule)
      ? Effect.asVoid(Effect.schedule(run, Schedule.cron(schedule)))
      : Effect.asVoid(Effect.repeat(run, schedule))
    if (sharding === undefined) yield* Effect.forkScoped(repeated)
    else yield* sharding.registerSingleton(`Panda.Ingest/${name}`, repeated)
    return Layer.empty
  })) as Layer.Layer<never, never, R>

const VIDEO = /[.](3gp|avi|flv|m2ts|m4v|mkv|mov|mp4|mpe?g|mts|mxf|ogv|ts|vob|webm|wmv)$/i

/** The files of a folder, and of those in it, by their paths from there. */
export const files = (
  folder: string,
  filter: (path: string) => boolean = (path) => VIDEO.test(path)
): Stream.Stream<Pick<Candidate, "source" | "revision">, PandaSourceError, FileSystem.FileSystem> =>
  Stream.unwrap(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const found = yield* Effect.mapError(
      fs.readDirectory(folder, { recursive: true }),
      (error) =>
        new PandaSourceError({
          operation: "Ingest.files",
          reason: "Unreadable",
          file: excerpt(folder),
          description: error._tag === "SystemError" ? error.reason : "it is not a path"
        })
    )
    const paths = found.map((path) => path.replaceAll("\\", "/")).filter((path) =>
      !path.split("/").some((part) => part.startsWith(".")) && filter(path)
    ).sort()
    return Stream.fromIterable(paths).pipe(
      // Gone again, or not ours to read: it is no candidate.
      Stream.mapEffect(
        (source) => Effect.option(Effect.map(fs.stat(`${folder}/${source}`), (info) => ({ source, info }))),
        {
          concurrency: 8
        }
      ),
      Stream.filterMap((file) => file),
      Stream.filter(({ info: { size, type } }) => type === "File" && size > 0n),
      Stream.map(({ info: { mtime, size }, source }) => ({
        source,
        revision: `${size}-${Option.match(mtime, { onNone: () => "", onSome: (time) => time.getTime() })}`
      }))
    )
  }))
