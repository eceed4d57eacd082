/**
 * Where the bytes of an upload come from. A source is a description: it is opened when the upload runs, and closed when
 * that ends.
 *
 * @since 0.1.0
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import { sha256 } from "@noble/hashes/sha2.js"
import type * as Chunk from "effect/Chunk"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { excerpt } from "./internal/text/excerpt.js"
import { PandaSourceError } from "./PandaError.js"
import type { Fingerprint } from "./UploadState.js"

/**
 * A source that can be read from any place, any number of times.
 *
 * @since 0.1.0
 * @category models
 */
export interface UploadSource {
  readonly _tag: "Rewindable"
  /** The file name that Panda is told. */
  readonly name: string
  /** What it was made from, if that was a `Blob`. */
  readonly blob?: Blob | undefined
  readonly open: Effect.Effect<Handle, PandaSourceError, Scope.Scope>
}

/**
 * A source that can be read once, from its beginning to its end. Of what was read only the last `window` bytes can be
 * read again, so an upload of it gets over a lost chunk, but cannot be resumed by another process.
 *
 * @since 0.1.0
 * @category models
 */
export interface OnePassSource {
  readonly _tag: "OnePass"
  readonly name: string
  /** Bytes. */
  readonly window: number
  readonly open: Effect.Effect<Handle, PandaSourceError, Scope.Scope>
}

/**
 * What can be uploaded.
 *
 * @since 0.1.0
 * @category models
 */
export type Any = UploadSource | OnePassSource

/**
 * An open source.
 *
 * @since 0.1.0
 * @category models
 */
export interface Handle {
  /** What the source is now; it may have changed since it was opened. */
  readonly stat: Effect.Effect<Stat, PandaSourceError>
  /** Reads from the offset into the buffer and tells how many bytes it read: fewer only at the end. */
  readonly read: (offset: number, buffer: Uint8Array) => Effect.Effect<number, PandaSourceError>
}

/**
 * What a source is at one moment.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stat {
  /** Bytes. */
  readonly size: number
  /** When it was last modified, where the source knows. */
  readonly modified: DateTime.Utc | undefined
}

/** What somebody else's error says. */
const why = (error: unknown): string => excerpt(String(error))

/** The last part of a path: Panda need not know our folders. */
const basename = (path: string): string => path.split(/[/\\]/).filter((part) => part !== "").at(-1) ?? path

/** What a path can lead to besides a file, such as a pipe, whose opening waits for somebody to write to it. */
const others: { readonly [type: string]: string } = {
  Directory: "it is a directory: pass the files in it",
  FIFO: "it is a named pipe: pass what comes out of it to UploadSource.fromStream, with its size",
  Socket: "it is a socket: pass what comes out of it to UploadSource.fromStream, with its size",
  CharacterDevice: "it is a character device: pass what comes out of it to UploadSource.fromStream, with its size",
  BlockDevice: "it is a block device: pass what is on it to UploadSource.fromStream, with its size"
}

