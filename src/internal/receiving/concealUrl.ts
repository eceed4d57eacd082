/** Urls that hold a secret are not for those who look on. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"

/** The span in which the platform's server runs apps has the url, and so the secret, or what was nearly the secret. */
export const concealUrl = Effect.map(Effect.option(Effect.currentSpan), (current) => {
  let span: Tracer.AnySpan | undefined = Option.getOrUndefined(current)
  while (span?._tag === "Span") {
    for (const name of ["url.full", "url.path", "url.query"]) {
      if (span.kind === "server" && span.attributes.has(name)) span.attribute(name, "<redacted>")
    }
    span = Option.getOrUndefined(span.parent)
  }
})
