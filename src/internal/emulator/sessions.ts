/**
 * Upload sessions (contract 7): where the bytes go, and what each exchange on a location means.
 */
import { sha256 } from "@noble/hashes/sha2.js"
import { bytesToHex } from "@noble/hashes/utils.js"
import type { PlatformError } from "@effect/platform/Error"
import * as Effect from "effect/Effect"
import type { UploadOrder } from "./endpoints.js"
import { type Answer, badRequest, refusal, type Request, text } from "./exchange.js"
import * as Multipart from "./multipart.js"
import { pairsOf } from "./parameters.js"
import type { Spool } from "./spool.js"
import type { Cloud } from "./world.js"

export interface Hash {
  readonly update: (bytes: Uint8Array) => unknown
  readonly digest: (encoding: "hex") => string | Uint8Array
}

export interface Session {
  readonly id: string
  readonly cloud: Cloud
  readonly order: UploadOrder
  stored: number
  acknowledged: number
  received: number
  receivedTwice: number
  storedTwice: number
  /** Undefined where bytes are kept in a file and it has to be read for it: after a restart, or after a write that failed. */
  hash: Hash | undefined
  /** Copies, if bytes are kept. */
  bytes: Array<Uint8Array>
  sha256: string | undefined
  status: "open" | "complete" | "aborted" | "expired"
  /** What every request is answered once the session is over. */
  gone: number
  videoId: string | undefined
  /** The capability in its location. */
  readonly locationId: string
  /** How often it was moved: each time its location before is dead. */
  moves: number
  /** The origin that it was moved to, if it was another than the one where it is asked for. */
  origin: string | undefined
  /** Chunks whose Content-Range reached beyond the file. */
  inexactRanges: number
  /** The file that its bytes go into, if they are kept in one. */
  readonly spool: Spool | undefined
  /** Why something could not be written, until somebody is told. */
  failure: PlatformError | undefined
}

export const nobleHash = (): Hash => sha256.create()

export const path = "/upload/session"

const targetOf = (id: string, moves: number): string => `${path}?id=${id}${moves === 0 ? "" : `&move=${moves}`}`

