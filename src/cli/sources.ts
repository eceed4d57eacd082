/** How the emulator fetches what others tell it to: from addresses of the world only, whatever a name leads to. */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Agent } from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { lookup, type LookupAddress, type LookupOptions } from "node:dns"
import type { LookupFunction } from "node:net"
import { isPublicAddress } from "../PandaEmulator.js"

/** What a name leads to at this moment. */
export type Resolve = (
  hostname: string,
  options: LookupOptions & { readonly all: true },
  answer: (error: NodeJS.ErrnoException | null, addresses: ReadonlyArray<LookupAddress>) => void
) => void

/**
 * Asked at the moment of connecting, and the addresses that pass are those that are connected to: a name that was looked
 * at before may lead elsewhere by then. One that leads to both kinds is as good as its public ones.
 */
const publicOnly =
  (resolve: Resolve, isPublic: (address: string) => boolean): LookupFunction => (name, options, answer) =>
    resolve(name, { ...options, all: true }, (error, addresses) => {
      const found = (addresses ?? []).filter(({ address }) => isPublic(address))
      const [first] = found
      if (error !== null || first === undefined) {
        answer(error ?? Object.assign(new Error(`${name} is not public`), { code: "EACCES" }), "", 4)
      } else if (options.all === true) answer(null, found)
      else answer(null, first.address, first.family)
    })

/** An address that stands in an url is nothing to be looked up: that is looked at before. */
export const make = (
  resolve: Resolve = lookup,
  isPublic: (address: string) => boolean = isPublicAddress
): Layer.Layer<HttpClient.HttpClient> =>
  Layer.provide(
    NodeHttpClient.layerUndiciWithoutDispatcher,
    Layer.scoped(
      NodeHttpClient.Dispatcher,
      Effect.acquireRelease(
        Effect.sync(() => new Agent({ connect: { lookup: publicOnly(resolve, isPublic) } })),
        (agent) => Effect.promise(() => agent.destroy())
      )
    )
  )

export const layer = make()
