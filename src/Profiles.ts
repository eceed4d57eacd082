/**
 * Profiles: how to encode (contract 5, 6 and 10).
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import { pathFormat } from "./internal/creation.js"
import * as paging from "./internal/paging.js"
import { Profile } from "./internal/profile.js"
import * as PandaClient from "./PandaClient.js"
import { path } from "./PandaClient.js"
import type { PandaError } from "./PandaError.js"

export {
  /**
   * A profile. Attributes that Panda sends beyond the known ones are kept, and encoded again.
   *
   * @since 0.1.0
   * @category models
   */
  Profile
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Filter extends Schema.Schema.Type<typeof Filter> {}

/**
 * @since 0.1.0
 * @category schemas
 */
export const Filter = Schema.Struct(paging.page)

/**
 * One page of profiles.
 *
 * @since 0.1.0
 * @category operations
 */
export const list = (filter: Filter = {}): Effect.Effect<ReadonlyArray<Profile>, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Profiles.list",
    method: "GET",
    path: path`/profiles.json`,
    params: filter,
    input: Filter,
    result: Schema.Array(Profile)
  })

/**
 * All profiles, a request for each page as it is pulled.
 *
 * @since 0.1.0
 * @category operations
 */
export const all = (filter: Filter = {}): Stream.Stream<Profile, PandaError, PandaClient.PandaClient> =>
  paging.paginate(list, filter)

/**
 * A profile by its id or by its name.
 *
 * @since 0.1.0
 * @category operations
 */
export const find = (idOrName: string): Effect.Effect<Profile, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Profiles.find",
    method: "GET",
    path: path`/profiles/${idOrName}.json`,
    result: Profile
  })

const NumberOrText = Schema.Union(Schema.Finite, Schema.NonEmptyString)

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optional(Schema.NullOr(schema))

/**
 * What a profile can be told (contract 10); the units are those of `Profile`. `null` clears a setting, and what is left
 * out keeps its default.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings extends Schema.Schema.Type<typeof Settings> {}

/**
 * @since 0.1.0
 * @category schemas
 */
export const Settings = Schema.Struct({
  /** Unique in the cloud. */
  name: Schema.optional(Schema.NonEmptyString),
  title: optional(Schema.String),
  width: optional(Schema.Int),
  height: optional(Schema.Int),
  upscale: optional(Schema.Boolean),
  aspect_mode: optional(Schema.NonEmptyString),
  two_pass: optional(Schema.Boolean),
  video_bitrate: optional(NumberOrText),
  audio_bitrate: optional(NumberOrText),
  fps: optional(NumberOrText),
  keyframe_interval: optional(NumberOrText),
  keyframe_rate: optional(NumberOrText),
  audio_sample_rate: optional(NumberOrText),
  audio_channels: optional(NumberOrText),
  clip_length: optional(Schema.String),
  clip_offset: optional(Schema.String),
  frame_count: optional(Schema.NonNegativeInt),
  frame_offsets: optional(Schema.String),
  frame_interval: optional(Schema.String),
  h264_profile: optional(Schema.String),
  h264_level: optional(NumberOrText),
  h264_crf: optional(NumberOrText),
  h264_tune: optional(Schema.String),
  variants: optional(Schema.String),
  max_rate: optional(NumberOrText),
  buffer_size: optional(NumberOrText),
  encryption: optional(Schema.Boolean),
  encryption_key: optional(Schema.Redacted(Schema.String)),
  encryption_key_url: optional(Schema.String),
  encryption_iv: optional(Schema.String),
  watermark_url: optional(Schema.String),
  watermark_top: optional(NumberOrText),
  watermark_bottom: optional(NumberOrText),
  watermark_left: optional(NumberOrText),
  watermark_right: optional(NumberOrText),
  watermark_width: optional(NumberOrText),
  watermark_height: optional(NumberOrText),
  path_format: optional(pathFormat),
  stack: optional(Schema.String),
  deinterlace: optional(Schema.String),
  add_timestamp: optional(Schema.Boolean),
  priority: optional(Schema.Int)
})

/**
 * A profile made from one of Panda's presets, such as `h264`.
 *
 * @since 0.1.0
 * @category models
 */
export interface CreateFromPreset extends Schema.Schema.Type<typeof CreateFromPreset> {}

/**
 * @since 0.1.0
 * @category schemas
 */
export const CreateFromPreset = Schema.Struct({
  ...Settings.fields,
  preset_name: Schema.NonEmptyString,
  extname: Schema.optional(Schema.NonEmptyString),
  command: Schema.optional(Schema.Undefined)
})

/**
 * A profile made from a command of one's own.
 *
 * @since 0.1.0
 * @category models
 */
export interface CreateFromCommand extends Schema.Schema.Type<typeof CreateFromCommand> {}

/**
 * @since 0.1.0
 * @category schemas
 */
export const CreateFromCommand = Schema.Struct({
  ...Settings.fields,
  name: Schema.NonEmptyString,
  /** Command lines with newlines or `;` between, and tokens such as `$input_file$` (contract 10). */
  command: Schema.NonEmptyString,
  /** With its dot. */
  extname: Schema.NonEmptyString,
  preset_name: Schema.optional(Schema.Undefined)
})

/**
 * Makes a profile.
 *
 * @since 0.1.0
 * @category operations
 */
export const create = (
  params: CreateFromPreset | CreateFromCommand
): Effect.Effect<Profile, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Profiles.create",
    method: "POST",
    path: path`/profiles.json`,
    params,
    input: Schema.Union(CreateFromPreset, CreateFromCommand),
    result: Profile
  })

const del = (idOrName: string): Effect.Effect<void, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Profiles.delete",
    method: "DELETE",
    path: path`/profiles/${idOrName}.json`,
    result: PandaClient.Acknowledged
  })

export {
  /**
   * @since 0.1.0
   * @category operations
   */
  del as delete
}
