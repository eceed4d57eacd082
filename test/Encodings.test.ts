import { assert, describe } from "@effect/vitest"
import { assertNone } from "@effect/vitest/utils"
import { Array as Arr, Chunk, Duration, Effect, Fiber, Option, Schedule, Schema, Stream, TestClock } from "effect"
import * as Encodings from "effect-panda/Encodings"
import * as PandaClient from "effect-panda/PandaClient"
import { Fault } from "effect-panda/PandaEmulator"
import * as Profiles from "effect-panda/Profiles"
import * as Videos from "effect-panda/Videos"
import { counted, inject, inTime, panda, refused, seen, test } from "./client/panda.js"

const source_url = "http://a.example/b.mp4"

describe("operations", () => {
  test(
    "list filters, all goes through every page",
    Effect.gen(function*() {
      assert.lengthOf(yield* Encodings.list({ profile_name: "webm" }), 100)
      const [all, requests] = yield* counted(Stream.runCollect(Encodings.all()))
      assert.strictEqual(all.length, 240)
      assert.strictEqual(requests, 6)
      const [video] = yield* Videos.list({ per_page: 1 })
      const own = yield* Encodings.list({ video_id: video!.id })
      assert.sameMembers(own.map((encoding) => encoding.profile_name), ["h264", "webm"])
      assert.deepStrictEqual(yield* Encodings.list({ status: "processing" }), [])
    }),
    { videos: 120 }
  )

  test(
    "create by the profile's name or id, find, delete",
    Effect.gen(function*() {
      const [video] = yield* Videos.list()
      const [profile] = yield* (yield* panda).profiles
      const byName = yield* Encodings.create({ video_id: video!.id, profile_name: "webm" })
      assert.deepInclude(byName, {
        status: "processing",
        encoding_progress: 0,
        profile_name: "webm",
        video_id: video!.id
      })
      assert.deepStrictEqual(byName.files, [])
      assert.isTrue(Encodings.isProcessing(byName))
      const byId = yield* Encodings.create({ video_id: video!.id, profile_id: String(profile!["id"]) })
      assert.strictEqual(byId.profile_id, profile!["id"])
      yield* TestClock.adjust("10 seconds")
      const done = yield* Encodings.find(byName.id)
      assert.deepInclude(done, { status: "success", encoding_progress: 100, encoding_time: 10 })
      assert.isFalse(Encodings.isProcessing(done))
      yield* Encodings.delete(byName.id)
      assert.strictEqual((yield* Effect.flip(Encodings.find(byName.id)))._tag, "PandaNotFound")
    }),
    { videos: 1 }
  )

  test(
    "a profile or a video that is not there",
    Effect.gen(function*() {
      const [video] = yield* Videos.list()
      const params = [
        { video_id: video!.id, profile_name: "none" },
        { video_id: video!.id, profile_id: "none" },
        { video_id: "none", profile_name: "h264" }
      ]
      for (const missing of params) {
        assert.strictEqual((yield* Effect.flip(Encodings.create(missing)))._tag, "PandaNotFound")
      }
    }),
    { videos: 1 }
  )
})

describe("first, findByProfileName, where, reload", () => {
  test(
    "first is the newest that passes the filter, or none",
    Effect.gen(function*() {
      const [newest] = yield* Encodings.list()
      assert.deepStrictEqual(yield* counted(Encodings.first()), [Option.some(newest!), 1])
      assertNone(yield* Encodings.first({ status: "fail" }))
    }),
    { videos: 2 }
  )

  test(
    "findByProfileName is the newest of a profile, or of a video",
    Effect.gen(function*() {
      const [newer, older] = yield* Videos.list()
      const found = Option.getOrThrow(yield* Encodings.findByProfileName("webm"))
      assert.deepInclude(found, { video_id: newer!.id, profile_name: "webm" })
      const own = Option.getOrThrow(yield* Encodings.findByProfileName("h264", { video_id: older!.id }))
      assert.deepInclude(own, { video_id: older!.id, profile_name: "h264" })
      assertNone(yield* Encodings.findByProfileName("none"))
    }),
    { videos: 2 }
  )

  test(
    "where looks through all pages of what the filter lets through",
    Effect.gen(function*() {
      const [video] = yield* Videos.list()
      const [found, requests] = yield* counted(
        Stream.runCollect(Encodings.where(({ video_id }) => video_id === video!.id, { profile_name: "webm" }))
      )
      assert.strictEqual(found.length, 1)
      assert.strictEqual(requests, 4)
    }),
    { videos: 120 }
  )

  test(
    "reload gives the encoding as it is now",
    Effect.gen(function*() {
      const { id } = yield* Videos.create({ source_url, profiles: ["h264"] })
      const [encoding] = yield* Videos.encodings(id)
      const guards = [Encodings.isProcessing, Encodings.isSuccess, Encodings.isFail]
      assert.deepStrictEqual(guards.map((is) => is(encoding!)), [true, false, false])
      yield* TestClock.adjust("1 minute")
      const now = yield* Encodings.reload(encoding!)
      assert.deepStrictEqual(guards.map((is) => is(now)), [false, true, false])
      assert.deepStrictEqual(yield* Encodings.find(encoding!.id), now)
    })
  )
})

