import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe } from "@effect/vitest"
import { Effect, Exit, Stream } from "effect"
import { Fault } from "effect-panda/PandaEmulator"
import { bytes, encode, host, inject, open, panda, session, sha256, signed, test } from "./rawClient.js"

const file = bytes(2_500_000)

const put = (location: string, body: HttpBody.HttpBody) =>
  Effect.flatMap(panda, ({ httpClient }) =>
    httpClient.execute(
      HttpClientRequest.put(location).pipe(
        HttpClientRequest.setHeader("content-type", "application/octet-stream"),
        HttpClientRequest.setBody(body),
        HttpClientRequest.setHeader("content-type", "application/octet-stream")
      )
    ))

async function* iterate() {
  for (let at = 0; at < file.length; at += 100_000) yield file.subarray(at, at + 100_000)
}

describe("bodies", () => {
  const length = { contentLength: file.length }
  const forms: Record<string, HttpBody.HttpBody> = {
    "Uint8Array": HttpBody.uint8Array(file),
    "stream": HttpBody.stream(Stream.fromIterable([file.subarray(0, 7), file.subarray(7)]), undefined, file.length),
    "raw Uint8Array": HttpBody.raw(file),
    "raw ArrayBuffer": HttpBody.raw(file.buffer),
    "raw Blob": HttpBody.raw(new Blob([file])),
    "raw ReadableStream": HttpBody.raw(new Blob([file]).stream(), length),
    "raw AsyncIterable": HttpBody.raw({ [Symbol.asyncIterator]: iterate }, length)
  }
  for (const [name, body] of Object.entries(forms)) {
    test(
      name,
      Effect.gen(function*() {
        const { location } = yield* open(file.length)
        assert.strictEqual((yield* put(location, body)).status, 200)
        assert.strictEqual((yield* session).sha256, sha256(file))
      })
    )
  }

  test(
    "text and URLSearchParams say what they are",
    Effect.gen(function*() {
      const { httpClient, requests } = yield* panda
      const url = `https://${host}/v2/videos.json`
      const params = yield* signed("POST", "/videos.json", { source_url: "http://a/b c.mp4" })
      const form = HttpClientRequest.post(url, { body: HttpBody.raw(new URLSearchParams(params)) })
      assert.strictEqual((yield* httpClient.execute(form)).status, 200)
      const again = yield* signed("POST", "/videos.json", { source_url: "http://a/b c.mp4" })
      const text = HttpClientRequest.post(url, { body: HttpBody.raw(encode(again)) })
      assert.strictEqual((yield* httpClient.execute(text)).status, 400)
      assert.deepStrictEqual((yield* requests).map(({ headers }) => headers["content-type"]), [
        "application/x-www-form-urlencoded;charset=UTF-8",
        "text/plain;charset=UTF-8"
      ])
    })
  )

  test(
    "an unknown form is refused as a client would",
    Effect.gen(function*() {
      const exit = yield* Effect.exit(put("http://a/", HttpBody.raw({ not: "a body" })))
      assert.isTrue(Exit.isFailure(exit))
      assert.include(String(exit), "Encode")
      assert.strictEqual((yield* (yield* panda).requests).length, 0)
    })
  )
})

describe("responses", () => {
  test(
    "can be read in every way, and again",
    Effect.gen(function*() {
      const { httpClient } = yield* panda
      const get = (body: string) =>
        Effect.zipRight(inject("*", Fault.status(200, { body })), httpClient.get("http://a/"))
      const json = yield* get("{\"a\":\"ä\"}")
      assert.deepStrictEqual([yield* json.json, yield* json.json], [{ a: "ä" }, { a: "ä" }])
      assert.strictEqual(json.headers["content-length"], "10")
      assert.strictEqual((yield* json.arrayBuffer).byteLength, 10)
      assert.strictEqual(yield* Stream.mkString(Stream.decodeText(json.stream)), yield* json.text)
      assert.deepStrictEqual(yield* (yield* get("a=1&b=%20")).urlParamsBody, [["a", "1"], ["b", " "]])
      assert.isTrue(Exit.isFailure(yield* Effect.exit((yield* get("<html>")).json)))
      assert.strictEqual(yield* (yield* get("")).json, null)
      assert.strictEqual(yield* Stream.runCount((yield* get("")).stream), 0)
      assert.include(JSON.stringify(json), "\"status\":200")
    })
  )

  test(
    "the layer provides the client itself",
    Effect.gen(function*() {
      const reply = yield* HttpClient.get(`https://${host}/v2/videos.json`)
      assert.strictEqual(reply.status, 400)
    }).pipe(Effect.provideServiceEffect(HttpClient.HttpClient, Effect.map(panda, ({ httpClient }) => httpClient)))
  )
})
