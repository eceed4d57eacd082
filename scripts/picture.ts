/** Draws assets/upload.svg: what a terminal shows in the middle of a real run of `effect-panda demo`. Needs tmux. */
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const [columns, rows] = [96, 12]

const colors: Record<string, string> = {
  "31": "#e06c75",
  "32": "#98c379",
  "33": "#e5c07b",
  "36": "#56b6c2",
  "2": "#5c6370"
}

const escape = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

/** The spans of a line: text in the colours that tmux tells of. */
const line = (text: string, y: number): string => {
  let style = ""
  const [first = "", ...others] = text.split("\u001b[")
  const spans = others.map((part) => {
    const [, code = "", words = ""] = /^([\d;]*)m(.*)$/.exec(part) ?? []
    const codes = code.split(";")
    const color = codes.map((code) => colors[code]).find((color) => color !== undefined)
    style = color === undefined ? codes.includes("1") ? ` font-weight="bold"` : "" : ` fill="${color}"`
    return words === "" ? "" : `<tspan${style}>${escape(words)}</tspan>`
  })
  return `<text x="16" y="${y}" xml:space="preserve">${escape(first)}${spans.join("")}</text>`
}

const folder = mkdtempSync(join(tmpdir(), "effect-panda-"))
const tmux = (...args: ReadonlyArray<string>) =>
  execFileSync("tmux", ["-L", `effect-panda-${process.pid}`, "-f", "/dev/null", ...args], { encoding: "utf8" })

try {
  execFileSync(process.execPath, [join(root, "scripts/bundle.mjs"), folder])
  writeFileSync(join(folder, "movie.mp4"), Buffer.alloc(6_000_000, "panda"))
  const start = `PS1='$ ' HOME=${folder} XDG_STATE_HOME=${folder} exec bash --norc`
  tmux("new-session", "-d", "-x", String(columns), "-y", String(rows), "-c", folder, start)
  tmux("send-keys", `alias effect-panda=./effect-panda.mjs; clear`, "Enter")
  tmux("send-keys", "effect-panda demo movie.mp4", "Enter")
  let screen = ""
  while (!/ [6-8]\d %/.test(screen)) {
    await sleep(50)
    screen = tmux("capture-pane", "-p", "-e")
  }
  const shown = screen.trimEnd().split("\n")
  mkdirSync(join(root, "assets"), { recursive: true })
  writeFileSync(
    join(root, "assets/upload.svg"),
    [
      `<svg xmlns="http://www.w3.org/2000/svg" width="${columns * 8.4 + 32}" height="${shown.length * 20 + 32}"`,
      `  font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14" fill="#d7dae0">`,
      `<title>effect-panda demo movie.mp4, in the middle of the upload</title>`,
      `<rect width="100%" height="100%" rx="8" fill="#21252b"/>`,
      ...shown.map((text, i) => line(text, i * 20 + 30)),
      "</svg>\n"
    ].join("\n")
  )
} finally {
  try {
    tmux("kill-server")
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  }
}
