/** What is asked of executions, for those that listen. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** To look up, since there may be news; or to end. */
export type Signal = "Wake" | "Cancel"

export interface Signals {
  /** Comes back when something is asked of the execution. */
  readonly next: (id: string) => Effect.Effect<Signal>
  readonly tell: (id: string, signal: Signal) => void
}

export const make = (): Signals => {
  const listeners = new Map<string, Set<(signal: Signal) => void>>()
  return {
    next: (id) =>
      Effect.async((resume) => {
        const told = (signal: Signal) => resume(Effect.succeed(signal))
        listeners.set(id, (listeners.get(id) ?? new Set()).add(told))
        return Effect.sync(() => {
          const known = listeners.get(id)
          known?.delete(told)
          if (known?.size === 0) listeners.delete(id)
        })
      }),
    tell: (id, signal) => {
      const known = listeners.get(id)
      listeners.delete(id)
      known?.forEach((told) => told(signal))
    }
  }
}

/** Looks once a second, for all that listen together, as long as any do. */
export const polling = <E extends { readonly message: string }>(
  look: Effect.Effect<ReadonlyMap<string, Signal>, E>
): Effect.Effect<Signals, never, Scope.Scope> =>
  Effect.gen(function*() {
    const signals = make()
    const anybody = yield* Effect.makeLatch(false)
    let listening = 0
    yield* anybody.await.pipe(
      Effect.zipRight(look),
      Effect.map((asked) => asked.forEach((signal, id) => signals.tell(id, signal))),
      Effect.catchAll((error) => Effect.logDebug("Panda.Ingest: could not look for what is asked", error.message)),
      Effect.zipRight(Effect.sleep("1 second")),
      Effect.forever,
      Effect.forkScoped
    )
    return {
      ...signals,
      next: (id) =>
        Effect.acquireUseRelease(
          Effect.suspend(() => ++listening === 1 ? anybody.open : Effect.void),
          () => signals.next(id),
          () => Effect.suspend(() => --listening === 0 ? anybody.close : Effect.void)
        )
    }
  })
