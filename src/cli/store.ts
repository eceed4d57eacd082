/** Where the states of uploads are. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { resolve } from "node:path"
import type { UploadState } from "../UploadState.js"
import * as UploadStore from "../UploadStore.js"
import { stateFolder } from "./configuration.js"
import { Output } from "./output.js"
import { inLine } from "./text.js"

/** How often a byte count alone is worth a write (milliseconds). */
const EVERY = 500

const upTo = ({ acknowledged: _, ...state }: UploadState) => state

/** Whether they differ by nothing but the bytes that the server has. */
const isSame = (a: UploadState, b: UploadState) => {
  const [one, other] = [Object.entries(upTo(a)), new Map(Object.entries(upTo(b)))]
  return one.length === other.size && one.every(([name, value]) => Object.is(other.get(name), value))
}

/**
 * Writes how far an upload is now and then, and when it stops: on a fast line a write for each chunk takes longer than
 * the chunk. After a crash the server, which is asked in any case, tells what is missing.
 */
const sparing = (store: UploadStore.UploadStore.Service): UploadStore.UploadStore.Service => {
  const written = new Map<string, { readonly at: number; readonly state: UploadState }>()
  const unwritten = new Map<string, ReturnType<typeof store.set>>()
  return {
    ...store,
    set: (key, state, lock) =>
      Effect.flatMap(Clock.currentTimeMillis, (at) => {
        const last = written.get(key)
        const write = store.set(key, state, lock)
        if (last !== undefined && at - last.at < EVERY && isSame(last.state, state)) {
          unwritten.set(key, write)
          return Effect.void
        }
        unwritten.delete(key)
        return Effect.tap(write, () => written.set(key, { at, state }))
      }),
    remove: (key, lock) =>
      Effect.suspend(() => {
        written.delete(key)
        unwritten.delete(key)
        return store.remove(key, lock)
      }),
    // Who has the lock still has it when this runs.
    lock: (key, name, waiting) =>
      Effect.tap(
        store.lock(key, name, waiting),
        () => Effect.addFinalizer(() => Effect.ignore(Effect.suspend(() => unwritten.get(key) ?? Effect.void)))
      )
  }
}

export const layer = (state: string | undefined) =>
  Layer.map(
    UploadStore.layerFileSystem(`${state ?? stateFolder()}/uploads`),
    (context) => Context.make(UploadStore.UploadStore, sparing(Context.get(context, UploadStore.UploadStore)))
  )

/** One that is asked for and is not there yet is worth a word: it may be mistyped. */
export const asked = (state: string | undefined) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    if (state !== undefined && !(yield* Effect.orElseSucceed(fs.exists(state), () => true))) {
      const { note } = yield* Output
      yield* note(`${inLine(resolve(state))} is not there yet: nothing to resume, so this begins anew`)
    }
    return layer(state)
  })
