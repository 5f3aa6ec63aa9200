import type { BackendConfig, Config } from '../config/types.ts'
import type { CallObserver } from '../filters/observe.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Log } from '../pipeline/log.ts'
import { createAccessLog } from './access-log.ts'
import type { Terminal } from './access-pretty.ts'
import { type LineSink, openLines } from './log-file.ts'
import { createRedactor } from './redact.ts'
import { resourceOf } from './resource.ts'
import { createTracing } from './tracing.ts'

/** The terminals behind the standard streams, where there are any. */
export interface Terminals {
  readonly stdout: Terminal
  readonly stderr: Terminal
}

/** What telling of calls needs. */
export interface CallTellingPorts {
  readonly clock: Clock
  readonly log: Log
  /** A number in [0, 1). */
  readonly random: () => number
  /** Of the gateway. */
  readonly version: string
  /** The backends of the moment. */
  readonly backends: () => readonly BackendConfig[]
  readonly terminals: Terminals | undefined
}

/** Traces and the access log of a gateway. */
export interface CallTelling {
  /** In the order in which they have to be asked; none where nobody wants to know. */
  readonly observers: readonly CallObserver[]
  /** Opens files again that were moved away. */
  reopen(): void
  /** Sends and writes what is left, as long as it takes less than a moment. Never rejects. */
  close(): Promise<void>
}

/**
 * Opens what the configuration wants to be told of calls.
 *
 * @throws UnusableFileError if the file of the access log cannot be written
 */
export function openCallTelling(config: Config, ports: CallTellingPorts): CallTelling {
  const { telemetry } = config
  const { clock, log, random, version, backends, terminals } = ports
  const redactor = createRedactor(telemetry?.redact ?? [])
  const tracing =
    telemetry?.traces &&
    createTracing(telemetry.traces, {
      clock,
      log,
      random,
      version,
      redactor,
      backends,
      resource: resourceOf(config, version),
    })
  const access = telemetry?.accessLog
  const sink: LineSink | undefined = access && openLines(access.to, { clock, log })
  const terminal = access?.to === 'stdout' || access?.to === 'stderr' ? terminals?.[access.to] : undefined
  // Tracing first: the access log says to which trace a call belongs.
  const observers: CallObserver[] = tracing === undefined ? [] : [tracing]
  if (access && sink) observers.push(createAccessLog(access, { clock, random, redactor, sink, terminal }))
  return {
    observers,
    reopen: () => sink?.reopen(),
    async close() {
      await Promise.all([tracing?.close(), sink?.close()])
    },
  }
}
