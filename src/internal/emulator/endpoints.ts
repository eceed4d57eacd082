/**
 * The endpoints of contract 5, one line each where it can be one.
 */
import * as Effect from "effect/Effect"
import { type Answer, badRequest, json, missing, notFound, refusal } from "./exchange.js"
import { flag, type Parameters, textOf } from "./parameters.js"
import { attributesOf, preset } from "./presets.js"
import { notAKey, notAName } from "./storage.js"
import {
  type Cloud,
  type Encoding,
  encodingStatus,
  type Profile,
  showCloud,
  showEncoding,
  showMetadata,
  showProfile,
  showVideo,
  type Video,
  videoStatus,
  type World
} from "./world.js"

/** A file that came as a part of the request. */
export interface ReceivedFile {
  readonly filename: string
  readonly size: number
  /** What it is called until it finds its place, if it is kept. */
  readonly incoming?: string | undefined
}

/** What an upload session keeps until its video is made. */
export interface UploadOrder {
  readonly size: number
  readonly filename: string
  readonly pathFormat: string | undefined
  readonly payload: string | undefined
  readonly profiles: ReadonlyArray<Profile>
}

export interface Call {
  readonly world: World
  readonly cloud: Cloud
  /** The values of the path's variables. */
  readonly segments: ReadonlyArray<string>
  readonly parameters: Parameters
  readonly file: ReceivedFile | undefined
  readonly now: number
  readonly fileSizeLimit: number
  readonly openSession: (order: UploadOrder) => { readonly id: string; readonly location: string }
  /** Where buckets are, if files are kept. */
  readonly base: string | undefined
  /** Why a profile cannot be one, where encodings are really made. */
  readonly refusesProfile: (attributes: Readonly<Record<string, unknown>>) => string | undefined
}

type Handled<A = Answer> = Effect.Effect<A, Answer>

const given = (call: Call, name: string): string | undefined => textOf(call.parameters, name) || undefined

const found = <A>(value: A | undefined, model: string, id: string): Handled<A> =>
  value === undefined ? Effect.fail(notFound(model, id)) : Effect.succeed(value)

const check = (holds: boolean, refused: () => Answer): Handled<void> => holds ? Effect.void : Effect.fail(refused())

const required = (call: Call, ...names: ReadonlyArray<string>): Handled<void> => {
  const absent = names.filter((name) => given(call, name) === undefined)
  return check(absent.length === 0, () => missing(absent))
}

/** "Returns nothing", says the documentation. (seen: clients that cannot read an empty body, and one that reads this) */
const done = (what: "deleted" | "canceled" | "retried") => json(200, { [what]: "ok" })

const isSet = (call: Call, name: string): boolean => flag(given(call, name) ?? "") === true

// Lookups

const videoOf = (call: Call, id = call.segments[0]!) => found(call.cloud.videos.get(id), "Video", id)

const encodingOf = (call: Call, id = call.segments[0]!) => found(call.cloud.encodings.get(id), "Encoding", id)

const byName = (cloud: Cloud, name: string) =>
  [...cloud.profiles.values()].find((profile) => profile.attributes["name"] === name)

const profileOf = (call: Call, idOrName = call.segments[0]!) =>
  found(call.cloud.profiles.get(idOrName) ?? byName(call.cloud, idOrName), "Profile", idOrName)

const cloudOf = (call: Call, id = call.segments[0]!) => found(call.world.clouds.get(id), "Cloud", id)

// Lists

interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly page: number
  readonly per_page: number
  readonly total: number
}

const count = (call: Call, name: string, otherwise: number): Handled<number> => {
  const value = given(call, name) ?? String(otherwise)
  return /^[1-9]\d{0,8}$/.test(value) ? Effect.succeed(Number(value)) : Effect.fail(badRequest(`${name} is invalid`))
}

/** One page of what passes the filter, newest first (contract 5.1). */
const pageOf = <A>(call: Call, all: Iterable<A>, filter: (a: A) => boolean = () => true): Handled<Page<A>> =>
  Effect.map(Effect.all([count(call, "page", 1), count(call, "per_page", 100)]), ([page, wanted]) => {
    const per_page = Math.min(100, wanted)
    const matching = [...all].filter(filter).reverse()
    return {
      items: matching.slice((page - 1) * per_page, page * per_page),
      page,
      per_page,
      total: matching.length
    }
  })

