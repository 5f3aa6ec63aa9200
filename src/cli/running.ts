import { createToken, announce } from '../admin/announcement.ts'
import type { BackendReport } from '../admin/backend-report.ts'
import { type AdminListener, type MetricsPorts, listenAdmin } from '../admin/server.ts'
import type { EndpointStatus, Health } from '../backend/backend.ts'
import { toldHealth } from '../backend/builtin/health.ts'
import { type ChildLedger, type HostProcess } from '../backend/stdio/ports.ts'
import { openChildLedger, reapLeftovers } from '../backend/stdio/leftovers.ts'
import { UnusableFileError } from '../config/private-file.ts'
import { defaultStateDir } from '../config/state-dir.ts'
import type { Config } from '../config/types.ts'
import { type Gateway, type GatewayPorts, createGateway } from '../gateway.ts'
import type { OverloadState } from '../listener/overload.ts'
import { systemClock } from '../pipeline/clock.ts'
import type { Log } from '../pipeline/log.ts'
import { LockError } from '../routing/integrity/lock.ts'
import { integrityDocument, lockDocument } from './integrity-text.ts'
import { CliError, type Io } from './io.ts'
import { metricsDocument } from './metrics-document.ts'
import { LOCK_ADVICE } from './lock.ts'
import { shownUrl } from './redact.ts'

/** A gateway with what surrounds it on a machine: state folder, leftovers of earlier runs, child processes. */
export interface Surroundings {
  readonly gateway: Gateway
  readonly stateDir: string
}

/** Builds the gateway of a configuration; first ends child processes that a killed gateway left behind. */
export async function surround(io: Io, config: Config, log: Log): Promise<Surroundings> {
  const stateDir = config.gateway.stateDir ?? defaultStateDir(io.env, io.home)
  const host: HostProcess = { pid: io.pid, platform: io.platform, env: io.env, kill: io.kill }
  const hasChildren = config.backends.some((backend) => backend.transport === 'stdio')
  const leftovers = await reapLeftovers(stateDir, { host, log, clock: systemClock })
  for (const { pid, command, ended } of leftovers) {
    log(
      ended ? 'info' : 'warn',
      ended ? 'ended a process left behind by a killed gateway' : 'could not end a process left behind',
      { pid, command },
    )
  }
  const children: ChildLedger | undefined = hasChildren ? openChildLedger(stateDir, { host, log }) : undefined
  const ports: GatewayPorts = {
    version: io.version,
    host,
    log,
    stateDir,
    terminals: { stdout: io.stdout, stderr: io.stderr },
    ...(children === undefined ? {} : { children }),
  }
  return { gateway: build(config, ports), stateDir }
}

function build(config: Config, ports: GatewayPorts): Gateway {
  try {
    return createGateway(config, ports)
  } catch (error) {
    if (error instanceof UnusableFileError) throw new CliError(error.message)
    if (error instanceof LockError) throw new CliError(error.message, LOCK_ADVICE)
    throw error
  }
}

/** The admin listener of a running gateway. */
export interface RunningAdmin {
  readonly url: string
  close(): Promise<void>
}

/**
 * Opens the admin listener and tells the command line where it is. An address in use is no reason not to serve:
 * the second gateway on a machine has no admin listener then, and says so.
 */
export async function openAdmin(
  io: Io,
  running: Surroundings & { readonly url: string; readonly config: Config },
  log: Log,
): Promise<RunningAdmin | undefined> {
  const { config, gateway, url, stateDir } = running
  if (config.admin === undefined) return undefined
  const token = createToken()
  const startedAt = new Date().toISOString()
  let listener: AdminListener
  try {
    listener = await listenAdmin(config.admin, {
      token,
      isReady: () => gateway.isReady,
      status: () => statusDocument(gateway, { url, startedAt }),
      health: () => toldHealths(gateway),
      metrics: metricsOf(gateway, config),
      order: (order, backend) => gateway.order(order, backend),
    })
  } catch (error) {
    log('warn', 'no admin listener: `toolgate status` will not work', {
      reason: error instanceof Error ? error.message : String(error),
    })
    return undefined
  }
  const withdraw = await announce(stateDir, { url, admin: listener.url, token, pid: io.pid })
  return {
    url: listener.url,
    async close() {
      await withdraw()
      await listener.close()
    },
  }
}

