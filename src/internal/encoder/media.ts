/** What `ffprobe` tells of a file, in Panda's words (contract 6). */

/** Durations are milliseconds, bitrates kbit/s, sizes bytes. */
export interface Facts {
  readonly width: number | null
  readonly height: number | null
  readonly fps: number | null
  readonly duration: number | null
  readonly video_codec: string | null
  readonly audio_codec: string | null
  readonly video_bitrate: number | null
  readonly audio_bitrate: number | null
  readonly audio_channels: number | null
  readonly audio_sample_rate: number | null
  readonly mime_type: string | null
  readonly file_size: number | null
}

export interface Media {
  readonly facts: Facts
  readonly metadata: Readonly<Record<string, string | number>>
  /** The streams that are used, by their index; undefined where there is none. */
  readonly video: number | undefined
  readonly audio: number | undefined
}

type Json = Readonly<Record<string, unknown>>

const isJson = (value: unknown): value is Json => typeof value === "object" && value !== null

const objectIn = (value: unknown, name: string): Json => isJson(value) && isJson(value[name]) ? value[name] : {}

const numberIn = (json: Json, name: string): number | null => {
  const value = json[name]
  const number = typeof value === "string" && value !== "" ? Number(value) : value
  return typeof number === "number" && Number.isFinite(number) ? number : null
}

const textIn = (json: Json, name: string): string | null => {
  const value = json[name]
  return typeof value === "string" && value !== "" && value !== "unknown" ? value : null
}

const kilo = (bits: number | null): number | null => bits === null ? null : Math.round(bits / 1000)

/** `30000/1001` */
const fraction = (text: string | null): number | null => {
  const [over, under = 1] = (text ?? "").split("/").map(Number)
  const value = (over ?? NaN) / under
  return Number.isFinite(value) && value > 0 ? Math.round(value * 100) / 100 : null
}

const TYPES: ReadonlyArray<readonly [format: RegExp, video: string, audio: string]> = [
  [/\bmp4\b|\bmov\b/, "video/mp4", "audio/mp4"],
  [/\bwebm\b|matroska/, "video/x-matroska", "audio/x-matroska"],
  [/^ogg$/, "video/ogg", "audio/ogg"],
  [/^mp3$/, "video/mpeg", "audio/mpeg"],
  [/^aac$/, "video/aac", "audio/aac"],
  [/^flac$/, "audio/flac", "audio/flac"],
  [/^wav$|^w64$/, "audio/x-wav", "audio/x-wav"],
  [/^mpegts$/, "video/mp2t", "video/mp2t"],
  [/^hls$/, "application/vnd.apple.mpegurl", "application/vnd.apple.mpegurl"],
  [/^mpeg/, "video/mpeg", "audio/mpeg"],
  [/^avi$/, "video/x-msvideo", "audio/x-msvideo"],
  [/^flv$/, "video/x-flv", "audio/x-flv"],
  [/^asf$/, "video/x-ms-wmv", "audio/x-ms-wma"],
  [/^gif$/, "image/gif", "image/gif"]
]

const mimeType = (format: Json, video: Json | undefined, audio: Json | undefined): string => {
  const name = textIn(format, "format_name") ?? ""
  if (textIn(objectIn(format, "tags"), "major_brand")?.trim() === "qt") return "video/quicktime"
  const codecs = [video, audio].flatMap((stream) => stream === undefined ? [] : [textIn(stream, "codec_name") ?? ""])
  if (/\bwebm\b/.test(name) && codecs.every((codec) => /^(vp8|vp9|av1|vorbis|opus)$/.test(codec))) {
    return video === undefined ? "audio/webm" : "video/webm"
  }
  const found = TYPES.find(([pattern]) => pattern.test(name))
  return found?.[video === undefined ? 2 : 1] ?? "application/octet-stream"
}

const rotationOf = (video: Json): number => {
  const sides = video["side_data_list"]
  const turned = Array.isArray(sides)
    ? sides.filter(isJson).map((side) => numberIn(side, "rotation")).find((rotation) => rotation !== null)
    : undefined
  return (((turned ?? 0) % 360) + 360) % 360
}

