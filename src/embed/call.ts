import { type ErrorCode, ERRORS, GatewayError } from '../errors.ts'
import type { Answerer, Outcome, Refusal } from '../filters/rescue.ts'
import type { Notifications, Route } from '../pipeline/call.ts'
import { Canceller } from '../pipeline/signal.ts'
import { member, numberOf, stringOf, valueOf } from '../protocol/json.ts'
import { type NotificationMessage, type RequestMessage, parseMessage } from '../protocol/message.ts'
import { type Implementation, META } from '../protocol/meta.ts'
import { MODERN_VERSION } from '../protocol/versions.ts'
import { BackendError } from './backend-error.ts'
import type { Caller, CallerInput } from './callers.ts'
import type { ToolResult } from './result.ts'

/** A call of a tool, as the gateway pattern's `proxy_request` has it. */
export interface CallRequest {
  /** The backend that has the tool. Without it, the tool is named as clients of `/mcp` see it. */
  readonly backend?: string
  readonly tool: string
  /** Default none. */
  readonly arguments?: Readonly<Record<string, unknown>>
  /**
   * A name that anonymous callers are told apart by, for limits and for what backends remember. Default `anonymous`, who
   * are all one. It gives no rights.
   */
  readonly client?: string
  /** Somebody whom you have authenticated, for rules and limits. Default: an anonymous caller, with the rights of one. */
  readonly principal?: CallerInput
  readonly signal?: AbortSignal
  /** What it throws ends the call, and is what the call rejects with. */
  readonly onProgress?: (progress: Progress) => void
  /** Answers what a tool asks its user. Without it the caller says that it cannot be asked. */
  readonly onInput?: InputHandler
  /** What {@link onInput} can answer. Default forms: `{ elicitation: {} }`. */
  readonly capabilities?: Readonly<Record<string, object>>
}

/** How far a call is. */
export interface Progress {
  readonly progress: number
  readonly total?: number
  readonly message?: string
}

/** A question of a tool, such as `elicitation/create`. */
export interface InputRequest {
  readonly method: string
  readonly params?: Readonly<Record<string, unknown>>
}

/** Answers questions by their keys (2026-07-28, basic/patterns/mrtr). */
export type InputHandler = (
  requests: Readonly<Record<string, InputRequest>>,
) => Promise<Readonly<Record<string, object>>> | Readonly<Record<string, object>>

/** What calls are made with. */
export interface CallPorts {
  readonly answer: Answerer
  /** How calls introduce themselves to backends. */
  readonly clientInfo: Implementation
  /** Largest message, in bytes. */
  readonly maxBody: number
  readonly maxDepth: number
}

/** Times that one call may ask for input. */
const MAX_ROUNDS = 16

const PROGRESS_TOKEN = 'progress'

/** What is sent again with the answers to questions. */
interface Round {
  readonly inputResponses?: Readonly<Record<string, object>>
  readonly requestState?: string
}

/**
 * Carries out one call of a tool.
 *
 * @throws GatewayError where the gateway refuses or fails it
 * @throws BackendError where the backend answers with an error of its own
 */
export async function callTool(ports: CallPorts, request: CallRequest, caller: Caller): Promise<ToolResult> {
  let round: Round = {}
  for (let count = 0; count < MAX_ROUNDS; count++) {
    const result = await once(ports, { request, caller, round })
    if (result['resultType'] !== 'input_required') {
      const { resultType: _, ...rest } = result
      return rest as ToolResult
    }
    round = await answered(request, result)
  }
  throw new GatewayError('BACKEND_PROTOCOL', `The tool asked for input more than ${MAX_ROUNDS} times`)
}

async function answered({ onInput, tool }: CallRequest, result: JsonValue): Promise<Round> {
  if (onInput === undefined)
    throw new GatewayError('MISSING_CAPABILITY', `${tool} asks for input: pass onInput to answer it`)
  const { inputRequests = {}, requestState } = result
  const inputResponses = await onInput(inputRequests as Readonly<Record<string, InputRequest>>)
  return { inputResponses, ...(typeof requestState === 'string' ? { requestState } : {}) }
}

type JsonValue = Readonly<Record<string, unknown>>

interface Making {
  readonly request: CallRequest
  readonly caller: Caller
  readonly round: Round
}

