/** The packed package in the hands of its users: installed, imported, type-checked and bundled in folders of their own. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { readFileSync, rmSync } from "node:fs"
import { cp, mkdir, mkdtemp, realpath, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import ts from "typescript"
import { inject } from "vitest"
import manifest from "../../package.json" with { type: "json" }
import { build } from "../esbuild.js"
import { run } from "./run.js"

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url))
const program = readFileSync(here("./consumer/main.ts"), "utf8")

const subpaths = Object.entries(manifest.exports)
  .filter(([, target]) => target !== null && typeof target !== "string")
  .map(([subpath]) => subpath.replace(".", "effect-panda"))

const peers = Object.entries(manifest.peerDependencies)
const optional: Readonly<Record<string, unknown>> = manifest.peerDependenciesMeta

/** The lowest versions of the optional peers do not fit together among themselves. */
const edges = {
  newest: peers.map(([name, range]) => `${name}@${range}`),
  lowest: peers.map(([name, range]) => name in optional ? `${name}@${range}` : `${name}@${range.replace(/^\D+/, "")}`)
}
const compilers = { "TypeScript 5.9": "typescript@~5.9.3", "TypeScript 7": "typescript@^7.0.2" }
const strictest = {
  noEmit: true,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  target: "es2022",
  lib: ["es2022", "dom", "dom.iterable"],
  types: []
}
const resolutions = [["nodenext", "nodenext"], ["esnext", "bundler"]] as const

const named = <A extends object>(of: A) => Object.keys(of) as Array<keyof A & string>

let temp: string
const at = (name: keyof typeof edges | keyof typeof compilers, ...path: ReadonlyArray<string>) =>
  join(temp, name, ...path)

const install = async (name: Parameters<typeof at>[0], packages: ReadonlyArray<string>) => {
  await mkdir(at(name))
  await writeFile(at(name, "package.json"), JSON.stringify({ private: true, type: "module" }))
  await run(at(name), "npm", "install", "--no-audit", "--no-fund", "--loglevel=error", ...packages)
}

beforeAll(async () => {
  temp = await realpath(await mkdtemp(join(tmpdir(), "effect-panda-consumers-")))
  await Promise.all([
    ...named(edges).map((edge) => install(edge, [inject("tarball"), ...edges[edge]])),
    ...named(compilers).map((compiler) => install(compiler, [compilers[compiler]]))
  ])
})
afterAll(() => rmSync(temp, { recursive: true, force: true }))

it("the program that is compiled imports every subpath", () => {
  const imported = ts.preProcessFile(program).importedFiles.map(({ fileName }) => fileName)
  assert.includeMembers(imported, subpaths)
})

describe.each(named(edges))("with the %s peers", (edge) => {
  it("imports each subpath and uploads to the emulator", async () => {
    await Promise.all(
      ["fixtures", "runtimes"].map((folder) => cp(here(`../${folder}`), at(edge, folder), { recursive: true }))
    )
    const printed = await run(at(edge), process.execPath, "fixtures/smoke.mjs")
    assert.include(printed, `smoke: ${subpaths.length} subpaths imported`)
  })

  it.each(edges[edge].map((peer) => peer.replace(/@[^@]+$/, "")))("has one copy of %s", async (name) => {
    const copies = await run(at(edge), "npm", "ls", "--all", "--parseable", name)
    assert.deepStrictEqual(copies.trim().split("\n"), [at(edge, "node_modules", name)])
  })

  describe.each(named(compilers))("under %s", (compiler) => {
    it.each(resolutions)(
      "compiles with module %s and resolution %s, libraries included",
      async (module, moduleResolution) => {
        const compilerOptions = { ...strictest, module, moduleResolution }
        await writeFile(at(edge, "main.ts"), program)
        await writeFile(at(edge, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["main.ts"] }))
        await run(at(edge), process.execPath, at(compiler, "node_modules/typescript/bin/tsc"), "--pretty", "false")
      }
    )
  })
})

describe("declarations", () => {
  it("have no any", () => {
    const folder = at("newest", "node_modules/effect-panda/dist")
    const declarations = ts.sys.readDirectory(folder, [".d.ts"])
    assert.isAbove(declarations.length, subpaths.length)
    const { getSourceFile, getTypeChecker } = ts.createProgram(declarations, {
      strict: true,
      module: ts.ModuleKind.NodeNext,
      lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
      types: []
    })
    const { getTypeFromTypeNode } = getTypeChecker()
    const places = declarations.map((name) => getSourceFile(name)!).flatMap((source) => {
      const places: Array<string> = []
      const visit = (node: ts.Node): void => {
        const base = ts.isExpressionWithTypeArguments(node) && ts.isClassLike(node.parent.parent)
        // What does not resolve is any, too; the base of a class is a value, whose type is written where it is declared.
        if (ts.isTypeNode(node) && !base && (getTypeFromTypeNode(node).flags & ts.TypeFlags.Any) !== 0) {
          const { line } = source.getLineAndCharacterOfPosition(node.getStart())
          places.push(`${source.fileName.slice(folder.length + 1)}:${line + 1}: ${node.getText().slice(0, 80)}`)
        }
        ts.forEachChild(node, visit)
      }
      visit(source)
      return places
    })
    assert.deepStrictEqual(places, [], "write the type down at the export that these stand for")
  })
})

describe("a bundle", () => {
  /** What of the installed modules is in a bundle of the code. */
  const bundled = async (contents: string) => {
    const { metafile } = await build({
      stdin: { contents, resolveDir: at("newest"), sourcefile: "entry.js" },
      absWorkingDir: at("newest"),
      bundle: true,
      write: false,
      metafile: true,
      format: "esm",
      platform: "browser",
      logLevel: "error"
    })
    const [output] = Object.values(metafile.outputs)
    return Object.entries(output!.inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([input]) => input)
  }

  it.each([
    ["its room", `export { PandaNotFound } from "effect-panda/PandaError"`],
    ["the index", `import { PandaError } from "effect-panda"; export const { PandaNotFound } = PandaError`]
  ])("of one error class, from %s, has no HTTP", async (_, code) => {
    const inputs = await bundled(code)
    assert.include(inputs, "node_modules/effect-panda/dist/PandaError.js")
    const http = inputs.filter((input) => /platform|Emulator|PandaClient/i.test(input))
    assert.deepStrictEqual(http, [], "PandaError.ts and what it imports may import only the types of these")
  })
})

describe("loading", () => {
  const emulator = /effect-panda\/dist\/(PandaEmulator|internal\/emulator)/
  const barrel = /(effect|@effect\/platform)\/dist\/esm\/index[.]js$/

  it.each([
    ["effect-panda/Videos", [emulator, barrel, /effect-panda\/dist\/(Webhook|Upload)[.]js/]],
    ["effect-panda", [emulator, barrel]]
  ])("%s loads no more than it needs", async (subpath, unwanted) => {
    const trace = ["--import", pathToFileURL(here("./trace.mjs")).href]
    const load = ["--input-type=module", "--eval", `import "${subpath}"`]
    const urls = (await run(at("newest"), process.execPath, ...trace, ...load)).trim().split("\n")
    const own = at("newest", "node_modules/effect-panda/dist", subpath.replace(/^effect-panda\/?/, "") || "index")
    assert.include(urls, pathToFileURL(`${own}.js`).href)
    const found = urls.filter((url) => unwanted.some((pattern) => pattern.test(url)))
    assert.deepStrictEqual(found, [], `find which import of ${subpath} leads to these, and import less or only types`)
  })
})
