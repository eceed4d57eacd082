import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as PandaEmulator from "effect-panda/PandaEmulator"
import { execFileSync } from "node:child_process"
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import manifest from "../../package.json" with { type: "json" }
import { read } from "../../src/cli/commandLine.js"
import { root } from "../../src/cli/commands.js"
import { codeOf } from "../../src/cli/exit.js"
import { freePort } from "../freePort.js"
import * as HttpProxy from "../httpProxy.js"
import { bundled, emulator, lines, objects, person, run, silent, temporary } from "./command.js"

const nobody = Object.fromEntries(
  ["PANDA_ACCESS_KEY", "PANDA_SECRET_KEY", "PANDA_CLOUD_ID", "PANDA_HOST", "PANDA_PORT"].map((name) => [name, ""])
)

const refused: ReadonlyArray<readonly [args: ReadonlyArray<string>, message: RegExp]> = [
  [["upload", "--bogus", "a.mp4"], /^--bogus is not a flag of upload$/],
  [["upload", "a.mp4", "--concurency", "3"], /--concurency is not a flag of upload: did you mean --concurrency\?/],
  [["--jsn", "videos", "list"], /--jsn is not a flag: did you mean --json\?/],
  [["--limit", "3", "doctor"], /--limit is not a flag/],
  [["vidoes", "list"], /vidoes is not a command: did you mean videos\?/],
  [["videos", "lst"], /videos lst is not a command: did you mean videos list\?/],
  [["videos"], /which of list, show, create, delete\?/],
  [["upload"], /which FILE\?/],
  [["upload", "a.mp4", "--limit"], /--limit needs a value/],
  [["upload", "a.mp4", "--limit", "--json"], /--limit needs a value/],
  [["upload", "a.mp4", "--limit", "fast"], /--limit takes an amount such as 500K/],
  [["upload", "a.mp4", "--json=yes"], /--json takes no value/],
  [["upload", "a.mp4", "--cloud", "a", "--cloud", "b"], /--cloud is given twice/],
  [["upload", "a.mp4", "-x"], /-x is not a flag of upload/],
  [["videos", "show", "a", "b"], /one argument too many: b/],
  [["videos", "create"], /^--url is needed$/],
  [["encodings", "create"], /^--video is needed, --profile is needed$/],
  [["emulator", "--port", "99999"], /^--port takes a number from 0 to 65535$/],
  [["webhooks", "listen", "--port=-1"], /^--port takes a number from 0 to 65535$/],
  [["emulator", "--videos", "-3"], /^--videos takes a number from 0 on$/],
  [["upload", "a.mp4", "--concurrency", "1e400"], /^--concurrency takes a number from 1 on$/],
  [["videos", "list", "--limit", "99999999999999999999"], /^--limit takes a number from 1 on$/],
  [["videos", "list", "--region", "mars"], /^--region takes us, eu or gce, not mars$/],
  [["videos", "list", "--config", ""], /^--config needs a value: --config FILE$/],
  [["upload", "a.mp4", "--state="], /^--state needs a value: --state FOLDER$/],
  [["upload", "a.mp4", "--payload=--json"], /^--payload cannot take --json, which is a flag$/]
]

