/**
 * Where the bytes of an upload come from. A source is a description: it is opened when the upload runs, and closed when
 * that ends.
 *
 * @since 0.1.0
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import { sha256 } from "@noble/hashes/sha2.js"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { PandaSourceError } from "./PandaError.js"
import type { Fingerprint } from "./UploadState.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface UploadSource {
  /** The file name that Panda is told. */
  readonly name: string
  readonly open: Effect.Effect<Handle, PandaSourceError, Scope.Scope>
}

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
 * @since 0.1.0
 * @category models
 */
export interface Stat {
  /** Bytes. */
  readonly size: number
  /** When it was last modified, where the source knows. */
  readonly modified: DateTime.Utc | undefined
}

/** The last part of a path: Panda need not know our folders. */
const basename = (path: string): string => path.split(/[/\\]/).filter((part) => part !== "").at(-1) ?? path

/**
 * A file, by any `FileSystem`.
 *
 * The upload fails with `PandaSourceError` if the file cannot be read or is no file.
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
      new PandaSourceError({ operation: "UploadSource.fromFile", reason: "Unreadable", name, description })
    const why = (error: PlatformError) => unreadable(error._tag === "SystemError" ? error.reason : error._tag)

    const handleOf = (file: FileSystem.File): Handle => ({
      stat: Effect.flatMap(Effect.mapError(file.stat, why), ({ mtime, size, type }) =>
        type === "Directory"
          ? Effect.fail(unreadable("it is a directory"))
          : Effect.succeed({
            size: Number(size),
            modified: Option.getOrUndefined(Option.flatMap(mtime, DateTime.make))
          })),
      read: (offset, buffer) =>
        Effect.gen(function*() {
          yield* file.seek(offset, "start")
          let filled = 0
          // A read may give less than was asked for before the end is reached.
          while (filled < buffer.byteLength) {
            const count = Number(yield* file.read(buffer.subarray(filled)))
            if (count === 0) break
            filled += count
          }
          return filled
        }).pipe(Effect.mapError(why))
    })
    return { name, open: Effect.map(Effect.mapError(fs.open(path, { flag: "r" }), why), handleOf) }
  })

/**
 * Bytes in memory. They must not be changed before the upload has ended.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromBytes = (bytes: Uint8Array, options: { readonly name: string }): UploadSource => ({
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
        name,
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
export const fingerprint = (name: string, handle: Handle): Effect.Effect<Fingerprint, PandaSourceError> =>
  Effect.gen(function*() {
    const { modified, size } = yield* handle.stat
    if (size === 0) {
      return yield* new PandaSourceError({ operation: "UploadSource.fingerprint", reason: "Empty", name })
    }
    const head = new Uint8Array(Math.min(size, SAMPLE))
    yield* readFully(name, handle, 0, head)
    const tail = new Uint8Array(Math.min(size - head.byteLength, SAMPLE))
    yield* readFully(name, handle, size - tail.byteLength, tail)
    return { size, modified, digest: Encoding.encodeHex(sha256.create().update(head).update(tail).digest()) }
  })
