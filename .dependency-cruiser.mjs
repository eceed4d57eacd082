/**
 * The rooms of `src`, in the order in which they may import: each from those above it, none from its neighbours. A folder
 * of internal/ stands where its README says who may come in.
 */
const rooms = [
  ["internal/text/url"],
  ["internal/upload/decision"],
  ["internal/browser/"],
  ["browser", "internal/element/"],
  ["browser/element"],
  ["internal/text/", "internal/model/", "internal/layer/", "internal/time/"],
  ["UploadState"],
  ["PandaError"],
  ["Credentials", "UploadSource"],
  ["Signature"],
  ["internal/http/"],
  ["PandaClient"],
  ["Encodings"],
  ["Clouds", "Notifications", "Profiles", "Videos"],
  ["internal/receiving/"],
  ["Webhook"],
  ["internal/store/"],
  ["UploadStore"],
  ["internal/sql/"],
  ["SqlUploadStore"],
  ["UploadSession"],
  ["internal/authorize/"],
  ["Authorize"],
  ["internal/upload/"],
  ["Upload"],
  ["internal/ingest/"],
  ["Ingest"],
  ["internal/encoder/"],
  ["Encoder"],
  ["internal/emulator/"],
  ["PandaEmulator"],
  ["index"]
]

const apart = { "internal/upload/": "decision", "internal/text/": "url" }

/** A room, which of a folder is all but what has a place of its own. */
const room = (name) => name in apart ? `${name}(?!${apart[name]}[.]ts$)` : name.endsWith("/") ? name : `${name}[.]ts$`
const file = (...names) => `^src/(${names.map(room).join("|")})`
/** The command: a program among the library's users, for Node. */
const cli = "^src/cli/"
const library = { path: "^src", pathNot: cli }
const ingest = "^src/(Ingest[.]ts$|internal/ingest/)"
const sql = "^src/(SqlUploadStore[.]ts$|internal/sql/)"
const browser = "^src/(browser[.]ts$|browser/|internal/(browser|element)/)"
/** The names of the presets, which the emulator and its encoder share. */
const preset = "^src/internal/model/preset[.]ts$"
const emulator = "^src/(PandaEmulator[.]ts$|internal/emulator/)"

const forbid = (name, comment, from, to) => ({ name, comment, severity: "error", from, to })