export const makeSessions = (options: {
  readonly hash: () => Hash
  readonly keepBytes: boolean
  readonly nextId: (kind: string) => string
  /** Where bytes are kept in files: that of a session, new or with so many bytes. */
  readonly spool?: ((id: string, existing?: number) => Spool) | undefined
  /** Called when one came, moved or ended. */
  readonly onChange?: ((session: Session) => void) | undefined
}) => {
  const sessions: Array<Session> = []
  /** By the id in their location, which a restored one brings along. */
  const located = new Map<string, Session>()
  const { onChange: touch = () => {} } = options

  const put = (session: Session): void => {
    const index = sessions.findIndex(({ id }) => id === session.id)
    if (index === -1) sessions.push(session)
    else sessions[index] = session
    located.set(session.locationId, session)
  }

  const add = (id: string, cloud: Cloud, order: UploadOrder, locationId: string): Session => {
    const session: Session = {
      id,
      cloud,
      order,
      stored: 0,
      acknowledged: 0,
      received: 0,
      receivedTwice: 0,
      storedTwice: 0,
      hash: options.hash(),
      bytes: [],
      sha256: undefined,
      status: "open",
      gone: 404,
      videoId: undefined,
      locationId,
      moves: 0,
      origin: undefined,
      inexactRanges: 0,
      spool: options.spool?.(id),
      failure: undefined
    }
    sessions.push(session)
    located.set(locationId, session)
    touch(session)
    return session
  }

  /** (documented: a session's id is all that its location has of it, and so the secret of it) */
  const open = (cloud: Cloud, order: UploadOrder): Session => {
    const id = options.nextId("session")
    return add(id, cloud, order, id)
  }

  const place = (query: string) => {
    const pairs = new Map(pairsOf(query))
    return { id: pairs.get("id") ?? "", moves: Number(pairs.get("move") ?? 0) }
  }

  /** A session that an earlier emulator had opened, at the location that it had given out. */
  const restore = (id: string, location: string, cloud: Cloud, order: UploadOrder): Session => {
    const given = place(location.replace(/^[^?]*\?/, ""))
    const session = add(id, cloud, order, given.id)
    session.moves = given.moves || 0
    return session
  }

  const find = (query: string): Session | undefined => {
    const { id, moves } = place(query)
    const session = located.get(id)
    return session?.moves === moves ? session : undefined
  }

  /** Appends what of the bytes at `offset` is new; bytes beyond a gap are dropped. */
  const store = (session: Session, offset: number, bytes: Uint8Array): void => {
    const known = session.stored - offset
    if (known < 0 || known >= bytes.length || session.stored >= session.order.size) return
    const fresh = bytes.subarray(known)
    session.hash?.update(fresh)
    session.spool?.push(fresh)
    if (options.keepBytes) session.bytes.push(fresh.slice())
    session.stored += fresh.length
    if (session.stored === session.order.size && session.hash !== undefined) seal(session, session.hash)
  }

  const seal = (session: Session, hash: Hash): void => {
    const digest = hash.digest("hex")
    session.sha256 = typeof digest === "string" ? digest : bytesToHex(digest)
  }

  /**
   * Of bytes that are kept in a file nobody is told before they are on the disk. Those that cannot be written were never
   * received. Once all are there, the hash is.
   */
  const settle = (session: Session): Effect.Effect<void, PlatformError> =>
    Effect.gen(function*() {
      const { order, spool } = session
      if (spool === undefined) return
      yield* Effect.tapError(spool.flush, () => Effect.sync(() => lose(session, spool)))
      const { failure } = session
      session.failure = undefined
      if (failure !== undefined) return yield* failure
      if (session.stored < order.size || session.sha256 !== undefined) return
      const hash = options.hash()
      yield* spool.hash(hash)
      seal(session, hash)
    })

  /** What has to be waited for before more is taken, if anything. */
  const relief = (session: Session): Effect.Effect<void> | undefined => {
    const { spool } = session
    const waiting = spool?.relief()
    return spool === undefined || waiting === undefined
      ? undefined
      : lost(session, spool, waiting)
  }

  /** What follows what could not be written lies beyond a gap then, and is dropped. */
  const lost = (session: Session, spool: Spool, writing: Effect.Effect<void, PlatformError>): Effect.Effect<void> =>
    Effect.catchAll(writing, (failure) =>
      Effect.sync(() => {
        session.failure = failure
        lose(session, spool)
      }))

  /** Whoever left in the middle of a chunk may never come again: what came of it is put where it belongs. */
  const leave = (session: Session): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { spool } = session
      return spool?.isBusy !== true
        ? Effect.void
        : lost(session, spool, spool.flush)
    })

  const lose = (session: Session, { length }: Spool): void => {
    session.stored = length
    session.acknowledged = Math.min(session.acknowledged, length)
    session.hash = undefined
    session.sha256 = undefined
  }

  /** Loses all but the first `size` bytes. A hash cannot be wound back, so more than none needs the bytes. */
  const forget = (session: Session, size: number): void => {
    if (session.status !== "open" || size >= session.stored) return
    const rest = joined(session).slice(0, size)
    session.hash = options.hash()
    session.spool?.clear()
    session.bytes = []
    session.sha256 = undefined
    session.stored = 0
    session.acknowledged = Math.min(session.acknowledged, rest.length)
    store(session, 0, rest)
  }

  const count = (session: Session, offset: number, length: number): void => {
    const below = (mark: number) => Math.max(0, Math.min(offset + length, mark) - offset)
    session.received += length
    session.receivedTwice += below(session.acknowledged)
    session.storedTwice += below(session.stored)
  }

  return {
    sessions,
    byId: (id: string) => sessions.find((session) => session.id === id),
    put,
    open,
    restore,
    find,
    store,
    settle,
    relief,
    leave,
    forget,
    count,
    touch
  }
}

export type Sessions = ReturnType<typeof makeSessions>

const joined = (session: Session): Uint8Array => {
  const all = new Uint8Array(session.bytes.reduce((sum, bytes) => sum + bytes.length, 0))
  let at = 0
  for (const bytes of session.bytes) {
    all.set(bytes, at)
    at += bytes.length
  }
  return all
}

/** One that a journal tells of. Its bytes are in its file, as many as are there. */
export const reviveSession = (
  id: string,
  cloud: Cloud,
  order: UploadOrder,
  told: Pick<Session, "gone" | "locationId" | "moves" | "origin" | "sha256" | "status" | "videoId">,
  spool: Spool | undefined
): Session => {
  const stored = told.status === "complete" ? order.size : Math.min(order.size, spool?.length ?? 0)
  return {
    ...told,
    id,
    cloud,
    order,
    stored,
    acknowledged: stored,
    received: 0,
    receivedTwice: 0,
    storedTwice: 0,
    hash: undefined,
    bytes: [],
    inexactRanges: 0,
    spool,
    failure: undefined
  }
}

