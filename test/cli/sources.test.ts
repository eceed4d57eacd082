/** What a name leads to, when the emulator fetches a `source_url`: what was looked at is what is connected to. */
import { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createServer } from "node:http"
import * as Sources from "../../src/cli/sources.js"

/** Hears what comes to this machine, and where to: 127.0.0.1, 127.0.0.2 and so on are all its own. */
const machine = Effect.acquireRelease(
  Effect.async<{ readonly port: number; readonly heard: Array<string>; readonly close: () => void }>((resume) => {
    const heard: Array<string> = []
    const server = createServer((request, response) => {
      heard.push(request.socket.localAddress!)
      // The next request connects again.
      response.writeHead(200, { connection: "close" }).end()
    }).listen(0, () => {
      const { port } = server.address() as { readonly port: number }
      resume(Effect.succeed({
        port,
        heard,
        close: () => {
          server.close()
          server.closeAllConnections()
        }
      }))
    })
  }),
  ({ close }) => Effect.sync(close)
)

/** Answers each question with the next of these, and notes how many there were. */
const resolver = (...answers: ReadonlyArray<ReadonlyArray<string>>) => {
  const state = { asked: 0 }
  const resolve: Sources.Resolve = (_, __, answer) => {
    const addresses = answers[Math.min(state.asked++, answers.length - 1)]!
    answer(null, addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })))
  }
  return { state, resolve }
}

const get = (port: number) =>
  HttpClient.get(`http://rebound.example:${port}/film.mp4`).pipe(
    Effect.map(({ status }) => String(status)),
    Effect.scoped,
    Effect.catchAll((error) =>
      Effect.succeed(String((error.cause as { readonly cause?: unknown }).cause ?? error.cause))
    )
  )

describe("a name", () => {
  it.scopedLive("that leads to this machine or to a private network is not followed", () =>
    Effect.gen(function*() {
      const { heard, port } = yield* machine
      const hidden = ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "192.168.0.1", "169.254.169.254", "fd00::1"]
      for (const addresses of [...hidden.map((address) => [address]), hidden, []]) {
        const said = yield* Effect.provide(get(port), Sources.make(resolver(addresses).resolve))
        assert.include(said, "rebound.example is not public", addresses.join())
      }
      assert.deepStrictEqual(heard, [])
    }))

  it.scopedLive("is looked at when it is connected to, and only there", () =>
    Effect.gen(function*() {
      const { heard, port } = yield* machine
      const isPublic = (address: string) => address === "127.0.0.2"
      // First it leads where it may, among others; then it does not any more.
      const { resolve, state } = resolver(["127.0.0.1", "127.0.0.2"], ["127.0.0.1"])
      yield* Effect.gen(function*() {
        assert.strictEqual(yield* get(port), "200")
        assert.strictEqual(state.asked, 1)
        assert.include(yield* get(port), "rebound.example is not public")
        assert.strictEqual(state.asked, 2)
      }).pipe(Effect.provide(Sources.make(resolve, isPublic)))
      assert.deepStrictEqual(heard.map((address) => address.replace("::ffff:", "")), ["127.0.0.2"])
    }))
})
