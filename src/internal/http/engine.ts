/** The way a request goes (design 2): it is signed, sent, its answer classified, sent again where it may be, and decoded. */
import * as Headers from "@effect/platform/Headers"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Credentials from "../../Credentials.js"
import { PandaDecodeError, type PandaError, type PandaInputError, PandaTransportError } from "../../PandaError.js"
import * as Signature from "../../Signature.js"
import * as json from "../model/json.js"
import { ofParameters, type Secrets } from "../text/secrets.js"
import * as monotonic from "../time/monotonic.js"
import { type Answer, fromAnswer, fromHttpClientError, fromParseError } from "./answer.js"
import * as body from "./body.js"
import { around, type Fetch } from "./fetch.js"
import * as codings from "./codings.js"
import { checkCloud, inOperation, nested } from "./input.js"
import * as longBody from "./longBody.js"
import * as multipart from "./multipart.js"
import { withoutRedirects } from "./redirects.js"
import { honourRetryAfter, isDoubtful, mayRepeat } from "./retry.js"
import * as retryBudget from "./retryBudget.js"
import { attempted, noted, noteOverBudget, noteStatus, traced } from "./telemetry.js"
import { UnsignedResponse } from "./unsigned.js"

/** What is to be done, by its name, its method and what its caller passed. */
export interface Call {
  readonly operation: string
  readonly method: Signature.Method
  readonly path: Either.Either<string, PandaInputError>
  readonly params: Effect.Effect<Signature.Params, PandaInputError>
  readonly file?: multipart.File | undefined
  /** Whether doing it twice is harmless. */
  readonly repeatable: boolean
  /** Whether the answer may have any attribute, `error` too. */
  readonly open?: boolean | undefined
}

/** What is in force where a request is made. */
export interface Settings {
  readonly cloudId: string | undefined
  readonly retry: Schedule.Schedule<unknown, PandaError> | "none"
  readonly retryBudget: retryBudget.RetryBudget | "unlimited"
  readonly timeout: Duration.DurationInput
  readonly transform: (
    request: HttpClientRequest.HttpClientRequest
  ) => Effect.Effect<HttpClientRequest.HttpClientRequest>
}

/** A client's own, for all its requests. */
interface Engine {
  readonly credentials: Credentials.Credentials.Service
  /** Neither traces nor follows redirects. */
  readonly httpClient: HttpClient.HttpClient
  /** As answers show. */
  readonly longBodies: Effect.Effect<longBody.Kind>
  readonly settings: Effect.Effect<Settings>
  readonly budget: Effect.Effect.Success<typeof retryBudget.make>
}

export const make = (
  credentials: Credentials.Credentials.Service,
  httpClient: HttpClient.HttpClient,
  settings: Effect.Effect<Settings>
): Effect.Effect<Engine> =>
  Effect.map(retryBudget.make, (budget) => {
    let longBodies: longBody.Kind = "streamed"
    const byFetch = (fetch: Fetch, isOwn: boolean): Fetch => (input, init) => {
      longBodies = isOwn ? "copied" : "none"
      return withoutRedirects(fetch)(input, init)
    }
    const notice = (response: HttpClientResponse.HttpClientResponse) => {
      if (longBodies === "streamed") longBodies = longBody.kindOf(response) ?? longBodies
    }
    return {
      credentials,
      longBodies: Effect.sync(() => longBodies),
      httpClient: around(httpClient, byFetch).pipe(
        // Its span and its trace headers would carry the signed URL, and our trace ids to Panda.
        HttpClient.withTracerDisabledWhen(() => true),
        HttpClient.mapRequest(codings.plain),
        HttpClient.transformResponse((response) =>
          response.pipe(
            Effect.catchIf(isAnswered, ({ response }) => Effect.succeed(response)),
            Effect.map((response) => {
              notice(response)
              return codings.decoded(response)
            })
          )
        )
      ),
      settings,
      budget
    }
  })

/** An answer all the same: the caller's client takes its status for a failure, such as by `HttpClient.filterStatusOk`. */
const isAnswered = (error: HttpClientError.HttpClientError): error is HttpClientError.ResponseError =>
  error._tag === "ResponseError" && error.reason === "StatusCode"

