/**
 * What can go wrong: one tagged error for each thing that a caller would do something else about.
 *
 * Every error has a one-line `message` that ends in what to do, the `operation` it happened in, and `isRetryable`. None
 * holds a request, a signature or a key.
 *
 * Printed, or written by `JSON.stringify`, an error shows no secret. Encoded on purpose, by the schemas `PandaError` and
 * `UploadError`, such as to reach another process, the error of an upload carries the `state` to go on from, with the
 * session's location in it: keep that where only its owner can read it.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { inLine } from "./internal/text/line.js"
import { UploadState } from "./UploadState.js"

/** What Panda answered. */
const response = {
  /** The operation's name, such as `Videos.find`. */
  operation: Schema.String,
  status: Schema.Int,
  /** Panda's name for the error, such as `RecordNotFound`. */
  error: Schema.optional(Schema.String),
  /** What Panda wrote about it. */
  description: Schema.optional(Schema.String),
  /** The beginning of the body, at most 300 characters, with secrets taken out. */
  body: Schema.optional(Schema.String)
}

/**
 * Where an upload stood: resuming from it continues at the acknowledged byte. Redacted as it is in memory, whole where an
 * error is encoded by its schema.
 */
const state = Schema.optional(UploadState)

const retryAfter = Schema.optional(Schema.Duration)

const answer = (
  self: { operation: string; status: number; error?: string | undefined; description?: string | undefined },
  advice: string
): string => {
  const said = [self.error, self.description].flatMap((text) => text ? [inLine(text)] : []).join(", ")
  return `${self.operation}: Panda answered ${self.status}${said === "" ? "" : ` ${said}`}. ${advice}`
}

/**
 * Refused before anything was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class PandaInputError extends Schema.TaggedError<PandaInputError>("effect-panda/PandaInputError")(
  "PandaInputError",
  {
    operation: Schema.String,
    /** The parameter or option at fault. */
    parameter: Schema.optional(Schema.String),
    /** What is wrong, and what to do. */
    description: Schema.String
  }
) {
  /**
   * Whether trying again later can help.
   *
   * @since 0.1.0
   */
  readonly isRetryable: boolean = false
  override get message(): string {
    const parameter = this.parameter === undefined ? "" : `${inLine(this.parameter)}: `
    return `${this.operation}: ${parameter}${this.description}`
  }
}

/**
 * 401: the signature does not match, has expired, or Panda did not say.
 *
 * @since 0.1.0
 * @category errors
 */
export class PandaAuthError extends Schema.TaggedError<PandaAuthError>("effect-panda/PandaAuthError")(
  "PandaAuthError",
  {
    ...response,
    reason: Schema.Literal("SignatureMismatch", "SignatureExpired", "Unknown"),
    /** The server's clock, when it told. */
    serverTime: Schema.optional(Schema.DateTimeUtc)
  }
) {
  /**
   * Whether trying again later can help.
   *
   * @since 0.1.0
   */
  readonly isRetryable: boolean = false
  override get message(): string {
    return answer(
      this,
      this.reason === "SignatureExpired"
        ? "Set this machine's clock"
        : "Check the access key, the secret key (or the token), the cloud and the region"
    )
  }
}

/**
 * 404: no such video, encoding, profile or cloud.
 *
 * @since 0.1.0
 * @category errors
 */
export class PandaNotFound extends Schema.TaggedError<PandaNotFound>("effect-panda/PandaNotFound")(
  "PandaNotFound",
  response
) {
  /**
   * Whether trying again later can help.
   *
   * @since 0.1.0
   */
  readonly isRetryable: boolean = false
  override get message(): string {
    return answer(this, "Check the id and that it belongs to this cloud")
  }
}

/**
 * Any other 4xx, or an `error` body on a 2xx; `error` is Panda's name for it.
 *
 * @since 0.1.0
 * @category errors
 */
export class PandaRejected extends Schema.TaggedError<PandaRejected>("effect-panda/PandaRejected")(
  "PandaRejected",
  response
) {
  /**
   * Whether trying again later can help.
   *
   * @since 0.1.0
   */
  get isRetryable(): boolean {
    return this.status === 408
  }
  override get message(): string {
    return this.status >= 300 && this.status < 400
      ? answer(this, `It is a redirect, which is not followed. ${redirectAdvice}`)
      : answer(this, "Change the request as Panda says")
  }
}