const encodingsPage = (call: Call, fixed: (encoding: Encoding) => boolean = () => true): Handled =>
  Effect.map(
    pageOf(call, call.cloud.encodings.values(), (encoding) => {
      const matches = (name: string, value: unknown) => {
        const wanted = given(call, name)
        return wanted === undefined || wanted === value
      }
      return fixed(encoding) &&
        matches("status", encodingStatus(encoding, call.now)) &&
        matches("video_id", encoding.videoId) &&
        matches("profile_id", encoding.profile.id) &&
        matches("profile_name", encoding.profile.attributes["name"])
    }),
    ({ items }) => json(200, items.map((encoding) => showEncoding(encoding, call.now)))
  )

// What several calls have to check

const pathFormat = (call: Call): Handled<string | undefined> => {
  const format = given(call, "path_format")
  const wrong = format === undefined ? undefined : notAKey(format)
  return check(format === undefined || /:id(?![a-z_])/.test(format), () => badRequest("path_format must contain :id"))
    .pipe(
      Effect.zipRight(check(wrong === undefined, () => badRequest(`path_format ${wrong}`))),
      Effect.as(format)
    )
}

/** Where files are kept, a name is to be that of a file. */
const fileName = (call: Call, name: string, parameter: string): Handled<void> => {
  const wrong = call.base === undefined ? undefined : notAName(name)
  return check(wrong === undefined, () => badRequest(`${parameter} ${wrong}`))
}

const payload = (call: Call): Handled<string | undefined> => {
  const payload = given(call, "payload")
  return Effect.as(check([...payload ?? ""].length <= 256, () => badRequest("payload is too long (256)")), payload)
}

export const tooLarge = (limit: number): Answer =>
  refusal(413, "FileSizeLimitExceeded", `File size limit for this account is set to ${limit} bytes`)

const fits = (call: Call, size: number): Handled<void> =>
  check(size <= call.fileSizeLimit, () => tooLarge(call.fileSizeLimit))

/** How many encodings one request may ask for: more than anybody needs, and few enough for whoever has to see to them. */
const MOST = 200

/** `profiles` is a comma list of names and ids, or `none`. */
const profilesOf = (call: Call, whenAbsent: "all" | "none"): Handled<ReadonlyArray<Profile>> => {
  const list = given(call, "profiles")
  if (list === "none") return Effect.succeed([])
  if (list !== undefined) {
    const names = list.split(",")
    return Effect.zipRight(
      check(names.length <= MOST, () => badRequest(`profiles has more than ${MOST} names`)),
      Effect.forEach(names, (name) => profileOf(call, name.trim()))
    )
  }
  return Effect.succeed(whenAbsent === "all" ? [...call.cloud.profiles.values()] : [])
}

const priority = (call: Call): Handled<void> => {
  const value = given(call, "priority")
  return check(
    value === undefined || (/^\d+$/.test(value) && Number(value) >= 2 && Number(value) <= 200),
    () => badRequest("priority must be between 2 and 200")
  )
}

/** `pipeline`: JSON whose keys name profiles, each with what is to be made from its output. */
const encodePipeline = (
  call: Call,
  video: Video,
  tree: unknown,
  parent?: Encoding
): Handled<void> =>
  typeof tree !== "object" || tree === null
    ? Effect.fail(badRequest("pipeline is invalid"))
    : Effect.forEach(Object.entries(tree), ([name, children]) =>
      Effect.flatMap(profileOf(call, name), (profile) =>
        encodePipeline(
          call,
          video,
          children ?? {},
          call.world.addEncoding(call.cloud, call.now, video, profile, parent)
        )), { discard: true })

