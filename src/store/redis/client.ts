import { createHash } from 'node:crypto'
import type { Redis } from 'ioredis'
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

/**
 * Creates a client that connects when it is told to, and from then on again and again. Nothing is queued while there is no
 * connection. The library is only loaded then: most gateways have no such server.
 */
export function connectRedis(options: RedisOptions): RedisClient {
  const digests = new Map<Script, string>()
  let redis: Redis | undefined
  let failure: Error | undefined
  let isClosed = false
  return {
    async run(script, keys, args) {
      if (redis === undefined) throw failure ?? new Error('There is no connection yet')
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
    async connected() {
      const opened = await openRedis(options).catch((error: unknown) => {
        failure = new Error('The client of the store cannot be loaded', { cause: error })
      })
      if (opened === undefined || isClosed) return
      redis = opened.on('ready', () => (failure = undefined)).on('error', (error: Error) => (failure = error))
      await redis.connect().catch(() => undefined)
    },
    close() {
      isClosed = true
      redis?.disconnect()
    },
  }
}

async function openRedis({ url, timeout }: RedisOptions): Promise<Redis> {
  const library = await import('ioredis')
  restoreStringMethods()
  return new library.Redis(url, {
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
}

/**
 * A class of the library extends String, which puts `String.prototype` into a form from which V8 inlines no method of any
 * string in the whole process: calls execute a tenth more. It goes back once a string object is asked often enough.
 */
function restoreStringMethods(): void {
  const text = Object('') as string
  const ask = (object: string): unknown => object.at(0)
  for (let times = 0; times < 100; times++) ask(text)
}
