/**
 * A whole Panda: as strict as the real one on the wire, and told when to fail.
 *
 * In memory it is an `HttpClient` that shares the test's clock, with no promise between a request and its decoded
 * answer, so that one `TestClock.adjust` drives any number of retries and polls. Over a port it is an `HttpApp` for
 * demonstrations, for other HTTP clients and for other languages.
 *
 * It checks signatures, parameters and byte ranges by itself, from the raw request. Videos and encodings have state
 * which is a function of the clock; uploaded bytes are hashed, not kept. Webhooks go to an `HttpApp` in memory, or
 * through an `HttpClient`. Everything it was asked, everything it told and everything it holds can be inspected.
 *
 * With a folder it is a Panda of your own: it keeps what it gets, serves it, and begins where it ended; with an `Encoder`
 * beside it encodings are really made (`layerFolder`). On a port it shows at its root what goes on, and why a request was
 * refused.
 *
 * @since 0.1.0
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpServer from "@effect/platform/HttpServer"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Credentials from "./Credentials.js"
import * as Encoder from "./Encoder.js"
import * as Addresses from "./internal/emulator/addresses.js"
import type { Request } from "./internal/emulator/exchange.js"
import type * as Faults from "./internal/emulator/faults.js"
import * as PageState from "./internal/emulator/page/state.js"
import * as Memory from "./internal/emulator/memoryHttpClient.js"
import * as Port from "./internal/emulator/portHttpApp.js"
import * as Server from "./internal/emulator/server.js"
import * as Sessions from "./internal/emulator/sessions.js"
import * as Storage from "./internal/emulator/storage.js"
import * as Studio from "./internal/emulator/studio.js"
import * as Webhooks from "./internal/emulator/webhooks.js"
import * as World from "./internal/emulator/world.js"
import * as PandaClient from "./PandaClient.js"
import type { UploadState } from "./UploadState.js"

/**
 * How an emulator is set up. All of it is optional.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly accessKey?: string | undefined
  readonly secretKey?: Redacted.Redacted<string> | undefined
  /** The API token of the cloud. */
  readonly token?: Redacted.Redacted<string> | undefined
  readonly cloudId?: string | undefined
  /** How many finished videos there are, each with one encoding per profile. They were created a minute apart. */
  readonly videos?: number | undefined
  /** The cloud's profiles, each with a `preset_name` or with `command` and `extname`. By default `h264` and `webm`. */
  readonly profiles?: ReadonlyArray<Readonly<Record<string, unknown>>> | undefined
  /**
   * How long an encoding takes; 10 seconds by default. Its progress grows evenly. The source of a video is stored
   * after a tenth of that time: until then the video is `processing`.
   */
  readonly encodingTime?: Duration.DurationInput | undefined
  /** Beyond it files are refused with 413, in bytes. */
  readonly fileSizeLimit?: number | undefined
  /** Where upload sessions live: `http://vm-1.upload.pandastream.test` in memory, the address it is called by on a port. */
  readonly uploadOrigin?: string | undefined
  /**
   * How received bytes are hashed: SHA-256 in JavaScript by default. Under Node, `() => createHash("sha256")` is several
   * times faster.
   */
  readonly hash?: (() => Hash) | undefined
  /** Whether received bytes are kept for inspection. By default they are only hashed. */
  readonly keepBytes?: boolean | undefined
  /**
   * What happens to the bytes of a chunk whose connection breaks half-way: `keep`, which is the default, or `discard`.
   * To be discarded, a chunk is held in memory until it is whole. The documentation does not say what Panda does.
   */
  readonly partialChunks?: "keep" | "discard" | undefined
  /** How many requests, deliveries and rules are kept for inspection: the last 10,000 of each by default. */
  readonly recorded?: number | undefined
  /**
   * By which names the page at the root, and files that are kept, are shown, `"*"` being any; then they are shown to
   * whoever reaches the port, without a password. By default they are shown on this machine only, by its own names.
   */
  readonly pageHosts?: ReadonlyArray<string> | undefined
}

/**
 * What an emulator with a folder is set up with besides. All of it is optional.
 *
 * @since 0.2.0
 * @category models
 */
