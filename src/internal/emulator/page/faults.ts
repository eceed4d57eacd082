/** The faults that can be armed from the page: what each needs, and what it is then. */
import type { Fault, Rule } from "../faults.js"

interface Kind {
  readonly does: string
  /** The number that it needs, if it needs one. */
  readonly number?: { readonly label: string; readonly otherwise: number; readonly most: number }
  readonly make: (number: number) => Fault
}

const bytes = { label: "bytes (below 1: of all)", otherwise: 0.5, most: 1e12 }
const seconds = { label: "seconds", otherwise: 3, most: 3600 }

export const kinds: Readonly<Record<string, Kind>> = {
  status: {
    does: "answers with a status",
    number: { label: "status", otherwise: 503, most: 599 },
    make: (status) => ({ _tag: "Status", status })
  },
  errorBody: {
    does: "answers 200 with an error in the body",
    make: () => ({ _tag: "ErrorBody", error: "InternalError", message: "armed on the page" })
  },
  malformed: { does: "answers 200 with what is not JSON", make: () => ({ _tag: "Malformed", text: "<html>" }) },
  empty: { does: "answers 200 with nothing", make: () => ({ _tag: "Empty" }) },
  delay: {
    does: "waits before",
    number: seconds,
    make: (seconds) => ({ _tag: "Delay", duration: `${seconds} seconds` })
  },
  delayAnswer: {
    does: "carries it out, and answers later",
    number: seconds,
    make: (seconds) => ({ _tag: "DelayAnswer", duration: `${seconds} seconds` })
  },
  stall: { does: "never answers", make: () => ({ _tag: "Stall" }) },
  stallReading: {
    does: "stops reading",
    number: bytes,
    make: (after) => ({ _tag: "StallReading", after })
  },
  refuse: { does: "refuses the connection", make: () => ({ _tag: "Refuse" }) },
  resetBefore: { does: "breaks the connection before", make: () => ({ _tag: "ResetBefore" }) },
  resetDuring: {
    does: "breaks it in the middle of the body",
    number: bytes,
    make: (after) => ({ _tag: "ResetDuring", after })
  },
  resetAfter: { does: "carries it out, and breaks it instead of answering", make: () => ({ _tag: "ResetAfter" }) },
  truncate: {
    does: "breaks it in the middle of the answer",
    number: { ...bytes, label: "bytes", otherwise: 10 },
    make: (after) => ({ _tag: "Truncate", after })
  },
  accept: {
    does: "stores only the first bytes of a chunk",
    number: { ...bytes, label: "bytes", otherwise: 1000 },
    make: (bytes) => ({ _tag: "Accept", bytes })
  },
  notFinalized: { does: "has all bytes, and makes no video", make: () => ({ _tag: "NotFinalized" }) },
  backendDown: { does: "the same, with a 502", make: () => ({ _tag: "NotFinalized", status: 502 }) },
  move: { does: "moves the upload session", make: () => ({ _tag: "Move" }) },
  expire: { does: "ends the upload session", make: () => ({ _tag: "Expire", status: 404 }) },
  noRange: { does: "claims that nothing is stored", make: () => ({ _tag: "NoRange" }) },
  lieRange: {
    does: "claims so many bytes",
    number: { ...bytes, label: "bytes", otherwise: 1000 },
    make: (to) => ({ _tag: "LieRange", to })
  },
  backwardRange: { does: "claims half of what was told before", make: () => ({ _tag: "BackwardRange" }) },
  forget: { does: "loses all bytes", make: () => ({ _tag: "Forget", to: 0 }) }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

const isCount = (value: unknown, least: number): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= least && value <= 1_000_000

/** A rule of what a form says, or why there is none. */
export const ruleOf = (form: unknown): Rule | string => {
  if (!isRecord(form)) return "The form cannot be read"
  const { fault, number, route, skip = 0, times = 1 } = form
  const kind = typeof fault === "string" && Object.hasOwn(kinds, fault) ? kinds[fault] : undefined
  if (kind === undefined) return "There is no such fault"
  if (typeof route !== "string" || route.length > 200) return "There is no such route"
  if (!isCount(times, 1) || !isCount(skip, 0)) return "How often and how late have to be whole numbers"
  const value = kind.number === undefined ? 0 : number ?? kind.number.otherwise
  if (typeof value !== "number" || !(value >= 0) || kind.number !== undefined && value > kind.number.most) {
    return `${kind.number?.label ?? "The number"} must be from 0 to ${kind.number?.most ?? 0}`
  }
  if (fault === "status" && !(Number.isInteger(value) && value >= 200)) return "status must be from 200 to 599"
  return { route, fault: kind.make(value), times, skip }
}
