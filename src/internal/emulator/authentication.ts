/**
 * Who may come in: the signature or the token of a request is checked as contract 2 says.
 */
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { sign } from "../../Signature.js"
import { type Answer, missing, refusal } from "./exchange.js"
import { canonical, type Parameters, textOf } from "./parameters.js"

export interface Keys {
  readonly accessKey: string
  readonly secretKey: Redacted.Redacted<string>
  readonly token: Redacted.Redacted<string>
}

const MINUTE = 60_000

/** How old a signature may be (contract 2.6). For POSTs elsewhere the documentation gives no limit. */
const lifetime = (method: string, path: string): number =>
  method === "POST" && path === "/videos.json" ? 30 * MINUTE : 5 * MINUTE

const isoTimestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/

/** Why somebody may not come in. The answer does not tell all of it. */
export type Reason = "Missing" | "Token" | "AccessKey" | "Mismatch" | "Timestamp" | "Expired" | "Replayed"

export interface Refused {
  readonly reason: Reason
  readonly answer: Answer
  /** Parameters that are not there. */
  readonly missing: ReadonlyArray<string>
}

const mismatch = refusal(401, "NotAuthorized", "Signatures do not match")
const expired = refusal(401, "NotAuthorized", "Signatures expired")

const refused = (reason: Reason, answer = mismatch): Either.Either<never, Refused> =>
  Either.left({ reason, answer, missing: [] })

/** Looks at every character, so that the time taken does not tell where two texts begin to differ. */
const equals = (left: string, right: string): boolean => {
  let difference = left.length ^ right.length
  for (let i = 0; i < left.length; i++) difference |= left.charCodeAt(i) ^ right.charCodeAt(i)
  return difference === 0
}

/** (inferred: one client signs the path before its library escapes it; the documentation does not say which is right) */
const decode = (path: string): string => {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

export const makeGate = (keys: Keys) => {
  /** Signatures of POSTs, with the time until which they would be good. That of one stamped ahead is far away. */
  const used = new Map<string, number>()
  let enough = 1000

  const isReplay = (signature: string, until: number, now: number): boolean => {
    if (used.has(signature)) return true
    used.set(signature, until)
    if (used.size >= enough) {
      for (const [old, until] of used) if (until < now) used.delete(old)
      enough = Math.max(1000, 2 * used.size)
    }
    return false
  }

  /** Right: how the request proved itself. Left: the answer it gets. */
  return (request: {
    readonly method: string
    readonly host: string
    /** As sent, without the version. */
    readonly path: string
    readonly parameters: Parameters
    readonly now: number
  }): Either.Either<"signature" | "token", Refused> => {
    const { method, now, parameters, path } = request
    const token = textOf(parameters, "token")
    if (token !== undefined) {
      return equals(token, Redacted.value(keys.token)) ? Either.right("token") : refused("Token")
    }
    const required = ["access_key", "signature", "timestamp"] as const
    const [accessKey, signature, timestamp] = required.map((name) => textOf(parameters, name) ?? "") as [
      string,
      string,
      string
    ]
    const absent = required.filter((name) => !textOf(parameters, name))
    if (absent.length > 0) return Either.left({ reason: "Missing", answer: missing(absent), missing: absent })

    const host = request.host.toLowerCase().replace(/:\d*$/, "")
    const signedAs = (path: string) =>
      equals(signature, sign(keys.secretKey, [method, host, path, canonical(parameters)].join("\n")))
    const isSigned = signedAs(path) || signedAs(decode(path))
    const isOurs = equals(accessKey, keys.accessKey)
    if (!isOurs || !isSigned) return refused(isOurs ? "Mismatch" : "AccessKey")
    if (!isoTimestamp.test(timestamp)) return refused("Timestamp")
    const until = Date.parse(timestamp) + lifetime(method, path)
    if (!(now <= until)) return refused("Expired", expired)
    return method === "POST" && isReplay(signature, until, now) ? refused("Replayed") : Either.right("signature")
  }
}
