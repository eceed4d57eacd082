/**
 * What comes next in an upload, as plain functions of what is known and what was answered: here is said what a status
 * means, which Location is followed, what counts as a failure and when failures are forgotten, and how long a chunk is.
 *
 * Without Effect, so that an uploader in a page decides by the very same table. What an answer
 * means is `meaningOf`, from which follows `next`:
 *
 * | answer | means | next |
 * | --- | --- | --- |
 * | 200, 201, any 2xx but 204: a JSON object with an id | Video | done, if all was sent |
 * | 2xx but 204, anything else | Doubtful | asked about once, then an error |
 * | 204 | Progress | on from its Range, or from 0; no more than before is a failure, less a setback |
 * | 204 whose Range is none | Doubtful | |
 * | 3xx with a Location | Elsewhere | a failure, then a probe there |
 * | 3xx without | Doubtful | |
 * | 401, 402, 407, 423 | Denied | an error; the session stays |
 * | 404, 410 | Gone | an error or a new session, unless there is the video |
 * | 408, 429, 5xx, `InternalError` on a 2xx | Later | a failure, then a probe; 408, 504 and 524 break a chunk off |
 * | 409, 416 | Doubtful | |
 * | 413 | TooLong | a probe and a chunk of half the length, if it is longer than one that was taken; else an error |
 * | `FileSizeLimitExceeded`, with 413 or a 2xx | TooLarge | an error |
 * | other 4xx, another `error` on a 2xx | Refused | an error; at the start of a resumption the session is over |
 * | none, for the server's certificate | Denied | an error; the session stays |
 * | none, since fetch hides a redirect | Hidden | a failure, then a probe, which shows it; again, an error |
 * | none, or half of one | Broken | a failure, then a probe; chunks that adapt are halved, if it cost what was sent |
 *
 * A failure is waited for and counted until more is acknowledged than before; a setback, which costs what was
 * acknowledged, until more is than ever. So every loop ends.
 */

import { urlOf } from "../text/url.js"

/** An answer of the upload server; the names of its headers are in lower case. */
export interface Answer {
  readonly status: number
  readonly headers: { readonly [name: string]: string | undefined }
  readonly text: string
}

/** What an answer means. */
export type Meaning =
  /** The server has so many bytes, from the first on, of a file of that size if it says so. */
  | { readonly _tag: "Progress"; readonly offset: number; readonly size?: number }
  | { readonly _tag: "Video" }
  | { readonly _tag: "Elsewhere" }
  /** `cut`: somebody on the way had waited for too long. */
  | { readonly _tag: "Later"; readonly cut?: true }
  /** The server contradicts itself, or somebody else answered. */
  | { readonly _tag: "Doubtful"; readonly description?: string }
  | { readonly _tag: "Gone" }
  /** The file is. */
  | { readonly _tag: "TooLarge" }
  /** The request is, for somebody on the way. */
  | { readonly _tag: "TooLong" }
  /** Somebody has to do something about it; nothing is said against the session. */
  | { readonly _tag: "Denied" }
  | { readonly _tag: "Refused" }

/** What came of an exchange: an answer's meaning, or no whole answer, or a redirect to nobody knows where. */
export type Outcome = Meaning | { readonly _tag: "Broken"; readonly timeout: boolean } | { readonly _tag: "Hidden" }

/** What an answer means, by its status, its Range, its Location and its body. */
export const meaningOf = (answer: Answer): Meaning => {
  const { headers, status, text } = answer
  const { error, id } = bodyOf(text)
  if (status >= 200 && status < 300) {
    // A video is one whatever else it has, an attribute called `error` too.
    if (status !== 204 && id) return { _tag: "Video" }
    if (error === "InternalError") return { _tag: "Later" }
    if (error === FILE_TOO_LARGE) return { _tag: "TooLarge" }
    if (error !== undefined) return { _tag: "Refused" }
    return status === 204 ? progressOf(headers["range"]) ?? doubtful("the server's Range is not one") : noVideo
  }
  if (status >= 300 && status < 400) {
    return headers["location"] === undefined
      ? doubtful("the server redirects, but not where to")
      : { _tag: "Elsewhere" }
  }
  switch (status) {
    case 401:
    case 402:
    case 407:
    case 423:
      return { _tag: "Denied" }
    case 404:
    case 410:
      return { _tag: "Gone" }
    case 408:
    case 504:
    case 524:
      return { _tag: "Later", cut: true }
    case 429:
      return { _tag: "Later" }
    case 409:
    case 416:
      return { _tag: "Doubtful" }
    case 413:
      return { _tag: error === FILE_TOO_LARGE ? "TooLarge" : "TooLong" }
    default:
      return { _tag: status >= 500 ? "Later" : "Refused" }
  }
}

