/** `name=value` words as the parameters of a request. */
import * as Args from "@effect/cli/Args"
import * as Effect from "effect/Effect"
import type * as Signature from "../Signature.js"
import { argument } from "./command.js"
import { UsageError } from "./exit.js"

export const words = Args.repeated(
  argument("NAME=VALUE", "A parameter; events[video_encoded]=true for one within another")
)

type Nested = Record<string, string | Record<string, string>>

export const of = (words: ReadonlyArray<string>): Effect.Effect<Signature.Params, UsageError> =>
  Effect.reduce(words, {} as Nested, (params, word) => {
    const [, name, inner, value] = /^([^=[\]]+)(?:\[([^=\]]+)\])?=(.*)$/s.exec(word) ?? []
    if (name === undefined || value === undefined) {
      return new UsageError({ message: `${word} is not a parameter: write NAME=VALUE` })
    }
    const before = params[name]
    if (before !== undefined && (inner === undefined || typeof before === "string")) {
      return new UsageError({ message: `${name} is given twice` })
    }
    return Effect.succeed({ ...params, [name]: inner === undefined ? value : { ...before as object, [inner]: value } })
  })
