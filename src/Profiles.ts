/**
 * Profiles: how to encode.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_profiles.md
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/encoding_profiles.md
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Struct from "effect/Struct"
import * as Encodings from "./Encodings.js"
import { pathFormat } from "./internal/model/creation.js"
import * as entity from "./internal/model/entity.js"
import * as paging from "./internal/model/paging.js"
import { encodeInput } from "./internal/http/input.js"
import { attributes as known, Profile } from "./internal/model/profile.js"
import * as wire from "./internal/model/wire.js"
import * as PandaClient from "./PandaClient.js"
import { path } from "./PandaClient.js"
import { type PandaError, PandaInputError } from "./PandaError.js"
import type * as Signature from "./Signature.js"

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
 * Which page of profiles to list.
 *
 * @since 0.1.0
 * @category models
 */
export interface Filter extends Schema.Schema.Type<typeof Filter> {}

/**
 * `Filter` as it is checked before it is sent: pages from 1, at most 100 on a page.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_profiles.md
 * @since 0.1.0
 * @category schemas
 */
export const Filter = Schema.Struct(paging.page)

/**
 * One page of profiles.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_profiles.md
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
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_profiles.md
 * @since 0.1.0
 * @category operations
 */
export const all = (filter: Filter = {}): Stream.Stream<Profile, PandaError, PandaClient.PandaClient> =>
  paging.paginate(list, filter)

/**
 * A profile by its id or by its name. `PandaNotFound` if the cloud has none of that id or name.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_profiles.md
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
 * What a profile can be told; the units are those of `Profile`. `null` clears a setting, and what is left
 * out keeps its default.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/encoding_profiles.md
 * @since 0.1.0
 * @category models
 */
export interface Settings extends Schema.Schema.Type<typeof Settings> {}

/**
 * `Settings` as they are checked before they are sent.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Settings = Schema.Struct({
  /** Unique in the cloud. */
  name: Schema.optional(Schema.NonEmptyString),
  title: optional(Schema.String),
  /** Pixels. */
  width: optional(Schema.Int),
  /** Pixels. */
  height: optional(Schema.Int),
  upscale: optional(Schema.Boolean),
  /** Such as `letterbox`, `preserve`, `constrain`, `pad` or `crop`. */
  aspect_mode: optional(Schema.NonEmptyString),
  two_pass: optional(Schema.Boolean),
  /** kbit/s, or `auto`. */
  video_bitrate: optional(NumberOrText),
  /** kbit/s. */
  audio_bitrate: optional(NumberOrText),
  /** Frames a second; `null` for the source's own. */
  fps: optional(NumberOrText),
  /** Frames. */
  keyframe_interval: optional(NumberOrText),
  keyframe_rate: optional(NumberOrText),
  /** Hz. */
  audio_sample_rate: optional(NumberOrText),
  audio_channels: optional(NumberOrText),
  /** `HH:MM:SS`. */
  clip_length: optional(Schema.String),
  /** `HH:MM:SS`. */
  clip_offset: optional(Schema.String),
  /** How many screenshots; 0 for none. */
  frame_count: optional(Schema.NonNegativeInt),
  frame_offsets: optional(Schema.String),
  frame_interval: optional(Schema.String),
  /** `baseline`, `main` or `high`. */
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
  /** 2 to 200, lower first. */
  priority: optional(Schema.Int.pipe(Schema.between(2, 200)))
})

const Absent = Schema.Undefined.annotations({
  message: () => "a profile is made from a preset or from a command: leave one of them out"
})

/**
 * A profile made from one of Panda's presets, such as `h264`.
 *
 * @since 0.1.0
 * @category models
 */
export interface CreateFromPreset extends Settings, Schema.Schema.Type<typeof CreateFromPreset> {}

/**
 * `CreateFromPreset` as it is checked before it is sent.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/encoding_profiles.md
 * @since 0.1.0
 * @category schemas
 */
export const CreateFromPreset = Schema.Struct({
  ...Settings.fields,
  preset_name: Schema.NonEmptyString,
  extname: Schema.optional(Schema.NonEmptyString),
  command: Schema.optional(Absent)
})

