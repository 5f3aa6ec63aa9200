import type { BackendConfig, HttpBackendConfig, StdioBackendConfig } from '../config/types.ts'
import { fetchList } from './list.ts'
import type { Backend, BackendStatus } from './backend.ts'
import { createHttpChannel } from './http/channel.ts'
import { type Link, createLink } from './link.ts'
import type { BackendPorts } from './ports.ts'
import { createStdioSupervisor } from './stdio/supervisor.ts'

/** A backend, with what only its transport knows. */
interface Transport {
  readonly link: Link
  readonly restarts: () => number
  close(): Promise<void>
}

/** Creates a backend. It connects when it is first needed, and from then on mends itself. */
export function createBackend(config: BackendConfig, ports: BackendPorts): Backend {
  const transport = config.transport === 'http' ? overHttp(config, ports) : overStdio(config, ports)
  const { link } = transport
  const listLimits = { maxEntries: ports.limits.listEntries, maxSize: ports.limits.reply }
  return {
    name: config.name,
    send: (request, out) => link.use((speaker) => speaker.send(request, out), request.signal),
    identify: async (signal) => (await link.speaker(signal)).identity,
    list: (kind, signal) =>
      link.use((speaker) => fetchList(speaker, kind, { signal, ...listLimits }), signal),
    onListChanged: (listener) => link.onListChanged(listener),
    status: () => statusOf(config, transport),
    async close() {
      await link.close()
      await transport.close()
    },
  }
}

function statusOf(config: BackendConfig, transport: Transport): BackendStatus {
  const { state } = transport.link
  return {
    name: config.name,
    transport: config.transport,
    condition: state.condition,
    since: state.since,
    identity: state.identity,
    eraSince: state.verdict?.since,
    restarts: transport.restarts(),
    readyAfter: state.readyAfter,
  }
}

function overHttp(config: HttpBackendConfig, ports: BackendPorts): Transport {
  const channel = createHttpChannel(config, {
    clock: ports.clock,
    maxReplyBytes: ports.limits.reply,
    maxDepth: ports.limits.depth,
    userAgent: `${ports.clientInfo.name}/${ports.clientInfo.version}`,
  })
  const link = createLink(config, () => Promise.resolve(channel), ports)
  return { link, restarts: () => link.state.reconnects, close: () => channel.close() }
}

function overStdio(config: StdioBackendConfig, ports: BackendPorts): Transport {
  const supervisor = createStdioSupervisor(config, ports, {
    onMessage: (message) => link.onMessage(message),
    onEnd: (reason, detail) => link.onEnd(reason, detail),
  })
  const link: Link = createLink(config, () => supervisor.channel(), ports)
  return { link, restarts: () => supervisor.status().restarts, close: () => supervisor.close() }
}
