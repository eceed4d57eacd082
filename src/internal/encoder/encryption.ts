/** HLS whose pieces are encrypted (contract 10): the key, and what `ffmpeg` and players are told of it. */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import { urlOf } from "../text/url.js"
import { check, invalid, type Refusal } from "./refusal.js"
import * as Values from "./values.js"

export interface Encryption {
  /** Of AES-128. Where the profile has none, one is made up. */
  readonly key: Uint8Array | undefined
  /** In hexadecimal digits. Without one the number of each piece counts, as HLS says. */
  readonly iv: string | undefined
  /** Where players are sent for the key. Without one it lies beside the playlist. */
  readonly url: string | undefined
}

/** What `ffmpeg` reads where the key is from: no part of what is made. */
export const INFO = "keyinfo"

/** The suffix of the key. */
export const KEY = ".key"

const text = (profile: Values.Profile, name: string): string | undefined => {
  const value = profile[name]
  return value === undefined || value === null || value === "" ? undefined : String(value)
}

const bytes = (profile: Values.Profile, name: string): Either.Either<Uint8Array | undefined, Refusal> => {
  const value = text(profile, name)
  if (value === undefined) return Either.right(undefined)
  const decoded = Encoding.decodeBase64(value)
  return Either.isRight(decoded) && decoded.right.length === 16
    ? Either.right(decoded.right)
    : Either.left(invalid(`${name} must be 16 bytes in Base64`))
}

/** What a profile says of it, if it asks for it. */
export const read = (profile: Values.Profile): Either.Either<Encryption | undefined, Refusal> =>
  Either.gen(function*() {
    if (!Values.flag(profile, "encryption")) return undefined
    const given = text(profile, "encryption_key_url")
    const url = given === undefined ? undefined : urlOf(given)
    yield* check(
      given === undefined || url?.protocol === "http:" || url?.protocol === "https:",
      () => invalid("encryption_key_url must be an address of http or https")
    )
    const key = yield* bytes(profile, "encryption_key")
    yield* check(
      given === undefined || key !== undefined,
      () => invalid("encryption_key_url needs the encryption_key that is there")
    )
    const iv = yield* bytes(profile, "encryption_iv")
    // As it is written there, it has no quotes and no line breaks: a playlist has no way to say them.
    return { key, iv: iv && Encoding.encodeHex(iv), url: url?.href.replace(/["\s]/g, encodeURIComponent) }
  })

/** The file of lines that tells `ffmpeg`: what the playlist says, where the key is, and the vector. */
export const info = ({ iv }: Encryption): string =>
  [`out${KEY}`, `file:out${KEY}`, ...(iv === undefined ? [] : [iv])].join("\n")

/** The playlist, with the address that the profile gives for the key. */
export const pointed = (playlist: string, url: string): string =>
  playlist.replaceAll(`URI="out${KEY}"`, () => `URI="${url}"`)
