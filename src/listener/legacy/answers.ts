import { rawOf } from '../../protocol/json.ts'
import { type RequestMessage, errorText } from '../../protocol/message.ts'
import type { InputFailure } from './rounds.ts'

/** 2025-11-25, server/resources "Error Handling". */
const RESOURCE_NOT_FOUND = -32002
const INTERNAL_ERROR = -32603

/** The answer that says that something was done. */
export function emptyResult(message: RequestMessage): string {
  return `{"jsonrpc":"2.0","id":${rawOf(message.text, message.id)},"result":{}}`
}

/** The refusal of a subscription to a resource that nobody has. */
export function resourceNotFound(message: RequestMessage, uri: string): string {
  const error = { code: RESOURCE_NOT_FOUND, message: 'Nothing is told about this resource', data: { uri } }
  return errorText(rawOf(message.text, message.id), error)
}

/** A tool that cannot be used is a tool error, which a model can read; anything else fails with the client's own words. */
export function failedInput(message: RequestMessage, failure: InputFailure): string {
  const id = rawOf(message.text, message.id)
  if (message.method === 'tools/call') {
    const result = { content: [{ type: 'text', text: failure.message }], isError: true }
    return `{"jsonrpc":"2.0","id":${id},"result":${JSON.stringify(result)}}`
  }
  const error = failure.clientError ?? JSON.stringify({ code: INTERNAL_ERROR, message: failure.message })
  return `{"jsonrpc":"2.0","id":${id},"error":${error}}`
}
