/**
 * What is told of files on their way to Panda, as `upload`, `demo` and `ingest` have it: each ends in a line of its own,
 * and all of them in one exit code.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { Cloud } from "../Clouds.js"
import * as Encodings from "../Encodings.js"
import { PandaSourceError } from "../PandaError.js"
import * as Upload from "../Upload.js"
import * as Videos from "../Videos.js"
import { codeOf, codes, Ended } from "./exit.js"
import * as json from "./json.js"
import type { Output } from "./output.js"
import * as Progress from "./progress.js"
import { bytes, inLine, seconds } from "./text.js"

/** A file, from when it is taken up until it ends. */
export interface Task {
  /** As it is named to people. */
  readonly path: string
  row: Progress.Row
  video: string | undefined
  began: number
  failures: number
  lastTold: number
  outcome: Outcome | undefined
}

/** What became of a file; `code` is 0 if it is done. */
export interface Outcome {
  readonly code: number
  readonly error?: unknown
}

export interface Telling {
  readonly task: (path: string, name: string) => Effect.Effect<Task>
  readonly show: (task: Task, next: Partial<Progress.Row>) => Effect.Effect<void>
  readonly event: (task: Task, event: Upload.UploadEvent) => Effect.Effect<void>
  readonly encodings: (task: Task, encodings: ReadonlyArray<Encodings.Encoding>) => Effect.Effect<void>
  /** What came of it; gives its exit code. */
  readonly result: (
    task: Task,
    video: Videos.Video,
    encodings: ReadonlyArray<Encodings.Encoding>,
    cloud: Option.Option<Cloud>
  ) => Effect.Effect<number>
  readonly end: (task: Task, code: number, error?: unknown) => Effect.Effect<void>
  /** The words are the error's own, unless there are others. */
  readonly fail: (task: Task, error: unknown, words?: string) => Effect.Effect<void>
  /** Fails with `Ended` unless all are done. */
  readonly conclude: Effect.Effect<void, Ended>
  /** On what an interruption leaves behind. */
  readonly lastWords: Effect.Effect<void>
}

export interface Options {
  /** Whether there is only one file, so that nothing has to say of which it is. */
  readonly alone: boolean
  /** The command that goes on with what was interrupted; undefined if none can. */
  readonly again: string | undefined
}

/** So many files that wait for their turn are named one by one. */
const MANY = 10

