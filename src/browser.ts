/**
 * The uploader for pages: from a file input to Panda, resumable, without Effect and in a few kilobytes. The bytes go
 * straight to Panda; the page's own server only says where to (`Authorize` is that end of it).
 *
 * An upload gets over whatever a connection does, waits while the browser is offline, and goes on after a reload, since
 * the browser keeps where it is. What an answer of the upload server means, it decides by the same functions as
 * `Upload` does.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/upload_api.md
 * @since 0.2.0
 */
import type { Options, Queue, QueueOptions, Upload } from "./internal/browser/model.js"
import * as queues from "./internal/browser/queue.js"
import * as uploads from "./internal/browser/upload.js"

export {
  /**
   * What can go wrong, or is to be known, by a word.
   *
   * @since 0.2.0
   * @category failures
   */
  type Code,
  /**
   * What a sentence on a failure may tell besides.
   *
   * @since 0.2.0
   * @category failures
   */
  type Details,
  /**
   * The sentences in English, by code, each of which ends in what to do.
   *
   * @since 0.2.0
   * @category failures
   */
  sentences,
  /**
   * A number of bytes for people, in units of a thousand.
   *
   * @since 0.2.0
   * @category failures
   */
  sizeOf,
  /**
   * Why an upload does not go on: a `code` for programs, a `message` for people, and the `status` of the answer if there
   * was one. Holds no address of an upload and nothing that an upload server wrote.
   *
   * @since 0.2.0
   * @category failures
   */
  UploadFailure
} from "./internal/browser/failure.js"

export {
  /**
   * What a file has to be.
   *
   * @since 0.2.0
   * @category models
   */
  type Limits
} from "./internal/browser/file.js"

export {
  /**
   * Where to upload to, as the page's own server says it (contract of Panda's uploader: `upload_url`, `postprocess_url`).
   *
   * @since 0.2.0
   * @category models
   */
  type Authorization,
  /**
   * A function of the page's own that asks its server. What it rejects with is the upload's failure.
   *
   * @since 0.2.0
   * @category models
   */
  type Authorizer
} from "./internal/browser/handshake.js"

export {
  /**
   * The options of `upload`.
   *
   * @since 0.2.0
   * @category models
   */
  type Options,
  /**
   * How far an upload is. `acknowledged` reaches `size` only with the video.
   *
   * @since 0.2.0
   * @category models
   */
  type Progress,
  /**
   * Uploads that share a limit of how many go at a time.
   *
   * @since 0.2.0
   * @category models
   */
  type Queue,
  /**
   * What a queue tells, by the name of the event.
   *
   * @since 0.2.0
   * @category models
   */
  type QueueEvents,
  /**
   * The options of `queue`: those of all its uploads, and its own.
   *
   * @since 0.2.0
   * @category models
   */
  type QueueOptions,
  /**
   * How far all uploads of a queue are.
   *
   * @since 0.2.0
   * @category models
   */
  type QueueProgress,
  /**
   * What an upload does.
   *
   * @since 0.2.0
   * @category models
   */
  type State,
  /**
   * The upload of one file.
   *
   * @since 0.2.0
   * @category models
   */
  type Upload,
  /**
   * What an upload tells, by the name of the event.
   *
   * @since 0.2.0
   * @category models
   */
  type UploadEvents,
  /**
   * A video as Panda's JSON has it.
   *
   * @since 0.2.0
   * @category models
   */
  type Video
} from "./internal/browser/model.js"

export {
  /**
   * An `EventTarget` that knows its events.
   *
   * @since 0.2.0
   * @category models
   */
  type TypedTarget
} from "./internal/browser/target.js"

/**
 * The upload of a file, which begins with `start`. Throws if the options are wrong; what is wrong with the file is the
 * upload's failure.
 *
 * One file goes once: of several uploads of it, in this page and in other tabs, one goes on at a time, and who has waited
 * gets the same video. Where the page is not a secure one (https, or this machine), browsers do not let them know of each
 * other.
 *
 * @example
 * import { upload } from "effect-panda/browser"
 *
 * export const send = async (file: File) => {
 *   const sending = upload(file, { authorize: "/panda/authorize_upload" })
 *   sending.addEventListener("progress", ({ detail }) => {
 *     document.title = `${Math.floor(100 * detail.acknowledged / detail.size)} %`
 *   })
 *   const video = await sending.start()
 *   return video.id
 * }
 *
 * @since 0.2.0
 * @category uploading
 */
export const upload = (file: Blob, options: Options): Upload => uploads.make(file, options)

/**
 * Uploads that share a limit of how many go at a time. Throws if the options are wrong.
 *
 * @since 0.2.0
 * @category uploading
 */
export const queue = (options: QueueOptions): Queue => queues.make(options)
