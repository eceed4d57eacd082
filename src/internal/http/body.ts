/** Reading an answer's body, to a limit: a server that never stops sending must not fill the memory. */
import type { ResponseError } from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import { Unreadable } from "./codings.js"
import * as longBody from "./longBody.js"

const LIMIT = 32 * 1024 * 1024

/** Why there is no text. */
export interface Unread {
  readonly description: string
  /** What the body is compressed with, if that is why. */
  readonly encoding?: string
}

const tooLong: Unread = { description: "is longer than 32 MiB" }

/** The body, if it is no longer than 32 MiB, and not compressed with something that cannot be read. */
export const text = (
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<Either.Either<string, Unread>, ResponseError> => {
  if (isKnownEmpty(response)) return Effect.succeed(Either.right(""))
  return Effect.catchIf(
    isShort(response)
      ? Effect.map(response.text, (text) => Either.right(text.startsWith("\uFEFF") ? text.slice(1) : text))
      : readToLimit(response),
    ({ cause }) => cause instanceof Unreadable,
    ({ cause }) => Effect.succeed(Either.left(cause as Unreadable))
  )
}

/** Nobody has to read it for undici to use the connection again, as for Node's `http`. */
const isKnownEmpty = (response: HttpClientResponse.HttpClientResponse): boolean =>
  response.status === 204 && longBody.kindOf(response) === "pulled"

/** HTTP layers hold a body to its length. */
const isShort = ({ headers, status }: HttpClientResponse.HttpClientResponse): boolean =>
  status === 204 || Number(headers["content-length"]) <= LIMIT

const readToLimit = (
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<Either.Either<string, Unread>, ResponseError> =>
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
        return Effect.succeed(size > LIMIT ? Either.left(tooLong) : Either.right(text + decoder.decode()))
      })
    )
  })
