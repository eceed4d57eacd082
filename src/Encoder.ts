/**
 * What turns sources into encodings behind an emulator: files go in, files come out. `layerFfmpeg` runs the `ffmpeg`
 * and the `ffprobe` of the machine, through whatever `CommandExecutor` and `FileSystem` the platform has.
 *
 * It trusts nothing that it is given. A source may be broken or made to harm: it is read as a file, only as one of the
 * kinds that refer to no other file or address, within bounds of time and of what comes out. A profile's own `command`
 * may only say what is listed, and no shell sees it. What goes wrong ends as an `EncoderError` in Panda's own words.
 *
 * @since 0.2.0
 */
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Context from "effect/Context"
import { randomBytes } from "@noble/hashes/utils.js"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Command from "./internal/encoder/command.js"
import * as Encryption from "./internal/encoder/encryption.js"
import * as Media from "./internal/encoder/media.js"
import * as Picture from "./internal/encoder/picture.js"
import * as Program from "./internal/encoder/program.js"
import * as Recipe from "./internal/encoder/recipe.js"
import type { Refusal } from "./internal/encoder/refusal.js"
import * as Values from "./internal/encoder/values.js"
import { inLine } from "./internal/text/line.js"

/**
 * What is known of a file. Names and units are Panda's: durations are milliseconds, bitrates kbit/s, sizes
 * bytes, and what does not apply is null.
 *
 * @since 0.2.0
 * @category models
 */
export interface Facts extends Media.Facts {}

/**
 * A file that was looked into. `metadata` is what `Videos.metadata` shows of it.
 *
 * @since 0.2.0
 * @category models
 */
export interface Source {
  readonly facts: Facts
  readonly metadata: Readonly<Record<string, string | number>>
}

/**
 * One of the streams that a playlist offers: where it is, as seen from the playlist, and what it is.
 *
 * @since 0.2.0
 * @category models
 */
export interface Variant {
  readonly uri: string
  readonly facts: Facts
}

/**
 * What is to be encoded.
 *
 * @since 0.2.0
 * @category models
 */
export interface Job {
  /** The file that is read. */
  readonly source: string
  /** Whether an encoder has made it. Only then may it be a playlist: one that came from outside could name any file. */
  readonly own?: boolean | undefined
  /** Where the files are put. It exists, and is empty. */
  readonly folder: string
  /** The attributes of the profile. */
  readonly profile: Readonly<Record<string, unknown>>
  /** A picture, for a profile with `watermark_url`. */
  readonly watermark?: string | undefined
  /** For a profile of the preset `hls.variant.playlist`. */
  readonly variants?: ReadonlyArray<Variant> | undefined
  /** Percent, a few times in a second, never backwards. */
  readonly onProgress?: ((percent: number) => Effect.Effect<void>) | undefined
}

/**
 * What was made. Files are named by what follows their common beginning, which in the folder is `out`: `.mp4`, or
 * `.m3u8` and `_0.ts`.
 *
 * @since 0.2.0
 * @category models
 */
export interface Made {
  /** The main one comes first. */
  readonly files: ReadonlyArray<string>
  /** Pictures of it: `_1.jpg`, `_2.jpg` and so on. */
  readonly screenshots: ReadonlyArray<string>
  readonly facts: Facts
  /** What was run, and what it said. */
  readonly log: string
}

/**
 * Nothing could be made. `error_class` and `error_message` are what Panda shows of it: `CommandInvalid` if
 * the profile asks for what cannot be done, `FormatNotRecognised` if the source is neither a video nor a sound,
 * `FileNotFound`, `HLSVariantsNotFound`, `EncodingError` for what else goes wrong with the source, and `UnexpectedError`
 * for what goes wrong with the machine.
 *
 * @since 0.2.0
 * @category errors
 */
export class EncoderError extends Schema.TaggedError<EncoderError>()("EncoderError", {
  error_class: Schema.String,
  error_message: Schema.String,
  log: Schema.optional(Schema.String)
}) {
  override get message(): string {
    return `${this.error_class}: ${this.error_message}`
  }
}

/**
 * The programs that `layerFfmpeg` runs are not there.
 *
 * @since 0.2.0
 * @category errors
 */
export class EncoderUnavailable extends Schema.TaggedError<EncoderUnavailable>()("EncoderUnavailable", {
  program: Schema.String
}) {
  override get message(): string {
    return `${this.program} cannot be run: install ffmpeg (Debian and Ubuntu: apt-get install ffmpeg; ` +
      "macOS: brew install ffmpeg; Windows: winget install ffmpeg)"
  }
}

