/**
 * How we talk to Panda: the one service that operations need. It signs, sends, retries, traces, maps errors and
 * decodes, for every operation alike.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as Schema from "effect/Schema"
import * as Credentials from "./Credentials.js"
import * as body from "./internal/http/body.js"
import * as json from "./internal/model/json.js"
import * as multipart from "./internal/http/multipart.js"
import * as retryBudget from "./internal/http/retryBudget.js"
import { UnsignedResponse } from "./internal/http/unsigned.js"
import type { Answer, PandaError } from "./PandaError.js"
import {
  fromAnswer,
  fromHttpClientError,
  fromParseError,
  PandaDecodeError,
  PandaInputError,
  PandaTransportError
} from "./PandaError.js"
import * as Signature from "./Signature.js"

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
  /** A file to send with the parameters, as a multipart form; it is not signed (contract 3). */
  readonly file?: File | undefined
  /** Of the answer's JSON. Use `Acknowledged` where Panda answers nothing of use. */
  readonly result: Schema.Schema<A, I>
  /** Whether doing it twice is harmless. By default all but POST. */
  readonly repeatable?: boolean
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
 * The result of an operation that Panda answers with nothing, or with one of several words (contract 5): whatever it
 * is, done.
 *
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

/** Bytes a second that a file has at least: its time comes on top of the timeout. */
const SLOWEST = 16 * 1024

const requests = Metric.counter("panda_requests", {
  description: "Requests that were sent, by operation and outcome",
  incremental: true
})

const retries = Metric.counter("panda_retries", {
  description: "Failures after which an operation or an upload went on, by operation",
  incremental: true
})

const overBudget = Metric.counter("panda_retries_over_budget", {
  description: "API requests not sent again because the retry budget was used up, by operation",
  incremental: true
})

/**
 * Counts a request by what came of it, and tells its span: `success`, or the tag of its error.
 *
 * @internal
 */
export const noteOutcome = (operation: string, outcome: string): Effect.Effect<void> =>
  Effect.zipRight(
    outcome === "success" ? Effect.void : Effect.annotateCurrentSpan("error.type", outcome),
    Metric.increment(Metric.tagged(Metric.tagged(requests, "operation", operation), "outcome", outcome))
  )

/**
 * Counts a failure after which it is tried again.
 *
 * @internal
 */
export const countRetry = (operation: string): Effect.Effect<void> =>
  Metric.increment(Metric.tagged(retries, "operation", operation))

/**
 * Delays by the schedule, or by the error's `Retry-After` where it has one.
 *
 * @internal
 */
export const honourRetryAfter = <Out, In, R>(schedule: Schedule.Schedule<Out, In, R>): Schedule.Schedule<In, In, R> =>
  Schedule.modifyDelay(Schedule.passthrough(schedule), (error, delay) => {
    const asked = typeof error === "object" && error !== null && "retryAfter" in error ? error.retryAfter : undefined
    return Duration.isDuration(asked) ? asked : delay
  })

/**
 * Logs and counts each time that a schedule, over an error that it gives back, lets something happen again.
 *
 * @internal
 */
export const noted =
  (operation: string) =>
  <E extends { readonly message: string }, In, R>(schedule: Schedule.Schedule<E, In, R>): Schedule.Schedule<E, In, R> =>
    Schedule.onDecision(schedule, (error, decision) =>
      ScheduleDecision.isDone(decision)
        ? Effect.void
        : Effect.zipRight(
          Effect.logDebug(`Panda.${operation}: sending again`, error.message),
          countRetry(operation)
        ))

/** A request that is not repeatable is sent again only if it surely was not carried out (design 7). */
const mayRepeat = (repeatable: boolean) => (error: PandaError): boolean => {
  if (repeatable) return error.isRetryable
  switch (error._tag) {
    case "PandaTransportError":
      return !error.ambiguous
    case "PandaRateLimited":
      return true
    case "PandaServerError":
      return error.status === 503 && error.retryAfter !== undefined
    default:
      return false
  }
}

/** A request before it is signed. */
interface Sending {
  readonly operation: string
  readonly method: Signature.Method
  readonly path: string
  readonly params: Signature.Params
  readonly file?: File | undefined
}

const parseJson = Schema.decode(json.Json)

/**
 * What fetch is to do with a redirect, which would carry the signature elsewhere: to fail, since for `manual` it keeps
 * the body in memory as if it were to repeat it. Cloudflare's Workers know no `error`, and would send nothing.
 */
const redirectMode = (): RequestRedirect => {
  try {
    return new Request("http://localhost", { redirect: "error" }).redirect
  } catch {
    return "manual"
  }
}

/** Other HTTP layers do not ask for a `Fetch`, and follow no redirects. */
const withoutRedirects = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.serviceOption(FetchHttpClient.Fetch), (given) => {
    const fetch = Option.getOrElse(given, () => globalThis.fetch)
    return Effect.provideService(
      effect,
      FetchHttpClient.Fetch,
      (input, init) => fetch(input, { ...init, redirect: redirectMode() })
    )
  })

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

