/** A proxy such as `HTTP_PROXY` names, which notes whom it was asked to connect to. */
import { Effect } from "effect"
import { createServer } from "node:http"
import { connect } from "node:net"

export const make = Effect.acquireRelease(
  Effect.async<{ readonly port: number; readonly seen: Array<string>; readonly close: () => void }>((resume) => {
    const seen: Array<string> = []
    const server = createServer((request, response) => {
      seen.push(request.url!)
      response.writeHead(501).end()
    })
    server.on("connect", (request, client) => {
      seen.push(request.url!)
      const { hostname, port } = new URL(`http://${request.url}`)
      const upstream = connect(Number(port), hostname, () => {
        client.write("HTTP/1.1 200 Connection Established\r\n\r\n")
        upstream.pipe(client)
        client.pipe(upstream)
      })
      for (const socket of [client, upstream]) socket.on("error", () => socket.destroy())
    })
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      resume(Effect.succeed({ port, seen, close: () => server.closeAllConnections() }))
    })
  }),
  ({ close }) => Effect.sync(close)
)
