/**
 * Who we are and where Panda is: the keys or the token of an account, a cloud of it, and the API's address.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { urlOf } from "./internal/text/url.js"
import { PandaInputError } from "./PandaError.js"

/**
 * How requests are authorised: an access key with its secret, which sign each request, or the API token
 * of one cloud, which is sent as it is.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_authentication.md
 * @since 0.1.0
 * @category models
 */
export type Auth =
  | { readonly _tag: "Keys"; readonly accessKey: string; readonly secretKey: Redacted.Redacted<string> }
  | { readonly _tag: "Token"; readonly token: Redacted.Redacted<string> }

/**
 * A region of Panda: Amazon in the United States (the default) or in Europe, or Google Compute Engine.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_base_url.md
 * @since 0.1.0
 * @category models
 */
export type Region = "us" | "eu" | "gce"

/**
 * Where the API answers. A `host` overrides the `region`. Port 443, the default, means https and any other port http,
 * unless `protocol` says otherwise.
 *
 * @since 0.1.0
 * @category models
 */
export interface Endpoint {
  readonly region?: Region | undefined
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly protocol?: "http" | "https" | undefined
  /** The first segment of every path; it is not signed. Default `v2`. */
  readonly version?: string | undefined
}

/**
 * The keys of an account with the cloud to work in. Without `cloudId` only the calls about clouds themselves work.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyOptions extends Endpoint {
  readonly accessKey: string
  readonly secretKey: Redacted.Redacted<string>
  readonly token?: undefined
  readonly cloudId?: string | undefined
}

/**
 * The API token of a cloud.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenOptions extends Endpoint {
  readonly token: Redacted.Redacted<string>
  readonly accessKey?: undefined
  readonly secretKey?: undefined
  readonly cloudId?: string | undefined
}

/**
 * What a program says in place of the environment: see `layerConfig`.
 *
 * @since 0.2.0
 * @category models
 */
export interface Overrides extends Endpoint {
  readonly accessKey?: string | undefined
  readonly secretKey?: Redacted.Redacted<string> | undefined
  readonly token?: Redacted.Redacted<string> | undefined
  readonly cloudId?: string | undefined
}

/**
 * All that credentials are made of: keys or a token, a cloud, and an endpoint. Of both the types do not allow; where there
 * are no types, the token wins, as it does in the environment.
 *
 * @since 0.1.0
 * @category models
 */
export type Options = KeyOptions | TokenOptions

/**
 * The credentials that requests are signed with. `PandaClient.layer` and the functions of `Signature` need them.
 *
 * @since 0.1.0
 * @category tags
 */
export class Credentials extends Context.Tag("effect-panda/Credentials")<Credentials, Credentials.Service>() {}

/**
 * Holds the type of the service.
 *
 * @since 0.1.0
 * @category models
 */
export declare namespace Credentials {
  /**
   * Credentials that were checked, with the clock that signatures are dated by.
   *
   * @since 0.1.0
   * @category models
   */
  export interface Service {
    readonly auth: Auth
    readonly cloudId: string | undefined
    /** As an URL writes it, without port: what is signed. */
    readonly host: string
    /** Scheme, host, port and version: what the path of an operation is appended to. */
    readonly baseUrl: string
    /**
     * The timestamp of the next request: ISO 8601 in UTC with six fraction digits, later than any given out before,
     * for these keys in this process, because Panda accepts the signature of a POST once only.
     */
    readonly timestamp: Effect.Effect<string>
    /**
     * Takes over the server's clock, if ours is a second or more away from it: the `Date` header, which it comes from,
     * has no finer unit.
     */
    readonly synchronize: (server: DateTime.Utc) => Effect.Effect<void>
  }
}

const hosts: Record<Region, string> = {
  us: "api.pandastream.com",
  eu: "api-eu.pandastream.com",
  gce: "api-gce.pandastream.com"
}

const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])$/

