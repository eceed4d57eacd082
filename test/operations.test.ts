/** Every operation: what it sends, which errors come out of it, and its span. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Tracer } from "effect"
import { Clouds, Encodings, PandaClient, type PandaError, Profiles, Videos } from "effect-panda"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { Fault } from "effect-panda/PandaEmulator"
import { readFileSync } from "node:fs"
import * as table from "./client/operations.js"
import { inject, seen, sent } from "./client/panda.js"

/** To wait is to look again, also for what is not there yet: of that its own tests tell. */
const asksOnce = ({ called }: { readonly called?: string | undefined }) => called !== "Encodings.watch"
const operations = table.operations.filter(asksOnce)
const rows = table.rows.filter(asksOnce)

const words = { error: "Name", message: "words" }

/** What an answer becomes, in whichever operation. */
const answers: ReadonlyArray<readonly [what: string, fault: Fault, tag: PandaError.PandaError["_tag"]]> = [
  ["401", Fault.status(401, words), "PandaAuthError"],
  ["404", Fault.status(404, words), "PandaNotFound"],
  ["413", Fault.status(413, words), "PandaFileTooLarge"],
  ["422", Fault.status(422, words), "PandaRejected"],
  ["429", Fault.status(429), "PandaRateLimited"],
  ["500", Fault.status(500, { body: "<html>" }), "PandaServerError"],
  ["503", Fault.status(503, { retryAfter: 1 }), "PandaServerError"],
  ["200 with an error", Fault.errorBody({ error: "RecordNotFound", message: "words" }), "PandaNotFound"],
  ["200 with HTML", Fault.malformed("<html>"), "PandaDecodeError"],
  ["no connection", Fault.refuse, "PandaTransportError"],
  ["no answer", Fault.resetAfter, "PandaTransportError"]
]

describe("the table", () => {
  it.each(["Videos", "Encodings", "Profiles", "Clouds", "Notifications"])("has each operation of %s", (room) => {
    const source = readFileSync(new URL(`../src/${room}.ts`, import.meta.url), "utf8")
    const names = Array.from(
      source.matchAll(/@category operations\n *\*\/\n(?:export (?:const|function) (\w+)|  del as (delete))/g),
      ([, name, alias]) => `${room}.${name ?? alias}`
    )
    assert.strictEqual(names.length, source.split("@category operations").length - 1)
    assert.includeMembers(table.rows.map(({ called, name }) => called ?? name), names)
  })
})

describe("what is sent", () => {
  it.effect.each(rows)("$what", ({ parameters = {}, request, run, via }) =>
    Effect.gen(function*() {
      yield* inject(Fault.status(404, words))
      yield* Effect.flip(run)
      const [first, ...others] = yield* seen
      assert.isEmpty(others)
      const inQuery = /^(GET|DELETE)/.test(request)
      assert.deepStrictEqual(sent(first!), { request, parameters, via: [via ?? (inQuery ? "query" : "form")] })
      assert.strictEqual(first!.parameters["cloud_id"], "emulated-cloud-id")
      assert.notStrictEqual(first!.route, "unknown")
    }).pipe(Effect.provide(PandaEmulator.layerTest())))

  it.effect.each(rows)("$what is signed as Panda checks it", ({ run }) =>
    Effect.gen(function*() {
      yield* Effect.exit(run)
      const [first] = yield* seen
      assert.notStrictEqual(first!.status, 401)
    }).pipe(Effect.provide(PandaEmulator.layerTest())))
})

