/** Makes one file of `child.ts` and all that it imports, so that its process starts in a moment. */
import { Effect } from "effect"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "../esbuild.js"
import type { Task } from "./child.js"

/** Into this folder; gives the arguments that Node needs to run it. */
export const bundle = (folder: string): Effect.Effect<(task: Task) => ReadonlyArray<string>> =>
  Effect.promise(async () => {
    const outfile = join(folder, "child.mjs")
    await build({
      entryPoints: [fileURLToPath(new URL("./child.ts", import.meta.url))],
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      tsconfig: "tsconfig.json",
      external: ["@parcel/watcher"],
      banner: { js: `import { createRequire } from "node:module"\nconst require = createRequire(import.meta.url)` }
    })
    return (task) => [outfile, JSON.stringify(task)]
  })
