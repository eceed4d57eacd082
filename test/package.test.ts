import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8")

const rooms = readdirSync(new URL("../src", import.meta.url))
  .filter((file) => file.endsWith(".ts") && file !== "index.ts")
  .map((file) => file.slice(0, -".ts".length))
  .sort()

describe("package", () => {
  it("has one subpath per room, the types first, and hides internal/", () => {
    const target = (room: string) => ({ types: `./dist/${room}.d.ts`, default: `./dist/${room}.js` })
    const { exports } = JSON.parse(read("package.json")) as { readonly exports: unknown }
    // As text, since the order of conditions matters.
    assert.strictEqual(
      JSON.stringify(exports, undefined, 2),
      JSON.stringify(
        {
          ".": target("index"),
          ...Object.fromEntries([...rooms, "browser/element"].map((room) => [`./${room}`, target(room)])),
          "./internal/*": null,
          "./package.json": "./package.json"
        },
        undefined,
        2
      )
    )
  })

  it("has an index of all rooms but those that need more, in alphabetical order, and of nothing else", () => {
    const statements = read("src/index.ts").replace(/\/\*\*.*?\*\//gs, "").split("\n").filter((line) => line !== "")
    assert.deepStrictEqual(
      statements,
      rooms.filter((room) =>
        !["Authorize", "Encoder", "Ingest", "PandaEmulator", "SqlUploadStore", "browser"].includes(room)
      ).map((
        room
      ) => `export * as ${room} from "./${room}.js"`)
    )
  })

  it("has no room that exports something for other rooms only", () => {
    for (const room of ["index", ...rooms]) assert.notInclude(read(`src/${room}.ts`), "@internal", room)
  })

  it("has its version at the top of the change log", () => {
    const { version } = JSON.parse(read("package.json")) as { readonly version: string }
    const [latest] = Array.from(read("CHANGELOG.md").matchAll(/^## (.+)$/gm), (match) => match[1])
    assert.strictEqual(latest, version, "npx changeset version")
  })
})
