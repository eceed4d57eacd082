/** Several accounts in one program: how layers are composed never makes one of two. */
import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, DateTime, Effect, Either, Layer, LayerMap, Redacted, Scope } from "effect"
import { Credentials, PandaClient, Videos } from "effect-panda"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { panda } from "../client/panda.js"

type Client = PandaClient.PandaClient.Service

class Alice extends Context.Tag("Alice")<Alice, Client>() {}
class Bob extends Context.Tag("Bob")<Bob, Client>() {}

const keysOf = (name: string) => ({
  accessKey: name,
  secretKey: Redacted.make(`${name}-secret`),
  cloudId: `${name}-cloud`
})

const provider = (name: string) =>
  ConfigProvider.fromMap(
    new Map([["PANDA_ACCESS_KEY", name], ["PANDA_SECRET_KEY", `${name}-secret`], ["PANDA_CLOUD_ID", `${name}-cloud`]])
  )

const offline = Layer.succeed(HttpClient.HttpClient, HttpClient.make(() => Effect.never))

/** What a service of a program does with the client it is given. */
const alice = Layer.effect(Alice, PandaClient.PandaClient)
const bob = Layer.effect(Bob, PandaClient.PandaClient)

const both = <E>(first: Layer.Layer<PandaClient.PandaClient, E>, second: Layer.Layer<PandaClient.PandaClient, E>) =>
  Effect.map(
    Layer.build(Layer.merge(Layer.provide(alice, first), Layer.provide(bob, second))),
    (context) => [Context.get(context, Alice), Context.get(context, Bob)] as const
  )

const keyOf = ({ credentials: { auth } }: Client) => auth._tag === "Keys" ? auth.accessKey : Redacted.value(auth.token)

const config = PandaClient.layerConfig()

const ways: Record<string, (name: string) => Layer.Layer<PandaClient.PandaClient, unknown>> = {
  "layer with credentials": (name) =>
    PandaClient.layer.pipe(Layer.provide(Credentials.layer(keysOf(name))), Layer.provide(offline)),
  "layerConfig with overrides": (name) => Layer.provide(PandaClient.layerConfig(keysOf(name)), offline),
  "one layerConfig and a ConfigProvider": (name) =>
    config.pipe(Layer.provide(offline), Layer.provide(Layer.setConfigProvider(provider(name)))),
  "credentials merged": (name) =>
    PandaClient.layer.pipe(Layer.provideMerge(Credentials.layer(keysOf(name))), Layer.provide(offline))
}

