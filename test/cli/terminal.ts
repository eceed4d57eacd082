/** The bundled command on a terminal, as the person sees it who sits before it: tmux is the terminal. */
import { Effect, Schedule } from "effect"
import { execFile, execFileSync } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { patience } from "../patience.js"
import { bundled, temporary } from "./command.js"

const missing = "tests of the command line on a terminal need tmux: apt-get install tmux"

/** Once, and in words: without it each test would say that a file is not there. */
export const needed = (): void => {
  try {
    execFileSync("tmux", ["-V"])
  } catch {
    throw new Error(missing)
  }
}

export interface Options {
  readonly columns: number
  readonly rows?: number
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

export interface Terminal {
  /** What is on the screen, without the blanks at the ends of lines and the empty lines at the end. */
  readonly screen: Effect.Effect<string>
  /** The same with its colours, as escape sequences. */
  readonly coloured: Effect.Effect<string>
  /** All that was written, with what left the screen at its top. */
  readonly history: Effect.Effect<string>
  /** The screen, once it has this. */
  readonly until: (pattern: RegExp) => Effect.Effect<string>
  /** Names of keys, such as `C-c` and `Enter`; anything else is typed. */
  readonly press: (...keys: ReadonlyArray<string>) => Effect.Effect<void>
  readonly resize: (columns: number, rows: number) => Effect.Effect<void>
}

/** Runs the command there, until the scope closes; the code that it ends with is written after it. */
export const open = (args: ReadonlyArray<string>, { columns, cwd, env, rows = 24 }: Options) =>
  Effect.gen(function*() {
    const folder = yield* temporary
    const tmux = (...args: ReadonlyArray<string>) =>
      Effect.promise(() =>
        promisify(execFile)("tmux", ["-u", "-f", "/dev/null", "-S", join(folder, "tmux"), ...args], {
          // Nothing of the machine that runs the tests.
          env: { PATH: process.env["PATH"]!, HOME: folder, LC_ALL: "C.UTF-8", TERM: "xterm-256color" }
        })
      ).pipe(Effect.map(({ stdout }) => stdout.replace(/ +$/gm, "").trimEnd()))
    // The shell outlives a Ctrl-C, which goes to the command, and so does what keeps the screen then.
    const shell = `trap : INT; "$@"; echo "exit $?"; trap "" INT; exec cat`
    const where = ["-x", String(columns), "-y", String(rows), "-c", cwd]
    // tmux says itself which terminal it is; who asks for another means it.
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`)
    const command = [process.execPath, bundled(), ...args]
    const session = ["new-session", "-d", ...where, "sh", "-c", shell, "sh", "env", ...variables, ...command]
    yield* Effect.acquireRelease(
      tmux(...session),
      // The command leaves in order, and lets go of the server that it talks to.
      () =>
        tmux("send-keys", "C-c").pipe(
          Effect.zipRight(Effect.retry(
            Effect.filterOrFail(tmux("capture-pane", "-p"), (text) => /^exit \d+$/m.test(text)),
            Schedule.intersect(Schedule.spaced("50 millis"), Schedule.recurUpTo("20 seconds"))
          )),
          Effect.ignore,
          Effect.zipRight(tmux("kill-server")),
          Effect.ignore
        )
    )
    const screen = tmux("capture-pane", "-p")
    const terminal: Terminal = {
      screen,
      coloured: tmux("capture-pane", "-p", "-e"),
      history: tmux("capture-pane", "-p", "-S", "-"),
      until: (pattern) =>
        screen.pipe(
          Effect.filterOrFail((text) => pattern.test(text), (text) => new Error(`no ${pattern} in\n${text}`)),
          // A loaded machine takes seconds to start a command.
          Effect.retry(Schedule.intersect(Schedule.spaced("50 millis"), Schedule.recurUpTo(patience))),
          Effect.orDie
        ),
      press: (...keys) => Effect.asVoid(tmux("send-keys", ...keys)),
      resize: (columns, rows) => Effect.asVoid(tmux("resize-window", "-x", String(columns), "-y", String(rows)))
    }
    return terminal
  })

/** A word in as many columns as what it stands for, unless it ends the line. */
const instead = (word: string) => (text: string) => text.endsWith(" ") ? word.padEnd(text.length) : word

/** Without what differs from run to run: speeds, and how long something took or will take. */
export const steady = (screen: string): string =>
  screen
    .replace(/[\d.]+ [KMG]?i?B\/s( *)/g, instead("SPEED"))
    .replace(/(\d+ (s|min|h) )+left( *)/g, instead("TIME left"))
    .replace(/( in\s+)\d+ s$/gm, "$1TIME")
