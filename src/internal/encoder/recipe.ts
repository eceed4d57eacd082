/** From a profile and a source to the arguments of `ffmpeg`: the presets of contract 10, and a profile's own command. */
import * as Either from "effect/Either"
import type { PresetName } from "../model/preset.js"
import * as Command from "./command.js"
import * as Encryption from "./encryption.js"
import type { Facts, Media } from "./media.js"
import * as Picture from "./picture.js"
import { check, impossible, invalid, type Refusal } from "./refusal.js"
import * as Values from "./values.js"
import * as X264 from "./x264.js"

/** The files of an encoding, by what follows their common beginning. */
export interface Files {
  readonly source: string
  /** Whether this encoder has made it: only then can it be a list of other files. */
  readonly own: boolean
  readonly watermark: string | undefined
  readonly output: (suffix: string) => string
}

export interface Plan {
  /** One after the other. */
  readonly runs: ReadonlyArray<ReadonlyArray<string>>
  /** How long what is made will be, in seconds. */
  readonly seconds: number | undefined
  readonly extname: string
  /** Of what pictures are taken. */
  readonly pictures: "source" | "result" | "none"
  readonly encryption?: Encryption.Encryption | undefined
}

interface Codecs {
  readonly extname: string
  readonly format: string
  readonly video?: ReadonlyArray<string>
  readonly audio: ReadonlyArray<string>
  readonly more?: ReadonlyArray<string>
}

const h264 = {
  extname: ".mp4",
  format: "mp4",
  video: ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"],
  audio: ["-c:a", "aac"],
  more: ["-movflags", "+faststart"]
}
const vorbis = ["-c:a", "libvorbis"]
const webm = {
  extname: ".webm",
  format: "webm",
  video: ["-c:v", "libvpx", "-deadline", "good", "-cpu-used", "4", "-pix_fmt", "yuv420p"],
  audio: vorbis
}
const ogg = { extname: ".ogg", format: "ogg", video: ["-c:v", "libtheora", "-pix_fmt", "yuv420p"], audio: vorbis }
const hls = { extname: ".m3u8", format: "hls", audio: ["-c:a", "aac"] }

/** Those that come from streams. The others list streams, take pictures, or cannot be made. */
const presets: Readonly<
  Record<Exclude<PresetName, "hls.variant.playlist" | "hss" | "thumbnail" | "jpeg">, Codecs>
> = {
  h264,
  "h264.hi": h264,
  iphone: h264,
  ipad: h264,
  webm,
  "webm.hi": webm,
  ogg,
  "ogg.hi": ogg,
  "hls.variant": { ...hls, video: h264.video },
  "hls.variant.audio": hls,
  mp3: { extname: ".mp3", format: "mp3", audio: ["-c:a", "libmp3lame"] },
  aac: { extname: ".aac", format: "adts", audio: ["-c:a", "aac"] },
  vorbis: { extname: ".ogg", format: "ogg", audio: vorbis }
}

/** Seconds of a piece of HLS. */
const PIECE = 6

/**
 * What is read can only be a file, and only of a kind that refers to no other. One that this encoder has made may be a
 * list of pieces that are beside it, and of the key to them.
 */
export const guarded = ({ own, source }: Pick<Files, "own" | "source">): ReadonlyArray<string> => [
  "-protocol_whitelist",
  own ? "file,crypto" : "file",
  "-format_whitelist",
  own ? `hls,${DEMUXERS}` : DEMUXERS,
  ...(own && source.endsWith(hls.extname) ? ["-allowed_extensions", "ALL"] : [])
]

const DEMUXERS = [
  "mov,matroska,avi,flv,mpegts,mpeg,mpegvideo,ogg,wav,w64,mp3,aac,ac3,eac3,flac,asf,mxf,gif,h264,hevc,m4v,dv,rm,nut,ivf",
  "amr,aiff,au,caf,wv,ape,tta,dts,truehd"
].join(",")

const PICTURES = "png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,gif"

/** A path is never an option or the name of a protocol. */
const file = (path: string): string => `file:${path}`

const option = (name: string, value: string | number | undefined): ReadonlyArray<string> =>
  value === undefined ? [] : [name, String(value)]

const kilo = (value: number | undefined): string | undefined => value === undefined ? undefined : `${value}k`

