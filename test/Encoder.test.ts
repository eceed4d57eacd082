import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Fiber } from "effect"
import * as Encoder from "effect-panda/Encoder"
import { execFileSync } from "node:child_process"
import { createDecipheriv } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { deflateSync } from "node:zlib"
import { folder, probe, sample, synthesize, test } from "./ffmpeg.js"

const encoder = Encoder.Encoder

let jobs = 0

/** Encodes the sample, unless told otherwise; the files are in `at`. */
const encode = (profile: Encoder.Job["profile"], job: Partial<Encoder.Job> = {}) =>
  Effect.gen(function*() {
    const at = `${yield* folder}/job ${++jobs}`
    mkdirSync(at)
    const made = yield* (yield* encoder).encode({ source: sample, folder: at, profile, ...job })
    return { ...made, at, main: `${at}/out${made.files[0]}` }
  })

const refused = (profile: Encoder.Job["profile"], job?: Partial<Encoder.Job>) => Effect.flip(encode(profile, job))

const video = (path: string) => probe(path).streams.find((stream) => stream["codec_type"] === "video")

describe("what is found out about a source", () => {
  test(
    "is what it is",
    Effect.gen(function*() {
      const { facts, metadata } = yield* (yield* encoder).probe(sample)
      assert.deepStrictEqual(facts, {
        width: 320,
        height: 180,
        fps: 24,
        duration: 4000,
        video_codec: "h264",
        audio_codec: "aac",
        video_bitrate: 138,
        audio_bitrate: facts.audio_bitrate,
        audio_channels: 1,
        audio_sample_rate: 44100,
        mime_type: "video/mp4",
        file_size: readFileSync(sample).length
      })
      assert.deepInclude(metadata, { image_width: 320, duration: "4.00 s", audio_format: "aac", rotation: 0 })
    })
  )

  test(
    "is nothing, if it is no video, or one that leads elsewhere",
    Effect.gen(function*() {
      const at = yield* folder
      const secret = `${at}/secret.ts`
      synthesize(secret, `-i ${sample} -c copy -f mpegts`)
      const files: Record<string, string | Uint8Array> = {
        "text.mp4": "this is not a video\n".repeat(100),
        "empty.mp4": "",
        "zero.mp4": new Uint8Array(100_000),
        // Formats that name other files: what they name would end in the result.
        "list.mp4": `#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://${secret}\n#EXT-X-ENDLIST\n`,
        "list.m3u8": `#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n${secret}\n#EXT-X-ENDLIST\n`,
        "concat.mp4": `ffconcat version 1.0\nfile ${secret}\n`,
        "session.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
        "cut.mp4": readFileSync(sample).subarray(0, 2000)
      }
      for (const [name, content] of Object.entries(files)) {
        writeFileSync(`${at}/${name}`, content)
        const error = yield* Effect.flip((yield* encoder).probe(`${at}/${name}`))
        assert.strictEqual(error.error_class, "FormatNotRecognised", name)
        const encoded = yield* refused({ preset_name: "h264" }, { source: `${at}/${name}` })
        assert.strictEqual(encoded.error_class, "FormatNotRecognised", name)
      }
      assert.strictEqual((yield* Effect.flip((yield* encoder).probe(`${at}/none.mp4`))).error_class, "FileNotFound")
    })
  )

  test(
    "is not unfolded, if it is small and would be large",
    Effect.gen(function*() {
      const at = yield* folder
      const chunk = (type: string, data: Uint8Array) => {
        const length = Buffer.alloc(4)
        length.writeUInt32BE(data.length)
        return Buffer.concat([length, Buffer.from(type), data, Buffer.alloc(4)])
      }
      const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0])
      header.writeUInt32BE(16_000, 0)
      header.writeUInt32BE(16_000, 4)
      const watermark = `${at}/bomb.png`
      writeFileSync(
        watermark,
        Buffer.concat([
          Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
          chunk("IHDR", header),
          chunk("IDAT", deflateSync(Buffer.alloc(1_000_000))),
          chunk("IEND", Buffer.alloc(0))
        ])
      )
      const short = { frame_count: 0, clip_length: "0.1" }
      const marked = yield* encode({ preset_name: "h264", watermark_url: "http://example.com/", ...short }, {
        watermark
      })
      assert.include(marked.log, "Cannot allocate memory")
      const large = "ffmpeg -i $input_file$ -frames:v 1 -an -vf scale=16000:16000 $output_file$"
      assert.include((yield* refused({ command: large, extname: ".mp4" })).log, "Cannot allocate memory")
    })
  )

  test(
    "turns with the camera, and leaves the cover of a record aside",
    Effect.gen(function*() {
      const at = yield* folder
      const turned = synthesize(
        `${at}/turned.mp4`,
        `-display_rotation 90 -i ${sample} -c copy`.replace(
          /-display_rotation 90 /,
          // Older versions write it only as metadata.
          ""
        ) + " -metadata:s:v rotate=90"
      )
      const { facts } = yield* (yield* encoder).probe(turned)
      assert.deepStrictEqual([facts.width, facts.height], [180, 320])
      const cover = synthesize(
        `${at}/song.mp3`,
        `-i ${sample} -i ${
          synthesize(`${at}/cover.jpg`, `-i ${sample} -frames:v 1`)
        } -map 0:a -map 1:v -c:a libmp3lame -c:v copy`
      )
      const song = yield* (yield* encoder).probe(cover)
      assert.deepInclude(song.facts, { width: null, video_codec: null, audio_codec: "mp3", mime_type: "audio/mpeg" })
      assert.strictEqual(
        (yield* refused({ preset_name: "h264" }, { source: cover })).message,
        "EncodingError: The source has no video for h264"
      )
    })
  )
})

