/**
 * A modern server in a process of its own, with one tool, `work`, that fails as it is told. The test talks to it over
 * the channel of the fork; every execution of the tool is reported before anything else becomes of it.
 */
import {
  type Behaviour,
  type Reply,
  goodResult,
  good,
  rawBackend,
  response,
} from '../hostile/support/backend.ts'

/** How calls of the tool fail. `well` does not. */
export type Fault =
  | 'well'
  | 'hangs'
  | 'dies mid-stream'
  | 'dies mid-answer'
  | 'answers 500'
  | 'answers garbage'
  | 'slow first byte'
  | 'slow trickle of JSON'
  | 'slow trickle of events'
  | 'slow trickle of notifications'

/** What the test tells the process. */
export type Order =
  | { readonly do: 'fail'; readonly fault: Fault }
  /** Stops listening and resets every connection, for so long; undefined for good. */
  | { readonly do: 'refuse'; readonly ms?: number }
  | { readonly do: 'listen' }
  /** Answers with how many connections are open. */
  | { readonly do: 'settle' }

/** What the process tells the test. */
export type Report =
  | { readonly ready: number }
  | { readonly executed: true }
  | { readonly done: Order['do']; readonly connections: number }

/** Milliseconds that a slow first byte takes, and between two pieces of a trickle. */
const SLOW = 800
const PIECE = 20

const SERVER = { era: 'modern', tools: '{"name":"work","inputSchema":{"type":"object"}}' } as const
const BEGUN = '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"begun"}}'
const serve = good(SERVER)
const tell = (report: Report): Promise<void> =>
  new Promise((resolve) => void process.send?.(report, undefined, {}, () => resolve()))

const trickle = ({ socket }: Reply, piece: string): void => {
  socket.write(piece)
  const timer = setInterval(() => socket.write(piece), PIECE)
  socket.on('close', () => clearInterval(timer))
}

/** The hard way, once everything written before has left. */
const die = ({ socket }: Reply): void =>
  void socket.write('', () => setTimeout(() => process.kill(process.pid, 'SIGKILL'), PIECE))

const faults: Readonly<Record<Fault, Behaviour>> = {
  well: serve,
  hangs: () => undefined,
  'dies mid-stream': (_received, reply) => {
    reply.events(BEGUN)
    die(reply)
  },
  'dies mid-answer': (_received, reply) => {
    reply.raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"jsonrpc":')
    die(reply)
  },
  'answers 500': (_received, reply) =>
    reply.json('no', { status: 500, headers: { 'content-type': 'text/plain' } }),
  'answers garbage': (_received, reply) => reply.json('{"jsonrpc":"2.0","id":'),
  'slow first byte': ({ id }, reply) =>
    void setTimeout(() => reply.json(response(id, `"result":${goodResult(SERVER, 'tools/call')}`)), SLOW),
  'slow trickle of JSON': (_received, reply) => {
    reply.raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99999\r\n\r\n')
    trickle(reply, ' ')
  },
  'slow trickle of events': (_received, reply) => {
    reply.events()
    trickle(reply, ': still here\n\n')
  },
  'slow trickle of notifications': (_received, reply) => {
    reply.events()
    trickle(reply, `data: ${BEGUN}\n\n`)
  },
}

let fault: Fault = 'well'
const backend = await rawBackend(
  (received, reply) => {
    if (received.rpc !== 'tools/call') return serve(received, reply)
    void tell({ executed: true }).then(() => faults[fault](received, reply))
  },
  Number(process.argv[2] ?? 0),
)

process.on('message', (order: Order) => {
  const obey = async (): Promise<void> => {
    if (order.do === 'fail') ({ fault } = order)
    if (order.do === 'refuse') await backend.stop()
    if (order.do === 'listen') await backend.restart()
    if (order.do === 'refuse' && order.ms !== undefined) setTimeout(() => void backend.restart(), order.ms)
    await tell({ done: order.do, connections: backend.connections })
  }
  void obey()
})
process.on('disconnect', () => process.exit())
await tell({ ready: Number(new URL(backend.url).port) })