const FILE_TOO_LARGE = "FileSizeLimitExceeded"

/** A 2xx that is neither progress nor a video. */
export const noVideo: Meaning = { _tag: "Doubtful", description: "the answer is neither progress nor a video" }

const doubtful = (description: string): Meaning => ({ _tag: "Doubtful", description })

/** What an answer to a DELETE means: the session is over, by this or long since, or what it means for any request. */
export const meaningOfEnd = (answer: Answer): Meaning | { readonly _tag: "Ended" } => {
  const meaning = meaningOf(answer)
  switch (meaning._tag) {
    case "Gone":
    case "Progress":
    case "Video":
      return { _tag: "Ended" }
    case "Doubtful":
      return answer.status < 300 ? { _tag: "Ended" } : meaning
    default:
      return meaning
  }
}

/** Whether a body has an id, as a video has, and the error that it names, whatever its status (contract 4). */
const bodyOf = (text: string): { readonly id: boolean; readonly error: unknown } => {
  const { error, id } = objectOf(text)
  const named = error !== null && error !== false && error !== "" && !isEmptyObject(error)
  return { id: typeof id === "number" || (typeof id === "string" && id !== ""), error: named ? error : undefined }
}

const isEmptyObject = (value: unknown): boolean =>
  typeof value === "object" && value !== null && Object.keys(value).length === 0

const objectOf = (text: string): { readonly [name: string]: unknown } => {
  if (text === "") return {}
  try {
    const json: unknown = JSON.parse(text.replace(/^\uFEFF/, ""))
    return typeof json === "object" && json !== null && !Array.isArray(json) ? { ...json } : {}
  } catch {
    return {}
  }
}

/** `0-4`, with `bytes=` or `bytes ` before it, and with the size after it (seen: nginx's upload module). */
const RANGE = /^\s*(?:bytes(?:\s*=\s*|\s+))?(\d{1,15})\s*-\s*(\d{1,15})\s*(?:\/\s*(?:(\d{1,15})|\*)\s*)?$/i

/** How far the server is, undefined if the Range is none. Without a Range it has nothing. */
const progressOf = (range: string | undefined): Meaning | undefined => {
  if (range === undefined) return { _tag: "Progress", offset: 0 }
  const [, first, last, size] = RANGE.exec(range) ?? []
  if (Number(first) > Number(last) || last === undefined) return undefined
  const offset = Number(last) + 1
  return size === undefined ? { _tag: "Progress", offset } : { _tag: "Progress", offset, size: Number(size) }
}

/** Milliseconds that the server asks to wait: by seconds or by a date, which is one on its own clock. */
export const retryAfterOf = (headers: Answer["headers"], now: number): number | undefined => {
  const value = headers["retry-after"]?.trim() ?? ""
  if (/^\d+$/.test(value)) return Number(value) * 1000
  const until = dateOf(value)
  return until === undefined ? undefined : Math.max(0, until - (dateOf(headers["date"]?.trim() ?? "") ?? now))
}

const dateOf = (text: string): number | undefined =>
  /^[A-Z][a-z]{2,8}, \d{2}[ -][A-Z][a-z]{2}[ -]\d{2,4} \d{2}:\d{2}:\d{2} GMT$/.test(text) ? Date.parse(text) : undefined

/**
 * How long to wait, where the server asked for a time: that is the least. Half of our own time, which chance has a part in,
 * comes on top, so that those who were asked the same do not come back at the same moment.
 */
export const waitOf = (own: number, asked: number): number => Math.max(own, asked + own / 2)

/**
 * How long to wait after so many failures in a row, the last of which was answered with these headers, if it was: what is
 * our own of it is left to chance, a number from 0 to 1.
 */
