/** What others may send us, and what has to hold whatever they send. */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, it } from "@effect/vitest"
import { Cause, Effect, Exit, FastCheck, Option, Redacted, Stream } from "effect"
import * as Credentials from "effect-panda/Credentials"
import * as PandaClient from "effect-panda/PandaClient"
import { setImmediate as turn } from "node:timers/promises"
import { inspect } from "node:util"
import { times } from "./seed.js"

/** A property, tried this many times. What fails is made as small as it gets, and shown. */
export const property = <A>(
  name: string,
  cases: number,
  arbitrary: FastCheck.Arbitrary<A>,
  check: (value: A) => Effect.Effect<void, unknown>
) =>
  it.live(name, () =>
    Effect.promise(() =>
      FastCheck.assert(
        // A turn of the event loop before each: the runner takes a worker that it does not hear of for lost.
        FastCheck.asyncProperty(arbitrary, (value) => Effect.runPromise(check(value)))
          .beforeEach(() => turn()),
        { numRuns: Math.ceil(cases * times) }
      )
    ))

export const SECRET = "canary-secret-key"
const ACCESS = "canary-access-key"

/** An error is one that is documented, in a line of bounded length, and without secrets however it is printed. */
export const checkError = <E>(
  error: E,
  isDocumented: (u: unknown) => boolean,
  secrets: ReadonlyArray<string>
): void => {
  assert.isTrue(isDocumented(error), `not documented: ${inspect(error)}`)
  assert.instanceOf(error, Error)
  const { message } = error as Error
  assert.notMatch(message, /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u)
  assert.isTrue(message.isWellFormed())
  assert.isBelow(message.length, 2500)
  const printed = [message, String(error), JSON.stringify(error), inspect(error, { depth: 9 })]
  assert.isBelow(printed[2]!.length, 20_000)
  for (const secret of [SECRET, ...secrets]) {
    for (const text of printed) assert.notInclude(text, secret)
  }
}

/** It succeeds, or fails with an error that is documented: never with a defect. */
export const checkExit = <A, E>(
  exit: Exit.Exit<A, E>,
  isDocumented: (u: unknown) => boolean,
  secrets: ReadonlyArray<string> = []
): Option.Option<A> =>
  Exit.match(exit, {
    onSuccess: Option.some,
    onFailure: (cause) => {
      const error = Option.getOrElse(Cause.failureOption(cause), () => assert.fail(`a defect: ${Cause.pretty(cause)}`))
      checkError(error, isDocumented, secrets)
      return Option.none()
    }
  })

/** An answer as a server would write it. */
export interface Hostile {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Or how it repeats the request. */
  readonly body: Uint8Array | Echo
}

/** What of a request is secret, found without our own parser. */
const secretsIn = (sent: string): ReadonlyArray<string> => {
  const signature = /(?:signature=|name="signature"\r\n\r\n)([^&\r\n]+)/.exec(sent)?.[1]
  return signature === undefined ? [] : [signature, decodeURIComponent(signature)]
}

const encoder = new TextEncoder()

let answer: Hostile = { status: 200, headers: {}, body: new Uint8Array(0) }
let requests: Array<HttpClientRequest.HttpClientRequest> = []
let secrets: Array<string> = []

const http = HttpClient.make((request, url) =>
  Effect.sync(() => {
    requests.push(request)
    const { body, headers, status } = answer
    const sent = url.href + (request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : "")
    secrets.push(...secretsIn(sent))
    // All lists are at their end at some time.
    const slice = requests.length > 4 ? encoder.encode("[]") : bytesOf(body, sent)
    const head = new Response(null, requests.length > 4 ? {} : { status })
    for (const [name, value] of Object.entries(headers)) head.headers.set(name, value)
    // Its body not through the promises of a web stream, and in two parts.
    const stream = Stream.make(slice.subarray(0, slice.length >> 1), slice.subarray(slice.length >> 1))
    return Object.create(HttpClientResponse.fromWeb(request, head), {
      stream: { value: stream },
      text: { get: () => Effect.sync(() => Buffer.from(slice).toString()) }
    })
  })
)

