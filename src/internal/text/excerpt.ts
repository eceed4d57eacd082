/** What a server sent, as an error may show it. */
import { inLine, LONGEST } from "./line.js"

/** With its value, in a query, a form, JSON, or what Ruby prints, also where these are escaped once more. */
const NAMED_SECRET =
  /((?:signature|token|location|_key)(?:[\\"']|%22|&[\w#]+;)*\s*(?:=>?|:|%3[DA])\s*(?:[\\"']|%22|&[\w#]+;)*)[^\s&\\"'<>,}]+/gi

/** The beginning of what a server sent, in one line, without what it may have echoed of a request. */
export const excerpt = (text: string): string =>
  inLine(
    text
      .slice(0, 4 * LONGEST)
      .replace(NAMED_SECRET, "$1<redacted>")
      .replace(/\bclou_\w+/g, "<redacted>")
      .replace(/https?(?::|%3A)(?:\\*\/|%2F){2}[^\s"'<>]*/gi, "<redacted url>")
      .replace(/(\/[^\s"'<>?]*\?)[^\s"'<>]+/g, "$1<redacted>")
  )
