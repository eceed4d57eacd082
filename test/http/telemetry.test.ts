/** The spans, metrics and log lines that the README names, held against those that there are. */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpServer from "@effect/platform/HttpServer"
import { assert, describe, it } from "@effect/vitest"
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Effect, Logger, LogLevel, Metric, MetricKeyType, MetricState, Schedule } from "effect"
import { PandaClient, Upload, UploadStore, Videos, Webhook } from "effect-panda"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import { operations } from "../client/operations.js"
import { inject, inTime, panda } from "../client/panda.js"
import { CHUNK, keeper, options, sourceOf } from "../client/upload.js"

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8")
const section = /^## Observe\n(.*?)^## /ms.exec(readme)![1]!

/** The rows of the table that has this heading first, cell by cell; without those of ingestion, which has tests itself. */
const table = (heading: string): ReadonlyArray<ReadonlyArray<string>> =>
  section.split("\n\n").find((block) => block.startsWith(`| ${heading} |`))!
    .trim().split("\n").slice(2).filter((line) => !/^\| `(Panda\.Ingest\.|panda_ingest_)/.test(line)).map((line) =>
      line.split("|").slice(1, -1).map((cell) => cell.trim())
    )

const quoted = (cell: string): ReadonlyArray<string> => Array.from(cell.matchAll(/`([^`]+)`/g), ([, name]) => name!)

interface Row {
  readonly names: ReadonlyArray<string>
  readonly within: string
  readonly attributes: ReadonlyArray<string>
}

const rows = table("span").map(([names, within, attributes]): Row => ({
  names: quoted(names!),
  within: within!,
  attributes: [...quoted(attributes!)].sort()
}))

const rowOf = (name: string): Row =>
  rows.find(({ names }) => names.includes(name)) ?? assert.fail(`the README has no span ${name}`)

/** What the first row stands for. */
const isOperation = (name: string) =>
  /^Panda\.(?!Upload\.)[A-Z]\w+\.\w+$/.test(name) && !rows.slice(1).some(({ names }) => names.includes(name))

/** Where a span is, in the words of the README. */
const places: Record<string, (parent: string | undefined) => boolean> = {
  "the span of the caller": (parent) => parent === "caller",
  "the operation": (parent) => parent !== undefined && isOperation(parent),
  "the upload": (parent) => /^Panda\.Upload\.(start|resume|startOrResume)$/.test(parent ?? ""),
  "the abort": (parent) => parent === "Panda.Upload.abort",
  "the server's span": (parent) => parent?.startsWith("http.server") === true
}

/** The spans of an effect, which runs in one called `caller`. */
const spansOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const exporter = new InMemorySpanExporter()
    const sdk = NodeSdk.layer(() => ({
      resource: { serviceName: "telemetry" },
      spanProcessor: new SimpleSpanProcessor(exporter)
    }))
    return effect.pipe(
      Effect.withSpan("caller"),
      Effect.map((value) => {
        const spans = exporter.getFinishedSpans()
        const names = new Map(spans.map((span) => [span.spanContext().spanId, span.name]))
        const parentOf = ({ parentSpanContext }: ReadableSpan) => names.get(parentSpanContext?.spanId ?? "")
        return { value, spans: spans.map((span) => ({ name: span.name, span, parent: parentOf(span) })) }
      }),
      Effect.provide(sdk)
    )
  })

type Spans = Effect.Effect.Success<ReturnType<typeof spansOf>>["spans"]

const isRoot = ({ parent }: Spans[number]) => parent === "caller"

const attributesOf = (spans: Spans) => [...new Set(spans.flatMap(({ span }) => Object.keys(span.attributes)))].sort()

const quick = { ...options, retry: Schedule.recurs(3) }

/** Uploads that meet what they can meet, and are aborted. */
const uploads = Effect.gen(function*() {
  const first = yield* keeper
  yield* inject(Fault.status(503), { route: "chunk", skip: 1 })
  yield* inject(Fault.status(503), { route: "probe" })
  yield* inject(Fault.status(422), { route: "chunk", skip: 2 })
  yield* Effect.exit(Upload.video(Upload.start(sourceOf(3500), { ...quick, onState: first.onState })))
  yield* Upload.video(Upload.resume(yield* first.get, sourceOf(3500), quick))
  yield* Upload.video(Upload.startOrResume(sourceOf(1500), quick)).pipe(Effect.provide(UploadStore.layerMemory))
  yield* Upload.video(Upload.start(sourceOf(1500), quick))
  const second = yield* keeper
  yield* inject(Fault.status(422), { route: "chunk" })
  yield* Effect.exit(Upload.video(Upload.start(sourceOf(1500), { ...quick, onState: second.onState })))
  yield* inject(Fault.status(503), { route: "abort" })
  yield* Upload.abort(yield* second.get, { retry: quick.retry })
})

