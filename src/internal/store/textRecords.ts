/**
 * Records and their locks in a backend that knows only texts under keys.
 *
 * A lock is a text that names its owner. The owner shows that it is alive in a second text, under its own name: so it
 * writes nothing that could be another's by then. Whoever wants the lock watches both; once they have not changed for a
 * lease of the watcher's own time, on a clock that cannot step, it may follow the owner. Of all who find it dead one
 * may, whoever is the first to make a third text under the dead one's name. No clock of another host is looked at.
 *
 * What such a backend cannot do is to write under a condition: between the look at the lock and the write that relies on
 * it lies one step, in which a process may sleep for longer than the lease.
 */
import type { PlatformError } from "@effect/platform/Error"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as json from "../model/json.js"
import type { Contender, Holder, Records } from "./records.js"

interface Texts {
  readonly get: (key: string) => Effect.Effect<Option.Option<string>, PlatformError>
  readonly set: (key: string, value: string) => Effect.Effect<void, PlatformError>
  readonly create: (key: string, value: string) => Effect.Effect<boolean, PlatformError>
  readonly remove: (key: string) => Effect.Effect<void, PlatformError>
  readonly keys: Effect.Effect<ReadonlyArray<string>, PlatformError>
}

const STATE = ".json"
const ASIDE = ".unreadable"
const LOCK = ".lock"
const NEW = ".new"

const Owner = Schema.String.pipe(Schema.pattern(/^[\w-]{1,64}$/))
const Millis = Schema.Number.pipe(Schema.filter(Number.isFinite))

/** The times are for `sweep` alone. Version 0.1 wrote `until` instead. */
const Claim = json.parsed(Schema.Struct({
  owner: Owner,
  lease: Schema.optional(Millis),
  since: Schema.optional(Millis),
  until: Schema.optional(Millis)
}))
const Pulse = json.parsed(Schema.Struct({ beat: Schema.Number, at: Millis }))

const decodeClaim = Schema.decodeOption(Claim)
const decodePulse = Schema.decodeOption(Pulse)

/** Far more than anybody waits for, and far less than a number that went wrong. */
const LONGEST = 24 * 60 * 60 * 1000

interface Seen extends Holder {
  /** By the clock of the host it is on: when it was taken, and when its owner was last heard of. */
  readonly since: number
  readonly heard: number
}

