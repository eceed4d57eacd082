/** Tests with ffmpeg, which are not run where there is none. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import { it } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import * as Encoder from "effect-panda/Encoder"
import { execFile, execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { installed, sample } from "./media.js"

export { installed, sample }

interface Probed {
  readonly streams: ReadonlyArray<Readonly<Record<string, string | number>>>
  readonly format: Readonly<Record<string, string>>
}

const probing = ["-v", "error", "-of", "json", "-show_format", "-show_streams"]

/** What ffprobe itself says of a file. */
export const probe = (path: string) =>
  JSON.parse(execFileSync("ffprobe", [...probing, path], { encoding: "utf8" })) as Probed

/** The same of what is behind an url, which may be one of this process. */
export const probeUrl = (url: string) =>
  Effect.promise(() => promisify(execFile)("ffprobe", [...probing, url])).pipe(
    Effect.map(({ stdout }) => JSON.parse(stdout) as Probed)
  )

/** Makes a file out of nothing, by words for ffmpeg. */
export const synthesize = (path: string, words: string): string => {
  execFileSync("ffmpeg", ["-v", "error", "-y", ...words.split(" "), path])
  return path
}

/** A folder that is gone after the test. */
export const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-panda-encoder-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

const made = Effect.runSync(Effect.cached(Effect.provide(Encoder.makeFfmpeg(), NodeContext.layer)))

/** One for all tests, which looks once whether ffmpeg and ffprobe are there. */
export const encoder = Layer.effect(Encoder.Encoder, made)

const layer = Layer.merge(encoder, NodeContext.layer)

type Env = Layer.Layer.Success<typeof layer>

/** Programs run on the live clock. */
export const test = (name: string, body: Effect.Effect<void, unknown, Env | Scope.Scope>) =>
  it.scopedLive.skipIf(!installed)(name, () => Effect.provide(body, layer))
