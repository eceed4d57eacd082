/**
 * How the bytes of a chunk go into a request. In slices, out of a ring of buffers, where the HTTP layer keeps the length of
 * a body that is a stream: then a chunk may be long, and its movement is seen. As a whole, or as a part of a `Blob` which the
 * layer reads itself, where it does not (fetch).
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import * as PandaClient from "../../PandaClient.js"
import { PandaSourceError, type PandaUploadProtocolError } from "../../PandaError.js"
import * as UploadSession from "../../UploadSession.js"
import * as UploadSource from "../../UploadSource.js"
import type { UploadState } from "../../UploadState.js"
import * as monotonic from "../time/monotonic.js"
import type { Bandwidth } from "./bandwidth.js"
import * as decision from "./decision.js"
import { UploadEvent } from "./event.js"
import * as flow from "./flow.js"
import * as readAhead from "./readAhead.js"

export interface Settings {
  readonly operation: string
  /** Undefined where the HTTP layer says it. */
  readonly body: "bytes" | "stream" | undefined
  readonly bandwidth: Bandwidth | undefined
  readonly stallTimeout: Duration.Duration
  readonly responseTimeout: Duration.Duration
  readonly emit: (event: UploadEvent) => Effect.Effect<void>
}

/** What is sent, and how far that is. */
export interface Cargo {
  readonly source: UploadSource.Any
  readonly handle: UploadSource.Handle
  readonly settings: Settings
  state: UploadState
  known: decision.Known
  reader: Reader
}

/** What reads the source, one for each way. */
export interface Reader {
  readonly flow: flow.Flow
  readonly ahead: readAhead.ReadAhead
  readonly stop: Effect.Effect<void>
}

export const reader = (
  source: UploadSource.Any,
  handle: UploadSource.Handle,
  size: number
): Effect.Effect<Reader, never, Scope.Scope> =>
  Effect.gen(function*() {
    const inSlices = yield* flow.make(source.name, handle, size)
    const ahead = yield* readAhead.make(source.name, handle)
    return { flow: inSlices, ahead, stop: Effect.zipRight(inSlices.stop, ahead.stop) }
  })

const bytesSent = Metric.counter("panda_upload_bytes_sent", {
  description: "Bytes of uploads that were sent, those sent again included",
  incremental: true
})

/** Tells how far the upload is. */
export const progress = ({ known, settings }: Pick<Cargo, "known" | "settings">): Effect.Effect<void> => {
  const { acknowledged, pace: { speed }, sent, size } = known
  const bytesPerSecond = speed === undefined ? undefined : Math.min(speed, settings.bandwidth?.bytesPerSecond ?? speed)
  const eta = bytesPerSecond === undefined ? undefined : Duration.seconds((size - acknowledged) / bytesPerSecond)
  return settings.emit(UploadEvent.Progress({ acknowledged, sent, size, bytesPerSecond, eta }))
}

type Sending = Effect.Effect<
  UploadSession.Exchange,
  PandaSourceError | PandaUploadProtocolError,
  PandaClient.PandaClient
>

const longBodies = Effect.flatMap(PandaClient.PandaClient, ({ longBodies }) => longBodies)

const takesLong = Effect.map(longBodies, (kind) => kind !== "none" && kind !== "copied")

/** Whether the HTTP layer is known, and so to have nothing to do any more with slices that the server has. */
const isKnown = Effect.map(longBodies, (kind) => kind !== "none" && kind !== "streamed")

/** Whether it has copied what it was given as a whole, which an answer that comes early may find on its way. */
const isCopied = Effect.map(longBodies, (kind) => kind === "copied")

/** Sends the next chunk. */
export const send = (cargo: Cargo): Sending =>
  Effect.gen(function*() {
    const { body } = cargo.settings
    const inSlices = body === undefined ? yield* takesLong : body === "stream"
    return yield* inSlices ? sendSlices(cargo) : sendWhole(cargo)
  })

