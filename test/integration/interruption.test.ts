/** Over real sockets: what an interruption leaves behind, whatever it interrupts. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Schedule } from "effect"
import * as PandaClient from "effect-panda/PandaClient"
import * as Upload from "effect-panda/Upload"
import * as UploadSource from "effect-panda/UploadSource"
import { spawn } from "node:child_process"
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Task } from "../chaos/child.js"
import { bundle } from "../chaos/childProcess.js"
import { operations } from "../client/operations.js"
import { third } from "../fuzz/seed.js"
import { lateness, patience } from "../patience.js"
import { clientAt, opened, until, ways } from "./client.js"
import * as RawServer from "./rawServer.js"

const MIB = 1024 * 1024
/** More than the system's buffers take, so that it does not leave us at once; and one of three chunks. */
const SIZES = { large: 32 * MIB, small: 250_000 }
const CHUNK = 100_000

/** Milliseconds within which the server sees its socket close: the median. */
const PROMISED = 50
/**
 * On a machine that has other things to do a median is late too, for a while: then it is measured anew. What is late by
 * itself stays late.
 */
const ROUNDS = 6
/** Each time. What a busy machine adds is far less, and what would close it if the interruption did not, 30 s, far more. */
const EVER = 2000
/** Of an upload in each of its phases, on each way: enough for a median. */
const TIMES = 7

let folder: string
let child: Effect.Effect.Success<ReturnType<typeof bundle>>
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "effect-panda-interruption-"))
  child = await Effect.runPromise(bundle(folder))
  for (const [name, size] of Object.entries(SIZES)) {
    const fd = openSync(join(folder, name), "w")
    ftruncateSync(fd, size)
    closeSync(fd)
  }
})
afterAll(() => rmSync(folder, { recursive: true }))

/** At which exchange a server stops, and how. */
interface Stop {
  readonly what: string
  /**
   * Says `ready` once it has stopped, and gives what it does when the client is about to leave. Otherwise whether it
   * has answered by itself.
   */
  readonly at: (exchange: RawServer.Exchange, ready: () => void) => boolean | (() => void)
}

const nothing = () => {}

/** A server that stops somewhere, and a way to interrupt what it stops. */
const stopping = Effect.gen(function*() {
  let at: (exchange: RawServer.Exchange) => boolean = () => false
  const server = yield* RawServer.make({ instead: (exchange) => at(exchange), countOnly: true })

  /** Milliseconds from the interruption to the close of the socket, as the server sees it. */
  const interrupt = <A, E, R>(effect: Effect.Effect<A, E, R>, stop: Stop) =>
    Effect.gen(function*() {
      const stopped = yield* Deferred.make<void>()
      let closed: number | undefined
      let leave = nothing
      let taken = false
      at = (exchange) => {
        const last = !taken && stop.at(exchange, () => Deferred.unsafeDone(stopped, Effect.void))
        if (typeof last === "boolean") return last
        taken = true
        leave = last
        exchange.request.socket.once("close", () => {
          closed = performance.now()
        })
        return true
      }
      const fiber = yield* Effect.fork(effect)
      yield* Effect.raceFirst(
        Deferred.await(stopped),
        Effect.zipRight(Fiber.await(fiber), Effect.fail("it has ended by itself"))
      )
      const open = opened(folder)
      const from = performance.now()
      leave()
      yield* Fiber.interrupt(fiber)
      const left = opened(folder)
      yield* until(`the socket is closed, ${stop.what}`, () => closed !== undefined)
      return { millis: closed! - from, open, left }
    })
  return { server, interrupt }
})

/** Until the samples are in time; gives how many there were. */
const inTime = <E, R>(what: string, samples: Effect.Effect<ReadonlyArray<number>, E, R>) =>
  Effect.gen(function*() {
    let count = 0
    for (let round = 1; round <= ROUNDS; round++) {
      const late = yield* lateness
      const sorted = [...yield* samples].sort((a, b) => a - b)
      const [median, most] = [sorted[sorted.length >> 1]!, sorted.at(-1)!]
      count += sorted.length
      console.log(`${what}: closed after ${median.toFixed(1)} ms, ${most.toFixed(1)} ms at most, of ${sorted.length}`)
      assert.isAtMost(most, EVER + 5 * late(), what)
      if (median <= PROMISED + (round < ROUNDS ? 0 : late())) return count
    }
    return assert.fail(`${what}: later than ${PROMISED} ms in each of ${ROUNDS} rounds`)
  })

