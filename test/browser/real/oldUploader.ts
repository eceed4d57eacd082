/** What Panda's uploader of 2013 puts on the wire (contract 7.1), and how it reads what comes back. */

interface Answered {
  readonly status: number
  readonly text: string
  readonly header: (name: string) => string | null
}

const request = (method: string, url: string, headers: Record<string, string>, body: Blob | string | null) =>
  new Promise<Answered>((resolve) => {
    const xhr = new XMLHttpRequest()
    xhr.open(method, url)
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value)
    xhr.upload.addEventListener("progress", () => {})
    xhr.addEventListener("loadend", () => {
      resolve({ status: xhr.status, text: xhr.responseText, header: (name) => xhr.getResponseHeader(name) })
    })
    xhr.send(body)
  })

const CHUNK = 5 * 1024 * 1024

export const uploadAsIn2013 = async (file: File, authorizeUrl: string): Promise<string> => {
  const payload = JSON.stringify({
    filename: file.name,
    filesize: file.size,
    content_type: "application/octet-stream"
  })
  const form = { "Content-Type": "application/x-www-form-urlencoded;charset=utf-8" }
  const authorized = await request("POST", authorizeUrl, form, `payload=${encodeURIComponent(payload)}`)
  if (authorized.status !== 200) return `cancelled: ${authorized.status}`
  const { postprocess_url, upload_url } = JSON.parse(authorized.text)
  const headers = { "Cache-Control": "no-cache", "Content-Type": "application/octet-stream" }
  let place: string = upload_url
  let answer = await request("PUT", place, { ...headers, "Content-Range": `bytes */${file.size}` }, null)
  while (answer.status === 204) {
    // From there on it knows no place but what this answer said.
    place = answer.header("Location") ?? place
    const range = answer.header("Range")
    const [, last] = range === null ? [] : /^\d+-(\d+)$/.exec(range) ?? [undefined, "no Range"]
    const start = last === undefined ? 0 : Math.min(Number(last) + 1, file.size - 1)
    const end = Math.min(start + CHUNK, file.size)
    const chunk = { ...headers, "Content-Range": `bytes ${start}-${end - 1}/${file.size}` }
    // eslint-disable-next-line no-await-in-loop -- one chunk after another
    answer = await request("PUT", place, chunk, file.slice(start, end))
  }
  if (answer.status !== 200) return `failed: ${answer.status}`
  if (postprocess_url === undefined) return JSON.parse(answer.text).id
  const noted = await request("POST", postprocess_url, form, `upload_response=${encodeURIComponent(answer.text)}`)
  return JSON.parse(noted.text).id
}
