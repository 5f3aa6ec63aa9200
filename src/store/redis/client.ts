import { createHash } from 'node:crypto'
import { Redis } from 'ioredis'
import type { Script } from './scripts.ts'

/** All that is needed of a client of Valkey or Redis. */
export interface RedisClient {
  /**
   * Runs a script atomically, in one round trip once the server knows it.
   *
   * @throws Error, at once while there is no connection and otherwise after the timeout
   */
  run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>
  /** Begins to connect; settles when the first attempt has come to an end, and never rejects. */
  connected(): Promise<void>
  close(): void
}

/** Where the server is, and how long it may take. */
export interface RedisOptions {
  /** May hold a password: never logged, and in no error. */
  readonly url: string
  /** Milliseconds that one command may take. */
  readonly timeout: number
}

/** Milliseconds of silence after which a connection is given up; signs of life are asked for more often than that. */
const SILENCE = 10_000
const CONNECT_TIMEOUT = 3000
const LONGEST_PAUSE = 1000

/** Creates a client that connects when it is told to, and from then on again and again. Nothing is queued while there is no connection. */
export function connectRedis({ url, timeout }: RedisOptions): RedisClient {
  const redis = new Redis(url, {
    lazyConnect: true,
    commandTimeout: timeout,
    connectTimeout: CONNECT_TIMEOUT,
    socketTimeout: SILENCE,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    enableReadyCheck: true,
    // After a failover the same name may lead to another server.
    reconnectOnError: ({ message }) => message.startsWith('READONLY'),
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 10), LONGEST_PAUSE),
  })
  let failure: Error | undefined
  redis.on('ready', () => {
    failure = undefined
  })
  redis.on('error', (error: Error) => {
    failure = error
  })
  const digests = new Map<Script, string>()
  return {
    async run(script, keys, args) {
      let digest = digests.get(script)
      if (digest === undefined) {
        digest = createHash('sha1').update(script.text).digest('hex')
        digests.set(script, digest)
      }
      try {
        return await redis.evalsha(digest, keys.length, ...keys, ...args)
      } catch (error) {
        if (error instanceof Error && error.message.startsWith('NOSCRIPT'))
          return redis.eval(script.text, keys.length, ...keys, ...args)
        // Without a connection the library only says that it cannot write; why there is none says more.
        throw redis.status === 'ready' ? error : (failure ?? error)
      }
    },
    connected: () => redis.connect().catch(() => undefined),
    close: () => redis.disconnect(),
  }
}
