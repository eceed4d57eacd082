/** No secret shows, whatever happens to an operation or an upload, wherever it is told and however it is printed. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import {
  Cause,
  type Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  Record,
  Redacted,
  Schedule,
  Schema,
  type Scope,
  Stream
} from "effect"
import {
  Credentials,
  Encodings,
  Notifications,
  PandaClient,
  Signature,
  Upload,
  UploadSession,
  UploadSource,
  UploadState,
  UploadStore,
  Webhook
} from "effect-panda"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import * as Canary from "./client/canary.js"
import { rows } from "./client/operations.js"
import { partOf } from "./client/upload.js"
import { third } from "./fuzz/seed.js"
import * as RawServer from "./integration/rawServer.js"

const { secrets } = Canary

/** Where an error was made is known without secrets, and takes most of the time to find out. */
const { stackTraceLimit } = Error
beforeAll(() => {
  Error.stackTraceLimit = 1
})
afterAll(() => {
  Error.stackTraceLimit = stackTraceLimit
})

const chunk = { offset: 0, bytes: new Uint8Array(9), size: 10 }

const read = (response: HttpClientResponse.HttpClientResponse) =>
  Effect.zipRight(HttpClientResponse.filterStatusOk(response), response.json)

/** What is public and sends something, besides the operations of the table. */
const others = (origin: string): Record<string, Effect.Effect<unknown, unknown, PandaClient.PandaClient>> => {
  const location = Redacted.make(`${origin}/upload/session?id=${secrets.location}`)
  const soon = { timeout: "1 second" } as const
  // So many, and not for so long: how long they take is a matter of what else the machine has to do.
  const looks = {
    schedule: Schedule.intersect(Schedule.recurs(3), Schedule.spaced("10 millis")),
    timeout: "1 minute"
  } as const
  const replied = Effect.flatMap(({ reply }: UploadSession.Exchange) => reply)
  return {
    "PandaClient.request": PandaClient.request({
      name: "A.name",
      method: "POST",
      path: PandaClient.path`/notifications.json`,
      params: { url: `http://a.example/${secrets.webhook}` },
      result: Notifications.Notifications
    }),
    "PandaClient.get": PandaClient.get("/videos.json", { payload: secrets.webhook }),
    "PandaClient.post": PandaClient.post("/clouds.json", { aws_secret_key: secrets.awsSecretKey }),
    "PandaClient.put": PandaClient.put("/clouds/1.json", { aws_secret_key: secrets.awsSecretKey }),
    "PandaClient.delete": PandaClient.delete("/videos/1.json"),
    "PandaClient.execute GET": Effect.flatMap(PandaClient.execute("GET", "/videos.json"), read),
    "PandaClient.execute POST": Effect.flatMap(
      PandaClient.execute("POST", "/clouds.json", { aws_secret_key: secrets.awsSecretKey }),
      read
    ),
    "UploadSession.create": UploadSession.create({ file_name: "movie.mp4", file_size: 10 }),
    "UploadSession.probe": replied(UploadSession.probe(location, 10, soon)),
    "UploadSession.send": replied(UploadSession.send(location, chunk, soon)),
    "UploadSession.sendSlices": replied(UploadSession.sendSlices(location, partOf(chunk), {
      stallTimeout: soon.timeout,
      responseTimeout: soon.timeout,
      onSlice: () => Effect.void
    })),
    "UploadSession.abort": UploadSession.abort(location, soon),
    "Webhook.fetch": Webhook.fetch(Webhook.EncodingComplete.make({ encoding_id: "1" })),
    "Encodings.awaitDone": Encodings.awaitDone("e", looks),
    "Encodings.awaitVideo": Encodings.awaitVideo("v", looks),
    // Failures that may pass are gone past for as long as its schedule goes on.
    "Encodings.watchVideo": Stream.runDrain(
      Stream.take(Encodings.watchVideo("v", { schedule: looks.schedule }), 1)
    )
  }
}

interface Named {
  readonly what: string
  readonly run: Effect.Effect<unknown, unknown, PandaClient.PandaClient>
}

const operationsAt = (origin: string): ReadonlyArray<Named> => [
  ...rows,
  ...Object.entries(others(origin)).map(([what, run]) => ({ what, run }))
]

