/** The whole table: `npm run test:ingest`. SEED=… runs the same again. */
import { Effect } from "effect"
import * as Postgres from "../../postgres.js"
import { crash, type Outcome, type Plan } from "./crash.js"

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
console.log(`SEED=${seed} npm run test:ingest runs the same again`)

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

const wrong = (outcome: Outcome) =>
  outcome.videos !== outcome.files || outcome.wrongHashes > 0 || outcome.delivered !== outcome.files ||
  outcome.receivedTwice > outcome.inFlight || outcome.locks > 0 || outcome.notDone > 0 || outcome.openSessions > 0

const rows = await Effect.runPromise(Effect.forEach(
  plans.filter(({ database }) => (process.env["ON"] ?? database) === database),
  (plan) => {
    const { database, kills, outages, processes, restarts, stops } = plan
    return Effect.map(
      crash(plan, console.log),
      (outcome) => ({ database, processes, kills, stops, restarts, outages, ...outcome })
    )
  }
))
console.table(rows)
if (rows.some(wrong)) process.exitCode = 1
