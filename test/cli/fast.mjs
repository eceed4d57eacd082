/**
 * Loaded before a program it makes its waits fifty times as short: what gives up after minutes does so in seconds. How
 * long it waits for an answer, 30 seconds at least, stays as it is, or a loaded machine would be late with some.
 */
const { setTimeout } = globalThis
globalThis.setTimeout = (callback, delay = 0, ...args) =>
  setTimeout(callback, delay < 30_000 ? delay / 50 : delay, ...args)
