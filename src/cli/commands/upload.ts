/** `upload`: files to Panda, from where an earlier run stopped. */
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { resolve } from "node:path"
import * as Encodings from "../../Encodings.js"
import * as UploadSource from "../../UploadSource.js"
import { argument, flag, integer, leaf, optional, text } from "../command.js"
import { connected } from "../configuration.js"
import { UsageError } from "../exit.js"
import { Output } from "../output.js"
import * as store from "../store.js"
import { inLine, quoted } from "../text.js"
import * as transfers from "../transfers.js"

/** How much: a number, with K, M or G for the powers of 1024. */
const amount = (name: string, value: string, description: string) =>
  optional(
    Options.text(name).pipe(
      Options.withPseudoName(value),
      Options.withDescription(description),
      Options.filterMap((text) => {
        const [, digits, unit] = /^(\d+(?:\.\d+)?) ?([kmg]?)(?:i?b)?$/i.exec(text) ?? []
        const count = Math.floor(Number(digits) * 1024 ** " kmg".indexOf((unit ?? "").toLowerCase() || " "))
        return digits !== undefined && count > 0 ? Option.some(count) : Option.none()
      }, `--${name} takes an amount such as 500K, 2M or 1.5G`)
    )
  )

const WAIT = "Whether to follow the encodings to their end; by default on a terminal only"

/** Those that `demo` has, too. */
export const options = {
  profiles: text("profiles", "NAMES", "The profiles to encode with, by name or id, with commas between"),
  allProfiles: flag("all-profiles", "Encode with all profiles of the cloud"),
  pathFormat: text("path-format", "FORMAT", "Where the files are stored, such as videos/:id"),
  payload: text("payload", "TEXT", "A text that stays with the video"),
  chunkSize: amount("chunk-size", "SIZE", "Bytes in a chunk, such as 5M; by default chunks adapt to the connection"),
  limit: amount("limit", "SIZE", "Bytes a second that all files may take together, such as 2M"),
  concurrency: integer("concurrency", "COUNT", "How many files at a time; 3 by default", 1),
  wait: flag("wait", WAIT),
  noWait: flag("no-wait", WAIT),
  state: text("state", "FOLDER", "Where unfinished uploads are kept; $XDG_STATE_HOME/effect-panda by default")
}

export type Values = {
  readonly [K in keyof typeof options]: (typeof options)[K] extends Options.Options<infer A> ? A : never
}

/** What the flags say of an upload. */
export const transferOptions = (values: Values) =>
  Effect.gen(function*() {
    const { allProfiles, chunkSize, concurrency = 3, limit, noWait, pathFormat, payload, profiles, wait } = values
    const { draws } = yield* Output
    const refuse = (message: string) => new UsageError({ message, command: "upload" })
    if (allProfiles && profiles !== undefined) {
      return yield* refuse("--profiles and --all-profiles exclude each other: leave one out")
    }
    if (wait && noWait) return yield* refuse("--wait and --no-wait exclude each other: leave one out")
    return {
      concurrency,
      chunkSize,
      bandwidth: limit,
      wait: wait || (draws && !noWait) ? Encodings.defaultPolling : undefined,
      // Its bytes are still here: what is lost is only what had been sent.
      onExpired: "restart" as const,
      ...allProfiles ? { use_all_profiles: true } : {},
      ...profiles === undefined ? {} : { profiles: profiles.split(",").map((name) => name.trim()) },
      ...pathFormat === undefined ? {} : { path_format: pathFormat },
      ...payload === undefined ? {} : { payload }
    }
  })

/** What is wrong with files is told of all of them, before anything is sent. */
export const inputs = (paths: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const faultOf = (path: string) =>
      Effect.gen(function*() {
        const found = yield* fs.stat(path)
        if (found.type === "Directory") return "is a folder: name its files"
        if (found.type !== "File") {
          return `is no regular file but a ${found.type}: pipe it into effect-panda upload - --size BYTES`
        }
        if (found.size === 0n) return "is empty"
        yield* Effect.scoped(fs.open(path, { flag: "r" }))
        return undefined
      }).pipe(
        Effect.catchAll((error) =>
          Effect.succeed(
            error._tag === "SystemError" && error.reason === "NotFound"
              ? "does not exist"
              : `cannot be read (${error._tag === "SystemError" ? error.reason : error._tag})`
          )
        )
      )
    // What quotes around a variable leave that is not set: resolved, it would be this folder.
    if (paths.includes("")) return yield* new UsageError({ message: "there is a file with an empty name: name it" })
    const faults = yield* Effect.forEach(
      paths,
      (path) => Effect.map(faultOf(path), (fault) => fault === undefined ? [] : [`${inLine(resolve(path))} ${fault}`]),
      { concurrency: 16 }
    )
    const found = faults.flat()
    if (found.length > 0) return yield* new UsageError({ message: found.join("\n") })
    const unique = [...new Map(paths.map((path) => [resolve(path), path])).values()]
    return yield* Effect.forEach(unique, (path) =>
      Effect.map(UploadSource.fromFile(path), (source): transfers.Input => ({ path, source })))
  })

/** The command line as it was typed, to be typed again. */
export const again = () => {
  const { argv, env } = process
  const start = env["npm_lifecycle_event"] === "start" ? ["npm", "start", "--"] : ["effect-panda"]
  const words = env["npm_lifecycle_event"] === "start" ? argv.slice(3) : argv.slice(2)
  return [...start, ...words.map(quoted)].join(" ").replace(/ --$/, "")
}

export const upload = leaf({
  name: "upload",
  summary: "Upload files, resumably",
  details: [
    "An upload that was interrupted goes on by itself when the same command is run again, at the byte that Panda has. Without --profiles and --all-profiles Panda stores the file and encodes nothing.",
    "The file - is standard input, whose --size has to be given; what comes from there cannot be resumed."
  ],
  examples: [
    { line: "upload movie.mp4 --profiles h264,webm", does: "upload, encode, and print where the results are" },
    { line: "upload *.mp4 --all-profiles --limit 2M", does: "several, with two MiB a second for all" },
    { line: "upload - --size 1048576 --name movie.mp4 < movie.mp4", does: "from standard input" },
    { line: "upload movie.mp4 --no-wait --json", does: "for a script" }
  ],
  connects: true,
  options: {
    ...options,
    size: amount("size", "SIZE", "How many bytes come from standard input"),
    name: text("name", "NAME", "What standard input is called; standard-input by default")
  },
  args: { files: Args.atLeast(argument("FILE", "A file, or - for standard input"), 1) },
  run: ({ files, name, size, ...values }) =>
    Effect.gen(function*() {
      const refuse = (message: string) => new UsageError({ message, command: "upload" })
      const piped = files.includes("-")
      if (piped && files.length > 1) return yield* refuse("- goes alone: standard input is one file")
      if (piped && size === undefined) return yield* refuse("- needs --size: how many bytes come from standard input")
      if (!piped && (size !== undefined || name !== undefined)) {
        return yield* refuse("--size and --name are for standard input: effect-panda upload - --size BYTES")
      }
      const chosen = yield* transferOptions(values)
      const from = piped
        ? [{
          path: "-",
          source: UploadSource.fromStream(NodeStream.stdin, { name: name ?? "standard-input", size: size! })
        }]
        : yield* inputs(files)
      const states = yield* store.asked(values.state)
      yield* connected(transfers.run(from, { ...chosen, again: piped ? undefined : again() })).pipe(
        Effect.provide(states)
      )
    })
})
