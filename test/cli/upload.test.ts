import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema } from "effect"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Event } from "../../src/cli/json.js"
import { bundled, emulator, lines, objects, person, silent } from "./command.js"

describe("upload", { timeout: 120_000 }, () => {
  it.scopedLive("sends a file, follows its encodings, and prints where they are", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { file, run } = yield* person
      const hash = file("movie.mp4")
      const { code, err, out } = yield* run(["upload", "movie.mp4", "--profiles", "h264,webm", "--wait"])
      assert.strictEqual(code, 0, err)
      assert.match(out, /^Video {5}[0-9a-f]{32} {2}success {2}movie\.mp4$/m)
      assert.match(out, /^Encoding {2}h264 {2}success {2}http:\S+\.mp4$/m)
      assert.match(out, /^Encoding {2}webm {2}success {2}http:\S+\.webm$/m)
      assert.strictEqual(lines(out).length, 3)
      assert.match(err, /^Uploading movie\.mp4, 976\.6 KiB$/m)
      const [session] = yield* panda.sessions
      assert.strictEqual(session?.sha256, hash)
      assert.notInclude(out + err, "session?")
    }).pipe(Effect.provide(emulator({ encodingTime: "300 millis" }))))

  it.scopedLive("takes flags after the file, and asks for what they say", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { file, run } = yield* person
      file("--movie.mp4")
      const { code, err } = yield* run(
        "upload --path-format=videos/:id --payload a=b --chunk-size 64K --all-profiles --no-wait -- --movie.mp4".split(
          " "
        )
      )
      assert.strictEqual(code, 0, err)
      const [creation, ...others] = yield* panda.requests
      assert.include(creation!.parameters, {
        path_format: "videos/:id",
        payload: "a=b",
        use_all_profiles: "true",
        file_name: "--movie.mp4"
      })
      assert.strictEqual(Math.max(...others.map(({ bodyLength }) => bodyLength)), 65536)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("tells whoever interrupts it how to go on, and goes on at the byte that Panda has", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { file, folders, run } = yield* person
      const hash = file("my movie.mp4", 3_000_000)
      const command = ["upload", "my movie.mp4", "--chunk-size", "100K"]
      const first = yield* run(command, { signal: [yield* silent(10), "SIGINT"] })
      assert.strictEqual(first.code, 130, first.err)
      const said = /^Interrupted at byte (\d+) of 3000000\. To go on: (.*)$/m.exec(first.err)
      assert.strictEqual(said?.[2], "effect-panda upload 'my movie.mp4' --chunk-size 100K")
      // Whoever sends a chunk has had the answer to the one before.
      assert.strictEqual(said?.[1], "1024000")
      const kept = readdirSync(join(folders.XDG_STATE_HOME, "effect-panda/uploads"))
      assert.isAbove(kept.length, 0)

      const second = yield* run(command)
      assert.strictEqual(second.code, 0, second.err)
      assert.include(second.err, `Resuming my movie.mp4 at`)
      assert.include(second.err, "(byte 1024000)")
      const sessions = yield* panda.sessions
      assert.strictEqual(sessions.length, 1)
      assert.strictEqual(sessions[0]!.sha256, hash)
      assert.strictEqual(sessions[0]!.receivedTwice, 0)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("takes two signals at once for one, and tells how to go on", () =>
    Effect.gen(function*() {
      const { file, run } = yield* person
      file("movie.mp4", 3_000_000)
      const command = ["upload", "movie.mp4", "--chunk-size", "100K"]
      // As those of a group get them; not the same one twice, which the system may deliver as one.
      const { code, err } = yield* run(command, { signal: [yield* silent(10), "SIGINT", "SIGTERM"] })
      assert.include([130, 143], code)
      assert.match(err, /^Interrupted at byte \d+ of 3000000\. To go on: effect-panda upload movie\.mp4/m)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("ends with 143 on SIGTERM, of several files too, and keeps the state of each", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { file, run } = yield* person
      for (const name of ["a.mp4", "b.mp4"]) file(name, 3_000_000)
      const command = ["upload", "a.mp4", "b.mp4", "--chunk-size", "100K", "--json"]
      const first = yield* run(command, { signal: [yield* silent(10, 2), "SIGTERM"] })
      assert.strictEqual(first.code, 143, first.err)
      assert.match(first.err, /^a\.mp4: Interrupted at byte \d+ of 3000000\.$/m)
      assert.match(first.err, /^b\.mp4: Interrupted at byte \d+ of 3000000\.$/m)
      assert.match(first.err, /^To go on: effect-panda upload a\.mp4 b\.mp4 --chunk-size 100K --json$/m)
      const last = objects(first.out).at(-1)!
      assert.deepInclude(last, { type: "error", exit: 143 })
      const second = yield* run(command)
      assert.strictEqual(second.code, 0, second.err)
      assert.strictEqual(objects(second.out).filter(({ type }) => type === "resumed").length, 2)
      assert.strictEqual((yield* panda.sessions).length, 2)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("writes nothing but the documented objects with --json", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { file, run } = yield* person
      file("movie.mp4")
      yield* panda.inject({ route: "chunk", fault: Fault.status(503), skip: 1 })
      const { code, err, out } = yield* run(
        "upload movie.mp4 --profiles h264 --wait --json --chunk-size 100K".split(" ")
      )
      assert.strictEqual(code, 0, err)
      const seen = objects(out)
      const decode = Schema.decodeUnknown(Event, { onExcessProperty: "error" })
      yield* Effect.forEach(seen, (object) => decode(object))
      const types = [...new Set(seen.map(({ type }) => type))]
      assert.includeMembers(types, ["started", "progress", "retrying", "uploaded", "encoding", "result"])
      assert.deepStrictEqual(seen.at(-1), { type: "result", value: { files: 1, done: 1, failed: 0 } })
      const { error, failure } = seen.find(({ type }) => type === "retrying")!
      assert.strictEqual(failure, 1)
      assert.deepInclude(error, { tag: "PandaServerError", status: 503 })
    }).pipe(Effect.provide(emulator({ encodingTime: "300 millis" }))))

  it.scopedLive("names all files that cannot be sent, before it sends any", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { file, home, run } = yield* person
      file("good.mp4")
      file("empty.mp4", 0)
      mkdirSync(join(home, "folder"))
      // Root may read whatever has a content.
      symlinkSync("loop.mp4", join(home, "loop.mp4"))
      const files = ["good.mp4", "missing.mp4", "folder", "empty.mp4", "loop.mp4", "/dev/null"]
      const { code, err, out } = yield* run(["upload", ...files])
      assert.strictEqual(code, 2)
      assert.strictEqual(out, "")
      assert.deepStrictEqual(lines(err), [
        `effect-panda: ${home}/missing.mp4 does not exist`,
        `${home}/folder is a folder: name its files`,
        `${home}/empty.mp4 is empty`,
        `${home}/loop.mp4 cannot be read (BadResource)`,
        "/dev/null is no regular file but a CharacterDevice: pipe it into effect-panda upload - --size BYTES"
      ])
      assert.strictEqual((yield* panda.requests).length, 0)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("ends with 3 where some of several fail, and with the code of all where all do", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { file, run } = yield* person
      for (const name of ["a.mp4", "b.mp4"]) file(name)
      yield* panda.inject({ route: "chunk", fault: Fault.status(403) })
      const some = yield* run(["upload", "a.mp4", "b.mp4", "--concurrency", "1"])
      assert.strictEqual(some.code, 3, some.err)
      assert.match(some.err, /^a\.mp4: Failed: /m)
      assert.match(some.out, /^Video .* b\.mp4$/m)
      yield* panda.inject({ route: "chunk", fault: Fault.status(403) })
      file("c.mp4")
      assert.strictEqual((yield* run(["upload", "c.mp4"])).code, 1)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("ends with 5 after an outage, and the same command goes on", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { file, run } = yield* person
      const hash = file("movie.mp4")
      yield* panda.inject({ route: "chunk", fault: Fault.status(503), skip: 3, times: 15 })
      const program = [process.execPath, "--import", join(import.meta.dirname, "fast.mjs"), bundled()]
      const command = ["upload", "movie.mp4", "--chunk-size", "100K"]
      const first = yield* run([...command, "--json"], { program })
      assert.strictEqual(first.code, 5, first.err)
      assert.match(first.err, /^Failed: .*gave up after 15 failures/m)
      assert.match(first.err, /^To go on: effect-panda upload movie\.mp4 --chunk-size 100K --json$/m)
      const last = objects(first.out).at(-1)!
      assert.deepInclude(last, { type: "error", exit: 5 })
      assert.deepInclude(last["error"], { tag: "PandaUploadStalled", reason: "RetriesExhausted" })
      const second = yield* run(command)
      assert.strictEqual(second.code, 0, second.err)
      assert.match(second.err, /^Resuming movie\.mp4 at 300\.0 KiB .*\(byte 307200\)$/m)
      const sessions = yield* panda.sessions
      assert.lengthOf(sessions, 1)
      assert.deepInclude(sessions[0], { sha256: hash, receivedTwice: 0 })
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("waits, and says so, while another has the file, and goes on when that ends", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { file, run } = yield* person
      const hash = file("movie.mp4", 3_000_000)
      const command = ["upload", "movie.mp4", "--chunk-size", "100K"]
      const underWay = yield* silent(10)
      const waits = yield* Effect.makeLatch()
      const first = yield* Effect.fork(run(command, { signal: [waits.await, "SIGINT"] }))
      yield* underWay
      const second = yield* run(command, { said: [/waiting for it$/m, waits.open] })
      assert.strictEqual(second.code, 0, second.err)
      assert.match(second.err, /^The same upload is under way elsewhere; waiting for it$/m)
      assert.match(second.err, /^Resuming movie\.mp4 at /m)
      assert.strictEqual((yield* Fiber.join(first)).code, 130)
      const sessions = yield* panda.sessions
      assert.lengthOf(sessions, 1)
      assert.deepInclude(sessions[0], { sha256: hash, receivedTwice: 0 })
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("reads standard input, whose size it has to be told", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { run } = yield* person
      const input = new Uint8Array(500_000).fill(7)
      const { code, err } = yield* run(["upload", "-", "--size", "500000", "--name", "piped.mp4"], { input })
      assert.strictEqual(code, 0, err)
      const [session] = yield* panda.sessions
      assert.include(session, { name: "piped.mp4", size: 500_000, status: "complete" })
      const unsized = yield* run(["upload", "-"], { input })
      assert.strictEqual(unsized.code, 2)
      assert.include(unsized.err, "--size")
    }).pipe(Effect.provide(emulator())))

  it.scopedLive.each(
    [[400_000, /has more bytes than --size says/], [600_000, /has fewer bytes than --size says/]] as const
  )(
    "names what is wrong with standard input of another size than %i",
    ([size, message]) =>
      Effect.gen(function*() {
        const { run } = yield* person
        const { code, err } = yield* run(["upload", "-", "--size", String(size)], { input: new Uint8Array(500_000) })
        assert.strictEqual(code, 1)
        assert.match(err, message)
        assert.notMatch(err, /onChanged|\(-\)/)
      }).pipe(Effect.provide(emulator()))
  )

  it.scopedLive("ends quietly, and to be resumed, where nobody reads what --json writes", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { file, run } = yield* person
      file("movie.mp4", 3_000_000)
      // It writes something while it lasts.
      yield* panda.inject({ route: "chunk", fault: Fault.delay("100 millis"), times: Infinity })
      const command = ["upload", "movie.mp4", "--chunk-size", "100K", "--json", "--quiet"]
      const first = yield* run(command, { closeAfter: 1000 })
      assert.deepInclude(first, { code: 5, signal: null })
      assert.strictEqual(first.err, "")
      const second = yield* run(command)
      assert.strictEqual(second.code, 0, second.err)
      assert.strictEqual(objects(second.out)[0]!["type"], "resumed")
      assert.strictEqual((yield* panda.sessions).length, 1)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("says once that the state cannot be kept, and uploads all the same", () =>
    Effect.gen(function*() {
      const { file, home, run } = yield* person
      file("movie.mp4")
      // Not a folder, for root too.
      writeFileSync(join(home, "occupied"), "")
      const { code, err } = yield* run(["upload", "movie.mp4", "--chunk-size", "50K", "--state", "occupied"])
      assert.strictEqual(code, 0, err)
      assert.strictEqual(lines(err).filter((line) => line.includes("could not save a state")).length, 1, err)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("without credentials ends with 4 and three ways to cure it", () =>
    Effect.gen(function*() {
      const { file, folders, home, run } = yield* person
      file("movie.mp4")
      const nobody = Object.fromEntries(
        ["PANDA_ACCESS_KEY", "PANDA_SECRET_KEY", "PANDA_CLOUD_ID", "PANDA_HOST", "PANDA_PORT"].map((name) => [name, ""])
      )
      const { code, err, out } = yield* run(["upload", "movie.mp4"], { env: nobody })
      assert.strictEqual(code, 4)
      assert.strictEqual(out, "")
      const [first, ...cures] = lines(err)
      assert.match(first!, /no credentials/)
      assert.strictEqual(cures.length, 3)
      assert.include(err, join(folders.XDG_CONFIG_HOME, "effect-panda/config.json"))

      const half = yield* run(["upload", "movie.mp4"], { env: { PANDA_SECRET_KEY: "" } })
      assert.strictEqual(half.code, 4)
      assert.match(half.err, /PANDA_SECRET_KEY is missing/)

      mkdirSync(join(home, "config/effect-panda"), { recursive: true })
      const config = join(home, "config/effect-panda/config.json")
      writeFileSync(config, JSON.stringify({ accounts: { default: { accessKey: "a", secretKey: "canary" } } }))
      chmodSync(config, 0o644)
      const open = yield* run(["upload", "movie.mp4"], { env: nobody })
      assert.strictEqual(open.code, 4)
      assert.include(open.err, `chmod 600 ${config}`)
      assert.notInclude(open.err, "canary")
    }).pipe(Effect.provide(emulator())))
})
