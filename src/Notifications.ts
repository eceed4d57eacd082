/**
 * What a cloud reports, and to which url: one setting for each cloud. What is then sent, see
 * `Webhook`.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_notifications.md
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as wire from "./internal/model/wire.js"
import * as PandaClient from "./PandaClient.js"
import { path } from "./PandaClient.js"
import type { PandaError } from "./PandaError.js"

/**
 * The setting. A `url` that Panda shows as null, as empty text or as the word `null` is none.
 *
 * @since 0.1.0
 * @category models
 */
export interface Notifications extends Schema.Schema.Type<typeof Notifications> {}

/**
 * The setting as Panda's JSON has it.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_notifications.md
 * @since 0.1.0
 * @category schemas
 */
export const Notifications = wire.entity("Notifications", {}, {
  url: wire.url,
  /** Seconds before the first attempt. */
  delay: wire.number,
  events: wire.nested(wire.entity("NotificationEvents", {}, {
    video_created: wire.boolean,
    video_encoded: wire.boolean,
    encoding_progress: wire.boolean,
    encoding_completed: wire.boolean
  }))
})

/**
 * The attributes of the setting, or of its `events`, that could not be read as what they should be, by their names: each
 * is `undefined` there, and here as it was received.
 *
 * @since 0.2.0
 * @category conversions
 */
export const unreadable: (
  setting: Notifications | NonNullable<Notifications["events"]>
) => { readonly [attribute: string]: unknown } = wire.unreadable

/**
 * What to change; what is left out stays as it is.
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
  /** `null` for none. */
  url: Schema.optional(Schema.NullOr(Schema.NonEmptyString)),
  /** Seconds before the first attempt. */
  delay: Schema.optional(Schema.NonNegativeInt),
  events: Schema.optional(Schema.Struct({
    video_created: Schema.optional(Schema.Boolean),
    video_encoded: Schema.optional(Schema.Boolean),
    encoding_progress: Schema.optional(Schema.Boolean),
    encoding_completed: Schema.optional(Schema.Boolean)
  }))
})

/**
 * The cloud's setting.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_notifications.md
 * @since 0.1.0
 * @category operations
 */
export const get: Effect.Effect<Notifications, PandaError, PandaClient.PandaClient> = PandaClient.request({
  name: "Notifications.get",
  method: "GET",
  path: path`/notifications.json`,
  result: Notifications
})

/**
 * Changes the cloud's setting and gives it as it is then.
 *
 * @see https://github.com/pandastream/slate/blob/3ade13b/source/includes/api_notifications.md
 * @since 0.1.0
 * @category operations
 */
export const update = (params: Update): Effect.Effect<Notifications, PandaError, PandaClient.PandaClient> =>
  PandaClient.request({
    name: "Notifications.update",
    method: "PUT",
    path: path`/notifications.json`,
    params,
    input: Update,
    result: Notifications
  })
