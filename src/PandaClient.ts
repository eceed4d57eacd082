/**
 * How we talk to Panda: the one service that operations need. It signs, sends, retries, traces, maps errors and
 * decodes, for every operation alike.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Credentials from "./Credentials.js"
import * as engine from "./internal/http/engine.js"
import { checkedPath, encodeInput } from "./internal/http/input.js"
import type * as multipart from "./internal/http/multipart.js"
import type * as retryBudget from "./internal/http/retryBudget.js"
import { layerPer } from "./internal/layer/layerPer.js"
import { type PandaError, PandaInputError, type PandaTransportError } from "./PandaError.js"
import type * as Signature from "./Signature.js"

/**
 * An operation of the API as a value: what is special about it. `PandaClient.request` runs it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Operation<A, I, P = never, W extends Signature.Params = Signature.Params> {
  /** Module and function, such as `Videos.find`: names the span and appears in errors. */
  readonly name: string
  readonly method: Signature.Method
  /** Made with `path`, so that no id can reach another endpoint. */
  readonly path: Path
  /** What the caller passed; goes into the query (GET, DELETE) or a form body (POST, PUT). */
  readonly params?: P
  /** Checks the parameters and turns them into their form on the wire. */
  readonly input?: Schema.Schema<P, W>
  /** A file to send with the parameters, as a multipart form; it is not signed. */
  readonly file?: File | undefined
  /** Of the answer's JSON. Use `Acknowledged` where Panda answers nothing of use. */
  readonly result: Schema.Schema<A, I>
  /** Whether doing it twice is harmless. By default all but POST. */
  readonly repeatable?: boolean
  /**
   * Whether the answer is a record that may have any attribute. One named `error` then is an error only where there is
   * a `message` beside it, and nothing else.
   *
   * @since 0.2.0
   */
  readonly open?: boolean
}

/**
 * A file to send, whose size is known beforehand.
 *
 * @since 0.1.0
 * @category models
 */
export interface File extends multipart.File {}

/**
 * The path of an operation, without the version; or why it cannot be one.
 *
 * @since 0.1.0
 * @category models
 */
export type Path = Either.Either<string, PandaInputError>

/**
 * A path whose inserted segments are percent-encoded. Refuses a segment that is empty, or that an URL would take for
 * another place (`.` and `..`).
 *
 * @example
 * import { path } from "effect-panda/PandaClient"
 *
 * const video = (id: string) => path`/videos/${id}.json`
 *
 * @since 0.1.0
 * @category constructors
 */
export const path = (template: TemplateStringsArray, ...segments: ReadonlyArray<string>): Path => {
  const bad = segments.some((segment) =>
    typeof segment !== "string" || segment.trim() === "" || segment === "." || segment === ".." ||
    !segment.isWellFormed()
  )
  return !bad
    ? Either.right(String.raw({ raw: template }, ...segments.map(encodeURIComponent)))
    : Either.left(
      new PandaInputError({
        operation: `${template.join("…")}`,
        parameter: "id",
        description: "is empty or not an id: pass the id that Panda gave"
      })
    )
}

/**
 * The result of an operation that Panda answers with nothing, or with one of several words: whatever it
 * is, done.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api.md
 * @since 0.1.0
 * @category schemas
 */
export const Acknowledged: Schema.Schema<void, unknown> = Schema.transform(Schema.Unknown, Schema.Void, {
  strict: true,
  decode: () => undefined,
  encode: () => null
})

/**
 * The client: the one service that operations need.
 *
 * @since 0.1.0
 * @category tags
 */
export class PandaClient extends Context.Tag("effect-panda/PandaClient")<PandaClient, PandaClient.Service>() {}

/**
 * Holds the type of the service.
 *
 * @since 0.1.0
 * @category models
 */
