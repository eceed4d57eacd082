/** Real processes, a real database, and what befalls them: whatever it is, each file is one video in the end. */
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Schedule } from "effect"
import type { ChildProcess } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { random } from "../../chaos/random.js"
import * as World from "./world.js"

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
  /** That have a byte of the file. */
  readonly openSessions: number
  /**
   * Made by Panda for a process that died before it had written down where: nobody knows of them, and nothing is in
   * them.
   */
  readonly emptySessions: number
  /** How many of these there may be. */
  readonly uploadsHit: number
  readonly locks: number
  readonly notDone: number
  readonly exits: number
  readonly seconds: number
}

const CHUNK = 32 * 1024
const UPLOADS = 3

export const crash = (plan: Plan, log: (line: string) => void = () => {}): Effect.Effect<Outcome> =>
  Effect.gen(function*() {
    const began = Date.now()
    const draw = random(plan.seed)
    const between = (from: number, to: number) => Math.floor(from + draw() * (to - from))
    const sizes = Array.from({ length: plan.files }, () => between(2 * CHUNK, 8 * CHUNK))
    const { children, connect, down, end, exits, folder, hashes, panda, server, up } = yield* World.make({
      database: plan.database,
      processes: plan.processes,
      again: () => between(0, 1000),
      sizes,
      task: { chunkSize: CHUNK, uploads: UPLOADS },
      chunkTime: "50 millis",
      log
    })

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

    yield* Effect.sync(() => existsSync(join(folder, ".settled"))).pipe(
      Effect.repeat({ schedule: Schedule.spaced("200 millis"), until: (settled) => settled }),
      Effect.timeout("10 minutes"),
      Effect.ignore
    )
    yield* end
    const rows = (select: (sql: SqlClient.SqlClient) => Effect.Effect<ReadonlyArray<object>, unknown>) =>
      Effect.flatMap(SqlClient.SqlClient, select).pipe(
        Effect.map(({ length }) => length),
        Effect.provide(connect),
        Effect.orDie
      )
    const notDone = yield* rows((sql) => sql`SELECT id FROM panda_ingest WHERE status <> 'Done'`)
    const locks = yield* rows((sql) => sql`SELECT id FROM panda_uploads`)
    const sessions = yield* panda.sessions
    const videos = yield* panda.videos
    const open = sessions.filter(({ status }) => status !== "complete" && status !== "aborted")
    const empty = open.filter(({ received }) => received === 0)
    const uploadsHit = (plan.kills + plan.stops + plan.processes * (plan.restarts + plan.outages)) * UPLOADS
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
      inFlight: uploadsHit * CHUNK,
      openSessions: open.length - empty.length,
      emptySessions: empty.length,
      uploadsHit,
      locks,
      notDone,
      exits: exits(),
      seconds: Math.round((Date.now() - began) / 1000)
    }
  }).pipe(Effect.scoped, Effect.orDie)
