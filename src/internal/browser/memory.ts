/** What outlives the page: where unfinished uploads are, in the `localStorage` of the page's origin. */
import { isLocation } from "../upload/decision.js"

/** An upload under way, or one that has just ended, for a page that waits for it. */
export interface Record {
  readonly location: string
  readonly postprocess: string | undefined
  readonly acknowledged: number
  /** Of the end: the JSON of the video, and what the page's server said to it. */
  readonly ended: { readonly text: string; readonly result: unknown } | undefined
}

interface Kept extends Record {
  readonly version: 1
  /** Milliseconds: when it was written. */
  readonly at: number
}

const PREFIX = "effect-panda/upload/"

/** Even to look at it is refused in some settings of browsers. */
const storage = (): Storage | undefined => {
  try {
    return globalThis.localStorage
  } catch {
    return undefined
  }
}

export const read = (key: string): Record | undefined => keptAt(PREFIX + key)

/** Whether it is kept. */
export const write = (key: string, record: Record): boolean => {
  const kept: Kept = { version: 1, at: Date.now(), ...record }
  try {
    const local = storage()
    local?.setItem(PREFIX + key, JSON.stringify(kept))
    return local !== undefined
  } catch {
    // It is full, or refused.
    return false
  }
}

export const remove = (key: string): void => forget(PREFIX + key)

/** Forgets what is older than so many milliseconds, and what cannot be read. */
export const prune = (age: number): void => {
  try {
    const local = storage()
    const names = local === undefined ? [] : Array.from({ length: local.length }, (_, i) => local.key(i) ?? "")
    for (const name of names) {
      if (!name.startsWith(PREFIX)) continue
      const kept = keptAt(name)
      // What is of the future was written by a clock that was wrong.
      if (kept === undefined || Math.abs(Date.now() - kept.at) > age) forget(name)
    }
  } catch {
    // What cannot be looked at cannot be pruned.
  }
}

const forget = (name: string): void => {
  try {
    storage()?.removeItem(name)
  } catch {
    // Then it was not kept either.
  }
}

const keptAt = (name: string): Kept | undefined => {
  try {
    const value: unknown = JSON.parse(storage()?.getItem(name) ?? "null")
    return isKept(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Whoever can write here is the page's own, but may be an older or a newer version of it. */
const isKept = (value: unknown): value is Kept => {
  if (typeof value !== "object" || value === null) return false
  const { acknowledged, at, ended, location, postprocess, version }: Partial<Kept> = value
  return version === 1 && typeof at === "number" && typeof location === "string" && isLocation(location) &&
    Number.isSafeInteger(acknowledged) && acknowledged! >= 0 &&
    (postprocess === undefined || isLocation(postprocess)) && (ended === undefined || typeof ended.text === "string")
}
