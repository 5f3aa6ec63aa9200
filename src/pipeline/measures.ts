/** A session of the legacy era that has ended. */
export interface EndedSession {
  /** `server`: of a client of ours. `client`: at a backend. */
  readonly side: 'server' | 'client'
  /** The revision that was negotiated. */
  readonly version: string
  readonly transport: 'http' | 'stdio'
  /** Milliseconds that it lasted. */
  readonly lasted: number
  /** Of the `client` side: where it was. */
  readonly backend?: string
  /** Code of the error that ended it; undefined where it ended as it should. */
  readonly error?: string | undefined
}

/** One command of the shared store that was answered, or was not. */
export interface StoreOperation {
  readonly operation: 'take' | 'beat'
  /** Milliseconds. */
  readonly lasted: number
  readonly failed: boolean
}

/** Takes how long things lasted that are no calls. Never throws, never waits. */
export interface Measures {
  sessionEnded(session: EndedSession): void
  storeAnswered(operation: StoreOperation): void
}