/** With each of them some operations succeed, and with one of them any operation. */
const answers = [
  JSON.stringify({ id: "1", status: "success", location: `http://127.0.0.1:1/session?id=${secrets.location}` }),
  JSON.stringify([{ id: "1", status: "success" }]),
  JSON.stringify({ page: 1, per_page: 100, total: 1, videos: [{ id: "1" }] }),
  ""
]

const statuses = [
  [400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 424],
  [425, 426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511, 599]
].flat()

/** In Panda's own form, and as of whatever stands between. */
const bodies = Canary.echoes.flatMap((echo) => [
  JSON.stringify({ error: echo, message: "no" }),
  JSON.stringify({ error: "BadRequest", message: echo }),
  `<html>${echo}</html>`
])

const keys = { accessKey: secrets.accessKey, secretKey: Redacted.make(secrets.secretKey), cloudId: "emulated-cloud-id" }
const credentials: Record<string, Credentials.Options> = {
  keys,
  token: { token: Redacted.make(secrets.token) },
  "wrong keys": { ...keys, secretKey: Redacted.make(`${secrets.secretKey}-not`) }
}

/** Functions take turns so that each meets all that itself goes round in threes. */
const turn = (at: number) => at + Math.floor(at / 3)

/** Each function, with the last of its arguments. */
const onceEach = (operations: ReadonlyArray<Named>) => [
  ...new Map(operations.map((operation) => [operation.what.replace(/ .*/, ""), operation])).values()
]

const clean = (canary: Canary.Canary, what: string) => assert.deepStrictEqual(canary.findings().slice(0, 20), [], what)

/** Runs operations side by side, and takes down how each ends. */
const runAll = (canary: Canary.Canary, operations: ReadonlyArray<Named>, concurrency: number | "unbounded" = 24) =>
  Effect.forEach(
    operations,
    ({ run, what }) => Effect.exit(Effect.onExit(run, (exit) => Effect.sync(() => canary.ended(what, exit)))),
    { concurrency }
  )

/** Begins them all, and ends them once a server has heard of each. */
const interruptAll = <E, R>(all: Effect.Effect<unknown, E, R>, heard: Effect.Effect<number>, wanted: number) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(all)
    yield* Effect.repeat(Effect.zipRight(Effect.sleep("5 millis"), heard), { until: (heard) => heard >= wanted })
    assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
  })

describe("the table of what is run", () => {
  it.each([
    ["PandaClient", ["operations", "raw requests"]],
    ["UploadSession", ["operations"]],
    ["Webhook", ["operations"]],
    ["Encodings", ["waiting"]]
  ])("has each function of %s that sends something", (room, categories) => {
    const source = readFileSync(new URL(`../src/${room}.ts`, import.meta.url), "utf8")
    const names = categories.flatMap((category) =>
      Array.from(
        source.matchAll(
          new RegExp(`@category ${category}\\n *\\*/\\n(?:export (?:const|function) (\\w+)|  del as (delete))`, "g")
        ),
        ([, name, alias]) => `${room}.${name ?? alias}`
      )
    )
    const run = operationsAt("http://a.example").map(({ what }) => what.replace(/ .*/, ""))
    assert.includeMembers(run, names.filter((name) => name !== "Encodings.defaultPolling"))
    assert.isAbove(names.length, 0)
  })
})

