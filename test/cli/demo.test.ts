import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { installed, probe } from "../ffmpeg.js"
import { bundled, lines, type Options, root, run, sha256, temporary } from "./command.js"

/** The first thing a newcomer runs. */
const movie = join(root, "test/fixtures/panda.mp4")

const newcomer = Effect.map(temporary, (home) => ({
  home,
  run: (args: ReadonlyArray<string>, options: Options = {}) =>
    run(args, {
      program: ["npm", "start", "--silent", "--"],
      cwd: root,
      ...options,
      env: { HOME: home, npm_config_update_notifier: "false", ...options.env }
    }),
  bundle: (args: ReadonlyArray<string>, options: Options = {}) =>
    run(["demo", ...args], { cwd: home, ...options, env: { HOME: home, ...options.env } }),
  /** Ctrl-C after a failure, from which it would go on in a moment. */
  interrupted: (args: ReadonlyArray<string>, failure: string) =>
    run(["demo", ...args], {
      cwd: home,
      program: [process.execPath, "--import", join(import.meta.dirname, "held.mjs"), bundled()],
      env: { HOME: home, HELD: failure },
      signal: [new RegExp(failure), "SIGINT"]
    })
}))

describe("npm start", { timeout: 120_000 }, () => {
  it.scopedLive("uploads a video through two faults, follows its encodings, and compares the hashes", () =>
    Effect.gen(function*() {
      const { run } = yield* newcomer
      const { code, err, out } = yield* run([])
      assert.strictEqual(code, 0, err)
      assert.match(err, /^No credentials in the environment: talking to an emulator at http:\/\/127\.0\.0\.1:\d+\/v2$/m)
      assert.match(err, /Failure 1, .*ECONNRESET/)
      assert.match(err, /Failure 2, .*503/)
      assert.match(out, /Video {5}[0-9a-f]{32} {2}success/)
      assert.match(out, /Encoding {2}h264 {2}success {2}http:\S+\.mp4/)
      assert.match(out, /Encoding {2}webm {2}success {2}http:\S+\.webm/)
      assert.include(out, `Sent      sha256 ${sha256(movie)}\nReceived  sha256 ${sha256(movie)}\n`)
      assert.include(err, "The hashes agree.")
      assert.notInclude(out + err, "upload/session")
      // It ends with where the result can be watched, or what that takes.
      if (!installed) assert.match(err, /^Nothing is really encoded: .*apt-get install ffmpeg.*$/m)
      else {
        const [, film] = /^Watch it: (.*\.mp4)$/.exec(lines(err).at(-1)!) ?? []
        assert.deepInclude(probe(film!).streams[0], { codec_name: "h264", width: 640, height: 480 })
      }
    }))

  it.scopedLive("goes on after Ctrl-C at the byte that the server has, by the command that it printed", () =>
    Effect.gen(function*() {
      const { bundle, home, interrupted } = yield* newcomer
      const file = join(home, "my own.mp4")
      writeFileSync(file, Buffer.alloc(2_000_000, "panda"))
      const words = [file, "--no-wait"]
      const first = yield* interrupted(words, "Failure 2")
      assert.strictEqual(first.code, 130, first.err)
      const [, stopped, command] = /Interrupted at byte (\d+) of 2000000\. To go on: (.*)/.exec(first.err) ?? []
      assert.strictEqual(command, `effect-panda demo '${file}' --no-wait`)
      assert.isAbove(Number(stopped), 0)

      const second = yield* bundle(words)
      assert.strictEqual(second.code, 0, second.err)
      assert.include(second.err, `(byte ${stopped})`)
      assert.include(second.out, `Sent      sha256 ${sha256(file)}\nReceived  sha256 ${sha256(file)}\n`)
      const left = readdirSync(join(home, ".local/state/effect-panda/demo/received"))
      assert.deepStrictEqual(left, [])
    }))

  it.scopedLive("sends every file that it is given", () =>
    Effect.gen(function*() {
      const { bundle, home } = yield* newcomer
      for (const name of ["a.mp4", "b.mp4"]) writeFileSync(join(home, name), Buffer.alloc(100_000, name))
      const { code, err, out } = yield* bundle(["a.mp4", "b.mp4", "--no-wait"])
      assert.strictEqual(code, 0, err)
      for (const name of ["a.mp4", "b.mp4"]) {
        assert.include(out, `Received  sha256 ${sha256(join(home, name))}\n`)
        assert.match(out, new RegExp(`^Video .* ${name}$`, "m"))
      }
    }))

  it.scopedLive("goes to Panda where the environment has credentials", () =>
    Effect.gen(function*() {
      const { bundle } = yield* newcomer
      const credentials = {
        PANDA_ACCESS_KEY: "a",
        PANDA_SECRET_KEY: "canary",
        PANDA_CLOUD_ID: "c",
        PANDA_HOST: "127.0.0.1",
        PANDA_PORT: "9"
      }
      const half = yield* bundle(["--real"], { env: { ...credentials, PANDA_SECRET_KEY: "" } })
      assert.strictEqual(half.code, 4)
      assert.match(half.err, /PANDA_SECRET_KEY is missing/)
      const wrong = yield* bundle(["--real"], { env: { PANDASTREAM_URL: "canary" } })
      assert.strictEqual(wrong.code, 4)
      assert.match(wrong.err, /PANDASTREAM_URL/)
      assert.notInclude(half.err + wrong.err, "canary")
    }))

  it.scopedLive("helps with --help, and names the whole path of what it cannot read", () =>
    Effect.gen(function*() {
      const { bundle, home } = yield* newcomer
      const help = yield* bundle(["--help"])
      assert.strictEqual(help.code, 0)
      assert.match(help.out, /^Usage\n {2}effect-panda demo /m)
      assert.strictEqual(help.err, "")
      const missing = yield* bundle(["folder/movie.mp4"])
      assert.strictEqual(missing.code, 2)
      assert.deepStrictEqual(lines(missing.err), [`effect-panda: ${home}/folder/movie.mp4 does not exist`])
    }))

  it.scopedLive("begins with a word in a state folder that is not there", () =>
    Effect.gen(function*() {
      const { bundle, home } = yield* newcomer
      const { code, err } = yield* bundle(["--state", "mistyped", "--no-wait"])
      assert.strictEqual(code, 0, err)
      assert.include(err, `${home}/mistyped is not there yet: nothing to resume, so this begins anew`)
    }))

  it.scopedLive("says once that the state cannot be kept, and finishes all the same", () =>
    Effect.gen(function*() {
      const { bundle, home } = yield* newcomer
      const state = join(home, "state")
      mkdirSync(join(state, "demo"), { recursive: true })
      // Not a folder, for root too.
      writeFileSync(join(state, "demo/uploads"), "")
      const { code, err, out } = yield* bundle(["--state", state, "--no-wait"])
      assert.strictEqual(code, 0, err)
      assert.strictEqual(lines(err).filter((line) => line.includes("could not save a state")).length, 1, err)
      assert.include(err, "The hashes agree.")
      assert.match(out, /^Video /m)
    }))

  it.scopedLive("says which file a state is in that cannot be read", () =>
    Effect.gen(function*() {
      const { bundle, home, interrupted } = yield* newcomer
      const file = join(home, "own.mp4")
      writeFileSync(file, Buffer.alloc(2_000_000, "panda"))
      yield* interrupted([file], "Failure 2")
      const folder = join(home, ".local/state/effect-panda/demo/uploads")
      const [state] = readdirSync(folder).filter((name) => name.endsWith(".json"))
      writeFileSync(join(folder, state!), readFileSync(join(folder, state!), "utf8").slice(0, 40))
      const { err } = yield* bundle([file, "--no-wait"])
      assert.include(err, state!.replace(".json", ""))
    }))
})
