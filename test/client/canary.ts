/** Secrets that can be told from all else, all that is told while they are in use, and the search for them in it. */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Cause, Effect, Exit, Layer, Logger, LogLevel } from "effect"
import { inspect } from "node:util"

/** With characters that look different in a query, a form and base64. */
export const secrets = {
  accessKey: "CANARY-access+key/=",
  secretKey: "CANARY-secret+key/=",
  token: "clou_CANARYtoken",
  awsAccessKey: "CANARY-aws-access+key/=",
  awsSecretKey: "CANARY-aws-secret+key/=",
  encryptionKey: "CANARY-encryption+key/=",
  webhook: "CANARYwebhook",
  location: "CANARYlocation"
}

const encoded = (secret: string) => encodeURIComponent(secret)

/** What Panda is told of them, as a server or a proxy may repeat it, in at most as many letters as an error keeps. */
export const echoes: ReadonlyArray<string> = [
  `GET /v2/videos.json?access_key=${encoded(secrets.accessKey)}&signature=${encoded(secrets.secretKey)}&x=1`,
  `access_key=${encoded(secrets.accessKey)}&token=${secrets.token}&aws_access_key=${encoded(secrets.awsAccessKey)}`,
  `aws_secret_key=${encoded(secrets.awsSecretKey)}&encryption_key=${encoded(secrets.encryptionKey)}&timestamp=1`,
  JSON.stringify({ aws_access_key: secrets.awsAccessKey, aws_secret_key: secrets.awsSecretKey }),
  JSON.stringify({ encryption_key: secrets.encryptionKey, url: `https://a.example/webhooks/${secrets.webhook}` }),
  JSON.stringify({ id: "1", location: `/upload/${secrets.location}` }),
  JSON.stringify({ id: "1", location: `http://vm-1.test/upload/session?id=${secrets.location}` }).replace(/\//g, "\\/"),
  `Parameters: {&quot;signature&quot;=&gt;&quot;${secrets.secretKey}&quot;, &quot;token&quot;=&gt;&quot;clou_x&quot;}`,
  `no route for PUT /upload/session?id=${secrets.location}, http%3A%2F%2Fvm-1.test%2Fupload%3Fid%3D${secrets.location}`
]

/** What authorises a request, by its values alone, as pages and documents show them. */
export const repeated = (url: string, body: string): string => {
  const parameters = new URLSearchParams(`${url.replace(/^[^?]*\?/, "")}&${body}`)
  const values = ["id", "signature", "access_key", "token"].flatMap((name) => parameters.get(name) ?? [])
  const inHtml = (text: string) => text.replace(/\W/g, (letter) => `&#${letter.charCodeAt(0)};`)
  return values.map((value) => `<Value>${value}</Value> [${JSON.stringify(value)}] ${inHtml(value)}`).join(" ").slice(
    -700
  )
}

/** Once and twice, since what is encoded is sometimes encoded again. */
const decodings = (text: string): ReadonlyArray<string> => {
  const decode = (text: string) => text.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)))
  const plain = text.replaceAll("\\", "")
  const once = decode(plain)
  return [...new Set([plain, once, decode(once)])]
}

/** What all base64 has in common that the secret is somewhere in. */
const base64 = (secret: string): ReadonlyArray<string> =>
  [0, 1, 2].flatMap((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)])
    const whole = bytes.toString("base64").slice(Math.ceil(before * 8 / 6), Math.floor(bytes.length * 8 / 6))
    return [whole, whole.replaceAll("+", "-").replaceAll("/", "_")]
  })

/** Ids as locations have them. */
const located = (text: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(/[?&]id=([\w+/-]{20,}={0,2})/g), ([, id]) => id!)

const TRACE_HEADER = /^(traceparent|tracestate|b3|x-b3-.*|baggage): $/im

/** Where something was told, and what. */
interface Told {
  readonly where: string
  readonly text: string
}

export interface Canary {
  /** Runs it with all levels of logs and all spans taken down. */
  readonly watch: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Takes down how something ended. */
  readonly ended: (what: string, exit: Exit.Exit<unknown, unknown>) => void
  /** Takes down a value in every way that it may be printed. */
  readonly shown: (what: string, value: unknown) => void
  /** Takes down the headers of a request. */
  readonly sent: (what: string, names: Iterable<string>) => void
  /** What a request was authorised with, or an upload goes to, is a secret from now on. */
  readonly learn: (text: string) => void
  /**
   * What is no secret by itself, but must not be in the log lines and spans of what was told since the last time. An
   * error may have it among its fields, for its caller.
   */
  readonly unwritten: (text: string) => void
  /** The id of a session that is over, since there is a video, which has it: a secret no more, but as its location has it. */
  readonly release: (id: string) => void
  readonly secretsLearnt: () => number
  /** How many texts were taken down so far, by what they are. */
  readonly counts: () => Readonly<Record<string, number>>
  /** The secrets in what was told since the last time, and where. */
  readonly findings: () => ReadonlyArray<string>
}

