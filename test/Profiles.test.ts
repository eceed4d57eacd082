import { assert, describe } from "@effect/vitest"
import { Effect, Option, Redacted, Schema, Stream } from "effect"
import type * as PandaClient from "effect-panda/PandaClient"
import { Fault } from "effect-panda/PandaEmulator"
import * as Profiles from "effect-panda/Profiles"
import * as Videos from "effect-panda/Videos"
import { inspect } from "node:util"
import { counted, inject, inTime, panda, refused, seen, sent, test } from "./client/panda.js"

describe("operations", () => {
  test(
    "list and all",
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* Profiles.list({ per_page: 2 })).map(({ name }) => name), ["p129", "p128"])
      const [all, requests] = yield* counted(Stream.runCollect(Profiles.all()))
      assert.strictEqual(all.length, 130)
      assert.strictEqual(requests, 4)
    }),
    { profiles: Array.from({ length: 130 }, (_, i) => ({ preset_name: "h264", name: `p${i}` })) }
  )

  test(
    "settings that are unknown are refused by name, not dropped",
    Effect.gen(function*() {
      const unknown = { preset_name: "h264", name: "a", video_bitrat: 500 }
      yield* refused(Profiles.create(unknown), "video_bitrat", /is unexpected.*PandaClient/)
      yield* refused(Profiles.update("a", { video_bitrat: 500 } as never), "video_bitrat", /is unexpected/)
      yield* refused(Profiles.sync([unknown]), "video_bitrat", /is unexpected/)
      yield* refused(Profiles.list({ cloud_id: "b" } as never), "cloud_id", /withCloud/)
    })
  )

  test(
    "find by name or by id, whatever is in the name",
    Effect.gen(function*() {
      const { addProfile } = yield* panda
      for (const name of ["h264.hi", "my profile", "a/b", "100%", "?#", "é"]) {
        const { id } = yield* addProfile({ preset_name: "h264", name })
        const profile = yield* Profiles.find(name)
        assert.strictEqual(profile.id, id)
        assert.strictEqual(profile.name, name)
        assert.deepStrictEqual(yield* Profiles.find(String(id)), profile)
      }
      assert.strictEqual((yield* Effect.flip(Profiles.find("none")))._tag, "PandaNotFound")
    })
  )

  test(
    "create from a preset",
    Effect.gen(function*() {
      const profile = yield* Profiles.create({
        preset_name: "webm",
        name: "small",
        width: 320,
        height: 180,
        upscale: false,
        path_format: "small/:id"
      })
      assert.deepInclude(profile, {
        preset_name: "webm",
        name: "small",
        width: 320,
        height: 180,
        path_format: "small/:id"
      })
      assert.isFalse(profile.upscale)
      assert.strictEqual((yield* Profiles.find("small")).id, profile.id)
    })
  )

  test(
    "create from a command",
    Effect.gen(function*() {
      const command = "ffmpeg -i $input_file$ -y $output_file$\nqt-faststart $output_file$; true"
      const profile = yield* Profiles.create({ name: "mine", command, extname: ".mp4" })
      assert.deepInclude(profile, { name: "mine", command, extname: ".mp4" })
      assert.isUndefined(profile.preset_name)
    })
  )

  test(
    "null clears a setting, what is left out is not sent",
    Effect.gen(function*() {
      yield* Profiles.create({ preset_name: "h264", name: "n", fps: null, title: undefined })
      const [{ cloud_id: _, timestamp: __, ...own }] = (yield* seen).map(({ parameters }) => parameters) as [
        Record<string, unknown>
      ]
      assert.deepStrictEqual({ ...own }, { preset_name: "h264", name: "n", fps: "" })
    })
  )

  test(
    "a name that is taken is Panda's to refuse",
    Effect.gen(function*() {
      const error = yield* Effect.flip(Profiles.create({ preset_name: "h264" }))
      assert.deepInclude({ ...error }, {
        _tag: "PandaRejected",
        error: "BadRequest",
        description: "Name has already been taken"
      } as never)
      assert.strictEqual(
        (yield* Effect.flip(Profiles.create({ preset_name: "none", name: "n" })))._tag,
        "PandaNotFound"
      )
    })
  )

  test(
    "delete by id or name",
    Effect.gen(function*() {
      const webm = yield* Profiles.find("webm")
      yield* Profiles.delete("h264")
      yield* Profiles.delete(webm.id)
      assert.deepStrictEqual(yield* Profiles.list(), [])
      assert.strictEqual((yield* Effect.flip(Profiles.delete("h264")))._tag, "PandaNotFound")
    })
  )

  test(
    "words where numbers are due are kept, and so is what we do not know",
    Effect.gen(function*() {
      const { addProfile } = yield* panda
      yield* addProfile({
        preset_name: "h264",
        name: "odd",
        video_bitrate: "auto",
        audio_bitrate: "128",
        fps: "same_as_source",
        deinterlace: true,
        x264_options: "crf=20"
      })
      const profile = yield* Profiles.find("odd")
      assert.deepInclude(profile, {
        video_bitrate: "auto",
        audio_bitrate: 128,
        fps: "same_as_source",
        deinterlace: "true"
      })
      assert.propertyVal(profile, "x264_options", "crf=20")
    })
  )

  test(
    "a profile without an id says where",
    Effect.gen(function*() {
      yield* inject(Fault.malformed("[{\"id\":\"1\"},{\"name\":\"2\",\"width\":\"wide\"}]"))
      const error = yield* Effect.flip(Profiles.list())
      assert.deepInclude({ ...error }, { _tag: "PandaDecodeError", path: ["1", "id"] } as never)
    })
  )
})

