/** A Panda of one's own: what it gets it keeps, what it keeps it serves, and what it says it has made is there. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as PlatformError from "@effect/platform/Error"
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, Schedule, type Scope } from "effect"
import {
  Clouds,
  Credentials,
  Encodings,
  Notifications,
  PandaClient,
  Profiles,
  Upload,
  UploadSession,
  UploadSource,
  Videos
} from "effect-panda"
import * as Encoder from "effect-panda/Encoder"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { connect } from "node:net"
import { encoder as ffmpeg, folder, installed, probeUrl, sample } from "../ffmpeg.js"
import { patience } from "../patience.js"

/** What a test has. */
type Env =
  | PandaClient.PandaClient
  | PandaEmulator.PandaEmulator
  | HttpServer.HttpServer
  | Encoder.Encoder
  | FileSystem.FileSystem

/** The emulator on a port, and a client of it, until the effect ends. */
const within = <A, E>(
  at: string,
  body: Effect.Effect<A, E, Env>,
  options: PandaEmulator.FolderOptions = {},
  encoder: Layer.Layer<Encoder.Encoder, Encoder.EncoderUnavailable, NodeContext.NodeContext> = ffmpeg,
  files: Layer.Layer<NodeContext.NodeContext | FileSystem.FileSystem> = NodeContext.layer
) => {
  const credentials = Layer.unwrapEffect(Effect.gen(function*() {
    const { accessKey, cloudId, secretKey } = yield* PandaEmulator.PandaEmulator
    const { address } = yield* HttpServer.HttpServer
    const port = address._tag === "TcpAddress" ? address.port : 0
    return Credentials.layer({ accessKey, secretKey, cloudId, host: "127.0.0.1", port })
  }))
  return Effect.provide(
    body,
    PandaClient.layer.pipe(
      Layer.provide(credentials),
      Layer.provideMerge(Layer.provide(PandaEmulator.layerFolder(at, { privateSources: true, ...options }), files)),
      Layer.provideMerge(encoder),
      Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" })),
      Layer.provide(FetchHttpClient.layer),
      Layer.provideMerge(NodeContext.layer)
    )
  )
}

/** Encodes nothing: for what happens before and beside. */
const idle = Layer.succeed(Encoder.Encoder, {
  refuses: () => undefined,
  probe: () => Effect.never,
  preview: () => Effect.void,
  encode: () => Effect.never
})

