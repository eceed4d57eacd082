/**
 * A client of its own for the emulator's tests: it signs with node:crypto and sends what it is told, right or wrong.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, it } from "@effect/vitest"
import { Clock, Effect, Exit, Redacted, type Stream } from "effect"
import * as Panda from "effect-panda/PandaEmulator"
import { PandaEmulator } from "effect-panda/PandaEmulator"
import { createHash, createHmac } from "node:crypto"
import { inspect } from "node:util"

export const host = "api.pandastream.com"

type Params = Readonly<Record<string, string>>

export const escape = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)

export const encode = (params: Params): string =>
  Object.entries(params).map(([name, value]) => `${escape(name)}=${escape(value)}`).join("&")

/** Flat names only; a nested one is given as `base[inner]`. */
const canonical = (params: Params): string =>
  Object.keys(params).sort().map((name) => {
    const [, base, inner] = /^(.+)\[(.+)\]$/.exec(name) ?? []
    return `${base === undefined ? escape(name) : `${base}[${escape(inner!)}]`}=${escape(params[name]!)}`
  }).join("&")

export const hmac = (secret: string, text: string): string => createHmac("sha256", secret).update(text).digest("base64")

export interface Raw {
  readonly method: string
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array | Stream.Stream<Uint8Array, unknown> | FormData | undefined
  readonly length?: number
}

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly text: string
}

/** Sends through the in-memory door. */
export const send = ({ body, headers = {}, length, method, url }: Raw) =>
  Effect.gen(function*() {
    const { httpClient } = yield* PandaEmulator
    const empty = HttpClientRequest.make(method as "GET")(url)
    const type = headers["content-type"]
    const filled = body === undefined
      ? empty
      : typeof body === "string"
      ? HttpClientRequest.bodyText(empty, body, type)
      : body instanceof Uint8Array
      ? HttpClientRequest.bodyUint8Array(empty, body, type)
      : body instanceof FormData
      ? HttpClientRequest.bodyFormData(empty, body)
      : HttpClientRequest.bodyStream(empty, body, {
        ...(type === undefined ? {} : { contentType: type }),
        ...(length === undefined ? {} : { contentLength: length })
      })
    const response = yield* httpClient.execute(HttpClientRequest.setHeaders(filled, headers))
    const text = yield* response.text
    return { status: response.status, headers: response.headers, text } satisfies Reply
  })

let tick = 0

/** Auth parameters are added and signed, unless `override` has its own. */
export const signed = (
  method: string,
  path: string,
  params: Params = {},
  override: {
    readonly secret?: string
    readonly timestamp?: string
    readonly cloud?: string
    readonly accessKey?: string
    readonly signPath?: string
    readonly without?: ReadonlyArray<string>
  } = {}
) =>
  Effect.gen(function*() {
    const panda = yield* PandaEmulator
    const now = yield* Clock.currentTimeMillis
    const digits = String(tick++ % 1000).padStart(3, "0")
    const all: Params = {
      ...params,
      access_key: override.accessKey ?? panda.accessKey,
      cloud_id: override.cloud ?? panda.cloudId,
      timestamp: override.timestamp ?? new Date(now).toISOString().replace("Z", `${digits}Z`)
    }
    const kept = Object.fromEntries(Object.entries(all).filter(([name]) => !override.without?.includes(name)))
    const text = `${method}\n${host}\n${override.signPath ?? path}\n${canonical(kept)}`
    const signature = hmac(override.secret ?? Redacted.value(panda.secretKey), text)
    return override.without?.includes("signature") === true ? kept : { ...kept, signature }
  })

const form = { "content-type": "application/x-www-form-urlencoded" }

/** A well-behaved call: GET and DELETE in the query, POST and PUT in the body. */
export const call = (
  method: string,
  path: string,
  params: Params = {},
  override: Parameters<typeof signed>[3] = {}
) =>
  Effect.flatMap(signed(method, path, params, override), (params) => {
    const text = encode(params)
    return method === "GET" || method === "DELETE"
      ? send({ method, url: `https://${host}/v2${path}?${text}` })
      : send({ method, url: `https://${host}/v2${path}`, headers: form, body: text })
  })

/** Parsed JSON: the tests read wire records by name. */
export type Json = ReturnType<typeof JSON.parse>

/** The JSON of a call that is expected to succeed. */
export const ask = (method: string, path: string, params: Params = {}) =>
  Effect.flatMap(call(method, path, params), ({ status, text }) =>
    status < 300
      ? Effect.succeed(text === "" ? undefined : JSON.parse(text) as Json)
      : Effect.dieMessage(`${method} ${path} answered ${status}: ${text}`))

export const bytes = (size: number, seed = 7): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length: size }, (_, i) => (i * seed + (i >> 8)) % 256)

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

export interface UploadTarget {
  readonly id: string
  readonly location: string
}

export const open = (size: number, params: Params = {}) =>
  Effect.map(
    ask("POST", "/videos/upload.json", { file_name: "movie.mp4", file_size: String(size), ...params }),
    (json) => json as UploadTarget
  )

const octets = { "content-type": "application/octet-stream" }

/** Sends `file[first..last]`. */
export const chunk = (
  location: string,
  file: Uint8Array,
  first: number,
  last: number,
  override: { readonly method?: string; readonly headers?: Readonly<Record<string, string>> } = {}
) =>
  send({
    method: override.method ?? "PUT",
    url: location,
    headers: { ...octets, "content-range": `bytes ${first}-${last}/${file.length}`, ...override.headers },
    body: file.subarray(first, last + 1)
  })

export const probe = (location: string, size: number) =>
  send({ method: "PUT", url: location, headers: { ...octets, "content-range": `bytes */${size}` } })

/** The only upload session. */
export const session = Effect.flatMap(PandaEmulator, ({ sessions }) => Effect.map(sessions, ([session]) => session!))

export const test = (
  name: string,
  body: Effect.Effect<void, unknown, PandaEmulator>,
  options?: Panda.Options
) => it.effect(name, () => Effect.provide(body, Panda.layer(options)))

export const panda = PandaEmulator

export const inject = (route: string, fault: Panda.Fault, rest: { times?: number; skip?: number } = {}) =>
  Effect.flatMap(panda, ({ inject }) => inject({ route, fault, ...rest }))

export const error = (reply: { readonly text: string }) => JSON.parse(reply.text) as Json

export const failureCode = (exit: Exit.Exit<unknown, unknown>): string | undefined => {
  assert.isTrue(Exit.isFailure(exit))
  const found = JSON.stringify(exit).match(/"?(ECONNRESET|ECONNREFUSED)"?/)?.[1]
  return found ?? inspect(exit, { depth: 12 }).match(/ECONNRESET|ECONNREFUSED/)?.[0]
}