describe("first, where, reload, encodings", () => {
  const profiles = Array.from({ length: 130 }, (_, i) => ({
    name: `p${i}`,
    ...(i % 10 === 0 ? { command: "ffmpeg", extname: ".mp4" } : { preset_name: "h264" })
  }))

  test(
    "go through all profiles",
    Effect.gen(function*() {
      assert.strictEqual(Option.getOrThrow(yield* Profiles.first()).name, "p129")
      const custom = yield* Stream.runCollect(Profiles.where((profile) => !Profiles.isPreset(profile)))
      assert.deepStrictEqual(
        Array.from(custom, ({ name }) => name),
        Array.from({ length: 13 }, (_, i) => `p${10 * (12 - i)}`)
      )
    }),
    { profiles }
  )

  test(
    "reload gives the profile as it is now",
    Effect.gen(function*() {
      const before = yield* Profiles.find("h264")
      yield* Profiles.update(before, { title: "new" })
      assert.strictEqual((yield* Profiles.reload(before)).title, "new")
    })
  )

  test(
    "encodings are those of one profile",
    Effect.gen(function*() {
      const webm = yield* Profiles.find("webm")
      const own = yield* Profiles.encodings(webm, { per_page: 2 })
      assert.deepStrictEqual(own.map(({ profile_id }) => profile_id), [webm.id, webm.id])
      assert.lengthOf(yield* Profiles.encodings("webm"), 3)
      assert.deepStrictEqual(yield* Profiles.encodings(webm.id, { status: "fail" }), [])
      assert.strictEqual((yield* Effect.flip(Profiles.encodings("none")))._tag, "PandaNotFound")
    }),
    { videos: 3 }
  )

  test(
    "isPreset is not inverted",
    Effect.gen(function*() {
      const custom = yield* Profiles.create({ name: "mine", command: "ffmpeg", extname: ".mp4" })
      assert.isFalse(Profiles.isPreset(custom))
      assert.isTrue(Profiles.isPreset(yield* Profiles.find("h264")))
    })
  )

  test(
    "toJson and dup; what was copied makes another profile",
    Effect.gen(function*() {
      const profile = yield* Profiles.find("h264")
      assert.deepStrictEqual(
        JSON.parse(Profiles.toJson(profile, 2)),
        JSON.parse(JSON.stringify({
          ...(yield* (yield* panda).profiles).find(({ name }) => name === "h264")
        }))
      )
      const { title, video_bitrate, width } = Profiles.dup({ ...profile, title: "copy" })
      const copy = yield* Profiles.create({ preset_name: "h264", name: "copy", title, width, video_bitrate })
      assert.notStrictEqual(copy.id, profile.id)
      assert.strictEqual(copy.width, profile.width)
      assert.notProperty(Profiles.dup(profile), "id")
    })
  )
})

