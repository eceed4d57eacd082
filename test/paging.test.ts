/** Lists of many pages, from servers that page as they like, and that change while they are read. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, FastCheck, Layer, Redacted, Stream } from "effect"
import { Credentials, PandaClient, Videos } from "effect-panda"
import * as PandaEmulator from "effect-panda/PandaEmulator"

interface Row {
  readonly id: string
  readonly created_at?: string
}

/** What a server answers: `take` of its rows, and what it does after each request. */
const serving = <A, E>(
  options: {
    readonly rows: Array<Row>
    readonly cap?: number
    readonly ignores?: ReadonlyArray<"page" | "per_page">
    readonly after?: (rows: Array<Row>, request: number) => void
  },
  run: Effect.Effect<A, E, PandaClient.PandaClient>
) =>
  Effect.suspend(() => {
    const { after, cap = 100, ignores = [], rows } = options
    const asked: Array<readonly [page: number, perPage: number]> = []
    const http = HttpClient.make((request, url) =>
      Effect.sync(() => {
        const page = Number(url.searchParams.get("page") ?? 1)
        const perPage = Number(url.searchParams.get("per_page") ?? cap)
        const size = ignores.includes("per_page") ? cap : Math.min(perPage, cap)
        const start = ignores.includes("page") ? 0 : (page - 1) * size
        asked.push([page, perPage])
        const deleted = /\/videos\/(.+)\.json$/.exec(url.pathname)?.[1]
        const text = deleted === undefined ? JSON.stringify(rows.slice(start, start + size)) : "null"
        if (deleted !== undefined) rows.splice(rows.findIndex(({ id }) => id === deleted), 1)
        after?.(rows, asked.length)
        return Object.create(HttpClientResponse.fromWeb(request, new Response(text)), {
          stream: { value: Stream.make(new TextEncoder().encode(text)) },
          text: { get: () => Effect.succeed(text) }
        })
      })
    )
    return run.pipe(
      Effect.provide(Layer.provide(
        PandaClient.layer,
        Credentials.layer({ accessKey: "a", secretKey: Redacted.make("s"), cloudId: "c" })
      )),
      Effect.provideService(HttpClient.HttpClient, http),
      Effect.map((result) => ({ result, rows, asked }))
    )
  })

const rows = (count: number, from = 0): Array<Row> => Array.from({ length: count }, (_, i) => ({ id: `${from + i}` }))
const ids = (filter?: Videos.Filter) =>
  Effect.map(Stream.runCollect(Videos.all(filter)), (videos) => Chunk.toArray(videos).map(({ id }) => id))
const idsOf = (rows: ReadonlyArray<Row>) => rows.map(({ id }) => id)

describe("a list", () => {
  it.effect("from which everything that comes is deleted is empty then", () =>
    Effect.gen(function*() {
      yield* Stream.runForEach(Videos.all(), Videos.delete)
      assert.deepStrictEqual(yield* Videos.list(), [])
    }).pipe(Effect.provide(PandaEmulator.layerTest({ videos: 250 }))))

  it.effect.each([
    [75, 50],
    [350, 100],
    [150, 100],
    [100, 100],
    [5, 3],
    [1, 100]
  ])("of %j from which all is deleted is empty, where a page has %j", ([count, cap]) =>
    Effect.gen(function*() {
      const { rows: left } = yield* serving(
        { rows: rows(count!), cap: cap! },
        Stream.runForEach(Videos.all(), Videos.delete)
      )
      assert.deepStrictEqual(left, [])
    }))

  it.effect.each([[130, 50], [100, 50], [50, 50], [25, 10], [7, 2], [3, 100], [0, 50], [100, 100], [101, 100]])(
    "of %j is whole and in order where a page has no more than %j, whatever is asked for",
    ([count, cap]) =>
      Effect.gen(function*() {
        for (const ignores of [[], ["per_page"]] as const) {
          const { asked, result } = yield* serving({ rows: rows(count!), cap: cap!, ignores }, ids())
          assert.deepStrictEqual(result, idsOf(rows(count!)))
          assert.isTrue(asked.every(([, perPage]) => perPage === 100))
        }
      })
  )

  it.effect("that fits on a page takes two requests, and none more than are pulled", () =>
    Effect.gen(function*() {
      assert.lengthOf((yield* serving({ rows: rows(3) }, ids())).asked, 2)
      assert.lengthOf((yield* serving({ rows: [] }, ids())).asked, 1)
      const two = Stream.runCollect(Stream.take(Videos.all(), 150))
      assert.deepStrictEqual((yield* serving({ rows: rows(350) }, two)).asked, [[1, 100], [2, 100]])
      // The empty one, and once more those after which something may have slipped.
      assert.deepStrictEqual((yield* serving({ rows: rows(250) }, ids())).asked.map(([page]) => page), [
        1,
        2,
        3,
        4,
        1,
        2
      ])
    }))

  it.effect("of an endpoint that does not know page, or neither, ends, with nothing twice", () =>
    Effect.gen(function*() {
      for (const ignores of [["page"], ["page", "per_page"]] as const) {
        for (const count of [5, 100, 250]) {
          const { asked, result } = yield* serving({ rows: rows(count), ignores }, ids())
          assert.deepStrictEqual(result, idsOf(rows(Math.min(count, 100))))
          assert.isAtMost(asked.length, 6)
        }
      }
    }))

  it.effect("to which something new is added with every request ends, with all that was there", () =>
    Effect.gen(function*() {
      for (const per_page of [1, 2, 50]) {
        const there = rows(60).map((row) => ({ ...row, created_at: "2011/03/01 00:00:00 +0000" }))
        const after = (rows: Array<Row>, request: number) =>
          void rows.unshift({ id: `new ${request}`, created_at: "2011/03/01 00:00:01 +0000" })
        // One at a time more than a page of one has: the list goes as fast as it is read.
        const slower = (rows: Array<Row>, request: number) => request % 3 === 0 ? after(rows, request) : undefined
        const { result } = yield* serving({ rows: [...there], after: slower }, ids({ per_page }))
        assert.includeMembers(result, idsOf(there))
        assert.lengthOf(new Set(result), result.length)
        yield* serving({ rows: [...there], after }, ids({ per_page }))
      }
    }))

  it.effect.prop("gives all that was there throughout, and nothing twice, whoever deletes and adds", [
    FastCheck.record({
      count: FastCheck.nat(40),
      cap: FastCheck.integer({ min: 1, max: 12 }),
      per_page: FastCheck.integer({ min: 2, max: 12 }),
      steps: FastCheck.array(
        FastCheck.record({ removes: FastCheck.array(FastCheck.nat(40)), adds: FastCheck.nat(3) }),
        {
          maxLength: 4
        }
      )
    })
  ], ([{ cap, count, per_page, steps }]) =>
    Effect.gen(function*() {
      const gone = new Set<string>()
      const after = (rows: Array<Row>, request: number) => {
        const { adds, removes } = steps[request - 1] ?? { adds: 0, removes: [] }
        for (const index of removes) for (const { id } of rows.splice(index, 1)) gone.add(id)
        for (let i = 0; i < adds; i++) rows.unshift({ id: `new ${request} ${i}` })
      }
      const { result } = yield* serving({ rows: rows(count), cap, after }, ids({ per_page }))
      assert.includeMembers(result, idsOf(rows(count)).filter((id) => !gone.has(id)))
      assert.lengthOf(new Set(result), result.length)
    }), { fastCheck: { numRuns: 25 } })
})
