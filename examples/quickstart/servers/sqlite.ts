import { constants, DatabaseSync } from 'node:sqlite'
import type { SQLOutputValue, StatementSync } from 'node:sqlite'

/** A value as JSON can carry it: integers beyond 2^53 as text, a blob as lower-case hexadecimal. */
export type Value = string | number | null

/** The answer to a query. */
export interface Table {
  readonly columns: readonly string[]
  readonly rows: readonly Readonly<Record<string, Value>>[]
  /** True when a bound cut the rows off: there are more. */
  readonly truncated: boolean
}

/** A query that is refused; the message is meant for the caller. */
export class QueryError extends Error {
  override readonly name = 'QueryError'
}

const maxRows = 200
const maxResultBytes = 256 * 1024
const heapBytes = 64 * 1024 * 1024
const schemaPragmas = new Set(['table_info', 'table_list', 'index_list', 'index_info', 'foreign_key_list'])

/**
 * Opens a database for reading only. Beside the read-only file, an authorizer allows nothing but SELECT (so no
 * ATTACH of another file) and the pragmas that show the schema, and SQLite's memory is bounded.
 */
export const openReadOnly = (file: string): DatabaseSync => {
  const database = new DatabaseSync(file, {
    readOnly: true,
    allowExtension: false,
    timeout: 1_000,
    limits: { length: 1_000_000, sqlLength: 20_000, attach: 0 },
  })
  database.exec(`PRAGMA temp_store = MEMORY; PRAGMA hard_heap_limit = ${heapBytes}`)
  database.setAuthorizer((action, name) => {
    switch (action) {
      case constants.SQLITE_SELECT:
      case constants.SQLITE_READ:
      case constants.SQLITE_FUNCTION:
      case constants.SQLITE_RECURSIVE:
        return constants.SQLITE_OK
      case constants.SQLITE_PRAGMA:
        return schemaPragmas.has(name ?? '') ? constants.SQLITE_OK : constants.SQLITE_DENY
      default:
        return constants.SQLITE_DENY
    }
  })
  return database
}

/** Runs one SELECT and returns at most 200 rows and 256 KiB. @throws QueryError */
export const runQuery = (database: DatabaseSync, sql: string): Table => {
  try {
    const statement = prepareOne(database, sql)
    statement.setReadBigInts(true)
    statement.setReturnArrays(true)
    return readRows(statement)
  } catch (error) {
    if (error instanceof QueryError) throw error
    const message = error instanceof Error ? error.message : String(error)
    throw new QueryError(
      message === 'not authorized'
        ? 'Not allowed: this database is read-only and takes one SELECT statement.'
        : `SQL error: ${message}`,
    )
  }
}

const prepareOne = (database: DatabaseSync, sql: string): StatementSync => {
  const statement = database.prepare(sql)
  if (statement.columns().length === 0) throw new QueryError('Not a query: write one SELECT statement.')
  // SQLite compiles the first statement and ignores the rest, so ask it whether the rest is one too: a caller must
  // not believe that something ran which did not. `sourceSQL` is exactly the part that was compiled.
  if (hasStatement(database, sql.slice(statement.sourceSQL.length))) {
    throw new QueryError('More than one statement: write one SELECT statement at a time.')
  }
  return statement
}

const hasStatement = (database: DatabaseSync, sql: string): boolean => {
  if (/^[\s;]*$/.test(sql)) return false
  try {
    database.prepare(sql)
    return true
  } catch (error) {
    // Node's own error for text without a statement (comments only); SQLite's errors mean there is one.
    return !(error instanceof Error && 'code' in error && error.code === 'ERR_INVALID_ARG_VALUE')
  }
}

const readRows = (statement: StatementSync): Table => {
  const columns = uniqueNames(statement.columns().map((column) => column.name))
  const rows: Record<string, Value>[] = []
  let bytes = 0
  for (const row of statement.iterate() as Iterable<unknown>) {
    if (!Array.isArray(row)) throw new TypeError('node:sqlite did not return an array')
    const values = (row as readonly SQLOutputValue[]).map(toValue)
    bytes += JSON.stringify(values).length
    if (rows.length === maxRows || bytes > maxResultBytes) return { columns, rows, truncated: true }
    rows.push(Object.fromEntries(columns.map((column, index) => [column, values[index] ?? null])))
  }
  return { columns, rows, truncated: false }
}

/** Two columns may have one name (`SELECT a.id, b.id`): the second becomes `id_2`, so that no value is lost. */
const uniqueNames = (names: readonly string[]): readonly string[] => {
  const taken = new Set<string>()
  for (const name of names) {
    let unique = name
    for (let count = 2; taken.has(unique); count += 1) unique = `${name}_${count}`
    taken.add(unique)
  }
  return [...taken]
}

const toValue = (value: SQLOutputValue): Value => {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString()
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  return value
}
