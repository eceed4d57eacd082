/** `emulator`: a Panda on this machine, for as long as the command runs. */
import * as Options from "@effect/cli/Options"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpServer from "@effect/platform/HttpServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as PandaEmulator from "../../PandaEmulator.js"
import { integer, leaf } from "../command.js"
import * as http from "../http.js"
import * as local from "../local.js"
import { Output } from "../output.js"

export const emulator = leaf({
  name: "emulator",
  summary: "Run a Panda on this machine",
  details: [
    "It takes what Panda takes, checks what Panda checks, and forgets everything when it ends. What it prints, other programs need in their environment."
  ],
  examples: [
    { line: "emulator --port 8080", does: "on a port of your choice" },
    { line: "emulator --videos 250", does: "with something to list" }
  ],
  connects: false,
  options: {
    port: integer("port", "PORT", "The port to listen on; any free one by default"),
    videos: integer("videos", "COUNT", "How many finished videos there are to begin with"),
    encodingTime: Options.integer("encoding-time").pipe(
      Options.withPseudoName("SECONDS"),
      Options.withDescription("How long an encoding takes; 10 by default"),
      Options.withDefault(10)
    )
  },
  args: {},
  run: ({ encodingTime, port = 0, videos }) =>
    Effect.gen(function*() {
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
      yield* output.note(`A Panda listens at http://127.0.0.1:${address}/v2 until it is interrupted`)
      return yield* Effect.never
    }).pipe(
      Effect.scoped,
      Effect.provide(
        PandaEmulator.layerServer({ videos, hash: local.hash, encodingTime: `${encodingTime} seconds` }).pipe(
          Layer.provideMerge(local.server(port)),
          Layer.provideMerge(http.layer)
        )
      )
    )
})
