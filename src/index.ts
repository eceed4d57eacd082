/**
 * The Panda video-encoding API (pandastream.com, REST V2) for Effect programs.
 *
 * @since 0.1.0
 */

/**
 * @since 0.1.0
 */
export * as Clouds from "./Clouds.js"

/**
 * @since 0.1.0
 */
export * as Credentials from "./Credentials.js"

/**
 * @since 0.1.0
 */
export * as Encodings from "./Encodings.js"

/**
 * @since 0.1.0
 */
export * as Notifications from "./Notifications.js"

/**
 * @since 0.1.0
 */
export * as PandaClient from "./PandaClient.js"

/**
 * @since 0.1.0
 */
export * as PandaError from "./PandaError.js"

/**
 * @since 0.1.0
 */
export * as Profiles from "./Profiles.js"

/**
 * @since 0.1.0
 */
export * as Signature from "./Signature.js"

/**
 * @since 0.1.0
 */
export * as Upload from "./Upload.js"

/**
 * @since 0.1.0
 */
export * as UploadSession from "./UploadSession.js"

/**
 * @since 0.1.0
 */
export * as UploadSource from "./UploadSource.js"

/**
 * @since 0.1.0
 */
export * as UploadState from "./UploadState.js"

/**
 * @since 0.1.0
 */
export * as UploadStore from "./UploadStore.js"

/**
 * @since 0.1.0
 */
export * as Videos from "./Videos.js"

/**
 * @since 0.1.0
 */
export * as Webhook from "./Webhook.js"
