import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** What was made of some objects, and for how many layers. */
interface Slot<A> {
  made?: A
  users: number
  readonly next: WeakMap<object, Slot<A>>
}

const slot = <A>(): Slot<A> => ({ users: 0, next: new WeakMap() })

const after = <A>(before: Slot<A>, need: object): Slot<A> => {
  const known = before.next.get(need) ?? slot<A>()
  before.next.set(need, known)
  return known
}

/**
 * A layer that is built once for each of what it needs. Effect by itself builds a layer once in a graph, by reference,
 * even where it is provided with something else: of two accounts it would make one.
 */
export const layerPer = <I, S, E, R, R2>(
  tag: Context.Tag<I, S>,
  needs: Effect.Effect<ReadonlyArray<object>, E, R>,
  make: Effect.Effect<S, E, R2>
): Layer.Layer<I, E, R | R2> => {
  const root = slot<S>()
  const acquire = Effect.gen(function*() {
    const at = (yield* needs).reduce(after, root) as Slot<S>
    const made = at.made ?? (yield* make)
    at.users++
    // Another may have been quicker.
    return { at, service: at.made ??= made }
  })
  const acquired = Effect.acquireRelease(acquire, ({ at }) =>
    Effect.sync(() => {
      if (--at.users === 0) delete at.made
    }))
  return Layer.fresh(Layer.scoped(tag, Effect.map(acquired, ({ service }) => service)))
}
