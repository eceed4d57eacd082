/**
 * The state of a Panda: clouds with their videos, encodings, profiles and notification settings, and how each looks on
 * the wire (contract 6). Nothing runs in the background: what a video or an encoding looks like is a function of the
 * time it is looked at.
 */
import { sha256 } from "@noble/hashes/sha2.js"
import { bytesToHex } from "@noble/hashes/utils.js"
import { attributesOf, defaults, filesOf, preset } from "./presets.js"

export type Wire = Readonly<Record<string, unknown>>

export interface Failure {
  readonly error_class: string
  readonly error_message: string
}

export interface Video {
  readonly id: string
  readonly createdAt: number
  /** When the source is stored: until then the video is processing. */
  readonly storedAt: number
  readonly pathFormat: string | undefined
  readonly source: Wire
  failure: Failure | undefined
  changes: Wire
}

export interface Profile {
  readonly id: string
  readonly createdAt: number
  updatedAt: number
  attributes: Wire
}

export interface Encoding {
  readonly id: string
  readonly videoId: string
  readonly profile: Profile
  readonly path: string
  readonly parentId: string | undefined
  readonly createdAt: number
  startedAt: number
  finishedAt: number
  failure: Failure | undefined
}

export interface Cloud {
  readonly id: string
  readonly createdAt: number
  updatedAt: number
  name: string
  bucket: string
  readonly videos: Map<string, Video>
  readonly encodings: Map<string, Encoding>
  readonly profiles: Map<string, Profile>
  notifications: Wire
}

export type Status = "processing" | "success" | "fail"

/** `2009/10/13 19:11:26 +0000` */
const timestamp = (millis: number): string =>
  `${new Date(millis).toISOString().slice(0, 19).replaceAll("-", "/").replace("T", " ")} +0000`

const failureOf = (status: Status, failure: Failure | undefined) => ({
  error_class: status === "fail" ? failure?.error_class ?? null : null,
  error_message: status === "fail" ? failure?.error_message ?? null : null
})

const originalFailed: Failure = { error_class: "VideoStatusInvalid", error_message: "The original video failed" }

/** What the emulator claims to have found in every video. */
const media = {
  width: 1280,
  height: 720,
  fps: 29.97,
  duration: 14014,
  video_codec: "h264",
  audio_codec: "aac",
  video_bitrate: 344,
  audio_bitrate: 112,
  audio_channels: 2,
  audio_sample_rate: 44100,
  mime_type: "video/mp4"
}

const nothing = Object.fromEntries(Object.keys(media).map((name) => [name, null]))

const SOURCE_SIZE = 1_234_567

export const videoStatus = (video: Video, now: number): Status =>
  (video.changes["status"] as Status | undefined) ??
    (now < video.storedAt ? "processing" : video.failure ? "fail" : "success")

export const encodingStatus = (encoding: Encoding, now: number): Status =>
  now < encoding.finishedAt ? "processing" : encoding.failure ? "fail" : "success"

export const showVideo = (video: Video, now: number): Wire => {
  const status = videoStatus(video, now)
  const { file_size = SOURCE_SIZE, ...source } = video.source
  return {
    id: video.id,
    status,
    ...source,
    ...(status === "success" ? { ...media, file_size } : { ...nothing, file_size: null }),
    ...failureOf(status, video.failure),
    created_at: timestamp(video.createdAt),
    updated_at: timestamp(status === "processing" ? video.createdAt : video.storedAt),
    ...video.changes
  }
}

export const showMetadata = (video: Video, now: number): Wire => {
  const { duration, file_size, fps, height, width } = showVideo(video, now)
  return typeof duration !== "number" ? {} : {
    image_width: width,
    image_height: height,
    video_frame_rate: fps,
    duration: `${(duration / 1000).toFixed(2)} s`,
    file_size: `${Math.round(Number(file_size) / 1024)} kB`,
    audio_format: "mp4a",
    media_create_date: "Tue Jan 28 20:59:44 +0000 1913",
    rotation: 0
  }
}