describe("in memory", () => {
  const origin = "http://vm-1.upload.pandastream.test"
  const operations = operationsAt(origin)
  /** Of a raw answer the body is the caller's. */
  const mapped = operations.filter(({ what }) => !what.startsWith("PandaClient.execute"))
  const once = onceEach(mapped)

  const batch = (
    name: string,
    body: (context: {
      readonly canary: Canary.Canary
      readonly run: (
        auth: Credentials.Options,
        fault?: Fault,
        among?: ReadonlyArray<Named>
      ) => Effect.Effect<ReadonlyArray<Exit.Exit<unknown, unknown>>>
      readonly emulator: PandaEmulator.PandaEmulator.Service
    }) => Effect.Effect<void>
  ) =>
    it.live(name, () =>
      Effect.gen(function*() {
        const canary = Canary.make()
        const emulator = yield* PandaEmulator.make({ ...keys, token: Redacted.make(secrets.token) })
        const spied = HttpClient.tapRequest(emulator.httpClient, ({ body, url }) =>
          Effect.sync(() => {
            canary.learn(url)
            if (body._tag === "Uint8Array") canary.learn(new TextDecoder().decode(body.body))
          }))
        yield* body({
          canary,
          emulator,
          run: (auth, fault, among = operations) =>
            Effect.gen(function*() {
              if (fault !== undefined) yield* emulator.inject({ route: "*", fault, times: Infinity })
              const exits = yield* runAll(canary, among, fault?._tag === "Delay" ? "unbounded" : 24).pipe(
                PandaClient.withRetry(Schedule.recurs(1)),
                PandaClient.withTimeout(fault?._tag === "Stall" ? "20 millis" : "10 seconds"),
                Effect.provide(PandaClient.layer.pipe(
                  Layer.provide(Layer.orDie(Credentials.layer(auth))),
                  Layer.provide(Layer.succeed(HttpClient.HttpClient, spied))
                )),
                canary.watch
              )
              for (const { headers, route } of yield* emulator.requests) canary.sent(route, Object.keys(headers))
              yield* emulator.reset
              return exits
            })
        })
      }))

  batch("success", ({ canary, run }) =>
    Effect.gen(function*() {
      let left = operations
      for (const answer of answers) {
        const exits = yield* run(keys, Fault.status(200, { body: answer }), left)
        left = left.filter((_, at) => Exit.isFailure(exits[at]!))
        clean(canary, answer)
      }
      assert.deepStrictEqual(left.map(({ what }) => what), [])
      assert.isAbove(canary.secretsLearnt(), 100)
    }))

  for (const [name, auth] of Object.entries(credentials)) {
    batch(`undisturbed, with ${name}`, ({ canary, run }) => Effect.map(run(auth), () => clean(canary, name)))
  }

  for (const [at, status] of statuses.entries()) {
    const [name, auth] = Object.entries(credentials)[at % 3]!
    batch(`${status}, with ${name}`, ({ canary, run }) =>
      Effect.gen(function*() {
        const among = third(once, turn(at))
        const exits = yield* run(auth, Fault.status(status, { body: bodies[at % bodies.length]! }), among)
        assert.isNotEmpty(exits)
        // To abort what is gone already is no failure.
        assert.isAtMost(exits.filter(Exit.isSuccess).length, status === 404 || status === 410 ? 1 : 0)
        clean(canary, name)
      }))
  }

  batch("whatever an error repeats", ({ canary, run }) =>
    Effect.gen(function*() {
      const among = once.filter(({ what }) => /^(Videos|UploadSession)\./.test(what))
      for (const [at, body] of bodies.entries()) {
        yield* run(keys, Fault.status(422, { body }), third(among, turn(at)))
        clean(canary, body)
      }
    }))

  batch("a location, in whatever form it comes back", ({ canary, run }) =>
    Effect.gen(function*() {
      const exchanges = once.filter(({ what }) => /^UploadSession\.(?!create)/.test(what))
      assert.lengthOf(exchanges, 4)
      const url = `/upload/session?id=${secrets.location}`
      for (const body of [Canary.repeated(url, ""), JSON.stringify({ error: Canary.repeated(url, "") })]) {
        yield* run(keys, Fault.status(422, { body }), exchanges)
        clean(canary, body)
      }
    }))

  const faults: Record<string, Fault> = {
    "a 200 with an error": Fault.errorBody({ error: Canary.echoes[0]!, message: Canary.echoes[1]! }),
    "an answer that is no JSON": Fault.malformed(Canary.echoes.slice(0, 2).join(" ")),
    "an answer of another form": Fault.status(200, { body: JSON.stringify({ id: [1], location: Canary.echoes[6] }) }),
    "nothing": Fault.empty,
    "a timeout": Fault.stall,
    "no connection": Fault.refuse,
    "a reset before": Fault.resetBefore,
    "a reset during": Fault.resetDuring({ after: 0.5 }),
    "a reset after": Fault.resetAfter,
    "half an answer": Fault.truncate({ after: 5 })
  }
  for (const [what, fault] of Object.entries(faults)) {
    batch(what, ({ canary, run }) =>
      Effect.gen(function*() {
        for (const [at, [name, auth]] of Object.entries(credentials).entries()) {
          yield* run(auth, fault, third(once, at))
          clean(canary, `${what}, with ${name}`)
        }
        assert.isAbove(canary.counts()["exit"]!, once.length)
      }))
  }

  batch("an interruption", ({ canary, emulator, run }) =>
    Effect.gen(function*() {
      const heard = Effect.map(emulator.requests, (requests) => requests.length)
      yield* interruptAll(run(keys, Fault.delay("1 minute")), heard, operations.length)
      assert.isAbove(canary.counts()["exit"]!, operations.length)
      clean(canary, "an interruption")
    }))
})

