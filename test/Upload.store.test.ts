import * as FileSystem from "@effect/platform/FileSystem"
import { SystemError } from "@effect/platform/Error"
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { DateTime, Effect, Fiber, Layer, Option, Redacted, Schedule, Stream, TestClock } from "effect"
import * as Clouds from "effect-panda/Clouds"
import * as PandaClient from "effect-panda/PandaClient"
import { Fault } from "effect-panda/PandaEmulator"
import { PandaUploadLocked } from "effect-panda/PandaError"
import * as Upload from "effect-panda/Upload"
import * as UploadSource from "effect-panda/UploadSource"
import type { UploadState } from "effect-panda/UploadState"
import * as UploadStore from "effect-panda/UploadStore"
import {
  arrived,
  bytesOf,
  CHUNK,
  fail,
  failureOf,
  inject,
  logged,
  options,
  ranges,
  requests,
  routes,
  runFor,
  scenario as bare,
  type Services,
  sessions,
  sourceOf,
  succeed,
  theSession,
  watch
} from "./client/upload.js"

const store = UploadStore.UploadStore
const entries = Effect.flatMap(store, ({ list }) => list)
const creations = Effect.map(routes, (routes) => routes.filter((route) => route === "create").length)

const scenario = (
  name: string,
  test: () => Effect.Effect<unknown, unknown, Services | UploadStore.UploadStore>
) => bare(name, () => Effect.provide(test(), UploadStore.layerMemory))

/** Wherever an upload is left, there is nothing left to clean up but its state. */
const notLocked = Effect.scoped(Effect.flatMap(store, (store) =>
  Effect.gen(function*() {
    for (const { key } of yield* store.list) yield* store.lock(key, "movie.mp4")
  })))

