/** What begins ingestions by itself, and what hurries them. */
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as WorkflowEngine from "@effect/workflow/WorkflowEngine"
import { Cron, Effect, Either, Layer, Metric, MetricState, Ref, Schedule, Stream, TestClock } from "effect"
import { UploadSource, UploadStore } from "effect-panda"
import * as Ingest from "effect-panda/Ingest"
import { PandaSourceError } from "effect-panda/PandaError"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { logged } from "../client/upload.js"

const sources = Ingest.Sources.layer((source) =>
  Effect.succeed(UploadSource.fromBytes(new Uint8Array(1000).fill(7), { name: source }))
)
const services = Layer.mergeAll(UploadStore.layerMemory, sources).pipe(
  Layer.provideMerge(WorkflowEngine.layerMemory)
)
const given = (options?: Ingest.Options, emulator?: PandaEmulator.Options) =>
  Ingest.layer(options).pipe(
    Layer.provideMerge(services),
    Layer.provideMerge(PandaEmulator.layerTest(emulator))
  )

const submitted = Effect.map(
  Ingest.list(),
  (list) => list.map(({ payload: { key, profiles } }) => `${key} ${String(profiles)}`).sort()
)

const watched = (
  there: Ref.Ref<ReadonlyArray<Ingest.Candidate> | PandaSourceError>,
  schedule: Schedule.Schedule<unknown> | Cron.Cron
) =>
  Layer.build(Ingest.watch({
    schedule,
    candidates: Stream.unwrap(
      Effect.map(there, (found) => found instanceof PandaSourceError ? Stream.fail(found) : Stream.fromIterable(found))
    )
  }))

describe("watch", () => {
  it.scoped("submits what is new and has settled, once, and again what has changed", () =>
    Effect.gen(function*() {
      const a = { source: "a.mp4", revision: "1", profiles: ["h264"] }
      const there = yield* Ref.make<ReadonlyArray<Ingest.Candidate> | PandaSourceError>([a])
      yield* watched(there, Schedule.spaced("1 minute"))
      yield* TestClock.adjust("2 seconds")
      // It is still being written.
      yield* Ref.set(there, [{ ...a, revision: "2" }])
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* submitted, [])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* submitted, ["a.mp4@2 h264"])
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(yield* submitted, ["a.mp4@2 h264"])
      yield* Ref.set(there, [{ ...a, revision: "3" }, { source: "b.mp4", key: "b", revision: "1" }])
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(yield* submitted, ["a.mp4@2 h264", "a.mp4@3 h264", "b@1 undefined"])
      assert.lengthOf(yield* (yield* PandaEmulator.PandaEmulator).videos, 3)

      // Another process, with other settings, that knows nothing.
      yield* Ref.set(there, [{ ...a, revision: "3", profiles: ["webm"] }])
      yield* watched(there, Schedule.spaced("1 minute"))
      yield* TestClock.adjust("2 minutes")
      assert.lengthOf(yield* submitted, 3)
    }).pipe(Effect.provide(given())))

  it.scoped("outlives a folder that is away, and a candidate that is not one", () =>
    Effect.gen(function*() {
      const away = new PandaSourceError({
        operation: "test",
        reason: "Unreadable",
        file: "nfs",
        description: "is away"
      })
      const there = yield* Ref.make<ReadonlyArray<Ingest.Candidate> | PandaSourceError>(away)
      const { lines } = yield* logged(Effect.gen(function*() {
        yield* watched(there, Schedule.spaced("1 minute"))
        yield* TestClock.adjust("90 seconds")
        yield* Ref.set(there, [{ source: "", revision: "1" }, { source: "a.mp4", revision: "1" }])
        yield* TestClock.adjust("5 minutes")
      }))
      assert.lengthOf(lines.filter((line) => line.startsWith("WARN ") && line.includes("is away")), 2)
      assert.lengthOf(lines.filter((line) => line.startsWith("WARN ") && line.includes("payload is not valid")), 1)
      assert.deepStrictEqual(yield* submitted, ["a.mp4@1 undefined"])
    }).pipe(Effect.provide(given())))

  it.scoped("looks at the times of a cron", () =>
    Effect.gen(function*() {
      const there = yield* Ref.make<ReadonlyArray<Ingest.Candidate> | PandaSourceError>([{
        source: "a.mp4",
        revision: "1"
      }])
      yield* watched(there, Either.getOrThrow(Cron.parse("0 3 * * *", "UTC")))
      yield* TestClock.adjust("179 minutes")
      assert.deepStrictEqual(yield* submitted, [])
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(yield* submitted, ["a.mp4@1 undefined"])
    }).pipe(Effect.provide(given())))

  it.scopedLive("knows the files of a folder by size and time", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-panda-watch-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
      )
      mkdirSync(join(folder, "new", ".parts"), { recursive: true })
      for (const file of ["b.MOV", "new/a.mp4", "new/.parts/c.mp4", ".d.mp4", "notes.txt", "e.mp4"]) {
        writeFileSync(join(folder, file), file === "e.mp4" ? "" : "film")
        utimesSync(join(folder, file), 1, 2)
      }
      const found = yield* Stream.runCollect(Ingest.files(folder))
      assert.deepStrictEqual(Array.from(found), [
        { source: "b.MOV", revision: "4-2000" },
        { source: "new/a.mp4", revision: "4-2000" }
      ])
      const notes = yield* Stream.runCollect(Ingest.files(folder, (path) => path.endsWith(".txt")))
      assert.deepStrictEqual(Array.from(notes, ({ source }) => source), ["notes.txt"])
      const error = yield* Effect.flip(Stream.runCollect(Ingest.files(join(folder, "none"))))
      assert.include(error.message, "NotFound")
    }).pipe(Effect.provide(NodeContext.layer)))
})

