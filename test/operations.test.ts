/** Every operation: what it sends, which errors come out of it, and its span. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schema, Stream, Tracer } from "effect"
import {
  Clouds,
  Encodings,
  Notifications,
  PandaClient,
  type PandaError,
  Profiles,
  UploadSource,
  Videos
} from "effect-panda"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { readFileSync } from "node:fs"
import { inject, seen, sent } from "./client/panda.js"

interface Row {
  /** As errors and spans have it. */
  readonly name: string
  /** The function, if it has another name. */
  readonly called?: string
  readonly run: Effect.Effect<unknown, PandaError.PandaError | PandaError.PandaSourceError, PandaClient.PandaClient>
  readonly request: string
  readonly parameters?: Record<string, unknown>
  readonly via?: "multipart"
  /** Panda may answer nothing. */
  readonly quiet?: boolean
}

const page = { page: 3, per_page: 7 }
const asked = { page: "3", per_page: "7" }
const newest = { page: "1", per_page: "1" }

const decoded = <A, I>(schema: Schema.Schema<A, I>, attributes: Record<string, unknown> = {}): A =>
  Schema.decodeUnknownSync(schema)({ id: "an id", ...attributes })

const video = decoded(Videos.Video)
const encoding = decoded(Encodings.Encoding, { video_id: "v/1", profile_id: "p", profile_name: "h264" })
const profile = decoded(Profiles.Profile, { name: "small", width: "320", fps: 25 })
const cloud = decoded(Clouds.Cloud, { name: "n", s3_videos_bucket: "b" })
const storage = { s3_videos_bucket: "b", aws_access_key: "k", aws_secret_key: Redacted.make("s+/=") }
const stored = { s3_videos_bucket: "b", aws_access_key: "k", aws_secret_key: "s+/=" }