/** Each operation that takes an id, and the endpoint that it belongs to. */
const byId = {
  "GET /videos/:id.json": Videos.find,
  "GET /videos/:id/encodings.json": Videos.encodings,
  "GET /videos/:id/metadata.json": Videos.metadata,
  "DELETE /videos/:id/source.json": Videos.deleteSource,
  "DELETE /videos/:id.json": Videos.delete,
  "GET /encodings/:id.json": Encodings.find,
  "POST /encodings/:id/cancel.json": Encodings.cancel,
  "POST /encodings/:id/retry.json": Encodings.retry,
  "DELETE /encodings/:id.json": Encodings.delete,
  "GET /profiles/:id.json": Profiles.find,
  "PUT /profiles/:id.json": (id: string) => Profiles.update(id, {}),
  "GET /profiles/:id/encodings.json": Profiles.encodings,
  "DELETE /profiles/:id.json": Profiles.delete,
  "GET /clouds/:id.json": Clouds.find,
  "PUT /clouds/:id.json": (id: string) => Clouds.update(id, {}),
  "DELETE /clouds/:id.json": Clouds.delete
}

const strange = [
  "a/b",
  "../clouds",
  "a/../../clouds",
  "x?status=fail&y",
  "x#y",
  "x;y",
  "a b",
  "\u0000\t\r\n\u007f",
  "%2e%2e",
  "%2F",
  "100%",
  "\\..\\",
  "é𝄞",
  "x.json",
  "encodings"
]

describe("an id", () => {
  const tagOf = (run: Effect.Effect<unknown, PandaError.PandaError, PandaClient.PandaClient>) =>
    Effect.match(run, { onSuccess: () => "Success", onFailure: ({ _tag }) => _tag })

  it.effect.each(Object.entries(byId))("of %s never leads elsewhere", ([route, run]) =>
    Effect.gen(function*() {
      for (const id of strange) {
        assert.strictEqual(yield* tagOf(run(id)), "PandaNotFound", id)
      }
      const [before, after] = route.split(/^\S+ |:id/).slice(1)
      const requests = yield* seen
      assert.deepStrictEqual(
        requests.map(({ path, route }) => [route, decodeURIComponent(path.slice(before!.length, -after!.length))]),
        strange.map((id) => [route, id])
      )
    }).pipe(Effect.provide(PandaEmulator.layerTest())))

  it.effect.each(Object.entries(byId))("of %s that is none is refused", ([, run]) =>
    Effect.gen(function*() {
      for (const id of ["", " ", "\n", ".", "..", "\ud800", 1 as never, undefined as never, null as never]) {
        assert.strictEqual(yield* tagOf(run(id)), "PandaInputError", String(id))
      }
      assert.isEmpty(yield* seen)
    }).pipe(Effect.provide(PandaEmulator.layerTest())))
})

describe("what comes of it", () => {
  it.effect.each(rows)("$what", ({ name, quiet = false, run }) =>
    Effect.gen(function*() {
      const outcomes = yield* Effect.forEach(answers, ([what, fault]) =>
        Effect.gen(function*() {
          yield* inject(fault)
          const error = yield* Effect.flip(PandaClient.withRetry(run, "none"))
          return [what, error._tag, error.operation]
        }))
      assert.deepStrictEqual(outcomes, answers.map(([what, , tag]) => [what, tag, name]))
      yield* inject(Fault.empty)
      const nothing = yield* Effect.either(run)
      assert.strictEqual(nothing._tag, quiet ? "Right" : "Left")
    }).pipe(Effect.provide(PandaEmulator.layerTest())))
})

it.effect("each operation has a span of its name", () =>
  Effect.gen(function*() {
    const native = yield* Effect.tracer
    const names: Array<string> = []
    const tracer = Tracer.make({
      context: native.context,
      span: (...args) => {
        if (args[1]._tag === "None") names.push(args[0])
        return native.span(...args)
      }
    })
    for (const { run } of operations) yield* Effect.withTracer(Effect.exit(run), tracer)
    // A stream asks again after a page that could have been the last.
    const changes = names.filter((name, at) => name !== names[at - 1])
    const expected = operations.map(({ name }) => `Panda.${name}`)
    assert.deepStrictEqual(changes, expected.filter((name, at) => name !== expected[at - 1]))
  }).pipe(Effect.provide(PandaEmulator.layerTest())))
