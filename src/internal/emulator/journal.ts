/**
 * What an emulator knows, in a file of lines. Each line is all that one request has changed, so that half a line, the
 * last one of a process that was killed, is a request that nobody was answered. Nobody is, before its line is on the disk.
 */
import type { PlatformError } from "@effect/platform/Error"
import * as Effect from "effect/Effect"
import { reviveSession, type Session, type Sessions } from "./sessions.js"
import type { Storage } from "./storage.js"
import type { Outbox, Pending } from "./webhooks.js"
import type { Change, Cloud, Encoding, Profile, Video, World } from "./world.js"

/** What a thing is called in a line: its kind, its cloud, its id, and what it is now, if it is still there. */
type Entry = readonly [kind: Change["kind"] | "count", cloud: string, id: string, value: unknown]

const VERSION = 1

/** JSON has no infinity, which is when what is still going on ends. */
const time = (millis: number): number | null => millis === Infinity ? null : millis
const timeOf = (millis: number | null): number => millis ?? Infinity

const write = {
  cloud: ({ bucket, createdAt, name, notifications, updatedAt }: Cloud) => ({
    bucket,
    createdAt,
    name,
    notifications,
    updatedAt
  }),
  profile: ({ attributes, createdAt, updatedAt }: Profile) => ({ attributes, createdAt, updatedAt }),
  video: ({ id: _, ...video }: Video) => ({ ...video, storedAt: time(video.storedAt) }),
  encoding: ({ id: _, ...encoding }: Encoding) => ({ ...encoding, finishedAt: time(encoding.finishedAt) }),
  session: ({ gone, locationId, moves, order, origin, sha256, status, videoId }: Session) => ({
    gone,
    locationId,
    moves,
    order: { ...order, profiles: order.profiles.map(({ id }) => id) },
    origin,
    sha256,
    status,
    videoId
  })
}

/** What is only of use when all was read. Of a session the last entry counts, and needs its file. */
interface Later {
  readonly sessions: Map<string, readonly [cloud: Cloud, value: ReturnType<typeof write.session>]>
  readonly told: Set<string>
  readonly webhooks: Map<string, { readonly cloud: Cloud; readonly webhook: Pending }>
}

/** Takes entries, one after the other. */
const read = (world: World, later: Later) => ([kind, cloudId, id, value]: Entry): void => {
  if (kind === "count") {
    world.ids.count = value as number
    return
  }
  if (kind === "cloud") {
    if (value === null) world.clouds.delete(id)
    else {
      const old = world.clouds.get(id)
      world.clouds.set(id, {
        id,
        videos: old?.videos ?? new Map(),
        encodings: old?.encodings ?? new Map(),
        profiles: old?.profiles ?? new Map(),
        ...value as ReturnType<typeof write.cloud>
      })
    }
    return
  }
  if (kind === "told") {
    later.told.add(id)
    return
  }
  const cloud = world.clouds.get(cloudId)
  if (cloud === undefined) return
  switch (kind) {
    case "profile": {
      const old = cloud.profiles.get(id)
      if (value === null) cloud.profiles.delete(id)
      else if (old !== undefined) Object.assign(old, value)
      else cloud.profiles.set(id, { id, ...value as ReturnType<typeof write.profile> })
      return
    }
    case "video": {
      if (value === null) cloud.videos.delete(id)
      else {
        const video = value as ReturnType<typeof write.video>
        cloud.videos.set(id, { ...video, id, storedAt: timeOf(video.storedAt) })
      }
      return
    }
    case "encoding": {
      if (value === null) cloud.encodings.delete(id)
      else {
        const encoding = value as ReturnType<typeof write.encoding>
        cloud.encodings.set(id, {
          ...encoding,
          id,
          // A profile that is gone is still that of its encodings.
          profile: cloud.profiles.get(encoding.profile.id) ?? encoding.profile,
          finishedAt: timeOf(encoding.finishedAt)
        })
      }
      return
    }
    case "session":
      later.sessions.set(id, [cloud, value as ReturnType<typeof write.session>])
      return
    case "webhook":
      if (value === null) later.webhooks.delete(id)
      else later.webhooks.set(id, { cloud, webhook: value as Pending })
  }
}