const client = Effect.runSync(PandaClient.make.pipe(
  Effect.provide(Credentials.layer({ accessKey: ACCESS, secretKey: Redacted.make(SECRET), cloudId: "cloud" })),
  Effect.provideService(HttpClient.HttpClient, http)
))

/** Runs it against a server that answers every request alike. Tells how it ended, and what was sent. */
export const against = <A, E>(hostile: Hostile, effect: Effect.Effect<A, E, PandaClient.PandaClient>) =>
  Effect.suspend(() => {
    answer = hostile
    requests = []
    secrets = []
    return Effect.map(
      Effect.exit(Effect.provideService(effect, PandaClient.PandaClient, client)),
      (exit) => ({ exit, requests, secrets })
    )
  })

export const bodyOf = (text: string): Hostile => ({ status: 200, headers: {}, body: encoder.encode(text) })

const { constantFrom, oneof } = FastCheck

/** Text that somebody has chosen with care. */
export const text: FastCheck.Arbitrary<string> = oneof(
  { weight: 3, arbitrary: FastCheck.string16bits({ maxLength: 20 }) },
  { weight: 3, arbitrary: FastCheck.fullUnicodeString({ maxLength: 20 }) },
  { weight: 2, arbitrary: FastCheck.string({ maxLength: 40 }) },
  {
    weight: 4,
    arbitrary: constantFrom(
      "",
      " ",
      "\r\nset-cookie: a=b\r\n\r\n",
      "\"; filename=\"other.exe",
      "\u0000",
      "a\u0000b.mp4",
      "\u001b]0;owned\u0007",
      "\u202egpj.4pm",
      "\u2066\u2028\u2029\u0085\ufeff",
      "\ud800",
      "\udc00\ud800",
      "😀".repeat(75),
      "x".repeat(5000),
      "../../etc/passwd",
      "C:\\videos\\..\\a.mp4",
      "a\\",
      "--boundary\r\n",
      "%0d%0a%00%2e%2e%2f",
      "__proto__",
      "constructor",
      "toString",
      "null",
      "9".repeat(400),
      "-0",
      "1e999",
      "2009/10/13 19:11:26 +0100",
      "0000-01-01T00:00:00+14:00",
      "9999-12-31T23:59:59-14:00",
      "2011-02-31T00:00:00Z"
    )
  }
)

const number: FastCheck.Arbitrary<number> = oneof(
  FastCheck.double({ noNaN: true, noDefaultInfinity: true }),
  constantFrom(0, -0, -1, 1.5, 2 ** 53, 2 ** 53 + 2, 1e308, 5e-324)
)

const scalar = oneof(text, number, FastCheck.boolean(), FastCheck.constant(null))

const deep = oneof(
  { weight: 30, arbitrary: constantFrom(98, 99, 100, 101, 102, 1000) },
  { weight: 1, arbitrary: FastCheck.constant(20_000) }
)

/** JSON text, not always of a value that JavaScript could write. */
export const jsonText: FastCheck.Arbitrary<string> = oneof(
  { weight: 6, arbitrary: scalar.map((value) => JSON.stringify(value)) },
  { weight: 3, arbitrary: FastCheck.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value)) },
  { weight: 1, arbitrary: deep.map((depth) => `${"[".repeat(depth)}${"]".repeat(depth)}`) },
  { weight: 1, arbitrary: deep.map((depth) => `${`{"a":`.repeat(depth)}1${"}".repeat(depth)}`) },
  {
    weight: 2,
    arbitrary: constantFrom(
      "1e999",
      "-1e999",
      "1".repeat(500),
      `{"constructor":{"name":{"toString":1,"valueOf":1}}}`,
      `{"toString":1,"valueOf":null,"toJSON":2,"then":3}`,
      `{"__proto__":{"status":"success","duration":"x"}}`,
      `{"length":4294967295}`
    )
  }
)

