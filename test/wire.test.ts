/** What Panda sends (contract 6), as the models read it and write it back. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, DateTime, Effect, FastCheck, Schema } from "effect"
import { Clouds, Encodings, Notifications, Profiles, Videos } from "effect-panda"

const decode = Schema.decodeUnknown(Videos.Video)

describe("numbers", () => {
  const numbers: ReadonlyArray<[unknown, number | undefined]> = [
    [44_000, 44_000],
    ["44000", 44_000],
    [" 29.97 ", 29.97],
    ["-1", -1],
    [0, 0],
    ["0", 0],
    [null, undefined],
    ["", undefined]
  ]
  it.effect.each(numbers)("%j is %j", ([given, number]) =>
    Effect.gen(function*() {
      assert.strictEqual((yield* decode({ id: "1", file_size: given })).file_size, number)
      assert.strictEqual((yield* decode({ id: "1", fps: given })).fps, number)
    }))

  it.effect("words are kept where Panda has words", () =>
    Effect.gen(function*() {
      const profile = yield* Schema.decodeUnknown(Profiles.Profile)({
        id: "1",
        video_bitrate: "auto",
        fps: "same_as_source",
        watermark_top: "10%"
      })
      assert.deepInclude(profile, { video_bitrate: "auto", fps: "same_as_source", watermark_top: "10%" })
    }))

  it.effect.each(["wide", "1e3", "0x10", "1,5", "12px", true, [], {}])("%j is none", (given) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(decode({ id: "1", width: given }))
      assert.include(error.message, "width")
    }))
})

describe("timestamps", () => {
  const timestamps = [
    { given: "2009/10/13 19:11:26 +0100", iso: "2009-10-13T18:11:26.000Z" },
    { given: "2011/1/31 10:39:13 +0000", iso: "2011-01-31T10:39:13.000Z" },
    { given: "2011/12/1 1:02:03 -0330", iso: "2011-12-01T04:32:03.000Z" },
    { given: " 2012/02/29 23:59:59 +0000 ", iso: "2012-02-29T23:59:59.000Z" },
    { given: "2012-09-04T13:03:19Z", iso: "2012-09-04T13:03:19.000Z" },
    { given: "2012-09-04T13:03:19.250+02:00", iso: "2012-09-04T11:03:19.250Z" },
    { given: "2012/09/04 13:03:19 UTC", iso: "2012-09-04T13:03:19.000Z" },
    { given: "2012/09/04 13:03:19", iso: "2012-09-04T13:03:19.000Z" },
    { given: "", iso: undefined },
    { given: null, iso: undefined }
  ]
  it.effect.each(timestamps)("$given is $iso", ({ given, iso }) =>
    Effect.gen(function*() {
      const encoding = yield* Schema.decodeUnknown(Encodings.Encoding)({ id: "1", started_encoding_at: given })
      const date = encoding.started_encoding_at
      assert.strictEqual(date && DateTime.formatIso(date), iso)
    }))

  const none = [
    "yesterday",
    "2011/13/01 00:00:00 +0000",
    "2011/01/01",
    "2011/01/01 25:00:00 +0000",
    "9999/12/31 23:59:59 -1400",
    "0000/01/01 00:00:00 +1400",
    1_300_000_000
  ]
  it.effect.each(none)(
    "%j is none",
    (given) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(decode({ id: "1", created_at: given }))
        assert.include(error.message, "created_at")
      })
  )

  it.effect("go back as Panda writes them", () =>
    Effect.gen(function*() {
      const video = yield* decode({ id: "1", created_at: "2009/10/13 19:11:26 +0100" })
      assert.deepStrictEqual(yield* Schema.encode(Videos.Video)(video), {
        id: "1",
        created_at: "2009/10/13 18:11:26 +0000"
      })
    }))
})

describe("text and booleans", () => {
  it.effect("ids may be numbers in old data, and other text too", () =>
    Effect.gen(function*() {
      const encoding = yield* Schema.decodeUnknown(Encodings.Encoding)({
        id: 1,
        video_id: 2,
        profile_id: 3,
        status: "queued",
        path: null,
        files: null
      })
      assert.deepStrictEqual(encoding, {
        id: "1",
        video_id: "2",
        profile_id: "3",
        status: "queued",
        path: undefined,
        files: undefined
      })
    }))

  it.effect("an id is not optional", () =>
    Effect.gen(function*() {
      for (const given of [{}, { id: null }, { id: {} }]) {
        assert.include((yield* Effect.flip(decode(given))).message, "id")
      }
    }))

  it.effect("true, false, their names, and nothing", () =>
    Effect.gen(function*() {
      for (
        const [given, boolean] of [[true, true], ["true", true], ["false", false], ["", undefined], [null, undefined]]
      ) {
        const cloud = yield* Schema.decodeUnknown(Clouds.Cloud)({ id: "1", s3_private_access: given })
        assert.strictEqual(cloud.s3_private_access, boolean)
      }
      yield* Effect.flip(Schema.decodeUnknown(Clouds.Cloud)({ id: "1", s3_private_access: "maybe" }))
    }))
})

describe("nothing gets lost", () => {
  const json = FastCheck.jsonValue({ maxDepth: 2 })
  const number = FastCheck.oneof(
    FastCheck.integer(),
    FastCheck.integer().map(String),
    FastCheck.float({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }).map((number) => number.toFixed(2)),
    FastCheck.constantFrom(null, "")
  )
  const two = (number: number) => FastCheck.constantFrom(String(number), String(number).padStart(2, "0"))
  const timestamp = FastCheck.oneof(
    FastCheck.tuple(FastCheck.integer({ min: 1990, max: 2100 }), FastCheck.integer({ min: 1, max: 12 }).chain(two))
      .map(([year, month]) => `${year}/${month}/7 1:02:03 +0100`),
    FastCheck.constantFrom(null, "")
  )
  const text = FastCheck.oneof(FastCheck.string(), FastCheck.integer(), FastCheck.constant(null))
  const boolean = FastCheck.constantFrom(true, false, "true", "false", "", null)

  /** What may come for each attribute, by what the type of the model says it is. */
  const received = (fields: Schema.Struct.Fields) => {
    const known = Object.keys(fields).map((name) => {
      const attribute = name.endsWith("_at")
        ? timestamp
        : name === "files"
        ? FastCheck.array(FastCheck.string())
        : name === "events"
        ? FastCheck.dictionary(FastCheck.constantFrom("video_created", "encoding_completed", "new"), boolean)
        : /^(upscale|two_pass|encryption|add_timestamp|s3_private_access)$/.test(name)
        ? boolean
        : /^(width|height|fps|duration|file_size|delay|priority|.*_(bitrate|channels|rate|progress|time|count))$/.test(
            name
          )
        ? number
        : name === "url"
        ? FastCheck.oneof(FastCheck.webUrl(), FastCheck.constantFrom(null, "", "null"))
        : text
      return [name, attribute] as const
    })
    const optional = FastCheck.record(Object.fromEntries(known.filter(([name]) => name !== "id")), { requiredKeys: [] })
    const others = FastCheck.dictionary(
      FastCheck.string({ minLength: 1 }).filter((name) => !(name in fields) && name !== "__proto__"),
      json
    )
    return FastCheck.tuple(others, optional, FastCheck.oneof(FastCheck.hexaString(), FastCheck.integer()))
      .map(([others, optional, id]): Record<string, unknown> => ({ ...others, ...optional, id }))
  }

  const models = [
    { name: "Video", schema: Videos.Video },
    { name: "Encoding", schema: Encodings.Encoding },
    { name: "Profile", schema: Profiles.Profile },
    { name: "Cloud", schema: Clouds.Cloud },
    { name: "Notifications", schema: Notifications.Notifications }
  ] as const

  describe.each(models)("of $name", ({ schema: model }) => {
    const runs = { fastCheck: { numRuns: 40 } }
    // The five differ in their fields only.
    const schema = model as Schema.Schema<{ readonly [name: string]: unknown }, { readonly [name: string]: unknown }>

    it.effect.prop("encode(decode(x)) has every attribute of x, those we do not know unchanged", [
      received(model.fields)
    ], ([x]) =>
      Effect.gen(function*() {
        const decoded = yield* Schema.decodeUnknown(schema)(x)
        const encoded = yield* Schema.encode(schema)(decoded)
        assert.sameMembers(Object.keys(encoded), Object.keys(x))
        for (const [name, value] of Object.entries(x)) {
          if (!(name in model.fields)) assert.deepStrictEqual(encoded[name], value)
        }
        // Once it has gone through, it goes through unchanged.
        assert.deepStrictEqual(yield* Schema.decodeUnknown(schema)(encoded), decoded)
      }), runs)

    const inRange = Arbitrary.make(schema).filter((entity) =>
      Object.values(entity).every((value) => {
        const year = DateTime.isDateTime(value) ? DateTime.getPartUtc(value, "year") : 2000
        return year >= 1000 && year <= 9999
      })
    )
    it.effect.prop("what the model allows survives the wire", [inRange], ([entity]) =>
      Effect.gen(function*() {
        const encoded = yield* Schema.encode(schema)(entity)
        const decoded = yield* Schema.decodeUnknown(Schema.parseJson(schema))(JSON.stringify(encoded))
        assert.sameMembers(Object.keys(decoded), Object.keys(entity))
      }), runs)
  })
})
