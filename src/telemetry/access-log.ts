import type { AccessLevel, AccessLogConfig } from '../config/telemetry-types.ts'
import type { CallObserver } from '../filters/observe.ts'
import type { Clock } from '../pipeline/clock.ts'
import { callEntry, exchangeEntry, isFine } from './access-entry.ts'
import { createJsonLines } from './access-json.ts'
import { type Terminal, createPrettyLines } from './access-pretty.ts'
import type { LineSink } from './log-file.ts'
import type { Redactor } from './redact.ts'

/** What the access log needs. */
export interface AccessLogPorts {
  readonly clock: Clock
  /** A number in [0, 1). */
  readonly random: () => number
  readonly redactor: Redactor
  readonly sink: LineSink
  /** Who reads the destination; undefined where it is no terminal. */
  readonly terminal: Terminal | undefined
}

const RANK: Readonly<Record<AccessLevel, number>> = { info: 0, warn: 1, error: 2 }

/** Creates what writes a line for each call that has ended, and for each HTTP exchange that became none. */
export function createAccessLog(config: AccessLogConfig, ports: AccessLogPorts): CallObserver {
  const { clock, random, redactor, sink, terminal } = ports
  const isPretty = config.format === 'pretty' || (config.format === 'auto' && terminal?.isTTY === true)
  const plain: Terminal = { isTTY: false, columns: 200, color: false }
  const line = isPretty ? createPrettyLines(terminal ?? plain) : createJsonLines({ ...config, redactor })
  const least = RANK[config.level]
  return {
    ended(record, outcome) {
      const { ending, fine } = isFine(outcome)
      const isSlow = record.ended - record.begun >= config.slow
      const isSampled = fine && !isSlow && config.sample < 1
      if ((fine && !isSlow && least > 0) || (isSampled && random() >= config.sample)) return
      const sample = isSampled ? config.sample : undefined
      const entry = callEntry(record, outcome, { ending, sample })
      // Whoever asked for slow calls gets them, whatever level is wanted.
      if (RANK[entry.level] >= least || isSlow) sink.write(line(entry))
    },
    refused(exchange) {
      const entry = exchangeEntry(exchange, clock.wallTime())
      if (RANK[entry.level] >= least) sink.write(line(entry))
    },
  }
}
