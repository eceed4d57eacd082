import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Either, FastCheck, Redacted, Schema } from "effect"
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
})
void Arbitrary
void FastCheck
void createHmac
