/** What all entities have: an id, a way to show them, a way to make another like them. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import * as json from "./json.js"
import * as wire from "./wire.js"

/** An entity, or the id of one. */
export type Ref = string | { readonly id: string }

/** What is no reference at all is for `path` to refuse. */
export const idOf = (ref: Ref): string => typeof ref === "object" && ref !== null ? ref.id : ref

/** The entity as Panda writes it, attributes that we do not know included. */
export const toJson = <A, I>(schema: Schema.Schema<A, I>): (entity: A, indent?: number) => string => {
  const encode = Schema.encodeSync(schema)
  return (entity, indent) => json.write(encode(entity), indent)
}

export const dup = <A extends { readonly id: string }>(entity: A): Omit<A, "id"> => {
  const { id: _, ...rest } = entity
  return rest
}

export const first = <F, A, E, R>(
  list: (filter: F & { readonly page: 1; readonly per_page: 1 }) => Effect.Effect<ReadonlyArray<A>, E, R>,
  filter: F
): Effect.Effect<Option.Option<A>, E, R> => Effect.map(list({ ...filter, page: 1, per_page: 1 }), Arr.head)

/**
 * The attributes of `after` that do not say the same as those of `before`, whatever they are written as; one that is gone
 * is cleared, also where it could not be read.
 */
export const changes = <K extends string>(
  attributes: { readonly [key in K]: wire.Attribute<unknown> },
  before: { readonly [key: string]: unknown },
  after: { readonly [key: string]: unknown }
): { readonly [key in K]?: unknown } => {
  const [was, is] = [{ ...before, ...wire.unreadable(before) }, { ...after, ...wire.unreadable(after) }]
  const changed = Struct.keys(attributes).filter((key) => !wire.isSame(attributes[key], was[key], is[key]))
  return Object.fromEntries(changed.map((key) => [key, after[key] ?? null])) as { readonly [key in K]?: unknown }
}
