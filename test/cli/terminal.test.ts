/** What a person sees, compared with the screens in `screens/`: look at them when they change. */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { join } from "node:path"
import { expect } from "vitest"
import { emulator, person, root } from "./command.js"
import * as terminal from "./terminal.js"

/** It leaves in one go: how much of it has left is not told, however slow the machine is. */
const CHUNK = 64 * 1024
/** Of which six are 40 %. */
const SIZE = 15 * CHUNK

const names = [
  `${"a very long name of a file ".repeat(7)}.mp4`,
  "映画の長い名前 🎬👨‍👩‍👧‍👦.mp4",
  "a\u001b[2J\u001b]0;owned\u0007\n\u202egpj.exe.mp4",
  "movie.mp4"
]

const compare = (screen: string, name: string) =>
  Effect.promise(() =>
    expect(`${terminal.steady(screen)}\n`).toMatchFileSnapshot(join(root, "test/cli/screens", `${name}.txt`))
  )

/** Panda takes so many chunks, and is silent then. */
const silent = (skip: number) =>
  Effect.flatMap(
    PandaEmulator.PandaEmulator,
    (panda) => panda.inject({ route: "chunk", fault: Fault.delay("1 hour"), skip, times: Infinity })
  )

beforeAll(terminal.needed)

// The command ends with its terminal, before the server, which would wait for it.
describe("on a terminal", { timeout: 120_000 }, () => {
  it.live.each([40, 80, 200])(
    "of %i columns a file goes its way, and is interrupted",
    (columns) =>
      Effect.gen(function*() {
        yield* silent(6)
        const { env, file, home } = yield* person
        file("movie.mp4", SIZE)
        const { press, screen, until } = yield* terminal.open(["upload", "movie.mp4", "--chunk-size", "64K"], {
          columns,
          cwd: home,
          env
        })
        yield* until(/ 40 % /)
        yield* compare(yield* screen, `sending-${columns}`)
        yield* press("C-c")
        yield* compare(yield* until(/^exit 130$/m), `interrupted-${columns}`)
      }).pipe(Effect.scoped, Effect.provide(emulator()))
  )

  it.live.each([40, 80, 200])(
    "of %i columns several files have a line each, whatever their names",
    (columns) =>
      Effect.gen(function*() {
        // Three files of two chunks are through, and the fourth has sent one of its two.
        yield* silent(7)
        const { env, file, home } = yield* person
        for (const name of names) file(name, 2 * CHUNK)
        const { until } = yield* terminal.open(
          ["upload", ...names, "--chunk-size", "64K", "--profiles", "h264", "--concurrency", "1"],
          { columns, cwd: home, env }
        )
        yield* compare(yield* until(/movie\.mp4 [^]* 50 % [^]*3 of 4 files/), `several-${columns}`)
      }).pipe(Effect.scoped, Effect.provide(emulator({ encodingTime: "10 hours" })))
  )

  it.live.each([40, 80, 200])("of %i columns what is done stays behind", (columns) =>
    Effect.gen(function*() {
      const { env, file, home } = yield* person
      file("movie.mp4")
      const { until } = yield* terminal.open(["upload", "movie.mp4", "--profiles", "h264,webm"], {
        columns,
        cwd: home,
        env
      })
      yield* compare(yield* until(/^exit 0$/m), `done-${columns}`)
    }).pipe(Effect.scoped, Effect.provide(emulator({ encodingTime: "300 millis" }))))

  it.live.each([40, 80, 200])(
    "of %i columns a folder is ingested, and that is interrupted",
    (columns) =>
      Effect.gen(function*() {
        yield* silent(6)
        const { env, file, home } = yield* person
        file(join("in", "映画\u001b[2J 🎬\u202egpj.exe.mp4"), SIZE)
        const command = ["ingest", "in", "--chunk-size", "64K", "--profiles", "h264"]
        const { press, until } = yield* terminal.open(command, { columns, cwd: home, env })
        yield* compare(yield* until(/ 40 % /), `ingesting-${columns}`)
        yield* press("C-c")
        yield* compare(yield* until(/^exit 130$/m), `ingest-interrupted-${columns}`)
      }).pipe(Effect.scoped, Effect.provide(emulator()))
  )

  it.live("that has fewer rows than there are files the total stays in sight", () =>
    Effect.gen(function*() {
      const files = Array.from({ length: 12 }, (_, number) => `movie-${number}.mp4`)
      yield* silent(0)
      const { env, file, home } = yield* person
      for (const name of files) file(name)
      const { resize, screen, until } = yield* terminal.open(["upload", ...files, "--concurrency", "12"], {
        columns: 80,
        rows: 8,
        cwd: home,
        env
      })
      // How much has left us by then is the system's.
      yield* until(/^(movie-\d+\.mp4 {2,4}[█░]+ .*\n){5}… and 7 more\n0 of 12 files .*$/)
      yield* resize(80, 20)
      yield* until(/(\nmovie-\d+\.mp4 {2,4}[█░]+ .*){12}\n0 of 12 files .*$/)
      assert.strictEqual((yield* screen).match(/of 12 files/g)?.length, 1)
    }).pipe(Effect.scoped, Effect.provide(emulator())))

  it.live("that becomes narrower and wider the line fits it again", () =>
    Effect.gen(function*() {
      yield* silent(6)
      const { env, file, home } = yield* person
      file("movie.mp4", SIZE)
      const { resize, until } = yield* terminal.open(["upload", "movie.mp4", "--chunk-size", "64K"], {
        columns: 80,
        cwd: home,
        env
      })
      yield* until(/█{5}░{7} {2}40 % {2}sending {3}/)
      yield* resize(40, 24)
      yield* until(/^movie\.mp4 {3}█{3}░{5} {2}40 % {2}sending$/m)
      yield* resize(200, 24)
      yield* until(/^movie\.mp4 {3}█{12}░{18} {2}40 % {2}sending .* 384\.0 KiB of 960\.0 KiB$/m)
    }).pipe(Effect.scoped, Effect.provide(emulator())))

  it.live.each([["NO_COLOR", "1"] as const, ["TERM", "dumb"] as const])(
    "with %s=%s there are no colours",
    ([name, value]) =>
      Effect.gen(function*() {
        const { env, file, home } = yield* person
        file("movie.mp4")
        const options = { columns: 80, cwd: home }
        const { coloured, until } = yield* terminal.open(["upload", "movie.mp4"], {
          ...options,
          env: { ...env, [name]: value }
        })
        yield* until(/^exit 0$/m)
        assert.notInclude(yield* coloured, "\u001b")
        const other = yield* terminal.open(["upload", "movie.mp4"], { ...options, env })
        yield* other.until(/^exit 0$/m)
        assert.include(yield* other.coloured, "\u001b")
      }).pipe(Effect.scoped, Effect.provide(emulator()))
  )

  it.live("deletes what it is told to, after a yes; and nothing when the input ends", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { env, home } = yield* person
      const [id] = (yield* panda.videos).map(({ id }) => String(id))
      const options = { columns: 80, cwd: home, env }
      const answered = (...keys: ReadonlyArray<string>) =>
        Effect.gen(function*() {
          const { press, until } = yield* terminal.open(["videos", "delete", id!], options)
          yield* until(/\[y\/N\]/)
          yield* press(...keys)
          return yield* until(/^exit \d+$/m)
        }).pipe(Effect.scoped)
      assert.match(yield* answered("n", "Enter"), /^exit 1$/m)
      assert.match(yield* answered("Enter"), /^exit 1$/m)
      assert.match(yield* answered("C-d"), /the input ended before there was an answer[^]*exit 2$/m)
      assert.match(yield* answered("C-c"), /^exit 130$/m)
      assert.strictEqual((yield* panda.videos).length, 1)
      assert.match(yield* answered("y", "Enter"), /^exit 0$/m)
      assert.strictEqual((yield* panda.videos).length, 0)
    }).pipe(Effect.scoped, Effect.provide(emulator({ videos: 1 }))))

  it.live("asks for the keys without showing the secret one", () =>
    Effect.gen(function*() {
      const { env, folders, home } = yield* person
      const { history, press, until } = yield* terminal.open(["login"], {
        columns: 80,
        cwd: home,
        env: { ...env, ...folders }
      })
      yield* until(/Access key/)
      yield* press("my-access-key", "Enter")
      yield* until(/Secret key/)
      yield* press("canary-of-a-secret", "Enter")
      yield* until(/Cloud/)
      yield* press("Enter")
      yield* until(/^exit \d+$/m)
      const seen = yield* history
      assert.include(seen, "my-access-key")
      assert.notInclude(seen, "canary")
    }).pipe(Effect.scoped, Effect.provide(emulator())))
})
