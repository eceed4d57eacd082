/** A PostgreSQL server of a test's own: from the system's binaries, in a folder that is gone afterwards. */
import { Effect } from "effect"
import type { Scope } from "effect/Scope"
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { accessSync, chownSync, constants, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { freePort } from "./freePort.js"

/** A server on a loopback port, which lets everyone in as `postgres`. */
export interface Postgres {
  readonly port: number
  /** Makes an empty database, and gives its URL. */
  readonly database: Effect.Effect<string>
  /** Ends every connection and the server; does nothing to one that is down. */
  readonly stop: Effect.Effect<void>
  /** Starts it again where it was: the same port, the same data. */
  readonly start: Effect.Effect<unknown>
}

const runs = (path: string) => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Debian keeps them out of the PATH, in a folder for each version. */
const debian = () => {
  try {
    const root = "/usr/lib/postgresql"
    return readdirSync(root).sort((a, b) => Number(b) - Number(a)).map((version) => join(root, version, "bin"))
  } catch {
    return []
  }
}

const folders = (process.env["PATH"] ?? "").split(delimiter)
const root = process.getuid?.() === 0
const setpriv = folders.map((folder) => join(folder, "setpriv")).find(runs)
const found = [...debian(), ...folders].find((folder) =>
  ["initdb", "postgres", "createdb"].every((name) => runs(join(folder, name)))
)

/** Where the binaries are. The server refuses to run as root, so that root needs somebody else to run it as. */
const binaries = root && setpriv === undefined ? undefined : found

if (binaries === undefined) {
  console.warn("Tests on PostgreSQL do not run here: install it (apt-get install -y postgresql), then run them again")
}

/** Whether a server can be started: where it cannot, a line says what to install, and the tests that need one are not run. */
export const installed = binaries !== undefined

const idOf = (flag: "-u" | "-g", user: string) => Number(execFileSync("id", [flag, user], { encoding: "utf8" }))

/** Somebody without rights, if we are root. */
const somebody = () => {
  if (!root) return undefined
  for (const user of ["postgres", "nobody"]) {
    try {
      return { uid: idOf("-u", user), gid: idOf("-g", user) }
    } catch {
      // There is no such user.
    }
  }
  throw new Error("Neither postgres nor nobody is a user here: make one, for the server that tests start")
}

/** What to run, so that it dies with us, and without our rights if we are root. */
const command = (name: string, args: ReadonlyArray<string>, as: ReturnType<typeof somebody>) => {
  const own = [join(binaries!, name), ...args]
  if (setpriv === undefined) return own
  const who = as === undefined ? [] : ["--reuid", `${as.uid}`, "--regid", `${as.gid}`, "--clear-groups"]
  return [setpriv, ...who, "--pdeathsig", "INT", ...own]
}

const run = ([file, ...args]: ReadonlyArray<string>) => execFileSync(file!, args, { stdio: "pipe", cwd: tmpdir() })

/** Started, and stopped as soon as the scope closes. */
export const make: Effect.Effect<Postgres, never, Scope> = Effect.gen(function*() {
  const as = somebody()
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const folder = mkdtempSync(join(tmpdir(), "effect-panda-postgres-"))
      if (as !== undefined) chownSync(folder, as.uid, as.gid)
      return folder
    }),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
  const data = join(folder, "data")
  run(command("initdb", ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"], as))

  let server: ChildProcess | undefined
  /** Fails if it does not come up. */
  const up = (port: number) =>
    Effect.async<number, string>((resume) => {
      const [file, ...args] = command(
        "postgres",
        ["-D", data, "-h", "127.0.0.1", "-p", `${port}`, "-k", "", "-F"],
        as
      )
      const child = spawn(file!, args, { stdio: ["ignore", "ignore", "pipe"], cwd: folder })
      server = child
      let log = ""
      child.stderr!.on("data", (text) => {
        log = `${log}${text}`.slice(-4096)
        if (log.includes("is ready to accept connections")) resume(Effect.succeed(port))
      })
      child.once("close", () => {
        if (server === child) server = undefined
        resume(Effect.fail(log))
      })
    })
  const stop = Effect.async<void>((resume) => {
    if (server === undefined) {
      resume(Effect.void)
      return
    }
    server.once("close", () => resume(Effect.void))
    server.kill("SIGINT")
  })
  yield* Effect.addFinalizer(() => stop)

  const port = yield* Effect.orDie(Effect.flatMap(freePort, up))
  let databases = 0
  return {
    port,
    stop,
    start: Effect.orDie(up(port)),
    database: Effect.sync(() => {
      const name = `test_${databases++}`
      run(command("createdb", ["-h", "127.0.0.1", "-p", `${port}`, "-U", "postgres", name], as))
      return `postgres://postgres@127.0.0.1:${port}/${name}`
    })
  }
})
