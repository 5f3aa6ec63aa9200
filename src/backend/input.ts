import { GatewayError } from '../errors.ts'
import { editMembers, splice, withMeta } from '../protocol/edit.ts'
import { type JsonObject, member, rawOf, scanJson, stringOf, valueOf } from '../protocol/json.ts'
import {
  type ErrorMessage,
  type RequestMessage,
  type ResultMessage,
  errorText,
  parseMessage,
  resultMessage,
} from '../protocol/message.ts'
import { META } from '../protocol/meta.ts'
import type { BackendRequest } from './backend.ts'
import { type Declared, type LegacyCapabilities, canonical } from './capabilities.ts'

/** What a legacy server may ask a client for in the middle of a call. */
export type InputMethod = 'elicitation/create' | 'sampling/createMessage' | 'roots/list'

/** Only these calls may be answered with `input_required` (2026-07-28, basic/patterns/mrtr). */
export const INPUT_METHODS: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read'])

/** One open question of a legacy server. */
export interface Question {
  readonly method: InputMethod
  /** The raw JSON of the request's id: what its answer must carry. */
  readonly id: string
  /** The raw JSON of the request in the modern shape. */
  readonly modern: string
  /** Raw JSON of the task that it belongs to (2025-11-25, basic/utilities/tasks "Related Task Metadata"). */
  readonly relatedTask: string | undefined
}

/** The name that the key of a question begins with. */
export const KEY_STEM: Readonly<Record<InputMethod, string>> = {
  'elicitation/create': 'elicitation',
  'sampling/createMessage': 'sampling',
  'roots/list': 'roots',
}

/** Why a question cannot be put to a client, as the server is told. */
export interface Unanswerable {
  readonly code: number
  readonly message: string
}

/**
 * Reads a request of a legacy server as a question to the client of a call. What belongs to the legacy era alone
 * (`elicitationId`, tasks) is left out.
 */
export function questionOf(
  request: RequestMessage,
  capabilities: LegacyCapabilities,
): Question | Unanswerable {
  const { method, text, params } = request
  if (!isInputMethod(method)) return undeclared(method)
  const problem = problemOf(request, method, capabilities)
  if (problem !== undefined) return problem
  const changes = { elicitationId: undefined, task: undefined, _meta: undefined }
  const raw = params === undefined ? undefined : splice(text, editMembers(params, changes))
  const shift = (raw?.length ?? 0) - text.length
  const modernParams =
    params === undefined || raw === undefined
      ? ''
      : `,"params":${raw.slice(params.start, params.end + shift)}`
  const withParams = method === 'roots/list' ? '' : modernParams
  const related = member(member(params, '_meta'), META.relatedTask)
  return {
    method,
    id: rawOf(text, request.id),
    modern: `{"method":"${method}"${withParams}}`,
    relatedTask: related === undefined ? undefined : rawOf(text, related),
  }
}

/** True for a question, false for why there is none. */
export function isQuestion(found: Question | Unanswerable): found is Question {
  return 'modern' in found
}

function isInputMethod(method: string): method is InputMethod {
  return Object.hasOwn(KEY_STEM, method)
}

function undeclared(method: string): Unanswerable {
  return { code: -32601, message: `Method not found: the client declared no ${method}` }
}

function problemOf(
  { params, text }: RequestMessage,
  method: InputMethod,
  { elicitation, sampling, roots }: LegacyCapabilities,
): Unanswerable | undefined {
  const refused = (what: string): Unanswerable => ({
    code: -32602,
    message: `Invalid params: the client declared no ${what}`,
  })
  switch (method) {
    case 'roots/list':
      return roots === undefined ? undeclared(method) : undefined
    case 'sampling/createMessage':
      if (sampling === undefined) return undeclared(method)
      if (member(params, 'tools') !== undefined && sampling['tools'] === undefined)
        return refused('tools in sampling')
      return undefined
    case 'elicitation/create': {
      if (elicitation === undefined) return undeclared(method)
      const mode = stringOf(text, member(params, 'mode')) ?? 'form'
      // An empty object means forms, as it did before there were modes.
      const onlyForms = Object.keys(elicitation).length === 0
      return (mode === 'form' && onlyForms) || elicitation[mode] !== undefined
        ? undefined
        : refused(`elicitation of mode ${mode.slice(0, 40)}`)
    }
  }
}

/** What a retry carries beside the original parameters. */
export interface Retry {
  readonly state: string
  /** The raw JSON of each response that is an object, by key. */
  readonly responses: ReadonlyMap<string, string>
}

/** The retry that a request is; undefined for a call that begins. */
export function retryOf(message: RequestMessage): Retry | undefined {
  const node = member(message.params, 'requestState')
  if (node === undefined) return undefined
  const state = stringOf(message.text, node)
  if (state === undefined) throw invalidState()
  return { state, responses: responsesOf(message) }
}

