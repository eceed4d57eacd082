/**
 * The picture of the element in the README, from a real upload in Chromium: `npm run picture:element` writes
 * assets/element.png.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type ElementHandle, launch } from "puppeteer-core"

const folder = mkdtempSync(join(tmpdir(), "effect-panda-picture-"))
const fileOf = (name: string, bytes: number) => {
  const path = join(folder, name)
  writeFileSync(path, Buffer.alloc(bytes))
  return path
}

const site = spawn("npx", ["tsx", "examples/browser/main.ts", "plain"], { detached: true })
const url = await new Promise<string>((resolve) => {
  site.stdout.on("data", (printed: Buffer) => {
    const [found] = /http:\S+/.exec(printed.toString()) ?? []
    if (found !== undefined) resolve(found)
  })
})
const browser = await launch({
  executablePath: "/usr/bin/chromium",
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : []
})
const page = await browser.newPage()
await page.setViewport({ width: 720, height: 640, deviceScaleFactor: 2 })
await page.goto(url)

const input = (await page.waitForSelector("panda-upload >>> input")) as ElementHandle<HTMLInputElement>
const is = (state: string, name: string) =>
  page.waitForFunction(
    (state, name) =>
      document.querySelector("panda-upload")!.queue.uploads.some((upload) =>
        upload.name === name && upload.state === state
      ),
    { polling: 20 },
    state,
    name
  )
await input.uploadFile(fileOf("The lighthouse, final cut.mp4", 3_400_000))
await is("done", "The lighthouse, final cut.mp4")
await input.uploadFile(fileOf("draft of a title.mp4", 1_200_000))
await is("failed", "draft of a title.mp4")

// So slow from here on that there is something to see.
const session = await page.createCDPSession()
await session.send("Network.enable")
const upload = (throughput: number) =>
  session.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 20,
    downloadThroughput: -1,
    uploadThroughput: throughput
  })
await upload(6_000_000)
await input.uploadFile(fileOf("Harbour at dawn.mov", 64_000_000), fileOf("Interview, second camera.mp4", 90_000_000))
const far = (name: string, part: number) =>
  page.waitForFunction(
    (name, part) => {
      const upload = document.querySelector("panda-upload")!.queue.uploads.find((upload) => upload.name === name)!
      if (upload.progress.sent / upload.progress.size < part) return false
      if (name.startsWith("Interview")) upload.pause()
      return true
    },
    { polling: 20, timeout: 60_000 },
    name,
    part
  )
await far("Interview, second camera.mp4", 0.2)
await far("Harbour at dawn.mov", 0.4)
const element = (await page.$("panda-upload"))!
await element.screenshot({ path: "assets/element.png" })
await browser.close()
process.kill(-site.pid!)
rmSync(folder, { recursive: true })
