/**
 * The bytes of a source in their order, read ahead of what takes them into a small ring of buffers: so a chunk may be of
 * any length, and costs no memory. That an answer has come does not say that the request's body has gone, so a buffer is
 * used again only once the connection is known to have sent what was in it, or the server to have it.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { PandaSourceError } from "../../PandaError.js"
import type * as UploadSource from "../../UploadSource.js"

export interface Flow {
  /**
   * Takes the next bytes from there on, of which there have to be some, at most so many. What a request took before, and
   * may go on to take when nobody waits for it any more, gives nothing from then on.
   */
  readonly open: (offset: number) => Effect.Effect<Opened>
  /** The server has all that was taken, by its answer to the request that it went with, which is known to keep nothing of it. */
  readonly arrived: (known: boolean) => Effect.Effect<void>
  /** Reads no further ahead, so that the source can be read by another. */
  readonly stop: Effect.Effect<void>
}

/** Bytes that are read at a time. */
const BUFFER = 1024 * 1024

/** How many buffers there are, besides the one that is being read into: with what is read, and with what may be under way. */
const BUFFERS = { read: 3, underWay: 4 }

export interface Opened {
  readonly take: (most: number) => Effect.Effect<Uint8Array, PandaSourceError>
  /** What was taken has gone up to there, as the connection tells that it went by. */
  readonly release: (end: number) => void
}

interface Part {
  readonly offset: number
  readonly bytes: Uint8Array
  /** Where the bytes are. */
  readonly buffer: Uint8Array<ArrayBuffer>
}

interface Used {
  readonly buffer: Uint8Array<ArrayBuffer>
  /** Of what was taken from it. */
  readonly end: number
}

interface Reading {
  readonly parts: Queue.Dequeue<Either.Either<Part, PandaSourceError>>
  readonly fiber: Fiber.RuntimeFiber<void>
}

/** The same memory as another buffer: whoever kept the old one has no bytes from now on, and not those of others. */
export const moved = ({ buffer }: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> =>
  new Uint8Array(structuredClone(buffer, { transfer: [buffer] }))

export const make = (
  name: string,
  handle: UploadSource.Handle,
  size: number
): Effect.Effect<Flow, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    /** Of the next byte. */
    let at = 0
    /** What is left of the part that was taken from last. */
    let rest: Part | undefined
    let reading: Reading | undefined
    /** All that was taken has arrived, so that nobody else takes from what is read. */
    let settled = true
    let opened = 0
    /** The buffers of what was taken; where they get more, the oldest are left to who has them. */
    let used: ReadonlyArray<Used> = []
    let free: Array<Uint8Array<ArrayBuffer>> = []

    const read = (offset: number): Effect.Effect<Part, PandaSourceError> =>
      Effect.suspend(() => {
        const old = free.pop()
        const buffer = old === undefined ? new Uint8Array(Math.min(BUFFER, size)) : moved(old)
        return Effect.filterOrFail(
          Effect.map(
            handle.read(offset, buffer.subarray(0, size - offset)),
            (count) => ({ offset, bytes: buffer.subarray(0, count), buffer })
          ),
          ({ bytes }) => bytes.byteLength > 0,
          () =>
            new PandaSourceError({
              operation: "UploadSource.read",
              reason: "TooShort",
              file: name,
              description: `ends at ${offset}, not at ${size}`
            })
        )
      })

    /** Reads on from there, until the end or until it fails. */
    const begin = (from: number): Effect.Effect<Reading> =>
      Effect.gen(function*() {
        const parts = yield* Queue.bounded<Either.Either<Part, PandaSourceError>>(BUFFERS.read)
        const readOn = (offset: number): Effect.Effect<void> =>
          offset === size ? Effect.void : Effect.flatMap(Effect.either(read(offset)), (part) =>
            Effect.zipRight(
              Queue.offer(parts, part),
              Either.isRight(part) ? readOn(offset + part.right.bytes.byteLength) : Effect.void
            ))
        return { parts, fiber: yield* Effect.forkIn(readOn(from), scope) }
      })

    const next: Effect.Effect<Part, PandaSourceError> = Effect.gen(function*() {
      if (rest !== undefined) return rest
      reading ??= yield* begin(at)
      return yield* yield* Queue.take(reading.parts)
    })

    /** What was taken is needed no more up to there. */
    const release = (end: number) => {
      const over = used.filter((part) => part.end <= end && part.buffer !== rest?.buffer)
      free = [...free, ...over.map(({ buffer }) => buffer)].slice(0, BUFFERS.underWay)
      used = used.filter((part) => !over.includes(part))
    }

    /** Reads share the handle's position, so there is one at a time. */
    const stop = Effect.suspend(() => {
      const fiber = reading?.fiber
      reading = undefined
      rest = undefined
      return fiber === undefined ? Effect.void : Effect.asVoid(Fiber.interrupt(fiber))
    })

    return {
      open: (offset) =>
        Effect.gen(function*() {
          // Those of a request that broke off, which may send them yet, are left to it.
          used = []
          const own = ++opened
          if (!settled || offset !== at) yield* stop
          at = offset
          settled = false
          return {
            take: (most) =>
              Effect.flatMap(
                Effect.suspend(() => own === opened ? next : Effect.never),
                ({ buffer, bytes: all, offset }) => {
                  if (own !== opened) return Effect.never
                  const bytes = all.subarray(0, most)
                  at = offset + bytes.byteLength
                  rest = all.byteLength > most ? { offset: at, bytes: all.subarray(most), buffer } : undefined
                  used = [...used.filter((other) => other.buffer !== buffer), { buffer, end: at }].slice(
                    -BUFFERS.underWay
                  )
                  return Effect.succeed(bytes)
                }
              ),
            release: (end) => {
              if (own === opened) release(end)
            }
          }
        }),
      arrived: (known) =>
        Effect.sync(() => {
          if (known) release(at)
          settled = true
        }),
      stop
    }
  })
