/** What the compiler knows of operations: their results, their errors, and what is left of these once some are handled. */
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpApp from "@effect/platform/HttpApp"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as HttpServer from "@effect/platform/HttpServer"
import type * as KeyValueStore from "@effect/platform/KeyValueStore"
import { describe, expectTypeOf, it } from "@effect/vitest"
import type { ConfigError, DateTime, Option, Redacted, Scope, SubscriptionRef } from "effect"
import { Effect, Layer, Schema, Stream } from "effect"
import type * as panda from "effect-panda"
import {
  Clouds,
  type Credentials,
  Encodings,
  Notifications,
  PandaClient,
  PandaError,
  Profiles,
  Signature,
  Upload,
  type UploadSession,
  UploadSource,
  type UploadState,
  UploadStore,
  Videos,
  Webhook
} from "effect-panda"
import * as PandaEmulator from "effect-panda/PandaEmulator"

type Operation<A, E = never> = Effect.Effect<A, PandaError.PandaError | E, PandaClient.PandaClient>
type Listing<A> = Stream.Stream<A, PandaError.PandaError, PandaClient.PandaClient>
type Waiting<A, E = never> = Operation<A, PandaError.PandaStillProcessing | E>
type Exchange = Effect.Effect<UploadSession.Exchange, PandaError.PandaUploadProtocolError, PandaClient.PandaClient>
type Uploading<R = never> = Stream.Stream<Upload.UploadEvent, PandaError.UploadError, PandaClient.PandaClient | R>

type Any = Effect.Effect<unknown, unknown, unknown>
type Runnable = Any | Stream.Stream<unknown, unknown, unknown> | Layer.Layer<never, unknown, unknown>

/** What there is to run in a value or in what a function returns; neither a class nor an Option, Either or error. */
type Run<T> = T extends abstract new(...args: never) => unknown ? never
  : T extends (...args: never) => infer A ? Run<A>
  : T extends { readonly _tag: unknown } ? never
  : T extends Runnable ? T
  : never

/** Name by name, all that there is to run in a module or a service. Of overloads it is the last one. */
type Runs<Room> = {
  -readonly [Name in keyof Room as [Run<Room[Name]>] extends [never] ? never : Name]: Run<Room[Name]>
}

type Modules = typeof panda & { readonly PandaEmulator: typeof PandaEmulator }
type Rooms = {
  -readonly [Room in keyof Modules as keyof Runs<Modules[Room]> extends never ? never : Room]: Runs<Modules[Room]>
}

const params = { source_url: "http://a.example" }
const source = UploadSource.fromBytes(new Uint8Array(1), { name: "n" })

