/**
 * A server that throws away what it is sent, for the benchmarks: sockets and counters, so that it is not the limit. It
 * speaks just enough of Panda's upload protocol, of tus and of plain PUT, and runs in a process of its own.
 */
import { createServer, type Socket } from "node:net"

interface Head {
  readonly method: string
  readonly path: string
  readonly headers: ReadonlyMap<string, string>
}

const parse = (text: string): Head => {
  const [first, ...lines] = text.split("\r\n")
  const [method, path] = first!.split(" ")
  const headers = new Map(lines.map((line) => {
    const colon = line.indexOf(":")
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const
  }))
  return { method: method!, path: path!, headers }
}

const answer = ({ headers, method, path }: Head, port: number): string => {
  const json = (status: string, body: unknown) => {
    const text = JSON.stringify(body)
    return `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`
  }
  const empty = (status: string, ...lines: ReadonlyArray<string>) =>
    `HTTP/1.1 ${[status, ...lines, ...(status.startsWith("204") ? [] : ["content-length: 0"])].join("\r\n")}\r\n\r\n`

  if (path.startsWith("/v2/videos/upload.json")) {
    return json("201 Created", { id: "1", location: `http://127.0.0.1:${port}/upload/session?id=1` })
  }
  if (path.startsWith("/upload/")) {
    const [, last, total] = /bytes (?:\d+-(\d+)|\*)\/(\d+)/.exec(headers.get("content-range") ?? "") ?? []
    // Whoever asks is told that one chunk is missing: what resuming costs must not depend on the size.
    if (last === undefined) return empty("204 No Content", `range: 0-${Number(total) - 5 * 1024 * 1024 - 1}`)
    return Number(last) + 1 < Number(total)
      ? empty("204 No Content", `range: 0-${last}`)
      : json("200 OK", { id: "1", status: "processing" })
  }
  const tus = "tus-resumable: 1.0.0"
  if (method === "POST") return empty("201 Created", tus, `location: http://127.0.0.1:${port}/files/1`)
  if (method === "PATCH") {
    const offset = Number(headers.get("upload-offset")) + Number(headers.get("content-length"))
    return empty("204 No Content", tus, `upload-offset: ${offset}`)
  }
  return empty("200 OK")
}

const serve = (socket: Socket, port: number) => {
  let text = ""
  let head: Head | undefined
  let missing = 0
  socket.on("error", () => socket.destroy())
  socket.on("data", (data: Buffer) => {
    let at = 0
    while (at < data.length || (head !== undefined && missing === 0)) {
      if (head === undefined) {
        text += data.toString("latin1", at)
        const end = text.indexOf("\r\n\r\n")
        if (end === -1) return
        head = parse(text.slice(0, end))
        missing = Number(head.headers.get("content-length") ?? 0)
        at = data.length - (text.length - end - 4)
        text = ""
      }
      const taken = Math.min(missing, data.length - at)
      missing -= taken
      at += taken
      if (missing > 0) return
      socket.write(answer(head, port))
      head = undefined
    }
  })
}

const server = createServer({ noDelay: true }, (socket) => serve(socket, port))
let port = 0
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  port = typeof address === "object" && address !== null ? address.port : 0
  process.stdout.write(`${port}\n`)
})
