import { createRequire } from "node:module"

interface Bundler {
  readonly build: (options: Readonly<Record<string, unknown>>) => Promise<{
    /** With `metafile: true`, what went into what. */
    readonly metafile: {
      readonly outputs: Readonly<
        Record<string, { readonly inputs: Readonly<Record<string, { readonly bytesInOutput: number }>> }>
      >
    }
  }>
}

/** The bundler that tsx brings with it. */
export const { build }: Bundler = createRequire(createRequire(import.meta.url).resolve("tsx"))("esbuild")

/**
 * Makes one file of each module and all that it imports, which a process loads in a fraction of the time that tsx needs
 * for the many.
 */
export const bundle = (modules: ReadonlyArray<string>, folder: string) =>
  build({
    entryPoints: modules,
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    platform: "node",
    format: "esm",
    external: ["@parcel/watcher", "better-sqlite3", "pg-native"],
    // By a name that no package has: some import the same.
    banner: {
      js: `import { createRequire as requireOfBundle } from "node:module"\n` +
        `const require = requireOfBundle(import.meta.url)`
    }
  })
