import pino from 'pino'
import type { LogConfig } from '../config/types.ts'
import type { Log, LogLevel } from '../pipeline/log.ts'
import type { Output } from './io.ts'
import { paint, printable } from './text.ts'

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 }

/**
 * The gateway's log for its operator, on stderr: stdout belongs to what a command prints or, with `toolgate stdio`,
 * to the protocol. JSON lines unless a person watches.
 */
export function createLog(config: LogConfig, output: Output): Log {
  const pretty = config.format === 'pretty' || (config.format === 'auto' && output.isTTY)
  return pretty ? prettyLog(config.level, output) : jsonLog(config.level, output)
}

function jsonLog(level: LogLevel, output: Output): Log {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => output.write(line) },
  )
  return (lineLevel, message, fields) => logger[lineLevel](fields ?? {}, message)
}

const COLOR = { debug: 'dim', info: 'green', warn: 'yellow', error: 'red' } as const

function prettyLog(level: LogLevel, output: Output): Log {
  return (lineLevel, message, fields) => {
    if (RANK[lineLevel] < RANK[level]) return
    const facts = Object.entries(fields ?? {})
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${printable(String(value))}`)
      .join(' ')
    const time = new Date().toTimeString().slice(0, 8)
    output.write(
      `${paint(output, 'dim', time)} ${paint(output, COLOR[lineLevel], lineLevel.padEnd(5))} ${printable(message)} ${paint(output, 'dim', facts)}\n`,
    )
  }
}