/** As an URL writes it, and so the `Host` header that a signature is checked against; undefined if it is none. */
const hostnameOf = (host: string): string | undefined => HOST.test(host) ? urlOf(`http://${host}`)?.hostname : undefined

/** What is wrong with an option, without its value: the words follow the option's name. */
interface Fault {
  readonly option: Exclude<keyof Overrides, "protocol" | "cloudId">
  readonly words: string
  readonly missing?: boolean
}

/** Of a program without types too, which may pass anything. */
const textIn = (secret: unknown): unknown => Redacted.isRedacted(secret) ? Redacted.value(secret) : undefined

const faultsOf = (options: Overrides): ReadonlyArray<Fault> => {
  const { accessKey, host, port = 443, region = "us", secretKey, token, version = "v2" } = options
  const secrets = token === undefined
    ? { accessKey, secretKey: textIn(secretKey) }
    : { token: textIn(token) }
  const faults = (Object.entries(secrets) as Array<["accessKey" | "secretKey" | "token", unknown]>)
    .flatMap(([option, secret]): ReadonlyArray<Fault> =>
      typeof secret !== "string" && options[option] !== undefined
        ? [{ option, words: "is not text in a Redacted: use Redacted.make, for an accessKey plain text" }]
        : typeof secret !== "string" || secret === ""
        ? [{ option, words: "is missing: take it from your Panda account", missing: true }]
        : secret.isWellFormed()
        ? []
        : [{ option, words: "is not well-formed text: take it from your Panda account" }]
    )
  if (host === undefined && !Object.hasOwn(hosts, region)) {
    faults.push({ option: "region", words: "is not a region of Panda: use us, eu or gce" })
  }
  if (host !== undefined && hostnameOf(host) === undefined) {
    faults.push({ option: "host", words: "is not a host: use a name or an address, without scheme, port and path" })
  }
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    faults.push({ option: "port", words: "is not a port: use a whole number from 1 to 65535" })
  }
  if (!/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(version)) {
    faults.push({ option: "version", words: "is not a segment of a path: use v2" })
  }
  return faults
}

/** Milliseconds, in the year 2255: up to there each microsecond has a number of its own. */
const LATEST = Number.MAX_SAFE_INTEGER / 1000

/** RFC 3339 with microseconds. */
const timestampOf = (micros: number): string => {
  const millis = new Date(Math.floor(micros / 1000)).toISOString().slice(0, -1)
  return `${millis}${String(micros % 1000).padStart(3, "0")}Z`
}

/** Microseconds: how far the server's clock is ahead of ours, and the last timestamp given out. */
interface Dial {
  offset: number
  last: number
}

/** Of each clock, because a test has its own, and of all who sign with the same keys there. */
const dials = new WeakMap<Clock.Clock, Map<string, Dial>>()

/** Reads the dial, or sets it, at the time in microseconds. */
const withDial = <A>(signer: string, use: (dial: Dial, now: number) => A): Effect.Effect<A> =>
  Clock.clockWith((clock) =>
    Effect.map(clock.currentTimeMillis, (now) => {
      const ofClock = dials.get(clock) ?? new Map<string, Dial>()
      dials.set(clock, ofClock)
      const dial = ofClock.get(signer) ?? { offset: 0, last: 0 }
      ofClock.set(signer, dial)
      return use(dial, Math.floor(now) * 1000)
    })
  )

