/** `request` and what it shares with `sign`: a method, a path, parameters. */
import * as Effect from "effect/Effect"
import * as PandaClient from "../../PandaClient.js"
import type * as Signature from "../../Signature.js"
import { argument, leaf } from "../command.js"
import { connected } from "../configuration.js"
import { UsageError } from "../exit.js"
import { Output } from "../output.js"
import * as parameters from "../parameters.js"
import { inLine, quoted } from "../text.js"

export const args = {
  method: argument("METHOD", "GET, POST, PUT or DELETE"),
  path: argument("PATH", "Such as /videos.json"),
  parameters: parameters.words
}

const methods: ReadonlyArray<string> = ["GET", "POST", "PUT", "DELETE"]

export const methodOf = (word: string): Effect.Effect<Signature.Method, UsageError> =>
  methods.includes(word.toUpperCase())
    ? Effect.succeed(word.toUpperCase() as Signature.Method)
    : new UsageError({ message: `${word} is not a method: use GET, POST, PUT or DELETE` })

/** The library checks what it sends, but not what is signed for others. */
export const pathOf = (word: string): Effect.Effect<string, UsageError> =>
  /^\/[^?#\s]*$/.test(word)
    ? Effect.succeed(word)
    : new UsageError({
      message: `${quoted(inLine(word))} is not a path: it has to begin with /, and parameters go apart`
    })

const operations = { GET: PandaClient.get, POST: PandaClient.post, PUT: PandaClient.put, DELETE: PandaClient.delete }

export const request = leaf({
  name: "request",
  summary: "Send a signed request, and print the JSON that Panda answers",
  examples: [
    { line: "request GET /videos.json status=fail per_page=5", does: "any endpoint, by its path" },
    { line: "request PUT /notifications.json 'events[video_encoded]=true'", does: "a parameter within another" }
  ],
  connects: true,
  options: {},
  args,
  run: ({ method, parameters: words, path }) =>
    Effect.gen(function*() {
      const output = yield* Output
      const params = yield* parameters.of(words)
      const value = yield* connected(operations[yield* methodOf(method)](yield* pathOf(path), params))
      yield* output.print(JSON.stringify(value, undefined, 2))
      yield* output.emit({ type: "result", value })
    })
})
