/**
 * What a browser asks before it uploads: an endpoint that opens an upload session for it, and a proxy for where the
 * upload hosts of Panda do not let pages of other origins in. `effect-panda/browser` asks it, and so does Panda's own
 * uploader of 2013, unchanged.
 *
 * The page gets the location of one session, and no credential. Who may upload what is yours to decide, for each file.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/upload_api.md
 * @since 0.2.0
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as handshake from "./internal/authorize/handshake.js"
import * as origin from "./internal/authorize/origin.js"
import * as relay from "./internal/authorize/relay.js"
import * as seals from "./internal/authorize/seal.js"
import * as form from "./internal/receiving/form.js"
import { interruptible } from "./internal/receiving/interruptible.js"
import type { PandaClient } from "./PandaClient.js"
import { type PandaError, PandaInputError } from "./PandaError.js"
import * as UploadSession from "./UploadSession.js"
import type { SessionOptions } from "./UploadState.js"

/**
 * What a page wants to upload. All of it is what the page says: a file can have another name and another type, but not
 * another size, which the upload server holds it to.
 *
 * @since 0.2.0
 * @category models
 */
export interface Asked {
  readonly filename: string
  /** Bytes. */
  readonly filesize: number
  /** All that the page told, what it was made to add included. */
  readonly payload: Readonly<Record<string, unknown>>
  /** With its cookies, from which follows who asks. */
  readonly request: HttpServerRequest.HttpServerRequest
}

/**
 * What is made of the file, and whom the page tells when it is there.
 *
 * @since 0.2.0
 * @category models
 */
export interface Decision extends SessionOptions {
  /** The name that Panda is told, if it is not the file's. */
  readonly file_name?: string | undefined
  /** Where the page posts the video to, as `upload_response`. */
  readonly postprocess_url?: string | undefined
}

/**
 * The upload is refused, in words for whoever sits in front of the page.
 *
 * @since 0.2.0
 * @category errors
 */
export class PandaUploadDenied extends Schema.TaggedError<PandaUploadDenied>("effect-panda/PandaUploadDenied")(
  "PandaUploadDenied",
  {
    description: Schema.String,
    /** Of the answer, from 400 to 499; 401 is for who has to sign in. */
    status: Schema.Int.pipe(Schema.between(400, 499))
  }
) {
  override get message() {
    return this.description
  }
}

/**
 * Refuses an upload: with 403 where nothing else is said.
 *
 * @since 0.2.0
 * @category errors
 */
export const deny = (description: string, status = 403): Effect.Effect<never, PandaUploadDenied> =>
  new PandaUploadDenied({ description, status })

/**
 * A token against forged requests, where the origin of a request is not enough: as a header, or among what the page
 * adds to the payload.
 *
 * @since 0.2.0
 * @category models
 */
export interface Csrf<E, R> {
  /** `x-csrf-token` by default. */
  readonly header?: string | undefined
  /** `authenticity_token` by default. */
  readonly field?: string | undefined
  readonly verify: (token: string, request: HttpServerRequest.HttpServerRequest) => Effect.Effect<boolean, E, R>
}

/**
 * Who may upload what.
 *
 * @since 0.2.0
 * @category models
 */
export interface Options<E, R> {
  /** Succeeds with what is to be made of the file; `deny` refuses it. How many files one may upload is decided here too. */
  readonly decide: (asked: Asked) => Effect.Effect<Decision, E, R>
  /** Bytes that a file may have: above 0. */
  readonly maxSize?: number | undefined
  /** Endings that a name may have, such as `.mp4`, in any case. */
  readonly extensions?: ReadonlyArray<string> | undefined
  /**
   * Origins whose pages may ask too, such as `https://app.example`, in any way of writing; those of the server's own host
   * always may.
   */
  readonly origins?: ReadonlyArray<string> | undefined
  /**
   * Headers that pages of these origins may add, such as `authorization`. They may add that of `csrf` anyway, and those
   * that Panda's uploader sends (`Accept`, `Content-Type`, `X-Requested-With`); pages of the server's own origin add
   * what they like.
   */
  readonly headers?: ReadonlyArray<string> | undefined
  readonly csrf?: Csrf<E, R> | undefined
  /** Bytes that a request may have: above 0, 64 KiB by default. */
  readonly bodyLimit?: number | undefined
  /** Where the page uploads to, instead of to Panda. */
  readonly proxy?: Proxy | undefined
}

