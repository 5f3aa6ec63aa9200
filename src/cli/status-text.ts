import { z } from 'zod'
import { toolList } from './connect.ts'
import { INTEGRITY, LOCK, renderIntegrity } from './integrity-text.ts'
import type { Output } from './io.ts'
import { duration, oneLine, paint, table, wrap } from './text.ts'

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

const LATENCY = z.object({ p50: z.number(), p99: z.number() }).nullish()

const RECENT = z.object({
  windowMs: z.number(),
  perSecond: z.number(),
  calls: z.number(),
  errors: z.number(),
  toolErrors: z.number(),
  refused: z.number(),
  latencyMs: LATENCY,
})

/** Of the document of the metrics, what is shown. */
const TRAFFIC = z.object({
  recent: RECENT,
  open: z
    .object({
      calls: z.number(),
      sessions: z.number(),
      streams: z.number(),
      subscriptions: z.number(),
      parked: z.number(),
    })
    .nullish(),
  backends: z.record(z.string(), z.object({ recent: RECENT })),
})

/** What the admin listener answers, before anybody looked at it. */
export interface StatusDocuments {
  /** Of `/api/v1/status`. */
  readonly status: unknown
  /** Of `/api/v1/metrics`; undefined where there is none. */
  readonly metrics: unknown
}

/** The status as people read it; undefined where the document is something else. */
export function renderStatus(documents: StatusDocuments, output: Output): string | undefined {
  const status = STATUS.safeParse(documents.status)
  const traffic = TRAFFIC.safeParse(documents.metrics)
  if (!status.success) return undefined
  const { gateway, backends, lock } = status.data
  const shown = traffic.success ? renderTraffic(traffic.data, output) : ''
  const head = `${paint(output, 'bold', oneLine(gateway.name, 40))} ${oneLine(gateway.version, 20)}  ${oneLine(gateway.url, 200)}\n`
  if (backends.length === 0) return `${head}no backends\n${shown}`
  const heading = ['BACKEND', 'STATE', 'LATENCY', 'ERA', 'TRANSPORT', 'TOOLS', 'REASON']
  const rows = backends.flatMap((backend) => [
    backendRow(backend),
    ...(backend.endpoints ?? []).map((endpoint) => endpointRow(endpoint)),
  ])
  const closed = backends.flatMap(({ name, uncallable }) =>
    uncallable == null || uncallable.length === 0 ? [] : [`nobody may call ${toolList(name, uncallable)}\n`],
  )
  const integrity = renderIntegrity(backends, lock, output)
  return `${head}\n${table([heading, ...rows], output)}${closed.join('')}${integrity}${shown}`
}

/** How many calls there were lately, how they went, and what is open. */
function renderTraffic({ recent, open, backends }: z.output<typeof TRAFFIC>, output: Output): string {
  const heading = [
    `LAST ${duration(Math.ceil(recent.windowMs / 1000) * 1000)}`,
    'CALLS/S',
    'P50',
    'P99',
    'ERRORS',
  ]
  const busy = Object.entries(backends).filter(([, one]) => one.recent.calls + one.recent.refused > 0)
  const rows = [
    trafficRow('all', recent),
    ...busy.map(([name, one]) => trafficRow(`  ${oneLine(name, 40)}`, one.recent)),
  ]
  return `\n${table([heading, ...rows], output)}${open == null ? '' : openLine(open, output)}`
}

function trafficRow(name: string, recent: z.output<typeof RECENT>): readonly string[] {
  const { perSecond, calls, errors, toolErrors, refused, latencyMs } = recent
  const parts = [
    errors > 0 ? `${errors} (${percent(errors, calls)})` : '',
    toolErrors > 0 ? `${toolErrors} of tools` : '',
    refused > 0 ? `${refused} refused` : '',
  ]
  return [
    name,
    String(perSecond),
    latencyCell(latencyMs?.p50),
    latencyCell(latencyMs?.p99),
    parts.filter((part) => part !== '').join(', ') || '-',
  ]
}

function percent(part: number, all: number): string {
  const share = (part / Math.max(all, 1)) * 100
  return share > 0 && share < 1 ? '<1%' : `${Math.round(share)}%`
}

function openLine(open: NonNullable<z.output<typeof TRAFFIC>['open']>, output: Output): string {
  const { calls, sessions, streams, subscriptions, parked } = open
  const text =
    `open: ${counted(calls, 'call')}, ${counted(parked, 'call')} waiting for input, ` +
    `${counted(streams, 'stream')}, ${counted(subscriptions, 'subscription')}, ${counted(sessions, 'session')}`
  return `${wrap(text, Math.max(output.columns, 20)).join('\n')}\n`
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
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
