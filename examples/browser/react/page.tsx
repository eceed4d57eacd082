/** The element in React. */
import type { PandaUpload } from "effect-panda/browser/element"
import "effect-panda/browser/element"
import { StrictMode, useState } from "react"
import { createRoot } from "react-dom/client"

declare module "react" {
  // Where React looks for elements.
  namespace JSX {
    interface IntrinsicElements {
      "panda-upload": DetailedHTMLProps<HTMLAttributes<PandaUpload>, PandaUpload> & {
        readonly label?: string
        readonly accept?: string
        readonly multiple?: boolean
      }
    }
  }
}

const Upload = () => {
  const [videos, setVideos] = useState<ReadonlyArray<string>>([])
  return (
    <>
      <h1>Upload</h1>
      <panda-upload
        label="Your films"
        accept="video/*"
        multiple
        onChange={({ currentTarget }) => setVideos(currentTarget.value)}
      />
      <p>
        Videos: <output>{videos.join(", ")}</output>
      </p>
    </>
  )
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <Upload />
  </StrictMode>
)
