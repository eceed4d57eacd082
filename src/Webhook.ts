/**
 * What Panda tells us: events, posted as a form to the url of a cloud's `Notifications`.
 *
 * Panda does not sign webhooks: whoever knows the url can post anything to it. So put a secret in the url, let `httpApp`
 * check it, and take from an event no more than its ids: what they stand for, `fetch` asks Panda.
 *
 * What is not answered with 200 is sent again, at growing intervals for 24 hours. An event can therefore come twice, and
 * after a later one. Both are harmless to a handler that writes down what `fetch` gives, under its id.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/notifications.md
 * @since 0.1.0
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { sha256 } from "@noble/hashes/sha2.js"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Encodings from "./Encodings.js"
import type { PandaClient } from "./PandaClient.js"
import type { PandaError } from "./PandaError.js"
import { concealUrl } from "./internal/receiving/concealUrl.js"
import * as form from "./internal/receiving/form.js"
import { interruptible } from "./internal/receiving/interruptible.js"
import * as Videos from "./Videos.js"

/** Names and values that are not known, in the order they came, where there are any; a name can come twice. */
const fields = Schema.optionalWith(Schema.Array(Schema.Tuple(Schema.String, Schema.String)), { exact: true })

/** What a later version puts into a queue is not lost in this one. */
const event = <Tag extends string, Fields extends Schema.Struct.Fields>(tag: Tag, fields: Fields) =>
  Schema.TaggedStruct(tag, fields).annotations({ parseOptions: { onExcessProperty: "preserve" } })

const video = {
  fields,
  video_id: Schema.NonEmptyString,
  /** Of the video's encodings, in Panda's order; empty if there are none yet. */
  encoding_ids: Schema.Array(Schema.NonEmptyString)
}

const encoding = {
  fields,
  encoding_id: Schema.NonEmptyString,
  /** Not always sent. */
  video_id: Schema.optional(Schema.NonEmptyString)
}

/**
 * The source of a video is stored, or could not be (`video-created`).
 *
 * @since 0.1.0
 * @category models
 */
export interface VideoCreated extends Schema.Schema.Type<typeof VideoCreated> {}

/**
 * `VideoCreated` as JSON, to put it into a queue.
 *
 * @since 0.1.0
 * @category schemas
 */
export const VideoCreated = event("VideoCreated", video)

/**
 * All encodings of a video are done, or have failed (`video-encoded`). Comes again when encodings are added or retried.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideoEncoded extends Schema.Schema.Type<typeof VideoEncoded> {}

/**
 * `VideoEncoded` as JSON.
 *
 * @since 0.1.0
 * @category schemas
 */
export const VideoEncoded = event("VideoEncoded", video)

/**
 * How far an encoding is, about every 10 seconds (`encoding-progress`).
 *
 * @since 0.1.0
 * @category models
 */
export interface EncodingProgress extends Schema.Schema.Type<typeof EncodingProgress> {}

/**
 * `EncodingProgress` as JSON.
 *
 * @since 0.1.0
 * @category schemas
 */
export const EncodingProgress = event("EncodingProgress", {
  ...encoding,
  /** Percent. */
  progress: Schema.Number.pipe(Schema.between(0, 100))
})

/**
 * An encoding is done, or has failed (`encoding-complete`).
 *
 * @since 0.1.0
 * @category models
 */
export interface EncodingComplete extends Schema.Schema.Type<typeof EncodingComplete> {}

/**
 * `EncodingComplete` as JSON.
 *
 * @since 0.1.0
 * @category schemas
 */
export const EncodingComplete = event("EncodingComplete", encoding)

/**
 * An event that is none of these, with all that came: newer than this library, or not from Panda.
 *
 * @since 0.1.0
 * @category models
 */
export interface Unknown extends Schema.Schema.Type<typeof Unknown> {}

/**
 * `Unknown` as JSON.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Unknown = Schema.TaggedStruct("Unknown", {
  /** As Panda named it. */
  event: Schema.NonEmptyString,
  /** Names and values in the order they came, `event` included; a name can come twice. */
  fields: Schema.Array(Schema.Tuple(Schema.String, Schema.String))
})

