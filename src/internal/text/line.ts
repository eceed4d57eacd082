/** Text that somebody else wrote, as a part of a line. */

/** Characters. */
export const LONGEST = 300

/**
 * The beginning of what somebody else wrote, such as the name of a file, as a part of a line: without what ends a line,
 * moves a terminal's cursor or turns the direction of the text around it.
 */
export const inLine = (text: string): string => {
  const line = text.slice(0, 4 * LONGEST).replace(/[\s\p{Cc}\p{Bidi_Control}]+/gu, " ").trim()
  return (line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line).toWellFormed()
}
