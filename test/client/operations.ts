/** The table of operations: each with arguments, and with the request that it makes of them. */
import { type Effect, Redacted, Schedule, Schema, Stream } from "effect"
import {
  Clouds,
  Encodings,
  Notifications,
  type PandaClient,
  type PandaError,
  Profiles,
  UploadSource,
  Videos
} from "effect-panda"
import { secrets } from "./canary.js"

export interface Row {
  /** As errors and spans have it. */
  readonly name: string
  /** The function, if it has another name. */
  readonly called?: string
  readonly run: Effect.Effect<unknown, PandaError.PandaError | PandaError.PandaSourceError, PandaClient.PandaClient>
  readonly request: string
  readonly parameters?: Record<string, unknown>
  readonly via?: "multipart"
  /** Panda may answer nothing. */
  readonly quiet?: boolean
}

const page = { page: 3, per_page: 7 }
const asked = { page: "3", per_page: "7" }
const newest = { page: "1", per_page: "1" }

const decoded = <A, I>(schema: Schema.Schema<A, I>, attributes: Record<string, unknown> = {}): A =>
  Schema.decodeUnknownSync(schema)({ id: "an id", ...attributes })

const video = decoded(Videos.Video)
const encoding = decoded(Encodings.Encoding, { video_id: "v/1", profile_id: "p", profile_name: "h264" })
const profile = decoded(Profiles.Profile, { name: "small", width: "320", fps: 25 })
const cloud = decoded(Clouds.Cloud, { name: "n", s3_videos_bucket: "b" })
const stored = { s3_videos_bucket: "b", aws_access_key: secrets.awsAccessKey, aws_secret_key: secrets.awsSecretKey }
const storage = { ...stored, aws_secret_key: Redacted.make(stored.aws_secret_key) }

