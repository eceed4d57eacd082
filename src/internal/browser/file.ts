/** What can be known of a file before it goes, and what tells it from another. */
import { UploadFailure } from "./failure.js"

/** Bytes of either end that go into the fingerprint. */
const SAMPLE = 64 * 1024

/** What a file has to be. */
export interface Limits {
  /** Bytes. */
  readonly maxSize?: number | undefined
  /** As `accept` of a file input has it: `video/*, .mkv`. */
  readonly accept?: string | undefined
}

/** Why a file is not taken, if it is not: nothing of it is read. */
export const refusal = (file: Blob, name: string, { accept, maxSize }: Limits): UploadFailure | undefined => {
  if (file.size === 0) return new UploadFailure("Empty", { name })
  if (maxSize !== undefined && file.size > maxSize) return new UploadFailure("FileTooLarge", { name, limit: maxSize })
  return accept === undefined || accepts(accept, file.type, name) ? undefined : new UploadFailure("WrongType", { name })
}

/** A type that the browser does not know is taken where some type is: only the server can tell. */
const accepts = (accept: string, type: string, name: string): boolean => {
  const wanted = accept.split(",").map((token) => token.trim().toLowerCase()).filter((token) => token !== "")
  const is = type.split(";")[0]!.trim().toLowerCase()
  return wanted.length === 0 || wanted.some((token) =>
    token.startsWith(".")
      ? name.toLowerCase().endsWith(token)
      : token === "*/*" || token === is || (token.endsWith("/*") && (is === "" || is.startsWith(token.slice(0, -1))))
  )
}

/** What tells the file from another: its name, size, time and both ends, in 64 bits. */
export const fingerprint = async (file: Blob, name: string): Promise<string> => {
  const modified = "lastModified" in file ? String(file.lastModified) : ""
  const [head, tail] = await Promise.all([
    read(file.slice(0, SAMPLE), name),
    read(file.slice(Math.max(SAMPLE, file.size - SAMPLE)), name)
  ])
  return hash([new TextEncoder().encode(JSON.stringify([name, file.size, modified])), head, tail])
}

/** Browsers refuse to read a file that was changed, moved or locked since it was chosen, and a folder. */
const read = async (part: Blob, name: string): Promise<Uint8Array> => {
  try {
    return new Uint8Array(await part.arrayBuffer())
  } catch (error) {
    throw new UploadFailure("Unreadable", { name }, error)
  }
}

/**
 * Tells files apart and keeps no secret: SHA-256 is for secure pages only, and the upload servers of Panda may need one
 * that is not.
 */
export const hash = (parts: ReadonlyArray<Uint8Array>): string => {
  let a = 0x811c9dc5
  let b = 0x9747b28c
  for (const bytes of parts) {
    for (const byte of bytes) {
      a = Math.imul(a ^ byte, 0x01000193)
      b = Math.imul(b ^ byte, 0x5bd1e995)
      b ^= b >>> 15
    }
  }
  return [a, b].map((lane) => (lane >>> 0).toString(16).padStart(8, "0")).join("")
}
