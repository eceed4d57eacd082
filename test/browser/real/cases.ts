/** What is shown in a real browser, over real sockets, to another origin. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import type * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { writeFileSync } from "node:fs"
import * as browsers from "./browsers.js"
import * as sites from "./site.js"
import type { Opened, Tab } from "./tab.js"
import * as tabs from "./tabs.js"

const MIB = 1024 * 1024

/** What of a page a test does is a promise. */
const page = <A>(run: () => Promise<A>) => Effect.promise(run)

const choose = (at: Tab, path: string) => page(() => at.choose(path))

const told = (at: Tab) => page(() => at.evaluate(() => window.told))
const states = (at: Tab) => page(() => at.evaluate(() => window.states))
const ended = (at: Tab) => page(() => at.evaluate(() => window.ended()))

/** Ends when so much is acknowledged. */
const acknowledged = (at: Tab, bytes: number) =>
  page(() => at.until((bytes) => window.sending.progress.acknowledged >= bytes, bytes))

const inState = (at: Tab, state: string) => page(() => at.until((state) => window.sending.state === state, state))

export interface Shown {
  /** Of the file. */
  readonly size: number
  readonly chunkSize: number
}

/** The cases of `name`, unless that browser is not here. `which` are their names. */
export const show = (name: browsers.Name, { chunkSize, size }: Shown, which = /./) => {
  const executable = browsers.find(name)

  describe.runIf(executable !== undefined)(`in ${name}`, () => {
    /** Each case has a browser of its own, and leaves nothing for the next. */
    const shows = (
      what: string,
      body: (given: {
        readonly open: Effect.Effect<Opened, never, Scope.Scope>
        readonly emulator: PandaEmulator.PandaEmulator.Service
        readonly url: string
        readonly file: { readonly path: string; readonly size: number; readonly sha256: string }
      }) => Effect.Effect<void, unknown, Scope.Scope>
    ) => {
      if (!which.test(what)) return
      it.scopedLive(`${what}`, () =>
        Effect.gen(function*() {
          const { emulator, url } = yield* sites.make(yield* sites.bundled)
          const browser = yield* tabs.launch(name, executable!)
          const open = Effect.tap(browser.open, ({ page: at }) => page(() => at.goto(url)))
          yield* body({ open, emulator, url, file: yield* sites.fileOf(size) })
        }))
    }

    shows(
      "uploads through a fault of each kind, with no acknowledged byte sent twice",
      ({ emulator, file, open }) =>
        Effect.gen(function*() {
          const faults = [
            Fault.status(503),
            Fault.status(503, { early: true }),
            Fault.resetBefore,
            Fault.resetDuring({ after: 0.5 }),
            Fault.resetAfter,
            Fault.accept({ bytes: 1000 }),
            Fault.move(),
            Fault.stallReading({ after: 0.5 }),
            Fault.stall,
            Fault.status(409),
            Fault.malformed("<html>"),
            Fault.empty,
            Fault.truncate({ after: 0 }),
            Fault.refuse,
            Fault.carriedOut(Fault.status(503)),
            Fault.carriedOut(Fault.stall),
            Fault.errorBody({ error: "InternalError", message: "down" }),
            Fault.delay("100 millis"),
            Fault.delayAnswer("100 millis")
          ]
          // One after another: each is met by the first chunk after the one before it was got over.
          yield* Effect.forEach(faults, (fault, i) => emulator.inject({ route: "chunk", fault, skip: i + 1 }))
          yield* emulator.inject({ route: "probe", fault: Fault.status(502), skip: 3 })
          yield* emulator.inject({ route: "chunk", fault: Fault.notFinalized })
          const { page: at, said } = yield* open
          yield* choose(at, file.path)
          yield* page(() =>
            at.evaluate(
              (chunkSize) => window.begin({ chunkSize, stallTimeout: 1500, responseTimeout: 1500 }),
              chunkSize
            )
          )
          const id = yield* ended(at)
          const [session] = yield* emulator.sessions
          assert.deepInclude(session, { sha256: file.sha256, videoId: id, status: "complete" })
          // The last byte is sent again to have the file finished.
          assert.isAtMost(session!.receivedTwice, 1)
          for (const { fault, fired } of yield* emulator.rules) assert.strictEqual(fired, 1, JSON.stringify(fault))
          const words = [...yield* told(at), ...said].join("\n")
          assert.notInclude(words, "upload/session")
          assert.notInclude(words, "Content Security Policy")
        })
    )

    shows("sends again what the server takes back", ({ emulator, file, open }) =>
      Effect.gen(function*() {
        const faults = [Fault.noRange, Fault.backwardRange, Fault.forget(), Fault.expire(404), Fault.expire(410)]
        // Each is met further on than the one before it.
        yield* Effect.forEach(faults, (fault, i) => emulator.inject({ route: "chunk", fault, skip: 2 + 5 * i }))
        yield* emulator.inject({ route: "chunk", fault: Fault.backendDown() })
        const { page: at } = yield* open
        yield* choose(at, file.path)
        yield* page(() => at.evaluate((chunkSize) => window.begin({ chunkSize }), chunkSize))
        const id = yield* ended(at)
        assert.lengthOf(yield* emulator.videos, 1)
        const [, , session] = yield* emulator.sessions
        assert.deepInclude(session, { sha256: file.sha256, videoId: id, status: "complete" })
        for (const { fault, fired } of yield* emulator.rules) assert.strictEqual(fired, 1, JSON.stringify(fault))
        const restarted = (yield* told(at)).filter((line) => line.startsWith("restarted"))
        assert.deepStrictEqual(
          restarted.map((line) => /"reason":"(\w+)"/.exec(line)?.[1]),
          ["Rewound", "Rewound", "Rewound", "Expired", "Expired"]
        )
      }))

    shows(
      "goes on at the acknowledged byte after a reload in the middle of a chunk",
      ({ emulator, file, open }) =>
        Effect.gen(function*() {
          yield* emulator.inject({ route: "chunk", fault: Fault.stallReading({ after: 0.5 }), skip: 2 })
          const { page: at } = yield* open
          yield* choose(at, file.path)
          yield* page(() => at.evaluate((chunkSize) => window.begin({ chunkSize }), chunkSize))
          yield* acknowledged(at, 2 * chunkSize)
          yield* page(() => at.until((sent) => window.sending.progress.sent > sent, 2 * chunkSize))
          yield* page(() => at.reload())
          yield* choose(at, file.path)
          yield* page(() => at.evaluate((chunkSize) => window.begin({ chunkSize }), chunkSize))
          const id = yield* ended(at)
          const [session, ...others] = yield* emulator.sessions
          assert.lengthOf(others, 0)
          assert.deepInclude(session, { sha256: file.sha256, videoId: id, receivedTwice: 0 })
          const resumed = (yield* told(at)).filter((line) => line.startsWith("resumed"))
          assert.deepStrictEqual(resumed, [`resumed {"acknowledged":${2 * chunkSize}}`])
          const seen = (yield* emulator.requests).filter(({ session }) => session !== undefined)
          const [, next] = seen.slice(seen.map(({ route }) => route).lastIndexOf("probe"))
          assert.isAtLeast(Number(/^bytes (\d+)-/.exec(next!.headers["content-range"]!)![1]), 2 * chunkSize)
          const kept = yield* page(() => at.evaluate(() => localStorage.length))
          assert.strictEqual(kept, 0)
        })
    )

    shows("pauses at once, and goes on", ({ emulator, file, open }) =>
      Effect.gen(function*() {
        const { page: at } = yield* open
        yield* choose(at, file.path)
        yield* page(() =>
          at.evaluate((chunkSize) => {
            window.begin({ chunkSize })
            window.pauseAt([1, 2, 3].map((part) => part * chunkSize))
          }, chunkSize)
        )
        const id = yield* ended(at)
        assert.deepInclude((yield* emulator.sessions)[0], { sha256: file.sha256, videoId: id, receivedTwice: 0 })
        assert.lengthOf((yield* states(at)).filter((state) => state === "paused"), 3)
      }))

    shows("waits while there is no network", ({ emulator, file, open }) =>
      Effect.gen(function*() {
        const { page: at } = yield* open
        const goes = (offline: boolean) => page(() => at.goOffline(offline))
        yield* emulator.inject({ route: "chunk", fault: Fault.stallReading({ after: 0.5 }), skip: 1 })
        yield* choose(at, file.path)
        yield* goes(true)
        yield* page(() => at.evaluate((chunkSize) => window.begin({ chunkSize }), chunkSize))
        yield* inState(at, "offline")
        assert.lengthOf(yield* emulator.requests, 0)
        yield* goes(false)
        yield* acknowledged(at, chunkSize)
        yield* goes(true)
        // A connection that stands still does not tell that there is none.
        yield* page(() => at.evaluate(() => window.renew()))
        yield* inState(at, "offline")
        yield* goes(false)
        const id = yield* ended(at)
        assert.deepInclude((yield* emulator.sessions)[0], { sha256: file.sha256, videoId: id, receivedTwice: 0 })
      }))

    shows(
      "one file goes once: a second tab waits, and has the same video",
      ({ emulator, file, open }) =>
        Effect.gen(function*() {
          yield* emulator.inject({ route: "chunk", fault: Fault.stallReading({ after: 0.5 }), skip: 1 })
          const [first, second] = yield* Effect.all([open, open])
          yield* choose(first.page, file.path)
          yield* page(() => first.page.evaluate((chunkSize) => window.begin({ chunkSize }), chunkSize))
          yield* acknowledged(first.page, chunkSize)
          yield* choose(second.page, file.path)
          yield* page(() => second.page.evaluate((chunkSize) => window.begin({ chunkSize }), chunkSize))
          yield* inState(second.page, "waiting")
          // Who pauses lets the other go on, and is then the one that waits.
          yield* page(() => first.page.evaluate(() => window.renew()))
          const [one, two] = yield* Effect.all([ended(first.page), ended(second.page)], { concurrency: 2 })
          assert.strictEqual(one, two)
          assert.lengthOf(yield* emulator.videos, 1)
          assert.lengthOf(yield* emulator.sessions, 1)
          assert.deepInclude((yield* emulator.sessions)[0], { sha256: file.sha256, receivedTwice: 0 })
        })
    )

    shows(
      "goes on in another tab when the one is closed in the middle of a chunk",
      ({ emulator, file, open }) =>
        Effect.gen(function*() {
          yield* emulator.inject({ route: "chunk", fault: Fault.stallReading({ after: 0.5 }), skip: 1 })
          const [first, second] = yield* Effect.all([open, open])
          for (const { page: at } of [first, second]) yield* choose(at, file.path)
          yield* page(() => first.page.evaluate((chunkSize) => window.begin({ chunkSize }), chunkSize))
          yield* acknowledged(first.page, chunkSize)
          yield* page(() => second.page.evaluate((chunkSize) => window.begin({ chunkSize }), chunkSize))
          yield* inState(second.page, "waiting")
          yield* page(() => first.page.close())
          const id = yield* ended(second.page)
          assert.lengthOf(yield* emulator.sessions, 1)
          assert.deepInclude((yield* emulator.sessions)[0], { sha256: file.sha256, videoId: id, receivedTwice: 0 })
        })
    )

    shows(
      "names a file that has changed since it was chosen, and no video is made",
      ({ emulator, file, open }) =>
        Effect.gen(function*() {
          yield* emulator.inject({ route: "chunk", fault: Fault.stallReading({ after: 0.5 }), skip: 1 })
          const { page: at } = yield* open
          yield* choose(at, file.path)
          yield* page(() => at.evaluate((chunkSize) => window.begin({ chunkSize }), chunkSize))
          yield* acknowledged(at, chunkSize)
          yield* page(() => at.evaluate(() => window.sending.pause()))
          yield* Effect.sync(() => writeFileSync(file.path, Buffer.alloc(file.size)))
          yield* page(() => at.evaluate(() => void window.sending.resume()))
          // Chromium does not read what has changed; Firefox does.
          assert.match(yield* ended(at), /^(Unreadable|Changed): /)
          assert.lengthOf(yield* emulator.videos, 0)
        })
    )

    shows("has the server forget what is aborted", ({ emulator, file, open }) =>
      Effect.gen(function*() {
        yield* emulator.inject({ route: "chunk", fault: Fault.stallReading({ after: 0.5 }), skip: 1 })
        const { page: at } = yield* open
        yield* choose(at, file.path)
        yield* page(() => at.evaluate((chunkSize) => window.begin({ chunkSize }), chunkSize))
        yield* acknowledged(at, chunkSize)
        yield* page(() => at.evaluate(() => window.sending.abort()))
        assert.strictEqual((yield* emulator.sessions)[0]!.status, "aborted")
        assert.strictEqual(yield* page(() => at.evaluate(() => localStorage.length)), 0)
      }))

    shows("names what a policy of the page does not let out", ({ open }) =>
      Effect.gen(function*() {
        const { page: at } = yield* open
        yield* page(() =>
          at.evaluate(() =>
            window.begin({ authorize: () => Promise.resolve({ upload_url: "http://127.0.0.1:9/upload" }) }, 10)
          )
        )
        yield* inState(at, "retrying")
        assert.include((yield* told(at)).join("\n"), `"code":"Unreachable"`)
        yield* page(() => at.evaluate(() => window.sending.pause()))
      }))

    shows(
      "uploads through the proxy, and the page sees no location",
      ({ emulator, file, open }) =>
        Effect.gen(function*() {
          yield* emulator.inject({ route: "chunk", fault: Fault.resetDuring({ after: 0.5 }), skip: 1 })
          yield* emulator.inject({ route: "chunk", fault: Fault.move(), skip: 2 })
          const { page: at } = yield* open
          yield* choose(at, file.path)
          yield* page(() =>
            at.evaluate((chunkSize) => window.begin({ chunkSize, authorize: "/panda/proxied" }), chunkSize)
          )
          const id = yield* ended(at)
          const [session] = yield* emulator.sessions
          assert.deepInclude(session, { sha256: file.sha256, videoId: id, receivedTwice: 0 })
          const requested = (yield* page(() => at.requested())).join()
          assert.include(requested, "/panda/upload/")
          assert.notInclude(requested, session!.id)
        })
    )

    for (
      const [way, path] of [["itself", "/panda/authorize_upload"], ["a proxy", "/panda/proxied"], [
        "what takes note",
        "/panda/noted"
      ]]
    ) {
      shows(`carries Panda's uploader of 2013 to ${way}`, ({ emulator, file, open }) =>
        Effect.gen(function*() {
          const { page: at } = yield* open
          yield* choose(at, file.path)
          const id = yield* page(() => at.evaluate((path) => window.asIn2013(path!), path))
          assert.deepInclude((yield* emulator.sessions)[0], { sha256: file.sha256, videoId: id, receivedTwice: 0 })
        }))
    }
  })
}

export { MIB }
