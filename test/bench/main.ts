/** Ratios, side by side in one run: machines differ, and so does the same machine from one minute to the next. */
import { Redacted } from "effect"
import { Signature } from "effect-panda"
import { execFile, spawn } from "node:child_process"
import { createHmac } from "node:crypto"
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { cpus, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const median = (values: ReadonlyArray<number>): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

interface Contestant {
  readonly name: string
  readonly run: () => unknown
}

/** In turns, so that all meet the same machine. */
const compare = async (title: string, rounds: number, contestants: ReadonlyArray<Contestant>) => {
  const times = new Map(contestants.map(({ name }) => [name, [] as Array<number>]))
  for (let round = -1; round < rounds; round++) {
    for (const { name, run } of contestants) {
      const began = performance.now()
      await run()
      if (round >= 0) times.get(name)!.push(performance.now() - began)
    }
  }
  const best = Math.min(...Array.from(times.values(), median))
  console.table(contestants.map(({ name }) => {
    const time = median(times.get(name)!)
    return { [title]: name, "median ms": time.toFixed(2), ratio: (time / best).toFixed(2) }
  }))
}

const secret = Redacted.make("secret")
const text = "GET\napi.pandastream.com\n/videos.json\naccess_key=a&cloud_id=b&timestamp=2026-01-01T00%3A00%3A00.000000Z"
const key = await crypto.subtle.importKey(
  "raw",
  new TextEncoder().encode("secret"),
  { name: "HMAC", hash: "SHA-256" },
  false,
  ["sign"]
)
const bytes = new TextEncoder().encode(text)
const times = async (run: () => unknown) => {
  for (let i = 0; i < 1000; i++) await run()
}

await compare("1000 signatures", 15, [
  { name: "Signature.sign", run: () => times(() => Signature.sign(secret, text)) },
  { name: "WebCrypto", run: () => times(() => crypto.subtle.sign("HMAC", key, bytes)) },
  { name: "node:crypto", run: () => times(() => createHmac("sha256", "secret").update(text).digest("base64")) }
])

const MIB = 1024 * 1024
const rounds = Number(process.env["BENCH_ROUNDS"] ?? 3)
const folder = mkdtempSync(join(tmpdir(), "effect-panda-bench-"))
const here = (file: string) => fileURLToPath(new URL(file, import.meta.url))
const run = promisify(execFile)

/** A file without content on disk: what is measured is the sending. */
const sparse = (name: string, size: number) => {
  const path = join(folder, name)
  writeFileSync(path, "")
  truncateSync(path, size)
  return path
}

const sink = spawn(process.execPath, ["--import", "tsx", here("sink.ts")], { stdio: ["ignore", "pipe", "inherit"] })
const port = await new Promise<string>((resolve) => {
  sink.stdout.once("data", (text) => resolve(String(text).trim()))
})

interface Figures {
  readonly seconds: number
  readonly cpu: number
  readonly memory: number
}

const contestant = async (
  name: string,
  file: string,
  chunkSize: number,
  ...more: ReadonlyArray<string>
): Promise<Figures> => {
  const { stdout } = await run(process.execPath, [
    "--import",
    "tsx",
    here("contestant.ts"),
    name,
    file,
    port,
    String(chunkSize),
    ...more
  ])
  return JSON.parse(stdout)
}

const curl = async (file: string): Promise<Figures> => {
  const began = performance.now()
  await run("curl", ["-s", "-T", file, "-H", "Expect:", `http://127.0.0.1:${port}/plain`])
  return { seconds: (performance.now() - began) / 1000, cpu: NaN, memory: NaN }
}

const table = async (
  title: string,
  size: number,
  entries: Readonly<Record<string, () => Promise<Figures>>>,
  best: ReadonlyArray<string>
) => {
  const figures = new Map(Object.keys(entries).map((name) => [name, [] as Array<Figures>]))
  for (let round = 0; round < rounds; round++) {
    for (const [name, measure] of Object.entries(entries)) figures.get(name)!.push(await measure())
  }
  const of = (name: string, key: keyof Figures) => median(figures.get(name)!.map((figure) => figure[key]))
  const reference = Math.min(...best.map((name) => of(name, "seconds")))
  console.table(
    Object.keys(entries).map((name) => ({
      [title]: name,
      "MB/s": (size / 1e6 / of(name, "seconds")).toFixed(0),
      "of best by hand": (reference / of(name, "seconds")).toFixed(2),
      "memory MiB": of(name, "memory").toFixed(0),
      "CPU s/GiB": (of(name, "cpu") / (size / 1024 / MIB)).toFixed(2)
    }))
  )
}

try {
  console.log(
    `${cpus().length} x ${cpus()[0]?.model ?? "?"}, Node ${process.version}, ${rounds} rounds in turns, medians`
  )
  const gib = sparse("1GiB", 1024 * MIB)
  const each = (name: string, file = gib) => () => contestant(name, file, 5 * MIB)
  await table("1 GiB, 5 MiB chunks", 1024 * MIB, {
    "ours, undici": each("ours, undici"),
    "by hand, undici": each("by hand, undici"),
    "ours, node": each("ours, node"),
    "by hand, node:http": each("by hand, node:http"),
    "ours, fetch": each("ours, fetch"),
    "ours, undici, slices": each("ours, undici, slices"),
    "tus-js-client": each("tus-js-client"),
    "curl -T": () => curl(gib)
  }, ["by hand, undici", "by hand, node:http"])

  const [small, large] = [sparse("64MiB", 64 * MIB), sparse("4GiB", 4096 * MIB)]
  const memory = async (name: string, file: string) => (await contestant(name, file, 5 * MIB)).memory.toFixed(0)
  console.table(
    await Promise.all(["ours, undici", "ours, node", "ours, fetch"].map(async (name) => ({
      "peak memory above start, MiB": name,
      "64 MiB": await memory(name, small),
      "4 GiB": await memory(name, large)
    })))
  )

  const part = sparse("32MiB", 32 * MIB)
  const many = await contestant("ours, many", part, 5 * MIB, "8")
  const [few, huge] = [sparse("16MiB", 16 * MIB), sparse("10GiB", 10240 * MIB)]
  console.table([
    {
      "others": "32 files of 32 MiB, 8 at a time",
      "ms": (many.seconds * 1000).toFixed(0),
      "MB/s": ((1024 * MIB) / 1e6 / many.seconds).toFixed(0),
      "memory MiB": many.memory.toFixed(0)
    },
    ...await Promise.all([few, huge].map(async (file, i) => {
      const resume = await contestant("ours, resume", file, 5 * MIB)
      return {
        "others": `resume ${["16 MiB", "10 GiB"][i]}, one chunk missing`,
        "ms": (resume.seconds * 1000).toFixed(0),
        "memory MiB": resume.memory.toFixed(0)
      }
    }))
  ])
} finally {
  sink.kill()
  rmSync(folder, { recursive: true })
}
