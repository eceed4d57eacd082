/** The uploader for pages, with the emulator in memory as the upload server. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { afterEach, assert, describe, it } from "@effect/vitest"
import { Effect, Either, Redacted } from "effect"
import type { Code, Options, Queue, State, Upload, UploadEvents } from "effect-panda/browser"
import { queue, sentences, sizeOf, upload, UploadFailure } from "effect-panda/browser"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { createHash } from "node:crypto"
import { setTimeout } from "node:timers/promises"
import { inspect } from "node:util"
import { vi } from "vitest"
import type { Behaviour, Seen, Server } from "./fakeXhr.js"
import { FakeStorage, leave, open, ORIGIN, type Page } from "./page.js"

afterEach(leave)

const AUTHORIZE = "/panda/authorize_upload"
const MIB = 1024 * 1024

const bytesOf = (size: number) => Uint8Array.from({ length: size }, (_, i) => (i * 7919) >> 5)
const fileOf = (size = 100, name = "movie.mp4", type = "video/mp4") =>
  new File([bytesOf(size)], name, { type, lastModified: 1 })
const hashOf = (size: number) => createHash("sha256").update(bytesOf(size)).digest("hex")

/** An emulator; and a server that authorizes uploads to it, and lets the page's requests through. */
const panda = async (options: PandaEmulator.Options = {}) => {
  const emulator = await Effect.runPromise(PandaEmulator.make(options))
  const requests: Array<Seen> = []
  let authorized: (request: Seen) => Promise<Behaviour> = async ({ body }) => {
    const { filename, filesize } = JSON.parse(new URLSearchParams(String(body)).get("payload")!) as {
      readonly filename: string
      readonly filesize: number
    }
    return { status: 200, text: JSON.stringify({ upload_url: await session(filename, filesize) }) }
  }

  /** Opens a session as a backend does. */
  const session = async (file_name: string, file_size: number): Promise<string> => {
    const { UploadSession, PandaClient, Credentials } = await import("effect-panda")
    const { Layer } = await import("effect")
    const { accessKey, cloudId, httpClient, secretKey } = emulator
    return Effect.runPromise(
      UploadSession.create({ file_name, file_size }).pipe(
        Effect.map(({ location }) => Redacted.value(location)),
        Effect.provide(
          PandaClient.layer.pipe(
            Layer.provide(Credentials.layer({ accessKey, cloudId, secretKey })),
            Layer.provide(Layer.succeed(HttpClient.HttpClient, httpClient))
          )
        )
      )
    )
  }

  const server: Server = async (request) => {
    requests.push(request)
    if (request.url.startsWith(ORIGIN)) return authorized(request)
    const bytes = request.body instanceof Uint8Array ? request.body : undefined
    const order = HttpClientRequest.make(request.method as "PUT")(request.url, {
      headers: request.headers
    }).pipe(
      bytes === undefined ? (order) => order : HttpClientRequest.bodyUint8Array(bytes, "application/octet-stream")
    )
    return Effect.runPromise(
      emulator.httpClient.execute(order).pipe(
        Effect.flatMap((response) =>
          Effect.map(response.text, (text): Behaviour => ({ status: response.status, headers: response.headers, text }))
        ),
        Effect.either,
        Effect.map(Either.getOrElse((): Behaviour => "broken"))
      )
    )
  }
  return {
    emulator,
    requests,
    server,
    session,
    authorize: (behaviour: (request: Seen) => Behaviour | Promise<Behaviour>) => {
      authorized = async (request) => behaviour(request)
    },
    inject: (rule: PandaEmulator.Rule) => Effect.runPromise(emulator.inject(rule)),
    sessions: () => Effect.runPromise(emulator.sessions),
    videos: () => Effect.runPromise(emulator.videos)
  }
}

/** All that an upload tells, in words. */
const recorded = (sending: Upload) => {
  const told: Array<string> = []
  const states: Array<State> = []
  sending.addEventListener("state", ({ detail }) => states.push(detail.state))
  for (const type of ["progress", "resumed", "retry", "restarted", "warning", "success", "error"] as const) {
    sending.addEventListener(
      type,
      (event) => told.push(`${type} ${inspect((event as CustomEvent).detail, { depth: 9 })}`)
    )
  }
  return { told, states }
}

/** Ends when the upload tells something that is so; rejects if it fails before. */
const when = <K extends keyof UploadEvents & string>(
  sending: Upload,
  type: K,
  is: (detail: UploadEvents[K]) => boolean = () => true
) =>
  new Promise<UploadEvents[K]>((resolve, reject) => {
    sending.addEventListener(type, ({ detail }) => is(detail) ? resolve(detail) : undefined)
    sending.addEventListener("error", ({ detail }) => reject(detail.failure))
  })

const until = async (sending: Upload, state: State) => {
  if (sending.state !== state) await when(sending, "state", (detail) => detail.state === state)
}

const failureOf = (promise: Promise<unknown>): Promise<UploadFailure> =>
  promise.then(
    () => assert.fail("it did not fail"),
    (error: unknown) => error instanceof UploadFailure ? error : Promise.reject(error)
  )

const codeOf = async (promise: Promise<unknown>): Promise<Code> => (await failureOf(promise)).code

const start = async (page: Page = {}, options: PandaEmulator.Options = {}) => {
  const server = await panda(options)
  return { ...server, ...open(server.server, page) }
}

