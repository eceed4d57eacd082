import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe } from "@effect/vitest"
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js"
import { DateTime, Effect, Exit, Fiber, Redacted, Schedule, Stream, TestClock } from "effect"
import { Fault } from "effect-panda/PandaEmulator"
import { createHash } from "node:crypto"
import { inspect } from "node:util"
import {
  ask,
  bytes,
  call,
  chunk,
  error,
  failureCode,
  inject,
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
      // All of it that is a secret: whoever knows the id can write to the session.
      assert.strictEqual(new URL(location).search, `?id=${id}`)
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
        locations: 1,
        inexactRanges: 0
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
      assert.strictEqual(yield* count({ use_all_profiles: "1" }), 2)
      assert.strictEqual(yield* count({ use_all_profiles: "0" }), 0)
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
    "every 204 tells the session's address, absolute, wherever it was asked for",
    Effect.gen(function*() {
      const { location } = yield* open(1000)
      const addresses = yield* Effect.forEach([
        probe(location, 1000),
        chunk(location, file, 0, 99),
        chunk(location, file, 100, 199, { method: "POST" }),
        chunk(location, file, 900, 949),
        probe(location, 1000)
      ], Effect.map(({ headers, status }) => [status, headers["location"]]))
      assert.deepStrictEqual(addresses, Array.from({ length: 5 }, () => [204, location]))
      // Through a tunnel it is still the address that the client knows.
      const tunnel = location.replace("vm-1.upload.pandastream.test", "tunnel.example:8080")
      assert.strictEqual((yield* probe(tunnel, 1000)).headers["location"], tunnel)
      const last = yield* chunk(location, file, 200, 999)
      assert.deepStrictEqual([last.status, last.headers["location"]], [200, undefined])
    })
  )

  test(
    "a last chunk whose Content-Range reaches beyond the file, by however much, and that it did",
    Effect.gen(function*() {
      const put = (range: string, body: Uint8Array, location: string) =>
        send({
          method: "POST",
          url: location,
          headers: { "content-type": "application/octet-stream", "content-range": range },
          body
        })
      const whole = yield* open(1000)
      assert.strictEqual((yield* put("bytes 0-5242879/1000", file, whole.location)).status, 200)
      assert.deepInclude(yield* session, { sha256: sha256(file), inexactRanges: 1, stored: 1000, received: 1000 })

      const parts = yield* open(1000)
      assert.strictEqual(
        (yield* put("bytes 0-599/1000", file.subarray(0, 600), parts.location)).headers["range"],
        "0-599"
      )
      assert.strictEqual((yield* put("bytes 599-1198/1000", file.subarray(599), parts.location)).status, 200)
      const [, inspected] = yield* (yield* panda).sessions
      assert.deepInclude(inspected, { sha256: sha256(file), inexactRanges: 1, storedTwice: 1 })

      const exact = yield* open(1000)
      yield* chunk(exact.location, file, 0, 499)
      yield* chunk(exact.location, file, 500, 999)
      assert.strictEqual((yield* (yield* panda).sessions)[2]!.inexactRanges, 0)
    })
  )

  test(
    "a chunk without a type; a probe without the size",
    Effect.gen(function*() {
      const { httpClient } = yield* panda
      const { location } = yield* open(1000)
      const put = (range: string, body: Uint8Array) =>
        httpClient.execute(
          HttpClientRequest.put(location).pipe(
            HttpClientRequest.setBody(HttpBody.raw(body)),
            HttpClientRequest.setHeader("content-range", range)
          )
        )
      assert.strictEqual((yield* put("bytes 0-99/1000", file.subarray(0, 100))).status, 204)
      assert.strictEqual((yield* put("bytes *", new Uint8Array(0))).headers["range"], "0-99")
      assert.strictEqual((yield* put("bytes */1000", new Uint8Array(0))).headers["range"], "0-99")
      assert.strictEqual((yield* put("bytes *", file.subarray(0, 1))).status, 400)
      assert.strictEqual((yield* put("bytes */*", new Uint8Array(0))).status, 400)
      const { requests } = yield* panda
      assert.deepStrictEqual(
        (yield* requests).map(({ headers, route }) => [route, headers["content-type"]]).slice(1, 3),
        [
          ["chunk", undefined],
          ["probe", undefined]
        ]
      )
    })
  )

  test(
    "pages of other origins may upload: preflights, and what they may read of every answer",
    Effect.gen(function*() {
      const { location } = yield* open(1000)
      const preflight = (headers: Record<string, string>) =>
        send({ method: "OPTIONS", url: location, headers: { origin: "https://page.example", ...headers } })
      const list = (value: string | undefined) => (value ?? "").toLowerCase().split(/,\s*/)
      for (const method of ["PUT", "POST", "DELETE"]) {
        const asked = "cache-control, content-range, content-type, x-file-name, x-requested-with, x-something-new"
        const { headers, status } = yield* preflight({
          "access-control-request-method": method,
          "access-control-request-headers": asked
        })
        assert.strictEqual(status, 200)
        assert.strictEqual(headers["access-control-allow-origin"], "*")
        assert.includeMembers(list(headers["access-control-allow-methods"]), [method.toLowerCase()])
        assert.includeMembers(list(headers["access-control-allow-headers"]), asked.split(", "))
      }
      const { headers } = yield* preflight({})
      assert.includeMembers(list(headers["access-control-allow-headers"]), ["content-type", "content-range"])
      assert.strictEqual((yield* send({ method: "OPTIONS", url: "http://a.example/upload/session?id=x" })).status, 200)

      yield* inject("chunk", Fault.status(503, { body: "<html>" }), { skip: 1 })
      yield* inject("chunk", Fault.truncate({ after: 1000 }), { skip: 1 })
      const answers = yield* Effect.all([
        probe(location, 1000),
        chunk(location, file, 0, 99),
        chunk(location, file, 100, 199),
        chunk(location, file, 100, 999, { headers: { "content-type": "video/mp4" } }),
        chunk(location, file, 100, 999),
        send({ method: "GET", url: location }),
        send({ method: "DELETE", url: location }),
        send({ method: "PUT", url: "http://a.example/upload/session?id=x" }),
        send({ method: "PUT", url: "http://a.example/elsewhere" })
      ])
      assert.deepStrictEqual(answers.map(({ status }) => status), [204, 204, 503, 415, 200, 404, 404, 404, 404])
      for (const { headers, status } of answers) {
        assert.strictEqual(headers["access-control-allow-origin"], "*", String(status))
        assert.includeMembers(list(headers["access-control-expose-headers"]), ["range", "location"], String(status))
      }
      const api = yield* call("GET", "/videos.json")
      assert.notProperty(api.headers, "access-control-allow-origin")
      assert.strictEqual((yield* (yield* panda).requests)[1]!.route, "preflight")
      assert.strictEqual((yield* session).stored, 1000)
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
        id: Redacted.make("s1"),
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
      // Beyond the end, and not the last chunk; at the end, and not as long as it says.
      assert.strictEqual(yield* put({ "content-range": "bytes 0-1000/1000" }), 400)
      assert.strictEqual(yield* put({ "content-range": "bytes 989-1000/1000" }), 400)
      assert.strictEqual(yield* put({ "content-range": "bytes 991-1000/1000" }), 400)
      assert.strictEqual(yield* put({ "content-range": "bytes 1000-1009/1000" }), 400)
      assert.strictEqual(yield* put({ "content-range": "bytes 1000-1000/1000" }, new Uint8Array(0)), 400)
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
      const shown = inspect([yield* emulator.sessions, yield* emulator.requests], { depth: 9 })
      assert.notInclude(shown, location)
      assert.notInclude(shown, "/upload/session?")
      assert.notInclude(shown + inspect(emulator, { depth: 9 }), Redacted.value(emulator.secretKey))
      // The word may be there, for how the request was let in.
      assert.match(shown, /mode: 'signature'/)
      assert.notMatch(shown.replaceAll("mode: 'signature'", ""), /signature|[\w+/]{43}=/)
    })
  )

  const hashes = {
    "node:crypto": () => createHash("sha256"),
    "@noble/hashes": () => nobleSha256.create(),
    "one that gives text": () => {
      const hash = createHash("sha256")
      return { update: (bytes: Uint8Array) => hash.update(bytes), digest: () => hash.digest("hex") }
    }
  }
  for (const [name, hash] of Object.entries(hashes)) {
    test(
      `a hash as it comes: ${name}`,
      Effect.gen(function*() {
        const { location } = yield* open(1000)
        yield* chunk(location, file, 0, 999)
        assert.strictEqual((yield* session).sha256, sha256(file))
      }),
      { hash }
    )
  }

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
