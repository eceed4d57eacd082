/** Whether the processes that run ingestions on one database are deployed alike: the engine does not look. */
import * as EntityId from "@effect/cluster/EntityId"
import { Sharding } from "@effect/cluster/Sharding"
import * as Snowflake from "@effect/cluster/Snowflake"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type * as Duration from "effect/Duration"
import type { Journal, Process } from "./journal.js"
import type { PandaIngestUnavailable } from "./model.js"

const ENTITIES = ["a", "b", "c", "d"].map((name) => EntityId.make(`effect-panda/${name}`))

const REMEDIES = {
  address: "another process has the runner's address of this one, which both take for their own: one of them gets no " +
    "work, and ids may be given twice. Give each process a runnerAddress of its own (SQLite is for one process)",
  shards:
    "another process has another shardsPerGroup: what is in a shard that one of them does not know lies idle. Give " +
    "all processes the same"
} as const

/** What does not go together. */
const problemsOf = (self: Process, other: Process): ReadonlyArray<keyof typeof REMEDIES> => [
  ...(other.machine === self.machine ? ["address" as const] : []),
  ...(other.shards === self.shards ? [] : ["shards" as const])
]

/** One look; those of the last one are given, since who shows nothing new may have died. */
const look = (self: Process, journal: Journal.Service, before: ReadonlyMap<string, number>, told: Set<string>) =>
  Effect.gen(function*() {
    const seen = (yield* journal.meet(self)).filter(({ id }) => id !== self.id)
    for (const other of seen.filter(({ beat, id }) => before.has(id) && before.get(id) !== beat)) {
      for (const problem of problemsOf(self, other)) {
        const key = `${other.id} ${problem}`
        if (told.has(key)) continue
        told.add(key)
        yield* Effect.logError(`Panda.Ingest: ${REMEDIES[problem]}`)
      }
    }
    return new Map(seen.map(({ beat, id }) => [id, beat]))
  })

/** Looks again and again, where there is a cluster; says once of each other process what does not go together with it. */
export const checking = (
  journal: Journal.Service,
  { every }: { readonly every: Duration.DurationInput }
): Effect.Effect<void> =>
  Effect.gen(function*() {
    const sharding = Option.getOrUndefined(yield* Effect.serviceOption(Sharding))
    if (sharding === undefined) return
    const id = yield* Effect.map(Effect.replicateEffect(Random.nextIntBetween(0, 2 ** 32), 2), (parts) =>
      parts.map((part) => part.toString(36)).join("-"))
    const shards = ENTITIES.map((entity) =>
      sharding.getShardId(entity, "default").id
    ).join("-")
    const told = new Set<string>()
    let before: ReadonlyMap<string, number> = new Map()
    yield* Effect.gen(function*() {
      // Of the runner only after it has registered.
      const machine = Snowflake.machineId(yield* sharding.getSnowflake)
      before = yield* look({ id, machine, shards }, journal, before, told)
    }).pipe(
      Effect.catchAll((error: PandaIngestUnavailable) =>
        Effect.logDebug("Panda.Ingest: could not look for other processes", error.message)
      ),
      Effect.schedule(Schedule.spaced(every))
    )
  })
