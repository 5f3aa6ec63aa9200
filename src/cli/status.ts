import { setTimeout as pause } from 'node:timers/promises'
import { parseValue } from '../protocol/value.ts'
import { askAdmin, requireRunning } from './admin.ts'
import type { RunningGateway } from './gateways.ts'
import { CliError, type Io } from './io.ts'
import type { StatusOptions } from './options.ts'
import { type StatusDocuments, renderStatus } from './status-text.ts'
import { paint } from './text.ts'

/** Puts the cursor into the upper left corner of an empty screen. */
const CLEAR = '\u001B[2J\u001B[H'

/** `toolgate status`: asks a running gateway how it and its backends are, once or again and again. */
export async function statusCommand(io: Io, options: StatusOptions): Promise<number> {
  const running = await requireRunning(io, options)
  if (running === undefined) return 1
  if (options.watch === undefined) {
    io.stdout.write(show(io, await ask(io, running), options))
    return 0
  }
  let text = show(io, await ask(io, running), options)
  for (let isFirst = true; ; isFirst = false) {
    io.stdout.write(framed(io, text, { isFirst, json: options.json }))
    await pause(options.watch, undefined, { signal: io.signal }).catch(() => undefined)
    if (io.signal.aborted) return 0
    text = await again(io, options)
  }
}

interface Shown {
  readonly running: RunningGateway
  readonly documents: StatusDocuments
}

/** The gateway may be started again while it is watched, and is another one then. */
async function again(io: Io, options: StatusOptions): Promise<string> {
  try {
    const running = await requireRunning(io, options)
    return running === undefined ? '' : show(io, await ask(io, running), options)
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    if (io.signal.aborted) return ''
    return options.json
      ? `${JSON.stringify({ error: error.message })}\n`
      : `${paint(io.stdout, 'red', error.message)}\n`
  }
}

/** One screen on a terminal; elsewhere one block below the other, and for programs one line. */
function framed(io: Io, text: string, { isFirst, json }: { isFirst: boolean; json: boolean }): string {
  if (json || text === '') return text
  if (io.stdout.isTTY) return `${CLEAR}${text}`
  return isFirst ? text : `\n${text}`
}

async function ask(io: Io, running: RunningGateway): Promise<Shown> {
  const [status, metrics] = await Promise.all([
    askAdmin(io, running, { method: 'GET', path: '/api/v1/status' }),
    askAdmin(io, running, { method: 'GET', path: '/api/v1/metrics' }),
  ])
  if (status.status !== 200)
    throw new CliError(`the admin listener of ${running.url} answered HTTP ${status.status}`)
  const documents = {
    status: parseJson(status.text),
    metrics: metrics.status === 200 ? parseJson(metrics.text) : undefined,
  }
  return { running, documents }
}

function show(io: Io, { running, documents }: Shown, { json }: StatusOptions): string {
  const text = renderStatus(documents, io.stdout)
  if (text === undefined)
    throw new CliError(`the admin listener of ${running.url} answered something else than a status`)
  if (!json) return text
  const { status, metrics } = documents
  return `${JSON.stringify(metrics === undefined ? status : { ...(status as object), metrics })}\n`
}

function parseJson(text: string): unknown {
  try {
    return parseValue(text)
  } catch {
    return undefined
  }
}
