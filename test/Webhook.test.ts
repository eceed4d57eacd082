import * as Command from "@effect/platform/Command"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as UrlParams from "@effect/platform/UrlParams"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import {
  Cause,
  Effect,
  FastCheck as fc,
  type HashMap,
  Layer,
  Logger,
  LogLevel,
  Match,
  Redacted,
  Schedule,
  Schema,
  Stream,
  TestClock,
  Tracer
} from "effect"
import {
  Credentials,
  type Encodings,
  Notifications,
  PandaClient,
  type PandaError,
  Upload,
  UploadSource,
  Videos,
  Webhook
} from "effect-panda"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { createServer } from "node:http"
import { connect } from "node:net"
import { fileURLToPath } from "node:url"
import { inspect } from "node:util"
import { bundle } from "./esbuild.js"
import { inject, panda } from "./client/panda.js"
import { patience, secondsOf } from "./patience.js"

const created = (...encoding_ids: ReadonlyArray<string>) => Webhook.VideoCreated.make({ video_id: "v", encoding_ids })

const decodeExit = (form: Webhook.Form) => Effect.runSyncExit(Webhook.decode(form))

const decoded = (form: Webhook.Form) => Effect.runSync(Webhook.decode(form))

describe("decode", () => {
  const shapes: ReadonlyArray<[body: string, event: Webhook.Event]> = [
    ["event=video-created&video_id=v&encoding_ids[0]=a&encoding_ids[1]=b", created("a", "b")],
    ["event=video-created&video_id=v&encoding_ids%5B0%5D=a&encoding_ids%5b1%5d=b", created("a", "b")],
    ["encoding_ids[10]=c&encoding_ids[2]=b&encoding_ids[0]=a&video_id=v&event=video-created", created("a", "b", "c")],
    ["event=video-created&video_id=v&encoding_ids[]=b&encoding_ids[]=a", created("b", "a")],
    ["event=video-created&video_id=v&encoding_ids=b&encoding_ids=a", created("b", "a")],
    ["event=video-created&video_id=v&encodings_ids[1]=b&encodings_ids[0]=a", created("a", "b")],
    ["event=video-created&video_id=v&encodings_ids=a", created("a")],
    ["event=video-created&video_id=v", created()],
    ["event=video-created&video_id=v&encoding_ids=&encoding_ids[]=&encoding_ids[0]=", created()],
    ["event=video-created&video_id=v&encoding_ids[0]=a&encoding_ids[00]=b", created("b")],
    ["event=video-created&video_id=v&encoding_ids[999999999]=b&encoding_ids[3]=a", created("a", "b")],
    [
      `event=video-created&video_id=v&encoding_ids[1${"0".repeat(400)}]=c&encoding_ids[${"9".repeat(400)}]=b`,
      created("b", "c")
    ],
    [
      "event=video-created&video_id=v&encoding_ids[-1]=a&encoding_ids[x]=a&encoding_ids[0][0]=a&xencoding_ids=a",
      Webhook.VideoCreated.make({
        video_id: "v",
        encoding_ids: [],
        fields: [["encoding_ids[-1]", "a"], ["encoding_ids[x]", "a"], ["encoding_ids[0][0]", "a"], [
          "xencoding_ids",
          "a"
        ]]
      })
    ],
    ["event=video-created&video_id=u&video_id=v", created()],
    ["event=video-created&video_id=a+b%2Fc", Webhook.VideoCreated.make({ video_id: "a b/c", encoding_ids: [] })],
    [
      "event=video-encoded&video_id=v&encoding_ids[0]=a&more=1",
      Webhook.VideoEncoded.make({ video_id: "v", encoding_ids: ["a"], fields: [["more", "1"]] })
    ],
    [
      "cloud=c&event=encoding-complete&encoding_id=9007199254740993&cloud=d&encoding_ids[0]=x",
      Webhook.EncodingComplete.make({
        encoding_id: "9007199254740993",
        video_id: undefined,
        fields: [["cloud", "c"], ["cloud", "d"], ["encoding_ids[0]", "x"]]
      })
    ],
    ...([["42", 42], ["0", 0], ["100", 100], [" 33.3 ", 33.3], ["101", 100], ["-1", 0], [
      "9".repeat(400),
      100
    ]] as const)
      .map(([text, progress]) =>
        [
          `event=encoding-progress&encoding_id=e&progress=${text}`,
          Webhook.EncodingProgress.make({ encoding_id: "e", video_id: undefined, progress })
        ] as [string, Webhook.Event]
      ),
    [
      "event=encoding-progress&encoding_id=e&video_id=v&progress=1",
      Webhook.EncodingProgress.make({ encoding_id: "e", video_id: "v", progress: 1 })
    ],
    [
      "event=encoding-complete&encoding_id=e&video_id=",
      Webhook.EncodingComplete.make({ encoding_id: "e", video_id: undefined })
    ],
    [
      "event=encoding-completed&encoding_id=e&video_id=v",
      Webhook.EncodingComplete.make({ encoding_id: "e", video_id: "v" })
    ],
    [
      "b=2&event=video-lost&b=1&__proto__=x",
      Webhook.Unknown.make({
        event: "video-lost",
        fields: [["b", "2"], ["event", "video-lost"], ["b", "1"], ["__proto__", "x"]]
      })
    ],
    ["event=Video-Created&video_id=v", {
      _tag: "Unknown",
      event: "Video-Created",
      fields: [["event", "Video-Created"], ["video_id", "v"]]
    }],
    ["event=%FF%zz%00", { _tag: "Unknown", event: "\uFFFD%zz\0", fields: [["event", "\uFFFD%zz\0"]] }]
  ]
  for (const [body, event] of shapes) {
    it(`reads ${body.slice(0, 110)}`, () => {
      assert.deepStrictEqual(decoded(body), event)
      const parsed = new URLSearchParams(body)
      assert.deepStrictEqual(decoded(parsed), event)
      assert.deepStrictEqual(decoded(UrlParams.fromInput(parsed)), event)
      // It survives a queue.
      const json = Schema.parseJson(Webhook.Event)
      const again = Schema.decodeSync(json)(Schema.encodeSync(json)(event))
      assert.deepStrictEqual(JSON.parse(JSON.stringify(again)), JSON.parse(JSON.stringify(event)))
    })
  }

  const garbage: ReadonlyArray<[body: string, field: string, words: RegExp]> = [
    ["", "event", /^Webhook\.decode: event is missing\. Answer 400: Panda does not send this$/],
    ["event=", "event", /missing/],
    ["video_id=canary", "event", /missing/],
    [`{"event":"video-created","video_id":"canary"}`, "event", /missing/],
    ["event=video-created&encoding_ids[0]=canary", "video_id", /missing/],
    ["event=video-encoded&video_id=", "video_id", /missing/],
    ["event=encoding-progress&progress=50&video_id=canary", "encoding_id", /missing/],
    ["event=encoding-complete", "encoding_id", /missing/],
    ["event=encoding-progress&encoding_id=canary", "progress", /missing/],
    ...["canary", "50%25", "1e1", "0x10", "NaN", "Infinity", "--1", ".5", "1."].map((progress) =>
      [`event=encoding-progress&encoding_id=e&progress=${progress}`, "progress", /is not a number/] as [
        string,
        string,
        RegExp
      ]
    )
  ]
  for (const [body, field, words] of garbage) {
    it.effect(`refuses ${JSON.stringify(body)}`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Webhook.decode(body))
        assert.strictEqual(error._tag, "PandaWebhookError")
        assert.strictEqual(error.field, field)
        assert.match(error.message, words)
        assert.isFalse(error.isRetryable)
        assert.notInclude(String(error) + JSON.stringify(error) + inspect(error, { depth: 9 }), "canary")
      }))
  }

  const part = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom(
      "event",
      "video-created",
      "encoding-progress",
      "encoding-complete",
      "video_id",
      "encoding_id",
      "progress",
      "encoding_ids[999999999]",
      "encoding_ids[]",
      "__proto__",
      "constructor",
      "%",
      "%zz",
      "%00",
      "\0",
      "\uD800",
      "50"
    )
  )

  it.prop("any text is an event or an error, never a defect", [fc.array(part)], ([parts]) => {
    const exit = decodeExit(parts.map((part, i) => part + "=&"[i % 2]).join(""))
    assert.isTrue(exit._tag === "Success" || exit.cause._tag === "Fail")
  })

  it.prop("any fields are an event or an error, and what is an event is one by its schema", [
    fc.array(fc.tuple(part, part))
  ], ([fields]) => {
    const exit = decodeExit(fields)
    if (exit._tag === "Failure") assert.strictEqual(exit.cause._tag, "Fail")
    else assert.isTrue(Schema.is(Webhook.Event)(exit.value))
  })

  it("gets to the end of hostile bodies, which what is quadratic would not", () => {
    const bodies: Record<string, (n: number) => string> = {
      keys: (n) => "event=video-created&video_id=v&" + Array.from({ length: n }, (_, i) => `k${i}=v`).join("&"),
      unknown: (n) => "event=x&" + Array.from({ length: n }, (_, i) => `k${i}=v`).join("&"),
      same: (n) => "event=video-created&video_id=v&" + "encoding_ids[0]=a&".repeat(n),
      ids: (n) =>
        "event=video-created&video_id=v&" + Array.from({ length: n }, (_, i) => `encoding_ids[${n - i}]=a`).join("&"),
      index: (n) => `event=video-created&video_id=v&encoding_ids[${"0".repeat(10 * n)}]=a`,
      brackets: (n) => "event=video-created&video_id=v&encoding_ids" + "[".repeat(10 * n) + "=a",
      progress: (n) => `event=encoding-progress&encoding_id=e&progress=${" ".repeat(10 * n)}x`,
      proto: (n) => "event=x&" + "__proto__=x&constructor=y&".repeat(n),
      percent: (n) => `event=x&a=${"%".repeat(10 * n)}`
    }
    for (const [name, body] of Object.entries(bodies)) {
      const text = body(100_000)
      // Linear, it takes a tenth of that; what grows with the square, many times as long.
      const seconds = secondsOf(() => {
        const exit = decodeExit(text)
        assert.isTrue(exit._tag === "Success" || Cause.isFailType(exit.cause), name)
      })
      console.log(name, seconds)
      assert.isBelow(seconds, 5, name)
    }
    assert.notProperty({}, "x")
  })
})

