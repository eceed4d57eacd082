/** The suite in a page: its results go to the server that the page is from. */
import { results } from "./suite.mjs"

const { origin, searchParams } = new URL(location.href)
const lines = []
for await (const result of results({ origin, closed: Number(searchParams.get("closed")) })) {
  lines.push(JSON.stringify(result))
}
await fetch("/control/report", { method: "POST", body: lines.join("\n") })
