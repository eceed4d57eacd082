/** Whether a request comes from a page that may make it: browsers say of each that writes where it comes from. */
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { urlOf } from "../text/url.js"

/** For where no page of another origin is admitted. */
export const NONE: ReadonlySet<string> = new Set()

export interface Judged {
  readonly admitted: boolean
  /** What a page of another origin has to be answered with, to be told the answer. */
  readonly headers: Readonly<Record<string, string>>
}

/** A `Host` may name the port that the scheme has anyway, an `Origin` never does. */
const isOwn = (origin: string, host: string): boolean => {
  const page = /^https?:\/\//i.test(origin) ? urlOf(origin) : undefined
  return page !== undefined && urlOf(`${page.protocol}//${host}`)?.host === page.host
}

/**
 * An origin as browsers write it: in small letters, without the port that the scheme has anyway and without a slash at
 * the end. Undefined if it is none. Apps that are pages have schemes of their own, such as `capacitor://localhost`.
 */
export const canonical = (origin: string): string | undefined => {
  const url = urlOf(origin)
  if (url === undefined) return undefined
  const is = url.origin === "null" ? `${url.protocol}//${url.host}` : url.origin
  return url.host !== "" && [is, `${is}/`].includes(url.href) ? is : undefined
}

/**
 * Pages of the server's own host, those of the listed origins, and programs, which send no cookie that is not theirs.
 * A scheme is not compared: in front of a server there is often something that ends TLS.
 */
export const judge = (
  { headers }: HttpServerRequest.HttpServerRequest,
  origins: ReadonlySet<string>
): Judged => {
  const origin = headers["origin"]
  if (origin === undefined) {
    const site = headers["sec-fetch-site"] ?? "none"
    return { admitted: ["none", "same-origin"].includes(site), headers: {} }
  }
  if (isOwn(origin, headers["host"] ?? "")) {
    return { admitted: true, headers: {} }
  }
  return origins.has(origin)
    ? {
      admitted: true,
      headers: {
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
        // How long to wait, with the clock that it may be told by.
        "access-control-expose-headers": "Retry-After, Date",
        vary: "Origin"
      }
    }
    : { admitted: false, headers: {} }
}