describe("cancel, retry", () => {
  test(
    "an encoding that is processing fails, and is encoded again",
    Effect.gen(function*() {
      const { id } = yield* Videos.create({ source_url, profiles: ["h264"] })
      const [encoding] = yield* Videos.encodings(id)
      assert.isUndefined(yield* Encodings.cancel(encoding!))
      assert.isTrue(Encodings.isFail(yield* Encodings.reload(encoding!)))
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(yield* Encodings.retry(encoding!.id))
      assert.deepInclude(yield* Encodings.reload(encoding!), { status: "processing", encoding_progress: 0 })
      yield* TestClock.adjust("1 minute")
      assert.isTrue(Encodings.isSuccess(yield* Encodings.reload(encoding!)))
    })
  )

  test(
    "only what has failed can be encoded again",
    Effect.gen(function*() {
      const [encoding] = yield* Encodings.list()
      const error = yield* Effect.flip(Encodings.retry(encoding!))
      assert.deepInclude({ ...error }, {
        _tag: "PandaRejected",
        operation: "Encodings.retry",
        description: "Only failed encodings can be retried"
      } as never)
      for (const run of [Encodings.cancel, Encodings.retry, Encodings.delete]) {
        assert.strictEqual((yield* Effect.flip(run("none")))._tag, "PandaNotFound")
      }
    }),
    { videos: 1 }
  )

  for (const [name, run] of Object.entries({ cancel: Encodings.cancel, retry: Encodings.retry })) {
    test(
      `${name} takes whatever Panda answers but an error, and is not repeated if it may have been carried out`,
      Effect.gen(function*() {
        const bodies = ["", "\r\n", "null", "true", "\"ok\"", `{"canceled":"ok"}`, `{"retried":false}`]
        for (const body of bodies) {
          yield* inject(Fault.malformed(body))
          assert.isUndefined(yield* run("e"))
        }
        yield* inject(Fault.errorBody({ error: "RecordNotFound", message: "m" }))
        assert.strictEqual((yield* Effect.flip(run("e")))._tag, "PandaNotFound")
        yield* inject(Fault.malformed("<html>"))
        assert.strictEqual((yield* Effect.flip(run("e")))._tag, "PandaDecodeError")
        yield* inject(Fault.resetAfter)
        const [error, requests] = yield* counted(inTime(Effect.flip(run("e"))))
        assert.strictEqual(error._tag, "PandaTransportError")
        assert.strictEqual(requests, 1)
      })
    )
  }
})

describe("video, profile", () => {
  test(
    "lead back to what an encoding was made from",
    Effect.gen(function*() {
      const [video] = yield* Videos.list()
      const encoding = Option.getOrThrow(yield* Encodings.findByProfileName("webm"))
      assert.deepStrictEqual(yield* Encodings.video(encoding), video)
      const profile = yield* Profiles.find("webm")
      assert.deepStrictEqual(yield* Encodings.profile(encoding), profile)
      assert.deepStrictEqual(yield* Encodings.profile({ ...encoding, profile_id: undefined }), profile)
      yield* Profiles.delete("webm")
      const error = yield* Effect.flip(Encodings.profile(encoding))
      assert.deepInclude({ ...error }, { _tag: "PandaNotFound", operation: "Encodings.profile" } as never)
    }),
    { videos: 1 }
  )
})

describe("urls", () => {
  const encoding = (attributes: Record<string, unknown>) =>
    Schema.decodeUnknownSync(Encodings.Encoding)({ id: "e", path: "a b/é", extname: ".mp4", ...attributes })
  const cloud = { url: "http://bucket.s3.amazonaws.com/" }

  test(
    "of files are the cloud's url and the key, escaped",
    Effect.sync(() => {
      const done = encoding({ files: ["a b/é.mp4", "a b/é_1.jpg"] })
      const root = "bucket.s3.amazonaws.com/a%20b/%C3%A9"
      assert.deepStrictEqual(Encodings.url(done, cloud), Option.some(`http://${root}.mp4`))
      assert.deepStrictEqual(Encodings.url(done, cloud, { https: true }), Option.some(`https://${root}.mp4`))
      assert.deepStrictEqual(Encodings.urls(done, cloud), [`http://${root}.mp4`, `http://${root}_1.jpg`])
      const pathStyle = { url: "http://s3.amazonaws.com/bucket" }
      assert.deepStrictEqual(
        Encodings.url(done, pathStyle),
        Option.some("http://s3.amazonaws.com/bucket/a%20b/%C3%A9.mp4")
      )
    })
  )

  test(
    "are none as long as there is no file, or no place for it",
    Effect.sync(() => {
      assertNone(Encodings.url(encoding({ files: [] }), cloud))
      assertNone(Encodings.url(encoding({ files: ["a b/é.webm"] }), cloud))
      assertNone(Encodings.url(encoding({ path: null, files: [".mp4"] }), cloud))
      assertNone(Encodings.url(encoding({ files: ["a b/é.mp4"] }), {}))
      assert.deepStrictEqual(Encodings.urls(encoding({ files: null }), cloud), [])
      assert.deepStrictEqual(Encodings.urls(encoding({ files: ["x"] }), { url: undefined }), [])
      const bare = encoding({ path: "x", extname: null, files: ["x"] })
      assert.deepStrictEqual(Encodings.url(bare, cloud), Option.some("http://bucket.s3.amazonaws.com/x"))
    })
  )
})

