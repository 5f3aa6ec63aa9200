import { z } from 'zod'
import { askAdmin, requireRunning } from './admin.ts'
import { parseValue } from '../protocol/value.ts'
import { toolList } from './connect.ts'
import { INTEGRITY, LOCK, renderIntegrity } from './integrity-text.ts'
import { CliError, type Io } from './io.ts'
import type { GatewayOptions } from './options.ts'
import { duration, oneLine, paint, table } from './text.ts'

const HEALTH = {
  state: z.string(),
  reason: z.string().nullish(),
  since: z.string().nullish(),
  latencyMs: z.number().nullish(),
}

const ENDPOINT = z.object({ url: z.string(), ...HEALTH, ejectedUntil: z.string().nullish() })

const BACKEND = z.object({
  name: z.string(),
  transport: z.string(),
  era: z.string().nullish(),
  version: z.string().nullish(),
  ...HEALTH,
  tools: z.number().nullish(),
  uncallable: z.array(z.string()).nullish(),
  restarts: z.number().nullish(),
  endpoints: z.array(ENDPOINT).nullish(),
  integrity: INTEGRITY.optional(),
  circuit: z.string().nullish(),
  openTools: z.array(z.string()).nullish(),
})

const STATUS = z.object({
  gateway: z.object({ name: z.string(), version: z.string(), url: z.string() }),
  lock: LOCK.optional(),
  backends: z.array(BACKEND),
})

/** `toolgate status`: asks a running gateway how its backends are. */
export async function statusCommand(io: Io, options: GatewayOptions): Promise<number> {
  const running = await requireRunning(io, options)
  if (running === undefined) return 1
  const { status: code, text } = await askAdmin(io, running, { method: 'GET', path: '/api/v1/status' })
  if (code !== 200) throw new CliError(`the admin listener of ${running.url} answered HTTP ${code}`)
  const status = STATUS.safeParse(parseJson(text))
  if (!status.success)
    throw new CliError(`the admin listener of ${running.url} answered something else than a status`)
  if (options.json) io.stdout.write(`${text.trimEnd()}\n`)
  else io.stdout.write(render(io, status.data))
  return 0
}

function parseJson(text: string): unknown {
  try {
    return parseValue(text)
  } catch {
    return undefined
  }
}

function render(io: Io, { gateway, backends, lock }: z.output<typeof STATUS>): string {
  const head = `${paint(io.stdout, 'bold', oneLine(gateway.name, 40))} ${oneLine(gateway.version, 20)}  ${oneLine(gateway.url, 200)}\n`
  if (backends.length === 0) return `${head}no backends\n`
  const heading = ['BACKEND', 'STATE', 'LATENCY', 'ERA', 'TRANSPORT', 'TOOLS', 'REASON']
  const rows = backends.flatMap((backend) => [
    backendRow(backend),
    ...(backend.endpoints ?? []).map((endpoint) => endpointRow(endpoint)),
  ])
  const closed = backends.flatMap(({ name, uncallable }) =>
    uncallable == null || uncallable.length === 0 ? [] : [`nobody may call ${toolList(name, uncallable)}\n`],
  )
  const integrity = renderIntegrity(backends, lock, io.stdout)
  return `${head}\n${table([heading, ...rows], io.stdout)}${closed.join('')}${integrity}`
}

function backendRow(backend: z.output<typeof BACKEND>): readonly string[] {
  const { name, state, latencyMs, era, transport, tools, circuit } = backend
  return [
    oneLine(name, 40),
    oneLine(circuit === 'isolated' ? 'isolated' : state, 12),
    latencyCell(latencyMs),
    oneLine(era ?? '-', 8),
    oneLine(transport, 8),
    String(tools ?? '-'),
    oneLine([why(backend), ...remarks(backend)].join(' ').trim(), 500),
  ]
}

/** Below the row of its backend, whose era, transport and tools are its own too. */
function endpointRow(endpoint: z.output<typeof ENDPOINT>): readonly string[] {
  const { url, state, latencyMs, ejectedUntil } = endpoint
  const ejected = typeof ejectedUntil === 'string' ? `ejected until ${shortDate(ejectedUntil)}` : ''
  const name = `  ${oneLine(url.replace(/^https?:\/\//, ''), 38)}`
  return [
    name,
    oneLine(state, 12),
    latencyCell(latencyMs),
    '',
    '',
    '',
    oneLine([ejected, why(endpoint)].filter((part) => part !== '').join('; '), 500),
  ]
}

function latencyCell(ms: number | null | undefined): string {
  return ms === undefined || ms === null ? '-' : duration(ms)
}

/** Since when and why something is not as it should be. */
function why({ reason, since }: Pick<z.output<typeof ENDPOINT>, 'reason' | 'since'>): string {
  if (typeof reason !== 'string') return ''
  return typeof since === 'string' ? `${reason}, since ${shortDate(since)}` : reason
}

/** `2026-11-22T08:30:00.000Z` as people read it. */
function shortDate(iso: string): string {
  return iso.replace('T', ' ').replace(/\.\d+Z$/, 'Z')
}

/** What else an operator should know. */
function remarks({ circuit, openTools, restarts }: z.output<typeof BACKEND>): readonly string[] {
  const isRefusing = circuit === 'open' || circuit === 'half-open'
  return [
    isRefusing ? `(circuit ${circuit})` : '',
    openTools === undefined || openTools === null || openTools.length === 0
      ? ''
      : `(circuit not closed: ${openTools.slice(0, 5).join(', ')})`,
    (restarts ?? 0) > 0 ? `(${restarts} restarts)` : '',
  ].filter((remark) => remark !== '')
}
