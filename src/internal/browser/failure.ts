/** What can go wrong with an upload in a page: a code for programs, a sentence for people. */

/** What a sentence may tell besides. */
export interface Details {
  /** Of the file. */
  readonly name: string
  /** Of the answer, if there was one. */
  readonly status?: number | undefined
  /** Bytes that a file may have. */
  readonly limit?: number | undefined
  /** What the page's own server says to the person. */
  readonly told?: string | undefined
}

const answered = ({ status }: Details): string => status === undefined ? "" : ` (status ${status})`

const told = ({ told }: Details): string => told === undefined ? "" : `: ${told}`

/** Sentences in English, each of which ends in what to do. */
export const sentences = {
  // The file.
  Empty: ({ name }) => `${name} is empty: choose a file that has something in it`,
  FileTooLarge: ({ limit, name }) =>
    `${name} is too large${limit === undefined ? "" : `, ${sizeOf(limit)} are the most`}: choose a smaller file`,
  WrongType: ({ name }) => `${name} is of a type that is not taken here: choose another file`,
  TooMany: ({ limit, name }) =>
    `${name} is one file too many${limit === undefined ? "" : `, ${limit} are the most`}: remove another first`,
  Unreadable: ({ name }) => `${name} cannot be read, because it was changed or moved or is locked: choose it again`,
  Changed: ({ name }) => `${name} was changed while it was being uploaded: choose it again`,
  // The page's own server, which hands out the place to upload to.
  AuthorizeUnreachable: () =>
    "This site's server could not be asked for the upload: check the connection and try again",
  AuthorizeDenied: (details) =>
    `You may not upload here${told(details) || `: sign in and try again${answered(details)}`}`,
  AuthorizeRefused: (details) => `This site refuses the upload${told(details) || answered(details)}`,
  AuthorizeFailed: (details) =>
    `This site's server failed when it was asked for the upload: try again later${answered(details)}`,
  AuthorizeNoJson: () =>
    "This site's server answered the request for an upload with a page and no JSON: sign in again, or tell who runs the site",
  AuthorizeEmpty: () => "This site's server answered the request for an upload with nothing: tell who runs the site",
  AuthorizeInvalid: () => "This site's server gave no usable upload_url for the upload: tell who runs the site",
  LocationRefused: () =>
    "The upload was sent to a place that is no http address, or no longer a secure one: tell who runs the site",
  LocationInsecure: () =>
    "The upload server's address is not secure, so that browsers refuse it on a secure page: who runs the site needs https there, or its proxy (Authorize.proxy)",
  // The upload server.
  Unreachable: () =>
    "The upload server could not be reached, or does not let pages of this site upload (CORS): check the connection; who runs the site may need its proxy (Authorize.proxy)",
  RangeHidden: () =>
    "The upload server does not let the page see how far it is (Access-Control-Expose-Headers: Range, Location): who runs the site needs its proxy (Authorize.proxy)",
  ServerFailed: (details) => `The upload server failed${answered(details)}: try again later`,
  Interrupted: () => "The connection to the upload server broke off: check the connection and try again",
  NoProgress: () => "The upload server answers, but takes no more of the file: try again later",
  NotFinalized: () => "The upload server has the whole file, but makes no video of it: try again later",
  Expired: () => "The upload has expired on the server: start it again",
  Uncertain: () =>
    "All was sent, but the upload server knows nothing of it any more: look whether the video is there before you start again",
  Denied: (details) => `The upload server does not let the upload go on${answered(details)}: try again later`,
  Refused: (details) => `The upload server refuses the upload${answered(details)}: tell who runs the site`,
  Protocol: (details) => `The upload server contradicts itself${answered(details)}: tell who runs the site`,
  // After it.
  PostprocessFailed: (details) =>
    `The file is uploaded, but this site's server did not take note of it${answered(details)}: try again`,
  Unexpected: () => "The upload failed, and nobody knows why: try again",
  Aborted: ({ name }) => `The upload of ${name} was cancelled`,
  // What the upload goes on with.
  NotSaved: () => "The browser keeps nothing for this site: if the page is closed, the upload begins anew",
  NotDeleted: () => "The upload server was not told that the upload is cancelled: it forgets it by itself"
} satisfies { readonly [code: string]: (details: Details) => string }

export type Code = keyof typeof sentences

/** For people: in units of a thousand, as file managers show them. */
export const sizeOf = (bytes: number): string => {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), 4)
  const value = bytes / 1000 ** power
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${
    ["bytes", "kB", "MB", "GB", "TB"][power]
  }`
}

/** Why an upload does not go on. Holds no address of an upload and nothing that an upload server wrote. */
export class UploadFailure extends Error {
  override readonly name = "UploadFailure"
  readonly code: Code
  readonly details: Details

  constructor(code: Code, details: Details, cause?: unknown) {
    super(sentences[code](details), cause === undefined ? {} : { cause })
    this.code = code
    this.details = details
  }

  /** Of the answer, if there was one. */
  get status(): number | undefined {
    return this.details.status
  }
}
