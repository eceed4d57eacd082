/**
 * The fetch of an HTTP layer that uses one, with something around it. To provide a request with a `Fetch` would overrule the
 * one that its layer was provided with, which only that layer sees; and one that is provided within the layer would overrule
 * ours. So it is replaced where the layer looks for it, when it has the request and has not sent it.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"

export type Fetch = typeof globalThis.fetch

/** The runtime's own, which copies the bytes that it is given before it sends them. What is put in its place may keep them. */
const own = globalThis.fetch

/** What stands around it for some requests only. */
class Around extends Context.Reference<Around>()("effect-panda/internal/http/fetch/Around", {
  defaultValue: (): (fetch: Fetch) => Fetch => identity
}) {}

/** Puts something around the fetch by which the requests of an effect go, if they do. */
export const withFetch =
  (around: (fetch: Fetch) => Fetch) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.provideService(effect, Around, around)

/** Those with something around them, and what that is around. */
const originals = new WeakMap<Fetch, Fetch>()

/** A client with something around the fetch by which its requests go, if they do. */
export const around = (
  client: HttpClient.HttpClient,
  around: (fetch: Fetch, isOwn: boolean) => Fetch
): HttpClient.HttpClient => {
  const replace = (request: HttpClientRequest.HttpClientRequest) =>
    Effect.map(Effect.context<never>(), (context) => {
      const { unsafeMap } = context
      const found: Fetch = unsafeMap.get(FetchHttpClient.Fetch.key) ?? globalThis.fetch
      const given = originals.get(found) ?? found
      const fetch = around(Context.get(context, Around)(given), given === own)
      originals.set(fetch, given)
      unsafeMap.set(FetchHttpClient.Fetch.key, fetch)
      return request
    })
  return client.pipe(
    HttpClient.mapRequestEffect(replace),
    // Each request has a context of its own, so that nobody else finds there what is meant for it.
    HttpClient.transformResponse(
      Effect.mapInputContext((context: Context.Context<never>) => Context.merge(context, Context.empty()))
    )
  )
}
