import type { RestBackendConfig } from '../../../config/types.ts'
import type { Signal } from '../../../pipeline/signal.ts'
import { isSuccess, probePath } from '../../http/probe.ts'
import { openWire } from '../../http/wire.ts'
import type { Link } from '../../link-types.ts'
import { createAdapterLink } from '../../link.ts'
import type { BackendPorts } from '../../ports.ts'
import { pathsBelow } from './paths.ts'
import { createRestSpeaker } from './speaker.ts'
import { createComplaints, declaredTools } from './tools.ts'

/** One endpoint of a service, as backends are made of. */
export interface RestTransport {
  readonly link: Link
  readonly restarts: () => number
  /** Asks how the service is. */
  check(signal: Signal): Promise<void>
  close(): Promise<void>
}

/**
 * Connects to a service that has tools but does not speak MCP. Any answer at `/health` shows that it is there; a check is
 * passed by 200 alone, as the gateway pattern has it.
 */
export function connectRest(config: RestBackendConfig, ports: BackendPorts): RestTransport {
  const { clock, log, limits, clientInfo } = ports
  const userAgent = `${clientInfo.name}/${clientInfo.version}`
  const wire = openWire(config, { clock, silence: limits.silence, userAgent })
  const paths = pathsBelow(wire.url)
  const path = config.health?.path ?? paths.health
  const probe = (accepts: (status: number) => boolean, signal: Signal): Promise<void> =>
    probePath({
      dispatch: wire.dispatch,
      path,
      headers: wire.headersOf(['accept', '*/*'], {}),
      signal,
      accepts,
    })
  const ping = (signal: Signal): Promise<void> => probe(() => true, signal)
  const speaker = createRestSpeaker({
    backend: config.name,
    wire,
    paths,
    declared: config.tools && declaredTools(config.tools),
    refresh: config.refresh,
    maxReplyBytes: limits.reply,
    maxDepth: limits.depth,
    complain: createComplaints(config.name, log),
    ping,
  })
  const open = async (signal: Signal): Promise<typeof speaker> => {
    await ping(signal)
    return speaker
  }
  const link = createAdapterLink(config, open, ports)
  const isGood = config.health?.path === undefined ? isOk : isSuccess
  return {
    link,
    restarts: () => link.state.reconnects,
    check: (signal) => probe(isGood, signal),
    close: () => wire.close(),
  }
}

function isOk(status: number): boolean {
  return status === 200
}
