/** Files on their way to Panda, as `upload` and `demo` send them: what happens is told as it happens. */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Clouds from "../Clouds.js"
import * as Encodings from "../Encodings.js"
import type { PandaClient } from "../PandaClient.js"
import * as Upload from "../Upload.js"
import type * as UploadSource from "../UploadSource.js"
import type { UploadStore } from "../UploadStore.js"
import * as Videos from "../Videos.js"
import { codes, type Ended } from "./exit.js"
import { Output } from "./output.js"
import * as Progress from "./progress.js"
import * as Telling from "./telling.js"

export interface Input {
  /** As it was named on the command line. */
  readonly path: string
  readonly source: UploadSource.Any
}

export interface Options extends Upload.Options {
  readonly concurrency: number
  /** Whether to follow the encodings, and how often to look. */
  readonly wait: Schedule.Schedule<unknown> | undefined
  /** The command that goes on with what was interrupted; undefined if none can. */
  readonly again: string | undefined
}

/** Fails with `Ended`, once all is told, unless all is done. */
export const run = (
  inputs: ReadonlyArray<Input>,
  { again, concurrency, wait, ...options }: Options
): Effect.Effect<void, Ended, Output | PandaClient | UploadStore> =>
  Effect.gen(function*() {
    const output = yield* Output
    output.unreadCode = again === undefined ? codes.failed : codes.resumable
    const progress = yield* Progress.make(output, inputs.length)
    const telling = Telling.make(output, progress, { again, alone: inputs.length === 1 })
    const tasks = new Map<UploadSource.Any, Telling.Task>(
      yield* Effect.forEach(inputs, ({ path, source }) =>
        Effect.map(telling.task(path, source.name), (task) => [source, task] as const))
    )

    const follow = (task: Telling.Task, video: Videos.Video) =>
      Effect.gen(function*() {
        const encodings = yield* wait === undefined
          ? Effect.succeed([])
          : Encodings.watchVideo(video.id, { schedule: wait }).pipe(
            Stream.tap((encodings) =>
              telling.encodings(task, encodings)
            ),
            Stream.runLast,
            Effect.map(Option.getOrElse((): ReadonlyArray<Encodings.Encoding> => []))
          )
        const [now, cloud] = wait === undefined
          ? [video, Option.none()]
          : yield* Effect.all([Videos.find(video.id), Effect.option(Clouds.current)])
        yield* telling.end(task, yield* telling.result(task, now, encodings, cloud))
      }).pipe(Effect.catchAll((error) => telling.fail(task, error)))

    yield* Effect.gen(function*() {
      yield* progress.draw
      const following = yield* FiberSet.make<void, never>()
      yield* Upload.many(inputs.map(({ source }) => source), {
        ...options,
        concurrency,
        upload: (source, options) =>
          source._tag === "Rewindable" ? Upload.startOrResume(source, options) : Upload.start(source, options)
      }).pipe(
        Stream.runForEach(({ source, totals, ...told }) =>
          Effect.gen(function*() {
            const task = tasks.get(source)!
            if (told._tag === "Failed") yield* telling.fail(task, told.error)
            if (told._tag === "Event") {
              yield* telling.event(task, told.event)
              if (told.event._tag === "Uploaded") yield* FiberSet.run(following, follow(task, told.event.video))
            }
            yield* progress.total({
              files: inputs.length,
              done: totals.uploaded,
              acknowledged: totals.acknowledged,
              size: totals.size
            })
          })
        ),
        // Each file fails by itself.
        Effect.catchAll((error) => Effect.dieMessage(error.message))
      )
      yield* FiberSet.awaitEmpty(following)
    }).pipe(
      Effect.scoped,
      // Nobody reads what becomes of it: the rest is for the next run.
      Effect.onInterrupt(() => output.unread() ? Effect.void : telling.lastWords)
    )
    yield* telling.conclude
  })
