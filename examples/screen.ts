/** What a person sees: one line that is written over on a terminal, plain lines elsewhere, and not one for each byte. */
import { Console, Effect } from "effect"

export interface Screen {
  /** A line that stays. */
  readonly line: (text: string) => Effect.Effect<void>
  /** A line that the next one replaces. Elsewhere than on a terminal it is left out if little has changed. */
  readonly progress: (percent: number, text: string) => Effect.Effect<void>
}

export const make: Effect.Effect<Screen> = Effect.sync(() => {
  let pending = false
  let last = -Infinity
  return {
    line: (text) =>
      Effect.suspend(() => {
        if (pending) process.stdout.write("\n")
        pending = false
        last = -Infinity
        return Console.log(text)
      }),
    progress: (percent, text) =>
      Effect.suspend(() => {
        if (process.stdout.isTTY) {
          pending = true
          process.stdout.write(`\r\u001b[2K${text}`)
          return Effect.void
        }
        if (percent < last + 10 && percent < 100) return Effect.void
        last = percent
        return Console.log(text)
      })
  }
})
