/** Reads a source one chunk ahead of the one that is being sent, into two buffers that take turns. */
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
  /** A request with the current chunk broke off: its buffer may still be with the socket, so it is not used again. */
  readonly retire: Effect.Effect<void>
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
    let spare: Uint8Array = new Uint8Array(0)
    let retired = false

    const read = (offset: number, length: number): Effect.Effect<Window, PandaSourceError> =>
      Effect.suspend(() => {
        const buffer = spare.byteLength >= length ? spare : new Uint8Array(length)
        spare = new Uint8Array(0)
        const bytes = buffer.subarray(0, length)
        return Effect.as(UploadSource.readFully(name, handle, offset, bytes), { offset, bytes })
      })

    const advance = (window: Window): Uint8Array => {
      if (current !== undefined && !retired) spare = new Uint8Array(current.bytes.buffer)
      retired = false
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
            return Effect.map(Fiber.join(fiber), advance)
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
      retire: Effect.sync(() => {
        retired = true
      }),
      stop
    }
  })
