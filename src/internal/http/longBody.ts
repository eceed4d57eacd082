/** How a body goes that need not fit into memory, which depends on what the HTTP layer is made of. */
import * as HttpBody from "@effect/platform/HttpBody"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Parts from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"

export type Kind = "none" | "copied" | "streamed" | "paced" | "pulled"

/** Streams of ours: what somebody on the way has made of one may keep what it takes, for as long as it likes. */
const streams = new WeakSet<HttpBody.HttpBody>()

/** By the layer that an answer is from: both of Node's keep, within what is given, the one of the library below. */
export const kindOf = (response: HttpClientResponse.HttpClientResponse): Kind | undefined => {
  const below = inside(inside(response, "original") ?? response, "source")
  if (Predicate.hasProperty(below, "opaque")) return "pulled"
  return Predicate.hasProperty(below, "req") && streams.has(response.request.body) ? "paced" : undefined
}

const inside = (value: unknown, key: string): unknown => Predicate.hasProperty(value, key) ? value[key] : undefined

/** A body was asked for once more, by somebody on the way who sends requests again by himself. */
export class Spent extends Error {
  readonly _tag = "Spent"
}

/**
 * What `next` gives, until there is nothing more. It goes into one request: another with the same body would go on where the
 * first has come to, and have that stand for the beginning. What is asked for is stopped when the sending has ended.
 */
export const send = <E, A, E2, R>(
  kind: Kind,
  next: Effect.Effect<Uint8Array | undefined, E>,
  contentLength: number,
  sending: (body: HttpBody.HttpBody) => Effect.Effect<A, E2, R>
): Effect.Effect<A, E2, R> => {
  const contentType = "application/octet-stream"
  let requests = 0
  const begin = () => {
    const own = ++requests
    return Effect.suspend((): Effect.Effect<Uint8Array | undefined, E | Spent> =>
      own === 1 ? next : Effect.fail(new Spent())
    )
  }
  if (kind === "pulled") {
    return pulled(begin, (slices) => sending(HttpBody.raw(slices, { contentType, contentLength })))
  }
  const slices = Stream.suspend(() => Stream.fromChannel(channel(begin())))
  const body = HttpBody.stream(slices, contentType, contentLength)
  streams.add(body)
  return sending(body)
}

const channel = <E>(
  next: Effect.Effect<Uint8Array | undefined, E>
): Channel.Channel<Parts.Chunk<Uint8Array>, unknown, E> =>
  Channel.flatMap(
    Channel.fromEffect(next),
    (bytes) => bytes === undefined ? Channel.void : Channel.zipRight(Channel.write(inHalves(bytes)), channel(next))
  )

/** Since Node's layer waits for the connection between the parts of a chunk, but not after the last. */
const inHalves = (bytes: Uint8Array) => {
  const half = bytes.byteLength >> 1
  return Parts.make(bytes.subarray(0, half), bytes.subarray(half))
}

const pulled = <A, E, B, E2, R>(
  begin: () => Effect.Effect<A | undefined, E>,
  sending: (slices: AsyncIterable<A>) => Effect.Effect<B, E2, R>
): Effect.Effect<B, E2, R> =>
  Effect.flatMap(Effect.runtime<never>(), (runtime) => {
    const run = Runtime.runFork(runtime)
    let asked: Fiber.RuntimeFiber<A | undefined, E> | undefined
    const ask = (next: Effect.Effect<A | undefined, E>) =>
      new Promise<IteratorResult<A, undefined>>((resolve, reject) => {
        asked = run(next)
        asked.addObserver((exit) => {
          asked = undefined
          if (Exit.isFailure(exit)) reject(Cause.squash(exit.cause))
          else resolve(exit.value === undefined ? { done: true, value: undefined } : { done: false, value: exit.value })
        })
      })
    return Effect.ensuring(
      sending({
        [Symbol.asyncIterator]: () => {
          const next = begin()
          return { next: () => ask(next) }
        }
      }),
      Effect.suspend(() => asked === undefined ? Effect.void : Fiber.interrupt(asked))
    )
  })

/** What Node, Bun and Deno have, and pages have not. */
const { setImmediate } = globalThis as { readonly setImmediate?: (run: () => void) => unknown }

/**
 * After an answer: until undici, which is in Node's fetch too, uses the connection again, a turn of the event loop later. A
 * request that comes earlier goes by another; so chunks would take turns with two, each idle for as long as a chunk takes,
 * and thus slow to begin with, or closed.
 */
export const reusable = (kind: Kind): Effect.Effect<void> =>
  setImmediate !== undefined && (kind === "pulled" || kind === "copied")
    ? Effect.async((resume) => {
      setImmediate(() => resume(Effect.void))
    })
    : Effect.void
