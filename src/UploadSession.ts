/**
 * The upload protocol, one exchange at a time: no retries, no state. `Upload` makes a pipeline of it.
 *
 * Apart from `create` these requests are not signed: the location itself is the capability, and so it is redacted.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/upload_api.md
 * @since 0.1.0
 */
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { type Answer, fromAnswer, fromHttpClientError } from "./internal/http/answer.js"
import * as body from "./internal/http/body.js"
import * as longBody from "./internal/http/longBody.js"
import * as telemetry from "./internal/http/telemetry.js"
import * as json from "./internal/model/json.js"
import { Video } from "./internal/model/video.js"
import * as wire from "./internal/model/wire.js"
import * as monotonic from "./internal/time/monotonic.js"
import { excerpt } from "./internal/text/excerpt.js"
import { ofUrl } from "./internal/text/secrets.js"
import * as decision from "./internal/upload/decision.js"
import * as PandaClient from "./PandaClient.js"
import { path } from "./PandaClient.js"
import type { PandaError, PandaFileTooLarge, PandaRateLimited, PandaRejected, PandaServerError } from "./PandaError.js"
import {
  PandaInputError,
  PandaSessionExpired,
  PandaTransportError,
  PandaUploadProtocolError,
  PandaUploadRejected
} from "./PandaError.js"
import { Location, SessionOptions } from "./UploadState.js"

/**
 * A session that takes the bytes of one file.
 *
 * @since 0.1.0
 * @category models
 */
export interface UploadSession extends Schema.Schema.Type<typeof UploadSession> {}

/**
 * A session as Panda's JSON has it.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/upload_api.md
 * @since 0.1.0
 * @category schemas
 */
export const UploadSession = wire.entity("UploadSession", { location: Location }, {
  /**
   * Of the session; not always there (seen: an answer with a location alone). Redacted, since in the locations that Panda
   * documents it is what whoever writes to the session has to know.
   */
  id: wire.secret
})

/**
 * What to open a session for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Create extends Schema.Schema.Type<typeof Create> {}

/**
 * `Create` as it is checked before it is sent.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/upload_api.md
 * @since 0.1.0
 * @category schemas
 */
export const Create = Schema.Struct({
  ...SessionOptions.fields,
  /** Bytes. */
  file_size: Schema.Int.pipe(Schema.positive()),
  file_name: Schema.NonEmptyString
})

/**
 * Opens a session. May be repeated: a session that nobody uses is harmless.
 *
 * @since 0.1.0
 * @category operations
 */
export const create = (params: Create): Effect.Effect<UploadSession, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "UploadSession.create",
    method: "POST",
    path: path`/videos/upload.json`,
    params,
    input: Create,
    result: UploadSession,
    repeatable: true
  })

/**
 * What the upload server says of a session: how many bytes it has, so that the next is at `offset`; or that it has all
 * and made a video of them; or that it is elsewhere now.
 *
 * @since 0.1.0
 * @category models
 */
export type Reply = Data.TaggedEnum<{
  Progress: { readonly offset: number }
  Complete: { readonly video: Video }
  Redirected: {}
}>

/**
 * Makes replies, and tells them apart with `$is` and `$match`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Reply: Data.TaggedEnum.Constructor<Reply> = Data.taggedEnum<Reply>()

/**
 * Why there is no reply.
 *
 * @since 0.1.0
 * @category models
 */
export type ReplyError =
  | PandaInputError
  | PandaTransportError
  | PandaRateLimited
  | PandaServerError
  | PandaRejected
  | PandaFileTooLarge
  | PandaSessionExpired
  | PandaUploadRejected
  | PandaUploadProtocolError

/**
 * What came of an exchange: what the answer means, or that none came.
 *
 * @since 0.2.0
 * @category models
 */
export type Outcome = decision.Outcome

/**
 * One exchange: the reply, or why there is none, and the session's new location if it has moved, which has to be
 * followed either way.
 *
 * @since 0.1.0
 * @category models
 */
export interface Exchange {
  readonly reply: Either.Either<Reply, ReplyError>
  /** The same in a word, from which follows what comes next. */
  readonly outcome: Outcome
  readonly location: Option.Option<Redacted.Redacted<string>>
}

/**
 * How long an exchange may take.
 *
 * @since 0.1.0
 * @category models
 */
