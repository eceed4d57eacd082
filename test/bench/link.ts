/**
 * A link in a process of its own, between a client and a server on this machine: so many bytes a second one way, half a
 * round trip each way, a queue of one bandwidth-delay product, and if wanted a break every so many bytes. Windows of TCP
 * are not made smaller by it, which would hit all that use it alike.
 */
import { connect, createServer, type Socket } from "node:net"

interface Task {
  /** Of the server. */
  readonly port: number
  /** Bytes a second, from the client to the server. */
  readonly rate: number
  /** Milliseconds. */
  readonly roundTrip: number
  /** Bytes after which the connection breaks, over and over. */
  readonly breaks?: number
}

const { breaks = Infinity, port, rate, roundTrip } = JSON.parse(process.argv[2]!) as Task
const queue = Math.max(rate * roundTrip / 1000, 64 * 1024)

/** Until then the link is busy, for all connections together. */
let busy = 0
let passed = 0

const serve = (client: Socket) => {
  const server = connect({ port, host: "127.0.0.1", noDelay: true })
  const end = () => {
    client.destroy()
    server.destroy()
  }
  for (const socket of [client, server]) {
    socket.setNoDelay(true)
    socket.on("error", end)
  }
  // What was on its way when somebody hung up arrives all the same.
  client.on("close", () => setTimeout(end, roundTrip / 2))
  server.on("close", () => setTimeout(end, roundTrip / 2))

  // The handshake.
  let ready = performance.now() + roundTrip
  let queued = 0
  client.on("data", (data: Buffer) => {
    for (let at = 0; at < data.length; at += 16 * 1024) {
      const part = data.subarray(at, at + 16 * 1024)
      queued += part.length
      const now = performance.now()
      busy = Math.max(busy, now, ready) + part.length / rate * 1000
      setTimeout(() => {
        queued -= part.length
        passed += part.length
        if (passed >= breaks) {
          passed = 0
          end()
        } else if (queued < queue && client.isPaused()) client.resume()
      }, busy - now)
      setTimeout(() => server.write(part), busy - now + roundTrip / 2)
    }
    ready = 0
    if (queued >= queue) client.pause()
  })
  server.on("data", (data: Buffer) => setTimeout(() => client.write(data), roundTrip / 2))
}

const server = createServer(serve)
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  process.stdout.write(`${typeof address === "object" && address !== null ? address.port : 0}\n`)
})
