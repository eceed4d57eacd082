import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe } from "@effect/vitest"
import { assertNone } from "@effect/vitest/utils"
import { Chunk, DateTime, Effect, Fiber, Option, Schema, Stream, TestClock } from "effect"
import type * as Encodings from "effect-panda/Encodings"
import type * as PandaClient from "effect-panda/PandaClient"
import { Fault } from "effect-panda/PandaEmulator"
import * as UploadSource from "effect-panda/UploadSource"
import * as Videos from "effect-panda/Videos"
import { createHash } from "node:crypto"
import { counted, inject, inTime, panda, refused, seen, sent, test } from "./client/panda.js"

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
    "250 videos are three pages and an empty one, and those again from which one may have slipped, each video once",
    Effect.gen(function*() {
      const [videos, requests] = yield* counted(Stream.runCollect(Videos.all()))
      assert.strictEqual(requests, 6)
      assert.deepStrictEqual(yield* pages, ["1", "2", "3", "4", "1", "2"])
      assert.deepStrictEqual(
        Chunk.toArray(videos).map((video) => video.original_filename),
        Array.from({ length: 250 }, (_, i) => `movie-${i + 1}.mp4`)
      )
    }),
    { videos: 250 }
  )

  test(
    "200 videos are two pages, an empty one, and the first again",
    Effect.gen(function*() {
      const [videos, requests] = yield* counted(Stream.runCollect(Videos.all()))
      assert.strictEqual(videos.length, 200)
      assert.strictEqual(requests, 4)
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
      assert.strictEqual((yield* counted(Stream.runHead(Stream.filter(all, () => false))))[1], 6)
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
          ["3", "10", "success"],
          ["4", "10", "success"],
          ["2", "10", "success"]
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
      assert.deepStrictEqual(yield* pages, ["1", "2", "2", "2", "3", "1"])
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

describe("a thousand videos", () => {
  for (const [videos, requests] of [[1000, 20], [999, 20]] as const) {
    test(
      `${videos} are ${requests} requests, each video once`,
      Effect.gen(function*() {
        const [all, count] = yield* counted(Stream.runCollect(Videos.all()))
        assert.strictEqual(count, requests)
        assert.strictEqual(all.length, videos)
        const known = (yield* (yield* panda).videos).map(({ id }) => id)
        assert.deepStrictEqual(Chunk.toArray(Chunk.map(all, ({ id }) => id)), known)
      }),
      { videos, profiles: [] }
    )
  }

  test(
    "are never in memory together: a page is asked for when the one before it has been dealt with",
    Effect.gen(function*() {
      const held: Array<readonly [size: number, requests: number]> = []
      yield* Videos.all().pipe(
        Stream.chunks,
        Stream.runForEach((page) => Effect.map(seen, ({ length }) => held.push([page.length, length])))
      )
      assert.deepStrictEqual(held.slice(0, 10), Array.from({ length: 10 }, (_, i) => [100, i + 1] as const))
      assert.deepStrictEqual(held.slice(10).filter(([size]) => size > 0), [])
    }),
    { videos: 1000, profiles: [] }
  )
})

describe("first, where, reload", () => {
  test(
    "first is the newest, or none, and takes one video of one page",
    Effect.gen(function*() {
      const [newest] = yield* Videos.list()
      assert.deepStrictEqual(yield* counted(Videos.first()), [Option.some(newest!), 1])
      assertNone(yield* Videos.first({ status: "fail", page: 7 }))
    }),
    { videos: 3 }
  )

  test(
    "where looks through all pages, and no further than it must",
    Effect.gen(function*() {
      const wanted = Videos.where(({ original_filename }) => original_filename!.endsWith("7.mp4"))
      const [all, requests] = yield* counted(Stream.runCollect(wanted))
      assert.strictEqual(all.length, 25)
      assert.strictEqual(requests, 6)
      const [head, few] = yield* counted(Stream.runHead(wanted))
      assert.strictEqual(Option.getOrThrow(head).original_filename, "movie-7.mp4")
      assert.strictEqual(few, 1)
    }),
    { videos: 250 }
  )

  test(
    "reload gives the video as it is now",
    Effect.gen(function*() {
      const video = yield* Videos.create({ source_url: "http://a.example/b.mp4" })
      assert.isTrue(Videos.isProcessing(video))
      yield* TestClock.adjust("1 minute")
      const now = yield* Videos.reload(video)
      assert.deepStrictEqual([Videos.isProcessing(now), Videos.isSuccess(now), Videos.isFail(now)], [
        false,
        true,
        false
      ])
      assert.deepStrictEqual(now, yield* Videos.find(video.id))
    })
  )
})

describe("listWithTotal", () => {
  test(
    "gives a page and how many there are in all",
    Effect.gen(function*() {
      const { videos, ...rest } = yield* Videos.listWithTotal({ page: 2, per_page: 10 })
      assert.deepStrictEqual(rest, { page: 2, per_page: 10, total: 25 })
      assert.deepStrictEqual(videos, yield* Videos.list({ page: 2, per_page: 10 }))
      assert.deepInclude(yield* Videos.listWithTotal({ status: "fail" }), { videos: [], total: 0 })
      assert.deepInclude(yield* Videos.listWithTotal({ page: 9 }), { videos: [], total: 25, page: 9 })
    }),
    { videos: 25 }
  )

  test(
    "takes numbers as text, lives without page and per_page, and keeps what else there is",
    Effect.gen(function*() {
      yield* inject(Fault.malformed(`{"videos":[{"id":1}],"page":"1","per_page":"100","total":"1"}`))
      const { page, per_page, total, videos } = yield* Videos.listWithTotal()
      assert.deepStrictEqual([page, per_page, total, videos[0]!.id], [1, 100, 1, "1"])
      const given = `{"next":{"a":1},"videos":[{"id":1,"duration":"N/A"}],"total":"1","page":"first"}`
      yield* inject(Fault.malformed(given))
      const other = yield* Videos.listWithTotal()
      assert.isUndefined(other.page)
      assert.isUndefined(other.per_page)
      assert.deepStrictEqual(Reflect.get(other, "next"), { a: 1 })
      assert.strictEqual(JSON.stringify(yield* Schema.encode(Videos.Page)(other)), given)
      yield* inject(Fault.malformed("[]"))
      assert.strictEqual((yield* Effect.flip(Videos.listWithTotal()))._tag, "PandaDecodeError")
    })
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

describe("create from a file", () => {
  const bytes = new Uint8Array(2_500_000).map((_, i) => "\r\n--panda\r\n\r\n".charCodeAt(i % 15))
  const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

  /** A hash that the emulator uses, and whose result we get. */
  const hashes: Array<string> = []
  const hash = () => {
    const hash = createHash("sha256")
    const at = hashes.push("") - 1
    return {
      update: (bytes: Uint8Array) => {
        hash.update(bytes)
        hashes[at] = hash.copy().digest("hex")
      },
      digest: () => hashes[at]!
    }
  }

  const name = "my \"movie\"\r\nX-Evil: 1 𝄞.mp4"
  const arrived = "my \"movie\"%0D%0AX-Evil: 1 𝄞.mp4"

  const written = Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = `${yield* fs.makeTempDirectoryScoped()}/movie.mp4`
    yield* fs.writeFile(path, bytes)
    return path
  })

  const sources = {
    fromBytes: Effect.succeed(UploadSource.fromBytes(bytes, { name })),
    fromBlob: Effect.succeed(UploadSource.fromBlob(new Blob([bytes], { type: "video/mp4" }), { name })),
    fromFile: Effect.flatMap(written, (path) => UploadSource.fromFile(path, { name })),
    fromStream: Effect.succeed(
      UploadSource.fromStream(Stream.make(bytes.subarray(0, 10), bytes.subarray(10)), { name, size: bytes.length })
    )
  }
  for (const [what, source] of Object.entries(sources)) {
    test(
      what,
      Effect.gen(function*() {
        const payload = "ä\n\r\n& +/="
        const video = yield* Videos.create({ file: yield* source, profiles: ["webm"], path_format: ":id", payload })
        assert.deepInclude(video, { original_filename: arrived, payload, status: "processing" })
        assert.deepStrictEqual((yield* Videos.encodings(video)).map(({ profile_name }) => profile_name), ["webm"])
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* Videos.reload(video)).file_size, bytes.length)
        assert.strictEqual(hashes.at(-1), sha256(bytes))
        const [request] = yield* seen
        // That the status is 200 says that what was signed is what arrived, without the file.
        assert.strictEqual(request!.status, 200)
        assert.deepStrictEqual(sent(request!), {
          request: "POST /videos.json",
          parameters: { profiles: "webm", path_format: ":id", payload },
          via: ["multipart"]
        })
        assert.strictEqual(request!.headers["content-length"], String(request!.bodyLength))
        assert.isUndefined(request!.headers["transfer-encoding"])
        assert.match(request!.headers["content-type"]!, /^multipart\/form-data; boundary=[\w-]+$/)
      }).pipe(Effect.scoped, Effect.provide(NodeContext.layer)),
      { hash }
    )
  }

  test(
    "whose name has no form on the wire is refused",
    Effect.gen(function*() {
      for (const name of ["", "\ud800.mp4", "a\udc00"]) {
        const file = UploadSource.fromBytes(bytes, { name })
        yield* refused(
          Videos.create({ file }),
          "file",
          /has a name that is empty or not well-formed text: pass another/
        )
      }
    })
  )

  test(
    "encodes to all profiles if it is not told which",
    Effect.gen(function*() {
      const video = yield* Videos.create({ file: UploadSource.fromBytes(bytes.subarray(0, 1), { name: "a.mp4" }) })
      assert.lengthOf(yield* Videos.encodings(video), 2)
    })
  )

  test(
    "that is not there, is empty or is a folder: nothing is sent",
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      yield* fs.writeFile(`${folder}/empty.mp4`, new Uint8Array(0))
      const nothing = new Uint8Array(0)
      const rows = [
        ["Unreadable", yield* UploadSource.fromFile(`${folder}/none.mp4`)],
        ["Unreadable", yield* UploadSource.fromFile(folder)],
        ["Empty", yield* UploadSource.fromFile(`${folder}/empty.mp4`)],
        ["Empty", UploadSource.fromBytes(nothing, { name: "n" })],
        ["Empty", UploadSource.fromBlob(new Blob([]))],
        ["Empty", UploadSource.fromStream(Stream.empty, { name: "n", size: 0 })]
      ] as const
      for (const [reason, file] of rows) {
        const error = yield* Effect.flip(Videos.create({ file }))
        assert.strictEqual(error._tag, "PandaSourceError")
        assert.propertyVal(error, "reason", reason)
      }
      assert.isEmpty(yield* seen)
    }).pipe(Effect.scoped, Effect.provide(NodeContext.layer))
  )

  test(
    "that is larger than the account allows",
    Effect.gen(function*() {
      const error = yield* Effect.flip(Videos.create({ file: UploadSource.fromBytes(bytes, { name: "n" }) }))
      assert.deepInclude({ ...error }, { _tag: "PandaFileTooLarge", limit: 1000 } as never)
    }),
    { fileSizeLimit: 1000 }
  )

  /** Says that it has ten bytes more than it has, to one who does not read its end. */
  const shrinking: UploadSource.UploadSource = {
    ...UploadSource.fromBytes(bytes, { name: "shrinking.mp4" }),
    open: Effect.map(UploadSource.fromBytes(bytes, { name: "" }).open, (handle): UploadSource.Handle => {
      let reads = 0
      return { ...handle, read: (offset, buffer) => handle.read(reads++ < 2 ? offset : offset + 1e6, buffer) }
    })
  }

  test(
    "that fails on the way is the file's failure, and makes no video",
    Effect.gen(function*() {
      const error = yield* Effect.flip(inTime(Videos.create({ file: shrinking })))
      assert.deepInclude({ ...error }, { _tag: "PandaSourceError", reason: "TooShort", file: "shrinking.mp4" } as never)
      assert.deepStrictEqual((yield* seen).map(({ status }) => status), [undefined])
      assert.isEmpty(yield* (yield* panda).videos)
    })
  )

  const refusals: ReadonlyArray<readonly [string, Fault]> = [
    ["429", Fault.status(429, { retryAfter: 1 })],
    ["503 with Retry-After", Fault.status(503, { retryAfter: 1 })],
    ["refused connection", Fault.refuse]
  ]
  for (const [what, fault] of refusals) {
    test(
      `is read from its beginning again after ${what}, signed anew`,
      Effect.gen(function*() {
        yield* inject(fault)
        const video = yield* inTime(Videos.create({ file: UploadSource.fromBytes(bytes, { name: "a.mp4" }) }))
        assert.strictEqual((yield* Videos.reload(video)).file_size, bytes.length)
        assert.strictEqual(hashes.at(-1), sha256(bytes))
        const [first, second] = yield* seen
        assert.isTrue(first!.timestamp === undefined || first!.timestamp < second!.timestamp!)
        assert.lengthOf(yield* (yield* panda).videos, 1)
      }),
      { hash }
    )
  }

  test(
    "is not sent again if it may have arrived",
    Effect.gen(function*() {
      yield* inject(Fault.resetAfter)
      const error = yield* Effect.flip(
        inTime(Videos.create({ file: UploadSource.fromBytes(bytes, { name: "a.mp4" }) }))
      )
      assert.deepInclude({ ...error }, { _tag: "PandaTransportError", ambiguous: true } as never)
      assert.lengthOf(yield* seen, 1)
    })
  )

  test(
    "that can be read once only is not sent again",
    Effect.gen(function*() {
      yield* inject(Fault.status(429, { retryAfter: 1 }))
      const file = UploadSource.fromStream(Stream.make(bytes), { name: "once.mp4", size: bytes.length })
      const error = yield* Effect.flip(inTime(Videos.create({ file })))
      assert.deepInclude({ ...error }, { _tag: "PandaSourceError", reason: "CannotRewind" } as never)
      assert.isEmpty(yield* (yield* panda).videos)
    })
  )

  test(
    "may take a second longer for each 16 KiB",
    Effect.gen(function*() {
      yield* inject(Fault.stall)
      const file = UploadSource.fromBytes(new Uint8Array(100 * 16 * 1024), { name: "slow.mp4" })
      const fiber = yield* Effect.fork(Effect.flip(Videos.create({ file })))
      yield* TestClock.adjust("129 seconds")
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust("1 second")
      assert.deepInclude({ ...(yield* fiber) }, { _tag: "PandaTransportError", reason: "Timeout" } as never)
    })
  )
})

