import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpServer from "@effect/platform/HttpServer"
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schedule } from "effect"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { type ChildProcess, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { bundle } from "../esbuild.js"

const root = fileURLToPath(new URL("../..", import.meta.url))

const Emulated = PandaEmulator.layerServer({ encodingTime: "1 second" }).pipe(
  Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
)

it.scopedLive(
  "a pipeline that is killed goes on where it was, and reports every file once",
  () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { address } = yield* HttpServer.HttpServer
      const temporary = mkdtempSync(join(tmpdir(), "effect-panda-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(temporary, { recursive: true })))
      yield* Effect.promise(() => bundle([join(root, "examples/pipeline.ts")], temporary))
      const folder = join(temporary, "films")
      mkdirSync(folder)
      const files = Array.from(
        { length: 6 },
        (_, i) => ({ name: `${i}.mp4`, bytes: Buffer.alloc(17_000_000, `panda ${i}`) })
      )
      for (const { bytes, name } of files) writeFileSync(join(folder, name), bytes)
      yield* panda.inject({ route: "chunk", fault: Fault.delay("300 millis"), times: 12 })
      yield* panda.inject({ route: "chunk", fault: Fault.status(503), skip: 3 })

      const start = () =>
        spawn(process.execPath, [join(temporary, "pipeline.mjs"), folder], {
          cwd: root,
          env: {
            ...process.env,
            PANDA_ACCESS_KEY: panda.accessKey,
            PANDA_SECRET_KEY: Redacted.value(panda.secretKey),
            PANDA_CLOUD_ID: panda.cloudId,
            PANDA_HOST: "127.0.0.1",
            PANDA_PORT: address._tag === "TcpAddress" ? String(address.port) : ""
          }
        })
      const ended = (child: ChildProcess) =>
        Effect.async<number | null>((resume) => void child.on("close", (code) => resume(Effect.succeed(code))))

      const first = start()
      yield* Effect.repeat(panda.sessions, {
        schedule: Schedule.spaced("20 millis"),
        until: (sessions) => sessions.some(({ acknowledged }) => acknowledged > 0)
      })
      first.kill("SIGKILL")
      yield* ended(first)
      assert.strictEqual(yield* ended(start()), 0)

      const report: ReadonlyArray<{ file: string; encodings: ReadonlyArray<unknown> }> = JSON.parse(
        readFileSync(join(folder, "report.json"), "utf8")
      )
      assert.deepStrictEqual(report.map(({ file }) => file).sort(), files.map(({ name }) => name))
      for (const { encodings } of report) assert.deepStrictEqual(encodings, [{ profile: "h264", status: "success" }])

      const complete = (yield* panda.sessions).filter(({ videoId }) => videoId !== undefined)
      assert.deepStrictEqual(
        complete.map(({ sha256 }) => sha256).sort(),
        files.map(({ bytes }) => createHash("sha256").update(bytes).digest("hex")).sort()
      )
      for (const { receivedTwice } of complete) assert.strictEqual(receivedTwice, 0)
    }).pipe(Effect.provide(Emulated))
)
