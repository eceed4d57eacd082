/**
 * Reads a source one chunk ahead of the one that is being sent. That an answer has come does not say that the request's body
 * has gone, and what is read into a buffer too early is sent in its place. So a buffer is used again only once the server
 * has what was in it, and by the one request that was given it.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { PandaSourceError } from "../../PandaError.js"
import * as UploadSource from "../../UploadSource.js"
import { moved } from "./flow.js"

export interface ReadAhead {
  /** The bytes at the offset: at most as many as asked for, fewer where the current chunk ends before. */
  readonly chunk: (offset: number, length: number) => Effect.Effect<Uint8Array, PandaSourceError>
  /** Begins to read what will be asked for next. */
  readonly prefetch: (offset: number, length: number) => Effect.Effect<void>
  /** The server has what was given last, by its answer to the request that it went with, which is known to keep nothing of it. */
  readonly arrived: (known: boolean) => Effect.Effect<void>
  /** Reads no further ahead, so that the source can be read by another. */
  readonly stop: Effect.Effect<void>
}

interface Window {
  readonly offset: number
  readonly bytes: Uint8Array<ArrayBuffer>
  /** How many were given some of it. */
  requests: number
  arrived: boolean
}

interface Reading {
  readonly offset: number
  readonly fiber: Fiber.Fiber<Window, PandaSourceError>
}

export const make = (name: string, handle: UploadSource.Handle): Effect.Effect<ReadAhead, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    let current: Window | undefined
    let reading: Reading | undefined
    /** For the chunk after next. */
    let free: Uint8Array<ArrayBuffer> | undefined

    const read = (offset: number, length: number): Effect.Effect<Window, PandaSourceError> =>
      Effect.suspend(() => {
        const old = free
        free = undefined
        const bytes = old === undefined || old.buffer.byteLength < length
          ? new Uint8Array(length)
          : moved(old).subarray(0, length)
        return Effect.as(UploadSource.readFully(name, handle, offset, bytes), {
          offset,
          bytes,
          requests: 0,
          arrived: false
        })
      })

    const covered = (offset: number): Window | undefined =>
      current !== undefined && offset >= current.offset && offset < current.offset + current.bytes.byteLength
        ? current
        : undefined

    /** It may have been read before it was known that chunks have to be shorter. */
    const give = (window: Window, offset: number, length: number): Uint8Array => {
      window.requests++
      return window.bytes.subarray(offset - window.offset).subarray(0, length)
    }

    /** Reads share the handle's position, so there is one at a time. */
    const stop = Effect.suspend(() => {
      const fiber = reading?.fiber
      reading = undefined
      return fiber === undefined ? Effect.void : Effect.asVoid(Fiber.interrupt(fiber))
    })

    const next = (offset: number, length: number): Effect.Effect<Window, PandaSourceError> => {
      if (reading?.offset !== offset) return Effect.zipRight(stop, read(offset, length))
      const { fiber } = reading
      reading = undefined
      return Fiber.join(fiber)
    }

    return {
      chunk: (offset, length) =>
        Effect.suspend(() => {
          const window = covered(offset)
          if (window !== undefined) return Effect.succeed(give(window, offset, length))
          return Effect.map(next(offset, length), (window) => {
            if (current?.arrived === true && current.requests === 1) free = current.bytes
            current = window
            return give(window, offset, length)
          })
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
      arrived: (known) =>
        Effect.sync(() => {
          if (current !== undefined) current.arrived = known
        }),
      stop
    }
  })
