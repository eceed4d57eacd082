import { assert } from "@effect/vitest"

export const oneLineWithAdvice = (message: string) => {
  assert.notMatch(message, /[\r\n]/)
  // The last sentence, or what follows the last colon, begins with what to do.
  assert.match(message, /(?:\. |: )(?:Check|Set|Change|Use|Wait|Try|Start|Resume|Let|Choose|pass)\b[^.]*$/i)
}
