/** What happens to calls with limits while the shared store does not answer. */
export type StoreFailure = 'local' | 'allow' | 'deny'

/** Where state that replicas share is kept. */
export interface StoreConfig {
  /** URL of a Valkey or Redis server; undefined keeps everything in memory. Secret: it may hold a password. */
  readonly url: string | undefined
  /** Default `local`: counted in memory, with each limit divided by the replicas that were known last. */
  readonly onStoreFailure: StoreFailure
  /** Milliseconds that one command may take. Default 250. */
  readonly timeout: number
  /** What the names of all keys begin with. Default `toolgate`. */
  readonly prefix: string
}