/** Bounded, since whoever made the file has written them. */
const TAGS = 50
const LONGEST = 500

const tagsOf = (format: Json): Record<string, string> =>
  Object.fromEntries(
    Object.entries(objectIn(format, "tags"))
      .filter((entry): entry is [string, string] => typeof entry[1] === "string")
      .slice(0, TAGS)
      .map(([name, value]) => [name.toLowerCase().replace(/[^a-z0-9]+/g, "_").slice(0, 50), value.slice(0, LONGEST)])
  )

/** Of the JSON of `ffprobe`; undefined when there is nothing to see and nothing to hear. */
export const read = (probed: unknown, fileSize: number): Media | undefined => {
  const format = objectIn(probed, "format")
  const listed = isJson(probed) ? probed["streams"] : undefined
  const streams = (Array.isArray(listed) ? listed : []).filter(isJson)
  // The cover of a record is a picture, not a video.
  const video = streams.find((stream) =>
    stream["codec_type"] === "video" && numberIn(objectIn(stream, "disposition"), "attached_pic") !== 1 &&
    (numberIn(stream, "width") ?? 0) > 0
  )
  const audio = streams.find((stream) => stream["codec_type"] === "audio" && (numberIn(stream, "channels") ?? 0) > 0)
  // Below that it only guesses.
  if (video === undefined && audio === undefined || (numberIn(format, "probe_score") ?? 0) < 24) return undefined

  const rotation = video === undefined ? 0 : rotationOf(video)
  const [width, height] = video === undefined
    ? [null, null]
    : rotation % 180 === 0
    ? [numberIn(video, "width"), numberIn(video, "height")]
    : [numberIn(video, "height"), numberIn(video, "width")]
  const seconds = numberIn(format, "duration") ?? numberIn(video ?? audio ?? {}, "duration")
  const audioBits = numberIn(audio ?? {}, "bit_rate")
  const allBits = numberIn(format, "bit_rate")
  const rest = allBits === null ? null : Math.max(0, allBits - (audioBits ?? 0))
  const facts: Facts = {
    width,
    height,
    fps: video === undefined
      ? null
      : fraction(textIn(video, "avg_frame_rate")) ?? fraction(textIn(video, "r_frame_rate")),
    duration: seconds === null || seconds < 0 ? null : Math.round(seconds * 1000),
    video_codec: video === undefined ? null : textIn(video, "codec_name"),
    audio_codec: audio === undefined ? null : textIn(audio, "codec_name"),
    video_bitrate: video === undefined ? null : kilo(numberIn(video, "bit_rate") ?? rest),
    audio_bitrate: audio === undefined ? null : kilo(audioBits ?? (video === undefined ? allBits : null)),
    audio_channels: audio === undefined ? null : numberIn(audio, "channels"),
    audio_sample_rate: audio === undefined ? null : numberIn(audio, "sample_rate"),
    mime_type: mimeType(format, video, audio),
    file_size: fileSize
  }
  const known: Record<string, string | number | null> = {
    image_width: width,
    image_height: height,
    video_frame_rate: facts.fps,
    duration: facts.duration === null ? null : `${(facts.duration / 1000).toFixed(2)} s`,
    file_size: `${Math.round(fileSize / 1024)} kB`,
    mime_type: facts.mime_type,
    video_format: facts.video_codec,
    audio_format: facts.audio_codec,
    audio_channels: facts.audio_channels,
    audio_sample_rate: facts.audio_sample_rate,
    rotation
  }
  return {
    facts,
    metadata: {
      ...tagsOf(format),
      ...Object.fromEntries(
        Object.entries(known).filter((entry): entry is [string, string | number] => entry[1] !== null)
      )
    },
    video: numberIn(video ?? {}, "index") ?? undefined,
    audio: numberIn(audio ?? {}, "index") ?? undefined
  }
}

/** Of the JSON of `ffprobe` for a picture. */
export const sizeOf = (probed: unknown): Pick<Facts, "width" | "height"> => {
  const listed = isJson(probed) ? probed["streams"] : undefined
  const [first = {}] = (Array.isArray(listed) ? listed : []).filter(isJson)
  return { width: numberIn(first, "width"), height: numberIn(first, "height") }
}
