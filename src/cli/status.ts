import { Agent, request } from 'undici'
import { z } from 'zod'
import { parseValue } from '../protocol/value.ts'
import { type RunningGateway, findGateway } from './gateways.ts'
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
})

const STATUS = z.object({
  gateway: z.object({ name: z.string(), version: z.string(), url: z.string() }),
  lock: LOCK.optional(),
  backends: z.array(BACKEND),
})

/** `toolgate status`: asks a running gateway how its backends are. */
export async function statusCommand(io: Io, options: GatewayOptions): Promise<number> {
  const gateway = await findGateway(io, options)
  if (gateway === undefined) return 1
  if (gateway.running === undefined) {
    throw new CliError(`no gateway at ${gateway.url}: start one with \`toolgate serve\``)
  }
  const text = await ask(io, gateway.running)
  const status = STATUS.safeParse(parseJson(text))
  if (!status.success)
    throw new CliError(`the admin listener of ${gateway.url} answered something else than a status`)
  if (options.json) io.stdout.write(`${text.trimEnd()}\n`)
  else io.stdout.write(render(io, status.data))
  return 0
}

const MAX_WAIT_MS = 10_000

async function ask(io: Io, { admin, token, url }: RunningGateway): Promise<string> {
  if (admin === undefined || token === undefined) {
    throw new CliError(
      `the admin listener of ${url} is switched off`,
      'Remove `admin: false` from its configuration.',
    )
  }
  const agent = new Agent({ allowH2: false })
  const timeouts = { headersTimeout: MAX_WAIT_MS, bodyTimeout: MAX_WAIT_MS }
  try {
    const headers = { authorization: `Bearer ${token}`, accept: 'application/json' }
    const options = { headers, signal: io.signal, dispatcher: agent, ...timeouts }
    const { statusCode, body } = await request(new URL('/api/v1/status', admin), options)
    const text = await body.text()
    if (statusCode === 200) return text
    throw new CliError(`the admin listener of ${url} answered HTTP ${statusCode}`)
  } catch (error) {
    if (error instanceof CliError) throw error
    if (io.signal.aborted) throw new CliError('interrupted')
    throw new CliError(`the admin listener of ${url} does not answer at ${admin}`)
  } finally {
    await agent.destroy()
  }
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
  return `${head}\n${table([heading, ...rows], io.stdout)}${closed.join('')}${renderIntegrity(backends, lock, io.stdout)}`
}

function backendRow(backend: z.output<typeof BACKEND>): readonly string[] {
  const { name, state, latencyMs, era, transport, tools, restarts } = backend
  const started = (restarts ?? 0) > 0 ? `(${restarts} restarts)` : ''
  return [
    oneLine(name, 40),
    oneLine(state, 12),
    latencyCell(latencyMs),
    oneLine(era ?? '-', 8),
    oneLine(transport, 8),
    String(tools ?? '-'),
    oneLine([why(backend), started].join(' '), 500),
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
