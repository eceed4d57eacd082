/** The uploader without its element: a list of our own, in Vue. */
import { type Upload, upload } from "effect-panda/browser"
import { createApp, defineComponent, h, shallowRef, triggerRef } from "vue"

const App = defineComponent(() => {
  const uploads = shallowRef<ReadonlyArray<Upload>>([])

  const add = (input: HTMLInputElement) => {
    for (const file of input.files ?? []) {
      const sending = upload(file, { authorize: "/panda/authorize_upload" })
      for (const type of ["state", "progress"] as const) sending.addEventListener(type, () => triggerRef(uploads))
      uploads.value = [...uploads.value, sending]
      // How it ends its state tells.
      void sending.start()
    }
  }

  const row = (sending: Upload) => {
    const { failure, name, progress: { sent, size }, state } = sending
    const ended = state === "done" || state === "aborted"
    const goes = state === "uploading" || state === "retrying"
    return h("li", [
      `${name}: ${failure?.message ?? state} `,
      h("progress", { "aria-label": name, max: size, value: sent }),
      ended
        ? undefined
        : h("button", { onClick: () => goes ? sending.pause() : void sending.start() }, goes ? "Pause" : "Go on")
    ])
  }

  return () => [
    h("h1", "Upload"),
    h("label", [
      "Films ",
      h("input", {
        type: "file",
        accept: "video/*",
        multiple: true,
        onChange: (event: Event) => add(event.target as HTMLInputElement)
      })
    ]),
    h("ul", uploads.value.map(row))
  ]
})

createApp(App).mount("#root")
