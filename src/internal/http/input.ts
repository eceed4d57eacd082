/** What a caller passes, checked before anything is sent. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { PandaInputError } from "../../PandaError.js"

/** Shows no value: it may be a secret, and of any length. */
const inputError = (operation: string) => (error: ParseResult.ParseError) => {
  const issue = ParseResult.ArrayFormatter.formatErrorSync(error)[0]
  const parameter = issue?.path.join(".")
  return new PandaInputError({
    operation,
    parameter: parameter === "" ? undefined : parameter,
    description: issue?._tag === "Missing"
      ? "is missing: pass it"
      : (issue?.message ?? "is not valid").replace(/^Expected (.+?), actual .*$/s, "pass $1")
  })
}

/** Parameters in their form on the wire; `PandaInputError` if they have none. */
export const encodeInput = <P, W>(
  operation: string,
  input: Schema.Schema<P, W>,
  params: P
): Effect.Effect<W, PandaInputError> => Effect.mapError(Schema.encode(input)(params), inputError(operation))

/** Signing, `path` and the form do not know what they are used for. */
export const inOperation = (operation: string) => ({ description, parameter }: PandaInputError) =>
  new PandaInputError({ operation, parameter, description })

/** A path that a caller wrote, for a raw request. */
export const checkedPath = (operation: string, path: string): Either.Either<string, PandaInputError> => {
  // What an URL would not leave as it is, is not what we would sign.
  const unchanged = typeof path === "string" && path.startsWith("/") && !/[?#]/.test(path) &&
    URL.canParse(path, "http://panda") && new URL(path, "http://panda").href === `http://panda${path}`
  return unchanged ? Either.right(path) : Either.left(
    new PandaInputError({
      operation,
      parameter: "path",
      description: "has to begin with /, without a query and without characters to escape: pass parameters apart"
    })
  )
}