describe("presets", () => {
  const pictures = ["_1.jpg", "_2.jpg"]
  const size = { width: 160, height: 120, frame_count: 2 }
  const expected: ReadonlyArray<
    readonly [name: string, profile: Encoder.Job["profile"], video: string | undefined, audio: string]
  > = [
    ["h264", { ...size, h264_profile: "high", video_bitrate: 300, audio_bitrate: 96 }, "h264", "aac"],
    ["h264.hi", { ...size, two_pass: true, video_bitrate: 300, h264_profile: "main" }, "h264", "aac"],
    ["iphone", { ...size, h264_profile: "baseline", h264_level: "3.0", h264_crf: 30 }, "h264", "aac"],
    ["ipad", { ...size, h264_profile: "main", h264_level: 31, max_rate: 500, buffer_size: 1000 }, "h264", "aac"],
    ["webm", { ...size, video_bitrate: 200, audio_sample_rate: 44100 }, "vp8", "vorbis"],
    ["webm.hi", { ...size, video_bitrate: "auto" }, "vp8", "vorbis"],
    ["ogg", { ...size, video_bitrate: 300 }, "theora", "vorbis"],
    ["ogg.hi", { ...size, fps: 12 }, "theora", "vorbis"],
    ["mp3", { audio_bitrate: 192 }, undefined, "mp3"],
    ["aac", { audio_bitrate: 64, audio_channels: 2 }, undefined, "aac"],
    ["vorbis", { audio_sample_rate: 44100 }, undefined, "vorbis"]
  ]
  for (const [preset_name, profile, videoCodec, audioCodec] of expected) {
    test(
      preset_name,
      Effect.gen(function*() {
        const seen: Array<number> = []
        const onProgress = (percent: number) => Effect.sync(() => seen.push(percent))
        // Of one all, of the others a part.
        const [seconds, part] = preset_name === "h264" ? [4, {}] : [1, { clip_length: "1" }]
        const { facts, log, main, screenshots } = yield* encode({ preset_name, ...part, ...profile }, { onProgress })
        const { format, streams } = probe(main)
        const [picture, sound] = ["video", "audio"].map((type) =>
          streams.find((stream) => stream["codec_type"] === type)
        )
        assert.strictEqual(sound!["codec_name"], audioCodec)
        assert.strictEqual(picture?.["codec_name"], videoCodec)
        if (videoCodec !== undefined) assert.deepStrictEqual([picture!["width"], picture!["height"]], [160, 120])
        assert.approximately(Number(format["duration"]), seconds, 0.2)
        assert.deepInclude(facts, {
          width: videoCodec === undefined ? null : 160,
          height: videoCodec === undefined ? null : 120,
          video_codec: videoCodec ?? null,
          audio_codec: audioCodec,
          file_size: readFileSync(main).length
        })
        assert.deepStrictEqual(screenshots, videoCodec === undefined ? [] : pictures)
        for (const suffix of screenshots.slice(1)) {
          const jpeg = video(main.replace(/[.]\w+$/, suffix))!
          assert.deepInclude(jpeg, { codec_name: "mjpeg", width: 160, height: 120 })
        }
        assert.strictEqual(seen.at(-1), 100)
        assert.deepStrictEqual(seen, [...new Set(seen)].sort((a, b) => a - b))
        assert.include(log, "(ended with 0)")
        assert.notInclude(log, "/tmp")
        assert.strictEqual(log.split("$ ffmpeg").length - 1, profile["two_pass"] === true ? 2 : 1)
        if (preset_name === "iphone") assert.deepInclude(picture, { profile: "Constrained Baseline", level: 30 })
        if (preset_name === "ogg.hi") assert.strictEqual(facts.fps, 12)
      })
    )
  }

  test(
    "hls: pieces, sound alone, and a playlist of both that plays",
    Effect.gen(function*() {
      const long = synthesize(`${yield* folder}/long.mp4`, `-stream_loop 3 -i ${sample} -c copy`)
      const pieces = yield* encode({ preset_name: "hls.variant", video_bitrate: 200, frame_count: 1 }, { source: long })
      assert.deepStrictEqual(pieces.files, [".m3u8", "_0.ts", "_1.ts", "_2.ts"])
      assert.deepStrictEqual(pieces.screenshots, ["_1.jpg"])
      assert.deepInclude(pieces.facts, { width: 320, height: 180, mime_type: "application/vnd.apple.mpegurl" })
      const sound = yield* encode({ preset_name: "hls.variant.audio", audio_bitrate: 56 }, { source: long })
      assert.strictEqual(video(sound.main), undefined)
      const variants = [pieces, sound].map(({ facts, main }) => ({ uri: main, facts }))
      const list = yield* encode({ preset_name: "hls.variant.playlist" }, { variants })
      assert.include(readFileSync(list.main, "utf8"), "RESOLUTION=320x180")
      assert.approximately(Number(probe(list.main).format["duration"]), 16, 0.5)
      assert.strictEqual(
        (yield* refused({ preset_name: "hls.variant.playlist" })).error_class,
        "HLSVariantsNotFound"
      )
      // What this encoder has made may be made into something else; the same from outside may not.
      const again = yield* encode({ preset_name: "h264", frame_count: 0 }, { source: pieces.main, own: true })
      assert.approximately(again.facts.duration!, 16_000, 500)
      assert.strictEqual(
        (yield* refused({ preset_name: "h264" }, { source: pieces.main })).error_class,
        "FormatNotRecognised"
      )
    })
  )

  test(
    "pictures: so many, at these moments, every so often",
    Effect.gen(function*() {
      const taken = (profile: Encoder.Job["profile"]) =>
        encode({ preset_name: "jpeg", width: 80, height: 60, ...profile })
      const counted = yield* taken({ frame_count: 3 })
      assert.deepStrictEqual(counted.files, ["_1.jpg", "_2.jpg", "_3.jpg"])
      assert.deepInclude(counted.facts, { width: 80, height: 60, mime_type: "image/jpeg" })
      // The last one lies beyond the end: it is taken from the beginning.
      assert.strictEqual((yield* taken({ frame_offsets: "0s, 48f, 100s" })).files.length, 3)
      assert.strictEqual((yield* taken({ frame_interval: "24f" })).files.length, 4)
      assert.deepStrictEqual((yield* taken({ frame_count: 0 })).files, [])
      for (const profile of [{ frame_interval: "0.5f" }, { frame_count: 1000 }, { frame_offsets: "soon" }]) {
        assert.strictEqual((yield* refused({ preset_name: "thumbnail", ...profile })).error_class, "CommandInvalid")
      }
    })
  )
})

