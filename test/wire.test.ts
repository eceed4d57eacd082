/** What Panda sends (contract 6), as the models read it and write it back. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, DateTime, Effect, FastCheck, Redacted, Schema } from "effect"
import { Clouds, Encodings, Notifications, Profiles, UploadSession, Videos } from "effect-panda"
import { inspect } from "node:util"
import * as json from "../src/internal/model/json.js"

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

  it.effect.each(["wide", "1e3", "0x10", "1,5", "12px", "9".repeat(400), true, [], {}])(
    "%j is none",
    (given) =>
      Effect.gen(function*() {
        const video = yield* decode({ id: "1", width: given })
        assert.isUndefined(video.width)
        assert.deepStrictEqual(Videos.unreadable(video), { width: given })
      })
  )

  it.effect("a zero has no sign", () =>
    Effect.gen(function*() {
      for (const given of [-0, "-0", "-0.0"]) {
        assert.strictEqual((yield* decode({ id: "1", duration: given })).duration, 0)
      }
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
    { given: "2011-03-01 15:39:10 UTC", iso: "2011-03-01T15:39:10.000Z" },
    { given: "2011-03-01 15:39:10 +0000", iso: "2011-03-01T15:39:10.000Z" },
    { given: "2011-03-01 15:39:10.260762 -0800", iso: "2011-03-01T23:39:10.260Z" },
    { given: "2011-03-01 15:39 +01", iso: "2011-03-01T14:39:00.000Z" },
    { given: "Tue Mar 01 15:39:10 UTC 2011", iso: "2011-03-01T15:39:10.000Z" },
    { given: "Tue Jan 28 20:59:44 +0000 1913", iso: "1913-01-28T20:59:44.000Z" },
    { given: "Tue Mar  1 15:39:10 2011", iso: "2011-03-01T15:39:10.000Z" },
    { given: "Tue, 01 Mar 2011 15:39:10 GMT", iso: "2011-03-01T15:39:10.000Z" },
    { given: "1 Mar 2011 15:39:10 +0100", iso: "2011-03-01T14:39:10.000Z" },
    { given: "Tue, 01 Mar 11 15:39 EST", iso: "2011-03-01T20:39:00.000Z" },
    { given: "Tuesday, 01-Mar-11 15:39:10 GMT", iso: "2011-03-01T15:39:10.000Z" },
    { given: "2011-03-01", iso: "2011-03-01T00:00:00.000Z" },
    { given: "2011/3/1", iso: "2011-03-01T00:00:00.000Z" },
    { given: 1_298_993_950, iso: "2011-03-01T15:39:10.000Z" },
    { given: "1298993950", iso: "2011-03-01T15:39:10.000Z" },
    { given: 1_298_993_950.25, iso: "2011-03-01T15:39:10.250Z" },
    { given: 1_298_993_950_250, iso: "2011-03-01T15:39:10.250Z" },
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
    "2011/02/31 00:00:00 +0000",
    "2011/01-01",
    "2011/01/01 25:00:00 +0000",
    "9999/12/31 23:59:59 -1400",
    "0000/01/01 00:00:00 +1400",
    "0000-00-00 00:00:00",
    "Tue, 01 Foo 2011 15:39:10 GMT",
    "20110301",
    2011,
    true,
    {}
  ]
  it.effect.each(none)(
    "%j is none",
    (given) =>
      Effect.gen(function*() {
        const video = yield* decode({ id: "1", created_at: given })
        assert.isUndefined(video.created_at)
        assert.deepStrictEqual(Videos.unreadable(video), { created_at: given })
      })
  )

  it.effect("go back as they came, and one of our own as Panda writes it", () =>
    Effect.gen(function*() {
      const received = { id: "1", created_at: "2009/10/13 19:11:26 +0100" }
      const video = yield* decode(received)
      assert.deepStrictEqual(yield* Schema.encode(Videos.Video)(video), received)
      const later = { ...video, created_at: DateTime.add(video.created_at!, { hours: 1 }) }
      assert.strictEqual((yield* Schema.encode(Videos.Video)(later))["created_at"], "2009/10/13 19:11:26 +0000")
      const exact = { ...video, created_at: DateTime.unsafeMake("2009-10-13T18:11:26.250Z") }
      assert.strictEqual((yield* Schema.encode(Videos.Video)(exact))["created_at"], "2009-10-13T18:11:26.250Z")
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
      assert.deepStrictEqual(Object.entries(encoding), [
        ["id", "1"],
        ["video_id", "2"],
        ["profile_id", "3"],
        ["status", "queued"],
        ["path", undefined],
        ["files", undefined]
      ])
      assert.strictEqual(
        Encodings.toJson(encoding),
        `{"id":1,"video_id":2,"profile_id":3,"status":"queued","path":null,"files":null}`
      )
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
    }))
})

describe("what is not of its type", () => {
  it.effect("is absent, and does not keep the others of a list from being read", () =>
    Effect.gen(function*() {
      const given = [{ id: "a" }, { id: "b", duration: "N/A", x: 1 }, { id: "c", files: [{}] }]
      const videos = yield* Schema.decodeUnknown(Schema.Array(Videos.Video))(given)
      assert.deepStrictEqual(videos.map(({ duration, id }) => [id, duration]), [
        ["a", undefined],
        ["b", undefined],
        ["c", undefined]
      ])
      assert.deepStrictEqual(yield* Schema.encode(Schema.Array(Videos.Video))(videos), given)
      assert.deepStrictEqual(videos.map(Videos.unreadable), [{}, { duration: "N/A" }, {}])
    }))

  it.effect("goes back from a copy too, unless it was given a value or was taken out", () =>
    Effect.gen(function*() {
      const video = yield* decode({ id: "1", title: "a", duration: "N/A", fps: "29.970" })
      const encode = (video: Videos.Video): unknown => JSON.parse(Videos.toJson(video))
      assert.deepStrictEqual(encode({ ...video, payload: "p" }), {
        id: "1",
        title: "a",
        duration: "N/A",
        fps: "29.970",
        payload: "p"
      })
      const mended = { ...video, duration: 5, fps: 30 }
      assert.deepStrictEqual(encode(mended), { id: "1", title: "a", duration: 5, fps: 30 })
      assert.deepStrictEqual(Videos.unreadable(mended), {})
      const { duration: _, ...without } = video
      assert.deepStrictEqual(encode(without), { id: "1", title: "a", fps: "29.970" })
      assert.deepStrictEqual(encode({ ...Videos.dup(video), id: "2" }), {
        title: "a",
        duration: "N/A",
        fps: "29.970",
        id: "2"
      })
    }))

  it.effect("is not shown where names or JSON are, and is not a difference of entities without any", () =>
    Effect.gen(function*() {
      const video = yield* decode({ id: "1", duration: "N/A" })
      assert.deepStrictEqual(Object.keys(video), ["id", "duration"])
      assert.strictEqual(JSON.stringify(video), `{"id":"1"}`)
      assert.deepStrictEqual(yield* decode({ id: "1", duration: 5 }), { id: "1", duration: 5 })
    }))

  it.effect("is printed no more than what is secret", () =>
    Effect.gen(function*() {
      for (const given of ["canary", 123_454_321, { canary: 1 }]) {
        const profile = yield* Schema.decodeUnknown(Profiles.Profile)({ id: "1", encryption_key: given })
        for (const text of [inspect(profile, { depth: 9, showHidden: true }), JSON.stringify(profile)]) {
          assert.notMatch(text, /canary|123454321/)
        }
        assert.deepStrictEqual(JSON.parse(Profiles.toJson(profile)), { id: "1", encryption_key: given })
      }
      const unread = Profiles.unreadable(
        yield* Schema.decodeUnknown(Profiles.Profile)({ id: "1", encryption_key: { a: 1 } })
      )
      assert.deepStrictEqual(Redacted.value(unread["encryption_key"] as Redacted.Redacted<unknown>), { a: 1 })
    }))

  it.effect("fails a list where it is no entity at all, and is named by its place", () =>
    Effect.gen(function*() {
      for (const given of [null, 7, "b", [], {}, { id: null }, { id: {} }]) {
        const error = yield* Effect.flip(Schema.decodeUnknown(Schema.Array(Videos.Video))([{ id: "a" }, given]))
        assert.strictEqual(json.firstIssue(error.issue).path[0], "1")
      }
    }))

  it.effect("is as little a reason not to read a setting that is nested", () =>
    Effect.gen(function*() {
      const given = { url: "null", delay: "soon", events: { video_created: 1, video_encoded: "often", x: null }, y: {} }
      const notifications = yield* Schema.decodeUnknown(Notifications.Notifications)(given)
      assert.isUndefined(notifications.url)
      assert.isTrue(notifications.events?.video_created)
      assert.deepStrictEqual(yield* Schema.encode(Notifications.Notifications)(notifications), given)
      assert.deepStrictEqual(Notifications.unreadable(notifications), { delay: "soon" })
      assert.deepStrictEqual(Notifications.unreadable(notifications.events!), { video_encoded: "often" })
      const changed = { ...notifications, events: { ...notifications.events, video_created: false } }
      assert.deepStrictEqual(yield* Schema.encode(Notifications.Notifications)(changed), {
        ...given,
        events: { ...given.events, video_created: false }
      })
      const none = yield* Schema.decodeUnknown(Notifications.Notifications)({ events: "none" })
      assert.deepStrictEqual(Notifications.unreadable(none), { events: "none" })
    }))
})

describe("an upload session", () => {
  it.effect("lives by its location alone, and keeps what is not known", () =>
    Effect.gen(function*() {
      const location = "https://vm-1.example/upload/session?id=canary"
      const given = { location, parts: "3", extra: { a: 1 } }
      const session = yield* Schema.decodeUnknown(UploadSession.UploadSession)(given)
      assert.isUndefined(session.id)
      assert.strictEqual(Redacted.value(session.location), location)
      assert.deepStrictEqual(yield* Schema.encode(UploadSession.UploadSession)({ ...session }), given)
      assert.notInclude(inspect(session, { depth: 9, showHidden: true }), "canary")
      const error = yield* Effect.flip(Schema.decodeUnknown(UploadSession.UploadSession)({ id: "1" }))
      assert.deepStrictEqual(json.firstIssue(error.issue).path, ["location"])
    }))
})

describe("numbers that JavaScript would change", () => {
  const through = (text: string) =>
    Effect.map(Schema.decode(json.parsed(Videos.Video))(text), (video) => ({ video, text: Videos.toJson(video) }))

  it.effect("are text, and go back as numbers", () =>
    Effect.gen(function*() {
      const given =
        `{"id":9007199254740993,"payload":-9007199254740995,"file_size":1e400,"ids":[{"a":18446744073709551615},2]}`
      const { text, video } = yield* through(given)
      assert.strictEqual(video.id, "9007199254740993")
      assert.strictEqual(video.payload, "-9007199254740995")
      assert.isUndefined(video.file_size)
      assert.deepStrictEqual(Reflect.get(video, "ids"), [{ a: "18446744073709551615" }, 2])
      assert.strictEqual(text, given)
      assert.strictEqual(Videos.toJson({ ...video, id: "7" }), given.replace("9007199254740993", `"7"`))
    }))

  it.effect("as text stay text, and so does what looks like them", () =>
    Effect.gen(function*() {
      const given = String.raw`{"id":"9007199254740993","a":"\"9007199254740993","#":["#1234567890123456789",1.5e+300]}`
      assert.strictEqual((yield* through(given)).text, given)
    }))

  it.effect("are those of the last attribute where one comes twice", () =>
    Effect.gen(function*() {
      const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`
      yield* Effect.flip(through(`{"id":9007199254740993,"x":${deep},"x":1}`))
      assert.strictEqual((yield* through(`{"id":9007199254740993,"id":"x"}`)).text, `{"id":"x"}`)
      assert.strictEqual((yield* through(`{"id":"x","id":9007199254740993}`)).text, `{"id":9007199254740993}`)
    }))

  it.effect.prop("all else is read as by JSON.parse, and written as by JSON.stringify", [
    FastCheck.jsonValue({ maxDepth: 3 }).filter((value) => !/\d{16}/.test(JSON.stringify(value))),
    FastCheck.constantFrom(0, 2)
  ], ([value, indent]) =>
    Effect.gen(function*() {
      // With a number that has the text read once more.
      const given = { value, n: ["N"] }
      const text = JSON.stringify(given, null, indent).replace(/"N"(?=\s*\]\s*\}$)/, "9007199254740993")
      const read = yield* Schema.decode(json.Json)(text)
      assert.deepStrictEqual(read, { value, n: ["9007199254740993"] })
      assert.strictEqual(json.write(read, indent), text)
    }), { fastCheck: { numRuns: 40 } })
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
    const runs = { fastCheck: { numRuns: 15 } }
    // The five differ in their fields only.
    const schema = model as Schema.Schema<{ readonly [name: string]: unknown }, { readonly [name: string]: unknown }>

    it.effect.prop("encode(decode(x)) is x", [
      received(model.fields)
    ], ([x]) =>
      Effect.gen(function*() {
        const decoded = yield* Schema.decodeUnknown(schema)(x)
        const encoded = yield* Schema.encode(schema)(decoded)
        assert.deepStrictEqual(encoded, x)
        assert.deepStrictEqual(Object.keys(encoded), Object.keys(x))
        // So does a copy.
        assert.deepStrictEqual(yield* Schema.encode(schema)({ ...decoded }), x)
        // Once it has gone through, it goes through unchanged.
        assert.deepStrictEqual(yield* Schema.decodeUnknown(schema)(encoded), decoded)
      }), runs)

    const other = FastCheck.oneof(
      FastCheck.constantFrom(null, "", " ", "N/A", "3.0", "+5", "007", " 5 ", "1e400", "10%", "a\r\nb", -0, 0, 1, 5.5),
      FastCheck.integer(),
      json,
      FastCheck.array(json, { maxLength: 3 }),
      FastCheck.dictionary(FastCheck.string(), json, { maxKeys: 3 })
    )
    const mutated = FastCheck.array(
      FastCheck.record(Object.fromEntries(Object.keys(model.fields).map((name) => [name, other]))).map((entity) =>
        "id" in entity ? { ...entity, id: "1" } : entity
      ),
      { minLength: 1, maxLength: 3 }
    )
    it.effect.prop(
      "whatever each attribute is, a list is read and goes back as it came",
      [mutated],
      ([given]) =>
        Effect.gen(function*() {
          const list = yield* Schema.decodeUnknown(Schema.Array(schema))(given)
          assert.isTrue(Schema.is(Schema.Array(schema))(list))
          assert.deepStrictEqual(yield* Schema.encode(Schema.Array(schema))(list), given)
          assert.deepStrictEqual(
            yield* Schema.encode(Schema.Array(schema))(list.map((entity) => ({ ...entity }))),
            given
          )
        }),
      runs
    )

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