const attributes = [
  "id",
  "status",
  "duration",
  "width",
  "fps",
  "created_at",
  "updated_at",
  "extname",
  "path",
  "files",
  "encoding_progress",
  "video_id",
  "profile_name",
  "name",
  "url",
  "delay",
  "events",
  "encryption_key",
  "two_pass",
  "s3_private_access",
  "priority",
  "error_class",
  "error_message",
  "location",
  "__proto__",
  "\\u005f_proto__",
  "constructor",
  "hasOwnProperty",
  "toJSON",
  "x"
]

/** Attributes that an entity could have, with values that it could not; some twice. */
export const entityText: FastCheck.Arbitrary<string> = FastCheck.tuple(
  oneof(
    { weight: 6, arbitrary: constantFrom(`"id":"1",`, `"id":7,`) },
    { weight: 1, arbitrary: constantFrom(`"id":null,`, `"id":[],`, "") }
  ),
  FastCheck.array(FastCheck.tuple(constantFrom(...attributes), jsonText), { maxLength: 5 })
).map(([id, rest]) => `{${id}${rest.map(([name, value]) => `"${name}":${value},`).join("")}"y":0}`)

const errorText = FastCheck.tuple(jsonText, jsonText).map(([error, message]) =>
  `{"error":${error},"message":${message}}`
)

const listText = FastCheck.array(entityText, { maxLength: 8 }).map((entities) => `[${entities.join(",")}]`)

const whole = oneof(
  { weight: 4, arbitrary: entityText },
  { weight: 3, arbitrary: listText },
  { weight: 2, arbitrary: errorText },
  { weight: 2, arbitrary: jsonText },
  {
    weight: 1,
    arbitrary: FastCheck.tuple(listText, jsonText).map(([videos, total]) =>
      `{"videos":${videos},"page":1,"per_page":"7","total":${total}}`
    )
  },
  { weight: 1, arbitrary: text.map((text) => `<html><body>${text}</body></html>`) },
  { weight: 1, arbitrary: text }
)

/** What repeats a request in its answer, by name: what is drawn is data, so that it can be kept. */
const echoes = {
  "as it is": (sent: string) => sent,
  "in HTML": (sent: string) => `<p>Not found: ${sent}</p>`,
  "in a message": (sent: string) => JSON.stringify({ error: "BadRequest", message: `bad ${sent}` }),
  "as the error": (sent: string) => JSON.stringify({ error: sent, message: sent }),
  "as parameters": (sent: string) =>
    JSON.stringify({ params: Object.fromEntries(new URLSearchParams(sent.split("?").at(-1))) }),
  "as Ruby shows it": (sent: string) =>
    `{"signature"=>"${new URLSearchParams(sent.split("?").at(-1)).get("signature")}"}`
}
type Echo = keyof typeof echoes

/** The bytes of a body, in answer to this request. */
export const bytesOf = (body: Hostile["body"], sent: string): Uint8Array =>
  typeof body === "string" ? encoder.encode(echoes[body](sent)) : body

/** Bytes of a body: as they should be, cut, with a mark before, or broken in the middle of a character. */
export const body: FastCheck.Arbitrary<Hostile["body"]> = oneof(
  { weight: 6, arbitrary: whole.map((text) => encoder.encode(text)) },
  {
    weight: 2,
    arbitrary: FastCheck.tuple(whole, FastCheck.nat()).map(([text, at]) => {
      const bytes = encoder.encode(text)
      return bytes.subarray(0, at % (bytes.length + 1))
    })
  },
  { weight: 1, arbitrary: whole.map((text) => encoder.encode(`\ufeff${text}`)) },
  {
    weight: 1,
    arbitrary: FastCheck.tuple(whole, FastCheck.nat()).map(([text, at]) => {
      const bytes = encoder.encode(`${text} `)
      bytes[at % bytes.length] = 0xff
      return bytes
    })
  },
  { weight: 1, arbitrary: FastCheck.uint8Array({ maxLength: 50 }) },
  { weight: 1, arbitrary: constantFrom(...Object.keys(echoes) as Array<Echo>) }
)