const clip = (profile: Values.Profile, { duration }: Facts) =>
  Either.gen(function*() {
    const offset = yield* Values.time(profile, "clip_offset")
    const length = yield* Values.time(profile, "clip_length")
    const all = duration === null ? undefined : duration / 1000
    yield* check(
      offset === undefined || offset === 0 || all === undefined || offset < all,
      () => impossible("clip_offset lies beyond the end")
    )
    yield* check(length === undefined || length > 0, () => invalid("clip_length must be longer than nothing"))
    const left = all === undefined ? undefined : all - (offset ?? 0)
    return {
      from: offset ?? 0,
      args: [...option("-ss", offset || undefined), ...option("-t", length)],
      seconds: length === undefined ? left : Math.min(left ?? length, length)
    }
  })

const videoArgs = (profile: Values.Profile, isX264: boolean) =>
  Either.gen(function*() {
    const crf = yield* Values.number(profile, "h264_crf", 0, 51)
    const rate = yield* Values.number(profile, "video_bitrate", 1, 100_000)
    const keyframes = yield* Values.number(profile, "keyframe_rate", 0.01, 100)
    const interval = yield* Values.number(profile, "keyframe_interval", 0, 100_000)
    const level = yield* Values.number(profile, "h264_level", 1, 62)
    return [
      ...option("-r", yield* Values.number(profile, "fps", 1, 240)),
      ...option("-g", interval === undefined ? 250 : Math.max(1, Math.round(interval))),
      ...option("-force_key_frames", keyframes === undefined ? undefined : `expr:gte(t,n_forced/${keyframes})`),
      ...option("-maxrate", kilo(yield* Values.number(profile, "max_rate", 1, 100_000))),
      ...option("-bufsize", kilo(yield* Values.number(profile, "buffer_size", 1, 1_000_000))),
      ...(isX264
        ? [
          ...(crf === undefined ? option("-b:v", kilo(rate)) : option("-crf", crf)),
          ...option("-profile:v", yield* Values.word(profile, "h264_profile", ["baseline", "main", "high"])),
          // (seen: 3.0 in people's configuration)
          ...option("-level:v", level === undefined ? undefined : level > 9 ? level / 10 : level),
          ...option("-tune", yield* Values.word(profile, "h264_tune", TUNES)),
          ...option("-x264-params", yield* X264.params(profile))
        ]
        : option("-b:v", kilo(rate)))
    ]
  })

const TUNES = ["film", "animation", "grain", "stillimage", "psnr", "ssim", "fastdecode", "zerolatency"] as const

const audioArgs = (profile: Values.Profile) =>
  Either.gen(function*() {
    return [
      ...option("-b:a", kilo(yield* Values.number(profile, "audio_bitrate", 8, 1000))),
      ...option("-ar", yield* Values.integer(profile, "audio_sample_rate", 8000, 96_000)),
      ...option("-ac", yield* Values.integer(profile, "audio_channels", 1, 8))
    ]
  })

const transcode = (
  name: string,
  codecs: Codecs,
  profile: Values.Profile,
  source: Media,
  files: Files
): Either.Either<Plan, Refusal> =>
  Either.gen(function*() {
    const isHls = codecs.format === "hls"
    // The kind of file decides what is in it: under another name it would not play.
    const extname = isHls ? codecs.extname : yield* Values.extname(profile, codecs.extname)
    yield* check(
      codecs.video === undefined || source.video !== undefined,
      () => impossible(`The source has no video for ${name}`)
    )
    yield* check(
      codecs.video !== undefined || source.audio !== undefined,
      () => impossible(`The source has no sound for ${name}`)
    )
    const { args: cut, from, seconds } = yield* clip(profile, source.facts)
    const encryption = isHls ? yield* Encryption.read(profile) : undefined
    const marked = codecs.video === undefined ? undefined : files.watermark
    const chain = codecs.video === undefined
      ? []
      : [...yield* Picture.filters(profile, source.facts), ...Picture.timestamp(profile, from)]
    const seen = codecs.video === undefined
      ? ["-vn"]
      : marked === undefined
      ? ["-map", `0:${source.video}`, "-vf", chain.join(",")]
      : ["-filter_complex", yield* Picture.watermarked(profile, source.video!, chain), "-map", "[v]"]
    const video = codecs.video === undefined
      ? []
      : [...codecs.video, ...yield* videoArgs(profile, codecs.video.includes("libx264"))]
    const heard = source.audio === undefined
      ? ["-an"]
      : ["-map", `0:${source.audio}`, ...codecs.audio, ...yield* audioArgs(profile)]
    const input = [
      ...cut,
      ...guarded(files),
      "-i",
      file(files.source),
      ...(marked === undefined ? [] : [
        "-protocol_whitelist",
        "file",
        "-format_whitelist",
        PICTURES,
        "-i",
        file(marked)
      ])
    ]
    const pieces = isHls
      ? [
        ...(video.length === 0 ? [] : ["-force_key_frames", `expr:gte(t,n_forced*${PIECE})`]),
        "-hls_time",
        String(PIECE),
        "-hls_list_size",
        "0",
        "-hls_playlist_type",
        "vod",
        // Beside the playlist, by a name of its own: a percent sign in that of the folder would stand for a number.
        "-hls_segment_filename",
        "out_%d.ts",
        ...(encryption === undefined ? [] : ["-hls_key_info_file", file(Encryption.INFO)])
      ]
      : []
    const common = ["-map_metadata", "-1", "-map_chapters", "-1", "-sn", "-dn"]
    const end = [...common, ...pieces, ...codecs.more ?? [], "-f", codecs.format, file(files.output(extname))]
    const twice = Values.flag(profile, "two_pass") && codecs.video !== undefined && video.includes("-b:v")
    const log = files.output(".pass")
    const runs = twice
      ? [
        [...input, ...seen, ...video, "-an", "-pass", "1", "-passlogfile", log, "-f", "null", "-"],
        [...input, ...seen, ...video, "-pass", "2", "-passlogfile", log, ...heard, ...end]
      ]
      : [[...input, ...seen, ...video, ...heard, ...end]]
    return { runs, seconds, extname, encryption, pictures: codecs.video === undefined ? "none" : "result" }
  })

