/** What a page asks its own server: where to upload to, and to take note of what was uploaded (contract 7.1). */
import { urlOf } from "../text/url.js"
import * as decision from "../upload/decision.js"
import { exchange, type Request } from "./exchange.js"
import { type Code, UploadFailure } from "./failure.js"

/** Where to upload to. */
export interface Authorization {
  /** The location of an upload session. */
  readonly upload_url: string
  /** What to tell the video to, once there is one. */
  readonly postprocess_url?: string | null | undefined
}

/** A function of the page's own that asks its server. */
export type Authorizer = (
  file: Blob,
  request: { readonly name: string; readonly signal: AbortSignal }
) => Promise<Authorization>

export interface Handshake {
  readonly authorize: string | Authorizer
  readonly headers: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>)
  readonly withCredentials: boolean
  readonly payload: Readonly<Record<string, unknown>>
  readonly timeout: number
}

/** What the page's server has answered. */
export interface Grant {
  readonly location: string
  readonly postprocess: string | undefined
}

/** No answer that says anything: it may be asked again. */
export class Unanswered {
  readonly failure: UploadFailure
  readonly answer: decision.Answer | undefined

  constructor(failure: UploadFailure, answer?: decision.Answer) {
    this.failure = failure
    this.answer = answer
  }
}

const base = (): string | undefined => globalThis.document?.baseURI

/** Asks once. What may be asked again is an `Unanswered`. */
export const authorize = async (
  file: Blob,
  name: string,
  handshake: Handshake,
  signal: AbortSignal
): Promise<Grant | Unanswered> => {
  const { authorize, payload } = handshake
  if (typeof authorize === "function") {
    try {
      return grantOf(await orStopped(authorize(file, { name, signal }), signal), name)
    } catch (error) {
      signal.throwIfAborted()
      throw error instanceof UploadFailure ? error : new UploadFailure("AuthorizeFailed", { name }, error)
    }
  }
  const text = JSON.stringify({
    filename: name,
    filesize: file.size,
    content_type: "application/octet-stream",
    ...payload
  })
  const reply = await exchange(formOf(authorize, { payload: text }, handshake), signal)
  if (reply._tag === "Broken") return new Unanswered(new UploadFailure("AuthorizeUnreachable", { name }))
  const { answer } = reply
  const { status } = answer
  const fail = (code: Code, told?: string) => new UploadFailure(code, { name, status, told })
  if (decision.meaningOf(answer)._tag === "Later") return new Unanswered(fail("AuthorizeFailed"), answer)
  const told = toldBy(answer.text)
  if (status === 401 || status === 403) throw fail("AuthorizeDenied", told)
  if (status >= 400) throw fail("AuthorizeRefused", told)
  if (answer.text.trim() === "") throw fail("AuthorizeEmpty")
  const json = parsed(answer.text)
  if (json === undefined) throw fail("AuthorizeNoJson")
  if (told !== undefined && (typeof json !== "object" || json === null || !("upload_url" in json))) {
    throw fail("AuthorizeRefused", told)
  }
  return grantOf(json, name, answer.headers["location"] ?? authorize)
}

/** Somebody else's promise may never end. */
const orStopped = <A>(promise: Promise<A>, signal: AbortSignal): Promise<A> =>
  new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason)
    signal.addEventListener("abort", stop)
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop))
  })

/** Tells the page's server of the video, and gives what it answers. */
export const postprocess = async (
  url: string,
  name: string,
  text: string,
  handshake: Handshake,
  signal: AbortSignal
): Promise<unknown> => {
  const reply = await exchange(formOf(url, { upload_response: text }, handshake), signal)
  if (reply._tag === "Broken") throw new UploadFailure("PostprocessFailed", { name })
  const { status, text: answer } = reply.answer
  if (status < 200 || status >= 300) throw new UploadFailure("PostprocessFailed", { name, status })
  const json = parsed(answer)
  // Some answer with nothing, which is no fault.
  if (json === undefined && answer.trim() !== "") throw new UploadFailure("PostprocessFailed", { name, status })
  return json
}

const formOf = (
  url: string,
  fields: Readonly<Record<string, string>>,
  { headers, timeout, withCredentials }: Handshake
): Request => ({
  method: "POST",
  url,
  headers: {
    "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
    accept: "application/json",
    "x-requested-with": "XMLHttpRequest",
    ...typeof headers === "function" ? headers() : headers
  },
  body: new URLSearchParams(fields).toString(),
  withCredentials,
  stall: timeout,
  response: timeout
})

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""))
  } catch {
    return undefined
  }
}

/** What the page's server says to the person, as text, in one bounded line. */
const toldBy = (text: string): string | undefined => {
  const json = parsed(text)
  if (typeof json !== "object" || json === null) return undefined
  const { error, message }: { readonly error?: unknown; readonly message?: unknown } = json
  const told = [message, error].find((part): part is string => typeof part === "string" && part.trim() !== "")
  return told?.replace(/\s+/g, " ").trim().slice(0, 200)
}

const grantOf = (value: unknown, name: string, from = base()): Grant => {
  const { postprocess_url, upload_url }: { readonly [field: string]: unknown } =
    typeof value === "object" && value !== null ? { ...value } : {}
  if (typeof upload_url !== "string" || upload_url.trim() === "") throw new UploadFailure("AuthorizeInvalid", { name })
  const location = placeOf(upload_url, from)
  if (location === undefined) throw new UploadFailure("LocationRefused", { name })
  if (isMixed(location)) throw new UploadFailure("LocationInsecure", { name })
  if (postprocess_url === undefined || postprocess_url === null || postprocess_url === "") {
    return { location, postprocess: undefined }
  }
  const postprocess = typeof postprocess_url === "string" ? placeOf(postprocess_url, from) : undefined
  if (postprocess === undefined || isMixed(postprocess)) throw new UploadFailure("AuthorizeInvalid", { name })
  return { location, postprocess }
}

/** An http address, be it relative to that of the page. */
export const placeOf = (text: string, from = base()): string | undefined => {
  const url = urlOf(text, from)?.href
  return url !== undefined && decision.isLocation(url) ? url : undefined
}

/** Browsers send nothing from a secure page to a place that is not, but to the machine itself. */
const isMixed = (url: string): boolean => {
  const { hostname, protocol } = new URL(url)
  return globalThis.location?.protocol === "https:" && protocol === "http:" &&
    !/^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)
}
