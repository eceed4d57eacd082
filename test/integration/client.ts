/** What tests over real sockets share: a client on each HTTP layer, and what this process has open. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Effect, Layer, Redacted, Schedule } from "effect"
import * as Credentials from "effect-panda/Credentials"
import * as PandaClient from "effect-panda/PandaClient"
import { readdirSync, readlinkSync } from "node:fs"
import type { Task } from "../chaos/child.js"
import { patience } from "../patience.js"

interface Way {
  readonly name: string
  readonly layer: Task["http"]
  readonly body: "bytes" | "stream"
  readonly http: Layer.Layer<HttpClient.HttpClient>
}

export const ways: ReadonlyArray<Way> = [
  { name: "undici", layer: "undici", body: "bytes", http: NodeHttpClient.layerUndici },
  { name: "undici, stream", layer: "undici", body: "stream", http: NodeHttpClient.layerUndici },
  { name: "node", layer: "node", body: "bytes", http: NodeHttpClient.layer },
  { name: "node, stream", layer: "node", body: "stream", http: NodeHttpClient.layer },
  { name: "fetch", layer: "fetch", body: "bytes", http: FetchHttpClient.layer }
]

/** A client of a server on this port, which accepts any signature. */
export const clientAt = (port: number, http: Layer.Layer<HttpClient.HttpClient>) =>
  PandaClient.layer.pipe(
    Layer.provide(
      Credentials.layer({
        accessKey: "access",
        secretKey: Redacted.make("secret"),
        cloudId: "cloud",
        host: "127.0.0.1",
        port
      })
    ),
    Layer.provide(http)
  )

/** How often a file is open in this process. */
export const opened = (path: string) =>
  readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(path)
    } catch {
      return false
    }
  }).length

export const until = (what: string, is: () => boolean) =>
  Effect.suspend(() => is() ? Effect.void : Effect.fail(what)).pipe(
    Effect.retry(Schedule.spaced("5 millis")),
    Effect.timeoutFail({ duration: patience, onTimeout: () => `never: ${what}` })
  )
