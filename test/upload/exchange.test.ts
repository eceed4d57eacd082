/** The protocol's table of answers, run against the exchanges of an Effect upload. In a page: test/browser/table.test.ts. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Option, Redacted } from "effect"
import { UploadSession } from "effect-panda"
import type { Answer } from "effect-panda/internal/upload/decision"
import { locations, meanings } from "./decisionTable.js"
import { panda, responseOf } from "./scripted.js"

const AT = "http://vm-1.example/upload/session?id=1"

/** A probe that is answered so. */
const probe = (answer: Partial<Answer>, location = AT) =>
  UploadSession.probe(Redacted.make(location), 100, { timeout: "30 seconds" }).pipe(
    Effect.provide(panda((request) => Effect.succeed(responseOf(request, answer))))
  )

describe("what an answer means", () => {
  it.effect.each(meanings.map((one) => [one.what, one] as const))(
    "%s",
    ([, { answer, means, offset }]) =>
      Effect.gen(function*() {
        const { outcome, reply } = yield* probe(answer)
        assert.strictEqual(outcome._tag, means)
        if (outcome._tag === "Progress") assert.strictEqual(outcome.offset, offset)
        const replies: ReadonlyArray<string> = ["Progress", "Video", "Elsewhere"]
        assert.strictEqual(Either.isRight(reply), replies.includes(means))
      })
  )
})

describe("where a session is from then on", () => {
  it.effect.each(locations.map((one) => [`${one.status ?? 204} from ${one.from}, ${one.location}`, one] as const))(
    "%s",
    ([, { from, location, moved, refused = false, status = 204, text = "" }]) =>
      Effect.gen(function*() {
        const exchange = yield* Effect.either(probe({ status, text, headers: { location } }, from))
        assert.strictEqual(Either.isLeft(exchange), refused)
        if (Either.isLeft(exchange)) assert.strictEqual(exchange.left._tag, "PandaUploadProtocolError")
        else assert.strictEqual(Option.getOrUndefined(Option.map(exchange.right.location, Redacted.value)), moved)
      })
  )
})
