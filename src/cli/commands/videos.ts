/** `videos`: what was uploaded or fetched. */
import * as Options from "@effect/cli/Options"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Videos from "../../Videos.js"
import { group, leaf, text } from "../command.js"
import { connected } from "../configuration.js"
import { UsageError } from "../exit.js"
import * as resource from "../resource.js"
import { bytes, isAddress, quoted } from "../text.js"

export const time = (time: DateTime.Utc | undefined): string =>
  time === undefined ? "" : DateTime.formatIso(time).slice(0, 16).replace("T", " ")

const videos: resource.Resource<Videos.Video> = {
  one: "a video",
  many: "videos",
  toJson: Videos.toJson,
  columns: {
    ID: ({ id }) => id,
    STATUS: ({ status }) => status,
    CREATED: ({ created_at }) => time(created_at),
    SIZE: ({ file_size }) => file_size === undefined ? undefined : bytes(file_size),
    NAME: ({ original_filename, source_url }) => original_filename ?? source_url
  }
}

const create = leaf({
  name: "create",
  summary: "Make Panda fetch a video from an URL",
  details: ["Without --profiles Panda encodes with all profiles of the cloud, with --profiles none with none."],
  examples: [{
    line: "videos create --url https://example.com/movie.mp4 --profiles h264",
    does: "fetch it, and encode it once"
  }],
  connects: true,
  options: {
    url: Options.text("url").pipe(Options.withPseudoName("URL"), Options.withDescription("Where the video is")),
    profiles: text("profiles", "NAMES", "The profiles to encode with, with commas between; all by default"),
    pathFormat: text("path-format", "FORMAT", "Where the files are stored, such as videos/:id"),
    payload: text("payload", "TEXT", "A text that stays with the video")
  },
  args: {},
  run: ({ pathFormat, payload, profiles, url }) =>
    Effect.gen(function*() {
      if (!isAddress(url)) {
        const file = quoted(url)
        return yield* new UsageError({
          message:
            `--url takes an address such as https://example.com/movie.mp4; a file goes by effect-panda upload ${file}`
        })
      }
      const video = yield* Videos.create({
        source_url: url,
        profiles: profiles === undefined || profiles === "none" ? profiles : profiles.split(","),
        path_format: pathFormat,
        payload
      })
      yield* resource.showEntity(videos, video)
    }).pipe(connected)
})

export const commands = group("videos", "List, show, create and delete videos", [
  resource.list(
    videos,
    { status: text("status", "STATUS", "Only those: success, fail or processing") },
    Videos.all,
    [
      { line: "videos list --status fail", does: "what Panda could not use" },
      { line: "videos list --limit 10 --json", does: "the newest ten, an object a line" }
    ]
  ),
  resource.show(videos, Videos.find, "ID", [{ line: "videos show 0c1d", does: "by its id" }]),
  create,
  resource.remove(videos, Videos.delete, " with their encodings and files", [
    { line: "videos delete 0c1d 2e3f --yes", does: "two, without a question" }
  ])
])