describe("two accounts in one graph stay two", () => {
  it.scoped.each(Object.keys(ways))("%s", (way) =>
    Effect.gen(function*() {
      const [first, second] = yield* both(ways[way]!("alice"), ways[way]!("bob"))
      assert.deepStrictEqual([keyOf(first), keyOf(second)], ["alice", "bob"])
    }))

  it.scoped.each(Object.keys(ways))("%s, and one composed constant is built once", (way) =>
    Effect.gen(function*() {
      const layer = ways[way]!("alice")
      const [first, second] = yield* both(layer, layer)
      assert.strictEqual(first, second)
    }))

  it.scoped("a layerConfig that is provided with its HttpClient at the end is built once", () =>
    Effect.gen(function*() {
      const Panda = PandaClient.layerConfig(keysOf("alice"))
      const context = yield* Layer.build(
        Layer.merge(Layer.provide(alice, Panda), Layer.provide(bob, Panda)).pipe(Layer.provide(offline))
      )
      assert.strictEqual(Context.get(context, Alice), Context.get(context, Bob))
    }))

  it.scoped("provideMerge gives the client that it has provided", () =>
    Effect.gen(function*() {
      const layer = alice.pipe(
        Layer.provideMerge(PandaClient.layer),
        Layer.provideMerge(Credentials.layerConfig(keysOf("alice"))),
        Layer.provide(offline)
      )
      const context = yield* Layer.build(layer)
      assert.strictEqual(Context.get(context, Alice), Context.get(context, PandaClient.PandaClient))
      assert.strictEqual(
        Context.get(context, Alice).credentials,
        Context.get(context, Credentials.Credentials)
      )
    }))

  it.scoped("two HTTP clients are two as well", () =>
    Effect.gen(function*() {
      const other = Layer.succeed(HttpClient.HttpClient, HttpClient.make(() => Effect.never))
      const using = (http: typeof offline) =>
        PandaClient.layer.pipe(Layer.provide(Credentials.layer(keysOf("alice"))), Layer.provide(http))
      const [first, second] = yield* both(using(offline), using(other))
      assert.notStrictEqual(first.httpClient, second.httpClient)
    }))

  it.scoped("a LayerMap of tenants", () =>
    Effect.gen(function*() {
      const tenants = yield* LayerMap.make((name: string) => ways["layer with credentials"]!(name))
      const clientOf = (name: string) => Effect.provide(PandaClient.PandaClient, tenants.get(name))
      assert.strictEqual(keyOf(yield* clientOf("alice")), "alice")
      assert.strictEqual(keyOf(yield* clientOf("bob")), "bob")
      const wrong = Layer.provide(PandaClient.layerConfig({ ...keysOf("eve"), accessKey: "" }), offline)
      assert.isTrue(Either.isLeft(yield* Effect.either(both(ways["layer with credentials"]!("alice"), wrong))))
    }))

  it.effect("an emulator within another", () =>
    Effect.gen(function*() {
      const outer = yield* Videos.list()
      const inner = yield* Effect.provide(
        Effect.all([Videos.list(), Effect.flatMap(panda, ({ requests }) => requests)]),
        PandaEmulator.layerTest({ videos: 1, accessKey: "other-key" })
      )
      assert.deepStrictEqual([outer.length, inner[0].length, inner[1].length], [3, 1, 1])
    }).pipe(Effect.provide(PandaEmulator.layerTest({ videos: 3 }))))

  it.scoped("an emulator beside another", () =>
    Effect.gen(function*() {
      const count = Effect.map(Videos.list(), ({ length }) => length)
      const one = Layer.effect(Alice, Effect.zipRight(count, PandaClient.PandaClient))
      const two = Layer.effect(Bob, PandaClient.PandaClient)
      const context = yield* Layer.build(Layer.merge(
        Layer.provide(one, PandaEmulator.layerTest({ videos: 3 })),
        Layer.provide(two, PandaEmulator.layerTest({ videos: 1 }))
      ))
      const counts = yield* Effect.forEach([Context.get(context, Alice), Context.get(context, Bob)], (client) =>
        Effect.provideService(count, PandaClient.PandaClient, client))
      assert.deepStrictEqual(counts, [3, 1])
    }))

  it.effect("what is built again, once all who had it are gone, is new", () =>
    Effect.gen(function*() {
      const service = yield* Credentials.make(keysOf("alice"))
      const layer = PandaClient.layer.pipe(
        Layer.provide(Layer.succeed(Credentials.Credentials, service)),
        Layer.provide(offline)
      )
      const scope = yield* Scope.make()
      const built = Effect.map(Layer.build(layer), Context.get(PandaClient.PandaClient))
      const first = yield* Scope.extend(built, scope)
      assert.strictEqual(yield* Effect.scoped(built), first)
      yield* Scope.close(scope, yield* Effect.exit(Effect.void))
      assert.notStrictEqual(yield* Effect.scoped(built), first)
    }))
})

describe("two clients with the same keys", () => {
  it.effect("may POST the same in the same millisecond", () =>
    Effect.gen(function*() {
      const { accessKey, cloudId, secretKey } = yield* panda
      const post = PandaClient.post("/videos.json", { source_url: "http://a.example/b.mp4" })
      const client = Effect.provide(PandaClient.layer)(post)
      const mine = Effect.provide(client, Credentials.layer({ accessKey, cloudId, secretKey }))
      yield* Effect.all(Array.from({ length: 20 }, () => mine), { concurrency: "unbounded" })
      assert.strictEqual(new Set((yield* (yield* panda).requests).map(({ timestamp }) => timestamp)).size, 20)
    }).pipe(Effect.provide(PandaEmulator.layerTest())))

  it.effect("share what one has learned of the server's clock, others do not", () =>
    Effect.gen(function*() {
      const [first, second, other] = yield* Effect.all([
        Credentials.make(keysOf("alice")),
        Credentials.make(keysOf("alice")),
        Credentials.make(keysOf("bob"))
      ])
      yield* first.synchronize(yield* Effect.map(DateTime.now, DateTime.add({ hours: 1 })))
      assert.match(yield* second.timestamp, /T01:00:00/)
      assert.match(yield* other.timestamp, /T00:00:00/)
    }))
})
