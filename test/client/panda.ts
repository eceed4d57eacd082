/** What the tests of the client share: an emulated Panda, what it saw, and time that passes. */
import type * as HttpClient from "@effect/platform/HttpClient"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import type * as Credentials from "effect-panda/Credentials"
import type * as PandaClient from "effect-panda/PandaClient"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import type { Fault } from "effect-panda/PandaEmulator"

export const panda = PandaEmulator.PandaEmulator

/** A test against an emulator of its own. */
export const test = (
  name: string,
  body: Effect.Effect<
    void,
    unknown,
    PandaEmulator.PandaEmulator | PandaClient.PandaClient | Credentials.Credentials | HttpClient.HttpClient
  >,
  options?: PandaEmulator.Options
) => it.effect(name, () => Effect.provide(body, PandaEmulator.layerTest(options)))

export const inject = (fault: Fault, rest: { route?: string; times?: number; skip?: number } = {}) =>
  Effect.flatMap(panda, ({ inject }) => inject({ route: "*", fault, ...rest }))

export const seen = Effect.flatMap(panda, ({ requests }) => requests)

/** How many requests an effect needs. */
export const counted = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const before = (yield* seen).length
    const value = yield* effect
    return [value, (yield* seen).length - before] as const
  })

/** A request without what authorises it. */
export const sent = ({ method, parameters, path, via }: PandaEmulator.SeenRequest) => {
  const { cloud_id: _, timestamp: __, ...own } = parameters
  return { request: `${method} ${path}`, parameters: JSON.parse(JSON.stringify(own)) as unknown, via }
}

/** Runs it while an hour passes. */
export const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust("1 hour")
    return yield* Fiber.join(fiber)
  })

/** Refused by us: the parameter, what is said of it, and that Panda has heard nothing. */
export const refused = <A, R>(
  effect: Effect.Effect<A, { readonly _tag: string }, R>,
  parameter: string | undefined,
  words: RegExp
) =>
  Effect.gen(function*() {
    const error: { readonly _tag: string; readonly parameter?: unknown; readonly message?: unknown } = yield* Effect
      .flip(
        effect
      )
    assert.strictEqual(error._tag, "PandaInputError")
    assert.strictEqual(error.parameter, parameter)
    assert.match(String(error.message), words)
    assert.isEmpty(yield* seen)
  })
