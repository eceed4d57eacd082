import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as effect from "effect"
import * as panda from "effect-panda"
import * as Authorize from "effect-panda/Authorize"
import * as Ingest from "effect-panda/Ingest"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import * as SqlUploadStore from "effect-panda/SqlUploadStore"
import { existsSync, readdirSync, readFileSync } from "node:fs"

const at = (path: string) => new URL(`../${path}`, import.meta.url)
const read = (path: string) => readFileSync(at(path), "utf8")

const readme = read("README.md")
const lines = readme.split("\n")

interface Block {
  readonly language: string
  readonly text: string
  /** From 1, of the fence. */
  readonly line: number
  /** The heading that it is under. */
  readonly section: string
}

const blocks = Array.from(readme.matchAll(/^```(\w+)\n(.*?)\n```$/gms), (match): Block => {
  const before = readme.slice(0, match.index)
  return {
    language: match[1]!,
    text: match[2]!,
    line: before.split("\n").length,
    section: Array.from(before.matchAll(/^## (.*)$/gm)).at(-1)?.[1] ?? ""
  }
})

/** The whole of an example, or what stands between the marks in it. */
const examples = readdirSync(at("examples"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => {
    const text = read(`examples/${file}`)
    const region = /^\/\/ #region readme\n(.*?)^\/\/ #endregion$/ms.exec(text)
    return { file, text: (region?.[1] ?? text).trim() }
  })

/** Of which no line is code. */
const prose = readme.replace(/^```.*?^```$/gms, "")

describe("README code", () => {
  it("has code in TypeScript and HTML, commands and output, and nothing else", () => {
    assert.deepStrictEqual([...new Set(blocks.map(({ language }) => language))].sort(), ["html", "sh", "text", "ts"])
    assert.strictEqual(blocks.length * 2, lines.filter((line) => line.startsWith("```")).length)
  })

  it.each(blocks.filter(({ language }) => language === "ts"))("line $line, $section, is an example", ({ text }) => {
    assert.include(examples.map((example) => example.text), text)
  })

  it.each(blocks.filter(({ language }) => language === "html"))(
    "line $line, $section, is of an example",
    ({ text }) => {
      const unindented = (text: string) => text.replace(/^ +/gm, "")
      const pages = readdirSync(at("examples"), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".html"))
        .map((file) => unindented(read(`examples/${file}`)))
      assert.isTrue(pages.some((page) => page.includes(unindented(text))))
    }
  )

  it("is whole, with its imports, or its section says which example has them", () => {
    for (const { line, section, text } of blocks.filter(({ language }) => language === "ts")) {
      const { file } = examples.find((example) => example.text === text)!
      if (read(`examples/${file}`).trim() === text) continue
      const [, words] = readme.split(`\n## ${section}\n`)
      assert.include(words!.split("\n## ")[0], `](examples/${file})`, `line ${line}`)
    }
  })

  it.each([
    ["First call", "first-call.ts", 15],
    ["Upload", "upload-basic.ts", 20],
    ["Test your program", "testing.test.ts", 20],
    ["Test your program", "ingest/testing.test.ts", 25]
  ])("%s is %s, whole, in at most %i lines", (section, file, most) => {
    const code = blocks.filter((block) => block.section === section && block.language === "ts")
    const text = read(`examples/${file}`).trim()
    assert.include(code.map(({ text }) => text), text)
    assert.isAtMost(text.split("\n").length, most)
  })

  it("comes to the first call by line 30", () => {
    assert.isAtMost(blocks.find(({ language }) => language === "ts")!.line, 30)
  })
})

describe("README words", () => {
  it("links to what exists", () => {
    const links = Array.from(prose.matchAll(/\]\(([^)]+)\)/g), (match) => match[1]!)
      .filter((link) => !/^https?:/.test(link))
    const anchors = Array.from(
      prose.matchAll(/^#+ (.*)$/gm),
      (match) => `#${match[1]!.toLowerCase().replaceAll(" ", "-")}`
    )
    assert.isAbove(links.length, 0)
    assert.deepStrictEqual(links.filter((link) => !anchors.includes(link) && !existsSync(at(link))), [])
  })

  it("names what is exported", () => {
    const modules: Readonly<Record<string, object>> = {
      ...effect,
      ...panda,
      FetchHttpClient,
      NodeHttpClient,
      Authorize,
      Ingest,
      PandaEmulator,
      SqlUploadStore
    }
    const names = Array.from(
      prose.matchAll(/`(?!Panda\.)([A-Z]\w+)\.(\w+)/g),
      (match) => [match[1]!, match[2]!] as const
    )
    assert.isAbove(names.length, 10)
    assert.deepStrictEqual(
      names.filter(([module, name]) => !Object.hasOwn(modules[module] ?? {}, name)),
      []
    )
  })

  it("has a row for each error", () => {
    const rows = Array.from(prose.matchAll(/^\| `(Panda\w+)` \|/gm), (match) => match[1]!)
    const tags = [panda.PandaError, panda.Webhook, Authorize].flatMap((room) =>
      Object.values(room).flatMap((value) => typeof value === "function" && "_tag" in value ? [value._tag] : [])
    )
    assert.includeMembers(tags, panda.PandaError.UploadError.members.map((error) => error._tag))
    assert.deepStrictEqual([...rows].sort(), tags.sort())
  })

  it("has each variable that is read", () => {
    const variables = (text: string) =>
      [...new Set(Array.from(text.matchAll(/["`](PANDA[A-Z_]+)["`]/g), (match) => match[1]!))].sort()
    assert.deepStrictEqual(
      variables(prose),
      variables(`${read("src/Credentials.ts")}${read("src/cli/commands/ingest.ts")}`)
    )
  })

  it("has each script of package.json that a person runs, and the versions that it asks for", () => {
    const { devDependencies, engines, peerDependencies, scripts } = JSON.parse(read("package.json")) as {
      readonly devDependencies: Record<string, string>
      readonly engines: { readonly node: string }
      readonly peerDependencies: Record<string, string>
      readonly scripts: Record<string, string>
    }
    const rows = Array.from(prose.matchAll(/^\| `npm (?:run )?([\w:]+)` \|/gm), (match) => match[1]!)
    assert.deepStrictEqual(rows.filter((script) => !(script in scripts)), [])
    const needed = Array.from(readme.matchAll(/ (@?[\w/-]+)@\^(\d+\.\d+)/g), (match) => [match[1]!, match[2]!] as const)
    assert.includeMembers(needed.map(([name]) => name), Object.keys(peerDependencies))
    for (const [name, version] of needed) {
      assert.match((peerDependencies[name] ?? devDependencies[name])!, new RegExp(`^\\^${version}\\.`), name)
    }
    assert.include(readme, `Node ${engines.node.replace(">=", "")} and later`)
  })
})
