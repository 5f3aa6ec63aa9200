import { type Signal, anySignal } from '../pipeline/signal.ts'
import type { Clock } from '../pipeline/clock.ts'
import { valueOf } from '../protocol/json.ts'
import { type ErrorMessage, type ResultMessage } from '../protocol/message.ts'
import { META } from '../protocol/meta.ts'
import { type Era, LATEST_LEGACY_VERSION, LEGACY_VERSIONS, MODERN_VERSION } from '../protocol/versions.ts'
import type { BackendIdentity } from './backend.ts'
import { type Channel, ChannelError, type Exchange } from './channel.ts'
import { type LegacySession, type LegacySpeaker, createLegacySpeaker } from './legacy.ts'
import { identityOf, isImplementation, isRecord } from './legacy-form.ts'
import type { SpeakerPorts } from './ports.ts'
import { isVersionError } from './speaker.ts'

/** What a probe found. `legacy` is a guess that `initialize` has to confirm. */
export type ProbeVerdict =
  | { readonly era: 'modern'; readonly identity: BackendIdentity }
  | { readonly era: 'legacy'; readonly reason: string }

/**
 * Asks `server/discover` and judges the answer (2026-07-28, basic/transports "Backward Compatibility" of both
 * transports): only positive evidence makes a server modern. Authentication, server failures and unreachable
 * servers are no evidence and are thrown; so is a recognised modern error, because a modern server that refuses
 * the probe must not be asked to initialize.
 *
 * @throws ChannelError, or the reason of the signal
 */
export async function probeEra(channel: Channel, ports: SpeakerPorts, signal: Signal): Promise<ProbeVerdict> {
  const id = ports.nextId()
  const text = `{"jsonrpc":"2.0","id":${id},"method":"server/discover","params":{"_meta":${ports.requestMeta}}}`
  const headers = { 'mcp-protocol-version': MODERN_VERSION, 'mcp-method': 'server/discover' }
  const exchange: Exchange = {
    text,
    id,
    headers,
    era: 'modern',
    signal,
    onNotification: () => undefined,
    onRequest: () => undefined,
  }
  const answer = await channel.exchange(exchange).catch((error: unknown) => {
    if (error instanceof ChannelError) return judgeFailure(error, channel)
    throw error
  })
  return 'era' in answer ? answer : judge(answer.message)
}

/** A stdio server that does not answer the probe in this time is taken for a legacy one, in milliseconds. */
const STDIO_PROBE_TIMEOUT = 5000

/**
 * As {@link probeEra}; on a pipe silence means legacy too.
 *
 * @throws ChannelError, or the reason of the signal
 */
export async function findEra(
  channel: Channel,
  ports: SpeakerPorts,
  { clock, signal }: { readonly clock: Clock; readonly signal: Signal },
): Promise<ProbeVerdict> {
  if (channel.transport === 'http') return probeEra(channel, ports, signal)
  const silence = new AbortController()
  const reason = new ChannelError({ kind: 'protocol', reason: 'server/discover was not answered' })
  const cancel = clock.after(STDIO_PROBE_TIMEOUT, () => silence.abort(reason))
  try {
    return await probeEra(channel, ports, anySignal(signal, silence.signal))
  } catch (error) {
    if (error !== reason) throw error
    return { era: 'legacy', reason: reason.message }
  } finally {
    cancel()
  }
}

function judge(message: ResultMessage | ErrorMessage): ProbeVerdict {
  if (message.kind === 'result') {
    const identity = discovered(message)
    return identity === undefined
      ? { era: 'legacy', reason: 'server/discover named no version that the gateway speaks' }
      : { era: 'modern', identity }
  }
  if (isModernError(message)) {
    const reason = `is modern, but refused server/discover with error ${message.code}`
    throw new ChannelError({ kind: 'protocol', reason })
  }
  return { era: 'legacy', reason: `server/discover answered error ${message.code}` }
}

function judgeFailure(error: ChannelError, channel: Channel): ProbeVerdict {
  const { failure } = error
  switch (failure.kind) {
    case 'status':
      if (!isEraEvidence(failure.status)) throw error
      return { era: 'legacy', reason: `server/discover answered ${failure.status}` }
    case 'protocol':
      return { era: 'legacy', reason: error.message }
    case 'broken':
      // Some legacy servers exit on any request before initialize.
      if (channel.transport === 'stdio') return { era: 'legacy', reason: error.message }
      throw error
    case 'unreachable':
      throw error
  }
}

/** Whether an HTTP status says something about the era: those of authentication, overload and failure do not. */
export function isEraEvidence(status: number): boolean {
  return status !== 401 && status !== 403 && status !== 429 && status < 500
}

