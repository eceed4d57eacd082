/** No request of ours follows a redirect, which would carry a signature, or a session's location, to another place. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/**
 * What fetch is to do with a redirect: to fail, since for `manual` it keeps the body in memory as if it were to repeat it.
 * Cloudflare's Workers know no `error`, and would send nothing.
 */
const redirectMode = (): RequestRedirect => {
  try {
    return new Request("http://localhost", { redirect: "error" }).redirect
  } catch {
    return "manual"
  }
}

/** Other HTTP layers do not ask for a `Fetch`, and follow no redirects. */
export const withoutRedirects = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.serviceOption(FetchHttpClient.Fetch), (given) => {
    const fetch = Option.getOrElse(given, () => globalThis.fetch)
    return Effect.provideService(
      effect,
      FetchHttpClient.Fetch,
      (input, init) => fetch(input, { ...init, redirect: redirectMode() })
    )
  })