const test = (name: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.scopedLive.skipIf(!installed)(name, () => body)

const live = (name: string, body: Effect.Effect<void, unknown, Scope.Scope>) => it.scopedLive(name, () => body)

/** As a browser would. */
const get = (url: string, headers: Record<string, string> = {}, method = "GET") =>
  Effect.promise(async () => {
    const response = await fetch(url, { method, headers })
    return { status: response.status, headers: response.headers, bytes: new Uint8Array(await response.arrayBuffer()) }
  })

const port = HttpServer.addressWith((address) => Effect.succeed(address._tag === "TcpAddress" ? address.port : 0))

/** To the location of a session. */
const put = (location: URL, range: string, body = new Uint8Array(0)) =>
  Effect.promise(() =>
    fetch(location, {
      method: "PUT",
      headers: { "content-range": range, "content-type": "application/octet-stream" },
      body
    })
  )

const upload = (options: Upload.Options = {}, name = "panda.mp4") =>
  Upload.video(Upload.start(UploadSource.fromBytes(readFileSync(sample), { name }), options))

const appears = (path: string) =>
  Effect.repeat(Effect.delay(Effect.sync(() => existsSync(path)), "20 millis"), { until: (there) => there })

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

const profile = (name: string, more: Record<string, string | number> = {}) =>
  Profiles.create({ preset_name: name, ...more } as Parameters<typeof Profiles.create>[0])

describe("what was uploaded", () => {
  test(
    "is looked into, encoded and served: every url opens, and plays",
    Effect.flatMap(folder, (at) =>
      within(
        at,
        Effect.gen(function*() {
          const cloud = yield* Clouds.current
          const { id } = yield* upload({
            profiles: ["small", "hls.low", "hls.list"],
            path_format: "films/:video_id/:profile/:id"
          })
          const encodings = yield* Encodings.awaitVideo(id)
          const video = yield* Videos.find(id)
          assert.deepInclude(video, {
            status: "success",
            width: 320,
            height: 180,
            duration: 4000,
            video_codec: "h264",
            mime_type: "video/mp4",
            file_size: readFileSync(sample).length,
            path: `films/${id}/original/${id}`
          })
          assert.deepInclude(yield* Videos.metadata(id), { image_width: 320, audio_format: "aac" })
          const source = Option.getOrThrow(Videos.url(video, cloud))
          assert.strictEqual(sha256((yield* get(source)).bytes), sha256(readFileSync(sample)))
          const preview = yield* get(Option.getOrThrow(Videos.previewUrl(video, cloud)))
          assert.strictEqual(preview.headers.get("content-type"), "image/jpeg")
          assert.strictEqual(preview.bytes.length > 500, true)

          assert.deepStrictEqual(encodings.map(({ status }) => status), ["success", "success", "success"])
          const [list, low, small] = encodings as [Encodings.Encoding, Encodings.Encoding, Encodings.Encoding]
          const played = yield* probeUrl(Option.getOrThrow(Encodings.url(small, cloud)))
          assert.deepInclude(played.streams[0], { codec_name: "h264", width: 160, height: 120 })
          assert.deepInclude(small, { width: 160, height: 120, encoding_progress: 100, video_codec: "h264" })
          for (const url of Encodings.screenshots(small, cloud, { profile: { frame_count: 2 } })) {
            const picture = yield* get(url)
            assert.strictEqual(picture.status, 200)
            assert.deepStrictEqual([...picture.bytes.subarray(0, 2)], [0xff, 0xd8])
          }
          // The playlist leads to the pieces, and to the key that opens them, by their own names.
          assert.deepStrictEqual(low.files, [".m3u8", "_0.ts", ".key"].map((suffix) => `${low.path}${suffix}`))
          assert.approximately(
            Number((yield* probeUrl(Option.getOrThrow(Encodings.url(list, cloud)))).format["duration"]),
            4,
            0.3
          )

          yield* Encodings.delete(small.id)
          assert.strictEqual((yield* get(Option.getOrThrow(Encodings.url(small, cloud)))).status, 404)
          yield* Videos.delete(id)
          assert.strictEqual((yield* get(source)).status, 404)
          assert.isFalse(readdirSync(`${at}/storage`, { recursive: true, withFileTypes: true }).some((f) => f.isFile()))
        }),
        {
          profiles: [
            { preset_name: "h264", name: "small", width: 160, height: 120, frame_count: 2, clip_length: "1" },
            { preset_name: "hls.variant", name: "hls.low", video_bitrate: 100, frame_count: 0, encryption: true },
            { preset_name: "hls.variant.playlist", name: "hls.list" }
          ]
        }
      ))
  )

  test(
    "fails in Panda's words, and can be cancelled, tried again, and made from what was made",
    Effect.flatMap(folder, (at) =>
      within(
        at,
        Effect.gen(function*() {
          const text = UploadSource.fromBytes(new TextEncoder().encode("no video\n".repeat(1000)), { name: "text.mp4" })
          const broken = yield* Upload.video(Upload.start(text, { profiles: ["h264"] }))
          const [failed] = yield* Encodings.awaitVideo(broken.id)
          assert.deepInclude(failed, { status: "fail", error_class: "VideoStatusInvalid" })
          assert.deepInclude(yield* Videos.find(broken.id), { status: "fail", error_class: "FormatNotRecognised" })

          const { id } = yield* upload({ profiles: "none" })
          const slow = yield* Encodings.create({ video_id: id, profile_name: "slow" })
          yield* Effect.repeat(Encodings.find(slow.id), { until: ({ encoding_progress = 0 }) => encoding_progress > 0 })
          yield* Encodings.cancel(slow.id)
          assert.deepInclude(yield* Encodings.find(slow.id), {
            status: "fail",
            error_class: "EncodingError",
            error_message: "The encoding was cancelled"
          })
          assert.deepStrictEqual(readdirSync(`${at}/work`), [])
          yield* Profiles.update("slow", { clip_length: "0.5" })
          yield* Encodings.retry(slow.id)
          assert.strictEqual((yield* Encodings.awaitDone(slow.id)).status, "success")

          const piped = yield* Videos.create({
            file: UploadSource.fromBytes(readFileSync(sample), { name: "a film.mp4" }),
            pipeline: { h264: { mp3: {} } },
            path_format: ":original/:id"
          })
          const [mp3, h264] = yield* Encodings.awaitVideo(piped.id)
          assert.deepInclude(mp3, { status: "success", audio_codec: "mp3", path: `a film/${mp3!.id}` })
          assert.strictEqual(mp3!["parent_encoding_id" as keyof Encodings.Encoding], h264!.id)
          assert.isTrue(existsSync(`${at}/storage/emulated-cloud-id/a film/${mp3!.id}.mp3`))
        }),
        {
          profiles: [
            { preset_name: "h264", width: 64, height: 64, frame_count: 1, clip_length: "2" },
            { preset_name: "mp3", clip_length: "1" },
            { preset_name: "h264.hi", name: "slow", width: 1920, height: 1080, h264_crf: 1, frame_count: 0 }
          ]
        }
      ))
  )

  live(
    "is nothing that leads out of the folder",
    Effect.flatMap(folder, (at) =>
      within(
        at,
        Effect.gen(function*() {
          const refusals = yield* Effect.forEach(
            [
              ...["../:id", "/etc/:id", "a/../../:id", "a//:id", "a\\..\\:id", "./:id", `${"x".repeat(300)}/:id`].map((
                path_format
              ) => upload({ path_format })),
              upload({}, "../../etc/passwd"),
              upload({}, "..\\x.mp4"),
              upload({}, "x".repeat(300)),
              profile("h264", { name: "a", path_format: "../../:id" })
            ],
            (effect) => Effect.map(Effect.flip(effect as Effect.Effect<unknown, Error, Env>), (error) => error.message)
          )
          for (const message of refusals) assert.match(message, /path_format|file_name/)
          const odd = yield* upload({ path_format: ":original/:id" }, "..")
          assert.strictEqual(odd.path, `_/${odd.id}`)
          const here = yield* port
          writeFileSync(`${at}/secret.txt`, "secret emulated")
          const bucket = `${at}/storage/emulated-cloud-id`
          yield* appears(bucket)
          symlinkSync(`${at}/secret.txt`, `${bucket}/link.txt`)
          symlinkSync(at, `${bucket}/outside`)
          for (
            const path of [
              "../panda.jsonl",
              "emulated-cloud-id/../../panda.jsonl",
              "emulated-cloud-id/%2e%2e/%2e%2e/panda.jsonl",
              "emulated-cloud-id/..%2f..%2fpanda.jsonl",
              "..%5cpanda.jsonl",
              "%2e%2e/panda.jsonl",
              "emulated-cloud-id",
              "emulated-cloud-id/link.txt",
              "emulated-cloud-id/outside/secret.txt",
              "%00",
              "%"
            ]
          ) {
            const { bytes, status } = yield* Effect.promise(() => raw(here, `/storage/${path}`))
            assert.strictEqual(status, 404, path)
            assert.notInclude(bytes, "emulated", path)
          }
        }),
        {},
        idle
      ))
  )
})

describe("a connection that breaks", () => {
  live(
    "leaves nothing of a file that was to come with a form",
    Effect.flatMap(folder, (at) =>
      within(
        at,
        Effect.gen(function*() {
          const here = yield* port
          const socket = connect(here, "127.0.0.1")
          yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
          socket.write(
            "POST /v2/videos.json HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000000\r\n" +
              "Content-Type: multipart/form-data; boundary=x\r\n\r\n" +
              "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp4\"\r\n\r\n"
          )
          socket.write(Buffer.alloc(3_000_000))
          const left = Effect.delay(Effect.sync(() => readdirSync(`${at}/incoming`).length), "10 millis")
          yield* Effect.repeat(left, { until: (count) => count === 1 })
          socket.destroy()
          yield* Effect.repeat(left, { until: (count) => count === 0 })
        }).pipe(Effect.scoped),
        {},
        idle
      ))
  )
})

/** Without what `fetch` makes of dots. */
const raw = (port: number, path: string, headers: Record<string, string> = {}, method = "GET") =>
  import("node:http").then(({ request }) =>
    new Promise<{ status: number; headers: Record<string, unknown>; bytes: string }>((resolve, reject) => {
      request({ host: "127.0.0.1", port, path, headers, method, agent: false }, (response) => {
        let bytes = ""
        response.setEncoding("latin1")
        response.on("data", (part: string) => bytes += part)
        response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, bytes }))
      }).on("error", reject).end()
    })
  )