describe("types", () => {
  it("Match knows all events", () => {
    const name = Match.type<Webhook.Event>().pipe(
      Match.tag("VideoCreated", "VideoEncoded", ({ encoding_ids, video_id }) => video_id + encoding_ids.join()),
      Match.tag("EncodingProgress", ({ progress }) => progress),
      Match.tag("EncodingComplete", ({ encoding_id, video_id }) => video_id ?? encoding_id),
      Match.tag("Unknown", ({ event, fields }) => event + fields.length),
      Match.exhaustive
    )
    expectTypeOf(name).returns.toEqualTypeOf<string | number>()
    assert.strictEqual(name(created("a")), "va")
    // @ts-expect-error an event is left
    Match.type<Webhook.Event>().pipe(Match.tag("VideoCreated", () => 1), Match.exhaustive)
  })

  it("the tag of the event tells what is fetched, and the app needs what its handler needs", () => {
    type Fetching<A> = Effect.Effect<A, PandaError.PandaError, PandaClient.PandaClient>
    expectTypeOf(Webhook.fetch<Webhook.VideoEncoded>).returns.toEqualTypeOf<Fetching<Webhook.VideoWithEncodings>>()
    expectTypeOf(Webhook.fetch<Webhook.EncodingComplete>).returns.toEqualTypeOf<Fetching<Encodings.Encoding>>()
    expectTypeOf(Webhook.fetch<Webhook.Unknown>).returns.toEqualTypeOf<Fetching<undefined>>()
    expectTypeOf(Webhook.fetch<Webhook.Event>).returns.toEqualTypeOf<
      Fetching<Webhook.VideoWithEncodings | Encodings.Encoding | undefined>
    >()
    expectTypeOf(Webhook.decode).returns.toEqualTypeOf<Effect.Effect<Webhook.Event, Webhook.PandaWebhookError>>()
    expectTypeOf(Webhook.httpApp(Webhook.fetch)).toEqualTypeOf<
      HttpApp.Default<never, PandaClient.PandaClient>
    >()
    expectTypeOf(Webhook.httpApp(() => Effect.fail("no"))).toEqualTypeOf<
      Effect.Effect<Effect.Effect.Success<HttpApp.Default>, never, HttpServerRequest.HttpServerRequest>
    >()
  })
})