/** Path and query of its location. */
export const target = (session: Session): string => targetOf(session.locationId, session.moves)

export const inspect = (session: Session, keepBytes: boolean) => ({
  id: session.id,
  name: session.order.filename,
  size: session.order.size,
  stored: session.stored,
  acknowledged: session.acknowledged,
  received: session.received,
  receivedTwice: session.receivedTwice,
  storedTwice: session.storedTwice,
  sha256: session.sha256,
  bytes: keepBytes ? joined(session) : undefined,
  status: session.status,
  videoId: session.videoId,
  locations: session.moves + 1,
  inexactRanges: session.inexactRanges
})

/** What a request on a location is about. */
export type Kind = "chunk" | "probe" | "abort" | "multipart" | "preflight" | "unknown"

const mediaType = (request: Request): string | undefined =>
  request.headers["content-type"]?.split(";")[0]!.trim().toLowerCase()

const contentRange = (request: Request): string | undefined => request.headers["content-range"]

export const kindOf = (request: Request): Kind => {
  if (request.method === "DELETE") return "abort"
  if (request.method === "OPTIONS") return "preflight"
  if (request.method !== "PUT" && request.method !== "POST") return "unknown"
  if (contentRange(request)?.trim().startsWith("bytes *")) return "probe"
  return mediaType(request) === "multipart/form-data" && request.method === "POST" ? "multipart" : "chunk"
}

/** No more is taken. */
export const expire = (session: Session, status: number): void => {
  if (session.status === "aborted") return
  session.status = "expired"
  session.gone = status
}

/** What a location answers that leads nowhere, or nowhere any more. A finished session still tells its video. */
export const goneAnswer = (session: Session | undefined): Answer | undefined =>
  session === undefined
    ? unknownSession(404)
    : session.status === "open" || session.status === "complete"
    ? undefined
    : unknownSession(session.gone)

const unknownSession = (status: number) => refusal(status, "RecordNotFound", "Couldn't find UploadSession")

const badRange = (message: string) => badRequest(`Content-Range ${message}`)

interface ChunkRange {
  readonly first: number
  readonly last: number
  /** Whether that is what its Content-Range says. */
  readonly exact: boolean
}

/** Which bytes a chunk claims to be, or why it cannot be one. Without a Content-Range it is the whole file. */
const rangeOf = (request: Request, size: number, length: number): ChunkRange | Answer => {
  const header = contentRange(request)
  if (header === undefined) {
    return length === size
      ? { first: 0, last: size - 1, exact: true }
      : badRequest(`Content-Length is ${length}, but the file has ${size} bytes`)
  }
  const parsed = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(header.trim())
  if (parsed === null) return badRange("is malformed")
  const [first, last, total] = parsed.slice(1).map(Number) as [number, number, number]
  if (total !== size) return badRange(`says ${total} bytes, but the file has ${size}`)
  // (seen: two clients reckon from the size of their chunks where the last one should end, and upload well)
  const overshoots = last >= size && first < size && first + length === size
  if (first > last || last >= size && !overshoots) return badRange("is not within the file")
  return overshoots
    ? { first, last: size - 1, exact: false }
    : length === last - first + 1
    ? { first, last, exact: true }
    : badRange(`does not fit the Content-Length ${length}`)
}

const probeRefusal = (request: Request, size: number, length: number): Answer | undefined => {
  // (seen: without the size in the prose of the documentation, with it in its table and in all clients)
  const parsed = /^bytes \*(?:\/(\d{1,15}))?$/.exec(contentRange(request)!.trim())
  if (parsed === null) return badRange("is malformed")
  const [, total = String(size)] = parsed
  if (Number(total) !== size) return badRange(`says ${total} bytes, but the file has ${size}`)
  return length === 0 ? undefined : badRange("asks for the status, but there is a body")
}

/** One request on a location, from its headers to its answer. */
export interface UploadExchange {
  readonly refused: Answer | undefined
  /** Whether it can bring the upload to its end. */
  readonly completes: boolean
  /** Takes a slice of the body; of the whole body no more than `keep` bytes are stored. */
  readonly take: (slice: Uint8Array, keep: number) => void
  /** Called when the whole body was read. */
  readonly settle: () => void
  /** Carries it out. `finish` makes the video, once all bytes are there. */
  readonly act: (finish: (() => string) | undefined) => Answer | "video"
}

