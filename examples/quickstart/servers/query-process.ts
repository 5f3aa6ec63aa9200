// The process in which queries run: forked by query-runner.ts, never started by hand.
// node:sqlite is synchronous and a running query cannot be interrupted, so it runs in a thread of a process that its
// parent can kill. The main thread stays free to notice that the parent is gone, even during an endless query.
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { openReadOnly, QueryError, runQuery } from './sqlite.ts'
import type { Table } from './sqlite.ts'

/** What the process sends: once that it is ready, then one answer for each query. */
export type QueryMessage =
  | { readonly type: 'ready' }
  | { readonly type: 'table'; readonly table: Table }
  | { readonly type: 'refused'; readonly message: string }

const relay = (): void => {
  const thread = new Worker(new URL(import.meta.url), { argv: process.argv.slice(2) })
  thread.on('message', (message: unknown) => process.send?.(message))
  thread.on('error', (error: unknown) => {
    console.error('database:', error)
    process.exit(1)
  })
  process.on('message', (sql) => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    thread.postMessage(sql)
  })
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
  // Ctrl-C reaches every process of the terminal; this one ends with its parent.
  process.on('SIGINT', () => {})
}

const serveQueries = (port: NonNullable<typeof parentPort>): void => {
  const database = openReadOnly(process.argv[2] ?? '')
  const send = (message: QueryMessage): void => port.postMessage(message)
  port.on('message', (sql: unknown) => {
    try {
      send({ type: 'table', table: runQuery(database, String(sql)) })
    } catch (error) {
      if (!(error instanceof QueryError)) throw error
      send({ type: 'refused', message: error.message })
    }
  })
  send({ type: 'ready' })
}

if (isMainThread) relay()
else if (parentPort !== null) serveQueries(parentPort)
