/** Certificates made on the spot, with whatever is to be wrong with them: in DER, by hand, since `node:crypto` only reads them. */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto"

interface Signer {
  readonly name: string
  readonly key: KeyObject
  /** In PEM, as `tls` takes it. */
  readonly certificate: string
}

export interface Options {
  /** Names and addresses that it is for. */
  readonly hosts: ReadonlyArray<string>
  /** When it is valid; now, by default. */
  readonly from?: Date
  readonly to?: Date
  /** By default itself. */
  readonly by?: Signer
}

const tlv = (tag: number, ...parts: ReadonlyArray<Uint8Array>): Buffer => {
  const content = Buffer.concat(parts)
  const length = content.length < 128
    ? Buffer.from([content.length])
    : Buffer.from([0x82, content.length >> 8, content.length & 0xff])
  return Buffer.concat([Buffer.from([tag]), length, content])
}

const sequence = (...parts: ReadonlyArray<Uint8Array>) => tlv(0x30, ...parts)

const integer = (value: number) => tlv(0x02, Buffer.from([value]))

const identifier = (hex: string) => tlv(0x06, Buffer.from(hex, "hex"))

const bits = (bytes: Uint8Array) => tlv(0x03, Buffer.from([0]), bytes)

const octets = (bytes: Uint8Array) => tlv(0x04, bytes)

const time = (date: Date) => tlv(0x18, Buffer.from(`${date.toISOString().slice(0, 19).replace(/[-:T]/g, "")}Z`))

const nameOf = (name: string) => sequence(tlv(0x31, sequence(identifier("550403"), tlv(0x0c, Buffer.from(name)))))

const hostOf = (host: string) =>
  /^[\d.]+$/.test(host)
    ? tlv(0x87, Buffer.from(host.split(".").map(Number)))
    : tlv(0x82, Buffer.from(host))

const ecdsaWithSha256 = sequence(identifier("2a8648ce3d040302"))

const DAY = 86_400_000

let serial = 0

/** A key and a certificate for it. */
export const make = (
  { by, from = new Date(Date.now() - DAY), hosts, to = new Date(Date.now() + DAY) }: Options
): Signer & { readonly pem: string } => {
  const { privateKey: key, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const name = hosts[0] ?? `authority ${serial + 1}`
  const extensions = [
    // What is for no host may sign others.
    sequence(
      identifier("551d13"),
      tlv(0x01, Buffer.from([0xff])),
      octets(
        hosts.length > 0
          ? sequence()
          : sequence(tlv(0x01, Buffer.from([0xff])))
      )
    ),
    ...(hosts.length > 0 ? [sequence(identifier("551d11"), octets(sequence(...hosts.map(hostOf))))] : [])
  ]
  const unsigned = sequence(
    tlv(0xa0, integer(2)),
    integer(++serial),
    ecdsaWithSha256,
    nameOf(by?.name ?? name),
    sequence(time(from), time(to)),
    nameOf(name),
    publicKey.export({ type: "spki", format: "der" }),
    tlv(0xa3, sequence(...extensions))
  )
  const signature = bits(sign("sha256", unsigned, by?.key ?? key))
  const der = sequence(unsigned, ecdsaWithSha256, signature)
  const certificate = `-----BEGIN CERTIFICATE-----\n${
    der.toString("base64").replace(/.{1,64}/g, "$&\n")
  }-----END CERTIFICATE-----\n`
  return { name, key, certificate, pem: key.export({ type: "pkcs8", format: "pem" }).toString() }
}
