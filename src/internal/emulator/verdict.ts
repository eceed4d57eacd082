/**
 * Why a request was let in or not, for people. A signature does not tell what was signed; but most mistakes are of a few
 * kinds, and what was signed is known once one of them leads to the same signature.
 */
import * as Redacted from "effect/Redacted"
import { sign } from "../../Signature.js"
import type { Keys, Reason } from "./authentication.js"
import { canonical, type Parameters, textOf } from "./parameters.js"

export interface Verdict {
  /** How it proved itself; undefined if it did not. */
  readonly mode?: "signature" | "token" | undefined
  readonly reason?: Reason | undefined
  /** Milliseconds between its timestamp and its arrival. */
  readonly age?: number | undefined
  readonly missing?: ReadonlyArray<string> | undefined
  /** Parameters that its endpoint does not know. */
  readonly unknown?: ReadonlyArray<string> | undefined
  /** What should have been signed. */
  readonly expected?: string | undefined
  /** What was signed, if that is known. */
  readonly signed?: string | undefined
  /** Where the two part; -1 if it was not in what can be shown. */
  readonly differsAt?: number | undefined
  readonly hint?: string | undefined
}

export interface Signed {
  readonly method: string
  /** As sent, with a port if it has one. */
  readonly host: string
  /** Without the version. */
  readonly path: string
  /** In the order in which they came. */
  readonly pairs: ReadonlyArray<readonly [name: string, value: string]>
  /** Those of the query alone. */
  readonly query: Parameters
  readonly parameters: Parameters
}

const words = (text: string): ReadonlyArray<string> => text.trim().split(/\s+/)

const always = words("access_key cloud_id timestamp signature token")

const lists = "page per_page"
const profile = `
  name title extname command preset_name aspect_mode clip_length clip_offset frame_offsets frame_interval h264_profile
  h264_level h264_tune watermark_url encryption_key encryption_key_url encryption_iv variants path_format stack
  x264_options width height video_bitrate audio_bitrate fps keyframe_interval keyframe_rate audio_sample_rate
  audio_channels frame_count h264_crf max_rate buffer_size watermark_top watermark_bottom watermark_left watermark_right
  watermark_width watermark_height priority upscale two_pass encryption deinterlace add_timestamp
`
const cloud =
  "name s3_videos_bucket aws_access_key aws_secret_key user_aws_key user_aws_secret priority s3_private_access"

/** What each endpoint knows (contract 5 and 10); the others know nothing. */
const known: Readonly<Record<string, string>> = {
  "GET /videos.json": `status include_root ${lists}`,
  "POST /videos.json":
    "file source_url profiles path_format payload pipeline priority upload_redirect_url state_update_url",
  create: "file_size file_name use_all_profiles profiles path_format payload content_type",
  "GET /videos/:id/encodings.json": `status profile_id profile_name ${lists}`,
  "GET /encodings.json": `status profile_id profile_name video_id ${lists}`,
  "POST /encodings.json": "video_id profile_id profile_name",
  "GET /profiles.json": `expand ${lists}`,
  "GET /profiles/:id/encodings.json": `status ${lists}`,
  "POST /profiles.json": profile,
  "PUT /profiles/:id.json": `${profile} id created_at updated_at`,
  "GET /clouds.json": lists,
  "POST /clouds.json": cloud,
  "PUT /clouds/:id.json": cloud,
  "PUT /notifications.json": "url events delay send_video_payload"
}

/** Made once: every request is looked at. */
const knownTo = new Map(Object.entries(known).map(([route, names]) => [route, new Set([...always, ...words(names)])]))
const knownToAll: ReadonlySet<string> = new Set(always)

export const unknownParameters = (route: string, parameters: Parameters): ReadonlyArray<string> => {
  const names = knownTo.get(route) ?? knownToAll
  return Object.keys(parameters).filter((name) => !names.has(name))
}

const SECRET = /secret|token|passw|signature|_key|_iv\b/i

/** Of a parameter as people may see it. */
const isHidden = (name: string): boolean => name !== "access_key" && (SECRET.test(name) || name === "url")

/** Without what somebody could use, whether it is escaped or not. */
const shown = (text: string): string =>
  text.split("\n").map((line) =>
    line.split("&").map((pair) => {
      const [name = "", ...value] = pair.split("=")
      if (value.length === 0) return pair
      return isHidden(decode(name))
        ? `${name}=<not shown>`
        // What is in the query of an address, or before its host, may be a secret.
        : pair.replace(/(%3F|\?)[^&]*$/i, "$1<not shown>")
          .replace(/((?:%3A|:)(?:%2F|\/){2})[^/]*?(%40|@)/i, "$1<not shown>$2")
    }).join("&")
  ).join("\n")

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export const shownParameters = (parameters: Parameters): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [
      name,
      isHidden(name)
        ? "<not shown>"
        : (typeof value === "string" ? value : JSON.stringify(value)).slice(0, 500)
          .replace(/(:\/\/)[^/]*@/, "$1<not shown>@").replace(/^(\w+:\/\/[^?]*\?).*$/s, "$1<not shown>")
    ])
  )