describe("screenshots and log", () => {
  const encoding = (attributes: Record<string, unknown> = {}) =>
    Schema.decodeUnknownSync(Encodings.Encoding)({ id: "e", status: "success", path: "a b/é", ...attributes })
  const cloud = { url: "http://bucket.s3.amazonaws.com/" }
  const profile = (frame_count: unknown) =>
    Schema.decodeUnknownSync(Profiles.Profile)({ id: "p", ...(frame_count === undefined ? {} : { frame_count }) })
  const shots = (count: number, scheme = "http") =>
    Array.from({ length: count }, (_, i) => `${scheme}://bucket.s3.amazonaws.com/a%20b/%C3%A9_${i + 1}.jpg`)

  test(
    "screenshots are as many as the profile says, seven if it says nothing",
    Effect.sync(() => {
      assert.deepStrictEqual(Encodings.screenshots(encoding(), cloud), shots(7))
      assert.deepStrictEqual(Encodings.screenshots(encoding(), cloud, { https: true }), shots(7, "https"))
      const counts: ReadonlyArray<readonly [unknown, number]> = [
        [undefined, 7],
        [null, 7],
        [0, 0],
        [3, 3],
        ["3", 3],
        [2.5, 2],
        [-1, 0]
      ]
      for (const [frame_count, count] of counts) {
        const found = Encodings.screenshots(encoding(), cloud, { profile: profile(frame_count) })
        assert.deepStrictEqual(found, shots(count), String(frame_count))
      }
      // What a server says must not fill the memory.
      assert.isBelow(Encodings.screenshots(encoding(), cloud, { profile: profile(1e300) }).length, 100_000)
    })
  )

  test(
    "there are none before it is done, and none of what failed",
    Effect.sync(() => {
      for (const attributes of [{ status: "processing" }, { status: "fail" }, { status: null }, { path: null }]) {
        assert.deepStrictEqual(Encodings.screenshots(encoding(attributes), cloud), [])
      }
      assert.deepStrictEqual(Encodings.screenshots(encoding(), {}), [])
    })
  )

  test(
    "those of a thumbnail profile are its files",
    Effect.gen(function*() {
      const { id } = yield* Videos.create({ source_url, profiles: ["shots"] })
      const [encoding] = yield* inTime(Encodings.awaitVideo(id))
      const files = Encodings.urls(encoding!, cloud)
      assert.lengthOf(files, 3)
      const profile = yield* Encodings.profile(encoding!)
      assert.deepStrictEqual(Encodings.screenshots(encoding!, cloud, { profile }), files)
    }),
    { profiles: [{ preset_name: "thumbnail", name: "shots", frame_count: 3 }] }
  )

  test(
    "there is a log of what failed, and of nothing else",
    Effect.sync(() => {
      const failed = encoding({ status: "fail" })
      const log = "bucket.s3.amazonaws.com/a%20b/%C3%A9.log"
      assert.deepStrictEqual(Encodings.logUrl(failed, cloud), Option.some(`http://${log}`))
      assert.deepStrictEqual(Encodings.logUrl(failed, cloud, { https: true }), Option.some(`https://${log}`))
      for (const none of [encoding(), encoding({ status: "processing" }), encoding({ status: "fail", path: null })]) {
        assertNone(Encodings.logUrl(none, cloud))
      }
      assertNone(Encodings.logUrl(failed, {}))
    })
  )
})

describe("toJson and dup", () => {
  test(
    "have every attribute, those we do not know too; dup has no id",
    Effect.gen(function*() {
      const received = { id: "e", status: "queued", files: ["a"], encoding_progress: "9", lock_version: 3 }
      const encoding = yield* Schema.decodeUnknown(Encodings.Encoding)(received)
      assert.deepStrictEqual(JSON.parse(Encodings.toJson(encoding)), received)
      assert.include(Encodings.toJson(encoding, 4), "\n    \"lock_version\": 3")
      const { id: _, ...rest } = encoding
      assert.deepStrictEqual(Encodings.dup(encoding), rest)
    })
  )
})