describe("presets", () => {
  for (const preset of Profiles.presets) {
    test(
      `${preset.preset_name} makes a profile with its documented defaults`,
      Effect.gen(function*() {
        const profile = yield* Profiles.create({ preset_name: preset.preset_name, name: "n" })
        assert.deepInclude(profile, preset)
      }),
      { profiles: [] }
    )
  }
})

describe("update", () => {
  test(
    "changes what it names, and leaves the rest",
    Effect.gen(function*() {
      const before = yield* Profiles.find("h264")
      const after = yield* Profiles.update(before, { width: 320, upscale: false, fps: 25 })
      assert.deepStrictEqual(after, { ...before, width: 320, upscale: false, fps: 25, updated_at: after.updated_at })
      assert.isUndefined((yield* Profiles.update("h264", { fps: null })).fps)
      assert.strictEqual((yield* Profiles.update("h264", { frame_count: 0 })).frame_count, 0)
    })
  )

  test(
    "errors",
    Effect.gen(function*() {
      const taken = yield* Effect.flip(Profiles.update("h264", { name: "webm" }))
      assert.deepInclude({ ...taken }, { _tag: "PandaRejected", operation: "Profiles.update" } as never)
      assert.strictEqual((yield* Effect.flip(Profiles.update("none", { width: 1 })))._tag, "PandaNotFound")
    })
  )

  test(
    "is sent again after a failure, since doing it twice is harmless",
    Effect.gen(function*() {
      yield* inject(Fault.resetAfter)
      const [profile, requests] = yield* counted(inTime(Profiles.update("h264", { width: 320 })))
      assert.strictEqual(profile.width, 320)
      assert.strictEqual(requests, 2)
    })
  )
})

describe("save", () => {
  const parameters = Effect.map(seen, (requests) => sent(requests.at(-1)!).parameters)

  test(
    "sends what has changed, and clears what is gone",
    Effect.gen(function*() {
      const before = yield* Profiles.find("h264")
      const { height: _, ...rest } = before
      const after = yield* Profiles.save(before, { ...rest, width: 320, upscale: false, name: "small", fps: "auto" })
      assert.deepStrictEqual(yield* parameters, {
        name: "small",
        width: "320",
        height: "",
        upscale: "false",
        fps: "auto"
      })
      assert.deepInclude(after, { id: before.id, name: "small", width: 320, height: undefined, upscale: false })
      yield* Profiles.save(after, { ...after, height: 0, title: "" })
      assert.deepStrictEqual(yield* parameters, { title: "", height: "0" })
      yield* Profiles.save(after, { ...after, frame_count: undefined, width: undefined })
      assert.deepStrictEqual(yield* parameters, { width: "" })
    })
  )

  test(
    "sends nothing when nothing has changed, or nothing that can be",
    Effect.gen(function*() {
      const { addProfile } = yield* panda
      yield* addProfile({ preset_name: "h264", name: "odd", encryption_key: "canary", video_bitrate: "500" })
      const before = yield* Profiles.find("odd")
      const again = yield* Profiles.find("odd")
      const others = [before, { ...before }, again, { ...before, preset_name: "webm", id: "other", title: undefined }]
      for (const after of others) {
        const [saved, requests] = yield* counted(Profiles.save(before, after))
        assert.strictEqual(saved, before)
        assert.strictEqual(requests, 0)
      }
      yield* Profiles.save(before, { ...again, encryption_key: Redacted.make("other") })
      assert.deepStrictEqual(yield* parameters, { encryption_key: "other" })
    })
  )

  test(
    "refuses what cannot be cleared, or has no form on the wire",
    Effect.gen(function*() {
      const before = yield* Schema.decodeUnknown(Profiles.Profile)({ id: "p", name: "n", command: "c", width: 1 })
      const { name: _, ...nameless } = before
      yield* refused(Profiles.save(before, nameless), "name", /^Profiles\.update: name: pass /)
      yield* refused(Profiles.save(before, { ...before, command: undefined }), "command", /pass /)
      yield* refused(Profiles.save(before, { ...before, width: 0.5 }), "width", /pass an integer$/)
    })
  )
})

