import { readdirSync, readFileSync } from "node:fs"
import { defineConfig } from "vitest/config"
import base from "../../vitest.config.js"

/** Another seed each time, for all tests that draw: `npm run test:fuzz`. What they find is kept in `kept/`. */
const seed = process.env["FUZZ_SEED"] ?? String(Math.floor(Math.random() * 2 ** 31))
console.log(`FUZZ_SEED=${seed} npm run test:fuzz runs the same again`)

const drawing = readdirSync("test", { recursive: true, encoding: "utf8" })
  .map((file) => `test/${file}`)
  .filter((file) => file.endsWith(".test.ts") && /FastCheck|\/(hostile|seed)[.]js"/.test(readFileSync(file, "utf8")))

export default defineConfig({
  ...base,
  test: { ...base.test, include: drawing, env: { FUZZ_SEED: seed, FUZZ_KEEP: "true" } }
})
