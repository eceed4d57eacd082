import { type PlatformError, SystemError, type SystemErrorReason } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { assertNone } from "@effect/vitest/utils"
import type { Scope } from "effect"
import { Clock, Context, DateTime, Effect, Exit, Fiber, Layer, Option, Redacted, Schema, TestClock } from "effect"
import type * as UploadState from "effect-panda/UploadState"
import * as UploadStore from "effect-panda/UploadStore"
import { CANARY, conforms, stateOf } from "./client/stores.js"
import { failureOf, logged } from "./client/upload.js"

const HOUR = 60 * 60 * 1000

type Store = UploadStore.UploadStore.Service

const storeOf = <E, R>(layer: Layer.Layer<UploadStore.UploadStore, E, R>) =>
  Effect.map(Layer.build(layer), Context.get(UploadStore.UploadStore))

const memory = (map: Map<string, string>): KeyValueStore.KeyValueStore =>
  KeyValueStore.makeStringOnly({
    get: (key) => Effect.sync(() => Option.fromNullable(map.get(key))),
    set: (key, value) => Effect.sync(() => void map.set(key, value)),
    remove: (key) => Effect.sync(() => void map.delete(key)),
    clear: Effect.sync(() => map.clear()),
    size: Effect.sync(() => map.size)
  })

const over = (map: Map<string, string>, options?: UploadStore.Options) =>
  storeOf(Layer.provide(UploadStore.layer(options), Layer.succeed(KeyValueStore.KeyValueStore, memory(map))))

/** A directory that is gone afterwards, and what a store over it is made of. */
const inFiles = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const directory = `${yield* fs.makeTempDirectoryScoped()}/uploads`
  const store = (changes: Partial<FileSystem.FileSystem> = {}, options?: UploadStore.Options) =>
    storeOf(Layer.provide(
      UploadStore.layerFileSystem(directory, options),
      Layer.succeed(FileSystem.FileSystem, { ...fs, ...changes })
    ))
  return { directory, fs, store }
})

const scoped = <A, E>(effect: Effect.Effect<A, E, FileSystem.FileSystem | Scope.Scope>) =>
  Effect.provide(Effect.scoped(effect), NodeFileSystem.layer)

const broken = (reason: SystemErrorReason = "PermissionDenied") => (): Effect.Effect<never, PlatformError> =>
  Effect.fail(new SystemError({ module: "FileSystem", method: "any", reason, pathOrDescriptor: "/read-only" }))

const warnings = (lines: ReadonlyArray<string>) => lines.filter((line) => line.startsWith("WARN "))

