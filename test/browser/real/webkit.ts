/**
 * WebKit as Debian has it (WebKitGTK), driven in the words of the WebDriver standard, since what drives the other
 * browsers does not know it. It draws on a screen in memory.
 *
 * @see https://www.w3.org/TR/webdriver2/
 */
import { Effect, Schedule, type Scope } from "effect"
import { spawn, type StdioOptions } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { freePort } from "../../freePort.js"
import { patience } from "../../patience.js"
import { believeOffline, type Browser, type Tab } from "./tab.js"

/** What the standard calls the id of an element by. */
const ELEMENT = "element-6066-11e4-a52e-4f735466cecf"

/** Keys, as the standard has them. */
const KEYS = { Tab: "\uE004", Enter: "\uE007", " ": " " }

/** Ended with the scope. */
const started = (program: string, args: ReadonlyArray<string>, env: object, stdio: StdioOptions) =>
  Effect.acquireRelease(
    Effect.sync(() => spawn(program, args, { env: { ...process.env, ...env }, stdio })),
    (child) =>
      Effect.async<void>((resume) => {
        if (child.exitCode !== null || child.pid === undefined) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        child.kill()
      })
  )

/** A screen, by the number that its server chooses. */
const screen = Effect.gen(function*() {
  const args = ["-displayfd", "3", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
  const server = yield* started("Xvfb", args, {}, ["ignore", "ignore", "ignore", "pipe"])
  return yield* Effect.async<string>((resume) => {
    server.stdio[3]!.once("data", (number: Buffer) => resume(Effect.succeed(`:${number.toString().trim()}`)))
    server.once("error", (error) => resume(Effect.die(error)))
    server.once("exit", () => resume(Effect.dieMessage("Xvfb has ended")))
  })
})

/** Runs a function in the page and keeps there what becomes of it; and from the first time on what the page says. */
const begin = (run: string) => `
  const [key, args] = arguments
  if (window.driven === undefined) {
    const said = []
    window.driven = { results: {}, said }
    addEventListener("error", ({ message }) => said.push("error: " + message))
    addEventListener("unhandledrejection", ({ reason }) => said.push("error: " + String(reason)))
    for (const type of ["log", "info", "warn", "error"]) {
      const log = console[type].bind(console)
      console[type] = (...parts) => {
        said.push(type + ": " + parts.map(String).join(" "))
        log(...parts)
      }
    }
  }
  const { results } = window.driven
  new Promise((resolve) => resolve((${run})(...args))).then(
    (value) => { results[key] = { value } },
    (error) => { results[key] = { error: String(error) } }
  )`

/** What has become of it, once it has ended, and what the page has said. */
const LOOK = `
  const [key] = arguments
  const { results, said } = window.driven
  const result = results[key]
  delete results[key]
  return { ended: result !== undefined, said: said.splice(0), ...result }`

interface Looked {
  readonly ended: boolean
  readonly said: ReadonlyArray<string>
  readonly value?: unknown
  readonly error?: string
}

const INPUT = `return (document.querySelector("panda-upload")?.shadowRoot ?? document).querySelector("input")`

/** Looks again and again, until there is something. */
const polled = async <A>(look: () => Promise<A | undefined>): Promise<A> => {
  const seen = await look()
  if (seen !== undefined) return seen
  await sleep(20)
  return polled(look)
}

type Send = (method: "GET" | "POST" | "DELETE", path: string, body?: object) => Promise<unknown>

const tabOf = (send: Send, said: Array<string>): Tab => {
  const script = (script: string, ...args: ReadonlyArray<unknown>) => send("POST", "/execute/sync", { script, args })
  let runs = 0
  // The driver does nothing else while it waits, so what takes its time is looked after.
  const evaluate: Tab["evaluate"] = async (run, ...args) => {
    const key = String(runs++)
    await script(begin(run.toString()), key, args)
    const { value } = await polled(async () => {
      const looked = await script(LOOK, key) as Looked
      said.push(...looked.said)
      if (looked.error !== undefined) throw new Error(looked.error)
      return looked.ended ? looked : undefined
    })
    return value as never
  }
  /** From then on it is known what the page says. */
  const listen = () => evaluate(() => {})
  return {
    goto: async (url) => {
      await send("POST", "/url", { url })
      await listen()
    },
    reload: async () => {
      await send("POST", "/refresh", {})
      await listen()
    },
    close: () => send("DELETE", "/window"),
    evaluate,
    until: (holds, ...args) => polled(async () => (await evaluate(holds, ...args)) ? true : undefined),
    run: (source) => script(source),
    choose: async (...paths) => {
      const { [ELEMENT]: input } = await script(INPUT) as { readonly [ELEMENT]: string }
      await send("POST", `/element/${input}/value`, { text: paths.join("\n") })
    },
    press: (key) => {
      const value = KEYS[key]
      const actions = [{ type: "keyDown", value }, { type: "keyUp", value }]
      return send("POST", "/actions", { actions: [{ type: "key", id: "keyboard", actions }] })
    },
    goOffline: (offline) => evaluate(believeOffline, offline),
    requested: () => evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name))
  }
}