/**
 * Fails with `PandaInputError`, which lists every option that is missing or malformed and shows no value.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<Credentials.Service, PandaInputError> =>
  Effect.gen(function*() {
    const faults = faultsOf(options)
    if (faults.length > 0) {
      const description = faults.map(({ option, words }) => `${option} ${words}`).join("; ")
      return yield* new PandaInputError({ operation: "Credentials", description })
    }
    const { port = 443, region = "us", version = "v2" } = options
    const cloudId = options.cloudId?.trim() === "" ? undefined : options.cloudId
    const host = options.host === undefined ? hosts[region] : hostnameOf(options.host)!
    const protocol = options.protocol ?? (port === 443 ? "https" : "http")
    const suffix = port === (protocol === "https" ? 443 : 80) ? "" : `:${port}`

    const auth: Auth = options.token === undefined
      ? { _tag: "Keys", accessKey: options.accessKey, secretKey: options.secretKey }
      : { _tag: "Token", token: options.token }
    // The signature of a POST counts once for all who have the keys.
    const signer = auth._tag === "Keys" ? `${host}\n${auth.accessKey}` : ""
    const timestamp = withDial(signer, (dial, now) => {
      dial.last = Math.max(dial.last + 1, now + dial.offset)
      return timestampOf(dial.last)
    })
    const synchronize = (server: DateTime.Utc) =>
      withDial(signer, (dial, now) => {
        // Beyond these a timestamp has no microseconds to count up, or no form. No clock is there.
        if (server.epochMillis < 0 || server.epochMillis > LATEST) return
        const offset = server.epochMillis * 1000 - now
        if (Math.abs(offset - dial.offset) < 1_000_000) return
        // A clock that ran ahead must be able to go back, so what was given out before no longer counts.
        if (offset < dial.offset) dial.last = 0
        dial.offset = offset
      })
    return { auth, cloudId, host, baseUrl: `${protocol}://${host}${suffix}/${version}`, timestamp, synchronize }
  })

/**
 * Credentials from options; fails as `make` does.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Credentials, PandaInputError> =>
  Layer.effect(Credentials, make(options))

/**
 * Reads `PANDA_ACCESS_KEY` and `PANDA_SECRET_KEY`, or `PANDA_TOKEN` (which wins where both are set), and
 * `PANDA_CLOUD_ID`, `PANDA_REGION`, `PANDA_HOST`, `PANDA_PORT`. If `PANDASTREAM_URL` is set, all comes from it instead
 * (see `layerUrl`). The overrides win over both, keys over a token and a region over a host too. An empty variable
 * counts as missing.
 *
 * Fails with a `ConfigError` that names every missing or malformed variable and shows no value.
 *
 * @example
 * import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
 * import { Layer } from "effect"
 * import { Credentials, PandaClient } from "effect-panda"
 *
 * const Panda = PandaClient.layer.pipe(
 *   Layer.provide(Credentials.layerConfig({ region: "eu" })),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (overrides: Overrides = {}): Layer.Layer<Credentials, ConfigError.ConfigError> => {
  let last: { readonly options: Options; readonly credentials: Credentials.Service } | undefined
  // Read anew wherever the layer stands: what is configured there may be another account. The same one is built once.
  return Layer.fresh(Layer.effect(
    Credentials,
    Effect.gen(function*() {
      const options = yield* optionsFromConfig(overrides)
      if (last !== undefined && isSame(last.options, options)) return last.credentials
      last = { options, credentials: yield* Effect.orDie(make(options)) }
      return last.credentials
    })
  ))
}

const isSame = (left: Options, right: Options): boolean => Equal.equals(Data.struct(left), Data.struct(right))

/**
 * From the URL that a hosting platform hands out: `https://ACCESS_KEY:SECRET_KEY@HOST:PORT/CLOUD_ID`. The scheme only
 * matters where the port is left out: port 443 means https, any other http. The secret key may contain
 * `+`, `/` and `@` as they are, or percent-encoded.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_base_url.md
 * @since 0.1.0
 * @category layers
 */
export const layerUrl = (url: Redacted.Redacted<string>): Layer.Layer<Credentials, PandaInputError> =>
  Layer.effect(
    Credentials,
    Option.match(parseUrl(url), {
      onNone: () => new PandaInputError({ operation: "Credentials.layerUrl", description: URL_WORDS }),
      onSome: make
    })
  )

const URL_WORDS = "The URL is malformed: use https://ACCESS_KEY:SECRET_KEY@HOST:PORT/CLOUD_ID"

