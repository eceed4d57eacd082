/** Events between an upload and whoever looks on: the upload never waits, and news of one kind replace the older. */
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"

export interface Mailbox<A, E> {
  readonly offer: (event: A) => Effect.Effect<void>
  readonly end: (exit: Exit.Exit<unknown, E>) => Effect.Effect<void>
  /** What there is, once there is something; fails with nothing at the end. */
  readonly take: Effect.Effect<Chunk.Chunk<A>, Option.Option<E>>
}

/**
 * `replaces` tells whether an event makes the last one of the same subject that was not yet taken superfluous; all are of
 * the same, unless `subjectOf` says otherwise.
 */
export const make = <A, E>(
  replaces: (event: A, last: A) => boolean,
  subjectOf: (event: A) => unknown = () => undefined
): Effect.Effect<Mailbox<A, E>> =>
  Effect.map(Effect.makeLatch(false), (news) => {
    let events: Array<A> = []
    /** Where the last one of each subject is. */
    const lasts = new Map<unknown, number>()
    let ended: Exit.Exit<unknown, E> | undefined
    const look: Effect.Effect<Chunk.Chunk<A>, Option.Option<E>> = Effect.suspend(() => {
      if (events.length > 0) {
        const taken = Chunk.unsafeFromArray(events)
        events = []
        lasts.clear()
        return Effect.succeed(taken)
      }
      if (ended !== undefined) {
        return Exit.isSuccess(ended)
          ? Effect.fail(Option.none())
          : Effect.failCause(Cause.map(ended.cause, Option.some))
      }
      return Effect.zipRight(news.await, take)
    })
    // Closed before the look, not after it: news may come in between, since a fiber can be set aside at any step.
    const take = Effect.zipRight(news.close, look)
    return {
      offer: (event) =>
        Effect.suspend(() => {
          const subject = subjectOf(event)
          const last = lasts.get(subject)
          if (last !== undefined && replaces(event, events[last]!)) events[last] = event
          else lasts.set(subject, events.push(event) - 1)
          return news.open
        }),
      end: (exit) =>
        Effect.suspend(() => {
          ended = exit
          return news.open
        }),
      take
    }
  })