/** Of one profile, begun just now. */
const begun = Effect.gen(function*() {
  const { id } = yield* Videos.create({ source_url, profiles: ["h264"] })
  const [encoding] = yield* Videos.encodings(id)
  return encoding!
})

describe("watch", () => {
  test(
    "emits when something has changed, and ends when it is done",
    Effect.gen(function*() {
      const encoding = yield* begun
      const schedule = Schedule.spaced("50 millis")
      const watching = Stream.runCollect(Encodings.watch(encoding, { schedule }))
      const [emissions, requests] = yield* counted(inTime(watching))
      assert.deepStrictEqual(
        Array.from(emissions, ({ encoding_progress, status }) => [status, encoding_progress]),
        [
          ...Array.from({ length: 100 }, (_, i) => ["processing", i]),
          ["success", 100]
        ]
      )
      // A hundredth of ten seconds is two looks.
      assert.strictEqual(requests, 201)
    })
  )

  test(
    "by default looks ever less often, at last every 15 seconds",
    Effect.gen(function*() {
      const { id } = yield* begun
      const since = (yield* seen).length
      yield* inTime(Stream.runDrain(Encodings.watch(id)))
      const at = (yield* seen).slice(since).map(({ at }) => at)
      const delays = at.slice(1).map((time, i) => time - at[i]!)
      assert.deepStrictEqual(delays.slice(0, 6).map(Math.round), [1000, 1500, 2250, 3375, 5063, 7594])
      assert.isTrue(delays.slice(7).every((delay) => delay === 15_000))
      assert.isAbove(delays.length, 8)
    }),
    { encodingTime: "2 minutes" }
  )

  test(
    "of what is done is one emission of one request",
    Effect.gen(function*() {
      const [encoding] = yield* Encodings.list()
      const [emissions, requests] = yield* counted(Stream.runCollect(Encodings.watch(encoding!)))
      assert.deepStrictEqual(Chunk.toArray(emissions), [encoding!])
      assert.strictEqual(requests, 1)
    }),
    { videos: 1 }
  )

  test(
    "goes on through an outage, however long",
    Effect.gen(function*() {
      const encoding = yield* begun
      yield* inject(Fault.status(503), { skip: 1, times: 60 })
      const last = Option.getOrThrow(yield* inTime(Stream.runLast(Encodings.watch(encoding))))
      assert.strictEqual(last.status, "success")
    })
  )

  test(
    "fails with the last failure where its schedule ends before anything was seen",
    Effect.gen(function*() {
      const encoding = yield* begun
      yield* inject(Fault.status(503), { times: Infinity })
      const schedule = Schedule.recurs(2)
      const nothing = yield* inTime(Effect.flip(Stream.runDrain(Encodings.watch(encoding, { schedule }))))
      assert.strictEqual(nothing._tag, "PandaServerError")
      const all = yield* inTime(Effect.flip(Stream.runDrain(Encodings.watchVideo(encoding.video_id!, { schedule }))))
      assert.strictEqual(all._tag, "PandaServerError")
    })
  )

  test(
    "fails at once where trying again does not help",
    Effect.gen(function*() {
      const encoding = yield* begun
      yield* inject(Fault.status(403))
      const error = yield* Effect.flip(Stream.runDrain(Encodings.watch(encoding)))
      assert.deepInclude({ ...error }, { _tag: "PandaRejected", operation: "Encodings.find" } as never)
    })
  )

  test(
    "of what is not found at first looks a few times more, and fails at once when it was found before",
    Effect.gen(function*() {
      const { id } = yield* begun
      yield* inject(Fault.status(404), { times: 3 })
      const last = Option.getOrThrow(yield* inTime(Stream.runLast(Encodings.watch(id))))
      assert.strictEqual(last.status, "success")
      const [error, requests] = yield* counted(Effect.flip(inTime(Stream.runDrain(Encodings.watch("none")))))
      assert.strictEqual(error._tag, "PandaNotFound")
      assert.strictEqual(requests, 4)
      const schedule = Schedule.recurs(1)
      assert.strictEqual((yield* Effect.flip(Encodings.awaitDone("none", { schedule })))._tag, "PandaNotFound")
      const other = yield* begun
      yield* inject(Fault.status(404), { skip: 1 })
      const gone = yield* counted(Effect.flip(inTime(Stream.runDrain(Encodings.watch(other)))))
      assert.deepStrictEqual([gone[0]._tag, gone[1]], ["PandaNotFound", 2])
    })
  )
})

