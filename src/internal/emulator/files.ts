/** The files of a folder, as a bucket shows them to everyone: whole, or a range of them (RFC 9110, 14). */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { prefix, type Storage } from "./storage.js"

const types: Readonly<Record<string, string>> = {
  mp4: "video/mp4",
  m4v: "video/mp4",
  mov: "video/quicktime",
  webm: "video/webm",
  ogg: "video/ogg",
  ogv: "video/ogg",
  mkv: "video/x-matroska",
  avi: "video/x-msvideo",
  flv: "video/x-flv",
  mpg: "video/mpeg",
  mpeg: "video/mpeg",
  "3gp": "video/3gpp",
  ts: "video/mp2t",
  m3u8: "application/vnd.apple.mpegurl",
  mp3: "audio/mpeg",
  aac: "audio/aac",
  m4a: "audio/mp4",
  oga: "audio/ogg",
  wav: "audio/x-wav",
  flac: "audio/flac",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  png: "image/png",
  gif: "image/gif",
  log: "text/plain; charset=utf-8"
}

/** Whoever made the file has named it too: what is not known to be harmless is no page and no script. */
const typeOf = (path: string): string =>
  types[/\.([A-Za-z0-9]+)$/.exec(path)?.[1]?.toLowerCase() ?? ""] ?? "application/octet-stream"

const guards = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; media-src 'self'; img-src 'self'; sandbox"
}

/** First and last byte; undefined if all are wanted, and false if there are none of those that are. */
const rangeOf = (header: string | undefined, size: number): readonly [number, number] | undefined | false => {
  const parsed = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? "")
  const [, first = "", last = ""] = parsed ?? []
  // Several ranges may be answered with all there is.
  if (first === "" && last === "") return undefined
  if (first === "") return size === 0 || Number(last) === 0 ? false : [Math.max(0, size - Number(last)), size - 1]
  if (last !== "" && Number(last) < Number(first)) return undefined
  return Number(first) >= size ? false : [Number(first), last === "" ? size - 1 : Math.min(size - 1, Number(last))]
}

const decode = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

const nothing = HttpServerResponse.text("Nothing is here", { status: 404, headers: guards })

export const isFile = (path: string): boolean => path.startsWith(prefix)

export const serve = (
  { fs, holds, pathOf }: Storage,
  request: {
    readonly method: string
    /** Raw, without the query. */
    readonly path: string
    readonly headers: Readonly<Record<string, string | undefined>>
  }
): Effect.Effect<HttpServerResponse.HttpServerResponse> =>
  Effect.gen(function*() {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return HttpServerResponse.text("Files are only read", { status: 405, headers: { ...guards, allow: "GET, HEAD" } })
    }
    const [cloudId, ...key] = request.path.slice(prefix.length).split("/").map(decode)
    const path = cloudId === undefined || key.some((segment) => segment === undefined || segment.includes("/"))
      ? undefined
      : pathOf(cloudId, key.join("/"))
    const info = path === undefined ? Option.none() : yield* Effect.option(fs.stat(path))
    if (path === undefined || Option.isNone(info) || info.value.type !== "File" || !(yield* holds(path))) return nothing

    const size = Number(info.value.size)
    const modified = Option.getOrElse(info.value.mtime, () => new Date(0))
    const etag = `"${size.toString(16)}-${modified.getTime().toString(16)}"`
    const headers: Record<string, string> = {
      ...guards,
      "accept-ranges": "bytes",
      "cache-control": "no-cache",
      etag,
      "last-modified": modified.toUTCString()
    }
    if (request.headers["if-none-match"]?.split(",").some((tag) => tag.trim() === etag) === true) {
      return HttpServerResponse.empty({ status: 304, headers })
    }
    const condition = request.headers["if-range"]
    const range = condition !== undefined && condition !== etag ? undefined : rangeOf(request.headers["range"], size)
    if (range === false) {
      return HttpServerResponse.empty({ status: 416, headers: { ...headers, "content-range": `bytes */${size}` } })
    }
    const [first, last] = range ?? [0, size - 1]
    const contentLength = last - first + 1
    const options = {
      status: range === undefined ? 200 : 206,
      headers: range === undefined ? headers : { ...headers, "content-range": `bytes ${first}-${last}/${size}` },
      contentType: typeOf(path),
      contentLength
    }
    return contentLength === 0 || request.method === "HEAD"
      ? HttpServerResponse.empty({
        ...options,
        headers: { ...options.headers, "content-type": options.contentType, "content-length": String(contentLength) }
      })
      : HttpServerResponse.stream(fs.stream(path, { offset: first, bytesToRead: contentLength }), options)
  })