/**
 * What Panda can tell. Its encoded form is JSON, to put it into a queue.
 *
 * @since 0.1.0
 * @category models
 */
export type Event = typeof Event.Type

/**
 * Every event as JSON, told apart by `_tag`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Event = Schema.Union(VideoCreated, VideoEncoded, EncodingProgress, EncodingComplete, Unknown)

/**
 * A form that Panda would not send: without an event, without the id it is about, or with a progress that is no number.
 * The message names the field, and shows no value.
 *
 * @since 0.1.0
 * @category errors
 */
export class PandaWebhookError extends Schema.TaggedError<PandaWebhookError>("effect-panda/PandaWebhookError")(
  "PandaWebhookError",
  {
    operation: Schema.String,
    /** The field at fault, such as `video_id`. */
    field: Schema.String,
    description: Schema.String
  }
) {
  /**
   * Whether trying again later can help.
   *
   * @since 0.1.0
   */
  readonly isRetryable: boolean = false
  override get message(): string {
    return `${this.operation}: ${this.field} ${this.description}. Answer 400: Panda does not send this`
  }
}

/**
 * The body of a webhook: urlencoded text, or names and values that were parsed from it, such as `URLSearchParams` or the
 * platform's `UrlParams`.
 *
 * @since 0.1.0
 * @category models
 */
export type Form = string | Iterable<readonly [name: string, value: string]>

/**
 * The event in the body of a webhook. All shapes that were ever seen are read: `encoding_ids` with an index in any
 * order, with empty brackets, repeated, as `encodings_ids`, empty or absent; `encoding-completed` for
 * `encoding-complete`. Of other fields that come twice the last counts. A progress beyond 0 or 100 is taken for these.
 * Fields that are not known are kept as `fields`.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (form: Form): Effect.Effect<Event, PandaWebhookError> =>
  Effect.gen(function*() {
    const fields = Array.from(
      typeof form === "string" ? new URLSearchParams(form) : form,
      ([name, value]) => [name, value] as const
    )
    const last = new Map(fields)
    const required = (field: string) => {
      const value = last.get(field)
      return value === undefined || value === "" ? wrong(field, "is missing") : Effect.succeed(value)
    }
    const others = (...known: ReadonlyArray<string>) => {
      const isKnown = (name: string) =>
        name === "event" || known.includes(name) || !known.includes("encoding_id") && ENCODING_IDS.test(name)
      const unknown = fields.filter(([name]) => !isKnown(name))
      return unknown.length === 0 ? {} : { fields: unknown }
    }
    const event = yield* required("event")
    switch (event) {
      case "video-created":
        return VideoCreated.make({
          ...others("video_id"),
          video_id: yield* required("video_id"),
          encoding_ids: encodingIds(fields)
        })
      case "video-encoded":
        return VideoEncoded.make({
          ...others("video_id"),
          video_id: yield* required("video_id"),
          encoding_ids: encodingIds(fields)
        })
      case "encoding-progress":
        return EncodingProgress.make({
          ...others("encoding_id", "video_id", "progress"),
          encoding_id: yield* required("encoding_id"),
          video_id: last.get("video_id") || undefined,
          progress: yield* percent(yield* required("progress"))
        })
      case "encoding-complete":
      case "encoding-completed":
        return EncodingComplete.make({
          ...others("encoding_id", "video_id"),
          encoding_id: yield* required("encoding_id"),
          video_id: last.get("video_id") || undefined
        })
      default:
        return Unknown.make({ event, fields })
    }
  })

const wrong = (field: string, description: string) =>
  new PandaWebhookError({ operation: "Webhook.decode", field, description })

const ENCODING_IDS = /^encodings?_ids(?:\[(\d*)\])?$/

const percent = (text: string) =>
  /^\s*-?\d+(\.\d+)?\s*$/.test(text)
    ? Effect.succeed(Math.min(100, Math.max(0, Number(text))))
    : wrong("progress", "is not a number")

/** Those with an index by it, the last of each; then those without, as they came. */
const encodingIds = (fields: ReadonlyArray<readonly [name: string, value: string]>): ReadonlyArray<string> => {
  const indexed = new Map<string, string>()
  const others: Array<string> = []
  for (const [name, id] of fields) {
    const [list, index] = ENCODING_IDS.exec(name) ?? []
    if (list === undefined || id === "") continue
    if (index === undefined || index === "") others.push(id)
    else indexed.set(index.replace(/^0+(?=\d)/, ""), id)
  }
  return [...indexed].sort(([a], [b]) => byIndex(a, b)).map(([, id]) => id).concat(others)
}

