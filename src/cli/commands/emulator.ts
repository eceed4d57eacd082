/** `emulator`: a Panda on this machine, for as long as the command runs. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpServer from "@effect/platform/HttpServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as PandaEmulator from "../../PandaEmulator.js"
import { flag, integer, leaf, listenPort, text } from "../command.js"
import * as http from "../http.js"
import * as local from "../local.js"
import { Output } from "../output.js"
import * as own from "../own.js"

export const emulator = leaf({
  name: "emulator",
  summary: "Run a Panda on this machine",
  details: [
    "It takes what Panda takes and checks what Panda checks. What it prints, other programs need in their environment.",
    "With --encode it really encodes, by the ffmpeg of this machine, and what it made can be watched at the urls that it gives. With --data it keeps everything in a folder, and goes on there when it is started again, even after a crash; without, it forgets everything when it ends."
  ],
  examples: [
    { line: "emulator --port 8080", does: "on a port of your choice" },
    { line: "emulator --data panda --encode", does: "a Panda of your own" },
    { line: "emulator --videos 250", does: "with something to list" }
  ],
  connects: false,
  options: {
    port: listenPort,
    data: text("data", "FOLDER", "Where to keep everything; one process at a time"),
    encode: flag("encode", "Really encode, with ffmpeg"),
    open: flag("open", "Open the page that shows what goes on"),
    privateSources: flag("private-sources", "Fetch a source_url from this machine and its network, too"),
    videos: integer("videos", "COUNT", "How many finished videos there are to begin with, without files", 0),
    encodingTime: integer(
      "encoding-time",
      "SECONDS",
      "How long an encoding takes that is not really made; 10 by default",
      0
    )
  },
  args: {},
  run: ({ data, encode, encodingTime = 10, open, port = 0, privateSources, videos }) => {
    const options: PandaEmulator.FolderOptions = {
      videos,
      hash: local.hash,
      encodingTime: `${encodingTime} seconds`,
      privateSources
    }
    const panda = data === undefined && !encode
      ? PandaEmulator.layerServer(options)
      : own.layer(data, options, encode ? own.encoder : undefined)
    return Effect.gen(function*() {
      const output = yield* Output
      const panda = yield* PandaEmulator.PandaEmulator
      const address = local.portOf(yield* HttpServer.HttpServer)
      const variables = {
        PANDA_ACCESS_KEY: panda.accessKey,
        // Known to everyone: it opens nothing but this.
        PANDA_SECRET_KEY: Redacted.value(panda.secretKey),
        PANDA_CLOUD_ID: panda.cloudId,
        PANDA_HOST: "127.0.0.1",
        PANDA_PORT: String(address)
      }
      yield* panda.deliver(yield* HttpClient.HttpClient)
      yield* output.emit({ type: "item", item: variables })
      yield* output.print(Object.entries(variables).map(([name, value]) => `export ${name}=${value}`).join("\n"))
      const page = `http://127.0.0.1:${address}/`
      yield* output.note(`What goes on is shown at ${page}, on this machine only`)
      yield* output.note(`A Panda listens at ${page}v2 until it is interrupted`)
      if (open) yield* own.browse(page)
      return yield* Effect.never
    }).pipe(
      Effect.scoped,
      Effect.provide(panda.pipe(Layer.provideMerge(local.server(port)), Layer.provideMerge(http.layer)))
    )
  }
})
