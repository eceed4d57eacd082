/**
 * What a person sees of files on their way: on a terminal a line for each that is under way, and one for all of them;
 * elsewhere a plain line now and then. What is done stays behind as a line of its own.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Cloud } from "../Clouds.js"
import * as Encodings from "../Encodings.js"
import type { Video } from "../Videos.js"
import type { Output, Style } from "./output.js"
import { bytes, column, fit, inLine, seconds, width } from "./text.js"

export type Stage = "starting" | "sending" | "retrying" | "waiting" | "encoding"

/** A file under way. */
export interface Row {
  readonly name: string
  readonly stage: Stage
  /** Bytes that the server has, and those that have left us: a chunk may be on its way for half a minute. */
  readonly acknowledged: number
  readonly sent: number
  readonly size: number
  readonly bytesPerSecond?: number | undefined
  readonly secondsLeft?: number | undefined
  /** Of the encoding, in percent. */
  readonly encoded?: number | undefined
}

/** What all files have come to. */
export interface Total {
  readonly files: number
  readonly done: number
  readonly acknowledged: number
  readonly size: number
}

const percentOf = ({ acknowledged, encoded, sent, size, stage }: Row): number =>
  stage === "encoding" || stage === "waiting"
    ? encoded ?? 0
    : Math.min(share(sent, size), acknowledged < size ? 99 : 100)

/** 100 is for what is done. */
const share = (part: number, whole: number) => whole === 0 ? 0 : Math.floor((part / whole) * 100)

const BAR = { from: 6, to: 30 }

const bar = (percent: number, columns: number, style: Style, color: "cyan" | "green"): string => {
  const full = Math.round((Math.min(percent, 100) / 100) * columns)
  return style(color, "█".repeat(full)) + style("dim", "░".repeat(columns - full))
}

/**
 * A line of parts that has room for the first of them always, and for the others as long as the terminal is wide enough.
 * The name takes up to half of what is left, as much as the widest that it stands among, the bar the rest.
 */
const line = (
  name: string,
  widest: number,
  percent: number,
  parts: ReadonlyArray<readonly [text: string, columns: number]>,
  columns: number,
  style: Style,
  color: "cyan" | "green"
): string => {
  // The last column stays free: there are terminals that begin another line once it is written.
  const room = columns - 1
  const least = 10 + 2 + BAR.from + 1 + 5
  if (room < least) return fit(`${percent} % ${name}`, room)
  let used = least
  const fitting = parts.filter(([, columns]) => {
    if (used + 2 + columns > room) return false
    used += 2 + columns
    return true
  })
  const spare = Math.max(0, room - used)
  const bars = Math.min(BAR.to, BAR.from + Math.floor(spare / 2))
  const names = Math.min(10 + room - used - (bars - BAR.from), Math.max(10, Math.min(widest, 60)))
  return [
    column(name, names),
    `${bar(percent, bars, style, color)} ${column(`${percent} %`, 5, "right")}`,
    ...fitting.map(([text, columns]) => column(text, columns))
  ].join("  ").trimEnd()
}

const lineOf = (row: Row, widest: number, columns: number, style: Style): string => {
  const { bytesPerSecond, secondsLeft, sent, size, stage } = row
  const sending = stage !== "waiting" && stage !== "encoding"
  return line(
    row.name,
    widest,
    percentOf(row),
    [
      [stage, 8],
      [sending && secondsLeft !== undefined ? `${seconds(secondsLeft)} left` : "", 17],
      [sending && bytesPerSecond !== undefined ? `${bytes(bytesPerSecond)}/s` : "", 12],
      [size === 0 ? "" : sending ? `${bytes(sent)} of ${bytes(size)}` : bytes(size), 24]
    ],
    columns,
    style,
    sending ? "cyan" : "green"
  )
}

