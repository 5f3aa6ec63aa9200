import { BUILTIN } from '../backend/builtin/backend.ts'
import type { Outcome } from '../filters/rescue.ts'
import { GatewayError } from '../errors.ts'
import type { AttemptRecord, CallRecord } from '../pipeline/record.ts'
import { member, rawOf } from '../protocol/json.ts'
import type { RequestMessage } from '../protocol/message.ts'
import { MODERN_VERSION } from '../protocol/versions.ts'
import { type Ending, codeOf, endingOf } from './outcome.ts'
import type { Redactor } from './redact.ts'
import { type CallSubject, callSubject, cut } from './subject.ts'
import type { Traced } from './trace.ts'

/** Attributes of a span, by the names of the OpenTelemetry semantic conventions for MCP. */
export type SpanAttributes = Readonly<Record<string, string | number>>

/** Something that happened during a span. Wall-clock milliseconds. */
export interface SpanEvent {
  readonly name: string
  readonly at: number
  readonly attributes: SpanAttributes
}

/** The context of another span. */
export interface SpanReference {
  readonly traceId: string
  readonly spanId: string
  readonly flags: number
  readonly isRemote: boolean
}

/** One span, ready to be sent. Times are wall-clock milliseconds, with parts. */
export interface SpanData {
  readonly kind: 'server' | 'client'
  readonly name: string
  readonly own: SpanReference
  readonly parent: SpanReference | undefined
  readonly tracestate: string | undefined
  readonly start: number
  readonly end: number
  readonly attributes: SpanAttributes
  readonly events: readonly SpanEvent[]
  readonly links: readonly SpanReference[]
  /** Undefined for what went well; otherwise why it did not, in a word. */
  readonly failure: string | undefined
}

/** Where requests for a backend go. */
export interface BackendPlace {
  readonly transport: 'tcp' | 'pipe'
  readonly address: string | undefined
  readonly port: number | undefined
}

/** What making spans needs. */
export interface SpanPorts {
  readonly placeOf: (backend: string, endpoint: string | undefined) => BackendPlace | undefined
  readonly redactor: Redactor
  readonly arguments: boolean
  readonly results: boolean
}

/** Characters of arguments or of a result in a span. */
const LONGEST_CONTENT = 8192
/** Characters of a method that nobody knows. */
const LONGEST_METHOD = 64

/**
 * The spans of a call that has ended: one of the gateway as a server, and below it one of the gateway as a client for
 * each try (semantic conventions for MCP, "Server" and "Client"). The description of a failure is its stable code and
 * never a message, which may be the words of a backend or hold arguments.
 */
export function spansOf(record: CallRecord, { outcome, trace }: Ended, ports: SpanPorts): SpanData[] {
  const own = { traceId: trace.traceId, spanId: trace.spanId, flags: trace.flags, isRemote: false }
  const server = serverSpan(record, { outcome, trace, own }, ports)
  const clients = record.attempts.flatMap((attempt) => clientSpan(attempt, { record, trace, own }, ports))
  return [server, ...clients]
}

/** How a call went. */
export interface Ended {
  readonly outcome: Outcome
  readonly trace: Traced
}

interface About {
  readonly trace: Traced
  /** The context of the server span. */
  readonly own: SpanReference
}

function serverSpan(
  record: CallRecord,
  about: About & { readonly outcome: Outcome },
  ports: SpanPorts,
): SpanData {
  const { outcome, trace, own } = about
  const { call, target } = record
  const { downstream, message } = call
  const ending = endingOf(outcome)
  const subject = callSubject(message)
  const failure = failureOf(outcome, ending)
  const transport = downstream.transport === 'http' ? OVER_HTTP : OVER_PIPE
  return {
    kind: 'server',
    // A name that nobody has is the client's invention: it names no span.
    name: spanName(call.method, target === undefined ? undefined : subject),
    own,
    parent: trace.parent,
    tracestate: trace.tracestate,
    start: record.begunAt,
    end: record.begunAt + (record.ended - record.begun),
    attributes: {
      ...common(call.method, subject),
      'jsonrpc.request.id': idIn(rawOf(message.text, message.id)),
      'mcp.protocol.version': downstream.version,
      ...transport,
      ...(downstream.address === undefined ? {} : { 'client.address': downstream.address }),
      'toolgate.route': call.route.kind === 'aggregate' ? '/mcp' : cut(`/mcp/${call.route.backend}`),
      ...(target?.kind === 'one' ? { 'toolgate.backend': target.backend } : {}),
      ...failure?.attributes,
      ...content(message, outcome, ports),
    },
    events: eventsOf(record, ending),
    links: trace.link === undefined ? [] : [trace.link],
    failure: failure?.word,
  }
}

