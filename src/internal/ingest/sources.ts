/** What makes an upload's source of the text in a payload. */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { PandaSourceError } from "../../PandaError.js"
import { excerpt } from "../text/excerpt.js"
import * as UploadSource from "../../UploadSource.js"

export interface ResolveOptions {
  /** The file name that Panda is to be told; the source's own if there is none. */
  readonly name?: string | undefined
}

export type Resolve = (
  source: string,
  options: ResolveOptions
) => Effect.Effect<UploadSource.UploadSource, PandaSourceError>

const refuse = (source: string, description: string) =>
  new PandaSourceError({
    operation: "Ingest.Sources",
    reason: "Unreadable",
    file: excerpt(source),
    description
  })

/** Whether a real path is that of the folder or below it. */
const isWithin = (root: string, path: string): boolean =>
  path === root || path.startsWith(/[/\\]$/.test(root) ? root : `${root}/`) || path.startsWith(`${root}\\`)

const isAbsolute = (path: string): boolean => /^([/\\]|[A-Za-z]:)/.test(path)

/** Whether it leads out of the folder that it begins in, whatever is there. */
const climbs = (path: string): boolean => {
  let depth = 0
  for (const part of path.split(/[/\\]/)) {
    if (part === "..") depth--
    else if (part !== "" && part !== ".") depth++
    if (depth < 0) return true
  }
  return false
}

const fileSystem = (root: string): Effect.Effect<Resolve, never, FileSystem.FileSystem> =>
  Effect.map(FileSystem.FileSystem, (fs): Resolve => (source, options) =>
    Effect.gen(function*() {
      const failed = (error: PlatformError) =>
        refuse(source, error._tag === "SystemError" ? error.reason : "it is not a path")
      if (source.includes("\0")) return yield* refuse(source, "it is not a path")
      const outside = refuse(source, "it is outside the folder of the sources")
      if (!isAbsolute(source) && climbs(source)) return yield* outside
      const real = yield* Effect.mapError(fs.realPath(root), failed)
      const path = yield* Effect.mapError(fs.realPath(isAbsolute(source) ? source : `${root}/${source}`), (error) =>
        // Who asks is not told what there is elsewhere.
        isAbsolute(source) && !isWithin(root, source) ? outside : failed(error))
      if (!isWithin(real, path)) return yield* outside
      const { type } = yield* Effect.mapError(fs.stat(path), failed)
      // Anything else may never end, or never begin.
      if (type !== "File") return yield* refuse(source, "it is not a file")
      const name = options.name ?? source.split(/[/\\]/).filter((part) => part !== "").at(-1)!
      return yield* Effect.provideService(UploadSource.fromFile(path, { name }), FileSystem.FileSystem, fs)
    }))

/**
 * Makes sources of the text in payloads, in every process that runs ingestions.
 *
 * @since 0.2.0
 * @category tags
 */
export class Sources extends Context.Tag("effect-panda/Ingest/Sources")<Sources, Sources.Service>() {
  /**
   * Whatever the function makes of them.
   *
   * @since 0.2.0
   */
  static readonly layer = (resolve: Resolve): Layer.Layer<Sources> => Layer.succeed(Sources, { resolve })

  /**
   * Files of a folder, by their paths in it. What lies outside is refused, by whatever path or link it is reached; so
   * is what is not a file.
   *
   * @since 0.2.0
   */
  static readonly layerFileSystem = (root: string): Layer.Layer<Sources, never, FileSystem.FileSystem> =>
    Layer.effect(Sources, Effect.map(fileSystem(root), (resolve) => ({ resolve })))

  /**
   * Adds a kind of sources to others: those that begin with the prefix, such as `s3://`.
   *
   * @since 0.2.0
   */
  static readonly add =
    (prefix: string, resolve: Resolve) => <E, R>(others: Layer.Layer<Sources, E, R>): Layer.Layer<Sources, E, R> =>
      Layer.map(others, (context) => {
        const service = Context.get(context, Sources)
        return Context.make(Sources, {
          resolve: (source, options) => (source.startsWith(prefix) ? resolve : service.resolve)(source, options)
        })
      })
}

/**
 * Holds the type of the service.
 *
 * @since 0.2.0
 * @category models
 */
export declare namespace Sources {
  /**
   * What makes sources.
   *
   * @since 0.2.0
   * @category models
   */
  export interface Service {
    readonly resolve: Resolve
  }
}
