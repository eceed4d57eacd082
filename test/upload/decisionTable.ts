/** The protocol as cases (upload-scenarios 3): what is known, what was answered, what comes next. For every uploader. */
import type { Answer, Ask, Known, Meaning, Outcome, Pace, Policy, Step } from "effect-panda/internal/upload/decision"
import { paceOf } from "effect-panda/internal/upload/decision"

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
  range("bytes  0-4", 5),
  range("BYTES=0-4", 5),
  range("bytes = 0 - 4", 5),
  range("bytes=0-4/100", 5),
  range("bytes 0-4/*", 5),
  range("0-4/*", 5),
  range("0-1572863/1800417", 1_572_864),
  range("bytes0-4", undefined),
  range("5-4", undefined),
  range("0-4/", undefined),
  range("0--1", undefined),
  range("bytes */100", undefined),
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
  ...each(
    [201],
    "Video",
    { text: VIDEO, headers: { location: "http://api.example/videos/v.json" } },
    " and a Location"
  ),
  ...[
    `{"id":7}`,
    `\uFEFF{"id":"v"}`,
    `{"id":"v","status":[],"duration":"N/A","created_at":"0000-00-00 00:00:00","width":{}}`,
    `{"id":"v","error":""}`,
    `{"id":"v","error":"odd"}`
  ].map((text): MeaningCase => ({ what: `200 with ${text}`, answer: { status: 200, text }, means: "Video" })),
  ...each([200, 201], "Doubtful", { text: PAGE }, " with a page"),
  ...each([200, 201], "Doubtful", { text: "" }, " with nothing"),
  ...["null", "[]", `[{"id":"v"}]`, `"v"`, "7", "{}", `{"id":null}`, `{"id":""}`, `{"id":{}}`].map((
    text
  ): MeaningCase => ({
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
  ...each([413], "TooLong", { text: PAGE }),
  ...each([413], "TooLong", { text: `{"message":"Request Too Long"}` }, " of a gateway"),
  ...each([413], "TooLarge", { text: `{"error":"FileSizeLimitExceeded"}` }, " with FileSizeLimitExceeded"),
  ...each([401, 402, 407, 423], "Denied", { text: PAGE }),
  ...each([400, 403, 405, 411, 415, 418, 422, 425, 431, 451], "Refused", { text: PAGE })
]

/** Where a session is after an answer: undefined if it stays. */
export interface LocationCase {
  readonly from: string
  /** The status of the answer, 204 where nothing is said. */
  readonly status?: number
  readonly text?: string
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
  ...[307, 500, 503].map((status): LocationCase => ({
    from: AT,
    status,
    location: "/u",
    moved: "http://vm-1.example/u"
  })),
  { from: AT, status: 307, location: "ftp://x/y", refused: true },
  // What says something else counts.
  ...[408, 409, 413, 416, 429, 500, 503].map((status): LocationCase => ({ from: AT, status, location: "ftp://x/y" })),
  // What ends the upload leads nowhere.
  ...[400, 401, 403, 404, 410, 422, 423].flatMap((status): ReadonlyArray<LocationCase> => [
    { from: AT, status, location: "/u" },
    { from: AT, status, location: "ftp://x/y" }
  ]),
  ...[200, 201].flatMap((status): ReadonlyArray<LocationCase> => [
    { from: AT, status, text: VIDEO, location: "/videos/v.json" },
    { from: "https://vm-1.example/u", status, text: VIDEO, location: "http://api.example/videos/v.json" }
  ]),
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

/** An answer that means this, of a session at that place. */
export const answerOf = (outcome: Meaning, at: string): Partial<Answer> & { readonly status: number } => {
  switch (outcome._tag) {
    case "Progress": {
      if (outcome.offset === 0) return { status: 204 }
      const size = outcome.size === undefined ? "" : `/${outcome.size}`
      return { status: 204, headers: { range: `0-${outcome.offset - 1}${size}` } }
    }
    case "Video":
      return { status: 200, text: VIDEO }
    case "Elsewhere":
      return { status: 300, headers: { location: at } }
    case "Later":
      return { status: 503 }
    case "Doubtful":
      return { status: 409 }
    case "Gone":
      return { status: 410 }
    case "TooLarge":
      return { status: 413, text: `{"error":"FileSizeLimitExceeded"}` }
    case "TooLong":
      return { status: 413 }
    case "Denied":
      return { status: 401 }
    case "Refused":
      return { status: 400 }
  }
}

const progress = (offset: number): Outcome => ({ _tag: "Progress", offset })
const fail = { _tag: "Fail" } as const
const send = { _tag: "Ask", ask: "Send" } as const
const probe = { _tag: "Ask", ask: "Probe" } as const
const wait = { _tag: "Wait", ask: "Probe", why: "Failed", counts: "failure" } as const
const broken: Outcome = { _tag: "Broken", timeout: false }

export const START: Known = {
  size: 100,
  acknowledged: 40,
  sent: 60,
  inherited: false,
  perhaps: 0,
  told: true,
  best: 40,
  failures: 0,
  record: 40,
  setbacks: 0,
  doubted: false,
  pace: { ...paceOf(30), under: 20, taken: 20 }
}

/** Of a session that another process has left at 40 bytes, before the server has said a word. */
const LEFT: Partial<Known> = { inherited: true, told: false, sent: 40, perhaps: 70 }

const kilo = (pace: Partial<Pace>): Pace => ({ ...paceOf(undefined), ...pace })
const KIB = 1024

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
    what: "less than before: a setback, from there",
    known: { failures: 2 },
    outcome: progress(0),
    step: { _tag: "Wait", ask: "Send", why: "NoProgress", counts: "setback" },
    after: { acknowledged: 0, best: 0, record: 40, setbacks: 1, failures: 2 }
  },
  {
    what: "less than before, asked: a setback too, so that all loops end",
    asked: "Probe",
    outcome: progress(10),
    step: { _tag: "Wait", ask: "Send", counts: "setback" },
    after: { best: 10, setbacks: 1 }
  },
  {
    what: "more than since a setback: failures are forgotten, the setback is not",
    known: { acknowledged: 0, best: 0, setbacks: 1, failures: 2 },
    outcome: progress(20),
    step: send,
    after: { best: 20, failures: 0, setbacks: 1 }
  },
  {
    what: "more than ever: setbacks are forgotten",
    known: { acknowledged: 30, best: 30, setbacks: 2 },
    outcome: progress(41),
    step: send,
    after: { record: 41, setbacks: 0 }
  },
  {
    what: "of a file of another size",
    outcome: { _tag: "Progress", offset: 60, size: 99 },
    step: { ...fail, over: false }
  },
  { what: "of a file of this size", outcome: { _tag: "Progress", offset: 60, size: 100 }, step: send },
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
  { what: "a redirect to nobody knows where", outcome: { _tag: "Hidden" }, step: wait, after: { doubted: true } },
  { what: "the same again", known: { doubted: true }, outcome: { _tag: "Hidden" }, step: { ...fail, over: false } },
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
  { what: "gone, when another process cannot have sent all", known: LEFT, outcome: { _tag: "Gone" }, step: fail },
  {
    what: "gone, when another process may have sent all",
    known: { ...LEFT, perhaps: 100 },
    outcome: { _tag: "Gone" },
    step: { _tag: "LookUp" }
  },
  {
    what: "what the server has told leaves no perhaps",
    known: { ...LEFT, perhaps: 100 },
    asked: "Probe",
    outcome: progress(50),
    step: send,
    after: { perhaps: 0, told: true }
  },
  { what: "too large", outcome: { _tag: "TooLarge" }, step: fail },
  { what: "too long, when as long a chunk was taken", outcome: { _tag: "TooLong" }, step: fail },
  { what: "too long, when asked", asked: "Probe", outcome: { _tag: "TooLong" }, step: fail },
  {
    what: "too long, when only shorter chunks were taken: half of it",
    known: { pace: kilo({ chunk: 4096 * KIB, under: 4096 * KIB, taken: 1024 * KIB }) },
    outcome: { _tag: "TooLong" },
    step: probe,
    after: { failures: 0, pace: kilo({ chunk: 2048 * KIB, limit: 2048 * KIB, under: 4096 * KIB, taken: 1024 * KIB }) }
  },
  {
    what: "too long, though it is the shortest",
    known: { pace: kilo({ chunk: 64 * KIB, under: 64 * KIB }) },
    outcome: { _tag: "TooLong" },
    step: fail
  },
  { what: "refused", outcome: { _tag: "Refused" }, step: { ...fail, over: false } },
  { what: "denied", outcome: { _tag: "Denied" }, step: { ...fail, over: false } },
  ...(["Refused", "TooLarge", "TooLong"] as const).map((_tag): StepCase => ({
    what: `${_tag}, of a session that never said a word: it is of no use`,
    known: LEFT,
    asked: "Probe",
    outcome: { _tag },
    step: { ...fail, over: true }
  })),
  {
    what: "denied, of a session that never said a word: it stays",
    known: LEFT,
    asked: "Probe",
    outcome: { _tag: "Denied" },
    step: { ...fail, over: false }
  }
]
