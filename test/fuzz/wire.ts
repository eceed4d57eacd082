/** Sockets without HTTP: what comes is kept as it came, and what is sent need not be HTTP at all. */
import { Effect } from "effect"
import type { Scope } from "effect/Scope"
import type { AddressInfo, Socket } from "node:net"
import { connect, createServer } from "node:net"

/** A request, as far as it has come. */
interface Taken {
  readonly socket: Socket
  bytes: Buffer
}

export interface Wire {
  readonly port: number
  readonly requests: ReadonlyArray<Taken>
  /** Waits until no connection is open that had a request. Clients open others ahead of time. */
  readonly closed: Effect.Effect<void>
}

/** Whether its body is there too. It is HTTP that our side wrote, so this much can be told. */
const isWhole = (bytes: Buffer): boolean => {
  const end = bytes.indexOf("\r\n\r\n")
  if (end === -1) return false
  const head = bytes.subarray(0, end).toString("latin1")
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
  return bytes.length >= end + 4 + length
}

/** Listens, and does with each whole request as it is told. */
export const listen = (respond: (socket: Socket) => void): Effect.Effect<Wire, never, Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<Wire & { readonly close: () => void }>((resume) => {
        const sockets = new Set<Socket>()
        const busy = new Set<Socket>()
        const requests: Array<Taken> = []
        let waiting: Array<() => void> = []
        const server = createServer((socket) => {
          const taken: Taken = { socket, bytes: Buffer.alloc(0) }
          let answered = false
          sockets.add(socket)
          socket.on("error", () => {})
          socket.on("close", () => {
            sockets.delete(socket)
            if (!busy.delete(socket) || busy.size > 0) return
            for (const wake of waiting) wake()
            waiting = []
          })
          socket.on("data", (data) => {
            if (taken.bytes.length === 0) {
              busy.add(socket)
              requests.push(taken)
            }
            taken.bytes = Buffer.concat([taken.bytes, data])
            if (answered || !isWhole(taken.bytes)) return
            answered = true
            respond(socket)
          })
        })
        server.listen(0, "127.0.0.1", () =>
          resume(Effect.succeed({
            port: (server.address() as AddressInfo).port,
            requests,
            closed: Effect.async((resume) => {
              if (busy.size === 0) resume(Effect.void)
              else waiting.push(() => resume(Effect.void))
            }),
            close: () => {
              server.close()
              for (const socket of sockets) socket.destroy()
            }
          })))
      }),
      ({ close }) => Effect.sync(close)
    ),
    (wire) => wire
  )

/** Sends bytes and takes what comes, until the server closes or is silent for a while. */
export const exchange = (port: number, parts: ReadonlyArray<string | Uint8Array>, patience: number) =>
  Effect.async<Buffer>((resume) => {
    let answer = Buffer.alloc(0)
    const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true }, () => {
      for (const part of parts) socket.write(part)
    })
    socket.setNoDelay(true)
    socket.setTimeout(patience, () => socket.destroy())
    socket.on("data", (data) => {
      answer = Buffer.concat([answer, data])
    })
    socket.on("error", () => {})
    socket.on("end", () => socket.end())
    socket.on("close", () => resume(Effect.succeed(answer)))
    return Effect.sync(() => socket.destroy())
  })
