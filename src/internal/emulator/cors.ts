/**
 * What lets a page of another origin upload. (seen: a browser's uploader reads Range and Location across origins)
 */
import { type Answer, type Request, text } from "./exchange.js"

/** On every answer of an upload host, errors included: a page is told nothing of an answer without. */
export const exposed = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "Range, Location"
}

/** What the uploaders of browsers send (seen: the first four; inferred: the others). */
const usual =
  "Content-Type, Content-Range, Cache-Control, X-Requested-With, Content-Disposition, Accept, X-File-Name, X-File-Size"

/** Asked for or not, whatever a page may set: a header that is not known is not a reason to refuse. */
export const preflight = ({ headers }: Request): Answer => {
  const asked = headers["access-control-request-headers"]
  return text(200, "", {
    "access-control-allow-methods": "PUT, POST, DELETE, OPTIONS",
    "access-control-allow-headers": asked !== undefined && /^[\w\-, ]+$/.test(asked) ? asked : usual,
    "access-control-max-age": "600",
    vary: "Access-Control-Request-Headers"
  })
}
