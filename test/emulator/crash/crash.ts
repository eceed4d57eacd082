/** A Panda of one's own as a process that is killed at any time: nothing that it answered is lost, and nothing undone. */
import { Effect, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { createHash, createHmac } from "node:crypto"
import { readFileSync } from "node:fs"
import { createServer, request } from "node:http"
import { bundled, temporary } from "../../cli/command.js"
import { random } from "../../chaos/random.js"
import { freePort } from "../../freePort.js"
import { sample } from "../../media.js"
import { patience } from "../../patience.js"

type Json = Readonly<Record<string, unknown>>

export interface Plan {
  readonly seed: number
  /** Every second one in the middle of a chunk, the others in the middle of an encoding. */
  readonly kills: number
}

export interface Outcome {
  readonly inUploads: number
  readonly inEncodings: number
  readonly videos: number
  readonly encodings: number
  /** Bytes that had been acknowledged, and are not there. */
  readonly bytesLost: number
  readonly wrongHashes: number
  /** Videos, encodings and profiles that had been answered, and are not there or not as they were. */
  readonly lost: number
  readonly failed: number
  readonly filesMissing: number
  readonly webhooks: number
  readonly webhooksLost: number
  readonly webhooksTwice: number
  readonly seconds: number
}

/** Whether it is as it has to be. */
export const holds = (outcome: Outcome): boolean =>
  outcome.bytesLost === 0 && outcome.wrongHashes === 0 && outcome.lost === 0 && outcome.failed === 0 &&
  outcome.filesMissing === 0 && outcome.webhooksLost === 0

/** Until it says that it listens. */
const start = (port: number, ...args: ReadonlyArray<string>) =>
  Effect.async<ChildProcess>((resume) => {
    const child = spawn(process.execPath, [bundled(), "emulator", "--port", String(port), ...args], {
      stdio: ["ignore", "ignore", "pipe"]
    })
    let said = ""
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      said += text
      if (said.includes("until it is interrupted")) resume(Effect.succeed(child))
    })
    child.on("exit", () => resume(Effect.dieMessage(said)))
  })

const kill = (child: ChildProcess) =>
  Effect.async<void>((resume) => {
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })

let tick = 0

/** Signed by hand, so that nothing of ours repeats or repairs anything. */
const call = (port: number, method: string, path: string, params: Record<string, string> = {}) =>
  Effect.promise(async () => {
    const all: Record<string, string> = {
      ...params,
      access_key: "emulated-access-key",
      cloud_id: "emulated-cloud-id",
      timestamp: new Date().toISOString().replace("Z", `${String(++tick % 1000).padStart(3, "0")}Z`)
    }
    const canonical = Object.keys(all).sort()
      .map((name) => `${name}=${encodeURIComponent(all[name]!)}`).join("&")
    const signature = createHmac("sha256", "emulated-secret-key")
      .update([method, "127.0.0.1", path, canonical].join("\n")).digest("base64")
    const query = `${canonical}&signature=${encodeURIComponent(signature)}`
    const response = await fetch(`http://127.0.0.1:${port}/v2${path}${method === "GET" ? `?${query}` : ""}`, {
      method,
      ...(method === "GET"
        ? {}
        : { body: query, headers: { "content-type": "application/x-www-form-urlencoded" } })
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}: ${text}`)
    return JSON.parse(text) as Json
  })

const typed = { "content-type": "application/octet-stream" }

/** A chunk, or without bytes the question how far it is. */
const put = (location: string, range: string, bytes = new Uint8Array(0)) =>
  Effect.promise(async () => {
    const headers = { ...typed, "content-range": `bytes ${range}` }
    const response = await fetch(location, { method: "PUT", headers, body: bytes })
    return { status: response.status, range: response.headers.get("range"), text: await response.text() }
  })

/** The first bytes of a chunk, of which the rest never comes. */
const putPart = (location: string, range: string, length: number, part: Uint8Array) =>
  Effect.async<void>((resume) => {
    const sent = request(location, {
      method: "PUT",
      headers: { ...typed, "content-range": `bytes ${range}`, "content-length": length },
      agent: false
    })
    sent.on("error", () => {})
    sent.write(part, () => resume(Effect.void))
  })

const stored = (range: string | null) => Number(range?.split("-")[1] ?? -1) + 1

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

/** Notes the events that it is told, and answers 503 as long as it is down. */
const receiver = Effect.acquireRelease(
  Effect.async<{ readonly url: string; up: boolean; readonly told: Map<string, number>; readonly close: () => void }>(
    (resume) => {
      const told = new Map<string, number>()
      const state = { url: "", up: false, told, close: () => void server.close() }
      const server = createServer((request, response) => {
        let text = ""
        request.on("data", (part: Buffer) => text += part)
        request.on("end", () => {
          const form = new URLSearchParams(text)
          const event = `${form.get("event")} ${form.get("encoding_id") ?? form.get("video_id")}`
          if (state.up) told.set(event, (told.get(event) ?? 0) + 1)
          response.writeHead(state.up ? 200 : 503).end()
        })
      }).listen(0, "127.0.0.1", () => {
        const { port } = server.address() as { readonly port: number }
        state.url = `http://127.0.0.1:${port}/hook`
        resume(Effect.succeed(state))
      })
    }
  ),
  ({ close }) => Effect.sync(close)
)

