/** `clouds`: the environments of an account. */
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Clouds from "../../Clouds.js"
import { ask, canAsk, input } from "../ask.js"
import { group, leaf, text } from "../command.js"
import { connected } from "../configuration.js"
import { UsageError } from "../exit.js"
import * as resource from "../resource.js"

const clouds: resource.Resource<Clouds.Cloud> = {
  one: "a cloud",
  many: "clouds",
  toJson: Clouds.toJson,
  columns: {
    ID: ({ id }) => id,
    NAME: ({ name }) => name,
    BUCKET: ({ s3_videos_bucket }) => s3_videos_bucket,
    URL: ({ url }) => url
  }
}

const required = (name: string, value: string, description: string) =>
  Options.text(name).pipe(Options.withPseudoName(value), Options.withDescription(description))

const create = leaf({
  name: "create",
  summary: "Make a cloud that stores in a bucket at Amazon",
  details: ["The secret key for the bucket is asked for, or read from standard input."],
  examples: [{
    line: "clouds create --bucket my-videos --aws-access-key AKIA < secret-key",
    does: "with the secret key from a file"
  }],
  connects: true,
  options: {
    bucket: required("bucket", "NAME", "The bucket"),
    awsAccessKey: required("aws-access-key", "KEY", "The access key for the bucket"),
    name: text("name", "NAME", "What the cloud is called")
  },
  args: {},
  run: ({ awsAccessKey, bucket, name }) =>
    Effect.gen(function*() {
      const secret = (yield* canAsk() ? ask("Secret key for the bucket: ", { hidden: true }) : input).trim()
      if (secret === "") return yield* new UsageError({ message: "the secret key for the bucket is missing" })
      const cloud = yield* Clouds.create({
        name,
        s3_videos_bucket: bucket,
        aws_access_key: awsAccessKey,
        aws_secret_key: Redacted.make(secret)
      })
      yield* resource.showEntity(clouds, cloud)
    }).pipe(connected)
})

export const commands = group("clouds", "List, show, create and delete clouds", [
  resource.list(clouds, {}, Clouds.all, [{ line: "clouds list", does: "of the account" }]),
  resource.show(clouds, Clouds.find, "ID", [{ line: "clouds show 0c1d", does: "by its id" }]),
  create,
  resource.remove(clouds, Clouds.delete, "", [{ line: "clouds delete 0c1d --yes", does: "without a question" }])
])
