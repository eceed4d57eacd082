/** The script of the page in which the element is tested. */
import { PandaUpload } from "effect-panda/browser/element"

declare global {
  interface Window {
    /** What the policy of the page has refused. */
    violations: Array<string>
    films: () => ReadonlyArray<FormDataEntryValue>
    /** Drops made-up files of so many bytes by these names. */
    drop: (files: Readonly<Record<string, number>>) => void
    /** What those hear who do not see it. */
    heard: Array<string>
  }
}

const element = document.querySelector("panda-upload")!
if (!(element instanceof PandaUpload)) throw new Error("it is not defined")

window.violations = []
document.addEventListener(
  "securitypolicyviolation",
  ({ violatedDirective }) => window.violations.push(violatedDirective)
)

window.films = () => new FormData(document.querySelector("form")!).getAll("films")

window.drop = (files) => {
  const dataTransfer = new DataTransfer()
  for (const [name, size] of Object.entries(files)) {
    dataTransfer.items.add(new File([new Uint8Array(size)], name, { type: "video/mp4", lastModified: 1 }))
  }
  const zone = element.shadowRoot!.querySelector(".drop")!
  for (const type of ["dragenter", "dragover", "drop"]) {
    zone.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }))
  }
}

window.heard = []
const said = element.shadowRoot!.querySelector("[role=status]")!
new MutationObserver(() => window.heard.push(said.textContent ?? "")).observe(said, { childList: true })