const layers: Record<string, Layer.Layer<HttpClient.HttpClient>> = {
  undici: NodeHttpClient.layerUndici,
  node: NodeHttpClient.layer,
  fetch: FetchHttpClient.layer
}

/** What a server does with a request, whose body has come, if it waits for that. */
type Behaviour = (exchange: RawServer.Exchange, body: string) => void

const answering =
  (status: number, text: (url: string, body: string) => string): Behaviour => ({ response, seen }, body) => {
    response.writeHead(status, { "content-type": "application/json" })
    response.end(text(seen.url, body))
  }

const silent: Behaviour = () => {}

/** A server that is told what to do, from whose requests the canary learns. */
const hostile = (canary: Canary.Canary) =>
  Effect.gen(function*() {
    let behaviour = silent
    let bodies = 0
    const server = yield* RawServer.make({
      instead: (exchange) => {
        const { request, seen } = exchange
        const behave = behaviour
        let body = ""
        canary.learn(seen.url)
        request.on("data", (bytes: Buffer) => (body += bytes.toString("latin1")))
        request.on("end", () => {
          bodies++
          canary.learn(body)
          behave(exchange, body)
        })
        return true
      }
    })
    return {
      server,
      arrived: () => bodies,
      behave: (next: Behaviour) => {
        behaviour = next
      }
    }
  })

describe.each(Object.keys(layers))("over sockets, with %s", (layer) => {
  const http = layers[layer]!
  const number = Object.keys(layers).indexOf(layer)

  const client = (port: number) =>
    PandaClient.layer.pipe(
      Layer.provide(Layer.orDie(Credentials.layer({ ...keys, host: "127.0.0.1", port }))),
      Layer.provide(http)
    )

  it.scopedLive("every operation, with every kind of outcome", () =>
    Effect.gen(function*() {
      const canary = Canary.make()
      const { arrived, behave, server } = yield* hostile(canary)
      const operations = operationsAt(`http://127.0.0.1:${server.port}`)
      const mapped = operations.filter(({ what }) => !what.startsWith("PandaClient.execute"))

      const run = (what: string, among: ReadonlyArray<Named>, behaviour: Behaviour, timeout: Duration.DurationInput) =>
        Effect.gen(function*() {
          behave(behaviour)
          const exits = yield* runAll(canary, among).pipe(
            PandaClient.withRetry("none"),
            PandaClient.withTimeout(timeout),
            Effect.provide(client(server.port)),
            canary.watch
          )
          clean(canary, what)
          return exits
        })

      let left = operations
      for (const answer of answers) {
        const exits = yield* run("success", left, answering(200, () => answer), "10 seconds")
        left = left.filter((_, at) => Exit.isFailure(exits[at]!))
      }
      assert.deepStrictEqual(left.map(({ what }) => what), [])

      const repeating = (url: string, body: string) => body.startsWith("--") ? url : `${url} ${body}`
      const once = onceEach(mapped)
      const answered: ReadonlyArray<readonly [what: string, behaviour: Behaviour]> = [
        ["401", answering(401, (url) => JSON.stringify({ error: "NotAuthorized", message: url }))],
        [
          "422",
          answering(422, (url, body) => JSON.stringify({ error: repeating(url, body), message: body.slice(0, 99) }))
        ],
        ["422, by values alone", answering(422, Canary.repeated)],
        [
          "422, by values alone, in JSON",
          answering(422, (url, body) => JSON.stringify({ error: "Refused", message: Canary.repeated(url, body) }))
        ],
        ["503", answering(503, (url, body) => `<html>${repeating(url, body)}`)],
        ["an answer that is no JSON", answering(200, repeating)]
      ]
      const broken: ReadonlyArray<readonly [what: string, behaviour: Behaviour]> = [
        ["a reset", ({ reset }) => reset()],
        ["half an answer", ({ response, reset, seen }) => {
          response.writeHead(200, { "content-length": 1000 })
          response.write(seen.url, reset)
        }]
      ]
      const failing = [
        // Of each layer a third, and of all of them all: what an answer says is read in the same way.
        ...answered.map(([what, behaviour], at) => [what, behaviour, third(once, at + number)] as const),
        ...broken.map(([what, behaviour]) => [what, behaviour, once] as const)
      ]
      for (const [what, behaviour, among] of failing) {
        const exits = yield* run(what, among, behaviour, "10 seconds")
        const unharmed = among.filter((_, at) => Exit.isSuccess(exits[at]!)).map(({ what }) => what)
        // To abort, a 200 is enough.
        assert.deepStrictEqual(unharmed.filter((what) => what !== "UploadSession.abort"), [], what)
      }
      const exits = yield* run("a timeout", once, silent, "100 millis")
      assert.isEmpty(exits.filter(Exit.isSuccess))

      behave(silent)
      const before = arrived()
      yield* interruptAll(
        runAll(canary, operations, "unbounded").pipe(
          PandaClient.withRetry("none"),
          Effect.provide(client(server.port)),
          canary.watch
        ),
        Effect.sync(() => arrived() - before),
        operations.length
      )
      clean(canary, "an interruption")

      server.seen.forEach(({ kind, rawHeaders }) => canary.sent(kind, rawHeaders.filter((_, at) => at % 2 === 0)))
      clean(canary, "the headers")
      for (const kind of ["exit", "header", "log", "span"]) assert.isAbove(canary.counts()[kind]!, 1000, kind)
      assert.isAbove(canary.secretsLearnt(), 500)
    }))
})

