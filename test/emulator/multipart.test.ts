import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as Multipart from "../../src/internal/emulator/multipart.js"
import { call, error, open, panda, send, signed, test } from "./rawClient.js"

const encoder = new TextEncoder()

/** How many bytes are looked at or copied: the work that grows with the square where a head is read again and again. */
const work = (slices: number, slice: Uint8Array): number => {
  const reader = Multipart.makeReader("X", { data: () => {} })
  reader.push(encoder.encode("--X\r\nx: "))
  const start = process.cpuUsage().user
  for (let i = 0; i < slices; i++) reader.push(slice)
  assert.isDefined(reader.invalid)
  assert.isFalse(reader.ended)
  return process.cpuUsage().user - start
}

describe("a part whose head does not end", () => {
  it("is given up, after no more work than its bytes are worth", () => {
    work(1000, new Uint8Array(64))
    // 64 MiB that were looked at from their start for each slice took minutes.
    assert.isBelow(work(1024, new Uint8Array(65_536).fill(97)), 2_000_000)
    assert.isBelow(work(100_000, new Uint8Array(1).fill(13)), 2_000_000)
  })

  it("and heads without end, one after the other", () => {
    const parts: Array<string> = []
    const reader = Multipart.makeReader("X", { data: ({ name }) => void parts.push(name) })
    const head = `--X\r\nContent-Disposition: form-data; name="a"\r\nx: ${"y".repeat(10_000)}\r\n\r\n\r\n`
    for (let i = 0; i < 1000; i++) reader.push(encoder.encode(head))
    assert.isDefined(reader.invalid)
    assert.isBelow(parts.length, 500)
  })

  test(
    "is a bad request, for a form and for an upload",
    Effect.gen(function*() {
      const headers = { "content-type": "multipart/form-data; boundary=X" }
      const slices = Stream.concat(
        Stream.succeed(encoder.encode("--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"; x=\"")),
        Stream.repeatValue(new Uint8Array(65_536).fill(97)).pipe(Stream.take(32))
      )
      const length = yield* Stream.runFold(slices, 0, (sum, slice) => sum + slice.length)
      const body = { headers, body: slices, length }
      const params = new URLSearchParams(yield* signed("POST", "/videos.json")).toString().replaceAll("+", "%20")
      const url = `https://api.pandastream.com/v2/videos.json?${params}`
      const { location } = yield* open(1000)
      for (const target of [url, location]) {
        const reply = yield* send({ method: "POST", url: target, ...body })
        assert.deepStrictEqual([reply.status, error(reply)], [
          400,
          { error: "BadRequest", message: "The head of a part is too long" }
        ])
      }
    })
  )
})

test(
  "parameters may have a megabyte, in a form and in parts; a file has no such limit",
  Effect.gen(function*() {
    const long = "x".repeat(1024 * 1024)
    const form = yield* call("PUT", "/notifications.json", { url: `http://a/${long}` })
    assert.deepStrictEqual([form.status, error(form).error], [413, "RequestEntityTooLarge"])
    const parts = new FormData()
    for (const [name, value] of Object.entries(yield* signed("POST", "/videos.json", { payload: long }))) {
      parts.append(name, value)
    }
    parts.append("file", new Blob([new Uint8Array(10)]), "a.mp4")
    const url = "https://api.pandastream.com/v2/videos.json"
    assert.strictEqual((yield* send({ method: "POST", url, body: parts })).status, 413)
    const file = new FormData()
    for (const [name, value] of Object.entries(yield* signed("POST", "/videos.json"))) file.append(name, value)
    file.append("file", new Blob([new Uint8Array(3 * 1024 * 1024)]), "a.mp4")
    assert.strictEqual((yield* send({ method: "POST", url, body: file })).status, 200)
    assert.strictEqual((yield* (yield* panda).videos).length, 1)
  })
)

describe("the record", () => {
  test(
    "keeps the last requests and rules, as many as asked for",
    Effect.gen(function*() {
      const { inject, requests, rules } = yield* panda
      for (let i = 1; i <= 1000; i++) {
        yield* send({ method: "GET", url: `http://a.example/${i}` })
        if (i % 100 === 0) yield* inject({ route: `GET /videos/${i}.json`, fault: { _tag: "Empty" } })
        if (i === 3) assert.deepStrictEqual((yield* requests).map(({ path }) => path), ["/1", "/2", "/3"])
      }
      assert.deepStrictEqual((yield* requests).map(({ path }) => path), ["/996", "/997", "/998", "/999", "/1000"])
      assert.deepStrictEqual((yield* rules).map(({ route }) => /\d+/.exec(route)?.[0]), [
        "600",
        "700",
        "800",
        "900",
        "1000"
      ])
    }),
    { recorded: 5 }
  )

  test(
    "is none, if none is wanted",
    Effect.gen(function*() {
      for (let i = 0; i < 300; i++) yield* send({ method: "GET", url: "http://a.example/" })
      assert.isEmpty(yield* (yield* panda).requests)
    }),
    { recorded: 0 }
  )

  test(
    "does not grow beyond ten thousand by itself",
    Effect.gen(function*() {
      for (let i = 0; i < 10_001; i++) yield* send({ method: "GET", url: "http://a.example/" })
      assert.lengthOf(yield* (yield* panda).requests, 10_000)
    })
  )
})
