/**
 * What a store of unfinished uploads is made of, apart from its room because two rooms make one: texts under keys, each
 * with a lock, and every write under a lock with the name of who has it.
 */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"

/**
 * Texts under keys, each with a lock. Every function is one step as far as the backend can do it in one.
 *
 * @since 0.2.0
 * @category models
 */
export interface Records<E extends { readonly message: string }> {
  readonly read: (key: string) => Effect.Effect<Option.Option<string>, E>
  /** Writes, unless there is an owner who has not got the lock any more; tells whether it did. */
  readonly write: (key: string, text: string, owner: string | undefined) => Effect.Effect<boolean, E>
  /** Removes the text, unless there is an owner who has not got the lock any more; tells whether it did. */
  readonly remove: (key: string, owner: string | undefined) => Effect.Effect<boolean, E>
  /** Takes away a text that cannot be read, and leaves the note instead where that can be. */
  readonly setAside: (key: string, note: string) => Effect.Effect<void, E>
  /** Removes all there is of a key, unless somebody alive has its lock; tells whether it did. */
  readonly forget: (key: string) => Effect.Effect<boolean, E>
  /** Removes what the dead left behind before that time: locks, notes, half of what was being written. */
  readonly sweep: (before: DateTime.Utc) => Effect.Effect<void, E>
  /** The keys that have a text. */
  readonly keys: Effect.Effect<ReadonlyArray<string>, E>
  /** Steps towards the lock of a key, for an owner whose name nobody else has. */
  readonly contend: (key: string, owner: string, lease: Duration.Duration) => Contender<E>
}

/**
 * Somebody who wants a lock, gets it, keeps it, and gives it back.
 *
 * @since 0.2.0
 * @category models
 */
export interface Contender<E> {
  /** Tries to get the lock: none if it is ours now, or else what can be seen of who has it. */
  readonly attempt: Effect.Effect<Option.Option<Holder>, E>
  /** Shows that we are alive; tells whether the lock is still ours. */
  readonly renew: Effect.Effect<boolean, E>
  /** Whether the lock is still ours. */
  readonly holds: Effect.Effect<boolean, E>
  /** Whether others wait for it. */
  readonly wanted: Effect.Effect<boolean, E>
  /** Gives it back, if it is ours, and wants it no more. */
  readonly leave: Effect.Effect<void, E>
}

/**
 * What can be seen of who has a lock.
 *
 * @since 0.2.0
 * @category models
 */
export interface Holder {
  readonly owner: string
  /** Changes for as long as the holder lives. */
  readonly sign: string
  /** How long it may not change before the holder counts as dead. */
  readonly lease: Duration.Duration
}
