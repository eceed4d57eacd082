import { assert, describe, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { cpSync, mkdirSync, readFileSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { read } from "../../src/cli/commandLine.js"
import { root as commands } from "../../src/cli/commands.js"
import * as manual from "../../src/cli/manual.js"
import { installed } from "../ffmpeg.js"
import { bundled, emulator, person, root, run } from "./command.js"

const leaves = manual.leaves([commands])
const readme = readFileSync(join(root, "README.md"), "utf8")

/** The command lines in a shell's blocks. */
const typed = Array.from(readme.matchAll(/^```sh\n(.*?)\n```$/gms), (match) => match[1]!)
  .flatMap((block) => block.split("\n"))
  .filter((line) => /^(npx )?effect-panda /.test(line))

describe("manual", () => {
  it("is what the definitions say", () => {
    assert.strictEqual(readFileSync(join(root, "COMMANDS.md"), "utf8"), manual.markdown(commands), "npm run manual")
  })

  it.each(leaves.map(({ leaf, path }) => [path.slice(1).map(({ name }) => name).join(" "), leaf] as const))(
    "%s has examples, which are command lines of it",
    (name, { examples }) => {
      assert.isAbove(examples.length, 0)
      for (const { line } of examples) {
        assert.isTrue(line === name || line.startsWith(`${name} `), line)
        // What a shell does with quotes and redirections is not ours.
        const words = line.replace(/ [<>] \S+$/, "").split(" ").map((word) => word.replaceAll("'", ""))
        const result = read(commands, words)
        assert.isTrue(Either.isRight(result) && result.right._tag === "Run", line)
      }
    }
  )

  it.each([40, 80, 100])("reads well at %i columns", (columns) => {
    for (const { path } of leaves) {
      const text = manual.help(path, columns, (_, text) => text)
      for (const line of text.split("\n").filter((line) => !/^ {2}(effect-panda|#|-)/.test(line))) {
        assert.isAtMost(line.length, Math.max(columns, 60), line)
      }
      assert.notInclude(text, "undefined")
    }
  })

  it("has a row in the README for each command", () => {
    const section = /^## The command line\n(.*?)^## /ms.exec(readme)![1]!
    for (const { name } of commands.commands) assert.include(section, `\`${name}`, name)
  })
})

describe("README", { timeout: 120_000 }, () => {
  it.scopedLive.each(typed)("%s", (line) =>
    Effect.gen(function*() {
      const { env, file, home } = yield* person
      file("movie.mp4")
      file("recordings/talk.mp4")
      cpSync(join(root, "examples/profiles.json"), join(home, "profiles.json"))
      mkdirSync(join(home, "bin"))
      symlinkSync(bundled(), join(home, "bin/effect-panda"))
      const { code, err } = yield* run([], {
        program: ["bash", "-euo", "pipefail", "-c", line.replace(/^npx /, "")],
        cwd: home,
        env: { ...env, PATH: `${join(home, "bin")}:${process.env["PATH"]}` },
        signal: [/until it is interrupted/, "SIGINT"]
      })
      if (line.includes(" emulator ")) {
        // It goes on for as long as it is wanted.
        if (installed) assert.strictEqual(code, 130, err)
        else assert.include(err, "install ffmpeg")
        return
      }
      assert.strictEqual(code, 0, err)
      const panda = yield* PandaEmulator.PandaEmulator
      if (!line.includes(" sign ")) assert.isAbove((yield* panda.requests).length, 0)
    }).pipe(Effect.provide(emulator({ videos: 3, encodingTime: "300 millis" }))))
})
