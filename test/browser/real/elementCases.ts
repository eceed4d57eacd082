/** What is shown of the element in a real browser. */
import { assert, describe, it } from "@effect/vitest"
import axe from "axe-core"
import { Effect, Schedule, type Scope } from "effect"
import type * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import * as browsers from "./browsers.js"
import * as sites from "./site.js"
import type { Tab } from "./tab.js"
import * as tabs from "./tabs.js"

const page = <A>(run: () => Promise<A>) => Effect.promise(run)

/** Ends once as many files as these are in these states, in whatever order. */
const states = (at: Tab, ...states: ReadonlyArray<string>) =>
  page(() =>
    at.until(
      (states) => {
        const { queue } = document.querySelector("panda-upload")!
        return queue.uploads.map(({ state }) => state).sort().join() === [...states].sort().join()
      },
      states
    )
  )

/** Ends once a chunk stands still, for which that was asked for. */
const stalled = (emulator: PandaEmulator.PandaEmulator.Service) =>
  emulator.rules.pipe(
    Effect.filterOrFail((rules) => rules.every(({ fired }) => fired === 1), () => "not yet"),
    Effect.retry(Schedule.spaced("5 millis"))
  )

/** What is wrong for those who do not see it, or who see it badly. */
const barriers = (at: Tab) =>
  page(async () => {
    await at.run(axe.source)
    return at.evaluate(async () => {
      const { violations } = await (window as unknown as { readonly axe: typeof axe }).axe.run()
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join()}`)
    })
  })

/** What has the focus, as a person would call it. */
const focused = (at: Tab) =>
  page(() =>
    at.evaluate(() => {
      const inner = document.activeElement?.shadowRoot?.activeElement ?? document.activeElement
      return inner?.getAttribute("aria-label") ?? inner?.textContent ?? ""
    })
  )

export const show = (name: browsers.Name, which = /./) => {
  const executable = browsers.find(name)

  describe.runIf(executable !== undefined)(`the element in ${name}`, () => {
    const shows = (
      what: string,
      body: (given: {
        readonly at: Tab
        /** What the page has said, of which nothing may be left. */
        readonly said: Array<string>
        readonly emulator: PandaEmulator.PandaEmulator.Service
      }) => Effect.Effect<void, unknown, Scope.Scope>
    ) => {
      if (!which.test(what)) return
      it.scopedLive(`${what}`, () =>
        Effect.gen(function*() {
          const { emulator, url } = yield* sites.make(yield* sites.bundled)
          const browser = yield* tabs.launch(name, executable!)
          const { page: at, said } = yield* browser.open
          yield* page(() => at.goto(`${url}element`))
          yield* body({ at, said, emulator })
          assert.deepStrictEqual(yield* page(() => at.evaluate(() => window.violations)), [])
          assert.deepStrictEqual(said, [])
        }))
    }

    shows(
      "puts the ids of the videos into the form, which goes once all are there",
      ({ at, emulator }) =>
        Effect.gen(function*() {
          const valid = page(() => at.evaluate(() => document.querySelector("form")!.checkValidity()))
          const is = (state: string) =>
            page(() =>
              at.evaluate((state) => document.querySelector("panda-upload")!.matches(`:state(${state})`), state)
            )
          assert.isFalse(yield* valid)
          assert.isTrue(yield* is("empty"))
          yield* emulator.inject({ route: "chunk", fault: Fault.stall })
          const one = yield* sites.fileOf(100_000, `<img src=x onerror="alert(1)">.mp4`)
          const two = yield* sites.fileOf(200_000, "two.mp4")
          yield* page(() => at.choose(one.path, two.path))
          yield* states(at, "uploading", "done")
          assert.isFalse(yield* valid)
          assert.isTrue(yield* is("busy"))
          // The one that stands still is removed, and chosen again.
          yield* page(() =>
            at.evaluate(() =>
              document.querySelector("panda-upload")!.queue.uploads.find(({ state }) => state === "uploading")!.pause()
            )
          )
          yield* states(at, "paused", "done")
          yield* page(() =>
            at.evaluate(() =>
              void document.querySelector("panda-upload")!.queue.uploads.find(({ state }) => state === "paused")!
                .resume()
            )
          )
          yield* states(at, "done", "done")
          assert.isTrue(yield* valid)
          assert.isTrue(yield* is("done"))
          const videos = new Set((yield* emulator.sessions).map(({ videoId }) => videoId))
          const films = yield* page(() => at.evaluate(() => window.films()))
          assert.deepStrictEqual(new Set(films as ReadonlyArray<string>), videos)
          const text = yield* page(() =>
            at.evaluate(() => {
              const root = document.querySelector("panda-upload")!.shadowRoot!
              return { text: root.querySelector(".name")!.textContent, images: root.querySelectorAll("img").length }
            })
          )
          assert.deepStrictEqual(text, { text: `<img src=x onerror="alert(1)">.mp4`, images: 0 })
          yield* page(() => at.evaluate(() => document.querySelector("form")!.reset()))
          assert.deepStrictEqual(yield* page(() => at.evaluate(() => window.films())), [])
          assert.isFalse(yield* valid)
        })
    )

    shows("is used by keyboard alone, and tells those who do not see it", ({ at, emulator }) =>
      Effect.gen(function*() {
        const press = (key: "Tab" | "Enter" | " ") => page(() => at.press(key))
        yield* press("Tab")
        assert.strictEqual(yield* focused(at), "Choose files")
        yield* emulator.inject({ route: "chunk", fault: Fault.stall })
        yield* page(() => at.evaluate(() => window.drop({ "a.mp4": 1000, "empty.mp4": 0 })))
        yield* states(at, "uploading", "failed")
        yield* stalled(emulator)
        yield* press("Tab")
        assert.strictEqual(yield* focused(at), "Pause a.mp4")
        yield* press(" ")
        yield* states(at, "paused", "failed")
        assert.strictEqual(yield* focused(at), "Resume a.mp4")
        yield* press("Enter")
        yield* states(at, "done", "failed")
        yield* press("Tab")
        assert.strictEqual(yield* focused(at), "Remove a.mp4")
        yield* press("Tab")
        assert.strictEqual(yield* focused(at), "Remove empty.mp4")
        yield* press("Enter")
        yield* states(at, "done")
        assert.strictEqual(yield* focused(at), "Remove a.mp4")
        yield* press("Enter")
        yield* states(at)
        assert.strictEqual(yield* focused(at), "Choose files")
        yield* press("Tab")
        assert.strictEqual(yield* focused(at), "Send")
        const heard = yield* page(() => at.evaluate(() => window.heard))
        assert.includeMembers([...heard], ["a.mp4: Paused", "a.mp4: Uploaded"])
        assert.include(heard.join(), "empty.mp4 is empty: choose a file")
      }))

    shows(
      "has no barrier that axe finds, in light and dark, in either direction, in any state",
      ({ at, emulator }) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* barriers(at), [])
          yield* emulator.inject({ route: "chunk", fault: Fault.stall })
          yield* page(() => at.evaluate(() => window.drop({ "a.mp4": 1000, "b.mp4": 1001, "empty.mp4": 0 })))
          yield* states(at, "uploading", "done", "failed")
          for (const scheme of ["light", "dark"]) {
            for (const direction of ["ltr", "rtl"]) {
              yield* page(() =>
                at.evaluate(
                  (scheme, direction) => {
                    document.documentElement.dir = direction
                    document.documentElement.style.setProperty("color-scheme", scheme)
                    // What a browser paints by itself axe does not see, or not as it is.
                    const [ground, text] = scheme === "dark" ? ["#121212", "#ffffff"] : ["#ffffff", "#121212"]
                    for (const { style } of [document.body, document.querySelector<HTMLElement>("#send")!]) {
                      style.setProperty("background", ground!)
                      style.setProperty("color", text!)
                    }
                  },
                  scheme,
                  direction
                )
              )
              assert.deepStrictEqual(yield* barriers(at), [], `${scheme} ${direction}`)
              const ground = yield* page(() =>
                at.evaluate(() =>
                  getComputedStyle(document.querySelector("panda-upload")!.shadowRoot!.querySelector(".drop")!)
                    .backgroundColor
                )
              )
              assert.strictEqual(ground, scheme === "dark" ? "rgb(27, 27, 29)" : "rgb(255, 255, 255)")
            }
          }
          yield* page(() => at.evaluate(() => document.querySelector("panda-upload")!.queue.pause()))
          assert.deepStrictEqual(yield* barriers(at), [])
        })
    )

    shows("is disabled with its fieldset, and says what the page wants it to", ({ at }) =>
      Effect.gen(function*() {
        const text = page(() =>
          at.evaluate(() => document.querySelector("panda-upload")!.shadowRoot!.querySelector(".choose")!.textContent)
        )
        yield* page(() =>
          at.evaluate(() => {
            const element = document.querySelector("panda-upload")!
            element.words = { choose: "Wählen", failures: { Empty: ({ name }) => `${name} ist leer` } }
            document.querySelector("fieldset")!.disabled = true
            window.drop({ "a.mp4": 10 })
          })
        )
        assert.strictEqual(yield* text, "Wählen")
        yield* states(at)
        yield* page(() =>
          at.evaluate(() => {
            document.querySelector("fieldset")!.disabled = false
            window.drop({ "a.mp4": 0 })
          })
        )
        yield* states(at, "failed")
        assert.include((yield* page(() => at.evaluate(() => window.heard))).join(), "a.mp4 ist leer")
      }))

    shows(
      "stops while it is out of the page, and then goes on with what went and with nothing else",
      ({ at, emulator }) =>
        Effect.gen(function*() {
          yield* page(() => at.evaluate(() => document.querySelector("panda-upload")!.setAttribute("manual", "")))
          yield* page(() => at.evaluate(() => window.drop({ "a.mp4": 1000, "b.mp4": 1001 })))
          yield* states(at, "ready", "ready")
          yield* emulator.inject({ route: "chunk", fault: Fault.stall })
          yield* page(() => at.evaluate(() => void document.querySelector("panda-upload")!.queue.uploads[0]!.start()))
          yield* stalled(emulator)
          const left = yield* page(() =>
            at.evaluate(async () => {
              const element = document.querySelector("panda-upload")!
              const place = element.parentElement!
              // Twice in one breath, and then to stay away.
              element.remove()
              place.append(element)
              element.remove()
              await Promise.resolve()
              const { uploads } = element.queue
              const states = uploads.map(({ state }) => state)
              place.append(element)
              return states
            })
          )
          assert.deepStrictEqual(left, ["paused", "ready"])
          yield* states(at, "done", "ready")
          assert.deepStrictEqual((yield* emulator.sessions).map(({ name }) => name), ["a.mp4"])
          yield* page(() => at.evaluate(() => document.querySelector("panda-upload")!.queue.start()))
          yield* states(at, "done", "done")
        })
    )

    shows(
      "has what was set before it was an element, and shows a name in the order of its letters",
      ({ at }) =>
        Effect.gen(function*() {
          const shown = yield* page(() =>
            at.evaluate(() => {
              // Of a document without a window, elements become what they are when they come into one.
              const element = document.implementation.createHTMLDocument().createElement("panda-upload")
              Object.assign(element, { options: { maxSize: 3 }, words: { choose: "Wählen" } })
              document.querySelector("fieldset")!.append(element)
              element.add([new File(["four"], "\u202Egpj.4pm", { type: "video/mp4" })])
              const { shadowRoot } = element
              const text = (part: string) => shadowRoot!.querySelector(`.${part}`)!.textContent
              return [text("choose"), text("name"), text("status"), text("said")]
            })
          )
          const why = "gpj.4pm is too large, 3 bytes are the most: choose a smaller file"
          assert.deepStrictEqual(shown, ["Wählen", "gpj.4pm", why, `gpj.4pm: ${why}`])
        })
    )

    shows(
      "takes the default for numbers that make no sense, and says so once",
      ({ at, said }) =>
        Effect.gen(function*() {
          const numbers = { "concurrency": "0.5", "max-files": "0.2", "max-size": "5 MB" }
          yield* page(() =>
            at.evaluate((numbers) => {
              const element = document.querySelector("panda-upload")!
              for (const [name, value] of Object.entries(numbers)) element.setAttribute(name, value)
            }, numbers)
          )
          yield* page(() => at.evaluate(() => window.drop({ "a.mp4": 1000, "b.mp4": 1001 })))
          yield* page(() => at.evaluate(() => window.drop({ "c.mp4": 1002 })))
          yield* states(at, "done", "done", "done")
          const warned = said.splice(0).map((line) => /^warn\w*: panda-upload: ([\w-]+)="(.*)" is no /.exec(line))
          assert.deepStrictEqual(
            warned.map((found) => found?.slice(1)).sort(),
            Object.entries(numbers).map((entry) => [...entry])
          )
        })
    )

    shows(
      "takes one file where there may be one, the last that was chosen",
      ({ at, emulator }) =>
        Effect.gen(function*() {
          yield* page(() => at.evaluate(() => document.querySelector("panda-upload")!.removeAttribute("multiple")))
          yield* page(() => at.evaluate(() => window.drop({ "a.mp4": 10, "b.mp4": 11 })))
          yield* states(at, "done")
          yield* page(() => at.evaluate(() => window.drop({ "c.mp4": 12 })))
          yield* states(at, "done")
          assert.deepStrictEqual((yield* emulator.sessions).map(({ name }) => name), ["a.mp4", "c.mp4"])
          assert.lengthOf(yield* page(() => at.evaluate(() => window.films())), 1)
        })
    )
  })
}
