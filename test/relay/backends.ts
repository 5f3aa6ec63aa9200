import { ECHO, type GoodServer, good, goodResult, rawBackend, response } from '../hostile/support/backend.ts'
import { pipeBackend } from '../hostile/support/pipe.ts'

/** A backend that keeps what it gets of a call and answers with what it is told. */
export interface RelayBackend {
  readonly config: unknown
  /** The exact text of the last call. */
  readonly received: () => string
  /** The messages that answer the next calls, the response last. Backends without streams send only that one. */
  answer(messages: (id: string) => readonly string[]): void
  close(): Promise<void>
}

/** How a backend is reached, what it speaks, and how it answers. */
export const BACKENDS = [
  'modern-json',
  'modern-events',
  'modern-stdio',
  'legacy-json',
  'legacy-events',
  'legacy-stdio',
] as const

/** One of {@link BACKENDS}. */
export type BackendKind = (typeof BACKENDS)[number]

/** Starts a backend of that kind. */
export function relayBackend(kind: BackendKind): Promise<RelayBackend> {
  const server: GoodServer = { era: kind.startsWith('modern') ? 'modern' : 'legacy', tools: ECHO }
  return kind.endsWith('stdio') ? overStdio(server) : overHttp(server, kind.endsWith('events'))
}

type Messages = (id: string) => readonly string[]

async function overHttp(server: GoodServer, events: boolean): Promise<RelayBackend> {
  let messages: Messages = () => []
  let received = ''
  const otherwise = good(server)
  const backend = await rawBackend((request, reply) => {
    if (request.rpc !== 'tools/call') return otherwise(request, reply)
    received = request.body
    const all = messages(idOf(received))
    if (!events) return reply.json(all.at(-1) ?? '')
    reply.events(...all)
    reply.end()
  })
  return {
    config: backend.url,
    received: () => received,
    answer: (next) => {
      messages = next
    },
    close: () => backend.stop(),
  }
}

async function overStdio(server: GoodServer): Promise<RelayBackend> {
  let messages: Messages = () => []
  let received = ''
  const backend = await pipeBackend((line, process) => {
    const { method } = JSON.parse(line) as { readonly method: string }
    if (method.startsWith('notifications/')) return
    const id = idOf(line)
    if (method === 'tools/call') {
      received = line
      for (const message of messages(id)) process.write(`${message.replaceAll(/[\r\n]/g, ' ')}\n`)
      return
    }
    const result = goodResult(server, method)
    const unknown = '"error":{"code":-32601,"message":"Method not found"}'
    process.write(`${response(id, result === undefined ? unknown : `"result":${result}`)}\n`)
  })
  return {
    config: backend.config,
    received: () => received,
    answer: (next) => {
      messages = next
    },
    close: () => backend.close(),
  }
}

/** The id as it is written. */
function idOf(text: string): string {
  return JSON.stringify((JSON.parse(text) as { readonly id: unknown }).id)
}