describe("pipeline", () => {
  test(
    "makes encodings from the output of others",
    Effect.gen(function*() {
      const video = yield* Videos.create({
        source_url: "http://a.example/b.mp4",
        pipeline: { h264: { webm: { h264: {} } }, webm: {} }
      })
      const encodings = yield* Videos.encodings(video)
      const parentOf = ({ parent_encoding_id }: Encodings.Encoding) =>
        encodings.find(({ id }) => id === parent_encoding_id)?.profile_name
      assert.sameDeepMembers(encodings.map((encoding) => [encoding.profile_name, parentOf(encoding)]), [
        ["h264", undefined],
        ["webm", "h264"],
        ["h264", "webm"],
        ["webm", undefined]
      ])
    })
  )

  test(
    "with a profile that is not there makes nothing",
    Effect.gen(function*() {
      const pipeline = { h264: { none: {} } }
      const error = yield* Effect.flip(Videos.create({ source_url: "http://a.example/b.mp4", pipeline }))
      assert.deepInclude({ ...error }, { _tag: "PandaNotFound", operation: "Videos.create" } as never)
      assert.isEmpty(yield* (yield* panda).encodings)
    })
  )
})

describe("metadata", () => {
  test(
    "is an open record",
    Effect.gen(function*() {
      const [video] = yield* Videos.list()
      const metadata = yield* Videos.metadata(video!)
      assert.deepInclude(metadata, { image_width: 1280, duration: "14.01 s", rotation: 0 })
      const odd = { a: [1, "x"], b: null, c: { d: true } }
      yield* inject(Fault.malformed(JSON.stringify(odd)))
      assert.deepStrictEqual(yield* Videos.metadata(video!.id), odd)
      for (const body of ["[]", "\"text\"", "null"]) {
        yield* inject(Fault.malformed(body))
        assert.strictEqual((yield* Effect.flip(Videos.metadata(video!)))._tag, "PandaDecodeError")
      }
      assert.strictEqual((yield* Effect.flip(Videos.metadata("none")))._tag, "PandaNotFound")
    }),
    { videos: 1 }
  )
})

