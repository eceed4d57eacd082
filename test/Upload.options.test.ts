import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Layer, Redacted, Schedule, Stream, TestClock } from "effect"
import * as Credentials from "effect-panda/Credentials"
import * as PandaClient from "effect-panda/PandaClient"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import * as PandaError from "effect-panda/PandaError"
import * as Upload from "effect-panda/Upload"
import * as UploadSource from "effect-panda/UploadSource"
import { createHash, type Hash } from "node:crypto"
import { createServer } from "node:http"
import { inspect } from "node:util"
import {
  arrived,
  bytesOf,
  CHUNK,
  fail,
  inject,
  keeper,
  options,
  panda,
  requests,
  routes,
  runFor,
  scenario,
  sessions,
  sha256,
  sourceOf,
  succeed,
  theSession,
  watch
} from "./client/upload.js"
import { patience } from "./patience.js"

const KIB = 1024

/** Runs with another HTTP layer, which is made of the emulator's. */
const over = (change: (http: HttpClient.HttpClient) => HttpClient.HttpClient) =>
<A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, Exclude<R, PandaClient.PandaClient> | HttpClient.HttpClient | Credentials.Credentials> =>
  Effect.provide(
    effect,
    PandaClient.layer.pipe(
      Layer.provide(Layer.effect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, change)))
    )
  )

/** A connection that takes so many bytes a second. */
const slowly = (bytesPerSecond: number) =>
  over(HttpClient.mapRequest((request) =>
    request.body._tag === "Stream"
      ? HttpClientRequest.setBody(
        request,
        HttpBody.stream(
          Stream.tap(request.body.stream, ({ length }) => Effect.sleep(Duration.seconds(length / bytesPerSecond))),
          request.body.contentType,
          request.body.contentLength
        )
      )
      : request
  ))

const progressOf = (events: ReadonlyArray<Upload.UploadEvent>) =>
  events.flatMap((event) => event._tag === "Progress" ? [event] : [])

const retriesOf = (events: ReadonlyArray<Upload.UploadEvent>) =>
  events.flatMap((event) => event._tag === "Retrying" ? [event.error] : [])

/** What was sent may have arrived all the same. */
const timedOut = (error: PandaError.UploadError) =>
  error._tag === "PandaTransportError" && error.reason === "Timeout" && error.ambiguous