describe("sync", () => {
  const desired: ReadonlyArray<Profiles.Desired> = [
    { name: "h264", preset_name: "h264", width: 640, video_bitrate: "500", upscale: true, fps: null },
    { name: "small", preset_name: "h264", width: 320 },
    { name: "mine", command: "ffmpeg -i $input_file$", extname: ".mp4" }
  ]
  /** Once the profiles are listed. */
  const changes = Effect.map(
    seen,
    (requests) =>
      requests.map(sent).filter(({ request }) => !request.startsWith("GET")).map(({ parameters, request }) => [
        request.replace(/[0-9a-f]{32}/, "ID"),
        parameters
      ])
  )
  const names = Effect.map(Profiles.list(), (profiles) => profiles.map(({ name }) => name))
  const none = { created: [], updated: [], unchanged: [], removed: [] }

  test(
    "creates what is new, updates what differs, leaves the rest",
    Effect.gen(function*() {
      const report = yield* Profiles.sync([...desired, { name: "webm", preset_name: "webm", width: 1, title: "t" }])
      assert.deepStrictEqual(report, {
        created: ["small", "mine"],
        updated: [{
          name: "webm",
          changes: [{ attribute: "title", before: null, after: "t" }, { attribute: "width", before: 640, after: 1 }]
        }],
        unchanged: ["h264"],
        removed: []
      })
      assert.deepStrictEqual(yield* changes, [
        ["POST /profiles.json", { name: "small", preset_name: "h264", width: "320" }],
        ["POST /profiles.json", { name: "mine", command: "ffmpeg -i $input_file$", extname: ".mp4" }],
        ["PUT /profiles/ID.json", { title: "t", width: "1" }]
      ])
      assert.sameMembers(yield* names, ["h264", "webm", "small", "mine"])
    })
  )

  test(
    "finds nothing to change in what only is written otherwise",
    Effect.gen(function*() {
      const { addProfile } = yield* panda
      const lines = { command: "a $input_file$\nb", extname: ".mp4" }
      yield* addProfile({ ...lines, command: "a $input_file$\r\nb\r\n", name: "lines" })
      yield* addProfile({
        preset_name: "h264",
        name: "odd",
        h264_level: "3.0",
        fps: "30.0",
        upscale: "true",
        two_pass: "false",
        clip_length: null,
        width: "0640"
      })
      const wanted = { name: "odd", preset_name: "h264", fps: 30, upscale: true, two_pass: false, width: 640 }
      const same = [
        { ...wanted, h264_level: "3.0", clip_length: "" },
        { ...wanted, h264_level: 3, clip_length: null, fps: "30" }
      ]
      for (const odd of same) {
        assert.deepStrictEqual((yield* Profiles.sync([{ name: "lines", ...lines }, odd])).updated, [])
      }
      assert.strictEqual((yield* Profiles.find("odd")).h264_level, "3.0")
      const { updated } = yield* Profiles.sync([{ ...wanted, h264_level: "3.1", title: "007" }], { dryRun: true })
      assert.deepStrictEqual(updated[0]!.changes.map(({ after, attribute }) => [attribute, after]), [
        ["title", "007"],
        ["h264_level", "3.1"]
      ])
    })
  )

  test(
    "changes what could not be read, and shows what it was",
    Effect.gen(function*() {
      yield* (yield* panda).addProfile({ preset_name: "h264", name: "odd", width: "wide" })
      const { updated } = yield* Profiles.sync([{ name: "odd", preset_name: "h264", width: null }])
      assert.deepStrictEqual(updated[0]!.changes, [{ attribute: "width", before: "wide", after: null }])
      const before = yield* Profiles.find("odd")
      assert.isUndefined(before.width)
    })
  )

  test(
    "does nothing the second time but look",
    Effect.gen(function*() {
      yield* Profiles.sync(desired)
      const [report, requests] = yield* counted(Profiles.sync(desired))
      assert.deepStrictEqual(report, { ...none, unchanged: ["h264", "small", "mine"] })
      assert.strictEqual(requests, 2)
      assert.deepStrictEqual(yield* Profiles.sync([]), none)
    })
  )

  test(
    "dryRun tells the same and does nothing",
    Effect.gen(function*() {
      const wanted = [...desired, { name: "h264.hi", preset_name: "h264.hi" }]
      const [plan, requests] = yield* counted(Profiles.sync(wanted, { dryRun: true, prune: true }))
      assert.strictEqual(requests, 2)
      assert.deepStrictEqual(plan.removed, ["webm"])
      assert.sameMembers(yield* names, ["h264", "webm"])
      assert.deepStrictEqual(yield* Profiles.sync(wanted, { prune: true }), plan)
    })
  )

  test(
    "prune deletes what is not desired, beyond the first page too",
    Effect.gen(function*() {
      const report = yield* Profiles.sync([{ name: "p5", preset_name: "h264" }], { prune: true })
      assert.lengthOf(report.removed, 129)
      assert.deepStrictEqual(report.unchanged, ["p5"])
      assert.deepStrictEqual(yield* names, ["p5"])
    }),
    { profiles: Array.from({ length: 130 }, (_, i) => ({ preset_name: "h264", name: `p${i}` })) }
  )

  test(
    "knows numbers and booleans as text for what they are, and what is not set for null",
    Effect.gen(function*() {
      yield* inject(Fault.malformed(JSON.stringify([{
        id: "1",
        name: "odd",
        preset_name: "h264",
        width: "320",
        fps: "29.97",
        upscale: "true",
        encryption: "false",
        video_bitrate: "auto",
        keyframe_interval: 0.2,
        h264_level: null,
        title: null
      }])))
      const report = yield* Profiles.sync([{
        name: "odd",
        preset_name: "h264",
        width: 320,
        fps: 29.97,
        upscale: true,
        encryption: false,
        video_bitrate: "auto",
        keyframe_interval: "0.2",
        h264_level: null,
        title: null,
        clip_length: null
      }])
      assert.deepStrictEqual(report, { ...none, unchanged: ["odd"] })
      assert.isEmpty(yield* changes)
    })
  )

  const h264 = { id: "1", name: "n", preset_name: "h264" }
  const custom = { id: "1", name: "n", command: "ffmpeg" }
  const moves: ReadonlyArray<[what: string, present: Record<string, unknown>, wanted: Profiles.Desired]> = [
    ["another preset", h264, { name: "n", preset_name: "webm" }],
    ["a command in place of a preset", h264, { name: "n", command: "ffmpeg", extname: ".mp4" }],
    ["a preset in place of a command", custom, { name: "n", preset_name: "h264" }]
  ]
  for (const [what, present, wanted] of moves) {
    test(
      `refuses ${what}, before anything is done`,
      Effect.gen(function*() {
        yield* inject(Fault.malformed(JSON.stringify([present])))
        const error = yield* Effect.flip(Profiles.sync([{ name: "new", preset_name: "h264" }, wanted]))
        assert.deepInclude({ ...error }, {
          _tag: "PandaInputError",
          operation: "Profiles.sync",
          parameter: "n"
        } as never)
        assert.match(error.message, /is made from another preset, or from a command: delete it/)
        assert.lengthOf(yield* seen, 2)
      })
    )
  }

  test(
    "takes another command, and a profile of which Panda does not tell what it is made from",
    Effect.gen(function*() {
      yield* inject(Fault.malformed(JSON.stringify([{ ...custom, extname: ".mp4" }, { id: "2", name: "plain" }])))
      const report = yield* Profiles.sync(
        [{ name: "n", command: "lame", extname: ".mp4" }, { name: "plain", preset_name: "h264" }],
        { dryRun: true }
      )
      assert.deepStrictEqual(report, {
        ...none,
        updated: [{ name: "n", changes: [{ attribute: "command", before: "ffmpeg", after: "lame" }] }],
        unchanged: ["plain"]
      })
    })
  )

  const unsafe = <A>(value: unknown) => value as A
  const wrong: ReadonlyArray<
    [what: string, wanted: ReadonlyArray<Profiles.Desired>, parameter: string, words: RegExp]
  > = [
    [
      "a name twice",
      [{ name: "n", preset_name: "h264" }, { name: "n", preset_name: "h264" }],
      "n",
      /^Profiles\.sync: n: is desired twice: leave one of them out$/
    ],
    ["no name", [unsafe({ preset_name: "h264" })], "name", /is missing: pass it$/],
    ["an empty name", [{ name: "", preset_name: "h264" }], "name", /pass a non empty string$/],
    ["a path_format without :id", [{ name: "n", preset_name: "h264", path_format: "x" }], "path_format", /no :id/],
    [
      "preset and command",
      [unsafe({ name: "n", preset_name: "h264", command: "c", extname: "e" })],
      "preset_name",
      /^Profiles\.sync: preset_name: a profile is made from a preset or from a command/
    ],
    ["a command without extname", [unsafe({ name: "n", command: "c" })], "extname", /is missing: pass it$/]
  ]
  for (const [what, wanted, parameter, words] of wrong) {
    for (const dryRun of [true, false]) {
      test(
        `refuses ${what}, ${dryRun ? "with dryRun" : "whatever stands before it"}, and sends nothing`,
        refused(Profiles.sync([{ name: "new", preset_name: "h264" }, ...wanted], { dryRun }), parameter, words)
      )
    }
  }

  test(
    "a key is compared and sent, and never shown",
    Effect.gen(function*() {
      const { addProfile } = yield* panda
      yield* addProfile({ preset_name: "h264", name: "a", encryption_key: "canary-1" })
      yield* addProfile({ preset_name: "h264", name: "b", encryption_key: "canary-2" })
      const report = yield* Profiles.sync([
        { name: "a", preset_name: "h264", encryption_key: Redacted.make("canary-1") },
        { name: "b", preset_name: "h264", encryption_key: Redacted.make("canary-3") },
        { name: "c", preset_name: "h264", encryption_key: Redacted.make("canary-4") }
      ])
      assert.deepStrictEqual(report.unchanged, ["a"])
      assert.deepStrictEqual(report.updated.map(({ changes, name }) => [name, changes[0]!.attribute]), [
        ["b", "encryption_key"]
      ])
      for (const shown of [report, yield* Profiles.list()]) {
        assert.notInclude(JSON.stringify(shown) + inspect(shown, { depth: 9 }), "canary")
      }
      assert.deepStrictEqual((yield* changes).map(([, parameters]) => (parameters as Record<string, unknown>)), [
        { name: "c", preset_name: "h264", encryption_key: "canary-4" },
        { encryption_key: "canary-3" }
      ])
    })
  )

  test(
    "that fails in the middle has done what comes before, and can be run again",
    Effect.gen(function*() {
      yield* inject(Fault.status(422), { route: "POST /profiles.json", skip: 1 })
      const error = yield* Effect.flip(Profiles.sync(desired))
      assert.deepInclude({ ...error }, { _tag: "PandaRejected", operation: "Profiles.create" } as never)
      const report = yield* Profiles.sync(desired)
      assert.deepStrictEqual(report, { ...none, created: ["mine"], unchanged: ["h264", "small"] })
    })
  )

  test(
    "takes what a file has",
    Effect.gen(function*() {
      const File = Schema.parseJson(Schema.Array(Profiles.Desired))
      const wanted = yield* Schema.decode(File)(`[
        { "name": "h264", "preset_name": "h264", "width": 320, "encryption_key": "canary" },
        { "name": "mine", "command": "ffmpeg", "extname": ".mp4" }
      ]`)
      assert.notInclude(JSON.stringify(wanted), "canary")
      const { created, updated } = yield* Profiles.sync(wanted)
      assert.deepStrictEqual(created, ["mine"])
      assert.deepStrictEqual(updated[0]!.changes.map(({ attribute }) => attribute), ["width", "encryption_key"])
      for (const wrong of [`[{ "name": "n" }]`, `[{ "preset_name": "h264" }]`, `[{ "name": "n", "command": "c" }]`]) {
        assert.strictEqual((yield* Effect.flip(Schema.decode(File)(wrong)))._tag, "ParseError")
      }
    })
  )

  test(
    "encodes with what it has made",
    Effect.gen(function*() {
      yield* Profiles.sync(desired)
      const video = yield* Videos.create({ source_url: "http://a.example/b.mp4", profiles: ["mine"] })
      assert.deepStrictEqual((yield* Videos.encodings(video)).map(({ profile_name }) => profile_name), ["mine"])
    })
  )
})

