import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpRouter from "@effect/platform/HttpRouter"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Redacted, Schedule, TestClock } from "effect"
import { type PandaClient, PandaError, UploadSession } from "effect-panda"
import * as Authorize from "effect-panda/Authorize"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { createHash } from "node:crypto"
import { createConnection } from "node:net"
import { panda, server } from "./browser/serve.js"
import { patience } from "./patience.js"

const FORM = { "content-type": "application/x-www-form-urlencoded;charset=utf-8" }
const SITE = "http://site.example"
const SECRET = Redacted.make("0123456789abcdef0123456789abcdef")

const payload = (fields: object) => `payload=${encodeURIComponent(JSON.stringify(fields))}`
const asked = payload({ filename: "movie.mp4", filesize: 100, content_type: "application/octet-stream" })

interface Asking extends RequestInit {
  readonly path?: string
}

/** As any web platform would run it. */
const ask = <E, R>(
  app: HttpApp.Default<E, R>,
  { headers = FORM, path = "/panda/authorize_upload", ...init }: Asking = {}
) =>
  Effect.flatMap(Effect.runtime<R>(), (runtime) =>
    Effect.promise(async () => {
      const request = new Request(`${SITE}${path}`, {
        method: "POST",
        body: asked,
        ...init,
        headers: { host: "site.example", ...headers as Record<string, string> }
      })
      const response = await HttpApp.toWebHandlerRuntime(runtime)(app, HttpMiddleware.logger)(request)
      return { status: response.status, text: await response.text(), headers: response.headers }
    }))

const h264 = () => Effect.succeed({ profiles: ["h264"] })

const inMemory = Effect.provide(PandaEmulator.layerTest())

