/** What an upload and a queue are, for who uses them. */
import type { Code, UploadFailure } from "./failure.js"
import type { Limits } from "./file.js"
import type { Authorizer } from "./handshake.js"
import type { TypedTarget } from "./target.js"

/** The options of `upload`. */
export interface Options extends Limits {
  /**
   * Where the page's own server is asked for the upload: an address that takes the handshake of Panda's uploader
   * (`Authorize.httpApp` answers it), or a function that asks in its own way.
   *
   * Let a server of the page's own origin answer a 401 without `WWW-Authenticate: Basic` or `Digest`: with one, browsers
   * open their own dialog for name and password, and the upload waits for it.
   */
  readonly authorize: string | URL | Authorizer
  /** Headers for the page's own server, such as one against forged requests; a function is called for each request. */
  readonly headers?: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>) | undefined
  /** Whether cookies go to a server of the page's own that has another origin. To its own origin they always do. */
  readonly withCredentials?: boolean | undefined
  /**
   * What else the page's own server is told, beside name and size, such as the form that the file belongs to. An upload
   * goes on only where it is the same: where several people use one browser, let who it is be a part of it.
   */
  readonly payload?: Readonly<Record<string, unknown>> | undefined
  /** The name of the file, if it is not its own. */
  readonly name?: string | undefined
  /** Bytes in a chunk, from 1 to 512 MiB. By default chunks adapt to the connection. */
  readonly chunkSize?: number | undefined
  /** Milliseconds in which bytes have to move before the server is asked what it has; 30 seconds by default, 24 days at most. */
  readonly stallTimeout?: number | undefined
  /** Milliseconds from the last byte of a chunk to the answer; 5 minutes by default, 24 days at most. */
  readonly responseTimeout?: number | undefined
  /** What to do if the session is gone: begin again with a new one, which is the default, or fail. */
  readonly onExpired?: "fail" | "restart" | undefined
  /**
   * Milliseconds for which the browser keeps where an unfinished upload is, so that it goes on after a reload: 7 days by
   * default. With 0 nothing is kept.
   */
  readonly keepFor?: number | undefined
}

/**
 * What an upload does:
 *
 * | state | | next |
 * | --- | --- | --- |
 * | `ready` | not started | `authorizing` |
 * | `authorizing` | looks at the file and asks the page's server where to upload to | |
 * | `waiting` | another upload of the same file is under way, in this page or in another tab | |
 * | `uploading` | bytes go, or the server is asked what it has | |
 * | `retrying` | waits after a failure | `uploading` |
 * | `offline` | waits for the network | `uploading` |
 * | `finishing` | tells the page's server of the video | `done` |
 * | `paused` | goes on after `start` or `resume` | |
 * | `done` | there is a video | |
 * | `failed` | may be tried again, by `start` or `resume` | |
 * | `aborted` | for good | |
 */
export type State =
  | "ready"
  | "authorizing"
  | "waiting"
  | "uploading"
  | "retrying"
  | "offline"
  | "finishing"
  | "paused"
  | "done"
  | "failed"
  | "aborted"

/** A video as Panda's JSON has it. */
export interface Video {
  readonly id: string
  readonly [attribute: string]: unknown
}

/** How far an upload is. `acknowledged` reaches `size` only with the video. */
export interface Progress {
  /** Bytes that the server has. */
  readonly acknowledged: number
  /** Bytes that have left the page at least once. */
  readonly sent: number
  readonly size: number
  /** Over the last seconds of sending; undefined before there is a measure. */
  readonly bytesPerSecond: number | undefined
  /** Seconds for what is left, at this speed. */
  readonly eta: number | undefined
}

/** What an upload tells, by the name of the event; what is said of each is in its `detail`. */
export interface UploadEvents {
  readonly state: { readonly state: State; readonly before: State }
  readonly progress: Progress
  /** It goes on from where it was left, be it by an earlier page. */
  readonly resumed: { readonly acknowledged: number }
  /** After a failure, before a wait of so many milliseconds. */
  readonly retry: { readonly failure: UploadFailure; readonly attempt: number; readonly delay: number }
  /** What was acknowledged has to be sent again: the session had expired, or the server went back. */
  readonly restarted: { readonly reason: "Expired" | "Rewound" }
  /** The upload goes on all the same. */
  readonly warning: { readonly code: Code; readonly message: string }
  /** There is a video. `result` is what the page's own server answered when it was told, if it wants to be. */
  readonly success: { readonly video: Video; readonly result: unknown }
  readonly error: { readonly failure: UploadFailure }
}

/** What a queue tells. */
export interface QueueEvents {
  readonly add: { readonly upload: Upload }
  readonly remove: { readonly upload: Upload }
  /** One of its uploads has another state. */
  readonly state: { readonly upload: Upload; readonly state: State }
  /** Bytes of all its uploads. */
  readonly progress: QueueProgress
  /** Nothing is under way and nothing waits for its turn. */
  readonly idle: { readonly done: number; readonly failed: number }
}

/** How far all uploads of a queue are, without those that were aborted. */
export interface QueueProgress {
  readonly acknowledged: number
  readonly sent: number
  readonly size: number
  readonly done: number
  readonly failed: number
  readonly total: number
}

/** The upload of one file. */
export interface Upload extends TypedTarget<UploadEvents> {
  readonly file: Blob
  readonly name: string
  readonly state: State
  readonly progress: Progress
  /** Why it has failed, as long as it has. */
  readonly failure: UploadFailure | undefined
  /**
   * The video, once there is one. Rejects with an `UploadFailure` when the upload fails or is aborted; after that, it is
   * another promise once the upload is started again. A pause leaves it open.
   */
  readonly video: Promise<Video>
  /** Begins, or goes on. Of one that runs, is done or is aborted nothing is begun. Gives `video`. */
  readonly start: () => Promise<Video>
  /** Stops at once, and leaves the upload to be gone on with. One that is about to finish is not stopped. */
  readonly pause: () => void
  /** The same as `start`. */
  readonly resume: () => Promise<Video>
  /** Stops for good and has the server forget what it has. Ends when that is done; never rejects. */
  readonly abort: () => Promise<void>
}

/** The options of `queue`: those of all its uploads, and its own. */
export interface QueueOptions extends Options {
  /** Uploads at a time; 2 by default. */
  readonly concurrency?: number | undefined
  /** How many files there may be at a time, without those that were aborted. */
  readonly maxFiles?: number | undefined
  /** Whether an added file goes as soon as it is its turn, which is the default, or only after `start`. */
  readonly autoStart?: boolean | undefined
}

/** Uploads that share a limit of how many go at a time. */
export interface Queue extends TypedTarget<QueueEvents> {
  /** In the order in which they were added. */
  readonly uploads: ReadonlyArray<Upload>
  /** Whether it begins nothing by itself: after `pause`, and with `autoStart: false` until `start`. */
  readonly paused: boolean
  readonly progress: QueueProgress
  /** Adds files, with options for these. One that cannot be uploaded is added too, and fails. */
  readonly add: (files: Iterable<Blob>, options?: Partial<Options>) => ReadonlyArray<Upload>
  /** Takes an upload out, and aborts it if it has not ended. */
  readonly remove: (upload: Upload) => void
  /** Lets uploads go, those too that `pause` of the queue has stopped. */
  readonly start: () => void
  /** Stops all that go, and begins no other. */
  readonly pause: () => void
  /** The same as `start`. */
  readonly resume: () => void
  /** Aborts all that have not ended. */
  readonly abort: () => Promise<void>
}