async function once(ports: CallPorts, making: Making): Promise<JsonValue> {
  const { request, caller } = making
  const { signal, onProgress } = request
  const message = messageOf(ports, making)
  const canceller = new Canceller()
  const cancel = (): void =>
    canceller.abort(new GatewayError('CANCELLED', 'The caller cancelled the call', { cause: signal?.reason }))
  if (signal?.aborted === true) cancel()
  signal?.addEventListener('abort', cancel)
  let failure: { readonly error: unknown } | undefined
  const out: Notifications = {
    send(notification) {
      if (onProgress === undefined || failure !== undefined) return undefined
      try {
        return tell(onProgress, notification)
      } catch (error) {
        // No fault of the backend, in whose reader this runs.
        failure = { error }
        canceller.abort(new GatewayError('CANCELLED', 'The caller failed to take the progress of the call'))
        return undefined
      }
    },
  }
  const { backend } = request
  const route: Route = backend === undefined ? { kind: 'aggregate' } : { kind: 'backend', backend }
  const call = {
    ...caller,
    message,
    method: message.method,
    route,
    headers: undefined,
    signal: canceller,
  }
  try {
    const outcome = await ports.answer(call, out)
    if (failure !== undefined) throw failure.error
    return resultOf(outcome, backend)
  } finally {
    signal?.removeEventListener('abort', cancel)
  }
}

function tell(
  onProgress: (progress: Progress) => void,
  { method, params, text }: NotificationMessage,
): undefined {
  const progress = numberOf(text, member(params, 'progress'))
  if (method !== 'notifications/progress' || progress === undefined) return undefined
  const total = numberOf(text, member(params, 'total'))
  const message = stringOf(text, member(params, 'message'))
  onProgress({
    progress,
    ...(total === undefined ? {} : { total }),
    ...(message === undefined ? {} : { message }),
  })
  return undefined
}

/** Read like a message of a client, and so within the same bounds. */
function messageOf({ clientInfo, maxBody, maxDepth }: CallPorts, { request, round }: Making): RequestMessage {
  const { tool, arguments: args = {}, onInput, onProgress, capabilities = { elicitation: {} } } = request
  const meta = {
    [META.protocolVersion]: MODERN_VERSION,
    [META.clientInfo]: clientInfo,
    [META.clientCapabilities]: onInput === undefined ? {} : capabilities,
    ...(onProgress === undefined ? {} : { [META.progressToken]: PROGRESS_TOKEN }),
  }
  const params = { name: tool, arguments: args, ...round, _meta: meta }
  const text = writeJson({ jsonrpc: '2.0', id: 1, method: 'tools/call', params })
  if (text.length > maxBody || Buffer.byteLength(text) > maxBody)
    throw new GatewayError('BODY_TOO_LARGE', `The call is larger than ${maxBody} bytes`)
  const message = parseMessage(text, { maxDepth })
  if (message.kind === 'request') return message
  const reason = message.kind === 'bad' ? message.reason : 'it is no request'
  throw new GatewayError('INVALID_REQUEST', `Invalid call: ${reason}`)
}

function writeJson(value: object): string {
  try {
    return JSON.stringify(value)
  } catch (error) {
    throw new GatewayError('INVALID_PARAMS', 'The arguments of a call must be JSON', { cause: error })
  }
}

function resultOf(outcome: Outcome, backend: string | undefined): JsonValue {
  switch (outcome.kind) {
    case 'result':
      return valueOf(outcome.text, outcome.result) as JsonValue
    case 'error': {
      const data = member(outcome.error, 'data')
      throw new BackendError(outcome.message, {
        code: outcome.code,
        backend,
        data: data === undefined ? undefined : valueOf(outcome.text, data),
      })
    }
    case 'refusal':
      throw errorOf(outcome)
  }
}

/** The refusal as the error that it was made from. */
function errorOf({ error, scopes }: Refusal): GatewayError {
  const { code, retryable, backend, retryAfterMs, outcome, hint: _, ...data } = error.data as JsonValue
  return new GatewayError(isCode(code) ? code : 'INTERNAL', error.message, {
    data,
    ...(typeof retryable === 'boolean' ? { retryable } : {}),
    ...(typeof backend === 'string' ? { backend } : {}),
    ...(typeof retryAfterMs === 'number' ? { retryAfterMs } : {}),
    ...(outcome === 'not-executed' || outcome === 'unknown' ? { outcome } : {}),
    ...(scopes === undefined ? {} : { scopes }),
  })
}

function isCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERRORS, code)
}
