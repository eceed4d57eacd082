/** `ingest`: the videos of a folder, durably: what was begun is carried on by the next run, at the byte that Panda has. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Cron from "effect/Cron"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Options from "@effect/cli/Options"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { createHash } from "node:crypto"
import { basename, resolve } from "node:path"
import type * as Credentials from "../../Credentials.js"
import { argument, flag, leaf, optional, text } from "../command.js"
import { connected, Connection, stateFolder } from "../configuration.js"
import { UsageError } from "../exit.js"
import type { Database } from "../ingest/database.js"
import { inLine, isUrl } from "../text.js"
import * as upload from "./upload.js"

const refuse = (message: string) => new UsageError({ message, command: "ingest" })

const UNITS = { s: "seconds", m: "minutes", h: "hours", d: "days" } as const

/** A length of time: a number and s, m, h or d. */
const length = (name: string, value: string, description: string) =>
  optional(
    Options.text(name).pipe(
      Options.withPseudoName(value),
      Options.withDescription(description),
      Options.filterMap((text) => {
        const [, digits, unit] = /^(\d+(?:\.\d+)?) ?([smhd])$/.exec(text) ?? []
        return digits === undefined || Number(digits) === 0
          ? Option.none()
          : Option.some({ text, duration: Duration.decode(`${Number(digits)} ${UNITS[unit as keyof typeof UNITS]}`) })
      }, `--${name} takes a length of time such as 30s, 5m or 1h`)
    )
  )

/** Who watches and says nothing of when. */
const EVERY = { text: "30s", duration: Duration.seconds(30) }

/** Where an account is, and who it is: the same words for the same. */
const accountOf = ({ auth, baseUrl, cloudId }: Credentials.Credentials.Service) => {
  const who = "accessKey" in auth ? auth.accessKey : Redacted.value(auth.token)
  return createHash("sha256").update(JSON.stringify([baseUrl, cloudId ?? null, who])).digest("hex").slice(0, 16)
}

/** With a secret in it it would be in every list of processes, and in the history of the shell. */
const hasSecret = (url: URL) => url.password !== "" || url.searchParams.has("password")

const VARIABLE = "PANDA_DATABASE_URL"

/** Where the state is kept, if the flag or the variable says so. */
const databaseOf = (flag: string | undefined): Either.Either<Database | undefined, UsageError> => {
  const url = flag ?? process.env[VARIABLE] ?? ""
  if (url === "" && flag === undefined) return Either.right(undefined)
  const [, file] = /^sqlite:(?:\/\/(?=\/))?(.+)$/.exec(url) ?? []
  if (file !== undefined && file !== ":memory:") return Either.right({ _tag: "Sqlite", file: resolve(file) })
  if (!/^postgres(ql)?:\/\//.test(url) || !isUrl(url)) {
    const name = flag === undefined ? VARIABLE : "--database"
    return Either.left(refuse(`${name} takes sqlite:FILE or postgres://USER@HOST/NAME`))
  }
  return flag !== undefined && hasSecret(new URL(url))
    ? Either.left(refuse(
      `a password is no flag, for others see it: put the whole URL into ${VARIABLE}, or the password into PGPASSWORD`
    ))
    : Either.right({ _tag: "Postgres", url: Redacted.make(url) })
}

/** The folder by its real name. */
const folderAt = (path: string) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const said = inLine(resolve(path))
    const { type } = yield* fs.stat(path)
    if (type !== "Directory") return yield* refuse(`${said} is no folder: effect-panda upload ${inLine(path)}`)
    yield* fs.readDirectory(path)
    return yield* fs.realPath(path)
  }).pipe(
    Effect.catchTags({
      SystemError: ({ reason }) =>
        refuse(`${inLine(resolve(path))} ${reason === "NotFound" ? "does not exist" : `cannot be read (${reason})`}`),
      BadArgument: () => refuse(`${inLine(path)} is no path`)
    })
  )

const { wait: _wait, noWait: _noWait, ...options } = upload.options

export const ingest = leaf({
  name: "ingest",
  summary: "Ingest the videos of a folder, durably",
  details: [
    "Uploads what is new in the folder and in those in it, waits for the encodings, and prints where they are. What it knows is kept in a database: killed and started again it goes on where it was, at the byte that Panda has. A file that was ingested is not ingested again unless it has changed; one that failed is tried again by the next run.",
    `By default it ends when all is done. The database is a SQLite file in the state folder, for which the package better-sqlite3 has to be installed beside this one; --database names another, such as one in PostgreSQL, and ${VARIABLE} does where the URL has a password.`
  ],
  examples: [
    { line: "ingest recordings --profiles h264,webm", does: "all that is there" },
    { line: "ingest recordings --all-profiles --watch", does: "and what comes, until Ctrl-C" },
    { line: "ingest recordings --cron '0 3 * * *'", does: "what has come, every night at three" },
    { line: "ingest recordings --database postgres://panda@db.example.com/panda", does: "kept in PostgreSQL" }
  ],
  connects: true,
  options: {
    ...options,
    database: text("database", "URL", "Where to keep what it knows: sqlite:FILE or postgres://USER@HOST/NAME"),
    watch: flag("watch", "Go on looking for new files, every 30 seconds"),
    every: length("every", "TIME", "Go on looking so often, such as 30s, 5m or 1h"),
    cron: text("cron", "TIMES", "Go on looking at these times, such as '0 3 * * *', by this machine's clock")
  },
  args: { folder: argument("FOLDER", "The folder") },
  run: ({ cron, database, every, folder, watch, ...values }) =>
    Effect.gen(function*() {
      if (every !== undefined && cron !== undefined) {
        return yield* refuse("--every and --cron exclude each other: leave one out")
      }
      const times = cron === undefined ? undefined : Option.getOrUndefined(Either.getRight(Cron.parse(cron)))
      if (cron !== undefined && times === undefined) {
        return yield* refuse("--cron takes five or six fields, such as '0 3 * * *'")
      }
      const asked = yield* databaseOf(database)
      const chosen = yield* upload.transferOptions({ ...values, wait: false, noWait: true })
      const path = yield* folderAt(folder)
      const { credentials } = yield* (yield* Connection).credentials
      const account = accountOf(credentials)
      const name = createHash("sha256").update(JSON.stringify([path, account])).digest("hex").slice(0, 10)
      const own = `${values.state ?? stateFolder()}/ingest/${inLine(basename(path)).slice(0, 40)}-${name}.db`
      const { bandwidth, chunkSize, concurrency, onExpired: _, wait: _wait, ...submission } = chosen
      const interval = every ?? (watch ? EVERY : undefined)
      // The engine and its databases are much to load, for one command.
      const { run } = yield* Effect.promise(() => import("../ingest/pipeline.js"))
      yield* run({
        folder,
        path,
        account,
        database: asked ?? { _tag: "Sqlite", file: own },
        submission,
        uploads: concurrency,
        bandwidth,
        chunkSize,
        schedule: times ?? (interval === undefined ? undefined : Schedule.spaced(interval.duration)),
        when: times === undefined ? `every ${interval?.text ?? ""}` : `by ${inLine(cron ?? "")}`,
        again: upload.again()
      }).pipe(connected)
    })
})
