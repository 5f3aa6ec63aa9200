import { once } from 'node:events'
import type { BackendReport } from '../admin/backend-report.ts'
import { requireConfig } from './config-file.ts'
import { CliError, type Io } from './io.ts'
import { createLog } from './log.ts'
import type { ServeOptions } from './options.ts'
import { backendDocument, openAdmin, reasonFor, surround } from './running.ts'
import { duration, oneLine, paint, table } from './text.ts'

/** Milliseconds that slow backends get before the gateway says that it is ready without them. */
const READY_DEADLINE = 10_000

/** `toolgate serve`: runs the gateway until it is told to stop. */
export async function serveCommand(io: Io, options: ServeOptions): Promise<number> {
  const config = await requireConfig(io, options)
  if (config === undefined) return 1
  const log = createLog(config.log, io.stderr)
  const { gateway, stateDir } = await surround(io, config, log)
  io.onHangup(() => {
    log('info', 'log files are opened again')
    gateway.reopen()
  })
  const listener = await gateway.listen().catch((error: unknown) => {
    throw cannotListen(error, `${config.gateway.listen.host}:${config.gateway.listen.port}`)
  })
  const host = listener.host.includes(':') ? `[${listener.host}]` : listener.host
  const url = `http://${host}:${listener.port}/mcp`
  const admin = await openAdmin(io, { gateway, stateDir, config, url }, log)
  const stopped = io.signal.aborted ? Promise.resolve() : once(io.signal, 'abort')
  const ready = gateway.ready(READY_DEADLINE)
  await Promise.race([ready, stopped])
  if (!io.signal.aborted) {
    const { environment } = config
    const started = { url, environment, admin: admin?.url, backends: gateway.report() }
    io.stdout.write(options.json ? readyLine(started) : banner(io, started))
  }
  await stopped
  if (!options.json) io.stderr.write('Stopping: calls in flight may finish.\n')
  await gateway.close()
  await admin?.close()
  await ready
  return 0
}

function cannotListen(error: unknown, address: string): CliError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE') {
    return new CliError(
      `${address} is in use by another program`,
      'Set another gateway.listen, or end that program.',
    )
  }
  if (code === 'EACCES')
    return new CliError(`not allowed to listen on ${address}`, 'Choose a port above 1023.')
  return new CliError(
    `cannot listen on ${address}: ${error instanceof Error ? error.message : String(error)}`,
  )
}

interface Started {
  readonly url: string
  readonly environment: string | undefined
  readonly admin: string | undefined
  readonly backends: readonly BackendReport[]
}

/** What a program wants to know at the start. */
function readyLine({ url, environment, admin, backends }: Started): string {
  const about = { url, ...(environment === undefined ? {} : { environment }), admin: admin ?? null }
  return `${JSON.stringify({ event: 'ready', ...about, backends: backends.map(backendDocument) })}\n`
}

/** What a person wants to know at the start: where to connect, and how each backend is. */
function banner(io: Io, started: Started): string {
  const { stdout } = io
  const rows = started.backends.map((backend) => [
    backend.name,
    backend.identity?.era ?? '-',
    backend.transport,
    backend.tools === undefined ? '-' : String(backend.tools),
    condition(backend),
  ])
  const up = started.backends.filter((backend) => backend.condition.state === 'up').length
  const lines = [
    `${paint(stdout, 'bold', 'Toolgate')} ${io.version}  ${started.url}`,
    ...(started.environment === undefined
      ? []
      : [paint(stdout, 'dim', `environment ${started.environment}`)]),
    ...(started.admin === undefined ? [] : [paint(stdout, 'dim', `admin ${started.admin}`)]),
    '',
    table([['backend', 'era', 'transport', 'tools', 'state'], ...rows], stdout).trimEnd(),
    '',
    `${up} of ${started.backends.length} backends up. Ctrl-C stops.`,
  ]
  return `${lines.join('\n')}\n`
}

function condition(backend: BackendReport): string {
  switch (backend.condition.state) {
    case 'up':
      return backend.readyAfter === undefined ? 'up' : `ready in ${duration(backend.readyAfter)}`
    case 'connecting':
      return 'still connecting'
    case 'down':
      return `down: ${oneLine(reasonFor(backend.condition) ?? '', 200)}`
  }
}
