/**
 * What really happens behind an emulator with a folder: sources find their place, are fetched and looked into, and
 * encodings are made. The world says what is to be; after each of its changes this sees to it that it comes to be.
 */
import type { PlatformError } from "@effect/platform/Error"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { Encoder, EncoderError, Variant } from "../../Encoder.js"
import { type Fetching, fetchInto } from "./fetching.js"
import { openJournal } from "./journal.js"
import type { Settings, State } from "./server.js"
import { isFull, type Storage } from "./storage.js"
import {
  type Change,
  type Cloud,
  type Encoding,
  encodingStatus,
  type Failure,
  type Made,
  originalFailed,
  type Video,
  videoStatus
} from "./world.js"

export interface Studio {
  readonly storage: Storage
  readonly encoder: Encoder.Service | undefined
  readonly fetching: Fetching
}

/** Bytes that a watermark may have. */
const WATERMARK = 10 * 1024 * 1024

const PLAYLIST = "hls.variant.playlist"

const presetOf = ({ profile }: Encoding): unknown => profile.attributes["preset_name"]

const keyOf = ({ source }: Video): string => `${String(source["path"])}${String(source["extname"])}`

const previewOf = ({ source }: Video): string => `${String(source["path"])}_1.jpg`

/** Whether a name is one of a list of patterns: `hls.*`, `hls.low,hls.high` (contract 10). */
const matches = (patterns: unknown, name: string): boolean =>
  String(patterns ?? "hls.*").split(",").some((pattern) => {
    const parts = pattern.trim().split("*")
    let rest = name
    for (const [i, part] of parts.entries()) {
      const at = i === parts.length - 1 && parts.length > 1 ? rest.lastIndexOf(part) : rest.indexOf(part)
      if (at === -1 || i === 0 && at !== 0) return false
      rest = rest.slice(at + part.length)
    }
    return rest === "" || pattern.trim().endsWith("*")
  })

/** The way from one key to another, as it stands in a playlist. */
const relative = (from: string, to: string): string => {
  const [here, there] = [from.split("/").slice(0, -1), to.split("/")]
  const common = there.findIndex((segment, i) => segment !== here[i] || i === there.length - 1)
  return [...here.slice(common).map(() => ".."), ...there.slice(common).map(encodeURIComponent)].join("/")
}

const wentWrong = (error: Failure | PlatformError): Failure =>
  "error_class" in error ? error : {
    error_class: "UnexpectedError",
    error_message: isFull(error) ? "The disk is full" : "A file could not be read or written"
  }

const parentFailed: Failure = {
  error_class: "VideoStatusInvalid",
  error_message: "The encoding that it is made from failed"
}

