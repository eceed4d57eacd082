import { assert, describe, it } from "@effect/vitest"
import type { Layer } from "effect"
import { Cause, Clock, ConfigProvider, DateTime, Effect, Either, Exit, Redacted } from "effect"
import * as Credentials from "effect-panda/Credentials"
import { PandaInputError } from "effect-panda/PandaError"
import { inspect } from "node:util"
import { secondsOf } from "./patience.js"

const CANARY = "canary-0123456789"

const keys = { accessKey: "key", secretKey: Redacted.make("secret") }

/** The service that a layer installs. */
const build = <E>(layer: Layer.Layer<Credentials.Credentials, E>) =>
  Effect.provide(Effect.map(Credentials.Credentials, (service) => service), layer)

const faults = (options: Credentials.Options) =>
  Effect.map(Effect.flip(build(Credentials.layer(options))), (error) => {
    assert.instanceOf(error, PandaInputError)
    return error.message
  })

const withEnv = (env: Record<string, string>, overrides?: Parameters<typeof Credentials.layerConfig>[0]) =>
  Effect.withConfigProvider(
    build(Credentials.layerConfig(overrides)),
    ConfigProvider.fromMap(new Map(Object.entries(env)))
  )

const configFaults = (env: Record<string, string>, overrides?: Parameters<typeof Credentials.layerConfig>[0]) =>
  Effect.map(Effect.flip(withEnv(env, overrides)), String)

const secretOf = ({ auth }: Credentials.Credentials.Service) =>
  auth._tag === "Keys"
    ? { accessKey: auth.accessKey, secretKey: Redacted.value(auth.secretKey) }
    : { token: Redacted.value(auth.token) }

const env = { PANDA_ACCESS_KEY: "key", PANDA_SECRET_KEY: "secret", PANDA_CLOUD_ID: "cloud" }

/** A clock that shows these milliseconds, one after the other, and stays at the last. */
const clockShowing = (...times: ReadonlyArray<number>) => {
  let index = 0
  const unsafeCurrentTimeMillis = () => times[Math.min(index++, times.length - 1)]!
  return { ...Clock.make(), unsafeCurrentTimeMillis, currentTimeMillis: Effect.sync(unsafeCurrentTimeMillis) }
}

