/** What a caller passes, checked before anything is sent. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type * as Credentials from "../../Credentials.js"
import { PandaInputError } from "../../PandaError.js"
import * as Signature from "../../Signature.js"
import { urlOf } from "../text/url.js"

/** Shows no value: it may be a secret, and of any length. */
const inputError = (operation: string) => (error: ParseResult.ParseError) => {
  const issue = ParseResult.ArrayFormatter.formatErrorSync(error)[0]
  const parameter = issue?.path.join(".")
  return new PandaInputError({
    operation,
    parameter: parameter === "" ? undefined : parameter,
    description: issue?._tag === "Missing"
      ? "is missing: pass it"
      : issue?._tag === "Unexpected"
      ? "is unexpected: leave it out, or send it with PandaClient.get, post or put; for a cloud use PandaClient.withCloud"
      : (issue?.message ?? "is not valid").replace(/^Expected (.+?), actual .*$/s, "pass $1")
  })
}

/** Parameters in their form on the wire; `PandaInputError` if they have none. */
export const encodeInput = <P, W>(
  operation: string,
  input: Schema.Schema<P, W>,
  params: P
): Effect.Effect<W, PandaInputError> =>
  Effect.mapError(Schema.encode(input)(params, { onExcessProperty: "error" }), inputError(operation))

/** Signing, `path` and the form do not know what they are used for. */
export const inOperation = (operation: string) => ({ description, parameter }: PandaInputError) =>
  new PandaInputError({ operation, parameter, description })

const refuse = (parameter: string, description: string) =>
  Either.left(new PandaInputError({ operation: "PandaClient", parameter, description }))

/**
 * Parameters as the server reads them: `events[x]` is nested there, and so it has to be nested where it is signed, of
 * which the brackets are a part (contract 2.4).
 */
export const nested = (params: Signature.Params): Either.Either<Signature.Params, PandaInputError> => {
  const names = Object.keys(params).filter((name) => /[[\]]/.test(name))
  if (names.length === 0) return Either.right(params)
  const all: Record<string, Signature.Params[string]> = { ...params }
  for (const name of names) {
    const [, base, inner] = /^([A-Za-z0-9_]+)\[([^[\]]+)\]$/.exec(name) ?? []
    const value = params[name]
    if (base === undefined || inner === undefined || (typeof value === "object" && value !== null)) {
      return refuse(name, "is read as nested: pass { name: { inner: value } }, one level deep, and text for a list")
    }
    const outer = Object.hasOwn(all, base) ? all[base] : undefined
    if (outer !== undefined && (typeof outer !== "object" || outer === null || Object.hasOwn(outer, inner))) {
      return refuse(base, "is given twice: pass it once")
    }
    delete all[name]
    if (value !== undefined) all[base] = { ...outer, [inner]: value }
  }
  return Either.right(all)
}

/**
 * Whether it is said in which cloud a request is to be done, and once. A token has a cloud of its own (contract 2.7), and
 * clouds themselves are in none (contract 2.1).
 */
export const checkCloud = (
  { _tag }: Credentials.Auth,
  cloudId: string | undefined,
  path: string,
  { cloud_id }: Signature.Params
): Either.Either<void, PandaInputError> => {
  if (cloudId === undefined) {
    const isNeeded = _tag === "Keys" && cloud_id === undefined && !/^\/clouds(?:[./]|$)/.test(path)
    return isNeeded ? refuse("cloudId", NO_CLOUD) : Either.void
  }
  if (cloudId.trim() === "") return refuse("cloudId", NO_CLOUD)
  return cloud_id === undefined || cloud_id === cloudId
    ? Either.void
    : refuse("cloud_id", "is not the cloud in force: leave it out, or use PandaClient.withCloud")
}

const NO_CLOUD = "is not set: give the credentials one (PANDA_CLOUD_ID), or use PandaClient.withCloud"

/** A path that a caller wrote, for a raw request. */
export const checkedPath = (operation: string, path: string): Either.Either<string, PandaInputError> => {
  // What an URL would not leave as it is, is not what we would sign.
  const unchanged = typeof path === "string" && path.startsWith("/") && !/[?#]/.test(path) &&
    urlOf(path, "http://panda")?.href === `http://panda${path}`
  return unchanged ? Either.right(Signature.canonicalPath(path)) : Either.left(
    new PandaInputError({
      operation,
      parameter: "path",
      description: "has to begin with /, without a query and without characters to escape: pass parameters apart"
    })
  )
}