describe("command line", { timeout: 120_000 }, () => {
  it.live("tells its version, and what there is", () =>
    Effect.gen(function*() {
      const version = yield* run(["--version"])
      assert.deepInclude(version, { code: 0, out: `${manifest.version}\n`, err: "" })
      const bare = yield* run([])
      assert.strictEqual(bare.code, 0)
      assert.match(bare.out, /^ {2}upload {9}Upload files, resumably$/m)
      assert.notInclude(bare.out, "\u001b")
      assert.strictEqual((yield* run(["help"])).out, bare.out)
    }))

  it.effect.each(refused)("refuses %j before it does anything", ([args, message]) =>
    Effect.gen(function*() {
      const line = read(root, args)
      const error = yield* Effect.flip(Effect.flatMap(line, (line) =>
        line._tag === "Run" ? line.leaf.parse(line.flags, line.args) : Effect.dieMessage("it was taken for help")))
      assert.match(error.message, message)
      assert.strictEqual(codeOf(error), 2)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.live("points to the help of the command that was typed", () =>
    Effect.gen(function*() {
      const { code, err } = yield* run(["videos", "show", "a", "b"])
      assert.strictEqual(code, 2)
      assert.deepStrictEqual(lines(err), [
        "effect-panda: one argument too many: b",
        "See: effect-panda videos show --help"
      ])
    }))

  it.live("refuses a file without a name, and does not take it for this folder", () =>
    Effect.gen(function*() {
      const { code, err } = yield* run(["upload", ""])
      assert.strictEqual(code, 2)
      assert.match(err, /empty name/)
      assert.notInclude(err, process.cwd())
    }))

  it.live.each(["localhost:3128", "http://user:s3cret@:80"])(
    "refuses the proxy %s, and does not show it",
    (proxy) =>
      Effect.gen(function*() {
        const credentials = { PANDA_ACCESS_KEY: "a", PANDA_SECRET_KEY: "b", PANDA_CLOUD_ID: "c" }
        const { code, err } = yield* run(["videos", "list"], { env: { ...credentials, HTTPS_PROXY: proxy } })
        assert.strictEqual(code, 4)
        assert.strictEqual(err, "effect-panda: HTTPS_PROXY is not the url of a proxy: http://HOST:PORT\n")
      })
  )

  it.live("refuses on standard error, and with 2; or as the last object of --json", () =>
    Effect.gen(function*() {
      const refusal = yield* run(["upload", "--bogus", "a.mp4"])
      assert.deepInclude(refusal, { code: 2, out: "" })
      assert.strictEqual(lines(refusal.err)[0], "effect-panda: --bogus is not a flag of upload")
      const { code, out } = yield* run(["upload", "a.mp4", "--json", "--concurency", "3"])
      assert.strictEqual(code, 2)
      assert.deepInclude(objects(out), {
        type: "error",
        exit: 2,
        error: {
          command: "upload",
          tag: "UsageError",
          message: "--concurency is not a flag of upload: did you mean --concurrency?"
        }
      })
    }))

  it.live("completes in bash what belongs where one is", () =>
    Effect.gen(function*() {
      const { out } = yield* run(["completions", "bash"])
      const completed = (...words: ReadonlyArray<string>) => {
        const script = `${out}
          COMP_WORDS=(effect-panda "$@"); COMP_CWORD=$#
          _effect-panda_bash_completions effect-panda "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD-1]}"
          echo "\${COMPREPLY[@]}"`
        return execFileSync("bash", ["--norc", "-c", script, "bash", ...words], { encoding: "utf8" }).trim().split(" ")
      }
      assert.includeMembers(completed(""), ["upload", "uploads", "videos"])
      assert.deepStrictEqual(completed("vi"), ["videos"])
      assert.includeMembers(completed("videos", ""), ["list", "show", "delete"])
      assert.deepStrictEqual(completed("uploads", "pr"), ["prune"])
      assert.deepStrictEqual(completed("upload", "--prof"), ["--profiles"])
      assert.deepStrictEqual(completed("videos", "list", "--stat"), ["--status"])
      // Nothing of ours: bash goes on with names of files.
      assert.deepStrictEqual(completed("upload", "movie"), [""])
    }))

  it.live.each(["bash", "zsh", "fish"])("prints completions for %s", (shell) =>
    Effect.gen(function*() {
      const { code, out } = yield* run(["completions", shell])
      assert.strictEqual(code, 0)
      for (const word of ["upload", "videos", "concurrency"]) assert.include(out, word)
      // The parser's library has them, and this command refuses them.
      assert.notMatch(out, /(?:--|-l )(?:log-level|wizard|completions)\b(?!\))/)
      if (shell === "bash") {
        const checked = yield* run([], { program: ["bash", "-n"], input: out })
        assert.strictEqual(checked.code, 0, checked.err)
      }
    }))

  it.scopedLive("lists every page, or as much as is asked for, and ends quietly where nobody reads on", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { run } = yield* person
      const all = yield* run(["videos", "list"])
      assert.strictEqual(all.code, 0, all.err)
      assert.strictEqual(lines(all.out).length, 251)
      assert.match(all.out, /^ID +STATUS +CREATED +SIZE +NAME$/m)
      const some = yield* run(["videos", "list", "--limit", "3", "--status", "success", "--json"])
      assert.deepStrictEqual(objects(some.out).map(({ type }) => type), ["item", "item", "item", "result"])
      const before = (yield* panda.requests).length
      const cut = yield* run(["videos", "list", "--json"], { closeAfter: 1 })
      assert.deepInclude(cut, { code: 0, err: "", signal: null })
      assert.isAtMost((yield* panda.requests).length - before, 3)
    }).pipe(Effect.provide(emulator({ videos: 250 }))))

  it.scopedLive("does not end well where what it prints cannot be written", () =>
    Effect.gen(function*() {
      const { run } = yield* person
      // The device that is always full.
      const program = ["sh", "-c", `exec "$0" "$@" > /dev/full`, process.execPath, bundled()]
      for (const words of [["videos", "list"], ["videos", "list", "--json"], ["help"], ["--version"]]) {
        const { code, err } = yield* run(words, { program })
        assert.strictEqual(code, 1, err)
        assert.match(err, /^effect-panda: .*ENOSPC/m)
      }
    }).pipe(Effect.provide(emulator({ videos: 1 }))))

  it.scopedLive("shows, creates and deletes, the latter only when it is sure", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { run } = yield* person
      const [video] = yield* panda.videos
      const id = String(video!["id"])
      const shown = yield* run(["videos", "show", id])
      assert.match(shown.out, /^original_filename {2}movie-1\.mp4$/m)
      const unsure = yield* run(["videos", "delete", id])
      assert.strictEqual(unsure.code, 2)
      assert.include(unsure.err, "--yes")
      assert.strictEqual((yield* panda.videos).length, 1)
      const some = yield* run(["videos", "delete", id, "nope", "--yes"])
      assert.strictEqual(some.code, 3)
      assert.strictEqual((yield* panda.videos).length, 0)
      const gone = yield* run(["videos", "show", id, "--json"])
      assert.strictEqual(gone.code, 1)
      assert.deepInclude(objects(gone.out)[0]!["error"], { tag: "PandaNotFound", status: 404 })
      const made = yield* run(["videos", "create", "--url", "http://a.example/b.mp4", "--profiles", "h264", "--json"])
      const { value } = objects(made.out)[0]!
      assert.strictEqual((yield* panda.encodings).length, 1)
      const watched = yield* run(["encodings", "watch", "--video", value.id])
      assert.match(watched.out, /^Encoding {2}h264 {2}success {2}http:\S+\.mp4$/m)
    }).pipe(Effect.provide(emulator({ videos: 1, encodingTime: "300 millis" }))))

  it.scopedLive("syncs profiles, and shows what would change", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { home, run } = yield* person
      writeFileSync(
        join(home, "profiles.json"),
        JSON.stringify([{ name: "h264", preset_name: "h264", width: 1280 }, { name: "small", preset_name: "h264" }])
      )
      const names = Effect.map(panda.profiles, (profiles) => profiles.map(({ name }) => name))
      const plan = yield* run(["profiles", "sync", "profiles.json", "--dry-run", "--prune"])
      assert.strictEqual(plan.code, 0, plan.err)
      assert.deepStrictEqual(lines(plan.out), ["+ small", "~ h264", "    width  640 -> 1280", "- webm"])
      assert.sameMembers(yield* names, ["h264", "webm"])
      const unsure = yield* run(["profiles", "sync", "profiles.json", "--prune"])
      assert.strictEqual(unsure.code, 2)
      assert.match(unsure.err, /no terminal to ask on: pass --yes/)
      assert.sameMembers(yield* names, ["h264", "webm"])
      yield* run(["profiles", "sync", "profiles.json", "--prune", "--yes"])
      assert.sameMembers(yield* names, ["h264", "small"])
      const made = yield* run("profiles create preset_name=webm name=web width=320".split(" "))
      assert.match(made.out, /^width +320$/m)
      writeFileSync(join(home, "profiles.json"), `{"secret": "canary"`)
      const wrong = yield* run(["profiles", "sync", "profiles.json"])
      assert.strictEqual(wrong.code, 2)
      assert.notInclude(wrong.err, "canary")
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("changes what is reported, and leaves the rest", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { run } = yield* person
      const url = "https://example.com/hook"
      assert.strictEqual((yield* run(["notifications", "set", "--url", url, "--on", "video-encoded"])).code, 0)
      assert.deepInclude(yield* panda.notifications, { url })
      const off = yield* run(["notifications", "set", "--off", "video_encoded", "--json"])
      assert.deepInclude(objects(off.out)[0]!["value"], { url, video_encoded: false })
      assert.strictEqual((yield* run(["notifications", "set", "--on", "everything"])).code, 2)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("signs for others, and sends any request", () =>
    Effect.gen(function*() {
      const { account, run } = yield* person
      const { out } = yield* run(["sign", "GET", "/videos.json", "per_page=2"])
      assert.notInclude(out, account.PANDA_SECRET_KEY)
      const answer = yield* Effect.promise(() => fetch(out.trim()).then((response) => response.json()))
      assert.strictEqual((answer as ReadonlyArray<unknown>).length, 2)
      const sent = yield* run(["request", "put", "/notifications.json", "events[video_encoded]=true", "--json"])
      assert.isTrue(objects(sent.out)[0]!["value"].events.video_encoded)
      const token = yield* run(["sign", "GET", "/videos.json"], { env: { PANDA_TOKEN: "clou_canary" } })
      assert.strictEqual(token.code, 4)
      assert.notInclude(token.out + token.err, "clou_canary")
    }).pipe(Effect.provide(emulator({ videos: 3 }))))

  it.scopedLive.each([
    [["sign", "GET", ""], /is not a path/],
    [["sign", "GET", "/videos.json?page=2"], /is not a path/],
    [["request", "GET", "videos.json"], /is not a path/],
    [["videos", "create", "--url", "my movie.mp4"], /a file goes by effect-panda upload 'my movie\.mp4'/],
    [["notifications", "set", "--url", "example.com/hook"], /--url takes an address such as https/],
    [["webhooks", "send", "video-encoded", "--to", "http://"], /--to takes an http url/]
  ])("refuses %j before it is sent", ([words, message]) =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { run } = yield* person
      const { code, err } = yield* run(words as Array<string>)
      assert.strictEqual(code, 2, err)
      assert.match(err, message as RegExp)
      assert.deepStrictEqual(yield* panda.requests, [])
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("lists, ends and forgets unfinished uploads", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { file, run } = yield* person
      file("movie.mp4", 2_000_000)
      yield* run(["upload", "movie.mp4", "--chunk-size", "100K"], { signal: [yield* silent(10), "SIGINT"] })
      const listed = yield* run(["uploads", "list"])
      assert.match(listed.out, /^\w{10} {2}\S+ KiB of 1\.9 MiB .* movie\.mp4$/m)
      assert.strictEqual((yield* run(["uploads", "abort", "other.mp4", "--yes"])).code, 2)
      const ended = yield* run(["uploads", "abort", "movie.mp4", "--yes"])
      assert.strictEqual(ended.code, 0, ended.err)
      assert.strictEqual((yield* panda.sessions)[0]!.status, "aborted")
      assert.include((yield* run(["uploads", "list"])).err, "There are no unfinished uploads")
      assert.strictEqual((yield* run(["uploads", "prune", "--days", "0"])).code, 0)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("keeps accounts that login was given, for their owner only", () =>
    Effect.gen(function*() {
      const { account, folders, run } = yield* person
      const file = join(folders.XDG_CONFIG_HOME, "effect-panda/config.json")
      const exported = Object.entries(account).map(([name, value]) => `export ${name}=${value}`).join("\n")
      const login = yield* run(["login", "--as", "production"], { env: nobody, input: exported })
      assert.strictEqual(login.code, 0, login.err)
      assert.notInclude(login.out + login.err, account.PANDA_SECRET_KEY)
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      const list = ["videos", "list", "--json"]
      assert.strictEqual((yield* run([...list, "--as", "production"], { env: nobody })).code, 0)
      assert.strictEqual((yield* run(list, { env: nobody })).code, 4)
      // A flag wins over the environment.
      const other = { PANDA_ACCESS_KEY: "other", PANDA_SECRET_KEY: "other" }
      assert.strictEqual((yield* run(list, { env: other })).code, 4)
      assert.strictEqual((yield* run([...list, "--as", "production"], { env: other })).code, 0)
      const unknown = yield* run([...list, "--as", "staging"], { env: nobody })
      assert.strictEqual(unknown.code, 4)
      assert.include(unknown.err, "production")
      // The answers, a line each.
      const flags = ["--host", account.PANDA_HOST, "--port", account.PANDA_PORT]
      const input = `${account.PANDA_ACCESS_KEY}\n${account.PANDA_SECRET_KEY}\n${account.PANDA_CLOUD_ID}\n`
      assert.strictEqual((yield* run(["login", ...flags], { env: nobody, input })).code, 0)
      assert.strictEqual((yield* run(list, { env: nobody })).code, 0)
      assert.strictEqual(Object.keys(JSON.parse(readFileSync(file, "utf8")).accounts).length, 2)
      const cut = yield* run(["login"], { env: nobody, input: "only-a-key" })
      assert.strictEqual(cut.code, 2)
      chmodSync(file, 0o640)
      const open = yield* run(list, { env: nobody })
      assert.strictEqual(open.code, 4)
      assert.include(open.err, `chmod 600 ${file}`)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("looks at all that an upload needs", () =>
    Effect.gen(function*() {
      const panda = yield* PandaEmulator.PandaEmulator
      const { run } = yield* person
      const well = yield* run(["doctor"])
      assert.strictEqual(well.code, 0, well.out)
      assert.deepStrictEqual(lines(well.out).map((line) => line[0]), Array.from({ length: 7 }, () => "✓"))
      assert.strictEqual((yield* panda.sessions)[0]!.status, "aborted")
      yield* panda.setSkew("10 minutes")
      const before = Date.now()
      const skewed = yield* run(["doctor"])
      const [, behind] = /✗ clock: (\d+) s behind the server's: set this machine's clock/.exec(skewed.out) ?? []
      // Less by the time that the answer took.
      assert.isAtMost(Number(behind), 601)
      assert.isAtLeast(Number(behind), 599 - Math.ceil((Date.now() - before) / 1000))
      const wrong = yield* run(["doctor"], { env: { PANDA_SECRET_KEY: "wrong-canary" } })
      assert.strictEqual(wrong.code, 4)
      assert.notInclude(wrong.out + wrong.err, "wrong-canary")
      const nowhere = yield* run(["doctor"], { env: { PANDA_PORT: "9" } })
      assert.strictEqual(nowhere.code, 1)
      assert.match(nowhere.out, /✗ API: .*ECONNREFUSED/)
      assert.strictEqual((yield* run(["doctor"], { env: nobody })).code, 4)
    }).pipe(Effect.provide(emulator())))

  it.scopedLive("receives the webhooks that it sends", () =>
    Effect.gen(function*() {
      const home = yield* temporary
      const env = { HOME: home, PANDA_WEBHOOK_SECRET: "s3cret" }
      const port = yield* freePort
      const listening = yield* Effect.fork(
        run(["webhooks", "listen", "--secret", "--port", String(port), "--json"], {
          env,
          signal: [/VideoEncoded/, "SIGINT"]
        })
      )
      const send = (path: string) =>
        run(["webhooks", "send", "video-encoded", "--to", `http://127.0.0.1:${port}/webhooks/${path}`, "video_id=0c1d"])
      const sent = yield* Effect.repeat(send("s3cret"), { until: ({ code }) => code === 0 })
      assert.strictEqual(sent.code, 0, sent.err)
      const { code, err, out } = yield* listening
      assert.strictEqual(code, 130)
      assert.deepInclude(objects(out)[0]!["item"], { event: "VideoEncoded", video_id: "0c1d" })
      assert.notInclude(err, "s3cret")
    }))

  it.scopedLive("goes through the proxy that the environment names, but not to where it need not", () =>
    Effect.gen(function*() {
      const { run } = yield* person
      const { port, seen } = yield* HttpProxy.make
      const env = { HTTP_PROXY: `http://127.0.0.1:${port}` }
      const through = yield* run(["videos", "list"], { env })
      assert.strictEqual(through.code, 0, through.err)
      assert.isAbove(seen.length, 0)
      const count = seen.length
      assert.strictEqual((yield* run(["videos", "list"], { env: { ...env, NO_PROXY: "127.0.0.1" } })).code, 0)
      assert.strictEqual(seen.length, count)
      assert.notInclude(through.err, "Warning")
    }).pipe(Effect.provide(emulator({ videos: 1 }))))
})