describe("layer", () => {
  it.effect("with keys, in the region us by default", () =>
    Effect.gen(function*() {
      const service = yield* build(Credentials.layer({ ...keys, cloudId: "cloud" }))
      assert.deepStrictEqual(secretOf(service), { accessKey: "key", secretKey: "secret" })
      assert.strictEqual(service.cloudId, "cloud")
      assert.strictEqual(service.host, "api.pandastream.com")
      assert.strictEqual(service.baseUrl, "https://api.pandastream.com/v2")
    }))

  it.effect("with a token, without a cloud", () =>
    Effect.gen(function*() {
      const service = yield* build(Credentials.layer({ token: Redacted.make("clou_1") }))
      assert.deepStrictEqual(secretOf(service), { token: "clou_1" })
      assert.isUndefined(service.cloudId)
    }))

  const addresses: ReadonlyArray<[Credentials.Endpoint, string]> = [
    [{ region: "us" }, "https://api.pandastream.com/v2"],
    [{ region: "eu" }, "https://api-eu.pandastream.com/v2"],
    [{ region: "gce" }, "https://api-gce.pandastream.com/v2"],
    [{ region: "eu", host: "Api.Example.COM" }, "https://api.example.com/v2"],
    [{ port: 443 }, "https://api.pandastream.com/v2"],
    [{ port: 80 }, "http://api.pandastream.com/v2"],
    [{ port: 8080 }, "http://api.pandastream.com:8080/v2"],
    [{ port: 8443, protocol: "https" }, "https://api.pandastream.com:8443/v2"],
    [{ port: 80, protocol: "https" }, "https://api.pandastream.com:80/v2"],
    [{ protocol: "http" }, "http://api.pandastream.com:443/v2"],
    [{ host: "localhost", port: 4000 }, "http://localhost:4000/v2"],
    [{ host: "127.0.0.1", port: 4000 }, "http://127.0.0.1:4000/v2"],
    [{ host: "[::1]", port: 4000 }, "http://[::1]:4000/v2"],
    [{ host: "panda_proxy", version: "v2.1" }, "https://panda_proxy/v2.1"]
  ]
  it.effect.each(addresses.map(([endpoint, url]) => ({ endpoint, url })))(
    "$endpoint is $url",
    ({ endpoint, url }) =>
      Effect.gen(function*() {
        const { baseUrl, host } = yield* build(Credentials.layer({ ...keys, ...endpoint }))
        assert.strictEqual(baseUrl, url)
        assert.strictEqual(host, new URL(url).hostname)
      })
  )

  it.effect("signs the host as an URL writes it", () =>
    Effect.gen(function*() {
      const { baseUrl, host } = yield* build(Credentials.layer({ ...keys, host: "[0:0::1]", port: 80 }))
      assert.strictEqual(host, "[::1]")
      assert.strictEqual(baseUrl, "http://[::1]/v2")
    }))

  it.effect.each(
    [
      "",
      " ",
      "a b",
      "https://a.example",
      "a.example:80",
      "a.example/v2",
      "u:p@a.example",
      "-a",
      "::1",
      "1.2.3.999",
      "[::g]"
    ]
  )("the host %j is refused", (host) =>
    Effect.gen(function*() {
      assert.match(yield* faults({ ...keys, host }), /: host is not a host: use a name or an address/)
    }))

  it.effect.each([0, -1, 65536, 1.5, NaN])("the port %d is refused", (port) =>
    Effect.gen(function*() {
      assert.match(yield* faults({ ...keys, port }), /: port is not a port: use a whole number/)
    }))

  it.effect("what has no UTF-8 form is refused, before it gets into a request", () =>
    Effect.gen(function*() {
      const half = `${CANARY}\ud800`
      for (
        const [options, option] of [
          [{ ...keys, accessKey: half }, "accessKey"],
          [{ ...keys, secretKey: Redacted.make(half) }, "secretKey"],
          [{ token: Redacted.make(half) }, "token"]
        ] as const
      ) {
        const message = yield* faults(options)
        assert.include(message, `: ${option} is not well-formed text: take it`)
        assert.notInclude(message, CANARY)
      }
    }))

  it.effect("what is undefined is not there, keys beside a token and a token beside keys", () =>
    Effect.gen(function*() {
      const secret = Redacted.make("secret")
      const withKeys = yield* Credentials.make({ accessKey: "key", secretKey: secret, token: undefined })
      assert.deepStrictEqual(withKeys.auth, { _tag: "Keys", accessKey: "key", secretKey: secret })
      const withToken = yield* Credentials.make({ token: secret, accessKey: undefined, secretKey: undefined })
      assert.deepStrictEqual(withToken.auth, { _tag: "Token", token: secret })
      // @ts-expect-error Both are one too many.
      yield* Credentials.make({ accessKey: "key", secretKey: secret, token: secret })
    }))

  it.effect("of a program without types never dies", () =>
    Effect.gen(function*() {
      const secret = Redacted.make("secret")
      const all: ReadonlyArray<[unknown, RegExp]> = [
        [{}, /accessKey is missing.*secretKey is missing/],
        [{ accessKey: "key" }, /secretKey is missing/],
        [{ accessKey: "key", secretKey: CANARY }, /secretKey is not text in a Redacted/],
        [{ accessKey: 1, secretKey: secret }, /accessKey is not text/],
        [{ token: CANARY }, /token is not text in a Redacted/],
        [{ token: null }, /token is not text/],
        [{ token: Redacted.make(1) }, /token is not text/]
      ]
      for (const [options, words] of all) {
        const error = yield* Effect.flip(Credentials.make(options as Credentials.Options))
        assert.match(error.message, words)
        assert.notInclude(error.message, CANARY)
      }
    }))

  it.effect("lists every fault, and no value", () =>
    Effect.gen(function*() {
      const message = yield* faults({
        accessKey: "",
        secretKey: Redacted.make(""),
        region: CANARY as "us",
        port: 99999,
        version: `../${CANARY}`
      })
      assert.match(
        message,
        /accessKey is missing.*; secretKey is missing.*; region is not.*; port is not.*; version is not/
      )
      assert.notInclude(message, CANARY)
      assert.notInclude(message, "99999")
      assert.notInclude(message, "\n")
      assert.match(yield* faults({ token: Redacted.make("") }), /: token is missing/)
    }))
})

