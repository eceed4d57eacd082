/** The element: what it is made of, what it tells, and what the form around it has of it. */
import type { Options, Queue, QueueEvents, QueueOptions, State, Upload } from "../browser/model.js"
import * as queues from "../browser/queue.js"
import { make, Row } from "./row.js"
import { css } from "./styles.js"
import { english, type Words } from "./words.js"

/** On a server, where a page may be made beforehand, there are no elements. */
const Base: typeof HTMLElement = globalThis.HTMLElement ?? Object

let sheet: CSSStyleSheet | undefined

const styles = (): CSSStyleSheet => {
  if (sheet === undefined) {
    sheet = new CSSStyleSheet()
    sheet.replaceSync(css)
  }
  return sheet
}

/** States of which somebody who does not see the list wants to know. */
const TOLD = new Set(["waiting", "offline", "paused", "done", "failed"])

/** What was set before the element was one: by a framework, or by a script that came first. It would hide the element's own. */
const early = <A>(element: object, name: string): A | undefined => {
  const value: A | undefined = Object.getOwnPropertyDescriptor(element, name)?.value
  Reflect.deleteProperty(element, name)
  return value
}

const ENDED: ReadonlySet<State> = new Set(["done", "failed", "aborted", "paused"])

export class PandaUpload extends Base {
  static readonly formAssociated = true
  static readonly observedAttributes = ["multiple", "accept", "label", "required", "disabled", "name"]

  /**
   * What cannot be said in an attribute, such as `headers` and an `authorize` that is a function. Goes before the
   * attributes, and counts from the next file on.
   */
  options: Partial<Options> = early(this, "options") ?? {}

  readonly #internals = this.attachInternals()
  readonly #input = document.createElement("input")
  readonly #drop = make("div", "drop")
  readonly #label = make("span", "label", { id: "label" })
  readonly #choose = make("button", "choose", { type: "button" })
  readonly #hint = make("span", "hint")
  readonly #list = make("ul", "list")
  readonly #said = make("div", "said")
  #rows: ReadonlyArray<Row> = []
  #queue: Queue | undefined
  #words: Words = { ...english, ...early<Partial<Words>>(this, "words") }
  #disabled = false
  /** Goes on with what went when it was taken out of the page. */
  #goOn: (() => void) | undefined

