/** All cases, in each browser, with a file of 64 MiB: `npm run test:browser`. */
import * as cases from "./cases.js"
import * as elementCases from "./elementCases.js"
import * as exampleCases from "./exampleCases.js"

for (const browser of ["chromium", "firefox", "webkit"] as const) {
  cases.show(browser, { size: 64 * cases.MIB, chunkSize: 2 * cases.MIB })
  elementCases.show(browser)
}

exampleCases.show("chromium")