describe("deleteSource", () => {
  test(
    "leaves the video and its encodings, whatever Panda answers",
    Effect.gen(function*() {
      const [video] = yield* Videos.list()
      for (const body of ["", " ", "null", "true", "\"ok\"", `{"deleted":"ok"}`, `{"deleted":false}`]) {
        yield* inject(Fault.malformed(body))
        assert.isUndefined(yield* Videos.deleteSource(video!))
      }
      assert.isUndefined(yield* Videos.deleteSource(video!.id))
      assert.deepStrictEqual(yield* Videos.find(video!.id), video)
      assert.lengthOf(yield* Videos.encodings(video!), 2)
      assert.strictEqual((yield* Effect.flip(Videos.deleteSource("none")))._tag, "PandaNotFound")
    }),
    { videos: 1 }
  )
})

describe("urls", () => {
  const cloud = { url: "http://bucket.s3.amazonaws.com/" }
  const video = (attributes: Record<string, unknown> = {}) =>
    Schema.decodeUnknownSync(Videos.Video)({
      id: "v",
      status: "success",
      path: "a b/é#?%+&'\"<>\\",
      extname: ".m4v",
      ...attributes
    })
  const root = "bucket.s3.amazonaws.com/a%20b/%C3%A9%23%3F%25%2B%26'%22%3C%3E%5C"

  test(
    "have the bucket in the path where no certificate covers it in the host",
    Effect.sync(() => {
      const at = (url: string, https = true) => Option.getOrThrow(Videos.url(video({ path: "x" }), { url }, { https }))
      for (
        const [url, secure] of [
          ["http://my.bucket.s3.amazonaws.com/", "https://s3.amazonaws.com/my.bucket/x.m4v"],
          ["https://my.bucket.s3.amazonaws.com", "https://s3.amazonaws.com/my.bucket/x.m4v"],
          ["http://a.b.c.s3-eu-west-1.amazonaws.com/", "https://s3-eu-west-1.amazonaws.com/a.b.c/x.m4v"],
          ["http://a.b.s3.eu-west-1.amazonaws.com/", "https://s3.eu-west-1.amazonaws.com/a.b/x.m4v"],
          [
            "http://a.b.s3.dualstack.eu-west-1.amazonaws.com/",
            "https://s3.dualstack.eu-west-1.amazonaws.com/a.b/x.m4v"
          ],
          ["http://a.s3.b.s3.amazonaws.com/", "https://s3.amazonaws.com/a.s3.b/x.m4v"],
          ["HTTP://a.b.s3.cn-north-1.amazonaws.com.cn/", "https://s3.cn-north-1.amazonaws.com.cn/a.b/x.m4v"],
          ["http://a.b.storage.googleapis.com/", "https://storage.googleapis.com/a.b/x.m4v"],
          ["https://a.b.s3.amazonaws.com:443/", "https://s3.amazonaws.com:443/a.b/x.m4v"],
          ["http://bucket.s3.amazonaws.com/", "https://bucket.s3.amazonaws.com/x.m4v"],
          ["http://bucket.s3.eu-west-1.amazonaws.com/", "https://bucket.s3.eu-west-1.amazonaws.com/x.m4v"],
          ["http://s3.amazonaws.com/my.bucket/", "https://s3.amazonaws.com/my.bucket/x.m4v"],
          ["http://cdn.my.example/", "https://cdn.my.example/x.m4v"]
        ] as const
      ) assert.strictEqual(at(url), secure)
      assert.strictEqual(at("http://my.bucket.s3.amazonaws.com/", false), "http://my.bucket.s3.amazonaws.com/x.m4v")
    })
  )

  test(
    "are the cloud's url and the key, escaped, with https if wanted",
    Effect.sync(() => {
      assert.deepStrictEqual(Videos.url(video(), cloud), Option.some(`http://${root}.m4v`))
      assert.deepStrictEqual(Videos.url(video(), cloud, { https: true }), Option.some(`https://${root}.m4v`))
      assert.deepStrictEqual(Videos.previewUrl(video(), cloud), Option.some(`http://${root}_1.jpg`))
      assert.deepStrictEqual(Videos.previewUrl(video(), cloud, { https: true }), Option.some(`https://${root}_1.jpg`))
      assert.deepStrictEqual(Videos.url(video({ extname: null }), cloud), Option.some(`http://${root}`))
      const secure = { url: "https://s3.amazonaws.com/bucket" }
      const bare = video({ path: "x" })
      for (const https of [true, false, undefined]) {
        assert.deepStrictEqual(
          Videos.url(bare, secure, { https }),
          Option.some("https://s3.amazonaws.com/bucket/x.m4v")
        )
      }
    })
  )

  test(
    "have a form whatever the file was called",
    Effect.sync(() => {
      const odd = Videos.url(video({ path: "\ud800/x" }), cloud)
      assert.deepStrictEqual(odd, Option.some("http://bucket.s3.amazonaws.com/%EF%BF%BD/x.m4v"))
    })
  )

  test(
    "are none as long as Panda has not the source, or no place for it",
    Effect.sync(() => {
      for (const url of [Videos.url, Videos.previewUrl]) {
        for (const status of ["processing", "fail", "queued", null]) {
          assertNone(url(video({ status }), cloud))
        }
        assertNone(url(video({ path: null }), cloud))
        assertNone(url(video(), {}))
        assertNone(url(video(), { url: "" }))
      }
    })
  )

  test(
    "of a path_format with :original lead to the file",
    Effect.gen(function*() {
      const { id } = yield* Videos.create({
        source_url: "http://a.example/my movie #1.mp4",
        path_format: ":original/:id"
      })
      yield* TestClock.adjust("1 minute")
      const url = Option.getOrThrow(Videos.url(yield* Videos.find(id), cloud))
      const [, key] = /^http:\/\/bucket\.s3\.amazonaws\.com\/(.*)$/.exec(url)!
      assert.strictEqual(new URL(url).href, url)
      assert.strictEqual(decodeURIComponent(key!), `my movie /${id}`)
    })
  )
})

