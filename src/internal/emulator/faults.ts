/**
 * What each fault does to an exchange, and when a rule fires.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type Answer, answered, broken, json, type Outcome, text } from "./exchange.js"
import { makeRecord } from "./record.js"
import { match, overlap } from "./routes.js"
import { expire, path, rangeTo, type Session } from "./sessions.js"

/** The constructors in `PandaEmulator.Fault` say what each of them means. */
export type Fault =
  | {
    readonly _tag: "Status"
    readonly status: number
    readonly body?: string
    readonly error?: string
    readonly message?: string
    readonly headers?: Readonly<Record<string, string>>
    readonly retryAfter?: number | string
    readonly early?: boolean
    readonly carriedOut?: boolean
  }
  | { readonly _tag: "ErrorBody"; readonly error: string; readonly message: string; readonly carriedOut?: boolean }
  | { readonly _tag: "Malformed"; readonly text: string; readonly carriedOut?: boolean }
  | { readonly _tag: "Empty"; readonly carriedOut?: boolean }
  | { readonly _tag: "Stall"; readonly carriedOut?: boolean }
  | { readonly _tag: "StallReading"; readonly after: number }
  | { readonly _tag: "Delay"; readonly duration: Duration.DurationInput }
  | { readonly _tag: "DelayAnswer"; readonly duration: Duration.DurationInput }
  | { readonly _tag: "Refuse" }
  | { readonly _tag: "ResetBefore" }
  | { readonly _tag: "ResetDuring"; readonly after: number }
  | { readonly _tag: "ResetAfter" }
  | { readonly _tag: "Truncate"; readonly after: number }
  | { readonly _tag: "Accept"; readonly bytes: number }
  | { readonly _tag: "NotFinalized"; readonly status?: number }
  | { readonly _tag: "Move"; readonly status?: number; readonly relative?: boolean; readonly origin?: string }
  | { readonly _tag: "Expire"; readonly status: 404 | 410 }
  | { readonly _tag: "NoRange" }
  | { readonly _tag: "LieRange"; readonly to: number }
  | { readonly _tag: "BackwardRange" }
  | { readonly _tag: "Forget"; readonly to: number }

export interface Rule {
  readonly route: string
  readonly fault: Fault
  readonly times?: number | undefined
  readonly skip?: number | undefined
}

/** What a fault may look at and change. */
export interface Faulty {
  readonly method: string
  /** As in `Rule.route`: the pattern of an endpoint, or a word for an upload exchange. */
  readonly route: string
  readonly path: string
  /** Bytes announced for the body. */
  readonly length: number
  readonly session: Session | undefined
  /** Whether it can bring an upload to its end. */
  readonly completes: boolean
  readonly move: (options: { readonly relative: boolean; readonly origin: string | undefined }) => string
  readonly forget: (size: number) => void
}

/** How an exchange is played. */
export interface Script {
  /** Bytes of the body that are read. */
  readonly read: number
  /** Bytes of a chunk that are stored. */
  readonly keep: number
  /** Whether it is carried out, after the reading. */
  readonly act: boolean
  /** Whether a video is made when all bytes are there. */
  readonly finish: boolean
  /** What the client gets. `own` is what an undisturbed server would answer, if it is carried out. */
  readonly outcome: (own: Answer) => Effect.Effect<Outcome>
}

const undisturbed: Script = {
  read: Infinity,
  keep: Infinity,
  act: true,
  finish: true,
  outcome: (own) => Effect.succeed(answered(own))
}

const always = (outcome: Outcome): Script["outcome"] => () => Effect.succeed(outcome)

const never: Script["outcome"] = () => Effect.never

const changed = (change: (own: Answer) => Answer): Script["outcome"] => (own) => Effect.succeed(answered(change(own)))

/** The answer is this one; whether the request is carried out is the fault's choice. */
const instead = (answer: Answer, carriedOut: boolean | undefined): Script => ({
  ...undisturbed,
  keep: carriedOut === true ? Infinity : 0,
  act: carriedOut === true,
  outcome: always(answered(answer))
})

/** Only progress is lied about: a refusal, or a video, stays what it is. */
const claims = (size: number): Script => ({
  ...undisturbed,
  outcome: changed((own) => {
    if (own.status !== 204) return own
    const { range: _, ...headers } = own.headers
    return { ...own, headers: { ...headers, ...rangeTo(size) } }
  })
})

const cut = (bytes: number): Script => ({ ...undisturbed, read: bytes, act: false, outcome: always(broken()) })

const bytesOf = (after: number, length: number): number => after < 1 ? Math.floor(after * length) : after

type Scripts = {
  readonly [Tag in Exclude<Fault["_tag"], "Delay">]: (
    fault: Extract<Fault, { readonly _tag: Tag }>,
    exchange: Faulty
  ) => Script
}

