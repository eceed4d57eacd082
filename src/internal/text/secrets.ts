/**
 * What a request must keep secret, and how it is found again in what somebody else wrote: as it is or in part, and in
 * whatever way servers, proxies and their pages write it.
 */

/** Values, as they were sent. */
export type Secrets = ReadonlyArray<string>

/** What of a URL can be a secret: whatever is in it besides the place that is talked to. */
export const ofUrl = (url: string): Secrets => {
  const [, user = "", rest = ""] = /^(?:[a-z][a-z0-9+.-]*:\/*)?(?:\/\/)?(?:([^/?#]*)@)?(.*)$/is.exec(url) ?? []
  const local = /^[a-z][a-z0-9+.-]*:/i.test(url) ? rest.replace(/^[^/?#]*/, "") : rest
  return [...user.split(":"), ...local.split(/[/?&#]/).flatMap((part) => /^([^=]*)=?(.*)$/s.exec(part)!.slice(1))]
}

/** Of all that a request says, by the names of its parameters. */
export const ofParameters = (parameters: Iterable<readonly [name: string, value: string]>): Secrets =>
  Array.from(parameters).flatMap(([name, value]) =>
    SECRET.test(name) ? [value, ...ofUrl(value)] : /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? ofUrl(value) : []
  )

const SECRET = /signature|token|secret|passw|credential|(?:^|_)key(?:$|[\]_])/i

/** As many letters of a secret in a row tell it; fewer are found in other words. */
const TELLING = 8

/** Letters of secrets that are looked for: no request of such a length gets through. */
const MOST = 64 * 1024

const known = new WeakMap<Secrets, ReadonlySet<string>>()

/** The parts by which they are told. */
const partsOf = (secrets: Secrets): ReadonlySet<string> => {
  const before = known.get(secrets)
  if (before !== undefined) return before
  const parts = new Set<string>()
  let left = MOST
  for (const secret of secrets) {
    if (secret.length < TELLING) continue
    const { text } = plain(secret.slice(0, left))
    left = Math.max(0, left - secret.length)
    for (let at = 0; at + TELLING <= text.length; at++) parts.add(text.slice(at, at + TELLING))
  }
  known.set(secrets, parts)
  return parts
}

/** The same without them. */
export const conceal = (text: string, ...secrets: ReadonlyArray<Secrets>): string => {
  const told = secrets.map(partsOf).filter(({ size }) => size > 0)
  if (told.length === 0 || text.length < TELLING) return text
  const { ends, starts, text: read } = plain(text)
  let concealed = ""
  let kept = 0
  let from: number | undefined
  let to = 0
  const cut = () => {
    if (from === undefined) return
    concealed += `${text.slice(kept, starts[from])}<redacted>`
    kept = ends[to]!
  }
  for (let at = 0; at + TELLING <= read.length; at++) {
    const part = read.slice(at, at + TELLING)
    if (!told.some((parts) => parts.has(part))) continue
    if (from === undefined || at > to + 1) {
      cut()
      from = at
    }
    to = at + TELLING - 1
  }
  cut()
  return concealed + text.slice(kept)
}

/** Text as it may have been before it was escaped, each letter with where it stands in what was given. */
interface Plain {
  readonly text: string
  readonly starts: ReadonlyArray<number>
  readonly ends: ReadonlyArray<number>
}

/** As often as something is escaped that is so already: by a server, in JSON, on a page. */
const MOST_ESCAPES = 5

const plain = (given: string): Plain => {
  let read = inBytes(given)
  for (let left = MOST_ESCAPES; left > 0 && /[%\\&]/.test(read.text); left--) {
    const next = unescaped(read)
    if (next.text === read.text) break
    read = next
  }
  // Also as base64 is written in addresses, and a plus in a form. What is said in capitals is said.
  return { ...read, text: read.text.toLowerCase().replace(/[- ]/g, "+").replace(/_/g, "/") }
}

/** In a URL, in JSON and other strings, in HTML and XML. */
const ESCAPE =
  /%([0-9a-f]{2})|(?:\\+|%)u(?:([0-9a-f]{4})|\{([0-9a-f]{1,6})\})|\\+x([0-9a-f]{2})|\\+(?=[^\\])|&#x0*([0-9a-f]{1,6});?|&#0*(\d{1,7});?|&([a-z]{2,8});/gi

const entities: Record<string, string> = {
  amp: "&",
  apos: "'",
  colon: ":",
  commat: "@",
  dash: "-",
  equals: "=",
  hyphen: "-",
  lowbar: "_",
  num: "#",
  percnt: "%",
  period: ".",
  plus: "+",
  quest: "?",
  quot: "\"",
  semi: ";",
  sol: "/",
  tilde: "~"
}

const encoder = new TextEncoder()

const bytesOf = (codePoint: number): string =>
  codePoint < 0x80
    ? String.fromCharCode(codePoint)
    : String.fromCharCode(...encoder.encode(String.fromCodePoint(Math.min(codePoint, 0x10ffff))))

/** Letters beyond ASCII as URLs have them. */
const inBytes = (given: string): Plain => {
  let text = ""
  const starts: Array<number> = []
  const ends: Array<number> = []
  for (let at = 0; at < given.length;) {
    const codePoint = given.codePointAt(at)!
    const after = at + (codePoint > 0xffff ? 2 : 1)
    for (const byte of bytesOf(codePoint)) {
      text += byte
      starts.push(at)
      ends.push(after)
    }
    at = after
  }
  return { text, starts, ends }
}

const unescaped = ({ ends, starts, text }: Plain): Plain => {
  let read = ""
  const from: Array<number> = []
  const to: Array<number> = []
  const add = (letters: string, first: number, after: number) => {
    for (let at = 0; at < letters.length; at++) {
      from.push(starts[first]!)
      to.push(ends[after - 1]!)
    }
    read += letters
  }
  const addAsItIs = (first: number, after: number) => {
    for (let at = first; at < after; at++) add(text[at]!, at, at + 1)
  }
  let done = 0
  for (const match of text.matchAll(ESCAPE)) {
    const [whole, percent, unicode, point, byte, hex, decimal, name] = match
    const after = match.index + whole.length
    addAsItIs(done, match.index)
    done = after
    const inHex = percent ?? byte
    const codePoint = unicode ?? point ?? hex
    if (inHex !== undefined) add(String.fromCharCode(parseInt(inHex, 16)), match.index, after)
    else if (codePoint !== undefined) add(bytesOf(parseInt(codePoint, 16)), match.index, after)
    else if (decimal !== undefined) add(bytesOf(Number(decimal)), match.index, after)
    else if (name !== undefined) {
      if (Object.hasOwn(entities, name.toLowerCase())) add(entities[name.toLowerCase()]!, match.index, after)
      else addAsItIs(match.index, after)
    }
  }
  addAsItIs(done, text.length)
  return { text: read, starts: from, ends: to }
}
