/**
 * `<panda-upload>`: choose or drop files, see them go, pause, resume, try again, remove; with the videos' ids in the form
 * around it. A custom element on top of `effect-panda/browser`, without a framework, for the keyboard and for those who
 * do not see it too. To import the module is to define the element.
 *
 * ```html
 * <form method="post">
 *   <panda-upload name="videos" multiple accept="video/*" authorize="/panda/authorize_upload"></panda-upload>
 *   <button>Send</button>
 * </form>
 * ```
 *
 * | attribute | |
 * | --- | --- |
 * | `authorize` | the address that is asked for each upload, `/panda/authorize_upload` by default |
 * | `name` | of the form's field, which has the id of each video |
 * | `label` | what it is for |
 * | `multiple` | whether there may be several files |
 * | `accept`, `max-size`, `max-files` | what is taken: as of a file input; in bytes; at a time; without a limit by default |
 * | `concurrency` | how many go at a time, 2 by default |
 * | `manual` | files wait for `queue.start()` |
 * | `required`, `disabled` | as of any field |
 * | `confirm-leave` | asks before the page is left while something goes |
 *
 * Numbers are whole and from 1 on: of any other the default is taken, and a warning in the console names the attribute.
 *
 * It has the parts `drop`, `label`, `choose`, `hint`, `list`, `file` (and the state beside it), `name`, `actions`,
 * `action`, `remove`, `status` and `progress`; the custom states `empty`, `over` (files are held over it), `busy`,
 * `failed` and `done`; the variables `--panda-accent`, `--panda-text`, `--panda-quiet`, `--panda-ground`, `--panda-line`,
 * `--panda-good`, `--panda-bad`, `--panda-radius`, `--panda-gap` and `--panda-font`. It writes no style attribute and no
 * style element, so that a strict content security policy has nothing to refuse.
 *
 * @since 0.2.0
 */
import { PandaUpload } from "../internal/element/element.js"

export {
  /**
   * The element. It tells what its queue tells (`add`, `remove`, `state`, `progress`, `idle`), and `change` when there is
   * another video in its form, or one less.
   *
   * @since 0.2.0
   * @category elements
   */
  PandaUpload
} from "../internal/element/element.js"

export {
  /**
   * What the element says.
   *
   * @since 0.2.0
   * @category models
   */
  type Words
} from "../internal/element/words.js"

declare global {
  interface HTMLElementTagNameMap {
    "panda-upload": PandaUpload
  }
}

if (globalThis.customElements?.get("panda-upload") === undefined) {
  globalThis.customElements?.define("panda-upload", PandaUpload)
}