describe("body: stream", () => {
  const stream: Upload.Options = { ...options, body: "stream" }
  const large: Upload.Options = { ...stream, chunkSize: 256 * KIB }

  scenario("S40: has the chunk's length, and no other encoding", () =>
    Effect.gen(function*() {
      yield* succeed(Upload.start(sourceOf(600 * KIB + 1), large))
      const chunks = (yield* requests).filter(({ route }) => route === "chunk")
      assert.deepStrictEqual(chunks.map(({ bodyLength }) => bodyLength), [256 * KIB, 256 * KIB, 88 * KIB + 1])
      for (const { bodyLength, headers } of chunks) {
        assert.strictEqual(headers["content-length"], String(bodyLength))
        assert.isUndefined(headers["transfer-encoding"])
        assert.strictEqual(headers["content-type"], "application/octet-stream")
      }
      yield* arrived(bytesOf(600 * KIB + 1))
    }))

  for (
    const [name, fault] of Object.entries({
      "a reset half-way": Fault.resetDuring({ after: 0.5 }),
      "a lost answer": Fault.resetAfter,
      "half a chunk accepted": Fault.accept({ bytes: 500 }),
      "an error": Fault.status(503),
      "an early error": Fault.status(503, { early: true }),
      "a move": Fault.move()
    })
  ) {
    scenario(`gets over ${name}`, () =>
      Effect.gen(function*() {
        for (const skip of [0, 2]) yield* inject({ route: "chunk", fault, skip })
        yield* succeed(Upload.start(sourceOf(3500), stream))
        yield* arrived(bytesOf(3500))
      }))
  }

  scenario(
    "S12: a server that stops reading is asked after stallTimeout, and the upload goes on",
    () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.stallReading({ after: 100 * KIB }), skip: 1 })
        const { events } = yield* succeed(
          Upload.start(sourceOf(700 * KIB), { ...large, stallTimeout: "20 seconds" })
        ).pipe(slowly(50 * KIB))
        assert.deepStrictEqual(retriesOf(events).map(timedOut), [true])
        const seen = yield* requests
        assert.deepStrictEqual(seen.map(({ route }) => route), ["create", "chunk", "chunk", "probe", "chunk", "chunk"])
        // The last slice was taken within two seconds; then nothing for twenty; then up to half a second of backoff.
        const waited = seen[3]!.at - seen[2]!.at
        assert.isAtLeast(waited, 20_000)
        assert.isAtMost(waited, 23_000)
        assert.isAtLeast((yield* theSession).received, 700 * KIB)
        yield* arrived(bytesOf(700 * KIB))
      })
  )

  for (const [stallTimeout, size] of [["30 seconds", 200], ["10 seconds", 100], ["2 minutes", 300]] as const) {
    scenario(
      `S12: what is slow is not killed, at 1 KiB a second and with ${stallTimeout}`,
      () =>
        Effect.gen(function*() {
          const { events } = yield* succeed(Upload.start(sourceOf(size * KIB), { ...large, stallTimeout })).pipe(
            slowly(KIB)
          )
          assert.deepStrictEqual(retriesOf(events), [])
          assert.deepStrictEqual((yield* routes).filter((route) => route === "probe"), [])
          const [first, last] = [(yield* requests)[0]!, (yield* requests).at(-1)!]
          assert.isAtMost(last.at - first.at, size * 1000)
          yield* arrived(bytesOf(size * KIB))
        })
    )
  }

  scenario("S13: an answer that takes its time is waited for, and nothing is sent again", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.delayAnswer("90 seconds"), skip: 2 })
      const { events } = yield* succeed(Upload.start(sourceOf(2500), { ...stream, stallTimeout: "30 seconds" }))
      assert.deepStrictEqual(retriesOf(events), [])
      assert.deepStrictEqual(yield* routes, ["create", "chunk", "chunk", "chunk"])
      yield* arrived(bytesOf(2500))
    }))

  scenario(
    "S13: an answer that does not come is asked for after responseTimeout, and nothing is sent again",
    () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.delayAnswer("1 hour"), skip: 2 })
        const { events } = yield* succeed(Upload.start(sourceOf(2500), { ...stream, responseTimeout: "2 minutes" }))
        assert.deepStrictEqual(retriesOf(events).map(timedOut), [true])
        const seen = yield* requests
        assert.deepStrictEqual(seen.map(({ route }) => route), ["create", "chunk", "chunk", "chunk", "probe"])
        assert.isAtLeast(seen[4]!.at - seen[3]!.at, 120_000)
        assert.isAtMost(seen[4]!.at - seen[3]!.at, 121_000)
        yield* arrived(bytesOf(2500))
      })
  )

  scenario("shows what is sent within a chunk", () =>
    Effect.gen(function*() {
      const { events } = yield* succeed(Upload.start(sourceOf(400 * KIB), large)).pipe(slowly(100 * KIB))
      const progress = progressOf(events)
      const within = progress.filter(({ acknowledged }) => acknowledged === 0).map(({ sent }) => sent)
      assert.isAtLeast(within.length, 4)
      assert.strictEqual(within.at(-1), 256 * KIB)
      let [acknowledged, sent] = [0, 0]
      for (const event of progress) {
        assert.isAtLeast(event.acknowledged, acknowledged)
        assert.isAtLeast(event.sent, sent)
        assert.isAtMost(event.acknowledged, event.sent)
        assert.isAtMost(event.sent, event.size)
        ;[acknowledged, sent] = [event.acknowledged, event.sent]
      }
    }))

  const nodeHash = (hash: Hash): PandaEmulator.Hash => ({
    update: (bytes) => hash.update(bytes),
    digest: () => hash.digest("hex")
  })

  /** Over real sockets, where time is real. */
  const onPort = (http: Layer.Layer<HttpClient.HttpClient>) => {
    const server = PandaEmulator.layerServer({ hash: () => nodeHash(createHash("sha256")) }).pipe(
      Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
    )
    const client = Layer.unwrapEffect(Effect.gen(function*() {
      const { accessKey, cloudId, secretKey } = yield* panda
      const { address } = yield* HttpServer.HttpServer
      const port = address._tag === "TcpAddress" ? address.port : 0
      return PandaClient.layer.pipe(
        Layer.provide(Credentials.layer({ accessKey, secretKey, cloudId, host: "127.0.0.1", port })),
        Layer.provide(http)
      )
    }))
    return Layer.provideMerge(client, server)
  }

  for (const [name, http] of [["undici", NodeHttpClient.layerUndici], ["node", NodeHttpClient.layer]] as const) {
    it.live(`over ${name}: has the chunk's length, and gets over resets and a stall`, () =>
      Effect.gen(function*() {
        // More than the buffers of a connection hold: what is in these has gone, for all that can be seen.
        const size = 17 * KIB * KIB + 77
        const bytes = new Uint8Array(size).fill(1, 0, 5_000_000).fill(2, 9_000_000)
        yield* inject({ route: "chunk", fault: Fault.stallReading({ after: 100_000 }) })
        yield* inject({ route: "chunk", fault: Fault.resetDuring({ after: 300_000 }) })
        yield* inject({ route: "chunk", fault: Fault.resetAfter })
        const events: Array<Upload.UploadEvent> = []
        yield* Upload.start(UploadSource.fromBytes(bytes, { name: "movie.mp4" }), {
          ...stream,
          chunkSize: 16 * KIB * KIB,
          stallTimeout: "700 millis",
          retry: Schedule.intersect(Schedule.spaced("10 millis"), Schedule.recurs(20))
        }).pipe(Stream.tap((event) => Effect.sync(() => events.push(event))), Upload.video)
        assert.isAtLeast(retriesOf(events).length, 3)
        assert.isTrue(retriesOf(events).some(timedOut))
        for (const { headers, route } of yield* requests) {
          assert.isUndefined(headers["transfer-encoding"])
          const range = /^bytes (\d+)-(\d+)\//.exec(headers["content-range"] ?? "")
          if (route === "chunk") {
            assert.strictEqual(headers["content-length"], String(Number(range?.[2]) - Number(range?.[1]) + 1))
          }
          if (route === "probe") assert.strictEqual(headers["content-length"], "0")
        }
        assert.strictEqual((yield* theSession).sha256, sha256(bytes))
      }).pipe(Effect.provide(onPort(http)), Effect.timeout(patience)))
  }
})

