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
import type * as Scope from "effect/Scope"
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

/** What `next` gives, until there is nothing more. */
export const make = <E>(
  kind: Kind,
  next: Effect.Effect<Uint8Array | undefined, E>,
  contentLength: number
): Effect.Effect<HttpBody.HttpBody, never, Scope.Scope> => {
  const contentType = "application/octet-stream"
  if (kind === "pulled") {
    return Effect.map(iterable(next), (body) => HttpBody.raw(body, { contentType, contentLength }))
  }
  const body = HttpBody.stream(Stream.fromChannel(channel(next)), contentType, contentLength)
  streams.add(body)
  return Effect.succeed(body)
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

/** What is asked for is stopped with the scope. */
const iterable = <A, E>(
  next: Effect.Effect<A | undefined, E>
): Effect.Effect<AsyncIterable<A>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const run = Runtime.runFork(yield* Effect.runtime<never>())
    let asked: Fiber.RuntimeFiber<A | undefined, E> | undefined
    yield* Effect.addFinalizer(() => asked === undefined ? Effect.void : Fiber.interrupt(asked))
    return {
      [Symbol.asyncIterator]: () => ({
        next: () =>
          new Promise((resolve, reject) => {
            asked = run(next)
            asked.addObserver(Exit.match({
              onSuccess: (value) => resolve(value === undefined ? { done: true, value } : { done: false, value }),
              onFailure: (cause) => reject(Cause.squash(cause))
            }))
          })
      })
    }
  })
