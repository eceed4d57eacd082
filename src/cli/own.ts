/** A Panda of one's own on this machine: its folder, which one process has at a time, and what encodes in it. */
import * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpServer from "@effect/platform/HttpServer"
import type { PlatformError } from "@effect/platform/Error"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { availableParallelism } from "node:os"
import * as Encoder from "../Encoder.js"
import * as PandaEmulator from "../PandaEmulator.js"
import { type ConfigurationError, UsageError } from "./exit.js"
import * as http from "./http.js"
import * as sources from "./sources.js"

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as { readonly code?: string }).code === "EPERM"
  }
}

/** Until the scope closes it is ours. Who was killed has left its number behind, which then is nobody's. */
const taken = (folder: string): Effect.Effect<void, UsageError | PlatformError, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const lock = `${folder}/lock`
    yield* fs.makeDirectory(folder, { recursive: true, mode: 0o700 })
    const pid = Number(yield* Effect.orElseSucceed(fs.readFileString(lock), () => ""))
    if (pid > 0 && pid !== process.pid && isRunning(pid)) {
      return yield* new UsageError({
        message: `${folder} is used by process ${pid}: end it, or take another folder (or remove ${lock})`
      })
    }
    yield* Effect.acquireRelease(
      fs.writeFileString(lock, String(process.pid)),
      () => Effect.ignore(fs.remove(lock, { force: true }))
    )
  })

/** An encoder for as many encodings at once as there are cores. */
export const encoder: Layer.Layer<Encoder.Encoder, Encoder.EncoderUnavailable> = Layer.suspend(() =>
  Layer.provide(Encoder.layerFfmpeg({ concurrency: availableParallelism() }), NodeContext.layer)
)

/** Why nothing can be encoded here, if so. */
export const withoutEncoder: Effect.Effect<string | undefined> = Effect.scoped(Layer.build(encoder)).pipe(
  Effect.match({ onFailure: ({ message }) => message, onSuccess: () => undefined })
)

/** In the browser of whoever sits here. Where there is none, the address that was printed has to do. */
export const browse = (url: string): Effect.Effect<void> =>
  Effect.sync(() => {
    const [program, ...args] = process.platform === "darwin"
      ? ["open"]
      : process.platform === "win32"
      ? ["cmd", "/c", "start", ""]
      : ["xdg-open"]
    spawn(program!, [...args, url], { stdio: "ignore", detached: true }).on("error", () => {}).unref()
  })

/** The emulator with a folder; without the name of one it has one that is gone when it ends. */
export const layer = <E>(
  folder: string | undefined,
  options: PandaEmulator.FolderOptions,
  encoder: Layer.Layer<Encoder.Encoder, E> | undefined
): Layer.Layer<
  PandaEmulator.PandaEmulator,
  E | ConfigurationError | UsageError | PlatformError | PandaEmulator.EmulatorFolderError,
  HttpServer.HttpServer
> =>
  Layer.unwrapScoped(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const at = folder ?? (yield* fs.makeTempDirectoryScoped({ prefix: "effect-panda-" }))
    yield* taken(at)
    const emulator = PandaEmulator.layerFolder(at, options)
    return (encoder === undefined ? emulator : Layer.provide(emulator, encoder)).pipe(
      Layer.provide(options.privateSources === true ? http.layer : sources.layer),
      Layer.provide(NodeContext.layer)
    )
  })).pipe(Layer.provide(NodeContext.layer))
