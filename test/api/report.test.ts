import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { compare } from "./compare.js"
import { report } from "./report.js"

const subpaths = new Map([["Room.d.ts", "pkg/Room"], ["Other.d.ts", "pkg/Other"]])
const room = (text: string, others: Readonly<Record<string, string>> = {}) =>
  report("Room.d.ts", new Map(Object.entries({ "Room.d.ts": text, ...others })), subpaths)

describe("a report", () => {
  it("has exports by name, without words", () => {
    assert.strictEqual(
      room(
        `/** Later. */\nexport declare const b: string;\n/** Sooner. */\nexport interface A {\n /** Inside. */\n b: 1;\n}`
      ),
      "export interface A {\n    b: 1;\n}\n\nexport declare const b: string;"
    )
  })

  it("keeps a type with its value, and overloads together", () => {
    assert.strictEqual(
      room(
        `export declare const A: 1;\nexport type A = 1;\nexport declare function f(a: 1): 1;\nexport declare function f(a: 2): 2;`
      ),
      "export declare const A: 1;\nexport type A = 1;\n\n" +
        "export declare function f(a: 1): 1;\nexport declare function f(a: 2): 2;"
    )
  })

  it("has unions in one order, whatever order the compiler found", () => {
    const expected = `export type A = "a" | "b" | B<"c" | "d"> | null | undefined;`
    assert.strictEqual(room(`export type A = undefined | "b" | null | B<"d" | "c"> | "a";`), expected)
    assert.strictEqual(room(`export type A = B<"c" | "d"> | null | undefined | "a" | "b";`), expected)
  })

  it("says which packages and rooms its names are from, each once", () => {
    assert.strictEqual(
      room(
        `import * as Effect from "effect/Effect";\nimport type { X as Y } from "./Other.js";\nimport { Unused } from "x";\n` +
          `export declare const a: Effect.Effect<Y>;\nexport declare const b: Effect.Effect<Y>;`,
        { "Other.d.ts": "" }
      ),
      `import * as Effect from "effect/Effect"\nimport { X as Y } from "pkg/Other"\n\n` +
        "export declare const a: Effect.Effect<Y>;\n\nexport declare const b: Effect.Effect<Y>;"
    )
  })

  it("has what it takes from another room by name, and what it takes from a hidden one in full", () => {
    assert.strictEqual(
      room(
        `import { V } from "./internal/v.js";\nexport { V };\nexport { W as Z } from "./Other.js";\nexport * as Other from "./Other.js";`,
        {
          "internal/v.d.ts": `export { V } from "./w.js";`,
          "internal/w.d.ts": "export interface V {\n a: 1;\n}",
          "Other.d.ts": "export type W = 1;"
        }
      ),
      `export * as Other from "pkg/Other"\n\nexport interface V {\n    a: 1;\n}\n\nexport { W as Z } from "pkg/Other"`
    )
  })

  it("has what a star brings, from hidden rooms in full", () => {
    assert.strictEqual(
      room(`export * from "./internal/v.js";\nexport * from "effect/Effect";`, {
        "internal/v.d.ts": "export type V = 1;"
      }),
      `export * from "effect/Effect"\n\nexport type V = 1;`
    )
  })

  it("has an export under another name with what it stands for", () => {
    assert.strictEqual(
      room(`declare const del: 1;\nexport { del as delete };`),
      "declare const del: 1;\nexport { del as delete }"
    )
  })

  it.each([
    ["by namespace", `import * as v from "./internal/v.js";\nexport type A = v.V;`, "export type A = v.V;"],
    ["by name", `import { V } from "./internal/v.js";\nexport type A = V;`, "export type A = V;"],
    ["by an import type", `export type A = import("./internal/v.js").V;`, "export type A = V;"],
    ["of a value", `import * as v from "./internal/v.js";\nexport type A = typeof v.V;`, "export type A = typeof v.V;"],
    [
      "in a heritage clause",
      `import * as v from "./internal/v.js";\nexport interface A extends v.V {\n}`,
      "export interface A extends v.V {\n}"
    ]
  ])("follows what is mentioned of hidden rooms %s, to the end", (_, text, expected) => {
    const hidden = (v: string) =>
      room(text, {
        "internal/v.d.ts": `import { W } from "./w.js";\nexport type V = W;`,
        "internal/w.d.ts": `export type W = ${v};`
      })
    assert.strictEqual(
      hidden("1"),
      `${expected}\n\n// Mentioned above, but not to be imported.\n\ntype V = W;\n\ntype W = 1;`
    )
    assert.notStrictEqual(hidden("2"), hidden("1"))
  })

  it("has what is not exported where it is mentioned, and only there", () => {
    assert.strictEqual(
      room("type Mentioned = 1;\ntype Idle = 2;\nexport type A = Mentioned;"),
      "export type A = Mentioned;\n\n// Mentioned above, but not to be imported.\n\ntype Mentioned = 1;"
    )
  })

  it("fails on a name that leads nowhere", () => {
    assert.throws(() => room(`export { A } from "./internal/v.js";`, { "internal/v.d.ts": "" }), "A leads nowhere")
  })
})

describe("the reports in api/", () => {
  it("are one for each entry of exports", () => {
    const { exports } = JSON.parse(readFileSync("package.json", "utf8")) as {
      readonly exports: Record<string, unknown>
    }
    const entries = Object.entries(exports).filter(([, target]) => typeof target === "object" && target !== null)
      .map(([subpath]) => `${subpath === "." ? "index" : subpath.slice("./".length).replaceAll("/", "-")}.api.md`)
    assert.deepStrictEqual(readdirSync("api").sort(), entries.sort())
  })

  it("differ where anything of the surface does, and say by which command they are renewed", () => {
    const made = { "A.api.md": "a\nb\n", "B.api.md": "c\n" }
    assert.isUndefined(compare({ ...made }, made))
    assert.match(
      compare({ ...made, "A.api.md": "a\nx\n" }, made)!,
      /^api\/A\.api\.md\n {2}- x\n {2}\+ b\n\n.*`npm run api`/s
    )
    assert.match(compare({ "A.api.md": "a\nb\n" }, made)!, /^api\/B\.api\.md\n {2}\+ c\n/)
    assert.match(compare({ ...made, "C.api.md": "d\n" }, made)!, /^api\/C\.api\.md\n {2}- d\n/)
  })
})