const body = "event=video-created&video_id=v&encoding_ids[0]=a"
const form = { "content-type": "application/x-www-form-urlencoded" }

/** As any web platform would run it. */
const ask = <R>(
  app: HttpApp.Default<never, R>,
  { headers = form, url = "/hook", ...init }: RequestInit & { readonly url?: string; readonly duplex?: "half" } = {}
) =>
  Effect.flatMap(Effect.runtime<R>(), (runtime) =>
    Effect.promise(async () => {
      const response = await HttpApp.toWebHandlerRuntime(runtime)(app, HttpMiddleware.logger)(
        new Request(`https://receiver.example${url}`, { method: "POST", body, ...init, headers })
      )
      return { status: response.status, text: await response.text(), headers: response.headers }
    }))

const statusOf = (...args: Parameters<typeof ask<never>>) => Effect.map(ask(...args), ({ status }) => status)

/** An app that notes its events. */
const noting = (options?: Webhook.Options) => {
  const events: Array<Webhook.Event> = []
  return { events, app: Webhook.httpApp((event) => Effect.sync(() => events.push(event)), options) }
}

const secret = Redacted.make("canary/ä secret")
const escaped = encodeURIComponent(Redacted.value(secret))

describe("httpApp", () => {
  it.effect("gives the event to the handler, and answers 200 with nothing", () =>
    Effect.gen(function*() {
      const { app, events } = noting()
      const { headers, status, text } = yield* ask(app)
      assert.deepStrictEqual([status, text, headers.get("content-length")], [200, "", "0"])
      assert.deepStrictEqual(events, [created("a")])
      const typed = {
        "content-type": "Application/X-WWW-Form-Urlencoded; charset=UTF-8",
        "content-encoding": "identity"
      }
      assert.strictEqual(yield* statusOf(app, { headers: typed, body: "event=new" }), 200)
      assert.deepStrictEqual(events[1], { _tag: "Unknown", event: "new", fields: [["event", "new"]] })
    }))

  it.effect("answers as soon as what its handler asks Panda is answered", () =>
    Effect.gen(function*() {
      const { videos } = yield* PandaEmulator.PandaEmulator
      const [video] = yield* videos
      const app = Webhook.httpApp(Webhook.fetch)
      // The clock stands still: no timer runs out.
      const { status } = yield* ask(app, { body: `event=video-encoded&video_id=${String(video!["id"])}` })
      assert.strictEqual(status, 200)
    }).pipe(Effect.provide(PandaEmulator.layerTest({ videos: 1 }))))

  const long = `event=x&a=${"b".repeat(64 * 1024)}`
  const refusals: ReadonlyArray<[what: string, status: number, request: Parameters<typeof ask>[1]]> = [
    ["a GET", 405, { method: "GET", body: null }],
    ["a PUT", 405, { method: "PUT" }],
    ["JSON", 415, { headers: { "content-type": "application/json" }, body: "{}" }],
    ["a body without a type", 415, { headers: {}, body: new TextEncoder().encode(body) }],
    ["a multipart form", 415, { headers: { "content-type": "multipart/form-data; boundary=x" } }],
    ["a compressed form", 415, { headers: { ...form, "content-encoding": "gzip" } }],
    ["a body that is announced as too long", 413, { headers: { ...form, "content-length": "65537" } }],
    ["a body that is too long", 413, { body: long }],
    ["nothing", 400, { body: "" }],
    ["no body", 400, { body: null }],
    ["no event", 400, { body: "a=b" }],
    ["an event without its id", 400, { body: "event=video-created" }],
    ["bytes that are no text", 400, { body: Uint8Array.of(0, 255, 254, 38, 61, 37) }]
  ]
  for (const [what, wanted, request] of refusals) {
    it.effect(`answers ${wanted} to ${what}, without the handler`, () =>
      Effect.gen(function*() {
        const { app, events } = noting()
        const { headers, status, text } = yield* ask(app, request)
        assert.deepStrictEqual([status, text], [wanted, ""])
        assert.strictEqual(headers.get("allow"), wanted === 405 ? "POST" : null)
        assert.isEmpty(events)
      }))
  }

  it.effect("counts bytes, to the limit and as they come, and stops reading in the end", () =>
    Effect.gen(function*() {
      const { app } = noting({ bodyLimit: 100 })
      const exact = `event=ä&a=${"b".repeat(100 - 11)}`
      assert.strictEqual(new TextEncoder().encode(exact).length, 100)
      assert.strictEqual(yield* statusOf(app, { body: exact }), 200)
      assert.strictEqual(yield* statusOf(app, { body: `${exact}b` }), 413)
      let pulled = 0
      let cancelled = false
      const endless = new ReadableStream({
        pull: (controller) => {
          pulled += 10_000
          controller.enqueue(new Uint8Array(10_000))
        },
        cancel: () => {
          cancelled = true
        }
      })
      assert.strictEqual(yield* statusOf(app, { body: endless, duplex: "half" }), 413)
      assert.isTrue(cancelled)
      assert.isBelow(pulled, 2 * 1024 * 1024)
      // One that does end, so that who reads it all is found by how much that was, and not by never being done.
      pulled = 0
      const long = new ReadableStream({
        pull: (controller) => {
          pulled += 10_000
          if (pulled > 20_000_000) controller.close()
          else controller.enqueue(new Uint8Array(10_000))
        }
      })
      assert.strictEqual(yield* statusOf(app, { body: long, duplex: "half" }), 413)
      assert.isBelow(pulled, 2 * 1024 * 1024)
      const breaking = new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode(body)),
        pull: (controller) => controller.error(new Error("gone"))
      })
      assert.strictEqual(yield* statusOf(app, { body: breaking, duplex: "half" }), 400)
    }))

  it.effect("reads characters that are cut between slices", () =>
    Effect.gen(function*() {
      const { app, events } = noting()
      const bytes = new TextEncoder().encode("event=ä€😀")
      const slices = new ReadableStream({
        start: (controller) => {
          for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
          controller.close()
        }
      })
      assert.strictEqual(yield* statusOf(app, { body: slices, duplex: "half" }), 200)
      assert.deepInclude(events[0], { event: "ä€😀" })
    }))

  const doors: ReadonlyArray<[url: string, status: number]> = [
    [`/hooks/${escaped}`, 200],
    [`/${escaped}`, 200],
    [`/hooks/${escaped}?a=b?c`, 200],
    [`/hooks?secret=${escaped}`, 200],
    [`/hooks/wrong?a=b&secret=${escaped}`, 200],
    [`/hooks/${escaped}?secret=wrong`, 404],
    [`/hooks/${escaped}/`, 200],
    [`/hooks/${escaped}//`, 200],
    [`/hooks//${escaped}/?a=b`, 200],
    [`/hooks/${escaped}?secret=`, 200],
    [`/hooks/${escaped}/x`, 404],
    [`/hooks/${escaped}/?secret=wrong`, 404],
    ["/hooks/?secret=", 404],
    ["/hooks//", 404],
    [`/${escaped}/hooks`, 404],
    [`/hooks?secrets=${escaped}`, 404],
    [`/hooks?secret=${escaped}x`, 404],
    [`/hooks?secret=${escaped.slice(1)}`, 404],
    [`/hooks?secret=${escaped.toUpperCase()}`, 404],
    ["/hooks?secret=", 404],
    ["/hooks/%zz", 404],
    ["/hooks", 404],
    ["//", 404],
    ["/", 404]
  ]
  for (const [url, wanted] of doors) {
    it.effect(`${url} is answered ${wanted}`, () =>
      Effect.gen(function*() {
        const { app, events } = noting({ secret })
        assert.strictEqual(yield* statusOf(app, { url }), wanted)
        assert.lengthOf(events, wanted === 200 ? 1 : 0)
        // Who does not know the secret does not learn that there is something.
        assert.strictEqual(yield* statusOf(app, { url, method: "GET", body: null }), wanted === 200 ? 405 : 404)
      }))
  }

  it.effect("an empty secret opens to nobody", () =>
    Effect.gen(function*() {
      const { app } = noting({ secret: Redacted.make("") })
      for (const url of ["/", "/hooks", "/hooks/", "/hooks?secret="]) {
        assert.strictEqual(yield* statusOf(app, { url }), 404)
      }
    }))

  it.effect("works as a route of a router", () =>
    Effect.gen(function*() {
      const { app, events } = noting({ secret })
      const router = HttpRouter.empty.pipe(
        HttpRouter.mountApp("/in", HttpRouter.empty.pipe(HttpRouter.all("/hooks/:secret", app))),
        Effect.orDie
      )
      assert.strictEqual(yield* statusOf(router, { url: `/in/hooks/${escaped}` }), 200)
      assert.strictEqual(yield* statusOf(router, { url: "/in/hooks/canary" }), 404)
      assert.lengthOf(events, 1)
    }))

  const failures: Record<string, () => Effect.Effect<void, unknown>> = {
    fails: () => Effect.fail("out of order"),
    "dies": () => Effect.die(new Error("out of order")),
    "throws": () => {
      throw new Error("out of order")
    },
    "is interrupted": () => Effect.zipRight(Effect.annotateCurrentSpan("x", "out of order"), Effect.interrupt)
  }
  for (const [how, handler] of Object.entries(failures)) {
    it.effect(`answers 500 with nothing if the handler ${how}, and logs it without the body`, () =>
      Effect.gen(function*() {
        const { logs, result, spans } = yield* observed(ask(Webhook.httpApp(handler), {
          body: "event=video-created&video_id=canary&more=canary"
        }))
        assert.deepStrictEqual([result.status, result.text], [500, ""])
        const [log] = logs.filter(({ level }) => level === "ERROR")
        assert.match(log!.text, /Panda\.Webhook: the handler failed, so Panda will send VideoCreated again/)
        if (how !== "is interrupted") assert.include(log!.text, "out of order")
        assert.notInclude(inspect([logs, spans], { depth: 9 }), "canary")
      }))
  }

  it.effect("traces the handler by its event, and keeps the secret out of spans and logs", () =>
    Effect.gen(function*() {
      for (const url of [`/hooks/${escaped}`, `/hooks?secret=${escaped}`, "/hooks/canary", "/hooks?secret=canary"]) {
        for (const request of [{ body }, { body: "canary" }, { body: "event=canary" }, { headers: {} }]) {
          const { logs, result, spans } = yield* observed(
            ask(noting({ secret }).app, { url, body: null, ...request })
          )
          const mine = spans.filter(({ name }) => name === "Panda.Webhook")
          assert.deepStrictEqual(
            mine.map(({ attributes }) => attributes["panda.webhook.event"]),
            result.status !== 200 ? [] : ["body" in request && request.body === body ? "VideoCreated" : "Unknown"]
          )
          assert.strictEqual(mine[0]?.kind, result.status === 200 ? "consumer" : undefined)
          assert.strictEqual(spans[0]!.name, "http.server POST")
          assert.strictEqual(spans[0]!.attributes["url.full"], "<redacted>")
          assert.notMatch(inspect([logs, spans], { depth: 9 }), /canary|%C3%A4/)
          assert.strictEqual(logs.some(({ level }) => level === "DEBUG"), result.status !== 200)
        }
      }
    }))

  it.effect("without a secret leaves the server's span and log as they are", () =>
    Effect.gen(function*() {
      const { logs, spans } = yield* observed(ask(noting().app, { url: "/hooks?a=b" }))
      assert.strictEqual(spans[0]!.attributes["url.full"], "http://localhost/hooks?a=b")
      assert.include(logs[0]!.text, "/hooks?a=b")
    }))
})

