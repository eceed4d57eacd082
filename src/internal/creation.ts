/** What is said of a video that is created or uploaded (contract 5 and 11). */
import * as Schema from "effect/Schema"

const ProfileName = Schema.NonEmptyString.pipe(
  Schema.filter((name) => !name.includes(",") || "a profile's name or id has no comma: pass each as an element")
)

/** A list of names or ids, or `none` for no encodings yet; on the wire with commas between. */
export const profiles = Schema.transform(Schema.String, Schema.Union(Schema.Literal("none"), Schema.Array(ProfileName)), {
  strict: true,
  decode: (text) => text === "none" ? text : text.split(","),
  encode: (profiles) => typeof profiles === "string" ? profiles : profiles.join(",")
})

const KEYWORDS = new Set(["id", "video_id", "original", "date", "profile", "type", "resolution"])

/** Where the files are put. `:id` has to be in it, since it alone makes paths unique. */
export const pathFormat = Schema.String.pipe(Schema.filter((text) => {
  const keywords = Array.from(text.matchAll(/:([A-Za-z_]+)/g), (match) => match[1]!)
  const unknown = keywords.find((keyword) => !KEYWORDS.has(keyword))
  if (unknown !== undefined) return `:${unknown} is not a keyword: use ${Array.from(KEYWORDS, (_) => `:${_}`).join(", ")}`
  return keywords.includes("id") || "has no :id, without which paths are not unique: add it"
}))

/** Text that Panda keeps with the video. */
export const payload = Schema.String.pipe(
  Schema.maxLength(256, { message: () => "is longer than 256 characters: shorten it" })
)
