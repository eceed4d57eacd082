/** Lists come in pages, numbered from 1; the first short page is the last (contract 5.1). */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const PER_PAGE = 100

/** The parameters of every list. */
export const page = {
  /** From 1. */
  page: Schema.optional(Schema.Int.pipe(Schema.positive())),
  /** 1 to 100, which is the default. */
  per_page: Schema.optional(Schema.Int.pipe(Schema.between(1, PER_PAGE)))
}

/** Every page from the filter's own on, one request each, as it is pulled. */
export const paginate = <
  F extends { readonly page?: number | undefined; readonly per_page?: number | undefined },
  A,
  E,
  R
>(
  list: (filter: F & { readonly page: number }) => Effect.Effect<ReadonlyArray<A>, E, R>,
  filter: F
): Stream.Stream<A, E, R> =>
  Stream.paginateChunkEffect(filter.page ?? 1, (page) =>
    Effect.map(list({ ...filter, page }), (items) => [
      Chunk.unsafeFromArray(items),
      items.length < (filter.per_page ?? PER_PAGE) ? Option.none() : Option.some(page + 1)
    ]))
