/** Which configuration a command works on. */
export interface ConfigOptions {
  /** Path of the file; undefined means that it is looked for in the working folder. */
  readonly config: string | undefined
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
}

/** Which gateway a command talks to. */
export interface GatewayOptions extends ConfigOptions {
  /** Its URL for clients; undefined means that it is looked for. */
  readonly url: string | undefined
  readonly json: boolean
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
