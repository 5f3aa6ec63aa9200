import { isUtf8 } from 'node:buffer'
import { GatewayError } from '../../../errors.ts'
import { JsonSyntaxError, scanJson } from '../../../protocol/json.ts'
import type { ResultMessage } from '../../../protocol/message.ts'
import { textBlock, toolResult } from '../../../protocol/tool-result.ts'
import { ChannelError } from '../../channel.ts'
import type { RestAnswer } from './exchange.ts'

/** What reading answers needs to know. */
export interface AnswerReader {
  readonly backend: string
  /** Deepest nesting of JSON. */
  readonly maxDepth: number
}

const JSON_TYPE = /^application\/(?:json|[^/]+\+json)$/
const TEXT_TYPE = /^(?:text\/.+|application\/(?:xml|yaml|x-yaml|x-ndjson|[^/]+\+(?:xml|yaml)))$/

/** Statuses that are between gateway and service, or that the whole service is in, whatever was called. */
const OF_THE_SERVICE: ReadonlySet<number> = new Set([401, 403, 407, 429])

/** Characters of a refusal that a model is told. */
const LONGEST_TOLD = 2000

/**
 * What a call of a tool gets for the answer of its service. A refusal of this call (400 to 499) is the tool's own answer,
 * in its own words: a model can act on it. What says something of the service is thrown, without its body.
 *
 * @throws ChannelError or GatewayError BACKEND_PROTOCOL
 */
export function readAnswer(answer: RestAnswer, reader: AnswerReader): ResultMessage {
  const { status } = answer
  if (status >= 200 && status < 300) return readGood(answer, reader)
  if (status >= 400 && status < 500 && !OF_THE_SERVICE.has(status)) return refusal(answer, reader)
  const failure = new ChannelError({ kind: 'status', status, body: '' })
  if (status !== 407 && status >= 400) throw failure
  const what = status < 400 ? 'a redirect, which is not followed' : 'which a proxy in between says'
  throw new GatewayError('BACKEND_PROTOCOL', `Backend ${reader.backend} answered HTTP ${status}, ${what}`, {
    backend: reader.backend,
    outcome: status < 400 ? 'unknown' : 'not-executed',
    cause: failure,
  })
}

function readGood(answer: RestAnswer, { backend, maxDepth }: AnswerReader): ResultMessage {
  const { type, body } = answer
  if (body.length === 0) return toolResult({ content: textBlock('') })
  if (JSON_TYPE.test(type)) {
    const text = jsonOf(body, maxDepth)
    // 2026-07-28, server/tools "Structured Content": any JSON value, with its text beside it.
    return toolResult({ content: textBlock(text), structured: text.trim() })
  }
  if (TEXT_TYPE.test(type)) return toolResult({ content: textBlock(textOf(answer)) })
  const kind = /^(image|audio)\//.exec(type)?.[1]
  if (kind !== undefined) {
    const data = body.toString('base64')
    return toolResult({ content: JSON.stringify({ type: kind, data, mimeType: type }) })
  }
  const what = type === '' ? 'content of no stated type' : type
  const text = `Backend ${backend} answered with ${what}, which cannot be shown here. The call was carried out; ask for JSON or text if the tool has a choice.`
  return toolResult({ content: textBlock(text), isError: true })
}

/**
 * The body as JSON text, as it was written.
 *
 * @throws ChannelError for anything else
 */
export function jsonOf(body: Buffer, maxDepth: number): string {
  const text = utf8Of(body)
  try {
    scanJson(text, { detail: 0, maxDepth })
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error
    throw broken(`answered with what is not valid JSON (${error.message})`)
  }
  return text
}

/** RFC 8259 §8.1: always UTF-8, and a byte order mark may be passed over. */
function utf8Of(body: Buffer): string {
  if (!isUtf8(body)) throw broken('answered with invalid UTF-8')
  const text = body.toString('utf8')
  return text.startsWith('\ufeff') ? text.slice(1) : text
}

function textOf({ body, charset = 'utf-8' }: RestAnswer): string {
  if (charset === 'utf-8' || charset === 'utf8' || charset === 'us-ascii') return utf8Of(body)
  let decoder: TextDecoder
  try {
    decoder = new TextDecoder(charset, { fatal: true })
  } catch {
    throw broken(`answered in the charset ${charset}, which is not known`)
  }
  try {
    return decoder.decode(body)
  } catch {
    throw broken(`answered with what is not ${charset}`)
  }
}

function broken(reason: string): ChannelError {
  return new ChannelError({ kind: 'protocol', reason })
}

function refusal(answer: RestAnswer, { backend }: AnswerReader): ResultMessage {
  const { status } = answer
  const said = wordsOf(answer)
  const text = `Backend ${backend} refused the call with HTTP ${status}${said === '' ? '.' : `: ${said}\n`} ${ADVICE[status] ?? DEFAULT_ADVICE}`
  return toolResult({ content: textBlock(text.replace('\n ', '\n')), isError: true })
}

const DEFAULT_ADVICE = 'Correct the arguments before you call again.'
const ADVICE: Readonly<Record<number, string>> = {
  404: 'What the arguments name is not there, or the service has no such tool.',
  405: 'The service does not take calls of this tool: its operator has to look at it.',
  408: 'The service did not wait for the whole call: call again.',
  409: 'The state of the service does not allow it now: look at it before you call again.',
  410: 'What the arguments name is not there any more.',
  413: 'The arguments are too large: send less.',
  415: 'The service does not take JSON for this tool: its operator has to look at it.',
  423: 'What the arguments name is locked: call again later.',
  425: 'Call again later.',
}

/** The beginning of what a refusal says in JSON or plain text; pages are for people. */
function wordsOf({ type, body }: RestAnswer): string {
  if (!JSON_TYPE.test(type) && type !== 'text/plain') return ''
  const text = new TextDecoder().decode(body).trim()
  return text.length > LONGEST_TOLD ? `${text.slice(0, LONGEST_TOLD)}…` : text
}