describe("awaitDone", () => {
  const failure = { error_class: "EncodingError", error_message: "exit status 1" }

  test(
    "gives the encoding once it is done",
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Encodings.awaitDone(yield* begun))
      yield* TestClock.adjust("9 seconds")
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust("10 seconds")
      assert.deepInclude(yield* Fiber.join(fiber), { status: "success", encoding_progress: 100 })
    })
  )

  test(
    "a failed one is a value, or an error for who asks",
    Effect.gen(function*() {
      yield* (yield* panda).failProfile("h264", failure)
      const { id } = yield* begun
      assert.deepInclude(yield* inTime(Encodings.awaitDone(id)), { status: "fail", ...failure })
      const error = yield* Effect.flip(inTime(Encodings.awaitDone(id, { failOnError: true })))
      assert.deepStrictEqual({ ...error }, {
        _tag: "PandaEncodingFailed",
        operation: "Encodings.awaitDone",
        id,
        profile_name: "h264",
        ...failure,
        isRetryable: false
      } as never)
      assert.match(error.message, new RegExp(`^Encodings.awaitDone: encoding ${id} \\(h264\\) failed: EncodingError, `))
    })
  )

  for (const status of [`,"status":"queued"`, `,"status":"waiting"`, `,"status":null`, `,"status":7`, ""]) {
    test(
      `with another status (${status.slice(1)}) it is not done`,
      Effect.gen(function*() {
        yield* inject(Fault.malformed(`{"id":"e"${status}}`), { times: 1000 })
        const timeout = "10 minutes"
        for (
          const waiting of [
            Encodings.awaitDone("e", { timeout }),
            Encodings.awaitDone("e", { timeout, failOnError: true })
          ]
        ) {
          assert.strictEqual((yield* Effect.flip(inTime(waiting)))._tag, "PandaStillProcessing")
        }
      })
    )
  }

  test(
    "survives an outage of minutes without retries of its own, up to its timeout",
    Effect.gen(function*() {
      const { id } = yield* begun
      yield* inject(Fault.status(503), { times: 30 })
      const waiting = Encodings.awaitDone(id, { timeout: "1 hour" }).pipe(PandaClient.withRetry("none"))
      assert.strictEqual((yield* inTime(waiting)).status, "success")
      yield* inject(Fault.resetBefore, { times: 1000 })
      const short = Encodings.awaitDone(id, { timeout: "5 minutes" })
      assert.strictEqual((yield* Effect.flip(inTime(short)))._tag, "PandaStillProcessing")
    })
  )

  test(
    "a failure of which Panda says nothing",
    Effect.gen(function*() {
      yield* inject(Fault.malformed(`{"id":"e","status":"fail"}`))
      const error = yield* Effect.flip(Encodings.awaitDone("e", { failOnError: true }))
      assert.match(error.message, /encoding e failed: Panda does not say why\. /)
    })
  )

  test(
    "after the timeout it is still processing, and nothing more is asked",
    Effect.gen(function*() {
      const { id } = yield* begun
      const fiber = yield* Effect.fork(Effect.flip(Encodings.awaitDone(id, { timeout: Duration.seconds(7) })))
      yield* TestClock.adjust("6999 millis")
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(fiber)
      assert.deepInclude({ ...error }, {
        _tag: "PandaStillProcessing",
        operation: "Encodings.awaitDone",
        id,
        isRetryable: true
      } as never)
      const { length } = yield* seen
      yield* TestClock.adjust("1 hour")
      assert.lengthOf(yield* seen, length)
    })
  )

  test(
    "the timeout counts while Panda does not answer",
    Effect.gen(function*() {
      const { id } = yield* begun
      yield* inject(Fault.stall, { times: 100 })
      const fiber = yield* Effect.fork(Effect.flip(Encodings.awaitDone(id, { timeout: "5 seconds" })))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "PandaStillProcessing")
    })
  )

  test(
    "with a schedule that ends before it is done, it is still processing",
    Effect.gen(function*() {
      const encoding = yield* begun
      const schedule = Schedule.spaced("1 second").pipe(Schedule.intersect(Schedule.recurs(3)))
      const [error, requests] = yield* counted(Effect.flip(inTime(Encodings.awaitDone(encoding, { schedule }))))
      assert.strictEqual(error._tag, "PandaStillProcessing")
      assert.strictEqual(requests, 4)
      const long = Schedule.spaced("4 seconds").pipe(Schedule.intersect(Schedule.recurs(3)))
      assert.strictEqual((yield* inTime(Encodings.awaitDone(encoding, { schedule: long }))).status, "success")
    })
  )
})

