/** The bundled command as a process, as a person or a script starts it. */
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, FiberId, Layer, Redacted } from "effect"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { execFileSync, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../..", import.meta.url))

let folder: string | undefined

/** The file of the command, made once for all tests of a worker. */
export const bundled = (): string => {
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), "effect-panda-cli-"))
    execFileSync(process.execPath, [join(root, "scripts/bundle.mjs"), made])
    // What is no part of the bundle is installed beside it.
    symlinkSync(join(root, "node_modules"), join(made, "node_modules"))
    process.on("exit", () => rmSync(made, { recursive: true, force: true }))
    folder = made
  }
  return join(folder, "effect-panda.mjs")
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
}

export interface Options {
  readonly env?: Readonly<Record<string, string>>
  /** What comes on standard input, which then ends. */
  readonly input?: string | Uint8Array
  readonly cwd?: string
  /** In place of the bundle: a program and its first arguments. */
  readonly program?: ReadonlyArray<string>
  /** Once what was written matches, or this is through, these signals are sent, one right after the other. */
  readonly signal?: readonly [when: RegExp | Effect.Effect<unknown>, ...signals: ReadonlyArray<NodeJS.Signals>]
  /** Once what was written matches, this is done. */
  readonly said?: readonly [pattern: RegExp, then: Effect.Effect<unknown>]
  /** Once so much was written to standard output, its reader goes. */
  readonly closeAfter?: number
}

/** Nothing of the machine that runs the tests. */
const clean = (env: Options["env"]): Record<string, string> => ({
  PATH: process.env["PATH"]!,
  HOME: tmpdir(),
  TERM: "xterm-256color",
  ...env
})

export const run = (args: ReadonlyArray<string>, options: Options = {}): Effect.Effect<Ended> =>
  Effect.async<Ended>((resume) => {
    const [program, ...first] = options.program ?? [process.execPath, bundled()]
    const child = spawn(program!, [...first, ...args], { cwd: options.cwd, env: clean(options.env) })
    let [out, err] = ["", ""]
    const [when, ...signals] = options.signal ?? []
    const send = Effect.sync(() => {
      for (const signal of signals.splice(0)) child.kill(signal)
    })
    const waiting = Effect.isEffect(when) ? Effect.runFork(Effect.zipRight(when, send)) : undefined
    const heard = [options.said, when instanceof RegExp ? [when, send] as const : undefined]
    const look = () => {
      for (const [pattern, then] of heard.filter((each) => each !== undefined)) {
        if (pattern.test(out + err)) Effect.runFork(then)
      }
    }
    child.stdout.on("data", (text) => {
      out += text
      if (options.closeAfter !== undefined && out.length >= options.closeAfter) child.stdout.destroy()
      look()
    })
    child.stderr.on("data", (text) => {
      err += text
      look()
    })
    // A command that has no use for its input may be gone before it has it.
    child.stdin.on("error", () => {})
    child.stdin.end(options.input ?? "")
    child.on("close", (code, signal) => {
      waiting?.unsafeInterruptAsFork(FiberId.none)
      resume(Effect.succeed({ code, signal, out, err }))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  }).pipe(
    Effect.timeoutFail({ duration: "100 seconds", onTimeout: () => new Error("the command did not end") }),
    Effect.orDie
  )

/** A folder that is gone with the scope. */
export const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-panda-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** A port of this machine. Node does not notice that a client is gone whose request is not read, and waits for it. */
const port = Layer.unwrapEffect(Effect.sync(() => {
  const server = createServer()
  return Layer.scopedDiscard(Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))).pipe(
    Layer.provideMerge(NodeHttpServer.layer(() => server, { port: 0, host: "127.0.0.1" }))
  )
}))

export const emulator = (options?: PandaEmulator.Options) =>
  PandaEmulator.layerServer(options).pipe(
    Layer.provideMerge(port),
    Layer.provideMerge(NodeContext.layer)
  )

/** After so many chunks Panda is silent on the next one, or on so many; gives when it has them all. */
export const silent = (skip: number, times = 1) =>
  Effect.map(
    Effect.tap(
      PandaEmulator.PandaEmulator,
      (panda) => panda.inject({ route: "chunk", fault: Fault.stall, skip, times })
    ),
    ({ requests }) =>
      Effect.repeat(Effect.delay(requests, "10 millis"), {
        until: (seen) => seen.filter(({ fault }) => fault === "Stall").length === times
      })
  )

/** A person with an account at the emulator, and with folders of their own. */
export const person = Effect.gen(function*() {
  const { accessKey, cloudId, secretKey } = yield* PandaEmulator.PandaEmulator
  const { address } = yield* HttpServer.HttpServer
  const home = yield* temporary
  const account = {
    PANDA_ACCESS_KEY: accessKey,
    PANDA_SECRET_KEY: Redacted.value(secretKey),
    PANDA_CLOUD_ID: cloudId,
    PANDA_HOST: "127.0.0.1",
    PANDA_PORT: address._tag === "TcpAddress" ? String(address.port) : ""
  }
  const folders = { HOME: home, XDG_STATE_HOME: join(home, "state"), XDG_CONFIG_HOME: join(home, "config") }
  return {
    home,
    account,
    folders,
    env: { ...account, ...folders },
    /** Runs the command in their home. */
    run: (args: ReadonlyArray<string>, options: Options = {}) =>
      run(args, { cwd: home, ...options, env: { ...account, ...folders, ...options.env } }),
    file: (name: string, size = 1_000_000) => {
      const bytes = new Uint8Array(size).map((_, i) => (i * 7 + name.length) % 251)
      const path = join(home, name)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, bytes)
      // Of long ago: nobody takes it for one that is still being written.
      utimesSync(path, 1, 1)
      return createHash("sha256").update(bytes).digest("hex")
    }
  }
})

export const sha256 = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex")

export const lines = (text: string) => text.split("\n").filter((line) => line !== "")

/** The objects of `--json`. */
export const objects = (text: string) => lines(text).map((line) => JSON.parse(line) as Record<string, any>)