/**
 * Parameters in their form on the wire; `PandaInputError` if they have none.
 *
 * @internal
 */
export const encodeInput = <P, W>(
  operation: string,
  input: Schema.Schema<P, W>,
  params: P
): Effect.Effect<W, PandaInputError> => Effect.mapError(Schema.encode(input)(params), inputError(operation))

/** Signing, `path` and the form do not know what they are used for. */
const inOperation = (operation: string) => ({ description, parameter }: PandaInputError) =>
  new PandaInputError({ operation, parameter, description })

const checkedPath = (operation: string, path: string): Path => {
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
  const httpClient = (yield* HttpClient.HttpClient).pipe(
    // Its span and its trace headers would carry the signed URL, and our trace ids to Panda.
    HttpClient.withTracerDisabledWhen(() => true),
    HttpClient.transformResponse(withoutRedirects)
  )
  const origin = new URL(credentials.baseUrl).origin
  const account = yield* retryBudget.make

  const noteStatus = ({ status }: { readonly status: number }) =>
    Effect.annotateCurrentSpan("http.response.status_code", status)

  const send = ({ file, method, operation, params, path }: Sending) =>
    Effect.gen(function*() {
      const cloudId = (yield* CurrentCloud) ?? credentials.cloudId
      const signed = yield* Signature.signWith({ ...credentials, cloudId }, method, path, params).pipe(
        Effect.mapError(inOperation(operation))
      )
      const inQuery = method === "GET" || method === "DELETE"
      const url = `${credentials.baseUrl}${path}${inQuery ? `?${Signature.encode(signed)}` : ""}`
      const request = HttpClientRequest.make(method)(url, { headers: { accept: "application/json" } })
      const form = file === undefined ? undefined : yield* Effect.mapError(
        multipart.make(signed, file),
        inOperation(operation)
      )
      const body = inQuery
        ? HttpBody.empty
        : form?.body ?? HttpBody.text(Signature.encode(signed), "application/x-www-form-urlencoded")
      const transform = yield* CurrentTransform
      const sent = httpClient.execute(yield* transform(HttpClientRequest.setBody(request, body)))
      return yield* form === undefined ? sent : form.keepLength(sent)
    }).pipe(
      Effect.tap(noteStatus),
      Effect.catchTags({
        RequestError: (error) => fromHttpClientError(operation, origin, error),
        ResponseError: (error) => fromHttpClientError(operation, origin, error)
      })
    )

  const timely = (operation: string, file?: File) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.flatMap(CurrentTimeout, (duration) =>
      Effect.timeoutFail(effect, {
        duration: Duration.sum(Duration.decode(duration), Duration.seconds((file?.size ?? 0) / SLOWEST)),
        onTimeout: () => new PandaTransportError({ operation, reason: "Timeout", ambiguous: true, host: origin })
      }))

  const attempt = (operation: string, file?: File) => <A, E extends PandaError>(effect: Effect.Effect<A, E>) =>
    effect.pipe(
      timely(operation, file),
      Effect.tapBoth({
        onSuccess: () => noteOutcome(operation, "success"),
        onFailure: (error) => noteOutcome(operation, error._tag)
      }),
      Effect.withSpan("Panda.attempt", { kind: "client", captureStackTrace: false })
    )

  const exchange = (sending: Sending) => {
    const { file, operation } = sending
    return Effect.gen(function*() {
      const response = yield* send(sending)
      const { headers, status } = response
      const text = yield* body.text(response).pipe(
        Effect.mapError((error) => fromHttpClientError(operation, origin, error))
      )
      if (Option.isNone(text)) {
        return yield* new PandaDecodeError({ operation, status, path: [], description: "is longer than 32 MiB" })
      }
      const answer: Answer = { status, headers, text: text.value }
      const error = fromAnswer(operation, answer, yield* DateTime.now)
      return yield* Option.isSome(error) ? Effect.fail(error.value) : Effect.succeed(answer)
    }).pipe(attempt(operation, file))
  }

  /** A signature that has expired at once means that our clock is wrong: take the server's, and sign again once. */
  const synchronized = <A>(effect: Effect.Effect<A, PandaError>): Effect.Effect<A, PandaError> =>
    Effect.catchTag(
      effect,
      "PandaAuthError",
      (error) =>
        error.reason === "SignatureExpired" && error.serverTime !== undefined
          ? Effect.zipRight(credentials.synchronize(error.serverTime), effect)
          : Effect.fail(error)
    )

  /** In an outage each caller would send again in vain: all together they fail fast, rather than make it worse. */
  const affordable = (operation: string) => (error: PandaError) =>
    CurrentRetryBudget.pipe(
      Effect.flatMap(account.take),
      Effect.tap((taken) =>
        taken ? Effect.void : Effect.zipRight(
          Effect.logDebug(`Panda.${operation}: not sending again, the retry budget is used up`, error.message),
          Metric.increment(Metric.tagged(overBudget, "operation", operation))
        )
      )
    )

  const retrying = (operation: string, repeatable: boolean) => <A, E extends PandaError>(effect: Effect.Effect<A, E>) =>
    Effect.flatMap(CurrentRetry, (policy) =>
      policy === "none" ? effect : Effect.retry(
        effect,
        honourRetryAfter(policy).pipe(
          Schedule.whileInput(mayRepeat(repeatable)),
          Schedule.whileInputEffect(affordable(operation)),
          noted(operation)
        )
      )).pipe(Effect.zipLeft(Effect.flatMap(CurrentRetryBudget, account.earn)))

  const traced = (operation: string, method: string, path: Path) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    effect.pipe(
      Effect.annotateLogs("panda.operation", operation),
      Effect.withSpan(`Panda.${operation}`, {
        captureStackTrace: false,
        attributes: {
          "http.request.method": method,
          "server.address": credentials.host,
          ...(Either.isRight(path) ? { "url.path": path.right } : {})
        }
      })
    )

  const request: PandaClient.Service["request"] = (operation) => {
    const { file, input, method, name, params, repeatable = method !== "POST", result } = operation
    return Effect.gen(function*() {
      const path = yield* Either.mapLeft(operation.path, inOperation(name))
      const wire = input === undefined
        ? (params ?? {}) as Signature.Params
        : yield* encodeInput(name, input, params ?? {} as never)
      /** Whether an earlier attempt may have been carried out all the same. */
      let doubtful = false
      const answer = yield* exchange({ operation: name, method, path, params: wire, file }).pipe(
        synchronized,
        Effect.tapError((error) =>
          Effect.sync(() => {
            doubtful ||= error.isRetryable && !mayRepeat(false)(error)
          })
        ),
        retrying(name, repeatable),
        // What was perhaps deleted, and is not there now, is deleted.
        Effect.catchIf(
          (error) => method === "DELETE" && doubtful && error._tag === "PandaNotFound",
          () => Effect.succeed({ status: 404, text: "" })
        ),
        Effect.tapBoth({
          onSuccess: noteStatus,
          onFailure: (error) => "status" in error ? noteStatus(error) : Effect.void
        })
      )
      // Panda answers some requests with nothing at all (contract 5).
      const text = answer.text.trim() === "" ? "null" : answer.text
      return yield* Effect.mapError(
        Effect.flatMap(parseJson(text), Schema.decodeUnknown(result)),
        (error) => fromParseError(name, answer, error)
      )
    }).pipe(traced(name, method, operation.path))
  }

  const execute: PandaClient.Service["execute"] = (method, path, params = {}) => {
    const checked = checkedPath("PandaClient.execute", path)
    return Effect.flatMap(checked, (path) =>
      Effect.map(
        send({ operation: "PandaClient.execute", method, path, params }),
        (response) => new UnsignedResponse(response, HttpClientRequest.make(method)(`${credentials.baseUrl}${path}`))
      )).pipe(
        attempt("PandaClient.execute"),
        retrying("PandaClient.execute", method !== "POST"),
        Effect.tap(noteStatus),
        traced("PandaClient.execute", method, checked)
      )
  }

  return { credentials, httpClient, request, execute }
})