/** Of any length: a number could not tell all of them apart. */
const byIndex = (a: string, b: string): number => a.length - b.length || (a < b ? -1 : 1)

/**
 * A video and what was made of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideoWithEncodings {
  readonly video: Videos.Video
  /** All of them, newest first. */
  readonly encodings: ReadonlyArray<Encodings.Encoding>
}

/**
 * What an event is about.
 *
 * @since 0.1.0
 * @category models
 */
export type Fetched<E extends Event> = E extends VideoCreated | VideoEncoded ? VideoWithEncodings
  : E extends EncodingProgress | EncodingComplete ? Encodings.Encoding
  : undefined

/**
 * What an event is about, as Panda has it now: the video with its encodings, or the encoding. Of an unknown event
 * nothing can be known: `undefined`, without asking.
 *
 * Fails with `PandaNotFound` if it has been deleted since, belongs to another cloud (see `PandaClient.withCloud`), or
 * was made up. A handler that lets this through has the event sent again for 24 hours.
 *
 * @since 0.1.0
 * @category operations
 */
export const fetch = <E extends Event>(event: E): Effect.Effect<Fetched<E>, PandaError, PandaClient> =>
  fetchAny(event) as Effect.Effect<Fetched<E>, PandaError, PandaClient>

const fetchAny = (event: Event): Effect.Effect<Fetched<Event>, PandaError, PandaClient> => {
  switch (event._tag) {
    case "VideoCreated":
    case "VideoEncoded":
      return Effect.all({
        video: Videos.find(event.video_id),
        encodings: Effect.map(
          Stream.runCollect(Encodings.all({ video_id: event.video_id })),
          (encodings) => Arr.fromIterable(encodings)
        )
      }, { concurrency: 2 })
    case "EncodingProgress":
    case "EncodingComplete":
      return Encodings.find(event.encoding_id)
    case "Unknown":
      return Effect.sync(() => undefined)
  }
}

/**
 * Who may post, and how much.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * What the url has to end in, as the last segment of its path (`/webhooks/SECRET`, with or without a slash behind), or
   * has to have as a query value (`?secret=SECRET`). Prefer the path: there are HTTP clients that lose the query of a
   * POST, and nothing says which one Panda uses. Best 32 characters or more, random, of letters and digits: others have
   * to be percent-encoded in the url.
   * An empty one admits nobody.
   */
  readonly secret?: Redacted.Redacted<string> | undefined
  /** Bytes that a body may have, 64 KiB by default. */
  readonly bodyLimit?: number | undefined
}

