/**
 * How fast a page uploads, in Chromium, side by side with others in the same page: `npm run bench:browser`. The server
 * throws away what it is sent.
 */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type ElementHandle, launch } from "puppeteer-core"
import { find } from "../browser/real/browsers.js"
import { build } from "../esbuild.js"

const MIB = 1024 * 1024
const SIZE = Number(process.env["BENCH_MIB"] ?? 256) * MIB
const rounds = Number(process.env["BENCH_ROUNDS"] ?? 5)

const folder = mkdtempSync(join(tmpdir(), "effect-panda-bench-"))
await build({
  entryPoints: [fileURLToPath(new URL("browserPage.ts", import.meta.url))],
  outfile: join(folder, "page.js"),
  bundle: true,
  format: "esm",
  target: "es2022"
})
const path = join(folder, "film.mp4")
writeFileSync(path, "")
truncateSync(path, SIZE)

/** Enough of Panda's protocol, of tus and of what upchunk speaks. */
const answer = ({ headers, method, url = "" }: IncomingMessage, response: ServerResponse) => {
  const [, last, total] = /bytes (?:\d+-(\d+)|\*)\/(\d+)/.exec(headers["content-range"] ?? "") ?? []
  const whole = last !== undefined && Number(last) + 1 === Number(total)
  const tus = { "tus-resumable": "1.0.0" }
  if (url === "/authorize") return response.end(`{"upload_url":"/upload/session?id=1"}`)
  if (url.startsWith("/upload")) {
    if (whole) return response.end(`{"id":"1"}`)
    return response.writeHead(204, last === undefined ? {} : { range: `0-${last}` }).end()
  }
  if (url === "/chunks") {
    return whole ? response.end() : response.writeHead(308, { range: `bytes=0-${last}` }).end()
  }
  if (method === "POST") return response.writeHead(201, { ...tus, location: "/files/1" }).end()
  if (method === "PATCH") {
    const offset = Number(headers["upload-offset"]) + Number(headers["content-length"])
    return response.writeHead(204, { ...tus, "upload-offset": String(offset) }).end()
  }
  if (url === "/page.js") {
    return response.setHeader("content-type", "text/javascript").end(readFileSync(join(folder, "page.js")))
  }
  return response.setHeader("content-type", "text/html").end(
    `<input type="file"><script type="module" src="/page.js"></script>`
  )
}
const server = createServer((request, response) => {
  request.on("end", () => answer(request, response))
  request.resume()
})
await new Promise<void>((resolve) => {
  server.listen(0, "127.0.0.1", resolve)
})
const address = server.address()
const port = typeof address === "object" && address !== null ? address.port : 0

const executablePath = find("chromium")
if (executablePath === undefined) process.exit(1)
const browser = await launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] })
const page = await browser.newPage()
await page.goto(`http://127.0.0.1:${port}/`)
const input = (await page.waitForSelector("input")) as ElementHandle<HTMLInputElement>
await input.uploadFile(path)

const median = (values: ReadonlyArray<number>): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

const contestants = [
  "XHR by hand, 8 MiB",
  "effect-panda/browser, 8 MiB",
  "effect-panda/browser",
  "tus-js-client, 8 MiB",
  "@mux/upchunk, 8 MiB"
]
const results = new Map(contestants.map((name) => [name, { millis: Array.of<number>(), long: Array.of<number>() }]))
// In turns, so that all meet the same machine; the first turn does not count.
for (let round = -1; round < rounds; round++) {
  for (const name of contestants) {
    const { long, millis } = await page.evaluate((name) => window.race(name), name)
    if (round < 0) continue
    results.get(name)!.millis.push(millis)
    results.get(name)!.long.push(...long)
  }
}
const base = median(results.get(contestants[0]!)!.millis)
console.table(contestants.map((name) => {
  const { long, millis } = results.get(name)!
  const time = median(millis)
  return {
    [`${SIZE / MIB} MiB from a page`]: name,
    "MB/s": Math.round(SIZE / 1000 / time),
    "of XHR by hand": (base / time).toFixed(2),
    "tasks over 50 ms": long.length
  }
}))
await browser.close()
server.close()
rmSync(folder, { recursive: true })
