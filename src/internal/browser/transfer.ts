/** The transfer of one file: a loop of exchanges, each followed by what `decision` says of it. */
import * as decision from "../upload/decision.js"
import { exchange, type Reply, sleep } from "./exchange.js"
import { type Code, UploadFailure } from "./failure.js"

/** Where an upload is: what changes under way. */
export interface Course {
  readonly file: Blob
  readonly name: string
  location: string
  known: decision.Known
  ask: decision.Ask
  /** When the chunk under way began to go, in milliseconds. */
  began: number
  /** The upload host has answered once. */
  answered: boolean
  /** It has shown the page a Range once. */
  ranged: boolean
}

export interface Settings {
  /** Milliseconds without movement, and from the last byte to the answer. */
  readonly stall: number
  readonly response: number
  readonly onExpired: decision.Policy["onExpired"]
}

/** What the transfer tells, and what it has others do. */
export interface Ways {
  /** What is known has changed, or where the session is: time to keep it. */
  readonly keep: () => void
  readonly progress: () => void
  readonly waits: (failure: UploadFailure, attempt: number, delay: number) => void
  /** Waits while there is no network. */
  readonly online: () => Promise<void>
  readonly restarted: (reason: "Expired" | "Rewound") => void
  /** The session is of no use any more. */
  readonly over: () => void
  /** Rejects if the file is not what it was. */
  readonly verify: () => Promise<void>
  /** A new session. */
  readonly renew: () => Promise<string>
}

export const courseOf = (
  file: Blob,
  name: string,
  location: string,
  { acknowledged, chunkSize }: { readonly acknowledged: number | undefined; readonly chunkSize: number | undefined }
): Course => ({
  file,
  name,
  location,
  known: decision.knownAt(file.size, acknowledged ?? 0, acknowledged !== undefined, decision.paceOf(chunkSize)),
  // As Panda's own uploader does, also where nothing was sent: what the session's location is, only that answer tells.
  ask: "Probe",
  began: 0,
  answered: false,
  ranged: false
})

/** Goes on until there is a video, and gives its JSON. Rejects with an `UploadFailure` or with the signal's reason. */
export const run = async (course: Course, settings: Settings, ways: Ways, signal: AbortSignal): Promise<string> => {
  for (;;) {
    await ways.online()
    const { ask } = course
    const reply = await (ask === "Probe" ? probe(course, settings, signal) : send(course, settings, ways, signal))
    const outcome = follow(course, ask, reply, ways)
    const { known, step } = decision.next(course.known, ask, outcome, settings)
    const text = await act({ course, settings, ways, signal, reply, outcome }, known, step)
    if (text !== undefined) return text
  }
}

const probe = ({ file, location }: Course, { stall }: Settings, signal: AbortSignal): Promise<Reply> =>
  exchange({
    method: "PUT",
    url: location,
    headers: { "content-range": `bytes */${file.size}`, "content-type": "application/octet-stream" },
    body: null,
    stall,
    response: stall
  }, signal)

const send = async (course: Course, settings: Settings, ways: Ways, signal: AbortSignal): Promise<Reply> => {
  const { file, known, location } = course
  const offset = decision.offsetOf(known)
  const length = decision.lengthAt(known, offset, Infinity)
  const end = offset + length
  if (end === file.size) await ways.verify()
  course.known = decision.sending(known, length, true)
  course.began = performance.now()
  const reply = await exchange({
    method: "PUT",
    url: location,
    headers: {
      "content-range": `bytes ${offset}-${end - 1}/${file.size}`,
      "content-type": "application/octet-stream"
    },
    body: file.slice(offset, end),
    ...settings,
    onSent: (bytes) => {
      course.known = decision.sentTo(course.known, offset + Math.min(bytes, length))
      ways.progress()
    }
  }, signal)
  // It may have left, be it that nobody has seen it leave.
  course.known = decision.sentTo(course.known, end)
  // What a browser cannot read it does not send, and says no more than that the connection broke off.
  if (reply._tag === "Broken") await ways.verify()
  return reply
}

/** What came of the exchange, after its new location was taken over. */
const follow = (course: Course, ask: decision.Ask, reply: Reply, ways: Ways): decision.Outcome => {
  if (reply._tag === "Broken") return reply
  const { answer } = reply
  const meaning = decision.meaningOf(answer)
  const { moved, refused } = decision.locationAfter(course.location, answer, meaning)
  course.answered = true
  course.ranged ||= answer.headers["range"] !== undefined
  if (refused) {
    throw new UploadFailure("LocationRefused", { name: course.name, status: answer.status })
  }
  if (moved !== undefined) {
    course.location = moved
    ways.keep()
  }
  // What was not taken tells nothing of how fast it would have been.
  if (ask === "Send" && (meaning._tag === "Progress" || meaning._tag === "Video")) {
    const { pace } = course.known
    const seconds = (performance.now() - course.began) / 1000
    course.known = { ...course.known, pace: decision.measured(pace, pace.under, seconds) }
  }
  return meaning
}

