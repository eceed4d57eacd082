import { assert, describe } from "@effect/vitest"
import { Chunk, DateTime, Effect, Fiber, Stream, TestClock } from "effect"
import type * as PandaClient from "effect-panda/PandaClient"
import { Fault } from "effect-panda/PandaEmulator"
import * as Videos from "effect-panda/Videos"
import { counted, inject, inTime, panda, refused, seen, test } from "./client/panda.js"

const pages = Effect.map(seen, (requests) => requests.map(({ parameters }) => parameters["page"]))

describe("list", () => {
  test(
    "gives a page, newest first",
    Effect.gen(function*() {
      const videos = yield* Videos.list()
      assert.deepStrictEqual(videos.map((video) => video.original_filename), [
        "movie-1.mp4",
        "movie-2.mp4",
        "movie-3.mp4"
      ])
      const [, second] = videos
      assert.deepStrictEqual(yield* Videos.list({ page: 2, per_page: 1 }), [second!])
      assert.deepStrictEqual(yield* Videos.list({ page: 9 }), [])
    }),
    { videos: 3 }
  )

  test(
    "filters by status",
    Effect.gen(function*() {
      const { addVideo, failVideo } = yield* panda
      yield* addVideo({ status: "processing" })
      const { id } = yield* addVideo()
      yield* failVideo(String(id), { error_class: "FormatNotRecognised", error_message: "no video" })
      yield* TestClock.adjust("1 minute")
      const ids = (status: string) => Effect.map(Videos.list({ status }), (videos) => videos.map(({ id }) => id))
      assert.deepStrictEqual(yield* ids("fail"), [id])
      assert.lengthOf(yield* ids("processing"), 1)
      assert.lengthOf(yield* ids("success"), 2)
      const [failed] = yield* Videos.list({ status: "fail" })
      assert.strictEqual(failed!.error_class, "FormatNotRecognised")
      assert.strictEqual(failed!.error_message, "no video")
      assert.isUndefined(failed!.width)
    }),
    { videos: 2 }
  )
})

describe("all", () => {
  test(
    "250 videos are three pages, in order, each video once",
    Effect.gen(function*() {
      const [videos, requests] = yield* counted(Stream.runCollect(Videos.all()))
      assert.strictEqual(requests, 3)
      assert.deepStrictEqual(yield* pages, ["1", "2", "3"])
      assert.deepStrictEqual(
        Chunk.toArray(videos).map((video) => video.original_filename),
        Array.from({ length: 250 }, (_, i) => `movie-${i + 1}.mp4`)
      )
    }),
    { videos: 250 }
  )

  test(
    "200 videos are three pages too, since a full page may not be the last",
    Effect.gen(function*() {
      const [videos, requests] = yield* counted(Stream.runCollect(Videos.all()))
      assert.strictEqual(videos.length, 200)
      assert.strictEqual(requests, 3)
    }),
    { videos: 200 }
  )

  test(
    "nothing is asked before something is pulled, and no page before it is needed",
    Effect.gen(function*() {
      const all = Videos.all()
      assert.isEmpty(yield* seen)
      const [first, requests] = yield* counted(Stream.runCollect(Stream.take(all, 1)))
      assert.strictEqual(first.length, 1)
      assert.strictEqual(requests, 1)
      assert.strictEqual((yield* counted(Stream.runCollect(Stream.take(all, 100))))[1], 1)
      assert.strictEqual((yield* counted(Stream.runCollect(Stream.take(all, 101))))[1], 2)
      assert.strictEqual((yield* counted(Stream.runHead(Stream.filter(all, () => false))))[1], 3)
    }),
    { videos: 250 }
  )

  test(
    "begins at the filter's page, with the filter's size and status",
    Effect.gen(function*() {
      const videos = yield* Stream.runCollect(Videos.all({ page: 2, per_page: 10, status: "success" }))
      assert.strictEqual(videos.length, 15)
      assert.deepStrictEqual(
        (yield* seen).map(({ parameters: { page, per_page, status } }) => [page, per_page, status]),
        [
          ["2", "10", "success"],
          ["3", "10", "success"]
        ]
      )
    }),
    { videos: 25 }
  )

  test(
    "a page that fails for a while is asked for again, and those before are not",
    Effect.gen(function*() {
      yield* inject(Fault.status(503), { skip: 1, times: 2 })
      const videos = yield* inTime(Stream.runCollect(Videos.all()))
      assert.strictEqual(videos.length, 150)
      assert.deepStrictEqual(yield* pages, ["1", "2", "2", "2"])
    }),
    { videos: 150 }
  )

  test(
    "a page that fails for good fails the stream, after what came before",
    Effect.gen(function*() {
      yield* inject(Fault.status(404), { skip: 1 })
      const got: Array<Videos.Video> = []
      const error = yield* Effect.flip(Stream.runForEach(Videos.all(), (video) => Effect.sync(() => got.push(video))))
      assert.strictEqual(error._tag, "PandaNotFound")
      assert.lengthOf(got, 100)
    }),
    { videos: 150 }
  )

  test(
    "survives an outage",
    Effect.gen(function*() {
      yield* inject(Fault.status(503), { route: "GET /videos.json", times: 2 })
      const fiber = yield* Effect.fork(Stream.runCollect(Videos.all()))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).length, 3)
    }),
    { videos: 3 }
  )
})

