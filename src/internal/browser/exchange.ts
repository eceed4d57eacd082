/** One request and its answer, by XMLHttpRequest: only that tells a page how much of a body has left, in every browser. */
import { urlOf } from "../text/url.js"
import type { Answer } from "../upload/decision.js"

export interface Request {
  readonly method: "POST" | "PUT" | "DELETE"
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Blob | string | null
  /** Whether cookies go to another origin, too. */
  readonly withCredentials?: boolean
  /** Milliseconds in which some of the body has to move, and those from its end to the answer. */
  readonly stall: number
  readonly response: number
  /** Bytes of the body that have left. */
  readonly onSent?: (bytes: number) => void
}

/** A whole answer, or none. */
export type Reply =
  | { readonly _tag: "Answered"; readonly answer: Answer }
  | { readonly _tag: "Broken"; readonly timeout: boolean }

/** Bytes of an answer: of one that has more no more is read, for it is none to an upload. */
const LONGEST = 1024 * 1024

/** Rejects with the signal's reason, and with nothing else. */
export const exchange = (request: Request, signal: AbortSignal): Promise<Reply> =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const xhr = new XMLHttpRequest()
    let timer: ReturnType<typeof setTimeout> | undefined
    const close = () => {
      clearTimeout(timer)
      signal.removeEventListener("abort", stop)
    }
    const end = (reply: Reply) => {
      close()
      resolve(reply)
      // Of what is over nothing is aborted.
      xhr.abort()
    }
    const stop = () => {
      close()
      xhr.abort()
      reject(signal.reason)
    }
    const within = (millis: number) => {
      clearTimeout(timer)
      timer = setTimeout(() => end({ _tag: "Broken", timeout: true }), millis)
    }
    const broken = () => end({ _tag: "Broken", timeout: false })
    const answered = () => end({ _tag: "Answered", answer: answerOf(xhr, request.url) })

    signal.addEventListener("abort", stop)
    xhr.addEventListener("load", () => xhr.status === 0 ? broken() : answered())
    xhr.addEventListener("error", broken)
    xhr.addEventListener("progress", ({ loaded }) => loaded > LONGEST ? answered() : within(request.response))
    // To look on makes a request to another origin ask for leave first, so only what has a body is looked at.
    if (request.onSent !== undefined) {
      xhr.upload.addEventListener("progress", ({ loaded }) => {
        within(request.stall)
        request.onSent?.(loaded)
      })
      xhr.upload.addEventListener("load", () => within(request.response))
    }
    within(request.stall)
    try {
      xhr.open(request.method, request.url)
      xhr.withCredentials = request.withCredentials ?? false
      for (const [name, value] of Object.entries(request.headers)) xhr.setRequestHeader(name, value)
      xhr.send(request.body)
    } catch {
      broken()
    }
  })

const answerOf = (xhr: XMLHttpRequest, url: string): Answer => {
  const headers: Record<string, string> = {}
  for (const line of xhr.getAllResponseHeaders().split("\r\n")) {
    const colon = line.indexOf(":")
    if (colon > 0) headers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim()
  }
  // Browsers follow redirects by themselves. Where they have led counts as if the answer had said so.
  const at = xhr.responseURL
  if (at !== "" && at !== new URL(url).href.replace(/#.*$/s, "")) {
    const { location = at } = headers
    headers["location"] = urlOf(location, at)?.href ?? location
  }
  return { status: xhr.status, headers, text: xhr.responseText }
}

/** Waits; rejects with the signal's reason. */
export const sleep = (millis: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const stop = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop)
      resolve()
    }, Math.min(millis, 2 ** 31 - 1))
    signal.addEventListener("abort", stop)
  })

/** Whether the browser knows that there is no network. That there is one it never knows. */
export const isOffline = (): boolean => globalThis.navigator?.onLine === false

/** Waits for as long as the browser is offline. */
export const online = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const close = () => {
      removeEventListener("online", go)
      signal.removeEventListener("abort", stop)
    }
    const go = () => {
      close()
      resolve()
    }
    const stop = () => {
      close()
      reject(signal.reason)
    }
    if (isOffline()) {
      addEventListener("online", go)
      signal.addEventListener("abort", stop)
    } else resolve()
  })
