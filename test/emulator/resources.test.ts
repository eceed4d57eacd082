import { assert, describe } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { Profiles } from "effect-panda"
import { ask, bytes, call, encode, error, escape, host, type Json, panda, send, signed, test } from "./rawClient.js"

describe("videos", () => {
  test(
    "250 of them, newest first, in pages",
    Effect.gen(function*() {
      const pages = yield* Effect.forEach([1, 2, 3, 4], (page) => ask("GET", "/videos.json", { page: String(page) }))
      assert.deepStrictEqual(pages.map((page) => page.length), [100, 100, 50, 0])
      const all = pages.flat()
      assert.strictEqual(new Set(all.map((video) => video.id)).size, 250)
      assert.strictEqual(new Set(all.map((video) => video.created_at)).size, 250)
      const created = all.map((video) => video.created_at as string)
      assert.deepStrictEqual(created, [...created].sort().reverse())
      assert.deepEqual(all, [...yield* (yield* panda).videos])
      assert.match(all[0].id, /^[0-9a-f]{32}$/)

      const rooted = yield* ask("GET", "/videos.json", { include_root: "true", page: "3", per_page: "7" })
      assert.deepInclude(rooted, { page: 3, per_page: 7, total: 250 })
      assert.deepStrictEqual(rooted.videos, all.slice(14, 21))
      assert.strictEqual((yield* ask("GET", "/videos.json", { per_page: "500" })).length, 100)
      assert.strictEqual((yield* call("GET", "/videos.json", { page: "0" })).status, 400)
      assert.strictEqual((yield* ask("GET", "/videos.json", { status: "fail" })).length, 0)
      assert.strictEqual((yield* ask("GET", "/videos.json", { status: "success", per_page: "1" }))[0].id, all[0].id)
      assert.strictEqual((yield* (yield* panda).encodings).length, 500)
    }),
    { videos: 250 }
  )

  test(
    "a video is processing, then a success; its encodings advance with the clock",
    Effect.gen(function*() {
      const created = yield* ask("POST", "/videos.json", {
        source_url: "http://example.com/in/movie.mp4?x=1",
        path_format: "p/:video_id/:profile/:original/:id",
        payload: "order 7"
      })
      assert.deepInclude(created, {
        status: "processing",
        original_filename: "movie.mp4",
        source_url: "http://example.com/in/movie.mp4?x=1",
        extname: ".mp4",
        path: `p/${created.id}/original/movie/${created.id}`,
        payload: "order 7",
        width: null,
        duration: null,
        file_size: null,
        created_at: "1970/01/01 00:00:00 +0000"
      })
      const encodings = () => ask("GET", `/videos/${created.id}/encodings.json`)
      const [webm, h264] = yield* encodings()
      assert.deepInclude(h264, {
        video_id: created.id,
        profile_name: "h264",
        status: "processing",
        encoding_progress: 0,
        files: [],
        extname: ".mp4",
        encoding_time: null,
        path: `p/${created.id}/h264/movie/${h264.id}`
      })
      assert.strictEqual(webm.profile_name, "webm")

      yield* TestClock.adjust("3 seconds")
      assert.deepInclude(yield* ask("GET", `/videos/${created.id}.json`), {
        status: "success",
        duration: 14014,
        width: 1280
      })
      assert.deepInclude((yield* encodings())[1], { status: "processing", encoding_progress: 30 })
      assert.strictEqual((yield* ask("GET", "/encodings.json", { status: "success" })).length, 0)

      yield* TestClock.adjust("7 seconds")
      assert.deepInclude((yield* encodings())[1], {
        status: "success",
        encoding_progress: 100,
        encoding_time: 10,
        width: 640,
        height: 480,
        files: [`${h264.path}.mp4`],
        error_class: null,
        started_encoding_at: "1970/01/01 00:00:00 +0000",
        updated_at: "1970/01/01 00:00:10 +0000"
      })
      const metadata = yield* ask("GET", `/videos/${created.id}/metadata.json`)
      assert.deepInclude(metadata, { image_height: 720, duration: "14.01 s" })
    })
  )

  test(
    "profiles: all, some by name and id, none, unknown; a pipeline",
    Effect.gen(function*() {
      const [webm] = yield* (yield* panda).profiles
      const names = (params: Record<string, string>) =>
        Effect.flatMap(
          ask("POST", "/videos.json", { source_url: "http://a/b.mp4", ...params }),
          ({ id }) =>
            Effect.map(ask("GET", "/encodings.json", { video_id: id }), (list: Json) =>
              list.map((encoding: Json) => encoding.profile_name))
        )
      assert.deepStrictEqual(yield* names({}), ["webm", "h264"])
      assert.deepStrictEqual(yield* names({ profiles: `h264,${webm!["id"]}` }), ["webm", "h264"])
      assert.deepStrictEqual(yield* names({ profiles: "webm" }), ["webm"])
      assert.deepStrictEqual(yield* names({ profiles: "none" }), [])
      assert.deepStrictEqual(yield* names({ pipeline: "{\"h264\":{\"webm\":{}}}" }), ["webm", "h264"])
      // One request is not to make more than can be seen to.
      for (
        const params of [
          { profiles: Array.from({ length: 201 }, () => "h264").join() },
          { pipeline: `${"{\"h264\":".repeat(20_000)}{}${"}".repeat(20_000)}` }
        ] as Array<Record<string, string>>
      ) {
        assert.strictEqual(
          (yield* call("POST", "/videos.json", { source_url: "http://a/b.mp4", ...params })).status,
          400
        )
      }
      const [child, parent] = yield* ask("GET", "/encodings.json", { per_page: "2" })
      assert.strictEqual(child.parent_encoding_id, parent.id)
      const before = (yield* (yield* panda).videos).length
      for (
        const params of [{ profiles: "h264,h265" }, { pipeline: "{\"h265\":{}}" }] as Array<Record<string, string>>
      ) {
        const unknown = yield* call("POST", "/videos.json", { source_url: "http://a/b.mp4", ...params })
        assert.deepStrictEqual(error(unknown), {
          error: "RecordNotFound",
          message: "Couldn't find Profile with ID=h265"
        })
      }
      assert.strictEqual((yield* (yield* panda).videos).length, before)
    })
  )

  test(
    "what is refused",
    Effect.gen(function*() {
      const post = (params: Record<string, string>) =>
        Effect.map(call("POST", "/videos.json", params), (reply) => [reply.status, error(reply).error])
      const url = { source_url: "http://a/b.mp4" }
      assert.deepStrictEqual(yield* post({}), [400, "BadRequest"])
      assert.deepStrictEqual(yield* post({ ...url, path_format: ":video_id/x" }), [400, "BadRequest"])
      assert.deepStrictEqual(yield* post({ ...url, payload: "x".repeat(257) }), [400, "BadRequest"])
      assert.deepStrictEqual(yield* post({ ...url, payload: "x".repeat(256) }), [200, undefined])
      const missing = yield* call("GET", "/videos/abc.json")
      assert.strictEqual(missing.status, 404)
      assert.deepStrictEqual(error(missing), { error: "RecordNotFound", message: "Couldn't find Video with ID=abc" })
    })
  )

  test(
    "a file: parameters in the query or in parts, its size limited",
    Effect.gen(function*() {
      const post = (size: number, extra: Record<string, string>) =>
        Effect.gen(function*() {
          const form = new FormData()
          form.append("file", new Blob([bytes(size)]), "a\"b ü.mp4")
          const query = encode(yield* signed("POST", "/videos.json", extra))
          return yield* send({ method: "POST", url: `https://${host}/v2/videos.json?${query}`, body: form })
        })
      const created = yield* post(10_000, { profiles: "none" })
      assert.deepInclude(error(created), { original_filename: "a\"b ü.mp4", source_url: null })
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* ask("GET", `/videos/${error(created).id}.json`)).file_size, 10_000)
      const large = yield* post(10_001, {})
      assert.strictEqual(large.status, 413)
      assert.deepStrictEqual(error(large), {
        error: "FileSizeLimitExceeded",
        message: "File size limit for this account is set to 10000 bytes"
      })
      assert.strictEqual((yield* post(10, { source_url: "http://a/b.mp4" })).status, 400)
      assert.strictEqual(
        (yield* call("POST", "/videos/upload.json", { file_size: "10001", file_name: "a" })).status,
        413
      )
    }),
    { fileSizeLimit: 10_000 }
  )

  test(
    "deletion takes the encodings along, deletion of the source nothing",
    Effect.gen(function*() {
      const [first, second] = yield* ask("GET", "/videos.json")
      assert.deepStrictEqual(yield* ask("DELETE", `/videos/${first.id}/source.json`), { deleted: "ok" })
      assert.deepStrictEqual(yield* ask("DELETE", `/videos/${first.id}.json`), { deleted: "ok" })
      assert.strictEqual((yield* call("GET", `/videos/${first.id}.json`)).status, 404)
      assert.strictEqual((yield* call("DELETE", `/videos/${first.id}.json`)).status, 404)
      const encodings = yield* ask("GET", "/encodings.json")
      assert.deepStrictEqual(new Set(encodings.map((encoding: Json) => encoding.video_id)), new Set([second.id]))
    }),
    { videos: 2 }
  )
})