/**
 * The service that an emulator encodes with.
 *
 * @since 0.2.0
 * @category tags
 */
export class Encoder extends Context.Tag("effect-panda/Encoder")<Encoder, Encoder.Service>() {}

/**
 * Holds the type of the service.
 *
 * @since 0.2.0
 * @category models
 */
export declare namespace Encoder {
  /**
   * What an emulator asks of an encoder. Who does not wait any longer for `encode` has its programs killed.
   *
   * @since 0.2.0
   * @category models
   */
  export interface Service {
    /** Why a profile with these attributes is not to be accepted: its `command` could never be run. */
    readonly refuses: (profile: Readonly<Record<string, unknown>>) => string | undefined
    /** Looks into a file. */
    readonly probe: (path: string) => Effect.Effect<Source, EncoderError>
    /** Puts a picture from the middle of a video into a file. One without pictures leaves none. */
    readonly preview: (path: string, target: string) => Effect.Effect<void, EncoderError>
    readonly encode: (job: Job) => Effect.Effect<Made, EncoderError>
  }
}

/**
 * How `ffmpeg` is run. All of it is optional.
 *
 * @since 0.2.0
 * @category models
 */
export interface FfmpegOptions {
  /** The programs, by name or path. */
  readonly ffmpeg?: string | undefined
  readonly ffprobe?: string | undefined
  /** How many encodings go on at once; what comes later waits. 2 by default: give the number of cores. */
  readonly concurrency?: number | undefined
  /** How long one encoding may take: an hour by default. */
  readonly timeLimit?: Duration.DurationInput | undefined
  /** How many bytes the files of one encoding may have together: 4 GiB by default. */
  readonly sizeLimit?: number | undefined
}

const GIB = 1024 ** 3

/**
 * What a program may take at once, in bytes: room for a picture of 8192x4320 in 24 bits, and none for the bomb that
 * a small file can be.
 */
const MEMORY = ["-max_alloc", String(128 * 1024 * 1024)]

/** How long a look into a file may take. */
const PATIENCE = "30 seconds"

/**
 * An encoder that runs `ffmpeg`.
 *
 * @since 0.2.0
 * @category constructors
 */
export const makeFfmpeg = (
  options: FfmpegOptions = {}
): Effect.Effect<
  Encoder.Service,
  EncoderUnavailable,
  CommandExecutor.CommandExecutor | FileSystem.FileSystem
