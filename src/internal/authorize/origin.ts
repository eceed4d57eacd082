/** Whether a request comes from a page that may make it: browsers say of each that writes where it comes from. */
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"

export interface Judged {
  readonly admitted: boolean
  /** What a page of another origin has to be answered with, to be told the answer. */
  readonly headers: Readonly<Record<string, string>>
}

/** A `Host` may name the port that the scheme has anyway, an `Origin` never does. */
const isOwn = (origin: string, host: string): boolean => {
  if (!/^https?:\/\//i.test(origin) || !URL.canParse(origin)) return false
  const page = new URL(origin)
  const own = `${page.protocol}//${host}`
  return URL.canParse(own) && new URL(own).host === page.host
}

/**
 * Pages of the server's own host, those of the listed origins, and programs, which send no cookie that is not theirs.
 * A scheme is not compared: in front of a server there is often something that ends TLS.
 */
export const judge = (
  { headers }: HttpServerRequest.HttpServerRequest,
  origins: ReadonlyArray<string>
): Judged => {
  const origin = headers["origin"]
  if (origin === undefined) {
    const site = headers["sec-fetch-site"] ?? "none"
    return { admitted: ["none", "same-origin"].includes(site), headers: {} }
  }
  if (isOwn(origin, headers["host"] ?? "")) {
    return { admitted: true, headers: {} }
  }
  return origins.includes(origin)
    ? {
      admitted: true,
      headers: {
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
        vary: "Origin"
      }
    }
    : { admitted: false, headers: {} }
}