describe("httpApp", () => {
  it.effect("opens a session and answers byte for byte what Panda's uploader reads", () =>
    Effect.gen(function*() {
      const emulator = yield* PandaEmulator.PandaEmulator
      const { headers, status, text } = yield* ask(Authorize.httpApp({ decide: h264 }))
      assert.strictEqual(status, 200)
      const [session] = yield* emulator.sessions
      assert.strictEqual(
        text,
        `{"upload_url":"http://vm-1.upload.pandastream.test/upload/session?id=${session!.id}"}`
      )
      assert.match(headers.get("content-type")!, /^application\/json/)
      assert.strictEqual(headers.get("cache-control"), "no-store")
      assert.deepInclude(session, { name: "movie.mp4", size: 100 })
      const app = Authorize.httpApp({
        decide: ({ filename, filesize, payload }) =>
          Effect.succeed({
            file_name: `${filesize}-${filename}`,
            payload: String(payload["form"]),
            postprocess_url: "/panda/done"
          })
      })
      const second = yield* ask(app, { body: payload({ filename: "a", filesize: "7", form: 3 }) })
      assert.match(second.text, /^\{"upload_url":"http:[^"]+","postprocess_url":"\/panda\/done"\}$/)
      assert.strictEqual((yield* emulator.sessions)[1]!.name, "7-a")
    }).pipe(inMemory))

  const refused: ReadonlyArray<readonly [what: string, status: number, request: Asking]> = [
    ["a GET", 405, { method: "GET", body: null }],
    ["JSON", 415, { headers: { "content-type": "application/json" } }],
    ["no payload", 400, { body: "a=b" }],
    ["nothing", 400, { body: "" }],
    ["a payload that is no JSON", 400, { body: "payload={" }],
    ["a payload that is a list", 400, { body: "payload=[]" }],
    ["null", 400, { body: "payload=null" }],
    ["no name", 400, { body: payload({ filesize: 1 }) }],
    ["an empty name", 400, { body: payload({ filename: "", filesize: 1 }) }],
    ["a name that is an object", 400, { body: payload({ filename: {}, filesize: 1 }) }],
    ["a name that is no text", 400, { body: payload({ filename: "\ud800.mp4", filesize: 1 }) }],
    ["a name without an end", 400, { body: payload({ filename: "a".repeat(1025), filesize: 1 }) }],
    ...[0, -1, 1.5, 1e300, "", "1e3", null, [1]].map((filesize) =>
      [`${JSON.stringify(filesize)} bytes`, 400, { body: payload({ filename: "a.mp4", filesize }) }] as const
    ),
    ["a file at an address", 400, { body: payload({ fileurl: "http://169.254.169.254/" }) }],
    ["a request that is too long", 413, {
      body: payload({ filename: "a.mp4", filesize: 1, more: "x".repeat(64 * 1024) })
    }],
    ["a file that is too large", 413, { body: payload({ filename: "a.mp4", filesize: 1001 }) }],
    ["another ending", 415, { body: payload({ filename: "a.mp4.exe", filesize: 1 }) }],
    ["a page of another site", 403, { headers: { ...FORM, origin: "http://evil.example" } }],
    ["a page of a site that is called so", 403, { headers: { ...FORM, origin: "http://site.example.evil.example" } }],
    ["a page of nowhere", 403, { headers: { ...FORM, origin: "null" } }],
    ["a page of nowhere, of a host of no name", 403, { headers: { ...FORM, origin: "data:,", host: "" } }],
    ["a page at another port", 403, { headers: { ...FORM, origin: "http://site.example:8080" } }],
    ["a page at the other scheme's port", 403, {
      headers: { ...FORM, origin: "http://site.example", host: "site.example:443" }
    }],
    ["a page of another site, without its name", 403, { headers: { ...FORM, "sec-fetch-site": "cross-site" } }]
  ]
  it.effect.each(refused)(
    "refuses %s with %i, in JSON, and opens nothing",
    ([, status, request]) =>
      Effect.gen(function*() {
        const emulator = yield* PandaEmulator.PandaEmulator
        const app = Authorize.httpApp({ decide: h264, maxSize: 1000, extensions: [".MP4"] })
        const answer = yield* ask(app, request)
        assert.strictEqual(answer.status, status)
        assert.hasAllKeys(JSON.parse(answer.text), ["error", "message"])
        assert.isNull(answer.headers.get("access-control-allow-origin"))
        assert.lengthOf(yield* emulator.requests, 0)
      }).pipe(inMemory)
  )

  it.effect("lets pages of its own host and of listed origins ask, and tells browsers so", () =>
    Effect.gen(function*() {
      const app = Authorize.httpApp({ decide: h264, origins: ["https://app.example"] })
      const own = yield* ask(app, { headers: { ...FORM, origin: "https://site.example" } })
      assert.deepStrictEqual([own.status, own.headers.get("access-control-allow-origin")], [200, null])
      const port = yield* ask(app, { headers: { ...FORM, origin: "https://site.example", host: "site.example:443" } })
      assert.strictEqual(port.status, 200)
      const other = { ...FORM, origin: "https://app.example" }
      const listed = yield* ask(app, { headers: other })
      assert.deepStrictEqual(
        [listed.status, listed.headers.get("access-control-allow-origin"), listed.headers.get("vary")],
        [200, "https://app.example", "Origin"]
      )
      const preflight = yield* ask(app, { method: "OPTIONS", body: null, headers: other })
      assert.strictEqual(preflight.status, 204)
      assert.include(preflight.headers.get("access-control-allow-headers"), "X-Requested-With")
      const foreign = yield* ask(app, { method: "OPTIONS", body: null, headers: { origin: "https://evil.example" } })
      assert.deepStrictEqual([foreign.status, foreign.headers.get("access-control-allow-origin")], [403, null])
    }).pipe(inMemory))

  it.effect.each<[written: string, sent: string]>([
    ["https://app.example/", "https://app.example"],
    ["HTTPS://App.Example", "https://app.example"],
    ["https://app.example:443", "https://app.example"],
    ["http://app.example:80/", "http://app.example"],
    ["https://app.example:8443/", "https://app.example:8443"],
    ["https://bücher.example", "https://xn--bcher-kva.example"],
    ["capacitor://localhost/", "capacitor://localhost"]
  ])("knows %s as %s", ([written, sent]) =>
    Effect.gen(function*() {
      const app = Authorize.httpApp({ decide: h264, origins: ["https://other.example", written] })
      const preflight = yield* ask(app, { method: "OPTIONS", body: null, headers: { origin: sent } })
      assert.strictEqual(preflight.status, 204)
      assert.strictEqual(preflight.headers.get("access-control-allow-origin"), sent)
      const like = yield* ask(app, { method: "OPTIONS", body: null, headers: { origin: `${sent}.evil.example` } })
      assert.strictEqual(like.status, 403)
    }).pipe(inMemory))

  it.effect("lets pages of listed origins add the headers that are listed, and see how long to wait", () =>
    Effect.gen(function*() {
      const app = Authorize.httpApp({
        decide: h264,
        origins: ["https://app.example"],
        headers: ["authorization"],
        csrf: { header: "x-token", verify: () => Effect.succeed(true) }
      })
      const { headers } = yield* ask(app, {
        method: "OPTIONS",
        body: null,
        headers: { origin: "https://app.example" }
      })
      assert.strictEqual(
        headers.get("access-control-allow-headers"),
        "Accept, Content-Type, X-Requested-With, x-token, authorization"
      )
      assert.strictEqual(headers.get("access-control-expose-headers"), "Retry-After, Date")
    }).pipe(inMemory))

  /** As a program without types may pass it. */
  const untyped = (options: object): Authorize.Options<never, never> => ({ decide: h264, ...options })

  it.each<[what: string, options: object, parameter: string]>([
    ...["", "*", "null", "app.example", "localhost:3000", "//app.example", "https://", "file:///", "data:,x"].map(
      (origin): [string, object, string] => [`the origin ${JSON.stringify(origin)}`, { origins: [origin] }, "origins"]
    ),
    ...["https://app.example/films", "https://app.example?a", "https://app.example/#a", "https://me@app.example"].map(
      (origin): [string, object, string] => [`the origin ${origin}`, { origins: [origin] }, "origins"]
    ),
    ["origins that are no list", { origins: "https://app.example" }, "origins"],
    ["endings that are no list", { extensions: ".mp4" }, "extensions"],
    ["a header that is none", { headers: ["x y"] }, "headers"],
    ["a token's header that is none", { csrf: { header: "a\r\nb", verify: () => Effect.succeed(true) } }, "csrf"],
    ...[Number.NaN, 0, -1, "5 GB", "5"].flatMap((bytes) =>
      ["maxSize", "bodyLimit"].map((name): [string, object, string] => [
        `${name} ${typeof bytes} ${bytes}`,
        { [name]: bytes },
        name
      ])
    )
  ])("throws when it is made with %s", (_, options, parameter) => {
    const refusal = (() => {
      try {
        return Authorize.httpApp(untyped(options))
      } catch (error) {
        return error
      }
    })()
    if (!(refusal instanceof PandaError.PandaInputError)) return assert.fail("it was made")
    assert.strictEqual(refusal.parameter, parameter)
    assert.match(refusal.message, /^Authorize\.httpApp: .+: .+: (leave it out, or )?pass /)
  })

  it.effect("asks for a token, as a header or in the payload", () =>
    Effect.gen(function*() {
      const app = Authorize.httpApp({
        decide: h264,
        csrf: { verify: (token, { headers }) => Effect.succeed(token === `of ${headers["host"]}`) }
      })
      const token = "of site.example"
      assert.strictEqual((yield* ask(app)).status, 403)
      assert.strictEqual((yield* ask(app, { headers: { ...FORM, "x-csrf-token": "wrong" } })).status, 403)
      assert.strictEqual((yield* ask(app, { headers: { ...FORM, "x-csrf-token": token } })).status, 200)
      const body = payload({ filename: "a", filesize: 1, authenticity_token: token })
      assert.strictEqual((yield* ask(app, { body })).status, 200)
    }).pipe(inMemory))

  it.effect("refuses in words, and logs what was not meant to be a refusal", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ cause, message }) => void lines.push(`${String(message)} ${String(cause)}`))
      const logged = Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      const denied = yield* ask(Authorize.httpApp({ decide: () => Authorize.deny("Your plan is over", 402) })).pipe(
        logged
      )
      assert.deepStrictEqual([denied.status, JSON.parse(denied.text).message], [402, "Your plan is over"])
      assert.notInclude(lines.join(), "decision")
      const failed = yield* ask(Authorize.httpApp({ decide: () => Effect.fail("CANARY") })).pipe(logged)
      assert.strictEqual(failed.status, 500)
      assert.notInclude(failed.text, "CANARY")
      assert.include(lines.join(), "CANARY")
      const died = yield* ask(Authorize.httpApp({ decide: () => Effect.dieMessage("CANARY") })).pipe(logged)
      assert.strictEqual(died.status, 500)
      const wrong = yield* ask(Authorize.httpApp({ decide: () => Effect.succeed({ path_format: "no id" }) })).pipe(
        logged
      )
      assert.strictEqual(wrong.status, 500)
    }).pipe(inMemory))

  it.live("answers 503 when Panda does not, and 413 when Panda takes no such file", () =>
    Effect.gen(function*() {
      const emulator = yield* PandaEmulator.PandaEmulator
      const app = Authorize.httpApp({ decide: h264 })
      assert.strictEqual((yield* ask(app, { body: payload({ filename: "a", filesize: 101 }) })).status, 413)
      yield* emulator.inject({ route: "create", fault: Fault.status(429, { retryAfter: 0 }), times: 99 })
      const { headers, status } = yield* ask(app)
      assert.deepStrictEqual([status, headers.get("retry-after")], [503, "0"])
    }).pipe(Effect.provide(PandaEmulator.layerTest({ fileSizeLimit: 100 }))))

  it.effect("is a route of either router", () =>
    Effect.gen(function*() {
      const app = Authorize.httpApp({ decide: h264 })
      const router = HttpRouter.empty.pipe(HttpRouter.all("/panda/authorize_upload", app))
      assert.strictEqual((yield* ask(Effect.orDie(router))).status, 200)
      const context = yield* Effect.context<PandaClient.PandaClient>()
      const { dispose, handler } = HttpLayerRouter.toWebHandler(
        HttpLayerRouter.add("*", "/panda/authorize_upload", Effect.provide(app, context)),
        { disableLogger: true }
      )
      const response = yield* Effect.promise(() =>
        handler(new Request(`${SITE}/panda/authorize_upload`, { method: "POST", body: asked, headers: FORM }))
      )
      assert.strictEqual(response.status, 200)
      yield* Effect.promise(dispose)
    }).pipe(inMemory))
})