/**
 * A profile made from a command of one's own.
 *
 * @since 0.1.0
 * @category models
 */
export interface CreateFromCommand extends Omit<Settings, "name">, Schema.Schema.Type<typeof CreateFromCommand> {}

/**
 * `CreateFromCommand` as it is checked before it is sent.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/encoding_profiles.md
 * @since 0.1.0
 * @category schemas
 */
export const CreateFromCommand = Schema.Struct({
  ...Settings.fields,
  name: Schema.NonEmptyString,
  /** Command lines with newlines or `;` between, and tokens such as `$input_file$`. */
  command: Schema.NonEmptyString,
  /** With its dot. */
  extname: Schema.NonEmptyString,
  preset_name: Schema.optional(Absent)
})

/**
 * Makes a profile. `PandaRejected` if its name is taken.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_profiles.md
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/encoding_profiles.md
 * @since 0.1.0
 * @category operations
 */
export const create = (
  params: CreateFromPreset | CreateFromCommand
): Effect.Effect<Profile, PandaError, PandaClient.PandaClient> =>
  params.command === undefined ? createWith(CreateFromPreset, params) : createWith(CreateFromCommand, params)

const createWith = <P, W extends Signature.Params>(input: Schema.Schema<P, W>, params: P) =>
  PandaClient.request({
    name: "Profiles.create",
    method: "POST",
    path: path`/profiles.json`,
    params,
    input,
    result: Profile
  })

/**
 * What of a profile can be changed; what is left out stays as it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Update extends Schema.Schema.Type<typeof Update> {}

/**
 * `Update` as it is checked before it is sent.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Update = Schema.Struct({
  ...Settings.fields,
  extname: Schema.optional(Schema.NonEmptyString),
  command: Schema.optional(Schema.NonEmptyString)
})

/**
 * Changes a profile. Encodings that were made with it stay as they are. `PandaRejected` if its new name is
 * taken.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_profiles.md
 * @since 0.1.0
 * @category operations
 */
export const update = (
  profile: entity.Ref,
  params: Update
): Effect.Effect<Profile, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Profiles.update",
    method: "PUT",
    path: path`/profiles/${entity.idOf(profile)}.json`,
    params,
    input: Update,
    result: Profile
  })

const attributes = Struct.pick(known, ...Struct.keys(Update.fields))

/**
 * Sends what has changed of a profile, of what `Update` has, and gives the profile as it is then. An attribute that is
 * gone is cleared. Sends nothing at all if nothing of that has changed, and gives `before`.
 *
 * @since 0.1.0
 * @category operations
 */
export const save = (before: Profile, after: Profile): Effect.Effect<Profile, PandaError, PandaClient.PandaClient> => {
  const changes = entity.changes(attributes, before, after)
  // What Panda may have put into an attribute is more than what it takes; `update` checks it.
  return Object.keys(changes).length === 0 ? Effect.succeed(before) : update(before, changes as Update)
}

const del = (profile: entity.Ref): Effect.Effect<void, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Profiles.delete",
    method: "DELETE",
    path: path`/profiles/${entity.idOf(profile)}.json`,
    result: PandaClient.Acknowledged
  })

export {
  /**
   * Deletes a profile, by its id or its name.
   *
   * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_profiles.md
   * @since 0.1.0
   * @category operations
   */
  del as delete
}

/**
 * The encodings made with a profile, one page. Not in Panda's documentation; its own Ruby client does it.
 *
 * @since 0.1.0
 * @category operations
 */
export const encodings = (
  profile: entity.Ref,
  filter: Pick<Encodings.Filter, "page" | "per_page" | "status"> = {}
): Effect.Effect<ReadonlyArray<Encodings.Encoding>, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Profiles.encodings",
    method: "GET",
    path: path`/profiles/${entity.idOf(profile)}/encodings.json`,
    params: filter,
    input: Encodings.Filter.pick("page", "per_page", "status"),
    result: Schema.Array(Encodings.Encoding)
  })

/**
 * The newest profile.
 *
 * @since 0.1.0
 * @category operations
 */
