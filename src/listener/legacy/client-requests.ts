import type { Signal } from '../../pipeline/signal.ts'
import type { Clock } from '../../pipeline/clock.ts'
import { rawOf } from '../../protocol/json.ts'
import type { ErrorMessage, ResultMessage } from '../../protocol/message.ts'

/** A request of the gateway's own to a client. */
export interface ClientRequest {
  readonly method: string
  /** Raw JSON; undefined sends none. */
  readonly params: string | undefined
  /** Takes the message to the client. */
  readonly write: (text: string) => void
  /** Aborting takes the request back: the client gets `notifications/cancelled`. */
  readonly signal: Signal
}

/** The requests that wait for one client, and its answers to them. */
export interface ClientRequests {
  /** @throws the reason of the signal when that is aborted before the client has answered */
  ask(request: ClientRequest): Promise<ResultMessage | ErrorMessage>
  /** Takes an answer of the client. False for an id that nothing waits for, or not any more: such answers mean nothing. */
  answer(message: ResultMessage | ErrorMessage): boolean
  /** Requests without an answer. */
  readonly pending: number
}

/** Creates the requests of one session: an answer that was meant for another session finds nothing here. */
export function createClientRequests(): ClientRequests {
  const waiting = new Map<string, (message: ResultMessage | ErrorMessage) => void>()
  let last = 0
  return {
    ask({ method, params, write, signal }) {
      const id = String(++last)
      const { promise, resolve, reject } = Promise.withResolvers<ResultMessage | ErrorMessage>()
      const onAbort = (): void => {
        if (!waiting.delete(id)) return
        write(
          `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id},"reason":"The call has ended"}}`,
        )
        reject(signal.reason)
      }
      if (signal.aborted) return Promise.reject(signal.reason)
      signal.addEventListener('abort', onAbort)
      waiting.set(id, (message) => {
        signal.removeEventListener('abort', onAbort)
        resolve(message)
      })
      const rest = params === undefined ? '' : `,"params":${params}`
      write(`{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)}${rest}}`)
      return promise
    },
    answer(message) {
      const id = message.id === undefined ? undefined : rawOf(message.text, message.id)
      const settle = id === undefined ? undefined : waiting.get(id)
      if (id === undefined || settle === undefined) return false
      waiting.delete(id)
      settle(message)
      return true
    },
    get pending() {
      return waiting.size
    },
  }
}

/** Settles after `ms`; @throws the reason of the signal where that comes first */
export function pause(clock: Clock, ms: number, signal: Signal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  if (signal.aborted) return Promise.reject(signal.reason)
  const onAbort = (): void => {
    cancel()
    reject(signal.reason)
  }
  const cancel = clock.after(ms, () => {
    signal.removeEventListener('abort', onAbort)
    resolve()
  })
  signal.addEventListener('abort', onAbort)
  return promise
}
