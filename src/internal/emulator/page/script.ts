/**
 * What the page does: it listens to what goes on, and shows it. It runs as it is, in any browser of these years; whatever
 * came from outside becomes text, or the address of a file on this port, and never markup.
 */
export const js = String.raw`"use strict"
const $ = (id) => document.getElementById(id)

/** An element, what it has, and what is in it. */
const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue
    element.setAttribute(name, value === true ? "" : String(value))
  }
  element.append(...children.filter((child) => child !== null))
  return element
}

const set = (element, text) => {
  if (element.textContent !== text) element.textContent = text
}

/** A list whose items stay what they are while their values change: a player goes on, what is open stays open. */
const sync = (list, items, create, update) => {
  const there = new Map([...list.children].map((child) => [child.dataset.key, child]))
  let after = null
  for (const item of items) {
    const key = String(item.key)
    let child = there.get(key)
    there.delete(key)
    if (child === undefined) {
      child = create(item)
      child.dataset.key = key
    }
    update(child, item)
    const next = after === null ? list.firstChild : after.nextSibling
    if (child !== next) list.insertBefore(child, next)
    after = child
  }
  for (const child of there.values()) child.remove()
}

const bytes = (count) =>
  count < 1024 ? count + " B" : count < 1048576 ? (count / 1024).toFixed(1) + " KiB" : (count / 1048576).toFixed(1) + " MiB"

const time = (at) => new Date(at).toLocaleTimeString([], { hour12: false })

const colour = (status) => status === "success" || status === "complete" ? "good" : status === "fail" ? "bad" : "busy"

const part = (child, name) => child.querySelector("[data-part=" + name + "]")

const field = (tag, name, attributes) => make(tag, { "data-part": name, ...attributes })

// Uploads

const uploads = (items) =>
  sync($("list-uploads"), items, (item) =>
    make("li", {}, field("h3", "name"), field("progress", "bar", { max: 100, "aria-label": "stored of " + item.name }),
      field("p", "bytes"), field("p", "more", { class: "soft" })), (child, item) => {
    const percent = item.size === 0 ? 0 : Math.floor(100 * item.stored / item.size)
    set(part(child, "name"), item.name)
    part(child, "bar").value = percent
    set(part(child, "bytes"), bytes(item.stored) + " of " + bytes(item.size) + ", " + percent + " %, " + item.status)
    part(child, "bytes").className = item.status === "open" ? "busy" : item.status === "complete" ? "good" : "bad"
    set(part(child, "more"), "chunks: " + item.chunks + ", probes: " + item.probes + ", moves: " + item.moves +
      (item.again > 0 ? ", " + bytes(item.again) + " sent twice" : ""))
  })

// Videos

const player = (item) => {
  const label = "Encoding " + item.profile
  if (item.url === null) return null
  if (/^video\/(mp4|webm|ogg)/.test(item.type)) {
    return make("video", { controls: true, preload: "metadata", src: item.url, "aria-label": label,
      poster: item.pictures[0] ?? null, playsinline: true })
  }
  if (/^audio\//.test(item.type)) return make("audio", { controls: true, preload: "metadata", src: item.url, "aria-label": label })
  if (/^image\//.test(item.type)) return make("img", { src: item.url, alt: label, width: "160" })
  return make("a", { href: item.url }, "Open " + item.profile)
}

const encodings = (list, items) =>
  sync(list, items, (item) =>
    make("li", {}, make("div", {}, field("b", "profile"), " ", field("span", "status")),
      field("progress", "bar", { max: 100, "aria-label": "progress of " + item.profile }),
      field("p", "facts", { class: "soft" }), field("p", "error", { class: "bad" }), field("div", "player"),
      field("div", "pictures", { class: "pictures" }), field("p", "log", { class: "soft" })), (child, item) => {
    const busy = item.status === "processing"
    set(part(child, "profile"), String(item.profile))
    set(part(child, "status"), busy ? item.progress + " %" : item.status)
    part(child, "status").className = colour(item.status)
    part(child, "bar").hidden = !busy
    part(child, "bar").value = item.progress ?? 0
    set(part(child, "facts"), item.facts)
    set(part(child, "error"), item.error ?? "")
    const made = item.status + " " + (item.url ?? "") + " " + (item.log ?? "")
    if (child.dataset.made === made) return
    child.dataset.made = made
    part(child, "player").replaceChildren(...[player(item)].filter((element) => element !== null))
    part(child, "pictures").replaceChildren(...item.pictures.map((src, i) =>
      make("img", { src, alt: "picture " + (i + 1), loading: "lazy" })))
    part(child, "log").replaceChildren(...item.log === null ? [] : [make("a", { href: item.log }, "What ffmpeg said")])
  })

const videos = (items) =>
  sync($("list-videos"), items, () =>
    make("li", { class: "video" }, field("div", "blank", { class: "blank" }),
      make("div", {}, field("h3", "name"), field("p", "status"), field("p", "facts", { class: "soft" }),
        field("p", "error", { class: "bad" }), field("ul", "encodings", { class: "encodings" }))), (child, item) => {
    set(part(child, "name"), String(item.name))
    set(part(child, "status"), item.status)
    part(child, "status").className = colour(item.status)
    set(part(child, "facts"), item.facts)
    set(part(child, "error"), item.error ?? "")
    const blank = part(child, "blank")
    if (item.preview !== null && blank !== null) {
      const image = make("img", { src: item.preview, alt: "Picture of " + item.name })
      image.addEventListener("error", () => image.replaceWith(field("div", "failed", { class: "blank" })))
      blank.replaceWith(image)
    }
    encodings(part(child, "encodings"), item.encodings)
  })

// Requests

/** A text with the place marked where it parts from the other. */
const marked = (text, at) => {
  const pre = make("pre")
  if (at === null || at < 0) pre.append(text)
  else if (at >= text.length) pre.append(text, make("mark", {}, "⏎ it ends here"))
  else {
    let end = at + 1
    while (end < text.length && end < at + 40 && !/[&\n]/.test(text[end])) end++
    const found = text.slice(at, end).replaceAll("\n", "⏎\n").replaceAll("\r", "␍")
    pre.append(text.slice(0, at), make("mark", {}, found === "" ? "⏎" : found), text.slice(end))
  }
  return pre
}

const facts = (pairs) =>
  make("dl", {}, ...pairs.filter((pair) => pair[1] !== null && pair[1] !== "")
    .flatMap((pair) => [make("dt", {}, pair[0]), make("dd", {}, String(pair[1]))]))

const reasons = {
  Missing: "refused: parameters are missing",
  Mismatch: "refused: the signature is not that of this request",
  AccessKey: "refused: another access key",
  Token: "refused: another token",
  Timestamp: "refused: the timestamp cannot be read",
  Expired: "refused: the signature is too old",
  Replayed: "refused: this signature was used before, and a POST needs a new one"
}

const age = (millis) => {
  if (millis === undefined) return null
  const seconds = Math.abs(millis / 1000).toFixed(1) + " s"
  return millis < -1000 ? seconds + " ahead of this clock" : seconds
}

const details = (item) => {
  const verdict = item.verdict ?? {}
  const body = [facts([
    ["verdict", verdict.reason ? reasons[verdict.reason] : verdict.mode ? "let in by its " + verdict.mode : "not looked at"],
    ["why", verdict.hint ?? null],
    ["missing", (verdict.missing ?? []).join(", ")],
    ["unknown here", (verdict.unknown ?? []).join(", ")],
    ["age of the signature", age(verdict.age)],
    ["fault", item.fault],
    ["answer", item.message],
    ["body", item.bytes > 0 ? bytes(item.bytes) : null]
  ])]
  if (verdict.expected !== undefined) {
    const sameText = verdict.differsAt < 0
    body.push(make("div", { class: "strings" },
      make("div", {}, make("b", {}, "What was signed"), marked(verdict.signed, verdict.differsAt),
        sameText ? make("p", {}, "with ", make("mark", {}, "another secret key, or in another form")) : null),
      make("div", {}, make("b", {}, "What should have been"), marked(verdict.expected, verdict.differsAt),
        sameText ? make("p", {}, "with the secret key of this Panda") : null)))
  }
  const parameters = Object.entries(item.parameters)
  if (parameters.length > 0) body.push(make("b", {}, "Parameters"), facts(parameters))
  return body
}

let seen = []
const requests = (items) => {
  seen = items
  const only = $("only-refused").checked
  sync($("list-requests"), only ? items.filter((item) => item.status === null || item.status >= 400) : items, () => {
    const box = make("details", {}, make("summary", {}, field("b", "status"), field("span", "method"),
      field("span", "path", { class: "path" }), field("span", "at", { class: "soft" })), field("div", "body"))
    const li = make("li", {}, box)
    box.addEventListener("toggle", () => {
      part(li, "body").replaceChildren(...box.open ? details(li.item) : [])
    })
    return li
  }, (child, item) => {
    const changed = child.item?.status !== item.status
    child.item = item
    const status = part(child, "status")
    set(status, item.status === null ? "…" : String(item.status))
    status.className = item.status === null ? "busy" : item.status < 400 ? "good" : "bad"
    set(part(child, "method"), item.method)
    set(part(child, "path"), item.path + (item.route === "chunk" || item.route === "probe" ? " (" + item.route + ")" : "") +
      (item.fault === null ? "" : " ⚡ " + item.fault))
    set(part(child, "at"), time(item.at))
    if (changed && child.firstChild.open) part(child, "body").replaceChildren(...details(item))
  })
}

// Webhooks and faults

const webhooks = (items) =>
  sync($("list-webhooks"), items, () => make("li", {}, field("span", "text"), " ", field("b", "status")), (child, item) => {
    set(part(child, "text"), time(item.at) + " " + item.event + " to " + item.host + ", attempt " + item.attempt +
      (item.fields.progress === undefined ? "" : ", " + item.fields.progress + " %"))
    set(part(child, "status"), item.status === undefined ? "no answer" : String(item.status))
    part(child, "status").className = item.status === 200 ? "good" : "bad"
  })

const faults = (items) =>
  sync($("list-faults"), items, () => make("li"), (child, item) =>
    set(child, item.fault + " on " + item.route + (item.skip > 0 ? ", after " + item.skip + " others" : "") + ": happened " +
      item.fired + " ×" + (item.left === null ? ", and goes on" : ", " + item.left + " to come")))

const send = async (path, body) => {
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-panda-token": document.querySelector("meta[name=panda-token]").content
      },
      body: JSON.stringify(body)
    })
    set($("armed"), await answer.text())
  } catch {
    set($("armed"), "This Panda does not answer")
  }
}

const number = () => {
  const chosen = known.find((fault) => fault.name === $("fault").value)?.number ?? null
  const label = $("number-label")
  label.hidden = chosen === null
  if (chosen === null) return
  set(label.firstElementChild, chosen.label)
  label.lastElementChild.value = chosen.otherwise
}

let known = []
const about = (told) => {
  set($("about"), (told.encodes ? "Encodes with ffmpeg" : "Only claims to encode (--encode would)") + ", and " +
    (told.kept ? "keeps its files in a folder." : "keeps no files (--data or --encode would)."))
  if (known.length > 0) return
  known = told.faults
  $("fault").replaceChildren(...told.faults.map((fault) => make("option", { value: fault.name }, fault.name + ": " + fault.does)))
  $("route").replaceChildren(...told.routes.map((route) => make("option", { value: route }, route === "*" ? "any request" : route)))
  number()
}

$("fault").addEventListener("change", number)
$("only-refused").addEventListener("change", () => requests(seen))
$("arm").addEventListener("submit", (event) => {
  event.preventDefault()
  const form = new FormData(event.target)
  const needs = !$("number-label").hidden
  send("/page/faults", {
    fault: form.get("fault"),
    route: form.get("route"),
    times: Number(form.get("times")),
    skip: Number(form.get("skip")),
    ...needs ? { number: Number(form.get("number")) } : {}
  })
})
$("disarm").addEventListener("click", () => send("/page/disarm", {}))

const show = { about, uploads, videos, requests, webhooks, faults, trouble: (text) => {
  $("trouble").hidden = text === null
  set($("trouble"), text ?? "")
} }
const events = new EventSource("/page/events")
for (const [name, take] of Object.entries(show)) {
  events.addEventListener(name, (event) => take(JSON.parse(event.data)))
}
events.addEventListener("open", () => set($("live"), "Live"))
events.addEventListener("error", () => set($("live"), "Not connected. Trying again …"))
`