const CHUNK = 1000
const bytes = Uint8Array.from({ length: 3500 }, (_, at) => at % 251)

/** What befalls the second chunk, or what follows it. */
const mishaps: Record<string, ReadonlyArray<Omit<PandaEmulator.Rule, "route"> & { readonly route?: string }>> = {
  "nothing": [],
  ...Object.fromEntries([401, 408, 409, 413, 422, 429, 500, 503].map((status, at) => [
    `a ${status}`,
    [{ fault: Fault.status(status, { body: bodies[at * 3]! }), skip: 1 }]
  ])),
  "an answer that is no video": [{ fault: Fault.malformed(Canary.echoes[8]), skip: 1, times: 2, route: "*" }],
  "a reset": [{ fault: Fault.resetDuring({ after: 0.5 }), skip: 1 }],
  "a lost answer": [{ fault: Fault.resetAfter, skip: 3 }],
  "an outage": [{ fault: Fault.resetBefore, skip: 2, times: Infinity, route: "*" }],
  "a stall": [{ fault: Fault.stall, skip: 1 }],
  "a move": [{ fault: Fault.move(), skip: 1 }, { fault: Fault.move({ relative: true }), skip: 2 }],
  "a move with a 503": [{ fault: Fault.move({ status: 503 }), skip: 1 }],
  "a move to where it must not go": [{ fault: Fault.move({ origin: `ftp://${secrets.location}` }), skip: 1 }],
  "an expired session": [{ fault: Fault.expire(410), skip: 1 }],
  "a lie": [{ fault: Fault.lieRange({ to: 99_999 }), skip: 1, times: 2, route: "*" }],
  "no progress": [{ fault: Fault.accept({ bytes: 0 }), skip: 1, times: Infinity }],
  "no video": [{ fault: Fault.notFinalized, times: Infinity }],
  "no session": [{ fault: Fault.status(400, { body: bodies[0]! }), route: "create" }]
}