/**
 * A file, by any `FileSystem`.
 *
 * The upload fails with `PandaSourceError` if the file cannot be read or is no regular file. What comes out of a pipe or
 * a device is for `fromStream`.
 *
 * @example
 * import * as NodeContext from "@effect/platform-node/NodeContext"
 * import { Effect } from "effect"
 * import { UploadSource } from "effect-panda"
 *
 * const source = UploadSource.fromFile("movies/movie.mp4", { name: "trailer.mp4" }).pipe(
 *   Effect.provide(NodeContext.layer)
 * )
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromFile = (
  path: string,
  options?: { readonly name?: string }
): Effect.Effect<UploadSource, never, FileSystem.FileSystem> =>
  Effect.map(FileSystem.FileSystem, (fs) => {
    const name = options?.name ?? basename(path)
    const unreadable = (description: string) =>
      new PandaSourceError({ operation: "UploadSource.fromFile", reason: "Unreadable", file: name, description })
    const failed = (error: PlatformError) => unreadable(error._tag === "SystemError" ? error.reason : error._tag)

    const regular = ({ type }: FileSystem.File.Info): Effect.Effect<void, PandaSourceError> =>
      type === "File"
        ? Effect.void
        : unreadable(others[type] ?? "it is no regular file: pass what is in it to UploadSource.fromStream")

    const handleOf = (file: FileSystem.File): Handle => {
      /** Where the file is, if that is known: to seek costs as much as to read. */
      let at: number | undefined
      return {
        stat: Effect.gen(function*() {
          const info = yield* Effect.mapError(file.stat, failed)
          yield* regular(info)
          return {
            size: Number(info.size),
            modified: Option.getOrUndefined(Option.flatMap(info.mtime, DateTime.make))
          }
        }),
        read: (offset, buffer) =>
          Effect.gen(function*() {
            const before = at
            // An interruption leaves it anywhere, also while it seeks.
            at = undefined
            if (offset !== before) yield* file.seek(offset, "start")
            let filled = 0
            // A read may give less than was asked for before the end is reached.
            while (filled < buffer.byteLength) {
              const count = Number(yield* file.read(buffer.subarray(filled)))
              if (count === 0) break
              filled += count
            }
            at = offset + filled
            return filled
          }).pipe(Effect.mapError(failed))
      }
    }
    return {
      _tag: "Rewindable",
      name,
      // Looked at before it is opened, which would wait for ever at a pipe. Why it cannot be looked at, opening it tells.
      open: Effect.option(fs.stat(path)).pipe(
        Effect.flatMap(Option.match({ onNone: () => Effect.void, onSome: regular })),
        Effect.zipRight(Effect.mapError(fs.open(path, { flag: "r" }), failed)),
        Effect.map(handleOf)
      )
    }
  })

/**
 * Bytes in memory. They must not be changed before the upload has ended.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromBytes = (bytes: Uint8Array, options: { readonly name: string }): UploadSource => ({
  _tag: "Rewindable",
  name: options.name,
  open: Effect.succeed({
    stat: Effect.sync(() => ({ size: bytes.byteLength, modified: undefined })),
    read: (offset, buffer) =>
      Effect.sync(() => {
        const part = bytes.subarray(offset, offset + buffer.byteLength)
        buffer.set(part)
        return part.byteLength
      })
  })
})

/**
 * A `Blob`, or a `File` as browsers give them. A `File` has a name of its own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromBlob = (blob: Blob, options?: { readonly name?: string }): UploadSource => {
  const [name, modified] = blob instanceof File
    ? [options?.name ?? blob.name, Option.getOrUndefined(DateTime.make(blob.lastModified))]
    : [options?.name ?? "blob", undefined]
  return {
    _tag: "Rewindable",
    name,
    blob,
    open: Effect.succeed({
      stat: Effect.sync(() => ({ size: blob.size, modified })),
      read: (offset, buffer) =>
        Effect.tryPromise({
          try: () => blob.slice(offset, offset + buffer.byteLength).arrayBuffer(),
          // Browsers refuse to read a file that has changed on disk.
          catch: (error) =>
            new PandaSourceError({
              operation: "UploadSource.fromBlob",
              reason: Predicate.isRecord(error) && error["name"] === "NotReadableError" ? "Changed" : "Unreadable",
              file: name,
              description: why(error)
            })
        }).pipe(Effect.map((bytes) => {
          buffer.set(new Uint8Array(bytes))
          return bytes.byteLength
        }))
    })
  }
}

/** How long a stream has, once all its bytes are there, to end or to show that there are more. */
const GRACE = "1 second"

