import { randomUUID } from 'node:crypto'
import { type Edit, editMembers, splice } from '../../protocol/edit.ts'
import { type JsonObject, member, rawOf, scanJson, stringOf } from '../../protocol/json.ts'
import type { ResultMessage } from '../../protocol/message.ts'
import { ofTask } from '../../protocol/tasks.ts'
import type { InputKind } from './capabilities.ts'

/** One entry of `inputRequests` (2026-07-28, basic/patterns/mrtr "InputRequests"). */
export interface InputRequest {
  /** Raw JSON string: the key under which the answer goes back. */
  readonly key: string
  readonly method: string
  /** Undefined for a method that no revision knows. */
  readonly kind: InputKind | undefined
  /** The text that holds {@link InputRequest.params}. */
  readonly text: string
  readonly params: JsonObject | undefined
}

/** What an `input_required` result asks for. */
export interface InputRequired {
  readonly requests: readonly InputRequest[]
  /** Raw JSON, to be given back to the letter. */
  readonly state: string | undefined
}

/** Levels of `inputRequests` that are looked at: the map, its entries, their parameters. */
const DETAIL = 3

/** What the result asks for; undefined for a result that is complete. */
export function readInputRequired(reply: ResultMessage): InputRequired | undefined {
  const { text, result } = reply
  if (stringOf(text, member(result, 'resultType')) !== 'input_required') return undefined
  const requests = member(result, 'inputRequests')
  const state = member(result, 'requestState')
  return {
    requests: requests === undefined ? [] : readRequests(rawOf(text, requests)),
    state: state === undefined ? undefined : rawOf(text, state),
  }
}

/** The entries of a raw `inputRequests`. */
export function readRequests(text: string): readonly InputRequest[] {
  const root = scanJson(text, { maxDepth: Infinity, detail: DETAIL })
  if (root.kind !== 'object') return []
  return (root.members ?? []).map(({ key, value }) => {
    const method = stringOf(text, member(value, 'method')) ?? ''
    const found = member(value, 'params')
    const params = found?.kind === 'object' ? found : undefined
    return { key: JSON.stringify(key), method, kind: kindOf(text, method, params), text, params }
  })
}

function kindOf(text: string, method: string, params: JsonObject | undefined): InputKind | undefined {
  if (method === 'sampling/createMessage') return 'sampling'
  if (method === 'roots/list') return 'roots'
  if (method !== 'elicitation/create') return undefined
  return stringOf(text, member(params, 'mode')) === 'url' ? 'url' : 'form'
}

/** For whom parameters are written. */
export interface ParamsReader {
  /** The revision of the client. */
  readonly version: string
  /** Whether the client sees several backends as one server. */
  readonly aggregate: boolean
  /** The task that the request belongs to, which the client is told. */
  readonly taskId?: string | undefined
}

/** The parameters of an input request as a client of that revision takes them, raw JSON. */
export function clientParams(request: InputRequest, reader: ParamsReader): string | undefined {
  const { params, text } = request
  const { taskId } = reader
  if (params === undefined) return taskId === undefined ? undefined : ofTask('{}', taskId)
  const edits = paramEdits(request, params, reader).map((edit): Edit => ({
    ...edit,
    start: edit.start - params.start,
    end: edit.end - params.start,
  }))
  const written = splice(rawOf(text, params), edits)
  return taskId === undefined ? written : ofTask(written, taskId)
}

function paramEdits(request: InputRequest, params: JsonObject, reader: ParamsReader): readonly Edit[] {
  switch (request.kind) {
    case 'form':
      // Forms were all there was before 2025-11-25, and had no name.
      return reader.version < '2025-11-25' ? editMembers(params, { mode: undefined }) : []
    case 'url':
      // Required until 2025-11-25 and gone since: nothing refers to it, so any unique one will do.
      return editMembers(params, { elicitationId: `"${randomUUID()}"` })
    case 'sampling':
      return editMembers(params, {
        // "This server" would be every backend of the aggregate, which the one that asks must not see.
        ...(reader.aggregate ? { includeContext: undefined } : {}),
        ...(reader.version < '2025-11-25' ? { tools: undefined, toolChoice: undefined } : {}),
      })
    default:
      return []
  }
}
