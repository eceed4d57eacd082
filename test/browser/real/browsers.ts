/** The browsers of the machine. Chromium and Firefox are driven without a window. */
import { Duration, Effect } from "effect"
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"
import * as puppeteer from "puppeteer-core"
import { patience } from "../../patience.js"

/** Milliseconds to wait for a browser, or for a page. */
const MOST = Duration.toMillis(patience)

export type Name = "chromium" | "firefox" | "webkit"

const runs = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

interface Program {
  /** The names that it goes by. */
  readonly called: ReadonlyArray<string>
  /** What else has to be there. */
  readonly needs?: string
  /** Packages of Debian. */
  readonly install: string
}

const programs: Record<Name, Program> = {
  chromium: { called: ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"], install: "chromium" },
  firefox: { called: ["firefox-esr", "firefox"], install: "firefox-esr" },
  webkit: { called: ["WebKitWebDriver"], needs: "Xvfb", install: "webkit2gtk-driver xvfb" }
}

const folders = (process.env["PATH"] ?? "").split(delimiter)

const pathOf = (program: string): string | undefined => folders.map((folder) => join(folder, program)).find(runs)

/** Where it is, or what drives it. Where it is not, a line says what to install. */
export const find = (name: Name): string | undefined => {
  const { called, install, needs } = programs[name]
  const found = called.map(pathOf).find((path) => path !== undefined)
  if (found !== undefined && (needs === undefined || pathOf(needs) !== undefined)) return found
  console.warn(`Tests in ${name} do not run here: install it (apt-get install -y ${install}), then run them again`)
  return undefined
}

const root = process.getuid?.() === 0

/** A browser with a profile of its own, until the scope closes. */
export const launch = (name: Exclude<Name, "webkit">, executablePath: string) =>
  Effect.acquireRelease(
    Effect.promise(() =>
      puppeteer.launch({
        browser: name === "chromium" ? "chrome" : "firefox",
        executablePath,
        headless: true,
        timeout: MOST,
        // Chromium's sandbox does not let root in, and a container has little shared memory.
        args: name === "chromium" ? ["--disable-dev-shm-usage", ...root ? ["--no-sandbox"] : []] : [],
        ...name === "firefox" ? { env: { ...process.env, ...root ? { HOME: "/tmp" } : {} } } : {}
      })
    ),
    (browser) => Effect.promise(() => browser.close())
  )

const OWN = /^(Failed to load resource|Access to XMLHttpRequest|Cross-Origin Request Blocked)/

/** A page that is to say all that it says: what it logs, and what goes wrong in it. */
export const open = (browser: puppeteer.Browser) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const page = await browser.newPage()
      page.setDefaultTimeout(MOST)
      const said: Array<string> = []
      page.on("console", (message) => {
        // Of a request that fails, browsers themselves tell where it went.
        if (!OWN.test(message.text())) said.push(`${message.type()}: ${message.text()}`)
      })
      page.on("pageerror", (error) => said.push(`error: ${String(error)}`))
      return { page, said }
    }),
    ({ page }) => Effect.promise(() => page.isClosed() ? Promise.resolve() : page.close())
  )