const uploads: Record<string, Layer.Layer<PandaClient.PandaClient | PandaEmulator.PandaEmulator, unknown>> = {
  "in memory": Layer.provideMerge(
    PandaClient.layer,
    Layer.provideMerge(Credentials.layer(keys), PandaEmulator.layer(keys))
  ),
  ...Record.map(layers, (http, name) =>
    Layer.unwrapScoped(Effect.gen(function*() {
      const server = yield* HttpServer.HttpServer
      const port = server.address._tag === "TcpAddress" ? server.address.port : assert.fail(name)
      return Layer.provide(PandaClient.layer, [Credentials.layer({ ...keys, host: "127.0.0.1", port }), http])
    })).pipe(
      Layer.provideMerge(PandaEmulator.layerServer(keys)),
      Layer.provide(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
    ))
}

describe.each(Object.keys(uploads))("uploads %s", (way) => {
  const test = (
    name: string,
    body: (canary: Canary.Canary, options: Upload.Options) => Effect.Effect<
      void,
      unknown,
      PandaClient.PandaClient | PandaEmulator.PandaEmulator | Scope.Scope
    >
  ) =>
    it.scopedLive(name, () =>
      Effect.gen(function*() {
        const canary = Canary.make()
        const panda = yield* PandaEmulator.PandaEmulator
        yield* body(canary, {
          chunkSize: CHUNK,
          retry: Schedule.recurs(3),
          stallTimeout: "500 millis",
          profiles: ["h264"],
          onState: ({ location }) => Effect.sync(() => canary.learn(Redacted.value(location)))
        })
        assert.isAbove(canary.secretsLearnt(), 0)
        for (const { headers, route } of yield* panda.requests) canary.sent(route, Object.keys(headers))
        clean(canary, name)
      }).pipe(Effect.provide(uploads[way]!)))

  /** Runs an upload to its end, and takes down all that it tells. */
  const told = <E, R>(canary: Canary.Canary, what: string, upload: Stream.Stream<Upload.UploadEvent, E, R>) =>
    Upload.video(Stream.tap(upload, (event) =>
      Effect.sync(() => {
        canary.shown(`event ${what}`, event)
        canary.shown(`event ${what}`, Upload.describe(event))
      }))).pipe(
        Effect.onExit((exit) => Effect.sync(() => canary.ended(what, exit))),
        Effect.tap(({ id }) => Effect.sync(() => canary.release(id))),
        Effect.exit,
        canary.watch
      )

  const source = UploadSource.fromBytes(bytes, { name: "movie.mp4" })

  test("start and resume, whatever happens", (canary, options) =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const ends: Array<string> = []
      const all = Object.entries(mishaps)
      // In memory all, and with each layer a third.
      const befalling = way === "in memory" ? all : third(all, Object.keys(uploads).indexOf(way))
      for (const [what, rules] of befalling) {
        for (const rule of rules) yield* panda.inject({ route: "chunk", ...rule })
        const states: Array<UploadState.UploadState> = []
        const onState = (state: UploadState.UploadState) =>
          Effect.zipRight(Effect.sync(() => states.push(state)), options.onState!(state))
        const exit = yield* told(canary, what, Upload.start(source, { ...options, onState }))
        const error = Exit.isSuccess(exit) ? Option.none() : Cause.failureOption(exit.cause)
        ends.push(Option.match(error, { onNone: () => exit._tag, onSome: ({ _tag }) => _tag }))
        for (const { headers, route } of yield* panda.requests) canary.sent(route, Object.keys(headers))
        // As long as there is no video: then its id is the session's, which is over.
        if (Exit.isFailure(exit)) states.forEach(({ id }) => canary.unwritten(Redacted.value(id)))
        clean(canary, what)
        const state = states.at(-1)
        if (state !== undefined) {
          yield* told(canary, `${what}, resumed`, Upload.resume(state, source, options))
          yield* Effect.exit(canary.watch(Upload.abort(state, { retry: Schedule.recurs(1) })))
        }
        clean(canary, what)
        yield* panda.reset
      }
      assert.includeMembers(
        ends,
        befalling.length < all.length ? ["Success"] : [
          "Success",
          "PandaUploadRejected",
          "PandaSessionExpired",
          "PandaUploadProtocolError",
          "PandaUploadStalled",
          "PandaRejected"
        ]
      )
    }))

  test("abort, which fails first", (canary, options) =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const session = yield* Upload.session(source, options)
      yield* panda.inject({ route: "chunk", skip: 1, fault: Fault.status(422) })
      canary.ended("session.start", yield* canary.watch(Effect.exit(session.start)))
      canary.shown("event session", yield* session.last)
      yield* panda.inject({ route: "abort", fault: Fault.status(503, { body: bodies[8]! }) })
      yield* panda.inject({ route: "abort", fault: Fault.resetBefore })
      canary.ended("session.abort", yield* canary.watch(Effect.exit(session.abort)))
      const [aborted] = yield* panda.sessions
      assert.strictEqual(aborted!.status, "aborted")
      canary.unwritten(aborted!.id)
    }))

  test("many, of which one fails", (canary, options) =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      yield* panda.inject({ route: "chunk", skip: 1, fault: Fault.status(422, { body: bodies[24]! }) })
      const sources = ["a.mp4", "b.mp4"].map((name) => UploadSource.fromBytes(bytes, { name }))
      const events = yield* canary.watch(Stream.runCollect(Upload.many(sources, options)))
      for (const event of events) {
        canary.shown("event many", event)
        if (event._tag === "Event" && event.event._tag === "Uploaded") canary.release(event.event.video.id)
      }
      assert.include(Array.from(events, ({ _tag }) => _tag), "Failed")
    }))

  test(
    "startOrResume writes the location to a file for its owner, and nowhere else",
    (canary, options) =>
      Effect.gen(function*() {
        const panda = yield* PandaEmulator.PandaEmulator
        const fs = yield* FileSystem.FileSystem
        const folder = yield* fs.makeTempDirectoryScoped()
        yield* fs.writeFile(`${folder}/movie.mp4`, bytes)
        const source = yield* UploadSource.fromFile(`${folder}/movie.mp4`)
        const upload = (options: Upload.Options) =>
          told(canary, "startOrResume", Upload.startOrResume(source, options)).pipe(
            Effect.provide(UploadStore.layerFileSystem(`${folder}/unfinished`))
          )

        yield* panda.inject({ route: "chunk", skip: 2, fault: Fault.stall })
        const fiber = yield* Effect.fork(upload({ ...options, stallTimeout: "1 minute" }))
        yield* Effect.repeat(Effect.zipRight(Effect.sleep("5 millis"), panda.requests), {
          until: (requests) => requests.filter(({ fault }) => fault === "Stall").length === 1
        })
        yield* Fiber.interrupt(fiber)

        const files = (yield* fs.readDirectory(folder, { recursive: true })).filter((file) => file !== "unfinished")
        const locations = yield* Effect.filter(
          files,
          (file) => Effect.map(fs.readFileString(`${folder}/${file}`), (text) => text.includes("/upload/session"))
        )
        assert.lengthOf(locations, 1)
        const file = `${folder}/${locations[0]}`
        assert.match(file, /unfinished\/[0-9a-f]{64}\.json$/)
        assert.strictEqual((yield* fs.stat(file)).mode & 0o777, 0o600)
        assert.strictEqual((yield* fs.stat(`${folder}/unfinished`)).mode & 0o777, 0o700)
        const state = yield* Schema.decode(UploadState.Json)(yield* fs.readFileString(file))
        canary.shown("state", state)
        canary.unwritten(Redacted.value(state.id))
        clean(canary, "interrupted")

        const exit = yield* upload(options)
        assert.isTrue(Exit.isSuccess(exit), String(exit))
        assert.deepStrictEqual(yield* fs.readDirectory(`${folder}/unfinished`), [])
      }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})

