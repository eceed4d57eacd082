/** Saves an upload's states while it goes on: of those that wait for their turn, the newest. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { UploadState } from "../../UploadState.js"

export interface Saver {
  /** Sees to it that the state is saved, and does not wait for that. */
  readonly put: (state: UploadState) => Effect.Effect<void>
  /** Waits until all is saved. */
  readonly settle: Effect.Effect<void>
}

export const make = (save: (state: UploadState) => Effect.Effect<void>): Effect.Effect<Saver, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    let waiting: UploadState | undefined
    let saving: Fiber.RuntimeFiber<void> | undefined

    const saveOn: Effect.Effect<void> = Effect.suspend(() => {
      const state = waiting
      waiting = undefined
      return state === undefined
        ? Effect.sync(() => {
          saving = undefined
        })
        : Effect.zipRight(save(state), saveOn)
    })

    // What has died over one state stays, for whoever waits for it.
    const settle = Effect.suspend(() => saving === undefined ? Effect.void : Fiber.join(saving))

    return {
      put: (state) =>
        Effect.suspend(() => {
          waiting = state
          if (saving !== undefined) {
            return Fiber.poll(saving).pipe(Effect.flatMap((done) => done._tag === "Some" ? settle : Effect.void))
          }
          // An interruption waits for it: half a state would be none.
          return Effect.uninterruptible(Effect.map(Effect.forkIn(saveOn, scope), (fiber) => {
            saving = fiber
          }))
        }),
      settle
    }
  })