/**
 * 413: the file is larger than the account allows.
 *
 * @since 0.1.0
 * @category errors
 */
export class PandaFileTooLarge extends Schema.TaggedError<PandaFileTooLarge>("effect-panda/PandaFileTooLarge")(
  "PandaFileTooLarge",
  {
    ...response,
    /** Bytes, when Panda said. */
    limit: Schema.optional(Schema.Number)
  }
) {
  /**
   * Whether trying again later can help.
   *
   * @since 0.1.0
   */
  readonly isRetryable: boolean = false
  override get message(): string {
    return answer(this, "Use a smaller file or ask Panda for a larger limit")
  }
}

/**
 * 429: too many requests.
 *
 * @since 0.1.0
 * @category errors
 */
export class PandaRateLimited extends Schema.TaggedError<PandaRateLimited>("effect-panda/PandaRateLimited")(
  "PandaRateLimited",
  { ...response, retryAfter }
) {
  /**
   * Whether trying again later can help.
   *
   * @since 0.1.0
   */
  readonly isRetryable: boolean = true
  override get message(): string {
    return answer(this, `Wait ${wait(this.retryAfter)} and send fewer requests at a time`)
  }
}

/**
 * 5xx: Panda failed.
 *
 * @since 0.1.0
 * @category errors
 */
export class PandaServerError extends Schema.TaggedError<PandaServerError>("effect-panda/PandaServerError")(
  "PandaServerError",
  { ...response, retryAfter }
) {
  /**
   * Whether trying again later can help.
   *
   * @since 0.1.0
   */
  readonly isRetryable: boolean = true
  override get message(): string {
    return answer(this, `Try again in ${wait(this.retryAfter)}`)
  }
}

const wait = (retryAfter: Duration.Duration | undefined): string =>
  retryAfter === undefined || Duration.toMillis(retryAfter) === 0 ? "a while" : Duration.format(retryAfter)

/**
 * No whole answer came. `ambiguous` is true when the request may have been carried out all the same.
 *
 * @since 0.1.0
 * @category errors
 */
export class PandaTransportError extends Schema.TaggedError<PandaTransportError>("effect-panda/PandaTransportError")(
  "PandaTransportError",
  {
    operation: Schema.String,
    /**
     * `Certificate`: the server's is not accepted, `code` says why. `Redirect`: the server says that it is elsewhere, and
     * the HTTP layer does not tell where. Neither passes by itself.
     */
    reason: Schema.Literal("Connect", "Certificate", "Redirect", "Timeout", "Interrupted", "Other"),
    ambiguous: Schema.Boolean,
    /** Scheme, host and port that were talked to. */
    host: Schema.String,
    /** The platform's code, such as `ECONNREFUSED`. */
    code: Schema.optional(Schema.String)
  }
) {
  /**
   * Whether trying again later can help.
   *
   * @since 0.1.0
   */
  get isRetryable(): boolean {
    return this.reason !== "Certificate" && this.reason !== "Redirect"
  }
  override get message(): string {
    const code = this.code === undefined ? "" : ` (${inLine(this.code)})`
    const host = inLine(this.host)
    const [fault, advice] = certificateWords(this.code)
    const words = {
      Connect: `could not connect to ${host}${code}. Check the host, the network and any proxy`,
      Certificate: `the certificate of ${host} ${fault}${code}. ${advice}`,
      Redirect: `${host} answered with a redirect, which is not followed${code}. ${redirectAdvice}`,
      Timeout: `no answer from ${host} in time${code}. Try again, or allow more time`,
      Interrupted: `the connection to ${host} broke${code}. Try again`,
      Other: `the request to ${host} failed${code}. Check the network and try again`
    }
    return `${this.operation}: ${words[this.reason]}`
  }
}

const redirectAdvice = "Set the host to the one that it leads to, and check the protocol"

