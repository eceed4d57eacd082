/** The suite in a worker, as its test: a line for each result. */
import { results } from "./suite.mjs"

export default {
  async test(_controller, env) {
    for await (const result of results(env.server)) console.log(JSON.stringify(result))
  }
}
