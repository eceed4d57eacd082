/** The world that processes are killed in: a folder, an emulator on a port, a database, and who begins them again. */
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as PgClient from "@effect/sql-pg/PgClient"
import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import { Context, type Duration, Effect, Exit, Layer, Redacted, Scope } from "effect"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { type ChildProcess, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Esbuild from "../../esbuild.js"
import { freePort } from "../../freePort.js"
import * as Postgres from "../../postgres.js"
import type { Task } from "./child.js"

export interface Options {
  readonly database: "SQLite" | "PostgreSQL"
  readonly processes: number
  /** Whether a process that ended is begun again, and after how long: milliseconds. */
  readonly again?: (() => number) | undefined
  /** Of the files, in bytes. */
  readonly sizes: ReadonlyArray<number>
  readonly task: Pick<Task, "chunkSize" | "uploads">
  /** How long the emulator takes for each chunk. */
  readonly chunkTime: Duration.DurationInput
  readonly log: (line: string) => void
}

/** The emulator on a port, which can be taken from the network and given back. */
export const emulated = (options: {
  readonly encodingTime: Duration.DurationInput
  /** How long it takes for each chunk. */
  readonly chunkTime?: Duration.DurationInput | undefined
}) =>
  Effect.gen(function*() {
    const panda = Context.get(
      yield* Layer.build(PandaEmulator.layer({
        encodingTime: options.encodingTime,
        hash: () => createHash("sha256"),
        recorded: 100
      })),
      PandaEmulator.PandaEmulator
    )
    if (options.chunkTime !== undefined) {
      yield* panda.inject({ route: "chunk", fault: PandaEmulator.Fault.delay(options.chunkTime), times: Infinity })
    }
    const port = yield* freePort
    let open: Scope.CloseableScope | undefined
    const up = Effect.gen(function*() {
      const scope = yield* Scope.make()
      open = scope
      const server = createServer()
      yield* Scope.extend(
        Effect.gen(function*() {
          const context = yield* Layer.build(NodeHttpServer.layer(() => server, { port, host: "127.0.0.1" }))
          yield* Effect.provide(HttpServer.serveEffect(panda.httpApp), context)
          // First of all when it closes: what is kept alive would keep it open.
          yield* Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))
        }),
        scope
      )
    }).pipe(Effect.orDie)
    const down = Effect.suspend(() => open === undefined ? Effect.void : Scope.close(open, Exit.void))
    yield* up
    yield* Effect.addFinalizer(() => down)
    return { panda, port, up, down }
  })

/** A file of each of the sizes, named by its number; what is in them differs, and is the same each time. */
const films = (folder: string, sizes: ReadonlyArray<number>): ReadonlyMap<string, string> =>
  new Map(sizes.map((size, n) => {
    const bytes = new Uint8Array(size)
    for (let at = 0; at < size; at++) bytes[at] = (at * 31 + (at >> 8) + n) & 255
    writeFileSync(join(folder, `${n}.mp4`), bytes)
    return [`${n}.mp4`, createHash("sha256").update(bytes).digest("hex")]
  }))

let made: Promise<string> | undefined

/** The program of the processes, made once for all worlds. */
const bundled = () =>
  made ??= (async () => {
    const folder = mkdtempSync(join(tmpdir(), "effect-panda-child-"))
    process.once("exit", () => rmSync(folder, { recursive: true, force: true }))
    await Esbuild.bundle([fileURLToPath(new URL("./child.ts", import.meta.url))], folder)
    // Of a driver in machine code, which is not in the bundle.
    symlinkSync(fileURLToPath(new URL("../../../node_modules", import.meta.url)), join(folder, "node_modules"))
    return join(folder, "child.mjs")
  })()

/** Everything, and the processes running; gone with the scope. */
export const make = ({ again, chunkTime, database, log, processes, sizes, task }: Options) =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-panda-crash-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
    mkdirSync(join(folder, ".results"))
    for (const file of [".calls", ".events"]) writeFileSync(join(folder, file), "")
    const hashes = films(folder, sizes)
    const program = yield* Effect.promise(bundled)

    const { down, panda, port, up } = yield* emulated({ encodingTime: "1 second", chunkTime })
    const server = database === "PostgreSQL" ? yield* Postgres.make : undefined
    const url = server === undefined ? "" : yield* server.database
    const filename = join(folder, ".ingest.db")
    const connect = Layer.orDie<SqlClient.SqlClient, unknown, never>(
      server === undefined ? SqliteClient.layer({ filename }) : PgClient.layer({ url: Redacted.make(url) })
    )

    let [exits, ending] = [0, false]
    const children: Array<ChildProcess | undefined> = []
    const ports = yield* Effect.replicateEffect(freePort, processes)
    const start = (index: number) => {
      const child = spawn(
        process.execPath,
        [program, JSON.stringify({ ...task, port, folder, filename } satisfies Task)],
        {
          stdio: ["ignore", "pipe", "inherit"],
          env: {
            ...process.env,
            ...(server === undefined ? {} : { DATABASE_URL: url, RUNNER_PORT: `${ports[index]}` })
          }
        }
      )
      let said = ""
      child.stdout.on("data", (text) => {
        said = `${said}${text}`.slice(-4096)
        if (process.env["CRASH_LOG"] !== undefined) log(String(text).trim())
      })
      children[index] = child
      child.once("exit", (code, signal) => {
        if (ending) return
        // Who ends by itself is begun again too, as whoever runs it would.
        if (signal !== "SIGKILL") {
          exits++
          log(`process ${index} ended by itself with ${code ?? signal}:\n${said}`)
        }
        if (again !== undefined) setTimeout(() => ending ? undefined : start(index), again())
      })
    }
    const end = Effect.suspend(() => {
      ending = true
      return Effect.forEach(children, (child) =>
        Effect.async<void>((resume) => {
          if (child === undefined || child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
          child.once("exit", () => resume(Effect.void))
          child.kill("SIGKILL")
        }), { concurrency: "unbounded", discard: true })
    })
    yield* Effect.addFinalizer(() => end)
    for (let index = 0; index < processes; index++) start(index)
    return { children, connect, down, end, exits: () => exits, folder, hashes, panda, server, up }
  })