describe("what a profile says", () => {
  const made = (profile: Encoder.Job["profile"], job?: Partial<Encoder.Job>) =>
    Effect.map(encode({ preset_name: "h264", frame_count: 0, ...profile }, job), ({ facts }) => facts)

  test(
    "size and shape",
    Effect.gen(function*() {
      const sized = (profile: Encoder.Job["profile"]) =>
        Effect.map(
          made({ width: 200, height: 200, clip_length: "0.5", ...profile }),
          ({ height, width }) => [width, height]
        )
      assert.deepStrictEqual(yield* sized({}), [200, 200])
      assert.deepStrictEqual(yield* sized({ aspect_mode: "constrain" }), [200, 112])
      assert.deepStrictEqual(yield* sized({ aspect_mode: "preserve" }), [320, 180])
      assert.deepStrictEqual(yield* sized({ aspect_mode: "crop" }), [200, 200])
      assert.deepStrictEqual(yield* sized({ aspect_mode: "pad", width: 401 }), [400, 200])
      assert.deepStrictEqual(yield* sized({ height: null }), [200, 112])
      assert.deepStrictEqual(yield* sized({ width: "", deinterlace: true }), [356, 200])
      assert.deepStrictEqual(yield* sized({ width: 640, height: 480, upscale: false }), [320, 180])
    })
  )

  test(
    "a clip, and a watermark",
    Effect.gen(function*() {
      const clip = yield* made({ clip_offset: "00:00:01", clip_length: "00:00:02", keyframe_interval: 12 })
      assert.approximately(clip.duration!, 2000, 100)
      const at = yield* folder
      const black = synthesize(`${at}/black.mp4`, "-f lavfi -i color=black:s=320x180:d=1 -pix_fmt yuv420p")
      const watermark = synthesize(`${at}/mark.png`, "-f lavfi -i color=red:s=64x64 -frames:v 1")
      const { main } = yield* encode({
        preset_name: "h264",
        frame_count: 0,
        watermark_url: "http://example.com/mark.png",
        watermark_right: 0,
        watermark_bottom: "50%",
        watermark_width: 32
      }, { source: black, watermark })
      const pixel = (x: number, y: number) =>
        execFileSync("ffmpeg", [
          "-v",
          "error",
          "-i",
          main,
          "-vf",
          `crop=2:2:${x}:${y}`,
          "-frames:v",
          "1",
          "-f",
          "rawvideo",
          "-pix_fmt",
          "rgb24",
          "-"
        ])[0]!
      assert.isAbove(pixel(300, 76), 150)
      assert.isBelow(pixel(270, 76), 50)
      assert.isBelow(pixel(300, 110), 50)
    })
  )

  test(
    "options for x264, which say themselves what they were",
    Effect.gen(function*() {
      const { main } = yield* encode({
        preset_name: "h264",
        frame_count: 0,
        clip_length: "0.5",
        x264_options: "ref=2 : bframes=0:no-mbtree:psy-rd=0.5,0.1"
      })
      const said = readFileSync(main, "latin1")
      for (const option of ["ref=2 ", "bframes=0 ", "mbtree=0 ", "psy_rd=0.50:0.10 "]) assert.include(said, option)
    })
  )

  test(
    "the time of the source, burnt in",
    Effect.gen(function*() {
      const black = synthesize(
        `${yield* folder}/black.mp4`,
        "-f lavfi -i color=black:s=320x180:d=4:r=10 -pix_fmt yuv420p"
      )
      const job = { source: black }
      const common = { frame_count: 1, clip_offset: "1", clip_length: "2", add_timestamp: true }
      /** The brightest pixel of a part of a picture. */
      const brightest = (path: string, part: string) =>
        Math.max(...execFileSync("ffmpeg", [
          ..."-v error -i".split(" "),
          path,
          ..."-frames:v 1 -f rawvideo -pix_fmt gray -vf".split(" "),
          `crop=${part}`,
          "-"
        ]))
      const stamped = yield* encode({ preset_name: "h264", ...common }, job)
      assert.isAbove(brightest(stamped.main, "320:40:0:140"), 180)
      assert.isBelow(brightest(stamped.main, "320:130:0:0"), 50)
      assert.include(stamped.log, "hms\\\\:1}")
      const own = "ffmpeg -i $input_file$ $clip$ $filters$ -y $output_file$"
      for (
        const profile of [
          { command: own, extname: ".mp4", ...common },
          { preset_name: "jpeg", frame_offsets: "2s", add_timestamp: true }
        ]
      ) {
        assert.isAbove(brightest((yield* encode(profile, job)).main, "320:40:0:140"), 180)
      }
      const without = yield* refused({ command: own.replace("$filters$", ""), extname: ".mp4", ...common }, job)
      assert.strictEqual(without.message, "CommandInvalid: add_timestamp needs $filters$ in the command")
    })
  )

  /** An ffmpeg that lacks a filter. */
  test(
    "and no time, where ffmpeg cannot write",
    Effect.gen(function*() {
      const at = yield* folder
      const ffmpeg = `${at}/ffmpeg`
      writeFileSync(ffmpeg, "#!/bin/sh\nexec ffmpeg \"$@\" | grep -v drawtext\n", { mode: 0o755 })
      const { encode } = yield* Encoder.makeFfmpeg({ ffmpeg })
      mkdirSync(`${at}/job`)
      const profile = { preset_name: "h264", add_timestamp: true }
      assert.strictEqual(
        (yield* Effect.flip(encode({ source: sample, folder: `${at}/job`, profile }))).message,
        "CommandInvalid: add_timestamp is not supported by this ffmpeg: it has no filter drawtext"
      )
    })
  )

  test(
    "pieces that only the key opens",
    Effect.gen(function*() {
      const at = `${yield* folder}/50%d of it`
      const key = Buffer.from("0123456789abcdef")
      const hls = (more: Encoder.Job["profile"], name: string) => {
        mkdirSync(`${at}/${name}`, { recursive: true })
        return encode({ preset_name: "hls.variant", encryption: true, frame_count: 1, ...more }, {
          folder: `${at}/${name}`
        })
          .pipe(Effect.map((made) => ({ ...made, main: `${at}/${name}/out.m3u8` })))
      }
      const given = yield* hls({
        encryption_key: key.toString("base64"),
        encryption_iv: Buffer.alloc(16, 1).toString("base64"),
        encryption_key_url: "https://example.com/a\"b.key?of=me\n"
      }, "given")
      assert.deepStrictEqual(given.files, [".m3u8", "_0.ts"])
      assert.deepStrictEqual(given.screenshots, ["_1.jpg"])
      const list = readFileSync(given.main, "utf8")
      assert.include(list, `METHOD=AES-128,URI="https://example.com/a%22b.key?of=me",IV=0x${"01".repeat(16)}`)
      assert.isFalse(existsSync(`${at}/given/out.key`))
      const decipher = createDecipheriv("aes-128-cbc", key, Buffer.alloc(16, 1))
      const opened = Buffer.concat([decipher.update(readFileSync(`${at}/given/out_0.ts`)), decipher.final()])
      // What each packet of such a stream begins with.
      assert.deepStrictEqual([opened[0], opened[188], opened.length % 188], [0x47, 0x47, 0])
      assert.strictEqual(
        given.facts.file_size,
        given.files.reduce((sum, suffix) => sum + readFileSync(`${at}/given/out${suffix}`).length, 0)
      )

      const made = yield* hls({}, "made")
      assert.deepStrictEqual(made.files, [".m3u8", "_0.ts", ".key"])
      assert.lengthOf(readFileSync(`${at}/made/out.key`), 16)
      assert.notStrictEqual(readFileSync(`${at}/made/out_0.ts`)[0], 0x47)
      const again = yield* encode({ preset_name: "mp3" }, { source: made.main, own: true })
      assert.approximately(again.facts.duration!, 4000, 200)
    })
  )

  test(
    "and what cannot be done, by name",
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [Encoder.Job["profile"], string]> = [
        [
          { preset_name: "hss" },
          "The preset hss is not supported by this encoder: ffmpeg makes no Smooth Streaming. Use hls.variant"
        ],
        [{ preset_name: "constructor" }, "The preset constructor is not supported by this encoder"],
        [{ width: 100_000 }, "width must be a number from 2 to 4096"],
        [{ fps: "many" }, "fps must be a number from 1 to 240"],
        [
          { aspect_mode: "round" },
          "aspect_mode must be one of letterbox, pad, constrain, preserve, crop, fill, stretch"
        ],
        [{ encryption: true }, "encryption is for hls.variant and hls.variant.audio only"],
        [{ preset_name: "webm", x264_options: "ref=1" }, "x264_options is for presets of H.264 only"],
        [{ preset_name: "mp3", add_timestamp: true }, "add_timestamp is for what has pictures only"],
        [{ x264_options: "stats=/etc/passwd" }, "x264_options has \"stats=/etc/passwd\", which is not supported"],
        ...[
          "stats=x",
          "dump-yuv=x",
          "qpfile=x",
          "cqmfile=x",
          "tcfile-in=x",
          "opencl-clbin=x",
          "zones=0,1,q=1",
          "no-stats",
          "ref=1:",
          "ref=a b",
          "ref=1\nstats=x",
          "REF=1"
        ].map((x264_options) =>
          [
            { x264_options },
            `x264_options has ${JSON.stringify(x264_options.replace(/^ref=1:/, ""))}, which is not supported`
          ] as const
        ),
        [
          { preset_name: "hls.variant", encryption: true, encryption_key: "c2hvcnQ=" },
          "encryption_key must be 16 bytes in Base64"
        ],
        [
          { preset_name: "hls.variant", encryption: true, encryption_iv: "/etc" },
          "encryption_iv must be 16 bytes in Base64"
        ],
        [
          { preset_name: "hls.variant", encryption: true, encryption_key_url: "file:///etc/passwd" },
          "encryption_key_url must be an address of http or https"
        ],
        [
          { preset_name: "hls.variant", encryption: true, encryption_key_url: "http://example.com/key" },
          "encryption_key_url needs the encryption_key that is there"
        ],
        [{ clip_length: "a while" }, "clip_length must be a time, such as 00:01:30"],
        [{ extname: "/../../x" }, "extname must be a dot and letters or digits, such as .mp4"],
        [{ watermark_left: "0;movie=/etc/passwd" }, "watermark_left must be a number from -4096 to 4096"]
      ]
      // All of one file, of which ffprobe says always the same.
      const said = `${yield* folder}/said`
      const ffprobe = `${said}.sh`
      const script = [
        `case "$*" in *-version) exit;; esac`,
        `[ -e ${said} ] || { ffprobe "$@" > ${said}.new && mv ${said}.new ${said}; }`,
        `exec cat ${said}`
      ]
      writeFileSync(ffprobe, ["#!/bin/sh", ...script].join("\n"), { mode: 0o755 })
      yield* Effect.forEach(cases, ([profile, message]) =>
        Effect.map(
          refused({ preset_name: "h264", ...profile }, { watermark: sample }),
          (error) => assert.strictEqual(error.message, `CommandInvalid: ${message}`)
        )).pipe(Effect.provideServiceEffect(Encoder.Encoder, Encoder.makeFfmpeg({ ffprobe })))
      assert.strictEqual(
        (yield* refused({ preset_name: "h264", clip_offset: "00:01:00" })).message,
        "EncodingError: clip_offset lies beyond the end"
      )
    })
  )
})

