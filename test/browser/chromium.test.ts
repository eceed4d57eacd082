/** A few of what `npm run test:browser` shows of every browser, in the one that is quick to start. */
import * as cases from "./real/cases.js"
import * as elementCases from "./real/elementCases.js"

cases.show(
  "chromium",
  { size: 3 * cases.MIB, chunkSize: cases.MIB / 16 },
  /fault of each kind|after a reload|second tab|the proxy|2013 to itself/
)

elementCases.show("chromium", /into the form|axe|out of the page|before it was|no sense/)
