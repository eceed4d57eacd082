/** What a page has that Node has not: to be called in a test that ends with `leave`. */
import { vi } from "vitest"
import { type Server, xhrTo } from "./fakeXhr.js"

/** A `localStorage` that holds so many records. */
export class FakeStorage {
  readonly records = new Map<string, string>()
  readonly #most: number

  constructor(most = Infinity) {
    this.#most = most
  }

  get length() {
    return this.records.size
  }

  key(index: number) {
    return [...this.records.keys()][index] ?? null
  }

  getItem(name: string) {
    return this.records.get(name) ?? null
  }

  setItem(name: string, value: string) {
    if (!this.records.has(name) && this.records.size >= this.#most) {
      throw new DOMException("It is full", "QuotaExceededError")
    }
    this.records.set(name, value)
  }

  removeItem(name: string) {
    this.records.delete(name)
  }
}

interface Asked {
  readonly name: string
  readonly grant: () => void
}

/** Web Locks, as far as an upload uses them. */
const fakeLocks = () => {
  const held = new Set<string>()
  let pending: ReadonlyArray<Asked> = []
  const release = (name: string) => {
    held.delete(name)
    const next = pending.find((asked) => asked.name === name)
    pending = pending.filter((asked) => asked !== next)
    next?.grant()
  }
  const request = async (
    name: string,
    { ifAvailable = false, signal }: LockOptions,
    callback: (lock: unknown) => unknown
  ): Promise<unknown> => {
    signal?.throwIfAborted()
    if (held.has(name)) {
      if (ifAvailable) return callback(null)
      await new Promise<void>((resolve, reject) => {
        const asked = { name, grant: resolve }
        pending = [...pending, asked]
        signal?.addEventListener("abort", () => {
          pending = pending.filter((other) => other !== asked)
          reject(signal.reason)
        })
      })
    }
    held.add(name)
    try {
      return await callback({ name })
    } finally {
      release(name)
    }
  }
  return { request, query: () => Promise.resolve({ held: [...held].map((name) => ({ name })), pending }) }
}

export interface Page {
  readonly storage?: FakeStorage | (() => never)
  readonly origin?: string
  readonly secure?: boolean
}

/** Where the tests' pages are. */
export const ORIGIN = "http://site.example"

/** Opens a page: what a page has is global from now on, and the browser is online or not. */
export const open = (server: Server, { origin = ORIGIN, secure = true, storage = new FakeStorage() }: Page = {}) => {
  const navigator = { onLine: true, ...secure ? { locks: fakeLocks() } : {} }
  const events = new EventTarget()
  const globals = {
    XMLHttpRequest: xhrTo(server),
    navigator,
    location: new URL(origin),
    document: { baseURI: `${origin}/form` },
    addEventListener: events.addEventListener.bind(events),
    removeEventListener: events.removeEventListener.bind(events)
  }
  for (const [name, value] of Object.entries(globals)) vi.stubGlobal(name, value)
  // Chance leaves nothing of the waits.
  vi.spyOn(Math, "random").mockReturnValue(0)
  const before = Object.getOwnPropertyDescriptor(globalThis, "localStorage")
  restore = () => {
    if (before === undefined) Reflect.deleteProperty(globalThis, "localStorage")
    else Object.defineProperty(globalThis, "localStorage", before)
  }
  Object.defineProperty(globalThis, "localStorage", {
    configurable: true,
    get: typeof storage === "function" ? storage : () => storage
  })
  return {
    /** The network goes, or comes back. */
    goOffline: () => {
      navigator.onLine = false
    },
    goOnline: () => {
      navigator.onLine = true
      events.dispatchEvent(new Event("online"))
    }
  }
}

let restore = () => {}

export const leave = () => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
  restore()
}
