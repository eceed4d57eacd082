/** The size and shape of what is made: filters for `ffmpeg` (contract 10, `aspect_mode`). */
import * as Either from "effect/Either"
import type { Facts } from "./media.js"
import { invalid, type Refusal } from "./refusal.js"
import * as Values from "./values.js"

/** Encoders want an even number of pixels. */
const even = (pixels: number): number => Math.max(2, Math.floor(pixels / 2) * 2)

const MODES = ["letterbox", "pad", "constrain", "preserve", "crop", "fill", "stretch"] as const

/** (contract 10: 2160p is 3840x2160, and none of the presets is larger) */
export const LARGEST = 4096

/** Pixels are made square first, as they are in every preset. */
const square = "scale=max(2\\,trunc(iw*sar/2)*2):max(2\\,trunc(ih/2)*2),setsar=1"

const sized = (mode: typeof MODES[number], width: number, height: number): ReadonlyArray<string> => {
  const inside = "force_original_aspect_ratio=decrease:force_divisible_by=2"
  const bars = `pad=${width}:${height}:(ow-iw)/2:(oh-ih)/2`
  switch (mode) {
    case "letterbox":
      return [`scale=${width}:${height}:${inside}`, bars]
    case "pad":
      return [`scale=min(${width}\\,iw):min(${height}\\,ih):${inside}`, bars]
    case "constrain":
      return [`scale=${width}:${height}:${inside}`]
    case "preserve":
      return []
    case "crop":
    case "fill":
      return [
        `scale=${width}:${height}:force_original_aspect_ratio=increase:force_divisible_by=2`,
        `crop=${width}:${height}`
      ]
    case "stretch":
      return [`scale=${width}:${height}`]
  }
}

/** The filters of a profile, in their order. */
export const filters = (
  profile: Values.Profile,
  source: Facts
): Either.Either<ReadonlyArray<string>, Refusal> =>
  Either.gen(function*() {
    const wanted = [
      yield* Values.integer(profile, "width", 2, LARGEST),
      yield* Values.integer(profile, "height", 2, LARGEST)
    ] as const
    const mode = (yield* Values.word(profile, "aspect_mode", MODES)) ?? "letterbox"
    const [width, height] = wanted.map((pixels) => pixels === undefined ? undefined : even(pixels))
    const fits = (source.width ?? 0) <= (width ?? LARGEST) && (source.height ?? 0) <= (height ?? LARGEST)
    const stays = profile["upscale"] === false && fits
    const shape = stays || (width === undefined && height === undefined)
      ? []
      : width === undefined
      ? [`scale=-2:${height}`]
      : height === undefined
      ? [`scale=${width}:-2`]
      : sized(mode, width, height)
    return [...(Values.flag(profile, "deinterlace") ? ["yadif"] : []), square, ...shape, "setsar=1"]
  })

/**
 * The time within the source, burnt in at the bottom, where a profile has `add_timestamp`; `from` is where in the source,
 * in seconds, what is made begins.
 */
export const timestamp = (profile: Values.Profile, from: number): ReadonlyArray<string> =>
  Values.flag(profile, "add_timestamp")
    ? [
      `drawtext=text='%{pts\\:hms\\:${from}}':fontsize=h/12:fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=4:` +
      "x=(w-text_w)/2:y=h-text_h-h/24"
    ]
    : []

/** Where a watermark goes: pixels, or percent of the video, from the side that is named (contract 10). */
const distance = (
  profile: Values.Profile,
  name: string,
  whole: string
): Either.Either<string | undefined, Refusal> => {
  const value = profile[name]
  if (value === undefined || value === null || value === "") return Either.right(undefined)
  const percent = /^(\d{1,3}(?:\.\d{1,3})?)%$/.exec(String(value))?.[1]
  if (percent !== undefined) return Either.right(`${whole}*${Number(percent) / 100}`)
  return Either.map(Values.integer(profile, name, -LARGEST, LARGEST), (pixels) => String(pixels ?? 0))
}

/** A graph from `[0:VIDEO]` and the picture in `[1:v]` to `[v]`. */
export const watermarked = (
  profile: Values.Profile,
  video: number,
  chain: ReadonlyArray<string>
): Either.Either<string, Refusal> =>
  Either.gen(function*() {
    const [left, right] = [
      yield* distance(profile, "watermark_left", "W"),
      yield* distance(profile, "watermark_right", "W")
    ]
    const [top, bottom] = [
      yield* distance(profile, "watermark_top", "H"),
      yield* distance(profile, "watermark_bottom", "H")
    ]
    const size = [
      yield* Values.integer(profile, "watermark_width", 1, LARGEST),
      yield* Values.integer(profile, "watermark_height", 1, LARGEST)
    ].map((pixels) => pixels ?? -1)
    const resized = size.every((pixels) => pixels === -1) ? "null" : `scale=${size[0]}:${size[1]}`
    // As in CSS: the far side counts where only it is given.
    const x = left === undefined && right !== undefined ? `W-w-${right}` : left ?? "0"
    const y = top === undefined && bottom !== undefined ? `H-h-${bottom}` : top ?? "0"
    return `[0:${video}]${chain.join(",")}[base];[1:v]${resized}[mark];[base][mark]overlay=${x}:${y}[v]`
  })

/** Pictures of one source: more than this would be a film again. */
const PICTURES = 100

/** When, in seconds, each picture is taken: evenly, at these moments, or every so often. */
export const moments = (
  profile: Values.Profile,
  { duration, fps }: Facts
): Either.Either<ReadonlyArray<number>, Refusal> =>
  Either.gen(function*() {
    const seconds = (duration ?? 0) / 1000
    const { frame_interval, frame_offsets } = profile
    const given = (value: unknown) => value !== undefined && value !== null && value !== ""
    if (given(frame_offsets)) {
      const offsets = String(frame_offsets).split(",").slice(0, PICTURES + 1)
      if (offsets.length > PICTURES) return yield* Either.left(tooMany("frame_offsets"))
      return yield* Either.all(offsets.map((text) => Values.moment("frame_offsets", text, fps)))
    }
    if (given(frame_interval)) {
      const interval = yield* Values.moment("frame_interval", String(frame_interval), fps)
      if (!(interval > 0) || seconds / interval > PICTURES) return yield* Either.left(tooMany("frame_interval"))
      return Array.from({ length: Math.max(1, Math.ceil(seconds / interval)) }, (_, i) => i * interval)
    }
    const count = (yield* Values.integer(profile, "frame_count", 0, PICTURES)) ?? 7
    return Array.from({ length: count }, (_, i) => seconds * (i + 0.5) / count)
  })

const tooMany = (name: string): Refusal => invalid(`${name} asks for more than ${PICTURES} pictures`)
