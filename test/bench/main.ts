/** Ratios, side by side in one run: machines differ, and so does the same machine from one minute to the next. */
import { Effect, Redacted } from "effect"
import { Signature, Upload, UploadSource } from "effect-panda"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { createHmac } from "node:crypto"

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

const movie = new Uint8Array(16 * 1024 * 1024).fill(7)
const upload = (chunkSize: number) => () =>
  Effect.runPromise(
    Upload.video(Upload.start(UploadSource.fromBytes(movie, { name: "a.mp4" }), { chunkSize })).pipe(
      Effect.provide(PandaEmulator.layerTest({ hash: () => ({ update: () => {}, digest: () => "" }) }))
    )
  )

await compare("16 MiB in memory", 5, [
  { name: "chunks of 64 KiB", run: upload(64 * 1024) },
  { name: "chunks of 1 MiB", run: upload(1024 * 1024) },
  { name: "chunks of 8 MiB", run: upload(8 * 1024 * 1024) }
])
