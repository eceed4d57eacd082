/** A form that somebody posts to us, up to a limit. */
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

export const isForm = ({ headers }: HttpServerRequest.HttpServerRequest): boolean =>
  headers["content-type"]?.split(";")[0]!.trim().toLowerCase() === "application/x-www-form-urlencoded" &&
  (headers["content-encoding"] ?? "identity") === "identity"

/** Under Node, to leave a body unread is to break the connection before the answer: this much of one is thrown away. */
const PATIENCE = 1024 * 1024

export const read = (
  request: HttpServerRequest.HttpServerRequest,
  limit: number
): Effect.Effect<{ readonly text: string } | "TooLong" | "Broken"> =>
  Effect.suspend(() => {
    // The platform's server reads and drops what was announced.
    if (Number(request.headers["content-length"]) > limit) return Effect.succeed("TooLong" as const)
    const decoder = new TextDecoder()
    let size = 0
    let text = ""
    let broken = false
    return request.stream.pipe(
      // Kept out of the stream: the fiber that runs it would log its failure, and with it the url.
      Stream.catchAll(() => {
        broken = true
        return Stream.empty
      }),
      Stream.runForEachWhile((bytes) =>
        Effect.sync(() => {
          size += bytes.length
          text = size > limit ? "" : text + decoder.decode(bytes, { stream: true })
          return size <= limit + PATIENCE
        })
      ),
      Effect.map(() => size > limit ? "TooLong" : broken ? "Broken" : { text: text + decoder.decode() })
    )
  })
