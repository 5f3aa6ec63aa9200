/** Which configuration a command works on. */
export interface ConfigOptions {
  /** Paths of files and folders, later over earlier; empty means that one file is looked for in the working folder. */
  readonly config: readonly string[]
  /** Which of its environments; undefined means the one of the environment variables, or the default. */
  readonly env: string | undefined
}

/** Options of `toolgate serve`. */
export interface ServeOptions extends ConfigOptions {
  /** Print events as JSON lines instead of text for people. */
  readonly json: boolean
}

/** Options of `toolgate stdio`. */
export type StdioOptions = ConfigOptions

/** Options of `toolgate check`. */
export interface CheckOptions extends ConfigOptions {
  readonly json: boolean
  /** Connect to the backends, and say what only they know. */
  readonly connect: boolean
  /** Say where the value at this path and those beneath it come from, instead of what the configuration would do. */
  readonly explain: string | undefined
}

/** Options of `toolgate can`. */
export interface CanOptions extends ConfigOptions {
  /** A subject, `anonymous`, or a JSON object with the members of a principal. */
  readonly principal: string
  /** A tool or prompt as rules write it, or the URI of a resource. */
  readonly thing: string
  readonly kind: 'tool' | 'prompt' | 'resource'
  /** Whose resource it is. */
  readonly backend: string | undefined
  readonly route: string | undefined
  readonly scopes: readonly string[]
  readonly groups: readonly string[]
  readonly tenant: string | undefined
  readonly client: string | undefined
  readonly issuer: string | undefined
  /** Claims as a JSON object. */
  readonly claims: string | undefined
  /** `name=true` or `name=false` each. */
  readonly annotations: readonly string[]
  /** `name=value` each. */
  readonly arg: readonly string[]
  readonly argsJson: string | undefined
  readonly json: boolean
}

/** Which gateway a command talks to. */
export interface GatewayOptions extends ConfigOptions {
  /** Its URL for clients; undefined means that it is looked for. */
  readonly url: string | undefined
  readonly json: boolean
}

/** Options of `toolgate status`. */
export interface StatusOptions extends GatewayOptions {
  /** Milliseconds after which it is shown again, until Ctrl-C; undefined shows it once. */
  readonly watch: number | undefined
}

/** Options of `toolgate call`. */
export interface CallOptions extends GatewayOptions {
  /** `name=value` each, typed by the tool's input schema. */
  readonly arg: readonly string[]
  /** All arguments as one JSON object; `arg` overrides its members. */
  readonly argsJson: string | undefined
}

/** Options of `toolgate import`. */
export interface ImportOptions {
  /** A file to read instead of those of the clients. */
  readonly file: string | undefined
  /** Read only the files of this client. */
  readonly from: string | undefined
  /** Where to write; undefined means stdout. */
  readonly output: string | undefined
  readonly force: boolean
  readonly dryRun: boolean
}

/** Which API keys a command works on. */
export interface KeysOptions extends ConfigOptions {
  /** Absolute path of the file of keys, instead of the one that the configuration says. */
  readonly file: string | undefined
  readonly json: boolean
}

/** Options of `toolgate keys create`. */
export interface CreateKeyOptions extends KeysOptions {
  readonly name: string
  readonly scopes: readonly string[]
  readonly groups: readonly string[]
  readonly tenant: string | undefined
  /** A time from now (`90d`), an instant, or `never`. */
  readonly expires: string
  /** Absolute path of the file with the key that requests have to be signed with; undefined asks for no signatures. */
  readonly signatureKey: string | undefined
  /** Print an entry for the configuration instead of storing one. */
  readonly inline: boolean
}

/** Options of `toolgate keys revoke`. */
export interface RevokeKeyOptions extends KeysOptions {
  /** Name, id, or the key itself. */
  readonly wanted: string
}

/** Options of `toolgate pin`. */
export interface PinOptions extends ConfigOptions {
  /** Only these; empty means all. */
  readonly backends: readonly string[]
  /** Approve without asking. */
  readonly yes: boolean
  /** Write nothing; exit code 1 if anything differs. */
  readonly check: boolean
  readonly json: boolean
}