describe("a command of one's own", () => {
  const command = (command: string, more: Encoder.Job["profile"] = {}) => ({ command, extname: ".mp4", ...more })

  test(
    "is run with what its placeholders stand for",
    Effect.gen(function*() {
      const { facts, log } = yield* encode(command(
        "ffmpeg -i $input_file$ -c:a aac $audio_bitrate$ $audio_channels$ -c:v libx264 -b:v $video_bitrate$ $filters$ " +
          "$keyframes$ -s $width$x$height$ $fps$ -y $output_file$",
        { width: 100, height: 80, audio_bitrate: 64, video_bitrate: 200, fps: 10, frame_count: 1 }
      ))
      assert.deepInclude(facts, { width: 100, height: 80, fps: 10, audio_channels: 1 })
      assert.include(log, "-b:a 64k")
      assert.include(log, "-b:v 200k")
      const twoLines = yield* encode(command(
        "ffmpeg -i $input_file$ -an -t 1 -y $output_file$\nffmpeg -i $input_file$ -vn -t 2 -y $output_file$"
      ))
      assert.deepInclude(twoLines.facts, { video_codec: null, audio_codec: "aac" })
      const failing = yield* refused(command("ffmpeg -i $input_file$ -c:v nonsense $output_file$"))
      assert.strictEqual(failing.message, "EncodingError: Unknown encoder 'nonsense'")
      assert.include(failing.log, "(ended with 1)")
    })
  )

  it.effect("is refused, if it is more than that", () =>
    Effect.gen(function*() {
      const { refuses } = yield* Encoder.Encoder
      const good = "ffmpeg -i $input_file$ $output_file$"
      assert.strictEqual(refuses(command(good)), undefined)
      assert.strictEqual(refuses({ preset_name: "h264", command: "rm -rf /" }), undefined)
      const bad = [
        "",
        "rm -rf /",
        "/usr/bin/ffmpeg -i $input_file$ $output_file$",
        `${good}; rm -rf /`,
        `${good} && curl example.com`,
        `${good} | cat`,
        `${good} > /etc/passwd`,
        "ffmpeg -i $input_file$ `id` $output_file$",
        "ffmpeg -i $input_file$ $(id) $output_file$",
        "ffmpeg -i $input_file$ $HOME $output_file$",
        "ffmpeg -i $input_file$ $password$ $output_file$",
        "ffmpeg -i $input_file$ -vf \\$x $output_file$",
        "ffmpeg -i /etc/passwd $output_file$",
        "ffmpeg -i $input_file$ -i http://169.254.169.254/ $output_file$",
        "ffmpeg -i $input_file$ /tmp/elsewhere.mp4",
        "ffmpeg -i $input_file$ $output_file$ /tmp/elsewhere.mp4",
        "ffmpeg -i $input_file$ $output_file$ -y",
        "ffmpeg $output_file$",
        "ffmpeg -i $input_file$",
        "ffmpeg -f lavfi -i $input_file$ $output_file$",
        "ffmpeg -f concat -i $input_file$ $output_file$",
        "ffmpeg -protocol_whitelist file,http -i $input_file$ $output_file$",
        "ffmpeg -i $input_file$ -f tee $output_file$",
        "ffmpeg -i $input_file$ -vf movie=/etc/passwd $output_file$",
        "ffmpeg -i $input_file$ -vf scale=2:2,subtitles=/etc/passwd $output_file$",
        "ffmpeg -i $input_file$ -vf [in]drawtext=textfile=/etc/passwd[out] $output_file$",
        "ffmpeg -i $input_file$ -vf \"[in]null[a];movie =/etc/passwd,null\" $output_file$",
        "ffmpeg -i $input_file$ -vf \"null,movie\t=/etc/passwd\" $output_file$",
        "ffmpeg -i $input_file$ -vf null,a-b=c $output_file$",
        "ffmpeg -i $input_file$ -filter_complex movie=x $output_file$",
        "ffmpeg -i $input_file$ -filter_script:v /etc/passwd $output_file$",
        "ffmpeg -i $input_file$ -passlogfile /tmp/x $output_file$",
        "ffmpeg -i $input_file$ -x264-params stats=/tmp/x $output_file$",
        "ffmpeg -i $input_file$ -attach /etc/passwd $output_file$",
        "ffmpeg -i $input_file$ -dump_attachment:t /tmp/x $output_file$",
        "ffmpeg -i $input_file$ -progress http://example.com $output_file$",
        "ffmpeg -i $input_file$ -metadata title=$input_file$ $output_file$",
        "ffmpeg -i $input_file$ -c:v \"libx264 $output_file$",
        "ffmpeg -i $input_file$ -c:v",
        "ffmpeg -i $input_file$ -\u0000y $output_file$",
        `${good}\n`.repeat(11)
      ]
      for (const line of bad) assert.isString(refuses(command(line)), line)
      assert.isString(refuses({ command: good }))
      assert.isString(refuses({ command: good, extname: "mp4" }))
    }).pipe(
      Effect.provideServiceEffect(Encoder.Encoder, Encoder.makeFfmpeg({ ffmpeg: "true", ffprobe: "true" })),
      Effect.provide(NodeContext.layer)
    ))
})

