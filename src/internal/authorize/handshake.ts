/** What a browser's uploader asks before it uploads, as it is read (contract 7.1). */
import * as Either from "effect/Either"

/** The file that is to be uploaded, as the page tells of it. */
export interface File {
  readonly filename: string
  /** Bytes. */
  readonly filesize: number
  /** All that the page tells. */
  readonly payload: Readonly<Record<string, unknown>>
}

/** Letters of a name: no file system has longer ones. */
const LONGEST_NAME = 1024

/** The form's field `payload`, or why it cannot be one. */
export const read = (form: string): Either.Either<File, string> => {
  const text = new URLSearchParams(form).get("payload")
  if (text === null) return Either.left("there is no field payload: post payload={\"filename\":…,\"filesize\":…}")
  const payload = parsed(text)
  if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
    return Either.left("payload is no JSON object: post payload={\"filename\":…,\"filesize\":…}")
  }
  const { fileurl, filename, filesize }: { readonly [field: string]: unknown } = { ...payload }
  if (fileurl !== undefined && filename === undefined) {
    return Either.left("this is for files: a video at an address is created with Videos.create")
  }
  if (typeof filename !== "string" || filename === "" || filename.length > LONGEST_NAME || !filename.isWellFormed()) {
    return Either.left("filename is no name: tell that of the file")
  }
  const size = typeof filesize === "string" && /^\d{1,15}$/.test(filesize) ? Number(filesize) : filesize
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 1) {
    return Either.left("filesize is no number of bytes from 1 on: choose a file that has something in it")
  }
  return Either.right({ filename, filesize: size, payload: { ...payload } })
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