const parseUrl = (url: Redacted.Redacted<string>): Option.Option<KeyOptions> => {
  // Not a WHATWG URL: secrets contain slashes, and are not to be normalised.
  const match = /^(https?):\/\/([^:@/]+):(.+)@(\[[^\]@/]+\]|[^@/:?#]+)(?::(\d{1,5}))?\/([^/?#]+)\/?$/i.exec(
    Redacted.value(url).trim()
  )
  if (match === null) return Option.none()
  const [accessKey, secretKey, cloudId] = [match[2]!, match[3]!, match[6]!].map(percentDecode) as [
    string,
    string,
    string
  ]
  const port = match[5] === undefined ? (match[1]!.toLowerCase() === "https" ? 443 : 80) : Number(match[5])
  return Option.some({ accessKey, secretKey: Redacted.make(secretKey), cloudId, host: match[4]!, port })
}

/** Only what is well-formed; a plus stays a plus. */
const percentDecode = (text: string): string =>
  text.replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) => {
    try {
      return decodeURIComponent(run)
    } catch {
      return run
    }
  })

const variables: Record<Exclude<Fault["option"], "version"> | "cloudId", string> = {
  accessKey: "PANDA_ACCESS_KEY",
  secretKey: "PANDA_SECRET_KEY",
  token: "PANDA_TOKEN",
  cloudId: "PANDA_CLOUD_ID",
  region: "PANDA_REGION",
  host: "PANDA_HOST",
  port: "PANDA_PORT"
}

const variable = (name: string) =>
  Config.option(Config.string(name)).pipe(
    Config.map(Option.filterMap((text) => text.trim() === "" ? Option.none() : Option.some(text.trim()))),
    Config.map(Option.getOrUndefined)
  )

const optionsFromConfig = (overrides: Overrides): Effect.Effect<Options, ConfigError.ConfigError> =>
  Effect.gen(function*() {
    const url = yield* variable("PANDASTREAM_URL")
    const parsed = url === undefined ? Option.none() : parseUrl(Redacted.make(url))
    if (url !== undefined && Option.isNone(parsed)) {
      return yield* Effect.fail(ConfigError.InvalidData(["PANDASTREAM_URL"], URL_WORDS))
    }
    const read = yield* Config.all({
      accessKey: variable(variables.accessKey),
      secretKey: variable(variables.secretKey),
      token: variable(variables.token),
      cloudId: variable(variables.cloudId),
      region: variable(variables.region),
      host: variable(variables.host),
      port: variable(variables.port)
    })
    const found: Overrides = Option.getOrElse(parsed, () => ({
      cloudId: read.cloudId,
      host: read.host,
      // An unknown region is one of the faults that are reported together below.
      region: read.region as Region | undefined,
      port: read.port === undefined ? undefined : /^\d+$/.test(read.port) ? Number(read.port) : NaN,
      ...(read.token === undefined
        ? { accessKey: read.accessKey ?? "", secretKey: Redacted.make(read.secretKey ?? "") }
        : { token: Redacted.make(read.token) })
    }))
    const given: Overrides = Object.fromEntries(
      Object.entries(overrides).filter(([, value]) => value !== undefined)
    )
    const options = {
      ...found,
      // What the program says takes the place of what says the same in another way.
      ...(given.accessKey === undefined && given.secretKey === undefined ? {} : { token: undefined }),
      ...(given.token === undefined ? {} : { accessKey: undefined, secretKey: undefined }),
      ...(given.region === undefined ? {} : { host: undefined }),
      ...given
    }
    const faults = faultsOf(options)
    // Without faults it is one or the other.
    if (faults.length === 0) return options as Options
    return yield* Effect.fail(
      faults.map(({ missing, option, words }) =>
        option in given || option === "version"
          ? ConfigError.InvalidData([option], words)
          : url !== undefined
          ? ConfigError.InvalidData(["PANDASTREAM_URL"], `its ${option} ${words}`)
          : missing === true
          ? ConfigError.MissingData([variables[option]], words)
          : ConfigError.InvalidData([variables[option]], words)
      ).reduce(ConfigError.And)
    )
  })
