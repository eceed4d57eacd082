/** Whose turn it is: of several uploads of one file, in this page or in others of its origin, one goes on at a time. */

export interface Turn {
  /** Whether somebody else had it before. */
  readonly waited: boolean
  readonly release: () => void
}

const PREFIX = "effect-panda/upload/"

/** Undefined in pages that are not secure, where nothing keeps others away. */
const manager = (): LockManager | undefined => globalThis.navigator?.locks

/** Lets go of it. */
type Release = () => void

const ask = async (key: string, options: LockOptions): Promise<Release | undefined> => {
  const locks = manager()
  if (locks === undefined) return () => {}
  return new Promise((resolve, reject) => {
    const hold = (release: Release) => {
      resolve(release)
    }
    locks.request(PREFIX + key, options, (lock) => {
      if (lock !== null) return new Promise<void>(hold)
      resolve(undefined)
      return undefined
    }).catch(() => {
      if (options.signal?.aborted === true) reject(options.signal.reason)
      // A page without an origin has no locks, and no neighbours.
      else resolve(() => {})
    })
  })
}

/** The turn, if it can be had at once. */
export const takeIfFree = async (key: string): Promise<Turn | undefined> => {
  const release = await ask(key, { ifAvailable: true })
  return release === undefined ? undefined : { waited: false, release }
}

export const take = async (key: string, signal: AbortSignal, onWait: () => void): Promise<Turn> => {
  const free = await takeIfFree(key)
  if (signal.aborted) {
    free?.release()
    throw signal.reason
  }
  if (free !== undefined) return free
  onWait()
  const release = await ask(key, { signal })
  return { waited: true, release: release ?? (() => {}) }
}

/** Whether somebody waits for it. */
export const isWanted = async (key: string): Promise<boolean> => {
  try {
    const { pending = [] } = await manager()?.query() ?? {}
    return pending.some(({ name }) => name === PREFIX + key)
  } catch {
    return false
  }
}
