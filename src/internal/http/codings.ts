/**
 * An answer whose body is compressed, whoever asked for it: read as plain bytes by what the runtime has for it. Our own
 * requests ask for none, but not everyone on the way heeds that.
 */
import { ResponseError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as Headers from "@effect/platform/Headers"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { inLine } from "../text/line.js"

/** Asks for plain bytes, where the caller has not asked for something else. */
export const plain = (request: HttpClientRequest.HttpClientRequest): HttpClientRequest.HttpClientRequest =>
  "accept-encoding" in request.headers ? request : HttpClientRequest.setHeader(request, "accept-encoding", "identity")

/** Why a body cannot be read: the cause of the error that reading it fails with. */
export class Unreadable {
  /** As the answer names it. */
  readonly encoding: string
  readonly description: string
  constructor(encoding: string, why: "unknown" | "damaged") {
    this.encoding = inLine(encoding)
    this.description = why === "unknown"
      ? `is compressed as ${this.encoding}, which cannot be read here`
      : `is compressed as ${this.encoding}, and damaged`
  }
}

/** The answer with its body as it was before it was compressed. */
export const decoded = (response: HttpClientResponse.HttpClientResponse): HttpClientResponse.HttpClientResponse => {
  const encoding = response.headers["content-encoding"]
  return encoding === undefined || response.status === 204 ? response : new DecodedResponse(response, encoding)
}

/** More than this nobody has a reason for, and each has its cost. */
const MOST_CODINGS = 4

const codingsOf = (encoding: string): ReadonlyArray<string> =>
  encoding.toLowerCase().split(",").map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding !== "identity")

class DecodedResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly #received: HttpClientResponse.HttpClientResponse
  readonly #encoding: string

  constructor(received: HttpClientResponse.HttpClientResponse, encoding: string) {
    super()
    this.#received = received
    this.#encoding = encoding
  }

  readonly #unreadable = (cause: unknown): ResponseError =>
    new ResponseError({ request: this.request, response: this, reason: "Decode", cause })

  readonly #damaged = (): ResponseError => this.#unreadable(new Unreadable(this.#encoding, "damaged"))

  get request() {
    return this.#received.request
  }

  get status() {
    return this.#received.status
  }

  /** Of the body as it is given: what its length was on the way says nothing. */
  get headers() {
    return Headers.remove(this.#received.headers, ["content-encoding", "content-length"])
  }

  get cookies() {
    return this.#received.cookies
  }

  get remoteAddress() {
    return this.#received.remoteAddress
  }

  get stream(): Stream.Stream<Uint8Array, ResponseError> {
    const codings = codingsOf(this.#encoding)
    const received = Stream.mapError(
      this.#received.stream,
      (error) => isOfDecompression(error.cause) ? this.#damaged() : error
    )
    if (codings.length > MOST_CODINGS) return Stream.fail(this.#unreadable(new Unreadable(this.#encoding, "unknown")))
    return codings.reduceRight(
      (stream, coding) =>
        withHead(stream, (head, whole) => {
          // Fetch has decoded what it knows, and names it still. No compression begins like text.
          if (isText(head)) return whole
          const format = formatOf(coding, head)
          return format === undefined
            ? Stream.fail(this.#unreadable(new Unreadable(this.#encoding, "unknown")))
            : decompressed(format, whole, this.#damaged)
        }),
      received
    )
  }

  get #bytes(): Effect.Effect<Uint8Array<ArrayBuffer>, ResponseError> {
    return this.stream.pipe(
      Stream.catchAll((error) => error.reason === "EmptyBody" ? Stream.empty : Stream.fail(error)),
      Stream.runCollect,
      Effect.map(joined)
    )
  }

  get text(): Effect.Effect<string, ResponseError> {
    return Effect.map(this.#bytes, (bytes) => new TextDecoder().decode(bytes))
  }

  get json(): Effect.Effect<unknown, ResponseError> {
    return Effect.tryMap(this.text, {
      try: (text): unknown => text === "" ? null : JSON.parse(text),
      catch: this.#unreadable
    })
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, ResponseError> {
    return Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get formData(): Effect.Effect<FormData, ResponseError> {
    return Effect.flatMap(
      this.#bytes,
      (bytes) =>
        Effect.tryPromise({
          try: () => new Response(bytes, { headers: this.headers }).formData(),
          catch: this.#unreadable
        })
    )
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, ResponseError> {
    return Effect.map(this.#bytes, ({ buffer }) => buffer)
  }

  toJSON(): unknown {
    return HttpIncomingMessage.inspect(this, {
      _id: "@effect/platform/HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status
    })
  }
}

const joined = (parts: Iterable<Uint8Array>): Uint8Array<ArrayBuffer> => {
  const all = Array.from(parts)
  const whole = new Uint8Array(all.reduce((size, { byteLength }) => size + byteLength, 0))
  let at = 0
  for (const part of all) {
    whole.set(part, at)
    at += part.byteLength
  }
  return whole
}

/** Bytes that tell text from what is compressed. */
const HEAD = 64

/** What becomes of a stream whose first bytes have been looked at. */
const withHead = <E>(
  stream: Stream.Stream<Uint8Array, E>,
  then: (head: Uint8Array, whole: Stream.Stream<Uint8Array, E>) => Stream.Stream<Uint8Array, E>
): Stream.Stream<Uint8Array, E> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const pull = yield* Stream.toPull(stream)
    const parts: Array<Uint8Array> = []
    let size = 0
    let ended = false
    while (size < HEAD && !ended) {
      const next = yield* Effect.catchAll(
        Effect.asSome(pull),
        Option.match({ onNone: () => Effect.succeedNone, onSome: Effect.fail<E> })
      )
      ended = Option.isNone(next)
      for (const part of Option.getOrElse(next, () => Chunk.empty<Uint8Array>())) {
        parts.push(part)
        size += part.byteLength
      }
    }
    const rest = ended ? Stream.empty : Stream.repeatEffectChunkOption(pull)
    return then(joined(parts).subarray(0, 16 * HEAD), Stream.concat(Stream.fromIterable(parts), rest))
  }))

/** No bytes at all are text too. */
const isText = (head: Uint8Array): boolean => {
  try {
    // The last character may be one of which only the beginning is there.
    return !/[^\P{Cc}\t\n\r]/u.test(new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: true }))
  } catch {
    return false
  }
}

/** What the runtime calls it: not every one has all. */
const formatOf = (coding: string, [first = 0, second = 0]: Uint8Array): string | undefined => {
  switch (coding) {
    case "gzip":
    case "x-gzip":
      return "gzip"
    case "deflate":
      // By the standard it is in the format of zlib, whose head this is; some servers leave that out.
      return (first & 0x0f) === 8 && (first * 256 + second) % 31 === 0 ? "deflate" : "deflate-raw"
    case "br":
      return isKnown("brotli") ? "brotli" : undefined
    case "zstd":
      return isKnown("zstd") ? "zstd" : undefined
    default:
      return undefined
  }
}

const make = (format: string): DecompressionStream => {
  // Of those that a runtime may know there are more than its types do.
  const known: unknown = format
  return new DecompressionStream(known as CompressionFormat)
}

const isKnown = (format: string): boolean => {
  try {
    make(format)
    return true
  } catch {
    return false
  }
}

/** No more is taken of what comes than what is wanted of what it becomes: a few bytes may become more than fit anywhere. */
const decompressed = <E>(
  format: string,
  compressed: Stream.Stream<Uint8Array, E>,
  damaged: () => E
): Stream.Stream<Uint8Array, E> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const { readable, writable } = make(format)
    let failure: E | undefined
    yield* Effect.forkScoped(fed(compressed, writable, (error) => {
      failure = error
    }))
    return Stream.fromReadableStream({ evaluate: () => readable, onError: () => failure ?? damaged() })
  }))

/** Passes it all on. What goes wrong is what reading from the other end fails with, and is told by nobody else. */
const fed = <E>(
  bytes: Stream.Stream<Uint8Array, E>,
  to: WritableStream<BufferSource>,
  onFailure: (error: E) => void
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function*() {
    const writer = to.getWriter()
    const ignored = (run: () => Promise<void>) => Effect.promise(() => run().then(() => true, () => false))
    writer.closed.catch(() => {})
    yield* bytes.pipe(
      Stream.takeUntilEffect((part) =>
        Effect.map(ignored(() => writer.write(new Uint8Array(part))), (taken) => !taken)
      ),
      Stream.runDrain,
      Effect.matchEffect({
        onSuccess: () => ignored(() => writer.close()),
        onFailure: (error) => {
          onFailure(error)
          return ignored(() => writer.abort())
        }
      })
    )
  })

/** Whether it comes from a runtime that decompresses by itself. */
const isOfDecompression = (error: unknown): boolean => {
  for (let at = error, depth = 0; Predicate.isRecord(at) && depth < 8; at = at["cause"], depth++) {
    if (typeof at["code"] === "string" && /^(Z_|ERR__?(BROTLI|ZLIB|ZSTD))/.test(at["code"])) return true
  }
  return false
}
