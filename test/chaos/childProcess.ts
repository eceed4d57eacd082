/** Bundles `child.ts`, so that its process starts in a moment. */
import { Effect } from "effect"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Esbuild from "../esbuild.js"
import type { Task } from "./child.js"

/** Into this folder; gives the arguments that Node needs to run it. */
export const bundle = (folder: string): Effect.Effect<(task: Task) => ReadonlyArray<string>> =>
  Effect.promise(async () => {
    await Esbuild.bundle([fileURLToPath(new URL("./child.ts", import.meta.url))], folder)
    return (task) => [join(folder, "child.mjs"), JSON.stringify(task)]
  })