export interface FolderOptions extends Options {
  /**
   * Whether a `source_url` or a `watermark_url` may lead to this machine or to a private network; it may not by default.
   * An address is known by itself. What a name leads to only the `HttpClient` sees: one for a Panda that others may use
   * has to refuse, when it connects, what is not a public address (`isPublicAddress`).
   */
  readonly privateSources?: boolean | undefined
}

/**
 * The folder of an emulator cannot be used: it was written by another version, or its journal is damaged.
 *
 * @since 0.2.0
 * @category errors
 */
export class EmulatorFolderError extends Schema.TaggedError<EmulatorFolderError>()("EmulatorFolderError", {
  reason: Schema.String
}) {
  override get message(): string {
    return this.reason
  }
}

/**
 * Whether a text is an address, of IPv4 or IPv6, that everyone may reach: not one of this machine, of a private network,
 * of a link, or of the services within a cloud. What is not an address is not a public one.
 *
 * @since 0.2.0
 * @category predicates
 */
export const isPublicAddress = (text: string): boolean => Addresses.isPublicAddress(text)

/**
 * An incremental hash, such as those of `node:crypto` and `@noble/hashes`. `digest` is called once, at the end, and gives
 * text or bytes, which are then shown in hexadecimal digits. The bytes may be overwritten after `update` returns.
 *
 * @since 0.1.0
 * @category models
 */
export interface Hash {
  readonly update: (bytes: Uint8Array) => unknown
  readonly digest: (encoding: "hex") => string | Uint8Array
}

/**
 * What can go wrong with an exchange. The constructors are on the value of the same name.
 *
 * @since 0.1.0
 * @category faults
 */
export type Fault = Faults.Fault

/**
 * The faults that can be injected. Where nothing else is said the request is not carried out.
 *
 * @since 0.1.0
 * @category faults
 */