describe("upload", () => {
  it("asks the page's server as Panda's uploader does, then asks the upload server, then sends", async () => {
    const { requests, sessions } = await start()
    const sending = upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 60 })
    const { states, told } = recorded(sending)
    const video = await sending.start()
    assert.deepStrictEqual(
      requests.map(({ headers, method, url }) => [method, new URL(url).pathname, headers["content-range"]]),
      [
        ["POST", AUTHORIZE, undefined],
        ["PUT", "/upload/session", "bytes */100"],
        ["PUT", "/upload/session", "bytes 0-59/100"],
        ["PUT", "/upload/session", "bytes 60-99/100"]
      ]
    )
    const [{ body, headers } = assert.fail("nothing was asked")] = requests
    assert.strictEqual(
      String(body),
      `payload=${
        encodeURIComponent(`{"filename":"movie.mp4","filesize":100,"content_type":"application/octet-stream"}`)
      }`
    )
    assert.include(headers["content-type"], "application/x-www-form-urlencoded")
    const [session] = await sessions()
    assert.deepInclude(session, { sha256: hashOf(100), receivedTwice: 0, videoId: video.id, status: "complete" })
    assert.deepStrictEqual(states, ["authorizing", "uploading", "done"])
    assert.strictEqual(sending.progress.acknowledged, 100)
    assert.lengthOf(told.filter((line) => line.startsWith("success")), 1)
  })

  it("says what is whole only with the video", async () => {
    await start()
    const sending = upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 30 })
    const seen: Array<number> = []
    sending.addEventListener("progress", ({ detail }) => {
      assert.isAtMost(detail.acknowledged, detail.sent)
      assert.isAtMost(detail.sent, detail.size)
      if (sending.state !== "done") assert.isBelow(detail.acknowledged, detail.size)
      seen.push(detail.acknowledged)
    })
    await sending.start()
    assert.deepStrictEqual(seen, [...seen].sort((a, b) => a - b))
    assert.strictEqual(seen.at(-1), 100)
  })

  const faults: ReadonlyArray<readonly [string, PandaEmulator.Fault]> = [
    ["a status", Fault.status(503)],
    ["a connection that breaks before", Fault.resetBefore],
    ["a connection that breaks within", Fault.resetDuring({ after: 0.5 })],
    ["a connection that breaks after", Fault.resetAfter],
    ["a part that is taken", Fault.accept({ bytes: 7 })],
    ["a new location", Fault.move()],
    ["a new location with a status", Fault.move({ status: 503 })],
    ["a file that is not finalized", Fault.notFinalized],
    ["a backend that is down", Fault.backendDown()],
    ["bytes that are lost", Fault.forget()],
    ["no Range", Fault.noRange],
    ["a Range that goes back", Fault.backwardRange],
    ["an answer that breaks off", Fault.truncate({ after: 3 })],
    ["a page instead of an answer", Fault.malformed("<html>")],
    ["a conflict", Fault.status(409)],
    ["a chunk that is too long", Fault.status(413)]
  ]
  it.each(faults)("gets over %s, with no acknowledged byte sent twice", async (name, fault) => {
    const { emulator, inject, sessions } = await start()
    await inject({
      route: "chunk",
      fault,
      // Of these, only what completes a file is counted.
      skip: ["a chunk that is too long", "a file that is not finalized", "a backend that is down"].includes(name)
        ? 0
        : 2
    })
    const sending = upload(fileOf(400_000), { authorize: AUTHORIZE, chunkSize: 100_000 })
    const video = await sending.start()
    const [session] = await sessions()
    assert.deepInclude(session, { sha256: hashOf(400_000), videoId: video.id })
    const loses = [
      "bytes that are lost",
      "no Range",
      "a Range that goes back",
      "a file that is not finalized",
      "a backend that is down"
    ]
    if (!loses.includes(name)) assert.strictEqual(session!.receivedTwice, 0)
    for (const { fired } of await Effect.runPromise(emulator.rules)) assert.strictEqual(fired, 1)
  })

  it("asks what a server has that is silent", async () => {
    const { inject, requests, sessions } = await start()
    await inject({ route: "chunk", fault: Fault.stall })
    const sending = upload(fileOf(100), { authorize: AUTHORIZE, responseTimeout: 20 })
    await sending.start()
    const ranges = requests.map(({ headers }) => headers["content-range"])
    assert.deepStrictEqual(ranges.slice(0, 5), [
      undefined,
      "bytes */100",
      "bytes 0-99/100",
      "bytes */100",
      "bytes 99-99/100"
    ])
    assert.deepInclude((await sessions())[0], { sha256: hashOf(100), status: "complete" })
  })

  it("waits for as long as the server asks", async () => {
    const { inject } = await start()
    await inject({ route: "chunk", fault: Fault.status(503, { retryAfter: 7 }) })
    const sending = upload(fileOf(), { authorize: AUTHORIZE })
    const retry = when(sending, "retry")
    void sending.start()
    assert.strictEqual((await retry).delay, 7000)
    assert.strictEqual(sending.state, "retrying")
    sending.pause()
    await sending.resume()
  })

  it("gives up after fourteen failures in a row, and goes on when it is started again", async () => {
    const { inject, requests, sessions } = await start()
    await inject({ route: "chunk", fault: Fault.status(500), skip: 1, times: 1 })
    await inject({ route: "probe", fault: Fault.status(500), skip: 1, times: 14 })
    const sending = upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 60 })
    const failure = await failureOf(sending.start())
    assert.deepInclude(failure, { code: "ServerFailed", status: 500 })
    assert.strictEqual(sending.state, "failed")
    assert.strictEqual(sending.failure, failure)
    assert.lengthOf(requests, 1 + 1 + 2 + 14)
    const video = await sending.start()
    assert.strictEqual(sending.failure, undefined)
    assert.deepInclude((await sessions())[0], { videoId: video.id, receivedTwice: 0 })
    assert.lengthOf(await sessions(), 1)
  })

  it("begins anew when the session is gone, or fails if so it is told", async () => {
    const { inject, sessions } = await start()
    await inject({ route: "chunk", fault: Fault.expire(), skip: 1 })
    const sending = upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 60 })
    // The bytes of the last chunk may have made a video: only what cannot have is begun anew.
    assert.strictEqual(await codeOf(sending.start()), "Uncertain")
    await inject({ route: "chunk", fault: Fault.expire(410), skip: 1 })
    const { told } = recorded(sending)
    const again = upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 30 })
    const restarted = recorded(again)
    await again.start()
    assert.lengthOf(restarted.told.filter((line) => line.startsWith("restarted")), 1)
    assert.lengthOf(told, 0)
    assert.lengthOf(await sessions(), 3)
    await inject({ route: "chunk", fault: Fault.expire(), skip: 1 })
    const strict = upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 30, onExpired: "fail" })
    assert.strictEqual(await codeOf(strict.start()), "Expired")
  })

  it.each<[PandaEmulator.Fault, Code]>([
    [Fault.status(401), "Denied"],
    [Fault.status(403), "Refused"],
    [Fault.status(422, { error: "BadRequest" }), "Refused"],
    [Fault.status(413, { error: "FileSizeLimitExceeded" }), "FileTooLarge"],
    [Fault.lieRange({ to: 999 }), "Protocol"],
    [Fault.move({ origin: "ftp://vm-2.example" }), "LocationRefused"]
  ])("fails at %j as %s, after no second try", async (fault, code) => {
    const { inject, requests } = await start()
    await inject({ route: "chunk", fault, skip: 1 })
    const sending = upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 30 })
    assert.strictEqual(await codeOf(sending.start()), code)
    assert.lengthOf(requests, 4)
  })

  it("names a server that does not let the page see how far it is", async () => {
    const { requests } = await start()
    const server = requests
    leave()
    const blind = await panda()
    open(async (request) => {
      const behaviour = await blind.server(request)
      return typeof behaviour === "string" ? behaviour : { ...behaviour, headers: {} }
    })
    const sending = upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 30 })
    const failure = await failureOf(sending.start())
    assert.strictEqual(failure.code, "RangeHidden")
    assert.include(failure.message, "Authorize.proxy")
    assert.lengthOf(server, 0)
  })

  it("names a server that does not answer the page, or is not there", async () => {
    const real = await panda()
    open((request) => request.url.startsWith(ORIGIN) ? real.server(request) : "broken")
    const failure = await failureOf(upload(fileOf(), { authorize: AUTHORIZE }).start())
    assert.strictEqual(failure.code, "Unreachable")
    assert.include(failure.message, "CORS")
  })
})

