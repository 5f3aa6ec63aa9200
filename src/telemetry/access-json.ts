import type { AccessLogConfig } from '../config/telemetry-types.ts'
import { ERRORS } from '../errors.ts'
import type { Downstream, Principal } from '../pipeline/call.ts'
import { type JsonNode, member, rawOf } from '../protocol/json.ts'
import type { RequestMessage } from '../protocol/message.ts'
import { META } from '../protocol/meta.ts'
import { parseValue } from '../protocol/value.ts'
import type { CallEntry, Entry, ExchangeEntry } from './access-entry.ts'
import { codeOf } from './outcome.ts'
import type { Redactor } from './redact.ts'
import { cut } from './subject.ts'

/** What writing lines needs. */
export interface JsonLinesOptions extends Pick<AccessLogConfig, 'arguments' | 'results'> {
  readonly redactor: Redactor
}

/** Makes the line of an entry, with its newline. */
export type LineWriter = (entry: Entry) => string

/** Characters of arguments or of a result in a line. */
const LONGEST_CONTENT = 8192

/** Issuer of every principal that came with an API key. */
const KEYS = 'toolgate:keys'

/** Makes JSON lines, by hand: this is done for every call. Members are always in the same order. */
export function createJsonLines(options: JsonLinesOptions): LineWriter {
  const time = createTimeWriter()
  const client = createClientWriter()
  const principals = new WeakMap<Principal, string>()
  const sides = new WeakMap<Downstream, string>()
  const callLine = (entry: CallEntry): string => {
    const { record, last } = entry
    const { call } = record
    const { principal, downstream } = call
    let line = `{"time":"${time(record.begunAt)}","kind":"call","level":"${entry.level}","outcome":"${entry.ending}"`
    line += `,"method":${quoted(call.method)}${subjectPart(entry)}`
    line += `,"route":${quoted(call.route.kind === 'aggregate' ? '/mcp' : `/mcp/${call.route.backend}`)}`
    if (entry.backend !== undefined) line += `,"backend":${quoted(entry.backend)}`
    if (entry.endpoint !== undefined) line += `,"endpoint":${quoted(entry.endpoint)}`
    line += `,"durationMs":${rounded(entry.duration)},"queueMs":${rounded(record.queued)},"backendMs":${rounded(entry.backendTime)}`
    line += `,"tries":${record.attempts.length}${codesPart(entry)}`
    line += `,"bytesIn":${entry.bytesIn},"bytesOut":${entry.bytesOut}`
    line += remembered(principals, principal, principalPart) + client(call.message)
    line += remembered(sides, downstream, sidePart)
    if (last?.spoken !== undefined)
      line += `,"backendEra":"${last.spoken.era}","backendVersion":${quoted(last.spoken.version)}`
    if (entry.traceId !== undefined) line += `,"traceId":"${entry.traceId}"`
    if (entry.sample !== undefined) line += `,"sample":${entry.sample}`
    return `${line}${contentPart(entry, options)}}\n`
  }
  return (entry) => (entry.kind === 'call' ? callLine(entry) : exchangeLine(entry, time))
}

function exchangeLine(
  { at, level, ending, exchange, code }: ExchangeEntry,
  time: (ms: number) => string,
): string {
  const { method, path, address, refusal } = exchange
  const where = address === undefined ? '' : `,"address":${quoted(address)}`
  return `{"time":"${time(at)}","kind":"http","level":"${level}","outcome":"${ending}","method":${quoted(method)},"path":${quoted(path)},"status":${refusal.status},"rpcCode":${refusal.error.code},"code":"${code}"${where}}\n`
}

function subjectPart({ subject, backendName }: CallEntry): string {
  if (subject === undefined) return ''
  if (subject.kind === 'resource') return `,"uri":${quoted(subject.uri)}`
  const there = backendName === undefined ? '' : `,"backendName":${quoted(backendName)}`
  return `,"name":${quoted(subject.name)}${there}`
}