interface Observed {
  readonly name: string
  readonly kind: string
  readonly attributes: Readonly<Record<string, unknown>>
}

/** What an effect shows to those who watch. */
const observed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const spans: Array<Tracer.Span> = []
    const logs: Array<{ readonly level: string; readonly text: string }> = []
    const tracer = Tracer.make({
      span: (name, parent, context, links, startTime, kind) => {
        const attributes = new Map<string, unknown>()
        let status: Tracer.SpanStatus = { _tag: "Started", startTime }
        const span: Tracer.Span = {
          _tag: "Span",
          name,
          spanId: String(spans.length),
          traceId: "",
          parent,
          context,
          get status() {
            return status
          },
          attributes,
          links,
          sampled: true,
          kind,
          end: (endTime, exit) => {
            status = { _tag: "Ended", startTime, endTime, exit }
          },
          attribute: (key, value) => void attributes.set(key, value),
          event: (name) => void attributes.set(`event ${name}`, true),
          addLinks: () => {}
        }
        spans.push(span)
        return span
      },
      context: (f) => f()
    })
    const logger = Logger.make(({ annotations, cause, logLevel, message }) => {
      const shown = Object.fromEntries(annotations as HashMap.HashMap<string, unknown>)
      logs.push({ level: logLevel.label, text: `${inspect(message)} ${inspect(shown)} ${Cause.pretty(cause)}` })
    })
    return effect.pipe(
      Effect.withTracer(tracer),
      Effect.provide(Layer.merge(Logger.replace(Logger.defaultLogger, logger), Logger.minimumLogLevel(LogLevel.All))),
      Effect.map((result) => ({
        result,
        logs,
        spans: spans.map(({ attributes, kind, name, status }): Observed & { readonly status: Tracer.SpanStatus } => ({
          name,
          kind,
          status,
          attributes: Object.fromEntries(attributes)
        }))
      }))
    )
  })

