/** Whatever a server answers, an operation has a right result or an error that is documented. */
import { assert, describe } from "@effect/vitest"
import { Effect, FastCheck, Option, Schedule, Schema } from "effect"
import { Clouds, Encodings, PandaClient, PandaError, Profiles, Videos } from "effect-panda"
import { operations } from "../client/operations.js"
import { against, bodyOf, checkExit, entityText, hostile, property } from "./hostile.js"

const isDocumented = (u: unknown) => PandaError.isUploadError(u)

describe("operations", () => {
  property(
    "each has a result or an error, whatever the answer",
    1000,
    FastCheck.record({ operation: FastCheck.constantFrom(...operations.map(({ name }) => name)), answer: hostile }),
    ({ answer, operation }) =>
      Effect.gen(function*() {
        const row = operations.find(({ name }) => name === operation)!
        const { exit, requests, secrets } = yield* against(answer, PandaClient.withRetry(row.run, "none"))
        checkExit(exit, isDocumented, secrets)
        assert.isAtMost(requests.length, 6)
      })
  )
})

const entities = [
  { schema: Videos.Video, run: Videos.find("1"), toJson: Videos.toJson },
  { schema: Encodings.Encoding, run: Encodings.find("1"), toJson: Encodings.toJson },
  { schema: Profiles.Profile, run: Profiles.find("1"), toJson: Profiles.toJson },
  { schema: Clouds.Cloud, run: Clouds.find("1"), toJson: Clouds.toJson }
] as const

const keysOf = (value: object) => Object.keys(value).filter((key) => key !== "__proto__").sort()

/** What an entity of a kind has to be, once it is let in. */
const checkEntity = <A extends object, I>(
  { run, schema, toJson }: {
    readonly schema: Schema.Schema<A, I>
    readonly run: Effect.Effect<A, PandaError.PandaError, PandaClient.PandaClient>
    readonly toJson: (entity: A) => string
  },
  text: string
) =>
  Effect.gen(function*() {
    const { exit } = yield* against(bodyOf(text), run)
    const entity = checkExit(exit, PandaError.isPandaError)
    if (Option.isNone(entity)) return
    assert.strictEqual(Object.getPrototypeOf(entity.value), Object.prototype)
    assert.isTrue(Schema.is(schema)(entity.value))
    // Nothing gets lost but what would have been a prototype, and its JSON is that of the same entity.
    assert.deepStrictEqual(keysOf(entity.value), keysOf(JSON.parse(text)))
    const { exit: again } = yield* against(bodyOf(toJson(entity.value)), run)
    assert.deepStrictEqual(again, exit)
  })

describe("entities", () => {
  property(
    "one that is let in is of its type, keeps what it has, and survives its way through JSON",
    400,
    FastCheck.record({ entity: FastCheck.nat(entities.length - 1), text: entityText }),
    ({ entity, text }) => {
      switch (entity) {
        case 0:
          return checkEntity(entities[0], text)
        case 1:
          return checkEntity(entities[1], text)
        case 2:
          return checkEntity(entities[2], text)
        default:
          return checkEntity(entities[3], text)
      }
    }
  )

  property(
    "none makes what is shown of it long, or slow",
    100,
    entityText,
    (text) =>
      Effect.gen(function*() {
        const found = yield* against(bodyOf(text), Encodings.find("1"))
        const encoding = checkExit(found.exit, isDocumented)
        const profile = checkExit((yield* against(bodyOf(text), Profiles.find("1"))).exit, isDocumented)
        if (Option.isNone(encoding)) return
        const options = { profile: Option.getOrUndefined(profile) }
        const urls = Encodings.screenshots(
          { ...encoding.value, status: "success", path: "p" },
          { url: "http://a" },
          options
        )
        assert.isAtMost(urls.length, 10_000)
        Encodings.urls(encoding.value, { url: "http://a" })
        Encodings.logUrl(encoding.value, { url: "http://a" })
      })
  )
})

describe("waiting", () => {
  property(
    "ends as its schedule does, whatever the answer",
    100,
    hostile,
    (answer) =>
      Effect.gen(function*() {
        const isKnown = (u: unknown) =>
          isDocumented(u) || u instanceof PandaError.PandaEncodingFailed || u instanceof PandaError.PandaStillProcessing
        const { exit, secrets } = yield* against(
          answer,
          Encodings.awaitDone("1", { schedule: Schedule.recurs(2), failOnError: true }).pipe(
            PandaClient.withRetry("none")
          )
        )
        checkExit(exit, isKnown, secrets)
      })
  )
})