describe("UploadStore", () => {
  describe.each<{ name: string; make: Effect.Effect<Store, PlatformError, FileSystem.FileSystem | Scope.Scope> }>([
    { name: "in memory", make: storeOf(UploadStore.layerMemory) },
    { name: "over a KeyValueStore", make: Effect.suspend(() => over(new Map())) },
    { name: "in files", make: Effect.flatMap(inFiles, ({ store }) => store()) }
  ])("$name", ({ make }) => {
    conforms(make, scoped)
  })

  it.effect("keeps to a prefix of its own in a store that others use", () =>
    Effect.gen(function*() {
      const others = [["index", "theirs"], ["effect-panda", "theirs"], ["a.json", "theirs"]] as const
      const map = new Map<string, string>(others)
      const store = yield* over(map)
      yield* store.set("a", stateOf("1"))
      yield* Effect.scoped(Effect.gen(function*() {
        yield* store.lock("a", "movie.mp4")
        const own = [...map.keys()].filter((key) => !others.some(([other]) => other === key))
        assert.isAtLeast(own.length, 2)
        for (const key of own) assert.match(key, /^effect-panda\/uploads\//)
      }))
      yield* store.prune(0)
      assert.deepStrictEqual(others.map(([key]) => map.get(key)), ["theirs", "theirs", "theirs"])
    }).pipe(Effect.scoped))

  describe("in files", () => {
    it.effect("that no key leads out of", () =>
      scoped(Effect.gen(function*() {
        const { directory, fs, store } = yield* inFiles
        const { get, list, lock, remove, set } = yield* store()
        const outside = `${directory}/../package.json`
        yield* set("a", stateOf("1"))
        yield* fs.writeFileString(outside, "{}")
        yield* fs.makeDirectory(`${directory}/b.lock.`)
        assertNone(yield* get("../package"))
        yield* remove("../package")
        yield* set("../package", stateOf("2"))
        assert.strictEqual(yield* fs.readFileString(outside), "{}")
        assert.deepStrictEqual(yield* get("../package"), Option.some(stateOf("2")))
        assert.deepStrictEqual((yield* list).map(({ key }) => key).sort(), ["../package", "a"])
        // Nor does the owner of a lock, whose name is a part of another file's.
        yield* fs.writeFileString(`${directory}/b.lock`, `{"owner":"/../../package.json","until":0}`)
        const fiber = yield* Effect.fork(Effect.exit(Effect.scoped(lock("b", "movie.mp4"))))
        yield* Effect.repeatN(Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void))), 50)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(yield* fs.readFileString(outside), "{}")
      })))

    it.effect("which only their owner can read", () =>
      scoped(Effect.gen(function*() {
        const { directory, fs, store } = yield* inFiles
        const own = yield* store()
        yield* own.set("a", stateOf("1"))
        yield* own.set("a", stateOf("2"))
        yield* own.lock("a", "movie.mp4")
        const modes = Effect.map(fs.stat(directory), ({ mode }) => mode & 0o777)
        assert.strictEqual(yield* modes, 0o700)
        const files = yield* fs.readDirectory(directory)
        assert.deepStrictEqual(files.sort(), ["a.json", "a.lock"])
        for (const file of files) {
          assert.strictEqual((yield* fs.stat(`${directory}/${file}`)).mode & 0o777, 0o600)
        }
      })))

    it.effect("a write that fails leaves the old state, and nothing besides", () =>
      scoped(Effect.gen(function*() {
        const { directory, fs, store } = yield* inFiles
        yield* (yield* store()).set("a", stateOf("old"))
        for (
          const changes of [
            { rename: broken() },
            { writeFileString: broken() },
            { writeFileString: (path: string) => Effect.zipRight(fs.writeFileString(path, "{\"ver"), broken()()) }
          ]
        ) {
          const { lines } = yield* logged(Effect.flatMap(store(changes), (store) => store.set("a", stateOf("new"))))
          assert.strictEqual(warnings(lines).length, 1)
          assert.deepStrictEqual(yield* fs.readDirectory(directory), ["a.json"])
          const found = yield* Effect.flatMap(store(), (store) => store.get("a"))
          assert.deepStrictEqual(Option.map(found, ({ id }) => Redacted.value(id)), Option.some("old"))
        }
      })))

    it.effect("a process that is killed while it writes leaves the old state or the new one", () =>
      scoped(Effect.gen(function*() {
        const { directory, fs, store } = yield* inFiles
        yield* (yield* store()).set("a", stateOf("old"))
        const killed = yield* store({
          writeFileString: (path) => Effect.zipRight(fs.writeFileString(path, "{\"ver"), Effect.die("killed")),
          remove: () => Effect.die("killed")
        })
        assert.isTrue(Exit.isFailure(yield* Effect.exit(killed.set("a", stateOf("new")))))
        const { lines, value } = yield* logged(
          Effect.flatMap(store(), (store) => Effect.all([store.get("a"), store.list]))
        )
        assert.deepStrictEqual(Option.map(value[0], ({ id }) => Redacted.value(id)), Option.some("old"))
        assert.strictEqual(value[1].length, 1)
        assert.deepStrictEqual(lines, [])
        assert.isAtLeast((yield* fs.readDirectory(directory)).length, 2)
      })))

    it.effect("what cannot be written is a warning", () =>
      scoped(Effect.gen(function*() {
        const { store } = yield* inFiles
        const unwritable = yield* store({
          makeDirectory: broken(),
          writeFileString: broken(),
          readFileString: broken(),
          readDirectory: broken(),
          rename: broken(),
          remove: broken()
        })
        const steps: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
          unwritable.set("a", stateOf("1")),
          unwritable.remove("a"),
          unwritable.get("a"),
          unwritable.list,
          unwritable.prune(0),
          Effect.scoped(unwritable.lock("a", "movie.mp4"))
        ]
        for (const step of steps) {
          const { lines } = yield* logged(step)
          assert.isAtLeast(warnings(lines).length, 1)
          assert.notInclude(lines.join("\n"), CANARY)
        }
      })))
  })

  for (
    const [what, text] of [
      ["is no JSON", `{"version":1,"location":"http://vm-1/upload/session?id=${CANARY}"`],
      ["is of no version", `{"version":"2","location":"http://vm-1/upload/session?id=${CANARY}"}`],
      ["is empty", ""],
      ["is not a state", `{"version":1,"location":"javascript:${CANARY}"}`]
    ] as const
  ) {
    it.effect(`what ${what} is reported, set aside without its content, and none`, () =>
      scoped(Effect.gen(function*() {
        const { directory, fs, store } = yield* inFiles
        const map = new Map<string, string>()
        const cases = [
          { own: yield* store(), at: (key: string) => `${directory}/${key}`, read: fs.readFileString },
          {
            own: yield* over(map),
            at: (key: string) => `effect-panda/uploads/${key}`,
            read: (key: string) => Effect.sync(() => map.get(key))
          }
        ]
        for (const { at, own, read } of cases) {
          yield* own.set("good", stateOf("1"))
          yield* own.set("bad", stateOf("2"))
          if (map.size > 0) map.set(at("bad.json"), text)
          else yield* fs.writeFileString(at("bad.json"), text)
          const { lines, value } = yield* logged(Effect.zip(own.list, own.get("bad")))
          assert.deepStrictEqual(value[0].map(({ key }) => key), ["good"])
          assertNone(value[1])
          assert.strictEqual(lines.length, 1)
          assert.match(lines[0]!, /^WARN .*bad .*set aside as bad\.unreadable/)
          assert.notInclude(lines[0]!, CANARY)
          const note = String(yield* read(at("bad.unreadable")))
          assert.match(note, /^{"problem":"is not the state of an upload.*","length":\d+,/)
          assert.notInclude(note, CANARY)
          assert.notMatch(note, /http|javascript/)
          yield* own.set("bad", stateOf("3"))
          assert.strictEqual((yield* own.list).length, 2)
        }
      })))
  }

  it.effect("what a newer version wrote is left alone, and said so", () =>
    scoped(Effect.gen(function*() {
      const { directory, fs, store } = yield* inFiles
      const own = yield* store()
      yield* own.set("good", stateOf("1"))
      const text = `{"version":2,"name":"movie.mp4","location":"${CANARY}","new":true}`
      yield* fs.writeFileString(`${directory}/new.json`, text)
      const { lines, value } = yield* logged(Effect.zip(own.list, Effect.flip(own.get("new"))))
      assert.deepStrictEqual(value[0].map(({ key }) => key), ["good"])
      assert.strictEqual(value[1].reason, "Newer")
      assert.isFalse(value[1].isRetryable)
      assert.match(value[1].message, /^Upload.startOrResume: movie\.mp4 was begun by a newer version .*Update this one/)
      assert.deepStrictEqual(lines, [])
      yield* TestClock.adjust("1 day")
      assert.strictEqual(yield* own.prune("1 hour"), 1)
      assert.deepStrictEqual(yield* fs.readDirectory(directory), ["new.json"])
      assert.strictEqual(yield* fs.readFileString(`${directory}/new.json`), text)
    })))

  describe("prune", () => {
    it.effect("removes what the dead left behind, and nothing of the living", () =>
      scoped(Effect.gen(function*() {
        const { directory, fs, store } = yield* inFiles
        const own = yield* store()
        const read = Effect.map(fs.readDirectory(directory), (files) => files.sort())
        yield* TestClock.setTime(48 * HOUR)
        yield* own.set("old", stateOf("1"))
        yield* own.set("held", stateOf("2"))
        yield* own.set("bad", stateOf("3"))
        yield* fs.writeFileString(`${directory}/bad.json`, `{"location":"${CANARY}"`)
        yield* own.lock("held", "movie.mp4")
        yield* own.lock("begun", "movie.mp4")
        const left = {
          "old.lock": `{"owner":"dead","lease":15000,"since":0}`,
          "old.lock.dead": `{"beat":3,"at":15000}`,
          "old.lock.dead.heir": `{"owner":"dead-too","lease":15000,"since":1}`,
          "old.lock.dead.other.wish": "",
          "alone.lock": `{"owner":"dead","until":1}`,
          "empty.lock": "",
          "gone.lock.dead": `{"beat":3,"at":15000}`,
          "old.json.-123.new": "{",
          "alone.json.5-42.new": "{",
          "older.unreadable": `{"location":"${CANARY}"`
        }
        for (const [file, text] of Object.entries(left)) yield* fs.writeFileString(`${directory}/${file}`, text)
        yield* own.set("new", stateOf("4", 47.5 * HOUR))
        assert.strictEqual(yield* own.prune("1 hour"), 1)
        assert.deepStrictEqual(yield* read, ["begun.lock", "held.json", "held.lock", "new.json"])
      })))
  })

  describe("lock", () => {
    /** A process that can be killed, or put to sleep, over what it shares with others. */
    const processOver = (map: Map<string, string>, options?: UploadStore.Options) => {
      let killed = false
      let [steps, last] = [0, Infinity]
      const asleep = Effect.unsafeMakeLatch(true)
      const alive = <A>(effect: Effect.Effect<A>, instead: A) =>
        Effect.suspend(() => ++steps > last ? asleep.close : Effect.void).pipe(
          Effect.zipRight(asleep.await),
          Effect.zipRight(Effect.suspend(() => killed ? Effect.succeed(instead) : effect))
        )
      const store = UploadStore.make({
        get: (key) => alive(Effect.sync(() => Option.fromNullable(map.get(key))), Option.none()),
        set: (key, value) => alive(Effect.sync(() => void map.set(key, value)), undefined),
        create: (key, value) => alive(Effect.sync(() => !map.has(key) && !!map.set(key, value)), false),
        remove: (key) => alive(Effect.sync(() => void map.delete(key)), undefined),
        keys: Effect.sync(() => [...map.keys()])
      }, options)
      return {
        ...store,
        kill: Effect.sync(() => {
          killed = true
        }),
        sleep: asleep.close,
        /** Falls asleep before the step after so many more. */
        sleepAfter: (more: number) =>
          Effect.sync(() => {
            last = steps + more
          }),
        wake: Effect.suspend(() => {
          last = Infinity
          return asleep.open
        }),
        steps: () => steps
      }
    }

    const attempt = (store: Store) => Effect.fork(Effect.exit(store.lock("a", "movie.mp4")))

    it.effect("keeps others out for as long as its holder lives", () =>
      Effect.gen(function*() {
        const map = new Map<string, string>()
        const [first, second] = [processOver(map), processOver(map)]
        yield* first.lock("a", "movie.mp4")
        for (let round = 0; round < 3; round++) {
          const fiber = yield* attempt(second)
          yield* TestClock.adjust("1 minute")
          const error = failureOf(yield* Fiber.join(fiber))
          assert.strictEqual(error._tag, "PandaUploadLocked")
          assert.match(error.message, /movie\.mp4 is being uploaded by another process\. Wait for it/)
        }
        yield* second.lock("b", "movie.mp4")
      }).pipe(Effect.scoped))

    for (const lease of ["15 seconds", "40 seconds"] as const) {
      it.effect(`of one that died falls to the next, after ${lease} at most`, () =>
        Effect.gen(function*() {
          const map = new Map<string, string>()
          const [first, second] = [processOver(map, { lease }), processOver(map, { lease })]
          yield* first.lock("a", "movie.mp4")
          yield* TestClock.adjust("1 minute")
          yield* first.kill
          const fiber = yield* attempt(second)
          yield* TestClock.adjust("1 second")
          assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
          yield* TestClock.adjust(lease)
          yield* TestClock.adjust(lease === "15 seconds" ? "1 second" : "3 seconds")
          assert.isTrue(Exit.isSuccess(yield* Fiber.join(fiber)))
        }).pipe(Effect.scoped))
    }

    it.effect("that was lost while its holder slept is not taken back, and not given away", () =>
      Effect.gen(function*() {
        const map = new Map<string, string>()
        const [first, second, third] = [processOver(map), processOver(map), processOver(map)]
        const { lines } = yield* logged(Effect.gen(function*() {
          const holding = yield* Effect.fork(Effect.scoped(Effect.zipRight(first.lock("a", "movie.mp4"), Effect.never)))
          yield* Effect.yieldNow()
          yield* first.sleep
          const taking = yield* Effect.fork(second.lock("a", "movie.mp4"))
          yield* TestClock.adjust("17 seconds")
          yield* Fiber.join(taking)
          const taken = map.get("a.lock")
          yield* first.wake
          yield* Effect.yieldNow()
          assert.strictEqual(map.get("a.lock"), taken)
          yield* Fiber.interrupt(holding)
          assert.strictEqual(map.get("a.lock"), taken)
          const fiber = yield* attempt(third)
          yield* TestClock.adjust("1 minute")
          assert.strictEqual(failureOf(yield* Fiber.join(fiber))._tag, "PandaUploadLocked")
        }))
        assert.isAtLeast(warnings(lines).length, 1)
      }).pipe(Effect.scoped))

    it.effect("is left to a living holder by a host whose clock is an hour ahead, or that waits for less long", () =>
      Effect.gen(function*() {
        const map = new Map<string, string>()
        const first = processOver(map)
        const held = yield* first.lock("a", "movie.mp4")
        const clock = yield* Effect.clock
        const ahead: Clock.Clock = {
          ...clock,
          [Clock.ClockTypeId]: Clock.ClockTypeId,
          currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + HOUR),
          unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() + HOUR,
          currentTimeNanos: clock.currentTimeNanos,
          unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
          sleep: (duration) => clock.sleep(duration)
        }
        for (
          const second of [
            Effect.withClock(attempt(processOver(map)), ahead),
            attempt(processOver(map, { lease: "1 second" }))
          ]
        ) {
          const fiber = yield* second
          yield* TestClock.adjust("1 minute")
          assert.strictEqual(failureOf(yield* Fiber.join(fiber)).reason, "Held")
          yield* held.check
        }
        // Nor does it wait for what the clock of the dead says.
        yield* first.kill
        const fiber = yield* Effect.withClock(attempt(processOver(map)), ahead)
        yield* TestClock.adjust("17 seconds")
        assert.isTrue(Exit.isSuccess(yield* Fiber.join(fiber)))
      }).pipe(Effect.scoped))

    it.effect("is its successor's, whatever step its holder slept in", () =>
      Effect.gen(function*() {
        for (let step = 1; step <= 12; step++) {
          yield* Effect.scoped(Effect.gen(function*() {
            const map = new Map<string, string>()
            const [first, second] = [processOver(map), processOver(map)]
            const lost = yield* first.lock("a", "movie.mp4")
            yield* first.set("a", stateOf("first"), lost)
            yield* first.sleepAfter(step)
            yield* TestClock.adjust("30 seconds")
            const taking = yield* Effect.fork(second.lock("a", "movie.mp4"))
            yield* TestClock.adjust("20 seconds")
            const held = yield* Fiber.join(taking)
            yield* second.set("a", stateOf("second"), held)
            const taken = map.get("a.lock")
            yield* first.wake
            yield* TestClock.adjust("30 seconds")
            assert.strictEqual(map.get("a.lock"), taken, `step ${step}`)
            yield* held.check
            assert.strictEqual(failureOf(yield* Effect.exit(lost.check)).reason, "Lost")
            assert.strictEqual(failureOf(yield* Effect.exit(lost.lost)).reason, "Lost")
            assert.strictEqual(failureOf(yield* Effect.exit(first.set("a", stateOf("first"), lost))).reason, "Lost")
            assert.strictEqual(failureOf(yield* Effect.exit(first.remove("a", lost))).reason, "Lost")
            assert.deepStrictEqual(yield* second.get("a"), Option.some(stateOf("second")))
            yield* second.remove("a", held)
          }))
        }
      }))

    for (const lease of [0, -1000, NaN, Infinity, "1 nanos"] as const) {
      it.effect(`with a lease of ${lease} costs little, and still keeps others out`, () =>
        Effect.gen(function*() {
          const map = new Map<string, string>()
          const [first, second] = [processOver(map, { lease }), processOver(map, { lease })]
          yield* first.lock("a", "movie.mp4")
          yield* TestClock.adjust("10 seconds")
          assert.isAtMost(first.steps(), 100)
          const fiber = yield* attempt(second)
          yield* TestClock.adjust(lease === Infinity ? "1 day" : "10 seconds")
          assert.strictEqual(failureOf(yield* Fiber.join(fiber))._tag, "PandaUploadLocked")
        }).pipe(Effect.scoped))
    }

    it.effect("tells who waits for it, and whom it is kept from that there is a wait", () =>
      Effect.gen(function*() {
        const map = new Map<string, string>()
        const [first, second] = [processOver(map), processOver(map)]
        const held = yield* first.lock("a", "movie.mp4", Effect.dieMessage("nobody has it"))
        assert.isFalse(yield* held.wanted)
        let waits = 0
        const fiber = yield* Effect.fork(
          Effect.scoped(second.lock("a", "movie.mp4", Effect.sync(() => waits++)))
        )
        yield* TestClock.adjust("4 seconds")
        assert.isTrue(yield* held.wanted)
        assert.strictEqual(waits, 1)
        yield* Fiber.interrupt(fiber)
        assert.isFalse(yield* held.wanted)
      }).pipe(Effect.scoped))

    it.effect("that cannot be read falls to the next once no living process can be writing it", () =>
      Effect.gen(function*() {
        const map = new Map([["a.lock", "{\"own"]])
        const fiber = yield* attempt(processOver(map))
        yield* TestClock.adjust("14 seconds")
        assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
        yield* TestClock.adjust("2 seconds")
        assert.isTrue(Exit.isSuccess(yield* Fiber.join(fiber)))
      }).pipe(Effect.scoped))

    /** Every step takes some turns of the scheduler; a file is there before its content is. */
    const contested = (map: Map<string, string>, turns: () => number) => {
      const pause = Effect.suspend(() => Effect.repeatN(Effect.yieldNow(), turns()))
      const step = <A>(effect: Effect.Effect<A>) => Effect.zipLeft(Effect.zipRight(pause, effect), pause)
      const write = (key: string, value: string) => step(Effect.sync(() => void map.set(key, value)))
      return UploadStore.make({
        get: (key) => step(Effect.sync(() => Option.fromNullable(map.get(key)))),
        set: write,
        create: (key, value) =>
          Effect.flatMap(
            step(Effect.sync(() => !map.has(key) && !!map.set(key, ""))),
            (created) => created ? Effect.as(write(key, value), true) : Effect.succeed(false)
          ),
        remove: (key) => step(Effect.sync(() => void map.delete(key))),
        keys: Effect.sync(() => [...map.keys()])
      })
    }

    const randomly = (seed: number) => {
      let next = seed * 2654435761
      return () => (next = (next * 1103515245 + 12345) % 2 ** 31, Math.floor(next / 2 ** 16) % 5)
    }

    const dead = Schema.encodeSync(Schema.parseJson(Schema.Unknown))({ owner: "dead", until: -1 })

    const left: Record<string, ReadonlyArray<[string, string]>> = {
      "nobody holds": [],
      "a dead process holds": [["a.lock", dead]],
      "a process held that died while it took over from a dead one": [["a.lock", dead], ["a.lock.dead", dead]],
      "a process held that died while it wrote": [["a.lock", dead], ["a.lock.dead", ""]]
    }
    for (const [what, before] of Object.entries(left)) {
      it.effect(`which ${what} goes to one of those who want it at the same moment`, () =>
        Effect.gen(function*() {
          const wait = what !== "nobody holds"
          for (let seed = 1; seed <= (wait ? 10 : 100); seed++) {
            const asleep = (yield* TestClock.sleeps()).length
            const map = new Map(before)
            yield* Effect.scoped(Effect.gen(function*() {
              let won = 0
              for (let contender = 0; contender < 4; contender++) {
                const { lock } = contested(map, randomly(seed * 4 + contender))
                yield* Effect.forkScoped(Effect.zipRight(lock("a", "movie.mp4"), Effect.sync(() => won++)))
              }
              yield* Effect.repeatN(Effect.yieldNow(), 250)
              if (wait) yield* TestClock.adjust("18 seconds")
              yield* Effect.repeatN(Effect.yieldNow(), 250)
              assert.strictEqual(won, 1, `seed ${seed}`)
              if (wait) return
              assert.strictEqual((yield* TestClock.sleeps()).length - asleep, 4, `seed ${seed}`)
            }))
          }
        }))
    }

    it.effect("is not left behind, whenever its holder is interrupted", () =>
      Effect.gen(function*() {
        for (let turns = 0; turns < 60; turns++) {
          const map = new Map<string, string>()
          const { lock } = contested(map, () => 2)
          const fiber = yield* Effect.fork(Effect.scoped(Effect.zipRight(lock("a", "movie.mp4"), Effect.never)))
          yield* Effect.repeatN(Effect.yieldNow(), turns)
          yield* Fiber.interrupt(fiber)
          assert.deepStrictEqual([...map.keys()], [], `after ${turns} turns`)
        }
      }))

    it.effect("over a KeyValueStore goes to one of two fibers", () =>
      Effect.gen(function*() {
        const map = new Map<string, string>()
        const slow = memory(map)
        const store = yield* storeOf(Layer.provide(
          UploadStore.layer(),
          Layer.succeed(KeyValueStore.KeyValueStore, {
            ...slow,
            has: (key) => Effect.zipLeft(slow.has(key), Effect.yieldNow()),
            set: (key, value) => Effect.zipRight(Effect.yieldNow(), slow.set(key, value))
          })
        ))
        let won = 0
        yield* Effect.replicateEffect(
          Effect.forkScoped(Effect.zipRight(store.lock("a", "movie.mp4"), Effect.sync(() => won++))),
          2
        )
        yield* Effect.repeatN(Effect.yieldNow(), 100)
        assert.strictEqual(won, 1)
      }).pipe(Effect.scoped))

    for (const held of ["nobody holds", "a dead process holds"]) {
      it.live(`in files that ${held} goes to one of four, in each of 20 rounds`, () =>
        scoped(Effect.gen(function*() {
          const { directory, fs, store } = yield* inFiles
          // Longer than a loaded machine keeps a holder from showing that it lives.
          const stores = yield* Effect.replicateEffect(store({}, { lease: "5 seconds" }), 4)
          yield* fs.makeDirectory(directory, { recursive: true })
          const round = (key: string) =>
            Effect.gen(function*() {
              if (held === "a dead process holds") yield* fs.writeFileString(`${directory}/${key}.lock`, dead)
              // Who has it keeps it until all the others have been told so.
              const others = yield* Effect.makeSemaphore(stores.length)
              yield* others.take(stores.length - 1)
              const outcomes = yield* Effect.forEach(stores, ({ lock }) =>
                Effect.scoped(Effect.zipRight(lock(key, "movie.mp4"), others.take(stores.length))).pipe(
                  Effect.as("had it"),
                  Effect.catchTag("PandaUploadLocked", ({ reason }) => Effect.as(others.release(1), reason))
                ), { concurrency: "unbounded" })
              assert.deepStrictEqual(outcomes.sort(), ["Held", "Held", "Held", "had it"], key)
            })
          yield* Effect.forEach(Array.from({ length: 20 }, (_, n) => `round-${n}`), round, { concurrency: "unbounded" })
          assert.deepStrictEqual(yield* fs.readDirectory(directory), [])
        })))
    }
  })

  it("has another key for another name, content, time, host, cloud, account or settings", () => {
    const fingerprint = { size: 10, modified: DateTime.unsafeMake(1), digest: "abcd" }
    const destination = { baseUrl: "https://api.pandastream.com/v2", cloudId: "cloud" }
    const settings: ReadonlyArray<UploadState.SessionOptions> = [
      { profiles: ["h264"] },
      { profiles: ["webm"] },
      { profiles: ["h264", "webm"] },
      { profiles: [] },
      { use_all_profiles: true },
      { path_format: "a/:id" },
      { path_format: "b/:id" },
      { payload: "1" },
      { payload: "2" }
    ]
    const keys = [
      UploadStore.keyOf("a", fingerprint, destination),
      UploadStore.keyOf("b", fingerprint, destination),
      UploadStore.keyOf("a", { ...fingerprint, size: 11 }, destination),
      UploadStore.keyOf("a", { ...fingerprint, modified: DateTime.unsafeMake(2) }, destination),
      UploadStore.keyOf("a", { ...fingerprint, modified: undefined }, destination),
      UploadStore.keyOf("a", { ...fingerprint, digest: "abce" }, destination),
      UploadStore.keyOf("a", fingerprint, { ...destination, baseUrl: "https://api-eu.pandastream.com/v2" }),
      UploadStore.keyOf("a", fingerprint, { ...destination, cloudId: "other" }),
      UploadStore.keyOf("a", fingerprint, { ...destination, cloudId: undefined }),
      ...["clou_alice", "clou_bob"].map((token) =>
        UploadStore.keyOf("a", fingerprint, {
          baseUrl: destination.baseUrl,
          cloudId: undefined,
          auth: { _tag: "Token", token: Redacted.make(token) }
        })
      ),
      ...["alice", "bob"].map((accessKey) =>
        UploadStore.keyOf("a", fingerprint, {
          ...destination,
          auth: { _tag: "Keys", accessKey, secretKey: Redacted.make("secret") }
        })
      ),
      ...settings.map((settings) => UploadStore.keyOf("a", fingerprint, destination, settings))
    ]
    assert.strictEqual(new Set(keys).size, keys.length)
    assert.strictEqual(UploadStore.keyOf("a", { ...fingerprint }, { ...destination }, {}), keys[0])
    // What asks for the same in other words is the same.
    const key = (settings: UploadState.SessionOptions) => UploadStore.keyOf("a", fingerprint, destination, settings)
    assert.strictEqual(key({ profiles: ["b", "a", "b"] }), key({ profiles: ["a", "b"], use_all_profiles: false }))
    assert.strictEqual(key({ profiles: [] }), key({ profiles: "none", payload: undefined }))
    for (const key of keys) assert.match(key, /^[0-9a-f]{64}$/)
  })
})
