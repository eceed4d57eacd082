/**
 * The main job: uploads a video, resumably, and follows its encodings.
 *
 *     npm start -- [FILE] [--state STATE]
 *
 * With PANDA_ACCESS_KEY and so on (or PANDASTREAM_URL) in the environment it talks to Panda, without them to an
 * emulator that it starts. Exits with 0 when all is encoded, with 1 on failure, with 130 when interrupted.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Config, Console, Data, Effect, Exit, Layer, Option, Schedule, Schema, Stream } from "effect"
import { Clouds, Credentials, Encodings, PandaClient, Upload, UploadSource, UploadState, Videos } from "effect-panda"
import { PandaEmulator } from "effect-panda/PandaEmulator"
import { createHash } from "node:crypto"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as Emulator from "./emulator.js"
import * as Screen from "./screen.js"

class ArgumentError extends Data.TaggedError("ArgumentError") {
  override readonly message = "these arguments mean nothing here. Use: npm start -- [FILE] [--state STATE]"
}

const readArguments = Effect.try({
  try: () => {
    const { positionals, values } = parseArgs({ allowPositionals: true, options: { state: { type: "string" } } })
    const file = positionals[0] ?? fileURLToPath(new URL("../test/fixtures/panda.mp4", import.meta.url))
    const fallback = join(tmpdir(), `${basename(file)}.upload.json`)
    return { file, resume: values.state !== undefined, stateFile: values.state ?? fallback }
  },
  catch: () => new ArgumentError()
})

/** Small enough for progress to be seen. */
const chunkSize = (size: number) => Math.min(Math.max(Math.ceil(size / 20), 8 * 1024), 8 * 1024 * 1024)

const upload = (
  file: string,
  stateFile: string,
  unfinished: Option.Option<UploadState.UploadState>
) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const screen = yield* Screen.make
    const source = yield* UploadSource.fromFile(file)
    let state = unfinished

    // Whole or not at all, and for its owner only: the state says where to write to.
    const onState = (next: UploadState.UploadState) =>
      Effect.gen(function*() {
        state = Option.some(next)
        yield* fs.writeFileString(`${stateFile}.new`, yield* Schema.encode(UploadState.Json)(next), { mode: 0o600 })
        yield* fs.rename(`${stateFile}.new`, stateFile)
      }).pipe(Effect.catchAll((error) => Console.error(`The state could not be saved: ${error.message}`)))

    // What is wrong with the file, if anything, the upload says.
    const size = yield* Effect.orElseSucceed(fs.stat(file), () => ({ size: 0n }))
    const options: Upload.Options = { profiles: ["h264", "webm"], chunkSize: chunkSize(Number(size.size)), onState }
    const events = Option.match(unfinished, {
      onNone: () => Upload.start(source, options),
      onSome: (state) => Upload.resume(state, source, options)
    })
    return yield* events.pipe(
      Stream.tap((event) =>
        event._tag === "Progress"
          ? screen.progress((event.acknowledged / event.size) * 100, Upload.describe(event))
          : screen.line(Upload.describe(event))
      ),
      Upload.video,
      Effect.onInterrupt(() =>
        Option.match(state, {
          onNone: () => screen.line("Interrupted before anything was sent."),
          onSome: ({ acknowledged }) =>
            screen.line(
              `Interrupted at byte ${acknowledged}. To go on: npm start -- ${file} --state ${stateFile}`
            )
        })
      )
    )
  })

const follow = (videoId: string) =>
  Effect.gen(function*() {
    const screen = yield* Screen.make
    const cloud = yield* Clouds.current
    const encodings = yield* Encodings.watchVideo(videoId, { schedule: Schedule.spaced("500 millis") }).pipe(
      Stream.tap((encodings) =>
        screen.progress(
          Math.min(...encodings.map(({ encoding_progress = 0 }) => encoding_progress)),
          encodings.map(({ encoding_progress = 0, profile_name }) =>
            `${profile_name} ${Math.floor(encoding_progress)} %`
          )
            .join(", ")
        )
      ),
      Stream.runLast,
      Effect.map(Option.getOrElse(() => []))
    )
    const video = yield* Videos.find(videoId)
    yield* screen.line(`Video     ${video.id}  ${video.status}`)
    for (const encoding of encodings) {
      const url = Option.getOrElse(Encodings.url(encoding, cloud), () => encoding.error_message ?? "no file")
      yield* screen.line(`Encoding  ${encoding.profile_name}  ${encoding.status}  ${url}`)
    }
  })

const compareHashes = (file: string) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const hash = createHash("sha256")
    yield* Stream.runForEach(fs.stream(file), (bytes) => Effect.sync(() => hash.update(bytes)))
    yield* Console.log(`Sent      sha256 ${hash.digest("hex")}`)
    const panda = yield* Effect.serviceOption(PandaEmulator)
    if (Option.isSome(panda)) {
      const sessions = yield* panda.value.sessions
      yield* Console.log(`Received  sha256 ${sessions.at(-1)?.sha256}`)
    }
  })

const configured = Config.all(
  ["PANDASTREAM_URL", "PANDA_ACCESS_KEY", "PANDA_SECRET_KEY", "PANDA_TOKEN", "PANDA_CLOUD_ID"].map((name) =>
    Config.option(Config.string(name))
  )
).pipe(Config.map((variables) => variables.some(Option.isSome)))

const panda = PandaClient.layer.pipe(
  Layer.provide(Credentials.layerConfig()),
  Layer.provide(NodeHttpClient.layerUndici)
)

const emulated = (options: Emulator.Options) =>
  PandaClient.layer.pipe(
    Layer.provideMerge(Emulator.layer(options)),
    Layer.provide(NodeHttpClient.layerUndici)
  )

const messageOf = (error: unknown): string => error instanceof Error ? error.message : String(error)

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const { file, resume, stateFile } = yield* readArguments
  const unfinished = resume && (yield* fs.exists(stateFile))
    ? Option.some(yield* Schema.decode(UploadState.Json)(yield* fs.readFileString(stateFile)))
    : Option.none<UploadState.UploadState>()
  const spool = `${stateFile}.received`

  const job = Effect.gen(function*() {
    const { credentials } = yield* PandaClient.PandaClient
    yield* Console.log(
      (yield* configured)
        ? `Talking to Panda at ${credentials.baseUrl}`
        : `No credentials in the environment: talking to an emulator at ${credentials.baseUrl}`
    )
    const { id } = yield* upload(file, stateFile, unfinished)
    yield* Effect.forEach([stateFile, spool], (path) => fs.remove(path, { force: true }))
    yield* follow(id)
    yield* compareHashes(file)
  })

  return yield* (yield* configured) ? Effect.provide(job, panda) : Effect.provide(job, emulated({ spool, unfinished }))
})

program.pipe(
  Effect.provide(NodeContext.layer),
  Effect.tapErrorCause((cause) =>
    Cause.isInterruptedOnly(cause) ? Effect.void : Console.error(`Failed: ${messageOf(Cause.squash(cause))}`)
  ),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, end) => end(Exit.isSuccess(exit) ? 0 : Cause.isInterruptedOnly(exit.cause) ? 130 : 1)
  })
)
