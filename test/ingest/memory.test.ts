/** Ingestions without a database, on the clock of the test. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import { assert, describe, it } from "@effect/vitest"
import * as WorkflowEngine from "@effect/workflow/WorkflowEngine"
import { Context, Effect, Exit, Fiber, Layer, Metric, Option, Schedule, Schema, Stream, TestClock } from "effect"
import { Credentials, Encodings, PandaClient, UploadSource, UploadStore, Videos } from "effect-panda"
import * as Ingest from "effect-panda/Ingest"
import { PandaSourceError } from "effect-panda/PandaError"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { readFileSync } from "node:fs"

const SIZE = 300_000

/** A file for each name; none for `gone`, nothing in `empty`. */
const sources = Ingest.Sources.layer((source, { name = source }) =>
  source === "gone"
    ? new PandaSourceError({ operation: "test", reason: "Unreadable", file: source, description: "it is gone" })
    : source === "dies"
    ? Effect.dieMessage("a bug in a resolver")
    : Effect.succeed(UploadSource.fromBytes(new Uint8Array(source === "empty" ? 0 : SIZE).fill(7), { name }))
)

const given = <E = never, R = never>(options?: Ingest.Options<E, R>, emulator?: PandaEmulator.Options) =>
  Ingest.layer(options).pipe(
    Layer.provideMerge(Layer.mergeAll(PandaEmulator.layerTest(emulator), UploadStore.layerMemory, sources)),
    Layer.provideMerge(WorkflowEngine.layerMemory)
  )

const panda = PandaEmulator.PandaEmulator
const upload = { chunkSize: 100_000 }
const slow = Effect.flatMap(
  panda,
  (panda) => panda.inject({ route: "chunk", fault: Fault.delay("10 seconds"), times: Infinity })
)

/** What the README names in the tables of what is to be seen, by its beginning. */
const documented = (beginning: string) =>
  new Set(
    Array.from(
      readFileSync(new URL("../../README.md", import.meta.url), "utf8").matchAll(/^\|.*$/gm),
      ([line]) => Array.from(line.matchAll(/`([\w.]+)`/g), ([, name]) => name!)
    ).flat().filter((name) => name.startsWith(beginning))
  )