/** Ends once it is so. */
const settled = <A>(now: Effect.Effect<A>, is: A) =>
  now.pipe(
    Effect.filterOrFail((a) => a === is, (a) => a),
    Effect.retry(Schedule.spaced("5 millis")),
    Effect.timeoutFail({ duration: patience, onTimeout: () => `never ${String(is)}` })
  )

describe("proxy", () => {
  const size = 300_000
  const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 31) >> 3)
  const sha256 = createHash("sha256").update(bytes).digest("hex")

  /** A site with a proxy in front of an emulator. */
  const site = (options: { readonly expiry?: string } = {}) =>
    Effect.gen(function*() {
      const { client, emulator, port: upstream } = yield* panda()
      const proxy = yield* Authorize.proxy({
        url: "/panda/upload",
        secret: SECRET,
        expiry: (options.expiry ?? "1 hour") as "1 hour"
      })
      const router = HttpRouter.empty.pipe(
        HttpRouter.all("/panda/authorize_upload", Authorize.httpApp({ proxy, decide: h264 })),
        HttpRouter.all("/panda/upload/*", proxy.httpApp)
      )
      const { port, server: door } = yield* server
      yield* door.serve(Effect.provide(Effect.orDie(router), client))
      const base = `http://127.0.0.1:${port}`
      const request = (path: string, init: RequestInit = {}) =>
        Effect.promise(async () => {
          const response = await fetch(`${base}${path}`, { redirect: "manual", ...init })
          return { status: response.status, headers: response.headers, text: await response.text() }
        })
      const authorize = Effect.map(
        request("/panda/authorize_upload", {
          method: "POST",
          body: payload({ filename: "movie.mp4", filesize: size }),
          headers: FORM
        }),
        ({ text }) => (JSON.parse(text) as { readonly upload_url: string }).upload_url
      )
      return { emulator, upstream, port, request, authorize }
    })

  const put = (range: string, body: Uint8Array<ArrayBuffer> | null = null): RequestInit => ({
    method: "PUT",
    body,
    headers: {
      "content-type": "application/octet-stream",
      "content-range": `bytes ${range}/${size}`,
      "cache-control": "no-cache"
    }
  })

  it.scopedLive("carries Panda's uploader of 2013, whose bytes it passes on, and hides where to", () =>
    Effect.gen(function*() {
      const { authorize, emulator, request } = yield* site()
      const url = yield* authorize
      assert.match(url, /^\/panda\/upload\/[\w-]+$/)
      // It asks, and from then on goes where the answer says.
      const status = yield* request(url, put("*"))
      assert.strictEqual(status.status, 204)
      const seen = [JSON.stringify([...status.headers]), url]
      let place = status.headers.get("location")!
      let at = 0
      let video: string | undefined
      while (video === undefined) {
        const end = Math.min(at + 128_000, size)
        const answer = yield* request(place, put(`${at}-${end - 1}`, bytes.slice(at, end)))
        seen.push(JSON.stringify([...answer.headers]))
        place = answer.headers.get("location") ?? place
        if (answer.status === 200) video = answer.text
        else at = Number(/^(\d+)-(\d+)$/.exec(answer.headers.get("range") ?? "")![2]) + 1
      }
      const [session] = yield* emulator.sessions
      assert.deepInclude(session, { sha256, receivedTwice: 0, status: "complete", videoId: JSON.parse(video).id })
      assert.notInclude(seen.join(), session!.id)
      const chunks = (yield* emulator.requests).filter(({ route }) => route === "chunk")
      assert.isTrue(
        chunks.every(({ headers }) =>
          headers["content-length"] !== undefined && headers["transfer-encoding"] === undefined
        )
      )
      assert.isTrue(chunks.every(({ headers }) => headers["cookie"] === undefined))
    }))

  it.scopedLive("seals a new location, and answers what fails so that an uploader asks again", () =>
    Effect.gen(function*() {
      const { authorize, emulator, request } = yield* site()
      const url = yield* authorize
      yield* emulator.inject({ route: "probe", fault: Fault.move({ status: 307 }) })
      const moved = yield* request(url, put("*"))
      assert.strictEqual(moved.status, 503)
      const place = moved.headers.get("location")!
      assert.notStrictEqual(place, url)
      assert.strictEqual((yield* request(place, put("*"))).status, 204)
      assert.strictEqual((yield* request(url, put("*"))).status, 404)
      yield* emulator.inject({ route: "probe", fault: Fault.resetBefore, times: 9 })
      const broken = yield* request(place, put("*"))
      assert.deepStrictEqual([broken.status, JSON.parse(broken.text).error], [502, "UploadHostUnreachable"])
      yield* emulator.inject({ route: "chunk", fault: Fault.status(503, { retryAfter: 3, body: "<p>CANARY</p>" }) })
      const failed = yield* request(place, put(`0-${size - 1}`, bytes))
      assert.deepStrictEqual([failed.status, failed.headers.get("retry-after"), failed.text], [503, "3", ""])
      yield* emulator.inject({ route: "abort", fault: Fault.status(401) })
      assert.strictEqual((yield* request(place, { method: "DELETE" })).status, 401)
      assert.strictEqual((yield* request(place, { method: "DELETE" })).status, 200)
    }))

  it.scopedLive("passes on no cookie, and no header of an answer that is not an uploader's", () =>
    Effect.gen(function*() {
      const { authorize, emulator, request } = yield* site()
      const url = yield* authorize
      yield* emulator.inject({
        route: "probe",
        fault: Fault.status(503, { headers: { "set-cookie": "a=b", "x-powered-by": "panda" } })
      })
      const init = put("*")
      const answer = yield* request(url, {
        ...init,
        headers: {
          ...init.headers as Record<string, string>,
          cookie: "session=CANARY",
          authorization: "CANARY",
          "x-forwarded-for": "1.2.3.4"
        }
      })
      assert.isNull(answer.headers.get("set-cookie"))
      assert.isNull(answer.headers.get("x-powered-by"))
      const sent = JSON.stringify((yield* emulator.requests).filter(({ route }) => route === "probe"))
      assert.notInclude(sent, "CANARY")
      assert.notInclude(sent, "1.2.3.4")
    }))

  it.scopedLive("leads nowhere but where it was sealed to", () =>
    Effect.gen(function*() {
      const { authorize, emulator, request } = yield* site()
      const url = yield* authorize
      const handle = url.split("/").at(-1)!
      const forged = [
        "x",
        encodeURIComponent("http://127.0.0.1:1/"),
        Buffer.from("http://127.0.0.1:1/").toString("base64url"),
        handle.slice(0, -2),
        handle.slice(0, 20) + (handle[20] === "A" ? "B" : "A") + handle.slice(21)
      ]
      for (const wrong of forged) {
        assert.strictEqual((yield* request(`/panda/upload/${wrong}`, put("*"))).status, 404, wrong)
      }
      const other = yield* Authorize.proxy({ url: "/x", secret: Redacted.make("another secret of 32 characters!") })
      const theirs = yield* other.urlOf(Redacted.make("http://127.0.0.1:1/"), 1)
      assert.strictEqual((yield* request(theirs.replace("/x", "/panda/upload"), put("*"))).status, 404)
      assert.strictEqual((yield* request(url, { ...put("*"), headers: { origin: "http://evil.example" } })).status, 403)
      assert.strictEqual((yield* request(url)).status, 405)
      assert.strictEqual((yield* request(url, { ...put("*"), headers: { "content-range": "bytes */7" } })).status, 400)
      assert.strictEqual((yield* request(url, { method: "PUT", body: new Uint8Array(size + 65 * 1024) })).status, 400)
      assert.lengthOf((yield* emulator.requests).filter(({ route }) => route !== "create"), 0)
    }))

  it.scopedLive("stops sending when the page goes away", () =>
    Effect.gen(function*() {
      const { authorize, emulator, port } = yield* site()
      const url = yield* authorize
      const socket = createConnection(port, "127.0.0.1")
      const half = size / 2
      socket.write(
        `PUT ${url} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/octet-stream\r\n` +
          `content-range: bytes 0-${size - 1}/${size}\r\ncontent-length: ${size}\r\n\r\n`
      )
      socket.write(bytes.slice(0, half))
      const stored = Effect.map(emulator.sessions, ([session]) => session!.stored)
      yield* settled(stored, half)
      socket.destroy()
      const ended = Effect.map(emulator.requests, (all) => all.find(({ route }) => route === "chunk")?.bodyLength)
      yield* settled(ended, half)
      assert.strictEqual(yield* stored, half)
    }))

  it.effect("opens for a time, with any of its secrets, in any process", () =>
    Effect.gen(function*() {
      const emulator = yield* PandaEmulator.PandaEmulator
      const { location } = yield* UploadSession.create({ file_name: "a", file_size: 9 })
      const old = yield* Authorize.proxy({ url: "https://site.example/u/", secret: SECRET, expiry: "1 hour" })
      const url = yield* old.urlOf(location, 9)
      assert.match(url, /^https:\/\/site\.example\/u\/[\w-]+$/)
      const fresh = Redacted.make("fedcba9876543210fedcba9876543210")
      const next = yield* Authorize.proxy({ url: "/u", secret: [fresh, SECRET], expiry: "1 hour" })
      const headers = { "content-range": "bytes */9", "content-length": "0" }
      const probe = ask(next.httpApp, { method: "PUT", body: null, headers, path: new URL(url).pathname })
      assert.strictEqual((yield* probe).status, 204)
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual((yield* probe).status, 204)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* probe).status, 410)
      assert.lengthOf((yield* emulator.requests).filter(({ route }) => route === "probe"), 2)
    }).pipe(inMemory))

  it.effect("refuses a secret that can be guessed", () =>
    Effect.gen(function*() {
      const short = yield* Effect.flip(Authorize.proxy({ url: "/u", secret: Redacted.make("CANARY") }))
      assert.include(short.message, "32")
      assert.notInclude(short.message, "CANARY")
      yield* Effect.flip(Authorize.proxy({ url: "/u", secret: [] }))
      yield* Effect.flip(Authorize.proxy({ url: "/u", secret: [SECRET, Redacted.make("")] }))
    }))

  it.effect.each<[string, Partial<Authorize.ProxyOptions>]>([
    ["url", { url: "" }],
    ["url", { url: "panda/upload" }],
    ["url", { url: "javascript:alert(1)" }],
    ["expiry", { expiry: Number.NaN }],
    ["expiry", { expiry: -1 }],
    // It would be written as none, and the handle be over at once.
    ["expiry", { expiry: Infinity }]
  ])("refuses a wrong %s", ([parameter, options]) =>
    Effect.gen(function*() {
      const refusal = yield* Effect.flip(Authorize.proxy({ url: "/u", secret: SECRET, ...options }))
      assert.strictEqual(refusal.parameter, parameter)
    }))

  it.effect("needs what an HttpApp needs, and the client", () =>
    Effect.gen(function*() {
      const app: HttpApp.Default<never, PandaClient.PandaClient> = Authorize.httpApp({ decide: h264 })
      yield* ask(app)
    }).pipe(inMemory))
})