export const Fault = {
  /**
   * This status comes instead of an answer, as from a proxy in front of Panda: even an unsigned request gets it. The
   * body is JSON if `error` or `message` is given, else `body` or nothing. With `early` the request's body is not read.
   */
  status: (
    status: number,
    options: {
      readonly body?: string
      readonly error?: string
      readonly message?: string
      readonly headers?: Readonly<Record<string, string>>
      /** Seconds, or an HTTP date. */
      readonly retryAfter?: number | string
      readonly early?: boolean
    } = {}
  ): Fault => ({ _tag: "Status", status, ...options }),

  /** Status 200 with an error in the body. */
  errorBody: (error: { readonly error: string; readonly message: string }): Fault => ({ _tag: "ErrorBody", ...error }),

  /** Status 200 with a body that is not JSON. */
  malformed: (text = "<html>"): Fault => ({ _tag: "Malformed", text }),

  /** Status 200 with an empty body. */
  empty: { _tag: "Empty" } as Fault,

  /**
   * The request is read, and never answered. What was sent of a chunk is stored, but no video is made of it.
   */
  stall: { _tag: "Stall" } as Fault,

  /** `after` bytes of the body are read (below 1: that fraction of it), then nothing happens any more. */
  stallReading: (options: { readonly after: number }): Fault => ({ _tag: "StallReading", ...options }),

  /**
   * For `status`, `errorBody`, `malformed`, `empty` and `stall`: the request is carried out all the same, and only the
   * answer is lost. Other faults are left as they are.
   */
  carriedOut: (fault: Fault): Fault => {
    switch (fault._tag) {
      case "Status":
      case "ErrorBody":
      case "Malformed":
      case "Empty":
      case "Stall":
        return { ...fault, carriedOut: true }
      default:
        return fault
    }
  },

  /** Nothing happens for a time; then the request is served as usual, or meets the next fault. */
  delay: (duration: Duration.DurationInput): Fault => ({ _tag: "Delay", duration }),

  /** The request is read and carried out at once, and answered after a time. */
  delayAnswer: (duration: Duration.DurationInput): Fault => ({ _tag: "DelayAnswer", duration }),

  /** The connection is refused. On a real port it is reset, since the port is open. */
  refuse: { _tag: "Refuse" } as Fault,

  /** The connection breaks before anything is carried out. */
  resetBefore: { _tag: "ResetBefore" } as Fault,

  /**
   * The connection breaks after so many bytes of the request's body (below 1: after that fraction of it). Of a chunk,
   * these are stored, unless `partialChunks` is `discard`.
   */
  resetDuring: (options: { readonly after: number }): Fault => ({ _tag: "ResetDuring", ...options }),

  /** The request is carried out, and the connection breaks instead of an answer. */
  resetAfter: { _tag: "ResetAfter" } as Fault,

  /**
   * The request is carried out, and the connection breaks after so many bytes of the answer's body. An answer without
   * a body is lost altogether.
   */
  truncate: (options: { readonly after: number }): Fault => ({ _tag: "Truncate", ...options }),

  /** Only the first bytes of a chunk are stored, and the Range says so. */
  accept: (options: { readonly bytes: number }): Fault => ({ _tag: "Accept", ...options }),

  /**
   * For the exchange that completes a file: all bytes are held, but no video is made, and the answer is 204 with the
   * full Range. Probes say the same, until the last byte is sent again.
   */
  notFinalized: { _tag: "NotFinalized" } as Fault,

  /** The same with an error status: the upload host has all bytes, but its backend failed. */
  backendDown: (status = 502): Fault => ({ _tag: "NotFinalized", status }),

  /**
   * The answer carries a new Location, and the old one is dead from then on. With a `status` nothing is carried out.
   * `relative` leaves the origin away; `origin` is another one, for example with another scheme.
   */
  move: (
    options: { readonly status?: number; readonly relative?: boolean; readonly origin?: string } = {}
  ): Fault => ({ _tag: "Move", ...options }),

  /** The upload session is gone, from this request on. */
  expire: (status: 404 | 410 = 404): Fault => ({ _tag: "Expire", status }),

  /** Progress is answered without a Range: nothing is stored, it claims. */
  noRange: { _tag: "NoRange" } as Fault,

  /** Progress is answered with a Range that claims `to` bytes. */
  lieRange: (options: { readonly to: number }): Fault => ({ _tag: "LieRange", ...options }),

  /** Progress is answered with a Range that claims half of what was last acknowledged; nothing is really lost. */
  backwardRange: { _tag: "BackwardRange" } as Fault,

  /** All but the first `to` bytes are really lost before the request is served. Beyond 0 it needs `keepBytes`. */
  forget: (options: { readonly to: number } = { to: 0 }): Fault => ({ _tag: "Forget", ...options })
}

/**
 * When a fault happens.
 *
 * @since 0.1.0
 * @category faults
 */
export interface Rule {
  /**
   * `"*"`; or method and path of an endpoint, in which `:name` and `*` stand for one segment, `"GET /videos/:id.json"`;
   * or what is done with an upload session: `"create"`, `"chunk"`, `"probe"`, `"multipart"`, `"abort"`, `"preflight"`;
   * or `"unknown"`, what leads nowhere.
   */
  readonly route: string
  readonly fault: Fault
  /** How often; once by default. */
  readonly times?: number | undefined
  /** How many requests pass before. */
  readonly skip?: number | undefined
}

/**
 * A rule, and how often it has fired.
 *
 * @since 0.2.0
 * @category inspection
 */
export interface RuleInspection extends Rule {
  readonly fired: number
}

/**
 * A request that came in, in order of arrival.
 *
 * @since 0.1.0
 * @category inspection
 */
export interface SeenRequest {
  readonly method: string
  /** Raw, without the version, without the query. */
  readonly path: string
  /** The endpoint's pattern, or what is done with an upload session, as in `Rule`; `"unknown"` if it is neither. */
  readonly route: string
  /** From the query and from the body, without signature, access key and token. */
  readonly parameters: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  /** Where they travelled. */
  readonly via: ReadonlyArray<"query" | "form" | "multipart">
  readonly headers: Readonly<Record<string, string | undefined>>
  /** The parameter that was signed. */
  readonly timestamp: string | undefined
  /** Bytes of the body that were received. */
  readonly bodyLength: number
  /** Milliseconds of the clock. */
  readonly at: number
  /** Undefined as long as there is no answer. */
  readonly status: number | undefined
  /** The id of the upload session that it created or went to. */
  readonly session: string | undefined
  /** The fault that it met. */
  readonly fault: Fault["_tag"] | undefined
}

