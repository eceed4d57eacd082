/** What a program does about errors: one by its tag, all of Panda's others by what they have in common. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer } from "effect"
import { PandaClient, PandaError, Videos } from "effect-panda"

// #region readme
const name = (id: string) =>
  Videos.find(id).pipe(
    Effect.map((video) => video.original_filename ?? "without a name"),
    Effect.catchTag("PandaNotFound", () => Effect.succeed("gone"))
  )

/** Where anything may fail: `isUploadError` knows those of uploads too. */
const explain = (error: unknown) =>
  PandaError.isPandaError(error) ? `${error.message}${error.isRetryable ? ", later" : ""}` : "not Panda's doing"
// #endregion

const program = name(process.argv[2] ?? "").pipe(
  Effect.catchAll((error) => Effect.succeed(explain(error))),
  Effect.flatMap((line) => Console.log(line))
)

const Panda = PandaClient.layerConfig().pipe(Layer.provide(NodeHttpClient.layerUndici))

program.pipe(Effect.provide(Panda), NodeRuntime.runMain)