/** Sessions with the bytes that their files have; what lies there of others is of no use to anyone. */
const revive = (
  world: World,
  sessions: Sessions,
  { fs, incoming, sizeOf, spool }: Storage,
  told: Later["sessions"]
) =>
  Effect.gen(function*() {
    const used = new Set<string>()
    for (const { videos } of world.clouds.values()) {
      for (const video of videos.values()) if (video.incoming !== undefined) used.add(incoming(video.incoming))
    }
    for (const [id, [cloud, { order, ...rest }]] of told) {
      const profiles = order.profiles.flatMap((id) => cloud.profiles.get(id) ?? [])
      const path = incoming(id)
      used.add(path)
      const file = rest.status === "open" ? spool(id, (yield* sizeOf(path)) ?? 0) : undefined
      if (rest.status !== "open" && rest.status !== "complete") continue
      sessions.put(reviveSession(id, cloud, { ...order, profiles }, rest, file))
    }
    const folder = incoming("").replace(/\/[^/]*$/, "")
    for (const name of yield* fs.readDirectory(folder)) {
      if (!used.has(`${folder}/${name}`)) yield* fs.remove(`${folder}/${name}`, { recursive: true, force: true })
    }
  })

/** All that a world has, as changes. */
function* everything(world: World, sessions: Sessions, outbox: Outbox): Generator<Change> {
  for (const cloud of world.clouds.values()) {
    yield { kind: "cloud", cloud, id: cloud.id }
    for (const id of cloud.profiles.keys()) yield { kind: "profile", cloud, id }
    for (const id of cloud.videos.keys()) yield { kind: "video", cloud, id }
    for (const id of cloud.encodings.keys()) yield { kind: "encoding", cloud, id }
  }
  for (const { cloud, id, status } of sessions.sessions) {
    // What is over is forgotten, but for the video that its location still tells of.
    if (status === "open" || status === "complete") yield { kind: "session", cloud, id }
  }
  for (const [cloud, id] of outbox.remembered()) yield { kind: "told", cloud, id }
  for (const [id, { cloud }] of outbox.pending) yield { kind: "webhook", cloud, id }
}

const entryOf =
  (world: World, sessions: Sessions, outbox: Outbox) => ({ cloud, id, kind }: Change): ReadonlyArray<Entry> => {
    switch (kind) {
      case "cloud": {
        const value = world.clouds.get(id)
        return [[kind, id, id, value === undefined ? null : write.cloud(value)]]
      }
      case "profile": {
        const value = cloud.profiles.get(id)
        return [[kind, cloud.id, id, value === undefined ? null : write.profile(value)]]
      }
      case "video": {
        const value = cloud.videos.get(id)
        return [[kind, cloud.id, id, value === undefined ? null : write.video(value)]]
      }
      case "encoding": {
        const value = cloud.encodings.get(id)
        return [[kind, cloud.id, id, value === undefined ? null : write.encoding(value)]]
      }
      case "session": {
        const value = sessions.byId(id)
        return value === undefined ? [] : [[kind, cloud.id, id, write.session(value)]]
      }
      case "told":
        return [[kind, cloud.id, id, true]]
      case "webhook":
        return [[kind, cloud.id, id, outbox.pending.get(id)?.webhook ?? null]]
    }
  }

/** The lines that are whole, and how many bytes they have. What is after the last line break is not one. */
const linesOf = (bytes: Uint8Array): { readonly lines: ReadonlyArray<string>; readonly length: number } => {
  const length = bytes.lastIndexOf(10) + 1
  const text = new TextDecoder().decode(bytes.subarray(0, length))
  return { lines: text.split("\n").filter((line) => line !== ""), length }
}