describe("operations", () => {
  it("succeed, fail and need what this table says, which has each of them", () => {
    expectTypeOf<Rooms>().toEqualTypeOf<{
      Clouds: {
        list: Operation<ReadonlyArray<Clouds.Cloud>>
        all: Listing<Clouds.Cloud>
        first: Operation<Option.Option<Clouds.Cloud>>
        where: Listing<Clouds.Cloud>
        find: Operation<Clouds.Cloud>
        reload: Operation<Clouds.Cloud>
        current: Operation<Clouds.Cloud>
        create: Operation<Clouds.Cloud>
        update: Operation<Clouds.Cloud>
        save: Operation<Clouds.Cloud>
        setupBucket: Operation<Clouds.Cloud>
        delete: Operation<void>
      }
      Credentials: {
        make: Effect.Effect<Credentials.Credentials.Service, PandaError.PandaInputError>
        layer: Layer.Layer<Credentials.Credentials, PandaError.PandaInputError>
        layerConfig: Layer.Layer<Credentials.Credentials, ConfigError.ConfigError>
        layerUrl: Layer.Layer<Credentials.Credentials, PandaError.PandaInputError>
      }
      Encodings: {
        list: Operation<ReadonlyArray<Encodings.Encoding>>
        all: Listing<Encodings.Encoding>
        first: Operation<Option.Option<Encodings.Encoding>>
        where: Listing<Encodings.Encoding>
        find: Operation<Encodings.Encoding>
        findByProfileName: Operation<Option.Option<Encodings.Encoding>>
        reload: Operation<Encodings.Encoding>
        create: Operation<Encodings.Encoding>
        cancel: Operation<void>
        retry: Operation<void>
        delete: Operation<void>
        video: Operation<Videos.Video>
        profile: Operation<Profiles.Profile>
        watch: Listing<Encodings.Encoding>
        watchVideo: Listing<ReadonlyArray<Encodings.Encoding>>
        awaitDone: Waiting<Encodings.Encoding>
        awaitVideo: Waiting<ReadonlyArray<Encodings.Encoding>>
      }
      Notifications: {
        get: Operation<Notifications.Notifications>
        update: Operation<Notifications.Notifications>
      }
      PandaClient: {
        make: Effect.Effect<PandaClient.PandaClient.Service, never, Credentials.Credentials | HttpClient.HttpClient>
        layer: Layer.Layer<PandaClient.PandaClient, never, Credentials.Credentials | HttpClient.HttpClient>
        layerConfig: Layer.Layer<PandaClient.PandaClient, ConfigError.ConfigError, HttpClient.HttpClient>
        withCloud: Any
        withRetry: Any
        withRetryBudget: Any
        withTimeout: Any
        withTransform: Any
        request: Operation<unknown>
        execute: Effect.Effect<
          HttpClientResponse.HttpClientResponse,
          PandaError.PandaInputError | PandaError.PandaTransportError,
          PandaClient.PandaClient
        >
        get: Operation<unknown>
        post: Operation<unknown>
        put: Operation<unknown>
        delete: Operation<unknown>
      }
      PandaEmulator: {
        make: Effect.Effect<PandaEmulator.PandaEmulator.Service>
        layer: Layer.Layer<PandaEmulator.PandaEmulator | HttpClient.HttpClient>
        layerServer: Layer.Layer<PandaEmulator.PandaEmulator, never, HttpServer.HttpServer>
        layerFolder: Layer.Layer<
          PandaEmulator.PandaEmulator,
          PandaEmulator.EmulatorFolderError | PlatformError,
          HttpServer.HttpServer | HttpClient.HttpClient | FileSystem.FileSystem
        >
        layerTest: Layer.Layer<
          PandaEmulator.PandaEmulator | HttpClient.HttpClient | Credentials.Credentials | PandaClient.PandaClient
        >
      }
      Profiles: {
        list: Operation<ReadonlyArray<Profiles.Profile>>
        all: Listing<Profiles.Profile>
        first: Operation<Option.Option<Profiles.Profile>>
        where: Listing<Profiles.Profile>
        find: Operation<Profiles.Profile>
        reload: Operation<Profiles.Profile>
        create: Operation<Profiles.Profile>
        update: Operation<Profiles.Profile>
        save: Operation<Profiles.Profile>
        delete: Operation<void>
        encodings: Operation<ReadonlyArray<Encodings.Encoding>>
        sync: Operation<Profiles.SyncReport>
      }
      Signature: {
        signedParams: Effect.Effect<Record<string, string>, PandaError.PandaInputError, Credentials.Credentials>
        signedQuery: Effect.Effect<string, PandaError.PandaInputError, Credentials.Credentials>
        signWith: Effect.Effect<Record<string, string>, PandaError.PandaInputError>
      }
      Upload: {
        start: Uploading
        resume: Uploading
        startOrResume: Uploading<UploadStore.UploadStore>
        many: Stream.Stream<Upload.ManyEvent, PandaError.UploadError, unknown>
        abort: Effect.Effect<void, PandaError.UploadError, PandaClient.PandaClient>
        session: Effect.Effect<Upload.Session>
        video: Effect.Effect<Videos.Video, unknown, unknown>
      }
      UploadSession: {
        create: Operation<UploadSession.UploadSession>
        probe: Exchange
        send: Exchange
        sendSlices: Effect.Effect<
          UploadSession.Exchange,
          unknown,
          PandaClient.PandaClient
        >
        abort: Effect.Effect<void, UploadSession.ReplyError, PandaClient.PandaClient>
      }
      UploadSource: {
        fromFile: Effect.Effect<UploadSource.UploadSource, never, FileSystem.FileSystem>
        readFully: Effect.Effect<void, PandaError.PandaSourceError>
        fingerprint: Effect.Effect<UploadState.Fingerprint, PandaError.PandaSourceError>
      }
      UploadStore: {
        layer: Layer.Layer<UploadStore.UploadStore, never, KeyValueStore.KeyValueStore>
        layerMemory: Layer.Layer<UploadStore.UploadStore>
        layerFileSystem: Layer.Layer<UploadStore.UploadStore, never, FileSystem.FileSystem>
      }
      Videos: {
        list: Operation<ReadonlyArray<Videos.Video>>
        listWithTotal: Operation<Videos.Page>
        all: Listing<Videos.Video>
        first: Operation<Option.Option<Videos.Video>>
        where: Listing<Videos.Video>
        find: Operation<Videos.Video>
        reload: Operation<Videos.Video>
        create: Operation<Videos.Video, PandaError.PandaSourceError>
        metadata: Operation<{ readonly [name: string]: unknown }>
        encodings: Operation<ReadonlyArray<Encodings.Encoding>>
        deleteSource: Operation<void>
        delete: Operation<void>
      }
      Webhook: {
        decode: Effect.Effect<Webhook.Event, Webhook.PandaWebhookError>
        fetch: Operation<Webhook.VideoWithEncodings | Encodings.Encoding | undefined>
        httpApp: HttpApp.Default<never, unknown>
      }
    }>()
  })

  it("of services and handles are in this table", () => {
    expectTypeOf<Runs<Credentials.Credentials.Service>>().toEqualTypeOf<{
      timestamp: Effect.Effect<string>
      synchronize: Effect.Effect<void>
    }>()
    expectTypeOf<Runs<PandaClient.PandaClient.Service>>().toEqualTypeOf<{
      request: Effect.Effect<unknown, PandaError.PandaError>
      execute: Effect.Effect<
        HttpClientResponse.HttpClientResponse,
        PandaError.PandaInputError | PandaError.PandaTransportError
      >
      longBodies: Effect.Effect<"none" | "copied" | "streamed" | "paced" | "pulled">
    }>()
    expectTypeOf<Runs<UploadStore.UploadStore.Service>>().toEqualTypeOf<{
      get: Effect.Effect<Option.Option<UploadState.UploadState>, PandaError.PandaUploadLocked>
      set: Effect.Effect<void, PandaError.PandaUploadLocked>
      remove: Effect.Effect<void, PandaError.PandaUploadLocked>
      list: Effect.Effect<ReadonlyArray<UploadStore.Entry>>
      prune: Effect.Effect<number>
      lock: Effect.Effect<UploadStore.Lock, PandaError.PandaUploadLocked, Scope.Scope>
    }>()
    expectTypeOf<Runs<UploadStore.Backend>>().toEqualTypeOf<{
      get: Effect.Effect<Option.Option<string>, PlatformError>
      set: Effect.Effect<void, PlatformError>
      create: Effect.Effect<boolean, PlatformError>
      remove: Effect.Effect<void, PlatformError>
      keys: Effect.Effect<ReadonlyArray<string>, PlatformError>
    }>()
    expectTypeOf<Runs<UploadSource.UploadSource>>().toEqualTypeOf<Runs<UploadSource.OnePassSource>>()
    expectTypeOf<Runs<UploadSource.UploadSource>>().toEqualTypeOf<{
      open: Effect.Effect<UploadSource.Handle, PandaError.PandaSourceError, Scope.Scope>
    }>()
    expectTypeOf<Runs<UploadSource.Handle>>().toEqualTypeOf<{
      stat: Effect.Effect<UploadSource.Stat, PandaError.PandaSourceError>
      read: Effect.Effect<number, PandaError.PandaSourceError>
    }>()
    expectTypeOf<Runs<Upload.Session>>().toEqualTypeOf<{
      start: Effect.Effect<Videos.Video, PandaError.UploadError, PandaClient.PandaClient>
      resume: Effect.Effect<Videos.Video, PandaError.UploadError, PandaClient.PandaClient>
      abort: Effect.Effect<void, PandaError.UploadError, PandaClient.PandaClient>
      status: SubscriptionRef.SubscriptionRef<Upload.Status>
      last: SubscriptionRef.SubscriptionRef<Option.Option<Upload.UploadEvent>>
      state: Effect.Effect<Option.Option<UploadState.UploadState>>
    }>()
    expectTypeOf<Runs<PandaEmulator.PandaEmulator.Service>>().toEqualTypeOf<{
      httpApp: HttpApp.Default
      inject: Effect.Effect<void>
      rules: Effect.Effect<ReadonlyArray<PandaEmulator.RuleInspection>>
      setSkew: Effect.Effect<void>
      requests: Effect.Effect<ReadonlyArray<PandaEmulator.SeenRequest>>
      sessions: Effect.Effect<ReadonlyArray<PandaEmulator.SessionInspection>>
      videos: Effect.Effect<ReadonlyArray<PandaEmulator.WireRecord>>
      encodings: Effect.Effect<ReadonlyArray<PandaEmulator.WireRecord>>
      profiles: Effect.Effect<ReadonlyArray<PandaEmulator.WireRecord>>
      clouds: Effect.Effect<ReadonlyArray<PandaEmulator.WireRecord>>
      notifications: Effect.Effect<PandaEmulator.WireRecord>
      addVideo: Effect.Effect<PandaEmulator.WireRecord>
      addProfile: Effect.Effect<PandaEmulator.WireRecord>
      failProfile: Effect.Effect<void>
      failVideo: Effect.Effect<void>
      expireSession: Effect.Effect<void>
      restoreSession: Effect.Effect<void, unknown, unknown>
      deliver: Effect.Effect<void, never, unknown>
      deliveries: Effect.Effect<ReadonlyArray<PandaEmulator.Delivery>>
      reset: Effect.Effect<void>
    }>()
  })

  it("that send a file fail for the file too, and no others do", () => {
    expectTypeOf(Videos.create({ file: source })).toEqualTypeOf<Operation<Videos.Video, PandaError.PandaSourceError>>()
    expectTypeOf(Videos.create(params)).toEqualTypeOf<Operation<Videos.Video>>()
  })

  it("that wait may end too early, and fail for an encoding only if they are asked to", () => {
    const one = Encodings.awaitDone("e")
    expectTypeOf(one).toEqualTypeOf<Waiting<Encodings.Encoding>>()
    expectTypeOf(Encodings.awaitDone("e", { timeout: "1 hour", failOnError: false })).toEqualTypeOf(one)
    expectTypeOf(Encodings.awaitDone("e", { failOnError: true })).toEqualTypeOf<
      Waiting<Encodings.Encoding, PandaError.PandaEncodingFailed>
    >()
    const all = Encodings.awaitVideo("v")
    expectTypeOf(all).toEqualTypeOf<Waiting<ReadonlyArray<Encodings.Encoding>>>()
    expectTypeOf(Encodings.awaitVideo("v", { timeout: "1 hour", failOnError: false })).toEqualTypeOf(all)
    expectTypeOf(Encodings.awaitVideo("v", { failOnError: true })).toEqualTypeOf<
      Waiting<ReadonlyArray<Encodings.Encoding>, PandaError.PandaEncodingFailed>
    >()
  })

  it("take an id or what has one", () => {
    expectTypeOf<string | { readonly id: string }>().toEqualTypeOf<Parameters<typeof Videos.delete>[0]>()
    expectTypeOf<Videos.Video>().toMatchTypeOf<Parameters<typeof Videos.encodings>[0]>()
    expectTypeOf<Videos.Video>().toMatchTypeOf<Parameters<typeof Encodings.awaitVideo>[0]>()
    expectTypeOf<Encodings.Encoding>().toMatchTypeOf<Parameters<typeof Encodings.watch>[0]>()
    expectTypeOf(Videos.dup).returns.toEqualTypeOf<Omit<Videos.Video, "id">>()
  })

  it("have results whose attributes are typed", () => {
    expectTypeOf<Videos.Video["id"]>().toEqualTypeOf<string>()
    expectTypeOf<Videos.Video["width"]>().toEqualTypeOf<number | undefined>()
    expectTypeOf<Videos.Video["fps"]>().toEqualTypeOf<number | string | undefined>()
    expectTypeOf<Videos.Video["created_at"]>().toEqualTypeOf<DateTime.Utc | undefined>()
    expectTypeOf<Encodings.Encoding["files"]>().toEqualTypeOf<ReadonlyArray<string> | undefined>()
    expectTypeOf<Videos.Page["total"]>().toEqualTypeOf<number>()
    expectTypeOf<Profiles.Profile["encryption_key"]>().toEqualTypeOf<Redacted.Redacted<string> | undefined>()
    expectTypeOf<Profiles.Profile["upscale"]>().toEqualTypeOf<boolean | undefined>()
  })

  it("take parameters that have a form on the wire", () => {
    const wrong = [
      // @ts-expect-error a source_url is due
      Videos.create({}),
      // @ts-expect-error either source_url or file
      Videos.create({ ...params, file: source }),
      // @ts-expect-error names of profiles, nested
      Videos.create({ ...params, pipeline: { h264: "webm" } }),
      // @ts-expect-error the preset of a profile stays
      Profiles.update("p", { preset_name: "h264" }),
      // @ts-expect-error a profile is known by its name
      Profiles.sync([{ preset_name: "h264" }]),
      // @ts-expect-error no such event
      Notifications.update({ events: { video_deleted: true } }),
      // @ts-expect-error a list, not text
      Videos.create({ ...params, profiles: "h264" }),
      // @ts-expect-error from a preset or from a command
      Profiles.create({ preset_name: "h264", command: "ffmpeg", name: "n", extname: ".mp4" }),
      // @ts-expect-error a command needs a name and an extname
      Profiles.create({ command: "ffmpeg" }),
      // @ts-expect-error a secret is redacted
      Clouds.create({ s3_videos_bucket: "b", aws_access_key: "k", aws_secret_key: "s" }),
      // @ts-expect-error lists are text with commas
      PandaClient.post("/videos.json", { profiles: ["h264"] }),
      // @ts-expect-error two levels
      PandaClient.post("/videos.json", { a: { b: { c: 1 } } }),
      // @ts-expect-error no such method
      Signature.signedParams("PATCH", "/videos.json")
    ]
    expectTypeOf(wrong).toBeArray()
  })
})

