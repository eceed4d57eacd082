/** The suite in a process: a line for each result. Node, Bun and Deno all know `process.argv`. */
import { results } from "./suite.mjs"

const [origin, closed] = process.argv.slice(2)
for await (const result of results({ origin, closed: Number(closed) })) console.log(JSON.stringify(result))
