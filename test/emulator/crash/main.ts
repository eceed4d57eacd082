/** `npm run test:emulator`: a Panda of one's own, killed 20 times or KILLS. SEED=… runs the same again. */
import { Effect } from "effect"
import { installed } from "../../media.js"
import { crash, holds } from "./crash.js"

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
const kills = Number(process.env["KILLS"] ?? 20)

const program = Effect.gen(function*() {
  console.log(`SEED=${seed} npm run test:emulator runs the same again`)
  const { folder: _, ...outcome } = yield* crash({ seed, kills }, console.log)
  console.table([outcome])
  return holds(outcome)
})

if (!installed || !(await Effect.runPromise(Effect.scoped(program)))) process.exitCode = 1
