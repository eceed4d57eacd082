/** Files of a folder as sources, and what becomes of ingestions whose source is none. */
import * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as WorkflowEngine from "@effect/workflow/WorkflowEngine"
import { Effect, Layer, Logger, LogLevel, Schedule } from "effect"
import { UploadSource, UploadStore } from "effect-panda"
import * as Ingest from "effect-panda/Ingest"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const soon = Schedule.spaced("20 millis")

/** A folder with films, beside one that is not to be read. */
const home = Effect.acquireRelease(
  Effect.sync(() => {
    const home = mkdtempSync(join(tmpdir(), "effect-panda-sources-"))
    for (const folder of ["films", "films/of", "films-not"]) mkdirSync(join(home, folder))
    for (const file of ["films/a.mp4", "films/of/b.mp4", "films/closed.mp4", "films-not/c.mp4", "d.mp4"]) {
      writeFileSync(join(home, file), "a film")
    }
    writeFileSync(join(home, "films/empty.mp4"), "")
    symlinkSync("../d.mp4", join(home, "films/out.mp4"))
    symlinkSync("..", join(home, "films/up"))
    symlinkSync("of/b.mp4", join(home, "films/in.mp4"))
    return home
  }),
  (home) => Effect.sync(() => rmSync(home, { recursive: true }))
)

describe("Sources.layerFileSystem", () => {
  /** Whoever runs tests may be one whom no file is closed to. */
  const Files = Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => ({
      ...fs,
      open: (path, options) =>
        path.endsWith("closed.mp4")
          ? new PlatformError.SystemError({
            module: "FileSystem",
            method: "open",
            reason: "PermissionDenied",
            pathOrDescriptor: path
          })
          : fs.open(path, options)
    } satisfies FileSystem.FileSystem))
  ).pipe(Layer.provide(NodeContext.layer))

  it.scopedLive("fails each ingestion whose source is none by itself, and says why", () =>
    Effect.gen(function*() {
      const folder = yield* home
      const root = join(folder, "films")
      const outside = "it is outside the folder of the sources"
      const sources: ReadonlyArray<readonly [source: string, why: string | undefined]> = [
        ["a.mp4", undefined],
        ["of/../of/b.mp4", undefined],
        ["in.mp4", undefined],
        [join(root, "of/b.mp4"), undefined],
        ["../d.mp4", outside],
        ["of/../../d.mp4", outside],
        ["../films/../d.mp4", outside],
        ["../films-not/c.mp4", outside],
        ["out.mp4", outside],
        ["up/d.mp4", outside],
        [join(folder, "d.mp4"), outside],
        [join(folder, "films-not/c.mp4"), outside],
        // Whether there is something elsewhere is not told.
        [join(folder, "none.mp4"), outside],
        ["../none.mp4", outside],
        ["none.mp4", "NotFound"],
        [join(root, "none.mp4"), "NotFound"],
        ["of", "it is not a file"],
        [".", "it is not a file"],
        ["a\0.mp4", "it is not a path"],
        ["empty.mp4", "is empty"],
        ["closed.mp4", "PermissionDenied"]
      ]
      yield* Effect.gen(function*() {
        const ids = yield* Effect.forEach(sources, ([source], n) => Ingest.submit({ source, key: `${n}` }))
        const ends = yield* Effect.forEach(ids, (id) =>
          Effect.zipRight(
            Effect.repeat(Ingest.status(id), {
              schedule: soon,
              until: ({ _tag }) => _tag === "Done" || _tag === "Failed"
            }),
            Ingest.status(id)
          ))
        for (const [n, [source, why]] of sources.entries()) {
          const end = ends[n]!
          if (why === undefined) {
            assert.strictEqual(end._tag, "Done", source)
            continue
          }
          if (end._tag !== "Failed" || end.error._tag !== "PandaIngestFailed") {
            return assert.fail(`${source} ${end._tag}`)
          }
          assert.deepInclude({ ...end.error }, { step: "upload", failure: "PandaSourceError" }, source)
          assert.include(end.error.description, why, source)
        }
      }).pipe(Effect.provide(
        Ingest.layer({ retry: Schedule.stop, encoding: { schedule: soon } }).pipe(
          Layer.provide(
            Layer.merge(Layer.provide(Ingest.Sources.layerFileSystem(root), Files), UploadStore.layerMemory)
          ),
          Layer.provideMerge(WorkflowEngine.layerMemory)
        )
      ))
      const good = sources.filter(([, why]) => why === undefined)
      assert.lengthOf(yield* (yield* PandaEmulator.PandaEmulator).videos, good.length)
    }).pipe(Effect.provide(PandaEmulator.layerTest()), Logger.withMinimumLogLevel(LogLevel.None)))

  it.scopedLive("is one kind beside those that are added", () =>
    Effect.gen(function*() {
      const root = join(yield* home, "films")
      const names = yield* Effect.gen(function*() {
        const { resolve } = yield* Ingest.Sources
        const found = yield* Effect.forEach(["of/b.mp4", "s3://films/c.mp4"], (source) => resolve(source, {}))
        return found.map(({ name }) => name)
      }).pipe(Effect.provide(
        Ingest.Sources.layerFileSystem(root).pipe(
          Ingest.Sources.add("s3://", (source) =>
            Effect.succeed(UploadSource.fromBytes(new Uint8Array(1), { name: `fetched ${source}` })))
        )
      ))
      assert.deepStrictEqual(names, ["b.mp4", "fetched s3://films/c.mp4"])
    }).pipe(Effect.provide(NodeContext.layer)))
})
