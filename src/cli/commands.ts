/** All commands, in the order in which help lists them. */
import { type Group, group } from "./command.js"
import * as clouds from "./commands/clouds.js"
import { completions } from "./commands/completions.js"
import { demo } from "./commands/demo.js"
import { doctor } from "./commands/doctor.js"
import { emulator } from "./commands/emulator.js"
import * as encodings from "./commands/encodings.js"
import { help } from "./commands/help.js"
import { ingest } from "./commands/ingest.js"
import { login } from "./commands/login.js"
import * as notifications from "./commands/notifications.js"
import * as profiles from "./commands/profiles.js"
import { request } from "./commands/request.js"
import { sign } from "./commands/sign.js"
import { upload } from "./commands/upload.js"
import * as uploads from "./commands/uploads.js"
import * as videos from "./commands/videos.js"
import * as webhooks from "./commands/webhooks.js"

export const root: Group = group("effect-panda", "Everything that one does with Panda, from a terminal", [
  upload,
  ingest,
  uploads.commands,
  videos.commands,
  encodings.commands,
  profiles.commands,
  clouds.commands,
  notifications.commands,
  webhooks.commands,
  sign,
  request,
  doctor,
  login,
  emulator,
  demo,
  completions(() => root),
  help(() => root)
])
