/**
 * `METHOD /path` patterns: `:name` and `*` stand for one segment, before an extension too (`/videos/:id.json`).
 */

const isVariable = (segment: string): boolean => segment.startsWith(":") || segment === "*"

const decode = (segment: string): string => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

const splitExtension = (segment: string): readonly [string, string] =>
  segment.endsWith(".json") ? [segment.slice(0, -5), ".json"] : [segment, ""]

/** Whether there is a path that both patterns match. */
export const overlap = (pattern: string, other: string): boolean => {
  const [[method, path = ""], [otherMethod, otherPath = ""]] = [pattern.split(" "), other.split(" ")]
  const [segments, others] = [path.split("/"), otherPath.split("/")]
  if (method !== otherMethod && method !== "*" || segments.length !== others.length) return false
  return segments.every((segment, i) => {
    const [[name, extension], [otherName, otherExtension]] = [splitExtension(segment), splitExtension(others[i]!)]
    if (!isVariable(name) && !isVariable(otherName)) return segment === others[i]
    // A variable takes any text, so the text that both need at the end decides.
    const [longer, shorter] = extension.length >= otherExtension.length
      ? [extension, otherExtension]
      : [otherExtension, extension]
    return isVariable(name) && isVariable(otherName)
      ? longer.endsWith(shorter)
      : isVariable(name)
      ? others[i]!.endsWith(extension) && others[i]!.length > extension.length
      : segment.endsWith(otherExtension) && segment.length > otherExtension.length
  })
}

/** The values of the variables, decoded; undefined if the pattern is for something else. */
export const match = (pattern: string, method: string, path: string): ReadonlyArray<string> | undefined => {
  const [wantedMethod, wantedPath = ""] = pattern.split(" ")
  const [wanted, given] = [wantedPath.split("/"), path.split("/")]
  if (wantedMethod !== method && wantedMethod !== "*" || wanted.length !== given.length) return undefined
  const values: Array<string> = []
  for (let i = 0; i < wanted.length; i++) {
    const [name, extension] = splitExtension(wanted[i]!)
    if (!isVariable(name)) {
      if (wanted[i] !== given[i]) return undefined
      continue
    }
    const segment = given[i]!
    if (!segment.endsWith(extension) || segment.length === extension.length) return undefined
    values.push(decode(segment.slice(0, segment.length - extension.length)))
  }
  return values
}
