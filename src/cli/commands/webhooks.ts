/** `webhooks`: receive what Panda posts, or post it oneself. */
import * as Options from "@effect/cli/Options"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpServer from "@effect/platform/HttpServer"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import * as Webhook from "../../Webhook.js"
import { argument, flag, group, leaf, listenPort } from "../command.js"
import { codes, Ended, UsageError } from "../exit.js"
import * as http from "../http.js"
import * as local from "../local.js"
import { Output } from "../output.js"
import * as parameters from "../parameters.js"
import { inLine, isWebAddress } from "../text.js"

const listen = leaf({
  name: "listen",
  summary: "Receive webhooks, check them, and print them",
  details: [
    "Listens on this machine only: what shall reach it from outside needs a tunnel. With --secret the url ends in a secret, that of PANDA_WEBHOOK_SECRET or a new one, and what comes without it is refused."
  ],
  examples: [
    { line: "webhooks listen --port 9000", does: "an event a line" },
    { line: "webhooks listen --secret --json", does: "only from who knows the url, for a program" }
  ],
  connects: false,
  options: {
    port: listenPort,
    secret: flag("secret", "Have a secret in the url")
  },
  args: {},
  run: ({ port = 0, secret }) =>
    Effect.gen(function*() {
      const output = yield* Output
      const given = process.env["PANDA_WEBHOOK_SECRET"] || undefined
      const word = secret ? given ?? randomBytes(24).toString("hex") : undefined
      const handler = ({ _tag, ...fields }: Webhook.Event) =>
        Effect.zipRight(
          output.print(
            `${output.style.out("bold", _tag)}  ${
              Object.entries(fields).map(([name, value]) =>
                inLine(`${name}=${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
              ).join("  ")
            }`
          ),
          output.emit({ type: "item", item: { event: _tag, ...fields } })
        )
      yield* HttpServer.serveEffect(
        Webhook.httpApp(handler, word === undefined ? {} : { secret: Redacted.make(word) })
      )
      const address = `http://127.0.0.1:${local.portOf(yield* HttpServer.HttpServer)}/webhooks`
      // A secret that is new has to be told once; one that is known is not.
      const path = word === undefined ? "" : given === undefined ? `/${word}` : "/$PANDA_WEBHOOK_SECRET"
      yield* output.note(`Listening at ${address}${path}`)
      return yield* Effect.never
    }).pipe(Effect.scoped, Effect.provide(local.server(port)))
})

const events = ["video-created", "video-encoded", "encoding-progress", "encoding-complete"]

const send = leaf({
  name: "send",
  summary: "Post to an url what Panda would post",
  details: [`The events are ${events.join(", ")}. What of their fields is not given is made up.`],
  examples: [{
    line: "webhooks send video-encoded --to http://127.0.0.1:9000/webhooks video_id=0c1d encoding_ids=2e3f,4a5b",
    does: "to try a receiver"
  }],
  connects: false,
  options: {
    to: Options.text("to").pipe(Options.withPseudoName("URL"), Options.withDescription("Where to post to"))
  },
  args: { event: argument("EVENT", "The event"), fields: parameters.words },
  run: ({ event, fields, to }) =>
    Effect.gen(function*() {
      const output = yield* Output
      if (!events.includes(event)) {
        return yield* new UsageError({ message: `${inLine(event)} is not an event: they are ${events.join(", ")}` })
      }
      if (!isWebAddress(to)) return yield* new UsageError({ message: "--to takes an http url" })
      const given = yield* parameters.of(fields)
      const madeUp = randomBytes(16).toString("hex")
      const form = new URLSearchParams({ event })
      const { encoding_ids = event.startsWith("video") ? madeUp : undefined, ...others } = {
        ...event.startsWith("video") ? { video_id: madeUp } : { encoding_id: madeUp },
        ...event === "encoding-progress" ? { progress: "50" } : {},
        ...given
      } as Record<string, string>
      for (const [name, value] of Object.entries(others)) form.set(name, String(value))
      encoding_ids?.split(",").forEach((id, i) => form.set(`encoding_ids[${i}]`, id))
      const { status } = yield* HttpClientRequest.post(to).pipe(
        HttpClientRequest.bodyText(form.toString(), "application/x-www-form-urlencoded"),
        HttpClient.execute,
        Effect.scoped,
        Effect.provide(http.layer),
        Effect.mapError(() => new Ended({ code: codes.failed, message: "no answer" })),
        Effect.tapError(() => output.complain(`${new URL(to).origin} does not answer. Check the url`))
      )
      yield* output.print(`${event}  ${status}`)
      yield* output.emit({ type: "result", value: { event, status } })
      if (status !== 200) {
        yield* output.complain(`Answered ${status}. Panda takes only 200 for an answer, and would post it again`)
        return yield* new Ended({ code: codes.failed, message: `answered ${status}` })
      }
    })
})

export const commands = group("webhooks", "Receive and send webhooks", [listen, send])