export const delayOf = (
  failures: number,
  headers: Answer["headers"] | undefined,
  chance: number,
  now: number
): number => {
  const own = mostOf(failures, headers !== undefined) * chance
  const asked = headers && retryAfterOf(headers, now)
  return asked === undefined ? own : waitOf(own, asked)
}

/**
 * How often failures in a row are waited for, and for how long, in milliseconds: twice as long each time, but after the first
 * hardly at all if nobody answered. Most connections that break are back at once, and who has too much to do says so.
 */
export const BACKOFF = { times: 14, atOnce: 10, first: 100, most: 30_000 }

/** Milliseconds to wait at most after so many failures in a row, of which the last was answered or not. */
export const mostOf = (failures: number, answered: boolean): number =>
  failures === 1 && !answered ? BACKOFF.atOnce : Math.min(BACKOFF.most, BACKOFF.first * 2 ** (failures - 1))

/** Milliseconds in which bytes have to move, and those from the last of them to the answer. */
export const TIMEOUT = { stall: 30_000, response: 300_000 }

/** Whether bytes can be sent there, on every HTTP layer: fetch takes no URL with a name or a password in it. */
export const isLocation = (text: string): boolean => {
  const url = /^https?:\/\//i.test(text) ? urlOf(text) : undefined
  return url !== undefined && url.username === "" && url.password === ""
}

/**
 * Where the session is from now on: undefined if it stays. What ends the upload leads nowhere: a Location there is that
 * of the video. `refused` is a place that must not be followed, being no URL for bytes or no longer https, in an answer
 * that says nothing else.
 */
export const locationAfter = (
  current: string,
  { headers }: Answer,
  { _tag: meaning }: Meaning
): { readonly moved: string | undefined; readonly refused: boolean } => {
  const value = headers["location"]
  const stays = { moved: undefined, refused: false }
  if (value === undefined || ENDS.has(meaning)) return stays
  const from = new URL(current)
  const to = urlOf(value, from)
  const downgraded = from.protocol === "https:" && to?.protocol === "http:"
  if (to === undefined || !isLocation(to.href) || downgraded) {
    return { moved: undefined, refused: meaning === "Progress" || meaning === "Elsewhere" }
  }
  return to.href === from.href ? stays : { moved: to.href, refused: false }
}

const ENDS = new Set<Meaning["_tag"]>(["Video", "Gone", "TooLarge", "Denied", "Refused"])

/** What is known of an upload between two exchanges. */
export interface Known {
  readonly size: number
  /** Bytes that the server has. */
  readonly acknowledged: number
  /** Bytes of this session that have left us. */
  readonly sent: number
  /** More may have left another process, which this upload goes on from. */
  readonly inherited: boolean
  /** How far that may have got; 0 once the server has told how far it is. */
  readonly perhaps: number
  /** The server has told how far it is. */
  readonly told: boolean
  /** The highest offset acknowledged since the last setback: beyond it failures are forgotten. */
  readonly best: number
  readonly failures: number
  /** The highest offset that was ever acknowledged: beyond it setbacks are forgotten. */
  readonly record: number
  /** Losses of what had been acknowledged. */
  readonly setbacks: number
  /** The server contradicted itself, and was asked about it. */
  readonly doubted: boolean
  readonly pace: Pace
}

/** Of an upload that begins, or goes on where another process left it. */
export const knownAt = (size: number, acknowledged: number, inherited: boolean, pace: Pace): Known => ({
  size,
  acknowledged,
  sent: acknowledged,
  inherited,
  // One chunk may have been under way, and one more whose news was not saved; one that adapts may be as long as the rest.
  perhaps: inherited ? Math.min(size, acknowledged + 2 * (pace.fixed ?? size)) : 0,
  told: false,
  best: acknowledged,
  failures: 0,
  record: acknowledged,
  setbacks: 0,
  doubted: false,
  pace
})

/** Of an upload that begins anew, with a session that has nothing. */
export const knownAnew = (known: Known, size: number): Known => ({
  ...known,
  size,
  acknowledged: 0,
  sent: 0,
  inherited: false,
  perhaps: 0,
  best: 0,
  failures: 0,
  // What broke off was of the other session: no probe of this one tells of it.
  pace: { ...known.pace, torn: false }
})

