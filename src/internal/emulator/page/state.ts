/** What the page shows, in sections. None of it opens anything: no key, no signature, no location of a session. */
import { prefix } from "../storage.js"
import type { State } from "../server.js"
import { shownParameters } from "../verdict.js"
import { type Cloud, type Encoding, showEncoding, showVideo, type Video } from "../world.js"
import { kinds } from "./faults.js"

/** How many of each are shown, the latest. */
const MOST = { uploads: 50, videos: 50, encodings: 30, requests: 200, webhooks: 100, rules: 50 }

/** As it is called on this port. */
const address = (cloud: Cloud, key: string): string =>
  `${prefix}${[cloud.id, ...key.split("/")].map(encodeURIComponent).join("/")}`

const uploads = ({ requests, sessions }: State) => {
  const counts = new Map<string, { chunks: number; probes: number }>()
  for (const { route, session } of requests.last()) {
    if (session === undefined) continue
    const count = counts.get(session) ?? { chunks: 0, probes: 0 }
    counts.set(session, count)
    if (route === "chunk") count.chunks++
    if (route === "probe") count.probes++
  }
  const { length } = sessions.sessions
  return sessions.sessions.slice(-MOST.uploads).map((session, i) => ({
    // Its id would open it.
    key: Math.max(0, length - MOST.uploads) + i + 1,
    name: session.order.filename,
    size: session.order.size,
    stored: session.stored,
    again: session.receivedTwice,
    status: session.status,
    moves: session.moves,
    ...counts.get(session.id) ?? { chunks: 0, probes: 0 }
  })).reverse()
}

const encodingOf = (cloud: Cloud, encoding: Encoding, now: number, kept: boolean) => {
  const wire = showEncoding(encoding, now)
  const made = kept ? encoding.made : undefined
  return {
    key: encoding.id,
    profile: wire["profile_name"],
    status: wire["status"],
    progress: wire["encoding_progress"],
    facts: factsOf(wire),
    error: wire["error_class"] === null ? null : `${String(wire["error_class"])}: ${String(wire["error_message"])}`,
    type: wire["mime_type"],
    url: made?.files[0] === undefined ? null : address(cloud, made.files[0]),
    pictures: (made?.beside ?? []).filter((key) => key.endsWith(".jpg")).slice(0, 7).map((key) => address(cloud, key)),
    // What was never begun, or was cancelled, has none.
    log: kept && (encoding.made !== undefined || encoding.failure?.logged === true)
      ? address(cloud, `${encoding.path}.log`)
      : null
  }
}

const factsOf = (wire: Readonly<Record<string, unknown>>): string => {
  const { audio_codec, duration, file_size, height, video_codec, width } = wire
  return [
    typeof width === "number" ? `${width} × ${String(height)}` : "",
    typeof duration === "number" ? `${(duration / 1000).toFixed(1)} s` : "",
    [video_codec, audio_codec].filter((codec) => typeof codec === "string").join(" and "),
    typeof file_size === "number" ? `${Math.ceil(file_size / 1024)} KiB` : ""
  ].filter((fact) => fact !== "").join(", ")
}

const videoOf = (cloud: Cloud, video: Video, now: number, kept: boolean) => {
  const wire = showVideo(video, now)
  const path = String(video.source["path"])
  return {
    key: video.id,
    name: wire["original_filename"],
    status: wire["status"],
    facts: factsOf(wire),
    error: wire["error_class"] === null ? null : `${String(wire["error_class"])}: ${String(wire["error_message"])}`,
    preview: kept && video.found !== undefined ? address(cloud, `${path}_1.jpg`) : null,
    url: kept && wire["status"] === "success" ? address(cloud, `${path}${String(video.source["extname"])}`) : null,
    encodings: [...cloud.encodings.values()].filter(({ videoId }) => videoId === video.id).slice(-MOST.encodings)
      .map((encoding) => encodingOf(cloud, encoding, now, kept))
  }
}

const videos = ({ storage, world }: State, now: number) =>
  [...world.clouds.values()].flatMap((cloud) =>
    [...cloud.videos.values()].slice(-MOST.videos).reverse().map((video) =>
      videoOf(cloud, video, now, storage !== undefined)
    )
  ).slice(0, MOST.videos)

const requests = (state: State) =>
  state.requests.last().slice(-MOST.requests).reverse().map((seen) => ({
    key: seen.number,
    at: seen.at,
    method: seen.method,
    path: seen.path,
    route: seen.route,
    bytes: seen.bodyLength,
    status: seen.status ?? null,
    fault: seen.fault ?? null,
    message: seen.message ?? null,
    parameters: shownParameters(seen.parameters),
    verdict: seen.verdict ?? null
  }))

const webhooks = ({ outbox }: State) =>
  outbox.deliveries.last().slice(-MOST.webhooks).map((delivery, i) => ({ key: `${delivery.at} ${i}`, ...delivery }))
    .reverse()

const faults = ({ scripting }: State) =>
  scripting.rules().slice(-MOST.rules).map(({ fault, fired, route, skip = 0, times = 1 }, key) => {
    const { _tag, ...values } = fault
    const said = Object.entries(values).map(([name, value]) => `${name} ${String(value)}`).join(", ")
    return {
      key,
      fault: said === "" ? _tag : `${_tag} (${said.slice(0, 200)})`,
      route,
      skip,
      fired,
      left: times === Infinity ? null : Math.max(0, times - fired)
    }
  }).reverse()

/** What does not change. */
export const about = (state: State, routes: ReadonlyArray<string>) => ({
  kept: state.storage !== undefined,
  encodes: state.encodes,
  faults: Object.entries(kinds).map(([name, { does, number }]) => ({ name, does, number: number ?? null })),
  routes
})

export const sections = (state: State, now: number): Readonly<Record<string, unknown>> => ({
  trouble: state.full ? "The disk is full: what comes is refused with 507, and what was stored stays whole" : null,
  uploads: uploads(state),
  videos: videos(state, now),
  requests: requests(state),
  webhooks: webhooks(state),
  faults: faults(state)
})