const sendSlices = (cargo: Cargo): Sending =>
  Effect.gen(function*() {
    const { settings: { bandwidth, stallTimeout }, source } = cargo
    const { size } = cargo.known
    const offset = decision.offsetOf(cargo.known)
    const { arrived, length, release, take } = yield* source._tag === "OnePass"
      ? kept(cargo, offset)
      : flowing(cargo, offset)
    const end = offset + length
    cargo.known = decision.sending(cargo.known, length, true)

    const now = yield* monotonic.clock
    const began = now()
    let waited = 0
    let left = length
    let gone = began
    let over = false
    const told = teller(cargo)
    /** Time in which the connection did not have to do with it. */
    const waiting = <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.suspend(() => {
        const before = now()
        return Effect.map(effect, (value) => {
          waited += now() - before
          return value
        })
      })
    const exchange = yield* UploadSession.sendSlices(cargo.state.location, {
      offset,
      length,
      size,
      // Who asks for more, or for the end, has let go what it was given before.
      release: (end) => {
        gone = now()
        release?.(end)
      },
      take: (offset, most) =>
        Effect.flatMap(waiting(take(offset, most)), (bytes) => {
          left -= bytes.byteLength
          // Before the server has the whole of it, and while what went before is on its way.
          return left === 0 ? Effect.as(verify(cargo), bytes) : Effect.succeed(bytes)
        })
    }, {
      stallTimeout,
      responseTimeout: answerTime(cargo, length, end),
      sliceSize: sliceSize(cargo),
      onSlice: (count, end) =>
        Effect.zipRight(
          bandwidth === undefined ? Effect.void : waiting(bandwidth.take(count)),
          Effect.suspend(() => {
            // Its layer may go on with a request that nobody waits for any more.
            if (over) return Effect.never
            gone = now()
            cargo.known = decision.sentTo(cargo.known, end)
            return Effect.zipRight(Metric.incrementBy(bytesSent, count), told(gone, waited, count, end))
          })
        )
    })
    over = true
    if (Either.isRight(exchange.reply)) {
      const at = now()
      cargo.known = { ...cargo.known, pace: decision.answered(cargo.known.pace, (at - gone) / 1000) }
      measure(cargo, length, at - began - waited)
    }
    if (hasArrived(exchange, end)) yield* arrived(yield* isKnown)
    return exchange
  })

interface Load extends Pick<UploadSession.Part<PandaSourceError>, "length" | "take" | "release"> {
  readonly arrived: flow.Flow["arrived"]
}

/** A chunk that is read while it goes. */
const flowing = ({ known, reader: { flow } }: Cargo, offset: number): Effect.Effect<Load> =>
  Effect.map(flow.open(offset), ({ release, take }) => ({
    length: decision.lengthAt(known, offset, Infinity),
    take: (_, most) => take(most),
    release,
    arrived: flow.arrived
  }))

/** Bytes of a chunk that adapts, where it has to be in memory. */
const MOST_KEPT = 8 * 1024 * 1024

/** A chunk that is kept until it has arrived, since its source cannot be read again; nor does a slow one hold a request up. */
const kept = ({ known, reader: { ahead } }: Cargo, offset: number): Effect.Effect<Load, PandaSourceError> =>
  Effect.gen(function*() {
    const most = known.pace.fixed === undefined ? MOST_KEPT : Infinity
    const lengthAt = (offset: number) => decision.lengthAt(known, offset, most)
    const bytes = yield* ahead.chunk(offset, lengthAt(offset))
    const end = offset + bytes.byteLength
    if (end < known.size) yield* ahead.prefetch(end, lengthAt(end))
    return {
      length: bytes.byteLength,
      take: (from, most) => Effect.succeed(bytes.subarray(from - offset, from - offset + most)),
      arrived: ahead.arrived
    }
  })

/** Milliseconds between two tellings of progress within a chunk. */
const TELLING = 100

/**
 * Tells now and again of slices that go, and how fast those before went: `at` is the time, of which so much was spent waiting
 * for other things than the connection.
 */
const teller = (cargo: Cargo) => {
  let last: { readonly moved: number; readonly offset: number } | undefined
  let told: number | undefined
  return (at: number, waited: number, count: number, end: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { known } = cargo
      const offset = end - count
      const moved = at - waited
      last ??= { moved, offset }
      const seconds = (moved - last.moved) / 1000
      if (seconds * 1000 >= TELLING) {
        cargo.known = { ...known, pace: decision.moving(known.pace, (offset - last.offset) / seconds, seconds) }
        last = { moved, offset }
      }
      told ??= at
      if (at - told < TELLING || end <= known.acknowledged) return Effect.void
      told = at
      return progress(cargo)
    })
}