describe("start, pause, resume, abort", () => {
  it("start twice is start once", async () => {
    const { sessions } = await start()
    const sending = upload(fileOf(), { authorize: AUTHORIZE })
    assert.strictEqual(sending.start(), sending.start())
    const video = await sending.video
    assert.strictEqual(await sending.start(), video)
    assert.lengthOf(await sessions(), 1)
  })

  it("pause before start leaves it to be started", async () => {
    const { requests, sessions } = await start()
    const sending = upload(fileOf(), { authorize: AUTHORIZE })
    sending.pause()
    assert.strictEqual(sending.state, "paused")
    assert.lengthOf(requests, 0)
    await sending.start()
    assert.lengthOf(await sessions(), 1)
  })

  it("pause stops at once, wherever it comes, and resume goes on with what the server has", async () => {
    const { requests, sessions } = await start()
    const sending = upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 10 })
    const { states } = recorded(sending)
    sending.addEventListener("progress", () => {
      if (requests.length % 3 === 0 && sending.state === "uploading") sending.pause()
    })
    const { video } = sending
    void sending.start()
    let pauses = 0
    while (sending.state !== "done") {
      // eslint-disable-next-line no-await-in-loop -- one after another
      await Promise.race([until(sending, "paused"), until(sending, "done")])
      const seen = requests.length
      if (sending.state !== "paused") break
      pauses++
      // eslint-disable-next-line no-await-in-loop -- what is under way has time to go wrong
      await setTimeout(5)
      assert.isAtMost(requests.length, seen)
      void sending.resume()
    }
    assert.isAbove(pauses, 1)
    await video
    assert.deepInclude((await sessions())[0], { sha256: hashOf(100), receivedTwice: 0 })
    assert.strictEqual(states.filter((state) => state === "paused").length, pauses)
  })

  it("pause and resume in one breath go on", async () => {
    const { sessions } = await start()
    const sending = upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 10 })
    void sending.start()
    for (let i = 0; i < 3; i++) {
      sending.pause()
      void sending.resume()
    }
    await sending.video
    assert.lengthOf((await sessions()).filter(({ status }) => status === "complete"), 1)
  })

  it("abort stops, has the server forget the session, and is for good", async () => {
    const { requests, sessions } = await start()
    const storage = localStorage
    const sending = upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 10 })
    void sending.start()
    await when(sending, "progress", ({ acknowledged }) => acknowledged > 20)
    assert.strictEqual(storage.length, 1)
    const aborted = sending.abort()
    assert.strictEqual(sending.state, "aborted")
    assert.strictEqual(sending.abort(), aborted)
    await aborted
    assert.strictEqual(await codeOf(sending.video), "Aborted")
    assert.strictEqual((await sessions())[0]!.status, "aborted")
    assert.strictEqual(requests.filter(({ method }) => method === "DELETE").length, 1)
    assert.strictEqual(storage.length, 0)
    assert.strictEqual(await codeOf(sending.start()), "Aborted")
    sending.pause()
    assert.strictEqual(sending.state, "aborted")
  })

  it("abort before start sends nothing", async () => {
    const { requests } = await start()
    const sending = upload(fileOf(), { authorize: AUTHORIZE })
    await sending.abort()
    assert.strictEqual(await codeOf(sending.start()), "Aborted")
    assert.lengthOf(requests, 0)
  })

  it("abort after the end changes nothing", async () => {
    const { requests } = await start()
    const sending = upload(fileOf(), { authorize: AUTHORIZE })
    const video = await sending.start()
    await sending.abort()
    assert.strictEqual(sending.state, "done")
    assert.strictEqual(await sending.video, video)
    assert.strictEqual(requests.filter(({ method }) => method === "DELETE").length, 0)
  })

  it("abort tells the server again, which does not answer at first", async () => {
    const { inject, sessions } = await start()
    await inject({ route: "abort", fault: Fault.status(503), times: 4 })
    const sending = upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 10 })
    const { told } = recorded(sending)
    void sending.start()
    await when(sending, "progress")
    await sending.abort()
    assert.isFalse(told.some((line) => line.includes("NotDeleted")))
    assert.strictEqual((await sessions())[0]!.status, "aborted")
  })

  it("what the server cannot be told is a warning", async () => {
    const { inject } = await start()
    await inject({ route: "abort", fault: Fault.status(503), times: 9 })
    const sending = upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 10 })
    const { told } = recorded(sending)
    void sending.start()
    await when(sending, "progress")
    await sending.abort()
    assert.lengthOf(told.filter((line) => line.includes("NotDeleted")), 1)
  })

  it("waits while the browser is offline, and counts no failure", async () => {
    const { goOffline, goOnline, requests } = await start()
    goOffline()
    const sending = upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 30 })
    const { told } = recorded(sending)
    void sending.start()
    await until(sending, "offline")
    assert.lengthOf(requests, 0)
    goOnline()
    await when(sending, "progress", ({ acknowledged }) => acknowledged === 30)
    goOffline()
    await until(sending, "offline")
    sending.pause()
    void sending.start()
    await until(sending, "offline")
    goOnline()
    await sending.video
    assert.lengthOf(told.filter((line) => line.startsWith("retry")), 0)
  })
})

