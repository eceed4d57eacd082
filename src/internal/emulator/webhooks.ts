/**
 * Webhooks (contract 8): what happens in the world and when, and its way to a receiver. What has happened is, like all
 * else, a function of the clock; a fiber only waits for the next time, or for a change of the world.
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpServerError from "@effect/platform/HttpServerError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Url from "@effect/platform/Url"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { MemoryRequest } from "./memoryRequest.js"
import { makeRecord } from "./record.js"
import { type Change, type Cloud, type Encoding, showEncoding, type World } from "./world.js"

export type Fields = Readonly<Record<string, string>>

/** An attempt, while it goes on. */
export interface Delivery {
  readonly event: string
  readonly fields: Fields
  readonly host: string
  readonly attempt: number
  readonly at: number
  status: number | undefined
}

/** A webhook that is on its way. */
export interface Pending {
  readonly url: string
  readonly fields: Fields
  /** When it is to be sent first. */
  readonly due: number
  /** How often it was sent. */
  attempts: number
  /** How often of these because it had to be sent again: not for a restart, which takes none of its tries. */
  retries: number
}

export interface Options {
  readonly retry?: Schedule.Schedule<unknown> | undefined
  readonly progressInterval?: Duration.DurationInput | undefined
  readonly copies?: ((fields: Fields) => ReadonlyArray<Duration.DurationInput>) | undefined
}

/** Something that happens at a time, past or to come. */
export interface Occurrence {
  /** What happens twice has two. */
  readonly key: string
  readonly at: number
  readonly cloud: Cloud
  readonly setting: "video_created" | "video_encoded" | "encoding_progress" | "encoding_completed"
  readonly fields: () => Fields
}

/** Of what happens at the same time. */
const order: ReadonlyArray<Occurrence["setting"]> = [
  "video_created",
  "encoding_progress",
  "encoding_completed",
  "video_encoded"
]

const videoFields = (event: string, video_id: string, encodings: ReadonlyArray<Encoding>) => (): Fields => ({
  event,
  video_id,
  ...Object.fromEntries(encodings.map(({ id }, i) => [`encoding_ids[${i}]`, id]))
})

/** All that has happened and all that will, but for progress: only the last and the next. */
function* occurrences(world: World, now: number, interval: number): Generator<Occurrence> {
  for (const cloud of world.clouds.values()) {
    const encodingsOf = new Map<string, Array<Encoding>>()
    for (const encoding of cloud.encodings.values()) {
      const { finishedAt, id, startedAt, videoId } = encoding
      const siblings = encodingsOf.get(videoId)
      if (siblings === undefined) encodingsOf.set(videoId, [encoding])
      else siblings.push(encoding)
      yield {
        key: `complete ${id} ${finishedAt}`,
        at: finishedAt,
        cloud,
        setting: "encoding_completed",
        fields: () => ({ event: "encoding-complete", video_id: videoId, encoding_id: id })
      }
      if (now >= finishedAt) continue
      const last = Math.floor((now - startedAt) / interval)
      for (const nth of [last, last + 1]) {
        const at = startedAt + nth * interval
        if (nth < 1 || at >= finishedAt) continue
        yield {
          key: `progress ${id} ${startedAt} ${nth}`,
          at,
          cloud,
          setting: "encoding_progress",
          fields: () => ({
            event: "encoding-progress",
            video_id: videoId,
            encoding_id: id,
            progress: String(showEncoding(encoding, at)["encoding_progress"])
          })
        }
      }
    }
    for (const { id, storedAt } of cloud.videos.values()) {
      const encodings = encodingsOf.get(id) ?? []
      yield {
        key: `created ${id}`,
        at: storedAt,
        cloud,
        setting: "video_created",
        fields: videoFields("video-created", id, encodings)
      }
      if (encodings.length === 0) continue
      const encodedAt = encodings.reduce((at, { finishedAt }) => Math.max(at, finishedAt), storedAt)
      yield {
        key: `encoded ${id} ${encodedAt}`,
        at: encodedAt,
        cloud,
        setting: "video_encoded",
        fields: videoFields("video-encoded", id, encodings)
      }
    }
  }
}

/** What says that somebody is told: what happens from then on is told some time, even if the emulator is killed before. */
const TELLING = ""

