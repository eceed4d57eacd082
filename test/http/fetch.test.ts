/** Whichever way a fetch of one's own is given, requests go by it, and follow no redirect. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, Schedule } from "effect"
import { Credentials, PandaClient, UploadSource, Videos } from "effect-panda"

interface Call {
  readonly url: string
  readonly init: RequestInit
}

/** Notes what it is called with, and answers with a video, once so many connections have broken. */
const noting = (broken = 0) => {
  const calls: Array<Call> = []
  const fetch: typeof globalThis.fetch = (input, init = {}) => {
    calls.push({ url: String(input), init })
    return calls.length <= broken
      ? Promise.reject(new TypeError("fetch failed", { cause: { code: "ECONNREFUSED" } }))
      : Promise.resolve(Response.json({ id: "1" }))
  }
  return { calls, fetch }
}

const given = (fetch: typeof globalThis.fetch) => Layer.succeed(FetchHttpClient.Fetch, fetch)

const through = (change: (client: HttpClient.HttpClient) => HttpClient.HttpClient) =>
  Layer.provide(Layer.effect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, change)), FetchHttpClient.layer)

type Http = Layer.Layer<HttpClient.HttpClient>

const ways: Record<string, (fetch: typeof globalThis.fetch) => Http> = {
  "to the layer": (fetch) => Layer.provide(FetchHttpClient.layer, given(fetch)),
  "beside the layer": (fetch) => Layer.merge(FetchHttpClient.layer, given(fetch)),
  "within the layer": (fetch) =>
    through(HttpClient.transformResponse(Effect.provideService(FetchHttpClient.Fetch, fetch))),
  "to the layer, below one that changes requests": (fetch) =>
    Layer.provide(through(HttpClient.mapRequest(HttpClientRequest.setHeader("x-a", "b"))), given(fetch)),
  "to the layer, below one that traces": (fetch) =>
    Layer.provide(through(HttpClient.withTracerDisabledWhen(() => false)), given(fetch))
}

const panda = (http: Http) =>
  PandaClient.layer.pipe(
    Layer.provide(Credentials.layer({ accessKey: "a", secretKey: Redacted.make("b"), cloudId: "c" })),
    Layer.provideMerge(http)
  )

describe.each(Object.entries(ways))("a fetch that is given %s", (_, way) => {
  it.live("gets each request, with a redirect that it must not follow", () =>
    Effect.gen(function*() {
      const { calls, fetch } = noting()
      yield* Effect.provide(Effect.repeatN(Videos.find("1"), 2), panda(way(fetch)))
      assert.lengthOf(calls, 3)
      for (const { init, url } of calls) {
        assert.match(url, /\/v2\/videos\/1\.json\?/)
        assert.strictEqual(init.redirect, "manual")
      }
    }))

  it.live("gets a file with its length", () =>
    Effect.gen(function*() {
      const { calls, fetch } = noting()
      const file = UploadSource.fromBytes(new Uint8Array(100_000), { name: "movie.mp4" })
      yield* Effect.provide(Videos.create({ file }), panda(way(fetch)))
      const [{ init }] = calls as [Call]
      assert.instanceOf(init.body, Blob)
      assert.strictEqual(init.redirect, "error")
    }))

  it.live("is called as often as the layer tries", () =>
    Effect.gen(function*() {
      const { calls, fetch } = noting(2)
      const retrying = Layer.effect(
        HttpClient.HttpClient,
        Effect.map(HttpClient.HttpClient, HttpClient.retry(Schedule.recurs(2)))
      )
      yield* Effect.provide(Videos.find("1"), panda(Layer.provideMerge(retrying, way(fetch))))
      assert.deepStrictEqual(calls.map(({ init }) => init.redirect), ["manual", "manual", "manual"])
    }))
})

it.live("what the layer is to give to fetch is given", () =>
  Effect.gen(function*() {
    const { calls, fetch } = noting()
    const http = Layer.provide(
      FetchHttpClient.layer,
      Layer.merge(given(fetch), Layer.succeed(FetchHttpClient.RequestInit, { cache: "no-store", redirect: "follow" }))
    )
    yield* Effect.provide(Videos.find("1"), panda(http))
    assert.deepStrictEqual(calls.map(({ init }) => [init.cache, init.redirect]), [["no-store", "manual"]])
  }))

it.live("nobody else finds what is around the fetch of a request", () =>
  Effect.gen(function*() {
    const { calls, fetch } = noting()
    yield* Effect.gen(function*() {
      yield* Videos.find("1")
      assert.deepStrictEqual(yield* Effect.serviceOption(FetchHttpClient.Fetch), Option.some(fetch))
      const client = yield* HttpClient.HttpClient
      yield* client.get("https://site.example/")
    }).pipe(Effect.provide(panda(Layer.merge(FetchHttpClient.layer, given(fetch)))))
    assert.deepStrictEqual(calls.map(({ init }) => init.redirect), ["manual", undefined])
  }))
