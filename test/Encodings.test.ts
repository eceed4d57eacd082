import { assert, describe } from "@effect/vitest"
import { Chunk, Effect, Fiber, Option, Schedule, Schema, Stream, TestClock } from "effect"
import * as Encodings from "effect-panda/Encodings"
import type * as PandaClient from "effect-panda/PandaClient"
import { Fault } from "effect-panda/PandaEmulator"
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
      assert.strictEqual(requests, 3)
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
      assert.deepStrictEqual(Encodings.url(encoding({ files: [] }), cloud), Option.none())
      assert.deepStrictEqual(Encodings.url(encoding({ files: ["a b/é.webm"] }), cloud), Option.none())
      assert.deepStrictEqual(Encodings.url(encoding({ path: null, files: [".mp4"] }), cloud), Option.none())
      assert.deepStrictEqual(Encodings.url(encoding({ files: ["a b/é.mp4"] }), {}), Option.none())
      assert.deepStrictEqual(Encodings.urls(encoding({ files: null }), cloud), [])
      assert.deepStrictEqual(Encodings.urls(encoding({ files: ["x"] }), { url: undefined }), [])
      const bare = encoding({ path: "x", extname: null, files: ["x"] })
      assert.deepStrictEqual(Encodings.url(bare, cloud), Option.some("http://bucket.s3.amazonaws.com/x"))
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
      // A hundredth in two seconds.
      const watching = Encodings.watchVideo(id, everySecond).pipe(Stream.take(4), Stream.runCollect)
      const [emissions, requests] = yield* counted(inTime(watching))
      assert.deepStrictEqual(shown(emissions), [0, 1, 2, 3].map((progress) => `h264 processing ${progress}`))
      assert.strictEqual(requests, 7)
    }),
    { encodingTime: "200 seconds" }
  )

  test(
    "looks after a second, then ever less often, at last every 15 seconds",
    Effect.gen(function*() {
      const { id } = yield* Videos.create({ source_url, profiles: ["h264"] })
      yield* inTime(Stream.runDrain(Encodings.watchVideo(id)))
      const at = (yield* seen).filter(({ method }) => method === "GET").map(({ at }) => at / 1000)
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
      // The source is there after three seconds: four looks, two requests each.
      assert.strictEqual(requests, 8)
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
      const error = yield* Effect.flip(Stream.runDrain(Encodings.watchVideo("none")))
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
      assert.lengthOf(yield* seen, 2)
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
    ["no video to watch", Stream.runDrain(Encodings.watchVideo("")), "video_id", /pass a non empty string$/],
    ["no video to await", Encodings.awaitVideo(""), "video_id", /pass a non empty string$/]
  ]
  for (const [what, run, parameter, words] of rows) test(what, refused(run, parameter, words))
})
