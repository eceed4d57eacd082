/**
 * The public surface as reports, one for each entry of `exports`.
 *
 *     npm run api              writes them into api/
 *     npm run api -- --check   fails where they are not what `src` exports now
 */
import { createHash } from "node:crypto"
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import manifest from "../../package.json" with { type: "json" }
import { compare } from "./compare.js"

process.chdir(fileURLToPath(new URL("../..", import.meta.url)))
const cache = "node_modules/.cache/api.json"

/** The declarations file of each entry, and the name that users import it by. */
const subpaths = new Map(
  Object.entries(manifest.exports).flatMap(([subpath, target]) =>
    target !== null && typeof target === "object"
      ? [[target.types.replace("./dist/", ""), subpath.replace(".", manifest.name)] as const]
      : []
  )
)
const fileOf = (specifier: string) =>
  `${specifier.slice(manifest.name.length + 1).replaceAll("/", "-") || "index"}.api.md`

/** All at once: to start the formatter takes longer than to format. */
const format = (texts: ReadonlyArray<string>): ReadonlyArray<string> => {
  const mark = "// ---- next entry ----"
  const input = texts.join(`\n\n${mark}\n\n`)
  return execFileSync("node_modules/.bin/dprint", ["fmt", "--stdin", "api.d.ts"], { input, encoding: "utf8" })
    .split(mark)
    .map((text) => text.trim().replaceAll(/^(export )?declare /gm, "$1"))
}

const reports = async (): Promise<Record<string, string>> => {
  // Only now: the compiler takes seconds to load.
  const { emit, report } = await import("./report.js")
  const declarations = emit("tsconfig.build.json")
  const entries = [...subpaths]
  const texts = format(entries.map(([file]) => report(file, declarations, subpaths)))
  return Object.fromEntries(
    entries.map(([, specifier], i) => [
      fileOf(specifier),
      `# ${specifier}\n\nMade by \`npm run api\` from the declarations; not to be edited.\n\n\`\`\`ts\n${
        texts[i]
      }\n\`\`\`\n`
    ])
  )
}

/** What they are made from has not changed since: they are what they were. */
const cached = async (make: () => Promise<Record<string, string>>): Promise<Record<string, string>> => {
  const from = [
    "package.json",
    "package-lock.json",
    "dprint.json",
    "tsconfig.json",
    "tsconfig.build.json",
    ...["src", "test/api"].flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts")).sort()
        .map((file) => join(folder, file))
    )
  ]
  const hash = createHash("sha256")
  for (const file of from) hash.update(`\0${file}\0`).update(readFileSync(file))
  const key = hash.digest("hex")
  const known = existsSync(cache)
    ? JSON.parse(readFileSync(cache, "utf8")) as { readonly key: string; readonly made: Record<string, string> }
    : undefined
  if (known?.key === key) return known.made
  const made = await make()
  mkdirSync(dirname(cache), { recursive: true })
  writeFileSync(cache, JSON.stringify({ key, made }))
  return made
}

const made = await cached(reports)
const committed = Object.fromEntries(
  (existsSync("api") ? readdirSync("api") : []).map((file) => [file, readFileSync(join("api", file), "utf8")])
)

if (process.argv.includes("--check")) {
  const change = compare(committed, made)
  if (change !== undefined) {
    console.error(change)
    process.exitCode = 1
  }
} else {
  mkdirSync("api", { recursive: true })
  for (const file of Object.keys(committed)) if (made[file] === undefined) rmSync(join("api", file))
  for (const [file, text] of Object.entries(made)) if (committed[file] !== text) writeFileSync(join("api", file), text)
}
