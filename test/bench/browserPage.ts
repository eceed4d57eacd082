/** The contestants of the benchmark in a browser: each uploads the chosen file once. */
import { createUpload } from "@mux/upchunk"
import { upload } from "effect-panda/browser"
import * as tus from "tus-js-client"

declare global {
  interface Window {
    /** Milliseconds, and how long each task was that kept the page for more than 50 of them. */
    race: (contestant: string) => Promise<{ readonly millis: number; readonly long: ReadonlyArray<number> }>
  }
}

const CHUNK = 8 * 1024 * 1024

/** What one would write by hand, without anything that can go wrong. */
const byHand = async (file: File): Promise<void> => {
  for (let start = 0; start < file.size; start += CHUNK) {
    const end = Math.min(start + CHUNK, file.size)
    await new Promise<void>((resolve, reject) => {
      const xhr = new XMLHttpRequest()
      xhr.open("PUT", "/upload/session?id=1")
      xhr.setRequestHeader("content-type", "application/octet-stream")
      xhr.setRequestHeader("content-range", `bytes ${start}-${end - 1}/${file.size}`)
      xhr.addEventListener("load", () => resolve())
      xhr.addEventListener("error", () => reject(new Error("broken")))
      xhr.send(file.slice(start, end))
    })
  }
}

const contestants: Readonly<Record<string, (file: File) => Promise<unknown>>> = {
  "XHR by hand, 8 MiB": byHand,
  "effect-panda/browser, 8 MiB": (file) => upload(file, { authorize: "/authorize", chunkSize: CHUNK }).start(),
  "effect-panda/browser": (file) => upload(file, { authorize: "/authorize" }).start(),
  "tus-js-client, 8 MiB": (file) =>
    new Promise<void>((resolve, reject) => {
      new tus.Upload(file, {
        endpoint: "/files",
        chunkSize: CHUNK,
        storeFingerprintForResuming: false,
        onSuccess: () => resolve(),
        onError: reject
      }).start()
    }),
  "@mux/upchunk, 8 MiB": (file) =>
    new Promise<void>((resolve, reject) => {
      const sending = createUpload({ endpoint: "/chunks", file, chunkSize: CHUNK / 1024 })
      sending.on("success", () => resolve())
      sending.on("error", ({ detail }) => reject(new Error(String(detail.message))))
    })
}

window.race = async (contestant) => {
  const [file] = document.querySelector("input")!.files!
  const long: Array<number> = []
  const observer = new PerformanceObserver((list) => long.push(...list.getEntries().map(({ duration }) => duration)))
  observer.observe({ type: "longtask" })
  const began = performance.now()
  await contestants[contestant]!(file!)
  const millis = performance.now() - began
  // What was under way is told with the next task.
  await new Promise((resolve) => {
    setTimeout(resolve, 100)
  })
  observer.disconnect()
  return { millis, long }
}