/** What says how much is there (contract 7.3): no Range when nothing is. */
export const rangeTo = (size: number): Readonly<Record<string, string>> => size === 0 ? {} : { range: `0-${size - 1}` }

const progress = (size: number): Answer => text(204, "", rangeTo(size))

const ignore = () => {}

const over = (refused: Answer): UploadExchange => ({
  refused,
  completes: false,
  take: ignore,
  settle: ignore,
  act: () => refused
})

export const makeExchange = (
  sessions: Sessions,
  session: Session | undefined,
  request: Request,
  options: { readonly length: number; readonly partialChunks: "keep" | "discard" }
): UploadExchange => {
  if (session === undefined) return over(unknownSession(404))
  const { length } = options
  const { size } = session.order
  const kind = kindOf(request)
  const gone = goneAnswer(session)
  if (gone !== undefined) return over(gone)

  switch (kind) {
    case "preflight":
    case "unknown":
      return over(unknownSession(404))

    case "abort":
      return {
        ...over(unknownSession(404)),
        refused: session.status === "open" ? undefined : unknownSession(404),
        act: () => {
          session.status = "aborted"
          return text(200, "")
        }
      }

    case "probe": {
      const refused = unsupported(request, ["application/octet-stream", undefined]) ??
        probeRefusal(request, size, length)
      return {
        refused,
        completes: false,
        take: ignore,
        settle: ignore,
        act: () => session.videoId === undefined ? progress(session.stored) : "video"
      }
    }

    case "multipart": {
      const boundary = Multipart.boundaryOf(request.headers["content-type"] ?? "")
      let seen = false
      let received = 0
      const reader = Multipart.makeReader(boundary ?? "", {
        data: (part, bytes) => {
          if (part.name !== "file") return
          // It is not resumable: what came in chunks before does not count.
          if (!seen) sessions.forget(session, 0)
          seen = true
          session.received += bytes.length
          sessions.store(session, received, bytes)
          received += bytes.length
        }
      })
      return {
        refused: boundary === undefined ? badRequest("multipart without boundary") : undefined,
        completes: true,
        take: (slice) => reader.push(slice),
        settle: ignore,
        act: (finish) => {
          if (session.videoId !== undefined) return "video"
          if (reader.invalid !== undefined) return badRequest(reader.invalid)
          if (!seen) return badRequest("All required parameters were not supplied: file")
          if (!reader.ended || received !== size) {
            sessions.forget(session, 0)
            return badRequest(`The file has ${received} bytes, but ${size} were announced`)
          }
          return conclude(session, finish)
        }
      }
    }

    case "chunk": {
      const range = rangeOf(request, size, length)
      // (seen: an example in the documentation names no type)
      const untyped = unsupported(request, ["application/octet-stream", undefined])
      if (untyped !== undefined) return over(untyped)
      if ("status" in range) return over(range)
      if (!range.exact) session.inexactRanges++
      const held: Array<readonly [offset: number, bytes: Uint8Array]> = []
      let received = 0
      return {
        refused: undefined,
        completes: range.last === size - 1 && session.videoId === undefined,
        take: (slice, keep) => {
          const offset = range.first + received
          const kept = slice.subarray(0, Math.max(0, keep - received))
          sessions.count(session, offset, slice.length)
          if (options.partialChunks === "discard") held.push([offset, kept.slice()])
          else sessions.store(session, offset, kept)
          received += slice.length
        },
        settle: () => {
          for (const [offset, bytes] of held) sessions.store(session, offset, bytes)
        },
        act: (finish) => {
          if (session.videoId !== undefined) return "video"
          return session.stored === size && range.last === size - 1
            ? conclude(session, finish)
            : progress(session.stored)
        }
      }
    }
  }
}

const unsupported = (request: Request, allowed: ReadonlyArray<string | undefined>): Answer | undefined =>
  allowed.includes(mediaType(request))
    ? undefined
    : refusal(415, "UnsupportedMediaType", "Content-Type must be application/octet-stream")

const conclude = (session: Session, finish: (() => string) | undefined): Answer | "video" => {
  if (finish === undefined) return progress(session.stored)
  session.videoId = finish()
  session.status = "complete"
  return "video"
}
