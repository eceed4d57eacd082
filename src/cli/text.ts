/** Text on a terminal: how wide it is, how it is made to fit, and what of it must not get there. */
import * as Url from "@effect/platform/Url"
import * as Either from "effect/Either"
import stringWidth from "string-width"

/**
 * Somebody else's text, such as the name of a file, as a part of a line: without what ends a line, moves the cursor or
 * turns the direction of what stands around it.
 */
export const inLine = (text: string): string =>
  text.replace(/[\s\p{Cc}\p{Bidi_Control}\u{feff}]+/gu, " ").trim().toWellFormed()

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" })

/** Columns that a text takes: two for CJK and emoji, none for what combines or colours. */
export const width = (text: string): number => stringWidth(text)

/** A text of at most so many columns. What is too long loses its middle, so that a file keeps its extension. */
export const fit = (text: string, columns: number): string => {
  if (width(text) <= columns) return text
  if (columns <= 0) return ""
  const parts = Array.from(graphemes.segment(text), ({ segment }) => segment)
  const taken = (parts: ReadonlyArray<string>, room: number): ReadonlyArray<string> => {
    let used = 0
    const end = parts.findIndex((part) => (used += width(part)) > room)
    return end === -1 ? parts : parts.slice(0, end)
  }
  const tail = [...taken([...parts].reverse(), Math.floor((columns - 1) / 3))].reverse().join("")
  const head = taken(parts, columns - 1 - width(tail)).join("")
  return `${head}…${tail}`
}

/** A text of exactly so many columns. */
export const column = (text: string, columns: number, align: "left" | "right" = "left"): string => {
  const fitted = fit(text, columns)
  const blank = " ".repeat(columns - width(fitted))
  return align === "left" ? fitted + blank : blank + fitted
}

/** Words in lines of at most so many columns, each after the indent. */
export const wrap = (text: string, columns: number, indent = 0): string => {
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line !== "" && width(line) + 1 + width(word) > columns - indent) {
      lines.push(line)
      line = word
    } else {
      line = line === "" ? word : `${line} ${word}`
    }
  }
  return [...lines, line].map((line) => `${" ".repeat(indent)}${line}`).join("\n")
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"]

export const bytes = (count: number): string => {
  const unit = Math.min(Math.floor(Math.log2(Math.max(count, 1)) / 10), UNITS.length - 1)
  return `${(count / 1024 ** unit).toFixed(unit === 0 ? 0 : 1)} ${UNITS[unit]}`
}

/** A length of time in its two largest units. */
export const seconds = (count: number): string => {
  const whole = Math.ceil(count)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}

/** A word as a shell takes it back. */
export const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`

/** The word that was probably meant: the nearest of those that are near. */
export const nearest = (word: string, words: ReadonlyArray<string>): string | undefined => {
  const [best] = words
    .map((other) => ({ other, distance: distance(word, other) }))
    .filter(({ distance, other }) => distance <= Math.max(2, Math.floor(other.length / 2)))
    .sort((a, b) => a.distance - b.distance)
  return best?.other
}

/** How many letters have to be put in, left out or changed. */
const distance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[to.length]!
}

/** Columns of text under their headings, in lines of at most so many columns: the widest give way first. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>, columns: number): ReadonlyArray<string> => {
  const cells = rows.map((row) => row.map(inLine))
  const widths = (cells[0] ?? []).map((_, i) => Math.max(...cells.map((row) => width(row[i]!))))
  const gaps = 2 * (widths.length - 1)
  while (widths.reduce((sum, width) => sum + width, gaps) > columns && Math.max(...widths) > 4) {
    widths[widths.indexOf(Math.max(...widths))]!--
  }
  return cells.map((row) => row.map((cell, i) => column(cell, widths[i]!)).join("  ").trimEnd())
}

/** Not as `URL.canParse` has it, which on Node 20 takes letters beyond ASCII for none, once it is compiled. */
export const isUrl = (text: string): boolean => Either.isRight(Url.fromString(text))

/** Whether it is an URL with a host, such as `https://example.com/a`. */
export const isAddress = (text: string): boolean => /^[a-z][a-z\d+.-]*:\/\/[^/]/i.test(text) && isUrl(text)

/** One that can be posted to. */
export const isWebAddress = (text: string): boolean => /^https?:/i.test(text) && isAddress(text)
