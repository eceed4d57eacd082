/** The pages of examples/browser, each started by the command that its head names. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import type { ElementHandle } from "puppeteer-core"
import * as browsers from "./browsers.js"
import * as sites from "./site.js"

/** Started as its reader starts it; ended with the scope. */
const started = (name: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<{ readonly url: string; readonly stop: () => void }, string>((resume) => {
        const child = spawn("npx", ["tsx", "examples/browser/main.ts", name], { detached: true })
        // npx has a child of its own.
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
        const url = yield* started(example)
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