export const showEncoding = (encoding: Encoding, now: number): Wire => {
  const { finishedAt, profile: { attributes }, startedAt } = encoding
  const status = encodingStatus(encoding, now)
  const done = status === "success"
  const progress = finishedAt <= startedAt ? 1 : Math.min(1, (now - startedAt) / (finishedAt - startedAt))
  return {
    id: encoding.id,
    video_id: encoding.videoId,
    profile_id: encoding.profile.id,
    profile_name: attributes["name"],
    ...(encoding.parentId === undefined ? {} : { parent_encoding_id: encoding.parentId }),
    status,
    extname: attributes["extname"],
    path: encoding.path,
    files: done ? filesOf(encoding.path, attributes) : [],
    encoding_progress: status === "fail" ? null : Math.max(0, Math.floor(100 * progress)),
    encoding_time: done ? Math.round((finishedAt - startedAt) / 1000) : null,
    started_encoding_at: timestamp(startedAt),
    ...(done
      ? {
        ...media,
        width: attributes["width"] ?? null,
        height: attributes["height"] ?? null,
        video_bitrate: attributes["video_bitrate"] ?? null,
        audio_bitrate: attributes["audio_bitrate"] ?? null,
        file_size: SOURCE_SIZE
      }
      : { ...nothing, file_size: null }),
    ...failureOf(status, encoding.failure),
    created_at: timestamp(encoding.createdAt),
    updated_at: timestamp(status === "processing" ? encoding.startedAt : finishedAt)
  }
}

export const showProfile = (profile: Profile): Wire => ({
  ...profile.attributes,
  id: profile.id,
  created_at: timestamp(profile.createdAt),
  updated_at: timestamp(profile.updatedAt)
})

export const showCloud = (cloud: Cloud): Wire => ({
  id: cloud.id,
  name: cloud.name,
  s3_videos_bucket: cloud.bucket,
  s3_private_access: false,
  url: `http://${cloud.bucket}.s3.amazonaws.com/`,
  created_at: timestamp(cloud.createdAt),
  updated_at: timestamp(cloud.updatedAt)
})