export const operations: ReadonlyArray<Row> = [
  { name: "Videos.list", run: Videos.list(), request: "GET /videos.json" },
  {
    name: "Videos.list",
    run: Videos.list({ ...page, status: "fail" }),
    request: "GET /videos.json",
    parameters: { ...asked, status: "fail" }
  },
  {
    name: "Videos.listWithTotal",
    run: Videos.listWithTotal({ ...page, status: "fail" }),
    request: "GET /videos.json",
    parameters: { ...asked, status: "fail", include_root: "true" }
  },
  {
    name: "Videos.list",
    called: "Videos.first",
    run: Videos.first({ ...page, status: "fail" }),
    request: "GET /videos.json",
    parameters: { ...newest, status: "fail" }
  },
  {
    name: "Videos.list",
    called: "Videos.all",
    run: Stream.runDrain(Videos.all({ ...page, status: "fail" })),
    request: "GET /videos.json",
    parameters: { ...asked, status: "fail" }
  },
  {
    name: "Videos.list",
    called: "Videos.where",
    run: Stream.runDrain(Videos.where(Videos.isFail, { per_page: 7 })),
    request: "GET /videos.json",
    parameters: { page: "1", per_page: "7" }
  },
  { name: "Videos.find", run: Videos.find("v 1"), request: "GET /videos/v%201.json" },
  {
    name: "Videos.find",
    called: "Videos.reload",
    run: Videos.reload(video),
    request: "GET /videos/an%20id.json"
  },
  {
    name: "Videos.create",
    run: Videos.create({
      source_url: "http://a.example/b c.mp4?d=e&f",
      profiles: ["h264", "webm.hi"],
      path_format: ":video_id/:profile/:id",
      payload: "ä & +/="
    }),
    request: "POST /videos.json",
    parameters: {
      source_url: "http://a.example/b c.mp4?d=e&f",
      profiles: "h264,webm.hi",
      path_format: ":video_id/:profile/:id",
      payload: "ä & +/="
    }
  },
  {
    name: "Videos.create",
    run: Videos.create({ source_url: "http://a.example", profiles: "none", payload: undefined }),
    request: "POST /videos.json",
    parameters: { source_url: "http://a.example", profiles: "none" }
  },
  {
    name: "Videos.create",
    run: Videos.create({ source_url: "http://a.example", profiles: [] }),
    request: "POST /videos.json",
    parameters: { source_url: "http://a.example", profiles: "none" }
  },
  {
    name: "Videos.create",
    run: Videos.create({
      source_url: "http://a.example",
      pipeline: { h264: { "hls.variant": {}, thumbnail: { jpeg: {} } }, webm: {} }
    }),
    request: "POST /videos.json",
    parameters: {
      source_url: "http://a.example",
      pipeline: `{"h264":{"hls.variant":{},"thumbnail":{"jpeg":{}}},"webm":{}}`
    }
  },
  {
    name: "Videos.create",
    run: Videos.create({
      file: UploadSource.fromBytes(new Uint8Array(9), { name: "a \"b\"\r\n𝄞.mp4" }),
      profiles: ["h264"],
      path_format: ":id",
      payload: "ä\n& +/=",
      pipeline: { h264: {} }
    }),
    request: "POST /videos.json",
    parameters: { profiles: "h264", path_format: ":id", payload: "ä\n& +/=", pipeline: `{"h264":{}}` },
    via: "multipart"
  },
  { name: "Videos.encodings", run: Videos.encodings("v"), request: "GET /videos/v/encodings.json" },
  { name: "Videos.encodings", run: Videos.encodings(video), request: "GET /videos/an%20id/encodings.json" },
  {
    name: "Videos.encodings",
    run: Videos.encodings("v", { ...page, status: "success", profile_id: "p", profile_name: "h264" }),
    request: "GET /videos/v/encodings.json",
    parameters: { ...asked, status: "success", profile_id: "p", profile_name: "h264" }
  },
  { name: "Videos.metadata", run: Videos.metadata("v"), request: "GET /videos/v/metadata.json" },
  { name: "Videos.metadata", run: Videos.metadata(video), request: "GET /videos/an%20id/metadata.json" },
  {
    name: "Videos.deleteSource",
    run: Videos.deleteSource("v"),
    request: "DELETE /videos/v/source.json",
    quiet: true
  },
  {
    name: "Videos.deleteSource",
    run: Videos.deleteSource(video),
    request: "DELETE /videos/an%20id/source.json",
    quiet: true
  },
  { name: "Videos.delete", run: Videos.delete("v"), request: "DELETE /videos/v.json", quiet: true },
  { name: "Videos.delete", run: Videos.delete(video), request: "DELETE /videos/an%20id.json", quiet: true },
  {
    name: "Encodings.list",
    run: Encodings.list({ ...page, status: "success", profile_id: "p", profile_name: "h264", video_id: "v" }),
    request: "GET /encodings.json",
    parameters: { ...asked, status: "success", profile_id: "p", profile_name: "h264", video_id: "v" }
  },
  {
    name: "Encodings.list",
    called: "Encodings.first",
    run: Encodings.first({ status: "fail" }),
    request: "GET /encodings.json",
    parameters: { ...newest, status: "fail" }
  },
  {
    name: "Encodings.list",
    called: "Encodings.findByProfileName",
    run: Encodings.findByProfileName("h264.hi", { video_id: "v" }),
    request: "GET /encodings.json",
    parameters: { ...newest, profile_name: "h264.hi", video_id: "v" }
  },
  {
    name: "Encodings.list",
    called: "Encodings.all",
    run: Stream.runDrain(Encodings.all({ ...page, video_id: "v" })),
    request: "GET /encodings.json",
    parameters: { ...asked, video_id: "v" }
  },
  {
    name: "Encodings.list",
    called: "Encodings.where",
    run: Stream.runDrain(Encodings.where(Encodings.isFail, { profile_name: "h264" })),
    request: "GET /encodings.json",
    parameters: { page: "1", per_page: "100", profile_name: "h264" }
  },
  { name: "Encodings.find", run: Encodings.find("e"), request: "GET /encodings/e.json" },
  {
    name: "Encodings.find",
    called: "Encodings.reload",
    run: Encodings.reload(encoding),
    request: "GET /encodings/an%20id.json"
  },
  {
    name: "Encodings.find",
    called: "Encodings.watch",
    // Failures that may pass are gone past for as long as its schedule goes on.
    run: Stream.runDrain(
      Stream.take(
        Encodings.watch(encoding, { schedule: Schedule.spaced("1 millis").pipe(Schedule.upTo("1 second")) }),
        1
      )
    ),
    request: "GET /encodings/an%20id.json"
  },
  { name: "Encodings.video", run: Encodings.video(encoding), request: "GET /videos/v%2F1.json" },
  { name: "Encodings.profile", run: Encodings.profile(encoding), request: "GET /profiles/p.json" },
  {
    name: "Encodings.profile",
    run: Encodings.profile({ ...encoding, profile_id: undefined }),
    request: "GET /profiles/h264.json"
  },
  { name: "Encodings.cancel", run: Encodings.cancel("e"), request: "POST /encodings/e/cancel.json", quiet: true },
  {
    name: "Encodings.cancel",
    run: Encodings.cancel(encoding),
    request: "POST /encodings/an%20id/cancel.json",
    quiet: true
  },
  { name: "Encodings.retry", run: Encodings.retry("e"), request: "POST /encodings/e/retry.json", quiet: true },
  {
    name: "Encodings.retry",
    run: Encodings.retry(encoding),
    request: "POST /encodings/an%20id/retry.json",
    quiet: true
  },
  {
    name: "Encodings.create",
    run: Encodings.create({ video_id: "v", profile_id: "p" }),
    request: "POST /encodings.json",
    parameters: { video_id: "v", profile_id: "p" }
  },
  {
    name: "Encodings.create",
    run: Encodings.create({ video_id: "v", profile_name: "h264" }),
    request: "POST /encodings.json",
    parameters: { video_id: "v", profile_name: "h264" }
  },
  { name: "Encodings.delete", run: Encodings.delete("e"), request: "DELETE /encodings/e.json", quiet: true },
  {
    name: "Encodings.delete",
    run: Encodings.delete(encoding),
    request: "DELETE /encodings/an%20id.json",
    quiet: true
  },
  { name: "Profiles.list", run: Profiles.list(page), request: "GET /profiles.json", parameters: asked },
  {
    name: "Profiles.list",
    called: "Profiles.first",
    run: Profiles.first(page),
    request: "GET /profiles.json",
    parameters: newest
  },
  {
    name: "Profiles.list",
    called: "Profiles.all",
    run: Stream.runDrain(Profiles.all(page)),
    request: "GET /profiles.json",
    parameters: asked
  },
  {
    name: "Profiles.list",
    called: "Profiles.where",
    run: Stream.runDrain(Profiles.where(Profiles.isPreset, page)),
    request: "GET /profiles.json",
    parameters: asked
  },
  {
    name: "Profiles.list",
    called: "Profiles.sync",
    run: Profiles.sync([]),
    request: "GET /profiles.json",
    parameters: { page: "1", per_page: "100" }
  },
  { name: "Profiles.find", run: Profiles.find("h264.hi"), request: "GET /profiles/h264.hi.json" },
  {
    name: "Profiles.find",
    called: "Profiles.reload",
    run: Profiles.reload(profile),
    request: "GET /profiles/an%20id.json"
  },
  { name: "Profiles.encodings", run: Profiles.encodings("p"), request: "GET /profiles/p/encodings.json" },
  {
    name: "Profiles.encodings",
    run: Profiles.encodings(profile, { ...page, status: "fail" }),
    request: "GET /profiles/an%20id/encodings.json",
    parameters: { ...asked, status: "fail" }
  },
  {
    name: "Profiles.update",
    run: Profiles.update("p", {
      name: "large",
      title: "",
      width: null,
      two_pass: true,
      frame_count: 0,
      command: "ffmpeg",
      extname: ".mp4",
      encryption_key: Redacted.make(secrets.encryptionKey),
      priority: 2
    }),
    request: "PUT /profiles/p.json",
    parameters: {
      name: "large",
      title: "",
      width: "",
      two_pass: "true",
      frame_count: "0",
      command: "ffmpeg",
      extname: ".mp4",
      encryption_key: secrets.encryptionKey,
      priority: "2"
    }
  },
  {
    name: "Profiles.update",
    called: "Profiles.save",
    run: Profiles.save(profile, { ...profile, width: 640, fps: undefined, title: "new" }),
    request: "PUT /profiles/an%20id.json",
    parameters: { title: "new", width: "640", fps: "" }
  },
  {
    name: "Profiles.create",
    run: Profiles.create({
      preset_name: "h264",
      name: "small",
      width: 320,
      upscale: false,
      fps: null,
      video_bitrate: "auto",
      keyframe_interval: 0.2,
      encryption_key: Redacted.make(secrets.encryptionKey)
    }),
    request: "POST /profiles.json",
    parameters: {
      preset_name: "h264",
      name: "small",
      width: "320",
      upscale: "false",
      fps: "",
      video_bitrate: "auto",
      keyframe_interval: "0.2",
      encryption_key: secrets.encryptionKey
    }
  },
  {
    name: "Profiles.create",
    run: Profiles.create({ name: "mine", command: "ffmpeg -i $input_file$\nqt-faststart", extname: ".mp4" }),
    request: "POST /profiles.json",
    parameters: { name: "mine", command: "ffmpeg -i $input_file$\nqt-faststart", extname: ".mp4" }
  },
  { name: "Profiles.delete", run: Profiles.delete("h264"), request: "DELETE /profiles/h264.json", quiet: true },
  { name: "Profiles.delete", run: Profiles.delete(profile), request: "DELETE /profiles/an%20id.json", quiet: true },
  { name: "Clouds.list", run: Clouds.list(page), request: "GET /clouds.json", parameters: asked },
  {
    name: "Clouds.list",
    called: "Clouds.first",
    run: Clouds.first(page),
    request: "GET /clouds.json",
    parameters: newest
  },
  {
    name: "Clouds.list",
    called: "Clouds.all",
    run: Stream.runDrain(Clouds.all(page)),
    request: "GET /clouds.json",
    parameters: asked
  },
  {
    name: "Clouds.list",
    called: "Clouds.where",
    run: Stream.runDrain(Clouds.where(() => true, page)),
    request: "GET /clouds.json",
    parameters: asked
  },
  { name: "Clouds.find", run: Clouds.find("c"), request: "GET /clouds/c.json" },
  { name: "Clouds.find", called: "Clouds.reload", run: Clouds.reload(cloud), request: "GET /clouds/an%20id.json" },
  {
    name: "Clouds.find",
    called: "Clouds.current",
    run: Clouds.current,
    request: "GET /clouds/emulated-cloud-id.json"
  },
  {
    name: "Clouds.create",
    run: Clouds.create({ ...storage, name: "n" }),
    request: "POST /clouds.json",
    parameters: { ...stored, name: "n" }
  },
  {
    name: "Clouds.update",
    run: Clouds.update("c", { ...storage, name: "n", priority: 200 }),
    request: "PUT /clouds/c.json",
    parameters: { ...stored, name: "n", priority: "200" }
  },
  {
    name: "Clouds.update",
    called: "Clouds.save",
    run: Clouds.save(cloud, { ...cloud, name: "other" }),
    request: "PUT /clouds/an%20id.json",
    parameters: { name: "other" }
  },
  {
    name: "Clouds.setupBucket",
    run: Clouds.setupBucket(storage),
    request: "PUT /clouds/emulated-cloud-id.json",
    parameters: stored
  },
  {
    name: "Clouds.setupBucket",
    run: Clouds.setupBucket(storage, cloud),
    request: "PUT /clouds/an%20id.json",
    parameters: stored
  },
  { name: "Clouds.delete", run: Clouds.delete("c"), request: "DELETE /clouds/c.json", quiet: true },
  { name: "Clouds.delete", run: Clouds.delete(cloud), request: "DELETE /clouds/an%20id.json", quiet: true },
  { name: "Notifications.get", run: Notifications.get, request: "GET /notifications.json" },
  {
    name: "Notifications.update",
    run: Notifications.update({ url: null, events: { video_created: true, encoding_completed: false } }),
    request: "PUT /notifications.json",
    parameters: { url: "", events: { video_created: "true", encoding_completed: "false" } }
  },
  {
    name: "Notifications.update",
    run: Notifications.update({ url: `http://a.example/${secrets.webhook}?y`, delay: 0 }),
    request: "PUT /notifications.json",
    parameters: { url: `http://a.example/${secrets.webhook}?y`, delay: "0" }
  }
]

export const rows = operations.map((row, index) => ({ ...row, what: `${row.called ?? row.name} (${index})` }))