describe("an ingestion", () => {
  it.effect("counts what the README says", () =>
    Effect.gen(function*() {
      yield* Effect.fork(Ingest.run({ source: "counted.mp4", profiles: ["h264"] }))
      yield* Effect.fork(Ingest.run({ source: "gone" }))
      yield* TestClock.adjust("5 minutes")
      const seen = (yield* Metric.snapshot).map(({ metricKey }) => metricKey.name)
        .filter((name) => name.startsWith("panda_ingest_"))
      assert.includeMembers([...documented("panda_ingest_")], seen)
      assert.includeMembers(seen, [
        "panda_ingest_begun",
        "panda_ingest_done",
        "panda_ingest_failed",
        "panda_ingest_seconds"
      ])
    }).pipe(Effect.provide(given())))

  it.effect("uploads, encodes and delivers, and says how far it is", () => {
    const delivered: Array<readonly [string, Ingest.Result]> = []
    return Effect.gen(function*() {
      yield* slow
      const id = yield* Ingest.submit({ source: "a.mp4", profiles: ["h264", "webm"], payload: "mine" })
      const status = Ingest.status(id)
      assert.deepStrictEqual(yield* status, { _tag: "Queued" })
      yield* TestClock.adjust("15 seconds")
      assert.deepStrictEqual(yield* status, { _tag: "Uploading", acknowledged: 100_000, size: SIZE })
      assert.isTrue(Option.isNone(yield* Ingest.poll(id)))
      yield* TestClock.adjust("21 seconds")
      const encoding = yield* status
      assert.strictEqual(encoding._tag, "Encoding")
      if (encoding._tag === "Encoding") assert.isAbove(encoding.percent, 0)
      yield* TestClock.adjust("30 seconds")
      const [video] = yield* (yield* panda).videos
      assert.deepStrictEqual(yield* status, { _tag: "Done", video: String(video!["id"]) })

      const exit = Option.getOrThrow(yield* Ingest.poll(id))
      const result = yield* exit
      assert.strictEqual(result.video.payload, "mine")
      assert.sameMembers(result.encodings.map(({ profile_name }) => profile_name), ["h264", "webm"])
      assert.isTrue(result.encodings.every(Encodings.isSuccess))
      assert.deepStrictEqual(delivered, [[id, result]])
    }).pipe(Effect.provide(given({
      upload,
      deliver: (result, key) => Effect.sync(() => void delivered.push([key, result]))
    })))
  })

  it.effect("tells what happens in its upload as it happens", () => {
    const told: Array<string> = []
    const onEvent: Ingest.Options["onEvent"] = ({ _tag }, id) => Effect.sync(() => told.push(`${_tag} ${id}`))
    return Effect.gen(function*() {
      const id = yield* Ingest.submit({ source: "movie.mp4" })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(
        [...new Set(told)],
        ["Started", "Progress", "Uploaded"].map((tag) => `${tag} ${id}`)
      )
    }).pipe(Effect.provide(given({ onEvent, upload })))
  })

  it.effect("runs by what its layer was given, whoever submits it", () => {
    const delivered: Array<string> = []
    class Name extends Context.Tag("test/Name")<Name, string>() {}
    return Effect.gen(function*() {
      const other = yield* PandaEmulator.make()
      const { accessKey, cloudId, httpClient, secretKey } = other
      const theirs = PandaClient.layer.pipe(
        Layer.provide(Credentials.layer({ accessKey, cloudId, secretKey })),
        Layer.provide(Layer.succeed(HttpClient.HttpClient, httpClient)),
        Layer.merge(Layer.succeed(Name, "theirs"))
      )
      yield* Ingest.submit({ source: "a.mp4" }).pipe(Effect.provide(theirs))
      yield* Effect.fork(Effect.provide(Ingest.run({ source: "b.mp4" }), theirs))
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(yield* other.videos, 0)
      assert.lengthOf(yield* (yield* panda).videos, 2)
      assert.deepStrictEqual(delivered, ["ours", "ours"])
    }).pipe(Effect.provide(Layer.provide(
      given({ deliver: () => Effect.map(Name, (name) => void delivered.push(name)) }),
      Layer.succeed(Name, "ours")
    )))
  })

  it.effect("is known by its source and settings, or by its key", () =>
    Effect.gen(function*() {
      const first = { source: "a.mp4", profiles: ["h264"] }
      const id = yield* Ingest.submit(first)
      assert.strictEqual(id, yield* Ingest.workflow.executionId({ version: 1, ...first }))
      assert.strictEqual(yield* Ingest.submit({ profiles: ["h264"], source: "a.mp4" }), id)
      assert.notStrictEqual(yield* Ingest.submit({ ...first, profiles: ["webm"] }), id)
      assert.notStrictEqual(yield* Ingest.submit({ ...first, key: "again" }), id)
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(yield* (yield* panda).videos, 3)
      assert.strictEqual((yield* Effect.fork(Ingest.run(first)).pipe(Effect.flatMap(Fiber.join))).version, 1)
      assert.lengthOf(yield* (yield* panda).videos, 3)
    }).pipe(Effect.provide(given())))

  it.effect("is refused if its key belongs to another, by the name of what differs", () =>
    Effect.gen(function*() {
      const first = { source: "a.mp4", key: "mine", profiles: ["h264"] }
      yield* Ingest.submit(first)
      for (
        const [other, subject] of [
          [{ ...first, profiles: ["webm"] }, "profiles"],
          [{ ...first, source: "b.mp4" }, "source"],
          [{ ...first, payload: "more" }, "payload"],
          [{ source: "a.mp4", key: "mine" }, "profiles"]
        ] as const
      ) {
        const error = yield* Effect.flip(Ingest.submit(other))
        assert.strictEqual(error._tag === "PandaIngestRefused" && error.reason, "KeyReused")
        assert.include(error.message, subject)
      }
      assert.lengthOf(yield* Ingest.list(), 1)
    }).pipe(Effect.provide(given())))

  it.effect("is refused if it is not valid, by the name of what is wrong", () =>
    Effect.gen(function*() {
      for (
        const [submission, subject] of [
          [{ source: "" }, "source"],
          [{ source: "a", path_format: "no-id" }, "path_format"],
          [{ source: "a", payload: "x".repeat(257) }, "payload"],
          [{ source: "a", profiles: ["a,b"] }, "profiles"],
          [{ source: "a", nmae: "b" } as Ingest.Submission, "nmae"]
        ] as const
      ) {
        const error = yield* Effect.flip(Ingest.submit(submission))
        assert.strictEqual(error._tag === "PandaIngestRefused" && error.reason, "InvalidPayload")
        assert.include(error.message, subject)
      }
      assert.lengthOf(yield* Ingest.list(), 0)
    }).pipe(Effect.provide(given())))

  it.effect("that is not known is refused", () =>
    Effect.gen(function*() {
      for (const operation of [Ingest.status, Ingest.poll, Ingest.cancel, Ingest.retry]) {
        const error = yield* Effect.flip<unknown, Ingest.PandaIngestRefused | Ingest.PandaIngestUnavailable, never>(
          Effect.provideService(operation("none"), WorkflowEngine.WorkflowEngine, yield* WorkflowEngine.WorkflowEngine)
        )
        assert.strictEqual(error._tag === "PandaIngestRefused" && error.reason, "Unknown")
      }
    }).pipe(Effect.provide(given())))

  it.effect("fails by itself if its source is gone, empty, or not resolved", () =>
    Effect.gen(function*() {
      const ids = yield* Effect.forEach(["gone", "empty", "dies", "a.mp4"], (source) => Ingest.submit({ source }))
      yield* TestClock.adjust("1 minute")
      const [gone, empty, dies, good] = yield* Effect.forEach(ids, (id) => Ingest.status(id))
      assert.strictEqual(good?._tag, "Done")
      for (
        const [status, failure, message] of [
          [gone, "PandaSourceError", "it is gone"],
          [empty, "PandaSourceError", "empty"],
          [dies, "Error", "a bug in a resolver"]
        ] as const
      ) {
        if (status?._tag !== "Failed" || status.error._tag !== "PandaIngestFailed") {
          return assert.fail(JSON.stringify(status))
        }
        assert.strictEqual(status.error.failure, failure)
        assert.strictEqual(status.error.step, "upload")
        assert.include(status.error.message, message)
      }
      assert.lengthOf(yield* (yield* panda).sessions, 1)
    }).pipe(Effect.provide(given())))

  it.effect("waits out an outage that is longer than the upload's own retries", () =>
    Effect.gen(function*() {
      const emulator = yield* panda
      yield* emulator.inject({ route: "create", fault: Fault.status(503), times: 80 })
      const id = yield* Ingest.submit({ source: "a.mp4" })
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(yield* Ingest.status(id), { _tag: "Queued" })
      yield* TestClock.adjust("6 hours")
      assert.strictEqual((yield* Ingest.status(id))._tag, "Done")
      assert.lengthOf(yield* emulator.videos, 1)
    }).pipe(Effect.provide(given({ upload: { retry: Schedule.recurs(1) } }))))

  it.effect("is not uploaded again by a process that waited for another's lock until that had uploaded it", () =>
    Effect.gen(function*() {
      const emulator = yield* panda
      yield* emulator.inject({ route: "chunk", fault: Fault.delay("9 seconds"), times: Infinity })
      const process = Layer.build(
        Layer.provideMerge(Ingest.layer({ upload }), WorkflowEngine.layerMemory)
      )
      const [first, second] = [yield* process, yield* process]
      const submit = Ingest.submit({ source: "a.mp4" })
      const id = yield* Effect.provide(submit, first)
      // It has shown that it lives for the last time.
      yield* TestClock.adjust("25500 millis")
      assert.strictEqual(yield* Effect.provide(submit, second), id)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual((yield* emulator.sessions).map(({ status }) => status), ["open"])
      yield* TestClock.adjust("10 seconds")
      for (const process of [first, second]) {
        const exit = yield* Option.getOrThrow(yield* Effect.provide(Ingest.poll(id), process))
        assert.strictEqual(exit.video.id, String((yield* emulator.videos)[0]!["id"]))
      }
      assert.deepStrictEqual((yield* emulator.sessions).map(({ status }) => status), ["complete"])
      assert.lengthOf(yield* emulator.videos, 1)
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Layer.mergeAll(PandaEmulator.layerTest(), UploadStore.layerMemory, sources, Ingest.layerJournalMemory)
      )
    ))

  it.effect("ends a session that it made when its lock had gone, and that nobody knows", () =>
    Effect.gen(function*() {
      const emulator = yield* panda
      yield* emulator.inject({ route: "create", fault: Fault.delay("9 seconds") })
      const id = yield* Ingest.submit({ source: "a.mp4" })
      // Between two looks at it.
      yield* TestClock.adjust("8 seconds")
      yield* (yield* KeyValueStore.KeyValueStore).remove(`effect-panda/uploads/${id}.lock`)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Ingest.status(id))._tag, "Done")
      assert.deepStrictEqual((yield* emulator.sessions).map(({ status }) => status), ["aborted", "complete"])
    }).pipe(Effect.provide(
      Ingest.layer().pipe(
        Layer.provideMerge(Layer.mergeAll(PandaEmulator.layerTest(), UploadStore.layer(), sources)),
        Layer.provideMerge(Layer.merge(WorkflowEngine.layerMemory, KeyValueStore.layerMemory))
      )
    )))

  it.effect("has an end when what fails does not pass", () =>
    Effect.gen(function*() {
      yield* (yield* panda).inject({ route: "create", fault: Fault.status(503), times: Infinity })
      const exit = yield* Effect.fork(Effect.exit(Ingest.run({ source: "a.mp4" })))
      yield* TestClock.adjust("1 hour")
      const error = Option.getOrThrow(Exit.causeOption(yield* Fiber.join(exit)))
      assert.strictEqual(error._tag === "Fail" && error.error._tag, "PandaIngestFailed")
    }).pipe(Effect.provide(given({ retry: Schedule.recurs(2) }))))

  it.effect("has its files uploaded a few at a time, and in one bandwidth", () =>
    Effect.gen(function*() {
      const ids = yield* Effect.forEach(["a", "b", "c", "d"], (source) => Ingest.submit({ source }))
      yield* TestClock.adjust("2 seconds")
      const statuses = yield* Effect.forEach(ids, (id) => Ingest.status(id))
      assert.lengthOf(statuses.filter(({ _tag }) => _tag === "Uploading"), 2)
      assert.lengthOf(statuses.filter(({ _tag }) => _tag === "Queued"), 2)
      const sessions = yield* (yield* panda).sessions
      const received = sessions.reduce((sum, { received }) => sum + received, 0)
      assert.isAtMost(received, 300_000)
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(yield* (yield* panda).videos, 4)
    }).pipe(Effect.provide(given({ uploads: 2, bandwidth: 100_000 }))))

  it.effect("hands a pipeline over in one request", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Ingest.run({ source: "a.mp4", pipeline: { h264: { webm: {} } } }))
      yield* TestClock.adjust("1 minute")
      const { encodings } = yield* Fiber.join(fiber)
      assert.sameMembers(encodings.map(({ profile_name }) => profile_name), ["h264", "webm"])
    }).pipe(Effect.provide(given())))
})

