/** How urgent a log line is. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Facts of a log line. Never secrets, bodies or headers. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

/** Where events for the operator go: a sentence and its facts. */
export type Log = (level: LogLevel, message: string, fields?: LogFields) => void

/** Keeps nothing. */
export const silentLog: Log = () => undefined
