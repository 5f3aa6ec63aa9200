import { GatewayError } from '../../errors.ts'
import type { ErrorMessage, NotificationMessage, ResultMessage } from '../../protocol/message.ts'
import { parseMessage } from '../../protocol/message.ts'
import { toLine } from '../../protocol/lines.ts'
import { type Answer, ChannelError, type ChannelFailure, type Exchange } from '../channel.ts'
import { type Delivery, createDelivery } from './delivery.ts'
import type { QueuedLine, WriteQueue } from './write-queue.ts'

/** The exchanges under way on one pipe, by the raw text of their ids. */
export interface Exchanges {
  /**
   * Sends a request and waits for its answer.
   *
   * @throws ChannelError, or the reason of the signal when it is aborted
   */
  start(exchange: Exchange): Promise<Answer>
  /** Gives an answer to the exchange of that id; false when none waits for it. */
  answer(id: string, message: ResultMessage | ErrorMessage): boolean
  /** Gives a notification to the exchange of that id; false when there is none. */
  notify(id: string, notification: NotificationMessage): boolean
  /** Ends the exchange of that id; false when there is none. */
  fail(id: string, failure: ChannelFailure): boolean
  /** Ends all that wait for an answer, each with the failure for having been sent or not. */
  failAll(failureOf: (sent: boolean) => ChannelFailure): void
}

/** How much may wait in front of a slow reader of one exchange. */
export interface ExchangeBounds {
  readonly queue: number
  readonly characters: number
}

interface Entry {
  readonly exchange: Exchange
  readonly queued: QueuedLine
  readonly delivery: Delivery
  answered: boolean
  settle(action: () => void): void
  reject(error: Error): void
  resolve(answer: Answer): void
}

/** Correlates requests with answers and notifications over one pipe. */
export function createExchanges(out: WriteQueue, bounds: ExchangeBounds): Exchanges {
  const entries = new Map<string, Entry>()

  const end = (entry: Entry, error: Error): void => {
    if (!entry.answered) takeBack(entry, out)
    entry.settle(() => entry.reject(error))
  }
  return {
    start: (exchange) => {
      const { id, text, signal, attempt } = exchange
      if (signal.aborted) return Promise.reject(signal.reason)
      if (entries.has(id)) return Promise.reject(new TypeError(`An exchange ${id} is under way already`))
      const queued = out.write(toLine(text), attempt && (() => attempt.sent()))
      if (queued === undefined) return Promise.reject(notReading())
      return new Promise((resolve, reject) => {
        const onAbort = (): void => end(entry, signal.reason)
        const settle = (action: () => void): void => {
          if (entries.get(id) === entry) entries.delete(id)
          signal.removeEventListener('abort', onAbort)
          entry.delivery.stop()
          action()
        }
        const delivery = createDelivery({
          ...bounds,
          take: (notification) => exchange.onNotification(notification),
          fail: (error) => end(entry, error as Error),
        })
        const entry: Entry = { exchange, queued, delivery, answered: false, settle, resolve, reject }
        entries.set(id, entry)
        signal.addEventListener('abort', onAbort)
      })
    },
    answer: (id, message) => {
      const entry = entries.get(id)
      // Nobody can answer what was not sent yet.
      if (entry?.queued.sent !== true) return false
      entry.exchange.attempt?.alive()
      // From now on a second answer finds nothing; this one waits for the notifications before it.
      entries.delete(id)
      entry.answered = true
      const answer: Answer = { message, status: 200, session: undefined }
      entry.delivery.whenTaken(() => entry.settle(() => entry.resolve(answer)))
      return true
    },
    notify: (id, notification) => {
      const entry = entries.get(id)
      entry?.exchange.attempt?.alive()
      if (entry?.delivery.push(notification) === false) end(entry, slowConsumer(bounds))
      return entry !== undefined
    },
    fail: (id, failure) => {
      const entry = entries.get(id)
      if (entry?.queued.sent !== true) return false
      entry.settle(() => entry.reject(new ChannelError(failure)))
      return true
    },
    failAll: (failureOf) => {
      for (const entry of entries.values()) {
        entry.settle(() => entry.reject(new ChannelError(failureOf(entry.queued.sent))))
      }
    },
  }
}

/** Undoes a request: takes it back, or tells the server (basic/patterns/cancellation), but never for `initialize`. */
function takeBack({ queued, exchange }: Entry, out: WriteQueue): void {
  if (!queued.sent) return queued.withdraw()
  const request = parseMessage(exchange.text)
  if (request.kind === 'request' && request.method === 'initialize') return
  // When even this has no room the server reads nothing anyway.
  out.write(
    toLine(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${exchange.id}}}`),
  )
}

/** Thrown when so much waits for a process to read that no more may. */
export function notReading(): ChannelError {
  return new ChannelError({ kind: 'unreachable', reason: 'The process does not read its input' })
}

/** The backend did all that it should: it is the client that does not read. */
function slowConsumer({ queue }: ExchangeBounds): GatewayError {
  return new GatewayError('SLOW_CONSUMER', `The client left ${queue} messages of the call unread`)
}