export interface Deadline {
  readonly timeout: Duration.DurationInput
}

/**
 * A part of a file, and where it belongs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Chunk {
  readonly offset: number
  readonly bytes: Uint8Array | Blob
  /** Of the whole file. */
  readonly size: number
}

/**
 * A part of a file whose bytes are read while they go, so that it may be longer than what fits into memory.
 *
 * @since 0.2.0
 * @category models
 */
export interface Part<E> {
  readonly offset: number
  /** Bytes, at least one. */
  readonly length: number
  /** Of the whole file. */
  readonly size: number
  /** The bytes of the file from there on, which is where the last ones ended: some, at most so many. */
  readonly take: (offset: number, most: number) => Effect.Effect<Uint8Array, E>
  /**
   * Runs where the bytes of the file up to there have gone, so that what held them may be used again: with undici, and
   * with Node's `http` from the second part on. Of other HTTP layers nobody knows.
   */
  readonly release?: ((end: number) => void) | undefined
}

/**
 * How long an exchange may stand still whose bytes go out in slices.
 *
 * @since 0.1.0
 * @category models
 */
export interface SliceOptions {
  /** From one slice that the connection takes to the next. */
  readonly stallTimeout: Duration.DurationInput
  /** From when the last slice has been taken to the answer. */
  readonly responseTimeout: Duration.DurationInput
  /**
   * Bytes. By default what goes within the stall timeout at half a KiB a second, from 4 KiB to 64 KiB, and more as long
   * as the connection takes it at once, up to 256 KiB.
   */
  readonly sliceSize?: number | undefined
  /** Runs before each slice, with its length and where it ends. */
  readonly onSlice: (length: number, end: number) => Effect.Effect<void>
}

/**
 * Asks how far the server is: `Content-Range: bytes * /size`, without a body.
 *
 * @since 0.1.0
 * @category operations
 */
export const probe = (
  location: Redacted.Redacted<string>,
  size: number,
  { timeout }: Deadline
): Effect.Effect<Exchange, PandaUploadProtocolError, PandaClient.PandaClient> =>
  exchange("probe", location, Effect.sleep(timeout), (url) =>
    HttpClientRequest.put(url, {
      headers: { "content-range": `bytes */${size}`, "content-type": "application/octet-stream" }
    }))

/**
 * Sends the bytes of a chunk. They must not be changed before there is a reply, and after a failure not at all. A `Blob` is
 * read by the HTTP layer, which has to be fetch.
 *
 * @since 0.1.0
 * @category operations
 */
export const send = (
  location: Redacted.Redacted<string>,
  { bytes, offset, size }: Chunk,
  { timeout }: Deadline
): Effect.Effect<Exchange, PandaUploadProtocolError, PandaClient.PandaClient> => {
  const place: Place = { offset, size, length: bytes instanceof Blob ? bytes.size : bytes.byteLength }
  return exchange(
    "chunk",
    location,
    Effect.sleep(timeout),
    (url) => put(url, place, bodyOf(bytes)),
    placeOf(place)
  )
}

/** A part of a `File` has no type of its own, so that it does not contradict the request's. */
const bodyOf = (bytes: Uint8Array | Blob): HttpBody.HttpBody =>
  bytes instanceof Blob
    ? HttpBody.raw(bytes, { contentType: "application/octet-stream", contentLength: bytes.size })
    : HttpBody.uint8Array(bytes, "application/octet-stream")

/**
 * Sends a part of a file in slices, so that it needs little memory, and a connection which stands still is told from one
 * that is slow. For HTTP layers that keep the length of a body which is a stream: those of Node, not fetch. Fails as `take`
 * does, and then the request is broken off.
 *
 * @since 0.1.0
 * @category operations
 */
