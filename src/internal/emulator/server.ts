/**
 * The core behind both doors: a request goes in, what becomes of it comes out.
 */
import type { PlatformError } from "@effect/platform/Error"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Encoder } from "../../Encoder.js"
import { type Keys, makeGate } from "./authentication.js"
import { type Call, endpoints, finishUpload, type ReceivedFile, tooLarge } from "./endpoints.js"
import {
  type Answer,
  answered,
  badRequest,
  broken,
  type End,
  jsonType,
  notFound,
  type Outcome,
  refusal,
  type Request
} from "./exchange.js"
import { type Fault, type Faulty, makeScripting, neverFires, type Rule } from "./faults.js"
import * as Cors from "./cors.js"
import * as Multipart from "./multipart.js"
import { fromPairs, pairsOf, type Parameters, textOf } from "./parameters.js"
import { makeRecord } from "./record.js"
import { match } from "./routes.js"
import * as Sessions from "./sessions.js"
import type { Spool } from "./spool.js"
import { isFull, prefix, type Storage } from "./storage.js"
import { explain, unknownParameters, type Verdict } from "./verdict.js"
import { makeOutbox } from "./webhooks.js"
import { type Change, makeWorld, showVideo, type Wire } from "./world.js"

export interface Settings {
  readonly keys: Keys
  readonly cloudId: string
  readonly videos: number
  readonly profiles: ReadonlyArray<Wire>
  readonly encodingTime: number
  readonly fileSizeLimit: number
  readonly uploadOrigin: string | undefined
  readonly hash: () => Sessions.Hash
  readonly keepBytes: boolean
  readonly partialChunks: "keep" | "discard"
  /** How many requests, deliveries and rules are remembered. */
  readonly recorded: number
  /** What makes encodings, if anything does. */
  readonly encoder: Encoder.Service | undefined
}

/** What is noted about a request, while it goes on. */
interface Seen {
  /** From 1. */
  readonly number: number
  readonly method: string
  readonly path: string
  route: string
  parameters: Parameters
  via: ReadonlyArray<"query" | "form" | "multipart">
  readonly headers: Readonly<Record<string, string | undefined>>
  timestamp: string | undefined
  bodyLength: number
  readonly at: number
  status: number | undefined
  session: string | undefined
  fault: Fault["_tag"] | undefined
  /** Why it was let in, or was not. */
  verdict: Verdict | undefined
  /** What it was told when it was refused. */
  message: string | undefined
}

/** An exchange as the core plays it, whatever it is about. */
interface Exchange extends Faulty {
  readonly seen: Seen
  /** The answer to headers that are wrong already: the body is not read then. */
  readonly refused: () => Answer | undefined
  /** What it gives is to be waited for before more is taken. */
  readonly take: (slice: Uint8Array, keep: number) => Effect.Effect<void> | undefined
  readonly settle: (end: End) => void
  readonly act: (now: number, finish: boolean) => Effect.Effect<Answer, Answer>
  /** What it leaves behind, whatever became of it. */
  readonly leave: Effect.Effect<void>
}

const secrets = new Set(["access_key", "signature", "token"])

const hasBody = (method: string): boolean => method === "POST" || method === "PUT" || method === "PATCH"

const lengthRequired = refusal(411, "LengthRequired", "Content-Length is required")
const nowhere = refusal(404, "RecordNotFound", "Nothing is here")

const headersRefusal = ({ headers, method }: Request): Answer | undefined => {
  // (seen: curl waits for a 100 before it sends a megabyte, and so do the clients that are made of it)
  if (!/^(100-continue)?$/i.test(headers["expect"] ?? "")) {
    return refusal(417, "ExpectationFailed", "Only 100-continue can be expected")
  }
  return hasBody(method) && !/^\d+$/.test(headers["content-length"] ?? "") || headers["transfer-encoding"] !== undefined
    ? lengthRequired
    : undefined
}