describe("webhooks", () => {
  it.scopedLive("show their secret neither in logs nor in spans, whatever comes", () =>
    Effect.gen(function*() {
      const canary = Canary.make()
      const app = Webhook.httpApp(
        (event) => event._tag === "Unknown" ? Effect.fail("no") : Effect.log(event),
        { secret: Redacted.make(secrets.webhook) }
      )
      const post = (path: string, body: string) =>
        Effect.promise((signal) =>
          fetch(path, {
            method: "POST",
            body,
            signal,
            headers: { "content-type": "application/x-www-form-urlencoded" }
          })
            .then(({ status }) => status)
        )
      yield* canary.watch(Effect.scoped(
        Effect.gen(function*() {
          const server = yield* HttpServer.HttpServer
          yield* HttpServer.serveEffect(app, HttpMiddleware.logger)
          const port = server.address._tag === "TcpAddress" ? server.address.port : 0
          const origin = `http://127.0.0.1:${port}`
          const statuses = yield* Effect.forEach([
            [`/${secrets.webhook}`, "event=video-encoded&video_id=1"],
            [`/?secret=${secrets.webhook}`, "event=video-encoded&video_id=1"],
            [`/${secrets.webhook}`, "event=new"],
            [`/${secrets.webhook}`, "event=video-encoded"],
            [`/${secrets.webhook}x`, "event=new"]
          ], ([path, body]) => post(`${origin}${path}`, body!))
          assert.deepStrictEqual(statuses, [200, 200, 500, 400, 404])
        }).pipe(Effect.provide(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })))
      ))
      assert.isAbove(canary.counts()["span"]!, 5)
      clean(canary, "webhooks")
    }))
})

