import { ATTRIBUTE } from '../conventions.ts'

/** What a metric counts or measures. */
export interface Definition {
  /** As OpenTelemetry has it. */
  readonly name: string
  /** Up only; up and down; or how values are spread. */
  readonly kind: 'counter' | 'gauge' | 'histogram'
  /** In UCUM: `s`, `By`, or what is counted in braces. */
  readonly unit: string
  /** One sentence, which ends up in HELP and in the documentation. */
  readonly description: string
  /** Names of the attributes that points may have. */
  readonly attributes: readonly string[]
}

/** Attributes of our own. */
export const OWN = {
  backend: 'toolgate.backend',
  /** How a call ended. */
  outcome: 'toolgate.outcome',
  /** Code of a `GatewayError`. */
  code: 'toolgate.code',
  limit: 'toolgate.limit',
  effect: 'toolgate.effect',
  state: 'toolgate.state',
  list: 'toolgate.list',
  kind: 'toolgate.kind',
  operation: 'toolgate.operation',
  version: 'version',
} as const

const SERVER_ATTRIBUTES = [
  ATTRIBUTE.method,
  ATTRIBUTE.errorType,
  ATTRIBUTE.tool,
  ATTRIBUTE.prompt,
  ATTRIBUTE.operation,
  ATTRIBUTE.statusCode,
  ATTRIBUTE.protocolVersion,
  ATTRIBUTE.protocolName,
  ATTRIBUTE.transport,
  OWN.backend,
  OWN.outcome,
] as const

const SESSION_ATTRIBUTES = [
  ATTRIBUTE.errorType,
  ATTRIBUTE.protocolVersion,
  ATTRIBUTE.protocolName,
  ATTRIBUTE.transport,
] as const

/** How the metrics are called in the code. */
export type MetricKey =
  | 'serverOperation'
  | 'clientOperation'
  | 'serverSession'
  | 'clientSession'
  | 'calls'
  | 'inFlight'
  | 'refusals'
  | 'httpRefusals'
  | 'queue'
  | 'retries'
  | 'hedges'
  | 'circuitRefusals'
  | 'notifications'
  | 'limits'
  | 'overloadRefusals'
  | 'cacheHits'
  | 'cacheMisses'
  | 'health'
  | 'checkDuration'
  | 'circuit'
  | 'openTools'
  | 'backendCalls'
  | 'backendTools'
  | 'backendSessions'
  | 'restarts'
  | 'sessions'
  | 'streams'
  | 'subscriptions'
  | 'parked'
  | 'storeDuration'
  | 'storeUp'
  | 'storeReplicas'
  | 'loopDelay'
  | 'memory'
  | 'memoryLimit'
  | 'otlpExports'
  | 'startTime'
  | 'buildInfo'

