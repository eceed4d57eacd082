/** `profiles`: how to encode. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Profiles from "../../Profiles.js"
import { confirm } from "../ask.js"
import { argument, flag, group, leaf } from "../command.js"
import { connected } from "../configuration.js"
import { codes, Ended, UsageError } from "../exit.js"
import { Output } from "../output.js"
import * as parameters from "../parameters.js"
import * as resource from "../resource.js"
import { inLine } from "../text.js"

const profiles: resource.Resource<Profiles.Profile> = {
  one: "a profile",
  many: "profiles",
  toJson: Profiles.toJson,
  columns: {
    ID: ({ id }) => id,
    NAME: ({ name }) => name,
    PRESET: ({ command, preset_name }) => preset_name ?? (command === undefined ? undefined : "(command)"),
    SIZE: ({ height, width }) => width === undefined || height === undefined ? undefined : `${width}x${height}`,
    VIDEO: ({ video_bitrate }) => video_bitrate === undefined ? undefined : `${video_bitrate} kbit/s`,
    AUDIO: ({ audio_bitrate }) => audio_bitrate === undefined ? undefined : `${audio_bitrate} kbit/s`,
    TITLE: ({ title }) => title
  }
}

/** A file, or a command line, that says what a profile shall be. Shows no value: one may be a key. */
const decoded = <A, I>(schema: Schema.Schema<A, I>, input: unknown, what: string) =>
  Effect.mapError(
    Schema.decodeUnknown(schema, { onExcessProperty: "error" })(input),
    () => new UsageError({ message: `${what}: see the settings of profiles in Panda's documentation` })
  )

/** Words as JSON has them: 640 and true are no text. */
const plain = (text: string): unknown => /^(?:true|false|null|-?\d+(?:\.\d+)?)$/.test(text) ? JSON.parse(text) : text

const create = leaf({
  name: "create",
  summary: "Make a profile, from a preset or from a command",
  examples: [{
    line: "profiles create preset_name=h264 name=small width=320 height=180",
    does: "from a preset"
  }],
  connects: true,
  options: {},
  args: { settings: parameters.words },
  run: ({ settings }) =>
    Effect.gen(function*() {
      const given = Object.fromEntries(
        Object.entries(yield* parameters.of(settings)).map(([name, value]) => [
          name,
          typeof value === "string" ? plain(value) : value
        ])
      )
      const schema = Schema.Union(Profiles.CreateFromPreset, Profiles.CreateFromCommand)
      const wanted = yield* decoded(
        schema,
        given,
        "this is not a profile. It takes a preset_name, or a name, a command and an extname; and a setting has to be known"
      )
      yield* resource.showEntity(profiles, yield* Profiles.create(wanted))
    }).pipe(connected)
})

const sync = leaf({
  name: "sync",
  summary: "Make the profiles of the cloud what a file says",
  details: ["The file is a JSON list of profiles, each with a name, and a preset_name or a command with its extname."],
  examples: [
    { line: "profiles sync profiles.json --dry-run", does: "show what would change" },
    {
      line: "profiles sync profiles.json --prune --yes",
      does: "delete what the file does not have, without a question"
    }
  ],
  connects: true,
  options: {
    dryRun: flag("dry-run", "Show what would be done, and do nothing"),
    prune: flag("prune", "Delete profiles that the file does not have; asks before it does"),
    yes: resource.yes
  },
  args: { file: argument("FILE", "The file") },
  run: ({ dryRun, file, prune, yes }) =>
    Effect.gen(function*() {
      const output = yield* Output
      const fs = yield* FileSystem.FileSystem
      const text = yield* Effect.mapError(
        fs.readFileString(file),
        () => new UsageError({ message: `${file} cannot be read: check the path and the permissions` })
      )
      const desired = yield* decoded(
        Schema.parseJson(Schema.Array(Profiles.Desired)),
        text,
        `${file} is not a JSON list of profiles`
      )
      if (prune && !dryRun && !yes) {
        const { removed } = yield* connected(Profiles.sync(desired, { dryRun: true, prune }))
        if (removed.length > 0 && !(yield* confirm(`Delete ${removed.map(inLine).join(", ")}?`, false))) {
          return yield* new Ended({ code: codes.failed, message: "nothing was changed" })
        }
      }
      const { created, removed, unchanged, updated } = yield* connected(Profiles.sync(desired, { dryRun, prune }))
      const { out } = output.style
      const word = (value: unknown) => inLine(typeof value === "string" ? value : JSON.stringify(value))
      for (const name of created) yield* output.print(out("green", `+ ${inLine(name)}`))
      for (const { changes, name } of updated) {
        yield* output.print(out("yellow", `~ ${inLine(name)}`))
        for (const { after, attribute, before } of changes) {
          const [from, to] = attribute === "encryption_key" ? ["…", "…"] : [word(before), word(after)]
          yield* output.print(`    ${attribute}  ${out("red", from)} -> ${out("green", to)}`)
        }
      }
      for (const name of removed) yield* output.print(out("red", `- ${inLine(name)}`))
      for (const name of unchanged) yield* output.print(out("dim", `= ${inLine(name)}`))
      if (dryRun) yield* output.note("Nothing was changed: this is what would be.")
      yield* output.emit({
        type: "result",
        value: { created, removed, unchanged, updated: updated.map(({ name }) => name), dryRun }
      })
    })
})

export const commands = group("profiles", "List, show, create, sync and delete profiles", [
  resource.list(profiles, {}, Profiles.all, [{ line: "profiles list", does: "of the cloud" }]),
  resource.show(profiles, Profiles.find, "NAME", [{ line: "profiles show h264", does: "by its name, or its id" }]),
  create,
  sync,
  resource.remove(profiles, Profiles.delete, "", [{ line: "profiles delete small --yes", does: "by its name" }])
])