export interface Journal {
  /** Writes down what has changed. It fails if that cannot be, and what has changed is written with what comes next. */
  readonly write: (changes: Iterable<Change>) => Effect.Effect<void, PlatformError>
}

/** Bytes after which it may be worth to begin anew. */
const LARGE = 4 * 1024 * 1024

/** Brings back what was written, if anything was, and goes on writing. Left: why it cannot be read. */
export const openJournal = (
  storage: Storage,
  world: World,
  sessions: Sessions,
  outbox: Outbox
): Effect.Effect<{ readonly journal: Journal; readonly restored: boolean }, PlatformError | string> =>
  Effect.gen(function*() {
    const { fs, journal: path } = storage
    const entries = entryOf(world, sessions, outbox)
    const encoder = new TextEncoder()
    const lineOf = (changes: Iterable<Change>) =>
      encoder.encode(
        `${JSON.stringify([["count", "", "", world.ids.count], ...[...changes].flatMap(entries)])}\n`
      )
    let length = 0
    let beginning = 0

    /** A new file with all there is, in the place of the old one. */
    const rewrite = Effect.scoped(Effect.gen(function*() {
      const file = yield* fs.open(`${path}.new`, { flag: "w", mode: 0o600 })
      const bytes = encoder.encode(`${JSON.stringify({ version: VERSION })}\n`)
      yield* file.writeAll(bytes)
      const all = lineOf(everything(world, sessions, outbox))
      yield* file.writeAll(all)
      yield* file.sync
      yield* fs.rename(`${path}.new`, path)
      length = bytes.length + all.length
      beginning = length
    }))

    const append = (bytes: Uint8Array) =>
      Effect.scoped(Effect.gen(function*() {
        const file = yield* fs.open(path, { flag: "a" })
        yield* file.writeAll(bytes)
        yield* file.sync
        length += bytes.length
      })).pipe(
        // Half a line would be taken for a part of the next one.
        Effect.tapError(() => Effect.ignore(fs.truncate(path, length)))
      )

    const restored = yield* fs.exists(path)
    if (restored) {
      const { lines } = linesOf(yield* fs.readFile(path))
      const [head, ...rest] = lines.map((line, i) => {
        try {
          return JSON.parse(line) as unknown
        } catch {
          return `${path} cannot be read: line ${i + 1} is damaged. Remove it, or take another folder`
        }
      })
      const damaged = [head, ...rest].find((line) => typeof line === "string")
      if (typeof damaged === "string") return yield* Effect.fail(damaged)
      if ((head as { readonly version?: unknown } | undefined)?.version !== VERSION) {
        return yield* Effect.fail(`${path} is of another version of effect-panda. Take another folder`)
      }
      world.clouds.clear()
      const later: Later = { sessions: new Map(), told: new Set(), webhooks: new Map() }
      const put = read(world, later)
      for (const line of rest) for (const entry of line as ReadonlyArray<Entry>) put(entry)
      yield* revive(world, sessions, storage, later.sessions)
      outbox.restore(later.told, later.webhooks)
    }
    yield* rewrite

    const unwritten = new Map<string, Change>()
    const one = yield* Effect.makeSemaphore(1)
    return {
      restored,
      journal: {
        write: (changes) =>
          Effect.suspend(() => {
            for (const change of changes) unwritten.set(`${change.kind} ${change.cloud.id} ${change.id}`, change)
            return one.withPermits(1)(Effect.suspend(() => {
              // Who waited may find its own written by who came before.
              if (unwritten.size === 0) return Effect.void
              const taken = [...unwritten]
              unwritten.clear()
              return append(lineOf(taken.map(([, change]) => change))).pipe(
                Effect.zipRight(
                  Effect.suspend(() => length > LARGE && length > 4 * beginning ? Effect.ignore(rewrite) : Effect.void)
                ),
                Effect.tapError(() =>
                  Effect.sync(() => {
                    for (const [key, change] of taken) if (!unwritten.has(key)) unwritten.set(key, change)
                  })
                ),
                Effect.uninterruptible
              )
            }))
          })
      }
    }
  })
