import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TestProject } from "vitest/node"
import { run } from "./run.js"

declare module "vitest" {
  interface ProvidedContext {
    /** The file that would be published. */
    readonly tarball: string
  }
}

/** Packs what `npm run build` made, once for all tests. */
export default async function({ provide }: TestProject): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), "effect-panda-"))
  await run(".", "npm", "pack", "--silent", "--pack-destination", folder)
  provide("tarball", join(folder, readdirSync(folder)[0]!))
  return () => rmSync(folder, { recursive: true, force: true })
}