/** An exchange that is over, and all that bears on what comes next. */
interface Turn {
  readonly course: Course
  readonly settings: Settings
  readonly ways: Ways
  readonly signal: AbortSignal
  readonly reply: Reply
  readonly outcome: decision.Outcome
}

/** Does what comes next, up to the next exchange. The video, once there is one. */
const act = async (turn: Turn, known: decision.Known, step: decision.Step): Promise<string | undefined> => {
  const { course, outcome, reply, ways } = turn
  learn(course, known, ways)
  switch (step._tag) {
    case "Ask":
      course.ask = step.ask
      return undefined
    case "Wait":
      course.ask = step.ask
      await backOff(turn, step.counts, whyOf(turn, step))
      return undefined
    case "LookUp":
      // A page cannot ask for the video. Not to know whether there is one is no reason to make another.
      ways.over()
      throw failureOf(course, "Uncertain", reply)
    case "Restart":
      await restart(turn)
      return undefined
    case "Done":
      ways.progress()
      return reply._tag === "Answered" ? reply.answer.text : ""
    case "Fail":
      if (step.over || outcome._tag === "Gone" || outcome._tag === "TooLarge") ways.over()
      throw failureOf(course, step.broken === undefined ? codeOf(outcome) : "Protocol", reply)
  }
}

const learn = (course: Course, known: decision.Known, ways: Ways): void => {
  const before = course.known.acknowledged
  course.known = known
  if (known.acknowledged !== before) ways.keep()
  if (known.acknowledged < before) ways.restarted("Rewound")
  // Whole is whole only with the video.
  if (known.acknowledged > before && known.acknowledged < known.size) ways.progress()
}

/** Why an upload fails that comes to such an end. */
const codeOf = ({ _tag }: decision.Outcome): Code => {
  switch (_tag) {
    case "Gone":
      return "Expired"
    case "TooLarge":
      return "FileTooLarge"
    case "Denied":
      return "Denied"
    case "Refused":
    case "TooLong":
      return "Refused"
    default:
      return "Protocol"
  }
}

const failureOf = ({ name }: Course, code: Code, reply?: Reply): UploadFailure =>
  new UploadFailure(code, { name, status: reply?._tag === "Answered" ? reply.answer.status : undefined })

/** What is to be waited for. */
const whyOf = ({ course, reply }: Turn, { why }: decision.Wait): UploadFailure => {
  const { answered, location, ranged } = course
  switch (why) {
    case "NoProgress":
      return failureOf(course, !ranged && isForeign(location) ? "RangeHidden" : "NoProgress", reply)
    case "NotFinalized":
      return failureOf(course, "NotFinalized", reply)
    case "Failed":
      return failureOf(
        course,
        reply._tag === "Answered" ? "ServerFailed" : answered ? "Interrupted" : "Unreachable",
        reply
      )
  }
}

/** Whether it is for the server to say what of its answers the page may see. */
const isForeign = (location: string): boolean =>
  globalThis.location !== undefined && new URL(location).origin !== globalThis.location.origin

/** Chunks that were sent without a Range in sight, after which there is no hope to see one. */
const BLIND = 2

/** Waits after a failure that was counted, or gives up. */
const backOff = async (turn: Turn, counts: decision.Wait["counts"], failure: UploadFailure): Promise<void> => {
  const { course: { known }, reply, signal, ways } = turn
  const attempt = counts === "failure" ? known.failures : known.setbacks
  if (attempt > decision.BACKOFF.times || (failure.code === "RangeHidden" && attempt >= BLIND)) throw failure
  const headers = reply._tag === "Answered" ? reply.answer.headers : undefined
  const delay = decision.delayOf(attempt, headers, Math.random(), Date.now())
  signal.throwIfAborted()
  ways.waits(failure, attempt, delay)
  await sleep(delay, signal)
}

/** Begins anew, with a new session. */
const restart = async (turn: Turn): Promise<void> => {
  const { course, reply, ways } = turn
  ways.over()
  course.known = decision.setBack(course.known)
  await backOff(turn, "setback", failureOf(course, "Expired", reply))
  course.location = await ways.renew()
  course.known = decision.knownAnew(course.known, course.file.size)
  course.ask = "Probe"
  ways.keep()
  ways.restarted("Expired")
}