/**
 * A stream of known size, which is run once, and need not end. Of what was read the last `window` bytes are kept, none by default: that
 * is enough unless the server loses bytes which it had acknowledged, since a chunk is kept until it has arrived.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromStream = <E>(
  stream: Stream.Stream<Uint8Array, E>,
  options: { readonly name: string; readonly size: number; readonly window?: number | undefined }
): OnePassSource => {
  const { name, size, window = 0 } = options
  const operation = "UploadSource.fromStream"
  const cannotRewind = (needed: number, have: number) =>
    new PandaSourceError({
      operation,
      reason: "CannotRewind",
      file: name,
      description: `byte ${needed} is gone, from ${have} on`
    })

  const open = Effect.gen(function*() {
    const scope = yield* Effect.scope
    const pull = yield* Stream.toPull(stream)
    /** What was pulled and may be read again, and where it begins. */
    const kept: Array<Uint8Array> = []
    let start = 0
    let end = 0
    let ended = false

    /** Goes on when nobody waits for it any more: what it had taken from the stream would be lost. */
    let pulling: Fiber.Fiber<Chunk.Chunk<Uint8Array>, Option.Option<E>> | undefined
    const next = Effect.gen(function*() {
      if (pulling === undefined) {
        yield* Effect.forkIn(Effect.interruptible(pull), scope).pipe(
          Effect.tap((fiber) =>
            Effect.sync(() => {
              pulling = fiber
            })
          ),
          Effect.uninterruptible
        )
      }
      // Not joined: it may have been begun by another fiber, whose context would come with it.
      const chunk = yield* yield* Fiber.await(pulling!)
      pulling = undefined
      return chunk
    })

    /** Pulls until there are bytes up to `goal`, or no more. */
    const fill = (goal: number) =>
      Effect.gen(function*() {
        while (end < goal && !ended) {
          const arrived = yield* Effect.catchAll(next, (error) =>
            Option.isSome(error)
              ? new PandaSourceError({ operation, reason: "Unreadable", file: name, description: why(error.value) })
              : Effect.void)
          if (!arrived) {
            ended = true
            break
          }
          for (const bytes of arrived) {
            kept.push(bytes)
            end += bytes.byteLength
          }
        }
      })

    const forget = (goal: number) => {
      let count = 0
      while (count < kept.length && start + kept[count]!.byteLength <= goal) start += kept[count++]!.byteLength
      kept.splice(0, count)
    }

    const handle: Handle = {
      stat: Effect.sync(() => ({ size: end > Math.max(size, 0) ? end : size, modified: undefined })),
      read: (offset, buffer) =>
        Effect.gen(function*() {
          if (offset < start) return yield* cannotRewind(offset, start)
          const goal = offset + buffer.byteLength
          yield* fill(goal)
          // One byte more than there should be shows that there is more. A stream need not end to have no more.
          if (goal === size && end === size) yield* Effect.timeoutOption(fill(size + 1), GRACE)
          let at = start
          let count = 0
          for (const bytes of kept) {
            const part = bytes.subarray(Math.max(0, offset - at), Math.max(0, goal - at))
            buffer.set(part, count)
            count += part.byteLength
            at += bytes.byteLength
          }
          forget(offset + count - window)
          return count
        })
    }
    return handle
  })
  return { _tag: "OnePass", name, window, open }
}

/**
 * Fills the buffer from the offset on; `PandaSourceError` with reason `TooShort` if the source ends before.
 *
 * @since 0.1.0
 * @category reading
 */
export const readFully = (
  name: string,
  handle: Handle,
  offset: number,
  buffer: Uint8Array
): Effect.Effect<void, PandaSourceError> =>
  Effect.filterOrFail(
    handle.read(offset, buffer),
    (count) => count === buffer.byteLength,
    (count) =>
      new PandaSourceError({
        operation: "UploadSource.read",
        reason: "TooShort",
        file: name,
        description: `ends at ${offset + count}, not at ${offset + buffer.byteLength}`
      })
  ).pipe(Effect.asVoid)

/** How much of either end goes into the digest: enough to tell files apart, little enough to cost nothing. */
const SAMPLE = 64 * 1024

/**
 * What tells the source from another: size, modification time and a digest of its head and tail. Does not depend on the
 * size of the source. `PandaSourceError` if it is empty or cannot be read.
 *
 * @since 0.1.0
 * @category reading
 */
export const fingerprint = (
  { _tag, name }: Any,
  handle: Handle
): Effect.Effect<Fingerprint, PandaSourceError> =>
  Effect.gen(function*() {
    const { modified, size } = yield* handle.stat
    if (size === 0) {
      return yield* new PandaSourceError({ operation: "UploadSource.fingerprint", reason: "Empty", file: name })
    }
    if (_tag === "OnePass") return { size, modified, digest: "" }
    const ends = new Uint8Array(Math.min(size, 2 * SAMPLE))
    const [head, tail] = [ends.subarray(0, SAMPLE), ends.subarray(SAMPLE)]
    yield* readFully(name, handle, 0, head)
    yield* readFully(name, handle, size - tail.byteLength, tail)
    return { size, modified, digest: Encoding.encodeHex(sha256(ends)) }
  })