  constructor() {
    super()
    const root = this.attachShadow({ mode: "open", delegatesFocus: true })
    root.adoptedStyleSheets = [styles()]
    this.#input.type = "file"
    this.#input.hidden = true
    this.#input.tabIndex = -1
    this.#drop.setAttribute("role", "group")
    this.#drop.setAttribute("aria-labelledby", "label")
    this.#said.setAttribute("role", "status")
    this.#drop.append(this.#label, this.#choose, this.#hint, this.#input)
    root.append(this.#drop, this.#list, this.#said)

    this.#choose.addEventListener("click", () => this.#input.click())
    this.#input.addEventListener("change", () => {
      this.add(this.#input.files ?? [])
      // The same file may be chosen again.
      this.#input.value = ""
    })
    for (const type of ["dragenter", "dragover"] as const) {
      this.#drop.addEventListener(type, (event) => {
        event.preventDefault()
        this.#is("over", !this.#disabled)
      })
    }
    this.#drop.addEventListener("dragleave", ({ relatedTarget }) => {
      if (!(relatedTarget instanceof Node && this.#drop.contains(relatedTarget))) this.#is("over", false)
    })
    this.#drop.addEventListener("drop", (event) => {
      event.preventDefault()
      this.#is("over", false)
      this.add(event.dataTransfer?.files ?? [])
    })
    this.#render()
  }

  /** The uploads: to start, pause or abort all of them. */
  get queue(): Queue {
    return this.#queue ??= this.#made()
  }

  /** The ids of the videos. */
  get value(): ReadonlyArray<string> {
    return this.#rows.flatMap(({ upload }) => this.#ids.get(upload) ?? [])
  }

  /** What the element says; what is not set is in English. */
  get words(): Words {
    return this.#words
  }

  set words(words: Partial<Words>) {
    this.#words = { ...english, ...words }
    this.#render()
  }

  get form(): HTMLFormElement | null {
    return this.#internals.form
  }

  get validity(): ValidityState {
    return this.#internals.validity
  }

  get validationMessage(): string {
    return this.#internals.validationMessage
  }

  checkValidity(): boolean {
    return this.#internals.checkValidity()
  }

  reportValidity(): boolean {
    return this.#internals.reportValidity()
  }

  /** Adds files, as if they had been chosen. Where there may be one, it takes the place of what there was. */
  add(files: Iterable<Blob>): void {
    if (this.#disabled) return
    const all = this.hasAttribute("multiple") ? [...files] : [...files].slice(0, 1)
    if (all.length === 0) return
    if (!this.hasAttribute("multiple")) {
      for (const { upload } of this.#rows) this.queue.remove(upload)
    }
    this.queue.add(all, this.#optionsNow())
  }

  connectedCallback(): void {
    addEventListener("beforeunload", this.#leave)
    this.#goOn?.()
    this.#goOn = undefined
  }

  disconnectedCallback(): void {
    removeEventListener("beforeunload", this.#leave)
    // Not where it is only moved.
    queueMicrotask(() => {
      if (this.isConnected || this.#goOn !== undefined || !this.#busy) return
      const { queue } = this
      // Of a queue that begins nothing, what goes was started by hand, and nothing else is to go later.
      const byHand = queue.paused
        ? queue.uploads.filter(({ state }) => state !== "ready" && !ENDED.has(state))
        : undefined
      queue.pause()
      this.#goOn = () => {
        if (byHand === undefined) queue.resume()
        else for (const upload of byHand) void upload.resume()
      }
    })
  }

  attributeChangedCallback(): void {
    this.#disabled = this.matches(":disabled")
    this.#render()
  }

  formDisabledCallback(disabled: boolean): void {
    this.#disabled = disabled
    this.#render()
  }

  formResetCallback(): void {
    for (const { upload } of this.#rows) this.queue.remove(upload)
  }

  readonly #ids = new Map<Upload, string>()

  get #busy(): boolean {
    return this.#rows.some(({ upload: { state } }) => !ENDED.has(state))
  }

  #leave = (event: BeforeUnloadEvent): void => {
    if (this.#busy && this.hasAttribute("confirm-leave")) event.preventDefault()
  }

  /** Attributes that were warned of, with what was in them. */
  readonly #warned = new Set<string>()

  /** As browsers do with attributes that make no sense, the default is taken; but it is said. */
  #number(name: string): number | undefined {
    const text = this.getAttribute(name)
    if (text === null) return undefined
    const value = text.trim() === "" ? Number.NaN : Number(text)
    if (Number.isInteger(value) && value >= 1) return value
    const warning = `panda-upload: ${name}=${
      JSON.stringify(text)
    } is no whole number from 1 on, so the default is taken`
    // eslint-disable-next-line no-console -- whoever writes the page looks there
    if (!this.#warned.has(warning)) console.warn(warning)
    this.#warned.add(warning)
    return undefined
  }

  #optionsNow(): QueueOptions {
    return {
      authorize: this.getAttribute("authorize") || "/panda/authorize_upload",
      accept: this.getAttribute("accept") ?? undefined,
      maxSize: this.#number("max-size"),
      maxFiles: this.#number("max-files"),
      concurrency: this.#number("concurrency"),
      autoStart: !this.hasAttribute("manual"),
      ...this.options
    }
  }

  #made(): Queue {
    const queue = queues.make(this.#optionsNow())
    const tells = <K extends keyof QueueEvents>(type: K, then: (detail: QueueEvents[K]) => void) => {
      queue.addEventListener(type, ({ detail }: CustomEvent<QueueEvents[K]>) => {
        then(detail)
        this.dispatchEvent(new CustomEvent(type, { detail }))
      })
    }
    tells("add", ({ upload }) => this.#added(upload))
    tells("remove", ({ upload }) => this.#removed(upload))
    tells("state", ({ state, upload }) => {
      const row = this.#rows.find((row) => row.upload === upload)
      if (row !== undefined && TOLD.has(state)) this.#say(row)
      this.#render()
    })
    tells("progress", () => {})
    tells("idle", () => {})
    return queue
  }

  #added(upload: Upload): void {
    const row = new Row(upload)
    row.remove.addEventListener("click", () => this.#removeByHand(row))
    upload.addEventListener("progress", () => row.update(this.#words, this.#disabled))
    upload.addEventListener("success", ({ detail: { video } }) => {
      this.#ids.set(upload, video.id)
      this.#changed()
    })
    // What has failed is told once it is known why.
    upload.addEventListener("error", () => this.#say(row))
    this.#rows = [...this.#rows, row]
    this.#list.append(row.element)
    this.#render()
  }

  #removed(upload: Upload): void {
    this.#rows.find((row) => row.upload === upload)?.element.remove()
    this.#rows = this.#rows.filter((row) => row.upload !== upload)
    if (this.#ids.delete(upload)) this.#changed()
    this.#render()
  }

  /** Who goes by keyboard is left with the next file, or where files are chosen. */
  #removeByHand(row: Row): void {
    const at = this.#rows.indexOf(row)
    this.queue.remove(row.upload)
    ;(this.#rows[Math.min(at, this.#rows.length - 1)]?.remove ?? this.#choose).focus()
  }

  #changed(): void {
    this.#render()
    this.dispatchEvent(new Event("input", { bubbles: true }))
    this.dispatchEvent(new Event("change", { bubbles: true }))
  }

  #say(row: Row): void {
    this.#said.textContent = this.#words.said(row.name, row.said(this.#words))
  }

  #is(state: string, is: boolean): void {
    const { states } = this.#internals
    if (is) states?.add(state)
    else states?.delete(state)
  }

  #render(): void {
    const words = this.#words
    this.#input.multiple = this.hasAttribute("multiple")
    this.#input.accept = this.getAttribute("accept") ?? ""
    this.#label.textContent = this.getAttribute("label") ?? words.label
    this.#choose.textContent = words.choose
    this.#choose.disabled = this.#disabled
    this.#hint.textContent = words.drop
    this.#list.setAttribute("aria-label", words.list)
    this.#list.hidden = this.#rows.length === 0
    for (const row of this.#rows) row.update(words, this.#disabled)
    const has = (state: string) => this.#rows.some(({ upload }) => upload.state === state)
    this.#is("empty", this.#rows.length === 0)
    this.#is("busy", this.#busy)
    this.#is("failed", has("failed"))
    this.#is("done", this.#rows.length > 0 && this.#rows.every(({ upload }) => upload.state === "done"))
    this.#fill()
  }

  /** What the form has of it, and whether the form may go. */
  #fill(): void {
    const name = this.getAttribute("name")
    const data = new FormData()
    for (const id of this.value) data.append(name ?? "", id)
    this.#internals.setFormValue(name === null || name === "" ? null : data)
    const { missing, unfinished } = this.#words
    if (this.#rows.some(({ upload }) => upload.state !== "done")) {
      this.#internals.setValidity({ customError: true }, unfinished, this.#choose)
    } else if (this.hasAttribute("required") && this.#rows.length === 0) {
      this.#internals.setValidity({ valueMissing: true }, missing, this.#choose)
    } else this.#internals.setValidity({})
  }
}