/** What is wrong with a certificate, and what to do about it. */
const certificateWords = (code = ""): readonly [fault: string, advice: string] => {
  switch (code) {
    case "CERT_HAS_EXPIRED":
      return ["has expired", "Let its owner renew it, or set this machine's clock"]
    case "CERT_NOT_YET_VALID":
      return ["is not valid yet", "Set this machine's clock"]
    case "CERT_REVOKED":
      return ["was revoked", "Let its owner renew it"]
    case "ERR_TLS_CERT_ALTNAME_INVALID":
    case "HOSTNAME_MISMATCH":
      return ["is for another host", "Check the host and any proxy"]
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
      return ["is self-signed", "Check the host and any proxy, or let this machine trust it"]
    default:
      return /^UNABLE_TO_(?:GET_ISSUER|VERIFY)/.test(code) || code === "CERT_UNTRUSTED"
        ? ["is by nobody whom this machine trusts", "Check the host and any proxy, or let this machine trust it"]
        : ["is not accepted", "Check the host and any proxy"]
  }
}

/**
 * A 2xx whose body is not what Panda documents.
 *
 * @since 0.1.0
 * @category errors
 */
export class PandaDecodeError extends Schema.TaggedError<PandaDecodeError>("effect-panda/PandaDecodeError")(
  "PandaDecodeError",
  {
    operation: Schema.String,
    status: Schema.Int,
    /** Where in the body the mismatch is; empty for a body that is not JSON. */
    path: Schema.Array(Schema.String),
    description: Schema.String,
    body: Schema.optional(Schema.String),
    /** What the body is compressed with, where that is why it cannot be read. */
    encoding: Schema.optional(Schema.String)
  }
) {
  /**
   * Whether trying again later can help.
   *
   * @since 0.1.0
   */
  readonly isRetryable: boolean = false
  override get message(): string {
    const place = this.path.length === 0 ? "the answer" : `the answer at ${inLine(this.path.join("."))}`
    const advice = this.encoding === undefined
      ? "Check that the host is Panda's; if it is, report this"
      : "Let no proxy compress answers that were asked for as they are"
    return `${this.operation}: ${place} ${this.description}. ${advice}`
  }
}

/**
 * The source of an upload cannot be read, is empty, or is no longer what it was.
 *
 * @since 0.1.0
 * @category upload errors
 */
export class PandaSourceError extends Schema.TaggedError<PandaSourceError>("effect-panda/PandaSourceError")(
  "PandaSourceError",
  {
    operation: Schema.String,
    reason: Schema.Literal("Unreadable", "Empty", "Changed", "TooShort", "CannotRewind"),
    /** The name of the source. */
    file: Schema.String,
    description: Schema.optional(Schema.String),
    state
  }
) {
  /**
   * Whether trying again later can help.
   *
   * @since 0.1.0
   */
  readonly isRetryable: boolean = false
  override get message(): string {
    const words = {
      Unreadable: "cannot be read. Check the path and the permissions",
      Empty: "is empty. Panda cannot encode nothing: choose another file",
      Changed: "has changed since the upload began. Start a new upload, or set onChanged to restart",
      TooShort: "ended before its size. Let nothing write to it, then start a new upload",
      CannotRewind: "cannot be read again from where the server needs it. Start a new upload from its beginning"
    }
    const detail = this.description === undefined ? "" : ` (${this.description})`
    return `${this.operation}: ${inLine(this.file)} ${words[this.reason]}${detail}`
  }
}

/**
 * The session is gone: 404 or 410 on its location.
 *
 * @since 0.1.0
 * @category upload errors
 */
export class PandaSessionExpired extends Schema.TaggedError<PandaSessionExpired>("effect-panda/PandaSessionExpired")(
  "PandaSessionExpired",
  { operation: Schema.String, status: Schema.Int, state }
) {
  /**
   * Whether trying again later can help.
   *
   * @since 0.1.0
   */
  readonly isRetryable: boolean = false
  override get message(): string {
    return `${this.operation}: the upload session is gone (${this.status}). Start a new upload, or set onExpired to restart`
  }
}