describe("cancel", () => {
  const cancelled = (status: Ingest.Status) => status._tag === "Failed" && status.error._tag === "PandaIngestCancelled"

  it.effect("ends an upload, and Panda's session with it", () =>
    Effect.gen(function*() {
      yield* slow
      const fiber = yield* Effect.fork(Effect.flip(Ingest.run({ source: "a.mp4" })))
      yield* TestClock.adjust("15 seconds")
      const [{ id }] = (yield* Ingest.list()) as readonly [Ingest.Execution]
      yield* Ingest.cancel(id)
      yield* TestClock.adjust("10 seconds")
      assert.isTrue(cancelled(yield* Ingest.status(id)))
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "PandaIngestCancelled")
      assert.deepStrictEqual((yield* (yield* panda).sessions).map(({ status }) => status), ["aborted"])
      assert.lengthOf(yield* (yield* UploadStore.UploadStore).list, 0)
      // Nothing, where it has ended.
      yield* Ingest.cancel(id)

      yield* Ingest.retry(id)
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* Ingest.status(id))._tag, "Done")
      assert.lengthOf(yield* (yield* panda).videos, 1)
    }).pipe(Effect.provide(given({ upload }))))

  it.effect("ends one that waits for its turn, or between two looks", () =>
    Effect.gen(function*() {
      yield* slow
      const first = yield* Ingest.submit({ source: "a.mp4" })
      const second = yield* Ingest.submit({ source: "b.mp4" })
      yield* TestClock.adjust("5 seconds")
      yield* Ingest.cancel(second)
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(cancelled(yield* Ingest.status(second)))
      yield* TestClock.adjust("40 seconds")
      assert.strictEqual((yield* Ingest.status(first))._tag, "Encoding")
      yield* Ingest.cancel(first)
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(cancelled(yield* Ingest.status(first)))
      assert.lengthOf(yield* (yield* panda).sessions, 1)
    }).pipe(Effect.provide(given({ upload, uploads: 1 }, { encodingTime: "1 hour" }))))

  it.effect("ends one that sleeps for long", () =>
    Effect.gen(function*() {
      const id = yield* Ingest.submit({ source: "a.mp4", profiles: ["h264"] })
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Ingest.status(id))._tag, "Encoding")
      yield* Ingest.cancel(id)
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(cancelled(yield* Ingest.status(id)))
      const exit = Option.getOrThrow(yield* Ingest.poll(id))
      assert.deepStrictEqual(
        Exit.mapError(exit, ({ _tag }) => _tag),
        Exit.fail("PandaIngestCancelled" as const)
      )
    }).pipe(Effect.provide(
      given({ encoding: { schedule: Schedule.spaced("1 day") } }, { encodingTime: "1 hour" })
    )))
})

