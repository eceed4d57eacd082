/** Uploads that share a limit of how many go at a time. */
import { UploadFailure } from "./failure.js"
import type { Options, Queue, QueueEvents, QueueOptions, QueueProgress, State, Upload } from "./model.js"
import { Teller } from "./target.js"
import * as upload from "./upload.js"

export const make = (options: QueueOptions): Queue => {
  for (const name of ["concurrency", "maxFiles"] as const) {
    const value: unknown = options[name]
    if (value !== undefined && value !== Infinity && !(Number.isInteger(value) && Number(value) >= 1)) {
      throw new RangeError(`queue: \`${name}\` is not a whole number from 1 on`)
    }
  }
  // What is wrong with the options is told at once, not with the first file.
  upload.make(new Blob(["?"]), options)
  return new FileQueue(options)
}

const ENDED: ReadonlySet<State> = new Set(["done", "failed", "aborted"])

class FileQueue extends Teller<QueueEvents> implements Queue {
  readonly #options: QueueOptions
  #uploads: ReadonlyArray<Upload> = []
  /** Those that go when it is their turn. */
  readonly #due = new Set<Upload>()
  #paused: boolean
  #busy = false

  constructor(options: QueueOptions) {
    super()
    this.#options = options
    this.#paused = options.autoStart === false
  }

  get uploads() {
    return this.#uploads
  }

  get paused() {
    return this.#paused
  }

  get progress(): QueueProgress {
    const all = this.#uploads.filter(({ state }) => state !== "aborted")
    const sum = (of: (upload: Upload) => number) => all.reduce((sum, upload) => sum + of(upload), 0)
    return {
      acknowledged: sum(({ progress }) => progress.acknowledged),
      sent: sum(({ progress }) => progress.sent),
      size: sum(({ file }) => file.size),
      done: this.#count("done"),
      failed: this.#count("failed"),
      total: all.length
    }
  }

  add = (files: Iterable<Blob>, options: Partial<Options> = {}): ReadonlyArray<Upload> => {
    const added = Array.from(files, (file) => upload.make(file, { ...this.#options, ...options }, this.#tooMany))
    for (const upload of added) {
      this.#uploads = [...this.#uploads, upload]
      this.#due.add(upload)
      upload.addEventListener("state", ({ detail: { state } }) => this.#follow(upload, state))
      upload.addEventListener("progress", () => this.tell("progress", this.progress))
      this.tell("add", { upload })
      // Of what cannot go nobody has to wait to be told.
      if (upload.refusal !== undefined) void upload.start()
    }
    this.#next()
    return added
  }

  remove = (upload: Upload): void => {
    if (!this.#uploads.includes(upload)) return
    this.#uploads = this.#uploads.filter((other) => other !== upload)
    this.#due.delete(upload)
    void upload.abort()
    this.tell("remove", { upload })
    this.#next()
  }

  start = (): void => {
    this.#paused = false
    this.#next()
  }

  resume = this.start

  pause = (): void => {
    this.#paused = true
    for (const upload of this.#uploads) {
      if (!this.#isGoing(upload)) continue
      upload.pause()
      if (upload.state === "paused") this.#due.add(upload)
    }
  }

  abort = async (): Promise<void> => {
    this.#due.clear()
    await Promise.all(this.#uploads.map((upload) => upload.abort()))
  }

  #tooMany = (upload: Upload): UploadFailure | undefined => {
    const { maxFiles: limit = Infinity } = this.#options
    const others = this.#uploads.filter((other) =>
      other !== upload && other.state !== "aborted" && other.state !== "failed"
    )
    return others.length < limit ? undefined : new UploadFailure("TooMany", { name: upload.name, limit })
  }

  #count(state: State): number {
    return this.#uploads.filter((upload) => upload.state === state).length
  }

  #isGoing({ state }: Upload): boolean {
    return !ENDED.has(state) && state !== "ready" && state !== "paused"
  }

  #follow(upload: Upload, state: State): void {
    // What somebody has started, paused or aborted by hand is not for the queue to start.
    this.#due.delete(upload)
    if (this.#uploads.includes(upload)) this.tell("state", { upload, state })
    this.#next()
  }

  /** Starts what is due, as long as there is room. */
  #next(): void {
    const { concurrency = 2 } = this.#options
    for (const upload of this.#paused ? [] : [...this.#due]) {
      if (this.#uploads.filter((other) => this.#isGoing(other)).length >= concurrency) break
      void upload.start()
    }
    const busy = this.#uploads.some((upload) => this.#isGoing(upload)) || this.#due.size > 0
    if (this.#busy && !busy) this.tell("idle", { done: this.#count("done"), failed: this.#count("failed") })
    this.#busy = busy
  }
}