export const make = (
  output: Output.Service,
  progress: Progress.Progress,
  { again, alone }: Options
): Telling => {
  const { err, out } = output.style
  const tasks: Array<Task> = []
  const about = (task: Task, words: string) => alone ? words : `${named(task)}: ${words}`

  const show: Telling["show"] = (task, next) =>
    Effect.suspend(() => {
      task.row = { ...task.row, ...next }
      return progress.set(task, task.row)
    })

  const end: Telling["end"] = (task, code, error) =>
    Effect.suspend(() => {
      task.outcome = { code, error }
      return progress.remove(task)
    })

  return {
    task: (path, name) =>
      Effect.map(Clock.currentTimeMillis, (began) => {
        const task: Task = {
          path,
          row: { name: inLine(name), stage: "starting", acknowledged: 0, sent: 0, size: 0 },
          video: undefined,
          began,
          failures: 0,
          lastTold: -Infinity,
          outcome: undefined
        }
        tasks.push(task)
        return task
      }),
    show,
    end,
    fail: (task, error, words) =>
      Effect.gen(function*() {
        const message = words ?? wordsOf(task, error)
        yield* end(task, codeOf(error, task.video === undefined && again !== undefined), error)
        yield* output.emit({ type: "failed", file: task.path, error: json.failure(error) })
        yield* output.complain(err("red", about(task, `Failed: ${message}`)))
      }),
    encodings: (task, encodings) =>
      Effect.zipRight(
        output.emit({
          type: "encoding",
          file: task.path,
          encodings: encodings.map((encoding) => JSON.parse(Encodings.toJson(encoding)))
        }),
        show(task, {
          stage: encodings.length === 0 ? "waiting" : "encoding",
          encoded: Progress.leastEncoded(encodings)
        })
      ),
    result: (task, video, encodings, cloud) =>
      Effect.gen(function*() {
        yield* output.print(
          `Video     ${out("bold", inLine(video.id))}  ${Progress.stateOf(video)}  ${named(task)}`
        )
        for (const encoding of encodings) yield* output.print(Progress.resultOf(encoding, cloud))
        return Videos.isFail(video) || encodings.some(Encodings.isFail) ? codes.failed : 0
      }),
    event: (task, event) =>
      Effect.gen(function*() {
        if (event._tag === "Retrying") task.failures++
        if (yield* isDue(task, event)) {
          yield* output.emit(json.ofUpload(task.path, task.failures, event, Upload.describe(event)))
        }
        switch (event._tag) {
          case "Started":
          case "Resumed":
          case "Restarted": {
            const { acknowledged, fingerprint: { size } } = event.state
            // It may have waited for its turn.
            if (task.row.stage === "starting") task.began = yield* Clock.currentTimeMillis
            yield* output.note(about(task, beginning(event)))
            yield* show(task, { stage: "sending", acknowledged, sent: acknowledged, size })
            break
          }
          case "Progress":
            yield* show(task, {
              stage: "sending",
              acknowledged: event.acknowledged,
              sent: event.sent,
              size: event.size,
              bytesPerSecond: event.bytesPerSecond,
              secondsLeft: !event.bytesPerSecond || event.acknowledged === event.size
                ? undefined
                : (event.size - event.sent) / event.bytesPerSecond
            })
            break
          case "Retrying":
            yield* output.note(err(
              "yellow",
              about(
                task,
                `Failure ${task.failures}, asking the server in ${
                  Duration.toSeconds(event.delay).toFixed(1)
                } s: ${event.error.message}`
              )
            ))
            yield* show(task, { stage: "retrying", bytesPerSecond: undefined, secondsLeft: undefined })
            break
          case "Uploaded": {
            task.video = event.video.id
            const took = seconds(((yield* Clock.currentTimeMillis) - task.began) / 1000)
            yield* output.note(
              `${err("green", "✓")} ${about(task, `Uploaded as video ${inLine(event.video.id)}`)}, ${
                bytes(task.row.size)
              } in ${took}`
            )
            yield* show(task, { stage: "waiting", acknowledged: task.row.size, sent: task.row.size })
            break
          }
          default:
            yield* output.note(about(task, Upload.describe(event)))
            yield* show(task, { stage: "waiting" })
        }
      }),
    conclude: Effect.gen(function*() {
      const all = tasks.map(({ outcome }) => outcome).filter((outcome) => outcome !== undefined)
      const bad = all.map(({ code }) => code).filter((code) => code !== 0)
      const value = { files: all.length, done: all.length - bad.length, failed: bad.length }
      if (bad.length === 0) return yield* output.emit({ type: "result", value })
      const code = bad.length < all.length
        ? codes.partly
        : bad.every((code) => code === bad[0])
        ? bad[0]!
        : codes.failed
      if (bad.includes(codes.resumable) && again !== undefined) yield* output.complain(`To go on: ${again}`)
      const [only] = all.length === 1 ? all : []
      return yield* new Ended({ code, message: `${bad.length} of ${all.length} files failed`, cause: only?.error })
    }),
    lastWords: Effect.gen(function*() {
      const left = tasks.filter(({ outcome }) => outcome === undefined)
      const waiting = left.filter(({ row, video }) => row.stage === "starting" && video === undefined)
      for (const task of waiting.length > MANY ? left.filter((task) => !waiting.includes(task)) : left) {
        const { row: { acknowledged, size, stage }, video } = task
        yield* output.complain(about(
          task,
          video !== undefined
            ? `Interrupted. It is uploaded, and Panda goes on: effect-panda encodings watch --video ${video}`
            : stage === "starting"
            ? "Interrupted before anything was sent."
            : again === undefined
            ? "Interrupted. What came from standard input has to be sent again."
            : `Interrupted at byte ${acknowledged} of ${size}.${alone ? ` To go on: ${again}` : ""}`
        ))
      }
      if (waiting.length > MANY) yield* output.complain(`${waiting.length} other files had not begun.`)
      if (!alone && again !== undefined) yield* output.complain(`To go on: ${again}`)
    })
  }
}

const STDIN = "-"

const named = ({ path }: Task) => path === STDIN ? "standard input" : inLine(path)

/** An error's own words, but of the file: it is named as it was tried, and what helps is another command. */
const wordsOf = (task: Task, error: unknown): string => {
  if (!(error instanceof PandaSourceError)) return error instanceof Error ? error.message : String(error)
  const isSize = error.reason === "TooShort" || error.reason === "Changed"
  if (task.path === STDIN && isSize) {
    return `standard input has ${error.reason === "TooShort" ? "fewer" : "more"} bytes than --size says: ${
      error.description ?? "pass what it has"
    }`
  }
  return error.reason === "Changed"
    ? `${named(task)} has changed since the upload began: let nothing write to it, and run the command again`
    : `${error.message} (${named(task)})`
}

const beginning = (event: Extract<Upload.UploadEvent, { readonly state: unknown }>): string =>
  event._tag === "Resumed"
    ? `${Upload.describe(event)} (byte ${event.state.acknowledged})`
    : Upload.describe(event)

/** Progress is told at most ten times a second. */
const isDue = (task: Task, event: Upload.UploadEvent) =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    if (event._tag !== "Progress") return true
    if (now - task.lastTold < 100) return false
    task.lastTold = now
    return true
  })
