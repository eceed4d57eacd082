/** A form with films: the element does the rest. */
import "effect-panda/browser/element"

const form = document.querySelector("form")!

const show = () => {
  document.querySelector("output")!.value = new FormData(form).getAll("videos").join(", ")
}

form.addEventListener("change", show)
form.addEventListener("submit", (event) => {
  event.preventDefault()
  show()
})
