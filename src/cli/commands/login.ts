/** `login`: keeps credentials in the configuration file, which only its owner can read. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { dirname } from "node:path"
import * as Random from "effect/Random"
import { ask, canAsk, input } from "../ask.js"
import { leaf } from "../command.js"
import { type Account, Connection, readFile } from "../configuration.js"
import { ConfigurationError, UsageError } from "../exit.js"
import { Output } from "../output.js"
import { inLine } from "../text.js"

/** In the order in which they are asked for; a token makes the secret key needless. */
const answersOf = (lines: ReadonlyArray<string>): Account => {
  const [first = "", ...others] = lines.map((line) => line.trim())
  if (first.startsWith("clou_")) return { token: first, ...others[0] ? { cloudId: others[0] } : {} }
  const [secretKey, cloudId] = others
  return { accessKey: first, ...secretKey ? { secretKey } : {}, ...cloudId ? { cloudId } : {} }
}

const named = {
  PANDA_ACCESS_KEY: "accessKey",
  PANDA_SECRET_KEY: "secretKey",
  PANDA_TOKEN: "token",
  PANDA_CLOUD_ID: "cloudId",
  PANDA_REGION: "region",
  PANDA_HOST: "host",
  PANDA_PORT: "port"
} as const

/** Standard input: the answers, a line each; or lines such as `export PANDA_ACCESS_KEY=…`. */
const accountIn = (text: string): Account => {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "")
  const pairs = lines.map((line) => /^(?:export +)?(PANDA_\w+)=(["']?)(.*)\2$/.exec(line))
  const account: Record<string, string> = {}
  for (const pair of pairs) {
    if (pair === null) return answersOf(lines)
    const [, variable = "", , value = ""] = pair
    if (Object.hasOwn(named, variable)) account[named[variable as keyof typeof named]] = value
  }
  return account
}

const asked = Effect.gen(function*() {
  const first = yield* ask("Access key, or the token of a cloud: ")
  const secret = first.trim().startsWith("clou_") ? [] : [yield* ask("Secret key (not shown): ", { hidden: true })]
  const cloud = yield* ask("Cloud id: ")
  return answersOf([first, ...secret, cloud])
})

export const login = leaf({
  name: "login",
  summary: "Keep credentials in the configuration file",
  details: [
    "Asks for them on a terminal. Elsewhere it reads standard input: the access key, the secret key and the id of the cloud, a line each, or the token of a cloud, or lines such as PANDA_ACCESS_KEY=…. Only you can read the file."
  ],
  examples: [
    { line: "login", does: "asks" },
    { line: "login --as production < credentials.txt", does: "another account, to be named with --as" }
  ],
  connects: true,
  options: {},
  args: {},
  run: () =>
    Effect.gen(function*() {
      const output = yield* Output
      const fs = yield* FileSystem.FileSystem
      const { file, options } = yield* Connection
      const { cloud, host, port, region } = options
      const before = yield* readFile(file)
      const given = canAsk() ? yield* asked : accountIn(yield* input)
      const account: Account = {
        ...given,
        ...cloud === undefined ? {} : { cloudId: cloud },
        ...region === undefined ? {} : { region },
        ...host === undefined ? {} : { host },
        ...port === undefined ? {} : { port }
      }
      if (!(account.token || (account.accessKey && account.secretKey))) {
        return yield* new UsageError({
          message: "that is not all: an access key and its secret key are needed, or a token",
          command: "login"
        })
      }
      const name = options.as ?? "default"
      const accounts = {
        ...Option.match(before, { onNone: () => ({}), onSome: ({ accounts }) => accounts }),
        [name]: account
      }
      // Whole or not at all, and at no moment for others to read.
      const aside = `${file}.${yield* Random.nextInt}.new`
      yield* fs.makeDirectory(dirname(file), { recursive: true, mode: 0o700 }).pipe(
        Effect.zipRight(fs.writeFileString(aside, `${JSON.stringify({ accounts }, undefined, 2)}\n`, { mode: 0o600 })),
        Effect.zipRight(fs.rename(aside, file)),
        Effect.mapError((error) => new ConfigurationError({ message: `${file} cannot be written: ${error.message}` }))
      )
      yield* output.note(
        `Kept as ${inLine(name)} in ${file}. Whether it works: effect-panda doctor${
          options.as === undefined ? "" : ` --as ${inLine(name)}`
        }`
      )
      yield* output.emit({ type: "result", value: { account: name, file } })
    })
})
