import type { BackendConfig } from '../config/types.ts'
import { ERRORS, GatewayError } from '../errors.ts'
import type { Permitted, Reply } from '../pipeline/call.ts'
import type { Filter } from '../pipeline/handler.ts'
import { META } from '../protocol/meta.ts'
import { textBlock, toolResult } from '../protocol/tool-result.ts'

/**
 * Tells models what became of a call of a tool whose backend is no MCP server, and failed: the failure is then the result
 * of the tool (2026-07-28, server/tools "Error Handling"). Stands around the lanes, so that retries, circuits and health
 * have seen the failure itself. What the gateway itself refuses stays an error.
 */
export function failuresAsResults(
  backends: readonly Pick<BackendConfig, 'name' | 'transport'>[],
): Filter<Permitted> {
  const adapted = new Set(backends.filter(({ transport }) => transport === 'rest').map(({ name }) => name))
  if (adapted.size === 0) return (next) => next
  return (next) => (call, out) => {
    const { target } = call.permit
    const replied = next(call, out)
    if (call.method !== 'tools/call' || target.kind !== 'one' || !adapted.has(target.backend)) return replied
    return replied.catch((error: unknown) => {
      // Nobody reads what a cancelled call answers.
      if (call.signal.aborted || !isOfBackend(error)) throw error
      return failed(error)
    })
  }
}

function isOfBackend(error: unknown): error is GatewayError {
  return error instanceof GatewayError && ERRORS[error.code].source === 'upstream'
}

function failed(error: GatewayError): Reply {
  const { hint: _, ...data } = error.toRpcError().data
  return toolResult({
    content: textBlock(`${error.message}. ${adviceFor(error)}`),
    isError: true,
    meta: { [META.error]: JSON.stringify(data) },
  })
}

/** What a model can do about it. */
function adviceFor({ code, isRetryable, details: { outcome, retryAfterMs } }: GatewayError): string {
  if (code === 'BACKEND_AUTH')
    return 'Nothing was carried out, and calling again does not help: the operator has to see to it.'
  if (outcome === 'not-executed') {
    if (!isRetryable) return 'Nothing was carried out, and calling again does not help.'
    if (retryAfterMs === undefined) return 'Nothing was carried out: call again later.'
    return `Nothing was carried out: call again in ${Math.max(1, Math.ceil(retryAfterMs / 1000))} s.`
  }
  const unknown = 'It is not known whether the call was carried out'
  if (code === 'BACKEND_PROTOCOL') return `${unknown}, and calling again is unlikely to help.`
  return `${unknown}: find out before you call again.`
}