describe("scan", () => {
  it.effect("submits what has settled, and gives the ids of that and of what was submitted before", () =>
    Effect.gen(function*() {
      let revision = 1
      const candidates = Stream.suspend(() =>
        Stream.make({ source: "a.mp4", revision: "1" }, { source: "b.mp4", revision: `${revision++}` })
      )
      const scanned = yield* Effect.fork(Ingest.scan({ candidates, settle: "1 minute" }))
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(yield* submitted, [])
      yield* TestClock.adjust("1 second")
      const ids = yield* scanned
      assert.deepStrictEqual(yield* submitted, ["a.mp4@1 undefined"])
      assert.deepStrictEqual(ids, (yield* Ingest.list()).map(({ id }) => id))

      // With other settings it is the same.
      const again = yield* Ingest.scan({
        candidates: Stream.make({ source: "a.mp4", revision: "1", profiles: ["webm"] }),
        settle: 0
      })
      assert.deepStrictEqual(again, ids)
      assert.lengthOf(yield* submitted, 1)
      const empty = { candidates: Stream.make({ source: "", revision: "1" }), settle: 0 }
      assert.deepInclude(yield* Effect.flip(Ingest.scan(empty)), {
        _tag: "PandaIngestRefused",
        reason: "InvalidPayload"
      })
    }).pipe(Effect.provide(given())))
})

describe("webhook", () => {
  const encoding = { encoding: { schedule: Schedule.spaced("50 seconds") } }

  it.effect("hurries the ingestion of its video, and only that", () =>
    Effect.gen(function*() {
      const emulator = yield* PandaEmulator.PandaEmulator
      const [a, b] = yield* Effect.forEach(
        ["a.mp4", "b.mp4"],
        (source) => Ingest.submit({ source, profiles: ["h264"] })
      )
      yield* TestClock.adjust("20 seconds")
      const status = yield* Ingest.status(a!)
      if (status._tag !== "Encoding") return assert.fail(status._tag)
      const looks = Effect.map(
        emulator.requests,
        (requests) => requests.filter(({ route }) => route === "GET /encodings.json").length
      )
      const before = yield* looks
      // False, or about something else.
      yield* Ingest.webhook({ _tag: "VideoEncoded", video_id: "none", encoding_ids: [] })
      yield* Ingest.webhook({ _tag: "Unknown", event: "video-deleted", fields: [] })
      yield* Ingest.webhook({ _tag: "EncodingProgress", video_id: status.video, encoding_id: "e", progress: 3 })
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* looks, before)
      yield* Ingest.webhook({ _tag: "VideoEncoded", video_id: status.video, encoding_ids: [] })
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Ingest.status(a!))._tag, "Done")
      assert.strictEqual((yield* Ingest.status(b!))._tag, "Encoding")
      // Lost.
      yield* TestClock.adjust("50 seconds")
      assert.strictEqual((yield* Ingest.status(b!))._tag, "Done")
    }).pipe(Effect.provide(given(encoding, { encodingTime: "10 seconds" }))))
})

