/**
 * One way of uploading one file, in a process of its own: prints what it took. It uploads another file before, so that
 * neither loading nor compiling counts.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { request as undici } from "@effect/platform-node/Undici"
import { DateTime, Effect, Layer, Redacted, Runtime, Stream } from "effect"
import { Credentials, PandaClient, Upload, UploadSource, type UploadState } from "effect-panda"
import { createHmac } from "node:crypto"
import { createReadStream, readFileSync, statSync, writeFileSync } from "node:fs"
import { open, readFile } from "node:fs/promises"
import * as Http from "node:http"
import * as tus from "tus-js-client"

interface Task {
  readonly name: string
  readonly file: string
  readonly warmUp: string
  readonly port: string
  readonly chunkSize: number
}

/** How many of the little files there are. */
const LITTLE = 1000

const { chunkSize, file, name, port, warmUp } = JSON.parse(process.argv[2]!) as Task
const origin = `http://127.0.0.1:${port}`

const layers = {
  undici: NodeHttpClient.layerUndici,
  // The agent of `NodeHttpClient.layer` opens a connection for each request.
  node: Layer.provide(NodeHttpClient.layerWithoutAgent, NodeHttpClient.makeAgentLayer({ keepAlive: true })),
  fetch: FetchHttpClient.layer
}

const panda = (layer: keyof typeof layers) =>
  PandaClient.layer.pipe(
    Layer.provide(
      Credentials.layer({
        accessKey: "a",
        secretKey: Redacted.make("b"),
        cloudId: "c",
        host: "127.0.0.1",
        port: Number(port)
      })
    ),
    Layer.provide(layers[layer]),
    Layer.merge(NodeFileSystem.layer)
  )

const ours = (layer: keyof typeof layers, options: Upload.Options = { chunkSize }) => (file: string) =>
  Effect.gen(function*() {
    const source = yield* UploadSource.fromFile(file)
    yield* Upload.video(Upload.start(source, options))
  }).pipe(Effect.provide(panda(layer)), Effect.runPromise)

/** What one would write by hand: two buffers, the next chunk read while the current one is sent. */
const byHand = (send: (bytes: Uint8Array<ArrayBuffer>, range: string) => Promise<unknown>) => async (file: string) => {
  const { size } = statSync(file)
  const handle = await open(file, "r")
  const buffers = [new Uint8Array(chunkSize), new Uint8Array(chunkSize)] as const
  const read = async (offset: number, turn: number) => {
    const bytes = buffers[turn % 2 as 0 | 1].subarray(0, Math.min(chunkSize, size - offset))
    if (bytes.byteLength > 0) await handle.read(bytes, 0, bytes.byteLength, offset)
    return bytes
  }
  let next = read(0, 0)
  for (let offset = 0, turn = 0; offset < size; turn++) {
    const bytes = await next
    next = read(offset + bytes.byteLength, turn + 1)
    await send(bytes, `bytes ${offset}-${offset + bytes.byteLength - 1}/${size}`)
    offset += bytes.byteLength
  }
  await handle.close()
}

const agent = new Http.Agent({ keepAlive: true })
const put = { path: "/upload/session?id=1", method: "PUT" } as const
const typed = (range: string) => ({ "content-type": "application/octet-stream", "content-range": range })
const headers = (bytes: Uint8Array, range: string) => ({ ...typed(range), "content-length": String(bytes.byteLength) })

/** What one would write with Effect's HTTP client, without an upload library. */
const effectByHand = (layer: keyof typeof layers) => (file: string) =>
  Effect.gen(function*() {
    const client = yield* HttpClient.HttpClient
    const runtime = yield* Effect.runtime()
    const loop = byHand((bytes, range) =>
      HttpClientRequest.put(`${origin}${put.path}`, { headers: { "content-range": range } }).pipe(
        HttpClientRequest.bodyUint8Array(bytes, "application/octet-stream"),
        client.execute,
        Effect.flatMap(({ text }) => text),
        Runtime.runPromise(runtime)
      )
    )
    yield* Effect.promise(() => loop(file))
  }).pipe(Effect.provide(layers[layer]), Effect.runPromise)