const operations: ReadonlyArray<Row> = [
  { name: "Videos.list", run: Videos.list(), request: "GET /videos.json" },
  {
    name: "Videos.list",
    run: Videos.list({ ...page, status: "fail" }),
    request: "GET /videos.json",
    parameters: { ...asked, status: "fail" }
  },
  {
    name: "Videos.listWithTotal",
    run: Videos.listWithTotal({ ...page, status: "fail" }),
    request: "GET /videos.json",
    parameters: { ...asked, status: "fail", include_root: "true" }
  },
  {
    name: "Videos.list",
    called: "Videos.first",
    run: Videos.first({ ...page, status: "fail" }),
    request: "GET /videos.json",
    parameters: { ...newest, status: "fail" }
  },
  {
    name: "Videos.list",
    called: "Videos.all",
    run: Stream.runDrain(Videos.all({ ...page, status: "fail" })),
    request: "GET /videos.json",
    parameters: { ...asked, status: "fail" }
  },
  {
    name: "Videos.list",
    called: "Videos.where",
    run: Stream.runDrain(Videos.where(Videos.isFail, { per_page: 7 })),
    request: "GET /videos.json",
    parameters: { page: "1", per_page: "7" }
  },
  { name: "Videos.find", run: Videos.find("v 1"), request: "GET /videos/v%201.json" },
  {
    name: "Videos.find",
    called: "Videos.reload",
    run: Videos.reload(video),
    request: "GET /videos/an%20id.json"
  },
  {
    name: "Videos.create",
    run: Videos.create({
      source_url: "http://a.example/b c.mp4?d=e&f",
      profiles: ["h264", "webm.hi"],
      path_format: ":video_id/:profile/:id",
      payload: "ä & +/="
    }),
    request: "POST /videos.json",
    parameters: {
      source_url: "http://a.example/b c.mp4?d=e&f",
      profiles: "h264,webm.hi",
      path_format: ":video_id/:profile/:id",
      payload: "ä & +/="
    }
  },
  {
    name: "Videos.create",
    run: Videos.create({ source_url: "http://a.example", profiles: "none", payload: undefined }),
    request: "POST /videos.json",
    parameters: { source_url: "http://a.example", profiles: "none" }
  },
  {
    name: "Videos.create",
    run: Videos.create({ source_url: "http://a.example", profiles: [] }),
    request: "POST /videos.json",
    parameters: { source_url: "http://a.example", profiles: "none" }
  },
  {
    name: "Videos.create",
    run: Videos.create({
      source_url: "http://a.example",
      pipeline: { h264: { "hls.variant": {}, thumbnail: { jpeg: {} } }, webm: {} }
    }),
    request: "POST /videos.json",
    parameters: {
      source_url: "http://a.example",
      pipeline: `{"h264":{"hls.variant":{},"thumbnail":{"jpeg":{}}},"webm":{}}`
    }
  },
  {
    name: "Videos.create",
    run: Videos.create({
      file: UploadSource.fromBytes(new Uint8Array(9), { name: "a \"b\"\r\n𝄞.mp4" }),
      profiles: ["h264"],
      path_format: ":id",
      payload: "ä\n& +/=",
      pipeline: { h264: {} }
    }),
    request: "POST /videos.json",
    parameters: { profiles: "h264", path_format: ":id", payload: "ä\n& +/=", pipeline: `{"h264":{}}` },
    via: "multipart"
  },
  { name: "Videos.encodings", run: Videos.encodings("v"), request: "GET /videos/v/encodings.json" },
  { name: "Videos.encodings", run: Videos.encodings(video), request: "GET /videos/an%20id/encodings.json" },
  {
    name: "Videos.encodings",
    run: Videos.encodings("v", { ...page, status: "success", profile_id: "p", profile_name: "h264" }),
    request: "GET /videos/v/encodings.json",
    parameters: { ...asked, status: "success", profile_id: "p", profile_name: "h264" }
  },
  { name: "Videos.metadata", run: Videos.metadata("v"), request: "GET /videos/v/metadata.json" },
  { name: "Videos.metadata", run: Videos.metadata(video), request: "GET /videos/an%20id/metadata.json" },
  {
    name: "Videos.deleteSource",
    run: Videos.deleteSource("v"),
    request: "DELETE /videos/v/source.json",
    quiet: true
  },
  {
    name: "Videos.deleteSource",
    run: Videos.deleteSource(video),
    request: "DELETE /videos/an%20id/source.json",
    quiet: true
  },
  { name: "Videos.delete", run: Videos.delete("v"), request: "DELETE /videos/v.json", quiet: true },
  { name: "Videos.delete", run: Videos.delete(video), request: "DELETE /videos/an%20id.json", quiet: true },
  {
    name: "Encodings.list",
    run: Encodings.list({ ...page, status: "success", profile_id: "p", profile_name: "h264", video_id: "v" }),
    request: "GET /encodings.json",
    parameters: { ...asked, status: "success", profile_id: "p", profile_name: "h264", video_id: "v" }
  },
  {
    name: "Encodings.list",
    called: "Encodings.first",
    run: Encodings.first({ status: "fail" }),
    request: "GET /encodings.json",
    parameters: { ...newest, status: "fail" }
  },
  {
    name: "Encodings.list",
    called: "Encodings.findByProfileName",
    run: Encodings.findByProfileName("h264.hi", { video_id: "v" }),
    request: "GET /encodings.json",
    parameters: { ...newest, profile_name: "h264.hi", video_id: "v" }
  },
  {
    name: "Encodings.list",
    called: "Encodings.all",
    run: Stream.runDrain(Encodings.all({ ...page, video_id: "v" })),
    request: "GET /encodings.json",
    parameters: { ...asked, video_id: "v" }
  },
  {
    name: "Encodings.list",
    called: "Encodings.where",
    run: Stream.runDrain(Encodings.where(Encodings.isFail, { profile_name: "h264" })),
    request: "GET /encodings.json",
    parameters: { page: "1", profile_name: "h264" }
  },
  { name: "Encodings.find", run: Encodings.find("e"), request: "GET /encodings/e.json" },
  {
    name: "Encodings.find",
    called: "Encodings.reload",
    run: Encodings.reload(encoding),
    request: "GET /encodings/an%20id.json"
  },
  {
    name: "Encodings.find",
    called: "Encodings.watch",
    run: Stream.runDrain(Stream.take(Encodings.watch(encoding), 1)),
    request: "GET /encodings/an%20id.json"
  },
  { name: "Encodings.video", run: Encodings.video(encoding), request: "GET /videos/v%2F1.json" },
  { name: "Encodings.profile", run: Encodings.profile(encoding), request: "GET /profiles/p.json" },
  {
    name: "Encodings.profile",
    run: Encodings.profile({ ...encoding, profile_id: undefined }),
    request: "GET /profiles/h264.json"
  },
  { name: "Encodings.cancel", run: Encodings.cancel("e"), request: "POST /encodings/e/cancel.json", quiet: true },
  {
    name: "Encodings.cancel",
    run: Encodings.cancel(encoding),
    request: "POST /encodings/an%20id/cancel.json",
    quiet: true
  },
  { name: "Encodings.retry", run: Encodings.retry("e"), request: "POST /encodings/e/retry.json", quiet: true },
  {
    name: "Encodings.retry",
    run: Encodings.retry(encoding),
    request: "POST /encodings/an%20id/retry.json",
    quiet: true
  },
  {
    name: "Encodings.create",
    run: Encodings.create({ video_id: "v", profile_id: "p" }),
    request: "POST /encodings.json",
    parameters: { video_id: "v", profile_id: "p" }
  },
  {
    name: "Encodings.create",
    run: Encodings.create({ video_id: "v", profile_name: "h264" }),
    request: "POST /encodings.json",
    parameters: { video_id: "v", profile_name: "h264" }
  },
  { name: "Encodings.delete", run: Encodings.delete("e"), request: "DELETE /encodings/e.json", quiet: true },
  {
    name: "Encodings.delete",
    run: Encodings.delete(encoding),
    request: "DELETE /encodings/an%20id.json",
    quiet: true
  },
  { name: "Profiles.list", run: Profiles.list(page), request: "GET /profiles.json", parameters: asked },
  {
    name: "Profiles.list",
    called: "Profiles.first",
    run: Profiles.first(page),
    request: "GET /profiles.json",
    parameters: newest
  },
  {
    name: "Profiles.list",
    called: "Profiles.all",
    run: Stream.runDrain(Profiles.all(page)),
    request: "GET /profiles.json",
    parameters: asked
  },
  {
    name: "Profiles.list",
    called: "Profiles.where",
    run: Stream.runDrain(Profiles.where(Profiles.isPreset, page)),
    request: "GET /profiles.json",
    parameters: asked
  },
  {
    name: "Profiles.list",
    called: "Profiles.sync",
    run: Profiles.sync([]),
    request: "GET /profiles.json",
    parameters: { page: "1" }
  },
  { name: "Profiles.find", run: Profiles.find("h264.hi"), request: "GET /profiles/h264.hi.json" },
  {
    name: "Profiles.find",
    called: "Profiles.reload",
    run: Profiles.reload(profile),
    request: "GET /profiles/an%20id.json"
  },
  { name: "Profiles.encodings", run: Profiles.encodings("p"), request: "GET /profiles/p/encodings.json" },
  {
    name: "Profiles.encodings",
    run: Profiles.encodings(profile, { ...page, status: "fail" }),
    request: "GET /profiles/an%20id/encodings.json",
    parameters: { ...asked, status: "fail" }
  },
  {
    name: "Profiles.update",
    run: Profiles.update("p", {
      name: "large",
      title: "",
      width: null,
      two_pass: true,
      frame_count: 0,
      command: "ffmpeg",
      extname: ".mp4",
      encryption_key: Redacted.make("the key"),
      priority: 2
    }),
    request: "PUT /profiles/p.json",
    parameters: {
      name: "large",
      title: "",
      width: "",
      two_pass: "true",
      frame_count: "0",
      command: "ffmpeg",
      extname: ".mp4",
      encryption_key: "the key",
      priority: "2"
    }
  },
  {
    name: "Profiles.update",
    called: "Profiles.save",
    run: Profiles.save(profile, { ...profile, width: 640, fps: undefined, title: "new" }),
    request: "PUT /profiles/an%20id.json",
    parameters: { title: "new", width: "640", fps: "" }
  },
  {
    name: "Profiles.create",
    run: Profiles.create({
      preset_name: "h264",
      name: "small",
      width: 320,
      upscale: false,
      fps: null,
      video_bitrate: "auto",
      keyframe_interval: 0.2,
      encryption_key: Redacted.make("the key")
    }),
    request: "POST /profiles.json",
    parameters: {
      preset_name: "h264",
      name: "small",
      width: "320",
      upscale: "false",
      fps: "",
      video_bitrate: "auto",
      keyframe_interval: "0.2",
      encryption_key: "the key"
    }
  },
  {
    name: "Profiles.create",
    run: Profiles.create({ name: "mine", command: "ffmpeg -i $input_file$\nqt-faststart", extname: ".mp4" }),
    request: "POST /profiles.json",
    parameters: { name: "mine", command: "ffmpeg -i $input_file$\nqt-faststart", extname: ".mp4" }
  },
  { name: "Profiles.delete", run: Profiles.delete("h264"), request: "DELETE /profiles/h264.json", quiet: true },
  { name: "Profiles.delete", run: Profiles.delete(profile), request: "DELETE /profiles/an%20id.json", quiet: true },
  { name: "Clouds.list", run: Clouds.list(page), request: "GET /clouds.json", parameters: asked },
  {
    name: "Clouds.list",
    called: "Clouds.first",
    run: Clouds.first(page),
    request: "GET /clouds.json",
    parameters: newest
  },
  {
    name: "Clouds.list",
    called: "Clouds.all",
    run: Stream.runDrain(Clouds.all(page)),
    request: "GET /clouds.json",
    parameters: asked
  },
  {
    name: "Clouds.list",
    called: "Clouds.where",
    run: Stream.runDrain(Clouds.where(() => true, page)),
    request: "GET /clouds.json",
    parameters: asked
  },
  { name: "Clouds.find", run: Clouds.find("c"), request: "GET /clouds/c.json" },
  { name: "Clouds.find", called: "Clouds.reload", run: Clouds.reload(cloud), request: "GET /clouds/an%20id.json" },
  {
    name: "Clouds.find",
    called: "Clouds.current",
    run: Clouds.current,
    request: "GET /clouds/emulated-cloud-id.json"
  },
  {
    name: "Clouds.create",
    run: Clouds.create({ ...storage, name: "n" }),
    request: "POST /clouds.json",
    parameters: { ...stored, name: "n" }
  },
  {
    name: "Clouds.update",
    run: Clouds.update("c", { ...storage, name: "n", priority: 200 }),
    request: "PUT /clouds/c.json",
    parameters: { ...stored, name: "n", priority: "200" }
  },
  {
    name: "Clouds.update",
    called: "Clouds.save",
    run: Clouds.save(cloud, { ...cloud, name: "other" }),
    request: "PUT /clouds/an%20id.json",
    parameters: { name: "other" }
  },
  {
    name: "Clouds.setupBucket",
    run: Clouds.setupBucket(storage),
    request: "PUT /clouds/emulated-cloud-id.json",
    parameters: stored
  },
  {
    name: "Clouds.setupBucket",
    run: Clouds.setupBucket(storage, cloud),
    request: "PUT /clouds/an%20id.json",
    parameters: stored
  },
  { name: "Clouds.delete", run: Clouds.delete("c"), request: "DELETE /clouds/c.json", quiet: true },
  { name: "Clouds.delete", run: Clouds.delete(cloud), request: "DELETE /clouds/an%20id.json", quiet: true },
  { name: "Notifications.get", run: Notifications.get, request: "GET /notifications.json" },
  {
    name: "Notifications.update",
    run: Notifications.update({ url: null, events: { video_created: true, encoding_completed: false } }),
    request: "PUT /notifications.json",
    parameters: { url: "", events: { video_created: "true", encoding_completed: "false" } }
  },
  {
    name: "Notifications.update",
    run: Notifications.update({ url: "http://a.example/x?y", delay: 0 }),
    request: "PUT /notifications.json",
    parameters: { url: "http://a.example/x?y", delay: "0" }
  }
]

