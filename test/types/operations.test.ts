/** What the compiler knows of operations: their results, their errors, and what is left of these once some are handled. */
import type * as HttpClient from "@effect/platform/HttpClient"
import { describe, expectTypeOf, it } from "@effect/vitest"
import type { ConfigError, DateTime, Layer, Option, Redacted, Stream } from "effect"
import { Effect, Schema } from "effect"
import {
  Clouds,
  Credentials,
  Encodings,
  Notifications,
  PandaClient,
  PandaError,
  Profiles,
  Signature,
  UploadSource,
  Videos
} from "effect-panda"

type Operation<A> = Effect.Effect<A, PandaError.PandaError, PandaClient.PandaClient>
type Listing<A> = Stream.Stream<A, PandaError.PandaError, PandaClient.PandaClient>

const params = { source_url: "http://a.example" }

describe("operations", () => {
  it("succeed with models, fail with PandaError, need PandaClient only", () => {
    expectTypeOf(Videos.list).returns.toEqualTypeOf<Operation<ReadonlyArray<Videos.Video>>>()
    expectTypeOf(Videos.all).returns.toEqualTypeOf<Listing<Videos.Video>>()
    expectTypeOf(Videos.find).returns.toEqualTypeOf<Operation<Videos.Video>>()
    expectTypeOf(Videos.listWithTotal).returns.toEqualTypeOf<Operation<Videos.Page>>()
    expectTypeOf(Videos.first).returns.toEqualTypeOf<Operation<Option.Option<Videos.Video>>>()
    expectTypeOf(Videos.where).returns.toEqualTypeOf<Listing<Videos.Video>>()
    expectTypeOf(Videos.reload).returns.toEqualTypeOf<Operation<Videos.Video>>()
    expectTypeOf(Videos.create(params)).toEqualTypeOf<Operation<Videos.Video>>()
    expectTypeOf(Videos.metadata).returns.toEqualTypeOf<Operation<{ readonly [name: string]: unknown }>>()
    expectTypeOf(Videos.deleteSource).returns.toEqualTypeOf<Operation<void>>()
    expectTypeOf(Videos.encodings).returns.toEqualTypeOf<Operation<ReadonlyArray<Encodings.Encoding>>>()
    expectTypeOf(Videos.delete).returns.toEqualTypeOf<Operation<void>>()
    expectTypeOf(Encodings.list).returns.toEqualTypeOf<Operation<ReadonlyArray<Encodings.Encoding>>>()
    expectTypeOf(Encodings.all).returns.toEqualTypeOf<Listing<Encodings.Encoding>>()
    expectTypeOf(Encodings.find).returns.toEqualTypeOf<Operation<Encodings.Encoding>>()
    expectTypeOf(Encodings.create).returns.toEqualTypeOf<Operation<Encodings.Encoding>>()
    expectTypeOf(Encodings.delete).returns.toEqualTypeOf<Operation<void>>()
    expectTypeOf(Encodings.first).returns.toEqualTypeOf<Operation<Option.Option<Encodings.Encoding>>>()
    expectTypeOf(Encodings.findByProfileName).returns.toEqualTypeOf<Operation<Option.Option<Encodings.Encoding>>>()
    expectTypeOf(Encodings.where).returns.toEqualTypeOf<Listing<Encodings.Encoding>>()
    expectTypeOf(Encodings.reload).returns.toEqualTypeOf<Operation<Encodings.Encoding>>()
    expectTypeOf(Encodings.cancel).returns.toEqualTypeOf<Operation<void>>()
    expectTypeOf(Encodings.retry).returns.toEqualTypeOf<Operation<void>>()
    expectTypeOf(Encodings.video).returns.toEqualTypeOf<Operation<Videos.Video>>()
    expectTypeOf(Encodings.profile).returns.toEqualTypeOf<Operation<Profiles.Profile>>()
    expectTypeOf(Encodings.watch).returns.toEqualTypeOf<Listing<Encodings.Encoding>>()
    expectTypeOf(Encodings.watchVideo).returns.toEqualTypeOf<Listing<ReadonlyArray<Encodings.Encoding>>>()
    expectTypeOf(Profiles.list).returns.toEqualTypeOf<Operation<ReadonlyArray<Profiles.Profile>>>()
    expectTypeOf(Profiles.all).returns.toEqualTypeOf<Listing<Profiles.Profile>>()
    expectTypeOf(Profiles.find).returns.toEqualTypeOf<Operation<Profiles.Profile>>()
    expectTypeOf(Profiles.create).returns.toEqualTypeOf<Operation<Profiles.Profile>>()
    expectTypeOf(Profiles.delete).returns.toEqualTypeOf<Operation<void>>()
    expectTypeOf(Profiles.first).returns.toEqualTypeOf<Operation<Option.Option<Profiles.Profile>>>()
    expectTypeOf(Profiles.where).returns.toEqualTypeOf<Listing<Profiles.Profile>>()
    expectTypeOf(Profiles.reload).returns.toEqualTypeOf<Operation<Profiles.Profile>>()
    expectTypeOf(Profiles.update).returns.toEqualTypeOf<Operation<Profiles.Profile>>()
    expectTypeOf(Profiles.save).returns.toEqualTypeOf<Operation<Profiles.Profile>>()
    expectTypeOf(Profiles.encodings).returns.toEqualTypeOf<Operation<ReadonlyArray<Encodings.Encoding>>>()
    expectTypeOf(Profiles.sync).returns.toEqualTypeOf<Operation<Profiles.SyncReport>>()
    expectTypeOf(Clouds.list).returns.toEqualTypeOf<Operation<ReadonlyArray<Clouds.Cloud>>>()
    expectTypeOf(Clouds.all).returns.toEqualTypeOf<Listing<Clouds.Cloud>>()
    expectTypeOf(Clouds.find).returns.toEqualTypeOf<Operation<Clouds.Cloud>>()
    expectTypeOf(Clouds.create).returns.toEqualTypeOf<Operation<Clouds.Cloud>>()
    expectTypeOf(Clouds.delete).returns.toEqualTypeOf<Operation<void>>()
    expectTypeOf(Clouds.first).returns.toEqualTypeOf<Operation<Option.Option<Clouds.Cloud>>>()
    expectTypeOf(Clouds.where).returns.toEqualTypeOf<Listing<Clouds.Cloud>>()
    expectTypeOf(Clouds.reload).returns.toEqualTypeOf<Operation<Clouds.Cloud>>()
    expectTypeOf(Clouds.update).returns.toEqualTypeOf<Operation<Clouds.Cloud>>()
    expectTypeOf(Clouds.save).returns.toEqualTypeOf<Operation<Clouds.Cloud>>()
    expectTypeOf(Clouds.setupBucket).returns.toEqualTypeOf<Operation<Clouds.Cloud>>()
    expectTypeOf(Clouds.current).toEqualTypeOf<Operation<Clouds.Cloud>>()
    expectTypeOf(Notifications.get).toEqualTypeOf<Operation<Notifications.Notifications>>()
    expectTypeOf(Notifications.update).returns.toEqualTypeOf<Operation<Notifications.Notifications>>()
  })

  it("that send a file fail for the file too, and no others do", () => {
    const file = UploadSource.fromBytes(new Uint8Array(1), { name: "n" })
    expectTypeOf(Videos.create({ file })).toEqualTypeOf<
      Effect.Effect<Videos.Video, PandaError.PandaError | PandaError.PandaSourceError, PandaClient.PandaClient>
    >()
  })

  it("that wait may end too early, and fail for an encoding only if they are asked to", () => {
    type Waiting<A, E = never> = Effect.Effect<
      A,
      PandaError.PandaError | PandaError.PandaStillProcessing | E,
      PandaClient.PandaClient
    >
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
      Videos.create({ ...params, file: UploadSource.fromBytes(new Uint8Array(1), { name: "n" }) }),
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

  it("have what all have in common", () => {
    expectTypeOf<PandaError.PandaError["message"]>().toEqualTypeOf<string>()
    expectTypeOf<PandaError.PandaError["operation"]>().toEqualTypeOf<string>()
    expectTypeOf<PandaError.PandaError["isRetryable"]>().toEqualTypeOf<boolean>()
    expectTypeOf<PandaError.PandaTransportError["reason"]>().toEqualTypeOf<
      "Connect" | "Timeout" | "Interrupted" | "Other"
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
    expectTypeOf<Effect.Effect.Error<ReturnType<typeof PandaClient.execute>>>().toEqualTypeOf<
      PandaError.PandaInputError | PandaError.PandaTransportError
    >()
  })

  it("combinators leave an effect's type as it is, in both forms", () => {
    expectTypeOf(PandaClient.withCloud(Videos.find("1"), "c")).toEqualTypeOf<Operation<Videos.Video>>()
    expectTypeOf(Videos.find("1").pipe(PandaClient.withCloud("c"))).toEqualTypeOf<Operation<Videos.Video>>()
    expectTypeOf(Videos.find("1").pipe(PandaClient.withRetry("none"))).toEqualTypeOf<Operation<Videos.Video>>()
    expectTypeOf(Videos.find("1").pipe(PandaClient.withTimeout("1 second"))).toEqualTypeOf<Operation<Videos.Video>>()
  })

  it("layers say what they need and how they fail", () => {
    expectTypeOf(PandaClient.layer).toEqualTypeOf<
      Layer.Layer<PandaClient.PandaClient, never, Credentials.Credentials | HttpClient.HttpClient>
    >()
    expectTypeOf(PandaClient.layerConfig).returns.toEqualTypeOf<
      Layer.Layer<PandaClient.PandaClient, ConfigError.ConfigError, HttpClient.HttpClient>
    >()
    expectTypeOf(Credentials.layer).returns.toEqualTypeOf<
      Layer.Layer<Credentials.Credentials, PandaError.PandaInputError>
    >()
    expectTypeOf(Credentials.layerConfig).returns.toEqualTypeOf<
      Layer.Layer<Credentials.Credentials, ConfigError.ConfigError>
    >()
  })
})
