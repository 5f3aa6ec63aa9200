import { anySignal } from '../pipeline/signal.ts'
import type { Backend } from '../backend/backend.ts'
import { sendRecorded } from '../backend/recorded.ts'
import { GatewayError } from '../errors.ts'
import type { Notifications, Permitted, Reply } from '../pipeline/call.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { OneTarget, SearchOperation } from '../pipeline/target.ts'
import { subjectOf } from '../protocol/subject.ts'
import { type ExposePorts, exposeReply } from './expose.ts'

/** What a search needs. */
export interface SearchPorts extends ExposePorts {
  readonly backends: ReadonlyMap<string, Backend>
  readonly clock: Clock
  /** False for a backend that is left alone at the moment, because it fails or an operator says so. */
  readonly mayAsk: (backend: string) => boolean
  /** Milliseconds that each backend gets. */
  readonly askTimeout: number
}

/** Asks backends for a resource that nobody lists. */
export type Search = (call: Permitted, operation: SearchOperation, out: Notifications) => Promise<Reply>

/** All backends together get this many times what each gets. */
const TOTAL = 5

/** Resources of which it is remembered who had them. */
const MAX_REMEMBERED = 1000

/** "Not found" of both eras, and of servers without resources. */
const NOT_FOUND: ReadonlySet<number> = new Set([-32602, -32002, -32601])

/**
 * Creates the search. Candidates are asked in their order; the first result counts, otherwise the first error that
 * says something else than "not found". Who had a resource is asked first the next time, so that a call that goes
 * on after an input request reaches the backend that asked for the input.
 */
export function createSearch(ports: SearchPorts): Search {
  const remembered = new Map<string, string>()
  return async (call, operation, out) => {
    const { uri } = operation
    const key = `${call.principal.id} ${uri}`
    const silent: string[] = []
    let failure: Reply | undefined
    const deadline = ports.clock.now() + TOTAL * ports.askTimeout
    for (const target of inOrder(operation.candidates, remembered.get(key))) {
      const ms = Math.min(ports.askTimeout, deadline - ports.clock.now())
      const reply = ms > 0 ? await ask(ports, { call, target, out, ms }) : undefined
      if (reply === undefined) silent.push(target.backend)
      else if (reply.kind === 'result') {
        remember(remembered, key, target.backend)
        return exposeReply(ports, call, { target, reply })
      } else if (!NOT_FOUND.has(reply.code)) failure ??= exposeReply(ports, call, { target, reply })
    }
    if (failure !== undefined) return failure
    throw notFound(operation, silent)
  }
}

function inOrder(candidates: readonly OneTarget[], first: string | undefined): readonly OneTarget[] {
  const known = candidates.filter(({ backend }) => backend === first)
  return [...known, ...candidates.filter(({ backend }) => backend !== first)]
}

interface Asking {
  readonly call: Permitted
  readonly target: OneTarget
  readonly out: Notifications
  /** Milliseconds to wait. */
  readonly ms: number
}

/** The reply, or undefined where there was none in time. */
async function ask(ports: SearchPorts, { call, target, out, ms }: Asking): Promise<Reply | undefined> {
  const backend = ports.backends.get(target.backend)
  if (backend === undefined || !ports.mayAsk(target.backend)) return undefined
  const { message, headers, principal, downstream } = call
  const attempt = new AbortController()
  const cancel = ports.clock.after(ms, () =>
    attempt.abort(new GatewayError('BACKEND_TIMEOUT', `No answer within ${ms} ms`)),
  )
  const signal = anySignal(call.signal, attempt.signal)
  try {
    const exposedName = subjectOf(message)
    const request = { message, target, exposedName, principal, downstream, headers, signal }
    return await sendRecorded(call.record, backend, { request, out })
  } catch {
    call.signal.throwIfAborted()
    return undefined
  } finally {
    cancel()
  }
}

function remember(remembered: Map<string, string>, key: string, backend: string): void {
  remembered.delete(key)
  remembered.set(key, backend)
  const [oldest] = remembered.keys()
  if (remembered.size > MAX_REMEMBERED && oldest !== undefined) remembered.delete(oldest)
}

function notFound({ uri, candidates }: SearchOperation, silent: readonly string[]): GatewayError {
  const asked = [...new Set(candidates.map(({ backend }) => backend))].join(', ')
  const away = silent.length === 0 ? '' : ` Away: ${silent.join(', ')}.`
  const shown = uri.replace(/[^\x20-\x7e]/g, '?').slice(0, 128)
  const message = `Unknown resource: ${shown}. Nobody lists it, and it was asked for at: ${asked}.${away}`
  return new GatewayError('UNKNOWN_NAME', message, { data: { uri } })
}
