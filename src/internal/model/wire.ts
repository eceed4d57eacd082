/**
 * What Panda's JSON has that other JSON has not: dates of its own, numbers as text, null for absent. And
 * how an entity is read from it: only what is essential may be the reason that one is not.
 */
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import type * as Types from "effect/Types"
import * as dates from "./dates.js"
import * as json from "./json.js"

/** How an attribute is read and written. */
export interface Attribute<A> {
  /** What it is in memory. */
  readonly type: Schema.Schema.AnyNoContext
  /** What was received as what it is in memory, `undefined` where that is nothing. None if it cannot be read. */
  readonly read: (received: unknown) => Option.Option<A | undefined>
  write(value: A): unknown
  /** What of a value counts where two are compared; by default all. */
  meaning?(value: A): unknown
  readonly isSecret?: boolean
}

interface Attributes {
  readonly [name: string]: Attribute<unknown>
}

interface Essentials {
  readonly [name: string]: Schema.Schema.AnyNoContext
}

/**
 * An entity in memory: what is essential, and what else is known, which may be absent. What is unknown is there too, but
 * has no type.
 */
export type Entity<E extends Essentials, A extends Attributes> = Types.Simplify<
  & { readonly [K in keyof E]: Schema.Schema.Type<E[K]> }
  & { readonly [K in keyof A]?: (A[K] extends Attribute<infer T> ? T : never) | undefined }
>

/** Its schema; `fields` are those of the entity in memory. */
export interface EntitySchema<E extends Essentials, A extends Attributes>
  extends Schema.Schema<Entity<E, A>, Received>
{
  readonly fields: { readonly [K in keyof E | keyof A]: Schema.Struct.Field }
}

/** What comes, and what goes back: an object of which nothing is certain. */
export interface Received {
  readonly [name: string]: unknown
}

/**
 * What was received of an entity and would be written otherwise, or could not be read. It is with the entity under a
 * symbol, so that copies (`{ ...video }`) have it too, while names, JSON and comparisons of the entity do not show it.
 */
class Kept {
  // Private, so that nothing prints it: it may be a secret.
  readonly #received: ReadonlyMap<string, Original>
  constructor(received: ReadonlyMap<string, Original>) {
    this.#received = received
  }
  get(name: string): Original | undefined {
    return this.#received.get(name)
  }
  get names(): ReadonlyArray<string> {
    return Array.from(this.#received.keys())
  }
}

/** A value as it was received. */
interface Original {
  readonly value: unknown
  /** Whether it was a number, which is text here since JavaScript's would change it. */
  readonly isNumeral: boolean
  readonly isReadable: boolean
  readonly isSecret: boolean
}

const kept = Symbol.for("effect-panda/received")

const keptOf = (entity: object): Kept | undefined => {
  const found: unknown = Reflect.get(entity, kept)
  return found instanceof Kept ? found : undefined
}

/**
 * The attributes that could not be read, as they were received; a secret is redacted still. One that was given a value
 * since is none of them.
 */
export const unreadable = (entity: object): Received => {
  const names = keptOf(entity)?.names ?? []
  return Object.fromEntries(names.flatMap((name) => {
    const original = keptOf(entity)!.get(name)!
    if (original.isReadable || Reflect.get(entity, name) !== undefined) return []
    return [[name, original.isSecret ? Redacted.make(original.value) : original.value]]
  }))
}

/** Whether one is the other, or of the same parts. */
const alike = (a: unknown, b: unknown): boolean => {
  if (Object.is(a, b)) return true
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false
  if (Equal.isEqual(a) || Equal.isEqual(b)) return Equal.equals(a, b)
  const keys = Object.keys(a)
  return Array.isArray(a) === Array.isArray(b) && keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && alike(Reflect.get(a, key), Reflect.get(b, key)))
}

/** An attribute as `entity` takes it: what is essential says why it cannot be read. */
interface Codec {
  readonly read: (received: unknown) => Either.Either<unknown, ParseResult.ParseIssue>
  readonly write: (value: unknown) => unknown
  readonly isSecret: boolean
}

/**
 * An entity as it is received. It cannot be read only if something essential cannot. Any other attribute that is not of
 * its type is `undefined`, and goes back as it came: so does every value that is written otherwise than it was received,
 * such as `"29.970"` or a date with another offset, unless it was changed in between.
 */
