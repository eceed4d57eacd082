/** What holds of every upload, whatever befalls it. */
import * as HttpClient from "@effect/platform/HttpClient"
import { assert } from "@effect/vitest"
import { Effect, Exit } from "effect"
import type * as Upload from "effect-panda/Upload"

const grammar = /^(Waiting ?)?(Retrying ?)*((Started|Resumed)( (Progress|Retrying|Moved|Restarted))*( Uploaded)?)?$/

/** Events come in their order; figures go backwards only where it is said, and to the end only with the video. */
export const checkEvents = (events: ReadonlyArray<Upload.UploadEvent>, size: number, hasVideo: boolean): void => {
  assert.match(events.map(({ _tag }) => _tag).join(" "), grammar)
  let acknowledged = 0
  for (const [at, event] of events.entries()) {
    if (event._tag === "Started" || event._tag === "Resumed" || event._tag === "Restarted") {
      acknowledged = event.state.acknowledged
    }
    if (event._tag !== "Progress") continue
    assert.strictEqual(event.size, size)
    assert.isAtLeast(event.acknowledged, acknowledged, "acknowledged went backwards, and nobody said so")
    assert.isAtMost(event.acknowledged, event.sent, "more was acknowledged than sent")
    assert.isAtMost(event.sent, size, "more was sent than there is")
    acknowledged = event.acknowledged
    if (acknowledged < size) continue
    assert.isTrue(hasVideo, "100 % without a video")
    assert.include([undefined, "Uploaded"], events[at + 1]?._tag, "100 % before the end")
  }
}

/** One request on a session's location, as the client sent it, and what it was told. */
export interface Exchange {
  readonly kind: "create" | "chunk" | "probe" | "other"
  readonly from: number
  readonly to: number
  /** How many bytes the server claimed to have, if it said so; undefined if there was no such answer. */
  told: number | undefined
  readonly url: string
  /** Where the server said that the session is from then on. */
  moved: string | undefined
}

/** Between the client and the HTTP layer: notes what goes by. `around` may hold a request up. */
export const observed = (
  http: HttpClient.HttpClient,
  log: (exchange: Exchange) => void,
  around: <A, E, R>(request: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> = (request) => request
): HttpClient.HttpClient =>
  HttpClient.transform(http, (execute, { headers, method, url }) => {
    const range = headers["content-range"] ?? ""
    const [, from, to] = (/^bytes (\d+)-(\d+)\/\d+$/.exec(range) ?? [0, 0, 0]).map(Number)
    const exchange: Exchange = {
      kind: method === "POST" && url.endsWith("/videos/upload.json")
        ? "create"
        : method !== "PUT"
        ? "other"
        : range.startsWith("bytes *")
        ? "probe"
        : "chunk",
      from: from!,
      to: to!,
      told: undefined,
      url,
      moved: undefined
    }
    return around(Effect.suspend(() => {
      log(exchange)
      return Effect.onExit(execute, (exit) =>
        Effect.sync(() => {
          if (Exit.isFailure(exit)) return
          const { headers, status } = exit.value
          if (headers["location"] !== undefined) exchange.moved = new URL(headers["location"], url).href
          const claimed = headers["range"] === undefined
            ? 0
            : Number(/^0-(\d+)$/.exec(headers["range"])?.[1] ?? NaN) + 1
          if (exchange.kind === "create") exchange.told = 0
          else if (status === 204 && !Number.isNaN(claimed)) exchange.told = claimed
        }))
    }))
  })

/**
 * The server's word is the only truth: each chunk begins at the byte after those that the server last said it had, or
 * is the last byte again where it has all; and after an answer that does not say, it is asked before anything is sent.
 * And it is asked and sent to where it said that it is.
 */
export const checkExchanges = (exchanges: ReadonlyArray<Exchange>, size: number, resumed: boolean): void => {
  let told = resumed ? undefined : 0
  let location: string | undefined
  for (const { from, kind, moved, to, url, ...exchange } of exchanges) {
    if (kind === "other") continue
    if (kind === "create") location = undefined
    else {
      if (location !== undefined) assert.strictEqual(url, location, "a request went elsewhere than the server said")
      location = moved ?? url
    }
    if (kind === "chunk") {
      assert.isDefined(told, `bytes ${from}-${to} were sent in doubt: the server was not asked first`)
      assert.strictEqual(from, Math.min(told!, size - 1), "a chunk begins elsewhere than the server said")
      assert.isBelow(to, size)
    }
    told = exchange.told
  }
}