/**
 * An app that opens upload sessions for pages: for any `HttpServer`, or as a route of any router.
 *
 * It takes a form whose field `payload` is `{"filename":…,"filesize":…}` in JSON, and answers
 * `{"upload_url":…,"postprocess_url":…}`, the latter only if there is one. What it refuses it answers with
 * `{"error":…,"message":…}`:
 *
 * | answer | when |
 * | --- | --- |
 * | 400 | it is not what an uploader asks |
 * | 403 | the page is of another origin, or the token is missing or wrong |
 * | 405, 415 | it is not a POST, or not a form |
 * | 413 | the file is over `maxSize`, or what Panda takes; or the request is over `bodyLimit` |
 * | 415 | the name has another ending |
 * | the status of `deny` | `decide` refuses it |
 * | 500 | `decide` fails otherwise, or Panda refuses what it wants made, which is logged |
 * | 503 | Panda does not answer; the uploader asks again |
 *
 * A 401 has no `WWW-Authenticate`, with which browsers would open a dialog of their own over the page.
 *
 * It runs in a span `Panda.Authorize`. Locations are in no log and in no span. Throws a `PandaInputError` if an option
 * is wrong.
 *
 * @example
 * import * as HttpRouter from "@effect/platform/HttpRouter"
 * import { Effect } from "effect"
 * import * as Authorize from "effect-panda/Authorize"
 *
 * const router = HttpRouter.empty.pipe(
 *   HttpRouter.all(
 *     "/panda/authorize_upload",
 *     Authorize.httpApp({
 *       maxSize: 5_000_000_000,
 *       decide: ({ request }) =>
 *         request.cookies["session"] === undefined
 *           ? Authorize.deny("Sign in to upload", 401)
 *           : Effect.succeed({ profiles: ["h264"] })
 *     })
 *   )
 * )
 *
 * @since 0.2.0
 * @category serving
 */
export const httpApp = <E, R>(options: Options<E, R>): HttpApp.Default<never, R | PandaClient> => {
  const origins = check(options)
  return Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const { admitted, headers } = origin.judge(request, origins)
    const answer = admitted
      ? yield* received(request, options)
      : relay.refuse(403, "ForbiddenOrigin", "This page may not upload here: it is of another site")
    return HttpServerResponse.setHeaders(answer, headers)
  }).pipe(Effect.withSpan("Panda.Authorize", { captureStackTrace: false }), interruptible)
}

const wrong = (operation: string, parameter: string, description: string) =>
  new PandaInputError({ operation, parameter, description })

/** A name of a header, as RFC 9110 has it. */
const TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/

/** The origins. A limit that is none, such as what comes of a variable that is not set, would let everything through. */
const check = <E, R>(options: Options<E, R>): ReadonlySet<string> => {
  const refuse = (parameter: string, description: string): never => {
    throw wrong("Authorize.httpApp", parameter, description)
  }
  for (const name of ["maxSize", "bodyLimit"] as const) {
    const value = options[name]
    if (value !== undefined && !(typeof value === "number" && value > 0)) {
      refuse(name, "is no number of bytes above 0: leave it out, or pass one")
    }
  }
  for (const name of ["extensions", "headers", "origins"] as const) {
    const value: unknown = options[name]
    if (value !== undefined && !(Array.isArray(value) && value.every((one) => typeof one === "string"))) {
      refuse(name, "is no list of text: pass one")
    }
  }
  for (const [parameter, names] of [["headers", options.headers], ["csrf", [options.csrf?.header ?? "x"]]] as const) {
    const odd = names?.find((name) => !TOKEN.test(name))
    if (odd !== undefined) refuse(parameter, `${JSON.stringify(odd)} is no name of a header: pass one`)
  }
  return new Set((options.origins ?? []).map((written) =>
    origin.canonical(written) ??
      refuse("origins", `${JSON.stringify(written)} is no origin: pass scheme and host, such as https://app.example`)
  ))
}

