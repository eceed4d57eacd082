/**
 * Files on their way to Panda, as `upload` and `demo` show them: what happens is told as it happens, each file ends in a
 * line of its own, and all of them in one exit code.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
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
import { codeOf, codes, Ended, isTagged } from "./exit.js"
import * as json from "./json.js"
import { Output } from "./output.js"
import * as Progress from "./progress.js"
import { bytes, inLine, seconds } from "./text.js"

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

/** What became of a file; `code` is 0 if it is done. */
interface Outcome {
  readonly code: number
  readonly error?: unknown
}

/** Fails with `Ended`, once all is told, unless all is done. */
export const run = (
  inputs: ReadonlyArray<Input>,
  { again, concurrency, wait, ...options }: Options
): Effect.Effect<void, Ended, Output | PandaClient | UploadStore> =>
  Effect.gen(function*() {
    const output = yield* Output
    const { err, out } = output.style
    output.unreadCode = again === undefined ? codes.failed : codes.resumable
    const outcomes = new Map<Input, Outcome>()
    const began = yield* Clock.currentTimeMillis
    /** What is told of one of several says of which. */
    const about = ({ path }: Input, words: string) => inputs.length === 1 ? words : `${inLine(path)}: ${words}`

    const task = (input: Input) => {
      let row: Progress.Row = { name: inLine(input.source.name), stage: "starting", acknowledged: 0, size: 0 }
      return {
        input,
        failures: 0,
        lastTold: -Infinity,
        get row() {
          return row
        },
        change: (next: Partial<Progress.Row>) => {
          row = { ...row, ...next }
          return row
        },
        video: undefined as Videos.Video | undefined
      }
    }
    type Task = ReturnType<typeof task>
    const tasks = new Map<UploadSource.Any, Task>(inputs.map((input) => [input.source, task(input)]))

    yield* Effect.gen(function*() {
      const progress = yield* Progress.make(output, inputs.length)
      const following = yield* FiberSet.make<void, never>()
      const show = (task: Task, next: Partial<Progress.Row>) => progress.set(task, task.change(next))

      const end = (task: Task, code: number, error?: unknown) =>
        Effect.suspend(() => {
          outcomes.set(task.input, { code, error })
          return progress.remove(task)
        })

      const fail = (task: Task, error: unknown) =>
        Effect.gen(function*() {
          const message = error instanceof Error ? error.message : String(error)
          yield* end(task, codeOf(error, task.video === undefined && again !== undefined), error)
          yield* output.emit({ type: "failed", file: task.input.path, error: json.failure(error) })
          // One that is about the file names it as it was tried.
          const path = isTagged(error) && error._tag === "PandaSourceError" ? ` (${inLine(task.input.path)})` : ""
          yield* output.complain(err("red", about(task.input, `Failed: ${message}${path}`)))
        })

      const follow = (task: Task, video: Videos.Video) =>
        Effect.gen(function*() {
          const encodings = yield* wait === undefined
            ? Effect.succeed([])
            : Encodings.watchVideo(video.id, { schedule: wait }).pipe(
              Stream.tap((encodings) =>
                Effect.zipRight(
                  output.emit({
                    type: "encoding",
                    file: task.input.path,
                    encodings: encodings.map((encoding) => JSON.parse(Encodings.toJson(encoding)))
                  }),
                  show(task, {
                    stage: encodings.length === 0 ? "waiting" : "encoding",
                    encoded: Progress.leastEncoded(encodings)
                  })
                )
              ),
              Stream.runLast,
              Effect.map(Option.getOrElse((): ReadonlyArray<Encodings.Encoding> => []))
            )
          const [now, cloud] = wait === undefined
            ? [video, Option.none()]
            : yield* Effect.all([Videos.find(video.id), Effect.option(Clouds.current)])
          yield* output.print(
            `Video     ${out("bold", inLine(now.id))}  ${Progress.stateOf(now)}  ${inLine(task.input.path)}`
          )
          for (const encoding of encodings) {
            yield* output.print(Progress.resultOf(encoding, cloud))
          }
          const failed = Videos.isFail(now) || encodings.some(Encodings.isFail)
          yield* end(task, failed ? codes.failed : 0)
        }).pipe(Effect.catchAll((error) => fail(task, error)))

      const tell = (task: Task, event: Upload.UploadEvent) =>
        Effect.gen(function*() {
          if (event._tag === "Retrying") task.failures++
          if (yield* isDue(task, event)) {
            yield* output.emit(json.ofUpload(task.input.path, task.failures, event, Upload.describe(event)))
          }
          switch (event._tag) {
            case "Started":
            case "Resumed":
            case "Restarted": {
              const { acknowledged, fingerprint: { size } } = event.state
              yield* output.note(about(task.input, beginning(event)))
              yield* show(task, { stage: "sending", acknowledged, size })
              break
            }
            case "Progress":
              yield* show(task, {
                stage: "sending",
                acknowledged: event.acknowledged,
                size: event.size,
                bytesPerSecond: event.bytesPerSecond,
                secondsLeft: event.eta === undefined || event.acknowledged === event.size
                  ? undefined
                  : Duration.toSeconds(event.eta)
              })
              break
            case "Retrying":
              yield* output.note(err(
                "yellow",
                about(
                  task.input,
                  `Failure ${task.failures}, asking the server in ${
                    Duration.toSeconds(event.delay).toFixed(1)
                  } s: ${event.error.message}`
                )
              ))
              yield* show(task, { stage: "retrying", bytesPerSecond: undefined, secondsLeft: undefined })
              break
            case "Uploaded": {
              const { video } = event
              task.video = video
              const took = seconds(((yield* Clock.currentTimeMillis) - began) / 1000)
              yield* output.note(
                `${err("green", "✓")} ${about(task.input, `Uploaded as video ${inLine(video.id)}`)}, ${
                  bytes(task.row.size)
                } in ${took}`
              )
              yield* show(task, { stage: "waiting", acknowledged: task.row.size })
              yield* FiberSet.run(following, follow(task, video))
              break
            }
            default:
              yield* output.note(about(task.input, Upload.describe(event)))
              yield* show(task, { stage: "waiting" })
          }
        })

      yield* Upload.many(inputs.map(({ source }) => source), {
        ...options,
        concurrency,
        upload: (source, options) =>
          source._tag === "Rewindable" ? Upload.startOrResume(source, options) : Upload.start(source, options)
      }).pipe(
        Stream.runForEach(({ source, totals, ...told }) => {
          const task = tasks.get(source)!
          return Effect.zipRight(
            told._tag === "Event"
              ? tell(task, told.event)
              : told._tag === "Failed"
              ? fail(task, told.error)
              : Effect.void,
            progress.total({
              files: inputs.length,
              done: totals.uploaded,
              acknowledged: totals.acknowledged,
              size: totals.size
            })
          )
        }),
        // Each file fails by itself.
        Effect.catchAll((error) => Effect.dieMessage(error.message))
      )
      yield* FiberSet.awaitEmpty(following)
    }).pipe(
      Effect.scoped,
      // Nobody reads what becomes of it: the rest is for the next run.
      Effect.onInterrupt(() =>
        output.unread() ? Effect.void : lastWords([...tasks.values()], outcomes, about, output, again)
      )
    )

    const all = Array.from(outcomes.values(), ({ code }) => code)
    const bad = all.filter((code) => code !== 0)
    const value = { files: all.length, done: all.length - bad.length, failed: bad.length }
    if (bad.length === 0) return yield* output.emit({ type: "result", value })
    const code = bad.length < all.length ? codes.partly : bad.every((code) => code === bad[0]) ? bad[0]! : codes.failed
    if (bad.includes(codes.resumable) && again !== undefined) yield* output.complain(`To go on: ${again}`)
    const [only] = all.length === 1 ? outcomes.values() : []
    return yield* new Ended({ code, message: `${bad.length} of ${all.length} files failed`, cause: only?.error })
  })