describe("layerConfig", () => {
  it.effect("reads keys, cloud, region and port", () =>
    Effect.gen(function*() {
      const service = yield* withEnv({ ...env, PANDA_REGION: "eu", PANDA_PORT: "8080" })
      assert.deepStrictEqual(secretOf(service), { accessKey: "key", secretKey: "secret" })
      assert.strictEqual(service.cloudId, "cloud")
      assert.strictEqual(service.baseUrl, "http://api-eu.pandastream.com:8080/v2")
      assert.strictEqual(
        (yield* withEnv({ ...env, PANDA_HOST: " panda.example " })).baseUrl,
        "https://panda.example/v2"
      )
    }))

  it.effect("a token wins over keys", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(secretOf(yield* withEnv({ ...env, PANDA_TOKEN: "clou_1" })), { token: "clou_1" })
      const alone = yield* withEnv({ PANDA_TOKEN: "clou_1", PANDA_ACCESS_KEY: "" })
      assert.deepStrictEqual(secretOf(alone), { token: "clou_1" })
      assert.isUndefined(alone.cloudId)
    }))

  it.effect("PANDASTREAM_URL wins over all other variables", () =>
    Effect.gen(function*() {
      const service = yield* withEnv({
        ...env,
        PANDA_TOKEN: "clou_1",
        PANDA_HOST: "other.example",
        PANDASTREAM_URL: "http://k:s@api-eu.pandastream.com:443/c"
      })
      assert.deepStrictEqual(secretOf(service), { accessKey: "k", secretKey: "s" })
      assert.strictEqual(service.cloudId, "c")
      assert.strictEqual(service.baseUrl, "https://api-eu.pandastream.com/v2")
    }))

  it.effect("overrides win over variables and over the URL", () =>
    Effect.gen(function*() {
      const url = { PANDASTREAM_URL: "https://k:s@api-eu.pandastream.com:443/c" }
      assert.strictEqual((yield* withEnv(env, { cloudId: "mine" })).cloudId, "mine")
      assert.strictEqual(
        (yield* withEnv(url, { cloudId: "mine", port: 81 })).baseUrl,
        "http://api-eu.pandastream.com:81/v2"
      )
      assert.strictEqual((yield* withEnv(url, { region: "gce" })).host, "api-gce.pandastream.com")
      assert.strictEqual(
        (yield* withEnv({ ...env, PANDA_HOST: "a.example" }, { region: "eu" })).host,
        "api-eu.pandastream.com"
      )
      assert.strictEqual((yield* withEnv(env, { region: "eu", host: "a.example" })).host, "a.example")
      assert.deepStrictEqual(secretOf(yield* withEnv({ ...env, PANDA_TOKEN: "clou_1" }, keys)), {
        accessKey: "key",
        secretKey: "secret"
      })
      assert.deepStrictEqual(secretOf(yield* withEnv(url, { token: Redacted.make("clou_2") })), { token: "clou_2" })
      assert.deepStrictEqual(secretOf(yield* withEnv(env, { accessKey: "other" })), {
        accessKey: "other",
        secretKey: "secret"
      })
    }))

  it.effect("an override that is undefined is none", () =>
    Effect.gen(function*() {
      const overrides = { cloudId: undefined, host: undefined, region: undefined, port: undefined }
      const service = yield* withEnv({ ...env, PANDA_HOST: "a.example", PANDA_PORT: "81" }, overrides)
      assert.strictEqual(service.cloudId, "cloud")
      assert.strictEqual(service.baseUrl, "http://a.example:81/v2")
    }))

  it.effect("reports all that is missing or malformed by variable, without a value", () =>
    Effect.gen(function*() {
      const text = yield* configFaults({
        PANDA_SECRET_KEY: " ",
        PANDA_REGION: `${CANARY}-region`,
        PANDA_PORT: `${CANARY}-port`
      })
      for (const name of ["PANDA_ACCESS_KEY", "PANDA_SECRET_KEY", "PANDA_REGION", "PANDA_PORT"]) {
        assert.include(text, name)
      }
      assert.notInclude(text, CANARY)
      const others = yield* configFaults({ PANDA_ACCESS_KEY: "k", PANDA_HOST: `http://${CANARY}`, PANDA_PORT: "0" })
      for (const name of ["PANDA_SECRET_KEY", "PANDA_HOST", "PANDA_PORT"]) {
        assert.include(others, name)
      }
      assert.notInclude(others, "PANDA_ACCESS_KEY")
      assert.notInclude(others, CANARY)
      assert.include(yield* configFaults(env, { version: "a/b" }), "version")
    }))

  it.effect("a faulty URL is reported as PANDASTREAM_URL, without a value", () =>
    Effect.gen(function*() {
      for (
        const url of [
          `https://${CANARY}`,
          `https://key:${CANARY}@host:443`,
          `ftp://key:${CANARY}@host/cloud`,
          `https://key:${CANARY}@host:70000/cloud`,
          `https://key:${CANARY}@1.2.3.999/cloud`
        ]
      ) {
        const text = yield* configFaults({ PANDASTREAM_URL: url })
        assert.include(text, "PANDASTREAM_URL")
        assert.notInclude(text, "PANDA_")
        assert.notInclude(text, CANARY)
      }
    }))

  it.effect("its failure shows no value however it is printed", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(withEnv({ PANDA_SECRET_KEY: CANARY, PANDA_PORT: CANARY }))
      assert.isTrue(Exit.isFailure(exit))
      const cause = Exit.isFailure(exit) ? exit.cause : Cause.empty
      for (const text of [Cause.pretty(cause), JSON.stringify(exit), inspect(exit, { depth: 10 })]) {
        assert.include(text, "PANDA_ACCESS_KEY")
        assert.notInclude(text, CANARY)
      }
    }))
})

