/** `doctor`: looks at all that an upload needs, and says what to do about what is amiss. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Clouds from "../../Clouds.js"
import * as PandaClient from "../../PandaClient.js"
import * as UploadSession from "../../UploadSession.js"
import { leaf } from "../command.js"
import { connected, Connection } from "../configuration.js"
import { codeOf, codes, Ended } from "../exit.js"
import { Output } from "../output.js"
import { inLine } from "../text.js"

export const doctor = leaf({
  name: "doctor",
  summary: "Check credentials, clock, network and permissions",
  details: ["Begins an upload session and ends it at once, to see whether the key may write; nothing is left behind."],
  examples: [{ line: "doctor --as production", does: "of another account" }],
  connects: true,
  options: {},
  args: {},
  run: () =>
    Effect.gen(function*() {
      const output = yield* Output
      const { err } = output.style
      const codesOfFaults: Array<number> = []
      /** One line for each check; the checks after one that failed may still tell something. */
      const check = <A, E, R>(name: string, effect: Effect.Effect<readonly [A, string], E, R>) =>
        Effect.gen(function*() {
          const found = yield* Effect.either(effect)
          const right = Either.isRight(found)
          const words = right ? found.right[1] : found.left instanceof Error ? found.left.message : String(found.left)
          if (!right) codesOfFaults.push(codeOf(found.left))
          yield* output.print(`${right ? err("green", "✓") : err("red", "✗")} ${name}: ${words}`)
          yield* output.emit({ type: "item", item: { check: name, ok: right, message: words } })
          return Option.map(Either.getRight(found), ([value]) => value)
        })

      const found = yield* check(
        "credentials",
        Effect.gen(function*() {
          const found = yield* (yield* Connection).credentials
          const { credentials: { auth, cloudId }, from } = found
          const kind = auth._tag === "Token" ? "a token" : "an access key with its secret key"
          return [found, `${kind}, ${cloudId === undefined ? "no cloud" : "a cloud"}, from ${from}`] as const
        })
      )
      if (Option.isNone(found)) return yield* new Ended({ code: codes.credentials, message: "no credentials" })
      const { baseUrl, cloudId } = found.value.credentials

      yield* connected(Effect.gen(function*() {
        const before = yield* Clock.currentTimeMillis
        const answer = yield* check(
          "API",
          Effect.map(
            PandaClient.execute("GET", "/clouds.json").pipe(PandaClient.withTimeout("10 seconds")),
            (response) => [response, `${baseUrl} answers`] as const
          )
        )
        if (Option.isNone(answer)) return
        const now = yield* Clock.currentTimeMillis
        const date = Date.parse(answer.value.headers["date"] ?? "")
        // The header has whole seconds, and the answer took its time.
        const skew = Number.isNaN(date) ? undefined : Math.round((date + 500 - (before + now) / 2) / 1000)
        yield* check(
          "clock",
          skew === undefined
            ? Effect.succeed([undefined, "the server does not tell its time"])
            : Math.abs(skew) < 60
            ? Effect.succeed([undefined, `within ${Math.max(1, Math.abs(skew))} s of the server's`])
            : Effect.fail(
              `${Math.abs(skew)} s ${skew > 0 ? "behind" : "ahead of"} the server's: set this machine's clock`
            )
        )
        yield* check(
          "account",
          Effect.map(Clouds.list(), (clouds) =>
            [clouds, `it is known, and has ${clouds.length === 1 ? "one cloud" : `${clouds.length} clouds`}`] as const)
        )
        yield* check(
          "cloud",
          Effect.map(
            cloudId === undefined
              ? Effect.fail("none is set: pass --cloud, or set PANDA_CLOUD_ID, to one of effect-panda clouds list")
              : Effect.mapError(Clouds.find(cloudId), ({ message }) =>
                message),
            ({ id, name = id }) =>
              [undefined, `${inLine(name)} is there`] as const
          )
        )
        const session = yield* check(
          "writing",
          Effect.map(
            UploadSession.create({ file_name: "doctor.mp4", file_size: 1 }),
            (session) => [session, "the key may upload"] as const
          )
        )
        if (Option.isNone(session)) return
        yield* check(
          "upload host",
          Effect.as(
            UploadSession.abort(session.value.location, { timeout: "10 seconds" }),
            [undefined, "answers"] as const
          )
        )
      }))
      if (codesOfFaults.length > 0) {
        const code = codesOfFaults.includes(codes.credentials) ? codes.credentials : codes.failed
        return yield* new Ended({ code, message: `${codesOfFaults.length} checks failed` })
      }
      yield* output.emit({ type: "result", value: { ok: true } })
    })
})