const received = <E, R>(request: HttpServerRequest.HttpServerRequest, options: Options<E, R>) =>
  Effect.gen(function*() {
    const { bodyLimit = 64 * 1024, csrf, decide, extensions, headers = [], maxSize = Infinity } = options
    const { field = "authenticity_token", header = "x-csrf-token" } = csrf ?? {}
    if (request.method === "OPTIONS") return preflight([header, ...headers])
    if (request.method !== "POST") {
      return relay.refuse(405, "MethodNotAllowed", "Post what is to be uploaded", { allow: "POST, OPTIONS" })
    }
    if (!form.isForm(request)) return relay.refuse(415, "UnsupportedMediaType", "Post an urlencoded form")
    const body = yield* form.read(request, bodyLimit)
    if (body === "TooLong") return relay.refuse(413, "BadRequest", `The request has more than ${bodyLimit} bytes`)
    if (body === "Broken") return relay.refuse(400, "BadRequest", "The request broke off")
    const file = handshake.read(body.text)
    if (Either.isLeft(file)) return relay.refuse(400, "BadRequest", file.left)
    const { filename, filesize, payload } = file.right
    if (csrf !== undefined) {
      const token = request.headers[header.toLowerCase()] ?? payload[field]
      if (typeof token !== "string" || token === "" || !(yield* csrf.verify(token, request))) {
        return relay.refuse(403, "ForgedRequest", "The page is too old: load it again")
      }
    }
    if (filesize > maxSize) {
      return relay.refuse(413, "FileSizeLimitExceeded", `A file may have ${maxSize} bytes: choose a smaller one`)
    }
    if (extensions?.some((extension) => filename.toLowerCase().endsWith(extension.toLowerCase())) === false) {
      return relay.refuse(415, "UnsupportedMediaType", `A file may end in ${extensions.join(", ")}: choose another`)
    }
    const decision = yield* decide({ filename, filesize, payload, request })
    return yield* granted(decision, filename, filesize, options.proxy)
  }).pipe(
    Effect.catchAll((error) =>
      error instanceof PandaUploadDenied
        ? Effect.succeed(relay.refuse(error.status, "UploadDenied", error.description))
        : failed(error)
    ),
    Effect.catchAllDefect(failed)
  )

const failed = (why: unknown) =>
  Effect.as(
    Effect.logError("Panda.Authorize: the decision failed, so the upload was refused", why),
    relay.refuse(500, "InternalError", "The upload could not be decided on: try again later")
  )

const preflight = (headers: ReadonlyArray<string>) =>
  HttpServerResponse.empty({
    status: 204,
    headers: {
      "access-control-allow-methods": "POST",
      "access-control-allow-headers": ["Accept", "Content-Type", "X-Requested-With", ...headers].join(", "),
      "access-control-max-age": "600"
    }
  })

const granted = (
  { file_name, postprocess_url, ...options }: Decision,
  filename: string,
  filesize: number,
  proxy: Proxy | undefined
) =>
  UploadSession.create({ ...options, file_name: file_name ?? filename, file_size: filesize }).pipe(
    Effect.flatMap(({ location }) =>
      proxy === undefined ? Effect.succeed(Redacted.value(location)) : proxy.urlOf(location, filesize)
    ),
    Effect.map((upload_url) =>
      HttpServerResponse.unsafeJson(
        postprocess_url === undefined ? { upload_url } : { upload_url, postprocess_url },
        { headers: { "cache-control": "no-store" } }
      )
    ),
    Effect.catchAll(refusedByPanda)
  )

const refusedByPanda = (error: PandaError) => {
  if (error._tag === "PandaFileTooLarge") {
    return Effect.succeed(relay.refuse(413, "FileSizeLimitExceeded", "The file is too large: choose a smaller one"))
  }
  if (error.isRetryable) {
    const after = "retryAfter" in error ? error.retryAfter : undefined
    return Effect.succeed(
      relay.refuse(
        503,
        "ServiceUnavailable",
        "Uploads are not possible at the moment: try again",
        after === undefined ? {} : { "retry-after": String(Math.ceil(Duration.toSeconds(after))) }
      )
    )
  }
  return Effect.as(
    Effect.logError("Panda.Authorize: Panda opened no session", error),
    relay.refuse(500, "InternalError", "The upload could not be opened: tell who runs the site")
  )
}

