/** A form with a file in it (contract 3). */
import * as HttpBody from "@effect/platform/HttpBody"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import { PandaInputError, PandaSourceError } from "../../PandaError.js"
import * as UploadSource from "../../UploadSource.js"
import * as monotonic from "../time/monotonic.js"
import { withFetch } from "./fetch.js"

export interface File {
  readonly source: UploadSource.Any
  /** Bytes. */
  readonly size: number
}

/** A file whose going out can be watched, where its bytes are asked for one after another. */
export interface Watched extends File {
  readonly seen: {
    /** When bytes were last asked for, on the clock of `monotonic`; undefined before. */
    at: number | undefined
    /** They are all gathered before the first one goes, so that this says nothing. */
    gathered: boolean
  }
}

export const watched = ({ size, source }: File): Watched => {
  const seen: Watched["seen"] = { at: undefined, gathered: false }
  const noted = Effect.map(monotonic.now, (now) => void (seen.at = now))
  const open = Effect.map(source.open, ({ read, stat }) => ({
    stat,
    read: (offset: number, buffer: Uint8Array) => Effect.zipRight(noted, read(offset, buffer))
  }))
  return { source: { ...source, open }, size, seen }
}

export interface Form {
  readonly body: HttpBody.HttpBody
  /** To be put around the sending of the body. */
  readonly keepLength: <A, E, R>(sending: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

const encoder = new TextEncoder()

/** As browsers do it: a name cannot end its quotes or its line. */
const quoted = (name: string): string =>
  `"${name.replace(/["\r\n]/g, (char) => ({ "\"": "%22", "\r": "%0D", "\n": "%0A" })[char]!)}"`

const SLICE = 1024 * 1024

/** Reads the source from its beginning whenever the body is sent. */
const bytesOf = ({ size, source }: File): Stream.Stream<Uint8Array, PandaSourceError> =>
  Stream.unwrapScoped(Effect.map(source.open, (handle) =>
    Stream.unfoldEffect(0, (offset) => {
      if (offset >= size) return Effect.succeedNone
      const bytes = new Uint8Array(Math.min(SLICE, size - offset))
      return Effect.as(
        UploadSource.readFully(source.name, handle, offset, bytes),
        Option.some([bytes, offset + bytes.byteLength] as const)
      )
    })))

/**
 * The form, as a stream whose length is known. Not as `FormData`, which rewrites the line ends of what was signed.
 *
 * Fetch would send a stream without its length, so it gets a `Blob`: the one that the source was made from with the rest
 * of the form around it, or else one of all bytes. Other HTTP layers do not ask for a `Fetch`.
 */
export const make = (
  params: { readonly [name: string]: string },
  file: Watched
): Effect.Effect<Form, PandaInputError> =>
  Effect.gen(function*() {
    const { size, source } = file
    if (source.name === "" || !source.name.isWellFormed()) {
      return yield* new PandaInputError({
        operation: "file",
        parameter: "file",
        description: "has a name that is empty or not well-formed text: pass another name"
      })
    }
    const boundary = `panda-${yield* Random.nextIntBetween(1e8, 1e9)}${yield* Random.nextIntBetween(1e8, 1e9)}`
    const fields = Object.entries(params).map(([name, value]) =>
      `--${boundary}\r\ncontent-disposition: form-data; name=${quoted(name)}\r\n\r\n${value}\r\n`
    )
    const head = encoder.encode(
      `${fields.join("")}--${boundary}\r\ncontent-disposition: form-data; name="file"; filename=${
        quoted(source.name)
      }\r\ncontent-type: application/octet-stream\r\n\r\n`
    )
    const tail = encoder.encode(`\r\n--${boundary}--\r\n`)
    const blobOf = async (stream: ReadableStream, signal: AbortSignal) => {
      if (source._tag === "OnePass" || source.blob === undefined) {
        return new Response(stream.pipeThrough(new TransformStream(), { signal })).blob()
      }
      await stream.cancel()
      return new Blob([head, source.blob, tail])
    }
    return {
      body: HttpBody.stream(
        Stream.make(head).pipe(Stream.concat(bytesOf(file)), Stream.concat(Stream.make(tail))),
        `multipart/form-data; boundary=${boundary}`,
        head.byteLength + size + tail.byteLength
      ),
      keepLength: withFetch((fetch) => async (input, init) => {
        const { body, signal } = init ?? {}
        file.seen.gathered = body instanceof ReadableStream
        return fetch(input, body instanceof ReadableStream ? { ...init, body: await blobOf(body, signal!) } : init)
      })
    }
  })

/**
 * Sends a file whose size is found out first, which fails if there is nothing to send. If the file fails on the way, the
 * error is that and not what the HTTP layer makes of it.
 */
export const sending = <A, E, R>(
  source: UploadSource.Any,
  send: (file: File) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | PandaSourceError, R> =>
  Effect.gen(function*() {
    const { size } = yield* Effect.scoped(
      Effect.flatMap(source.open, (handle) => UploadSource.fingerprint(source, handle))
    )
    const { name } = source
    let failure: PandaSourceError | undefined
    let opened = 0
    const noted = <A, R>(effect: Effect.Effect<A, PandaSourceError, R>) =>
      Effect.tapError(effect, (error) => Effect.sync(() => void (failure = error)))
    const open = Effect.gen(function*() {
      if (opened++ > 0 && source._tag === "OnePass") {
        return yield* new PandaSourceError({ operation: "UploadSource.fromStream", reason: "CannotRewind", file: name })
      }
      const handle = yield* source.open
      const read = (offset: number, buffer: Uint8Array) =>
        Effect.as(noted(UploadSource.readFully(name, handle, offset, buffer)), buffer.byteLength)
      return { stat: handle.stat, read }
    })
    return yield* Effect.catchAll(
      send({ source: { ...source, open: noted(open) }, size }),
      (error) => Effect.fail(failure ?? error)
    )
  })