export const sendSlices = <E>(
  location: Redacted.Redacted<string>,
  part: Part<E>,
  options: SliceOptions
): Effect.Effect<Exchange, PandaUploadProtocolError | E, PandaClient.PandaClient> =>
  Effect.gen(function*() {
    const { length, offset, take } = part
    const stall = Duration.toMillis(options.stallTimeout)
    const response = Duration.toMillis(options.responseTimeout)
    const kind = yield* longBodies
    const now = yield* monotonic.clock
    const tells = kind === "pulled" || kind === "paced"
    const least = Math.min(Math.max(Math.floor(SLOWEST * stall / 1000), SLICE.least), SLICE.most)
    let size = Math.max(options.sliceSize ?? least, 1)
    let taken = 0
    let moved: number | undefined
    let failure: Cause.Cause<E> = Cause.empty
    /** A slice that is waited for before it goes: that is not the connection standing still. */
    let held = false
    let ended = false

    /** Smaller where the connection has become slow, and larger where nobody knows how fast it is. */
    const adapt = (millis: number) => {
      if (millis > stall / SLOW) size = Math.max(Math.min(size, least), size >> 1)
      else if (options.sliceSize === undefined && millis < AT_ONCE) size = Math.min(size * 2, SLICE.unmeasured)
    }

    /** As many as go next. What takes them before it can send them gets less and less, for the answer not to wait long. */
    const most = () => {
      const left = length - taken
      return Math.min(size, SLICE.largest, tells ? left : Math.max(least, left >> 1), left)
    }

    const slice: Effect.Effect<Uint8Array | undefined, E> = Effect.suspend(() => {
      const asked = now()
      if (moved !== undefined) adapt(asked - moved)
      moved = asked
      if (tells) part.release?.(offset + taken - HELD)
      if (taken === length) {
        ended = true
        return Effect.as(Effect.void, undefined)
      }
      held = true
      return take(offset + taken, most()).pipe(
        Effect.flatMap((bytes) => {
          if (bytes.byteLength === 0) return Effect.dieMessage("UploadSession.sendSlices: `take` has to give bytes")
          taken += bytes.byteLength
          return Effect.map(options.onSlice(bytes.byteLength, offset + taken), () => {
            held = false
            moved = now()
            return bytes
          })
        }),
        // Of which the request only knows that it was broken off.
        Effect.tapErrorCause((cause) =>
          Effect.sync(() => {
            failure = cause
          })
        )
      )
    })

    /** Ends when nothing has moved for too long. */
    const stillness: Effect.Effect<void> = Effect.suspend(() => {
      const at = now()
      const left = held ? stall : (moved ??= at) + (ended ? response : stall) - at
      return left <= 0 ? Effect.void : Effect.zipRight(Effect.sleep(Math.ceil(left)), stillness)
    })

    const exchanged = yield* longBody.send(kind, slice, length, (body) =>
      exchange("chunk", location, stillness, (url) =>
        put(url, part, body), placeOf(part)))
    return Cause.isInterruptedOnly(failure) ? exchanged : yield* Effect.failCause(failure)
  })

/** Bytes: the smallest slice that there is, the largest that one of no measured size is at first, what it may become, and the most. */
const SLICE = { least: 4 * 1024, most: 64 * 1024, unmeasured: 256 * 1024, largest: 1024 * 1024 }

/** Bytes that a connection may hold of what it has taken: more than any does by itself. */
const HELD = 1024 * 1024

/** Bytes a second: who is faster takes a slice within the stall timeout, and so does not seem to stand still. */
const SLOWEST = 512

/** Milliseconds in which a slice is taken that hardly needs any. */
const AT_ONCE = 25

/** The part of the stall timeout after which a slice was a slow one. */
const SLOW = 30

/** As its span has it. */
const placeOf = ({ length, offset }: Place) => ({ "panda.offset": offset, "panda.length": length })

interface Place {
  readonly offset: number
  readonly length: number
  readonly size: number
}

const put = (url: string, { length, offset, size }: Place, body: HttpBody.HttpBody) =>
  HttpClientRequest.put(url, { headers: { "content-range": `bytes ${offset}-${offset + length - 1}/${size}` }, body })

/**
 * How to end a session.
 *
 * @since 0.2.0
 * @category models
 */
export interface AbortOptions extends Deadline {
  /** Runs when an answer says where the session is now, be it one that fails: to try again is to try it there. */
  readonly onMoved?: ((location: Redacted.Redacted<string>) => Effect.Effect<void>) | undefined
}

/**
 * Ends the session: what it has is thrown away. One that is gone already counts as ended, and one that is elsewhere is
 * ended there.
 *
 * @since 0.1.0
 * @category operations
 */
