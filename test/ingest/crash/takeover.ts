/** How long what a process was uploading lies idle when it is killed: until another sends the next byte of it. */
import { Effect, Schedule } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as World from "./world.js"

const CHUNK = 32 * 1024
const FILES = 8
/** Chunks by which the processes have shared the uploads among them, as they do for some seconds after their start. */
const SETTLED = 30 * FILES

export interface Takeover {
  /** That the killed process had begun. */
  readonly uploads: number
  /** Seconds until another went on with the first, and with the last of them. */
  readonly first: number
  readonly last: number
  readonly receivedTwice: number
}

interface Event {
  readonly at: number
  readonly pid: number
  readonly id: string
  readonly tag: string
}

/** Looks until what is seen is what is waited for. */
const until = <A>(look: Effect.Effect<A>, holds: (seen: A) => boolean) =>
  Effect.retry(Effect.filterOrFail(look, holds), Schedule.spaced("100 millis")).pipe(Effect.orDie)

const eventsOf = (folder: string): ReadonlyArray<Event> =>
  readFileSync(join(folder, ".events"), "utf8").split("\n").slice(0, -1).map((line) => {
    const [at, pid, id, tag] = line.split(" ")
    return { at: Number(at), pid: Number(pid), id: id!, tag: tag! }
  })

/** Two processes on PostgreSQL, deployed as the example is; the one with more uploads is killed and stays dead. */
export const takeover = (log: (line: string) => void): Effect.Effect<Takeover> =>
  Effect.gen(function*() {
    const { children, folder, panda } = yield* World.make({
      database: "PostgreSQL",
      processes: 2,
      sizes: Array.from({ length: FILES }, () => 400 * CHUNK),
      task: { chunkSize: CHUNK, uploads: FILES },
      chunkTime: "250 millis",
      log
    })
    /** Who told last of each upload, and of how many chunks all have told. */
    const carried = Effect.sync(() => {
      const events = eventsOf(folder)
      const ids = new Map<number, ReadonlyArray<string>>()
      for (const [id, pid] of new Map(events.map(({ id, pid }) => [id, pid]))) ids.set(pid, [...ids.get(pid) ?? [], id])
      return { ids, chunks: events.filter(({ tag }) => tag === "Progress").length }
    })
    const begun = yield* until(carried, ({ chunks, ids }) =>
      ids.size === children.length && Array.from(ids.values()).flat().length === FILES && chunks > SETTLED)
    const [victim, uploads] = Array.from(begun.ids).sort(([, a], [, b]) =>
      b.length - a.length
    )[0]!
    const ids = new Set(uploads)
    const killed = Date.now()
    children.find((child) => child?.pid === victim)!.kill("SIGKILL")
    const after = () => {
      const firsts = new Map<string, number>()
      for (const { at, id, pid, tag } of eventsOf(folder)) {
        if (at < killed || pid === victim || tag !== "Progress" || !ids.has(id) || firsts.has(id)) continue
        firsts.set(id, (at - killed) / 1000)
      }
      return firsts
    }
    const firsts = yield* until(Effect.sync(after), ({ size }) => size === ids.size)
    const times = Array.from(firsts.values())
    return {
      uploads: ids.size,
      first: Math.min(...times),
      last: Math.max(...times),
      receivedTwice: (yield* panda.sessions).reduce((sum, { receivedTwice }) => sum + receivedTwice, 0)
    }
  }).pipe(Effect.timeout("3 minutes"), Effect.scoped, Effect.orDie)
