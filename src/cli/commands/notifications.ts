/** `notifications`: what a cloud reports, and to which url. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Notifications from "../../Notifications.js"
import { group, leaf, text } from "../command.js"
import { connected } from "../configuration.js"
import { UsageError } from "../exit.js"
import * as resource from "../resource.js"
import { isWebAddress } from "../text.js"

const events = ["video_created", "video_encoded", "encoding_progress", "encoding_completed"] as const

const shown = (setting: Notifications.Notifications) =>
  Effect.flatMap(
    Effect.orDie(Schema.encode(Notifications.Notifications)(setting)),
    (record) => {
      const { events, ...rest } = record as Readonly<Record<string, unknown>>
      return resource.showRecord({ ...rest, ...events as object })
    }
  )

const switched = (names: string | undefined, on: boolean) =>
  Effect.forEach(names === undefined ? [] : names.split(","), (name) => {
    const event = events.find((event) => event === name.trim().replaceAll("-", "_"))
    return event === undefined
      ? new UsageError({ message: `${name} is not an event: they are ${events.join(", ")}` })
      : Effect.succeed([event, on] as const)
  })

const set = leaf({
  name: "set",
  summary: "Change where a cloud reports to, and what",
  details: [`The events are ${events.join(", ")}.`],
  examples: [
    {
      line: "notifications set --url https://example.com/webhooks/SECRET --on video_encoded",
      does: "what is not named stays as it is"
    },
    { line: "notifications set --url none", does: "no reports" }
  ],
  connects: true,
  options: {
    url: text("url", "URL", "Where to report to; none for nowhere"),
    delay: text("delay", "SECONDS", "How long to wait before a report"),
    on: text("on", "EVENTS", "What to report, with commas between"),
    off: text("off", "EVENTS", "What not to report any more")
  },
  args: {},
  run: ({ delay, off, on, url }) =>
    Effect.gen(function*() {
      const changes = Object.fromEntries([...yield* switched(on, true), ...yield* switched(off, false)])
      if (url === undefined && delay === undefined && Object.keys(changes).length === 0) {
        return yield* new UsageError({
          message: "nothing to change: pass --url, --delay, --on or --off",
          command: "notifications set"
        })
      }
      if (url !== undefined && url !== "none" && !isWebAddress(url)) {
        return yield* new UsageError({
          message: "--url takes an address such as https://example.com/webhooks, or none",
          command: "notifications set"
        })
      }
      const after = yield* Notifications.update({
        ...url === undefined ? {} : { url: url === "none" ? null : url },
        ...delay === undefined ? {} : { delay: Number(delay) },
        ...Object.keys(changes).length === 0 ? {} : { events: changes }
      })
      yield* shown(after)
    }).pipe(connected)
})

export const commands = group("notifications", "Show and set what a cloud reports", [
  leaf({
    name: "show",
    summary: "Show where a cloud reports to, and what",
    examples: [{ line: "notifications show", does: "of the cloud" }],
    connects: true,
    options: {},
    args: {},
    run: () => Effect.flatMap(Notifications.get, shown).pipe(connected)
  }),
  set
])