describe("retry", () => {
  it.effect("does again only what is missing", () => {
    let broken = true
    const keys: Array<string> = []
    return Effect.gen(function*() {
      const id = yield* Ingest.submit({ source: "a.mp4", profiles: ["h264"] })
      const early = yield* Effect.flip(Ingest.retry(id))
      assert.strictEqual(early._tag === "PandaIngestRefused" && early.reason, "NotFailed")
      yield* TestClock.adjust("1 hour")
      const status = yield* Ingest.status(id)
      if (status._tag !== "Failed" || status.error._tag !== "PandaIngestFailed") return assert.fail(status._tag)
      assert.strictEqual(status.error.step, "deliver")
      assert.deepStrictEqual(keys, [id, id, id])

      broken = false
      yield* Ingest.retry(id)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Ingest.status(id))._tag, "Done")
      assert.deepStrictEqual(keys, [id, id, id, id])
      assert.isTrue(Exit.isSuccess(Option.getOrThrow(yield* Ingest.poll(id))))
      const emulator = yield* panda
      assert.lengthOf(yield* emulator.sessions, 1)
      assert.lengthOf(yield* emulator.encodings, 1)
    }).pipe(Effect.provide(given({
      deliver: (_, key) =>
        Effect.suspend(() => {
          keys.push(key)
          return broken ? Effect.fail("no room") : Effect.void
        }),
      deliverRetry: Schedule.recurs(2)
    })))
  })

  it.effect("makes again an encoding that failed, and keeps the others", () =>
    Effect.gen(function*() {
      const emulator = yield* panda
      yield* emulator.failProfile("webm", { error_class: "EncodingError", error_message: "exit status 1" })
      const id = yield* Ingest.submit({ source: "a.mp4", profiles: ["h264", "webm"] })
      yield* TestClock.adjust("2 minutes")
      const status = yield* Ingest.status(id)
      if (status._tag !== "Failed" || status.error._tag !== "PandaIngestFailed") return assert.fail(status._tag)
      assert.strictEqual(status.error.step, "encode")
      assert.include(status.error.message, "webm")
      yield* Ingest.retry(id)
      yield* TestClock.adjust("2 minutes")
      const again = (yield* emulator.requests).filter(({ route }) => route.endsWith("/retry.json"))
      assert.lengthOf(again, 1)
      assert.lengthOf(yield* emulator.sessions, 1)
    }).pipe(Effect.provide(given({ encoding: { failOnError: true } }))))

  it.effect("uploads again a video that is gone", () =>
    Effect.gen(function*() {
      const id = yield* Ingest.submit({ source: "a.mp4", profiles: ["h264"] })
      yield* TestClock.adjust("2 seconds")
      const [video] = yield* Stream.runCollect(Videos.all())
      yield* Videos.delete(video!)
      yield* TestClock.adjust("1 minute")
      const status = yield* Ingest.status(id)
      assert.strictEqual(status._tag, "Failed")
      yield* Ingest.retry(id)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Ingest.status(id))._tag, "Done")
      assert.lengthOf(yield* (yield* panda).sessions, 2)
    }).pipe(Effect.provide(given())))
})

