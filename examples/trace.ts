/**
 * The trace of an upload, as a tree: each request with how long it took and what came of it.
 *
 *     npx tsx examples/trace.ts [FILE]
 *
 * With PANDA_ACCESS_KEY and so on in the environment it uploads to Panda, without them to an emulator that it starts.
 */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Config, Console, Effect, Layer, Option } from "effect"
import { PandaClient, Upload, UploadSource } from "effect-panda"
import { fileURLToPath } from "node:url"
import * as Emulator from "./emulator.js"

/** Keeps the spans, to print them at the end; in production, one that sends them to where you look at traces. */
const exporter = new InMemorySpanExporter()

const Tracing = NodeSdk.layer(() => ({
  resource: { serviceName: "trace" },
  spanProcessor: new SimpleSpanProcessor(exporter)
}))

const millis = ([seconds, nanos]: ReadableSpan["startTime"]) => seconds * 1e3 + nanos / 1e6

const line = ({ attributes, duration, name, status }: ReadableSpan) => {
  const facts = Object.entries(attributes).map(([key, value]) => `${key}=${value}`)
  const failure = status.message === undefined ? [] : [status.message]
  return [`${name}, ${millis(duration).toFixed(0)} ms`, ...facts, ...failure].join("  ")
}

/** The spans of a parent, oldest first, and under each its own. */
const tree = (spans: ReadonlyArray<ReadableSpan>, parent: string | undefined, indent = ""): ReadonlyArray<string> => {
  const children = spans.filter(({ parentSpanContext }) => parentSpanContext?.spanId === parent)
    .sort((a, b) => millis(a.startTime) - millis(b.startTime))
  return children.flatMap((span, at) => {
    const last = at === children.length - 1
    const [branch, below] = parent === undefined ? ["", ""] : last ? ["└─ ", "   "] : ["├─ ", "│  "]
    return [`${indent}${branch}${line(span)}`, ...tree(spans, span.spanContext().spanId, indent + below)]
  })
}

const printTrace = Effect.suspend(() => Console.log(tree(exporter.getFinishedSpans(), undefined).join("\n")))

const upload = Effect.gen(function*() {
  const file = process.argv[2] ?? fileURLToPath(new URL("../test/fixtures/panda.mp4", import.meta.url))
  const source = yield* UploadSource.fromFile(file)
  yield* Upload.video(Upload.start(source, { chunkSize: 16 * 1024, profiles: ["h264"] }))
}).pipe(Effect.ensuring(printTrace), Effect.provide(Tracing))

const emulated = Layer.unwrapScoped(Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped()
  return PandaClient.layer.pipe(
    Layer.provide(Emulator.layer({ spool: `${folder}/received`, unfinished: Option.none() }))
  )
}))

const configured = Config.nonEmptyString("PANDASTREAM_URL").pipe(
  Config.orElse(() => Config.nonEmptyString("PANDA_TOKEN")),
  Config.orElse(() => Config.nonEmptyString("PANDA_ACCESS_KEY")),
  Config.option
)

const program = Effect.gen(function*() {
  const keys = yield* configured
  return yield* Option.isSome(keys)
    ? Effect.provide(upload, PandaClient.layerConfig())
    : Effect.provide(upload, emulated)
})

program.pipe(Effect.provide([NodeHttpClient.layerUndici, NodeContext.layer]), NodeRuntime.runMain)
