/** Writes the manual of the command, or with `--check` fails where it is not what the definitions say. */
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { root } from "../src/cli/commands.js"
import { markdown } from "../src/cli/manual.js"

const file = fileURLToPath(new URL("../COMMANDS.md", import.meta.url))
const manual = markdown(root)

if (!process.argv.includes("--check")) {
  writeFileSync(file, manual)
} else if (readFileSync(file, "utf8") !== manual) {
  console.error("COMMANDS.md differs from the definitions in src/cli: npm run manual")
  process.exitCode = 1
}
