/** The entry of the command: what needs little comes before the rest is loaded. */
import { version } from "./version.js"

const words = process.argv.slice(2)

if (words.length === 1 && words[0] === "--version") {
  process.stdout.on("error", ({ code, message }: NodeJS.ErrnoException) => {
    if (code === "EPIPE") return
    process.stderr.write(`effect-panda: ${message}\n`)
    process.exitCode = 1
  })
  process.stdout.write(`${version}\n`)
} else {
  const { start } = await import("./start.js")
  start(words)
}
