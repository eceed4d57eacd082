/** A TCP proxy that does to connections what networks do, at a byte of one's choice. */
import { Effect } from "effect"
import type { Scope } from "effect/Scope"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"

/** What befalls a connection once so many bytes have gone up, to the server, or come down. */
export interface Mishap {
  readonly after: number
  readonly way: "up" | "down"
  readonly how:
    /** Both ends are reset. */
    | "reset"
    /** Both ends are closed in order. */
    | "close"
    /** The client is told that nothing more comes, though what it sends still arrives. */
    | "half-close down"
    /** The server is told that nothing more comes, though its answer still arrives. */
    | "half-close up"
    /** Nothing moves any more, and nobody is told. */
    | "stall"
    /** From here on at some 2 MB/s. */
    | "throttle"
}

export interface Proxy {
  readonly port: number
  /** What has happened so far. */
  readonly happened: () => ReadonlyArray<Mishap>
  readonly connections: () => number
}

/** Each connection meets the next of the mishaps, and one more after a throttling, until there are no more. */
export const make = (target: number, mishaps: ReadonlyArray<Mishap>): Effect.Effect<Proxy, never, Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<{ readonly proxy: Proxy; readonly close: () => void }>((resume) => {
        const happened: Array<Mishap> = []
        const sockets = new Set<Socket>()
        let connections = 0
        let met = 0

        const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
          connections++
          let mishap = mishaps[met++]
          const upstream = connect({ port: target, host: "127.0.0.1", allowHalfOpen: true, noDelay: true })
          let stalled = false
          let slow = false
          let count = { up: 0, down: 0 }

          const befall = ({ how }: Mishap) => {
            switch (how) {
              case "reset":
                client.resetAndDestroy()
                upstream.resetAndDestroy()
                return
              case "close":
                client.destroySoon()
                upstream.destroySoon()
                return
              case "half-close down":
                client.end()
                return
              case "half-close up":
                upstream.end()
                return
              case "stall":
                stalled = true
                return
              case "throttle":
                slow = true
                count = { up: 0, down: 0 }
                mishap = mishaps[met++]
            }
          }

          const carry = (way: "up" | "down", from: Socket, to: Socket) => {
            from.on("data", (data: Buffer) => {
              if (stalled) return
              const now = mishap
              const left = now?.way === way ? Math.max(0, now.after - count[way]) : Infinity
              count = { ...count, [way]: count[way] + data.length }
              const write = (part: Buffer) => {
                if (part.length === 0 || !to.writable) return
                if (to.write(part) && !slow) return
                from.pause()
                const on = () => from.resume()
                if (slow) setTimeout(on, part.length / 2000)
                else to.once("drain", on)
              }
              if (now === undefined || data.length < left) return write(data)
              write(data.subarray(0, left))
              // A connection that still works meets none twice.
              mishap = undefined
              happened.push(now)
              befall(now)
              if (now.how === "throttle" || now.how === "half-close down") write(data.subarray(left))
            })
            from.on("end", () => {
              if (!stalled && to.writable) to.end()
            })
            from.on("error", () => {})
            from.on("close", () => {
              sockets.delete(from)
              // Who gives up while nothing moves is not to leave the other behind.
              if (stalled || from.errored !== null) to.destroy()
            })
            sockets.add(from)
          }
          carry("up", client, upstream)
          carry("down", upstream, client)
        })
        server.listen(0, "127.0.0.1", () =>
          resume(Effect.succeed({
            proxy: {
              port: (server.address() as AddressInfo).port,
              happened: () => happened,
              connections: () => connections
            },
            close: () => {
              for (const socket of sockets) socket.destroy()
              server.close()
            }
          })))
      }),
      ({ close }) => Effect.sync(close)
    ),
    ({ proxy }) => proxy
  )
