import { Agent, request } from 'undici'
import { z } from 'zod'
import { type RunningGateway, findGateway } from './gateways.ts'
import { INTEGRITY, LOCK, renderIntegrity } from './integrity-text.ts'
import { CliError, type Io } from './io.ts'
import type { GatewayOptions } from './options.ts'
import { duration, oneLine, paint, table } from './text.ts'

const BACKEND = z.object({
  name: z.string(),
  transport: z.string(),
  era: z.string().nullish(),
  version: z.string().nullish(),
  state: z.string(),
  reason: z.string().nullish(),
  tools: z.number().nullish(),
  readyAfterMs: z.number().nullish(),
  restarts: z.number().nullish(),
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
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function render(io: Io, { gateway, backends, lock }: z.output<typeof STATUS>): string {
  const head = `${paint(io.stdout, 'bold', oneLine(gateway.name, 40))} ${oneLine(gateway.version, 20)}  ${oneLine(gateway.url, 200)}\n`
  if (backends.length === 0) return `${head}no backends\n`
  const rows = backends.map(({ name, state, era, transport, tools, readyAfterMs, reason, restarts }) => [
    oneLine(name, 40),
    oneLine(state, 12),
    oneLine(era ?? '-', 8),
    oneLine(transport, 8),
    String(tools ?? '-'),
    readyAfterMs === undefined || readyAfterMs === null ? '-' : duration(readyAfterMs),
    oneLine([reason ?? '', (restarts ?? 0) > 0 ? `(${restarts} restarts)` : ''].join(' '), 500),
  ])
  const heading = ['BACKEND', 'STATE', 'ERA', 'TRANSPORT', 'TOOLS', 'READY', 'REASON']
  return `${head}\n${table([heading, ...rows], io.stdout)}${renderIntegrity(backends, lock, io.stdout)}`
}
