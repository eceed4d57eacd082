/** JSON that others wrote, from a server or a file: what can only mean harm does not come in, and no number changes. */
import * as Arr from "effect/Array"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"

/** Panda nests three levels deep. Far below what recursion over a value, ours or another's, has the stack for. */
const DEEPEST = 100

/**
 * None if it is nested too deeply. Takes out `__proto__`, which would make its value the prototype of an object that is
 * copied: attributes would appear that no schema has seen.
 */
const sanitized = (json: unknown): Option.Option<unknown> => {
  let level: Array<unknown> = [json]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST) return Option.none()
    const next: Array<unknown> = []
    for (const value of level) {
      if (typeof value !== "object" || value === null) continue
      if (Object.hasOwn(value, "__proto__")) Reflect.deleteProperty(value, "__proto__")
      for (const inner of Object.values(value)) {
        if (typeof inner === "object" && inner !== null) next.push(inner)
      }
    }
    level = next
  }
  return Option.some(json)
}

/** Of an object or an array that was read: where it has text in which a number was, too large for JavaScript's. */
const numerals = new WeakMap<object, Set<string>>()

/** Whether what an object or an array has under a name is the text of a number, which is written as a number again. */
export const isNumeral = (holder: object, name: string): boolean => numerals.get(holder)?.has(name) === true

export const setNumeral = (holder: object, name: string): void => {
  const names = numerals.get(holder)
  if (names === undefined) numerals.set(holder, new Set([name]))
  else names.add(name)
}

export const hasNumerals = (holder: object): boolean => numerals.has(holder)

/** Only where there may be a number that JavaScript's would change, which is seldom, is the text read once more. */
const SUSPECT = /\d{16}|[eE]\+?\d{3}/

const isExact = (token: string): boolean => {
  const number = Number(token)
  return Number.isFinite(number) && (Number.isSafeInteger(number) || !/^-?\d+$/.test(token))
}

/** Reads text that is known to be JSON, with the numbers as text that would change. None if it is nested too deeply. */
const exact = (text: string): Option.Option<unknown> => {
  let at = 0
  let depth = 0
  let isTooDeep = false
  const skip = (characters: RegExp) => {
    while (at < text.length && characters.test(text[at]!)) at++
  }
  const string = (): string => {
    const start = at++
    while (text[at] !== "\"") at += text[at] === "\\" ? 2 : 1
    return JSON.parse(text.slice(start, ++at)) as string
  }
  const into = (holder: Record<string, unknown> | Array<unknown>, name: string): void => {
    skip(/[\s:]/)
    const start = at
    let value: unknown
    let isNumber = false
    if (text[at] === "{" || text[at] === "[") value = container()
    else if (text[at] === "\"") value = string()
    else {
      skip(/[^\s,\]}]/)
      const token = text.slice(start, at)
      isNumber = /^[-\d]/.test(token) && !isExact(token)
      value = isNumber ? token : JSON.parse(token)
    }
    if (isNumber) setNumeral(holder, name)
    // Of attributes of one name the last counts.
    else numerals.get(holder)?.delete(name)
    // Not by assignment, which for `__proto__` would be no attribute.
    Object.defineProperty(holder, name, { value, configurable: true, enumerable: true, writable: true })
  }
  const container = (): unknown => {
    const holder = text[at++] === "{" ? {} : []
    // Also in what does not last, because its name comes again: the value that JSON.parse gives does not show it.
    isTooDeep ||= depth++ > DEEPEST
    for (;;) {
      skip(/[\s,]/)
      if (isTooDeep || text[at] === "}" || text[at] === "]") break
      into(holder, Array.isArray(holder) ? String(holder.length) : string())
    }
    at++
    depth--
    return holder
  }
  const root: Array<unknown> = []
  into(root, "0")
  return isTooDeep ? Option.none() : Option.some(root[0])
}

const parse = Option.liftThrowable((text: string): unknown => JSON.parse(text))

const read = (text: string): Option.Option<unknown> => {
  const json = Option.flatMap(parse(text), sanitized)
  return Option.isSome(json) && SUSPECT.test(text) ? Option.flatMap(exact(text), sanitized) : json
}

/** JSON as text, with the numbers as they were read. */
export const write = (json: unknown, indent?: number): string => {
  const plain = JSON.stringify(json, null, indent)
  let mark = "#"
  while (plain?.includes(`"${mark}`)) mark += "#"
  let isMarked = false
  const marked = JSON.stringify(json, function(this: object, name, value: unknown) {
    if (!isNumeral(this, name)) return value
    isMarked = true
    return `${mark}${String(value)}`
  }, indent)
  return isMarked ? marked.replaceAll(new RegExp(`"${mark}([^"]*)"`, "g"), "$1") : plain
}

/**
 * Any JSON as text. A whole number beyond 2^53, which may be an id, and a number beyond what is finite are read as their
 * text: JavaScript's numbers would make others of them.
 */
export const Json: Schema.Schema<unknown, string> = Schema.transformOrFail(Schema.String, Schema.Unknown, {
  strict: true,
  decode: (text, _, ast) =>
    Option.match(read(text), {
      // Without the text, of which the platform's own message shows a part.
      onNone: () => ParseResult.fail(new ParseResult.Type(ast, undefined, "is not JSON")),
      onSome: ParseResult.succeed
    }),
  encode: (json) => ParseResult.succeed(write(json))
})

/** What a schema is for, as JSON text. */
export const parsed = <A, I, R>(schema: Schema.Schema<A, I, R>): Schema.Schema<A, string, R> =>
  Schema.compose(Json, schema, { strict: false })

/**
 * The first thing that is wrong, and where. Not by a formatter: it would render the values, which can be of any size, and
 * of a shape that throws.
 */
export const firstIssue = (error: ParseResult.ParseIssue): {
  readonly path: ReadonlyArray<string>
  readonly issue: ParseResult.ParseIssue
} => {
  const path: Array<string> = []
  let issue = error
  for (;;) {
    switch (issue._tag) {
      case "Pointer":
        path.push(...Arr.ensure(issue.path).map(String))
        issue = issue.issue
        break
      case "Composite":
        issue = Arr.ensure(issue.issues)[0]!
        break
      case "Refinement":
      case "Transformation":
        issue = issue.issue
        break
      default:
        return { path, issue }
    }
  }
}