/**
 * What became of an upload session. All sizes are bytes.
 *
 * @since 0.1.0
 * @category inspection
 */
export interface SessionInspection {
  readonly id: string
  readonly name: string
  /** As announced at its creation. */
  readonly size: number
  /** How much is held, without a gap, from the start of the file. */
  readonly stored: number
  /** The most that the client was told to be stored, in an answer that was delivered. */
  readonly acknowledged: number
  /** All that came in bodies. */
  readonly received: number
  /** Of these, what the client had been told before to be stored. */
  readonly receivedTwice: number
  /** Of these, what was stored already, known to the client or not. */
  readonly storedTwice: number
  /** Once all is there. */
  readonly sha256: string | undefined
  /** With `keepBytes`. */
  readonly bytes: Uint8Array | undefined
  readonly status: "open" | "complete" | "aborted" | "expired"
  readonly videoId: string | undefined
  /** How many locations were handed out: one at creation, one for each move. */
  readonly locations: number
  /** Chunks whose Content-Range reached beyond the end of the file, as those of some old clients do. */
  readonly inexactRanges: number
}

/**
 * How webhooks are delivered. All of it is optional.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeliverOptions {
  /**
   * When what was not answered with 200 within 30 seconds is sent again. By default after 10 seconds, then after twice
   * as long each time, 13 times within 24 hours; Panda's own intervals are not documented.
   */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /** How often the progress of an encoding is told: every 10 seconds by default. */
  readonly progressInterval?: Duration.DurationInput | undefined
  /**
   * How long after an event each copy of it is sent; `[0]` by default: one, at once. With `[0, "3 seconds"]` it comes
   * twice, with `["1 minute"]` others overtake it, with `[]` it is lost. The fields are those of the form, `event` too.
   */
  readonly copies?: ((fields: Readonly<Record<string, string>>) => ReadonlyArray<Duration.DurationInput>) | undefined
}

/**
 * An attempt to deliver a webhook, in order of sending.
 *
 * @since 0.1.0
 * @category inspection
 */
export interface Delivery {
  /** `video-created`, `video-encoded`, `encoding-progress` or `encoding-complete`. */
  readonly event: string
  /** The form, `event` included. */
  readonly fields: Readonly<Record<string, string>>
  /** All that is shown of the url, since the rest of it may hold a secret. */
  readonly host: string
  /** From 1. */
  readonly attempt: number
  /** Milliseconds of the clock. */
  readonly at: number
  /** Undefined as long as there is no answer. */
  readonly status: number | undefined
}

/**
 * A record as it looks on the wire at the time of asking.
 *
 * @since 0.1.0
 * @category inspection
 */
export type WireRecord = Readonly<Record<string, unknown>>

/**
 * The emulator: its doors, its credentials, its faults, its insides.
 *
 * @since 0.1.0
 * @category tags
 */
export class PandaEmulator extends Context.Tag("effect-panda/PandaEmulator")<
  PandaEmulator,
  PandaEmulator.Service
>() {}

/**
 * Holds the type of the service.
 *
 * @since 0.1.0
 * @category models
 */