/** Reads no more than `limit` bytes of the body, and no more than were announced. */
const receive = (
  request: Request,
  announced: number,
  limit: number,
  take: (slice: Uint8Array) => Effect.Effect<void> | undefined
): Effect.Effect<End> => {
  if (limit <= 0) return Effect.succeed("stopped")
  const bound = Math.min(limit, announced)
  let got = 0
  let tooLong = false
  const reading = request.read((slice) => {
    const bytes = got + slice.length > bound ? slice.subarray(0, bound - got) : slice
    got += bytes.length
    const waiting = bytes.length > 0 ? take(bytes) : undefined
    tooLong = limit >= announced && bytes.length < slice.length
    const more = !tooLong && (got < bound || limit >= announced)
    return waiting === undefined ? more : Effect.as(waiting, more)
  })
  return Effect.map(reading, (end) => tooLong || end === "whole" && got < bound ? "broken" : end)
}

/** What a rule can be for. */
export const routes: ReadonlyArray<string> = [
  "*",
  "create",
  "chunk",
  "probe",
  "multipart",
  "abort",
  ...Object.keys(endpoints).filter((route) => route !== "POST /videos/upload.json")
]

/** Why a rule can never fire, if it cannot. */
export const impossible = (rule: Rule): string | undefined => neverFires(rule, Object.keys(endpoints))

export const makeState = (settings: Settings, now: number, storage?: Storage) => {
  const changes: Array<Change> = []
  // Only who keeps them takes them away again.
  const onChange = storage === undefined ? undefined : (change: Change) => void changes.push(change)
  const world = makeWorld({
    ...settings,
    now,
    fetches: storage !== undefined,
    encodes: settings.encoder !== undefined,
    onChange
  })
  return {
    world,
    gate: makeGate(settings.keys),
    scripting: makeScripting(settings.recorded),
    sessions: Sessions.makeSessions({
      ...settings,
      nextId: world.nextId,
      spool: storage?.spool,
      onChange: onChange && (({ cloud, id }) => onChange({ kind: "session", cloud, id }))
    }),
    outbox: makeOutbox(world, now, settings.recorded, onChange),
    requests: makeRecord<Seen>(settings.recorded),
    skew: 0,
    /** How many requests there were. */
    count: 0,
    /** Whether the disk was full when it was last written to. */
    full: false,
    encodes: settings.encoder !== undefined,
    storage,
    changes,
    /** Sees to it that what has changed stays so. Nobody is told of it before. */
    keep: Effect.void as Effect.Effect<void, PlatformError>
  }
}

export type State = ReturnType<typeof makeState>

export const serverTime = (state: State): Effect.Effect<number> =>
  Effect.map(Clock.currentTimeMillis, (now) => now + state.skew)

const makeSeen = (request: Request, path: string, at: number, number: number): Seen => ({
  number,
  method: request.method,
  path,
  route: "unknown",
  parameters: {},
  via: [],
  headers: { ...request.headers },
  timestamp: undefined,
  bodyLength: 0,
  at,
  status: undefined,
  session: undefined,
  fault: undefined,
  verdict: undefined,
  message: undefined
})

const inert = {
  session: undefined,
  completes: false,
  move: () => "",
  forget: () => {},
  leave: Effect.void
}

/** What cannot be written was not received. */
const unwritten = (state: State) => (error: PlatformError): Answer => {
  state.full = isFull(error)
  return state.full
    ? refusal(507, "InsufficientStorage", "The disk of this Panda is full: make room there, then try again")
    : refusal(503, "StorageError", "This Panda cannot write to its folder: look at its disk and permissions")
}

const lost = (seen: Seen, method: string, path: string, length: number): Exchange => ({
  ...inert,
  method,
  path,
  route: "unknown",
  length,
  seen,
  refused: () => nowhere,
  take: () => undefined,
  settle: () => {},
  act: () => Effect.succeed(nowhere)
})