describe("uploads", () => {
  it("of several files need what the upload of each needs", () => {
    expectTypeOf(Upload.many([source])).toEqualTypeOf<
      Stream.Stream<Upload.ManyEvent<UploadSource.UploadSource>, PandaError.UploadError, PandaClient.PandaClient>
    >()
    expectTypeOf(Upload.many([source], { upload: Upload.startOrResume })).toEqualTypeOf<
      Stream.Stream<
        Upload.ManyEvent<UploadSource.UploadSource>,
        PandaError.UploadError,
        PandaClient.PandaClient | UploadStore.UploadStore
      >
    >()
  })

  it("are run for their video with the errors and the needs that they have", () => {
    expectTypeOf(Upload.video(Upload.start(source))).toEqualTypeOf<
      Effect.Effect<Videos.Video, PandaError.UploadError, PandaClient.PandaClient>
    >()
    const events = Stream.concat(Upload.startOrResume(source), Stream.fail("early" as const))
    expectTypeOf(Upload.video(events)).toEqualTypeOf<
      Effect.Effect<Videos.Video, PandaError.UploadError | "early", PandaClient.PandaClient | UploadStore.UploadStore>
    >()
  })

  it("resume from a source that can be read again", () => {
    const once = UploadSource.fromStream(Stream.empty, { name: "n", size: 1 })
    expectTypeOf(once).toEqualTypeOf<UploadSource.OnePassSource>()
    expectTypeOf(Upload.start(once)).toEqualTypeOf<Uploading>()
    // @ts-expect-error it is read once
    expectTypeOf(Upload.startOrResume(once)).toEqualTypeOf<Uploading<UploadStore.UploadStore>>()
  })
})

