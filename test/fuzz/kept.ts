/**
 * Counterexamples that were found, as data in `kept/`, one file each. The test that each was found by tries it first, in
 * every run. `npm run test:fuzz` adds those that it finds.
 */
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

export interface Kept {
  readonly file: string
  /** Its file and its titles, as in `test/fuzz/answers.test.ts > entities > …`. */
  readonly test: string
  readonly value: unknown
}

/** What JSON has no words for is an object with this one key. */
const SPECIAL = "$"

/** A value as JSON, all that is data; what is not, such as a function, cannot be kept. */
export const encode = (value: unknown): unknown => {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value
  if (value === undefined) return { [SPECIAL]: "undefined" }
  if (typeof value === "number") {
    return Number.isFinite(value) && !Object.is(value, -0)
      ? value
      : { [SPECIAL]: `number ${Object.is(value, -0) ? "-0" : value}` }
  }
  if (typeof value === "bigint") return { [SPECIAL]: `bigint ${value}` }
  if (value instanceof Uint8Array) return { [SPECIAL]: `bytes ${Buffer.from(value).toString("base64")}` }
  if (Array.isArray(value)) return value.map(encode)
  if (typeof value !== "object") throw new Error(`a ${typeof value} cannot be kept: let the property draw a name of it`)
  const pairs = Object.entries(value).map(([key, value]) => [key, encode(value)] as const)
  return pairs.some(([key]) => key === SPECIAL || key === "__proto__")
    ? { [SPECIAL]: "object", pairs }
    : Object.fromEntries(pairs)
}

/** The value that was encoded. */
export const decode = (json: unknown): unknown => {
  if (typeof json !== "object" || json === null) return json
  if (Array.isArray(json)) return json.map(decode)
  if (!Object.hasOwn(json, SPECIAL)) {
    return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, decode(value)]))
  }
  const { [SPECIAL]: special, pairs } = json as {
    readonly [SPECIAL]: string
    readonly pairs: ReadonlyArray<[string, unknown]>
  }
  const [kind, text = ""] = special.split(" ")
  switch (kind) {
    case "undefined":
      return undefined
    case "number":
      return Number(text)
    case "bigint":
      return BigInt(text)
    case "bytes":
      return new Uint8Array(Buffer.from(text, "base64"))
    default:
      return Object.fromEntries(pairs.map(([key, value]) => [key, decode(value)]))
  }
}

/** What a folder holds. */
export const read = (folder: string): ReadonlyArray<Kept> =>
  (existsSync(folder) ? readdirSync(folder) : []).sort().map((file) => {
    const { test, value } = JSON.parse(readFileSync(join(folder, file), "utf8")) as Omit<Kept, "file">
    return { file, test, value: decode(value) }
  })

/** Writes a counterexample into a folder, and tells where. */
export const keep = (folder: string, test: string, value: unknown): string => {
  const text = `${JSON.stringify({ test, value: encode(value) }, undefined, 2)}\n`
  const words = test.split(" > ").at(-1)!.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").slice(0, 40)
  const file = join(folder, `${words}-${createHash("sha256").update(text).digest("hex").slice(0, 8)}.json`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(file, text)
  return file
}