const scripts: Scripts = {
  Refuse: () => ({ ...cut(0), outcome: always(broken("refused")) }),
  // A small API request has arrived before anything breaks, so that it can be inspected.
  ResetBefore: (_, { session }) => ({ ...cut(session === undefined ? Infinity : 0), keep: 0 }),
  ResetDuring: ({ after }, { length }) => cut(bytesOf(after, length)),
  ResetAfter: () => ({ ...undisturbed, outcome: always(broken()) }),
  Truncate: ({ after }) => ({
    ...undisturbed,
    outcome: (answer) =>
      Effect.succeed(
        answer.body === ""
          ? broken()
          : after < new TextEncoder().encode(answer.body).length
          ? { _tag: "Truncated", answer, after }
          : answered(answer)
      )
  }),
  DelayAnswer: ({ duration }) => ({
    ...undisturbed,
    outcome: (own) => Effect.delay(Effect.succeed(answered(own)), duration)
  }),
  Status: ({ body, carriedOut, early, error, headers, message, retryAfter, status }) => ({
    ...instead(
      text(
        status,
        body ?? (error === undefined && message === undefined ? "" : JSON.stringify({ error, message })),
        { ...(retryAfter === undefined ? {} : { "retry-after": String(retryAfter) }), ...headers }
      ),
      carriedOut
    ),
    ...(early === true ? { read: 0 } : {})
  }),
  ErrorBody: ({ carriedOut, error, message }) => instead(json(200, { error, message }), carriedOut),
  Malformed: ({ carriedOut, text: body }) => instead(text(200, body, { "content-type": "text/html" }), carriedOut),
  Empty: ({ carriedOut }) => instead(text(200, ""), carriedOut),
  Stall: ({ carriedOut }) => ({ ...undisturbed, act: carriedOut === true, outcome: never }),
  StallReading: ({ after }, { length }) => ({ ...cut(bytesOf(after, length)), outcome: never }),
  Accept: ({ bytes }) => ({ ...undisturbed, keep: bytes }),
  NotFinalized: ({ status }) => ({
    ...undisturbed,
    finish: false,
    outcome: changed((own) => own.status === 204 && status !== undefined ? text(status, "") : own)
  }),
  Move: ({ origin, relative, status }, { move }) => {
    const moved = (own: Answer): Answer => ({
      ...own,
      headers: { ...own.headers, location: move({ relative: relative === true, origin }) }
    })
    return status === undefined
      ? { ...undisturbed, outcome: changed(moved) }
      : { ...instead(text(status, ""), false), outcome: changed(() => moved(text(status, ""))) }
  },
  Expire: ({ status }, { session }) => {
    if (session !== undefined) expire(session, status)
    return undisturbed
  },
  NoRange: () => claims(0),
  LieRange: ({ to }) => claims(to),
  BackwardRange: (_, { session }) => claims(Math.floor((session?.acknowledged ?? 0) / 2)),
  Forget: ({ to }, { forget }) => {
    forget(to)
    return undisturbed
  }
}

/** Faults that only make sense on a location, or on what ends an upload, wait for one. */
const applies = (fault: Fault, exchange: Faulty): boolean => {
  switch (fault._tag) {
    case "NotFinalized":
      return exchange.completes
    case "Accept":
      return exchange.route === "chunk"
    case "Move":
    case "Expire":
    case "NoRange":
    case "LieRange":
    case "BackwardRange":
    case "Forget":
      return exchange.session !== undefined
    default:
      return true
  }
}

const words: ReadonlyArray<string> = ["create", "chunk", "probe", "multipart", "abort", "preflight", "unknown"]

/** Why a rule can never fire, if its route is no request's. */
export const neverFires = ({ fault, route }: Rule, endpoints: ReadonlyArray<string>): string | undefined =>
  route === "*" || words.includes(route) ||
    [...endpoints, ...["PUT", "POST", "DELETE", "OPTIONS"].map((method) => `${method} ${path}`)]
      .some((endpoint) => overlap(route, endpoint))
    ? undefined
    : `The rule for Fault.${fault._tag} on "${route}" can never fire: no request has that route. Give "*", one of ` +
      `${words.join(", ")}, or the method and path of an endpoint, such as "GET /videos/:id.json"`

interface Entry {
  readonly rule: Rule
  times: number
  skip: number
  fired: number
}

export const makeScripting = (recorded: number) => {
  let rules: ReadonlyArray<Entry> = []
  const all = makeRecord<Entry>(recorded)

  const fires = (entry: Entry, exchange: Faulty): boolean => {
    const { fault, route } = entry.rule
    const matches = route === "*" || route === exchange.route || match(route, exchange.method, exchange.path)
    if (entry.times <= 0 || !matches || !applies(fault, exchange)) return false
    if (entry.skip > 0) {
      entry.skip--
      return false
    }
    entry.times--
    entry.fired++
    return true
  }

  return {
    inject(rule: Rule): void {
      const entry = { rule, times: rule.times ?? 1, skip: rule.skip ?? 0, fired: 0 }
      rules = [...rules.filter(({ times }) => times > 0), entry]
      all.add(entry)
    },
    /** What has not happened yet does not happen any more. */
    disarm(): void {
      for (const entry of rules) entry.times = 0
      rules = []
    },
    rules: () => all.last().map(({ fired, rule }) => ({ ...rule, fired })),
    /** The first rule that fires decides; delays are waited for on the way to it. */
    next: (exchange: Faulty, onFault: (fault: Fault) => void): Effect.Effect<Script> =>
      Effect.gen(function*() {
        for (const entry of rules) {
          if (!fires(entry, exchange)) continue
          const { fault } = entry.rule
          onFault(fault)
          if (fault._tag !== "Delay") return play(fault, exchange)
          yield* Effect.sleep(fault.duration)
        }
        return undisturbed
      })
  }
}

/** The table is indexed by the tag of the very fault it is given; the compiler cannot see that. */
const play = (fault: Exclude<Fault, { readonly _tag: "Delay" }>, exchange: Faulty): Script =>
  (scripts[fault._tag] as (fault: Fault, exchange: Faulty) => Script)(fault, exchange)
