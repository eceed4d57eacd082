/** The dates that were seen in what Panda and its kin write (contract 6), and the one that Panda writes now. */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

/** Hours from UTC, of the zones that RFC 822 names. */
const ZONES: { readonly [name: string]: number } = {
  EST: -5,
  EDT: -4,
  CST: -6,
  CDT: -5,
  MST: -7,
  MDT: -6,
  PST: -8,
  PDT: -7
}

const zone = "(?<zone>Z|UTC|UT|GMT|[ECMP][SD]T|[+-]\\d{2}(?::?\\d{2})?)"
const time = "(?<hour>\\d{1,2}):(?<minute>\\d{2})(?::(?<second>\\d{2})(?:[.,](?<fraction>\\d+))?)?"
const month = "(?<month>[a-z]{3})[a-z]*"
const weekday = "(?:[a-z]{3,9},?\\s+)?"

const FORMS = [
  // 2009/10/13 19:11:26 +0100 and ISO 8601; 2011-03-01 15:39:10 UTC of Ruby; the day alone
  `(?<year>\\d{4})(?<dash>[/-])(?<month>\\d{1,2})\\k<dash>(?<day>\\d{1,2})(?:(?:T|\\s+)${time}\\s*${zone}?)?`,
  // Tue, 01 Mar 2011 15:39:10 GMT and Tuesday, 01-Mar-11 15:39:10 GMT, of mail and HTTP
  `${weekday}(?<day>\\d{1,2})[\\s-]${month}[\\s-](?<year>\\d{4}|\\d{2})(?:\\s+${time}\\s*${zone}?)?`,
  // Tue Mar 01 15:39:10 UTC 2011 of Ruby 1.8, Tue Mar  1 15:39:10 2011 of C
  `${weekday}${month}\\s+(?<day>\\d{1,2})\\s+${time}(?:\\s+${zone})?\\s+(?<year>\\d{4})`
].map((form) => new RegExp(`^${form}$`, "i"))

/** Seconds since 1970 with at least nine digits, for what is smaller is hardly meant as a date; or milliseconds. */
const EPOCH = /^(?:(\d{9,10}(?:\.\d+)?)|(\d{12,13}))$/

/** Its offset may take a date to a year that four digits do not write, and so not back. */
const within = (millis: number): DateTime.Utc | undefined =>
  Option.getOrUndefined(
    Option.filter(DateTime.make(millis), (date) => /^\d{4}-/.test(DateTime.formatIso(date)))
  )

const minutesOf = (zone = "UTC"): number => {
  const [, sign, hours, minutes = "0"] = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone) ?? []
  return sign === undefined
    ? 60 * (ZONES[zone.toUpperCase()] ?? 0)
    : Number(`${sign}1`) * (60 * Number(hours) + Number(minutes))
}

/** A date in any of these forms; without an offset it is UTC. */
export const read = (received: unknown): DateTime.Utc | undefined => {
  if (typeof received !== "string" && typeof received !== "number") return undefined
  const text = String(received).trim()
  const [, seconds, millis] = EPOCH.exec(text) ?? []
  if (seconds !== undefined || millis !== undefined) return within(Math.round(Number(millis ?? Number(seconds) * 1000)))
  const parts = FORMS.reduce<Record<string, string> | undefined>(
    (found, form) => found ?? form.exec(text)?.groups,
    undefined
  )
  if (parts === undefined) return undefined
  const { day, fraction = "", hour = "0", minute = "0", month, second = "0", year, zone } = parts
  const years = year!.length === 2 ? Number(year) + (Number(year) < 70 ? 2000 : 1900) : Number(year)
  const months = /^\d/.test(month!) ? Number(month) - 1 : MONTHS.indexOf(month!.toLowerCase())
  const [hours, minutes, whole] = [Number(hour), Number(minute), Number(second)]
  // Not by Date.UTC alone, which takes the 31st of February for the 3rd of March, and the year 9 for 1909.
  const date = new Date(0)
  date.setUTCFullYear(years, months, Number(day))
  if (
    date.getUTCFullYear() !== years || date.getUTCMonth() !== months || date.getUTCDate() !== Number(day) ||
    hours > 23 || minutes > 59 || whole > 59
  ) {
    return undefined
  }
  date.setUTCHours(hours, minutes, whole, Number(fraction.padEnd(3, "0").slice(0, 3)))
  return within(date.getTime() - 60_000 * minutesOf(zone))
}

/** As Panda writes it, which has no place for less than a second: what has some is ISO 8601. */
export const write = (date: DateTime.Utc): string => {
  const iso = DateTime.formatIso(date)
  return iso.endsWith(".000Z") ? `${iso.slice(0, 19).replaceAll("-", "/").replace("T", " ")} +0000` : iso
}
