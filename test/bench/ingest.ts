/** What ingestions cost their database and their processes, with the settings of the example. */
import { Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { freePort } from "../freePort.js"
import { emulated } from "../ingest/crash/world.js"
import * as Postgres from "../postgres.js"
import type { Order, Task, Told } from "./ingester.js"

const FILES = Number(process.env["INGEST_FILES"] ?? 1000)
const PENDING = Number(process.env["INGEST_PENDING"] ?? 10_000)

interface Ingester {
  readonly tell: (order: Order) => Effect.Effect<Told>
}

/** The next that it tells. */
const message = (child: ChildProcess) =>
  Effect.async<unknown>((resume) => {
    const ended = (code: number | null) => resume(Effect.die(`an ingester ended with ${code}`))
    child.once("exit", ended).once("message", (told) => {
      child.off("exit", ended)
      resume(Effect.succeed(told))
    })
  })

const ingester = (task: Task, url: string | undefined) =>
  Effect.gen(function*() {
    const port = yield* freePort
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(
          process.execPath,
          [
            "--expose-gc",
            "--import",
            "tsx",
            fileURLToPath(new URL("./ingester.ts", import.meta.url)),
            JSON.stringify(task)
          ],
          {
            stdio: ["ignore", "inherit", "ignore", "ipc"],
            env: { ...process.env, ...(url === undefined ? {} : { DATABASE_URL: url, RUNNER_PORT: `${port}` }) }
          }
        )
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    yield* message(child)
    return {
      tell: (order) => Effect.zipRight(Effect.sync(() => child.send(order)), message(child)) as Effect.Effect<Told>
    } satisfies Ingester
  })

/** Processes on a database of their own. */
const deployed = (database: "SQLite" | "PostgreSQL", processes: number, files: boolean) =>
  Effect.gen(function*() {
    const { port } = yield* emulated({ encodingTime: 0 })
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-panda-bench-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
    const url = database === "SQLite" ? undefined : yield* (yield* Postgres.make).database
    const task = { port, filename: join(folder, "ingest.db"), files }
    const all = yield* Effect.replicateEffect(ingester(task, url), processes)
    // They share the work among them first.
    yield* Effect.sleep("8 seconds")
    return all
  })

const told = (ingesters: ReadonlyArray<Ingester>) =>
  Effect.map(Effect.forEach(ingesters, ({ tell }) => tell("tell")), (told) => ({
    statements: told.reduce((sum, { statements }) => sum + statements, 0),
    memory: Math.max(...told.map(({ memory }) => memory))
  }))

const seconds = Effect.sync(() => performance.now() / 1000)

/** Statements a second, of all, while nothing happens that they were not told of. */
const idle = (ingesters: ReadonlyArray<Ingester>) =>
  Effect.gen(function*() {
    const before = yield* told(ingesters)
    yield* Effect.sleep("10 seconds")
    return ((yield* told(ingesters)).statements - before.statements) / 10
  })

const throughput = (database: "SQLite" | "PostgreSQL", processes: number) =>
  Effect.gen(function*() {
    const ingesters = yield* deployed(database, processes, true)
    const quiet = yield* idle(ingesters)
    const rows = []
    let from = 0
    // As many again, and as many as all before: what is there already costs nothing.
    for (const to of [FILES / 4, FILES / 2, FILES].map(Math.ceil)) {
      const [before, began] = [yield* told(ingesters), yield* seconds]
      yield* ingesters[0]!.tell({ submit: from, to })
      while ((yield* ingesters[0]!.tell("done")).done < to) yield* Effect.sleep("250 millis")
      const took = (yield* seconds) - began
      const { memory, statements } = yield* told(ingesters)
      const files = to - from
      rows.push({
        database,
        processes,
        files,
        "there before": from,
        "ms each": (took * 1000 / files).toFixed(1),
        "SQL each": ((statements - before.statements - quiet * took) / files).toFixed(1),
        "idle SQL/s": quiet.toFixed(1),
        "memory MiB": memory.toFixed(0)
      })
      from = to
    }
    return rows
  }).pipe(Effect.scoped)

const pending = (database: "SQLite" | "PostgreSQL") =>
  Effect.gen(function*() {
    const ingesters = yield* deployed(database, 1, false)
    const rows = []
    let from = 0
    for (const to of [0, PENDING / 4, PENDING / 2, PENDING].map(Math.ceil)) {
      const began = yield* seconds
      yield* ingesters[0]!.tell({ submit: from, to })
      const took = (yield* seconds) - began
      // Until the last are where they wait.
      yield* Effect.sleep("5 seconds")
      const quiet = yield* idle(ingesters)
      rows.push({
        database,
        pending: to,
        "ms to submit one": to === from ? "" : (took * 1000 / (to - from)).toFixed(1),
        "idle SQL/s": quiet.toFixed(1),
        "memory MiB": (yield* told(ingesters)).memory.toFixed(0)
      })
      from = to
    }
    return rows
  }).pipe(Effect.scoped)

/** INGEST_FILES and INGEST_PENDING make it shorter. */
export const ingest: Effect.Effect<void> = Effect.gen(function*() {
  const on = (["SQLite", "PostgreSQL"] as const).filter((database) => database === "SQLite" || Postgres.installed)
  for (const database of on) {
    console.table(yield* pending(database))
    for (const processes of database === "SQLite" ? [1] : [1, 2, 4]) {
      console.table(yield* throughput(database, processes))
    }
  }
})