describe("bandwidth", () => {
  const limit = 100_000
  const received = Effect.map(sessions, (sessions) => sessions.reduce((sum, { received }) => sum + received, 0))

  for (const body of ["bytes", "stream"] as const) {
    scenario(`holds within 5 % over ten seconds, as ${body}`, () =>
      Effect.gen(function*() {
        const { fiber } = yield* watch(Upload.start(sourceOf(2_500_000), { bandwidth: limit, body }))
        let before = 0
        for (const seconds of [10, 20]) {
          yield* TestClock.adjust("10 seconds")
          const now = yield* received
          assert.isAtLeast(now - before, 0.95 * 10 * limit, `${seconds} s`)
          assert.isAtMost(now - before, 1.05 * 10 * limit, `${seconds} s`)
          before = now
        }
        yield* TestClock.adjust("10 seconds")
        assert.isTrue(Exit.isSuccess(yield* Fiber.join(fiber)))
        yield* arrived(bytesOf(2_500_000))
      }))

    scenario(`is shared by all files, as ${body}`, () =>
      Effect.gen(function*() {
        const sources = [0, 1, 2, 3].map((index) => sourceOf(600_000, `${index}.mp4`))
        const fiber = yield* Effect.fork(Stream.runDrain(
          Upload.many(sources, { bandwidth: limit, body, concurrency: 4 })
        ))
        yield* TestClock.adjust("10 seconds")
        const now = yield* received
        assert.isAtLeast(now, 0.95 * 10 * limit)
        assert.isAtMost(now, 1.05 * 10 * limit)
        const each = (yield* sessions).map(({ received }) => received)
        assert.isAtMost(Math.max(...each) - Math.min(...each), 100_000)
        yield* TestClock.adjust("15 seconds")
        yield* Fiber.join(fiber)
        assert.isTrue((yield* sessions).every(({ status }) => status === "complete"))
      }))

    scenario(`counts in the time that is left, as ${body}`, () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.delayAnswer("10 millis"), times: Infinity })
        const { events } = yield* succeed(Upload.start(sourceOf(1_000_000), { bandwidth: limit, body }))
        const measured = progressOf(events).filter(({ bytesPerSecond }) => bytesPerSecond !== undefined)
        assert.isNotEmpty(measured)
        for (const { acknowledged, bytesPerSecond, eta, size } of measured) {
          assert.strictEqual(bytesPerSecond, limit)
          assert.strictEqual(Duration.toMillis(eta!), (size - acknowledged) / limit * 1000)
        }
      }))
  }

  scenario("tells of a chunk while it goes, however slowly", () =>
    Effect.gen(function*() {
      const chunkSize = 2_000_000
      const { events } = yield* succeed(
        Upload.start(sourceOf(chunkSize), { bandwidth: limit, chunkSize, body: "stream" })
      )
      const steps = progressOf(events).map(({ sent }) => sent).filter((sent) => sent > 0)
      const before = [0, ...steps]
      // Two seconds of it at most.
      assert.isTrue(steps.every((sent, i) => sent - before[i]! <= 2 * limit), steps.join(" "))
    }))

  scenario("waiting for one's turn is not standing still", () =>
    Effect.gen(function*() {
      const sources = Array.from({ length: 30 }, (_, index) => sourceOf(3000, `${index}.mp4`))
      const failures: Array<unknown> = []
      const fiber = yield* Effect.fork(Stream.runForEach(
        Upload.many(sources, {
          ...options,
          bandwidth: 500,
          concurrency: 30,
          body: "stream",
          stallTimeout: "3 seconds"
        }),
        (told) =>
          Effect.sync(() => void (told._tag === "Event" && told.event._tag === "Retrying" && failures.push(told)))
      ))
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(failures, [])
      assert.isAtLeast(yield* received, 0.95 * 20 * 500)
      yield* Fiber.interrupt(fiber)
    }))

  scenario(
    "leaves chunks large where their bytes can be held back, so that answers cost less",
    () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.delayAnswer("1 second"), times: Infinity })
        const { fiber } = yield* watch(Upload.start(sourceOf(6_000_000), { bandwidth: limit, body: "stream" }))
        yield* TestClock.adjust("50 seconds")
        assert.isAtLeast(yield* received, 0.75 * 50 * limit)
        const lengths = (yield* requests).slice(3, -1).map(({ bodyLength }) => bodyLength)
        assert.isAtMost(Math.max(...lengths), 4 * limit)
        yield* Fiber.interrupt(fiber)
      })
  )

  it.effect.each([0, -1, NaN, Infinity])("of %s is refused", (bandwidth) =>
    Effect.gen(function*() {
      const { error } = yield* fail(Upload.start(sourceOf(3000), { bandwidth }))
      assert.strictEqual(error._tag === "PandaInputError" && error.parameter, "bandwidth")
      assert.deepStrictEqual(yield* requests, [])
    }).pipe(Effect.provide(PandaEmulator.layerTest())))
})

