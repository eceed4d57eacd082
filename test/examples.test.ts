import * as Command from "@effect/platform/Command"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Data, Effect, Layer, Redacted, Schedule, Stream } from "effect"
import { Clouds, Credentials, Notifications, PandaClient, Videos } from "effect-panda"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { createHash } from "node:crypto"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { build, bundle } from "./esbuild.js"
import { freePort } from "./freePort.js"
import * as HttpProxy from "./httpProxy.js"
import { patience } from "./patience.js"
import * as Postgres from "./postgres.js"

await import("../examples/testing.test.js")
await import("../examples/ingest/testing.test.js")

/**
 * Every example as its reader starts it: a process of its own beside an installed package, with the emulator on a port
 * in place of Panda.
 */
const root = fileURLToPath(new URL("..", import.meta.url))
let installed: string

const modulesIn = (folder: string, where = root) =>
  readdirSync(join(where, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .map((file) => join(folder, file))
    // For those a browser is needed: `npm run test:browser`.
    .filter((file) => !file.startsWith(join("examples", "browser")))
    .map((file) => join(where, file))

beforeAll(async () => {
  installed = mkdtempSync(join(tmpdir(), "effect-panda-"))
  const modules = join(installed, "node_modules")
  mkdirSync(join(modules, "effect-panda"), { recursive: true })
  cpSync(join(root, "package.json"), join(modules, "effect-panda/package.json"))
  for (const name of ["effect", "@effect", "@noble", "@opentelemetry", "better-sqlite3"]) {
    symlinkSync(join(root, "node_modules", name), join(modules, name))
  }
  writeFileSync(join(installed, "package.json"), `{ "type": "module" }`)
  await build({
    entryPoints: modulesIn("src"),
    outdir: join(modules, "effect-panda/dist"),
    outbase: join(root, "src")
  })
  cpSync(join(root, "examples"), join(installed, "examples"), { recursive: true })
  await bundle(modulesIn("examples", installed), installed)
})
afterAll(() => rmSync(installed, { recursive: true }))

class ExampleFailed extends Data.TaggedError("ExampleFailed")<{ readonly code: number; readonly printed: string }> {
  override get message() {
    return `exit code ${this.code}\n${this.printed}`
  }
}

/** The folder an example runs in. */
const folder = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

const command = (
  example: string,
  folder: string,
  env: Readonly<Record<string, string>> = {},
  args: ReadonlyArray<string> = []
) =>
  Effect.gen(function*() {
    const { accessKey, cloudId, secretKey } = yield* PandaEmulator.PandaEmulator
    const { address } = yield* HttpServer.HttpServer
    if (address._tag === "UnixAddress") return yield* Effect.dieMessage("not on a port")
    return Command.make(process.execPath, join(installed, `${example}.mjs`), ...args).pipe(
      Command.workingDirectory(folder),
      Command.env({
        // What the machine that runs the tests has set does not count.
        PANDASTREAM_URL: "",
        PANDA_TOKEN: "",
        PANDA_REGION: "",
        PANDA_ACCESS_KEY: accessKey,
        PANDA_SECRET_KEY: Redacted.value(secretKey),
        PANDA_CLOUD_ID: cloudId,
        PANDA_HOST: "127.0.0.1",
        PANDA_PORT: String(address.port),
        ...env
      })
    )
  })

const text = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) => Stream.mkString(Stream.decodeText(stream))

/** Runs an example to its end and gives what it printed. */
const run = (
  example: string,
  options: { readonly folder?: string; readonly env?: Record<string, string>; readonly args?: Array<string> } = {}
) =>
  Effect.gen(function*() {
    const { args, env } = options
    const started = yield* Command.start(yield* command(example, options.folder ?? (yield* folder), env, args))
    const [out, err, code] = yield* Effect.all([text(started.stdout), text(started.stderr), started.exitCode], {
      concurrency: "unbounded"
    })
    return code === 0 && err === "" ? out : yield* new ExampleFailed({ code, printed: out + err })
  }).pipe(Effect.timeout(patience))

const emulator = (options?: PandaEmulator.Options) =>
  PandaEmulator.layerServer(options).pipe(
    Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" })),
    Layer.provideMerge(NodeContext.layer)
  )

/** What the test itself wants of the emulator, by its door in memory. */
const asClient = <A, E, R>(effect: Effect.Effect<A, E, R | PandaClient.PandaClient>) =>
  Effect.flatMap(PandaEmulator.PandaEmulator, ({ accessKey, cloudId, httpClient, secretKey }) =>
    PandaClient.make.pipe(
      Effect.provide(Credentials.layer({ accessKey, secretKey, cloudId })),
      Effect.provideService(HttpClient.HttpClient, httpClient),
      Effect.flatMap((client) => Effect.provideService(effect, PandaClient.PandaClient, client))
    ))

const bytes = new Uint8Array(3_000_000).map((_, i) => i % 251)
const sha256 = createHash("sha256").update(bytes).digest("hex")

const withMovie = Effect.gen(function*() {
  const path = yield* folder
  const fs = yield* FileSystem.FileSystem
  yield* fs.writeFile(`${path}/movie.mp4`, bytes)
  return path
})

const storage = { s3_videos_bucket: "other", aws_access_key: "key", aws_secret_key: Redacted.make("secret") }

describe.concurrent("examples", () => {
  it.scopedLive("ingest/main has a file to itself, and goes on after a crash", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const fs = yield* FileSystem.FileSystem
      const home = yield* withMovie
      yield* panda.inject({ route: "chunk", skip: 1, fault: Fault.stall })
      const first = yield* Command.start(yield* command("ingest/main", home, {}, ["."]))
      yield* panda.sessions.pipe(
        Effect.repeat({
          schedule: Schedule.spaced("20 millis"),
          until: (sessions) => sessions.some(({ acknowledged }) => acknowledged > 0)
        }),
        Effect.timeout(patience)
      )
      const second = yield* Effect.flip(run("ingest/main", { folder: home, args: ["."] }))
      assert.match(String(second), /ingest\.db cannot be opened by this process alone.*DATABASE_URL/s)
      yield* first.kill("SIGKILL")
      yield* Command.start(yield* command("ingest/main", home, {}, ["."]))
      const results = fs.readDirectory(join(home, ".results"))
      yield* results.pipe(
        Effect.repeat({ schedule: Schedule.spaced("50 millis"), until: (files) => files.length === 1 }),
        Effect.timeout(patience)
      )
      const result: { video: { status: string }; encodings: ReadonlyArray<unknown> } = JSON.parse(
        yield* fs.readFileString(join(home, ".results", (yield* results)[0]!))
      )
      assert.strictEqual(result.video.status, "success")
      assert.lengthOf(result.encodings, 1)
      const sessions = yield* panda.sessions
      assert.deepStrictEqual(sessions.map((session) => session.sha256), [sha256])
    }).pipe(Effect.provide(emulator({ encodingTime: "500 millis" }))))

  it.runIf(Postgres.installed)(
    "ingest/main does what ingest/web is asked to, on one database",
    () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const home = yield* withMovie
        yield* fs.makeDirectory(`${home}/.inbox`)
        yield* fs.rename(`${home}/movie.mp4`, `${home}/.inbox/movie.mp4`)
        const [PORT, RUNNER_PORT] = [String(yield* freePort), String(yield* freePort)]
        const env = { DATABASE_URL: yield* (yield* Postgres.make).database, PORT, RUNNER_PORT }
        for (const [name, args] of [["ingest/main", ["."]], ["ingest/web", []]] as const) {
          const started = yield* Command.start(yield* command(name, home, env, [...args]))
          yield* Effect.forkScoped(Stream.runDrain(Stream.merge(started.stdout, started.stderr)))
        }
        interface Answer {
          readonly status: number
          readonly json: Readonly<Record<string, unknown>>
        }
        const ask = (path: string, init?: RequestInit) =>
          Effect.retry(
            Effect.tryPromise(() => fetch(`http://127.0.0.1:${PORT}${path}`, init)),
            Schedule.spaced("100 millis")
          ).pipe(Effect.flatMap((answer) =>
            Effect.promise(async (): Promise<Answer> => ({
              status: answer.status,
              json: JSON.parse(await answer.text())
            }))
          ))
        const submit = (body: unknown) =>
          ask("/ingestions", {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify(body)
          })
        const submitted = yield* submit({ source: ".inbox/movie.mp4" })
        assert.strictEqual(submitted.status, 202)
        const { id } = submitted.json
        assert.deepStrictEqual(yield* submit({ source: ".inbox/movie.mp4" }), submitted)
        assert.strictEqual((yield* submit({})).status, 400)
        assert.strictEqual((yield* ask("/ingestions/none")).status, 404)

        yield* Effect.repeat(ask(`/ingestions/${id}`), {
          schedule: Schedule.spaced("100 millis"),
          until: ({ json }) => json["_tag"] === "Done" || json["_tag"] === "Failed"
        }).pipe(Effect.timeout(patience))
        const panda = yield* PandaEmulator.PandaEmulator
        const [video] = yield* panda.videos
        const done: Answer = { status: 200, json: { _tag: "Done", video: video?.["id"] } }
        assert.deepStrictEqual(yield* ask(`/ingestions/${id}`), done)
        assert.deepStrictEqual((yield* panda.sessions).map((session) => session.sha256), [sha256])
        assert.deepStrictEqual(yield* fs.readDirectory(`${home}/.results`), [`${id}.json`])
        const { json } = yield* ask("/ingestions")
        assert.deepStrictEqual(Object.values(json).map((execution) => Object(execution).id), [id])

        const third = yield* Effect.flip(run("ingest/main", { folder: home, env, args: ["."] }))
        assert.match(String(third), /EADDRINUSE.*Set RUNNER_PORT/s)
      }).pipe(Effect.scoped, Effect.provide(emulator({ encodingTime: "500 millis" })), Effect.runPromise)
  )

  it.scopedLive("first-call", () =>
    Effect.gen(function*() {
      const { videos } = yield* PandaEmulator.PandaEmulator
      const out = yield* run("first-call")
      const lines = (yield* videos).slice(0, 10).map((video) => `${video["id"]} ${video["original_filename"]}\n`)
      assert.strictEqual(out, lines.join(""))
    }).pipe(Effect.provide(emulator({ videos: 12 }))))

  it.scopedLive("upload-basic", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const out = yield* run("upload-basic", { folder: yield* withMovie })
      assert.match(out, /^Uploading movie\.mp4, 2\.9 MiB\n(.*\n)*Uploaded as video (\w+)\nVideo \2 is processing\n$/)
      const [session] = yield* panda.sessions
      assert.strictEqual(session?.sha256, sha256)
      assert.strictEqual((yield* panda.encodings).length, 1)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("resume goes on after a crash, and sends nothing twice", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const fs = yield* FileSystem.FileSystem
      const folder = yield* withMovie
      yield* panda.inject({ route: "chunk", fault: Fault.accept({ bytes: 1024 * 1024 }) })
      yield* panda.inject({ route: "chunk", fault: Fault.stallReading({ after: 500_000 }) })
      const first = yield* Command.start(yield* command("resume", folder))
      yield* fs.readFileString(`${folder}/movie.mp4.upload.json`).pipe(
        Effect.orElseSucceed(() => ""),
        // It is saved while the next chunk goes.
        Effect.repeat({
          schedule: Schedule.spaced("20 millis"),
          until: (state) => state.includes(`"acknowledged":${1024 * 1024}`)
        })
      )
      yield* first.kill("SIGKILL")
      const [before] = yield* panda.sessions
      assert.isAbove(before!.acknowledged, 0)
      const { mode } = yield* fs.stat(`${folder}/movie.mp4.upload.json`)
      assert.strictEqual(mode & 0o777, 0o600)

      const out = yield* run("resume", { folder })
      assert.match(out, /^Resuming movie\.mp4 at 1\.0 MiB of 2\.9 MiB\n(.*\n)*Video \w+ is processing\n$/)
      const sessions = yield* panda.sessions
      assert.strictEqual(sessions.length, 1)
      assert.strictEqual(sessions[0]!.sha256, sha256)
      assert.strictEqual(sessions[0]!.receivedTwice, 0)
      assert.deepStrictEqual(yield* fs.readDirectory(folder), ["movie.mp4"])
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("start-or-resume goes on where an earlier process gave up", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const fs = yield* FileSystem.FileSystem
      const folder = yield* withMovie
      yield* panda.inject({ route: "chunk", fault: Fault.accept({ bytes: 1024 * 1024 }) })
      yield* panda.inject({ route: "chunk", fault: Fault.status(400) })
      const first = yield* Effect.flip(run("start-or-resume", { folder }))
      assert.match(String(first), /PandaUploadRejected/)

      const out = yield* run("start-or-resume", { folder })
      assert.match(out, /^Resuming movie\.mp4 at 1\.0 MiB of 2\.9 MiB\n(.*\n)*Video \w+ is processing\n$/)
      const sessions = yield* panda.sessions
      assert.strictEqual(sessions.length, 1)
      assert.strictEqual(sessions[0]!.sha256, sha256)
      assert.deepStrictEqual(yield* fs.readDirectory(`${folder}/unfinished-uploads`), [])
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("wait-for-encodings", () =>
    Effect.gen(function*() {
      const out = yield* run("wait-for-encodings")
      assert.match(out, /^(h264 https:\S+\.mp4\nwebm https:\S+\.webm|webm https:\S+\.webm\nh264 https:\S+\.mp4)\n$/)
    }).pipe(Effect.provide(emulator({ encodingTime: "500 millis" }))))

  it.scopedLive("webhook-receiver", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const [video] = yield* panda.videos
      const port = yield* freePort
      const env = { PORT: String(port), PANDA_WEBHOOK_SECRET: "s3cret" }
      const receiver = yield* Command.start(yield* command("webhook-receiver", yield* folder, env))
      const post = (secret: string) =>
        Effect.promise(() =>
          fetch(`http://127.0.0.1:${port}/webhooks/${secret}`, {
            method: "POST",
            body: new URLSearchParams({ event: "video-encoded", video_id: String(video!["id"]) })
          })
        )
      const printed = yield* receiver.stdout.pipe(
        Stream.decodeText(),
        Stream.splitLines,
        Stream.tap((line) =>
          line.includes("Listening")
            ? Effect.gen(function*() {
              assert.strictEqual((yield* post("wrong")).status, 404)
              assert.strictEqual((yield* post("s3cret")).status, 200)
            })
            : Effect.void
        ),
        Stream.takeUntil((line) => line.includes("VideoEncoded")),
        Stream.runCollect
      )
      const lines = Array.from(printed).join("\n")
      assert.match(lines, /VideoEncoded: movie-1\.mp4 .* with 2 encodings$/)
      assert.notInclude(lines, "s3cret")
      yield* receiver.kill()
    }).pipe(Effect.provide(emulator({ videos: 1 }))))

  it.scopedLive("sign-for-another-program", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { body, url } = JSON.parse(yield* run("sign-for-another-program"))
      const headers = { "content-type": "application/x-www-form-urlencoded" }
      const post = Effect.promise(() => fetch(url, { method: "POST", headers, body }))
      assert.strictEqual((yield* post).status, 201)
      const [session] = yield* panda.sessions
      assert.strictEqual(session?.name, "movie.mp4")
      assert.strictEqual(session?.size, 12_345_678)
      assert.strictEqual((yield* post).status, 401)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("two-clouds", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { id } = yield* asClient(
        Clouds.create(storage)
      )
      yield* panda.addProfile({ name: "only-here", preset_name: "h264" })
      assert.strictEqual(yield* run("two-clouds", { env: { OTHER_CLOUD_ID: id } }), "Missing: only-here\n")
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("two-accounts", () =>
    Effect.gen(function*() {
      const { accessKey, cloudId, secretKey } = yield* PandaEmulator.PandaEmulator
      const { address } = yield* HttpServer.HttpServer
      const port = address._tag === "TcpAddress" ? address.port : 0
      const { id } = yield* asClient(Clouds.create(storage))
      const url = (cloud: string) => `http://${accessKey}:${Redacted.value(secretKey)}@127.0.0.1:${port}/${cloud}`
      const out = yield* run("two-accounts", { env: { OUR_PANDA_URL: url(cloudId), THEIR_PANDA_URL: url(id) } })
      assert.strictEqual(out, "We have 3 videos, they have 0\n")
    }).pipe(Effect.provide(emulator({ videos: 3 }))))

  it.scopedLive("upload-many", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const fs = yield* FileSystem.FileSystem
      const folder = yield* withMovie
      yield* fs.writeFile(`${folder}/empty.mp4`, new Uint8Array(0))
      const out = yield* run("upload-many", { folder, args: ["empty.mp4", "movie.mp4"] })
      assert.match(out, /^empty\.mp4: .*empty.*$/m)
      assert.match(out, /^movie\.mp4 is video \w+, 1 of 2$/m)
      assert.deepStrictEqual((yield* panda.sessions).map((session) => session.sha256), [sha256])
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("direct-upload", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const out = yield* run("direct-upload", { args: [`${yield* withMovie}/movie.mp4`] })
      const [session] = yield* panda.sessions
      assert.strictEqual(session?.sha256, sha256)
      assert.strictEqual(out, `Video ${session?.videoId}\n`)
      const [sent] = (yield* panda.requests).filter(({ route }) => route === "chunk")
      assert.notMatch(JSON.stringify(sent), /access_key|signature|token/)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("catch-errors", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const [video] = yield* panda.videos
      assert.strictEqual(yield* run("catch-errors", { args: [String(video!["id"])] }), "movie-1.mp4\n")
      assert.strictEqual(yield* run("catch-errors", { args: ["another"] }), "gone\n")
      yield* panda.inject({ route: "GET /videos/:id.json", fault: Fault.status(500), times: 9 })
      assert.match(yield* run("catch-errors", { args: ["another"] }), /^Videos\.find: Panda answered 500.*, later\n$/)
    }).pipe(Effect.provide(emulator({ videos: 1 }))))

  it.scopedLive("failed-encodings", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      yield* panda.failProfile("webm", { error_class: "EncodingError", error_message: "exit status 1" })
      const { id } = yield* asClient(Videos.create({ source_url: "http://a.example/b.mp4" }))
      // The emulator on a port tells the time by the real clock.
      yield* Effect.repeat(panda.encodings, {
        schedule: Schedule.spaced("20 millis"),
        until: (encodings) => encodings.every(({ status }) => status !== "processing")
      })
      const [failed] = (yield* panda.encodings).filter(({ status }) => status === "fail")
      assert.strictEqual(
        yield* run("failed-encodings", { args: [id] }),
        `webm: EncodingError, exit status 1 http://effect-panda-emulator.s3.amazonaws.com/${failed!["path"]}.log\n`
      )
    }).pipe(Effect.provide(emulator({ encodingTime: "100 millis" }))))

  it.scopedLive("count-everything", () =>
    Effect.gen(function*() {
      yield* asClient(Clouds.create({ ...storage, name: "second" }))
      const out = yield* run("count-everything")
      assert.strictEqual(
        out,
        "second: 0 videos, 0 encodings, 2 profiles\nemulated: 120 videos, 240 encodings, 2 profiles\n"
      )
    }).pipe(Effect.provide(emulator({ videos: 120 }))))

  it.scopedLive("rename-profile", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      assert.strictEqual(yield* run("rename-profile", { args: ["h264", "small"] }), "h264 is now small\n")
      assert.sameMembers((yield* panda.profiles).map(({ name }) => name), ["webm", "small"])
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("switch-notification", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const before = yield* asClient(
        Notifications.update({ url: "http://a.example", events: { video_encoded: true, encoding_completed: false } })
      )
      assert.strictEqual(yield* run("switch-notification"), "Progress is told\n")
      const { events, ...rest } = before
      assert.deepStrictEqual(yield* panda.notifications, { ...rest, events: { ...events, encoding_progress: true } })
      assert.strictEqual(yield* run("switch-notification"), "Progress is not told\n")
      assert.deepStrictEqual(yield* panda.notifications, before)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("create-and-delete-profile", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const out = yield* run("create-and-delete-profile")
      assert.match(out, /^\{\n(.*\n)*  "width": 320,\n(.*\n)*\}\nProfiles\.find: Panda answered 404 RecordNotFound, /)
      assert.sameMembers((yield* panda.profiles).map(({ name }) => name), ["webm", "h264"])
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("sync-profiles", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const names = Effect.map(panda.profiles, (profiles) => profiles.map(({ name }) => name))
      const file = join(root, "examples/profiles.json")
      const plan = yield* run("sync-profiles", { args: [file, "--dry-run", "--prune"] })
      assert.strictEqual(
        plan,
        "+ shots\n+ audio\n~ h264: title null -> MP4, width 640 -> 1280, height 480 -> 720, video_bitrate 500 -> 2000\n- webm\n"
      )
      assert.sameMembers(yield* names, ["h264", "webm"])
      assert.strictEqual(yield* run("sync-profiles", { args: [file, "--prune"] }), plan)
      assert.sameMembers(yield* names, ["h264", "shots", "audio"])
      assert.strictEqual(yield* run("sync-profiles", { args: [file] }), "= h264\n= shots\n= audio\n")
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("retry-policy", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      yield* panda.inject({ route: "GET /clouds/:id.json", fault: Fault.status(503) })
      yield* panda.inject({ route: "GET /videos.json", fault: Fault.status(503), times: 5 })
      const out = yield* run("retry-policy")
      assert.match(out, /^Clouds\.find: Panda answered 503.*\nPanda is down\n0 videos failed\n$/)
      const routes = (yield* panda.requests).map(({ route }) => route)
      assert.deepStrictEqual(routes, ["GET /clouds/:id.json", ...Array.from({ length: 6 }, () => "GET /videos.json")])
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("raw-request", () =>
    Effect.gen(function*() {
      const out = yield* run("raw-request")
      assert.match(out, /^2 of 3 videos\n\{.*"video_encoded":true.*\}\n404 application\/json.*\n$/)
    }).pipe(Effect.provide(emulator({ videos: 3 }))))

  it.scopedLive("proxy, which it goes through", () =>
    Effect.gen(function*() {
      const { port, seen } = yield* HttpProxy.make
      assert.strictEqual(yield* run("proxy", { env: { HTTP_PROXY: `http://127.0.0.1:${port}` } }), "3 videos\n")
      assert.isAbove(seen.length, 0)
    }).pipe(Effect.provide(emulator({ videos: 3 }))))

  it.scopedLive("trace, of an upload to Panda", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      yield* panda.inject({ route: "chunk", fault: Fault.status(503), skip: 1 })
      const out = yield* run("trace", { args: [`${yield* withMovie}/movie.mp4`] })
      const [session] = yield* panda.sessions
      assert.strictEqual(session?.sha256, sha256)
      const [root, ...lines] = out.trimEnd().split("\n")
      assert.match(
        root!,
        /^Panda\.Upload\.start, \d+ ms  panda\.file=movie\.mp4  panda\.size=3000000  panda\.video\.id=\w+$/
      )
      assert.match(lines[0]!, /^├─ Panda\.UploadSession\.create, \d+ ms  .*status_code=201$/)
      assert.match(lines[1]!, /^│  └─ Panda\.attempt, \d+ ms  http\.response\.status_code=201$/)
      assert.match(lines[2]!, /^├─ Panda\.UploadSession\.chunk, \d+ ms  panda\.offset=0  panda\.length=16384 .*=204$/)
      assert.match(lines[3]!, /chunk, .*status_code=503  error\.type=PandaServerError$/)
      assert.match(lines[4]!, /^├─ Panda\.UploadSession\.probe, \d+ ms/)
      assert.match(lines.at(-1)!, /^└─ Panda\.UploadSession\.chunk, .*status_code=200$/)
      assert.notMatch(out, /session\?id|signature/)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("trace, without credentials", () =>
    Effect.gen(function*() {
      const out = yield* run("trace", {
        args: [join(root, "test/fixtures/panda.mp4")],
        env: { PANDA_ACCESS_KEY: "" }
      })
      assert.match(out, /^Panda\.Upload\.start, .*panda\.video\.id=\w+\n├─ Panda\.UploadSession\.create/)
      assert.match(out, /chunk, .* error\.type=PandaTransportError\n├─ Panda\.UploadSession\.probe/)
    }).pipe(Effect.provide(emulator())))
})