describe("bounds", () => {
  const running = (marker: string) => {
    try {
      return execFileSync("pgrep", ["-f", marker], { encoding: "utf8" }).trim() !== ""
    } catch {
      return false
    }
  }

  /** Takes minutes to encode, and a moment to make. */
  const endless = (at: string) => synthesize(`${at}/endless.mp4`, `-stream_loop 300 -i ${sample} -c copy`)

  test(
    "who does not wait any longer leaves nothing running",
    Effect.gen(function*() {
      const at = yield* folder
      const progressed = yield* Effect.makeLatch()
      const fiber = yield* Effect.fork(
        encode({ preset_name: "h264", width: 640 }, { source: endless(at), onProgress: () => progressed.open })
      )
      yield* progressed.await
      assert.isTrue(running(at))
      yield* Fiber.interrupt(fiber)
      assert.isFalse(running(at))
    })
  )

  const bounded = (options: Encoder.FfmpegOptions) =>
    Effect.gen(function*() {
      const at = yield* folder
      const job = `${at}/job`
      mkdirSync(job)
      const { encode } = yield* Encoder.makeFfmpeg(options)
      const error = yield* Effect.flip(
        encode({ source: endless(at), folder: job, profile: { preset_name: "h264", h264_crf: 0 } })
      )
      assert.isFalse(running(at))
      return error.message
    })

  test(
    "of time and size",
    Effect.gen(function*() {
      assert.strictEqual(yield* bounded({ timeLimit: "1 second" }), "EncodingError: The encoding took too long")
      assert.strictEqual(
        yield* bounded({ sizeLimit: 1_000_000 }),
        "EncodingError: The encoding has more than 1000000 bytes"
      )
    })
  )

  test(
    "one at a time, if told so",
    Effect.gen(function*() {
      const { encode } = yield* Encoder.makeFfmpeg({ concurrency: 1 })
      const at = yield* folder
      const events: Array<string> = []
      yield* Effect.forEach(["a", "b"], (name) => {
        mkdirSync(`${at}/${name}`)
        return Effect.zipRight(
          encode({
            source: sample,
            folder: `${at}/${name}`,
            profile: { preset_name: "aac" },
            onProgress: () => Effect.sync(() => events.push(name))
          }),
          Effect.sync(() => events.push(`${name} ends`))
        )
      }, { concurrency: 2 })
      const [first] = events as [string]
      assert.deepStrictEqual([...new Set(events.slice(0, events.indexOf(`${first} ends`)))], [first])
    })
  )

  it.effect("without ffmpeg it says what to install", () =>
    Effect.gen(function*() {
      const made = yield* Effect.either(Encoder.makeFfmpeg({ ffmpeg: "effect-panda-has-no-such-program" }))
      assert.isTrue(Either.isLeft(made))
      const { message } = Either.getOrThrow(Either.flip(made))
      for (const word of ["apt-get install ffmpeg", "brew install ffmpeg", "winget install ffmpeg"]) {
        assert.include(message, word)
      }
    }).pipe(Effect.provide(NodeContext.layer)))
})
