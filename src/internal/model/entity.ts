/** What all entities have: an id, a way to show them, a way to make another like them. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** An entity, or the id of one. */
export type Ref = string | { readonly id: string }

/** What is no reference at all is for `path` to refuse. */
export const idOf = (ref: Ref): string => typeof ref === "object" && ref !== null ? ref.id : ref

/** The entity as Panda writes it, attributes that we do not know included. */
export const toJson = <A, I>(schema: Schema.Schema<A, I>): (entity: A, indent?: number) => string => {
  const encode = Schema.encodeSync(schema)
  return (entity, indent) => JSON.stringify(encode(entity), null, indent)
}

export const dup = <A extends { readonly id: string }>(entity: A): Omit<A, "id"> => {
  const { id: _, ...rest } = entity
  return rest
}

export const first = <F, A, E, R>(
  list: (filter: F & { readonly page: 1; readonly per_page: 1 }) => Effect.Effect<ReadonlyArray<A>, E, R>,
  filter: F
): Effect.Effect<Option.Option<A>, E, R> => Effect.map(list({ ...filter, page: 1, per_page: 1 }), Arr.head)

/** The attributes of `after` that are not those of `before`; one that is gone is cleared. */
export const changes = <K extends string>(
  keys: ReadonlyArray<K>,
  before: { readonly [key: string]: unknown },
  after: { readonly [key: string]: unknown }
): { readonly [key in K]?: unknown } => {
  const changed = keys.filter((key) => !Equal.equals(before[key] ?? null, after[key] ?? null))
  return Object.fromEntries(changed.map((key) => [key, after[key] ?? null])) as { readonly [key in K]?: unknown }
}