const isOver = (encodings: ReadonlyArray<Json>) => encodings.every(({ status }) => status !== "processing")

export const crash = (
  plan: Plan,
  log: (line: string) => void = () => {}
): Effect.Effect<Outcome & { readonly folder: string }, never, Scope.Scope> =>
  Effect.gen(function*() {
    const began = Date.now()
    const draw = random(plan.seed)
    const between = (from: number, to: number) => Math.floor(from + draw() * (to - from))
    const folder = `${yield* temporary}/panda`
    const hook = yield* receiver
    const port = yield* freePort
    let child = yield* start(port, "--data", folder, "--encode")
    yield* Effect.addFinalizer(() => Effect.sync(() => child.kill("SIGKILL")))
    const again = Effect.gen(function*() {
      yield* kill(child)
      child = yield* start(port, "--data", folder, "--encode")
    })
    const bytes = readFileSync(sample)
    const size = bytes.length
    const ids = { videos: [] as Array<string>, encodings: new Map<string, unknown>() }
    let bytesLost = 0
    let lost = 0
    const missed = (what: string) => {
      lost++
      log(`lost: ${what}`)
    }

    const profile = (params: Record<string, string>) => call(port, "POST", "/profiles.json", params)
    yield* profile({ preset_name: "h264", name: "small", width: "64", height: "64", frame_count: "1" })
    yield* profile({ preset_name: "h264.hi", name: "slow", frame_count: "0", width: "960", height: "540" })
    yield* call(port, "PUT", "/notifications.json", {
      url: hook.url,
      "events[video_created]": "true",
      "events[video_encoded]": "true",
      "events[encoding_completed]": "true"
    })
    const profiles = JSON.stringify(yield* call(port, "GET", "/profiles.json"))

    const encodings = Effect.map(
      call(port, "GET", "/encodings.json"),
      (list) => list as unknown as ReadonlyArray<Json>
    )
    /** All that was answered before is there, and what was at its end still is. */
    const check = Effect.gen(function*() {
      const videos = (yield* call(port, "GET", "/videos.json")) as unknown as ReadonlyArray<Json>
      for (const id of ids.videos) if (!videos.some((video) => video["id"] === id)) missed(`video ${id}`)
      const list = yield* encodings
      for (const [id, status] of ids.encodings) {
        const now = list.find((encoding) => encoding["id"] === id)
        if (now === undefined || status === "success" && now["status"] !== "success") missed(`encoding ${id}`)
      }
      for (const { id, status } of list) ids.encodings.set(String(id), status)
      const now = JSON.stringify(yield* call(port, "GET", "/profiles.json"))
      if (now !== profiles) missed(`profiles: ${profiles} are ${now}`)
    })

    interface Going {
      readonly id: string
      readonly location: string
      acknowledged: number
    }
    let going: Going | undefined

    const begin = Effect.map(
      call(port, "POST", "/videos/upload.json", {
        file_size: String(size),
        file_name: "panda.mp4",
        profiles: "small,slow"
      }),
      ({ id, location }): Going => ({ id: String(id), location: String(location), acknowledged: 0 })
    )

    /** Sends a chunk. Where it goes on the server says. */
    const send = (upload: Going) =>
      Effect.gen(function*() {
        const probe = yield* put(upload.location, `*/${size}`)
        if (probe.status === 200) upload.acknowledged = size
        else {
          const from = stored(probe.range)
          bytesLost += Math.max(0, upload.acknowledged - from)
          const to = Math.min(size, from + between(size / 16, size / 4))
          const sent = yield* put(upload.location, `${from}-${to - 1}/${size}`, bytes.subarray(from, to))
          upload.acknowledged = sent.status === 200 ? size : stored(sent.range)
        }
        if (upload.acknowledged === size) {
          ids.videos.push(upload.id)
          going = undefined
        }
      })
    const sendAll = (upload: Going) => Effect.repeat(send(upload), { until: () => going === undefined })

    const killInUpload = Effect.gen(function*() {
      const upload = going ??= yield* begin
      yield* send(upload)
      const { acknowledged, location } = upload
      if (acknowledged < size) {
        const part = bytes.subarray(acknowledged, acknowledged + between(1, size - acknowledged))
        yield* putPart(location, `${acknowledged}-${size - 1}/${size}`, size - acknowledged, part)
      }
      yield* again
    })

    const killInEncoding = Effect.gen(function*() {
      if (ids.videos.length === 0) yield* sendAll(going ??= yield* begin)
      const video_id = ids.videos.at(-1)!
      // Of a video whose source is stored: what was answered is an encoding that comes to be.
      if (isOver(yield* encodings)) yield* call(port, "POST", "/encodings.json", { video_id, profile_name: "slow" })
      const percent = between(1, 60)
      yield* Effect.repeat(Effect.delay(encodings, "10 millis"), {
        until: (list) =>
          isOver(list) || list.some(({ encoding_progress }) => Number(encoding_progress) % 100 >= percent)
      })
      yield* check
      yield* again
    })

    for (let kills = 0; kills < plan.kills; kills++) {
      yield* kills % 2 === 0 ? killInUpload : killInEncoding
      yield* check
      log(`${kills + 1} of ${plan.kills}: ${ids.videos.length} videos, ${ids.encodings.size} encodings`)
    }
    if (going !== undefined) yield* sendAll(going)
    yield* Effect.repeat(Effect.delay(encodings, "100 millis"), { until: isOver })
    yield* check

    // What could not be delivered so far is, by who comes after.
    hook.up = true
    yield* again
    const done = yield* encodings
    const events = [
      ...ids.videos.flatMap((id) => [`video-created ${id}`, `video-encoded ${id}`]),
      ...done.map(({ id }) => `encoding-complete ${String(id)}`)
    ]
    const arrived = Effect.sync(() => events.every((event) => hook.told.has(event)))
    yield* Effect.ignore(Effect.timeout(
      Effect.repeat(Effect.delay(arrived, "20 millis"), { until: (all) => all }),
      patience
    ))

    for (const event of events) if (!hook.told.has(event)) log(`lost: webhook ${event}`)

    const base = `${folder}/storage/emulated-cloud-id`
    const sizeOf = (file: unknown) => {
      try {
        return readFileSync(`${base}/${String(file)}`).length
      } catch {
        return 0
      }
    }
    return {
      folder,
      inUploads: Math.ceil(plan.kills / 2),
      inEncodings: Math.floor(plan.kills / 2),
      videos: ids.videos.length,
      encodings: done.length,
      bytesLost,
      wrongHashes: ids.videos.filter((id) => sha256(readFileSync(`${base}/${id}.mp4`)) !== sha256(bytes)).length,
      lost,
      failed: done.filter(({ status }) => status !== "success").length,
      filesMissing: done.flatMap(({ files }) => files as ReadonlyArray<string>).filter((file) => sizeOf(file) < 1000)
        .length,
      webhooks: events.length,
      webhooksLost: events.filter((event) => !hook.told.has(event)).length,
      webhooksTwice: [...hook.told.values()].filter((times) => times > 1).length,
      seconds: Math.round((Date.now() - began) / 1000)
    }
  })
