/**
 * How parameters are read from a query or an urlencoded body, and how a Rails server that shares panda_gem's code
 * would put them back together to check a signature (contract 2.3 and 2.4).
 */

export type Parameters = Readonly<Record<string, string | Readonly<Record<string, string>>>>

type Pair = readonly [name: string, value: string]

const decode = (text: string): string => {
  const spaced = text.replaceAll("+", " ")
  try {
    return decodeURIComponent(spaced)
  } catch {
    return spaced
  }
}

/** The pairs of a query or of an urlencoded body, in order. */
export const pairsOf = (text: string): Array<Pair> =>
  text.split("&").filter((pair) => pair !== "").map((pair) => {
    const equals = pair.indexOf("=")
    return equals === -1 ? [decode(pair), ""] : [decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))]
  })

/** `a[b]=c` becomes `{ a: { b: "c" } }`; of equal names the last one counts. */
export const fromPairs = (pairs: Iterable<Pair>): Parameters => {
  const flat: Record<string, string | Record<string, string>> = Object.create(null)
  for (const [name, value] of pairs) {
    const nested = /^([^[\]]+)\[([^[\]]*)\]$/.exec(name)
    if (nested === null) {
      flat[name] = value
      continue
    }
    const [base, inner] = [nested[1]!, nested[2]!]
    const found = flat[base]
    const group = typeof found === "object" ? found : Object.create(null) as Record<string, string>
    group[inner] = value
    flat[base] = group
  }
  return flat
}

/** The parameter's text; undefined when it is absent or nested. */
export const textOf = (parameters: Parameters, name: string): string | undefined => {
  const value = parameters[name]
  return typeof value === "string" ? value : undefined
}

/** A boolean as clients write it (seen: `1` and nothing from PHP, words from all others); undefined for anything else. */
export const flag = (text: string): boolean | undefined =>
  /^(true|1)$/i.test(text) ? true : /^(false|0|)$/i.test(text) ? false : undefined

/** RFC 3986: everything but unreserved characters, byte by byte. */
const escape = (text: string): string => {
  let out = ""
  for (const byte of encoder.encode(text)) {
    const char = String.fromCharCode(byte)
    out += /[A-Za-z0-9\-._~]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`
  }
  return out
}

const encoder = new TextEncoder()

/** Orders by UTF-8 bytes, as Ruby does; code points order alike, UTF-16 units do not. */
const byBytes = (left: string, right: string): number => {
  const [a, b] = [[...left], [...right]]
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = a[i]!.codePointAt(0)! - b[i]!.codePointAt(0)!
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** What was signed, if the client followed the rules: all but `signature` and `file`, sorted, nested brackets bare. */
export const canonical = (parameters: Parameters): string =>
  Object.keys(parameters).filter((name) => name !== "signature" && name !== "file").sort(byBytes).flatMap((name) => {
    const value = parameters[name]!
    return typeof value === "string"
      ? [`${escape(name)}=${escape(value)}`]
      : Object.keys(value).sort(byBytes).map((inner) => `${name}[${escape(inner)}]=${escape(value[inner]!)}`)
  }).join("&")