const silences: ReadonlyArray<Stop> = [
  {
    what: "before an answer",
    at: ({ request }, ready) => {
      request.resume().on("end", ready)
      return nothing
    }
  },
  {
    what: "within the head",
    at: ({ request }, ready) => {
      request.resume().on("end", () => request.socket.write("HTTP/1.1 200 OK\r\n", ready))
      return nothing
    }
  },
  {
    what: "within the body",
    at: ({ request, response }, ready) => {
      request.resume().on("end", () => {
        response.writeHead(200, { "content-length": 100 })
        response.write("[", ready)
      })
      return nothing
    }
  }
]

const layers = ways.filter(({ body }) => body === "bytes")

describe.each(layers)("each operation, $name", (way) => {
  const { http, name } = way
  it.scopedLive.each(silences)("$what", (stop) =>
    Effect.gen(function*() {
      const { interrupt, server } = yield* stopping
      const client = yield* Layer.build(clientAt(server.port, http))
      const samples = Effect.forEach(
        third(operations, layers.indexOf(way) + silences.indexOf(stop)),
        ({ run }) => Effect.map(Effect.provide(interrupt(run, stop), client), ({ millis }) => millis)
      )
      const count = yield* inTime(`${name}, ${stop.what}`, samples)
      // Time for what should not come: a first retry comes within 200 ms.
      yield* Effect.sleep("300 millis")
      assert.lengthOf(server.seen, count)
    }))
})

interface Phase extends Stop {
  readonly file: keyof typeof SIZES
  /** Requests before it. */
  readonly before: number
}

const phases: ReadonlyArray<Phase> = [
  {
    what: "creating",
    file: "small",
    before: 0,
    at: ({ request, seen: { kind } }, ready) => {
      if (kind !== "create") return false
      request.resume().on("end", ready)
      return nothing
    }
  },
  {
    what: "in the middle of a chunk",
    file: "large",
    before: 1,
    at: ({ request, seen: { kind } }, ready) => {
      if (kind !== "chunk") return false
      let received = 0
      let leaving = false
      request.on("data", ({ length }: Buffer) => {
        received += length
        if (received < MIB || leaving) return
        // As over a slow line. It has to read on, or it would not learn that the client has left.
        request.pause()
        ready()
      })
      return () => {
        leaving = true
        request.resume()
      }
    }
  },
  {
    what: "asking how far it is",
    file: "small",
    before: 2,
    at: ({ request, response, seen: { kind } }, ready) => {
      if (kind === "create") return false
      request.resume()
      if (kind === "probe") {
        request.on("end", ready)
        return nothing
      }
      request.on("end", () => response.writeHead(503, { "content-length": 0 }).end())
      return true
    }
  },
  {
    what: "finalising",
    file: "small",
    before: 3,
    at: ({ request, seen }, ready) => {
      const [range] = RawServer.valuesOf(seen, "content-range")
      if (range !== `bytes ${2 * CHUNK}-${SIZES.small - 1}/${SIZES.small}`) return false
      request.resume().on("end", ready)
      return nothing
    }
  }
]

const quick = Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(8))