/** A signed request for an endpoint. */
const apiExchange = (
  state: State,
  settings: Settings,
  request: Request,
  path: string,
  query: string,
  seen: Seen,
  length: number
): Exchange => {
  const { method } = request
  const [route, segments] = Object.keys(endpoints)
    .map((route) => [route, match(route, method, path)] as const)
    .find(([, segments]) => segments !== undefined) ?? ["unknown", undefined]
  const { storage } = state
  const body = readForm(
    request,
    settings.hash,
    storage && (() => storage.spool(`file ${state.world.nextId("file")}`))
  )
  const queryPairs = pairsOf(query)
  let parameters: Parameters = {}

  const record = () => {
    const pairs = [...queryPairs, ...body.pairs()]
    parameters = fromPairs(pairs)
    seen.parameters = fromPairs(pairs.filter(([name]) => !secrets.has(name)))
    seen.timestamp = textOf(parameters, "timestamp")
    seen.via = [...(query === "" ? [] : ["query" as const]), ...(body.pairs().length > 0 ? [body.kind] : [])]
  }
  record()

  const act = (now: number): Effect.Effect<Answer, Answer> =>
    Effect.gen(function*() {
      const refused = body.refused()
      if (refused !== undefined) return refused
      const host = request.headers["host"] ?? ""
      const signed = {
        method,
        host,
        path,
        parameters,
        pairs: [...queryPairs, ...body.pairs()],
        query: fromPairs(queryPairs)
      }
      const age = now - Date.parse(textOf(parameters, "timestamp") ?? "")
      const proof = {
        age: Number.isFinite(age) ? age : undefined,
        unknown: unknownParameters(route === "POST /videos/upload.json" ? "create" : route, parameters)
      }
      const mode = yield* Effect.mapError(
        state.gate({ ...signed, now }),
        ({ answer, missing, reason }) => {
          seen.verdict = {
            ...proof,
            reason,
            missing,
            ...(reason === "Mismatch" || reason === "AccessKey" ? explain(settings.keys, signed) : {})
          }
          return answer
        }
      )
      seen.verdict = { ...proof, mode }
      const endpoint = endpoints[route]
      // A token belongs to a cloud.
      const cloudId = textOf(parameters, "cloud_id") ?? (mode === "token" ? state.world.main.id : undefined)
      // Clouds are what the account has: no cloud is needed to ask for them.
      const cloud = path.startsWith("/clouds") ? state.world.main : state.world.clouds.get(cloudId ?? "")
      if (cloud === undefined) {
        return yield* Effect.fail(
          cloudId === undefined
            ? refusal(404, "RecordNotFound", "Couldn't find Cloud without an ID")
            : notFound("Cloud", cloudId)
        )
      }
      if (endpoint === undefined || segments === undefined) return nowhere
      const call: Call = {
        world: state.world,
        cloud,
        segments,
        parameters,
        file: yield* Effect.mapError(body.file, unwritten(state)),
        now,
        base: storage && `${request.uploadOrigin}${prefix}`,
        refusesProfile: (attributes) => settings.encoder?.refuses(attributes),
        fileSizeLimit: settings.fileSizeLimit,
        openSession: (order) => {
          const session = state.sessions.open(cloud, order)
          seen.session = session.id
          return { id: session.id, location: locationOf(session, settings, request) }
        }
      }
      const answer = yield* endpoint(call)
      if (route === "POST /videos.json") body.adopted()
      return answer
    })

  return {
    ...inert,
    method,
    path,
    route: route === "POST /videos/upload.json" ? "create" : route,
    length,
    seen,
    refused: () =>
      headersRefusal(request) ??
        (path.endsWith(".json") ? undefined : badRequest("Currently only .json is supported as a format")) ??
        // What is written somewhere is not written first and refused then.
        (storage !== undefined && length > settings.fileSizeLimit + FORM
          ? tooLarge(settings.fileSizeLimit)
          : undefined),
    take: body.take,
    settle: record,
    act,
    leave: body.leave
  }
}

/** The absolute address of a session, as seen from where it is asked for. */
const locationOf = (session: Sessions.Session, settings: Settings, request: Request): string =>
  `${session.origin ?? settings.uploadOrigin ?? request.uploadOrigin}${Sessions.target(session)}`

/** Bytes that all parameters in a body may have together. */
const FORM = 1024 * 1024

const tooLong = refusal(413, "RequestEntityTooLarge", `All parameters together may have ${FORM} bytes`)

