/**
 * The whole table: `npm run test:ingest`. SEED=… runs the same again, ON=SQLite or PostgreSQL only that.
 * `npm run test:ingest -- takeover` measures how long the uploads of a killed process lie idle, five times or ROUNDS.
 */
import { Effect } from "effect"
import * as Postgres from "../../postgres.js"
import { crash, type Outcome, type Plan } from "./crash.js"
import { takeover } from "./takeover.js"

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
const plans: ReadonlyArray<Plan> = [
  { seed, database: "SQLite", processes: 1, files: 40, kills: 20, stops: 0, restarts: 0, outages: 0 },
  ...(Postgres.installed
    ? [
      {
        seed,
        database: "PostgreSQL",
        processes: 3,
        files: 200,
        kills: 10,
        stops: 5,
        restarts: 2,
        outages: 1
      } as const
    ]
    : [])
]

const holds = (outcome: Outcome) =>
  outcome.videos === outcome.files && outcome.wrongHashes === 0 && outcome.delivered === outcome.files &&
  outcome.receivedTwice <= outcome.inFlight && outcome.locks === 0 && outcome.notDone === 0 &&
  outcome.openSessions === 0 && outcome.emptySessions <= outcome.uploadsHit

const crashes = Effect.gen(function*() {
  console.log(`SEED=${seed} npm run test:ingest runs the same again`)
  const rows = yield* Effect.forEach(
    plans.filter(({ database }) => (process.env["ON"] ?? database) === database),
    (plan) => {
      const { database, kills, outages, processes, restarts, stops } = plan
      return Effect.map(
        crash(plan, console.log),
        (outcome) => ({ database, processes, kills, stops, restarts, outages, ...outcome })
      )
    }
  )
  console.table(rows)
  return rows.every(holds)
})

/** What the README promises, in seconds. */
const PROMISED = 15

const takeovers = Effect.gen(function*() {
  const rounds = Number(process.env["ROUNDS"] ?? 5)
  const rows = yield* Effect.replicateEffect(Effect.tap(takeover(console.log), (row) => Effect.log(row)), rounds)
  console.table(rows)
  return rows.every(({ last }) => last <= PROMISED)
})

if (!(await Effect.runPromise(process.argv[2] === "takeover" ? takeovers : crashes))) process.exitCode = 1
