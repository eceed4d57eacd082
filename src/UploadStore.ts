/**
 * Where unfinished uploads sleep: `Upload.startOrResume` keeps their states here, and finds them again by the source.
 *
 * A store that fails does not stop an upload: it is reported in the log, and the upload goes on without. For a database
 * that is away `SqlUploadStore` waits.
 *
 * Of all who want the same upload one has its lock. Who has it shows every third of the `lease` that it is alive; who
 * was not heard of for a whole one is taken for dead, and another may follow. Whoever was taken for dead and comes back
 * stops with `PandaUploadLocked` before its next request, and writes nothing. What each backend can promise of that:
 *
 * - `SqlUploadStore.layer`: all of it. Each step is one statement, on the database's clock.
 * - `layerFileSystem`: all of it, unless a process stands still for a whole lease between two steps that belong
 *   together, the look at the lock and the write; then that one write may still come. Locks are files that only one can
 *   create; no two hosts' clocks are compared, so a directory may be shared.
 * - `layer`: the same within a process. A `KeyValueStore` cannot write only what is not there yet, so two processes that
 *   begin in the same moment may both be let in; both notice with the next request, and one stops.
 *
 * @since 0.1.0
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import { sha256 } from "@noble/hashes/sha2.js"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as json from "./internal/model/json.js"
import type { Contender, Holder, Records } from "./internal/store/records.js"
import * as textRecords from "./internal/store/textRecords.js"
import type { Auth } from "./Credentials.js"
import { PandaUploadLocked } from "./PandaError.js"
import * as UploadState from "./UploadState.js"

export {
  /**
   * Somebody who wants a lock, gets it, keeps it, and gives it back.
   *
   * @since 0.2.0
   * @category models
   */
  type Contender,
  /**
   * What can be seen of who has a lock.
   *
   * @since 0.2.0
   * @category models
   */
  type Holder,
  /**
   * Texts under keys, each with a lock. Every function is one step as far as the backend can do it in one.
   *
   * @since 0.2.0
   * @category models
   */
  type Records
}

/**
 * The store of unfinished uploads; `Upload.startOrResume` needs it.
 *
 * @since 0.1.0
 * @category tags
 */
export class UploadStore extends Context.Tag("effect-panda/UploadStore")<UploadStore, UploadStore.Service>() {}

/**
 * Holds the type of the service.
 *
 * @since 0.1.0
 * @category models
 */
export declare namespace UploadStore {
  /**
   * What a store does. `keyOf` makes the keys. Who passes a lock writes only for as long as it has that, and fails
   * afterwards; without one it writes in any case.
   *
   * @since 0.1.0
   * @category models
   */
  export interface Service {
    /**
     * The state under a key. One that cannot be read is reported, set aside without its content, and none; one that a
     * newer version of this library wrote is left alone.
     */
    readonly get: (key: string) => Effect.Effect<Option.Option<UploadState.UploadState>, PandaUploadLocked>
    readonly set: (key: string, state: UploadState.UploadState, lock?: Lock) => Effect.Effect<void, PandaUploadLocked>
    readonly remove: (key: string, lock?: Lock) => Effect.Effect<void, PandaUploadLocked>
    /** All states that can be read. */
    readonly list: Effect.Effect<ReadonlyArray<Entry>>
    /**
     * Removes what began longer ago and nobody is at, what is finished and was kept for long enough, and what the dead
     * left behind. Tells how many states. The sessions themselves are Panda's to end.
     */
    readonly prune: (olderThan: Duration.DurationInput) => Effect.Effect<number>
    /**
     * Keeps others from the key for as long as the scope is open. Waits for as long as whoever has it may be dead; fails
     * as soon as that one shows that it is not. `waiting` runs if there is somebody to wait for.
     */
    readonly lock: (
      key: string,
      name: string,
      waiting?: Effect.Effect<void>
    ) => Effect.Effect<Lock, PandaUploadLocked, Scope.Scope>
  }
}

/**
 * A lock that was had; whether it still is, only a look can tell.
 *
 * @since 0.2.0
 * @category models
 */
export interface Lock {
  /** A name that nobody else has; undefined where the store failed, and the upload goes on without a lock. */
  readonly owner: string | undefined
  /** Looks, and fails if it was lost. */
  readonly check: Effect.Effect<void, PandaUploadLocked>
  /** Fails as soon as it is known that it was lost. */
  readonly lost: Effect.Effect<never, PandaUploadLocked>
  /** Says that it was lost. */
  readonly lose: Effect.Effect<never, PandaUploadLocked>
  /** Whether others wait for it. */
  readonly wanted: Effect.Effect<boolean>
}