/** HTTP status, JSON-RPC code and stable code, where something went wrong, and which limit it was. */
function codesPart({ outcome, record }: CallEntry): string {
  if (outcome.kind === 'result') return ',"status":200'
  if (outcome.kind === 'error') return `,"rpcCode":${outcome.code}`
  const code = codeOf(outcome)
  const limit = record.limit === undefined ? '' : `,"limit":${quoted(record.limit)}`
  return `,"status":${outcome.status},"rpcCode":${outcome.error.code},"code":"${code}","source":"${ERRORS[code].source}"${limit}`
}

function principalPart(principal: Principal): string {
  if (principal.anonymous) return ',"anonymous":true'
  const { issuer, subject, tenant, client } = principal
  let part = `,"issuer":${quoted(issuer)},"subject":${quoted(subject)}`
  if (tenant !== undefined) part += `,"tenant":${quoted(tenant)}`
  if (client === undefined) return part
  return `${part},"${issuer === KEYS ? 'apiKey' : 'clientId'}":${quoted(client)}`
}

/** A session is never named: where nobody says who they are, whoever knows it has it. */
function sidePart({ transport, era, version, address }: Downstream): string {
  const where = address === undefined ? '' : `,"address":${quoted(address)}`
  return `,"transport":"${transport}"${where},"era":"${era}","version":${quoted(version)}`
}

function contentPart({ record, outcome }: CallEntry, options: JsonLinesOptions): string {
  const { redactor } = options
  let part = ''
  const { text, params } = record.call.message
  const args = options.arguments ? member(params, 'arguments') : undefined
  if (args !== undefined)
    part += `,"arguments":${redactor.json('arguments', { text, node: args }, LONGEST_CONTENT)}`
  if (!options.results || outcome.kind !== 'result') return part
  const source: { readonly text: string; readonly node: JsonNode } = {
    text: outcome.text,
    node: outcome.result,
  }
  return `${part},"result":${redactor.json('result', source, LONGEST_CONTENT)}`
}

function remembered<K extends object>(known: WeakMap<K, string>, key: K, make: (key: K) => string): string {
  let part = known.get(key)
  if (part === undefined) {
    part = make(key)
    known.set(key, part)
  }
  return part
}

/** Clients of which it is remembered what is said. */
const MOST_CLIENTS = 256
/** Longer words of a client about itself are not read. */
const LONGEST_CLIENT = 2048

/** Name and version of a client, as it calls itself: read once, for it says the same with every call. */
function createClientWriter(): (message: RequestMessage) => string {
  const known = new Map<string, string>()
  return ({ text, params }) => {
    const node = member(member(params, '_meta'), META.clientInfo)
    if (node === undefined || node.end - node.start > LONGEST_CLIENT) return ''
    const raw = rawOf(text, node)
    let part = known.get(raw)
    if (part === undefined) {
      if (known.size >= MOST_CLIENTS) known.clear()
      part = clientPart(raw)
      known.set(raw, part)
    }
    return part
  }
}

function clientPart(raw: string): string {
  const { name, version } = (parseValue(raw) ?? {}) as { readonly name?: unknown; readonly version?: unknown }
  if (typeof name !== 'string') return ''
  return `,"client":${quoted(name)}${typeof version === 'string' ? `,"clientVersion":${quoted(version)}` : ''}`
}

/** ISO 8601 with milliseconds. All but these stay the same for a second. */
function createTimeWriter(): (ms: number) => string {
  let second = Number.NaN
  let text = ''
  return (ms) => {
    const whole = Math.floor(ms / 1000)
    if (whole !== second) {
      second = whole
      text = new Date(whole * 1000).toISOString().slice(0, 20)
    }
    return `${text}${String(1000 + Math.floor(ms - whole * 1000)).slice(1)}Z`
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

/** A JSON string; most texts need no escape. */
function quoted(text: string): string {
  return /^[\x20\x21\x23-\x5b\x5d-\x7e]{0,256}$/.test(text) ? `"${text}"` : JSON.stringify(cut(text))
}
