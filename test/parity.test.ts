/** What other clients of Panda do, done here: the tables of the README's "Coming from another client", row by row. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpClient from "@effect/platform/HttpClient"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, ConfigProvider, Effect, Layer, Option, Redacted, Stream, SubscriptionRef } from "effect"
import {
  Clouds,
  Credentials,
  Encodings,
  Notifications,
  PandaClient,
  Profiles,
  Signature,
  Upload,
  UploadSession,
  UploadSource,
  Videos
} from "effect-panda"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { readFileSync } from "node:fs"
import { inject, panda, seen, sent } from "./client/panda.js"

type Test = Effect.Effect<
  void,
  unknown,
  PandaEmulator.PandaEmulator | PandaClient.PandaClient | Credentials.Credentials
>

/** A row as it stands in the table, and what shows that it is true. */
interface Row {
  readonly there: string
  readonly here: string
  readonly shown: () => Test
}

const source_url = "http://a.example/movie.mp4"
const bytes = new Uint8Array(5000).map((_, i) => i % 251)
const source = UploadSource.fromBytes(bytes, { name: "movie.mp4" })
const storage = { s3_videos_bucket: "bucket", aws_access_key: "key", aws_secret_key: Redacted.make("secret") }

const movie = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const path = `${yield* fs.makeTempDirectoryScoped()}/movie.mp4`
  yield* fs.writeFile(path, bytes)
  return path
})

const aVideo = Effect.map(Videos.list({ per_page: 1 }), ([video]) => video!)
const anEncoding = Effect.map(Encodings.list({ per_page: 1 }), ([encoding]) => encoding!)
const aProfile = Profiles.find("h264")
const last = Effect.map(seen, (requests) => sent(requests.at(-1)!))

