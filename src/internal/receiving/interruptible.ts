/** That an answer is not held up by what need not be waited for. */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as Effect from "effect/Effect"

/**
 * An app that can be interrupted. Where `HttpApp.toWebHandler` runs one it cannot, and whatever ends a timer in it, such
 * as a request to Panda that is answered in time, would wait until the timer has run out.
 */
export const interruptible: <E, R>(app: HttpApp.Default<E, R>) => HttpApp.Default<E, R> = Effect.interruptible
