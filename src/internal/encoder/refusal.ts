/** Why something cannot be encoded, in Panda's words (contract 4). */
import * as Either from "effect/Either"

export interface Refusal {
  readonly error_class: string
  readonly error_message: string
}

/** What the profile asks for cannot be done, whatever the file. */
export const invalid = (error_message: string): Refusal => ({ error_class: "CommandInvalid", error_message })

/** It cannot be done with this file. */
export const impossible = (error_message: string): Refusal => ({ error_class: "EncodingError", error_message })

export const check = (holds: boolean, refused: () => Refusal): Either.Either<void, Refusal> =>
  holds ? Either.void : Either.left(refused())
