/** Loaded before a program it makes its waits fifty times as short: what gives up after minutes does so in seconds. */
const { setTimeout } = globalThis
globalThis.setTimeout = (callback, delay = 0, ...args) => setTimeout(callback, delay / 50, ...args)