export declare namespace PandaEmulator {
  /**
   * What a test or a demonstration does with an emulator.
   *
   * @since 0.1.0
   * @category models
   */
  export interface Service {
    readonly accessKey: string
    readonly secretKey: Redacted.Redacted<string>
    readonly token: Redacted.Redacted<string>
    readonly cloudId: string
    /**
     * The door on a real port. A broken connection needs Node's sockets; elsewhere it becomes a 502. `layerServer` also
     * closes the sockets that `Fault.stallReading` left unread; who serves this by hand closes all connections.
     */
    readonly httpApp: HttpApp.Default
    /** The door in memory. */
    readonly httpClient: HttpClient.HttpClient
    /** Lets a fault happen. Rules are tried in order of injection. One that no request can ever meet is a defect. */
    readonly inject: (rule: Rule) => Effect.Effect<void>
    /** The rules so far, in order of injection. What has not fired has not been tested. */
    readonly rules: Effect.Effect<ReadonlyArray<RuleInspection>>
    /** Sets the server's clock ahead of the client's; a negative number of milliseconds sets it behind. */
    readonly setSkew: (skew: Duration.DurationInput) => Effect.Effect<void>
    /** The requests so far, or the last of them: see `recorded`. */
    readonly requests: Effect.Effect<ReadonlyArray<SeenRequest>>
    /** All upload sessions so far. */
    readonly sessions: Effect.Effect<ReadonlyArray<SessionInspection>>
    /** The videos of all clouds, newest first. */
    readonly videos: Effect.Effect<ReadonlyArray<WireRecord>>
    readonly encodings: Effect.Effect<ReadonlyArray<WireRecord>>
    readonly profiles: Effect.Effect<ReadonlyArray<WireRecord>>
    readonly clouds: Effect.Effect<ReadonlyArray<WireRecord>>
    /** The notification settings of the main cloud. */
    readonly notifications: Effect.Effect<WireRecord>
    /** Adds a video with these attributes; the others are made up. Encodings are made for no profile. */
    readonly addVideo: (attributes?: WireRecord) => Effect.Effect<WireRecord>
    /** Adds a profile to the main cloud. */
    readonly addProfile: (attributes: WireRecord) => Effect.Effect<WireRecord>
    /** From now on, encodings that are started with this profile fail; with `undefined` they succeed again. */
    readonly failProfile: (
      name: string,
      failure: { readonly error_class: string; readonly error_message: string } | undefined
    ) => Effect.Effect<void>
    /**
     * The source of a video turns out not to be usable. What was to be made of it fails too, as `VideoStatusInvalid`; what
     * was made of it stays. An unknown id is a defect.
     */
    readonly failVideo: (
      id: string,
      failure: { readonly error_class: string; readonly error_message: string }
    ) => Effect.Effect<void>
    /** Ends an upload session as if it had become too old. An unknown id is a defect. */
    readonly expireSession: (id: string, status?: 404 | 410) => Effect.Effect<void>
    /**
     * Takes up an upload session of an earlier emulator: the state that its client has saved, and the bytes that the
     * earlier emulator had received.
     */
    readonly restoreSession: <E, R>(
      state: UploadState,
      bytes: Stream.Stream<Uint8Array, E, R>
    ) => Effect.Effect<void, E, R>
    /**
     * Delivers webhooks from now on, until the scope closes: to an app in memory, or through a client to wherever
     * the url leads. As Panda does, it tells what a cloud's notification settings ask for, and only if they have an url.
     * What happened before is not told. There can be one receiver at a time. With a folder what was not delivered when the
     * emulator ended, however it did, is delivered by the next one; the receiver may get a webhook twice then.
     *
     * In memory no promise lies between an event and its answer, so that one `TestClock.adjust` drives any number of
     * deliveries and retries.
     */
    readonly deliver: {
      (client: HttpClient.HttpClient, options?: DeliverOptions): Effect.Effect<void, never, Scope.Scope>
      <E, R>(
        app: HttpApp.Default<E, R>,
        options?: DeliverOptions
      ): Effect.Effect<void, never, Scope.Scope | Webhooks.Needs<R>>
    }
    /** The attempts to deliver a webhook so far, or the last of them. */
    readonly deliveries: Effect.Effect<ReadonlyArray<Delivery>>
    /** Back to the beginning: no requests, no deliveries, no faults, no skew, and the videos and profiles of the options. */
    readonly reset: Effect.Effect<void>
  }
}

const millisOf = (skew: Duration.DurationInput): number => typeof skew === "number" ? skew : Duration.toMillis(skew)

/**
 * An emulator by itself: serve its `httpApp`, or use its `httpClient`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Effect.Effect<PandaEmulator.Service> =>
  Effect.map(build(options), ({ service }) => service)

/** What an emulator with a folder has besides. */
interface Folder extends Omit<Studio.Studio, "storage"> {
  readonly open: Effect.Effect<Storage.Storage, PlatformError>
  readonly scope: Scope.Scope
}

