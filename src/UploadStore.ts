/**
 * Where unfinished uploads sleep: `Upload.startOrResume` keeps their states here, and finds them again by the source.
 *
 * A store that fails does not stop an upload: it is reported in the log, and the upload goes on without.
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
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as json from "./internal/model/json.js"
import { PandaUploadLocked } from "./PandaError.js"
import * as UploadState from "./UploadState.js"

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
   * What a store does. `keyOf` makes the keys.
   *
   * @since 0.1.0
   * @category models
   */
  export interface Service {
    /** The state under a key. One that cannot be read is reported, set aside, and none. */
    readonly get: (key: string) => Effect.Effect<Option.Option<UploadState.UploadState>>
    readonly set: (key: string, state: UploadState.UploadState) => Effect.Effect<void>
    readonly remove: (key: string) => Effect.Effect<void>
    /** All states that can be read. */
    readonly list: Effect.Effect<ReadonlyArray<Entry>>
    /** Removes what began longer ago, and tells how many. The sessions themselves are Panda's to end. */
    readonly prune: (olderThan: Duration.DurationInput) => Effect.Effect<number>
    /**
     * Keeps other processes from the key for as long as the scope is open. A process that died without leaving keeps
     * it for the length of the lease, so that long this waits at most; then it fails.
     */
    readonly lock: (key: string, name: string) => Effect.Effect<void, PandaUploadLocked, Scope.Scope>
  }
}

/**
 * An unfinished upload under its key.
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
  /** How long a process that died keeps others from its uploads; 15 seconds by default. */
  readonly lease?: Duration.DurationInput | undefined
}