function metricsOf(gateway: Gateway, config: Config): MetricsPorts | undefined {
  const settings = config.telemetry?.metrics
  const { metrics } = gateway
  if (settings === undefined || metrics === undefined) return undefined
  return {
    document: () =>
      metricsDocument(
        metrics,
        config.backends.map(({ name }) => name),
      ),
    scrape: (accept) => metrics.scrape(accept),
    token: settings.token,
    open: settings.open,
  }
}

/** The document of `GET /api/v1/health`: what `gateway_health` tells of everything, and what is for the operator beside it. */
function toldHealths(gateway: Gateway): object {
  return Object.fromEntries(
    gateway.report().map(({ name, health, endpoints }) => [
      name,
      {
        ...toldHealth(health),
        ...(health.detail === undefined ? {} : { detail: health.detail }),
        since: dateOf(health.since),
        ...(endpoints === undefined ? {} : { endpoints: endpoints.map(endpointDocument) }),
      },
    ]),
  )
}

/** The document of `GET /api/v1/status`. */
function statusDocument(
  gateway: Gateway,
  about: { readonly url: string; readonly startedAt: string },
): object {
  return {
    gateway: { ...gateway.serverInfo, ...about, ready: gateway.isReady },
    calls: { inFlight: gateway.meter.inFlight, total: gateway.meter.total, refused: gateway.meter.refused },
    lock: lockDocument(gateway.definitions.lock()),
    ...(gateway.load === undefined ? {} : { load: loadDocument(gateway.load) }),
    limits: gateway.limitReports(),
    store: gateway.storeStatus,
    backends: gateway.report().map(backendDocument),
  }
}

function loadDocument({ delayMs, memory, refusing, refused }: OverloadState): object {
  const round = (value: number): number => Math.round(value * 1000) / 1000
  return { delayMs: round(delayMs), memory: round(memory), refusing: round(refusing), refused }
}

/** Why a backend is not as it should be, as the operator may read it. */
export function reasonFor(why: {
  readonly reason?: string | undefined
  readonly detail?: string | undefined
}): string | undefined {
  return why.detail === undefined ? why.reason : `${why.reason}: ${why.detail}`
}

/** One backend for machines. */
export function backendDocument(backend: BackendReport): object {
  const { identity, endpoints } = backend
  return {
    name: backend.name,
    transport: backend.transport,
    era: identity?.era ?? null,
    version: identity?.version ?? null,
    eraSince: dateOf(backend.eraSince),
    ...healthDocument(backend.health),
    tools: backend.tools ?? null,
    uncallable: backend.uncallable,
    readyAfterMs: backend.readyAfter === undefined ? null : Math.round(backend.readyAfter),
    restarts: backend.restarts,
    sessions: backend.sessions,
    circuit: backend.circuit ?? null,
    circuitSince: backend.circuitSince === undefined ? null : new Date(backend.circuitSince).toISOString(),
    openTools: backend.openTools ?? [],
    calls: backend.calls ?? null,
    server: identity?.serverInfo ?? null,
    integrity: integrityDocument(backend.integrity),
    ...(endpoints === undefined ? {} : { endpoints: endpoints.map(endpointDocument) }),
  }
}

function endpointDocument({ url, health, weight, inFlight, ejectedUntil }: EndpointStatus): object {
  return {
    url: shownUrl(url),
    ...healthDocument(health),
    weight,
    inFlight,
    ejectedUntil: dateOf(ejectedUntil),
  }
}

function healthDocument(health: Health): object {
  const { latencyMs } = health
  return {
    state: health.status,
    reason: reasonFor(health) ?? null,
    since: dateOf(health.since),
    latencyMs: latencyMs === undefined ? null : Math.round(latencyMs * 100) / 100,
  }
}

function dateOf(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}
