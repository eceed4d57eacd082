import { assert, describe, it } from "@effect/vitest"
import { Cause, DateTime, Duration, Effect, Either, Exit, FastCheck, Option, Redacted, Schema } from "effect"
import * as E from "effect-panda/PandaError"
import type * as UploadState from "effect-panda/UploadState"
import { inspect } from "node:util"
import { oneLineWithAdvice } from "./client/advice.js"

const now = DateTime.unsafeMake("2026-11-22T12:00:00Z")

describe("the variants", () => {
  const fields = { operation: "Videos.find", status: 400, error: "Name", description: "words", body: "{}" }
  const api: ReadonlyArray<E.PandaError> = [
    new E.PandaInputError({ operation: "Videos.find", parameter: "id", description: "is empty: pass an id" }),
    new E.PandaInputError({ operation: "Credentials", description: "host is no host: pass one" }),
    new E.PandaAuthError({ ...fields, reason: "SignatureExpired", serverTime: now }),
    new E.PandaAuthError({ ...fields, reason: "Unknown" }),
    new E.PandaNotFound(fields),
    new E.PandaRejected(fields),
    new E.PandaFileTooLarge({ ...fields, limit: 10 }),
    new E.PandaRateLimited({ ...fields, retryAfter: Duration.seconds(3) }),
    new E.PandaServerError(fields),
    new E.PandaDecodeError({ operation: "Videos.find", status: 200, path: ["id"], description: "is missing" }),
    ...(["Connect", "Timeout", "Interrupted", "Other"] as const).map((reason) =>
      new E.PandaTransportError({ operation: "Videos.find", reason, ambiguous: true, host: "https://h", code: "ECODE" })
    )
  ]
  const upload: ReadonlyArray<E.UploadError> = [
    ...(["Unreadable", "Empty", "Changed", "TooShort", "CannotRewind"] as const).map((reason) =>
      new E.PandaSourceError({ operation: "Upload", reason, file: "movie.mp4", description: "EACCES" })
    ),
    new E.PandaSourceError({ operation: "Upload", reason: "Empty", file: "movie.mp4" }),
    new E.PandaSessionExpired({ operation: "Upload", status: 410 }),
    new E.PandaUploadRejected(fields),
    new E.PandaUploadProtocolError({ operation: "Upload", status: 204, description: "the Range is beyond the size" }),
    ...(["RetriesExhausted", "NoProgress", "NotFinalized"] as const).map((reason) =>
      new E.PandaUploadStalled({ operation: "Upload", reason, attempts: 4, cause: new Error("reset") })
    ),
    new E.PandaUploadStalled({ operation: "Upload", reason: "NoProgress", attempts: 4 })
  ]

  it("each has one line that says what to do, and names its operation", () => {
    for (const error of [...api, ...upload]) {
      oneLineWithAdvice(error.message)
      assert.isTrue(error.message.startsWith(`${error.operation}: `), error.message)
      assert.isBoolean(error.isRetryable)
      assert.instanceOf(error, Error)
    }
    assert.deepStrictEqual(api.filter(({ isRetryable }) => isRetryable).map(({ _tag }) => _tag), [
      "PandaRateLimited",
      "PandaServerError",
      ...Array(4).fill("PandaTransportError")
    ])
    assert.include(api[7]!.message, "Wait 3s")
    assert.include(upload.at(-2)!.message, "4 attempts: reset. ")
  })

  it("each keeps to its line, whatever is in it", () => {
    const foreign = `\u001b[2J\u0000a\r\nb\u0085c\u2028d\u202ee\u2066f ${"𝄞".repeat(5000)}\ud800`
    const hostile = { ...fields, error: foreign, description: foreign, body: foreign }
    const operation = "Upload"
    const errors = [
      new E.PandaInputError({ operation, parameter: foreign, description: "pass text" }),
      new E.PandaAuthError({ ...hostile, reason: "Unknown" }),
      new E.PandaRejected(hostile),
      new E.PandaUploadRejected(hostile),
      new E.PandaTransportError({ operation, reason: "Connect", ambiguous: false, host: foreign }),
      new E.PandaDecodeError({ operation, status: 200, path: [foreign, foreign], description: "is missing" }),
      new E.PandaSourceError({ operation, reason: "Empty", file: foreign }),
      new E.PandaUploadLocked({ operation, file: foreign }),
      new E.PandaStillProcessing({ operation, id: foreign }),
      new E.PandaEncodingFailed({
        operation,
        id: foreign,
        profile_name: foreign,
        error_class: foreign,
        error_message: foreign
      })
    ]
    for (const { _tag, message } of errors) {
      assert.notMatch(message, /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u, _tag)
      assert.isTrue(message.isWellFormed(), _tag)
      assert.include(message, "a b c d e f 𝄞", _tag)
      assert.isBelow(message.length, 1200, _tag)
    }
  })

  it("isPandaError and isUploadError tell them from all else", () => {
    for (const error of api) assert.isTrue(E.isPandaError(error) && E.isUploadError(error), error._tag)
    for (const error of upload) assert.isTrue(!E.isPandaError(error) && E.isUploadError(error), error._tag)
    for (const other of [undefined, null, new Error("x"), { _tag: "PandaNotFound", ...fields }, "PandaNotFound"]) {
      assert.isFalse(E.isPandaError(other))
      assert.isFalse(E.isUploadError(other))
    }
  })

  const ID = "0123456789abcdef-of-a-session"
  const LOCATION = `https://vm-1.example/upload/session?id=${ID}`

  /** Any text, and any state that an upload can be in. */
  const text = FastCheck.string({ unit: "grapheme" })
  const one = <A extends string>(...words: ReadonlyArray<A>) => FastCheck.constantFrom(...words)
  const optional = <A>(arbitrary: FastCheck.Arbitrary<A>) => FastCheck.option(arbitrary, { nil: undefined })
  const date = FastCheck.integer({ min: 0, max: 4e12 }).map((millis) => DateTime.unsafeMake(millis))
  const anyState: FastCheck.Arbitrary<UploadState.UploadState> = FastCheck.record({
    version: FastCheck.constant(1 as const),
    id: FastCheck.constantFrom(ID, "").map((id) => Redacted.make(id)),
    location: FastCheck.constant(Redacted.make(LOCATION)),
    name: text,
    fingerprint: FastCheck.record({ size: FastCheck.constant(2 ** 40), modified: optional(date), digest: text }),
    acknowledged: FastCheck.nat(),
    created: date,
    options: FastCheck.record({
      profiles: FastCheck.constantFrom(undefined, ["h264"], ["a", "b"]),
      use_all_profiles: optional(FastCheck.boolean()),
      path_format: FastCheck.constantFrom(undefined, "a/:id"),
      payload: FastCheck.constantFrom(undefined, "", "ä€𝄞")
    })
  })
  const operation = text
  const answered = {
    operation,
    status: FastCheck.integer({ min: 100, max: 599 }),
    error: optional(text),
    description: optional(text),
    body: optional(text)
  }
  const retryAfter = FastCheck.constantFrom(
    undefined,
    Duration.zero,
    Duration.millis(1.5),
    Duration.nanos(7n),
    Duration.infinity
  )
  const state = { state: optional(anyState) }
  const cause: FastCheck.Arbitrary<E.UploadError> = FastCheck.oneof(
    FastCheck.record({ operation, parameter: optional(text), description: text }).map((it) =>
      new E.PandaInputError(it)
    ),
    FastCheck.record({
      ...answered,
      reason: one("SignatureMismatch", "SignatureExpired", "Unknown"),
      serverTime: optional(date)
    }).map((it) => new E.PandaAuthError(it)),
    FastCheck.record(answered).map((it) => new E.PandaNotFound(it)),
    FastCheck.record(answered).map((it) => new E.PandaRejected(it)),
    FastCheck.record({ ...answered, limit: optional(FastCheck.nat()) }).map((it) => new E.PandaFileTooLarge(it)),
    FastCheck.record({ ...answered, retryAfter }).map((it) => new E.PandaRateLimited(it)),
    FastCheck.record({ ...answered, retryAfter }).map((it) => new E.PandaServerError(it)),
    FastCheck.record({
      operation,
      reason: one("Connect", "Certificate", "Redirect", "Timeout", "Interrupted", "Other"),
      ambiguous: FastCheck.boolean(),
      host: text,
      code: optional(text)
    }).map((it) => new E.PandaTransportError(it)),
    FastCheck.record({
      operation,
      status: answered.status,
      path: FastCheck.array(text),
      description: text,
      body: optional(text),
      encoding: optional(text)
    }).map((it) => new E.PandaDecodeError(it)),
    FastCheck.record({
      operation,
      reason: one("Unreadable", "Empty", "Changed", "TooShort", "CannotRewind"),
      file: text,
      description: optional(text),
      ...state
    }).map((it) => new E.PandaSourceError(it)),
    FastCheck.record({ operation, status: answered.status, ...state }).map((it) => new E.PandaSessionExpired(it)),
    FastCheck.record({ ...answered, ...state }).map((it) => new E.PandaUploadRejected(it)),
    FastCheck.record({ operation, status: answered.status, description: text, ...state })
      .map((it) => new E.PandaUploadProtocolError(it)),
    FastCheck.record({ operation, file: text, reason: one("Held", "Lost", "Newer") })
      .map((it) => new E.PandaUploadLocked(it))
  )
  const anyError: FastCheck.Arbitrary<E.UploadError> = FastCheck.oneof(
    { arbitrary: cause, weight: 4 },
    {
      arbitrary: FastCheck.record({
        operation,
        reason: one("RetriesExhausted", "NoProgress", "NotFinalized"),
        attempts: FastCheck.nat(),
        cause: FastCheck.oneof(cause, text.map((message) => new Error(message)), FastCheck.constant(undefined)),
        ...state
      }).map((it) => new E.PandaUploadStalled(it)),
      weight: 1
    }
  )

  it("every error survives the way through JSON, with the state to go on from, in a failed Exit too", () => {
    const seen = new Set<string>()
    const Errors = Schema.parseJson(E.UploadError)
    const Exits = Schema.parseJson(Schema.Exit({ failure: E.UploadError, success: Schema.Void, defect: Schema.Defect }))
    FastCheck.assert(
      FastCheck.property(anyError, (error) => {
        seen.add(error._tag)
        const json = Schema.encodeSync(Errors)(error)
        const there = Schema.decodeSync(Errors)(json)
        const { cause } = Exit.match(Schema.decodeSync(Exits)(Schema.encodeSync(Exits)(Exit.fail(error))), {
          onSuccess: () => assert.fail("it failed"),
          onFailure: (cause) => ({ cause: Option.getOrThrow(Cause.failureOption(cause)) })
        })
        for (const decoded of [there, cause]) {
          assert.strictEqual(decoded.constructor, error.constructor)
          assert.strictEqual(decoded.message, error.message)
          assert.strictEqual(decoded.isRetryable, error.isRetryable)
          assert.strictEqual(Schema.encodeSync(Errors)(decoded), json)
          assert.isTrue(E.isUploadError(decoded))
          if ("state" in error && error.state !== undefined) {
            const { id, location } = "state" in decoded && decoded.state !== undefined ? decoded.state : assert.fail()
            assert.strictEqual(Redacted.value(id), Redacted.value(error.state.id))
            assert.strictEqual(Redacted.value(location), LOCATION)
          }
        }
      }),
      { numRuns: 500 }
    )
    assert.deepStrictEqual(
      [...seen].sort(),
      E.UploadError.members.map(({ identifier }) => identifier.replace("effect-panda/", "")).sort()
    )
  })

  it("none shows a secret that is printed, or written as JSON by accident", () => {
    FastCheck.assert(FastCheck.property(anyError, (error) => {
      for (
        const shown of [
          String(error),
          JSON.stringify(error),
          JSON.stringify({ error: Exit.fail(error) }),
          inspect(error, { depth: Infinity, showHidden: true }),
          inspect(error, { depth: Infinity, customInspect: false }),
          Cause.pretty(Cause.fail(error), { renderErrorCause: true })
        ]
      ) {
        assert.notInclude(shown, ID)
      }
    }))
  })

  it.effect("the unions encode, and decode to the same errors; those of the API through JSON too", () =>
    Effect.gen(function*() {
      const same = (decoded: E.UploadError, error: E.UploadError) => {
        assert.strictEqual(decoded.constructor, error.constructor)
        assert.strictEqual(decoded.message, error.message)
        assert.deepStrictEqual({ ...decoded }, { ...error })
        assert.deepStrictEqual(decoded.cause, error.cause)
      }
      for (const error of [...api, ...upload]) {
        same(yield* Schema.decode(E.UploadError)(yield* Schema.encode(E.UploadError)(error)), error)
      }
      const Json = Schema.parseJson(E.PandaError)
      for (const error of api) {
        const decoded = yield* Schema.decode(Json)(yield* Schema.encode(Json)(error))
        assert.strictEqual(decoded.message, error.message)
        assert.strictEqual(decoded.isRetryable, error.isRetryable)
      }
      assert.isTrue(Either.isLeft(Schema.decodeUnknownEither(E.PandaError)({ _tag: "PandaOther", operation: "x" })))
    }))
})
