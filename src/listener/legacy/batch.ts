import { GatewayError } from '../../errors.ts'
import { rawOf, scanJson } from '../../protocol/json.ts'
import { type BadMessage, type Message, errorText, parseMessage } from '../../protocol/message.ts'
import type { ScanLimits } from '../../protocol/json.ts'

/** Messages that one batch may hold. */
const MAX_BATCH = 100

const OPEN_BRACE = 0x7b

/** The only revision with batches (2025-03-26, basic/index "Batching"; removed by 2025-06-18). */
export const BATCH_VERSION = '2025-03-26'

/** True for a text that is a JSON array, if it is JSON at all. */
export function isBatch(text: string): boolean {
  // Nearly every message begins with its brace.
  return text.charCodeAt(0) !== OPEN_BRACE && /^[ \t\r\n]*\[/.test(text)
}

/**
 * The messages of a batch.
 *
 * @throws GatewayError PARSE_ERROR, or INVALID_REQUEST for an empty or too large batch
 */
export function readBatch(text: string, limits: ScanLimits): readonly (Message | BadMessage)[] {
  const root = scanned(text, limits)
  const items = root.kind === 'array' ? (root.items ?? []) : []
  if (items.length === 0) throw new GatewayError('INVALID_REQUEST', 'Invalid request: the batch is empty')
  if (items.length > MAX_BATCH)
    throw new GatewayError(
      'INVALID_REQUEST',
      `Invalid request: the batch holds more than ${MAX_BATCH} messages`,
    )
  return items.map((item) => parseMessage(rawOf(text, item), limits))
}

function scanned(text: string, limits: ScanLimits): ReturnType<typeof scanJson> {
  try {
    return scanJson(text, { ...limits, detail: 1 })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new GatewayError('PARSE_ERROR', `Parse error: ${reason}`)
  }
}

/** What takes the messages of a batch. */
export interface BatchTaker {
  /** Carries out a request and yields the text of its response. */
  request(message: Extract<Message, { kind: 'request' }>): Promise<string>
  other(message: Exclude<Message, { kind: 'request' }>): void
}

/** Carries out a batch; yields the responses in their order, which are none where it holds no request. */
export async function carryOutBatch(
  messages: readonly (Message | BadMessage)[],
  taker: BatchTaker,
): Promise<readonly string[]> {
  const responses = messages.map((message): Promise<string> | undefined => {
    if (message.kind === 'bad')
      return Promise.resolve(errorText(message.id, { code: INVALID_REQUEST, message: message.reason }))
    if (message.kind === 'request') return taker.request(message)
    taker.other(message)
    return undefined
  })
  return Promise.all(responses.filter((response) => response !== undefined))
}

const INVALID_REQUEST = -32600