> =>
  Effect.gen(function*() {
    const executor = yield* CommandExecutor.CommandExecutor
    const fs = yield* FileSystem.FileSystem
    const { ffmpeg = "ffmpeg", ffprobe = "ffprobe", sizeLimit = 4 * GIB, timeLimit = "1 hour" } = options
    const concurrency = Math.max(1, Math.floor(options.concurrency ?? 2))
    const [encodings, looks] = yield* Effect.all([Effect.makeSemaphore(concurrency), Effect.makeSemaphore(concurrency)])

    for (const program of [ffmpeg, ffprobe]) {
      const ran = yield* Effect.option(
        Program.run(executor, program, ["-hide_banner", "-version"], { timeLimit: PATIENCE })
      )
      if (ran._tag === "None" || ran.value?.code !== 0) return yield* new EncoderUnavailable({ program })
    }

    const sizeOf = (path: string) => Effect.map(fs.stat(path), ({ size }) => Number(size))

    const look = (path: string, own = false): Effect.Effect<Media.Media, EncoderError> =>
      Effect.gen(function*() {
        if (!(yield* fs.exists(path))) {
          return yield* new EncoderError({ error_class: "FileNotFound", error_message: "The source file is not there" })
        }
        const ran = yield* Program.run(executor, ffprobe, [
          ...MEMORY,
          "-v",
          "error",
          ...Recipe.guarded({ own, source: path }),
          "-of",
          "json",
          "-show_format",
          "-show_streams",
          "-i",
          `file:${path}`
        ], { timeLimit: PATIENCE })
        const media = ran?.code === 0 ? Media.read(parseJson(ran.stdout), yield* sizeOf(path)) : undefined
        return media ?? (yield* notRecognised)
      }).pipe(unexpected, looks.withPermits(1))

    /** The names of the files in the folder that were made, those of a sequence in its order, with all their bytes. */
    const made = (folder: string) =>
      Effect.gen(function*() {
        // What the first of two passes has noted is of no use any more.
        const names = (yield* fs.readDirectory(folder)).filter((name) => /^out(?![.]pass-)/.test(name))
        const sizes = yield* Effect.forEach(names, (name) => sizeOf(`${folder}/${name}`))
        return {
          suffixes: names.map((name) => name.slice("out".length)).sort(
            new Intl.Collator("en", { numeric: true }).compare
          ),
          size: sizes.reduce((sum, size) => sum + size, 0)
        }
      })

    const transcode = (job: Job, args: ReadonlyArray<string>, share: Share) =>
      Effect.gen(function*() {
        const ran = yield* Program.run(executor, ffmpeg, [
          ...MEMORY,
          "-hide_banner",
          "-nostdin",
          "-nostats",
          "-y",
          "-v",
          "warning",
          "-progress",
          "pipe:1",
          ...args
        ], {
          timeLimit,
          folder: job.folder,
          onLine: (line) =>
            Effect.zipRight(
              share.onLine(line),
              // It comes after each round of figures.
              line.startsWith("progress=") ? checkSize(job.folder) : Effect.void
            )
        })
        share.log.push(logOf(job, args, ran))
        if (ran === undefined) return yield* failed("The encoding took too long", share.log)
        if (ran.code !== 0) return yield* failed(complaint(job, ran.stderr), share.log)
      })

    /** Interrupts what makes too much. */
    const checkSize = (folder: string): Effect.Effect<void> =>
      Effect.flatMap(
        Effect.orElseSucceed(made(folder), () => ({ size: 0 })),
        ({ size }) => size > sizeLimit ? Effect.die(tooLarge) : Effect.void
      )

    /** Of these moments; where there is nothing to see at one, of the beginning. */
    const pictures = (
      job: Job,
      of: Pick<Recipe.Files, "own" | "source">,
      { facts, video }: Media.Media,
      filters: (at: number) => ReadonlyArray<string>,
      extname: string
    ) =>
      Effect.gen(function*() {
        if (video === undefined) return []
        const moments = yield* orFail(Picture.moments(job.profile, facts))
        return yield* Effect.forEach(moments, (at, i) => {
          const target = `${job.folder}/out_${i + 1}${extname}`
          return Effect.as(take(of, video, at, filters, target), `_${i + 1}${extname}`)
        })
      })

    const take = (
      of: Pick<Recipe.Files, "own" | "source">,
      video: number,
      at: number,
      filters: (at: number) => ReadonlyArray<string>,
      target: string
    ): Effect.Effect<void, EncoderError | PlatformError> =>
      Effect.gen(function*() {
        const ran = yield* Program.run(
          executor,
          ffmpeg,
          [
            ...MEMORY,
            "-hide_banner",
            "-nostdin",
            "-y",
            "-v",
            "error",
            ...Recipe.picture(of, video, at, filters(at), target)
          ],
          { timeLimit: PATIENCE }
        )
        const there = ran?.code === 0 && (yield* fs.exists(target)) && (yield* sizeOf(target)) > 0
        if (there) return
        if (at > 0) return yield* take(of, video, 0, filters, target)
        return yield* failed("No picture could be taken")
      })

    const encode = (job: Job): Effect.Effect<Made, EncoderError> =>
      Effect.gen(function*() {
        const files: Recipe.Files = {
          source: job.source,
          own: job.own === true,
          watermark: job.watermark,
          output: (suffix) => `${job.folder}/out${suffix}`
        }
        if (job.profile["preset_name"] === "hls.variant.playlist") return yield* playlist(job)
        const source = yield* look(job.source, files.own)
        const plan = yield* orFail(Recipe.plan(job.profile, source, files))
        if (Values.flag(job.profile, "add_timestamp") && !(yield* draws)) {
          return yield* new EncoderError({
            error_class: "CommandInvalid",
            error_message: "add_timestamp is not supported by this ffmpeg: it has no filter drawtext"
          })
        }
        const { encryption } = plan
        if (encryption !== undefined) yield* hide(job.folder, encryption)
        const share = shareOf(job, plan)
        for (const args of plan.runs) {
          yield* transcode(job, args, share)
          share.done++
        }
        const log = share.log.join("\n")
        if (plan.pictures === "source") {
          const filters = yield* orFail(Picture.filters(job.profile, source.facts))
          const taken = yield* pictures(
            job,
            files,
            source,
            (at) => [...filters, ...Picture.timestamp(job.profile, at)],
            plan.extname
          )
          const facts = taken.length === 0 ? undefined : yield* factsOfPicture(`${job.folder}/out${taken[0]}`)
          yield* job.onProgress?.(100) ?? Effect.void
          return { files: taken, screenshots: [], facts: { ...source.facts, ...facts }, log }
        }
        const { suffixes } = yield* made(job.folder)
        if (!suffixes.includes(plan.extname)) return yield* failed("Nothing was made", share.log)
        const result = yield* Effect.catchTag(
          look(files.output(plan.extname), true),
          "EncoderError",
          () => failed("What was made cannot be played", share.log)
        )
        const screenshots = plan.pictures === "result"
          ? yield* pictures(
            // Offsets and intervals are those of profiles whose pictures are all they make.
            { ...job, profile: { frame_count: job.profile["frame_count"] } },
            { own: true, source: files.output(plan.extname) },
            result,
            () => [],
            ".jpg"
          )
          : []
        if (encryption?.url !== undefined) yield* point(job.folder, plan.extname, encryption.url)
        const others = suffixes.filter((suffix) =>
          suffix !== plan.extname && (suffix !== Encryption.KEY || encryption?.url === undefined)
        )
        const sizes = yield* Effect.forEach([plan.extname, ...others], (suffix) => sizeOf(files.output(suffix)))
        yield* job.onProgress?.(100) ?? Effect.void
        return {
          files: [plan.extname, ...others],
          screenshots,
          facts: { ...result.facts, file_size: sizes.reduce((sum, size) => sum + size, 0) },
          log
        }
      }).pipe(
        Effect.catchAllDefect((defect) =>
          defect === tooLarge ? failed(`The encoding has more than ${sizeLimit} bytes`) : Effect.die(defect)
        ),
        unexpected,
        encodings.withPermits(1)
      )

    /** Whether this ffmpeg has what a timestamp is written with. */
    const draws = yield* Effect.cached(
      Effect.map(
        Effect.orElseSucceed(
          Program.run(executor, ffmpeg, ["-hide_banner", "-filters"], { timeLimit: PATIENCE }),
          () => undefined
        ),
        (ran) => /\sdrawtext\s/.test(ran?.stdout ?? "")
      )
    )

    /** Puts the key where `ffmpeg` takes it from. */
    const hide = (folder: string, encryption: Encryption.Encryption) =>
      Effect.zipRight(
        fs.writeFile(`${folder}/out${Encryption.KEY}`, encryption.key ?? randomBytes(16)),
        fs.writeFileString(`${folder}/${Encryption.INFO}`, Encryption.info(encryption))
      )

    /** Sends players elsewhere for the key, which then is nothing that is made. */
    const point = (folder: string, extname: string, url: string) =>
      Effect.gen(function*() {
        const path = `${folder}/out${extname}`
        yield* fs.writeFileString(path, Encryption.pointed(yield* fs.readFileString(path), url))
        yield* fs.remove(`${folder}/out${Encryption.KEY}`)
      })

    /** A picture is no video, so its size is all that is asked for. */
    const factsOfPicture = (path: string) =>
      Effect.gen(function*() {
        const ran = yield* Program.run(
          executor,
          ffprobe,
          [
            ...MEMORY,
            "-v",
            "error",
            "-protocol_whitelist",
            "file",
            "-of",
            "json",
            "-show_streams",
            "-i",
            `file:${path}`
          ],
          { timeLimit: PATIENCE }
        )
        return {
          ...Media.sizeOf(parseJson(ran?.stdout ?? "")),
          mime_type: "image/jpeg",
          file_size: yield* sizeOf(path)
        }
      })

    const playlist = (job: Job) =>
      Effect.gen(function*() {
        const { variants = [] } = job
        yield* orFail(Recipe.refusesPlaylist(job.profile))
        if (variants.length === 0) {
          return yield* new EncoderError({
            error_class: "HLSVariantsNotFound",
            error_message: "The video has no HLS encodings whose profiles match the variants"
          })
        }
        const text = Recipe.playlist(variants)
        yield* fs.writeFileString(`${job.folder}/out.m3u8`, text)
        yield* job.onProgress?.(100) ?? Effect.void
        const [{ facts }] = variants as [Variant]
        return {
          files: [".m3u8"],
          screenshots: [],
          facts: { ...facts, file_size: new TextEncoder().encode(text).length },
          log: ""
        }
      })

    return {
      refuses: (profile) => {
        if (profile["preset_name"] !== undefined && profile["preset_name"] !== null) return undefined
        const checked = Either.all([Command.parse(String(profile["command"] ?? "")), Values.extname(profile, "")])
        return Either.isLeft(checked) ? checked.left.error_message : undefined
      },
      probe: (path) => Effect.map(look(path), ({ facts, metadata }) => ({ facts, metadata })),
      preview: (path, target) =>
        Effect.flatMap(look(path), ({ facts, video }) =>
          video === undefined
            ? Effect.void
            : take({ own: false, source: path }, video, (facts.duration ?? 0) / 2000, () => [], target)).pipe(
            unexpected
          ),
      encode
    }
  })

