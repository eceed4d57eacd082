import { assert, describe } from "@effect/vitest"
import { Effect, Layer, Redacted, Stream } from "effect"
import * as Clouds from "effect-panda/Clouds"
import * as Credentials from "effect-panda/Credentials"
import * as PandaClient from "effect-panda/PandaClient"
import { counted, panda, refused, seen, test } from "./client/panda.js"

const storage = { s3_videos_bucket: "bucket", aws_access_key: "key", aws_secret_key: Redacted.make("secret") }

describe("operations", () => {
  test(
    "create, find, list, all and delete",
    Effect.gen(function*() {
      const cloud = yield* Clouds.create({ ...storage, name: "second" })
      assert.deepInclude(cloud, {
        name: "second",
        s3_videos_bucket: "bucket",
        s3_private_access: false,
        url: "http://bucket.s3.amazonaws.com/"
      })
      assert.deepStrictEqual(yield* Clouds.find(cloud.id), cloud)
      assert.deepStrictEqual((yield* Clouds.list()).map(({ name }) => name), ["second", "emulated"])
      const [all, requests] = yield* counted(Stream.runCollect(Clouds.all({ per_page: 1 })))
      assert.strictEqual(all.length, 2)
      assert.strictEqual(requests, 3)
      yield* Clouds.delete(cloud.id)
      assert.strictEqual((yield* Effect.flip(Clouds.find(cloud.id)))._tag, "PandaNotFound")
    })
  )

  test(
    "the secret of the storage travels, and shows nowhere",
    Effect.gen(function*() {
      yield* Clouds.create(storage)
      assert.strictEqual((yield* seen)[0]!.parameters["aws_secret_key"], "secret")
      const error = yield* Effect.flip(Clouds.create({ ...storage, aws_secret_key: "canary" as never }))
      assert.deepInclude({ ...error }, { _tag: "PandaInputError", parameter: "aws_secret_key" } as never)
      assert.notInclude(JSON.stringify(error) + error.message, "canary")
      const whole = yield* Effect.flip(Clouds.create("canary" as never))
      assert.strictEqual(whole._tag, "PandaInputError")
      assert.notInclude(JSON.stringify(whole) + whole.message, "canary")
    })
  )
})

describe("current", () => {
  test(
    "is the credentials' cloud, or that of withCloud",
    Effect.gen(function*() {
      assert.strictEqual((yield* Clouds.current).name, "emulated")
      const { id } = yield* Clouds.create({ ...storage, name: "second" })
      assert.strictEqual((yield* PandaClient.withCloud(Clouds.current, id)).name, "second")
      const error = yield* Effect.flip(PandaClient.withCloud(Clouds.current, "none"))
      assert.strictEqual(error._tag, "PandaNotFound")
    })
  )

  test(
    "of credentials without a cloud is a mistake, unless withCloud helps",
    Effect.gen(function*() {
      const { accessKey, cloudId, secretKey } = yield* panda
      const client = Layer.provide(PandaClient.layer, Credentials.layer({ accessKey, secretKey }))
      yield* refused(Effect.provide(Clouds.current, client), "cloudId", /^Clouds\.current: cloudId: is not set: give/)
      const cloud = yield* Clouds.current.pipe(PandaClient.withCloud(cloudId), Effect.provide(client))
      assert.strictEqual(cloud.id, cloudId)
    })
  )
})

describe("what has no form on the wire is refused", () => {
  const rows: ReadonlyArray<
    [what: string, run: Effect.Effect<unknown, { readonly _tag: string }, PandaClient.PandaClient>, string, RegExp]
  > = [
    ["no bucket", Clouds.create({ ...storage, s3_videos_bucket: "" }), "s3_videos_bucket", /pass a non empty string$/],
    [
      "no secret",
      Clouds.create({ ...storage, aws_secret_key: Redacted.make("") }),
      "aws_secret_key",
      /pass a non empty string$/
    ],
    ["per_page 101", Clouds.list({ per_page: 101 }), "per_page", /pass a number between 1 and 100$/],
    ["no id", Clouds.find(""), "id", /^Clouds\.find: /],
    ["no id to delete", Clouds.delete(" "), "id", /^Clouds\.delete: /]
  ]
  for (const [what, run, parameter, words] of rows) test(what, refused(run, parameter, words))
})