const contestants: Record<string, (file: string) => Promise<unknown>> = {
  "ours, undici": ours("undici"),
  "ours, node": ours("node"),
  "ours, fetch": ours("fetch"),
  "ours, undici, whole": ours("undici", { chunkSize, body: "bytes" }),
  "ours, undici, default": ours("undici", {}),
  "ours, node, default": ours("node", {}),
  "ours, fetch, default": ours("fetch", {}),
  "ours, undici, default, discarding": ours("undici", {
    transformRequest: (request) => Effect.succeed(HttpClientRequest.setHeader(request, "x-discard", "yes"))
  }),
  "by hand, undici": byHand(async (bytes, range) => {
    const { body } = await undici(`${origin}${put.path}`, {
      method: "PUT",
      headers: headers(bytes, range),
      body: bytes
    })
    await body.text()
  }),
  "by hand, node": byHand((bytes, range) =>
    new Promise((resolve, reject) => {
      const request = Http.request(
        `${origin}${put.path}`,
        { agent, method: "PUT", headers: headers(bytes, range) },
        (response) => {
          response.resume().on("end", resolve)
        }
      )
      request.on("error", reject).end(bytes)
    })
  ),
  "by hand, Effect on undici": effectByHand("undici"),
  "by hand, Effect on node": effectByHand("node"),
  "by hand, fetch": byHand(async (bytes, range) => {
    const response = await fetch(`${origin}${put.path}`, {
      method: "PUT",
      headers: typed(range),
      body: bytes,
      redirect: "error"
    })
    await response.text()
  }),
  "tus-js-client": (file) =>
    new Promise((resolve, reject) => {
      new tus.Upload(createReadStream(file), {
        endpoint: `${origin}/files`,
        chunkSize,
        uploadSize: statSync(file).size,
        retryDelays: [],
        onSuccess: resolve,
        onError: reject
      }).start()
    }),
  /** 32 uploads, 8 at a time. */
  "ours, many": (file) =>
    Effect.gen(function*() {
      const source = yield* UploadSource.fromFile(file)
      const sources = Array.from({ length: 32 }, () => source)
      yield* Stream.runDrain(Upload.many(sources, { chunkSize, concurrency: 8 }))
    }).pipe(Effect.provide(panda("undici")), Effect.runPromise),
  "ours, one by one": (file) =>
    Effect.gen(function*() {
      const source = yield* UploadSource.fromFile(file)
      yield* Stream.runDrain(Upload.many(Array.from({ length: 8 }, () => source), { chunkSize, concurrency: 1 }))
    }).pipe(Effect.provide(panda("undici")), Effect.runPromise),
  "ours, little files": (file) =>
    Effect.gen(function*() {
      const source = yield* UploadSource.fromFile(file)
      yield* Stream.runDrain(Upload.many(Array.from({ length: LITTLE }, () => source), { concurrency: 8 }))
    }).pipe(Effect.provide(panda("undici")), Effect.runPromise),
  /** As little as that can be: a signed request that opens a session, and one with all bytes. */
  "by hand, little files": (file) =>
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const upload = Effect.gen(function*() {
        const bytes = yield* Effect.promise(() => readFile(file))
        const { byteLength: size } = bytes
        const form = new URLSearchParams({
          access_key: "a",
          cloud_id: "c",
          file_name: "little",
          file_size: `${size}`,
          timestamp: new Date().toISOString()
        })
        const text = `POST\n127.0.0.1\n/videos/upload.json\n${form}`
        form.set("signature", createHmac("sha256", "b").update(text).digest("base64"))
        const opened = yield* HttpClientRequest.post(`${origin}/v2/videos/upload.json`).pipe(
          HttpClientRequest.bodyText(form.toString(), "application/x-www-form-urlencoded"),
          client.execute,
          Effect.flatMap(({ json }) => json)
        )
        const sent = yield* HttpClientRequest.put((opened as { readonly location: string }).location).pipe(
          HttpClientRequest.setHeader("content-range", `bytes 0-${size - 1}/${size}`),
          HttpClientRequest.bodyUint8Array(bytes, "application/octet-stream"),
          client.execute
        )
        return yield* sent.json
      })
      yield* Effect.replicateEffect(upload, LITTLE, { concurrency: 8, discard: true })
    }).pipe(Effect.provide(layers.undici), Effect.runPromise),
  /** From the state to the video; the server lacks one chunk. */
  "ours, resume": (file) =>
    Effect.gen(function*() {
      const source = yield* UploadSource.fromFile(file)
      const handle = yield* source.open
      const state: UploadState.UploadState = {
        version: 1,
        id: Redacted.make("1"),
        location: Redacted.make(`${origin}/upload/session?id=1`),
        name: source.name,
        fingerprint: yield* UploadSource.fingerprint(source, handle),
        acknowledged: 0,
        created: yield* DateTime.now,
        options: {}
      }
      yield* Upload.video(Upload.resume(state, source, { chunkSize }))
    }).pipe(Effect.scoped, Effect.provide(panda("undici")), Effect.runPromise)
}

/** Bytes of memory: what the process had at most since it last began anew. */
const peak = {
  begin: () => writeFileSync("/proc/self/clear_refs", "5"),
  read: () => Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))![1]) * 1024
}

const requests = async () => Number(await (await fetch(`${origin}/requests`)).text())

const run = contestants[name]!
const start = process.memoryUsage.rss()
await run(warmUp)
peak.begin()
const before = await requests()
const cpu = process.cpuUsage()
const began = performance.now()
await run(file)
const seconds = (performance.now() - began) / 1000
const { system, user } = process.cpuUsage(cpu)
console.log(JSON.stringify({
  seconds,
  cpu: (system + user) / 1e6,
  // That asks is one itself.
  requests: await requests() - before - 1,
  memory: (peak.read() - start) / (1024 * 1024)
}))
process.exit(0)
