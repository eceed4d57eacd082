/**
 * Clouds: the environments of an account, each with its storage, videos and profiles (contract 5 and 6).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import * as paging from "./internal/paging.js"
import * as wire from "./internal/wire.js"
import * as PandaClient from "./PandaClient.js"
import { path } from "./PandaClient.js"
import { type PandaError, PandaInputError } from "./PandaError.js"

/**
 * A cloud. Attributes that Panda sends beyond these are kept, and encoded again.
 *
 * @since 0.1.0
 * @category models
 */
export interface Cloud extends Schema.Schema.Type<typeof Cloud> {}

/**
 * @since 0.1.0
 * @category schemas
 */
export const Cloud = wire.entity("Cloud", {
  id: wire.id,
  name: wire.text,
  /** Absent where the storage is not Amazon's. */
  s3_videos_bucket: wire.text,
  /** If so, plain URLs of its files do not work. */
  s3_private_access: wire.boolean,
  /** What the path of a file is appended to; ends in `/`. */
  url: wire.text,
  created_at: wire.timestamp,
  updated_at: wire.timestamp
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Filter extends Schema.Schema.Type<typeof Filter> {}

/**
 * @since 0.1.0
 * @category schemas
 */
export const Filter = Schema.Struct(paging.page)

/**
 * One page of the account's clouds. Not in Panda's documentation; its own clients do it.
 *
 * @since 0.1.0
 * @category operations
 */
export const list = (filter: Filter = {}): Effect.Effect<ReadonlyArray<Cloud>, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Clouds.list",
    method: "GET",
    path: path`/clouds.json`,
    params: filter,
    input: Filter,
    result: Schema.Array(Cloud)
  })

/**
 * All clouds of the account, a request for each page as it is pulled.
 *
 * @since 0.1.0
 * @category operations
 */
export const all = (filter: Filter = {}): Stream.Stream<Cloud, PandaError, PandaClient.PandaClient> =>
  paging.paginate(list, filter)

/**
 * @since 0.1.0
 * @category operations
 */
export const find = (id: string): Effect.Effect<Cloud, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({ name: "Clouds.find", method: "GET", path: path`/clouds/${id}.json`, result: Cloud })

/**
 * The cloud that operations work in: that of the credentials, or of `PandaClient.withCloud`.
 *
 * @since 0.1.0
 * @category operations
 */
export const current: Effect.Effect<Cloud, PandaError, PandaClient.PandaClient> = Effect.gen(function*() {
  const { credentials } = yield* PandaClient.PandaClient
  const id = (yield* PandaClient.CurrentCloud) ?? credentials.cloudId
  return yield* id === undefined
    ? new PandaInputError({
      operation: "Clouds.current",
      parameter: "cloudId",
      description: "is not set: give the credentials one, or use PandaClient.withCloud"
    })
    : find(id)
})

/**
 * The storage of a new cloud.
 *
 * @since 0.1.0
 * @category models
 */
export interface Create extends Schema.Schema.Type<typeof Create> {}

/**
 * @since 0.1.0
 * @category schemas
 */
export const Create = Schema.Struct({
  name: Schema.optional(Schema.NonEmptyString),
  s3_videos_bucket: Schema.NonEmptyString,
  aws_access_key: Schema.NonEmptyString,
  aws_secret_key: Schema.Redacted(Schema.NonEmptyString)
})

/**
 * Makes a cloud. Not in Panda's documentation; its own Ruby client does it.
 *
 * @since 0.1.0
 * @category operations
 */
export const create = (params: Create): Effect.Effect<Cloud, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Clouds.create",
    method: "POST",
    path: path`/clouds.json`,
    params,
    input: Create,
    result: Cloud
  })

const del = (id: string): Effect.Effect<void, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Clouds.delete",
    method: "DELETE",
    path: path`/clouds/${id}.json`,
    result: PandaClient.Acknowledged
  })

export {
  /**
   * Deletes a cloud. Not in Panda's documentation; its Python client has it.
   *
   * @since 0.1.0
   * @category operations
   */
  del as delete
}
