/** A site whose pages upload, with a strict content security policy, and the emulator on another port: another origin. */
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect, Redacted } from "effect"
import * as Authorize from "effect-panda/Authorize"
import type * as PandaEmulator from "effect-panda/PandaEmulator"
import { createHash } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "../../esbuild.js"
import { panda, server } from "../serve.js"

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url))

/** The scripts of the pages. */
export const bundled = Effect.promise(async () => {
  const folder = mkdtempSync(join(tmpdir(), "effect-panda-page-"))
  await build({
    entryPoints: [here("page.ts"), here("elementPage.ts")],
    outdir: folder,
    bundle: true,
    format: "esm",
    target: "es2022"
  })
  const read = (name: string) => readFileSync(join(folder, name), "utf8")
  const scripts = { page: read("page.js"), element: read("elementPage.js") }
  rmSync(folder, { recursive: true })
  return scripts
})

const PAGE = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Upload</title><link rel="icon" href="data:,"></head>
<body><label>File <input type="file"></label><script type="module" src="/page.js"></script></body>
</html>`

const ELEMENT = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Films</title><link rel="icon" href="data:,">
<script type="module" src="/element.js"></script>
</head>
<body>
<main>
<h1>Films</h1>
<form>
<fieldset>
<legend>Your films</legend>
<panda-upload name="films" label="Films" accept="video/*" max-size="100000000" multiple required></panda-upload>
</fieldset>
<button id="send">Send</button>
</form>
</main>
</body>
</html>`

export const make = (scripts: Effect.Effect.Success<typeof bundled>, options?: PandaEmulator.Options) =>
  Effect.gen(function*() {
    const { client, emulator, port: upstream } = yield* panda(options)
    const secret = Redacted.make("0123456789abcdef0123456789abcdef")
    const proxy = yield* Authorize.proxy({ url: "/panda/upload", secret })
    const decide = () => Effect.succeed({ profiles: ["h264"] })
    const policy = [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src data:",
      `connect-src 'self' http://127.0.0.1:${upstream}`,
      "base-uri 'none'",
      "form-action 'self'",
      "require-trusted-types-for 'script'"
    ].join("; ")
    const guarded = (page: string) =>
      HttpServerResponse.html(page).pipe(HttpServerResponse.setHeader("content-security-policy", policy))
    const noted = Effect.gen(function*() {
      const request = yield* HttpServerRequest.HttpServerRequest
      const form = new URLSearchParams(yield* Effect.orDie(request.text))
      const { id } = JSON.parse(form.get("upload_response") ?? "{}") as { readonly id?: string }
      return HttpServerResponse.unsafeJson({ id })
    })
    const router = HttpRouter.empty.pipe(
      HttpRouter.get("/", guarded(PAGE)),
      HttpRouter.get("/element", guarded(ELEMENT)),
      HttpRouter.get("/element.js", HttpServerResponse.text(scripts.element, { contentType: "text/javascript" })),
      HttpRouter.get("/page.js", HttpServerResponse.text(scripts.page, { contentType: "text/javascript" })),
      HttpRouter.all("/panda/authorize_upload", Authorize.httpApp({ decide })),
      HttpRouter.all(
        "/panda/noted",
        Authorize.httpApp({ decide: () => Effect.succeed({ postprocess_url: "/panda/done" }) })
      ),
      HttpRouter.post("/panda/done", noted),
      HttpRouter.all("/panda/proxied", Authorize.httpApp({ decide, proxy })),
      HttpRouter.all("/panda/upload/*", proxy.httpApp)
    )
    const { port, server: door } = yield* server
    yield* door.serve(Effect.provide(Effect.orDie(router), client))
    return { emulator, url: `http://127.0.0.1:${port}/` }
  })

/** A file of so many bytes that are not all alike, and its hash. */
export const fileOf = (size: number, name = "movie.mp4") =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const folder = mkdtempSync(join(tmpdir(), "effect-panda-file-"))
      const bytes = Buffer.alloc(size)
      let state = 0x12345678
      for (let at = 0; at < size; at += 4) {
        state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + at | 0
        bytes.writeInt32LE(state, Math.min(at, size - 4))
      }
      const path = join(folder, name)
      writeFileSync(path, bytes)
      return { path, size, sha256: createHash("sha256").update(bytes).digest("hex"), folder }
    }),
    ({ folder }) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