/** The next request on the location. */
export type Ask = "Send" | "Probe"

/** An error; or an answer, but no more bytes than before; or all bytes, but no video. */
export type Failure = "Failed" | "NoProgress" | "NotFinalized"

/** One failure or one setback more: to wait, or to give up. */
export interface Wait {
  readonly _tag: "Wait"
  readonly ask: Ask
  readonly why: Failure
  readonly counts: "failure" | "setback"
}

/** What comes next. */
export type Step =
  | { readonly _tag: "Ask"; readonly ask: Ask }
  | Wait
  /** The session is gone, but may have ended in a video. */
  | { readonly _tag: "LookUp" }
  /** One setback more, then a new session. */
  | { readonly _tag: "Restart" }
  | { readonly _tag: "Done" }
  /** `broken` is how the server broke the protocol, if it did. `over` says that the session is of no use any more. */
  | {
    readonly _tag: "Fail"
    readonly broken?: { readonly status: number; readonly description: string }
    readonly over: boolean
  }

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
  step: { _tag: "Wait", ask, why, counts: "failure" }
})

const fail = (known: Known): Next => ({ known, step: { _tag: "Fail", over: false } })

/** For good. A session that is refused before it has told anything never will. */
const refuse = (known: Known): Next => ({ known, step: { _tag: "Fail", over: known.inherited && !known.told } })

const breach = (known: Known, status: number, description: string): Next => ({
  known,
  step: { _tag: "Fail", broken: { status, description }, over: known.inherited && !known.told }
})

/** With one failure more. */
export const failed = (known: Known): Known => ({ ...known, failures: known.failures + 1 })

/** With one setback more. */
export const setBack = (known: Known): Known => ({ ...known, setbacks: known.setbacks + 1 })

/** The table at the head of this file: what is known and what came of an exchange, to what comes next. */
export const next = (known: Known, asked: Ask, outcome: Outcome, policy: Policy): Next => {
  switch (outcome._tag) {
    case "Progress":
      return progressed(known, asked, outcome)
    case "Video":
      return completed(known)
    case "Elsewhere":
      return wait(known, "Probe", idle(known))
    case "Later":
      return wait(outcome.cut === true ? brokenOff(known, asked, false) : known, "Probe", "Failed")
    case "Broken":
      return wait(brokenOff(known, asked, outcome.timeout), "Probe", "Failed")
    case "Hidden":
      return known.doubted ? fail(known) : wait({ ...known, doubted: true }, "Probe", "Failed")
    case "Doubtful":
      return known.doubted
        ? outcome.description === undefined ? refuse(known) : fail(known)
        : go({ ...known, doubted: true }, "Probe")
    case "Gone":
      return mayBeWhole(known) ? { known, step: { _tag: "LookUp" } } : gone(known, policy)
    case "TooLong":
      return asked === "Send" && mayBeShorter(known.pace)
        ? go({ ...known, pace: shortened(known.pace) }, "Probe")
        : refuse(known)
    case "TooLarge":
    case "Refused":
      return refuse(known)
    case "Denied":
      return fail(known)
  }
}

/** The session is gone, and there is no video. */
export const gone = (known: Known, { onExpired }: Policy): Next =>
  onExpired === "restart" ? { known, step: { _tag: "Restart" } } : fail(known)

/** Whether all bytes may have been sent, so that the answer which got lost may have been the video. */
const mayBeWhole = ({ perhaps, sent, size }: Known): boolean => Math.max(perhaps, sent) === size

/** Whether a record is the video of a whole upload: it has not failed, and is as long as the file, if it says so. */
export const isWhole = (
  { file_size, status }: { readonly status?: string | undefined; readonly file_size?: number | undefined },
  size: number
): boolean => status !== "fail" && (file_size === undefined || file_size === size)

/** An answer that brings nothing: why that is. */
const idle = ({ acknowledged, size }: Known): Failure => acknowledged === size ? "NotFinalized" : "NoProgress"

