/**
 * The door in memory: an `HttpClient` that hands requests to the core and takes answers from it in the caller's own
 * fiber. No promise is awaited on the way, unless the body itself hides behind one (a Blob, a web or a Node stream): a
 * fiber that waits on a promise is not asleep yet when a test moves its clock.
 */
import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import { RequestError, ResponseError } from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type Answer, type Outcome, type Request, settled } from "./exchange.js"
import * as Multipart from "./multipart.js"

const encoder = new TextEncoder()

/** A connection error as Node reports it. */
const systemError = (code: string, syscall: string): Error =>
  Object.assign(new Error(`${syscall} ${code}`), { code, syscall })

const reset = () => systemError("ECONNRESET", "read")

interface Body {
  readonly length: number | undefined
  readonly type?: string | undefined
  readonly read: Request["read"]
}

const fromBytes = (bytes: Uint8Array): Body => ({
  length: bytes.length,
  read: (take) =>
    Effect.suspend(() =>
      bytes.length === 0
        ? Effect.succeed("whole")
        : Effect.map(settled(take(bytes)), (wanted) => wanted ? "whole" : "stopped")
    )
})

const fromStream = (stream: Stream.Stream<Uint8Array, unknown>, length: number | undefined): Body => ({
  length,
  read: (take) =>
    Effect.suspend(() => {
      let wanted = true
      return stream.pipe(
        Stream.runForEachWhile((slice) => Effect.map(settled(take(slice)), (more) => wanted = more)),
        Effect.matchCause({
          onFailure: () => "broken" as const,
          onSuccess: () => wanted ? "whole" as const : "stopped" as const
        })
      )
    })
})

const BLOB_SLICE = 1024 * 1024

const fromBlob = (blob: Blob): Body => ({
  ...fromStream(
    Stream.unfoldEffect(0, (at) =>
      at >= blob.size
        ? Effect.succeed(Option.none())
        : Effect.map(
          Effect.promise(() => blob.slice(at, at + BLOB_SLICE).arrayBuffer()),
          (buffer) => Option.some([new Uint8Array(buffer), at + BLOB_SLICE] as const)
        )),
    blob.size
  ),
  type: blob.type || undefined
})

const partOf = ([name, value]: [string, FormDataEntryValue]): Effect.Effect<Multipart.Written> =>
  typeof value === "string"
    ? Effect.succeed({ name, filename: undefined, content: encoder.encode(value) })
    : Effect.map(Effect.promise(() => value.arrayBuffer()), (buffer) => ({
      name,
      filename: value.name,
      type: value.type,
      content: new Uint8Array(buffer)
    }))

const fromForm = (form: FormData): Effect.Effect<Body> => {
  const boundary = "----EffectPandaFormBoundary"
  return Effect.map(Effect.forEach([...form], partOf), (parts) => ({
    ...fromBytes(Multipart.write(boundary, parts)),
    type: `multipart/form-data; boundary=${boundary}`
  }))
}

const fromRaw = (raw: unknown, length: number | undefined): Body | undefined => {
  if (typeof raw === "string") return { ...fromBytes(encoder.encode(raw)), type: "text/plain;charset=UTF-8" }
  if (raw instanceof URLSearchParams) {
    return {
      ...fromBytes(encoder.encode(raw.toString())),
      type: "application/x-www-form-urlencoded;charset=UTF-8"
    }
  }
  if (raw instanceof ArrayBuffer) return fromBytes(new Uint8Array(raw))
  if (ArrayBuffer.isView(raw)) return fromBytes(new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength))
  if (raw instanceof Blob) return fromBlob(raw)
  if (raw instanceof ReadableStream) return fromStream(Stream.fromReadableStream(() => raw, (cause) => cause), length)
  if (typeof raw === "object" && raw !== null && Symbol.asyncIterator in raw) {
    return fromStream(Stream.fromAsyncIterable(raw as AsyncIterable<Uint8Array>, (cause) => cause), length)
  }
  return undefined
}

const bodyOf = (body: HttpBody.HttpBody): Effect.Effect<Body | undefined> => {
  switch (body._tag) {
    case "Empty":
      return Effect.succeed(fromBytes(new Uint8Array(0)))
    case "Uint8Array":
      return Effect.succeed(fromBytes(body.body))
    case "Stream":
      return Effect.succeed(fromStream(body.stream, body.contentLength))
    case "FormData":
      return fromForm(body.formData)
    case "Raw":
      return body.body instanceof FormData
        ? fromForm(body.body)
        : Effect.succeed(fromRaw(body.body, body.contentLength))
  }
}