export const entity = <E extends Essentials, A extends Attributes>(
  identifier: string,
  essentials: E,
  attributes: A
): EntitySchema<E, A> => {
  const fields: Record<string, Schema.Struct.Field> = {}
  const codecs = new Map<string, Codec>()
  for (const [name, schema] of Object.entries(essentials)) {
    fields[name] = Schema.typeSchema(schema)
    codecs.set(name, {
      read: ParseResult.decodeUnknownEither(schema),
      write: Schema.encodeSync(schema),
      isSecret: false
    })
  }
  for (const [name, { isSecret = false, read, type, write }] of Object.entries(attributes)) {
    fields[name] = Schema.optionalWith(Schema.UndefinedOr(type), { exact: true })
    codecs.set(name, {
      read: (received) => Either.fromOption(read(received), () => new ParseResult.Type(type.ast, received)),
      // Nothing is null, so that no attribute gets lost.
      write: (value) => value === undefined ? null : write(value),
      isSecret
    })
  }

  const isKept = (received: Received, name: string, codec: Codec | undefined, value: unknown): boolean =>
    json.isNumeral(received, name) || codec !== undefined && !isWritten(codec.write(value), received[name])

  const decode = (received: Received, ast: AST.AST): Either.Either<object, ParseResult.ParseIssue> => {
    const missing = Object.keys(essentials).find((name) => !Object.hasOwn(received, name))
    if (missing !== undefined) {
      return Either.left(new ParseResult.Pointer(missing, received, new ParseResult.Missing(new AST.Type(ast))))
    }
    const entity: Record<PropertyKey, unknown> = {}
    const originals = new Map<string, Original>()
    for (const [name, value] of Object.entries(received)) {
      const codec = codecs.get(name)
      const read = codec === undefined ? Either.right(value) : codec.read(value)
      if (Either.isLeft(read) && Object.hasOwn(essentials, name)) {
        return Either.left(new ParseResult.Pointer(name, received, read.left))
      }
      set(entity, name, Either.getOrUndefined(read))
      const isReadable = Either.isRight(read)
      if (!isReadable || isKept(received, name, codec, read.right)) {
        const isNumeral = json.isNumeral(received, name)
        originals.set(name, { value, isNumeral, isReadable, isSecret: codec?.isSecret === true })
      }
    }
    // Only where there is something to keep: entities of the same attributes are then the same.
    if (originals.size > 0) entity[kept] = new Kept(originals)
    return Either.right(entity)
  }

  const encode = (entity: object): Received => {
    const originals = keptOf(entity)
    const written: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(entity)) {
      const codec = codecs.get(name)
      const original = originals?.get(name)
      const isUnchanged = original !== undefined &&
        alike(codec === undefined ? original.value : Either.getOrUndefined(codec.read(original.value)), value)
      set(written, name, isUnchanged ? original.value : codec === undefined ? value : codec.write(value))
      if (isUnchanged && original.isNumeral) json.setNumeral(written, name)
    }
    return written
  }

  const memory = Schema.Struct(fields).annotations({
    identifier,
    parseOptions: { onExcessProperty: "preserve", propertyOrder: "original" }
  })
  const schema = Schema.transformOrFail(object, memory, {
    strict: false,
    decode: (received, _, ast) => decode(received, ast),
    encode: (entity) => ParseResult.succeed(encode(entity))
  })
  return Object.assign(schema, { fields }) as never
}

/** What an entity is read from. */
const object: Schema.Schema<Received> = Schema.declare(
  (u): u is Received => Predicate.isRecord(u),
  { identifier: "Object", jsonSchema: { type: "object" } }
)

/** Not by assignment, which for `__proto__` would be no attribute. */
const set = (holder: object, name: string, value: unknown): void => {
  Object.defineProperty(holder, name, { value, configurable: true, enumerable: true, writable: true })
}

/** Whether what would be written is what was received, of which nothing would be lost. */
const isWritten = (written: unknown, received: unknown): boolean => {
  if (typeof received !== "object" || received === null) return Object.is(written, received)
  return !json.hasNumerals(received) && typeof written === "object" && written !== null &&
    alike(written, received) && Object.keys(written).join() === Object.keys(received).join()
}

/** Whether two values of an attribute say the same, whatever they are written as. */
export const isSame = <A>(attribute: Attribute<A>, a: unknown, b: unknown): boolean => {
  const meaning = (value: unknown): unknown => {
    const plain = Redacted.isRedacted(value) ? Redacted.value(value) : value
    const read = Option.getOrElse(attribute.read(plain), () => plain as A)
    const meant = read === undefined || read === null ? null : attribute.meaning?.(read) ?? read
    return Redacted.isRedacted(meant) ? Redacted.value(meant) : meant
  }
  return alike(meaning(a), meaning(b))
}

const nothing = Option.some(undefined)

const isBlank = (received: unknown): boolean =>
  received === null || typeof received === "string" && received.trim() === ""

/** An attribute that is no text, for which Panda sometimes writes empty text. */
const noText = <A>(
  type: Schema.Schema<A>,
  read: (received: unknown) => A | undefined,
  write: (value: A) => unknown = (value) => value
): Attribute<A> => ({
  type,
  read: (received) => isBlank(received) ? nothing : Option.fromNullable(read(received)),
  write
})

/** Without the sign of a zero, which JSON does not keep. */
const finite = (number: number): number | undefined => Number.isFinite(number) ? number + 0 : undefined

