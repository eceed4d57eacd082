/** A form with a file in it (contract 3). */
import * as HttpBody from "@effect/platform/HttpBody"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import type { PandaSourceError } from "../PandaError.js"
import * as UploadSource from "../UploadSource.js"

const encoder = new TextEncoder()

/** As browsers do it: a name cannot end its quotes or its line. */
const quoted = (name: string): string =>
  `"${name.replace(/["\r\n]/g, (char) => ({ "\"": "%22", "\r": "%0D", "\n": "%0A" })[char]!)}"`

const SLICE = 1024 * 1024

/** Reads the source from its beginning whenever the body is sent. */
const bytesOf = (source: UploadSource.Any, size: number): Stream.Stream<Uint8Array, PandaSourceError> =>
  Stream.unwrapScoped(Effect.map(source.open, (handle) =>
    Stream.unfoldEffect(0, (offset) => {
      if (offset >= size) return Effect.succeedNone
      const bytes = new Uint8Array(Math.min(SLICE, size - offset))
      return Effect.as(
        UploadSource.readFully(source.name, handle, offset, bytes),
        Option.some([bytes, offset + bytes.byteLength] as const)
      )
    })))

/** The body, whose length is known. A `Blob` goes as such, so that fetch keeps the length; all else as a stream. */
export const body = (
  params: { readonly [name: string]: string },
  source: UploadSource.Any,
  size: number
): Effect.Effect<HttpBody.HttpBody> =>
  Effect.gen(function*() {
    if (source._tag === "Rewindable" && source.blob !== undefined) {
      const form = new FormData()
      for (const [name, value] of Object.entries(params)) form.append(name, value)
      form.append("file", source.blob, source.name)
      return HttpBody.formData(form)
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
    return HttpBody.stream(
      Stream.make(head).pipe(Stream.concat(bytesOf(source, size)), Stream.concat(Stream.make(tail))),
      `multipart/form-data; boundary=${boundary}`,
      head.byteLength + size + tail.byteLength
    )
  })
