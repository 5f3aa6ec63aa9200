import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { QueryMessage } from './query-process.ts'
import { QueryError } from './sqlite.ts'
import type { Table } from './sqlite.ts'

/** Runs queries one after another in a process of their own. */
export interface QueryRunner {
  /**
   * Runs one query, at most `timeoutMs` long; the signal ends it early.
   * @throws QueryError when it is refused, cancelled, takes too long, or too many are waiting
   */
  readonly query: (sql: string, signal: AbortSignal) => Promise<Table>
  /** Ends the process at once. */
  readonly close: () => void
}

/** Options of `createQueryRunner`. */
export interface QueryRunnerOptions {
  /** Path of the SQLite file. */
  readonly file: string
  /** Longest time of one query in milliseconds. */
  readonly timeoutMs: number
  /** Queries that may wait or run at the same time; one more is refused. */
  readonly maxPending: number
}

const processFile = fileURLToPath(new URL('query-process.ts', import.meta.url))

/** Creates a runner; its process starts with the first query and again after one that had to be killed. */
export const createQueryRunner = ({ file, timeoutMs, maxPending }: QueryRunnerOptions): QueryRunner => {
  let child: ChildProcess | undefined
  let pending = 0
  let previous: Promise<unknown> = Promise.resolve()

  const runOne = async (sql: string, signal: AbortSignal): Promise<Table> => {
    if (signal.aborted) throw new QueryError('The query was cancelled.')
    child = await running(child, file)
    const answered = nextMessage(child, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]))
    child.send(sql)
    try {
      const message = await answered
      if (message.type === 'table') return message.table
      throw new QueryError(message.type === 'refused' ? message.message : 'The database did not answer.')
    } catch (error) {
      if (error instanceof QueryError) throw error
      child.kill('SIGKILL')
      child = undefined
      if (signal.aborted) throw new QueryError('The query was cancelled.')
      throw new QueryError(`The query was ended after ${timeoutMs} ms. Narrow it with WHERE or LIMIT.`)
    }
  }

  return {
    query: async (sql, signal) => {
      if (pending >= maxPending)
        throw new QueryError('The database is busy: too many queries wait. Try again.')
      pending += 1
      const result = previous.then(async () => runOne(sql, signal))
      previous = result.catch(() => {})
      return result.finally(() => {
        pending -= 1
      })
    },
    close: () => child?.kill('SIGKILL'),
  }
}

const running = async (child: ChildProcess | undefined, file: string): Promise<ChildProcess> => {
  if (child?.connected === true) return child
  const started = fork(processFile, [file], { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const message = await nextMessage(started, AbortSignal.timeout(10_000)).catch(() => undefined)
  if (message?.type === 'ready') return started
  started.kill('SIGKILL')
  throw new QueryError('The database cannot be opened; the log of the server says why.')
}

/** The next message of the process; rejects when the signal fires or the process ends first. */
const nextMessage = async (child: ChildProcess, signal: AbortSignal): Promise<QueryMessage> => {
  const settled = new AbortController()
  const either = AbortSignal.any([signal, settled.signal])
  try {
    const ended = once(child, 'exit', { signal: either }).then(() => {
      throw new QueryError('The database process ended.')
    })
    const answered = once(child, 'message', { signal: either }).then(([message]) => message as QueryMessage)
    return await Promise.race([answered, ended])
  } finally {
    settled.abort()
  }
}
