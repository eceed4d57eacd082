/** What a request keeps secret shows in no error, in whatever form the answer repeats it, and wherever in the request it was. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Cause, Effect, Either, FastCheck, Layer, Redacted } from "effect"
import * as Credentials from "effect-panda/Credentials"
import { excerpt } from "effect-panda/internal/text/excerpt"
import { conceal, ofUrl } from "effect-panda/internal/text/secrets"
import * as PandaClient from "effect-panda/PandaClient"
import * as UploadSession from "effect-panda/UploadSession"
import * as Videos from "effect-panda/Videos"
import { inspect } from "node:util"
import { secondsOf } from "../patience.js"

/** Where an error was made is known, and takes most of the time to find out. */
const { stackTraceLimit } = Error
beforeAll(() => {
  Error.stackTraceLimit = 1
})
afterAll(() => {
  Error.stackTraceLimit = stackTraceLimit
})

const entity = (letter: string) => `&#x${letter.charCodeAt(0).toString(16)};`

/** How servers, proxies and their pages write a value. */
const forms: Record<string, (value: string) => string> = {
  "as it is": (value) => value,
  "in a URL": encodeURIComponent,
  "in a URL within another": (value) => encodeURIComponent(encodeURIComponent(value)),
  "in a URL, in small letters": (value) => encodeURIComponent(value).replace(/%../g, (hex) => hex.toLowerCase()),
  "in a URL, letter by letter": (value) =>
    Array.from(value, (letter) => `%${letter.charCodeAt(0).toString(16)}`).join(""),
  "in JSON": (value) => JSON.stringify(value).replaceAll("/", "\\/"),
  "in JSON within JSON": (value) => JSON.stringify(JSON.stringify(value).replaceAll("/", "\\/")),
  "in JSON that escapes": (value) =>
    value.replace(/\W/g, (letter) => `\\u00${letter.charCodeAt(0).toString(16).padStart(2, "0")}`),
  "in HTML": (value) => value.replace(/\W/g, entity),
  "in HTML, by numbers": (value) => Array.from(value, (letter) => `&#${letter.charCodeAt(0)};`).join(""),
  "in HTML, by names": (value) => value.replaceAll("+", "&plus;").replaceAll("/", "&sol;").replaceAll("=", "&equals;"),
  "in HTML that is escaped": (value) => value.replace(/\W/g, entity).replaceAll("&", "&amp;"),
  "in a URL in HTML in JSON": (value) => JSON.stringify(encodeURIComponent(value).replace(/\W/g, entity)),
  "as a form gives it": (value) => value.replaceAll("+", " "),
  "in the base64 of URLs": (value) => value.replaceAll("+", "-").replaceAll("/", "_"),
  "in capitals": (value) => value.toUpperCase(),
  "cut off": (value) => value.slice(0, 20),
  "without its beginning": (value) => value.slice(5),
  "in two lines": (value) => `${value.slice(0, 15)}\n${value.slice(15)}`
}

/** Where it stands. */
const places: Record<string, (value: string) => string> = {
  "alone": (value) => value,
  "XML": (value) => `<Error><SignatureProvided>${value}</SignatureProvided></Error>`,
  "a table": (value) => `<tr><td>signature</td>\n<td class="v">${value}</td></tr>`,
  "a list": (value) => `["GET","signature","${value}","x"]`,
  "Ruby": (value) => `Parameters: {"signature"=>"${value}", "file"=>nil}`,
  "a sentence": (value) => `there is nothing that is called ${value}, sorry`
}

const SECRET = "ab+c/dEf0123456789ghIJK+/lmnopQrstuvwx=="

/** Eight letters of it in a row, or more. */
const shows = (text: string, secret = SECRET): boolean =>
  Array.from({ length: secret.length - 7 }, (_, at) => secret.slice(at, at + 8).toLowerCase())
    .some((part) => text.toLowerCase().includes(part))

/** Each form in one of the places, each place with some of the forms. */
const echoes = Object.entries(forms).map(([form, write], at) => {
  const [place, put] = Object.entries(places)[at % Object.keys(places).length]!
  return { what: `${form}, ${place}`, echo: (value: string) => put(write(value)) }
})

describe("conceal", () => {
  it("finds a secret in every form", () => {
    for (const { echo, what } of echoes) {
      const concealed = conceal(echo(SECRET), [SECRET])
      assert.isFalse(shows(concealed), `${what}: ${concealed}`)
      assert.include(concealed, "<redacted>", what)
    }
  })

  it("leaves what is no secret as it is", () => {
    for (
      const text of ["", "Couldn't find Video with ID=9876543210fe", "100 % of 5&nbsp;\\ü €", "\\", "%", "&#x110000;"]
    ) {
      assert.strictEqual(conceal(text, [SECRET, "short"]), text)
    }
    assert.strictEqual(conceal(`a ${encodeURIComponent(SECRET)} b`, [SECRET]), "a <redacted> b")
  })

  it("finds any secret in any text around it", () => {
    FastCheck.assert(FastCheck.property(
      FastCheck.string({ minLength: 8, maxLength: 40 }),
      FastCheck.string(),
      FastCheck.string(),
      FastCheck.constantFrom((value: string) => value, encodeURIComponent, JSON.stringify),
      (secret, before, after, write) => {
        // The backslash of a string is no letter of it.
        FastCheck.pre(secret.isWellFormed() && !/[\\%&]/.test(secret + before + after))
        const concealed = conceal(`${before}|${write(secret)}|${after}`, [secret])
        assert.isFalse(concealed.includes(`|${write(secret)}|`), concealed)
      }
    ))
  })

  it("a URL has its secrets anywhere but in its host", () => {
    assert.strictEqual(
      ofUrl("https://me:secret@a.example:80/b/c?d=e&f#g").filter((part) => part !== "").join(" "),
      "me secret b c d e f g"
    )
    assert.deepStrictEqual(ofUrl("/b/c?d=e").filter((part) => part !== ""), ["b", "c", "d", "e"])
  })

  it("a text as long as an answer takes no time to speak of", () => {
    const location = `http://a.example/${"x1".repeat(40_000)}?${"y=0123456789&".repeat(5000)}`
    const seconds = secondsOf(() => excerpt(`${"&amp;%25\\u0026".repeat(100_000)}`, ofUrl(location)))
    assert.isBelow(seconds, 5)
  })
})