/**
 * An app that receives webhooks: for any `HttpServer`, or as a route of any router.
 *
 * | answer | when | what Panda does |
 * | --- | --- | --- |
 * | 200 | the handler has succeeded | takes it as delivered |
 * | 404 | the secret is missing or wrong: who guesses is not told that there is something to guess | tries again |
 * | 405 | it is not a POST | |
 * | 413 | the body is over the limit | tries again |
 * | 415 | the body is not an urlencoded form | tries again |
 * | 400 | it is not an event, see `decode`; an event that is only unknown goes to the handler | tries again |
 * | 500 | the handler has failed, which is logged | tries again |
 *
 * Answers have no body. How long Panda waits for one is not documented: let the handler write the event into a queue,
 * and do the work elsewhere. It runs in a span `Panda.Webhook`.
 *
 * The secret is compared in constant time. With a secret, the url is kept out of the log that `HttpMiddleware.logger`
 * writes of the request, and out of the server's span. A proxy in front of the server may log it still.
 *
 * @example
 * import * as HttpRouter from "@effect/platform/HttpRouter"
 * import { Config, Effect } from "effect"
 * import * as Webhook from "effect-panda/Webhook"
 *
 * const router = Effect.gen(function*() {
 *   const secret = yield* Config.redacted("PANDA_WEBHOOK_SECRET")
 *   const app = Webhook.httpApp(
 *     (event) =>
 *       event._tag === "VideoEncoded"
 *         ? Effect.flatMap(Webhook.fetch(event), ({ encodings, video }) =>
 *             Effect.log(`${video.original_filename} has ${encodings.length} encodings`))
 *         : Effect.void,
 *     { secret }
 *   )
 *   return HttpRouter.empty.pipe(HttpRouter.all("/webhooks/:secret", app))
 * })
 *
 * @since 0.1.0
 * @category receiving
 */
export const httpApp = <E, R>(
  handler: (event: Event) => Effect.Effect<unknown, E, R>,
  { bodyLimit = 64 * 1024, secret }: Options = {}
): HttpApp.Default<never, R> => {
  const admits = secret === undefined ? undefined : gate(secret)

  const handle = (event: Event) =>
    Effect.suspend(() => handler(event)).pipe(
      Effect.withSpan("Panda.Webhook", {
        kind: "consumer",
        captureStackTrace: false,
        attributes: { "panda.webhook.event": event._tag }
      }),
      Effect.matchCauseEffect({
        onSuccess: () => Effect.succeed(answer(200)),
        onFailure: (cause) =>
          Effect.as(
            Effect.logError(`Panda.Webhook: the handler failed, so Panda will send ${event._tag} again`, cause),
            answer(500)
          )
      })
    )

  const receive = interruptible(Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    if (admits !== undefined) {
      yield* concealUrl
      if (!admits(request.url)) return yield* refuse(404, "the secret is missing or wrong")
    }
    if (request.method !== "POST") return yield* refuse(405, "it is not a POST", { allow: "POST" })
    if (!form.isForm(request)) return yield* refuse(415, "it is not an urlencoded form")
    const body = yield* form.read(request, bodyLimit)
    if (body === "TooLong") return yield* refuse(413, `it has more than ${bodyLimit} bytes`)
    if (body === "Broken") return yield* refuse(400, "it broke off")
    const event = yield* Effect.either(decode(body.text))
    return yield* Either.isLeft(event) ? refuse(400, event.left.message) : handle(event.right)
  }))
  return secret === undefined ? receive : HttpMiddleware.withLoggerDisabled(receive)
}

const answer = (status: number, headers: Readonly<Record<string, string>> = {}) =>
  HttpServerResponse.empty({ status, headers: { ...headers, "content-length": "0" } })

const refuse = (status: number, why: string, headers?: Readonly<Record<string, string>>) =>
  Effect.as(Effect.logDebug(`Panda.Webhook: answered ${status}`, why), answer(status, headers))

/** By their hashes, which are of equal length, and of which all bytes are looked at. */
const gate = (secret: Redacted.Redacted<string>): (url: string) => boolean => {
  const hash = (text: string) => sha256(new TextEncoder().encode(text))
  const wanted = hash(Redacted.value(secret))
  const isSet = Redacted.value(secret) !== ""
  return (url) => {
    const given = hash(secretIn(url))
    return isSet && wanted.reduce((difference, byte, i) => difference | byte ^ given[i]!, 0) === 0
  }
}

const secretIn = (url: string): string => {
  const [path = "", ...query] = url.replace(/#.*$/s, "").split("?")
  // Slashes at the end: what people add to an url, and proxies.
  const last = path.split("/").filter((segment) => segment !== "").at(-1)
  return new URLSearchParams(query.join("?")).get("secret") || decodeSegment(last ?? "")
}

const decodeSegment = (segment: string): string => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
