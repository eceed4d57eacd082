/** What the commands of all resources have in common: `list`, `show` and `delete`. */
import * as Args from "@effect/cli/Args"
import type * as Options from "@effect/cli/Options"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { PandaClient } from "../PandaClient.js"
import type { PandaError } from "../PandaError.js"
import { confirm } from "./ask.js"
import { argument, type Example, flag, integer, leaf } from "./command.js"
import { connected } from "./configuration.js"
import { codes, Ended } from "./exit.js"
import * as json from "./json.js"
import { Output } from "./output.js"
import { inLine, table } from "./text.js"

interface Entity {
  readonly id: string
}

export interface Resource<A extends Entity> {
  /** As a command names it: one, and many. */
  readonly one: string
  readonly many: string
  readonly toJson: (entity: A) => string
  readonly columns: Readonly<Record<string, (entity: A) => string | number | undefined>>
}

type Panda<A> = Effect.Effect<A, PandaError, PandaClient>

/** An entity as Panda writes it. */
export const wire = <A extends Entity>({ toJson }: Pick<Resource<A>, "toJson">, entity: A) =>
  JSON.parse(toJson(entity)) as Record<string, unknown>

const shown = (value: unknown): string =>
  inLine(value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value))

/** All attributes, a line each; or with `--json` the result. */
export const showRecord = (record: Readonly<Record<string, unknown>>) =>
  Effect.gen(function*() {
    const output = yield* Output
    const rows = Object.entries(record)
    const names = Math.max(0, ...rows.map(([name]) => name.length))
    for (const [name, value] of rows) {
      yield* output.print(`${output.style.out("bold", inLine(name).padEnd(names))}  ${shown(value)}`)
    }
    yield* output.emit({ type: "result", value: record })
  })

export const showEntity = <A extends Entity>(resource: Resource<A>, entity: A) => showRecord(wire(resource, entity))

export const list = <A extends Entity, O extends object>(
  resource: Resource<A>,
  options: { readonly [K in keyof O]: Options.Options<O[K]> },
  all: (filter: O) => Stream.Stream<A, PandaError, PandaClient>,
  examples: ReadonlyArray<Example>
) =>
  leaf<O & { readonly limit: number | undefined }, object>({
    name: "list",
    summary: `List the ${resource.many}, newest first`,
    examples,
    connects: true,
    // Those of the resource, and one more: what the compiler cannot add up for any resource.
    options: { ...options, limit: integer("limit", "COUNT", "How many at most; all by default", 1) } as never,
    args: {},
    run: ({ limit, ...filter }) =>
      Effect.gen(function*() {
        const output = yield* Output
        const names = Object.keys(resource.columns)
        let count = 0
        // What is left without the limit is O again, which the compiler cannot see of a type that it does not know.
        yield* all(filter as unknown as O).pipe(
          limit === undefined ? (stream) => stream : Stream.take(limit),
          // What a page has is laid out together, and shown before the next one is asked for.
          Stream.runForEachChunk((entities) =>
            Effect.gen(function*() {
              const rows = Chunk.toReadonlyArray(entities)
              const cells = rows.map((entity) => names.map((name) => shown(resource.columns[name]!(entity))))
              const [head, ...lines] = table([names, ...cells], output.columns.out())
              if (count === 0 && rows.length > 0) yield* output.print(output.style.out("bold", head!))
              yield* Effect.forEach(lines, output.print)
              yield* Effect.forEach(rows, (entity) => output.emit({ type: "item", item: wire(resource, entity) }))
              count += rows.length
            })
          )
        )
        if (count === 0) yield* output.note(`There are no ${resource.many}.`)
        yield* output.emit({ type: "result", value: { count } })
      }).pipe(connected)
  })

export const show = <A extends Entity>(
  resource: Resource<A>,
  find: (id: string) => Panda<A>,
  id: string,
  examples: ReadonlyArray<Example>
) =>
  leaf({
    name: "show",
    summary: `Show all that Panda knows of ${resource.one}`,
    examples,
    connects: true,
    options: {},
    args: { id: argument(id, `The ${id.toLowerCase()} of ${resource.one}`) },
    run: ({ id }) => Effect.flatMap(find(id), (entity) => showEntity(resource, entity)).pipe(connected)
  })

/** Does something to each of several, and ends as `upload` does where some fail. */
export const each = (ids: ReadonlyArray<string>, done: string, act: (id: string) => Panda<unknown>) =>
  Effect.gen(function*() {
    const output = yield* Output
    const outcomes = yield* Effect.forEach(ids, (id) =>
      act(id).pipe(
        Effect.zipRight(output.print(`${done} ${inLine(id)}`)),
        Effect.zipRight(output.emit({ type: "item", item: { id, ok: true } })),
        Effect.tapError((error) => output.emit({ type: "item", item: { id, ok: false, error: json.failure(error) } })),
        Effect.either
      ))
    const failures = outcomes.flatMap((outcome) => outcome._tag === "Left" ? [outcome.left] : [])
    const [first] = failures
    if (first === undefined) return yield* output.emit({ type: "result", value: { count: ids.length } })
    if (ids.length === 1) return yield* first
    for (const { message } of failures) yield* output.complain(output.style.err("red", message))
    return yield* new Ended({
      code: failures.length < ids.length ? codes.partly : codes.failed,
      message: `${failures.length} of ${ids.length} failed`
    })
  })

export const remove = <A extends Entity>(
  resource: Resource<A>,
  del: (id: string) => Panda<unknown>,
  lost: string,
  examples: ReadonlyArray<Example>
) =>
  leaf({
    name: "delete",
    summary: `Delete ${resource.many}${lost}; asks before it does`,
    examples,
    connects: true,
    options: { yes },
    args: { ids: Args.atLeast(argument("ID", `The id of ${resource.one}`), 1) },
    run: ({ ids, yes }) =>
      Effect.gen(function*() {
        const sure = yield* confirm(
          `Delete ${ids.length === 1 ? inLine(ids[0]!) : `${ids.length} ${resource.many}`}${lost}?`,
          yes
        )
        if (!sure) return yield* new Ended({ code: codes.failed, message: "not deleted" })
        return yield* each(ids, "Deleted", del)
      }).pipe(connected)
  })

export const yes = flag("yes", "Do it without a question")
