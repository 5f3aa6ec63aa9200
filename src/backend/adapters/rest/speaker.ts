import type { Reply } from '../../../pipeline/call.ts'
import { unlessAborted } from '../../../pipeline/abort.ts'
import type { Signal } from '../../../pipeline/signal.ts'
import { buildResult } from '../../../protocol/build.ts'
import { member, rawOf } from '../../../protocol/json.ts'
import { type ErrorMessage, type ResultMessage, errorMessage } from '../../../protocol/message.ts'
import { pathSegment } from '../../../protocol/path-segment.ts'
import { NOTHING, type SubscriptionFilter } from '../../../protocol/subscription.ts'
import { MODERN_VERSION } from '../../../protocol/versions.ts'
import type { BackendIdentity, BackendRequest } from '../../backend.ts'
import { ChannelError } from '../../channel.ts'
import type { Wire } from '../../http/wire.ts'
import type { Speaker, SubscriptionListener } from '../../speaker.ts'
import { traceHeaders } from '../../trace.ts'
import { type AnswerReader, jsonOf, readAnswer } from './answer.ts'
import { askService } from './exchange.ts'
import type { Paths } from './paths.ts'
import { readTools } from './tools.ts'

/** What speaking for a service needs. */
export interface RestSpeakerPorts extends AnswerReader {
  readonly wire: Wire
  readonly paths: Paths
  /** Definitions as raw JSON; undefined asks the service. */
  readonly declared: readonly string[] | undefined
  /** Milliseconds for which a list of the service is fresh. */
  readonly refresh: number
  /** Largest answer in bytes. */
  readonly maxReplyBytes: number
  /** Told what was left out of a list. */
  readonly complain: (problems: readonly string[]) => void
  /** Asks for a sign of life. */
  readonly ping: (signal: Signal) => Promise<void>
}

/** A service has nothing but tools, and says nothing of itself. */
const IDENTITY: BackendIdentity = {
  era: 'modern',
  version: MODERN_VERSION,
  serverInfo: undefined,
  capabilities: { tools: {} },
  instructions: undefined,
}

const POST = ['content-type', 'application/json', 'accept', 'application/json, text/*;q=0.9, */*;q=0.5']
const GET = ['accept', 'application/json']

/** Declared tools change with the configuration only. */
const FOR_EVER = 86_400_000

/** Speaks MCP for a service: every call of a tool is one POST. */
export function createRestSpeaker(ports: RestSpeakerPorts): Speaker {
  return new RestSpeaker(ports)
}

class RestSpeaker implements Speaker {
  readonly identity = IDENTITY
  readonly #ports: RestSpeakerPorts

  constructor(ports: RestSpeakerPorts) {
    this.#ports = ports
  }

  async send({ message, target, signal, attempt, record }: BackendRequest): Promise<Reply> {
    if (message.method !== 'tools/call')
      return errorMessage(-32601, `Method not found: ${message.method.slice(0, 64)}`)
    const segment = pathSegment(target.name ?? '')
    if (segment === undefined) return errorMessage(-32602, 'Unknown tool')
    const args = member(message.params, 'arguments')
    if (args !== undefined && args.kind !== 'object')
      return errorMessage(-32602, '"params.arguments" must be an object')
    const { wire, paths, maxReplyBytes } = this.#ports
    const answer = await askService({
      dispatch: wire.dispatch,
      method: 'POST',
      path: paths.tool(segment),
      headers: wire.headersOf(POST, record?.trace === undefined ? NO_HEADERS : traceHeaders(record.trace)),
      // As the client wrote them: numbers keep their digits.
      body: args === undefined ? '{}' : rawOf(message.text, args),
      signal,
      attempt,
      maxBytes: maxReplyBytes,
    })
    return readAnswer(answer, this.#ports)
  }

  async ask(method: string, _params: string, signal: Signal): Promise<ResultMessage | ErrorMessage> {
    if (method !== 'tools/list') return errorMessage(-32601, `Method not found: ${method}`)
    const { declared, refresh } = this.#ports
    const tools = declared ?? (await this.#discover(signal))
    return buildResult({
      resultType: '"complete"',
      tools: `[${tools.join(',')}]`,
      ttlMs: String(declared === undefined ? refresh : FOR_EVER),
      // It is asked with the gateway's own credentials: the list is the same for everybody.
      cacheScope: '"public"',
    })
  }

  ping(signal: Signal): Promise<void> {
    return this.#ports.ping(signal)
  }

  /** Nothing is announced: lists are asked for again when they are not fresh any more. */
  async subscribe(
    _filter: SubscriptionFilter,
    listener: SubscriptionListener,
    signal: Signal,
  ): Promise<void> {
    listener.onOpen(NOTHING)
    await unlessAborted(new Promise<never>(() => undefined), signal)
  }

  onMessage(): void {
    // A service sends no messages.
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  async #discover(signal: Signal): Promise<readonly string[]> {
    const { wire, paths, maxReplyBytes, maxDepth, complain } = this.#ports
    const answer = await askService({
      dispatch: wire.dispatch,
      method: 'GET',
      path: paths.tools,
      headers: wire.headersOf(GET, NO_HEADERS),
      signal,
      maxBytes: maxReplyBytes,
    })
    const { status, body } = answer
    if (status < 200 || status >= 300) throw new ChannelError({ kind: 'status', status, body: '' })
    const found = readTools(jsonOf(body, maxDepth))
    complain(found.flatMap((one) => ('problem' in one ? [one.problem] : [])))
    return found.flatMap((one) => ('definition' in one ? [one.definition] : []))
  }
}

const NO_HEADERS: Readonly<Record<string, string>> = {}
