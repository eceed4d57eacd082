/**
 * What `startOrResume` keeps of an upload: the lock on it, and its state from the first byte until the video was taken.
 * The upload runs for as long as the lock is ours.
 */
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as PandaClient from "../../PandaClient.js"
import type { PandaUploadLocked } from "../../PandaError.js"
import type { Finished, UploadState } from "../../UploadState.js"
import * as UploadStore from "../../UploadStore.js"
import type { Video } from "../model/video.js"

/** What tells an upload from others: all of its state that stays the same while it goes on. */
export type Identity = Pick<UploadState, "name" | "fingerprint" | "options">

export interface Keeping {
  /** Gets the lock on an upload, and gives what is known of it. `waiting` runs if there is somebody to wait for. */
  readonly open: (
    upload: Identity,
    waiting: Effect.Effect<void>
  ) => Effect.Effect<Option.Option<UploadState>, PandaUploadLocked>
  readonly save: (state: UploadState) => Effect.Effect<void>
  /** Keeps that there is a video. */
  readonly finish: (video: Video) => Effect.Effect<void>
  readonly forget: Effect.Effect<void, PandaUploadLocked>
  /** Runs the upload for as long as the lock is ours: once it is not, no request is sent any more. */
  readonly whileOurs: <A, E, R>(upload: Effect.Effect<A, E, R>) => Effect.Effect<A, E | PandaUploadLocked, R>
  /** Says that the video was taken: unless whoever took it fails over it, it need not be kept for its sake. */
  readonly taken: Effect.Effect<void>
}

/** The key of an upload, for the client that does it. */
export const keyOf = (
  { fingerprint, name, options }: Identity
): Effect.Effect<string, never, PandaClient.PandaClient> =>
  Effect.gen(function*() {
    const { credentials: { auth, baseUrl, cloudId } } = yield* PandaClient.PandaClient
    const cloud = (yield* PandaClient.CurrentCloud) ?? cloudId
    return UploadStore.keyOf(name, fingerprint, { auth, baseUrl, cloudId: cloud }, options)
  })

export const make = (
  keepFinished: Duration.DurationInput
): Effect.Effect<Keeping, never, PandaClient.PandaClient | UploadStore.UploadStore | Scope.Scope> =>
  Effect.gen(function*() {
    const client = yield* PandaClient.PandaClient
    const store = yield* UploadStore.UploadStore
    const locks = yield* Scope.make()
    const loss = yield* Deferred.make<never, PandaUploadLocked>()
    let held: { readonly key: string; readonly lock: UploadStore.Lock } | undefined
    let last: UploadState | undefined
    let taken = false

    const lose = (error: PandaUploadLocked) => Effect.asVoid(Deferred.fail(loss, error))

    const take = (upload: Identity, waiting: Effect.Effect<void>) =>
      Effect.gen(function*() {
        const key = yield* Effect.provideService(keyOf(upload), PandaClient.PandaClient, client)
        if (held?.key === key) return held
        const lock = yield* Scope.extend(store.lock(key, upload.name, waiting), locks)
        yield* Effect.forkIn(Effect.catchAll(lock.lost, lose), locks)
        return { key, lock }
      })

    const keep = (finished: Finished, location: UploadState["location"]) =>
      Effect.suspend(() => {
        if (held === undefined || last === undefined) return Effect.void
        last = { ...last, finished, location }
        return store.set(held.key, last, held.lock)
      })

    const forget = Effect.suspend(() => held === undefined ? Effect.void : store.remove(held.key, held.lock))

    /** Somebody who waited finds the video; who was promised it for some time, does so for that long. */
    const settle = Effect.gen(function*() {
      if (held === undefined || last?.finished === undefined || last.finished.until !== undefined) return
      const { finished } = last
      const time = Duration.decode(keepFinished)
      if (!Duration.isFinite(time)) return
      if (Duration.toMillis(time) > 0) {
        // What is kept for long is kept without a secret: the location is of no use any more.
        const nowhere = Redacted.make(new URL(Redacted.value(last.location)).origin)
        yield* keep({ ...finished, until: DateTime.addDuration(finished.at, time) }, nowhere)
      } else if (!(yield* held.lock.wanted)) yield* forget
    })

    yield* Effect.addFinalizer((exit) =>
      Effect.zipRight(
        taken && Exit.isSuccess(exit) ? Effect.ignore(settle) : Effect.void,
        Scope.close(locks, exit)
      )
    )

    return {
      open: (upload, waiting) =>
        Effect.gen(function*() {
          held = yield* take(upload, waiting)
          const state = Option.getOrUndefined(yield* store.get(held.key))
          const until = state?.finished?.until
          if (until !== undefined && (yield* DateTime.isPast(until))) {
            yield* forget
            return Option.none()
          }
          last = state
          return Option.fromNullable(state)
        }),
      save: (state) =>
        Effect.gen(function*() {
          const before = held
          // Whole is whole only with the video, and that is what is saved next.
          const whole = state.acknowledged === state.fingerprint.size
          if (whole && last !== undefined && Equal.equals(last.location, state.location)) {
            last = state
            return
          }
          // A source that has changed is another upload.
          held = yield* Effect.interruptible(take(state, Effect.void))
          last = state
          yield* store.set(held.key, state, held.lock)
          if (before !== undefined && before.key !== held.key) yield* store.remove(before.key, before.lock)
        }).pipe(Effect.catchAll(lose)),
      finish: (video) =>
        Effect.flatMap(
          DateTime.now,
          (at) => last === undefined ? Effect.void : Effect.ignore(keep({ video, at }, last.location))
        ),
      forget,
      whileOurs: (upload) =>
        Effect.flatMap(PandaClient.CurrentTransform, (transform) => {
          const check = Effect.suspend(() => held === undefined ? Effect.void : held.lock.check)
          const checked = Effect.catchAll(check, (error) => Effect.zipRight(lose(error), Effect.never))
          return PandaClient.withTransform(upload, (request) => Effect.zipRight(checked, transform(request)))
        }).pipe(Effect.raceFirst(Deferred.await(loss))),
      taken: Effect.sync(() => {
        taken = true
      })
    }
  })
