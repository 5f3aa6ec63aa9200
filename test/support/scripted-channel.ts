import type { Signal } from '../../src/pipeline/signal.ts'
import type { HttpChannel } from '../../src/backend/http/channel.ts'
import {
  type Answer,
  type Channel,
  ChannelError,
  type ChannelFailure,
  type Exchange,
} from '../../src/backend/channel.ts'
import { createQuota } from '../../src/backend/quota.ts'
import type { BackendPorts, SpeakerPorts } from '../../src/backend/ports.ts'
import { ownRequestMeta } from '../../src/backend/ports.ts'
import { type Log, silentLog } from '../../src/pipeline/log.ts'
import type { Clock } from '../../src/pipeline/clock.ts'
import { member, stringOf } from '../../src/protocol/json.ts'
import type { Message } from '../../src/protocol/message.ts'
import { requestOf, result, rpcError, untilAborted } from './scripted.ts'
import { createSealer, randomKey } from '../../src/seal/seal.ts'

/** What the other end of a channel does with a request: an answer, a failure below JSON-RPC, or silence. */
export type Script = (method: string, exchange: Exchange) => Promise<Answer>

/** A channel whose other end is played by the test: the port, not a stand-in for a real one. */
export interface ScriptedChannel extends HttpChannel {
  /** Requests as they were written, in order. */
  readonly requests: Exchange[]
  readonly methods: readonly string[]
  /** Texts that went through `notify`, with their headers. */
  readonly notified: { readonly text: string; readonly headers: Readonly<Record<string, string>> }[]
  readonly deleted: Readonly<Record<string, string>>[]
  script: Script
  onListen: (onMessage: (message: Message) => void, signal: Signal) => Promise<void>
}

/** Creates a channel that answers by the script. Silence ends when the exchange is aborted. */
export function scriptedChannel(script: Script, transport: 'http' | 'stdio' = 'http'): ScriptedChannel {
  const requests: Exchange[] = []
  const channel: ScriptedChannel = {
    // The speakers tell the transports apart by this alone.
    transport: transport as 'http',
    requests,
    notified: [],
    deleted: [],
    script,
    onListen: (_onMessage, signal) => untilAborted(signal),
    get methods() {
      return requests.map(methodOf)
    },
    exchange(exchange) {
      requests.push(exchange)
      return exchange.signal.aborted
        ? untilAborted(exchange.signal)
        : channel.script(methodOf(exchange), exchange)
    },
    notify(text, headers) {
      channel.notified.push({ text, headers })
      return Promise.resolve()
    },
    listen(_headers, handlers, signal) {
      const ended = channel.onListen((message) => handlers.onMessage(message), signal)
      // A script that fails at once has refused the stream.
      void Promise.race([ended, Promise.resolve()]).then(
        () => handlers.onOpen(),
        () => undefined,
      )
      return ended
    },
    openSse: () => fail({ kind: 'status', status: 405, body: '' }),
    probe: () => Promise.resolve(),
    deleteSession(headers) {
      channel.deleted.push(headers)
      return Promise.resolve()
    },
    close: () => Promise.resolve(),
  }
  return channel satisfies Channel
}

function methodOf(exchange: Exchange): string {
  const message = requestOf(exchange.text)
  return stringOf(message.text, member(message.root, 'method')) ?? ''
}

/** Answers with this result. */
export function answer(exchange: Exchange, value: unknown, over: Partial<Answer> = {}): Promise<Answer> {
  return Promise.resolve({ message: result(value, exchange.id), status: 200, session: undefined, ...over })
}

/** Answers with this error. */
export function refuse(exchange: Exchange, code: number, data?: unknown): Promise<Answer> {
  return Promise.resolve({
    message: rpcError(code, 'no', { data, id: exchange.id }),
    status: 400,
    session: undefined,
  })
}

/** Fails below JSON-RPC. */
export function fail(failure: ChannelFailure): Promise<never> {
  return Promise.reject(new ChannelError(failure))
}

/** What a modern server says about itself. */
export const DISCOVERED: object = {
  resultType: 'complete',
  supportedVersions: ['2026-07-28'],
  capabilities: { tools: {} },
  _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'modern', version: '1' } },
}

/** What a legacy server says about itself. */
export const INITIALIZED: object = {
  protocolVersion: '2025-11-25',
  capabilities: { tools: {} },
  serverInfo: { name: 'legacy', version: '1' },
}

/** A modern server that answers every other request with this result. */
export function modernServer(value: unknown = {}): Script {
  return (method, exchange) => answer(exchange, method === 'server/discover' ? DISCOVERED : value)
}

/** A legacy server with a session that answers every other request with this result. */
export function legacyServer(value: unknown = {}, session: string | undefined = 's1'): Script {
  return (method, exchange) => {
    if (method === 'initialize') return answer(exchange, INITIALIZED, { session })
    if (method === 'server/discover') return refuse(exchange, -32601)
    return answer(exchange, value)
  }
}

/** Ports of a backend with a clock by hand and no jitter. */
export function backendPorts(clock: Clock, log: Log = silentLog): BackendPorts {
  const unused = (): never => {
    throw new Error('not to be used here')
  }
  return {
    clock,
    log,
    random: () => 1,
    clientInfo: { name: 'toolgate', version: '0' },
    limits: {
      body: 1e6,
      headers: 32_768,
      depth: 64,
      reply: 1e6,
      bodyTimeout: 1e4,
      calls: 100,
      sessions: 100,
      sessionsPerPrincipal: 1000,
      queue: 100,
      listEntries: 1000,
      parked: 10,
      parkedTotal: 20,
      parkTime: 60_000,
      streams: 10,
      streamAge: 1e9,
      silence: 1e9,
      requestsPerAddress: undefined,
    },
    sealer: createSealer(randomKey()),
    parking: createQuota(10, 20),
    host: new Proxy({} as BackendPorts['host'], { get: unused }),
    children: undefined,
  }
}

/** Ports of a speaker; ids count from 101. */
export function speakerPorts(onChange: SpeakerPorts['onChange'] = () => undefined): SpeakerPorts {
  let id = 100
  const clientInfo = { name: 'toolgate', version: '0' }
  return {
    nextId: () => String(++id),
    requestMeta: ownRequestMeta(clientInfo),
    clientInfo,
    log: silentLog,
    backend: 'a',
    onChange,
  }
}
