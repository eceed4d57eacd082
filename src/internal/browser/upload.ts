/** The upload of one file: its states, what it tells, and what is done in which order. */
import * as decision from "../upload/decision.js"
import { exchange, isOffline, online, type Reply, sleep } from "./exchange.js"
import { type Code, UploadFailure } from "./failure.js"
import { fingerprint, hash, refusal } from "./file.js"
import * as handshake from "./handshake.js"
import * as memory from "./memory.js"
import type { Options, Progress, State, Upload, UploadEvents, Video } from "./model.js"
import { Teller } from "./target.js"
import * as transfer from "./transfer.js"
import * as turns from "./turn.js"

const DAY = 24 * 60 * 60 * 1000

/** Bytes: more than that in a chunk, and losing one hurts. */
const LARGEST_CHUNK = 512 * 1024 * 1024

/** Milliseconds: browsers wait no longer, and not at all where more is asked for. */
const LONGEST_WAIT = 2 ** 31 - 1

/** The options that are numbers, and what they have to be. */
const NUMBERS = {
  chunkSize: [
    (value: number) => Number.isInteger(value) && value >= 1 && value <= LARGEST_CHUNK,
    "a whole number from 1 to 536870912 (512 MiB)"
  ],
  stallTimeout: [(value: number) => value > 0 && value <= LONGEST_WAIT, "a number above 0, up to 2147483647"],
  responseTimeout: [(value: number) => value > 0 && value <= LONGEST_WAIT, "a number above 0, up to 2147483647"],
  maxSize: [(value: number) => value > 0, "a number above 0"],
  keepFor: [(value: number) => value >= 0, "a number from 0 on"]
} as const

/** What a programmer has to put right is thrown, before anything is sent: also what no compiler has looked at. */
const check = (file: Blob, options: Options): void => {
  const { accept, authorize, headers, name, onExpired, payload } = options
  const refuse = (name: string, wanted: string): never => {
    throw new TypeError(`upload: \`${name}\` is not ${wanted}`)
  }
  if (!(file instanceof Blob)) throw new TypeError("upload: the file is not a File or a Blob")
  const isText = (typeof authorize === "string" && authorize !== "") || authorize instanceof URL
  if (typeof authorize !== "function" && !(isText && handshake.placeOf(String(authorize)) !== undefined)) {
    refuse("authorize", "an http address or a function")
  }
  for (const [option, [holds, wanted]] of Object.entries(NUMBERS)) {
    const value: unknown = options[option as keyof typeof NUMBERS]
    if (value !== undefined && !(typeof value === "number" && holds(value))) {
      throw new RangeError(`upload: \`${option}\` is not ${wanted}`)
    }
  }
  for (const [option, value] of Object.entries({ accept, name })) {
    if (value !== undefined && typeof value !== "string") refuse(option, "text")
  }
  if (onExpired !== undefined && onExpired !== "fail" && onExpired !== "restart") refuse("onExpired", "fail or restart")
  // What they throw by themselves shows what is in them.
  if (typeof headers !== "function" && throws(() => new Headers(headers))) refuse("headers", "an object of headers")
  if (throws(() => JSON.stringify(payload))) refuse("payload", "what JSON can tell")
}

const throws = (run: () => unknown): boolean => {
  try {
    run()
    return false
  } catch {
    return true
  }
}

/** What a run is stopped with. */
const STOPPED = new DOMException("The upload was stopped", "AbortError")

/** A promise from outside, of which nobody has to take care. */
const deferred = <A>() => {
  let resolve!: (value: A) => void
  let reject!: (reason: UploadFailure) => void
  const promise = new Promise<A>((yes, no) => {
    resolve = yes
    reject = no
  })
  promise.catch(() => {})
  return { promise, resolve, reject }
}

/** What is known of the session of an upload. */
interface Session {
  readonly course: transfer.Course
  readonly postprocess: string | undefined
}

/** How an upload has ended well. */
interface Ended {
  readonly text: string
  readonly result: unknown
}