describe("transformRequest", () => {
  scenario(
    "S39: runs before each request of an upload and of its end, and leaves signatures valid",
    () =>
      Effect.gen(function*() {
        let count = 0
        const transformRequest: PandaClient.TransformRequest = (request) =>
          Effect.map(
            Effect.delay(Effect.sync(() => ++count), "1 second"),
            (count) => HttpClientRequest.setHeader(request, "x-proxy", `pass ${count}`)
          )
        const { get, onState } = yield* keeper
        yield* inject({ route: "create", fault: Fault.status(503) })
        yield* inject({ route: "chunk", fault: Fault.status(503), skip: 1 })
        yield* inject({ route: "chunk", fault: Fault.stall, skip: 2 })
        yield* runFor("20 seconds", Upload.start(sourceOf(5000), { ...options, onState, transformRequest }))
        const abort = yield* Effect.fork(Upload.abort(yield* get, { transformRequest }))
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(abort)
        const seen = yield* requests
        assert.deepStrictEqual(
          seen.map(({ route, status }) => [route, status]),
          [["create", 503], ["create", 201], ["chunk", 204], ["chunk", 503], ["probe", 204]].concat([
            ["chunk", 204],
            ["chunk", undefined],
            ["abort", 200]
          ] as never)
        )
        assert.deepStrictEqual(
          seen.map(({ headers }) => headers["x-proxy"]),
          seen.map((_, index) => `pass ${index + 1}`)
        )
      })
  )

  scenario("does not reach the requests of others", () =>
    Effect.gen(function*() {
      const transformRequest: PandaClient.TransformRequest = (request) =>
        Effect.succeed(HttpClientRequest.setHeader(request, "x-proxy", "pass"))
      yield* succeed(Upload.start(sourceOf(1500), { ...options, transformRequest }))
      const before = (yield* requests).length
      yield* succeed(Upload.start(sourceOf(1500), options))
      const passes = (yield* requests).map(({ headers }) => headers["x-proxy"])
      assert.deepStrictEqual(passes, passes.map((_, index) => index < before ? "pass" : undefined))
    }))
})