describe("what has no form on the wire is refused", () => {
  const unsafe = <A>(value: unknown) => value as A
  const command = { name: "n", command: "ffmpeg", extname: ".mp4" }
  const rows: ReadonlyArray<
    [
      what: string,
      run: Effect.Effect<unknown, { readonly _tag: string }, PandaClient.PandaClient>,
      parameter: string | undefined,
      words: RegExp
    ]
  > = [
    [
      "preset and command together",
      Profiles.create(unsafe({ ...command, preset_name: "h264" })),
      "preset_name",
      /^Profiles\.create: preset_name: a profile is made from a preset or from a command: leave one of them out$/
    ],
    ["neither", Profiles.create(unsafe({ name: "n" })), "preset_name", /is missing: pass it$/],
    ["a preset without a name", Profiles.create({ preset_name: "" }), "preset_name", /pass a non empty string$/],
    ["a command without extname", Profiles.create(unsafe({ ...command, extname: undefined })), "extname", /pass /],
    [
      "a command that says nothing",
      Profiles.create({ ...command, command: "" }),
      "command",
      /pass a non empty string$/
    ],
    ["no number", Profiles.create({ preset_name: "h264", fps: NaN }), "fps", /pass a finite number/],
    ["half a pixel", Profiles.create({ preset_name: "h264", width: 0.5 }), "width", /pass an integer$/],
    [
      "less than no screenshots",
      Profiles.create({ preset_name: "h264", frame_count: -1 }),
      "frame_count",
      /pass a non-negative/
    ],
    [
      "path_format without :id",
      Profiles.create({ preset_name: "h264", path_format: "x" }),
      "path_format",
      /has no :id/
    ],
    ["priority 1", Profiles.create({ preset_name: "h264", priority: 1 }), "priority", /between 2 and 200/],
    ["priority 201", Profiles.update("p", { priority: 201 }), "priority", /between 2 and 200/],
    ["an update to no name", Profiles.update("p", { name: "" }), "name", /^Profiles\.update: name: pass /],
    ["an update of nothing", Profiles.update("", { width: 1 }), "id", /^Profiles\.update: /],
    ["no profile to list the encodings of", Profiles.encodings({ id: ".." }), "id", /^Profiles\.encodings: /],
    ["encodings with per_page 101", Profiles.encodings("p", { per_page: 101 }), "per_page", /^Profiles\.encodings: /],
    ["per_page 0", Profiles.list({ per_page: 0 }), "per_page", /pass a number between 1 and 100$/],
    ["no name", Profiles.find(""), "id", /^Profiles\.find: /],
    ["no name to delete", Profiles.delete("."), "id", /^Profiles\.delete: /]
  ]
  for (const [what, run, parameter, words] of rows) test(what, refused(run, parameter, words))

  test(
    "a key that is not redacted is not shown",
    Effect.gen(function*() {
      const error = yield* Effect.flip(Profiles.create({ preset_name: "h264", encryption_key: unsafe("canary") }))
      assert.deepInclude({ ...error }, { _tag: "PandaInputError", parameter: "encryption_key" } as never)
      assert.notInclude(JSON.stringify(error) + error.message, "canary")
      yield* Profiles.create({ preset_name: "h264", name: "n", encryption_key: Redacted.make("canary") })
      assert.strictEqual((yield* seen)[0]!.parameters["encryption_key"], "canary")
    })
  )
})