const python: ReadonlyArray<Row> = [
  {
    there: "`Panda(access_key=…, secret_key=…, cloud_id=…)`",
    here: "`Credentials.layer({ accessKey, secretKey, cloudId })`",
    shown: () =>
      Effect.gen(function*() {
        const { accessKey, cloudId, secretKey } = yield* panda
        const client = PandaClient.layer.pipe(Layer.provide(Credentials.layer({ accessKey, secretKey, cloudId })))
        const service = yield* Effect.provide(PandaClient.PandaClient, client)
        assert.strictEqual(service.credentials.cloudId, cloudId)
      }).pipe(Effect.provide(PandaEmulator.layer()))
  },
  {
    there: "`panda.cloud_id = id`",
    here: "`PandaClient.withCloud(effect, id)`",
    shown: () =>
      Effect.gen(function*() {
        const { id } = yield* Clouds.create({ ...storage, name: "second" })
        assert.lengthOf(yield* PandaClient.withCloud(Videos.list(), id), 0)
        assert.lengthOf(yield* Videos.list(), 3)
      })
  },
  {
    there: "`panda.get(path, params)`, `post`, `put`, `delete`",
    here: "`PandaClient.get(path, params)`, `PandaClient.post`, `PandaClient.put`, `PandaClient.delete`",
    shown: () =>
      Effect.gen(function*() {
        assert.lengthOf((yield* PandaClient.get("/videos.json", { per_page: 2 })) as Array<unknown>, 2)
        yield* PandaClient.post("/videos.json", { source_url })
        yield* PandaClient.put("/profiles/h264.json", { width: 320 })
        yield* PandaClient.delete("/profiles/webm.json")
        assert.deepStrictEqual((yield* seen).map(({ status }) => status), [200, 200, 200, 200])
      })
  },
  {
    there: "`panda.videos.all()`: the first 100",
    here: "`Videos.all()`: all, a page at a time",
    shown: () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* Stream.runCount(Videos.all({ per_page: 2 })), 3)
      })
  },
  {
    there: "`panda.videos.all(status=\"fail\", page=2)`",
    here: "`Videos.list({ status: \"fail\", page: 2 })`",
    shown: () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* Videos.list({ status: "fail", page: 2 }), [])
        assert.deepInclude(yield* last, { parameters: { status: "fail", page: "2" } })
      })
  },
  {
    there: "`panda.videos.find(id)`",
    here: "`Videos.find(id)`",
    shown: () =>
      Effect.gen(function*() {
        const video = yield* aVideo
        assert.deepStrictEqual(yield* Videos.find(video.id), video)
      })
  },
  {
    there: "`panda.videos.where(pred)`",
    here: "`Videos.where(predicate)`",
    shown: () =>
      Effect.gen(function*() {
        const found = yield* Stream.runCollect(Videos.where((video) => video.original_filename === "movie-2.mp4"))
        assert.strictEqual(Chunk.toArray(found).length, 1)
      })
  },
  {
    there: "`panda.videos.create(source_url=url)`",
    here: "`Videos.create({ source_url })`",
    shown: () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* Videos.create({ source_url })).source_url, source_url)
      })
  },
  {
    there: "`panda.videos.create(file=\"movie.mp4\")`",
    here: "`Videos.create({ file: yield* UploadSource.fromFile(\"movie.mp4\") })`",
    shown: () =>
      Effect.gen(function*() {
        const { id } = yield* Videos.create({ file: yield* UploadSource.fromFile(yield* movie) })
        assert.deepInclude(yield* last, { via: ["multipart"] })
        assert.strictEqual((yield* Videos.find(id)).original_filename, "movie.mp4")
      }).pipe(Effect.scoped, Effect.provide(NodeContext.layer))
  },
  {
    there: "`panda.videos.create(source_url=url, pipeline={…})`",
    here: "`Videos.create({ source_url, pipeline })`",
    shown: () =>
      Effect.gen(function*() {
        const { id } = yield* Videos.create({ source_url, pipeline: { h264: { webm: {} } } })
        assert.lengthOf(yield* Videos.encodings(id), 2)
      })
  },
  {
    there: "`video.encodings(status=\"fail\")`",
    here: "`Videos.encodings(video, { status: \"fail\" })`",
    shown: () =>
      Effect.gen(function*() {
        const { failProfile } = yield* panda
        yield* failProfile("webm", { error_class: "EncodingError", error_message: "m" })
        const video = yield* Videos.create({ source_url })
        const [encoding] = yield* Videos.encodings(video, { profile_name: "webm" })
        yield* Encodings.cancel(encoding!)
        const failed = yield* Videos.encodings(video, { status: "fail" })
        assert.deepStrictEqual(failed.map(({ id }) => id), [encoding!.id])
      })
  },
  {
    there: "`video.metadata()`",
    here: "`Videos.metadata(video)`",
    shown: () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* Videos.metadata(yield* aVideo))["image_width"], 1280)
      })
  },
  {
    there: "`video.delete()`",
    here: "`Videos.delete(video)`",
    shown: () =>
      Effect.gen(function*() {
        yield* Videos.delete(yield* aVideo)
        assert.lengthOf(yield* Videos.list(), 2)
      })
  },
  {
    there: "`video.reload()`",
    here: "`Videos.reload(video)`",
    shown: () =>
      Effect.gen(function*() {
        const video = yield* aVideo
        assert.deepStrictEqual(yield* Videos.reload(video), video)
      })
  },
  {
    there: "`video.to_json(indent=2)`",
    here: "`Videos.toJson(video, 2)`",
    shown: () =>
      Effect.gen(function*() {
        const [record] = yield* (yield* panda).videos
        assert.deepStrictEqual(JSON.parse(Videos.toJson(yield* aVideo, 2)), record)
      })
  },
  {
    there: "`video.dup()`",
    here: "`Videos.dup(video)`",
    shown: () =>
      Effect.gen(function*() {
        assert.notProperty(Videos.dup(yield* aVideo), "id")
      })
  },
  {
    there: "`panda.encodings.create(video_id=id, profile_name=\"h264\")`",
    here: "`Encodings.create({ video_id: id, profile_name: \"h264\" })`",
    shown: () =>
      Effect.gen(function*() {
        const { id } = yield* aVideo
        const encoding = yield* Encodings.create({ video_id: id, profile_name: "h264" })
        assert.deepInclude(encoding, { video_id: id, profile_name: "h264" })
      })
  },
  {
    there: "`encoding.cancel()`, `encoding.retry()`",
    here: "`Encodings.cancel(encoding)`, `Encodings.retry(encoding)`",
    shown: () =>
      Effect.gen(function*() {
        const encoding = yield* Encodings.create({ video_id: (yield* aVideo).id, profile_name: "h264" })
        yield* Encodings.cancel(encoding)
        yield* Encodings.retry(encoding)
        assert.isTrue(Encodings.isProcessing(yield* Encodings.reload(encoding)))
      })
  },
  {
    there: "`encoding.video()`, `encoding.profile()`",
    here: "`Encodings.video(encoding)`, `Encodings.profile(encoding)`",
    shown: () =>
      Effect.gen(function*() {
        const encoding = yield* anEncoding
        assert.strictEqual((yield* Encodings.video(encoding)).id, encoding.video_id)
        assert.strictEqual((yield* Encodings.profile(encoding)).id, encoding.profile_id)
      })
  },
  {
    there: "`panda.cloud_details()`",
    here: "`Clouds.current`",
    shown: () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* Clouds.current).id, (yield* panda).cloudId)
      })
  },
  {
    there: "`panda.clouds.all()`, then `panda.videos.all()` in each",
    here: "`Clouds.all()`, then `PandaClient.withCloud(Stream.runCollect(Videos.all()), cloud.id)`",
    shown: () =>
      Effect.gen(function*() {
        yield* Clouds.create(storage)
        const sizes = yield* Clouds.all().pipe(
          Stream.mapEffect((cloud) => PandaClient.withCloud(Stream.runCollect(Videos.all()), cloud.id)),
          Stream.map(({ length }) => length),
          Stream.runCollect
        )
        assert.deepStrictEqual(Chunk.toArray(sizes), [0, 3])
      })
  },
  {
    there: "`cloud[\"name\"] = \"new\"`, `cloud.save()`",
    here: "`Clouds.save(cloud, { ...cloud, name: \"new\" })`",
    shown: () =>
      Effect.gen(function*() {
        const cloud = yield* Clouds.current
        yield* Clouds.save(cloud, { ...cloud, name: "new" })
        assert.deepInclude(yield* last, { parameters: { name: "new" } })
      })
  },
  {
    there: "`panda.profiles.create(preset_name=\"h264\", name=\"small\")`",
    here: "`Profiles.create({ preset_name: \"h264\", name: \"small\" })`",
    shown: () =>
      Effect.gen(function*() {
        const { id } = yield* Profiles.create({ preset_name: "h264", name: "small" })
        assert.strictEqual((yield* Profiles.find("small")).id, id)
      })
  },
  {
    there: "`prf[\"name\"] = \"small\"`, `prf.save()`",
    here: "`Profiles.save(profile, { ...profile, name: \"small\" })`, or `Profiles.update(id, { name: \"small\" })`",
    shown: () =>
      Effect.gen(function*() {
        const profile = yield* aProfile
        yield* Profiles.save(profile, { ...profile, name: "small" })
        assert.deepInclude(yield* last, { parameters: { name: "small" } })
        assert.strictEqual((yield* Profiles.update(profile.id, { name: "large" })).name, "large")
      })
  },
  {
    there: "`prf.delete()`",
    here: "`Profiles.delete(profile)`",
    shown: () =>
      Effect.gen(function*() {
        yield* Profiles.delete(yield* aProfile)
        assert.strictEqual((yield* Effect.flip(Profiles.find("h264")))._tag, "PandaNotFound")
      })
  },
  {
    there: "`panda.notifications.get()`",
    here: "`Notifications.get`",
    shown: () =>
      Effect.gen(function*() {
        assert.isFalse((yield* Notifications.get).events?.video_encoded)
      })
  },
  {
    there: "`notif[\"events\"][\"video_encoded\"] = True`, `notif.save()`",
    here: "`Notifications.update({ events: { video_encoded: true } })`",
    shown: () =>
      Effect.gen(function*() {
        yield* Notifications.update({ events: { video_encoded: true } })
        assert.deepInclude((yield* Notifications.get).events, { video_created: false, video_encoded: true })
      })
  },
  {
    there: "`panda.signed_params(\"POST\", path, params)`",
    here: "`Signature.signedParams(\"POST\", path, params)`",
    shown: () =>
      Effect.gen(function*() {
        const signed = yield* Signature.signedParams("POST", "/videos.json", { source_url })
        assert.sameMembers(Object.keys(signed), ["access_key", "cloud_id", "timestamp", "signature", "source_url"])
      })
  },
  {
    there: "`panda.upload_session(\"movie.mp4\")`",
    here: "`Upload.session(yield* UploadSource.fromFile(\"movie.mp4\"), { profiles: [\"h264\"] })`",
    shown: () =>
      Effect.gen(function*() {
        const session = yield* Upload.session(yield* UploadSource.fromFile(yield* movie), { profiles: ["h264"] })
        assert.strictEqual(yield* SubscriptionRef.get(session.status), "initialized")
        const { id } = yield* session.start
        assert.lengthOf(yield* Videos.encodings(id), 1)
      }).pipe(Effect.scoped, Effect.provide(NodeContext.layer))
  },
  {
    there: "`us.start()`, `us.resume()`, `us.abort()`, `us.status`",
    here: "`session.start`, `session.resume`, `session.abort`, `session.status`",
    shown: () =>
      Effect.gen(function*() {
        const { sessions } = yield* panda
        const session = yield* Upload.session(source, { chunkSize: 1000 })
        yield* inject(Fault.status(400), { route: "chunk", skip: 2 })
        yield* Effect.flip(session.start)
        assert.strictEqual(yield* SubscriptionRef.get(session.status), "error")
        yield* session.resume
        assert.strictEqual(yield* SubscriptionRef.get(session.status), "uploaded")
        const [inspected] = yield* sessions
        assert.deepInclude(inspected, { status: "complete", receivedTwice: 0 })
        const other = yield* Upload.session(source)
        yield* other.abort
        assert.strictEqual(yield* SubscriptionRef.get(other.status), "aborted")
      })
  },
  {
    there: "`except PandaError as e`",
    here: "`Effect.catchTag(\"PandaNotFound\", …)` and the other [errors](#errors)",
    shown: () =>
      Effect.gen(function*() {
        const message = yield* Videos.find("none").pipe(
          Effect.as(""),
          Effect.catchTag("PandaNotFound", ({ description }) => Effect.succeed(description))
        )
        assert.strictEqual(message, "Couldn't find Video with ID=none")
      })
  }
]