const readNumber = (received: unknown): number | undefined =>
  typeof received === "number"
    ? finite(received)
    : typeof received === "string" && /^\s*-?\d+(\.\d+)?\s*$/.test(received)
    ? finite(Number(received))
    : undefined

/** Older data has numbers for ids, and where nothing is documented anything may come that is not an object. */
const readText = (received: unknown): string | undefined =>
  typeof received === "string" || typeof received === "number" || typeof received === "boolean"
    ? String(received)
    : undefined

/** An id: the one attribute without which an entity is none. */
export const id = Schema.transform(Schema.Union(Schema.String, Schema.JsonNumber, Schema.Boolean), Schema.String, {
  strict: true,
  decode: String,
  encode: (text) => text
})

/** What is essential and a number. */
export const numeric = Schema.transformOrFail(Schema.Unknown, Schema.JsonNumber, {
  strict: true,
  decode: (received, _, ast) =>
    ParseResult.fromOption(Option.fromNullable(readNumber(received)), () => new ParseResult.Type(ast, received)),
  encode: ParseResult.succeed
})

/** Text as lines, however they end. */
const lines = (text: string): string => text.replace(/\r\n?/g, "\n").trimEnd()

const textOf = <A extends string>(type: Schema.Schema<A>): Attribute<A> => ({
  type,
  read: (received) => received === null ? nothing : Option.fromNullable(readText(received) as A | undefined),
  write: (text) => text,
  meaning: lines
})

export const text = textOf(Schema.String)

/**
 * What Panda says of how far it is; an open set.
 */
export type Status = "success" | "fail" | "processing" | (string & {})

export const Status: Schema.Schema<Status> = Schema.String

export const status = textOf(Status)

/** Text in which a number is the same number with more zeros, such as the level `3.0` (seen: configurations of users). */
export const level: Attribute<string> = { ...text, meaning: (text) => String(readNumber(text) ?? text) }

/** An URL that Panda shows as null, as empty text or as the word `null` where there is none. */
export const url: Attribute<string> = {
  ...text,
  read: (received) => isBlank(received) || received === "null" ? nothing : text.read(received)
}

/** Text that nothing prints. */
export const secret: Attribute<Redacted.Redacted<string>> = {
  type: Schema.RedactedFromSelf(Schema.String),
  read: (received) => Option.map(text.read(received), (text) => text === undefined ? text : Redacted.make(text)),
  write: Redacted.value,
  isSecret: true
}

/** A number, or the text of one. */
export const number = noText(Schema.JsonNumber, readNumber)

/** A number, the text of one, or a word such as `auto`. */
export const numberOrWord = noText<number | string>(
  Schema.Union(Schema.JsonNumber, Schema.String),
  (received) => readNumber(received) ?? (typeof received === "string" ? received : undefined)
)

const WORDS: ReadonlyArray<readonly [unknown, boolean]> = [["true", true], ["1", true], ["false", false], ["0", false]]

export const boolean = noText(
  Schema.Boolean,
  (received) => WORDS.find(([word]) => word === readText(received)?.trim().toLowerCase())?.[1]
)

/** Texts in a list. */
export const texts: Attribute<ReadonlyArray<string>> = {
  type: Schema.Array(Schema.String),
  read: (received) =>
    received === null
      ? nothing
      : Array.isArray(received)
      ? Option.all(received.map((text) => Option.fromNullable(readText(text))))
      : Option.none(),
  write: (texts) => texts
}

/** What is an entity itself. */
export const nested = <A, I>(schema: Schema.Schema<A, I>): Attribute<A> => {
  const read = Schema.decodeUnknownOption(schema)
  return {
    type: Schema.typeSchema(schema),
    read: (received) => received === null ? nothing : read(received),
    write: Schema.encodeSync(schema)
  }
}

export const timestamp = noText(Schema.DateTimeUtcFromSelf, dates.read, dates.write)

/** What a file is, for videos and encodings alike. */
export const media = {
  /** With its dot. */
  extname: text,
  /** The key in the storage, without the extension. */
  path: text,
  mime_type: text,
  video_codec: text,
  audio_codec: text,
  /** Pixels. */
  width: number,
  /** Pixels. */
  height: number,
  /** Frames a second. */
  fps: numberOrWord,
  /** Milliseconds. */
  duration: number,
  /** Bytes. */
  file_size: number,
  /** kbit/s. */
  video_bitrate: numberOrWord,
  /** kbit/s. */
  audio_bitrate: numberOrWord,
  audio_channels: number,
  /** Hz. */
  audio_sample_rate: number,
  /** Why it failed, such as `FormatNotRecognised`; an open set. */
  error_class: text,
  error_message: text,
  created_at: timestamp,
  updated_at: timestamp
}

/**
 * The same as attributes of an entity, which extends this first: where attributes are copied into another object, the
 * words about them stay behind, and an editor shows none.
 */
export interface Media extends Entity<{}, typeof media> {}
