/** The script of the page in which uploads are tested. */
import type { Options, Upload, UploadFailure } from "effect-panda/browser"
import { upload } from "effect-panda/browser"
import { uploadAsIn2013 } from "./oldUploader.js"

declare global {
  interface Window {
    /** Starts the upload of the file that was chosen, or of one that is made up. */
    begin: (options?: Partial<Options>, made?: number) => void
    sending: Upload
    /** What it has told, by the names of the events; and each state. */
    told: Array<string>
    states: Array<string>
    /** How it ends: with the id of the video, or with the code of a failure. */
    ended: () => Promise<string>
    /** Pauses when so much is acknowledged, and goes on a moment later. */
    pauseAt: (offsets: ReadonlyArray<number>) => void
    /** Pauses and goes on. */
    renew: () => void
    asIn2013: (authorizeUrl: string) => Promise<string>
    /** Tasks that kept the page from doing anything else, in milliseconds. */
    longTasks: Array<number>
  }
}

const chosen = (): File => {
  const [file] = document.querySelector("input")!.files ?? []
  if (file === undefined) throw new Error("no file was chosen")
  return file
}

window.told = []
window.states = []
window.longTasks = []
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) window.longTasks.push(duration)
}).observe({ type: "longtask", buffered: true })

window.begin = (options = {}, made) => {
  const file = made === undefined ? chosen() : new File([new Uint8Array(made)], "made.mp4", { lastModified: 1 })
  const sending = upload(file, { authorize: "/panda/authorize_upload", ...options })
  for (const type of ["progress", "resumed", "retry", "restarted", "warning", "success", "error"] as const) {
    sending.addEventListener(type, (event: Event) => {
      window.told.push(`${type} ${JSON.stringify((event as CustomEvent).detail)}`)
    })
  }
  sending.addEventListener("state", ({ detail: { state } }) => window.states.push(state))
  window.sending = sending
  void sending.start()
}

window.pauseAt = (offsets) => {
  const left = [...offsets]
  window.sending.addEventListener("progress", ({ detail: { acknowledged } }) => {
    if (left.length === 0 || acknowledged < left[0]!) return
    left.shift()
    window.sending.pause()
    setTimeout(() => void window.sending.resume(), 20)
  })
}

window.renew = () => {
  window.sending.pause()
  void window.sending.resume()
}

window.ended = () =>
  window.sending.video.then(({ id }) => id, (failure: UploadFailure) => `${failure.code}: ${failure.message}`)

window.asIn2013 = (authorizeUrl) => uploadAsIn2013(chosen(), authorizeUrl)
