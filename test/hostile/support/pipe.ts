import { once } from 'node:events'
import { type AddressInfo, type Socket, createServer } from 'node:net'

/** The life of one process: what it writes is what the test writes. */
export interface PipeProcess {
  readonly socket: Socket
  readonly write: (bytes: string | Uint8Array) => void
  /** Ends the process. */
  readonly exit: () => void
}

/** Takes a line that a process was given. */
export type OnLine = (line: string, process: PipeProcess) => void

/** A backend that is a child process, with its behaviour in the test. */
export interface PipeBackend {
  /** How to start it, as it stands in a configuration. */
  readonly config: { readonly command: string; readonly args: readonly string[] }
  /** What it does with every line from now on. */
  behave(onLine: OnLine): void
  /** Times it was started. */
  readonly starts: number
  close(): Promise<void>
}

// The process is nothing but a pipe to the test: it ends with its input, or when the test hangs up.
const SCRIPT = `
  const socket = require('node:net').connect(Number(process.argv[1]), '127.0.0.1')
  process.stdin.pipe(socket)
  socket.pipe(process.stdout)
  socket.on('close', () => process.exit(0)).on('error', () => process.exit(1))
`

/** Listens for processes that the gateway starts. */
export async function pipeBackend(initial: OnLine): Promise<PipeBackend> {
  let onLine = initial
  let starts = 0
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    starts++
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    const process: PipeProcess = {
      socket,
      write: (bytes) => void socket.write(bytes),
      exit: () => void socket.destroy(),
    }
    let rest = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) onLine(line, process)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    config: { command: process.execPath, args: ['-e', SCRIPT, String(port)] },
    behave: (next) => {
      onLine = next
    },
    get starts() {
      return starts
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
