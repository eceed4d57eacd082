/** Addresses are read the same however often: V8 compiles what is asked often, and Node 20 then takes some for none. */
import { assert, describe, it } from "@effect/vitest"
import { canonical } from "effect-panda/internal/authorize/origin"
import { urlOf } from "effect-panda/internal/text/url"
import { isLocation, locationAfter } from "effect-panda/internal/upload/decision"

/** Enough for V8 to compile it. */
const OFTEN = 20_000

const often = (is: () => boolean) => {
  for (let turn = 0; turn < OFTEN; turn++) if (!is()) return turn
  return OFTEN
}

describe("an address with letters beyond ASCII is one, however often that is asked", () => {
  it("by itself", () => {
    assert.strictEqual(often(() => urlOf("https://bücher.example/ü")?.host === "xn--bcher-kva.example"), OFTEN)
    assert.strictEqual(often(() => urlOf("ü", "https://a.example/")?.pathname === "/%C3%BC"), OFTEN)
    assert.strictEqual(often(() => urlOf("https://") === undefined), OFTEN)
  })

  it("as the origin of a page", () => {
    assert.strictEqual(often(() => canonical("https://bücher.example") === "https://xn--bcher-kva.example"), OFTEN)
  })

  it("as the location of a session", () => {
    assert.strictEqual(often(() => isLocation("https://bücher.example/upload?id=ü")), OFTEN)
    const to = (location: string) => () =>
      locationAfter("https://a.example/", { status: 308, headers: { location }, text: "" }, { _tag: "Elsewhere" })
        .moved !== undefined
    assert.strictEqual(often(to("https://bücher.example/1")), OFTEN)
    assert.strictEqual(often(to("/ü")), OFTEN)
  })
})