const events = { video_created: true, video_encoded: true, encoding_progress: true, encoding_completed: true }

const subscribe = Notifications.update({ url: "https://receiver.example/hooks/s", events })

const create = Videos.create({ source_url: "http://a/b.mp4" })

describe("fetch", () => {
  it.effect("gives what the event is about, as Panda has it now", () =>
    Effect.gen(function*() {
      const { id } = yield* create
      yield* TestClock.adjust("1 minute")
      const { encodings, video } = yield* Webhook.fetch(
        Webhook.VideoEncoded.make({ video_id: id, encoding_ids: ["x"] })
      )
      assert.deepInclude(video, { id, status: "success" })
      assert.deepStrictEqual(encodings.map(({ profile_name, status }) => [profile_name, status]), [
        ["webm", "success"],
        ["h264", "success"]
      ])
      const encoding_id = encodings[0]!.id
      const encoding = yield* Webhook.fetch(Webhook.EncodingProgress.make({ encoding_id, progress: 3 }))
      assert.deepStrictEqual(encoding, encodings[0])
      assert.deepStrictEqual(yield* Webhook.fetch(Webhook.EncodingComplete.make({ encoding_id })), encoding)
      const before = (yield* (yield* panda).requests).length
      assert.isUndefined(yield* Webhook.fetch(Webhook.Unknown.make({ event: "e", fields: [["video_id", id]] })))
      assert.lengthOf(yield* (yield* panda).requests, before)
    }).pipe(Effect.provide(PandaEmulator.layerTest())))

  it.effect("does not go elsewhere for an id that was made up", () =>
    Effect.gen(function*() {
      const made = ["../clouds", "..", "a?b=c", "a/b", "\0", "%2e%2e"]
      for (const id of made) {
        for (
          const event of [
            Webhook.VideoCreated.make({ video_id: id, encoding_ids: [] }),
            Webhook.EncodingComplete.make({ encoding_id: id })
          ]
        ) {
          const error = yield* Effect.flip(Webhook.fetch(event))
          assert.include(["PandaNotFound", "PandaInputError"], error._tag)
        }
      }
      const routes = (yield* (yield* panda).requests).map(({ route }) => route)
      assert.isEmpty(
        routes.filter((route) =>
          !["GET /videos/:id.json", "GET /encodings/:id.json", "GET /encodings.json"].includes(route)
        )
      )
    }).pipe(Effect.provide(PandaEmulator.layerTest())))
})

