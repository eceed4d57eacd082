/** Handles that tell nothing of what they stand for, and that only who made them can open: with AES-GCM of WebCrypto. */
import { hmac } from "@noble/hashes/hmac.js"
import { sha256 } from "@noble/hashes/sha2.js"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { isLocation } from "../upload/decision.js"

/** What a handle stands for. */
export interface Sealed {
  readonly location: string
  /** Bytes of the file. */
  readonly size: number
  /** Milliseconds: from when on it stands for nothing. */
  readonly until: number
}

export interface Seal {
  readonly seal: (sealed: Sealed) => Effect.Effect<string>
  /** Undefined if it is not one of ours. */
  readonly open: (handle: string) => Effect.Effect<Sealed | undefined>
}

const encoder = new TextEncoder()

/** Bytes of the number that is used once, which a handle begins with. */
const NONCE = 12

/** The first secret seals, and all open, so that one can be replaced by another without an upload being lost. */
export const make = (
  secrets: readonly [Redacted.Redacted<string>, ...ReadonlyArray<Redacted.Redacted<string>>]
): Seal => {
  const [current, ...former] = secrets.map(keyOf)
  return {
    seal: ({ location, size, until }) =>
      Effect.promise(async () => {
        const iv = crypto.getRandomValues(new Uint8Array(NONCE))
        const text = encoder.encode(JSON.stringify([location, size, until]))
        const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, await current!, text)
        const bytes = new Uint8Array(NONCE + sealed.byteLength)
        bytes.set(iv)
        bytes.set(new Uint8Array(sealed), NONCE)
        return Encoding.encodeBase64Url(bytes)
      }),
    open: (handle) =>
      Effect.promise(async () => {
        const bytes = Encoding.decodeBase64Url(handle)
        if (Either.isLeft(bytes)) return undefined
        const openings = await Promise.all([current!, ...former].map(async (key) => opened(await key, bytes.right)))
        return openings.find((sealed) => sealed !== undefined)
      })
  }
}

/** For this use alone, whatever else the secret is used for. */
const keyOf = (secret: Redacted.Redacted<string>): Promise<CryptoKey> => {
  const key = hmac(sha256, encoder.encode(Redacted.value(secret)), encoder.encode("effect-panda/Authorize.proxy"))
  return crypto.subtle.importKey("raw", new Uint8Array(key), "AES-GCM", false, ["encrypt", "decrypt"])
}

const opened = async (key: CryptoKey, bytes: Uint8Array): Promise<Sealed | undefined> => {
  try {
    const iv = bytes.slice(0, NONCE)
    const text = await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, bytes.slice(NONCE))
    const [location, size, until]: [string, number, number] = JSON.parse(new TextDecoder().decode(text))
    return isLocation(location) ? { location, size, until } : undefined
  } catch {
    return undefined
  }
}
