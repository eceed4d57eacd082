/** The page of the emulator: what it lets through without a browser, and what people see of it in one. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, type Scope } from "effect"
import { Credentials, Encodings, PandaClient, Upload, UploadSource, Videos } from "effect-panda"
import * as Encoder from "effect-panda/Encoder"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { createHmac } from "node:crypto"
import { readFileSync } from "node:fs"
import { createServer, request } from "node:http"
import { createRequire } from "node:module"
import type { Page } from "puppeteer-core"
import * as browsers from "../browser/real/browsers.js"
import { folder, installed, sample } from "../ffmpeg.js"

const chromium = browsers.find("chromium")

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")

const port = HttpServer.addressWith((address) => Effect.succeed(address._tag === "TcpAddress" ? address.port : 0))

const credentials = Layer.unwrapEffect(Effect.gen(function*() {
  const { accessKey, cloudId, secretKey } = yield* PandaEmulator.PandaEmulator
  return Credentials.layer({ accessKey, secretKey, cloudId, host: "127.0.0.1", port: yield* port })
}))

const onPort = NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" })

const within = <E, R>(emulator: Layer.Layer<PandaEmulator.PandaEmulator, E, R>) =>
  PandaClient.layer.pipe(
    Layer.provide(credentials),
    Layer.provideMerge(emulator),
    Layer.provideMerge(onPort),
    Layer.provide(FetchHttpClient.layer),
    Layer.provideMerge(NodeContext.layer)
  )

type Env = PandaClient.PandaClient | PandaEmulator.PandaEmulator | HttpServer.HttpServer

const live = (name: string, body: Effect.Effect<void, unknown, Env | Scope.Scope>, options?: PandaEmulator.Options) =>
  it.scopedLive(name, () => Effect.provide(body, within(PandaEmulator.layerServer(options))))

const ask = (method: string, path: string, headers: Record<string, string> = {}, body = "") =>
  Effect.flatMap(
    port,
    (port) =>
      Effect.async<{ status: number; headers: Record<string, unknown>; text: string }>((resume) => {
        const sent = request({ host: "127.0.0.1", port, method, path, headers, agent: false }, (response) => {
          let text = ""
          response.setEncoding("utf8")
          const done = () => {
            resume(Effect.succeed({ status: response.statusCode!, headers: response.headers, text }))
            sent.destroy()
          }
          // Of what never ends the first answer is enough.
          response.on("data", (part: string) => {
            text += part
            if (
              String(response.headers["content-type"]).startsWith("text/event-stream") && text.includes("event: faults")
            ) done()
          })
          response.on("end", done)
        })
        sent.on("error", () => {})
        sent.end(body)
      })
  )

interface Told {
  readonly requests: ReadonlyArray<{
    readonly status: number
    readonly path: string
    readonly verdict: Readonly<Record<string, unknown>> | null
  }>
}

const told = Effect.map(ask("GET", "/page/events"), ({ text }) =>
  Object.fromEntries(
    Array.from(text.matchAll(/^event: (\w+)\ndata: (.*)$/gm), ([, name, json]) => [name, JSON.parse(json!)])
  ) as unknown as Told)

const secret = "emulated-secret-key"

let tick = 0

/** Signed by hand, with one thing wrong. */
const signed = (
  method: string,
  path: string,
  params: Record<string, string>,
  wrong: {
    readonly secret?: string
    readonly text?: (text: string) => string
    readonly signature?: (signature: string) => string
  } = {}
) => {
  const all: Record<string, string> = {
    ...params,
    access_key: "emulated-access-key",
    cloud_id: "emulated-cloud-id",
    timestamp: params["timestamp"] ??
      new Date().toISOString().replace("Z", `${String(++tick % 1000).padStart(3, "0")}Z`)
  }
  const escape = (text: string) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
  const canonical = Object.keys(all).sort().map((name) => `${name}=${escape(all[name]!)}`).join("&")
  const text = [method, "127.0.0.1", path, canonical].join("\n")
  const signature = createHmac("sha256", wrong.secret ?? secret).update(wrong.text?.(text) ?? text).digest("base64")
  const query = `${canonical}&signature=${escape(wrong.signature?.(signature) ?? signature)}`
  return method === "GET"
    ? ask("GET", `/v2${path}?${query}`)
    : ask(method, `/v2${path}`, {
      "content-type": "application/x-www-form-urlencoded",
      "content-length": String(query.length)
    }, query)
}

