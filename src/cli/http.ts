/** How requests leave: by undici, through the proxy that the environment names, if it names one. */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { EnvHttpProxyAgent } from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ConfigurationError } from "./exit.js"
import { isUrl } from "./text.js"

const PROXIES = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"]

const isProxy = (text: string) => /^https?:\/\//i.test(text) && isUrl(text)

/** Reads `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`; `NODE_EXTRA_CA_CERTS` Node reads by itself. */
const proxied = Layer.scoped(
  NodeHttpClient.Dispatcher,
  Effect.acquireRelease(Effect.sync(() => new EnvHttpProxyAgent()), (agent) => Effect.promise(() => agent.destroy()))
)

export const layer: Layer.Layer<HttpClient.HttpClient, ConfigurationError> = Layer.suspend(() => {
  const named = PROXIES.filter((name) => (process.env[name] ?? "") !== "")
  // It may have a password in it, and is not shown.
  const wrong = named.find((name) => !isProxy(process.env[name]!))
  if (wrong !== undefined) {
    return Layer.fail(new ConfigurationError({ message: `${wrong} is not the url of a proxy: http://HOST:PORT` }))
  }
  return named.length > 0
    ? Layer.provide(NodeHttpClient.layerUndiciWithoutDispatcher, proxied)
    : NodeHttpClient.layerUndici
})
