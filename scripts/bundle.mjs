/**
 * Makes one file of the command and all that it imports, so that the library's users get no new dependency, and puts the
 * licences of what went into it beside. `node scripts/bundle.mjs [FOLDER]`; `npm run build` makes it into dist/cli.
 */
import { build } from "esbuild"
import { chmod, copyFile, readdir, readFile, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const folder = resolve(process.argv[2] ?? join(root, "dist/cli"))
const file = join(folder, "effect-panda.mjs")

/** Native, and so no part of a bundle: it is looked for when it is needed, beside the package. */
const atRunTime = (name) => ({
  name: `${name} at run time`,
  setup: ({ onLoad, onResolve }) => {
    onResolve({ filter: new RegExp(`^${name}$`) }, ({ namespace }) =>
      namespace === "run-time" ? { path: name, external: true } : { path: name, namespace: "run-time" })
    onLoad({ filter: /.*/, namespace: "run-time" }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)})`,
      resolveDir: root
    }))
  }
})

const { metafile } = await build({
  entryPoints: [join(root, "src/cli/main.ts")],
  absWorkingDir: root,
  outfile: file,
  bundle: true,
  minifyWhitespace: true,
  minifySyntax: true,
  // Names of functions are seen in traces. To keep them besides shorter ones would cost something for each function made.
  minifyIdentifiers: false,
  platform: "node",
  target: "node20",
  format: "esm",
  metafile: true,
  logLevel: "warning",
  external: ["@parcel/watcher", "pg-native"],
  plugins: [atRunTime("better-sqlite3")],
  banner: {
    js: [
      "#!/usr/bin/env node",
      // What is CommonJS in it calls require.
      "import { createRequire as $createRequire } from \"node:module\"; const require = $createRequire(import.meta.url);"
    ].join("\n")
  }
})
await chmod(file, 0o755)
await copyFile(join(root, "test/fixtures/panda.mp4"), join(folder, "panda.mp4"))

/** The innermost package that a file belongs to. */
const packageOf = (input) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1]

const packages = [...new Set(Object.keys(metafile.inputs).map(packageOf).filter((name) => name !== undefined))].sort()
const licences = await Promise.all(packages.map(async (path) => {
  const { license, name, version } = JSON.parse(await readFile(join(root, path, "package.json"), "utf8"))
  const files = (await readdir(join(root, path))).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file))
  const texts = await Promise.all(files.map((file) => readFile(join(root, path, file), "utf8")))
  if (license === undefined && texts.length === 0) throw new Error(`${name} does not say under which licence it is`)
  return [`${name} ${version}, ${license}`, ...texts.map((text) => text.trim())].join("\n\n")
}))
await writeFile(join(folder, "LICENSES.txt"), `${licences.join(`\n\n${"-".repeat(80)}\n\n`)}\n`)