describe("chunkSize", () => {
  const lengths = Effect.map(
    requests,
    (requests) =>
      requests.filter(({ route }) => route === "chunk").map(({ bodyLength, headers }) => {
        const [from, to] = /(\d+)-(\d+)/.exec(headers["content-range"]!)!.slice(1).map(Number)
        assert.isTrue(bodyLength === 0 || bodyLength === to! - from! + 1)
        return (to! - from! + 1) / KIB
      })
  )

  for (const body of ["bytes", "stream"] as const) {
    // Of a stream it is seen that hardly anything had gone: once, that may be chance.
    scenario(`is halved after a stall, if it adapts, as ${body}`, () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.stallReading({ after: 0 }), times: 2 })
        yield* succeed(Upload.start(sourceOf(2 * KIB * KIB), { body }))
        assert.deepStrictEqual((yield* lengths).slice(0, 3), body === "bytes" ? [1024, 512, 256] : [2048, 2048, 1024])
        yield* arrived(bytesOf(2 * KIB * KIB))
      }))

    scenario(`is no less than 64 KiB after many stalls, as ${body}`, () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.stallReading({ after: 0 }), times: 8 })
        yield* succeed(Upload.start(sourceOf(2 * KIB * KIB), { body }))
        const all = [2048, 2048, 1024, 512, 256, 128, 64, 64, 64, 64]
        assert.deepStrictEqual((yield* lengths).slice(0, 8), body === "bytes" ? all.slice(2) : all.slice(0, 8))
      }))

    scenario(`does not change if it is fixed, as ${body}`, () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.stallReading({ after: 0 }), times: 3 })
        yield* inject({ route: "chunk", fault: Fault.delayAnswer("20 seconds"), times: Infinity })
        yield* succeed(Upload.start(sourceOf(1000 * KIB), { body, chunkSize: 300 * KIB }))
        assert.deepStrictEqual(yield* lengths, [300, 300, 300, 300, 300, 300, 100])
      }))
  }
})

