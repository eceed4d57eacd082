/** What an answer, or a connection that broke, means: the one place where it becomes one of the words of `PandaError`. */
import type * as Headers from "@effect/platform/Headers"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import {
  PandaAuthError,
  PandaDecodeError,
  PandaFileTooLarge,
  PandaInputError,
  PandaNotFound,
  PandaRateLimited,
  PandaRejected,
  PandaServerError,
  PandaTransportError
} from "../../PandaError.js"
import * as json from "../model/json.js"
import { excerpt } from "../text/excerpt.js"
import { inLine } from "../text/line.js"
import type { Secrets } from "../text/secrets.js"
import * as decision from "../upload/decision.js"
import { Spent } from "./longBody.js"
import { isRedirect } from "./redirects.js"

/** An answer with its body as text. */
export interface Answer {
  readonly status: number
  readonly headers: Headers.Headers
  readonly text: string
  /** Why there is no text, if there is none for a reason. */
  readonly unread?: string | undefined
  /** What its request had to keep secret: no error shows it, however the answer repeats it. */
  readonly secrets?: Secrets | undefined
}

/** Whether it says anything: an `error` that is empty is none, such as an attribute that an entity has for the day. */
const isNaming = (error: unknown): boolean =>
  typeof error === "string"
    ? error.trim() !== ""
    : typeof error === "object" && error !== null
    ? Object.keys(error).length > 0
    : Boolean(error)

/** Whether there is nothing but an error: a record of what others found may have an attribute of that name. */
const isBare = (text: string): boolean =>
  Option.exists(
    decodeRecord(text),
    (record) => Object.keys(record).every((name) => name === "error" || name === "message") && "message" in record
  )

const decodeRecord = Schema.decodeUnknownOption(
  json.parsed(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
)

const ErrorBody = Schema.decodeUnknownOption(json.parsed(Schema.Struct({
  error: Schema.Unknown.pipe(Schema.filter(isNaming)),
  message: Schema.optionalWith(Schema.Unknown, { nullable: true })
})))

/** What an `error` body means where the status does not say it. */
const statusOf: Record<string, number> = {
  BadRequest: 400,
  NotAuthorized: 401,
  RecordNotFound: 404,
  FileSizeLimitExceeded: 413,
  InternalError: 500
}

/**
 * The error that an answer stands for, if it does: its `error` body is looked at before its status, since Panda sends
 * errors with status 200 too (contract 4). The one place where a status becomes an error.
 */
export const fromAnswer = (
  operation: string,
  answer: Answer,
  now: DateTime.Utc,
  { open = false }: { readonly open?: boolean | undefined } = {}
): Option.Option<
  PandaAuthError | PandaNotFound | PandaRejected | PandaFileTooLarge | PandaRateLimited | PandaServerError
> => {
  const { secrets } = answer
  const named = answer.text === "" ? Option.none() : ErrorBody(answer.text)
  const ok = answer.status >= 200 && answer.status < 300
  if (ok && (Option.isNone(named) || open && !isBare(answer.text))) return Option.none()
  const error = Option.getOrUndefined(
    Option.map(named, ({ error }) => excerpt(typeof error === "string" ? error : JSON.stringify(error), secrets))
  )
  const message = Option.getOrUndefined(named)?.message
  const description = typeof message === "string" ? excerpt(message, secrets) : undefined
  const fields = { operation, status: answer.status, error, description, body: excerpt(answer.text, secrets) }
  const meaning = ok && error !== undefined && Object.hasOwn(statusOf, error) ? statusOf[error]! : answer.status
  const retryAfter = retryAfterOf(answer.headers, now)
  switch (meaning) {
    case 401: {
      const date = Option.fromNullable(answer.headers["date"]).pipe(Option.flatMap(httpDate))
      const reason = /expired/i.test(description ?? "")
        ? "SignatureExpired"
        : /match/i.test(description ?? "")
        ? "SignatureMismatch"
        : "Unknown"
      return Option.some(new PandaAuthError({ ...fields, reason, serverTime: Option.getOrUndefined(date) }))
    }
    case 404:
      return Option.some(new PandaNotFound(fields))
    case 413: {
      const limit = /\b(\d{1,15}) bytes\b/.exec(description ?? "")?.[1]
      return Option.some(new PandaFileTooLarge({ ...fields, limit: limit === undefined ? undefined : Number(limit) }))
    }
    case 429:
      return Option.some(new PandaRateLimited({ ...fields, retryAfter }))
    default:
      return Option.some(meaning >= 500 ? new PandaServerError({ ...fields, retryAfter }) : new PandaRejected(fields))
  }
}

/**
 * What it means that a body does not match its schema. Keeps the place of the mismatch and the beginning of the body.
 */
export const fromParseError = (
  operation: string,
  answer: Pick<Answer, "status" | "text" | "secrets">,
  error: ParseResult.ParseError
): PandaDecodeError => {
  const { issue, path } = json.firstIssue(error.issue)
  const description = answer.text.trim() === ""
    ? "is empty"
    : issue._tag === "Missing"
    ? "is missing"
    : "is not what the contract says"
  return new PandaDecodeError({
    operation,
    status: answer.status,
    path: path.map((name) => excerpt(name, answer.secrets)),
    description,
    body: excerpt(answer.text, answer.secrets)
  })
}

/** Codes of failures after which nothing can have reached the server. */
const UNREACHED = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENETDOWN",
  "EADDRNOTAVAIL",
  "UND_ERR_CONNECT_TIMEOUT",
  "ERR_SSL_WRONG_VERSION_NUMBER",
  "ConnectionRefused"
])

