// For `node --import`: prints the URL of each module that is loaded.
import { writeSync } from "node:fs"
import { register } from "node:module"
import { isMainThread } from "node:worker_threads"

if (isMainThread) register(import.meta.url)

export const load = (url, context, next) => {
  writeSync(1, `${url}\n`)
  return next(url, context)
}