export const first = (
  filter: Filter = {}
): Effect.Effect<Option.Option<Profile>, PandaError, PandaClient.PandaClient> => entity.first(list, filter)

/**
 * All profiles for which the predicate holds.
 *
 * @since 0.1.0
 * @category operations
 */
export const where = (
  predicate: Predicate.Predicate<Profile>,
  filter: Filter = {}
): Stream.Stream<Profile, PandaError, PandaClient.PandaClient> => Stream.filter(all(filter), predicate)

/**
 * The profile as it is now.
 *
 * @since 0.1.0
 * @category operations
 */
export const reload = (profile: Profile): Effect.Effect<Profile, PandaError, PandaClient.PandaClient> =>
  find(profile.id)

/**
 * Whether it was made from a preset, and not from a command.
 *
 * @since 0.1.0
 * @category guards
 */
export const isPreset = (profile: Profile): boolean =>
  profile.preset_name !== undefined && profile.command === undefined

/**
 * The profile as Panda writes it, with all its attributes.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toJson: (profile: Profile, indent?: number) => string = entity.toJson(Profile)

/**
 * The profile without its id.
 *
 * @since 0.1.0
 * @category conversions
 */
export const dup: (profile: Profile) => Omit<Profile, "id"> = entity.dup

/**
 * The attributes of a profile that could not be read as what they should be, by their names: each is `undefined` in the
 * profile, is here as it was received, and goes back so by `toJson`, unless it was given another value.
 *
 * @since 0.2.0
 * @category conversions
 */
export const unreadable: (profile: Profile) => { readonly [attribute: string]: unknown } = wire.unreadable

/**
 * Panda's presets, with what is documented of their defaults. There may be others: any name can be passed.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/presets.md
 * @since 0.1.0
 * @category presets
 */
export const presets = [
  { preset_name: "h264", width: 640, height: 480, video_bitrate: 500, audio_bitrate: 128, h264_profile: "high" },
  { preset_name: "h264.hi", width: 1280, height: 720, video_bitrate: 1000 },
  { preset_name: "webm" },
  { preset_name: "webm.hi" },
  { preset_name: "ogg" },
  { preset_name: "ogg.hi" },
  { preset_name: "hls.variant", video_bitrate: 500, audio_bitrate: 56 },
  { preset_name: "hls.variant.audio", audio_bitrate: 56 },
  { preset_name: "hls.variant.playlist", variants: "hls.*" },
  { preset_name: "hss" },
  { preset_name: "mp3", audio_bitrate: 192 },
  { preset_name: "aac", audio_bitrate: 192 },
  { preset_name: "vorbis", audio_bitrate: 192 },
  { preset_name: "thumbnail" },
  { preset_name: "jpeg" }
] as const satisfies ReadonlyArray<CreateFromPreset>

const DesiredFromPreset = Schema.Struct({ ...CreateFromPreset.fields, name: CreateFromCommand.fields.name })

/**
 * A profile as it shall be; the name tells which one.
 *
 * @since 0.1.0
 * @category syncing
 */
export type Desired = typeof Desired.Type

/**
 * `Desired` as a file may have it: the `encryption_key`, which is redacted in memory, is plain text there.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Desired = Schema.Union(DesiredFromPreset, CreateFromCommand)

/**
 * How far `sync` goes.
 *
 * @since 0.1.0
 * @category syncing
 */
export interface SyncOptions {
  /** Whether only to tell what would be done. */
  readonly dryRun?: boolean | undefined
  /** Whether profiles that are not desired are deleted; by default they stay. */
  readonly prune?: boolean | undefined
}

/**
 * What was done, or would be; profiles by their names.
 *
 * @since 0.1.0
 * @category syncing
 */
export interface SyncReport {
  readonly created: ReadonlyArray<string>
  readonly updated: ReadonlyArray<{ readonly name: string; readonly changes: ReadonlyArray<Change> }>
  readonly unchanged: ReadonlyArray<string>
  readonly removed: ReadonlyArray<string>
}

/**
 * An attribute of a profile, before and after.
 *
 * @since 0.1.0
 * @category syncing
 */
