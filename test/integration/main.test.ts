import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { bundle } from "../esbuild.js"

/** The main job as a person starts it. */

const root = fileURLToPath(new URL("../..", import.meta.url))
const movie = join(root, "test/fixtures/panda.mp4")

const run = (
  args: ReadonlyArray<string>,
  options: { readonly env?: Record<string, string>; readonly interruptAt?: RegExp; readonly literally?: true } = {}
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> =>
  new Promise((resolve) => {
    const { env: { PANDA_ACCESS_KEY: _, PANDASTREAM_URL: __, ...env } } = process
    const [command, ...start] = options.literally
      ? ["npm", "start", "--silent", "--"]
      : [process.execPath, join(folder, "upload.mjs")]
    const child = spawn(command!, [...start, ...args], {
      cwd: root,
      env: { ...env, TMPDIR: folder, ...options.env }
    })
    let [out, err] = ["", ""]
    let interrupted = false
    child.stdout.on("data", (text) => {
      out += text
      if (options.interruptAt?.test(out) === true && !interrupted) {
        interrupted = true
        child.kill("SIGINT")
      }
    })
    child.stderr.on("data", (text) => {
      err += text
    })
    child.on("close", (code) => resolve({ code, out, err }))
  })

let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "effect-panda-"))
  await bundle([join(root, "examples/upload.ts")], folder)
})
afterAll(() => rmSync(folder, { recursive: true }))

const sha256 = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex")

describe.concurrent("npm start", () => {
  it("uploads a video through two faults, follows its encodings, and compares the hashes", async () => {
    const { code, err, out } = await run([], { literally: true })
    assert.strictEqual(code, 0, err)
    assert.match(out, /^No credentials in the environment: talking to an emulator at http:\/\/127\.0\.0\.1:\d+\/v2\n/)
    assert.match(out, /Failure 1, .*ECONNRESET/)
    assert.match(out, /Failure 1, .*503/)
    assert.match(out, / 100 %/)
    assert.match(out, /Video {5}[0-9a-f]{32} {2}success/)
    assert.match(out, /Encoding {2}h264 {2}success {2}http:\S+\.mp4/)
    assert.match(out, /Encoding {2}webm {2}success {2}http:\S+\.webm/)
    assert.include(out, `Sent      sha256 ${sha256(movie)}\nReceived  sha256 ${sha256(movie)}\n`)
    assert.notInclude(out, "upload/session")
    assert.strictEqual(err, "")
  })

  it("goes on after Ctrl-C at the byte that the server has", async () => {
    const [file, state] = [join(folder, "own.mp4"), join(folder, "state.json")]
    writeFileSync(file, Buffer.alloc(2_000_000, "panda"))
    const first = await run([file, "--state", state], { interruptAt: /[3-6]\d %/ })
    assert.strictEqual(first.code, 130)
    const stopped = Number(/Interrupted at byte (\d+)\. To go on: npm start -- \S+ --state \S+/.exec(first.out)?.[1])
    assert.isAbove(stopped, 0)
    assert.strictEqual(statSync(state).mode & 0o777, 0o600)
    assert.strictEqual(JSON.parse(readFileSync(state, "utf8")).acknowledged, stopped)

    const second = await run([file, "--state", state])
    assert.strictEqual(second.code, 0, second.err)
    assert.match(second.out, /Resuming own\.mp4 at /)
    assert.include(second.out, `Sent      sha256 ${sha256(file)}\nReceived  sha256 ${sha256(file)}\n`)
    assert.isFalse(existsSync(state))
  })

  it.each([
    ["a file that does not exist", ["/missing/movie.mp4"], {}, /^Failed: .*movie\.mp4 cannot be read.*NotFound/],
    ["a directory", ["/tmp"], {}, /^Failed: .*tmp cannot be read.*directory/],
    ["words that mean nothing", ["--what"], {}, /^Failed: .*npm start -- /],
    ["half of the credentials", [], { PANDA_ACCESS_KEY: "a" }, /^Failed: .*PANDA_SECRET_KEY.*missing/],
    ["a malformed URL", [], { PANDASTREAM_URL: "canary" }, /^Failed: .*PANDASTREAM_URL/],
    [
      "nobody at the address",
      [movie],
      { PANDA_ACCESS_KEY: "a", PANDA_SECRET_KEY: "b", PANDA_CLOUD_ID: "c", PANDA_HOST: "127.0.0.1", PANDA_PORT: "9" },
      /^Failed: .*could not connect to http:\/\/127\.0\.0\.1:9 \(ECONNREFUSED\)/
    ]
  ])("says in one line what is wrong with %s", async (_, args, env, message) => {
    const { code, err } = await run(args, { env })
    assert.strictEqual(code, 1)
    assert.match(err, message)
    assert.strictEqual(err.trim().split("\n").length, 1)
    assert.notInclude(err, "canary")
  })
})
