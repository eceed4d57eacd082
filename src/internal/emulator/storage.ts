/**
 * The folder of an emulator that keeps what it gets and makes: `storage/` as the buckets of its clouds are laid out
 * (contract 9), `incoming/` for what is not whole yet, `work/` for what is being made, and its journal.
 */
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { makeSpool, type Spool } from "./spool.js"

export interface Storage {
  readonly fs: FileSystem.FileSystem
  readonly journal: string
  /** Where a key of a cloud is; undefined for what cannot be one. */
  readonly pathOf: (cloudId: string, key: string) => string | undefined
  /** Whether a file is really within the buckets, and no link leads elsewhere on the way. */
  readonly holds: (path: string) => Effect.Effect<boolean>
  /** A file that is still to come, or to go on with. */
  readonly spool: (name: string, existing?: number) => Spool
  readonly spoolAt: (path: string) => Spool
  readonly incoming: (name: string) => string
  /** Moves a file to its key. */
  readonly place: (path: string, cloudId: string, key: string) => Effect.Effect<void, PlatformError>
  readonly remove: (cloudId: string, keys: Iterable<string>) => Effect.Effect<void>
  /** A new folder for something to be made in, gone when the scope closes. */
  readonly workshop: Effect.Effect<string, PlatformError, Scope.Scope>
  /** Leaves nothing of what was kept. */
  readonly clear: Effect.Effect<void, PlatformError>
  readonly sizeOf: (path: string) => Effect.Effect<number | undefined>
}

/** Where the buckets are, on the port. */
export const prefix = "/storage/"

/** Bytes of a name, with room for what follows it in the names of pictures and pieces. */
const NAME = 200

const encoder = new TextEncoder()

/** What some file system would take for something else. */
const UNSAFE = /[%<>:"|?*\\\p{Cc}]/gu

const escaped = (segment: string): string =>
  segment.replace(UNSAFE, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`)

export const isFull = (error: PlatformError): boolean =>
  /ENOSPC|EDQUOT/.test(`${String(error.cause ?? "")} ${error.message}`)

/** Why a text cannot be a key, or the beginning of one. */
export const notAKey = (key: string): string | undefined => {
  if (/[\\\p{Cc}]/u.test(key)) return "must not have backslashes or control characters"
  const segments = key.split("/")
  if (segments.some((segment) => segment === "" || segment === "." || segment === "..")) {
    return "must not lead out of the bucket, nor have empty parts"
  }
  return segments.some((segment) => encoder.encode(escaped(segment)).length > NAME + 50)
    ? `must not have parts of more than ${NAME} bytes`
    : undefined
}

/** Why a text cannot be the name of a file. */
export const notAName = (name: string): string | undefined =>
  /[/\\\p{Cc}]/u.test(name)
    ? "must not have separators or control characters"
    : encoder.encode(name).length > NAME
    ? `must not have more than ${NAME} bytes`
    : undefined

export const makeStorage = (
  fs: FileSystem.FileSystem,
  folder: string
): Effect.Effect<Storage, PlatformError> =>
  Effect.gen(function*() {
    const root = folder.replace(/[/\\]+$/, "")
    // Private: sources may be, and the locations of sessions are.
    yield* fs.makeDirectory(root, { recursive: true, mode: 0o700 })
    yield* fs.remove(`${root}/work`, { recursive: true, force: true })
    for (const name of ["work", "incoming", "storage"]) yield* fs.makeDirectory(`${root}/${name}`, { recursive: true })

    const pathOf = (cloudId: string, key: string) =>
      notAKey(cloudId) !== undefined || cloudId.includes("/") || notAKey(key) !== undefined
        ? undefined
        : `${root}/storage/${escaped(cloudId)}/${key.split("/").map(escaped).join("/")}`
    const incoming = (name: string) => `${root}/incoming/${escaped(encodeURIComponent(name))}`
    let works = 0

    return {
      fs,
      journal: `${root}/panda.jsonl`,
      pathOf,
      holds: (path) =>
        Effect.all([fs.realPath(`${root}/storage`), fs.realPath(path)]).pipe(
          Effect.map(([storage, file]) => file.startsWith(storage) && /^[/\\]/.test(file.slice(storage.length))),
          Effect.orElseSucceed(() => false)
        ),
      spool: (name, existing) => makeSpool(fs, name, incoming(name), existing),
      spoolAt: (path) => makeSpool(fs, path, path),
      incoming,
      place: (path, cloudId, key) =>
        Effect.suspend(() => {
          const target = pathOf(cloudId, key)!
          return Effect.zipRight(
            fs.makeDirectory(target.replace(/\/[^/]*$/, ""), { recursive: true }),
            fs.rename(path, target)
          )
        }),
      remove: (cloudId, keys) =>
        Effect.forEach(keys, (key) => {
          const path = pathOf(cloudId, key)
          return path === undefined ? Effect.void : Effect.ignore(fs.remove(path, { force: true }))
        }, { discard: true }),
      workshop: Effect.acquireRelease(
        Effect.suspend(() => {
          const path = `${root}/work/${++works}`
          return Effect.as(fs.makeDirectory(path), path)
        }),
        (path) => Effect.ignore(fs.remove(path, { recursive: true, force: true }))
      ),
      clear: Effect.forEach(
        ["work", "incoming", "storage", "panda.jsonl"],
        (name) => fs.remove(`${root}/${name}`, { recursive: true, force: true }),
        { discard: true }
      ),
      sizeOf: (path) =>
        Effect.map(Effect.option(fs.stat(path)), (info) =>
          info._tag === "Some" && info.value.type === "File" ? Number(info.value.size) : undefined)
    }
  })