describe("with an emulator that delivers", () => {
  it.scoped("all that it sends is decoded, and tells what it has", () =>
    Effect.gen(function*() {
      const { app, events } = noting({ secret: Redacted.make("s") })
      yield* (yield* panda).deliver(app, { progressInterval: "4 seconds" })
      yield* subscribe
      const { id } = yield* create
      yield* TestClock.adjust("1 hour")
      const ids = (yield* (yield* panda).encodings).map((encoding) => encoding["id"] as string).reverse()
      assert.deepStrictEqual(events, [
        { _tag: "VideoCreated", video_id: id, encoding_ids: ids },
        ...[40, 80].flatMap((progress) =>
          ids.map((encoding_id): Webhook.Event => ({ _tag: "EncodingProgress", encoding_id, video_id: id, progress }))
        ),
        ...ids.map((encoding_id): Webhook.Event => ({ _tag: "EncodingComplete", encoding_id, video_id: id })),
        { _tag: "VideoEncoded", video_id: id, encoding_ids: ids }
      ])
    }).pipe(Effect.provide(PandaEmulator.layerTest())))

  it.scoped("a handler that fails gets its event again, until it succeeds", () =>
    Effect.gen(function*() {
      const seen: Array<Webhook.Event> = []
      const app = Webhook.httpApp((event) =>
        Effect.suspend(() => seen.push(event) < 3 ? Effect.fail("not yet") : Effect.void)
      )
      yield* (yield* panda).deliver(app)
      yield* Notifications.update({ url: "http://receiver.example", events: { video_encoded: true } })
      yield* create
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual((yield* (yield* panda).deliveries).map(({ at, status }) => [at, status]), [
        [10_000, 500],
        [20_000, 500],
        [40_000, 200]
      ])
      assert.deepStrictEqual(seen, [seen[0]!, seen[0]!, seen[0]!])
    }).pipe(Effect.provide(PandaEmulator.layerTest())))

  /** What a receiver knows in the end that writes down what it fetches, under its id. */
  const known = (options: PandaEmulator.DeliverOptions, fails: (nth: number) => boolean) =>
    Effect.gen(function*() {
      const rows = new Map<string, unknown>()
      let calls = 0
      const app = Webhook.httpApp((event) =>
        Effect.gen(function*() {
          if (event._tag === "Unknown") return
          if (fails(calls++)) return yield* Effect.fail("not now")
          if (event._tag === "VideoCreated" || event._tag === "VideoEncoded") {
            const { encodings, video } = yield* Webhook.fetch(event)
            rows.set(video.id, video.status)
            for (const { id, status } of encodings) rows.set(id, status)
          } else {
            const { id, status } = yield* Webhook.fetch(event)
            rows.set(id, status)
          }
        })
      )
      const { deliver, deliveries, failProfile } = yield* panda
      yield* deliver(app, options)
      yield* failProfile("webm", { error_class: "EncodingError", error_message: "no" })
      yield* subscribe
      yield* create
      yield* TestClock.adjust("5 seconds")
      yield* create
      yield* TestClock.adjust("1 day")
      return { rows: [...rows].sort(), sent: (yield* deliveries).length }
    }).pipe(
      Effect.scoped,
      Effect.provide([PandaEmulator.layerTest(), TestClock.defaultTestClock])
    )

  /** As it should be, found once. */
  const plain = Effect.runSync(Effect.cached(known({}, () => false)))

  it.effect.prop(
    "events that come twice, late, or in any order, and failures between, are harmless",
    [
      fc.array(fc.array(fc.nat(60), { minLength: 1, maxLength: 2 }), { minLength: 20, maxLength: 40 }),
      fc.array(fc.nat(3), { minLength: 20, maxLength: 40 }).filter((numbers) => numbers.some((number) => number > 0))
    ],
    ([delays, failures]) =>
      Effect.gen(function*() {
        const around = <A>(values: ReadonlyArray<A>) => {
          let at = 0
          return () => values[at++ % values.length]!
        }
        const delay = around(delays)
        const failure = around(failures)
        const { rows } = yield* plain
        assert.deepStrictEqual(rows.map(([, status]) => status).sort(), [
          "fail",
          "fail",
          "success",
          "success",
          "success",
          "success"
        ])
        const wild = yield* known(
          {
            copies: () => delay().map((seconds) => seconds * 1000),
            progressInterval: "4 seconds"
          },
          () => failure() === 0
        )
        assert.deepStrictEqual(wild.rows, rows)
        assert.isAbove(wild.sent, (yield* plain).sent)
      }),
    { fastCheck: { numRuns: 5 } }
  )
})

