/** What Panda's JSON has that other JSON has not: dates of its own, numbers as text, null for absent. */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"

/** An entity as received: whatever attributes it has beyond those we know stay with it, on the way back too. */
export const entity = <Fields extends Schema.Struct.Fields>(
  identifier: string,
  fields: Fields
): Schema.Struct<Fields> =>
  Schema.Struct(fields).annotations({ identifier, parseOptions: { onExcessProperty: "preserve" } })

/**
 * An attribute that may be absent or null, which both read as `undefined`. A null goes back as null, so that no
 * attribute gets lost.
 */
export const optional = <A, I>(schema: Schema.Schema<A, I>) =>
  Schema.optionalWith(
    Schema.transform(Schema.NullOr(schema), Schema.UndefinedOr(Schema.typeSchema(schema)), {
      strict: true,
      decode: (value) => value ?? undefined,
      encode: (value) => value ?? null
    }),
    { exact: true }
  )

/** The same for attributes that are no text, for which Panda sometimes writes empty text. */
const optionalNoText = <A, I>(schema: Schema.Schema<A, I>) =>
  Schema.optionalWith(
    Schema.transform(
      Schema.Union(Schema.Null, Schema.Literal(""), schema),
      Schema.UndefinedOr(Schema.typeSchema(schema)),
      {
        strict: true,
        decode: (value) => value === null || value === "" ? undefined : value as Exclude<typeof value, null | "">,
        encode: (value) => value ?? null
      }
    ),
    { exact: true }
  )

/** JSON has no -0 that would come back from it. */
const parseNumber = (text: string): number | undefined =>
  /^\s*-?\d+(\.\d+)?\s*$/.test(text) ? Number(text) + 0 : undefined

/** A number, or the text of one. */
export const numeric = Schema.transformOrFail(Schema.Union(Schema.JsonNumber, Schema.String), Schema.JsonNumber, {
  strict: true,
  decode: (value, _, ast) => {
    const number = typeof value === "string" ? parseNumber(value) : value
    return number === undefined
      ? ParseResult.fail(new ParseResult.Type(ast, value, "is not a number"))
      : ParseResult.succeed(number)
  },
  encode: ParseResult.succeed
})

/** A number, the text of one, or a word such as `auto`. */
const NumberOrWord = Schema.transform(
  Schema.Union(Schema.JsonNumber, Schema.String),
  Schema.Union(Schema.JsonNumber, Schema.String),
  {
    strict: true,
    decode: (value) => typeof value === "string" ? parseNumber(value) ?? value : value,
    encode: (value) => value
  }
)

const DATE =
  /^\s*(\d{4})[/-](\d{1,2})[/-](\d{1,2})[ T](\d{1,2}):(\d{2}):(\d{2}(?:\.\d+)?)\s*(?:(Z|UTC)|([+-]\d{2}):?(\d{2}))?\s*$/

/** `2009/10/13 19:11:26 +0100`, with or without leading zeros; ISO 8601 as well. */
const Timestamp = Schema.transformOrFail(Schema.String, Schema.DateTimeUtcFromSelf, {
  strict: true,
  decode: (text, _, ast) => {
    const [, year, month, day, hour, minute, second, , hours = "+00", minutes = "00"] = DATE.exec(text) ?? []
    const two = (digits: string | undefined) => (digits ?? "").padStart(2, "0")
    return Option.match(
      Option.filter(
        DateTime.make(`${year}-${two(month)}-${two(day)}T${two(hour)}:${minute}:${second}${hours}:${minutes}`),
        // Its offset may take it to a year that four digits do not write, and so not back.
        (date) => /^\d{4}-/.test(DateTime.formatIso(date))
      ),
      {
        onNone: () => ParseResult.fail(new ParseResult.Type(ast, text, "is not a date")),
        onSome: ParseResult.succeed
      }
    )
  },
  encode: (date) =>
    ParseResult.succeed(
      `${DateTime.formatIso(date).slice(0, 19).replaceAll("-", "/").replace("T", " ")} +0000`
    )
})

/** Text. Older data has numbers for ids, and where nothing is documented anything may come that is not an object. */
export const id = Schema.transform(Schema.Union(Schema.String, Schema.JsonNumber, Schema.Boolean), Schema.String, {
  strict: true,
  decode: String,
  encode: (text) => text
})

export const text = optional(id)
export const number = optionalNoText(numeric)
export const numberOrWord = optionalNoText(NumberOrWord)
export const timestamp = optionalNoText(Timestamp)
export const boolean = optionalNoText(
  Schema.Union(Schema.Boolean, Schema.transformLiterals(["true", true], ["false", false]))
)
export const texts = optional(Schema.Array(Schema.String))

/** What a file is, for videos and encodings alike. */
export const media = {
  /** With its dot. */
  extname: text,
  /** The key in the storage, without the extension. */
  path: text,
  mime_type: text,
  video_codec: text,
  audio_codec: text,
  /** Pixels. */
  width: number,
  /** Pixels. */
  height: number,
  /** Frames a second. */
  fps: numberOrWord,
  /** Milliseconds. */
  duration: number,
  /** Bytes. */
  file_size: number,
  /** kbit/s. */
  video_bitrate: numberOrWord,
  /** kbit/s. */
  audio_bitrate: numberOrWord,
  audio_channels: number,
  /** Hz. */
  audio_sample_rate: number,
  /** Why it failed, such as `FormatNotRecognised`; an open set. */
  error_class: text,
  error_message: text,
  created_at: timestamp,
  updated_at: timestamp
}

/** An URL that Panda shows as null, as empty text or as the word `null` where there is none. */
export const url = Schema.optionalWith(
  Schema.transform(Schema.NullOr(Schema.String), Schema.UndefinedOr(Schema.String), {
    strict: true,
    decode: (value) => value === null || value === "" || value === "null" ? undefined : value,
    encode: (value) => value ?? null
  }),
  { exact: true }
)
