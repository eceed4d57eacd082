/** Loaded before a program: once that has written what HELD says, no wait of it ends any more. */
const { setTimeout } = globalThis
const write = process.stderr.write.bind(process.stderr)
let held = false
process.stderr.write = (text, ...rest) => {
  held ||= String(text).includes(process.env["HELD"])
  return write(text, ...rest)
}
// What is put off for a moment is no wait.
globalThis.setTimeout = (callback, delay = 0, ...args) =>
  setTimeout(() => held && delay > 1 ? undefined : callback(...args), delay)
