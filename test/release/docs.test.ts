/** That `npm run docs` fails on what it is there to find: tried on a project of one module. */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { rmSync } from "node:fs"
import { copyFile, mkdir, mkdtemp, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { afterAll } from "vitest"
import manifest from "../../package.json" with { type: "json" }
import { run } from "./run.js"

const right = `/**
 * A room.
 *
 * @since 0.1.0
 */

/**
 * Twice the number.
 *
 * @example
 * import { twice } from "effect-panda/Room"
 *
 * const four: number = twice(2)
 *
 * @since 0.1.0
 * @category conversions
 */
export const twice = (n: number): number => n * 2
`

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "effect-panda-docs-"))
  const { homepage, name, scripts: { docs }, type } = manifest
  await mkdir(join(folder, "src"))
  await writeFile(join(folder, "package.json"), JSON.stringify({ name, homepage, type, scripts: { docs } }))
  await Promise.all(["docgen.json", "tsconfig.json"].map((file) => copyFile(file, join(folder, file))))
  await symlink(resolve("node_modules"), join(folder, "node_modules"))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const docs = async (module: string) => {
  await writeFile(join(folder, "src/Room.ts"), module)
  return run(folder, "npm", "run", "docs").then(() => "", (error: Error) => error.message)
}

describe("npm run docs", () => {
  it("passes where all is right", async () => {
    assert.strictEqual(await docs(right), "")
  })

  it.each([
    ["an example that does not compile", "four: number", "four: string", /'number' is not assignable to type 'string'/],
    ["an example of what is not exported", "{ twice }", "{ thrice }", /no exported member .*'thrice'/],
    [
      "an export without a sentence",
      " * Twice the number.\n *\n",
      "",
      /Missing description in .*Room.ts#twice/
    ],
    ["an export without @since", "@since 0.1.0\n * @category", "@category", /@since tag in .*Room.ts#twice/i],
    ["an export without @category", " * @category conversions\n", "", /# utils/]
  ])("fails on %s", async (_, from, to, complaint) => {
    const wrong = right.replace(from, to)
    assert.notStrictEqual(wrong, right)
    assert.match(await docs(wrong), complaint)
  })
})