const progressed = (
  known: Known,
  asked: Ask,
  { offset, size }: { readonly offset: number; readonly size?: number }
): Next => {
  const most = known.inherited ? known.size : known.sent
  if (offset > most) return breach(known, 204, `the server claims ${offset} bytes, and was sent ${most}`)
  if (size !== undefined && size !== known.size) {
    return breach(known, 204, `the server has a file of ${size} bytes, and this one has ${known.size}`)
  }
  const after: Known = {
    ...known,
    pace: asked === "Probe" ? settled(known, offset) : known.pace,
    acknowledged: offset,
    sent: Math.max(known.sent, offset),
    perhaps: 0,
    told: true,
    ...(offset > known.best ? { best: offset, failures: 0, doubted: false } : {}),
    ...(offset > known.record ? { record: offset, setbacks: 0 } : {})
  }
  if (offset < known.acknowledged) {
    const rewound = setBack({ ...after, best: offset })
    return { known: rewound, step: { _tag: "Wait", ask: "Send", why: idle(rewound), counts: "setback" } }
  }
  // What a probe finds was counted as a failure before it.
  return offset > known.acknowledged || asked === "Probe" ? go(after, "Send") : wait(after, "Send", idle(after))
}

/** All is said to be there, and a video of it. */
export const completed = (known: Known): Next => {
  const { inherited, sent, size } = known
  if (!inherited && sent < size) {
    return breach(known, 200, `the server made a video of ${size} bytes, and was sent ${sent}`)
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
  /** Seconds of sending that a chunk takes at most, which is what may be lost when it breaks. */
  readonly longest: number
  readonly chunk: number
  /** The chunk under way. */
  readonly under: number
  /** Whether its movement is seen. */
  readonly seen: boolean
  /** The longest chunk that was taken. */
  readonly taken: number
  /** The longest that somebody on the way takes. */
  readonly limit: number
  /** Up to where chunks grow for the time being, since a longer one broke; and how often one has to go well before. */
  readonly caution: { readonly most: number; readonly chunks: number; readonly left: number }
  /** A chunk broke off, and what came of it is not known yet. */
  readonly torn: boolean
  /** Bytes of the chunks that were taken since one broke off. */
  readonly run: number
  /** Bytes from one that broke off to the next, on average, the last ones most; undefined before there is one. */
  readonly apart: number | undefined
  /** Chunks in a row that broke off, and the most that the server kept of one of them. */
  readonly breaks: number
  readonly kept: number
  /** The server has kept something of a chunk that broke off. */
  readonly keeps: boolean
  /** Bytes a second, over the last seconds of sending; undefined before there is a measure. */
  readonly speed: number | undefined
  /** The same without the chunk under way, of which what is on its way seems to have gone. */
  readonly before: number | undefined
  /** Seconds between the last byte of a request and its answer, at best; undefined before there is a measure. */
  readonly roundTrip: number | undefined
  /** How many times the time that a chunk should need it gets: more after each chunk that did not make it. */
  readonly patience: number
}

const MIB = 1024 * 1024
const CHUNK = { first: 8 * MIB, least: MIB / 16, seconds: 4 }

/** Round trips that a chunk lasts: the connection is idle for one after each, and so for no more than 2 % of the time. */
const ROUND_TRIPS = 50

/** How many times as long the next chunk is at most. */
const GROWTH = 64

/** Of chunks that are in memory as a whole, and whose movement is not seen. */
const UNSEEN = { first: MIB, most: 32 * MIB, growth: 4 }

/** How much longer than meant a chunk may be, for no tiny one to be left. */
const SLACK = 1.25

/** Bytes a second that the slowest of connections is taken to have, before there is a measure. */
const SLOWEST = 32 * 1024

/** Bytes that tell of the speed. */
const TELLING = 4 * 1024

/** Seconds over which the speed is smoothed. */
const SMOOTHING = 5

const PATIENCE = { least: 4, most: 64 }

const CAUTION = { least: 4, most: 64 }

/** Nothing is known against long chunks. */
const UNWARNED = { most: Infinity, chunks: CAUTION.least / 2, left: 0 }

/** Seconds of sending that a chunk takes at most, unless somebody wants it otherwise. */
export const LONGEST = 30

export const paceOf = (fixed: number | undefined, longest: number = LONGEST): Pace => ({
  fixed,
  longest,
  chunk: fixed ?? CHUNK.first,
  under: 0,
  seen: false,
  taken: 0,
  limit: Infinity,
  caution: UNWARNED,
  torn: false,
  run: 0,
  apart: undefined,
  breaks: 0,
  kept: 0,
  keeps: false,
  speed: undefined,
  before: undefined,
  roundTrip: undefined,
  patience: PATIENCE.least
})

/** How many bytes go at an offset, at most so many. */
export const lengthAt = ({ pace, size }: Known, offset: number, most: number): number => {
  const left = size - offset
  const limit = Math.min(pace.limit, most)
  const length = Math.min(pace.chunk, limit)
  if (pace.fixed !== undefined || left >= 2 * length) return Math.min(length, left)
  return left <= Math.min(length * SLACK, limit) ? left : Math.min(length, Math.ceil(left / 2))
}

/** The same where their movement is not seen: as long as nothing is measured, no more than a look at them may cost. */
export const unseenLengthAt = (known: Known, offset: number, most: number): number => {
  const { fixed, taken } = known.pace
  const unmeasured = taken === 0 ? fixed === undefined ? UNSEEN.first : CHUNK.first : Infinity
  const grown = fixed === undefined ? Math.min(Math.max(taken * UNSEEN.growth, UNSEEN.first), UNSEEN.most) : Infinity
  return lengthAt(known, offset, Math.min(most, unmeasured, grown))
}

/** A chunk of so many bytes goes. */
export const sending = (known: Known, bytes: number, seen: boolean): Known => ({
  ...known,
  pace: { ...known.pace, under: bytes, seen, before: known.pace.speed }
})

/** After an answer to a request whose last byte had gone so many seconds before. */
export const answered = (pace: Pace, seconds: number): Pace => ({
  ...pace,
  roundTrip: Math.min(pace.roundTrip ?? Infinity, seconds)
})

/** After a chunk was taken; `bandwidth` is what may be sent in a second. */
export const measured = (pace: Pace, bytes: number, seconds: number, bandwidth = Infinity): Pace => {
  // A few bytes, such as the rest of a chunk, tell of the round trip, not of the speed.
  const tells = seconds > 0 && bytes >= Math.min(TELLING, pace.chunk)
  const current = tells ? bytes / seconds : undefined
  const caution = pace.caution.most > bytes ? pace.caution : relaxed(pace.caution)
  const after: Pace = {
    ...(current === undefined ? pace : moving({ ...pace, speed: pace.before }, current, seconds)),
    caution,
    torn: false,
    run: pace.run + bytes,
    breaks: 0,
    kept: 0,
    taken: Math.max(pace.taken, bytes),
    patience: PATIENCE.least
  }
  if (pace.fixed !== undefined) return after
  if (seconds > 0 && !tells) return after
  const fitting = Math.min(current ?? Infinity, bandwidth) * secondsOf(pace)
  const most = Math.min(pace.limit, caution.most, pace.chunk * GROWTH)
  return { ...after, chunk: Math.round(Math.min(Math.max(fitting, CHUNK.least), most)) }
}

/** Seconds that the next chunk should take. */
const secondsOf = ({ longest, roundTrip = 0 }: Pace): number =>
  Math.min(longest, Math.max(CHUNK.seconds, roundTrip * ROUND_TRIPS))

/** With the speed of some seconds more. */
export const moving = (pace: Pace, current: number | undefined, seconds: number): Pace => {
  const weight = 1 - Math.exp(-seconds / SMOOTHING)
  const speed = current === undefined || pace.speed === undefined
    ? current ?? pace.speed
    : pace.speed + weight * (current - pace.speed)
  return { ...pace, speed }
}

/** A chunk as long as caution lets it be has gone well: after some of them, a longer one is tried. */
const relaxed = (caution: Pace["caution"]): Pace["caution"] =>
  caution.left > 1
    ? { ...caution, left: caution.left - 1 }
    : { ...caution, most: caution.most * 2, left: caution.chunks }

/** After an exchange that broke off, or took too long. What that cost, a probe has to show. */
const brokenOff = (known: Known, asked: Ask, timeout: boolean): Known => {
  if (asked === "Probe") return known
  const { pace } = known
  const patience = timeout ? Math.min(pace.patience * 2, PATIENCE.most) : pace.patience
  return { ...known, pace: { ...pace, patience, torn: true, breaks: pace.breaks + 1 } }
}

/**
 * After the probe that follows. Where the server has what arrived, a break costs little, and only who always cuts off is
 * given chunks as it takes them, until one of those breaks off as well. Where it has thrown that away, what goes next is so
 * long, if it adapts, that what breaks as far apart cost and what the ends of chunks cost is least, taken together; and half,
 * where one after the other breaks off. A server that once had something of a chunk has not thrown away what came of one
 * that broke off before anything arrived. Of what is not seen nobody knows how far it came,
 * and so how long is too long: half of it goes.
 */
const settled = ({ acknowledged, pace, sent }: Known, offset: number): Pace => {
  if (!pace.torn) return pace
  const lost = sent - acknowledged
  const kept = Math.max(pace.kept, offset - acknowledged)
  const keeps = pace.keeps || kept > 0
  const since = pace.run + lost
  const apart = pace.apart === undefined ? since : pace.apart + NEWEST * (since - pace.apart)
  const whole = { ...pace, torn: false, run: 0, apart, kept, keeps }
  if (pace.fixed !== undefined) return whole
  const idle = idleBytes(pace)
  const chance = pace.seen &&
    (kept > 0 ? pace.breaks < ALWAYS.kept : pace.breaks < 2 && (keeps || lost <= (idle ?? pace.under / 2)))
  // A chunk that was made shorter, and breaks all the same, does not break for its length.
  if (chance) return kept > 0 && pace.under <= pace.caution.most ? { ...whole, caution: UNWARNED } : whole
  const half = Math.min(pace.chunk, Math.max(pace.under, CHUNK.least)) / 2
  const cheapest = idle === undefined ? half : Math.sqrt(2 * idle * apart)
  const most = !pace.seen ? half : kept > 0 ? kept : pace.breaks < ALWAYS.lost ? cheapest : Math.min(half, cheapest)
  const chunk = Math.max(CHUNK.least, Math.floor(Math.min(most, pace.chunk)))
  const chunks = Math.min(pace.caution.chunks * 2, CAUTION.most)
  return { ...whole, chunk, caution: { most: chunk, chunks, left: chunks } }
}

/** Bytes that could have gone while the connection is idle at the end of a chunk; undefined before there is a measure. */
const idleBytes = ({ roundTrip, speed }: Pace): number | undefined =>
  roundTrip === undefined || speed === undefined ? undefined : roundTrip * speed

/** Breaks in a row that are no chance: where the server has what arrived, and where it has thrown that away. */
const ALWAYS = { kept: 4, lost: 3 }

/** How much of an average the last of it is. */
const NEWEST = 0.4

/** Whether the chunk under way is longer than one that was taken, and not the shortest. */
const mayBeShorter = ({ taken, under }: Pace): boolean => under > taken && under > CHUNK.least

/** Somebody on the way does not take a chunk of this length, and never will. */
const shortened = (pace: Pace): Pace => {
  const limit = Math.max(CHUNK.least, pace.taken, Math.floor(pace.under / 2))
  return { ...pace, limit, chunk: Math.min(pace.chunk, limit) }
}

/** Seconds that a chunk may need, where its movement is not seen: some times as many as it should. */
export const secondsFor = ({ patience, speed, taken }: Pace, bytes: number): number => {
  // What has gone in no time goes in no time again.
  if (speed === undefined) {
    return taken < Math.min(TELLING, bytes) ? (patience / PATIENCE.least) * bytes / SLOWEST : 0
  }
  return patience * bytes / speed
}

/** How many times slower a connection may become before it seems to stand still. */
const SLOWER = 120

/**
 * How many bytes of a chunk go at a time where their movement is seen: so few that they go well within `stall` seconds,
 * at the measured speed; undefined before there is a measure.
 */
export const sliceOf = ({ speed }: Pace, stall: number): number | undefined =>
  speed === undefined ? undefined : Math.floor(speed * stall / SLOWER)
