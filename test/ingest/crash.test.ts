/** The small version of `npm run test:ingest`: real processes that are killed. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Postgres from "../postgres.js"
import { crash, type Plan } from "./crash/crash.js"

const holds = (plan: Omit<Plan, "seed">) =>
  Effect.gen(function*() {
    const seed = 20261126
    const outcome = yield* crash({ ...plan, seed })
    const {
      calls,
      delivered,
      emptySessions,
      exits: _,
      files,
      inFlight,
      receivedTwice,
      seconds: __,
      uploadsHit,
      ...rest
    } = outcome
    const expected = { videos: files, wrongHashes: 0, delivered: files, openSessions: 0, locks: 0, notDone: 0 }
    const found = { ...rest, delivered }
    assert.deepStrictEqual(found, expected, `seed ${seed}: ${JSON.stringify(found)}`)
    assert.isAtLeast(calls, files)
    assert.isAtMost(receivedTwice, inFlight)
    assert.isAtMost(emptySessions, uploadsHit)
  })

describe.concurrent("whatever is killed, each file is one video, delivered once", () => {
  it.live("one process on SQLite", () =>
    holds({ database: "SQLite", processes: 1, files: 6, kills: 2, stops: 0, restarts: 0, outages: 0 }))

  it.runIf(Postgres.installed)("two processes on PostgreSQL, which is restarted", () =>
    Effect.runPromise(
      holds({ database: "PostgreSQL", processes: 2, files: 8, kills: 1, stops: 0, restarts: 1, outages: 0 })
    ))
})
