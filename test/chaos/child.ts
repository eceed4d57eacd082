/**
 * An upload in a process of its own, which can be killed or interrupted and whose memory can be measured. Tells in lines
 * what happens.
 * It imports little, to be quick at work.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Credentials from "effect-panda/Credentials"
import * as PandaClient from "effect-panda/PandaClient"
import * as Upload from "effect-panda/Upload"
import * as UploadSource from "effect-panda/UploadSource"
import * as UploadStore from "effect-panda/UploadStore"
import * as Videos from "effect-panda/Videos"

export interface Task {
  readonly port: number
  readonly file: string
  readonly chunkSize: number
  readonly http: "undici" | "node" | "fetch"
  readonly body: "bytes" | "stream"
  /** Uploaded before, so that the memory that code needs is not counted. */
  readonly warmUp?: string
  readonly store?: { readonly directory: string; readonly leaseMillis: number }
  /** Whether SIGUSR2 interrupts it, and two lists of videos beside it. Nothing ends the process then. */
  readonly interruptible?: boolean
}

const task = JSON.parse(process.argv[2]!) as Task

const tell = (line: string) => Effect.sync(() => process.stdout.write(`${line}\n`))

const http = Layer.unwrapEffect(Effect.promise(async () => {
  if (task.http === "fetch") return FetchHttpClient.layer
  const { layer, layerUndici } = await import("@effect/platform-node/NodeHttpClient")
  return task.http === "undici" ? layerUndici : layer
}))

const client = PandaClient.layer.pipe(
  Layer.provide(
    Credentials.layer({
      accessKey: "emulated-access-key",
      secretKey: Redacted.make("emulated-secret-key"),
      cloudId: "emulated-cloud-id",
      host: "127.0.0.1",
      port: task.port
    })
  ),
  Layer.provide(http)
)

/** Bytes of memory: what the process had at most, until now. */
const peak = Effect.sync(() => process.resourceUsage().maxRSS * 1024)

const options: Upload.Options = { chunkSize: task.chunkSize, body: task.body }

const upload = Effect.gen(function*() {
  const source = yield* UploadSource.fromFile(task.file)
  if (task.store !== undefined) {
    const { directory, leaseMillis } = task.store
    const events = Upload.startOrResume(source, options).pipe(
      Stream.tap(({ _tag }) => tell(_tag)),
      Stream.runDrain
    )
    return yield* Effect.provide(
      events,
      UploadStore.layerFileSystem(directory, { lease: Duration.millis(leaseMillis) })
    )
  }
  if (task.warmUp !== undefined) {
    yield* Upload.video(Upload.start(yield* UploadSource.fromFile(task.warmUp), options))
  }
  const before = yield* peak
  yield* Upload.video(Upload.start(source, options))
  yield* tell(`grown ${(yield* peak) - before}`)
})

const services = Layer.merge(client, NodeFileSystem.layer)

if (task.interruptible === true) {
  const all = Effect.all([upload, Videos.list(), Videos.list()], { concurrency: "unbounded", discard: true })
  const fiber = Effect.runFork(Effect.provide(all, services))
  process.once("SIGUSR2", () => Effect.runFork(Effect.zipRight(Fiber.interrupt(fiber), tell("interrupted"))))
} else {
  await Effect.runPromise(Effect.provide(upload, services))
}
