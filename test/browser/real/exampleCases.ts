/** The pages of examples/browser, each started as its reader starts it, beside an installed package. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { ElementHandle } from "puppeteer-core"
import { build } from "../../esbuild.js"
import * as browsers from "./browsers.js"
import * as sites from "./site.js"

const root = fileURLToPath(new URL("../../..", import.meta.url))

/** A folder with the examples and the package, and nothing of what this repository has besides. */
const installed = Effect.acquireRelease(
  Effect.promise(async () => {
    const folder = mkdtempSync(join(tmpdir(), "effect-panda-examples-"))
    const modules = join(folder, "node_modules")
    const panda = join(modules, "effect-panda")
    mkdirSync(panda, { recursive: true })
    cpSync(join(root, "package.json"), join(panda, "package.json"))
    for (const name of ["effect", "@effect", "@noble", "esbuild", "react", "react-dom", "vue"]) {
      symlinkSync(join(root, "node_modules", name), join(modules, name))
    }
    const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    await build({
      entryPoints: sources.filter((file) => file.endsWith(".ts")).map((file) => join(root, "src", file)),
      outdir: join(panda, "dist"),
      outbase: join(root, "src")
    })
    cpSync(join(root, "examples/browser"), join(folder, "examples/browser"), { recursive: true })
    writeFileSync(join(folder, "package.json"), `{ "type": "module" }`)
    return folder
  }),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** Ended with the scope. */
const started = (name: string, cwd: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<{ readonly url: string; readonly stop: () => void }, string>((resume) => {
        const tsx = join(root, "node_modules/.bin/tsx")
        const child = spawn(tsx, ["examples/browser/main.ts", name], { detached: true, cwd })
        const stop = () => process.kill(-child.pid!, "SIGTERM")
        let printed = ""
        const onData = (data: Buffer) => {
          printed += data.toString()
          const url = /http:\S+/.exec(printed)?.[0]
          if (url !== undefined) resume(Effect.succeed({ url, stop }))
        }
        child.stdout.on("data", onData)
        child.stderr.on("data", onData)
        child.once("exit", () => resume(Effect.fail(printed)))
      }),
      ({ stop }) => Effect.sync(stop)
    ),
    ({ url }) => url
  )

export const show = (name: Exclude<browsers.Name, "webkit">) => {
  const executable = browsers.find(name)

  describe.runIf(executable !== undefined)(`the examples in ${name}`, () => {
    it.scopedLive.each(["plain", "react", "vue"])("%s uploads a film", (example) =>
      Effect.gen(function*() {
        const url = yield* started(example, yield* installed)
        const file = yield* sites.fileOf(300_000, "film.mp4")
        const draft = yield* sites.fileOf(1000, "draft.mp4")
        const { page, said } = yield* browsers.open(yield* browsers.launch(name, executable!))
        const words = yield* Effect.promise(async () => {
          await page.goto(url)
          const input = await page.waitForSelector(example === "vue" ? "input" : "panda-upload >>> input")
          await (input as ElementHandle<HTMLInputElement>).uploadFile(file.path, draft.path)
          const all = await page.waitForFunction(
            () => {
              const { body } = document
              const text = `${body.innerText} ${body.querySelector("panda-upload")?.shadowRoot?.textContent ?? ""}`
              return /Drafts stay at home/.test(text) && /\b[0-9a-f]{32}\b|film.mp4: done/.test(text) && text
            },
            { polling: 50 }
          )
          return all.jsonValue()
        })
        assert.include(words, "film.mp4")
        assert.deepStrictEqual(said, [])
      }))
  })
}