export const abort = (
  location: Redacted.Redacted<string>,
  options: AbortOptions
): Effect.Effect<void, ReplyError, PandaClient.PandaClient> =>
  endAt(location, options, MOST_MOVES).pipe(
    Effect.tapBoth({
      onSuccess: () => noteOutcome("abort", "success"),
      onFailure: ({ _tag }) => noteOutcome("abort", _tag)
    }),
    observed("abort")
  )

/** Moves in a row that are followed. */
const MOST_MOVES = 5

const endAt = (
  location: Redacted.Redacted<string>,
  options: AbortOptions,
  moves: number
): Effect.Effect<void, ReplyError, PandaClient.PandaClient> =>
  Effect.gen(function*() {
    const expiry = Effect.sleep(options.timeout)
    const answer = yield* answerTo("abort", location, expiry, (url) => HttpClientRequest.del(url))
    const meaning = decision.meaningOfEnd(answer)
    if (meaning._tag === "Ended") return
    const place = decision.locationAfter(Redacted.value(location), answer, meaning)
    if (place.refused) return yield* elsewhere("abort", answer)
    const there = relocated(place)
    if (Option.isSome(there)) yield* options.onMoved?.(there.value) ?? Effect.void
    if (meaning._tag !== "Elsewhere") return yield* yield* errorFor("abort", answer, meaning)
    if (Option.isNone(there) || moves === 0) {
      return yield* protocolError("abort", answer.status, "the server redirects in a circle")
    }
    return yield* endAt(there.value, options, moves - 1)
  })

const longBodies = Effect.flatMap(PandaClient.PandaClient, ({ longBodies }) => longBodies)

const noteOutcome = (kind: string, outcome: string) => telemetry.noteOutcome(nameOf(kind), outcome)

/** Not by the session's id: in the locations that Panda documents it is what is secret. */
const observed =
  (kind: string, attributes: Readonly<Record<string, unknown>> = {}) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.withSpan(effect, `Panda.${nameOf(kind)}`, { kind: "client", captureStackTrace: false, attributes })

const nameOf = (kind: string) => `UploadSession.${kind}`

const exchange = (
  kind: string,
  location: Redacted.Redacted<string>,
  expiry: Effect.Effect<void>,
  request: (url: string) => HttpClientRequest.HttpClientRequest,
  attributes?: Readonly<Record<string, unknown>>
): Effect.Effect<Exchange, PandaUploadProtocolError, PandaClient.PandaClient> =>
  Effect.gen(function*() {
    const answered = yield* Effect.either(answerTo(kind, location, expiry, request))
    if (Either.isLeft(answered)) return unanswered(answered.left)
    const answer = answered.right
    yield* longBody.reusable(yield* longBodies)
    const interpreted = yield* interpret(kind, answer)
    const place = decision.locationAfter(Redacted.value(location), answer, interpreted.meaning)
    if (place.refused) return yield* elsewhere(kind, answer)
    return { reply: interpreted.reply, outcome: interpreted.meaning, location: relocated(place) }
  }).pipe(
    Effect.tapBoth({
      onSuccess: ({ reply }) => noteOutcome(kind, Either.isLeft(reply) ? reply.left._tag : "success"),
      onFailure: ({ _tag }) => noteOutcome(kind, _tag)
    }),
    observed(kind, attributes)
  )

const unanswered = (error: PandaInputError | PandaTransportError): Exchange => ({
  reply: Either.left(error),
  outcome: outcomeOf(error),
  location: Option.none()
})

const outcomeOf = (error: PandaInputError | PandaTransportError): Outcome => {
  if (error._tag === "PandaInputError") return { _tag: "Refused" }
  switch (error.reason) {
    case "Certificate":
      return { _tag: "Denied" }
    case "Redirect":
      return { _tag: "Hidden" }
    default:
      return { _tag: "Broken", timeout: error.reason === "Timeout" }
  }
}