describe("encodings", () => {
  test(
    "filters",
    Effect.gen(function*() {
      const [video] = yield* ask("GET", "/videos.json")
      const [webm] = yield* (yield* panda).profiles
      const count = (params: Record<string, string>) =>
        Effect.map(ask("GET", "/encodings.json", params), (list) => list.length as number)
      assert.strictEqual(yield* count({}), 6)
      assert.strictEqual(yield* count({ video_id: video.id }), 2)
      assert.strictEqual(yield* count({ profile_id: String(webm!["id"]) }), 3)
      assert.strictEqual(yield* count({ profile_name: "h264", video_id: video.id }), 1)
      assert.strictEqual(yield* count({ status: "fail" }), 0)
      assert.strictEqual(yield* count({ page: "2", per_page: "4" }), 2)
      assert.strictEqual((yield* ask("GET", `/profiles/${webm!["id"]}/encodings.json`)).length, 3)
      assert.strictEqual(
        (yield* ask("GET", `/videos/${video.id}/encodings.json`, { profile_name: "webm" })).length,
        1
      )
    }),
    { videos: 3 }
  )

  test(
    "create, cancel, retry, delete",
    Effect.gen(function*() {
      const { failProfile } = yield* panda
      const [video] = yield* ask("GET", "/videos.json")
      const create = (params: Record<string, string>) => call("POST", "/encodings.json", params)
      assert.strictEqual((yield* create({ profile_name: "h264" })).status, 400)
      assert.strictEqual((yield* create({ video_id: video.id })).status, 400)
      assert.strictEqual((yield* create({ video_id: video.id, profile_id: "a", profile_name: "b" })).status, 400)
      assert.strictEqual((yield* create({ video_id: video.id, profile_name: "b" })).status, 404)
      assert.strictEqual((yield* create({ video_id: "v", profile_name: "h264" })).status, 404)

      yield* failProfile("h264", { error_class: "CommandInvalid", error_message: "no such codec" })
      const { id } = yield* ask("POST", "/encodings.json", { video_id: video.id, profile_name: "h264" })
      const find = ask("GET", `/encodings/${id}.json`)
      assert.strictEqual((yield* call("POST", `/encodings/${id}/retry.json`)).status, 400)
      yield* TestClock.adjust("10 seconds")
      assert.deepInclude(yield* find, {
        status: "fail",
        error_class: "CommandInvalid",
        error_message: "no such codec",
        files: []
      })
      yield* failProfile("h264", undefined)
      assert.deepStrictEqual(yield* ask("POST", `/encodings/${id}/retry.json`), { retried: "ok" })
      assert.deepInclude(yield* find, { status: "processing", encoding_progress: 0, error_class: null })
      assert.deepStrictEqual(yield* ask("POST", `/encodings/${id}/cancel.json`), { canceled: "ok" })
      assert.strictEqual((yield* find).status, "fail")
      yield* call("POST", `/encodings/${id}/retry.json`)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* find).status, "success")
      assert.deepStrictEqual(yield* ask("DELETE", `/encodings/${id}.json`), { deleted: "ok" })
      assert.strictEqual((yield* call("GET", `/encodings/${id}.json`)).status, 404)
    }),
    { videos: 1 }
  )

  test(
    "a failed source makes its video and its later encodings fail",
    Effect.gen(function*() {
      const { failVideo } = yield* panda
      const { id } = yield* ask("POST", "/videos.json", { source_url: "http://a/b.mp4", profiles: "none" })
      yield* failVideo(id, { error_class: "DownloadFailed", error_message: "404" })
      assert.strictEqual((yield* ask("GET", `/videos/${id}.json`)).status, "processing")
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* ask("GET", `/videos/${id}.json`), { status: "fail", error_class: "DownloadFailed" })
      yield* ask("POST", "/encodings.json", { video_id: id, profile_name: "h264" })
      yield* TestClock.adjust("10 seconds")
      assert.deepInclude((yield* ask("GET", "/encodings.json"))[0], {
        status: "fail",
        error_class: "VideoStatusInvalid"
      })
    })
  )

  test(
    "what is being made of a source that fails, fails with it; what was made, stays; nothing else is touched",
    Effect.gen(function*() {
      const { failVideo } = yield* panda
      const failure = { error_class: "FormatNotRecognised", error_message: "no video" }
      const create = (profiles: string) => ask("POST", "/videos.json", { source_url: "http://a/b.mp4", profiles })
      const states = (id: string) =>
        Effect.map(
          ask("GET", `/videos/${id}/encodings.json`),
          (list: ReadonlyArray<Json>) =>
            list.map((
              { encoding_progress, error_class, files, status }
            ) => [status, error_class, encoding_progress, files.length])
        )
      const [{ id }, other] = [yield* create("h264"), yield* create("h264")]
      yield* TestClock.adjust("10 seconds")
      yield* ask("POST", "/encodings.json", { video_id: id, profile_name: "webm" })
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(yield* states(id), [["processing", null, 40, 0], ["success", null, 100, 1]])
      yield* failVideo(id, failure)
      const failed = [["fail", "VideoStatusInvalid", null, 0], ["success", null, 100, 1]]
      assert.deepStrictEqual(yield* states(id), failed)
      assert.deepInclude(yield* ask("GET", `/videos/${id}.json`), {
        status: "fail",
        error_class: "FormatNotRecognised"
      })
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* states(id), failed)
      assert.deepStrictEqual(yield* states(other.id), [["success", null, 100, 1]])

      // While the source is still being stored: then all is over when that is.
      const early = yield* create("h264,webm")
      yield* failVideo(early.id, failure)
      assert.deepStrictEqual((yield* states(early.id)).map(([status]) => status), ["processing", "processing"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual((yield* states(early.id)).map(([, error]) => error), [
        "VideoStatusInvalid",
        "VideoStatusInvalid"
      ])
      const [{ id: encoding }] = yield* ask("GET", `/videos/${early.id}/encodings.json`)
      yield* ask("POST", `/encodings/${encoding}/retry.json`)
      yield* TestClock.adjust("10 seconds")
      assert.deepInclude(yield* ask("GET", `/encodings/${encoding}.json`), { error_class: "VideoStatusInvalid" })
      const unknown = yield* Effect.exit(failVideo("nowhere", failure))
      assert.include(String(unknown), "There is no video nowhere")
    })
  )

  test(
    "thumbnails list their images",
    Effect.gen(function*() {
      yield* ask("POST", "/videos.json", { source_url: "http://a/b.mp4" })
      yield* TestClock.adjust("10 seconds")
      const [{ files, path }] = yield* ask("GET", "/encodings.json")
      assert.deepStrictEqual(files, [`${path}_1.jpg`, `${path}_2.jpg`])
    }),
    { profiles: [{ preset_name: "thumbnail", frame_count: 2 }] }
  )
})