/** What is asked of a driver, whatever of its sessions it is about. */
const sender = (port: number): Send => async (method, path, body) => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    ...body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }
  })
  const { value } = await response.json() as { readonly value: unknown }
  if (response.ok) return value
  const { error, message } = value as { readonly error: string; readonly message: string }
  throw new Error(`WebKit: ${path}: ${error}: ${message}`)
}

/** A session is in one window at a time: commands come one after another, each in the window that it is for. */
const inWindows = (send: Send, session: string) => {
  let current: string | undefined
  let last: Promise<unknown> = Promise.resolve()
  const within = async (handle: string, ...[method, path, body]: Parameters<Send>) => {
    if (current !== handle) await send("POST", `${session}/window`, { handle })
    current = path === "/window" && method === "DELETE" ? undefined : handle
    return send(method, `${session}${path}`, body)
  }
  return (handle: string): Send => (...command) => {
    const answer = last.then(() => within(handle, ...command))
    last = answer.catch(() => {})
    return answer
  }
}

/** A browser with a profile of its own, until the scope closes. */
export const launch = (driver: string): Effect.Effect<Browser, never, Scope.Scope> =>
  Effect.gen(function*() {
    const home = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-panda-webkit-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true, maxRetries: 9 }))
    )
    const port = yield* freePort
    // There is no graphics card and no desktop.
    const env = {
      DISPLAY: yield* screen,
      HOME: home,
      GTK_A11Y: "none",
      LIBGL_ALWAYS_SOFTWARE: "1",
      NO_AT_BRIDGE: "1",
      WEBKIT_DISABLE_COMPOSITING_MODE: "1"
    }
    yield* started(driver, ["-p", String(port)], env, "ignore")
    const send = sender(port)
    yield* Effect.tryPromise(() => send("GET", "/status")).pipe(
      Effect.retry(Schedule.spaced("20 millis")),
      Effect.timeout(patience),
      Effect.orDie
    )
    const session = yield* Effect.acquireRelease(
      Effect.promise(async () => {
        const { sessionId } = await send("POST", "/session", { capabilities: {} }) as { readonly sessionId: string }
        return `/session/${sessionId}`
      }),
      (session) => Effect.promise(() => send("DELETE", session))
    )
    const windows = inWindows(send, session)
    let first = true
    const open = Effect.promise(async () => {
      const opened = first
        ? await send("GET", `${session}/window`)
        : (await send("POST", `${session}/window/new`, { type: "tab" }) as { readonly handle: unknown }).handle
      first = false
      const said: Array<string> = []
      return { page: tabOf(windows(String(opened)), said), said }
    })
    return { open }
  })