/**
 * What a store is made of: text under keys, which can be listed. `create` writes only if there is nothing yet, and
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

const STATE = ".json"
const ASIDE = ".unreadable"
const LOCK = ".lock"

const Lease = json.parsed(
  Schema.Struct({ owner: Schema.String.pipe(Schema.pattern(/^[\w-]{1,64}$/)), until: Schema.Number })
)

/**
 * A store over a backend of your own, such as a table of a database.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (backend: Backend, options: Options = {}): UploadStore.Service => {
  const lease = Duration.toMillis(options.lease ?? "15 seconds")

  const degraded = <A>(what: string, instead: A) => (effect: Effect.Effect<A, PlatformError>): Effect.Effect<A> =>
    Effect.catchAll(
      effect,
      (error) =>
        Effect.as(
          Effect.logWarning(`UploadStore: could not ${what}; the upload goes on without`, error.message),
          instead
        )
    )

  const get: UploadStore.Service["get"] = (key) =>
    Effect.gen(function*() {
      const text = yield* backend.get(`${key}${STATE}`)
      if (Option.isNone(text)) return Option.none()
      const state = Schema.decodeOption(UploadState.Json)(text.value)
      if (Option.isNone(state)) {
        yield* Effect.logWarning(`UploadStore: ${key} cannot be read and is set aside as ${key}${ASIDE}`)
        yield* backend.set(`${key}${ASIDE}`, text.value)
        yield* backend.remove(`${key}${STATE}`)
      }
      return state
    }).pipe(degraded("read a state", Option.none()))

  const set: UploadStore.Service["set"] = (key, state) =>
    Effect.flatMap(Effect.orDie(Schema.encode(UploadState.Json)(state)), (text) => backend.set(`${key}${STATE}`, text))
      .pipe(
        degraded<void>("save a state", undefined)
      )

  const remove: UploadStore.Service["remove"] = (key) =>
    degraded<void>("remove a state", undefined)(backend.remove(`${key}${STATE}`))

  const list: UploadStore.Service["list"] = Effect.gen(function*() {
    const keys = (yield* degraded("list the states", Arr.empty<string>())(
      Effect.map(backend.keys, Arr.fromIterable)
    )).filter((key) => key.endsWith(STATE)).map((key) => key.slice(0, -STATE.length))
    const states = yield* Effect.forEach(
      keys,
      (key) => Effect.map(get(key), Option.map((state): Entry => ({ key, state })))
    )
    return Arr.getSomes(states)
  })

  const prune: UploadStore.Service["prune"] = (olderThan) =>
    Effect.gen(function*() {
      const limit = DateTime.subtractDuration(yield* DateTime.now, olderThan)
      const old = (yield* list).filter(({ state }) => DateTime.lessThan(state.created, limit))
      yield* Effect.forEach(old, ({ key }) => remove(key))
      return old.length
    })

  const lock: UploadStore.Service["lock"] = (key, name) =>
    Effect.gen(function*() {
      const file = `${key}${LOCK}`
      const owner = String(yield* Random.nextInt)
      const began = yield* Clock.currentTimeMillis
      const text = Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.orDie(Schema.encode(Lease)({ owner, until: now + lease })))

      /** A lock that was made just now may have no text yet: it counts for as long as any. */
      const unreadable = { owner: "", until: began + lease }
      const holder = (file: string) =>
        Effect.map(
          backend.get(file),
          Option.map((text) =>
            Option.getOrElse(Schema.decodeOption(Lease)(text), () => unreadable)
          )
        )
      const heldBy = (owner: string) => Effect.map(holder(file), Option.exists((held) => held.owner === owner))

      const claim = (file: string): Effect.Effect<boolean, PlatformError> =>
        Effect.gen(function*() {
          if (yield* backend.create(file, yield* text)) return true
          const dead = yield* holder(file)
          if (Option.isNone(dead) || dead.value.until > (yield* Clock.currentTimeMillis)) return false
          // Of all who find the holder dead, one may follow it; and by then another may have done so already.
          const succession = `${file}.${dead.value.owner}`
          if (!(yield* claim(succession))) return false
          const vacant = Option.exists(yield* holder(file), (held) => held.owner === dead.value.owner)
          if (vacant) yield* backend.set(file, yield* text)
          yield* backend.remove(succession)
          return vacant
        })
      const limit = began + lease * 1.2
      const wait: Effect.Effect<boolean, PlatformError> = Effect.flatMap(
        Effect.uninterruptible(claim(file)),
        (claimed) =>
          claimed
            ? Effect.succeed(true)
            : Effect.flatMap(
              Clock.currentTimeMillis,
              (now) => now >= limit ? Effect.succeed(false) : Effect.zipRight(Effect.sleep(lease / 10), wait)
            )
      )

      yield* Effect.addFinalizer(() =>
        degraded<void>("unlock an upload", undefined)(
          Effect.asVoid(Effect.whenEffect(backend.remove(file), heldBy(owner)))
        )
      )
      const claimed = yield* degraded<boolean | undefined>("lock an upload", undefined)(wait)
      if (claimed === false) return yield* new PandaUploadLocked({ operation: "Upload.startOrResume", file: name })
      if (claimed === undefined) return

      const renew = Effect.gen(function*() {
        const held = yield* heldBy(owner)
        if (held) yield* backend.set(file, yield* text)
        else yield* Effect.logWarning(`UploadStore: ${key} was not kept locked in time, and another process has it now`)
        return held
      })
      yield* degraded("keep an upload locked", true)(renew).pipe(
        Effect.uninterruptible,
        Effect.delay(lease / 3),
        Effect.repeat({ while: (held) => held }),
        Effect.forkScoped
      )
    })

  return { get, set, remove, list, prune, lock }
}

/**
 * Over any `KeyValueStore`, under a prefix of its own. Such a store has no way to write only what is not there yet, so
 * two processes that begin the same upload in the same moment may both be let in: where that can be, prefer
 * `layerFileSystem`.
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
            const aside = `${at(key)}.${yield* Random.nextInt}.new`
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
 * The key of an upload: what it reads, and the cloud that it goes to. Says nothing of either.
 *
 * @since 0.1.0
 * @category keys
 */
export const keyOf = (
  name: string,
  fingerprint: UploadState.Fingerprint,
  destination: { readonly baseUrl: string; readonly cloudId: string | undefined }
): string =>
  Encoding.encodeHex(sha256(new TextEncoder().encode(JSON.stringify([
    name,
    fingerprint.size,
    fingerprint.modified === undefined ? null : DateTime.toEpochMillis(fingerprint.modified),
    fingerprint.digest,
    destination.baseUrl,
    destination.cloudId ?? null
  ]))))
