/** What a server sent, as an error may show it. */
import { inLine, LONGEST } from "./line.js"
import * as secrets from "./secrets.js"

/** With its value, in a query, a form, JSON, or what Ruby prints, also where these are escaped once more. */
const NAMED =
  /((?:signature|token|location|_key)(?:[\\"']|%22|&[\w#]+;)*\s*(?:=>?|:|%3[DA])\s*(?:[\\"']|%22|&[\w#]+;)*)([^\s&\\"'<>,}]+)/gi

/** With its value next to it, in the cells of a table, in an element or a list, where that looks like one. */
const BESIDE =
  /((?:signature|token|_key)(?:[\s"'=:,>|)\]]|<[^<>]{0,60}>|&[\w#]+;)+)((?=[^\s"'<>,&]*[\d+/=%])[\w+/=%.~-]{16,})/gi

const ADDRESS = /https?(?::|%3A)(?:\\*\/|%2F){2}[^\s"'<>]*/gi

const QUERY = /(\/[^\s"'<>?]*\?)([^\s"'<>]+)/g

/**
 * The beginning of what a server sent, in one line, without what it may have echoed of a request. What the request had to
 * keep secret is found in any form; of what else may be one, by its name or its place.
 */
export const excerpt = (text: string, known: secrets.Secrets = []): string => {
  const beginning = text.slice(0, 4 * LONGEST)
  // What is in the address of one thing is secret beside it too, such as the id of a session.
  const inAddresses = Array.from(beginning.matchAll(ADDRESS), ([address]) => secrets.ofUrl(decoded(address)))
  return inLine(
    secrets.conceal(beginning.replace(ADDRESS, "<redacted url>"), known, inAddresses.flat())
      .replace(NAMED, "$1<redacted>")
      .replace(BESIDE, "$1<redacted>")
      .replace(/\bclou_\w+/g, "<redacted>")
      .replace(QUERY, "$1<redacted>")
  )
}

/** As an address is that stands in another, or in JSON. */
const decoded = (address: string): string => {
  const plain = address.replaceAll("\\/", "/")
  return /^https?%3A/i.test(plain) ? plain.replace(/%3A/gi, ":").replace(/%2F/gi, "/").replace(/%3F/gi, "?") : plain
}