/** A webhook, over a port: the platform's server makes the span that ours is in. */
const webhook = Effect.gen(function*() {
  const server = yield* HttpServer.HttpServer
  yield* HttpServer.serveEffect(Webhook.httpApp(() => Effect.void))
  const port = server.address._tag === "TcpAddress" ? server.address.port : 0
  yield* Effect.promise(() =>
    fetch(`http://127.0.0.1:${port}`, {
      method: "POST",
      body: new URLSearchParams({ event: "video-encoded", video_id: "1" })
    })
  )
}).pipe(Effect.scoped, Effect.provide(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })))

describe("spans", () => {
  it.effect("each operation has one, with a child for each attempt", () =>
    Effect.gen(function*() {
      const [operation, attempt] = [rows[0]!, rowOf("Panda.attempt")]
      // To wait is to look again, also for what is not there yet.
      for (const { name, run } of operations.filter(({ called }) => called !== "Encodings.watch")) {
        yield* inject(Fault.status(503), { times: 2 })
        yield* inject(Fault.status(404))
        const { spans } = yield* spansOf(inTime(Effect.exit(run)))
        const [own, attempts] = [spans.filter(isRoot), spans.filter((span) => span.name === "Panda.attempt")]
        assert.deepStrictEqual(own.map((span) => span.name), [`Panda.${name}`])
        assert.deepStrictEqual(attributesOf(own), operation.attributes, name)
        assert.deepStrictEqual(attributesOf(attempts), attempt.attributes, name)
        assert.isTrue(attempts.every(({ parent }) => parent === `Panda.${name}`))
        const method = own[0]!.span.attributes["http.request.method"]
        // What must not be sent twice is sent once.
        assert.lengthOf(attempts, method === "POST" ? 1 : 3)
        assert.lengthOf(spans, 1 + attempts.length + 1, "and no other, but for the caller's")
        yield* Effect.flatMap(panda, ({ reset }) => reset)
      }
    }).pipe(Effect.provide(PandaEmulator.layerTest())))

  it.live("are those of the README, where it says, with the attributes that it has", () =>
    Effect.gen(function*() {
      const find = Effect.exit(Videos.find("none"))
      const { spans } = yield* spansOf(Effect.all([uploads, webhook, find], { discard: true }))
      const ours = spans.filter(({ name }) => name.startsWith("Panda."))
      const named = (name: string) => ours.filter((span) => span.name === name)
      for (const { attributes, names, within } of rows) {
        const place = places[within] ?? assert.fail(within)
        for (const name of names) {
          const all = named(name)
          assert.isAbove(all.length, 0, name)
          assert.deepStrictEqual(attributesOf(all), attributes, name)
          for (const { parent } of all) assert.isTrue(place(parent), `${name} in ${parent}`)
        }
      }
      const others = new Set(
        ours.map(({ name }) => name).filter((name) => !rows.some((row) => row.names.includes(name)))
      )
      assert.deepStrictEqual([...others].filter((name) => !isOperation(name)), [])
      assert.isTrue(named("Panda.UploadSession.create").every(({ parent }) => places["the upload"]!(parent)))
      const chunks = named("Panda.UploadSession.chunk").slice(0, 4).map(({ span: { attributes, kind } }) => [
        attributes["panda.offset"],
        attributes["panda.length"],
        attributes["http.response.status_code"],
        kind
      ])
      assert.deepStrictEqual(chunks, [[0, CHUNK, 204, 2], [CHUNK, CHUNK, 503, 2], [CHUNK, CHUNK, 204, 2], [
        2 * CHUNK,
        CHUNK,
        422,
        2
      ]])
      const [started] = named("Panda.Upload.start").filter(({ span }) => "panda.video.id" in span.attributes)
      assert.strictEqual(started!.span.attributes["panda.file"], "movie.mp4")
      assert.strictEqual(started!.span.attributes["panda.size"], 1500)
    }).pipe(Effect.provide(PandaEmulator.layerTest())))
})

/** What our metrics count, by name and tags. */
const counts = Effect.map(Metric.snapshot, (pairs) =>
  new Map(pairs.flatMap(({ metricKey, metricState }) => {
    if (!metricKey.name.startsWith("panda_")) return []
    const tags = metricKey.tags.map(({ key, value }) => `${key}=${value}`).sort()
    const counts = MetricState.isCounterState(metricState) || MetricState.isHistogramState(metricState)
    return [[[metricKey.name, ...tags].join(" "), counts ? Number(metricState.count) : 0] as const]
  })))

/** By how much they went up. */
const counted = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const before = yield* counts
    yield* effect
    const gained = Array.from(yield* counts, ([key, count]) => [key, count - (before.get(key) ?? 0)] as const)
    return Object.fromEntries(gained.filter(([, count]) => count !== 0))
  })