/** What is told of a world. What has happened before it is made is told to nobody. */
export const makeOutbox = (
  world: World,
  now: number,
  recorded: number,
  /** Called when more was told, or was delivered; not of progress, of which nobody wants to hear later. */
  onChange: (change: Change) => void = () => {}
) => {
  const told = new Set<string>()
  const pending = new Map<string, { readonly cloud: Cloud; readonly webhook: Pending }>()
  /** Of progress only the latest comes up again, so no more is remembered. */
  let progress = new Set<string>()
  let left: Array<readonly [id: string, { readonly cloud: Cloud; readonly webhook: Pending }]> = []
  const deliveries = makeRecord<Delivery>(recorded)
  const changed = Effect.unsafeMakeLatch()

  const tell = (key: string, cloud: Cloud) => {
    if (told.has(key)) return
    told.add(key)
    onChange({ kind: "told", cloud, id: key })
  }

  /** From now on what was told is remembered, and so is what was not to be. */
  const begin = () => {
    if (told.has(TELLING)) return
    tell(TELLING, world.main)
    for (const { cloud, key } of occurrences(world, Infinity, Infinity)) {
      if (told.has(key)) onChange({ kind: "told", cloud, id: key })
    }
  }

  /** What has happened and was not told yet, in order, and when something will happen next. */
  const take = (now: number, interval: number) => {
    const due: Array<Occurrence> = []
    let next = Infinity
    const latest = new Set<string>()
    for (const occurrence of occurrences(world, now, interval)) {
      if (occurrence.at > now) {
        next = Math.min(next, occurrence.at)
        continue
      }
      if (!told.has(occurrence.key) && !progress.has(occurrence.key)) due.push(occurrence)
      if (occurrence.setting === "encoding_progress") latest.add(occurrence.key)
      else tell(occurrence.key, occurrence.cloud)
    }
    progress = latest
    due.sort((a, b) => a.at - b.at || order.indexOf(a.setting) - order.indexOf(b.setting))
    return { due, next }
  }

  for (const { at, key } of occurrences(world, now, Infinity)) if (at <= now) told.add(key)
  return {
    deliveries,
    changed,
    /** By what they are called: what happened, and which copy of it. */
    pending,
    take: (now: number, interval: number) => {
      begin()
      return take(now, interval)
    },
    /** All that has happened up to now is told to nobody, unless an earlier emulator was telling it. */
    skip: (now: number, interval: number) => {
      if (!told.has(TELLING)) take(now, interval)
      begin()
    },
    /** On its way, or, with `undefined`, at its end. */
    put: (cloud: Cloud, id: string, webhook: Pending | undefined) => {
      if (webhook === undefined) pending.delete(id)
      else pending.set(id, { cloud, webhook })
      onChange({ kind: "webhook", cloud, id })
    },
    /** What an earlier emulator has told, and what of it has not arrived. Without any, nobody was told. */
    restore: (
      keys: Iterable<string>,
      webhooks: Iterable<readonly [id: string, { readonly cloud: Cloud; readonly webhook: Pending }]>
    ) => {
      told.clear()
      for (const key of keys) told.add(key)
      if (!told.has(TELLING)) {
        for (const { at, key } of occurrences(world, now, Infinity)) {
          if (at <= now) told.add(key)
        }
      }
      for (const [id, webhook] of webhooks) pending.set(id, webhook)
      left = [...pending]
    },
    /** What an earlier emulator has left, for the first who asks: what is given up here is nobody's to go on with. */
    inherit: () => left.splice(0),
    /** What is to be remembered of what was told: nothing of what is gone. */
    *remembered(): Generator<readonly [cloud: Cloud, key: string]> {
      if (!told.has(TELLING)) return
      yield [world.main, TELLING]
      for (const { cloud, key, setting } of occurrences(world, Infinity, Infinity)) {
        if (setting !== "encoding_progress" && told.has(key)) yield [cloud, key]
      }
    }
  }
}

export type Outbox = ReturnType<typeof makeOutbox>

/** Sends a form to an url, and gives the status of the answer, if one comes. */
type Send = (url: string, form: string) => Effect.Effect<Option.Option<number>>

const mediaType = "application/x-www-form-urlencoded"

/** Its first bytes, as many as `limit` says and those that came with them. */
const bounded = <E>(stream: Stream.Stream<Uint8Array, E>, limit: number): Stream.Stream<Uint8Array, E> => {
  let left = limit
  return Stream.takeUntil(stream, (slice) => (left -= slice.length) <= 0)
}

const viaClient = (client: HttpClient.HttpClient): Send => {
  // The url may have a secret, which its span would show.
  const untraced = HttpClient.withTracerDisabledWhen(client, () => true)
  return (url, form) =>
    HttpClientRequest.post(url, { body: HttpBody.text(form, mediaType) }).pipe(
      untraced.execute,
      // Unread, it would keep its connection. Whatever it says, its status is what counts.
      Effect.tap(({ stream }) => Effect.ignore(Stream.runDrain(bounded(stream, 64 * 1024)))),
      Effect.map(({ status }) => status),
      Effect.option
    )
}

/** What an app needs beyond what every server gives it. */
export type Needs<R> = Exclude<
  Exclude<R | HttpServerRequest.HttpServerRequest, Scope.Scope>,
  HttpServerRequest.HttpServerRequest
>

const viaApp = <E, R>(app: HttpApp.Default<E, R>, context: Context.Context<Needs<R>>): Send => (url, form) =>
  Either.isRight(Url.fromString(url))
    ? app.pipe(
      Effect.scoped,
      Effect.provideService(
        HttpServerRequest.HttpServerRequest,
        new MemoryRequest("POST", new URL(url), { "content-type": mediaType }, new TextEncoder().encode(form))
      ),
      Effect.catchAllCause((cause) => Effect.map(HttpServerError.causeResponse(cause), ([response]) => response)),
      Effect.map(({ status }) => Option.some(status)),
      Effect.provide(context)
    )
    : Effect.succeedNone