describe("whoever looks", () => {
  live(
    "is not one of too many",
    Effect.gen(function*() {
      const here = yield* port
      const look = Effect.acquireRelease(
        Effect.async<{ readonly status: number; readonly close: () => void }>((resume) => {
          const sent = request({ host: "127.0.0.1", port: here, path: "/page/events", agent: false }, (response) => {
            // The first of what is told says that it is counted; more is not read.
            response.once(
              "readable",
              () => resume(Effect.succeed({ status: response.statusCode!, close: () => sent.destroy() }))
            )
          })
          sent.on("error", () => {})
          sent.end()
        }),
        ({ close }) => Effect.sync(close)
      )
      const all = yield* Effect.replicateEffect(look, 33)
      assert.deepStrictEqual(all.map(({ status }) => status), [...Array.from({ length: 32 }, () => 200), 503])
      all[0]!.close()
      yield* Effect.repeat(Effect.scoped(look), { until: ({ status }) => status === 200 })
    })
  )
})

describe("the verdict", () => {
  live(
    "names the usual mistakes, and where the strings part",
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [Parameters<typeof signed>[3], RegExp, string]> = [
        [{ text: (text) => text.replace("/videos", "/v2/videos") }, /leave \/v2 away/, "2/videos"],
        [{ text: (text) => text.replace("127.0.0.1", "api.pandastream.com") }, /Another host was signed/, "api."],
        [{ text: (text) => text.replaceAll("%20", "+") }, /Spaces were signed as \+/, "+"],
        [{ text: (text) => text.replaceAll("%21", "!") }, /RFC 3986/, "!"],
        [{ text: (text) => text.replace("GET", "POST") }, /POST was signed, and GET was sent/, "POST"],
        [{ text: (text) => `${text}\n` }, /line break was signed/, "\n"],
        [{ text: (text) => text.replace(/&cloud_id=[^&]*/, "") }, /cloud_id was sent, and not signed/, "payload"],
        [{ secret: "another" }, /secret key is not the one/, ""],
        [{ secret: `${secret}\n` }, /line break at its end/, ""]
      ]
      for (const [wrong, hint, from] of cases) {
        assert.strictEqual((yield* signed("GET", "/videos.json", { payload: "a b!" }, wrong)).status, 401)
        const { verdict } = (yield* told).requests[0]!
        assert.match(String(verdict!["hint"]), hint)
        assert.strictEqual(verdict!["reason"], "Mismatch")
        const at = Number(verdict!["differsAt"])
        const text = String(verdict!["signed"])
        if (from === "") {
          assert.strictEqual(at, -1)
          continue
        }
        assert.strictEqual(text.slice(at, at + from.length), from, String(hint))
        assert.notStrictEqual(text[at], String(verdict!["expected"])[at])
      }
    })
  )

  live(
    "tells of age, replay, what is missing and what is unknown, and never a secret",
    Effect.gen(function*() {
      const last = Effect.map(told, ({ requests: [first] }) => first!)
      yield* ask("GET", "/v2/videos.json?cloud_id=x&timestamp=y")
      assert.deepInclude((yield* last).verdict, { reason: "Missing", missing: ["access_key", "signature"] })
      yield* signed("GET", "/videos.json", { timestamp: new Date(Date.now() - 600_000).toISOString() })
      const expired = (yield* last).verdict!
      assert.strictEqual(expired["reason"], "Expired")
      assert.approximately(Number(expired["age"]), 600_000, 5000)
      const timestamp = new Date().toISOString()
      const params = { name: "n", s3_videos_bucket: "b", aws_secret_key: "canary-aws", colour: "red", timestamp }
      assert.strictEqual((yield* signed("POST", "/clouds.json", params)).status, 200)
      assert.deepInclude((yield* last).verdict, { mode: "signature", unknown: ["colour"] })
      yield* signed("POST", "/clouds.json", params)
      assert.strictEqual((yield* last).verdict!["reason"], "Replayed")
      yield* signed("PUT", "/notifications.json", { url: "http://u:canary-user@h/?k=canary-hook" }, { secret: "x" })
      yield* signed("POST", "/videos.json", { source_url: "http://u:canary-user@h/x.mp4?k=canary-url" }, {
        secret: "x"
      })
      yield* signed("POST", "/videos.json", { source_url: "http://u:canary-user@h/x.mp4?k=canary-url" }, {
        text: decodeURIComponent
      })
      yield* ask("GET", "/v2/videos.json?token=canary-token")
      const open = JSON.parse(
        (yield* signed("POST", "/videos/upload.json", { file_size: "9", file_name: "x.mp4" })).text
      )
      yield* ask("PUT", new URL(open.location).pathname + new URL(open.location).search, { "content-length": "0" })
      const { text } = yield* ask("GET", "/page/events")
      assert.include(text, "/upload/session")
      const session = new URL(open.location).searchParams.get("id")!
      for (const hidden of ["canary", secret, "clou_emulated", session]) assert.notInclude(text, hidden)
      assert.notMatch(text, /signature=(?!<not shown>)/)
    })
  )
})