/** Where a chunk is in memory as a whole; for the ring of buffers see flow.test.ts. */
describe("reading ahead", () => {
  const options: Upload.Options = { chunkSize: CHUNK, profiles: ["h264"], body: "bytes" }

  /** A source that takes its time, leaves rubbish in the buffer until then, and notes who reads when. */
  const slowSource = (bytes: Uint8Array, time: Duration.DurationInput = "100 millis") => {
    const notes: Array<string> = []
    const starts = new Map<number, number>()
    let reading = 0
    let overlaps = 0
    const source: UploadSource.UploadSource = {
      ...UploadSource.fromBytes(bytes, { name: "movie.mp4" }),
      open: Effect.map(UploadSource.fromBytes(bytes, { name: "movie.mp4" }).open, (handle) => ({
        ...handle,
        read: (offset, buffer) =>
          Effect.gen(function*() {
            if (reading++ > 0) overlaps++
            notes.push(`read ${offset}`)
            starts.set(offset, (yield* Effect.clock).unsafeCurrentTimeMillis())
            buffer.fill(0xee)
            yield* Effect.sleep(time)
            const count = yield* handle.read(offset, buffer)
            notes.push(`have ${offset}`)
            return count
          }).pipe(Effect.ensuring(Effect.sync(() => reading--)))
      }))
    }
    return { source, notes, starts, overlaps: () => overlaps }
  }

  /** Looks at the bytes of each request: when it leaves, when it ends, and after the upload. */
  const buffers = () => {
    const seen: Array<{ view: Uint8Array; copy: Uint8Array; good: boolean; changed: boolean }> = []
    const http = over(HttpClient.transform((effect, request) =>
      Effect.suspend(() => {
        if (request.body._tag !== "Uint8Array" || request.headers["content-range"] === undefined) return effect
        const view = request.body.body
        const entry = { view, copy: view.slice(), good: false, changed: false }
        seen.push(entry)
        return effect.pipe(
          Effect.tap(({ status }) => Effect.sync(() => (entry.good = status === 204 || status === 200))),
          Effect.ensuring(Effect.sync(() => (entry.changed = sha256(view) !== sha256(entry.copy))))
        )
      })
    ))
    return { seen, http }
  }

  scenario("reads the next chunk while one is being sent", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.delayAnswer("1 second"), times: Infinity })
      const { notes, overlaps, source, starts } = slowSource(bytesOf(4500))
      yield* succeed(Upload.start(source, options))
      const reads = notes.filter((note) => note.startsWith("read "))
      assert.deepStrictEqual(reads.slice(2), ["read 0", "read 1000", "read 2000", "read 3000", "read 4000"])
      const sent = (yield* requests).filter(({ route }) => route === "chunk").map(({ at }) => at)
      for (const [index, at] of sent.entries()) {
        const next = starts.get((index + 1) * CHUNK)
        if (next !== undefined) assert.isAtMost(next - at, 1)
        if (index > 0) assert.strictEqual(at - sent[index - 1]!, 1000)
      }
      assert.strictEqual(overlaps(), 0)
      yield* arrived(bytesOf(4500))
    }))

  scenario(
    "uses no buffer again: that a chunk is answered does not say that it has gone",
    () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.delay("1 second"), times: Infinity })
        const { http, seen } = buffers()
        yield* succeed(Upload.start(slowSource(bytesOf(10_000)).source, options)).pipe(http)
        assert.strictEqual(seen.length, 10)
        assert.strictEqual(new Set(seen.map(({ view }) => view.buffer)).size, 10)
        assert.isFalse(seen.some(({ changed }) => changed))
      })
  )

  const faults: Record<string, Fault> = {
    "half is accepted": Fault.accept({ bytes: 500 }),
    "nothing is accepted": Fault.accept({ bytes: 0 }),
    "the connection breaks": Fault.resetDuring({ after: 0.5 }),
    "the connection breaks before": Fault.resetBefore,
    "the answer is lost": Fault.resetAfter,
    "the server fails": Fault.status(503),
    "the answer is late": Fault.delayAnswer("10 minutes"),
    "the server stalls": Fault.stall,
    "the server stops reading": Fault.stallReading({ after: 200 }),
    "the server goes back": Fault.backwardRange,
    "the server forgets": Fault.forget(),
    "the server forgets some": Fault.forget({ to: 1300 }),
    "the session is gone": Fault.expire(),
    "the session moves": Fault.move({ status: 503 })
  }
  for (const [what, fault] of Object.entries(faults)) {
    scenario(
      `sends what belongs there when ${what}, and leaves alone what a failed request may still send`,
      () =>
        Effect.gen(function*() {
          const bytes = Uint8Array.from({ length: 9500 }, (_, index) => Math.floor(index / CHUNK) * 16 + index % 13)
          for (const skip of [1, 4, 6]) yield* inject({ route: "chunk", fault, skip })
          yield* inject({ route: "chunk", fault: Fault.delay("30 millis"), times: Infinity })
          const { http, seen } = buffers()
          const { overlaps, source } = slowSource(bytes, what === "the session is gone" ? "5 seconds" : "100 millis")
          yield* succeed(Upload.start(source, { ...options, onExpired: "restart" })).pipe(http)
          assert.strictEqual((yield* theSession).sha256, sha256(bytes))
          assert.isAtLeast(seen.length, 10)
          for (const { changed, copy, good, view } of seen) {
            assert.isFalse(changed)
            assert.isTrue(good || sha256(view) === sha256(copy), "the buffer of a failed request was used again")
          }
          assert.strictEqual(overlaps(), 0)
        }),
      { keepBytes: true }
    )
  }

  scenario(
    "reads one thing at a time when it begins again with a source that has changed",
    () =>
      Effect.gen(function*() {
        const { overlaps, source } = slowSource(bytesOf(9500), "5 seconds")
        let looks = 0
        const changing: UploadSource.UploadSource = {
          ...source,
          open: Effect.map(source.open, (handle) => ({
            ...handle,
            stat: Effect.map(handle.stat, (stat) => ++looks === 4 ? { ...stat, size: 9501 } : stat)
          }))
        }
        const { events } = yield* succeed(Upload.start(changing, { ...options, onChanged: "restart" }))
        assert.include(events.map(({ _tag }) => _tag), "Restarted")
        assert.strictEqual(overlaps(), 0)
        yield* arrived(bytesOf(9500))
      })
  )

  scenario("stops reading when the upload is left", () =>
    Effect.gen(function*() {
      const { notes, source } = slowSource(bytesOf(9500), "1 second")
      yield* runFor("2500 millis", Upload.start(source, options))
      const before = notes.length
      assert.isAtLeast(before, 4)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(notes.length, before)
    }))
})

