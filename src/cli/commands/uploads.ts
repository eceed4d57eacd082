/** `uploads`: what is unfinished. */
import * as Args from "@effect/cli/Args"
import * as Effect from "effect/Effect"
import * as Upload from "../../Upload.js"
import { UploadStore } from "../../UploadStore.js"
import { confirm } from "../ask.js"
import { argument, group, integer, leaf } from "../command.js"
import { connected } from "../configuration.js"
import { codes, Ended, UsageError } from "../exit.js"
import { Output } from "../output.js"
import { yes } from "../resource.js"
import * as store from "../store.js"
import { bytes, inLine, table } from "../text.js"
import * as upload from "./upload.js"
import { time } from "./videos.js"

const { state } = upload.options

/** Enough of a key to tell it from others. */
const short = (key: string) => key.slice(0, 10)

const list = leaf({
  name: "list",
  summary: "List uploads that were begun and have not ended",
  examples: [{ line: "uploads list", does: "with how far they are" }],
  connects: false,
  options: { state },
  args: {},
  run: ({ state }) =>
    Effect.gen(function*() {
      const output = yield* Output
      const entries = yield* (yield* UploadStore).list
      const rows = entries.map(({ key, state: { acknowledged, created, fingerprint: { size }, name } }) => [
        short(key),
        `${bytes(acknowledged)} of ${bytes(size)}`,
        time(created),
        name
      ])
      const [head, ...lines] = table([["KEY", "SENT", "BEGUN", "NAME"], ...rows], output.columns.out())
      if (entries.length === 0) yield* output.note("There are no unfinished uploads.")
      else yield* output.print([output.style.out("bold", head!), ...lines].join("\n"))
      for (const { key, state: { acknowledged, fingerprint: { size }, name } } of entries) {
        yield* output.emit({ type: "item", item: { key: short(key), name, acknowledged, size } })
      }
      yield* output.emit({ type: "result", value: { count: entries.length } })
    }).pipe(Effect.provide(store.layer(state)))
})

const abort = leaf({
  name: "abort",
  summary: "End uploads for good: Panda throws away what it has of them",
  examples: [{ line: "uploads abort movie.mp4 --yes", does: "by its name, or by its key" }],
  connects: true,
  options: { state, yes },
  args: { names: Args.atLeast(argument("NAME", "The name of an unfinished upload, or its key"), 1) },
  run: ({ names, state, yes }) =>
    Effect.gen(function*() {
      const output = yield* Output
      const kept = yield* UploadStore
      const entries = yield* kept.list
      const chosen = yield* Effect.forEach(names, (name) => {
        const found = entries.filter(({ key, state }) => short(key) === name || state.name === name)
        return found.length === 1
          ? Effect.succeed(found[0]!)
          : new UsageError({
            message: found.length === 0
              ? `there is no unfinished upload of ${inLine(name)}: effect-panda uploads list`
              : `there are several of ${inLine(name)}: take its key of effect-panda uploads list`
          })
      })
      const sure = yield* confirm(`End ${chosen.map(({ state }) => inLine(state.name)).join(", ")} for good?`, yes)
      if (!sure) return yield* new Ended({ code: codes.failed, message: "not ended" })
      yield* connected(Effect.forEach(chosen, ({ key, state }) =>
        Effect.gen(function*() {
          yield* Upload.abort(state)
          yield* kept.remove(key)
          yield* output.print(`Ended ${inLine(state.name)}`)
        })))
      yield* output.emit({ type: "result", value: { count: chosen.length } })
    }).pipe(Effect.provide(store.layer(state)))
})

const prune = leaf({
  name: "prune",
  summary: "Forget uploads that began long ago",
  examples: [{ line: "uploads prune --days 7", does: "all that is older than a week" }],
  connects: false,
  options: {
    state,
    days: integer("days", "DAYS", "How old they have to be; 30 days by default", 0)
  },
  args: {},
  run: ({ days = 30, state }) =>
    Effect.gen(function*() {
      const output = yield* Output
      const count = yield* (yield* UploadStore).prune(`${days} days`)
      yield* output.print(`Forgot ${count}`)
      yield* output.emit({ type: "result", value: { count } })
    }).pipe(Effect.provide(store.layer(state)))
})

export const commands = group("uploads", "List, end and forget unfinished uploads", [list, abort, prune])
