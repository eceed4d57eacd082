import { assert, describe } from "@effect/vitest"
import { Effect, Redacted, Stream } from "effect"
import type * as PandaClient from "effect-panda/PandaClient"
import { Fault } from "effect-panda/PandaEmulator"
import * as Profiles from "effect-panda/Profiles"
import { counted, inject, panda, refused, seen, test } from "./client/panda.js"

describe("operations", () => {
  test(
    "list and all",
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* Profiles.list({ per_page: 2 })).map(({ name }) => name), ["p129", "p128"])
      const [all, requests] = yield* counted(Stream.runCollect(Profiles.all()))
      assert.strictEqual(all.length, 130)
      assert.strictEqual(requests, 2)
    }),
    { profiles: Array.from({ length: 130 }, (_, i) => ({ preset_name: "h264", name: `p${i}` })) }
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
    "a profile that is broken says where",
    Effect.gen(function*() {
      yield* inject(Fault.malformed("[{\"id\":\"1\"},{\"id\":\"2\",\"width\":\"wide\"}]"))
      const error = yield* Effect.flip(Profiles.list())
      assert.deepInclude({ ...error }, { _tag: "PandaDecodeError", path: ["1", "width"] } as never)
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
