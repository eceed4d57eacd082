/** JSON that others wrote, from a server or a file: what can only mean harm does not come in. */
import * as Arr from "effect/Array"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"

/** Panda nests three levels deep. Far below what recursion over a value, ours or another's, has the stack for. */
const DEEPEST = 100

/**
 * None if it is nested too deeply, or has a number so large that it is infinite. Takes out `__proto__`, which would make
 * its value the prototype of an object that is copied: attributes would appear that no schema has seen.
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
        if (inner === Infinity || inner === -Infinity) return Option.none()
      }
    }
    level = next
  }
  return Option.some(json)
}

const parse = Option.liftThrowable((text: string): unknown => JSON.parse(text))

/** Any JSON as text. */
export const Json: Schema.Schema<unknown, string> = Schema.transformOrFail(Schema.String, Schema.Unknown, {
  strict: true,
  decode: (text, _, ast) =>
    Option.match(Option.flatMap(parse(text), sanitized), {
      // Without the text, of which the platform's own message shows a part.
      onNone: () => ParseResult.fail(new ParseResult.Type(ast, undefined, "is not JSON")),
      onSome: ParseResult.succeed
    }),
  encode: (json) => ParseResult.succeed(JSON.stringify(json))
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
