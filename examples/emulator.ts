/**
 * A Panda for demonstrations: the emulator on a loopback port, with two faults ahead. It keeps what it receives on
 * disk, so that an upload which was interrupted can be taken up by the next process.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, Layer, Option, Redacted } from "effect"
import { Credentials, type UploadState } from "effect-panda"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { createHash } from "node:crypto"
import { openSync, writeSync } from "node:fs"
import { createServer } from "node:http"

export interface Options {
  /** Where the received bytes are kept. */
  readonly spool: string
  /** The upload that an earlier process began. */
  readonly unfinished: Option.Option<UploadState.UploadState>
}

/** SHA-256 that writes down what it hashes. */
const spooledHash = (spool: string) => () => {
  const hash = createHash("sha256")
  const file = openSync(spool, "w", 0o600)
  return {
    update: (bytes: Uint8Array) => {
      hash.update(bytes)
      writeSync(file, bytes)
    },
    digest: () => hash.digest("hex")
  }
}

/** The emulator and credentials for it. */
export const layer = ({ spool, unfinished }: Options) => {
  const port = Option.match(unfinished, {
    onNone: () => 0,
    onSome: ({ location }) => Number(new URL(Redacted.value(location)).port)
  })
  const emulator = PandaEmulator.layerServer({ encodingTime: "4 seconds", hash: spooledHash(spool) })
  const credentials = Layer.unwrapEffect(Effect.gen(function*() {
    const panda = yield* PandaEmulator.PandaEmulator
    const { address } = yield* HttpServer.HttpServer
    const fs = yield* FileSystem.FileSystem

    if (Option.isSome(unfinished)) {
      const earlier = `${spool}.earlier`
      yield* fs.rename(spool, earlier)
      yield* panda.restoreSession(unfinished.value, fs.stream(earlier))
      yield* fs.remove(earlier)
    }
    yield* panda.inject({ route: "chunk", fault: Fault.delay("60 millis"), times: Infinity })
    yield* panda.inject({ route: "chunk", fault: Fault.resetDuring({ after: 0.5 }), skip: 2 })
    yield* panda.inject({ route: "chunk", fault: Fault.status(503), skip: 4 })

    return Credentials.layer({
      accessKey: panda.accessKey,
      secretKey: panda.secretKey,
      cloudId: panda.cloudId,
      host: "127.0.0.1",
      port: address._tag === "TcpAddress" ? address.port : 0
    })
  }))
  return credentials.pipe(
    Layer.provideMerge(emulator),
    Layer.provide(NodeHttpServer.layer(createServer, { port, host: "127.0.0.1" }))
  )
}
