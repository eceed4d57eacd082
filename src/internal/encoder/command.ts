/**
 * A profile's own `command` (contract 10): lines for `ffmpeg`, read without a shell. What it may say is listed, since
 * `ffmpeg` reads and writes any file and any address that an option names.
 */
import * as Either from "effect/Either"
import { check, invalid, type Refusal } from "./refusal.js"

/** What stands for something in a command: the bare value, and the whole option where one stands alone. */
export interface Placeholder {
  readonly value: string | undefined
  readonly option: ReadonlyArray<string>
}

export type Placeholders = (name: string) => Placeholder | undefined

/** A command whose every word is known to be harmless. */
export type Lines = ReadonlyArray<ReadonlyArray<string>>

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/))

/** (contract 10) */
const placeholders = words(`
  input_file output_file width height record_id filters audio_sample_rate audio_channels audio_bitrate video_quality
  video_bitrate max_audio_bitrate max_video_bitrate fps clip keyframes h264_profile h264_level resolution_and_padding
`)

/** Options that take a value, without what stands behind a colon. */
const valued = words(`
  i c codec vcodec acodec b vb ab r s aspect vf af filter ss t to f g bf refs keyint_min sc_threshold qmin qmax q qscale
  crf preset tune profile vprofile level pix_fmt maxrate minrate bufsize ar ac aq movflags threads map strict metadata
  qcomp qdiff me_method me_range subq trellis flags coder cmp deadline quality speed cpu-used auto-alt-ref
  lag-in-frames frames vframes aframes force_key_frames sws_flags fps_mode vsync async max_muxing_queue_size tag vtag
  atag bsf map_metadata color_primaries color_trc colorspace
`)

const plain = words("y an vn sn dn shortest hide_banner nostdin")

/** Formats that make one file, and it only. */
const formats = words("mp4 mov m4v ipod matroska webm ogg mp3 adts mpegts flv avi 3gp wav flac gif aac mpeg asf")

/** Filters that open no file. */
const filters = words(`
  scale crop pad setsar setdar yadif fps transpose hflip vflip format null eq hue volume aresample loudnorm pan trim
  atrim setpts asetpts fade afade unsharp hqdn3d split overlay anull aformat atempo channelmap highpass lowpass
`)

/** The words of each line; quotes hold one together. Lines end with a line break or a semicolon. */
const tokenize = (command: string): Either.Either<Lines, Refusal> => {
  const lines: Array<Array<string>> = [[]]
  let word: string | undefined
  let quote: string | undefined
  const endWord = () => {
    if (word !== undefined) lines.at(-1)!.push(word)
    word = undefined
  }
  for (const char of command) {
    if ("|&<>`\\\0".includes(char)) {
      return Either.left(invalid(`command must not have ${JSON.stringify(char)}: no shell runs it`))
    }
    if (quote === undefined ? char === "\"" || char === "'" : char === quote) {
      quote = quote === undefined ? char : undefined
      word ??= ""
    } else if (quote === undefined && (char === ";" || char === "\n")) {
      endWord()
      lines.push([])
    } else if (quote === undefined && /\s/.test(char)) endWord()
    else word = (word ?? "") + char
  }
  endWord()
  return quote === undefined
    ? Either.right(lines.filter((line) => line.length > 0))
    : Either.left(invalid("command has a quote that does not end"))
}

const PLACEHOLDER = /\$(\w+)\$/g

const checkWord = (word: string): Either.Either<void, Refusal> => {
  const unknown = [...word.matchAll(PLACEHOLDER)].map(([, name]) => name!).find((name) => !placeholders.has(name))
  if (unknown !== undefined) return Either.left(invalid(`command has $${unknown}$, which stands for nothing`))
  return check(
    !word.replace(PLACEHOLDER, "").includes("$"),
    () => invalid("command must not have \"$\" but around the name of a placeholder: no shell runs it")
  )
}

