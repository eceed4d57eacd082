/** Ratios, side by side in one run: machines differ, and so does the same machine from one minute to the next. */
import { Effect, Redacted } from "effect"
import { Signature } from "effect-panda"
import { execFile, spawn } from "node:child_process"
import { createHmac } from "node:crypto"
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { cpus, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as Command from "./command.js"
import type { Figures } from "./command.js"
import { ingest } from "./ingest.js"

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

/** What was asked for, or all of it. */
const asked = (what: "signatures" | "loopback" | "links" | "ingest") =>
  process.argv.length < 3 || process.argv.includes(what)

const signatures = () =>
  compare("1000 signatures", 15, [
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

const [warmUp, gib] = [sparse("256MiB", 256 * MIB), sparse("1GiB", 1024 * MIB)]

interface Over {
  readonly port?: string
  readonly chunkSize?: number
  /** What is uploaded before, so that neither loading nor compiling counts. */
  readonly before?: string
}

const contestant = (name: string, file = gib, over: Over = {}) => async (): Promise<Figures> => {
  const task = {
    name,
    file,
    warmUp: over.before ?? warmUp,
    port: over.port ?? port,
    chunkSize: over.chunkSize ?? 5 * MIB
  }
  const { stdout } = await run(process.execPath, ["--import", "tsx", here("contestant.ts"), JSON.stringify(task)])
  return JSON.parse(stdout)
}

const bundle = join(folder, "command")

const command = () =>
  Command.measure(join(bundle, "effect-panda.mjs"), [warmUp, gib], ["--no-wait"], {
    PANDA_ACCESS_KEY: "a",
    PANDA_SECRET_KEY: "b",
    PANDA_CLOUD_ID: "c",
    PANDA_HOST: "127.0.0.1",
    PANDA_PORT: port,
    // Nothing is left of the round before.
    XDG_STATE_HOME: mkdtempSync(join(folder, "state-"))
  })

const curl = (file = gib, at = port) => async (): Promise<Figures> => {
  const began = performance.now()
  await run("curl", ["-s", "-T", file, "-H", "Expect:", `http://127.0.0.1:${at}/plain`])
  return { seconds: (performance.now() - began) / 1000, cpu: NaN, memory: NaN }
}

const layers = ["undici", "node", "fetch"]
/** As fast as the library with its defaults, and with no more than 40 MiB beside what that takes, it ought to be. */
const COMMAND = "the command"

const entries: ReadonlyArray<readonly [name: string, measure: () => Promise<Figures>]> = [
  ...layers.flatMap((layer) => [`ours, ${layer}`, `by hand, ${layer}`]),
  "ours, undici, whole",
  "ours, undici, default",
  "by hand, Effect on undici",
  "by hand, Effect on node",
  "tus-js-client"
].map((name) => [name, contestant(name)] as const).concat([[COMMAND, command], ["curl -T", curl()]])

const uploads = async () => {
  const figures = new Map(entries.map(([name]) => [name, [] as Array<Figures>]))
  // From now on the file is in memory: the first to read it would pay for all.
  await curl()()
  for (let round = 0; round < rounds; round++) {
    for (const [name, measure] of entries) figures.get(name)!.push(await measure())
  }
  const of = (name: string, key: "seconds" | "cpu" | "memory") =>
    median(figures.get(name)!.map((figure) => figure[key]))
  /** How many times as fast, round by round: the machine is another from one minute to the next. */
  const faster = (name: string, than: ReadonlyArray<string>) =>
    median(
      figures.get(name)!.map(({ seconds }, round) =>
        Math.min(...than.map((other) => figures.get(other)![round]!.seconds)) / seconds
      )
    ).toFixed(2)
  const own = (name: string, other: (layer: string) => string) => {
    const [who, layer = ""] = name.split(", ")
    return who === "ours" && figures.has(other(layer)) ? faster(name, [other(layer)]) : ""
  }
  console.table(entries.map(([name]) => ({
    "1 GiB, 5 MiB chunks": name,
    "MB/s": (1024 * MIB / 1e6 / of(name, "seconds")).toFixed(0),
    "of best by hand": faster(name, layers.map((layer) => `by hand, ${layer}`)),
    "of the same by hand": own(name, (layer) => `by hand, ${layer}`),
    "of Effect by hand": own(name, (layer) => `by hand, Effect on ${layer}`),
    "of tus": faster(name, ["tus-js-client"]),
    "of curl": faster(name, ["curl -T"]),
    "of the library": name === COMMAND ? faster(name, ["ours, undici, default"]) : "",
    "memory MiB": of(name, "memory").toFixed(0),
    "CPU s/GiB": of(name, "cpu").toFixed(2)
  })))
}

/** By the name, Mbit/s, milliseconds of a round trip and MiB of the file. */
const LINKS = [
  ["20 Mbit/s, 200 ms", 20, 200, 48],
  ["100 Mbit/s, 50 ms", 100, 50, 128],
  ["100 Mbit/s, 150 ms", 100, 150, 192],
  ["1 Gbit/s, 20 ms", 1000, 20, 1024],
  ["1 Gbit/s, 100 ms", 1000, 100, 1024]
] as const

/** Those whose names match. */
const wanted = new RegExp(process.env["BENCH_LINKS"] ?? "")

/** Runs something with the port of a link to the server. */
const over = async <A>(
  link: { rate: number; roundTrip: number; breaks?: number },
  use: (port: string) => Promise<A>
) => {
  const process_ = spawn(
    process.execPath,
    ["--import", "tsx", here("link.ts"), JSON.stringify({ ...link, port: Number(port) })],
    { stdio: ["ignore", "pipe", "inherit"] }
  )
  try {
    return await use(
      await new Promise<string>((resolve) => {
        process_.stdout.once("data", (text) => resolve(String(text).trim()))
      })
    )
  } finally {
    process_.kill()
  }
}

/** How many times as fast as `curl -T` of the same file over the same link without breaks, round by round. */
const links = async () => {
  const little = sparse("1MiB", MIB)
  for (const [name, mbits, roundTrip, mib] of LINKS.filter(([name]) => wanted.test(name))) {
    const link = { rate: mbits * 1e6 / 8, roundTrip }
    const file = sparse(`link-${mib}MiB`, mib * MIB)
    const columns: Record<string, (curl: string) => Promise<Figures>> = {
      "ours": (port) => contestant("ours, undici, default", file, { port, before: little })(),
      "ours, node": (port) => contestant("ours, node, default", file, { port, before: little })(),
      "tus, 5 MiB": (port) => contestant("tus-js-client", file, { port, before: little })(),
      "tus, 50 MiB": (port) => contestant("tus-js-client", file, { port, before: little, chunkSize: 50 * MIB })()
    }
    const broken: Record<string, string> = {
      "breaks, kept": "ours, undici, default",
      "breaks, discarded": "ours, undici, default, discarding"
    }
    const ratios = new Map<string, Array<number>>()
    for (let round = 0; round < rounds; round++) {
      const { seconds } = await over(link, (port) => curl(file, port)())
      const note = (column: string, figures: Figures) =>
        ratios.set(column, [...ratios.get(column) ?? [], seconds / figures.seconds])
      for (const [column, measure] of Object.entries(columns)) note(column, await over(link, measure))
      for (const [column, who] of Object.entries(broken)) {
        note(column, await over({ ...link, breaks: 40e6 }, (port) => contestant(who, file, { port, before: little })()))
      }
    }
    console.table([{
      "of curl -T": `${name}, ${mib} MiB`,
      ...Object.fromEntries(Array.from(ratios, ([column, all]) => [column, median(all).toFixed(2)]))
    }])
  }
}

const littleFiles = async () => {
  const little = sparse("100KB", 100_000)
  const names = ["ours", "by hand"] as const
  const all = new Map(names.map((name) => [name, [] as Array<Figures>]))
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      all.get(name)!.push(await contestant(`${name}, little files`, little, { before: little })())
    }
  }
  console.table(names.map((name) => ({
    "1,000 files of 100 KB, 8 at a time": name,
    "files/s": (1000 / median(all.get(name)!.map(({ seconds }) => seconds))).toFixed(0),
    "of by hand": median(
      all.get(name)!.map(({ seconds }, round) => all.get("by hand")![round]!.seconds / seconds)
    ).toFixed(2),
    "requests a file": ((all.get(name)![0]!.requests ?? NaN) / 1000).toFixed(1),
    "CPU ms a file": median(all.get(name)!.map(({ cpu }) => cpu)).toFixed(2)
  })))
}

const loopback = async () => {
  await run(process.execPath, [here("../../scripts/bundle.mjs"), bundle])
  await uploads()

  const [small, large] = [sparse("64MiB", 64 * MIB), sparse("4GiB", 4096 * MIB)]
  const memory = []
  for (const name of layers.flatMap((layer) => [`ours, ${layer}`, `by hand, ${layer}`])) {
    const [few, many] = [[] as Array<number>, [] as Array<number>]
    for (let round = 0; round < rounds; round++) {
      few.push((await contestant(name, small)()).memory)
      many.push((await contestant(name, large)()).memory)
    }
    memory.push({
      "peak memory above start, MiB": name,
      "64 MiB": median(few).toFixed(0),
      "4 GiB": median(many).toFixed(0)
    })
  }
  console.table(memory)

  await littleFiles()

  const file = sparse("32MiB", 32 * MIB)
  const alone = await contestant("ours, one by one", file)()
  const many = await contestant("ours, many", file)()
  const others = [{
    "others": "32 files of 32 MiB, 8 at a time",
    "ms": (many.seconds * 1000).toFixed(0),
    "memory MiB": `${many.memory.toFixed(0)}, ${
      ((many.memory - alone.memory) / 7).toFixed(0)
    } for each beyond the first`
  }]
  for (
    const [size, file] of [["16 MiB", sparse("16MiB", 16 * MIB)], ["10 GiB", sparse("10GiB", 10240 * MIB)]] as const
  ) {
    const { memory, seconds } = await contestant("ours, resume", file)()
    others.push({
      "others": `resume ${size}, one chunk missing`,
      "ms": (seconds * 1000).toFixed(0),
      "memory MiB": memory.toFixed(0)
    })
  }
  console.table(others)
}

try {
  console.log(
    `${cpus().length} x ${cpus()[0]?.model ?? "?"}, Node ${process.version}, ${rounds} rounds in turns, medians`
  )
  if (asked("signatures")) await signatures()
  if (asked("links")) await links()
  if (asked("loopback")) await loopback()
  if (asked("ingest")) await Effect.runPromise(ingest)
} finally {
  sink.kill()
  rmSync(folder, { recursive: true })
}