describe("an attribute named error", () => {
  for (const error of [`""`, `" "`, "{}", "[]", "null", "false", "0"]) {
    test(
      `that is ${error} beside a whole video is none`,
      Effect.gen(function*() {
        yield* inject(Fault.malformed(`{"id":"v","error":${error}}`))
        assert.strictEqual((yield* Videos.find("v")).id, "v")
        yield* inject(Fault.malformed(`{"videos":[],"total":0,"error":${error}}`))
        assert.strictEqual((yield* Videos.listWithTotal()).total, 0)
      })
    )
  }

  test(
    "is what metadata may have, unless there is nothing but an error",
    Effect.gen(function*() {
      for (
        const metadata of [{ error: "File format error", image_width: 3 }, { error: "x" }, { error: {}, message: "" }]
      ) {
        yield* inject(Fault.malformed(JSON.stringify(metadata)))
        assert.deepStrictEqual(yield* Videos.metadata("v"), metadata)
      }
      yield* inject(Fault.malformed(`{"error":"RecordNotFound","message":"no such video"}`))
      assert.strictEqual((yield* Effect.flip(Videos.metadata("v")))._tag, "PandaNotFound")
    })
  )

  test(
    "that says something is an error still",
    Effect.gen(function*() {
      yield* inject(Fault.malformed(`{"deleted":false,"error":"RecordNotFound"}`))
      assert.strictEqual((yield* Effect.flip(Videos.delete("v")))._tag, "PandaNotFound")
      yield* inject(Fault.malformed(`{"error":404}`))
      assert.strictEqual((yield* Effect.flip(Videos.find("v")))._tag, "PandaRejected")
    })
  )
})