/** What a command's placeholders stand for. */
const placeholders = (
  profile: Values.Profile,
  source: Media,
  files: Files,
  extname: string,
  uses: (name: string) => boolean
) =>
  Either.gen(function*() {
    const { args: cut, from } = yield* clip(profile, source.facts)
    const chain = [
      ...yield* Picture.filters(profile, source.facts),
      ...Picture.timestamp(profile, uses("clip") ? from : 0)
    ]
    const filters = source.video === undefined ? undefined : chain.join(",")
    const value = (value: unknown) =>
      value === undefined || value === null || value === "" || value === "auto" ? undefined : String(value)
    const bare = {
      input_file: file(files.source),
      output_file: file(files.output(extname)),
      record_id: "encoding",
      width: value(yield* Values.integer(profile, "width", 2, Picture.LARGEST)),
      height: value(yield* Values.integer(profile, "height", 2, Picture.LARGEST)),
      filters,
      resolution_and_padding: filters,
      audio_sample_rate: value(yield* Values.integer(profile, "audio_sample_rate", 8000, 96_000)),
      audio_channels: value(yield* Values.integer(profile, "audio_channels", 1, 8)),
      audio_bitrate: kilo(yield* Values.number(profile, "audio_bitrate", 8, 1000)),
      max_audio_bitrate: kilo(yield* Values.number(profile, "audio_bitrate", 8, 1000)),
      video_bitrate: kilo(yield* Values.number(profile, "video_bitrate", 1, 100_000)),
      max_video_bitrate: kilo(
        (yield* Values.number(profile, "max_rate", 1, 100_000)) ??
          (yield* Values.number(profile, "video_bitrate", 1, 100_000))
      ),
      video_quality: value(yield* Values.number(profile, "h264_crf", 0, 51)),
      fps: value(yield* Values.number(profile, "fps", 1, 240)),
      keyframes: value(yield* Values.integer(profile, "keyframe_interval", 1, 100_000)),
      h264_profile: value(yield* Values.word(profile, "h264_profile", ["baseline", "main", "high"])),
      h264_level: value(yield* Values.number(profile, "h264_level", 1, 62)),
      clip: undefined
    }
    const options: Readonly<Record<string, string>> = {
      filters: "-vf",
      resolution_and_padding: "-vf",
      audio_sample_rate: "-ar",
      audio_channels: "-ac",
      audio_bitrate: "-b:a",
      max_audio_bitrate: "-b:a",
      video_bitrate: "-b:v",
      max_video_bitrate: "-maxrate",
      video_quality: "-crf",
      fps: "-r",
      keyframes: "-g",
      h264_profile: "-profile:v",
      h264_level: "-level:v"
    }
    return (name: string): Command.Placeholder | undefined => {
      if (!Object.hasOwn(bare, name)) return undefined
      const value = bare[name as keyof typeof bare]
      const option = options[name]
      return {
        value,
        option: name === "clip" ? cut : option === undefined || value === undefined ? [] : [option, value]
      }
    }
  })

