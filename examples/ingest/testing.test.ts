import { assert, it } from "@effect/vitest"
import * as WorkflowEngine from "@effect/workflow/WorkflowEngine"
import { Effect, Layer, TestClock } from "effect"
import { UploadSource, UploadStore } from "effect-panda"
import * as Ingest from "effect-panda/Ingest"
import * as PandaEmulator from "effect-panda/PandaEmulator"

const film = (name: string) => Effect.succeed(UploadSource.fromBytes(new Uint8Array(1_000_000), { name }))

const Test = Ingest.layer({ deliver: ({ video }) => Effect.log(`Published ${video.id}`) }).pipe( // your options
  Layer.provideMerge(Layer.mergeAll(PandaEmulator.layerTest(), UploadStore.layerMemory, Ingest.Sources.layer(film))),
  Layer.provideMerge(WorkflowEngine.layerMemory)
)

it.effect("ingests through an hour without Panda", () =>
  Effect.gen(function*() {
    const panda = yield* PandaEmulator.PandaEmulator
    yield* panda.inject({ route: "create", fault: PandaEmulator.Fault.status(503), times: 40 })
    const id = yield* Ingest.submit({ source: "movie.mp4", profiles: ["h264"] })
    yield* TestClock.adjust("1 hour")
    assert.strictEqual((yield* Ingest.status(id))._tag, "Done")
    assert.lengthOf(yield* panda.videos, 1)
  }).pipe(Effect.provide(Test)))