/** A request on the location and its whole answer, whatever its status. */
const answerTo = (
  kind: string,
  location: Redacted.Redacted<string>,
  expiry: Effect.Effect<void>,
  request: (url: string) => HttpClientRequest.HttpClientRequest
): Effect.Effect<Answer, PandaInputError | PandaTransportError, PandaClient.PandaClient> =>
  Effect.gen(function*() {
    const { httpClient } = yield* PandaClient.PandaClient
    const transform = yield* PandaClient.CurrentTransform
    const url = Redacted.value(location)
    if (!decision.isLocation(url)) {
      return yield* new PandaInputError({
        operation: nameOf(kind),
        parameter: "location",
        description: "is not an http URL: pass the location that Panda gave"
      })
    }
    const { hostname, origin: host } = new URL(url)
    return yield* Effect.gen(function*() {
      const unsent = request(url)
      yield* Effect.annotateCurrentSpan({ "http.request.method": unsent.method, "server.address": hostname })
      const response = yield* httpClient.execute(yield* transform(unsent))
      const text = yield* body.text(response)
      yield* Effect.annotateCurrentSpan("http.response.status_code", response.status)
      return {
        status: response.status,
        headers: response.headers,
        text: Either.getOrElse(text, () => ""),
        unread: Either.isLeft(text) ? text.left.description : undefined,
        // The location is the capability, and so is the one that the session has from now on.
        secrets: [url, response.headers["location"] ?? ""].flatMap(ofUrl)
      }
    }).pipe(
      Effect.mapError((error) => fromHttpClientError(nameOf(kind), host, error)),
      // A race that treats both alike would wait for the end of the timer too, and each chunk is held up by what this takes.
      Effect.raceWith(expiry, {
        onSelfDone: (exit, timer) => Effect.zipRight(Fiber.interruptAsFork(timer, FiberId.none), exit),
        onOtherDone: (_, request) =>
          Effect.zipRight(
            Fiber.interrupt(request),
            new PandaTransportError({ operation: nameOf(kind), reason: "Timeout", ambiguous: true, host })
          )
      })
    )
  })

const decodeVideo = Schema.decodeUnknownOption(json.parsed(Video))

/** What an answer means for the upload, as a reply or as an error. */
const interpret = (
  kind: string,
  answer: Answer
): Effect.Effect<{ readonly reply: Exchange["reply"]; readonly meaning: decision.Meaning }> => {
  const meaning = decision.meaningOf(answer)
  const refuse = (meaning: decision.Meaning) =>
    Effect.map(errorFor(kind, answer, meaning), (error) => ({
      reply: Either.left(error),
      meaning
    }))
  switch (meaning._tag) {
    case "Progress":
      return Effect.succeed({ reply: Either.right(Reply.Progress({ offset: meaning.offset })), meaning })
    case "Elsewhere":
      return Effect.succeed({ reply: Either.right(Reply.Redirected()), meaning })
    case "Video":
      return Option.match(decodeVideo(answer.text), {
        onNone: () => refuse(decision.noVideo),
        onSome: (video) => Effect.succeed({ reply: Either.right(Reply.Complete({ video })), meaning })
      })
    default:
      return refuse(meaning)
  }
}

const protocolError = (kind: string, status: number, description: string) =>
  new PandaUploadProtocolError({ operation: nameOf(kind), status, description })

/** The error for an answer with this meaning: as for the API, but that a location can expire. */
const errorFor = (kind: string, answer: Answer, meaning: decision.Meaning): Effect.Effect<ReplyError> =>
  Effect.map(DateTime.now, (now): ReplyError => {
    const { secrets, status, text, unread } = answer
    const operation = nameOf(kind)
    if (meaning._tag === "Gone") return new PandaSessionExpired({ operation, status })
    if (meaning._tag === "Doubtful" && meaning.description !== undefined) {
      const told = meaning === decision.noVideo ? `: ${excerpt(text, secrets) || `it ${unread ?? "is empty"}`}` : ""
      return protocolError(kind, status, `${meaning.description}${told}`)
    }
    const error = Option.getOrElse(
      fromAnswer(operation, answer, now),
      () => protocolError(kind, status, "the answer means nothing")
    )
    switch (error._tag) {
      case "PandaAuthError":
      case "PandaNotFound":
      case "PandaRejected":
        return error.isRetryable && error._tag === "PandaRejected" ? error : new PandaUploadRejected({
          operation,
          status,
          error: error.error,
          description: error.description,
          body: error.body
        })
      default:
        return error
    }
  })

const relocated = ({ moved }: { readonly moved: string | undefined }) =>
  Option.map(Option.fromNullable(moved), Redacted.make)

const elsewhere = (kind: string, { status }: Answer) =>
  protocolError(
    kind,
    status,
    "the server's new location is not one to follow, being no http URL or no longer https"
  )
