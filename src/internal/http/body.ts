/** Reading an answer's body, to a limit: a server that never stops sending must not fill the memory. */
import type { ResponseError } from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

const LIMIT = 32 * 1024 * 1024

/** None if the body is longer than 32 MiB. */
export const text = (
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<Option.Option<string>, ResponseError> =>
  isShort(response)
    ? Effect.map(response.text, (text) => Option.some(text.startsWith("\uFEFF") ? text.slice(1) : text))
    : readToLimit(response)

/** HTTP layers hold a body to its length; what is decompressed may become longer. */
const isShort = ({ headers, status }: HttpClientResponse.HttpClientResponse): boolean =>
  status === 204 || (headers["content-encoding"] === undefined && Number(headers["content-length"]) <= LIMIT)

const readToLimit = (
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<Option.Option<string>, ResponseError> =>
  Effect.suspend(() => {
    const decoder = new TextDecoder()
    let size = 0
    let text = ""
    let failure: ResponseError | undefined
    return response.stream.pipe(
      // Kept out of the stream: the fiber that runs it would log its failure, and with it the signed request.
      Stream.catchAll((error) => {
        failure = error.reason === "EmptyBody" ? undefined : error
        return Stream.empty
      }),
      Stream.takeWhile((bytes) => {
        size += bytes.byteLength
        return size <= LIMIT
      }),
      Stream.runForEach((bytes) => Effect.sync(() => void (text += decoder.decode(bytes, { stream: true })))),
      Effect.flatMap(() => {
        if (failure !== undefined) return Effect.fail(failure)
        return Effect.succeed(size > LIMIT ? Option.none() : Option.some(text + decoder.decode()))
      })
    )
  })
