import { assert, describe, it } from "@effect/vitest"
import { block, type Row } from "../../src/cli/progress.js"
import { column, fit, inLine, nearest, quoted, table, width } from "../../src/cli/text.js"

const names = {
  plain: "movie.mp4",
  long: `${"a very long name of a file ".repeat(12)}.mp4`,
  CJK: "映画の長い名前を持つファイルです、本当に長い名前です.mp4",
  emoji: "🎬🎬🎬👨‍👩‍👧‍👦 family 👍🏽.mp4",
  combining: "Amélie — déjà vu.mp4",
  hostile: inLine("a\u001b[2J\u001b]0;owned\u0007\n\u202egpj.exe\u2066.mp4")
}

const row = (name: string, more: Partial<Row> = {}): Row => ({
  name,
  stage: "sending",
  acknowledged: 40_000_000,
  sent: 45_000_000,
  size: 100_000_000,
  bytesPerSecond: 1_234_567,
  secondsLeft: 4321,
  ...more
})

const plain = (_: string, text: string) => text
const total = { files: 12, done: 3, acknowledged: 300_000_000, size: 1_200_000_000 }

describe("progress", () => {
  it.each([1, 2, 10, 19, 20, 23, 30, 40, 41, 59, 80, 100, 132, 200, 400])(
    "fits a terminal of %i columns, whatever the names",
    (columns) => {
      for (const name of Object.values(names)) {
        for (const stage of ["starting", "sending", "retrying", "waiting", "encoding"] as const) {
          const lines = block([row(name, { stage, encoded: 7 })], total, columns, 24, plain)
          assert.strictEqual(lines.length, 2)
          for (const line of lines) {
            assert.isAtMost(width(line), Math.max(columns - 1, 0), line)
            assert.notMatch(line, /\p{Cc}|\p{Bidi_Control}/u)
          }
        }
      }
    }
  )

  it.each([[40, "sending"], [80, "1 h 12 min left"], [200, "42.9 MiB of 95.4 MiB"]])(
    "tells name, percent and stage at %i columns, and what else there is room for",
    (columns, last) => {
      const [line] = block([row(names.plain)], { ...total, files: 1 }, columns, 24, plain)
      assert.include(line, "movie.mp4")
      assert.include(line, " 45 %")
      assert.include(line, "sending")
      assert.include(line, last)
      assert.match(line!, /█+░+/)
    }
  )

  it("has a line for all files, where there are several, and keeps within the rows that there are", () => {
    const rows = Array.from({ length: 12 }, (_, i) => row(`movie-${i}.mp4`))
    for (const most of [1, 2, 3, 5, 8, 13, 14, 50]) {
      const lines = block(rows, total, 80, most, plain)
      assert.isAtMost(lines.length, Math.max(1, most - 1))
      assert.include(lines.at(-1), "3 of 12 files")
      const named = lines.filter((line) => line.startsWith("movie-")).length
      if (named < 12 && most > 2) assert.include(lines.at(-2), `… and ${12 - named} more`)
    }
    assert.strictEqual(block(rows, total, 80, 14, plain).length, 13)
  })

  it("tells of all files what has left us of those that are under way", () => {
    const lines = block([row("a"), row("b")], total, 200, 24, plain)
    assert.include(lines.at(-1), " 25 %")
    assert.include(lines.at(-1), "295.6 MiB of 1.1 GiB")
  })

  it("says 100 % of nothing that is not whole", () => {
    const [line] = block([row("a", { acknowledged: 1, sent: 100_000_000 })], { ...total, files: 1 }, 80, 24, plain)
    assert.include(line, " 99 %")
  })
})

describe("text", () => {
  it.each(Object.entries(names))("is cut and padded to columns: %s", (_, name) => {
    for (const columns of [0, 1, 2, 3, 10, 37, 60]) {
      assert.isAtMost(width(fit(name, columns)), columns)
      assert.strictEqual(width(column(name, columns)), columns)
    }
    assert.strictEqual(fit(name, 1000), name)
    if (width(name) > 30) assert.match(fit(name, 30), /….*mp4$/)
  })

  it("proposes the word that was meant", () => {
    assert.strictEqual(nearest("--profile", ["--path-format", "--profiles"]), "--profiles")
    assert.strictEqual(nearest("vidoes", ["uploads", "videos"]), "videos")
    assert.isUndefined(nearest("xyzzy", ["uploads", "videos"]))
  })

  it.each(["movie.mp4", "my movie.mp4", "it's.mp4", "$HOME", "a;b", "*"])("is quoted for a shell: %s", (word) => {
    assert.strictEqual(quoted(word) === word, /^[\w.]+$/.test(word))
  })

  it("stands in columns as wide as the terminal, the widest of which give way", () => {
    const rows = [["ID", "NAME"], ["1", names.long], ["22", names.CJK]]
    for (const columns of [20, 40, 80]) {
      for (const line of table(rows, columns)) assert.isAtMost(width(line), columns)
    }
    assert.deepStrictEqual(table([["ID", "NAME"], ["1", "a"]], Infinity), ["ID  NAME", "1   a"])
  })
})