/**
 * An encoder that runs `ffmpeg`, or `EncoderUnavailable` where there is none.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerFfmpeg = (
  options?: FfmpegOptions
): Layer.Layer<Encoder, EncoderUnavailable, CommandExecutor.CommandExecutor | FileSystem.FileSystem> =>
  Layer.effect(Encoder, makeFfmpeg(options))

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const tooLarge = Symbol.for("effect-panda/Encoder/tooLarge")

const failed = (error_message: string, log: ReadonlyArray<string> = []): EncoderError =>
  new EncoderError({ error_class: "EncodingError", error_message, log: log.join("\n") })

const notRecognised = new EncoderError({
  error_class: "FormatNotRecognised",
  error_message: "The file is neither a video nor a sound that can be read"
})

const orFail = <A>(either: Either.Either<A, Refusal>): Effect.Effect<A, EncoderError> =>
  Effect.mapError(either, (refusal) => new EncoderError(refusal))

/** What the machine cannot do is not the fault of a source or a profile. */
const unexpected = <A, R>(
  effect: Effect.Effect<A, EncoderError | PlatformError, R>
): Effect.Effect<A, EncoderError, R> =>
  Effect.mapError(effect, (error) =>
    error._tag === "EncoderError"
      ? error
      : new EncoderError({
        error_class: "UnexpectedError",
        error_message: /ENOSPC|EDQUOT/.test(String(error.cause ?? error.message))
          ? "The disk is full"
          : "A file could not be read or written"
      }))

