/** How the emulator fetches what others tell it to: from addresses of the world only, whatever a name leads to. */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Agent } from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { lookup } from "node:dns"
import type { LookupFunction } from "node:net"
import { isPublicAddress } from "../PandaEmulator.js"

/** Asked at the moment of connecting: a name that was looked at before may lead elsewhere by then. */
const publicOnly: LookupFunction = (hostname, options, answer) =>
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    const found = (addresses ?? []).filter(({ address }) => isPublicAddress(address))
    const [first] = found
    if (error !== null || first === undefined) {
      answer(error ?? Object.assign(new Error(`${hostname} is not public`), { code: "EACCES" }), "", 4)
    } else if (options.all === true) answer(null, found)
    else answer(null, first.address, first.family)
  })

export const layer: Layer.Layer<HttpClient.HttpClient> = Layer.provide(
  NodeHttpClient.layerUndiciWithoutDispatcher,
  Layer.scoped(
    NodeHttpClient.Dispatcher,
    Effect.acquireRelease(
      Effect.sync(() => new Agent({ connect: { lookup: publicOnly } })),
      (agent) => Effect.promise(() => agent.destroy())
    )
  )
)
