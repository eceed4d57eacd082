/**
 * The presets that the emulator knows, with what a profile that is made from one has without being told (contract 10).
 * An encoder takes its names from here, so that no profile can be made that it has never heard of.
 */
const video = (width: number, height: number, bitrate: number) => ({
  width,
  height,
  video_bitrate: bitrate,
  audio_bitrate: 128
})
const h264 = { extname: ".mp4", h264_profile: "high" }

export const presets = {
  "h264": { ...h264, ...video(640, 480, 500) },
  "h264.hi": { ...h264, ...video(1280, 720, 1000) },
  // (inferred: named in Panda's older documentation without their values, which are those of the devices)
  "iphone": { ...h264, ...video(480, 320, 500), h264_profile: "baseline", h264_level: "3.0" },
  "ipad": { ...h264, ...video(1024, 768, 1000), h264_profile: "main", h264_level: "3.1" },
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

export type PresetName = keyof typeof presets
