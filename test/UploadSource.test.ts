import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import * as UploadSource from "effect-panda/UploadSource"
import { utimesSync } from "node:fs"

const fingerprintOf = (source: UploadSource.UploadSource) =>
  Effect.scoped(Effect.flatMap(source.open, (handle) => UploadSource.fingerprint(source.name, handle)))

const bytesOf = (size: number) => Uint8Array.from({ length: size }, (_, i) => i % 251)

describe("UploadSource", () => {
  describe("fromFile", () => {
    const withFile = <A, E>(
      bytes: Uint8Array,
      use: (path: string) => Effect.Effect<A, E, FileSystem.FileSystem>
    ) =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = `${yield* fs.makeTempDirectoryScoped()}/movie é.mp4`
        yield* fs.writeFile(path, bytes)
        return yield* use(path)
      }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))

    it.live("tells the name without folders, the size and the time", () =>
      withFile(bytesOf(1000), (path) =>
        Effect.gen(function*() {
          utimesSync(path, 1_700_000_000.123, 1_700_000_000.123)
          const source = yield* UploadSource.fromFile(path)
          assert.strictEqual(source.name, "movie é.mp4")
          const { modified, size } = yield* fingerprintOf(source)
          assert.strictEqual(size, 1000)
          assert.strictEqual(modified && DateTime.toEpochMillis(modified), 1_700_000_000_123)
          assert.strictEqual((yield* UploadSource.fromFile("C:\\films\\a.mp4")).name, "a.mp4")
          assert.strictEqual((yield* UploadSource.fromFile(path, { name: "b.mp4" })).name, "b.mp4")
        })))

    it.live("reads any part, and less only at the end", () =>
      withFile(bytesOf(1000), (path) =>
        Effect.gen(function*() {
          const source = yield* UploadSource.fromFile(path)
          const handle = yield* source.open
          for (const [offset, length] of [[900, 100], [0, 10], [500, 300]] as const) {
            const buffer = new Uint8Array(length)
            assert.strictEqual(yield* handle.read(offset, buffer), length)
            assert.deepStrictEqual(buffer, bytesOf(1000).subarray(offset, offset + length))
          }
          assert.strictEqual(yield* handle.read(990, new Uint8Array(100)), 10)
          const error = yield* Effect.flip(UploadSource.readFully(source.name, handle, 990, new Uint8Array(100)))
          assert.strictEqual(error.reason, "TooShort")
        }).pipe(Effect.scoped)))

    it.live.each([
      ["does not exist", "/missing/movie.mp4", "NotFound"],
      ["is a directory", "/tmp", "directory"]
    ])("refuses what %s", ([, path, why]) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(fingerprintOf(yield* UploadSource.fromFile(path)))
        assert.strictEqual(error._tag, "PandaSourceError")
        assert.strictEqual(error.reason, "Unreadable")
        assert.include(error.message, why)
      }).pipe(Effect.provide(NodeFileSystem.layer)))

    it.live("refuses an empty file", () =>
      withFile(new Uint8Array(0), (path) =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(fingerprintOf(yield* UploadSource.fromFile(path)))
          assert.strictEqual(error.reason, "Empty")
        })))

    it.effect("reads on where a file system gives less than was asked for", () =>
      Effect.gen(function*() {
        let position = 0
        const file = {
          seek: (offset: FileSystem.SizeInput) => Effect.sync(() => void (position = Number(offset))),
          read: (buffer: Uint8Array) =>
            Effect.sync(() => {
              const part = bytesOf(100).subarray(position, position + Math.min(7, buffer.byteLength))
              buffer.set(part)
              position += part.byteLength
              return FileSystem.Size(part.byteLength)
            })
        } as unknown as FileSystem.File
        const source = yield* UploadSource.fromFile("a.mp4").pipe(
          Effect.provide(FileSystem.layerNoop({ open: () => Effect.succeed(file) }))
        )
        const buffer = new Uint8Array(50)
        assert.strictEqual(yield* Effect.flatMap(source.open, (handle) => handle.read(25, buffer)), 50)
        assert.deepStrictEqual(buffer, bytesOf(100).subarray(25, 75))
      }).pipe(Effect.scoped))
  })

  it.effect("tells sources apart by their ends and their size", () =>
    Effect.gen(function*() {
      const digest = (change: (bytes: Uint8Array) => void, size = 1_000_000) => {
        const bytes = bytesOf(size)
        change(bytes)
        return Effect.map(fingerprintOf(UploadSource.fromBytes(bytes, { name: "a" })), ({ digest }) => digest)
      }
      const same = yield* digest(() => {})
      assert.strictEqual(yield* digest(() => {}), same)
      assert.notStrictEqual(yield* digest((bytes) => bytes[0]!++), same)
      assert.notStrictEqual(yield* digest((bytes) => bytes[999_999]!++), same)
      for (const size of [1, 64 * 1024, 64 * 1024 + 1, 128 * 1024 + 1]) {
        const { size: told } = yield* fingerprintOf(UploadSource.fromBytes(bytesOf(size), { name: "a" }))
        assert.strictEqual(told, size)
      }
    }))
})
