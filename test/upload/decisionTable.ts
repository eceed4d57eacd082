/** The protocol as cases (upload-scenarios 3): what is known, what was answered, what comes next. For every uploader. */
import type { Answer, Ask, Known, Meaning, Outcome, Policy, Step } from "effect-panda/internal/upload/decision"

/** An answer of the upload server, and what it means. */
export interface MeaningCase {
  readonly what: string
  readonly answer: Partial<Answer>
  readonly means: Meaning["_tag"]
  readonly offset?: number
}

const VIDEO = `{"id":"v"}`
const PAGE = "<html><body>Welcome to the hotel</body></html>"

const each = (
  statuses: ReadonlyArray<number>,
  means: Meaning["_tag"],
  rest: Omit<Partial<Answer>, "status"> = {},
  what = ""
): ReadonlyArray<MeaningCase> =>
  statuses.map((status) => ({ what: `${status}${what}`, answer: { status, ...rest }, means }))

const range = (range: string, offset: number | undefined): MeaningCase => ({
  what: `Range: ${JSON.stringify(range)}`,
  answer: { status: 204, headers: { range } },
  ...(offset === undefined ? { means: "Doubtful" } : { means: "Progress", offset })
})

export const meanings: ReadonlyArray<MeaningCase> = [
  { what: "no Range", answer: { status: 204 }, means: "Progress", offset: 0 },
  range("0-4", 5),
  range("bytes=0-4", 5),
  range("bytes 0-4", 5),
  range("5-8", 9),
  range(" 0-4 ", 5),
  range("lots", undefined),
  range("", undefined),
  range("5-", undefined),
  range("-5", undefined),
  range("0-4, 6-9", undefined),
  range("x bytes=0-4", undefined),
  ...each([200, 201, 202], "Video", { text: VIDEO }, " with a video"),
  ...each([200, 201], "Doubtful", { text: PAGE }, " with a page"),
  ...each([200, 201], "Doubtful", { text: "" }, " with nothing"),
  ...["null", "[]", `[{"id":"v"}]`, `"v"`, "7", "{}", `{"id":null}`, `{"id":{}}`].map((text): MeaningCase => ({
    what: `200 with ${text}`,
    answer: { status: 200, text },
    means: "Doubtful"
  })),
  ...each([200], "Later", { text: `{"error":"InternalError","message":"down"}` }, " with InternalError"),
  ...each([200], "TooLarge", { text: `{"error":"FileSizeLimitExceeded"}` }, " with FileSizeLimitExceeded"),
  ...each([200, 204], "Refused", { text: `{"error":"BadRequest"}` }, " with an error"),
  ...each([300, 301, 302, 303, 307, 308], "Elsewhere", { headers: { location: "/there" } }, " with a Location"),
  ...each([300, 302, 304, 307], "Doubtful", {}, " without a Location"),
  ...each([404, 410], "Gone", { text: PAGE }),
  ...each([408, 429, 500, 501, 502, 503, 504, 507, 599], "Later", { text: PAGE }),
  ...each([409, 416], "Doubtful"),
  ...each([413], "TooLarge", { text: PAGE }),
  ...each([400, 401, 402, 403, 405, 411, 415, 418, 422, 423, 425, 431, 451], "Refused", { text: PAGE })
]

/** Where a session is after an answer: undefined if it stays. */
export interface LocationCase {
  readonly from: string
  readonly location: string | undefined
  readonly moved?: string
  readonly refused?: true
}

const AT = "http://vm-1.example/upload/session?id=1"

export const locations: ReadonlyArray<LocationCase> = [
  { from: AT, location: undefined },
  { from: AT, location: AT },
  { from: AT, location: "http://vm-2.example/upload/session?id=2", moved: "http://vm-2.example/upload/session?id=2" },
  { from: AT, location: "https://vm-1.example/u?id=1", moved: "https://vm-1.example/u?id=1" },
  { from: AT, location: "/u?id=2", moved: "http://vm-1.example/u?id=2" },
  { from: AT, location: "?id=2", moved: "http://vm-1.example/upload/session?id=2" },
  { from: AT, location: "//vm-3.example/u", moved: "http://vm-3.example/u" },
  { from: AT, location: "HTTP://VM-2.example/u", moved: "http://vm-2.example/u" },
  { from: "https://vm-1.example/u", location: "http://vm-1.example/u", refused: true },
  ...["http://[", "ftp://x/y", "file:///etc/passwd", "data:text/plain,x", "javascript:alert(1)", "http://a:b@x/"].map((
    location
  ): LocationCase => ({ from: AT, location, refused: true }))
]