describe("find", () => {
  test(
    "decodes what is known, and keeps what is not",
    Effect.gen(function*() {
      const { addVideo } = yield* panda
      const { id } = yield* addVideo({ file_size: "44000", thumbnail_position: 5, payload: null })
      yield* TestClock.adjust("1 minute")
      const video = yield* Videos.find(String(id))
      assert.strictEqual(video.status, "success")
      assert.strictEqual(video.file_size, 44_000)
      assert.strictEqual(video.fps, 29.97)
      assert.strictEqual(video.duration, 14_014)
      assert.isUndefined(video.payload)
      assert.isUndefined(video.error_class)
      assert.propertyVal(video, "thumbnail_position", 5)
      assert.strictEqual(DateTime.formatIso(video.created_at!), "1970-01-01T00:00:00.000Z")
    })
  )

  test(
    "nothing",
    Effect.gen(function*() {
      const error = yield* Effect.flip(Videos.find("none"))
      assert.deepInclude({ ...error }, {
        _tag: "PandaNotFound",
        operation: "Videos.find",
        status: 404,
        error: "RecordNotFound",
        description: "Couldn't find Video with ID=none"
      } as never)
    })
  )
})

describe("create", () => {
  test(
    "makes Panda fetch a video, and encode it",
    Effect.gen(function*() {
      const video = yield* Videos.create({
        source_url: "http://a.example/movie one.mov?x=1",
        profiles: ["h264"],
        path_format: "films/:original/:id",
        payload: "mine"
      })
      assert.deepInclude(video, {
        status: "processing",
        source_url: "http://a.example/movie one.mov?x=1",
        original_filename: "movie one.mov",
        payload: "mine"
      })
      assert.strictEqual(video.path, `films/movie one/${video.id}`)
      const [encoding, ...others] = yield* Videos.encodings(video.id)
      assert.isEmpty(others)
      assert.deepInclude(encoding, { video_id: video.id, profile_name: "h264", status: "processing" })
    })
  )

  test(
    "encodes to all profiles unless it is told which, or none",
    Effect.gen(function*() {
      const encodings = (params: { readonly profiles?: "none" | ReadonlyArray<string> }) =>
        Effect.gen(function*() {
          const { id } = yield* Videos.create({ source_url: "http://a.example/b.mp4", ...params })
          return (yield* Videos.encodings(id)).length
        })
      assert.strictEqual(yield* encodings({}), 2)
      assert.strictEqual(yield* encodings({ profiles: ["webm"] }), 1)
      assert.strictEqual(yield* encodings({ profiles: "none" }), 0)
      assert.strictEqual(yield* encodings({ profiles: [] }), 0)
    })
  )

  test(
    "of a file that is too large says what is allowed",
    Effect.gen(function*() {
      const message = "File size limit for this account is set to 10485760 bytes"
      yield* inject(Fault.status(413, { error: "FileSizeLimitExceeded", message }))
      const error = yield* Effect.flip(Videos.create({ source_url: "http://a.example/b.mp4" }))
      assert.deepInclude({ ...error }, { _tag: "PandaFileTooLarge", limit: 10_485_760 } as never)
    })
  )

  test(
    "takes 256 characters of payload, whatever their size",
    Effect.gen(function*() {
      const payload = "𝄞".repeat(256)
      const video = yield* Videos.create({ source_url: "http://a.example/b.mp4", payload })
      assert.strictEqual(video.payload, payload)
    })
  )

  test(
    "takes every keyword of a path_format",
    Effect.gen(function*() {
      const path_format = ":id/:video_id-:original/:date/:profile/:type/:resolution"
      const video = yield* Videos.create({ source_url: "http://a.example/b.mp4", path_format })
      assert.include(video.path!, video.id)
    })
  )
})

