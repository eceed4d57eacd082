/**
 * What a preset implies (contract 10), and how a profile's attributes are written.
 */
import { presets } from "../model/preset.js"
import { flag } from "./parameters.js"

/** The values that a preset implies; undefined for an unknown one. */
export const preset = (name: string): Readonly<Record<string, unknown>> | undefined =>
  Object.hasOwn(presets, name)
    ? { ...presets[name as keyof typeof presets], preset_name: name }
    : undefined

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/))

const texts = words(`
  name title extname command preset_name aspect_mode clip_length clip_offset frame_offsets frame_interval h264_profile
  h264_level h264_tune watermark_url encryption_key encryption_key_url encryption_iv variants path_format stack
  x264_options
`)
const numbers = words(`
  width height video_bitrate audio_bitrate fps keyframe_interval keyframe_rate audio_sample_rate audio_channels
  frame_count h264_crf max_rate buffer_size watermark_top watermark_bottom watermark_left watermark_right
  watermark_width watermark_height priority
`)
const booleans = words("upscale two_pass encryption deinterlace add_timestamp")

/**
 * The attributes among a request's parameters, as they will be shown. The empty text clears a value; a number given as
 * a word (`auto`, `same_as_source`, `10%`) stays a word; names that no profile has are ignored.
 */
export const attributesOf = (parameters: Readonly<Record<string, unknown>>): Record<string, unknown> => {
  const attributes: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(parameters)) {
    if (texts.has(name)) attributes[name] = value === "" ? null : value
    if (numbers.has(name)) attributes[name] = value === "" ? null : Number.isNaN(Number(value)) ? value : Number(value)
    if (booleans.has(name)) attributes[name] = flag(String(value)) === true
  }
  return attributes
}

/** What a profile has that did not say. (inferred: not `two_pass`, where a client's type had no room for a boolean) */
export const defaults = {
  upscale: true,
  aspect_mode: "letterbox",
  fps: null,
  audio_sample_rate: 44100
}

/** The storage keys that an encoding leaves behind under `path`. */
export const filesOf = (path: string, profile: Readonly<Record<string, unknown>>): ReadonlyArray<string> => {
  const extname = String(profile["extname"])
  switch (profile["preset_name"]) {
    case "thumbnail":
    case "jpeg":
      return Array.from({ length: Number(profile["frame_count"] ?? 7) }, (_, i) => `${path}_${i + 1}${extname}`)
    case "hls.variant":
    case "hls.variant.audio":
      return [`${path}${extname}`, `${path}_0.ts`, `${path}_1.ts`]
    default:
      return [`${path}${extname}`]
  }
}