export interface Change {
  readonly attribute: string
  readonly before: unknown
  readonly after: unknown
}

/**
 * Makes the profiles of the cloud what is desired: creates those whose name is new, updates what differs in those that
 * are there, and with `prune` deletes the others. Attributes that are not mentioned stay as they are. Requests go one
 * after the other; if one fails, those before it are done, and `sync` can be run again.
 *
 * `PandaInputError` before anything is done, with `dryRun` too, if a profile is desired that has no form on the wire,
 * comes twice, or is there with another preset or with a command in place of it: those cannot be changed.
 *
 * @since 0.1.0
 * @category syncing
 */
export const sync = (
  desired: ReadonlyArray<Desired>,
  { dryRun = false, prune = false }: SyncOptions = {}
): Effect.Effect<SyncReport, PandaError, PandaClient.PandaClient> =>
  Effect.gen(function*() {
    const refuse = (parameter: string, description: string) =>
      new PandaInputError({ operation: "Profiles.sync", parameter, description })
    const names = new Set<string>()
    for (const wanted of desired) {
      yield* wanted.command === undefined
        ? encodeInput("Profiles.sync", DesiredFromPreset, wanted)
        : encodeInput("Profiles.sync", CreateFromCommand, wanted)
      if (names.has(wanted.name)) return yield* refuse(wanted.name, "is desired twice: leave one of them out")
      names.add(wanted.name)
    }
    const present = new Map(
      Array.from(yield* Stream.runCollect(all()), (profile) => [profile.name ?? profile.id, profile])
    )
    const known = desired.flatMap((wanted) => {
      const profile = present.get(wanted.name)
      return profile === undefined ? [] : [{ wanted, profile, changes: differences(profile, wanted) }]
    })
    const moved = known.find(isMoved)
    if (moved !== undefined) {
      return yield* refuse(
        moved.wanted.name,
        "is made from another preset, or from a command: delete it, or desire another name"
      )
    }
    const missing = desired.filter(({ name }) => !present.has(name))
    const differing = known.filter(({ changes }) => changes.length > 0)
    const superfluous = prune ? Array.from(present.values()).filter(({ name }) => !names.has(name ?? "")) : []

    if (!dryRun) {
      yield* Effect.forEach(missing, create)
      yield* Effect.forEach(differing, ({ changes, profile }) =>
        update(profile, Object.fromEntries(changes.map(({ after, attribute }) => [attribute, after]))))
      yield* Effect.forEach(superfluous, del)
    }
    return {
      created: missing.map(({ name }) =>
        name
      ),
      updated: differing.map(({ changes, wanted }) => ({ name: wanted.name, changes })),
      unchanged: known.filter(({ changes }) => changes.length === 0).map(({ wanted }) => wanted.name),
      removed: superfluous.map(({ id, name }) => name ?? id)
    }
  })

/** What a profile is made from stays. Where Panda tells neither preset nor command, it may be either. */
const isMoved = ({ profile, wanted }: { readonly profile: Profile; readonly wanted: Desired }): boolean =>
  wanted.command === undefined
    ? profile.preset_name === undefined ? profile.command !== undefined : profile.preset_name !== wanted.preset_name
    : profile.preset_name !== undefined && profile.command === undefined

const isNothing = (value: unknown): boolean => value === undefined || value === null || value === ""

/** What is desired of a profile and is not so, whatever it is written as: `"30.0"` is 30, and a line end a line end. */
const differences = (profile: Profile, wanted: Desired): ReadonlyArray<Change> => {
  const before: { readonly [attribute: string]: unknown } = { ...profile, ...wire.unreadable(profile) }
  const mentioned = Struct.pick(
    attributes,
    ...Struct.keys(attributes).filter((name) => {
      const after = wanted[name]
      // Empty text is nothing, which Panda may show as such.
      return after !== undefined && (after !== "" || !isNothing(before[name]))
    })
  )
  return Object.entries(entity.changes(mentioned, profile, wanted)).map(([attribute, after]) => ({
    attribute,
    before: before[attribute] ?? null,
    after
  }))
}
