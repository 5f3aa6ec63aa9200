import type { StdioBackendConfig } from '../../config/types.ts'
import { createLineSplitter, LineOverflowError, toLine } from '../../protocol/lines.ts'
import { type JsonNode, member, rawOf } from '../../protocol/json.ts'
import {
  type BadMessage,
  type Message,
  type NotificationMessage,
  parseMessage,
} from '../../protocol/message.ts'
import { META } from '../../protocol/meta.ts'
import { type Channel, type ChannelEvents, ChannelError, type ChannelFailure } from '../channel.ts'
import { type Exchanges, createExchanges, notReading } from './exchanges.ts'
import type { StdioPorts } from './ports.ts'
import { type BackendProcess, startProcess } from './process.ts'
import { createEventRate } from './rate.ts'
import { escapeControls } from './stderr.ts'
import { createWriteQueue } from './write-queue.ts'

/** A channel that is one life of a process. */
export interface StdioChannel extends Channel {
  readonly transport: 'stdio'
  readonly pid: number
}

/** Milliseconds in which a process that closed a pipe may still say by its exit why. */
const LAST_WORDS = 500

/**
 * Starts the process of a backend and exchanges messages with it, one per line (2026-07-28 and before,
 * basic/transports/stdio). The channel ends with the process: exchanges under way are rejected (`broken`, or
 * `unreachable` when nothing of them was written), `onEnd` is called once (not after `close`), and further
 * exchanges are `unreachable`.
 *
 * Notifications reach the exchange they name (by progress token, subscription id or the request they cancel; the
 * gateway writes its own ids there); all others, and requests of the server, go to `events.onMessage`.
 *
 * @throws ChannelError unreachable when the process cannot be started
 */
export async function openStdioChannel(
  config: StdioBackendConfig,
  ports: StdioPorts,
  events: ChannelEvents,
): Promise<StdioChannel> {
  const { clock, limits } = ports
  const process = await startProcess(config, ports)
  const out = createWriteQueue(process.stdin)
  const exchanges = createExchanges(out, { queue: limits.queue, characters: limits.reply })
  let over: string | undefined

  const end = (reason: string, failureOf = failureOfEnd(reason)): boolean => {
    if (over !== undefined) return false
    over = reason
    exchanges.failAll(failureOf)
    return true
  }
  const broke = (reason: string, detail?: string): void => {
    if (!end(reason)) return
    void process.stop()
    events.onEnd(reason, detail)
  }
  const brokeSoon = (reason: string): void => void clock.after(LAST_WORDS, () => broke(reason))
  const read = createReader(config.name, ports, {
    exchanges,
    onMessage: (message) => events.onMessage(message),
  })
  readLines(process, limits.reply, {
    line: (text) => {
      if (over === undefined) read.line(text)
    },
    bad: (reason) => read.bad(reason),
    overflow: (reason) => {
      process.kill()
      if (end(reason, () => ({ kind: 'protocol', reason }))) events.onEnd(reason)
    },
    end: () => brokeSoon('The process closed its output'),
  })
  process.stdin.on('error', () => brokeSoon('The process closed its input'))
  void process.exited.then(({ reason, detail }) => broke(reason, detail))

  const ended = (): ChannelError => new ChannelError({ kind: 'unreachable', reason: over ?? '' })
  return {
    transport: 'stdio',
    pid: process.pid,
    exchange: (exchange) => (over === undefined ? exchanges.start(exchange) : Promise.reject(ended())),
    // Settles once the line is on its way or in the bounded queue: a process that does not read holds nobody up.
    notify: async (text) => {
      if (over !== undefined) throw ended()
      if (out.write(toLine(text)) === undefined) throw notReading()
    },
    close: () => {
      end('The gateway closed the channel')
      return process.stop()
    },
  }
}

function failureOfEnd(reason: string): (sent: boolean) => ChannelFailure {
  return (sent) => ({ kind: sent ? 'broken' : 'unreachable', reason })
}