describe("watchVideo", () => {
  /** What each emission says: status and progress of each encoding. */
  const shown = (emissions: Iterable<ReadonlyArray<Encodings.Encoding>>) =>
    Array.from(
      emissions,
      (encodings) =>
        encodings.map((encoding) => `${encoding.profile_name} ${encoding.status} ${encoding.encoding_progress}`).join(
          ", "
        )
    )

  const everySecond = { schedule: Schedule.spaced("1 second") }

  test(
    "emits when something has changed, and ends when nothing is processing",
    Effect.gen(function*() {
      const { id } = yield* Videos.create({ source_url, profiles: ["h264"] })
      yield* TestClock.adjust("2 seconds")
      yield* Videos.list()
      const { id: encoding } = yield* Encodings.create({ video_id: id, profile_name: "webm" })
      const fiber = yield* Effect.fork(
        Stream.runCollect(Encodings.watchVideo(id, { schedule: Schedule.spaced("2 seconds") }))
      )
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(shown(yield* Fiber.join(fiber)), [
        "webm processing 0, h264 processing 20",
        "webm processing 20, h264 processing 40",
        "webm processing 40, h264 processing 60",
        "webm processing 60, h264 processing 80",
        "webm processing 80, h264 success 100",
        "webm success 100, h264 success 100"
      ])
      assert.strictEqual((yield* Encodings.find(encoding)).status, "success")
    })
  )

  test(
    "does not emit what it has emitted already",
    Effect.gen(function*() {
      const { id } = yield* Videos.create({ source_url, profiles: ["h264"] })
      // A hundredth in two seconds. That there is no second page is asked once.
      const watching = Encodings.watchVideo(id, everySecond).pipe(Stream.take(4), Stream.runCollect)
      const [emissions, requests] = yield* counted(inTime(watching))
      assert.deepStrictEqual(shown(emissions), [0, 1, 2, 3].map((progress) => `h264 processing ${progress}`))
      assert.strictEqual(requests, 8)
    }),
    { encodingTime: "200 seconds" }
  )

  test(
    "looks after a second, then ever less often, at last every 15 seconds",
    Effect.gen(function*() {
      const { id } = yield* Videos.create({ source_url, profiles: ["h264"] })
      yield* inTime(Stream.runDrain(Encodings.watchVideo(id)))
      const at = Arr.dedupe((yield* seen).filter(({ method }) => method === "GET").map(({ at }) => at / 1000))
      const delays = at.slice(1).map((time, i) => time - at[i]!)
      assert.deepStrictEqual(delays.slice(0, 4).map((delay) => Math.round(delay * 1000)), [1000, 1500, 2250, 3375])
      assert.isTrue(delays.every((delay, i) => delay <= 15 && (i === 0 || delay >= delays[i - 1]!)))
      assert.strictEqual(delays.at(-1), 15)
    }),
    { encodingTime: "3 minutes" }
  )

  test(
    "of a video without encodings waits for its source, and emits that there are none",
    Effect.gen(function*() {
      const { id } = yield* Videos.create({ source_url, profiles: "none" })
      const watching = Stream.runCollect(Encodings.watchVideo(id, everySecond))
      const [emissions, requests] = yield* counted(inTime(watching))
      assert.deepStrictEqual(Chunk.toArray(emissions), [[]])
      // The source is there after three seconds: four looks, two requests each, and the list once more.
      assert.strictEqual(requests, 9)
    }),
    { encodingTime: "30 seconds" }
  )

  test(
    "of a video whose source failed ends",
    Effect.gen(function*() {
      const { id } = yield* Videos.create({ source_url, profiles: "none" })
      yield* (yield* panda).failVideo(id, { error_class: "DownloadFailed", error_message: "404" })
      assert.deepStrictEqual(yield* inTime(Encodings.awaitVideo(id)), [])
    })
  )

  test(
    "ends with its schedule",
    Effect.gen(function*() {
      const { id } = yield* Videos.create({ source_url, profiles: ["h264"] })
      const schedule = Schedule.spaced("1 second").pipe(Schedule.intersect(Schedule.recurs(2)))
      const emissions = yield* inTime(Stream.runCollect(Encodings.watchVideo(id, { schedule })))
      assert.deepStrictEqual(shown(emissions), [0, 10, 20].map((progress) => `h264 processing ${progress}`))
    })
  )

  test(
    "of a video that is not there fails",
    Effect.gen(function*() {
      const error = yield* Effect.flip(inTime(Stream.runDrain(Encodings.watchVideo("none"))))
      assert.deepInclude({ ...error }, { _tag: "PandaNotFound", operation: "Encodings.watchVideo" } as never)
    })
  )

  test(
    "asks nothing before it is pulled, and nothing after it is left",
    Effect.gen(function*() {
      const { id } = yield* Videos.create({ source_url })
      const watching = Encodings.watchVideo(id)
      assert.lengthOf(yield* seen, 1)
      yield* Stream.runDrain(Stream.take(watching, 1))
      yield* TestClock.adjust("1 hour")
      assert.lengthOf(yield* seen, 3)
    })
  )
})