const build = (options: Options = {}) => Effect.orDie(buildWith(options, undefined))

const buildWith = (options: Options, folder: Folder | undefined) =>
  Effect.gen(function*() {
    const keys = {
      accessKey: options.accessKey ?? "emulated-access-key",
      secretKey: options.secretKey ?? Redacted.make("emulated-secret-key"),
      token: options.token ?? Redacted.make("clou_emulated-token")
    }
    const cloudId = options.cloudId ?? "emulated-cloud-id"
    const settings: Server.Settings = {
      keys,
      cloudId,
      videos: options.videos ?? 0,
      profiles: options.profiles ?? [{ preset_name: "h264" }, { preset_name: "webm" }],
      encodingTime: Duration.toMillis(options.encodingTime ?? "10 seconds"),
      fileSizeLimit: options.fileSizeLimit ?? Infinity,
      uploadOrigin: options.uploadOrigin,
      hash: options.hash ?? Sessions.nobleHash,
      keepBytes: options.keepBytes ?? false,
      partialChunks: options.partialChunks ?? "keep",
      recorded: options.recorded ?? 10_000,
      encoder: folder?.encoder
    }

    /** A state, and what goes on behind it until the scope closes. */
    const fresh = Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      if (folder === undefined) return { state: Server.makeState(settings, now), scope: undefined }
      const storage = yield* folder.open
      const state = Server.makeState(settings, now, storage)
      const scope = yield* Scope.fork(folder.scope, ExecutionStrategy.sequential)
      yield* Scope.extend(Studio.open(state, settings, { ...folder, storage }), scope)
      return { state, scope }
    })
    let { scope, state } = yield* fresh

    const handle = (request: Request) => Effect.suspend(() => Server.handle(state, settings, request))
    const now = Effect.suspend(() => Server.serverTime(state))
    /** What is done from within is kept like what is asked from without, as far as it can be. */
    const kept = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.zipLeft(effect, Effect.suspend(() => Effect.ignore(state.keep)))
    const all = <A>(
      of: (cloud: World.Cloud) => ReadonlyMap<string, A>,
      show: (a: A, now: number) => WireRecord
    ): Effect.Effect<ReadonlyArray<WireRecord>> =>
      Effect.map(now, (now) =>
        [...state.world.clouds.values()].flatMap((cloud) =>
          [...of(cloud).values()].reverse().map((a) => show(a, now))
        ))

    const port = Port.make(handle, () => state.storage, {
      hosts: options.pageHosts ?? [],
      about: Effect.sync(() => PageState.about(state, Server.routes)),
      sections: Effect.map(now, (now) => PageState.sections(state, now)),
      arm: (rule) =>
        Effect.sync(() => {
          const impossible = Server.impossible(rule)
          if (impossible === undefined) state.scripting.inject(rule)
          return impossible
        }),
      disarm: Effect.sync(() => state.scripting.disarm())
    })
    const service: PandaEmulator.Service = {
      ...keys,
      cloudId,
      httpApp: port.httpApp,
      httpClient: Memory.make(handle, "http://vm-1.upload.pandastream.test"),
      inject: (rule) =>
        Effect.suspend(() => {
          if (rule.fault._tag === "Forget" && rule.fault.to > 0 && !settings.keepBytes) {
            return Effect.dieMessage("Fault.forget with `to` beyond 0 needs the option `keepBytes`")
          }
          const impossible = Server.impossible(rule)
          if (impossible !== undefined) return Effect.dieMessage(impossible)
          state.scripting.inject(rule)
          return Effect.void
        }),
      rules: Effect.sync(() => state.scripting.rules()),
      setSkew: (skew) =>
        Effect.sync(() => {
          state.skew = millisOf(skew)
          state.outbox.changed.unsafeOpen()
        }),
      requests: Effect.sync(() => state.requests.last().map((request) => ({ ...request }))),
      sessions: Effect.sync(() =>
        state.sessions.sessions.map((session) => Sessions.inspect(session, settings.keepBytes))
      ),
      videos: all((cloud) => cloud.videos, World.showVideo),
      encodings: all((cloud) => cloud.encodings, World.showEncoding),
      profiles: all((cloud) => cloud.profiles, World.showProfile),
      clouds: Effect.sync(() => [...state.world.clouds.values()].reverse().map((cloud) => World.showCloud(cloud))),
      notifications: Effect.sync(() => state.world.main.notifications),
      addVideo: (attributes = {}) =>
        kept(Effect.map(now, (now) => {
          const filename = attributes["original_filename"]
          const source = { filename: typeof filename === "string" ? filename : "movie.mp4" }
          state.outbox.changed.unsafeOpen()
          return World.showVideo(state.world.addVideo(state.world.main, now, source, attributes), now)
        })),
      addProfile: (attributes) =>
        kept(Effect.map(now, (now) => World.showProfile(state.world.addProfile(state.world.main, now, attributes)))),
      failProfile: (name, failure) =>
        Effect.sync(() => {
          if (failure === undefined) state.world.failing.delete(name)
          else state.world.failing.set(name, failure)
        }),
      failVideo: (id, failure) =>
        kept(Effect.flatMap(now, (now) => {
          for (const cloud of state.world.clouds.values()) {
            const video = cloud.videos.get(id)
            if (video === undefined) continue
            state.world.failVideo(cloud, video, failure, now)
            return state.outbox.changed.open
          }
          return Effect.dieMessage(`There is no video ${id}: give the id of one`)
        })),
      expireSession: (id, status = 404) =>
        Effect.suspend(() => {
          const session = state.sessions.sessions.find((session) => session.id === id)
          if (session === undefined) {
            return Effect.dieMessage("There is no upload session with that id: give that of one")
          }
          return kept(Effect.sync(() => {
            Sessions.expire(session, status)
            state.sessions.touch(session)
          }))
        }),
      restoreSession: ({ acknowledged, fingerprint, id, location, name, options }, bytes) =>
        Effect.suspend(() => {
          const { main } = state.world
          const profiles = [...main.profiles.values()]
          const { path_format, payload, profiles: wanted = options.use_all_profiles === true ? undefined : "none" } =
            options
          const session = state.sessions.restore(Redacted.value(id), Redacted.value(location), main, {
            size: fingerprint.size,
            filename: name,
            pathFormat: path_format,
            payload,
            profiles: wanted === "none"
              ? []
              : profiles.filter(({ attributes, id }) =>
                wanted === undefined || wanted.includes(id) || wanted.includes(String(attributes["name"]))
              )
          })
          session.acknowledged = acknowledged
          return kept(Stream.runForEach(bytes, (bytes) =>
            Effect.suspend(() => {
              state.sessions.store(session, session.stored, bytes)
              return state.sessions.relief(session) ?? Effect.void
            })))
        }),
      deliver: <E, R>(receiver: HttpClient.HttpClient | HttpApp.Default<E, R>, options: DeliverOptions = {}) =>
        Effect.flatMap(Webhooks.sender(receiver), (send) => Webhooks.deliver(() => state, send, options)),
      deliveries: Effect.sync(() => state.outbox.deliveries.last().map((delivery) => ({ ...delivery }))),
      reset: Effect.gen(function*() {
        const { outbox: { changed }, storage } = state
        if (scope !== undefined) yield* Scope.close(scope, Exit.void)
        if (storage !== undefined) yield* Effect.orDie(storage.clear)
        const next = yield* Effect.orDie(fresh)
        scope = next.scope
        state = next.state
        changed.unsafeOpen()
      })
    }
    return { service, hangUp: port.hangUp }
  })