describe("waiting for encodings", () => {
  it.effect("has a limit", () =>
    Effect.gen(function*() {
      const id = yield* Ingest.submit({ source: "a.mp4", profiles: ["h264"] })
      yield* TestClock.adjust("30 minutes")
      const status = yield* Ingest.status(id)
      if (status._tag !== "Failed" || status.error._tag !== "PandaIngestFailed") return assert.fail(status._tag)
      assert.strictEqual(status.error.failure, "PandaStillProcessing")
    }).pipe(Effect.provide(given({ encoding: { timeout: "10 minutes" } }, { encodingTime: "1 hour" }))))

  it.effect("goes on through failures, and through sleeps that the engine keeps", () =>
    Effect.gen(function*() {
      yield* (yield* panda).inject({ route: "GET /encodings.json", fault: Fault.status(500), times: 12, skip: 1 })
      const id = yield* Ingest.submit({ source: "a.mp4", profiles: ["h264"] })
      yield* TestClock.adjust("5 hours")
      assert.strictEqual((yield* Ingest.status(id))._tag, "Done")
    }).pipe(Effect.provide(
      given({ encoding: { schedule: Schedule.spaced("10 minutes") } }, { encodingTime: "1 hour" })
    )))
})

describe("list", () => {
  it.effect("has all, newest first, page by page", () =>
    Effect.gen(function*() {
      for (const source of ["a", "b", "gone", "c"]) {
        yield* Ingest.submit({ source })
        yield* TestClock.adjust("1 second")
      }
      yield* TestClock.adjust("1 minute")
      const names = (executions: ReadonlyArray<Ingest.Execution>) => executions.map(({ payload }) => payload.source)
      assert.deepStrictEqual(names(yield* Ingest.list()), ["c", "gone", "b", "a"])
      assert.deepStrictEqual(names(yield* Ingest.list({ status: "Failed" })), ["gone"])
      const some = yield* Ingest.list({ limit: 2 })
      assert.deepStrictEqual(names(yield* Ingest.list({ after: some[1]!.id })), ["b", "a"])
      assert.deepStrictEqual(
        names(Array.from(yield* Stream.runCollect(Ingest.all({ limit: 3 })))),
        ["c", "gone", "b", "a"]
      )
    }).pipe(Effect.provide(given())))
})