/**
 * An upload under its key: unfinished, or finished and kept.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  readonly key: string
  readonly state: UploadState.UploadState
}

/**
 * How a store keeps processes apart.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * How long a process that died keeps others from its uploads; 15 seconds by default, one second at least and a day
   * at most, whatever is asked for. Who waits takes the longer one of its own and the holder's.
   */
  readonly lease?: Duration.DurationInput | undefined
}

/**
 * What a store can be made of: text under keys, which can be listed. `create` writes only if there is nothing yet, and
 * tells whether it did; a backend that cannot do this in one step does its best.
 *
 * @since 0.1.0
 * @category models
 */
export interface Backend {
  readonly get: (key: string) => Effect.Effect<Option.Option<string>, PlatformError>
  readonly set: (key: string, value: string) => Effect.Effect<void, PlatformError>
  readonly create: (key: string, value: string) => Effect.Effect<boolean, PlatformError>
  readonly remove: (key: string) => Effect.Effect<void, PlatformError>
  readonly keys: Effect.Effect<ReadonlyArray<string>, PlatformError>
}

/**
 * A store over a backend of your own that keeps texts under keys.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (backend: Backend, options?: Options): UploadStore.Service =>
  fromRecords(textRecords.make(backend), options)

/** Neither so short that keeping it is all a process does, nor so long that the dead are never followed. */
const leaseOf = ({ lease = "15 seconds" }: Options): Duration.Duration =>
  Duration.clamp(Duration.decode(lease), { minimum: "1 second", maximum: "1 day" })

const operation = "Upload.startOrResume"

/** What is known of a state that a newer version of this library wrote. */
const Newer = json.parsed(Schema.Struct({
  version: Schema.Int.pipe(Schema.greaterThan(1)),
  name: Schema.optional(Schema.Unknown)
}))

/**
 * A store over a backend of your own that knows locks, such as a table of a database.
 *
 * @since 0.2.0
 * @category constructors
 */
export const fromRecords = <E extends { readonly message: string }>(
  records: Records<E>,
  options: Options = {}
): UploadStore.Service => {
  const lease = leaseOf(options)

  const degraded = <A>(what: string, instead: A) => <R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, never, R> =>
    Effect.catchAll(
      effect,
      (error) =>
        Effect.as(
          Effect.logWarning(`UploadStore: could not ${what}; the upload goes on without`, error.message),
          instead
        )
    )

  /** What is under a key; of what cannot be read not even a part is kept, since a part may hold the location. */
  const read = (key: string) =>
    Effect.gen(function*() {
      const text = yield* degraded("read a state", Option.none<string>())(records.read(key))
      if (Option.isNone(text)) return undefined
      const state = Schema.decodeEither(UploadState.Json)(text.value)
      if (state._tag === "Right") return state.right
      const newer = Schema.decodeOption(Newer)(text.value)
      if (Option.isSome(newer)) {
        const { name } = newer.value
        return new PandaUploadLocked({ operation, file: typeof name === "string" ? name : key, reason: "Newer" })
      }
      yield* Effect.logWarning(`UploadStore: ${key} cannot be read and is set aside as ${key}.unreadable`)
      const problem = state.left.message
      const note = JSON.stringify({
        problem,
        length: text.value.length,
        at: yield* Effect.map(DateTime.now, DateTime.formatIso)
      })
      yield* degraded<void>("set a state aside", undefined)(records.setAside(key, note))
      return undefined
    })

  const get: UploadStore.Service["get"] = (key) =>
    Effect.flatMap(
      read(key),
      (found) => found instanceof PandaUploadLocked ? Effect.fail(found) : Effect.succeed(Option.fromNullable(found))
    )

  /** A write that is refused tells that the lock was lost. */
  const writing = (what: string, lock: Lock | undefined, write: Effect.Effect<boolean, E>) =>
    Effect.flatMap(degraded(what, true)(write), (written) => written || lock === undefined ? Effect.void : lock.lose)

  const set: UploadStore.Service["set"] = (key, state, lock) =>
    Effect.flatMap(
      Effect.orDie(Schema.encode(UploadState.Json)(state)),
      (text) => writing("save a state", lock, records.write(key, text, lock?.owner))
    )

  const remove: UploadStore.Service["remove"] = (key, lock) =>
    writing("remove a state", lock, records.remove(key, lock?.owner))

  const list: UploadStore.Service["list"] = Effect.gen(function*() {
    const keys = yield* degraded("list the states", Arr.empty<string>())(Effect.map(records.keys, Arr.fromIterable))
    const entries = yield* Effect.forEach(keys, (key) => Effect.map(read(key), (state) => ({ key, state })))
    return entries.flatMap(({ key, state }) =>
      state === undefined || state instanceof PandaUploadLocked ? [] : [{ key, state }]
    )
  })

  const prune: UploadStore.Service["prune"] = (olderThan) =>
    Effect.gen(function*() {
      const now = yield* DateTime.now
      const limit = DateTime.subtractDuration(now, olderThan)
      const old = (yield* list).filter(({ state: { created, finished } }) =>
        DateTime.lessThan(finished?.at ?? created, limit) ||
        (finished?.until !== undefined && DateTime.lessThanOrEqualTo(finished.until, now))
      )
      const removed = yield* Effect.forEach(old, ({ key }) => degraded("remove a state", false)(records.forget(key)))
      yield* degraded<void>("clear up", undefined)(records.sweep(limit))
      return removed.filter((removed) => removed).length
    })

  const lock: UploadStore.Service["lock"] = (key, name, waiting = Effect.void) =>
    Effect.gen(function*() {
      const owner = yield* Effect.map(
        Effect.replicateEffect(Random.nextIntBetween(0, 2 ** 32), 4),
        (parts) => parts.map((part) => part.toString(16).padStart(8, "0")).join("")
      )
      const contender = records.contend(key, owner, lease)

      yield* Effect.addFinalizer(() => degraded<void>("unlock an upload", undefined)(contender.leave))
      const taken = yield* degraded<boolean | undefined>("lock an upload", undefined)(wait(contender, lease, waiting))
      if (taken === false) return yield* new PandaUploadLocked({ operation, file: name })
      if (taken === undefined) return unlocked

      const loss = yield* Deferred.make<never, PandaUploadLocked>()
      const error = new PandaUploadLocked({ operation, file: name, reason: "Lost" })
      const lose = Effect.flatMap(Deferred.fail(loss, error), (news) =>
        news
          ? Effect.logWarning(`UploadStore: ${key} was not kept locked in time, and another process has it now`)
          : Effect.void).pipe(Effect.zipRight(error))
      const look = (look: Effect.Effect<boolean, E>): Effect.Effect<void, PandaUploadLocked> =>
        Effect.flatMap(Deferred.isDone(loss), (lost) =>
          lost
            ? error
            : Effect.flatMap(degraded("keep an upload locked", true)(look), (ours) => ours ? Effect.void : lose))

      yield* Effect.uninterruptible(look(contender.renew)).pipe(
        Effect.delay(Duration.times(lease, 1 / 3)),
        Effect.forever,
        Effect.ignore,
        Effect.forkScoped
      )
      return {
        owner,
        lose,
        lost: Deferred.await(loss),
        check: look(contender.holds),
        wanted: degraded("look who waits", false)(contender.wanted)
      }
    })

  return { get, set, remove, list, prune, lock }
}

