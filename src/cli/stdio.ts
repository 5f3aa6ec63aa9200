import { once } from 'node:events'
import { requireConfig } from './config-file.ts'
import { CliError, type Io } from './io.ts'
import { createLog } from './log.ts'
import type { StdioOptions } from './options.ts'
import { surround } from './running.ts'

/**
 * `toolgate stdio`: the gateway itself as an MCP server on the standard streams. Ends when the client closes its
 * end (2026-07-28, basic/transports/stdio "Shutdown") or the process is told to stop.
 */
export async function stdioCommand(io: Io, options: StdioOptions): Promise<number> {
  const config = await requireConfig(io, options)
  if (config === undefined) return 1
  if (config.telemetry?.accessLog?.to === 'stdout')
    throw new CliError(
      'the access log cannot go to stdout here: that is where the protocol is spoken',
      'Set telemetry.accessLog.to: stderr, or a file.',
    )
  const { gateway } = await surround(io, config, createLog(config.log, io.stderr))
  const client = gateway.serveStdio(io.raw.stdin, io.raw.stdout)
  // Not waited for: a client may ask at once, and gets what is known.
  void gateway.ready(config.gateway.listDeadline)
  const stopped = io.signal.aborted ? Promise.resolve() : once(io.signal, 'abort')
  await Promise.race([client.done, stopped])
  await gateway.close()
  return 0
}
