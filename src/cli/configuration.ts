/**
 * Who the command works as. Flags come first, then the environment with the names that the library has, then an account
 * of the configuration file: `default`, or the one that `--as` names, which as a flag wins over the environment.
 *
 * What signs requests comes from one of them only: the key of one account with the secret of another helps nobody.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Arr from "effect/Array"
import * as ConfigProvider from "effect/ConfigProvider"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { homedir } from "node:os"
import { join } from "node:path"
import * as Credentials from "../Credentials.js"
import * as PandaClient from "../PandaClient.js"
import { ConfigurationError } from "./exit.js"
import * as http from "./http.js"
import { inLine } from "./text.js"

export interface ConnectionOptions {
  readonly as: string | undefined
  readonly config: string | undefined
  readonly cloud: string | undefined
  readonly region: Credentials.Region | undefined
  readonly host: string | undefined
  readonly port: number | undefined
}

/** What a command talks to Panda through. */
export class Connection extends Context.Tag("effect-panda/cli/Connection")<Connection, Connection.Service>() {}

export declare namespace Connection {
  export interface Service {
    readonly options: ConnectionOptions
    /** Where the configuration is, or would be. */
    readonly file: string
    readonly credentials: Effect.Effect<Found, ConfigurationError, FileSystem.FileSystem>
  }
  export interface Found {
    readonly credentials: Credentials.Credentials.Service
    /** In words. */
    readonly from: string
  }
}

const { env } = process

/** A folder of the XDG base directories. */
const folder = (variable: string, fallback: string) => {
  const set = env[variable]
  // One that is not absolute is to be ignored, says the specification.
  return join(set?.startsWith("/") === true ? set : join(homedir(), fallback), "effect-panda")
}

/** Where unfinished uploads and the like are kept. */
export const stateFolder = () => folder("XDG_STATE_HOME", ".local/state")

const configFile = () => join(folder("XDG_CONFIG_HOME", ".config"), "config.json")

/** An account as the file has it, under the names of the variables that it takes the place of. */
const variables = {
  accessKey: "PANDA_ACCESS_KEY",
  secretKey: "PANDA_SECRET_KEY",
  token: "PANDA_TOKEN",
  cloudId: "PANDA_CLOUD_ID",
  region: "PANDA_REGION",
  host: "PANDA_HOST",
  port: "PANDA_PORT"
} as const

const identity = ["PANDASTREAM_URL", "PANDA_ACCESS_KEY", "PANDA_SECRET_KEY", "PANDA_TOKEN"]

const attribute = Schema.optional(Schema.NonEmptyString)

export type Account = typeof Account.Type
export const Account = Schema.Struct({
  accessKey: attribute,
  secretKey: attribute,
  token: attribute,
  cloudId: attribute,
  region: Schema.optional(Schema.Literal("us", "eu", "gce")),
  host: attribute,
  port: Schema.optional(Schema.Union(Schema.Int, Schema.NonEmptyString))
})

export type File = typeof File.Type
export const File = Schema.Struct({ accounts: Schema.Record({ key: Schema.String, value: Account }) })

const decodeFile = Schema.decodeUnknown(Schema.parseJson(File), { onExcessProperty: "error" })

/** The file, if it is there. Shows nothing of what is in it. */
export const readFile = (path: string): Effect.Effect<Option.Option<File>, ConfigurationError, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const refuse = (why: string) => new ConfigurationError({ message: `${path} ${why}` })
    const found = yield* Effect.either(fs.stat(path))
    if (found._tag === "Left") {
      const { left } = found
      return left._tag === "SystemError" && left.reason === "NotFound"
        ? Option.none()
        : yield* refuse("cannot be read: check its permissions")
    }
    const { mode, type } = found.right
    if (type !== "File") return yield* refuse("is not a file")
    if ((mode & 0o077) !== 0) {
      return yield* refuse(`holds secrets, and others may read it: chmod 600 ${path}`)
    }
    const text = yield* Effect.mapError(fs.readFileString(path), () => refuse("cannot be read: check its permissions"))
    return Option.some(
      yield* Effect.mapError(decodeFile(text), () =>
        refuse(
          `is not a configuration: it has the form {"accounts":{"default":{"accessKey":"…","secretKey":"…","cloudId":"…"}}}`
        ))
    )
  })