/** The raw JSON of each of `inputResponses` that is an object, by key. */
export function responsesOf({ params, text }: RequestMessage): ReadonlyMap<string, string> {
  const node = member(params, 'inputResponses')
  if (node?.kind !== 'object') return new Map()
  const raw = rawOf(text, node)
  const scanned = scanJson(raw, { detail: 1, maxDepth: Infinity }) as JsonObject
  const answers = (scanned.members ?? []).filter(({ value }) => value.kind === 'object')
  return new Map(answers.map(({ key, value }) => [key, rawOf(raw, value)]))
}

/** Whether an answer has the least that the question's method demands; what else is in it is the server's to judge. */
export function isAnswer(raw: string, { method }: Question): boolean {
  const root = scanJson(raw, { detail: 1, maxDepth: Infinity })
  switch (method) {
    case 'elicitation/create':
      return ['accept', 'decline', 'cancel'].includes(stringOf(raw, member(root, 'action')) ?? '')
    case 'sampling/createMessage':
      return member(root, 'role') !== undefined && member(root, 'content') !== undefined
    case 'roots/list':
      return member(root, 'roots')?.kind === 'array'
  }
}

/** The answer to the server's own request that says that nobody will answer. */
export function giveUp(question: Question): string {
  const { method, id } = question
  if (method === 'elicitation/create') return answerText(question, '{"action":"cancel"}')
  return errorText(id, { code: -1, message: 'The client did not answer' })
}

/** The answer of the client, as the server gets it. */
export function answerText({ id, relatedTask }: Question, raw: string): string {
  const result = relatedTask === undefined ? raw : withMeta(raw, META.relatedTask, relatedTask)
  return `{"jsonrpc":"2.0","id":${id},"result":${result}}`
}

/** The reply that asks the client for input. */
export function inputRequired(
  questions: Iterable<readonly [key: string, modern: string]>,
  state: string,
): ResultMessage {
  const requests = [...questions].map(([key, modern]) => `${JSON.stringify(key)}:${modern}`).join(',')
  const head = '{"resultType":"input_required","inputRequests":{'
  return resultMessage(`${head}${requests}},"requestState":${JSON.stringify(state)}}`)
}

/** What a state is bound to: whoever got it can use it for the same call only. */
export function bindingOf(request: BackendRequest): readonly string[] {
  const { message, target, principal } = request
  const { params, text } = message
  const value = params === undefined ? {} : (valueOf(text, params) as Readonly<Record<string, unknown>>)
  const { _meta: _, inputResponses: _responses, requestState: _state, name, uri, ...rest } = value
  const subject = target.name ?? canonical([name, uri])
  return ['input', target.backend, principal.id, message.method, subject, canonical(rest)]
}

/** The refusal of a state that is not this gateway's, not this caller's, not for this call, or too old. */
export function invalidState(): GatewayError {
  return new GatewayError('INVALID_PARAMS', 'Invalid or expired requestState')
}

/**
 * The URLs that −32042 of 2025-11-25 asks to visit; the code must not reach modern clients. Undefined when it names none.
 */
export function visitsOf(error: ErrorMessage): readonly Visit[] | undefined {
  const { data } = valueOf(error.text, error.error) as { readonly data?: unknown }
  const entries: unknown = isRecord(data) ? data['elicitations'] : undefined
  if (!Array.isArray(entries)) return undefined
  const visits = entries.filter(isRecord).flatMap(({ url, message }) => {
    return typeof url === 'string'
      ? [{ url, message: typeof message === 'string' ? message : error.message }]
      : []
  })
  return visits.length === 0 ? undefined : visits
}

/** A URL that the user has to visit, and why. */
export interface Visit {
  readonly url: string
  readonly message: string
}

/** The input requests that send the client to URLs, by key. */
export function visitQuestions(visits: readonly Visit[]): readonly (readonly [string, string])[] {
  return visits.map(({ url, message }, index) => {
    const params = { mode: 'url', message, url }
    return [`elicitation_${index + 1}`, JSON.stringify({ method: 'elicitation/create', params })]
  })
}

/** Whether the client can be sent to a URL. */
export function canVisit({ capabilities }: Declared): boolean {
  return capabilities.elicitation?.['url'] !== undefined
}

/**
 * −32021: the call needs a client that can be sent to a URL (2026-07-28, basic/index "Error Codes"). The message names
 * the URLs, so that people can go there by themselves.
 */
export function missingUrlElicitation(error: ErrorMessage, visits: readonly Visit[]): ErrorMessage {
  const id = error.id === undefined ? '0' : rawOf(error.text, error.id)
  const data = { requiredCapabilities: { elicitation: { url: {} } } }
  const urls = visits.map(({ url }) => url).join(' ')
  const text = errorText(id, { code: -32021, message: `${error.message}: visit ${urls}`, data })
  const message = parseMessage(text)
  if (message.kind !== 'error') throw new TypeError('Not the JSON of an error')
  return message
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