describe("metrics", () => {
  it.live("are those of the README, with the tags that it has", () =>
    Effect.gen(function*() {
      yield* uploads
      yield* inject(Fault.status(503))
      yield* Videos.list().pipe(
        PandaClient.withRetryBudget({ capacity: 0, perSecond: 0, perSuccess: 0 }),
        Effect.flip
      )
      const found = new Map<string, { type: string; readonly tags: Set<string> }>()
      for (const { metricKey: { keyType, name, tags } } of yield* Metric.snapshot) {
        // Other tests of this process may have ingested.
        if (!name.startsWith("panda_") || name.startsWith("panda_ingest_")) continue
        const type = MetricKeyType.isCounterKey(keyType)
          ? "counter"
          : MetricKeyType.isHistogramKey(keyType)
          ? "histogram"
          : "other"
        const known = found.get(name) ?? { type, tags: new Set() }
        for (const { key } of tags) known.tags.add(key)
        found.set(name, known)
      }
      const documented = table("metric").map((
        [name, type, tags]
      ) => [quoted(name!)[0]!, type!, [...quoted(tags!)].sort()])
      assert.deepStrictEqual(
        Array.from(found, ([name, { tags, type }]) => [name, type, [...tags].sort()]).sort(),
        documented.sort()
      )
    }).pipe(Effect.provide(PandaEmulator.layerTest())))

  it.effect("count an operation's attempts", () =>
    Effect.gen(function*() {
      yield* inject(Fault.status(503), { times: 2 })
      assert.deepStrictEqual(yield* counted(inTime(Videos.list())), {
        "panda_requests operation=Videos.list outcome=PandaServerError": 2,
        "panda_requests operation=Videos.list outcome=success": 1,
        "panda_retries operation=Videos.list": 2
      })
    }).pipe(Effect.provide(PandaEmulator.layerTest())))

  it.live("count what an upload sends, and what of it arrives", () =>
    Effect.gen(function*() {
      // Of the second chunk nothing leaves at first; of the last nothing is taken at first.
      yield* inject(Fault.resetDuring({ after: 0 }), { route: "chunk", skip: 1 })
      yield* inject(Fault.accept({ bytes: 0 }), { route: "chunk", skip: 2 })
      assert.deepStrictEqual(yield* counted(Upload.video(Upload.start(sourceOf(2500), quick))), {
        "panda_requests operation=UploadSession.create outcome=success": 1,
        "panda_requests operation=UploadSession.chunk outcome=success": 4,
        "panda_requests operation=UploadSession.chunk outcome=PandaTransportError": 1,
        "panda_requests operation=UploadSession.probe outcome=success": 1,
        "panda_retries operation=Upload.start": 2,
        "panda_upload_bytes_sent": 3000,
        "panda_upload_bytes_acknowledged": 2000,
        "panda_upload_duration time_unit=milliseconds": 1
      })
    }).pipe(Effect.provide(PandaEmulator.layerTest())))
})

describe("logs", () => {
  const logged = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ annotations, logLevel, message }) => {
        const notes = Array.from(annotations, ([key, value]) => `${key}=${value}`).sort().join(" ")
        lines.push(`${logLevel.label} [${notes}] ${[message].flat().join(" ")}`)
      })
      yield* effect.pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
        Logger.withMinimumLogLevel(LogLevel.All)
      )
      return lines
    })

  it.live("tell at debug what happens in an upload, with its file", () =>
    Effect.gen(function*() {
      yield* inject(Fault.status(503), { route: "create" })
      yield* inject(Fault.move(), { route: "chunk" })
      yield* inject(Fault.status(503), { route: "chunk", skip: 1 })
      const lines = yield* logged(Upload.video(Upload.start(sourceOf(2500), quick)))
      const [{ id } = { id: "" }] = yield* Effect.flatMap(panda, ({ videos }) => videos)
      const ours = "DEBUG [panda.file=movie.mp4 panda.operation=Upload.start] Panda.Upload.start:"
      assert.deepStrictEqual(lines, [
        "DEBUG [panda.file=movie.mp4 panda.operation=UploadSession.create] Panda.UploadSession.create: sending again " +
        "UploadSession.create: Panda answered 503. Try again in a while",
        `${ours} Uploading movie.mp4, 2.4 KiB`,
        `${ours} The server moved the session; following`,
        `${ours} Failure 1, asking the server in 0.0 s: UploadSession.chunk: Panda answered 503. Try again in a while`,
        `${ours} Uploaded as video ${id}`
      ])
    }).pipe(Effect.provide(PandaEmulator.layerTest())))

  it.live("tell of each time that an abort is sent again", () =>
    Effect.gen(function*() {
      const { get, onState } = yield* keeper
      yield* inject(Fault.status(422), { route: "chunk" })
      yield* Effect.exit(Upload.video(Upload.start(sourceOf(2500), { ...quick, onState })))
      yield* inject(Fault.status(503), { route: "abort" })
      assert.deepStrictEqual(yield* logged(Upload.abort(yield* get, { retry: quick.retry })), [
        "DEBUG [panda.file=movie.mp4 panda.operation=Upload.abort] Panda.Upload.abort: sending again " +
        "UploadSession.abort: Panda answered 503. Try again in a while"
      ])
    }).pipe(Effect.provide(PandaEmulator.layerTest())))
})
