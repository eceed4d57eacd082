/** An XMLHttpRequest for Node, whose other end a test is. */

/** A request as it came. */
export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array<ArrayBuffer> | string | null
  readonly withCredentials: boolean
}

/** An answer; or none, because the connection breaks off, or because nothing ever comes. */
export type Behaviour =
  | {
    readonly status: number
    readonly headers?: Readonly<Record<string, string | undefined>> | undefined
    readonly text?: string | undefined
    /** Where redirects have led. */
    readonly at?: string | undefined
  }
  | "broken"
  | "silent"

export type Server = (request: Seen) => Behaviour | Promise<Behaviour>

const progress = (loaded: number) => Object.assign(new Event("progress"), { loaded })

/** A class whose requests all go to the server. */
export const xhrTo = (server: Server) =>
  class FakeXhr extends EventTarget {
    readonly upload = new EventTarget()
    status = 0
    responseText = ""
    responseURL = ""
    withCredentials = false
    #method = ""
    #url = ""
    readonly #headers: Record<string, string> = {}
    #answered: Readonly<Record<string, string | undefined>> = {}
    #over = false

    open(method: string, url: string) {
      this.#method = method
      this.#url = url
    }

    setRequestHeader(name: string, value: string) {
      this.#headers[name.toLowerCase()] = value
    }

    getAllResponseHeaders() {
      return Object.entries(this.#answered).flatMap(([name, value]) =>
        value === undefined ? [] : [`${name}: ${value}\r\n`]
      )
        .join("")
    }

    send(body: Blob | string | null) {
      void this.#exchange(body)
    }

    abort() {
      this.#over = true
    }

    async #exchange(body: Blob | string | null): Promise<void> {
      // As browsers do with what they cannot read: they tell of a broken connection.
      const sent = body instanceof Blob ? await body.bytes().catch(() => undefined) : body
      if (this.#over) return
      if (sent === undefined) return void this.dispatchEvent(new Event("error"))
      if (sent instanceof Uint8Array) {
        this.upload.dispatchEvent(progress(sent.byteLength / 2))
        if (this.#over) return
        this.upload.dispatchEvent(progress(sent.byteLength))
      }
      if (body !== null && !this.#over) this.upload.dispatchEvent(new Event("load"))
      const { withCredentials } = this
      const behaviour = await server({
        method: this.#method,
        url: this.#url,
        headers: this.#headers,
        // It has all of it: what is asked of it later finds that there, whoever has left meanwhile.
        body: sent,
        withCredentials
      })
      if (this.#over || behaviour === "silent") return
      if (behaviour === "broken") return void this.dispatchEvent(new Event("error"))
      this.status = behaviour.status
      this.#answered = behaviour.headers ?? {}
      this.responseText = behaviour.text ?? ""
      this.responseURL = behaviour.at ?? new URL(this.#url).href
      // Of what is short a browser need not tell.
      if (this.responseText.length > 1024 * 1024) this.dispatchEvent(progress(this.responseText.length))
      if (!this.#over) this.dispatchEvent(new Event("load"))
    }
  }
