/**
 * What comes next in an upload, as plain functions of what is known and what was answered: here is said what a status
 * means, which Location is followed, what counts as a failure and when failures are forgotten, and how long a chunk is.
 *
 * Without Effect, and without any import, so that an uploader in a page decides by the very same table. What an answer
 * means is `meaningOf`, from which follows `next`:
 *
 * | answer | means | next |
 * | --- | --- | --- |
 * | 2xx but 204, a JSON object with an id | Video | done, if all was sent |
 * | 2xx but 204, anything else | Doubtful | asked about once, then an error |
 * | 204 | Progress | on from its Range; no more than before is a failure |
 * | 204 whose Range is none | Doubtful | |
 * | 3xx with a Location | Elsewhere | a failure, then a probe there |
 * | 3xx without | Doubtful | |
 * | 404, 410 | Gone | an error or a new session, unless there is the video |
 * | 408, 429, 5xx, `InternalError` on a 2xx | Later | a failure, then a probe |
 * | 409, 416 | Doubtful | |
 * | 413, `FileSizeLimitExceeded` on a 2xx | TooLarge | an error |
 * | other 4xx, another `error` on a 2xx | Refused | an error |
 * | none, or half of one | Broken | a failure, then a probe |
 */

/** An answer of the upload server; the names of its headers are in lower case. */
export interface Answer {
  readonly status: number
  readonly headers: { readonly [name: string]: string | undefined }
  readonly text: string
}

/** What an answer means. */
export type Meaning =
  /** The server has so many bytes, from the first on. */
  | { readonly _tag: "Progress"; readonly offset: number }
  | { readonly _tag: "Video" }
  | { readonly _tag: "Elsewhere" }
  | { readonly _tag: "Later" }
  /** The server contradicts itself, or somebody else answered. */
  | { readonly _tag: "Doubtful"; readonly description?: string }
  | { readonly _tag: "Gone" }
  | { readonly _tag: "TooLarge" }
  | { readonly _tag: "Refused" }

/** What came of an exchange: an answer's meaning, or no whole answer. */
export type Outcome = Meaning | { readonly _tag: "Broken"; readonly timeout: boolean }

/** What an answer means, by its status, its Range, its Location and its body. */
export const meaningOf = (answer: Answer): Meaning => {
  const { headers, status, text } = answer
  if (status >= 200 && status < 300) {
    const named = errorOf(text)
    if (named === "InternalError") return { _tag: "Later" }
    if (named === "FileSizeLimitExceeded") return { _tag: "TooLarge" }
    if (named !== undefined) return { _tag: "Refused" }
    if (status !== 204) return hasId(text) ? { _tag: "Video" } : noVideo
    const offset = nextOffset(headers["range"])
    return offset === undefined ? doubtful("the server's Range is not one") : { _tag: "Progress", offset }
  }
  if (status >= 300 && status < 400) {
    return headers["location"] === undefined
      ? doubtful("the server redirects, but not where to")
      : { _tag: "Elsewhere" }
  }
  switch (status) {
    case 404:
    case 410:
      return { _tag: "Gone" }
    case 408:
    case 429:
      return { _tag: "Later" }
    case 409:
    case 416:
      return { _tag: "Doubtful" }
    case 413:
      return { _tag: "TooLarge" }
    default:
      return { _tag: status >= 500 ? "Later" : "Refused" }
  }
}

/** A 2xx that is neither progress nor a video. */
export const noVideo: Meaning = { _tag: "Doubtful", description: "the answer is neither progress nor a video" }

const doubtful = (description: string): Meaning => ({ _tag: "Doubtful", description })

/**
 * What an answer to a DELETE means: the session is over, by this or long since, or what it means for any request.
 */
export const meaningOfEnd = (answer: Answer): Meaning | { readonly _tag: "Ended" } => {
  const meaning = meaningOf(answer)
  switch (meaning._tag) {
    case "Gone":
    case "Elsewhere":
    case "Progress":
    case "Video":
      return { _tag: "Ended" }
    case "Doubtful":
      return answer.status < 300 ? { _tag: "Ended" } : meaning
    default:
      return meaning
  }
}

const objectOf = (text: string): { readonly [name: string]: unknown } => {
  if (text === "") return {}
  try {
    const json: unknown = JSON.parse(text)
    return typeof json === "object" && json !== null && !Array.isArray(json) ? { ...json } : {}
  } catch {
    return {}
  }
}

/** The error that a body names, whatever its status (contract 4). */
const errorOf = (text: string): unknown => {
  const { error } = objectOf(text)
  return error === null || error === false ? undefined : error
}

