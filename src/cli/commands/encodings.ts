/** `encodings`: what profiles make of videos. */
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Clouds from "../../Clouds.js"
import * as Encodings from "../../Encodings.js"
import { argument, flag, group, leaf, text } from "../command.js"
import { connected } from "../configuration.js"
import { codes, Ended } from "../exit.js"
import { Output } from "../output.js"
import * as Progress from "../progress.js"
import * as resource from "../resource.js"
import { inLine } from "../text.js"

const encodings: resource.Resource<Encodings.Encoding> = {
  one: "an encoding",
  many: "encodings",
  toJson: Encodings.toJson,
  columns: {
    ID: ({ id }) => id,
    STATUS: ({ status }) => status,
    DONE: ({ encoding_progress }) => encoding_progress === undefined ? undefined : `${encoding_progress} %`,
    PROFILE: ({ profile_name }) => profile_name,
    VIDEO: ({ video_id }) => video_id,
    ERROR: ({ error_class }) => error_class
  }
}

const ids = Args.atLeast(argument("ID", "The id of an encoding"), 1)

const create = leaf({
  name: "create",
  summary: "Encode a video with a profile",
  examples: [{ line: "encodings create --video 0c1d --profile h264", does: "once more" }],
  connects: true,
  options: {
    video: Options.text("video").pipe(Options.withPseudoName("ID"), Options.withDescription("The video")),
    profile: Options.text("profile").pipe(Options.withPseudoName("NAME"), Options.withDescription("The profile's name"))
  },
  args: {},
  run: ({ profile, video }) =>
    Encodings.create({ video_id: video, profile_name: profile }).pipe(
      Effect.flatMap((encoding) => resource.showEntity(encodings, encoding)),
      connected
    )
})

const act = (
  name: "cancel" | "retry",
  summary: string,
  done: string,
  operation: typeof Encodings.cancel,
  does: string
) =>
  leaf({
    name,
    summary,
    examples: [{ line: `encodings ${name} 0c1d`, does }],
    connects: true,
    options: {},
    args: { ids },
    run: ({ ids }) => resource.each(ids, done, operation).pipe(connected)
  })

const watch = leaf({
  name: "watch",
  summary: "Follow encodings until they are done, and print where they are",
  examples: [
    { line: "encodings watch 0c1d", does: "one" },
    { line: "encodings watch --video 2e3f", does: "all of a video" }
  ],
  connects: true,
  options: { video: flag("video", "The id is that of a video: follow all its encodings") },
  args: { id: argument("ID", "The id of an encoding, or with --video of a video") },
  run: ({ id, video }) =>
    Effect.gen(function*() {
      const output = yield* Output
      const progress = yield* Progress.make(output, 1)
      yield* progress.draw
      const changes = video
        ? Encodings.watchVideo(id)
        : Stream.map(Encodings.watch(id), (encoding): ReadonlyArray<Encodings.Encoding> => [encoding])
      const last = yield* changes.pipe(
        Stream.tap((now) =>
          Effect.zipRight(
            output.emit({ type: "encoding", encodings: now.map((encoding) => resource.wire(encodings, encoding)) }),
            progress.set(id, {
              name: inLine(id),
              stage: "encoding",
              acknowledged: 0,
              sent: 0,
              size: 0,
              encoded: Progress.leastEncoded(now)
            })
          )
        ),
        Stream.runLast
      )
      yield* progress.remove(id)
      const done = Option.getOrElse(last, () => [])
      const cloud = yield* Effect.option(Clouds.current)
      for (const encoding of done) yield* output.print(Progress.resultOf(encoding, cloud))
      if (done.some(Encodings.isFail)) return yield* new Ended({ code: codes.failed, message: "an encoding failed" })
      yield* output.emit({ type: "result", value: { count: done.length } })
    }).pipe(Effect.scoped, connected)
})

export const commands = group("encodings", "List, show, create, cancel, retry, watch and delete encodings", [
  resource.list(
    encodings,
    {
      video_id: text("video", "ID", "Only those of a video"),
      status: text("status", "STATUS", "Only those: success, fail or processing"),
      profile_name: text("profile", "NAME", "Only those made with a profile")
    },
    Encodings.all,
    [{ line: "encodings list --video 0c1d --status fail", does: "what went wrong with a video" }]
  ),
  resource.show(encodings, Encodings.find, "ID", [{ line: "encodings show 0c1d", does: "by its id" }]),
  create,
  act("cancel", "Stop encodings that are processing", "Cancelled", Encodings.cancel, "it fails then"),
  act("retry", "Encode again what has failed", "Retried", Encodings.retry, "after its cause is mended"),
  watch,
  resource.remove(encodings, Encodings.delete, " with their files", [
    { line: "encodings delete 0c1d --yes", does: "without a question" }
  ])
])