/** Of the whole file the server may have something to make; else it answers in the time that somebody on the way needs. */
const answerTime = ({ known, settings: { responseTimeout, stallTimeout } }: Cargo, length: number, end: number) =>
  end === known.size
    ? responseTimeout
    : Duration.min(
      responseTimeout,
      Duration.sum(stallTimeout, Duration.seconds(decision.secondsFor(known.pace, length)))
    )

/** Where the bandwidth is limited, no more than may go at once. */
const sliceSize = ({ known: { pace }, settings: { bandwidth, stallTimeout } }: Cargo): number | undefined => {
  const size = decision.sliceOf(pace, Duration.toSeconds(stallTimeout))
  return bandwidth === undefined ? size : Math.min(size ?? Infinity, bandwidth.burst)
}

const sendWhole = (cargo: Cargo): Sending =>
  Effect.gen(function*() {
    const { known, reader, settings: { bandwidth, stallTimeout }, source } = cargo
    const { size } = known
    // Nothing of a whole can be held back on its way.
    const lengthAt = (offset: number) => decision.unseenLengthAt(known, offset, bandwidth?.burst ?? Infinity)
    const offset = decision.offsetOf(known)
    const length = lengthAt(offset)
    const blob = yield* blobOf(source)
    const bytes = blob?.slice(offset, offset + length) ?? (yield* reader.ahead.chunk(offset, length))
    const count = bytes instanceof Blob ? bytes.size : bytes.byteLength
    cargo.known = decision.sending(known, count, false)
    const end = offset + count
    if (end < size && blob === undefined) yield* reader.ahead.prefetch(end, lengthAt(end))
    yield* verify(cargo)
    yield* Metric.incrementBy(bytesSent, count)
    if (bandwidth !== undefined) yield* bandwidth.take(count)
    cargo.known = decision.sentTo(cargo.known, end)
    // No movement is seen on the socket, so the deadline is what a connection gone slow would need.
    const timeout = Duration.sum(stallTimeout, Duration.seconds(decision.secondsFor(cargo.known.pace, count)))
    const began = yield* monotonic.now
    const exchange = yield* UploadSession.send(cargo.state.location, { offset, bytes, size }, { timeout })
    if (Either.isRight(exchange.reply)) measure(cargo, count, (yield* monotonic.now) - began)
    // A request does not tell whether it broke off at the source.
    else if (blob !== undefined) {
      yield* UploadSource.readFully(source.name, cargo.handle, end - 1, new Uint8Array(1))
    }
    if (hasArrived(exchange, end)) yield* reader.ahead.arrived(yield* isCopied)
    return exchange
  })

/** What fetch reads by itself. Other layers may not know a `Blob`. */
const blobOf = (source: UploadSource.Any): Effect.Effect<Blob | undefined, never, PandaClient.PandaClient> =>
  Effect.map(
    takesLong,
    (other) => other || source._tag === "OnePass" ? undefined : source.blob
  )

const measure = (cargo: Cargo, bytes: number, millis: number) => {
  const { known, settings } = cargo
  const pace = decision.measured(known.pace, bytes, millis / 1000, settings.bandwidth?.bytesPerSecond)
  cargo.known = { ...known, pace }
}

/** Whether the server has all that was sent, up to there. */
const hasArrived = ({ outcome }: UploadSession.Exchange, end: number): boolean =>
  outcome._tag === "Progress" && outcome.offset === end

const changed = ({ settings: { operation }, source: { name } }: Cargo, description: string) =>
  new PandaSourceError({ operation, reason: "Changed", file: name, description })

/** Cheap enough to do with each chunk; the digest is compared once, on resuming. */
const verify = (cargo: Cargo): Effect.Effect<void, PandaSourceError> =>
  Effect.flatMap(cargo.handle.stat, ({ modified, size }) => {
    const { fingerprint } = cargo.state
    return size !== fingerprint.size
      ? changed(cargo, `it has ${size} bytes, and had ${fingerprint.size}`)
      : modified?.epochMillis !== fingerprint.modified?.epochMillis
      ? changed(cargo, "it was modified")
      : Effect.void
  })

export const verifyDigest = (cargo: Cargo): Effect.Effect<void, PandaSourceError> =>
  Effect.gen(function*() {
    yield* verify(cargo)
    const { digest } = yield* UploadSource.fingerprint(cargo.source, cargo.handle)
    if (digest !== cargo.state.fingerprint.digest) return yield* changed(cargo, "its content is another")
  })
