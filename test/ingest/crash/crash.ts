/** Real processes, a real database, and what befalls them: whatever it is, each file is one video in the end. */
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import { Context, Effect, Exit, Layer, Redacted, Schedule, Scope } from "effect"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { type ChildProcess, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { random } from "../../chaos/random.js"
import * as Esbuild from "../../esbuild.js"
import * as Postgres from "../../postgres.js"
import type { Task } from "./child.js"

export interface Plan {
  readonly seed: number
  readonly database: "SQLite" | "PostgreSQL"
  readonly processes: number
  readonly files: number
  /** What happens, in an order that the seed decides. */
  readonly kills: number
  readonly stops: number
  readonly restarts: number
  readonly outages: number
}

export interface Outcome {
  readonly files: number
  readonly videos: number
  readonly wrongHashes: number
  readonly delivered: number
  readonly calls: number
  readonly receivedTwice: number
  readonly inFlight: number
  readonly openSessions: number
  readonly locks: number
  readonly notDone: number
  readonly exits: number
  readonly seconds: number
}

const CHUNK = 32 * 1024
const UPLOADS = 3

const freePort = Effect.async<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

/** The emulator on a port, which can be taken from the network and given back. */
const emulated = Effect.gen(function*() {
  const panda = Context.get(
    yield* Layer.build(PandaEmulator.layer({
      encodingTime: "1 second",
      hash: () => createHash("sha256"),
      recorded: 100
    })),
    PandaEmulator.PandaEmulator
  )
  yield* panda.inject({ route: "chunk", fault: PandaEmulator.Fault.delay("50 millis"), times: Infinity })
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

export const crash = (plan: Plan, log: (line: string) => void = () => {}): Effect.Effect<Outcome> =>
  Effect.gen(function*() {
    const began = Date.now()
    const draw = random(plan.seed)
    const between = (from: number, to: number) => Math.floor(from + draw() * (to - from))
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-panda-crash-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
    mkdirSync(join(folder, ".results"))
    writeFileSync(join(folder, ".calls"), "")
    const hashes = new Map<string, string>()
    for (let n = 0; n < plan.files; n++) {
      const bytes = new Uint8Array(between(2 * CHUNK, 8 * CHUNK))
      for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 31 + (at >> 8) + n) & 255
      writeFileSync(join(folder, `${n}.mp4`), bytes)
      hashes.set(`${n}.mp4`, createHash("sha256").update(bytes).digest("hex"))
    }
    const bundled = join(folder, ".bundle")
    yield* Effect.promise(() => Esbuild.bundle([fileURLToPath(new URL("./child.ts", import.meta.url))], bundled))

    // Of a driver in machine code, which is not in the bundle.
    symlinkSync(fileURLToPath(new URL("../../../node_modules", import.meta.url)), join(folder, "node_modules"))

    const { down, panda, port, up } = yield* emulated
    const server = plan.database === "PostgreSQL" ? yield* Postgres.make : undefined
    const url = server === undefined ? "" : yield* server.database
    const filename = join(folder, ".ingest.db")
    const connect = Layer.orDie<SqlClient.SqlClient, unknown, never>(
      server === undefined ? SqliteClient.layer({ filename }) : PgClient.layer({ url: Redacted.make(url) })
    )

    let [exits, ending] = [0, false]
    const children: Array<ChildProcess | undefined> = []
    const ports = yield* Effect.replicateEffect(freePort, plan.processes)
    const start = (index: number) => {
      const task: Task = {
        port,
        folder,
        chunkSize: CHUNK,
        database: server === undefined ? { filename } : { url, runnerPort: ports[index]! }
      }
      const child = spawn(process.execPath, [join(bundled, "child.mjs"), JSON.stringify(task)], {
        stdio: ["ignore", "pipe", "inherit"]
      })
      child.stdout.on("data", (text) => process.env["CRASH_LOG"] === undefined ? undefined : log(String(text).trim()))
      children[index] = child
      child.once("exit", (_, signal) => {
        if (ending) return
        // Who ends by itself is begun again too, as whoever runs it would.
        if (signal !== "SIGKILL") exits++
        setTimeout(() => ending ? undefined : start(index), between(0, 1000))
      })
    }
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        ending = true
        for (const child of children) child?.kill("SIGKILL")
      })
    )
    for (let index = 0; index < plan.processes; index++) start(index)

    const results = Effect.sync(() =>
      readdirSync(join(folder, ".results")).filter((name) => !name.includes(".")).length
    )
    yield* Effect.repeat(panda.sessions, {
      schedule: Schedule.spaced("50 millis"),
      until: (sessions) => sessions.some(({ acknowledged }) => acknowledged > 0)
    })

    const events = [
      ...Array.from({ length: plan.kills }, () => "kill" as const),
      ...Array.from({ length: plan.stops }, () => "stop" as const),
      ...Array.from({ length: plan.restarts }, () => "restart" as const),
      ...Array.from({ length: plan.outages }, () => "outage" as const)
    ].map((event) => [draw(), event] as const).sort(([a], [b]) => a - b).map(([, event]) => event)
    const stopped = new Set<ChildProcess>()
    for (const event of events) {
      yield* Effect.sleep(between(500, 4000))
      log(`${((Date.now() - began) / 1000).toFixed(1)} s, ${yield* results} delivered: ${event}`)
      const child = children[between(0, plan.processes)]
      if (event === "kill") child?.kill("SIGKILL")
      if (event === "stop" && child !== undefined && !stopped.has(child)) {
        stopped.add(child)
        child.kill("SIGSTOP")
        setTimeout(() => {
          stopped.delete(child)
          child.kill("SIGCONT")
        }, 20_000)
      }
      if (event === "restart" && server !== undefined) {
        yield* server.stop
        yield* server.start
      }
      if (event === "outage") {
        yield* down
        yield* Effect.sleep("10 seconds")
        yield* up
      }
    }

    const pending = Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql<{ n: number | string }>`SELECT COUNT(*) AS n FROM panda_ingest WHERE status <> 'Done'`
    ).pipe(Effect.map(([row]) => Number(row?.n ?? NaN)), Effect.provide(connect), Effect.orDie)
    yield* Effect.repeat(results, {
      schedule: Schedule.spaced("200 millis"),
      until: (count) => count >= plan.files
    }).pipe(
      Effect.zipRight(Effect.repeat(pending, { schedule: Schedule.spaced("500 millis"), until: (n) => n === 0 })),
      Effect.timeout("10 minutes"),
      Effect.ignore
    )
    const notDone = yield* pending
    ending = true
    yield* Effect.forEach(children, (child) =>
      Effect.async<void>((resume) => {
        if (child === undefined || child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGKILL")
      }), { concurrency: "unbounded" })

    const locks = yield* Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql`SELECT id FROM panda_uploads`
    ).pipe(Effect.map((rows) => rows.length), Effect.provide(connect), Effect.orDie)
    const sessions = yield* panda.sessions
    const videos = yield* panda.videos
    const complete = sessions.filter(({ status }) => status === "complete")
    const calls = readFileSync(join(folder, ".calls"), "utf8").trim().split("\n")
    return {
      files: plan.files,
      videos: videos.length,
      wrongHashes: complete.filter(({ name, sha256 }) => sha256 !== hashes.get(name)).length +
        Math.abs(complete.length - plan.files),
      delivered: yield* results,
      calls: calls.length,
      receivedTwice: sessions.reduce((sum, { receivedTwice }) => sum + receivedTwice, 0),
      inFlight: (plan.kills + plan.stops + plan.processes * (plan.restarts + plan.outages)) * UPLOADS * CHUNK,
      openSessions: sessions.filter(({ status }) => status !== "complete" && status !== "aborted").length,
      locks,
      notDone,
      exits,
      seconds: Math.round((Date.now() - began) / 1000)
    }
  }).pipe(Effect.scoped, Effect.orDie)
