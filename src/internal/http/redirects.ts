/** No request of ours follows a redirect, which would carry a signature, or a session's location, to another place. */
import type { Fetch } from "./fetch.js"

/**
 * What fetch is to do with a redirect. To fail, where there is a body of some length: for `manual` it keeps that in memory
 * as if it were to repeat it. Otherwise to give it, since only then can it be told from a connection that breaks.
 * Cloudflare's Workers know no `error`, and would send nothing.
 */
const redirectMode = (body: unknown): RequestRedirect => {
  if (isLittle(body)) return "manual"
  try {
    return new Request("http://localhost", { redirect: "error" }).redirect
  } catch {
    return "manual"
  }
}

const LITTLE = 64 * 1024

const isLittle = (body: unknown): boolean =>
  body === undefined || body === null ||
  (typeof body === "string" ? body.length : ArrayBuffer.isView(body) ? body.byteLength : Infinity) <= LITTLE

/** A page is not told where a redirect leads to, nor its status. */
const seen = (response: Response): Response => {
  if (response.type === "opaqueredirect") throw new TypeError("unexpected redirect")
  return response
}

/** A fetch that follows none. */
export const withoutRedirects = (fetch: Fetch): Fetch => (input, init) =>
  fetch(input, { ...init, redirect: redirectMode(init?.body) }).then(seen)

/** Whether it is what fetch fails with at a redirect, in the words of Node, Bun and Deno. */
export const isRedirect = ({ code, message }: { readonly code?: unknown; readonly message?: unknown }): boolean =>
  /^UnexpectedRedirect$/.test(String(code)) || /unexpected redirect|redirect mode/i.test(String(message))