describe("the page", () => {
  live(
    "is of this machine only, small, and runs nothing of others",
    Effect.gen(function*() {
      const here = yield* port
      const home = yield* ask("GET", "/")
      assert.strictEqual(home.status, 200)
      const policy = String(home.headers["content-security-policy"])
      assert.include(policy, "default-src 'none'; script-src 'self'")
      assert.notMatch(policy, /unsafe|\*|http/)
      const parts = yield* Effect.forEach(
        ["/page/script.js", "/page/style.css", "/page/icon.svg"],
        (path) => ask("GET", path)
      )
      const size = [home, ...parts].reduce((sum, { text }) => sum + Buffer.byteLength(text), 0)
      assert.isBelow(size, 40_000)
      for (const { status, text } of [home, ...parts]) {
        assert.strictEqual(status, 200)
        assert.notMatch(text, /innerHTML|document\.write|eval\(|https?:\/\/(?!www\.w3\.org\/2000\/svg)/)
      }
      for (const host of ["evil.example", `evil.example:${here}`, "127.0.0.1.evil.example"]) {
        for (const path of ["/", "/page/events", "/page/script.js"]) {
          assert.strictEqual((yield* ask("GET", path, { host })).status, 403, `${host} ${path}`)
        }
      }
      for (const host of [`localhost:${here}`, "[::1]", "127.0.0.1"]) {
        assert.strictEqual((yield* ask("GET", "/", { host })).status, 200, host)
      }
      assert.strictEqual((yield* ask("GET", "/page/events", { "sec-fetch-site": "cross-site" })).status, 403)

      // A fault is armed by the page, and by nothing else.
      const token = /panda-token" content="(\w+)"/.exec(home.text)![1]!
      const form = JSON.stringify({ fault: "status", route: "GET /videos.json", number: 503, times: 1, skip: 0 })
      const headers = {
        "content-type": "application/json",
        "x-panda-token": token,
        "content-length": String(form.length)
      }
      const forged: ReadonlyArray<Record<string, string>> = [
        { ...headers, "x-panda-token": "" },
        { ...headers, "content-type": "text/plain" },
        { ...headers, origin: "http://evil.example" },
        { ...headers, "sec-fetch-site": "cross-site" },
        { ...headers, host: "evil.example" }
      ]
      const panda = yield* PandaEmulator.PandaEmulator
      for (const headers of forged) assert.strictEqual((yield* ask("POST", "/page/faults", headers, form)).status, 403)
      assert.lengthOf(yield* panda.rules, 0)
      assert.strictEqual((yield* ask("POST", "/page/faults", headers, form)).status, 200)
      assert.lengthOf(yield* panda.rules, 1)
      const bad = [
        "{",
        "[]",
        "{}",
        form.replace("status", "constructor"),
        form.replace("503", "9999"),
        form.replace("503", "\"503\""),
        form.replace("GET /videos.json", "GET /nowhere"),
        form.replace("\"times\":1", "\"times\":0.5"),
        form.replace("\"skip\":0", "\"skip\":-1")
      ]
      for (const body of bad) {
        const answer = yield* ask("POST", "/page/faults", { ...headers, "content-length": String(body.length) }, body)
        assert.strictEqual(answer.status, 400, body)
      }
      yield* ask("POST", "/page/disarm", { ...headers, "content-length": "2" }, "{}")
      yield* Videos.list()
    })
  )

  it.scopedLive("is shown by other names if it is told them, and not at all if it is not wanted", () =>
    Effect.gen(function*() {
      const asked = (options: PandaEmulator.Options, host: string) =>
        Effect.provide(
          Effect.map(ask("GET", "/", { host }), ({ status }) => status),
          within(PandaEmulator.layerServer(options))
        )
      assert.strictEqual(yield* asked({ pageHosts: ["panda.local"] }, "panda.local:80"), 200)
      assert.strictEqual(yield* asked({ pageHosts: ["panda.local"] }, "evil.example"), 403)
      assert.strictEqual(yield* asked({ pageHosts: ["*"] }, "anything"), 200)
    }))
})

const seen = (page: Page, text: string | RegExp, within = "body") =>
  Effect.promise(() =>
    page.waitForFunction(
      (source: string, flags: string, within: string) =>
        new RegExp(source, flags).test((document.querySelector(within) as HTMLElement).innerText),
      { timeout: 120_000 },
      typeof text === "string" ? text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&") : text.source,
      typeof text === "string" ? "" : text.flags,
      within
    )
  )

describe("in a browser", { timeout: 300_000 }, () => {
  it.scopedLive.skipIf(chromium === undefined || !installed)(
    "shows uploads, encodings that play, refusals and faults, without a reload",
    () =>
      Effect.gen(function*() {
        const at = yield* folder
        const panda = within(Layer.provide(
          PandaEmulator.layerFolder(at, {
            profiles: [{ preset_name: "webm", name: "small", width: 160, height: 90, frame_count: 1 }]
          }),
          Layer.provide(Encoder.layerFfmpeg(), NodeContext.layer)
        ))
        yield* Effect.provide(
          Effect.gen(function*() {
            const here = yield* port
            const browser = yield* browsers.launch("chromium", chromium!)
            const { page, said } = yield* browsers.open(browser)
            const asked: Array<string> = []
            page.on("request", (request) => asked.push(request.url()))
            yield* Effect.promise(() => page.goto(`http://127.0.0.1:${here}/`))
            yield* seen(page, "Live", "#live")
            yield* seen(page, "Encodes with ffmpeg", "#about")

            // An upload grows before one's eyes, and its name is a name.
            const name = "<img src=x onerror=alert(1)>.mp4"
            const panda = yield* PandaEmulator.PandaEmulator
            const grown = yield* Effect.makeLatch()
            const source = UploadSource.fromBytes(readFileSync(sample), { name })
            const upload = yield* Upload.start(source, { profiles: ["small"], chunkSize: 40_000 }).pipe(
              Upload.video,
              // The second chunk goes once the first was seen.
              PandaClient.withTransform((request) =>
                request.headers["content-range"]?.startsWith("bytes 40000-") === true
                  ? Effect.as(grown.await, request)
                  : Effect.succeed(request)
              ),
              Effect.fork
            )
            yield* seen(page, /39\.1 KiB of 103\.5 KiB, 37 %, open/, "#uploads")
            yield* grown.open
            const video = yield* upload
            yield* seen(page, /100 %, complete/, "#uploads")
            yield* seen(page, name, "#videos")
            yield* Encodings.awaitVideo(video.id)
            yield* seen(page, /small success/, "#videos")
            assert.isTrue(
              yield* Effect.promise(() => page.evaluate(() => document.querySelectorAll("img[src=x]").length === 0))
            )

            // It plays, and goes on playing while the page changes.
            yield* Effect.promise(() => page.waitForSelector("#videos video"))
            yield* Effect.promise(() =>
              page.evaluate(() => {
                const video = document.querySelector("#videos video") as HTMLVideoElement
                video.muted = true
                return video.play()
              })
            )
            yield* Effect.promise(() =>
              page.waitForFunction(() =>
                (document.querySelector("#videos video") as HTMLVideoElement).currentTime > 0.5
              )
            )

            // A refusal has its strings.
            yield* Effect.flip(Effect.provide(
              Videos.list(),
              PandaClient.layer.pipe(
                Layer.provide(Credentials.layer({
                  accessKey: panda.accessKey,
                  secretKey: Redacted.make("wrong-canary"),
                  cloudId: panda.cloudId,
                  host: "127.0.0.1",
                  port: here
                })),
                Layer.provide(FetchHttpClient.layer)
              )
            ))
            yield* seen(page, /401\s+GET/, "#requests")
            yield* Effect.promise(() => page.click("#list-requests li:first-child summary"))
            yield* seen(page, "What was signed", "#requests")
            yield* seen(page, /GET\s+127\.0\.0\.1\s+\/videos\.json\s+access_key=/, "#requests pre")
            yield* seen(page, "another secret key", "#requests mark")

            // A fault is armed with the keyboard, and the next request meets it.
            yield* Effect.promise(() => page.select("#route", "GET /videos.json"))
            yield* Effect.promise(() => page.focus("#fault"))
            yield* Effect.repeat(
              Effect.promise(async () => {
                await page.keyboard.press("Tab")
                return await page.evaluate(() => document.activeElement?.textContent ?? "")
              }),
              { until: (focused) => focused === "Arm", times: 10 }
            )
            yield* Effect.promise(() => page.keyboard.press("Enter"))
            yield* seen(page, "Armed", "#armed")
            const met = yield* Effect.flip(PandaClient.withRetry(Videos.list(), "none"))
            assert.strictEqual((met as { readonly status?: number }).status, 503)
            yield* seen(page, /Status \(status 503\) on GET \/videos\.json: happened 1 ×/, "#faults")

            // Nothing leaves the machine, and nothing went wrong.
            // (the pictures on a player's buttons are the browser's own)
            const elsewhere = asked.filter((url) =>
              !url.startsWith(`http://127.0.0.1:${here}/`) && !url.startsWith("data:")
            )
            assert.deepStrictEqual(elsewhere, [])
            assert.deepStrictEqual(said, [])

            // Everyone can use it: on a phone too, and read by a machine.
            yield* Effect.promise(() => page.setViewport({ width: 390, height: 800 }))
            assert.isAtMost(yield* Effect.promise(() => page.evaluate(() => document.documentElement.scrollWidth)), 390)
            yield* Effect.promise(() => page.evaluate(axe))
            for (const scheme of ["light", "dark"]) {
              yield* Effect.promise(() => page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]))
              const faults = yield* Effect.promise(() =>
                page.evaluate(
                  "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ' ' + nodes[0].html))"
                )
              )
              assert.deepStrictEqual(faults, [], scheme)
            }
            const folder = process.env["EFFECT_PANDA_PICTURES"]
            if (folder !== undefined) yield* pictures(page, folder)
          }),
          panda
        )
      })
  )
})

/** For the eyes of whoever changes the page. */
const pictures = (page: Page, folder: string) =>
  Effect.forEach(
    [["phone", 390], ["desk", 1280]] as const,
    ([device, width]) =>
      Effect.forEach(["light", "dark"], (scheme) =>
        Effect.promise(async () => {
          await page.setViewport({ width, height: 900 })
          await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }])
          await page.screenshot({ path: `${folder}/${device}-${scheme}.png`, fullPage: true })
        }))
  )
