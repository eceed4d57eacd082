/**
 * A Panda on this machine: the emulator on a loopback port, and the credentials for it. For `demo` it keeps what it has
 * received on disk, so that an upload which was interrupted can be taken up by the next process.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpServer from "@effect/platform/HttpServer"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs"
import { createServer } from "node:http"
import type { Hash, PandaEmulator } from "../PandaEmulator.js"
import type { UploadState } from "../UploadState.js"
import { UsageError } from "./exit.js"

/** A server on a port of this machine only; a port that is taken is told by its number. */
export const server = (port: number): Layer.Layer<HttpServer.HttpServer, UsageError> =>
  NodeHttpServer.layer(() => createServer(), { port, host: "127.0.0.1" }).pipe(
    Layer.mapError((error) =>
      new UsageError({
        message: `port ${port} cannot be listened on (${String((error.cause as { readonly code?: string }).code)})`
      })
    )
  )

export const portOf = ({ address }: Context.Tag.Service<typeof HttpServer.HttpServer>): number =>
  address._tag === "TcpAddress" ? address.port : 0

/** SHA-256 by Node, which is faster than that in JavaScript. */
export const hash = (): Hash => {
  const hash = createHash("sha256")
  return { update: (bytes) => hash.update(bytes), digest: () => hash.digest("hex") }
}

/** What sessions have received, a file for each, under the number of the session until its id is known. */
export const spool = (folder: string) => {
  const files: Array<number | undefined> = []
  const at = (name: string | number) => `${folder}/${encodeURIComponent(name)}.received`
  /** A disk that cannot be written costs the resumption, not the upload. */
  const open = () => {
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      return openSync(at(files.length), "w", 0o600)
    } catch {
      return undefined
    }
  }
  return {
    at,
    /** SHA-256 that writes down what it hashes. */
    hash: () => {
      const hash = createHash("sha256")
      const file = open()
      files.push(file)
      return {
        update: (bytes: Uint8Array) => {
          hash.update(bytes)
          if (file !== undefined) writeSync(file, bytes)
        },
        digest: () => hash.digest("hex")
      }
    },
    /** The file stays open under its new name. */
    name: (session: number, id: string) => {
      if (files[session] !== undefined && existsSync(at(session))) renameSync(at(session), at(id))
    },
    remove: (id: string) => rmSync(at(id), { force: true })
  }
}

/** Takes up what an earlier process had received of an upload. */
export const restore = (
  panda: PandaEmulator.Service,
  { at }: ReturnType<typeof spool>,
  state: UploadState
) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const file = at(Redacted.value(state.id))
    if (!(yield* fs.exists(file))) return
    const earlier = `${file}.earlier`
    yield* fs.rename(file, earlier)
    yield* panda.restoreSession(state, fs.stream(earlier))
    yield* fs.remove(earlier)
  })

/** Where an upload goes on has to be where it began. */
export const portIn = (state: UploadState): number => Number(new URL(Redacted.value(state.location)).port)
