/**
 * What tests draw from, all of them. Each test has a seed of its own, which follows from its name and from FUZZ_SEED. It is
 * the same in every run, so that a commit passes always or never; `npm run test:fuzz` takes another FUZZ_SEED each time.
 * FUZZ_TIMES=n tries n times as much. What a run of all tests takes a part of, `npm run test:fuzz` takes whole.
 */
import { Cause, Effect, FastCheck, Hash, Random } from "effect"
import { keep, read } from "./kept.js"

const folder = "test/fuzz/kept"
export const kept = read(folder)

const given = process.env["FUZZ_SEED"]

/** Whether this is the run that takes its time: `npm run test:fuzz`. */
export const thorough = given !== undefined

/** A run of all tests tries the same each time: of that a third is enough. */
export const times = Number(process.env["FUZZ_TIMES"] ?? (thorough ? 1 : 1 / 3))

/** Every third of a table, from one on that differs from turn to turn: three turns have had all. */
export const third = <A>(table: ReadonlyArray<A>, turn: number): ReadonlyArray<A> =>
  thorough ? table : table.filter((_, at) => at % 3 === turn % 3)

let test = ""

/** The seed of the test that runs, or of a part of it. */
export const seedOf = (part = ""): number => Hash.string(`${given ?? ""} ${test} ${part}`)

/** How to see it again. */
const again = (): string =>
  given === undefined ? "The seed is always the same" : `FUZZ_SEED=${given} runs it again: ${test}`

/** Only what fresh seeds have found is news. */
const keepHere = (value: unknown): string =>
  process.env["FUZZ_KEEP"] === undefined
    ? ""
    : `\nKept as ${keep(folder, test, value)}, which is tried in every run from now on`

const report = (details: FastCheck.RunDetails<unknown>): void => {
  if (!details.failed) return
  const found = details.counterexample === null ? "" : keepHere(details.counterexample)
  throw new Error(`${FastCheck.defaultReportMessage(details)}\n${again()}${found}`)
}

/** The counterexamples of the test that runs. */
export const known = (): ReadonlyArray<unknown> => kept.filter((each) => each.test === test).map(({ value }) => value)

/** Values to try: those that it has failed on before, then others. */
export const samples = <A>(arbitrary: FastCheck.Arbitrary<A>, count: number): ReadonlyArray<A> => [
  ...known() as ReadonlyArray<A>,
  ...draws(arbitrary, count)
]

/** Values, none of them kept. */
export const draws = <A>(arbitrary: FastCheck.Arbitrary<A>, count: number, part?: string): ReadonlyArray<A> =>
  FastCheck.sample(arbitrary, { numRuns: Math.ceil(count * times), seed: seedOf(part), examples: [] })

/** Tries something with a value, which is kept if it fails. */
export const trying = <A, E, R>(value: unknown, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.catchAllCause(effect, (cause) =>
    Cause.isInterruptedOnly(cause)
      ? Effect.failCause(cause)
      : Effect.dieMessage(`${Cause.pretty(cause)}\n${JSON.stringify(value)}\n${again()}${keepHere(value)}`))

/** From here on everything draws for this test: properties, and what Effect's `Random` gives. */
export const begin = (name: string): void => {
  test = name
  const parameters = { seed: seedOf(), reporter: report, examples: known() as Array<unknown> }
  FastCheck.configureGlobal(parameters)
  Object.assign(Effect.runSync(Effect.random), Random.make(seedOf("Random")))
}