export declare namespace PandaClient {
  /**
   * What a client does: runs operations, sends raw requests, and lends uploads its HTTP client.
   *
   * @since 0.1.0
   * @category models
   */
  export interface Service {
    readonly credentials: Credentials.Credentials.Service
    /** Neither signs nor traces nor follows redirects: for upload locations, whose URL is itself the capability. */
    readonly httpClient: HttpClient.HttpClient
    /**
     * How a body goes out with its length that need not fit into memory, as answers show. `streamed`: as a
     * stream. `paced`: so too, and more is asked for once the connection has taken what went before, as Node's `http` does.
     * `pulled`: the same as an async iterable, for undici. `none`: fetch sends it as chunked transfer, which upload servers
     * refuse. `copied`: the same, by the runtime's own fetch, which keeps nothing of the bytes that it is given.
     */
    readonly longBodies: Effect.Effect<"none" | "copied" | "streamed" | "paced" | "pulled">
    readonly request: <A, I, P, W extends Signature.Params>(
      operation: Operation<A, I, P, W>
    ) => Effect.Effect<A, PandaError>
    readonly execute: (
      method: Signature.Method,
      path: string,
      params?: Signature.Params
    ) => Effect.Effect<HttpClientResponse.HttpClientResponse, PandaInputError | PandaTransportError>
  }
}

/**
 * When a failed request is sent again, and how often: a Schedule over the error, or `"none"`. Which requests may be
 * sent again at all is not for the schedule to say, and a `Retry-After` wins over its delay.
 *
 * @since 0.1.0
 * @category models
 */
export type RetryPolicy = Schedule.Schedule<unknown, PandaError> | "none"

/**
 * Four times at most, after a random time of up to 200 ms, 400 ms, 800 ms and 1.6 s.
 *
 * @since 0.1.0
 * @category retrying
 */
export const defaultRetry: Schedule.Schedule<unknown, PandaError> = Schedule.exponential("200 millis").pipe(
  Schedule.modifyDelayEffect((_, delay) => Effect.map(Random.next, (part) => Duration.times(delay, part))),
  Schedule.intersect(Schedule.recurs(4))
)

/**
 * How often the requests of a client are sent again, all of them together, whatever the policy of each allows.
 *
 * @since 0.1.0
 * @category models
 */
export interface RetryBudget extends retryBudget.RetryBudget {}

/**
 * 40 retries, which come back at one a second and with every tenth request that succeeds. Ten callers can make all
 * retries of `defaultRetry` at once; in an outage, a hundred make 140 requests instead of 500.
 *
 * @since 0.1.0
 * @category retrying
 */
export const defaultRetryBudget: RetryBudget = { capacity: 40, perSecond: 1, perSuccess: 0.1 }

/**
 * The retry policy in force; set for a region of code by `withRetry`.
 *
 * @since 0.1.0
 * @category references
 */
export class CurrentRetry extends Context.Reference<CurrentRetry>()("effect-panda/PandaClient/CurrentRetry", {
  defaultValue: (): RetryPolicy => defaultRetry
}) {}

/**
 * The retry budget in force; set for a region of code by `withRetryBudget`.
 *
 * @since 0.1.0
 * @category references
 */
export class CurrentRetryBudget extends Context.Reference<CurrentRetryBudget>()(
  "effect-panda/PandaClient/CurrentRetryBudget",
  { defaultValue: (): RetryBudget | "unlimited" => defaultRetryBudget }
) {}

/**
 * The cloud in force, if it is another than the credentials'; set for a region of code by `withCloud`.
 *
 * @since 0.1.0
 * @category references
 */
export class CurrentCloud extends Context.Reference<CurrentCloud>()("effect-panda/PandaClient/CurrentCloud", {
  defaultValue: (): string | undefined => undefined
}) {}

/**
 * How long one attempt of a request may take until its answer is whole, 30 seconds by default; set for a region of code
 * by `withTimeout`.
 *
 * @since 0.1.0
 * @category references
 */
export class CurrentTimeout extends Context.Reference<CurrentTimeout>()("effect-panda/PandaClient/CurrentTimeout", {
  defaultValue: (): Duration.DurationInput => "30 seconds"
}) {}