describe("layerUrl", () => {
  const cases: ReadonlyArray<[url: string, accessKey: string, secretKey: string, cloudId: string, baseUrl: string]> = [
    ["https://k:s@h.example:443/c", "k", "s", "c", "https://h.example/v2"],
    ["http://k:s@h.example:443/c", "k", "s", "c", "https://h.example/v2"],
    ["https://k:s@h.example:8080/c/", "k", "s", "c", "http://h.example:8080/v2"],
    ["http://k:s@h.example/c", "k", "s", "c", "http://h.example/v2"],
    ["HTTPS://k:s@H.example/c", "k", "s", "c", "https://h.example/v2"],
    ["https://k:a+/b=@:x@h.example/c", "k", "a+/b=@:x", "c", "https://h.example/v2"],
    ["https://k%2Fa:a%2Bb%zz%C3%28@h.example/c%20d", "k/a", "a+b%zz%C3%28", "c d", "https://h.example/v2"],
    ["https://k:s@[::1]:80/c", "k", "s", "c", "http://[::1]/v2"]
  ]
  it.effect.each(
    cases.map(([url, accessKey, secretKey, cloudId, baseUrl]) => ({ url, accessKey, secretKey, cloudId, baseUrl }))
  )(
    "$url",
    ({ accessKey, baseUrl, cloudId, secretKey, url }) =>
      Effect.gen(function*() {
        const service = yield* build(Credentials.layerUrl(Redacted.make(url)))
        assert.deepStrictEqual(secretOf(service), { accessKey, secretKey })
        assert.strictEqual(service.cloudId, cloudId)
        assert.strictEqual(service.baseUrl, baseUrl)
      })
  )

  it("one that is made to be read slowly is refused at once", () => {
    // 8 seconds, when each of its parts was looked through to the end.
    for (const part of ["@[", "@", ":", "@[]", "@h:1"]) {
      const refusal = Effect.flip(
        build(Credentials.layerUrl(Redacted.make(`http://a:${part.repeat(100_000 / part.length)}`)))
      )
      const seconds = secondsOf(() => assert.strictEqual(Effect.runSync(refusal)._tag, "PandaInputError"))
      assert.isBelow(seconds, 2, part)
    }
  })

  it.effect("a malformed one is refused without being shown", () =>
    Effect.gen(function*() {
      for (const url of [CANARY, `https://k:${CANARY}@h`, `https://${CANARY}@h/c`, `https://k:${CANARY}@h/c?q`]) {
        const error = yield* Effect.flip(build(Credentials.layerUrl(Redacted.make(url))))
        assert.match(error.message, /^Credentials\.layerUrl: The URL is malformed: use https:/)
        assert.notInclude(inspect(error), CANARY)
      }
    }))
})