/**
 * Whether a failure to connect disproves what was believed about the era: an answer that does not fit it does; silence,
 * refused connections and overload say nothing about it.
 */
export function disprovesVerdict(error: unknown): boolean {
  if (!(error instanceof ChannelError)) return false
  const { failure } = error
  return failure.kind === 'protocol' || (failure.kind === 'status' && isEraEvidence(failure.status))
}

/** Milliseconds for which a server that was found to be a legacy one is believed to be nothing else. */
export const LEGACY_FOR: number = 10 * 60_000

/** What was found out about an era, and when, in wall-clock milliseconds. */
export interface DatedVerdict {
  readonly era: Era
  readonly since: number
}

/** The last verdict, as long as it is believed. A modern one is disproved by any answer. */
export function believedEra(verdict: DatedVerdict | undefined, clock: Clock): Era | 'auto' {
  if (verdict === undefined) return 'auto'
  return verdict.era === 'legacy' && clock.wallTime() - verdict.since >= LEGACY_FOR ? 'auto' : verdict.era
}

function isModernError(message: ErrorMessage): boolean {
  return message.code === -32020 || message.code === -32021 || isVersionError(message)
}

function discovered(message: ResultMessage): BackendIdentity | undefined {
  const value = valueOf(message.text, message.result)
  if (!isRecord(value) || !Array.isArray(value['supportedVersions'])) return undefined
  if (!value['supportedVersions'].includes(MODERN_VERSION)) return undefined
  const meta = isRecord(value['_meta']) ? value['_meta'] : {}
  const serverInfo = meta[META.serverInfo]
  return {
    era: 'modern',
    version: MODERN_VERSION,
    serverInfo: isImplementation(serverInfo) ? serverInfo : undefined,
    capabilities: isRecord(value['capabilities']) ? value['capabilities'] : {},
    instructions: typeof value['instructions'] === 'string' ? value['instructions'] : undefined,
  }
}

/**
 * The legacy handshake: `initialize`, then `notifications/initialized` (2025-11-25, basic/lifecycle). Exactly the
 * capabilities of the session's client are declared, and none in the gateway's own: servers must not ask for what
 * nobody answers.
 *
 * @throws ChannelError, or the reason of the signal
 */
export async function initializeLegacy(
  channel: Channel,
  ports: SpeakerPorts,
  signal: Signal,
): Promise<LegacySpeaker> {
  const id = ports.nextId()
  const capabilities = ports.client?.capabilities ?? {}
  const params = { protocolVersion: LATEST_LEGACY_VERSION, capabilities, clientInfo: ports.clientInfo }
  const answer = await channel.exchange({
    id,
    era: 'legacy',
    headers: {},
    signal,
    text: `{"jsonrpc":"2.0","id":${id},"method":"initialize","params":${JSON.stringify(params)}}`,
    onNotification: () => undefined,
    onRequest: () => undefined,
  })
  const { message } = answer
  if (message.kind === 'error') {
    // Said without the id of the request: nobody looked at it, the status is the news.
    const { status } = answer
    if (message.id === undefined && status >= 400)
      throw new ChannelError({ kind: 'status', status, body: '' })
    // Not what it said: reasons stand in logs and in the gateway's own errors, where a backend's words have no place.
    const reason = `refused initialize with error ${message.code}`
    throw new ChannelError({ kind: 'protocol', reason })
  }
  const session = sessionOf(message, answer.session)
  await channel.notify('{"jsonrpc":"2.0","method":"notifications/initialized"}', session.headers)
  return createLegacySpeaker(channel, session, ports)
}

function sessionOf(message: ResultMessage, sessionId: string | undefined): LegacySession {
  const identity = identityOf(message.result, message.text)
  if (identity === undefined)
    throw new ChannelError({ kind: 'protocol', reason: 'answered initialize without a version' })
  if (!LEGACY_VERSIONS.includes(identity.version)) {
    const version = identity.version.slice(0, 40)
    throw new ChannelError({
      kind: 'protocol',
      reason: `wants protocol version ${version}, which the gateway does not speak`,
    })
  }
  if (sessionId !== undefined && !/^[\x21-\x7e]{1,1024}$/.test(sessionId)) {
    throw new ChannelError({ kind: 'protocol', reason: 'sent an invalid Mcp-Session-Id' })
  }
  // The version header came with 2025-06-18; older servers ignore it.
  const version = { 'mcp-protocol-version': identity.version }
  return {
    identity,
    headers: sessionId === undefined ? version : { ...version, 'mcp-session-id': sessionId },
  }
}
