/** A limit on bytes a second, shared by all that take from it. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as monotonic from "../time/monotonic.js"

export interface Bandwidth {
  readonly bytesPerSecond: number
  /** How much to take at a time, so that the limit holds over a few seconds too. */
  readonly burst: number
  /** Waits for one's turn. */
  readonly take: (bytes: number) => Effect.Effect<void>
}

/** The limit that several uploads share, if they do. */
export class CurrentBandwidth extends Context.Reference<CurrentBandwidth>()("effect-panda/Upload/CurrentBandwidth", {
  defaultValue: (): Bandwidth | undefined => undefined
}) {}

export const make = (bytesPerSecond: number): Effect.Effect<Bandwidth> =>
  Effect.sync(() => {
    /** Milliseconds that what was taken so far needs to go through; and when that was true. */
    let owed = 0
    let asOf = -Infinity
    return {
      bytesPerSecond,
      burst: Math.max(1, Math.floor(bytesPerSecond / 5)),
      take: (bytes) =>
        Effect.flatMap(monotonic.now, (now) => {
          const wait = Math.max(0, owed - Math.max(0, now - asOf))
          asOf = now
          owed = wait + (bytes / bytesPerSecond) * 1000
          return Effect.sleep(Duration.millis(wait))
        })
    }
  })
