/** What is in the file that would be published. */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync, rmSync } from "node:fs"
import { mkdtemp } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import ts from "typescript"
import { afterAll, inject } from "vitest"
import manifest from "../../package.json" with { type: "json" }
import { run } from "./run.js"

let folder: string
let files: ReadonlyArray<string>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "effect-panda-contents-"))
  await run(folder, "tar", "-xzf", inject("tarball"), "--strip-components", "1")
  files = (await run(folder, "find", ".", "-type", "f")).trim().split("\n").map((file) => file.slice("./".length))
    .sort()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const read = (file: string) => readFileSync(join(folder, file), "utf8")
const of = (...endings: ReadonlyArray<string>) =>
  files.filter((file) => file.startsWith("dist/") && endings.some((ending) => file.endsWith(ending)))

describe("files", () => {
  it("are the sources, what is built of each, and what a reader looks for", () => {
    // The command is in one file, with all that it imports.
    const all = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) => !file.startsWith("cli/"))
    const sources = all.filter((file) => file.endsWith(".ts"))
    const guides = all.filter((file) => file.endsWith("README.md"))
    assert.isAbove(sources.length, 0)
    const built = sources.flatMap((file) =>
      [".d.ts", ".d.ts.map", ".js", ".js.map"].map((ending) => `dist/${file.slice(0, -".ts".length)}${ending}`)
    )
    const command = ["LICENSES.txt", "effect-panda.mjs", "panda.mp4"].map((file) => `dist/cli/${file}`)
    const others = [
      ...command,
      "assets/element.png",
      "assets/page.png",
      "assets/upload.svg",
      "CHANGELOG.md",
      "COMMANDS.md",
      "LICENSE",
      "README.md",
      "SECURITY.md",
      "package.json"
    ]
    const examples = readdirSync("examples", { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name, parentPath }) => join(parentPath, name))
    const inSource = [...sources, ...guides].map((file) => `src/${file}`)
    assert.deepStrictEqual(files, [...inSource, ...built, ...examples, ...others].sort())
  })

  it("have all that their README links to", () => {
    const links = Array.from(read("README.md").matchAll(/\]\(([^)#:]+)\)/g), (match) => match[1]!)
    assert.isAbove(links.length, 5)
    assert.includeMembers([...files], links)
  })

  it("have maps that lead to sources in the package", () => {
    const compiled = of(".js", ".d.ts")
    assert.isAbove(compiled.length, 0)
    for (const file of compiled) {
      assert.include(read(file), `//# sourceMappingURL=${file.split("/").at(-1)}.map`, file)
      const { sources } = JSON.parse(read(`${file}.map`)) as { readonly sources: ReadonlyArray<string> }
      assert.isAbove(sources.length, 0, file)
      assert.includeMembers([...files], sources.map((source) => join(dirname(file), source)), file)
    }
  })
})

describe("modules", () => {
  it("import each other by path, and of packages only those that the package asks for", () => {
    const { dependencies, peerDependencies, peerDependenciesMeta } = manifest
    const asked = Object.keys({ ...dependencies, ...peerDependencies })
    const required = asked.filter((name) => !(name in peerDependenciesMeta))
    // Only who imports Ingest needs an engine, and which platform it runs on is theirs to say.
    const engine = asked.filter((name) => name !== "@effect/platform-node")
    const database = [...required, "@effect/sql"]
    const allowed = (file: string) =>
      /^dist\/(Ingest\.|internal\/ingest\/)/.test(file)
        ? engine
        : /^dist\/(SqlUploadStore\.|internal\/sql\/)/.test(file)
        ? database
        : required
    const wrong = of(".js", ".d.ts").flatMap((file) =>
      ts.preProcessFile(read(file)).importedFiles
        .map(({ fileName }) => fileName)
        .filter((name) =>
          name.startsWith(".")
            ? !files.includes(join(dirname(file), name))
            : !allowed(file).some((known) => name.startsWith(`${known}/`))
        )
        .map((name) => `${file} imports ${name}`)
    )
    assert.deepStrictEqual(wrong, [])
  })
})