const commanded = (profile: Values.Profile, source: Media, files: Files): Either.Either<Plan, Refusal> =>
  Either.gen(function*() {
    const lines = yield* Command.parse(String(profile["command"]))
    const extname = yield* Values.extname(profile, "")
    const uses = (name: string) => lines.flat().some((word) => word.includes(`$${name}$`))
    yield* check(
      !Values.flag(profile, "add_timestamp") || uses("filters") || uses("resolution_and_padding"),
      () => invalid("add_timestamp needs $filters$ in the command")
    )
    const filled = yield* Command.fill(lines, yield* placeholders(profile, source, files, extname, uses))
    const guard = guarded(files)
    return {
      runs: filled.map((line) => line.flatMap((word) => word === "-i" ? [...guard, word] : [word])),
      seconds: source.facts.duration === null ? undefined : source.facts.duration / 1000,
      extname,
      pictures: "result"
    }
  })

const isGiven = (value: unknown): boolean =>
  value !== undefined && value !== null && value !== "" && value !== false && value !== "false"

/** What a profile asks for that has no meaning for what it makes. */
const misplaced = (profile: Values.Profile, codecs: Codecs | undefined): Refusal | undefined => {
  const name = profile["preset_name"]
  const isPicture = name === "thumbnail" || name === "jpeg" || typeof name !== "string"
  const rules: ReadonlyArray<readonly [name: string, holds: boolean, where: string]> = [
    ["encryption", codecs?.format === "hls", "hls.variant and hls.variant.audio"],
    ["x264_options", codecs?.video === h264.video, "presets of H.264"],
    ["add_timestamp", codecs?.video !== undefined || isPicture, "what has pictures"]
  ]
  const wrong = rules.find(([name, holds]) => !holds && isGiven(profile[name]))
  return wrong && invalid(`${wrong[0]} is for ${wrong[2]} only`)
}

/** Why a playlist cannot be made from a profile. */
export const refusesPlaylist = (profile: Values.Profile): Either.Either<void, Refusal> => {
  const wrong = misplaced(profile, undefined)
  return wrong === undefined ? Either.void : Either.left(wrong)
}

/** What is to be run, or why nothing can be. */
export const plan = (profile: Values.Profile, source: Media, files: Files): Either.Either<Plan, Refusal> =>
  Either.gen(function*() {
    const name = profile["preset_name"]
    const codecs = typeof name === "string" && Object.hasOwn(presets, name)
      ? presets[name as keyof typeof presets]
      : undefined
    if (name === "hss") {
      return yield* Either.left(
        invalid("The preset hss is not supported by this encoder: ffmpeg makes no Smooth Streaming. Use hls.variant")
      )
    }
    const wrong = misplaced(profile, codecs)
    if (wrong !== undefined) return yield* Either.left(wrong)
    if (typeof name !== "string") return yield* commanded(profile, source, files)
    if (name === "thumbnail" || name === "jpeg") {
      yield* check(source.video !== undefined, () => impossible(`The source has no video for ${name}`))
      return { runs: [], seconds: undefined, extname: yield* Values.extname(profile, ".jpg"), pictures: "source" }
    }
    return codecs === undefined
      ? yield* Either.left(invalid(`The preset ${name} is not supported by this encoder`))
      : yield* transcode(name, codecs, profile, source, files)
  })

/** One picture, of this moment of a file, as large as `filters` say. */
export const picture = (
  { own, source }: Pick<Files, "own" | "source">,
  video: number,
  at: number,
  filters: ReadonlyArray<string>,
  target: string
): ReadonlyArray<string> => [
  ...option("-ss", at === 0 ? undefined : at.toFixed(3)),
  ...guarded({ own, source }),
  "-i",
  file(source),
  "-map",
  `0:${video}`,
  ...(filters.length === 0 ? [] : ["-vf", filters.join(",")]),
  "-frames:v",
  "1",
  "-q:v",
  "3",
  "-f",
  "mjpeg",
  file(target)
]

/** What lists the streams of HLS that a player may choose from. */
export const playlist = (variants: ReadonlyArray<{ readonly uri: string; readonly facts: Facts }>): string =>
  [
    "#EXTM3U",
    "#EXT-X-VERSION:3",
    ...variants.flatMap(({ facts, uri }) => {
      const bandwidth = 1000 * Math.max(1, (facts.video_bitrate ?? 0) + (facts.audio_bitrate ?? 0))
      const size = facts.width === null || facts.height === null ? "" : `,RESOLUTION=${facts.width}x${facts.height}`
      return [`#EXT-X-STREAM-INF:BANDWIDTH=${bandwidth}${size}`, uri]
    }),
    ""
  ].join("\n")