function clientSpan(
  attempt: AttemptRecord,
  about: About & { readonly record: CallRecord },
  ports: SpanPorts,
): SpanData[] {
  const { record, trace, own } = about
  const { call, target } = record
  const spanId = attempt.trace?.spanId
  // The gateway's own tools are no server that it calls.
  if (spanId === undefined || attempt.backend === BUILTIN) return []
  const asked = callSubject(call.message)
  const name = target?.kind === 'one' ? target.name : undefined
  const subject =
    asked !== undefined && asked.kind !== 'resource' && name !== undefined ? { ...asked, name } : asked
  const reply = attempt.end?.kind === 'reply' ? attempt.end.reply : undefined
  const failure = reply === undefined ? attemptFailure(attempt) : failureOf(reply, endingOf(reply))
  const at = (moment: number): number => record.begunAt + (moment - record.begun)
  return [
    {
      kind: 'client',
      name: spanName(call.method, subject),
      own: { ...own, spanId },
      parent: own,
      tracestate: trace.tracestate,
      start: at(attempt.begun),
      end: at(attempt.ended ?? record.ended),
      attributes: {
        ...common(call.method, subject),
        ...(attempt.requestId === undefined ? {} : { 'jsonrpc.request.id': idIn(attempt.requestId) }),
        'mcp.protocol.version': attempt.spoken?.version ?? MODERN_VERSION,
        ...placeAttributes(ports.placeOf(attempt.backend, attempt.endpoint)),
        'toolgate.backend': attempt.backend,
        ...failure?.attributes,
      },
      events: [],
      links: [],
      failure: failure?.word,
    },
  ]
}

/** `{mcp.method.name} {target}`, where the target is one of few. */
function spanName(method: string, subject: CallSubject | undefined): string {
  const name = method.slice(0, LONGEST_METHOD)
  return subject === undefined || subject.kind === 'resource' ? name : `${name} ${subject.name}`
}

function common(method: string, subject: CallSubject | undefined): SpanAttributes {
  return { 'mcp.method.name': method.slice(0, LONGEST_METHOD), ...subjectAttributes(subject) }
}

function subjectAttributes(subject: CallSubject | undefined): SpanAttributes {
  switch (subject?.kind) {
    case 'tool':
      return { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': subject.name }
    case 'prompt':
      return { 'gen_ai.prompt.name': subject.name }
    case 'resource':
      return { 'mcp.resource.uri': subject.uri }
    case undefined:
      return {}
  }
}

const OVER_HTTP: SpanAttributes = { 'network.transport': 'tcp', 'network.protocol.name': 'http' }
const OVER_PIPE: SpanAttributes = { 'network.transport': 'pipe' }

function placeAttributes(place: BackendPlace | undefined): SpanAttributes {
  if (place === undefined) return {}
  if (place.transport === 'pipe') return OVER_PIPE
  return {
    ...OVER_HTTP,
    // HTTP/2 is off towards backends.
    'network.protocol.version': '1.1',
    ...(place.address === undefined ? {} : { 'server.address': place.address }),
    ...(place.port === undefined ? {} : { 'server.port': place.port }),
  }
}

/** The id of a request as a text, without the quotation marks of JSON. */
function idIn(raw: string): string {
  return cut(raw.startsWith('"') ? raw.slice(1, -1) : raw)
}

interface Failure {
  readonly word: string
  readonly attributes: SpanAttributes
}

/** What the conventions say of a failure: `error.type` is the code of JSON-RPC, where there is one. */
function failureOf(outcome: Outcome, ending: Ending): Failure | undefined {
  if (ending === 'tool_error') return { word: ending, attributes: { 'error.type': ending } }
  if (outcome.kind === 'result') return undefined
  const code = String(outcome.kind === 'error' ? outcome.code : outcome.error.code)
  const attributes = { 'error.type': code, 'rpc.response.status_code': code }
  if (outcome.kind === 'error') return { word: code, attributes }
  const word = codeOf(outcome)
  return { word, attributes: { ...attributes, 'toolgate.error.code': word } }
}

/** A try without an answer. One that has not ended yet lost to another one. */
function attemptFailure({ end }: AttemptRecord): Failure {
  const error = end?.kind === 'failed' ? end.error : undefined
  const word = error instanceof GatewayError ? error.code : end === undefined ? 'CANCELLED' : 'INTERNAL'
  return { word, attributes: { 'error.type': word, 'toolgate.error.code': word } }
}

function eventsOf(record: CallRecord, ending: Ending): readonly SpanEvent[] {
  const at = (moment: number): number => record.begunAt + (moment - record.begun)
  const events = record.events.map((event): SpanEvent => {
    const attributes = event.kind === 'retry' ? { 'error.type': event.error } : {}
    return { name: event.kind.replace('-', '_'), at: at(event.at), attributes }
  })
  if (ending !== 'input_required') return events
  return [...events, { name: ending, at: at(record.ended), attributes: {} }]
}

/** Arguments and result of a tool, where somebody wants them told. */
function content(message: RequestMessage, outcome: Outcome, ports: SpanPorts): SpanAttributes {
  if (message.method !== 'tools/call' || !(ports.arguments || ports.results)) return {}
  const args = ports.arguments ? member(message.params, 'arguments') : undefined
  const { redactor } = ports
  return {
    ...(args !== undefined && {
      'gen_ai.tool.call.arguments': redactor.json(
        'arguments',
        { text: message.text, node: args },
        LONGEST_CONTENT,
      ),
    }),
    ...(ports.results &&
      outcome.kind === 'result' && {
        'gen_ai.tool.call.result': redactor.json(
          'result',
          { text: outcome.text, node: outcome.result },
          LONGEST_CONTENT,
        ),
      }),
  }
}
