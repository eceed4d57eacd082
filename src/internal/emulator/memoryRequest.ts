/**
 * A request as an app behind an `HttpServer` gets it, made of bytes: the platform's own reads its body through promises,
 * and a fiber that waits on a promise is not asleep yet when a test moves its clock.
 */
import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import type { HttpMethod } from "@effect/platform/HttpMethod"
import { RequestError } from "@effect/platform/HttpServerError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Multipart from "@effect/platform/Multipart"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

export class MemoryRequest extends Inspectable.Class implements HttpServerRequest.HttpServerRequest {
  readonly [HttpServerRequest.TypeId]: HttpServerRequest.TypeId = HttpServerRequest.TypeId
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly source = undefined
  readonly method: HttpMethod
  readonly url: string
  readonly originalUrl: string
  readonly headers: Headers.Headers
  readonly remoteAddress: Option.Option<string>
  readonly #target: URL
  readonly #bytes: Uint8Array

  constructor(
    method: HttpMethod,
    target: URL,
    headers: Headers.Input,
    bytes: Uint8Array,
    changed: { readonly url?: string; readonly remoteAddress?: string } = {}
  ) {
    super()
    this.#target = target
    this.#bytes = bytes
    this.method = method
    this.originalUrl = target.pathname + target.search
    this.url = changed.url ?? this.originalUrl
    this.headers = Headers.fromInput({
      host: target.host,
      "content-length": String(bytes.length),
      ...Headers.fromInput(headers)
    })
    this.remoteAddress = Option.fromNullable(changed.remoteAddress)
  }

  modify(options: Parameters<HttpServerRequest.HttpServerRequest["modify"]>[0]): MemoryRequest {
    const { headers = this.headers, url = this.url, remoteAddress = Option.getOrUndefined(this.remoteAddress) } =
      options
    return new MemoryRequest(this.method, this.#target, headers, this.#bytes, {
      url,
      ...(remoteAddress === undefined ? {} : { remoteAddress })
    })
  }

  get cookies(): Readonly<Record<string, string>> {
    return Cookies.parseHeader(this.headers["cookie"] ?? "")
  }

  get stream(): Stream.Stream<Uint8Array, RequestError> {
    return this.#bytes.length === 0 ? Stream.empty : Stream.succeed(this.#bytes)
  }

  get text(): Effect.Effect<string, RequestError> {
    return Effect.sync(() => new TextDecoder().decode(this.#bytes))
  }

  get json(): Effect.Effect<unknown, RequestError> {
    return Effect.tryMap(this.text, {
      try: (text) => text === "" ? null : JSON.parse(text) as unknown,
      catch: (cause) => new RequestError({ request: this, reason: "Decode", cause })
    })
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, RequestError> {
    return Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, RequestError> {
    return Effect.sync(() => this.#bytes.slice().buffer as ArrayBuffer)
  }

  get multipartStream(): Stream.Stream<Multipart.Part, Multipart.MultipartError> {
    return Stream.pipeThroughChannel(Stream.orDie(this.stream), Multipart.makeChannel(this.headers))
  }

  get multipart(): HttpServerRequest.HttpServerRequest["multipart"] {
    return Multipart.toPersisted(this.multipartStream)
  }

  get upgrade(): HttpServerRequest.HttpServerRequest["upgrade"] {
    return Effect.fail(new RequestError({ request: this, reason: "Decode", description: "in memory" }))
  }

  toJSON(): unknown {
    return HttpIncomingMessage.inspect(this, {
      _id: "@effect/platform/HttpServerRequest",
      method: this.method,
      url: this.originalUrl
    })
  }
}
