/** The values of a profile (contract 10), as an encoder needs them. */
import * as Either from "effect/Either"
import { check, invalid, type Refusal } from "./refusal.js"

export type Profile = Readonly<Record<string, unknown>>

type Valued<A> = Either.Either<A, Refusal>

const isUnset = (value: unknown): boolean =>
  value === undefined || value === null || value === "" || value === "auto" || value === "same_as_source"

/** A number in these bounds; undefined where the profile leaves it to the encoder. */
export const number = (profile: Profile, name: string, least: number, most: number): Valued<number | undefined> => {
  const value = profile[name]
  if (isUnset(value)) return Either.right(undefined)
  const number = Number(value)
  return number >= least && number <= most
    ? Either.right(number)
    : Either.left(invalid(`${name} must be a number from ${least} to ${most}`))
}

export const integer = (profile: Profile, name: string, least: number, most: number): Valued<number | undefined> =>
  Either.flatMap(number(profile, name, least, most), (value) =>
    Either.map(
      check(value === undefined || Number.isInteger(value), () => invalid(`${name} must be a whole number`)),
      () => value
    ))

/** One of these words. */
export const word = <A extends string>(
  profile: Profile,
  name: string,
  words: ReadonlyArray<A>
): Valued<A | undefined> => {
  const value = profile[name]
  if (isUnset(value)) return Either.right(undefined)
  const found = words.find((word) => word === String(value))
  return found === undefined
    ? Either.left(invalid(`${name} must be one of ${words.join(", ")}`))
    : Either.right(found)
}

export const flag = (profile: Profile, name: string): boolean => profile[name] === true || profile[name] === "true"

/** Seconds of `00:01:02.5`, `1:02` or `62`. */
export const time = (profile: Profile, name: string): Valued<number | undefined> => {
  const value = profile[name]
  if (isUnset(value)) return Either.right(undefined)
  const parsed = /^(?:(?:(\d{1,3}):)?(\d{1,2}):)?(\d{1,6}(?:\.\d{1,6})?)$/.exec(String(value))
  if (parsed === null) return Either.left(invalid(`${name} must be a time, such as 00:01:30`))
  const [hours = 0, minutes = 0, seconds = 0] = parsed.slice(1).map((part) => Number(part ?? 0))
  return Either.right(hours * 3600 + minutes * 60 + seconds)
}

/** Seconds of `2s`, `2` or, in frames, `250f`. */
export const moment = (name: string, text: string, fps: number | null): Valued<number> => {
  const parsed = /^(\d{1,9}(?:\.\d{1,6})?)(s|f)?$/.exec(text.trim())
  return parsed === null
    ? Either.left(invalid(`${name} must be seconds or frames, such as 2s or 250f`))
    : Either.right(Number(parsed[1]) / (parsed[2] === "f" ? fps ?? 25 : 1))
}

/** With its dot; what else it might hold would change where the file goes. */
export const extname = (profile: Profile, otherwise: string): Valued<string> => {
  const value = isUnset(profile["extname"]) ? otherwise : String(profile["extname"])
  return /^\.[A-Za-z0-9]{1,10}$/.test(value)
    ? Either.right(value)
    : Either.left(invalid("extname must be a dot and letters or digits, such as .mp4"))
}
