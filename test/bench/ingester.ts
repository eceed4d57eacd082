/** A process of the ingestion benchmark, deployed as the example is. It does what it is told, and tells what that took. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer, Logger, LogLevel, Redacted, Stream } from "effect"
import { Credentials, PandaClient, UploadSource } from "effect-panda"
import * as Ingest from "effect-panda/Ingest"
import { createRequire } from "node:module"
import * as Engine from "../../examples/ingest/engine.js"

export interface Task {
  /** The emulator's. */
  readonly port: number
  readonly filename: string
  /** Whether files are there to be had; where not, the first are waited for, and the others wait for their turn. */
  readonly files: boolean
}

export type Order = { readonly submit: number; readonly to: number } | "done" | "tell"

export interface Told {
  readonly statements: number
  /** Resident, MiB, after a collection. */
  readonly memory: number
  readonly done: number
}

const { filename, files, port } = JSON.parse(process.argv[2]!) as Task

let statements = 0
/** Whatever asks the database goes through one of these. */
const count = (prototype: Record<string, unknown>, methods: ReadonlyArray<string>) => {
  for (const method of methods) {
    const original = prototype[method] as (...args: Array<unknown>) => unknown
    prototype[method] = function(...args: Array<unknown>) {
      statements++
      return original.apply(this, args)
    }
  }
}
const of = (driver: string) => createRequire(createRequire(import.meta.url).resolve(driver))
if (process.env["DATABASE_URL"] === undefined) {
  const Database = of("@effect/sql-sqlite-node")("better-sqlite3")
  count(Object.getPrototypeOf(new Database(":memory:").prepare("SELECT 1")), ["all", "run", "get"])
} else {
  count(of("@effect/sql-pg")("pg").Client.prototype, ["query"])
}

const Panda = PandaClient.layer.pipe(
  Layer.provide(Credentials.layer({
    accessKey: "emulated-access-key",
    secretKey: Redacted.make("emulated-secret-key"),
    cloudId: "emulated-cloud-id",
    host: "127.0.0.1",
    port
  })),
  Layer.provide(NodeHttpClient.layerUndici)
)

const Sources = Ingest.Sources.layer((name) =>
  files ? Effect.succeed(UploadSource.fromBytes(new Uint8Array(1000), { name })) : Effect.never
)

const Ingestions = Ingest.layer({ uploads: 8, deliver: () => Effect.void }).pipe(
  Layer.provideMerge(Layer.mergeAll(Engine.layer(filename), Sources)),
  Layer.provideMerge(Layer.merge(Panda, NodeContext.layer))
)

const done = Stream.runCount(Ingest.all({ status: "Done", limit: 1000 }))

const obey = (order: Order): Effect.Effect<Told, unknown, Layer.Layer.Success<typeof Ingestions>> =>
  Effect.gen(function*() {
    if (typeof order === "object") {
      yield* Effect.forEach(
        Array.from({ length: order.to - order.submit }, (_, i) => `${order.submit + i}.mp4`),
        (source) => Ingest.submit({ source, profiles: ["h264"] }),
        { concurrency: 8, discard: true }
      )
    }
    globalThis.gc?.()
    const told = { statements, memory: process.memoryUsage().rss / 1024 / 1024 }
    return { ...told, done: order === "done" ? yield* done : 0 }
  })

Effect.gen(function*() {
  const orders = Stream.async<Order>((emit) => {
    process.on("message", (order) => void emit.single(order as Order))
  })
  yield* Effect.sleep("1 second")
  yield* Effect.sync(() => process.send!("ready"))
  yield* Stream.runForEach(orders, (order) => Effect.map(obey(order), (told) => process.send!(told)))
}).pipe(
  Effect.provide(Ingestions),
  Logger.withMinimumLogLevel(LogLevel.Warning),
  NodeRuntime.runMain
)