/** Whether a tree has more nodes than one request may ask for, however deep it is. */
const isTooLarge = (tree: unknown): boolean => {
  const left = [tree]
  for (let count = 0; left.length > 0; count++) {
    if (count > MOST) return true
    const node = left.pop()
    if (typeof node === "object" && node !== null) { for (const child of Object.values(node)) left.push(child) }
  }
  return false
}

const parseJson = (value: string): unknown => {
  try {
    return JSON.parse(value)
  } catch {
    return undefined
  }
}

/** Makes the video of a finished upload session, whose id it takes over (as one client's documentation says it does). */
export const finishUpload = (
  world: World,
  cloud: Cloud,
  order: UploadOrder,
  id: string,
  now: number,
  incoming: string | undefined
): Video => {
  const video = world.addVideo(cloud, now, { ...order, incoming }, { id })
  for (const profile of order.profiles) world.addEncoding(cloud, now, video, profile)
  return video
}

const createVideo = (call: Call): Handled =>
  Effect.gen(function*() {
    const { cloud, file, now, world } = call
    const url = given(call, "source_url")
    // (seen: `file=NAME` in the query besides the part, in the documentation of tokens: the part wins)
    yield* check(file !== undefined || call.parameters["file"] === undefined, () => badRequest("file is not a file"))
    yield* check(file !== undefined || url !== undefined, () => missing(["file", "source_url"]))
    yield* check(file === undefined || url === undefined, () => badRequest("Supply either file or source_url"))
    if (file !== undefined) yield* fits(call, file.size)
    const filename = file?.filename ?? url!.replace(/[?#].*$/, "").replace(/^.*\//, "")
    yield* fileName(call, filename, file === undefined ? "The name in source_url" : "The name of file")
    const profiles = yield* profilesOf(call, "all")
    const pipeline = given(call, "pipeline")
    const tree = pipeline === undefined ? undefined : parseJson(pipeline)
    yield* check(!isTooLarge(tree), () => badRequest(`pipeline has more than ${MOST} encodings`))
    const source = { pathFormat: yield* pathFormat(call), payload: yield* payload(call) }
    const video = world.addVideo(
      cloud,
      now,
      file === undefined
        ? { ...source, url, filename }
        : { ...source, ...file }
    )
    if (pipeline === undefined) {
      for (const profile of profiles) world.addEncoding(cloud, now, video, profile)
    } else {
      yield* Effect.tapError(
        encodePipeline(call, video, tree),
        () => Effect.sync(() => world.removeVideo(cloud, video))
      )
    }
    return json(200, showVideo(video, now))
  })

const createSession = (call: Call): Handled =>
  Effect.gen(function*() {
    yield* required(call, "file_size", "file_name")
    const size = given(call, "file_size")!
    yield* check(/^[1-9]\d{0,15}$/.test(size), () => badRequest("file_size is invalid"))
    yield* fits(call, Number(size))
    yield* fileName(call, given(call, "file_name")!, "file_name")
    const all = isSet(call, "use_all_profiles")
    return json(
      201,
      call.openSession({
        size: Number(size),
        filename: given(call, "file_name")!,
        pathFormat: yield* pathFormat(call),
        payload: yield* payload(call),
        profiles: yield* profilesOf(call, all ? "all" : "none")
      })
    )
  })

const createEncoding = (call: Call): Handled =>
  Effect.gen(function*() {
    yield* required(call, "video_id")
    const [id, name] = [given(call, "profile_id"), given(call, "profile_name")]
    yield* check(id !== undefined || name !== undefined, () => missing(["profile_id", "profile_name"]))
    yield* check(id === undefined || name === undefined, () => badRequest("Supply either profile_id or profile_name"))
    const video = yield* videoOf(call, given(call, "video_id"))
    const profile = yield* id === undefined
      ? found(byName(call.cloud, name!), "Profile", name!)
      : found(call.cloud.profiles.get(id), "Profile", id)
    const encoding = call.world.addEncoding(call.cloud, call.now, video, profile)
    return json(200, showEncoding(encoding, call.now))
  })

const cancelEncoding = (call: Call): Handled =>
  Effect.map(encodingOf(call), (encoding) => {
    if (encodingStatus(encoding, call.now) === "processing") {
      const cancelled = { error_class: "EncodingError", error_message: "The encoding was cancelled" }
      call.world.finish(call.cloud, encoding, cancelled, call.now)
    }
    return done("canceled")
  })

const retryEncoding = (call: Call): Handled =>
  Effect.gen(function*() {
    const encoding = yield* encodingOf(call)
    yield* check(
      encodingStatus(encoding, call.now) === "fail",
      () => badRequest("Only failed encodings can be retried")
    )
    call.world.start(call.cloud, encoding, yield* videoOf(call, encoding.videoId), call.now)
    return done("retried")
  })

const checkProfile = (call: Call, profile?: Profile): Handled<void> =>
  Effect.gen(function*() {
    const [name, presetName] = [given(call, "name"), given(call, "preset_name")]
    yield* pathFormat(call)
    yield* priority(call)
    if (presetName !== undefined) yield* found(preset(presetName), "Preset", presetName)
    const taken = byName(call.cloud, name ?? (profile === undefined ? presetName ?? "" : ""))
    yield* check(taken === undefined || taken === profile, () => badRequest("Name has already been taken"))
    const refused = call.refusesProfile({ ...profile?.attributes, ...attributesOf(call.parameters) })
    yield* check(refused === undefined, () => badRequest(refused!))
  })

const createProfile = (call: Call): Handled =>
  Effect.gen(function*() {
    if (given(call, "preset_name") === undefined) {
      yield* check(given(call, "command") !== undefined, () => missing(["preset_name"]))
      yield* required(call, "name", "extname")
    }
    yield* checkProfile(call)
    const { id: _, ...attributes } = call.parameters
    return json(200, showProfile(call.world.addProfile(call.cloud, call.now, attributes)))
  })

const updateProfile = (call: Call): Handled =>
  Effect.gen(function*() {
    const profile = yield* profileOf(call)
    yield* checkProfile(call, profile)
    profile.attributes = { ...profile.attributes, ...attributesOf(call.parameters) }
    profile.updatedAt = call.now
    call.world.touch({ kind: "profile", cloud: call.cloud, id: profile.id })
    return json(200, showProfile(profile))
  })

const createCloud = (call: Call): Handled =>
  Effect.gen(function*() {
    yield* required(call, "s3_videos_bucket")
    const bucket = given(call, "s3_videos_bucket")!
    const cloud = call.world.addCloud(call.now, { name: given(call, "name") ?? bucket, bucket })
    return json(200, showCloud(cloud, call.base))
  })

const updateCloud = (call: Call): Handled =>
  Effect.gen(function*() {
    const cloud = yield* cloudOf(call)
    yield* priority(call)
    cloud.name = given(call, "name") ?? cloud.name
    cloud.bucket = given(call, "s3_videos_bucket") ?? cloud.bucket
    cloud.updatedAt = call.now
    call.world.touch({ kind: "cloud", cloud, id: cloud.id })
    return json(200, showCloud(cloud, call.base))
  })

/** A partial update: what is not named stays. */
const updateNotifications = (call: Call): Handled =>
  Effect.gen(function*() {
    const { delay, events, send_video_payload, url } = call.parameters
    const old = call.cloud.notifications["events"] as Readonly<Record<string, boolean>>
    const isFlag = (value: unknown) => typeof value === "string" && flag(value) !== undefined
    yield* check(delay === undefined || /^\d+$/.test(String(delay)), () => badRequest("delay is invalid"))
    yield* check(
      send_video_payload === undefined || isFlag(send_video_payload),
      () => badRequest("send_video_payload is invalid")
    )
    yield* check(
      events === undefined || typeof events === "object" &&
          Object.entries(events).every(([event, value]) => Object.hasOwn(old, event) && isFlag(value)),
      () => badRequest("events is invalid")
    )
    call.cloud.notifications = {
      ...call.cloud.notifications,
      ...(url === undefined ? {} : { url: url === "" ? null : url }),
      ...(delay === undefined ? {} : { delay: Number(delay) }),
      ...(send_video_payload === undefined ? {} : { send_video_payload: isSet(call, "send_video_payload") }),
      events: {
        ...old,
        ...Object.fromEntries(Object.entries(events ?? {}).map(([event, value]) => [event, flag(value)]))
      }
    }
    call.world.touch({ kind: "cloud", cloud: call.cloud, id: call.cloud.id })
    return json(200, call.cloud.notifications)
  })

const listVideos = (call: Call): Handled =>
  Effect.map(
    pageOf(call, call.cloud.videos.values(), (video) => {
      const status = given(call, "status")
      return status === undefined || status === videoStatus(video, call.now)
    }),
    ({ items, ...rest }) => {
      const videos = items.map((video) => showVideo(video, call.now))
      return json(200, isSet(call, "include_root") ? { videos, ...rest } : videos)
    }
  )

export type Endpoint = (call: Call) => Handled

/** By method and path. A variable stands for one segment; the first match counts. */
export const endpoints: Readonly<Record<string, Endpoint>> = {
  "GET /videos.json": listVideos,
  "POST /videos.json": createVideo,
  "POST /videos/upload.json": createSession,
  "GET /videos/:id.json": (call) => Effect.map(videoOf(call), (video) => json(200, showVideo(video, call.now))),
  "DELETE /videos/:id.json": (call) =>
    Effect.map(videoOf(call), (video) => {
      call.world.removeVideo(call.cloud, video)
      return done("deleted")
    }),
  "GET /videos/:id/encodings.json": (call) =>
    Effect.flatMap(videoOf(call), ({ id }) => encodingsPage(call, (encoding) => encoding.videoId === id)),
  "GET /videos/:id/metadata.json": (call) =>
    Effect.map(videoOf(call), (video) => json(200, showMetadata(video, call.now))),
  "DELETE /videos/:id/source.json": (call) =>
    Effect.map(videoOf(call), (video) => {
      call.world.removeSource(call.cloud, video)
      return done("deleted")
    }),

  "GET /encodings.json": (call) => encodingsPage(call),
  "POST /encodings.json": createEncoding,
  "GET /encodings/:id.json": (call) =>
    Effect.map(encodingOf(call), (encoding) => json(200, showEncoding(encoding, call.now))),
  "POST /encodings/:id/cancel.json": cancelEncoding,
  "POST /encodings/:id/retry.json": retryEncoding,
  "DELETE /encodings/:id.json": (call) =>
    Effect.map(encodingOf(call), (encoding) => {
      call.world.removeEncoding(call.cloud, encoding)
      return done("deleted")
    }),

  "GET /profiles.json": (call) =>
    Effect.map(pageOf(call, call.cloud.profiles.values()), ({ items }) => json(200, items.map(showProfile))),
  "POST /profiles.json": createProfile,
  "GET /profiles/:id.json": (call) => Effect.map(profileOf(call), (profile) => json(200, showProfile(profile))),
  "PUT /profiles/:id.json": updateProfile,
  "DELETE /profiles/:id.json": (call) =>
    Effect.map(profileOf(call), ({ id }) => {
      call.cloud.profiles.delete(id)
      call.world.touch({ kind: "profile", cloud: call.cloud, id })
      return done("deleted")
    }),
  "GET /profiles/:id/encodings.json": (call) =>
    Effect.flatMap(profileOf(call), ({ id }) => encodingsPage(call, (encoding) => encoding.profile.id === id)),

  "GET /clouds.json": (call) =>
    Effect.map(
      pageOf(call, call.world.clouds.values()),
      ({ items }) => json(200, items.map((cloud) => showCloud(cloud, call.base)))
    ),
  "POST /clouds.json": createCloud,
  "GET /clouds/:id.json": (call) => Effect.map(cloudOf(call), (cloud) => json(200, showCloud(cloud, call.base))),
  "PUT /clouds/:id.json": updateCloud,
  "DELETE /clouds/:id.json": (call) =>
    Effect.map(cloudOf(call), (cloud) => {
      call.world.removeCloud(cloud)
      return done("deleted")
    }),

  "GET /notifications.json": (call) => Effect.succeed(json(200, call.cloud.notifications)),
  "PUT /notifications.json": updateNotifications
}
