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

/** Runs what is put in, in its order and not before its time: timers of different lengths keep no order. */
const delayed = () => {
  const waiting: Array<readonly [at: number, run: () => void]> = []
  const look = () => {
    while (waiting.length > 0 && waiting[0]![0] <= performance.now()) waiting.shift()![1]()
    if (waiting.length > 0) setTimeout(look, Math.max(1, waiting[0]![0] - performance.now()))
  }
  return (at: number, run: () => void) => {
    waiting.push([at, run])
    if (waiting.length === 1) setTimeout(look, Math.max(1, at - performance.now()))
  }
}

/** Until then the link is busy, for all connections together. */
let busy = 0
let passed = 0

const serve = (client: Socket) => {
  const server = connect({ port, host: "127.0.0.1", noDelay: true })
  let ended = false
  const end = () => {
    ended = true
    client.destroy()
    server.destroy()
  }
  for (const socket of [client, server]) {
    socket.setNoDelay(true)
    socket.on("error", end)
    // What was on its way when somebody hung up arrives all the same.
    socket.on("close", () => setTimeout(end, roundTrip))
  }
  const [leave, arrive, back] = [delayed(), delayed(), delayed()]

  // The handshake.
  let ready = performance.now() + roundTrip
  let queued = 0
  client.on("data", (data: Buffer) => {
    for (let at = 0; at < data.length; at += 16 * 1024) {
      const part = data.subarray(at, at + 16 * 1024)
      queued += part.length
      busy = Math.max(busy, performance.now(), ready) + part.length / rate * 1000
      leave(busy, () => {
        queued -= part.length
        if (ended) return
        passed += part.length
        if (passed >= breaks) {
          passed = 0
          end()
        } else if (queued < queue && client.isPaused()) client.resume()
      })
      arrive(busy + roundTrip / 2, () => server.write(part))
    }
    ready = 0
    if (queued >= queue) client.pause()
  })
  server.on("data", (data: Buffer) => back(performance.now() + roundTrip / 2, () => client.write(data)))
}

const server = createServer(serve)
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  process.stdout.write(`${typeof address === "object" && address !== null ? address.port : 0}\n`)
})
