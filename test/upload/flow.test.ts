import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck, Fiber, Layer, Option, Stream, TestClock } from "effect"
import * as PandaClient from "effect-panda/PandaClient"
import { Fault } from "effect-panda/PandaEmulator"
import { PandaSourceError } from "effect-panda/PandaError"
import * as Upload from "effect-panda/Upload"
import type * as UploadSource from "effect-panda/UploadSource"
import * as flow from "effect-panda/internal/upload/flow"
import { inject, requests, scenario, sha256, sourceOf, succeed, theSession } from "../client/upload.js"

const MIB = 1024 * 1024

/** Bytes that tell where they belong: no two mebibytes of a file begin alike. */
const PATTERN = Buffer.alloc(101 * MIB, Uint8Array.from({ length: 251 }, (_, index) => index))
const bytesAt = (offset: number, length: number): Uint8Array => PATTERN.subarray(offset % 251, offset % 251 + length)

/** A source without bytes in memory, which notes what it is asked for. */
const handleOf = (
  size: number,
  read?: (offset: number, buffer: Uint8Array) => Effect.Effect<number, PandaSourceError>
) => {
  const reads: Array<{ offset: number; fresh: boolean }> = []
  const handle: UploadSource.Handle = {
    stat: Effect.succeed({ size, modified: undefined }),
    read: (offset, buffer) => {
      // What was read into it before is still there, of which no two bytes in a row are zero.
      reads.push({ offset, fresh: buffer.subarray(0, 2).every((byte) => byte === 0) })
      if (read !== undefined) return read(offset, buffer)
      const part = buffer.subarray(0, size - offset)
      part.set(bytesAt(offset, part.byteLength))
      return Effect.as(Effect.yieldNow(), part.byteLength)
    }
  }
  return { handle, reads }
}

/** Takes so many bytes, as copies of what was given, and looks whether they are those that belong there. */
const expectNext = (take: flow.Opened["take"], offset: number, length: number, slice: number) =>
  Effect.gen(function*() {
    const parts: Array<Uint8Array> = []
    for (let at = 0; at < length;) {
      const bytes = yield* take(Math.min(slice, length - at))
      assert.isAtLeast(bytes.byteLength, 1)
      assert.isAtMost(bytes.byteLength, Math.min(slice, length - at))
      assert.strictEqual(Buffer.compare(bytes, bytesAt(offset + at, bytes.byteLength)), 0, `at ${offset + at}`)
      parts.push(bytes)
      at += bytes.byteLength
    }
    return parts
  })