/** `also` is why it may not go, for somebody else. */
export const make = (
  file: Blob,
  options: Options,
  also?: (upload: Upload) => UploadFailure | undefined
): FileUpload => {
  check(file, options)
  return new FileUpload(file, options, also)
}

export class FileUpload extends Teller<UploadEvents> implements Upload {
  readonly file: Blob
  readonly name: string
  readonly #options: Options
  readonly #also: (upload: Upload) => UploadFailure | undefined
  readonly #settings: transfer.Settings
  readonly #handshake: handshake.Handshake
  #state: State = "ready"
  #failure: UploadFailure | undefined
  #end = deferred<Video>()
  /** Stops the run under way; and when that is over. */
  #controller: AbortController | undefined
  #run: Promise<void> = Promise.resolve()
  #aborted: Promise<void> | undefined
  /** What tells the file from another, once it was read; and what is asked for it. */
  #print: string | undefined
  #session: Session | undefined
  /** The JSON of the video, once there is one: only the page's server may have to be told yet. */
  #text: string | undefined
  #warned = false

  constructor(file: Blob, options: Options, also: (upload: Upload) => UploadFailure | undefined = () => undefined) {
    super()
    this.#also = also
    this.file = file
    this.name = options.name ?? (file instanceof File ? file.name : "blob")
    this.#options = options
    this.#settings = {
      stall: options.stallTimeout ?? decision.TIMEOUT.stall,
      response: options.responseTimeout ?? decision.TIMEOUT.response,
      onExpired: options.onExpired ?? "restart"
    }
    this.#handshake = {
      authorize: typeof options.authorize === "function"
        ? options.authorize
        : handshake.placeOf(String(options.authorize)) ?? "",
      headers: options.headers ?? {},
      withCredentials: options.withCredentials ?? false,
      payload: options.payload ?? {},
      timeout: this.#settings.stall
    }
  }

  get state() {
    return this.#state
  }

  get failure() {
    return this.#failure
  }

  get video() {
    return this.#end.promise
  }

  get progress(): Progress {
    const { size } = this.file
    if (this.#state === "done") {
      return { acknowledged: size, sent: size, size, bytesPerSecond: undefined, eta: undefined }
    }
    const known = this.#session?.course.known
    const acknowledged = Math.min(known?.acknowledged ?? 0, Math.max(0, size - 1))
    const bytesPerSecond = known?.pace.speed
    return {
      acknowledged,
      sent: Math.max(known?.sent ?? 0, acknowledged),
      size,
      bytesPerSecond,
      eta: bytesPerSecond === undefined ? undefined : (size - acknowledged) / bytesPerSecond
    }
  }

  /** Why it cannot go, whatever the servers say. */
  get refusal(): UploadFailure | undefined {
    return refusal(this.file, this.name, this.#options) ?? this.#also(this)
  }

  start = (): Promise<Video> => {
    if (this.#state !== "ready" && this.#state !== "paused" && this.#state !== "failed") return this.video
    if (this.#state === "failed") this.#end = deferred()
    this.#failure = undefined
    const refused = this.refusal
    if (refused !== undefined) {
      const { video } = this
      this.#fail(refused)
      return video
    }
    const { signal } = this.#controller = new AbortController()
    this.#become("authorizing")
    // What was stopped may not be over yet.
    this.#run = this.#run.then(() => this.#go(signal))
    return this.video
  }

  resume = this.start

  pause = (): void => {
    if (["finishing", "done", "failed", "aborted", "paused"].includes(this.#state)) return
    this.#controller?.abort(STOPPED)
    this.#become("paused")
  }

  abort = (): Promise<void> => {
    if (this.#aborted !== undefined) return this.#aborted
    if (this.#state === "done") return Promise.resolve()
    this.#controller?.abort(STOPPED)
    this.#aborted = this.#run.then(() => this.#forget())
    this.#become("aborted")
    this.#end.reject(new UploadFailure("Aborted", { name: this.name }))
    return this.#aborted
  }

  #become(state: State): void {
    const before = this.#state
    if (state === before) return
    this.#state = state
    this.tell("state", { state, before })
  }

  #warn(code: Code): void {
    this.tell("warning", { code, message: new UploadFailure(code, { name: this.name }).message })
  }

  /** All of it, from wherever it was left. */
  async #go(signal: AbortSignal): Promise<void> {
    let turn: turns.Turn | undefined
    try {
      await this.#verify()
      const key = this.#key()
      signal.throwIfAborted()
      memory.prune(this.#keepFor || 7 * DAY)
      turn = await turns.take(key, signal, () => this.#become("waiting"))
      const ended = await this.#toEnd(key, turn, signal)
      if (await turns.isWanted(key)) this.#keep(key, ended)
      else memory.remove(key)
      signal.throwIfAborted()
      this.#succeed(ended)
    } catch (error) {
      // What stopped it has told what it is now.
      if (!signal.aborted) {
        this.#fail(error instanceof UploadFailure ? error : new UploadFailure("Unexpected", { name: this.name }, error))
      }
    } finally {
      turn?.release()
    }
  }

  /** That the file is what it was, if it was read before. */
  async #verify(): Promise<void> {
    const print = await fingerprint(this.file, this.name)
    if (this.#print !== undefined && this.#print !== print) throw new UploadFailure("Changed", { name: this.name })
    this.#print = print
  }

  /** Of the file, and of what is asked for it. */
  #key(): string {
    const { authorize, payload } = this.#handshake
    const what = JSON.stringify([this.#print, typeof authorize === "function" ? "" : authorize, payload])
    return hash([new TextEncoder().encode(what)])
  }

  get #keepFor(): number {
    return this.#options.keepFor ?? 7 * DAY
  }

  async #toEnd(key: string, { waited }: turns.Turn, signal: AbortSignal): Promise<Ended> {
    const record = this.#keepFor === 0 ? undefined : memory.read(key)
    // Who waited for the same file has waited for the same video.
    if (waited && record?.ended) return record.ended
    this.#text ??= await this.#transfer(key, record?.ended ? undefined : record, signal)
    const text = this.#text
    const url = this.#session?.postprocess
    if (url === undefined) return { text, result: undefined }
    signal.throwIfAborted()
    this.#become("finishing")
    return { text, result: await handshake.postprocess(url, this.name, text, this.#handshake, signal) }
  }

  async #transfer(key: string, record: memory.Record | undefined, signal: AbortSignal): Promise<string> {
    const session = this.#session = await this.#sessionOf(record, signal)
    this.#keep(key)
    return transfer.run(session.course, this.#settings, this.#waysOf(key, session.course, signal), signal)
  }

  /** The session to go on with, or a new one. What was kept is further than what this page knows. */
  async #sessionOf(record: memory.Record | undefined, signal: AbortSignal): Promise<Session> {
    const { chunkSize } = this.#options
    const left = record ?? this.#left()
    if (left !== undefined) {
      this.tell("resumed", { acknowledged: left.acknowledged })
      return {
        course: transfer.courseOf(this.file, this.name, left.location, { acknowledged: left.acknowledged, chunkSize }),
        postprocess: left.postprocess
      }
    }
    const { location, postprocess } = await this.#authorize(signal)
    return {
      course: transfer.courseOf(this.file, this.name, location, { acknowledged: undefined, chunkSize }),
      postprocess
    }
  }

  #left() {
    if (this.#session === undefined) return undefined
    const { course, postprocess } = this.#session
    return { location: course.location, acknowledged: course.known.acknowledged, postprocess }
  }

  /** Asks the page's server, again and again while it has no answer. */
  async #authorize(signal: AbortSignal): Promise<handshake.Grant> {
    for (let attempt = 1;; attempt++) {
      await this.#online(signal)
      this.#become("authorizing")
      const grant = await handshake.authorize(this.file, this.name, this.#handshake, signal)
      if (!(grant instanceof handshake.Unanswered)) return grant
      if (attempt > AUTHORIZE_TIMES) throw grant.failure
      const { answer, failure } = grant
      const delay = decision.delayOf(attempt, answer?.headers, Math.random(), Date.now())
      this.#waits(failure, attempt, delay)
      await sleep(delay, signal)
    }
  }

  async #online(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (isOffline()) this.#become("offline")
    await online(signal)
  }

  #waits(failure: UploadFailure, attempt: number, delay: number): void {
    this.#become("retrying")
    this.tell("retry", { failure, attempt, delay })
  }

  #waysOf(key: string, course: transfer.Course, signal: AbortSignal): transfer.Ways {
    return {
      keep: () => this.#keep(key),
      progress: () => this.tell("progress", this.progress),
      waits: (failure, attempt, delay) => this.#waits(failure, attempt, delay),
      online: async () => {
        await this.#online(signal)
        this.#become("uploading")
      },
      restarted: (reason) => this.tell("restarted", { reason }),
      over: () => {
        this.#session = undefined
        memory.remove(key)
      },
      verify: async () => {
        await this.#verify()
        signal.throwIfAborted()
      },
      renew: async () => {
        const { location, postprocess } = await this.#authorize(signal)
        this.#session = { course, postprocess }
        return location
      }
    }
  }

  /** So that a page which comes after this one can go on. */
  #keep(key: string, ended?: Ended): void {
    const left = this.#left()
    if (left === undefined || this.#keepFor === 0) return
    if (memory.write(key, { ...left, ended }) || this.#warned) return
    this.#warned = true
    this.#warn("NotSaved")
  }

  #succeed({ result, text }: Ended): void {
    const video = videoOf(text)
    this.#end.resolve(video)
    this.#become("done")
    this.tell("progress", this.progress)
    this.tell("success", { video, result })
  }

  #fail(failure: UploadFailure): void {
    // Started again, it begins anew with what the file is by then.
    if (failure.code === "Changed") this.#print = this.#session = undefined
    this.#failure = failure
    this.#end.reject(failure)
    this.#become("failed")
    this.tell("error", { failure })
  }

  /** Has the server forget the session, and forgets it, unless somebody else is at it by now. */
  async #forget(): Promise<void> {
    if (this.#session === undefined) return
    const key = this.#key()
    const turn = await turns.takeIfFree(key)
    if (turn === undefined) return
    memory.remove(key)
    if (!await end(this.#session.course.location, this.#settings)) this.#warn("NotDeleted")
    turn.release()
  }
}

/** How often the page's server is asked again, over three seconds at most: somebody waits for it. */
const AUTHORIZE_TIMES = 5

/** How often the upload server is asked again to forget a session. */
const END_TIMES = 4

/** Whether the session is over. */
const end = async (location: string, { stall }: transfer.Settings): Promise<boolean> => {
  const { signal } = new AbortController()
  let url = location
  for (let attempt = 1;; attempt++) {
    const reply: Reply = await exchange(
      { method: "DELETE", url, headers: {}, body: null, stall, response: stall },
      signal
    )
    let headers: decision.Answer["headers"] | undefined
    if (reply._tag === "Answered") {
      const { answer } = reply
      const meaning = decision.meaningOfEnd(answer)
      if (meaning._tag === "Ended") return true
      if (meaning._tag !== "Later" && meaning._tag !== "Elsewhere") return false
      url = decision.locationAfter(url, answer, meaning).moved ?? url
      headers = answer.headers
    }
    if (attempt > END_TIMES) return false
    await sleep(decision.delayOf(attempt, headers, Math.random(), Date.now()), signal)
  }
}

/** What has been found to be one, by `decision`. */
const videoOf = (text: string): Video => {
  const video: Video = JSON.parse(text.replace(/^\uFEFF/, ""))
  return { ...video, id: String(video.id) }
}
