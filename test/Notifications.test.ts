import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { Fault } from "effect-panda/PandaEmulator"
import * as Notifications from "effect-panda/Notifications"
import type * as PandaClient from "effect-panda/PandaClient"
import { inject, inTime, panda, refused, seen, sent, test } from "./client/panda.js"

const none = { video_created: false, video_encoded: false, encoding_progress: false, encoding_completed: false }

describe("get", () => {
  test(
    "gives the setting of the cloud",
    Effect.gen(function*() {
      const setting = yield* Notifications.get
      assert.deepInclude(setting, { url: undefined, delay: 0, events: none })
      // Where it was never set, nobody says.
      assert.notProperty(setting, "send_video_payload")
    })
  )

  for (const body of [`{"url":null}`, `{"url":""}`, `{"url":"null"}`, "{}", `{"url":null,"events":null,"delay":""}`]) {
    test(
      `${body} has no url`,
      Effect.gen(function*() {
        yield* inject(Fault.malformed(body))
        const setting = yield* Notifications.get
        assert.isUndefined(setting.url)
        assert.isUndefined(setting.events)
        assert.isUndefined(setting.delay)
      })
    )
  }

  test(
    "an url is one, words are booleans, events may be missing or new",
    Effect.gen(function*() {
      yield* inject(
        Fault.malformed(
          `{"url":"http://a.example","delay":"5","events":{"video_created":"true","video_encoded":null,"new":1}}`
        )
      )
      const { delay, events, url } = yield* Notifications.get
      assert.strictEqual(url, "http://a.example")
      assert.strictEqual(delay, 5)
      assert.deepStrictEqual<unknown>(Object.entries(events!), [["video_created", true], ["video_encoded", undefined], [
        "new",
        1
      ]])
    })
  )
})

describe("update", () => {
  test(
    "sends only what is to change, in the words true and false, and signs it with bare brackets",
    Effect.gen(function*() {
      const updates: ReadonlyArray<[Notifications.Update, unknown]> = [
        [{ url: "http://a.example/hook?x=1" }, { url: "http://a.example/hook?x=1" }],
        [{ events: { video_encoded: true } }, { events: { video_encoded: "true" } }],
        [{ events: { video_encoded: false, encoding_completed: true } }, {
          events: { video_encoded: "false", encoding_completed: "true" }
        }],
        [{ events: { video_created: true, video_encoded: undefined } }, { events: { video_created: "true" } }],
        [{ url: null }, { url: "" }],
        [{ delay: 30 }, { delay: "30" }],
        [{ url: undefined, events: {} }, {}]
      ]
      for (const [update] of updates) yield* Notifications.update(update)
      const requests = yield* seen
      // The emulator checks the signature as contract 2.4 says.
      assert.deepStrictEqual(requests.map(({ status }) => status), updates.map(() => 200))
      assert.deepStrictEqual(
        requests.map(sent),
        updates.map(([, parameters]) => ({ request: "PUT /notifications.json", parameters, via: ["form" as const] }))
      )
    })
  )

  test(
    "leaves the rest as it was",
    Effect.gen(function*() {
      yield* Notifications.update({ url: "http://a.example" })
      yield* Notifications.update({ events: { video_created: true } })
      const setting = yield* Notifications.update({ events: { encoding_completed: true } })
      assert.strictEqual(setting.url, "http://a.example")
      assert.deepStrictEqual(setting.events, { ...none, video_created: true, encoding_completed: true })
      assert.deepStrictEqual(yield* Notifications.get, setting)
      assert.strictEqual((yield* Notifications.update({ delay: 30 })).delay, 30)
      assert.isUndefined((yield* Notifications.update({ url: null })).url)
      assert.deepInclude(yield* Notifications.get, { delay: 30, events: setting.events })
      assert.deepInclude((yield* (yield* panda).notifications)["events"], { video_created: true })
    })
  )

  test(
    "is sent again after a failure, since doing it twice is harmless",
    Effect.gen(function*() {
      yield* inject(Fault.resetAfter)
      yield* inject(Fault.status(500))
      const { url } = yield* inTime(Notifications.update({ url: "http://a.example" }))
      assert.strictEqual(url, "http://a.example")
      assert.lengthOf(yield* seen, 3)
    })
  )

  const rows: ReadonlyArray<
    [what: string, run: Effect.Effect<unknown, { readonly _tag: string }, PandaClient.PandaClient>, string, RegExp]
  > = [
    ["an empty url", Notifications.update({ url: "" }), "url", /^Notifications\.update: url: pass a non empty string$/],
    [
      "half a second",
      Notifications.update({ delay: 0.5 }),
      "delay",
      /pass an integer$/
    ],
    ["a time before now", Notifications.update({ delay: -1 }), "delay", /pass a non-negative/],
    [
      "an event that is no boolean",
      Notifications.update({ events: { video_created: "yes" as never } }),
      "events.video_created",
      /pass boolean$/
    ]
  ]
  for (const [what, run, parameter, words] of rows) test(`refuses ${what}`, refused(run, parameter, words))
})