describe("files", () => {
  live(
    "come whole or in ranges",
    Effect.flatMap(folder, (at) =>
      within(
        at,
        Effect.gen(function*() {
          const here = yield* port
          const { writeFileString } = yield* FileSystem.FileSystem
          const { makeDirectory } = yield* FileSystem.FileSystem
          yield* makeDirectory(`${at}/storage/cloud/a`, { recursive: true })
          yield* writeFileString(`${at}/storage/cloud/a/b.mp4`, "0123456789")
          yield* writeFileString(`${at}/storage/cloud/page.html`, "<script>")
          yield* writeFileString(`${at}/storage/cloud/empty.mp4`, "")
          const at2 = (headers: Record<string, string> = {}, method = "GET", path = "/storage/cloud/a/b.mp4?x=1") =>
            Effect.promise(() => raw(here, path, headers, method))
          const whole = yield* at2()
          assert.deepInclude(whole, { status: 200, bytes: "0123456789" })
          assert.deepInclude(whole.headers, {
            "content-type": "video/mp4",
            "content-length": "10",
            "accept-ranges": "bytes"
          })
          const ranges: ReadonlyArray<readonly [string, number, string, string | undefined]> = [
            ["bytes=2-4", 206, "234", "bytes 2-4/10"],
            ["bytes=7-", 206, "789", "bytes 7-9/10"],
            ["bytes=-3", 206, "789", "bytes 7-9/10"],
            ["bytes=-300", 206, "0123456789", "bytes 0-9/10"],
            ["bytes=8-300", 206, "89", "bytes 8-9/10"],
            ["bytes=10-", 416, "", "bytes */10"],
            ["bytes=-0", 416, "", "bytes */10"],
            ["bytes=5-2", 200, "0123456789", undefined],
            ["bytes=0-1,3-4", 200, "0123456789", undefined],
            ["bytes=-", 200, "0123456789", undefined],
            ["lines=1-2", 200, "0123456789", undefined]
          ]
          for (const [range, status, bytes, contentRange] of ranges) {
            const answer = yield* at2({ range })
            assert.deepStrictEqual([answer.status, answer.bytes, answer.headers["content-range"]], [
              status,
              bytes,
              contentRange
            ], range)
          }
          const etag = String(whole.headers["etag"])
          assert.strictEqual((yield* at2({ "if-none-match": etag })).status, 304)
          assert.strictEqual((yield* at2({ range: "bytes=0-1", "if-range": "\"other\"" })).status, 200)
          assert.strictEqual((yield* at2({ range: "bytes=0-1", "if-range": etag })).bytes, "01")
          assert.deepInclude(yield* at2({}, "HEAD"), { status: 200, bytes: "" })
          assert.strictEqual((yield* at2({}, "PUT")).status, 405)
          const page = yield* at2({}, "GET", "/storage/cloud/page.html")
          assert.deepInclude(page.headers, {
            "content-type": "application/octet-stream",
            "x-content-type-options": "nosniff"
          })
          assert.strictEqual((yield* at2({}, "GET", "/storage/cloud/empty.mp4")).status, 200)
        }),
        {},
        idle
      ))
  )
})