describe("what is wrong with the file", () => {
  it.each<[string, File, Partial<Options>, Code]>([
    ["empty", fileOf(0), {}, "Empty"],
    ["too large", fileOf(101), { maxSize: 100 }, "FileTooLarge"],
    ["of another type", fileOf(100, "a.pdf", "application/pdf"), { accept: "video/*, .mkv" }, "WrongType"],
    ["of another ending", fileOf(100, "a.mov", "video/quicktime"), { accept: ".mp4" }, "WrongType"]
  ])("%s: nothing is sent", async (_, file, options, code) => {
    const { requests } = await start()
    const sending = upload(file, { authorize: AUTHORIZE, ...options })
    const { told } = recorded(sending)
    assert.strictEqual(await codeOf(sending.start()), code)
    assert.lengthOf(requests, 0)
    assert.lengthOf(told.filter((line) => line.startsWith("error")), 1)
    assert.strictEqual(sending.failure?.code, code)
  })

  it.each<[string, File, string]>([
    ["a type", fileOf(), "video/*"],
    ["a name", fileOf(9, "A.MKV", ""), "video/mp4, .mkv"],
    ["no type", fileOf(9, "a.mkv", ""), "video/*"],
    ["nothing asked for", fileOf(9, "a", "x/y"), " "]
  ])("%s is taken", async (_, file, accept) => {
    await start()
    await upload(file, { authorize: AUTHORIZE, accept }).start()
  })

  /** A file that can be read so many times, after which it has changed on disk. */
  const unsteady = (readable: number) => {
    const file = fileOf(100)
    let left = readable
    const slice = file.slice.bind(file)
    file.slice = (from, to, type) => {
      const part = slice(from, to, type)
      if (left-- > 0) return part
      part.arrayBuffer = () => Promise.reject(new DOMException("It has changed", "NotReadableError"))
      return part
    }
    return file
  }

  it("gone before it is read: nothing is sent", async () => {
    const { requests } = await start()
    const failure = await failureOf(upload(unsteady(0), { authorize: AUTHORIZE }).start())
    assert.strictEqual(failure.code, "Unreadable")
    assert.strictEqual((failure.cause as DOMException).name, "NotReadableError")
    assert.lengthOf(requests, 0)
  })

  it("gone under way: the file is named and not the connection, and no video is made", async () => {
    const { requests, sessions } = await start()
    const sending = upload(unsteady(4), { authorize: AUTHORIZE, chunkSize: 30 })
    assert.strictEqual(await codeOf(sending.start()), "Unreadable")
    assert.isAtMost(requests.length, 6)
    const [session] = await sessions()
    assert.strictEqual(session!.status, "open")
    // Chosen again it goes on.
    await upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 30 }).start()
    assert.deepInclude((await sessions())[0], { status: "complete", receivedTwice: 0, sha256: hashOf(100) })
    assert.lengthOf(await sessions(), 1)
  })

  it("changed under way: no video is made", async () => {
    const { sessions } = await start()
    const file = fileOf(100)
    const slice = file.slice.bind(file)
    let reads = 0
    file.slice = (from, to) => reads++ < 3 ? slice(from, to) : new Blob([new Uint8Array(slice(from, to).size)])
    const sending = upload(file, { authorize: AUTHORIZE, chunkSize: 30 })
    assert.strictEqual(await codeOf(sending.start()), "Changed")
    assert.strictEqual((await sessions())[0]!.status, "open")
    // Started again it is the upload of what the file is now.
    await sending.start()
    assert.deepInclude((await sessions())[1], {
      status: "complete",
      sha256: createHash("sha256").update(new Uint8Array(100)).digest("hex")
    })
  })

  it("named in markup or in two lines: it is text", async () => {
    const { sessions } = await start()
    const name = `<img src=x onerror="alert(1)">&\n"é".mp4`
    await upload(fileOf(10, name), { authorize: AUTHORIZE }).start()
    assert.strictEqual((await sessions())[0]!.name, name)
  })
})