/**
 * The emulator in memory, and the `HttpClient` that leads to it: no port, no promise, the clock of the caller.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<PandaEmulator | HttpClient.HttpClient> =>
  Layer.effectContext(
    Effect.map(make(options), (service) =>
      Context.make(PandaEmulator, service).pipe(Context.add(HttpClient.HttpClient, service.httpClient)))
  )

/**
 * The emulator on a real port: whichever the given `HttpServer` listens to.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerServer = (options?: Options): Layer.Layer<PandaEmulator, never, HttpServer.HttpServer> =>
  Layer.scoped(
    PandaEmulator,
    Effect.gen(function*() {
      const { hangUp, service } = yield* build(options)
      yield* Effect.addFinalizer(() => hangUp)
      yield* HttpServer.serveEffect(service.httpApp)
      return service
    })
  )

/**
 * A Panda of your own, on whichever port the given `HttpServer` listens to. Everything that it gets and makes is kept in
 * the folder, laid out by `path_format`, and served from the port, with ranges: the urls of videos,
 * encodings and screenshots open and play. A `source_url` is really fetched, through the given `HttpClient`.
 *
 * What was answered is kept before: however the emulator ends, by a SIGKILL too, the next one goes on with the same
 * folder, with the sessions of uploads at the byte that was acknowledged. When the power of the machine fails, the latest
 * bytes of files may be lost, since it is not waited for them to be on the disk; what is known of them is not. Only one may use a folder at a time. When a disk is full, what comes is
 * refused with 507, and what is there stays whole.
 *
 * With an `Encoder` among what is provided, sources are looked into, and encodings are really made; those that were not
 * finished when it ended are made anew. Without one they advance with the clock, and no files come of them.
 *
 * @example
 * import { FetchHttpClient } from "@effect/platform"
 * import { NodeContext, NodeHttpServer } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import * as Encoder from "effect-panda/Encoder"
 * import * as PandaEmulator from "effect-panda/PandaEmulator"
 * import { createServer } from "node:http"
 *
 * const Panda = PandaEmulator.layerFolder("panda").pipe(
 *   Layer.provide(Encoder.layerFfmpeg({ concurrency: 4 })),
 *   Layer.provide(NodeHttpServer.layer(() => createServer(), { port: 8080, host: "127.0.0.1" })),
 *   Layer.provide(FetchHttpClient.layer),
 *   Layer.provide(NodeContext.layer)
 * )
 *
 * @since 0.2.0
 * @category layers
 */
