import { Agent, request } from 'undici'
import { type RunningGateway, findGateway } from './gateways.ts'
import { CliError, type Io } from './io.ts'
import type { GatewayOptions } from './options.ts'

const MAX_WAIT_MS = 10_000

/**
 * Finds the running gateway that a command is about.
 *
 * @returns undefined if the configuration has problems, which are printed then
 * @throws CliError if none runs there
 */
export async function requireRunning(io: Io, options: GatewayOptions): Promise<RunningGateway | undefined> {
  const gateway = await findGateway(io, options)
  if (gateway !== undefined && gateway.running === undefined)
    throw new CliError(
      `no gateway at ${gateway.url}: start one with \`toolgate serve\``,
      'Only gateways that you started on this machine are seen, and none that says `admin: false`.',
    )
  return gateway?.running
}

/** An answer of the admin listener. */
export interface AdminAnswer {
  readonly status: number
  readonly text: string
}

/**
 * Sends one request to the admin listener of a gateway, with its token.
 *
 * @throws CliError if there is none or it does not answer
 */
export async function askAdmin(
  io: Io,
  { admin, token, url }: RunningGateway,
  { method, path }: { readonly method: 'GET' | 'POST'; readonly path: string },
): Promise<AdminAnswer> {
  if (admin === undefined || token === undefined) {
    throw new CliError(
      `the gateway at ${url} has no admin listener`,
      'The address was taken when it started: set another admin.listen, and start it again.',
    )
  }
  const agent = new Agent({ allowH2: false })
  const timeouts = { headersTimeout: MAX_WAIT_MS, bodyTimeout: MAX_WAIT_MS }
  try {
    const headers = { authorization: `Bearer ${token}`, accept: 'application/json' }
    const options = { method, headers, signal: io.signal, dispatcher: agent, ...timeouts }
    const { statusCode, body } = await request(new URL(path, admin), options)
    return { status: statusCode, text: await body.text() }
  } catch {
    if (io.signal.aborted) throw new CliError('interrupted')
    throw new CliError(`the admin listener of ${url} does not answer at ${admin}`)
  } finally {
    await agent.destroy()
  }
}