const words = { error: "Name", message: "words" }

/** What an answer becomes, in whichever operation. */
const answers: ReadonlyArray<readonly [what: string, fault: Fault, tag: PandaError.PandaError["_tag"]]> = [
  ["401", Fault.status(401, words), "PandaAuthError"],
  ["404", Fault.status(404, words), "PandaNotFound"],
  ["413", Fault.status(413, words), "PandaFileTooLarge"],
  ["422", Fault.status(422, words), "PandaRejected"],
  ["429", Fault.status(429), "PandaRateLimited"],
  ["500", Fault.status(500, { body: "<html>" }), "PandaServerError"],
  ["503", Fault.status(503, { retryAfter: 1 }), "PandaServerError"],
  ["200 with an error", Fault.errorBody({ error: "RecordNotFound", message: "words" }), "PandaNotFound"],
  ["200 with HTML", Fault.malformed("<html>"), "PandaDecodeError"],
  ["no connection", Fault.refuse, "PandaTransportError"],
  ["no answer", Fault.resetAfter, "PandaTransportError"]
]

const rows = operations.map((row, index) => ({ ...row, what: `${row.called ?? row.name} (${index})` }))

describe("the table", () => {
  it.each(["Videos", "Encodings", "Profiles", "Clouds", "Notifications"])("has each operation of %s", (room) => {
    const source = readFileSync(new URL(`../src/${room}.ts`, import.meta.url), "utf8")
    const names = Array.from(
      source.matchAll(/@category operations\n *\*\/\n(?:export (?:const|function) (\w+)|  del as (delete))/g),
      ([, name, alias]) => `${room}.${name ?? alias}`
    )
    assert.strictEqual(names.length, source.split("@category operations").length - 1)
    assert.includeMembers(rows.map(({ called, name }) => called ?? name), names)
  })
})

