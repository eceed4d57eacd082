/**
 * The page at the emulator's root: what goes on, live, and faults to arm. It has no password, so that it is shown only on
 * this machine, by its own names, unless it is told others; a page of another site can neither read nor change anything.
 */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Rule } from "../faults.js"
import { ruleOf } from "./faults.js"
import { html, icon } from "./markup.js"
import { js } from "./script.js"
import { css } from "./style.js"

export interface Page {
  /** What does not change. */
  readonly about: Effect.Effect<unknown>
  readonly sections: Effect.Effect<Readonly<Record<string, unknown>>>
  /** Lets a fault happen, or says why it cannot. */
  readonly arm: (rule: Rule) => Effect.Effect<string | undefined>
  readonly disarm: Effect.Effect<void>
  /** By which names it may be called, besides those of this machine. */
  readonly hosts: ReadonlyArray<string>
}

const own = ["127.0.0.1", "localhost", "[::1]"]

const isOwnAddress = (address: string): boolean => /^(::ffff:)?127\.|^::1$/i.test(address)

const guards = {
  "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store"
}

const text = (body: string, contentType: string, status = 200) =>
  HttpServerResponse.text(body, { status, headers: guards, contentType: `${contentType}; charset=utf-8` })

const refused = (status: number, why: string) => text(`${why}\n`, "text/plain", status)

/** Bytes that a form may have. */
const FORM = 10_000

/** How often is looked for what is new, and after how many times of nothing new that is said. */
const PACE = 250

/** How many may look at once: a browser is one, and whoever opens more and reads nothing is none. */
const MOST = 32
const SILENCE = 60

export const isPage = (path: string): boolean => path === "/" || path.startsWith("/page/")

/** Why a request that is for people's eyes is not answered: it was called by another name, or from elsewhere. */
export const notForThem = (
  hosts: ReadonlyArray<string>,
  request: HttpServerRequest.HttpServerRequest
): HttpServerResponse.HttpServerResponse | undefined => {
  const name = (request.headers["host"] ?? "").toLowerCase().replace(/:\d*$/, "")
  // Another site's name may lead to this machine, and its page would be of the same origin then.
  if (![...own, ...hosts].includes(name) && !hosts.includes("*")) {
    return refused(403, "This is shown by the names of this machine only: http://127.0.0.1 or http://localhost")
  }
  const from = Option.getOrElse(request.remoteAddress, () => "127.0.0.1")
  return hosts.length === 0 && !isOwnAddress(from) ? refused(403, "This is shown on this machine only") : undefined
}

/** Only the page itself has the token, and no other site's page can send it along without being let to. */
const isOfThePage = ({ headers }: HttpServerRequest.HttpServerRequest, token: string): boolean =>
  headers["x-panda-token"] === token && /^application\/json\b/.test(headers["content-type"] ?? "") &&
  (headers["origin"] === undefined || headers["origin"].replace(/^https?:\/\//, "") === headers["host"]) &&
  (headers["sec-fetch-site"] ?? "same-origin") === "same-origin"

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export const makePage = (page: Page) => {
  const token = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0"))
    .join("")
  const encoder = new TextEncoder()

  /** The same for everyone who looks: however many they are, it is written once. */
  let latest:
    | { readonly at: number; readonly written: ReadonlyArray<readonly [name: string, json: string]> }
    | undefined
  const sections = (fresh: boolean) =>
    Effect.flatMap(
      Clock.currentTimeMillis,
      (at) =>
        !fresh && latest !== undefined && Math.abs(at - latest.at) < PACE / 2
          ? Effect.succeed(latest.written)
          : Effect.map(page.sections, (sections) => {
            const written = Object.entries(sections).map(([name, value]) => [name, JSON.stringify(value)] as const)
            latest = { at, written }
            return written
          })
    )

  /** What has changed since it was last sent, four times in a second. */
  const events = Stream.unfoldEffect(
    { sent: {} as Readonly<Record<string, string>>, silent: 0, first: true },
    ({ first, sent, silent }) =>
      Effect.gen(function*() {
        if (!first) yield* Effect.sleep(PACE)
        const about = first ? [["about", JSON.stringify(yield* page.about)] as const] : []
        const written = [...about, ...yield* sections(first)]
        const fresh = written.filter(([name, json]) => sent[name] !== json)
        const said = fresh.map(([name, json]) => `event: ${name}\ndata: ${json}\n\n`).join("")
        const quiet = said === "" ? silent + 1 : 0
        const out = said === "" && quiet % SILENCE === 0 ? ": nothing new\n\n" : said
        return Option.some(
          [out, { sent: { ...sent, ...Object.fromEntries(fresh) }, silent: quiet, first: false }] as const
        )
      })
  ).pipe(
    Stream.filter((text) => text !== ""),
    Stream.map((text) => encoder.encode(text))
  )
  let looking = 0
  const counted = Stream.flatMap(
    Stream.acquireRelease(Effect.sync(() => looking++), () => Effect.sync(() => looking--)),
    () => events
  )

  const change = (path: string, request: HttpServerRequest.HttpServerRequest) =>
    Effect.gen(function*() {
      if (!isOfThePage(request, token)) return refused(403, "This comes from another page: reload, then try again")
      if (path === "/page/disarm") {
        yield* page.disarm
        return text("No fault is armed", "text/plain")
      }
      if (Number(request.headers["content-length"] ?? Infinity) > FORM) return refused(413, "The form is too long")
      const rule = ruleOf(parseJson(yield* Effect.orElseSucceed(request.text, () => "")))
      const wrong = typeof rule === "string" ? rule : yield* page.arm(rule)
      return wrong === undefined ? text("Armed", "text/plain") : refused(400, wrong)
    })

  return (path: string, request: HttpServerRequest.HttpServerRequest) =>
    Effect.suspend((): Effect.Effect<HttpServerResponse.HttpServerResponse> => {
      const wrong = notForThem(page.hosts, request)
      if (wrong !== undefined) return Effect.succeed(wrong)
      switch (`${request.method} ${path}`) {
        case "GET /":
          return Effect.succeed(text(html(token), "text/html"))
        case "GET /page/style.css":
          return Effect.succeed(text(css, "text/css"))
        case "GET /page/script.js":
          return Effect.succeed(text(js, "text/javascript"))
        case "GET /page/icon.svg":
          return Effect.succeed(text(icon, "image/svg+xml"))
        case "GET /page/events":
          return Effect.succeed(
            (request.headers["sec-fetch-site"] ?? "same-origin") === "same-origin"
              ? looking >= MOST ?
                refused(503, "Too many look at this: close some pages") :
                HttpServerResponse.stream(counted, {
                  headers: { ...guards, connection: "close" },
                  contentType: "text/event-stream"
                })
              : refused(403, "This is for the page only")
          )
        case "POST /page/faults":
        case "POST /page/disarm":
          return change(path, request)
        default:
          return Effect.succeed(refused(404, "Nothing is here"))
      }
    })
}