describe("over real sockets", () => {
  const server = NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" })

  const port = HttpServer.addressWith((address) => Effect.succeed(address._tag === "TcpAddress" ? address.port : 0))

  /** Writes, and gives the first line of the answer. */
  const raw = (port: number, head: ReadonlyArray<string>, chunks: ReadonlyArray<string>) =>
    Effect.async<string>((resume) => {
      let text = ""
      const socket = connect(port, "127.0.0.1", () => {
        socket.write(`${head.join("\r\n")}\r\n\r\n`)
        for (const chunk of chunks) socket.write(chunk)
      })
      socket.on("data", (data) => {
        text += data.toString()
        if (!text.includes("\r\n\r\n")) return
        socket.destroy()
        resume(Effect.succeed(text.split("\r\n")[0]!))
      })
      socket.on("error", () => {})
      socket.on("close", () => resume(Effect.succeed("closed")))
      return Effect.sync(() => socket.destroy())
    }).pipe(Effect.timeout(patience))

  const post = ["POST /hook HTTP/1.1", "host: a", "content-type: application/x-www-form-urlencoded"]
  const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`

  it.scopedLive("answers before it has read what is too long, and never waits for it", () =>
    Effect.gen(function*() {
      yield* HttpServer.serveEffect(noting().app)
      const at = yield* port
      assert.strictEqual(yield* raw(at, [...post, `content-length: ${body.length}`], [body]), "HTTP/1.1 200 OK")
      const announced = yield* raw(at, [...post, "content-length: 10000000"], ["event="])
      assert.strictEqual(announced, "HTTP/1.1 413 Payload Too Large")
      const chunks = Array.from({ length: 10 }, () => chunk("a".repeat(50_000)))
      const chunked = [...post, "transfer-encoding: chunked"]
      assert.strictEqual(yield* raw(at, chunked, [...chunks, "0\r\n\r\n"]), "HTTP/1.1 413 Payload Too Large")
      assert.strictEqual(yield* raw(at, chunked, [chunk(body), "0\r\n\r\n"]), "HTTP/1.1 200 OK")
      // More than anybody would send: the connection is closed.
      const flood = Array.from({ length: 40 }, () => chunk("a".repeat(50_000)))
      assert.include(["closed", "HTTP/1.1 413 Payload Too Large"], yield* raw(at, chunked, flood))
    }).pipe(Effect.provide(server)))

  const root = new URL("..", import.meta.url)

  it.scopedLive(
    "the example is told of an upload, and gets again what it could not handle",
    () =>
      Effect.gen(function*() {
        const { accessKey, cloudId, deliver, deliveries, secretKey } = yield* panda
        const folder = yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())
        yield* Effect.promise(() => bundle([fileURLToPath(new URL("examples/webhook-receiver.ts", root))], folder))
        const started = yield* Command.start(
          Command.make(process.execPath, `${folder}/webhook-receiver.mjs`)
            .pipe(
              Command.workingDirectory(fileURLToPath(root)),
              Command.env({
                PANDASTREAM_URL: "",
                PANDA_TOKEN: "",
                PANDA_REGION: "",
                PANDA_ACCESS_KEY: accessKey,
                PANDA_SECRET_KEY: Redacted.value(secretKey),
                PANDA_CLOUD_ID: cloudId,
                PANDA_HOST: "127.0.0.1",
                PANDA_PORT: String(yield* port),
                PANDA_WEBHOOK_SECRET: Redacted.value(secret),
                PORT: "0"
              })
            )
        )
        let out = ""
        yield* Stream.runForEach(
          Stream.decodeText(Stream.merge(started.stdout, started.stderr)),
          (text) => Effect.sync(() => void (out += text))
        ).pipe(Effect.forkScoped)
        const until = (what: RegExp) =>
          Effect.suspend(() => what.test(out) ? Effect.succeed(what.exec(out)!) : Effect.fail(out)).pipe(
            Effect.retry(Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurUpTo(patience)))
          )
        const [, receiver] = yield* until(/Listening on \S+:(\d+)/)

        const client = yield* HttpClient.HttpClient
        yield* deliver(client, { retry: Schedule.spaced("200 millis"), progressInterval: "600 millis" })
        yield* inject(Fault.status(400), { route: "GET /videos/:id.json", times: 2 })
        const { id } = yield* Effect.gen(function*() {
          yield* Notifications.update({ url: `http://127.0.0.1:${receiver}/webhooks/${escaped}`, events })
          const source = UploadSource.fromBytes(new Uint8Array(1000), { name: "movie.mp4" })
          return yield* Upload.video(Upload.start(source, { profiles: ["h264"] }))
        }).pipe(
          Effect.provide(
            PandaClient.layer.pipe(
              Layer.provide(
                Credentials.layer({ accessKey, secretKey, cloudId, host: "127.0.0.1", port: yield* port })
              )
            )
          )
        )
        yield* until(/VideoCreated: movie\.mp4 is success, with 1 encodings/)
        yield* until(/EncodingProgress: h264 \w+, \d+ %/)
        yield* until(/EncodingComplete: h264 success, 100 %/)
        yield* until(/VideoEncoded: movie\.mp4 is success, with 1 encodings/)
        yield* Effect.repeat(deliveries, {
          schedule: Schedule.spaced("20 millis"),
          until: (all) => all.every(({ status }) => status !== undefined)
        })
        const sent = yield* deliveries
        const of = (event: string) => sent.filter((delivery) => delivery.event === event)
        // Each is told again until it was handled. Which of them meets the failures is decided by who is first to ask.
        const [created, encoded] = [of("video-created"), of("video-encoded")]
        for (const told of [created, encoded]) {
          assert.deepStrictEqual(told.map(({ attempt }) => attempt), told.map((_, n) => n + 1))
          assert.deepStrictEqual(told.map(({ status }) => status), [...told.slice(1).map(() => 500), 200])
        }
        assert.lengthOf([...created, ...encoded], 2 + 2)
        assert.deepStrictEqual(encoded.map(({ fields }) => fields["video_id"]), encoded.map(() => id))
        assert.isAtLeast(of("encoding-progress").length, 1)
        assert.lengthOf(of("encoding-complete"), 1)
        assert.notMatch(out, /canary|%C3%A4/)
      }).pipe(
        Effect.provide(
          PandaEmulator.layerServer({ encodingTime: "2 seconds" }).pipe(
            Layer.provideMerge(server),
            Layer.merge(NodeHttpClient.layerUndici),
            Layer.merge(NodeContext.layer)
          )
        )
      )
  )
})
