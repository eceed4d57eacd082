/** How requests leave: by undici, through the proxy that the environment names, if it names one. */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { EnvHttpProxyAgent } from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const PROXIES = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"]

/** Reads `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`; `NODE_EXTRA_CA_CERTS` Node reads by itself. */
const proxied = Layer.scoped(
  NodeHttpClient.Dispatcher,
  Effect.acquireRelease(Effect.sync(() => new EnvHttpProxyAgent()), (agent) => Effect.promise(() => agent.destroy()))
)

export const layer: Layer.Layer<HttpClient.HttpClient> = Layer.suspend(() =>
  PROXIES.some((name) => (process.env[name] ?? "") !== "")
    ? Layer.provide(NodeHttpClient.layerUndiciWithoutDispatcher, proxied)
    : NodeHttpClient.layerUndici
)