describe.each(ways)("an upload, $name", ({ body, http, name }) => {
  const upload = (file: keyof typeof SIZES) =>
    Effect.gen(function*() {
      const source = yield* UploadSource.fromFile(join(folder, file))
      const chunkSize = file === "large" ? SIZES.large : CHUNK
      return yield* Upload.video(Upload.start(source, { body, chunkSize, retry: quick }))
    })

  it.scopedLive.each(phases)("$what", (phase) =>
    Effect.gen(function*() {
      const { interrupt, server } = yield* stopping
      const client = yield* Layer.build(clientAt(server.port, http))
      const sample = Effect.gen(function*() {
        const { left, millis, open } = yield* interrupt(upload(phase.file), phase)
        assert.deepStrictEqual({ open, left }, { open: 1, left: 0 })
        return millis
      })
      const count = yield* inTime(
        `${name}, ${phase.what}`,
        Effect.replicateEffect(Effect.provide(sample, client), TIMES)
      )
      yield* Effect.sleep("300 millis")
      assert.lengthOf(server.seen, count * (phase.before + 1))
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  it.scopedLive("at any moment, from before its first request on", () =>
    Effect.gen(function*() {
      const server = yield* RawServer.make({ countOnly: true })
      const requests: Array<number> = []
      // As the client counts: what it had begun before it was interrupted, the server may see later.
      let [begun, late] = [0, 0]
      // However slow the machine is, it gets to a request.
      for (let turns = 0; turns < 40 || requests.every((count) => count === 0); turns++) {
        const before = server.seen.length
        let interrupted = false
        const counted = PandaClient.withTransform(upload("small"), (request) =>
          Effect.sync(() => {
            begun++
            if (interrupted) late++
            return request
          }))
        const fiber = yield* Effect.fork(Effect.provide(counted, clientAt(server.port, http)))
        for (let turn = 0; turn < turns; turn++) yield* Effect.promise(() => new Promise(setImmediate))
        yield* Fiber.interrupt(fiber)
        interrupted = true
        assert.strictEqual(opened(folder), 0)
        requests.push(server.seen.length - before)
      }
      assert.include(requests, 0)
      yield* Effect.sleep("300 millis")
      assert.strictEqual(late, 0)
      assert.isAtMost(server.seen.length, begun)
    }).pipe(Effect.provide(NodeFileSystem.layer)))
})

describe.concurrent.each(ways)("a process, $name", (way) => {
  const { body, layer } = way
  const waiting: Stop = {
    what: "waiting to ask again",
    at: ({ request, response, seen: { kind } }, ready) => {
      if (kind !== "chunk") return false
      request.resume().on("end", () => {
        response.writeHead(503, { "content-length": 0, "retry-after": "30" }).end(ready)
      })
      return true
    }
  }
  const stops = [...phases.filter(({ file }) => file === "small"), waiting]

  it.scopedLive.each(third(stops, ways.indexOf(way)))(
    "that is interrupted while $what ends by itself",
    (stop) =>
      Effect.gen(function*() {
        const stopped = yield* Deferred.make<void>()
        const listed = yield* Deferred.make<void>()
        const limited = yield* Deferred.make<void>()
        let lists = 0
        const server = yield* RawServer.make({
          countOnly: true,
          instead: (exchange) => {
            if (exchange.seen.kind !== "other") {
              return stop.at(exchange, () => Deferred.unsafeDone(stopped, Effect.void)) !== false
            }
            // One list is not answered, the other is to be asked for again.
            if (lists++ === 0) Deferred.unsafeDone(listed, Effect.void)
            else {
              exchange.response.writeHead(429, { "content-length": 0, "retry-after": "30" }).end(() =>
                Deferred.unsafeDone(limited, Effect.void)
              )
            }
            return true
          }
        })
        const task: Task = {
          port: server.port,
          file: join(folder, "small"),
          chunkSize: CHUNK,
          http: layer,
          body,
          interruptible: true
        }
        const running = yield* Effect.acquireRelease(
          Effect.sync(() => spawn(process.execPath, child(task), { stdio: ["ignore", "pipe", "inherit"] })),
          (running) => Effect.sync(() => running.kill("SIGKILL"))
        )
        let out = ""
        running.stdout.on("data", (text) => {
          out += text
        })
        const ended = Effect.async<number | NodeJS.Signals | null>((resume) => {
          // Not "exit": where two processes end at once, that may come before what this one has written.
          running.once("close", (code, signal) => resume(Effect.succeed(code ?? signal)))
        })
        const ending = yield* Effect.fork(ended)
        yield* Effect.raceFirst(
          Effect.all([stopped, listed, limited].map((all) => Deferred.await(all))),
          Effect.flatMap(Fiber.join(ending), (code) => Effect.fail(`it has ended by itself: ${code}`))
        )
        // Time to hear of the answers there were.
        yield* Effect.sleep("100 millis")
        const requests = server.seen.length
        running.kill("SIGUSR2")
        // What it left running would keep it for as long as it waits: 30 seconds, whatever it is.
        const code = yield* Effect.timeout(Fiber.join(ending), patience)
        assert.deepStrictEqual([code, out], [0, "interrupted\n"])
        assert.lengthOf(server.seen, requests)
      })
  )
})