/** Where there is no lock to be had. */
const unlocked: Lock = {
  owner: undefined,
  check: Effect.void,
  lost: Effect.never,
  lose: Effect.never,
  wanted: Effect.succeed(false)
}

/** Until the lock is ours (true), or whoever has it has shown to be alive (false). */
const wait = <E>(
  contender: Contender<E>,
  lease: Duration.Duration,
  waiting: Effect.Effect<void>
): Effect.Effect<boolean, E> =>
  Effect.gen(function*() {
    let watched: Holder & { readonly since: bigint } | undefined
    for (;;) {
      const attempt = yield* Effect.uninterruptible(contender.attempt)
      if (Option.isNone(attempt)) return true
      const held = attempt.value
      const now = yield* Clock.currentTimeNanos
      if (watched === undefined) yield* waiting
      if (watched?.owner !== held.owner) watched = { ...held, since: now }
      else if (watched.sign !== held.sign) return false
      // Dead, and yet it cannot be followed.
      else if (now - watched.since > Duration.unsafeToNanos(Duration.max(lease, held.lease)) * 3n) return false
      yield* Effect.sleep(Duration.times(lease, 1 / 10))
    }
  })

/**
 * Over any `KeyValueStore`, under a prefix of its own. What that can promise stands at the head of this page: where
 * several processes upload, prefer `layerFileSystem`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<UploadStore, never, KeyValueStore.KeyValueStore> =>
  Layer.effect(
    UploadStore,
    Effect.gen(function*() {
      const store = yield* KeyValueStore.KeyValueStore
      const one = yield* Effect.makeSemaphore(1)
      const at = (key: string) => `effect-panda/uploads/${key}`
      const INDEX = at("index")
      const Index = json.parsed(Schema.Array(Schema.String))

      const keys = Effect.map(store.get(INDEX), (text) =>
        Option.getOrElse(Option.flatMap(text, Schema.decodeOption(Index)), () => []))
      const note = (change: (keys: ReadonlyArray<string>) => ReadonlyArray<string>) =>
        Effect.flatMap(keys, (keys) => {
          const changed = change(keys)
          return changed.length === keys.length ? Effect.void : store.set(INDEX, JSON.stringify(changed))
        })
      const write = (key: string, value: string) =>
        Effect.zipRight(
          store.set(at(key), value),
          note((keys) =>
            keys.includes(key) ? keys : [...keys, key]
          )
        )

      return make({
        keys,
        get: (key) => store.get(at(key)),
        set: (key, value) => one.withPermits(1)(write(key, value)),
        create: (key, value) =>
          one.withPermits(1)(Effect.flatMap(
            store.has(at(key)),
            (there) => there ? Effect.succeed(false) : Effect.as(write(key, value), true)
          )),
        remove: (key) =>
          one.withPermits(1)(
            Effect.zipRight(store.remove(at(key)), note((keys) => keys.filter((other) => other !== key)))
          )
      }, options)
    })
  )

/**
 * In memory: for tests, and for uploads that need not outlive the process.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<UploadStore> = Layer.provide(layer(), KeyValueStore.layerMemory)

/**
 * In a directory of its own, a file for each upload that only its owner can read, since a state says where to write to.
 * Files are written aside and renamed, so that a process that dies leaves the old state or the new one.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFileSystem = (
  directory: string,
  options?: Options
): Layer.Layer<UploadStore, never, FileSystem.FileSystem> =>
  Layer.effect(
    UploadStore,
    Effect.map(FileSystem.FileSystem, (fs) => {
      /** No key leads out of the directory. Those of `keyOf` are names as they are. */
      const nameOf = (key: string) => key.replace(/[%/\\\0]/g, encodeURIComponent)
      const keyOfName = Option.liftThrowable(decodeURIComponent)
      const at = (key: string) => `${directory}/${nameOf(key)}`
      const prepare = fs.makeDirectory(directory, { recursive: true, mode: 0o700 })
      const absent = (error: PlatformError) => error._tag === "SystemError" && error.reason === "NotFound"
      const names = Effect.catchIf(fs.readDirectory(directory), absent, () => Effect.succeed([]))
      /** What processes left aside that died while they wrote. */
      const sweep = (key: string) =>
        Effect.flatMap(names, (names) =>
          Effect.forEach(
            names.filter((name) => name.startsWith(`${nameOf(key)}.`) && name.endsWith(".new")),
            (name) => fs.remove(`${directory}/${name}`, { force: true }),
            { discard: true }
          ))

      return make({
        keys: Effect.map(names, Arr.filterMap(keyOfName)),
        get: (key) => Effect.catchIf(Effect.asSome(fs.readFileString(at(key))), absent, () => Effect.succeedNone),
        set: (key, value) =>
          Effect.gen(function*() {
            yield* prepare
            const aside = `${at(key)}.${yield* Clock.currentTimeMillis}-${yield* Random.nextInt}.new`
            yield* Effect.zipRight(
              fs.writeFileString(aside, value, { mode: 0o600 }),
              fs.rename(aside, at(key))
            ).pipe(Effect.onError(() => Effect.ignore(fs.remove(aside, { force: true }))))
          }),
        create: (key, value) =>
          Effect.zipRight(prepare, fs.writeFileString(at(key), value, { flag: "wx", mode: 0o600 })).pipe(
            Effect.as(true),
            Effect.catchIf(
              (error) => error._tag === "SystemError" && error.reason === "AlreadyExists",
              () => Effect.succeed(false)
            )
          ),
        remove: (key) => Effect.zipRight(fs.remove(at(key), { force: true }), sweep(key))
      }, options)
    })
  )

