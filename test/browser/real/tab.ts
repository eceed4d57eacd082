/** Pages as tests use them, in whichever browser. */
import type { Effect, Scope } from "effect"

/** A page. What is run in it comes and goes as JSON. */
export interface Tab {
  readonly goto: (url: string) => Promise<unknown>
  readonly reload: () => Promise<unknown>
  readonly close: () => Promise<unknown>
  readonly evaluate: <A extends Array<unknown>, B>(run: (...args: A) => B, ...args: A) => Promise<Awaited<B>>
  /** Ends once it holds. */
  readonly until: <A extends Array<unknown>>(holds: (...args: A) => unknown, ...args: A) => Promise<unknown>
  /** Runs a program. */
  readonly run: (source: string) => Promise<unknown>
  /** Files for the input of the page, or of the element in it. */
  readonly choose: (...paths: ReadonlyArray<string>) => Promise<unknown>
  readonly press: (key: "Tab" | "Enter" | " ") => Promise<unknown>
  readonly goOffline: (offline: boolean) => Promise<unknown>
  /** Where its requests went. */
  readonly requested: () => Promise<ReadonlyArray<string>>
}

export interface Opened {
  readonly page: Tab
  /** What the page has said, as far as the browser tells: what it logs, and what goes wrong in it. */
  readonly said: Array<string>
}

export interface Browser {
  /** Opens a tab. */
  readonly open: Effect.Effect<Opened, never, Scope.Scope>
}

/** Where a browser cannot be told to go offline from outside, the page believes that it is. */
export const believeOffline = (offline: boolean): void => {
  Object.defineProperty(navigator, "onLine", { configurable: true, get: () => !offline })
  dispatchEvent(new Event(offline ? "offline" : "online"))
}
