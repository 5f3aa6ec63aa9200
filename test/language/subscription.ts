import type { House } from './house.ts'
import { declaring } from './handwritten.ts'
import { type Journal, createJournal } from './journal.ts'
import type { RpcMessage } from './raw.ts'
import type { Scope } from './scope.ts'
import type { Arguments } from './stage.ts'

/** A message on a stream, with its exact text. */
export type RawMessage = RpcMessage & { readonly text: string }

/** What is asked for. */
export interface RawSubscriptionOptions {
  readonly filter: object
  /** Raw JSON of the id; default a string. */
  readonly id?: string
  /** `_meta` of the request; default that of a client without extensions. */
  readonly meta?: Arguments
  readonly headers?: Readonly<Record<string, string>>
}

/** An open stream. */
export interface RawSubscription {
  readonly answer: Response
  readonly messages: Journal<RawMessage>
  readonly ended: Promise<void>
  leave(): void
}

/** A subscription over HTTP by hand: every message as it comes. */
export async function rawSubscription(
  scope: Scope,
  house: Pick<House, 'url'>,
  options: RawSubscriptionOptions,
): Promise<RawSubscription> {
  const { filter, id = '"me"', meta = declaring(), headers } = options
  const messages = createJournal<RawMessage>('what comes on the stream')
  const leaving = new AbortController()
  const answer = await fetch(house.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'subscriptions/listen',
      ...headers,
    },
    body: `{"jsonrpc":"2.0","id":${id},"method":"subscriptions/listen","params":{"notifications":${JSON.stringify(filter)},"_meta":${JSON.stringify(meta)}}}`,
    signal: leaving.signal,
  })
  const read = async (): Promise<void> => {
    let rest = ''
    for await (const chunk of (answer.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (!line.startsWith('data: ')) continue
        const text = line.slice(6)
        messages.record({ ...(JSON.parse(text) as RpcMessage), text })
      }
    }
  }
  const ended = answer.headers.get('content-type') === 'text/event-stream' ? read() : Promise.resolve()
  ended.catch(() => undefined)
  scope.after(async () => leaving.abort())
  return { answer, messages, ended, leave: () => leaving.abort() }
}
