/**
 * The command as a process that uploads two files: measured from the end of the first to the end of the second, so that
 * neither loading nor compiling counts, as with the other contestants.
 */
import { spawn } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { createInterface } from "node:readline"

export interface Figures {
  readonly seconds: number
  readonly cpu: number
  readonly memory: number
  /** That the server got, where it counts them. */
  readonly requests?: number
}

/** Of another process: bytes of memory now and at most, and the seconds that it has computed. */
const looked = (pid: number) => {
  const status = readFileSync(`/proc/${pid}/status`, "utf8")
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)![1]) * 1024
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ")
  // In clock ticks, of which Linux has a hundred in a second wherever Node runs.
  return { now: bytes("VmRSS"), peak: bytes("VmHWM"), cpu: (Number(fields[11]) + Number(fields[12])) / 100 }
}

export const measure = async (
  bundle: string,
  files: readonly [warmUp: string, file: string],
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>
): Promise<Figures> => {
  const child = spawn(process.execPath, [bundle, "upload", ...files, "--concurrency", "1", "--json", ...args], {
    env: { PATH: process.env["PATH"]!, ...env },
    stdio: ["ignore", "pipe", "ignore"]
  })
  const pid = child.pid!
  let start: ReturnType<typeof looked> | undefined
  let warm: { readonly at: number; readonly cpu: number } | undefined
  let figures: Figures | undefined
  for await (const line of createInterface({ input: child.stdout })) {
    const { type } = JSON.parse(line) as { readonly type: string }
    if (type === "started") start ??= looked(pid)
    if (type === "error") throw new Error(`the command failed: ${line}`)
    if (type !== "uploaded") continue
    const at = performance.now()
    if (warm === undefined) {
      warm = { at, cpu: looked(pid).cpu }
      // Its peak begins anew.
      writeFileSync(`/proc/${pid}/clear_refs`, "5")
    } else {
      const { cpu, peak } = looked(pid)
      figures = { seconds: (at - warm.at) / 1000, cpu: cpu - warm.cpu, memory: (peak - start!.now) / 1024 ** 2 }
    }
  }
  if (figures === undefined) throw new Error("the command did not upload both files")
  return figures
}
