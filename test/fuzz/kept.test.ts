import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck, Random } from "effect"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { vi } from "vitest"
import { decode, encode, keep, read } from "./kept.js"
import { begin, draws, kept, known, samples, seedOf } from "./seed.js"

/** As if another test ran for a while. */
const during = <A>(name: string, run: () => A): A => {
  begin(name)
  return run()
}

describe("a counterexample", () => {
  const values = [
    undefined,
    null,
    -0,
    0,
    NaN,
    Infinity,
    -Infinity,
    10n ** 30n,
    "\ud800\u0000",
    new Uint8Array([0, 255]),
    { $: "mine", a: undefined },
    [{ a: [{ b: -0 }] }],
    JSON.parse(`{"__proto__":1,"a":2}`)
  ]

  it.each(values.map((value) => ({ value })))("is the same when it is read again: $value", ({ value }) => {
    const read = decode(JSON.parse(JSON.stringify(encode(value))))
    assert.deepStrictEqual(read, value)
    if (typeof value === "object" && value !== null && !(value instanceof Uint8Array)) {
      assert.deepStrictEqual(Object.keys(read as object), Object.keys(value))
    }
  })

  it.prop("is the same when it is read again, whatever it is", [FastCheck.anything({
    withBigInt: true,
    withNullPrototype: false,
    withTypedArray: false,
    withDate: false,
    withMap: false,
    withSet: false,
    withSparseArray: false,
    withObjectString: true
  })], ([value]) => assert.deepStrictEqual(decode(JSON.parse(JSON.stringify(encode(value)))), value))

  it("is a file of its own, once", () => {
    const folder = mkdtempSync(join(tmpdir(), "effect-panda-kept-"))
    const found = [["a > b c", [-0]], ["a > b c", [1]], ["a > d", [1]]] as const
    for (const [test, value] of [...found, ...found]) keep(folder, test, value)
    const files = read(folder)
    rmSync(folder, { recursive: true })
    assert.sameDeepMembers(files.map(({ test, value }) => [test, value]), found.map((each) => [...each]))
    assert.match(files[0]!.file, /^b-c-[0-9a-f]{8}\.json$/)
  })

  it("is data: what is not is refused by what it is", () => {
    assert.throws(() => encode({ a: [() => 1] }), "a function cannot be kept")
  })

  it.each(kept)("$file is of a test that there is", ({ test }) => {
    const [file, ...titles] = test.split(" > ")
    assert.isTrue(existsSync(file!), file)
    assert.include(readFileSync(file!, "utf8"), titles.at(-1)!)
  })

  it.each(kept)("$file is tried by its test, before all others", ({ test, value }) => {
    during(test, () => {
      assert.deepInclude(known(), value)
      assert.strictEqual(samples(FastCheck.string(), 1)[0], known()[0])
      const tried: Array<unknown> = []
      FastCheck.assert(FastCheck.property(FastCheck.string(), (value) => void tried.push(value)), { numRuns: 100 })
      assert.includeDeepMembers(tried, (value as ReadonlyArray<unknown>).slice(0, 1))
    })
  })
})

describe("what a test draws", () => {
  const drawn = () => ({
    seed: seedOf(),
    samples: draws(FastCheck.integer(), 5),
    random: Effect.runSync(Effect.replicateEffect(Random.next, 5)),
    property: (() => {
      const values: Array<number> = []
      FastCheck.assert(FastCheck.property(FastCheck.integer(), (value) => void values.push(value)))
      return values
    })()
  })

  it("is the same each time", () => {
    assert.deepStrictEqual(during("a", drawn), during("a", drawn))
  })

  it("is not what another test draws", () => {
    const [a, b] = [during("a", drawn), during("b", drawn)]
    for (const key of ["seed", "samples", "random", "property"] as const) assert.notDeepEqual(a[key], b[key], key)
  })

  it("is known when it fails, and may be drawn again", () => {
    vi.stubEnv("FUZZ_KEEP", undefined)
    during("a", () =>
      assert.throws(
        () => FastCheck.assert(FastCheck.property(FastCheck.integer(), (value) => value < 0)),
        /Counterexample: \[0\][^]*(The seed is always the same|FUZZ_SEED=\d+ runs it again)/
      ))
    vi.unstubAllEnvs()
  })
})