export const makeWorld = (options: {
  readonly cloudId: string
  readonly encodingTime: number
  readonly profiles: ReadonlyArray<Wire>
  readonly videos: number
  readonly now: number
}) => {
  const { encodingTime } = options
  const clouds = new Map<string, Cloud>()
  const failing = new Map<string, Failure>()
  let count = 0

  /** 32 hexadecimal digits, the same in every run. */
  const nextId = (kind: string): string =>
    bytesToHex(sha256(new TextEncoder().encode(`${kind} ${++count}`))).slice(0, 32)

  const addCloud = (now: number, attributes: { id?: string; name: string; bucket: string }): Cloud => {
    const cloud: Cloud = {
      id: attributes.id ?? nextId("cloud"),
      createdAt: now,
      updatedAt: now,
      name: attributes.name,
      bucket: attributes.bucket,
      videos: new Map(),
      encodings: new Map(),
      profiles: new Map(),
      notifications: {
        url: null,
        delay: 0,
        events: { video_created: false, video_encoded: false, encoding_progress: false, encoding_completed: false }
      }
    }
    for (const profile of options.profiles) addProfile(cloud, now, profile)
    clouds.set(cloud.id, cloud)
    return cloud
  }

  const addProfile = (cloud: Cloud, now: number, given: Wire): Profile => {
    const { id = nextId("profile"), ...rest } = given
    const own = attributesOf(rest)
    const implied = preset(String(own["preset_name"]))
    const attributes = { ...defaults, name: own["preset_name"] ?? String(id), ...implied, ...own }
    const profile = { id: String(id), createdAt: now, updatedAt: now, attributes }
    cloud.profiles.set(profile.id, profile)
    return profile
  }

  const addEncoding = (
    cloud: Cloud,
    now: number,
    video: Video,
    profile: Profile,
    parent?: Encoding
  ): Encoding => {
    const id = nextId("encoding")
    const encoding: Encoding = {
      id,
      videoId: video.id,
      profile,
      path: path(String(profile.attributes["path_format"] ?? video.pathFormat ?? ":id"), {
        id,
        video_id: video.id,
        original: String(video.source["original_filename"] ?? "").replace(/\.[^.]*$/, ""),
        date: new Date(now).toISOString().slice(0, 10),
        profile: String(profile.attributes["name"]),
        type: "encodings",
        resolution: `${profile.attributes["width"] ?? 0}x${profile.attributes["height"] ?? 0}`
      }),
      parentId: parent?.id,
      createdAt: now,
      startedAt: now,
      finishedAt: now,
      failure: undefined
    }
    start(encoding, video, now)
    cloud.encodings.set(id, encoding)
    return encoding
  }

  const start = (encoding: Encoding, video: Video, now: number): void => {
    encoding.startedAt = now
    encoding.finishedAt = now + encodingTime
    encoding.failure = video.failure
      ? originalFailed
      : failing.get(String(encoding.profile.attributes["name"]))
  }

  /** Its source cannot be used: what was to be made of it fails with it; what was made already stays. */
  const failVideo = (cloud: Cloud, video: Video, failure: Failure, now: number): void => {
    video.failure = failure
    const at = Math.max(now, video.storedAt)
    for (const encoding of cloud.encodings.values()) {
      if (encoding.videoId !== video.id || encodingStatus(encoding, now) !== "processing") continue
      encoding.finishedAt = Math.min(encoding.finishedAt, at)
      encoding.failure = originalFailed
    }
  }

  const addVideo = (
    cloud: Cloud,
    now: number,
    source: {
      readonly filename: string
      readonly url?: string | undefined
      readonly size?: number | undefined
      readonly pathFormat?: string | undefined
      readonly payload?: string | undefined
    },
    changes: Wire = {}
  ): Video => {
    const id = typeof changes["id"] === "string" ? changes["id"] : nextId("video")
    const video: Video = {
      id,
      createdAt: now,
      // Long enough to be seen processing, and over before the first encoding is.
      storedAt: now + Math.floor(encodingTime / 10),
      pathFormat: source.pathFormat,
      source: {
        original_filename: source.filename,
        source_url: source.url ?? null,
        extname: /\.[A-Za-z0-9]+$/.exec(source.filename)?.[0] ?? "",
        path: path(source.pathFormat ?? ":id", {
          id,
          video_id: id,
          original: source.filename.replace(/\.[^.]*$/, ""),
          date: new Date(now).toISOString().slice(0, 10),
          profile: "original",
          type: "original",
          resolution: `${media.width}x${media.height}`
        }),
        ...(source.size === undefined ? {} : { file_size: source.size }),
        payload: source.payload ?? null
      },
      failure: undefined,
      changes
    }
    cloud.videos.set(id, video)
    return video
  }

  const removeVideo = (cloud: Cloud, video: Video): void => {
    cloud.videos.delete(video.id)
    for (const encoding of cloud.encodings.values()) {
      if (encoding.videoId === video.id) cloud.encodings.delete(encoding.id)
    }
  }

  const main = addCloud(options.now, { id: options.cloudId, name: "emulated", bucket: "effect-panda-emulator" })
  for (let age = options.videos; age > 0; age--) {
    // Old enough to be finished, and a minute apart.
    const then = options.now - age * 60_000 - encodingTime
    const video = addVideo(main, then, { filename: `movie-${age}.mp4` })
    for (const profile of main.profiles.values()) addEncoding(main, then, video, profile)
  }

  return { main, clouds, failing, nextId, addCloud, addProfile, addEncoding, addVideo, failVideo, removeVideo, start }
}

export type World = ReturnType<typeof makeWorld>

/** A storage key from a `path_format` (contract 11). */
const path = (format: string, values: Readonly<Record<string, string>>): string =>
  format.replace(/:(video_id|id|original|date|profile|type|resolution)(?![a-z_])/g, (_, name: string) => values[name]!)