describe("the canary", () => {
  it.effect("finds a secret wherever it is planted, in whatever form", () =>
    Effect.gen(function*() {
      const canary = Canary.make()
      const { secretKey } = secrets
      const hidden = Object.defineProperty(new Error("it"), "at", { value: { deep: [{ er: secretKey }] } })
      const plants: Record<string, Effect.Effect<unknown>> = {
        "secretKey in log": Effect.logTrace("a line", { secretKey }),
        "secretKey in log ": Effect.annotateLogs(Effect.log("a line"), "key", encodeURIComponent(secretKey)),
        "secretKey in log  ": Effect.withLogSpan(Effect.log("a line"), secretKey),
        "secretKey in logged cause": Effect.log(Cause.die(new Error("it", { cause: secretKey }))),
        [`secretKey in span a ${secretKey}`]: Effect.withSpan(Effect.void, `a ${secretKey}`),
        "secretKey in base64 in span b": Effect.withSpan(Effect.void, "b", {
          attributes: { basic: Buffer.from(`a:${secretKey}`).toString("base64") }
        }),
        "secretKey in hex in span c": Effect.withSpan(Effect.void, "c", {
          attributes: { hex: Buffer.from(secretKey).toString("hex") }
        }),
        "secretKey in span d": Effect.exit(Effect.withSpan(Effect.dieMessage(secretKey), "d")),
        "signature= in span e": Effect.withSpan(
          Effect.flatMap(Effect.currentSpan, (span) => Effect.sync(() => span.event("x?signature=y", 0n))),
          "e"
        ).pipe(Effect.orDie),
        "secretKey in exit f": Effect.sync(() => canary.ended("f", Exit.die(hidden))),
        "a signature or a location in exit g": Effect.sync(() => {
          canary.learn(`?signature=${"abcd".repeat(10)}%2B%2F%3D`)
          canary.ended("g", Exit.fail(`${"abcd".repeat(10)}+/=`))
        }),
        "a trace header in header h": Effect.sync(() => canary.sent("h", ["accept", "Traceparent"])),
        "what is not to be written in log": Effect.zipRight(
          Effect.sync(() => canary.unwritten("session 7")),
          Effect.log("of session 7")
        )
      }
      for (const [finding, plant] of Object.entries(plants)) {
        yield* canary.watch(plant)
        assert.include(canary.findings(), finding.trimEnd())
        yield* canary.watch(Effect.zipRight(Effect.log("nothing"), Effect.withSpan(Effect.void, "z")))
        assert.deepStrictEqual(canary.findings(), [])
      }
    }))

  it.effect("finds what the platform's client tells of a signed request, if it is let", () =>
    Effect.gen(function*() {
      const canary = Canary.make()
      const panda = yield* PandaEmulator.PandaEmulator
      const signed = yield* Signature.signedQuery("GET", "/videos.json").pipe(Effect.provide(Credentials.layer(keys)))
      yield* canary.watch(Effect.exit(panda.httpClient.get(`http://127.0.0.1/v2/videos.json?${signed}`)))
      for (const { headers } of yield* panda.requests) canary.sent("http", Object.keys(headers))
      const findings = canary.findings()
      assert.includeMembers([...findings], ["signature= in span http.client GET", "accessKey in span http.client GET"])
      assert.include(findings, "a trace header in header http")
    }).pipe(Effect.provide(PandaEmulator.layer(keys))))
})