const checkFilters = (graph: string): Either.Either<void, Refusal> => {
  if (/['"]/.test(graph)) return Either.left(invalid("command has quotes in a filter, which are not supported"))
  const unknown = graph.replace(PLACEHOLDER, "null").split(/[,;]/)
    // As ffmpeg reads it, space around a name is none of it.
    .map((filter) => filter.replace(/\[[^\]]*\]/g, "").replace(/[=@].*$/s, "").trim())
    .find((name) => name !== "" && !filters.has(name))
  return check(unknown === undefined, () => invalid(`command has the filter ${unknown}, which is not supported`))
}

const checkLine = (line: ReadonlyArray<string>): Either.Either<void, Refusal> =>
  Either.gen(function*() {
    const [program, ...rest] = line
    yield* check(program === "ffmpeg", () => invalid("command must run ffmpeg, and nothing else"))
    let inputs = 0
    let outputs = 0
    for (let i = 0; i < rest.length; i++) {
      const word = rest[i]!
      yield* checkWord(word)
      if (word === "$output_file$") {
        outputs++
        continue
      }
      if (/^\$\w+\$$/.test(word) && word !== "$input_file$") continue
      const [name = "", ...specifier] = word.replace(/^-/, "").split(":")
      yield* check(
        word.startsWith("-") && (valued.has(name) || plain.has(name)) && /^[\w:]*$/.test(specifier.join(":")),
        () => invalid(`command has ${word}, which is not supported`)
      )
      if (plain.has(name)) continue
      const value = rest[++i]
      if (value === undefined) return yield* Either.left(invalid(`command has no value for ${word}`))
      yield* checkWord(value)
      if (name === "i") {
        inputs++
        yield* check(value === "$input_file$", () => invalid("command must read $input_file$, and nothing else"))
      } else {
        yield* check(!/\$(input|output)_file\$/.test(value), () => invalid(`command has a file as ${word}`))
      }
      if (name === "f") {
        yield* check(formats.has(value), () => invalid(`command has the format ${value}: not supported`))
      }
      if (name === "vf" || name === "af" || name === "filter") yield* checkFilters(value)
      // A filter of bitstreams has no files, but one writes what it is told.
      if (name === "bsf") yield* check(/^[a-z0-9_]+$/.test(value), () => invalid("command has options in -bsf"))
    }
    yield* check(inputs > 0, () => invalid("command must read $input_file$"))
    yield* check(outputs === 1, () => invalid("command must write $output_file$, once in each line"))
    yield* check(rest.at(-1) === "$output_file$", () => invalid("command must end its lines with $output_file$"))
  })

/** How many lines a command may have, and how many characters. */
const LINES = 10
const LONGEST = 5000

/** The lines of a command, or why it is not run. */
export const parse = (command: string): Either.Either<Lines, Refusal> =>
  Either.gen(function*() {
    yield* check(command.length <= LONGEST, () => invalid(`command must not have more than ${LONGEST} characters`))
    const lines = yield* tokenize(command)
    yield* check(
      lines.length > 0 && lines.length <= LINES,
      () => invalid(`command must have 1 to ${LINES} lines`)
    )
    for (const line of lines) yield* checkLine(line)
    return lines
  })

/**
 * The arguments of each line. Where an option's value is wanted a placeholder is a bare value; where none is, it is the
 * whole option, or nothing if the profile does not say.
 */
export const fill = (lines: Lines, known: Placeholders): Either.Either<Lines, Refusal> =>
  Either.gen(function*() {
    const filled: Array<ReadonlyArray<string>> = []
    for (const [, ...line] of lines) {
      const args: Array<string> = []
      let wanted = false
      for (const word of line) {
        const alone = /^\$(\w+)\$$/.exec(word)?.[1]
        if (alone !== undefined && !wanted && alone !== "output_file") {
          args.push(...known(alone)?.option ?? [])
          continue
        }
        const empty = [...word.matchAll(PLACEHOLDER)].map(([, name]) => name!)
          .find((name) => known(name)?.value === undefined)
        if (empty !== undefined) {
          return yield* Either.left(invalid(`command has $${empty}$, for which the profile has no value`))
        }
        args.push(word.replace(PLACEHOLDER, (_, name: string) => known(name)!.value!))
        wanted = !wanted && valued.has(word.replace(/^-/, "").split(":")[0]!) && word.startsWith("-")
      }
      filled.push(args)
    }
    return filled
  })
