/** A server of uploads that is made of sockets: it takes down what comes in as it came, and is told what to do to it. */
import { Effect } from "effect"
import type { Scope } from "effect/Scope"
import { createHash } from "node:crypto"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { createServer as createSecureServer } from "node:https"
import type { AddressInfo, Socket } from "node:net"

export interface Seen {
  readonly kind: "create" | "chunk" | "probe" | "other"
  readonly method: string
  /** As on the wire: names and values in turn. */
  readonly rawHeaders: ReadonlyArray<string>
  readonly url: string
  /** Bytes of its body that came. */
  body: number
}

export interface Exchange {
  readonly seen: Seen
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** How many of its kind came before. */
  readonly number: number
  /** Resets the connection, below TLS. */
  readonly reset: () => void
}

export interface Options {
  /** Does something else with an exchange, and says that it did. */
  readonly instead?: ((exchange: Exchange) => boolean) | undefined
  /** Whether the upload itself goes over TLS. */
  readonly tls?: boolean | undefined
  /** How long a connection may be idle. */
  readonly keepAlive?: number | undefined
  /** Bytes are counted only: for files that should not be in memory. */
  readonly countOnly?: boolean | undefined
}

export interface RawServer {
  readonly port: number
  readonly seen: ReadonlyArray<Seen>
  /** Connections that are open. */
  readonly sockets: ReadonlySet<Socket>
  /** Of the file that was last begun, once it is whole. */
  readonly sha256: () => string | undefined
  readonly stored: () => number
  /** Refuses connections from now on; those that are open are reset. Gives what ends it. */
  readonly outage: () => () => void
}

/** Nobody's, for nothing but this. */
const certificate = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCKWhZEoVDVJzZtmj
uv0pZVoPaZEoaSMZnCnylD2ilcyhRANCAASAfQCZXSoQrxR4ZPn48x3n+VL6lw3B
CgP3aDXNvGe2YJRSTIf9QeXtyjTLSjK0q+a34qd5+k/jZCBLVXBNNEG+
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBgDCCASWgAwIBAgIUdJmo/bBj2QOBNTp2fU+0QxTdR4AwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjIxNTMyMVoYDzIxMjYxMDI5
MjE1MzIxWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASAfQCZXSoQrxR4ZPn48x3n+VL6lw3BCgP3aDXNvGe2YJRSTIf9QeXt
yjTLSjK0q+a34qd5+k/jZCBLVXBNNEG+o1MwUTAdBgNVHQ4EFgQUMSxrh75GsOH4
8j3IWQKDzRE3Y24wHwYDVR0jBBgwFoAUMSxrh75GsOH48j3IWQKDzRE3Y24wDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEAgC+bgkxsnxIpuuiwu/Mr
p+KDbeyyEpI8G/E//8qXI/sCIQD0l0cBhYgrEtS166xbL1i0sGxDuFVAluUU4l4a
RWLvkA==
-----END CERTIFICATE-----`
}

export const make = (options: Options = {}): Effect.Effect<RawServer, never, Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<{ readonly raw: RawServer; readonly close: () => void }>((resume) => {
        const seen: Array<Seen> = []
        const sockets = new Set<Socket>()
        const numbers = new Map<string, number>()
        let size = 0
        let stored = 0
        let file = Buffer.alloc(0)
        let video = false
        let sessions = 0
        let port = 0
        let uploadPort = 0

        const serve = (request: IncomingMessage, response: ServerResponse) => {
          const { headers, method = "", rawHeaders, url = "" } = request
          const range = headers["content-range"] ?? ""
          const kind = method === "POST"
            ? "create"
            : method !== "PUT"
            ? "other"
            : range.startsWith("bytes *")
            ? "probe"
            : "chunk"
          const number = numbers.get(kind) ?? 0
          numbers.set(kind, number + 1)
          const exchange: Exchange = {
            seen: { kind, method, rawHeaders, url, body: 0 },
            request,
            response,
            number,
            reset: () => {
              const { remotePort } = request.socket
              for (const socket of sockets) if (socket.remotePort === remotePort) socket.resetAndDestroy()
            }
          }
          seen.push(exchange.seen)
          request.on("error", () => {})
          response.on("error", () => {})
          if (options.instead?.(exchange) === true) return
          const from = Number(/^bytes (\d+)-/.exec(range)?.[1] ?? 0)
          let text = ""
          request.on("data", (data: Buffer) => {
            const at = from + exchange.seen.body
            exchange.seen.body += data.length
            if (kind === "create") text += data.toString()
            if (kind !== "chunk" || at > stored) return
            if (options.countOnly !== true) data.copy(file, at)
            stored = Math.max(stored, at + data.length)
          })
          request.on("end", () => {
            if (kind === "create") {
              size = Number(new URLSearchParams(text).get("file_size"))
              stored = 0
              video = false
              if (options.countOnly !== true) file = Buffer.alloc(size)
              const protocol = options.tls === true ? "https" : "http"
              const location = `${protocol}://127.0.0.1:${uploadPort}/upload/session?id=${++sessions}`
              response.writeHead(201, { "content-type": "application/json" })
              response.end(JSON.stringify({ id: String(sessions), location }))
              return
            }
            video ||= kind === "chunk" && stored === size
            if (video) {
              response.writeHead(200, { "content-type": "application/json" })
              response.end(JSON.stringify({ id: "a-video" }))
              return
            }
            response.writeHead(204, stored === 0 ? {} : { range: `0-${stored - 1}` })
            response.end()
          })
        }

        const servers: ReadonlyArray<Server> = options.tls === true
          ? [createServer(serve), createSecureServer(certificate, serve)]
          : [createServer(serve)]
        for (const server of servers) {
          server.keepAliveTimeout = options.keepAlive ?? 5000
          server.on("connection", (socket: Socket) => {
            sockets.add(socket)
            socket.on("error", () => {})
            socket.on("close", () => sockets.delete(socket))
          })
          server.on("tlsClientError", () => {})
        }
        const listen = (at: number, then: () => void) => {
          let left = servers.length
          for (const server of servers) {
            server.listen(at, "127.0.0.1", () => {
              if (--left === 0) then()
            })
          }
        }
        const hangUp = () => {
          for (const socket of sockets) socket.resetAndDestroy()
        }
        listen(0, () => {
          port = (servers[0]!.address() as AddressInfo).port
          uploadPort = (servers.at(-1)!.address() as AddressInfo).port
          resume(Effect.succeed({
            raw: {
              port,
              seen,
              sockets,
              stored: () => stored,
              sha256: () => stored === size ? createHash("sha256").update(file).digest("hex") : undefined,
              outage: () => {
                servers[0]!.close()
                hangUp()
                return () => void servers[0]!.listen(port, "127.0.0.1")
              }
            },
            close: () => {
              for (const server of servers) server.close()
              hangUp()
            }
          }))
        })
      }),
      ({ close }) => Effect.sync(close)
    ),
    ({ raw }) => raw
  )

/** The values of a header, as often as it came. */
export const valuesOf = ({ rawHeaders }: Seen, name: string): ReadonlyArray<string> =>
  rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]!.toLowerCase() === name)
