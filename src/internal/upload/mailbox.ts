/** Events between an upload and whoever looks on: the upload never waits, and news of one kind replace the older. */
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

export interface Mailbox<A, E> {
  readonly offer: (event: A) => Effect.Effect<void>
  readonly end: (exit: Exit.Exit<unknown, E>) => Effect.Effect<void>
  readonly stream: Stream.Stream<A, E>
}

/** `replaces` tells whether an event makes the last one that was not yet taken superfluous. */
export const make = <A, E>(replaces: (event: A, last: A) => boolean): Effect.Effect<Mailbox<A, E>> =>
  Effect.map(Effect.makeLatch(false), (news) => {
    let events: Array<A> = []
    let ended: Exit.Exit<unknown, E> | undefined
    const look: Effect.Effect<Chunk.Chunk<A>, Option.Option<E>> = Effect.suspend(() => {
      if (events.length > 0) {
        const taken = Chunk.unsafeFromArray(events)
        events = []
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
          const last = events.at(-1)
          if (last !== undefined && replaces(event, last)) events.pop()
          events.push(event)
          return news.open
        }),
      end: (exit) =>
        Effect.suspend(() => {
          ended = exit
          return news.open
        }),
      stream: Stream.repeatEffectChunkOption(take)
    }
  })
