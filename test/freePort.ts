/** Ports for what is told where to listen, and for what is to find nobody there. */
import { Effect } from "effect"
import { createServer } from "node:net"

/**
 * Below those that a system gives to whoever asks for any (from 32768 on with Linux, from 49152 on elsewhere): of these,
 * one that is free may be somebody else's a moment later. Each process has some of its own, by its number.
 */
const FIRST = 10_000
const EACH = 100
const PROCESSES = 200

// Of processes that begin one after another no two have the same: 97 and 200 have no divisor in common.
const first = FIRST + EACH * (process.pid * 97 % PROCESSES)

let given = 0

const isFree = (port: number) =>
  Effect.async<boolean>((resume) => {
    const server = createServer()
    server.once("error", () => resume(Effect.succeed(false)))
    server.listen(port, "127.0.0.1", () => server.close(() => resume(Effect.succeed(true))))
  })

/** A loopback port that nothing listens to, and that nobody else is given. */
export const freePort = Effect.sync(() => first + given++ % EACH).pipe(
  Effect.tap((port) => Effect.filterOrFail(isFree(port), (free) => free, () => `${port} is taken`)),
  Effect.retry({ times: EACH - 1 }),
  Effect.orDie
)
