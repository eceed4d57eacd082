/**
 * The picture of the emulator's page in the README, from a real upload and real encodings, in Chromium: `npm run
 * picture:page` writes assets/page.png. Needs ffmpeg.
 */
import { execFileSync, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { launch } from "puppeteer-core"

const root = fileURLToPath(new URL("..", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "effect-panda-picture-"))
execFileSync(process.execPath, [join(root, "scripts/bundle.mjs"), folder])
const command = join(folder, "effect-panda.mjs")

const film = join(folder, "The lighthouse.mp4")
execFileSync("ffmpeg", [
  "-v",
  "error",
  "-f",
  "lavfi",
  "-i",
  "gradients=s=1280x720:c0=0x0b3d91:c1=0xf4a259:x0=0:y0=720:x1=1280:y1=0:d=12:speed=0.02",
  "-f",
  "lavfi",
  "-i",
  "sine=frequency=220:duration=12",
  "-shortest",
  "-pix_fmt",
  "yuv420p",
  film
])

const panda = spawn(process.execPath, [command, "emulator", "--encode"], { stdio: ["ignore", "pipe", "pipe"] })
const printed = await new Promise<string>((resolve) => {
  let said = ""
  panda.stdout.on("data", (text: Buffer) => {
    said += text
    if (said.includes("PANDA_PORT")) resolve(said)
  })
})
const env: Record<string, string | undefined> = {
  ...process.env,
  XDG_STATE_HOME: folder,
  ...Object.fromEntries(Array.from(printed.matchAll(/export (\w+)=(.*)/g), ([, name, value]) => [name!, value!]))
}
const run = (...args: ReadonlyArray<string>) => {
  try {
    execFileSync(process.execPath, [command, ...args], { env, stdio: "ignore", cwd: folder })
  } catch {
    // One is to be refused.
  }
}
run("upload", film, "--profiles", "h264,webm")
execFileSync(process.execPath, [command, "videos", "list"], { env, stdio: "ignore" })
env["PANDA_SECRET_KEY"] = "of-another-account"
run("videos", "list")

const browser = await launch({
  executablePath: "/usr/bin/chromium",
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : []
})
const page = await browser.newPage()
await page.setViewport({ width: 1000, height: 1000, deviceScaleFactor: 1.5 })
await page.goto(`http://127.0.0.1:${env["PANDA_PORT"]}/`)
await page.waitForSelector("#videos video")
await page.waitForSelector("#list-requests summary")
await page.click("#list-requests li:first-child summary")
await page.waitForNetworkIdle({ concurrency: 1 })
await page.screenshot({ path: join(root, "assets/page.png"), clip: { x: 0, y: 0, width: 1000, height: 1280 }, captureBeyondViewport: true })
await browser.close()
panda.kill()
rmSync(folder, { recursive: true, force: true })