describe("awaitVideo", () => {
  test(
    "gives all encodings when the last one is done; a failed one is a value",
    Effect.gen(function*() {
      const failure = { error_class: "EncodingError", error_message: "exit status 1" }
      yield* (yield* panda).failProfile("webm", failure)
      const { id } = yield* Videos.create({ source_url })
      const fiber = yield* Effect.fork(Encodings.awaitVideo(id))
      yield* TestClock.adjust("9 seconds")
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust("15 seconds")
      const encodings = yield* Fiber.join(fiber)
      const [webm, h264, ...others] = encodings
      assert.isEmpty(others)
      assert.deepInclude(webm, { profile_name: "webm", status: "fail", ...failure })
      assert.deepInclude(h264, { profile_name: "h264", status: "success", error_class: undefined })
      assert.deepStrictEqual(h264!.files, [`${h264!.path}${h264!.extname}`])
    })
  )

  test(
    "a failed one is an error for who asks, once all are done",
    Effect.gen(function*() {
      const failure = { error_class: "EncodingError", error_message: "exit status 1" }
      yield* (yield* panda).failProfile("webm", failure)
      const video = yield* Videos.create({ source_url })
      const fiber = yield* Effect.fork(Effect.flip(Encodings.awaitVideo(video, { failOnError: true })))
      yield* TestClock.adjust("9 seconds")
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust("1 minute")
      const failed = Option.getOrThrow(yield* Encodings.findByProfileName("webm"))
      assert.deepInclude({ ...(yield* Fiber.join(fiber)) }, {
        _tag: "PandaEncodingFailed",
        operation: "Encodings.awaitVideo",
        id: failed.id,
        profile_name: "webm",
        ...failure
      } as never)
    })
  )

  test(
    "after the timeout it is still processing",
    Effect.gen(function*() {
      const { id } = yield* Videos.create({ source_url })
      const fiber = yield* Effect.fork(Effect.flip(Encodings.awaitVideo(id, { timeout: "7 seconds" })))
      yield* TestClock.adjust("7 seconds")
      assert.deepInclude({ ...(yield* Fiber.join(fiber)) }, {
        _tag: "PandaStillProcessing",
        operation: "Encodings.awaitVideo",
        id
      } as never)
    })
  )

  for (const profiles of [["h264"], "none"] as const) {
    test(
      `with a schedule that ends before the video (profiles: ${profiles}) is done, it is still processing`,
      Effect.gen(function*() {
        const video = yield* Videos.create({ source_url, profiles })
        const schedule = Schedule.spaced("1 second").pipe(Schedule.intersect(Schedule.recurs(2)))
        const error = yield* Effect.flip(inTime(Encodings.awaitVideo(video, { schedule })))
        assert.strictEqual(error._tag, "PandaStillProcessing")
        assert.lengthOf(yield* inTime(Encodings.awaitVideo(video)), profiles === "none" ? 0 : 1)
      }),
      { encodingTime: "1 minute" }
    )
  }

  test(
    "of a video without encodings waits for its source",
    Effect.gen(function*() {
      const { id } = yield* Videos.create({ source_url, profiles: "none" })
      const fiber = yield* Effect.fork(Encodings.awaitVideo(id))
      yield* TestClock.adjust("2 seconds")
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* Fiber.join(fiber), [])
    }),
    { encodingTime: "30 seconds" }
  )

  test(
    "survives an outage while it waits",
    Effect.gen(function*() {
      const { id } = yield* Videos.create({ source_url, profiles: ["h264"] })
      yield* inject(Fault.status(503, { retryAfter: 5 }), { skip: 1, times: 3 })
      yield* inject(Fault.resetAfter, { skip: 2 })
      yield* inject(Fault.stall, { skip: 3 })
      const [encoding] = yield* inTime(Encodings.awaitVideo(id))
      assert.strictEqual(encoding!.status, "success")
    }),
    { encodingTime: "2 minutes" }
  )

  /** Answers with what comes next, and then with the last of it for ever. */
  const answering = (route: string, ...answers: ReadonlyArray<unknown>) =>
    Effect.forEach(
      answers,
      (answer, i) =>
        inject(Fault.malformed(JSON.stringify(answer)), { route, times: i === answers.length - 1 ? 1000 : 1 })
    )
  const encoding = (id: string, status: string) => ({ id, status })

  test(
    "counts none only after the video was seen to be done",
    Effect.gen(function*() {
      yield* answering("GET /videos/:id.json", { id: "v", status: "success" })
      yield* answering("GET /encodings.json", [], [encoding("e", "processing")], [], [encoding("e", "success")])
      const found = yield* inTime(Encodings.awaitVideo("v", { timeout: "10 minutes" }))
      assert.deepStrictEqual(found, [encoding("e", "success")])
    })
  )

  test(
    "of a pipeline sees the encodings that begin when those before are done",
    Effect.gen(function*() {
      const both = (child: string) => [encoding("child", child), encoding("parent", "success")]
      yield* answering(
        "GET /encodings.json",
        [encoding("parent", "success")],
        [],
        both("processing"),
        [],
        both("success"),
        both("success"),
        []
      )
      assert.lengthOf(yield* inTime(Encodings.awaitVideo("v", { timeout: "10 minutes" })), 2)
    })
  )

  test(
    "of a pipeline waits as long as it is told before it looks once more",
    Effect.gen(function*() {
      const { id } = yield* Videos.create({ source_url, profiles: ["h264"] })
      const fiber = yield* Effect.fork(Encodings.awaitVideo(id, { settle: "30 seconds" }))
      yield* TestClock.adjust("20 seconds")
      const { id: late } = yield* Encodings.create({ video_id: id, profile_name: "webm" })
      yield* TestClock.adjust("1 minute")
      assert.include((yield* Fiber.join(fiber)).map(({ id }) => id), late)
    })
  )

  test(
    "whose source failed gives none, or the video's error to who asks",
    Effect.gen(function*() {
      const failure = { error_class: "DownloadFailed", error_message: "404" }
      const { id } = yield* Videos.create({ source_url, profiles: "none" })
      yield* (yield* panda).failVideo(id, failure)
      assert.deepStrictEqual(yield* inTime(Encodings.awaitVideo(id)), [])
      const error = yield* Effect.flip(inTime(Encodings.awaitVideo(id, { failOnError: true })))
      assert.deepInclude({ ...error }, { _tag: "PandaEncodingFailed", id, ofVideo: true, ...failure } as never)
      assert.match(
        error.message,
        new RegExp(`^Encodings.awaitVideo: the source of video ${id} failed: DownloadFailed, 404`)
      )
    })
  )

  test(
    "whose encodings failed with the source gives the video's error",
    Effect.gen(function*() {
      const failed = { id: "e", status: "fail", error_class: "VideoStatusInvalid" }
      yield* answering("GET /encodings.json", [failed])
      yield* answering("GET /videos/:id.json", { id: "v", status: "fail", error_class: "FormatNotRecognised" })
      const error = yield* Effect.flip(inTime(Encodings.awaitVideo("v", { failOnError: true })))
      assert.deepInclude({ ...error }, { id: "v", error_class: "FormatNotRecognised", ofVideo: true } as never)
    })
  )

  test(
    "of a video with more encodings than a page has sees them all",
    Effect.gen(function*() {
      const encodings = yield* inTime(
        Effect.flatMap(Videos.create({ source_url }), ({ id }) => Encodings.awaitVideo(id))
      )
      assert.lengthOf(encodings, 130)
      assert.isTrue(encodings.every(({ status }) => status === "success"))
    }),
    { profiles: Array.from({ length: 130 }, (_, i) => ({ preset_name: "h264", name: `p${i}` })) }
  )
})

