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

/** How many bytes a session has. */
const sessions = new Map<string, number>()

let requests = 0

/** The session of a chunk, where it begins, and whether what came of one that broke off is kept. */
const chunkOf = ({ headers, path }: Head) => {
  const [, id] = /^\/upload\/session\?id=(\w+)/.exec(path) ?? []
  const [, first] = /^bytes (\d+)-/.exec(headers.get("content-range") ?? "") ?? []
  return id === undefined || first === undefined
    ? undefined
    : { id, first: Number(first), keeps: !path.endsWith("&discard") }
}

const answer = (head: Head, port: number): string => {
  const { headers, method, path } = head
  // By the name that it was asked by, which may be that of a link.
  const origin = `http://${headers.get("host") ?? `127.0.0.1:${port}`}`
  const json = (status: string, body: unknown) => {
    const text = JSON.stringify(body)
    return `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`
  }
  const empty = (status: string, ...lines: ReadonlyArray<string>) =>
    `HTTP/1.1 ${[status, ...lines, ...(status.startsWith("204") ? [] : ["content-length: 0"])].join("\r\n")}\r\n\r\n`

  if (path.startsWith("/v2/videos/upload.json")) {
    const id = String(sessions.size + 2)
    sessions.set(id, 0)
    const discards = headers.has("x-discard")
    return json("201 Created", { id, location: `${origin}/upload/session?id=${id}${discards ? "&discard" : ""}` })
  }
  if (path.startsWith("/upload/")) {
    const [, last, total] = /bytes (?:\d+-(\d+)|\*)\/(\d+)/.exec(headers.get("content-range") ?? "") ?? []
    const had = sessions.get(/id=(\w+)/.exec(path)?.[1] ?? "")
    if (last === undefined && had !== undefined) {
      return empty("204 No Content", ...(had === 0 ? [] : [`range: 0-${had - 1}`]))
    }
    // Whoever asks is told that one chunk is missing: what resuming costs must not depend on the size.
    if (last === undefined) return empty("204 No Content", `range: 0-${Number(total) - 5 * 1024 * 1024 - 1}`)
    return Number(last) + 1 < Number(total)
      ? empty("204 No Content", `range: 0-${last}`)
      : json("200 OK", { id: "1", status: "processing" })
  }
  if (path === "/requests") return json("200 OK", requests)
  const tus = "tus-resumable: 1.0.0"
  if (method === "POST") return empty("201 Created", tus, `location: ${origin}/files/1`)
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
  socket.on("close", () => {
    const chunk = head === undefined ? undefined : chunkOf(head)
    if (chunk === undefined || !chunk.keeps || !sessions.has(chunk.id)) return
    sessions.set(chunk.id, chunk.first + Number(head!.headers.get("content-length")) - missing)
  })
  socket.on("data", (data: Buffer) => {
    let at = 0
    while (at < data.length || (head !== undefined && missing === 0)) {
      if (head === undefined) {
        text += data.toString("latin1", at)
        const end = text.indexOf("\r\n\r\n")
        if (end === -1) return
        head = parse(text.slice(0, end))
        requests++
        missing = Number(head.headers.get("content-length") ?? 0)
        at = data.length - (text.length - end - 4)
        text = ""
      }
      const taken = Math.min(missing, data.length - at)
      missing -= taken
      at += taken
      if (missing > 0) return
      const chunk = chunkOf(head)
      if (chunk !== undefined && sessions.has(chunk.id)) {
        sessions.set(chunk.id, chunk.first + Number(head.headers.get("content-length")))
      }
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
