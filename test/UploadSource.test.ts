import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, FastCheck, Fiber, Option, Stream, TestClock } from "effect"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import * as Upload from "effect-panda/Upload"
import * as UploadSource from "effect-panda/UploadSource"
import * as Videos from "effect-panda/Videos"
import { openAsBlob, utimesSync, writeFileSync } from "node:fs"
import {
  arrived,
  bytesOf,
  CHUNK,
  fail,
  inject,
  options,
  ranges,
  requests,
  routes,
  runFor,
  scenario,
  sha256,
  succeed,
  theSession
} from "./client/upload.js"

const fingerprintOf = (source: UploadSource.Any) =>
  Effect.scoped(Effect.flatMap(source.open, (handle) => UploadSource.fingerprint(source, handle)))

/** With a file of these bytes, which is gone afterwards. */
const withFile = <A, E, R>(
  bytes: Uint8Array,
  use: (path: string) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = `${yield* fs.makeTempDirectoryScoped()}/movie é.mp4`
    yield* fs.writeFile(path, bytes)
    return yield* use(path)
  }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))

describe("UploadSource", () => {
  describe("fromFile", () => {
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
      { what: "does not exist", path: "/missing/movie.mp4", why: "NotFound" },
      { what: "is a directory", path: "/tmp", why: "directory" }
    ])("refuses what $what", ({ path, why }) =>
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

    it.effect("seeks anew after an interruption while it did so", () =>
      Effect.gen(function*() {
        let position = 0
        const file = {
          // As where the runtime's own tells later that it is there.
          seek: (offset: FileSystem.SizeInput) =>
            Effect.zipRight(
              Effect.sync(() => void (position = Number(offset))),
              Effect.sleep("1 second")
            ),
          read: (buffer: Uint8Array) =>
            Effect.sync(() => {
              buffer.set(bytesOf(100).subarray(position, position + buffer.byteLength))
              position += buffer.byteLength
              return FileSystem.Size(buffer.byteLength)
            })
        } as unknown as FileSystem.File
        const source = yield* UploadSource.fromFile("a.mp4").pipe(
          Effect.provide(FileSystem.layerNoop({ open: () => Effect.succeed(file) }))
        )
        const { read } = yield* source.open
        const buffer = new Uint8Array(20)
        const readAt = (offset: number) =>
          Effect.zip(read(offset, buffer), TestClock.adjust("1 second"), { concurrent: true })
        yield* readAt(0)
        const interrupted = yield* Effect.fork(read(60, buffer))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(interrupted)
        assert.strictEqual(position, 60)
        yield* readAt(20)
        assert.deepStrictEqual(buffer, bytesOf(100).subarray(20, 40))
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

  describe("fromBlob", () => {
    const bytes = bytesOf(2500)

    it.effect.each([
      { what: "a Blob", source: UploadSource.fromBlob(new Blob([bytes])), name: "blob", modified: undefined },
      {
        what: "a Blob with a name",
        source: UploadSource.fromBlob(new Blob([bytes]), { name: "a.mp4" }),
        name: "a.mp4",
        modified: undefined
      },
      {
        what: "a File",
        source: UploadSource.fromBlob(new File([bytes], "b.mp4", { lastModified: 1_700_000_000_123 })),
        name: "b.mp4",
        modified: 1_700_000_000_123
      },
      {
        what: "a File with another name",
        source: UploadSource.fromBlob(new File([bytes], "b.mp4", { lastModified: 5 }), { name: "c.mp4" }),
        name: "c.mp4",
        modified: 5
      },
      {
        what: "a File from a time that no calendar has",
        source: UploadSource.fromBlob(new File([bytes], "b.mp4", { lastModified: 9e15 })),
        name: "b.mp4",
        modified: undefined
      }
    ])("reads any part of $what", ({ modified, name, source }) =>
      Effect.gen(function*() {
        assert.strictEqual(source.name, name)
        const found = yield* fingerprintOf(source)
        assert.strictEqual(found.size, 2500)
        assert.strictEqual(found.modified && DateTime.toEpochMillis(found.modified), modified)
        const same = yield* fingerprintOf(UploadSource.fromBytes(bytes, { name }))
        assert.strictEqual(found.digest, same.digest)
        const handle = yield* source.open
        for (const [offset, length] of [[2400, 100], [0, 10], [500, 1300]] as const) {
          const buffer = new Uint8Array(length)
          assert.strictEqual(yield* handle.read(offset, buffer), length)
          assert.deepStrictEqual(buffer, bytes.slice(offset, offset + length))
        }
        assert.strictEqual(yield* handle.read(2490, new Uint8Array(100)), 10)
        assert.strictEqual(yield* handle.read(2500, new Uint8Array(100)), 0)
      }).pipe(Effect.scoped))

    scenario("uploads a Blob, and refuses an empty one", () =>
      Effect.gen(function*() {
        yield* Upload.video(Upload.start(UploadSource.fromBlob(new Blob([bytes])), options))
        yield* arrived(bytes)
        const { error } = yield* fail(Upload.start(UploadSource.fromBlob(new Blob([])), options))
        assert.strictEqual(error._tag === "PandaSourceError" && error.reason, "Empty")
      }))

    const opened = (path: string) => Effect.promise(() => openAsBlob(path))

    scenario("uploads a file that Node opened as a Blob", () =>
      withFile(bytes, (path) =>
        Effect.gen(function*() {
          const source = UploadSource.fromBlob(yield* opened(path), { name: "a.mp4" })
          yield* Upload.video(Upload.start(source, options))
          yield* arrived(bytes)
        })))

    for (
      const [what, change] of [
        ["grows", (path: string) => writeFileSync(path, bytesOf(10), { flag: "a" })],
        ["shrinks", (path: string) => writeFileSync(path, bytesOf(1200))],
        ["is touched", (path: string) => utimesSync(path, 1, 1)]
      ] as const
    ) {
      scenario(
        `a file opened as a Blob that ${what} never becomes a video`,
        () =>
          withFile(bytes, (path) =>
            Effect.gen(function*() {
              const source = UploadSource.fromBlob(yield* opened(path), { name: "a.mp4" })
              let acknowledged = 0
              // As bytes, so that no more than the next chunk was read when it happens.
              const error = yield* Effect.flip(Upload.video(Upload.start(source, {
                ...options,
                body: "bytes",
                onState: (state) =>
                  Effect.sync(() => {
                    if (acknowledged === 0 && state.acknowledged > 0) change(path)
                    acknowledged = state.acknowledged
                  })
              })))
              assert.strictEqual(error._tag === "PandaSourceError" && error.reason, "Changed")
              assert.strictEqual(error.message.split("\n").length, 1)
              assert.isAtMost(acknowledged, 2 * CHUNK)
              assert.deepStrictEqual(yield* Videos.list(), [])
            }))
      )
    }
  })

  describe("fromStream", () => {
    const size = 5500
    const bytes = bytesOf(size)

    /** The bytes in parts of these lengths, in turn. */
    const parts = (bytes: Uint8Array, lengths: ReadonlyArray<number>): Array<Uint8Array> => {
      const parts: Array<Uint8Array> = []
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const length = lengths[turn % lengths.length]!
        parts.push(bytes.slice(at, at + length))
        at += length
      }
      return parts
    }
    const streamOf = (bytes: Uint8Array, lengths: ReadonlyArray<number> = [300]) =>
      Stream.fromIterable(parts(bytes, lengths))
    const source = (stream = streamOf(bytes) as Stream.Stream<Uint8Array, unknown>, window?: number) =>
      UploadSource.fromStream(stream, { name: "movie.mp4", size, window })

    scenario("S29: is read once, from its beginning to its end", () =>
      Effect.gen(function*() {
        let runs = 0
        yield* succeed(Upload.start(
          source(Stream.unwrap(Effect.sync(() => {
            runs++
            return streamOf(bytes)
          }))),
          options
        ))
        assert.strictEqual(runs, 1)
        yield* arrived(bytes)
      }))

    const retaken: Record<string, Fault> = {
      "half of it is accepted": Fault.accept({ bytes: CHUNK / 2 }),
      "nothing is accepted": Fault.accept({ bytes: 0 }),
      "the connection breaks half-way": Fault.resetDuring({ after: 0.5 }),
      "the server fails": Fault.status(503),
      "its answer is lost": Fault.resetAfter,
      "the server stops reading": Fault.stallReading({ after: 300 })
    }
    for (const [what, fault] of Object.entries(retaken)) {
      scenario(`S29: a chunk is sent again where ${what}`, () =>
        Effect.gen(function*() {
          for (const skip of [0, 2, 4]) yield* inject({ route: "chunk", fault, skip })
          yield* succeed(Upload.start(source(), options))
          yield* arrived(bytes)
        }))
    }

    scenario("S29: what the server loses that is behind the chunk cannot be sent again", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.forget(), skip: 2 })
        const { error } = yield* fail(Upload.start(source(), options))
        assert.strictEqual(error._tag === "PandaSourceError" && error.reason, "CannotRewind")
        assert.match(error.message, /byte 0 is gone/)
        assert.strictEqual(error.message.split("\n").length, 1)
        assert.deepStrictEqual(yield* Videos.list(), [])
      }))

    scenario("S29: what the server loses is sent again from the window", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.forget({ to: 1500 }), skip: 3 })
        const { events } = yield* succeed(Upload.start(source(undefined, 4000), options))
        assert.include(events.map(({ _tag }) => _tag), "Restarted")
        assert.strictEqual((yield* theSession).sha256, sha256(bytes))
        assert.include(yield* ranges, "bytes 1500-2499/5500")
      }), { keepBytes: true })

    scenario("S29: a slow stream that is rewound while it is awaited loses nothing", () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.forget({ to: 500 }), skip: 1 })
        yield* inject({ route: "chunk", fault: Fault.resetBefore, skip: 3 })
        const left = parts(bytes, [300])
        const slow = Stream.repeatEffectOption(
          Effect.suspend(() => {
            const part = left.shift()
            return part === undefined ? Effect.fail(Option.none()) : Effect.delay(Effect.succeed(part), "20 seconds")
          })
        )
        yield* succeed(Upload.start(source(slow, size), options))
        assert.strictEqual((yield* theSession).sha256, sha256(bytes))
      }), { keepBytes: true })

    scenario("S29: one that ends too early never becomes a video", () =>
      Effect.gen(function*() {
        const { error } = yield* fail(Upload.start(source(streamOf(bytes.slice(0, 3700))), options))
        assert.strictEqual(error._tag === "PandaSourceError" && error.reason, "TooShort")
        assert.strictEqual(error._tag === "PandaSourceError" && error.state?.acknowledged, 3000)
        assert.deepStrictEqual(yield* Videos.list(), [])
      }))

    for (const more of [1, 3000]) {
      scenario(`S29: one that goes on for ${more} bytes never becomes a video`, () =>
        Effect.gen(function*() {
          const { error } = yield* fail(Upload.start(source(streamOf(bytesOf(size + more))), options))
          assert.strictEqual(error._tag === "PandaSourceError" && error.reason, "Changed")
          assert.isBelow((yield* theSession).stored, size)
          assert.deepStrictEqual(yield* Videos.list(), [])
        }))
    }

    scenario("S29: one that fails never becomes a video", () =>
      Effect.gen(function*() {
        const broken = Stream.concat(streamOf(bytes.slice(0, 2500)), Stream.fail("the tape\nbroke"))
        const { error } = yield* fail(Upload.start(source(broken), options))
        assert.strictEqual(error._tag === "PandaSourceError" && error.reason, "Unreadable")
        assert.include(error.message, "the tape broke")
        assert.strictEqual(error.message.split("\n").length, 1)
        assert.deepStrictEqual(yield* Videos.list(), [])
      }))

    scenario("one that is said to be empty is refused before any request", () =>
      Effect.gen(function*() {
        const empty = UploadSource.fromStream(Stream.empty, { name: "a", size: 0 })
        const { error } = yield* fail(Upload.start(empty, options))
        assert.strictEqual(error._tag === "PandaSourceError" && error.reason, "Empty")
        assert.deepStrictEqual(yield* requests, [])
      }))

    it.effect.each([-1, NaN, 1.5, Infinity])("one of %s bytes is refused", (size) =>
      Effect.gen(function*() {
        const strange = UploadSource.fromStream(Stream.empty, { name: "a", size })
        const { error } = yield* fail(Upload.start(strange, options))
        assert.strictEqual(error._tag, "PandaInputError")
        assert.deepStrictEqual(yield* requests, [])
      }).pipe(Effect.provide(PandaEmulator.layerTest())))

    scenario("is closed with the upload", () =>
      Effect.gen(function*() {
        let open = 0
        const closing = Stream.acquireRelease(Effect.sync(() => open++), () => Effect.sync(() => open--)).pipe(
          Stream.flatMap(() => Stream.concat(streamOf(bytes.slice(0, 1000)), Stream.never))
        )
        yield* runFor("1 seconds", Upload.start(source(closing), options))
        assert.strictEqual(open, 0)
        assert.deepStrictEqual(yield* routes, ["create", "chunk"])
      }))

    it.effect("keeps no more than its window and what is being read", () =>
      Effect.gen(function*() {
        const pieces = 200_000
        const many = Stream.repeatValue(new Uint8Array(10)).pipe(Stream.take(pieces), Stream.rechunk(1000))
        const { open } = UploadSource.fromStream(many, { name: "a", size: pieces * 10, window: 1000 })
        const handle = yield* open
        for (let at = 0; at < pieces * 10; at += 1_000_000) {
          assert.strictEqual(yield* handle.read(at, new Uint8Array(1_000_000)), 1_000_000)
        }
        assert.strictEqual(yield* handle.read(pieces * 10 - 1000, new Uint8Array(1000)), 1000)
        assert.strictEqual(
          (yield* Effect.flip(handle.read(pieces * 10 - 1011, new Uint8Array(10)))).reason,
          "CannotRewind"
        )
      }).pipe(Effect.scoped))

    it.effect.prop(
      "gives the same bytes as fromBytes, whatever its parts",
      {
        length: FastCheck.integer({ min: 1, max: 400 }),
        lengths: FastCheck.array(FastCheck.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 8 })
          .filter((lengths) => lengths.some((length) => length > 0)),
        group: FastCheck.integer({ min: 1, max: 9 }),
        window: FastCheck.integer({ min: 0, max: 100 }),
        reads: FastCheck.array(
          FastCheck.record({
            back: FastCheck.integer({ min: 0, max: 100 }),
            length: FastCheck.integer({ min: 1, max: 90 })
          }),
          { maxLength: 20 }
        )
      },
      ({ group, length, lengths, reads, window }) =>
        Effect.gen(function*() {
          const bytes = bytesOf(length)
          const name = "a"
          const stream = Stream.rechunk(Stream.fromIterable(parts(bytes, lengths)), group)
          const once = yield* UploadSource.fromStream(stream, { name, size: length, window }).open
          const often = yield* UploadSource.fromBytes(bytes, { name }).open
          let end = 0
          for (const { back, length } of reads) {
            const offset = Math.max(0, end - Math.min(back, window))
            const [got, expected] = [new Uint8Array(length), new Uint8Array(length)]
            const count = yield* once.read(offset, got)
            assert.strictEqual(count, yield* often.read(offset, expected))
            assert.deepStrictEqual(got, expected)
            end = Math.max(end, offset + count)
          }
          assert.deepStrictEqual(yield* once.stat, yield* often.stat)
        }).pipe(Effect.scoped),
      { fastCheck: { numRuns: 300 } }
    )
  })
})