describe("delete", () => {
  test(
    "takes the video with its encodings",
    Effect.gen(function*() {
      const [video] = yield* Videos.list()
      assert.isUndefined(yield* Videos.delete(video!.id))
      assert.strictEqual((yield* Effect.flip(Videos.find(video!.id)))._tag, "PandaNotFound")
      assert.isEmpty(yield* (yield* panda).encodings)
      assert.strictEqual((yield* Effect.flip(Videos.delete(video!.id)))._tag, "PandaNotFound")
    }),
    { videos: 1 }
  )
})

describe("encodings", () => {
  test(
    "are filtered",
    Effect.gen(function*() {
      const [video] = yield* Videos.list({ per_page: 1 })
      assert.sameMembers((yield* Videos.encodings(video!.id)).map((encoding) => encoding.profile_name), [
        "h264",
        "webm"
      ])
      const [webm, ...others] = yield* Videos.encodings(video!.id, { profile_name: "webm", status: "success" })
      assert.isEmpty(others)
      assert.strictEqual(webm!.profile_name, "webm")
      assert.deepStrictEqual(yield* Videos.encodings(video!.id, { profile_id: webm!.profile_id }), [webm!])
      assert.lengthOf(yield* Videos.encodings(video!.id, { per_page: 1, page: 2 }), 1)
    }),
    { videos: 2 }
  )
})

describe("what has no form on the wire is refused", () => {
  const source_url = "http://a.example"
  const unsafe = <A>(value: unknown) => value as A
  const rows: ReadonlyArray<
    [what: string, run: Effect.Effect<unknown, { readonly _tag: string }, PandaClient.PandaClient>, string, RegExp]
  > = [
    [
      "per_page 0",
      Videos.list({ per_page: 0 }),
      "per_page",
      /^Videos\.list: per_page: pass a number between 1 and 100$/
    ],
    ["per_page 101", Videos.list({ per_page: 101 }), "per_page", /pass a number between 1 and 100$/],
    ["per_page 1.5", Videos.list({ per_page: 1.5 }), "per_page", /pass an integer$/],
    ["per_page as text", Videos.list({ per_page: unsafe("ten") }), "per_page", /pass number$/],
    ["page 0", Videos.list({ page: 0 }), "page", /pass a positive number$/],
    ["no status", Videos.list({ status: "" }), "status", /pass a non empty string$/],
    ["all with per_page 0", Stream.runDrain(Videos.all({ per_page: 0 })), "per_page", /^Videos\.list: /],
    ["encodings with per_page 101", Videos.encodings("v", { per_page: 101 }), "per_page", /^Videos\.encodings: /],
    ["no id", Videos.find(""), "id", /^Videos\.find: id: is empty or not an id/],
    ["no id to delete", Videos.delete(" "), "id", /^Videos\.delete: /],
    ["no id for encodings", Videos.encodings(".."), "id", /^Videos\.encodings: /],
    [
      "no source_url",
      Videos.create({ source_url: "" }),
      "source_url",
      /^Videos\.create: source_url: pass a non empty string$/
    ],
    ["nothing", Videos.create(unsafe({})), "source_url", /source_url: is missing: pass it$/],
    [
      "path_format without :id",
      Videos.create({ source_url, path_format: ":video_id/:profile" }),
      "path_format",
      /has no :id/
    ],
    [
      "an unknown keyword",
      Videos.create({ source_url, path_format: ":id/:nope" }),
      "path_format",
      /:nope is not a keyword: use :id, /
    ],
    [
      "payload of 257",
      Videos.create({ source_url, payload: "é".repeat(257) }),
      "payload",
      /is longer than 256 characters: shorten it$/
    ],
    [
      "a comma in a profile",
      Videos.create({ source_url, profiles: ["a,b"] }),
      "profiles",
      /pass a list of names or ids, or none$/
    ],
    [
      "an empty profile",
      Videos.create({ source_url, profiles: ["h264", ""] }),
      "profiles",
      /pass a list of names or ids, or none$/
    ],
    ["a profile that is no list", Videos.create({ source_url, profiles: unsafe("h264") }), "profiles", /pass a list/]
  ]
  for (const [what, run, parameter, words] of rows) test(what, refused(run, parameter, words))

  test(
    "and never repeated in the error",
    Effect.gen(function*() {
      const canary = "canary".repeat(200)
      const error = yield* Effect.flip(Videos.list({ per_page: unsafe(canary) }))
      assert.notInclude(error.message, "canary")
    })
  )
})
