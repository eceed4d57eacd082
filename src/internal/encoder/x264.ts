/**
 * `x264_options` of a profile: `NAME=VALUE` or `NAME`, with colons between them. What they may be is listed, since some
 * of those that x264 knows name files that it reads or writes.
 */
import * as Either from "effect/Either"
import { invalid, type Refusal } from "./refusal.js"
import type * as Values from "./values.js"

const names: ReadonlySet<string> = new Set(
  `
  keyint min-keyint scenecut intra-refresh bframes b-adapt b-bias b-pyramid open-gop cabac ref deblock slices
  slice-max-size slice-max-mbs interlaced tff bff constrained-intra pulldown fake-interlaced
  qp bitrate crf crf-max rc-lookahead vbv-maxrate vbv-bufsize vbv-init qpmin qpmax qpstep ratetol ipratio pbratio
  chroma-qp-offset aq-mode aq-strength qcomp cplxblur qblur mbtree
  partitions direct weightb weightp me merange mvrange subme subq psy-rd psy mixed-refs chroma-me 8x8dct trellis
  fast-pskip dct-decimate nr deadzone-inter deadzone-intra cqm level bluray-compat nal-hrd filler aud force-cfr
  pic-struct videoformat fullrange range colorprim transfer colormatrix chromaloc overscan sar
`.trim().split(/\s+/)
)

const LONGEST = 1000

/** As `-x264-params` wants them. */
export const params = (profile: Values.Profile): Either.Either<string | undefined, Refusal> => {
  const given = profile["x264_options"]
  if (given === undefined || given === null || given === "") return Either.right(undefined)
  const text = String(given)
  if (text.length > LONGEST) {
    return Either.left(invalid(`x264_options must not have more than ${LONGEST} characters`))
  }
  const params: Array<string> = []
  for (const option of text.split(":").map((option) => option.trim())) {
    const [, name = "", value = "1"] = /^([a-z0-9-]+)(?:=([\w.,+-]{1,50}))?$/.exec(option) ?? []
    if (!names.has(name.replace(/^no-/, ""))) {
      return Either.left(invalid(`x264_options has ${JSON.stringify(option.slice(0, 50))}, which is not supported`))
    }
    params.push(`${name}=${value}`)
  }
  return Either.right(params.join(":"))
}
