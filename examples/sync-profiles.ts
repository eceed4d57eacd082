/**
 * Makes the profiles of the cloud those of a file, such as examples/profiles.json:
 *
 *     npx tsx examples/sync-profiles.ts examples/profiles.json [--dry-run] [--prune]
 *
 * `--dry-run` only tells what would be done, `--prune` deletes the profiles that are not in the file.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Schema } from "effect"
import { PandaClient, Profiles } from "effect-panda"
import { parseArgs } from "node:util"

const File = Schema.parseJson(Schema.Array(Profiles.Desired))

const program = (path: string, options: Profiles.SyncOptions) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const desired = yield* Schema.decode(File)(yield* fs.readFileString(path))
    const { created, removed, unchanged, updated } = yield* Profiles.sync(desired, options)
    for (const name of created) yield* Console.log(`+ ${name}`)
    for (const { changes, name } of updated) {
      const words = changes.map(({ after, attribute, before }) => `${attribute} ${before} -> ${after}`)
      yield* Console.log(`~ ${name}: ${words.join(", ")}`)
    }
    for (const name of removed) yield* Console.log(`- ${name}`)
    for (const name of unchanged) yield* Console.log(`= ${name}`)
  })

const Panda = PandaClient.layerConfig().pipe(Layer.provide(NodeHttpClient.layerUndici))

const { positionals: [path = "profiles.json"], values } = parseArgs({
  allowPositionals: true,
  options: { "dry-run": { type: "boolean" }, prune: { type: "boolean" } }
})
program(path, { dryRun: values["dry-run"], prune: values.prune }).pipe(
  Effect.provide([Panda, NodeContext.layer]),
  NodeRuntime.runMain
)