describe("the ring of buffers", () => {
  it.scoped("gives the bytes in their order, and reads no further ahead than it has room", () =>
    Effect.gen(function*() {
      const { handle, reads } = handleOf(40 * MIB)
      const given = yield* flow.make("a", handle, 40 * MIB)
      const { take } = yield* given.open(0)
      yield* expectNext(take, 0, 1000, 300)
      for (let turn = 0; turn < 1000; turn++) yield* Effect.yieldNow()
      assert.deepStrictEqual(reads.map(({ offset }) => offset / MIB), [0, 1, 2, 3, 4])
      yield* expectNext(take, 1000, 40 * MIB - 1000, 700_001)
      assert.strictEqual(reads.length, 40)
    }))

  it.scoped("uses a buffer again once the server has what was in it, and not before", () =>
    Effect.gen(function*() {
      const { handle, reads } = handleOf(100 * MIB)
      const given = yield* flow.make("a", handle, 100 * MIB)
      for (let chunk = 0; chunk < 20; chunk++) {
        const { take } = yield* given.open(chunk * 5 * MIB)
        const under = yield* expectNext(take, chunk * 5 * MIB, 5 * MIB, 256 * 1024)
        const copies = under.map((bytes) => sha256(bytes))
        for (let turn = 0; turn < 200; turn++) yield* Effect.yieldNow()
        // The answer has not come: nothing has been written where these are.
        assert.deepStrictEqual(under.map((bytes) => sha256(bytes)), copies)
        yield* given.arrived(true)
      }
      assert.strictEqual(reads.length, 100)
      assert.isAtMost(reads.filter(({ fresh }) => fresh).length, 40)
    }))

  it.scoped("uses a buffer again within a chunk once it has gone, and whoever keeps the old one has nothing", () =>
    Effect.gen(function*() {
      const size = 100 * MIB
      const { handle, reads } = handleOf(size)
      const given = yield* flow.make("a", handle, size)
      const { release, take } = yield* given.open(0)
      let kept: Array<{ readonly bytes: Uint8Array; readonly end: number; readonly digest: string }> = []
      let taken = 0
      while (taken < size) {
        for (const bytes of yield* expectNext(take, taken, Math.min(700_000, size - taken), 300_000)) {
          taken += bytes.byteLength
          kept.push({ bytes, end: taken, digest: sha256(bytes) })
        }
        const gone = taken - 800_000
        release(gone)
        for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow()
        kept = kept.filter(({ bytes, end }) => end > gone || bytes.byteLength > 0)
        for (const { bytes, digest } of kept) assert.strictEqual(sha256(bytes), digest)
      }
      assert.strictEqual(reads.length, 100)
      assert.isAtMost(reads.filter(({ fresh }) => fresh).length, 8)
    }))

  it.scoped("hears nothing of what goes from a request that nobody waits for any more", () =>
    Effect.gen(function*() {
      const { handle } = handleOf(60 * MIB)
      const given = yield* flow.make("a", handle, 60 * MIB)
      const first = yield* given.open(0)
      yield* expectNext(first.take, 0, 4 * MIB, MIB)
      const second = yield* given.open(4 * MIB)
      const under = yield* expectNext(second.take, 4 * MIB, 3 * MIB, MIB)
      const digests = under.map((bytes) => sha256(bytes))
      first.release(60 * MIB)
      yield* expectNext(second.take, 7 * MIB, 20 * MIB, MIB)
      assert.deepStrictEqual(under.map((bytes) => sha256(bytes)), digests)
    }))

  it.scoped("never uses those again of a request that broke off", () =>
    Effect.gen(function*() {
      const { handle } = handleOf(60 * MIB)
      const given = yield* flow.make("a", handle, 60 * MIB)
      const held: Array<readonly [Uint8Array, string]> = []
      let at = 0
      for (const kept of [MIB / 2, 0, 3 * MIB, 2_500_000, 1, 4 * MIB]) {
        const { take } = yield* given.open(at)
        const under = yield* expectNext(take, at, 4 * MIB, 300_000)
        held.push(...under.map((bytes) => [bytes, sha256(bytes)] as const))
        at += kept
        // It goes on with what the server has, and that arrives.
        yield* expectNext((yield* given.open(at)).take, at, 5 * MIB, MIB)
        yield* given.arrived(true)
        at += 5 * MIB
      }
      for (const [bytes, digest] of held) assert.strictEqual(sha256(bytes), digest)
    }))

  it.scoped("gives nothing to a request that nobody waits for any more", () =>
    Effect.gen(function*() {
      const { handle } = handleOf(20 * MIB, (offset, buffer) =>
        Effect.gen(function*() {
          yield* Effect.sleep("1 second")
          const part = buffer.subarray(0, 20 * MIB - offset)
          part.set(bytesAt(offset, part.byteLength))
          return part.byteLength
        }))
      const given = yield* flow.make("a", handle, 20 * MIB)
      const { take: first } = yield* given.open(0)
      const all = yield* Effect.fork(Effect.gen(function*() {
        yield* expectNext(first, 0, 2 * MIB, MIB)
        // It waits for what is being read when the next request begins just there.
        const late = yield* Effect.fork(first(MIB))
        yield* Effect.yieldNow()
        const { take: second } = yield* given.open(2 * MIB)
        yield* expectNext(second, 2 * MIB, 9 * MIB + 1, 300_000)
        assert.isTrue(Option.isNone(yield* Fiber.poll(late)))
        const again = yield* Effect.fork(first(MIB))
        yield* expectNext(second, 11 * MIB + 1, MIB, MIB)
        assert.isTrue(Option.isNone(yield* Fiber.poll(again)))
      }))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(all)
    }))

  it.effect.prop(
    "gives what belongs there wherever it is sent to",
    {
      jumps: FastCheck.array(
        FastCheck.tuple(
          FastCheck.integer({ min: 0, max: 3 * MIB - 1 }),
          FastCheck.integer({ min: 1, max: MIB }),
          FastCheck.integer({ min: 1, max: 2 * MIB }),
          FastCheck.boolean()
        ),
        { maxLength: 8 }
      )
    },
    ({ jumps }) =>
      Effect.scoped(Effect.gen(function*() {
        const size = 3 * MIB
        const given = yield* flow.make("a", handleOf(size).handle, size)
        for (const [offset, length, slice, arrives] of jumps) {
          const { take } = yield* given.open(offset)
          yield* expectNext(take, offset, Math.min(length, size - offset), Math.max(slice, 20_000))
          if (arrives) yield* given.arrived(true)
        }
      })),
    { fastCheck: { numRuns: 30, seed: 7 } }
  )

  it.scoped("gives what there was before it failed, and then how", () =>
    Effect.gen(function*() {
      const failure = new PandaSourceError({ operation: "test", reason: "Unreadable", file: "a", description: "EIO" })
      const { handle } = handleOf(9 * MIB, (offset, buffer) => {
        if (offset >= 4 * MIB) return failure
        buffer.set(bytesAt(offset, buffer.byteLength))
        return Effect.succeed(buffer.byteLength)
      })
      const given = yield* flow.make("a", handle, 9 * MIB)
      const { take } = yield* given.open(0)
      yield* expectNext(take, 0, 4 * MIB, MIB)
      assert.strictEqual(yield* Effect.flip(take(1)), failure)
    }))

  it.scoped("says where a source ends that should be longer", () =>
    Effect.gen(function*() {
      const { handle } = handleOf(9 * MIB, (offset, buffer) => {
        const part = buffer.subarray(0, Math.max(0, MIB + 7 - offset))
        part.set(bytesAt(offset, part.byteLength))
        return Effect.succeed(part.byteLength)
      })
      const given = yield* flow.make("a", handle, 9 * MIB)
      const { take } = yield* given.open(0)
      yield* expectNext(take, 0, MIB + 7, MIB)
      const error = yield* Effect.flip(take(1))
      assert.strictEqual(error.reason, "TooShort")
      assert.include(error.message, `ends at ${MIB + 7}, not at ${9 * MIB}`)
    }))
})

