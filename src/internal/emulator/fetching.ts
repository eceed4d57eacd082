/** How a `source_url` is fetched: from outside only, within bounds, and never further than a few redirects. */
import type { PlatformError } from "@effect/platform/Error"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Url from "@effect/platform/Url"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { isPrivateHost } from "./addresses.js"
import type { Spool } from "./spool.js"
import type { Failure } from "./world.js"

export interface Fetching {
  readonly client: HttpClient.HttpClient
  /** Whether addresses of this machine and of private networks may be asked. */
  readonly allowPrivate: boolean
}

const REDIRECTS = 5

/** How long nothing may come. */
const PATIENCE = "30 seconds"

const failed = (error_message: string): Failure => ({ error_class: "DownloadFailed", error_message })

const targetOf = ({ allowPrivate }: Fetching, text: string, base?: string): Effect.Effect<URL, Failure> =>
  Effect.flatMap(
    Effect.mapError(Url.fromString(text, base), () => failed("The address cannot be read")),
    (url) =>
      url.protocol !== "http:" && url.protocol !== "https:"
        ? Effect.fail(failed("Only http and https can be fetched"))
        : !allowPrivate && isPrivateHost(url.hostname)
        ? Effect.fail(failed("The address is one of this machine or of a private network"))
        : Effect.succeed(url)
  )

/** The answer that is not a redirect. */
const follow = (
  fetching: Fetching,
  url: URL,
  left: number
): Effect.Effect<HttpClientResponse.HttpClientResponse, Failure> =>
  Effect.gen(function*() {
    // The address may have a secret, which a span would show.
    const client = HttpClient.withTracerDisabledWhen(fetching.client, () => true)
    const response = yield* client.get(url, { headers: { "accept-encoding": "identity" } }).pipe(
      Effect.timeout(PATIENCE),
      // Other clients follow no redirects by themselves.
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
      Effect.mapError(() => failed("The server could not be reached"))
    )
    const location = response.headers["location"]
    if (![301, 302, 303, 307, 308].includes(response.status) || location === undefined) return response
    if (left === 0) return yield* Effect.fail(failed("The server redirects too often"))
    return yield* follow(fetching, yield* targetOf(fetching, location, url.href), left - 1)
  })

/** Fetches into a file, which then has so many bytes. */
export const fetchInto = (
  fetching: Fetching,
  address: string,
  spool: Spool,
  limit: number
): Effect.Effect<number, Failure | PlatformError> =>
  Effect.gen(function*() {
    spool.clear()
    const response = yield* follow(fetching, yield* targetOf(fetching, address), REDIRECTS)
    if (response.status !== 200) return yield* Effect.fail(failed(`The server answered ${response.status}`))
    const tooLarge = failed(`The file has more than ${limit} bytes`)
    if (Number(response.headers["content-length"] ?? 0) > limit) return yield* Effect.fail(tooLarge)
    let size = 0
    yield* response.stream.pipe(
      Stream.timeoutFail(() => failed("The server stopped in the middle"), PATIENCE),
      Stream.mapError((error) => "error_class" in error ? error : failed("The connection broke")),
      Stream.runForEach((bytes) =>
        Effect.suspend((): Effect.Effect<void, Failure | PlatformError> => {
          size += bytes.length
          if (size > limit) return Effect.fail(tooLarge)
          spool.push(bytes)
          return spool.relief() ?? Effect.void
        })
      )
    )
    const announced = response.headers["content-length"]
    if (announced !== undefined && Number(announced) !== size) return yield* Effect.fail(failed("The connection broke"))
    yield* spool.flush
    return size
  })
