/**
 * Lists come in pages, numbered from 1, newest first (contract 5.1). Nothing in a page tells whether it is the last, or
 * what the server takes for a whole one; and while pages are pulled, what is deleted moves the rest forward, past a page
 * that was read, and what is new moves it back.
 */
import * as Chunk from "effect/Chunk"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const PER_PAGE = 100

/** How many pages without anything new are gone past: an endpoint that does not know `page` gives the same for ever. */
const PATIENCE = 3

/** How often a list is gone through at most, should it never be the same twice. */
const PASSES = 20

/** The parameters of every list. */
export const page = {
  /** From 1. */
  page: Schema.optional(Schema.Int.pipe(Schema.positive())),
  /** 1 to 100, which is the default. */
  per_page: Schema.optional(Schema.Int.pipe(Schema.between(1, PER_PAGE)))
}

/** What a list is of. */
interface Item {
  readonly id: string
  readonly created_at?: DateTime.Utc | undefined
}

/** What a page has that is new, and where to go on. */
type Step<A> = readonly [Chunk.Chunk<A>, Option.Option<At>]

/** How far a listing is. */
interface At {
  readonly page: number
  readonly pass: number
  /** The last page that had something new, in this pass or in one before. */
  readonly reach: number
  /** Whether this pass has shown something that was there all the time. */
  readonly hasNews: boolean
}

/**
 * Everything from the filter's own page on, a request for each page as it is pulled, nothing twice. A list ends with an
 * empty page; one that has more than a page is then gone through again, until that shows nothing that was left out.
 * What `known` has, a complete list from before, is not asked for again as long as the first page is just that.
 */
export const paginate = <
  F extends { readonly page?: number | undefined; readonly per_page?: number | undefined },
  A extends Item,
  E,
  R
>(
  list: (filter: F & { readonly page: number; readonly per_page: number }) => Effect.Effect<ReadonlyArray<A>, E, R>,
  filter: F,
  known: ReadonlyArray<Item> = []
): Stream.Stream<A, E, R> =>
  Stream.suspend(() => {
    const first = filter.page ?? 1
    const seen = new Set<string>()
    let newest: DateTime.Utc | undefined

    const pageOf = (page: number) => list({ ...filter, page, per_page: filter.per_page ?? PER_PAGE })

    const step = (at: At, items: ReadonlyArray<A>): Step<A> => {
      const fresh = items.filter(({ id }) => !seen.has(id) && seen.add(id))
      newest ??= items[0]?.created_at
      // What was made since is no reason to look for more: else a busy cloud's list would not end.
      const isNews = ({ created_at }: A) =>
        newest === undefined || created_at === undefined || DateTime.lessThanOrEqualTo(created_at, newest)
      const reach = fresh.length > 0 ? Math.max(at.reach, at.page) : at.reach
      const hasNews = at.hasNews || fresh.some(isNews)
      return [Chunk.unsafeFromArray(fresh), next({ ...at, reach, hasNews }, items)]
    }

    const next = (at: At, items: ReadonlyArray<A>): Option.Option<At> => {
      // Past the last page nothing can have slipped, so a pass that is only to make sure of that stops before it.
      const isSure = at.pass > 1 && !at.hasNews && at.page + 1 >= at.reach
      if (items.length > 0 && at.page - at.reach < PATIENCE && !isSure) return Option.some({ ...at, page: at.page + 1 })
      return at.hasNews && at.pass < PASSES
        ? Option.some({ ...at, page: first, pass: at.pass + 1, hasNews: false })
        : Option.none()
    }

    const isKnown = (items: ReadonlyArray<A>): boolean =>
      known.length > 0 && items.length === known.length && known.every(({ id }) => seen.has(id))

    /** Of a page that is not what was asked for the next is looked at before anyone can delete: it may be the only one. */
    const start = (at: At, items: ReadonlyArray<A>): Effect.Effect<Step<A>, E, R> => {
      const [chunk, following] = step(at, items)
      if (isKnown(items)) return Effect.succeed([chunk, Option.none()])
      if (Option.isNone(following) || items.length >= (filter.per_page ?? PER_PAGE)) {
        return Effect.succeed([chunk, following])
      }
      return Effect.map(pageOf(following.value.page), (items) => {
        const [more, next] = step(following.value, items)
        return [Chunk.appendAll(chunk, more), items.length === 0 ? Option.none() : next]
      })
    }

    return Stream.paginateChunkEffect(
      { page: first, pass: 1, reach: first, hasNews: false },
      (at: At) =>
        Effect.flatMap(pageOf(at.page), (items) =>
          at.pass === 1 && at.page === first ? start(at, items) : Effect.succeed(step(at, items)))
    )
  })