/** What may stand in a header: bytes, but no line end and no NUL, which no HTTP layer lets through. */
const headerText = text.map((text) => text.replace(/[^\t\x20-\x7e\x80-\xff]/g, "").trim())

const date = constantFrom(
  "Sun, 22 Nov 2026 12:06:00 GMT",
  "Thu, 01 Jan 1970 00:00:00 GMT",
  "Mon, 01 Jan 1900 00:00:00 GMT",
  "Fri, 31 Dec 9999 23:59:59 GMT",
  "Xxx, 99 Abc 99 99:99:99 GMT",
  "Sunday, 22-Nov-26 12:06:00 GMT"
)

export const headers: FastCheck.Arbitrary<Readonly<Record<string, string>>> = FastCheck.record({
  "content-type": oneof(
    constantFrom(
      "application/json; charset=utf-16",
      "application/json;charset=\"klingon\"",
      "text/html; charset=",
      ";;;",
      "multipart/form-data",
      "application/x-www-form-urlencoded"
    ),
    headerText
  ),
  "content-length": constantFrom("0", "-1", "99999999999999999999", "1e3", "nan"),
  "retry-after": oneof(
    constantFrom("0", "-1", "1e9", "9".repeat(400), "1.5", "soon", "0x10", "Infinity"),
    date,
    headerText
  ),
  date: oneof(date, headerText),
  range: oneof(
    constantFrom(
      "0-0",
      "0-9",
      "bytes=0-4",
      "bytes 0-4/10",
      "5-8",
      "9-5",
      "0-",
      "-5",
      "0-99999999999999999999",
      "0-9,20-30",
      "0-1e3",
      "0-0x10"
    ),
    headerText
  ),
  location: oneof(
    constantFrom(
      "file:///etc/passwd",
      "data:text/plain,x",
      "javascript:alert(1)",
      "ftp://x/y",
      "http://[",
      "//elsewhere.example/a?b",
      "http://elsewhere.example/a?b",
      "https://elsewhere.example/a?b",
      "https://name:password@elsewhere.example/",
      "https://elsewhere.example:99999/",
      "?id=other",
      "",
      "\\\\elsewhere.example\\a"
    ),
    headerText
  )
}, { requiredKeys: [] })

export const status: FastCheck.Arbitrary<number> = oneof(
  { weight: 3, arbitrary: FastCheck.constant(200) },
  {
    weight: 3,
    arbitrary: constantFrom(201, 204, 206, 301, 307, 400, 401, 404, 408, 409, 410, 413, 416, 422, 429, 503)
  },
  { weight: 1, arbitrary: FastCheck.integer({ min: 200, max: 599 }) }
)

export const hostile: FastCheck.Arbitrary<Hostile> = FastCheck.record({ status, headers, body })

/** As the specification of forms says, and not as we read them: parts between boundaries, a head of lines in each. */
export const partsOf = (bytes: Buffer, boundary: string) => {
  const [preamble, ...parts] = `\r\n${bytes.toString("latin1")}`.split(`\r\n--${boundary}`)
  assert.strictEqual(preamble, "")
  assert.strictEqual(parts.pop(), "--\r\n")
  return parts.map((part) => {
    const end = part.indexOf("\r\n\r\n")
    assert.isTrue(part.startsWith("\r\n") && end !== -1)
    const lines = part.slice(2, end).split("\r\n")
    const [, name, filename] =
      /^content-disposition: form-data; name="([^"\r\n]*)"(?:; filename="([^"\r\n]*)")?$/.exec(lines[0]!) ??
        assert.fail(lines[0]!)
    const utf8 = (latin1: string) => Buffer.from(latin1, "latin1").toString()
    return {
      name: utf8(name!),
      filename: filename === undefined ? undefined : utf8(filename),
      others: lines.slice(1),
      content: utf8(part.slice(end + 4))
    }
  })
}
