/** A backend opens an upload, and a page sends the file straight to Panda, without credentials. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Redacted } from "effect"
import { PandaClient, UploadSession } from "effect-panda"
import { openAsBlob } from "node:fs"
import { basename } from "node:path"

// #region readme
/** In the backend, which has the credentials. */
const open = (file_name: string, file_size: number) =>
  UploadSession.create({ file_name, file_size, profiles: ["h264"] }).pipe(
    Effect.map(({ location }) => Redacted.value(location))
  )

/** In the page, which has the location and nothing else. */
const send = async (location: string, file: Blob) => {
  const response = await fetch(location, {
    method: "PUT",
    headers: { "content-type": "application/octet-stream" },
    body: file
  })
  if (response.status !== 200) throw new Error(`The upload server answered ${response.status}`)
  return await response.json() as { readonly id: string }
}
// #endregion

const program = Effect.gen(function*() {
  const path = process.argv[2] ?? "movie.mp4"
  const file = yield* Effect.promise(() => openAsBlob(path))
  const location = yield* open(basename(path), file.size)
  const video = yield* Effect.promise(() => send(location, file))
  yield* Console.log(`Video ${video.id}`)
})

const Panda = PandaClient.layerConfig().pipe(Layer.provide(NodeHttpClient.layerUndici))

program.pipe(Effect.provide(Panda), NodeRuntime.runMain)
