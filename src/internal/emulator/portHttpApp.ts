/**
 * The door on a real port: an `HttpApp` for any platform's `HttpServer`. What HTTP has no words for, a broken
 * connection, needs the socket: under Node it is found on the request, by its shape; elsewhere the answer is a 502.
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { hasProperty, isFunction } from "effect/Predicate"
import * as Stream from "effect/Stream"
import * as Files from "./files.js"
import { isPage, makePage, notForThem, type Page } from "./page/app.js"
import type { Storage } from "./storage.js"
import { type Answer, type End, jsonType, type Outcome, type Request, settled } from "./exchange.js"

interface Socket {
  readonly destroy: () => void
  readonly resetAndDestroy?: () => void
  readonly end: (text?: string) => void
  /** Node calls it when an answer is out and the connection is not to be kept. */
  destroySoon?: () => void
  readonly setTimeout?: (millis: number, onIdle: () => void) => void
  readonly once: (event: string, listener: () => void) => void
}

/** A Node `IncomingMessage`, as far as it is needed. */
interface Incoming {
  readonly socket: Socket
  /** Whether all of its body has come. */
  readonly complete: boolean
  readonly destroyed: boolean
  readonly on: (event: string, listener: (value: never) => void) => void
  readonly off: (event: string, listener: (value: never) => void) => void
  readonly pause: () => void
  readonly resume: () => void
}

const hasMethods = (u: unknown, ...names: ReadonlyArray<string>): boolean =>
  names.every((name) => hasProperty(u, name) && isFunction(u[name]))

const isIncoming = (u: unknown): u is Incoming =>
  hasMethods(u, "on", "off", "pause", "resume") && hasProperty(u, "socket") &&
  hasMethods(u.socket, "destroy", "end", "once")

/** How long a client may say nothing that is still sending what nobody wants, in milliseconds. */
const LINGER = 5000

/**
 * Half of the connection is closed, and what still comes is dropped. Where it was closed at once, what is on its way
 * would reset it, and the client would lose the answer: it reads it only when it has sent all.
 */
const closeSlowly = (incoming: Incoming): void => {
  const { socket } = incoming
  const { destroySoon, setTimeout } = socket
  if (destroySoon === undefined || setTimeout === undefined) return
  socket.destroySoon = () => {
    if (incoming.complete) return destroySoon.call(socket)
    socket.end()
    setTimeout.call(socket, LINGER, () => socket.destroy())
  }
}

/** Listens to the events themselves: a stream would cost an effect per slice, and close the socket when it is left. */
const readIncoming = (incoming: Incoming, onPause: () => void): Request["read"] => (take) => {
  // One that comes when nobody listens would end the process.
  incoming.on("error", () => {})
  /** Until there is something to wait for. */
  const some = Effect.async<End | Effect.Effect<boolean>>((resume) => {
    const stop = (end: End | Effect.Effect<boolean>) => {
      leave()
      resume(Effect.succeed(end))
    }
    const onData = (slice: Uint8Array) => {
      const taken = take(slice)
      if (taken === true) return
      incoming.pause()
      stop(taken === false ? "stopped" : taken)
    }
    const onEnd = () => stop("whole")
    const onBroken = () => stop("broken")
    const listeners = { data: onData, end: onEnd, error: onBroken, close: onBroken }
    const leave = () => {
      for (const [event, listener] of Object.entries(listeners)) incoming.off(event, listener)
    }
    // It may have gone while nobody listened.
    if (incoming.destroyed) return resume(Effect.succeed("broken"))
    for (const [event, listener] of Object.entries(listeners)) incoming.on(event, listener)
    incoming.resume()
    return Effect.sync(leave)
  })
  const all: Effect.Effect<End> = Effect.flatMap(some, (next) =>
    typeof next === "string"
      ? Effect.succeed(next)
      : Effect.flatMap(next, (more) => more ? all : Effect.succeed("stopped")))
  return Effect.tap(all, (end) => Effect.sync(() => end === "stopped" && onPause()))
}

