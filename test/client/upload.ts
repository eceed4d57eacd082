/** What the tests of uploads share: a file, an upload that is watched, and what the emulator saw of it. */
import type * as HttpClient from "@effect/platform/HttpClient"
import { assert, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Logger, Option, Ref, Stream, TestClock } from "effect"
import type * as Credentials from "effect-panda/Credentials"
import type * as PandaClient from "effect-panda/PandaClient"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import * as Upload from "effect-panda/Upload"
import * as UploadSource from "effect-panda/UploadSource"
import type { UploadState } from "effect-panda/UploadState"
import { createHash } from "node:crypto"

export const CHUNK = 1000
export const bytesOf = (size: number, seed = 0) =>
  Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8) + seed))
export const sourceOf = (size: number, name = "movie.mp4") => UploadSource.fromBytes(bytesOf(size), { name })
export const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

/** Bytes in memory as a part of a file that is read while it goes. */
export const partOf = ({ bytes, offset, size }: { offset: number; bytes: Uint8Array; size: number }) => ({
  offset,
  size,
  length: bytes.byteLength,
  take: (from: number, most: number) => Effect.succeed(bytes.subarray(from - offset, from - offset + most))
})

export const options: Upload.Options = { chunkSize: CHUNK, profiles: ["h264"] }

/** An upload that runs in the background, and what it has said so far. */
export const watch = <E, R>(upload: Stream.Stream<Upload.UploadEvent, E, R>) =>
  Effect.gen(function*() {
    const events: Array<Upload.UploadEvent> = []
    const fiber = yield* Effect.fork(Effect.exit(
      Upload.video(Stream.tap(upload, (event) => Effect.sync(() => events.push(event))))
    ))
    return { events, fiber }
  })

/** Runs an upload for ten hours at most, and tells what it said and how it ended. */
const run = <E, R>(upload: Stream.Stream<Upload.UploadEvent, E, R>) =>
  Effect.gen(function*() {
    const { events, fiber } = yield* watch(upload)
    yield* TestClock.adjust("10 hours")
    const exit = yield* Fiber.poll(fiber)
    return { events, exit: yield* Option.getOrElse(exit, () => assert.fail("it does not end")) }
  })

export const succeed = <E, R>(upload: Stream.Stream<Upload.UploadEvent, E, R>) =>
  Effect.map(run(upload), ({ events, exit }) => ({
    events,
    video: Exit.getOrElse(exit, (cause) => assert.fail(Cause.pretty(cause)))
  }))

export const failureOf = <E>(exit: Exit.Exit<unknown, E>): E =>
  Exit.match(exit, {
    onSuccess: () => assert.fail("it succeeded"),
    onFailure: (cause) => Option.getOrElse(Cause.failureOption(cause), () => assert.fail(Cause.pretty(cause)))
  })

export const fail = <E, R>(upload: Stream.Stream<Upload.UploadEvent, E, R>) =>
  Effect.map(run(upload), ({ events, exit }) => ({ events, error: failureOf(exit) }))

/** Runs an upload for a time, and leaves it. */
export const runFor = <E, R>(
  time: `${number} millis` | `${number} seconds`,
  upload: Stream.Stream<Upload.UploadEvent, E, R>
) =>
  Effect.gen(function*() {
    const { events, fiber } = yield* watch(upload)
    yield* TestClock.adjust(time)
    yield* Fiber.interrupt(fiber)
    return events
  })

export const panda = PandaEmulator.PandaEmulator
export const inject = (rule: PandaEmulator.Rule) => Effect.flatMap(panda, (panda) => panda.inject(rule))
export const requests = Effect.flatMap(panda, (panda) => panda.requests)
export const routes = Effect.map(requests, (requests) => requests.map(({ route }) => route))
export const ranges = Effect.map(
  requests,
  (requests) => requests.flatMap(({ headers }) => headers["content-range"] ?? [])
)
export const sessions = Effect.flatMap(panda, (panda) => panda.sessions)
export const theSession = Effect.map(sessions, (sessions) => sessions.at(-1)!)

/** All bytes came, none twice, and each chunk was what it said it was. */
export const arrived = (bytes: Uint8Array) =>
  Effect.gen(function*() {
    const session = yield* theSession
    assert.strictEqual(session.status, "complete")
    assert.strictEqual(session.sha256, sha256(bytes))
    assert.strictEqual(session.receivedTwice, 0)
    assert.strictEqual(session.inexactRanges, 0)
  })

export type Services =
  | PandaEmulator.PandaEmulator
  | PandaClient.PandaClient
  | Credentials.Credentials
  | HttpClient.HttpClient

export const scenario = (
  name: string,
  test: () => Effect.Effect<unknown, unknown, Services>,
  setup?: PandaEmulator.Options
) => it.effect(name, () => test().pipe(Effect.provide(PandaEmulator.layerTest(setup))))

/** Keeps the last state that an upload was in. */
export const keeper = Effect.map(Ref.make(Option.none<UploadState>()), (ref) => ({
  onState: (state: UploadState) => Ref.set(ref, Option.some(state)),
  get: Effect.flatMap(ref, Effect.orDie)
}))

/** What is logged, in lines, from debug on. */
export const logged = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => {
      lines.push(`${logLevel.label} ${(Array.isArray(message) ? message : [message]).map(String).join(" ")}`)
    })
    const value = yield* Effect.provide(effect, Logger.replace(Logger.defaultLogger, logger))
    return { value, lines }
  })
