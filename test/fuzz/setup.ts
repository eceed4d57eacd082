import { beforeEach } from "vitest"
import type { RunnerTask } from "vitest"
import { begin } from "./seed.js"

const titles = ({ name, suite }: Pick<RunnerTask, "name" | "suite">): ReadonlyArray<string> => [
  ...(suite === undefined ? [] : titles(suite)),
  name
]

beforeEach(({ task }) => begin([task.file.name, ...titles(task)].join(" > ")))
