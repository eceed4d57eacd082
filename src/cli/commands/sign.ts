/** `sign`: a request for another program to send. */
import * as Effect from "effect/Effect"
import * as Credentials from "../../Credentials.js"
import * as Signature from "../../Signature.js"
import { leaf } from "../command.js"
import { Connection } from "../configuration.js"
import { ConfigurationError } from "../exit.js"
import { Output } from "../output.js"
import * as parameters from "../parameters.js"
import { args, methodOf, pathOf } from "./request.js"

export const sign = leaf({
  name: "sign",
  summary: "Sign a request for another program to send",
  details: [
    "Prints the URL, and for POST and PUT the form to send to it. A signature is good for five minutes, that of a POST once."
  ],
  examples: [
    { line: "sign GET /videos.json status=success", does: "an URL to open" },
    { line: "sign POST /videos/upload.json file_name=movie.mp4 file_size=1048576 --json", does: "for a program" }
  ],
  connects: true,
  options: {},
  args,
  run: ({ method: word, parameters: words, path: given }) =>
    Effect.gen(function*() {
      const output = yield* Output
      const method = yield* methodOf(word)
      const path = yield* pathOf(given)
      const params = yield* parameters.of(words)
      const { credentials } = yield* (yield* Connection).credentials
      if (credentials.auth._tag === "Token") {
        return yield* new ConfigurationError({
          message: "a token signs nothing, and would be shown as it is: use an access key with its secret"
        })
      }
      const signed = yield* Signature.signedParams(method, path, params).pipe(
        Effect.provideService(Credentials.Credentials, credentials)
      )
      const query = Signature.encode(signed)
      const url = `${credentials.baseUrl}${path}`
      const inQuery = method === "GET" || method === "DELETE"
      yield* output.print(inQuery ? `${url}?${query}` : `${url}\n${query}`)
      yield* output.emit({ type: "result", value: { method, url, parameters: signed } })
    })
})
