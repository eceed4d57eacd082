import { assert, describe } from "@effect/vitest"
import { Chunk, Effect, Layer, Option, Redacted, Stream } from "effect"
import * as Clouds from "effect-panda/Clouds"
import * as Credentials from "effect-panda/Credentials"
import * as PandaClient from "effect-panda/PandaClient"
import { Fault } from "effect-panda/PandaEmulator"
import { inspect } from "node:util"
import { counted, inject, panda, refused, seen, sent, test } from "./client/panda.js"

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
      // Those, an empty one, and once more the first.
      assert.strictEqual(requests, 4)
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
      const setup = Clouds.setupBucket(storage)
      yield* refused(Effect.provide(setup, client), "cloudId", /^Clouds\.setupBucket: cloudId: is not set: give/)
      const cloud = yield* Clouds.current.pipe(PandaClient.withCloud(cloudId), Effect.provide(client))
      assert.strictEqual(cloud.id, cloudId)
    })
  )
})

describe("update, setupBucket, save", () => {
  const parameters = Effect.map(seen, (requests) => sent(requests.at(-1)!))

  test(
    "update changes what it names, and leaves the rest",
    Effect.gen(function*() {
      const before = yield* Clouds.current
      const after = yield* Clouds.update(before, { name: "other", priority: 2 })
      assert.deepStrictEqual(after, { ...before, name: "other", updated_at: after.updated_at })
      const moved = yield* Clouds.update(before.id, { s3_videos_bucket: "elsewhere" })
      assert.deepInclude(moved, { name: "other", url: "http://elsewhere.s3.amazonaws.com/" })
      assert.strictEqual((yield* Effect.flip(Clouds.update("none", { name: "n" })))._tag, "PandaNotFound")
    })
  )

  test(
    "setupBucket is for the current cloud, or for another",
    Effect.gen(function*() {
      const current = yield* Clouds.setupBucket(storage)
      assert.deepInclude(current, { name: "emulated", s3_videos_bucket: "bucket" })
      const second = yield* Clouds.create({ ...storage, name: "second" })
      const other = { ...storage, s3_videos_bucket: "other" }
      assert.deepInclude(yield* Clouds.setupBucket(other, second), { id: second.id, s3_videos_bucket: "other" })
      const third = { ...storage, s3_videos_bucket: "third" }
      const there = yield* PandaClient.withCloud(Clouds.setupBucket(third), second.id)
      assert.deepInclude(there, { id: second.id, s3_videos_bucket: "third" })
      assert.deepStrictEqual(yield* parameters, {
        request: `PUT /clouds/${second.id}.json`,
        parameters: { s3_videos_bucket: "third", aws_access_key: "key", aws_secret_key: "secret" },
        via: ["form"]
      })
      assert.strictEqual((yield* Clouds.current).s3_videos_bucket, "bucket")
    })
  )

  test(
    "a bucket that Panda cannot use",
    Effect.gen(function*() {
      const said = { error: "S3AccessManagerError", message: "The bucket is not found" }
      yield* inject(Fault.status(400, said))
      const error = yield* Effect.flip(Clouds.setupBucket(storage))
      assert.deepInclude({ ...error }, {
        _tag: "PandaRejected",
        operation: "Clouds.setupBucket",
        error: "S3AccessManagerError",
        description: "The bucket is not found"
      } as never)
      yield* inject(Fault.errorBody(said))
      assert.strictEqual((yield* Effect.flip(Clouds.setupBucket(storage)))._tag, "PandaRejected")
    })
  )

  test(
    "save sends what has changed, and nothing when nothing has, or nothing that can be",
    Effect.gen(function*() {
      const before = yield* Clouds.current
      const renamed = yield* Clouds.save(before, { ...before, name: "other" })
      assert.deepStrictEqual((yield* parameters).parameters, { name: "other" })
      const moved = yield* Clouds.save(renamed, { ...renamed, s3_videos_bucket: "elsewhere" })
      assert.deepStrictEqual((yield* parameters).parameters, { s3_videos_bucket: "elsewhere" })
      assert.deepInclude(moved, { name: "other", s3_videos_bucket: "elsewhere" })
      for (const after of [moved, { ...moved }, yield* Clouds.current, { ...moved, url: "http://a.example/" }]) {
        assert.deepStrictEqual(yield* counted(Clouds.save(moved, after)), [moved, 0])
      }
      const error = yield* Effect.flip(Clouds.save(moved, { ...moved, name: "" }))
      assert.deepInclude({ ...error }, { _tag: "PandaInputError", operation: "Clouds.update" } as never)
    })
  )

  test(
    "the secret of the storage travels, and shows nowhere",
    Effect.gen(function*() {
      const canary = { ...storage, aws_secret_key: Redacted.make("canary") }
      yield* inject(Fault.status(400, { error: "BadRequest", message: "no" }), { times: 2 })
      for (const run of [Clouds.setupBucket(canary), Clouds.update("c", canary)]) {
        const error = yield* Effect.flip(run)
        assert.strictEqual((yield* seen).at(-1)!.parameters["aws_secret_key"], "canary")
        assert.notInclude(JSON.stringify(error) + error.message + inspect(error, { depth: 9 }), "canary")
      }
    })
  )
})

describe("first, where, reload, toJson, dup", () => {
  test(
    "are those of every entity",
    Effect.gen(function*() {
      const second = yield* Clouds.create({ ...storage, name: "second" })
      assert.deepStrictEqual(yield* counted(Clouds.first()), [Option.some(second), 1])
      const found = yield* Stream.runCollect(Clouds.where(({ name }) => name === "emulated", { per_page: 1 }))
      assert.deepStrictEqual(Chunk.toArray(found), [yield* Clouds.current])
      yield* Clouds.update(second, { name: "renamed" })
      const now = yield* Clouds.reload(second)
      assert.strictEqual(now.name, "renamed")
      assert.deepStrictEqual(JSON.parse(Clouds.toJson(now, 2)), (yield* (yield* panda).clouds)[0])
      const { id: _, ...rest } = now
      assert.deepStrictEqual(Clouds.dup(now), rest)
      yield* Clouds.delete(second)
      assert.strictEqual((yield* Effect.flip(Clouds.reload(second)))._tag, "PandaNotFound")
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
    ["priority 1", Clouds.update("c", { priority: 1 }), "priority", /pass a number between 2 and 200$/],
    ["priority 201", Clouds.update("c", { priority: 201 }), "priority", /pass a number between 2 and 200$/],
    ["priority 2.5", Clouds.update("c", { priority: 2.5 }), "priority", /pass an integer$/],
    ["no id to update", Clouds.update({ id: "" }, {}), "id", /^Clouds\.update: /],
    ["no bucket to set up", Clouds.setupBucket({ ...storage, s3_videos_bucket: "" }), "s3_videos_bucket", /pass /],
    ["no cloud to set up", Clouds.setupBucket(storage, ""), "id", /^Clouds\.setupBucket: /],
    ["per_page 101", Clouds.list({ per_page: 101 }), "per_page", /pass a number between 1 and 100$/],
    ["no id", Clouds.find(""), "id", /^Clouds\.find: /],
    ["no id to delete", Clouds.delete(" "), "id", /^Clouds\.delete: /]
  ]
  for (const [what, run, parameter, words] of rows) test(what, refused(run, parameter, words))
})
