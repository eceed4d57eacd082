/** Files that bytes go into as they come, in writes of some size, and are on the disk before anybody is told so. */
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"

export interface Spool {
  /** What it is called where it lies. */
  readonly name: string
  readonly path: string
  /** Bytes that are in the file. */
  readonly length: number
  /** Takes a copy. */
  readonly push: (bytes: Uint8Array) => void
  /** What has to be waited for before more is pushed, if anything. While one part is written another may come. */
  readonly relief: () => Effect.Effect<void, PlatformError> | undefined
  /** Loses all. */
  readonly clear: () => void
  /** Afterwards all that was pushed is on the disk. If that fails, all that was not is lost. */
  readonly flush: Effect.Effect<void, PlatformError>
  /** Hashes what is in the file. */
  readonly hash: (hash: { readonly update: (bytes: Uint8Array) => unknown }) => Effect.Effect<void, PlatformError>
  readonly remove: Effect.Effect<void>
}

/** Bytes that one write has, more or less. */
const WRITE = 1024 * 1024

export const makeSpool = (fs: FileSystem.FileSystem, name: string, path: string, existing = 0): Spool => {
  let length = existing
  let pending: Array<Uint8Array> = []
  let waiting = 0
  /** Whether there is more in the file than counts. */
  let dirty = existing === 0
  let unsynced = false
  /** What is being written, while more is taken. */
  let writing: Fiber.RuntimeFiber<void, PlatformError> | undefined
  /** Whether something could not be written, and nobody was told yet: what follows has no place. */
  let broken = false
  /** How often all was lost: what was begun before does not count. */
  let begun = 0
  const one = Effect.unsafeMakeSemaphore(1)

  const write = (sync: boolean) =>
    Effect.gen(function*() {
      const bytes = concat(pending, waiting)
      pending = []
      waiting = 0
      if (bytes.length === 0 && !dirty && !(sync && unsynced)) return
      const now = begun
      yield* Effect.scoped(Effect.gen(function*() {
        const cut = dirty
        if (cut && length > 0) yield* fs.truncate(path, length)
        const file = yield* fs.open(path, { flag: cut && length === 0 ? "w" : "a" })
        dirty = false
        unsynced = true
        if (bytes.length > 0) yield* file.writeAll(bytes)
        if (now === begun) length += bytes.length
        if (!sync) return
        yield* file.sync
        unsynced = false
      }))
    }).pipe(
      Effect.onError(() =>
        Effect.sync(() => {
          dirty = true
          broken = true
          pending = []
          waiting = 0
        })
      ),
      // Half a write is worse than a late one.
      Effect.uninterruptible,
      one.withPermits(1)
    )

  /** Whoever is told goes on from what is in the file. */
  const told = (effect: Effect.Effect<void, PlatformError>) =>
    Effect.tapError(effect, () =>
      Effect.sync(() => {
        broken = false
      }))

  const written = Effect.suspend(() => {
    const fiber = writing
    writing = undefined
    return fiber === undefined ? Effect.void : Fiber.join(fiber)
  })

  return {
    name,
    path,
    get length() {
      return length
    },
    push: (bytes) => {
      if (bytes.length === 0 || broken) return
      pending.push(bytes.slice())
      waiting += bytes.length
    },
    relief: () =>
      waiting < WRITE && !broken ?
        undefined :
        told(Effect.flatMap(written, () =>
          Effect.map(Effect.forkDaemon(write(false)), (fiber) => {
            writing = fiber
          }))),
    clear: () => {
      pending = []
      waiting = 0
      length = 0
      dirty = true
      begun++
    },
    flush: told(Effect.zipRight(written, Effect.suspend(() => write(true)))),
    hash: (hash) =>
      Stream.runForEach(
        fs.stream(path, { chunkSize: 256 * 1024, bytesToRead: length }),
        (bytes) => Effect.sync(() => hash.update(bytes))
      ),
    remove: Effect.ignore(fs.remove(path, { force: true }))
  }
}

const concat = (parts: ReadonlyArray<Uint8Array>, length: number): Uint8Array => {
  if (parts.length === 1) return parts[0]!
  const all = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