const hasId = (text: string): boolean => ["string", "number"].includes(typeof objectOf(text)["id"])

/** The byte after the last one that the server has, undefined if the Range is none. Without a Range it has nothing. */
const nextOffset = (range: string | undefined): number | undefined => {
  if (range === undefined) return 0
  const last = /^\s*(?:bytes[= ]\s*)?\d{1,15}-(\d{1,15})\s*$/.exec(range)?.[1]
  return last === undefined ? undefined : Number(last) + 1
}

/** Whether bytes can be sent there, on every HTTP layer: fetch takes no URL with a name or a password in it. */
export const isLocation = (text: string): boolean => {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return false
  const { password, username } = new URL(text)
  return username === "" && password === ""
}

/**
 * Where the session is from now on: undefined if it stays. `refused` is a place that must not be followed: no URL for
 * bytes, or no longer https.
 */
export const locationAfter = (
  current: string,
  { headers }: Answer
): { readonly moved: string | undefined; readonly refused: boolean } => {
  const value = headers["location"]
  if (value === undefined) return { moved: undefined, refused: false }
  const from = new URL(current)
  const to = URL.canParse(value, from) ? new URL(value, from) : undefined
  const downgraded = from.protocol === "https:" && to?.protocol === "http:"
  if (to === undefined || !isLocation(to.href) || downgraded) return { moved: undefined, refused: true }
  return { moved: to.href === from.href ? undefined : to.href, refused: false }
}

/** What is known of an upload between two exchanges. */
export interface Known {
  readonly size: number
  /** Bytes that the server has. */
  readonly acknowledged: number
  /** Bytes of this session that have left us. */
  readonly sent: number
  /** More may have left another process, which this upload goes on from. */
  readonly inherited: boolean
  /** The highest offset that was ever acknowledged: only beyond it are failures forgotten, so that all loops end. */
  readonly best: number
  /** Failures since then. */
  readonly failures: number
  /** The server contradicted itself, and was asked about it. */
  readonly doubted: boolean
}

/** Of an upload that begins, or goes on where another process left it. */
export const knownAt = (size: number, acknowledged: number, inherited: boolean): Known => ({
  size,
  acknowledged,
  sent: acknowledged,
  inherited,
  best: acknowledged,
  failures: 0,
  doubted: false
})

/** Of an upload that begins anew, with a session that has nothing. */
export const knownAnew = (known: Known, size: number): Known => ({
  ...known,
  size,
  acknowledged: 0,
  sent: 0,
  inherited: false
})

/** The next request on the location. */
export type Ask = "Send" | "Probe"

/** An error; or an answer, but no more bytes than before; or all bytes, but no video. */
export type Failure = "Failed" | "NoProgress" | "NotFinalized"

/** What comes next. */
export type Step =
  | { readonly _tag: "Ask"; readonly ask: Ask }
  /** One failure more: to wait, or to give up. */
  | { readonly _tag: "Wait"; readonly ask: Ask; readonly why: Failure }
  /** The session is gone, but may have ended in a video. */
  | { readonly _tag: "LookUp" }
  /** One failure more, then a new session. */
  | { readonly _tag: "Restart" }
  | { readonly _tag: "Done" }
  /** `broken` is how the server broke the protocol, if it did. */
  | { readonly _tag: "Fail"; readonly broken?: { readonly status: number; readonly description: string } }

export interface Next {
  readonly known: Known
  readonly step: Step
}

/** How the caller wants it. */
export interface Policy {
  readonly onExpired: "fail" | "restart"
}

const go = (known: Known, ask: Ask): Next => ({ known, step: { _tag: "Ask", ask } })

const wait = (known: Known, ask: Ask, why: Failure): Next => ({
  known: failed(known),
  step: { _tag: "Wait", ask, why }
})

const fail = (known: Known, broken?: { readonly status: number; readonly description: string }): Next => ({
  known,
  step: broken === undefined ? { _tag: "Fail" } : { _tag: "Fail", broken }
})

/** With one failure more. */
export const failed = (known: Known): Known => ({ ...known, failures: known.failures + 1 })

/** The table at the head of this file: what is known and what came of an exchange, to what comes next. */
export const next = (known: Known, asked: Ask, outcome: Outcome, policy: Policy): Next => {
  switch (outcome._tag) {
    case "Progress":
      return progressed(known, asked, outcome.offset)
    case "Video":
      return completed(known)
    case "Elsewhere":
      return wait(known, "Probe", idle(known))
    case "Later":
    case "Broken":
      return wait(known, "Probe", "Failed")
    case "Doubtful":
      return known.doubted ? fail(known) : go({ ...known, doubted: true }, "Probe")
    case "Gone":
      return mayBeWhole(known) ? { known, step: { _tag: "LookUp" } } : gone(known, policy)
    case "TooLarge":
    case "Refused":
      return fail(known)
  }
}

