/** Where a cloud's files are: its url, then the key, whose segments are percent-encoded (contract 9). */
import * as Option from "effect/Option"

/** What is needed of a cloud. */
export interface Base {
  readonly url?: string | undefined
}

export interface UrlOptions {
  /** Use https whatever the cloud's url says. */
  readonly https?: boolean | undefined
}

/** A bucket in the name of the host. */
const IN_HOST =
  /^(https:\/\/)([^/:@]+)\.(s3(?:[.-][a-z0-9-]+){0,3}\.amazonaws\.com(?:\.cn)?|storage\.googleapis\.com)(:\d+)?(?=\/|$)/i

/** A certificate for all buckets covers one level of names, so a bucket with a dot in its name goes into the path. */
const covered = (url: string): string =>
  url.replace(
    IN_HOST,
    (whole, scheme: string, bucket: string, host: string, port = "") =>
      bucket.includes(".") ? `${scheme}${host}${port}/${bucket}` : whole
  )

/** None if the cloud has no url. */
export const url = (
  cloud: Base,
  key: string,
  options?: UrlOptions
): Option.Option<string> =>
  Option.map(Option.fromNullable(cloud.url || undefined), (base) => {
    const root = covered(options?.https === true ? base.replace(/^http:/i, "https:") : base)
    // Half a character has no UTF-8 form, and a key with one is no reason to throw.
    const segments = key.toWellFormed().split("/")
    return `${root.endsWith("/") ? root : `${root}/`}${segments.map(encodeURIComponent).join("/")}`
  })