/** Through a client, or to an app in the fiber that delivers: without a promise. */
export const sender = <E, R>(
  receiver: HttpClient.HttpClient | HttpApp.Default<E, R>
): Effect.Effect<Send, never, Needs<R>> =>
  Effect.isEffect(receiver)
    ? Effect.map(Effect.context<Needs<R>>(), (context) => viaApp(receiver, context))
    : Effect.succeed(viaClient(receiver))

/** Ten seconds after a failure, then twice as long each time, and within 24 hours. */
const defaultRetry = Schedule.intersect(Schedule.exponential("10 seconds"), Schedule.recurs(13))

const patience = Duration.seconds(30)

/** A state of the server, as far as it is told. */
export interface Source {
  readonly outbox: Outbox
  /** Nothing is sent before it is written down that it is. */
  readonly keep: Effect.Effect<void, unknown>
  /** How far the server's clock is ahead. */
  readonly skew: number
}

const serverTime = (source: Source) => Effect.map(Clock.currentTimeMillis, (now) => now + source.skew)

/** Tells a receiver what happens from now on, for as long as the scope is open. */
export const deliver = (
  current: () => Source,
  send: Send,
  { copies = () => [0], progressInterval = "10 seconds", retry = defaultRetry }: Options
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const interval = Duration.toMillis(progressInterval) || Infinity

    const post = (source: Source, cloud: Cloud, id: string, webhook: Pending, isKept: boolean) => {
      const { fields, url } = webhook
      const form = new URLSearchParams(fields).toString()
      const host = Either.match(Url.fromString(url), { onLeft: () => "", onRight: ({ host }) => host })
      /** Whoever is reset forgets what it had to tell. */
      const isForgotten = () => current() !== source
      const note = (webhook: Pending | undefined) =>
        Effect.suspend(() => {
          if (!isKept || isForgotten()) return Effect.void
          source.outbox.put(cloud, id, webhook)
          return Effect.ignore(source.keep)
        })
      let isFirst = true
      const attempt = Effect.gen(function*() {
        if (isForgotten()) return
        const at = yield* Clock.currentTimeMillis
        webhook.attempts++
        if (!isFirst) webhook.retries++
        isFirst = false
        const delivery: Delivery = {
          event: fields["event"]!,
          fields,
          host,
          attempt: webhook.attempts,
          at,
          status: undefined
        }
        source.outbox.deliveries.add(delivery)
        const status = yield* Effect.timeoutOption(send(url, form), patience)
        delivery.status = Option.getOrUndefined(Option.flatten(status))
        if (delivery.status === 200) return
        yield* note(webhook)
        return yield* Effect.fail("not 200" as const)
      })
      return Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        if (webhook.due > now) yield* Effect.sleep(webhook.due - now)
        yield* Effect.ignore(Effect.retry(attempt, yield* goneOn(retry, webhook.retries)))
        yield* note(undefined)
      })
    }

    const step = Effect.gen(function*() {
      const source = current()
      const { outbox } = source
      outbox.changed.unsafeClose()
      const now = yield* serverTime(source)
      const { due, next } = outbox.take(now, interval)
      const begun = yield* Clock.currentTimeMillis
      const posts = due.flatMap(({ cloud, fields, key, setting }) => {
        const { delay, events, url } = cloud.notifications
        if (typeof url !== "string" || url === "" || !isOn(events, setting)) return []
        const told = fields()
        const wait = Duration.seconds(Number(delay) || 0)
        const isKept = setting !== "encoding_progress"
        return copies(told).map((after, i) => {
          const due = begun + Duration.toMillis(Duration.sum(wait, after))
          const webhook: Pending = { url, fields: told, due, attempts: 0, retries: 0 }
          const id = `${key} ${i}`
          if (isKept) outbox.put(cloud, id, webhook)
          return post(source, cloud, id, webhook, isKept)
        })
      })
      yield* Effect.ignore(source.keep)
      for (const post of posts) yield* Effect.forkIn(post, scope)
      yield* Effect.raceFirst(outbox.changed.await, next === Infinity ? Effect.never : Effect.sleep(next - now))
    })

    const source = current()
    source.outbox.skip(yield* serverTime(source), interval)
    for (const [id, { cloud, webhook }] of source.outbox.inherit()) {
      yield* Effect.forkScoped(post(source, cloud, id, webhook, true))
    }
    yield* Effect.forkScoped(Effect.forever(step))
  })

/** A schedule after so many of its steps: a restart does not begin it anew. */
const goneOn = (schedule: Schedule.Schedule<unknown>, steps: number): Effect.Effect<Schedule.Schedule<unknown>> =>
  Effect.gen(function*() {
    let state: unknown = schedule.initial
    for (let i = 0; i < steps; i++) {
      const [next, , decision] = yield* schedule.step(yield* Clock.currentTimeMillis, undefined, state)
      if (ScheduleDecision.isDone(decision)) return Schedule.stop
      state = next
    }
    return Schedule.makeWithState(state, schedule.step)
  })

const isOn = (events: unknown, setting: string): boolean =>
  typeof events === "object" && events !== null && (events as Readonly<Record<string, unknown>>)[setting] === true