/**
 * A proxy for uploads, which pages of the server's own origin use as if it were an upload host.
 *
 * @since 0.2.0
 * @category models
 */
export interface Proxy {
  /** To be served under the proxy's `url`, with the handle as the last segment of the path: `/panda/upload/*`, since a parameter of a router may not be as long. */
  readonly httpApp: HttpApp.Default<never, PandaClient>
  /** What a page is told instead of the location of a session, for a file of so many bytes. */
  readonly urlOf: (location: Redacted.Redacted<string>, size: number) => Effect.Effect<string>
}

/**
 * How a proxy hides where it leads.
 *
 * @since 0.2.0
 * @category models
 */
export interface ProxyOptions {
  /** The path under which it is served, such as `/panda/upload`, or its whole address. */
  readonly url: string
  /**
   * What handles are sealed with, of 32 characters or more: the same in all processes that serve it. Of several, the
   * first seals and all open, so that one can follow another without an upload being lost.
   */
  readonly secret: Redacted.Redacted<string> | ReadonlyArray<Redacted.Redacted<string>>
  /** How long a handle is good for, a day by default. */
  readonly expiry?: Duration.DurationInput | undefined
}

/** Characters. */
const SHORTEST_SECRET = 32

/**
 * A proxy for where Panda's upload hosts do not answer pages of other origins. Bytes stream through it, and the location
 * stays here: the page has a handle, in which the location is sealed (AES-GCM), so that nothing is kept for it and any
 * process with the same secret opens it. It leads to no place but what was sealed here: a session that was opened here,
 * or where the upload host has moved one of those to.
 *
 * Of a request it passes on `Content-Type`, `Content-Length`, `Content-Range` and `Cache-Control`, of an answer `Range`,
 * `Retry-After`, `Date`, `Content-Type` and, as another handle, `Location`. It needs an HTTP layer that keeps the length
 * of a body which is a stream: those of Node, not fetch. `PandaInputError` if an option is wrong.
 *
 * @example
 * import * as HttpRouter from "@effect/platform/HttpRouter"
 * import { Config, Effect } from "effect"
 * import * as Authorize from "effect-panda/Authorize"
 *
 * const router = Effect.gen(function*() {
 *   const secret = yield* Config.redacted("UPLOAD_SECRET")
 *   const proxy = yield* Authorize.proxy({ url: "/panda/upload", secret })
 *   const app = Authorize.httpApp({ proxy, decide: () => Effect.succeed({ profiles: ["h264"] }) })
 *   return HttpRouter.empty.pipe(
 *     HttpRouter.all("/panda/authorize_upload", app),
 *     HttpRouter.all("/panda/upload/*", proxy.httpApp)
 *   )
 * })
 *
 * @since 0.2.0
 * @category serving
 */
export const proxy = ({ expiry = "1 day", secret, url }: ProxyOptions): Effect.Effect<Proxy, PandaInputError> =>
  Effect.gen(function*() {
    const [first, ...others] = Redacted.isRedacted(secret) ? [secret] : secret
    if (first === undefined || [first, ...others].some((one) => Redacted.value(one).length < SHORTEST_SECRET)) {
      return yield* wrong(
        "Authorize.proxy",
        "secret",
        `is shorter than ${SHORTEST_SECRET} characters: make a random one`
      )
    }
    if (!/^(\/|https?:\/\/)/i.test(url)) {
      return yield* wrong("Authorize.proxy", "url", "is no path from / on and no http address: pass one")
    }
    const lasts = Duration.toMillis(expiry)
    if (!(lasts > 0 && lasts < Infinity)) {
      return yield* wrong("Authorize.proxy", "expiry", "is no time with an end above 0: leave it out, or pass one")
    }
    const place = url.replace(/\/+$/, "")
    const seal = seals.make([first, ...others])
    return {
      // Whoever knows a handle can write to the session.
      httpApp: HttpMiddleware.withLoggerDisabled(interruptible(relay.make(seal, place))),
      urlOf: (location, size) =>
        Effect.gen(function*() {
          const until = (yield* Clock.currentTimeMillis) + lasts
          return `${place}/${yield* seal.seal({ location: Redacted.value(location), size, until })}`
        })
    }
  })
