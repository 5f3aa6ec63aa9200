/** A proxy that runs and forwards to the backend. */
export interface RunningProxy {
  readonly kind: 'running'
  /** Where the load generator POSTs the call. */
  readonly url: string
  /** Credentials that every call carries. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The process whose CPU time (with its threads and descendants) is measured; none where nothing stands between. */
  readonly pid: number | undefined
  readonly stop: () => Promise<void>
}

/** A proxy that cannot be measured on this machine, and why. */
export interface SkippedProxy {
  readonly kind: 'skipped'
  readonly reason: string
}

/** One way to get a call to the backend: one file in `bench/proxies/` that exports `proxy`. */
export interface Proxy {
  /** Name in the output. */
  readonly name: string
  /** Place within a round, least first. Default 50. */
  readonly order?: number
  /**
   * Starts the proxy in front of the backend.
   *
   * @param backendUrl where the backend serves MCP, for example `http://127.0.0.1:4711/mcp`
   * @param workdir an empty directory for configuration and state, removed afterwards
   * @throws Error if it should run here and does not: the run then fails, unlike with {@link SkippedProxy}
   */
  readonly start: (backendUrl: string, workdir: string) => Promise<RunningProxy | SkippedProxy>
}
