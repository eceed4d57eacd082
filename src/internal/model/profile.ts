/** The model of a profile: apart from its room, because encodings lead back to their profile. */
import type * as Schema from "effect/Schema"
import * as wire from "./wire.js"

/** What is known of a profile beside its id. */
export const attributes = {
  /** Unique in its cloud. */
  name: wire.text,
  title: wire.text,
  /** With its dot. */
  extname: wire.text,
  /** Of a profile made from a preset, such as `h264`. */
  preset_name: wire.text,
  /** Of a custom profile: command lines, with newlines or `;` between. */
  command: wire.text,
  /** Pixels. */
  width: wire.number,
  /** Pixels. */
  height: wire.number,
  upscale: wire.boolean,
  /** Such as `letterbox`, `preserve`, `constrain`, `pad` or `crop`. */
  aspect_mode: wire.text,
  two_pass: wire.boolean,
  /** kbit/s, or `auto`. */
  video_bitrate: wire.numberOrWord,
  /** kbit/s. */
  audio_bitrate: wire.numberOrWord,
  /** Frames a second; absent for the source's own. */
  fps: wire.numberOrWord,
  /** Frames. */
  keyframe_interval: wire.numberOrWord,
  keyframe_rate: wire.numberOrWord,
  /** Hz. */
  audio_sample_rate: wire.numberOrWord,
  audio_channels: wire.numberOrWord,
  /** `HH:MM:SS`. */
  clip_length: wire.text,
  /** `HH:MM:SS`. */
  clip_offset: wire.text,
  /** How many screenshots; 0 for none. */
  frame_count: wire.number,
  frame_offsets: wire.text,
  frame_interval: wire.text,
  /** `baseline`, `main` or `high`. */
  h264_profile: wire.text,
  h264_level: wire.level,
  h264_crf: wire.numberOrWord,
  h264_tune: wire.text,
  /** HLS: which other profiles a playlist lists, such as `hls.*`. */
  variants: wire.text,
  max_rate: wire.numberOrWord,
  buffer_size: wire.numberOrWord,
  encryption: wire.boolean,
  /** Base64. */
  encryption_key: wire.secret,
  encryption_key_url: wire.url,
  /** Base64. */
  encryption_iv: wire.text,
  watermark_url: wire.url,
  watermark_top: wire.numberOrWord,
  watermark_bottom: wire.numberOrWord,
  watermark_left: wire.numberOrWord,
  watermark_right: wire.numberOrWord,
  watermark_width: wire.numberOrWord,
  watermark_height: wire.numberOrWord,
  path_format: wire.text,
  /** Such as `corepack-3`. */
  stack: wire.text,
  deinterlace: wire.text,
  add_timestamp: wire.boolean,
  priority: wire.number,
  created_at: wire.timestamp,
  updated_at: wire.timestamp
}

/**
 * A profile: how to encode. Attributes that Panda sends beyond these are kept, and encoded again.
 *
 * @since 0.1.0
 * @category models
 */
export interface Profile extends Schema.Schema.Type<typeof Profile> {}

/**
 * @since 0.1.0
 * @category schemas
 */
export const Profile = wire.entity("Profile", { id: wire.id }, attributes)
