/** Reading addresses. */

/**
 * The address, if it is one. `URL.canParse` is not asked: on Node 20 it takes letters beyond ASCII for none, once it has been
 * asked so often that it is compiled.
 */
export const urlOf = (text: string, base?: string | URL): URL | undefined => {
  try {
    return new URL(text, base)
  } catch {
    return undefined
  }
}
