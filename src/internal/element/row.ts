/** One file in the list of the element. */
import type { Code } from "../browser/failure.js"
import type { Upload } from "../browser/model.js"
import { failureIn, type Words } from "./words.js"

/** What the element is made of: not of any element, or its type would stand in the way of itself. */
type Tag = "button" | "div" | "li" | "progress" | "span" | "ul"

export const make: <T extends Tag>(
  tag: T,
  part: string,
  properties?: Partial<HTMLElementTagNameMap[T]>
) => HTMLElementTagNameMap[T] = (tag, part, properties = {}) => {
  const element = document.createElement(tag)
  Object.assign(element, properties)
  element.setAttribute("part", part)
  element.className = part
  return element
}

/** Drawn, since not every font has signs for these. */
const ICONS = {
  pause: "M4 3h3v10H4zM9 3h3v10H9z",
  resume: "M4 2l10 6-10 6z",
  retry: "M8 2a6 6 0 1 0 6 6h-2a4 4 0 1 1-4-4v3l5-4-5-4z",
  remove: "M3 4.4 4.4 3 8 6.6 11.6 3 13 4.4 9.4 8l3.6 3.6-1.4 1.4L8 9.4 4.4 13 3 11.6 6.6 8z"
}

const NAMESPACE = "http://www.w3.org/2000/svg"

const icon = (name: keyof typeof ICONS): SVGElement => {
  const svg = document.createElementNS(NAMESPACE, "svg")
  svg.setAttribute("viewBox", "0 0 16 16")
  svg.setAttribute("aria-hidden", "true")
  const path = document.createElementNS(NAMESPACE, "path")
  path.setAttribute("d", ICONS[name])
  svg.append(path)
  return svg
}

/** What no second try cures. */
const FINAL: ReadonlySet<Code> = new Set(["Empty", "FileTooLarge", "WrongType"])

/** Signs that turn the direction of what follows: with them a name could have a sentence read backwards, or hide its ending. */
const TURNS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

export class Row {
  readonly element = make("li", "file", { tabIndex: -1 })
  readonly upload: Upload
  /** The file's, as it is shown. */
  readonly name: string
  /** Pauses, resumes or tries again, whichever there is to do. */
  readonly #action = make("button", "action", { type: "button" })
  readonly remove = make("button", "remove", { type: "button" })
  #shown = ""
  readonly #status = make("span", "status")
  readonly #progress = make("progress", "progress", { max: 100 })

  constructor(upload: Upload) {
    this.upload = upload
    this.name = upload.name.replace(TURNS, "")
    // What others call their files is text.
    const name = make("span", "name", { textContent: this.name, dir: "auto" })
    this.remove.append(icon("remove"))
    const actions = make("span", "actions")
    actions.append(this.#action, this.remove)
    this.element.append(name, actions, this.#status, this.#progress)
    this.#action.addEventListener("click", () => {
      if (this.#does === "pause") upload.pause()
      else void upload.start()
    })
  }

  get #does(): "pause" | "resume" | "retry" | "nothing" {
    const { failure, state } = this.upload
    switch (state) {
      case "failed":
        return failure !== undefined && FINAL.has(failure.code) ? "nothing" : "retry"
      case "paused":
        return "resume"
      case "done":
      case "aborted":
      case "finishing":
        return "nothing"
      default:
        return "pause"
    }
  }

  /** What there is to say of it now. */
  said(words: Words): string {
    const { failure, state } = this.upload
    return state === "failed" && failure !== undefined
      ? failureIn(words, failure.code, { ...failure.details, name: this.name })
      : words.state[state]
  }

  update(words: Words, disabled: boolean): void {
    const { name } = this
    const { progress: { eta, sent, size }, state } = this.upload
    const does = this.#does
    this.element.dataset["state"] = state
    this.element.setAttribute("part", `file ${state}`)
    // Who was at what goes away is left with the file, where no key does anything that was not meant.
    if (does === "nothing" && this.#action.matches(":focus")) this.element.focus()
    this.#action.hidden = does === "nothing"
    if (does !== "nothing") {
      this.#action.setAttribute("aria-label", words[does](name))
      this.#action.title = words[does](name)
      if (does !== this.#shown) this.#action.replaceChildren(icon(does))
      this.#shown = does
    }
    this.#action.disabled = this.remove.disabled = disabled
    this.remove.setAttribute("aria-label", words.remove(name))
    this.remove.title = words.remove(name)
    // Whole is whole only with the video.
    const percent = state === "done" ? 100 : Math.min(99, Math.floor(100 * sent / Math.max(size, 1)))
    this.#progress.hidden = state === "failed"
    this.#progress.value = percent
    this.#progress.setAttribute("aria-label", name)
    const far = state === "uploading" || state === "paused"
      ? words.progress(percent, sent, size, state === "paused" ? undefined : eta)
      : undefined
    this.#status.textContent = far === undefined ? this.said(words) : `${this.said(words)}, ${far}`
  }
}
