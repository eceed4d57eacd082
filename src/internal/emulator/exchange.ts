/**
 * What passes through either door: a request with its body still on the wire, and what becomes of it.
 */
import * as Effect from "effect/Effect"

/** How the reading of a body ended: at its end, because the reader had enough, or because the connection broke. */
export type End = "whole" | "stopped" | "broken"

/** A request as a server sees it. Nothing is parsed: url, headers and bytes are as they were sent. */
export interface Request {
  readonly method: string
  /** Path and query, raw. */
  readonly url: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** Where this door would have uploads sent. */
  readonly uploadOrigin: string
  /** Hands over each slice of the body as it comes, until there was enough. A slice may be reused afterwards. */
  readonly read: (take: (slice: Uint8Array) => Taken) => Effect.Effect<End>
}

/** Whether there is to be more of a body; as an effect, if that takes time. */
export type Taken = boolean | Effect.Effect<boolean>

export const settled = (taken: Taken): Effect.Effect<boolean> =>
  typeof taken === "boolean" ? Effect.succeed(taken) : taken

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export type Outcome =
  | { readonly _tag: "Answered"; readonly answer: Answer }
  /** The connection breaks after `after` bytes of the answer's body. */
  | { readonly _tag: "Truncated"; readonly answer: Answer; readonly after: number }
  /** No byte of an answer is sent. */
  | { readonly _tag: "Broken"; readonly how: "reset" | "refused" }

export const answered = (answer: Answer): Outcome => ({ _tag: "Answered", answer })

export const broken = (how: "reset" | "refused" = "reset"): Outcome => ({ _tag: "Broken", how })

/** (inferred: Rails names the charset, and Python 2's clients guess another where it is not named) */
export const jsonType = "application/json; charset=utf-8"

export const text = (status: number, body: string, headers: Readonly<Record<string, string>> = {}): Answer => ({
  status,
  headers: { "content-type": jsonType, ...headers },
  body
})

export const json = (status: number, body: unknown): Answer => text(status, JSON.stringify(body))

/** An error body (contract 4). */
export const refusal = (status: number, error: string, message: string): Answer => json(status, { error, message })

export const badRequest = (message: string): Answer => refusal(400, "BadRequest", message)

export const missing = (names: ReadonlyArray<string>): Answer =>
  badRequest(`All required parameters were not supplied: ${names.join(", ")}`)

export const notFound = (model: string, id: string): Answer =>
  refusal(404, "RecordNotFound", `Couldn't find ${model} with ID=${id}`)
