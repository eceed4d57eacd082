/**
 * What a backend hands to a browser, so that it can open one upload without knowing the secret key. The signature
 * covers the name and the size; it can be used once, within five minutes. POST the body as
 * `application/x-www-form-urlencoded`; the answer has the `location` that takes the bytes.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect } from "effect"
import { Credentials, Signature } from "effect-panda"

const authorizeUpload = (file_name: string, file_size: number) =>
  Effect.gen(function*() {
    const { baseUrl } = yield* Credentials.Credentials
    const path = "/videos/upload.json"
    const body = yield* Signature.signedQuery("POST", path, { file_name, file_size, profiles: "h264" })
    return { url: `${baseUrl}${path}`, body }
  })

const program = Effect.gen(function*() {
  yield* Console.log(JSON.stringify(yield* authorizeUpload("movie.mp4", 12_345_678)))
})

program.pipe(Effect.provide(Credentials.layerConfig()), NodeRuntime.runMain)