/** The session is gone, and there is no video. */
export const gone = (known: Known, { onExpired }: Policy): Next =>
  onExpired === "restart" ? { known, step: { _tag: "Restart" } } : fail(known)

/** Whether all bytes may have been sent, so that the answer which got lost may have been the video. */
const mayBeWhole = ({ inherited, sent, size }: Known): boolean => inherited || sent === size

/** An answer that brings nothing: why that is. */
const idle = ({ acknowledged, size }: Known): Failure => acknowledged === size ? "NotFinalized" : "NoProgress"

const progressed = (known: Known, asked: Ask, offset: number): Next => {
  const most = known.inherited ? known.size : known.sent
  if (offset > most) {
    return fail(known, { status: 204, description: `the server claims ${offset} bytes, and was sent ${most}` })
  }
  const record = offset > known.best
  const after: Known = {
    ...known,
    acknowledged: offset,
    sent: Math.max(known.sent, offset),
    ...(record ? { best: offset, failures: 0, doubted: false } : {})
  }
  // What a probe finds was counted as a failure before it.
  return offset > known.acknowledged || asked === "Probe" ? go(after, "Send") : wait(after, "Send", idle(after))
}

/** All is said to be there, and a video of it. */
export const completed = (known: Known): Next => {
  const { inherited, sent, size } = known
  if (!inherited && sent < size) {
    return fail(known, { status: 200, description: `the server made a video of ${size} bytes, and was sent ${sent}` })
  }
  return { known: { ...known, sent: size, acknowledged: size }, step: { _tag: "Done" } }
}

/** The next byte to send. Once only the video is missing, the last byte makes the server finish (contract 7.5). */
export const offsetOf = ({ acknowledged, size }: Known): number => Math.min(acknowledged, size - 1)

/** Bytes up to here have left us. */
export const sentTo = (known: Known, end: number): Known => ({ ...known, sent: Math.max(known.sent, end) })

/** How fast the bytes go, and so how many go at a time. */
export interface Pace {
  /** Undefined for chunks that adapt. */
  readonly fixed: number | undefined
  readonly chunk: number
  /** Bytes a second, over the last seconds of sending; undefined before there is a measure. */
  readonly speed: number | undefined
}

const MIB = 1024 * 1024
const CHUNK = { first: MIB, least: MIB / 16, most: 32 * MIB, seconds: 4 }

/** Bytes a second that the slowest of connections is taken to have, before there is a measure. */
const SLOWEST = 16 * 1024

/** Seconds over which the speed is smoothed. */
const SMOOTHING = 5

export const paceOf = (fixed: number | undefined): Pace => ({ fixed, chunk: fixed ?? CHUNK.first, speed: undefined })

/** After a chunk was taken; `bandwidth` is what may be sent in a second. */
export const measured = (pace: Pace, bytes: number, seconds: number, bandwidth = Infinity): Pace => {
  const current = seconds > 0 ? bytes / seconds : undefined
  const weight = 1 - Math.exp(-seconds / SMOOTHING)
  const speed = current === undefined || pace.speed === undefined
    ? current ?? pace.speed
    : pace.speed + weight * (current - pace.speed)
  if (pace.fixed !== undefined) return { ...pace, speed }
  const fitting = Math.min(current ?? Infinity, bandwidth) * CHUNK.seconds
  const chunk = Math.round(Math.min(Math.max(fitting, CHUNK.least), CHUNK.most, pace.chunk * 4))
  return { ...pace, speed, chunk }
}

/** After an exchange that took too long. */
export const slowed = (pace: Pace): Pace =>
  pace.fixed === undefined ? { ...pace, chunk: Math.max(CHUNK.least, Math.floor(pace.chunk / 2)) } : pace

/** How many bytes go at an offset, at most so many. */
export const lengthAt = (pace: Pace, { size }: Known, offset: number, most: number): number =>
  Math.min(pace.chunk, size - offset, most)

/** Seconds that a chunk may need on a connection gone slow, where its movement is not seen. */
export const secondsFor = ({ speed }: Pace, bytes: number): number =>
  bytes / (speed === undefined ? SLOWEST : Math.max(speed / 10, SLOWEST / 16))
