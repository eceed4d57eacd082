/** An HTTP client whose answers a test makes up, without a promise, which time in tests would not wait for. */
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { Effect, Layer, Redacted } from "effect"
import { Credentials, PandaClient } from "effect-panda"
import type { Answer } from "effect-panda/internal/upload/decision"

export const responseOf = (
  request: HttpClientRequest.HttpClientRequest,
  { headers = {}, status = 200, text = "" }: Partial<Answer>
): HttpClientResponse.HttpClientResponse => {
  // No Response of the web has a body with 204, as some answers of upload servers have.
  const response = HttpClientResponse.fromWeb(request, new Response(text, { headers: { "content-length": "0" } }))
  return Object.create(response, {
    status: { value: status },
    headers: { value: Headers.fromInput({ ...headers, "content-length": String(text.length) }) },
    text: { value: Effect.succeed(text) }
  }) as HttpClientResponse.HttpClientResponse
}

/** A client of Panda, whose requests all come here. */
export const panda = (
  answer: (
    request: HttpClientRequest.HttpClientRequest
  ) => Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
) =>
  PandaClient.layer.pipe(
    Layer.provide(Credentials.layer({ accessKey: "a", cloudId: "c", secretKey: Redacted.make("s") })),
    Layer.provide(Layer.succeed(HttpClient.HttpClient, HttpClient.make(answer)))
  )