describe("what is sent", () => {
  it.effect.each(rows)("$what", ({ parameters = {}, request, run, via }) =>
    Effect.gen(function*() {
      yield* inject(Fault.status(404, words))
      yield* Effect.flip(run)
      const [first, ...others] = yield* seen
      assert.isEmpty(others)
      const inQuery = /^(GET|DELETE)/.test(request)
      assert.deepStrictEqual(sent(first!), { request, parameters, via: [via ?? (inQuery ? "query" : "form")] })
      assert.strictEqual(first!.parameters["cloud_id"], "emulated-cloud-id")
      assert.notStrictEqual(first!.route, "unknown")
    }).pipe(Effect.provide(PandaEmulator.layerTest())))

  it.effect.each(rows)("$what is signed as Panda checks it", ({ run }) =>
    Effect.gen(function*() {
      yield* Effect.exit(run)
      const [first] = yield* seen
      assert.notStrictEqual(first!.status, 401)
    }).pipe(Effect.provide(PandaEmulator.layerTest())))
})

/** Each operation that takes an id, and the endpoint that it belongs to. */
const byId = {
  "GET /videos/:id.json": Videos.find,
  "GET /videos/:id/encodings.json": Videos.encodings,
  "GET /videos/:id/metadata.json": Videos.metadata,
  "DELETE /videos/:id/source.json": Videos.deleteSource,
  "DELETE /videos/:id.json": Videos.delete,
  "GET /encodings/:id.json": Encodings.find,
  "POST /encodings/:id/cancel.json": Encodings.cancel,
  "POST /encodings/:id/retry.json": Encodings.retry,
  "DELETE /encodings/:id.json": Encodings.delete,
  "GET /profiles/:id.json": Profiles.find,
  "PUT /profiles/:id.json": (id: string) => Profiles.update(id, {}),
  "GET /profiles/:id/encodings.json": Profiles.encodings,
  "DELETE /profiles/:id.json": Profiles.delete,
  "GET /clouds/:id.json": Clouds.find,
  "PUT /clouds/:id.json": (id: string) => Clouds.update(id, {}),
  "DELETE /clouds/:id.json": Clouds.delete
}