describe("what is wrong with the page's server", () => {
  interface Case {
    readonly what: string
    readonly answer: Behaviour
    readonly code: Code
    readonly words?: string
  }
  const cases: ReadonlyArray<Case> = [
    { what: "a page", answer: { status: 200, text: "<!doctype html><title>Sign in</title>" }, code: "AuthorizeNoJson" },
    {
      what: "a page without an end",
      answer: { status: 200, text: `<!doctype html>${"x".repeat(MIB)}` },
      code: "AuthorizeNoJson"
    },
    { what: "nothing", answer: { status: 200 }, code: "AuthorizeEmpty" },
    { what: "nothing at all", answer: "broken", code: "AuthorizeUnreachable" },
    { what: "401", answer: { status: 401, text: "<html>" }, code: "AuthorizeDenied" },
    {
      what: "403 and why",
      answer: { status: 403, text: `{"message":"Your\\nplan is over"}` },
      code: "AuthorizeDenied",
      words: "Your plan is over"
    },
    { what: "422 and why", answer: { status: 422, text: `{"error":"no"}` }, code: "AuthorizeRefused", words: "no" },
    { what: "404", answer: { status: 404, text: "<html>" }, code: "AuthorizeRefused", words: "404" },
    {
      what: "an error in 200",
      answer: { status: 200, text: `{"error":"TooMany","message":"enough"}` },
      code: "AuthorizeRefused",
      words: "enough"
    },
    { what: "500", answer: { status: 500, text: "<html>" }, code: "AuthorizeFailed", words: "500" },
    { what: "null", answer: { status: 200, text: "null" }, code: "AuthorizeInvalid" },
    { what: "JSON without it", answer: { status: 200, text: `{"url":"http://x/"}` }, code: "AuthorizeInvalid" },
    { what: "a number for it", answer: { status: 200, text: `{"upload_url":7}` }, code: "AuthorizeInvalid" },
    ...["javascript:alert(1)", "data:,x", "ftp://vm/x", "file:///etc/passwd", "http://a:b@vm/", "http://["].map((
      url
    ): Case => ({
      what: url,
      answer: { status: 200, text: JSON.stringify({ upload_url: url }) },
      code: "LocationRefused"
    })),
    {
      what: "a place to tell that is none",
      answer: {
        status: 200,
        text: JSON.stringify({ upload_url: "http://vm/x", postprocess_url: "javascript:alert(1)" })
      },
      code: "AuthorizeInvalid"
    }
  ]
  it.each(cases)("$what", async ({ answer, code, words = "" }) => {
    const { authorize, requests } = await start()
    authorize(() => answer)
    const failure = await failureOf(upload(fileOf(), { authorize: AUTHORIZE }).start())
    assert.strictEqual(failure.code, code)
    assert.include(failure.message, words)
    assert.notInclude(failure.message, "\n")
    assert.isAtMost(requests.length, 6)
    assert.isTrue(requests.every(({ url }) => url === ORIGIN + AUTHORIZE))
  })

  it("an answer that never comes", async () => {
    const { authorize } = await start()
    authorize(() => "silent")
    const sending = upload(fileOf(), { authorize: AUTHORIZE, stallTimeout: 5 })
    assert.strictEqual(await codeOf(sending.start()), "AuthorizeUnreachable")
  })

  it("a place that is not secure, for a secure page", async () => {
    const { requests } = await start({ origin: "https://site.example" })
    const give = (upload_url: string) => () => Promise.resolve({ upload_url })
    const failure = await failureOf(upload(fileOf(), { authorize: give("http://vm-1.example/u") }).start())
    assert.strictEqual(failure.code, "LocationInsecure")
    assert.lengthOf(requests, 0)
  })

  it("a failure that goes away", async () => {
    const { authorize, requests, session } = await start()
    let failures = 5
    authorize(async () =>
      failures-- > 0
        ? { status: 503, headers: { "retry-after": "0" } }
        : { status: 200, text: JSON.stringify({ upload_url: await session("movie.mp4", 100) }) }
    )
    await upload(fileOf(), { authorize: AUTHORIZE }).start()
    assert.lengthOf(requests.filter(({ url }) => url === ORIGIN + AUTHORIZE), 6)
  })

  it("a function that rejects, with its own words", async () => {
    await start()
    const cause = new Error("no")
    const failure = await failureOf(upload(fileOf(), { authorize: () => Promise.reject(cause) }).start())
    assert.deepInclude(failure, { code: "AuthorizeFailed", cause })
    const own = new UploadFailure("AuthorizeDenied", { name: "movie.mp4" })
    assert.strictEqual(await failureOf(upload(fileOf(), { authorize: () => Promise.reject(own) }).start()), own)
  })

  it("a function that never ends is no reason not to stop", async () => {
    await start()
    const sending = upload(fileOf(), { authorize: () => new Promise(() => {}) })
    void sending.start()
    await until(sending, "authorizing")
    await sending.abort()
    assert.strictEqual(sending.state, "aborted")
  })

  it("sends what it is told to send, and is told of the video", async () => {
    const { authorize, requests, session } = await start()
    authorize(async ({ url }) =>
      url.endsWith("/done")
        ? { status: 200, text: `{"next":"/watch"}` }
        : {
          status: 200,
          text: JSON.stringify({ upload_url: await session("movie.mp4", 100), postprocess_url: "/panda/done" })
        }
    )
    let calls = 0
    const sending = upload(fileOf(), {
      authorize: AUTHORIZE,
      headers: () => ({ "x-csrf-token": `t${++calls}` }),
      payload: { form: 7 }
    })
    const success = when(sending, "success")
    const { states } = recorded(sending)
    const video = await sending.start()
    assert.deepStrictEqual((await success).result, { next: "/watch" })
    const [first] = requests
    assert.include(String(first!.body), encodeURIComponent(`"form":7`))
    assert.strictEqual(first!.headers["x-csrf-token"], "t1")
    const last = requests.at(-1)!
    assert.strictEqual(last.url, `${ORIGIN}/panda/done`)
    assert.strictEqual(last.headers["x-csrf-token"], "t2")
    assert.strictEqual(JSON.parse(new URLSearchParams(String(last.body)).get("upload_response")!).id, video.id)
    assert.deepStrictEqual(states.slice(-2), ["finishing", "done"])
    assert.isTrue(requests.slice(1, -1).every(({ headers }) => headers["x-csrf-token"] === undefined))
  })

  it("that takes no note of the video is asked again, and nothing is sent again", async () => {
    const { authorize, requests, session } = await start()
    let fails = true
    authorize(async ({ url }) =>
      url.endsWith("/done")
        ? fails ? { status: 500 } : { status: 204 }
        : {
          status: 200,
          text: JSON.stringify({ upload_url: await session("movie.mp4", 100), postprocess_url: "/panda/done" })
        }
    )
    const sending = upload(fileOf(), { authorize: AUTHORIZE })
    assert.strictEqual(await codeOf(sending.start()), "PostprocessFailed")
    const seen = requests.length
    fails = false
    await sending.start()
    assert.deepStrictEqual(requests.slice(seen).map(({ url }) => url), [`${ORIGIN}/panda/done`])
  })
})