describe("errors", () => {
  const find = Videos.find("1")

  it("that are handled are gone, the others are left", () => {
    const handled = find.pipe(Effect.catchTag("PandaNotFound", () => Effect.succeedNone))
    expectTypeOf<Effect.Effect.Error<typeof handled>>().toEqualTypeOf<
      | PandaError.PandaInputError
      | PandaError.PandaAuthError
      | PandaError.PandaRejected
      | PandaError.PandaFileTooLarge
      | PandaError.PandaRateLimited
      | PandaError.PandaServerError
      | PandaError.PandaTransportError
      | PandaError.PandaDecodeError
    >()
    const more = handled.pipe(Effect.catchTags({
      PandaInputError: () => Effect.void,
      PandaAuthError: () => Effect.void,
      PandaRejected: () => Effect.void,
      PandaFileTooLarge: ({ limit }) => Effect.succeed(limit),
      PandaRateLimited: ({ retryAfter }) => Effect.succeed(retryAfter),
      PandaServerError: ({ status }) => Effect.succeed(status),
      PandaTransportError: ({ ambiguous }) => Effect.succeed(ambiguous)
    }))
    expectTypeOf<Effect.Effect.Error<typeof more>>().toEqualTypeOf<PandaError.PandaDecodeError>()
    const none = more.pipe(Effect.catchTag("PandaDecodeError", () => Effect.void))
    expectTypeOf<Effect.Effect.Error<typeof none>>().toEqualTypeOf<never>()
  })

  it("that cannot occur cannot be handled", () => {
    // @ts-expect-error finding a video reads no file
    expectTypeOf(find.pipe(Effect.catchTag("PandaSourceError", () => Effect.void))).not.toBeAny()
  })

  it("of uploads that are handled are gone, the others are left", () => {
    const upload = Upload.video(Upload.start(source))
    const resumable = upload.pipe(Effect.catchTag("PandaSourceError", () => Effect.succeedNone))
    expectTypeOf<Effect.Effect.Error<typeof resumable>>().toEqualTypeOf<
      | PandaError.PandaError
      | PandaError.PandaSessionExpired
      | PandaError.PandaUploadRejected
      | PandaError.PandaUploadProtocolError
      | PandaError.PandaUploadStalled
      | PandaError.PandaUploadLocked
    >()
    const ofTheApi = resumable.pipe(Effect.catchTags({
      PandaSessionExpired: ({ state }) => Effect.succeed(state),
      PandaUploadRejected: ({ state }) => Effect.succeed(state),
      PandaUploadProtocolError: ({ state }) => Effect.succeed(state),
      PandaUploadStalled: ({ state }) => Effect.succeed(state),
      PandaUploadLocked: () => Effect.void
    }))
    expectTypeOf<Effect.Effect.Error<typeof ofTheApi>>().toEqualTypeOf<PandaError.PandaError>()
    expectTypeOf<Effect.Effect.Success<typeof ofTheApi>>().toEqualTypeOf<
      Videos.Video | Option.Option<never> | UploadState.UploadState | undefined | void
    >()
  })

  it("of a stream are handled like those of an effect", () => {
    const events = Upload.start(source).pipe(Stream.catchTag("PandaSessionExpired", () => Stream.empty))
    expectTypeOf<Stream.Stream.Error<typeof events>>().toEqualTypeOf<
      Exclude<PandaError.UploadError, PandaError.PandaSessionExpired>
    >()
    const videos = Videos.all().pipe(Stream.catchTag("PandaAuthError", () => Stream.empty))
    expectTypeOf<Stream.Stream.Error<typeof videos>>().toEqualTypeOf<
      Exclude<PandaError.PandaError, PandaError.PandaAuthError>
    >()
  })

  it("of waiting and of webhooks are handled by their tags too", () => {
    const waited = Encodings.awaitVideo("v", { failOnError: true }).pipe(Effect.catchTags({
      PandaStillProcessing: () => Effect.void,
      PandaEncodingFailed: () => Effect.void
    }))
    expectTypeOf<Effect.Effect.Error<typeof waited>>().toEqualTypeOf<PandaError.PandaError>()
    const decoded = Webhook.decode("").pipe(Effect.catchTag("PandaWebhookError", () => Effect.void))
    expectTypeOf<Effect.Effect.Error<typeof decoded>>().toEqualTypeOf<never>()
  })

  it("have what all have in common", () => {
    expectTypeOf<PandaError.PandaError["message"]>().toEqualTypeOf<string>()
    expectTypeOf<PandaError.PandaError["operation"]>().toEqualTypeOf<string>()
    expectTypeOf<PandaError.PandaError["isRetryable"]>().toEqualTypeOf<boolean>()
    expectTypeOf<PandaError.PandaTransportError["reason"]>().toEqualTypeOf<
      "Connect" | "Certificate" | "Redirect" | "Timeout" | "Interrupted" | "Other"
    >()
    expectTypeOf(PandaError.isPandaError).guards.toEqualTypeOf<PandaError.PandaError>()
    expectTypeOf<typeof PandaError.PandaError.Type>().toEqualTypeOf<PandaError.PandaError>()
    expectTypeOf<PandaError.PandaError>().toMatchTypeOf<PandaError.UploadError>()
  })
})