const strange = [
  "a/b",
  "../clouds",
  "a/../../clouds",
  "x?status=fail&y",
  "x#y",
  "x;y",
  "a b",
  "\u0000\t\r\n\u007f",
  "%2e%2e",
  "%2F",
  "100%",
  "\\..\\",
  "é𝄞",
  "x.json",
  "encodings"
]

describe("an id", () => {
  const tagOf = (run: Effect.Effect<unknown, PandaError.PandaError, PandaClient.PandaClient>) =>
    Effect.match(run, { onSuccess: () => "Success", onFailure: ({ _tag }) => _tag })

  it.effect.each(Object.entries(byId))("of %s never leads elsewhere", ([route, run]) =>
    Effect.gen(function*() {
      for (const id of strange) {
        assert.strictEqual(yield* tagOf(run(id)), "PandaNotFound", id)
      }
      const [before, after] = route.split(/^\S+ |:id/).slice(1)
      const requests = yield* seen
      assert.deepStrictEqual(
        requests.map(({ path, route }) => [route, decodeURIComponent(path.slice(before!.length, -after!.length))]),
        strange.map((id) => [route, id])
      )
    }).pipe(Effect.provide(PandaEmulator.layerTest())))

  it.effect.each(Object.entries(byId))("of %s that is none is refused", ([, run]) =>
    Effect.gen(function*() {
      for (const id of ["", " ", "\n", ".", "..", "\ud800", 1 as never, undefined as never, null as never]) {
        assert.strictEqual(yield* tagOf(run(id)), "PandaInputError", String(id))
      }
      assert.isEmpty(yield* seen)
    }).pipe(Effect.provide(PandaEmulator.layerTest())))
})

