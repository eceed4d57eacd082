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
  /** Whether there is a file that tells more. */
  readonly logged?: boolean | undefined
}

/** What was really found in a file, or made: the values of contract 6. */
export interface Found {
  readonly facts: Wire
  readonly metadata: Wire
}

export interface Made {
  readonly facts: Wire
  /** Storage keys, the main one first. */
  readonly files: ReadonlyArray<string>
  /** Storage keys of what is not listed: pictures, the log. */
  readonly beside: ReadonlyArray<string>
}

export interface Video {
  readonly id: string
  readonly createdAt: number
  /** When the source is stored: until then the video is processing. Where it is really stored, that is told. */
  storedAt: number
  readonly pathFormat: string | undefined
  source: Wire
  failure: Failure | undefined
  changes: Wire
  /** What its source is called as long as it has not found its place. */
  incoming: string | undefined
  found: Found | undefined
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
  /** Where it is really made, that is told. */
  finishedAt: number
  failure: Failure | undefined
  /** Percent, where it is really made. */
  progress: number | undefined
  made: Made | undefined
}

/** Something became another, came, or went. */
export interface Change {
  readonly kind: "cloud" | "profile" | "video" | "encoding" | "session" | "told" | "webhook"
  readonly cloud: Cloud
  readonly id: string
  /** What went, if it left something behind. */
  readonly removed?: Video | Encoding
  /** A video whose source went, and it not. */
  readonly without?: Video
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

export const originalFailed: Failure = { error_class: "VideoStatusInvalid", error_message: "The original video failed" }

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

/** What is found is known when it is found. */
const LATER = Infinity

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
    ...(status === "success" ? { ...video.found?.facts ?? media, file_size } : { ...nothing, file_size: null }),
    ...failureOf(status, video.failure),
    created_at: timestamp(video.createdAt),
    updated_at: timestamp(status === "processing" ? video.createdAt : video.storedAt),
    ...video.changes
  }
}