/** The parameters and the file in a body, whichever form it has. `spool` is where the file goes, if it is kept. */
const readForm = (request: Request, hash: () => Sessions.Hash, makeSpool: (() => Spool) | undefined) => {
  const type = request.headers["content-type"] ?? ""
  const boundary = /^multipart\/form-data\b/i.test(type) ? Multipart.boundaryOf(type) : undefined
  if (boundary !== undefined) {
    const fields = new Map<Multipart.Part, { readonly decoder: TextDecoder; text: string }>()
    let file: { filename: string; size: number; readonly hash: Sessions.Hash } | undefined
    let spool: Spool | undefined
    let failure: PlatformError | undefined
    let adopted = false
    let size = 0
    const reader = Multipart.makeReader(boundary, {
      data: (part, bytes) => {
        if (part.name === "file" && part.filename !== undefined) {
          file ??= { filename: part.filename, size: 0, hash: hash() }
          file.hash.update(bytes)
          file.size += bytes.length
          spool ??= makeSpool?.()
          if (failure === undefined) spool?.push(bytes)
        } else if ((size += bytes.length) <= FORM) {
          const field = fields.get(part) ?? { decoder: new TextDecoder(), text: "" }
          field.text += field.decoder.decode(bytes, { stream: true })
          fields.set(part, field)
        }
      }
    })
    return {
      kind: "multipart" as const,
      take: (slice: Uint8Array) => {
        reader.push(slice)
        const relief = spool?.relief()
        return relief &&
          Effect.catchAll(relief, (error) =>
            Effect.sync(() => {
              failure = error
            }))
      },
      pairs: () => [...fields].map(([{ name }, { text }]) => [name, text] as const),
      file: Effect.suspend((): Effect.Effect<ReceivedFile | undefined, PlatformError> => {
        const whole = reader.ended ? file : undefined
        if (failure !== undefined) return Effect.fail(failure)
        return whole === undefined || spool === undefined
          ? Effect.succeed(whole)
          : Effect.as(spool.flush, { ...whole, incoming: spool.name })
      }),
      adopted: () => {
        adopted = true
      },
      leave: Effect.suspend(() => adopted ? Effect.void : spool?.remove ?? Effect.void),
      refused: () => reader.invalid !== undefined ? badRequest(reader.invalid) : size > FORM ? tooLong : undefined
    }
  }
  const isForm = /^application\/x-www-form-urlencoded\b/i.test(type)
  const decoder = new TextDecoder()
  let text = ""
  let size = 0
  return {
    kind: "form" as const,
    take: (slice: Uint8Array) => {
      if (isForm && (size += slice.length) <= FORM) text += decoder.decode(slice, { stream: true })
      return undefined
    },
    pairs: () => pairsOf(text),
    file: Effect.sync((): ReceivedFile | undefined => undefined),
    adopted: () => {},
    leave: Effect.void,
    refused: () => size > FORM ? tooLong : undefined
  }
}

/** A request on the location of an upload session. */
const uploadExchange = (
  state: State,
  settings: Settings,
  request: Request,
  query: string,
  seen: Seen,
  length: number
): Exchange => {
  const kind = Sessions.kindOf(request)
  if (kind === "preflight") {
    const answer = Cors.preflight(request)
    return { ...lost(seen, request.method, Sessions.path, length), route: kind, refused: () => answer }
  }
  const session = state.sessions.find(query)
  const upload = Sessions.makeExchange(state.sessions, session, request, { ...settings, length })
  seen.session = session?.id
  return {
    method: request.method,
    path: Sessions.path,
    route: kind,
    length,
    session,
    completes: upload.completes && upload.refused === undefined,
    seen,
    leave: session === undefined ? Effect.void : state.sessions.leave(session),
    refused: () => headersRefusal(request) ?? Sessions.goneAnswer(session) ?? upload.refused,
    take: (slice, keep) => {
      upload.take(slice, keep)
      return session && state.sessions.relief(session)
    },
    settle: (end) => {
      if (end === "whole") upload.settle()
    },
    move: ({ origin, relative }) => {
      if (session === undefined) return ""
      session.moves++
      session.origin = origin
      state.sessions.touch(session)
      return relative ? Sessions.target(session) : locationOf(session, settings, request)
    },
    forget: (size) => {
      if (session !== undefined) state.sessions.forget(session, size)
    },
    act: (now, finish) =>
      Effect.gen(function*() {
        const gone = Sessions.goneAnswer(session)
        if (gone !== undefined || session === undefined) return gone ?? nowhere
        yield* Effect.mapError(state.sessions.settle(session), unwritten(state))
        const { cloud, id, order, spool, status } = session
        const answer = upload.act(
          finish ? () => finishUpload(state.world, cloud, order, id, now, spool?.name).id : undefined
        )
        if (session.status !== status) state.sessions.touch(session)
        if (answer !== "video") {
          // (seen: Panda's own uploader sends each chunk to the Location of the 204 before)
          return answer.status === 204
            ? { ...answer, headers: { ...answer.headers, location: locationOf(session, settings, request) } }
            : answer
        }
        const video = session.cloud.videos.get(session.videoId!)
        return video === undefined
          ? notFound("Video", session.videoId!)
          : {
            status: 200,
            headers: { "content-type": jsonType },
            body: JSON.stringify(showVideo(video, now))
          }
      })
  }
}

