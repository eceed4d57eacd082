/** Every operation: what it sends, which errors come out of it, and its span. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Tracer } from "effect"
import { Clouds, Encodings, Notifications, PandaClient, type PandaError, Profiles, Videos } from "effect-panda"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { inject, seen, sent } from "./client/panda.js"

interface Row {
  readonly name: string
  readonly run: Effect.Effect<unknown, PandaError.PandaError, PandaClient.PandaClient>
  readonly request: string
  readonly parameters?: Record<string, unknown>
  /** Panda may answer nothing. */
  readonly quiet?: boolean
}

const page = { page: 3, per_page: 7 }
const asked = { page: "3", per_page: "7" }

const operations: ReadonlyArray<Row> = [
  { name: "Videos.list", run: Videos.list(), request: "GET /videos.json" },
  {
    name: "Videos.list",
    run: Videos.list({ ...page, status: "fail" }),
    request: "GET /videos.json",
    parameters: { ...asked, status: "fail" }
  },
  { name: "Videos.find", run: Videos.find("v 1"), request: "GET /videos/v%201.json" },
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
  { name: "Videos.encodings", run: Videos.encodings("v"), request: "GET /videos/v/encodings.json" },
  {
    name: "Videos.encodings",
    run: Videos.encodings("v", { ...page, status: "success", profile_id: "p", profile_name: "h264" }),
    request: "GET /videos/v/encodings.json",
    parameters: { ...asked, status: "success", profile_id: "p", profile_name: "h264" }
  },
  { name: "Videos.delete", run: Videos.delete("v"), request: "DELETE /videos/v.json", quiet: true },
  {
    name: "Encodings.list",
    run: Encodings.list({ ...page, status: "success", profile_id: "p", profile_name: "h264", video_id: "v" }),
    request: "GET /encodings.json",
    parameters: { ...asked, status: "success", profile_id: "p", profile_name: "h264", video_id: "v" }
  },
  { name: "Encodings.find", run: Encodings.find("e"), request: "GET /encodings/e.json" },
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
  { name: "Profiles.list", run: Profiles.list(page), request: "GET /profiles.json", parameters: asked },
  { name: "Profiles.find", run: Profiles.find("h264.hi"), request: "GET /profiles/h264.hi.json" },
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
  { name: "Clouds.list", run: Clouds.list(page), request: "GET /clouds.json", parameters: asked },
  { name: "Clouds.find", run: Clouds.find("c"), request: "GET /clouds/c.json" },
  { name: "Clouds.find", run: Clouds.current, request: "GET /clouds/emulated-cloud-id.json" },
  {
    name: "Clouds.create",
    run: Clouds.create({
      name: "n",
      s3_videos_bucket: "b",
      aws_access_key: "k",
      aws_secret_key: Redacted.make("s+/=")
    }),
    request: "POST /clouds.json",
    parameters: { name: "n", s3_videos_bucket: "b", aws_access_key: "k", aws_secret_key: "s+/=" }
  },
  { name: "Clouds.delete", run: Clouds.delete("c"), request: "DELETE /clouds/c.json", quiet: true },
  { name: "Notifications.get", run: Notifications.get, request: "GET /notifications.json" },
  {
    name: "Notifications.update",
    run: Notifications.update({ url: null, events: { video_created: true, encoding_completed: false } }),
    request: "PUT /notifications.json",
    parameters: { url: "", events: { video_created: "true", encoding_completed: "false" } }
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

const rows = operations.map((row, index) => ({ ...row, what: `${row.name} (${index})` }))

describe("what is sent", () => {
  it.effect.each(rows)("$what", ({ parameters = {}, request, run }) =>
    Effect.gen(function*() {
      yield* inject(Fault.status(404, words))
      yield* Effect.flip(run)
      const [first, ...others] = yield* seen
      assert.isEmpty(others)
      const inQuery = /^(GET|DELETE)/.test(request)
      assert.deepStrictEqual(sent(first!), { request, parameters, via: [inQuery ? "query" : "form"] })
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
