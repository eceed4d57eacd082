/** All cases, in each browser, with a file of 64 MiB: `npm run test:browser`. */
import * as cases from "./cases.js"

for (const browser of ["chromium", "firefox"] as const) {
  cases.show(browser, { size: 64 * cases.MIB, chunkSize: 2 * cases.MIB })
}
