import * as Headers from "@effect/platform/Headers"
import { RequestError, ResponseError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import { Cause, DateTime, Duration, Effect, Option, Schema } from "effect"
import { type Answer, fromAnswer, fromHttpClientError, fromParseError } from "effect-panda/internal/http/answer"
import { isPandaError, type PandaError } from "effect-panda/PandaError"
import { inspect } from "node:util"
import { oneLineWithAdvice } from "../client/advice.js"

const CANARY = "canary-0123456789"

const now = DateTime.unsafeMake("2026-11-22T12:00:00Z")

const answer = (status: number, body: unknown = "", headers: Record<string, string> = {}): Answer => ({
  status,
  headers: Headers.fromInput(headers),
  text: typeof body === "string" ? body : JSON.stringify(body)
})

const map = (status: number, body?: unknown, headers?: Record<string, string>) =>
  Option.getOrThrow(fromAnswer("Videos.find", answer(status, body, headers), now))

describe("fromAnswer", () => {
  const table: ReadonlyArray<[what: string, got: Answer, expected: Record<string, unknown>]> = [
    ["400 of an unknown format", answer(400, { error: "BadRequest", message: "Currently only .json" }), {
      _tag: "PandaRejected",
      status: 400,
      error: "BadRequest",
      description: "Currently only .json",
      isRetryable: false
    }],
    ["401 mismatch", answer(401, { error: "NotAuthorized", message: "Signatures do not match" }), {
      _tag: "PandaAuthError",
      reason: "SignatureMismatch",
      error: "NotAuthorized",
      isRetryable: false
    }],
    ["401 expired", answer(401, { error: "NotAuthorized", message: "Signatures expired" }), {
      _tag: "PandaAuthError",
      reason: "SignatureExpired"
    }],
    ["401 without a word", answer(401), { _tag: "PandaAuthError", reason: "Unknown", error: undefined, body: "" }],
    ["404", answer(404, { error: "RecordNotFound", message: "Couldn't find Video with ID=X" }), {
      _tag: "PandaNotFound",
      status: 404,
      error: "RecordNotFound",
      description: "Couldn't find Video with ID=X",
      isRetryable: false
    }],
    ["404 of a proxy", answer(404, "<html>nothing</html>"), {
      _tag: "PandaNotFound",
      error: undefined,
      body: "<html>nothing</html>"
    }],
    ["408", answer(408), { _tag: "PandaRejected", isRetryable: true }],
    ["411", answer(411), { _tag: "PandaRejected", status: 411, isRetryable: false }],
    [
      "413",
      answer(413, {
        error: "FileSizeLimitExceeded",
        message: "File size limit for this account is set to 10485760 bytes"
      }),
      { _tag: "PandaFileTooLarge", limit: 10_485_760, isRetryable: false }
    ],
    ["413 without a limit", answer(413, "too large"), { _tag: "PandaFileTooLarge", limit: undefined }],
    ["417", answer(417), { _tag: "PandaRejected", status: 417 }],
    ["429", answer(429), { _tag: "PandaRateLimited", retryAfter: undefined, isRetryable: true }],
    ["302", answer(302, "", { location: `https://${CANARY}` }), {
      _tag: "PandaRejected",
      status: 302,
      message:
        "Videos.find: Panda answered 302. It is a redirect, which is not followed. Set the host to the one that it leads to, and check the protocol"
    }],
    ["500 as JSON", answer(500, { error: "InternalError", message: "boom" }), {
      _tag: "PandaServerError",
      status: 500,
      error: "InternalError",
      description: "boom",
      isRetryable: true
    }],
    ["500 as HTML", answer(500, "<html>\n<h1>Oops</h1></html>"), {
      _tag: "PandaServerError",
      error: undefined,
      description: undefined,
      body: "<html> <h1>Oops</h1></html>"
    }],
    ["500, empty", answer(500), { _tag: "PandaServerError", body: "" }],
    ["503", answer(503), { _tag: "PandaServerError", status: 503, retryAfter: undefined }],
    ["200 NotAuthorized", answer(200, { error: "NotAuthorized", message: "Signatures expired" }), {
      _tag: "PandaAuthError",
      status: 200,
      reason: "SignatureExpired"
    }],
    ["200 RecordNotFound", answer(200, { error: "RecordNotFound" }), { _tag: "PandaNotFound", status: 200 }],
    ["200 FileSizeLimitExceeded", answer(200, { error: "FileSizeLimitExceeded", message: "set to 5 bytes" }), {
      _tag: "PandaFileTooLarge",
      limit: 5
    }],
    ["200 InternalError", answer(200, { error: "InternalError" }), { _tag: "PandaServerError", status: 200 }],
    ["201 BadRequest", answer(201, { error: "BadRequest", message: null }), {
      _tag: "PandaRejected",
      status: 201,
      description: undefined
    }],
    ["200 with an unknown name", answer(200, { error: "S3AccessManagerError", message: "The bucket is not found" }), {
      _tag: "PandaRejected",
      error: "S3AccessManagerError",
      description: "The bucket is not found"
    }],
    ["200 with a name of Object.prototype", answer(200, { error: "constructor" }), { _tag: "PandaRejected" }],
    ["a status that says more than its error", answer(404, { error: "InternalError" }), { _tag: "PandaNotFound" }],
    ["a numeric error", answer(200, { error: 1234, message: { not: "text" } }), {
      _tag: "PandaRejected",
      error: "1234",
      description: undefined
    }],
    ...[true, 7, { name: "RecordNotFound" }, [{ code: 1 }]].map((
      error
    ): [string, Answer, Record<string, unknown>] => [
      `200 with the error ${JSON.stringify(error)}`,
      answer(200, { error }),
      {
        _tag: "PandaRejected",
        error: typeof error === "string" ? error : JSON.stringify(error)
      }
    ])
  ]

  it.each(table)("%s", (_, got, expected) => {
    const error = Option.getOrThrow(fromAnswer("Videos.find", got, now))
    assert.deepInclude(
      { ...error, _tag: error._tag, isRetryable: error.isRetryable, message: error.message },
      expected as never
    )
    assert.strictEqual(error.operation, "Videos.find")
    assert.include(error.message, `Videos.find: Panda answered ${got.status}`)
    oneLineWithAdvice(error.message)
    assert.isTrue(isPandaError(error))
  })

  it("an answer that is no error is none", () => {
    for (
      const body of [
        "",
        "[]",
        "{}",
        "<html>",
        { id: "1", error_class: "S3Error" },
        { error: null },
        { error: false },
        { message: "an error" },
        { deleted: "ok" },
        "42"
      ]
    ) {
      for (const status of [200, 201, 204, 299]) {
        assert.isTrue(Option.isNone(fromAnswer("x", answer(status, body), now)), `${status} ${String(body)}`)
      }
    }
  })

  it("takes the server's clock from its Date", () => {
    const date = "Sun, 22 Nov 2026 12:06:00 GMT"
    const timeIn = (headers: Record<string, string>) => {
      const error = map(401, { error: "NotAuthorized", message: "Signatures expired" }, headers)
      return error._tag === "PandaAuthError" ? error.serverTime : undefined
    }
    assert.strictEqual(timeIn({ date })?.epochMillis, Date.UTC(2026, 10, 22, 12, 6))
    assert.strictEqual(timeIn({ date: "Sunday, 22-Nov-26 12:06:00 GMT" })?.epochMillis, Date.UTC(2026, 10, 22, 12, 6))
    assert.isUndefined(timeIn({ date: "1795348800" }))
    assert.isUndefined(timeIn({ date: "yesterday" }))
    assert.isUndefined(timeIn({}))
  })

  const retryAfters: ReadonlyArray<[string, number | undefined]> = [
    ["0", 0],
    ["7", 7000],
    [" 7 ", 7000],
    ["30", 30_000],
    ["31", 30_000],
    ["99999999999999999999", 30_000],
    ["Sun, 22 Nov 2026 12:00:12 GMT", 12_000],
    ["Sunday, 22-Nov-26 12:00:12 GMT", 12_000],
    ["Sun, 22 Nov 2026 13:00:00 GMT", 30_000],
    ["Sun, 22 Nov 2026 11:59:00 GMT", 0],
    ["-1", undefined],
    ["1.5", undefined],
    ["soon", undefined],
    ["2026", 30_000],
    ["", undefined]
  ]
  it.each(retryAfters)("Retry-After: %s is %s ms", (text, millis) => {
    for (const status of [429, 500, 503]) {
      const error = map(status, "", { "Retry-After": text })
      assert.isTrue(error._tag === "PandaRateLimited" || error._tag === "PandaServerError")
      const retryAfter = "retryAfter" in error ? error.retryAfter : undefined
      assert.strictEqual(retryAfter && Duration.toMillis(retryAfter), millis)
    }
    oneLineWithAdvice(map(429, "", { "Retry-After": text }).message)
  })

  it("bounds and cleans all that the server wrote", () => {
    const long = "word\n".repeat(10_000)
    const error = map(400, { error: long, message: long })
    oneLineWithAdvice(error.message)
    assert.isBelow(error.message.length, 800)
    assert.isAtMost(error.body!.length, 301)
    assert.notMatch(error.body! + error.error! + error.description!, /[\r\n]/)
  })

  it("does not repeat secrets that the server echoes", () => {
    const echoes = [
      `signature=${CANARY}&x=1`,
      `"token": "${CANARY}"`,
      `{"access_key":"${CANARY}"}`,
      `aws_secret_key = ${CANARY}`,
      `signature%3D${CANARY}`,
      `SIGNATURE:'${CANARY}'`,
      `no such token clou_${CANARY.replace("-", "_")}`,
      `Parameters: {"signature"=>"${CANARY}", :token => '${CANARY}'}`,
      `GET https://vm-1.upload.example/upload/session?id=${CANARY} failed`,
      `Cannot PUT /upload/session?id=${CANARY}`,
      `http:\\/\\/vm-1.upload.example\\/upload?id=${CANARY}`,
      `url=http%3A%2F%2Fvm-1.upload.example%2Fupload%3Fid%3D${CANARY}`,
      `{"id":"1","location":"/upload/${CANARY}"}`,
      `{"encryption_key":"${CANARY}"}`,
      `%7B%22aws_secret_key%22%3A%22${CANARY}%22%7D`,
      `<pre>Parameters: {&quot;signature&quot;=&gt;&quot;${CANARY}&quot;}</pre>`,
      `{:token=>"${CANARY}"}`,
      `${"x".repeat(299)} signature=${CANARY}`
    ]
    for (const echo of echoes) {
      for (const body of [echo, { error: echo, message: echo }]) {
        const error = map(500, body)
        const shown = inspect(error) + error.message + JSON.stringify(error)
        assert.notInclude(shown.replaceAll("_", "-"), CANARY, echo)
      }
    }
    assert.include(map(500, "signature=x, the bucket is gone").body!, "the bucket is gone")
  })
})

describe("fromParseError", () => {
  const decode = (text: string) =>
    Effect.map(
      Effect.flip(
        Schema.decode(Schema.parseJson(Schema.Array(Schema.Struct({ id: Schema.String, width: Schema.Number }))))(text)
      ),
      (error) => fromParseError("Videos.list", { status: 200, text }, error)
    )

  it.effect("names the place, and keeps the beginning of the body", () =>
    Effect.gen(function*() {
      const error = yield* decode(`[{"id":"1","width":1},{"id":"2","width":"wide"}]`)
      assert.deepInclude({ ...error }, {
        operation: "Videos.list",
        status: 200,
        path: ["1", "width"],
        description: "is not what the contract says",
        body: `[{"id":"1","width":1},{"id":"2","width":"wide"}]`
      })
      assert.include(error.message, "Videos.list: the answer at 1.width is not what the contract says")
      assert.isFalse(error.isRetryable)
      const missing = yield* decode(`[{"width":1}]`)
      assert.deepStrictEqual(missing.path, ["0", "id"])
      assert.include(missing.message, "at 0.id is missing")
    }))

  it.effect.each(["<html><body>Welcome to the proxy</body></html>", "{\"id\":", "nul"])(
    "%s is not JSON",
    (text) =>
      Effect.gen(function*() {
        const error = yield* decode(text)
        assert.deepStrictEqual(error.path, [])
        assert.strictEqual(error.body, text)
        oneLineWithAdvice(error.message)
      })
  )

  it.effect("an empty body is called that", () =>
    Effect.gen(function*() {
      for (const text of ["", " \n"]) {
        const error = yield* decode(text)
        assert.include(error.message, "Videos.list: the answer is empty.")
        assert.strictEqual(error.body, "")
      }
    }))
})

describe("fromHttpClientError", () => {
  const request = HttpClientRequest.get(`https://panda.example/v2/videos.json?signature=${CANARY}`)
  const host = "https://panda.example"

  const systemError = (code: string, syscall?: string) =>
    Object.assign(new Error(`${code} ${CANARY}`), { code, ...(syscall === undefined ? {} : { syscall }) })

  const failed = (cause?: unknown) =>
    fromHttpClientError("Videos.list", host, new RequestError({ request, reason: "Transport", cause }))

  const broken = (cause?: unknown) =>
    fromHttpClientError(
      "Videos.list",
      host,
      new ResponseError({
        request,
        response: HttpClientResponse.fromWeb(request, new Response("")),
        reason: "Decode",
        cause
      })
    )

  // The innermost error tells; the codes are those of Node's sockets, of undici, of TLS and of Bun.
  const table: ReadonlyArray<[string, PandaError, string, boolean]> = [
    ["ECONNREFUSED", failed(systemError("ECONNREFUSED", "connect")), "Connect", false],
    [
      "ECONNREFUSED of fetch",
      failed(new TypeError("fetch failed", { cause: systemError("ECONNREFUSED") })),
      "Connect",
      false
    ],
    ["ENOTFOUND", failed(systemError("ENOTFOUND", "getaddrinfo")), "Connect", false],
    ["EAI_AGAIN", failed(systemError("EAI_AGAIN")), "Connect", false],
    ["EHOSTUNREACH", failed(systemError("EHOSTUNREACH")), "Connect", false],
    ["ETIMEDOUT while connecting", failed(systemError("ETIMEDOUT", "connect")), "Connect", false],
    ["UND_ERR_CONNECT_TIMEOUT", failed(systemError("UND_ERR_CONNECT_TIMEOUT")), "Connect", false],
    [
      "connects that all failed",
      failed(new AggregateError([systemError("ETIMEDOUT", "connect"), systemError("ENETUNREACH", "connect")])),
      "Connect",
      false
    ],
    [
      "connects that all failed, within others",
      failed(
        new TypeError("fetch failed", {
          cause: Object.assign(
            new AggregateError([
              new Error("IPv6", { cause: systemError("ECONNREFUSED") }),
              new AggregateError([systemError("ETIMEDOUT", "connect")])
            ]),
            { code: "ETIMEDOUT" }
          )
        })
      ),
      "Connect",
      false
    ],
    [
      "connects of which one did not fail as such",
      failed(
        Object.assign(new AggregateError([systemError("ECONNREFUSED", "connect"), systemError("ECONNRESET", "read")]), {
          code: "ECONNREFUSED"
        })
      ),
      "Interrupted",
      true
    ],
    [
      "connects of which one failed for no known reason",
      failed(Object.assign(new AggregateError([systemError("ECONNREFUSED"), new Error()]), { code: "ECONNREFUSED" })),
      "Other",
      true
    ],
    ["none of several", failed(Object.assign(new AggregateError([]), { code: "ECONNREFUSED" })), "Connect", false],
    [
      "a connection that ends before it is secure",
      failed(
        Object.assign(
          new Error("Client network socket disconnected before secure TLS connection was established"),
          { code: "ECONNRESET" }
        )
      ),
      "Connect",
      false
    ],
    ["a server without TLS", failed(systemError("ERR_SSL_WRONG_VERSION_NUMBER")), "Connect", false],
    ...[
      "CERT_HAS_EXPIRED",
      "CERT_NOT_YET_VALID",
      "CERT_REVOKED",
      "CERT_UNTRUSTED",
      "ERR_TLS_CERT_ALTNAME_INVALID",
      "HOSTNAME_MISMATCH",
      "DEPTH_ZERO_SELF_SIGNED_CERT",
      "SELF_SIGNED_CERT_IN_CHAIN",
      "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      "INVALID_PURPOSE"
    ].flatMap((code): Array<[string, PandaError, string, boolean]> => [
      [code, failed(systemError(code)), "Certificate", false],
      [`${code} of fetch`, failed(new TypeError("fetch failed", { cause: systemError(code) })), "Certificate", false]
    ]),
    [
      "a certificate in the words of Deno",
      failed(new TypeError("error sending request", { cause: new Error("invalid peer certificate: Expired") })),
      "Certificate",
      false
    ],
    [
      "a redirect of fetch",
      failed(new TypeError("fetch failed", { cause: new Error("unexpected redirect") })),
      "Redirect",
      true
    ],
    ["a redirect of Bun", failed(systemError("UnexpectedRedirect")), "Redirect", true],
    ["ETIMEDOUT", failed(systemError("ETIMEDOUT", "read")), "Timeout", true],
    ["UND_ERR_HEADERS_TIMEOUT", failed(systemError("UND_ERR_HEADERS_TIMEOUT")), "Timeout", true],
    ["UND_ERR_BODY_TIMEOUT", broken(systemError("UND_ERR_BODY_TIMEOUT")), "Timeout", true],
    ["ECONNRESET", failed(systemError("ECONNRESET", "read")), "Interrupted", true],
    ["EPIPE", failed(systemError("EPIPE", "write")), "Interrupted", true],
    ["UND_ERR_SOCKET", failed(new TypeError("x", { cause: systemError("UND_ERR_SOCKET") })), "Interrupted", true],
    ["a body that ends early", broken(), "Interrupted", true],
    ["ECONNRESET in the body", broken(systemError("ECONNRESET")), "Interrupted", true],
    ["an unknown code", failed(systemError("EWHATEVER")), "Other", true],
    ["no code", failed(new TypeError("fetch failed")), "Other", true],
    ["no cause", failed(), "Other", true],
    ["text for a cause", failed("ECONNREFUSED"), "Other", true]
  ]

  it.each(table)("%s", (_, error, reason, ambiguous) => {
    assert.strictEqual(error._tag, "PandaTransportError")
    assert.deepInclude({ ...error }, { reason, ambiguous, host } as never)
    assert.strictEqual(error.isRetryable, reason !== "Certificate" && reason !== "Redirect")
    assert.match(error.message, /^Videos\.list: .*https:\/\/panda\.example/)
    oneLineWithAdvice(error.message)
    for (
      const text of [
        error.message,
        String(error),
        JSON.stringify(error),
        inspect(error),
        Cause.pretty(Cause.fail(error))
      ]
    ) {
      assert.notInclude(text, CANARY)
    }
  })

  it("a cause that is its own cause", () => {
    const cause: { cause?: unknown } = {}
    cause.cause = cause
    assert.deepInclude({ ...failed(cause) }, { reason: "Other" } as never)
  })

  it("a request that has no form was never sent", () => {
    for (const reason of ["InvalidUrl", "Encode"] as const) {
      const error = fromHttpClientError("Videos.list", host, new RequestError({ request, reason }))
      assert.strictEqual(error._tag, "PandaInputError")
      assert.include(error.message, host)
      assert.notInclude(inspect(error), CANARY)
    }
  })
})