export const showMetadata = (video: Video, now: number): Wire => {
  const { duration, file_size, fps, height, status, width } = showVideo(video, now)
  if (video.found !== undefined) return status === "success" ? video.found.metadata : {}
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

/** What is said to have been made, where nothing is. */
const claimed = (attributes: Wire): Wire => ({
  ...media,
  width: attributes["width"] ?? null,
  height: attributes["height"] ?? null,
  video_bitrate: attributes["video_bitrate"] ?? null,
  audio_bitrate: attributes["audio_bitrate"] ?? null,
  file_size: SOURCE_SIZE
})

export const showEncoding = (encoding: Encoding, now: number): Wire => {
  const { finishedAt, made, profile: { attributes }, startedAt } = encoding
  const status = encodingStatus(encoding, now)
  const done = status === "success"
  const passed = finishedAt <= startedAt ? 1 : Math.min(1, (now - startedAt) / (finishedAt - startedAt))
  const progress = encoding.progress ?? Math.max(0, Math.floor(100 * passed))
  return {
    id: encoding.id,
    video_id: encoding.videoId,
    profile_id: encoding.profile.id,
    profile_name: attributes["name"],
    ...(encoding.parentId === undefined ? {} : { parent_encoding_id: encoding.parentId }),
    status,
    extname: attributes["extname"],
    path: encoding.path,
    files: done ? made?.files ?? filesOf(encoding.path, attributes) : [],
    encoding_progress: status === "fail" ? null : progress,
    encoding_time: done ? Math.round((finishedAt - startedAt) / 1000) : null,
    started_encoding_at: timestamp(startedAt),
    ...(done ? made?.facts ?? claimed(attributes) : { ...nothing, file_size: null }),
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

/** `base` is where its bucket is, if it really is somewhere. */
export const showCloud = (cloud: Cloud, base?: string): Wire => ({
  id: cloud.id,
  name: cloud.name,
  s3_videos_bucket: cloud.bucket,
  s3_private_access: false,
  url: base === undefined ? `http://${cloud.bucket}.s3.amazonaws.com/` : `${base}${encodeURIComponent(cloud.id)}/`,
  created_at: timestamp(cloud.createdAt),
  updated_at: timestamp(cloud.updatedAt)
})

export const makeWorld = (options: {
  readonly cloudId: string
  readonly encodingTime: number
  readonly profiles: ReadonlyArray<Wire>
  readonly videos: number
  readonly now: number
  /** Whether sources and encodings come to be what they are by and by, and not as the clock says. */
  readonly fetches?: boolean | undefined
  readonly encodes?: boolean | undefined
  readonly onChange?: ((change: Change) => void) | undefined
}) => {
  const { encodes = false, encodingTime, fetches = false, onChange: touch = () => {} } = options
  const clouds = new Map<string, Cloud>()
  const failing = new Map<string, Failure>()
  const ids = { count: 0 }

  /** 32 hexadecimal digits, the same in every run. */
  const nextId = (kind: string): string =>
    bytesToHex(sha256(new TextEncoder().encode(`${kind} ${++ids.count}`))).slice(0, 32)

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
    clouds.set(cloud.id, cloud)
    touch({ kind: "cloud", cloud, id: cloud.id })
    for (const profile of options.profiles) addProfile(cloud, now, profile)
    return cloud
  }

  const addProfile = (cloud: Cloud, now: number, given: Wire): Profile => {
    const { id = nextId("profile"), ...rest } = given
    const own = attributesOf(rest)
    const implied = preset(String(own["preset_name"]))
    const attributes = { ...defaults, name: own["preset_name"] ?? String(id), ...implied, ...own }
    const profile = { id: String(id), createdAt: now, updatedAt: now, attributes }
    cloud.profiles.set(profile.id, profile)
    touch({ kind: "profile", cloud, id: profile.id })
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
      failure: undefined,
      progress: undefined,
      made: undefined
    }
    cloud.encodings.set(id, encoding)
    start(cloud, encoding, video, now)
    return encoding
  }

  const start = (cloud: Cloud, encoding: Encoding, video: Video, now: number): void => {
    encoding.startedAt = now
    encoding.failure = video.failure
      ? originalFailed
      : failing.get(String(encoding.profile.attributes["name"]))
    encoding.finishedAt = !encodes ? now + encodingTime : encoding.failure === undefined ? LATER : now
    encoding.progress = encodes ? 0 : undefined
    touch({ kind: "encoding", cloud, id: encoding.id })
  }

  /** It has come to its end, whichever. */
  const finish = (cloud: Cloud, encoding: Encoding, outcome: Made | Failure, now: number): void => {
    encoding.finishedAt = now
    if ("error_class" in outcome) encoding.failure = outcome
    else {
      encoding.failure = undefined
      encoding.made = outcome
      encoding.progress = 100
    }
    touch({ kind: "encoding", cloud, id: encoding.id })
  }

  /** Its source cannot be used: what was to be made of it fails with it; what was made already stays. */
  const failVideo = (cloud: Cloud, video: Video, failure: Failure, now: number): void => {
    video.failure = failure
    if (video.storedAt === LATER) video.storedAt = now
    touch({ kind: "video", cloud, id: video.id })
    const at = Math.max(now, video.storedAt)
    for (const encoding of cloud.encodings.values()) {
      if (encoding.videoId !== video.id || encodingStatus(encoding, now) !== "processing") continue
      encoding.finishedAt = Math.min(encoding.finishedAt, at)
      encoding.failure = originalFailed
      touch({ kind: "encoding", cloud, id: encoding.id })
    }
  }

  /** Its source is where it belongs. */
  const storeVideo = (cloud: Cloud, video: Video, found: Found | undefined, now: number): void => {
    video.storedAt = now
    video.found = found
    touch({ kind: "video", cloud, id: video.id })
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
      /** What the file is called that has come. */
      readonly incoming?: string | undefined
    },
    changes: Wire = {}
  ): Video => {
    const id = typeof changes["id"] === "string" ? changes["id"] : nextId("video")
    const video: Video = {
      id,
      createdAt: now,
      // Long enough to be seen processing, and over before the first encoding is.
      storedAt: encodes && source.incoming !== undefined || fetches && source.url !== undefined
        ? LATER
        : now + Math.floor(encodingTime / 10),
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
      changes,
      incoming: source.incoming,
      found: undefined
    }
    cloud.videos.set(id, video)
    touch({ kind: "video", cloud, id })
    return video
  }

  const removeEncoding = (cloud: Cloud, encoding: Encoding): void => {
    cloud.encodings.delete(encoding.id)
    touch({ kind: "encoding", cloud, id: encoding.id, removed: encoding })
  }

  const removeVideo = (cloud: Cloud, video: Video): void => {
    cloud.videos.delete(video.id)
    touch({ kind: "video", cloud, id: video.id, removed: video })
    for (const encoding of cloud.encodings.values()) {
      if (encoding.videoId === video.id) removeEncoding(cloud, encoding)
    }
  }

  const removeSource = (cloud: Cloud, video: Video): void =>
    touch({ kind: "video", cloud, id: video.id, without: video })

  const removeCloud = (cloud: Cloud): void => {
    clouds.delete(cloud.id)
    touch({ kind: "cloud", cloud, id: cloud.id })
    for (const video of cloud.videos.values()) removeVideo(cloud, video)
  }

  const addMain = (now: number) =>
    addCloud(now, { id: options.cloudId, name: "emulated", bucket: "effect-panda-emulator" })

  const first = addMain(options.now)
  for (let age = options.videos; age > 0; age--) {
    // Old enough to be finished, and a minute apart.
    const then = options.now - age * 60_000 - encodingTime
    const video = addVideo(first, then, { filename: `movie-${age}.mp4` })
    for (const profile of first.profiles.values()) {
      // They were made before there was anything to make them with.
      Object.assign(addEncoding(first, then, video, profile), { finishedAt: then + encodingTime, progress: undefined })
    }
  }

  return {
    /** The cloud that the options name. */
    get main(): Cloud {
      return clouds.get(options.cloudId) ?? first
    },
    clouds,
    failing,
    ids,
    nextId,
    touch,
    addCloud,
    addMain,
    addProfile,
    addEncoding,
    addVideo,
    failVideo,
    finish,
    removeCloud,
    removeEncoding,
    removeSource,
    removeVideo,
    start,
    storeVideo
  }
}

export type World = ReturnType<typeof makeWorld>

/** A storage key from a `path_format` (contract 11). What the keywords stand for leads nowhere else. */
const path = (format: string, values: Readonly<Record<string, string>>): string =>
  format
    .replace(
      /:(video_id|id|original|date|profile|type|resolution)(?![a-z_])/g,
      (_, name: string) => (values[name] || "_").replace(/[/\\\p{Cc}]/gu, "_")
    )
    .replace(/(?<=^|\/)\.{1,2}(?=\/|$)/g, "_")