const recognise = (state: State, settings: Settings, request: Request, at: number): Exchange => {
  const mark = request.url.indexOf("?")
  const raw = mark === -1 ? request.url : request.url.slice(0, mark)
  const query = mark === -1 ? "" : request.url.slice(mark + 1)
  const isApi = raw.startsWith("/v2/")
  const path = isApi ? raw.slice(3) : raw
  const seen = makeSeen(request, path, at, ++state.count)
  state.requests.add(seen)
  const length = Number(request.headers["content-length"] ?? 0) || 0
  const exchange = isApi
    ? apiExchange(state, settings, request, path, query, seen, length)
    : raw === Sessions.path
    ? uploadExchange(state, settings, request, query, seen, length)
    : lost(seen, request.method, path, length)
  seen.route = exchange.route
  return exchange
}

/** Notes what the client has really been told. */
const deliver = ({ seen, session }: Exchange, outcome: Outcome): void => {
  if (outcome._tag === "Broken") return
  const { answer } = outcome
  seen.status = answer.status
  if (answer.status >= 400) seen.message = answer.body.slice(0, 300)
  if (session === undefined || outcome._tag === "Truncated") return
  const told = answer.status === 200 && session.status === "complete"
    ? session.order.size
    : Number(/^0-(\d+)$/.exec(answer.headers["range"] ?? "")?.[1] ?? -1) + 1
  session.acknowledged = Math.max(session.acknowledged, Math.min(told, session.stored))
}

const kept = (state: State): Effect.Effect<void, Answer> => Effect.mapError(state.keep, unwritten(state))

export const handle = (state: State, settings: Settings, request: Request): Effect.Effect<Outcome> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const exchange = recognise(state, settings, request, now)
    // Of who leaves in between, too, nothing stays that nobody needs.
    return Effect.ensuring(play(state, request, exchange), exchange.leave)
  })

const play = (state: State, request: Request, exchange: Exchange): Effect.Effect<Outcome> =>
  Effect.gen(function*() {
    const { length, seen } = exchange
    const script = yield* state.scripting.next(exchange, (fault) => {
      seen.fault = fault._tag
    })
    const refused = exchange.refused()
    const end = refused !== undefined && script.act
      ? "stopped"
      : yield* receive(request, length, script.read, (slice) => {
        seen.bodyLength += slice.length
        return exchange.take(slice, script.keep)
      })
    exchange.settle(end)
    const outcome = yield* end === "broken"
      ? Effect.succeed(broken())
      : Effect.flatMap(
        refused === undefined && script.act
          ? serverTime(state).pipe(
            Effect.flatMap((now) => exchange.act(now, script.finish)),
            Effect.zipLeft(kept(state)),
            Effect.merge,
            Effect.zipLeft(state.outbox.changed.open)
          )
          : Effect.succeed(refused ?? nowhere),
        script.outcome
      ).pipe(
        // A fault may have moved or ended a session.
        Effect.flatMap((outcome) => Effect.as(kept(state), outcome)),
        Effect.catchAll((answer) => Effect.succeed(answered(answer)))
      )
    if (outcome._tag === "Answered" && outcome.answer.status < 300 && seen.bodyLength > 0) state.full = false
    deliver(exchange, outcome)
    const date = new Date(yield* serverTime(state)).toUTCString()
    return withHeaders(outcome, { date, ...(request.url.startsWith("/v2/") ? {} : Cors.exposed) })
  })

/** What it does not say itself. */
const withHeaders = (outcome: Outcome, headers: Readonly<Record<string, string>>): Outcome =>
  outcome._tag === "Broken" ? outcome : {
    ...outcome,
    answer: { ...outcome.answer, headers: { ...headers, ...outcome.answer.headers } }
  }
