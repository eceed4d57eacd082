/**
 * The documented presets (contract 10), and how a profile's attributes are written.
 */
import { flag } from "./parameters.js"

const video = (width: number, height: number, bitrate: number) => ({
  width,
  height,
  video_bitrate: bitrate,
  audio_bitrate: 128
})
const h264 = { extname: ".mp4", h264_profile: "high" }

const presets = {
  "h264": { ...h264, ...video(640, 480, 500) },
  "h264.hi": { ...h264, ...video(1280, 720, 1000) },
  "webm": { extname: ".webm", ...video(640, 480, 500) },
  "webm.hi": { extname: ".webm", ...video(1280, 720, 1000) },
  "ogg": { extname: ".ogg", ...video(640, 480, 500) },
  "ogg.hi": { extname: ".ogg", ...video(1280, 720, 1000) },
  "hls.variant": { extname: ".m3u8", video_bitrate: 500, audio_bitrate: 56 },
  "hls.variant.audio": { extname: ".m3u8", audio_bitrate: 56 },
  "hls.variant.playlist": { extname: ".m3u8", variants: "hls.*" },
  "hss": { extname: ".tar", variants: "hss.variant.*" },
  "mp3": { extname: ".mp3", audio_bitrate: 192 },
  "aac": { extname: ".aac", audio_bitrate: 192 },
  "vorbis": { extname: ".ogg", audio_bitrate: 192 },
  "thumbnail": { extname: ".jpg", frame_count: 7 },
  "jpeg": { extname: ".jpg", frame_count: 7 }
} satisfies Record<string, Record<string, unknown>>

/** The values that a preset implies; undefined for an unknown one. */
export const preset = (name: string): Readonly<Record<string, unknown>> | undefined =>
  Object.hasOwn(presets, name)
    ? { ...(presets as Record<string, Record<string, unknown>>)[name], preset_name: name }
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
