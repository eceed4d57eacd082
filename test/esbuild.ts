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