describe("timestamps", () => {
  const service = Credentials.make(keys)

  it.effect("have six fraction digits and count up while the clock stands still", () =>
    Effect.gen(function*() {
      const { timestamp } = yield* service
      const times = yield* Effect.replicateEffect(timestamp, 3)
      assert.deepStrictEqual(times, [
        "2026-11-22T20:00:00.007000Z",
        "2026-11-22T20:00:00.007001Z",
        "2026-11-22T20:00:00.007002Z"
      ])
    }).pipe(Effect.withClock(clockShowing(Date.UTC(2026, 10, 22, 20, 0, 0, 7)))))

  it.effect("increase when the clock goes back, and when there are more than a thousand in a millisecond", () =>
    Effect.gen(function*() {
      const { timestamp } = yield* service
      const times = yield* Effect.replicateEffect(timestamp, 2500)
      for (let i = 1; i < times.length; i++) assert.isTrue(times[i - 1]! < times[i]!)
      assert.deepStrictEqual([times[0], times[2], times[3], times[2499]], [
        "1970-01-01T00:00:10.000000Z",
        "1970-01-01T00:00:10.000002Z",
        "1970-01-01T00:00:10.001000Z",
        "1970-01-01T00:00:10.003496Z"
      ])
    }).pipe(Effect.withClock(clockShowing(10_000, 9_000, 8_000.5, 10_001, 1))))

  it.effect("follow the server's clock, ahead and back, and are not bothered by less than a second", () =>
    Effect.gen(function*() {
      const { synchronize, timestamp } = yield* service
      const at = (millis: number) => DateTime.unsafeMake(millis)
      assert.strictEqual(yield* timestamp, "1970-01-01T01:00:00.000000Z")
      yield* synchronize(at(3_600_999))
      assert.strictEqual(yield* timestamp, "1970-01-01T01:00:00.000001Z")
      yield* synchronize(at(3_960_000))
      assert.strictEqual(yield* timestamp, "1970-01-01T01:06:00.000000Z")
      yield* synchronize(at(3_000_000))
      assert.strictEqual(yield* timestamp, "1970-01-01T00:50:00.000000Z")
    }).pipe(Effect.withClock(clockShowing(3_600_000))))

  it.effect("do not follow a server to where they would have no form", () =>
    Effect.gen(function*() {
      const { synchronize, timestamp } = yield* service
      for (const date of ["1900-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]) {
        yield* synchronize(DateTime.unsafeMake(date))
        assert.match(yield* timestamp, /^1970-01-01T01:00:00\.\d{6}Z$/)
      }
    }).pipe(Effect.withClock(clockShowing(3_600_000))))
})

it.effect("a key never shows", () =>
  Effect.gen(function*() {
    const service = yield* Credentials.make({ accessKey: "key", secretKey: Redacted.make(CANARY) })
    const error = yield* Effect.either(Credentials.make({ accessKey: "", secretKey: Redacted.make(CANARY) }))
    assert.isTrue(Either.isLeft(error))
    for (const value of [service, error]) {
      for (const text of [String(value), JSON.stringify(value), inspect(value, { depth: 10 })]) {
        assert.notInclude(text, CANARY)
      }
    }
  }))