/** How far the runs of a job have come together. */
interface Share {
  done: number
  readonly log: Array<string>
  readonly onLine: (line: string) => Effect.Effect<void>
}

const shareOf = ({ onProgress }: Job, { runs, seconds }: Recipe.Plan): Share => {
  let told = 0
  const share: Share = {
    done: 0,
    log: [],
    onLine: (line) => {
      const micros = /^out_time_(?:us|ms)=(\d+)$/.exec(line)?.[1]
      if (micros === undefined || onProgress === undefined || seconds === undefined || seconds <= 0) return Effect.void
      const part = Math.min(1, Number(micros) / 1e6 / seconds)
      // 100 % comes when all is there.
      const percent = Math.min(99, Math.floor(100 * (share.done + part) / runs.length))
      if (percent <= told) return Effect.void
      told = percent
      return onProgress(percent)
    }
  }
  return share
}

/** Paths of this machine are nobody's business. */
const withoutPaths = ({ folder, source, watermark }: Job, text: string): string =>
  [[source, "SOURCE"], [watermark ?? "", "WATERMARK"], [`${folder}/`, ""]]
    .reduce((text, [path, name]) => path === "" ? text : text.replaceAll(path!, name!), text)

const complaint = (job: Job, stderr: string): string => {
  const lines = withoutPaths(job, stderr).replaceAll("file:", "").split("\n").map(inLine).filter((line) => line !== "")
  return lines.at(-1)?.slice(0, 200) ?? "ffmpeg failed"
}

const logOf = (job: Job, args: ReadonlyArray<string>, ran: Program.Ran | undefined): string =>
  [
    `$ ffmpeg ${withoutPaths(job, args.map((arg) => /[\s;,()'"\\]/.test(arg) ? JSON.stringify(arg) : arg).join(" "))}`,
    withoutPaths(job, ran?.stderr ?? "").trimEnd(),
    ran === undefined ? "(killed after too long a time)" : `(ended with ${ran.code})`,
    ""
  ].join("\n")
