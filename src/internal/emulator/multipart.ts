/**
 * `multipart/form-data`, read as it arrives: a part may be larger than memory.
 */

export interface Part {
  readonly name: string
  readonly filename: string | undefined
}

interface Handlers {
  /** Called with each slice of each part's content; a part without content is reported by one empty slice. */
  readonly data: (part: Part, bytes: Uint8Array) => void
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export const boundaryOf = (contentType: string): string | undefined => {
  const found = /;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType)
  return found?.[1] ?? found?.[2]
}

const parameterOf = (disposition: string, name: string): string | undefined => {
  const found = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;\\s]+))`, "i").exec(disposition)
  return (found?.[1] ?? found?.[2])?.replace(/\\(.)|%22/g, (_, char: string | undefined) => char ?? "\"")
}

const partOf = (head: string): Part => {
  const disposition = /^content-disposition:\s*(.*)$/im.exec(head)?.[1] ?? ""
  return { name: parameterOf(disposition, "name") ?? "", filename: parameterOf(disposition, "filename") }
}

const indexOf = (bytes: Uint8Array, wanted: Uint8Array, from: number): number => {
  const first = wanted[0]!
  const last = bytes.length - wanted.length
  for (let at = bytes.indexOf(first, from); at !== -1 && at <= last; at = bytes.indexOf(first, at + 1)) {
    let matched = 1
    while (matched < wanted.length && bytes[at + matched] === wanted[matched]) matched++
    if (matched === wanted.length) return at
  }
  return -1
}

const concat = (left: Uint8Array, right: Uint8Array): Uint8Array => {
  if (left.length === 0) return right
  const joined = new Uint8Array(left.length + right.length)
  joined.set(left)
  joined.set(right, left.length)
  return joined
}

/** Bytes that the heads of all parts may have together, and those of one. */
const HEADS = 1024 * 1024
const HEAD = 16 * 1024

/**
 * A reader to push slices into. `ended` tells whether the closing boundary was seen, `invalid` why the rest is not read.
 * What is read twice is bounded, so that it takes time in proportion to the body, however that is cut into slices.
 */
export const makeReader = (boundary: string, handlers: Handlers) => {
  const delimiter = encoder.encode(`\r\n--${boundary}`)
  const blankLine = encoder.encode("\r\n\r\n")
  // The first boundary has no line before it; with this one it looks like all others.
  let pending: Uint8Array = encoder.encode("\r\n")
  let state: "preamble" | "head" | "body" | "end" = "preamble"
  let invalid: string | undefined
  let heads = 0
  /** How much of `pending` is known not to hold the end of a head. */
  let scanned = 0
  let part: Part = { name: "", filename: undefined }

  /** One step through `pending`; false when more bytes are needed. */
  const step = (): boolean => {
    switch (state) {
      case "end": {
        pending = new Uint8Array(0)
        return false
      }
      case "head": {
        if (pending.length >= 2 && pending[0] === 45 && pending[1] === 45) {
          state = "end"
          return true
        }
        const at = indexOf(pending, blankLine, scanned)
        if ((at === -1 ? pending.length : at) > HEAD || heads > HEADS) {
          invalid = "The head of a part is too long"
          state = "end"
          return true
        }
        if (at === -1) {
          scanned = Math.max(0, pending.length - blankLine.length + 1)
          return false
        }
        heads += at + blankLine.length
        scanned = 0
        part = partOf(decoder.decode(pending.subarray(0, at)))
        handlers.data(part, new Uint8Array(0))
        pending = pending.subarray(at + blankLine.length)
        state = "body"
        return true
      }
      case "preamble":
      case "body": {
        const at = indexOf(pending, delimiter, 0)
        // A delimiter may have begun in the last bytes: they wait for the next slice.
        const safe = at === -1 ? Math.max(0, pending.length - delimiter.length + 1) : at
        if (state === "body" && safe > 0) handlers.data(part, pending.subarray(0, safe))
        if (at === -1) {
          // What is left of a slice is copied, because the slice belongs to the sender.
          pending = pending.slice(safe)
          return false
        }
        pending = pending.subarray(at + delimiter.length)
        state = "head"
        return true
      }
    }
  }

  return {
    push(bytes: Uint8Array): void {
      pending = concat(pending, bytes)
      while (step()) { /* until it needs more */ }
      if (state === "head") pending = pending.slice()
    },
    get ended(): boolean {
      return state === "end" && invalid === undefined
    },
    get invalid(): string | undefined {
      return invalid
    }
  }
}

export interface Written extends Part {
  readonly type?: string
  readonly content: Uint8Array
}

/** The bytes of a form, as a browser would write them. */
export const write = (
  boundary: string,
  parts: Iterable<Written>
): Uint8Array => {
  const quoted = (text: string) => text.replace(/"/g, "%22").replace(/\r\n|[\r\n]/g, "%0D%0A")
  let out: Uint8Array = new Uint8Array(0)
  for (const { content, filename, name, type } of parts) {
    const file = filename === undefined
      ? ""
      : `; filename="${quoted(filename)}"\r\nContent-Type: ${type || "application/octet-stream"}`
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(name)}"${file}\r\n\r\n`
    out = concat(concat(concat(out, encoder.encode(head)), content), encoder.encode("\r\n"))
  }
  return concat(out, encoder.encode(`--${boundary}--\r\n`))
}
