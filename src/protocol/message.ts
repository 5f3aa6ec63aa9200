import {
  type JsonNode,
  type JsonObject,
  type ScanLimits,
  JsonSyntaxError,
  member,
  numberOf,
  rawOf,
  scanJson,
  stringOf,
} from './json.ts'
import { type Edit, splice } from './edit.ts'
import { methodName } from './methods.ts'

interface MessageBase {
  /** The whole message as it was written. */
  readonly text: string
  readonly root: JsonObject
}

/** A JSON-RPC request. */
export interface RequestMessage extends MessageBase {
  readonly kind: 'request'
  /** Span of the id; its raw text is what correlates, so that types are preserved. */
  readonly id: JsonNode
  readonly method: string
  readonly params: JsonObject | undefined
}

/** A JSON-RPC notification. */
export interface NotificationMessage extends MessageBase {
  readonly kind: 'notification'
  readonly method: string
  readonly params: JsonObject | undefined
}

/** A successful JSON-RPC response. */
export interface ResultMessage extends MessageBase {
  readonly kind: 'result'
  readonly id: JsonNode
  readonly result: JsonObject
}

/** A JSON-RPC error response; the id is missing when the peer could not read the request. */
export interface ErrorMessage extends MessageBase {
  readonly kind: 'error'
  readonly id: JsonNode | undefined
  readonly error: JsonObject
  readonly code: number
  readonly message: string
}

/** Any JSON-RPC message of MCP. */
export type Message = RequestMessage | NotificationMessage | ResultMessage | ErrorMessage

/** A text that is no acceptable message; `id` is the raw id to answer with, where it could be read. */
export interface BadMessage {
  readonly kind: 'bad'
  /** `json`: not JSON. `shape`: JSON, but no JSON-RPC message. */
  readonly problem: 'json' | 'shape'
  readonly reason: string
  readonly id: string | undefined
}

/**
 * Reads one JSON-RPC 2.0 message (2026-07-28, basic/index "Messages"): ids are strings or integers, never null;
 * params and results are objects; error codes are integers. Unknown members are kept.
 */
export function parseMessage(text: string, limits?: ScanLimits): Message | BadMessage {
  let root: JsonNode
  try {
    root = scanJson(text, limits)
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error
    return { kind: 'bad', problem: 'json', reason: error.message, id: undefined }
  }
  return readMessage(text, root)
}

/** Reads a message from a node that was scanned already, such as an element of a batch. */
export function readMessage(text: string, root: JsonNode): Message | BadMessage {
  if (root.kind !== 'object') {
    const reason = root.kind === 'array' ? 'Batches are not accepted' : 'Not a JSON object'
    return { kind: 'bad', problem: 'shape', reason, id: undefined }
  }
  const found = envelopeOf(text, root)
  if (stringOf(text, found.jsonrpc) !== '2.0') return bad(found, '"jsonrpc" must be "2.0"')
  return found.method === undefined ? readResponse(found) : readCall(found)
}

/** The members that make a message. */
interface Envelope extends MessageBase {
  readonly jsonrpc: JsonNode | undefined
  /** Undefined also where it is none, see `hasId`. */
  readonly id: JsonNode | undefined
  /** Whether there is a member of that name. */
  readonly hasId: boolean
  readonly method: JsonNode | undefined
  readonly params: JsonNode | undefined
  readonly result: JsonNode | undefined
  readonly error: JsonNode | undefined
}

/** One walk: every message of every call is read. */
function envelopeOf(text: string, root: JsonObject): Envelope {
  let jsonrpc, id, method, params, result, error: JsonNode | undefined
  for (const { key, value } of root.members ?? []) {
    if (key === 'jsonrpc') jsonrpc = value
    else if (key === 'id') id = value
    else if (key === 'method') method = value
    else if (key === 'params') params = value
    else if (key === 'result') result = value
    else if (key === 'error') error = value
  }
  const hasId = id !== undefined
  if (id !== undefined && !isId(id)) id = undefined
  return { text, root, jsonrpc, id, hasId, method, params, result, error }
}

function bad({ text, id }: Envelope, reason: string): BadMessage {
  return { kind: 'bad', problem: 'shape', reason, id: id && rawOf(text, id) }
}

function readCall(found: Envelope): Message | BadMessage {
  const { text, root, id, hasId, params } = found
  const named = stringOf(text, found.method)
  const method = named && methodName(named)
  if (hasId && id === undefined) return bad(found, '"id" must be a string or an integer')
  if (method === undefined) return bad(found, '"method" must be a string')
  if (params !== undefined && params.kind !== 'object') return bad(found, '"params" must be an object')
  if (found.result !== undefined || found.error !== undefined)
    return bad(found, 'A request cannot carry "result" or "error"')
  if (id === undefined) return { kind: 'notification', text, root, method, params }
  return { kind: 'request', text, root, id, method, params }
}

function readResponse(found: Envelope): Message | BadMessage {
  const { text, root, id, result, error } = found
  if (result !== undefined && error !== undefined)
    return bad(found, 'A response cannot carry both "result" and "error"')
  if (result !== undefined) {
    if (id === undefined) return bad(found, 'A response needs the "id" of its request')
    if (result.kind !== 'object') return bad(found, '"result" must be an object')
    return { kind: 'result', text, root, id, result }
  }
  if (error === undefined) return bad(found, 'Neither "method" nor "result" nor "error"')
  if (error.kind !== 'object') return bad(found, '"error" must be an object')
  const code = numberOf(text, member(error, 'code'))
  const message = stringOf(text, member(error, 'message'))
  if (code === undefined || !Number.isInteger(code)) return bad(found, '"error.code" must be an integer')
  if (message === undefined) return bad(found, '"error.message" must be a string')
  return { kind: 'error', text, root, id, error, code, message }
}

function isId(node: JsonNode): boolean {
  return node.kind === 'string' || (node.kind === 'number' && node.isPlain)
}

/**
 * The message after edits, read again. Only for edits that keep it a message of the same kind. How deep it may be was
 * decided when it was read first.
 */
export function edited<M extends Message>(message: M, edits: readonly Edit[]): M {
  if (edits.length === 0) return message
  const next = parseMessage(splice(message.text, edits), { maxDepth: Infinity })
  if (next.kind !== message.kind) throw new TypeError('An edit changed the kind of a message')
  return next as M
}

/** A result message made by the gateway. Its id is a placeholder that the listener replaces. */
export function resultMessage(resultJson: string): ResultMessage {
  const message = parseMessage(`{"jsonrpc":"2.0","id":0,"result":${resultJson}}`)
  if (message.kind !== 'result') throw new TypeError('Not the JSON of a result')
  return message
}

/** An error message made by the gateway in the name of a backend. Its id is a placeholder that the listener replaces. */
export function errorMessage(code: number, message: string): ErrorMessage {
  const parsed = parseMessage(errorText('0', { code, message }))
  if (parsed.kind !== 'error') throw new TypeError('Not an error')
  return parsed
}

/** The text of an error response; `id` is raw JSON, left out where it is not known. */
export function errorText(id: string | undefined, error: object): string {
  return `{"jsonrpc":"2.0",${id === undefined ? '' : `"id":${id},`}"error":${JSON.stringify(error)}}`
}
