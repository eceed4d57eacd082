import { defineConfig } from "vitest/config"

/** What has to hold before a release, of the package as it is published: `npm run test:release`. */
export default defineConfig({
  test: {
    include: ["test/release/*.test.ts"],
    globalSetup: "test/release/pack.ts",
    testTimeout: 300_000,
    hookTimeout: 300_000,
    maxWorkers: 2
  }
})