describe("a chunk that flows", () => {
  const faults: Record<string, Fault> = {
    "half is accepted": Fault.accept({ bytes: 1_500_000 }),
    "the connection breaks": Fault.resetDuring({ after: 0.5 }),
    "the answer is lost": Fault.resetAfter,
    "the server fails": Fault.status(503),
    "the server stops reading": Fault.stallReading({ after: 700_000 }),
    "the server goes back": Fault.backwardRange,
    "the server forgets": Fault.forget(),
    "the session is gone": Fault.expire()
  }

  /** Notes the bytes that each request was given, and looks at them again at the end. */
  const noting = () => {
    const parts: Array<{ bytes: Uint8Array; digest: string; request: number }> = []
    const arrived = new Set<number>()
    let requests = 0
    const noted = (request: HttpClientRequest.HttpClientRequest) => {
      if (request.body._tag !== "Stream") return request
      const number = requests++
      const noted = Stream.tap(
        request.body.stream,
        (bytes) => Effect.sync(() => parts.push({ bytes, digest: sha256(bytes), request: number }))
      )
      return HttpClientRequest.setHeader(
        HttpClientRequest.setBody(
          request,
          HttpBody.stream(noted, request.body.contentType, request.body.contentLength)
        ),
        "x-number",
        String(number)
      )
    }
    const http = Layer.effect(
      HttpClient.HttpClient,
      Effect.map(HttpClient.HttpClient, (client) =>
        client.pipe(
          HttpClient.mapRequest(noted),
          HttpClient.tap((response) =>
            Effect.sync(() => {
              if (response.status < 300) arrived.add(Number(response.request.headers["x-number"]))
            })
          )
        ))
    )
    return { parts, arrived, http }
  }

  for (const [what, fault] of Object.entries(faults)) {
    scenario(
      `sends what belongs there when ${what}, and leaves alone what a failed request may still send`,
      () =>
        Effect.gen(function*() {
          const size = 12 * MIB
          const { arrived, http, parts } = noting()
          for (const skip of [1, 3]) yield* inject({ route: "chunk", fault, skip })
          const source: UploadSource.UploadSource = {
            ...sourceOf(1),
            open: Effect.succeed(handleOf(size).handle)
          }
          yield* succeed(Upload.start(source, { chunkSize: 2 * MIB, onExpired: "restart" })).pipe(
            Effect.provide(Layer.provide(PandaClient.layer, http))
          )
          assert.strictEqual((yield* theSession).sha256, sha256(bytesAt(0, size)))
          assert.isAtLeast(parts.length, 12)
          for (const { bytes, digest, request } of parts) {
            if (!arrived.has(request)) assert.strictEqual(sha256(bytes), digest, "a buffer was used again")
          }
        })
    )
  }

  scenario(
    "has one slice after another, each a part of what the link takes in a quarter of a second",
    () =>
      Effect.gen(function*() {
        const speed = 4 * MIB
        const { http, parts } = noting()
        const paced = Layer.effect(
          HttpClient.HttpClient,
          Effect.map(HttpClient.HttpClient, (client) =>
            HttpClient.mapRequest(client, (request) =>
              request.body._tag !== "Stream" ? request : HttpClientRequest.setBody(
                request,
                HttpBody.stream(
                  Stream.tap(request.body.stream, ({ length }) =>
                    Effect.sleep(length / speed * 1000)),
                  request.body.contentType,
                  request.body.contentLength
                )
              )))
        )
        const events: Array<Upload.UploadEvent> = []
        const upload = Upload.start(
          { ...sourceOf(1), open: Effect.succeed(handleOf(40 * MIB).handle) },
          {}
        )
        const fiber = yield* Effect.fork(
          Stream.runForEach(upload, (event) =>
            Effect.sync(() =>
              events.push(event)
            )).pipe(
              Effect.provide(PandaClient.layer.pipe(Layer.provide(http), Layer.provide(paced)))
            )
        )
        yield* TestClock.adjust("30 seconds")
        yield* fiber.await
        const slices = parts.map(({ bytes }) => bytes.byteLength)
        assert.isAtMost(Math.max(...slices), MIB / 2)
        assert.isAtLeast(Math.max(...slices), MIB / 4)
        // Progress is seen within a chunk, not more often than ten times a second, at the speed of the link.
        const progress = events.flatMap((event) => event._tag === "Progress" ? [event] : [])
        const chunks = (yield* requests).filter(({ route }) => route === "chunk").length
        assert.isAbove(progress.length, 4 * chunks)
        assert.isAtMost(progress.length, 100 + chunks)
        for (const { bytesPerSecond } of progress.slice(5)) {
          assert.isAtLeast(bytesPerSecond!, 0.9 * speed)
          assert.isAtMost(bytesPerSecond!, 1.1 * speed)
        }
      })
  )
})
