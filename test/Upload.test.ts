import { assert, describe, it } from "@effect/vitest"
import {
  DateTime,
  Duration,
  Effect,
  Either,
  Equal,
  Fiber,
  Random,
  Redacted,
  Ref,
  Schedule,
  Stream,
  TestClock
} from "effect"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { PandaSessionExpired, PandaSourceError, PandaTransportError } from "effect-panda/PandaError"
import * as Upload from "effect-panda/Upload"
import * as UploadSession from "effect-panda/UploadSession"
import * as UploadSource from "effect-panda/UploadSource"
import type { UploadState } from "effect-panda/UploadState"
import * as Videos from "effect-panda/Videos"
import {
  arrived,
  bytesOf,
  CHUNK,
  fail,
  inject,
  keeper,
  options,
  panda,
  partOf,
  ranges,
  requests,
  routes,
  runFor,
  scenario,
  sha256,
  sourceOf,
  succeed,
  theSession
} from "./client/upload.js"

const gone = new PandaSessionExpired({ operation: "A.name", status: 404 })

/** The scenarios are those that bit users of other uploaders; their numbers are kept. */

describe("Upload", () => {
  describe("offsets", () => {
    scenario("S1: a lost final answer is found by one probe, and nothing is sent again", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.resetAfter, skip: 2 })
        const { video } = yield* succeed(Upload.start(sourceOf(2500), options))
        assert.deepStrictEqual(yield* routes, ["create", "chunk", "chunk", "chunk", "probe"])
        assert.strictEqual((yield* theSession).received, 2500)
        assert.strictEqual(video.id, (yield* theSession).videoId)
        yield* arrived(bytesOf(2500))
      }))

    scenario("S2: what is whole but has no video gets its last byte again", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.notFinalized })
        yield* succeed(Upload.start(sourceOf(2000), options))
        assert.deepStrictEqual(yield* ranges, ["bytes 0-999/2000", "bytes 1000-1999/2000", "bytes 1999-1999/2000"])
        assert.strictEqual((yield* theSession).sha256, sha256(bytesOf(2000)))
      }))

    scenario(
      "S2: what never gets a video ends as NotFinalized, after a bounded number of last bytes",
      () =>
        Effect.gen(function*() {
          yield* inject({ route: "chunk", fault: Fault.notFinalized, times: Infinity })
          const retry = Schedule.intersect(Schedule.spaced("1 second"), Schedule.recurs(3))
          const { error } = yield* fail(Upload.start(sourceOf(1000), { ...options, retry }))
          assert.strictEqual(error._tag, "PandaUploadStalled")
          if (error._tag !== "PandaUploadStalled") return
          assert.strictEqual(error.reason, "NotFinalized")
          assert.strictEqual(error.attempts, 4)
          assert.strictEqual(error.state?.acknowledged, 1000)
          assert.strictEqual((yield* theSession).received, 1000 + 4)
        })
    )

    scenario("S3: a backend that fails at the end costs one byte", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.backendDown(502) })
        yield* succeed(Upload.start(sourceOf(2000), options))
        assert.deepStrictEqual(yield* routes, ["create", "chunk", "chunk", "probe", "chunk"])
        assert.strictEqual((yield* theSession).received, 2001)
      }))

    scenario(
      "S4: what the server did not take is sent from exactly there, at the end too",
      () =>
        Effect.gen(function*() {
          yield* inject({ route: "chunk", fault: Fault.accept({ bytes: 123 }) })
          yield* inject({ route: "chunk", fault: Fault.accept({ bytes: 7 }), skip: 2 })
          yield* succeed(Upload.start(sourceOf(2000), options))
          const [first, second] = yield* ranges
          assert.deepStrictEqual([first, second], ["bytes 0-999/2000", "bytes 123-1122/2000"])
          yield* arrived(bytesOf(2000))
        })
    )

    scenario("S5: no Range means that nothing is there", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.forget(), skip: 1 })
        yield* inject({ route: "chunk", fault: Fault.noRange, skip: 1 })
        const { events } = yield* succeed(Upload.start(sourceOf(3000), options))
        assert.strictEqual((yield* theSession).sha256, sha256(bytesOf(3000)))
        assert.include(events.map(({ _tag }) => _tag), "Restarted")
      }), { keepBytes: true })

    scenario("S6: a server that takes nothing is a bounded number of attempts", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.accept({ bytes: 0 }), times: Infinity })
        const retry = Schedule.intersect(Schedule.spaced("1 second"), Schedule.recurs(5))
        const { error, events } = yield* fail(Upload.start(sourceOf(3000), { ...options, retry }))
        assert.strictEqual(error._tag, "PandaUploadStalled")
        assert.strictEqual(error._tag === "PandaUploadStalled" && error.reason, "NoProgress")
        assert.strictEqual((yield* routes).filter((route) => route === "chunk").length, 6)
        assert.strictEqual(events.filter(({ _tag }) => _tag === "Retrying").length, 5)
      }))

    scenario("S7: a Range beyond what was sent ends it at once", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.lieRange({ to: 2000 }) })
        const { error } = yield* fail(Upload.start(sourceOf(3000), options))
        assert.strictEqual(error._tag, "PandaUploadProtocolError")
        assert.deepStrictEqual(yield* routes, ["create", "chunk"])
      }))

    scenario("S7: a Range beyond the size ends it at once, after a resumption too", () =>
      Effect.gen(function*() {
        const state = yield* interrupted(3000)
        yield* inject({ route: "probe", fault: Fault.lieRange({ to: 3001 }) })
        const { error } = yield* fail(Upload.resume(state, sourceOf(3000), options))
        assert.strictEqual(error._tag, "PandaUploadProtocolError")
        assert.strictEqual((yield* routes).at(-1), "probe")
      }))

    scenario("S7: a resumption accepts that the server has more than was known", () =>
      Effect.gen(function*() {
        const state = yield* interrupted(3000)
        const known = { ...state, acknowledged: 0 }
        yield* succeed(Upload.resume(known, sourceOf(3000), options))
        yield* arrived(bytesOf(3000))
      }))

    for (const range of ["0-499", "bytes=0-499", "bytes 0-499", "250-499"]) {
      scenario(`S8: Range: ${range} means that 500 is next`, () =>
        Effect.gen(function*() {
          yield* inject({ route: "chunk", fault: Fault.accept({ bytes: 500 }) })
          yield* inject({ route: "probe", fault: Fault.status(204, { headers: { range } }) })
          const state = yield* interrupted(3000, 1)
          yield* succeed(Upload.resume({ ...state, acknowledged: 0 }, sourceOf(3000), options))
          assert.include(yield* ranges, "bytes 500-1499/3000")
          assert.strictEqual((yield* theSession).sha256, sha256(bytesOf(3000)))
        }))
    }

    for (const range of ["lots", "x bytes=0-499", "bytes=0-499x", "bytes=0-499, 600-699", "bytes=-499", "0-"]) {
      scenario(`S8: ${range} for a Range is asked about once, then an error`, () =>
        Effect.gen(function*() {
          yield* inject({ route: "*", fault: Fault.status(204, { headers: { range } }), skip: 1, times: Infinity })
          const { error } = yield* fail(Upload.start(sourceOf(3000), options))
          assert.strictEqual(error._tag, "PandaUploadProtocolError")
          assert.deepStrictEqual(yield* routes, ["create", "chunk", "probe"])
        }))
    }

    for (const size of [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK]) {
      scenario(`S9: the ranges of ${size} bytes meet, and each has its length`, () =>
        Effect.gen(function*() {
          yield* succeed(Upload.start(sourceOf(size), options))
          let next = 0
          for (const { bodyLength, headers } of (yield* requests).slice(1)) {
            const [, from, to, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers["content-range"]!)!.map(Number)
            assert.deepStrictEqual([from, total, to! - from! + 1], [next, size, bodyLength])
            assert.strictEqual(headers["content-length"], String(bodyLength))
            assert.isUndefined(headers["transfer-encoding"])
            next = to! + 1
          }
          assert.strictEqual(next, size)
          yield* arrived(bytesOf(size))
        }))
    }

    scenario("S10: an empty source is refused before any request", () =>
      Effect.gen(function*() {
        const { error } = yield* fail(Upload.start(sourceOf(0), options))
        assert.strictEqual(error._tag === "PandaSourceError" && error.reason, "Empty")
        assert.deepStrictEqual(yield* requests, [])
      }))

    for (const status of [409, 416]) {
      scenario(`S11: ${status} is asked about once, and the upload goes on`, () =>
        Effect.gen(function*() {
          yield* inject({ route: "chunk", fault: Fault.status(status), skip: 1 })
          yield* succeed(Upload.start(sourceOf(3000), options))
          assert.deepStrictEqual(yield* routes, ["create", "chunk", "chunk", "probe", "chunk", "chunk"])
          yield* arrived(bytesOf(3000))
        }))

      scenario(`S11: a second ${status} without progress is final, with its body`, () =>
        Effect.gen(function*() {
          yield* inject({ route: "chunk", fault: Fault.status(status, { message: "busy", error: "X" }), times: 2 })
          const { error } = yield* fail(Upload.start(sourceOf(3000), options))
          assert.strictEqual(error._tag, "PandaUploadRejected")
          assert.include(error.message, "busy")
          assert.deepStrictEqual(yield* routes, ["create", "chunk", "probe", "chunk"])
        }))
    }
  })

  describe("failures", () => {
    scenario("S14: a truncated answer is a lost one", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.truncate({ after: 3 }), skip: 2 })
        yield* succeed(Upload.start(sourceOf(2500), options))
        assert.deepStrictEqual((yield* routes).slice(-2), ["chunk", "probe"])
        yield* arrived(bytesOf(2500))
      }))

    scenario("S16: a refusal hidden behind a reset comes out through the probe", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.resetDuring({ after: 10 }) })
        yield* inject({
          route: "probe",
          fault: Fault.status(422, { error: "Unprocessable", message: "no such codec" })
        })
        const { error } = yield* fail(Upload.start(sourceOf(2500), options))
        assert.strictEqual(error._tag, "PandaUploadRejected")
        assert.include(error.message, "no such codec")
        assert.strictEqual((yield* requests).length, 3)
      }))

    scenario("S17: failures count until there is progress", () =>
      Effect.gen(function*() {
        for (let chunk = 0; chunk < 50; chunk++) {
          yield* inject({ route: "chunk", fault: Fault.resetBefore, skip: chunk })
        }
        const retry = Schedule.intersect(Schedule.spaced("1 second"), Schedule.recurs(3))
        const { events } = yield* succeed(Upload.start(sourceOf(50 * CHUNK), { ...options, retry }))
        const attempts = events.flatMap((event) => event._tag === "Retrying" ? [event.attempt] : [])
        assert.isAtLeast(attempts.length, 25)
        assert.isAtMost(Math.max(...attempts), 3)
        yield* arrived(bytesOf(50 * CHUNK))
      }))

    scenario("S18: an outage of a minute is survived, for at most one chunk more", () =>
      Effect.gen(function*() {
        const events: Array<Upload.UploadEvent> = []
        yield* inject({ route: "chunk", fault: Fault.resetDuring({ after: 0.5 }), skip: 2 })
        yield* inject({ route: "probe", fault: Fault.refuse, times: 5 })
        const fiber = yield* Effect.fork(
          Upload.start(sourceOf(5000), options).pipe(
            Stream.tap((event) => Effect.sync(() => events.push(event))),
            Upload.video
          )
        )
        yield* TestClock.adjust("10 minutes")
        yield* Fiber.join(fiber)
        assert.isAtLeast(events.filter(({ _tag }) => _tag === "Retrying").length, 6)
        assert.isAtMost((yield* theSession).received, 5000 + CHUNK)
        yield* arrived(bytesOf(5000))
      }))

    scenario("S19: Retry-After wins, and 408 and 429 are retried", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.status(429, { retryAfter: 5 }) })
        yield* inject({ route: "chunk", fault: Fault.status(408), skip: 1 })
        yield* succeed(Upload.start(sourceOf(2000), options))
        const [, chunk, probe] = yield* requests
        // Five seconds, and half of the 50 to 100 ms that we would have waited.
        assert.isAtLeast(probe!.at - chunk!.at, 5025)
        assert.isAtMost(probe!.at - chunk!.at, 5050)
        yield* arrived(bytesOf(2000))
      }))

    for (const status of [400, 401, 403, 422]) {
      scenario(`S19: ${status} is final`, () =>
        Effect.gen(function*() {
          yield* inject({ route: "chunk", fault: Fault.status(status) })
          const { error, events } = yield* fail(Upload.start(sourceOf(2000), options))
          assert.strictEqual(error._tag, "PandaUploadRejected")
          assert.deepStrictEqual(yield* routes, ["create", "chunk"])
          assert.deepStrictEqual(events.map(({ _tag }) => _tag), ["Started"])
        }))
    }

    scenario("S20: who gives up says where, and the upload goes on from there", () =>
      Effect.gen(function*() {
        yield* inject({ route: "*", fault: Fault.refuse, skip: 3, times: 3 })
        const retry = Schedule.intersect(Schedule.spaced("1 second"), Schedule.recurs(2))
        const { error } = yield* fail(Upload.start(sourceOf(5000), { ...options, retry }))
        assert.strictEqual(error._tag, "PandaUploadStalled")
        if (error._tag !== "PandaUploadStalled") return
        assert.strictEqual(error.reason, "RetriesExhausted")
        assert.strictEqual(error.attempts, 3)
        assert.include(error.message, "ECONNREFUSED")
        assert.strictEqual(error.state?.acknowledged, 2000)
        yield* succeed(Upload.resume(error.state!, sourceOf(5000), options))
        assert.strictEqual((yield* theSession).received, 5000)
        yield* arrived(bytesOf(5000))
      }))

    scenario("S22: opening a session is repeated, signed afresh", () =>
      Effect.gen(function*() {
        yield* inject({ route: "create", fault: Fault.resetAfter })
        yield* succeed(Upload.start(sourceOf(2000), options))
        const [first, second] = yield* requests
        assert.deepStrictEqual([first!.route, second!.route], ["create", "create"])
        assert.notStrictEqual(first!.timestamp, second!.timestamp)
        yield* arrived(bytesOf(2000))
      }))

    scenario("S22: a refusal to open a session is final", () =>
      Effect.gen(function*() {
        const { error } = yield* fail(Upload.start(sourceOf(2000), { ...options, profiles: ["missing"] }))
        assert.strictEqual(error._tag, "PandaNotFound")
        assert.strictEqual((yield* requests).length, 1)
      }))

    for (const status of [404, 410] as const) {
      scenario(`S23: a session that is gone (${status}) is an error`, () =>
        Effect.gen(function*() {
          yield* inject({ route: "chunk", fault: Fault.expire(status), skip: 1 })
          const { error } = yield* fail(Upload.start(sourceOf(3000), options))
          assert.strictEqual(error._tag, "PandaSessionExpired")
          assert.deepStrictEqual(yield* routes, ["create", "chunk", "chunk"])
        }))

      scenario(`S23: a session that is gone (${status}) is replaced, if wanted`, () =>
        Effect.gen(function*() {
          const states: Array<UploadState> = []
          yield* inject({ route: "chunk", fault: Fault.expire(status), skip: 1 })
          const { events } = yield* succeed(Upload.start(sourceOf(3000), {
            ...options,
            onExpired: "restart",
            onState: (state) => Effect.sync(() => void states.push(state))
          }))
          const restarted = events.filter(({ _tag }) => _tag === "Restarted")
          assert.deepStrictEqual(restarted.map((event) => event._tag === "Restarted" && event.reason), ["Expired"])
          assert.strictEqual(Redacted.value(states.at(-1)!.id), (yield* theSession).id)
          yield* arrived(bytesOf(3000))
        }))
    }

    scenario("S23: sessions that are always gone end it", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.expire(), times: Infinity })
        const retry = Schedule.intersect(Schedule.spaced("1 second"), Schedule.recurs(3))
        const { error } = yield* fail(Upload.start(sourceOf(3000), { ...options, retry, onExpired: "restart" }))
        assert.strictEqual(error._tag, "PandaUploadStalled")
        assert.strictEqual((yield* routes).filter((route) => route === "create").length, 4)
      }))

    scenario(
      "a finished session that is gone is not uploaded again: the video is looked up",
      () =>
        Effect.gen(function*() {
          yield* inject({ route: "chunk", fault: Fault.resetAfter, skip: 2 })
          yield* inject({ route: "probe", fault: Fault.expire() })
          const { video } = yield* succeed(Upload.start(sourceOf(2500), { ...options, onExpired: "restart" }))
          assert.strictEqual((yield* Videos.list()).length, 1)
          assert.strictEqual(video.id, (yield* theSession).videoId)
        })
    )

    /** Of 2500 bytes, whose server has this many of them for all that is known. */
    const leftAt = (acknowledged: number) => Effect.map(interrupted(2500), (state) => ({ ...state, acknowledged }))

    /** Two chunks may have been under way; when asked about, the session is gone. What the video's record is then. */
    const gone: ReadonlyArray<
      readonly [
        what: string,
        acknowledged: number,
        record: Record<string, unknown> | undefined,
        found: boolean
      ]
    > = [
      ["a video", 2000, { status: "processing", file_size: 2500 }, true],
      ["a video that does not say its size yet", 2000, { status: "processing", file_size: null }, true],
      ["a video, after the last byte was acknowledged", 2500, { status: "success", file_size: 2500 }, true],
      ["a video that has failed", 2000, { status: "fail", file_size: 2500 }, false],
      ["a video of another size", 2000, { status: "success", file_size: 2499 }, false],
      ["no video", 2000, undefined, false],
      ["a video, though not all can have been sent", 400, { status: "success", file_size: 2500 }, false]
    ]
    for (const status of [404, 410] as const) {
      for (const [what, acknowledged, record, found] of gone) {
        scenario(
          `a session that is gone (${status}) on being resumed is looked up by its id: ${what}`,
          () =>
            Effect.gen(function*() {
              const state = yield* leftAt(acknowledged)
              const id = Redacted.value(state.id)
              const before = (yield* routes).length
              yield* inject({ route: "probe", fault: Fault.expire(status), times: Infinity })
              if (record !== undefined) {
                const body = JSON.stringify({ id, ...record })
                yield* inject({ route: "GET /videos/:id.json", fault: Fault.status(200, { body }), times: Infinity })
              }
              const mayBeWhole = acknowledged > 400
              const run = Upload.resume(state, sourceOf(2500), options)
              if (found) {
                const { events, video } = yield* succeed(run)
                assert.strictEqual(video.id, id)
                assert.strictEqual(events.at(-1)?._tag, "Uploaded")
              } else {
                const { error } = yield* fail(run)
                assert.strictEqual(error._tag, "PandaSessionExpired")
                assert.strictEqual(error._tag === "PandaSessionExpired" && error.status, status)
              }
              const asked = (yield* requests).slice(before)
              assert.deepStrictEqual(
                asked.map(({ route }) => route),
                mayBeWhole ? ["probe", "GET /videos/:id.json"] : ["probe"]
              )
            })
        )
      }
    }

    scenario(
      "a session that is gone and has no video is replaced, if wanted: one video comes of it",
      () =>
        Effect.gen(function*() {
          const state = yield* leftAt(2000)
          yield* inject({ route: "probe", fault: Fault.expire() })
          const { events, video } = yield* succeed(
            Upload.resume(state, sourceOf(2500), { ...options, onExpired: "restart" })
          )
          assert.include(events.map(({ _tag }) => _tag), "Restarted")
          assert.deepStrictEqual((yield* Videos.list()).map(({ id }) => id), [video.id])
          assert.notStrictEqual(video.id, Redacted.value(state.id))
        })
    )

    scenario("a look-up that fails is no reason to make another video", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.resetAfter, skip: 2 })
        yield* inject({ route: "probe", fault: Fault.expire(), times: Infinity })
        yield* inject({ route: "GET /videos/:id.json", fault: Fault.status(503), times: 6 })
        const { video } = yield* succeed(Upload.start(sourceOf(2500), { ...options, onExpired: "restart" }))
        assert.strictEqual((yield* Videos.list()).length, 1)
        assert.strictEqual(video.id, (yield* theSession).videoId)
      }))

    scenario("S30: success is a video, and nothing else", () =>
      Effect.gen(function*() {
        for (const [route, skip] of [["chunk", 1], ["probe", 0]] as const) {
          yield* inject({ route, fault: Fault.malformed("<html>welcome to the hotel</html>"), skip })
        }
        const { error } = yield* fail(Upload.start(sourceOf(2000), options))
        assert.strictEqual(error._tag, "PandaUploadProtocolError")
        assert.include(error.message, "welcome to the hotel")
      }))

    scenario("a video of less than was sent is none", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.malformed(`{"id":"early"}`) })
        const { error } = yield* fail(Upload.start(sourceOf(2000), options))
        assert.strictEqual(error._tag, "PandaUploadProtocolError")
      }))

    scenario("an answer that never comes is asked about after the deadline", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.stall, skip: 1 })
        const { events } = yield* succeed(Upload.start(sourceOf(2000), { ...options, stallTimeout: "10 seconds" }))
        const retrying = events.find((event) => event._tag === "Retrying")
        assert.strictEqual(
          retrying?._tag === "Retrying" && retrying.error._tag === "PandaTransportError" && retrying.error.reason,
          "Timeout"
        )
        const [, , stalled, probe] = yield* requests
        assert.isAtLeast(probe!.at - stalled!.at, 10_000)
        assert.strictEqual((yield* theSession).received, 2001)
      }))
  })

  describe("source", () => {
    /** A source that becomes another one after so many looks at it. */
    const changing = (
      size: number,
      change: (stat: UploadSource.Stat) => UploadSource.Stat,
      looks: number
    ): UploadSource.UploadSource => {
      const source = sourceOf(size)
      return {
        ...source,
        open: Effect.gen(function*() {
          const handle = yield* source.open
          const looked = yield* Ref.make(0)
          return {
            ...handle,
            stat: Effect.flatMap(
              Ref.updateAndGet(looked, (n) => n + 1),
              (n) => Effect.map(handle.stat, (stat) => n === looks ? change(stat) : stat)
            )
          }
        })
      }
    }

    scenario("S24: another content is refused before any request", () =>
      Effect.gen(function*() {
        const state = yield* interrupted(3000)
        const before = (yield* requests).length
        const other = UploadSource.fromBytes(bytesOf(3000).fill(1, 10, 20), { name: "movie.mp4" })
        const { error } = yield* fail(Upload.resume(state, other, options))
        assert.strictEqual(error._tag === "PandaSourceError" && error.reason, "Changed")
        assert.isTrue(error._tag === "PandaSourceError" && Equal.equals(error.state?.id, state.id))
        assert.strictEqual((yield* requests).length, before)
      }))

    scenario("S24: another content is uploaded anew, if wanted", () =>
      Effect.gen(function*() {
        const state = yield* interrupted(3000)
        const other = UploadSource.fromBytes(bytesOf(4000), { name: "movie.mp4" })
        const { events } = yield* succeed(Upload.resume(state, other, { ...options, onChanged: "restart" }))
        assert.deepStrictEqual(
          events.flatMap((event) => event._tag === "Restarted" ? [event.reason] : []),
          ["Changed"]
        )
        const sessions = yield* Effect.flatMap(panda, (panda) => panda.sessions)
        assert.deepStrictEqual(sessions.map(({ status }) => status), ["aborted", "complete"])
        yield* arrived(bytesOf(4000))
      }))

    for (const look of [2, 3, 4]) {
      scenario(
        `S25: a source that changes during the upload never completes a video (look ${look})`,
        () =>
          Effect.gen(function*() {
            const source = changing(3000, (stat) => ({ ...stat, size: 3001 }), look)
            const { error } = yield* fail(Upload.start(source, options))
            assert.strictEqual(error._tag === "PandaSourceError" && error.reason, "Changed")
            assert.deepStrictEqual(yield* Videos.list(), [])
            assert.strictEqual((yield* theSession).status, "open")
          })
      )
    }

    scenario("S26: a source that ends before its size fails at once", () =>
      Effect.gen(function*() {
        const whole = sourceOf(3000)
        let reads = 0
        const source: UploadSource.UploadSource = {
          ...whole,
          open: Effect.map(whole.open, (handle) => ({
            ...handle,
            // The looks at both ends, from which the upload knows it, find it whole.
            read: (offset, buffer) =>
              reads++ < 2
                ? handle.read(offset, buffer)
                : handle.read(offset, buffer.subarray(0, Math.max(0, 2500 - offset)))
          }))
        }
        const { error } = yield* fail(Upload.start(source, options))
        assert(error._tag === "PandaSourceError")
        assert.strictEqual(error.reason, "TooShort")
        assert.match(error.message, /ends at 2500, not at 3000/)
        assert.strictEqual(error.state?.acknowledged, 2000)
        assert.deepStrictEqual(yield* routes, ["create", "chunk", "chunk", "chunk"])
      }))

    scenario("S27: a source that cannot be read any more is an error, and closed", () =>
      Effect.gen(function*() {
        let [open, reads] = [0, 0]
        const whole = sourceOf(3000)
        const source: UploadSource.UploadSource = {
          ...whole,
          open: Effect.acquireRelease(Effect.sync(() => open++), () => Effect.sync(() => open--)).pipe(
            Effect.zipRight(whole.open),
            Effect.map((handle) => ({
              ...handle,
              read: (offset, buffer) =>
                reads++ === 2
                  ? new PandaSourceError({
                    operation: "test",
                    reason: "Unreadable",
                    file: "movie.mp4",
                    description: "EIO"
                  })
                  : handle.read(offset, buffer)
            }))
          )
        }
        const { error } = yield* fail(Upload.start(source, { ...options, onChanged: "restart" }))
        assert.strictEqual(error._tag === "PandaSourceError" && error.reason, "Unreadable")
        assert.strictEqual(open, 0)
      }))

    it.effect.each([0, -1, 1.5, NaN, 512 * 1024 * 1024 + 1])(
      "refuses chunks of %s bytes",
      (chunkSize) =>
        Effect.gen(function*() {
          const { error } = yield* fail(Upload.start(sourceOf(3000), { chunkSize }))
          assert.strictEqual(error._tag, "PandaInputError")
          assert.deepStrictEqual(yield* requests, [])
        }).pipe(Effect.provide(PandaEmulator.layerTest()))
    )

    for (const chunkTime of [0, "-1 seconds"] as const) {
      scenario(`refuses chunks of ${chunkTime} of sending`, () =>
        Effect.gen(function*() {
          const { error } = yield* fail(Upload.start(sourceOf(3000), { chunkTime }))
          assert(error._tag === "PandaInputError")
          assert.strictEqual(error.parameter, "chunkTime")
          assert.deepStrictEqual(yield* requests, [])
        }))
    }

    for (const chunkSize of [1, 512 * 1024 * 1024]) {
      scenario(`takes chunks of ${chunkSize} bytes`, () =>
        Effect.gen(function*() {
          yield* succeed(Upload.start(sourceOf(3), { chunkSize }))
          assert.lengthOf(yield* ranges, Math.ceil(3 / chunkSize))
          yield* arrived(bytesOf(3))
        }))
    }
  })

  describe("ending", () => {
    for (const route of ["create", "chunk", "probe"]) {
      scenario(
        `S34: an interruption during ${route} sends nothing more, and aborts nothing`,
        () =>
          Effect.gen(function*() {
            yield* inject({ route, fault: Fault.stall })
            if (route === "probe") yield* inject({ route: "chunk", fault: Fault.status(503) })
            const fiber = yield* Effect.fork(Upload.video(Upload.start(sourceOf(3000), options)))
            yield* TestClock.adjust("2 seconds")
            assert.strictEqual((yield* routes).at(-1), route)
            const before = (yield* requests).length
            yield* Fiber.interrupt(fiber)
            yield* TestClock.adjust("1 hour")
            assert.strictEqual((yield* requests).length, before)
          })
      )
    }

    scenario("S34: an interruption while waiting sends nothing more", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.status(503, { retryAfter: 20 }) })
        const fiber = yield* Effect.fork(Upload.video(Upload.start(sourceOf(3000), options)))
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.interrupt(fiber)
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(yield* routes, ["create", "chunk"])
      }))

    scenario("leaving the stream stops the upload", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.delay("1 second"), times: Infinity })
        const fiber = yield* Effect.fork(Stream.runCollect(Stream.take(Upload.start(sourceOf(3000), options), 2)))
        yield* TestClock.adjust("1 hour")
        assert.strictEqual((yield* Fiber.join(fiber)).length, 2)
        assert.isAtMost((yield* routes).length, 3)
      }))

    scenario(
      "S35: abort ends a session at its latest location, and forgives what is gone",
      () =>
        Effect.gen(function*() {
          yield* inject({ route: "chunk", fault: Fault.move() })
          yield* inject({ route: "abort", fault: Fault.status(503), times: 2 })
          const state = yield* interrupted(3000)
          const fiber = yield* Effect.fork(Upload.abort(state))
          yield* TestClock.adjust("1 minute")
          yield* Fiber.join(fiber)
          assert.strictEqual((yield* theSession).status, "aborted")
          yield* Upload.abort(state)
          const { error } = yield* fail(Upload.resume(state, sourceOf(3000), options))
          assert.strictEqual(error._tag, "PandaSessionExpired")
        })
    )

    scenario("abort gives up as well", () =>
      Effect.gen(function*() {
        const state = yield* interrupted(3000)
        yield* inject({ route: "abort", fault: Fault.status(403) })
        assert.strictEqual((yield* Effect.flip(Upload.abort(state)))._tag, "PandaUploadRejected")
      }))
  })

  describe("location", () => {
    for (
      const [what, fault, route] of [
        ["a chunk", Fault.move(), "chunk"],
        ["a 503", Fault.move({ status: 503 }), "chunk"],
        ["a redirect", Fault.move({ status: 307 }), "chunk"],
        ["a probe", Fault.move(), "probe"],
        ["a chunk, relative", Fault.move({ relative: true }), "chunk"]
      ] as const
    ) {
      scenario(`S38: a new location on ${what} is saved, then followed`, () =>
        Effect.gen(function*() {
          if (route === "probe") yield* inject({ route: "chunk", fault: Fault.status(503) })
          yield* inject({ route, fault })
          const service = yield* panda
          const log: Array<string> = []
          const { events } = yield* succeed(Upload.start(sourceOf(3000), {
            ...options,
            onState: ({ location }) =>
              Effect.map(service.requests, (requests) => void log.push(`${requests.length} ${location.toString()}`))
          }))
          assert.include(
            events.map(({ _tag }) => _tag),
            "Moved"
          )
          assert.strictEqual((yield* theSession).locations, 2)
          assert.isAtLeast(log.length, 3)
          yield* arrived(bytesOf(3000))
        }))
    }

    const elsewhere = [
      "file:///etc/passwd",
      "data:text/plain,x",
      "javascript:alert(1)",
      "ftp://x/y",
      "http://[",
      "http://name:password@x/y"
    ]
    for (const location of elsewhere) {
      scenario(`S38: ${location} is not followed`, () =>
        Effect.gen(function*() {
          yield* inject({ route: "chunk", fault: Fault.status(204, { headers: { location, range: "0-999" } }) })
          const { error } = yield* fail(Upload.start(sourceOf(3000), options))
          assert.strictEqual(error._tag, "PandaUploadProtocolError")
          assert.notInclude(error.message, location)
          assert.deepStrictEqual(yield* routes, ["create", "chunk"])
        }))
    }

    for (const location of ["nowhere", ...elsewhere]) {
      scenario(`${location} is no location to ask, to send to or to abort`, () =>
        Effect.gen(function*() {
          const at = Redacted.make(location)
          const chunk = { offset: 0, bytes: bytesOf(1), size: 1 }
          const deadline = { timeout: "1 second" } as const
          const slices = { stallTimeout: "1 second", responseTimeout: "1 second", onSlice: () => Effect.void } as const
          const errors = [
            yield* Effect.flip(UploadSession.abort(at, deadline)),
            ...yield* Effect.forEach([
              UploadSession.probe(at, 1, deadline),
              UploadSession.send(at, chunk, deadline),
              UploadSession.sendSlices(at, partOf(chunk), slices)
            ], (exchange) => Effect.flatMap(exchange, ({ reply }) => Either.flip(reply)))
          ]
          for (const error of errors) {
            assert.strictEqual(error._tag, "PandaInputError")
            assert.match(error.message, /^UploadSession\.\w+: location: is not an http URL: pass /)
          }
          assert.deepStrictEqual(yield* routes, [])
        }))
    }

    scenario("what a server repeats of a location's query is not shown", () =>
      Effect.gen(function*() {
        const at = Redacted.make("https://vm-1.upload.pandastream.test/upload/session?id=canary%2Fid")
        const texts = [`{"params":{"id":"canary/id"}}`, `{"error":"No canary%2Fid"}`, "canary/id is gone"]
        for (const [route, status] of [["*", 200], ["*", 422], ["*", 500]] as const) {
          for (const body of texts) {
            yield* inject({ route, fault: Fault.status(status, { body }) })
            const { reply } = yield* UploadSession.probe(at, 1, { timeout: "1 second" })
            const error = yield* Either.flip(reply)
            assert.notInclude(`${error.message} ${JSON.stringify(error)}`, "canary")
          }
        }
      }))

    scenario("S38: from https to http is not followed", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.move({ origin: "http://vm-2.upload.pandastream.test" }) })
        const { error } = yield* fail(Upload.start(sourceOf(3000), options))
        assert.strictEqual(error._tag, "PandaUploadProtocolError")
        assert.deepStrictEqual(yield* routes, ["create", "chunk"])
      }), { uploadOrigin: "https://vm-1.upload.pandastream.test" })

    scenario("S38: from https to https is followed", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.move({ origin: "https://vm-2.upload.pandastream.test" }) })
        const { events } = yield* succeed(Upload.start(sourceOf(3000), options))
        assert.lengthOf(events.filter(({ _tag }) => _tag === "Moved"), 1)
        yield* arrived(bytesOf(3000))
      }), { uploadOrigin: "https://vm-1.upload.pandastream.test" })

    for (const status of [300, 302, 307]) {
      scenario(
        `S38: a ${status} that does not say where to is asked about once, then an error`,
        () =>
          Effect.gen(function*() {
            yield* inject({ route: "*", fault: Fault.status(status), skip: 1, times: Infinity })
            const { error } = yield* fail(Upload.start(sourceOf(3000), options))
            assert.strictEqual(error._tag, "PandaUploadProtocolError")
            assert.deepStrictEqual(yield* routes, ["create", "chunk", "probe"])
          })
      )
    }

    scenario("no credentials go to a location", () =>
      Effect.gen(function*() {
        yield* succeed(Upload.start(sourceOf(3000), options))
        for (const { parameters, route } of yield* requests) {
          if (route !== "create") assert.deepStrictEqual(Object.keys(parameters).filter((name) => name !== "id"), [])
        }
      }))
  })

  it.effect("gives up after fourteen failures, with waits up to half a minute, of which a random half falls away", () =>
    Effect.gen(function*() {
      const waits = Schedule.run(Schedule.delays(Upload.defaultRetry), 0, Array.from({ length: 20 }, () => gone))
      const [most, least] = [
        yield* Effect.withRandom(waits, Random.fixed([1])),
        yield* Effect.withRandom(waits, Random.fixed([0]))
      ].map((waits) => Array.from(waits, Duration.toMillis))
      const growing = [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000, 30_000, 30_000]
      assert.deepStrictEqual(most!.slice(0, 14), growing)
      assert.deepStrictEqual(least!.slice(0, 14), growing.map((millis) => millis / 2))
      assert.lengthOf(most!, 15)
    }))

  it.effect("hardly waits after a connection that broke, but once", () =>
    Effect.gen(function*() {
      const broken = new PandaTransportError({
        operation: "A.name",
        reason: "Other",
        ambiguous: true,
        host: "a.example"
      })
      const waits = Schedule.run(Schedule.delays(Upload.defaultRetry), 0, [broken, broken, gone])
      const [most, least] = [
        yield* Effect.withRandom(waits, Random.fixed([1])),
        yield* Effect.withRandom(waits, Random.fixed([0]))
      ].map((waits) => Array.from(waits, Duration.toMillis))
      assert.deepStrictEqual([most, least], [[10, 200, 400], [5, 100, 200]])
    }))

  describe("events", () => {
    const state: UploadState = {
      version: 1,
      id: Redacted.make("1"),
      location: Redacted.make("http://a.example/?id=1"),
      name: "movie.mp4",
      fingerprint: { size: 5 * 1024 ** 3, modified: undefined, digest: "d" },
      acknowledged: 1536,
      created: DateTime.unsafeMake(0),
      options: {}
    }
    const progress = { acknowledged: 1023, sent: 1023, size: 1024, bytesPerSecond: undefined, eta: undefined }
    it.each<[Upload.UploadEvent, string]>([
      [Upload.UploadEvent.Started({ state }), "Uploading movie.mp4, 5.0 GiB"],
      [Upload.UploadEvent.Resumed({ state }), "Resuming movie.mp4 at 1.5 KiB of 5.0 GiB"],
      [Upload.UploadEvent.Progress(progress), "1023 B of 1.0 KiB, 99 %"],
      [
        Upload.UploadEvent.Progress({ ...progress, bytesPerSecond: 3 * 1024 ** 2, eta: Duration.millis(1100) }),
        "1023 B of 1.0 KiB, 99 %, 3.0 MiB/s, 2 s left"
      ],
      [
        Upload.UploadEvent.Progress({ ...progress, acknowledged: 1024, bytesPerSecond: 0, eta: Duration.zero }),
        "1.0 KiB of 1.0 KiB, 100 %, 0 B/s"
      ],
      [
        Upload.UploadEvent.Progress({ ...progress, acknowledged: 1024 ** 4, size: 2048 * 1024 ** 4 }),
        "1.0 TiB of 2048.0 TiB, 0 %"
      ],
      [
        Upload.UploadEvent.Retrying({ error: gone, attempt: 2, delay: Duration.millis(1250) }),
        `Failure 2, asking the server in 1.3 s: ${gone.message}`
      ],
      [Upload.UploadEvent.Moved({ state }), "The server moved the session; following"],
      [Upload.UploadEvent.Restarted({ reason: "Expired", state }), "The session had expired; starting over"],
      [Upload.UploadEvent.Restarted({ reason: "Changed", state }), "The source had changed; starting over"],
      [
        Upload.UploadEvent.Restarted({ reason: "Rewound", state }),
        "The server went back; sending again from 1.5 KiB"
      ]
    ])("are told in a line: %#", (event, line) => assert.strictEqual(Upload.describe(event), line))

    scenario("S32: progress goes on through resets, and is whole only with the video", () =>
      Effect.gen(function*() {
        const broken = { route: "chunk", fault: Fault.resetDuring({ after: 400 }) }
        const { get, onState } = yield* keeper
        yield* inject({ ...broken, skip: 1 })
        yield* inject({ route: "chunk", fault: Fault.stall, skip: 3 })
        const left = yield* runFor("10 seconds", Upload.start(sourceOf(8000), { ...options, onState }))
        yield* inject({ ...broken, times: 2 })
        const { events: rest } = yield* succeed(Upload.resume(yield* get, sourceOf(8000), options))
        const events = [...left, ...rest]
        assert.strictEqual(events.filter(({ _tag }) => _tag === "Retrying").length, 3)
        const progress = events.flatMap((event) => event._tag === "Progress" ? [event] : [])
        const acknowledged = progress.map(({ acknowledged }) => acknowledged)
        assert.deepStrictEqual(acknowledged, [...acknowledged].sort((a, b) => a - b))
        assert.isTrue(progress.every(({ acknowledged, sent, size }) => acknowledged <= sent && sent <= size))
        assert.deepStrictEqual(events.slice(-2).map(({ _tag }) => _tag), ["Progress", "Uploaded"])
        assert.deepStrictEqual(acknowledged.filter((count) => count === 8000), [8000])
        // Who goes on begins where it was left, not at zero.
        const last = left.filter(({ _tag }) => _tag === "Progress").at(-1)
        const first = rest.find(({ _tag }) => _tag === "Progress")
        assert(last?._tag === "Progress" && first?._tag === "Progress")
        assert.isAbove(last.acknowledged, 1000)
        assert.isAtLeast(first.acknowledged, last.acknowledged)
      }))

    scenario("S33: a slow looker-on holds nothing up, and sees the latest", () =>
      Effect.gen(function*() {
        const seen: Array<Upload.UploadEvent> = []
        yield* inject({ route: "chunk", fault: Fault.delay("1 second"), times: Infinity })
        const fiber = yield* Effect.fork(
          Upload.start(sourceOf(20 * CHUNK), options).pipe(
            Stream.tap((event) => Effect.sync(() => seen.push(event))),
            Stream.tap(() => Effect.sleep("7 seconds")),
            Upload.video
          )
        )
        yield* TestClock.adjust("1 hour")
        yield* Fiber.join(fiber)
        const [first, last] = [(yield* requests)[0]!, (yield* requests).at(-1)!]
        assert.strictEqual(last.at - first.at, 20_000 - 1000)
        assert.isBelow(seen.length, 10)
        assert.strictEqual(seen[0]?._tag, "Started")
        assert.strictEqual(seen.at(-1)?._tag, "Uploaded")
      }))

    scenario("speed is that of sending, and the rest follows from it", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.delay("1 second"), times: Infinity })
        const { events } = yield* succeed(Upload.start(sourceOf(10 * CHUNK), options))
        const progress = events.flatMap((event) => event._tag === "Progress" ? [event] : [])
        assert.strictEqual(progress.length, 10)
        assert.deepStrictEqual(progress.map(({ bytesPerSecond }) => bytesPerSecond), Array(10).fill(1000))
        assert.deepStrictEqual(
          progress.map(({ eta }) => eta && Duration.toSeconds(eta)),
          [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
        )
      }))

    scenario("chunks adapt to the speed", () =>
      Effect.gen(function*() {
        const size = 150 * 1024 * 1024
        yield* inject({ route: "chunk", fault: Fault.delay("1 second"), times: Infinity })
        yield* succeed(Upload.start(UploadSource.fromBytes(new Uint8Array(size), { name: "a" }), {}))
        const lengths = (yield* requests).slice(1).map(({ bodyLength }) => bodyLength / (1024 * 1024))
        // Four seconds of 8 MiB/s, then of 32 MiB/s; nothing is left that is small.
        assert.deepStrictEqual(lengths, [8, 32, 110])
      }))

    scenario("each event has a line", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.move() })
        yield* inject({ route: "chunk", fault: Fault.expire(), skip: 1 })
        const { events } = yield* succeed(Upload.start(sourceOf(2500), { ...options, onExpired: "restart" }))
        assert.deepStrictEqual(
          Array.from(new Set(events.map(({ _tag }) => _tag))).sort(),
          ["Moved", "Progress", "Restarted", "Retrying", "Started", "Uploaded"]
        )
        const state = yield* interrupted(2500)
        for (const event of [...events, Upload.UploadEvent.Resumed({ state })]) {
          const line = Upload.describe(event)
          assert.isAbove(line.length, 5)
          assert.notInclude(line, "\n")
        }
      }))
  })
})

/** An upload that got so far and was left, with the state it can be resumed from. */
const interrupted = (size: number, chunks = 1) =>
  Effect.gen(function*() {
    let state: UploadState | undefined
    let count = 0
    yield* inject({ route: "chunk", fault: Fault.stall, skip: chunks })
    const fiber = yield* Effect.fork(Upload.video(Upload.start(sourceOf(size), {
      ...options,
      onState: (next) =>
        Effect.sync(() => {
          state = next
          count++
        })
    })))
    yield* TestClock.adjust("1 second")
    yield* Fiber.interrupt(fiber)
    assert.isAtLeast(count, 1)
    return state!
  })
