/** A raw answer as a caller gets it: neither it nor what its body fails with knows what the request was signed with. */
import { ResponseError } from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import type { UrlParams } from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Stream from "effect/Stream"

/** The answer to a signed request, given out as the answer to a plain one. */
export class UnsignedResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly request: HttpClientRequest.HttpClientRequest
  readonly #signed: HttpClientResponse.HttpClientResponse

  constructor(signed: HttpClientResponse.HttpClientResponse, request: HttpClientRequest.HttpClientRequest) {
    super()
    this.#signed = signed
    this.request = request
  }

  readonly #plain = ({ cause, description, reason }: ResponseError): ResponseError =>
    new ResponseError({
      request: this.request,
      response: this,
      reason,
      cause,
      ...(description === undefined ? {} : { description })
    })

  get status() {
    return this.#signed.status
  }

  get headers() {
    return this.#signed.headers
  }

  get cookies() {
    return this.#signed.cookies
  }

  get remoteAddress() {
    return this.#signed.remoteAddress
  }

  get stream(): Stream.Stream<Uint8Array, ResponseError> {
    return Stream.mapError(this.#signed.stream, this.#plain)
  }

  get text(): Effect.Effect<string, ResponseError> {
    return Effect.mapError(this.#signed.text, this.#plain)
  }

  get json(): Effect.Effect<unknown, ResponseError> {
    return Effect.mapError(this.#signed.json, this.#plain)
  }

  get urlParamsBody(): Effect.Effect<UrlParams, ResponseError> {
    return Effect.mapError(this.#signed.urlParamsBody, this.#plain)
  }

  get formData(): Effect.Effect<FormData, ResponseError> {
    return Effect.mapError(this.#signed.formData, this.#plain)
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, ResponseError> {
    return Effect.mapError(this.#signed.arrayBuffer, this.#plain)
  }

  toJSON(): unknown {
    return HttpIncomingMessage.inspect(this, {
      _id: "@effect/platform/HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status
    })
  }
}