/** What the certificate of a server is refused for: the names that OpenSSL has for it, and Node's own for the host. */
const CERTIFICATE = new RegExp(
  "^(?:(?:CERT|CRL|SELF_SIGNED_CERT|DEPTH_ZERO|UNABLE_TO|ERR_TLS_CERT)_\\w+" +
    "|HOSTNAME_MISMATCH|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_EXCEEDED)$"
)

/** The same in the words of Deno, which has no codes. */
const certificateCodes: Record<string, string> = {
  Expired: "CERT_HAS_EXPIRED",
  NotValidYet: "CERT_NOT_YET_VALID",
  NotValidForName: "ERR_TLS_CERT_ALTNAME_INVALID",
  Revoked: "CERT_REVOKED",
  UnknownIssuer: "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
}

const BROKEN = new Set([
  "ECONNRESET",
  "EPIPE",
  "ECONNABORTED",
  "UND_ERR_SOCKET",
  "UND_ERR_ABORTED",
  "ERR_STREAM_PREMATURE_CLOSE"
])

const TIMED_OUT = new Set(["ETIMEDOUT", "UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT", "ESOCKETTIMEDOUT"])

/**
 * What a failure of the HTTP layer says about whether the request was carried out. The failure itself is not kept: it
 * holds the request, and so the signature.
 */
export const fromHttpClientError = (
  operation: string,
  host: string,
  error: HttpClientError
): PandaInputError | PandaTransportError => {
  if (error.reason === "InvalidUrl" || (error.reason === "Encode" && !(error.cause instanceof Spent))) {
    return new PandaInputError({
      operation,
      description: `the request has no valid form. Check the host (${inLine(host)})`
    })
  }
  const { code, kind } = inspect(error.cause)
  const reason = kind ?? (code === undefined && error._tag === "ResponseError" ? "Interrupted" : "Other")
  return new PandaTransportError({
    operation,
    host,
    reason,
    ambiguous: reason !== "Connect" && reason !== "Certificate",
    code
  })
}

type Reason = PandaTransportError["reason"]

interface Inspected {
  readonly code: string | undefined
  /** Undefined where nothing is said that is known. */
  readonly kind: Reason | undefined
}

/**
 * The innermost code of an error, which platforms wrap in others, and what it stands for. Of several at once, such as of
 * connections to each address of a host, nothing was sent only if that holds for each.
 */
const inspect = (error: unknown, depth = 0): Inspected => {
  if (!Predicate.isRecord(error) || depth === 8) return { code: undefined, kind: undefined }
  const { cause, code, errors, message, syscall } = error
  const own = typeof code === "string" ? code : certificateCodeOf(message)
  const parts = Array.isArray(errors) ? errors.slice(0, 16).map((part) => inspect(part, depth + 1)) : []
  const inner = parts.length === 0 ? inspect(cause, depth + 1) : together(parts)
  const kind = syscall === "connect" || syscall === "getaddrinfo" || isHandshake(message)
    ? "Connect"
    : isRedirect(error)
    ? "Redirect"
    : undefined
  return { code: inner.code ?? own, kind: inner.kind ?? kind ?? kindOf(inner.code ?? own) }
}

const together = (parts: ReadonlyArray<Inspected>): Inspected => {
  const told = parts.map(({ code, kind = "Other" }): Inspected => ({ code, kind }))
  return told.find(({ kind }) => kind !== "Connect" && kind !== "Certificate") ??
    told.find(({ kind }) => kind === "Certificate") ?? told[0]!
}

const kindOf = (code: string | undefined): Reason | undefined => {
  if (code === undefined) return undefined
  if (CERTIFICATE.test(code)) return "Certificate"
  if (UNREACHED.has(code)) return "Connect"
  if (TIMED_OUT.has(code)) return "Timeout"
  return BROKEN.has(code) ? "Interrupted" : "Other"
}

/** Broken off before there was a connection over which anything could be sent. */
const isHandshake = (message: unknown): boolean =>
  typeof message === "string" && message.includes("before secure TLS connection was established")

const certificateCodeOf = (message: unknown): string | undefined => {
  const word = typeof message === "string" ? /invalid peer certificate: (\w+)/.exec(message)?.[1] : undefined
  return word === undefined ? undefined : certificateCodes[word] ?? "CERT_REJECTED"
}

/** How long the server asks to wait, at most 30 seconds (contract 4, design 7). */
const retryAfterOf = (headers: Headers.Headers, now: DateTime.Utc): Duration.Duration | undefined => {
  const millis = decision.retryAfterOf(headers, DateTime.toEpochMillis(now))
  return millis === undefined ? undefined : Duration.millis(Math.min(millis, 30_000))
}

const httpDate = (text: string): Option.Option<DateTime.Utc> =>
  /^[A-Z][a-z]{2,8}, \d{2}[ -][A-Z][a-z]{2}[ -]\d{2,4} \d{2}:\d{2}:\d{2} GMT$/.test(text.trim())
    // As a Date: DateTime would add a time zone of its own.
    ? DateTime.make(new Date(text.trim()))
    : Option.none()
