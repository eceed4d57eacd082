import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Either, Schema } from "effect"
import * as E from "effect-panda/PandaError"
import { oneLineWithAdvice } from "./client/advice.js"

const now = DateTime.unsafeMake("2026-11-22T12:00:00Z")

describe("the variants", () => {
  const state = undefined
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
      new E.PandaSourceError({ operation: "Upload", reason, file: "movie.mp4", state, description: "EACCES" })
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

  it.effect("the unions encode, and decode to the same errors; those of the API through JSON too", () =>
    Effect.gen(function*() {
      const same = (decoded: E.UploadError, error: E.UploadError) => {
        assert.strictEqual(decoded.constructor, error.constructor)
        assert.strictEqual(decoded.message, error.message)
        assert.deepStrictEqual({ ...decoded }, { ...error })
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
