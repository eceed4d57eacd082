/**
 * What is written where. Standard output has results: lines for people, or with `--json` one object a line and nothing
 * else. Everything else is told on standard error, where a block of lines can be drawn over and over.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { WriteStream } from "node:tty"
import { OutputFailed, PipeClosed } from "./exit.js"
import type { Event } from "./json.js"
import { inLine, width } from "./text.js"

export interface Options {
  readonly json: boolean
  readonly quiet: boolean
  readonly verbose: boolean
}

const styles = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const

/** Colours a text, where there are colours. */
export type Style = (style: keyof typeof styles, text: string) => string

export class Output extends Context.Tag("effect-panda/cli/Output")<Output, Output.Service>() {}

export declare namespace Output {
  export interface Service extends Options {
    /** Whether a block can be drawn: standard error is a terminal that knows how. */
    readonly draws: boolean
    /** Of standard output and of standard error; a file or a pipe is as wide as it takes. */
    readonly columns: { readonly out: () => number; readonly err: () => number }
    readonly style: { readonly out: Style; readonly err: Style }
    /** A result, for people. */
    readonly print: (line: string) => Effect.Effect<void>
    /** A result, for programs. */
    readonly emit: (event: Event) => Effect.Effect<void>
    /** What goes on; not with `--quiet`. */
    readonly note: (line: string) => Effect.Effect<void>
    readonly complain: (line: string) => Effect.Effect<void>
    /** Keeps a block of lines under all that is written, until the scope closes. It is asked for the rows it may have. */
    readonly draw: (block: (columns: number, rows: number) => ReadonlyArray<string>) => Effect.Effect<
      void,
      never,
      Scope.Scope
    >
    /** Fails when nobody reads standard output any more, or it cannot be written; `unread` tells whether that is so. */
    readonly closed: Effect.Effect<never, PipeClosed | OutputFailed>
    readonly unread: () => boolean
    /** The exit code then; 0 unless there is something to go on with. */
    unreadCode: number
    /** Lines of the log that the command tells in words of its own. */
    toldOtherwise: RegExp | undefined
  }
}

const { env, stderr, stdout } = process

const isTerminal = (stream: WriteStream) => stream.isTTY && env["TERM"] !== "dumb"

/** https://no-color.org: any value but an empty one. */
const styleOf = (stream: WriteStream): Style =>
  isTerminal(stream) && !env["NO_COLOR"]
    ? (style, text) => `\u001b[${styles[style]}m${text}\u001b[0m`
    : (_, text) => text

const columnsOf = (stream: WriteStream) => () => stream.isTTY ? stream.columns || 80 : Infinity

/** At most ten times a second. */
const REDRAW = "100 millis"

export const make = (options: Options): Effect.Effect<Output.Service> =>
  Effect.gen(function*() {
    const closed = yield* Deferred.make<never, PipeClosed | OutputFailed>()
    let unread = false
    stdout.on("error", ({ code, message }: NodeJS.ErrnoException) => {
      unread = true
      Deferred.unsafeDone(
        closed,
        Effect.fail(
          code === "EPIPE"
            ? new PipeClosed()
            : new OutputFailed({ message: `standard output cannot be written: ${message}. Write to another place` })
        )
      )
    })
    // Where nobody hears us there is nobody to tell.
    stderr.on("error", () => {})

    let block: ((columns: number, rows: number) => ReadonlyArray<string>) | undefined
    let drawn: ReadonlyArray<string> = []
    /** Back to where the block begins. A terminal that became narrower has wrapped its lines. */
    const back = () => {
      const rows = drawn.reduce((rows, line) => rows + Math.max(1, Math.ceil(width(line) / stderr.columns)), 0)
      return rows === 0 ? "" : `\u001b[${rows}A\r`
    }
    const lines = () => {
      drawn = block === undefined ? [] : block(stderr.columns, stderr.rows)
      return drawn.map((line) => `${line}\u001b[K\n`).join("")
    }
    const redraw = Effect.sync(() => {
      const shown = drawn.join("\n")
      const from = back()
      const text = lines()
      if (drawn.join("\n") !== shown) stderr.write(`${from}${text}\u001b[J`)
    })

    const write = (stream: WriteStream, text: string) =>
      Effect.async<void>((resume) => {
        if (drawn.length > 0 && stream.isTTY) stderr.write(`${back()}\u001b[J`)
        // What went wrong is told after this, as an event.
        stream.write(
          `${text}\n`,
          (error) =>
            resume(stream === stdout && error instanceof Error ? Effect.ignore(Deferred.await(closed)) : Effect.void)
        )
        if (drawn.length > 0 && stream.isTTY) stderr.write(lines())
      })

    return {
      ...options,
      draws: isTerminal(stderr) && !options.quiet,
      columns: { out: columnsOf(stdout), err: columnsOf(stderr) },
      style: { out: styleOf(stdout), err: styleOf(stderr) },
      print: (line) => options.json ? Effect.void : write(stdout, line),
      emit: (event) => options.json ? write(stdout, JSON.stringify(event)) : Effect.void,
      note: (line) => options.quiet ? Effect.void : write(stderr, line),
      complain: (line) => write(stderr, line),
      draw: (next) =>
        Effect.gen(function*() {
          block = next
          yield* Effect.addFinalizer(() =>
            Effect.sync(() => {
              block = undefined
              stderr.write(`${back()}\u001b[J`)
              drawn = []
            })
          )
          yield* Effect.forkScoped(Effect.repeat(redraw, Schedule.spaced(REDRAW)))
        }),
      closed: Deferred.await(closed),
      unread: () => unread,
      unreadCode: 0,
      toldOtherwise: undefined
    }
  })

/**
 * What the library logs goes to standard error. A warning that comes again and again, such as that of a disk that is
 * full, is told once.
 */
export const layerLogger = (output: Output.Service): Layer.Layer<never> => {
  const told = new Set<string>()
  const logger = Logger.make(({ logLevel, message }) => {
    const words = (Array.isArray(message) ? message : [message]).map(String)
    const line = inLine(words.join(": "))
    if (!output.verbose && output.toldOtherwise?.test(line) === true) return
    if (told.has(line) && LogLevel.greaterThanEqual(logLevel, LogLevel.Info)) return
    told.add(line)
    const style = LogLevel.greaterThanEqual(logLevel, LogLevel.Warning) ? "yellow" : "dim"
    Effect.runFork(output.complain(output.style.err(style, line)))
  })
  return Layer.merge(
    Logger.replace(Logger.defaultLogger, logger),
    Logger.minimumLogLevel(output.verbose ? LogLevel.Debug : output.quiet ? LogLevel.Error : LogLevel.Info)
  )
}