/** Brings the state back that the folder has, and from then on keeps it there. Left: why that cannot be read. */
export const open = (
  state: State,
  settings: Settings,
  { encoder, fetching, storage }: Studio
): Effect.Effect<void, PlatformError | string, Scope.Scope> =>
  Effect.gen(function*() {
    const { changes, outbox, world } = state
    const { fs, pathOf, sizeOf } = storage
    const scope = yield* Effect.scope
    const now = Effect.map(Clock.currentTimeMillis, (now) => now + state.skew)
    const running = new Map<string, Fiber.RuntimeFiber<void>>()

    const { journal, restored } = yield* openJournal(storage, world, state.sessions, outbox)
    // What it would be without what was kept is nothing that has changed.
    if (restored) changes.splice(0)
    if (restored && !world.clouds.has(settings.cloudId)) world.addMain(yield* now)

    /** Writes down what has changed, then sees to it. What cannot be written is so all the same, and written later. */
    const keep: Effect.Effect<void, PlatformError> = Effect.suspend(() => {
      const taken = changes.splice(0)
      return taken.length === 0
        ? Effect.void
        : Effect.flatMap(
          Effect.exit(journal.write(taken)),
          (written) => Effect.zipRight(Effect.zipRight(Effect.forEach(taken, see, { discard: true }), keep), written)
        )
    })

    const see = ({ cloud, id, kind, removed, without }: Change): Effect.Effect<void> => {
      switch (kind) {
        case "video": {
          const video = cloud.videos.get(id)
          return video === undefined
            ? Effect.zipRight(
              stop(`video ${id}`),
              removed === undefined || !("source" in removed)
                ? Effect.void
                : storage.remove(cloud.id, [keyOf(removed), previewOf(removed)])
            )
            : Effect.zipRight(
              without === undefined ? Effect.void : storage.remove(cloud.id, [keyOf(without)]),
              seeVideo(cloud, video)
            )
        }
        case "encoding": {
          const encoding = cloud.encodings.get(id)
          if (encoding === undefined) {
            return Effect.zipRight(
              stop(`encoding ${id}`),
              removed === undefined || !("made" in removed)
                ? Effect.void
                : storage.remove(cloud.id, [
                  ...removed.made?.files ?? [],
                  ...removed.made?.beside ?? [],
                  logOf(removed)
                ])
            )
          }
          return encoding.finishedAt === Infinity
            ? seeEncoding(cloud, encoding)
            : Effect.zipRight(stop(`encoding ${id}`), seeEncodings(cloud, encoding.videoId))
        }
        case "session": {
          const session = state.sessions.byId(id)
          return session?.status === "aborted" || session?.status === "expired"
            ? session.spool?.remove ?? Effect.void
            : Effect.void
        }
        default:
          return Effect.void
      }
    }

    const stop = (key: string): Effect.Effect<void> =>
      Effect.suspend(() => {
        const fiber = running.get(key)
        running.delete(key)
        return fiber === undefined ? Effect.void : Effect.asVoid(Fiber.interrupt(fiber))
      })

    /** Something to do, and what comes of it. Whoever stops it in between gets neither. */
    const begin = <A>(
      key: string,
      work: Effect.Effect<A, Failure>,
      end: (outcome: A | Failure, now: number) => void
    ): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (running.has(key)) return Effect.void
        return work.pipe(
          Effect.catchAllDefect(() =>
            Effect.fail<Failure>({ error_class: "UnexpectedError", error_message: "Something went wrong" })
          ),
          Effect.merge,
          Effect.flatMap((outcome) =>
            Effect.uninterruptible(Effect.flatMap(now, (now) => {
              running.delete(key)
              end(outcome, now)
              outbox.changed.unsafeOpen()
              return Effect.ignore(keep)
            }))
          ),
          Effect.interruptible,
          Effect.forkIn(scope),
          Effect.flatMap((fiber) => Effect.sync(() => void running.set(key, fiber)))
        )
      })

    const seeVideo = (cloud: Cloud, video: Video): Effect.Effect<void> =>
      video.incoming === undefined && video.storedAt !== Infinity
        ? seeEncodings(cloud, video.id)
        : begin(`video ${video.id}`, store(cloud, video), (outcome, now) => {
          if (outcome !== undefined && "error_class" in outcome) world.failVideo(cloud, video, outcome, now)
          else if (video.storedAt === Infinity) world.storeVideo(cloud, video, outcome, now)
        })

    /** Puts a source where it belongs, and looks into it. */
    const store = (cloud: Cloud, video: Video) =>
      Effect.gen(function*() {
        const key = keyOf(video)
        const path = pathOf(cloud.id, key)
        if (path === undefined) return yield* Effect.fail(noPlace)
        if (video.incoming !== undefined) {
          const from = storage.incoming(video.incoming)
          // A process that was killed may have done it already.
          if (yield* fs.exists(from)) yield* storage.place(from, cloud.id, key)
          video.incoming = undefined
          world.touch({ kind: "video", cloud, id: video.id })
        } else if ((yield* sizeOf(path)) === undefined) {
          const spool = storage.spool(`fetched ${video.id}`)
          const size = yield* Effect.onError(
            fetchInto(fetching, String(video.source["source_url"]), spool, settings.fileSizeLimit),
            () => spool.remove
          )
          yield* storage.place(spool.path, cloud.id, key)
          video.source = { ...video.source, file_size: size }
        }
        if (encoder === undefined) return undefined
        const { facts, metadata } = yield* encoder.probe(path)
        yield* Effect.scoped(Effect.gen(function*() {
          const picture = `${yield* storage.workshop}/preview.jpg`
          yield* encoder.preview(path, picture)
          if (yield* fs.exists(picture)) yield* storage.place(picture, cloud.id, previewOf(video))
        })).pipe(Effect.ignore)
        return { facts: { ...facts }, metadata }
      }).pipe(Effect.mapError((error: Failure | EncoderError | PlatformError) => wentWrong(error)))

    const ofVideo = (cloud: Cloud, videoId: string) =>
      [...cloud.encodings.values()].filter((encoding) => encoding.videoId === videoId)

    const seeEncodings = (cloud: Cloud, videoId: string): Effect.Effect<void> =>
      Effect.suspend(() =>
        Effect.forEach(
          ofVideo(cloud, videoId).filter(({ finishedAt }) => finishedAt === Infinity),
          (encoding) => seeEncoding(cloud, encoding),
          { discard: true }
        )
      )

    /** Streams that a playlist can list. */
    const variantsOf = (cloud: Cloud, playlist: Encoding) =>
      ofVideo(cloud, playlist.videoId).filter((encoding) =>
        encoding !== playlist && presetOf(encoding) !== PLAYLIST &&
        matches(playlist.profile.attributes["variants"], String(encoding.profile.attributes["name"]))
      )

    const seeEncoding = (cloud: Cloud, encoding: Encoding): Effect.Effect<void> =>
      Effect.flatMap(now, (now) => {
        const video = cloud.videos.get(encoding.videoId)
        if (encoder === undefined || video === undefined) return Effect.void
        const fail = (failure: Failure) => Effect.sync(() => world.finish(cloud, encoding, failure, now))
        const status = videoStatus(video, now)
        if (status === "fail") return fail(originalFailed)
        if (status === "processing") return Effect.void
        const parent = encoding.parentId === undefined ? undefined : cloud.encodings.get(encoding.parentId)
        if (encoding.parentId !== undefined) {
          const status = parent === undefined ? "fail" : encodingStatus(parent, now)
          if (status !== "success") return status === "fail" ? fail(parentFailed) : Effect.void
        }
        if (
          presetOf(encoding) === PLAYLIST &&
          variantsOf(cloud, encoding).some((variant) => encodingStatus(variant, now) === "processing")
        ) return Effect.void
        return begin(
          `encoding ${encoding.id}`,
          make(encoder, cloud, video, encoding, parent),
          (outcome, now) => world.finish(cloud, encoding, outcome, now)
        )
      })

    const make = (
      encoder: Encoder.Service,
      cloud: Cloud,
      video: Video,
      encoding: Encoding,
      parent: Encoding | undefined
    ): Effect.Effect<Made, Failure> =>
      Effect.scoped(Effect.gen(function*() {
        const folder = yield* storage.workshop
        const { attributes } = encoding.profile
        const source = pathOf(cloud.id, parent === undefined ? keyOf(video) : parent.made?.files[0] ?? "")
        if (source === undefined || pathOf(cloud.id, `${encoding.path}_1.jpg`) === undefined) {
          return yield* Effect.fail(noPlace)
        }
        const writeLog = (log: string | undefined) =>
          log === undefined || log === "" ? Effect.void : Effect.zipRight(
            fs.writeFileString(`${folder}/log`, log),
            storage.place(`${folder}/log`, cloud.id, logOf(encoding))
          )
        const made = yield* encoder.encode({
          source,
          own: parent !== undefined && presetOf(parent) !== undefined,
          folder,
          profile: attributes,
          watermark: yield* watermark(attributes["watermark_url"]),
          variants: presetOf(encoding) === PLAYLIST ? yield* variants(cloud, encoding) : undefined,
          onProgress: (percent) =>
            Effect.sync(() => {
              encoding.progress = percent
            })
        }).pipe(Effect.tapError(({ log }) => Effect.ignore(writeLog(log))))

        const base = encoding.path.replace(/^.*\//, "")
        const [main, ...others] = made.files
        // The main file names the others, so it comes last.
        for (const suffix of [...others, ...made.screenshots, ...main === undefined ? [] : [main]]) {
          const path = `${folder}/out${suffix}`
          if (suffix.endsWith(".m3u8") && presetOf(encoding) !== PLAYLIST) yield* rename(path, base)
          yield* storage.place(path, cloud.id, `${encoding.path}${suffix}`)
        }
        yield* writeLog(made.log)
        const key = (suffix: string) => `${encoding.path}${suffix}`
        return {
          facts: { ...made.facts },
          files: made.files.map(key),
          beside: [...made.screenshots.map(key), logOf(encoding)]
        }
      })).pipe(Effect.mapError((error: Failure | EncoderError | PlatformError) => {
        const { error_class, error_message } = wentWrong(error)
        return { error_class, error_message, logged: "log" in error && error.log !== undefined && error.log !== "" }
      }))

    /** A playlist names its pieces, and the key to them, as they were called when they were made. */
    const rename = (path: string, base: string) =>
      Effect.flatMap(fs.readFileString(path), (text) =>
        fs.writeFileString(
          path,
          text.replace(/(^|URI=")out(?=[._])/gm, (_, before: string) => `${before}${encodeURIComponent(base)}`)
        ))

    const watermark = (url: unknown) =>
      Effect.gen(function*() {
        if (typeof url !== "string" || url === "") {
          return undefined
        }
        const path = `${yield* storage.workshop}/watermark`
        yield* fetchInto(fetching, url, storage.spoolAt(path), WATERMARK)
        return path
      })

    const variants = (cloud: Cloud, playlist: Encoding) =>
      Effect.map(now, (now) =>
        variantsOf(cloud, playlist).flatMap((variant): ReadonlyArray<Variant> => {
          const main = encodingStatus(variant, now) === "success" ? variant.made?.files[0] : undefined
          return main?.endsWith(".m3u8") === true
            // It is what the encoder itself told.
            ? [{ uri: relative(playlist.path, main), facts: variant.made!.facts as unknown as Variant["facts"] }]
            : []
        }))

    state.keep = keep
    for (const cloud of world.clouds.values()) {
      for (const id of cloud.videos.keys()) {
        yield* see({ kind: "video", cloud, id })
      }
    }
    yield* keep
  })

const logOf = ({ path }: Encoding): string => `${path}.log`

const noPlace: Failure = { error_class: "UnexpectedError", error_message: "Its path cannot be that of a file" }
