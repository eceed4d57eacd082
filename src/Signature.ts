/**
 * How a request proves who sent it: the canonical query, the string to sign and its HMAC-SHA256.
 *
 * `canonicalQuery`, `stringToSign` and `sign` are pure. `signedParams` and `signedQuery` take the keys and the
 * timestamp from `Credentials`; a backend uses them to sign requests that another program will send.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_authentication.md
 * @since 0.1.0
 */
import { hmac } from "@noble/hashes/hmac.js"
import { sha256 } from "@noble/hashes/sha2.js"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import * as Credentials from "./Credentials.js"
import { PandaInputError } from "./PandaError.js"

/**
 * The methods of the API. GET and DELETE carry their parameters in the query, POST and PUT in a form body.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_authentication.md
 * @since 0.1.0
 * @category models
 */
export type Method = "GET" | "POST" | "PUT" | "DELETE"

/**
 * A parameter's value. `undefined` is left out, `null` is sent as the empty text (which Panda reads as "clear this"),
 * booleans travel as the words `true` and `false`.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_authentication.md
 * @since 0.1.0
 * @category models
 */
export type Value = string | number | bigint | boolean | null | undefined

/**
 * The parameters of a request. One level of nesting is allowed (`{ events: { video_encoded: true } }`); arrays are
 * not: Panda takes comma-separated text. A `file` is neither signed nor sent as a parameter.
 *
 * @since 0.1.0
 * @category models
 */
export interface Params {
  readonly [name: string]: Value | { readonly [name: string]: Value }
}

/** What is left of `Params` once checked: a base name, an inner name for nested ones, and text. */
interface Entry {
  readonly base: string
  readonly inner?: string
  readonly value: string
}

const reject = (parameter: string, description: string) =>
  Either.left(new PandaInputError({ operation: "Signature", parameter, description }))

/** 2^53, up to which every whole number has a double of its own: beyond it, digits are already lost. */
const LARGEST_NUMBER = 2 ** 53

const text = (name: string, value: unknown): Either.Either<string, PandaInputError> => {
  switch (typeof value) {
    case "string":
      return value.isWellFormed()
        ? Either.right(value)
        : reject(name, "the text has a lone surrogate, which has no UTF-8 form: pass well-formed text")
    case "boolean":
    case "bigint":
      return Either.right(String(value))
    case "number": {
      const digits = String(value)
      return /^-?\d+(\.\d+)?$/.test(digits) && Math.abs(value) <= LARGEST_NUMBER
        ? Either.right(digits)
        : reject(name, `the number ${digits} has no exact decimal form: pass it as text or as a bigint`)
    }
    default:
      return value === null
        ? Either.right("")
        : reject(name, "the value is a list, a function or an object: pass text, for a list with commas between")
  }
}

/** Not a list, and nothing that hides what it holds, such as a Date, a Map or a Redacted. */
const isPlain = (value: unknown): value is Record<string, unknown> => {
  if (typeof value !== "object" || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

const entriesOf = (name: string, value: unknown): Either.Either<ReadonlyArray<Entry>, PandaInputError> => {
  if (name === "" || !name.isWellFormed()) {
    return reject(name, "a parameter's name is empty or not well-formed text: name it")
  }
  if (!isPlain(value)) return Either.map(text(name, value), (value) => [{ base: name, value }])
  if (!/^[A-Za-z0-9_]+$/.test(name)) {
    return reject(name, "the name of a nested parameter may have letters, digits and _ only: rename it")
  }
  return Either.all(
    Object.entries(value).filter(([, value]) => value !== undefined).map(([inner, value]) =>
      inner === "" || !inner.isWellFormed()
        ? reject(name, "a parameter's name is empty or not well-formed text: name it")
        : isPlain(value)
        ? reject(`${name}.${inner}`, "parameters nest one level deep: pass the inner object as JSON text")
        : Either.map(text(`${name}.${inner}`, value), (value): Entry => ({ base: name, inner, value }))
    )
  )
}

/** None twice, once nested and once with brackets in its name: it would be signed twice and sent once. */
const distinct = (entries: ReadonlyArray<Entry>): Either.Either<ReadonlyArray<Entry>, PandaInputError> => {
  const names = new Set<string>()
  for (const entry of entries) {
    const name = nameOf(entry)
    if (names.has(name)) return reject(name, "the parameter is given twice: pass it once")
    names.add(name)
  }
  return Either.right(entries)
}

/** As it is sent. */
const nameOf = ({ base, inner }: Entry): string => inner === undefined ? base : `${base}[${inner}]`

const entries = (params: Params): Either.Either<ReadonlyArray<Entry>, PandaInputError> => {
  if (Object.hasOwn(params, "signature")) {
    return reject("signature", "the signature is computed here: leave it out")
  }
  return Either.flatMap(
    Either.all(
      Object.entries(params)
        .filter(([name, value]) => name !== "file" && value !== undefined)
        .map(([name, value]) => entriesOf(name, value))
    ),
    (entries) => distinct(entries.flat())
  )
}

/** RFC 3986 on UTF-8 bytes: all but the unreserved characters, which `encodeURIComponent` takes too few of. */
const percentEncode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)

const encoder = new TextEncoder()

/** The order of UTF-8 bytes, which is not that of UTF-16 units once a name has characters beyond the BMP. */
const byBytes = (left: string, right: string): number => {
  const [a, b] = [encoder.encode(left), encoder.encode(right)]
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!
  }
  return a.length - b.length
}

/**
 * The text of the parameters that is signed: sorted by name in byte order, escaped as RFC 3986 says, the brackets of a
 * nested name bare. The input is not changed.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_authentication.md
 * @since 0.1.0
 * @category signing
 */
