/** Uploads over real sockets, on each HTTP layer: what goes over the wire, and what is left behind when it breaks. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Option, Schedule, Stream } from "effect"
import * as PandaClient from "effect-panda/PandaClient"
import { isUploadError, type UploadError } from "effect-panda/PandaError"
import * as Upload from "effect-panda/Upload"
import * as UploadSource from "effect-panda/UploadSource"
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Task } from "../chaos/child.js"
import { bundle } from "../chaos/childProcess.js"
import { thorough } from "../fuzz/seed.js"
import { lateness } from "../patience.js"
import { clientAt, opened, until, ways } from "./client.js"
import * as RawServer from "./rawServer.js"

const MIB = 1024 * 1024

const bytesOf = (size: number) => {
  const bytes = Buffer.allocUnsafe(size)
  for (let at = 0; at < size; at++) bytes[at] = (at * 31 + (at >> 8) * 7 + (at >> 16)) % 256
  return bytes
}
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

/** MiB of a file that has no room in the memory that an upload may take. */
const LARGE = thorough ? 256 : 128

/**
 * Milliseconds within which an interruption is complete, whatever else the machine does. As a rule it is far sooner,
 * which `interruption.test.ts` shows by medians; what would end it otherwise comes after 30 seconds.
 */
const EVER = 2000

const small = bytesOf(350_000)
const whole = bytesOf(4 * MIB)

let folder: string
let child: Effect.Effect.Success<ReturnType<typeof bundle>>
const warnings: Array<string> = []
const onWarning = ({ message, name }: Error) => {
  warnings.push(`${name}: ${message}`)
}
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "effect-panda-sockets-"))
  child = await Effect.runPromise(bundle(folder))
  process.on("warning", onWarning)
})
afterAll(() => {
  rmSync(folder, { recursive: true })
  process.off("warning", onWarning)
})

const quick = Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(8))