const ruby: ReadonlyArray<Row> = [
  {
    there: "`configure_heroku`, `PANDASTREAM_URL`",
    here: "`PandaClient.layerConfig()`, `Credentials.layerUrl(url)`",
    shown: () =>
      Effect.gen(function*() {
        const { accessKey, cloudId, secretKey } = yield* panda
        const url = `http://${accessKey}:${Redacted.value(secretKey)}@api.pandastream.com:443/${cloudId}`
        const environment = Layer.setConfigProvider(ConfigProvider.fromMap(new Map([["PANDASTREAM_URL", url]])))
        const clients: ReadonlyArray<Layer.Layer<PandaClient.PandaClient, unknown, HttpClient.HttpClient>> = [
          Layer.provide(PandaClient.layerConfig(), environment),
          Layer.provide(PandaClient.layer, Credentials.layerUrl(Redacted.make(url)))
        ]
        for (const client of clients) {
          const { credentials } = yield* Effect.provide(PandaClient.PandaClient, client)
          assert.deepInclude(credentials, { cloudId, baseUrl: "https://api.pandastream.com/v2" })
        }
      }).pipe(Effect.provide(PandaEmulator.layer()))
  },
  {
    there: "`region \"eu\"`",
    here: "`Credentials.layer({ …, region: \"eu\" })`",
    shown: () =>
      Effect.gen(function*() {
        const { accessKey, secretKey } = yield* panda
        const { host } = yield* Effect.provide(
          Credentials.Credentials,
          Credentials.layer({ accessKey, secretKey, region: "eu" })
        )
        assert.strictEqual(host, "api-eu.pandastream.com")
      })
  },
  {
    there: "`Panda::Video.first`",
    here: "`Videos.first()`",
    shown: () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* Videos.first(), Option.some(yield* aVideo))
      })
  },
  {
    there: "`video.success?`, `video.fail?`, `video.processing?`",
    here: "`Videos.isSuccess(video)`, `Videos.isFail(video)`, `Videos.isProcessing(video)`",
    shown: () =>
      Effect.gen(function*() {
        const video = yield* aVideo
        assert.isTrue(Videos.isSuccess(video) && !Videos.isFail(video) && !Videos.isProcessing(video))
      })
  },
  {
    there: "`video.url`, `video.preview_url(:https => true)`",
    here: "`Videos.url(video, cloud)`, `Videos.previewUrl(video, cloud, { https: true })`",
    shown: () =>
      Effect.gen(function*() {
        const [video, cloud] = [yield* aVideo, yield* Clouds.current]
        const root = `effect-panda-emulator.s3.amazonaws.com/${video.id}`
        assert.deepStrictEqual(Videos.url(video, cloud), Option.some(`http://${root}.mp4`))
        assert.deepStrictEqual(Videos.previewUrl(video, cloud, { https: true }), Option.some(`https://${root}_1.jpg`))
      })
  },
  {
    there: "`video.delete_source`",
    here: "`Videos.deleteSource(video)`",
    shown: () =>
      Effect.gen(function*() {
        yield* Videos.deleteSource(yield* aVideo)
        assert.match((yield* last).request, /^DELETE \/videos\/\w+\/source\.json$/)
      })
  },
  {
    there: "`video.encodings[\"h264\"]`, `find_by_profile_name`",
    here: "`Encodings.findByProfileName(\"h264\", { video_id: video.id })`",
    shown: () =>
      Effect.gen(function*() {
        const video = yield* aVideo
        const found = yield* Encodings.findByProfileName("h264", { video_id: video.id })
        assert.deepInclude(Option.getOrThrow(found), { video_id: video.id, profile_name: "h264" })
      })
  },
  {
    there: "`Panda::Encoding.all(:video_id => id, :status => \"success\")`",
    here: "`Encodings.all({ video_id: id, status: \"success\" })`",
    shown: () =>
      Effect.gen(function*() {
        const { id } = yield* aVideo
        assert.strictEqual(yield* Stream.runCount(Encodings.all({ video_id: id, status: "success" })), 2)
      })
  },
  {
    there: "`encoding.url`, `encoding.urls`",
    here: "`Encodings.url(encoding, cloud)`, `Encodings.urls(encoding, cloud)`",
    shown: () =>
      Effect.gen(function*() {
        const [encoding, cloud] = [yield* anEncoding, yield* Clouds.current]
        assert.deepStrictEqual(Encodings.urls(encoding, cloud), [
          Option.getOrThrow(Encodings.url(encoding, cloud))
        ])
      })
  },
  {
    there: "`encoding.screenshots`: always 7",
    here: "`Encodings.screenshots(encoding, cloud, { profile })`: as many as the profile has",
    shown: () =>
      Effect.gen(function*() {
        const [encoding, cloud] = [yield* anEncoding, yield* Clouds.current]
        const profile = yield* Profiles.update(yield* Encodings.profile(encoding), { frame_count: 3 })
        assert.lengthOf(Encodings.screenshots(encoding, cloud, { profile }), 3)
      })
  },
  {
    there: "`profile.encodings`, `profile.preset?`",
    here: "`Profiles.encodings(profile)`, `Profiles.isPreset(profile)`",
    shown: () =>
      Effect.gen(function*() {
        const profile = yield* aProfile
        assert.lengthOf(yield* Profiles.encodings(profile), 3)
        assert.isTrue(Profiles.isPreset(profile))
      })
  },
  {
    there: "`cloud.setup_bucket(bucket, access_key, secret_key)`",
    here: "`Clouds.setupBucket({ s3_videos_bucket, aws_access_key, aws_secret_key })`",
    shown: () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* Clouds.setupBucket(storage)).s3_videos_bucket, "bucket")
      })
  },
  {
    there: "`signed_query`",
    here: "`Signature.signedQuery(\"GET\", path, params)`",
    shown: () =>
      Effect.gen(function*() {
        const query = new URLSearchParams(yield* Signature.signedQuery("GET", "/videos.json", { page: 2 }))
        assert.includeMembers([...query.keys()], ["page", "signature"])
      })
  }
]