describe("what outlives the page", () => {
  /** Sends until so much is acknowledged; then the page is gone. */
  const half = async (server: Awaited<ReturnType<typeof panda>>, page: Page) => {
    open(server.server, page)
    const sending = upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 10 })
    void sending.start()
    await when(sending, "progress", ({ acknowledged }) => acknowledged >= 40)
    sending.pause()
    leave()
  }

  it("goes on at the acknowledged byte, with no second session", async () => {
    const server = await panda()
    const storage = new FakeStorage()
    await half(server, { storage })
    assert.lengthOf([...storage.records], 1)
    open(server.server, { storage })
    const sending = upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 10 })
    const resumed = when(sending, "resumed")
    await sending.start()
    assert.strictEqual((await resumed).acknowledged, 40)
    assert.deepInclude((await server.sessions())[0], { sha256: hashOf(100), receivedTwice: 0, status: "complete" })
    assert.lengthOf(await server.sessions(), 1)
    assert.lengthOf([...storage.records], 0)
  })

  it.each<[string, (storage: FakeStorage) => void, File, Partial<Options>]>([
    ["of another file", () => {}, new File([bytesOf(99)], "movie.mp4", { lastModified: 1 }), {}],
    ["of another time", () => {}, new File([bytesOf(100)], "movie.mp4", { lastModified: 2 }), {}],
    ["of another content", () => {}, new File([new Uint8Array(100)], "movie.mp4", { lastModified: 1 }), {}],
    ["for something else", () => {}, fileOf(100), { payload: { form: 2 } }],
    ["that is too old", () => vi.setSystemTime(Date.now() + 8 * 24 * 3600 * 1000), fileOf(100), {}],
    [
      "that is nonsense",
      (storage) => {
        for (const name of storage.records.keys()) storage.records.set(name, `{"version":1,"location":"javascript:x"}`)
      },
      fileOf(100),
      {}
    ],
    ["that nobody wants to keep", () => {}, fileOf(100), { keepFor: 0 }]
  ])("begins anew instead of an upload %s", async (_, change, file, options) => {
    const server = await panda()
    const storage = new FakeStorage()
    await half(server, { storage })
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() })
    try {
      change(storage)
      open(server.server, { storage })
      await upload(file, { authorize: AUTHORIZE, chunkSize: 10, ...options }).start()
    } finally {
      vi.useRealTimers()
    }
    assert.deepStrictEqual((await server.sessions()).map(({ status }) => status), ["open", "complete"])
  })

  it("leaves alone what is not its own", async () => {
    const storage = new FakeStorage()
    storage.setItem("theirs", "{")
    storage.setItem(
      "effect-panda/upload/old",
      JSON.stringify({ version: 1, at: 0, location: "http://x/", acknowledged: 0 })
    )
    await start({ storage })
    await upload(fileOf(), { authorize: AUTHORIZE }).start()
    assert.deepStrictEqual([...storage.records.keys()], ["theirs"])
  })

  it("holds nothing of the file's name or content", async () => {
    const server = await panda()
    const storage = new FakeStorage()
    await half(server, { storage })
    assert.notInclude(JSON.stringify([...storage.records]), "movie")
  })

  it.each<[string, Page]>([
    ["full", { storage: new FakeStorage(0) }],
    ["refused", {
      storage: () => {
        throw new DOMException("No", "SecurityError")
      }
    }]
  ])("a storage that is %s is a warning, and the upload goes on, after a pause too", async (_, page) => {
    const { sessions } = await start(page)
    const sending = upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 10 })
    const { told } = recorded(sending)
    const warning = when(sending, "warning")
    void sending.start()
    await when(sending, "progress", ({ acknowledged }) => acknowledged >= 40)
    sending.pause()
    await sending.resume()
    assert.strictEqual((await warning).code, "NotSaved")
    assert.lengthOf(told.filter((line) => line.startsWith("warning")), 1)
    assert.deepInclude((await sessions())[0], { sha256: hashOf(100), receivedTwice: 0 })
    assert.lengthOf(await sessions(), 1)
  })
})

