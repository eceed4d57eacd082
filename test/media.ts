/** Whether the machine has ffmpeg: where it has not, a line says what to install, and what needs it is not run. */
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const runs = (program: string): boolean => {
  try {
    execFileSync(program, ["-version"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

export const installed = runs("ffmpeg") && runs("ffprobe")

if (!installed) {
  console.warn("Tests with ffmpeg do not run here: install it (apt-get install -y ffmpeg), then run them again")
}

/** 4 seconds of 320x180 at 24 frames, h264 and aac. */
export const sample = fileURLToPath(new URL("./fixtures/panda.mp4", import.meta.url))