describe("the client", () => {
  it("raw requests give unknown, or what their schema gives", () => {
    expectTypeOf(PandaClient.get("/videos.json")).toEqualTypeOf<Operation<unknown>>()
    const decoded = PandaClient.delete("/videos/1.json", {}, Schema.Struct({ deleted: Schema.NumberFromString }))
    expectTypeOf(decoded).toEqualTypeOf<Operation<{ readonly deleted: number }>>()
    const path = PandaClient.path`/videos.json`
    const operation = PandaClient.request({ name: "n", method: "GET", path, result: Schema.Array(Schema.Number) })
    expectTypeOf(operation).toEqualTypeOf<Operation<ReadonlyArray<number>>>()
  })

  it("combinators leave an effect's type as it is, in both forms", () => {
    expectTypeOf(PandaClient.withCloud(Videos.find("1"), "c")).toEqualTypeOf<Operation<Videos.Video>>()
    expectTypeOf(Videos.find("1").pipe(PandaClient.withCloud("c"))).toEqualTypeOf<Operation<Videos.Video>>()
    expectTypeOf(Videos.find("1").pipe(PandaClient.withRetry("none"))).toEqualTypeOf<Operation<Videos.Video>>()
    expectTypeOf(Videos.find("1").pipe(PandaClient.withTimeout("1 second"))).toEqualTypeOf<Operation<Videos.Video>>()
    expectTypeOf(PandaClient.withRetry(Effect.fail("own"), "none")).toEqualTypeOf<Effect.Effect<never, string>>()
    const unchanged = PandaClient.withTransform(Upload.video(Upload.start(source)), Effect.succeed)
    expectTypeOf(unchanged).toEqualTypeOf<
      Effect.Effect<Videos.Video, PandaError.UploadError, PandaClient.PandaClient>
    >()
  })

  it("layers give what an operation needs", () => {
    const tested = Upload.video(Upload.startOrResume(source)).pipe(
      Effect.provide(Layer.merge(PandaEmulator.layerTest(), UploadStore.layerMemory))
    )
    expectTypeOf(tested).toEqualTypeOf<Effect.Effect<Videos.Video, PandaError.UploadError>>()
    const configured = Videos.find("1").pipe(Effect.provide(PandaClient.layerConfig()))
    expectTypeOf(configured).toEqualTypeOf<
      Effect.Effect<Videos.Video, PandaError.PandaError | ConfigError.ConfigError, HttpClient.HttpClient>
    >()
  })
})

describe("webhooks", () => {
  it("are what is fetched for them", () => {
    const video = Webhook.VideoEncoded.make({ video_id: "v", encoding_ids: [] })
    const encoding = Webhook.EncodingComplete.make({ encoding_id: "e" })
    expectTypeOf(Webhook.fetch(video)).toEqualTypeOf<Operation<Webhook.VideoWithEncodings>>()
    expectTypeOf(Webhook.fetch(encoding)).toEqualTypeOf<Operation<Encodings.Encoding>>()
    expectTypeOf(Webhook.fetch(Webhook.Unknown.make({ event: "e", fields: [] }))).toEqualTypeOf<Operation<undefined>>()
  })

  it("are answered by an app that needs what its handler needs, and never fails", () => {
    const app = Webhook.httpApp((event) => Effect.asVoid(Webhook.fetch(event)))
    expectTypeOf(app).toEqualTypeOf<HttpApp.Default<never, PandaClient.PandaClient>>()
  })
})