/** The result of an operation, decoded. */
export const request = <A, I>(engine: Engine, call: Call, result: Schema.Schema<A, I>): Effect.Effect<A, PandaError> =>
  Effect.gen(function*() {
    const sending = yield* check(call)
    const answer = yield* sign(engine, sending).pipe(
      Effect.flatMap((signed) =>
        Effect.flatMap(send(engine, sending, signed), (response) => classify(engine, sending, signed, response))
      ),
      attempt(engine, sending),
      synchronized(engine),
      deleted(sending),
      repeat(engine, sending),
      Effect.tapBoth({
        onSuccess: noteStatus,
        onFailure: (error) => "status" in error ? noteStatus(error) : Effect.void
      })
    )
    return yield* decode(sending, answer, result)
  }).pipe(traced(call.operation, call.method, engine.credentials.host, call.path))

/** The answer as it is, whatever its status. */
export const execute = (
  engine: Engine,
  call: Call
): Effect.Effect<HttpClientResponse.HttpClientResponse, PandaInputError | PandaTransportError> =>
  Effect.gen(function*() {
    const sending = yield* check(call)
    const unsigned = HttpClientRequest.make(sending.method)(`${engine.credentials.baseUrl}${sending.path}`)
    const response = yield* sign(engine, sending).pipe(
      Effect.flatMap((signed) => send(engine, sending, signed)),
      attempt(engine, sending),
      repeat(engine, sending),
      Effect.tap(noteStatus)
    )
    return new UnsignedResponse(response, unsigned)
  }).pipe(traced(call.operation, call.method, engine.credentials.host, call.path))

/** A call with nothing wrong in what its caller passed. */
interface Sending {
  readonly operation: string
  readonly method: Signature.Method
  readonly path: string
  readonly params: Signature.Params
  readonly file: multipart.Watched | undefined
  readonly repeatable: boolean
  readonly open: boolean | undefined
}

const check = (call: Call): Effect.Effect<Sending, PandaInputError> =>
  Effect.gen(function*() {
    const { file, method, open, operation, params, path, repeatable } = call
    return {
      operation,
      method,
      path: yield* path,
      params: yield* nested(yield* params),
      file: file && multipart.watched(file),
      repeatable,
      open
    }
  }).pipe(Effect.mapError(inOperation(call.operation)))

interface Signed {
  readonly request: HttpClientRequest.HttpClientRequest
  /** To be put around the sending of the request. */
  readonly keepLength: multipart.Form["keepLength"]
  readonly secrets: Secrets
}

/** GET and DELETE carry their parameters in the query, POST and PUT in a form (contract 3). */
const sign = (
  { credentials, settings }: Engine,
  { file, method, operation, params, path }: Sending
): Effect.Effect<Signed, PandaInputError> =>
  Effect.gen(function*() {
    const cloudId = (yield* settings).cloudId ?? credentials.cloudId
    yield* checkCloud(credentials.auth, cloudId, path, params)
    const signed = yield* Signature.signWith({ ...credentials, cloudId }, method, path, params)
    const url = `${credentials.baseUrl}${path}`
    const options = { headers: { accept: "application/json" } }
    const secrets = ofParameters(Object.entries(signed))
    if (method === "GET" || method === "DELETE") {
      const request = HttpClientRequest.make(method)(`${url}?${Signature.encode(signed)}`, options)
      return { request, keepLength: identity, secrets }
    }
    const form = file === undefined
      ? { body: HttpBody.text(Signature.encode(signed), "application/x-www-form-urlencoded"), keepLength: identity }
      : yield* multipart.make(signed, file)
    const request = HttpClientRequest.make(method)(url, { ...options, body: form.body })
    return { request, keepLength: form.keepLength, secrets }
  }).pipe(Effect.mapError(inOperation(operation)))

const send = (
  engine: Engine,
  { operation }: Sending,
  { keepLength, request }: Signed
): Effect.Effect<HttpClientResponse.HttpClientResponse, PandaInputError | PandaTransportError> =>
  engine.settings.pipe(
    Effect.flatMap(({ transform }) => transform(request)),
    Effect.flatMap((request) => keepLength(engine.httpClient.execute(request))),
    Effect.tap(noteStatus),
    Effect.mapError((error) => fromHttpClientError(operation, originOf(engine), error))
  )

