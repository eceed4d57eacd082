import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Effect, Layer, Redacted, Stream } from "effect"
import { Credentials, PandaClient, Upload, UploadSource } from "effect-panda"
const [, , port, file] = process.argv
const t0 = performance.now()
Effect.gen(function*() {
  const source = yield* UploadSource.fromFile(file!)
  yield* Stream.runForEach(
    Upload.start(source, { onState: (s) => Effect.sync(() => console.log("state", s.acknowledged)) }),
    (e) =>
      Effect.sync(() =>
        console.log(
          ((performance.now() - t0) / 1000).toFixed(2),
          e._tag === "Progress"
            ? `${(e.acknowledged / 1e6).toFixed(1)} ${(e.sent / 1e6).toFixed(1)} ${
              ((e.bytesPerSecond ?? 0) / 1e6).toFixed(1)
            }`
            : Upload.describe(e)
        )
      )
  )
}).pipe(
  Effect.provide(
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
      Layer.provide(NodeHttpClient.layerUndici),
      Layer.merge(NodeFileSystem.layer)
    )
  ),
  Effect.runPromise
).catch(console.error)
