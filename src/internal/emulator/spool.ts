/**
 * Files that bytes go into as they come, in writes of some size, and are the system's before anybody is told so: however
 * the process ends, they stay. That they are on the disk, for when the power fails, is not waited for: it would cost most
 * of the speed.
 */
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

export interface Spool {
  /** What it is called where it lies. */
  readonly name: string
  readonly path: string
  /** Bytes that are in the file. */
  readonly length: number
  /** Whether there is something that only a flush writes or closes. */
  readonly isBusy: boolean
  /** Takes a copy. */
  readonly push: (bytes: Uint8Array) => void
  /** What has to be waited for before more is pushed, if anything. While one part is written another may come. */
  readonly relief: () => Effect.Effect<void, PlatformError> | undefined
  /** Loses all. */
  readonly clear: () => void
  /** Afterwards all that was pushed is in the file. If that fails, all that was not is lost. */
  readonly flush: Effect.Effect<void, PlatformError>
  /** Hashes what is in the file. */
  readonly hash: (hash: { readonly update: (bytes: Uint8Array) => unknown }) => Effect.Effect<void, PlatformError>
  readonly remove: Effect.Effect<void>
}

/** Bytes that one write has, but for the last. */
const WRITE = 1024 * 1024

/** Used again and again: to make and forget them would cost more than to fill them. */
const free: Array<Uint8Array> = []
const KEPT = 16

const release = (buffer: Uint8Array): void => {
  if (free.length < KEPT) free.push(buffer)
}

interface Part {
  readonly buffer: Uint8Array
  length: number
}

export const makeSpool = (fs: FileSystem.FileSystem, name: string, path: string, existing = 0): Spool => {
  let length = existing
  /** What is to be written; all but the last are full. */
  let parts: Array<Part> = []
  /** Whether there is more in the file than counts. */
  let dirty = existing === 0
  /** What is being written, while more is taken. */
  let writing: Fiber.RuntimeFiber<void, PlatformError> | undefined
  /** Whether something could not be written, and nobody was told yet: what follows has no place. */
  let broken = false
  /** How often all was lost: what was begun before does not count. */
  let begun = 0
  /** The file, as long as more is to come. */
  let open: { readonly file: FileSystem.File; readonly scope: Scope.CloseableScope } | undefined
  const one = Effect.unsafeMakeSemaphore(1)

  const drop = () => {
    for (const { buffer } of parts) release(buffer)
    parts = []
  }

  const close = Effect.suspend(() => {
    if (open === undefined) return Effect.void
    const { scope } = open
    open = undefined
    return Scope.close(scope, Exit.void)
  })

  /** Only what counts is in it. */
  const opened = Effect.gen(function*() {
    if (dirty) {
      yield* close
      if (length > 0) yield* fs.truncate(path, length)
    }
    if (open !== undefined) return open.file
    const scope = yield* Scope.make()
    const file = yield* fs.open(path, { flag: dirty && length === 0 ? "w" : "a" }).pipe(
      Scope.extend(scope),
      Effect.onError(() => Scope.close(scope, Exit.void))
    )
    open = { file, scope }
    dirty = false
    return file
  })

  const write = (all: boolean) =>
    Effect.gen(function*() {
      const taken = all ? parts : parts.filter((part) => part.length === WRITE)
      parts = parts.slice(taken.length)
      const now = begun
      if (taken.length > 0 || dirty) {
        yield* Effect.gen(function*() {
          const file = yield* opened
          for (const part of taken) {
            yield* file.writeAll(part.buffer.subarray(0, part.length))
            if (now === begun) length += part.length
          }
        }).pipe(Effect.ensuring(Effect.sync(() => {
          for (const { buffer } of taken) release(buffer)
        })))
      }
    }).pipe(
      Effect.onError(() =>
        Effect.suspend(() => {
          dirty = true
          broken = true
          drop()
          return close
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
    // Not joined: whoever waits would go on with what the request had that began it, and answer that.
    return fiber === undefined ? Effect.void : Effect.flatten(Fiber.await(fiber))
  })

  const closed = one.withPermits(1)(Effect.uninterruptible(close))

  return {
    name,
    path,
    get length() {
      return length
    },
    get isBusy() {
      return parts.length > 0 || open !== undefined || writing !== undefined
    },
    push: (bytes) => {
      if (broken) return
      for (let at = 0; at < bytes.length;) {
        let last = parts.at(-1)
        if (last === undefined || last.length === WRITE) {
          last = { buffer: free.pop() ?? new Uint8Array(WRITE), length: 0 }
          parts.push(last)
        }
        const piece = bytes.subarray(at, at + WRITE - last.length)
        last.buffer.set(piece, last.length)
        last.length += piece.length
        at += piece.length
      }
    },
    relief: () =>
      parts[0]?.length !== WRITE && !broken ?
        undefined :
        told(Effect.flatMap(written, () =>
          Effect.map(Effect.forkDaemon(write(false)), (fiber) => {
            writing = fiber
          }))),
    clear: () => {
      drop()
      length = 0
      dirty = true
      begun++
    },
    flush: told(Effect.zipRight(written, Effect.zipRight(write(true), closed))),
    hash: (hash) =>
      Stream.runForEach(
        fs.stream(path, { chunkSize: 256 * 1024, bytesToRead: length }),
        (bytes) => Effect.sync(() => hash.update(bytes))
      ),
    remove: Effect.zipRight(closed, Effect.ignore(fs.remove(path, { force: true })))
  }
}
