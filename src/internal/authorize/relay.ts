/** The proxy: a request on a handle goes to the location that it stands for, and the answer comes back without it. */
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as PandaClient from "../../PandaClient.js"
import * as body from "../http/body.js"
import { concealUrl } from "../receiving/concealUrl.js"
import { conceal, ofUrl } from "../text/secrets.js"
import * as decision from "../upload/decision.js"
import * as origin from "./origin.js"
import type { Seal, Sealed } from "./seal.js"

const METHODS = ["PUT", "POST", "DELETE"]

/** What goes on of a request, and of an answer. */
const PASSED = { up: ["content-range", "cache-control"], down: ["range", "retry-after", "date"] }

/** Bytes that a form may have around the file. */
const AROUND = 64 * 1024

/** An answer of our own, which an uploader reads as it does one of the upload host. */
export const refuse = (
  status: number,
  error: string,
  message: string,
  headers: Readonly<Record<string, string>> = {}
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.unsafeJson({ error, message }, { status, headers: { "cache-control": "no-store", ...headers } })

/** `place` is where handles are asked for: the path in front of them. */
export const make = (seal: Seal, place: string) =>
  Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    yield* concealUrl
    const { headers, method } = request
    if (!METHODS.includes(method)) {
      return refuse(405, "MethodNotAllowed", "Bytes are PUT here", { allow: METHODS.join(", ") })
    }
    if (!origin.judge(request, origin.NONE).admitted) {
      return refuse(403, "ForbiddenOrigin", "Pages of other sites do not upload here")
    }
    const handle = request.url.replace(/[?#].*$/s, "").split("/").at(-1) ?? ""
    const sealed = yield* seal.open(handle)
    if (sealed === undefined) return refuse(404, "RecordNotFound", "There is no such upload: authorize another")
    if ((yield* Clock.currentTimeMillis) >= sealed.until) {
      return refuse(410, "UploadExpired", "The upload has expired: authorize another")
    }
    const length = method === "DELETE" ? 0 : lengthOf(headers["content-length"])
    if (length === undefined) return refuse(411, "LengthRequired", "Say the length of the body")
    if (length > sealed.size + AROUND || !isOf(sealed.size, headers["content-range"])) {
      return refuse(400, "BadRequest", `The upload is of a file of ${sealed.size} bytes`)
    }
    return yield* forward(request, sealed, length, (answer) => back(seal, place, handle, sealed, answer))
  })

const lengthOf = (header: string | undefined): number | undefined =>
  header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : undefined

/** Whether it speaks of a file of this size, if it does of any. */
const isOf = (size: number, range: string | undefined): boolean =>
  range === undefined || /^bytes \*$/.test(range) || range.endsWith(`/${size}`)

const picked = (headers: Readonly<Record<string, string | undefined>>, names: ReadonlyArray<string>) =>
  Object.fromEntries(names.flatMap((name) => headers[name] === undefined ? [] : [[name, headers[name]]]))

const forward = <A>(
  { headers, method, stream }: HttpServerRequest.HttpServerRequest,
  { location }: Sealed,
  length: number,
  then: (answer: decision.Answer) => Effect.Effect<A>
) =>
  Effect.gen(function*() {
    const { httpClient } = yield* PandaClient.PandaClient
    const transform = yield* PandaClient.CurrentTransform
    const type = headers["content-type"] ?? "application/octet-stream"
    const order = HttpClientRequest.make(method as "PUT")(location, {
      headers: picked(headers, PASSED.up),
      ...length === 0 ? {} : { body: HttpBody.stream(stream, type, length) }
    })
    const bodiless = length === 0 && method !== "DELETE"
    const response = yield* httpClient.execute(
      yield* transform(bodiless ? HttpClientRequest.setHeader(order, "content-type", type) : order)
    )
    const text = yield* body.text(response)
    return yield* then({
      status: response.status,
      headers: response.headers,
      text: Either.getOrElse(text, () => "")
    })
  }).pipe(
    Effect.catchAll(() =>
      Effect.succeed(refuse(502, "UploadHostUnreachable", "The upload host does not answer: try again"))
    )
  )

/** The answer as the page gets it: what it has of the location, it has of the handle. */
const back = (seal: Seal, place: string, handle: string, sealed: Sealed, answer: decision.Answer) =>
  Effect.gen(function*() {
    const { headers, status, text } = answer
    const meaning = decision.meaningOf(answer)
    const { moved, refused } = decision.locationAfter(sealed.location, answer, meaning)
    if (refused) return refuse(502, "LocationRefused", "The upload host leads to a place that is not one for uploads")
    const is = moved === undefined ? handle : yield* seal.seal({ ...sealed, location: moved })
    const passed = {
      // A browser would follow by itself, and not always with what it sent.
      status: meaning._tag === "Elsewhere" ? 503 : status,
      headers: {
        ...picked(headers, PASSED.down),
        ...headers["location"] === undefined ? {} : { location: `${place}/${is}` },
        "cache-control": "no-store"
      }
    }
    const body = shown(text, meaning, sealed.location, moved)
    return body === ""
      ? HttpServerResponse.empty(passed)
      : HttpServerResponse.text(body, { ...passed, contentType: headers["content-type"] ?? "application/json" })
  })

/** A video is passed on as it is. Of what else somebody wrote, only an object, and nothing in it of a location. */
const shown = (text: string, { _tag }: decision.Meaning, ...locations: ReadonlyArray<string | undefined>): string => {
  if (_tag === "Video") return text
  if (!/^\s*\{.*\}\s*$/s.test(text)) return ""
  return conceal(text, ...locations.map((location) => ofUrl(location ?? "")))
}
