/** `demo`: an upload to a Panda on this machine, which fails twice on the way. It is what `npm start` runs. */
import * as Args from "@effect/cli/Args"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpServer from "@effect/platform/HttpServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { basename } from "node:path"
import { fileURLToPath } from "node:url"
import * as Credentials from "../../Credentials.js"
import * as PandaClient from "../../PandaClient.js"
import * as PandaEmulator from "../../PandaEmulator.js"
import { Fault } from "../../PandaEmulator.js"
import type { UploadState } from "../../UploadState.js"
import * as UploadStore from "../../UploadStore.js"
import { argument, flag, leaf } from "../command.js"
import { connected, inEnvironment, stateFolder } from "../configuration.js"
import { codes, Ended } from "../exit.js"
import * as http from "../http.js"
import * as local from "../local.js"
import * as own from "../own.js"
import { Output } from "../output.js"
import * as store from "../store.js"
import { inLine } from "../text.js"
import * as transfers from "../transfers.js"
import * as upload from "./upload.js"

/** The video that comes along: beside the bundle, or where the tests have it. */
const sample = () =>
  ["./panda.mp4", "../../../test/fixtures/panda.mp4"]
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find(existsSync)!

/** Small enough for progress to be seen. */
const chunkSize = (size: number) => Math.min(Math.max(Math.ceil(size / 20), 8 * 1024), 8 * 1024 * 1024)

const sha256 = (path: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => {
    const hash = createHash("sha256")
    return Effect.as(Stream.runForEach(fs.stream(path), (bytes) => Effect.sync(() => hash.update(bytes))), hash)
  }).pipe(Effect.map((hash) => hash.digest("hex")))

/** Sees to it that what was received is what was sent. */
const compare = (inputs: ReadonlyArray<transfers.Input>) =>
  Effect.gen(function*() {
    const output = yield* Output
    const sessions = yield* (yield* PandaEmulator.PandaEmulator).sessions
    for (const { path } of inputs) {
      const sent = yield* sha256(path)
      const received = sessions.filter(({ name, status }) => name === basename(path) && status === "complete").at(-1)
        ?.sha256
      yield* output.emit({ type: "item", item: { file: path, sent, received: received ?? null } })
      yield* output.print(`Sent      sha256 ${sent}`)
      yield* output.print(`Received  sha256 ${received ?? "nothing"}`)
      if (sent !== received) {
        yield* output.complain(output.style.err("red", `${inLine(path)}: Panda received something else than was sent`))
        return yield* new Ended({ code: codes.failed, message: "the hashes differ" })
      }
    }
    yield* output.note(output.style.err("green", "The hashes agree."))
  })

