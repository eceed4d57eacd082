/** The entry of the command: what needs little comes before the rest is loaded. */
import { version } from "./version.js"

const words = process.argv.slice(2)

if (words.length === 1 && words[0] === "--version") {
  process.stdout.write(`${version}\n`)
} else {
  const { start } = await import("./start.js")
  start(words)
}