/** What to do where nothing is said against the session itself. */
const adviceOn: { readonly [status: number]: string } = {
  401: "Add what the upload server or a proxy wants to see (transformRequest), then resume",
  402: "Settle what is to be paid, then resume",
  407: "Sign in to the proxy (transformRequest), then resume",
  423: "End whoever else sends to this session, then resume"
}

/**
 * The upload server refused: another 4xx on the location, or an `error` body.
 *
 * @since 0.1.0
 * @category upload errors
 */
export class PandaUploadRejected extends Schema.TaggedError<PandaUploadRejected>("effect-panda/PandaUploadRejected")(
  "PandaUploadRejected",
  { ...response, state }
) {
  /**
   * Whether trying again later can help.
   *
   * @since 0.1.0
   */
  readonly isRetryable: boolean = false
  override get message(): string {
    return answer(this, adviceOn[this.status] ?? "Change the upload as Panda says, then start a new one")
  }
}

/**
 * The upload server broke the protocol: a Range beyond what was sent, an answer that is neither progress nor a video,
 * a location that must not be followed.
 *
 * @since 0.1.0
 * @category upload errors
 */
export class PandaUploadProtocolError
  extends Schema.TaggedError<PandaUploadProtocolError>("effect-panda/PandaUploadProtocolError")(
    "PandaUploadProtocolError",
    { operation: Schema.String, status: Schema.Int, description: Schema.String, state }
  )
{
  /**
   * Whether trying again later can help.
   *
   * @since 0.1.0
   */
  readonly isRetryable: boolean = false
  override get message(): string {
    return `${this.operation}: ${this.description} (status ${this.status}). Check that nothing between rewrites the answers, then resume`
  }
}

/**
 * The upload is not ours: another process is at it, or took it over, or a newer version of this library began it.
 *
 * @since 0.1.0
 * @category upload errors
 */
export class PandaUploadLocked extends Schema.TaggedError<PandaUploadLocked>("effect-panda/PandaUploadLocked")(
  "PandaUploadLocked",
  {
    operation: Schema.String,
    file: Schema.String,
    /**
     * `Held`: another is uploading it. `Lost`: we were, but were not heard of for so long that another took over.
     * `Newer`: what is kept of it was written by a newer version of this library, and is left as it is.
     */
    reason: Schema.optionalWith(Schema.Literal("Held", "Lost", "Newer"), { default: () => "Held" })
  }
) {
  /**
   * Whether trying again later can help.
   *
   * @since 0.1.0
   */
  get isRetryable(): boolean {
    return this.reason !== "Newer"
  }
  override get message(): string {
    const words = {
      Held: "is being uploaded by another process. Wait for it, or end it",
      Lost:
        "was taken over by another process, which took this one for dead. Leave it to that one, or start again later",
      Newer: "was begun by a newer version of effect-panda. Update this one, or go on with that one"
    }
    return `${this.operation}: ${inLine(this.file)} ${words[this.reason]}`
  }
}

/** What gave up is said in the same words, in another process too; whatever else made it is kept as text. */
const Cause = Schema.suspend((): Schema.Schema<unknown, unknown> => Schema.Union(...causes, Schema.Defect))

/**
 * The upload came no further. Resume from `state` when the cause is gone.
 *
 * @since 0.1.0
 * @category upload errors
 */
export class PandaUploadStalled extends Schema.TaggedError<PandaUploadStalled>("effect-panda/PandaUploadStalled")(
  "PandaUploadStalled",
  {
    operation: Schema.String,
    /**
     * `RetriesExhausted`: the last failures were errors. `NoProgress`: the server answered, but took nothing more.
     * `NotFinalized`: the server has every byte but makes no video.
     */
    reason: Schema.Literal("RetriesExhausted", "NoProgress", "NotFinalized"),
    /** Failures in a row. */
    attempts: Schema.Int,
    /** The last failure, if it was an error. */
    cause: Schema.optional(Cause),
    state
  }
) {
  /**
   * Whether trying again later can help.
   *
   * @since 0.1.0
   */
  readonly isRetryable: boolean = true
  override get message(): string {
    const words = {
      RetriesExhausted: `gave up after ${this.attempts} failures in a row`,
      NoProgress: `the server took no more bytes in ${this.attempts} attempts`,
      NotFinalized: `the server has every byte but made no video in ${this.attempts} attempts`
    }
    const cause = this.cause instanceof Error ? `: ${this.cause.message}` : ""
    const advice = this.state === undefined ? "Try again later" : "Resume from the state later"
    return `${this.operation}: ${words[this.reason]}${cause}. ${advice}`
  }
}