describe("what comes of it", () => {
  it.effect.each(rows)("$what", ({ name, quiet = false, run }) =>
    Effect.gen(function*() {
      const outcomes = yield* Effect.forEach(answers, ([what, fault]) =>
        Effect.gen(function*() {
          yield* inject(fault)
          const error = yield* Effect.flip(PandaClient.withRetry(run, "none"))
          return [what, error._tag, error.operation]
        }))
      assert.deepStrictEqual(outcomes, answers.map(([what, , tag]) => [what, tag, name]))
      yield* inject(Fault.empty)
      const nothing = yield* Effect.either(run)
      assert.strictEqual(nothing._tag, quiet ? "Right" : "Left")
    }).pipe(Effect.provide(PandaEmulator.layerTest())))
})

it.effect("each operation has a span of its name", () =>
  Effect.gen(function*() {
    const native = yield* Effect.tracer
    const names: Array<string> = []
    const tracer = Tracer.make({
      context: native.context,
      span: (...args) => {
        if (args[1]._tag === "None") names.push(args[0])
        return native.span(...args)
      }
    })
    for (const { run } of operations) yield* Effect.withTracer(Effect.exit(run), tracer)
    assert.deepStrictEqual(names, operations.map(({ name }) => `Panda.${name}`))
  }).pipe(Effect.provide(PandaEmulator.layerTest())))
