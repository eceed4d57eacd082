/** How the command ends: an exit code for each thing that a script would do something else about. */
import * as Data from "effect/Data"
import type { PandaError } from "../PandaError.js"

/** Documented in the README and in the manual; 0 is done. */
export const codes = {
  failed: 1,
  usage: 2,
  partly: 3,
  credentials: 4,
  resumable: 5,
  interrupted: 130,
  terminated: 143
} as const

/** The command line, or a file that it names, is not what the command takes: nothing was sent. */
export class UsageError extends Data.TaggedError("UsageError")<{
  readonly message: string
  /** The command whose help is pointed to. */
  readonly command?: string | undefined
}> {}

/** There are no credentials, or the configuration cannot be used. */
export class ConfigurationError extends Data.TaggedError("ConfigurationError")<{ readonly message: string }> {}

/** Another process has it: the same command goes on once that has ended. */
export class DatabaseInUse extends Data.TaggedError("DatabaseInUse")<{ readonly message: string }> {}

/** All that there is to say has been said. */
export class Ended extends Data.TaggedError("Ended")<{
  readonly code: number
  readonly message: string
  /** Where there is one error that it comes from. */
  readonly cause?: unknown
}> {}

/** Nobody reads standard output any more. */
export class PipeClosed extends Data.TaggedError("PipeClosed") {}

/** What standard output goes to takes no more, such as a disk that is full. */
export class OutputFailed extends Data.TaggedError("OutputFailed")<{ readonly message: string }> {}

/** Of failures that a library call ends in. `uploading` tells whether the same command would go on. */
export const codeOf = (error: unknown, uploading = false): number => {
  if (!isTagged(error)) return codes.failed
  switch (error._tag as Tag) {
    case "UsageError":
    case "PandaInputError":
    case "PandaIngestRefused":
      return codes.usage
    case "ConfigurationError":
    case "PandaAuthError":
      return codes.credentials
    case "DatabaseInUse":
    case "PandaIngestUnavailable":
      return codes.resumable
    case "Ended":
      return (error as Ended).code
    default:
      return uploading && "isRetryable" in error && error.isRetryable === true ? codes.resumable : codes.failed
  }
}

type Tag =
  | (UsageError | ConfigurationError | DatabaseInUse | Ended | PandaError)["_tag"]
  | "PandaIngestRefused"
  | "PandaIngestUnavailable"

export const isTagged = (u: unknown): u is { readonly _tag: string } =>
  typeof u === "object" && u !== null && "_tag" in u && typeof u._tag === "string"
