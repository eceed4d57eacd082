/**
 * How fast the emulator takes uploads, in memory and with a folder, and what a hundred at once cost it: `npm run
 * bench:emulator`. With `BENCH_BEFORE`, the file of another version's command, that one takes part.
 */
import { execFileSync, spawn } from "node:child_process"
import { createHmac } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { Agent, request } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const MIB = 1024 * 1024
const SIZE = 256 * MIB
const CHUNK = 5 * MIB
const rounds = Number(process.env["BENCH_ROUNDS"] ?? 5)
const folder = mkdtempSync(join(tmpdir(), "effect-panda-bench-"))
const agent = new Agent({ keepAlive: true })
const chunk = Buffer.alloc(CHUNK, "panda")

const start = (program: string, args: ReadonlyArray<string>) =>
  new Promise<{ readonly pid: number; readonly port: number; readonly stop: () => void }>((resolve) => {
    const child = spawn(process.execPath, [program, "emulator", ...args], { stdio: ["ignore", "ignore", "pipe"] })
    let said = ""
    child.stderr.on("data", (text: Buffer) => {
      said += text
      const port = /127\.0\.0\.1:(\d+)\/v2/.exec(said)?.[1]
      if (port !== undefined) resolve({ pid: child.pid!, port: Number(port), stop: () => child.kill("SIGKILL") })
    })
  })

interface Reply {
  readonly status: number
  readonly text: string
}

const send = (method: string, url: URL, headers: Record<string, string | number>, body: Buffer | string) =>
  new Promise<Reply>((resolve, reject) => {
    const sent = request(url, { method, headers: { ...headers, "content-length": body.length }, agent }, (response) => {
      let text = ""
      response.on("data", (part: Buffer) => text += part)
      response.on("end", () => resolve({ status: response.statusCode!, text }))
    })
    sent.on("error", reject).end(body)
  })

let tick = 0

const open = async (port: number, size: number): Promise<URL> => {
  const params: Record<string, string> = {
    access_key: "emulated-access-key",
    cloud_id: "emulated-cloud-id",
    file_name: "movie.mp4",
    file_size: String(size),
    timestamp: new Date().toISOString().replace("Z", `${String(++tick % 1000).padStart(3, "0")}Z`)
  }
  const query = Object.keys(params).sort().map((name) => `${name}=${encodeURIComponent(params[name]!)}`).join("&")
  const signature = createHmac("sha256", "emulated-secret-key")
    .update(`POST\n127.0.0.1\n/videos/upload.json\n${query}`).digest("base64")
  const { text } = await send("POST", new URL(`http://127.0.0.1:${port}/v2/videos/upload.json`), {
    "content-type": "application/x-www-form-urlencoded"
  }, `${query}&signature=${encodeURIComponent(signature)}`)
  return new URL((JSON.parse(text) as { readonly location: string }).location)
}

const upload = async (port: number, size: number) => {
  const location = await open(port, size)
  for (let at = 0; at < size; at += CHUNK) {
    const body = chunk.subarray(0, Math.min(CHUNK, size - at))
    const range = `bytes ${at}-${at + body.length - 1}/${size}`
    const { status } = await send("PUT", location, {
      "content-range": range,
      "content-type": "application/octet-stream"
    }, body)
    if (status !== 204 && status !== 200) throw new Error(`answered ${status}`)
  }
}

const median = (values: ReadonlyArray<number>): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

/** The most memory that a process has had, in MiB. */
const peak = (pid: number): number =>
  Math.round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024)

try {
  execFileSync(process.execPath, [fileURLToPath(new URL("../../scripts/bundle.mjs", import.meta.url)), folder])
  const here = join(folder, "effect-panda.mjs")
  const before = process.env["BENCH_BEFORE"]
  const contestants = [
    ...before === undefined ? [] : [{ name: "before, in memory", server: await start(before, []) }],
    { name: "in memory", server: await start(here, []) },
    { name: "with a folder", server: await start(here, ["--data", join(folder, "data")]) }
  ]
  const speeds = contestants.map(() => [] as Array<number>)
  for (let round = -1; round < rounds; round++) {
    for (const [i, { server }] of contestants.entries()) {
      const began = performance.now()
      await upload(server.port, SIZE)
      if (round >= 0) speeds[i]!.push(SIZE / 1e3 / (performance.now() - began))
    }
  }
  const base = speeds[contestants.findIndex(({ name }) => name === "in memory")]!
  for (const { server } of contestants) {
    await Promise.all(Array.from({ length: 100 }, () => upload(server.port, 2 * CHUNK)))
  }
  console.table(contestants.map(({ name, server }, i) => ({
    "256 MiB, 5 MiB chunks": name,
    "MB/s": median(speeds[i]!).toFixed(0),
    "of memory": median(speeds[i]!.map((speed, round) => speed / base[round]!)).toFixed(2),
    "100 uploads at once, peak MiB": peak(server.pid)
  })))
  for (const { server } of contestants) server.stop()
} finally {
  agent.destroy()
  rmSync(folder, { recursive: true, force: true })
}