describe("two uploads of one file", () => {
  it("are one: the second waits, and has the same video", async () => {
    const { sessions, videos } = await start()
    const [first, second] = [1, 2].map(() => upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 30 }))
    const { states } = recorded(second!)
    const [one, two] = await Promise.all([first!.start(), second!.start()])
    assert.strictEqual(one.id, two.id)
    assert.include(states, "waiting")
    assert.lengthOf(await sessions(), 1)
    assert.lengthOf(await videos(), 1)
    assert.strictEqual(localStorage.length, 0)
  })

  it("the second goes on where the first is paused, and the first then waits", async () => {
    const { sessions } = await start()
    const [first, second] = [1, 2].map(() => upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 10 }))
    void first!.start()
    await when(first!, "progress", ({ acknowledged }) => acknowledged >= 40)
    void second!.start()
    await until(second!, "waiting")
    first!.pause()
    await until(second!, "uploading")
    const [one, two] = await Promise.all([first!.start(), second!.video])
    assert.strictEqual(one.id, two.id)
    assert.deepInclude((await sessions())[0], { receivedTwice: 0, sha256: hashOf(100) })
    assert.lengthOf(await sessions(), 1)
  })

  it("abort of one leaves the session to the one that waits", async () => {
    const { requests, sessions } = await start()
    const [first, second] = [1, 2].map(() => upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 10 }))
    void first!.start()
    await when(first!, "progress", ({ acknowledged }) => acknowledged >= 40)
    void second!.start()
    await until(second!, "waiting")
    await first!.abort()
    await second!.video
    assert.lengthOf(requests.filter(({ method }) => method === "DELETE"), 0)
    assert.lengthOf(await sessions(), 1)
  })

  it("one that waits can be paused and aborted", async () => {
    const { authorize } = await start()
    authorize(() => "silent")
    const [first, second] = [1, 2].map(() => upload(fileOf(100), { authorize: AUTHORIZE }))
    void first!.start()
    await until(first!, "authorizing")
    void second!.start()
    await until(second!, "waiting")
    second!.pause()
    assert.strictEqual(second!.state, "paused")
    void second!.start()
    await until(second!, "waiting")
    await second!.abort()
    await first!.abort()
  })

  it("do not know of each other on a page that is not secure", async () => {
    const { sessions } = await start({ secure: false })
    await Promise.all([1, 2].map(() => upload(fileOf(100), { authorize: AUTHORIZE }).start()))
    assert.isAtLeast((await sessions()).filter(({ status }) => status === "complete").length, 1)
  })
})