export const demo = leaf({
  name: "demo",
  summary: "Upload to a Panda on this machine, which fails twice on the way",
  details: [
    "Needs no account. Interrupt it with Ctrl-C and run it again: it goes on where it stopped. Without a FILE it uploads a small video of its own."
  ],
  examples: [
    { line: "demo", does: "the sample" },
    { line: "demo movie.mp4", does: "a file of yours, which does not leave this machine" }
  ],
  connects: true,
  options: {
    ...upload.options,
    encode: flag("encode", "Really encode, where there is ffmpeg"),
    real: flag("real", "Go to Panda itself where the environment has credentials")
  },
  args: { files: Args.repeated(argument("FILE", "A file to upload")) },
  run: ({ encode, files, real, ...values }) =>
    Effect.gen(function*() {
      const output = yield* Output
      const inputs = yield* upload.inputs(files.length === 0 ? [sample()] : files)
      const chosen = yield* upload.transferOptions({
        ...values,
        wait: !values.noWait,
        profiles: values.profiles ?? (values.allProfiles ? undefined : "h264,webm")
      })
      const fs = yield* FileSystem.FileSystem
      const sizes = yield* Effect.forEach(inputs, ({ path }) => fs.stat(path))
      const options: transfers.Options = {
        ...chosen,
        wait: chosen.wait === undefined ? undefined : Schedule.spaced("500 millis"),
        chunkSize: chosen.chunkSize ?? chunkSize(Math.max(...sizes.map(({ size }) => Number(size)))),
        again: upload.again()
      }
      const job = (onState?: transfers.Options["onState"]) =>
        Effect.gen(function*() {
          const { credentials: { baseUrl } } = yield* PandaClient.PandaClient
          yield* output.note(
            real && inEnvironment()
              ? `Talking to Panda at ${baseUrl}`
              : `${real ? "No credentials in the environment: talking" : "Talking"} to an emulator at ${baseUrl}`
          )
          return yield* transfers.run(inputs, { ...options, onState })
        })
      const states = yield* store.asked(values.state)
      if (real && inEnvironment()) return yield* connected(job()).pipe(Effect.provide(states))

      const folder = `${values.state ?? stateFolder()}/demo`
      const missing = encode ? yield* own.withoutEncoder : undefined
      if (missing !== undefined) yield* output.note(`Nothing is really encoded: ${missing}`)
      const encodes = encode && missing === undefined
      const spool = local.spool(`${folder}/received`)
      yield* Effect.gen(function*() {
        const { list } = yield* UploadStore.UploadStore
        const unfinished = yield* list
        const port = unfinished.length === 0 ? 0 : local.portIn(unfinished[0]!.state)
        yield* Effect.gen(function*() {
          const panda = yield* PandaEmulator.PandaEmulator
          // With an encoder it has a folder, and finds by itself what it had.
          if (!encodes) yield* Effect.forEach(unfinished, ({ state }) => local.restore(panda, spool, state))
          else if (unfinished.length === 0) yield* panda.reset
          yield* panda.inject({ route: "chunk", fault: Fault.delay("60 millis"), times: Infinity })
          yield* panda.inject({ route: "chunk", fault: Fault.resetDuring({ after: 0.5 }), skip: 2 })
          yield* panda.inject({ route: "chunk", fault: Fault.status(503), skip: 4 })
          const name = (state: UploadState) =>
            Effect.map(panda.sessions, (sessions) => {
              const id = Redacted.value(state.id)
              return spool.name(sessions.findIndex((session) => session.id === id), id)
            })
          yield* job(encodes ? undefined : name)
          yield* compare(inputs)
          if (encodes) yield* watch(`${folder}/panda`)
          for (const { id } of yield* panda.sessions) spool.remove(id)
        }).pipe(Effect.provide(emulated(
          encodes
            // A disk that cannot be written, or another demo, costs the resumption, not the upload.
            ? Layer.catchAll(
              own.layer(`${folder}/panda`, { hash: local.hash }, own.encoder),
              () => own.layer(undefined, { hash: local.hash }, own.encoder)
            )
            : PandaEmulator.layerServer({ encodingTime: "4 seconds", hash: spool.hash }),
          port
        )))
      }).pipe(Effect.provide(UploadStore.layerFileSystem(`${folder}/uploads`)))
    })
})

/** Where the first of what was made is, which stays when the emulator ends. */
const watch = (folder: string) =>
  Effect.gen(function*() {
    const output = yield* Output
    const { cloudId, encodings } = yield* PandaEmulator.PandaEmulator
    const files = (yield* encodings).flatMap(({ files }) => files as ReadonlyArray<string>)
    const path = `${folder}/storage/${cloudId}/${files.find((file) => file.endsWith(".mp4")) ?? files[0] ?? ""}`
    const { exists } = yield* FileSystem.FileSystem
    if (files.length > 0 && (yield* exists(path))) yield* output.note(`Watch it: ${path}`)
  })

/** The emulator, and a client that talks to it. */
const emulated = <E>(emulator: Layer.Layer<PandaEmulator.PandaEmulator, E, HttpServer.HttpServer>, port: number) => {
  const credentials = Layer.unwrapEffect(Effect.gen(function*() {
    const { accessKey, cloudId, secretKey } = yield* PandaEmulator.PandaEmulator
    const port = local.portOf(yield* HttpServer.HttpServer)
    return Credentials.layer({ accessKey, secretKey, cloudId, host: "127.0.0.1", port })
  }))
  return PandaClient.layer.pipe(
    Layer.provide(credentials),
    Layer.provideMerge(emulator),
    Layer.provide(local.server(port)),
    Layer.provide(http.layer)
  )
}