/** On what an interruption leaves behind. */
const lastWords = (
  tasks: ReadonlyArray<{
    readonly input: Input
    readonly row: Progress.Row
    readonly video: Videos.Video | undefined
  }>,
  outcomes: ReadonlyMap<Input, unknown>,
  about: (input: Input, words: string) => string,
  output: Output.Service,
  again: string | undefined
): Effect.Effect<void> =>
  Effect.gen(function*() {
    const left = tasks.filter(({ input }) => !outcomes.has(input))
    for (const { input, row: { acknowledged, size }, video } of left) {
      yield* output.complain(about(
        input,
        video !== undefined
          ? `Interrupted. It is uploaded, and Panda goes on: effect-panda encodings watch --video ${video.id}`
          : size === 0
          ? "Interrupted before anything was sent."
          : input.source._tag === "OnePass"
          ? "Interrupted. What came from standard input has to be sent again."
          : `Interrupted at byte ${acknowledged} of ${size}.${tasks.length === 1 ? ` To go on: ${again}` : ""}`
      ))
    }
    if (tasks.length > 1 && again !== undefined) yield* output.complain(`To go on: ${again}`)
  })

const beginning = (event: Extract<Upload.UploadEvent, { readonly state: unknown }>): string =>
  event._tag === "Resumed"
    ? `${Upload.describe(event)} (byte ${event.state.acknowledged})`
    : Upload.describe(event)

/** Progress is told at most ten times a second. */
const isDue = (task: { lastTold: number }, event: Upload.UploadEvent) =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    if (event._tag !== "Progress") return true
    if (now - task.lastTold < 100) return false
    task.lastTold = now
    return true
  })