/** Every metric there is. The first four are those of the semantic conventions for MCP. */
export const METRICS: Readonly<Record<MetricKey, Definition>> = {
  serverOperation: {
    name: 'mcp.server.operation.duration',
    kind: 'histogram',
    unit: 's',
    description: 'Requests of clients, from when they were received until their answer was ready.',
    attributes: SERVER_ATTRIBUTES,
  },
  clientOperation: {
    name: 'mcp.client.operation.duration',
    kind: 'histogram',
    unit: 's',
    description: 'Tries at backends, from when they were begun until the answer was there.',
    attributes: [...SERVER_ATTRIBUTES, ATTRIBUTE.serverAddress, ATTRIBUTE.serverPort],
  },
  serverSession: {
    name: 'mcp.server.session.duration',
    kind: 'histogram',
    unit: 's',
    description: 'Sessions of legacy clients that have ended.',
    attributes: SESSION_ATTRIBUTES,
  },
  clientSession: {
    name: 'mcp.client.session.duration',
    kind: 'histogram',
    unit: 's',
    description: 'Sessions at legacy backends, opened for clients, that have ended.',
    attributes: [...SESSION_ATTRIBUTES, OWN.backend],
  },
  calls: {
    name: 'toolgate.calls',
    kind: 'counter',
    unit: '{call}',
    description: 'Calls that have ended, by what they were for and how they ended.',
    attributes: [OWN.backend, ATTRIBUTE.method, ATTRIBUTE.tool, ATTRIBUTE.prompt, OWN.outcome],
  },
  inFlight: {
    name: 'toolgate.calls.in_flight',
    kind: 'gauge',
    unit: '{call}',
    description: 'Calls that are being carried out.',
    attributes: [],
  },
  refusals: {
    name: 'toolgate.refusals',
    kind: 'counter',
    unit: '{call}',
    description: 'Calls that the gateway itself answered with an error, by its code.',
    attributes: [OWN.code],
  },
  httpRefusals: {
    name: 'toolgate.http.refusals',
    kind: 'counter',
    unit: '{request}',
    description: 'HTTP requests that were refused before there was a call, by the code of the error.',
    attributes: [OWN.code],
  },
  queue: {
    name: 'toolgate.queue.duration',
    kind: 'histogram',
    unit: 's',
    description:
      'How long calls waited for their turn, in the queues of limits and bulkheads together; only those that did.',
    attributes: [OWN.backend],
  },
  retries: {
    name: 'toolgate.retries',
    kind: 'counter',
    unit: '{try}',
    description: 'Tries after one that failed.',
    attributes: [OWN.backend],
  },
  hedges: {
    name: 'toolgate.hedges',
    kind: 'counter',
    unit: '{try}',
    description: 'Second tries beside one that took long.',
    attributes: [OWN.backend],
  },
  circuitRefusals: {
    name: 'toolgate.circuit.refusals',
    kind: 'counter',
    unit: '{try}',
    description: 'Tries that an open circuit refused.',
    attributes: [OWN.backend],
  },
  notifications: {
    name: 'toolgate.notifications',
    kind: 'counter',
    unit: '{notification}',
    description: 'Notifications of calls that were passed on to clients.',
    attributes: [],
  },
  limits: {
    name: 'toolgate.limit.calls',
    kind: 'counter',
    unit: '{call}',
    description: 'Calls that a limit refused, made wait, or would have refused (shadow).',
    attributes: [OWN.limit, OWN.effect],
  },
  overloadRefusals: {
    name: 'toolgate.overload.refusals',
    kind: 'counter',
    unit: '{request}',
    description: 'Requests that were refused because the gateway itself had too much to do.',
    attributes: [],
  },
  cacheHits: {
    name: 'toolgate.list_cache.hits',
    kind: 'counter',
    unit: '{list}',
    description: 'Lists of backends that were known well enough to answer without asking.',
    attributes: [OWN.list],
  },
  cacheMisses: {
    name: 'toolgate.list_cache.misses',
    kind: 'counter',
    unit: '{list}',
    description: 'Lists of backends that had to be asked for first.',
    attributes: [OWN.list],
  },
  health: {
    name: 'toolgate.backend.health',
    kind: 'gauge',
    unit: '{backend}',
    description: '1 for the health state that a backend is in, 0 for the others.',
    attributes: [OWN.backend, OWN.state],
  },
  checkDuration: {
    name: 'toolgate.backend.check.duration',
    kind: 'gauge',
    unit: 's',
    description: 'How long the last good health check of a backend took.',
    attributes: [OWN.backend],
  },
  circuit: {
    name: 'toolgate.backend.circuit',
    kind: 'gauge',
    unit: '{backend}',
    description: '1 for the state that the circuit of a backend is in, 0 for the others.',
    attributes: [OWN.backend, OWN.state],
  },
  openTools: {
    name: 'toolgate.backend.circuit.open_tools',
    kind: 'gauge',
    unit: '{tool}',
    description: 'Tools whose own circuit is not closed.',
    attributes: [OWN.backend],
  },
  backendCalls: {
    name: 'toolgate.backend.calls',
    kind: 'gauge',
    unit: '{call}',
    description: 'Calls that a backend works on, and calls that wait for a place there.',
    attributes: [OWN.backend, OWN.state],
  },
  backendTools: {
    name: 'toolgate.backend.tools',
    kind: 'gauge',
    unit: '{tool}',
    description: 'Tools that are known of a backend.',
    attributes: [OWN.backend],
  },
  backendSessions: {
    name: 'toolgate.backend.sessions',
    kind: 'gauge',
    unit: '{session}',
    description: "Sessions or processes of a backend that are open for clients, beside the gateway's own.",
    attributes: [OWN.backend],
  },
  restarts: {
    name: 'toolgate.backend.restarts',
    kind: 'counter',
    unit: '{restart}',
    description: 'Times that a process of a backend was started again, or a connection made again.',
    attributes: [OWN.backend],
  },
  sessions: {
    name: 'toolgate.sessions',
    kind: 'gauge',
    unit: '{session}',
    description: 'Sessions of legacy clients that are open.',
    attributes: [],
  },
  streams: {
    name: 'toolgate.streams',
    kind: 'gauge',
    unit: '{stream}',
    description: 'Event streams that legacy clients hold open for what belongs to no call.',
    attributes: [],
  },
  subscriptions: {
    name: 'toolgate.subscriptions',
    kind: 'gauge',
    unit: '{subscription}',
    description: 'Open subscriptions of clients, and of the sessions of legacy clients.',
    attributes: [],
  },
  parked: {
    name: 'toolgate.calls.parked',
    kind: 'gauge',
    unit: '{call}',
    description: 'Calls at legacy backends that wait for input of their clients.',
    attributes: [],
  },
  storeDuration: {
    name: 'toolgate.store.operation.duration',
    kind: 'histogram',
    unit: 's',
    description: 'Commands of the shared store, from when they were sent until their answer.',
    attributes: [OWN.operation, ATTRIBUTE.errorType],
  },
  storeUp: {
    name: 'toolgate.store.up',
    kind: 'gauge',
    unit: '{store}',
    description: '1 while the shared store answers, 0 while it does not.',
    attributes: [],
  },
  storeReplicas: {
    name: 'toolgate.store.replicas',
    kind: 'gauge',
    unit: '{gateway}',
    description: 'Gateways that use the shared store, as it said last.',
    attributes: [],
  },
  loopDelay: {
    name: 'toolgate.event_loop.delay',
    kind: 'gauge',
    unit: 's',
    description: 'How long work has waited for the event loop lately, on average.',
    attributes: [],
  },
  memory: {
    name: 'toolgate.memory.usage',
    kind: 'gauge',
    unit: 'By',
    description: 'Memory in use: of the heap of JavaScript, and outside of it.',
    attributes: [OWN.kind],
  },
  memoryLimit: {
    name: 'toolgate.memory.limit',
    kind: 'gauge',
    unit: 'By',
    description: 'Most memory that the heap of JavaScript may use.',
    attributes: [],
  },
  otlpExports: {
    name: 'toolgate.otlp.exports',
    kind: 'counter',
    unit: '{export}',
    description: 'Attempts to send the metrics to the collector, by whether it took them.',
    attributes: [OWN.outcome],
  },
  startTime: {
    name: 'toolgate.start.time',
    kind: 'gauge',
    unit: 's',
    description: 'When this gateway started, in seconds since 1970.',
    attributes: [],
  },
  buildInfo: {
    name: 'toolgate.build.info',
    kind: 'gauge',
    unit: '',
    description: 'Always 1; says by its labels what runs here.',
    attributes: [OWN.version],
  },
}

/** Units that stand in Prometheus names, as the mapping of OpenTelemetry writes them. Annotations in braces do not. */
const SUFFIXES: Readonly<Record<string, string>> = { s: 'seconds', By: 'bytes' }

/**
 * The name in Prometheus without the `_total` of counters, by the mapping of OpenTelemetry (specification,
 * compatibility/prometheus_and_openmetrics, "Metric Metadata").
 */
export function prometheusName({ name, unit }: Pick<Definition, 'name' | 'unit'>): string {
  const base = promLabel(name)
  const suffix = SUFFIXES[unit]
  return suffix === undefined || base.endsWith(`_${suffix}`) ? base : `${base}_${suffix}`
}

/** The name of an attribute as a label. */
export function promLabel(name: string): string {
  return name.replaceAll('.', '_')
}

/** The unit as OpenMetrics has it, which the name ends with; undefined where it has none. */
export function openMetricsUnit({ unit }: Pick<Definition, 'unit'>): string | undefined {
  return SUFFIXES[unit]
}