/**
 * What is done to each request last, once it is signed, and to those on an upload's location too; nothing by default.
 * Set for a region of code by `withTransform`.
 *
 * @since 0.1.0
 * @category references
 */
export class CurrentTransform extends Context.Reference<CurrentTransform>()(
  "effect-panda/PandaClient/CurrentTransform",
  { defaultValue: (): TransformRequest => Effect.succeed }
) {}

/**
 * A change to a request, such as a header that a proxy wants. What is signed (method, host, path, parameters) has to
 * stay as it is.
 *
 * @since 0.1.0
 * @category models
 */
export type TransformRequest = (
  request: HttpClientRequest.HttpClientRequest
) => Effect.Effect<HttpClientRequest.HttpClientRequest>

/**
 * A client from credentials and any platform's `HttpClient`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<
  PandaClient.Service,
  never,
  Credentials.Credentials | HttpClient.HttpClient
> = Effect.gen(function*() {
  const credentials = yield* Credentials.Credentials
  const own = yield* engine.make(credentials, yield* HttpClient.HttpClient, settings)
  const request: PandaClient.Service["request"] = (operation) => {
    const { file, input, method, name, open, params, path, repeatable = method !== "POST", result } = operation
    const wire = input === undefined
      ? Effect.succeed((params ?? {}) as Signature.Params)
      : encodeInput(name, input, params ?? {} as never)
    return engine.request(own, { operation: name, method, path, params: wire, file, repeatable, open }, result)
  }
  const execute: PandaClient.Service["execute"] = (method, path, params = {}) => {
    const operation = "PandaClient.execute"
    const checked = checkedPath(operation, path)
    return engine.execute(own, {
      operation,
      method,
      path: checked,
      params: Effect.succeed(params),
      repeatable: method !== "POST"
    })
  }
  return { credentials, httpClient: own.httpClient, longBodies: own.longBodies, request, execute }
})

const settings = Effect.contextWith((context: Context.Context<never>): engine.Settings => ({
  cloudId: Context.get(context, CurrentCloud),
  retry: Context.get(context, CurrentRetry),
  retryBudget: Context.get(context, CurrentRetryBudget),
  timeout: Context.get(context, CurrentTimeout),
  transform: Context.get(context, CurrentTransform)
}))

/**
 * The client as a layer; `layerConfig` brings the credentials along.
 *
 * It is built once for each `Credentials` and `HttpClient` that it is provided with, so that a graph can have it for
 * several accounts.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<PandaClient, never, Credentials.Credentials | HttpClient.HttpClient> = layerPer(
  PandaClient,
  Effect.all([Credentials.Credentials, HttpClient.HttpClient]),
  make
)

/**
 * With the credentials from the environment; see `Credentials.layerConfig`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  overrides?: Parameters<typeof Credentials.layerConfig>[0]
): Layer.Layer<PandaClient, ConfigError.ConfigError, HttpClient.HttpClient> =>
  Layer.fresh(Layer.provide(layer, Credentials.layerConfig(overrides)))

/** An effect or a stream, with a setting for the operations in it. */
interface Within<Setting> {
  (
    setting: Setting
  ): <T extends Effect.Effect<unknown, unknown, unknown> | Stream.Stream<unknown, unknown, unknown>>(self: T) => Same<T>
  <A, E, R>(self: Stream.Stream<A, E, R>, setting: Setting): Stream.Stream<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, setting: Setting): Effect.Effect<A, E, R>
}

type Same<T> = [T] extends [Effect.Effect<infer A, infer E, infer R>] ? Effect.Effect<A, E, R>
  : [T] extends [Stream.Stream<infer A, infer E, infer R>] ? Stream.Stream<A, E, R>
  : never

const within = <I, Setting>(reference: Context.Reference<I, Setting>): Within<Setting> =>
  dual(2, <A, E, R>(self: Effect.Effect<A, E, R> | Stream.Stream<A, E, R>, setting: Setting) =>
    Effect.isEffect(self)
      ? Effect.provideService(self, reference, setting)
      : Stream.provideService(self, reference, setting))

