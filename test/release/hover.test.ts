/** What an editor shows of the declarations that would be published: its user has no other manual at hand. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { mkdtemp, realpath } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import ts from "typescript"
import { inject } from "vitest"
import { run } from "./run.js"

const rows: ReadonlyArray<readonly [type: string, attribute: string, says: RegExp]> = [
  ["Videos.Video", "duration", /Milliseconds/],
  ["Videos.Video", "file_size", /Bytes/],
  ["Videos.Video", "video_bitrate", /kbit\/s/],
  ["Videos.Video", "audio_sample_rate", /Hz/],
  ["Videos.Video", "width", /Pixels/],
  ["Videos.Video", "status", /success.*fail.*processing/],
  ["Videos.Video", "path", /key in the storage/],
  ["Encodings.Encoding", "duration", /Milliseconds/],
  ["Encodings.Encoding", "encoding_time", /Seconds/],
  ["Encodings.Encoding", "encoding_progress", /Percent/],
  ["Encodings.Encoding", "error_class", /FormatNotRecognised/],
  ["Encodings.Encoding", "files", /Keys in the storage/],
  ["Profiles.Profile", "video_bitrate", /kbit\/s/],
  ["Profiles.Profile", "preset_name", /preset/],
  ["Profiles.Settings", "video_bitrate", /kbit\/s/],
  ["Profiles.CreateFromPreset", "video_bitrate", /kbit\/s/],
  ["Videos.CreateFromUrl", "profiles", /Names or ids/],
  ["Upload.Options", "stallTimeout", /30 seconds/],
  ["Upload.Options", "profiles", /Names or ids/]
]

let folder: string
let service: ts.LanguageService
const places = new Map<string, number>()
const main = () => join(folder, "main.mts")

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "effect-panda-hover-")))
  const modules = join(folder, "node_modules")
  const installed = join(modules, "effect-panda")
  mkdirSync(installed, { recursive: true })
  await run(installed, "tar", "-xzf", inject("tarball"), "--strip-components", "1")
  for (const name of ["effect", "@effect", "@noble"]) symlinkSync(resolve("node_modules", name), join(modules, name))

  let program = `import { Encodings, Profiles, Upload, Videos } from "effect-panda"\n`
  for (const [index, [type, attribute]] of rows.entries()) {
    program += `declare const value${index}: ${type}\nvalue${index}.`
    places.set(`${type}.${attribute}`, program.length)
    program += `${attribute}\n`
  }
  const options: ts.CompilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    types: []
  }
  service = ts.createLanguageService({
    getCompilationSettings: () => options,
    getCurrentDirectory: () => folder,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    getScriptFileNames: () => [main()],
    getScriptVersion: () => "1",
    getScriptSnapshot: (file) => {
      const text = file === main() ? program : ts.sys.readFile(file)
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text)
    },
    fileExists: (file) => file === main() || ts.sys.fileExists(file),
    readFile: (file) => file === main() ? program : ts.sys.readFile(file),
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories
  })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("an editor", () => {
  it("understands what it is asked about", () => {
    assert.deepStrictEqual(
      service.getSemanticDiagnostics(main()).map(({ messageText }) =>
        ts.flattenDiagnosticMessageText(messageText, "\n")
      ),
      []
    )
  })

  it.each(rows)("tells of %s what its %s is", (type, attribute, says) => {
    const info = service.getQuickInfoAtPosition(main(), places.get(`${type}.${attribute}`)!)
    assert.match(ts.displayPartsToString(info?.documentation), says)
  })

  it("shows no word of ours that a user cannot look up", () => {
    const dist = join(folder, "node_modules/effect-panda/dist")
    const found = readdirSync(dist, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".d.ts"))
      .flatMap((file) =>
        readFileSync(join(dist, file), "utf8").split("\n")
          // Of what is not to be imported, only members of types are seen.
          .filter((line) => !file.startsWith("internal/") || line.startsWith("    "))
          .filter((line) => /\b(contract|design|scenarios?) \d|\bthe contract\b/.test(line))
          .map((line) => `${file}: ${line.trim()}`)
      )
    assert.deepStrictEqual(found, [], "link to what is public, or say the fact itself")
  })
})