/** @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    forbid("no-cycle", "Types count too.", {}, { circular: true }),
    forbid("resolvable", "The import leads nowhere.", {}, { couldNotResolve: true }),
    forbid("platform-neutral", "src runs everywhere: no node:, no other core module.", library, {
      dependencyTypes: ["core"]
    }),
    forbid("few-packages", "src needs effect, @effect/platform and @noble/hashes.", {
      path: "^src",
      pathNot: [cli, ingest, sql]
    }, {
      path: "node_modules/",
      pathNot: "node_modules/(effect|@effect/platform|@noble/hashes)/"
    }),
    forbid("sql-packages", "A table needs @effect/sql; no driver.", { path: sql }, {
      path: "node_modules/",
      pathNot: "node_modules/(effect|@effect/(platform|sql))/"
    }),
    forbid("sql-apart", "Who imports SqlUploadStore needs its packages.", {
      path: "^src",
      pathNot: [cli, ingest, sql]
    }, { path: sql }),
    forbid("ingest-packages", "Ingest needs the engine too; nothing of what it runs on.", { path: ingest }, {
      path: "node_modules/",
      pathNot: "node_modules/(effect|@effect/(platform|workflow|cluster|rpc|sql|experimental)|@noble/hashes)/"
    }),
    forbid("ingest-apart", "Who imports Ingest needs its packages.", { path: "^src", pathNot: [cli, ingest] }, {
      path: ingest
    }),
    forbid("no-barrel", "Import the module: `import * as Effect from \"effect/Effect\"`.", { path: "^src" }, {
      path: "node_modules/(effect|@effect/platform)/dist/esm/index[.]js"
    }),
    forbid("src-alone", "src imports src.", { path: "^src" }, { path: "^(test|examples)/" }),
    forbid(
      "src-relative",
      "Paths of tsconfig.json do not survive the build: import \"./Videos.js\".",
      { path: "^src" },
      {
        dependencyTypes: ["aliased"]
      }
    ),
    forbid("cli-alone", "The command is bundled: nothing imports it.", { path: "^(src|examples)/", pathNot: cli }, {
      path: cli
    }),
    forbid("cli-as-users", "The command uses the library as others do.", { path: cli }, { path: "^src/internal/" }),
    forbid("examples-as-users", "An example imports what a user can: effect-panda.", { path: "^examples" }, {
      path: "^src",
      dependencyTypesNot: ["aliased-tsconfig"]
    }),
    forbid("index-without-emulator", "The emulator has its own subpath.", library, {
      path: file("PandaEmulator")
    }),
    forbid(
      "emulator-alone",
      "The emulator verifies the client, so it shares with it only Signature and models.",
      { path: emulator },
      {
        path: "^src",
        pathNot: [emulator, preset, file("Signature", "UploadState", "Encoder", "PandaClient", "Credentials")]
      }
    ),
    forbid("emulator-core", "Only PandaEmulator.layerTest knows the client.", { path: "^src/internal/emulator/" }, {
      path: file("PandaClient", "Credentials")
    }),
    forbid("emulator-hidden", "Only PandaEmulator uses its parts.", { path: "^src", pathNot: emulator }, {
      path: "^src/internal/emulator/"
    }),
    forbid("encoder-hidden", "Only Encoder uses its parts.", {
      path: "^src",
      pathNot: ["^src/internal/encoder/", file("Encoder")]
    }, { path: "^src/internal/encoder/" }),
    forbid(
      "encoder-alone",
      "An encoder knows files and profiles, and nothing of Panda.",
      { path: "^src/(Encoder[.]ts$|internal/encoder/)" },
      { path: "^src", pathNot: ["^src/(Encoder[.]ts$|internal/encoder/)", "^src/internal/text/", preset] }
    ),
    forbid(
      "upload-hidden",
      "internal/upload is the inside of Upload and UploadSession; its decision.ts is for whoever needs a rule.",
      { path: "^src", pathNot: ["^src/internal/upload/", file("Upload", "UploadSession"), ingest] },
      { path: "^src/internal/upload/", pathNot: "^src/internal/upload/decision[.]ts$" }
    ),
    forbid("ingest-uploads", "Of internal/upload ingestions share the bandwidth.", { path: ingest }, {
      path: "^src/internal/upload/",
      pathNot: "^src/internal/upload/bandwidth[.]ts$"
    }),
    forbid(
      "store-hidden",
      "internal/store is the inside of UploadStore and SqlUploadStore.",
      { path: "^src", pathNot: ["^src/internal/store/", file("UploadStore", "SqlUploadStore")] },
      { path: "^src/internal/store/" }
    ),
    forbid(
      "decision-alone",
      "The browser's uploader uses this file as it is: it imports nothing but what reads addresses.",
      { path: "^src/internal/upload/decision[.]ts$" },
      { pathNot: "^src/internal/text/url[.]ts$" }
    ),
    forbid(
      "browser-alone",
      "The uploader for pages is without Effect and without a dependency: of src it shares what decides.",
      { path: browser },
      {
        path: "^src|node_modules/",
        pathNot: [browser, "^src/internal/upload/decision[.]ts$", "^src/internal/text/url[.]ts$"]
      }
    ),
    forbid("authorize-hidden", "internal/authorize is the inside of Authorize.", {
      path: "^src",
      pathNot: ["^src/internal/authorize/", file("Authorize")]
    }, { path: "^src/internal/authorize/" }),
    forbid("receiving-hidden", "internal/receiving is for what others post to.", {
      path: "^src",
      pathNot: ["^src/internal/(receiving|authorize)/", file("Webhook", "Authorize")]
    }, { path: "^src/internal/receiving/" }),
    forbid("browser-apart", "A page's uploader is for pages.", { path: "^src", pathNot: [cli, browser] }, {
      path: browser
    }),
    forbid(
      "known-room",
      "A new room takes its place in the list of rooms in .dependency-cruiser.mjs.",
      { path: "^src/", pathNot: [cli, file(...rooms.flat())] },
      {}
    ),
    ...rooms.slice(0, -1).flatMap((names, level) =>
      names.map((name) =>
        forbid(
          `one-way-${name.replaceAll("/", "-")}`,
          "Imports run one way: see the list of rooms in .dependency-cruiser.mjs.",
          { path: file(name) },
          { path: file(...rooms.slice(level).flat().filter((other) => other !== name)) }
        )
      )
    )
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default"] }
  }
}