/**
 * An encoding failed, or the source of its video; only who asks for it gets this instead of the encoding.
 *
 * @since 0.1.0
 * @category waiting errors
 */
export class PandaEncodingFailed extends Schema.TaggedError<PandaEncodingFailed>("effect-panda/PandaEncodingFailed")(
  "PandaEncodingFailed",
  {
    operation: Schema.String,
    /** The encoding's id, or the video's. */
    id: Schema.String,
    /** Whether it is the source of the video that failed, of which nothing can be encoded then. */
    ofVideo: Schema.optional(Schema.Boolean),
    profile_name: Schema.optional(Schema.String),
    /** Such as `FormatNotRecognised`; an open set. */
    error_class: Schema.optional(Schema.String),
    error_message: Schema.optional(Schema.String)
  }
) {
  /**
   * Whether trying again later can help.
   *
   * @since 0.1.0
   */
  readonly isRetryable: boolean = false
  override get message(): string {
    const why = inLine([this.error_class, this.error_message].filter((text) => text !== undefined).join(", "))
    const profile = this.profile_name === undefined ? "" : ` (${inLine(this.profile_name)})`
    const what = this.ofVideo === true
      ? `the source of video ${inLine(this.id)}`
      : `encoding ${inLine(this.id)}${profile}`
    return `${this.operation}: ${what} failed: ${why || "Panda does not say why"}. ${
      this.ofVideo === true ? "Mend the source, then create the video anew" : "Mend the cause, then use Encodings.retry"
    }`
  }
}

/**
 * The waiting came to its end, by its timeout or its schedule, before Panda did.
 *
 * @since 0.1.0
 * @category waiting errors
 */
export class PandaStillProcessing extends Schema.TaggedError<PandaStillProcessing>("effect-panda/PandaStillProcessing")(
  "PandaStillProcessing",
  { operation: Schema.String, id: Schema.String }
) {
  /**
   * Whether trying again later can help.
   *
   * @since 0.1.0
   */
  readonly isRetryable: boolean = true
  override get message(): string {
    return `${this.operation}: Panda is still working on ${inLine(this.id)}. Wait again, or longer`
  }
}

/**
 * What an operation of the API can fail with.
 *
 * @since 0.1.0
 * @category models
 */
export type PandaError = typeof PandaError.Type

/**
 * The errors of the API as one schema, by which they get to another process and back.
 *
 * @since 0.1.0
 * @category schemas
 */
export const PandaError = Schema.Union(
  PandaInputError,
  PandaAuthError,
  PandaNotFound,
  PandaRejected,
  PandaFileTooLarge,
  PandaRateLimited,
  PandaServerError,
  PandaTransportError,
  PandaDecodeError
)

/** All but `PandaUploadStalled`, which does not come of itself. */
const causes = [
  ...PandaError.members,
  PandaSourceError,
  PandaSessionExpired,
  PandaUploadRejected,
  PandaUploadProtocolError,
  PandaUploadLocked
] as const

/**
 * What an upload can fail with.
 *
 * @since 0.1.0
 * @category models
 */
export type UploadError = typeof UploadError.Type

/**
 * The errors of uploads as one schema, those of the API included. What is encoded by it is JSON and, decoded, the same
 * error with the same `state` to go on from. So it has the session's location in plain text: whoever reads it can write to
 * the session.
 *
 * @since 0.1.0
 * @category schemas
 */
export const UploadError = Schema.Union(...causes, PandaUploadStalled)

/**
 * Whether it is an error of an operation.
 *
 * @since 0.1.0
 * @category guards
 */
export const isPandaError: (u: unknown) => u is PandaError = Schema.is(PandaError)

/**
 * Whether it is an error of an upload or of an operation.
 *
 * @since 0.1.0
 * @category guards
 */
export const isUploadError: (u: unknown) => u is UploadError = Schema.is(UploadError)
