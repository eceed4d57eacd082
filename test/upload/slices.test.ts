/** When slices of a chunk go, over an HTTP layer that shows it as Node's `http` does. */
import * as HttpClientError from "@effect/platform/HttpClientError"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Fiber, Redacted, Stream, TestClock } from "effect"
import { Upload, UploadSession, UploadSource } from "effect-panda"
import { panda, responseOf } from "./scripted.js"

const MIB = 1024 * 1024
const LOCATION = "http://vm-1.example/upload/session?id=1"

/** As one that Node's `http` has: it tells by what is in it. */
const nodes = (response: ReturnType<typeof responseOf>) =>
  Object.create(response, { source: { value: { req: undefined } } }) as typeof response

/** Milliseconds that each half of a slice takes to go, by where in the chunk it ends, and that the answer takes then. */
interface Link {
  readonly takes: (end: number) => number
  readonly answers: number
}

const linked = ({ answers, takes }: Link) =>
  panda((request) =>
    Effect.gen(function*() {
      if (request.body._tag !== "Stream") return yield* Effect.dieMessage("a chunk is sent as a stream")
      let end = 0
      yield* Stream.runForEach(request.body.stream, ({ byteLength }) => {
        end += byteLength
        return Effect.sleep(takes(end))
      })
      yield* Effect.sleep(answers)
      const [, last] = /-(\d+)\//.exec(request.headers["content-range"] ?? "") ?? []
      return nodes(responseOf(request, { status: 204, headers: { range: `0-${last}` } }))
    }).pipe(
      Effect.mapError((cause) => new HttpClientError.RequestError({ request, reason: "Transport", cause }))
    )
  )

/** Sends a chunk of 3 MiB, after a little one that shows what the layer is; notes its slices. */
const sendThree = (link: Link, timeouts: Pick<UploadSession.SliceOptions, "stallTimeout" | "responseTimeout">) =>
  Effect.gen(function*() {
    const slices: Array<number> = []
    const send = (offset: number, length: number) =>
      UploadSession.sendSlices(
        Redacted.make(LOCATION),
        { offset, length, size: 10 * MIB, take: (_, most) => Effect.succeed(new Uint8Array(Math.min(most, MIB))) },
        {
          ...timeouts,
          sliceSize: MIB,
          onSlice: (length) => Effect.sync(() => void slices.push(length))
        }
      )
    const fiber = yield* Effect.fork(Effect.provide(Effect.zipRight(send(0, 1), send(1, 3 * MIB)), linked(link)))
    yield* TestClock.adjust("1 hour")
    const { reply } = yield* Fiber.join(fiber)
    return { reply, slices: slices.slice(1) }
  })

describe("the last slice of a chunk", () => {
  const timeouts = { stallTimeout: "30 seconds", responseTimeout: "10 seconds" } as const

  it.effect("is as long as the others, and the time to answer begins when it has gone", () =>
    Effect.gen(function*() {
      const link = { takes: (end: number) => end === 3 * MIB ? 20_000 : 0, answers: 9000 }
      const { reply, slices } = yield* sendThree(link, timeouts)
      assert.deepStrictEqual(slices, [MIB, MIB, MIB])
      assert.isTrue(Either.isRight(reply), String(reply))
    }))

  it.effect("may stand still no longer than the others", () =>
    Effect.gen(function*() {
      const link = { takes: (end: number) => end === 3 * MIB ? 40_000 : 0, answers: 0 }
      const { reply } = yield* sendThree(link, { ...timeouts, responseTimeout: "10 minutes" })
      const error = Either.isLeft(reply) && reply.left._tag === "PandaTransportError" ? reply.left.reason : reply
      assert.strictEqual(error, "Timeout")
    }))
})

it.effect("what the last slice takes is no part of a round trip, by which chunks are as long as they are", () =>
  Effect.gen(function*() {
    const [size, second] = [60 * MIB, MIB]
    const lengths: Array<number> = []
    const far = panda((request) =>
      Effect.gen(function*() {
        const { body, headers } = request
        if (body._tag !== "Stream") {
          return nodes(responseOf(request, { text: JSON.stringify({ id: "1", location: LOCATION }) }))
        }
        yield* Stream.runForEach(
          Stream.orDie(body.stream),
          ({ byteLength }) => Effect.sleep(1000 * byteLength / second)
        )
        yield* Effect.sleep("100 millis")
        const [, first, last] = /(\d+)-(\d+)\//.exec(headers["content-range"] ?? "") ?? []
        lengths.push(Number(last) - Number(first) + 1)
        return nodes(
          Number(last) < size - 1
            ? responseOf(request, { status: 204, headers: { range: `0-${last}` } })
            : responseOf(request, { text: JSON.stringify({ id: "1" }) })
        )
      })
    )
    const source = UploadSource.fromBytes(new Uint8Array(size), { name: "movie.mp4" })
    const fiber = yield* Effect.fork(Effect.provide(Upload.video(Upload.start(source)), far))
    yield* TestClock.adjust("1 hour")
    yield* Fiber.join(fiber)
    // Fifty round trips are five seconds, and what goes in a second is less with the wait for the answer.
    assert.isAbove(lengths.length, 8)
    for (const length of lengths.slice(2, -2)) assert.approximately(length, 4.9 * second, 0.1 * second)
  }))
