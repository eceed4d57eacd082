import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Either, FastCheck, Redacted, Schema } from "effect"
import { createHmac } from "node:crypto"
import { readFileSync } from "node:fs"
import * as Credentials from "../src/Credentials.js"
import { PandaInputError } from "../src/PandaError.js"
import * as Signature from "../src/Signature.js"

const Vector = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  verb: Schema.Literal("GET", "POST", "PUT", "DELETE"),
  path: Schema.String,
  host: Schema.String,
  port: Schema.Int,
  access_key: Schema.String,
  secret_key: Schema.String,
  cloud_id: Schema.String,
  timestamp: Schema.String,
  params: Schema.Record({ key: Schema.String, value: Schema.Any }),
  expected: Schema.Struct({
    signature: Schema.optional(Schema.String),
    canonical_query: Schema.optional(Schema.String),
    string_to_sign: Schema.optional(Schema.String),
    reject: Schema.optional(Schema.String)
  })
})

const { vectors } = Schema.decodeUnknownSync(
  Schema.parseJson(Schema.Struct({ vectors: Schema.Array(Vector) }))
)(readFileSync(new URL("fixtures/signature-vectors.json", import.meta.url), "utf8"))

const credentialsOf = (vector: typeof Vector.Type) =>
  Credentials.layer({
    accessKey: vector.access_key,
    secretKey: Redacted.make(vector.secret_key),
    cloudId: vector.cloud_id,
    host: vector.host,
    port: vector.port
  })

