/** What the compiler knows of operations: their results, their errors, and what is left of these once some are handled. */
import type * as HttpClient from "@effect/platform/HttpClient"
import { describe, expectTypeOf, it } from "@effect/vitest"
import type { ConfigError, DateTime, Layer, Stream } from "effect"
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
    expectTypeOf(Videos.create(params)).toEqualTypeOf<Operation<Videos.Video>>()
    expectTypeOf(Videos.encodings).returns.toEqualTypeOf<Operation<ReadonlyArray<Encodings.Encoding>>>()
    expectTypeOf(Videos.delete).returns.toEqualTypeOf<Operation<void>>()
    expectTypeOf(Encodings.list).returns.toEqualTypeOf<Operation<ReadonlyArray<Encodings.Encoding>>>()
    expectTypeOf(Encodings.all).returns.toEqualTypeOf<Listing<Encodings.Encoding>>()
    expectTypeOf(Encodings.find).returns.toEqualTypeOf<Operation<Encodings.Encoding>>()
    expectTypeOf(Encodings.create).returns.toEqualTypeOf<Operation<Encodings.Encoding>>()
    expectTypeOf(Encodings.delete).returns.toEqualTypeOf<Operation<void>>()
    expectTypeOf(Encodings.watchVideo).returns.toEqualTypeOf<Listing<ReadonlyArray<Encodings.Encoding>>>()
    expectTypeOf(Encodings.awaitVideo).returns.toEqualTypeOf<Operation<ReadonlyArray<Encodings.Encoding>>>()
    expectTypeOf(Profiles.list).returns.toEqualTypeOf<Operation<ReadonlyArray<Profiles.Profile>>>()
    expectTypeOf(Profiles.all).returns.toEqualTypeOf<Listing<Profiles.Profile>>()
    expectTypeOf(Profiles.find).returns.toEqualTypeOf<Operation<Profiles.Profile>>()
    expectTypeOf(Profiles.create).returns.toEqualTypeOf<Operation<Profiles.Profile>>()
    expectTypeOf(Profiles.delete).returns.toEqualTypeOf<Operation<void>>()
    expectTypeOf(Clouds.list).returns.toEqualTypeOf<Operation<ReadonlyArray<Clouds.Cloud>>>()
    expectTypeOf(Clouds.all).returns.toEqualTypeOf<Listing<Clouds.Cloud>>()
    expectTypeOf(Clouds.find).returns.toEqualTypeOf<Operation<Clouds.Cloud>>()
    expectTypeOf(Clouds.create).returns.toEqualTypeOf<Operation<Clouds.Cloud>>()
    expectTypeOf(Clouds.delete).returns.toEqualTypeOf<Operation<void>>()
    expectTypeOf(Clouds.current).toEqualTypeOf<Operation<Clouds.Cloud>>()
    expectTypeOf(Notifications.get).toEqualTypeOf<Operation<Notifications.Notifications>>()
    expectTypeOf(Notifications.update).returns.toEqualTypeOf<Operation<Notifications.Notifications>>()
  })

  it("have results whose attributes are typed", () => {
    expectTypeOf<Videos.Video["id"]>().toEqualTypeOf<string>()
    expectTypeOf<Videos.Video["width"]>().toEqualTypeOf<number | undefined>()
    expectTypeOf<Videos.Video["fps"]>().toEqualTypeOf<number | string | undefined>()
    expectTypeOf<Videos.Video["created_at"]>().toEqualTypeOf<DateTime.Utc | undefined>()
    expectTypeOf<Encodings.Encoding["files"]>().toEqualTypeOf<ReadonlyArray<string> | undefined>()
    expectTypeOf<Profiles.Profile["upscale"]>().toEqualTypeOf<boolean | undefined>()
  })

  it("take parameters that have a form on the wire", () => {
    const wrong = [
      // @ts-expect-error a source_url is due
      Videos.create({}),
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