/** Whether it is an answer, or an error. */
const classify = (
  engine: Engine,
  { open, operation }: Sending,
  { secrets }: Signed,
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<Answer, PandaError> =>
  Effect.gen(function*() {
    const { headers, status } = response
    const text = yield* body.text(response).pipe(
      Effect.mapError((error) => fromHttpClientError(operation, originOf(engine), error))
    )
    const answer = { status, headers, text: Either.getOrElse(text, () => ""), secrets }
    const error = fromAnswer(operation, answer, yield* DateTime.now, { open })
    if (Option.isSome(error)) return yield* error.value
    if (Either.isLeft(text)) return yield* new PandaDecodeError({ operation, status, path: [], ...text.left })
    return answer
  })

/** Bytes a second that a file has at least. */
const SLOWEST = 16 * 1024

/** Bytes that may be on their way without having left, in the buffers of a connection. */
const BUFFERED = 4 * 1024 * 1024

/**
 * Ends when nothing of a file has been asked for in the time allowed, on top of which comes what those bytes may need
 * that were asked for before: all, where they are gathered first.
 */
const stillness = ({ seen, size }: multipart.Watched, allowed: Duration.DurationInput): Effect.Effect<void> =>
  Effect.gen(function*() {
    seen.at = yield* monotonic.now
    for (;;) {
      const waiting = Math.min(size, seen.gathered ? Infinity : BUFFERED)
      const left = seen.at + Duration.toMillis(allowed) + waiting / SLOWEST * 1000 - (yield* monotonic.now)
      if (left <= 0) return
      yield* Effect.sleep(Math.ceil(left))
    }
  })

/** One attempt has its time and its span. */
const attempt =
  (engine: Engine, { file, operation }: Sending) =>
  <A, E extends PandaError>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | PandaTransportError> =>
    Effect.flatMap(engine.settings, ({ timeout }) =>
      Effect.raceFirst(
        effect,
        Effect.zipRight(
          file === undefined ? Effect.sleep(timeout) : stillness(file, timeout),
          // Making an error takes a look at the stack, which a small request would notice.
          Effect.suspend(() =>
            new PandaTransportError({ operation, reason: "Timeout", ambiguous: true, host: originOf(engine) })
          )
        )
      )).pipe(attempted(operation))

const originOf = ({ credentials }: Engine): string => new URL(credentials.baseUrl).origin

/** A signature that has expired at once means that our clock is wrong: take the server's, and sign again once. */
const synchronized =
  ({ credentials }: Engine) => <A>(effect: Effect.Effect<A, PandaError>): Effect.Effect<A, PandaError> =>
    Effect.catchTag(
      effect,
      "PandaAuthError",
      (error) =>
        error.reason === "SignatureExpired" && error.serverTime !== undefined
          ? Effect.zipRight(credentials.synchronize(error.serverTime), effect)
          : Effect.fail(error)
    )

/** What was perhaps deleted by an attempt that failed, and is not there at the next, is deleted. */
const deleted = ({ method }: Sending) => {
  let doubtful = false
  return (effect: Effect.Effect<Answer, PandaError>): Effect.Effect<Answer, PandaError> =>
    effect.pipe(
      Effect.tapError((error) => Effect.sync(() => void (doubtful ||= isDoubtful(error)))),
      Effect.catchIf(
        (error) => method === "DELETE" && doubtful && error._tag === "PandaNotFound",
        () => Effect.succeed({ status: 404, headers: Headers.empty, text: "" })
      )
    )
}

/** As often as the policy in force allows, and the budget: in an outage each caller would send again in vain. */
const repeat =
  ({ budget, settings }: Engine, { operation, repeatable }: Sending) =>
  <A, E extends PandaError>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.flatMap(settings, ({ retry, retryBudget }) => {
      const affordable = (error: PandaError) =>
        Effect.tap(budget.take(retryBudget), (taken) => taken ? Effect.void : noteOverBudget(operation, error))
      const repeated = retry === "none" ? effect : Effect.retry(
        effect,
        honourRetryAfter(retry).pipe(
          Schedule.whileInput(mayRepeat(repeatable)),
          Schedule.whileInputEffect(affordable),
          noted(operation)
        )
      )
      return Effect.zipLeft(repeated, budget.earn(retryBudget))
    })

const parseJson = Schema.decode(json.Json)

const decode = <A, I>(
  { operation }: Sending,
  answer: Answer,
  result: Schema.Schema<A, I>
): Effect.Effect<A, PandaDecodeError> =>
  // Panda answers some requests with nothing at all (contract 5).
  parseJson(answer.text.trim() === "" ? "null" : answer.text).pipe(
    Effect.flatMap(Schema.decodeUnknown(result)),
    Effect.mapError((error) => fromParseError(operation, answer, error))
  )