describe("Signature", () => {
  describe("vectors", () => {
    it("are all there", () => assert.strictEqual(vectors.length, 42))

    it.effect.each([...vectors])("$id $name", (vector) =>
      Effect.gen(function*() {
        const { expected, params, path, timestamp, verb } = vector
        const before = JSON.stringify(params)
        const signed = yield* Effect.either(Signature.signedParams(verb, path, params, { timestamp }))
        assert.strictEqual(JSON.stringify(params), before)
        if (expected.reject !== undefined) {
          assert.isTrue(Either.isLeft(signed) && signed.left instanceof PandaInputError)
          return
        }
        const sent = Either.getOrThrow(signed)
        assert.strictEqual(sent["signature"], expected.signature)
        assert.notProperty(sent, "file")
        if (expected.canonical_query !== undefined) {
          const { file: _, ...own } = params
          const query = Either.getOrThrow(Signature.canonicalQuery({
            ...own,
            access_key: vector.access_key,
            cloud_id: vector.cloud_id,
            timestamp
          }))
          assert.strictEqual(query, expected.canonical_query)
          assert.strictEqual(
            Signature.stringToSign({ method: verb, host: vector.host, path, query }),
            expected.string_to_sign
          )
        }
      }).pipe(Effect.provide(credentialsOf(vector))))
  })

  // Well-formed text: what is not is refused, which the vectors show.
  const textual = FastCheck.fullUnicodeString({ maxLength: 12 })
  const reserved = ["signature", "file", "access_key", "cloud_id", "timestamp", "token", "__proto__"]
  const value = FastCheck.oneof(
    textual,
    FastCheck.integer(),
    FastCheck.boolean(),
    FastCheck.bigInt(),
    FastCheck.constant(null),
    FastCheck.constant(undefined)
  )
  const name = FastCheck.fullUnicodeString({ minLength: 1, maxLength: 8 })
    .filter((name) => !reserved.includes(name) && !/[[\]]/.test(name))
  const nested = FastCheck.dictionary(FastCheck.stringMatching(/^[A-Za-z0-9_]{1,5}$/), value, { maxKeys: 3 })
  const params = FastCheck.tuple(
    FastCheck.dictionary(name, value, { maxKeys: 6 }),
    FastCheck.dictionary(FastCheck.constantFrom("events", "a", "Z_9"), nested, { maxKeys: 2 })
  ).map(([flat, nested]): Signature.Params => ({ ...flat, ...nested }))

  /** The pairs that a parameter stands for on the wire. */
  const pairsOf = (params: Signature.Params): ReadonlyArray<[string, string]> =>
    Object.entries(params).flatMap(([name, value]): Array<[string, string]> =>
      value === undefined
        ? []
        : typeof value === "object" && value !== null
        ? Object.entries(value).flatMap(([inner, value]): Array<[string, string]> =>
          value === undefined ? [] : [[`${name}[${inner}]`, String(value ?? "")]]
        )
        : [[name, String(value ?? "")]]
    )

  const sorted = (pairs: Iterable<readonly [string, string]>) => [...pairs].map(([a, b]) => `${a}\n${b}`).sort()

  /** The opposite of `encode`, by what RFC 3986 says alone. */
  const pairsIn = (query: string): ReadonlyArray<[string, string]> =>
    query === "" ? [] : query.split("&").map((pair) => {
      const [name, value] = pair.split("=")
      return [decodeURIComponent(name!), decodeURIComponent(value!)]
    })

  const credentials = Credentials.layer({
    accessKey: "key",
    secretKey: Redacted.make("secret"),
    cloudId: "cloud",
    host: "Panda.Example",
    port: 8080
  })

  describe("canonicalQuery", () => {
    const inAnyOrder = params.chain((params) => {
      const keys = Object.keys(params)
      return FastCheck.tuple(FastCheck.constant(params), FastCheck.shuffledSubarray(keys, { minLength: keys.length }))
    })

    it.prop("does not depend on the order of names", [inAnyOrder], ([[params, order]]) => {
      const shuffled = Object.fromEntries(order.map((key) => [key, params[key]])) as Signature.Params
      assert.deepStrictEqual(Signature.canonicalQuery(shuffled), Signature.canonicalQuery(params))
    })

    it.prop("is the parameters again once it is decoded", [params], ([params]) => {
      const query = Either.getOrThrow(Signature.canonicalQuery(params))
      assert.deepStrictEqual(sorted(pairsIn(query)), sorted(pairsOf(params)))
      assert.match(query, /^[A-Za-z0-9._~%&=[\]-]*$/)
    })

    it.prop("is in the order of the names' bytes", [FastCheck.uniqueArray(name, { minLength: 2 })], ([names]) => {
      const query = Either.getOrThrow(Signature.canonicalQuery(Object.fromEntries(names.map((name) => [name, ""]))))
      const sorted = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      assert.deepStrictEqual(pairsIn(query).map(([name]) => name), sorted)
    })

    it("puts characters beyond the BMP after all others", () => {
      assert.deepStrictEqual(
        Signature.canonicalQuery({ "𝄞": "3", "\uE000": "2", a: "1", B: "0" }),
        Either.right("B=0&a=1&%EE%80%80=2&%F0%9D%84%9E=3")
      )
    })

    it.prop("never changes its input", [params], ([params]) => {
      const frozen = Object.freeze(
        Object.fromEntries(
          Object.entries(params).map(([name, value]) => [
            name,
            typeof value === "object" ? Object.freeze(value) : value
          ])
        )
      ) as Signature.Params
      assert.isTrue(Either.isRight(Signature.canonicalQuery(frozen)))
    })

    const refused: ReadonlyArray<[unknown, RegExp]> = [
      [["a", "b"], /a list, a function or an object/],
      [() => 1, /a list, a function or an object/],
      [Symbol("x"), /a list, a function or an object/],
      [new Date(), /a list, a function or an object/],
      [new Map([["a", 1]]), /a list, a function or an object/],
      [Redacted.make("x"), /a list, a function or an object/],
      [{ b: ["c"] }, /x\.b: the value is a list/],
      [{ b: { c: 1 } }, /x\.b: parameters nest one level deep/],
      [NaN, /NaN has no exact decimal form/],
      [Infinity, /no exact decimal form/],
      [1e21, /no exact decimal form/],
      [1e-7, /no exact decimal form/],
      [2 ** 53 + 2, /no exact decimal form/],
      ["\ud800", /lone surrogate/],
      [{ b: "\udc00" }, /x\.b: .*lone surrogate/]
    ]
    it.each([[0.25, "0.25"], [-12.125, "-12.125"]])("takes %s as it is", (value, text) => {
      assert.deepStrictEqual(Signature.canonicalQuery({ x: value }), Either.right(`x=${text}`))
    })

    it.each(refused)("refuses %s", (value, words) => {
      const result = Signature.canonicalQuery({ x: value } as Signature.Params)
      assert.isTrue(Either.isLeft(result))
      if (Either.isLeft(result)) assert.match(result.left.message, words)
    })

    it("refuses names that cannot be signed", () => {
      for (
        const params of [{ "": "a" }, { "\ud800": "a" }, { signature: "a" }, { "a b": { c: "d" } }, {
          a: { "\ud800": "b" }
        }, {
          a: { "": "b" }
        }]
      ) {
        assert.isTrue(Either.isLeft(Signature.canonicalQuery(params)))
      }
    })
  })

  describe("signedParams", () => {
    it.effect.prop(
      "are what was passed, and what proves who passed it",
      [params],
      ([params]) =>
        Effect.gen(function*() {
          const signed = yield* Signature.signedParams("PUT", "/a.json", params)
          const { access_key, cloud_id, signature, timestamp, ...own } = signed
          assert.deepStrictEqual(sorted(Object.entries(own)), sorted(pairsOf(params)))
          assert.deepStrictEqual([access_key, cloud_id], ["key", "cloud"])
          assert.match(timestamp!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
          const query = Either.getOrThrow(Signature.canonicalQuery({ ...params, access_key, cloud_id, timestamp }))
          const hmac = createHmac("sha256", "secret").update(`PUT\npanda.example\n/a.json\n${query}`).digest("base64")
          assert.strictEqual(signature, hmac)
        }).pipe(Effect.provide(credentials))
    )

    it.effect.prop("travel as a query, and come back", [params], ([params]) =>
      Effect.gen(function*() {
        const options = { timestamp: "2011-03-01T15:39:10.260762Z" }
        const signed = yield* Signature.signedParams("GET", "/a.json", params, options)
        const query = yield* Signature.signedQuery("GET", "/a.json", params, options)
        assert.strictEqual(query, Signature.encode(signed))
        assert.deepStrictEqual(Object.fromEntries(pairsIn(query)), signed)
        assert.deepStrictEqual(Object.fromEntries(new URLSearchParams(query)), signed)
      }).pipe(Effect.provide(credentials)))

    it.effect("leave a file out and let nobody else's keys in", () =>
      Effect.gen(function*() {
        const mine = { file: "x", access_key: "other", cloud_id: "other", timestamp: "then", token: "other" }
        const signed = yield* Signature.signedParams("POST", "/videos.json", mine)
        assert.hasAllKeys(signed, ["access_key", "cloud_id", "timestamp", "signature"])
        assert.deepInclude(signed, { access_key: "key", cloud_id: "cloud" })
        assert.notStrictEqual(signed["timestamp"], "then")
      }).pipe(Effect.provide(credentials)))

    it.effect("take a DateTime for the timestamp", () =>
      Effect.gen(function*() {
        const timestamp = DateTime.unsafeMake("2011-03-01T15:39:10.260Z")
        const signed = yield* Signature.signedParams("GET", "/videos.json", {}, { timestamp })
        assert.strictEqual(signed["timestamp"], "2011-03-01T15:39:10.260Z")
      }).pipe(Effect.provide(credentials)))

    it.effect("without a cloud of the credentials take the caller's", () =>
      Effect.gen(function*() {
        const signed = yield* Signature.signedParams("GET", "/clouds.json", { cloud_id: "mine" })
        assert.strictEqual(signed["cloud_id"], "mine")
        assert.notProperty(yield* Signature.signedParams("GET", "/clouds.json"), "cloud_id")
      }).pipe(Effect.provide(Credentials.layer({ accessKey: "k", secretKey: Redacted.make("s") }))))

    it.effect("in token mode are the token, the cloud and nothing that signs", () =>
      Effect.gen(function*() {
        const params = { a: 1, access_key: "other", token: "other", events: { x: true } }
        const signed = yield* Signature.signedParams("PUT", "/a.json", params)
        assert.deepStrictEqual(signed, { a: "1", "events[x]": "true", cloud_id: "cloud", token: "clou_1" })
        const error = yield* Effect.flip(Signature.signedParams("PUT", "/a.json", { signature: "x" }))
        assert.strictEqual(error.parameter, "signature")
      }).pipe(Effect.provide(Credentials.layer({ token: Redacted.make("clou_1"), cloudId: "cloud" }))))
  })

  describe("sign", () => {
    it.prop("is the HMAC-SHA256 of node:crypto in base64", [textual, textual], ([secret, text]) => {
      const hmac = createHmac("sha256", secret).update(text).digest("base64")
      assert.strictEqual(Signature.sign(Redacted.make(secret), text), hmac)
    })

    it.prop(
      "changes with any character of method, host, path, query or secret",
      {
        request: FastCheck.record({
          method: FastCheck.constantFrom("GET", "POST", "PUT", "DELETE"),
          host: FastCheck.stringMatching(/^[a-z0-9.]{1,20}$/),
          path: FastCheck.stringMatching(/^\/[A-Za-z0-9./]{0,20}$/),
          query: FastCheck.stringMatching(/^[A-Za-z0-9=&%]{1,30}$/),
          secret: FastCheck.string({ minLength: 1 })
        }),
        part: FastCheck.constantFrom(
          "method" as const,
          "host" as const,
          "path" as const,
          "query" as const,
          "secret" as const
        ),
        at: FastCheck.nat()
      },
      ({ at, part, request }) => {
        const signatureOf = ({ secret, ...rest }: typeof request) =>
          Signature.sign(Redacted.make(secret), Signature.stringToSign(rest))
        const text = request[part]
        const index = at % text.length
        const other = text[index] === "-" ? "_" : "-"
        const changed = { ...request, [part]: text.slice(0, index) + other + text.slice(index + 1) }
        assert.notStrictEqual(signatureOf(changed), signatureOf(request))
      }
    )

    it("is over the path with its first slash and without a last one, as Panda's own clients have it", () => {
      const signed = (path: string) =>
        Signature.stringToSign({ method: "GET", host: "h", path, query: "" }).split("\n")[2]
      for (
        const path of [
          "/videos.json",
          "videos.json",
          "/videos.json/",
          "videos.json/",
          "//videos.json//",
          " /videos.json\n"
        ]
      ) {
        assert.strictEqual(signed(path), "/videos.json", path)
      }
      assert.strictEqual(signed("/profiles/a b.json"), "/profiles/a b.json")
      assert.strictEqual(signed("/"), "/")
    })

    it("is over a parameter once, however its name is written", () => {
      const twice = Signature.canonicalQuery({ events: { a: 1 }, "events[a]": 2 })
      assert.strictEqual(Either.getOrThrow(Either.flip(twice)).parameter, "events[a]")
    })

    it("is over the host in lower case without its port, the method in upper case", () => {
      assert.strictEqual(
        Signature.stringToSign({ method: "get", host: "API.Example:8080", path: "/Videos.json", query: "a=B" }),
        "GET\napi.example\n/Videos.json\na=B"
      )
      const ipv6 = { method: "GET", path: "/", query: "" }
      assert.strictEqual(Signature.stringToSign({ ...ipv6, host: "[::1]" }), "GET\n[::1]\n/\n")
      assert.strictEqual(Signature.stringToSign({ ...ipv6, host: "[::1]:80" }), "GET\n[::1]\n/\n")
    })
  })
})