const others: ReadonlyArray<Row> = [
  {
    there: "`$cloud->getVideosForPagination(2, 20)`",
    here: "`Videos.listWithTotal({ page: 2, per_page: 20 })`",
    shown: () =>
      Effect.gen(function*() {
        const page = yield* Videos.listWithTotal({ page: 2, per_page: 20 })
        assert.deepInclude(page, { page: 2, per_page: 20, total: 3, videos: [] })
      })
  },
  {
    there: "`$cloud->encodeVideoByUrl($url, [\"h264\"], $pathFormat, $payload)`",
    here: "`Videos.create({ source_url, profiles: [\"h264\"], path_format, payload })`",
    shown: () =>
      Effect.gen(function*() {
        const [path_format, payload] = [":video_id/:id", "mine"]
        const video = yield* Videos.create({ source_url, profiles: ["h264"], path_format, payload })
        assert.deepInclude(video, { path: `${video.id}/${video.id}`, payload })
      })
  },
  {
    there: "`$cloud->registerUpload($name, $size, [\"h264\"])`",
    here: "`UploadSession.create({ file_name, file_size, profiles: [\"h264\"] })`",
    shown: () =>
      Effect.gen(function*() {
        yield* UploadSession.create({ file_name: "movie.mp4", file_size: 5000, profiles: ["h264"] })
        assert.lengthOf(yield* (yield* panda).sessions, 1)
      })
  },
  {
    there: "`$cloud->getEncodingsWithStatus(\"fail\")`, `getEncodingsForProfileByName(\"h264\")`",
    here: "`Encodings.list({ status: \"fail\", profile_name: \"h264\" })`",
    shown: () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* Encodings.list({ status: "fail", profile_name: "h264" }), [])
        assert.lengthOf(yield* Encodings.list({ profile_name: "h264" }), 3)
      })
  },
  {
    there: "`$cloud->addProfileFromPreset(\"h264\")`, `setProfile($profile)`",
    here: "`Profiles.create({ preset_name: \"h264\" })`, `Profiles.update(profile, { width: 320 })`",
    shown: () =>
      Effect.gen(function*() {
        yield* Profiles.delete("h264")
        const profile = yield* Profiles.create({ preset_name: "h264" })
        assert.strictEqual((yield* Profiles.update(profile, { width: 320 })).width, 320)
      })
  },
  {
    there: "`$cloud->setCloud([\"name\" => \"new\"])`",
    here: "`Clouds.update(cloud, { name: \"new\" })`",
    shown: () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* Clouds.update(yield* Clouds.current, { name: "new" })).name, "new")
      })
  },
  {
    there: "go-panda's API token",
    here: "`Credentials.layer({ token })`",
    shown: () =>
      Effect.gen(function*() {
        const { httpClient, token } = yield* panda
        const credentials = Credentials.layer({ token })
        const client = yield* PandaClient.make.pipe(
          Effect.provide(credentials),
          Effect.provideService(HttpClient.HttpClient, httpClient)
        )
        assert.lengthOf(yield* Effect.provideService(Videos.list(), PandaClient.PandaClient, client), 3)
      })
  },
  {
    there: "go-panda's `HostGCE`",
    here: "`Credentials.layer({ …, region: \"gce\" })`",
    shown: () =>
      Effect.gen(function*() {
        const { token } = yield* panda
        const { host } = yield* Effect.provide(Credentials.Credentials, Credentials.layer({ token, region: "gce" }))
        assert.strictEqual(host, "api-gce.pandastream.com")
      })
  },
  {
    there: "go-panda's `Error{Code, Err, Message}`",
    here: "`status`, `error` and `description` of an [error](#errors)",
    shown: () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Profiles.create({ preset_name: "h264", name: "webm" }))
        assert.deepInclude({ ...error }, {
          status: 400,
          error: "BadRequest",
          description: "Name has already been taken"
        } as never)
      })
  },
  {
    there: "rover's `sync_profiles.py --profiles-file`",
    here: "`Profiles.sync(desired, { dryRun, prune })`: [examples/sync-profiles.ts](examples/sync-profiles.ts)",
    shown: () =>
      Effect.gen(function*() {
        const report = yield* Profiles.sync([{ name: "small", preset_name: "h264" }], { dryRun: true, prune: true })
        assert.deepInclude(report, { created: ["small"], removed: ["webm", "h264"] })
      })
  }
]

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")

/** The rows of the table under a heading. */
const table = (heading: string) => {
  const section = readme.split(`\n### ${heading}\n`)[1]?.split(/\n##/)[0] ?? ""
  return Array.from(section.matchAll(/^\| (.+?) \| (.+?) \|$/gm), ([, there, here]) => ({ there, here })).slice(1)
    .filter(({ there }) => there !== "---")
}

describe.each([
  { heading: "Python", rows: python },
  { heading: "Ruby", rows: ruby },
  { heading: "Others", rows: others }
])("coming from $heading", ({ heading, rows }) => {
  it("the README has the rows that are shown here, and no others", () => {
    assert.deepStrictEqual(table(heading), rows.map(({ here, there }) => ({ there, here })))
  })

  it.effect.each(rows)("$there", ({ shown }) => Effect.provide(shown(), PandaEmulator.layerTest({ videos: 3 })))

  it.each(rows)("$there is shown by what the README names", ({ here, shown }) => {
    const names = Array.from(here.matchAll(/\b[A-Z]\w+\.\w+/g), ([name]) => name)
    const code = shown.toString().replace(/__vi_import_\d+__\./g, "")
    for (const name of names) assert.include(code, name)
  })
})