describe.each(ways)("$name", ({ body, http, layer }) => {
  const options: Upload.Options = { body, chunkSize: 100_000, retry: quick }

  const clientOf = ({ port }: RawServer.RawServer) => clientAt(port, http)

  /** Runs an upload to its end, with an HTTP layer of its own. */
  const run = (
    server: RawServer.RawServer,
    source: UploadSource.UploadSource,
    more: Upload.Options = {}
  ) => {
    const events: Array<Upload.UploadEvent> = []
    return Upload.start(source, { ...options, ...more }).pipe(
      Stream.tap((event) => Effect.sync(() => events.push(event))),
      Upload.video,
      Effect.exit,
      Effect.map((exit) => ({ events, exit })),
      PandaClient.withRetry(quick),
      Effect.provide(clientOf(server))
    )
  }

  const errorOf = (exit: Exit.Exit<unknown, UploadError>) =>
    Exit.match(exit, {
      onSuccess: () => assert.fail("it succeeded"),
      onFailure: (cause) => cause._tag === "Fail" ? cause.error : assert.fail(`${cause}`)
    })

  const retried = (events: ReadonlyArray<Upload.UploadEvent>) =>
    events.flatMap((event) => event._tag === "Retrying" ? [event.error] : [])

  const reasonOf = (error: UploadError) => error._tag === "PandaTransportError" ? error.reason : error._tag

  const fileOf = (name: string, bytes: Uint8Array = whole) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => {
          const path = join(folder, `${layer}-${body}-${name}.mp4`)
          writeFileSync(path, bytes)
          return path
        }),
        (path) => Effect.sync(() => rmSync(path, { force: true }))
      ),
      (path) => ({ path, source: UploadSource.fromFile(path) })
    )

  it.scopedLive("S40: each request has its length, once, and nothing of ours that is not the server's business", () =>
    Effect.gen(function*() {
      const server = yield* RawServer.make({
        instead: ({ number, request, response, seen: { kind } }) => {
          if (kind !== "chunk" || number !== 1) return false
          request.resume()
          request.on("end", () => response.writeHead(503, { "content-length": 0 }).end())
          return true
        }
      })
      const { exit } = yield* run(server, UploadSource.fromBytes(small, { name: "a.mp4" })).pipe(
        Effect.withSpan("not to travel")
      )
      assert.isTrue(Exit.isSuccess(exit), String(exit))
      assert.strictEqual(server.sha256(), sha256(small))
      const puts = server.seen.filter(({ method }) => method === "PUT")
      assert.deepStrictEqual(puts.map(({ kind }) => kind), ["chunk", "chunk", "probe", "chunk", "chunk", "chunk"])
      for (const put of puts) {
        const [from, to] = (/^bytes (\d+)-(\d+)\//.exec(RawServer.valuesOf(put, "content-range")[0]!) ?? [0, 0, -1])
          .slice(1).map(Number)
        assert.deepStrictEqual(RawServer.valuesOf(put, "content-length"), [String(to! - from! + 1)])
        assert.deepStrictEqual(RawServer.valuesOf(put, "content-type"), ["application/octet-stream"])
        assert.deepStrictEqual(RawServer.valuesOf(put, "transfer-encoding"), [])
      }
      for (const seen of server.seen) {
        for (const header of ["traceparent", "tracestate", "b3", "x-b3-traceid", "expect", "authorization", "cookie"]) {
          assert.deepStrictEqual(RawServer.valuesOf(seen, header), [], header)
        }
      }
    }))

  for (const redirected of ["chunk", "probe"] as const) {
    it.scopedLive(`S40: a redirect of a ${redirected} is not followed behind our back`, () =>
      Effect.gen(function*() {
        let redirects = 0
        const server = yield* RawServer.make({
          instead: ({ number, request, response, seen: { kind } }) => {
            if (kind !== redirected && (kind !== "chunk" || number !== 1)) return false
            if (kind === redirected && (redirected === "chunk" && number !== 1 || redirects > 0)) return false
            if (kind === redirected) redirects++
            const location = `http://127.0.0.1:${server.port}/upload/session?id=moved`
            request.resume()
            request.on("end", () =>
              response.writeHead(kind === redirected ? 307 : 503, {
                ...(kind === redirected ? { location } : {}),
                "content-length": 0
              }).end())
            return true
          }
        })
        const { events, exit } = yield* run(server, UploadSource.fromBytes(small, { name: "a.mp4" }))
        assert.isTrue(Exit.isSuccess(exit), String(exit))
        assert.strictEqual(redirects, 1)
        assert.strictEqual(server.sha256(), sha256(small))
        // It counts as a failure, and what follows is a question, wherever it goes.
        const questions = redirected === "chunk" ? ["probe"] : ["probe", "probe"]
        assert.lengthOf(retried(events), questions.length)
        assert.deepStrictEqual(
          server.seen.slice(0, 4 + questions.length).map(({ kind }) => kind),
          ["create", "chunk", "chunk", ...questions, "chunk"]
        )
      }))
  }

  it.scopedLive("S34: an interruption stops the bytes and closes socket and file at once, and deletes nothing", () =>
    Effect.gen(function*() {
      const size = 48 * MIB
      const path = join(folder, `${layer}-${body}-interrupted.mp4`)
      const fd = openSync(path, "w")
      ftruncateSync(fd, size)
      closeSync(fd)
      let received = 0
      let lastByte = 0
      let closed = 0
      let go = () => {}
      const server = yield* RawServer.make({
        instead: ({ request, seen: { kind } }) => {
          if (kind !== "chunk") return false
          request.on("data", (data: Buffer) => {
            received += data.length
            lastByte = performance.now()
            // Reads no more until the client has left, as over a slow line.
            if (received >= MIB && closed === 0 && !leaving) request.pause()
          })
          let leaving = false
          go = () => {
            leaving = true
            request.resume()
          }
          request.socket.on("close", () => {
            closed = performance.now()
          })
          return true
        }
      })
      const source = yield* UploadSource.fromFile(path)
      const client = yield* Layer.build(clientOf(server))
      const fiber = yield* Effect.fork(
        Effect.provide(Upload.video(Upload.start(source, { ...options, chunkSize: size })), client)
      )
      yield* until("a chunk is under way", () => received >= MIB)
      yield* Effect.sleep("50 millis")
      assert.strictEqual(opened(path), 1)
      const late = yield* lateness
      const left = performance.now()
      go()
      yield* Fiber.interrupt(fiber)
      const interrupted = performance.now() - left
      assert.strictEqual(opened(path), 0)
      yield* until("the socket is closed", () => closed > 0)
      const [bytes, socket] = [lastByte - left, closed - left].map((millis) => Math.max(0, Math.round(millis)))
      console.log(
        `S34, ${layer} ${body}: ${Math.round(interrupted)} ms to the end of the fiber, ` +
          `${bytes} ms to the last byte, ${socket} ms to the close`
      )
      assert.isBelow(Math.max(interrupted, bytes!, socket!), EVER + 5 * late())
      assert.isBelow(received, size)
      const requests = server.seen.length
      yield* Effect.sleep("200 millis")
      assert.strictEqual(server.seen.length, requests)
      assert.deepStrictEqual(server.seen.map(({ method }) => method), ["POST", "PUT"])
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  it.scopedLive("S28: nothing stays open after resets, success, failure and interruption", () =>
    Effect.gen(function*() {
      const { path, source } = yield* fileOf("leaks")
      let resets = 0
      let refuse = false
      let hold = false
      const server = yield* RawServer.make({
        keepAlive: 50,
        instead: ({ request, reset, response, seen: { kind } }) => {
          if (kind !== "chunk") return false
          // It reads, or it would not learn that the client has left.
          if (hold) request.resume()
          if (hold) return true
          if (refuse) {
            request.resume()
            request.on("end", () => response.writeHead(422, { "content-length": 0 }).end())
            return true
          }
          // Each other chunk breaks, so that there is progress between.
          if (resets >= 40 || resets++ % 2 === 1) return false
          request.once("data", reset)
          return true
        }
      })
      const nothingOpen = (after: string) =>
        Effect.zipRight(
          Effect.sync(() => assert.strictEqual(opened(path), 0, `the file is open after ${after}`)),
          until(`no socket is open after ${after}`, () => server.sockets.size === 0)
        )
      const file = yield* source
      const broken = yield* run(server, file)
      assert.isTrue(Exit.isSuccess(broken.exit), String(broken.exit))
      assert.isAtLeast(retried(broken.events).length, 20)
      assert.strictEqual(server.sha256(), sha256(whole))
      yield* nothingOpen("20 resets and a success")

      refuse = true
      assert.strictEqual(errorOf((yield* run(server, file)).exit)._tag, "PandaUploadRejected")
      yield* nothingOpen("a failure")

      refuse = false
      hold = true
      const before = server.seen.length
      const fiber = yield* Effect.fork(run(server, file))
      yield* until("a chunk is under way", () => server.seen.slice(before).some(({ kind }) => kind === "chunk"))
      yield* Fiber.interrupt(fiber)
      yield* nothingOpen("an interruption")
      assert.deepStrictEqual(warnings.filter((warning) => warning.includes("MaxListeners")), [])
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  const breaks: ReadonlyArray<readonly [what: string, tls: boolean, how: (exchange: RawServer.Exchange) => void]> = [
    ["reset before the body is read", false, ({ reset }) => reset()],
    ["reset in the middle", false, ({ request, reset }) => request.once("data", reset)],
    ["closed while the client writes", false, ({ request }) => request.socket.destroy()],
    ["closed without an answer", false, ({ request }) => request.resume().on("end", () => request.socket.end())],
    [
      "closed within the answer's head",
      false,
      ({ request }) => request.resume().on("end", () => request.socket.end("HTTP/1.1 204 No Con"))
    ],
    ["TLS: closed in order", true, ({ request }) => request.once("data", () => request.socket.end())],
    ["TLS: reset", true, ({ request, reset }) => request.once("data", reset)],
    ["TLS: closed while the client writes", true, ({ request }) => request.socket.destroy()]
  ]
  for (const [what, tls, how] of breaks) {
    it.scopedLive(`S15: ${what}`, () =>
      Effect.gen(function*() {
        const server = yield* RawServer.make({
          tls,
          instead: (exchange) => {
            if (exchange.seen.kind !== "chunk" || exchange.number !== 1) return false
            how(exchange)
            return true
          }
        })
        if (tls) yield* trusting
        const { events, exit } = yield* run(server, UploadSource.fromBytes(whole, { name: "a.mp4" }), {
          chunkSize: MIB
        })
        assert.isTrue(Exit.isSuccess(exit), String(exit))
        assert.strictEqual(server.sha256(), sha256(whole))
        assert.deepStrictEqual(
          retried(events).map(reasonOf),
          ["Interrupted"]
        )
        const kinds = server.seen.map(({ kind }) => kind)
        assert.deepStrictEqual(kinds.slice(0, 4), ["create", "chunk", "chunk", "probe"])
      }))
  }

  it.scopedLive("S15: refused for a while", () =>
    Effect.gen(function*() {
      let [over, refusals] = [() => {}, 0]
      const server = yield* RawServer.make({
        instead: ({ number, seen: { kind } }) => {
          if (kind !== "chunk" || number !== 1) return false
          over = server.outage()
          return true
        }
      })
      const { events, exit } = yield* run(server, UploadSource.fromBytes(small, { name: "a.mp4" }), {
        retry: Schedule.tapInput(quick, (error) =>
          Effect.sync(() => {
            if (isUploadError(error) && reasonOf(error) === "Connect" && ++refusals === 2) over()
          }))
      })
      assert.isTrue(Exit.isSuccess(exit), String(exit))
      assert.strictEqual(server.sha256(), sha256(small))
      assert.deepStrictEqual(retried(events).map(reasonOf).slice(0, 3), ["Interrupted", "Connect", "Connect"])
    }))

  it.scopedLive("S16: an early refusal, hidden by a reset, is what the upload ends with", () =>
    Effect.gen(function*() {
      const three = Buffer.concat([whole, whole, whole])
      for (let time = 0; time < 3; time++) {
        const refusal = JSON.stringify({ error: "Unprocessable", message: `no such codec ${time}` })
        const server = yield* RawServer.make({
          instead: ({ number, reset, response, seen: { kind } }) => {
            if (kind === "create" || kind === "chunk" && number === 0) return false
            response.writeHead(422, { "content-type": "application/json", "content-length": refusal.length })
            response.end(refusal, () => {
              if (kind === "chunk") reset()
            })
            return true
          }
        })
        const { exit } = yield* run(server, UploadSource.fromBytes(three, { name: "a.mp4" }), {
          chunkSize: 4 * MIB,
          // Node's layer does not end a request that is answered before its body has gone, and whose connection breaks.
          stallTimeout: "500 millis"
        })
        const error = errorOf(exit)
        assert.strictEqual(error._tag, "PandaUploadRejected")
        assert.include(error.message, `no such codec ${time}`)
        assert.isAtMost(server.seen.length, 4)
      }
    }))

  it.scopedLive("S21: a server that closes idle connections between chunks loses nothing", () =>
    Effect.gen(function*() {
      let closed = 0
      const server = yield* RawServer.make({
        instead: ({ request, response, seen: { kind } }) => {
          if (kind !== "chunk") return false
          // Says nothing of it beforehand: the next request may be on its way already.
          response.on("finish", () =>
            setImmediate(() => {
              closed++
              request.socket.destroy()
            }))
          return false
        }
      })
      const { exit } = yield* run(server, UploadSource.fromBytes(whole, { name: "a.mp4" }), { chunkSize: MIB / 4 })
      assert.isTrue(Exit.isSuccess(exit), String(exit))
      assert.strictEqual(server.sha256(), sha256(whole))
      assert.isAtLeast(closed, 16)
    }))

  it.scopedLive("S27: a file that is unlinked is read to its end", () =>
    Effect.gen(function*() {
      const { path, source } = yield* fileOf("unlinked")
      const server = yield* RawServer.make({
        instead: ({ number, seen: { kind } }) => {
          if (kind === "chunk" && number === 3) unlinkSync(path)
          return false
        }
      })
      const { exit } = yield* run(server, yield* source)
      assert.isTrue(Exit.isSuccess(exit), String(exit))
      assert.strictEqual(server.sha256(), sha256(whole))
      assert.strictEqual(opened(path), 0)
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  const changes: ReadonlyArray<readonly [what: string, how: (path: string) => void]> = [
    ["truncated", (path) => truncateSync(path, MIB)],
    ["emptied", (path) => truncateSync(path, 0)],
    ["written to", (path) => appendFileSync(path, "more")]
  ]
  for (const [what, change] of changes) {
    it.scopedLive(`S27: a file that is ${what} ends it with PandaSourceError, and no video`, () =>
      Effect.gen(function*() {
        const { path, source } = yield* fileOf("changed")
        const server = yield* RawServer.make({
          instead: ({ number, seen: { kind } }) => {
            if (kind === "chunk" && number === 3) change(path)
            return false
          }
        })
        const { exit } = yield* run(server, yield* source)
        const error = errorOf(exit)
        assert.strictEqual(error._tag, "PandaSourceError")
        assert.match(error._tag === "PandaSourceError" ? error.reason : "", /^(Changed|TooShort)$/)
        // Nothing is sent but the chunk that was under way, and what was read before of the one after it.
        assert.isAtMost(server.seen.filter(({ kind }) => kind === "chunk").length, 5)
        assert.isBelow(server.stored(), whole.byteLength)
        assert.strictEqual(opened(path), 0)
      }).pipe(Effect.provide(NodeFileSystem.layer)))
  }

  // Chunks that are whole are left to the collector, which comes when it comes.
  const most = body === "stream" ? 64 : 96
  it.scopedLive(`S31: ${LARGE} MiB in chunks of 5 MiB take less than ${most} MiB of memory`, () =>
    Effect.gen(function*() {
      const server = yield* RawServer.make({ countOnly: true })
      const [file, warmUp] = ([["large", LARGE], ["warm-up", 16]] as const).map(([name, size]) => {
        const path = join(folder, `${layer}-${body}-${name}.mp4`)
        const fd = openSync(path, "w")
        ftruncateSync(fd, size * MIB)
        closeSync(fd)
        return path
      })
      const task: Task = { port: server.port, file: file!, warmUp: warmUp!, chunkSize: 5 * MIB, http: layer, body }
      const out = yield* Effect.async<string, string>((resume) => {
        const running = execFile(
          process.execPath,
          child(task),
          (error, out, err) => resume(error === null ? Effect.succeed(out) : Effect.fail(`${error} ${err}`))
        )
        return Effect.sync(() => running.kill("SIGKILL"))
      })
      const grown = Number(/^grown (\d+)$/m.exec(out)?.[1])
      console.log(`S31, ${layer} ${body}: ${(grown / MIB).toFixed(1)} MiB`)
      assert.strictEqual(server.stored(), LARGE * MIB)
      assert.isBelow(grown, most * MIB)
    }))
})

/** Certificates that nobody has signed are good enough, for a while. */
const trusting = Effect.acquireRelease(
  Effect.sync(() => {
    const before = process.env["NODE_TLS_REJECT_UNAUTHORIZED"]
    process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0"
    return Option.fromNullable(before)
  }),
  (before) =>
    Effect.sync(() => {
      if (Option.isSome(before)) process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = before.value
      else delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"]
    })
)

it.scopedLive.each([
  ...ways.filter(({ body }) => body === "bytes").map(({ http, name }) => ({ name, http, kept: name !== "node" })),
  {
    name: "node with an agent that keeps them",
    http: Layer.provide(NodeHttpClient.layerWithoutAgent, NodeHttpClient.makeAgentLayer({ keepAlive: true })),
    kept: true
  }
])("connections of $name: they are kept, or there is one for each request", ({ http, kept }) =>
  Effect.gen(function*() {
    const connections = new Set<number | undefined>()
    const server = yield* RawServer.make({
      instead: ({ request }) => {
        connections.add(request.socket.remotePort)
        return false
      }
    })
    const source = UploadSource.fromBytes(small, { name: "a.mp4" })
    yield* Upload.start(source, { chunkSize: 100_000 }).pipe(Upload.video, Effect.provide(clientAt(server.port, http)))
    assert.strictEqual(server.sha256(), sha256(small))
    // A request may come before the last connection is free again.
    assert.include(kept ? [1, 2] : [5], connections.size)
  }))