describe("a payload", () => {
  /** What version 1 wrote into databases. Do not change it: it is there. */
  const WRITTEN =
    "{\"version\":1,\"source\":\"films/a.mp4\",\"name\":\"A.mp4\",\"key\":\"a\",\"profiles\":\"h264,webm\",\"use_all_profiles\":false," +
    "\"path_format\":\":id\",\"payload\":\"mine\",\"pipeline\":\"{\\\"h264\\\":{\\\"webm\\\":{}}}\"}"

  it("is read as today's version wrote it, and without what may be missing", () => {
    const Json = Schema.parseJson(Ingest.Payload)
    const payload: Ingest.Payload = {
      version: 1,
      source: "films/a.mp4",
      name: "A.mp4",
      key: "a",
      profiles: ["h264", "webm"],
      use_all_profiles: false,
      path_format: ":id",
      payload: "mine",
      pipeline: { h264: { webm: {} } }
    }
    assert.deepStrictEqual(Schema.decodeSync(Json)(WRITTEN), payload)
    assert.strictEqual(Schema.encodeSync(Json)(payload), WRITTEN)
    assert.deepStrictEqual(Schema.decodeSync(Json)("{\"source\":\"a\"}"), { version: 1, source: "a" })
    assert.throws(() => Schema.decodeSync(Json)("{\"version\":2,\"source\":\"a\"}"))
  })
})