describe("toJson and dup", () => {
  const received = {
    id: "1",
    status: "odd",
    file_size: "44000",
    payload: null,
    created_at: "2009/10/13 19:11:26 +0000",
    thumbnail_position: { at: [1] }
  }

  test(
    "toJson has every attribute, those we do not know too, and can be indented",
    Effect.gen(function*() {
      yield* inject(Fault.malformed(JSON.stringify(received)), { times: 2 })
      const video = yield* Videos.find("1")
      const json = Videos.toJson(video)
      assert.deepStrictEqual(JSON.parse(json), received)
      assert.notInclude(json, "\n")
      assert.strictEqual(Videos.toJson(video, 2), JSON.stringify(JSON.parse(json), null, 2))
      assert.include(Videos.toJson(video, 2), "\n  \"thumbnail_position\"")
      assert.deepStrictEqual(yield* Schema.decode(Schema.parseJson(Videos.Video))(json), video)
    })
  )

  test(
    "dup has all but the id, and leaves the video as it is",
    Effect.gen(function*() {
      const video = yield* Schema.decodeUnknown(Videos.Video)(received)
      const { id: _, ...rest } = video
      assert.deepStrictEqual(Videos.dup(video), rest)
      assert.strictEqual(video.id, "1")
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
    ["with a total, per_page 0", Videos.listWithTotal({ per_page: 0 }), "per_page", /^Videos\.listWithTotal: /],
    ["with a total, page 0", Videos.listWithTotal({ page: 0 }), "page", /pass a positive number$/],
    ["no id", Videos.find(""), "id", /^Videos\.find: id: is empty or not an id/],
    ["no id for metadata", Videos.metadata({ id: "" }), "id", /^Videos\.metadata: /],
    ["no id to delete the source of", Videos.deleteSource(".."), "id", /^Videos\.deleteSource: /],
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
      "both source_url and file",
      Videos.create(unsafe({ source_url, file: UploadSource.fromBytes(new Uint8Array(1), { name: "n" }) })),
      "source_url",
      /^Videos\.create: source_url: pass either source_url or file, not both$/
    ],
    [
      "a file with path_format without :id",
      Videos.create({ file: UploadSource.fromBytes(new Uint8Array(1), { name: "n" }), path_format: "x" }),
      "path_format",
      /has no :id/
    ],
    ["a pipeline that is a list", Videos.create({ source_url, pipeline: unsafe(["h264"]) }), "pipeline", /pass /],
    ["a pipeline of text", Videos.create({ source_url, pipeline: unsafe("{}") }), "pipeline", /pass /],
    [
      "a pipeline with a profile without a name",
      Videos.create({ source_url, pipeline: { h264: { "": {} } } }),
      "pipeline.h264.",
      /is unexpected/
    ],
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