/** Where the output of a process goes. */
interface OutputSink {
  line(text: string): void
  bad(reason: string): void
  overflow(reason: string): void
  end(): void
}

function readLines({ stdout }: BackendProcess, maxBytes: number, sink: OutputSink): void {
  const splitter = createLineSplitter(sink, maxBytes)
  const guarded = (action: () => void): void => {
    try {
      action()
    } catch (error) {
      if (!(error instanceof LineOverflowError)) throw error
      stdout.destroy()
      sink.overflow(`The process wrote a line of more than ${maxBytes} bytes`)
    }
  }
  stdout.on('data', (chunk: Uint8Array) => guarded(() => splitter.push(chunk)))
  stdout.once('end', () => {
    guarded(() => splitter.end())
    sink.end()
  })
}

/** Warnings about garbage per backend: so many at once, filled up again over the window in milliseconds. */
const WARNINGS = 10
const WARNING_WINDOW = 60_000

/**
 * Sends each line of a channel that all exchanges share where it belongs. Whatever a server writes, and whatever
 * takes it fails with, ends here.
 */
export function createReader(
  backend: string,
  { clock, log, limits }: Pick<StdioPorts, 'clock' | 'log'> & { readonly limits: { readonly depth: number } },
  to: { exchanges: Exchanges; onMessage(message: Message): void },
): { line(text: string): void; bad(reason: string, line?: string): void } {
  const rate = createEventRate(clock, WARNINGS, WARNING_WINDOW)
  const bad = (reason: string, line?: string): void => {
    if (!rate.allow()) return
    const before = rate.heldBack()
    const fields = { backend, reason, line, more: before === 0 ? undefined : before }
    log('warn', 'The backend wrote something that is no message', fields)
  }
  const dispatch = (message: Message | BadMessage, text: string): void => {
    switch (message.kind) {
      case 'request':
        return to.onMessage(message)
      case 'notification':
        return dispatchNotification(message, to)
      case 'bad':
        // A bad answer is better known at once than waited for.
        if (message.id !== undefined && to.exchanges.fail(message.id, protocol(message.reason))) return
        return bad(message.reason, beginning(message, text))
      default: {
        if (message.id === undefined) return bad('An error response without the id of its request')
        const id = rawOf(text, message.id)
        if (to.exchanges.answer(id, message)) return
        log('debug', 'Dropped an answer that nothing waits for', {
          backend,
          id: escapeControls(id.slice(0, 100)),
        })
      }
    }
  }
  return {
    bad,
    line: (text) => {
      try {
        dispatch(parseMessage(text, { maxDepth: limits.depth }), text)
      } catch (error) {
        log('error', 'A message of the backend could not be handled', { backend, error: String(error) })
      }
    },
  }
}

function protocol(reason: string): ChannelFailure {
  return { kind: 'protocol', reason: `The answer is no JSON-RPC response: ${reason}` }
}

/** What stands on a line that is not even meant as a message, such as a greeting; never parts of one. */
function beginning(message: BadMessage, text: string): string | undefined {
  const meant = message.problem === 'shape' || /^\s*[{[]/.test(text)
  return meant ? undefined : escapeControls(text.slice(0, 200))
}

/** Gives a notification to the exchange it names, or to everybody. */
function dispatchNotification(
  message: NotificationMessage,
  to: { exchanges: Exchanges; onMessage(message: Message): void },
): void {
  const { text, params, method } = message
  const named = (node: JsonNode | undefined): boolean =>
    node !== undefined && to.exchanges.notify(rawOf(text, node), message)
  const progress = member(params, META.progressToken)
  // Progress after the answer, or for nobody, is of no use to anybody.
  if (progress !== undefined) return void named(progress)
  if (named(member(member(params, '_meta'), META.subscriptionId))) return
  if (method === 'notifications/cancelled' && named(member(params, 'requestId'))) return
  to.onMessage(message)
}