/**
 * Runs the operations of an effect or a stream against another cloud of the account.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_authentication.md
 * @example
 * import { PandaClient, Videos } from "effect-panda"
 *
 * const newest = Videos.list({ per_page: 5 })
 * const newestThere = newest.pipe(PandaClient.withCloud("other-cloud-id"))
 *
 * @since 0.1.0
 * @category combinators
 */
export const withCloud: Within<string> = within(CurrentCloud)

/**
 * Runs the operations of an effect or a stream with another retry policy, or without any.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withRetry: Within<RetryPolicy> = within(CurrentRetry)

/**
 * Runs the operations of an effect or a stream within another retry budget, or without any. What is spent is counted for the client:
 * the budgets of two regions of code are two limits on the same count. `"unlimited"` retries do not count.
 *
 * @example
 * import { PandaClient, Videos } from "effect-panda"
 *
 * const mustGo = (id: string) => Videos.delete(id).pipe(PandaClient.withRetryBudget("unlimited"))
 *
 * @since 0.1.0
 * @category combinators
 */
export const withRetryBudget: Within<RetryBudget | "unlimited"> = within(CurrentRetryBudget)

/**
 * Runs the operations of an effect or a stream with another time allowed for one attempt.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withTimeout: Within<Duration.DurationInput> = within(CurrentTimeout)

/**
 * Changes the requests of an effect or a stream, once they are signed.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withTransform: Within<TransformRequest> = within(CurrentTransform)

/**
 * Runs an operation: checks its parameters, then signs, sends, and where it is allowed sends again, maps an error answer
 * to its `PandaError`, and decodes the result.
 *
 * @since 0.1.0
 * @category operations
 */
export const request = <A, I, P, W extends Signature.Params>(
  operation: Operation<A, I, P, W>
): Effect.Effect<A, PandaError, PandaClient> => Effect.flatMap(PandaClient, (client) => client.request(operation))

/**
 * Sends a signed request and gives its answer as it is, whatever its status. Retried only where no answer came. The
 * answer's `request` is the one before it was signed, so that it can be printed.
 *
 * @since 0.1.0
 * @category raw requests
 */
export const execute = (
  method: Signature.Method,
  path: string,
  params?: Signature.Params
): Effect.Effect<HttpClientResponse.HttpClientResponse, PandaInputError | PandaTransportError, PandaClient> =>
  Effect.flatMap(PandaClient, (client) => client.execute(method, path, params))

interface Raw {
  /** The parsed JSON. */
  (path: string, params?: Signature.Params): Effect.Effect<unknown, PandaError, PandaClient>
  /** The JSON, decoded. */
  <A, I>(
    path: string,
    params: Signature.Params,
    result: Schema.Schema<A, I>
  ): Effect.Effect<A, PandaError, PandaClient>
}

const raw = (method: Signature.Method): Raw =>
(
  path: string,
  params: Signature.Params = {},
  result: Schema.Schema<unknown> = Schema.Unknown
) => {
  const name = `PandaClient.${method.toLowerCase()}`
  return request({ name, method, path: checkedPath(name, path), params, result })
}

/**
 * GET of any endpoint, such as `/videos.json`.
 *
 * @since 0.1.0
 * @category raw requests
 */
export const get: Raw = raw("GET")

/**
 * POST to any endpoint. Sent again only if it surely was not carried out.
 *
 * @since 0.1.0
 * @category raw requests
 */
export const post: Raw = raw("POST")

/**
 * PUT to any endpoint.
 *
 * @since 0.1.0
 * @category raw requests
 */
export const put: Raw = raw("PUT")

const del: Raw = raw("DELETE")

export {
  /**
   * DELETE of any endpoint; `null` where Panda answers nothing.
   *
   * @since 0.1.0
   * @category raw requests
   */
  del as delete
}