const readStream = (stream: Stream.Stream<Uint8Array, unknown>): Request["read"] => (take) =>
  Effect.suspend(() => {
    let wanted = true
    return stream.pipe(
      Stream.runForEachWhile((slice) => Effect.map(settled(take(slice)), (more) => wanted = more)),
      Effect.match({
        onFailure: () => "broken" as const,
        onSuccess: () => wanted ? "whole" as const : "stopped" as const
      })
    )
  })

const respond = (answer: Answer): HttpServerResponse.HttpServerResponse => {
  const { "content-type": contentType = jsonType, ...headers } = answer.headers
  return answer.body === ""
    ? HttpServerResponse.empty({
      status: answer.status,
      headers: answer.status === 204
        ? answer.headers
        : { ...answer.headers, "content-length": "0" }
    })
    : HttpServerResponse.text(answer.body, { status: answer.status, headers, contentType })
}

const badGateway = HttpServerResponse.text("The emulator cannot break connections on this platform", { status: 502 })

/** The beginning of an answer, as it stands on the wire. */
const headAndPart = (answer: Answer, after: number): string => {
  const bytes = new TextEncoder().encode(answer.body)
  const lines = Object.entries({ ...answer.headers, "content-length": String(bytes.length) })
    .map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${answer.status} Cut\r\n${lines.join("")}\r\n${new TextDecoder().decode(bytes.subarray(0, after))}`
}

export const make = (
  handle: (request: Request) => Effect.Effect<Outcome>,
  storage: () => Storage | undefined,
  page: Page
): {
  readonly httpApp: HttpApp.Default
  /** Sockets that are not read do not notice that the client has left, and would keep the server from closing. */
  readonly hangUp: Effect.Effect<void>
} => {
  const show = makePage(page)
  const held = new Set<Socket>()
  const hold = (socket: Socket) => {
    if (held.has(socket)) return
    held.add(socket)
    socket.once("close", () => held.delete(socket))
  }

  const httpApp: HttpApp.Default = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const incoming = isIncoming(request.source) ? request.source : undefined
    const { headers } = request
    // Some platforms give the whole address.
    const url = request.originalUrl.replace(/^https?:\/\/[^/]*/, "")
    const handled = handle({
      method: request.method,
      url,
      headers,
      uploadOrigin: `http://${headers["host"] ?? "localhost"}`,
      read: incoming === undefined
        ? readStream(request.stream)
        : readIncoming(incoming, () => hold(incoming.socket))
    })
    const path = url.replace(/\?.*$/, "")
    const kept = storage()
    const isFile = kept !== undefined && Files.isFile(path)
    if (isFile || isPage(path)) {
      // What is shown for long, or watched slowly, would keep the server from closing.
      if (incoming !== undefined) hold(incoming.socket)
      return isFile
        ? Effect.suspend(() =>
          Option.match(Option.fromNullable(notForThem(page.hosts, request)), {
            onNone: () => Files.serve(kept, { method: request.method, path, headers }),
            onSome: Effect.succeed
          })
        )
        : show(path, request)
    }
    // Apps run uninterruptibly, but who has left waits for nothing.
    return Effect.interruptible(Effect.flatMap(handled, (outcome) => {
      if (outcome._tag === "Answered") {
        if (incoming?.complete === false) {
          hold(incoming.socket)
          closeSlowly(incoming)
        }
        return Effect.succeed(respond(outcome.answer))
      }
      if (incoming === undefined) return Effect.succeed(badGateway)
      const { socket } = incoming
      if (outcome._tag === "Truncated") socket.end(headAndPart(outcome.answer, outcome.after))
      else if (socket.resetAndDestroy !== undefined) socket.resetAndDestroy()
      else socket.destroy()
      // The server ends this fiber when it learns that the connection is gone: there is nothing to answer.
      return Effect.never
    }))
  })

  return {
    httpApp,
    hangUp: Effect.sync(() => {
      for (const socket of held) socket.destroy()
      held.clear()
    })
  }
}
