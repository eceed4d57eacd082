import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule, Schema } from "effect"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { copyFileSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Event } from "../../src/cli/json.js"
import * as Postgres from "../postgres.js"
import { bundled, emulator, lines, objects, person, silent, temporary } from "./command.js"

/** The command with nothing installed beside it. */
const alone = Effect.map(temporary, (folder) => {
  const file = join(folder, "effect-panda.mjs")
  copyFileSync(bundled(), file)
  return [process.execPath, file]
})

const videos = (count: number) =>
  Effect.flatMap(
    PandaEmulator.PandaEmulator,
    (panda) =>
      Effect.repeat(panda.videos, { schedule: Schedule.spaced("50 millis"), until: ({ length }) => length === count })
  )

describe("ingest", { timeout: 120_000 }, () => {
  it.scopedLive("ingests what is in the folder, and the next time only what has changed", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { file, folders, home, run } = yield* person
      const hashes = ["in/movie.mp4", "in/of/映画 🎬.mov", "in/a\u001b[2J\n\u202ex.mp4"].map((name) => file(name))
      file("in/.hidden.mp4")
      file("in/notes.txt")
      file("in/empty.mp4", 0)
      const command = ["ingest", "in", "--profiles", "h264"]
      const first = yield* run(command)
      assert.strictEqual(first.code, 0, first.err)
      assert.match(first.out, /^Video {5}[0-9a-f]{32} {2}success {2}in\/movie\.mp4$/m)
      assert.match(first.out, /^Video {5}[0-9a-f]{32} {2}success {2}in\/of\/映画 🎬\.mov$/m)
      assert.match(first.out, /^Video {5}[0-9a-f]{32} {2}success {2}in\/a \[2J x\.mp4$/m)
      assert.lengthOf(first.out.match(/^Encoding {2}h264 {2}success {2}http:\S+\.mp4$/gm)!, 3)
      assert.notInclude(first.err + first.out, "\u001b")
      assert.notInclude(first.err, "Panda.Ingest")
      const sessions = yield* panda.sessions
      assert.deepStrictEqual(sessions.map(({ sha256 }) => sha256).sort(), hashes.sort())

      const state = join(folders.XDG_STATE_HOME, "effect-panda/ingest")
      assert.strictEqual(statSync(state).mode & 0o777, 0o700)
      for (const name of readdirSync(state)) assert.strictEqual(statSync(join(state, name)).mode & 0o777, 0o600, name)

      utimesSync(join(home, "in/movie.mp4"), 2, 2)
      const second = yield* run([...command, "--json"])
      assert.strictEqual(second.code, 0, second.err)
      assert.include(second.err, "2 files were ingested before")
      assert.lengthOf(yield* panda.sessions, 4)
      const seen = objects(second.out)
      yield* Effect.forEach(seen, (object) => Schema.decodeUnknown(Event, { onExcessProperty: "error" })(object))
      const types = [...new Set(seen.map(({ type }) => type))]
      assert.includeMembers(types, ["started", "progress", "uploaded", "encoding", "result"])
      assert.deepStrictEqual(seen.at(-1), { type: "result", value: { files: 1, done: 1, failed: 0 } })
    }).pipe(Effect.provide(emulator({ encodingTime: "300 millis" }))))

  it.scopedLive("tells whoever interrupts it how to go on, and goes on at the byte that Panda has", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { file, run } = yield* person
      const hash = file("in/movie.mp4", 2_000_000)
      const command = ["ingest", "in", "--chunk-size", "100K"]
      const first = yield* run(command, { signal: [yield* silent(10), "SIGINT"] })
      assert.strictEqual(first.code, 130, first.err)
      assert.match(first.err, /^in\/movie\.mp4: Interrupted at byte 1024000 of 2000000\.$/m)
      assert.match(first.err, /^To go on: effect-panda ingest in --chunk-size 100K$/m)

      const second = yield* run([...command, "--quiet"])
      assert.strictEqual(second.code, 0, second.err)
      assert.strictEqual(second.err, "")
      assert.lengthOf(lines(second.out), 1)
      const sessions = yield* panda.sessions
      assert.lengthOf(sessions, 1)
      assert.deepInclude(sessions[0], { sha256: hash, receivedTwice: 0 })
      assert.lengthOf(yield* panda.videos, 1)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("ends with 3 where some fail, and tries these again the next time", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { file, run } = yield* person
      for (const name of ["in/a.mp4", "in/b.mp4"]) file(name)
      yield* panda.inject({ route: "chunk", fault: Fault.status(403) })
      const first = yield* run(["ingest", "in", "--concurrency", "1"])
      assert.strictEqual(first.code, 3, first.err)
      assert.lengthOf(first.err.match(/^in\/[ab]\.mp4: Failed: upload: .*403/gm)!, 1)
      assert.lengthOf(lines(first.out), 1)
      const second = yield* run(["ingest", "in"])
      assert.strictEqual(second.code, 0, second.err)
      assert.lengthOf(lines(second.out), 1)
      assert.lengthOf(yield* panda.videos, 2)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("ends with 5 after an outage, and the same command goes on", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { file, run } = yield* person
      const hash = file("in/movie.mp4")
      yield* panda.inject({ route: "chunk", fault: Fault.status(503), skip: 3, times: 15 })
      const program = [process.execPath, "--import", join(import.meta.dirname, "fast.mjs"), bundled()]
      const command = ["ingest", "in", "--chunk-size", "100K"]
      const first = yield* run(command, { program })
      assert.strictEqual(first.code, 5, first.err)
      assert.match(first.err, /^in\/movie\.mp4: Failed: upload: .*gave up after 15 failures/m)
      assert.match(first.err, /^To go on: effect-panda ingest in --chunk-size 100K$/m)
      const second = yield* run(command)
      assert.strictEqual(second.code, 0, second.err)
      assert.include(second.err, "Resuming movie.mp4")
      const sessions = yield* panda.sessions
      assert.lengthOf(sessions, 1)
      assert.deepInclude(sessions[0], { sha256: hash, receivedTwice: 0 })
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("watches until it is told to end; who comes second is told who was first", () =>
    Effect.gen(function*() {
      const { file, home, run } = yield* person
      file("in/a.mp4")
      const first = yield* Effect.fork(
        run(["ingest", "in", "--every", "1s"], { signal: [/^Video .*in\/b\.mp4$/m, "SIGTERM"] })
      )
      yield* videos(1)
      const other = yield* run(["ingest", "in", "--json"])
      assert.strictEqual(other.code, 5, other.err)
      assert.match(other.err, /in-\w+\.db is in use by effect-panda, process \d+ on/)
      assert.deepInclude(objects(other.out).at(-1)!["error"], { tag: "DatabaseInUse" })
      writeFileSync(join(home, "in/b.mp4"), "a film")
      const { code, err } = yield* Fiber.join(first)
      assert.strictEqual(code, 143, err)
      assert.match(err, /^Watching in every 1s\. Ctrl-C ends it$/m)
      assert.match(err, /^To go on: effect-panda ingest in --every 1s$/m)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("refuses what it cannot do before anything is sent", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { file, home, run } = yield* person
      file("in/movie.mp4")
      const refused: ReadonlyArray<readonly [string, RegExp]> = [
        ["nowhere", new RegExp(`${home}/nowhere does not exist`)],
        ["in/movie.mp4", /is no folder: effect-panda upload in\/movie\.mp4/],
        ["in --every 3", /--every takes a length of time such as 30s, 5m or 1h/],
        ["in --cron never", /--cron takes five or six fields/],
        ["in --every 3s --cron never", /exclude each other/],
        ["in --database mysql://a/b", /--database takes sqlite:FILE or postgres:/],
        ["in --database sqlite::memory:", /--database takes sqlite:FILE/],
        ["in --database postgres://a:canary@b/c", /put the whole URL into PANDA_DATABASE_URL/]
      ]
      yield* Effect.forEach(refused, ([words, message]) =>
        Effect.map(run(["ingest", ...words.split(" ")]), ({ code, err, out }) => {
          assert.strictEqual(code, 2, words)
          assert.match(err, message)
          assert.notInclude(err + out, "canary")
        }), { concurrency: 4 })
      mkdirSync(join(home, "nothing"))
      const { code, err } = yield* run(["ingest", "nothing"])
      assert.strictEqual(code, 0, err)
      assert.match(err, /^There are no videos in nothing$/m)
      assert.lengthOf(yield* panda.requests, 0)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("says what to install where the driver is missing, and where a database cannot be used", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { file, run } = yield* person
      file("in/movie.mp4")
      const program = yield* alone
      const missing = yield* run(["ingest", "in"], { program })
      assert.strictEqual(missing.code, 4, missing.err)
      assert.match(missing.err, /npm install better-sqlite3/)
      const away = yield* run(["ingest", "in"], {
        program,
        env: { PANDA_DATABASE_URL: "postgres://me:canary@127.0.0.1:1/there" }
      })
      assert.strictEqual(away.code, 4, away.err)
      assert.match(away.err, /postgres:\/\/127\.0\.0\.1:1\/there cannot be used: .*ECONNREFUSED/)
      assert.notInclude(away.err, "canary")
      const another = yield* run(["ingest", "in", "--database", "sqlite:in/movie.mp4"])
      assert.strictEqual(another.code, 4, another.err)
      assert.match(another.err, /movie\.mp4 cannot be used: file is not a database/)
      assert.lengthOf(yield* panda.requests, 0)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive.runIf(Postgres.installed)(
    "keeps its state in PostgreSQL, for one folder and one at a time",
    () =>
      Effect.gen(function*() {
        const panda = yield* PandaEmulator.PandaEmulator
        const { file, run } = yield* person
        const url = yield* (yield* Postgres.make).database
        file("in/movie.mp4", 2_000_000)
        file("other/movie.mp4")
        // It needs no driver.
        const program = yield* alone
        const command = ["ingest", "in", "--database", url, "--chunk-size", "100K"]
        const underWay = yield* silent(10)
        const refused = yield* Effect.makeLatch()
        const first = yield* Effect.fork(run(command, { program, signal: [refused.await, "SIGINT"] }))
        yield* underWay
        const second = yield* run(command, { program })
        yield* refused.open
        assert.strictEqual(second.code, 5, second.err)
        assert.match(second.err, /postgres:\/\/127\.0\.0\.1:\d+\/\S+ is in use by effect-panda, process \d+ on/)
        const { code, err } = yield* Fiber.join(first)
        assert.strictEqual(code, 130, err)
        const other = yield* run(["ingest", "other"], { program, env: { PANDA_DATABASE_URL: url } })
        assert.strictEqual(other.code, 2, other.err)
        assert.match(other.err, /the database is that of .*in: give each folder and account a database of its own/)
        const last = yield* run(command, { program })
        assert.strictEqual(last.code, 0, last.err)
        const sessions = yield* panda.sessions
        assert.lengthOf(sessions, 1)
        assert.deepInclude(sessions[0], { receivedTwice: 0, status: "complete" })
      }).pipe(Effect.provide(emulator()))
  )
})
