/** What is made, stopped and taken away by commands; and the Panda that `emulator` runs. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { createServer } from "node:net"
import { bundled, emulator, lines, objects, person, run, temporary } from "./command.js"

describe("commands", { timeout: 120_000 }, () => {
  it.scopedLive("make, stop, make again and delete encodings", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { run } = yield* person
      const [video] = yield* panda.videos
      // The video has finished ones from before.
      const before = new Set((yield* panda.encodings).map(({ id }) => id))
      const fresh = Effect.map(panda.encodings, (all) => all.filter(({ id }) => !before.has(id)))
      const statuses = Effect.map(fresh, (all) => all.map(({ status }) => status))
      const create = ["encodings", "create", "--video", String(video!["id"]), "--profile"]
      const made = yield* run([...create, "h264"])
      assert.strictEqual(made.code, 0, made.err)
      assert.match(made.out, /^status +processing$/m)
      const [encoding] = yield* fresh
      const id = String(encoding!["id"])
      assert.match(made.out, new RegExp(`^id +${id}$`, "m"))

      const cancelled = yield* run(["encodings", "cancel", id])
      assert.deepInclude(cancelled, { code: 0, out: `Cancelled ${id}\n` })
      assert.deepStrictEqual(yield* statuses, ["fail"])
      const retried = yield* run(["encodings", "retry", id, "--json"])
      assert.strictEqual(retried.code, 0, retried.err)
      assert.strictEqual(objects(retried.out).at(-1)!["type"], "result")
      assert.deepStrictEqual(yield* statuses, ["processing"])

      const unknown = yield* run([...create, "nope"])
      assert.strictEqual(unknown.code, 1)
      assert.match(unknown.err, /nope/)
      const some = yield* run(["encodings", "cancel", "nope", id])
      assert.strictEqual(some.code, 3, some.err)
      assert.match(some.err, /nope/)
      assert.strictEqual((yield* run(["encodings", "delete", id, "--yes"])).code, 0)
      assert.deepStrictEqual(yield* statuses, [])
    }).pipe(Effect.provide(emulator({ videos: 1, encodingTime: "1 hour" }))))

  it.scopedLive("make a cloud with a secret that is no flag, and delete it", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { run } = yield* person
      const create = ["clouds", "create", "--bucket", "films", "--aws-access-key", "AKIA", "--name", "new"]
      const without = yield* run(create)
      assert.strictEqual(without.code, 2)
      assert.match(without.err, /the secret key for the bucket is missing/)
      assert.lengthOf(yield* panda.requests, 0)
      const made = yield* run(create, { input: "canary-of-a-secret\n" })
      assert.strictEqual(made.code, 0, made.err)
      assert.notInclude(made.out + made.err, "canary")
      const [request] = yield* panda.requests
      assert.deepInclude(request!.parameters, { s3_videos_bucket: "films", aws_secret_key: "canary-of-a-secret" })
      const id = /^id +(\w+)$/m.exec(made.out)![1]!
      const shown = yield* run(["clouds", "list"])
      assert.match(shown.out, new RegExp(`^${id} +new +films `, "m"))

      const unsure = yield* run(["clouds", "delete", id])
      assert.strictEqual(unsure.code, 2)
      assert.deepInclude(yield* run(["clouds", "delete", id, "--yes"]), { code: 0, out: `Deleted ${id}\n` })
      assert.notInclude((yield* run(["clouds", "list"])).out, id)
    }).pipe(Effect.provide(emulator())))
})

describe("emulator", { timeout: 120_000 }, () => {
  it.scopedLive("prints what others need to talk to it, and ends with a signal", () =>
    Effect.gen(function*() {
      const home = yield* temporary
      const env = { HOME: home }
      // Whoever reads what it prints talks to it, in the same shell.
      const script = [
        `"$0" "$1" emulator --videos 3 > out 2> err & panda=$!`,
        `until grep -q PANDA_PORT out && grep -q listens err; do sleep 0.05; done`,
        `. ./out`,
        `"$0" "$1" videos list --json`,
        `kill -INT $panda; wait $panda; echo "ended with $?"; cat out err`
      ].join("\n")
      const { code, err, out } = yield* run([], {
        program: ["bash", "-c", script, process.execPath, bundled()],
        cwd: home,
        env
      })
      assert.strictEqual(code, 0, err)
      const [list, said] = out.split("ended with 130\n")
      assert.isDefined(said, out)
      assert.deepStrictEqual(objects(list!).map(({ type }) => type), ["item", "item", "item", "result"])
      assert.deepStrictEqual(
        lines(said!).slice(0, 5).map((line) => line.replace(/=.*/, "")),
        ["ACCESS_KEY", "SECRET_KEY", "CLOUD_ID", "HOST", "PORT"].map((name) => `export PANDA_${name}`)
      )
      assert.match(said!, /^A Panda listens at http:\/\/127\.0\.0\.1:\d+\/v2 until it is interrupted$/m)
    }))

  it.scopedLive("says which port is taken", () =>
    Effect.gen(function*() {
      const server = yield* Effect.acquireRelease(
        Effect.async<{ readonly port: number; readonly close: () => void }>((resume) => {
          const server = createServer().listen(0, "127.0.0.1", () => {
            const address = server.address()
            const port = typeof address === "object" && address !== null ? address.port : 0
            resume(Effect.succeed({ port, close: () => server.close() }))
          })
        }),
        ({ close }) => Effect.sync(close)
      )
      const { code, err, out } = yield* run(["emulator", "--port", String(server.port)])
      assert.deepInclude({ code, out }, { code: 2, out: "" })
      assert.include(err, `port ${server.port} cannot be listened on (EADDRINUSE)`)
    }))
})