describe("a source_url", () => {
  /** A server of files and of traps. */
  const source = Effect.acquireRelease(
    Effect.async<{ readonly url: string; readonly close: () => void }>((resume) => {
      const server = createServer((request, response) => {
        const path = request.url!.replace(/[?].*$/, "")
        if (path === "/loop") response.writeHead(302, { location: "/loop" }).end()
        else if (path === "/moved/panda.mp4") response.writeHead(301, { location: "/panda.mp4" }).end()
        else if (path === "/file") response.writeHead(302, { location: "file:///etc/passwd" }).end()
        else if (path === "/endless.mp4") response.writeHead(200).write(Buffer.alloc(2_000_000))
        else if (path === "/cut.mp4") {
          response.writeHead(200, { "content-length": "1000" }).write("some")
          setTimeout(() => response.destroy(), 20)
        } else if (path === "/panda.mp4") response.writeHead(200).end(readFileSync(sample))
        else response.writeHead(404).end()
      }).listen(0, "127.0.0.1", () => {
        const address = server.address() as { readonly port: number }
        resume(Effect.succeed({
          url: `http://127.0.0.1:${address.port}`,
          close: () => {
            server.close()
            server.closeAllConnections()
          }
        }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

  const fetched = (source_url: string) =>
    Effect.flatMap(
      Videos.create({ source_url, profiles: "none" }),
      ({ id }) =>
        Effect.repeat(Effect.delay(Videos.find(id), "20 millis"), { until: ({ status }) => status !== "processing" })
    )

  test(
    "is fetched, within bounds",
    Effect.all([folder, source]).pipe(Effect.flatMap(([at, { url }]) =>
      within(
        at,
        Effect.gen(function*() {
          const video = yield* fetched(`${url}/moved/panda.mp4?token=secret`)
          assert.strictEqual(video.error_message, undefined)
          assert.deepInclude(video, { status: "success", width: 320, file_size: readFileSync(sample).length })
          const kept = Option.getOrThrow(Videos.url(video, yield* Clouds.current))
          assert.strictEqual(sha256((yield* get(kept)).bytes), sha256(readFileSync(sample)))
          const failures = {
            [`${url}/none.mp4`]: "The server answered 404",
            [`${url}/loop`]: "The server redirects too often",
            [`${url}/file`]: "Only http and https can be fetched",
            [`${url}/endless.mp4`]: "The file has more than 1000000 bytes",
            [`${url}/cut.mp4`]: "The connection broke",
            "http://127.0.0.1:1/x.mp4": "The server could not be reached",
            "ftp://example.com/x.mp4": "Only http and https can be fetched",
            "/etc/passwd": "The address cannot be read"
          }
          for (const [url, error_message] of Object.entries(failures)) {
            assert.deepInclude(
              yield* fetched(url),
              { status: "fail", error_class: "DownloadFailed", error_message },
              url
            )
          }
          assert.deepStrictEqual(readdirSync(`${at}/incoming`), [])
        }),
        { fileSizeLimit: 1_000_000 }
      )
    ))
  )

  live(
    "leads nowhere private, unless it may",
    Effect.flatMap(folder, (at) =>
      within(
        at,
        Effect.gen(function*() {
          const hosts = [
            "127.0.0.1:8080",
            "127.1",
            "2130706433",
            "0x7f.1",
            "017700000001",
            "localhost",
            "LOCALHOST.",
            "panda.localhost",
            "10.0.0.1",
            "172.31.255.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "0.0.0.0",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[fe80::1]",
            "[fd00::1]",
            "[ff02::1]"
          ]
          for (const host of hosts) {
            assert.deepInclude(yield* fetched(`http://${host}/x.mp4`), {
              status: "fail",
              error_message: "The address is one of this machine or of a private network"
            }, host)
          }
          for (const address of ["8.8.8.8", "172.32.0.1", "2606:4700::1111", "[2a00:1450::1]"]) {
            assert.isTrue(PandaEmulator.isPublicAddress(address), address)
          }
          for (const text of ["example.com", "", "1.2.3", "1.2.3.256", ":::", "1::2::3"]) {
            assert.isFalse(PandaEmulator.isPublicAddress(text), text)
          }
        }),
        { privateSources: false },
        idle
      ))
  )
})

describe("a client that leaves in mid-chunk", () => {
  live(
    "is told at once, when it asks again, how much is stored",
    Effect.flatMap(folder, (at) =>
      within(
        at,
        Effect.gen(function*() {
          const { location } = yield* UploadSession.create({ file_name: "film.mp4", file_size: 10_000_000 })
          const url = new URL(Redacted.value(location))
          // More than goes into one write: while one is on its way to the disk, the client goes.
          yield* Effect.async<void>((resume) => {
            const socket = connect(Number(url.port), url.hostname, () => {
              socket.write(
                `PUT ${url.pathname}${url.search} HTTP/1.1\r\nhost: ${url.host}\r\n` +
                  "content-type: application/octet-stream\r\ncontent-range: bytes 0-9999999/10000000\r\n" +
                  "content-length: 10000000\r\n\r\n"
              )
              socket.write(new Uint8Array(5_000_000), () => socket.destroy())
            })
            socket.on("close", () => resume(Effect.void))
          })
          const stored = Effect.map(put(url, "bytes */10000000"), ({ headers, status }) => {
            assert.strictEqual(status, 204)
            return Number(/^0-(\d+)$/.exec(headers.get("range") ?? "")?.[1] ?? -1) + 1
          })
          yield* Effect.repeat(stored, {
            until: (count) => count === 5_000_000,
            schedule: Schedule.spaced("50 millis")
          })
        }),
        {},
        idle
      ).pipe(Effect.timeout(patience)))
  )
})

describe("a restart", () => {
  live(
    "finds everything as it was",
    Effect.gen(function*() {
      const at = yield* folder
      const before = yield* within(
        at,
        Effect.gen(function*() {
          const { id } = yield* upload({ profiles: ["h264"] })
          yield* profile("webm", { name: "mine", width: 100 })
          yield* Profiles.update("h264", { width: 100 })
          yield* Profiles.delete("webm")
          yield* Notifications.update({ url: "http://example.com/hook", events: { video_created: true } })
          yield* Clouds.create({
            s3_videos_bucket: "second",
            aws_access_key: "a",
            aws_secret_key: Redacted.make("b")
          })
          const session = yield* UploadSession.create({ file_size: 1000, file_name: "open.mp4", profiles: ["mine"] })
          const location = new URL(Redacted.value(session.location))
          const sent = yield* put(location, "bytes 0-599/1000", new Uint8Array(600).fill(7))
          assert.deepStrictEqual([sent.status, sent.headers.get("range")], [204, "0-599"])
          return { id, location, all: yield* everything }
        }),
        {},
        idle
      )
      const { all, id, location } = before
      const moved = Effect.map(port, (port) => Object.assign(new URL(location), { port: String(port) }))
      yield* within(
        at,
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* everything, all)
          assert.strictEqual((yield* Videos.find(id)).status, "processing")
          const here = yield* moved
          assert.strictEqual((yield* put(here, "bytes */1000")).headers.get("range"), "0-599")
          const last = yield* put(here, "bytes 600-999/1000", new Uint8Array(400).fill(8))
          assert.strictEqual(last.status, 200)
          const whole = new Uint8Array(1000).fill(7, 0, 600).fill(8, 600)
          const { sessions } = yield* PandaEmulator.PandaEmulator
          assert.strictEqual((yield* sessions).find(({ name }) => name === "open.mp4")!.sha256, sha256(whole))
          const stored = `${at}/storage/emulated-cloud-id/${location.searchParams.get("id")}.mp4`
          yield* appears(stored)
          assert.strictEqual(sha256(readFileSync(stored)), sha256(whole))
        }),
        {},
        idle
      )
      // The location of a finished upload still tells of its video. What every emulator begins with is not back.
      const [told, { profiles }] = yield* within(
        at,
        Effect.all([Effect.flatMap(moved, (here) => put(here, "bytes */1000")), everything]),
        {},
        idle
      )
      assert.strictEqual(told.status, 200)
      assert.deepStrictEqual(profiles, all.profiles)
    })
  )

  const everything = Effect.gen(function*() {
    const panda = yield* PandaEmulator.PandaEmulator
    return {
      videos: yield* panda.videos,
      encodings: yield* panda.encodings,
      profiles: yield* panda.profiles,
      clouds: yield* panda.clouds,
      notifications: yield* panda.notifications,
      sessions: (yield* panda.sessions).map(({ id, name, sha256, size, status, stored }) => ({
        id,
        name,
        size,
        stored,
        status,
        sha256: status === "complete" ? sha256 : undefined
      }))
    }
  })

  live(
    "leaves half a line aside, and refuses what is damaged or newer",
    Effect.gen(function*() {
      const at = yield* folder
      const journal = `${at}/panda.jsonl`
      const count = () => within(at, Effect.map(Videos.list(), (videos) => videos.length), {}, idle)
      yield* within(at, upload(), {}, idle)
      const whole = readFileSync(journal, "utf8")
      writeFileSync(journal, `${whole}[["video","emulated-cloud-id","x",{"createdAt":1`)
      assert.strictEqual(yield* count(), 1)
      // What was left aside is not in the way of what comes.
      yield* within(at, upload(), {}, idle)
      assert.strictEqual(yield* count(), 2)
      const lines = readFileSync(journal, "utf8").split("\n")
      writeFileSync(journal, [lines[0], "{damaged", ...lines.slice(1)].join("\n"))
      const damaged = yield* Effect.flip(count())
      assert.include(damaged.message, "line 2 is damaged")
      writeFileSync(journal, "{\"version\":2}\n")
      assert.include((yield* Effect.flip(count())).message, "another version")
    })
  )
})

describe("webhooks", () => {
  /** Sources are what they are at once; of encodings nothing comes. */
  const looking = Layer.succeed(Encoder.Encoder, {
    refuses: () => undefined,
    probe: () => Effect.succeed({ facts: {} as Encoder.Facts, metadata: {} }),
    preview: () => Effect.void,
    encode: () => Effect.never
  })

  /** Until it is written down that one has arrived. Whoever is killed before sends it again. */
  const written = (at: string, count = 1) =>
    Effect.repeat(
      Effect.delay(
        Effect.sync(() =>
          readFileSync(`${at}/panda.jsonl`, "utf8").match(/\["webhook",[^\]]*,null\]/g)?.length === count
        ),
        "10 millis"
      ),
      { until: (there) => there }
    )

  /** A receiver that is told, and what it says then. */
  const receiver = Effect.sync(() => {
    const told: Array<string> = []
    let waiting: { readonly told: number; readonly resume: () => void } | undefined
    const state: { status: number; readonly app: HttpApp.Default } = {
      status: 500,
      app: HttpServerRequest.HttpServerRequest.pipe(
        Effect.flatMap(({ urlParamsBody }) => urlParamsBody),
        Effect.orDie,
        Effect.map((params) => {
          const { event, video_id } = Object.fromEntries(params)
          told.push(`${event} ${video_id}`)
          if (told.length >= (waiting?.told ?? Infinity)) waiting!.resume()
          return HttpServerResponse.empty({ status: state.status })
        })
      )
    }
    const until = (count: number) =>
      Effect.async<void>((resume) => {
        waiting = { told: count, resume: () => resume(Effect.void) }
        if (told.length >= count) waiting.resume()
      })
    return Object.assign(state, { told, until })
  })

  live(
    "that were not delivered are delivered after a restart, and no others",
    Effect.gen(function*() {
      const at = yield* folder
      const hook = yield* receiver
      const deliver = (retry: Schedule.Schedule<unknown>) =>
        Effect.flatMap(PandaEmulator.PandaEmulator, (panda) => panda.deliver(hook.app, { retry }))
      const deliveries = Effect.flatMap(PandaEmulator.PandaEmulator, ({ deliveries }) => deliveries)
      const run = <A, E>(body: Effect.Effect<A, E, Env | Scope.Scope>) => within(at, Effect.scoped(body), {}, looking)

      // What happened when nobody was told is told to nobody.
      const stored = (id: string) =>
        Effect.repeat(Effect.delay(Videos.find(id), "10 millis"), { until: ({ status }) => status === "success" })
      yield* run(Effect.flatMap(upload({ profiles: "none" }), ({ id }) => stored(id)))
      const first = yield* run(Effect.gen(function*() {
        yield* Notifications.update({ url: "http://receiver.test/hook", events: { video_created: true } })
        yield* deliver(Schedule.spaced("20 millis"))
        const { id } = yield* upload({ profiles: "none" })
        yield* hook.until(3)
        return id
      }))
      assert.deepStrictEqual([...new Set(hook.told)], [`video-created ${first}`])

      // A restart takes none of the tries that there are.
      const tries = hook.told.length
      const again = run(Effect.gen(function*() {
        const before = hook.told.length
        yield* deliver(Schedule.intersect(Schedule.recurs(tries), Schedule.spaced("1 hour")))
        yield* hook.until(before + 1)
      }))
      yield* Effect.repeatN(again, 2)

      // It is not over, and goes on by the number of attempts that there were.
      const before = hook.told.length
      hook.status = 200
      const second = yield* run(Effect.gen(function*() {
        yield* deliver(Schedule.recurs(before))
        yield* hook.until(before + 1)
        const [delivery] = yield* deliveries
        assert.isAtLeast(delivery!.attempt, before)
        const { id } = yield* upload({ profiles: "none" })
        yield* hook.until(before + 2)
        yield* written(at, 2)
        return id
      }))
      // Delivered is delivered.
      const third = yield* run(Effect.gen(function*() {
        yield* deliver(Schedule.recurs(0))
        const { id } = yield* upload({ profiles: "none" })
        yield* hook.until(before + 3)
        yield* written(at)
        return id
      }))
      assert.deepStrictEqual(
        hook.told.slice(before),
        [first, second, third].map((id) => `video-created ${id}`)
      )
      // Nothing of it is left where it would be read again and again.
      yield* run(Effect.void)
      assert.notInclude(readFileSync(`${at}/panda.jsonl`, "utf8"), "receiver.test/hook\",\"fields")
    })
  )

  live(
    "of what happened and was told to nobody, for the emulator was killed, are sent by the next one",
    Effect.gen(function*() {
      const at = yield* folder
      const hook = yield* receiver
      hook.status = 200
      const deliver = Effect.flatMap(PandaEmulator.PandaEmulator, (panda) => panda.deliver(hook.app))
      const run = <A, E>(body: Effect.Effect<A, E, Env | Scope.Scope>) => within(at, Effect.scoped(body), {}, looking)
      yield* run(Effect.gen(function*() {
        yield* Notifications.update({ url: "http://receiver.test/hook", events: { video_created: true } })
        yield* deliver
        yield* upload({ profiles: "none" })
        yield* hook.until(1)
        yield* written(at)
      }))
      // As if it had come to its end between the line that says what happened and the next one.
      const { id } = yield* run(upload({ profiles: "none" }))
      yield* run(Effect.zipRight(deliver, hook.until(2)))
      assert.strictEqual(hook.told[1], `video-created ${id}`)
    })
  )
})

describe("a full disk", () => {
  /** Writes fail from some moment on. */
  const filling = (full: () => boolean) =>
    Layer.effect(
      FileSystem.FileSystem,
      Effect.map(FileSystem.FileSystem, (fs) => ({
        ...fs,
        open: (path: string, options?: FileSystem.OpenFileOptions) =>
          Effect.map(fs.open(path, options), (file) =>
            new Proxy(file, {
              get: (target, name) => {
                const value = Reflect.get(target, name, target) as unknown
                if (name === "writeAll") {
                  return (bytes: Uint8Array) =>
                    full()
                      ? Effect.zipRight(
                        target.writeAll(bytes.subarray(0, bytes.length / 2)),
                        new PlatformError.SystemError({
                          module: "FileSystem",
                          method: "write",
                          reason: "Unknown",
                          description: "ENOSPC: no space left on device, write"
                        })
                      )
                      : target.writeAll(bytes)
                }
                return typeof value === "function" ? value.bind(target) : value
              }
            }))
      }))
    ).pipe(Layer.provideMerge(NodeContext.layer))

  live(
    "refuses with 507, and what was stored stays whole",
    Effect.gen(function*() {
      const at = yield* folder
      let full = false
      const bytes = readFileSync(sample)
      const program = Effect.gen(function*() {
        const kept = yield* upload()
        full = true
        const refused = yield* Effect.flip(upload({ retry: Schedule.recurs(0) }))
        assert.include(refused.message, "507")
        const created = yield* Effect.flip(
          Videos.create({ file: UploadSource.fromBytes(bytes, { name: "x.mp4" }) }).pipe(PandaClient.withRetry("none"))
        )
        assert.strictEqual((created as { readonly status?: number }).status, 507)
        // In the middle of a chunk, too: what was written before counts, and what comes then goes on from there.
        const large = new Uint8Array(6_000_000).map((_, i) => (i * 7) % 251)
        const session = yield* Effect.zipRight(
          Effect.sync(() => {
            full = false
          }),
          UploadSession.create({ file_size: large.length, file_name: "large.mp4", profiles: "none" })
        )
        const location = new URL(Redacted.value(session.location))
        const halves = { first: large.subarray(0, 3_000_000), second: large.subarray(3_000_000) }
        assert.strictEqual((yield* put(location, "bytes 0-2999999/6000000", halves.first)).status, 204)
        full = true
        assert.strictEqual((yield* put(location, "bytes 3000000-5999999/6000000", halves.second)).status, 507)
        const range = (yield* put(location, "bytes */6000000")).headers.get("range")
        assert.strictEqual(range, "0-2999999")
        full = false
        assert.strictEqual((yield* put(location, "bytes 3000000-5999999/6000000", halves.second)).status, 200)
        const { sessions } = yield* PandaEmulator.PandaEmulator
        assert.strictEqual((yield* sessions).find(({ name }) => name === "large.mp4")!.sha256, sha256(large))
        const later = yield* upload()
        return [kept, later].map(({ id }) => id)
      })
      const ids = yield* within(at, program, {}, idle, filling(() => full))
      const after = Effect.gen(function*() {
        assert.strictEqual((yield* Videos.list()).length, 3)
        for (const id of ids) {
          const stored = `${at}/storage/emulated-cloud-id/${id}.mp4`
          yield* appears(stored)
          assert.strictEqual(sha256(readFileSync(stored)), sha256(bytes))
        }
      })
      yield* within(at, after, {}, idle)
    })
  )
})