/** What a browser or a socket would add to the headers. */
const headersOf = (request: HttpClientRequest.HttpClientRequest, url: URL, body: Body): Record<string, string> => {
  const headers: Record<string, string> = { host: url.host, ...request.headers }
  if (body.type !== undefined) headers["content-type"] ??= body.type
  if (headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined) return headers
  if (body.length === undefined) headers["transfer-encoding"] = "chunked"
  else if (body.length > 0 || request.method !== "GET" && request.method !== "DELETE") {
    headers["content-length"] = String(body.length)
  }
  return headers
}

export const make = (
  handle: (request: Request) => Effect.Effect<Outcome>,
  uploadOrigin: string
): HttpClient.HttpClient =>
  HttpClient.make((request, url) =>
    Effect.gen(function*() {
      const body = yield* bodyOf(request.body)
      if (body === undefined) {
        return yield* new RequestError({ request, reason: "Encode", description: "the body has no known form" })
      }
      const outcome = yield* handle({
        method: request.method,
        url: url.pathname + url.search,
        headers: headersOf(request, url, body),
        // An upload host knows itself by the name it is called by.
        uploadOrigin: url.pathname.startsWith("/v2/") ? uploadOrigin : url.origin,
        read: body.read
      })
      switch (outcome._tag) {
        case "Answered":
          return new MemoryResponse(request, outcome.answer, undefined)
        case "Truncated":
          return new MemoryResponse(request, outcome.answer, outcome.after)
        case "Broken":
          return yield* new RequestError({
            request,
            reason: "Transport",
            cause: outcome.how === "refused" ? systemError("ECONNREFUSED", "connect") : reset()
          })
      }
    })
  )

class MemoryResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly request: HttpClientRequest.HttpClientRequest
  readonly status: number
  readonly headers: Headers.Headers
  readonly cookies = Cookies.empty
  readonly remoteAddress = Option.none<string>()
  /** What arrives, and whether the connection breaks after it. */
  readonly #bytes: Uint8Array
  readonly #cut: boolean

  constructor(request: HttpClientRequest.HttpClientRequest, answer: Answer, cutAfter: number | undefined) {
    super()
    const whole = encoder.encode(answer.body)
    this.request = request
    this.status = answer.status
    this.headers = Headers.fromInput({
      ...answer.headers,
      ...(answer.status === 204 ? {} : { "content-length": String(whole.length) })
    })
    this.#cut = cutAfter !== undefined && cutAfter < whole.length
    this.#bytes = whole.subarray(0, cutAfter)
  }

  #fail(cause: unknown): ResponseError {
    return new ResponseError({ request: this.request, response: this, reason: "Decode", cause })
  }

  get #whole(): Effect.Effect<Uint8Array, ResponseError> {
    return Effect.suspend(() => this.#cut ? Effect.fail(this.#fail(reset())) : Effect.succeed(this.#bytes))
  }

  get stream(): Stream.Stream<Uint8Array, ResponseError> {
    const arriving = this.#bytes.length === 0 ? Stream.empty : Stream.succeed(this.#bytes)
    return this.#cut ? Stream.concat(arriving, Stream.fail(this.#fail(reset()))) : arriving
  }

  get text(): Effect.Effect<string, ResponseError> {
    return Effect.map(this.#whole, (bytes) => new TextDecoder().decode(bytes))
  }

  get json(): Effect.Effect<unknown, ResponseError> {
    return Effect.flatMap(this.text, (text) =>
      Effect.try({
        try: () => text === "" ? null : JSON.parse(text) as unknown,
        catch: (cause) => this.#fail(cause)
      }))
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, ResponseError> {
    return Effect.map(this.#whole, (bytes) => bytes.slice().buffer as ArrayBuffer)
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, ResponseError> {
    return Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get formData(): Effect.Effect<FormData, ResponseError> {
    return Effect.flatMap(this.#whole, (bytes) =>
      Effect.tryPromise({
        try: () => new Response(bytes.slice(), { headers: this.headers }).formData(),
        catch: (cause) => this.#fail(cause)
      }))
  }

  toJSON(): unknown {
    return HttpIncomingMessage.inspect(this, {
      _id: "@effect/platform/HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status
    })
  }
}
