/** Browsers, whichever way they are driven. */
import { Effect, type Scope } from "effect"
import type { ElementHandle, KeyInput, Page } from "puppeteer-core"
import * as browsers from "./browsers.js"
import { believeOffline, type Browser, type Tab } from "./tab.js"
import * as webkit from "./webkit.js"

/** Not by frames, of which a tab in the background draws none. */
const POLLING = { polling: 20 }

/** What is run in a page may hold handles of what is in it, says the type; ours does not. */
type Untyped = (...args: Array<unknown>) => unknown

const tabOf = (name: browsers.Name, page: Page): Tab => {
  const requested: Array<string> = []
  page.on("request", (request) => requested.push(request.url()))
  const evaluate: Tab["evaluate"] = (run, ...args) => page.evaluate(run as Untyped, ...args) as Promise<never>
  return {
    goto: (url) => page.goto(url),
    reload: () => page.reload(),
    close: () => page.close(),
    evaluate,
    until: (holds, ...args) => page.waitForFunction(holds as Untyped, POLLING, ...args),
    run: (source) => page.evaluate(source),
    choose: async (...paths) => {
      const input = (await page.waitForSelector("pierce/input")) as ElementHandle<HTMLInputElement>
      await input.uploadFile(...paths)
    },
    press: (key) => page.keyboard.press(key as KeyInput),
    goOffline: (offline) => name === "chromium" ? page.setOfflineMode(offline) : evaluate(believeOffline, offline),
    requested: () => Promise.resolve(requested)
  }
}

/** A browser with a profile of its own, until the scope closes. */
export const launch = (
  name: browsers.Name,
  executable: string
): Effect.Effect<Browser, never, Scope.Scope> =>
  name === "webkit"
    ? webkit.launch(executable)
    : Effect.map(browsers.launch(name, executable), (browser) => ({
      open: Effect.map(browsers.open(browser), ({ page, said }) => ({ page: tabOf(name, page), said }))
    }))
