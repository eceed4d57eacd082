import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

/**
 * By size, or by how long they took where that is known; but first those that start processes, which are short and take
 * long. As the last one such a file would leave the other workers without work.
 */
class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>) {
    const sorted = await super.sort(files)
    const isLong = ({ moduleId }: TestSpecification) =>
      /\/test\/(chaos|cli|ingest|integration|Encoder)\b/.test(moduleId)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

const src = (path: string) => new URL(`./src/${path}`, import.meta.url).pathname

export default defineConfig({
  resolve: {
    alias: [
      { find: /^effect-panda$/, replacement: src("index.ts") },
      { find: /^effect-panda\/(.*)$/, replacement: src("$1.ts") }
    ]
  },
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/release/**"],
    // The seeds of all that tests draw.
    setupFiles: ["test/fuzz/setup.ts"],
    // Only what hangs takes so long; what else is slow, a loaded machine makes so.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // One more than cores, for a third of the time tests wait for processes and sockets. No fewer either: a worker that is
    // not needed is ended, at times when it has just been given a file.
    minWorkers: 3,
    maxWorkers: 3,
    // Tests share no state of a module, and loading Effect for each file took a third of the time.
    isolate: false,
    sequence: { sequencer: LongestFirst },
    coverage: {
      provider: "istanbul",
      include: ["src/**/*.ts"],
      // The command is run bundled, in processes of its own, and the element in a browser.
      exclude: ["src/cli/**", "src/browser/element.ts", "src/internal/element/**"],
      reporter: [["text", { skipFull: true }]],
      thresholds: { statements: 95 }
    }
  }
})
