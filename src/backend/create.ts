import type {
  BackendConfig,
  HttpBackendConfig,
  McpBackendConfig,
  StdioBackendConfig,
} from '../config/types.ts'
import type { Signal } from '../pipeline/signal.ts'
import type { NotificationMessage } from '../protocol/message.ts'
import { connectRest } from './adapters/rest/connect.ts'
import { fetchList } from './list.ts'
import type { Backend, BackendStatus } from './backend.ts'
import type { ChannelEvents } from './channel.ts'
import { type Endpoint, createBalancedBackend } from './endpoints/backend.ts'
import { createMonitor } from './health/monitor.ts'
import { createHttpChannel } from './http/channel.ts'
import { isLegacy } from './legacy.ts'
import { type LegacyCalls, createLegacyCalls } from './legacy-backend.ts'
import type { Log } from '../pipeline/log.ts'
import type { Link } from './link-types.ts'
import { createLink } from './link.ts'
import { type BackendPorts, type SpeakerPorts, ownRequestMeta } from './ports.ts'
import { connectHttp, connectStdio, initializeOverHttp } from './connect.ts'
import type { Connect } from './sessions.ts'
import { createStdioSupervisor } from './stdio/supervisor.ts'

/** A backend, with what only its transport knows. */
interface Transport {
  readonly link: Link
  readonly restarts: () => number
  /** The calls of a legacy server, which has sessions; undefined where there are none. */
  readonly calls?: LegacyCalls
  /** Asks for a sign of life, and rejects where there is none. */
  check(signal: Signal): Promise<void>
  close(): Promise<void>
}

/** Creates a backend. It connects when it is first needed, and from then on mends itself. */
export function createBackend(config: BackendConfig, ports: BackendPorts): Backend {
  if (config.transport === 'stdio' || config.endpoints === undefined) return createEndpoint(config, ports)
  const { endpoints, ...common } = config
  const each = endpoints.list.map(({ url }) => {
    const { origin: endpoint } = new URL(url)
    const log: Log = (level, message, fields) => ports.log(level, message, { ...fields, endpoint })
    return createEndpoint({ ...common, url }, { ...ports, log })
  })
  return createBalancedBackend({ ...common, endpoints }, each, ports)
}

/** Creates one endpoint, which is all there is of most backends. */
function createEndpoint(config: BackendConfig, ports: BackendPorts): Endpoint {
  if (config.transport === 'rest') return endpointOver(connectRest(config, ports), config, ports)
  const transport = config.transport === 'http' ? overHttp(config, ports) : overStdio(config, ports)
  return endpointOver(transport, config, ports)
}

function endpointOver(transport: Transport, config: BackendConfig, ports: BackendPorts): Endpoint {
  const { link, calls } = transport
  const listLimits = { maxEntries: ports.limits.listEntries, maxSize: ports.limits.reply }
  const monitor = createMonitor(config.health, {
    ...ports,
    backend: config.name,
    check: (signal) => transport.check(signal),
    link: () => link.state,
  })
  return {
    name: config.name,
    send: (request, out) => {
      const resumed = calls?.resume(request, out)
      if (resumed !== undefined) {
        if (request.record !== undefined) request.record.spoken = link.state.identity
        return resumed
      }
      return link.use((speaker) => {
        if (request.record !== undefined) request.record.spoken = speaker.identity
        return calls !== undefined && isLegacy(speaker)
          ? calls.send(request, speaker, out)
          : speaker.send(request, out)
      }, request.signal)
    },
    resumes: (request) => calls?.resumes(request) === true,
    identify: async (signal) => (await link.speaker(signal)).identity,
    list: (kind, signal) =>
      link.use((speaker) => fetchList(speaker, kind, { signal, ...listLimits }), signal),
    subscribe: (filter, subscriber) => link.subscribe(filter, subscriber),
    status: () => ({
      ...statusOf(config, transport),
      health: monitor.health,
      sessions: calls?.sessions ?? 0,
    }),
    get fitness() {
      if (link.state.condition.state !== 'up') return 'away'
      return monitor.isSick ? 'sick' : 'fit'
    },
    get isLegacy() {
      return link.state.verdict?.era === 'legacy'
    },
    async close() {
      monitor.close()
      await Promise.all([link.close(), calls?.close()])
      await transport.close()
    },
  }
}

function statusOf(config: BackendConfig, transport: Transport): Omit<BackendStatus, 'sessions' | 'health'> {
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

/** Asks in the backend's own language for a sign of life. */
function pingOver(link: Link): Transport['check'] {
  return (signal) => link.use((speaker) => speaker.ping(signal), signal)
}

function overHttp(config: HttpBackendConfig, ports: BackendPorts): Transport {
  const channel = createHttpChannel(config, {
    clock: ports.clock,
    maxReplyBytes: ports.limits.reply,
    maxDepth: ports.limits.depth,
    log: ports.log,
    queue: ports.limits.queue,
    silence: ports.limits.silence,
    backend: config.name,
    userAgent: `${ports.clientInfo.name}/${ports.clientInfo.version}`,
  })
  const initialize = initializeOverHttp(channel)
  const events: ChannelEvents = {
    onMessage: (message) => link.onMessage(message),
    onEnd: (reason) => link.onEnd(reason),
  }
  const link: Link = createLink(
    { ...config, initialize: (_channel, own, signal) => initialize(own, events, signal) },
    () => Promise.resolve(channel),
    ports,
  )
  const path = config.health?.path
  return {
    link,
    check: path === undefined ? pingOver(link) : (signal) => channel.probe(path, signal),
    restarts: () => link.state.reconnects,
    calls: legacyCalls(config, connectHttp(initialize, sessionPorts(config, ports, link), ports.clock), {
      ...ports,
      link,
    }),
    close: () => channel.close(),
  }
}

function overStdio(config: StdioBackendConfig, ports: BackendPorts): Transport {
  const supervisor = createStdioSupervisor(config, ports, {
    onMessage: (message) => link.onMessage(message),
    onEnd: (reason, detail) => link.onEnd(reason, detail),
  })
  const link: Link = createLink(config, () => supervisor.channel(), ports)
  return {
    link,
    check: pingOver(link),
    restarts: () => supervisor.status().restarts,
    calls: legacyCalls(config, connectStdio(config, sessionPorts(config, ports, link), ports), {
      ...ports,
      link,
    }),
    close: () => supervisor.close(),
  }
}

/** @param connect opens a session of its own for clients */
function legacyCalls(
  config: McpBackendConfig,
  connect: Connect,
  { link, ...ports }: BackendPorts & { readonly link: Link },
): LegacyCalls {
  const onChange = (notification: NotificationMessage): void => link.onMessage(notification)
  return createLegacyCalls(config, connect, { ...ports, onChange })
}

/** What a client's session of the backend hears about lists is as good as what the gateway's own hears. */
function sessionPorts(config: BackendConfig, ports: BackendPorts, link: Link): SpeakerPorts {
  let lastId = 0
  return {
    // Unlike those of the gateway's own session, and unlike what servers number their own requests by.
    nextId: () => `"c${++lastId}"`,
    requestMeta: ownRequestMeta(ports.clientInfo),
    clientInfo: ports.clientInfo,
    log: ports.log,
    backend: config.name,
    onChange: (notification) => link.onMessage(notification),
  }
}
