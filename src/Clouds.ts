/**
 * Clouds: the environments of an account, each with its storage, videos and profiles.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_clouds.md
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as entity from "./internal/model/entity.js"
import * as paging from "./internal/model/paging.js"
import * as wire from "./internal/model/wire.js"
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
 * A cloud as Panda's JSON has it.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_clouds.md
 * @since 0.1.0
 * @category schemas
 */
export const Cloud = wire.entity("Cloud", { id: wire.id }, {
  name: wire.text,
  /** Absent where the storage is not Amazon's. */
  s3_videos_bucket: wire.text,
  /** If so, plain URLs of its files do not work. */
  s3_private_access: wire.boolean,
  /** What the path of a file is appended to; ends in `/`. */
  url: wire.url,
  created_at: wire.timestamp,
  updated_at: wire.timestamp
})

/**
 * Which page of clouds to list.
 *
 * @since 0.1.0
 * @category models
 */
export interface Filter extends Schema.Schema.Type<typeof Filter> {}

/**
 * `Filter` as it is checked before it is sent: pages from 1, at most 100 on a page.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_clouds.md
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
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_clouds.md
 * @since 0.1.0
 * @category operations
 */
export const all = (filter: Filter = {}): Stream.Stream<Cloud, PandaError, PandaClient.PandaClient> =>
  paging.paginate(list, filter)

/**
 * A cloud by its id. `PandaNotFound` if the account has none with that id.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_clouds.md
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
export const current: Effect.Effect<Cloud, PandaError, PandaClient.PandaClient> = Effect.suspend(() =>
  Effect.flatMap(currentId("Clouds.current"), find)
)

const currentId = (operation: string): Effect.Effect<string, PandaInputError, PandaClient.PandaClient> =>
  Effect.gen(function*() {
    const { credentials } = yield* PandaClient.PandaClient
    const id = (yield* PandaClient.CurrentCloud) ?? credentials.cloudId
    return id?.trim() || (yield* new PandaInputError({
      operation,
      parameter: "cloudId",
      description: "is not set: give the credentials one (PANDA_CLOUD_ID), or use PandaClient.withCloud"
    }))
  })

/**
 * The storage of a new cloud.
 *
 * @since 0.1.0
 * @category models
 */
export interface Create extends Schema.Schema.Type<typeof Create> {}

/**
 * `Create` as it is checked before it is sent.
 *
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

/**
 * What of a cloud can be changed; what is left out stays as it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Update extends Schema.Schema.Type<typeof Update> {}

/**
 * `Update` as it is checked before it is sent.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Update = Schema.Struct({
  name: Schema.optional(Schema.NonEmptyString),
  s3_videos_bucket: Schema.optional(Schema.NonEmptyString),
  aws_access_key: Schema.optional(Schema.NonEmptyString),
  aws_secret_key: Schema.optional(Schema.Redacted(Schema.NonEmptyString)),
  /** 2 to 200, lower first; Panda's default is 99. */
  priority: Schema.optional(Schema.Int.pipe(Schema.between(2, 200)))
})

/**
 * Changes a cloud.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_clouds.md
 * @since 0.1.0
 * @category operations
 */
export const update = (
  cloud: entity.Ref,
  params: Update
): Effect.Effect<Cloud, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Clouds.update",
    method: "PUT",
    path: path`/clouds/${entity.idOf(cloud)}.json`,
    params,
    input: Update,
    result: Cloud
  })

/**
 * Sends what has changed of a cloud, its name or its bucket, and gives the cloud as it is then. Sends nothing at all if
 * nothing of that has changed, and gives `before`.
 *
 * @since 0.1.0
 * @category operations
 */
export const save = (before: Cloud, after: Cloud): Effect.Effect<Cloud, PandaError, PandaClient.PandaClient> => {
  const changes = entity.changes({ name: wire.text, s3_videos_bucket: wire.text }, before, after)
  // What is gone is null, which Panda does not take; `update` says so.
  return Object.keys(changes).length === 0 ? Effect.succeed(before) : update(before, changes as Update)
}

/**
 * Gives a cloud, the current one if no other is named, the bucket to store in and the keys to do so.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_clouds.md
 * @since 0.1.0
 * @category operations
 */
export const setupBucket = (
  params: Omit<Create, "name">,
  cloud?: entity.Ref
): Effect.Effect<Cloud, PandaError, PandaClient.PandaClient> =>
  Effect.flatMap(
    cloud === undefined ? currentId("Clouds.setupBucket") : Effect.succeed(entity.idOf(cloud)),
    (id) =>
      PandaClient.request({
        name: "Clouds.setupBucket",
        method: "PUT",
        path: path`/clouds/${id}.json`,
        params,
        input: Create.omit("name"),
        result: Cloud
      })
  )

const del = (cloud: entity.Ref): Effect.Effect<void, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Clouds.delete",
    method: "DELETE",
    path: path`/clouds/${entity.idOf(cloud)}.json`,
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

/**
 * The cloud as it is now.
 *
 * @since 0.1.0
 * @category operations
 */
export const reload = (cloud: Cloud): Effect.Effect<Cloud, PandaError, PandaClient.PandaClient> => find(cloud.id)

/**
 * The newest cloud.
 *
 * @since 0.1.0
 * @category operations
 */
export const first = (
  filter: Filter = {}
): Effect.Effect<Option.Option<Cloud>, PandaError, PandaClient.PandaClient> => entity.first(list, filter)

/**
 * All clouds for which the predicate holds.
 *
 * @since 0.1.0
 * @category operations
 */
export const where = (
  predicate: Predicate.Predicate<Cloud>,
  filter: Filter = {}
): Stream.Stream<Cloud, PandaError, PandaClient.PandaClient> => Stream.filter(all(filter), predicate)

/**
 * The cloud as Panda writes it, with all its attributes.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toJson: (cloud: Cloud, indent?: number) => string = entity.toJson(Cloud)

/**
 * The cloud without its id.
 *
 * @since 0.1.0
 * @category conversions
 */
export const dup: (cloud: Cloud) => Omit<Cloud, "id"> = entity.dup

/**
 * The attributes of a cloud that could not be read as what they should be, by their names: each is `undefined` in the
 * cloud, is here as it was received, and goes back so by `toJson`, unless it was given another value.
 *
 * @since 0.2.0
 * @category conversions
 */
export const unreadable: (cloud: Cloud) => { readonly [attribute: string]: unknown } = wire.unreadable
