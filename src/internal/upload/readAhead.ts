/**
 * Reads a source one chunk ahead of the one that is being sent. Each chunk has a buffer of its own: that an answer has come
 * does not say that the request's body has gone, and what is read into a buffer too early is sent in its place.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { PandaSourceError } from "../../PandaError.js"
import * as UploadSource from "../../UploadSource.js"

export interface ReadAhead {
  /** The bytes at the offset: at most as many as asked for, fewer where the current chunk ends before. */
  readonly chunk: (offset: number, length: number) => Effect.Effect<Uint8Array, PandaSourceError>
  /** Begins to read what will be asked for next. */
  readonly prefetch: (offset: number, length: number) => Effect.Effect<void>
  /** Reads no further ahead, so that the source can be read by another. */
  readonly stop: Effect.Effect<void>
}

interface Window {
  readonly offset: number
  readonly bytes: Uint8Array
}

interface Reading {
  readonly offset: number
  readonly fiber: Fiber.Fiber<Window, PandaSourceError>
}

export const make = (name: string, handle: UploadSource.Handle): Effect.Effect<ReadAhead, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    let current: Window | undefined
    let reading: Reading | undefined

    const read = (offset: number, length: number): Effect.Effect<Window, PandaSourceError> =>
      Effect.suspend(() => {
        const bytes = new Uint8Array(length)
        return Effect.as(UploadSource.readFully(name, handle, offset, bytes), { offset, bytes })
      })

    const advance = (window: Window): Uint8Array => {
      current = window
      return window.bytes
    }

    const covered = (offset: number): Uint8Array | undefined =>
      current !== undefined && offset >= current.offset && offset < current.offset + current.bytes.byteLength
        ? current.bytes.subarray(offset - current.offset)
        : undefined

    /** Reads share the handle's position, so there is one at a time. */
    const stop = Effect.suspend(() => {
      const fiber = reading?.fiber
      reading = undefined
      return fiber === undefined ? Effect.void : Effect.asVoid(Fiber.interrupt(fiber))
    })

    return {
      chunk: (offset, length) =>
        Effect.suspend(() => {
          const bytes = covered(offset)
          if (bytes !== undefined) return Effect.succeed(bytes.subarray(0, length))
          if (reading?.offset === offset) {
            const { fiber } = reading
            reading = undefined
            // It may have been read before it was known that chunks have to be shorter.
            return Effect.map(Fiber.join(fiber), (window) => advance(window).subarray(0, length))
          }
          return Effect.map(Effect.zipRight(stop, read(offset, length)), advance)
        }),
      prefetch: (offset, length) =>
        Effect.suspend(() => {
          if (reading?.offset === offset || covered(offset) !== undefined) return Effect.void
          return Effect.zipRight(
            stop,
            Effect.map(Effect.forkIn(read(offset, length), scope), (fiber) => {
              reading = { offset, fiber }
            })
          )
        }),
      stop
    }
  })