describe("queue", () => {
  const files = (count: number) => Array.from({ length: count }, (_, i) => fileOf(100 + i, `${i}.mp4`))
  const idle = (all: Queue) =>
    new Promise<{ readonly done: number; readonly failed: number }>((resolve) => {
      all.addEventListener("idle", ({ detail }) => resolve(detail))
    })

  it("lets so many go at a time, in their order, and tells of all of them", async () => {
    const { sessions } = await start()
    const all = queue({ authorize: AUTHORIZE, concurrency: 2, chunkSize: 30 })
    let most = 0
    const began: Array<string> = []
    all.addEventListener("state", ({ detail: { state, upload } }) => {
      // Which of two that go together is the first to send, or to end, is chance; when they begin is not.
      most = Math.max(most, all.uploads.filter(({ state }) => state !== "ready" && state !== "done").length)
      if (state === "authorizing") began.push(upload.name)
    })
    const over = idle(all)
    all.add(files(5))
    assert.deepStrictEqual(await over, { done: 5, failed: 0 })
    assert.strictEqual(most, 2)
    assert.deepStrictEqual(began, files(5).map(({ name }) => name))
    assert.deepInclude(all.progress, { acknowledged: 510, size: 510, done: 5, total: 5 })
    assert.lengthOf(await sessions(), 5)
  })

  it("refuses at once what cannot go, and goes on with the others", async () => {
    const { sessions } = await start()
    const all = queue({ authorize: AUTHORIZE, maxSize: 101, maxFiles: 2, autoStart: false })
    const [fits, large, also, many] = all.add([
      ...files(1),
      fileOf(102, "large.mp4"),
      ...files(2).slice(1),
      ...files(1)
    ])
    assert.strictEqual(large!.failure?.code, "FileTooLarge")
    assert.strictEqual(many!.failure?.code, "TooMany")
    assert.deepStrictEqual([fits!.state, also!.state], ["ready", "ready"])
    assert.lengthOf(await sessions(), 0)
    const over = idle(all)
    all.start()
    assert.deepStrictEqual(await over, { done: 2, failed: 2 })
  })

  it("pauses and resumes all that go, and leaves alone what was paused by hand", async () => {
    const { inject, sessions } = await start()
    // Neither of the two that go can end before they are paused.
    await inject({ route: "chunk", fault: Fault.stall, times: 2 })
    const all = queue({ authorize: AUTHORIZE, concurrency: 2, chunkSize: 10 })
    const [byHand, other] = all.add(files(3))
    await Promise.all([when(byHand!, "progress"), when(other!, "progress")])
    byHand!.pause()
    assert.isFalse(all.paused)
    all.pause()
    assert.isTrue(all.paused)
    // The third had taken the place of the first.
    assert.deepStrictEqual(all.uploads.map(({ state }) => state), ["paused", "paused", "paused"])
    const over = idle(all)
    all.resume()
    assert.isFalse(all.paused)
    await over
    assert.deepStrictEqual(all.uploads.map(({ state }) => state), ["paused", "done", "done"])
    await byHand!.resume()
    assert.strictEqual(other!.state, "done")
    assert.isTrue((await sessions()).every(({ receivedTwice, status }) => receivedTwice === 0 && status === "complete"))
  })

  it("goes on when one is removed or fails", async () => {
    const { authorize, session } = await start()
    authorize(async ({ body }) => {
      const { filename, filesize } = JSON.parse(new URLSearchParams(String(body)).get("payload")!)
      return filename === "1.mp4"
        ? { status: 403 }
        : { status: 200, text: JSON.stringify({ upload_url: await session(filename, filesize) }) }
    })
    const all = queue({ authorize: AUTHORIZE, concurrency: 1, chunkSize: 10 })
    const [first] = all.add(files(3))
    const over = idle(all)
    await when(first!, "progress")
    all.remove(first!)
    assert.deepStrictEqual(await over, { done: 1, failed: 1 })
    assert.strictEqual(first!.state, "aborted")
    await all.abort()
    assert.lengthOf(all.uploads, 2)
  })

  it.each<[string, object]>([
    ["concurrency", { concurrency: 0 }],
    ["maxFiles", { maxFiles: 0 }],
    ["chunkSize", { chunkSize: 1.5 }],
    ["stallTimeout", { stallTimeout: 0 }],
    ["keepFor", { keepFor: -1 }],
    ["maxSize", { maxSize: Number.NaN }],
    ["authorize", { authorize: "javascript:alert(1)" }],
    ["authorize", { authorize: "" }],
    ["authorize", { authorize: undefined }],
    ["authorize", { authorize: 7 }],
    ["headers", { headers: { "x y": "1" } }],
    ["headers", { headers: { "x-token": "a\nb" } }],
    ["payload", { payload: { id: 1n } }],
    ["accept", { accept: ["video/*"] }],
    ["name", { name: 7 }],
    ["onExpired", { onExpired: "Restart" }],
    ...["concurrency", "maxFiles", "chunkSize", "stallTimeout", "responseTimeout", "keepFor", "maxSize"].flatMap(
      (name) => [Number.NaN, -1, -Infinity, "5", null].map((value): [string, object] => [name, { [name]: value }])
    ),
    // What a timer cannot wait it does not wait at all.
    ...["stallTimeout", "responseTimeout"].flatMap((name) =>
      [Infinity, 2 ** 31].map((value): [string, object] => [name, { [name]: value }])
    ),
    ["chunkSize", { chunkSize: Infinity }],
    ["concurrency", { concurrency: 1.5 }],
    ["concurrency", { concurrency: 0.5 }],
    ["maxFiles", { maxFiles: 0.2 }]
  ])("throws at %s that is wrong: %o", async (name, options) => {
    await start()
    assert.throws(() => queue({ authorize: AUTHORIZE, ...options }), name)
  })

  it("takes what has no limit, and the longest that a timer can wait", async () => {
    await start()
    const none = { concurrency: Infinity, maxFiles: Infinity, maxSize: Infinity, keepFor: Infinity }
    const waits = { stallTimeout: 2 ** 31 - 1, responseTimeout: 2 ** 31 - 1 }
    const all = queue({ authorize: AUTHORIZE, ...none, ...waits })
    const over = idle(all)
    all.add(files(3))
    assert.deepStrictEqual(await over, { done: 3, failed: 0 })
  })

  it("throws at what is no file", async () => {
    await start()
    const path: unknown = "movie.mp4"
    assert.throws(() => upload(path as File, { authorize: AUTHORIZE }), "Blob")
  })
})

describe("secrets", () => {
  it("no event, failure, console or word holds the location", async () => {
    const lines: Array<string> = []
    for (const name of ["log", "warn", "error", "info", "debug"] as const) {
      vi.spyOn(console, name).mockImplementation((...parts) => {
        lines.push(parts.map((part) => inspect(part, { depth: 9 })).join(" "))
      })
    }
    const server = await panda()
    open(server.server)
    const faults = [
      Fault.status(503),
      Fault.move(),
      Fault.resetDuring({ after: 0.5 }),
      Fault.status(400, { body: "CANARY" })
    ]
    await Promise.all(faults.map((fault, skip) => server.inject({ route: "chunk", fault, skip })))
    const sending = upload(fileOf(100), { authorize: AUTHORIZE, chunkSize: 10 })
    const { told } = recorded(sending)
    const failure = await failureOf(sending.start())
    const secrets = (await server.sessions()).map(({ id }) => id)
    assert.isAbove(secrets.length, 0)
    const all = [...lines, ...told, inspect(failure, { depth: 9 }), JSON.stringify(failure), failure.stack].join("\n")
    for (const secret of [...secrets, "upload/session", "CANARY"]) assert.notInclude(all, secret)
  })
})

describe("sentences", () => {
  it.each(Object.keys(sentences) as ReadonlyArray<Code>)("%s says what to do, in one line", (code) => {
    const text = sentences[code]({ name: "movie.mp4", status: 500, limit: 5 * MIB, told: "so" })
    assert.match(text, /^[A-Z\w].*[a-z).]$/)
    assert.notInclude(text, "undefined")
    assert.notInclude(sentences[code]({ name: "movie.mp4" }), "undefined")
  })

  it.each([[0, "0 bytes"], [999, "999 bytes"], [1000, "1.0 kB"], [5_242_880, "5.2 MB"], [123_456_789, "123 MB"], [
    9e15,
    "9000 TB"
  ]])(
    "%i bytes are %s",
    (bytes, text) => {
      assert.strictEqual(sizeOf(bytes), text)
    }
  )
})
