/** Which addresses belong to the world, and not to this machine, its network or whoever runs them. */

type Block = readonly [first: number, bits: number]

const number = (address: string): number => address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0)

const block = (text: string): Block => {
  const [address, bits] = text.split("/")
  return [number(address!), Number(bits)]
}

/** (IANA's registry of special addresses) */
const special: ReadonlyArray<Block> = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/3"
].map(block)

const isV4 = (text: string): boolean =>
  /^\d{1,3}(\.\d{1,3}){3}$/.test(text) && text.split(".").every((part) => Number(part) < 256)

const isPublicV4 = (text: string): boolean => {
  const address = number(text)
  return !special.some(([first, bits]) =>
    Math.floor(address / 2 ** (32 - bits)) === Math.floor(first / 2 ** (32 - bits))
  )
}

/** The eight numbers of an IPv6 address; undefined if it is none. */
const groupsOf = (text: string): ReadonlyArray<number> | undefined => {
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  const embedded = tail !== null && isV4(tail[2]!) ? number(tail[2]!) : undefined
  const plain = tail === null || embedded === undefined
    ? text
    : `${tail[1]}${Math.floor(embedded / 65536).toString(16)}:${(embedded % 65536).toString(16)}`
  const halves = plain.split("::").map((half) => half === "" ? [] : half.split(":"))
  if (halves.length > 2 || !halves.flat().every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined
  const [left = [], right = []] = halves
  const missing = 8 - left.length - right.length
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined
  return [...left, ...Array.from({ length: missing }, () => "0"), ...right].map((group) => parseInt(group, 16))
}

const isPublicV6 = (groups: ReadonlyArray<number>): boolean => {
  const [first = 0, second = 0] = groups
  // Of what is given to networks, without what stands for addresses of version 4, for tunnels and for examples.
  return first >= 0x2000 && first < 0x4000 && first !== 0x2002 && first !== 0x3ffe &&
    !(first === 0x2001 && (second < 0x200 || second === 0xdb8))
}

/**
 * Whether the text is an address that everyone may reach: not one of this machine, of a private network, of a link, of
 * the services of a cloud, or of none of the world. What is not an address is not a public one.
 */
export const isPublicAddress = (text: string): boolean => {
  const bare = text.replace(/^\[|\]$/g, "").replace(/%.*$/, "")
  if (isV4(bare)) return isPublicV4(bare)
  const groups = groupsOf(bare)
  return groups !== undefined && isPublicV6(groups)
}

/** Whether the host of an url is an address that is not public, or a name for this machine. */
export const isPrivateHost = (hostname: string): boolean => {
  const name = hostname.toLowerCase().replace(/\.+$/, "")
  const isAddress = name.startsWith("[") || isV4(name)
  return isAddress ? !isPublicAddress(name) : name === "" || name === "localhost" || name.endsWith(".localhost")
}
