/** What keeps a loaded machine from deciding what a test finds. */
import { Effect } from "effect"
import { monitorEventLoopDelay } from "node:perf_hooks"

/** How long a test on the real clock waits for what surely comes: only where it never comes is it so long. */
export const patience = "2 minutes"

/** The seconds of processor time that something takes, whatever else the machine does meanwhile. */
export const secondsOf = (run: () => unknown): number => {
  const before = process.cpuUsage()
  run()
  const { system, user } = process.cpuUsage(before)
  return (system + user) / 1e6
}

/**
 * Starts to look how late this process runs; asked, it tells the worst in milliseconds. A time that was measured may be
 * longer by a few of these.
 */
export const lateness = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const delay = monitorEventLoopDelay({ resolution: 1 })
      delay.enable()
      return delay
    }),
    (delay) => Effect.sync(() => delay.disable())
  ),
  (delay) => () => delay.max / 1e6
)
