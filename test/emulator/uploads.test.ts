import { assert, describe } from "@effect/vitest"
import { DateTime, Effect, Exit, Fiber, Redacted, Schedule, Stream, TestClock } from "effect"
import { inspect } from "node:util"
import {
  ask,
  bytes,
  call,
  chunk,
  error,
  failureCode,
  type Json,
  open,
  panda,
  probe,
  send,
  session,
  sha256,
  test
} from "./rawClient.js"

describe("upload sessions", () => {
  const file = bytes(1000)

  test(
    "chunks by PUT and POST, Range, video at the end, and again at a probe",
    Effect.gen(function*() {
      const { id, location } = yield* open(1000, { profiles: "h264", payload: "p" })
      assert.match(id, /^[0-9a-f]{32}$/)
      assert.match(location, /^http:\/\/vm-1\.upload\.pandastream\.test\/upload\/session\?id=[0-9a-f]{32}$/)
      assert.notInclude(location, id)
      const nothing = yield* probe(location, 1000)
      assert.deepStrictEqual([nothing.status, nothing.headers["range"], nothing.text], [204, undefined, ""])
      const first = yield* chunk(location, file, 0, 399)
      assert.deepStrictEqual([first.status, first.headers["range"], first.text], [204, "0-399", ""])
      const second = yield* chunk(location, file, 400, 400, { method: "POST" })
      assert.strictEqual(second.headers["range"], "0-400")
      assert.strictEqual((yield* probe(location, 1000)).headers["range"], "0-400")
      assert.isUndefined((yield* session).sha256)
      const last = yield* chunk(location, file, 401, 999)
      assert.strictEqual(last.status, 200)
      const video = error(last)
      assert.deepInclude(video, { original_filename: "movie.mp4", payload: "p", status: "processing" })
      assert.strictEqual(error(yield* probe(location, 1000)).id, video.id)
      assert.strictEqual(error(yield* chunk(location, file, 999, 999)).id, video.id)
      assert.deepInclude(yield* session, {
        id,
        name: "movie.mp4",
        size: 1000,
        stored: 1000,
        acknowledged: 1000,
        received: 1001,
        receivedTwice: 1,
        storedTwice: 1,
        sha256: sha256(file),
        bytes: undefined,
        status: "complete",
        videoId: video.id,
        locations: 1
      })
      yield* TestClock.adjust("1 second")
      assert.deepInclude((yield* ask("GET", "/videos.json"))[0], { id: video.id, file_size: 1000 })
      assert.strictEqual((yield* ask("GET", "/encodings.json")).length, 1)
      assert.strictEqual((yield* (yield* panda).videos).length, 1)
    })
  )

  test(
    "no encodings unless asked for",
    Effect.gen(function*() {
      const count = (params: Record<string, string>) =>
        Effect.gen(function*() {
          const { location } = yield* open(1000, params)
          const { id } = error(yield* chunk(location, file, 0, 999))
          return (yield* ask("GET", "/encodings.json", { video_id: id })).length as number
        })
      assert.strictEqual(yield* count({}), 0)
      assert.strictEqual(yield* count({ use_all_profiles: "true" }), 2)
      assert.strictEqual(yield* count({ profiles: "webm" }), 1)
      assert.strictEqual((yield* call("POST", "/videos/upload.json", { file_name: "a" })).status, 400)
      assert.strictEqual((yield* call("POST", "/videos/upload.json", { file_name: "a", file_size: "0" })).status, 400)
      const unknown = { file_name: "a", file_size: "1", profiles: "x" }
      assert.strictEqual((yield* call("POST", "/videos/upload.json", unknown)).status, 404)
    })
  )

  test(
    "a gap stores nothing, an overlap only what is new",
    Effect.gen(function*() {
      const { location } = yield* open(1000)
      const gap = yield* chunk(location, file, 500, 999)
      assert.deepStrictEqual([gap.status, gap.headers["range"]], [204, undefined])
      yield* chunk(location, file, 0, 299)
      assert.strictEqual((yield* chunk(location, file, 301, 999)).headers["range"], "0-299")
      assert.strictEqual((yield* chunk(location, file, 200, 599)).headers["range"], "0-599")
      assert.strictEqual((yield* chunk(location, file, 0, 99)).headers["range"], "0-599")
      assert.strictEqual((yield* chunk(location, file, 599, 999)).status, 200)
      assert.deepInclude(yield* session, { sha256: sha256(file), receivedTwice: 201, storedTwice: 201 })
    })
  )

  test(
    "the whole file in one body, and as a form",
    Effect.gen(function*() {
      const whole = yield* open(1000)
      const octets = { "content-type": "application/octet-stream" }
      const short = { method: "POST", url: whole.location, headers: octets, body: file.subarray(1) }
      assert.strictEqual((yield* send(short)).status, 400)
      assert.strictEqual((yield* send({ ...short, body: file })).status, 200)

      const form = (content: Uint8Array<ArrayBuffer>, name = "file") => {
        const data = new FormData()
        data.append("other", "x")
        data.append(name, new File([content], "m.mp4"))
        return data
      }
      const multipart = yield* open(1000)
      yield* chunk(multipart.location, bytes(1000, 3), 0, 499)
      const post = (body: FormData) => send({ method: "POST", url: multipart.location, body })
      assert.strictEqual((yield* post(form(file.subarray(1)))).status, 400)
      assert.strictEqual((yield* post(form(file, "movie"))).status, 400)
      const done = yield* post(form(file))
      assert.strictEqual(done.status, 200)
      assert.strictEqual(error(yield* post(form(file))).id, error(done).id)
      for (const seen of yield* (yield* panda).sessions) {
        assert.deepInclude(seen, { sha256: sha256(file), bytes: file, status: "complete" })
      }
    }),
    { keepBytes: true }
  )

  test(
    "a form whose boundaries fall between slices",
    Effect.gen(function*() {
      const content = new TextEncoder().encode("\r\n--\r\n--X\r--Y\r\n--XY ä \r\n\r\n")
      const head = "ignored\r\n--XYZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"m.mp4\"\r\n\r\n"
      const body = Buffer.concat([Buffer.from(head), content, Buffer.from("\r\n--XYZ--\r\ntrailer")])
      for (const size of [1, 2, 3, 5, 7, 64, body.length]) {
        const { location } = yield* open(content.length)
        const slices = Array.from(
          { length: Math.ceil(body.length / size) },
          (_, i) => body.subarray(i * size, (i + 1) * size)
        )
        const reply = yield* send({
          method: "POST",
          url: location,
          headers: { "content-type": "multipart/form-data; boundary=\"XYZ\"" },
          body: Stream.fromIterable(slices),
          length: body.length
        })
        assert.strictEqual(reply.status, 200)
      }
      for (const seen of yield* (yield* panda).sessions) assert.strictEqual(seen.sha256, sha256(content))
    })
  )

  test(
    "a session of another emulator can be brought back",
    Effect.gen(function*() {
      const { restoreSession } = yield* panda
      const location = "http://127.0.0.1:1234/upload/session?id=earlier"
      yield* restoreSession({
        version: 1,
        created: DateTime.unsafeMake(0),
        acknowledged: 350,
        id: "s1",
        location: Redacted.make(location),
        name: "earlier.mp4",
        fingerprint: { size: 1000, digest: "" },
        options: { profiles: ["webm"], payload: "p" }
      }, Stream.fromIterable([file.subarray(0, 300), file.subarray(300, 400)]))
      assert.strictEqual((yield* probe(location, 1000)).headers["range"], "0-399")
      assert.deepInclude(yield* session, { id: "s1", received: 0, stored: 400, acknowledged: 400 })
      assert.deepInclude(error(yield* chunk(location, file, 400, 999)), {
        original_filename: "earlier.mp4",
        payload: "p"
      })
      assert.strictEqual((yield* session).sha256, sha256(file))
      assert.deepStrictEqual((yield* ask("GET", "/encodings.json")).map((encoding: Json) => encoding.profile_name), [
        "webm"
      ])
    })
  )

  test(
    "abort",
    Effect.gen(function*() {
      const { location } = yield* open(1000)
      yield* chunk(location, file, 0, 9)
      const aborted = yield* send({ method: "DELETE", url: location })
      assert.deepStrictEqual([aborted.status, aborted.text], [200, ""])
      assert.strictEqual((yield* send({ method: "DELETE", url: location })).status, 404)
      assert.strictEqual((yield* chunk(location, file, 10, 19)).status, 404)
      assert.strictEqual((yield* probe(location, 1000)).status, 404)
      assert.strictEqual((yield* session).status, "aborted")
      assert.strictEqual((yield* probe("http://x/upload/session?id=unknown", 1000)).status, 404)
      assert.strictEqual((yield* send({ method: "GET", url: location })).status, 404)
    })
  )

  test(
    "headers that do not fit are refused, and store nothing",
    Effect.gen(function*() {
      const { location } = yield* open(1000)
      const put = (headers: Record<string, string>, body: Uint8Array = file.subarray(0, 10)) =>
        Effect.map(
          send({
            method: "PUT",
            url: location,
            headers: { "content-type": "application/octet-stream", ...headers },
            body
          }),
          ({ status }) => status
        )
      assert.strictEqual(yield* put({ "content-range": "bytes 0-9/1001" }), 400)
      assert.strictEqual(yield* put({ "content-range": "bytes 0-10/1000" }), 400)
      assert.strictEqual(yield* put({ "content-range": "bytes 0-8/1000" }), 400)
      assert.strictEqual(yield* put({ "content-range": "bytes 991-1000/1000" }), 400)
      assert.strictEqual(yield* put({ "content-range": "bytes 10-1/1000" }), 400)
      assert.strictEqual(yield* put({ "content-range": "0-9/1000" }), 400)
      assert.strictEqual(yield* put({ "content-range": "bytes */1000" }), 400)
      assert.strictEqual(yield* put({ "content-range": "bytes */1001" }, new Uint8Array(0)), 400)
      assert.strictEqual(yield* put({ "content-range": "bytes 0-9/1000", "content-type": "video/mp4" }), 415)
      assert.strictEqual(
        (yield* send({
          method: "PUT",
          url: location,
          headers: { "content-type": "application/octet-stream", "content-range": "bytes 0-9/1000" },
          body: Stream.succeed(file.subarray(0, 10))
        })).status,
        411
      )
      assert.deepInclude(yield* session, { stored: 0, received: 0 })
      assert.strictEqual(yield* put({ "content-range": "bytes 0-9/1000" }), 204)
    })
  )

  test(
    "a body that is not as long as announced breaks the connection",
    Effect.gen(function*() {
      const { location } = yield* open(1000)
      const put = (sent: number, said: number) =>
        Effect.exit(send({
          method: "PUT",
          url: location,
          headers: { "content-type": "application/octet-stream", "content-range": `bytes 0-${said - 1}/1000` },
          body: Stream.fromIterable([file.subarray(0, 5), file.subarray(5, sent)]),
          length: said
        }))
      assert.strictEqual(failureCode(yield* put(8, 10)), "ECONNRESET")
      assert.strictEqual((yield* session).stored, 8)
      assert.strictEqual(failureCode(yield* put(30, 20)), "ECONNRESET")
      assert.deepInclude(yield* session, { stored: 20, acknowledged: 0, received: 28 })
    })
  )

  test(
    "a source that fails, or is interrupted, leaves what it had sent",
    Effect.gen(function*() {
      const { location } = yield* open(1000)
      const put = (body: Stream.Stream<Uint8Array, unknown>) =>
        send({
          method: "PUT",
          url: location,
          headers: { "content-type": "application/octet-stream", "content-range": "bytes 0-999/1000" },
          body,
          length: 1000
        })
      const slices = Stream.range(0, 9).pipe(Stream.map((i) => file.subarray(i * 100, i * 100 + 100)))
      const failed = yield* Effect.exit(put(Stream.concat(Stream.take(slices, 3), Stream.fail("disk"))))
      assert.isTrue(Exit.isFailure(failed))
      assert.strictEqual((yield* session).stored, 300)
      const fiber = yield* Effect.fork(put(Stream.schedule(slices, Schedule.spaced("1 second"))))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.interrupt(fiber)
      assert.deepInclude(yield* session, { stored: 500, status: "open", acknowledged: 0 })
      const again = yield* probe(location, 1000)
      assert.strictEqual(again.headers["range"], "0-499")
    })
  )

  test(
    "locations stay secret",
    Effect.gen(function*() {
      const emulator = yield* panda
      const { location } = yield* open(1000)
      yield* chunk(location, file, 0, 9)
      const capability = location.split("=")[1]!
      const shown = inspect([yield* emulator.sessions, yield* emulator.requests], { depth: 9 })
      assert.notInclude(shown, capability)
      assert.notInclude(shown + inspect(emulator, { depth: 9 }), Redacted.value(emulator.secretKey))
      assert.notInclude(shown, "signature")
    })
  )

  test(
    "a hash of one's own, an origin of one's own",
    Effect.gen(function*() {
      const { location } = yield* open(1000)
      assert.match(location, /^https:\/\/up\.example\/upload\/session\?id=/)
      yield* chunk(location, file, 0, 999)
      assert.strictEqual((yield* session).sha256, "1000 bytes")
    }),
    {
      uploadOrigin: "https://up.example",
      hash: () => {
        let size = 0
        return { update: (bytes) => size += bytes.length, digest: () => `${size} bytes` }
      }
    }
  )
})