describe("what is said", () => {
  const secret = /session\?id|capability/
  const texts = (told: unknown) => [
    String(told),
    JSON.stringify(told),
    inspect(told, { depth: 20, showHidden: true }),
    inspect(told, { depth: 20, customInspect: false })
  ]

  scenario("no event tells where the session is", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.move() })
      yield* inject({
        route: "chunk",
        fault: Fault.status(503, { body: "see http://vm-1/upload/session?id=1" }),
        skip: 1
      })
      yield* inject({ route: "chunk", fault: Fault.expire(), skip: 2 })
      const { get, onState } = yield* keeper
      const { events } = yield* succeed(Upload.start(sourceOf(3500), { ...options, onState, onExpired: "restart" }))
      const state = yield* get
      assert.match(Redacted.value(state.location), secret)
      const all = [...events, Upload.UploadEvent.Resumed({ state })]
      assert.strictEqual(new Set(all.map(({ _tag }) => _tag)).size, 7)
      for (const event of all) {
        const line = Upload.describe(event)
        assert.match(line, /^[A-Z0-9].*[^.\n]$/)
        for (const text of [line, ...texts(event)]) assert.notMatch(text, secret)
      }
    }))

  scenario("an event keeps to its line, whatever the file is called", () =>
    Effect.gen(function*() {
      const name = "\u001b[2J\r\n\u0085\u202emovie\u0000.mp4"
      const { events } = yield* succeed(Upload.start(sourceOf(10, name), options))
      assert.strictEqual(Upload.describe(events[0]!), "Uploading [2J movie .mp4, 10 B")
    }))

  const ends: Record<string, Effect.Effect<unknown, unknown, PandaEmulator.PandaEmulator>> = {
    "PandaSessionExpired": inject({ route: "chunk", fault: Fault.expire(), skip: 1 }),
    "PandaUploadRejected": inject({
      route: "chunk",
      fault: Fault.status(422, { error: "Bad", message: "at /upload/session?id=capability\nno" }),
      skip: 1
    }),
    "PandaFileTooLarge": inject({ route: "chunk", fault: Fault.status(413, { message: "5 bytes" }), skip: 1 }),
    "PandaUploadProtocolError": inject({
      route: "*",
      fault: Fault.malformed("<a\nhref=/upload/session?id=1>"),
      skip: 2,
      times: 2
    }),
    "PandaUploadStalled RetriesExhausted": inject({ route: "*", fault: Fault.resetAfter, skip: 2, times: 99 }),
    "PandaUploadStalled NoProgress": inject({
      route: "chunk",
      fault: Fault.accept({ bytes: 0 }),
      skip: 1,
      times: Infinity
    }),
    "PandaUploadStalled NotFinalized": inject({ route: "chunk", fault: Fault.notFinalized, times: Infinity }),
    "PandaAuthError": Effect.flatMap(panda, ({ setSkew }) => setSkew("3 hours")).pipe(
      Effect.zipRight(inject({ route: "create", fault: Fault.status(401, { message: "no" }) }))
    )
  }
  for (const [what, happens] of Object.entries(ends)) {
    scenario(
      `${what} says in a line what to do, and how to go on, but not where the session is`,
      () =>
        Effect.gen(function*() {
          yield* happens
          const { error, events } = yield* fail(
            Upload.start(sourceOf(3500), { ...options, retry: Schedule.recurs(3) })
          )
          const [tag, reason] = what.split(" ")
          assert.strictEqual(error._tag, tag)
          if ("reason" in error && reason !== undefined) assert.strictEqual(error.reason, reason)
          assert.isTrue(PandaError.isUploadError(error))
          assert.match(error.message, /^[\w.]+: [^\n]+[.)] [A-Z][a-z]+ [^\n]*[^.\n]$/)
          if (error._tag !== "PandaFileTooLarge" && error._tag !== "PandaAuthError") {
            assert.strictEqual(
              "state" in error && error.state !== undefined && Redacted.value(error.state.id),
              (yield* theSession).id
            )
          }
          for (const told of [error, ...events]) {
            for (const text of texts(told)) assert.notMatch(text, secret)
          }
          assert.notMatch(error.message, secret)
        })
    )
  }
})