/** One turn of an upload of 100 bytes, of which 40 are acknowledged and 60 sent where nothing else is said. */
export interface StepCase {
  readonly what: string
  readonly known?: Partial<Known>
  readonly asked?: Ask
  readonly outcome: Outcome
  readonly policy?: Policy
  readonly step: Partial<Step> & { readonly _tag: Step["_tag"] }
  /** What is known then, as far as it matters. */
  readonly after?: Partial<Known>
}

const progress = (offset: number): Outcome => ({ _tag: "Progress", offset })
const fail = { _tag: "Fail" } as const
const send = { _tag: "Ask", ask: "Send" } as const
const probe = { _tag: "Ask", ask: "Probe" } as const
const wait = { _tag: "Wait", ask: "Probe", why: "Failed" } as const
const broken: Outcome = { _tag: "Broken", timeout: false }

export const START: Known = {
  size: 100,
  acknowledged: 40,
  sent: 60,
  inherited: false,
  best: 40,
  failures: 0,
  doubted: false
}

export const steps: ReadonlyArray<StepCase> = [
  { what: "more is there: on", outcome: progress(60), step: send, after: { acknowledged: 60, best: 60 } },
  {
    what: "more than ever: failures and doubts are forgotten",
    known: { failures: 3, doubted: true },
    outcome: progress(41),
    step: send,
    after: { failures: 0, doubted: false }
  },
  {
    what: "more, but not more than ever: failures still count",
    known: { failures: 3, acknowledged: 10 },
    outcome: progress(40),
    step: send,
    after: { failures: 3, acknowledged: 40 }
  },
  {
    what: "no more than before: a failure",
    outcome: progress(40),
    step: { _tag: "Wait", ask: "Send", why: "NoProgress" },
    after: { failures: 1 }
  },
  {
    what: "less than before: a failure, from there",
    outcome: progress(0),
    step: { _tag: "Wait", ask: "Send", why: "NoProgress" },
    after: { acknowledged: 0, best: 40, failures: 1 }
  },
  {
    what: "no more than before, asked: that was counted already",
    asked: "Probe",
    known: { failures: 1 },
    outcome: progress(40),
    step: send,
    after: { failures: 1 }
  },
  {
    what: "all is there, but no video: the last byte is sent again",
    known: { acknowledged: 100, sent: 100 },
    outcome: progress(100),
    step: { _tag: "Wait", ask: "Send", why: "NotFinalized" }
  },
  { what: "more than was sent", outcome: progress(61), step: fail },
  {
    what: "more than was sent, but another process may have sent it",
    known: { inherited: true },
    outcome: progress(100),
    step: send,
    after: { acknowledged: 100, sent: 100 }
  },
  { what: "more than there is", known: { inherited: true }, outcome: progress(101), step: fail },
  {
    what: "a video, all was sent",
    known: { sent: 100 },
    outcome: { _tag: "Video" },
    step: { _tag: "Done" },
    after: { acknowledged: 100 }
  },
  { what: "a video, not all was sent", outcome: { _tag: "Video" }, step: fail },
  {
    what: "a video, of what another process began",
    known: { inherited: true },
    outcome: { _tag: "Video" },
    step: { _tag: "Done" }
  },
  { what: "the server fails", outcome: { _tag: "Later" }, step: wait, after: { failures: 1 } },
  { what: "the server fails when asked", asked: "Probe", outcome: { _tag: "Later" }, step: wait },
  { what: "no whole answer", outcome: broken, step: wait, after: { failures: 1 } },
  { what: "no answer in time", outcome: { _tag: "Broken", timeout: true }, step: wait },
  {
    what: "elsewhere",
    outcome: { _tag: "Elsewhere" },
    step: { _tag: "Wait", ask: "Probe", why: "NoProgress" },
    after: { failures: 1 }
  },
  { what: "a contradiction", outcome: { _tag: "Doubtful" }, step: probe, after: { doubted: true, failures: 0 } },
  { what: "a second contradiction", known: { doubted: true }, outcome: { _tag: "Doubtful" }, step: fail },
  { what: "gone", outcome: { _tag: "Gone" }, step: fail },
  {
    what: "gone, to be replaced",
    outcome: { _tag: "Gone" },
    policy: { onExpired: "restart" },
    step: { _tag: "Restart" }
  },
  { what: "gone, when all was sent", known: { sent: 100 }, outcome: { _tag: "Gone" }, step: { _tag: "LookUp" } },
  { what: "too large", outcome: { _tag: "TooLarge" }, step: fail },
  { what: "refused", outcome: { _tag: "Refused" }, step: fail }
]
