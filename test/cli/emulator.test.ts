/** A Panda of one's own as a process, which may be killed at any time. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { createHash, createHmac } from "node:crypto"
import { createServer } from "node:net"
import { readFileSync } from "node:fs"
import { installed, sample } from "../ffmpeg.js"
import { bundled, lines, run, temporary } from "./command.js"

type Json = Readonly<Record<string, unknown>>

const freePort = Effect.async<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address() as { readonly port: number }
    server.close(() => resume(Effect.succeed(port)))
  })
})

/** Until it says that it listens. */
const start = (port: number, ...args: ReadonlyArray<string>) =>
  Effect.async<ChildProcess>((resume) => {
    const child = spawn(process.execPath, [bundled(), "emulator", "--port", String(port), ...args], {
      stdio: ["ignore", "ignore", "pipe"]
    })
    let said = ""
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      said += text
      if (said.includes("until it is interrupted")) resume(Effect.succeed(child))
    })
    child.on("exit", () => resume(Effect.dieMessage(said)))
  })

const kill = (child: ChildProcess) =>
  Effect.async<void>((resume) => {
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })

let tick = 0

/** Signed by hand, so that nothing of ours repeats or repairs anything. */
const call = (port: number, method: string, path: string, params: Record<string, string> = {}) =>
  Effect.promise(async () => {
    const all: Record<string, string> = {
      ...params,
      access_key: "emulated-access-key",
      cloud_id: "emulated-cloud-id",
      timestamp: new Date().toISOString().replace("Z", `${String(++tick % 1000).padStart(3, "0")}Z`)
    }
    const canonical = Object.keys(all).sort().map((name) => `${name}=${encodeURIComponent(all[name]!)}`).join("&")
    const signature = createHmac("sha256", "emulated-secret-key")
      .update([method, "127.0.0.1", path, canonical].join("\n")).digest("base64")
    const query = `${canonical}&signature=${encodeURIComponent(signature)}`
    const response = await fetch(`http://127.0.0.1:${port}/v2${path}${method === "GET" ? `?${query}` : ""}`, {
      method,
      ...(method === "GET"
        ? {}
        : { body: query, headers: { "content-type": "application/x-www-form-urlencoded" } })
    })
    return await response.json() as Json
  })

/** A chunk, or without bytes the question how far it is. */
const put = (location: string, range: string, bytes = new Uint8Array(0)) =>
  Effect.promise(async () => {
    const headers = { "content-range": `bytes ${range}`, "content-type": "application/octet-stream" }
    const response = await fetch(location, { method: "PUT", headers, body: bytes }).catch(() => undefined)
    return response && { status: response.status, range: response.headers.get("range"), text: await response.text() }
  })

const stored = (range: string | null | undefined) => Number(range?.split("-")[1] ?? -1) + 1

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

describe("emulator --data", { timeout: 200_000 }, () => {
  it.scopedLive.skipIf(!installed)(
    "loses nothing that it answered, however often it is killed",
    () =>
      Effect.gen(function*() {
        const home = yield* temporary
        const port = yield* freePort
        const own = ["--data", `${home}/panda`, "--encode"]
        const bytes = readFileSync(sample)
        const size = bytes.length
        let child = yield* start(port, ...own)
        yield* Effect.addFinalizer(() => Effect.sync(() => child.kill("SIGKILL")))
        yield* call(port, "POST", "/profiles.json", { preset_name: "h264", name: "small", width: "64", height: "64" })
        yield* call(port, "POST", "/profiles.json", {
          preset_name: "h264.hi",
          name: "slow",
          frame_count: "0",
          width: "1920",
          height: "1080"
        })

        // Killed in the middle of chunks: a part of each is on its way.
        const { id, location } = (yield* call(port, "POST", "/videos/upload.json", {
          file_size: String(size),
          file_name: "panda.mp4",
          profiles: "small,slow"
        })) as { readonly id: string; readonly location: string }
        const step = Math.ceil(size / 4)
        for (let acknowledged = 0, kills = 0; acknowledged < size; kills++) {
          const probed = yield* put(location, `*/${size}`)
          assert.isAtLeast(stored(probed!.range), acknowledged)
          const from = stored(probed!.range)
          const to = Math.min(size, from + step)
          const sent = yield* put(location, `${from}-${to - 1}/${size}`, bytes.subarray(from, to))
          acknowledged = sent!.status === 200 ? size : stored(sent!.range)
          // The next one is cut off by the end of the process.
          const half = Effect.fork(
            put(location, `${acknowledged}-${size - 1}/${size}`, bytes.subarray(acknowledged, size))
          )
          if (acknowledged < size && kills % 2 === 0) yield* half
          yield* kill(child)
          child = yield* start(port, ...own)
        }
        const video = yield* put(location, `*/${size}`)
        assert.strictEqual((JSON.parse(video!.text) as Json)["id"], id)

        // Killed while it encodes, again and again.
        const encodings = () => call(port, "GET", `/videos/${id}/encodings.json`) as Effect.Effect<unknown>
        for (let kills = 0; kills < 2; kills++) {
          const working = Effect.map(
            Effect.delay(encodings(), "50 millis"),
            (list) => (list as ReadonlyArray<Json>).some((encoding) => encoding["status"] === "processing")
          )
          assert.isTrue((yield* working) || kills > 0)
          yield* kill(child)
          child = yield* start(port, ...own)
        }
        const done = (yield* Effect.repeat(Effect.delay(encodings(), "200 millis"), {
          until: (list) => (list as ReadonlyArray<Json>).every((encoding) => encoding["status"] !== "processing")
        })) as ReadonlyArray<Json>
        assert.deepStrictEqual(done.map(({ profile_name, status }) => [profile_name, status]), [
          ["slow", "success"],
          ["small", "success"]
        ])
        const base = `${home}/panda/storage/emulated-cloud-id`
        assert.strictEqual(sha256(readFileSync(`${base}/${id}.mp4`)), sha256(bytes))
        for (const { files } of done) {
          for (const file of files as ReadonlyArray<string>) {
            assert.isAbove(readFileSync(`${base}/${file}`).length, 1000)
          }
        }
        const videos = (yield* call(port, "GET", "/videos.json")) as unknown as ReadonlyArray<Json>
        assert.lengthOf(videos, 1)

        // One folder is one process's.
        const second = yield* run(["emulator", ...own])
        assert.strictEqual(second.code, 2)
        assert.match(lines(second.err)[0]!, /panda is used by process \d+: end it, or take another folder/)
      })
  )

  it.scopedLive("says what to install where there is no ffmpeg", () =>
    Effect.gen(function*() {
      const home = yield* temporary
      const { code, err } = yield* run(["emulator", "--encode"], { env: { PATH: home } })
      assert.strictEqual(code, 1)
      assert.deepStrictEqual(lines(err), [
        "effect-panda: ffmpeg cannot be run: install ffmpeg (Debian and Ubuntu: apt-get install ffmpeg; " +
        "macOS: brew install ffmpeg; Windows: winget install ffmpeg)"
      ])
    }))
})
