/** Uploads in processes that are killed and started again, until they are done. */
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { type ChildProcess, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Task } from "./child.js"
import { seedOf } from "../fuzz/seed.js"
import { bundle } from "./childProcess.js"
import { random } from "./random.js"

const KIB = 1024
const CHUNK = 64 * KIB
const FILES = 4
const KILLS = 5

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-panda-kill-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)

interface Child {
  readonly kill: () => void
  /** The lines that it has written. */
  readonly lines: () => ReadonlyArray<string>
  readonly errors: () => string
  readonly running: () => boolean
  readonly ended: Effect.Effect<number | NodeJS.Signals | null>
}

const start = (args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync((): Child => {
      const child: ChildProcess = spawn(process.execPath, args)
      let [out, err] = ["", ""]
      child.stdout!.on("data", (text) => {
        out += text
      })
      child.stderr!.on("data", (text) => {
        err += text
      })
      const running = () => child.exitCode === null && child.signalCode === null
      let closed = false
      child.once("close", () => {
        closed = true
      })
      return {
        kill: () => void child.kill("SIGKILL"),
        // That it waits for the lease of the dead says nothing of the upload.
        lines: () => out.split("\n").slice(0, -1).filter((line) => line !== "Waiting"),
        errors: () => err,
        running,
        ended: Effect.async((resume) => {
          const end = () => resume(Effect.succeed(child.exitCode ?? child.signalCode))
          if (closed) end()
          else child.once("close", end)
        })
      }
    }),
    (child) => Effect.zipRight(Effect.sync(child.kill), child.ended)
  )

it.scopedLive(
  "an upload survives the death of its process, any number of times, and loses a chunk at most each time",
  () =>
    Effect.gen(function*() {
      const next = random(seedOf())
      const panda = yield* PandaEmulator.PandaEmulator
      const { address } = yield* HttpServer.HttpServer
      const port = address._tag === "TcpAddress" ? address.port : 0
      const home = yield* folder
      const directory = join(home, "store")
      const child = yield* bundle(home)
      // A kill finds an upload under way.
      yield* panda.inject({ route: "chunk", fault: Fault.delay("30 millis"), times: Infinity })

      // Nowhere as long as what is sent, so that what goes to a wrong place is noticed.
      const noise = Uint8Array.from({ length: 100_003 }, () => next() * 256)
      const plans = Array.from({ length: FILES }, (_, number) => {
        const bytes = Buffer.alloc(90 * CHUNK + Math.floor(next() * CHUNK), noise.subarray(number))
        const file = join(home, `${number}.mp4`)
        writeFileSync(file, bytes)
        return {
          file,
          name: `${number}.mp4`,
          size: bytes.byteLength,
          sha256: createHash("sha256").update(bytes).digest("hex"),
          // Mostly in mid-upload; sometimes while the process starts, or waits for the lease of the dead.
          kills: Array.from({ length: KILLS }, (_, kill) =>
            kill > 0 && next() < 0.25
              ? { from: "start" as const, millis: next() * 900 }
              : { from: "chunk" as const, millis: next() * 450 })
        }
      })

      const killed = yield* Effect.forEach(plans, ({ file, kills, name, sha256, size }) =>
        Effect.gen(function*() {
          const task: Task = {
            port,
            file,
            chunkSize: CHUNK,
            http: "fetch",
            body: "bytes",
            store: { directory, leaseMillis: 600 }
          }
          const mine = Effect.map(panda.sessions, (sessions) => sessions.filter((session) => session.name === name))
          const received = Effect.map(mine, (sessions) => sessions.reduce((sum, { received }) => sum + received, 0))
          const states = () => readdirSync(directory).filter((entry) => entry.endsWith(".json"))
          let count = 0

          for (const { from, millis } of kills) {
            const before = yield* received
            yield* Effect.scoped(Effect.gen(function*() {
              const process = yield* start(child(task))
              if (from === "chunk") {
                while ((yield* received) === before && process.running()) yield* Effect.sleep("5 millis")
              }
              yield* Effect.sleep(millis)
              if (!process.running()) assert.fail(`it ended with ${yield* process.ended}: ${process.errors()}`)
              process.kill()
              assert.strictEqual(yield* process.ended, "SIGKILL", process.errors())
              count++
              assert.strictEqual(process.errors(), "")
              assert.include([undefined, before === 0 ? "Started" : "Resumed"], process.lines()[0])
            }))
            // What is saved is whole, and for its owner only.
            for (const state of states()) {
              const path = join(directory, state)
              assert.strictEqual(JSON.parse(readFileSync(path, "utf8")).version, 1)
              assert.strictEqual(statSync(path).mode & 0o777, 0o600)
            }
          }
          // As if one had been killed in the middle of saving.
          for (const state of states()) writeFileSync(join(directory, `${state}.1234.new`), "{")
          yield* Effect.scoped(Effect.gen(function*() {
            const process = yield* start(child(task))
            assert.strictEqual(yield* process.ended, 0, process.errors())
            assert.strictEqual(process.lines()[0], "Resumed")
            assert.strictEqual(process.lines().at(-1), "Uploaded")
          }))
          const sessions = yield* mine
          assert.lengthOf(sessions, 1, "there was more than one session")
          const session = sessions[0]!
          assert.strictEqual(session.sha256, sha256)
          assert.isDefined(session.videoId)
          assert.isAtMost(session.received, size + count * CHUNK)
          return count
        }), { concurrency: FILES })

      assert.isAtLeast(killed.reduce((sum, count) => sum + count, 0), 20)
      const creates = (yield* panda.requests).filter(({ route }) => route === "create")
      assert.lengthOf(creates, FILES)
      assert.lengthOf(yield* panda.videos, FILES)
      assert.deepStrictEqual(readdirSync(directory), [], "something was left in the store")
    }).pipe(Effect.provide(server))
)

const server = PandaEmulator.layerServer({
  hash: () => {
    const hash = createHash("sha256")
    return { update: (bytes) => hash.update(bytes), digest: () => hash.digest("hex") }
  }
}).pipe(Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" })))