/** The lines for a terminal of that size: those that are under way, as many as it has rows for, and the total. */
export const block = (
  rows: ReadonlyArray<Row>,
  total: Total,
  columns: number,
  most: number,
  style: Style
): ReadonlyArray<string> => {
  if (rows.length === 0 && total.files === 0) return []
  // A row stays free for the cursor.
  const room = Math.max(1, most - 1)
  if (total.files === 1) return rows.slice(0, 1).map((row) => lineOf(row, width(row.name), columns, style))
  const counted = `${total.done} of ${total.files} files`
  const hidden = rows.length - (room - 1)
  const shown = hidden > 0 ? rows.slice(0, Math.max(0, room - 2)) : rows
  // So that the bars stand below each other.
  const widest = Math.max(width(counted), ...shown.map(({ name }) => width(name)))
  const sent = rows.reduce((sum, { acknowledged, sent }) => sum + sent - acknowledged, total.acknowledged)
  const all = line(
    counted,
    widest,
    Math.min(share(sent, total.size), total.acknowledged < total.size ? 99 : 100),
    [["in all", 8], ["", 17], [
      "",
      12
    ], [`${bytes(sent)} of ${bytes(total.size)}`, 24]],
    columns,
    style,
    "cyan"
  )
  return [
    ...shown.map((row) => lineOf(row, widest, columns, style)),
    ...hidden > 0 && room > 1 ? [style("dim", fit(`… and ${rows.length - shown.length} more`, columns - 1))] : [],
    all
  ]
}

export interface Progress {
  /** Shows the rows, where they can be drawn, until the scope closes. */
  readonly draw: Effect.Effect<void, never, Scope.Scope>
  readonly set: (key: unknown, row: Row) => Effect.Effect<void>
  readonly remove: (key: unknown) => Effect.Effect<void>
  readonly total: (total: Total) => Effect.Effect<void>
}

/** Elsewhere than on a terminal: a line for ten percent more, or where that takes long every half minute. */
const STEP = 10
const SOONEST = 1000
const LATEST = 30_000

export const make = (output: Output.Service, files: number): Effect.Effect<Progress> =>
  Effect.sync(() => {
    const rows = new Map<unknown, Row>()
    let total: Total = { files, done: 0, acknowledged: 0, size: 0 }
    const told = new Map<unknown, { readonly percent: number; readonly stage: Stage; readonly at: number }>()
    const tell = (key: unknown, row: Row) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const percent = percentOf(row)
        const last = told.get(key)
        const due = last === undefined || last.stage !== row.stage
          ? row.stage === "sending" || row.stage === "encoding"
          : now - last.at >= LATEST || (now - last.at >= SOONEST && percent >= last.percent + STEP)
        if (!due) return
        told.set(key, { percent, stage: row.stage, at: now })
        const figures = row.stage === "encoding"
          ? [`encoding, ${percent} %`]
          : [
            `${bytes(row.sent)} of ${bytes(row.size)}`,
            `${percent} %`,
            ...row.bytesPerSecond === undefined ? [] : [`${bytes(row.bytesPerSecond)}/s`],
            ...row.secondsLeft === undefined ? [] : [`${seconds(row.secondsLeft)} left`]
          ]
        yield* output.note(`${row.name}: ${figures.join(", ")}`)
      })
    return {
      draw: Effect.suspend(() =>
        output.draws
          ? output.draw((columns, most) => block([...rows.values()], total, columns, most, output.style.err))
          : Effect.void
      ),
      set: (key, row) =>
        Effect.suspend(() => {
          rows.set(key, row)
          return output.draws ? Effect.void : tell(key, row)
        }),
      remove: (key) =>
        Effect.sync(() => {
          rows.delete(key)
        }),
      total: (next) =>
        Effect.sync(() => {
          total = next
        })
    }
  })

/** How far the slowest of a video's encodings is, in percent. */
export const leastEncoded = (encodings: ReadonlyArray<Encodings.Encoding>): number =>
  Math.floor(Math.min(
    100,
    ...encodings.map((encoding) => Encodings.isSuccess(encoding) ? 100 : encoding.encoding_progress ?? 0)
  ))

export const stateOf = ({ error_class, status = "?" }: Pick<Encodings.Encoding | Video, "error_class" | "status">) =>
  inLine(error_class === undefined || status !== "fail" ? status : `${status} (${error_class})`)

/** The line that an encoding ends in: where it is, or why it is not. */
export const resultOf = (encoding: Encodings.Encoding, cloud: Option.Option<Cloud>): string => {
  const url = Option.flatMap(cloud, (cloud) => Encodings.url(encoding, cloud))
  const result = Option.getOrElse(url, () => inLine(encoding.error_message ?? "no file"))
  return `Encoding  ${inLine(encoding.profile_name ?? encoding.id)}  ${stateOf(encoding)}  ${result}`
}
