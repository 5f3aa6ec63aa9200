import type { BackendOrder } from '../admin/server.ts'
import { askAdmin, requireRunning } from './admin.ts'
import { CliError, type Io } from './io.ts'
import type { GatewayOptions } from './options.ts'

/** `toolgate isolate` and `toolgate restore`: says whether a running gateway lets calls to a backend pass. */
export async function orderCommand(
  io: Io,
  { order, backend }: { readonly order: BackendOrder; readonly backend: string },
  options: GatewayOptions,
): Promise<number> {
  const running = await requireRunning(io, options)
  if (running === undefined) return 1
  const path = `/api/v1/backends/${encodeURIComponent(backend)}/${order}`
  const { status, text } = await askAdmin(io, running, { method: 'POST', path })
  if (status === 404 || status === 405)
    throw new CliError(`no backend ${backend} at ${running.url}`, '`toolgate status` lists them.')
  if (status !== 200) throw new CliError(`the admin listener of ${running.url} answered HTTP ${status}`)
  const done = order === 'isolate' ? 'isolated: no call reaches it until it is restored' : 'restored'
  io.stdout.write(options.json ? `${text.trimEnd()}\n` : `${backend} ${done}\n`)
  return 0
}