export const layerFolder = (
  folder: string,
  options: FolderOptions = {}
): Layer.Layer<
  PandaEmulator,
  EmulatorFolderError | PlatformError,
  HttpServer.HttpServer | HttpClient.HttpClient | FileSystem.FileSystem
> =>
  Layer.scoped(
    PandaEmulator,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { hangUp, service } = yield* buildWith(options, {
        encoder: Option.getOrUndefined(yield* Effect.serviceOption(Encoder.Encoder)),
        fetching: { client: yield* HttpClient.HttpClient, allowPrivate: options.privateSources ?? false },
        open: Storage.makeStorage(fs, folder),
        scope: yield* Effect.scope
      }).pipe(
        Effect.mapError((error) => typeof error === "string" ? new EmulatorFolderError({ reason: error }) : error)
      )
      yield* Effect.addFinalizer(() => hangUp)
      yield* HttpServer.serveEffect(service.httpApp)
      return service
    })
  )

/**
 * All that a program which uses Panda needs to be tested, in one line: the emulator in memory, credentials that it
 * accepts, and the client.
 *
 * @example
 * import { Effect, Stream } from "effect"
 * import { Videos } from "effect-panda"
 * import * as PandaEmulator from "effect-panda/PandaEmulator"
 *
 * const test = Effect.gen(function*() {
 *   const panda = yield* PandaEmulator.PandaEmulator
 *   yield* panda.inject({ route: "GET /videos.json", fault: PandaEmulator.Fault.status(503) })
 *   const count = yield* Stream.runCount(Videos.all())
 *   return { count, requests: yield* panda.requests }
 * }).pipe(Effect.provide(PandaEmulator.layerTest({ videos: 3 })))
 *
 * @since 0.1.0
 * @category layers
 */
export const layerTest = (
  options?: Options
): Layer.Layer<PandaEmulator | HttpClient.HttpClient | Credentials.Credentials | PandaClient.PandaClient> => {
  const credentials = Layer.unwrapEffect(
    Effect.map(
      PandaEmulator,
      ({ accessKey, cloudId, secretKey }) => Layer.orDie(Credentials.layer({ accessKey, secretKey, cloudId }))
    )
  )
  return PandaClient.layer.pipe(
    Layer.provideMerge(credentials),
    Layer.provideMerge(layer(options))
  )
}