export const make = (): Canary => {
  let told: Array<Told> = []
  const counts: Record<string, number> = {}
  const learnt = new Set<string>()
  const unwritten = new Set<string>()
  const released = new Set<string>()

  const tell = (where: string, ...texts: ReadonlyArray<unknown>) => {
    const kind = where.split(" ")[0]!
    counts[kind] = (counts[kind] ?? 0) + texts.length
    for (const text of texts) told.push({ where, text: String(text) })
  }

  const shown = (where: string, value: unknown) =>
    tell(
      where,
      value,
      JSON.stringify(value),
      inspect(value, { depth: Infinity, showHidden: true }),
      inspect(value, { depth: Infinity, customInspect: false }),
      ...(value instanceof Error ? [value.message, value.stack, inspect(value.cause, { depth: Infinity })] : [])
    )

  const cause = (where: string, cause: Cause.Cause<unknown>) => {
    tell(where, Cause.pretty(cause), Cause.pretty(cause, { renderErrorCause: true }))
    shown(where, cause)
    for (const error of [...Cause.failures(cause), ...Cause.defects(cause)]) {
      shown(where, error)
      // As a program shows it that takes the failure for a defect.
      tell(where, Cause.pretty(Cause.die(error), { renderErrorCause: true }))
    }
  }

  const span = ({ attributes, events, links, name, status }: ReadableSpan) =>
    tell(`span ${name}`, name, inspect({ attributes, events, links, status }, { depth: Infinity }))

  const logger = Logger.make<unknown, void>((log) => {
    const spans = Array.from(log.spans, ({ label }) => label).join(" ")
    shown("log", log.message)
    tell("log", inspect([...log.annotations], { depth: Infinity }), spans, log.date, Logger.logfmtLogger.log(log))
    tell("log", JSON.stringify(Logger.structuredLogger.log(log)), Logger.stringLogger.log(log))
    if (!Cause.isEmpty(log.cause)) cause("logged cause", log.cause)
  })

  const watch: Canary["watch"] = (effect) =>
    Effect.suspend(() => {
      const exporter = new InMemorySpanExporter()
      const layer = Layer.mergeAll(
        NodeSdk.layer(() => ({
          resource: { serviceName: "canary" },
          spanProcessor: new SimpleSpanProcessor(exporter)
        })),
        Logger.replace(Logger.defaultLogger, logger),
        Logger.minimumLogLevel(LogLevel.All)
      )
      return effect.pipe(
        // The exporter forgets when the layer is left.
        Effect.ensuring(Effect.sync(() => exporter.getFinishedSpans().forEach(span))),
        Effect.provide(layer)
      )
    })

  const found = (text: string): ReadonlyArray<string> => {
    const all = decodings(text)
    const named = Object.entries(secrets).flatMap(([name, secret]) => [
      ...(all.some((text) => text.includes(secret)) ? [name] : []),
      ...(base64(secret).some((form) => text.includes(form)) ? [`${name} in base64`] : []),
      ...(text.includes(Buffer.from(secret).toString("hex")) ? [`${name} in hex`] : [])
    ])
    const signature = all.some((text) => /signature=(?!<redacted>)/i.test(text)) ? ["signature="] : []
    const words = all.flatMap((text) => text.match(/[\w+/-]{20,}={0,2}/g) ?? [])
    const header = TRACE_HEADER.test(text) ? ["a trace header"] : []
    return [
      ...named,
      ...signature,
      ...header,
      ...(words.some((word) => learnt.has(word)) ? ["a signature or a location"] : []),
      ...(all.some((text) => located(text).some((id) => released.has(id))) ? ["a location"] : [])
    ]
  }

  return {
    watch,
    shown,
    ended: (what, exit) => {
      if (Exit.isSuccess(exit)) return
      cause(`exit ${what}`, exit.cause)
      tell(`exit ${what}`, exit, JSON.stringify(exit))
    },
    sent: (what, names) => {
      for (const name of names) tell(`header ${what}`, `${name}: `)
    },
    learn: (text) => {
      for (const decoded of decodings(text)) {
        for (const [, value] of decoded.matchAll(/(?:signature|[?&]id)=([\w+/-]{20,}={0,2})/g)) learnt.add(value!)
      }
    },
    unwritten: (text) => unwritten.add(text),
    release: (id) => {
      if (learnt.delete(id)) released.add(id)
    },
    secretsLearnt: () => learnt.size + released.size,
    counts: () => ({ ...counts }),
    findings: () => {
      const all = told
      told = []
      // Most often there is none, which is seen sooner in all of it at once.
      const secret = found([...new Set(all.map(({ text }) => text))].join("\n")).length > 0
        ? all.flatMap(({ text, where }) => found(text).map((what) => `${what} in ${where}`))
        : []
      const written = all.filter(({ text, where }) =>
        /^(log|span)\b/.test(where) && [...unwritten].some((id) => text.includes(id))
      )
      unwritten.clear()
      return [...new Set([...secret, ...written.map(({ where }) => `what is not to be written in ${where}`)])]
    }
  }
}