/** The usual mistakes: what each would have signed. */
function* mistakes({ host, method, pairs, parameters, path, query }: Signed): Generator<readonly [string, string]> {
  const name = host.toLowerCase().replace(/:\d*$/, "")
  const right = canonical(parameters)
  const of = (part: { method?: string; host?: string; path?: string; query?: string }) =>
    [part.method ?? method, part.host ?? name, part.path ?? path, part.query ?? right].join("\n")
  yield ["The path was signed with its version: leave /v2 away", of({ path: `/v2${path}` })]
  yield ["The host was signed with its port: leave the port away", of({ host })]
  yield [
    "The host was signed with its port and the path with its version: leave both away",
    of({
      host,
      path: `/v2${path}`
    })
  ]
  for (const other of ["api.pandastream.com", "api-eu.pandastream.com", "api-gce.pandastream.com", "localhost"]) {
    yield [`Another host was signed (${other}) than the one that was asked: sign ${name}`, of({ host: other })]
  }
  yield ["Spaces were signed as +: they are %20", of({ query: right.replaceAll("%20", "+") })]
  yield [
    "Characters were left as they are that have to be escaped (RFC 3986): !'()*",
    of({ query: right.replace(/%2[127-9A]/g, (code) => decodeURIComponent(code)) })
  ]
  yield [
    "Escapes were signed in lower case: they have upper-case digits",
    of({ query: right.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()) })
  ]
  yield ["The values were signed without being escaped", of({ query: decode(right) })]
  yield [
    "The brackets of nested names were signed escaped: they stay as they are",
    of({ query: right.replace(/\[/g, "%5B").replace(/\]/g, "%5D") })
  ]
  const sent = pairs.filter(([name]) => name !== "signature" && name !== "file")
    .map(([name, value]) => canonical({ [name]: value }))
  yield [
    "The parameters were signed in the order in which they were sent: sort them by their names",
    of({
      query: sent.join("&")
    })
  ]
  yield [
    "The parameters of the body were not signed: they are signed like those of the query",
    of({
      query: canonical(query)
    })
  ]
  const without = (dropped: (name: string, value: unknown) => boolean) =>
    canonical(Object.fromEntries(Object.entries(parameters).filter(([name, value]) => !dropped(name, value))))
  yield ["cloud_id was sent, and not signed", of({ query: without((name) => name === "cloud_id") })]
  yield ["access_key was sent, and not signed", of({ query: without((name) => name === "access_key") })]
  yield ["timestamp was sent, and not signed", of({ query: without((name) => name === "timestamp") })]
  yield ["Parameters without a value were not signed", of({ query: without((_, value) => value === "") })]
  for (const verb of ["GET", "POST", "PUT", "DELETE"]) {
    if (verb !== method) yield [`${verb} was signed, and ${method} was sent`, of({ method: verb })]
  }
  yield ["The verb was signed in lower case", of({ method: method.toLowerCase() })]
  yield ["A line break was signed at the end", `${of({})}\n`]
  yield ["Lines were signed with CR LF between them: it is LF", of({}).replaceAll("\n", "\r\n")]
}

const firstDifference = (left: string, right: string): number => {
  if (left === right) return -1
  let at = 0
  while (at < left.length && left[at] === right[at]) at++
  return at
}

const hexOf = (base64: string): string =>
  Array.from(atob(base64), (char) => char.charCodeAt(0).toString(16).padStart(2, "0")).join("")

/** Of a signature that is not the right one. */
export const explain = (keys: Keys, request: Signed): Pick<Verdict, "expected" | "signed" | "differsAt" | "hint"> => {
  const { host, method, parameters, path } = request
  const name = host.toLowerCase().replace(/:\d*$/, "")
  const right = [method, name, path, canonical(parameters)].join("\n")
  const expected = shown(right)
  const signature = textOf(parameters, "signature") ?? ""
  const with_ = (signed: string, hint: string) => ({
    expected,
    signed: shown(signed),
    differsAt: firstDifference(shown(signed), expected),
    hint
  })
  if (textOf(parameters, "access_key") !== keys.accessKey) {
    const signed = [method, name, path, canonical(parameters)].join("\n")
    const wanted = shown([method, name, path, canonical({ ...parameters, access_key: keys.accessKey })].join("\n"))
    return {
      expected: wanted,
      signed: shown(signed),
      differsAt: firstDifference(shown(signed), wanted),
      hint: "The access key is not the one of this Panda"
    }
  }
  const own = sign(keys.secretKey, right)
  if (signature.replaceAll(" ", "+") === own) {
    return with_(right, "The signature was not percent-encoded: + has to be sent as %2B")
  }
  if (signature.toLowerCase() === hexOf(own)) {
    return with_(right, "The signature is in hexadecimal digits: it is base64")
  }
  if (signature !== "" && own.replace(/=+$/, "") === signature.replace(/=+$/, "")) {
    return with_(right, "The signature lacks its = at the end")
  }
  for (const [hint, signed] of mistakes(request)) {
    if (sign(keys.secretKey, signed) === signature) return with_(signed, hint)
  }
  const trimmed = Redacted.make(`${Redacted.value(keys.secretKey)}\n`)
  return with_(
    right,
    sign(trimmed, right) === signature
      ? "The secret key has a line break at its end: take it away"
      : "None of the usual mistakes explains it. Most likely the secret key is not the one of this Panda"
  )
}
