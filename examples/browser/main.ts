/**
 * A page that uploads to a Panda on this machine: `npx tsx examples/browser/main.ts plain`, or `react`, or `vue`. Open the
 * address that it prints.
 */
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer } from "effect"
import { Credentials, PandaClient } from "effect-panda"
import * as Authorize from "effect-panda/Authorize"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { build } from "esbuild"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"

const pages: Readonly<Record<string, string>> = { plain: "page.ts", react: "page.tsx", vue: "page.ts" }
const [name = "plain", port = "0"] = process.argv.slice(2)
const page = pages[name]
if (page === undefined) throw new Error(`There is no page ${name}: say plain, react or vue`)
const at = (file: string) => fileURLToPath(new URL(`${name}/${file}`, import.meta.url))

/** The page's script and all that it imports, as one file. */
const script = Effect.promise(async () => {
  const { outputFiles } = await build({
    entryPoints: [at(page)],
    bundle: true,
    format: "esm",
    target: "es2022",
    write: false,
    // As the page has it, whatever settings of TypeScript are around.
    jsx: "automatic",
    define: {
      "process.env.NODE_ENV": `"production"`,
      __VUE_OPTIONS_API__: "false",
      __VUE_PROD_DEVTOOLS__: "false",
      __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false"
    }
  })
  return outputFiles[0]!.text
})

// #region readme
/** The backend. Panda's upload host is another origin, to which the page may connect. */
const router = (script: string, uploads: string) =>
  HttpRouter.empty.pipe(
    HttpRouter.get(
      "/",
      HttpServerResponse.html(readFileSync(at("page.html"), "utf8")).pipe(
        HttpServerResponse.setHeader(
          "content-security-policy",
          `default-src 'self'; img-src data:; connect-src 'self' ${uploads}; require-trusted-types-for 'script'`
        )
      )
    ),
    HttpRouter.get("/page.js", HttpServerResponse.text(script, { contentType: "text/javascript" })),
    HttpRouter.all(
      "/panda/authorize_upload",
      Authorize.httpApp({
        maxSize: 5_000_000_000,
        decide: ({ filename }) =>
          filename.startsWith("draft") ? Authorize.deny("Drafts stay at home") : Effect.succeed({ profiles: ["h264"] })
      })
    )
  )
// #endregion

const listen = (port: number) => NodeHttpServer.layer(createServer, { port, host: "127.0.0.1" })

const portOf = HttpServer.addressWith((address) => Effect.succeed(address._tag === "TcpAddress" ? address.port : 0))

/** A Panda of its own, on a port of its own. */
const Panda = Layer.unwrapScoped(Effect.gen(function*() {
  const context = yield* Layer.build(
    PandaEmulator.layerServer({ hash: () => createHash("sha256") }).pipe(Layer.provideMerge(listen(0)))
  )
  const { accessKey, cloudId, secretKey } = yield* Effect.provide(PandaEmulator.PandaEmulator, context)
  const uploads = yield* Effect.provide(portOf, context)
  const client = PandaClient.layer.pipe(
    Layer.provide(Credentials.layer({ accessKey, cloudId, secretKey, host: "127.0.0.1", port: uploads })),
    Layer.provide(NodeHttpClient.layerUndici)
  )
  const serve = HttpServer.serveEffect(Effect.orDie(router(yield* script, `http://127.0.0.1:${uploads}`)))
  return Layer.scopedDiscard(Effect.gen(function*() {
    yield* serve
    yield* Console.log(`The page: http://127.0.0.1:${yield* portOf}/`)
  })).pipe(Layer.provide(client), Layer.provide(listen(Number(port))))
}))

Layer.launch(Panda).pipe(NodeRuntime.runMain)