describe("liveness", () => {
  /** Found by its name: one with another description, or none, would be another gauge. */
  const gauge = (name: string) =>
    Effect.map(
      Metric.snapshot,
      (pairs) =>
        pairs.flatMap(({ metricKey, metricState }) =>
          metricKey.name === name && MetricState.isGaugeState(metricState) ? [Number(metricState.value)] : []
        )[0]
    )

  it.scoped("finds what nobody works on, says so, and begins it again", () =>
    Effect.gen(function*() {
      const engine = yield* WorkflowEngine.WorkflowEngine
      const lost: WorkflowEngine.WorkflowEngine["Type"] = { ...engine, execute: () => Effect.succeed("") as never }
      const journal = yield* Ingest.Journal
      const id = yield* Ingest.submit({ source: "a.mp4" }).pipe(
        Effect.provideService(WorkflowEngine.WorkflowEngine, lost)
      )
      assert.strictEqual((yield* journal.get(id))._tag, "Some")
      const { lines } = yield* logged(Effect.gen(function*() {
        yield* Layer.build(Ingest.layer({ liveness: { after: "2 minutes", every: "10 seconds" } }))
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(yield* Ingest.overdue("2 minutes"), [])
        yield* TestClock.adjust("61 seconds")
        assert.deepStrictEqual((yield* Ingest.overdue("1 second")).map((due) => due.id), [])
        assert.strictEqual(yield* gauge("panda_ingest_overdue"), 1)
        assert.strictEqual(yield* gauge("panda_ingest_overdue_seconds"), 120)
        yield* TestClock.adjust("1 minute")
      }))
      const warnings = lines.filter((line) => line.includes("wait for a process to go on"))
      assert.lengthOf(warnings, 1)
      assert.strictEqual((yield* Ingest.status(id))._tag, "Done")
      assert.strictEqual(yield* gauge("panda_ingest_overdue"), 0)
      assert.strictEqual(yield* gauge("panda_ingest_overdue_seconds"), 0)
    }).pipe(Effect.provide(
      Layer.provideMerge(services, PandaEmulator.layerTest()).pipe(Layer.merge(Ingest.layerJournalMemory))
    )))

  it.scoped("says again and again what a process does not take that takes no work any more", () =>
    Effect.gen(function*() {
      const engine = yield* WorkflowEngine.WorkflowEngine
      const stuck: WorkflowEngine.WorkflowEngine["Type"] = {
        ...engine,
        execute: () => Effect.succeed("") as never,
        resume: () => Effect.void
      }
      const { lines } = yield* logged(
        Effect.gen(function*() {
          const first = yield* Ingest.submit({ source: "a.mp4" })
          yield* TestClock.adjust("30 seconds")
          const second = yield* Ingest.submit({ source: "b.mp4" })
          yield* Layer.build(Ingest.layer({ liveness: { after: "1 minute", every: "10 seconds" } }))
          yield* TestClock.adjust("30 seconds")
          assert.strictEqual(yield* gauge("panda_ingest_overdue"), 1)
          assert.strictEqual(yield* gauge("panda_ingest_overdue_seconds"), 60)
          yield* TestClock.adjust("30 seconds")
          assert.strictEqual(yield* gauge("panda_ingest_overdue"), 2)
          assert.strictEqual(yield* gauge("panda_ingest_overdue_seconds"), 90)
          assert.deepStrictEqual((yield* Ingest.overdue("1 minute")).map(({ id }) => id), [first, second])
        }).pipe(Effect.provideService(WorkflowEngine.WorkflowEngine, stuck))
      )
      assert.deepStrictEqual(
        lines.flatMap((line) =>
          /^WARN .* (\d) ingestions wait .* one for (\d+) s/.exec(line)?.slice(1).join(" ") ?? []
        ),
        ["1 60", "1 70", "1 80", "2 90"]
      )
      // Of one who takes work there is nothing to say.
      yield* Layer.build(Ingest.layer({ liveness: { after: "1 minute", every: "10 seconds" } }))
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* gauge("panda_ingest_overdue"), 0)
      assert.lengthOf(yield* Ingest.list({ status: "Done" }), 2)
    }).pipe(Effect.provide(
      Layer.provideMerge(services, PandaEmulator.layerTest()).pipe(Layer.merge(Ingest.layerJournalMemory))
    )))
})
