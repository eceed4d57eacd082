/** What the element says, each of which a page can say in its own way. */
import { type Code, type Details, sentences } from "../browser/failure.js"
import type { State } from "../browser/model.js"

/** What there is to say of a file and its upload. */
export interface Words {
  readonly label: string
  readonly choose: string
  readonly drop: string
  readonly list: string
  readonly pause: (name: string) => string
  readonly resume: (name: string) => string
  readonly retry: (name: string) => string
  readonly remove: (name: string) => string
  readonly state: Readonly<Record<State, string>>
  /** How far one is: of bytes that are there, of all bytes, and the seconds that are left if that is known. */
  readonly progress: (percent: number, acknowledged: number, size: number, seconds: number | undefined) => string
  /** What a person who does not see the list is told. */
  readonly said: (name: string, state: string) => string
  readonly missing: string
  readonly unfinished: string
  /** What is wrong, by its code: those that are not here are in English. */
  readonly failures: { readonly [code in Code]?: (details: Details) => string }
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"]

/** A number of bytes as the language of the page writes it. */
const bytes = (count: number): string => {
  const power = Math.min(Math.floor(Math.log10(Math.max(count, 1)) / 3), UNITS.length - 1)
  return new Intl.NumberFormat(document.documentElement.lang || undefined, {
    style: "unit",
    unit: UNITS[power]!,
    unitDisplay: "short",
    maximumFractionDigits: 1
  }).format(count / 1000 ** power)
}

const minutes = (seconds: number): string => seconds < 60 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`

export const english: Words = {
  label: "Videos",
  choose: "Choose files",
  drop: "or drop them here",
  list: "Files",
  pause: (name) => `Pause ${name}`,
  resume: (name) => `Resume ${name}`,
  retry: (name) => `Retry ${name}`,
  remove: (name) => `Remove ${name}`,
  state: {
    ready: "Waiting for its turn",
    authorizing: "Starting",
    waiting: "Under way in another tab",
    uploading: "Uploading",
    retrying: "The connection broke off, trying again",
    offline: "Offline, waiting for the network",
    finishing: "Finishing",
    paused: "Paused",
    done: "Uploaded",
    failed: "Failed",
    aborted: "Cancelled"
  },
  progress: (percent, acknowledged, size, seconds) =>
    `${percent} %, ${bytes(acknowledged)} of ${bytes(size)}${
      seconds === undefined ? "" : `, ${minutes(seconds)} left`
    }`,
  said: (name, state) => `${name}: ${state}`,
  missing: "Choose a file",
  unfinished: "Wait until all files are uploaded, or remove those that are not",
  failures: {}
}

/** In the page's words, or in English. */
export const failureIn = ({ failures }: Words, code: Code, details: Details): string =>
  (failures[code] ?? sentences[code])(details)