export const canonicalQuery = (params: Params): Either.Either<string, PandaInputError> =>
  Either.map(entries(params), (entries) =>
    [...entries]
      .sort((a, b) => byBytes(a.base, b.base) || byBytes(a.inner ?? "", b.inner ?? ""))
      .map(({ base, inner, value }) =>
        inner === undefined
          ? `${percentEncode(base)}=${percentEncode(value)}`
          : `${base}[${percentEncode(inner)}]=${percentEncode(value)}`
      )
      .join("&"))

/**
 * The path that is signed: with its first slash and without a last one, as Panda's own clients have it.
 *
 * @since 0.2.0
 * @category signing
 */
export const canonicalPath = (path: string): string => {
  let [from, to] = [0, path.length]
  // No regular expression: over many blanks that are not at the end it would take long.
  while (from < to && isMargin(path[from]!)) from++
  while (to > from && isMargin(path[to - 1]!)) to--
  return `/${path.slice(from, to)}`
}

/** (seen: what PHP's trim takes, with the slash, in PandaHttpClient; the Python client does the same.) */
const isMargin = (char: string): boolean => " \t\n\r\0\v/".includes(char)

/**
 * The text that the signature is computed over: method, host without port, path without the version, canonical query
 * .
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_authentication.md
 * @since 0.1.0
 * @category signing
 */
export const stringToSign = (request: {
  readonly method: string
  readonly host: string
  readonly path: string
  readonly query: string
}): string =>
  [
    request.method.toUpperCase(),
    request.host.toLowerCase().replace(/:\d*$/, ""),
    canonicalPath(request.path),
    request.query
  ].join("\n")

/**
 * The signature: HMAC-SHA256 of the text under the secret key, in base64. Synchronous, so that a fiber which signs
 * never waits on a promise and a test's clock stays in charge.
 *
 * @since 0.1.0
 * @category signing
 */
export const sign = (secretKey: Redacted.Redacted<string>, text: string): string =>
  Encoding.encodeBase64(hmac(sha256, encoder.encode(Redacted.value(secretKey)), encoder.encode(text)))

/**
 * Parameters as they travel in a query or in a form body: `name=value` pairs, percent-encoded. Unlike the canonical
 * query, the brackets of nested names are escaped too.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (params: { readonly [name: string]: string }): string =>
  Object.entries(params).map(([name, value]) => `${percentEncode(name)}=${percentEncode(value)}`).join("&")

/**
 * The parameters of a request with the credentials' own added: `access_key`, `cloud_id`, `timestamp` and `signature`,
 * or `token` and `cloud_id` in token mode. Nested names come out flat (`events[video_encoded]`), values as text, `file`
 * is left out.
 *
 * A signature of a POST can be used once, and expires after 5 minutes (30 for POST /videos.json). The
 * `timestamp` is for tests and for reproducing a signature; without it each call has a later one than the last.
 *
 * Fails with `PandaInputError` if a parameter has no form on the wire.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_authentication.md
 * @since 0.1.0
 * @category signing
 */
export const signedParams = (
  method: Method,
  path: string,
  params: Params = {},
  options?: { readonly timestamp?: string | DateTime.Utc }
): Effect.Effect<Record<string, string>, PandaInputError, Credentials.Credentials> =>
  Effect.flatMap(Credentials.Credentials, (credentials) => signWith(credentials, method, path, params, options))

/**
 * The same, as the text of a query: append it to the path after `?`, or send it as the form body of a POST or PUT.
 *
 * @example
 * import { Effect } from "effect"
 * import { Credentials, Signature } from "effect-panda"
 *
 * const videoUrl = (id: string) =>
 *   Effect.gen(function*() {
 *     const { baseUrl } = yield* Credentials.Credentials
 *     const path = `/videos/${id}.json`
 *     return `${baseUrl}${path}?${yield* Signature.signedQuery("GET", path)}`
 *   })
 *
 * @since 0.1.0
 * @category signing
 */
export const signedQuery = (
  method: Method,
  path: string,
  params: Params = {},
  options?: { readonly timestamp?: string | DateTime.Utc }
): Effect.Effect<string, PandaInputError, Credentials.Credentials> =>
  Effect.map(signedParams(method, path, params, options), encode)

/**
 * `signedParams` with the credentials as an argument, for a program that holds several.
 *
 * @since 0.1.0
 * @category signing
 */
export const signWith = (
  credentials: Credentials.Credentials.Service,
  method: Method,
  path: string,
  params: Params = {},
  options?: { readonly timestamp?: string | DateTime.Utc }
): Effect.Effect<Record<string, string>, PandaInputError> =>
  Effect.gen(function*() {
    const { auth, cloudId, host } = credentials
    const { access_key: _, cloud_id, timestamp: __, token: ___, ...own } = params
    const cloud = { cloud_id: cloudId ?? cloud_id }
    if (auth._tag === "Token") {
      const plain = yield* flatten({ ...own, ...cloud })
      return { ...plain, token: Redacted.value(auth.token) }
    }
    const timestamp = options?.timestamp ?? (yield* credentials.timestamp)
    const all = {
      ...own,
      ...cloud,
      access_key: auth.accessKey,
      timestamp: typeof timestamp === "string" ? timestamp : DateTime.formatIso(timestamp)
    }
    const query = yield* canonicalQuery(all)
    const signature = sign(auth.secretKey, stringToSign({ method, host, path, query }))
    return { ...yield* flatten(all), signature }
  })

const flatten = (params: Params): Either.Either<Record<string, string>, PandaInputError> =>
  Either.map(entries(params), (entries) => Object.fromEntries(entries.map((entry) => [nameOf(entry), entry.value])))