/**
 * The client as a layer; `layerConfig` brings the credentials along.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<PandaClient, never, Credentials.Credentials | HttpClient.HttpClient> = Layer.effect(
  PandaClient,
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
  Layer.provide(layer, Credentials.layerConfig(overrides))

/**
 * Runs the operations of an effect against another cloud of the account (contract 2.1).
 *
 * @example
 * import { PandaClient, Videos } from "effect-panda"
 *
 * const newest = Videos.list({ per_page: 5 })
 * const newestThere = newest.pipe(PandaClient.withCloud("other-cloud-id"))
 *
 * @since 0.1.0
 * @category combinators
 */
export const withCloud: {
  (cloudId: string): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, cloudId: string): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, cloudId: string) => Effect.provideService(self, CurrentCloud, cloudId)
)

/**
 * Runs the operations of an effect with another retry policy, or without any.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withRetry: {
  (policy: RetryPolicy): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, policy: RetryPolicy): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, policy: RetryPolicy) => Effect.provideService(self, CurrentRetry, policy)
)

/**
 * Runs the operations of an effect within another retry budget, or without any. What is spent is counted for the client:
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
export const withRetryBudget: {
  (budget: RetryBudget | "unlimited"): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, budget: RetryBudget | "unlimited"): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, budget: RetryBudget | "unlimited") =>
    Effect.provideService(self, CurrentRetryBudget, budget)
)

/**
 * Runs the operations of an effect with another time allowed for one attempt.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withTimeout: {
  (duration: Duration.DurationInput): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, duration: Duration.DurationInput): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, duration: Duration.DurationInput) =>
    Effect.provideService(self, CurrentTimeout, duration)
)

/**
 * Changes the requests of an effect, once they are signed.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withTransform: {
  (transform: TransformRequest): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, transform: TransformRequest): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, transform: TransformRequest) =>
    Effect.provideService(self, CurrentTransform, transform)
)

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