/**
 * Where an upload goes to, and as whom.
 *
 * @since 0.2.0
 * @category keys
 */
export interface Destination {
  readonly baseUrl: string
  readonly cloudId: string | undefined
  /** A token stands for a cloud and an access key for an account, where no cloud is named too. */
  readonly auth?: Auth | undefined
}

/**
 * The key of an upload: what it reads, where it goes to and as whom, and what is to be made of it. So the same file with
 * other settings is another upload. Says nothing of any of them: it is a digest.
 *
 * @since 0.1.0
 * @category keys
 */
export const keyOf = (
  name: string,
  fingerprint: UploadState.Fingerprint,
  { auth, baseUrl, cloudId }: Destination,
  { path_format, payload, profiles, use_all_profiles }: UploadState.SessionOptions = {}
): string =>
  digest([
    name,
    fingerprint.size,
    fingerprint.modified === undefined ? null : DateTime.toEpochMillis(fingerprint.modified),
    fingerprint.digest,
    baseUrl,
    cloudId ?? null,
    auth === undefined ? null : auth._tag === "Keys" ? auth.accessKey : digest(["token", Redacted.value(auth.token)]),
    // In any order they ask for the same.
    profiles === undefined ? null : profiles.length === 0 ? ["none"] : Arr.dedupe(Arr.ensure(profiles)).sort(),
    use_all_profiles === true,
    path_format ?? null,
    payload ?? null
  ])

const digest = (value: unknown): string => Encoding.encodeHex(sha256(new TextEncoder().encode(JSON.stringify(value))))
