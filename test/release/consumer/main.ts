/** A program of a user, of every subpath: compiled by the test beside it, against the packed package. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { Effect, Layer, Option, Redacted, Schema, Stream } from "effect"
import * as panda from "effect-panda"
import * as Clouds from "effect-panda/Clouds"
import * as Credentials from "effect-panda/Credentials"
import * as Encoder from "effect-panda/Encoder"
import * as Encodings from "effect-panda/Encodings"
import * as Ingest from "effect-panda/Ingest"
import * as Notifications from "effect-panda/Notifications"
import * as PandaClient from "effect-panda/PandaClient"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import * as PandaError from "effect-panda/PandaError"
import * as Profiles from "effect-panda/Profiles"
import * as Signature from "effect-panda/Signature"
import * as SqlUploadStore from "effect-panda/SqlUploadStore"
import * as Upload from "effect-panda/Upload"
import * as UploadSession from "effect-panda/UploadSession"
import * as UploadSource from "effect-panda/UploadSource"
import * as UploadState from "effect-panda/UploadState"
import * as UploadStore from "effect-panda/UploadStore"
import * as Authorize from "effect-panda/Authorize"
import * as browser from "effect-panda/browser"
import * as element from "effect-panda/browser/element"
import * as Videos from "effect-panda/Videos"
import * as Webhook from "effect-panda/Webhook"

/** The index and the subpaths are the same modules. */
export const same: typeof Videos = panda.Videos

export const known: (error: unknown) => error is PandaError.PandaError = PandaError.isPandaError

const Panda: Layer.Layer<PandaClient.PandaClient, PandaError.PandaInputError> = PandaClient.layer.pipe(
  Layer.provide(Credentials.layer({ accessKey: "key", secretKey: Redacted.make("secret"), cloudId: "cloud" })),
  Layer.provide(FetchHttpClient.layer)
)

export const missing: Effect.Effect<
  Option.Option<Videos.Video>,
  Exclude<PandaError.PandaError, PandaError.PandaNotFound>
> = Videos.find("id").pipe(
  Effect.asSome,
  Effect.catchTag("PandaNotFound", () => Effect.succeedNone),
  Effect.provide(PandaEmulator.layerTest({ videos: 3 }))
)

// @ts-expect-error it is handled
export const left: Effect.Effect.Error<typeof missing>["_tag"] = "PandaNotFound"

export const sizes: Effect.Effect<ReadonlyArray<number>, PandaError.PandaError> = Videos.all({ status: "success" })
  .pipe(
    Stream.map(({ file_size = 0 }) => file_size),
    Stream.runFold(Array.of<number>(), (sizes, size) => [...sizes, size]),
    PandaClient.withTimeout("10 seconds"),
    Effect.provide(Panda)
  )

const bytes = UploadSource.fromBytes(new Uint8Array(1), { name: "movie.mp4" })

export const upload: Effect.Effect<string, PandaError.UploadError, PandaClient.PandaClient> = Upload
  .startOrResume(bytes, { profiles: ["h264"], onState: (state) => Effect.log(state.acknowledged) })
  .pipe(
    Stream.tap(
      Upload.UploadEvent.$match({
        Waiting: () => Effect.void,
        Started: ({ state }) => Effect.log(state.name),
        Resumed: ({ state }) => Effect.log(state.name),
        Progress: ({ acknowledged, size }) => Effect.log(acknowledged / size),
        Retrying: ({ error }) => Effect.log(error._tag),
        Moved: () => Effect.void,
        Restarted: ({ reason }) => Effect.log(reason),
        Uploaded: ({ video }) => Effect.log(video.id)
      })
    ),
    Upload.video,
    Effect.map(({ id }) => id),
    Effect.provide(UploadStore.layerMemory)
  )

export const ingestion = Ingest.submit({ source: "movie.mp4", profiles: ["h264"] }).pipe(
  Effect.catchTag("PandaIngestRefused", ({ reason, subject }) => Effect.succeed(`${reason}: ${subject}`)),
  Effect.catchTag("PandaIngestUnavailable", ({ message }) => Effect.succeed(message))
)

// @ts-expect-error both are handled
export const unhandled: Effect.Effect.Error<typeof ingestion>["_tag"] = "PandaIngestRefused"

export const unfinished = Effect.flatMap(UploadStore.UploadStore, ({ prune }) => prune("7 days")).pipe(
  Effect.provide(SqlUploadStore.layer({ table: "uploads", lease: "30 seconds" })),
  Effect.catchTag("SqlError", ({ message }) => Effect.succeed(message))
)

export const begun: Effect.Effect<UploadSession.Exchange, PandaError.UploadError, PandaClient.PandaClient> = Effect
  .flatMap(
    UploadSession.create({ file_name: "movie.mp4", file_size: 1 }),
    ({ location }) => UploadSession.probe(location, 1, { timeout: "30 seconds" })
  )

export const offset = (reply: UploadSession.Reply): number | undefined =>
  UploadSession.Reply.$match(reply, {
    Progress: ({ offset }) => offset,
    Complete: ({ video }) => video.file_size,
    Redirected: () => undefined
  })

// @ts-expect-error a secret is redacted
export const credentials = Credentials.layer({ accessKey: "key", secretKey: "secret" })

export const saved: (state: UploadState.UploadState) => string = Schema.encodeSync(UploadState.Json)

export const signed: Effect.Effect<string, PandaError.PandaInputError, Credentials.Credentials> = Signature.signedQuery(
  "GET",
  "/videos.json",
  { per_page: 1 }
)

export const settings = Effect.gen(function*() {
  const cloud = yield* Clouds.current
  const [encoding] = yield* Encodings.awaitVideo("id", { timeout: "1 hour" })
  const { created, updated } = yield* Profiles.sync([{ preset_name: "h264", name: "small", width: 320 }], {
    dryRun: true
  })
  yield* Notifications.update({ events: { video_encoded: true } })
  return {
    created,
    updated,
    url: encoding === undefined ? Option.none() : Encodings.url(encoding, cloud, { https: true })
  }
})

export const app = Webhook.httpApp(
  (event) => event._tag === "VideoEncoded" ? Effect.asVoid(Webhook.fetch(event)) : Effect.void,
  { secret: Redacted.make("secret") }
)

/** Who has an encoder of his own gives it the same shape. */
export const refuse: Layer.Layer<Encoder.Encoder> = Layer.succeed(Encoder.Encoder, {
  refuses: () => undefined,
  probe: () => new Encoder.EncoderError({ error_class: "FileNotFound", error_message: "nothing is here" }),
  preview: () => Effect.void,
  encode: ({ profile }) => new Encoder.EncoderError({ error_class: "CommandInvalid", error_message: String(profile) })
})

export const inPage = (file: File): Promise<browser.Video> => {
  const sending = browser.upload(file, { authorize: "/panda/authorize_upload" })
  sending.addEventListener("progress", ({ detail: { acknowledged, size } }) => {
    document.title = `${acknowledged / size}`
  })
  return sending.start()
}

export const authorize = Authorize.httpApp({
  decide: ({ filename }) =>
    filename.endsWith(".mp4") ? Effect.succeed({ profiles: ["h264"] }) : Authorize.deny("Films only", 415)
})

export const proxied = Authorize.proxy({ url: "/panda/upload", secret: Redacted.make("secret") }).pipe(
  Effect.map((proxy) => Authorize.httpApp({ proxy, decide: () => Effect.succeed({}) }))
)

export const films = (page: Document): ReadonlyArray<string> => {
  const field = page.querySelector("panda-upload")
  return field instanceof element.PandaUpload ? field.value : []
}