describe("what has no form on the wire is refused", () => {
  const rows: ReadonlyArray<
    [
      what: string,
      run: Effect.Effect<unknown, { readonly _tag: string }, PandaClient.PandaClient>,
      parameter: string | undefined,
      words: RegExp
    ]
  > = [
    [
      "both profile_id and profile_name",
      Encodings.create({ video_id: "v", profile_id: "p", profile_name: "n" }),
      undefined,
      /^Encodings\.create: pass either profile_id or profile_name$/
    ],
    ["neither", Encodings.create({ video_id: "v" }), undefined, /pass either profile_id or profile_name$/],
    ["no video_id", Encodings.create({ video_id: "", profile_id: "p" }), "video_id", /pass a non empty string$/],
    [
      "no profile_name",
      Encodings.create({ video_id: "v", profile_name: "" }),
      "profile_name",
      /pass a non empty string$/
    ],
    ["per_page 101", Encodings.list({ per_page: 101 }), "per_page", /pass a number between 1 and 100$/],
    ["no id", Encodings.find(""), "id", /^Encodings\.find: /],
    ["no id to delete", Encodings.delete(".."), "id", /^Encodings\.delete: /],
    ["no id to cancel", Encodings.cancel({ id: " " }), "id", /^Encodings\.cancel: /],
    ["no id to retry", Encodings.retry(""), "id", /^Encodings\.retry: /],
    ["an encoding of no video", Encodings.video({ id: "e" }), "id", /^Encodings\.video: /],
    ["an encoding of no profile", Encodings.profile({ id: "e" }), "id", /^Encodings\.profile: /],
    ["no profile_name to find by", Encodings.findByProfileName(""), "profile_name", /pass a non empty string$/],
    ["no encoding to watch", Stream.runDrain(Encodings.watch("")), "id", /^Encodings\.find: /],
    ["no encoding to await", Encodings.awaitDone(undefined as never), "id", /^Encodings\.find: /],
    ["no video to watch", Stream.runDrain(Encodings.watchVideo("")), "video_id", /pass a non empty string$/],
    ["no video to await", Encodings.awaitVideo(""), "video_id", /pass a non empty string$/]
  ]
  for (const [what, run, parameter, words] of rows) test(what, refused(run, parameter, words))
})