describe("Upload.startOrResume", () => {
  scenario("uploads what it does not know, and keeps nothing of it", () =>
    Effect.gen(function*() {
      const { events } = yield* succeed(Upload.startOrResume(sourceOf(2500), options))
      assert.strictEqual(events[0]?._tag, "Started")
      assert.deepStrictEqual(yield* entries, [])
      yield* arrived(bytesOf(2500))
    }))

  scenario("saves after each acknowledgement and each move, before the next request", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.move(), skip: 1 })
      yield* inject({ route: "chunk", fault: Fault.status(503), skip: 1 })
      yield* inject({ route: "probe", fault: Fault.move() })
      const saved: Array<{ requests: number; acknowledged: number; location: string }> = []
      const inner = yield* store
      const seen = yield* Effect.context<Services>()
      const watched: UploadStore.UploadStore.Service = {
        ...inner,
        set: (key, state) =>
          Effect.gen(function*() {
            const { length } = yield* Effect.provide(requests, seen)
            saved.push({
              requests: length,
              acknowledged: state.acknowledged,
              location: Redacted.value(state.location)
            })
            yield* inner.set(key, state)
          })
      }
      yield* succeed(Upload.startOrResume(sourceOf(4000), options)).pipe(
        Effect.provideService(store, watched)
      )
      assert.deepStrictEqual(yield* routes, ["create", "chunk", "chunk", "chunk", "probe", "chunk", "chunk"])
      assert.deepStrictEqual(saved.map(({ acknowledged, requests }) => [requests, acknowledged]), [
        [1, 0],
        [2, 1000],
        [3, 1000],
        [3, 2000],
        [5, 2000],
        [6, 3000],
        [7, 4000]
      ])
      const locations = saved.map(({ location }) => location)
      assert.deepStrictEqual(
        locations.map((location) => new Set(locations.slice(0, locations.indexOf(location) + 1)).size),
        [1, 1, 2, 2, 3, 3, 3]
      )
      assert.strictEqual((yield* theSession).locations, 3)
      yield* arrived(bytesOf(4000))
    }))

  for (let at = 0; at <= 4; at++) {
    scenario(`S37: left in request ${at}, it goes on at the byte that the server has`, () =>
      Effect.gen(function*() {
        yield* inject({ route: "*", fault: Fault.stall, skip: at })
        const upload = Upload.startOrResume(sourceOf(3500), options)
        yield* runFor("1 seconds", upload)
        assert.strictEqual((yield* requests).length, at + 1)
        assert.strictEqual((yield* entries).length, at === 0 ? 0 : 1)
        yield* notLocked
        const before = (yield* requests).length
        const { events } = yield* succeed(upload)
        assert.strictEqual(events[0]?._tag, at === 0 ? "Started" : "Resumed")
        assert.strictEqual(yield* creations, at === 0 ? 2 : 1)
        if (at > 0) assert.strictEqual((yield* requests)[before]?.route, "probe")
        // A stalled chunk was stored; the last one needs its last byte again to become a video.
        const next = at === 0 ? 0 : at === 4 ? 3499 : at * CHUNK
        const resumed = (yield* requests).slice(before).find(({ route }) => route === "chunk")
        assert.match(resumed!.headers["content-range"]!, new RegExp(`^bytes ${next}-`))
        assert.strictEqual((yield* theSession).received, at === 4 ? 3501 : 3500)
        assert.deepStrictEqual(yield* entries, [])
      }))
  }

  scenario("S37: left while it waits, it goes on at the byte that the server has", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.status(503, { retryAfter: 20 }), skip: 2 })
      const upload = Upload.startOrResume(sourceOf(3500), options)
      yield* runFor("10 seconds", upload)
      yield* succeed(upload)
      assert.deepStrictEqual((yield* ranges).slice(2), [
        "bytes 2000-2999/3500",
        "bytes */3500",
        "bytes 2000-2999/3500",
        "bytes 3000-3499/3500"
      ])
      assert.strictEqual(yield* creations, 1)
    }))

  /** A process whose storage no longer hears of it once it is killed, and not for as long as it sleeps. */
  const processOver = (shared: KeyValueStore.KeyValueStore) => {
    let killed = false
    const asleep = Effect.unsafeMakeLatch(true)
    const alive = <A, E>(effect: Effect.Effect<A, E>, instead: A) =>
      Effect.zipRight(asleep.await, Effect.suspend(() => killed ? Effect.succeed(instead) : effect))
    const layer = Layer.provide(
      UploadStore.layer(),
      Layer.succeed(KeyValueStore.KeyValueStore, {
        ...shared,
        get: (key) => Effect.zipRight(asleep.await, shared.get(key)),
        set: (key, value) => alive(shared.set(key, value), undefined),
        remove: (key) => alive(shared.remove(key), undefined)
      })
    )
    return {
      layer,
      kill: Effect.sync(() => {
        killed = true
      }),
      sleep: asleep.close,
      wake: asleep.open
    }
  }

  bare("S37: killed ten times, it creates one session and sends little twice", () =>
    Effect.gen(function*() {
      const size = 60 * CHUNK
      const shared = yield* KeyValueStore.KeyValueStore
      yield* inject({ route: "chunk", fault: Fault.delayAnswer("1 second"), times: Infinity })
      yield* inject({ route: "probe", fault: Fault.delay("100 millis"), times: Infinity })
      for (let round = 0; round < 10; round++) {
        const { kill, layer } = processOver(shared)
        const { fiber } = yield* watch(Upload.startOrResume(sourceOf(size), options)).pipe(
          Effect.provide(layer)
        )
        // A dead process is waited for.
        yield* TestClock.adjust(`${(round === 0 ? 0 : 16_500) + 1700 + round * 370} millis`)
        yield* kill
        yield* Fiber.interrupt(fiber)
      }
      assert.isAbove((yield* theSession).stored, 10 * CHUNK)
      yield* succeed(Upload.startOrResume(sourceOf(size), options)).pipe(Effect.provide(processOver(shared).layer))
      assert.strictEqual(yield* creations, 1)
      assert.isAtMost((yield* theSession).received, size + 10 * CHUNK)
      yield* arrived(bytesOf(size))
    }).pipe(Effect.provide(KeyValueStore.layerMemory)))

  scenario("forgets a session that is gone, and begins anew the next time", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.expire(), skip: 1 })
      const { error } = yield* fail(Upload.startOrResume(sourceOf(2500), options))
      assert.strictEqual(error._tag, "PandaSessionExpired")
      assert.deepStrictEqual(yield* entries, [])
      const { events } = yield* succeed(Upload.startOrResume(sourceOf(2500), options))
      assert.strictEqual(events[0]?._tag, "Started")
      assert.strictEqual(yield* creations, 2)
      yield* arrived(bytesOf(2500))
    }))

  scenario("keeps the state of the session that took the place of one that was gone", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.expire(), skip: 1 })
      yield* inject({ route: "chunk", fault: Fault.stall, skip: 2 })
      yield* runFor("10 seconds", Upload.startOrResume(sourceOf(2500), { ...options, onExpired: "restart" }))
      assert.deepStrictEqual((yield* entries).map(({ state }) => Redacted.value(state.id)), [(yield* theSession).id])
      yield* succeed(Upload.startOrResume(sourceOf(2500), options))
      assert.strictEqual(yield* creations, 2)
      yield* arrived(bytesOf(2500))
    }))

  scenario("keeps the state of an upload that failed", () =>
    Effect.gen(function*() {
      yield* inject({ route: "*", fault: Fault.refuse, skip: 2, times: 3 })
      const retry = Schedule.recurs(2)
      const { error } = yield* fail(Upload.startOrResume(sourceOf(2500), { ...options, retry }))
      assert.strictEqual(error._tag, "PandaUploadStalled")
      assert.deepStrictEqual((yield* entries).map(({ state }) => state.acknowledged), [1000])
      yield* notLocked
      yield* succeed(Upload.startOrResume(sourceOf(2500), options))
      yield* arrived(bytesOf(2500))
    }))

  const others: Record<string, Effect.Effect<Stream.Stream<Upload.UploadEvent, unknown, Needed>, unknown, Services>> = {
    "name": Effect.succeed(Upload.startOrResume(sourceOf(2500, "other.mp4"), options)),
    "content": Effect.succeed(
      Upload.startOrResume(UploadSource.fromBytes(bytesOf(2500, 1), { name: "movie.mp4" }), options)
    ),
    "size": Effect.succeed(Upload.startOrResume(sourceOf(2501), options)),
    "time": Effect.succeed(Upload.startOrResume(
      UploadSource.fromBlob(new File([bytesOf(2500)], "movie.mp4", { lastModified: 1 })),
      options
    ))
  }
  type Needed = PandaClient.PandaClient | UploadStore.UploadStore

  for (const [what, other] of Object.entries(others)) {
    scenario(`does not go on with the upload of another ${what}`, () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.stall, skip: 1 })
        yield* runFor("1 seconds", Upload.startOrResume(sourceOf(2500), options))
        const upload = yield* other
        yield* Upload.video(upload)
        assert.strictEqual(yield* creations, 2)
        assert.strictEqual((yield* entries).length, 1)
        const { events } = yield* succeed(Upload.startOrResume(sourceOf(2500), options))
        assert.strictEqual(events[0]?._tag, "Resumed")
        assert.deepStrictEqual((yield* sessions).map(({ status }) => status), ["complete", "complete"])
      }))
  }

  scenario("does not go on with an upload to another cloud", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.stall, skip: 1 })
      yield* runFor("1 seconds", Upload.startOrResume(sourceOf(2500), { chunkSize: CHUNK }))
      const cloud = yield* Clouds.create({
        name: "other",
        s3_videos_bucket: "bucket",
        aws_access_key: "a",
        aws_secret_key: Redacted.make("b")
      })
      yield* PandaClient.withCloud(Upload.video(Upload.startOrResume(sourceOf(2500), { chunkSize: CHUNK })), cloud.id)
      const created = (yield* requests).filter(({ route }) => route === "create")
      assert.deepStrictEqual(created.map(({ parameters }) => parameters["cloud_id"]), ["emulated-cloud-id", cloud.id])
      assert.strictEqual((yield* entries).length, 1)
    }))

  scenario("fails while the same source is being uploaded, and harms nothing", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.delay("10 seconds"), times: Infinity })
      const upload = Upload.startOrResume(sourceOf(5000), options)
      const uploads = yield* Effect.replicateEffect(watch(upload), 2)
      yield* TestClock.adjust("1 hour")
      const exits = yield* Effect.forEach(uploads, ({ fiber }) => Fiber.join(fiber))
      assert.deepStrictEqual(exits.map(({ _tag }) => _tag).sort(), ["Failure", "Success"])
      const error = failureOf(exits.find(({ _tag }) => _tag === "Failure")!)
      assert.strictEqual(error._tag, "PandaUploadLocked")
      assert.strictEqual(yield* creations, 1)
      assert.deepStrictEqual(yield* entries, [])
      yield* arrived(bytesOf(5000))
    }))

  bare(
    "who was taken for dead stops before its next request, and touches nothing of its successor's",
    () =>
      Effect.gen(function*() {
        const shared = yield* KeyValueStore.KeyValueStore
        yield* inject({ route: "chunk", fault: Fault.delayAnswer("4 seconds"), times: Infinity })
        const upload = Upload.startOrResume(sourceOf(20 * CHUNK), options)
        const [first, second] = [processOver(shared), processOver(shared)]
        const one = yield* Effect.provide(watch(upload), first.layer)
        yield* TestClock.adjust("10 seconds")
        yield* first.sleep
        const other = yield* Effect.provide(watch(upload), second.layer)
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual(other.events.map(({ _tag }) => _tag).slice(0, 2), ["Waiting", "Resumed"])
        const before = yield* requests
        const texts = (layer: typeof first.layer) => Effect.provide(entries, layer)
        const kept = yield* texts(second.layer)
        yield* first.wake
        const error = failureOf(yield* Fiber.join(one.fiber))
        assert.strictEqual(error._tag, "PandaUploadLocked")
        assert.match(error.message, /movie\.mp4 was taken over by another process.*Leave it to that one/)
        assert.deepStrictEqual(yield* requests, before)
        assert.deepStrictEqual(yield* texts(second.layer), kept)
        yield* TestClock.adjust("10 minutes")
        yield* Fiber.join(other.fiber)
        assert.strictEqual(yield* creations, 1)
        assert.deepStrictEqual(yield* texts(second.layer), [])
        yield* arrived(bytesOf(20 * CHUNK))
      }).pipe(Effect.provide(KeyValueStore.layerMemory))
  )

  scenario(
    "gives the second of two at once the video of the first, and says that it waits",
    () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.delayAnswer("1 second"), times: Infinity })
        const upload = Upload.startOrResume(sourceOf(2500), options)
        const uploads = yield* Effect.replicateEffect(watch(upload), 3)
        yield* TestClock.adjust("1 minute")
        const videos = yield* Effect.forEach(uploads, ({ fiber }) => Effect.flatten(Fiber.join(fiber)))
        assert.strictEqual(new Set(videos.map(({ id }) => id)).size, 1)
        assert.strictEqual(yield* creations, 1)
        const told = uploads.map(({ events }) =>
          events.map(({ _tag }) => _tag).filter((tag) => tag !== "Progress").join(" ")
        )
        assert.deepStrictEqual(told.sort(), [
          "Started Uploaded",
          "Waiting Resumed Uploaded",
          "Waiting Resumed Uploaded"
        ])
        assert.deepStrictEqual(yield* entries, [])
        yield* notLocked
        yield* arrived(bytesOf(2500))
      })
  )

  scenario("goes on with the upload of another that fails while it is waited for", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.delay("1 second"), times: Infinity })
      yield* inject({ route: "chunk", fault: Fault.status(403), skip: 1 })
      const upload = Upload.startOrResume(sourceOf(2500), options)
      const [first, second] = yield* Effect.replicateEffect(watch(upload), 2)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(failureOf(yield* Fiber.join(first!.fiber))._tag, "PandaUploadRejected")
      yield* Effect.flatten(Fiber.join(second!.fiber))
      assert.strictEqual(second!.events[0]?._tag, "Waiting")
      yield* arrived(bytesOf(2500))
    }))

  const consumers: Record<string, Effect.Effect<never, string>> = {
    "fails": Effect.fail("the database is away"),
    "dies": Effect.die("on purpose"),
    "is interrupted": Effect.interrupt
  }
  for (const [what, over] of Object.entries(consumers)) {
    for (const by of ["alone", "with many"]) {
      scenario(`finds the video again, ${by}, if who records it ${what}`, () =>
        Effect.gen(function*() {
          const source = sourceOf(2500)
          const upload = by === "alone"
            ? Upload.startOrResume(source, options)
            : Upload.many([source], { ...options, upload: Upload.startOrResume }).pipe(
              Stream.filterMap((told) => told._tag === "Event" ? Option.some(told.event) : Option.none())
            )
          const recorded: Array<string> = []
          const record = (event: Upload.UploadEvent) =>
            event._tag === "Uploaded" ? Effect.sync(() => recorded.push(event.video.id)) : Effect.void
          for (let run = 0; run < 2; run++) {
            const exit = yield* Effect.exit(
              Stream.runForEach(upload, (event) =>
                Effect.zipRight(record(event), event._tag === "Uploaded" ? over : Effect.void))
            )
            assert.strictEqual(exit._tag, "Failure")
            yield* notLocked
          }
          const count = (yield* requests).length
          yield* Stream.runForEach(upload, record)
          assert.strictEqual((yield* requests).length, count)
          assert.lengthOf(recorded, 3)
          assert.strictEqual(new Set(recorded).size, 1)
          assert.deepStrictEqual(yield* entries, [])
          // What has been taken is not there for ever.
          yield* Stream.runForEach(upload, record)
          assert.strictEqual(new Set(recorded).size, 2)
          assert.strictEqual(yield* creations, 2)
        }))
    }
  }

  scenario("keeps nothing of a video that was taken by who then takes no more", () =>
    Effect.gen(function*() {
      yield* Stream.runDrain(
        Stream.takeUntil(Upload.startOrResume(sourceOf(2500), options), ({ _tag }) => _tag === "Uploaded")
      )
      assert.deepStrictEqual(yield* entries, [])
    }))

  scenario("finds the video again for as long as it is told to keep it", () =>
    Effect.gen(function*() {
      const upload = Upload.startOrResume(sourceOf(2500), { ...options, keepFinished: "1 day" })
      const { video } = yield* succeed(upload)
      const [entry] = yield* entries
      assert.strictEqual(entry?.state.finished?.video.id, video.id)
      assert.notInclude(Redacted.value(entry!.state.location), "session")
      const again = yield* succeed(upload)
      assert.deepStrictEqual(again.video, video)
      assert.deepStrictEqual(again.events.map(({ _tag }) => _tag), ["Resumed", "Uploaded"])
      assert.strictEqual(yield* creations, 1)
      yield* TestClock.adjust("1 day")
      const later = yield* succeed(upload)
      assert.notStrictEqual(later.video.id, video.id)
      assert.strictEqual(yield* creations, 2)
      const { prune } = yield* store
      assert.strictEqual(yield* prune("7 days"), 0)
      yield* TestClock.adjust("1 day")
      assert.strictEqual(yield* prune("7 days"), 1)
      assert.deepStrictEqual(yield* entries, [])
    }))

  const settings: Record<string, Upload.Options> = {
    profiles: { ...options, profiles: ["webm"] },
    use_all_profiles: { chunkSize: CHUNK, use_all_profiles: true },
    path_format: { ...options, path_format: "mine/:id" },
    payload: { ...options, payload: "mine" }
  }
  for (const [what, other] of Object.entries(settings)) {
    scenario(`is another upload with another ${what}`, () =>
      Effect.gen(function*() {
        yield* inject({ route: "chunk", fault: Fault.stall, skip: 1 })
        yield* runFor("1 seconds", Upload.startOrResume(sourceOf(2500), options))
        const { events } = yield* succeed(Upload.startOrResume(sourceOf(2500), other))
        assert.strictEqual(events[0]?._tag, "Started")
        const created = (yield* requests).filter(({ route }) => route === "create").map(({ parameters }) => parameters)
        assert.strictEqual(created[0]!["profiles"], "h264")
        assert.strictEqual(String(created[1]![what]), String(other[what as keyof Upload.Options]))
        yield* succeed(Upload.startOrResume(sourceOf(2500), options))
        assert.strictEqual(yield* creations, 2)
        assert.deepStrictEqual(yield* entries, [])
      }))
  }

  scenario("keeps a source that has changed on its way under what it is now", () =>
    Effect.gen(function*() {
      let modified = DateTime.unsafeMake(1)
      const bytes = bytesOf(3500)
      const source: UploadSource.UploadSource = {
        _tag: "Rewindable",
        name: "movie.mp4",
        open: Effect.map(UploadSource.fromBytes(bytes, { name: "movie.mp4" }).open, (handle) => ({
          ...handle,
          stat: Effect.map(handle.stat, (stat) => ({ ...stat, modified }))
        }))
      }
      yield* inject({ route: "chunk", fault: Fault.delayAnswer("1 second"), times: Infinity })
      const upload = Upload.startOrResume(source, { ...options, onChanged: "restart" })
      const { fiber } = yield* watch(upload)
      yield* TestClock.adjust("1500 millis")
      const [before] = yield* entries
      modified = DateTime.unsafeMake(2)
      yield* TestClock.adjust("2 seconds")
      const after = yield* entries
      assert.lengthOf(after, 1)
      assert.notStrictEqual(after[0]!.key, before!.key)
      yield* Fiber.interrupt(fiber)
      yield* notLocked
      const { events } = yield* succeed(upload)
      assert.strictEqual(events[0]?._tag, "Resumed")
      assert.strictEqual(yield* creations, 2)
      assert.deepStrictEqual(yield* entries, [])
    }))

  scenario("leaves what a newer version began alone", () =>
    Effect.gen(function*() {
      const newer = new PandaUploadLocked({ operation: "Upload.startOrResume", file: "movie.mp4", reason: "Newer" })
      const inner = yield* store
      const { error } = yield* fail(Upload.startOrResume(sourceOf(2500), options)).pipe(
        Effect.provideService(store, { ...inner, get: () => newer })
      )
      assert.strictEqual(error.message, newer.message)
      assert.deepStrictEqual(yield* requests, [])
    }))

  scenario("what is aborted is forgotten, and begun anew", () =>
    Effect.gen(function*() {
      yield* inject({ route: "chunk", fault: Fault.stall, skip: 1 })
      yield* runFor("1 seconds", Upload.startOrResume(sourceOf(2500), options))
      const [entry] = yield* entries
      yield* inject({ route: "abort", fault: Fault.status(403) })
      assert.strictEqual((yield* Effect.flip(Upload.abort(entry!.state)))._tag, "PandaUploadRejected")
      assert.strictEqual((yield* entries).length, 1)
      yield* Upload.abort(entry!.state)
      assert.deepStrictEqual(yield* entries, [])
      assert.strictEqual((yield* theSession).status, "aborted")
      const { events } = yield* succeed(Upload.startOrResume(sourceOf(2500), options))
      assert.strictEqual(events[0]?._tag, "Started")
    }))

  scenario("what is saved of it is given to onState too", () =>
    Effect.gen(function*() {
      const states: Array<UploadState> = []
      yield* succeed(Upload.startOrResume(sourceOf(2500), {
        ...options,
        onState: (state) => Effect.sync(() => void states.push(state))
      }))
      assert.deepStrictEqual(states.map(({ acknowledged }) => acknowledged), [0, 1000, 2000, 2500])
    }))

  bare("S36: a store that cannot be written to is a warning, and the upload goes on", () =>
    Effect.gen(function*() {
      const broken = () =>
        new SystemError({ module: "FileSystem", method: "any", reason: "PermissionDenied", pathOrDescriptor: "/dev" })
      const unwritable = Layer.provide(
        UploadStore.layerFileSystem("/read-only"),
        FileSystem.layerNoop({
          makeDirectory: broken,
          readFileString: broken,
          writeFileString: broken,
          rename: broken,
          remove: broken
        })
      )
      const { lines, value } = yield* logged(
        Effect.provide(succeed(Upload.startOrResume(sourceOf(2500), options)), unwritable)
      )
      assert.strictEqual(value.events.at(-1)?._tag, "Uploaded")
      assert.isAtLeast(lines.filter((line) => line.startsWith("WARN UploadStore: could not ")).length, 3)
      assert.notInclude(lines.join("\n"), "upload/session")
      yield* arrived(bytesOf(2500))
    }))

  bare("S36: a state that is corrupt is a warning, and the upload begins anew", () =>
    Effect.gen(function*() {
      const upload = Upload.startOrResume(sourceOf(2500), options)
      yield* inject({ route: "chunk", fault: Fault.stall, skip: 1 })
      const shared = yield* KeyValueStore.KeyValueStore
      const layer = Layer.provide(UploadStore.layer(), Layer.succeed(KeyValueStore.KeyValueStore, shared))
      yield* Effect.provide(runFor("1 seconds", upload), layer)
      const [entry] = yield* Effect.provide(entries, layer)
      const key = `effect-panda/uploads/${entry!.key}.json`
      const text = Option.getOrThrow(yield* shared.get(key))
      assert.include(text, "upload/session")
      yield* shared.set(key, text.slice(0, -10))
      const { lines, value } = yield* logged(Effect.provide(succeed(upload), layer))
      assert.strictEqual(value.events[0]?._tag, "Started")
      assert.strictEqual(lines.filter((line) => line.startsWith("WARN ")).length, 1)
      assert.notInclude(lines.join("\n"), "upload/session")
    }).pipe(Effect.provide(KeyValueStore.layerMemory)))

  it("does not take what can be read only once", () => {
    expectTypeOf<Parameters<typeof Upload.start>[0]>().toEqualTypeOf<UploadSource.Any>()
    expectTypeOf<UploadSource.OnePassSource>().not.toMatchTypeOf<Parameters<typeof Upload.startOrResume>[0]>()
    expectTypeOf<UploadSource.OnePassSource>().not.toMatchTypeOf<Parameters<typeof Upload.resume>[1]>()
    expectTypeOf<UploadSource.OnePassSource>().not.toMatchTypeOf<Parameters<typeof Upload.session>[0]>()
    expectTypeOf<UploadSource.UploadSource>().toMatchTypeOf<Parameters<typeof Upload.startOrResume>[0]>()
  })
})
