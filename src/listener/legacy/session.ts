import { GatewayError } from '../../errors.ts'
import { toRefusal } from '../../filters/rescue.ts'
import type { Downstream, Notifications, Principal, Route } from '../../pipeline/call.ts'
import { member, rawOf, stringOf, valueOf } from '../../protocol/json.ts'
import {
  type NotificationMessage,
  type RequestMessage,
  errorText,
  parseMessage,
} from '../../protocol/message.ts'
import { negotiateLegacyVersion } from '../../protocol/versions.ts'
import type { ListenerPorts } from '../ports.ts'
import { type SessionFacts, legacyReplyText, toModernRequest } from './translate.ts'

/** Who opened a session, and where. */
export interface SessionOwner {
  readonly principal: Principal
  readonly route: Route
  readonly transport: 'http' | 'stdio'
}

/** A legacy client between its `initialize` and its end: the adapter that makes modern calls of its messages. */
export interface LegacySession {
  readonly id: string
  readonly owner: SessionOwner
  /** The revision that was negotiated. */
  readonly version: string
  /** Calls that are being carried out. */
  readonly inFlight: number
  /** Carries out a request and yields the text of the response. Never rejects. */
  handle(message: RequestMessage, out: Notifications): Promise<string>
  /** Takes a notification of the client; `notifications/cancelled` ends a call. */
  notify(message: NotificationMessage): void
  /** Ends every call of the session. */
  close(reason: GatewayError): void
}

/** A session and the answer to the `initialize` that opened it. */
export interface OpenedSession {
  readonly session: LegacySession
  readonly replyText: string
}

const LOG_LEVELS: ReadonlySet<string> = new Set([
  ...['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'],
])

/**
 * Opens a session: `initialize` is answered with what `server/discover` says (2025-11-25, basic/lifecycle).
 *
 * @throws GatewayError where discovery is refused
 */
export async function openSession(
  initialize: RequestMessage,
  owner: SessionOwner & { readonly id: string },
  ports: ListenerPorts,
): Promise<OpenedSession> {
  const requested = stringOf(initialize.text, member(initialize.params, 'protocolVersion'))
  const info = member(initialize.params, 'clientInfo')
  const session = createSession(owner, ports, {
    version: negotiateLegacyVersion(requested),
    clientInfo: info?.kind === 'object' ? rawOf(initialize.text, info) : undefined,
  })
  const discovered = await session.discover(initialize)
  const result = {
    protocolVersion: session.version,
    capabilities: { ...discovered.capabilities, logging: {} },
    serverInfo: ports.serverInfo,
    ...(discovered.instructions === undefined ? {} : { instructions: discovered.instructions }),
  }
  const id = rawOf(initialize.text, initialize.id)
  return { session, replyText: `{"jsonrpc":"2.0","id":${id},"result":${JSON.stringify(result)}}` }
}

interface Discovered {
  readonly capabilities: object
  readonly instructions: string | undefined
}

interface Negotiated {
  readonly version: string
  readonly clientInfo: string | undefined
}

function createSession(
  owner: SessionOwner & { readonly id: string },
  ports: ListenerPorts,
  negotiated: Negotiated,
): LegacySession & { discover(initialize: RequestMessage): Promise<Discovered> } {
  const calls = new Map<string, AbortController>()
  const downstream: Downstream = {
    era: 'legacy',
    version: negotiated.version,
    transport: owner.transport,
    session: owner.id,
  }
  let facts: SessionFacts = { clientInfo: negotiated.clientInfo, logLevel: undefined }

  const call = (
    message: RequestMessage,
    signal: AbortSignal,
    out: Notifications,
  ): ReturnType<ListenerPorts['answer']> =>
    ports.answer(
      {
        message: toModernRequest(message, facts),
        method: message.method,
        route: owner.route,
        principal: owner.principal,
        downstream,
        headers: undefined,
        signal,
      },
      out,
    )

  const carryOut = async (message: RequestMessage, out: Notifications): Promise<string> => {
    const id = rawOf(message.text, message.id)
    if (calls.has(id))
      throw new GatewayError(
        'INVALID_REQUEST',
        `A request with the id ${id.slice(0, 64)} is in flight already`,
      )
    const controller = new AbortController()
    calls.set(id, controller)
    try {
      const outcome = await call(message, controller.signal, out)
      return outcome.kind === 'refusal' ? errorText(id, outcome.error) : legacyReplyText(outcome, id)
    } finally {
      calls.delete(id)
    }
  }

  const setLevel = (message: RequestMessage): string => {
    const level = stringOf(message.text, member(message.params, 'level'))
    if (level === undefined || !LOG_LEVELS.has(level)) {
      throw new GatewayError('INVALID_PARAMS', `"params.level" must be one of ${[...LOG_LEVELS].join(', ')}`)
    }
    facts = { ...facts, logLevel: level }
    return emptyResult(message)
  }

  return {
    id: owner.id,
    owner,
    version: negotiated.version,
    get inFlight() {
      return calls.size
    },
    async handle(message, out) {
      try {
        if (message.method === 'ping') return emptyResult(message)
        if (message.method === 'logging/setLevel') return setLevel(message)
        if (message.method === 'initialize')
          throw new GatewayError('INVALID_REQUEST', 'The session is initialized already')
        return await carryOut(message, out)
      } catch (error) {
        return errorText(rawOf(message.text, message.id), toRefusal(error, ports.log).error)
      }
    },
    notify(message) {
      if (message.method !== 'notifications/cancelled') return
      const requestId = member(message.params, 'requestId')
      if (requestId === undefined) return
      calls
        .get(rawOf(message.text, requestId))
        ?.abort(new GatewayError('CANCELLED', 'The client cancelled the call'))
    },
    close: (reason) => calls.forEach((controller) => controller.abort(reason)),
    async discover(initialize) {
      const discover = parseMessage(
        `{"jsonrpc":"2.0","id":${rawOf(initialize.text, initialize.id)},"method":"server/discover"}`,
      )
      if (discover.kind !== 'request') throw new TypeError('Not a request')
      const outcome = await call(discover, new AbortController().signal, { send: () => undefined })
      if (outcome.kind !== 'result') {
        const message = outcome.kind === 'refusal' ? outcome.error.message : outcome.message
        throw new GatewayError(
          outcome.kind === 'refusal' && outcome.status === 404 ? 'UNKNOWN_BACKEND' : 'INTERNAL',
          message,
        )
      }
      return readDiscovered(valueOf(outcome.text, outcome.result))
    },
  }
}

function readDiscovered(value: unknown): Discovered {
  const { capabilities, instructions } = value as {
    readonly capabilities?: unknown
    readonly instructions?: unknown
  }
  return {
    capabilities: typeof capabilities === 'object' && capabilities !== null ? capabilities : {},
    instructions: typeof instructions === 'string' ? instructions : undefined,
  }
}

function emptyResult(message: RequestMessage): string {
  return `{"jsonrpc":"2.0","id":${rawOf(message.text, message.id)},"result":{}}`
}