describe("excerpt", () => {
  it("finds what looks like a secret by its name", () => {
    for (const [place, put] of Object.entries(places)) {
      if (place === "alone" || place === "a sentence") continue
      assert.isFalse(shows(excerpt(put(SECRET).replace("SignatureProvided", "Signature"))), place)
    }
    for (const text of ["Signatures do not match", "the token has expired, authorization-required"]) {
      assert.strictEqual(excerpt(text), text)
    }
  })

  it("what is in an address is no less secret beside it", () => {
    const text = JSON.stringify({ id: "0123456789abcdef", location: "http://a.example/upload?id=0123456789abcdef" })
    for (const body of [text, text.replaceAll("/", "\\/")]) {
      assert.strictEqual(excerpt(body), "{\"id\":\"<redacted>\",\"location\":\"<redacted url>\"}")
    }
  })
})

describe("errors", () => {
  /** A client whose server answers this to what it is asked. */
  const answering = (status: number, body: (request: { readonly url: string; readonly form: string }) => string) =>
    PandaClient.layer.pipe(
      Layer.provide(Credentials.layer({
        accessKey: "access-key-0123456789",
        secretKey: Redacted.make("secret-key"),
        cloudId: "cloud",
        host: "panda.example"
      })),
      Layer.provide(Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make((request, url) => {
          const form = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""
          return Effect.succeed(
            HttpClientResponse.fromWeb(request, new Response(body({ url: url.href, form }), { status }))
          )
        })
      )),
      Layer.orDie
    )

  const printed = (error: unknown): string =>
    [
      inspect(error, { depth: Infinity, showHidden: true, customInspect: false }),
      String(error),
      JSON.stringify(error),
      Cause.pretty(Cause.fail(error), { renderErrorCause: true })
    ].join("\n")

  it.live("show no signature and no key", () =>
    Effect.gen(function*() {
      for (const { echo, what } of echoes) {
        for (const run of [Videos.list(), Videos.create({ source_url: "http://a.example" })]) {
          for (
            const [status, name] of [[401, "NotAuthorized"], [422, "Other"], [500, undefined], [
              200,
              undefined
            ]] as const
          ) {
            let secrets: ReadonlyArray<string> = []
            const layer = answering(status, ({ form, url }) => {
              const sent = new URLSearchParams(form === "" ? new URL(url).search : form)
              secrets = [sent.get("signature")!, sent.get("access_key")!]
              const message = secrets.map(echo).join(" and ")
              return name === undefined ? message : JSON.stringify({ error: name, message })
            })
            const call: Effect.Effect<unknown, unknown, PandaClient.PandaClient> = run
            const error = yield* Effect.flip(PandaClient.withRetry(call, "none")).pipe(Effect.provide(layer))
            assert.lengthOf(secrets, 2)
            for (const secret of secrets) assert.isFalse(shows(printed(error), secret), `${what} ${printed(error)}`)
          }
        }
      }
    }), 60_000)

  const many = Array.from({ length: 12 }, (_, at) => `p${at}=value-that-is-long-${at}`).join("&")
  const locations = {
    "the documented place": `http://vm-1.example/upload/session?id=${encodeURIComponent(SECRET)}`,
    "the path": `http://vm-1.example/upload/${encodeURIComponent(SECRET)}/session?x=1`,
    "the path, as it is": `http://vm-1.example/upload/${SECRET}`,
    "after many others": `http://vm-1.example/upload/session?${many}&id=${encodeURIComponent(SECRET)}`,
    "a name": `http://vm-1.example/upload/session?${encodeURIComponent(SECRET)}`,
    "the fragment": `http://vm-1.example/upload/session#${encodeURIComponent(SECRET)}`
  }
  for (const [where, location] of Object.entries(locations)) {
    it.live(`show no capability of a location, in ${where}`, () =>
      Effect.gen(function*() {
        for (const { echo, what } of echoes) {
          for (const status of [200, 422]) {
            for (const body of [echo(SECRET), JSON.stringify({ error: "Refused", message: echo(SECRET) })]) {
              const soon = { timeout: "10 seconds" } as const
              const { reply } = yield* UploadSession.probe(Redacted.make(location), 9, soon).pipe(
                Effect.provide(answering(status, () => body))
              )
              const error = Either.getOrThrow(Either.flip(reply))
              assert.isFalse(shows(printed(error)), `${what} ${printed(error)}`)
            }
          }
        }
      }), 60_000)
  }
})