describe("profiles, clouds, notifications", () => {
  test(
    "profiles by id and by name; created from a preset or a command; updated in part",
    Effect.gen(function*() {
      const list = yield* ask("GET", "/profiles.json")
      assert.deepStrictEqual(list.map((profile: Json) => profile.name), ["webm", "h264"])
      assert.deepStrictEqual(yield* ask("GET", "/profiles/h264.json"), list[1])
      assert.deepStrictEqual(yield* ask("GET", `/profiles/${list[1].id}.json`), list[1])
      assert.notProperty(list[1], "two_pass")
      assert.deepInclude(list[1], {
        preset_name: "h264",
        extname: ".mp4",
        width: 640,
        height: 480,
        video_bitrate: 500,
        audio_bitrate: 128,
        upscale: true,
        fps: null
      })

      const post = (params: Record<string, string>) =>
        Effect.map(call("POST", "/profiles.json", params), (reply) => [reply.status, error(reply)] as const)
      const [, hi] = yield* post({ preset_name: "h264.hi", width: "800", fps: "29.97", upscale: "false" })
      // A name that must be escaped is signed as it is sent.
      yield* post({ preset_name: "aac", name: "é t/c" })
      const presets = [...Profiles.presets.map(({ preset_name }) => preset_name), "iphone", "ipad"]
      for (const [i, preset_name] of presets.entries()) {
        const [status, { extname }] = yield* post({ preset_name, name: `of ${i}` })
        assert.strictEqual(status, 200, preset_name)
        assert.match(extname, /^[.]\w+$/, preset_name)
      }
      assert.strictEqual((yield* ask("GET", `/profiles/${escape("é t/c")}.json`)).preset_name, "aac")
      assert.deepInclude(hi, { name: "h264.hi", width: 800, height: 720, fps: 29.97, upscale: false })
      assert.deepStrictEqual(yield* ask("GET", "/profiles/h264.hi.json"), hi)
      assert.strictEqual((yield* post({ preset_name: "h264" }))[0], 400)
      assert.strictEqual((yield* post({ preset_name: "h264", name: "other" }))[0], 200)
      assert.deepStrictEqual(yield* post({ preset_name: "h999" }), [404, {
        error: "RecordNotFound",
        message: "Couldn't find Preset with ID=h999"
      }])
      assert.strictEqual((yield* post({ name: "x" }))[0], 400)
      assert.strictEqual((yield* post({ name: "x", command: "ffmpeg" }))[0], 400)
      assert.strictEqual((yield* post({ name: "x", command: "ffmpeg", extname: ".mkv" }))[0], 200)
      assert.strictEqual((yield* post({ preset_name: "ogg", path_format: "x" }))[0], 400)
      assert.strictEqual((yield* post({ preset_name: "ogg", priority: "1" }))[0], 400)

      yield* TestClock.adjust("1 minute")
      const updated = yield* ask("PUT", `/profiles/${hi.id}.json`, { name: "hi", fps: "", video_bitrate: "auto" })
      assert.deepStrictEqual(updated, {
        ...hi,
        name: "hi",
        fps: null,
        video_bitrate: "auto",
        updated_at: "1970/01/01 00:01:00 +0000"
      })
      assert.strictEqual((yield* call("PUT", `/profiles/${hi.id}.json`, { name: "x" })).status, 400)
      assert.strictEqual((yield* call("PUT", "/profiles/none.json", { name: "y" })).status, 404)
      assert.deepStrictEqual(yield* ask("DELETE", `/profiles/${hi.id}.json`), { deleted: "ok" })
      assert.strictEqual((yield* call("GET", "/profiles/hi.json")).status, 404)
      yield* (yield* panda).addProfile({ preset_name: "mp3" })
      assert.strictEqual((yield* ask("GET", "/profiles.json", { per_page: "1" }))[0].name, "mp3")
    })
  )

  test(
    "clouds are separate rooms",
    Effect.gen(function*() {
      const { cloudId } = yield* panda
      const [main] = yield* ask("GET", "/clouds.json")
      assert.deepStrictEqual(main, yield* ask("GET", `/clouds/${cloudId}.json`))
      assert.match(main.url, /\/$/)
      const updated = yield* ask("PUT", `/clouds/${cloudId}.json`, { s3_videos_bucket: "b", aws_secret_key: "s" })
      assert.deepInclude(updated, { id: cloudId, s3_videos_bucket: "b", url: "http://b.s3.amazonaws.com/" })
      assert.notProperty(updated, "aws_secret_key")
      assert.strictEqual((yield* call("PUT", `/clouds/${cloudId}.json`, { priority: "201" })).status, 400)
      assert.strictEqual((yield* call("GET", "/clouds/x.json")).status, 404)

      const other = yield* ask("POST", "/clouds.json", { s3_videos_bucket: "second" })
      const there = yield* call("GET", "/videos.json", {}, { cloud: other.id })
      assert.deepStrictEqual([there.status, there.text], [200, "[]"])
      yield* call("POST", "/videos.json", { source_url: "http://a/b.mp4" }, { cloud: other.id })
      assert.strictEqual((yield* ask("GET", "/videos.json")).length, 1)
      assert.strictEqual((yield* (yield* panda).videos).length, 2)
      assert.deepStrictEqual(yield* ask("DELETE", `/clouds/${other.id}.json`), { deleted: "ok" })
      assert.strictEqual((yield* call("GET", "/videos.json", {}, { cloud: other.id })).status, 404)
    }),
    { videos: 1 }
  )

  test(
    "booleans are words or digits, as the clients write them, and what was set is shown",
    Effect.gen(function*() {
      const { id } = yield* ask("POST", "/profiles.json", { preset_name: "ogg", two_pass: "1", upscale: "" })
      assert.deepInclude(yield* ask("GET", `/profiles/${id}.json`), { two_pass: true, upscale: false })
      assert.deepInclude(yield* ask("PUT", `/profiles/${id}.json`, { two_pass: "False" }), { two_pass: false })
      for (const [word, value] of [["true", true], ["0", false], ["1", true], ["", false]] as const) {
        const set = yield* ask("PUT", "/notifications.json", {
          send_video_payload: word,
          "events[video_encoded]": word
        })
        assert.strictEqual(set.send_video_payload, value, word)
        assert.strictEqual(set.events.video_encoded, value, word)
      }
      for (
        const [word, rooted] of [["1", true], ["true", true], ["True", true], ["0", false], ["no", false]] as const
      ) {
        const list = yield* ask("GET", "/videos.json", { include_root: word })
        assert.deepStrictEqual(list, rooted ? { videos: [], page: 1, per_page: 100, total: 0 } : [], word)
      }
    })
  )

  test(
    "notifications are updated in part",
    Effect.gen(function*() {
      const before = yield* ask("GET", "/notifications.json")
      assert.strictEqual(before.url, null)
      assert.notProperty(before, "send_video_payload")
      const put = (params: Record<string, string>) => call("PUT", "/notifications.json", params)
      yield* put({ url: "http://example.com/hook", delay: "5" })
      yield* put({ "events[video_encoded]": "true" })
      assert.deepStrictEqual(yield* ask("GET", "/notifications.json"), {
        ...before,
        url: "http://example.com/hook",
        delay: 5,
        events: { ...before.events, video_encoded: true }
      })
      assert.strictEqual((yield* put({ "events[video_encoded]": "perhaps" })).status, 400)
      assert.strictEqual((yield* put({ send_video_payload: "perhaps" })).status, 400)
      assert.strictEqual((yield* put({ "events[encoding-complete]": "true" })).status, 400)
      assert.strictEqual((yield* put({ events: "{}" })).status, 400)
    })
  )
})
