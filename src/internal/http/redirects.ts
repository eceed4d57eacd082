/** No request of ours follows a redirect, which would carry a signature, or a session's location, to another place. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/**
 * What fetch is to do with a redirect. To fail, where there is a body of some length: for `manual` it keeps that in memory
 * as if it were to repeat it. Otherwise to give it, since only then can it be told from a connection that breaks.
 * Cloudflare's Workers know no `error`, and would send nothing.
 */
const redirectMode = (body: unknown): RequestRedirect => {
  if (isLittle(body)) return "manual"
  try {
    return new Request("http://localhost", { redirect: "error" }).redirect
  } catch {
    return "manual"
  }
}

const LITTLE = 64 * 1024

const isLittle = (body: unknown): boolean =>
  body === undefined || body === null ||
  (typeof body === "string" ? body.length : ArrayBuffer.isView(body) ? body.byteLength : Infinity) <= LITTLE

/** A page is not told where a redirect leads to, nor its status. */
const seen = (response: Response): Response => {
  if (response.type === "opaqueredirect") throw new TypeError("unexpected redirect")
  return response
}

/** The runtime's own, which copies the bytes that it is given before it sends them. What is put in its place may keep them. */
const own = globalThis.fetch

/** Other HTTP layers do not ask for a `Fetch`, and follow no redirects. `asked` runs where one does. */
export const withoutRedirects =
  (asked: (isOwn: boolean) => void) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Effect.serviceOption(FetchHttpClient.Fetch), (given) => {
      const fetch = Option.getOrElse(given, () => globalThis.fetch)
      return Effect.provideService(
        effect,
        FetchHttpClient.Fetch,
        (input, init) => {
          asked(fetch === own)
          return fetch(input, { ...init, redirect: redirectMode(init?.body) }).then(seen)
        }
      )
    })

/** Whether it is what fetch fails with at a redirect, in the words of Node, Bun and Deno. */
export const isRedirect = ({ code, message }: { readonly code?: unknown; readonly message?: unknown }): boolean =>
  /^UnexpectedRedirect$/.test(String(code)) || /unexpected redirect|redirect mode/i.test(String(message))