const isSet = (name: string) => (env[name] ?? "").trim() !== ""

/** Whether the environment says who we are. */
export const inEnvironment = () => identity.some(isSet)

const messages = (error: ConfigError.ConfigError): ReadonlyArray<string> => {
  switch (error._op) {
    case "And":
    case "Or":
      return [...messages(error.left), ...messages(error.right)]
    default:
      return [`${error.path.join(".")} ${error.message}`]
  }
}

const cures = (file: string) =>
  [
    "there are no credentials. One of these helps:",
    "  export PANDA_ACCESS_KEY=… PANDA_SECRET_KEY=… PANDA_CLOUD_ID=…   as your account at Panda shows them",
    `  effect-panda login                                              keeps them in ${file}`,
    "  effect-panda demo                                               needs none: a Panda on this machine"
  ].join("\n")

export const make = (options: ConnectionOptions): Connection.Service => {
  const file = options.config ?? configFile()

  const account = Effect.gen(function*() {
    const { as } = options
    const content = yield* readFile(file)
    const accounts = Option.match(content, { onNone: () => ({}), onSome: ({ accounts }) => accounts })
    const names = Object.keys(accounts)
    if (as !== undefined && !Object.hasOwn(accounts, as)) {
      return yield* new ConfigurationError({
        message: `${file} has no account ${inLine(as)}${
          names.length === 0 ? "" : `, only ${names.map(inLine).join(", ")}`
        }: effect-panda login --as ${inLine(as)}`
      })
    }
    if (as === undefined && options.config !== undefined && Option.isNone(content)) {
      return yield* new ConfigurationError({ message: `${file} does not exist: effect-panda login --config ${file}` })
    }
    return Option.fromNullable((accounts as File["accounts"])[as ?? "default"])
  })

  const credentials = Effect.gen(function*() {
    const fromEnvironment = options.as === undefined && inEnvironment()
    const chosen = fromEnvironment ? Option.none<Account>() : yield* account
    if (!fromEnvironment && Option.isNone(chosen)) return yield* new ConfigurationError({ message: cures(file) })
    const kept = Option.match(chosen, {
      onNone: () => [],
      onSome: (account) =>
        Object.entries(variables).flatMap(([name, variable]) => {
          const value = account[name as keyof typeof variables]
          return value === undefined ? [] : [[variable, String(value)] as const]
        })
    })
    const outside = [...Object.values(variables), "PANDASTREAM_URL"].flatMap((name) =>
      isSet(name) && (fromEnvironment || (options.as === undefined && !identity.includes(name)))
        ? [[name, env[name]!] as const]
        : []
    )
    const from = fromEnvironment ? "the environment" : `account ${options.as ?? "default"} of ${file}`
    const { cloud, host, port, region } = options
    return yield* Effect.map(Credentials.Credentials, (credentials) => ({ credentials, from })).pipe(
      Effect.provide(Credentials.layerConfig({ cloudId: cloud, host, port, region })),
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map([...kept, ...outside]))),
      Effect.mapError((error) =>
        new ConfigurationError({
          message: `the credentials in ${from} are not whole:\n${
            Arr.map(messages(error), (message) => `  ${message}`).join("\n")
          }`
        })
      )
    )
  })

  return { options, file, credentials }
}

/** Runs what talks to Panda, as whoever the configuration says. */
export const connected = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<
  A,
  E | ConfigurationError,
  Exclude<R, PandaClient.PandaClient> | Connection | FileSystem.FileSystem
> =>
  Effect.gen(function*() {
    const connection = yield* Connection
    const { credentials } = yield* connection.credentials
    return yield* Effect.provide(
      effect,
      PandaClient.layer.pipe(
        Layer.provide(Layer.succeed(Credentials.Credentials, credentials)),
        Layer.provide(http.layer)
      )
    )
  })
