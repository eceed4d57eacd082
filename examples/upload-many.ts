/** Uploads the files that it is given, three at a time. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Stream } from "effect"
import { PandaClient, Upload, UploadSource } from "effect-panda"

// #region readme
const uploadAll = (paths: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const sources = yield* Effect.forEach(paths, (path) => UploadSource.fromFile(path))
    yield* Upload.many(sources, { profiles: ["h264"], concurrency: 3 }).pipe(
      Stream.runForEach((told) =>
        told._tag === "Failed"
          ? Console.log(`${told.source.name}: ${told.error.message}`)
          : told._tag === "Event" && told.event._tag === "Uploaded"
          ? Console.log(
            `${told.source.name} is video ${told.event.video.id}, ${told.totals.uploaded} of ${paths.length}`
          )
          : Effect.void
      )
    )
  })
// #endregion

const Panda = PandaClient.layerConfig().pipe(Layer.provide(NodeHttpClient.layerUndici))

uploadAll(process.argv.slice(2)).pipe(Effect.provide([Panda, NodeContext.layer]), NodeRuntime.runMain)