export const make = (texts: Texts): Records<PlatformError> => {
  /** Whoever made a lock just now may not have written its name yet. */
  const see = (file: string): Effect.Effect<Option.Option<Seen>, PlatformError> =>
    Effect.gen(function*() {
      const text = yield* texts.get(file)
      if (Option.isNone(text)) return Option.none()
      const { lease = 0, owner = "", since, until = 0 } = Option.getOrElse(
        decodeClaim(text.value),
        (): Partial<typeof Claim.Type> => ({})
      )
      const pulse = owner === "" ? Option.none() : yield* texts.get(pulseOf(file, owner))
      const heard = Option.flatMap(pulse, decodePulse).pipe(
        Option.match({ onNone: () => since, onSome: ({ at }) => at })
      )
      return Option.some({
        owner,
        sign: JSON.stringify([text.value, Option.getOrNull(pulse)]),
        lease: Duration.millis(Math.min(Math.max(lease, 0), LONGEST)),
        since: since ?? until,
        heard: heard ?? until
      })
    })

  const holds = (key: string, owner: string | undefined): Effect.Effect<boolean, PlatformError> =>
    owner === undefined
      ? Effect.succeed(true)
      : Effect.map(texts.get(key + LOCK), (text) =>
        Option.exists(Option.flatMap(text, decodeClaim), (claim) => claim.owner === owner))

  const removeAll = (is: (key: string) => boolean) =>
    Effect.flatMap(texts.keys, (keys) => Effect.forEach(keys.filter(is), texts.remove, { discard: true }))

  /** Its owner was heard of in the last lease, by the wall clock: a reason to spare a lock, and never one to take it. */
  const spared = ({ heard, lease }: Seen, now: number) => heard + Duration.toMillis(lease) > now

  const contend = (key: string, owner: string, lease: Duration.Duration): Contender<PlatformError> => {
    const lock = key + LOCK
    /** What was seen, and since when on our own clock. */
    const watched = new Map<string, { readonly sign: string; readonly since: bigint }>()
    let beat = 0
    let wants: string | undefined

    const claimText = Effect.flatMap(
      Clock.currentTimeMillis,
      (since) => Effect.orDie(Schema.encode(Claim)({ owner, lease: Duration.toMillis(lease), since }))
    )

    /** A look at who has it, and whether that one is dead. Who died while it followed another is watched all along. */
    const watch = (file: string): Effect.Effect<Option.Option<Seen & { readonly dead: boolean }>, PlatformError> =>
      Effect.gen(function*() {
        const before = yield* Clock.currentTimeNanos
        const seen = yield* see(file)
        if (Option.isNone(seen)) {
          watched.delete(file)
          return Option.none()
        }
        const { lease: theirs, owner, sign } = seen.value
        const known = watched.get(file)
        if (known?.sign !== sign) watched.set(file, { sign, since: yield* Clock.currentTimeNanos })
        yield* watch(heirOf(file, owner))
        const enough = Duration.unsafeToNanos(Duration.max(lease, theirs))
        return Option.some({ ...seen.value, dead: known?.sign === sign && before - known.since >= enough })
      })

    const claim = (file: string): Effect.Effect<Option.Option<Holder>, PlatformError> =>
      Effect.gen(function*() {
        if (yield* texts.create(file, yield* claimText)) return Option.none()
        const seen = yield* watch(file)
        if (Option.isNone(seen)) return Option.some({ owner: "", sign: "", lease })
        if (!seen.value.dead) return seen
        const heir = heirOf(file, seen.value.owner)
        if (Option.isSome(yield* claim(heir))) return seen
        // By now another may have followed it, or it has come back.
        const vacant = Option.exists(yield* see(file), ({ sign }) => sign === seen.value.sign)
        if (vacant) yield* texts.set(file, yield* claimText)
        yield* texts.remove(heir)
        if (!vacant) return seen
        yield* removeAll((key) => `${key}.`.startsWith(`${pulseOf(file, seen.value.owner)}.`))
        return Option.none()
      })

    const want = (of: string | undefined) =>
      Effect.gen(function*() {
        if (wants === of) return
        if (wants !== undefined) yield* texts.remove(wishOf(lock, wants, owner))
        wants = of
        if (of !== undefined) yield* texts.set(wishOf(lock, of, owner), "")
      })

    return {
      attempt: Effect.tap(claim(lock), (held) => want(Option.getOrUndefined(held)?.owner)),
      renew: Effect.gen(function*() {
        const at = yield* Clock.currentTimeMillis
        yield* texts.set(pulseOf(lock, owner), yield* Effect.orDie(Schema.encode(Pulse)({ beat: ++beat, at })))
        const ours = yield* holds(key, owner)
        if (!ours) yield* texts.remove(pulseOf(lock, owner))
        return ours
      }),
      holds: holds(key, owner),
      wanted: Effect.map(texts.keys, (keys) => keys.some((key) => key.startsWith(`${lock}.`) && key.endsWith(WISH))),
      leave: Effect.gen(function*() {
        yield* want(undefined)
        if (yield* holds(key, owner)) yield* texts.remove(lock)
        if (beat > 0) yield* texts.remove(pulseOf(lock, owner))
      })
    }
  }

  return {
    contend,
    read: (key) => texts.get(key + STATE),
    write: (key, text, owner) =>
      Effect.tap(holds(key, owner), (ours) => ours ? texts.set(key + STATE, text) : Effect.void),
    remove: (key, owner) => Effect.tap(holds(key, owner), (ours) => ours ? texts.remove(key + STATE) : Effect.void),
    setAside: (key, note) => Effect.zipRight(texts.set(key + ASIDE, note), texts.remove(key + STATE)),
    forget: (key) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        if (Option.exists(yield* see(key + LOCK), (seen) => spared(seen, now))) return false
        yield* texts.remove(key + STATE)
        yield* removeAll((other) => other === key + ASIDE || `${other}.`.startsWith(`${key}${LOCK}.`))
        return true
      }),
    sweep: (before) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const limit = DateTime.toEpochMillis(before)
        const keys = yield* texts.keys
        yield* Effect.forEach(
          keys.filter((key) => key.endsWith(LOCK)),
          (lock) =>
            Effect.gen(function*() {
              const seen = yield* see(lock)
              if (Option.exists(seen, (seen) => seen.since >= limit || spared(seen, now))) return
              yield* texts.remove(lock)
            }),
          { discard: true }
        )
        const left = new Set(yield* texts.keys)
        yield* removeAll((key) => {
          const lock = /^(.*[.]lock)[.][^/]*$/.exec(key)?.[1]
          return key.endsWith(ASIDE) || (lock !== undefined && !left.has(lock)) ||
            (key.endsWith(NEW) && Number(/[.](\d+)-[^.]*[.]new$/.exec(key)?.[1] ?? 0) <= limit)
        })
      }),
    keys: Effect.map(
      texts.keys,
      (keys) => keys.filter((key) => key.endsWith(STATE)).map((key) => key.slice(0, -STATE.length))
    )
  }
}

const WISH = ".wish"

const pulseOf = (lock: string, owner: string) => `${lock}.${owner}`
const heirOf = (lock: string, owner: string) => `${lock}.${owner}.heir`
const wishOf = (lock: string, owner: string, by: string) => `${lock}.${owner}.${by}${WISH}`
