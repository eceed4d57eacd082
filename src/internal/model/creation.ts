/** What is said of a video that is created or uploaded. */
import * as Schema from "effect/Schema"

const Profiles = Schema.Union(Schema.Literal("none"), Schema.Array(Schema.String.pipe(Schema.pattern(/^[^,]+$/))))
  .annotations({ message: () => ({ message: "pass a list of names or ids, or none", override: true }) })

/** A list of names or ids, or `none` for no encodings yet; on the wire with commas between. */
export const profiles = Schema.transform(Schema.String, Profiles, {
  strict: true,
  decode: (text) => text === "none" ? text : text.split(","),
  encode: (profiles) => typeof profiles === "string" || profiles.length === 0 ? "none" : profiles.join(",")
})

const KEYWORDS = new Set(["id", "video_id", "original", "date", "profile", "type", "resolution"])

/** Where the files are put. `:id` has to be in it, since it alone makes paths unique. */
export const pathFormat = Schema.String.pipe(Schema.filter((text) => {
  const keywords = Array.from(text.matchAll(/:([A-Za-z_]+)/g), (match) => match[1]!)
  const unknown = keywords.find((keyword) => !KEYWORDS.has(keyword))
  if (unknown !== undefined) {
    return `:${unknown.slice(0, 40)} is not a keyword: use ${Array.from(KEYWORDS, (_) => `:${_}`).join(", ")}`
  }
  return keywords.includes("id") || "has no :id, without which paths are not unique: add it"
}))

/** Text that Panda keeps with the video. */
export const payload = Schema.String.pipe(
  Schema.filter((text) => Array.from(text).length <= 256 || "is longer than 256 characters: shorten it")
)

/** Profiles by name, each with what is made from its output; on the wire as JSON text. */
export interface Pipeline {
  readonly [profile: string]: Pipeline
}

const Nested: Schema.Schema<Pipeline> = Schema.Record({
  key: Schema.NonEmptyString,
  value: Schema.suspend(() => Nested)
}).annotations({ parseOptions: { onExcessProperty: "error" } })

export const pipeline = Schema.parseJson(Nested)

/** A parameter that excludes another. */
export const absent = (what: string) => Schema.Undefined.annotations({ message: () => `pass ${what}, not both` })
