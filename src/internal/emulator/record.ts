/**
 * What an emulator remembers of what happened. It may run for months.
 */

/** Keeps the last ones, as many as `limit` says. */
export const makeRecord = <A>(limit: number) => {
  let items: Array<A> = []
  const last = () => items.slice(Math.max(0, items.length - limit))
  return {
    add: (item: A): void => {
      items.push(item)
      // Twice as many, so that an addition costs the same however many there are.
      if (items.length > 2 * limit + 100) items = last()
    },
    last
  }
}
